"""Documents are inflated whatever their compression; bombs and damage are refused."""

import bz2
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from eclair.archives.compression import inflated
from eclair.errors import BadFeed, Unavailable

CONTENT = b"what a document holds, " * 50_000

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
each_compression = pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)


def read(content: bytes, limit: int = 1 << 30) -> bytes:
    return inflated(io.BytesIO(content), "a document", limit=limit).read()


@each_compression
def test_a_compressed_document_is_inflated(compress: Callable[[bytes], bytes]) -> None:
    assert read(compress(CONTENT)) == CONTENT


@each_compression
def test_all_members_are_read(compress: Callable[[bytes], bytes]) -> None:
    assert read(compress(b"one") + compress(b"") + compress(b"two")) == b"onetwo"


@pytest.mark.parametrize("content", [b"", b"<", b"{}", CONTENT])
def test_what_is_not_compressed_is_taken_as_it_is(content: bytes) -> None:
    assert read(content) == content


def test_xz_may_be_padded() -> None:
    assert read(lzma.compress(b"one") + bytes(8) + lzma.compress(b"two") + bytes(4)) == b"onetwo"


@each_compression
def test_a_truncated_document_is_refused(compress: Callable[[bytes], bytes]) -> None:
    compressed = compress(CONTENT)
    for length in (7, len(compressed) // 2, len(compressed) - 1):
        with pytest.raises(BadFeed, match="a document"):
            read(compressed[:length])


@given(st.sampled_from(sorted(COMPRESSIONS)), st.integers(10, 10_000), st.integers(1, 255))
def test_a_damaged_document_is_refused_or_reads_as_it_was(name: str, place: int, change: int) -> None:
    compressed = bytearray(COMPRESSIONS[name](CONTENT[:10_000]))
    compressed[place % len(compressed)] ^= change
    try:
        found = read(bytes(compressed), limit=1 << 20)
    except BadFeed:
        return
    assert len(found) <= 1 << 20


@each_compression
def test_garbage_behind_the_end_is_refused(compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadFeed):
        read(compress(b"one") + b"<html>" * 20)


@each_compression
def test_a_bomb_is_refused_in_bounded_memory(compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(64 << 20))
    tracemalloc.start()
    stream = inflated(io.BytesIO(bomb), "a bomb", limit=32 << 20)
    with pytest.raises(BadFeed, match="more than"):
        sum(map(len, iter(lambda: stream.read(1 << 16), b"")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20  # xz has a dictionary of 8 MB


def test_a_broken_connection_is_no_damage() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise Unavailable("the connection broke")

    with pytest.raises(Unavailable):
        inflated(Broken(), "a document").read()  # type: ignore[arg-type]  # it reads as BinaryIO does
