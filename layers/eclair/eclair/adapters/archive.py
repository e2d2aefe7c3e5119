"""Images that lie in files and folders, behind the same port as a registry.

OCI image layouts (OCI image specification, *image-layout.md*) as folders or tars, what `docker save` writes (a tar with
`manifest.json`; newer ones are OCI layouts as well), and unpacked root file systems. Nothing is unpacked: a tar is
passed over once for the places of its members; a compressed one is inflated into an unnamed temporary file first.

`docker save` keeps no manifest, so such an image goes by the digest of its configuration (docker's image id) and its
layers by their diff_ids. A root file system goes by the digest of a tar of its files of interest, in the order of their
paths, with all else that a tar records set to zero: the same files have the same digest.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, Protocol, cast

from eclair.archives import tar
from eclair.archives.bytestream import ByteStream, blocks_of
from eclair.archives.inflate import READ_SIZE, inflated
from eclair.errors import BadImage, BadReference, Forbidden, LimitExceeded, NotFound
from eclair.image import oci
from eclair.image.content import Spooled
from eclair.image.interest import Readers
from eclair.image.reference import ArchiveReference, Transport, is_digest, parse_digest
from eclair.model import (
    Artifact,
    Descriptor,
    Digest,
    Index,
    LayerReference,
    Manifest,
    Platform,
    Repository,
)
from eclair.ports import Registry

PLAIN_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"

_IMAGE_NAME: Final = "io.containerd.image.name"
_REFERENCE_NAME: Final = "org.opencontainers.image.ref.name"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_LINKS_LIMIT: Final = 40
"""How many links are followed for one path, as in Linux."""

_NOBODY: Final = Readers(())
_MOUNTED: Final = ("proc", "sys", "dev")
"""What a running system has in its root that is no file system of files."""

_MEMBERS_LIMIT: Final = 100_000
_INFLATED_LIMIT: Final = 20 * 1024**3
_IN_MEMORY: Final = 32 * 1024**2
_FILE_LIMIT: Final = 256 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenArchive:
    """An archive as a registry with one repository, and the reference (maybe empty) of the image in it."""

    registry: Registry
    repository: Repository
    reference: str


@contextmanager
def open_archive(reference: ArchiveReference, *, readers: Readers = _NOBODY) -> Iterator[OpenArchive]:
    """Open the archive for as long as the context lasts; of a root file system what the readers want is packed."""
    place = Path(reference.path)
    name = f"{reference.transport}:{reference.path}"
    with ExitStack() as stack:
        with _opening(name):
            registry = _registry(reference.transport, place, name, stack, readers)
        yield OpenArchive(registry=registry, repository=Repository(name), reference=reference.tag)


@contextmanager
def _opening(name: str) -> Iterator[None]:
    """Turn what the operating system says of a path into errors of ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotFound(f"{name}: {error.strerror}; give the path of a whole archive or folder") from error
    except PermissionError as error:
        raise Forbidden(f"{name}: {error.strerror}; let this user read it") from error


def _registry(
    transport: Transport,
    place: Path,
    name: str,
    stack: ExitStack,
    readers: Readers,
) -> Registry:
    if transport is Transport.DIRECTORY:
        return RootFileSystem(place, name, stack.enter_context(_scratch()), readers)
    if transport is Transport.OCI:
        return OciLayout(Folder(place, name), name)
    files = TarFiles(_opened(place, name, stack), name)
    # Archives are told by what they hold: newer `docker save` output is an OCI layout.
    if files.has("index.json"):
        return OciLayout(files, name)
    if files.has("manifest.json"):
        return DockerArchive(files, name)
    raise BadImage(f"{name} holds neither index.json (an OCI layout) nor manifest.json (docker save)")


def _opened(place: Path, name: str, stack: ExitStack) -> BinaryIO:
    """Open a tar; a compressed one as its inflated copy, because its members are wanted in any order."""
    file = stack.enter_context(place.open("rb"))
    magic = file.read(2)
    file.seek(0)
    if magic != _GZIP_MAGIC:
        return file
    copy = stack.enter_context(_scratch())
    for block in inflated(ByteStream(blocks_of(file, READ_SIZE), name), members=_MEMBERS_LIMIT):
        copy.write(block)
        if copy.tell() > _INFLATED_LIMIT:
            raise LimitExceeded(f"{name} inflates to more than {_INFLATED_LIMIT} bytes")
    return copy


@contextmanager
def _scratch() -> Iterator[BinaryIO]:
    """Give a file without a name, in memory while it is small."""
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        yield cast("BinaryIO", file)


# --- files by path, in a folder or a tar ------------------------------------------------------------------------------


