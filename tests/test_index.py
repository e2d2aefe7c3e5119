"""Index over memory: blobs are read once, what cannot be read says why, and an image is told as it comes, goes and
comes back.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import pytest

from eclair.adapters.memory import MemoryAdvisories, MemoryImages
from eclair.errors import Forbidden, LimitExceeded, NotFound, Unavailable
from eclair.model import (
    Digest,
    Hint,
    HintKind,
    Image,
    ImageState,
    IndexRequest,
    LayerReference,
    Manifest,
    Membership,
    NotifyRequest,
    PackageKey,
    RefreshRequest,
    Repository,
    StatementKey,
)
from tests import tars
from tests.fleet import ALPINE, DEBIAN, DPKG, SHOP, Fleet, layer, packed
from tests.registry_in_memory import Content, MemoryRegistry, sha256

BANK = Repository("registry.example.com/bank/ledger")


class Registry(MemoryRegistry):
    """A registry that keeps which blobs were fetched, and may do something else than give one."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[Digest] = []
        self.instead: dict[Digest, Exception] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    @contextmanager
    def blob(self, repository: Repository, layer: LayerReference) -> Iterator[BinaryIO]:
        self.meanwhile()
        self.fetched.append(layer.digest)
        if layer.digest in self.instead:
            raise self.instead[layer.digest]
        with super().blob(repository, layer) as stream:
            yield stream


class Shop(Fleet):
    """A fleet whose registry is such a one."""

    registry: Registry

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry()
        self.ports = replace(self.ports, registry=self.registry)
        self.application = self.with_ports()

    def pushed(self, *layers: bytes, repository: Repository = SHOP, salt: str = "") -> IndexRequest:
        """Put an image into the registry and the repository, and return the request to index it."""
        digest = self.registry.add_image(repository, None, layers, salt=salt)
        self.ports.images.add_membership(digest, repository)
        return IndexRequest(repository=repository, digest=digest)

    def image(self, request: IndexRequest) -> Image:
        image = self.ports.images.image(request.digest)
        assert image is not None
        return image

    def notify(self, repository: Repository = SHOP) -> list[dict[str, Any]]:
        """Publish what waits for the repository; return the changes told."""
        before = len(self.ports.topic.published)
        self.application.notify(NotifyRequest(repository=repository, reason="test"))
        bodies = [json.loads(notice.body) for notice in self.ports.topic.published[before:]]
        return [change for body in bodies for change in body["changes"]]


@pytest.fixture
def fleet() -> Shop:
    return Shop()


@pytest.fixture
def loaded(fleet: Shop) -> Shop:
    """Return the fleet with the Debian tracker loaded."""
    fleet.load("debian")
    return fleet


# --- layers ----------------------------------------------------------------------------------------------------------


def test_a_layer_is_fetched_once_whoever_has_it(fleet: Shop) -> None:
    base, packages, twice = layer(DEBIAN), layer(DPKG), layer(ALPINE)
    for request in (
        fleet.pushed(base, packages, twice, twice),
        fleet.pushed(base, packages, salt="other"),
        fleet.pushed(base, packages, repository=BANK),
    ):
        assert fleet.application.index(request)
    assert fleet.registry.fetched == [sha256(base), sha256(packages), sha256(twice)]


def test_what_links_lead_to_is_read_for_the_image_that_has_the_links(fleet: Shop) -> None:
    """The database is in one layer, the link to it in another; the same layer without the link has none."""
    elsewhere = layer({"opt/dpkg/status": "dpkg/status", "opt/release": DEBIAN["usr/lib/os-release"]})
    links = tars.link("var/lib/dpkg", "/opt/dpkg") + tars.link("etc/os-release", "../../opt/release") + tars.END
    linked, alone = fleet.pushed(elsewhere, links), fleet.pushed(elsewhere, salt="alone")
    for request in (linked, alone):
        assert fleet.application.index(request)
    image = fleet.image(linked)
    assert (image.problems, [some.namespace for some in image.sets]) == ((), ["debian:12"])
    packages = fleet.ports.sets.packages(image.sets[0].set)
    assert packages is not None
    assert {package.path for package in packages.packages} == {"opt/dpkg/status"}
    assert (fleet.image(alone).sets, fleet.image(alone).distribution) == ((), None)
    assert fleet.registry.fetched == [sha256(elsewhere), sha256(links), sha256(elsewhere)]


