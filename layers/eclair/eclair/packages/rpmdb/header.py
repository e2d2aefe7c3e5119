"""What do the tags of a package header say?

Format: the header structure of rpm (https://rpm-software-management.github.io/rpm/manual/format_header.html), as the
database keeps it: two counts, an index of 16 bytes a tag (tag, type, offset, count; big-endian) and the data. What the
package came with is the header's region, of which there are digests; rpm appends what it learnt when installing. Of two
entries of one tag the later one counts.
"""

import hashlib
import struct
from collections.abc import Mapping
from typing import Final

from eclair.errors import BadInput

_REGION: Final = 63
_SHA1_HEADER: Final = 269
_SHA256_HEADER: Final = 273

NAME: Final = 1000
VERSION: Final = 1001
RELEASE: Final = 1002
EPOCH: Final = 1003
VENDOR: Final = 1011
ARCH: Final = 1022
OLD_FILENAMES: Final = 1027
SOURCE_RPM: Final = 1044
DIRECTORY_INDEXES: Final = 1116
BASE_NAMES: Final = 1117
DIRECTORY_NAMES: Final = 1118
MODULARITY_LABEL: Final = 5096

_INT32: Final = 4
_STRING: Final = 6
_STRING_ARRAY: Final = 8
_I18N_STRING: Final = 9
_STRINGS: Final = frozenset((_STRING, _STRING_ARRAY, _I18N_STRING))

_MAGIC: Final = b"\x8e\xad\xe8\x01\x00\x00\x00\x00"
"""What a header begins with in a package, and the digests are made of; the database leaves it out."""

_COUNTS: Final = struct.Struct(">II")
_ENTRY: Final = struct.Struct(">IIII")

_MOST_TAGS: Final = 0xFFFF
"""As many as rpm reads."""
_MOST_VALUES: Final = 1 << 20
_LONGEST_STRING: Final = 4096


class Header:
    """The tags of one package. What is said of a tag is read when it is asked for."""

    __slots__ = ("_data", "_entries", "_index")

    def __init__(self, blob: bytes) -> None:
        """Read the index. Raises `BadInput` where there is none."""
        if len(blob) < _COUNTS.size:
            raise BadInput(f"a header of {len(blob)} bytes")
        tags, size = _COUNTS.unpack_from(blob)
        begin = _COUNTS.size + tags * _ENTRY.size
        if tags > _MOST_TAGS or begin + size > len(blob):
            raise BadInput(f"a header of {len(blob)} bytes that names {tags} tags and {size} bytes of data")
        self._entries = blob[_COUNTS.size : begin]
        self._data = blob[begin : begin + size]
        index = _ENTRY.iter_unpack(self._entries)
        self._index: Mapping[int, tuple[int, int, int]] = {
            tag: (kind, place, count) for tag, kind, place, count in index
        }

    @property
    def is_intact(self) -> bool:
        """Say whether the digest of the region fits, where there are a region and a digest."""
        try:
            digest = self.string(_SHA256_HEADER) or self.string(_SHA1_HEADER)
        except BadInput:
            return False
        if not digest or _REGION not in self._index:
            return True
        trailer = self._index[_REGION][1]
        end = trailer + _ENTRY.size
        if end > len(self._data):
            return False
        # The trailer is an entry, too; its offset is minus the size of the region's index.
        tags_size = -_ENTRY.unpack_from(self._data, trailer)[2] & 0xFFFF_FFFF
        counts = _COUNTS.pack(tags_size // _ENTRY.size, end)
        signed = _MAGIC + counts + self._entries[:tags_size] + self._data[:end]
        name = "sha256" if self._index.get(_SHA256_HEADER) else "sha1"
        return hashlib.new(name, signed, usedforsecurity=False).hexdigest().encode() == digest

    def string(self, tag: int) -> bytes:
        """Return a string, empty where the tag is not there. Raises `BadInput`."""
        kind, offset, _ = self._index.get(tag, (_STRING, -1, 0))
        if offset < 0:
            return b""
        end = self._data.find(b"\0", offset, offset + _LONGEST_STRING + 1)
        if kind not in _STRINGS or end < 0:
            raise BadInput(f"tag {tag} is no string, or one of more than {_LONGEST_STRING} bytes")
        return self._data[offset:end]

    def strings(self, tag: int) -> list[bytes]:
        """Return an array of strings, empty where the tag is not there. Raises `BadInput`."""
        kind, offset, count = self._index.get(tag, (_STRING_ARRAY, 0, 0))
        if kind not in _STRINGS or count > _MOST_VALUES:
            raise BadInput(f"tag {tag} is no array of strings, or one of more than {_MOST_VALUES}")
        if not count:
            return []
        strings = self._data[offset:].split(b"\0", count)
        if len(strings) <= count:
            raise BadInput(f"tag {tag} has {len(strings) - 1} strings instead of {count}")
        return strings[:count]

    def integers(self, tag: int) -> tuple[int, ...]:
        """Return an array of numbers of 32 bits, empty where the tag is not there. Raises `BadInput`."""
        kind, offset, count = self._index.get(tag, (_INT32, 0, 0))
        if kind != _INT32 or count > _MOST_VALUES or offset + 4 * count > len(self._data):
            raise BadInput(f"tag {tag} is no array of {count} numbers")
        return struct.unpack_from(f">{count}I", self._data, offset)
