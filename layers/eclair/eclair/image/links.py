"""Where does a path lead, inside an image and nowhere else, when parts of it are symbolic links?"""

from collections.abc import Callable
from typing import Final

_MOST: Final = 40
"""How many links are followed for one path, as in Linux (path_resolution(7))."""

_LONGEST: Final = 4096
"""Bytes of a path, PATH_MAX of Linux; links may make it grow."""

Target = Callable[[bytes], bytes | None]
"""Return what the symbolic link at a path says, None where there is none."""


def resolved(path: bytes, target_of: Target) -> bytes | None:
    """Return where the path leads; None where that is a circle, or too far."""
    followed = 0
    done: list[bytes] = []
    waiting = path.split(b"/")[::-1]
    while waiting:
        part = waiting.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            del done[-1:]
            continue
        done.append(part)
        here = b"/".join(done)
        if len(here) > _LONGEST:
            return None
        target = target_of(here)
        if target is None:
            continue
        followed += 1
        if followed > _MOST or len(target) > _LONGEST:
            return None
        done = [] if target.startswith(b"/") else done[:-1]
        waiting += target.split(b"/")[::-1]
    return b"/".join(done)


def placed(path: bytes, target_of: Target) -> bytes:
    """Return where something that is put at the path comes to lie: the links above it are followed, itself is not one.

    Where they lead in a circle nothing can be put; the path stays as it is.
    """
    directory, slash, name = path.rpartition(b"/")
    found = resolved(directory, target_of) if slash else b""
    if found is None:
        return path
    return b"/".join((found, name)) if found else name
