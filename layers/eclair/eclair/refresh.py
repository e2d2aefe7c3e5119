"""Bring the statements of a feed up to date, at the cost of what changed.

One run refreshes one part of a feed, under its lease: the documents are fetched if they changed, what they say is
loaded (`load`), and how the part stands is recorded, a failure beside the last success. A run that has not enough time
left asks for another one, which goes on where it stopped.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from math import inf
from typing import BinaryIO

from eclair import feeds as sources
from eclair.enrich import load_enrichments
from eclair.errors import BadInput, EclairError, NotFound
from eclair.feeds import Document, Enriching, Feed, Incremental, Part, Selective
from eclair.health import SHRINK
from eclair.loading.amend import Each
from eclair.loading.collect import Collected, anew, collect
from eclair.loading.load import Loading, Tally, TooMuchGone, load_steps, load_whole
from eclair.model import FeedPart, Fingerprint, Lease, NotifyRequest, PackageKey, RefreshRequest, Said
from eclair.ports import Advisories, Clock, Documents, Enrichments, Feeds, Images, Queues

LEASE = 960.0
"""Seconds a lease lasts: longer than a Lambda function can run, so that no former holder still writes."""
RESERVE = 60.0
"""Seconds to keep for closing; with less left, the rest goes to a fresh invocation."""
FEW = 50
"""So many rows may always be lost."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a refresh did: names (packages or advisories) that were said and that differed, statements written and
    withdrawn, whether it is done, and whether withdrawals were held back.
    """

    changed: bool
    names: int = 0
    differed: int = 0
    written: int = 0
    withdrawn: int = 0
    unread: int = 0
    done: bool = True
    held: bool = False


class _OutOfTime(Exception):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The use case over its ports.

    `wanted` limits the load to packages somebody asked about (`eclair scan`); then nothing is ever withdrawn. `shrink`
    is the share of its rows that a part may lose at once. Without `enrichments` feeds that enrich cannot be refreshed.
    """

    advisories: Advisories
    feeds: Feeds
    documents: Documents
    images: Images
    queues: Queues
    clock: Clock
    each: Each = map
    wanted: Callable[[PackageKey], bool] | None = None
    shrink: float = SHRINK
    enrichments: Enrichments | None = None
    catalogue: Callable[[], Mapping[str, Feed]] = sources.load

    def __call__(self, request: RefreshRequest, *, remaining: Callable[[], float] = lambda: inf) -> Refreshed | None:
        """Refresh one part, or queue every part of the feed where none is named.

        None where another holder's lease is on the part, which does the work. Raises `BadFeed`, `Unavailable`,
        `NotFound` and `Forbidden` with the failure recorded beside the last success; what was stored stays.
        """
        feed = _feed(self.catalogue(), request.feed)
        if not request.part:
            self.queues.refresh([replace(request, part=part.name) for part in feed.parts])
            return None
        part = _part(feed, request.part)
        lease = self.feeds.lease(feed.name, part.name, now=self.clock(), seconds=LEASE)
        if lease is None:
            _log.info("refresh leased elsewhere", extra={"feed": feed.name, "part": part.name})
            return None
        try:
            return _Run(self, feed, part, request, lease, remaining)()
        finally:
            self.feeds.release(lease)


