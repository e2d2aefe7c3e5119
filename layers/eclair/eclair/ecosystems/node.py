"""What did Node's installers (npm, Yarn, pnpm) install, and which of two versions is newer?

Format: `package.json` (https://docs.npmjs.com/cli/configuring-npm/package-json). Within `node_modules` only that of an
installed package counts, `node_modules/[@SCOPE/]NAME/package.json`: the others there are marks for the module loader,
parts of a package, or fixtures of its tests. Anywhere else (an application, Yarn itself, the packages of Debian) each
counts that has a name and a version.

Version order: Semantic Versioning as npm's `semver` reads it when it is loose, as npm is with what it installs; only
that digits are not parted, as in `1.2.34.5`, which `semver` takes for `1.2.3-4.5`. As in OSV's records, a missing minor
or patch number is zero.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.errors import BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.json_document import read_json_object
from eclair.packages.language_package import language_features, language_purl, word
from eclair.versions import semver
from eclair.versions.version_key import LONGEST, quoted

_FILE: Final = "package.json"
_INTEREST: Final = Interest(names=frozenset((_FILE,)))

_LARGEST: Final = 8 << 20
"""Bytes of a `package.json`; npm once wrote a package's whole documentation into it."""

_MODULES: Final = "node_modules"
_FIXTURES: Final = frozenset(("__fixtures__", "__tests__", "fixtures", "test", "testdata", "tests"))
"""Folders of a package in which a `node_modules` is there to be tested with."""

_NAME: Final = re.compile(r"(?:@[^\s/@%:?#]++/)?+[^\s/@%:?#]++")

_VERSION: Final = re.compile(
    r"[v=\s]*+(?P<major>[0-9]++)(?:\.(?P<minor>[0-9]++)(?:\.(?P<patch>[0-9]++))?+)?+"
    rf"(?:-?+(?P<prerelease>{semver.IDENTIFIERS}))?+(?:\+{semver.IDENTIFIERS})?+\s*+",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Node:
    """Packages of npm."""

    name: str = "node"
    scheme: str = "npm"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the package, if it is an installed one that has a name and a version."""
        *folders, file = path.split("/")
        if file != _FILE or not _installed(folders):
            return None
        document = read_json_object(content, _LARGEST)
        name, version = document.get("name"), document.get("version")
        if not name or not version or not isinstance(name, str) or not _NAME.fullmatch(name):
            return None
        package = Package(type=self.scheme, name=word(name, "name"), version=word(version, "version"), path=path)
        return Inventory(path=path, analyser=self.name, packages=(package,))

    def key(self, version: str) -> bytes:
        """Return the byte key of a version."""
        match = _VERSION.fullmatch(version) if len(version) <= LONGEST else None
        if match is None:
            raise BadVersion(f"{quoted(version)} is no npm version (MAJOR.MINOR.PATCH-PRERELEASE+BUILD)")
        return semver.encoded(match.group("major", "minor", "patch"), match["prerelease"])

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the namespace, which is the same in every distribution."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the package under its name with the scope."""
        return language_features(self, package, namespace, package.name)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL; the scope is its namespace."""
        scope, _, name = package.name.rpartition("/")
        return language_purl(package, namespace=scope, name=name)


def _installed(folders: Sequence[str]) -> bool:
    """Say whether a package lies in the last folder: directly in a `node_modules`, or outside of any."""
    if _MODULES not in folders:
        return True
    *inner, own = _packages(folders)
    return _is_package(own) and all(_FIXTURES.isdisjoint(folder[1:]) for folder in inner)


def _packages(folders: Sequence[str]) -> Sequence[Sequence[str]]:
    """Return the folders below each `node_modules`, up to the next one."""
    packages: list[list[str]] = []
    for folder in folders:
        if folder == _MODULES:
            packages.append([])
        elif packages:
            packages[-1].append(folder)
    return packages


def _is_package(folders: Sequence[str]) -> bool:
    """Say whether these are `NAME`, `@SCOPE/NAME` or, where Yarn links to packages, `.store/…/package`.

    Whatever else begins with a dot is not installed (yet).
    """
    match folders:
        case [name]:
            return name[:1] not in ("", ".", "@")
        case [scope, _]:
            return scope.startswith("@")
        case [".store", _, "package"]:
            return True
        case _:
            return False


ECOSYSTEM: Final[Ecosystem] = Node()
