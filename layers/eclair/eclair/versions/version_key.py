"""What are the bytes of a number in a version key, which orders as byte strings do?

A version key is a sequence of tokens, each of which tells by itself where it ends, closed by an end token. So no key
is the beginning of another, and `key + suffix` keeps the order of the keys. A number is a tag, which grows with the
number of bytes that follow, and those bytes, without leading zeros.
"""

from typing import Final

LONGEST: Final = 1024
"""No real version comes near this many characters: 54 is the longest key found. A longer string is refused."""

_SHORT: Final = 61
"""A number of more bytes than this has its length written out."""


def number(value: int, *, zero: int) -> bytes:
    """Encode a number; `zero` is the tag of zero, and the tags up to `zero` + 62 are taken."""
    length = (value.bit_length() + 7) >> 3
    if length <= _SHORT:
        return bytes((zero + length,)) + value.to_bytes(length, "big")
    return bytes((zero + _SHORT + 1,)) + length.to_bytes(2, "big") + value.to_bytes(length, "big")


def quoted(version: str) -> str:
    """Write a version for a message; a long one is cut."""
    return repr(version if len(version) <= 60 else f"{version[:60]}…")
