"""Which files of interest does a layer hold, and what does it take away from the layers below?

A layer is a tar of changes (OCI image specification, *layer.md*): files that are added or replaced, `.wh.NAME` entries
that remove, `.wh..wh..opq` entries that hide a whole directory. It is read once, as a stream: nothing is unpacked, and
of the content only the files of interest are held, one at a time. The overlay file system's own marks (a character
device 0/0, the attribute `trusted.overlay.opaque`), which some builders leave in layers, mean the same.

A path with `..` in it is passed over: no builder writes one, and no such name may pose as a database.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import BinaryIO, Final, Protocol

from eclair import tar
from eclair.bytestream import ByteStream, blocks_of
from eclair.errors import BadDatabase, DigestMismatch, LimitExceeded
from eclair.inflate import READ_SIZE, HashedBlocks, check_media_type, inflated
from eclair.model import Digest, Interest, Inventory, Layer, LayerReference
from eclair.reference import parse_digest

_LOGGER = logging.getLogger(__name__)

_WHITEOUT: Final = b".wh."
_RESERVED: Final = b".wh..wh."
_OPAQUE: Final = b".wh..wh..opq"
_OPAQUE_ATTRIBUTES: Final = (b"SCHILY.xattr.trusted.overlay.opaque", b"SCHILY.xattr.user.overlay.opaque")
_TAKE_SIZE: Final = 1024 * 1024


class FileReader(Protocol):
    """What reads files of a kind: every `Ecosystem` is one."""

    @property
    def name(self) -> str: ...

    @property
    def interest(self) -> Interest: ...

    def read(self, path: str, content: BinaryIO) -> Inventory | None: ...


class DistributionReader(Protocol):
    """What reads the files that tell the distribution: the module `eclair.distribution`."""

    @property
    def PATHS(self) -> Collection[str]: ...  # noqa: N802 (a module's constant)

    def read(self, path: str, content: BinaryIO) -> Inventory | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyser:
    """What reads a file of interest, under the name that its inventories carry."""

    name: str
    read: Callable[[str, BinaryIO], Inventory | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysers:
    """Who reads which files: by exact path, and by the directory (ending in `/`) that holds them directly."""

    exact: Mapping[str, tuple[Analyser, ...]]
    prefixes: Mapping[str, tuple[Analyser, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a layer is read before it is refused.

    Deflate makes at most 1032 bytes of one, and a layer may rightly hold a large file of zeros: so `ratio` is above
    that, counts only once `ratio_from` bytes have come out, and stops zstd, which can make 32,000 of one.
    """

    inflated: int = 20 * 1024**3
    ratio: int = 1100
    ratio_from: int = 1024**3
    members: int = 2_000_000
    path: int = 4096
    files: int = 50_000
    """Files of interest, which are read (and so cost more than others)."""
    file: int = 256 * 1024**2
    """The size of a file of interest; a larger one is not read, which its inventory says."""
    whiteouts: int = 64 * 1024**2
    """The summed length of the paths that are removed or opaque."""


def analysers(ecosystems: Iterable[FileReader], distribution: DistributionReader) -> Analysers:
    """Return who reads which files, from what the ecosystems and the distribution ask for."""
    exact: dict[str, tuple[Analyser, ...]] = {}
    prefixes: dict[str, tuple[Analyser, ...]] = {}
    for ecosystem in ecosystems:
        analyser = (Analyser(name=ecosystem.name, read=ecosystem.read),)
        exact |= {path: exact.get(path, ()) + analyser for path in ecosystem.interest.paths}
        prefixes |= {prefix: prefixes.get(prefix, ()) + analyser for prefix in ecosystem.interest.directories}
    analyser = (Analyser(name="distribution", read=distribution.read),)
    exact |= {path: exact.get(path, ()) + analyser for path in distribution.PATHS}
    return Analysers(exact=exact, prefixes=prefixes)


def read_layer(
    blob: BinaryIO,
    reference: LayerReference,
    analysers: Analysers,
    limits: Limits = Limits(),
) -> Layer:
    """Read a blob from its beginning to its end and return what it holds, once all of it is verified.

    The digest is that of the blob as it is stored. Its content needs no second check: the manifest names the blob, so
    a diff_id that does not fit is a slip of the configuration, and an image with it starts nowhere. Where the digest
    is the diff_id (an archive that names no blobs) the content is what is verified. Raises `BadImage`, and what
    reading `blob` raises.
    """
    name = f"layer {reference.digest}"
    check_media_type(reference.media_type, name)
    stored = blocks_of(blob, READ_SIZE)
    content: Iterator[bytes]
    if reference.digest == reference.diff_id:
        compressed = ByteStream(stored, name)
        content = hashed = _hashed(_Bounded(compressed, limits), reference.digest)
    else:
        hashed = _hashed(stored, reference.digest)
        compressed = ByteStream(hashed, name)
        content = _Bounded(compressed, limits)
    with hashed:
        changes = _read_tar(ByteStream(content, f"{name}, inflated"), analysers, limits)
    if hashed.digest != reference.digest:
        raise DigestMismatch(f"{name}: the bytes have digest {hashed.digest}; push the image again")
    return changes.layer(reference)


