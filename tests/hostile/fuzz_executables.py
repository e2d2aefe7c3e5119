"""Executables of all three formats, and what Go and cargo-auditable leave in them."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from eclair.archives.random_access import Bytes
from eclair.ecosystems.rust import ECOSYSTEM as RUST
from eclair.packages import elf as sections
from eclair.packages.executable import Executable, executables
from tests.ecosystems import test_go as go
from tests.ecosystems import test_rust as rust
from tests.hostile.fuzz_databases import read, target
from tests.hostile.fuzzing import Target
from tests.programs import elf, mach_o, pe, universal


def _programs() -> Iterator[bytes]:
    parts = {".text": b"x" * 40, ".go.buildinfo": go.inline(), ".dep-v0": rust.section({"packages": rust.CRATES})}
    for bits in (32, 64):
        yield pe(parts, bits=bits)
        for order in "<>":
            yield elf(parts, bits=bits, order=order)
            yield mach_o(parts, bits=bits, order=order)
    yield universal(mach_o(parts), mach_o({}))


def _executables(content: bytes) -> int:
    """Read the tables, and look for some addresses."""
    file = Bytes(io.BytesIO(content))
    found: list[Executable] = list(executables(file))
    for executable in found:
        assert all(len(extent.name) < 1000 for extent in executable.sections)
    sections.sections_among(lambda offset, size: content[offset : offset + size], (b".go.buildinfo", b".dep-v0"))
    return len(found)


def _go_programs() -> Iterator[bytes]:
    flags = "path\texample.com/a\nmod\texample.com/a\t(devel)\t\nbuild\t-ldflags=-X main.version=1.2.3\n"
    replaced = (
        "mod\tx.org/a\tv1.0.0\t\ndep\tx.org/b\tv2.0.0\n=>\tx.org/c\tv3.0.0\th1:x\ndep\tx.org/d\tv1\n=>\t./d\t\t\n"
    )
    for modules in (go.DEPENDENCY, flags, replaced):
        yield elf({".go.buildinfo": go.inline(modules=modules)})
    for bits in (32, 64):
        for order in "<>":
            address = 0x400000
            offset = _place(elf({".go.buildinfo": b"\0" * 32}, bits=bits, order=order))
            yield elf(
                {".go.buildinfo": go.pointed(address + offset, bits=bits, order=order, modules=go.DEPENDENCY)},
                bits=bits,
                order=order,
                zeros=64,
            )
    yield pe({".data": bytes(160) + go.inline()})
    yield mach_o({"__go_buildinfo": go.inline()})
    yield universal(mach_o({"__go_buildinfo": go.inline()}), mach_o({"__go_buildinfo": go.inline("go1.21.0")}))


def _place(program: bytes) -> int:
    """Return where the content of the first section is, which is aligned behind the headers."""
    header = 64 + 56 if program[4] == 2 else 52 + 32
    return header + -header % 16


def _rust_programs() -> Iterator[bytes]:
    section = rust.section({"packages": rust.CRATES})
    yield elf({".text": b"x", ".dep-v0": section})
    yield pe({".dep-v0": section})
    yield mach_o({".dep-v0": section})


def _crates() -> Iterator[bytes]:
    yield json.dumps({"packages": rust.CRATES}).encode()


def _listed(content: bytes) -> object:
    """Read a list of crates that is whole and compressed, whatever it says."""
    return read(rust.PATH, RUST, elf({".dep-v0": zlib.compress(content, 1)}))


_MAGICS: Final = (b"\x7fELF", b"MZ", b"PE\0\0", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", struct.pack("<I", 0x80))

TARGETS: Final = (
    Target(name="executable", seeds=_programs, read=_executables, words=_MAGICS),
    target("go", go.PATH, _go_programs, go.MAGIC, go.MARK, b"\ndep\t", b"\n=>\t", b"\nmod\t", b"\nbuild\t", *_MAGICS),
    target("rust", rust.PATH, _rust_programs, *_MAGICS),
    Target(name="rust-list", seeds=_crates, read=_listed),
)
