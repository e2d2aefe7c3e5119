"""What does Oracle say of the packages of Oracle Linux?

Reads the OVAL document of all errata (ELSA), https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2
(described at https://linux.oracle.com/security/): one definition per erratum; binary packages, only what is fixed. What
a test looks for is read from its comment, which says all of it: the tests proper make up most of a document of
hundreds of megabytes.

Fixes of ksplice and FIPS builds are for such builds only, those in a module for its stream; Oracle's own packages carry
no module label, so a package that is built for some module is compared with the fixes of all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import BinaryIO, Final

from eclair import oval, release_marks
from eclair.compression import inflated
from eclair.errata import Claim, Errata, Erratum, cves, severity
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import Kind, PackageKey, Range, Said, State
from eclair.records import Skipped, text, words
from eclair.support import in_support

URL: Final = "https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2"
DISTRIBUTION: Final = "ol"

_RELEASE: Final = re.compile(r"Oracle Linux ([0-9]+) is installed", re.ASCII)
_MODULE: Final = re.compile(r"Module ([^:\s]+:[^:\s]+) is enabled")
_EARLIER: Final = re.compile(r"(\S+) is earlier than (\S+)")


class Oracle:
    """Oracle's errata: the authority for every release of Oracle Linux."""

    name = "oracle"
    parts = (Part(name="elsa", documents=(Document(url=URL),)),)

    def speaks_for(self, namespace: str) -> str | None:
        distribution, _, release = namespace.partition(":")
        return self.parts[0].name if distribution == DISTRIBUTION and release else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        errata = Errata(Skipped(URL))
        for record, definition in oval.definitions(inflated(documents[0], URL)):
            _read(record, definition, errata)
        yield from errata.statements(self.name, revision)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None and in_support(namespace, now)


def _read(record: str, definition: oval.Definition | BadFeed, errata: Errata) -> None:
    if isinstance(definition, BadFeed):
        errata.unread(record, definition)
        return
    ids = definition.ids("ELSA")[:1]
    try:
        erratum = Erratum(
            id=text("".join(ids), "an id"),
            vulnerabilities=cves(*definition.ids("CVE")),
            severity=severity(definition.facts.get("severity", "")),
        )
        errata.add(erratum, dict.fromkeys(_claims(definition)))
    except BadFeed as error:
        errata.unread(record, error, ids)


def _claims(definition: oval.Definition) -> Iterator[tuple[PackageKey, Claim]]:
    """Yield what each fixed package comes to, once for each architecture; nearly always they are alike."""
    raw_state = words(definition.facts.get("severity"))
    found = False
    for tests in oval.alternatives(definition.criteria):
        comments = [test.comment for test in tests]
        release, earlier = _first(_RELEASE, comments), _first(_EARLIER, comments)
        if not release or not earlier:
            continue
        found = True
        fixed = text(earlier[2], "a fixed version")
        stream = _stream(fixed, _first(_MODULE, comments))
        claim = Claim(ranges=(Range(fixed=fixed),), state=State.FIXED, stream=stream, raw_state=raw_state)
        yield _package(earlier[1], release[1]), claim
    if not found:
        raise BadFeed("a definition without a package or a release")


def _first(pattern: re.Pattern[str], comments: Sequence[str]) -> re.Match[str] | None:
    return next((match for comment in comments if (match := pattern.fullmatch(comment))), None)


def _stream(fixed: str, module: re.Match[str] | None) -> str:
    """Return to whom a fix applies; a minor release in its mark does not limit it, since main has those too."""
    marks = {word for word in release_marks.words(fixed) if not word.startswith(release_marks.DIST)}
    if module:
        marks.discard(release_marks.MODULE)
        marks.add(f"module:{module[1]}")
    return " ".join(sorted(marks))


@lru_cache(maxsize=4096)
def _package(name: str, release: str) -> PackageKey:
    return PackageKey(
        scheme="rpm",
        namespace=f"{DISTRIBUTION}:{release}",
        kind=Kind.BINARY,
        name=text(name, "a package's name"),
    )


FEED: Final[Feed] = Oracle()