def _hashed(blocks: Iterator[bytes], digest: Digest) -> HashedBlocks:
    return HashedBlocks(blocks, parse_digest(digest).partition(":")[0])


class _Bounded(Iterator[bytes]):
    """Inflated blocks, until there are more of them than the limits allow."""

    def __init__(self, compressed: ByteStream, limits: Limits) -> None:
        self._blocks = inflated(compressed, members=limits.members)
        self._compressed = compressed
        self._limits = limits
        self._size = 0

    def __next__(self) -> bytes:
        block = next(self._blocks)
        self._size += len(block)
        limits = self._limits
        if self._size > limits.inflated:
            raise LimitExceeded(f"{self._compressed.name}: inflates to more than {limits.inflated} bytes")
        if self._size > limits.ratio_from and self._size > limits.ratio * self._compressed.offset:
            raise LimitExceeded(f"{self._compressed.place}: inflates to more than {limits.ratio} times its size")
        return block


def _read_tar(stream: ByteStream, analysers: Analysers, limits: Limits) -> "_Changes":
    """Return what the tar changes, having read the stream to its end."""
    changes = _Changes(stream=stream, interest=_Interest(analysers), limits=limits)
    for count, member in enumerate(tar.members(stream), 1):
        if count > limits.members:
            raise LimitExceeded(f"{stream.place}: more than {limits.members} members in the layer")
        changes.add(member)
    stream.drain()
    return changes


