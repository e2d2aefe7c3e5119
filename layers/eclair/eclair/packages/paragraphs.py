"""What do the paragraphs of `Field: value` lines say, in a package database that may be broken?

The shape is that of deb822(5) and of apk's installed database: paragraphs are divided by empty lines, a line that
begins with a blank continues the field before it. Only first lines of the wanted fields are kept. What breaks the
shape is recorded as a fault, and reading goes on with the next line: one broken paragraph must not hide the others.
"""

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.packages.faults import CUT, Faults

LARGEST: Final = 32 << 20
"""Bytes of a database that are read, and held in memory meanwhile; a full desktop has some five million."""

_MOST_REPEATED: Final = 500_000
"""Lines of a list in one paragraph; the largest package of Alpine has some hundred thousand files."""

_BLANKS: Final = frozenset(b" \t")
_EMPTY: Final = frozenset((b"\n", b"\r\n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """The wanted fields of one paragraph by name, and the line it begins in; values are stripped.

    `repeated` are the (name, value) of fields that may stand more than once, in their order.
    """

    line: int
    fields: Mapping[bytes, bytes]
    repeated: Sequence[tuple[bytes, bytes]] = ()


def read_paragraphs(
    content: BinaryIO,
    wanted: Collection[bytes],
    faults: Faults,
    *,
    canonical: Callable[[bytes], bytes],
    repeated: Collection[bytes] = (),
) -> Iterator[Paragraph]:
    """Yield the paragraphs; `canonical` turns a field's name into the form it has in `wanted` and `repeated`."""
    fields: dict[bytes, bytes] = {}
    lines: list[tuple[bytes, bytes]] = []
    begin = 0
    for number, name, value in _lines(content, faults):
        if not name:
            if begin:
                yield Paragraph(line=begin, fields=fields, repeated=lines)
                fields, lines, begin = {}, [], 0
            continue
        begin = begin or number
        field = canonical(name)
        if field in wanted:
            _set(fields, field, value, faults, number)
        elif field in repeated:
            _append(lines, field, value, faults, number)


def _lines(content: BinaryIO, faults: Faults) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, name and value of each line that begins a field, and an empty name at the end of a paragraph."""
    data = content.read(LARGEST)
    number = 0
    inside = False
    for number, line in enumerate(io.BytesIO(data), 1):
        if line in _EMPTY:
            inside = False
            yield number, b"", b""
        elif line[0] in _BLANKS:
            if not inside:
                faults.add(f"line {number}", "continues no field")
        else:
            name, colon, value = line.partition(b":")
            if name and colon:
                inside = True
                yield number, name, value
            else:
                faults.add(f"line {number}", "is no 'Field: value'")
        if faults.hopeless:
            break
    if content.read(1):
        faults.add(f"line {number}", f"the file is larger than {LARGEST} bytes, the rest was not read")
    elif data and not data.endswith(b"\n"):
        faults.add(f"line {number}", CUT)
    yield number, b"", b""


def _set(fields: dict[bytes, bytes], name: bytes, value: bytes, faults: Faults, number: int) -> None:
    if name in fields:
        faults.add(f"line {number}", f"field {name.decode()} stands twice in one paragraph")
    fields[name] = value.strip()


def _append(lines: list[tuple[bytes, bytes]], name: bytes, value: bytes, faults: Faults, number: int) -> None:
    if len(lines) < _MOST_REPEATED:
        lines.append((name, value.strip()))
        if len(lines) == _MOST_REPEATED:
            faults.add(f"line {number}", f"{_MOST_REPEATED} lines of a list in one paragraph; no more are read")
