"""How is one member of a layer held while it is read: in memory without copying it, or in a temporary file?"""

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from itertools import accumulate
from tempfile import TemporaryFile
from typing import BinaryIO, Final, Protocol

from eclair.bytestream import ByteStream

IN_MEMORY: Final = 16 * 1024**2
"""The largest file that is held in memory; of larger ones there is one at a time, without a name, on disk."""

_TAIL: Final = 256 * 1024


class Content(Protocol):
    """What is known of a member's content."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return so many bytes from an offset on; fewer where they are not known."""

    def file(self) -> BinaryIO:
        """Return the whole content as a seekable file that stands at its beginning."""


class Pieces:
    """Content as it lies in the blocks of the stream."""

    def __init__(self, pieces: Iterator[memoryview]) -> None:
        self._pieces = list(pieces)
        self._ends = list(accumulate(map(len, self._pieces)))

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes of one piece, or those that lie across several."""
        number = bisect_right(self._ends, offset)
        found = b""
        while size and number < len(self._pieces):
            piece = self._pieces[number]
            start = offset - self._ends[number] + len(piece)
            part = bytes(piece[start : start + size])
            found += part
            offset += len(part)
            size -= len(part)
            number += 1
        return found

    def file(self) -> BinaryIO:
        """Return a copy, which is independent of the stream."""
        return BytesIO(b"".join(self._pieces))


class Spooled:
    """Content that lies in a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return what the file has there."""
        self._file.seek(min(offset, self._size))
        return self._file.read(size)

    def file(self) -> BinaryIO:
        """Return the file itself."""
        self._file.seek(0)
        return self._file


class Ends:
    """The beginning and the end of content that is too large to be held."""

    def __init__(self, head: bytes, start_of_tail: int, tail: Pieces) -> None:
        self._head = head
        self._start = start_of_tail
        self._tail = tail

    def read_at(self, offset: int, size: int) -> bytes:
        """Return bytes of the beginning or the end."""
        if offset >= self._start:
            return self._tail.read_at(offset - self._start, size)
        return self._head[offset : offset + size]


def held(stream: ByteStream, size: int) -> AbstractContextManager[Content]:
    """Take the next bytes of the stream: the whole content, or what is there of it."""
    return _in_memory(stream, size) if size <= IN_MEMORY else _on_disk(stream, size)


@contextmanager
def _in_memory(stream: ByteStream, size: int) -> Iterator[Content]:
    yield Pieces(stream.pieces(size))


@contextmanager
def _on_disk(stream: ByteStream, size: int) -> Iterator[Content]:
    with TemporaryFile() as file:
        for piece in stream.pieces(size):
            file.write(piece)
        yield Spooled(file)


def ends(stream: ByteStream, size: int, head: int) -> Ends:
    """Pass over the next bytes of the stream, keeping the beginning and the end of them."""
    first = stream.peek(head)
    start = max(0, size - _TAIL)
    stream.skip(start)
    return Ends(first, start, Pieces(stream.pieces(size - start)))
