"""What do the advisory databases of programming languages say: GitHub's, PyPA's, Go's, RustSec's, OpenSSF's of malware?

Reads the archives that osv.dev makes of them, one per ecosystem (https://google.github.io/osv.dev/data/). An archive
also holds entries of other ecosystems, from records that are about several: those are left to their own archives.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import BinaryIO, Final, NamedTuple

from eclair.advisories import osv
from eclair.advisories.errata import severity
from eclair.feeds import Document, Feed, Part
from eclair.model import Kind, Mark, PackageKey, Said, Severity

URL: Final = "https://osv-vulnerabilities.storage.googleapis.com/{ecosystem}/all.zip"

MALWARE: Final = "mal"
"""The database whose records are about packages made to do harm: https://github.com/ossf/malicious-packages."""

NO_VULNERABILITIES: Final = frozenset({"notice", "unmaintained"})
"""RustSec's words for what is no vulnerability (https://rustsec.org/advisories/): shown only where all is. What is
`unsound` may be one.
"""

MAVEN: Final = "maven"
UNKNOWN_GROUP: Final = "?"
"""Archives that do not tell their group are looked for under this one."""

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
    "hex": Language("Hex"),
    MAVEN: Language("Maven"),
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
        return self.select(part, documents, revision, osv.everything)

    def select(
        self, part: Part, documents: Sequence[BinaryIO], revision: str, wanted: Callable[[PackageKey], bool]
    ) -> Iterator[Said]:
        archive, url = documents[0], part.documents[0].url
        places = partial(_places, part.name)
        if part.name == MAVEN:
            groups = _only_groups(osv.packages(archive, url, places))
            places = partial(_places_of_maven, groups)
        dialect = osv.Dialect(feed=self.name, places=places, ids=_ids, rating=_rating)
        yield from osv.said(archive, url, dialect, revision, wanted)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None


def _places(type_: str, record: osv.Record) -> Iterator[osv.Placed]:
    """Yield the packages; an ecosystem may be followed by the address of a repository (`Maven:https://…`)."""
    mark = Mark.MALWARE if _database(record) == MALWARE else None
    for affected in record.affected:
        if affected.ecosystem.partition(":")[0] == LANGUAGES[type_].ecosystem:
            yield osv.Place(_package(type_, affected.name), mark=mark), affected


def _places_of_maven(groups: Mapping[str, str], record: osv.Record) -> Iterator[osv.Placed]:
    """Yield the packages, also under the unknown group where only one group has such an artifact."""
    for place, affected in _places(MAVEN, record):
        yield place, affected
        group, _, artifact = place.package.name.partition(":")
        if groups.get(artifact) == group:
            package = _package(MAVEN, f"{UNKNOWN_GROUP}:{artifact}")
            yield osv.Place(package, mark=Mark.LOW_CONFIDENCE), affected


def _only_groups(packages: Iterable[PackageKey]) -> Mapping[str, str]:
    """Return the artifacts that one group has, with that group."""
    groups: dict[str, str] = {}
    shared: set[str] = set()
    for package in packages:
        group, _, artifact = package.name.partition(":")
        if groups.setdefault(artifact, group) != group:
            shared.add(artifact)
    return {artifact: group for artifact, group in groups.items() if artifact not in shared}


@lru_cache(maxsize=1 << 13)
def _package(type_: str, name: str) -> PackageKey:
    return PackageKey(scheme=type_, namespace=type_, kind=Kind.BINARY, name=LANGUAGES[type_].name(name))


def _ids(record: osv.Record) -> tuple[str, ...]:
    """Return the aliases; `related` is no identity here: npm's records name other vulnerabilities in it."""
    return (*record.aliases, *record.upstream)


def _rating(record: osv.Record) -> osv.Rating:
    """Return the database's own word, else the rating of its CVSS vectors; malware is the worst, a notice the least."""
    database = _database(record)
    if database == MALWARE:
        return osv.Rating(Severity.CRITICAL, database)
    if record.note in NO_VULNERABILITIES:
        return osv.Rating(Severity.NEGLIGIBLE, database)
    word = severity(record.severity)
    return osv.by_vectors(record, database) if word is Severity.UNKNOWN else osv.Rating(word, database)


def _database(record: osv.Record) -> str:
    """Return whose record it is, by the first part of its id: `ghsa`, `pysec`, `go`, `rustsec`, `mal`."""
    return record.id.partition("-")[0].lower()


FEED: Final[Feed] = Osv()
