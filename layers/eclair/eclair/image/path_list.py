"""How are the paths of all that a layer writes kept in few bytes?

Directories end in a slash. A symbolic link is followed by itself with its target (`lib`, `lib//usr/lib`). They are kept
as they are, each ended by a NUL (which no path has), compressed with Zstandard (RFC 8878) as they come: paths near one
another share their beginnings, so five to ten bytes of each remain. Neither packing nor reading holds
them all.
"""

from collections.abc import Iterable, Iterator

import zstandard

_LEVEL = 1
_TARGET = b"//"
_FLUSHED = 4096
"""How many paths are compressed at once."""

_READ_SIZE = 1024 * 1024


class PathList:
    """A list of paths that grows."""

    def __init__(self) -> None:
        self.size = 0
        self._waiting: list[bytes] = []
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        self._packed: list[bytes] = []

    def add(self, path: bytes) -> None:
        """Add a path."""
        self._waiting.append(path)
        if len(self._waiting) == _FLUSHED:
            self._flush()

    def add_target(self, path: bytes, target: bytes) -> None:
        """Add where a symbolic link leads that was added last."""
        self.add(path + _TARGET + target)

    def packed(self) -> bytes:
        """Return the whole list, which then is finished."""
        self._flush()
        return b"".join((*self._packed, self._compressor.flush()))

    def _flush(self) -> None:
        if self._waiting:
            self._waiting.append(b"")
            text = b"\0".join(self._waiting)
            self._waiting.clear()
            self.size += len(text)
            self._packed.append(self._compressor.compress(text))


def unpacked(packed: bytes) -> Iterator[list[bytes]]:
    """Yield the paths of a packed list, some at a time."""
    rest = b""
    for block in zstandard.ZstdDecompressor().read_to_iter(packed, write_size=_READ_SIZE) if packed else ():
        *paths, rest = (rest + block).split(b"\0")
        yield paths


def has_any(packed: bytes, paths: Iterable[str]) -> bool:
    """Say whether one of these paths, or something below it, is on a packed list."""
    wanted = {path.encode() for path in paths}
    below = tuple(path + b"/" for path in wanted)
    listed = (path for some in unpacked(packed) for path in some if not is_target(path))
    return any(path in wanted or path.startswith(below) for path in listed)


def is_target(path: bytes) -> bool:
    """Say whether an item of a list is a link with its target."""
    return _TARGET in path


def links(paths: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the path and the target of each symbolic link among some paths of a list."""
    for path in paths:
        link, target, to = path.partition(_TARGET)
        if target:
            yield link, to
