"""A member is held in memory, on disk or by its ends, and read at any place of it."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.archives.bytestream import ByteStream
from eclair.image import content
from eclair.image.content import Ends, held

BYTES = random.Random(0).randbytes(3000)


def stream(size: int, given: bytes = BYTES) -> ByteStream:
    def blocks() -> Iterator[bytes]:
        yield from (given[start : start + size] for start in range(0, len(given), size))

    return ByteStream(blocks(), "stream")


@given(st.integers(1, 4000), st.integers(0, 50), st.integers(0, 3500), st.integers(0, 3500), st.integers(0, 3500))
def test_any_part_is_read_however_it_came(block: int, before: int, size: int, offset: int, length: int) -> None:
    source = stream(block)
    source.take(before)
    expected = BYTES[before : before + size]
    with held(source, size) as some:
        assert some.read_at(offset, length) == expected[offset : offset + length]
        file = some.file()
        assert file.read() == expected
        assert file.seek(0) == 0
    assert source.take(5) == BYTES[before + size : before + size + 5]


@pytest.mark.parametrize("limit", [0, 10_000])
def test_files_above_the_limit_are_held_on_disk(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "IN_MEMORY", limit)
    with held(stream(700), 2900) as some:
        assert isinstance(some, content.Pieces) is bool(limit)
        assert some.read_at(690, 20) == BYTES[690:710]
        assert some.read_at(2890, 50) == BYTES[2890:2900]
        assert some.read_at(2**70, 5) == b""
        assert some.file().read() == BYTES[:2900]


def test_of_what_is_too_large_the_ends_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_TAIL", 1000)
    source = stream(700)
    some = Ends(source, 2900, 64)
    assert some.read_at(0, 64) == BYTES[:64]
    assert some.read_at(60, 10) == BYTES[60:64]
    assert some.read_at(500, 10) == b""
    assert some.read_at(1899, 1) == b""
    assert some.read_at(1900, 1000) == BYTES[1900:2900]
    assert source.take(3) == BYTES[2900:2903]


def test_ends_of_what_ends_early_are_what_there_is() -> None:
    some = Ends(stream(700), 10**9, 64)
    assert some.read_at(10**9 - 10, 5) == b""
