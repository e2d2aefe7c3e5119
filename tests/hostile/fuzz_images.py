"""What registries and their messengers send: manifests, configurations, tables of contents, archives, references."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile
from typing import Final

import zstandard

from eclair import ecosystems, events
from eclair.adapters.archive import open_archive
from eclair.errors import BadImage, BadReference, BadRequest, Forbidden, NotFound
from eclair.image import oci
from eclair.image import partial as by_parts
from eclair.image.filesystem import read_layer
from eclair.image.oci import CHUNKED_DIGEST, CHUNKED_POSITION, ESTARGZ_DIGEST
from eclair.image.reference import ArchiveReference, parse, parse_repository
from eclair.model import Manifest
from tests import seekable
from tests.hostile.fuzzing import Target
from tests.image import test_oci as documents
from tests.packed import tar_of
from tests.tars import END, directory, link, member

EVENTS: Final = Path(__file__).parent.parent / "events"
LAYER: Final = b"".join(
    (
        directory("etc"),
        member("etc/os-release", b"ID=debian\nVERSION_ID=12\n"),
        link("var/lib/rpm", "/usr/lib/sysimage/rpm"),
        member("var/lib/dpkg/status", b"Package: a\nStatus: install ok installed\nVersion: 1\n\n" * 20),
        member("usr/bin/program", b"\x7fELF" + bytes(300), mode=0o755),
        member("usr/share/doc/text", Random(0).randbytes(5000)),
        member(".wh.removed"),
        END,
    )
)


def _manifests() -> Iterator[bytes]:
    yield documents.encoded(documents.manifest())
    yield documents.encoded(documents.manifest(mediaType=oci.DOCKER_MANIFEST, annotations={ESTARGZ_DIGEST: "x"}))
    yield documents.encoded({"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": [_PLATFORM, _PLATFORM]})
    yield b'{"schemaVersion": 1, "fsLayers": []}'


_PLATFORM: Final = {
    "mediaType": oci.OCI_MANIFEST,
    "digest": documents.sha("1"),
    "size": 7,
    "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
}


def _manifest(content: bytes) -> object:
    """Read a manifest; where it is one of an image, with a configuration that is right."""
    found = oci.read_manifest(content, oci.digest_of(content))
    with suppress(BadImage):
        oci.read_index(content, "x")
    if isinstance(found, oci.Unconfigured):
        return oci.configured(found, documents.encoded(documents.configuration()))
    return found


def _configurations() -> Iterator[bytes]:
    yield documents.encoded(documents.configuration())
    yield documents.encoded({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}})


def _configuration(content: bytes) -> object:
    return oci.read_configuration(content, "x")


def _saved(content: bytes) -> object:
    return oci.read_docker_save(content, "x")


def _saved_seeds() -> Iterator[bytes]:
    yield b'[{"Config": "a.json", "RepoTags": ["a:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]'


# --- tables of contents ----------------------------------------------------------------------------------------------


def _tables(make: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """Yield the tables alone, which readers get within their blobs."""
    for chunk in (1000, 1 << 20):
        yield seekable.table(_written(make, chunk))


def _written(compress: Callable[[bytes], bytes], chunk: int = 1000) -> seekable.Writer:
    writer = seekable.Writer(compress, chunk)
    writer.add(LAYER)
    return writer


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


_zstd: Final = zstandard.ZstdCompressor(level=3).compress


def _chunked(content: bytes) -> object:
    """Read a layer by the table that its manifest pins, whatever it says."""
    blob, stored = bytes(_written(_zstd).blob), _zstd(content)
    position = f"{len(blob) + 8}:{len(stored)}:{len(content)}:1"
    annotations = ((CHUNKED_DIGEST, seekable.sha256(stored)), (CHUNKED_POSITION, position))
    return _by_parts(blob + b"\x50\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored, annotations, "zstd")


def _estargz(content: bytes) -> object:
    blob = bytes(_written(_gzip).blob)
    stored = _gzip(member("stargz.index.json", content) + END)
    annotations = ((ESTARGZ_DIGEST, seekable.sha256(content)),)
    return _by_parts(blob + stored + seekable.footer(len(blob)), annotations, "gzip")


def _ends() -> Iterator[bytes]:
    """Yield blobs whose ends name the place of the table."""
    yield seekable.estargz(LAYER)[0]


def _footer(content: bytes) -> object:
    """Read a layer by what ends it, pinned by the digest of the table that the seed has."""
    return _by_parts(content, seekable.estargz(LAYER)[1].annotations, "gzip")


def _by_parts(blob: bytes, annotations: tuple[tuple[str, str], ...], compression: str) -> object:
    reference = seekable.reference(blob, LAYER, compression, annotations)
    return by_parts.read_by_parts(lambda start, size: blob[start : start + size], reference, ecosystems.readers())


# --- archives, references, events ------------------------------------------------------------------------------------


def _archives() -> Iterator[bytes]:
    configuration = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(LAYER).hexdigest()}"]},
        }
    ).encode()
    saved = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["1/layer.tar"]}]
    yield tar_of({"manifest.json": json.dumps(saved).encode(), "c.json": configuration, "1/layer.tar": LAYER}, "w")
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.OCI_MANIFEST,
        "config": {**_descriptor(configuration), "mediaType": documents.CONFIGURATION},
        "layers": [{**_descriptor(LAYER), "mediaType": "application/vnd.oci.image.layer.v1.tar"}],
    }
    written = json.dumps(manifest).encode()
    index = {"schemaVersion": 2, "manifests": [{**_descriptor(written), "mediaType": oci.OCI_MANIFEST}]}
    blobs = {f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob in (configuration, LAYER, written)}
    yield tar_of(
        {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(), **blobs}, "w"
    )


def _descriptor(content: bytes) -> dict[str, object]:
    return {"digest": seekable.sha256(content), "size": len(content)}


def _archive(content: bytes) -> object:
    """Read an archive of an image as `eclair packages` does."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        reference = parse(f"oci-archive:{file.name}")
        assert isinstance(reference, ArchiveReference)
        with open_archive(reference) as opened:
            digest = opened.registry.resolve(opened.repository, opened.reference).digest
            found = opened.registry.manifest(opened.repository, digest)
            for layer in found.layers[:3] if isinstance(found, Manifest) else ():
                with opened.registry.blob(opened.repository, layer) as blob:
                    read_layer(blob, layer, ecosystems.readers())
    return found


