"""Tars of layers, right and wrong ones, member by member."""

import hashlib
import tarfile
from typing import Final

from eclair.model import Digest, LayerReference

GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
END: Final = bytes(1024)


def member(path: str | bytes, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: object) -> bytes:
    """Return one tar member with its content."""
    name = path.encode() if isinstance(path, str) else path
    info = tarfile.TarInfo(name.decode("latin-1"))
    info.type = kind
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.PAX_FORMAT, "latin-1") + content + bytes(-len(content) % 512)


def raw(path: bytes, *, size: bytes = b"00000000000\0", kind: bytes = b"0", content: bytes = b"") -> bytes:
    """Return a member whose header is written by hand, with its right checksum."""
    header = bytearray(512)
    header[: len(path)] = path
    header[100:108] = b"0000644\0"
    header[124 : 124 + len(size)] = size
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + bytes(-len(content) % 512)


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    """Return a pax header of records that are written by hand."""
    content = b"".join(records)
    return raw(b"pax", size=b"%011o\0" % len(content), kind=kind, content=content)


def record(key: str, value: str) -> bytes:
    """Return a pax record, which begins with its own length."""
    text = f" {key}={value}\n".encode()
    length = next(size for size in range(len(text), len(text) + 9) if size == len(text) + len(str(size)))
    return b"%d%b" % (length, text)


def directory(path: str, **fields: object) -> bytes:
    return member(path, b"", tarfile.DIRTYPE, **fields)


def link(path: str, target: str, kind: bytes = tarfile.SYMTYPE) -> bytes:
    return member(path, kind=kind, linkname=target)


def reference(blob: bytes, media_type: str = GZIP, diff_id: str = "") -> LayerReference:
    digest = Digest(f"sha256:{hashlib.sha256(blob).hexdigest()}")
    return LayerReference(digest=digest, diff_id=Digest(diff_id), media_type=media_type, size=len(blob))
