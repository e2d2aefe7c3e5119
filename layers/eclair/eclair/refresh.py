"""Bring the statements of a feed up to date, at the cost of what changed.

Fetched only if changed, parsed as a stream, and only what differs is written: per statement the new range rows, then
the statement (conditional on its number), then the stale range rows go; last, the package's digest. So a crash leaves
a consistent store, and the next run goes on where this one stopped.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Protocol, TypeVar

from eclair import feeds
from eclair.errors import BadInput, EclairError, NotFound, Unavailable
from eclair.feeds import Feed, Part
from eclair.model import (
    FeedPart,
    Fingerprint,
    Lease,
    NotifyRequest,
    PackageKey,
    PackageStatements,
    RefreshRequest,
    Statement,
)
from eclair.ports import Advisories, Clock, Documents, Feeds, Fetched, Images, Queues
from eclair.verdict import key_ranges

LEASE = 960.0
"""Seconds a lease lasts: longer than a Lambda function can run, so that no former holder still writes."""
RESERVE = 60.0
"""Seconds to keep for closing; with less left, the rest goes to a fresh invocation."""
BATCH = 64
"""How many changed packages are written before the time is looked at again."""
ATTEMPTS = 5
"""How often a statement is numbered anew because the one stored has another number than was read."""

_log = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")


class Each(Protocol):
    """Apply a function to each item, in turn (`map`) or side by side (a thread pool's map)."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a refresh did: packages read, packages that differed, statements written, and whether it is done."""

    changed: bool
    packages: int = 0
    differed: int = 0
    written: int = 0
    done: bool = True


@dataclass(slots=True)
class _Tally:
    """What has been seen of a part so far."""

    seen: set[PackageKey] = field(default_factory=set)
    namespaces: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    differed: int = 0
    written: int = 0


class _OutOfTime(Exception):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The use case over its ports.

    `wanted` limits the load to packages somebody asked about (`eclair scan`); then nothing is ever withdrawn.
    """

    advisories: Advisories
    feeds: Feeds
    documents: Documents
    images: Images
    queues: Queues
    clock: Clock
    each: Each = map
    wanted: Callable[[PackageKey], bool] | None = None

    def __call__(
        self, request: RefreshRequest, *, remaining: Callable[[], float] = lambda: float("inf")
    ) -> Refreshed | None:
        """Refresh one part, or queue every part of the feed where none is named.

        None where another holder's lease is on the part, which does the work. Raises `BadFeed`, `Unavailable` and
        `Forbidden` with the failure recorded beside the last success; what was stored stays.
        """
        feed = _feed(request.feed)
        if not request.part:
            self.queues.refresh([replace(request, part=part.name) for part in feed.parts])
            return None
        part = _part(feed, request.part)
        lease = self.feeds.lease(feed.name, part.name, now=self.clock(), seconds=LEASE)
        if lease is None:
            _log.info("refresh leased elsewhere", extra={"feed": feed.name, "part": part.name})
            return None
        try:
            return self._under_lease(feed, part, lease, remaining)
        finally:
            self.feeds.release(lease)

    def _under_lease(self, feed: Feed, part: Part, lease: Lease, remaining: Callable[[], float]) -> Refreshed:
        stored = self._stored(feed, part)
        try:
            return self._load(feed, part, stored, lease, remaining)
        except _OutOfTime:
            self.queues.refresh([RefreshRequest(feed=feed.name, part=part.name)])
            return Refreshed(changed=True, done=False)
        except NotFound as error:
            if part.probe and not stored.closed:
                return Refreshed(changed=False)
            self._record_failure(stored, lease, error)
            raise
        except EclairError as error:
            self._record_failure(stored, lease, error)
            raise

    def _record_failure(self, stored: FeedPart, lease: Lease, error: EclairError) -> None:
        self.feeds.save_part(replace(stored, last_attempt=self.clock(), failure=str(error)), lease)

    def _stored(self, feed: Feed, part: Part) -> FeedPart:
        for stored in self.feeds.parts(feed.name):
            if stored.name == part.name:
                return stored
        return FeedPart(feed=feed.name, name=part.name)

    def _load(
        self, feed: Feed, part: Part, stored: FeedPart, lease: Lease, remaining: Callable[[], float]
    ) -> Refreshed:
        with ExitStack() as stack:
            fetched = self._fetch(part, stored, stack)
            now = self.clock()
            if fetched is None:
                self.feeds.save_part(replace(stored, last_success=now, last_attempt=now, failure=""), lease)
                return Refreshed(changed=False)
            fingerprints = tuple(document.fingerprint for document in fetched)
            revision = _revision(fingerprints)
            streams = [document.stream for document in fetched]
            tally = self._write(feed, part, streams, revision, stored, remaining)
        done = replace(
            stored,
            supported=tuple(
                (namespace, feed.supported(namespace, tally.namespaces, now)) for namespace in sorted(tally.namespaces)
            ),
            fingerprints=fingerprints,
            revision=revision,
            closed=True,
            rows=tally.rows,
            last_success=now,
            last_attempt=now,
            failure="",
        )
        if self.feeds.save_part(done, lease) and not stored.closed:
            self._tell_first_load(done)
        return Refreshed(changed=True, packages=len(tally.seen), differed=tally.differed, written=tally.written)

    def _fetch(self, part: Part, stored: FeedPart, stack: ExitStack) -> list[Fetched] | None:
        """Open all documents of the part, or give None where none has changed."""
        known = {fingerprint.url: fingerprint for fingerprint in stored.fingerprints}
        opened: dict[str, Fetched | None] = {}
        for document in part.documents:
            try:
                opened[document.url] = self._open(document.url, known.get(document.url), stack)
            except NotFound:
                if not document.optional:
                    raise
        if not any(opened.values()):
            return None
        # Documents of one part speak of the same packages: an unchanged one is read beside one that changed.
        return [fetched or self._open_anew(url, stack) for url, fetched in opened.items()]

    def _open(self, url: str, known: Fingerprint | None, stack: ExitStack) -> Fetched | None:
        return stack.enter_context(self.documents.fetch(url, known))

    def _open_anew(self, url: str, stack: ExitStack) -> Fetched:
        fetched = self._open(url, None, stack)
        if fetched is None:
            raise Unavailable(f"{url}: answered 'unchanged' to a request that named no earlier copy")
        return fetched

    def _write(
        self,
        feed: Feed,
        part: Part,
        streams: Sequence[BinaryIO],
        revision: str,
        stored: FeedPart,
        remaining: Callable[[], float],
    ) -> _Tally:
        tally = _Tally()
        loaded = dict(self.feeds.digests(feed.name, part.name))
        first_load = not stored.closed

        def write(said: PackageStatements) -> int:
            return self._write_package(feed, part, said, first_load=first_load)

        for batch in _batches(self._differing(feed, part, streams, revision, loaded, tally)):
            if remaining() < RESERVE:
                raise _OutOfTime
            tally.written += sum(self.each(write, batch))
        if self.wanted is None:
            gone = (
                PackageStatements(package=package, statements=(), digest="") for package in loaded.keys() - tally.seen
            )
            tally.written += sum(self.each(write, gone))
        return tally

    def _differing(
        self,
        feed: Feed,
        part: Part,
        streams: Sequence[BinaryIO],
        revision: str,
        loaded: dict[PackageKey, str],
        tally: _Tally,
    ) -> Iterator[PackageStatements]:
        for said in feed.parse(part, streams, revision):
            assert isinstance(said, PackageStatements), "no feed says anything else yet"
            tally.seen.add(said.package)
            tally.namespaces[said.package.namespace] += 1
            tally.rows += len(said.statements)
            if self.wanted is not None and not self.wanted(said.package):
                continue
            if loaded.get(said.package) != said.digest:
                tally.differed += 1
                yield said

    def _write_package(self, feed: Feed, part: Part, said: PackageStatements, *, first_load: bool) -> int:
        """Write what differs from the statements that stand; return how many statements were written."""
        stored = {statement.id: statement for statement in self.advisories.stated(feed.name, said.package)}
        written = 0
        for new in said.statements:
            old = stored.pop(new.id, None)
            if old is None or not same(old, new):
                self._state(old, replace(new, first_load=first_load))
                written += 1
        for old in stored.values():
            if old.withdrawn:
                self.advisories.delete_stale_ranges(old, ())  # a crash came before this the last time
                continue
            self._state(old, replace(old, withdrawn=True, first_load=False))
            written += 1
        self.feeds.save_digest(feed.name, part.name, said.package, said.digest or None)
        return written

    def _state(self, old: Statement | None, new: Statement) -> None:
        """Write one statement in the order that a reader can rely on."""
        ranges = key_ranges(new)
        seq = old.seq if old else 0
        for _ in range(ATTEMPTS):
            numbered = replace(new, seq=seq + 1)
            self.advisories.put_ranges(numbered, ranges)
            if self.advisories.put_statement(numbered):
                if seq:
                    self.advisories.delete_stale_ranges(numbered, ranges)
                return
            # A statement that was withdrawn has no range row by which it would have been found.
            stored = self.advisories.statements([new.key]).get(new.key)
            seq = stored.seq if stored else 0
        raise Unavailable(f"statement {new.key}: another writer changed it {ATTEMPTS} times; deliver again later")

    def _tell_first_load(self, part: FeedPart) -> None:
        """Wake notify for every repository: what waited for the first load to close may be told now."""
        page: str | None = None
        while True:
            repositories = self.images.repositories(page=page)
            reason = f"{part.feed}/{part.name} loaded"
            self.queues.notify([NotifyRequest(repository=name, reason=reason) for name in repositories.items])
            page = repositories.next
            if page is None:
                return


def same(old: Statement, new: Statement) -> bool:
    """Say whether two statements mean the same, whatever their number, revision and age."""
    return replace(old, seq=0, revision="", first_load=False) == replace(new, seq=0, revision="", first_load=False)


def _batches(items: Iterator[PackageStatements]) -> Iterator[list[PackageStatements]]:
    batch: list[PackageStatements] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def _revision(fingerprints: Iterable[Fingerprint]) -> str:
    """Name the loaded content by what the servers said of it."""
    texts = [f"{mark.url} {mark.etag} {mark.last_modified}" for mark in fingerprints]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _feed(name: str) -> Feed:
    feed = feeds.load().get(name)
    if feed is None:
        raise BadInput(f"feed {name!r} is not known; the feeds are {', '.join(sorted(feeds.load()))}")
    return feed


def _part(feed: Feed, name: str) -> Part:
    for part in feed.parts:
        if part.name == name:
            return part
    raise BadInput(f"feed {feed.name} has no part {name!r}; see `eclair feeds`")
