"""Which files of an image belong to packages of its distribution?

Databases of packages list hundreds of thousands of files. Of a layer only those are kept that decide about a package of
another ecosystem: files whose name or ending some reader looks for (a later layer's database may list an earlier
layer's file), and files that this very layer was found to have something in.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
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
        self._looked_for: set[str] = set()

    def bounded(self, inventory: Inventory) -> Inventory:
        """Return the inventory with no more pairs than can be held."""
        if not inventory.owned:
            return inventory
        # Told here, not at the end: while there is more to inflate, this costs no time.
        looked_for = {path for path, _ in inventory.owned if self._readers.is_looked_for(path)}
        self._looked_for |= looked_for
        if self._held + len(inventory.owned) > _MOST:
            inventory = replace(inventory, owned=tuple(pair for pair in inventory.owned if pair[0] in looked_for))
        self._held += len(inventory.owned)
        return inventory

    def kept(self, inventories: Iterable[Inventory]) -> Iterator[Inventory]:
        """Yield the inventories of a layer with the pairs that matter; those that say nothing else are left out."""
        some = tuple(inventories)
        found = {inventory.path.removeprefix(_MERGED) for inventory in some if inventory.packages}
        matter = self._looked_for.union(found, (_MERGED + path for path in found))
        for inventory in some:
            kept = inventory
            if inventory.owned:
                kept = replace(inventory, owned=tuple(pair for pair in inventory.owned if pair[0] in matter))
            if kept.owned or kept.packages or kept.facts or kept.problem or not inventory.owned:
                yield kept


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
