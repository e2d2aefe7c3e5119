"""What rows do the tables of an SQLite database hold?

Format: https://www.sqlite.org/fileformat2.html.

The pages of a table are read as they lie in the file, and SQLite itself is not asked: it would run the database's own
schema (views, triggers, generated columns), want the whole file in memory, and give up at the first damaged page, while
here a page that cannot be read costs its own rows only. Every page is read once at the most, so a database made of
cycles ends. Indexes, WITHOUT ROWID tables and write-ahead logs are not read; `is_pending_log` recognises the latter.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.errors import BadDatabase
from eclair.packages.faults import Faults

MAGIC: Final = b"SQLite format 3\x00"

Value = int | float | str | bytes | None

_HEADER_SIZE: Final = 100
_ENCODINGS: Final = {0: "utf-8", 1: "utf-8", 2: "utf-16-le", 3: "utf-16-be"}

_INTERIOR: Final = 5
_LEAF: Final = 13

_SMALLEST_CELL: Final = 4
_ODD: Final = "its cells and the gaps between them do not add up to what it holds"

_LARGEST_VALUE: Final = 64 << 20
"""Bytes of one row; the header of a package with a hundred thousand files has some fifteen million."""
_MOST_COLUMNS: Final = 2000
_LONGEST_SQL: Final = 100_000


class _Damage(Exception):
    """Something does not fit the format here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of the schema: where its tree begins, and the statement that made it."""

    root: int
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row; `values` has fewer than the table has columns where these were added later.

    SQLite keeps an INTEGER PRIMARY KEY as the `id` of the row and NULL in its place.
    """

    id: int
    values: tuple[Value, ...]


