"""Which modules is a Go program built of, and which of two module versions is newer?

Format: see `go_build_info`. The standard library is the module `stdlib` and its versions are the releases of Go,
as in Go's vulnerability database. Order: see `semver`; a release is written `go1.21.5` or `go1.22rc1`, and what
builders of Go add to it (`go1.21.5 X:boringcrypto`, `go1.22.1-1ubuntu1`) says nothing of the order.

Before Go 1.24 a program built from a checkout has the version `(devel)`. Then the version is taken that the build gave
to a variable `version` of the program (`-ldflags "-X main.version=v1.2.3"`), as trivy and syft do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.archives.random_access import Bytes
from eclair.ecosystems import Ecosystem
from eclair.errors import BadDatabase, BadInput
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.executable import MAGICS, executables
from eclair.packages.faults import Faults
from eclair.packages.go_build_info import SECTIONS, BuildInfo, Module, read_build_info
from eclair.packages.language_package import language_features, language_purl, word
from eclair.versions import semver
from eclair.versions.version_key import LONGEST

_STANDARD_LIBRARY: Final = "stdlib"
_DEVELOPMENT: Final = "(devel)"

_RELEASE: Final = re.compile(
    r"go(?P<release>(?P<major>[0-9]++)(?:\.(?P<minor>[0-9]++))?+(?:\.(?P<patch>[0-9]++))?+"
    r"(?:(?P<stage>beta|rc)(?P<number>[0-9]++))?+)(?![0-9A-Za-z]).*+",
    re.DOTALL,
)

_INTEREST: Final = Interest(magics=MAGICS, sections=tuple(section.encode() for section in SECTIONS))

_LINKER_FLAGS: Final = "-ldflags"
_VARIABLE: Final = re.compile(r"-X[ =]\\?+[\"']?+(?P<name>[^\s=\"'\\]++)=\\?+[\"']?+(?P<value>[^\s\"'\\]++)")
_VERSION_NAMES: Final = frozenset(("version", "gitversion", "buildversion", "appversion"))
_STATED_VERSION: Final = re.compile(rf"v?[0-9]++\.[0-9]++\.[0-9]++(?:[-+]{semver.IDENTIFIERS})*+")
_MAIN: Final = "main"


@dataclass(frozen=True, slots=True)
class Go:
    """Modules in programs that Go built."""

    name: str = "go"
    scheme: str = "golang"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the modules of the program, of all of those in a universal file."""
        file = Bytes(content)
        faults = Faults()
        packages: dict[Package, None] = {}
        for number, executable in enumerate(executables(file), 1):
            try:
                info = read_build_info(file, executable)
            except BadDatabase as error:
                faults.add(f"executable {number}, build information", str(error))
                continue
            if info is not None:
                packages |= dict.fromkeys(_packages(info, path, faults))
            elif executable.problem:
                faults.add(f"executable {number}", executable.problem)
        if not packages and not faults.count:
            return None
        return Inventory(path=path, analyser=self.name, packages=tuple(packages), problem=faults.problem)

    def key(self, version: str) -> bytes:
        """Return the byte key of a module's version, or of a release of Go."""
        release = _RELEASE.fullmatch(version) if len(version) <= LONGEST else None
        if release is None:
            return semver.key(version)
        stage, number = release.group("stage", "number")
        return semver.encoded(release.group("major", "minor", "patch"), f"{stage}.{number}" if stage else None)

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the one namespace of modules."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the module."""
        return language_features(self, package, namespace, package.name)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL; a release of Go is written as a version of the standard library."""
        namespace, _, name = package.name.rpartition("/")
        release = _RELEASE.fullmatch(package.version)
        return language_purl(
            package, namespace=namespace, name=name, version=release["release"] if release else package.version
        )


def _packages(info: BuildInfo, path: str, faults: Faults) -> Iterator[Package]:
    for module in _modules(info):
        try:
            yield Package(
                type="golang",
                name=word(module.path, "path"),
                version=word(module.version or _DEVELOPMENT, "version"),
                path=path,
            )
        except BadInput as error:
            faults.add("a module", str(error))


def _modules(info: BuildInfo) -> Iterator[Module]:
    if info.main:
        version = info.main.version
        if version in ("", _DEVELOPMENT):
            version = _stated_version(info, info.main.path)
        yield Module(path=info.main.path, version=version)
    yield from info.dependencies
    yield Module(path=_STANDARD_LIBRARY, version=info.go_version)


def _stated_version(info: BuildInfo, module: str) -> str:
    """Return the version that the build gave to a variable of the main package, or of the module; "" if to none."""
    flags = (value for name, value in info.settings if name == _LINKER_FLAGS)
    stated = {match["name"]: match["value"] for text in flags for match in _VARIABLE.finditer(text)}
    found = {_MAIN: set[str](), module: set[str]()}
    for variable, value in stated.items():
        package, _, name = variable.rpartition(".")
        if name.lower() in _VERSION_NAMES and _STATED_VERSION.fullmatch(value):
            owner = _MAIN if package == _MAIN else module if f"{package}/".startswith(f"{module}/") else ""
            found.setdefault(owner, set()).add(value)
    versions = found[_MAIN] or found[module]
    return versions.pop() if len(versions) == 1 else ""


ECOSYSTEM: Final[Ecosystem] = Go()
