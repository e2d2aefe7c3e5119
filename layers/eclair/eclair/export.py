"""Copy the documents of feeds into a mirror folder, from which an Eclair without a way out reads them.

A part is copied as a whole or stays as it was. What changed since the last copy is all that is fetched.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from eclair.errors import EclairError, NotFound
from eclair.feeds import Document, Feed, Incremental, Part
from eclair.loading.collect import anew, collect
from eclair.ports import Documents, Mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The use case over its port; `say` is told what is going on."""

    mirror: Mirror
    say: Callable[[str], None] = lambda text: None

    def __call__(self, feeds: Iterable[Feed]) -> tuple[str, ...]:
        """Copy the documents of feeds; return what failed."""
        return tuple(failure for feed in feeds for part in feed.parts if (failure := self._part(feed, part)))

    def _part(self, feed: Feed, part: Part) -> str:
        self.say(f"copying {feed.name}/{part.name}")
        try:
            with self.mirror.copying(f"{feed.name}/{part.name}") as documents:
                _read(documents, feed, part)
        except NotFound as error:
            return "" if part.probe else f"{feed.name}/{part.name}: {error}"
        except EclairError as error:
            return f"{feed.name}/{part.name}: {error}"
        return ""


def _read(documents: Documents, feed: Feed, part: Part) -> None:
    """Ask for every document that a first load of the part asks for."""

    @contextmanager
    def open_(document: Document) -> Iterator[BinaryIO]:
        with ExitStack() as each:
            yield anew(documents, document, each).stream

    with ExitStack() as stack:
        collected = collect(documents, feed, part, (), stack)
        if collected is not None and isinstance(feed, Incremental):
            for _ in feed.changes(collected.part, collected.streams, "", open_, ""):
                pass
