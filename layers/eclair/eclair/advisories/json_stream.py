"""What does a huge JSON document hold, entry by entry, in the memory of one entry?

The format is RFC 8259. What the standard library accepts beyond it (NaN, Infinity, repeated keys) is refused, since two
readers of such a document may see two different things. A byte order mark is tolerated.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from eclair.errors import BadFeed

CHUNK = 1 << 20
ENTRY_LIMIT = 64 << 20
"""An entry of more characters is refused; the largest known (linux in the Debian tracker) has 10 million."""

_SPACE = re.compile(r"[ \t\n\r]*")
_LONGEST_LITERAL = len("-Infinity")


def members(stream: BinaryIO, *path: str, limit: int = ENTRY_LIMIT) -> Iterator[tuple[str, object]]:
    """Yield the members of the JSON object at the path (of keys), in their order. Raises `BadFeed`."""
    text = _Text(stream, limit)
    yield from _members_at(text, path)
    text.finish()


def elements(stream: BinaryIO, *path: str, limit: int = ENTRY_LIMIT) -> Iterator[object]:
    """Yield the elements of the JSON array at the path (of keys), in their order. Raises `BadFeed`."""
    text = _Text(stream, limit)
    yield from _elements_at(text, path)
    text.finish()


class _Text:
    """A window on the decoded document that moves forward only."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
        self._window = ""
        self._at = 0
        self._dropped = 0
        self._ended = False

    def peek(self) -> str:
        """Return the next character that is no white space; the empty string at the end."""
        while True:
            space = _SPACE.match(self._window, self._at)
            assert space is not None, "the pattern matches the empty string"
            self._at = space.end()
            if self._at < len(self._window) or not self._read():
                return self._window[self._at : self._at + 1]

    def take(self, expected: str) -> str:
        """Pass over one of the expected characters and return it."""
        found = self.peek()
        if not found or found not in expected:
            self._refuse(f"expected {' or '.join(expected)}", self._at)
        self._at += 1
        return found

    def key(self) -> str:
        if self.peek() != '"':
            self._refuse("expected a member name", self._at)
        key = self.value()
        assert isinstance(key, str), "what begins with a quotation mark is a string"
        return key

    def value(self) -> object:
        """Return the next value; read on, twice as much each time, until the window holds all of it."""
        self.peek()
        while True:
            try:
                value, end = self._json.raw_decode(self._window, self._at)
            except json.JSONDecodeError as error:
                if not self._cut_off(error) or not self._read():
                    self._refuse(error.msg, error.pos)
            except RecursionError:
                self._refuse("nested too deeply", self._at)
            except ValueError as error:
                self._refuse(str(error), self._at)
            else:
                # A number that touches the end of the window may go on.
                if end < len(self._window) or not self._read():
                    self._at = end
                    return value

    def finish(self) -> None:
        """Make sure that nothing follows."""
        if self.peek():
            self._refuse("expected the end of the document", self._at)

    def _cut_off(self, error: json.JSONDecodeError) -> bool:
        """Say whether more text could mend the error."""
        return error.msg.startswith("Unterminated string") or error.pos + _LONGEST_LITERAL > len(self._window)

    def _read(self) -> bool:
        """Drop what was passed and read at least as much as is left; return whether there was more."""
        if self._ended:
            return False
        left = len(self._window) - self._at
        if left > self._limit:
            self._refuse(f"an entry is larger than {self._limit} characters", self._at)
        chunks = [self._window[self._at :]]
        self._dropped += self._at
        self._at = 0
        wanted = max(left, CHUNK)
        while wanted > 0 and not self._ended:
            chunk = self._stream.read(min(wanted, CHUNK))
            self._ended = not chunk
            wanted -= len(chunk)
            chunks.append(self._decoded(chunk))
        self._window = "".join(chunks)
        return len(self._window) > left or not self._ended

    def _decoded(self, chunk: bytes) -> str:
        try:
            return self._decode.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise BadFeed(f"not a JSON document: not UTF-8 ({error.reason})") from error

    def _refuse(self, reason: str, position: int) -> NoReturn:
        offset = self._dropped + position
        if self._dropped == 0 and not self._window.strip():
            raise BadFeed("not a JSON document: it is empty")
        if self._dropped == 0 and self._window.lstrip().startswith("<"):
            raise BadFeed("not a JSON document: it begins with '<', as HTML and XML do")
        if position >= len(self._window):
            raise BadFeed(f"not a whole JSON document: it is cut off at character {offset} ({reason})")
        raise BadFeed(f"not a JSON document: {reason} at character {offset}")


def _members_at(text: _Text, path: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for key in _keys(text, *path[:1]):
        if not path:
            yield key, text.value()
        elif key == path[0]:
            yield from _members_at(text, path[1:])
        else:
            text.value()


def _elements_at(text: _Text, path: tuple[str, ...]) -> Iterator[object]:
    if not path:
        yield from _elements(text)
        return
    for key in _keys(text, path[0]):
        if key == path[0]:
            yield from _elements_at(text, path[1:])
        else:
            text.value()


def _keys(text: _Text, *required: str) -> Iterator[str]:
    """Yield the keys of an object; the value after each is the consumer's to take."""
    seen: set[str] = set()
    text.take("{")
    end = text.take("}") if text.peek() == "}" else ""
    while not end:
        key = text.key()
        if key in seen:
            raise BadFeed(f"not a JSON document: the member {key[:80]!r} is there twice")
        seen.add(key)
        text.take(":")
        yield key
        end = text.take(",}").strip(",")
    for key in required:
        if key not in seen:
            raise BadFeed(f"not the expected JSON document: it has no member {key!r}")


def _elements(text: _Text) -> Iterator[object]:
    text.take("[")
    end = text.take("]") if text.peek() == "]" else ""
    while not end:
        yield text.value()
        end = text.take(",]").strip(",")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same member twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