class _Interest:
    """Paths of interest as tars write them: exact ones, what holds others directly, and all that is above them."""

    def __init__(self, analysers: Analysers) -> None:
        self.exact = {path.encode(): readers for path, readers in analysers.exact.items()}
        self.within = {prefix.rstrip("/").encode(): readers for prefix, readers in analysers.prefixes.items()}
        above = {parent for path in (*self.exact, *self.within) for parent in _parents(path)}
        self.directories = frozenset(above.union(self.within))
        self._names = frozenset(_name(path) for path in (*self.exact, *self.directories)).union((b"", b".", b".."))
        self._within_names = (b"/", b"/.", b"/..", *map(_name, self.within))

    def may_have(self, path: bytes) -> bool:
        """Say whether the path, as it is written, may turn out to be one that matters: most do not."""
        directory, _, name = path.rpartition(b"/")
        return name in self._names or name.startswith(_WHITEOUT) or directory.endswith(self._within_names)


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _parents(path: bytes) -> Iterator[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


@dataclass(slots=True, kw_only=True)
class _Changes:
    """What the members seen so far change.

    `found` has the inventories of each path of interest that came last; none for one that was replaced by something
    that is not read, or that hides the directory which was there.
    """

    stream: ByteStream
    interest: _Interest
    limits: Limits
    found: dict[bytes, tuple[Inventory, ...]] = field(default_factory=dict)
    removed: set[bytes] = field(default_factory=set)
    opaque: set[bytes] = field(default_factory=set)
    files: int = 0
    whiteouts: int = 0
    ignored: int = 0

    def add(self, member: tar.Member) -> None:
        """Take in one member, reading its content where that is of interest."""
        if len(member.path) > self.limits.path:
            length = len(member.path)
            raise LimitExceeded(f"{self.stream.place}: a path of {length} bytes; {self.limits.path} are allowed")
        if member.records or member.type == tar.CHARACTER_DEVICE or self.interest.may_have(member.path):
            path = tar.normalised(member.path)
            if path is None:
                self.ignored += 1
            else:
                self._add(member, path)

    def layer(self, reference: LayerReference) -> Layer:
        """Return the result."""
        if self.ignored:
            _LOGGER.warning("members ignored", extra={"layer": reference.digest, "count": self.ignored})
        replaced = (path for path, inventories in self.found.items() if not inventories)
        return Layer(
            digest=reference.digest,
            diff_id=reference.diff_id,
            inventories=tuple(inventory for inventories in self.found.values() for inventory in inventories),
            removed=tuple(sorted(map(_text, self.removed.union(replaced)))),
            opaque=tuple(sorted(map(_text, self.opaque))),
        )

    def _add(self, member: tar.Member, path: bytes) -> None:
        directory, _, name = path.rpartition(b"/")
        if name.startswith(_WHITEOUT):
            self._white_out(directory, name)
        elif member.type == tar.CHARACTER_DEVICE and member.device == (b"", b""):
            self._mark(self.removed, path)
        elif member.type == tar.DIRECTORY:
            self._add_directory(member, path, directory)
        elif path in self.interest.exact or directory in self.interest.within:
            self._forget_below(path)
            readers = self.interest.exact.get(path, ()) + self.interest.within.get(directory, ())
            self.found[path] = tuple(self._inventories(member, path, readers))
        elif path in self.interest.directories:
            self._forget_below(path)
            self.found[path] = ()

    def _white_out(self, directory: bytes, name: bytes) -> None:
        if name == _OPAQUE:
            self._mark(self.opaque, directory)
        elif not name.startswith(_RESERVED):
            target = name.removeprefix(_WHITEOUT)
            if target not in (b"", b".", b".."):
                self._mark(self.removed, directory + b"/" + target if directory else target)

    def _mark(self, marks: set[bytes], path: bytes) -> None:
        if path in marks:
            return
        self.whiteouts += len(path)
        if self.whiteouts > self.limits.whiteouts:
            raise LimitExceeded(f"{self.stream.place}: more than {self.limits.whiteouts} bytes of removed paths")
        marks.add(path)

    def _add_directory(self, member: tar.Member, path: bytes, directory: bytes) -> None:
        """A directory takes nothing from a directory, but the place of a file."""
        if member.records and any(member.records.get(attribute) == b"y" for attribute in _OPAQUE_ATTRIBUTES):
            self._mark(self.opaque, path)
        if path not in self.interest.directories and (path in self.interest.exact or directory in self.interest.within):
            self.found[path] = ()

    def _forget_below(self, path: bytes) -> None:
        """Forget what this layer had below a directory that something else takes the place of."""
        if path in self.interest.directories:
            below = path + b"/"
            for other in [other for other in self.found if other.startswith(below)]:
                del self.found[other]

    def _inventories(self, member: tar.Member, path: bytes, readers: tuple[Analyser, ...]) -> Iterator[Inventory]:
        """Yield what the member holds for each reader; nothing for a link that leads out of what is read."""
        match member.type:
            case tar.SYMBOLIC_LINK | tar.CHARACTER_DEVICE | b"4" | b"6":
                return
            case tar.HARD_LINK:
                yield from self._linked(member, _text(path), readers)
            case _:
                yield from self._read(member, _text(path), readers)

    def _linked(self, member: tar.Member, path: str, readers: tuple[Analyser, ...]) -> Iterator[Inventory]:
        """Yield what the other name of the same file gave, or say that it was not read."""
        target = tar.normalised(member.link)
        known = self.found.get(target or b"")
        if known is not None:
            yield from (_renamed(inventory, path) for inventory in known)
            return
        for reader in readers:
            text = f"a hard link to {_text(member.link)}, which is not read"
            yield Inventory(path=path, analyser=reader.name, problem=text)

    def _read(self, member: tar.Member, path: str, readers: tuple[Analyser, ...]) -> Iterator[Inventory]:
        self.files += 1
        if self.files > self.limits.files:
            raise LimitExceeded(f"{self.stream.place}: more than {self.limits.files} files of interest in the layer")
        problem = self._unreadable(member)
        content = BytesIO() if problem else self._content(member.size)
        for reader in readers:
            inventory = _problem(path, reader, problem) if problem else _ask(reader, path, content)
            if inventory is not None:
                yield inventory

    def _unreadable(self, member: tar.Member) -> str:
        if member.size > self.limits.file:
            return f"{member.size} bytes; at most {self.limits.file} are read"
        return "a sparse file, which is not read" if member.sparse else ""

    def _content(self, size: int) -> BytesIO:
        """Take the content from the stream, in pieces: what the header promises may not be there."""
        content = BytesIO()
        while size and (piece := self.stream.some(min(size, _TAKE_SIZE))):
            content.write(piece)
            size -= len(piece)
        return content


def _ask(reader: Analyser, path: str, content: BytesIO) -> Inventory | None:
    content.seek(0)
    try:
        return reader.read(path, content)
    except BadDatabase as error:
        return _problem(path, reader, str(error))


def _problem(path: str, reader: Analyser, text: str) -> Inventory:
    return Inventory(path=path, analyser=reader.name, problem=text)


def _renamed(inventory: Inventory, path: str) -> Inventory:
    packages = tuple(replace(package, path=path) for package in inventory.packages)
    return replace(inventory, path=path, packages=packages)


def _text(path: bytes) -> str:
    """Return a path as text; bytes that are no UTF-8 stay told apart."""
    return path.decode(errors="backslashreplace")
