"""What Java archives are installed, and which of two Maven versions is newer?

Formats: see `packages.jar` and `archives.zip_archive`. An archive within another has both names, as syft writes them:
`app.war:WEB-INF/lib/x.jar`. A package is named `group:artifact`, or `artifact` where nothing tells the group, which is
then matched under `?:artifact`, with what is said of the one group that has it. Order: see `versions.maven_version`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from eclair.archives.random_access import Bytes
from eclair.archives.zip_archive import MAGIC, Archive, Budget, Entry
from eclair.ecosystems import Ecosystem
from eclair.errors import BadDatabase, BadInput
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.faults import Faults
from eclair.packages.jar import MANIFEST, POM_PROPERTIES, Coordinates, own_coordinates, read_manifest, read_properties
from eclair.packages.language_package import language_features, language_purl, word
from eclair.versions import maven_version

_JARS: Final = (".jar", ".war", ".ear")
_ENDINGS: Final = (*_JARS, ".par", ".sar", ".nar", ".jpi", ".hpi", ".kar", ".far", ".lpkg")
_INTEREST: Final = Interest(suffixes=_ENDINGS)

_ENTRIES: Final = (b"/pom.properties", MANIFEST.lower().encode(), *(ending.encode() for ending in _ENDINGS))

_UNKNOWN_GROUP: Final = "?"

_DEEPEST: Final = 8
"""How many archives may lie within each other."""
_LARGEST_TEXT: Final = 64 << 10
"""Bytes of a manifest or of properties that are read; in a signed archive the checksums of all files follow."""


@dataclass(frozen=True, slots=True)
class Java:
    """Archives of Java programs and libraries."""

    name: str = "java"
    scheme: str = "maven"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return what the archive is, what was built into it, and the same of each archive within."""
        file = Bytes(content)
        if not file.size or not (path.lower().endswith(_JARS) or file.at(0, min(file.size, 4)) == MAGIC):
            return None
        reading = _Reading()
        packages = dict.fromkeys(reading.packages(path, file))
        return Inventory(path=path, analyser=self.name, packages=tuple(packages), problem=reading.faults.problem)

    def key(self, version: str) -> bytes:
        """Return the byte key of a regular version."""
        return maven_version.key(version)

    def compare(self, one: str, other: str) -> int:
        """Compare two versions, regular or not."""
        return maven_version.compare(one, other)

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the one namespace of Maven's packages."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the artifact in its group, or in the unknown one."""
        name = package.name if ":" in package.name else f"{_UNKNOWN_GROUP}:{package.name}"
        return language_features(self, package, namespace, name)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL, with the group as namespace."""
        group, _, artifact = package.name.rpartition(":")
        return language_purl(package, namespace=group, name=artifact)


@dataclass(slots=True)
class _Reading:
    """One file and all archives within it."""

    faults: Faults = field(default_factory=Faults)
    budget: Budget = field(default_factory=Budget)

    def packages(self, path: str, file: Bytes, depth: int = 1) -> Iterator[Package]:
        """Yield the packages of an archive and of those within. Raises `BadDatabase` where the file is none."""
        archive = Archive(file, self.budget)
        found = _Found()
        try:
            for entry in archive.entries(_ENTRIES):
                yield from self._entry(f"{path}:{entry.name}", archive, entry, depth, found)
        except BadDatabase as error:
            self.faults.add(path, str(error))
        for coordinates in found.coordinates(PurePosixPath(path.rpartition(":")[2]).stem):
            try:
                yield _package(coordinates, path)
            except BadInput as error:
                self.faults.add(path, str(error))

    def _entry(self, path: str, archive: Archive, entry: Entry, depth: int, found: "_Found") -> Iterator[Package]:
        try:
            if match := POM_PROPERTIES.fullmatch(entry.name):
                text = archive.head(entry, _LARGEST_TEXT)
                found.built_in.append(read_properties(text, group=match["group"], artifact=match["artifact"]))
            elif entry.name.upper() == MANIFEST:
                found.manifest = read_manifest(archive.head(entry, _LARGEST_TEXT))
            elif entry.name.lower().endswith(_ENDINGS):
                found.holds_archives = True
                yield from self._archive(path, archive, entry, depth)
        except BadDatabase as error:
            self.faults.add(path, str(error))

    def _archive(self, path: str, archive: Archive, entry: Entry, depth: int) -> Iterator[Package]:
        if depth == _DEEPEST:
            raise BadDatabase(f"within {depth} archives; no deeper one is read")
        with archive.opened(entry) as file:
            if file.size:
                yield from self.packages(path, file, depth + 1)


@dataclass(slots=True)
class _Found:
    """What the files of one archive tell of it."""

    built_in: list[Coordinates] = field(default_factory=list)
    manifest: Mapping[str, str] = field(default_factory=dict)
    holds_archives: bool = False

    def coordinates(self, name: str) -> Iterator[Coordinates]:
        """Yield what it has and what it is; a bundle of others without a version of its own is nothing but them."""
        yield from self.built_in
        own = own_coordinates(name, self.manifest, self.built_in)
        if own and (own.version or not self.holds_archives):
            yield own


def _package(coordinates: Coordinates, path: str) -> Package:
    name = word(coordinates.artifact, "artifact")
    if coordinates.group:
        name = f"{word(coordinates.group, 'group')}:{name}"
    version = word(coordinates.version, "version") if coordinates.version else ""
    return Package(type="maven", name=name, version=version, path=path)


ECOSYSTEM: Final[Ecosystem] = Java()
