"""Which package headers does an rpm database hold, whichever of the three backends wrote it?

rpm keeps a table of headers by number: in a Berkeley DB hash (`Packages`, until rpm 4.16), in a format of its own
(ndb, `Packages.db`, at SUSE) or in SQLite (`rpmdb.sqlite`, since rpm 4.16). What a file is follows from its first
bytes, not from its name.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from eclair.errors import BadDatabase
from eclair.packages import sqlite
from eclair.packages.faults import Faults
from eclair.packages.rpmdb import berkeley, ndb
from eclair.packages.rpmdb.blob import Blob

_TABLE: Final = "Packages"


def _rows(content: BinaryIO, faults: Faults) -> Iterator[Blob]:
    for row in sqlite.Database(content, faults).rows(_TABLE):
        match row.values:
            case (_, bytes(header)):
                yield Blob(place=f"row {row.id}", content=header)
            case _:
                faults.add(f"row {row.id}", "is no header")


_BACKENDS: Final[tuple[tuple[int, tuple[bytes, ...], Callable[[BinaryIO, Faults], Iterator[Blob]]], ...]] = (
    (0, (sqlite.MAGIC,), _rows),
    (0, (ndb.MAGIC,), ndb.blobs),
    (12, berkeley.MAGICS, berkeley.blobs),
)
"""Where the magic of a backend stands, what it is, and who reads the rest."""

_LONGEST_MAGIC: Final = 16


def blobs(content: BinaryIO, faults: Faults) -> Iterator[Blob]:
    """Yield the headers in a seekable stream; what cannot be read goes to `faults`.

    Raises `BadDatabase` where it is no database, or nothing of it can be read.
    """
    beginning = content.read(_LONGEST_MAGIC)
    for place, magics, read in _BACKENDS:
        if beginning[place:].startswith(magics):
            return read(content, faults)
    raise BadDatabase(f"no rpm database of a kind that is known: it begins with {beginning[:16].hex() or 'nothing'}")
