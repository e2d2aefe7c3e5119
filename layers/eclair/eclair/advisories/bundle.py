"""Which documents does an archive of advisories hold, one after the other?

A zip file or a tar of any compression. Nothing is written anywhere: a name is only told in messages, so it does not
matter where it would lead to. A document that is damaged damages the archive, since a reader that went on would take
its advisories for withdrawn.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from eclair.archives import tar
from eclair.archives.bytestream import ByteStream, blocks_of
from eclair.archives.compression import inflated
from eclair.archives.random_access import Bytes
from eclair.archives.zip_archive import Archive, Budget
from eclair.errors import BadDatabase, BadFeed, BadImage

LARGEST: Final = 64 << 20
"""A larger document is refused; the largest known advisory has some MB."""
TOTAL: Final = 64 << 30
"""An archive whose documents have more bytes together is refused; Red Hat's has more than ten billion."""
MOST: Final = 4_000_000
"""An archive of more documents is refused; OSV's largest has some 250,000."""

_ZIP: Final = b"PK"
_BLOCK: Final = 1 << 18


class Member(NamedTuple):
    """One document of an archive."""

    name: str
    content: bytes


def members(archive: BinaryIO, name: str, *, suffix: str = ".json") -> Iterator[Member]:
    """Yield the regular files whose names end in the suffix, lower case; `name` says in messages what is read.

    Raises `BadFeed`.
    """
    start = archive.read(len(_ZIP))
    archive.seek(0)
    return _zipped(archive, name, suffix) if start == _ZIP else _tarred(archive, name, suffix)


def _zipped(archive: BinaryIO, name: str, suffix: str) -> Iterator[Member]:
    try:
        opened = Archive(Bytes(archive), Budget(entries=MOST, files=MOST, inflated=TOTAL))
        for entry in opened.entries((suffix.encode(),)):
            content = opened.head(entry, LARGEST + 1)
            _check(len(content), entry.name, name)
            yield Member(entry.name, content)
    except BadDatabase as error:
        raise BadFeed(f"{name}: the zip archive is damaged or ends early: {error}") from error


def _tarred(archive: BinaryIO, name: str, suffix: str) -> Iterator[Member]:
    source = ByteStream(blocks_of(inflated(archive, name, limit=TOTAL), _BLOCK), name)
    try:
        for count, member in enumerate(tar.members(source), 1):
            if count > MOST:
                raise BadFeed(f"{name}: the archive has more than {MOST} members")
            path = member.path.decode(errors="backslashreplace")
            if member.type == tar.REGULAR and path.lower().endswith(suffix):
                _check(member.size, path, name)
                yield Member(path, source.take(member.size))
    except BadImage as error:
        raise BadFeed(f"{name}: not a tar archive, or it is damaged or ends early: {error}") from error


def _check(size: int, document: str, name: str) -> None:
    if size > LARGEST:
        raise BadFeed(f"{name}: {document!r} is larger than {LARGEST} bytes")