class Files(Protocol):
    """Read access by path."""

    def has(self, path: str) -> bool: ...

    def size(self, path: str) -> int: ...

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Raises `NotFound`."""


class Folder:
    """The files of a folder."""

    def __init__(self, root: Path, name: str) -> None:
        if not root.is_dir():
            raise NotFound(f"{name} is no folder; give the path of an OCI layout")
        self._root = root
        self._name = name

    def has(self, path: str) -> bool:
        return (self._root / path).is_file()

    def size(self, path: str) -> int:
        with _opening(f"{self._name}, {path}"):
            return (self._root / path).stat().st_size

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with _opening(f"{self._name}, {path}"):
            file = (self._root / path).open("rb")
        with file:
            yield file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a member's content lies; `link` is set instead where it is another member's."""

    offset: int = 0
    size: int = 0
    link: bytes = b""


class TarFiles:
    """The regular files of a seekable tar, found by one pass over its headers."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._places = _places(file, name)

    def has(self, path: str) -> bool:
        return self._place(path) is not None

    def size(self, path: str) -> int:
        return self._existing(path).size

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        place = self._existing(path)
        yield io.BufferedReader(_Section(self._file, place.offset, place.size), READ_SIZE)

    def _existing(self, path: str) -> _Place:
        place = self._place(path)
        if place is None:
            raise NotFound(f"{self._name} has no {path}; save the image again")
        return place

    def _place(self, path: str) -> _Place | None:
        target: bytes | None = path.encode()
        for _ in range(_LINKS_LIMIT):
            place = self._places.get(target or b"")
            if place is None or not place.link:
                return place
            target = place.link
        return None


def _places(file: BinaryIO, name: str) -> Mapping[bytes, _Place]:
    places: dict[bytes, _Place] = {}
    source = _SeekableSource(file, name)
    for count, member in enumerate(tar.members(source)):
        if count == _MEMBERS_LIMIT:
            raise LimitExceeded(f"{name}: more than {_MEMBERS_LIMIT} members; is this an image archive?")
        path = tar.normalised(member.path)
        if path is None:
            continue
        if member.type == tar.REGULAR and not member.sparse:
            places[path] = _Place(offset=source.offset, size=member.size)
        elif member.type == tar.HARD_LINK:
            places[path] = _Place(link=tar.normalised(member.link) or b"")
        elif member.type == tar.SYMBOLIC_LINK:
            places[path] = _Place(link=_beside(path, member.link))
    return places


def _beside(path: bytes, link: bytes) -> bytes:
    """Return where a symbolic link leads to, as a path from the root; it cannot leave the root."""
    parts = [] if link.startswith(b"/") else path.split(b"/")[:-1]
    for part in link.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


class _SeekableSource:
    """A tar source that passes over content by seeking."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._end = file.seek(0, os.SEEK_END)
        self.offset = 0

    @property
    def place(self) -> str:
        return f"{self._name}, byte {self.offset}"

    def take(self, size: int) -> bytes:
        self._file.seek(self.offset)
        taken = self._file.read(size)
        self.offset += len(taken)
        return taken

    def skip(self, size: int) -> bool:
        return self.skip_to(self.offset + size)

    def skip_to(self, offset: int) -> bool:
        self.offset = offset
        return offset <= self._end


