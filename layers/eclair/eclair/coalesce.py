"""What is installed in an image, given what was read from each of its layers, and which layer brought it?

Layers are stacked as the OCI image specification says: a layer's whiteouts and opaque directories act on the layers
below it only, a file replaces what is at the same path, and what is written through a symbolic link of a lower layer
comes to lie where that leads to.

A package of a database is the same one as long as every layer's database has it in the same version, also where the
database moves; a package of any other file is the same one as long as the file stays at its path.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from eclair import distribution, ecosystems
from eclair.ecosystems import Hinted
from eclair.errors import LimitExceeded
from eclair.image import links, path_list
from eclair.image.interest import FileReader, Readers, renamed
from eclair.image.ownership import owners
from eclair.image.tree import Tree
from eclair.model import Distribution, Inventory, Layer, Link, Package, PackageSet, SetId, SetReference

_Identity = tuple[str, str, str, str]
_Problem = tuple[str, str]

_MOST_LINKS = 200_000
_MOST_PACKAGES = 500_000
_HEAVIEST = 256 * 1024**2
"""Bytes of memory for the directories above files of interest."""
_NAMED = 100
"""How many problems of an image are named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A package of an image and the index of the layer that brought it."""

    package: Package
    origin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an image holds; `problems` are the (path, text) of databases that could not be read in full.

    `astray` are fixed places of files by where links lead to from there, if nobody has read what lies there.
    """

    distribution: Distribution | None
    installed: tuple[Installed, ...]
    problems: tuple[_Problem, ...]
    astray: Mapping[str, str] = field(default_factory=dict)


def coalesce(layers: Sequence[Layer], readers: Readers | None = None) -> Contents:
    """Stack the layers, lowest first; they were read by `readers`, by default by all there are.

    Raises `LimitExceeded`.
    """
    readers = readers or ecosystems.readers()
    stack = _stacked(layers, _Stack(readers))
    files = _without_second_names(stack.files())
    if sum(len(file.origins) for file in files) > _MOST_PACKAGES:
        raise LimitExceeded(f"more than {_MOST_PACKAGES} packages in one image")
    inventories = [inventory for file in files for inventory in file.inventories]
    found = distribution.identify(map(readers.as_at_its_place, inventories))
    astray = dict(_astray(layers, stack, readers, found))
    lost = [(place, f"a link leads to {target}, where it is not read") for target, place in astray.items()]
    problems = [(inventory.path, inventory.problem) for inventory in inventories if inventory.problem]
    return Contents(
        distribution=found,
        installed=tuple(_hinted(_installed(files, stack), inventories)),
        problems=_bounded([*lost, *problems]),
        astray=astray,
    )


