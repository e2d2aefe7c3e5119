"""Is this feature affected by this vulnerability? The one matcher: reports and notices both come from here.

Pure: statements and a feature go in, verdicts come out. The rules are those of the vendors, feed by feed turned into
statements; here they are only weighed against each other.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache, partial

from eclair import ecosystems
from eclair.ecosystems import Ecosystem, key_or_unreadable
from eclair.errors import BadVersion
from eclair.model import (
    UNREADABLE,
    Change,
    ChangeKind,
    Effect,
    Feature,
    FeatureId,
    KeyRange,
    Mark,
    Range,
    Severity,
    State,
    Statement,
    Verdict,
)
from eclair.packages import release_marks

FIRST = b"\x00"
"""A lower bound below every key."""
LAST = b"\xff" * 8
"""An upper bound above every key."""

SHOWN = frozenset({State.AFFECTED, State.FIXED, State.WILL_NOT_FIX, State.DEFERRED, State.END_OF_LIFE})
"""The states that a report shows, and a notice tells, unless asked for more."""

HIDING = frozenset({Mark.DISPUTED, Mark.REJECTED, Mark.NO_KERNEL})
"""The marks of what a report does not show, nor a notice tell, unless asked for more."""

_URGENCY = (
    State.FIXED,
    State.AFFECTED,
    State.WILL_NOT_FIX,
    State.DEFERRED,
    State.END_OF_LIFE,
    State.UNDER_INVESTIGATION,
    State.NOT_AFFECTED,
)
"""Where statements differ, the state that stands first is shown."""


COMPUTED = " cvss "
"""Within the source of a severity that was computed from a vector."""

_MODULE = f"{release_marks.MODULE}:"
_REPOSITORY = "repository:"

_Rank = tuple[bool, bool, bool, int]


class Position(StrEnum):
    """Where an installed version lies: in a range, outside of it, or where it cannot be told."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


def key_range(versions: Range, scheme: str) -> KeyRange:
    """Return the keys of a range of versions; a bound that cannot be read does not bound."""
    return KeyRange(lower=_lower(versions, scheme), upper=_upper(versions, scheme))


def key_ranges(statement: Statement) -> tuple[KeyRange, ...]:
    """Return the keys a statement speaks about: its ranges.

    One that says "not affected", or that is of a stream, speaks about all versions: where it is silent, it keeps others
    from being heard.
    """
    if statement.withdrawn:
        return ()
    if statement.effect is Effect.NOT_AFFECTED or statement.stream:
        return (KeyRange(lower=FIRST, upper=LAST),)
    return tuple(dict.fromkeys(key_range(versions, statement.package.scheme) for versions in statement.ranges))


@lru_cache(maxsize=1 << 14)
def _key(version: str, scheme: str) -> bytes | None:
    try:
        return ecosystems.load()[scheme].key(version)
    except BadVersion:
        return None


def _lower(versions: Range, scheme: str) -> bytes:
    if versions.introduced is None:
        return FIRST
    return _key(versions.introduced, scheme) or FIRST


def _upper(versions: Range, scheme: str) -> bytes:
    if versions.fixed is not None:
        return _key(versions.fixed, scheme) or LAST
    if versions.last_affected is not None:
        key = _key(versions.last_affected, scheme)
        return key + b"\xff" if key is not None else LAST
    return LAST


def verdicts(feature: Feature, statements: Iterable[Statement]) -> tuple[Verdict, ...]:
    """Return the verdicts on a feature, sorted by vulnerability, from all statements about its package.

    A vulnerability that no statement brings to bear on the installed version has no verdict.
    """
    about: defaultdict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        if statement.withdrawn or statement.package != feature.package:
            continue
        for vulnerability in statement.vulnerabilities:
            about[vulnerability].append(statement)
    found = (_verdict(feature, vulnerability, of_stream(feature, said)) for vulnerability, said in about.items())
    return tuple(sorted((verdict for verdict in found if verdict), key=lambda verdict: verdict.vulnerability))


def of_stream(feature: Feature, statements: Sequence[Statement]) -> Sequence[Statement]:
    """Return the statements of the stream nearest to the feature's own: where there is none, those of no stream."""
    if not any(statement.stream for statement in statements):
        return statements
    words = _words(feature.version, feature.context, feature.arch)
    ranked = [(_nearness(statement.stream, words), statement) for statement in statements]
    nearest = max((rank for rank, _ in ranked if rank is not None), default=None)
    return [statement for rank, statement in ranked if rank is not None and rank == nearest]


