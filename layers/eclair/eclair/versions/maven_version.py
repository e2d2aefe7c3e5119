"""Which of two Maven versions is newer?

Specification: `ComparableVersion` of maven-artifact, from Maven 3.8.7 to 3.9 (earlier, `1.rc1` was not `1-rc1`);
https://maven.apache.org/pom.html#version-order-specification describes it. Only ASCII digits are digits, as in Maven 4.

A version is levels of numbers and texts, each within the one before; a hyphen, and a change between letters and digits,
opens a level. Versions are compared item by item, and where one has ended the other is compared with nothing, which
equals zero, the word `final` and the opening of a level. So the order is not transitive (`1 > 1.0.alpha.2 > 1-1 > 1`).
It is among regular versions, in which only the first item of a level is a text and no level is empty: these have keys.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import zip_longest
from typing import Final

from eclair.errors import BadVersion
from eclair.versions.version_key import LONGEST, number, quoted

_TOKEN: Final = re.compile(r"[0-9]++|[^0-9.-]++|[.-]")
_SEPARATORS: Final = frozenset((".", "-"))
_DIGITS: Final = frozenset("0123456789")

_Item = tuple[int, int, bytes]
"""The kind, the value and, of a text that is none of the words, the text: items order as these do."""

_TEXT: Final = 0
_LEVEL: Final = 1
_NUMBER: Final = 2

_ALPHA, _BETA, _MILESTONE, _RC, _SNAPSHOT, _RELEASE, _SP, _OTHER = range(8)
_WORDS: Final = {
    "alpha": _ALPHA,
    "beta": _BETA,
    "milestone": _MILESTONE,
    "rc": _RC,
    "cr": _RC,
    "snapshot": _SNAPSHOT,
    "ga": _RELEASE,
    "final": _RELEASE,
    "release": _RELEASE,
    "sp": _SP,
}
_LETTERS_BEFORE_DIGITS: Final = {"a": _ALPHA, "b": _BETA, "m": _MILESTONE}

_NOTHING: Final[tuple[_Item, ...]] = ((_TEXT, _RELEASE, b""), (_LEVEL, 0, b""), (_NUMBER, 0, b""))
"""What an item is compared with, by its kind, where the other version has ended."""
_OPENING: Final = _NOTHING[_LEVEL]

# The tags of a key: an end stands among the texts as the word `final` would, a level on either side of it.
_PRERELEASE_LEVEL_TAG: Final = b"\x10"
_TEXT_TAG: Final = 0x11
_END: Final = bytes((_TEXT_TAG + _RELEASE,))
_OTHER_LEVEL_TAG: Final = b"\x20"
_ZERO: Final = 0x40


def compare(one: str, other: str) -> int:
    """Return -1, 0 or 1 as the first version is older than the other, the same, or newer.

    Raises `BadVersion` for what is no version at all.
    """
    for left, right in zip_longest(_items(one), _items(other)):
        mine = left or _NOTHING[right[0]]
        its = right or _NOTHING[left[0]]
        if mine != its:
            return -1 if mine < its else 1
    return 0


def key(version: str) -> bytes:
    """Return the byte key of a regular version. Raises `BadVersion` for any other."""
    levels = _levels(version)
    if not all(map(_is_regular, levels)):
        raise BadVersion(f"{quoted(version)} has no place among other Maven versions: it can only be compared")
    return b"".join(_tokens(levels))


def _is_regular(level: list[_Item]) -> bool:
    return bool(level) and level[0] != _NOTHING[_TEXT] and all(kind == _NUMBER for kind, _, _ in level[1:])


def _tokens(levels: list[list[_Item]]) -> Iterator[bytes]:
    for depth, level in enumerate(levels):
        if depth:
            yield _PRERELEASE_LEVEL_TAG if level[0] < _NOTHING[_TEXT] else _OTHER_LEVEL_TAG
        yield from map(_token, level)
    yield _END


def _token(item: _Item) -> bytes:
    kind, value, text = item
    if kind == _NUMBER:
        return number(value, zero=_ZERO)
    tag = bytes((_TEXT_TAG + value,))
    return tag + text + b"\x00" if value == _OTHER else tag


@lru_cache(maxsize=4096)
def _items(version: str) -> tuple[_Item, ...]:
    """Return the items of all levels, and between two levels the opening of the second."""
    items = []
    for level in _levels(version):
        items += [*level, _OPENING]
    return tuple(items[:-1])


def _levels(version: str) -> list[list[_Item]]:
    """Return the levels without what is nothing at the end of each, and without empty ones at the end."""
    if not version or len(version) > LONGEST or "\x00" in version:
        raise BadVersion(f"{quoted(version)} is no Maven version: it has 1 to {LONGEST} characters, none of them NUL")
    levels = _parsed(_TOKEN.findall(version.lower()))
    for level in levels:
        while level and level[-1] in _NOTHING:
            level.pop()
    while levels and not levels[-1]:
        levels.pop()
    return levels


def _parsed(pieces: list[str]) -> list[list[_Item]]:
    levels: list[list[_Item]] = [[]]
    before = "."
    for piece, after in zip(pieces, (*pieces[1:], ""), strict=True):
        if piece in _SEPARATORS:
            if before in _SEPARATORS:
                levels[-1].append(_NOTHING[_NUMBER])
            opens = piece == "-"
        elif piece[0] in _DIGITS:
            levels[-1].append((_NUMBER, int(piece), b""))
            opens = after not in _SEPARATORS
        else:
            last_or_before_digits = after not in _SEPARATORS
            if last_or_before_digits and levels[-1]:
                levels.append([])
            levels[-1].append(_text(piece, before_digits=after[:1] in _DIGITS))
            opens = last_or_before_digits
        if opens:
            levels.append([])
        before = piece
    return levels


def _text(piece: str, *, before_digits: bool) -> _Item:
    word = _LETTERS_BEFORE_DIGITS.get(piece) if before_digits else None
    value = _WORDS.get(piece, _OTHER) if word is None else word
    return _TEXT, value, piece.encode(errors="surrogatepass") if value == _OTHER else b""
