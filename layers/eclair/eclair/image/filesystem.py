"""Which files of interest does a layer hold, and what does it take away from the layers below?

A layer is a tar of changes (OCI image specification, *layer.md*): files that are added or replaced, `.wh.NAME` entries
that remove, `.wh..wh..opq` entries that hide a whole directory. It is read once, as a stream: nothing is unpacked, and
of the content only the files of interest are held, one at a time. The overlay file system's own marks (a character
device 0/0, the attribute `trusted.overlay.opaque`), which some builders leave in layers, mean the same.

A path with `..` in it is passed over: no builder writes one, and no such name may pose as a database.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from eclair.archives import tar
from eclair.archives.bytestream import ByteStream, blocks_of
from eclair.archives.inflate import READ_SIZE, HashedBlocks, ReadAhead, check_media_type, inflated
from eclair.errors import BadDatabase, DigestMismatch, LimitExceeded
from eclair.image.content import Content, Ends, held
from eclair.image.interest import FileReader, Readers, Some, renamed
from eclair.image.ownership import OwnedFiles
from eclair.image.path_list import PathList
from eclair.image.reference import parse_digest
from eclair.image.tree import Tree
from eclair.model import Digest, Inventory, Layer, LayerReference, Link
from eclair.packages import elf

_LOGGER = logging.getLogger(__name__)

_READING: Final = "layer"
"""What inventories are named after that tell of the layer itself."""
_WHITEOUT: Final = b".wh."
_RESERVED: Final = b".wh..wh."
_OPAQUE: Final = b".wh..wh..opq"
_MARK: Final = 100
"""Bytes that a removed path takes beside itself."""
Again = Callable[[], AbstractContextManager[BinaryIO]]
Sought = Mapping[bytes, Sequence[bytes]]
"""The hard links that lead to each file."""

_OPAQUE_ATTRIBUTES: Final = (b"SCHILY.xattr.trusted.overlay.opaque", b"SCHILY.xattr.user.overlay.opaque")


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
    paths: int = 512 * 1024**2
    """The summed length of all paths."""
    files: int = 200_000
    """Files of interest, which are read (and so cost more than others); of more the layer says that there are."""
    packages: int = 300_000
    directories: int = 128 * 1024**2
    """Bytes of memory for the directories above files of interest."""
    file: int = 256 * 1024**2
    """The size of a file of interest; a larger one is not read, which its inventory says."""
    links: int = 200_000
    """Links of interest to files that nobody reads, or that lie elsewhere."""
    whiteouts: int = 64 * 1024**2
    """Bytes of memory for the paths that are removed or opaque."""


def read_layer(
    blob: BinaryIO,
    reference: LayerReference,
    readers: Readers,
    limits: Limits = Limits(),
    again: Again | None = None,
) -> Layer:
    """Read a blob from its beginning to its end and return what it holds, once all of it is verified.

    The digest is that of the blob as it is stored. Its content needs no second check: the manifest names the blob, so
    a diff_id that does not fit is a slip of the configuration, and an image with it starts nowhere. Where the digest
    is the diff_id (an archive that names no blobs) the content is what is verified. `again` opens the blob once more:
    it is read a second time where a file of interest is a hard link to one whose content has passed by already (as
    in the store of pnpm, or of ostree). Raises `BadImage`, and what reading the blob raises.
    """
    changes = _read_blob(blob, reference, readers, limits, {})
    if changes.missed and again is not None:
        with again() as blob_again:
            changes = _read_blob(blob_again, reference, readers, limits, changes.missed)
    return changes.layer(reference)


def _read_blob(
    blob: BinaryIO, reference: LayerReference, readers: Readers, limits: Limits, sought: Sought
) -> "Changes":
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
    with hashed, ReadAhead(content) as ahead:
        stream = ByteStream(ahead, f"{name}, inflated")
        changes = Changes(stream=stream, readers=readers, limits=limits, sought=sought)
        _read_tar(changes)
    if hashed.digest != reference.digest:
        raise DigestMismatch(f"{name}: the bytes have digest {hashed.digest}; push the image again")
    return changes


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


def _read_tar(changes: "Changes") -> None:
    """Add all members of the tar, and read its stream to the end."""
    stream, limit = changes.stream, changes.limits.members
    for count, member in enumerate(tar.members(stream), 1):
        if count > limit:
            raise LimitExceeded(f"{stream.place}: more than {limit} members in the layer")
        changes.add(member)
    stream.drain()


@dataclass(slots=True, kw_only=True)
class Changes:
    """What the members seen so far change; while one is added, `stream` stands at its content.

    `found` has, at the path of each file of interest that gave something, what the last member there gave. `missed`
    are the hard links of interest to files that nobody wanted when they passed by; given as `sought` to another reading
    of the same layer, they are read.
    """

    stream: ByteStream
    readers: Readers
    limits: Limits
    sought: Sought = field(default_factory=dict)
    missed: defaultdict[bytes, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    linked: dict[bytes, tuple[Inventory, ...]] = field(default_factory=dict)
    found: Tree[tuple[Inventory, ...] | Link] = field(default_factory=Tree)
    owned: OwnedFiles = field(init=False)
    written: PathList = field(default_factory=PathList)
    removed: set[bytes] = field(default_factory=set)
    opaque: set[bytes] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    files: int = 0
    packages: int = 0
    links: int = 0
    whiteouts: int = 0
    ignored: int = 0

    def __post_init__(self) -> None:
        self.owned = OwnedFiles(self.readers)

    def add(self, member: tar.Member) -> None:
        """Take in one member, reading its content where that is of interest."""
        if len(member.path) > self.limits.path:
            length = len(member.path)
            raise LimitExceeded(f"{self.stream.place}: a path of {length} bytes; {self.limits.path} are allowed")
        path = tar.normalised(member.path)
        if not path:
            self._add_nameless(member, path)
            return
        if not path.isascii():
            path = _text(path).encode()
        if path.startswith(_WHITEOUT, path.rfind(b"/") + 1):
            self._white_out(path)
        elif member.type == tar.REGULAR:
            self._add_file(member, path)
        else:
            self._add_other(member, path)
        if self.written.size > self.limits.paths:
            raise LimitExceeded(f"{self.stream.place}: more than {self.limits.paths} bytes of paths in the layer")

    def layer(self, reference: LayerReference) -> Layer:
        """Return the result."""
        if self.ignored:
            _LOGGER.warning("members ignored", extra={"layer": reference.digest, "count": self.ignored})
        found = [some for _, some in self.found.items()]
        inventories = [inventory for some in found if not isinstance(some, Link) for inventory in some]
        if self.files > self.limits.files:
            text = f"{self.files} files of interest in one layer, of which {self.limits.files} were read"
            inventories.append(Inventory(path="", analyser=_READING, problem=text))
        return Layer(
            digest=reference.digest,
            diff_id=reference.diff_id,
            inventories=tuple(self.owned.kept(inventories)),
            removed=tuple(sorted(path.decode() for path in self.removed)),
            opaque=tuple(sorted(path.decode() for path in self.opaque)),
            links=tuple(some for some in found if isinstance(some, Link)),
            written=self.written.packed(),
            asked=tuple(sorted(self.asked)),
        )

    def _add_nameless(self, member: tar.Member, path: bytes | None) -> None:
        """Pass over a path that leads elsewhere, and take in the root."""
        if path is None:
            self.ignored += 1
        elif member.type == tar.DIRECTORY and _is_opaque(member):
            self._mark(self.opaque, b"")

    def _white_out(self, path: bytes) -> None:
        directory, _, name = path.rpartition(b"/")
        if name == _OPAQUE:
            self._mark(self.opaque, directory)
        elif not name.startswith(_RESERVED):
            target = name.removeprefix(_WHITEOUT)
            if target not in (b"", b".", b".."):
                self._mark(self.removed, directory + b"/" + target if directory else target)

    def _mark(self, marks: set[bytes], path: bytes) -> None:
        if path in marks:
            return
        self.whiteouts += len(path) + _MARK
        if self.whiteouts > self.limits.whiteouts:
            raise LimitExceeded(f"{self.stream.place}: more than {self.limits.whiteouts} bytes of removed paths")
        marks.add(path)

    def _add_other(self, member: tar.Member, path: bytes) -> None:
        match member.type:
            case tar.DIRECTORY:
                self._add_directory(member, path)
            case tar.CHARACTER_DEVICE if member.device == (b"", b""):
                self._mark(self.removed, path)
            case tar.SYMBOLIC_LINK:
                self._replace(path)
                self._add_link(path, member.link)
            case tar.HARD_LINK:
                self._replace(path)
                self._add_hard_link(member, path)
            case tar.CHARACTER_DEVICE | tar.BLOCK_DEVICE | tar.PIPE:
                self._replace(path)
            case _:
                self._add_file(member, path)

    def _add_directory(self, member: tar.Member, path: bytes) -> None:
        """A directory takes nothing from a directory, but the place of anything else."""
        self.written.add(path + b"/")
        self.found.take(path)
        if member.records and _is_opaque(member):
            self._mark(self.opaque, path)

    def _add_file(self, member: tar.Member, path: bytes) -> None:
        self._replace(path)
        inventories = self._read(member, path)
        if inventories:
            self._put(path, inventories)

    def _replace(self, path: bytes) -> None:
        """Forget what this layer had at or below a path that something else takes the place of."""
        self.written.add(path)
        if path in self.found:
            self.found.take_below(path)
            self.found.take(path)

    def _put(self, path: bytes, inventories: Iterable[Inventory]) -> None:
        some = tuple(map(self.owned.bounded, inventories))
        if not some:
            return
        self.packages += sum(len(inventory.packages) for inventory in some)
        if self.packages > self.limits.packages:
            raise LimitExceeded(f"{self.stream.place}: more than {self.limits.packages} packages in the layer")
        self.found.put(path, some)
        self._bound_directories()

    def _bound_directories(self) -> None:
        if self.found.weight > self.limits.directories:
            raise LimitExceeded(f"{self.stream.place}: too many or too deep directories above files of interest")

    def _add_link(self, path: bytes, target: bytes) -> None:
        if len(target) <= self.limits.path:
            self.written.add_target(path, target)
            if self.readers.may_link(path):
                self._put_link(path, _text(target), hard=False)

    def _add_hard_link(self, member: tar.Member, path: bytes) -> None:
        """Take another name of a file for a file of its own, with the same content."""
        target = tar.normalised(member.link) or b""
        wanted = self.readers.by_path(path)
        known = self.found.get(target)
        if path in self.linked:
            self._put(path, self.linked.pop(path))
        elif isinstance(known, tuple):
            names = {reader.name for reader in (*wanted, *self.readers.of_any_path)}
            self._put(path, (renamed(some, path.decode()) for some in known if some.analyser in names))
        elif wanted and set(wanted) <= set(self.readers.by_path(target)):
            # It was read there and gave nothing, or it lies in a layer below.
            self._put_link(path, _text(target), hard=True)
        elif wanted:
            self._count_link()
            self.missed[target].append(path)
            self._put(path, self._unread(path, wanted, f"a hard link to {_text(member.link)}, which is not read"))

    def _put_link(self, path: bytes, target: str, *, hard: bool) -> None:
        self._count_link()
        self.found.put(path, Link(path=path.decode(), target=target, hard=hard))
        self._bound_directories()

    def _count_link(self) -> None:
        self.links += 1
        if self.links > self.limits.links:
            raise LimitExceeded(f"{self.stream.place}: more than {self.limits.links} links in the place of files")

    def _read(self, member: tar.Member, path: bytes) -> tuple[Inventory, ...]:
        """Return what a file gives to each reader that wants it; most files nobody wants."""
        wanted = self.readers.by_path(path)
        head = self.stream.peek(self.readers.longest_magic) if member.size else b""
        by_magic = self.readers.by_magic(head)
        if not wanted and not by_magic and path not in self.sought:
            return ()
        if member.size > self.limits.file:
            if by_magic:
                wanted += self.readers.by_sections(head, Ends(self.stream, member.size, elf.HEADER_SIZE).read_at)
            return self._unread(path, wanted, f"{member.size} bytes; at most {self.limits.file} are read")
        if member.sparse:
            return self._unread(path, wanted, "a sparse file, which is not read")
        with held(self.stream, member.size) as content:
            for link in self.sought.get(path, ()):
                self.linked[link] = self._asked(link, self.readers.by_path(link), content)
            if by_magic:
                wanted += self.readers.by_sections(head, content.read_at)
            return self._asked(path, wanted, content) if wanted else ()

    def _asked(self, path: bytes, readers: Some, content: Content) -> tuple[Inventory, ...]:
        self.files += 1
        if self.files > self.limits.files and not self.readers.by_place(path):
            return ()
        self.asked.update(reader.name for reader in readers)
        file = content.file()
        said = (_ask(reader, path.decode(), file) for reader in dict.fromkeys(readers))
        return tuple(inventory for inventory in said if inventory is not None)

    def _unread(self, path: bytes, readers: Some, text: str) -> tuple[Inventory, ...]:
        self.asked.update(reader.name for reader in readers)
        return tuple(_problem(path.decode(), reader, text) for reader in dict.fromkeys(readers))


def _is_opaque(member: tar.Member) -> bool:
    return any(member.records.get(attribute) == b"y" for attribute in _OPAQUE_ATTRIBUTES)


def _ask(reader: FileReader, path: str, content: BinaryIO) -> Inventory | None:
    content.seek(0)
    try:
        return reader.read(path, content)
    except BadDatabase as error:
        return _problem(path, reader, str(error))


def _problem(path: str, reader: FileReader, text: str) -> Inventory:
    return Inventory(path=path, analyser=reader.name, problem=text)


def _text(path: bytes) -> str:
    """Return a path as text; bytes that are no UTF-8 stay told apart."""
    return path.decode(errors="backslashreplace")
