"""Which members does a tar stream have?

Reads what POSIX.1-2001 calls ustar and pax interchange format (IEEE Std 1003.1, `pax`, EXTENDED DESCRIPTION), and what
the GNU tar manual calls GNU format (*Basic Tar Format*; long names, base-256 numbers, sparse files). Where readers
differ it does as Go's archive/tar does, because that is what unpacks images. The standard library's tarfile agrees but
takes many times longer per member.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol
from zlib import adler32

from eclair.errors import BadImage, LimitExceeded

BLOCK = 512

REGULAR = b"0"
HARD_LINK = b"1"
SYMBOLIC_LINK = b"2"
CHARACTER_DEVICE = b"3"
BLOCK_DEVICE = b"4"
DIRECTORY = b"5"
PIPE = b"6"
SPARSE = b"S"

_WITHOUT_CONTENT = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
_OLD_REGULAR = b"\0"
_CONTIGUOUS = b"7"
_PAX = frozenset((b"x", b"X"))
_PAX_GLOBAL = b"g"
_LONG_NAMES = {b"L": b"path", b"K": b"linkpath"}
_EXTENSIONS = _PAX.union(_LONG_NAMES, (_PAX_GLOBAL,))
_KEPT = frozenset(
    (
        b"path",
        b"linkpath",
        b"size",
        b"GNU.sparse.name",
        b"GNU.sparse.major",
        b"GNU.sparse.map",
        b"GNU.sparse.size",
        b"SCHILY.xattr.trusted.overlay.opaque",
        b"SCHILY.xattr.user.overlay.opaque",
    )
)
"""The pax keywords that change what is read; others are checked and dropped, so that nothing grows."""

_EXTENSION_LIMIT = 1024 * 1024
"""The largest pax header or long name in bytes, as in Go's archive/tar."""

_EXTENSIONS_LIMIT = 16
"""How many pax headers and long names may stand before one member."""

_BASE_256 = 0x80
_NEGATIVE = 0x40
_MAGNITUDE = (1 << 94) - 1
_LENGTH_DIGITS = 20
_LEADING = frozenset((b"/", b"."))
_ADLER_MODULUS = 65521
_SPACES = 8 * 0x20

_Records = Mapping[bytes, bytes]
_NONE: _Records = {}


class Source(Protocol):
    """What a tar is read from; see `ByteStream`."""

    @property
    def offset(self) -> int: ...

    @property
    def place(self) -> str: ...

    def take(self, size: int) -> bytes: ...

    def skip(self, size: int) -> bool: ...

    def skip_to(self, offset: int) -> bool: ...


class Member(NamedTuple):
    """One member: `path` as it is written, without changes; `records` are its pax records and GNU long names."""

    path: bytes
    type: bytes
    size: int
    header: bytes
    records: _Records

    @property
    def link(self) -> bytes:
        """Return the path that a link leads to."""
        return self.records.get(b"linkpath") or _text(self.header, 157, 257)

    @property
    def device(self) -> tuple[bytes, bytes]:
        """Return the major and minor number of a device, as their digits without leading zeros."""
        return self.header[329:337].strip(b"0 \0"), self.header[337:345].strip(b"0 \0")

    @property
    def sparse(self) -> bool:
        """Say whether the content is stored with holes left out."""
        return self.type == SPARSE or any(key.startswith(b"GNU.sparse.") for key in self.records)


def members(source: Source) -> Iterator[Member]:
    """Yield the members in order; while one is handled its content may be taken from the source, in part or whole.

    Reading stops at the end marker (or the end of the source), whatever follows it. Raises `BadImage`.
    """
    shared: _Records = _NONE
    records: _Records = _NONE
    extensions = 0
    while header := source.take(BLOCK):
        if not header[0] and header.count(0) == BLOCK:
            break
        _check(header, source)
        kind = header[156:157]
        size = 0 if kind in _WITHOUT_CONTENT else _size(header, source)
        if kind in _EXTENSIONS:
            extensions = _counted(extensions, source)
            body = _extension(size, source)
            if kind == _PAX_GLOBAL:
                shared = {**shared, **_pax(body, source)}
            elif kind in _PAX:
                records = {**records, **_pax(body, source)}
            else:
                records = {**records, _LONG_NAMES[kind]: _text(body, 0, len(body))}
            continue
        if shared:
            records = {**shared, **records}
        member = _member(header, kind, size, records, source)
        records, extensions = _NONE, 0
        if kind == SPARSE:
            _skip_sparse_map(header, source)
        end = source.offset + member.size + -member.size % BLOCK
        yield member
        if not source.skip_to(end):
            raise BadImage(f"{source.place}: the tar ends within {_shown(member.path)}; push the image again")


def normalised(path: bytes) -> bytes | None:
    """Return the path without leading, doubled or trailing slashes and `.` parts; None for one with `..`."""
    if path[:2] == b"./":
        path = path[2:]
    if path.find(b"/.") < 0 and path.find(b"//") < 0 and path[:1] not in _LEADING:
        return path.rstrip(b"/")
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    return None if b".." in parts else b"/".join(parts)


