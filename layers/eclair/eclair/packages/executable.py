"""Where in an executable are its sections, and which bytes stand at an address once it is loaded?

Formats: ELF (System V ABI, *Object Files*; both classes and byte orders), PE (Microsoft's *PE Format*), Mach-O and the
universal files that hold several of it (Apple's `mach-o/loader.h` and `mach-o/fat.h`). Of a file of any size only
headers and tables are read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from eclair.archives.random_access import Bytes
from eclair.errors import BadDatabase

_ELF: Final = b"\x7fELF"
_PE: Final = b"MZ"
_MACH_O: Final = {
    b"\xce\xfa\xed\xfe": "<32",
    b"\xcf\xfa\xed\xfe": "<64",
    b"\xfe\xed\xfa\xce": ">32",
    b"\xfe\xed\xfa\xcf": ">64",
}
_UNIVERSAL: Final = {b"\xca\xfe\xba\xbe": struct.Struct(">8xII4x"), b"\xca\xfe\xba\xbf": struct.Struct(">8xQQ8x")}
_MOST_ARCHITECTURES: Final = 8

MAGICS: Final = (
    _ELF,
    _PE,
    *_MACH_O,
    # A class file of Java begins like a universal file, but with a number from 45 on where that has its count.
    *(magic + count.to_bytes(4, "big") for magic in _UNIVERSAL for count in range(1, _MOST_ARCHITECTURES + 1)),
)
"""The first bytes of what is read here."""

_LARGEST_TABLE: Final = 4 << 20
"""Bytes of a table; one of the sections of a large program has some thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A section, which has a name, or a segment: bytes of the file, and the address that they are loaded at.

    In memory a segment may be larger than in the file; then zeros follow.
    """

    name: str
    address: int
    offset: int
    size: int
    memory: int = 0
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """One executable. `problem` says what of its tables could not be read; a segment may lie outside the file."""

    sections: tuple[Extent, ...] = ()
    segments: tuple[Extent, ...] = ()
    problem: str | None = None

    def offset_of(self, address: int) -> int | None:
        """Return where in the file the byte at an address is, None where it is one of the zeros after a segment.

        Raises `BadDatabase` where nothing is loaded there.
        """
        for segment in self.segments:
            place = address - segment.address
            if 0 <= place < segment.size:
                return segment.offset + place
            if 0 <= place < segment.memory:
                return None
        raise BadDatabase(f"nothing is loaded at address {address:#x}")


def executables(file: Bytes) -> Iterator[Executable]:
    """Yield the executable, or each of those in a universal file; nothing where the file is none."""
    magic = file.at(0, min(4, file.size))
    try:
        if magic == _ELF:
            yield _elf(file)
        elif magic.startswith(_PE):
            yield from _pe(file)
        elif magic in _MACH_O:
            yield _mach_o(file, 0)
        elif magic in _UNIVERSAL:
            yield from _universal(file, _UNIVERSAL[magic])
    except BadDatabase as error:
        yield Executable(problem=str(error))


def _table(file: Bytes, offset: int, size: int) -> bytes:
    if size > _LARGEST_TABLE:
        raise BadDatabase(f"a table of {size} bytes at byte {offset}; at most {_LARGEST_TABLE} are read")
    return file.at(offset, size)


# --- ELF -------------------------------------------------------------------------------------------------------------

_CLASSES: Final = {1: 32, 2: 64}
_BYTE_ORDERS: Final = {1: "<", 2: ">"}

_ELF_HEADER: Final = {32: "28xII6xHHHHH", 64: "32xQQ6xHHHHH"}
"""Offsets of the program and the section headers, then size and count of each, and the section of names."""
_ELF_SECTION: Final = {32: "IIIIII16x", 64: "IIQQQQ24x"}
"""Name, type, flags, address, offset, size."""
_ELF_SEGMENT: Final = {32: "III4xIII4x", 64: "IIQQ8xQQ8x"}
"""Type, offset, address, size, size in memory, flags; in 64 bits the flags come second."""

_NO_BITS: Final = 8
_WRITE: Final = 1
_LOAD: Final = 1
_WRITABLE: Final = 2

_EXTENDED: Final = 0xFFFF
"""The section of names is told elsewhere, as there are so many sections."""
_LONGEST_NAME: Final = 64


def _elf(file: Bytes) -> Executable:
    identity = file.at(0, 16)
    bits, order = _CLASSES.get(identity[4]), _BYTE_ORDERS.get(identity[5])
    if bits is None or order is None:
        raise BadDatabase("an ELF file of neither 32 nor 64 bits, or of no known byte order")
    header = struct.Struct(order + _ELF_HEADER[bits])
    program, sections, program_entry, program_count, entry, count, names = header.unpack(file.at(0, header.size))
    segments = _elf_segments(file, struct.Struct(order + _ELF_SEGMENT[bits]), program, program_entry, program_count)
    try:
        named = _elf_sections(file, struct.Struct(order + _ELF_SECTION[bits]), sections, entry, count, names)
    except BadDatabase as error:
        return Executable(segments=segments, problem=f"sections: {error}")
    return Executable(sections=named, segments=segments)


def _elf_segments(file: Bytes, layout: struct.Struct, offset: int, entry: int, count: int) -> tuple[Extent, ...]:
    if not count:
        return ()
    _check_entry(layout, entry)
    rows = layout.iter_unpack(_table(file, offset, count * entry))
    ordered = rows if layout.size < 50 else ((kind, *rest, flags) for kind, flags, *rest in rows)
    return tuple(
        Extent(name="", address=address, offset=start, size=size, memory=memory, writable=bool(flags & _WRITABLE))
        for kind, start, address, size, memory, flags in ordered
        if kind == _LOAD
    )


def _elf_sections(
    file: Bytes, layout: struct.Struct, offset: int, entry: int, count: int, names: int
) -> tuple[Extent, ...]:
    if not offset:
        return ()
    _check_entry(layout, entry)
    if not count or names == _EXTENDED:
        raise BadDatabase("too many of them")
    rows = list(layout.iter_unpack(_table(file, offset, count * entry)))
    if names >= count:
        raise BadDatabase("the section of their names is none of them")
    texts = _table(file, *rows[names][4:6])
    return tuple(
        Extent(name=_name(texts, name), address=address, offset=start, size=size, writable=bool(flags & _WRITE))
        for name, kind, flags, address, start, size in rows
        if kind != _NO_BITS
    )


def _check_entry(layout: struct.Struct, entry: int) -> None:
    if entry != layout.size:
        raise BadDatabase(f"a table with entries of {entry} bytes in the place of {layout.size}")


def _name(texts: bytes, start: int) -> str:
    """Return a name of a table of them; one that is longer than any that is looked for is cut."""
    return _text(texts[start : start + _LONGEST_NAME])


def _text(padded: bytes) -> str:
    return padded.partition(b"\0")[0].decode(errors="backslashreplace")


# --- PE --------------------------------------------------------------------------------------------------------------

_PE_HEADER: Final = struct.Struct("<4s2xH12xH2x")
"""The signature, the count of the sections, and the size of the optional header."""
_PE_SECTION: Final = struct.Struct("<8sIIII12xI")
"""Name, size in memory, address, size in the file, offset, flags."""
_PE_IMAGE_BASE: Final = {0x10B: struct.Struct("<28xI"), 0x20B: struct.Struct("<24xQ")}

_PE_WRITABLE: Final = 0x80000000


def _pe(file: Bytes) -> Iterator[Executable]:
    """Yield what a PE file holds; one that only a DOS could run is passed over."""
    if file.size < 0x40:
        return
    start = int.from_bytes(file.at(0x3C, 4), "little")
    if start + _PE_HEADER.size > file.size:
        return
    signature, count, optional = _PE_HEADER.unpack(file.at(start, _PE_HEADER.size))
    if signature != b"PE\0\0":
        return
    start += _PE_HEADER.size
    base = _image_base(file.at(start, optional))
    table = _table(file, start + optional, count * _PE_SECTION.size)
    sections = tuple(
        Extent(
            name=_text(name),
            address=base + address,
            offset=offset,
            size=size,
            memory=memory,
            writable=bool(flags & _PE_WRITABLE),
        )
        for name, memory, address, size, offset, flags in _PE_SECTION.iter_unpack(table)
    )
    yield Executable(sections=sections, segments=sections)


def _image_base(optional: bytes) -> int:
    layout = _PE_IMAGE_BASE.get(int.from_bytes(optional[:2], "little"))
    if layout is None or len(optional) < layout.size:
        raise BadDatabase("a PE file without an optional header of 32 or 64 bits")
    (base,) = layout.unpack_from(optional)
    return int(base)


# --- Mach-O ----------------------------------------------------------------------------------------------------------

_MACH_O_HEADER: Final = {"32": "16xII4x", "64": "16xII8x"}
"""The count of the load commands, and the size of them all."""
_MACH_O_SEGMENT: Final = {"32": (1, "8x16sIIII4xII4x"), "64": (25, "8x16sQQQQ4xII4x")}
"""The command's number; name, address, size in memory, offset, size, protection, count of the sections."""
_MACH_O_SECTION: Final = {"32": "16s16xIII12xI8x", "64": "16s16xQQI12xI12x"}
"""Name, address, size, offset, flags."""

