"""A layer read by its table of contents gives what the stream gives, from fewer bytes; whatever is off, the stream is
read instead."""

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from eclair import ecosystems
from eclair.adapters.archive import open_archive
from eclair.archives.bytestream import ByteStream
from eclair.archives.inflate import inflated
from eclair.image.filesystem import read_layer
from eclair.image.oci import CHUNKED_DIGEST, CHUNKED_POSITION
from eclair.image.partial import read_by_parts
from eclair.image.reference import ArchiveReference, Transport
from eclair.model import LayerReference, Manifest
from tests.seekable import chunked, estargz, sha256

Make = Callable[..., tuple[bytes, LayerReference]]
BOTH = pytest.mark.parametrize("make", [estargz, chunked])
ANYTHING: tuple[object, ...] = (-1, 0, 1, 2**40, 2**70, "", "x\0", "ü", None, [], {}, "reg", "chunk", "symlink", True)
STATUS = b"Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.2.13\n\n"


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()


def member(
    path: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.size = kind, len(content)
    for name, value in fields.items():
        setattr(info, name, value)
    return info, content


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


LAYER = tar_of(
    member("etc", kind=tarfile.DIRTYPE),
    member("etc/os-release", kind=tarfile.SYMTYPE, linkname="../usr/lib/os-release"),
    member("usr/lib/os-release", b"ID=debian\nVERSION_ID=12\n"),
    member("var/lib/dpkg/status", STATUS),
    member("var/lib/dpkg/copy", kind=tarfile.LNKTYPE, linkname="var/lib/dpkg/status"),
    member("store/1", b"DISTRIB_ID=Debian\n"),
    member("etc/lsb-release", kind=tarfile.LNKTYPE, linkname="store/1"),
    member("var/lib/dpkg/info/zlib1g:amd64.list", b"/.\n/usr/lib/libz.so.1\n"),
    member("usr/share/doc/large", noise(3_000_000, 1)),
    member("usr/bin/tool", b"#!/bin/sh\n" + noise(10_000, 2), mode=0o755),
    member("opt/.wh.gone"),
    member("srv/.wh..wh..opq"),
    member("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("old", kind=tarfile.CHRTYPE, devmajor=0, devminor=0),
    member("data", kind=tarfile.DIRTYPE, pax_headers={"SCHILY.xattr.trusted.overlay.opaque": "y"}),
    member("usr/share/large", noise(2_000_000, 3)),
    member("empty"),
)


class Blob:
    """A blob that is fetched in parts, which are counted."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.fetched = 0
        self.requests = 0

    def part(self, start: int, size: int) -> bytes:
        self.requests += 1
        self.fetched += size
        return self.content[start : start + size]


def by_stream(blob: bytes, reference: LayerReference) -> object:
    return read_layer(io.BytesIO(blob), reference, ecosystems.readers(), again=lambda: io.BytesIO(blob))


def by_parts(blob: Blob, reference: LayerReference) -> object:
    return read_by_parts(blob.part, reference, ecosystems.readers())


@BOTH
@pytest.mark.parametrize("chunk", [40, 1000, 4 * 1024**2])
def test_parts_give_what_the_stream_gives_from_fewer_bytes(make: Make, chunk: int) -> None:
    content, reference = make(LAYER, chunk=chunk) if chunk > 100 else make(small(), chunk=chunk)
    blob = Blob(content)
    read = by_parts(blob, reference)
    assert read == by_stream(content, reference)
    assert read is not None
    assert blob.fetched < len(content) / 4 or chunk < 4 * 1024**2


def small() -> bytes:
    """Return a layer of few bytes that matter and many chunks."""
    return tar_of(member("var/lib/dpkg/status", STATUS), member("usr/share/large", noise(100_000, 4)))


@BOTH
def test_a_table_that_is_not_the_one_of_the_manifest_is_not_believed(make: Make) -> None:
    content, reference = make(LAYER)
    zeros = f"sha256:{'0' * 64}"
    wrong = tuple((name, value if name == CHUNKED_POSITION else zeros) for name, value in reference.annotations)
    assert by_parts(Blob(content), replace(reference, annotations=wrong)) is None


def test_content_that_is_not_what_the_table_names_is_not_believed() -> None:
    content, reference = chunked(LAYER)
    start, document = _table(content, reference)
    (status,) = (entry for entry in document["entries"] if entry["name"] == "var/lib/dpkg/status")
    same, same_reference = _with_table(content[:start], document, reference)
    assert by_parts(Blob(same), same_reference) is not None
    status["digest"] = sha256(STATUS + b"x")
    forged, forged_reference = _with_table(content[:start], document, reference)
    assert by_parts(Blob(forged), forged_reference) is None


def test_a_layer_without_a_table_is_read_as_a_stream() -> None:
    content = gzip.compress(LAYER)
    _, reference = estargz(LAYER)
    assert by_parts(Blob(content), replace(reference, annotations=(), size=len(content))) is None
    assert by_parts(Blob(content), replace(reference, size=len(content))) is None


@BOTH
def test_a_layer_of_which_most_matters_is_read_as_a_stream(make: Make) -> None:
    content, reference = make(tar_of(member("usr/bin/tool", noise(100_000, 5), mode=0o755), member("a", b"a")))
    assert by_parts(Blob(content), reference) is None


@BOTH
def test_a_registry_that_sends_less_is_not_believed(make: Make) -> None:
    content, reference = make(LAYER)
    assert read_by_parts(lambda start, size: content[start : start + size - 1], reference, ecosystems.readers()) is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_table_with_anything_in_it_ends_in_a_layer_or_in_the_stream(data: st.DataObject) -> None:
    """Whoever makes the manifest makes the table; it may say anything, and nothing but bounded work comes of it."""
    content, reference = chunked(small())
    start, document = _table(content, reference)
    values: st.SearchStrategy[object] = st.sampled_from(
        [-1, 0, 1, 2**40, 2**70, "", "x\0", "ü", None, [], {}, "reg", "chunk", "symlink", True]
    )
    for _ in range(data.draw(st.integers(1, 4))):
        entry = data.draw(st.sampled_from(document["entries"]))
        entry[data.draw(st.sampled_from(sorted({*entry, "linkName", "innerOffset", "xattrs"})))] = data.draw(values)
    forged, forged_reference = _with_table(content[:start], document, reference)
    by_parts(Blob(forged), forged_reference)


def _table(content: bytes, reference: LayerReference) -> tuple[int, Any]:
    """Return where the frame of the table begins, and the table."""
    start, size = map(int, dict(reference.annotations)[CHUNKED_POSITION].split(":")[:2])
    return start - 8, json.loads(zstandard.ZstdDecompressor().decompress(content[start : start + size]))


def _with_table(content: bytes, document: object, reference: LayerReference) -> tuple[bytes, LayerReference]:
    table = json.dumps(document).encode()
    stored = zstandard.ZstdCompressor().compress(table)
    forged = content + bytes(8) + stored
    position = f"{len(content) + 8}:{len(stored)}:{len(table)}:1"
    annotations = ((CHUNKED_DIGEST, sha256(stored)), (CHUNKED_POSITION, position))
    return forged, replace(reference, size=len(forged), annotations=annotations)


def test_every_layer_of_a_real_image_is_read_alike(shared_data: Path) -> None:
    archive = ArchiveReference(transport=Transport.OCI_ARCHIVE, path=str(shared_data / "images" / "debian-app.tar"))
    with open_archive(archive) as image:
        digest = image.registry.resolve(image.repository, "").digest
        manifest = image.registry.manifest(image.repository, digest)
        assert isinstance(manifest, Manifest)
        saved = 0
        for layer in manifest.layers[1:]:
            with image.registry.blob(image.repository, layer) as blob:
                stored = blob.read()
            tar = b"".join(inflated(ByteStream(iter([stored]), "layer"), members=100))
            content, reference = estargz(tar)
            source = Blob(content)
            read = by_parts(source, reference)
            if read is not None:
                assert read == by_stream(content, reference)
                saved += len(content) - source.fetched
        assert saved > 1_000_000
