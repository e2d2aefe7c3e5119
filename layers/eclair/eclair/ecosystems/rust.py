"""Which crates is a Rust program built of, and which of two crate versions is newer?

Format: what cargo-auditable puts into the section `.dep-v0` of an executable, JSON compressed by zlib
(https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md). Order: see `versions.semver`.

Matched are crates of crates.io and those of the program's own folder, which are there, too, if the program is known (a
build of wasmtime has wasmtime's advisories). A crate of a git repository or another registry may be anything: it counts
as a third party's.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import orjson

from eclair.archives.random_access import Bytes
from eclair.ecosystems import Ecosystem
from eclair.errors import BadDatabase, BadInput
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.executable import MAGICS, executables
from eclair.packages.faults import Faults
from eclair.packages.language_package import language_features, language_purl, word
from eclair.versions import semver

_SECTION: Final = ".dep-v0"
_INTEREST: Final = Interest(magics=MAGICS, sections=(_SECTION.encode(),))
_LARGEST: Final = 4 << 20
"""Bytes of the section, and of the JSON in it; that of a program of a thousand crates has some hundred thousand."""

_RUNTIME: Final = "runtime"
_MATCHED_SOURCES: Final = ("crates.io", "local")


@dataclass(frozen=True, slots=True)
class Rust:
    """Crates in programs that cargo-auditable built."""

    name: str = "rust"
    scheme: str = "cargo"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the crates that are part of the program; those that only helped to build it are not."""
        lists = list(_lists(Bytes(content)))
        if not lists:
            return None
        faults = Faults()
        packages = dict.fromkeys(package for crates in lists for package in _packages(crates, path, faults))
        return Inventory(path=path, analyser=self.name, packages=tuple(packages), problem=faults.problem)

    def key(self, version: str) -> bytes:
        """Return the byte key of a semantic version."""
        return semver.key(version)

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the one namespace of crates."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the crate, unless it is a third party's."""
        return language_features(self, package, namespace, package.name)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL."""
        return language_purl(package)


def _lists(file: Bytes) -> Iterator[list[object]]:
    """Yield the crates of each executable in the file, as JSON has them; each has one list."""
    for executable in executables(file):
        section = next((section for section in executable.sections if section.name == _SECTION), None)
        if section is not None:
            yield _crates(_inflated(file.at(section.offset, min(section.size, _LARGEST))))


def _inflated(compressed: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(compressed, _LARGEST)
    except zlib.error as error:
        raise BadDatabase(f"section {_SECTION} cannot be inflated: {error}") from error
    if not inflater.eof:
        raise BadDatabase(f"section {_SECTION} is cut off, or has more than {_LARGEST} bytes")
    return inflated


def _crates(text: bytes) -> list[object]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadDatabase(f"section {_SECTION} is no JSON: {error}") from error
    match document:
        case {"packages": [*crates]}:
            return crates
    raise BadDatabase(f"section {_SECTION} has no list of packages")


def _packages(crates: list[object], path: str, faults: Faults) -> Iterator[Package]:
    for place, crate in enumerate(crates):
        if faults.hopeless:
            return
        if not isinstance(crate, dict):
            faults.add(f"crate {place}", "no JSON object")
        elif crate.get("kind", _RUNTIME) == _RUNTIME:
            try:
                yield _package(crate, path)
            except BadInput as error:
                faults.add(f"crate {place}", str(error))


def _package(crate: dict[str, object], path: str) -> Package:
    return Package(
        type="cargo",
        name=word(crate.get("name"), "name"),
        version=word(crate.get("version"), "version"),
        path=path,
        third_party=crate.get("source") not in _MATCHED_SOURCES,
    )


ECOSYSTEM: Final[Ecosystem] = Rust()
