"""What does it cost to read a layer? Prints one JSON line per measurement.

Run: python tests/benchmarks/bench_inflate.py (needs the folder that ECLAIR_SHARED_DATA names; see tests/conftest.py).

`index`: reading the gzip layer of the debian image, against igzip inflating the same bytes and doing nothing else; the
median of five rounds in which both take turns, in a warm process. `memory`: the peak of a process that reads a layer of
2 GiB, which is made as it is read.
"""

import gzip
import hashlib
import io
import json
import os
import random
import resource
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import BinaryIO, cast

import zstandard
from isal import igzip_lib

from eclair import ecosystems
from eclair.adapters.archive import open_archive
from eclair.filesystem import read_layer
from eclair.model import Digest, LayerReference, Manifest
from eclair.reference import ArchiveReference, Transport

ROOT = Path(__file__).parent.parent.parent
IMAGES = Path(os.environ.get("ECLAIR_SHARED_DATA", ROOT.parent / "shared" / "data")) / "images"
ROUNDS = 5
BLOCK = 256 * 1024
MEBIBYTE = 1024 * 1024


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def inflate(blob: bytes) -> int:
    """Inflate and do nothing else."""
    inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return sum(len(inflater.decompress(blob[start : start + BLOCK])) for start in range(0, len(blob), BLOCK))


def measure_index() -> dict[str, float]:
    reference = ArchiveReference(transport=Transport.OCI_ARCHIVE, path=str(IMAGES / "debian-bullseye.tar"))
    with open_archive(reference) as archive:
        digest = archive.registry.resolve(archive.repository, "").digest
        manifest = archive.registry.manifest(archive.repository, digest)
        assert isinstance(manifest, Manifest)
        (layer,) = manifest.layers
        with archive.registry.blob(archive.repository, layer) as file:
            blob = file.read()
    readers = ecosystems.readers()
    inflate(blob), read_layer(io.BytesIO(blob), layer, readers)
    rounds = [
        (seconds(lambda: inflate(blob)), seconds(lambda: read_layer(io.BytesIO(blob), layer, readers)))
        for _ in range(ROUNDS)
    ]
    bare, indexing = (median(times) for times in zip(*rounds, strict=True))
    return {
        "inflated_bytes": inflate(blob),
        "bare_ms": round(bare * 1000, 1),
        "index_ms": round(indexing * 1000, 1),
        "ratio": round(indexing / bare, 3),
    }


class Made:
    """A blob that is made of pieces as it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        read, self._piece = self._piece[:size], self._piece[size:]
        return bytes(read)


def large(compress: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """Yield a compressed tar of 128 files of 16 MiB, and a package database at its end."""
    half = 8 * MEBIBYTE
    file = tarfile.TarInfo("some/file")
    file.size = 2 * half
    piece = compress(file.tobuf() + random.Random(0).randbytes(half) + bytes(half))
    for _ in range(128):
        yield piece
    database = b"Package: apt\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"
    file = tarfile.TarInfo("var/lib/dpkg/status")
    file.size = len(database)
    yield compress(file.tobuf() + database.ljust(512, b"\0") + bytes(1024))


def _measure_memory(compress: Callable[[bytes], bytes]) -> dict[str, float]:
    digest = hashlib.sha256()
    size = 0
    for piece in large(compress):
        digest.update(piece)
        size += len(piece)
    name = Digest(f"sha256:{digest.hexdigest()}")
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    reference = LayerReference(digest=name, diff_id=Digest(""), media_type=media_type, size=size)
    readers = ecosystems.readers()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    blob = cast("BinaryIO", Made(large(compress)))
    took = seconds(lambda: read_layer(blob, reference, readers))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "compressed_bytes": size,
        "seconds": round(took, 2),
        "before_mb": round(before / 1024, 1),
        "peak_mb": round(peak / 1024, 1),
    }


def measure_memory_gzip() -> dict[str, float]:
    return _measure_memory(lambda content: gzip.compress(content, 1, mtime=0))


def measure_memory_zstd() -> dict[str, float]:
    return _measure_memory(zstandard.ZstdCompressor(level=1).compress)


MEASUREMENTS = {
    function.__name__.removeprefix("measure_"): function
    for function in (measure_index, measure_memory_gzip, measure_memory_zstd)
}


def main() -> None:
    """Measure everything in processes of their own, or the one named, in this one."""
    if len(sys.argv) == 2:
        figures = {"measurement": sys.argv[1], **MEASUREMENTS[sys.argv[1]]()}
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    for name in MEASUREMENTS:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
