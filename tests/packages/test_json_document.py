"""JSON documents of images are read within bounds, as leniently as the programs that they belong to."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadDatabase
from eclair.packages.json_document import read_json, read_json_object
from tests.work import guarded

LARGEST = 20_000_000


def read(document: bytes) -> object:
    return read_json(io.BytesIO(document), LARGEST)


def test_a_document_is_read() -> None:
    assert read(b'{"a": [1, "\xc3\xa9", null]}') == {"a": [1, "é", None]}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read(b"\xef\xbb\xbf[]") == []


def test_what_is_not_utf8_is_replaced() -> None:
    assert read(b'{"author": "Jos\xe9", "name": "n"}') == {"author": "Jos�", "name": "n"}


def test_of_members_with_one_name_the_last_counts() -> None:
    assert read(b'{"a": 1, "a": 2}') == {"a": 2}


def test_a_document_of_just_the_size_is_read() -> None:
    assert read_json(io.BytesIO(b"[1]"), 3) == [1]
    with pytest.raises(BadDatabase, match="more than 2 bytes"):
        read_json(io.BytesIO(b"[1]"), 2)


HOSTILE = {
    "empty": b"",
    "html": b"<html>",
    "cut off": b'{"name": "x", "ver',
    "depth of arrays": b"[" * 900_000,
    "depth of objects": b'{"a":' * 900_000,
    "depth that is closed": b"[" * 400_000 + b"]" * 400_000,
    "many arrays": b"[" + b"[]," * 5_000_000 + b"[]]",
    "many numbers": b"[" + b"0," * 9_000_000 + b"0]",
    "many members": b"{" + b",".join(b'"%d":{}' % number for number in range(1_000_000)) + b"}",
    "a number of a megabyte": b"9" * 1_000_000,
    "a string that does not end": b'"' + b"\\" * 15_000_000,
    "blanks": b" " * LARGEST,
    "nothing but quotation marks": b'"' * LARGEST,
    "zeros": b"\0" * LARGEST,
    "too large": b" " * (LARGEST + 1),
    "utf-16": '{"a": 1}'.encode("utf-16"),
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_cannot_be_read_is_refused_soon(document: bytes) -> None:
    with guarded(), pytest.raises(BadDatabase, match="JSON document"):
        read(document)


@pytest.mark.parametrize("document", [b"[]", b'"a"', b"1", b"null"])
def test_an_object_may_be_demanded(document: bytes) -> None:
    with pytest.raises(BadDatabase, match="no object"):
        read_json_object(io.BytesIO(document), LARGEST)
    assert read_json_object(io.BytesIO(b'{"a": 1}'), LARGEST) == {"a": 1}


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    try:
        read(document)
    except BadDatabase as refusal:
        assert "JSON document" in str(refusal)  # noqa: PT017
