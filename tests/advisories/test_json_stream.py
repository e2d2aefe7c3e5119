"""A huge JSON document is read entry by entry, and nothing but a whole and proper one is believed."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eclair.advisories.json_stream import CHUNK, elements, members
from eclair.errors import BadFeed


class Trickle(io.BytesIO):
    """A stream that gives a few bytes at a time, as a socket may."""

    def __init__(self, content: bytes, most: int) -> None:
        super().__init__(content)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._most if size is None or size < 0 else min(size, self._most))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES), st.integers(1, 7), st.booleans())
@example(document={"é\u2028😀": "\ud83d\ude00"}, size=1, ascii_only=False)
def test_the_members_are_those_of_the_whole_document(document: dict[str, object], size: int, ascii_only: bool) -> None:  # noqa: FBT001
    content = json.dumps(document, ensure_ascii=ascii_only, indent=size % 3).encode("utf-8", "surrogatepass")
    try:
        content.decode()
    except UnicodeDecodeError:
        with pytest.raises(BadFeed, match="not UTF-8"):
            list(members(Trickle(content, size)))
        return
    assert dict(members(Trickle(content, size))) == json.loads(content)


@given(st.lists(VALUES), st.integers(1, 7))
def test_the_elements_are_those_of_the_whole_document(document: list[object], size: int) -> None:
    content = json.dumps({"before": [1], "list": {"packages": document}, "after": {}}).encode()
    assert list(elements(Trickle(content, size), "list", "packages")) == document


@pytest.mark.parametrize("length", range(CHUNK - 12, CHUNK + 3))
def test_an_entry_may_lie_across_the_end_of_what_was_read(length: int) -> None:
    content = b'["' + b"x" * (length - 4) + b'", 1234567890, -1.5e10, true, "\\ud83d\\ude00"]'
    assert list(elements(io.BytesIO(content)))[1:] == [1234567890, -1.5e10, True, "😀"]


def test_an_entry_larger_than_what_is_read_at_once_is_read_whole() -> None:
    large = {"text": "é" * (5 * CHUNK)}
    content = json.dumps({"a": large, "b": 1}, ensure_ascii=False).encode()
    assert dict(members(io.BytesIO(content))) == {"a": large, "b": 1}


def test_a_byte_order_mark_is_tolerated() -> None:
    assert dict(members(io.BytesIO(b'\xef\xbb\xbf{"a": 1}'))) == {"a": 1}


def test_an_empty_container_has_no_entries() -> None:
    assert list(members(io.BytesIO(b" { } "))) == []
    assert list(elements(io.BytesIO(b"[]\n"))) == []


WHOLE = b'{"a": {"b": [1, "x", null]}, "c": "\xc3\xa9"}'


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_no_part_of_a_document_passes_for_the_whole(length: int) -> None:
    with pytest.raises(BadFeed):
        list(members(io.BytesIO(WHOLE[:length])))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"<!DOCTYPE html><html></html>", "begins with '<'"),
        (b'{"a": 1', "cut off at character 7"),
        (b'{"a": 1} x', "expected the end of the document at character 9"),
        (b'{"a": 1}{"a": 1}', "expected the end of the document"),
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b'{"a": {"b": 1, "b": 2}}', "same member twice"),
        (b'{"a": NaN}', "NaN is no JSON value"),
        (b'{"a": -Infinity}', "-Infinity is no JSON value"),
        (b'{"a": ' + b"9" * 5000 + b"}", "integer"),
        (b'{"a": "\n", "padding": "xxxxxxxxxxxx"}', "Invalid control character"),
        (b'{"a": 1,}', "expected a member name"),
        (b"{'a': 1}", "expected a member name"),
        (b'{"a" 1}', "expected :"),
        (b'{"a": 1 "b": 2}', "expected , or }"),
        (b"[1]", "expected {"),
        (b'"text"', "expected {"),
        (b'{"a": "\xe9"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": ' + b"[" * 200_000, "nested too deeply"),
        (b'{"a": ' + b'{"a":' * 200_000, "nested too deeply"),
    ],
)
def test_anything_but_a_proper_document_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(BadFeed, match=reason):
        list(members(io.BytesIO(content)))


def test_a_document_without_the_expected_member_is_refused() -> None:
    with pytest.raises(BadFeed, match="no member 'packages'"):
        list(elements(io.BytesIO(b'{"error": "maintenance"}'), "packages"))


def test_an_entry_beyond_the_limit_is_refused() -> None:
    endless = io.BytesIO(b'{"a": "' + b"x" * (8 * CHUNK))
    with pytest.raises(BadFeed, match=f"larger than {CHUNK} characters"):
        list(members(endless, limit=CHUNK))
    assert endless.tell() <= 4 * CHUNK


def test_a_malformed_entry_is_refused_without_reading_on() -> None:
    document = io.BytesIO(b'{"a": [1 2], "b": "' + b"x" * (8 * CHUNK))
    with pytest.raises(BadFeed, match="Expecting ',' delimiter at character 9"):
        list(members(document))
    assert document.tell() == CHUNK


def test_what_comes_before_a_break_is_read(shared_data: Path) -> None:
    tracker = shared_data / "mirror" / "security-tracker.debian.org" / "tracker" / "data" / "json"
    cut = io.BytesIO(tracker.read_bytes()[: 10 * CHUNK])
    read: list[str] = []
    with pytest.raises(BadFeed, match="Unterminated string"):
        read.extend(source for source, _ in members(cut))
    assert len(read) > 1000


def test_the_whole_debian_tracker_is_as_the_standard_library_reads_it(shared_data: Path) -> None:
    tracker = shared_data / "mirror" / "security-tracker.debian.org" / "tracker" / "data" / "json"
    with tracker.open("rb") as stream:
        whole = json.load(stream)
    with tracker.open("rb") as stream:
        assert all(whole.pop(source) == value for source, value in members(stream))
    assert whole == {}
