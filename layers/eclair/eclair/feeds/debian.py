"""What does Debian say of its source packages?

Reads the security tracker's JSON document (https://security-tracker.debian.org/tracker/data/json, described at
https://security-team.debian.org/security_tracker.html): source package -> CVE -> release (codename) -> status.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import BinaryIO, Final, NamedTuple

from eclair.advisories.json_stream import members
from eclair.advisories.records import TEXT_LIMIT, Skipped, mapping, marks, package_statements, text, words
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import Effect, Kind, Mark, PackageKey, PackageStatements, Range, Severity, State, Statement, Unread

RELEASES: Final[Mapping[str, str]] = {
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
    "sid": "sid",
}

# "end-of-life" and "not yet assigned" stand in the same place and are no severities.
SEVERITIES: Final[Mapping[str, Severity]] = {
    "unimportant": Severity.NEGLIGIBLE,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
}

NO_DSA_STATES: Final[Mapping[str, State]] = {"ignored": State.WILL_NOT_FIX, "postponed": State.DEFERRED}

SUPPORTED_SHARE = 5
"""A supported release has at least one of so many packages of the busiest one."""

NOT_AFFECTED_VERSION = "0"
SOME_VERSION = "some"
EVERY_VERSION = (Range(),)

_log = logging.getLogger(__name__)


class Debian:
    """The Debian security tracker: the authority for every release of Debian."""

    name = "debian"
    parts = (Part(name="tracker", documents=(Document(url="https://security-tracker.debian.org/tracker/data/json"),)),)

    def speaks_for(self, namespace: str) -> str | None:
        return self.parts[0].name if namespace.startswith("debian:") else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[PackageStatements | Unread]:
        return self.select(part, documents, revision, lambda _: True)

    def select(
        self, part: Part, documents: Sequence[BinaryIO], revision: str, wanted: Callable[[PackageKey], bool]
    ) -> Iterator[PackageStatements | Unread]:
        """Yield nothing about a source package that is wanted in no release but that it is there, for `supported`."""
        reading = _Reading(revision, Skipped(part.documents[0].url), wanted)
        for source, vulnerabilities in members(documents[0]):
            yield from reading.package(source, vulnerabilities)
        reading.finish()

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        """Say whether the tracker still follows the release; when it drops one, a few rows stay."""
        busiest = max(packages.values(), default=0)
        return packages.get(namespace, 0) * SUPPORTED_SHARE >= busiest > 0


class _Reading:
    """One reading of the document."""

    def __init__(self, revision: str, skipped: Skipped, wanted: Callable[[PackageKey], bool]) -> None:
        self._revision = revision
        self._skipped = skipped
        self._wanted = wanted
        self._unknown_releases: set[str] = set()
        self._packages = 0

    def package(self, source: str, vulnerabilities: object) -> Iterator[PackageStatements | Unread]:
        """Yield what could not be read of a source package, then the statements about it, release by release."""
        try:
            text(source, "a source package")
            rows = mapping(vulnerabilities, "a source package's content")
        except BadFeed as error:
            self._skipped.add(source, error)
            yield from _unread(source)
            return
        self._packages += 1
        if not any(self._wanted(_package(source, release)) for release in RELEASES.values()):
            yield from self._passed_over(source, rows)
            return
        by_release: dict[str, list[Statement]] = {}
        for vulnerability, row in rows.items():
            for said in self._vulnerability(source, vulnerability, row):
                if isinstance(said, Unread):
                    yield said
                else:
                    by_release.setdefault(said.package.namespace, []).append(said)
        for statements in by_release.values():
            yield package_statements(statements[0].package, statements)

    def _passed_over(self, source: str, rows: Mapping[str, object]) -> Iterator[PackageStatements]:
        """Yield the package for each release that is spoken of, without a statement."""
        releases = (row.get("releases") for row in rows.values() if isinstance(row, dict))
        codenames = {codename for some in releases if isinstance(some, dict) for codename in some}
        for release in sorted(release for codename in codenames if (release := self._release(codename))):
            yield PackageStatements(package=_package(source, release), statements=(), digest="")

    def finish(self) -> None:
        """Refuse a document of which nothing could be read."""
        self._skipped.summarise()
        if not self._packages:
            raise BadFeed("not the Debian tracker's document: it has no source package that can be read")

    def _vulnerability(self, source: str, vulnerability: str, row: object) -> Iterator[Statement | Unread]:
        try:
            text(vulnerability, "an id")
            entry = mapping(row, "a vulnerability")
            releases = _releases(entry)
        except BadFeed as error:
            self._skipped.add(f"{source} {vulnerability}", error)
            yield from _unread(source, vulnerability)
            return
        marked = marks(entry.get("description"))
        for codename, status in releases.items():
            release = self._release(codename)
            if release is None:
                continue
            try:
                said = mapping(status, "a status")
                yield _statement(_package(source, release), vulnerability, said, marked, self._revision)
            except BadFeed as error:
                self._skipped.add(f"{source} {vulnerability} {codename}", error)
                yield Unread(id=vulnerability, package=_package(source, release))

    def _release(self, codename: str) -> str | None:
        release = RELEASES.get(codename)
        if release is None and codename not in self._unknown_releases:
            self._unknown_releases.add(codename)
            _log.warning("release skipped: codename=%r is not in RELEASES of this feed", codename[:TEXT_LIMIT])
        return release


def _unread(source: str, vulnerability: str = "") -> Iterator[Unread]:
    """Yield that nothing is known of a package, or of one vulnerability in it, whatever the release."""
    for release in RELEASES.values():
        yield Unread(id=vulnerability, package=_package(source, release))


@lru_cache(maxsize=16)
def _package(source: str, release: str) -> PackageKey:
    return PackageKey(scheme="deb", namespace=f"debian:{release}", kind=Kind.SOURCE, name=source)


def _releases(row: Mapping[str, object]) -> Mapping[str, object]:
    """Return the releases of a vulnerability; where there is none the tracker writes an empty list."""
    releases = row.get("releases")
    return {} if releases == [] else mapping(releases, "the list of releases")


class _Row(NamedTuple):
    """The tracker's words about a package in a release; a few hundred combinations make up all of its rows."""

    status: str
    fixed: str
    urgency: str
    nodsa: str | None
    nodsa_reason: str


