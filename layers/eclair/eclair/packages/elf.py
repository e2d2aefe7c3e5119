"""Which sections does an ELF file have, so that most executables need not be read any further?

Format: System V ABI, *Object Files* (both classes and byte orders).
"""

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final

MAGIC: Final = b"\x7fELF"
HEADER_SIZE: Final = 64

ReadAt = Callable[[int, int], bytes]
"""Return so many bytes from an offset on, fewer at the end."""

_CLASSES: Final = {
    # By class and byte order: the offset and entry size of the section table, its length and the entry of the names;
    # then the offset and the size of what an entry describes.
    b"\x01\x01": (Struct("<32xI10xHHH"), Struct("<16xII")),
    b"\x01\x02": (Struct(">32xI10xHHH"), Struct(">16xII")),
    b"\x02\x01": (Struct("<40xQ10xHHH"), Struct("<24xQQ")),
    b"\x02\x02": (Struct(">40xQ10xHHH"), Struct(">24xQQ")),
}
_LARGEST_NAMES: Final = 1024 * 1024
_EXTENDED: Final = 0xFF00


def sections_among(read_at: ReadAt, wanted: Iterable[bytes]) -> frozenset[bytes] | None:
    """Return which of the wanted section names may occur in the file; None where it does not tell."""
    names = _names(read_at)
    return None if names is None else frozenset(name for name in wanted if name in names)


def _names(read_at: ReadAt) -> bytes | None:
    """Return the table of section names, None where there is none that can be read."""
    header = read_at(0, HEADER_SIZE)
    formats = _CLASSES.get(header[4:6])
    if formats is None or len(header) < formats[0].size:
        return None
    of_file, of_section = formats
    table, entry_size, count, names = of_file.unpack_from(header)
    if not 0 < names < min(count, _EXTENDED) or entry_size < of_section.size:
        return None
    entry = read_at(table + names * entry_size, of_section.size)
    if len(entry) < of_section.size:
        return None
    offset, size = of_section.unpack(entry)
    if not 0 < size <= _LARGEST_NAMES:
        return None
    text = read_at(offset, size)
    return text if len(text) == size else None
