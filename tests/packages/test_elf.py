"""The section names of an ELF file are told by three short reads; where it does not tell, that is said."""

import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.packages.elf import HEADER_SIZE, sections_among

NAMES = b"\0.text\0.go.buildinfo\0.shstrtab\0"
WANTED = (b".go.buildinfo", b".dep-v0")


def elf(bits: int = 64, order: str = "<", names: bytes = NAMES, **changes: int) -> bytes:
    """Return a file of a header, section names and a table of two sections, of which the second is the names."""
    size, entry = (64, 64) if bits == 64 else (52, 40)
    values = {"table": size + len(names), "entry": entry, "count": 2, "index": 1, "at": size, "length": len(names)}
    values |= changes
    ident = b"\x7fELF" + bytes((bits // 32, 1 if order == "<" else 2, 1)) + bytes(9)
    word = "Q" if bits == 64 else "I"
    header = ident + struct.pack(f"{order}HHI", 2, 62, 1) + struct.pack(f"{order}{word * 3}", 0, 0, values["table"])
    header += struct.pack(f"{order}IHHHHHH", 0, size, 0, 0, values["entry"], values["count"], values["index"])
    section = struct.pack(f"{order}II{word * 4}", 0, 3, 0, 0, values["at"], values["length"])
    return header + names + bytes(entry) + section.ljust(entry, b"\0")


def at(content: bytes) -> Callable[[int, int], bytes]:
    def read_at(offset: int, size: int) -> bytes:
        assert 0 <= size <= 1024 * 1024
        return content[offset : offset + size]

    return read_at


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_classes_and_byte_orders_are_read(bits: int, order: str) -> None:
    assert sections_among(at(elf(bits, order)), WANTED) == frozenset((b".go.buildinfo",))
    assert sections_among(at(elf(bits, order, b"\0.text\0")), WANTED) == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"table": 0, "count": 0, "index": 0},
        {"index": 0},
        {"index": 2},
        {"index": 0xFFFF, "count": 0},
        {"entry": 0},
        {"entry": 39},
        {"table": 2**63},
        {"at": 2**63},
        {"length": 0},
        {"length": 2**40},
        {"length": 100_000},
    ],
)
def test_a_table_that_cannot_be_read_is_not_taken_for_an_empty_one(changes: dict[str, int]) -> None:
    assert sections_among(at(elf(64, "<", NAMES, **changes)), WANTED) is None


@given(st.integers(0, 200), st.binary(min_size=1, max_size=8))
def test_whatever_a_file_says_it_is_read_or_not(position: int, change: bytes) -> None:
    content = bytearray(elf())
    content[position : position + len(change)] = change
    for end in (len(content), position, HEADER_SIZE - 1):
        assert sections_among(at(bytes(content[:end])), WANTED) in (None, frozenset(), frozenset((b".go.buildinfo",)))


@pytest.mark.skipif(sys.platform != "linux", reason="this system's executables are no ELF files")
def test_the_interpreter_has_a_section_of_code_and_none_of_go() -> None:
    content = Path(sys.executable).read_bytes()
    assert sections_among(at(content), (*WANTED, b".text")) == frozenset((b".text",))