# --- the stack -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What one file gave, and the layer that brought each of its packages.

    `replaced` is the last layer that put other packages in the place of those that the file had; -1 where none did.
    """

    inventories: tuple[Inventory, ...] = ()
    origins: Mapping[_Identity, int] = field(default_factory=dict)
    replaced: int = -1


class _Stack:
    """The layers put on one another so far.

    Of files that gave nothing it knows those that are watched, and of symbolic links those that may lead to files of
    fixed places, or `every_link`, up to a bound.
    """

    def __init__(self, readers: Readers, *, watched: Iterable[bytes] = (), every_link: bool = False) -> None:
        self._readers = readers
        self._watched = frozenset(watched)
        self._every_link = every_link
        self._tree: Tree[_File | Link] = Tree()
        self._links: set[bytes] = set()
        self._above: tuple[bytes, ...] = ()
        self._copied = 0

    def __contains__(self, path: bytes) -> bool:
        return path in self._tree

    @property
    def has_links(self) -> bool:
        return bool(self._links)

    def files(self) -> list[_File]:
        """Return the files in the order of their paths."""
        return [stands for _, stands in sorted(self._tree.items()) if isinstance(stands, _File)]

    def target_of(self, path: bytes) -> bytes | None:
        """Return the target of the symbolic link at a path, None where there is none."""
        if path not in self._links:
            return None
        stands = self._tree.get(path)
        return stands.target.encode() if isinstance(stands, Link) else None

    def placed(self, path: bytes) -> bytes:
        """Return where something put at a path comes to lie."""
        return links.placed(path, self.target_of) if path.startswith(self._above) else path

    def put(self, layer: Layer, number: int) -> None:
        """Put a layer on top."""
        gone = self._take_away(layer)
        for link in layer.links:
            if not link.hard:
                self._put_link(link)
        moved = _moved(gone)
        for path, inventories in _by_path(layer.inventories).items():
            place = self.placed(path)
            before = gone.get(place) or self._file(place)
            self._tree.put(place, _file(place.decode(), inventories, before, moved, number))
        for link in layer.links:
            if link.hard:
                self._put_hard_link(link)
        if self._tree.weight > _HEAVIEST:
            raise LimitExceeded("too many or too deep directories above files of interest in one image")

    def _file(self, path: bytes) -> _File:
        stands = self._tree.get(path)
        return stands if isinstance(stands, _File) else _File()

    def _put_link(self, link: Link) -> None:
        place = self.placed(link.path.encode())
        self._tree.put(place, link)
        self._links.add(place)
        if place in self._readers.directories:
            self._above = tuple(path + b"/" for path in self._links.intersection(self._readers.directories))

    def _put_hard_link(self, link: Link) -> None:
        """Give a file of a lower layer its second name; one that gave nothing has nothing to give."""
        file = self._file(self.placed(link.target.encode()))
        place = self.placed(link.path.encode())
        if file.inventories:
            self._copied += len(file.origins)
            if self._copied > _MOST_PACKAGES:
                raise LimitExceeded(f"hard links make more than {_MOST_PACKAGES} packages of one image")
            inventories = tuple(renamed(inventory, place.decode()) for inventory in file.inventories)
            self._tree.put(place, replace(file, inventories=inventories))

    def _take_away(self, layer: Layer) -> dict[bytes, _File]:
        """Take away what the layer removes, hides or replaces, and return it."""
        gone: dict[bytes, _File | Link] = {}
        hidden = [links.resolved(path.encode(), self.target_of) for path in layer.opaque]
        removed = [self.placed(path.encode()) for path in layer.removed]
        for directory in hidden:
            if directory is not None:
                gone |= self._tree.take_below(directory)
        for path in removed:
            gone |= self._tree.take(path) | self._tree.take_below(path)
        for written in path_list.unpacked(layer.written):
            gone |= self._replaced(written)
            through = self._through_links(written)
            gone |= self._replaced(through)
            self._watch([*written, *through])
        return {path: stands for path, stands in gone.items() if isinstance(stands, _File)}

    def _replaced(self, written: Sequence[bytes]) -> dict[bytes, _File | Link]:
        """Take away what is where something is written; a directory takes the place of anything but a directory."""
        taken: dict[bytes, _File | Link] = {}
        if not self._tree:
            return taken
        for path in self._tree.present([path[:-1] for path in written if path.endswith(b"/")]):
            taken |= self._tree.take(path)
        for path in self._tree.present(written):
            taken |= self._tree.take(path) | self._tree.take_below(path)
        return taken

    def _through_links(self, written: Iterable[bytes]) -> list[bytes]:
        """Return where those paths come to lie that lead through links of the layers below."""
        if not self._above:
            return []
        through = (path for path in written if path.startswith(self._above) and not path_list.is_target(path))
        return [self.placed(path.rstrip(b"/")) + b"/" * path.endswith(b"/") for path in through]

    def _watch(self, written: Sequence[bytes]) -> None:
        if self._watched:
            for path in self._watched.intersection(path.rstrip(b"/") for path in written):
                self._tree.put(path, _File())
        if self._every_link and len(self._links) < _MOST_LINKS:
            for path, target in path_list.links(written):
                self._put_link(Link(path=path.decode(), target=target.decode(errors="backslashreplace")))


def _stacked(layers: Iterable[Layer], stack: _Stack) -> _Stack:
    for number, layer in enumerate(layers):
        stack.put(layer, number)
    return stack


def _by_path(inventories: Iterable[Inventory]) -> Mapping[bytes, list[Inventory]]:
    found: defaultdict[bytes, list[Inventory]] = defaultdict(list)
    for inventory in inventories:
        found[inventory.path.encode()].append(inventory)
    return found


def _moved(gone: Mapping[bytes, _File]) -> Mapping[_Identity, int]:
    """Return the origins of packages whose database is gone from its path: it may have moved to another one."""
    return {
        identity: file.origins[identity]
        for file in gone.values()
        for inventory in file.inventories
        if _is_database(inventory)
        for identity in map(_identity, inventory.packages)
    }


def _file(
    path: str, inventories: Iterable[Inventory], before: _File, moved: Mapping[_Identity, int], number: int
) -> _File:
    """Return the file as it stands from a layer on: what was there before, or has moved there, is none of its own."""
    placed = tuple(inventory if inventory.path == path else renamed(inventory, path) for inventory in inventories)
    origins = {
        identity: before.origins.get(identity, moved.get(identity, number) if _is_database(inventory) else number)
        for inventory in placed
        for identity in map(_identity, inventory.packages)
    }
    is_other = before.origins and before.origins.keys() != origins.keys()
    return _File(inventories=placed, origins=origins, replaced=number if is_other else before.replaced)


def _is_database(inventory: Inventory) -> bool:
    """Say whether it is one of the distribution's packages."""
    return inventory.analyser in ecosystems.of_distributions()


