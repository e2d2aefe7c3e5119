"""What NuGet packages are part of a .NET program, and which of two versions is newer?

Formats: `NAME.deps.json`, which is published with each program and with the shared frameworks
(https://github.com/dotnet/sdk/blob/main/documentation/specs/runtime-configuration-file.md), and what a restore leaves
beside a project: `packages.lock.json`, or `packages.config` (https://learn.microsoft.com/nuget/reference/packages-config)
of earlier ones. Of the libraries in a `deps.json` those count that bring files for the target: of the others the
framework has its own, newer ones.

Version order: that of NuGet (https://learn.microsoft.com/nuget/concepts/package-versioning), `VersionComparer` of
NuGet.Versioning, with one difference: numbers may be of any size.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.errors import BadDatabase, BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.faults import Faults
from eclair.packages.json_document import read_json_object
from eclair.packages.language_package import language_features, language_purl, word
from eclair.versions.version_key import LONGEST, number, quoted

_DEPENDENCIES: Final = ".deps.json"
_LOCK: Final = "packages.lock.json"
_CONFIG: Final = "packages.config"
_INTEREST: Final = Interest(names=frozenset((_LOCK, _CONFIG)), suffixes=(_DEPENDENCIES,))

_LARGEST: Final = 8 << 20
"""Bytes of a document; those of the largest programs have some two million."""

_KINDS: Final = ("package", "runtimepack")
_RUNTIME_PREFIX: Final = "runtimepack."
"""How the name of a package with the runtime itself begins, which a self-contained program brings along."""
_ASSETS: Final = ("runtime", "native", "runtimeTargets", "resources")
_NO_FILE: Final = "/_._"
"""What a package has in the place of a file that the framework has."""
_PROJECT: Final = "Project"

_ELEMENT: Final = re.compile(rb"<package\s++(?P<attributes>[^<>]++)>")
_ATTRIBUTE: Final = re.compile(
    rb"(?<![\w:.-])(?P<name>id|version|developmentDependency)\s*+=\s*+[\"'](?P<value>[^\"']*+)[\"']"
)

_LABELS: Final = r"[0-9A-Za-z-]++(?:\.[0-9A-Za-z-]++)*+"
_VERSION: Final = re.compile(
    rf"\s*+(?P<numbers>[0-9]++(?:\.[0-9]++){{0,3}}+)(?:-(?P<labels>{_LABELS}))?+(?:\+{_LABELS})?+\s*+", re.ASCII
)
_NUMBERS: Final = 4
_INTEGER: Final = re.compile(r"-?+[0-9]++", re.ASCII)
_HIGHEST: Final = 2**31
"""A label is a number where .NET's `int` holds it: it may be negative, and is a text beyond this."""

# The tags of a key, in the order of what may stand at one place.
_END: Final = b"\x01"
_ZERO: Final = 0x10
_INTEGER_LABEL: Final = b"\x60"
_TEXT_LABEL: Final = b"\x80"
_END_OF_TEXT: Final = b"\x00"
_RELEASE: Final = b"\x90"


