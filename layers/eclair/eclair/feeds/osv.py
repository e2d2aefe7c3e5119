"""What do the advisory databases of programming languages say: GitHub's, PyPA's, Go's, RustSec's, OpenSSF's of malware?

Reads the archives that osv.dev makes of them, one per ecosystem (https://google.github.io/osv.dev/data/). An archive
also holds entries of other ecosystems, from records that are about several: those are left to their own archives.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import BinaryIO, Final, NamedTuple

from eclair import osv
from eclair.errata import severity
from eclair.feeds import Document, Feed, Part
from eclair.model import Kind, PackageKey, Said, Severity

URL: Final = "https://osv-vulnerabilities.storage.googleapis.com/{ecosystem}/all.zip"

MALWARE: Final = "MAL"
"""The database whose records are about packages made to do harm: https://github.com/ossf/malicious-packages."""

_SEPARATORS: Final = re.compile(r"[-_.]+")


def _as_it_is(name: str) -> str:
    return name


def _pypi(name: str) -> str:
    """Normalise a name as PEP 503 has it."""
    return _SEPARATORS.sub("-", name).lower()


class Language(NamedTuple):
    """An ecosystem by the name that OSV gives it, and how its names are written where they are compared."""

    ecosystem: str
    name: Callable[[str], str] = _as_it_is


LANGUAGES: Final[Mapping[str, Language]] = {
    "cargo": Language("crates.io"),
    "composer": Language("Packagist", str.lower),
    "gem": Language("RubyGems"),
    "golang": Language("Go"),
    "maven": Language("Maven"),
    "npm": Language("npm"),
    "nuget": Language("NuGet", str.lower),
    "pypi": Language("PyPI", _pypi),
}
"""By the purl type, which is the version scheme, the namespace and the part."""


class Osv:
    """OSV's archives: the authority for the packages of programming languages."""

    name = "osv"
    parts = tuple(
        Part(name=type_, documents=(Document(url=URL.format(ecosystem=language.ecosystem)),))
        for type_, language in LANGUAGES.items()
    )

    def speaks_for(self, namespace: str) -> str | None:
        return namespace if namespace in LANGUAGES else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        dialect = osv.Dialect(feed=self.name, places=partial(_places, part.name), ids=_ids, rating=_rating)
        return osv.said(documents[0], part.documents[0].url, dialect, revision)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None


def _places(type_: str, record: osv.Record) -> osv.Placed:
    """Yield the packages; an ecosystem may be followed by the address of a repository (`Maven:https://…`)."""
    for affected in record.affected:
        if affected.ecosystem.partition(":")[0] == LANGUAGES[type_].ecosystem:
            yield osv.Place(_package(type_, affected.name)), affected


@lru_cache(maxsize=1 << 10)
def _package(type_: str, name: str) -> PackageKey:
    return PackageKey(scheme=type_, namespace=type_, kind=Kind.BINARY, name=LANGUAGES[type_].name(name))


def _ids(record: osv.Record) -> tuple[str, ...]:
    """Return the aliases; `related` is no identity here: npm's records name other vulnerabilities in it."""
    return (*record.aliases, *record.upstream)


def _rating(record: osv.Record) -> osv.Rating:
    """Return the database's own word, else the rating of its CVSS vectors; malware is the worst there is."""
    database = record.id.partition("-")[0]
    if database == MALWARE:
        return osv.Rating(Severity.CRITICAL, "malware")
    word = severity(record.severity)
    return osv.by_vectors(record, database.lower()) if word is Severity.UNKNOWN else osv.Rating(word, database.lower())


FEED: Final[Feed] = Osv()
