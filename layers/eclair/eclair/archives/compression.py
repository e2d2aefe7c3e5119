"""What does a compressed advisory document hold, in bounded memory and size?

The compression is told by the first bytes: gzip (RFC 1952), zstd (RFC 8878), bzip2, xz; each may have several members.
Anything else is taken as it is.
"""

import io
from bz2 import BZ2Decompressor
from collections.abc import Callable, Iterator, Mapping
from lzma import LZMADecompressor, LZMAError
from typing import BinaryIO, Final, Protocol

from eclair.archives.bytestream import ByteStream, blocks_of
from eclair.archives.inflate import inflated as gzip_or_zstd
from eclair.errors import BadFeed, BadImage, EclairError

LIMIT: Final = 4 << 30
"""A document that holds more bytes is refused."""

_MEMBERS: Final = 1 << 20
_BLOCK: Final = 1 << 18
_XZ_MEMORY: Final = 192 << 20


class _Decompressor(Protocol):
    """What `bz2` and `lzma` have in common: one member, inflated in pieces of bounded size."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


_DECOMPRESSORS: Final[Mapping[bytes, Callable[[], _Decompressor]]] = {
    b"BZh": BZ2Decompressor,
    b"\xfd7zXZ\x00": lambda: LZMADecompressor(memlimit=_XZ_MEMORY),
}


def inflated(stream: BinaryIO, name: str, *, limit: int = LIMIT) -> BinaryIO:
    """Return what the stream holds; `name` says in messages what is being read. Reading it raises `BadFeed`."""
    return io.BufferedReader(_Blocks(_checked(stream, name, limit)), _BLOCK)


def _checked(stream: BinaryIO, name: str, limit: int) -> Iterator[bytes]:
    """Yield blocks until they are too many; damage is an error about a document, not about an image."""
    size = 0
    try:
        for block in _blocks(ByteStream(blocks_of(stream, _BLOCK), name)):
            size += len(block)
            if size > limit:
                raise BadFeed(f"{name}: the document holds more than {limit} bytes")
            yield block
    except (BadImage, LZMAError, EOFError, OSError) as error:
        if isinstance(error, EclairError) and not isinstance(error, BadImage):  # the connection broke, say
            raise
        raise BadFeed(f"{name}: the compressed data is damaged or ends early") from error


def _blocks(compressed: ByteStream) -> Iterator[bytes]:
    start = compressed.take(6)
    compressed.push_back(start)
    for magic, decompressor in _DECOMPRESSORS.items():
        if start.startswith(magic):
            return _members(compressed, decompressor)
    return gzip_or_zstd(compressed, members=_MEMBERS)


def _members(compressed: ByteStream, decompressor: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield what one member after the other holds; xz pads its end with zeros."""
    while start := compressed.take(4):
        if not start.strip(b"\0"):
            continue
        compressed.push_back(start)
        yield from _member(compressed, decompressor())


def _member(compressed: ByteStream, inflater: _Decompressor) -> Iterator[bytes]:
    while not inflater.eof:
        block = compressed.some(_BLOCK) if inflater.needs_input else b""
        if not block and inflater.needs_input:
            raise EOFError
        if content := inflater.decompress(block, _BLOCK):
            yield content
    compressed.push_back(inflater.unused_data)


class _Blocks(io.RawIOBase):
    """Blocks as a file to be read once."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed has no name for Buffer yet
        if not self._block:
            self._block = memoryview(next(self._blocks, b""))
        size = min(len(buffer), len(self._block))
        buffer[:size] = self._block[:size]
        self._block = self._block[size:]
        return size
