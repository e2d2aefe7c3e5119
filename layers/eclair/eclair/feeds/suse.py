"""What does SUSE say of the packages of SUSE Linux Enterprise and openSUSE Leap?

Reads the OVAL documents of https://ftp.suse.com/pub/projects/security/oval/ (described at
https://www.suse.com/support/security/oval/), of each release the one named `-affected`: one definition per CVE, whose
criteria join platforms with binary packages. It is the one publication of SUSE that also tells what has no fix yet (a
version greater than 0:0-0) and what is not affected (version 0); the OSV archives and the `-patch` documents know only
what is fixed.

A package comes to a SUSE image from the server or from one of its modules, so both count; what is fixed under long-term
support only is marked by its channel.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.advisories import oval
from eclair.advisories.errata import Claim, Errata, Erratum, cves, severity
from eclair.advisories.records import Skipped, text
from eclair.advisories.support import in_support
from eclair.archives.compression import inflated
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import Kind, PackageKey, Range, Said, State

FOLDER: Final = "https://ftp.suse.com/pub/projects/security/oval"

PROBED: Final = ("sles:12.5", "sles:16.0", "sles:16.1", "opensuse-leap:16.0", "opensuse-leap:16.1")
"""Releases that may have no document (yet)."""

NAMESPACES: Final = (
    *(f"sles:15.{service_pack}" for service_pack in range(1, 8)),
    *(f"opensuse-leap:15.{minor}" for minor in range(3, 7)),
    *PROBED,
)
"""The releases that have a document each."""

EVERY_VERSION: Final = ("greater than", "0:0-0")
NEVER: Final = "0"
INSTALLED: Final = " is installed"
LONG_TERM: Final = "ltss"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Release:
    """A release: its namespace, its document, and how the document calls it and its modules."""

    namespace: str
    document: str
    platform: re.Pattern[str]

    @property
    def part(self) -> Part:
        url = f"{FOLDER}/{self.document}-affected.xml.gz"
        return Part(name=self.namespace, documents=(Document(url=url),), probe=self.namespace in PROBED)


def _release(namespace: str) -> _Release:
    distribution, _, number = namespace.partition(":")
    if distribution == "opensuse-leap":
        platform = rf"openSUSE Leap {re.escape(number)}"
        return _Release(namespace=namespace, document=f"opensuse.leap.{number}", platform=re.compile(platform))
    major, _, minor = number.partition(".")
    # Since SUSE Linux Enterprise 16 there are minor releases instead of service packs.
    written, named = (number, re.escape(number)) if int(major) > 15 else (f"{major}-sp{minor}", f"{major} SP{minor}")
    platform = rf"(?:SUSE Linux Enterprise (?:Server|Module for .+)|SUSE Package Hub) {named}(?P<channel>-LTSS)?"
    return _Release(namespace=namespace, document=f"suse.linux.enterprise.{written}", platform=re.compile(platform))


RELEASES: Final[Mapping[str, _Release]] = {namespace: _release(namespace) for namespace in NAMESPACES}


class Suse:
    """SUSE's OVAL: the authority for SUSE Linux Enterprise Server and openSUSE Leap."""

    name = "suse"
    parts = tuple(release.part for release in RELEASES.values())

    def speaks_for(self, namespace: str) -> str | None:
        return namespace if namespace in RELEASES else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        [document], name = documents, part.documents[0].url
        reading = _Reading(RELEASES[part.name], oval.checks(inflated(document, name)))
        document.seek(0)
        for record, definition in oval.definitions(inflated(document, name)):
            reading.definition(record, definition)
        yield from reading.errata.statements(self.name, revision)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return namespace in RELEASES and in_support(namespace, now)


class _Reading:
    """One reading of a document, with what its tests look for."""

    def __init__(self, release: _Release, checks: Mapping[int, oval.Check]) -> None:
        self.errata = Errata(Skipped(f"suse {release.namespace}"))
        self._release = release
        self._checks = checks
        self._packages: dict[str, PackageKey] = {}

    def definition(self, record: str, definition: oval.Definition | BadFeed) -> None:
        if isinstance(definition, BadFeed):
            self.errata.unread(record, definition)
            return
        ids = cves(definition.title)
        try:
            erratum = Erratum(
                id=text("".join(ids), "a CVE"),
                vulnerabilities=ids,
                severity=severity(definition.facts.get("severity", "")),
            )
            self.errata.add(erratum, dict.fromkeys(self._walk(definition.criteria, None)))
        except BadFeed as error:
            self.errata.unread(record, error, ids)

    def _walk(self, node: oval.Criteria, channel: str | None) -> Iterator[tuple[PackageKey, Claim]]:
        """Yield what the criteria say of packages on this release; `channel` is None until a platform has fitted."""
        if node.every:
            for child in node.children:
                if self._is_platform(child):
                    channel = self._channel(child)
                    if channel is None:
                        return
            if any(map(self._is_absence, node.children)):
                return  # a kernel that no live patch mends: no image has live patches
        for child in node.children:
            if isinstance(child, oval.Criteria):
                if not self._is_platform(child):
                    yield from self._walk(child, channel)
            elif channel is not None and not self._is_platform(child):
                yield from self._claim(self._check(child), channel)

    def _is_platform(self, node: oval.Criteria | oval.Criterion) -> bool:
        if isinstance(node, oval.Criteria):
            return all(map(self._is_platform, node.children))
        check = self._checks.get(node.test)
        if check is not None:
            return check.name.endswith("-release")
        # A test of another kind looks at the running system; its comment is a name of several words.
        return node.comment.endswith(INSTALLED) and " " in node.comment.removesuffix(INSTALLED)

    def _is_absence(self, node: oval.Criteria | oval.Criterion) -> bool:
        return isinstance(node, oval.Criterion) and not self._is_platform(node) and self._check(node).none

    def _channel(self, node: oval.Criteria | oval.Criterion) -> str | None:
        """Return the channel under which a platform is this release: "" for all, None where it is another one."""
        if isinstance(node, oval.Criteria):
            channels = [channel for child in node.children if (channel := self._channel(child)) is not None]
            return min(channels, default=None)
        platform = self._release.platform.fullmatch(node.comment.removesuffix(INSTALLED))
        if platform is None:
            return None
        return LONG_TERM if platform.groupdict().get("channel") else ""

    def _check(self, criterion: oval.Criterion) -> oval.Check:
        check = self._checks.get(criterion.test)
        if check is None:
            raise BadFeed(f"test {criterion.test}, {criterion.comment!r:.80}, is not explained")
        return check

    def _claim(self, check: oval.Check, channel: str) -> Iterator[tuple[PackageKey, Claim]]:
        state = check.state
        if state.version == NEVER:
            yield self._package(check.name), Claim(state=State.NOT_AFFECTED, raw_state="not affected")
        elif (state.relation, state.evr) == EVERY_VERSION:
            yield self._package(check.name), Claim(ranges=(Range(),), state=State.AFFECTED, raw_state="affected")
        elif state.relation:
            versions = oval.versions([state])
            yield (
                self._package(check.name),
                Claim(
                    ranges=(versions,),
                    state=State.FIXED if versions.fixed else State.AFFECTED,
                    raw_state="fixed" if versions.fixed else "affected",
                    fix_channel=channel or None,
                ),
            )

    def _package(self, name: str) -> PackageKey:
        package = self._packages.get(name)
        if package is None:
            package = self._packages[name] = PackageKey(
                scheme="rpm",
                namespace=self._release.namespace,
                kind=Kind.BINARY,
                name=text(name, "a package's name"),
            )
        return package


FEED: Final[Feed] = Suse()
