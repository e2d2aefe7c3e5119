"""What is installed, and which version is newer: one file per ecosystem, found by being in this folder."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import BinaryIO, Final, Protocol, runtime_checkable

from eclair import distribution
from eclair.errors import BadVersion
from eclair.image.interest import Readers
from eclair.model import LAYER_VERSION, UNREADABLE, Distribution, Feature, Interest, Inventory, Layer, Package


class Ecosystem(Protocol):
    """A package format: where its databases are, what they say, how its versions are ordered.

    A module of this folder defines `ECOSYSTEM: Final[Ecosystem]`; nothing else has to be edited.
    """

    @property
    def name(self) -> str:
        """The module's name, for instance `dpkg`."""

    @property
    def scheme(self) -> str:
        """The purl type of its packages and the name of its version order, for instance `deb`."""

    @property
    def version(self) -> int:
        """The version of the analyser: raise it when the same file would give another inventory."""

    @property
    def interest(self) -> Interest:
        """The files it reads."""

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return what the file says, None where it is none of ours; what cannot be read is its `problem`.

        `content` is seekable and stands at its beginning. Raises `BadDatabase` where nothing could be read.
        """

    def key(self, version: str) -> bytes:
        """Return a byte string that orders as the version does. Raises `BadVersion`."""

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the namespace of its packages in an image of this distribution; "" where none of them fits."""

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return what the package is matched by in a namespace; nothing for a third-party package."""

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL (purl specification) of the package."""


@runtime_checkable
class Comparing(Protocol):
    """An ecosystem whose order has versions that no byte key can hold; they are compared one by one."""

    def compare(self, one: str, other: str) -> int:
        """Return a negative number, zero or a positive one. Raises `BadVersion` for what is no version at all."""


@runtime_checkable
class Hinted(Protocol):
    """An ecosystem whose packages are also told apart by facts of other files: repositories, subscriptions."""

    def hinted(self, packages: Sequence[Package], facts: Sequence[tuple[str, str]]) -> tuple[Package, ...]:
        """Return the packages with their contexts, from the facts that this ecosystem's readers found in the image."""


@cache
def load() -> Mapping[str, Ecosystem]:
    """Return the ecosystems by scheme."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    found: list[Ecosystem] = [module.ECOSYSTEM for module in modules]
    return {ecosystem.scheme: ecosystem for ecosystem in found}


_LAYER: Final = "layer"
"""What goes by `LAYER_VERSION` among the analysers."""

_RELEASE_FILES: Final = Interest(paths=distribution.PATHS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distribution:
    """The module `distribution` as a reader like the others."""

    name: str = "distribution"
    interest: Interest = _RELEASE_FILES

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        return distribution.read(path, content)


@cache
def readers() -> Readers:
    """Return all who read files of layers: the ecosystems and the distribution."""
    return Readers((*load().values(), _Distribution()))


@cache
def of_distributions() -> frozenset[str]:
    """Name the ecosystems whose packages are those of a distribution: without one no namespace fits them."""
    return frozenset(ecosystem.name for ecosystem in load().values() if not ecosystem.namespace(None))


def features(package: Package, namespace: str) -> tuple[Feature, ...]:
    """Return what a package is matched by: nothing where it is a part of the distribution's package that owns it."""
    return () if package.owned_by else load()[package.type].features(package, namespace)


def key_or_unreadable(ecosystem: Ecosystem, version: str) -> bytes:
    """Return the key of an installed version, or the key that every range has to be compared with."""
    try:
        return ecosystem.key(version)
    except BadVersion:
        return UNREADABLE


def compare(ecosystem: Ecosystem, one: str, other: str) -> int:
    """Return a negative number, zero or a positive one: by the keys or, where there is none, one with the other.

    Raises `BadVersion` where the ecosystem cannot compare the two.
    """
    try:
        first, second = ecosystem.key(one), ecosystem.key(other)
    except BadVersion:
        if isinstance(ecosystem, Comparing):
            return ecosystem.compare(one, other)
        raise
    return (first > second) - (first < second)


def is_comparable(feature: Feature) -> bool:
    """Say whether the version of a feature has a place among others."""
    if feature.key != UNREADABLE:
        return True
    try:
        compare(load()[feature.package.scheme], feature.version, feature.version)
    except BadVersion:
        return False
    return True


@cache
def analysers() -> Mapping[str, str]:
    """Return the version of each analyser, with a digest of what it is interested in, and of how layers are read."""
    numbers = {ecosystem.name: ecosystem.version for ecosystem in load().values()} | {
        "distribution": distribution.VERSION
    }
    versions = {reader.name: f"{numbers[reader.name]}/{_digest(reader.interest)}" for reader in readers().all}
    return {**versions, _LAYER: str(LAYER_VERSION)}


@cache
def generation() -> str:
    """Return one short name for all versions together."""
    return hashlib.sha256(repr(sorted(analysers().items())).encode()).hexdigest()[:16]


def is_current(layer: Layer) -> bool:
    """Say whether the present analysers would find in the layer what it was found to hold.

    An analyser of another version would not where it looked into a file; one of another interest might anywhere.
    """
    before = dict(layer.analysers)
    return before.keys() == analysers().keys() and all(
        before[name] == now or (name not in {_LAYER, *layer.asked} and _interest(before[name]) == _interest(now))
        for name, now in analysers().items()
    )


def _digest(interest: Interest) -> str:
    """Return a digest of an interest; sets have no order of their own."""
    parts = (sorted(interest.paths), interest.directories, sorted(interest.names), interest.suffixes, interest.magics)
    return hashlib.sha256(repr((*parts, sorted(interest.sections))).encode()).hexdigest()[:12]


def _interest(version: str) -> str:
    return version.partition("/")[2]
