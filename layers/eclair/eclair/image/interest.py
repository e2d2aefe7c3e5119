"""Which readers want a file, given its path and its first bytes?

Asked of every member of every layer: most are told to be nobody's by a few look-ups. Paths are those of tars, as bytes
without leading slash.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import BinaryIO, Final, Protocol

from eclair.model import Interest, Inventory
from eclair.packages import elf


class FileReader(Protocol):
    """What reads files of a kind; `name` is the one that its inventories carry. Every `Ecosystem` is one."""

    @property
    def name(self) -> str: ...

    @property
    def interest(self) -> Interest: ...

    def read(self, path: str, content: BinaryIO) -> Inventory | None: ...


Some = tuple[FileReader, ...]

_ANY: Final = b"*"
_MERGED: Final = frozenset((b"bin", b"lib", b"lib32", b"lib64", b"libx32", b"sbin"))
"""The directories that distributions merged into those of `/usr`, whose files their packages still list as before."""
_HEADS: Final = 256
"""How many beginnings of files are known by heart; those of most executables are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """The end of a path that a reader wants, of any letter case if it has no slash.

    Of `conda-meta/*.json` the `folder` is `/conda-meta/` and the `end` is that of the name.
    """

    reader: FileReader
    end: bytes
    folder: bytes = b""

    @classmethod
    def of(cls, suffix: str, reader: FileReader) -> "_Ending":
        """Return the ending that is written so."""
        folder, star, end = suffix.encode().rpartition(_ANY)
        if star:
            return cls(reader=reader, folder=b"/" + folder, end=end)
        return cls(reader=reader, end=end if b"/" in end else end.lower())

    @property
    def name(self) -> bytes | None:
        """Return the whole name that it ends in, None if it is only the end of one."""
        _, slash, name = self.end.rpartition(b"/")
        return name if slash else None

    def fits(self, path: bytes) -> bool:
        """Say whether a path ends so."""
        if self.folder:
            return path.endswith(self.end) and (b"/" + path[: path.rfind(b"/") + 1]).endswith(self.folder)
        return path.endswith(self.end) if b"/" in self.end else path.lower().endswith(self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elsewhere:
    """A reader of a fixed place, for what lies at the `target` that a link leads to from there."""

    reader: FileReader
    place: str
    target: str

    @property
    def name(self) -> str:
        return self.reader.name

    @property
    def interest(self) -> Interest:
        return self.reader.interest

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        inventory = self.reader.read(self.place + path.removeprefix(self.target), content)
        return renamed(inventory, path) if inventory else None


class Readers:
    """All who read files, and which ones; what they read at a fixed place they also read where links lead from there.

    `moved` are these places by where links lead to.
    """

    def __init__(self, readers: Iterable[FileReader], moved: Mapping[str, str] = MappingProxyType({})) -> None:
        self.all = tuple(readers)
        self._moved = moved
        exact = _table((path.encode(), reader) for reader in self.all for path in reader.interest.paths)
        within = _table(
            (path.rstrip("/").encode(), reader) for reader in self.all for path in reader.interest.directories
        )
        self._exact = exact | _elsewhere(exact, moved)
        self._within = within | _elsewhere(within, moved)
        self._names = _table((name.encode(), reader) for reader in self.all for name in reader.interest.names)
        self._endings_by_name: defaultdict[bytes, list[_Ending]] = defaultdict(list)
        self._endings_by_extension: defaultdict[bytes, list[_Ending]] = defaultdict(list)
        for ending in (_Ending.of(suffix, reader) for reader in self.all for suffix in reader.interest.suffixes):
            if ending.name is None:
                self._endings_by_extension[_extension(ending.end)].append(ending)
            else:
                self._endings_by_name[ending.name].append(ending)
        self._found_by_name = frozenset((*self._names, *self._endings_by_name))
        self._extensions = frozenset(self._endings_by_extension)
        self._found_by_name_text = frozenset(map(bytes.decode, self._found_by_name))
        self._extensions_text = frozenset(map(bytes.decode, self._extensions))
        magics = {magic for reader in self.all for magic in reader.interest.magics}
        self._start = min(map(len, magics), default=0)
        self._starts = frozenset(magic[: self._start] for magic in magics)
        self._beginning = lru_cache(maxsize=_HEADS)(self._by_magic)
        self._sections = frozenset(section for reader in self.all for section in reader.interest.sections)
        self.longest_magic = max(map(len, magics), default=0)
        self.of_any_path = tuple(reader for reader in self.all if reader.interest.magics)
        self.places: Collection[bytes] = frozenset((*self._exact, *self._within))
        """The paths of fixed files, and of the directories that hold some directly."""
        self.directories: Collection[bytes] = _MERGED.union(
            self._within, *(parents(path) for path in (*self._exact, *self._within))
        )
        """The directories that files of a fixed place lie in or below, and those that may be others by now."""

    def by_path(self, path: bytes) -> Some:
        """Return who wants the file at a path, whatever it holds."""
        directory, _, name = path.rpartition(b"/")
        if (
            name in self._found_by_name
            or name[name.rfind(b".") :].lower() in self._extensions
            or path in self._exact
            or directory in self._within
        ):
            return tuple(dict.fromkeys((*self.by_place(path), *self.anywhere(path))))
        return ()

    def by_place(self, path: bytes) -> Some:
        """Return who wants the file at a fixed place: by its whole path, or by the directory that it lies in."""
        return self._exact.get(path, ()) + self._within.get(path.rpartition(b"/")[0], ())

    def at_place(self, place: bytes) -> Some:
        """Return who wants the file, or all directly within the directory, at one of the `places`."""
        return self._exact.get(place, ()) + self._within.get(place, ())

    def anywhere(self, path: bytes) -> Some:
        """Return who wants a file of this name or ending wherever it lies."""
        name = _name(path)
        endings = (
            *self._endings_by_name.get(name, ()),
            *self._endings_by_extension.get(_extension(name), ()),
        )
        return self._names.get(name, ()) + tuple(ending.reader for ending in endings if ending.fits(path))

    def is_looked_for(self, path: str) -> bool:
        """Say whether somebody wants a file of this name or ending wherever it lies."""
        name = path[path.rfind("/") + 1 :]
        if name in self._found_by_name_text or name[name.rfind(".") :].lower() in self._extensions_text:
            return bool(self.anywhere(path.encode()))
        return False

    def by_magic(self, head: bytes) -> Some:
        """Return who wants a file that begins so."""
        return self._beginning(head)[0] if head[: self._start] in self._starts else ()

    def by_sections(self, head: bytes, read_at: elf.ReadAt) -> Some:
        """Return those who want a file that begins so, but for those who look for a section that an ELF file lacks.

        Most of the executables of an image are nobody's, and this tells them by three short reads.
        """
        some, without_sections = self._beginning(head)
        if not head.startswith(elf.MAGIC):
            return some
        found = elf.sections_among(read_at, self._sections)
        if found is None:
            return some
        if not found:
            return without_sections
        return tuple(
            reader for reader in some if not reader.interest.sections or not found.isdisjoint(reader.interest.sections)
        )

    def following(self, moved: Mapping[str, str]) -> "Readers":
        """Return the same readers for an image in which links lead from some fixed places to others."""
        return Readers(self.all, moved)

    def as_at_its_place(self, inventory: Inventory) -> Inventory:
        """Return what was read where a link leads to as if it had been read at the place of the link."""
        place = self._moved.get(inventory.path)
        return inventory if place is None else replace(inventory, path=place)

    def may_link(self, path: bytes) -> bool:
        """Say whether a link at a path can lead to files of a fixed place, or away from them."""
        return path in self.directories or bool(self.by_place(path))

    def _by_magic(self, head: bytes) -> tuple[Some, Some]:
        """Return who wants a file that begins so, and who of them looks for no section."""
        some = tuple(reader for reader in self.all if head.startswith(reader.interest.magics))
        return some, tuple(reader for reader in some if not reader.interest.sections)


def parents(path: bytes) -> Iterator[bytes]:
    """Yield the directories above a path, the root ("") not among them."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def renamed(inventory: Inventory, path: str) -> Inventory:
    """Return what a file gave as if it lay at another path."""
    packages = tuple(
        replace(package, path=path + package.path.removeprefix(inventory.path)) for package in inventory.packages
    )
    return replace(inventory, path=path, packages=packages)


def _elsewhere(table: Mapping[bytes, Some], moved: Mapping[str, str]) -> dict[bytes, Some]:
    return {
        target.encode(): tuple(_Elsewhere(reader=reader, place=place, target=target) for reader in some)
        for target, place in moved.items()
        if (some := table.get(place.encode()))
    }


def _table(pairs: Iterable[tuple[bytes, FileReader]]) -> dict[bytes, Some]:
    table: dict[bytes, Some] = {}
    for key, reader in pairs:
        table[key] = (*table.get(key, ()), reader)
    return table


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _extension(name: bytes) -> bytes:
    """Return what a name ends in from its last dot on, and the last letter of one that has none."""
    return name[name.rfind(b".") :].lower()