def test_a_link_is_followed_only_where_time_is_left(fleet: Shop) -> None:
    links = tars.link("var/lib/dpkg", "/opt/dpkg") + tars.END
    request = fleet.pushed(layer({"opt/dpkg/status": "dpkg/status"} | DEBIAN), links)
    assert fleet.application.index(request, remaining=partial(next, iter((1e9, 0.0))))
    assert "a link leads to opt/dpkg/status" in dict(fleet.image(request).problems)["var/lib/dpkg/status"]


def test_what_was_read_before_a_failure_is_not_fetched_again(fleet: Shop) -> None:
    blobs = [layer(DEBIAN), layer(DPKG), packed({"etc/motd": b"hello"})]
    request = fleet.pushed(*blobs)
    fleet.registry.instead[sha256(blobs[1])] = Unavailable("the registry went away; try again later")
    with pytest.raises(Unavailable):
        fleet.application.index(request)
    assert fleet.image(request).state is ImageState.FAILED
    assert "the registry went away" in fleet.image(request).reason
    fleet.registry.instead.clear()
    fleet.registry.fetched.clear()
    assert fleet.application.index(request)
    assert fleet.registry.fetched == [sha256(blob) for blob in blobs[1:]]
    assert (fleet.image(request).state, fleet.image(request).reason) == (ImageState.INDEXED, "")


def test_an_image_of_127_layers_finishes_a_few_layers_at_a_time(fleet: Shop) -> None:
    """127 is the most that overlayfs and Docker allow."""
    blobs = [layer(DEBIAN), *(packed({f"opt/{number}": b"content"}) for number in range(125)), layer(DPKG)]
    request = fleet.pushed(*blobs)
    invocations = 0
    done = False
    while not done:
        left = iter(range(150, 0, -3))  # seconds, at each look
        done = fleet.application.index(request, remaining=lambda: float(next(left)))  # noqa: B023
        assert fleet.ports.queues.indexed == ([] if done else [request])
        fleet.ports.queues.indexed.clear()
        invocations += 1
    assert 10 <= invocations <= 13
    assert len(fleet.registry.fetched) == 127
    image = fleet.image(request)
    assert image.state is ImageState.INDEXED
    assert (len(image.layers), set(image.sets[0].origins)) == (127, {126})


def test_even_with_no_time_at_all_each_invocation_reads_a_layer(fleet: Shop) -> None:
    request = fleet.pushed(layer(DEBIAN), layer(DPKG))
    assert [fleet.application.index(request, remaining=lambda: 0.0) for _ in range(2)] == [False, True]


# --- what cannot be read ---------------------------------------------------------------------------------------------


def flipped(blob: bytes) -> bytes:
    """Return the blob with one bit changed in its middle."""
    middle = len(blob) // 2
    return blob[:middle] + bytes([blob[middle] ^ 1]) + blob[middle + 1 :]


class Unreadable(Registry):
    """A registry whose manifests are what is given."""

    manifest_error: Exception | None = None
    media_type: str | None = None

    def manifest(self, repository: Repository, digest: Digest) -> Content:
        if self.manifest_error:
            raise self.manifest_error
        found = super().manifest(repository, digest)
        if self.media_type and isinstance(found, Manifest):
            return replace(
                found, layers=tuple(replace(reference, media_type=self.media_type) for reference in found.layers)
            )
        return found


def damage(registry: Registry, blob: bytes, how: str) -> None:
    """Let the registry give something else in the place of a blob, or of its image's manifest."""
    digest = sha256(blob)
    match how:
        case "truncated":
            registry.blobs[digest] = blob[:-9]
        case "corrupt":
            registry.blobs[digest] = flipped(blob)
        case "another blob":
            registry.blobs[digest] = packed({"etc/motd": b"hello"})
        case "html":
            registry.blobs[digest] = b"<html>Bad gateway</html>"
        case "empty":
            registry.blobs[digest] = b""
        case "gone":
            del registry.blobs[digest]
        case "inflates beyond the limit":
            registry.instead[digest] = LimitExceeded(f"layer {digest}: inflates to more than is accepted")
        case _:
            registry.__class__ = Unreadable
            assert isinstance(registry, Unreadable)
            if how == "media type":
                registry.media_type = "application/vnd.example.layer.v1.squashfs"
            elif how == "manifest too large":
                registry.manifest_error = LimitExceeded("manifest: 5000000 bytes, at most 4194304")
            else:
                registry.manifest_error = NotFound("the manifest is not in the registry")


