"""What does the table of contents of a seekable layer say: which files it has, and where their content lies?

Formats: eStargz (https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md), whose last bytes name the
place of `stargz.index.json`, and zstd:chunked of containers/storage, whose manifest is named by annotations of the
layer. Either table is pinned by a digest that the image's manifest carries, and in its turn names the digest of each
file; so what is read by it is what the manifest means. A table that breaks its own rules is `Unfit`: the layer is then
read as a stream.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import orjson

from eclair.archives import tar
from eclair.archives.bytestream import ByteStream
from eclair.archives.inflate import inflated
from eclair.errors import BadImage
from eclair.image.oci import CHUNKED_DIGEST, CHUNKED_POSITION, ESTARGZ_DIGEST
from eclair.model import LayerReference

LARGEST: Final = 64 * 1024**2
"""Bytes of a table; one of a layer with 100,000 files has some 30 million."""
LARGEST_CHUNK: Final = 64 * 1024**2
"""Bytes that one chunk inflates to; builders make them of some megabytes."""
_FOOTER: Final = 51
_FOOTER_OFFSET: Final = re.compile(rb"SG\x16\x00([0-9a-f]{16})STARGZ")
_POSITION: Final = re.compile(r"([0-9]{1,15}):([0-9]{1,15}):([0-9]{1,15}):1", re.ASCII)
_TYPES: Final = {
    "dir": tar.DIRECTORY,
    "reg": tar.REGULAR,
    "symlink": tar.SYMBOLIC_LINK,
    "hardlink": tar.HARD_LINK,
    "char": tar.CHARACTER_DEVICE,
    "block": b"4",
    "fifo": b"6",
}
_CHUNK: Final = "chunk"

Part = Callable[[int, int], bytes]
"""Fetches so many bytes of the blob from an offset on."""


class Unfit(Exception):
    """The layer cannot be read by its table of contents; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A part of a file: `start` to `end` of the blob inflate to it, from byte `inner` on; none for zeros."""

    start: int
    end: int
    inner: int
    size: int
    zeros: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A member of the layer's tar, with the digest (sha256, hexadecimal) and the chunks of a regular file."""

    member: tar.Member
    mode: int
    digest: str
    chunks: tuple[Chunk, ...]


def read_toc(reference: LayerReference, part: Part) -> tuple[Entry, ...] | None:
    """Return the entries of the layer's table in their order, None where the manifest pins none.

    Raises `Unfit`, and what fetching raises.
    """
    annotations = dict(reference.annotations)
    if ESTARGZ_DIGEST in annotations:
        return _read(_estargz(reference, part, annotations[ESTARGZ_DIGEST]))
    if CHUNKED_DIGEST in annotations and CHUNKED_POSITION in annotations:
        position = annotations[CHUNKED_POSITION]
        return _read(_chunked(reference, part, annotations[CHUNKED_DIGEST], position))
    return None


# --- where the table is ----------------------------------------------------------------------------------------------


def _estargz(reference: LayerReference, part: Part, digest: str) -> tuple[bytes, int]:
    """Return the table, and where the content of files ends."""
    if reference.size <= _FOOTER:
        raise Unfit("too small for a footer")
    start = reference.size - _FOOTER
    found = _FOOTER_OFFSET.search(part(start, _FOOTER))
    offset = int(found[1], 16) if found else -1
    if not 0 <= offset < start or start - offset > LARGEST:
        raise Unfit("the footer names no table")
    stream = ByteStream(_bounded(part(offset, start - offset)), f"layer {reference.digest}, table of contents")
    try:
        member = next(tar.members(stream), None)
        content = stream.take(member.size) if member is not None and member.size <= LARGEST else b""
    except BadImage as error:
        raise Unfit(str(error)) from error
    _check(content, digest)
    return content, offset


def _chunked(reference: LayerReference, part: Part, digest: str, position: str) -> tuple[bytes, int]:
    found = _POSITION.fullmatch(position)
    if found is None:
        raise Unfit(f"the position {position[:60]!r} cannot be read")
    offset, size, inflated_size = (int(number) for number in found.groups())
    if offset + size > reference.size or max(size, inflated_size) > LARGEST:
        raise Unfit(f"the position {position!r} is outside of the layer, or too large")
    stored = part(offset, size)
    _check(stored, digest)
    try:
        return b"".join(_bounded(stored)), offset
    except BadImage as error:
        raise Unfit(str(error)) from error


def _bounded(stored: bytes) -> Iterator[bytes]:
    """Inflate a table. Raises `BadImage` where it is damaged, `Unfit` where it is too large."""
    room = LARGEST
    for block in inflated(ByteStream(iter([stored]), "table of contents"), members=2):
        room -= len(block)
        if room < 0:
            raise Unfit(f"the table inflates to more than {LARGEST} bytes")
        yield block


