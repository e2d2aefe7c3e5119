"""Which blobs does an rpm database of the backend ndb hold?

Format: no document but the source, `lib/backend/ndb/rpmpkg.c` of rpm; all numbers are little-endian. A header of 32
bytes is followed by slots of 16 up to the end of a page of 4096; each slot in use names a package's number and where
its blob is, in blocks of 16 bytes. A blob has a head that repeats the number, and a tail with an Adler-32 checksum.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from eclair.errors import BadDatabase
from eclair.packages.faults import Faults
from eclair.packages.rpmdb.blob import LARGEST, Blob

MAGIC: Final = b"RpmP"

_PAGE_SIZE: Final = 4096
_BLOCK_SIZE: Final = 16

_HEADER: Final = struct.Struct("<4sIII16x")
_SLOT: Final = struct.Struct("<4sIII")
_HEAD: Final = struct.Struct("<4sIII")
_TAIL: Final = struct.Struct("<II4s")

_SLOT_MAGIC: Final = b"Slot"
_HEAD_MAGIC: Final = b"BlbS"
_TAIL_MAGIC: Final = b"BlbE"

_FIRST_SLOT: Final = _HEADER.size // _SLOT.size
"""The header of the file takes the place of the first two."""


class _Damage(Exception):
    """Something does not fit the format here."""


def blobs(content: BinaryIO, faults: Faults) -> Iterator[Blob]:
    """Yield the blobs. Raises `BadDatabase` where the file has no header."""
    size = content.seek(0, 2)
    content.seek(0)
    header = content.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise BadDatabase(f"an ndb database of {size} bytes: it ends in its header")
    _, version, _, pages = _HEADER.unpack(header)
    if version:
        raise BadDatabase(f"an ndb database of version {version} is not known")
    room = size
    for place, number, begin, blocks in _slots(content, pages, faults):
        try:
            length = _length(content, number, begin, blocks)
            # Blobs share no bytes: all of them together are never more than the file.
            room -= blocks * _BLOCK_SIZE
            if room < 0:
                faults.add(place, "a header that overlaps others; the rest was not read")
                return
            blob, intact = _blob(content, begin, blocks, length)
        except _Damage as error:
            faults.add(place, str(error))
            continue
        if not intact:
            faults.add(place, "a header that is not the one its checksum was made of")
        yield Blob(place=place, content=blob)


def _slots(content: BinaryIO, pages: int, faults: Faults) -> Iterator[tuple[str, int, int, int]]:
    """Yield the slots in use: a name for messages, the number of the package, its first block and how many they are."""
    for page in range(pages):
        content.seek(page * _PAGE_SIZE)
        slots = content.read(_PAGE_SIZE)
        if len(slots) < _PAGE_SIZE:
            faults.add(f"byte {page * _PAGE_SIZE}", f"the file ends in page {page} of {pages} pages of slots")
            return
        for position, (magic, number, begin, blocks) in enumerate(
            _SLOT.iter_unpack(slots), page * _PAGE_SIZE // _SLOT.size
        ):
            if position < _FIRST_SLOT:
                continue
            if magic != _SLOT_MAGIC:
                faults.add(f"slot {position}", "is no slot")
            elif begin:
                yield f"slot {position}", number, begin, blocks
            if faults.hopeless:
                return


def _length(content: BinaryIO, number: int, begin: int, blocks: int) -> int:
    """Return the length of the blob of a package, by its head."""
    size = blocks * _BLOCK_SIZE
    if not _HEAD.size + _TAIL.size <= size <= LARGEST:
        raise _Damage(f"a header in {blocks} blocks; at most {LARGEST // _BLOCK_SIZE} are read")
    content.seek(begin * _BLOCK_SIZE)
    magic, own, _, length = _HEAD.unpack(content.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
    if magic != _HEAD_MAGIC or own != number or length > size - _HEAD.size - _TAIL.size:
        raise _Damage(f"block {begin} is not where the header of package {number} begins")
    return int(length)


def _blob(content: BinaryIO, begin: int, blocks: int, length: int) -> tuple[bytes, bool]:
    """Return a blob, and whether its checksum says that it is whole."""
    size = blocks * _BLOCK_SIZE
    content.seek(begin * _BLOCK_SIZE)
    stored = content.read(size)
    if len(stored) < size:
        raise _Damage("the file ends in the header")
    checksum, length_again, magic = _TAIL.unpack_from(stored, size - _TAIL.size)
    intact = (checksum, length_again, magic) == (zlib.adler32(stored[: -_TAIL.size]), length, _TAIL_MAGIC)
    return stored[_HEAD.size : _HEAD.size + length], intact