DAMAGES = [
    ("truncated", "layer"),
    ("corrupt", "layer"),
    ("another blob", "the bytes have digest"),
    ("html", "layer"),
    ("empty", "layer"),
    ("gone", "blob"),
    ("inflates beyond the limit", "more than is accepted"),
    ("media type", "squashfs"),
    ("manifest too large", "at most 4194304"),
    ("manifest gone", "not in the registry"),
]


@pytest.mark.parametrize(("how", "reason"), DAMAGES)
def test_an_image_that_cannot_be_read_fails_with_the_reason(fleet: Shop, how: str, reason: str) -> None:
    blob = layer(DPKG)
    request = fleet.pushed(layer(DEBIAN), blob)
    damage(fleet.registry, blob, how)
    assert fleet.application.index(request), "trying again cannot help"
    image = fleet.image(request)
    assert image.state is ImageState.FAILED
    assert reason in image.reason
    assert not fleet.ports.sets.heads
    assert fleet.ports.layers.layer(sha256(blob)) is None, "of what is not verified nothing is stored"


@pytest.mark.parametrize("how", [how for how, _ in DAMAGES])
def test_what_a_former_success_stored_stays(loaded: Shop, how: str) -> None:
    """As when the layers were to be read anew, and the registry is not what it was."""
    blob = layer(DPKG)
    request = loaded.pushed(layer(DEBIAN), blob)
    assert loaded.application.index(request)
    before, sets = loaded.image(request), dict(loaded.ports.sets.judged)
    loaded.ports.layers.layers.clear()
    damage(loaded.registry, blob, how)
    assert loaded.application.index(request)
    assert loaded.image(request) == before
    assert loaded.ports.sets.judged == sets


@pytest.mark.parametrize("error", [Unavailable("down"), Forbidden("the credentials were refused")])
def test_an_image_that_may_be_read_later_is_delivered_again(fleet: Shop, error: Exception) -> None:
    blob = layer(DEBIAN)
    request = fleet.pushed(blob)
    fleet.registry.instead[sha256(blob)] = error
    with pytest.raises(type(error)):
        fleet.application.index(request)
    assert (fleet.image(request).state, fleet.image(request).reason) == (ImageState.FAILED, str(error))


def test_of_a_broken_database_what_can_be_read_is_kept_and_the_damage_named(fleet: Shop) -> None:
    status = b"Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2.13.dfsg-1\nArchitecture: amd64\n\n"
    broken = status + b"Package: \xff\xfe\nVersion\n\nStatus: install ok installed\n\n"
    request = fleet.pushed(layer(DEBIAN), packed({"var/lib/dpkg/status": broken}))
    assert fleet.application.index(request)
    image = fleet.image(request)
    assert image.state is ImageState.INDEXED
    assert [path for path, _ in image.problems] == ["var/lib/dpkg/status"]
    package_set = fleet.ports.sets.packages(image.sets[0].set)
    assert package_set is not None
    assert "zlib1g" in [package.name for package in package_set.packages]


def test_what_is_no_image_is_skipped_with_the_reason(fleet: Shop) -> None:
    chart = fleet.registry.add_artifact(SHOP, None, "a Helm chart")
    leaf = fleet.registry.add_image(SHOP, None, [layer(DEBIAN)])
    index = fleet.registry.add_index(SHOP, None, [leaf])
    for digest, reason in ((chart, "a Helm chart"), (index, "index")):
        assert fleet.application.index(IndexRequest(repository=SHOP, digest=digest))
        image = fleet.ports.images.image(digest)
        assert image is not None
        assert image.state is ImageState.SKIPPED
        assert reason in image.reason
    assert not fleet.registry.fetched


# --- sets ------------------------------------------------------------------------------------------------------------


class Counting(MemoryAdvisories):
    """Counts how often statements are looked for."""

    asked = 0

    def candidates(self, package: PackageKey, key: bytes) -> tuple[StatementKey, ...]:
        self.asked += 1
        return super().candidates(package, key)