def _check(content: bytes, digest: str) -> None:
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise Unfit("the table is not the one that the manifest names")


# --- what it says ----------------------------------------------------------------------------------------------------

_Object = Mapping[str, object]


def _read(table: tuple[bytes, int]) -> tuple[Entry, ...]:
    content, end = table
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unfit(f"the table is no JSON ({error})") from error
    listed = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(listed, list) or document.get("version") != 1:
        raise Unfit("the table has another version, or no entries")
    objects = [item for item in listed if isinstance(item, dict)]
    if len(objects) != len(listed):
        raise Unfit("an entry is no object")
    ends = _ends(objects, end)
    entries: list[Entry] = []
    chunks: list[Chunk] = []
    for item in reversed(objects):  # the chunks of a file follow it
        chunks += _chunks(item, ends, end)
        if item.get("type") != _CHUNK:
            entries.append(_entry(item, tuple(reversed(chunks))))
            chunks.clear()
    if chunks:
        raise Unfit("a chunk follows no file")
    return tuple(reversed(entries))


def _ends(objects: Sequence[_Object], end: int) -> Mapping[int, int]:
    """Return where each piece of content ends: where the next one begins."""
    starts = sorted({_number(item, "offset") for item in objects if item.get("offset")} | {end})
    return dict(pairwise(starts))


def _chunks(item: _Object, ends: Mapping[int, int], end: int) -> Iterator[Chunk]:
    kind = item.get("type")
    size = _number(item, "chunkSize") or _number(item, "size")
    if kind not in ("reg", _CHUNK) or not size:
        return
    if item.get("chunkType") == "zeros":
        yield from (Chunk(start=0, end=0, inner=0, size=some, zeros=True) for some in _pieces(size))
        return
    start = _number(item, "offset")
    stop = _number(item, "endOffset") or ends.get(start, 0)
    if not start < stop <= end:
        raise Unfit("a chunk lies outside of the layer")
    if size > LARGEST_CHUNK:
        raise Unfit(f"a chunk of {size} bytes")
    yield Chunk(start=start, end=stop, inner=_number(item, "innerOffset"), size=size)


def _pieces(size: int) -> Iterator[int]:
    while size:
        yield min(size, LARGEST_CHUNK)
        size -= min(size, LARGEST_CHUNK)


def _entry(item: _Object, chunks: tuple[Chunk, ...]) -> Entry:
    kind = _TYPES.get(str(item.get("type")))
    if kind is None:
        raise Unfit(f"an entry has the type {str(item.get('type'))[:20]!r}")
    size = _number(item, "size") if kind == tar.REGULAR else 0
    if sum(chunk.size for chunk in chunks) != size:
        raise Unfit("the chunks of a file are not all of it")
    digest = _text(item, "digest")
    if size and not digest.startswith("sha256:"):
        raise Unfit("a file has no digest of SHA-256")
    member = tar.Member(_path(item, "name"), kind, size, _device(item), _records(item))
    return Entry(member=member, mode=_number(item, "mode"), digest=digest.removeprefix("sha256:"), chunks=chunks)


def _records(item: _Object) -> dict[bytes, bytes]:
    """Return the link and the extended attributes as pax records have them."""
    records = {}
    link = _path(item, "linkName") or _path(item, "linkname")
    if link:
        records[b"linkpath"] = link
    attributes = item.get("xattrs")
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        try:
            records[b"SCHILY.xattr." + str(name).encode()] = base64.b64decode(str(value))
        except (binascii.Error, UnicodeEncodeError) as error:
            raise Unfit("an extended attribute cannot be read") from error
    return records


def _device(item: _Object) -> bytes:
    """Return a tar header that has nothing but the numbers of a device."""
    header = bytearray(tar.BLOCK)
    for place, name in ((329, "devMajor"), (337, "devMinor")):
        header[place : place + 8] = b"%07o\0" % (_number(item, name) & 0o7777777)
    return bytes(header)


def _number(item: _Object, key: str) -> int:
    value = item.get(key, 0)
    if not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise Unfit(f"{key} of an entry is no number")
    return value


def _text(item: _Object, key: str) -> str:
    value = item.get(key, "")
    if not isinstance(value, str):
        raise Unfit(f"{key} of an entry is no text")
    return value


def _path(item: _Object, key: str) -> bytes:
    try:
        path = _text(item, key).encode()
    except UnicodeEncodeError as error:
        raise Unfit(f"{key} of an entry is no Unicode text") from error
    if b"\0" in path:
        raise Unfit(f"{key} of an entry has a NUL in it")
    return path
