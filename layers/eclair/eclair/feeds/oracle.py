"""What does Oracle say of the packages of Oracle Linux?

Reads the OVAL document of all errata (ELSA), https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2
(described at https://linux.oracle.com/security/): one definition per erratum; binary packages, only what is fixed. What
a test looks for is read from its comment, which says all of it: the tests proper make up most of a document of
hundreds of megabytes.

Fixes of ksplice and FIPS builds are for such builds only, those in a module for its stream; Oracle's own packages carry
no module label, so a package that is built for some module is compared with the fixes of all.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import BinaryIO, Final, NamedTuple

from eclair.advisories import oval
from eclair.advisories.errata import Claim, Errata, Erratum, cves, severity
from eclair.advisories.records import Skipped, text, words
from eclair.advisories.support import in_support
from eclair.archives.compression import inflated
from eclair.errors import BadFeed
from eclair.feeds import NOT_FIXED, Document, Feed, Part
from eclair.model import Kind, PackageKey, Range, Said, State
from eclair.packages import release_marks

URL: Final = "https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2"
DISTRIBUTION: Final = "ol"

_RELEASE: Final = re.compile(r"Oracle Linux ([0-9]+) is installed", re.ASCII)
_MODULE: Final = re.compile(r"Module ([^:\s]+:[^:\s]+) is enabled")
_ARCH: Final = re.compile(r"Oracle Linux arch is (\S+)")
_EARLIER: Final = re.compile(r"(\S+) is earlier than (\S+)")


class Oracle:
    """Oracle's errata: the authority for every release of Oracle Linux."""

    name = "oracle"
    omits = NOT_FIXED
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


class _Fix(NamedTuple):
    """A package that a definition names as fixed, in one of its architectures."""

    package: PackageKey
    stream: str
    evr: str
    arch: str


def _claims(definition: oval.Definition) -> Iterator[tuple[PackageKey, Claim]]:
    """Yield what each fixed package comes to; an architecture that was built at another version has its own stream."""
    raw_state = words(definition.facts.get("severity"))
    arches: defaultdict[tuple[PackageKey, str], defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for fix in _fixes(definition):
        arches[fix.package, fix.stream][fix.arch].add(fix.evr)
    for (package, stream), fixes in arches.items():
        differ = len(set(map(frozenset, fixes.values()))) > 1
        for arch, evrs in fixes.items():
            for of in (stream, f"{release_marks.ARCH}{arch} {stream}".strip())[: 1 + differ]:
                for evr in evrs:
                    yield package, Claim(state=State.FIXED, ranges=(Range(fixed=evr),), stream=of, raw_state=raw_state)


def _fixes(definition: oval.Definition) -> Iterator[_Fix]:
    found = False
    for tests in oval.alternatives(definition.criteria):
        comments = [test.comment for test in tests]
        release, arch, earlier = (_first(pattern, comments) for pattern in (_RELEASE, _ARCH, _EARLIER))
        if release and earlier:
            found = True
            evr = text(earlier[2], "a fixed version")
            stream = _stream(evr, _first(_MODULE, comments))
            yield _Fix(_package(earlier[1], release[1]), stream, evr, arch[1] if arch else "")
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
