"""Write rpm headers, and databases of the three backends around them, whole or with lies in them."""

import hashlib
import sqlite3
import struct
import zlib
from collections.abc import Mapping, Sequence

from eclair.packages.rpmdb import header as tags

Value = str | int | Sequence[str] | Sequence[int]

_INT32, _STRING, _BINARY, _STRING_ARRAY = 4, 6, 7, 8


def header(values: Mapping[int, Value]) -> bytes:
    """Return a header with these tags and no region."""
    index, data = b"", b""
    for tag, value in values.items():
        kind, count, content = _encoded(value)
        data += bytes(-len(data) % 4) if kind == _INT32 else b""
        index += struct.pack(">IIII", tag, kind, len(data), count)
        data += content
    return struct.pack(">II", len(values), len(data)) + index + data


def _encoded(value: Value) -> tuple[int, int, bytes]:
    if isinstance(value, str):
        return _STRING, 1, value.encode() + b"\0"
    if isinstance(value, int):
        return _INT32, 1, struct.pack(">I", value)
    if all(isinstance(item, int) for item in value):
        return _INT32, len(value), struct.pack(f">{len(value)}I", *value)
    return _STRING_ARRAY, len(value), b"".join(str(item).encode() + b"\0" for item in value)


def package(name: str, **more: Value) -> bytes:
    """Return the header of a package of version 1-1 with one file."""
    words = {getattr(tags, tag): value for tag, value in more.items()}
    usual: dict[int, Value] = {
        tags.NAME: name,
        tags.VERSION: "1",
        tags.RELEASE: "1",
        tags.ARCH: "noarch",
        tags.SOURCE_RPM: f"{name}-1-1.src.rpm",
        tags.BASE_NAMES: [name],
        tags.DIRECTORY_INDEXES: [0],
        tags.DIRECTORY_NAMES: ["/usr/share/"],
    }
    return header(usual | words)


def signed(values: Mapping[int, Value]) -> bytes:
    """Return a header whose tags are in a region, with the digest of it behind, as rpm stores it."""
    inner = header(values)
    count, size = struct.unpack_from(">II", inner)
    entries, data = inner[8 : 8 + 16 * count], inner[8 + 16 * count :]
    region = struct.pack(">IIII", 63, _BINARY, size, 16)
    trailer = struct.pack(">IIiI", 63, _BINARY, -16 * (count + 1), 16)
    counts = struct.pack(">II", count + 1, size + 16)
    magic = b"\x8e\xad\xe8\x01" + bytes(4)
    digest = hashlib.sha256(magic + counts + region + entries + data + trailer).hexdigest().encode() + b"\0"
    behind = struct.pack(">IIII", 273, _STRING, size + 16, 1)
    return struct.pack(">II", count + 2, size + 16 + len(digest)) + region + entries + behind + data + trailer + digest


# --- Berkeley DB -----------------------------------------------------------------------------------------------------