def _member(header: bytes, kind: bytes, size: int, records: _Records, source: Source) -> Member:
    path = _text(header, 0, 100)
    if header[345] and header[257:263] == b"ustar\0":
        path = _text(header, 345, 500) + b"/" + path
    if records:
        path = records.get(b"GNU.sparse.name") or records.get(b"path") or path
        if b"size" in records and kind not in _WITHOUT_CONTENT:
            size = _decimal(records[b"size"], source)
    if kind == _OLD_REGULAR:
        kind = DIRECTORY if path.endswith(b"/") else REGULAR
    elif kind == _CONTIGUOUS:
        kind = REGULAR
    return Member(path, kind, size, header, records)


def _check(header: bytes, source: Source) -> None:
    """Raise `BadImage` unless the header is whole and its checksum right."""
    if len(header) != BLOCK:
        raise BadImage(f"{source.place}: the tar ends within a header; push the image again")
    expected = _octal(header[148:154])
    if expected < 0:
        expected = _octal(header[148:156].strip(b" \0"))
    # Adler-32 holds the sum of the bytes plus one, and is the fastest way to it; the checksum itself counts as spaces.
    total = adler32(header[156:], adler32(header[:148])) & 0xFFFF
    if total != (expected - _SPACES + 1) % _ADLER_MODULUS and expected != _signed_sum(header):
        raise BadImage(f"{source.place}: no tar header (wrong checksum); the layer is damaged or is no tar")


def _signed_sum(header: bytes) -> int:
    """Return the checksum as writers compute it that take bytes for signed."""
    return sum(byte - 256 if byte > 127 else byte for byte in header[:148] + header[156:]) + _SPACES


def _octal(digits: bytes) -> int:
    """Return the number, -1 where it is none: `int` would take signs and underscores, too."""
    try:
        return int(digits, 8) if digits.isdigit() else -1
    except ValueError:
        return -1


def _size(header: bytes, source: Source) -> int:
    size = -1 if header[135] else _octal(header[124:135])
    if size >= 0:
        return size
    field = header[124:136]
    if field[0] & _BASE_256:
        # Base-256: the first bit marks it, the second is the sign.
        size = -1 if field[0] & _NEGATIVE else int.from_bytes(field, "big") & _MAGNITUDE
    else:
        digits = field.strip(b" \0").partition(b"\0")[0]
        size = _octal(digits) if digits else 0
    if size < 0:
        raise BadImage(f"{source.place}: the tar header has no valid size; the layer is damaged")
    return size


def _decimal(digits: bytes, source: Source) -> int:
    if len(digits) > _LENGTH_DIGITS or not digits.isdigit():
        raise BadImage(f"{source.place}: {_shown(digits)} is no size in a pax header; the layer is damaged")
    return int(digits)


def _counted(extensions: int, source: Source) -> int:
    if extensions == _EXTENSIONS_LIMIT:
        raise LimitExceeded(f"{source.place}: more than {_EXTENSIONS_LIMIT} extended headers before one member")
    return extensions + 1


def _extension(size: int, source: Source) -> bytes:
    """Take the content of a pax header or long name, with its padding."""
    if size > _EXTENSION_LIMIT:
        raise LimitExceeded(f"{source.place}: an extended tar header of {size} bytes; {_EXTENSION_LIMIT} are allowed")
    body = source.take(size + -size % BLOCK)
    if len(body) < size:
        raise BadImage(f"{source.place}: the tar ends within an extended header; push the image again")
    return body[:size]


def _pax(body: bytes, source: Source) -> dict[bytes, bytes]:
    """Return the records of a pax header that matter; an empty value leaves what the header says."""
    records = {}
    position = 0
    while position < len(body):
        space = body.find(b" ", position, position + _LENGTH_DIGITS)
        digits = body[position : max(space, position)]
        end = position + int(digits) if digits.isdigit() else -1
        if not position < space < end <= len(body) or body[end - 1] != ord("\n"):
            raise BadImage(f"{source.place}: a pax header that cannot be read; the layer is damaged")
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if not equals:
            raise BadImage(f"{source.place}: a pax record without a value; the layer is damaged")
        if key in _KEPT:
            if b"\0" in value:
                raise BadImage(f"{source.place}: a NUL in a pax record; the layer is damaged")
            records[key] = value
        position = end
    return records


def _skip_sparse_map(header: bytes, source: Source) -> None:
    """Pass over the blocks that continue the map of an old GNU sparse file."""
    extended = header[482]
    while extended:
        block = source.take(BLOCK)
        if len(block) != BLOCK:
            raise BadImage(f"{source.place}: the tar ends within a sparse map; push the image again")
        extended = block[504]


def _text(field: bytes, start: int, end: int) -> bytes:
    """Return a part of the field, up to the first NUL in it."""
    nul = field.find(b"\0", start, end)
    return field[start : end if nul < 0 else nul]


def _shown(path: bytes) -> str:
    return repr(path[:200].decode(errors="backslashreplace"))