def _references(content: bytes) -> object:
    text = content.decode(errors="replace")
    with suppress(BadReference):
        parse_repository(text)
    parse(text)
    return None


def _reference_seeds() -> Iterator[bytes]:
    yield from (
        b"registry.example.com:5000/library/debian:12",
        b"oci-archive:/tmp/a.tar:tag",
        b"dir:/",
        b"debian@sha256:" + b"0" * 64,
        b"[::1]:5000/a/b:c@sha512:" + b"f" * 128,
    )


def _event(kind: str, content: bytes) -> object:
    if kind != "ecr":
        return events.webhook(kind, content, allowed=("*",), now=0.0)
    try:
        event = json.loads(content)
    except ValueError:
        return None
    return events.ecr(event) if isinstance(event, dict) else None


def _events(kind: str) -> Iterator[bytes]:
    begins = "distribution" if kind == "docker" else kind
    return (file.read_bytes() for file in sorted(EVENTS.glob(f"{begins}_*.json")))


_ENTRIES: Final = (b'"type":"reg"', b'"type":"chunk"', b'"type":"hardlink"', b'"offset":', b'"chunkSize":', b'"size":')

TARGETS: Final = (
    Target(name="manifest", seeds=_manifests, read=_manifest, refused=(BadImage, BadReference)),
    Target(name="configuration", seeds=_configurations, read=_configuration, refused=(BadImage,)),
    Target(name="docker-save", seeds=_saved_seeds, read=_saved, refused=(BadImage,)),
    Target(name="toc-chunked", seeds=partial(_tables, _zstd), read=_chunked, refused=(), words=_ENTRIES),
    Target(name="toc-estargz", seeds=partial(_tables, _gzip), read=_estargz, refused=(), words=_ENTRIES),
    Target(name="toc-footer", seeds=_ends, read=_footer, refused=(), words=(b"STARGZ", b"SG")),
    Target(name="archive", seeds=_archives, read=_archive, refused=(BadImage, BadReference, NotFound)),
    Target(name="reference", seeds=_reference_seeds, read=_references, refused=(BadReference,)),
    *(
        Target(
            name=f"event-{kind}",
            seeds=partial(_events, kind),
            read=partial(_event, kind),
            refused=(BadRequest, BadReference, Forbidden, NotFound),
        )
        for kind in ("ecr", "docker", "quay", "harbor")
    ),
)
