"""What does one of Red Hat's VEX documents say of the packages of Enterprise Linux?

The format is the Common Security Advisory Framework (`advisories.csaf`) as Red Hat uses it, described at
https://redhatproductsecurity.github.io/security-data-guidelines/csaf-vex/: one document per CVE.

- Only products that are Enterprise Linux itself count; what is layered on it (OpenShift, JBoss) has packages of its
  own.
- Fixes for an extended support (EUS, AUS, TUS, E4S) of a minor release are in its stream (`dist:el9_2`, see
  `packages.release_marks`), those of a module in that of the module. What the main stream fixes in several minor
  releases goes before the other fixes for builds of the same one (`minor:el9_2`).
- A source package is spoken of once for all that is built from it: a binary package is only kept where no source of the
  same erratum, or with the same status, is named. A component without a package URL is a source or a binary.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

from eclair.advisories import csaf
from eclair.advisories.errata import Claim, Erratum, Row, severity
from eclair.advisories.rating import band
from eclair.advisories.records import mapping, sequence, text, words
from eclair.errors import BadFeed
from eclair.model import Kind, PackageKey, Range, Severity, State
from eclair.packages import release_marks

DISTRIBUTION: Final = "rhel"

FIXED: Final = "fixed"
NOT_AFFECTED: Final = "known_not_affected"

STATES: Final[Mapping[str, State]] = {
    FIXED: State.FIXED,
    NOT_AFFECTED: State.NOT_AFFECTED,
    "known_affected": State.AFFECTED,
    "under_investigation": State.UNDER_INVESTIGATION,
}

REMEDIES: Final = frozenset({"vendor_fix", "none_available", "no_fix_planned"})
NO_FIX_STATES: Final[Mapping[str, State]] = {
    "Fix deferred": State.DEFERRED,
    "Out of support scope": State.END_OF_LIFE,
    "Will not fix": State.WILL_NOT_FIX,
}

EVERY_VERSION: Final[tuple[Range, ...]] = (Range(),)

_PLATFORM: Final = re.compile(
    r"cpe:/[ao]:redhat:(?:"
    r"enterprise_linux:(?P<main>[0-9]+)(?:\.(?P<minor>[0-9]+))?|"
    r"(?:rhel_(?:aus|e4s|eus|eus_long_life|tus)|enterprise_linux_eus):(?P<extended>[0-9]+)\.(?P<extended_minor>[0-9]+)|"
    r"rhel_els:(?P<els>[0-9]+)(?:\.[0-9]+)?"
    r")(?::.*)?",
    re.ASCII,
)
_ERRATUM: Final = re.compile(r".*/(RH[SBE]A-[0-9]{4}:[0-9]+)/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A release of Enterprise Linux, the streams that a fix for it is in, and the channel that it comes by."""

    release: str
    streams: tuple[str, ...]
    channel: str | None = None


class _Ground(NamedTuple):
    """What products of one status have in common, apart from the component."""

    platform: Platform
    state: State
    raw_state: str
    erratum: str


class _Claimed(NamedTuple):
    """What the document says of one component."""

    component: csaf.Component
    ground: _Ground
    severity: Severity


@lru_cache(maxsize=4096)
def platform(cpe: str) -> Platform | None:
    """Return the release that a CPE names, None for products that are not Enterprise Linux itself.

    Since release 10 the product of a minor release is its main one while it is the newest.
    """
    match = _PLATFORM.fullmatch(cpe)
    if match is None:
        return None
    if match["extended"]:
        dist = release_marks.dist(f"el{match['extended']}_{match['extended_minor']}")
        return Platform(release=match["extended"], streams=(dist,))
    if match["els"]:
        return Platform(release=match["els"], streams=("",), channel="els")
    minor = match["minor"]
    dists = (release_marks.dist(f"el{match['main']}_{minor}"),) if minor else ()
    return Platform(release=match["main"], streams=("", *dists))


def rows(cve: str, content: bytes) -> Sequence[Row]:
    """Return what a document says of packages. Raises `BadFeed`."""
    try:
        document = mapping(orjson.loads(content), "a VEX document")
    except orjson.JSONDecodeError as error:
        raise BadFeed(f"no JSON: {error}") from error
    tracking = mapping(mapping(document.get("document"), "its document").get("tracking"), "its tracking")
    if str(tracking.get("id")).upper() != cve:
        raise BadFeed(f"a document that is about {words(tracking.get('id'))!r}")
    if tracking.get("status") == "deleted":
        return ()
    products = csaf.Products(document, platform)
    said: list[Row] = []
    for vulnerability in sequence(document.get("vulnerabilities") or [], "vulnerabilities"):
        claims = _Vulnerability(mapping(vulnerability, "a vulnerability"), document).claims(products)
        for claimed in _uncovered(tuple(claims)):
            said.extend(_claim_rows(cve, claimed))
    return tuple(_by_minor_release(said))


