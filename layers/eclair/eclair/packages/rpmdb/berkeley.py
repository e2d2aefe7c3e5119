"""Which values does a Berkeley DB hash hold?

Format: no document but the source, `src/dbinc/db_page.h` of Berkeley DB 4 and 5, and the reader in rpm, `bdb_ro.c`. A
file is an array of pages in the byte order of the machine that wrote it, which page 0 tells. Pages of a hash hold keys
and values in turn, the items growing from the end of the page towards the index at its beginning. An item that is too
large is a reference to a chain of overflow pages.

All pages are looked at in the order of the file rather than from bucket to bucket: so a damaged page costs its own
values only. Berkeley DB marks pages that it frees.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from eclair.errors import BadDatabase
from eclair.packages.faults import Faults
from eclair.packages.rpmdb.blob import LARGEST, Blob

_HASH_MAGIC: Final = 0x061561
MAGICS: Final = (_HASH_MAGIC.to_bytes(4, "little"), _HASH_MAGIC.to_bytes(4, "big"))
"""At byte 12."""

_VERSIONS: Final = range(8, 11)
_META_SIZE: Final = 96
_PAGE_SIZES: Final = frozenset(1 << bits for bits in range(9, 17))

# Kinds of pages, and of items in those of a hash.
_UNSORTED_HASH: Final = 2
_OVERFLOW: Final = 7
_HASH: Final = 13
_KEY_DATA: Final = 1
_OFF_PAGE: Final = 3

_HEADER_SIZE: Final = 26
_REFERENCE_SIZE: Final = 12

_COUNTER: Final = bytes(4)
"""The key where rpm counts its headers; theirs are their numbers."""

_CHECKSUMS: Final = 1
"""The flag of the first page that says so; the pages have another shape then."""


class _Damage(Exception):
    """Something does not fit the format here."""


def blobs(content: BinaryIO, faults: Faults) -> Iterator[Blob]:
    """Yield the values. Raises `BadDatabase` where the first page does not describe a hash."""
    size = content.seek(0, 2)
    content.seek(0)
    meta = content.read(_META_SIZE)
    if len(meta) < _META_SIZE:
        raise BadDatabase(f"a Berkeley DB of {size} bytes: it ends in its first page")
    order = "<" if meta[12:16] == MAGICS[0] else ">"
    version, page_size = struct.unpack_from(f"{order}II", meta, 16)
    (last_page,) = struct.unpack_from(f"{order}I", meta, 32)
    (elements,) = struct.unpack_from(f"{order}I", meta, 88)
    if version not in _VERSIONS or page_size not in _PAGE_SIZES:
        raise BadDatabase(f"a Berkeley DB hash of version {version} with pages of {page_size} bytes is not known")
    if meta[24] or meta[26] & _CHECKSUMS:
        raise BadDatabase("a Berkeley DB with encryption or checksums, which rpm does not use")
    pages = size // page_size
    if last_page >= pages:
        faults.add(f"byte {size}", f"the file ends after {pages} of {last_page + 1} pages")
    reading = _Hash(content=content, faults=faults, order=order, page_size=page_size, pages=pages)
    yield from reading.blobs()
    if reading.found < elements and not faults.count:
        faults.add("page 0", f"names {elements} entries, of which {reading.found} were found")


@dataclass(slots=True, kw_only=True)
class _Hash:
    """One reading of the pages; `found` counts the keys."""

    content: BinaryIO
    faults: Faults
    order: str
    page_size: int
    pages: int
    found: int = 0
    chained: set[int] = field(default_factory=set)
    """The overflow pages read so far: each is in one chain only, once."""

    def blobs(self) -> Iterator[Blob]:
        """Yield the values of all pages of the hash."""
        for number in range(1, self.pages):
            if self.faults.hopeless:
                return
            try:
                kind, _, page = self._page(number)
            except _Damage as error:
                self.faults.add(f"page {number}", str(error))
                continue
            if kind in (_HASH, _UNSORTED_HASH):
                yield from self._of_page(number, page)

    def _of_page(self, number: int, page: bytes) -> Iterator[Blob]:
        """Yield the values of a page: of every two items the second, but not that of number 0."""
        try:
            items = self._items(page)
        except _Damage as error:
            self.faults.add(f"page {number}", str(error))
            return
        for position in range(0, len(items) - 1, 2):
            self.found += 1
            key, value = items[position : position + 2]
            if key[1:] == _COUNTER:
                continue
            try:
                yield Blob(place=f"page {number}, entry {position // 2}", content=self._value(value))
            except _Damage as error:
                self.faults.add(f"page {number}, entry {position // 2}", str(error))
            if self.faults.hopeless:
                return

    def _items(self, page: bytes) -> list[bytes]:
        """Return the items, the first of which ends with the page and each other one where its neighbour begins."""
        (count,) = struct.unpack_from(f"{self.order}H", page, 20)
        index = page[_HEADER_SIZE : _HEADER_SIZE + 2 * count]
        if len(index) < 2 * count or count % 2:
            raise _Damage(f"{count} items, for which there is no room")
        begins = struct.unpack(f"{self.order}{count}H", index)
        ends = (self.page_size, *begins)
        if any(not _HEADER_SIZE + 2 * count <= begin < end for begin, end in zip(begins, ends, strict=False)):
            raise _Damage("items that overlap")
        return [page[begin:end] for begin, end in zip(begins, ends, strict=False)]

    def _value(self, item: bytes) -> bytes:
        if item[0] == _KEY_DATA:
            return item[1:]
        if item[0] != _OFF_PAGE or len(item) != _REFERENCE_SIZE:
            raise _Damage(f"a value of type {item[0]} and {len(item)} bytes, which rpm does not write")
        number, size = struct.unpack_from(f"{self.order}II", item, 4)
        if size > LARGEST:
            raise _Damage(f"a header of {size} bytes; at most {LARGEST} are read")
        return self._chain(number, size)

    def _chain(self, number: int, size: int) -> bytes:
        pieces = []
        while size > 0:
            if number in self.chained:
                raise _Damage(f"overflow page {number} is referred to twice")
            self.chained.add(number)
            kind, following, page = self._page(number)
            (length,) = struct.unpack_from(f"{self.order}H", page, 22)
            piece = page[_HEADER_SIZE : _HEADER_SIZE + length]
            if kind != _OVERFLOW or not 0 < len(piece) == length <= size:
                raise _Damage(f"page {number} is no overflow page that fits")
            pieces.append(piece)
            size -= length
            number = following
        if number:
            raise _Damage(f"a chain that goes on at page {number} after its end")
        return b"".join(pieces)

    def _page(self, number: int) -> tuple[int, int, bytes]:
        """Return the kind of a page, the number of the following one, and the page."""
        if not 0 < number < self.pages:
            raise _Damage(f"page {number} is not in the file")
        self.content.seek(number * self.page_size)
        page = self.content.read(self.page_size)
        if len(page) < self.page_size:
            raise _Damage(f"the file ends in page {number}")
        own, _, following = struct.unpack_from(f"{self.order}III", page, 8)
        kind = page[25]
        if kind and own != number:
            raise _Damage(f"calls itself page {own}")
        return kind, following, page
