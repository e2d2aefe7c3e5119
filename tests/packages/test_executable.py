"""Sections and segments of executables."""

import io
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from eclair.archives.random_access import Bytes
from eclair.errors import BadDatabase
from eclair.packages.executable import MAGICS, Executable, executables
from tests.programs import elf, mach_o, pe, universal

SAMPLES = Path(__file__).parent.parent / "samples"
SECTIONS = {".text": b"code", ".data": b"data " * 20}


def read(content: bytes) -> list[Executable]:
    return list(executables(Bytes(io.BytesIO(content))))


def contents(content: bytes, executable: Executable) -> dict[str, bytes]:
    return {section.name: content[section.offset : section.offset + section.size] for section in executable.sections}


PROGRAMS = {
    "ELF of 64 bits": elf(SECTIONS),
    "ELF of 32 bits": elf(SECTIONS, bits=32),
    "big-endian ELF of 64 bits": elf(SECTIONS, order=">"),
    "big-endian ELF of 32 bits": elf(SECTIONS, bits=32, order=">"),
    "PE of 64 bits": pe(SECTIONS),
    "PE of 32 bits": pe(SECTIONS, bits=32),
    "Mach-O of 64 bits": mach_o(SECTIONS),
    "Mach-O of 32 bits": mach_o(SECTIONS, bits=32),
    "big-endian Mach-O of 64 bits": mach_o(SECTIONS, order=">"),
    "universal file": universal(mach_o(SECTIONS), mach_o(SECTIONS, bits=32)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_sections_are_found_by_name_and_their_bytes_by_address(name: str) -> None:
    content = PROGRAMS[name]
    assert content.startswith(MAGICS)
    for executable in read(content):
        assert executable.problem is None
        assert SECTIONS.items() <= contents(content, executable).items()
        for section in executable.sections:
            if section.size:
                assert executable.offset_of(section.address) == section.offset


@pytest.mark.parametrize(
    ("sample", "sections", "segments", "writable"),
    [
        ("go/greet-linux-amd64", {".text", ".go.buildinfo", ".gopclntab"}, 3, 1),
        ("go/greet-linux-mips", {".text", ".go.buildinfo", ".gopclntab"}, 3, 1),
        ("go/greet-windows-amd64", {".text", ".data", ".rdata"}, 6, 2),
        ("go/greet-darwin-arm64", {"__text", "__go_buildinfo", "__rodata"}, 5, 2),
        ("rust/uvx-0.13.9-linux-x86-64", {".text", ".dep-v0"}, 4, 2),
    ],
)
def test_genuine_programs_have_what_their_linkers_wrote(
    sample: str, sections: set[str], segments: int, writable: int
) -> None:
    (executable,) = read(zstandard.decompress((SAMPLES / f"{sample}.zst").read_bytes()))
    assert executable.problem is None
    assert sections <= {section.name for section in executable.sections}
    assert len(executable.segments) == segments
    assert sum(segment.writable for segment in executable.segments) == writable


def test_addresses_are_those_of_segments_and_of_the_zeros_after_them() -> None:
    content = elf(SECTIONS, address=0x1000, zeros=100)
    (executable,) = read(content)
    (segment,) = executable.segments
    assert executable.offset_of(0x1000) == 0
    assert executable.offset_of(0x1000 + segment.size - 1) == segment.size - 1
    assert executable.offset_of(0x1000 + segment.size) is None
    for address in (0xFFF, 0x1000 + segment.size + 100, 1 << 64, -1):
        with pytest.raises(BadDatabase):
            executable.offset_of(address)


def test_segments_are_kept_where_the_sections_cannot_be_read() -> None:
    (executable,) = read(elf(SECTIONS)[:-1])
    assert executable.sections == ()
    assert len(executable.segments) == 1
    assert executable.problem is not None
    assert executable.problem.startswith("sections")


@pytest.mark.parametrize(
    "content", [b"", b"word", b"MZ", bytes(100), b"\xca\xfe\xba\xbe\x00\x00\x00\x34 class of Java"]
)
def test_what_is_no_executable_is_none(content: bytes) -> None:
    assert read(content) == []


@given(st.sampled_from(MAGICS), st.binary(max_size=200))
def test_any_bytes_can_be_read(magic: bytes, rest: bytes) -> None:
    read(magic + rest)


def test_offsets_and_sizes_may_be_anything() -> None:
    file = Bytes(io.BytesIO(b"0123456789"), 2, 6)
    assert file.at(0, 6) == b"234567"
    assert b"".join(file.blocks(1, 4)) == b"3456"
    assert file.part(1, 4).at(1, 3) == b"456"
    for offset, size in ((-1, 1), (0, 7), (6, 1), (1 << 64, 1), (0, 1 << 64), (0, -1)):
        with pytest.raises(BadDatabase):
            file.at(offset, size)
        with pytest.raises(BadDatabase):
            file.part(offset, size)
