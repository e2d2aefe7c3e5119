"""What does Red Hat say of the packages of Red Hat Enterprise Linux?

Reads its VEX documents, one per CVE, in the Common Security Advisory Framework (`eclair.csaf`):
https://security.access.redhat.com/data/csaf/v2/vex/, described at
https://redhatproductsecurity.github.io/security-data-guidelines/csaf-vex/. `archive_latest.txt` names an archive of all
documents; `changes.csv` and `deletions.csv` say when each was changed or deleted, so that after a first load only those
that changed are fetched.

- Only products that are Enterprise Linux itself count; what is layered on it (OpenShift, JBoss) has packages of its
  own.
- Fixes for an extended support (EUS, AUS, TUS, E4S) of a minor release are in its stream (`dist:el9_2`, see
  `eclair.release_marks`), those of a module in that of the module. What the main stream fixes in several minor
  releases goes before the other fixes for builds of the same one (`minor:el9_2`).
- Red Hat's table of repositories and CPEs (`repository-to-cpe.json`) is not needed: the ids of the repositories of a
  minor release name it, and the main ones count for every image.
- A source package is spoken of once for all that is built from it: a binary package is only kept where no source of the
  same erratum, or with the same status, is named. A component without a package URL is a source or a binary.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import BinaryIO, Final, NamedTuple

import orjson

from eclair import bundle, csaf, errata, release_marks
from eclair.errata import Claim, Erratum, Row, severity
from eclair.errors import BadFeed, NotFound
from eclair.feeds import Document, Feed, Open, Part, Step
from eclair.model import AdvisoryStatements, Kind, PackageKey, Range, Said, Severity, State, Unread
from eclair.rating import band
from eclair.records import Skipped, advisory_statements, mapping, sequence, text, words
from eclair.support import in_support

FOLDER: Final = "https://security.access.redhat.com/data/csaf/v2/vex"

DISTRIBUTION: Final = "rhel"

READING: Final = "1"
"""How the documents are read: raise it when the same ones would give other statements, to load all of them again."""

OVERLAP: Final = timedelta(days=1)
"""An archive may lack what was changed in the hours before its date."""

MOST_SINGLE: Final = 3000
"""With more changed documents than this, a newer archive is read first."""

DOCUMENT_LIMIT: Final = 64 << 20
LIST_LIMIT: Final = 128 << 20

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
_ARCHIVE: Final = re.compile(r"csaf_vex_([0-9]{4}-[0-9]{2}-[0-9]{2})\.tar\.zst")
_PATH: Final = re.compile(r"(?:\./)?(?:[0-9]{4}/)?(cve-[0-9]{4}-[0-9]{4,19})\.json", re.ASCII)


class RedHat:
    """Red Hat's VEX documents: the authority for every release of Red Hat Enterprise Linux."""

    name = "redhat"
    parts = (
        Part(
            name="vex",
            documents=tuple(
                Document(url=f"{FOLDER}/{name}") for name in ("archive_latest.txt", "changes.csv", "deletions.csv")
            ),
        ),
    )

    def speaks_for(self, namespace: str) -> str | None:
        distribution, _, release = namespace.partition(":")
        return self.parts[0].name if distribution == DISTRIBUTION and release else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        """Yield nothing: the documents are read one by one, by `changes`."""
        return iter(())

    def changes(
        self, part: Part, documents: Sequence[BinaryIO], cursor: str, open_: Open, revision: str
    ) -> Iterator[Step]:
        latest, changed, deleted = documents
        history = _History(changed, deleted)
        reading = _Reading(open_, history, revision)
        archive = _archive(latest)
        since = _Since.of(cursor)
        if since is None or (archive.date > since.moment and history.count(since, MOST_SINGLE) > MOST_SINGLE):
            since = _Since((archive.date - OVERLAP).isoformat(), "")
            yield from reading.archive(archive, since, behind=_path(cursor, archive))
        yield from reading.singles(since)
        reading.skipped.summarise()

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None and in_support(namespace, now)


# --- which documents -------------------------------------------------------------------------------------------------


class _Archive(NamedTuple):
    name: str
    date: datetime


class _Since(NamedTuple):
    """Up to where the changes are loaded: the moment (ISO 8601, UTC) and path of the last one."""

    time: str
    path: str

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.time)

    @property
    def cursor(self) -> str:
        return f"{READING} since {self.time} {self.path}".rstrip()

    @classmethod
    def of(cls, cursor: str) -> "_Since | None":
        match cursor.split():
            case [reading, "since", moment, *path] if reading == READING:
                return cls(moment, "".join(path))
            case _:
                return None


