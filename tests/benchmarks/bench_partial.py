"""How many bytes does a layer with a table of contents take? Prints one JSON line per layer.

Run: python tests/benchmarks/bench_partial.py (needs the folder that ECLAIR_SHARED_DATA names; see tests/conftest.py).

Each layer of the debian-app image is written anew as eStargz; the bytes that are fetched to index it, the table among
them, stand beside the size of the whole blob. `by` says whether it was read by parts or, since that saved too little,
as a stream.
"""

import json
import os
import sys
from pathlib import Path

from eclair import ecosystems
from eclair.adapters.archive import open_archive
from eclair.archives.bytestream import ByteStream
from eclair.archives.inflate import inflated
from eclair.image.partial import read_by_parts
from eclair.image.reference import ArchiveReference, Transport
from eclair.model import Manifest
from tests.seekable import estargz

ROOT = Path(__file__).parent.parent.parent
IMAGES = Path(os.environ.get("ECLAIR_SHARED_DATA", ROOT.parent / "shared" / "data")) / "images"


def measure(number: int, tar: bytes) -> dict[str, object]:
    content, reference = estargz(tar)
    fetched: list[int] = []

    def part(start: int, size: int) -> bytes:
        fetched.append(size)
        return content[start : start + size]

    read = read_by_parts(part, reference, ecosystems.readers())
    taken = sum(fetched) + (0 if read else len(content))
    return {
        "measured": f"bytes of layer {number} of debian-app",
        "by": "parts" if read else "stream",
        "blob_bytes": len(content),
        "fetched_bytes": taken,
        "requests": len(fetched) + (not read),
        "share": round(taken / len(content), 3),
    }


def main() -> None:
    archive = ArchiveReference(transport=Transport.OCI_ARCHIVE, path=str(IMAGES / "debian-app.tar"))
    with open_archive(archive) as image:
        digest = image.registry.resolve(image.repository, "").digest
        manifest = image.registry.manifest(image.repository, digest)
        assert isinstance(manifest, Manifest)
        for number, layer in enumerate(manifest.layers, 1):
            with image.registry.blob(image.repository, layer) as blob:
                tar = b"".join(inflated(ByteStream(iter([blob.read()]), "layer"), members=100))
            sys.stdout.write(json.dumps(measure(number, tar)) + "\n")


if __name__ == "__main__":
    main()