@lru_cache(maxsize=1 << 10)
def _words(version: str, context: str, arch: str) -> frozenset[str]:
    """Return the words that place a feature in a stream.

    They are those of its context (`module:nodejs:18`, `repository:ID`, `pro`), of the minor release that a repository
    is for, those in its version (see `packages.release_marks`), and its architecture.
    """
    told = context.split()
    repositories = (word.removeprefix(_REPOSITORY) for word in told if word.startswith(_REPOSITORY))
    return release_marks.words(version).union(
        told, *map(release_marks.of_repository, repositories), (f"{release_marks.ARCH}{arch}",)
    )


@lru_cache(maxsize=1 << 12)
def _nearness(stream: str, words: frozenset[str]) -> _Rank | None:
    """Rank a stream by what it shares with a feature; None where it is a stream of others.

    Every word of a stream has to be among those of the feature, but for a minor release of which there is one line of
    fixes: it only goes before the others. A module counts more than a minor release, which counts more than a
    repository, a subscription or an architecture.
    """
    needed = [word for word in stream.split() if not word.startswith(release_marks.MINOR)]
    if not all(word in words or _may_be(word, words) for word in needed):
        return None
    return (
        any(word.startswith(release_marks.MODULE) for word in needed),
        any(word.startswith(release_marks.DIST) for word in needed),
        _is_for_its_minor_release(stream, words),
        len(needed),
    )


def _may_be(word: str, words: frozenset[str]) -> bool:
    """Say whether a package may be of a module: it is of some module, and does not say of which."""
    return (
        word.startswith(_MODULE)
        and release_marks.MODULE in words
        and not any(known.startswith(_MODULE) for known in words)
    )


def _is_for_its_minor_release(stream: str, words: frozenset[str]) -> bool:
    releases = (word.replace(release_marks.MINOR, release_marks.DIST) for word in stream.split())
    return release_marks.MINOR in stream and not words.isdisjoint(releases)


def _verdict(feature: Feature, vulnerability: str, statements: Sequence[Statement]) -> Verdict | None:
    inside: list[tuple[Statement, Range]] = []
    unknown: list[Statement] = []
    denied: list[Statement] = []
    for statement in statements:
        if statement.effect is Effect.NOT_AFFECTED:
            denied.append(statement)
            continue
        for versions in statement.ranges:
            where = position(feature, versions)
            if where is Position.INSIDE:
                inside.append((statement, versions))
            elif where is Position.UNKNOWN:
                unknown.append(statement)
    if inside:
        return _affected(feature, vulnerability, inside)
    if unknown:
        return _join(feature, vulnerability, unknown, State.UNDER_INVESTIGATION, None)
    if denied:
        return _join(feature, vulnerability, denied, State.NOT_AFFECTED, None)
    return None


def position(feature: Feature, versions: Range) -> Position:
    """Place the installed version in a range; "cannot tell" where the version or a bound that matters is unreadable."""
    scheme = feature.package.scheme
    if versions == Range() or feature.version == versions.introduced == versions.last_affected:
        return Position.INSIDE
    if feature.key == UNREADABLE:
        return _compared(feature, versions)
    if feature.key not in key_range(versions, scheme):
        return Position.OUTSIDE
    bounds = (versions.introduced, versions.fixed, versions.last_affected)
    if any(bound is not None and _key(bound, scheme) is None for bound in bounds):
        return _compared(feature, versions)
    return Position.INSIDE


def _compared(feature: Feature, versions: Range) -> Position:
    """Place a version by comparing it with each bound: it, or a bound, has no key."""
    order = partial(ecosystems.compare, ecosystems.load()[feature.package.scheme], feature.version)
    try:
        inside = (
            (versions.introduced is None or order(versions.introduced) >= 0)
            and (versions.fixed is None or order(versions.fixed) < 0)
            and (versions.last_affected is None or order(versions.last_affected) <= 0)
        )
    except BadVersion:
        # What is no version is none but itself.
        is_one_version = versions.introduced is not None and versions.introduced == versions.last_affected
        return Position.OUTSIDE if is_one_version else Position.UNKNOWN
    return Position.INSIDE if inside else Position.OUTSIDE


def _affected(feature: Feature, vulnerability: str, inside: Sequence[tuple[Statement, Range]]) -> Verdict:
    scheme = feature.package.scheme
    fixed_version = _highest({versions.fixed for _, versions in inside if versions.fixed}, scheme)
    statements = [statement for statement, _ in inside]
    state = State.FIXED if fixed_version else min((said.state for said in statements), key=_URGENCY.index)
    return _join(feature, vulnerability, statements, state, fixed_version)


