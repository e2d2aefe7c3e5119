"""Whatever events come, in whatever order, how often, with which crashes: stored is what the registry says."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeVar, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eclair import push
from eclair.adapters.memory import MemoryImages, MemoryQueues, MemorySets
from eclair.errors import Unavailable
from eclair.model import (
    Descriptor,
    Digest,
    Hint,
    HintKind,
    Image,
    ImageState,
    Index,
    IndexRequest,
    Repository,
    SetId,
    SetReference,
    Tag,
)
from eclair.push import Push, Reconciled
from tests.registry_in_memory import AMD64, MemoryRegistry, sha256

P = TypeVar("P")

SHOP = Repository("registry.example.com/shop/cart")
OTHER = Repository("registry.example.com/shop/stock")
ARM64 = replace(AMD64, architecture="arm64")
SET = SetId("set")
NOW = 1_000_000.0


class Crash(BaseException):
    """The function ends here, as when its time is over."""


@dataclass
class Stepping:
    """Stands in front of the ports and calls `step` before each call of theirs."""

    step: Callable[[], None] = lambda: None

    def watch(self, port: P) -> P:
        return cast("P", _Watched(port, self))


@dataclass
class _Watched:
    port: object
    stepping: Stepping

    def __getattr__(self, name: str) -> object:
        method = getattr(self.port, name)

        def call(*arguments: object, **named: object) -> object:
            self.stepping.step()
            return method(*arguments, **named)

        return call


@dataclass
class World:
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    images: MemoryImages = field(default_factory=MemoryImages)
    sets: MemorySets = field(default_factory=MemorySets)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    now: float = NOW
    stepping: Stepping = field(default_factory=Stepping)

    @property
    def push(self) -> Push:
        watch = self.stepping.watch
        return Push(
            images=watch(self.images),
            sets=watch(self.sets),
            queues=watch(self.queues),
            registry=watch(self.registry),
            clock=lambda: self.now,
        )

    def pushed(self, tag: str = "", digest: Digest | None = None, *, time: float | None = None) -> None:
        self.push(Hint(kind=HintKind.PUSHED, repository=SHOP, time=self.at(time), tag=tag, digest=digest))

    def deleted(self, tag: str = "", digest: Digest | None = None, *, time: float | None = None) -> None:
        self.push(Hint(kind=HintKind.DELETED, repository=SHOP, time=self.at(time), tag=tag, digest=digest))

    def at(self, time: float | None) -> float:
        return self.now if time is None else time

    def index(self) -> None:
        """Do what matters here of the index function for all that is queued."""
        while self.queues.indexed:
            request = self.queues.indexed.pop(0)
            reference = SetReference(set=SET, type="deb", namespace="debian:12", origins=())
            image = self.images.images[request.digest]
            self.images.save_image(replace(image, state=ImageState.INDEXED, sets=(reference,)))
            stay = self.images.members.get((request.digest, request.repository))
            if stay is not None:
                self.sets.join(SET, stay)

    def members(self, repository: Repository = SHOP) -> dict[Digest, tuple[str, ...]]:
        return {digest: member.tags for (digest, where), member in self.images.members.items() if where == repository}

    def truth(self, repository: Repository = SHOP) -> dict[Digest, tuple[str, ...]]:
        """What the members have to be: every image of the registry with the tags that lead to it."""
        contents = self.registry.contents.get(repository, {})
        tags: dict[Digest, set[str]] = {
            digest: set() for digest, what in contents.items() if not isinstance(what, Index)
        }
        for tag, digest in self.registry.tag_digests.get(repository, {}).items():
            for leaf in leaves(self.registry, repository, digest):
                tags[leaf].add(tag)
        return {digest: tuple(sorted(names)) for digest, names in tags.items()}


def leaves(registry: MemoryRegistry, repository: Repository, digest: Digest) -> Iterator[Digest]:
    content = registry.contents[repository].get(digest)
    if isinstance(content, Index):
        for descriptor in content.manifests:
            yield from leaves(registry, repository, descriptor.digest)
    elif content is not None:
        yield digest


def states(world: World) -> dict[Digest, ImageState]:
    return {digest: image.state for digest, image in world.images.images.items()}


# --- pushes


def test_a_pushed_tag_is_stored_and_its_image_queued() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0", digest, time=NOW - 0.5)
    assert world.queues.indexed == [IndexRequest(repository=SHOP, digest=digest)]
    assert world.members() == {digest: ("1.0",)}
    assert states(world) == {digest: ImageState.QUEUED}
    assert world.images.tags(SHOP) == (Tag(repository=SHOP, name="1.0", digest=digest, images=(digest,), time=NOW - 1),)


def test_an_index_is_all_its_platforms_and_its_attestation_is_skipped() -> None:
    world = World()
    amd64 = world.registry.add_image(SHOP, None, [b"a"])
    arm64 = world.registry.add_image(SHOP, None, [b"b"], platform=ARM64)
    inner = world.registry.add_index(SHOP, None, [arm64])
    attestation = world.registry.add_attestation(SHOP)
    outer = world.registry.add_index(
        SHOP, "1.0", [amd64, inner, attestation, Descriptor(digest=sha256(b""), media_type="")]
    )
    world.pushed("1.0", outer)
    assert states(world) == {
        amd64: ImageState.QUEUED,
        arm64: ImageState.QUEUED,
        attestation.digest: ImageState.SKIPPED,
    }
    assert "attestation" in world.images.images[attestation.digest].reason
    assert {request.digest for request in world.queues.indexed} == {amd64, arm64}
    assert world.members() == dict.fromkeys((amd64, arm64, attestation.digest), ("1.0",))


def test_what_is_no_image_is_skipped_with_the_reason() -> None:
    world = World()
    chart = world.registry.add_artifact(SHOP, "chart", "a Helm chart, not an image")
    world.pushed("chart")
    assert world.images.images[chart].reason == "a Helm chart, not an image"
    assert states(world) == {chart: ImageState.SKIPPED}
    assert not world.queues.indexed


def test_an_index_without_end_fails_with_the_reason_and_is_listed() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, None, [b"a"])
    for _ in range(push.MAX_DEPTH + 1):
        digest = world.registry.add_index(SHOP, "deep", [digest])
    world.pushed("deep")
    assert states(world) == {digest: ImageState.FAILED}
    assert "levels" in world.images.images[digest].reason
    assert world.members() == {digest: ("deep",)}


def test_an_indexed_image_keeps_its_results_and_joins_a_further_repository() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0")
    world.index()
    world.registry.add_image(OTHER, "2.0", [b"layer"])
    world.push(Hint(kind=HintKind.PUSHED, repository=OTHER, time=NOW, tag="2.0"))
    assert states(world) == {digest: ImageState.INDEXED}
    assert world.queues.indexed == [IndexRequest(repository=OTHER, digest=digest)]


def test_a_push_by_digest_that_lost_its_tag_meanwhile_is_stored_without_it() -> None:
    world = World()
    old = world.registry.add_image(SHOP, "1.0", [b"old"])
    new = world.registry.add_image(SHOP, "1.0", [b"new"])
    world.pushed("1.0", old)
    assert world.members() == {old: (), new: ("1.0",)}


# --- tags that move and go


def test_a_moved_tag_leaves_the_images_it_led_to() -> None:
    world = World()
    old = world.registry.add_image(SHOP, "1.0", [b"old"])
    world.pushed("1.0")
    new = world.registry.add_image(SHOP, "1.0", [b"new"])
    world.pushed("1.0")
    assert world.members() == {old: (), new: ("1.0",)}
    assert [tag.stale for tag in world.images.tags(SHOP)] == [()]


def test_an_older_event_changes_nothing() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0", time=NOW - 10)
    before = dict(world.images.members), dict(world.images.pointers)
    world.registry.delete_tag(SHOP, "1.0")
    world.deleted("1.0", digest, time=NOW - 20)
    assert (world.images.members, world.images.pointers) == before
    assert world.members() == {digest: ("1.0",)}


def test_an_event_from_the_future_does_not_lock_the_tag() -> None:
    world = World()
    world.registry.add_image(SHOP, "1.0", [b"old"])
    world.pushed("1.0", time=NOW + 1e9)
    new = world.registry.add_image(SHOP, "1.0", [b"new"])
    world.pushed("1.0", time=NOW)
    assert world.members()[new] == ("1.0",)


def test_a_deleted_tag_goes_and_its_image_stays() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0")
    world.registry.delete_tag(SHOP, "1.0")
    world.deleted("1.0", digest)
    assert world.images.tags(SHOP) == ()
    assert world.members() == {digest: ()}


def test_a_push_of_what_the_registry_no_longer_has_is_a_deletion() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0", digest)
    world.index()
    world.registry.delete_manifest(SHOP, digest)
    world.pushed("1.0", digest)
    assert world.members() == {}
    assert world.images.tags(SHOP) == ()
    assert world.sets.members(SET).items == ()


def test_deleting_a_digest_that_is_still_there_changes_nothing() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0", digest)
    world.index()
    world.deleted(digest=digest)
    assert world.members() == {digest: ("1.0",)}
    assert len(world.sets.members(SET).items) == 1
    assert not world.queues.indexed


def test_a_deleted_image_leaves_its_sets_in_this_repository_only() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.registry.add_image(OTHER, "1.0", [b"layer"])
    world.pushed("1.0")
    world.push(Hint(kind=HintKind.PUSHED, repository=OTHER, time=NOW, tag="1.0"))
    world.index()
    world.registry.delete_manifest(SHOP, digest)
    world.deleted(digest=digest)
    assert [member.repository for member in world.sets.members(SET).items] == [OTHER]
    assert world.members() == {}
    assert world.images.tags(SHOP) == (), "the tag went with the digest"


def test_with_an_index_go_the_platforms_that_the_registry_no_longer_has() -> None:
    world = World()
    amd64 = world.registry.add_image(SHOP, None, [b"a"])
    arm64 = world.registry.add_image(SHOP, None, [b"b"], platform=ARM64)
    index = world.registry.add_index(SHOP, "1.0", [amd64, arm64])
    world.pushed("1.0")
    world.registry.delete_manifest(SHOP, index)
    world.registry.delete_manifest(SHOP, amd64)
    world.deleted(digest=index)
    assert world.members() == {arm64: ()}


def test_a_tag_that_never_stops_moving_is_left_to_a_later_delivery() -> None:
    world = World()
    count = iter(range(10_000))

    def retag() -> None:
        world.registry.add_image(SHOP, "1.0", [b"%d" % next(count)])

    retag()
    world.stepping.step = retag
    with pytest.raises(Unavailable, match="moved"):
        world.pushed("1.0")


def test_a_registry_that_does_not_answer_changes_nothing() -> None:
    world = World()
    world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0")
    before = dict(world.images.members)
    world.registry.down.add(SHOP)
    with pytest.raises(Unavailable):
        world.deleted("1.0")
    assert world.images.members == before


def test_a_hint_that_fails_holds_up_no_other_and_is_not_forgotten() -> None:
    world = World()
    world.registry.add_image(SHOP, "1.0", [b"layer"])
    digest = world.registry.add_image(OTHER, "1.0", [b"layer"])
    world.registry.down.add(SHOP)
    hints = [Hint(kind=HintKind.PUSHED, repository=repository, time=NOW, tag="1.0") for repository in (SHOP, OTHER)]
    with pytest.raises(Unavailable):
        world.push.follow(hints)
    assert world.members(OTHER) == {digest: ("1.0",)}


# --- reconcile


def test_reconcile_finds_what_no_event_told() -> None:
    world = World()
    kept = world.registry.add_image(SHOP, "kept", [b"kept"])
    gone = world.registry.add_image(SHOP, "gone", [b"gone"])
    world.pushed("kept")
    world.pushed("gone")
    world.index()
    world.registry.delete_manifest(SHOP, gone)
    world.registry.delete_tag(SHOP, "kept")
    world.registry.add_image(SHOP, "new", [b"new"])
    world.now += 60
    assert world.push.reconcile() == Reconciled(repositories=1, changed=3, gone=0)
    assert world.members() == world.truth()
    assert [member.digest for member in world.sets.members(SET).items] == [kept]
    assert world.push.reconcile() == Reconciled(repositories=1), "nothing is left to do"


def test_reconcile_finds_repositories_that_the_registry_lists() -> None:
    world = World()
    digest = world.registry.add_image(OTHER, "1.0", [b"layer"])
    done = world.push.reconcile(["registry.example.com"])
    assert (done.repositories, done.changed, done.unlisted) == (1, 1, ())
    assert world.members(OTHER) == {digest: ("1.0",)}


def test_reconcile_reports_a_registry_that_lists_nothing_and_goes_on() -> None:
    world = World()
    world.registry.closed.add("registry.example.com")
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0")
    world.registry.delete_manifest(SHOP, digest)
    done = world.push.reconcile(["registry.example.com"])
    assert done.unlisted == ("registry.example.com",)
    assert world.members() == {}


def test_a_repository_that_fails_harms_no_other() -> None:
    world = World()
    world.registry.add_image(SHOP, "1.0", [b"layer"])
    digest = world.registry.add_image(OTHER, "1.0", [b"layer"])
    world.registry.down.add(SHOP)
    done = world.push.reconcile(["registry.example.com"])
    assert (done.repositories, done.failed, done.changed) == (2, 1, 1)
    assert world.members(OTHER) == {digest: ("1.0",)}


def test_a_repository_deleted_as_a_whole_goes() -> None:
    world = World()
    world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.registry.add_image(SHOP, None, [b"untagged"])
    world.pushed("1.0")
    world.pushed(digest=world.registry.add_image(SHOP, None, [b"untagged"]))
    del world.registry.contents[SHOP], world.registry.tag_digests[SHOP]
    world.push.reconcile()
    assert (world.members(), world.images.tags(SHOP)) == ({}, ())


def test_reconcile_stops_in_time_and_counts_what_is_left() -> None:
    world = World()
    for number in range(5):
        world.registry.add_image(f"registry.example.com/r{number}", "1.0", [b"layer"])
    times = iter([100.0, 50.0, push.RESERVE - 1])
    done = world.push.reconcile(["registry.example.com"], remaining=lambda: next(times))
    assert (done.repositories, done.left) == (2, 3)


def test_every_repository_is_in_exactly_one_share() -> None:
    world = World()
    for number in range(40):
        world.registry.add_image(f"registry.example.com/r{number}", "1.0", [b"layer"])
    done = [world.push.reconcile(["registry.example.com"], share=share, shares=24).changed for share in range(24)]
    assert sum(done) == 40
    assert max(done) < 10


def test_reconcile_takes_a_tag_from_an_image_that_it_does_not_lead_to() -> None:
    world = World()
    digest = world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0")
    world.images.add_membership(digest, SHOP, "left-behind")
    world.push.reconcile()
    assert world.members() == {digest: ("1.0",)}


# --- any order, repeats, crashes, and a registry that does not stand still

TAGS = ("a", "b")
CONTENTS = tuple(range(3))
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("image"), st.sampled_from(TAGS), st.sampled_from(CONTENTS)),
        st.tuples(st.just("index"), st.sampled_from(TAGS), st.sampled_from(CONTENTS)),
        st.tuples(st.just("untag"), st.sampled_from(TAGS), st.just(0)),
        st.tuples(st.just("delete"), st.just(""), st.sampled_from(CONTENTS)),
    ),
    min_size=1,
    max_size=5,
)


def happen(world: World, move: tuple[str, str, int], time: float) -> list[Hint]:
    """Do the move in the registry and return the events that ECR would send."""
    what, tag, content = move
    registry, names = world.registry, world.registry.tag_digests.get(SHOP, {})
    layers = [b"%d" % content]

    def hint(kind: HintKind, tag: str, digest: Digest) -> Hint:
        return Hint(kind=kind, repository=SHOP, time=time, tag=tag, digest=digest)

    if what == "image":
        return [hint(HintKind.PUSHED, tag, registry.add_image(SHOP, tag, layers))]
    if what == "index":
        children = [registry.add_image(SHOP, None, layers, platform=platform) for platform in (AMD64, ARM64)]
        pushed = [hint(HintKind.PUSHED, "", child) for child in children]
        return [*pushed, hint(HintKind.PUSHED, tag, registry.add_index(SHOP, tag, children))]
    if what == "untag":
        digest = names.get(tag)
        registry.delete_tag(SHOP, tag)
        return [hint(HintKind.DELETED, tag, digest)] if digest else []
    contents = registry.contents.get(SHOP, {})
    indexes = [content for content in contents.values() if isinstance(content, Index)]
    referenced = {descriptor.digest for index in indexes for descriptor in index.manifests}
    there = [digest for digest in contents if digest not in referenced]  # ECR does not delete what an index names
    if not there:
        return []
    digest = there[content % len(there)]
    tags = [tag for tag, target in names.items() if target == digest] or [""]
    registry.delete_manifest(SHOP, digest)
    return [hint(HintKind.DELETED, tag, digest) for tag in tags]


def deliver(world: World, hints: Iterable[Hint]) -> None:
    for hint in hints:
        world.push(hint)
        world.index()


def check(world: World) -> None:
    assert world.members() == world.truth()
    stored = {tag.name: tag.digest for tag in world.images.tags(SHOP)}
    assert stored == world.registry.tag_digests.get(SHOP, {})
    assert {member.digest for member in world.sets.members(SET).items} == set(world.truth())


@pytest.mark.parametrize("crash_at", range(32))
def test_the_deletion_of_a_tagged_index_is_finished_after_a_crash_anywhere(crash_at: int) -> None:
    world = World()
    pushed = happen(world, ("index", "a", 0), world.now)
    deliver(world, pushed)
    world.now += 1
    happen(world, ("untag", "a", 0), world.now)
    (deleted,) = happen(world, ("delete", "", 0), world.now)
    deliver_half(world, deleted, crash_at)
    deliver(world, [deleted, *pushed])
    check(world)


@settings(max_examples=300, deadline=None)
@given(moves=MOVES, ticks=st.lists(st.sampled_from([0.0, 0.4, 1.0]), min_size=5, max_size=5), choose=st.data())
def test_any_order_repeats_and_crashes_end_in_what_the_registry_says(
    moves: list[tuple[str, str, int]], ticks: list[float], choose: st.DataObject
) -> None:
    world = World()
    hints: list[Hint] = []
    for move, tick in zip(moves, ticks, strict=False):
        world.now += tick
        hints += happen(world, move, float(int(world.now)))
        if choose.draw(st.booleans(), label="deliver one already"):
            crash_at = choose.draw(st.integers(0, 30), label="crash at port call")
            deliver_half(world, choose.draw(st.sampled_from([*hints, None]), label="early"), crash_at)
    for hint in choose.draw(st.permutations(hints), label="order"):
        deliver_half(world, hint, choose.draw(st.integers(0, 30), label="crash at port call"))
        deliver(world, [hint])
    check(world)


def deliver_half(world: World, hint: Hint | None, crash_at: int) -> None:
    """Deliver an event to a function that ends at one of its port calls."""
    left = iter(range(crash_at))

    def step() -> None:
        if next(left, None) is None:
            raise Crash

    if hint is None:
        return
    world.stepping.step = step
    try:
        world.push(hint)
    except Crash:
        pass
    finally:
        world.stepping.step = lambda: None
    world.index()


@settings(max_examples=300, deadline=None)
@given(moves=MOVES, at=st.lists(st.integers(0, 40), min_size=5, max_size=5), order=st.randoms(use_true_random=False))
def test_a_registry_that_moves_while_it_is_asked_is_followed(
    moves: list[tuple[str, str, int]], at: list[int], order: Random
) -> None:
    world = World()
    hints = happen(world, ("image", "a", 0), NOW)
    ahead = dict(zip(at, moves, strict=False))
    calls = iter(range(10**9))

    def step() -> None:
        move = ahead.pop(next(calls), None)
        if move is not None:
            later = happen(world, move, NOW)
            order.shuffle(later)
            hints.extend(later)

    world.stepping.step = step
    while hints:
        deliver(world, [hints.pop(0)])
    check(world)


@example(first="image", moves=[("image", "b", 1), ("delete", "", 1), ("image", "b", 1)], at={1: "both", 13: "both"})
@example(  # an image pushed again while it was being expelled was admitted without the tag
    first="image", moves=[("image", "b", 0), ("untag", "a", 0), ("delete", "", 0)], at={0: "move", 7: "both"}
)
@settings(max_examples=1000, deadline=None)
@given(
    first=st.sampled_from(["image", "index"]),
    moves=MOVES,
    at=st.dictionaries(st.integers(0, 45), st.sampled_from(["move", "deliver", "both"]), max_size=6),
)
def test_handlers_that_interrupt_each_other_end_in_what_the_registry_says_once_reconciled(
    first: str, moves: list[tuple[str, str, int]], at: dict[int, str]
) -> None:
    world = World()
    hints = happen(world, (first, "a", 0), NOW)
    deliver(world, hints)
    ahead = list(moves)
    hints = happen(world, ahead.pop(), NOW)
    calls = iter(range(10**9))

    def step() -> None:
        what = at.get(next(calls))
        if what in {"move", "both"} and ahead:
            hints.extend(happen(world, ahead.pop(), NOW))
        if what in {"deliver", "both"} and hints:
            deliver(world, [hints.pop()])

    world.stepping.step = step
    while hints:
        deliver(world, [hints.pop(0)])
    world.stepping.step = lambda: None
    world.push.reconcile()
    world.index()
    check(world)


# --- better analysers


def test_images_that_other_analysers_read_are_queued_once_each_page_by_page() -> None:
    world = World()
    names = [f"registry.example.com/r{number}" for number in range(4)]
    for number, name in enumerate(names):
        for content in range(3):
            digest = world.registry.add_image(name, f"{content}", [b"%d-%d" % (number, content)])
            world.push(Hint(kind=HintKind.PUSHED, repository=Repository(name), time=NOW, tag=f"{content}"))
            old = "new" if content == 0 else "old"
            world.images.images[digest] = Image(digest=digest, state=ImageState.INDEXED, analysers=old)
    shared = world.registry.add_image(names[0], "shared", [b"1-1"])
    world.push(Hint(kind=HintKind.PUSHED, repository=Repository(names[0]), time=NOW, tag="shared"))
    place: push.Place | None = push.Place()
    looked = 0
    while place is not None:
        done = world.push.reindex("new", place, limit=1)
        looked += done.images
        place = done.next
    assert looked == 13
    queued = [request.digest for request in world.queues.reindexed]
    assert len(queued) == len(set(queued)) == 8
    assert shared in queued


def test_an_image_that_is_not_indexed_is_not_read_again() -> None:
    world = World()
    world.registry.add_image(SHOP, "1.0", [b"layer"])
    world.pushed("1.0")
    assert world.push.reindex("new", push.Place(), limit=10).queued == 0