def test_images_with_the_same_packages_share_a_set_that_is_judged_once() -> None:
    fleet = Shop()
    advisories = Counting()
    fleet.ports = replace(fleet.ports, advisories=advisories)
    fleet.application = fleet.with_ports()
    fleet.load("debian")
    first = fleet.pushed(layer(DEBIAN), layer(DPKG))
    second = fleet.pushed(layer({**DEBIAN, **DPKG}), packed({"app/run": b"#!/bin/sh"}))
    third = fleet.pushed(layer(DEBIAN), layer(DPKG), repository=BANK)
    fleet.application.index(first)
    asked = advisories.asked
    assert asked
    for request in (second, third):
        fleet.application.index(request)
    assert advisories.asked == asked
    (set_id,) = fleet.ports.sets.heads
    members = {(member.digest, member.repository) for member in fleet.ports.sets.members(set_id).items}
    assert members == {(request.digest, request.repository) for request in (first, second, third)}


def test_a_second_image_of_a_repository_is_told_although_its_set_was(loaded: Shop) -> None:
    told = []
    for salt in ("one", "two"):
        request = loaded.pushed(layer(DEBIAN), layer(DPKG), salt=salt)
        loaded.application.index(request)
        changes = loaded.notify()
        assert {image["digest"] for change in changes for image in change["images"]} == {request.digest}
        told.append([change["vulnerability"] for change in changes])
    assert told[0] == told[1] != []


# --- images that go and come back ------------------------------------------------------------------------------------


def test_an_image_that_was_deleted_while_it_was_read_joins_nothing(loaded: Shop) -> None:
    request = loaded.pushed(layer(DEBIAN), layer(DPKG))
    loaded.registry.meanwhile = lambda: loaded.ports.images.remove_membership(request.digest, SHOP)
    assert loaded.application.index(request)
    assert not loaded.ports.sets.joined
    assert loaded.notify() == []


class Returning(MemoryImages):
    """The image leaves, and is back, just before index looks again whether it did."""

    looks = 0

    def memberships(self, digest: Digest) -> tuple[Membership, ...]:
        self.looks += 1
        if self.looks == 2:
            self.remove_membership(digest, SHOP)
            self.add_membership(digest, SHOP, now=1_750_000_100.0)
        return super().memberships(digest)


def test_an_image_that_came_back_while_it_was_read_is_in_another_stay(loaded: Shop) -> None:
    """What the first push put down is news to nobody; the second one's index joins anew and tells."""
    images = Returning()
    loaded.ports = replace(loaded.ports, images=images)
    loaded.application = loaded.with_ports()
    request = loaded.pushed(layer(DEBIAN), layer(DPKG))
    loaded.application.index(request)
    assert not loaded.ports.sets.joined
    assert loaded.notify() == []
    loaded.application.index(request)
    assert [(member.joined, member.settled) for member in loaded.ports.sets.joined.values()] == [
        (1_750_000_100.0, True)
    ]
    assert loaded.notify() != []


def test_a_member_that_was_left_behind_is_no_member_of_the_next_stay(loaded: Shop) -> None:
    """Whoever expelled the image ended before it had left its sets."""
    request = loaded.pushed(layer(DEBIAN), layer(DPKG))
    loaded.application.index(request)
    loaded.notify()
    loaded.ports.images.remove_membership(request.digest, SHOP)
    loaded.now += 1
    loaded.ports.images.add_membership(request.digest, SHOP, now=loaded.now)
    loaded.application.index(request)
    assert loaded.notify() != []


def expel(fleet: Shop, request: IndexRequest) -> None:
    """Let the image be deleted, and index and tell what that leads to."""
    content = fleet.registry.contents[request.repository].pop(request.digest)
    hint = Hint(kind=HintKind.DELETED, repository=request.repository, time=fleet.now, digest=request.digest)
    fleet.application.push(hint)
    fleet.registry.contents[request.repository][request.digest] = content
    fleet.now += 1


def come_back(fleet: Shop, request: IndexRequest) -> None:
    hint = Hint(kind=HintKind.PUSHED, repository=request.repository, time=fleet.now, digest=request.digest)
    fleet.application.push(hint)
    fleet.index()


