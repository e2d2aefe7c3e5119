"""What does a huge XML document hold, element by element, in the memory of one element?

The format is XML 1.0 with namespaces; elements are told apart by their local names, since vendors differ in prefixes.
A document type declaration is refused: no advisory format has one, and with it goes every entity trick (billion laughs,
external entities). The parser is the standard library's expat, asked directly, because `xml.etree` hides the hook.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import BinaryIO, Final, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from eclair.errors import BadFeed

CHUNK: Final = 1 << 18
DEPTH_LIMIT: Final = 64
ELEMENT_LIMIT: Final = 32 << 20
"""An element with more characters or attributes than this is refused; the largest known has 3 million."""

_NAMESPACE_END: Final = "}"
_ELEMENT: Final = 128
"""What an element takes in memory, whatever it holds."""


def elements(stream: BinaryIO, root: str, names: Collection[str], *, limit: int = ELEMENT_LIMIT) -> Iterator[Element]:
    """Yield the outermost elements of these local names, complete, in the order of their ends.

    Raises `BadFeed` where the document is no XML or its root has another name.
    """
    reading = _Reading(root, frozenset(names), limit)
    while chunk := stream.read(CHUNK):
        yield from reading.feed(chunk)
    yield from reading.feed(b"", final=True)


def text_of(element: Element, *path: str) -> str:
    """Return the text of the first descendant on a path of local names, stripped; nothing where there is none."""
    found = element.find("/".join(path)) if path else element
    return (found.text or "").strip() if found is not None else ""


class _Reading:
    """One pass over a document; elements outside of those asked for leave no trace."""

    def __init__(self, root: str, names: frozenset[str], limit: int) -> None:
        self._root = root
        self._names = names
        self._limit = limit
        self._depth = 0
        self._outermost = 0
        self._size = 0
        self._fed = 0
        self._builder: TreeBuilder | None = None
        self._found: list[Element] = []
        self._parser = expat.ParserCreate(namespace_separator=_NAMESPACE_END)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = _refuse_doctype

    def feed(self, chunk: bytes, *, final: bool = False) -> Iterator[Element]:
        """Yield the elements that end in this chunk."""
        try:
            self._parser.Parse(chunk, final)
        except BadFeed:
            raise
        except (expat.ExpatError, LookupError, ValueError) as error:  # the latter for encodings
            raise BadFeed(f"not an XML document that can be read: {error}") from error
        self._fed += len(chunk)
        # A tag or comment that does not end is kept by the parser, not by us.
        if self._fed - self._parser.CurrentByteIndex > self._limit:
            raise BadFeed(f"an XML document with a tag or comment of more than {self._limit} bytes")
        found, self._found = self._found, []
        yield from found

    def _start(self, qualified: str, attributes: Mapping[str, str]) -> None:
        name = qualified.rpartition(_NAMESPACE_END)[2]
        if not self._depth and name != self._root:
            raise BadFeed(f"an XML document of another kind: its root is {name!r}, not {self._root!r}")
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise BadFeed(f"an XML document with elements nested more than {DEPTH_LIMIT} deep")
        if self._builder is None:
            if name not in self._names:
                return
            self._builder = TreeBuilder()
            self._outermost = self._depth
            self._size = 0
        self._grow(_ELEMENT + len(name) + sum(map(len, attributes)) + sum(map(len, attributes.values())))
        self._builder.start(name, dict(attributes))

    def _end(self, qualified: str) -> None:
        if self._builder is not None:
            self._builder.end(qualified.rpartition(_NAMESPACE_END)[2])
            if self._depth == self._outermost:
                self._found.append(self._builder.close())
                self._builder = None
        self._depth -= 1

    def _data(self, data: str) -> None:
        if self._builder is not None:
            self._grow(len(data))
            self._builder.data(data)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            raise BadFeed(f"an XML element with more than {self._limit} characters")


def _refuse_doctype(name: str, *_: object) -> NoReturn:
    raise BadFeed("an XML document with a document type declaration, which no advisory has")
