"""What other files lie in: compressed streams, tars, zips; and the blobs of layers with all that is in them."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from random import Random
from typing import Final

import zstandard

from eclair import ecosystems
from eclair.archives import compression, tar
from eclair.archives.bytestream import ByteStream
from eclair.archives.inflate import inflated
from eclair.archives.random_access import Bytes
from eclair.archives.zip_archive import Archive, Budget
from eclair.coalesce import coalesce
from eclair.errors import BadDatabase, BadFeed, BadImage
from eclair.image.filesystem import Limits, read_layer
from tests.hostile.fuzzing import LARGEST, Target
from tests.hostile.layers import cases
from tests.packed import tar_of, zip_of
from tests.tars import END, directory, link, member, pax, record, reference

_BLOCK: Final = 512
_MOST: Final = 32 << 20
"""Bytes that are inflated of one input; every block of them comes of some of its bytes."""
_LIMITS: Final = Limits(
    inflated=64 << 20, ratio_from=16 << 20, members=20_000, paths=10**7, files=500, packages=5000, links=500
)
_TEXT: Final = b"what is compressed " * 100 + Random(0).randbytes(2000)


# --- streams ---------------------------------------------------------------------------------------------------------


def _blob_streams() -> Iterator[bytes]:
    yield gzip.compress(_TEXT, mtime=0)
    yield gzip.compress(b"a", mtime=0) + gzip.compress(_TEXT, 1, mtime=0) + bytes(20)
    yield zstandard.compress(_TEXT)
    yield zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress(_TEXT) + bytes(8)
    yield b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstandard.compress(b"a") + zstandard.compress(_TEXT)
    yield _TEXT


def _inflate(content: bytes) -> int:
    """Inflate as layers are, whatever the size of the pieces that come."""
    sizes = [_first(inflated(ByteStream(_pieces(content, size), "x"), members=100)) for size in (7, 1 << 16)]
    assert sizes[0] == sizes[1]
    return sizes[0]


def _first(blocks: Iterator[bytes]) -> int:
    size = 0
    for block in blocks:
        size += len(block)
        if size > _MOST:
            break
    return size


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def _feed_streams() -> Iterator[bytes]:
    yield gzip.compress(_TEXT, mtime=0)
    yield bz2.compress(_TEXT)
    yield lzma.compress(_TEXT)
    yield zstandard.compress(_TEXT)


def _decompress(content: bytes) -> int:
    with compression.inflated(io.BytesIO(content), "x", limit=_MOST) as stream:
        size = 0
        while block := stream.read(1 << 16):
            size += len(block)
    return size


# --- archives --------------------------------------------------------------------------------------------------------


@cache
def _hostile() -> tuple[bytes, ...]:
    return tuple(blob for blob in (case.make() for case in cases()) if len(blob) <= LARGEST)


def _tars() -> Iterator[bytes]:
    yield from (blob for blob in _hostile() if blob[257:262] == b"ustar")
    yield directory("a") + member("a/b", b"x" * 700) + link("c", "a/b") + pax(record("path", "é")) + member("d") + END
    yield tar_of({"a.json": b"{}", "x" * 150: b"y" * 600}, "w")


def _members(content: bytes) -> int:
    """Read all members, and the content of each other one."""
    stream = ByteStream(_pieces(content, 1000), "x")
    count = 0
    for count, found in enumerate(tar.members(stream), 1):
        assert found.size >= 0
        if count % 2:
            stream.take(min(found.size, 1000))
    return count


def _zips() -> Iterator[bytes]:
    yield zip_of({"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "a/b.class": b"\xca\xfe" * 300})
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            archive.comment = b"a comment"
            with archive.open("zip64.txt", "w", force_zip64=True) as file:
                file.write(b"x" * 100)
            archive.writestr("inner.zip", zip_of({"x.txt": b"y" * 50}))
        yield out.getvalue()
    yield b"#!/bin/sh\nexec java\n" + zip_of({"a.txt": b"1"}) + b"behind"


def _entries(content: bytes) -> int:
    """Read every entry: its head, and as an archive of its own."""
    budget = Budget()
    archive = Archive(Bytes(io.BytesIO(content)), budget)
    count = 0
    for entry in archive.entries((b"",)):
        count += 1
        with suppress(BadDatabase):
            archive.head(entry, 1000)
        with suppress(BadDatabase), archive.opened(entry) as file:
            sum(1 for _ in Archive(file, budget).entries((b"",)))
    return count


# --- layers ----------------------------------------------------------------------------------------------------------


def _layers() -> Iterator[bytes]:
    """Yield layers, each after a byte that says how it is packed."""
    for blob in _hostile():
        for how in (b"\0", b"\1", b"\2", b"\3") if blob[257:262] == b"ustar" else (b"\0",):
            yield how + blob


def survive(content: bytes) -> object:
    """Read a layer and stack it."""
    blob = blob_of(content)
    layer = read_layer(io.BytesIO(blob), reference(blob), ecosystems.readers(), _LIMITS, lambda: io.BytesIO(blob))
    coalesce([layer, layer])
    return layer


def blob_of(content: bytes) -> bytes:
    """Return the blob that is written so: the first byte says how the rest is made one."""
    how, rest = content[:1], content[1:]
    match how:
        case b"\1":
            return with_checksums(rest)
        case b"\2":
            return gzip.compress(with_checksums(rest), 1)
        case b"\3":
            return zstandard.compress(with_checksums(rest), 1)
        case _:
            return rest


def with_checksums(content: bytes) -> bytes:
    """Return a tar with the right checksum in all that looks like a header."""
    headers = bytearray(content)
    for start in range(0, len(headers) - _BLOCK + 1, _BLOCK):
        if headers[start + 257 : start + 262] == b"ustar":
            headers[start + 148 : start + 156] = b" " * 8
            headers[start + 148 : start + 156] = b"%06o\0 " % sum(headers[start : start + _BLOCK])
    return bytes(headers)


_WORDS: Final = (
    *(b"..", b".wh.", b".wh..wh..opq", b"../", b"7", b"8", b"path=", b"size=", b"linkpath=", b"GNU.sparse.major=1\n"),
    *(b"L", b"K", b"S", b"x", b"g", b"1", b"2", b"5", b"package.json", b"var/lib/dpkg/status", b"a.jar"),
)

TARGETS: Final = (
    Target(name="inflate", seeds=_blob_streams, read=_inflate, refused=(BadImage,)),
    Target(name="compression", seeds=_feed_streams, read=_decompress, refused=(BadFeed,)),
    Target(
        name="tar",
        seeds=_tars,
        read=lambda content: _members(with_checksums(content)),
        refused=(BadImage,),
        words=_WORDS,
    ),
    Target(name="zip", seeds=_zips, read=_entries, words=(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7")),
    Target(name="layer", seeds=_layers, read=survive, refused=(BadImage,), words=_WORDS),
)
