"""Which readers want a file, given its path and its first bytes?

Asked of every member of every layer: most are told to be nobody's by a few look-ups. Paths are those of tars, as bytes
without leading slash.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from eclair import elf
from eclair.model import Interest, Inventory


class FileReader(Protocol):
    """What reads files of a kind; `name` is the one that its inventories carry. Every `Ecosystem` is one."""

    @property
    def name(self) -> str: ...

    @property
    def interest(self) -> Interest: ...

    def read(self, path: str, content: BinaryIO) -> Inventory | None: ...


Some = tuple[FileReader, ...]

_ANY: Final = b"*"


@dataclass(frozen=True, slots=True)
class _Ending:
    """The end of a path that a reader wants: of any letter case, or with names as they are written."""

    text: bytes
    reader: FileReader

    @property
    def is_named(self) -> bool:
        """Say whether it ends in a whole name."""
        return b"/" in self.text and _ANY not in self.text

    def fits(self, path: bytes) -> bool:
        """Say whether a path ends so."""
        if _ANY in self.text:
            folder, _, extension = (b"/" + self.text).rpartition(_ANY)
            directory, slash, name = (b"/" + path).rpartition(b"/")
            return name.endswith(extension) and (directory + slash).endswith(folder)
        return path.endswith(self.text) if b"/" in self.text else path.lower().endswith(self.text)


class Readers:
    """All who read files, and which ones."""

    def __init__(self, readers: Iterable[FileReader]) -> None:
        self.all = tuple(readers)
        self._exact = _table((path.encode(), reader) for reader in self.all for path in reader.interest.paths)
        self._within = _table(
            (path.rstrip("/").encode(), reader) for reader in self.all for path in reader.interest.directories
        )
        self._names = _table((name.encode(), reader) for reader in self.all for name in reader.interest.names)
        endings = [_Ending(_lower(end.encode()), reader) for reader in self.all for end in reader.interest.suffixes]
        self._endings_by_name: defaultdict[bytes, list[_Ending]] = defaultdict(list)
        self._endings_by_extension: defaultdict[bytes, list[_Ending]] = defaultdict(list)
        for ending in endings:
            name = _name(ending.text)
            if ending.is_named:
                self._endings_by_name[name].append(ending)
            else:
                self._endings_by_extension[_extension(name)].append(ending)
        self._found_by_name = frozenset((*self._names, *self._endings_by_name))
        self._extensions = frozenset(self._endings_by_extension)
        self._found_by_name_text = frozenset(map(bytes.decode, self._found_by_name))
        self._extensions_text = frozenset(map(bytes.decode, self._extensions))
        self._magics = tuple({magic for reader in self.all for magic in reader.interest.magics})
        self.longest_magic = max(map(len, self._magics), default=0)
        self.of_any_path = tuple(reader for reader in self.all if reader.interest.magics)
        self.places: Collection[bytes] = frozenset((*self._exact, *self._within))
        """The paths of fixed files, and of the directories that hold some directly."""
        self.directories: Collection[bytes] = frozenset(
            (*self._within, *(above for path in (*self._exact, *self._within) for above in parents(path)))
        )
        """The directories that files of a fixed place lie in or below."""

    def by_path(self, path: bytes) -> Some:
        """Return who wants the file at a path, whatever it holds."""
        directory, _, name = path.rpartition(b"/")
        if (
            path in self._exact
            or directory in self._within
            or name in self._found_by_name
            or name[name.rfind(b".") :].lower() in self._extensions
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
        if not head.startswith(self._magics):
            return ()
        return tuple(reader for reader in self.all if head.startswith(reader.interest.magics))

    def with_sections(self, some: Some, read_at: elf.ReadAt) -> Some:
        """Return those of the readers for which a file may have the sections that they look for, if they look for any.

        Most of the executables of an image are nobody's, and this tells them by three short reads.
        """
        wanted = {section for reader in some for section in reader.interest.sections}
        if not wanted or read_at(0, len(elf.MAGIC)) != elf.MAGIC:
            return some
        found = elf.sections_among(read_at, wanted)
        if found is None:
            return some
        return tuple(
            reader for reader in some if not reader.interest.sections or not found.isdisjoint(reader.interest.sections)
        )

    def may_link(self, path: bytes) -> bool:
        """Say whether a link at a path can lead to files of a fixed place, or away from them.

        All directories at the top count: distributions that merged `/lib` into `/usr/lib` have links there.
        """
        return b"/" not in path or path in self.directories or bool(self.by_place(path))


def parents(path: bytes) -> Iterator[bytes]:
    """Yield the directories above a path, the root ("") not among them."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


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


def _lower(ending: bytes) -> bytes:
    return ending if b"/" in ending else ending.lower()
