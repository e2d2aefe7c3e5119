"""Keys stay within DynamoDB's limits, order as what they stand for, and stay distinct."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eclair.adapters.dynamodb_keys import (
    LONGEST_PARTITION_KEY,
    LONGEST_SORT_KEY,
    UNREADABLE_ROWS,
    disjoint,
    framed,
    lower_argument,
    named,
    numbered,
    package_key,
    partition,
    upper_argument,
)
from eclair.errors import BadInput
from eclair.model import UNREADABLE, KeyRange, Kind, PackageKey

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LONG_TEXT = st.builds(lambda text, times: text * times, TEXT, st.sampled_from([1, 1, 60, 200]))
NUMBERS = st.lists(st.integers(0, 2**20), min_size=1, max_size=3)
LONG = bytes((0x11, 7)) * 600


def key(numbers: list[int]) -> bytes:
    """Return a prefix-free key: of each number its length and bytes; 01 ends it."""
    parts = (number.to_bytes((number.bit_length() + 7) // 8, "big") for number in numbers)
    return b"".join(bytes((0x10 + len(part),)) + part for part in parts) + b"\x01"


KEYS = st.builds(lambda numbers, long: (LONG if long else b"") + key(numbers), NUMBERS, st.booleans())
RANGES = st.builds(
    KeyRange,
    lower=st.one_of(st.just(b"\x00"), KEYS, KEYS.map(lambda end: end + b"\xff")),
    upper=st.one_of(st.just(b"\xff" * 8), KEYS, KEYS.map(lambda end: end + b"\xff")),
)


@given(LONG_TEXT)
def test_a_partition_key_is_never_too_long(name: str) -> None:
    assert len(partition("A", name).encode()) <= LONGEST_PARTITION_KEY
    assert partition("A", name) != partition("A", name + "x")


@given(LONG_TEXT)
def test_a_name_is_never_too_long(name: str) -> None:
    assert len(named("T", name)) <= LONGEST_SORT_KEY
    assert named("T", name) != named("T", name + "x")


@given(KEYS, LONG_TEXT, LONG_TEXT)
def test_a_framed_key_is_never_too_long(version: bytes, text: str, other: str) -> None:
    assert len(framed(version, text)) <= LONGEST_SORT_KEY
    if text != other:
        assert framed(version, text) != framed(version, other)


def test_text_that_is_not_unicode_names_nothing() -> None:
    for make in (lambda: partition("A", "\udcff"), lambda: named("\udcff"), lambda: framed(b"\x01", "\udcff")):
        with pytest.raises(BadInput, match="no Unicode text"):
            make()


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_numbers_order_as_numbers(one: int, other: int) -> None:
    assert (numbered(b"D", one) < numbered(b"D", other)) == (one < other)


@given(RANGES, KEYS, LONG_TEXT)
def test_a_query_finds_every_row_whose_key_lies_in_the_range(keys: KeyRange, version: bytes, suffix: str) -> None:
    """Also where keys are longer than a sort key may be: then perhaps more, and the full keys are compared."""
    found = lower_argument(keys.lower) <= framed(version, suffix) <= upper_argument(keys.upper)
    if version in keys:
        assert found
    elif len(framed(version, suffix)) < LONGEST_SORT_KEY and max(map(len, (keys.lower, keys.upper))) < 1000:
        assert not found


@given(RANGES, KEYS, st.text(max_size=30))
def test_a_query_from_a_version_on_finds_every_range_that_ends_after_it(
    keys: KeyRange, version: bytes, suffix: str
) -> None:
    if version in keys:
        assert framed(keys.upper, suffix.encode("utf-8", "replace").decode()) >= lower_argument(version + b"\x00")


@given(st.lists(RANGES, max_size=5), KEYS)
def test_joined_ranges_find_the_same_and_overlap_nowhere(ranges: list[KeyRange], version: bytes) -> None:
    row = framed(version, "x")
    joined = disjoint(ranges)
    asked = [(lower_argument(keys.lower), upper_argument(keys.upper)) for keys in ranges]
    hits = sum(keys.lower <= row <= keys.upper for keys in joined)
    assert hits == any(lower <= row <= upper for lower, upper in asked)
    assert all(one.upper < other.lower for one, other in pairwise(joined))


@given(KEYS, LONG_TEXT)
@example(b"\x10\x01", "x" * 1100 + "166")  # its digest begins with FF
def test_only_versions_without_a_key_stand_where_they_are_asked_for(version: bytes, text: str) -> None:
    assert UNREADABLE_ROWS.lower <= framed(UNREADABLE, text) <= UNREADABLE_ROWS.upper
    assert not UNREADABLE_ROWS.lower <= framed(version, text) <= UNREADABLE_ROWS.upper


@given(st.sampled_from(Kind), TEXT)
def test_a_package_key_is_read_as_it_was_written(kind: Kind, name: str) -> None:
    package = PackageKey(scheme="npm", namespace="npm", kind=kind, name=name)
    assert package_key(str(package)) == package
