"""What are the bytes inside a layer blob, and are they those that the digests name?

The compression is told by the first bytes, as container engines do; the media type (OCI image specification,
*layer.md*; Docker image manifest v2 schema 2) says whether the blob is a layer at all. Formats: gzip (RFC 1952, several
members allowed) and zstd (RFC 8878, several and skippable frames allowed).
"""

import hashlib
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Final, Self, cast

import zstandard
from isal import igzip_lib

from eclair.archives.bytestream import ByteStream
from eclair.errors import BadImage, LimitExceeded, UnsupportedMediaType
from eclair.model import Digest

LAYER_MEDIA_TYPES: Final = frozenset(
    family + compression
    for family, compressions in (
        ("application/vnd.oci.image.layer.v1.tar", ("", "+gzip", "+zstd")),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", ("", "+gzip", "+zstd")),
        ("application/vnd.docker.image.rootfs.diff.tar", ("", ".gzip", ".zstd")),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar", ("", ".gzip", ".zstd")),
    )
    for compression in compressions
)

READ_SIZE: Final = 256 * 1024
"""How much of a blob is read at once."""

_FIRST_SIZE: Final = 16 * 1024
"""How much of a gzip member is inflated first: what then turns out to be behind its end has been copied for nothing."""

_INFLATED_SIZE: Final = 256 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"
_REFUSED: Final = {b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_WINDOW_LIMIT: Final = 128 * 1024 * 1024
"""The largest zstd window, which is held in memory: what `zstd --ultra -22` needs."""

_ZSTD_BLOCK_LIMIT: Final = 128 * 1024
_MOST_BLOCKS: Final = 2_000_000
"""Blocks of zstd cost time whatever little they hold; two hundred thousand hold all that a layer may."""
_IGZIP_ERROR: Final = cast("type[Exception]", igzip_lib.IsalError)  # its stub says that this is an instance


def check_media_type(media_type: str, name: str) -> None:
    """Raise `UnsupportedMediaType` unless it is one of a layer that we can read."""
    if media_type not in LAYER_MEDIA_TYPES:
        raise UnsupportedMediaType(f"{name}: media type {media_type!r} is no layer that can be read; rebuild the image")


def inflated(compressed: ByteStream, *, members: int) -> Iterator[bytes]:
    """Yield the bytes inside a blob in blocks of bounded size; gzip members and zstd frames are at most `members`."""
    magic = compressed.take(6)
    compressed.push_back(magic)
    for refused, compression in _REFUSED.items():
        if magic.startswith(refused):
            raise UnsupportedMediaType(f"{compressed.name}: {compression} layers are not supported; use gzip or zstd")
    if magic.startswith(_GZIP_MAGIC):
        yield from _each(_gzip_member, compressed, members)
    elif magic.startswith(_ZSTD_MAGIC) or magic[1:4] == _SKIPPABLE:
        yield from _each(_zstd_frame, compressed, members)
    else:
        yield from iter(lambda: compressed.some(_INFLATED_SIZE), b"")


def _each(inflate: Callable[[ByteStream], Iterator[bytes]], compressed: ByteStream, limit: int) -> Iterator[bytes]:
    """Yield what one gzip member or zstd frame after the other holds; zeros may pad the end."""
    members = blocks = 0
    while start := compressed.take(1):
        if start == b"\0":
            _pass_padding(compressed)
            return
        compressed.push_back(start)
        members += 1
        if members > limit:
            raise LimitExceeded(f"{compressed.place}: more than {limit} gzip members or zstd frames")
        for content in inflate(compressed):
            blocks += 1
            if blocks > _MOST_BLOCKS:
                raise LimitExceeded(f"{compressed.place}: more than {_MOST_BLOCKS} compressed blocks")
            if content:
                yield content


def _pass_padding(compressed: ByteStream) -> None:
    while block := compressed.some(READ_SIZE):
        if block.count(0) != len(block):
            raise BadImage(f"{compressed.place}: bytes follow the compressed stream; push the image again")


def _gzip_member(compressed: ByteStream) -> Iterator[bytes]:
    # The header is read here because igzip loses its way in a header that comes in two blocks.
    _pass_gzip_header(compressed)
    inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP_NO_HDR_VER)
    size = _FIRST_SIZE
    while not inflater.eof:
        block = compressed.some(size) if inflater.needs_input else b""
        size = READ_SIZE
        if not block and inflater.needs_input:
            raise _ends_early(compressed)
        try:
            content: bytes = inflater.decompress(block, _INFLATED_SIZE)
        except _IGZIP_ERROR as error:
            raise BadImage(f"{compressed.place}: damaged gzip data ({error}); push the image again") from error
        yield content
    compressed.push_back(inflater.unused_data)


def _pass_gzip_header(compressed: ByteStream) -> None:
    """Pass over the header of a gzip member (RFC 1952, 2.3)."""
    header = compressed.take(10)
    if len(header) < 10:
        raise _ends_early(compressed)
    if not header.startswith(_GZIP_MAGIC) or header[2] != 8:
        raise BadImage(f"{compressed.place}: bytes that are no gzip follow the gzip stream; push the image again")
    flags = header[3]
    if flags & 4:
        compressed.skip(int.from_bytes(compressed.take(2), "little"))
    for flag in (8, 16):
        if flags & flag:
            _pass_text(compressed)
    if flags & 2:
        compressed.skip(2)


