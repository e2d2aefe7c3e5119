"""Reduce a program to the bytes that tell what it was built of; all others become zeros, which compress well.

    python tests/samples/reduce.py golang|cargo PROGRAM SAMPLE.zst

Kept is what the reader of the ecosystem reads: headers, tables and what it looks for. `go version -m` says the same of
the result as of the program.
"""

import io
import sys
from pathlib import Path

import zstandard

from eclair import ecosystems

MAGIC = b"\xff Go buildinf:"
SEARCHED = 64 * 1024


class Recorded(io.BytesIO):
    """A file that keeps what is read of it; of a long search only what was found."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.kept = bytearray(len(content))

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        data = super().read(size)
        if len(data) <= SEARCHED:
            self.kept[start : start + len(data)] = data
        elif (place := data.find(MAGIC)) >= 0:
            self.kept[start + place : start + place + len(MAGIC)] = MAGIC
        return data


def main(scheme: str, program: str, sample: str) -> None:
    recorded = Recorded(Path(program).read_bytes())
    ecosystems.load()[scheme].read(program, recorded)
    Path(sample).write_bytes(zstandard.compress(bytes(recorded.kept), 19))


if __name__ == "__main__":
    main(*sys.argv[1:])