def test_a_push_after_a_deletion_is_told_though_the_deletion_was_noticed_first(loaded: Shop) -> None:
    request = loaded.pushed(layer(DEBIAN), layer(DPKG))
    loaded.application.index(request)
    expel(loaded, request)
    assert loaded.notify() == [], "it is not there any more"
    come_back(loaded, request)
    told = loaded.notify()
    assert told
    assert {change["change"] for change in told} == {"newly-affected"}


def test_a_push_after_a_deletion_is_told_once_and_as_it_is_by_then(loaded: Shop) -> None:
    """What waited of the image before it was deleted is no news any more, though the image is there again."""
    request = loaded.pushed(layer(DEBIAN), layer(DPKG))
    loaded.application.index(request)
    (before,) = loaded.ports.notices.waiting(SHOP)
    expel(loaded, request)
    (set_id,) = loaded.ports.sets.judged
    version, verdicts = loaded.ports.sets.judged[set_id]
    loaded.ports.sets.judged[set_id] = (version, verdicts[: len(verdicts) // 2])
    come_back(loaded, request)
    told = loaded.notify()
    assert 0 < len({change["vulnerability"] for change in told}) < len(before.changes)
    assert loaded.notify() == []


def test_an_image_is_told_in_order_however_late_its_push_is_put_down(fleet: Shop) -> None:
    """Index ends after the image was told a version; what comes then waits until the push was put down."""
    fleet.application.refresh(RefreshRequest(feed="debian", part="tracker"))
    fleet.ports.advisories.said.clear()
    fleet.ports.advisories.rows.clear()
    fleet.ports.feeds.loaded.clear()
    request = fleet.pushed(layer(DEBIAN), layer(DPKG))
    notices = fleet.ports.notices
    fleet.application.index(request)
    ((key, member),) = fleet.ports.sets.joined.items()
    fleet.ports.sets.joined[key] = replace(member, settled=False)
    part = fleet.ports.feeds.stored["debian", "tracker"]
    fleet.ports.feeds.stored["debian", "tracker"] = replace(part, fingerprints=())
    fleet.load("debian")
    assert notices.waiting(SHOP), "a delta waits"
    assert fleet.notify() == []
    fleet.ports.queues.notified.clear()
    fleet.application.index(request)
    assert [wake.repository for wake in fleet.ports.queues.notified] == [SHOP]
    assert fleet.notify() != []


def test_an_image_without_anything_to_tell_wakes_nobody(fleet: Shop) -> None:
    fleet.application.index(fleet.pushed(layer(DEBIAN), layer(DPKG)))
    assert fleet.ports.queues.notified == []


# --- who stores an image last ----------------------------------------------------------------------------------------


class Slow(MemoryImages):
    """After an image was looked up for the first time, something else happens before the answer comes."""

    meanwhile: Callable[[], object] | None = None

    def image(self, digest: Digest) -> Image | None:
        found = super().image(digest)
        if self.meanwhile:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        return found


def test_a_push_that_is_late_does_not_undo_what_index_stored(loaded: Shop) -> None:
    """Two events of one push: the first finds no image, and stores one when the second's is indexed already."""
    images = Slow()
    loaded.ports = replace(loaded.ports, images=images)
    loaded.application = loaded.with_ports()
    digest = loaded.registry.add_image(SHOP, "1", [layer(DEBIAN), layer(DPKG)])
    images.meanwhile = lambda: loaded.push(SHOP, "1")
    loaded.push(SHOP, "1")
    image = images.image(digest)
    assert image is not None
    assert (image.state, len(image.sets)) == (ImageState.INDEXED, 1)
    assert loaded.notify() != []


def test_a_failure_that_is_late_does_not_undo_a_success(loaded: Shop) -> None:
    """In one repository the image is gone by now, in the other one it was indexed just now."""
    images = Slow()
    loaded.ports = replace(loaded.ports, images=images)
    loaded.application = loaded.with_ports()
    request = loaded.pushed(layer(DEBIAN), layer(DPKG))
    images.meanwhile = partial(loaded.application.index, request)
    assert loaded.application.index(replace(request, repository=BANK))
    assert loaded.image(request).state is ImageState.INDEXED
    assert len(loaded.image(request).sets) == 1
