"""Make layers that carry a table of contents: eStargz and zstd:chunked, from the bytes of a tar.

As stargz-snapshotter and containers/storage write them: the content of each file begins a gzip member (or zstd frame)
of its own, large files are several chunks, and the table says where.
"""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import zstandard

from eclair.image.oci import CHUNKED_DIGEST, CHUNKED_POSITION, ESTARGZ_DIGEST
from eclair.model import Digest, LayerReference

CHUNK = 4 * 1024**2
KINDS = {
    tarfile.DIRTYPE: "dir",
    tarfile.REGTYPE: "reg",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "char",
    tarfile.FIFOTYPE: "fifo",
}
XATTR = "SCHILY.xattr."


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Writer:
    """A layer that is being written, with the entries of its table."""

    compress: Callable[[bytes], bytes]
    chunk: int = CHUNK
    blob: bytearray = field(default_factory=bytearray)
    entries: list[dict[str, Any]] = field(default_factory=list)
    _between: bytearray = field(default_factory=bytearray)

    def add(self, content: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            position = 0
            for member in archive:
                self._between += content[position : member.offset_data]
                self.entries += self._entries(member, content)
                position = member.offset_data + (member.size if member.isreg() else 0)
            self._between += content[position:]
        self.flush()

    def flush(self) -> None:
        if self._between:
            self.blob += self.compress(bytes(self._between))
            self._between.clear()

    def _entries(self, member: tarfile.TarInfo, content: bytes) -> Iterator[dict[str, Any]]:
        entry: dict[str, Any] = {"name": member.name, "type": KINDS[member.type], "mode": member.mode}
        if member.linkname:
            entry["linkName"] = member.linkname
        if member.ischr():
            entry |= {"devMajor": member.devmajor, "devMinor": member.devminor}
        attributes = {name.removeprefix(XATTR): value for name, value in member.pax_headers.items() if XATTR in name}
        if attributes:
            entry["xattrs"] = {name: base64.b64encode(value.encode()).decode() for name, value in attributes.items()}
        file = content[member.offset_data : member.offset_data + member.size] if member.isreg() else b""
        if not file:
            yield entry
            return
        self.flush()
        entry |= {"size": len(file), "digest": sha256(file)}
        for start in range(0, len(file), self.chunk):
            piece = file[start : start + self.chunk]
            place = {"offset": len(self.blob), "chunkOffset": start, "chunkSize": len(piece)}
            self.blob += self.compress(piece)
            head = entry if not start else {"name": member.name, "type": "chunk"}
            yield {**head, **place, "endOffset": len(self.blob), "chunkDigest": sha256(piece)}


def table(writer: Writer) -> bytes:
    return json.dumps({"version": 1, "entries": writer.entries}).encode()


def estargz(content: bytes, *, chunk: int = CHUNK) -> tuple[bytes, LayerReference]:
    """Return the tar as an eStargz blob, and how a manifest refers to it."""
    writer = Writer(lambda piece: gzip.compress(piece, 6, mtime=0), chunk)
    writer.add(content)
    for entry in writer.entries:
        entry.pop("endOffset", None)
    toc = table(writer)
    offset = len(writer.blob)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("stargz.index.json")
        info.size = len(toc)
        tar.addfile(info, io.BytesIO(toc))
    writer.blob += gzip.compress(archive.getvalue(), 6, mtime=0) + footer(offset)
    annotations = ((ESTARGZ_DIGEST, sha256(toc)),)
    return bytes(writer.blob), reference(bytes(writer.blob), content, "gzip", annotations)


def footer(offset: int) -> bytes:
    """Return an empty gzip member whose extra field names the place of the table: 51 bytes."""
    extra = b"SG" + (22).to_bytes(2, "little") + b"%016xSTARGZ" % offset
    header = b"\x1f\x8b\x08\x04" + bytes(4) + b"\0\xff" + len(extra).to_bytes(2, "little") + extra
    return header + b"\x01\0\0\xff\xff" + bytes(8)


def chunked(content: bytes, *, chunk: int = CHUNK) -> tuple[bytes, LayerReference]:
    """Return the tar as a zstd:chunked blob, and how a manifest refers to it."""
    compress = zstandard.ZstdCompressor(level=3).compress
    writer = Writer(compress, chunk)
    writer.add(content)
    toc = table(writer)
    stored = compress(toc)
    position = f"{len(writer.blob) + 8}:{len(stored)}:{len(toc)}:1"
    writer.blob += b"\x50\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored
    annotations = ((CHUNKED_DIGEST, sha256(stored)), (CHUNKED_POSITION, position))
    return bytes(writer.blob), reference(bytes(writer.blob), content, "zstd", annotations)


def reference(
    blob: bytes, content: bytes, compression: str, annotations: tuple[tuple[str, str], ...]
) -> LayerReference:
    return LayerReference(
        digest=Digest(sha256(blob)),
        diff_id=Digest(sha256(content)),
        media_type=f"application/vnd.oci.image.layer.v1.tar+{compression}",
        size=len(blob),
        annotations=annotations,
    )
