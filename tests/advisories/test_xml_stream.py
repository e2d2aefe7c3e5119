"""Elements come complete and one by one; what could harm is refused."""

import io
import tracemalloc
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.advisories.xml_stream import elements, text_of
from eclair.errors import BadFeed
from tests.feeds.said import NO_XML, xml_attacks


def read(content: bytes, *names: str, limit: int = 1 << 20) -> list[str]:
    found = elements(io.BytesIO(content), "root", names, limit=limit)
    return [f"{element.tag} {sorted(element.attrib.items())} {text_of(element)}" for element in found]


class Endless(io.RawIOBase):
    """A beginning, then blocks without end."""

    def __init__(self, start: bytes, block: bytes) -> None:
        super().__init__()
        self._start = start
        self._block = block
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        block, self._start = self._start or self._block, b""
        self.given += len(block)
        return block


def test_elements_are_found_by_their_local_names() -> None:
    content = b'<x:root xmlns:x="urn:x"><x:a id="1">one</x:a><b><a xmlns="urn:y"> two\n</a></b></x:root>'
    assert read(content, "a") == ["a [('id', '1')] one", "a [] two"]


def test_only_the_outermost_of_nested_elements_is_yielded() -> None:
    [outer] = elements(io.BytesIO(b"<root><a><a>in</a><c>text</c></a></root>"), "root", {"a", "c"})
    assert [child.tag for child in outer] == ["a", "c"]
    assert (text_of(outer, "a"), text_of(outer, "missing")) == ("in", "")


def test_a_declared_encoding_is_honoured() -> None:
    content = '<?xml version="1.0" encoding="iso-8859-1"?><root><a>é</a></root>'.encode("latin-1")
    assert read(content, "a") == ["a [] é"]


@pytest.mark.parametrize("content", [*NO_XML.values(), *xml_attacks("root").values()], ids=[*NO_XML, "lol", "entity"])
def test_what_is_no_document_of_the_kind_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        read(content, "a")


@given(st.integers(0, 45))
def test_a_document_that_ends_early_is_refused(length: int) -> None:
    content = b"<root><a id='1'>one</a><a>two</a><b/></root>"
    with pytest.raises(BadFeed):
        read(content[: min(length, len(content) - 1)], "a")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(BadFeed, match="deep"):
        read(b"<root>" + b"<a>" * 1000 + b"</a>" * 1000 + b"</root>", "a")


@pytest.mark.parametrize(
    ("start", "block"),
    [
        (b"<root><a>", b"text " * 10_000),
        (b"<root><a>", b"<b/>" * 10_000),
        (b"<root><a>", b"<b c='d'/>" * 10_000),
        (b"<root><!--", b"comment" * 10_000),
        (b"<root><a b='", b"value" * 10_000),
        (b"<", b"name" * 10_000),
    ],
    ids=["text", "elements", "attributes", "comment", "attribute", "name"],
)
def test_what_has_no_end_is_refused_in_bounded_memory(start: bytes, block: bytes) -> None:
    stream = Endless(start, block)
    tracemalloc.start()
    with pytest.raises(BadFeed, match="more than"):
        list(elements(stream, "root", {"a"}, limit=1 << 20))  # type: ignore[arg-type]  # it reads as BinaryIO does
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stream.given < 8 << 20
    assert peak < 16 << 20


def test_memory_does_not_grow_with_the_document() -> None:
    def peak(count: int) -> int:
        stream: BinaryIO = io.BytesIO(b"<root>" + b"<a id='1'><b>text</b></a><c>passed over</c>" * count + b"</root>")
        tracemalloc.start()  # the document itself does not count
        assert sum(1 for _ in elements(stream, "root", {"a"})) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20_000) < 1.5 * peak(7_000)


def test_elements_come_before_the_document_ends() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"<root><a>first</a>"
        pytest.fail("the first element needs no more")

    class Lazy(io.RawIOBase):
        source = blocks()

        def read(self, size: int = -1) -> bytes:
            return next(self.source)

    found = elements(Lazy(), "root", {"a"})  # type: ignore[arg-type]  # it reads as BinaryIO does
    assert next(found).text == "first"