def _identity(package: Package) -> _Identity:
    return package.type, package.name, package.version, package.arch


# --- what stands at the end ------------------------------------------------------------------------------------------


def _without_second_names(files: Iterable[_File]) -> list[_File]:
    """Leave out a database that another path has as well: a copy, or a hard link."""
    seen: set[tuple[str, tuple[_Identity, ...]]] = set()
    kept = []
    for file in files:
        databases = {
            (inventory.analyser, tuple(map(_identity, inventory.packages)))
            for inventory in file.inventories
            if inventory.packages and _is_database(inventory)
        }
        if not databases or not databases <= seen:
            kept.append(file)
        seen |= databases
    return kept


def _installed(files: Iterable[_File], stack: _Stack) -> Iterator[Installed]:
    """Yield the packages; what belongs to a package of the distribution says so.

    What a layer put in the place of something else after it was installed is not that package's any more.
    """
    files = list(files)
    databases = [(file, inventory) for file in files for inventory in file.inventories if _is_database(inventory)]
    owner = owners((inventory for _, inventory in databases), stack.placed)
    brought: dict[str, int] = {}
    for file, inventory in databases:
        for package in inventory.packages:
            brought[package.name] = max(file.origins[_identity(package)], brought.get(package.name, 0))
    for file in files:
        for inventory in file.inventories:
            owned_by = None if _is_database(inventory) else owner.get(inventory.path)
            if owned_by and file.replaced > brought[owned_by]:
                owned_by = None
            for package in inventory.packages:
                yield Installed(
                    package=replace(package, owned_by=owned_by) if owned_by else package,
                    origin=file.origins[_identity(package)],
                )


def _hinted(installed: Iterable[Installed], inventories: Iterable[Inventory]) -> Iterator[Installed]:
    """Yield the packages, those of an ecosystem that is given hints with the contexts that follow from them."""
    facts: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for inventory in inventories:
        facts[inventory.analyser] += inventory.facts
    by_type: defaultdict[str, list[Installed]] = defaultdict(list)
    for one in installed:
        by_type[one.package.type].append(one)
    for type_, some in by_type.items():
        ecosystem = ecosystems.load()[type_]
        if not isinstance(ecosystem, Hinted):
            yield from some
            continue
        packages = ecosystem.hinted([one.package for one in some], facts[ecosystem.name])
        yield from (replace(one, package=package) for one, package in zip(some, packages, strict=True))


def _astray(
    layers: Sequence[Layer], stack: _Stack, readers: Readers, found: Distribution | None
) -> Iterator[tuple[str, str]]:
    """Yield where links lead to from fixed places, and these, where something is there that nobody reads."""
    places = _unread_targets(readers.places if stack.has_links else (), stack, readers)
    places = _unread_targets(places, _stacked(layers if places else (), _Stack(readers, every_link=True)), readers)
    there = _stacked(layers if places else (), _Stack(readers, watched=places.values()))
    for place, target in sorted(places.items()):
        if target in there and not (found and _names(readers.at_place(place)) == {"distribution"}):
            yield target.decode(), place.decode()


def _unread_targets(places: Iterable[bytes], stack: _Stack, readers: Readers) -> Mapping[bytes, bytes]:
    """Return where links lead to from each place, if somebody who reads it there does not read it where it leads."""
    found = {}
    for place in places:
        target = links.resolved(place, stack.target_of)
        if target is not None and not _names(readers.at_place(place)) <= _names(readers.at_place(target)):
            found[place] = target
    return found


def _names(readers: Iterable[FileReader]) -> frozenset[str]:
    return frozenset(reader.name for reader in readers)


def _bounded(problems: Sequence[_Problem]) -> tuple[_Problem, ...]:
    """Return the problems, those of fixed places first, and the number of those for which there is no room."""
    if len(problems) <= _NAMED:
        return tuple(problems)
    return (*problems[:_NAMED], ("", f"{len(problems) - _NAMED} more files could not be read in full"))


# --- sets ------------------------------------------------------------------------------------------------------------


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
