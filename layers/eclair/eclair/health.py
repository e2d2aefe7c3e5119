"""How do the feeds stand: loaded when, from what, how far behind the vendor, and what fails?"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from eclair.feeds import Feed
from eclair.model import CoverageState, FeedPart
from eclair.ports import Clock, Feeds

STALE_AFTER: Final = 7 * 86400.0
"""Seconds after the last success from which a feed is stale."""
SHRINK: Final = 0.2
"""The share of its rows that a part may lose in one refresh and still be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReport:
    """How one part of a feed stands; times and ages in seconds, None before the first time.

    `published` is the date that the vendor gives the documents that were loaded, `loaded` when they were, and
    `lag_seconds` the time between. `age_seconds` is how long ago they were last found to be the vendor's present ones.
    `unread` counts the records that could not be read. `held` says that a withdrawal of much waits to be accepted.
    """

    feed: str
    part: str
    state: CoverageState
    detail: str
    revision: str
    rows: int
    closed: bool
    published: float | None
    loaded: float | None
    lag_seconds: float | None
    last_success: float | None
    last_attempt: float | None
    age_seconds: float | None
    unread: int
    held: bool
    failure: str
    supported: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedList:
    """The feeds, part by part."""

    feeds: tuple[FeedReport, ...]


def standing(part: FeedPart, now: float) -> tuple[CoverageState, str]:
    """Say how a feed part stands as a whole, and why."""
    if not part.last_success and part.absent:
        return CoverageState.MISSING, f"feed {part.feed} ({part.name}) is not loaded: {part.failure}"
    if not part.last_success and part.failure:
        return CoverageState.FAILED, f"feed {part.feed} never loaded: {part.failure}"
    if not part.closed and not part.last_attempt and not part.last_success:
        return CoverageState.MISSING, f"feed {part.feed} ({part.name}) is not loaded: enable it, or refresh it"
    if not part.closed:
        return CoverageState.LOADING, f"the first load of feed {part.feed} ({part.name}) has not ended"
    if part.held:
        return CoverageState.STALE, f"feed {part.feed} is {part.failure}"
    failed = f"the last attempt failed: {part.failure}" if part.failure else ""
    age = now - part.last_success
    if age > STALE_AFTER:
        old = f"feed {part.feed} was last loaded {age / 86400:.0f} days ago"
        return CoverageState.STALE, f"{old}; {failed}" if failed else old
    return CoverageState.OK, failed


def feed_report(part: FeedPart, now: float) -> FeedReport:
    """Report how a part stands."""
    state, detail = standing(part, now)
    return FeedReport(
        feed=part.feed,
        part=part.name,
        state=state,
        detail=detail,
        revision=part.revision,
        rows=part.rows,
        closed=part.closed,
        published=part.published or None,
        loaded=part.loaded or None,
        lag_seconds=max(0.0, part.loaded - part.published) if part.loaded and part.published else None,
        last_success=part.last_success or None,
        last_attempt=part.last_attempt or None,
        age_seconds=now - part.last_success if part.last_success else None,
        unread=part.unread,
        held=part.held,
        failure=part.failure,
        supported=dict(part.supported),
    )


def feed_list(sources: Iterable[Feed], stored: Feeds, clock: Clock, in_use: frozenset[str]) -> FeedList:
    """Report how each part of the feeds in use stands (empty: of all), and of the others those that were loaded.

    A part that may not exist at the vendor's is listed once it was loaded.
    """
    now = clock()
    parts = (part for feed in sources for part in _parts(feed, stored, listed=not in_use or feed.name in in_use))
    return FeedList(feeds=tuple(feed_report(part, now) for part in parts))


def _parts(feed: Feed, stored: Feeds, *, listed: bool) -> Iterator[FeedPart]:
    known = {part.name: part for part in stored.parts(feed.name)}
    for part in feed.parts:
        if part.name in known or (listed and not part.probe):
            yield known.pop(part.name, FeedPart(feed=feed.name, name=part.name))
    yield from known.values()
