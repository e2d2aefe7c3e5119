"""How are exact numbers of bytes read from blocks of any size, without copying what is passed over?"""

from collections.abc import Iterator
from typing import BinaryIO


class ByteStream:
    """Blocks read as one stream, once and forwards; `name` says in messages what is being read."""

    def __init__(self, blocks: Iterator[bytes], name: str) -> None:
        self.name = name
        self._blocks = blocks
        self._block = b""
        self._position = 0
        self._before = 0

    @property
    def offset(self) -> int:
        """Return how many bytes were taken or skipped."""
        return self._before + self._position

    @property
    def place(self) -> str:
        """Return where the stream stands, for messages."""
        return f"{self.name}, byte {self.offset}"

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the stream."""
        end = self._position + size
        if end <= len(self._block):
            taken = self._block[self._position : end]
            self._position = end
            return taken
        parts = []
        while size:
            part = self.some(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def some(self, limit: int) -> bytes:
        """Return between one and `limit` bytes, none at the end of the stream."""
        if self._position == len(self._block) and not self._advance():
            return b""
        end = min(self._position + limit, len(self._block))
        taken = self._block[self._position : end]
        self._position = end
        return taken

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the stream, and leave them there."""
        end = self._position + size
        if end <= len(self._block):
            return self._block[self._position : end]
        taken = self.take(size)
        self.push_back(taken)
        return taken

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Yield the next `size` bytes, fewer only at the end of the stream, as parts of the blocks that have them."""
        while size and (self._position < len(self._block) or self._advance()):
            piece = memoryview(self._block)[self._position : self._position + size]
            self._position += len(piece)
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> bool:
        """Pass over the next `size` bytes; return whether there were as many."""
        end = self._position + size
        while end > len(self._block):
            end -= len(self._block)
            if not self._advance():
                return False
        self._position = end
        return True

    def skip_to(self, offset: int) -> bool:
        """Pass over what is before `offset`; return whether there was as much."""
        return self.skip(offset - self._before - self._position)

    def push_back(self, data: bytes) -> None:
        """Give back bytes that were taken last; they come next."""
        start = self._position - len(data)
        if start >= 0 and self._block.startswith(data, start):
            self._position = start
            return
        rest = self._block[self._position :]
        self._before = self.offset - len(data)
        self._block = data + rest
        self._position = 0

    def drain(self) -> None:
        """Read to the end."""
        while self._advance():
            pass

    def _advance(self) -> bool:
        """Turn to the next block; return whether there is one."""
        self._before += len(self._block)
        self._position = 0
        self._block = next(self._blocks, b"")
        return bool(self._block)


def blocks_of(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the file's bytes in blocks of at most `size`."""
    while block := file.read(size):
        yield block