class Database:
    """A database in a seekable stream. What cannot be read goes to `faults`."""

    def __init__(self, content: BinaryIO, faults: Faults) -> None:
        """Read the header of the file. Raises `BadDatabase` where there is none."""
        size = content.seek(0, 2)
        content.seek(0)
        header = content.read(_HEADER_SIZE)
        if len(header) < _HEADER_SIZE or not header.startswith(MAGIC):
            raise BadDatabase("no SQLite database: the file does not begin with its magic words")
        page_size = int.from_bytes(header[16:18], "big")
        page_size = 65536 if page_size == 1 else page_size
        if page_size < 512 or page_size & (page_size - 1):
            raise BadDatabase(f"an SQLite database with pages of {page_size} bytes, which there is not")
        self._content = content
        self._faults = faults
        self._page_size = page_size
        self._usable = page_size - header[20]
        self._encoding = _ENCODINGS.get(int.from_bytes(header[56:60], "big"), "utf-8")
        self._pages = size // page_size
        self._seen = bytearray(self._pages + 1)
        self._check_size(size, header)
        self._tables: Mapping[str, _Table] = dict(self._schema())

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the names of the columns of a table. Raises `BadDatabase` where there is no such table."""
        return tuple(_columns(self._table(name).sql[:_LONGEST_SQL]))

    def rows(self, name: str) -> Iterator[Row]:
        """Yield the rows of a table, once. Raises `BadDatabase` where there is no such table."""
        yield from self._rows(self._table(name).root)

    def _table(self, name: str) -> _Table:
        if name not in self._tables:
            raise BadDatabase(f"an SQLite database in which no table {name} could be found")
        return self._tables[name]

    def _check_size(self, size: int, header: bytes) -> None:
        pages = int.from_bytes(header[28:32], "big")
        if self._usable < 480:
            raise BadDatabase(f"an SQLite database that uses {self._usable} bytes of a page, which it may not")
        # The number of pages counts only where the last writer knew of it (section 1.3.7).
        if header[24:28] == header[92:96] and pages > self._pages:
            self._faults.add(f"byte {size}", f"the file ends after {self._pages} of {pages} pages")

    def _schema(self) -> Iterator[tuple[str, _Table]]:
        for row in self._rows(1):
            match row.values:
                case ("table", str(name), _, int(root), str(sql)) if root > 0:
                    yield name, _Table(root=root, sql=sql)

    def _rows(self, root: int) -> Iterator[Row]:
        for page in self._leaves(root):
            room = page.occupied
            for cell in page.cells:
                try:
                    end, payload, row_id = self._payload(page.content, cell)
                    row = Row(id=row_id, values=tuple(self._record(payload)))
                except _Damage as error:
                    self._faults.add(page.place, str(error))
                    end = cell
                else:
                    yield row
                room -= max(end - cell, _SMALLEST_CELL)
                # Rows share no bytes: what is copied out of a page is never more than the page.
                if room < 0 or self._faults.hopeless:
                    break
            if room or page.is_odd:
                self._faults.add(page.place, _ODD)

    def _leaves(self, root: int) -> Iterator["_TreePage"]:
        """Yield the leaf pages of a table's tree, in order."""
        stack = [root]
        while stack and not self._faults.hopeless:
            number = stack.pop()
            try:
                page = _TreePage(number, self._page(number))
            except _Damage as error:
                self._faults.add(f"page {number}", str(error))
                continue
            if page.is_leaf:
                if not page.cells and number != root:
                    self._faults.add(page.place, "holds nothing, as only the root of a tree may")
                yield page
            else:
                stack.extend(reversed(self._children(page)))

    def _children(self, page: "_TreePage") -> list[int]:
        """Return the pages that an interior page leads to, in order."""
        try:
            room = page.occupied - sum(_varint(page.content, cell + 4)[1] - cell for cell in page.cells)
        except _Damage:
            room = 1
        if room or page.is_odd:
            self._faults.add(page.place, _ODD)
        return [*(int.from_bytes(page.content[cell : cell + 4], "big") for cell in page.cells), page.last_child]

    def _page(self, number: int) -> bytes:
        if not 1 <= number <= self._pages:
            raise _Damage(f"not one of the {self._pages} pages of the file")
        if self._seen[number]:
            raise _Damage("is referred to twice")
        self._seen[number] = 1
        self._content.seek((number - 1) * self._page_size)
        page = self._content.read(self._page_size)
        if len(page) < self._page_size:
            raise _Damage("the file ends in it")
        return page[: self._usable]

    def _payload(self, page: bytes, place: int) -> tuple[int, bytes, int]:
        """Return where a cell ends, its record, with what overflows to other pages, and its row id."""
        size, place = _varint(page, place)
        row_id, place = _varint(page, place)
        if size > _LARGEST_VALUE:
            raise _Damage(f"a row of {size} bytes; at most {_LARGEST_VALUE} are read")
        local = self._local(size)
        end = place + local
        if end + (4 if local < size else 0) > len(page):
            raise _Damage("a row reaches beyond the page")
        payload = page[place:end]
        if local < size:
            payload += self._overflow(int.from_bytes(page[end : end + 4], "big"), size - local)
            end += 4
        return end, payload, row_id - (1 << 64) if row_id >> 63 else row_id

    def _local(self, size: int) -> int:
        """Return how much of a row stands in its leaf page (section 1.6)."""
        most = self._usable - 35
        if size <= most:
            return size
        least = (self._usable - 12) * 32 // 255 - 23
        wanted = least + (size - least) % (self._usable - 4)
        return wanted if wanted <= most else least

    def _overflow(self, number: int, size: int) -> bytes:
        pieces = []
        while size > 0:
            page = self._page(number)
            piece = page[4 : 4 + size]
            pieces.append(piece)
            size -= len(piece)
            number = int.from_bytes(page[:4], "big")
        return b"".join(pieces)

    def _record(self, payload: bytes) -> Iterator[Value]:
        """Yield the values of a record (section 2.1)."""
        end, place = _varint(payload, 0)
        if end > len(payload):
            raise _Damage("the header of a row reaches beyond it")
        value = end
        for _ in range(_MOST_COLUMNS):
            if place >= end:
                return
            kind, place = _varint(payload, place)
            size = _size(kind)
            if value + size > len(payload):
                raise _Damage("a value reaches beyond its row")
            yield self._value(kind, payload[value : value + size])
            value += size
        raise _Damage(f"a row of more than {_MOST_COLUMNS} columns")

    def _value(self, kind: int, content: bytes) -> Value:
        match kind:
            case 0:
                return None
            case 7:
                (real,) = struct.unpack(">d", content)
                return float(real)
            case 8 | 9:
                return kind - 8
            case _ if kind < 7:
                return int.from_bytes(content, "big", signed=True)
            case _:
                return content.decode(self._encoding, "replace") if kind % 2 else content


