"""Need this finding be told? The one decision that reports, scans and notices share.

Pure: a finding, the place it was found in, the rules and the time go in; why it is kept quiet comes out, or nothing.

A VEX document counts by what it said last of a vulnerability, a product and a package: where two say it at the same
time, one that does not clear the product. An ignore rule needs all its conditions; of several that fit, the one that
lasts longest is named. Severity `unknown` is not below anything: cannot tell is never not vulnerable.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from math import inf
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from packageurl import PackageURL

from eclair.model import (
    Digest,
    IgnoreRule,
    QuietHours,
    Repository,
    RuleBook,
    Severity,
    Source,
    Suppression,
    Verdict,
    VexDocument,
    VexProduct,
    VexStatement,
    VexStatus,
)

CLEARING: Final = frozenset({VexStatus.NOT_AFFECTED, VexStatus.FIXED})
"""What VEX says of a product that is not vulnerable."""
_SOURCES: Final = frozenset({"src", "source"})
"""The architectures by which purls name source packages."""


class Named(Protocol):
    """What rules look at of an installed package."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> Source | None: ...
    @property
    def path(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A verdict on a package where it is installed: what rules look at."""

    verdict: Verdict
    package: Named
    purl: str
    digest: Digest

    @property
    def names(self) -> frozenset[str]:
        """Return all names of the vulnerability."""
        return frozenset(name.upper() for name in (self.verdict.vulnerability, *self.verdict.aliases))


class InEffect:
    """The rules for one repository at one time."""

    def __init__(self, book: RuleBook, repository: Repository, now: float) -> None:
        self._repository = repository
        self.rules: tuple[IgnoreRule, ...] = tuple(
            rule for rule in book.rules if lasts(rule, now) and covers(rule.repository, repository)
        )
        self.documents: tuple[VexDocument, ...] = tuple(filter(self._concerns, book.documents))

    def _concerns(self, document: VexDocument) -> bool:
        return any(
            product.repository in ("", self._repository)
            for statement in document.statements
            for product in statement.products
        )

    def __bool__(self) -> bool:
        """Say whether there is anything that may keep a finding quiet."""
        return bool(self.rules or self.documents)

    def ended_in(self, later: "InEffect") -> bool:
        """Say whether a finding that these rules keep quiet may be told under later ones."""
        return not (set(self.rules) <= set(later.rules) and self.documents == later.documents)

    def suppression(self, subject: Subject) -> Suppression | None:
        """Return why the finding is kept quiet, None where it is to be told."""
        return self._cleared(subject) or self._ignored(subject)

    def _ignored(self, subject: Subject) -> Suppression | None:
        candidates = (*self._named.get("", ()), *(rule for name in subject.names for rule in self._named.get(name, ())))
        fitting = [rule for rule in candidates if _fits(rule, subject)]
        if not fitting:
            return None
        longest = min(fitting, key=lambda rule: (-inf if rule.until is None else -rule.until, rule.id))
        return Suppression(rule=longest.id, by=longest.by, reason=longest.reason, until=longest.until)

    def _cleared(self, subject: Subject) -> Suppression | None:
        said = [
            (statement, document)
            for name in subject.names
            for statement, document in self._stated.get(name, ())
            if any(self._is_about(product, subject) for product in statement.products)
        ]
        if not said:
            return None
        statement, document = max(said, key=lambda pair: (pair[0].time, pair[0].status not in CLEARING, pair[1].id))
        if statement.status not in CLEARING:
            return None
        reason = ": ".join(filter(None, (statement.status.value, statement.justification, statement.detail)))
        return Suppression(rule=document.id, by=document.author, reason=reason)

    def _is_about(self, product: VexProduct, subject: Subject) -> bool:
        return (
            product.digest in ("", subject.digest)
            and product.repository in ("", self._repository)
            and (not product.purl or is_purl_of(product.purl, subject.purl, subject.package))
        )

    @cached_property
    def _named(self) -> dict[str, list[IgnoreRule]]:
        found: defaultdict[str, list[IgnoreRule]] = defaultdict(list)
        for rule in self.rules:
            found[rule.vulnerability.upper()].append(rule)
        return dict(found)

    @cached_property
    def _stated(self) -> dict[str, list[tuple[VexStatement, VexDocument]]]:
        found: defaultdict[str, list[tuple[VexStatement, VexDocument]]] = defaultdict(list)
        for document in self.documents:
            for statement in document.statements:
                for name in statement.vulnerabilities:
                    found[name.upper()].append((statement, document))
        return dict(found)


def lasts(rule: IgnoreRule | QuietHours, now: float) -> bool:
    """Say whether the rule has not ended."""
    return rule.until is None or now < rule.until


def covers(pattern: str, text: str) -> bool:
    """Say whether a pattern fits a text; an empty one fits all."""
    return not pattern or fnmatchcase(text, pattern)


def _fits(rule: IgnoreRule, subject: Subject) -> bool:
    verdict, package = subject.verdict, subject.package
    names = (package.name, package.source.name) if package.source else (package.name,)
    return (
        any(covers(rule.package, name) for name in names)
        and covers(rule.path, package.path)
        and (rule.below is None or _is_below(verdict.severity, rule.below))
        and not (rule.unfixed and verdict.fixed_version)
    )


def _is_below(severity: Severity, bound: Severity) -> bool:
    return severity is not Severity.UNKNOWN and severity.rank > bound.rank


def is_purl_of(asked: str, purl: str, package: Named) -> bool:
    """Say whether a purl means the package: what it does not say (version, qualifiers) it leaves open.

    With the architecture of a source package it means all that is built from it.
    """
    wanted, found = _parsed(asked), _parsed(purl)
    if wanted is None or found is None:
        return False
    qualifiers = dict(_qualifiers(wanted))
    name, version = found.name, found.version
    if qualifiers.get("arch") in _SOURCES:
        del qualifiers["arch"]
        if package.source is None:
            return False
        name, version = package.source.name, package.source.version
        if "epoch" in qualifiers:
            version = version.removeprefix(f"{qualifiers.pop('epoch')}:")
    return (
        (wanted.type, wanted.namespace, wanted.name) == (found.type, found.namespace, name)
        and wanted.version in (None, version)
        and qualifiers.items() <= dict(_qualifiers(found)).items()
        and wanted.subpath in (None, found.subpath)
    )


@lru_cache(maxsize=1 << 12)
def _parsed(purl: str) -> PackageURL | None:
    try:
        return PackageURL.from_string(purl)
    except ValueError:
        return None


def _qualifiers(purl: PackageURL) -> Iterable[tuple[str, str]]:
    return purl.qualifiers.items() if isinstance(purl.qualifiers, dict) else ()


# --- quiet hours -----------------------------------------------------------------------------------------------------


def quiet_now(hours: Sequence[QuietHours], repository: Repository, now: float) -> QuietHours | None:
    """Return the quiet hours in which the repository is told nothing now.

    Of several the one that lets the least through is returned.
    """
    here = [some for some in hours if covers(some.repository, repository) and is_quiet(some, now)]
    return min(here, key=lambda some: some.urgent.rank if some.urgent else -1, default=None)


def is_quiet(hours: QuietHours, now: float) -> bool:
    """Say whether it is within the hours, by the clocks of their time zone."""
    if not lasts(hours, now):
        return False
    local = datetime.fromtimestamp(now, _zone(hours.timezone))
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if hours.start < hours.end:
        return day in hours.days and hours.start <= minute < hours.end
    yesterday = (local - timedelta(days=1)).weekday()
    return (day in hours.days and minute >= hours.start) or (yesterday in hours.days and minute < hours.end)


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC  # it was there when the hours were set; being told at a wrong hour is better than never
