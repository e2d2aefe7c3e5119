"""Which files of an image belong to packages of its distribution?

Databases of packages list hundreds of thousands of files. Of a layer only those are kept that decide about a package of
another ecosystem: files whose name or ending some reader looks for (a later layer's database may list an earlier
layer's file), and files that this very layer was found to have something in.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from eclair.image.interest import Readers
from eclair.model import Inventory

_MOST: Final = 400_000
"""How many (path, package) pairs are held while a layer is read; a full desktop has 300,000. Of more, executables are
not looked for."""

_MERGED: Final = "usr/"
"""Where distributions moved `/bin` and `/lib` to, whatever their packages still say."""

Pair = tuple[str, str]


class OwnedFiles:
    """What the inventories of a layer say of who owns which file, until all of the layer is known."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._held = 0

    def bounded(self, inventory: Inventory) -> Inventory:
        """Return the inventory with no more pairs than can be held."""
        if not inventory.owned:
            return inventory
        if self._held + len(inventory.owned) > _MOST:
            inventory = replace(inventory, owned=tuple(filter(self._looked_for, inventory.owned)))
        self._held += len(inventory.owned)
        return inventory

    def kept(self, inventories: Iterable[Inventory]) -> Iterator[Inventory]:
        """Yield the inventories of a layer with the pairs that matter; those that say nothing else are left out."""
        some = tuple(inventories)
        found = {_unmerged(inventory.path) for inventory in some if inventory.packages}
        for inventory in some:
            kept = replace(inventory, owned=tuple(self._kept(inventory.owned, found))) if inventory.owned else inventory
            if kept.owned or kept.packages or kept.facts or kept.problem or not inventory.owned:
                yield kept

    def _kept(self, owned: Iterable[Pair], found: Collection[str]) -> Iterator[Pair]:
        is_looked_for = self._readers.is_looked_for
        for pair in owned:
            if is_looked_for(pair[0]) or _unmerged(pair[0]) in found:
                yield pair

    def _looked_for(self, pair: Pair) -> bool:
        return self._readers.is_looked_for(pair[0])


def _unmerged(path: str) -> str:
    return path.removeprefix(_MERGED)


def owners(databases: Iterable[Inventory], placed: Callable[[bytes], bytes]) -> Mapping[str, str]:
    """Return the name of the package that owns each file of an image, where the distribution itself built it.

    What a database or a list says counts only while the package is installed. `placed` says where a path comes to lie.
    """
    databases = tuple(databases)
    official = {
        (inventory.analyser, package.name)
        for inventory in databases
        for package in inventory.packages
        if not package.third_party
    }
    return {
        placed(path.encode()).decode(): name
        for inventory in databases
        for path, name in inventory.owned
        if (inventory.analyser, name) in official
    }