def _archive(latest: BinaryIO) -> _Archive:
    """Return the archive that `archive_latest.txt` names."""
    name = latest.read(256).decode(errors="replace").strip()
    match = _ARCHIVE.fullmatch(name)
    if match is None:
        raise BadFeed(f"{words(name)!r} is no name of an archive of VEX documents")
    try:
        return _Archive(name, datetime.fromisoformat(match[1]).replace(tzinfo=UTC))
    except ValueError as error:
        raise BadFeed(f"{name} is of no date") from error


def _path(cursor: str, archive: _Archive) -> str:
    """Return the document up to which the archive is loaded, "" at its beginning or where it is another one."""
    match cursor.split():
        case [reading, "archive", name, path] if (reading, name) == (READING, archive.name):
            return path
        case _:
            return ""


class _History:
    """When each document was last changed and when it was deleted; both lists are read once for each question."""

    def __init__(self, changed: BinaryIO, deleted: BinaryIO) -> None:
        self._changed = changed
        self._deletions = dict(_dates(deleted, "deletions.csv"))
        changes = {path: when for path, when in _dates(changed, "changes.csv") if path in self._deletions}
        self.gone = frozenset(path for path, when in self._deletions.items() if when >= changes.get(path, ""))

    def before(self, since: _Since) -> set[str]:
        """Return the paths of all documents that have not changed since."""
        self._changed.seek(0)
        return {path for path, when in _dates(self._changed, "changes.csv") if (when, path) <= since} - self.gone

    def count(self, since: _Since, limit: int) -> int:
        """Count what was changed after `since`, no further than just above the limit."""
        found = 0
        for _ in self._after(since):
            found += 1
            if found > limit:
                break
        return found

    def after(self, since: _Since) -> Sequence[_Since]:
        """Return what was changed or deleted after `since`, in the order of time."""
        return sorted(self._after(since))

    def _after(self, since: _Since) -> Iterator[_Since]:
        self._changed.seek(0)
        for path, when in _dates(self._changed, "changes.csv"):
            if (when, path) > since and path not in self.gone:
                yield _Since(when, path)
        for path in self.gone:
            if (self._deletions[path], path) > since:
                yield _Since(self._deletions[path], path)


def _dates(document: BinaryIO, name: str) -> Iterator[tuple[str, str]]:
    """Yield path and time (ISO 8601, UTC) of each line: `"2023/cve-2023-0030.json","2024-07-10T15:40:28+00:00"`."""
    raw = document.read(LIST_LIMIT + 1)
    if len(raw) > LIST_LIMIT:
        raise BadFeed(f"{name} is larger than {LIST_LIMIT} bytes")
    skipped, read = Skipped(name), 0
    for line, fields in enumerate(csv.reader(io.StringIO(raw.decode(errors="replace"))), 1):
        try:
            yield _date(*fields)
            read += 1
        except (TypeError, ValueError) as error:
            skipped.add(f"line {line}", error)
    skipped.summarise()
    if skipped.count and not read:
        raise BadFeed(f"{name} has no line that can be read")


def _date(path: str, moment: str) -> tuple[str, str]:
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r:.100} is no path of a document")
    return path, datetime.fromisoformat(moment).astimezone(UTC).isoformat()


