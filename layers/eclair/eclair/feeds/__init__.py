"""Where statements come from: one file per feed, found by being in this folder.

Every feed is a `Feed`. What only some of them need are small protocols beside it: `Following` (documents that are found
by reading others), `Incremental` (documents that are loaded one by one, as they change) `Selective` (documents that
are read faster for some packages only) and `Omitting` (silence that does not mean "not affected").
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import BinaryIO, Final, Protocol, runtime_checkable

from eclair.model import AdvisoryStatements, Enrichment, PackageKey, Said, Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document of a feed; an `optional` one may be absent at the vendor's."""

    url: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Document):
    """A small document that is not loaded itself: it names those, or further indexes, that stand in its place."""


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
        """Return the part that is the authority for the namespace, None where the feed is none.

        Every namespace that a part makes statements in is spoken for by that part.
        """

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        """Yield everything the part's documents say, in bounded memory: either package by package or advisory by
        advisory, each once.

        `documents` are complete copies that can be read again, in the order of `part.documents`, which are those that
        exist. A record that cannot be read is logged with its id, and is `Unread` in the place of its advisory or
        before its package; so nothing takes it for withdrawn. A malformed document raises `BadFeed`.
        """

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        """Say whether the vendor supports the release now; `packages` counts what was loaded (packages, or statements
        where the feed is read advisory by advisory) by namespace.
        """


@runtime_checkable
class Following(Protocol):
    """A feed with indexes among its documents."""

    def follow(self, index: Index, content: bytes) -> tuple[Document, ...]:
        """Return what the index names, in its order. Raises `BadFeed`."""


@runtime_checkable
class Selective(Protocol):
    """A feed that passes over what nobody asked about, as `eclair scan` asks about the packages of one image."""

    def select(
        self, part: Part, documents: Sequence[BinaryIO], revision: str, wanted: Callable[[PackageKey], bool]
    ) -> Iterator[Said]:
        """Yield what `parse` does but for records about packages of which none is wanted; still, something is said in
        each namespace.
        """


NOT_FIXED: Final = "what is not fixed yet"


@runtime_checkable
class Omitting(Protocol):
    """A feed that is silent on something that others tell: a report says so, since silence reads as "not affected"."""

    @property
    def omits(self) -> str:
        """What it does not say, for instance `what is not fixed yet`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One advisory of an incremental load, and the cursor from which the load goes on once its statements stand.

    No statements: the feed has nothing (more) to say under that id.
    """

    said: AdvisoryStatements | Unread
    cursor: str


Open = Callable[[Document], AbstractContextManager[BinaryIO]]
"""Opens a further document of a feed, whether it changed or not. Raises `NotFound`."""


@runtime_checkable
class Incremental(Protocol):
    """A feed that is loaded advisory by advisory, from where the last load ended; its `parse` is not used."""

    def changes(
        self, part: Part, documents: Sequence[BinaryIO], cursor: str, open_: Open, revision: str
    ) -> Iterator[Step]:
        """Yield what has changed since the cursor ("": everything), in bounded memory and in an order that a cursor
        can resume. `documents` are the part's: those that tell what changed.
        """


@runtime_checkable
class Enriching(Protocol):
    """A feed that says nothing of packages, but what is known of vulnerabilities; its `parse` is not used."""

    def enrich(self, part: Part, documents: Sequence[BinaryIO]) -> Iterator[tuple[str, Enrichment]]:
        """Yield what the part's documents say, vulnerability by vulnerability. Raises `BadFeed`."""


@cache
def load() -> Mapping[str, Feed]:
    """Return the feeds by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    found: list[Feed] = [module.FEED for module in modules]
    return {feed.name: feed for feed in found}


def enriching() -> tuple[str, ...]:
    """Return the names of the feeds that tell what is known of vulnerabilities."""
    return tuple(sorted(name for name, feed in load().items() if isinstance(feed, Enriching)))


def authority(namespace: str) -> tuple[Feed, str] | None:
    """Return the feed, and its part, that speaks for a namespace."""
    for feed in load().values():
        part = feed.speaks_for(namespace)
        if part is not None:
            return feed, part
    return None
