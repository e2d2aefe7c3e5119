"""Does a vendor still support a release? Told by tables of dates, since no advisory feed says so."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from eclair.end_of_life import end_of_life


def in_support(namespace: str, now: float) -> bool:
    """Say whether the last day of support is still to come; a release whose end is not known is supported."""
    distribution, _, release = namespace.partition(":")
    end = end_of_life(distribution, release)
    return not end or datetime.fromtimestamp(now, UTC).date() <= date.fromisoformat(end)


def supported(ends: Mapping[str, date], release: str, now: float) -> bool:
    """Say whether the last day of support is still to come; a release that the table does not know yet is new."""
    return datetime.fromtimestamp(now, UTC).date() <= ends.get(release, date.max)