class _Vulnerability:
    """What a vulnerability of a document says of each product id, beside its status."""

    def __init__(self, vulnerability: Mapping[str, object], document: Mapping[str, object]) -> None:
        self._vulnerability = vulnerability
        self._remedies = dict(_remedies(vulnerability))
        self._severities = dict(_severities(vulnerability))
        self._severity = _aggregate_severity(document)

    def claims(self, products: csaf.Products[Platform]) -> Iterator[_Claimed]:
        for status, id_ in csaf.statuses(self._vulnerability):
            state = STATES.get(status)
            product = products.get(id_) if state is not None else None
            if state is None or product is None or (state is State.FIXED and not product.component.version):
                continue
            details, erratum = self._remedies.get(id_, ("", ""))
            if state is State.AFFECTED:
                state = NO_FIX_STATES.get(details, state)
            raw_state = f"{status}; {details}" if details and state is not State.FIXED else status
            ground = _Ground(product.platform, state, raw_state, erratum if state is State.FIXED else "")
            yield _Claimed(product.component, ground, self._severities.get(id_, self._severity))


def _remedies(vulnerability: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield what is done for each product id: the details where there is no fix, else the erratum."""
    for remedy, ids in csaf.by_product(vulnerability.get("remediations"), "remediations"):
        category, url = words(remedy.get("category")), remedy.get("url")
        if category not in REMEDIES:
            continue
        erratum = _ERRATUM.fullmatch(url) if isinstance(url, str) else None
        said = ("" if category == "vendor_fix" else words(remedy.get("details")), erratum[1] if erratum else "")
        for id_ in ids:
            yield id_, said


def _severities(vulnerability: Mapping[str, object]) -> Iterator[tuple[str, Severity]]:
    """Yield how bad it is for each product id: by Red Hat's word, else by the CVSS score."""
    for scored, ids in csaf.by_product(vulnerability.get("scores"), "scores"):
        cvss = mapping(scored.get("cvss_v4") or scored.get("cvss_v3") or scored.get("cvss_v2") or {}, "a score")
        score = cvss.get("baseScore")
        if isinstance(score, int | float):
            rating = band(float(score))
            yield from ((id_, rating) for id_ in ids)
    for threat, ids in csaf.by_product(vulnerability.get("threats"), "threats"):
        impact = severity(words(threat.get("details"))) if threat.get("category") == "impact" else Severity.UNKNOWN
        if impact is not Severity.UNKNOWN:
            yield from ((id_, impact) for id_ in ids)


def _aggregate_severity(document: Mapping[str, object]) -> Severity:
    aggregate = mapping(document["document"], "its document").get("aggregate_severity") or {}
    return severity(words(mapping(aggregate, "its severity").get("text")))


def _uncovered(claims: Sequence[_Claimed]) -> Iterator[_Claimed]:
    """Yield what sources say, and of the rest what no source says on the same ground."""
    covered = {claimed.ground for claimed in claims if claimed.component.arch == csaf.SOURCE}
    for claimed in claims:
        if claimed.component.arch == csaf.SOURCE or claimed.ground not in covered:
            yield claimed


def _claim_rows(cve: str, claimed: _Claimed) -> Iterator[Row]:
    component, ground = claimed.component, claimed.ground
    erratum = Erratum(
        id=cve,
        vulnerabilities=(cve,),
        severity=claimed.severity,
        aliases=(ground.erratum,) if ground.erratum else (),
    )
    for kind in _kinds(component):
        package = _package(ground.platform.release, kind, component.name)
        for stream in _streams(component, ground.platform):
            yield Row(package, _claim(component, ground, stream), erratum)


def _by_minor_release(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows; of several fixes of one package each goes before the others for builds of its minor release.

    An issue that was fixed in 9.2 and again in 9.3 has two fixes in the main stream; who has the first one is safe.
    """
    fixes: defaultdict[PackageKey, set[Range]] = defaultdict(set)
    for row in rows:
        if not row.claim.stream:
            fixes[row.package].update(versions for versions in row.claim.ranges if versions.fixed)
    for row in rows:
        several = not row.claim.stream and len(fixes[row.package]) > 1
        yield row._replace(claim=_of_minor_release(row.claim)) if several else row


def _of_minor_release(claim: Claim) -> Claim:
    fixes = " ".join(versions.fixed or "" for versions in claim.ranges)
    dist = next((word for word in release_marks.words(fixes) if word.startswith(release_marks.DIST)), None)
    return replace(claim, stream=dist.replace(release_marks.DIST, release_marks.MINOR)) if dist else claim


def _claim(component: csaf.Component, ground: _Ground, stream: str) -> Claim:
    ranges = EVERY_VERSION
    if ground.state is State.NOT_AFFECTED:
        ranges = ()
    elif ground.state is State.FIXED:
        ranges = (Range(fixed=text(component.version, "a fixed version")),)
    return Claim(
        ranges=ranges,
        state=ground.state,
        stream=stream,
        raw_state=ground.raw_state,
        fix_channel=ground.platform.channel,
    )


def _kinds(component: csaf.Component) -> tuple[Kind, ...]:
    if component.arch == csaf.SOURCE:
        return (Kind.SOURCE,)
    return (Kind.BINARY,) if component.identified else (Kind.SOURCE, Kind.BINARY)


def _streams(component: csaf.Component, platform: Platform) -> Iterator[str]:
    module = (f"module:{component.module}",) if component.module else ()
    for stream in platform.streams:
        yield " ".join(sorted((*module, *filter(None, (stream,)))))


@lru_cache(maxsize=4096)
def _package(release: str, kind: Kind, name: str) -> PackageKey:
    return PackageKey(
        scheme="rpm", namespace=f"{DISTRIBUTION}:{release}", kind=kind, name=text(name, "a package's name")
    )
