"""What is installed in an image, given what was read from each of its layers, and which layer brought it?

Layers are stacked as the OCI image specification says: a layer's whiteouts and opaque directories act on the layers
below it only, a file replaces the one of the same path.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from eclair import distribution, ecosystems
from eclair.model import Distribution, Inventory, Layer, Package, PackageSet, SetId, SetReference

_Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A package of an image and the index of the layer that brought it."""

    package: Package
    origin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an image holds; `problems` are the (path, text) of databases that could not be read in full."""

    distribution: Distribution | None
    installed: tuple[Installed, ...]
    problems: tuple[tuple[str, str], ...]


def coalesce(layers: Iterable[Layer]) -> Contents:
    """Stack the layers, lowest first."""
    files: dict[str, Inventory] = {}
    origins: dict[tuple[str, _Identity], int] = {}
    for number, layer in enumerate(layers):
        if not (layer.inventories or layer.removed or layer.opaque):
            continue
        _take_away(files, layer)
        files.update((inventory.path, inventory) for inventory in layer.inventories)
        origins = _origins(files, origins, number)
    return Contents(
        distribution=distribution.identify(files.values()),
        installed=tuple(
            Installed(package=package, origin=origins[path, _identity(package)])
            for path, inventory in sorted(files.items())
            for package in inventory.packages
        ),
        problems=tuple((path, inventory.problem) for path, inventory in sorted(files.items()) if inventory.problem),
    )


def _take_away(files: dict[str, Inventory], layer: Layer) -> None:
    removed = frozenset(layer.removed)
    opaque = frozenset(layer.opaque)
    for path in list(files):
        above = {path[:end] for end, letter in enumerate(path) if letter == "/"}
        if path in removed or not above.isdisjoint(removed) or not opaque.isdisjoint({"", *above}):
            del files[path]


def _origins(
    files: dict[str, Inventory], before: dict[tuple[str, _Identity], int], number: int
) -> dict[tuple[str, _Identity], int]:
    """Return the layer of each package: where it stood already, or was moved from a path that is gone, the old one."""
    moved = {identity: origin for (path, identity), origin in before.items() if path not in files}
    now = {}
    for path, inventory in files.items():
        for package in inventory.packages:
            identity = _identity(package)
            origin = before.get((path, identity))
            now[path, identity] = moved.get(identity, number) if origin is None else origin
    return now


def _identity(package: Package) -> _Identity:
    return package.type, package.name, package.version, package.arch


def package_sets(contents: Contents) -> tuple[tuple[PackageSet, SetReference], ...]:
    """Return one set per ecosystem found, with the origins of its packages in this image."""
    by_type: defaultdict[str, list[Installed]] = defaultdict(list)
    for installed in contents.installed:
        by_type[installed.package.type].append(installed)
    return tuple(_package_set(type_, found, contents.distribution) for type_, found in sorted(by_type.items()))


def _package_set(
    type_: str, found: Sequence[Installed], image_distribution: Distribution | None
) -> tuple[PackageSet, SetReference]:
    namespace = ecosystems.load()[type_].namespace(image_distribution)
    ordered = sorted(found, key=lambda installed: _texts(installed.package))
    packages = tuple(installed.package for installed in ordered)
    digest = hashlib.sha256("\x1e".join((type_, namespace, *map("\x1f".join, map(_texts, packages)))).encode())
    set_id = SetId(digest.hexdigest())
    return (
        PackageSet(id=set_id, type=type_, namespace=namespace, packages=packages),
        SetReference(
            set=set_id, type=type_, namespace=namespace, origins=tuple(installed.origin for installed in ordered)
        ),
    )


_FIELDS = tuple(field.name for field in fields(Package))


def _texts(package: Package) -> tuple[str, ...]:
    """Return every part of a package as text; packages are ordered and digested by it."""
    return tuple(repr(getattr(package, name)) for name in _FIELDS)
