"""Which files does a zip archive hold that may lie about everything?

Format: PKWARE's *APPNOTE.TXT*. The central directory is read in pieces, so that memory does not depend on how many
entries there are; what an archive and those within it may cost together is a `Budget`. Python's own `zipfile` holds
all entries in memory, whatever their number.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast

from eclair.archives.random_access import Bytes
from eclair.errors import BadDatabase

MAGIC: Final = b"PK\x03\x04"

_END: Final = struct.Struct("<4s8xIIH")
"""The signature, size and offset of the directory, and the size of the comment."""
_END_SIGNATURE: Final = b"PK\x05\x06"
_LONGEST_COMMENT: Final = 0xFFFF

_LOCATOR: Final = struct.Struct("<4s16x")
_LOCATOR_SIGNATURE: Final = b"PK\x06\x07"
_END_64: Final = struct.Struct("<4s36xQQ")
_END_64_SIGNATURE: Final = b"PK\x06\x06"

_ENTRY: Final = struct.Struct("<4s4xHH4xIIIHHH8xI")
"""The signature, flags, method, checksum, two sizes, the sizes of name, extra fields and comment, and the offset."""
_ENTRY_SIGNATURE: Final = b"PK\x01\x02"
_LARGEST_ENTRY: Final = _ENTRY.size + 3 * 0xFFFF
_PIECE: Final = 1 << 20

_LOCAL: Final = struct.Struct("<4s22xHH")

_ENCRYPTED: Final = 1
_STORED: Final = 0
_DEFLATED: Final = 8

_FIELD: Final = struct.Struct("<HH")
_LARGE: Final = struct.Struct("<Q")
_ZIP64: Final = 1
_IN_ZIP64: Final = 0xFFFFFFFF

_BLOCK: Final = 256 << 10
_IN_MEMORY: Final = 16 << 20
"""Bytes of an inflated archive that are held in memory; a larger one goes to a nameless file."""


class Exhausted(BadDatabase):
    """The budget is spent: what has not been read is not read."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """What reading an archive, and those within it, may still cost."""

    archives: int = 10_000
    entries: int = 1_000_000
    files: int = 20_000
    inflated: int = 512 << 20

    def spend(self, *, archives: int = 0, entries: int = 0, files: int = 0, inflated: int = 0) -> None:
        """Raise `Exhausted` where it is not enough."""
        self.archives -= archives
        self.entries -= entries
        self.files -= files
        self.inflated -= inflated
        if min(self.archives, self.entries, self.files, self.inflated) < 0:
            raise Exhausted("with all that is within it too many archives, entries, files or bytes to be read on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of an archive, as the central directory describes it."""

    name: str
    flags: int
    method: int
    checksum: int
    compressed: int
    offset: int


class Archive:
    """An archive; raises `BadDatabase` where there is none."""

    def __init__(self, file: Bytes, budget: Budget) -> None:
        budget.spend(archives=1)
        self._file = file
        self._budget = budget
        self._begin, self._end, self._shift = _directory(file)

    def entries(self, endings: tuple[bytes, ...]) -> Iterator[Entry]:
        """Yield the entries whose names end so, lower case. Raises `BadDatabase` where the directory is damaged."""
        place = self._begin
        while place < self._end:
            piece = self._file.at(place, min(_PIECE, self._end - place))
            is_last = place + len(piece) == self._end
            start = 0
            while start < len(piece) if is_last else start + _LARGEST_ENTRY <= len(piece):
                entry, start = self._entry(piece, start, endings)
                if entry is not None:
                    yield entry
            place += start

    def _entry(self, piece: bytes, start: int, endings: tuple[bytes, ...]) -> tuple[Entry | None, int]:
        """Return the entry that starts there, if its name ends so, and where the next one starts."""
        self._budget.spend(entries=1)
        if start + _ENTRY.size > len(piece):
            raise BadDatabase("the directory ends within an entry")
        fields = _ENTRY.unpack_from(piece, start)
        signature, flags, method, checksum, compressed, inflated, name_size, extra_size, comment_size, offset = fields
        if signature != _ENTRY_SIGNATURE:
            raise BadDatabase("the directory has something else in the place of an entry")
        start += _ENTRY.size
        if start + name_size + extra_size + comment_size > len(piece):
            raise BadDatabase("the directory ends within an entry")
        name = piece[start : start + name_size]
        start += name_size
        if name.lower().endswith(endings):
            extra = piece[start : start + extra_size]
            compressed, offset = _large(extra, inflated, compressed, offset)
            entry = Entry(
                name=name.decode(errors="backslashreplace"),
                flags=flags,
                method=method,
                checksum=checksum,
                compressed=compressed,
                offset=offset + self._shift,
            )
        else:
            entry = None
        return entry, start + extra_size + comment_size

    def head(self, entry: Entry, size: int) -> bytes:
        """Return the first bytes of a file, up to so many. Raises `BadDatabase`."""
        head = b""
        for block in self._blocks(entry):
            head += block
            if len(head) >= size:
                break
        return head[:size]

    @contextmanager
    def opened(self, entry: Entry) -> Iterator[Bytes]:
        """Open a file that is to be read at any offset. Raises `BadDatabase`."""
        if entry.method == _STORED and not entry.flags & _ENCRYPTED:
            yield self._file.part(self._data(entry), entry.compressed)
            return
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as inflated:
            for block in self._blocks(entry):
                inflated.write(block)
            yield Bytes(cast("BinaryIO", inflated))  # which it is, but for the name

    def _blocks(self, entry: Entry) -> Iterator[bytes]:
        """Yield the content, and raise `BadDatabase` at its end unless it is what the directory says."""
        if entry.flags & _ENCRYPTED:
            raise BadDatabase("encrypted")
        if entry.method not in (_STORED, _DEFLATED):
            raise BadDatabase(f"compressed by method {entry.method}, which is not read")
        stored = self._file.blocks(self._data(entry), entry.compressed)
        checksum = 0
        for block in stored if entry.method == _STORED else _inflated(stored):
            self._budget.spend(inflated=len(block))
            checksum = zlib.crc32(block, checksum)
            yield block
        if checksum != entry.checksum:
            raise BadDatabase("its checksum is wrong")

    def _data(self, entry: Entry) -> int:
        """Return where the content begins: the local header may have a longer name and other extra fields."""
        self._budget.spend(files=1)
        signature, name_size, extra_size = _LOCAL.unpack(self._file.at(entry.offset, _LOCAL.size))
        if signature != MAGIC:
            raise BadDatabase(f"no file begins at byte {entry.offset}")
        return int(entry.offset + _LOCAL.size + name_size + extra_size)


