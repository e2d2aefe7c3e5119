"""How is a file that may lie read at offsets that it gives itself?"""

import os
from collections.abc import Iterator
from typing import BinaryIO, Final

from eclair.errors import BadDatabase

_BLOCK: Final = 64 << 10


class Bytes:
    """A seekable file, or a part of one, read at offsets that may be anything."""

    def __init__(self, content: BinaryIO, begin: int = 0, size: int | None = None) -> None:
        self._content = content
        self._begin = begin
        self.size = content.seek(0, os.SEEK_END) if size is None else size

    def at(self, offset: int, size: int) -> bytes:
        """Return exactly so many bytes. Raises `BadDatabase` where the file does not have them."""
        self._check(offset, size)
        self._content.seek(self._begin + offset)
        return self._content.read(size)

    def blocks(self, offset: int, size: int) -> Iterator[bytes]:
        """Yield so many bytes in blocks; others may read the file meanwhile. Raises `BadDatabase`."""
        self._check(offset, size)
        for start in range(offset, offset + size, _BLOCK):
            yield self.at(start, min(_BLOCK, offset + size - start))

    def part(self, offset: int, size: int) -> "Bytes":
        """Return a part as a file of its own. Raises `BadDatabase`."""
        self._check(offset, size)
        return Bytes(self._content, self._begin + offset, size)

    def _check(self, offset: int, size: int) -> None:
        if not 0 <= offset <= offset + size <= self.size:
            raise BadDatabase(f"{size} bytes are said to be at byte {offset}, and there are {self.size}")
