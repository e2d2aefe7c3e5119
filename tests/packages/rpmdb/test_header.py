"""The tags of a package header."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadInput
from eclair.packages.rpmdb import header as tags
from eclair.packages.rpmdb.header import Header
from tests.rpm_databases import Value, header, signed

GENUINE: dict[int, Value] = {
    tags.NAME: "bash",
    tags.EPOCH: 4,
    tags.BASE_NAMES: ["a", "", "ä"],
    tags.DIRECTORY_INDEXES: [0, 1, 2**32 - 1],
}


def test_values_are_read_by_their_tags() -> None:
    read = Header(header(GENUINE))
    assert read.string(tags.NAME) == b"bash"
    assert read.integers(tags.EPOCH) == (4,)
    assert read.strings(tags.BASE_NAMES) == [b"a", b"", "ä".encode()]
    assert read.integers(tags.DIRECTORY_INDEXES) == (0, 1, 2**32 - 1)


def test_what_is_not_there_is_empty() -> None:
    read = Header(header({}))
    assert (read.string(tags.NAME), read.strings(tags.BASE_NAMES), read.integers(tags.EPOCH)) == (b"", [], ())


def test_of_two_entries_the_later_one_counts() -> None:
    content = bytearray(header({tags.NAME: "old", tags.VENDOR: "new"}))
    struct.pack_into(">I", content, 8 + 16, tags.NAME)
    assert Header(bytes(content)).string(tags.NAME) == b"new"


def test_a_value_of_another_type_is_refused() -> None:
    read = Header(header(GENUINE))
    for ask in (lambda: read.string(tags.EPOCH), lambda: read.strings(tags.EPOCH), lambda: read.integers(tags.NAME)):
        with pytest.raises(BadInput):
            ask()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 7, struct.pack(">II", 1, 0), struct.pack(">II", 0, 1), struct.pack(">II", 2**32 - 1, 2**32 - 1)],
)
def test_what_has_no_index_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput):
        Header(content)


def entry(kind: int, offset: int, count: int, data: bytes = b"abc\x00def\x00") -> Header:
    """Return a header with one tag that says this of itself."""
    return Header(struct.pack(">IIIIII", 1, len(data), tags.NAME, kind, offset, count) + data)


@pytest.mark.parametrize("offset", [8, 9, 2**31, 2**32 - 1])
def test_an_offset_out_of_the_data_is_refused(offset: int) -> None:
    for ask in (
        lambda: entry(6, offset, 1).string(tags.NAME),
        lambda: entry(8, offset, 1).strings(tags.NAME),
        lambda: entry(4, offset, 1).integers(tags.NAME),
    ):
        with pytest.raises(BadInput):
            ask()


@pytest.mark.parametrize("count", [3, 2**20, 2**20 + 1, 2**32 - 1])
def test_a_count_that_lies_is_refused(count: int) -> None:
    with pytest.raises(BadInput):
        entry(8, 0, count).strings(tags.NAME)
    with pytest.raises(BadInput):
        entry(4, 0, count).integers(tags.NAME)


def test_a_string_ends() -> None:
    with pytest.raises(BadInput):
        entry(6, 0, 1, b"never").string(tags.NAME)
    with pytest.raises(BadInput):
        entry(6, 0, 1, b"x" * 5000 + b"\x00").string(tags.NAME)


# --- the digest ------------------------------------------------------------------------------------------------------


def test_a_header_is_intact_while_its_digest_fits() -> None:
    whole = signed(GENUINE)
    assert Header(whole).is_intact
    assert Header(whole).string(tags.NAME) == b"bash"
    assert not Header(whole.replace(b"bash", b"dash")).is_intact


def test_a_header_without_a_digest_cannot_be_told_from_an_intact_one() -> None:
    assert Header(header(GENUINE)).is_intact


@given(st.integers(0, len(signed(GENUINE)) - 1), st.integers(1, 255))
def test_no_byte_can_change_unseen(place: int, change: int) -> None:
    """But for what rpm itself does not sign: where the digest stands in the index."""
    content = bytearray(signed(GENUINE))
    content[place] ^= change
    try:
        read = Header(bytes(content))
        same = read.string(tags.NAME) == b"bash" and read.strings(tags.BASE_NAMES) == [b"a", b"", "ä".encode()]
    except BadInput:
        return
    assert same or not read.is_intact


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(content: bytes) -> None:
    try:
        read = Header(content)
    except BadInput:
        return
    assert read.is_intact in (True, False)
