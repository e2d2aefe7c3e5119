"""Layers that differ from the hostile ones in some bytes, with checksums put right so that more of them is read."""

import gzip
import io
import random
from collections.abc import Iterator
from functools import cache
from typing import Final

import zstandard

from eclair import ecosystems
from eclair.coalesce import coalesce
from eclair.errors import BadImage
from eclair.image.filesystem import Limits, read_layer
from tests.hostile.layers import cases
from tests.tars import reference

_BLOCK: Final = 512
_LARGEST: Final = 64 * 1024
_LIMITS: Final = Limits(
    inflated=64 * 1024**2, ratio_from=16 * 1024**2, members=20_000, paths=10**7, files=500, packages=5000, links=500
)


def survive(blob: bytes) -> None:
    """Read a layer and stack it; anything but that it is read or refused is raised."""
    try:
        layer = read_layer(io.BytesIO(blob), reference(blob), ecosystems.readers(), _LIMITS, lambda: io.BytesIO(blob))
        coalesce([layer, layer])
    except BadImage:
        return


def blob_of(content: bytes) -> bytes:
    """Return the blob that is written so: the first byte says how the rest is made one."""
    how, rest = content[:1], content[1:]
    match how:
        case b"\1":
            return with_checksums(rest)
        case b"\2":
            return gzip.compress(with_checksums(rest), 1)
        case b"\3":
            return zstandard.compress(with_checksums(rest), 1)
        case _:
            return rest


def with_checksums(content: bytes) -> bytes:
    """Return a tar with the right checksum in all that looks like a header."""
    tar = bytearray(content)
    for start in range(0, len(tar) - _BLOCK + 1, _BLOCK):
        if tar[start + 257 : start + 262] == b"ustar":
            tar[start + 148 : start + 156] = b" " * 8
            tar[start + 148 : start + 156] = b"%06o\0 " % sum(tar[start : start + _BLOCK])
    return bytes(tar)


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """Yield blobs that are cases with up to eight changes, or two cases joined."""
    chance = random.Random(seed)
    small = _small()
    for _ in range(count):
        content = bytearray(chance.choice(small))
        for _ in range(chance.randrange(1, 9)):
            _change(content, chance)
        if chance.random() < 0.2:
            cut = chance.randrange(0, len(content) + 1, _BLOCK) if len(content) >= _BLOCK else 0
            content[cut:] = chance.choice(small)
        yield blob_of(bytes((chance.choice((0, 1, 1, 1, 2, 3)),)) + content)


@cache
def _small() -> tuple[bytes, ...]:
    return tuple(blob for blob in (case.make() for case in cases()) if len(blob) <= _LARGEST)


_WORDS: Final = (
    b"\0",
    b"\xff",
    b"/",
    b"..",
    b".wh.",
    b"7",
    b"8",
    b"\x80",
    b"path=",
    b"size=",
    b"L",
    b"S",
    b"x",
    b"1",
    b"2",
)


def _change(content: bytearray, chance: random.Random) -> None:
    position = chance.randrange(len(content) + 1)
    match chance.randrange(5):
        case 0:
            word = chance.choice(_WORDS)
            content[position : position + len(word)] = word
        case 1:
            content[position : position + 1] = chance.randbytes(1)
        case 2:
            content[position : position + chance.choice((1, 512, 1024))] = b""
        case 3:
            length = chance.choice((1, 12, 512))
            content[position:position] = content[:length] or b"\0"
        case _:
            block = position // _BLOCK * _BLOCK
            field = block + chance.choice((0, 124, 156, 157, 329, 345))
            content[field : field + 1] = chance.choice(
                (b"0", b"1", b"2", b"5", b"L", b"K", b"x", b"g", b"S", b"\0", b"\xff")
            )