def _pass_text(compressed: ByteStream) -> None:
    """Pass over a file name or comment, up to its NUL."""
    for _ in range(READ_SIZE):
        if compressed.take(1) in (b"\0", b""):
            return
    raise LimitExceeded(f"{compressed.place}: a name or comment of more than {READ_SIZE} bytes in a gzip header")


def _zstd_frame(compressed: ByteStream) -> Iterator[bytes]:
    """Yield what a frame holds, block by block: so no input makes much output at once, and a missing end is seen."""
    magic = compressed.take(4)
    if magic[1:] == _SKIPPABLE and magic[0] >> 4 == 5:
        length = compressed.take(4)
        if len(length) < 4 or not compressed.skip(int.from_bytes(length, "little")):
            raise _ends_early(compressed)
        return
    if magic != _ZSTD_MAGIC:
        raise BadImage(f"{compressed.place}: bytes that are no zstd follow the zstd stream; push the image again")
    frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW_LIMIT).decompressobj()
    header, checksum = _zstd_header(compressed)
    pieces = [magic, header]
    last = False
    while not last:
        head = compressed.take(3)
        fields = int.from_bytes(head, "little")
        last = bool(fields & 1)
        size = 1 if fields >> 1 & 3 == 1 else fields >> 3
        body = compressed.take(size + checksum * last)
        if len(head) < 3 or size > _ZSTD_BLOCK_LIMIT or len(body) < size + checksum * last:
            raise _ends_early(compressed)
        pieces += head, body
        try:
            content = frame.decompress(b"".join(pieces))
        except zstandard.ZstdError as error:
            raise BadImage(f"{compressed.place}: damaged zstd data ({error}); push the image again") from error
        pieces.clear()
        yield content


def _zstd_header(compressed: ByteStream) -> tuple[bytes, int]:
    """Return the frame header (RFC 8878, 3.1.1.1) and the size of the checksum that ends the frame."""
    descriptor = compressed.take(1)
    if not descriptor:
        raise _ends_early(compressed)
    flags = descriptor[0]
    single_segment = flags >> 5 & 1
    size = (1 - single_segment) + (0, 1, 2, 4)[flags & 3] + (single_segment, 2, 4, 8)[flags >> 6]
    return descriptor + compressed.take(size), 4 * (flags >> 2 & 1)


def _ends_early(compressed: ByteStream) -> BadImage:
    return BadImage(f"{compressed.place}: the compressed stream ends early; push the image again")


class _Channel:
    """Blocks on their way from one thread to another, of which a bounded number may wait."""

    _ROOM: Final = 16

    def __init__(self) -> None:
        self._blocks: SimpleQueue[bytes] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()  # as a semaphore, which takes much longer as it is in Python
        for _ in range(self._ROOM):
            self.make_room()

    def put(self, block: bytes) -> None:
        """Send a block, once there is room for it."""
        self._room.get()
        self._blocks.put(block)

    def get(self) -> bytes:
        """Return the next block, once there is one."""
        block = self._blocks.get()
        self.make_room()
        return block

    def make_room(self) -> None:
        """Make room for one more block."""
        self._room.put(None)


class HashedBlocks(Iterator[bytes]):
    """Blocks that are hashed as they pass, by a thread beside: hashlib and igzip both run without Python's lock."""

    def __init__(self, blocks: Iterator[bytes], algorithm: str) -> None:
        self._blocks = blocks
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self._channel = _Channel()
        self._thread = Thread(target=self._work, name="hashing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.put(b"")
        self._thread.join()

    def __next__(self) -> bytes:
        block = next(self._blocks)
        self._channel.put(block)
        return block

    @property
    def digest(self) -> Digest:
        """Return the digest of the blocks that passed, once the context has ended."""
        return Digest(f"{self._algorithm}:{self._hash.hexdigest()}")

    def _work(self) -> None:
        while block := self._channel.get():
            self._hash.update(block)


class ReadAhead(Iterator[bytes]):
    """Blocks, none empty, that a thread beside has ready in time: igzip and zstd run without Python's lock."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._channel = _Channel()
        self._error: BaseException | None = None
        self._ended = False
        self._thread = Thread(target=self._work, name="inflating", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._channel.make_room()  # for the block that may be waiting
        self._channel.make_room()  # for the end
        self._thread.join()

    def __next__(self) -> bytes:
        block = b"" if self._ended else self._channel.get()
        if block:
            return block
        self._ended = True
        if self._error is not None:
            raise self._error
        raise StopIteration

    def _work(self) -> None:
        try:
            for block in self._blocks:
                if self._ended:
                    break
                self._channel.put(block)
        except BaseException as error:  # noqa: BLE001 - it is raised where the blocks are used
            self._error = error
        self._channel.put(b"")