class _Reading:
    """One run over documents that changed."""

    def __init__(self, open_: Open, history: _History, revision: str) -> None:
        self.skipped = Skipped(FOLDER)
        self._open = open_
        self._history = history
        self._revision = revision

    def archive(self, archive: _Archive, since: _Since, behind: str) -> Iterator[Step]:
        """Yield what all documents say that have not changed since, from behind the one at the path `behind` on."""
        passing = bool(behind)
        for path, content in self._all(archive, since):
            if passing:
                passing = path != behind
                continue
            said = self._single(path) if content is None else self._said(path, content)
            yield Step(said=said, cursor=f"{READING} archive {archive.name} {path}")
        if passing:
            raise BadFeed(f"{archive.name} has lost {behind}, up to which it was read")

    def _all(self, archive: _Archive, since: _Since) -> Iterator[tuple[str, bytes | None]]:
        """Yield path and content of the archive's documents, then the paths of those that are listed beside them."""
        beside = self._history.before(since)
        with self._open(Document(url=f"{FOLDER}/{archive.name}")) as stream:
            for member in bundle.members(stream, archive.name):
                if _PATH.fullmatch(member.name):
                    beside.discard(member.name)
                    yield member.name, member.content
        yield from ((path, None) for path in sorted(beside))

    def singles(self, since: _Since) -> Iterator[Step]:
        """Yield what the documents say that changed since."""
        for change in self._history.after(since):
            yield Step(said=self._single(change.path), cursor=change.cursor)

    def _single(self, path: str) -> AdvisoryStatements | Unread:
        if path in self._history.gone:
            return advisory_statements(_cve(path), ())
        try:
            with self._open(Document(url=f"{FOLDER}/{path}")) as stream:
                return self._said(path, stream.read(DOCUMENT_LIMIT))
        except NotFound as error:  # what is deleted is listed as that
            self.skipped.add(path, error)
            return Unread(id=_cve(path))

    def _said(self, path: str, content: bytes) -> AdvisoryStatements | Unread:
        cve = _cve(path)
        if path in self._history.gone:
            return advisory_statements(cve, ())
        try:
            return advisory_statements(cve, errata.statements(RedHat.name, _rows(cve, content), self._revision))
        except BadFeed as error:
            self.skipped.add(path, error)
            return Unread(id=cve)


def _cve(path: str) -> str:
    match = _PATH.fullmatch(path)
    assert match is not None, "paths that are no documents are passed over before"
    return match[1].upper()


# --- what a document says --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Platform:
    """A release of Enterprise Linux, the streams that a fix for it is in, and the channel that it comes by."""

    release: str
    streams: tuple[str, ...]
    channel: str | None = None


class _Ground(NamedTuple):
    """What products of one status have in common, apart from the component."""

    platform: _Platform
    state: State
    raw_state: str
    erratum: str


class _Claimed(NamedTuple):
    """What the document says of one component."""

    component: csaf.Component
    ground: _Ground
    severity: Severity


@lru_cache(maxsize=4096)
def _platform(cpe: str) -> _Platform | None:
    """Return the release that a CPE names, None for products that are not Enterprise Linux itself.

    Since release 10 the product of a minor release is its main one while it is the newest.
    """
    match = _PLATFORM.fullmatch(cpe)
    if match is None:
        return None
    if match["extended"]:
        dist = release_marks.dist(f"el{match['extended']}_{match['extended_minor']}")
        return _Platform(release=match["extended"], streams=(dist,))
    if match["els"]:
        return _Platform(release=match["els"], streams=("",), channel="els")
    minor = match["minor"]
    dists = (release_marks.dist(f"el{match['main']}_{minor}"),) if minor else ()
    return _Platform(release=match["main"], streams=("", *dists))


def _rows(cve: str, content: bytes) -> Sequence[Row]:
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
    products = csaf.Products(document, _platform)
    rows: list[Row] = []
    for vulnerability in sequence(document.get("vulnerabilities") or [], "vulnerabilities"):
        said = _Vulnerability(mapping(vulnerability, "a vulnerability"), document)
        for claimed in _uncovered(tuple(said.claims(products))):
            rows.extend(_claim_rows(cve, claimed))
    return tuple(_by_minor_release(rows))


class _Vulnerability:
    """What a vulnerability of a document says of each product id, beside its status."""

    def __init__(self, vulnerability: Mapping[str, object], document: Mapping[str, object]) -> None:
        self._vulnerability = vulnerability
        self._remedies = dict(_remedies(vulnerability))
        self._severities = dict(_severities(vulnerability))
        self._severity = _aggregate_severity(document)

    def claims(self, products: csaf.Products[_Platform]) -> Iterator[_Claimed]:
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
        category, url = remedy.get("category"), remedy.get("url")
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


def _streams(component: csaf.Component, platform: _Platform) -> Iterator[str]:
    module = (f"module:{component.module}",) if component.module else ()
    for stream in platform.streams:
        yield " ".join(sorted((*module, *filter(None, (stream,)))))


@lru_cache(maxsize=4096)
def _package(release: str, kind: Kind, name: str) -> PackageKey:
    return PackageKey(
        scheme="rpm", namespace=f"{DISTRIBUTION}:{release}", kind=kind, name=text(name, "a package's name")
    )


FEED: Final[Feed] = RedHat()
