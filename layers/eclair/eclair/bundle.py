"""Which documents does an archive of advisories hold, one after the other?

A zip file (APPNOTE.TXT of PKWARE) or a tar of any compression. Nothing is written anywhere: a name is only told in
messages, so it does not matter where it would lead to. A document that is damaged damages the archive, since a reader
that went on would take its advisories for withdrawn.
"""

import zlib
from collections.abc import Iterator
from lzma import LZMAError
from struct import error as StructError  # noqa: N812 - it is a class
from typing import BinaryIO, Final, NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

from eclair import tar
from eclair.bytestream import ByteStream, blocks_of
from eclair.compression import inflated
from eclair.errors import BadFeed, BadImage

LARGEST: Final = 64 << 20
"""A larger document is refused; the largest known advisory has some MB."""
TOTAL: Final = 64 << 30
"""An archive whose documents have more bytes together is refused; Red Hat's largest has some ten billion."""
MOST: Final = 4_000_000
"""An archive of more documents is refused; OSV's largest has some 250,000."""

_ZIP: Final = b"PK"
_ENCRYPTED: Final = 1
_BLOCK: Final = 1 << 18


class Member(NamedTuple):
    """One document of an archive."""

    name: str
    content: bytes


def members(archive: BinaryIO, name: str, *, suffix: str = ".json") -> Iterator[Member]:
    """Yield the regular files whose names end in the suffix; `name` says in messages what is read.

    Raises `BadFeed`.
    """
    start = archive.read(len(_ZIP))
    archive.seek(0)
    found = _zipped(archive, name, suffix) if start == _ZIP else _tarred(archive, name, suffix)
    total = 0
    for count, member in enumerate(found, 1):
        total += len(member.content)
        if total > TOTAL or count > MOST:
            raise BadFeed(f"{name}: the archive holds more than {MOST} documents or {TOTAL} bytes")
        yield member


def _zipped(archive: BinaryIO, name: str, suffix: str) -> Iterator[Member]:
    try:
        with ZipFile(archive) as opened:
            for entry in opened.infolist():
                if entry.filename.endswith(suffix):
                    yield Member(entry.filename, _content(opened, entry, name))
    # What the standard library raises for damage of one kind and another.
    except (BadZipFile, zlib.error, LZMAError, StructError, NotImplementedError, EOFError, OSError) as error:
        raise BadFeed(f"{name}: the zip archive is damaged or ends early ({error})") from error


def _content(archive: ZipFile, entry: ZipInfo, name: str) -> bytes:
    if entry.flag_bits & _ENCRYPTED:
        raise BadFeed(f"{name}: {entry.filename!r} is encrypted")
    _check(entry.file_size, entry.filename, name)
    with archive.open(entry) as document:
        return document.read(LARGEST)  # the standard library does not give more than the size that is stated


def _tarred(archive: BinaryIO, name: str, suffix: str) -> Iterator[Member]:
    source = ByteStream(blocks_of(inflated(archive, name, limit=TOTAL), _BLOCK), name)
    try:
        for member in tar.members(source):
            path = member.path.decode(errors="replace")
            if member.type == tar.REGULAR and path.endswith(suffix):
                _check(member.size, path, name)
                yield Member(path, source.take(member.size))
    except BadImage as error:
        raise BadFeed(f"{name}: not a tar archive, or it is damaged or ends early ({error})") from error


def _check(size: int, document: str, name: str) -> None:
    if size > LARGEST:
        raise BadFeed(f"{name}: {document!r} is larger than {LARGEST} bytes")