def _size(kind: int) -> int:
    if kind < 10:
        return (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind]
    if kind < 12:
        raise _Damage(f"a value of type {kind}, which is reserved")
    return (kind - 12) // 2


class _TreePage:
    """A page of a table's tree (section 1.6): `cells` are where its rows, or what leads to other pages, begin.

    `occupied` is how many bytes these take together; it `is_odd` where two are one, or one is not where cells are.
    """

    def __init__(self, number: int, content: bytes) -> None:
        self.number = number
        self.content = content
        self._header = _HEADER_SIZE if number == 1 else 0
        self.is_leaf = content[self._header] == _LEAF
        if not self.is_leaf and content[self._header] != _INTERIOR:
            raise _Damage(f"a page of kind {content[self._header]} in the tree of a table")
        self.cells = self._cells()
        begin = self._number(5) or 65536
        self.occupied = len(content) - begin - content[self._header + 7] - self._gaps()
        self.is_odd = len(frozenset(self.cells)) < len(self.cells) or any(cell < begin for cell in self.cells)

    @property
    def place(self) -> str:
        """Name the page in a fault."""
        return f"page {self.number}"

    @property
    def last_child(self) -> int:
        """Return the last page that an interior page leads to."""
        return int.from_bytes(self.content[self._header + 8 : self._header + 12], "big")

    def _number(self, place: int) -> int:
        return int.from_bytes(self.content[self._header + place : self._header + place + 2], "big")

    def _cells(self) -> tuple[int, ...]:
        count = self._number(3)
        begin = self._header + (8 if self.is_leaf else 12)
        pointers = self.content[begin : begin + 2 * count]
        if len(pointers) < 2 * count:
            raise _Damage(f"{count} cells, for which there is no room")
        return struct.unpack(f">{count}H", pointers)

    def _gaps(self) -> int:
        """Return how many bytes are free between the cells."""
        size, place = 0, self._number(1)
        while place:
            following, length = struct.unpack(">HH", self.content[place : place + 4].ljust(4, b"\0"))
            if length < _SMALLEST_CELL or (following and following < place + length):
                raise _Damage("its gaps lead nowhere")
            size += length
            place = following
        return size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Read a variable-length integer of one to nine bytes; return it and where the next thing begins."""
    value = 0
    for position, byte in enumerate(content[place : place + 9]):
        if position == 8:
            return value << 8 | byte, place + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + position + 1
    raise _Damage("a number is cut off")


# --- names -----------------------------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(
    r"--[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?|'[^']*+'?|\"[^\"]*+\"?|`[^`]*+`?|\[[^\]]*+\]?|[(),]|[^\s(),'\"`\[]++"
)
_NO_COLUMNS: Final = frozenset(("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"))


def _columns(sql: str) -> Iterator[str]:
    """Yield the names of the columns of a CREATE TABLE statement: the first word of each part in the brackets."""
    depth = 0
    first = False
    for word in _TOKEN.findall(sql):
        if word.startswith(("--", "/*")):
            continue
        if first and word not in "(),":
            if word.upper() in _NO_COLUMNS:
                return
            yield word.strip("'\"`[]")
        depth += (word == "(") - (word == ")")
        first = depth == 1 and word in "(,"


# --- logs ------------------------------------------------------------------------------------------------------------

_LOG_MAGICS: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


def is_pending_log(content: BinaryIO) -> bool:
    """Say whether a write-ahead log (section 4) has a transaction, which its database may not have yet."""
    header = content.read(32)
    frame = content.read(24)
    return header.startswith(_LOG_MAGICS) and len(frame) == 24 and frame[8:16] == header[16:24]
