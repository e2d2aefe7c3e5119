"""How is one member of a layer held while it is read: in memory without copying it, or in a temporary file?"""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from io import BytesIO
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self, cast

from eclair.archives.bytestream import ByteStream
from eclair.errors import Unavailable

IN_MEMORY: Final = 16 * 1024**2
"""The largest file that is held in memory; of larger ones there is one at a time, without a name, on disk."""

_TAIL: Final = 256 * 1024


class Content(Protocol):
    """The content of a member, for as long as the context lasts."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Return so many bytes from an offset on, fewer at the end."""

    def file(self) -> BinaryIO:
        """Return all of it as a seekable file that stands at its beginning."""


def held(stream: ByteStream, size: int) -> Content:
    """Take the next bytes of the stream, fewer at its end, and hold them."""
    return Pieces(stream.pieces(size)) if size <= IN_MEMORY else Spooled.of(stream.pieces(size))


class Pieces:
    """Content as it lies in the blocks of the stream."""

    def __init__(self, pieces: Iterable[memoryview]) -> None:
        self._pieces = list(pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def read_at(self, offset: int, size: int) -> bytes:
        """Return bytes of one piece, or of several that they lie across."""
        if self._pieces and offset + size <= len(self._pieces[0]):
            return self._pieces[0][offset : offset + size].tobytes()
        found = b""
        for piece in self._pieces:
            if offset < len(piece):
                found += piece[offset : offset + size - len(found)]
                if len(found) == size:
                    break
            offset = max(0, offset - len(piece))
        return found

    def file(self) -> BinaryIO:
        """Return a copy."""
        return BytesIO(b"".join(self._pieces))


class Spooled:
    """Content that lies in a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)

    @classmethod
    def of(cls, pieces: Iterable[memoryview]) -> Self:
        """Write the pieces to a file without a name."""
        with ExitStack() as stack:
            file = cast("BinaryIO", stack.enter_context(TemporaryFile()))
            for piece in pieces:
                _write(file, piece)
            stack.pop_all()
        return cls(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read_at(self, offset: int, size: int) -> bytes:
        """Return what the file has there."""
        self._file.seek(min(offset, self._size))
        return self._file.read(size)

    def file(self) -> BinaryIO:
        """Return the file itself."""
        self._file.seek(0)
        return self._file


def _write(file: BinaryIO, piece: memoryview) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise Unavailable(
            f"no room for a large file of the layer: {error.strerror}; make some, or try again"
        ) from error


class Ends:
    """The beginning and the end of content that is too large to be held."""

    def __init__(self, stream: ByteStream, size: int, head: int) -> None:
        """Pass over the next bytes of the stream, keeping `head` of them and a tail."""
        self._head = stream.peek(head)
        self._start = max(0, size - _TAIL)
        stream.skip(self._start)
        self._tail = Pieces(stream.pieces(size - self._start))

    def read_at(self, offset: int, size: int) -> bytes:
        """Return bytes of the beginning or the end, none of what is between."""
        if offset >= self._start:
            return self._tail.read_at(offset - self._start, size)
        return self._head[offset : offset + size]
