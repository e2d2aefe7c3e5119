"""Read a layer by its table of contents: of the blob only the files of interest are fetched.

What is wanted follows from the table: files by their path, as in a stream, and executables by their mode or name, since
their first bytes are not known before they are fetched. Each file is verified by the digest in the table, and the table
by the one in the manifest. Where anything does not fit, or little would be saved, the layer is read as a stream.
"""

import hashlib
import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from eclair.archives import tar
from eclair.archives.bytestream import ByteStream
from eclair.archives.inflate import inflated
from eclair.errors import BadImage
from eclair.image.filesystem import Changes, Limits, Sought
from eclair.image.interest import Readers
from eclair.image.toc import Chunk, Entry, Part, Unfit, read_toc
from eclair.model import Layer, LayerReference

WORTHWHILE: Final = 0.8
"""The share of a layer up to which it is read in parts."""
GAP: Final = 64 * 1024
"""Bytes that are fetched for nothing rather than asked for around."""
TOGETHER: Final = 8 * 1024**2
"""Bytes that are fetched by one request, unless one chunk is larger."""
LIMITS: Final = Limits()
_ANY_EXECUTE: Final = 0o111
_LIBRARIES: Final = (b".so", b".dll", b".dylib", b".exe", b".node")
_SMALLEST_EXECUTABLE: Final = 4096

_log = logging.getLogger(__name__)


def read_by_parts(part: Part, reference: LayerReference, readers: Readers, limits: Limits = LIMITS) -> Layer | None:
    """Return what the layer holds, None where it has to be read as a stream. Raises what fetching raises."""
    try:
        entries = read_toc(reference, part)
        if entries is None:
            return None
        return _read(entries, part, reference, readers, limits)
    except (Unfit, BadImage) as error:
        _log.warning("layer read as a stream", extra={"layer": reference.digest, "reason": str(error)})
        return None


def _read(
    entries: Sequence[Entry], part: Part, reference: LayerReference, readers: Readers, limits: Limits
) -> Layer | None:
    if len(entries) > limits.members:
        raise Unfit(f"more than {limits.members} members")
    sought = _sought(entries, readers)
    wanted = {number for number, entry in enumerate(entries) if _is_wanted(entry, readers, limits, sought)}
    spans = tuple(_spans(chunk for number in sorted(wanted) for chunk in entries[number].chunks))
    if sum(span.end - span.start for span in spans) > WORTHWHILE * reference.size:
        return None
    source = _Source(part, spans, limits)
    name = f"layer {reference.digest}, by its table"
    changes = Changes(stream=ByteStream(iter(()), name), readers=readers, limits=limits, sought=sought)
    for number, entry in enumerate(entries):
        content = source.content(entry) if number in wanted else iter(())
        changes.stream = ByteStream(content, name)
        changes.add(entry.member)
    return changes.layer(reference)


def _sought(entries: Sequence[Entry], readers: Readers) -> Sought:
    """Return the hard links of interest to files that are of none by themselves."""
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for member in (entry.member for entry in entries if entry.member.type == tar.HARD_LINK):
        path, target = tar.normalised(member.path), tar.normalised(member.link)
        if path and target and not set(readers.by_path(path)) <= set(readers.by_path(target)):
            found[target].append(path)
    return found


def _is_wanted(entry: Entry, readers: Readers, limits: Limits, sought: Sought) -> bool:
    path = tar.normalised(entry.member.path)
    if not path or not entry.chunks or entry.member.size > limits.file:
        return False
    if path in sought or readers.by_path(path):
        return True
    return readers.longest_magic > 0 and _may_be_executable(entry, path)


def _may_be_executable(entry: Entry, path: bytes) -> bool:
    if entry.member.size < _SMALLEST_EXECUTABLE:
        return False
    name = path.rpartition(b"/")[2].lower()
    return bool(entry.mode & _ANY_EXECUTE) or name.endswith(_LIBRARIES) or b".so." in name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Bytes of the blob that are fetched by one request."""

    start: int
    end: int


def _spans(chunks: Iterator[Chunk]) -> Iterator[_Span]:
    """Join chunks that lie near each other."""
    found = sorted({(chunk.start, chunk.end) for chunk in chunks if not chunk.zeros})
    open_: _Span | None = None
    for start, end in found:
        if open_ is not None and start <= open_.end + GAP and max(end, open_.end) - open_.start <= TOGETHER:
            open_ = _Span(start=open_.start, end=max(end, open_.end))
            continue
        if open_ is not None:
            yield open_
        open_ = _Span(start=start, end=end)
    if open_ is not None:
        yield open_


class _Source:
    """Content of files from spans of the blob; the span that was fetched last is kept, since files lie in order."""

    def __init__(self, part: Part, spans: Sequence[_Span], limits: Limits) -> None:
        self._part = part
        self._spans = spans
        self._starts = [span.start for span in spans]
        self._room = limits.inflated
        self._at = -1
        self._fetched = b""

    def content(self, entry: Entry) -> Iterator[bytes]:
        """Yield the content of a file, verified before its last piece is given. Raises `Unfit`."""
        digest = hashlib.sha256()
        for chunk in entry.chunks:
            self._room -= chunk.size
            if self._room < 0:
                raise Unfit("the files inflate to more than a layer may")
            piece = bytes(chunk.size) if chunk.zeros else self._inflated(chunk)
            digest.update(piece)
            if chunk is entry.chunks[-1] and digest.hexdigest() != entry.digest:
                raise Unfit(f"{entry.member.path[:200]!r} is not what the table names")
            yield piece

    def _inflated(self, chunk: Chunk) -> bytes:
        stream = ByteStream(inflated(ByteStream(iter([self._stored(chunk)]), "chunk"), members=1 << 20), "chunk")
        content = stream.take(chunk.size) if stream.skip(chunk.inner) else b""
        if len(content) != chunk.size:
            raise Unfit("a chunk is shorter than the table says")
        return content

    def _stored(self, chunk: Chunk) -> bytes:
        number = bisect_right(self._starts, chunk.start) - 1
        span = self._spans[number]
        if number != self._at:
            self._fetched = self._part(span.start, span.end - span.start)
            self._at = number
            if len(self._fetched) != span.end - span.start:
                raise Unfit("the registry sent less than it was asked for")
        return self._fetched[chunk.start - span.start : chunk.end - span.start]
