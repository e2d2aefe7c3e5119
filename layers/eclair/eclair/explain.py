"""Why is, or was, a feature found affected by a vulnerability or not?

Pure, and over the same rules as `verdict`: every statement about the vulnerability is shown with what it came to, bound
by bound; and from what statements said before, how the verdict changed over time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from eclair import ecosystems
from eclair.errors import BadVersion
from eclair.model import Effect, Feature, Range, Statement, StatementKey, Verdict
from eclair.verdict import Position, of_stream, position, verdicts

Revisions = Mapping[StatementKey, Sequence[Statement]]
"""What statements said, oldest first, up to what they say now."""


class Bearing(StrEnum):
    """What a statement came to for one installed version.

    affected: the version is in one of its ranges. not-affected: it is in none, or the statement says so of all
    versions. cannot-tell: a version cannot be compared. other-stream: it is about another stream than the package's.
    withdrawn: it is said no more. turned: it is no longer about this vulnerability.
    """

    AFFECTED = "affected"
    NOT_AFFECTED = "not-affected"
    CANNOT_TELL = "cannot-tell"
    OTHER_STREAM = "other-stream"
    WITHDRAWN = "withdrawn"
    TURNED = "turned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One range of a statement, where the installed version lies, and how that was found, in words."""

    range: Range
    position: Position
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consideration:
    """A statement and what it came to."""

    statement: Statement
    bearing: Bearing
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A time (`until`: excluded, None is now) in which a verdict stood, or nothing was said that concerned the version.

    `complete` is false where it is not kept any more what some statement said at that time.
    """

    since: float
    until: float | None
    verdict: Verdict | None
    complete: bool


def considerations(feature: Feature, vulnerability: str, statements: Iterable[Statement]) -> tuple[Consideration, ...]:
    """Return each statement about the package with what it came to, those that count first."""
    about = [statement for statement in statements if statement.package == feature.package]
    standing = [said for said in about if not said.withdrawn and vulnerability in said.vulnerabilities]
    nearest = frozenset(statement.key for statement in of_stream(feature, standing))
    found = (_consideration(feature, vulnerability, statement, nearest) for statement in about)
    return tuple(sorted(found, key=_order))


def _consideration(
    feature: Feature, vulnerability: str, statement: Statement, nearest: frozenset[StatementKey]
) -> Consideration:
    comparisons = tuple(_comparison(feature, versions) for versions in statement.ranges)
    if statement.withdrawn:
        bearing = Bearing.WITHDRAWN
    elif vulnerability not in statement.vulnerabilities:
        bearing = Bearing.TURNED
    elif statement.key not in nearest:
        bearing = Bearing.OTHER_STREAM
    else:
        bearing = _bearing(statement, {comparison.position for comparison in comparisons})
    return Consideration(statement=statement, bearing=bearing, comparisons=comparisons)


def _bearing(statement: Statement, positions: set[Position]) -> Bearing:
    if statement.effect is Effect.AFFECTED and Position.INSIDE in positions:
        return Bearing.AFFECTED
    if statement.effect is Effect.AFFECTED and Position.UNKNOWN in positions:
        return Bearing.CANNOT_TELL
    return Bearing.NOT_AFFECTED


def _order(found: Consideration) -> tuple[int, str, str, str]:
    said = found.statement
    return list(Bearing).index(found.bearing), said.feed, said.id, said.stream


def _comparison(feature: Feature, versions: Range) -> Comparison:
    bounds = (("introduced", versions.introduced), ("fixed", versions.fixed), ("last affected", versions.last_affected))
    texts = [f"{_compared(feature, bound)} ({name})" for name, bound in bounds if bound is not None]
    return Comparison(range=versions, position=position(feature, versions), text=", ".join(texts) or "every version")


def _compared(feature: Feature, bound: str) -> str:
    try:
        order = ecosystems.compare(ecosystems.load()[feature.package.scheme], feature.version, bound)
    except BadVersion as error:
        return f"{feature.version} ? {bound}: {error}"
    return f"{feature.version} {'<=>'[(order > 0) - (order < 0) + 1]} {bound}"


# --- over time -------------------------------------------------------------------------------------------------------


def as_of(revisions: Revisions, moment: float) -> tuple[Statement, ...]:
    """Return what each statement said at a moment; left out is which said nothing yet, or of which it is not kept."""
    latest = (_latest(said, moment) for said in revisions.values())
    return tuple(statement for statement in latest if statement is not None)


def _latest(said: Sequence[Statement], moment: float) -> Statement | None:
    return next((statement for statement in reversed(said) if statement.changed <= moment), None)


def is_kept(revisions: Revisions, moment: float) -> bool:
    """Say whether it is kept what every statement said at a moment."""
    return all(not said or said[0].changed <= moment or said[0].first_seen > moment for said in revisions.values())


def periods(feature: Feature, vulnerability: str, revisions: Revisions) -> tuple[Period, ...]:
    """Return how the verdict on a feature changed over time, oldest first."""
    said = [statement for some in revisions.values() for statement in some]
    moments = sorted({moment for statement in said for moment in (statement.first_seen, statement.changed)})
    found: list[Period] = []
    for moment in moments:
        period = Period(
            since=moment,
            until=None,
            verdict=verdict_on(feature, vulnerability, as_of(revisions, moment)),
            complete=is_kept(revisions, moment),
        )
        if found and (found[-1].verdict, found[-1].complete) == (period.verdict, period.complete):
            continue
        if found:
            found[-1] = _ended(found[-1], moment)
        found.append(period)
    return tuple(found)


def _ended(period: Period, moment: float) -> Period:
    return Period(since=period.since, until=moment, verdict=period.verdict, complete=period.complete)


def verdict_on(feature: Feature, vulnerability: str, statements: Iterable[Statement]) -> Verdict | None:
    """Return the one verdict."""
    found = verdicts(feature, statements)
    return next((verdict for verdict in found if verdict.vulnerability == vulnerability), None)
