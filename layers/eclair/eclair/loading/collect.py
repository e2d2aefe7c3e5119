"""Which documents is a part of a feed made of now, and has any of them changed? Indexes are followed."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import BinaryIO

from eclair.errors import BadFeed, NotFound, Unavailable
from eclair.feeds import Document, Feed, Following, Index, Part
from eclair.model import Fingerprint
from eclair.ports import Documents, Fetched

LARGEST_INDEX = 16 << 20
DEEPEST = 4
"""How many indexes may lead from one to the next."""
MOST_DOCUMENTS = 1000
"""Of one part, indexes included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The documents of a part that exist, open and parallel to `part.documents`."""

    part: Part
    streams: tuple[BinaryIO, ...]
    fingerprints: tuple[Fingerprint, ...]


def collect(
    documents: Documents, feed: Feed, part: Part, known: Iterable[Fingerprint], stack: ExitStack
) -> Collected | None:
    """Open all documents of the part, or return None where they are those of `known`, unchanged.

    Indexes are small and always read; the documents that they lead to are asked whether they changed. Raises `NotFound`
    where one is missing that is not optional.
    """
    marks = {mark.url: mark for mark in known}
    following = _Following(documents, feed, stack)
    asked: dict[Document, Fetched | None] = {}
    for document in following.documents(part.documents):
        try:
            asked[document] = stack.enter_context(documents.fetch(document.url, marks.get(document.url)))
        except NotFound:
            if not document.optional:
                raise
    if not asked:
        raise NotFound(f"feed {feed.name}, part {part.name}: none of its documents is there")
    if not any(asked.values()) and marks.keys() == {document.url for document in asked}:
        return None
    # Documents of one part speak of the same packages: an unchanged one is read beside one that changed.
    fetched = [answer or anew(documents, document, stack) for document, answer in asked.items()]
    return Collected(
        part=replace(part, documents=tuple(asked)),
        streams=tuple(each.stream for each in fetched),
        fingerprints=tuple(each.fingerprint for each in fetched),
    )


def anew(documents: Documents, document: Document, stack: ExitStack) -> Fetched:
    """Open a document whether it changed or not. Raises `NotFound`."""
    fetched = stack.enter_context(documents.fetch(document.url, None))
    if fetched is None:
        raise Unavailable(f"{document.url}: answered 'unchanged' to a request that named no earlier copy")
    return fetched


class _Following:
    """The way along indexes to the documents that are loaded."""

    def __init__(self, documents: Documents, feed: Feed, stack: ExitStack) -> None:
        self._documents = documents
        self._feed = feed
        self._stack = stack
        self._count = 0

    def documents(self, named: Iterable[Document], depth: int = 0) -> Iterator[Document]:
        """Yield the documents that these are, or lead to."""
        for document in named:
            self._count += 1
            if self._count > MOST_DOCUMENTS:
                raise BadFeed(f"feed {self._feed.name}: indexes name more than {MOST_DOCUMENTS} documents")
            if not isinstance(document, Index):
                yield document
            elif depth == DEEPEST:
                raise BadFeed(f"{document.url}: more than {DEEPEST} indexes lead from one to the next")
            else:
                yield from self.documents(self._followed(document), depth + 1)

    def _followed(self, index: Index) -> tuple[Document, ...]:
        assert isinstance(self._feed, Following), "a feed that has indexes can follow them"
        try:
            content = anew(self._documents, index, self._stack).stream.read(LARGEST_INDEX + 1)
        except NotFound:
            if index.optional:
                return ()
            raise
        if len(content) > LARGEST_INDEX:
            raise BadFeed(f"{index.url}: an index of more than {LARGEST_INDEX} bytes")
        return self._feed.follow(index, content)
