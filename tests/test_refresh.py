"""A feed is brought up to date at the cost of what changed, and nothing that was stored is lost on the way."""

import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import pytest

from eclair.adapters.memory import MemoryAdvisories, MemoryFeeds, MemoryImages, MemoryQueues
from eclair.advisories.records import advisory_statements, package_statements
from eclair.errors import BadFeed, BadInput, NotFound, Unavailable
from eclair.feeds import Document, Feed, Index, Open, Part, Step
from eclair.loading import load
from eclair.model import (
    Digest,
    Effect,
    FeedPart,
    Fingerprint,
    KeyRange,
    Kind,
    NotifyRequest,
    PackageKey,
    Range,
    RefreshRequest,
    Repository,
    Said,
    State,
    Statement,
    StatementKey,
    Unread,
)
from eclair.ports import Fetched
from eclair.refresh import FEW, Refresh, Refreshed
from eclair.verdict import key_ranges

NOON = 43_200.0
ALL = "https://toy.example/all.json"
MORE = "https://toy.example/more.json"
REQUEST = RefreshRequest(feed="toy", part="main")

Content = Mapping[str, Mapping[str, str | None]]
"""Package -> id -> the version in which it is fixed; None for a record that cannot be read."""


def package(name: str, namespace: str = "debian:12") -> PackageKey:
    return PackageKey(scheme="deb", namespace=namespace, kind=Kind.SOURCE, name=name)


def statement(name: str, id_: str, fixed: str, revision: str, namespace: str = "debian:12") -> Statement:
    return Statement(
        feed="toy",
        id=id_,
        package=package(name, namespace),
        vulnerabilities=(id_,),
        effect=Effect.AFFECTED,
        ranges=(Range(fixed=fixed),),
        state=State.FIXED,
        revision=revision,
    )


# --- feeds -----------------------------------------------------------------------------------------------------------


class ByPackage:
    """A feed that speaks package by package."""

    name = "toy"
    parts: tuple[Part, ...] = (Part(name="main", documents=(Document(url=ALL), Document(url=MORE, optional=True))),)

    def speaks_for(self, namespace: str) -> str | None:
        return "main" if namespace == "debian:12" else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        assert len(documents) == len(part.documents)
        content: dict[str, dict[str, str | None]] = {}
        for document in documents:
            content.update(read(document))
        for name, ids in content.items():
            if name == "?":
                yield Unread()
                continue
            if None in ids.values():
                yield from (Unread(id=id_, package=package(name)) for id_, fixed in ids.items() if fixed is None)
            said = [statement(name, id_, fixed, revision) for id_, fixed in ids.items() if fixed]
            yield package_statements(package(name), said)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return packages.get(namespace, 0) > 0


def read(document: BinaryIO) -> Any:
    text = document.read()
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadFeed(f"{text[:20]!r} is not the toy's document") from error


class ByAdvisory(ByPackage):
    """A feed that speaks advisory by advisory, and has a part for each of two releases."""

    parts = tuple(
        Part(name=name, documents=(Document(url=f"https://toy.example/{name}.json"),)) for name in ("main", "old")
    )

    def speaks_for(self, namespace: str) -> str | None:
        return {"debian:12": "main", "debian:11": "old"}.get(namespace)

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        namespace = {"main": "debian:12", "old": "debian:11"}[part.name]
        for id_, fixes in read(documents[0]).items():
            if None in fixes.values():
                yield Unread(id=id_)
                continue
            said = [statement(name, id_, fixed, revision, namespace) for name, fixed in fixes.items()]
            yield advisory_statements(id_, said)


class ByIndex(ByPackage):
    """A feed whose documents are named by an index."""

    parts = (Part(name="main", documents=(Index(url="https://toy.example/index"),)),)

    def follow(self, index: Index, content: bytes) -> tuple[Document, ...]:
        urls = content.decode().split()
        return tuple(
            Index(url=url) if url.endswith("index") else Document(url=url, optional=url.endswith("?")) for url in urls
        )


class ByStep(ByPackage):
    """A feed that tells what changed: a list of [id, {package: fixed}] in the order in which they changed."""

    parts = (Part(name="main", documents=(Document(url=ALL),)),)

    def changes(
        self, part: Part, documents: Sequence[BinaryIO], cursor: str, open_: Open, revision: str
    ) -> Iterator[Step]:
        for number, (id_, fixes) in enumerate(read(documents[0]), start=1):
            if number <= int(cursor or 0):
                continue
            if fixes == "?":
                yield Step(said=Unread(id=id_), cursor=str(number))
                continue
            if fixes is None:
                with open_(Document(url=f"https://toy.example/{id_}")) as document:
                    fixes = read(document)
            said = [statement(name, id_, fixed, revision) for name, fixed in fixes.items()]
            yield Step(said=advisory_statements(id_, said), cursor=str(number))


# --- the world -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fetch:
    fingerprint: Fingerprint
    stream: BinaryIO


