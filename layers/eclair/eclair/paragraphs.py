"""What do the paragraphs of `Field: value` lines say, in a package database that may be broken?

The shape is that of deb822(5) and of apk's installed database: paragraphs are divided by empty lines, a line that
begins with a blank continues the field before it. Only first lines of the wanted fields are kept. What breaks the
shape is recorded as a fault, and reading goes on with the next line: one broken paragraph must not hide the others.
"""

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.faults import Faults

LARGEST: Final = 32 << 20
"""Bytes of a database that are read, and held in memory meanwhile; a full desktop has some five million."""

_BLANKS: Final = frozenset(b" \t")
_EMPTY: Final = frozenset((b"\n", b"\r\n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """The wanted fields of one paragraph by name, and the line it begins in; values are stripped."""

    line: int
    fields: Mapping[bytes, bytes]


def read_paragraphs(
    content: BinaryIO, wanted: Collection[bytes], faults: Faults, *, canonical: Callable[[bytes], bytes]
) -> Iterator[Paragraph]:
    """Yield the paragraphs; `canonical` turns a field's name into the form it has in `wanted`."""
    data = content.read(LARGEST)
    fields: dict[bytes, bytes] = {}
    begin = number = 0
    for number, line in enumerate(io.BytesIO(data), 1):
        if line in _EMPTY:
            if begin:
                yield Paragraph(line=begin, fields=fields)
                fields, begin = {}, 0
        elif line[0] in _BLANKS:
            if not begin:
                faults.add(f"line {number}", "continues no field")
        else:
            name, colon, value = line.partition(b":")
            if not colon:
                faults.add(f"line {number}", "is no 'Field: value'")
                continue
            begin = begin or number
            if (name := canonical(name)) in wanted:
                _set(fields, name, value, faults, number)
    if begin:
        yield Paragraph(line=begin, fields=fields)
    if content.read(1):
        faults.add(f"line {number}", f"the file is larger than {LARGEST} bytes, the rest was not read")


def _set(fields: dict[bytes, bytes], name: bytes, value: bytes, faults: Faults, number: int) -> None:
    if name in fields:
        faults.add(f"line {number}", f"field {name.decode()} stands twice in one paragraph")
    fields[name] = value.strip()