def _directory(file: Bytes) -> tuple[int, int, int]:
    """Return where the central directory begins and ends, and how many bytes stand before the archive.

    An executable jar has a script before it, which most tools do not count in the offsets.
    """
    end, size, offset = _end_of_directory(file)
    shift = end - size - offset
    if shift < 0:
        raise BadDatabase(f"a directory of {size} bytes at byte {offset}, which ends before byte {end}")
    return end - size, end, shift


def _end_of_directory(file: Bytes) -> tuple[int, int, int]:
    """Return the end of the central directory, its size, and its offset as the archive counts."""
    tail_size = min(file.size, _END.size + _LONGEST_COMMENT)
    tail = file.at(file.size - tail_size, tail_size)
    place = _last_record(tail)
    _, size, offset, _ = _END.unpack_from(tail, place)
    end = file.size - tail_size + place
    return _end_of_directory_64(file, end) or (end, size, offset)


def _last_record(tail: bytes) -> int:
    """Return the place of the record whose comment ends where the file does; else the last, if other bytes follow."""
    places = []
    place = len(tail) - _END.size + len(_END_SIGNATURE)
    while (place := tail.rfind(_END_SIGNATURE, 0, max(place, 0))) >= 0:
        *_, comment_size = _END.unpack_from(tail, place)
        if place + _END.size + comment_size == len(tail):
            return place
        places.append(place)
    if not places:
        raise BadDatabase("no zip archive: it has no end of a central directory")
    return places[0]


def _end_of_directory_64(file: Bytes, end: int) -> tuple[int, int, int] | None:
    """Return the same from the records of zip64, which stand before those they outrank."""
    place = end - _LOCATOR.size - _END_64.size
    if place < 0:
        return None
    records = file.at(place, _END_64.size + _LOCATOR.size)
    signature, size, offset = _END_64.unpack_from(records)
    (locator,) = _LOCATOR.unpack_from(records, _END_64.size)
    if (signature, locator) != (_END_64_SIGNATURE, _LOCATOR_SIGNATURE):
        return None
    return place, size, offset


def _large(extra: bytes, inflated: int, compressed: int, offset: int) -> tuple[int, int]:
    """Return the compressed size and the offset; what has no room in an entry stands in its extra field of zip64."""
    values = _zip64_values(extra) if _IN_ZIP64 in (inflated, compressed, offset) else iter(())
    if inflated == _IN_ZIP64:
        next(values, None)
    if compressed == _IN_ZIP64:
        compressed = next(values, compressed)
    if offset == _IN_ZIP64:
        offset = next(values, offset)
    return compressed, offset


def _zip64_values(extra: bytes) -> Iterator[int]:
    start = 0
    while start + _FIELD.size <= len(extra):
        kind, size = _FIELD.unpack_from(extra, start)
        start += _FIELD.size
        if kind == _ZIP64:
            field = extra[start : start + size]
            yield from (value for (value,) in _LARGE.iter_unpack(field[: len(field) & ~7]))
            return
        start += size


def _inflated(compressed: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for block in compressed:
            rest = block
            while rest and not inflater.eof:
                yield inflater.decompress(rest, _BLOCK)
                rest = inflater.unconsumed_tail
        while not inflater.eof:
            block = inflater.decompress(b"", _BLOCK)
            if not block:
                raise BadDatabase("its compressed bytes end too early")
            yield block
    except zlib.error as error:
        raise BadDatabase(f"its compressed bytes are damaged: {error}") from error
