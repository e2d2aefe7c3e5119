"""The health of the feeds tells when each was loaded, how far it is behind, and what fails."""

from dataclasses import replace

import pytest

from eclair import feeds
from eclair.adapters.memory import MemoryFeeds
from eclair.health import STALE_AFTER, feed_list, feed_report, standing
from eclair.model import CoverageState, FeedPart

NOW = 1_790_000_000.0
LOADED = FeedPart(
    feed="debian",
    name="tracker",
    revision="r1",
    closed=True,
    rows=131_325,
    loaded=NOW - 7200,
    published=NOW - 9000,
    last_success=NOW - 600,
    last_attempt=NOW - 600,
    unread=2,
)


def test_a_loaded_part_is_described() -> None:
    found = feed_report(LOADED, NOW)
    assert (found.state, found.detail) == (CoverageState.OK, "")
    assert (found.published, found.loaded, found.lag_seconds) == (NOW - 9000, NOW - 7200, 1800.0)
    assert (found.age_seconds, found.rows, found.unread, found.held) == (600.0, 131_325, 2, False)


def test_what_was_never_is_none() -> None:
    found = feed_report(FeedPart(feed="debian", name="tracker"), NOW)
    assert found.state is CoverageState.MISSING
    assert {found.published, found.loaded, found.lag_seconds, found.last_success, found.age_seconds} == {None}


def test_a_vendor_s_clock_that_is_ahead_makes_no_negative_lag() -> None:
    assert feed_report(replace(LOADED, published=NOW), NOW).lag_seconds == 0.0


@pytest.mark.parametrize(
    ("changes", "state", "detail"),
    [
        ({"failure": "HTTP 500"}, CoverageState.OK, "the last attempt failed: HTTP 500"),
        ({"last_success": NOW - STALE_AFTER - 1}, CoverageState.STALE, "was last loaded 7 days ago"),
        ({"held": True, "failure": "held back: …"}, CoverageState.STALE, "feed debian is held back"),
        ({"closed": False}, CoverageState.LOADING, "has not ended"),
        ({"closed": False, "last_success": 0.0, "failure": "HTTP 500"}, CoverageState.FAILED, "never loaded: HTTP 500"),
        (
            {"closed": False, "last_success": 0.0, "failure": "HTTP 404", "absent": True},
            CoverageState.MISSING,
            "not loaded: HTTP 404",
        ),
        ({"failure": "HTTP 404", "absent": True}, CoverageState.OK, "the last attempt failed: HTTP 404"),
    ],
)
def test_a_part_stands_as_it_does(changes: dict[str, object], state: CoverageState, detail: str) -> None:
    found, said = standing(replace(LOADED, **changes), NOW)  # type: ignore[arg-type]  # the names are fields
    assert found is state
    assert detail in said


def parts(stored: MemoryFeeds, *in_use: str) -> set[tuple[str, str]]:
    found = feed_list(feeds.load().values(), stored, lambda: NOW, frozenset(in_use)).feeds
    return {(part.feed, part.part) for part in found}


def test_the_parts_of_the_feeds_in_use_are_listed_and_what_is_loaded_of_others() -> None:
    stored = MemoryFeeds()
    assert {feed for feed, _ in parts(stored)} == feeds.load().keys()
    assert parts(stored, "debian") == {("debian", "tracker")}
    stored.stored["alpine", "v3.20"] = FeedPart(feed="alpine", name="v3.20", closed=True)
    assert parts(stored, "debian") == {("debian", "tracker"), ("alpine", "v3.20")}


def test_a_probe_is_listed_once_it_was_loaded() -> None:
    stored = MemoryFeeds()
    probes = {("alpine", part.name) for part in feeds.load()["alpine"].parts if part.probe}
    assert probes
    assert not probes & parts(stored, "alpine")
    probe = min(name for _, name in probes)
    stored.stored["alpine", probe] = FeedPart(feed="alpine", name=probe, closed=True)
    assert ("alpine", probe) in parts(stored, "alpine")
