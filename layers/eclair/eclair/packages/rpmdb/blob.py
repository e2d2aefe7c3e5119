"""What do the backends hand on?"""

from dataclasses import dataclass
from typing import Final

LARGEST: Final = 64 << 20
"""Bytes of a header that are read; that of a package with a hundred thousand files has some fifteen million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A package's header as it is stored, and where that was."""

    place: str
    content: bytes
