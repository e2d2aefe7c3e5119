"""Where statements come from: one file per feed, found by being in this folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import BinaryIO, Protocol

from eclair.model import PackageStatements


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document of a feed; an `optional` one may be absent at the vendor's."""

    url: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Documents that are loaded together because they speak of the same packages.

    A `probe` part may not exist (yet): its absence is no failure.
    """

    name: str
    documents: tuple[Document, ...]
    probe: bool = False


class Feed(Protocol):
    """A source of advisories.

    A module of this folder defines `FEED: Final[Feed]`; nothing else has to be edited.
    """

    @property
    def name(self) -> str:
        """The module's name, for instance `debian`."""

    @property
    def parts(self) -> tuple[Part, ...]: ...

    def speaks_for(self, namespace: str) -> str | None:
        """Return the part that is the authority for the namespace, None where the feed is none."""

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[PackageStatements]:
        """Yield everything the part's documents say, package by package, in bounded memory.

        `documents` are in the order of the part, those that exist. A malformed record is skipped and logged with
        its id; a malformed document raises `BadFeed`.
        """

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        """Say whether the vendor supports the release now; `packages` counts the loaded packages by namespace."""


@cache
def load() -> Mapping[str, Feed]:
    """Return the feeds by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    found: list[Feed] = [module.FEED for module in modules]
    return {feed.name: feed for feed in found}


def authority(namespace: str) -> tuple[Feed, str] | None:
    """Return the feed, and its part, that speaks for a namespace."""
    for feed in load().values():
        part = feed.speaks_for(namespace)
        if part is not None:
            return feed, part
    return None
