"""What does it cost to read layers, and to stack them? Prints one JSON line per measurement.

Run: python tests/benchmarks/bench_inflate.py [MEASUREMENT] (some need the folder that ECLAIR_SHARED_DATA names; see
tests/conftest.py). Each measurement has a process of its own, so that the peak memory is its own.

`index_os`, `index_app`: reading the layers of an image, against igzip and zstandard inflating the same bytes and doing
nothing else; medians of rounds in which both take turns, in a warm process. `large_…`: a layer of 2 GiB in few files,
and half of it. `many_files`: a layer of 500,000 small files, and a fifth of it. `executables`: one of programs that
have to be held until their ends are seen, and a fifth of it. `stack`: 127 layers on one another, and a tenth of them.
What is read is made while it is read; `ratio` is the time of the whole against the part, which is 2, 5 and 10 where it
is linear. `cpu…` are processor times of all threads, which other programs disturb less.
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
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import BinaryIO, cast

import zstandard
from isal import igzip_lib

from eclair import ecosystems
from eclair.adapters.archive import open_archive
from eclair.coalesce import coalesce
from eclair.image.filesystem import read_layer
from eclair.image.reference import ArchiveReference, Transport
from eclair.model import Digest, Layer, LayerReference, Manifest

ROOT = Path(__file__).parent.parent.parent
IMAGES = Path(os.environ.get("ECLAIR_SHARED_DATA", ROOT.parent / "shared" / "data")) / "images"
ROUNDS = 7
BLOCK = 256 * 1024
MEBIBYTE = 1024 * 1024
WINDOW = 128 * MEBIBYTE


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return what a work takes: by the clock, and of processors."""
    start, started = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - started


def megabytes() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


# --- real layers ------------------------------------------------------------------------------------------------------


def inflate(blob: bytes) -> int:
    """Inflate and do nothing else."""
    if blob.startswith(b"\x1f\x8b"):
        gunzip = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        return sum(len(gunzip.decompress(blob[start : start + BLOCK])) for start in range(0, len(blob), BLOCK))
    unzstd = zstandard.ZstdDecompressor(max_window_size=WINDOW)
    return sum(map(len, unzstd.read_to_iter(blob, read_size=BLOCK, write_size=BLOCK)))


def layers_of(name: str) -> list[tuple[LayerReference, bytes]]:
    reference = ArchiveReference(transport=Transport.OCI_ARCHIVE, path=str(IMAGES / name))
    found = []
    with open_archive(reference) as archive:
        digest = archive.registry.resolve(archive.repository, "").digest
        manifest = archive.registry.manifest(archive.repository, digest)
        assert isinstance(manifest, Manifest)
        for layer in manifest.layers:
            with archive.registry.blob(archive.repository, layer) as file:
                found.append((layer, file.read()))
    return found


def _measure_index(name: str) -> dict[str, float]:
    layers = layers_of(name)
    readers = ecosystems.readers()

    def bare() -> int:
        return sum(inflate(blob) for _, blob in layers)

    def index() -> None:
        for layer, blob in layers:
            read_layer(io.BytesIO(blob), layer, readers)

    bare()
    index()
    rounds = [(*seconds(bare), *seconds(index)) for _ in range(ROUNDS)]
    bare_, cpu_bare, indexing, cpu = (median(times) for times in zip(*rounds, strict=True))
    return {
        "inflated_bytes": bare(),
        "bare_ms": round(bare_ * 1000, 1),
        "index_ms": round(indexing * 1000, 1),
        "ratio": round(median(ours / theirs for theirs, _, ours, _ in rounds), 3),
        "cpu_ratio": round(cpu / cpu_bare, 3),
    }


def measure_index_os() -> dict[str, float]:
    return _measure_index("debian-bullseye.tar")


def measure_index_app() -> dict[str, float]:
    return _measure_index("debian-app.tar")


# --- layers that are made ---------------------------------------------------------------------------------------------


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


DATABASE = b"Package: apt\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"
Compress = Callable[[bytes], bytes]
Make = Callable[[int], Iterator[bytes]]


def header(name: str, size: int) -> bytes:
    file = tarfile.TarInfo(name)
    file.size = size
    return file.tobuf()


def end() -> bytes:
    return header("var/lib/dpkg/status", len(DATABASE)) + DATABASE.ljust(512, b"\0") + bytes(1024)


def gzipped(content: bytes | bytearray) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def large(compress: Compress) -> Make:
    """Make files of 16 MiB, and a package database behind them."""
    half = 8 * MEBIBYTE
    piece = compress(header("some/file", 2 * half) + random.Random(0).randbytes(half) + bytes(half))

    def make(count: int) -> Iterator[bytes]:
        yield from (piece for _ in range(count))
        yield compress(end())

    return make