class _Judgement(NamedTuple):
    """What a row comes to; the version that a fix is in is not part of it."""

    effect: Effect
    state: State
    severity: Severity
    raw_state: str


def _statement(
    package: PackageKey,
    vulnerability: str,
    status: Mapping[str, object],
    marked: tuple[Mark, ...],
    revision: str,
) -> Statement:
    fixed = status.get("fixed_version")
    row = _Row(
        status=_word(status.get("status")),
        fixed=SOME_VERSION if fixed and fixed != NOT_AFFECTED_VERSION else _word(fixed),
        urgency=_word(status.get("urgency")),
        nodsa=_word(status["nodsa"]) if "nodsa" in status else None,
        nodsa_reason=_word(status.get("nodsa_reason")),
    )
    judgement = _judge(row)
    return Statement(
        feed="debian",
        id=vulnerability,
        package=package,
        vulnerabilities=(vulnerability,),
        effect=judgement.effect,
        ranges=_ranges(judgement, fixed),
        state=judgement.state,
        severity=judgement.severity,
        severity_source="debian",
        raw_state=judgement.raw_state,
        marks=marked,
        revision=revision,
    )


def _word(value: object) -> str:
    return value[:TEXT_LIMIT] if isinstance(value, str) else ""


@lru_cache(maxsize=4096)
def _judge(row: _Row) -> _Judgement:
    state = _state(row)
    return _Judgement(
        effect=Effect.NOT_AFFECTED if state is State.NOT_AFFECTED else Effect.AFFECTED,
        state=state,
        # The tracker marks an urgency that it took from elsewhere with stars.
        severity=SEVERITIES.get(row.urgency.rstrip("*"), Severity.UNKNOWN),
        raw_state=_raw_state(row),
    )


def _state(row: _Row) -> State:
    """Return what the vendor means; a stated version outweighs annotations, which the tracker may keep beside it."""
    match row.status, row.fixed:
        case "resolved", "0":
            return State.NOT_AFFECTED
        case (("resolved" | "open"), "some"):
            return State.FIXED
        case "open", _ if row.urgency == "end-of-life":
            return State.END_OF_LIFE
        case "open", _:
            return NO_DSA_STATES.get(row.nodsa_reason, State.AFFECTED)
        case _:
            # undetermined; also words that we do not know, which must not read as "not affected"
            return State.UNDER_INVESTIGATION


def _ranges(judgement: _Judgement, fixed: object) -> tuple[Range, ...]:
    if judgement.state is State.NOT_AFFECTED:
        return ()
    if judgement.state is State.FIXED:
        return (Range(fixed=text(fixed, "a fixed version")),)
    return EVERY_VERSION


def _raw_state(row: _Row) -> str:
    """Return the tracker's own words, for instance `open; no-dsa: Minor issue; postponed; urgency=low`."""
    said = [row.status]
    if row.nodsa is not None:
        said.append(f"no-dsa: {row.nodsa}".removesuffix(": "))
    said.extend((row.nodsa_reason, f"urgency={row.urgency}"))
    return "; ".join(words(word) for word in said if word)


FEED: Final[Feed] = Debian()