@dataclass(frozen=True, slots=True)
class Dotnet:
    """Packages of NuGet."""

    name: str = "dotnet"
    scheme: str = "nuget"
    version: int = 2
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the packages that a program is made of, or that a restore resolved."""
        if path.lower().endswith(_DEPENDENCIES):
            document = read_json_object(content, _LARGEST)
            if "libraries" not in document:
                return None
            found = _libraries(document)
        elif path.rpartition("/")[2] == _LOCK:
            found = _locked(read_json_object(content, _LARGEST))
        elif path.rpartition("/")[2] == _CONFIG:
            found = _configured(content.read(_LARGEST + 1))
        else:
            return None
        faults = Faults()
        packages = dict.fromkeys(_packages(found, path, faults))
        return Inventory(path=path, analyser=self.name, packages=tuple(packages), problem=faults.problem)

    def key(self, version: str) -> bytes:
        """Return the byte key of a version; metadata has no place in the order."""
        match = _VERSION.fullmatch(version) if len(version) <= LONGEST else None
        if match is None:
            raise BadVersion(
                f"{quoted(version)} is no version of NuGet: it has up to four numbers, then -LABELS+METADATA"
            )
        numbers = [int(digits) for digits in match["numbers"].split(".")]
        numbers += [0] * (_NUMBERS - len(numbers))
        release = b"".join([number(value, zero=_ZERO) for value in numbers])
        if match["labels"] is None:
            return release + _RELEASE
        return release + b"".join(map(_label, match["labels"].split("."))) + _END

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the namespace, which is the same in every distribution."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the package; its name is not told apart by case."""
        return language_features(self, package, namespace, package.name.lower())

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL."""
        return language_purl(package)


_Named = tuple[object, object]
"""A name and a version, as a document has them."""


def _libraries(document: Mapping[str, object]) -> Iterator[_Named]:
    """Yield the packages among the libraries: `NAME/VERSION`, each with its type."""
    target = _target(document)
    for library, description in _members(document, "libraries"):
        kind = description.get("type") if isinstance(description, dict) else None
        if kind in _KINDS and _brings_files(target, library):
            name, _, version = library.rpartition("/")
            yield name.removeprefix(_RUNTIME_PREFIX), version


def _target(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return what the program is made of on the platform that it was published for; nothing where it does not say."""
    runtime = document.get("runtimeTarget")
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    targets = document.get("targets")
    target = targets.get(name) if isinstance(targets, dict) and isinstance(name, str) else None
    return target if isinstance(target, dict) else {}


def _brings_files(target: Mapping[str, object], library: str) -> bool:
    """Say whether a library has files of its own in the program; one of which the target does not tell may have."""
    assets = target.get(library)
    if not isinstance(assets, dict):
        return True
    kinds = [files for kind in _ASSETS if isinstance(files := assets.get(kind), dict)]
    return any(not file.endswith(_NO_FILE) for files in kinds for file in files)


def _locked(document: Mapping[str, object]) -> Iterator[_Named]:
    """Yield what a restore resolved, of all target frameworks."""
    for _, packages in _members(document, "dependencies"):
        for name, description in packages.items() if isinstance(packages, dict) else ():
            if isinstance(description, dict) and description.get("type") != _PROJECT:
                yield name, description.get("resolved")


def _configured(document: bytes) -> Iterator[_Named]:
    """Yield the packages of a `packages.config`, but for those that only helped to build."""
    if len(document) > _LARGEST or b"<packages" not in document:
        raise BadDatabase(f"no list of packages of at most {_LARGEST} bytes")
    begin, *rest = document.split(b"<!--")
    without_comments = begin + b"".join(part.partition(b"-->")[2] for part in rest)
    for element in _ELEMENT.finditer(without_comments):
        said = {match["name"]: match["value"] for match in _ATTRIBUTE.finditer(element["attributes"])}
        if said.get(b"developmentDependency", b"").lower() != b"true":
            name, version = (said.get(attribute, b"").decode(errors="replace") for attribute in (b"id", b"version"))
            yield name, version


def _members(document: Mapping[str, object], name: str) -> Iterator[tuple[str, object]]:
    section = document.get(name)
    if not isinstance(section, dict):
        raise BadDatabase(f"no object {name!r}")
    yield from section.items()


def _packages(found: Iterable[_Named], path: str, faults: Faults) -> Iterator[Package]:
    for position, (name, version) in enumerate(found, 1):
        try:
            yield Package(type="nuget", name=word(name, "name"), version=word(version, "version"), path=path)
        except BadDatabase as error:
            faults.add(f"package {position}", str(error))
        if faults.hopeless:
            return


def _label(label: str) -> bytes:
    """Encode a label; texts are not told apart by case."""
    value = int(label) if _INTEGER.fullmatch(label) else _HIGHEST
    if -_HIGHEST <= value < _HIGHEST:
        return _INTEGER_LABEL + (value + _HIGHEST).to_bytes(4, "big")
    return _TEXT_LABEL + label.upper().encode() + _END_OF_TEXT


ECOSYSTEM: Final[Ecosystem] = Dotnet()
