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
    """The documents of a part that exist, open and parallel to `part.documents`; all that led to them is in the
    fingerprints.
    """

    part: Part
    streams: tuple[BinaryIO, ...]
    fingerprints: tuple[Fingerprint, ...]


def collect(
    documents: Documents, feed: Feed, part: Part, known: Iterable[Fingerprint], stack: ExitStack
) -> Collected | None:
    """Open all documents of the part, or return None where none has changed since `known`.

    Only the documents that the part itself names are asked whether they changed: what an unchanged index names has not
    changed either. Raises `NotFound` where one is missing that is not optional.
    """
    marks = {mark.url: mark for mark in known}
    asked: dict[Document, Fetched | None] = {}
    for document in part.documents:
        try:
            asked[document] = _open(documents, document, marks.get(document.url), stack)
        except NotFound:
            if not document.optional:
                raise
    if not asked:
        raise NotFound(f"feed {feed.name}, part {part.name}: none of its documents is there")
    if not any(asked.values()):
        return None
    following = _Following(documents, feed, stack)
    for document, fetched in asked.items():
        # Documents of one part speak of the same packages: an unchanged one is read beside one that changed.
        following.add(document, fetched or following.open_anew(document))
    return Collected(
        part=replace(part, documents=tuple(document for document, _ in following.leaves)),
        streams=tuple(fetched.stream for _, fetched in following.leaves),
        fingerprints=tuple(following.fingerprints),
    )


class _Following:
    """The way from the documents that a part names to those that are loaded."""

    def __init__(self, documents: Documents, feed: Feed, stack: ExitStack) -> None:
        self._documents = documents
        self._feed = feed
        self._stack = stack
        self.leaves: list[tuple[Document, Fetched]] = []
        self.fingerprints: list[Fingerprint] = []

    def add(self, document: Document, fetched: Fetched, depth: int = 0) -> None:
        """Add a document, or what it names where it is an index."""
        self.fingerprints.append(fetched.fingerprint)
        if len(self.fingerprints) > MOST_DOCUMENTS:
            raise BadFeed(f"feed {self._feed.name}: indexes name more than {MOST_DOCUMENTS} documents")
        if not isinstance(document, Index):
            self.leaves.append((document, fetched))
            return
        if depth == DEEPEST:
            raise BadFeed(f"{document.url}: more than {DEEPEST} indexes lead from one to the next")
        for named in self._named(document, fetched.stream):
            self.add(*named, depth + 1)

    def _named(self, index: Index, stream: BinaryIO) -> Iterator[tuple[Document, Fetched]]:
        assert isinstance(self._feed, Following), "a feed that has indexes can follow them"
        content = stream.read(LARGEST_INDEX + 1)
        if len(content) > LARGEST_INDEX:
            raise BadFeed(f"{index.url}: an index of more than {LARGEST_INDEX} bytes")
        for document in self._feed.follow(index, content):
            try:
                yield document, self.open_anew(document)
            except NotFound:
                if not document.optional:
                    raise

    def open_anew(self, document: Document) -> Fetched:
        fetched = _open(self._documents, document, None, self._stack)
        if fetched is None:
            raise Unavailable(f"{document.url}: answered 'unchanged' to a request that named no earlier copy")
        return fetched


def _open(documents: Documents, document: Document, known: Fingerprint | None, stack: ExitStack) -> Fetched | None:
    return stack.enter_context(documents.fetch(document.url, known))