def _highest(fixes: Collection[str], scheme: str) -> str | None:
    """Return the highest fix."""
    ecosystem = ecosystems.load()[scheme]
    highest: str | None = None
    for fix in sorted(fixes):
        if highest is None or _is_as_new(ecosystem, fix, highest):
            highest = fix
    return highest


def _is_as_new(ecosystem: Ecosystem, fix: str, other: str) -> bool:
    try:
        return ecosystems.compare(ecosystem, fix, other) >= 0
    except BadVersion:
        return key_or_unreadable(ecosystem, fix) != UNREADABLE


def _join(
    feature: Feature, vulnerability: str, statements: Sequence[Statement], state: State, fixed_version: str | None
) -> Verdict:
    """Return one verdict in the name of all statements that led to it; what they all are marked with, it is."""
    worst = min(statements, key=_severity_order)
    aliases = {alias for statement in statements for alias in statement.aliases}
    channels = [statement.fix_channel for statement in statements if statement.fix_channel]
    return Verdict(
        feature=feature.id,
        vulnerability=vulnerability,
        state=state,
        severity=worst.severity,
        severity_source=worst.severity_source,
        fixed_version=fixed_version,
        fix_channel=channels[0] if channels and fixed_version else None,
        advisories=tuple(sorted({statement.id for statement in statements})),
        aliases=tuple(sorted(aliases - {vulnerability})),
        feed=worst.feed,
        marks=tuple(sorted({*frozenset.intersection(*(frozenset(said.marks) for said in statements)), *_own(feature)})),
    )


def _severity_order(statement: Statement) -> tuple[bool, bool, int, str, str]:
    """Order by what counts first: a word goes before a computed rating, both go before nothing."""
    is_unknown = statement.severity is Severity.UNKNOWN
    is_computed = COMPUTED in statement.severity_source
    return is_unknown, is_computed, statement.severity.rank, statement.feed, statement.id


def _own(feature: Feature) -> frozenset[Mark]:
    """Return the marks that a feature has whatever is said of it: words of its context."""
    return frozenset(mark for mark in (Mark.NO_KERNEL,) if mark in feature.context.split())


def shown(verdict: Verdict) -> bool:
    """Say whether a report shows the verdict, and a notice tells it, unless asked for all."""
    return verdict.state in SHOWN and verdict.severity is not Severity.NEGLIGIBLE and HIDING.isdisjoint(verdict.marks)


def worst(found: Iterable[Verdict]) -> Verdict | None:
    """Return which counts of the verdicts on all that one package is matched by, its source and itself for instance."""
    return min(found, key=lambda verdict: (not shown(verdict), verdict.severity.rank, verdict.feature), default=None)


def changes(old: Iterable[Verdict], new: Iterable[Verdict]) -> tuple[Change, ...]:
    """Return how what is shown differs from one version of a set's verdicts to the next, sorted."""
    before, after = _shown(old), _shown(new)
    found = (change(before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys()))
    return tuple(difference for difference in found if difference)


def undo(verdicts: Iterable[Verdict], undone: Iterable[Change]) -> tuple[Verdict, ...]:
    """Return the shown verdicts as they were before the changes."""
    shown_before = dict(_shown(verdicts))
    for difference in undone:
        key = identity(difference.verdict)
        if difference.old is None:
            shown_before.pop(key, None)
        else:
            shown_before[key] = difference.old
    return tuple(shown_before[key] for key in sorted(shown_before))


def identity(verdict: Verdict) -> tuple[FeatureId, str]:
    """Return what two versions of one verdict have in common."""
    return verdict.feature, verdict.vulnerability


def _shown(found: Iterable[Verdict]) -> Mapping[tuple[FeatureId, str], Verdict]:
    return {identity(verdict): verdict for verdict in found if shown(verdict)}


def change(old: Verdict | None, new: Verdict | None) -> Change | None:
    """Return the most telling difference of two shown verdicts on the same thing, None where there is none."""
    kind = _kind(old, new)
    return Change(kind=kind, old=old, new=new) if kind else None


def _kind(old: Verdict | None, new: Verdict | None) -> ChangeKind | None:
    if old is None:
        return ChangeKind.NEWLY_AFFECTED if new else None
    if new is None:
        return ChangeKind.WITHDRAWN
    if old.fixed_version != new.fixed_version and new.fixed_version:
        return ChangeKind.FIX_CHANGED if old.fixed_version else ChangeKind.FIX_AVAILABLE
    if old.severity != new.severity:
        return ChangeKind.SEVERITY_CHANGED
    if old.state != new.state:
        return ChangeKind.STATE_CHANGED
    return None