class _Section(io.RawIOBase):
    """A part of a file; several may be read at the same time."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed names a private protocol
        self._file.seek(self._offset)
        content = self._file.read(min(len(buffer), self._end - self._offset))
        buffer[: len(content)] = content
        self._offset += len(content)
        return len(content)


def _read(files: Files, path: str, limit: int, name: str) -> bytes:
    with files.open(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise LimitExceeded(f"{name}: {path} has more than {limit} bytes")
    return content


# --- the kinds of archive ---------------------------------------------------------------------------------------------


class OciLayout:
    """An OCI image layout: `index.json` names the images, `blobs/ALGORITHM/HEX` hold everything."""

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self._name = name
        content = _read(files, "index.json", oci.MANIFEST_LIMIT, name)
        self._index = oci.read_index(content, f"index.json of {name}")

    def resolve(self, repository: Repository, reference: str) -> Descriptor:
        """Return the image of that tag or digest; an empty reference means the only image, or all as one index."""
        if is_digest(reference):
            return self._by_digest(parse_digest(reference))
        found = [one for one in self._index.manifests if not reference or _named(one, reference)]
        if len({one.digest for one in found}) == 1:
            return found[0]
        if found and all(one.platform for one in found):
            return Descriptor(digest=self._index.digest, media_type=oci.OCI_INDEX)
        names = ", ".join(sorted(set(self.tags(repository)))) or "no names"
        raise NotFound(
            f"{self._name}: {reference or 'no one image'!r} among its images ({names}); name one, as PATH:TAG"
        )

    def manifest(self, repository: Repository, digest: Digest) -> Manifest | Index | Artifact:
        if digest == self._index.digest:
            return self._index
        manifest = oci.read_manifest(self._blob(digest, oci.MANIFEST_LIMIT), digest)
        if not isinstance(manifest, oci.Unconfigured):
            return manifest
        return oci.configured(manifest, self._blob(manifest.configuration.digest, oci.CONFIGURATION_LIMIT))

    def blob(self, repository: Repository, layer: LayerReference) -> AbstractContextManager[BinaryIO]:
        return self._files.open(_blob_path(layer.digest))

    def tags(self, repository: Repository) -> Iterator[str]:
        return (value for one in self._index.manifests for key, value in one.annotations if key == _REFERENCE_NAME)

    def repositories(self, host: str) -> Iterator[Repository]:
        raise NotFound(f"{self._name} is an archive and lists no repositories")

    def _by_digest(self, digest: Digest) -> Descriptor:
        for one in self._index.manifests:
            if one.digest == digest:
                return one
        return Descriptor(digest=digest, media_type="", size=self._files.size(_blob_path(digest)))

    def _blob(self, digest: Digest, limit: int) -> bytes:
        return _read(self._files, _blob_path(digest), limit, self._name)


def _blob_path(digest: Digest) -> str:
    algorithm, _, encoded = parse_digest(digest).partition(":")
    return f"blobs/{algorithm}/{encoded}"


def _named(descriptor: Descriptor, name: str) -> bool:
    """Say whether it goes by a tag, or by a name with a tag at its end."""
    names = (value for key, value in descriptor.annotations if key in (_REFERENCE_NAME, _IMAGE_NAME))
    return any(value == name or value.endswith((f":{name}", f"/{name}")) for value in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saved:
    """One image of a `docker save` archive, with the member that holds each layer."""

    manifest: Manifest
    names: tuple[str, ...]
    members: Mapping[Digest, str]


class DockerArchive:
    """What `docker save` writes: `manifest.json` names each image's configuration and layers."""

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self._name = name
        content = _read(files, "manifest.json", oci.MANIFEST_LIMIT, name)
        self._images = tuple(self._saved(entry) for entry in oci.read_docker_save(content, f"manifest.json of {name}"))

    def resolve(self, repository: Repository, reference: str) -> Descriptor:
        """Return the image of that tag or configuration digest; an empty reference means the only image."""
        found = [image.manifest.digest for image in self._images if self._is(image, reference)]
        if len(set(found)) == 1:
            return Descriptor(digest=found[0], media_type=oci.DOCKER_MANIFEST)
        names = ", ".join(self.tags(repository)) or "no names"
        raise NotFound(
            f"{self._name}: {reference or 'no one image'!r} among its images ({names}); name one, as PATH:TAG"
        )

    def manifest(self, repository: Repository, digest: Digest) -> Manifest | Index | Artifact:
        for image in self._images:
            if image.manifest.digest == digest:
                return image.manifest
        raise NotFound(f"{self._name} has no image {digest}")

    def blob(self, repository: Repository, layer: LayerReference) -> AbstractContextManager[BinaryIO]:
        for image in self._images:
            if layer.digest in image.members:
                return self._files.open(image.members[layer.digest])
        raise NotFound(f"{self._name} has no layer {layer.digest}")

    def tags(self, repository: Repository) -> Iterator[str]:
        return (name for image in self._images for name in image.names)

    def repositories(self, host: str) -> Iterator[Repository]:
        raise NotFound(f"{self._name} is an archive and lists no repositories")

    def _is(self, image: _Saved, reference: str) -> bool:
        if not reference or image.manifest.digest == reference:
            return True
        return any(name == reference or name.endswith((f":{reference}", f"/{reference}")) for name in image.names)

    def _saved(self, entry: oci.SavedImage) -> _Saved:
        content = _read(self._files, entry.configuration, oci.CONFIGURATION_LIMIT, self._name)
        name = f"{entry.configuration} of {self._name}"
        configuration = oci.read_configuration(content, name)
        if len(configuration.diff_ids) != len(entry.layers):
            raise BadImage(
                f"{name} names {len(configuration.diff_ids)} layers, manifest.json {len(entry.layers)}; save it again"
            )
        steps = zip(configuration.diff_ids, entry.layers, configuration.created_by, strict=True)
        layers = tuple(
            LayerReference(
                digest=diff_id,
                diff_id=diff_id,
                media_type=PLAIN_LAYER,
                size=self._files.size(member),
                created_by=created_by,
            )
            for diff_id, member, created_by in steps
        )
        return _Saved(
            manifest=Manifest(digest=oci.digest_of(content), platform=configuration.platform, layers=layers),
            names=entry.names,
            members=dict(zip(configuration.diff_ids, entry.layers, strict=True)),
        )


