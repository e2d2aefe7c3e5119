"""Executables made by hand, which may lie about everything."""

import struct
from collections.abc import Mapping


def elf(
    sections: Mapping[str, bytes],
    *,
    bits: int = 64,
    order: str = "<",
    address: int = 0x400000,
    zeros: int = 0,
) -> bytes:
    """Return an ELF file with these sections, all in one writable segment that goes on with some zeros in memory."""
    header, entry, segment = (64, 64, 56) if bits == 64 else (52, 40, 32)
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    start = header + segment
    content = bytearray()
    rows = [(0, 0, 0, 0, 0, 0)]
    place = 1
    for name, data in (*sections.items(), (".shstrtab", names)):
        content += b"\0" * (-(start + len(content)) % 16)
        offset = start + len(content)
        rows.append((place, 1, 3, address + offset, offset, len(data)))
        content += data
        place += len(name) + 1
    size = start + len(content)
    content += b"\0" * (-size % 16)
    table = start + len(content)
    identity = b"\x7fELF" + bytes((2 if bits == 64 else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    common = (header, segment, 1, entry, len(rows), len(rows) - 1)
    if bits == 64:
        head = struct.pack(f"{order}HHIQQQI6H", 2, 62, 1, 0, header, table, 0, *common)
        load = struct.pack(f"{order}IIQQQQQQ", 1, 6, 0, address, address, size, size + zeros, 16)
        written = (struct.pack(f"{order}IIQQQQIIQQ", *row, 0, 0, 16, 0) for row in rows)
    else:
        head = struct.pack(f"{order}HHIIIII6H", 2, 3, 1, 0, header, table, 0, *common)
        load = struct.pack(f"{order}IIIIIIII", 1, 0, address, address, size, size + zeros, 6, 16)
        written = (struct.pack(f"{order}10I", *row, 0, 0, 16, 0) for row in rows)
    return identity + head + load + bytes(content) + b"".join(written)


def pe(sections: Mapping[str, bytes], *, bits: int = 64, base: int = 0x400000) -> bytes:
    """Return a PE file with these sections, all writable."""
    optional = (
        struct.pack("<H22xQ", 0x20B, base) + bytes(208)
        if bits == 64
        else struct.pack("<H26xI", 0x10B, base) + bytes(192)
    )
    start = 0x80 + 24 + len(optional) + 40 * len(sections)
    table = b""
    content = bytearray()
    for name, data in sections.items():
        content += b"\0" * (-(start + len(content)) % 16)
        offset = start + len(content)
        table += struct.pack("<8sIIII12xI", name.encode(), len(data), offset, len(data), offset, 0xC0000040)
        content += data
    stub = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80) + bytes(0x40)
    head = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, len(sections), 0, 0, 0, len(optional), 0x22)
    return stub + head + optional + table + bytes(content)


def mach_o(sections: Mapping[str, bytes], *, bits: int = 64, order: str = "<", address: int = 0x1000000) -> bytes:
    """Return a Mach-O file with these sections in one writable segment."""
    header, segment, entry = (32, 72, 80) if bits == 64 else (28, 56, 68)
    start = header + segment + entry * len(sections)
    content = bytearray()
    table = b""
    word = "Q" if bits == 64 else "I"
    for name, data in sections.items():
        content += b"\0" * (-(start + len(content)) % 16)
        offset = start + len(content)
        table += struct.pack(
            f"{order}16s16s2{word}8I", name.encode(), b"__DATA", address + offset, len(data), offset, *[0] * 7
        )[:entry]
        content += data
    size = start + len(content)
    magic = 0xFEEDFACF if bits == 64 else 0xFEEDFACE
    head = struct.pack(f"{order}7I", magic, 7, 3, 2, 1, segment + len(table), 0) + bytes(header - 28)
    command = struct.pack(
        f"{order}II16s4{word}4I",
        25 if bits == 64 else 1,
        segment + len(table),
        b"__DATA",
        address,
        size,
        0,
        size,
        3,
        3,
        len(sections),
        0,
    )
    return head + command + table + bytes(content)


def universal(*programs: bytes) -> bytes:
    """Return a universal file with these Mach-O files."""
    offset = 0x1000
    head = struct.pack(">II", 0xCAFEBABE, len(programs))
    content = b""
    for program in programs:
        head += struct.pack(">5I", 7, 3, offset + len(content), len(program), 12)
        content += program + bytes(-len(program) % 0x1000)
    return head.ljust(offset, b"\0") + content