def berkeley(headers: Sequence[bytes], *, order: str = "<", page_size: int = 4096, **lies: int) -> bytes:
    """Return a hash whose items are all in one bucket; what does not fit goes to overflow pages.

    `lies` are `version`, `last_page`, `elements`, `encryption` and `flags` of the first page, `size` of each value.
    """
    items: list[tuple[bytes, bytes]] = [(bytes(4), struct.pack(f"{order}I", len(headers)))]
    overflow: list[bytes] = []
    in_page = sum(21 + (len(content) if len(content) <= page_size // 8 else 0) for content in headers)
    bucket_pages = 1 + in_page // (page_size * 3 // 4)
    first_overflow = 1 + bucket_pages
    for number, content in enumerate(headers, 1):
        key = struct.pack(f"{order}I", number)
        if len(content) <= page_size // 8:
            items.append((key, b"\x01" + content))
            continue
        begin = first_overflow + len(overflow)
        pieces = [content[at : at + page_size - 26] for at in range(0, len(content), page_size - 26)]
        for place, piece in enumerate(pieces):
            following = begin + place + 1 if place + 1 < len(pieces) else 0
            overflow.append(page(order, page_size, begin + place, 7, following, 1, len(piece)) + piece)
        items.append((key, struct.pack(f"{order}B3xII", 3, begin, lies.get("size", len(content)))))
    items[0] = (items[0][0], b"\x01" + items[0][1])
    buckets = _buckets(items, order, page_size, bucket_pages)
    truth = {"last_page": bucket_pages + len(overflow), "elements": 1 + len(headers)}
    pages = [berkeley_meta(order, page_size, **(truth | lies)), *buckets, *overflow]
    return b"".join(content.ljust(page_size, b"\0") for content in pages)


def berkeley_meta(order: str, page_size: int, **said: int) -> bytes:
    """Return the first page."""
    meta = bytearray(512)
    struct.pack_into(f"{order}III", meta, 12, 0x061561, said.get("version", 9), page_size)
    meta[24] = said.get("encryption", 0)
    meta[25] = 8
    meta[26] = said.get("flags", 0)
    struct.pack_into(f"{order}I", meta, 32, said["last_page"])
    struct.pack_into(f"{order}I", meta, 88, said["elements"])
    struct.pack_into(f"{order}I", meta, 96, 1)  # bucket 0 begins at page 1
    return bytes(meta)


def page(order: str, page_size: int, number: int, kind: int, following: int, entries: int, high: int) -> bytes:
    """Return the header of a page."""
    return struct.pack(f"{order}8xIIIHHBB", number, 0, following, entries, high & 0xFFFF, 0, kind)


def _buckets(items: list[tuple[bytes, bytes]], order: str, page_size: int, count: int) -> list[bytes]:
    pages = []
    for number in range(1, count + 1):
        index: list[int] = []
        low, content = page_size, b""
        while items and low - len(items[0][0]) - len(items[0][1]) - 1 > 26 + 2 * (len(index) + 2):
            key, value = items.pop(0)
            for item in (b"\x01" + key, value):
                low -= len(item)
                content = item + content
                index.append(low)
        head = page(order, page_size, number, 13, number + 1 if items else 0, len(index), low)
        head += struct.pack(f"{order}{len(index)}H", *index)
        pages.append(head + bytes(page_size - len(head) - len(content)) + content)
    assert not items, "there are enough pages"
    return pages


# --- ndb -------------------------------------------------------------------------------------------------------------


def ndb(headers: Sequence[bytes], *, pages: int = 1, version: int = 0) -> bytes:
    """Return an ndb database."""
    begin = pages * 256
    slots, blobs = b"", b""
    for number, content in enumerate(headers, 1):
        blob = ndb_blob(number, content)
        slots += struct.pack("<4sIII", b"Slot", number, begin, len(blob) // 16)
        blobs += blob
        begin += len(blob) // 16
    head = struct.pack("<4sIIII12x", b"RpmP", version, 1, pages, len(headers) + 1)
    unused = struct.pack("<4s12x", b"Slot") * (pages * 256 - 2 - len(headers))
    return head + slots + unused + blobs


def ndb_blob(number: int, content: bytes) -> bytes:
    """Return a blob with its head and tail."""
    blob = struct.pack("<4sIII", b"BlbS", number, 1, len(content)) + content
    blob += bytes(-(len(blob) + 12) % 16)
    return blob + struct.pack("<II4s", zlib.adler32(blob), len(content), b"BlbE")


# --- SQLite ----------------------------------------------------------------------------------------------------------

SCHEMA = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"


def sqlite(headers: Sequence[bytes], *, page_size: int = 4096, schema: str = SCHEMA) -> bytes:
    """Return a database as rpm makes it."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.executescript(schema)
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(content,) for content in headers])
    content = connection.serialize()
    connection.close()
    return content