_ZERO_FILLED: Final = 1
_KIND: Final = 0xFF


def _universal(file: Bytes, layout: struct.Struct) -> Iterator[Executable]:
    count = int.from_bytes(file.at(4, 4), "big")
    if count > _MOST_ARCHITECTURES:
        return
    for offset, _ in layout.iter_unpack(file.at(8, count * layout.size)):
        try:
            yield _mach_o(file, offset)
        except BadDatabase as error:
            yield Executable(problem=str(error))


def _mach_o(file: Bytes, begin: int) -> Executable:
    kind = _MACH_O.get(file.at(begin, 4))
    if kind is None:
        raise BadDatabase(f"no Mach-O at byte {begin}")
    order, bits = kind[0], kind[1:]
    header = struct.Struct(order + _MACH_O_HEADER[bits])
    count, size = header.unpack(file.at(begin, header.size))
    return _mach_o_segments(_table(file, begin + header.size, size), count, begin, order, bits)


def _mach_o_segments(commands: bytes, count: int, begin: int, order: str, bits: str) -> Executable:
    segment_command, layout = _MACH_O_SEGMENT[bits][0], struct.Struct(order + _MACH_O_SEGMENT[bits][1])
    section_layout = struct.Struct(order + _MACH_O_SECTION[bits])
    segments: list[Extent] = []
    sections: list[Extent] = []
    for command, body in _mach_o_commands(commands, count, order):
        if command != segment_command:
            continue
        if len(body) < layout.size:
            raise BadDatabase("a segment command that is too short")
        name, address, memory, offset, size, protection, parts = layout.unpack_from(body)
        writable = bool(protection & _WRITABLE)
        segments.append(
            Extent(
                name=_text(name),
                address=address,
                offset=begin + offset,
                size=size,
                memory=memory,
                writable=writable,
            )
        )
        table = body[layout.size : layout.size + parts * section_layout.size]
        if len(table) < parts * section_layout.size:
            raise BadDatabase(f"a segment command too short for {parts} sections")
        sections += (
            Extent(name=_text(name), address=address, offset=begin + offset, size=size, writable=writable)
            for name, address, size, offset, flags in section_layout.iter_unpack(table)
            if flags & _KIND != _ZERO_FILLED
        )
    return Executable(sections=tuple(sections), segments=tuple(segments))


def _mach_o_commands(commands: bytes, count: int, order: str) -> Iterator[tuple[int, bytes]]:
    head = struct.Struct(f"{order}II")
    place = 0
    for _ in range(count):
        if place + head.size > len(commands):
            raise BadDatabase(f"{count} load commands, of which {len(commands)} bytes hold fewer")
        command, size = head.unpack_from(commands, place)
        if size < head.size:
            raise BadDatabase(f"a load command of {size} bytes")
        yield command, commands[place : place + size]
        place += size