@dataclass
class Site:
    """The vendor's documents; a fingerprint is the content's."""

    documents: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, bool]] = field(default_factory=list)
    down: bool = False

    @contextmanager
    def fetch(self, url: str, known: Fingerprint | None) -> Iterator[Fetched | None]:
        self.asked.append((url, known is not None))
        if self.down:
            raise Unavailable(f"{url}: HTTP 500")
        if url not in self.documents:
            raise NotFound(f"{url}: HTTP 404")
        body = self.documents[url]
        fingerprint = Fingerprint(url=url, etag=str(hash(body)), last_modified="Sat, 04 Jan 2025 10:00:00 GMT")
        yield None if known == fingerprint else Fetch(fingerprint, io.BytesIO(body))


class _Crash(BaseException):
    pass


class Counted:
    """A port that counts its calls by name; the call number `crash` kills the run before it (or after it)."""

    def __init__(self, port: object, world: "World") -> None:
        self._port, self._world = port, world

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._world.calls.append(name)
            if len(self._world.calls) == self._world.crash:
                raise _Crash
            return method(*args, **kwargs)

        return call


class World:
    """A feed, its site and the stores."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.site = Site()
        self.advisories, self.feeds = MemoryAdvisories(), MemoryFeeds()
        self.images, self.queues = MemoryImages(), MemoryQueues()
        self.now = NOON
        self.calls: list[str] = []
        self.crash = 0

    def publish(self, content: object, url: str = ALL) -> None:
        self.site.documents[url] = json.dumps(content).encode()

    def refresh(self, request: RefreshRequest = REQUEST, *, seconds: float = 900.0, **changes: Any) -> Refreshed:
        refreshed = self.use_case(**changes)(request, remaining=lambda: seconds)
        assert refreshed is not None
        return refreshed

    def use_case(self, **changes: Any) -> Refresh:
        self.calls.clear()
        self.site.asked.clear()
        advisories: Any = Counted(self.advisories, self)
        feeds: Any = Counted(self.feeds, self)
        refresh = Refresh(
            advisories=advisories,
            feeds=feeds,
            documents=self.site,
            images=self.images,
            queues=self.queues,
            clock=lambda: self.now,
            catalogue=lambda: {"toy": self.feed},
        )
        return replace(refresh, **changes)

    @property
    def part(self) -> FeedPart:
        part = self.feeds.part("toy", "main")
        assert part is not None
        return part

    def stands(self) -> dict[tuple[str, str], str]:
        """Return what is stored and not withdrawn: (package, id) -> fixed in."""
        live = (said for said in self.advisories.said.values() if not said.withdrawn)
        return {(said.package.name, said.id): said.ranges[0].fixed or "" for said in live}

    def fault(self) -> str | None:
        """Say what is wrong with the rows, where no run is under way."""
        rows = {key: ranges for some in self.advisories.rows.values() for key, ranges in some.items() if ranges}
        expected = {key: set(key_ranges(said)) for key, said in self.advisories.said.items() if key_ranges(said)}
        if {key: set(ranges) for key, ranges in rows.items()} != expected:
            return f"range rows {rows} are not those of the statements"
        if self.feeds.writing:
            return "something is still begun"
        return None


def says(content: Content) -> dict[tuple[str, str], str]:
    return {(name, id_): fixed for name, ids in content.items() for id_, fixed in ids.items() if fixed}


@pytest.fixture
def world() -> World:
    return World(ByPackage())


FIRST: Content = {"curl": {"CVE-1": "1.0", "CVE-2": "2.0"}, "zlib": {"CVE-3": "3.0"}}
WRITES = {"put_ranges", "put_statements", "delete_ranges", "begin", "end"}
READS = {"digests", "of_packages", "of_advisories", "statements", "ranges", "candidates"}


# --- what changed ----------------------------------------------------------------------------------------------------


def test_a_first_load_stores_everything_and_reads_no_statement(world: World) -> None:
    world.publish(FIRST)
    assert world.refresh() == Refreshed(changed=True, names=2, differed=2, written=3)
    assert world.stands() == says(FIRST)
    assert world.fault() is None
    assert READS & set(world.calls) == {"digests"}
    assert all(said.first_load and said.first_seen == said.changed == NOON for said in world.advisories.said.values())


def test_how_the_part_stands_is_recorded(world: World) -> None:
    world.publish(FIRST)
    world.refresh()
    assert world.part == FeedPart(
        feed="toy",
        name="main",
        supported=(("debian:12", True),),
        fingerprints=world.part.fingerprints,
        revision=world.part.revision,
        closed=True,
        rows=3,
        last_success=NOON,
        last_attempt=NOON,
        loaded=NOON,
        published=1_735_984_800.0,
    )
    assert [mark.url for mark in world.part.fingerprints] == [ALL]
    assert {said.revision for said in world.advisories.said.values()} == {world.part.revision}


def test_an_unchanged_feed_costs_one_question_and_no_row(world: World) -> None:
    world.publish(FIRST)
    world.refresh()
    world.now += 3600
    assert world.refresh() == Refreshed(changed=False)
    assert world.site.asked == [(ALL, True), (MORE, False)]
    assert (WRITES | READS).isdisjoint(world.calls)
    assert world.part.last_success == world.part.last_attempt == NOON + 3600


def test_a_document_that_changed_in_form_only_writes_no_row(world: World) -> None:
    world.publish(FIRST)
    world.refresh()
    world.site.documents[ALL] = json.dumps({name: FIRST[name] for name in ("zlib", "curl")}, indent=1).encode()
    assert world.refresh() == Refreshed(changed=True, names=2)
    assert WRITES.isdisjoint(world.calls)
    assert READS & set(world.calls) == {"digests"}


def test_one_changed_advisory_writes_its_rows(world: World) -> None:
    world.publish(FIRST)
    world.refresh()
    world.now += 60
    world.publish({"curl": {"CVE-1": "1.0", "CVE-2": "2.5"}, "zlib": {"CVE-3": "3.0"}})
    assert world.refresh() == Refreshed(changed=True, names=2, differed=1, written=1)
    assert [call for call in world.calls if call in WRITES] == [
        "begin",
        "put_ranges",
        "put_statements",
        "delete_ranges",
        "end",
    ]
    changed = world.advisories.said[StatementKey(feed="toy", id="CVE-2", package=package("curl"))]
    assert (changed.seq, changed.first_seen, changed.changed, changed.first_load) == (2, NOON, NOON + 60, False)
    assert [before.seq for before in world.advisories.before(changed)] == [1]
    assert world.fault() is None


def test_an_advisory_and_a_package_that_are_gone_are_withdrawn(world: World) -> None:
    world.publish(FIRST)
    world.refresh()
    world.publish({"curl": {"CVE-1": "1.0"}})
    assert world.refresh() == Refreshed(changed=True, names=1, differed=1, written=2, withdrawn=2)
    assert world.stands() == {("curl", "CVE-1"): "1.0"}
    assert world.feeds.loaded["toy", "main"].keys() == {str(package("curl"))}
    assert world.part.rows == 1
    assert world.fault() is None


def test_what_was_withdrawn_comes_back_with_the_next_number(world: World) -> None:
    world.publish(FIRST)
    world.refresh()
    for content in ({"curl": FIRST["curl"]}, FIRST):
        world.publish(content)
        world.refresh()
    assert world.stands() == says(FIRST)
    said = world.advisories.said[StatementKey(feed="toy", id="CVE-3", package=package("zlib"))]
    assert (said.seq, said.first_seen) == (3, NOON)
    assert world.fault() is None


def test_a_document_that_did_not_change_is_read_beside_one_that_did(world: World) -> None:
    world.publish(FIRST)
    world.publish({"bash": {"CVE-9": "9.0"}}, MORE)
    world.refresh()
    world.publish({"bash": {"CVE-9": "9.1"}}, MORE)
    world.refresh()
    assert world.stands() == {**says(FIRST), ("bash", "CVE-9"): "9.1"}


def test_what_nobody_wants_is_neither_loaded_nor_withdrawn(world: World) -> None:
    world.publish(FIRST)
    refreshed = world.refresh(wanted=frozenset({package("zlib")}).__contains__)
    assert (refreshed.names, refreshed.written) == (2, 1)
    assert world.stands() == {("zlib", "CVE-3"): "3.0"}
    world.publish({})
    world.refresh(wanted=frozenset({package("zlib")}).__contains__)
    assert world.stands() == {("zlib", "CVE-3"): "3.0"}


# --- who is told -----------------------------------------------------------------------------------------------------


def test_the_first_load_wakes_every_repository_once(world: World) -> None:
    world.images.add_membership(Digest("sha256:1"), Repository("registry.example/shop"))
    world.publish(FIRST)
    world.refresh()
    world.publish({})
    world.refresh()
    reason = "toy/main loaded"
    assert world.queues.notified == [NotifyRequest(repository=Repository("registry.example/shop"), reason=reason)]


def test_a_feed_is_refreshed_part_by_part(world: World) -> None:
    world.feed = ByAdvisory()
    request = RefreshRequest(feed="toy", accept=True)
    assert world.use_case()(request) is None
    assert world.queues.refreshed == [replace(request, part="main"), replace(request, part="old")]


@pytest.mark.parametrize("request_", [RefreshRequest(feed="toys"), RefreshRequest(feed="toy", part="extra")])
def test_what_there_is_not_cannot_be_refreshed(world: World, request_: RefreshRequest) -> None:
    with pytest.raises(BadInput, match=r"the feeds are toy|has no part 'extra'"):
        world.use_case()(request_)


def test_a_part_that_another_holds_is_left_to_it(world: World) -> None:
    world.publish(FIRST)
    lease = world.feeds.lease("toy", "main", now=NOON, seconds=60)
    assert world.use_case()(REQUEST) is None
    assert world.site.asked == []
    assert lease is not None
    world.feeds.release(lease)
    assert world.refresh().written == 3


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", b'{"curl": {"CVE-1": "1.0"', b"\xff\xfe{}"])
def test_a_document_that_cannot_be_read_changes_nothing(world: World, body: bytes) -> None:
    world.publish(FIRST)
    world.refresh()
    good = world.site.documents[ALL]
    world.site.documents[ALL] = body
    world.now += 3600
    with pytest.raises(BadFeed):
        world.refresh()
    assert world.stands() == says(FIRST)
    assert (world.part.last_success, world.part.last_attempt) == (NOON, NOON + 3600)
    assert "is not the toy's document" in world.part.failure
    world.site.documents[ALL] = good
    world.refresh()
    assert world.part.failure == ""


def test_a_document_that_breaks_off_half_way_withdraws_nothing(world: World) -> None:
    class Breaking(ByPackage):
        def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
            yield package_statements(package("curl"), [statement("curl", "CVE-1", "1.1", revision)])
            raise BadFeed("the document breaks off")

    world.publish(FIRST)
    world.refresh()
    world.feed = Breaking()
    world.publish({"curl": {}})
    with pytest.raises(BadFeed):
        world.refresh()
    assert world.stands().keys() == says(FIRST).keys()
    assert world.fault() is None


def test_a_site_that_is_down_is_a_failure_beside_the_last_success(world: World) -> None:
    world.publish(FIRST)
    world.refresh()
    world.site.down = True
    with pytest.raises(Unavailable):
        world.refresh()
    assert (world.part.closed, world.part.last_success) == (True, NOON)
    assert "HTTP 500" in world.part.failure
    world.site.down = False
    assert world.refresh() == Refreshed(changed=False)


def test_a_failing_part_harms_no_other() -> None:
    world = World(ByAdvisory())
    world.publish({"DSA-1": {"curl": "1"}}, "https://toy.example/old.json")
    with pytest.raises(NotFound):
        world.refresh()
    assert world.refresh(replace(REQUEST, part="old")).written == 1
    assert [(part.name, bool(part.failure)) for part in world.feeds.parts("toy")] == [("main", True), ("old", False)]


def test_a_document_that_is_not_there_is_told_apart_from_a_site_that_fails(world: World) -> None:
    with pytest.raises(NotFound):
        world.refresh()
    assert (world.part.absent, "404" in world.part.failure) == (True, True)
    world.site.down = True
    with pytest.raises(Unavailable):
        world.refresh()
    assert (world.part.absent, "500" in world.part.failure) == (False, True)
    world.site.down = False
    with pytest.raises(NotFound):
        world.refresh()
    world.publish(FIRST)
    world.refresh()
    assert (world.part.absent, world.part.failure) == (False, "")


def test_a_probe_that_is_not_there_is_no_failure(world: World) -> None:
    class Probing(ByPackage):
        parts = (replace(ByPackage.parts[0], probe=True),)

    world.feed = Probing()
    assert world.refresh() == Refreshed(changed=False)
    assert world.feeds.parts("toy") == ()
    world.publish(FIRST)
    world.refresh()
    del world.site.documents[ALL]
    with pytest.raises(NotFound):
        world.refresh()


# --- time and crashes ------------------------------------------------------------------------------------------------

MANY: Content = {f"p{number}": {f"CVE-{number}": "1.0"} for number in range(10)}


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "BATCH_NAMES", 3)


@pytest.mark.usefixtures("small_batches")
def test_a_run_without_time_hands_on_and_each_makes_progress(world: World) -> None:
    world.publish(MANY)
    counts = []
    while True:
        refreshed = world.refresh(seconds=30)
        counts.append(len(world.stands()))
        assert world.fault() is None
        if refreshed.done:
            break
        assert world.queues.refreshed.pop() == REQUEST
        assert not world.part.closed
    assert counts == [3, 6, 9, 10]
    assert world.part.closed


@pytest.mark.usefixtures("small_batches")
def test_withdrawals_too_are_handed_on(world: World) -> None:
    world.publish(MANY)
    world.refresh()
    world.publish({})
    counts = []
    while not world.refresh(seconds=30).done:
        counts.append(len(world.stands()))
    assert counts == [7, 4, 1]
    assert world.stands() == {}
    assert world.fault() is None


AFTER: Content = {
    "curl": {"CVE-1": "1.5", "CVE-4": "4.0"},
    "bash": {"CVE-5": "5.0"},
    **{name: MANY[name] for name in ("p0", "p1")},
}
BEFORE: Content = {**FIRST, **{name: MANY[name] for name in ("p0", "p2")}}


def _crashes(start: Callable[[], World]) -> Iterator[World]:
    """Yield the world after a crash at each call of a run."""
    number = 1
    while True:
        world = start()
        world.crash = number
        try:
            world.refresh()
        except _Crash:
            world.crash = 0
            world.now += 1000  # the lease runs out
            yield world
            number += 1
        else:
            assert number > 10, "there was nothing to crash"
            return


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("then", [AFTER, BEFORE, {}], ids=["the same", "reverted", "empty"])
def test_after_a_crash_at_any_call_the_next_run_completes(then: Content) -> None:
    def start() -> World:
        world = World(ByPackage())
        world.publish(BEFORE)
        world.refresh()
        world.publish(AFTER)
        return world

    for world in _crashes(start):
        assert _found(world) is None
        world.publish(then)
        world.refresh()
        assert world.stands() == says(then)
        assert world.fault() is None
        world.refresh()
        assert WRITES.isdisjoint(world.calls)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("then", [BEFORE, AFTER, {}], ids=["the same", "another", "empty"])
def test_after_a_crash_of_the_first_load_the_next_run_completes(then: Content) -> None:
    def start() -> World:
        world = World(ByPackage())
        world.publish(BEFORE)
        return world

    for world in _crashes(start):
        world.publish(then)
        world.refresh()
        assert world.stands() == says(then)
        assert world.fault() is None


@pytest.mark.parametrize("then", [AFTER, {}], ids=["the same", "empty"])
def test_after_a_crash_of_a_feed_that_speaks_by_advisory_the_next_run_completes(then: Content) -> None:
    def start() -> World:
        world = World(ByAdvisory())
        world.publish(by_advisory(BEFORE), "https://toy.example/main.json")
        world.refresh()
        world.publish(by_advisory(AFTER), "https://toy.example/main.json")
        return world

    for world in _crashes(start):
        world.publish(by_advisory(then), "https://toy.example/main.json")
        world.refresh()
        assert world.stands() == says(then)
        assert world.fault() is None


def _found(world: World) -> str | None:
    """Say whether a live statement is not found by a version it speaks about."""
    for key, said in world.advisories.said.items():
        for keys in key_ranges(said):
            if key not in world.advisories.candidates(key.package, keys.lower):
                return f"{key} is not found"
    return None


def by_advisory(content: Content) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {}
    for name, ids in content.items():
        for id_, fixed in ids.items():
            found.setdefault(id_, {})[name] = fixed
    return found


# --- what could not be read ------------------------------------------------------------------------------------------


def test_a_record_that_cannot_be_read_is_not_withdrawn(world: World) -> None:
    world.publish({"curl": {"CVE-1": "1.0", "CVE-2": "2.0"}, "zlib": {"CVE-2": "3.0"}})
    world.refresh()
    world.publish({"curl": {"CVE-1": None}, "zlib": {}})
    assert world.refresh() == Refreshed(changed=True, names=2, differed=2, written=2, withdrawn=2, unread=1)
    assert world.stands() == {("curl", "CVE-1"): "1.0"}
    assert world.part.unread == 1
    world.publish({"curl": {}, "zlib": {}})
    world.refresh()
    assert world.stands() == {}
    assert world.part.unread == 0


def test_a_record_that_tells_nothing_of_itself_may_be_any(world: World) -> None:
    world.publish({"curl": {"CVE-1": "1.0", "CVE-2": "2.0"}, "zlib": {"CVE-2": "3.0"}})
    world.refresh()
    world.publish({"?": {}, "curl": {"CVE-1": "1.1"}})
    world.refresh()
    assert world.stands() == {("curl", "CVE-1"): "1.1", ("curl", "CVE-2"): "2.0", ("zlib", "CVE-2"): "3.0"}
    world.publish({"curl": {"CVE-1": "1.1"}})
    world.refresh()
    assert world.stands() == {("curl", "CVE-1"): "1.1"}
    assert world.fault() is None


def test_an_advisory_that_cannot_be_read_keeps_all_its_statements() -> None:
    world = World(ByAdvisory())
    url = "https://toy.example/main.json"
    world.publish({"DSA-1": {"curl": "1", "zlib": "1"}, "DSA-2": {"curl": "2"}}, url)
    world.refresh()
    world.publish({"DSA-1": {"curl": None}}, url)
    assert world.refresh().unread == 1
    assert world.stands() == {("curl", "DSA-1"): "1", ("zlib", "DSA-1"): "1"}
    world.publish({"DSA-1": {"zlib": "1"}}, url)
    world.refresh()
    assert world.stands() == {("zlib", "DSA-1"): "1"}


# --- advisory by advisory --------------------------------------------------------------------------------------------


def test_two_parts_may_have_statements_under_one_id() -> None:
    world = World(ByAdvisory())
    main, old = "https://toy.example/main.json", "https://toy.example/old.json"
    world.publish({"DSA-1": {"curl": "1", "zlib": "1"}}, main)
    world.publish({"DSA-1": {"curl": "0.9", "bash": "0.9"}}, old)
    for part in ("main", "old"):
        world.refresh(replace(REQUEST, part=part))
    world.publish({"DSA-1": {"curl": "1"}}, main)
    assert world.refresh().withdrawn == 1
    assert len(world.stands()) == 2  # curl is in both
    world.publish({}, main)
    world.refresh()
    live = [said for said in world.advisories.said.values() if not said.withdrawn]
    assert {(said.package.namespace, said.package.name) for said in live} == {
        ("debian:11", "curl"),
        ("debian:11", "bash"),
    }
    assert world.fault() is None


def test_of_a_changed_advisory_only_its_changed_statements_are_written() -> None:
    world = World(ByAdvisory())
    url = "https://toy.example/main.json"
    world.publish({"DSA-1": {"curl": "1", "zlib": "1"}, "DSA-2": {"curl": "2"}}, url)
    assert world.refresh() == Refreshed(changed=True, names=2, differed=2, written=3)
    world.publish({"DSA-1": {"curl": "1", "zlib": "2"}, "DSA-2": {"curl": "2"}}, url)
    assert world.refresh() == Refreshed(changed=True, names=2, differed=1, written=1)
    assert world.part.supported == (("debian:12", True),)


# --- what is said twice ----------------------------------------------------------------------------------------------


class Repeating(ByPackage):
    """A feed that says things twice, and differently."""

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        for name, id_, fixes in read(documents[0]):
            yield package_statements(package(name), [statement(name, id_, fixed, revision) for fixed in fixes])


def test_what_contradicts_itself_is_taken_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World(Repeating())
    world.publish([["curl", "CVE-1", ["1.0", "2.0", "1.0"]]])
    with caplog.at_level(logging.WARNING):
        assert world.refresh().written == 1
    assert world.stands() == {("curl", "CVE-1"): "1.0"}
    assert caplog.text.count("contradiction left out") == 1


def test_what_comes_a_second_time_is_passed_over_and_not_withdrawn() -> None:
    world = World(Repeating())
    world.publish([["curl", "CVE-1", ["1.0"]], ["zlib", "CVE-3", ["3.0"]]])
    world.refresh()
    world.publish([["curl", "CVE-1", ["1.0"]], ["zlib", "CVE-3", ["3.0"]], ["curl", "CVE-2", ["2.0"]]])
    assert world.refresh().unread == 1
    assert world.stands() == {("curl", "CVE-1"): "1.0", ("zlib", "CVE-3"): "3.0"}
    world.publish([["curl", "CVE-2", ["2.0"]], ["zlib", "CVE-3", ["3.0"]]])
    world.refresh()
    assert world.stands() == {("curl", "CVE-2"): "2.0", ("zlib", "CVE-3"): "3.0"}
    assert world.fault() is None


# --- a feed that shrinks ---------------------------------------------------------------------------------------------


def lots(count: int, **more: str) -> Content:
    return {**{f"p{number}": {f"CVE-{number}": "1.0"} for number in range(count)}, "more": more}


@pytest.mark.parametrize("feed", [ByPackage(), ByAdvisory()], ids=["by package", "by advisory"])
def test_a_feed_that_loses_much_at_once_is_not_believed(feed: ByPackage) -> None:
    world = World(feed)
    url = feed.parts[0].documents[0].url

    def publish(content: Content) -> None:
        world.publish(content if url == ALL else by_advisory(content), url)

    publish(lots(500))
    world.refresh()
    world.now += 60
    publish(lots(399, new="2.0"))
    held = world.refresh()
    assert (held.held, held.done, held.withdrawn, held.written) == (True, True, 0, 1)
    assert world.stands() == says(lots(500, new="2.0")), "what is new is stored, nothing is withdrawn"
    assert (world.part.held, world.part.last_success, world.part.rows) == (True, NOON, 500)
    assert "held back: more than 20% of 500 rows are gone at once" in world.part.failure
    assert '{"feed": "toy", "part": "main", "accept": true}' in world.part.failure

    world.now += 60
    assert world.refresh() == Refreshed(changed=False)
    assert (world.part.held, world.part.last_success) == (True, NOON), "the same document is no success"

    accepted = world.refresh(replace(REQUEST, accept=True))
    assert (accepted.held, accepted.withdrawn) == (False, 101)
    assert world.stands() == says(lots(399, new="2.0"))
    assert (world.part.held, world.part.failure, world.part.rows) == (False, "", 400)
    assert world.fault() is None


def test_a_feed_that_is_whole_again_is_believed_again(world: World) -> None:
    world.publish(lots(500))
    world.refresh()
    world.publish({"p0": {"CVE-0": "1.1"}})
    assert world.refresh().held
    world.publish(lots(450))
    assert not world.refresh().held
    assert world.stands() == says(lots(450))
    assert (world.part.held, world.part.failure) == (False, "")
    assert world.fault() is None


def test_losses_within_packages_count(world: World) -> None:
    world.publish({"linux": {f"CVE-{number}": "1.0" for number in range(500)}})
    world.refresh()
    world.publish({"linux": {f"CVE-{number}": "1.0" for number in range(300)}})
    assert world.refresh().held
    assert len(world.stands()) == 500
    assert world.refresh(replace(REQUEST, accept=True)).withdrawn == 200


def test_the_share_is_the_operators(world: World) -> None:
    world.publish(lots(500))
    world.refresh()
    world.publish(lots(300))
    assert world.refresh(shrink=0.4).withdrawn == 200


def test_a_few_may_always_go(world: World) -> None:
    world.publish(lots(FEW))
    world.refresh()
    world.publish({})
    assert world.refresh().withdrawn == FEW


def test_a_first_load_has_nothing_to_lose(world: World) -> None:
    """A first load that was cut short, and then another document."""
    world.publish(lots(500))
    assert not world.refresh(seconds=30).done
    world.publish({})
    while not world.refresh(seconds=30).done:
        pass
    assert world.stands() == {}


# --- indexes ---------------------------------------------------------------------------------------------------------

INDEX = "https://toy.example/index"


@pytest.fixture
def indexed() -> World:
    world = World(ByIndex())
    world.publish(FIRST, "https://toy.example/1/all.json")
    world.site.documents[INDEX] = b"https://toy.example/1/index https://toy.example/absent?"
    world.site.documents["https://toy.example/1/index"] = b"https://toy.example/1/all.json"
    return world


def test_an_index_leads_to_the_documents(indexed: World) -> None:
    indexed.refresh()
    assert indexed.stands() == says(FIRST)
    assert [mark.url for mark in indexed.part.fingerprints] == ["https://toy.example/1/all.json"]


def test_indexes_are_always_read_and_what_they_lead_to_is_asked(indexed: World) -> None:
    indexed.refresh()
    assert indexed.refresh() == Refreshed(changed=False)
    assert indexed.site.asked == [
        (INDEX, False),
        ("https://toy.example/1/index", False),
        ("https://toy.example/1/all.json", True),
        ("https://toy.example/absent?", False),
    ]


def test_an_index_may_lead_elsewhere(indexed: World) -> None:
    indexed.refresh()
    indexed.publish(AFTER, "https://toy.example/2/all.json")
    indexed.site.documents[INDEX] = b"https://toy.example/2/all.json"
    indexed.refresh()
    assert indexed.stands() == says(AFTER)


def test_a_document_that_an_index_names_no_more_is_gone(indexed: World) -> None:
    indexed.publish({"bash": {"CVE-9": "9"}}, "https://toy.example/2/all.json")
    indexed.site.documents[INDEX] += b" https://toy.example/2/all.json"
    indexed.refresh()
    indexed.site.documents[INDEX] = b"https://toy.example/1/all.json"
    assert indexed.refresh().withdrawn == 1
    assert indexed.stands() == says(FIRST)


def test_what_an_index_names_has_to_be_there(indexed: World) -> None:
    indexed.site.documents[INDEX] = b"https://toy.example/3/all.json"
    with pytest.raises(NotFound, match=r"3/all\.json"):
        indexed.refresh()


def test_indexes_are_bounded(indexed: World) -> None:
    indexed.site.documents[INDEX] = INDEX.encode()
    with pytest.raises(BadFeed, match="more than 4 indexes"):
        indexed.refresh()
    indexed.site.documents[INDEX] = b" ".join(b"https://toy.example/1/all.json" for _ in range(1000))
    with pytest.raises(BadFeed, match="more than 1000 documents"):
        indexed.refresh()
    indexed.site.documents[INDEX] = b" " * (16 << 20) + b" "
    with pytest.raises(BadFeed, match="an index of more than"):
        indexed.refresh()


# --- step by step ----------------------------------------------------------------------------------------------------


@pytest.fixture
def stepping() -> World:
    return World(ByStep())


STEPS: list[list[Any]] = [[f"CVE-{number}", {"curl": "1.0", f"p{number}": "1.0"}] for number in range(8)]


def test_steps_are_loaded_from_the_cursor_on(stepping: World) -> None:
    stepping.publish(STEPS)
    assert stepping.refresh() == Refreshed(changed=True, names=8, differed=8, written=16)
    assert (stepping.part.cursor, stepping.part.rows, stepping.part.closed) == ("8", 16, True)
    stepping.publish([*STEPS, ["CVE-3", {"curl": "1.1"}]])
    assert stepping.refresh() == Refreshed(changed=True, names=1, differed=1, written=2, withdrawn=1)
    assert (stepping.part.cursor, stepping.part.rows) == ("9", 15)
    assert {call for call in stepping.calls if call in READS} == {"digests", "of_packages", "of_advisories"}
    assert stepping.stands()[("curl", "CVE-3")] == "1.1"
    assert ("p3", "CVE-3") not in stepping.stands()
    assert stepping.part.supported == (("debian:12", True),)
    assert stepping.fault() is None


def test_an_advisory_that_has_nothing_more_to_say_is_withdrawn(stepping: World) -> None:
    stepping.publish(STEPS)
    stepping.refresh()
    stepping.publish([*STEPS, ["CVE-3", {}], ["CVE-4", "?"], ["CVE-99", {}]])
    refreshed = stepping.refresh()
    assert (refreshed.withdrawn, refreshed.unread) == (2, 1)
    assert len(stepping.stands()) == 14
    assert ("p4", "CVE-4") in stepping.stands()


def test_of_steps_about_one_advisory_the_last_counts(stepping: World) -> None:
    """An archive, a newer document and a deletion of the same advisory in one run."""
    stepping.publish(
        [["CVE-1", {"curl": "1.0"}], ["CVE-2", {"curl": "2.0"}], ["CVE-1", {"zlib": "1.1"}], ["CVE-2", {}]]
    )
    refreshed = stepping.refresh()
    assert stepping.stands() == {("zlib", "CVE-1"): "1.1"}
    assert (refreshed.withdrawn, stepping.part.rows) == (2, 1)
    assert stepping.fault() is None


def test_a_step_may_need_a_further_document(stepping: World) -> None:
    stepping.publish([["CVE-1", None]])
    stepping.publish({"curl": "1.0"}, "https://toy.example/CVE-1")
    stepping.refresh()
    assert stepping.stands() == {("curl", "CVE-1"): "1.0"}
    assert stepping.site.asked == [(ALL, False), ("https://toy.example/CVE-1", False)]


@pytest.mark.usefixtures("small_batches")
def test_steps_go_on_where_a_run_without_time_stopped(stepping: World) -> None:
    stepping.publish(STEPS)
    cursors = []
    while not stepping.refresh(seconds=30).done:
        cursors.append(stepping.part.cursor)
    assert cursors == ["3", "6"]
    assert len(stepping.stands()) == 16
    assert stepping.part.rows == 16


@pytest.mark.usefixtures("small_batches")
def test_steps_go_on_after_a_failure_where_they_stopped(stepping: World) -> None:
    stepping.publish([*STEPS[:4], ["CVE-x", None], *STEPS[4:]])
    with pytest.raises(NotFound):
        stepping.refresh()
    assert stepping.part.cursor == "3"
    stepping.publish({"zlib": "1.0"}, "https://toy.example/CVE-x")
    stepping.refresh()
    assert (len(stepping.stands()), stepping.part.rows) == (17, 17)


@pytest.mark.usefixtures("small_batches")
def test_after_a_crash_at_any_call_the_steps_go_on() -> None:
    later = [*STEPS, ["CVE-3", {"curl": "1.1"}], ["CVE-4", {}]]

    def start() -> World:
        world = World(ByStep())
        world.publish(STEPS[:6])
        world.refresh()
        world.publish(later)
        return world

    done = start()
    done.refresh()
    for world in _crashes(start):
        assert _found(world) is None
        world.refresh()
        assert world.stands() == done.stands()
        assert world.part.rows == len(done.stands())
        assert world.fault() is None


def test_steps_that_withdraw_much_at_once_are_not_taken(stepping: World) -> None:
    many = [[f"CVE-{number}", {"curl": "1.0"}] for number in range(400)]
    stepping.publish(many)
    stepping.refresh()
    cursor = stepping.part.cursor
    stepping.publish([*many, *([id_, {}] for id_, _ in many)])
    assert stepping.refresh().held
    assert (len(stepping.stands()), stepping.part.cursor, stepping.part.held) == (400, cursor, True)
    assert stepping.refresh() == Refreshed(changed=False)
    assert stepping.refresh(replace(REQUEST, accept=True)).withdrawn == 400
    assert (stepping.stands(), stepping.part.held) == ({}, False)


# --- another writer --------------------------------------------------------------------------------------------------


def test_a_statement_that_another_writer_numbered_is_numbered_anew(world: World) -> None:
    world.publish(FIRST)
    other = statement("curl", "CVE-1", "0.9", "theirs")
    world.advisories.said[other.key] = replace(other, seq=7)
    world.refresh()
    said = world.advisories.said[other.key]
    assert (said.seq, said.ranges) == (8, (Range(fixed="1.0"),))


def test_a_writer_that_never_stops_is_left_to_a_later_delivery(world: World) -> None:
    class Restless(MemoryAdvisories):
        def put_statements(self, amendments: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(amendments)

    world.advisories = Restless()
    world.publish(FIRST)
    with pytest.raises(Unavailable, match="another writer"):
        world.refresh()
    assert not world.part.closed
    world.advisories = MemoryAdvisories()
    world.refresh()
    assert world.stands() == says(FIRST)


def test_what_an_unfenced_run_left_behind_is_found_by_nobody(world: World) -> None:
    """A range row without its statement is a hint that leads nowhere."""
    world.publish(FIRST)
    world.refresh()
    orphan = StatementKey(feed="toy", id="CVE-9", package=package("curl"))
    world.advisories.rows[package("curl")][orphan] = (KeyRange(lower=b"\x00", upper=b"\xff"),)
    assert orphan not in world.advisories.statements([orphan])
