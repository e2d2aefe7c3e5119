"""What do errata come to, which name the packages that they fix?

Vendors of rpm distributions publish errata: each has an id, a severity, some CVEs and a list of packages with fixed
versions, often one list per architecture or repository. They are gathered in the memory of one small row per erratum
and package, because a vendor may list the same erratum twice; statements are made one erratum at a time.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from eclair.advisories.records import Skipped, advisory_statements
from eclair.errors import BadFeed
from eclair.model import AdvisoryStatements, Effect, PackageKey, Range, Severity, State, Statement, Unread
from eclair.packages import release_marks

SEVERITIES: Final[Mapping[str, Severity]] = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.NEGLIGIBLE,
}
"""The words of the rpm distributions: Red Hat's four grades, and what others write for them."""

_URGENCY: Final = (
    State.FIXED,
    State.AFFECTED,
    State.WILL_NOT_FIX,
    State.DEFERRED,
    State.END_OF_LIFE,
    State.UNDER_INVESTIGATION,
    State.NOT_AFFECTED,
)
"""Where records of one erratum differ about a package, the state that stands first counts."""

_CVE: Final = re.compile(r"CVE[-_]([0-9]{4})[-_]([0-9]{4,19})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erratum:
    """What an erratum says whatever the package; without `vulnerabilities` a finding is about the erratum itself.

    Vulnerabilities and aliases are sorted, so that their order in a document makes no difference.
    """

    id: str
    vulnerabilities: tuple[str, ...] = ()
    severity: Severity = Severity.UNKNOWN
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an erratum says of a package: the ranges in which it is affected; without any it is not."""

    state: State
    ranges: tuple[Range, ...] = ()
    stream: str = ""
    raw_state: str = ""
    fix_channel: str | None = None


class Row(NamedTuple):
    """What one erratum says of one package."""

    package: PackageKey
    claim: Claim
    erratum: Erratum


class Errata:
    """The errata of one part of a feed."""

    def __init__(self, skipped: Skipped) -> None:
        self._skipped = skipped
        self._rows: dict[str, list[Row]] = {}
        self._unread: set[str] = set()
        self._alike: dict[Claim, Claim] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, erratum: Erratum, claims: Iterable[tuple[PackageKey, Claim]]) -> None:
        """Add what a record says; another record of the same erratum adds to it."""
        rows = [Row(package, self._alike.setdefault(claim, claim), erratum) for package, claim in claims]
        if rows:
            self._rows.setdefault(erratum.id, []).extend(rows)

    def unread(self, record: str, reason: object, ids: Iterable[str] = ()) -> None:
        """Note a record that could not be read, and the ids of errata that it is about, where those could."""
        self._skipped.add(record, reason)
        self._unread.update(ids or ("",))

    def statements(self, feed: str, revision: str) -> Iterator[AdvisoryStatements | Unread]:
        """Yield what was gathered, erratum by erratum; of one with an unreadable record nothing is certain.

        Raises `BadFeed` where nothing could be read.
        """
        self._skipped.summarise()
        if not self._rows:
            raise BadFeed("the document has no record that can be read")
        yield from (Unread(id=id_) for id_ in sorted(self._unread))
        for id_, rows in self._rows.items():
            if id_ not in self._unread:
                yield advisory_statements(id_, statements(feed, rows, revision))


def statements(feed: str, rows: Iterable[Row], revision: str) -> Iterator[Statement]:
    """Yield what the rows of one erratum come to: a statement for each package and stream."""
    alike: dict[tuple[PackageKey, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.package, row.claim.stream), []).append(row)
    for about in alike.values():
        yield _statement(feed, about, revision)


def cves(*texts: str) -> tuple[str, ...]:
    """Return the CVE ids in texts, each once, sorted: `CVE_2019-2426`, `CVE-2017-17434-1`, remarks around."""
    return tuple(sorted({f"CVE-{year}-{number}" for text in texts for year, number in _CVE.findall(text)}))


def severity(word: str) -> Severity:
    """Return what the vendor's word means."""
    return SEVERITIES.get(word.strip().lower(), Severity.UNKNOWN)


def _statement(feed: str, rows: Sequence[Row], revision: str) -> Statement:
    """Return what the rows of one erratum about one package in one stream say together."""
    package, claim, erratum = rows[0] if len(rows) == 1 else _joined(rows)
    return Statement(
        feed=feed,
        id=erratum.id,
        package=package,
        vulnerabilities=erratum.vulnerabilities or (erratum.id,),
        effect=Effect.AFFECTED if claim.ranges else Effect.NOT_AFFECTED,
        ranges=claim.ranges,
        state=claim.state,
        severity=erratum.severity,
        severity_source="" if erratum.severity is Severity.UNKNOWN else feed,
        raw_state=claim.raw_state,
        aliases=erratum.aliases,
        fix_channel=claim.fix_channel,
        stream=claim.stream,
        revision=revision,
    )


def _joined(rows: Sequence[Row]) -> Row:
    """Return several rows about one package in one stream as one."""
    claims = [row.claim for row in rows]
    errata = tuple(dict.fromkeys(row.erratum for row in rows))
    claim = Claim(
        state=min((claim.state for claim in claims), key=_URGENCY.index),
        ranges=_ranges(rows),
        stream=claims[0].stream,
        raw_state="; ".join(sorted({claim.raw_state for claim in claims} - {""})),
        fix_channel=next((claim.fix_channel for claim in claims if claim.fix_channel), None),
    )
    if len(errata) == 1:
        return Row(rows[0].package, claim, errata[0])
    erratum = Erratum(
        id=errata[0].id,
        vulnerabilities=tuple(sorted({cve for erratum in errata for cve in erratum.vulnerabilities})),
        severity=min((erratum.severity for erratum in errata), key=_severity_rank),
        aliases=tuple(sorted({alias for erratum in errata for alias in erratum.aliases})),
    )
    return Row(rows[0].package, claim, erratum)


def _severity_rank(severity: Severity) -> int:
    return severity.rank


def _ranges(rows: Iterable[Row]) -> tuple[Range, ...]:
    ranges: dict[Erratum, set[Range]] = {}
    for row in rows:
        ranges.setdefault(row.erratum, set()).update(row.claim.ranges)
    found = {versions for said in ranges.values() for versions in _of_one_erratum(said)}
    if any(versions.fixed for versions in found):
        found.discard(Range())  # one of its repositories has the fix: a package with it is not affected
    return tuple(sorted(found, key=_order))


def _of_one_erratum(ranges: set[Range]) -> Iterator[Range]:
    fixes = [versions.fixed for versions in ranges if versions.fixed and versions == Range(fixed=versions.fixed)]
    yield from ranges.difference(Range(fixed=fixed) for fixed in fixes)
    yield from (Range(fixed=fixed) for fixed in release_marks.joined(fixes))


def _order(versions: Range) -> tuple[str, ...]:
    return (versions.introduced or "", versions.fixed or "", versions.last_affected or "")