class RootFileSystem:
    """An unpacked root file system: one layer with its files of interest."""

    def __init__(self, root: Path, name: str, scratch: BinaryIO, readers: Readers) -> None:
        if not root.is_dir():
            raise NotFound(f"{name} is no folder; give the path of a root file system")
        self._scratch = scratch
        self._name = name
        _pack(root, scratch, readers)
        self._size = scratch.tell()
        scratch.seek(0)
        digest = _digest_of_file(scratch)
        layer = LayerReference(digest=digest, diff_id=digest, media_type=PLAIN_LAYER, size=self._size)
        platform = Platform(os="linux", architecture="unknown")
        self._manifest = Manifest(digest=digest, platform=platform, layers=(layer,))

    def resolve(self, repository: Repository, reference: str) -> Descriptor:
        if reference not in ("", self._manifest.digest):
            raise BadReference(f"{self._name} is a root file system and has no {reference!r}")
        return Descriptor(digest=self._manifest.digest, media_type=oci.OCI_MANIFEST)

    def manifest(self, repository: Repository, digest: Digest) -> Manifest | Index | Artifact:
        if digest != self._manifest.digest:
            raise NotFound(f"{self._name} has no image {digest}")
        return self._manifest

    @contextmanager
    def blob(self, repository: Repository, layer: LayerReference) -> Iterator[BinaryIO]:
        yield io.BufferedReader(_Section(self._scratch, 0, self._size), READ_SIZE)

    def tags(self, repository: Repository) -> Iterator[str]:
        return iter(())

    def repositories(self, host: str) -> Iterator[Repository]:
        raise NotFound(f"{self._name} is a root file system and lists no repositories")


def _digest_of_file(file: BinaryIO) -> Digest:
    sha = hashlib.sha256()
    for block in blocks_of(file, READ_SIZE):
        sha.update(block)
    return Digest(f"sha256:{sha.hexdigest()}")


def _pack(root: Path, file: BinaryIO, readers: Readers) -> None:
    """Write a tar of the files of interest, each under the path by which it is wanted."""
    wanted = dict(_walked(root, readers)) | dict(_at_places(root, readers))
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, place in sorted(wanted.items()):
            with place.open("rb") as content:
                header = tarfile.TarInfo(os.fsdecode(path))
                header.size = os.fstat(content.fileno()).st_size
                archive.addfile(header, content)


def _at_places(root: Path, readers: Readers) -> Iterator[tuple[bytes, Path]]:
    """Yield the regular files at fixed places, where links may stand for them."""
    for path in readers.places:
        place = _inside(root, os.fsdecode(path))
        if place is None:
            continue
        if place.is_dir():
            yield from ((path + b"/" + os.fsencode(name), found) for name, found in _listed(root, place))
        elif S_ISREG(place.lstat().st_mode) and readers.by_place(path):
            yield path, place


def _listed(root: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    for entry in folder.iterdir():
        place = _inside(root, str(entry.relative_to(root)))
        if place is not None and S_ISREG(place.lstat().st_mode):
            yield entry.name, place


def _walked(root: Path, readers: Readers) -> Iterator[tuple[bytes, Path]]:
    """Yield the regular files that are wanted by their names or by what they hold; links are not followed."""
    for folder, folders, names in os.walk(root, onerror=_refuse):
        if folder == str(root):
            folders[:] = [name for name in folders if name not in _MOUNTED or not (root / name).is_mount()]
        for name in names:
            place = Path(folder, name)
            path = os.fsencode(place.relative_to(root))
            if S_ISREG(place.lstat().st_mode) and (readers.anywhere(path) or _is_wanted(place, readers)):
                yield path, place


def _refuse(error: OSError) -> None:
    raise error


def _is_wanted(place: Path, readers: Readers) -> bool:
    """Say whether somebody wants a file by what it holds."""
    if not readers.longest_magic:
        return False
    with place.open("rb") as content:
        head = content.read(readers.longest_magic)
        return bool(readers.by_magic(head) and readers.by_sections(head, Spooled(content).read_at))


def _inside(root: Path, path: str) -> Path | None:
    """Follow a path and its symbolic links without leaving the root; None where it leads nowhere."""
    parts = path.split("/")[::-1]
    place = root
    depth = links = 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            place, depth = (place.parent, depth - 1) if depth else (root, 0)
            continue
        step = place / part
        if step.is_symlink():
            links += 1
            if links > _LINKS_LIMIT:
                return None
            target = str(step.readlink())
            place, depth = (root, 0) if target.startswith("/") else (place, depth)
            parts += target.split("/")[::-1]
            continue
        if not step.exists():
            return None
        place, depth = step, depth + 1
    return place