def small(count: int) -> Iterator[bytes]:
    """Make files of 100 bytes with paths of their own."""
    template = bytearray(header("x", 100))
    content = b"x" * 100 + bytes(412)
    for start in range(0, count, 1000):
        made = bytearray()
        for number in range(start, start + 1000):
            name = b"usr/lib/node_modules/package-%05d/lib/module-%06d.js" % (number // 20, number)
            template[:100] = name.ljust(100, b"\0")
            template[148:156] = b" " * 8
            template[148:156] = b"%06o\0 " % sum(template)
            made += template + content
        yield gzipped(made)
    yield gzipped(end())


def programs(count: int) -> Iterator[bytes]:
    """Make ELF files of 20 MiB, which name no section that anybody looks for."""
    size = 20 * MEBIBYTE
    names = b"\0.text\0.shstrtab\0"
    table = size - 2 * 64
    elf = b"\x7fELF\2\1\1".ljust(40, b"\0") + table.to_bytes(8, "little") + bytes(10) + bytes((64, 0, 2, 0, 1, 0))
    section = bytes(24) + (64).to_bytes(8, "little") + len(names).to_bytes(8, "little")
    body = elf + names + random.Random(0).randbytes(MEBIBYTE)
    piece = gzipped(header("usr/bin/program", size) + body.ljust(table, b"\1") + bytes(64) + section.ljust(64, b"\0"))
    yield from (piece for _ in range(count))
    yield gzipped(end())


def reference_of(pieces: Iterable[bytes]) -> LayerReference:
    digest = hashlib.sha256()
    size = 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return LayerReference(
        digest=Digest(f"sha256:{digest.hexdigest()}"),
        diff_id=Digest(""),
        media_type="application/vnd.oci.image.layer.v1.tar+gzip",
        size=size,
    )


def _measure_layer(make: Make, part: int, whole: int) -> dict[str, float]:
    """Read a part and the whole of what can be made; the peak is that of both."""
    readers = ecosystems.readers()
    references = [reference_of(make(count)) for count in (part, whole)]
    before = megabytes()
    took = []
    for count, reference in zip((part, whole), references, strict=True):
        blob = cast("BinaryIO", Made(make(count)))
        took.append(seconds(lambda: read_layer(blob, reference, readers)))  # noqa: B023 - called before the next round
    return {
        "compressed_bytes": references[1].size,
        "seconds": round(took[1][0], 2),
        "ratio": round(took[1][0] / took[0][0], 2),
        "cpu_seconds": round(took[1][1], 2),
        "cpu_ratio": round(took[1][1] / took[0][1], 2),
        "before_mb": before,
        "peak_mb": megabytes(),
    }


def measure_large_gzip() -> dict[str, float]:
    return _measure_layer(large(gzipped), 64, 128)


def measure_large_zstd() -> dict[str, float]:
    return _measure_layer(large(zstandard.ZstdCompressor(level=1).compress), 64, 128)


def measure_many_files() -> dict[str, float]:
    return _measure_layer(small, 100_000, 500_000)


def measure_executables() -> dict[str, float]:
    return _measure_layer(programs, 10, 50)


# --- images of many layers --------------------------------------------------------------------------------------------


def stacked(count: int) -> list[Layer]:
    """Return layers that each rewrite a database of 500 packages and add 500 files."""
    readers = ecosystems.readers()
    layers = []
    for number in range(count):
        database = b"".join(DATABASE.replace(b"apt", b"apt%d" % some) for some in range(500 + number))
        files = b"".join(header(f"srv/{number}/file-{some}", 0) for some in range(500))
        status = header("var/lib/dpkg/status", len(database)) + database + bytes(-len(database) % 512)
        blob = files + status + bytes(1024)
        layers.append(read_layer(io.BytesIO(blob), reference_of([blob]), readers))
    return layers


def measure_stack() -> dict[str, float]:
    layers = stacked(127)
    coalesce(layers[:2])
    before = megabytes()
    part, whole = (min(seconds(lambda: coalesce(layers[:count]))[1] for _ in range(3)) for count in (13, 127))  # noqa: B023
    return {
        "layers": len(layers),
        "cpu_seconds": round(whole, 3),
        "cpu_ratio": round(whole / part, 1),
        "before_mb": before,
        "peak_mb": megabytes(),
    }


MEASUREMENTS = {
    function.__name__.removeprefix("measure_"): function
    for function in (
        measure_index_os,
        measure_index_app,
        measure_large_gzip,
        measure_large_zstd,
        measure_many_files,
        measure_executables,
        measure_stack,
    )
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