class _Run:
    """One refresh of one part under its lease."""

    def __init__(
        self,
        refresh: Refresh,
        feed: Feed,
        part: Part,
        request: RefreshRequest,
        lease: Lease,
        remaining: Callable[[], float],
    ) -> None:
        self._refresh = refresh
        self._feed = feed
        self._part = part
        self._request = request
        self._lease = lease
        self._remaining = remaining
        self._stored = refresh.feeds.part(feed.name, part.name) or FeedPart(feed=feed.name, name=part.name)
        self._writing = False
        self._tally = Tally()

    def __call__(self) -> Refreshed:
        try:
            return self._fetch_and_load()
        except _OutOfTime:
            self._refresh.queues.refresh([self._request])
            return replace(self._refreshed(), done=False)
        except NotFound as error:
            if self._part.probe and not self._stored.closed:
                return Refreshed(changed=False)
            self._save(failure=str(error), absent=True)
            raise
        except EclairError as error:
            self._save(failure=str(error), absent=False)
            raise

    def _fetch_and_load(self) -> Refreshed:
        known = () if self._request.accept else self._stored.fingerprints
        with ExitStack() as stack:
            collected = collect(self._refresh.documents, self._feed, self._part, known, stack)
            if collected is None:
                return self._unchanged()
            try:
                self._load(collected)
            except TooMuchGone:
                return self._hold(collected)
        return self._close(collected)

    def _load(self, collected: Collected) -> None:
        loading = Loading(
            advisories=self._refresh.advisories,
            feeds=self._refresh.feeds,
            clock=self._refresh.clock,
            each=self._refresh.each,
            feed=self._feed,
            part=self._part,
            first_load=not self._stored.closed,
            limit=self._limit(),
            wanted=self._refresh.wanted,
            pause=self._pause,
            tally=self._tally,
        )
        revision = _revision(collected.fingerprints)
        if isinstance(self._feed, Enriching):
            said = self._feed.enrich(collected.part, collected.streams)
            load_enrichments(loading, said, self._enrichments())
        elif isinstance(self._feed, Incremental):
            self._tally.rows = self._stored.rows
            steps = self._feed.changes(collected.part, collected.streams, self._stored.cursor, self._open, revision)
            load_steps(loading, steps, self._passed)
        else:
            load_whole(loading, self._said(collected, revision))

    def _enrichments(self) -> Enrichments:
        if self._refresh.enrichments is None:
            raise BadInput(f"feed {self._feed.name} enriches, and there is no store for that")
        return self._refresh.enrichments

    def _said(self, collected: Collected, revision: str) -> Iterator[Said]:
        wanted = self._refresh.wanted
        if wanted is not None and isinstance(self._feed, Selective):
            return self._feed.select(collected.part, collected.streams, revision, wanted)
        return self._feed.parse(collected.part, collected.streams, revision)

    def _limit(self) -> float:
        """Return how many statements may be withdrawn: a feed that loses many at once is probably broken."""
        if self._request.accept or not self._stored.closed:
            return inf
        return max(FEW, self._refresh.shrink * self._stored.rows)

    def _pause(self) -> None:
        """Stop where too little time is left, but for the first time: every run makes progress.

        Before anything is written the fingerprints are forgotten: they stand for a load that ended. Else a run that
        crashed could be followed by the documents of before, which would be taken for unchanged.
        """
        if self._writing and self._remaining() < RESERVE:
            raise _OutOfTime
        if not self._writing:
            self._writing = True
            self._save(fingerprints=())

    @contextmanager
    def _open(self, document: Document) -> Iterator[BinaryIO]:
        with ExitStack() as stack:
            yield anew(self._refresh.documents, document, stack).stream

    # --- how the part stands -----------------------------------------------------------------------------------------

    def _save(self, **changes: object) -> bool:
        self._stored = replace(self._stored, last_attempt=self._refresh.clock(), **changes)  # type: ignore[arg-type]  # the names are those of its fields
        return self._refresh.feeds.save_part(self._stored, self._lease)

    def _passed(self, cursor: str) -> None:
        self._save(cursor=cursor, rows=self._tally.rows)

    def _unchanged(self) -> Refreshed:
        if self._stored.held:
            self._save()
        else:
            self._save(last_success=self._refresh.clock(), failure="")
        return Refreshed(changed=False)

    def _hold(self, collected: Collected) -> Refreshed:
        """Record that withdrawals are not believed; the same documents are not loaded again until they are accepted."""
        feed, part = self._feed.name, self._part.name
        reason = (
            f"held back: more than {self._refresh.shrink:.0%} of {self._stored.rows} rows are gone at once; if that is"
            f' right, accept it: refresh with {{"feed": "{feed}", "part": "{part}", "accept": true}}'
        )
        _log.warning("withdrawals held back", extra={"feed": feed, "part": part})
        self._save(failure=reason, held=True, fingerprints=collected.fingerprints)
        return replace(self._refreshed(), held=True)

    def _close(self, collected: Collected) -> Refreshed:
        """Record that everything the documents say stands."""
        first = not self._stored.closed
        now = self._refresh.clock()
        stands = self._save(
            supported=tuple(self._supported(now)),
            fingerprints=collected.fingerprints,
            revision=_revision(collected.fingerprints),
            loaded=now,
            published=_published(collected.fingerprints),
            closed=True,
            rows=self._tally.rows,
            last_success=now,
            failure="",
            held=False,
            absent=False,
            unread=self._tally.unread,
        )
        if stands and first:
            self._tell_first_load()
        return self._refreshed()

    def _supported(self, now: float) -> Iterator[tuple[str, bool]]:
        """Yield the namespaces of the part; an incremental load has not seen all of them."""
        before = dict(self._stored.supported) if isinstance(self._feed, Incremental) else {}
        for namespace in sorted({*self._tally.namespaces, *before}):
            yield namespace, self._feed.supported(namespace, self._tally.namespaces, now)

    def _tell_first_load(self) -> None:
        """Wake notify for every repository: what waited for the first load to close may be told now."""
        page: str | None = None
        while True:
            repositories = self._refresh.images.repositories(page=page)
            reason = f"{self._feed.name}/{self._part.name} loaded"
            self._refresh.queues.notify([NotifyRequest(repository=name, reason=reason) for name in repositories.items])
            page = repositories.next
            if page is None:
                return

    def _refreshed(self) -> Refreshed:
        tally = self._tally
        return Refreshed(
            changed=True,
            names=tally.names,
            differed=tally.differed,
            written=tally.written,
            withdrawn=tally.withdrawn,
            unread=tally.unread,
        )


def _revision(fingerprints: Iterable[Fingerprint]) -> str:
    """Name the loaded content: by its digests, else by what the servers said of it."""
    texts = [f"{mark.url} {mark.digest or f'{mark.etag} {mark.last_modified}'}" for mark in fingerprints]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _published(fingerprints: Iterable[Fingerprint]) -> float:
    """Return the latest date that the vendor gives a document, 0 where there is none."""
    return max((_seconds(mark.last_modified) for mark in fingerprints), default=0.0)


def _seconds(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return 0.0


def _feed(catalogue: Mapping[str, Feed], name: str) -> Feed:
    feed = catalogue.get(name)
    if feed is None:
        raise BadInput(f"feed {name!r} is not known; the feeds are {', '.join(sorted(catalogue))}")
    return feed


def _part(feed: Feed, name: str) -> Part:
    for part in feed.parts:
        if part.name == name:
            return part
    raise BadInput(f"feed {feed.name} has no part {name!r}; see `eclair feeds`")
