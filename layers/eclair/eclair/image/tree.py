"""What stands at which path of a file system, where taking away a directory takes away all that is below it?"""

from collections.abc import Iterable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_DIRECTORY: Final = 300
"""Bytes that a directory takes beside its path."""


class Tree(Generic[T]):
    """Values at paths without leading slash; a directory is there as long as something is below it."""

    def __init__(self) -> None:
        self.weight = 0
        """About how many bytes of memory the directories take."""
        self._values: dict[bytes, T] = {}
        self._below: dict[bytes, set[bytes]] = {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def __contains__(self, path: bytes) -> bool:
        """Say whether something stands at or below the path."""
        return path in self._values or path in self._below

    def get(self, path: bytes) -> T | None:
        """Return what stands at the path."""
        return self._values.get(path)

    def items(self) -> Iterator[tuple[bytes, T]]:
        """Yield what stands where, in the order in which it came."""
        yield from self._values.items()

    def put(self, path: bytes, value: T) -> None:
        """Put something at a path; what stood there is replaced."""
        if self._values.pop(path, None) is None and path not in self._below:
            self._announce(path)
        self._values[path] = value

    def present(self, paths: Iterable[bytes]) -> list[bytes]:
        """Return those of many paths at or below which something stands."""
        paths = list(paths)
        return [*filter(self._values.__contains__, paths), *filter(self._below.__contains__, paths)]

    def take(self, path: bytes) -> dict[bytes, T]:
        """Take away what stands at a path, and return it."""
        if path not in self._values:
            return {}
        value = self._values.pop(path)
        if path not in self._below:
            self._forget(path)
        return {path: value}

    def take_below(self, path: bytes) -> dict[bytes, T]:
        """Take away what stands below a directory ("" is the root), and return it."""
        taken: dict[bytes, T] = {}
        waiting = list(self._drop(path))
        while waiting:
            below = waiting.pop()
            waiting += self._drop(below)
            if below in self._values:
                taken[below] = self._values.pop(below)
        if taken and path and path not in self._values:
            self._forget(path)
        return taken

    def _announce(self, path: bytes) -> None:
        """Make the path known to all directories above it."""
        while path:
            directory = path.rpartition(b"/")[0]
            known = self._below.get(directory)
            if known is not None:
                known.add(path)
                return
            self._below[directory] = {path}
            self.weight += len(directory) + _DIRECTORY
            if directory in self._values:
                return
            path = directory

    def _forget(self, path: bytes) -> None:
        """Undo what announced the path, now that nothing stands there."""
        while path:
            directory = path.rpartition(b"/")[0]
            known = self._below[directory]
            known.discard(path)
            if known:
                return
            self._drop(directory)
            if directory in self._values:
                return
            path = directory

    def _drop(self, directory: bytes) -> set[bytes]:
        """Take a directory out, with what is known to be below it."""
        known = self._below.pop(directory, None)
        if known is None:
            return set()
        self.weight -= len(directory) + _DIRECTORY
        return known
