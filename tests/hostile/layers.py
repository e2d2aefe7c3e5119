"""Layers that somebody made to hurt: bombs, lies, names that lead elsewhere, links without end.

Each case says what has to become of it: that the layer is refused, with the reason; or that it is read, with what could
not be read named. The members of every tar stand between two good ones, and a package database follows them.
"""

import bz2
import gzip
import lzma
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import zstandard

from eclair.image.filesystem import Limits
from tests.tars import END, directory, link, member, pax, raw, record

STATUS: Final = b"Package: sentinel\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"
DATABASE: Final = "var/lib/dpkg/status"
BEFORE: Final = member("usr/share/doc/before", b"x" * 1000)
AFTER: Final = member("usr/share/doc/after", b"x" * 1000) + member(DATABASE, STATUS)
GOOD: Final = BEFORE + AFTER + END

MEBIBYTE: Final = 1024 * 1024
NO_TAR: Final = "ends within a header|no tar header"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A layer; `refused` and `damage` are patterns of the reason and of the problem that have to be named."""

    name: str
    make: Callable[[], bytes]
    refused: str = ""
    damage: str = ""
    unnoticed: bool = False
    """Whether the damage may be told by nothing: a letter of a name that became another one."""
    packages: tuple[str, ...] = ("sentinel",)
    """What is found of Debian at the end, where the layer below has the package `basement` in the same place."""
    limits: Limits = field(default_factory=Limits)


def cases() -> Iterator[Case]:
    """Yield all of them."""
    for some in (compressed, counts, sizes, extensions, kinds, names, marks, links):
        yield from some()


# --- compression ------------------------------------------------------------------------------------------------------


def zstd(content: bytes, *, checksum: bool = False) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=checksum).compress(content)


def zstd_frame(*blocks: tuple[int, bytes | int], window: int = 0x38, size: int | None = None) -> bytes:
    """Return a frame of blocks that are written by hand: of type 0 (raw) with bytes, or 1 with the size of a run."""
    descriptor = b"\x00" + bytes((window,)) if size is None else b"\xc0" + bytes((window,)) + struct.pack("<Q", size)
    made = [struct.pack("<I", 0xFD2FB528) + descriptor]
    for number, (kind, content) in enumerate(blocks):
        length = content if isinstance(content, int) else len(content)
        head = length << 3 | kind << 1 | (number == len(blocks) - 1)
        made.append(head.to_bytes(3, "little") + (b"\0" if isinstance(content, int) else content))
    return b"".join(made)


def stored_blocks(count: int) -> bytes:
    """Return gzip of so many deflate blocks that hold nothing, before what is good."""
    header = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    end = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (
        header
        + b"\0\0\0\xff\xff" * count
        + end.compress(GOOD)
        + end.flush()
        + struct.pack("<II", zlib.crc32(GOOD), len(GOOD) & 0xFFFFFFFF)
    )


def zeros(size: int) -> bytes:
    """Return a tar with one large file of zeros."""
    file = tarfile.TarInfo("large")
    file.size = size
    return BEFORE + file.tobuf() + bytes(size) + AFTER + END


def bomb(compress: Callable[[bytes], bytes]) -> bytes:
    """Return two hundred compressed mebibytes of zeros in one file."""
    file = tarfile.TarInfo("large")
    file.size = 200 * MEBIBYTE
    return compress(BEFORE + file.tobuf()) + compress(bytes(10 * MEBIBYTE)) * 20 + compress(AFTER + END)


def named(flags: int, fields: bytes) -> bytes:
    plain = gzip.compress(GOOD, mtime=0)
    return plain[:3] + bytes((flags,)) + plain[4:10] + fields + plain[10:]


def changed(content: bytes, position: int, change: bytes) -> bytes:
    """Return the content with some bytes replaced; a negative position counts from the end."""
    start = position if position >= 0 else len(content) + position
    return content[:start] + change + content[start + len(change) :]


SKIPPABLE: Final = struct.pack("<II", 0x184D2A50, 0)


def compressed() -> Iterator[Case]:
    small = Limits(ratio_from=5 * MEBIBYTE)
    yield Case(name="gzip zeros", make=lambda: bomb(gzip.compress))
    yield Case(name="zstd zeros", make=lambda: bomb(zstd))
    yield Case(name="zstd ratio", make=lambda: zstd(zeros(10 * MEBIBYTE)), limits=small, refused="times its size")
    yield Case(
        name="inflated size",
        make=lambda: gzip.compress(zeros(10 * MEBIBYTE)),
        limits=Limits(inflated=5 * MEBIBYTE),
        refused="inflates to more than",
    )
    yield Case(name="gzip in gzip", make=lambda: gzip.compress(gzip.compress(GOOD)), refused=NO_TAR)
    yield Case(name="zstd in gzip", make=lambda: gzip.compress(zstd(GOOD)), refused=NO_TAR)
    yield Case(name="gzip in zstd", make=lambda: zstd(gzip.compress(GOOD)), refused=NO_TAR)
    yield Case(name="empty gzip members", make=lambda: gzip.compress(b"") * 50_000 + gzip.compress(GOOD))
    yield Case(name="empty zstd frames", make=lambda: zstd(b"") * 50_000 + zstd(GOOD))
    yield Case(name="skippable frames", make=lambda: SKIPPABLE * 100_000 + zstd(GOOD))
    yield Case(
        name="a skippable frame without end", make=lambda: zstd(GOOD) + SKIPPABLE[:4] + b"\xff" * 4, refused="early"
    )
    yield Case(name="empty zstd blocks", make=lambda: zstd_frame(*((0, b""),) * 100_000, (0, GOOD[:100_000])))
    yield Case(
        name="zstd blocks of one byte", make=lambda: zstd_frame(*((0, GOOD[at : at + 1]) for at in range(len(GOOD))))
    )
    yield Case(
        name="zstd blocks of zeros",
        make=lambda: zstd_frame(*((1, 128 * 1024),) * 10_000),
        refused="times its size",
        limits=Limits(ratio_from=MEBIBYTE),
    )
    yield Case(name="zstd block too large", make=lambda: zstd_frame((0, bytes(128 * 1024 + 1))), refused="ends early")
    yield Case(name="zstd block of no type", make=lambda: zstd_frame((3, b"xyz")), refused="damaged zstd|ends early")
    yield Case(name="zstd window of 2 TiB", make=lambda: zstd_frame((0, b"x"), window=0xF8), refused="damaged zstd")
    yield Case(name="zstd size that lies", make=lambda: zstd_frame((0, GOOD), size=2**62), refused="damaged zstd")
    yield Case(
        name="zstd checksum that lies",
        make=lambda: changed(zstd(GOOD, checksum=True), -1, b"\0"),
        refused="damaged zstd",
    )
    yield Case(name="zstd reserved bit", make=lambda: changed(zstd(GOOD), 4, b"\x08"), refused="zstd|early")
    yield Case(name="zstd dictionary", make=lambda: changed(zstd(GOOD), 4, b"\x03"), refused="zstd|early")
    yield Case(name="gzip and then zstd", make=lambda: gzip.compress(GOOD) + zstd(GOOD), refused="no gzip")
    yield Case(name="zstd and then gzip", make=lambda: zstd(GOOD) + gzip.compress(GOOD), refused="no zstd")
    yield Case(name="gzip blocks that hold nothing", make=lambda: stored_blocks(1_000_000))
    yield Case(name="gzip extra field of 64 KiB", make=lambda: named(4, b"\xff\xff" + bytes(0xFFFF)))
    yield Case(
        name="gzip extra field without end", make=lambda: named(4, b"\xff\xff")[:200], refused="early|damaged|header"
    )
    yield Case(name="gzip name without end", make=lambda: named(8, b"x" * MEBIBYTE), refused="name or comment")
    yield Case(name="gzip comment without end", make=lambda: named(16, b"\x01" * MEBIBYTE), refused="name or comment")
    yield Case(name="gzip reserved flags", make=lambda: changed(gzip.compress(GOOD, mtime=0), 3, b"\xe0"))
    yield Case(name="gzip method 7", make=lambda: changed(gzip.compress(GOOD), 2, b"\x07"), refused="no gzip")
    yield Case(
        name="gzip checksum that lies",
        make=lambda: changed(gzip.compress(GOOD), -8, b"\1\2\3\4"),
        refused="damaged gzip",
    )
    yield Case(
        name="gzip size that lies", make=lambda: changed(gzip.compress(GOOD), -4, b"\xff" * 4), refused="damaged gzip"
    )
    yield Case(name="gzip trailer cut", make=lambda: gzip.compress(GOOD)[:-3], refused="ends early")
    yield Case(
        name="gzip distance too far",
        make=lambda: b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\x02" + bytes(20),
        refused="gzip|tar",
    )
    yield Case(
        name="gzip reserved block", make=lambda: b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x07" + bytes(20), refused="damaged gzip"
    )
    yield Case(name="gzip magic alone", make=lambda: b"\x1f\x8b", refused="ends early")
    yield Case(name="zstd magic alone", make=lambda: b"\x28\xb5\x2f\xfd", refused="ends early")
    yield Case(name="zeros behind gzip", make=lambda: gzip.compress(GOOD) + bytes(10 * MEBIBYTE))
    yield Case(
        name="junk behind zeros", make=lambda: gzip.compress(GOOD) + bytes(1000) + b"x", refused="follow the compressed"
    )
    yield Case(name="bzip2", make=lambda: bz2.compress(GOOD), refused="bzip2")
    yield Case(name="xz", make=lambda: lzma.compress(GOOD), refused="xz")
    yield Case(name="zlib", make=lambda: zlib.compress(GOOD), refused=NO_TAR)
    yield Case(name="nothing at all", make=lambda: b"", packages=("basement",))
    yield Case(name="zeros alone", make=lambda: bytes(5 * MEBIBYTE), packages=("basement",))
    yield Case(name="noise", make=lambda: b"\x01" + random.Random(0).randbytes(MEBIBYTE), refused="no tar header")


# --- tars -------------------------------------------------------------------------------------------------------------


def tar(*members: bytes) -> bytes:
    return BEFORE + b"".join(members) + AFTER + END


def ended(last: bytes) -> bytes:
    return BEFORE + AFTER + last + END


def sized(size: bytes, content: bytes = b"") -> bytes:
    return raw(b"file", size=size, content=content)


def octal(size: int) -> bytes:
    return b"%011o\0" % size


def sparse(maps: int) -> bytes:
    """Return an old GNU sparse file whose map goes on for so many blocks."""
    header = bytearray(raw(b"sparse", size=octal(512), kind=b"S"))
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + (bytes(504) + b"\1" + bytes(7)) * (maps - 1) + bytes(512) + bytes(512)


def gnu(kind: bytes, content: bytes) -> bytes:
    return raw(b"././@LongLink", size=octal(len(content)), kind=kind, content=content)


def counts() -> Iterator[Case]:
    yield Case(name="100,000 empty files", make=lambda: gzip.compress(tar(member("x") * 100_000), 1))
    yield Case(
        name="too many members", make=lambda: tar(member("x") * 1000), limits=Limits(members=999), refused="members"
    )
    yield Case(
        name="the same database 5,000 times",
        make=lambda: gzip.compress(tar(member(DATABASE, STATUS) * 5000), 1),
    )
    yield Case(
        name="5,000 files of interest that are none",
        make=lambda: gzip.compress(tar(*(member(f"{n}.jar", b"[") for n in range(5000))), 1),
        damage="4900 more files could not be read",
    )
    yield Case(
        name="deep paths of interest",
        make=lambda: tar(*(member("/".join([str(n), *"a" * 2000, "x.jar"]), b"x") for n in range(100))),
        refused="too deep directories",
    )
    yield Case(
        name="deep paths of no interest",
        make=lambda: gzip.compress(tar(*(member("/".join([str(n), *"a" * 2000]), b"") for n in range(2000))), 1),
    )
    yield Case(
        name="paths without end",
        make=lambda: tar(*(member("/".join([str(n), *"a" * 1000])) for n in range(5000))),
        limits=Limits(paths=1_000_000),
        refused="bytes of paths",
    )
    yield Case(name="a path of 4096 bytes", make=lambda: tar(member("x/" * 2047 + "xx")))
    yield Case(name="a path of 5000 bytes", make=lambda: tar(member("x" * 5000)), refused="a path of 5000 bytes")
    yield Case(
        name="programs that are none",
        make=lambda: tar(*(member(f"bin/{n}", b"\x7fELF" + bytes(9000)) for n in range(500))),
        damage="more files could not be read",
    )


def sizes() -> Iterator[Case]:
    early = "ends within"
    yield Case(name="a size of 8 GiB", make=lambda: tar(sized(b"77777777777\0")), refused=early)
    yield Case(name="a size of 2**94 bytes", make=lambda: tar(sized(b"\xbf" + b"\xff" * 11)), refused=early)
    yield Case(name="a negative size in base 256", make=lambda: tar(sized(b"\xff" * 12)), refused="no valid size")
    yield Case(name="a small size in base 256", make=lambda: tar(sized(b"\x80" + bytes(10) + b"\3", b"abc")))
    yield Case(name="zero in base 256", make=lambda: tar(sized(b"\x80" + bytes(11))))
    yield Case(name="a negative octal size", make=lambda: tar(sized(b"-0000000001\0")), refused="no valid size")
    yield Case(name="a size in decimal digits", make=lambda: tar(sized(b"00000000089\0")), refused="no valid size")
    yield Case(name="a size with blanks before it", make=lambda: tar(sized(b"          3 ", b"abc")))
    yield Case(name="a size without an end", make=lambda: tar(sized(b"000000000003", b"abc")))
    yield Case(name="a size with text behind it", make=lambda: tar(sized(b"3\0zzzzzzzzzz", b"abc")))
    yield Case(name="no size at all", make=lambda: tar(sized(bytes(12))))
    yield Case(
        name="a pax size smaller than the content",
        make=lambda: tar(pax(record("size", "0")), member("x", b"y" * 600)),
        refused="no tar header",
    )
    yield Case(
        name="a pax size larger than the content",
        make=lambda: tar(pax(record("size", "999999")), member("x", b"y" * 600)),
        refused=early,
    )
    yield Case(name="a pax size of a directory", make=lambda: tar(pax(record("size", "999999")), directory("x")))
    yield Case(
        name="two pax sizes", make=lambda: tar(pax(record("size", "9" * 9), record("size", "3")), member("x", b"abc"))
    )
    yield Case(
        name="an empty pax size", make=lambda: tar(pax(record("size", "")), member("x", b"abc")), refused="no size"
    )
    yield Case(
        name="a pax size with an underscore",
        make=lambda: tar(pax(record("size", "1_0")), member("x")),
        refused="no size",
    )
    yield Case(
        name="a size for all",
        make=lambda: tar(pax(record("size", "3"), kind=b"g"), member("x", b"abc")),
        refused="ends|no tar",
    )
    yield Case(
        name="a database that ends early",
        make=lambda: BEFORE + raw(DATABASE.encode(), size=octal(100 * MEBIBYTE), content=STATUS),
        refused=early,
    )
    yield Case(
        name="a tar that ends within a header", make=lambda: GOOD[:700] + b"x", refused="within a header|ends within"
    )
    yield Case(name="a tar without an end", make=lambda: BEFORE + AFTER)
    yield Case(name="half an end", make=lambda: BEFORE + AFTER + bytes(512))
    yield Case(name="a tar behind the end", make=lambda: END + GOOD, packages=("basement",))
    yield Case(name="a wrong checksum", make=lambda: tar(changed(member("x"), 0, b"y")), refused="wrong checksum")
    yield Case(
        name="an empty checksum", make=lambda: tar(changed(member("x"), 148, bytes(8))), refused="wrong checksum"
    )
    yield Case(
        name="a database over the limit",
        make=lambda: tar(member("lib/apk/db/installed", b"P:x\nV:1\n\n" * 1000)),
        limits=Limits(file=5000),
        damage="9000 bytes; at most 5000 are read",
    )
    yield Case(
        name="a program over the limit",
        make=lambda: tar(member("bin/x", b"\x7fELF\2\1\1" + bytes(9000))),
        limits=Limits(file=5000),
        damage="9007 bytes; at most 5000 are read",
    )


def extensions() -> Iterator[Case]:
    damaged = "pax header that cannot be read|pax record without a value"
    for name, content in {
        "a length of nothing": b" path=x\n",
        "a length that is no number": b"xx path=x\n",
        "a length of zero": b"0 path=x\n",
        "a length that is too small": b"3 path=x\n",
        "a length that is too large": b"99999 path=x\n",
        "a length of twenty-five digits": b"9" * 25 + b" path=x\n",
        "a length with a sign": b"+9 path=x\n",
        "no newline": b"9 path=xy",
        "no equals sign": b"9 path:x\n",
        "no blank": b"9path=xx\n",
        "only NULs": bytes(512),
        "only blanks": b" " * 512,
        "half a record": record("path", "x")[:-2],
        "a record and junk": record("path", "x") + b"junk",
    }.items():
        yield Case(name=f"pax: {name}", make=partial(tar, pax(content), member("y")), refused=damaged)
    for name, records in {
        "no records": [],
        "keys that nobody knows": [record(f"X.{n}", "y" * 100) for n in range(1000)],
        "an empty key": [record("", "x")],
        "the same key often": [record("path", str(n)) for n in range(1000)],
        "a value with newlines": [record("comment", "a\nb\n9 path:zz\n")],
        "bytes that are no text": [b"11 path=\xff\xfe\n", b"11 \xff\xfekey=x\n"],
        "a value of 900 KiB": [record("comment", "x" * 900_000)],
        "another character set": [record("hdrcharset", "BINARY"), record("path", "y")],
        "times and owners": [record("mtime", "1e999"), record("uid", "-1"), record("gname", "\ud7ff")],
    }.items():
        yield Case(name=f"pax: {name}", make=partial(tar, pax(*records), member("y", b"z")))
        if records:
            yield Case(
                name=f"pax for all: {name}",
                make=partial(tar, pax(*records, kind=b"g")),
                packages=("basement",) if any(b" path=" in some for some in records) else ("sentinel",),
            )
    yield Case(name="pax: a NUL in a path", make=lambda: tar(pax(record("path", "a\0b")), member("y")), refused="NUL")
    yield Case(
        name="pax of 2 MiB", make=lambda: tar(pax(record("comment", "x" * 2 * MEBIBYTE))), refused="extended tar header"
    )
    yield Case(name="pax without a member", make=lambda: BEFORE + AFTER + pax(record("path", "x")) + END)
    yield Case(
        name="pax behind pax", make=lambda: tar(pax(record("path", "x")) * 17, member("y")), refused="extended headers"
    )
    yield Case(
        name="a long name of 2 MiB", make=lambda: tar(gnu(b"L", b"x" * 2 * MEBIBYTE)), refused="extended tar header"
    )
    yield Case(
        name="a long name of 5000 bytes",
        make=lambda: tar(gnu(b"L", b"x" * 5000), member("y")),
        refused="a path of 5000",
    )
    yield Case(
        name="a long name of a database",
        make=lambda: tar(gnu(b"L", DATABASE.encode() + b"\0junk"), member("y", STATUS)),
    )
    yield Case(name="an empty long name", make=lambda: tar(gnu(b"L", b""), member("y", STATUS)))
    yield Case(
        name="long names behind long names",
        make=lambda: tar(gnu(b"L", b"x") * 17, member("y")),
        refused="extended headers",
    )
    yield Case(name="a long target of 5000 bytes", make=lambda: tar(gnu(b"K", b"x" * 5000), link("lib", "y")))
    yield Case(
        name="a long name that ends early",
        make=lambda: BEFORE + raw(b"L", kind=b"L", size=octal(700)),
        refused="ends within",
    )


def kinds() -> Iterator[Case]:
    sparse_file = "a sparse file, which is not read"
    installed = "lib/apk/db/installed"
    for kind in (b"D", b"M", b"N", b"V", b"A", b"I", b"Z", b"9", b"\xff", b"7", b"\0"):
        yield Case(name=f"type {kind!r}", make=partial(tar, raw(b"x", kind=kind, size=octal(700), content=bytes(700))))
    for name, kind in {"a character device": b"3", "a block device": b"4", "a pipe": b"6"}.items():
        device = member(DATABASE, kind=kind, devmajor=1, devminor=3)
        yield Case(name=f"{name} of a size", make=partial(tar, raw(b"dev/x", kind=kind, size=octal(700))))
        yield Case(
            name=f"{name} in the place of the database",
            make=partial(ended, device),
            packages=(),
        )
    yield Case(name="a directory of a size", make=lambda: tar(raw(b"dir/", kind=b"5", size=octal(700))))
    yield Case(name="a link of a size", make=lambda: tar(raw(b"link", kind=b"2", size=octal(700))))
    yield Case(name="a sparse file", make=lambda: tar(sparse(1)))
    yield Case(name="a sparse map of 50,000 blocks", make=lambda: gzip.compress(tar(sparse(50_000)), 1))
    yield Case(name="a sparse map without end", make=lambda: BEFORE + sparse(3)[: 512 * 3], refused="sparse map")
    yield Case(
        name="a sparse database",
        make=lambda: tar(raw(installed.encode(), kind=b"S", size=octal(3), content=b"P:x")),
        damage=sparse_file,
    )
    yield Case(
        name="a sparse database in pax",
        make=lambda: tar(
            pax(record("GNU.sparse.name", installed), record("GNU.sparse.major", "1")), member("x", b"0\n")
        ),
        damage=sparse_file,
    )
    yield Case(
        name="sparse sizes that lie",
        make=lambda: tar(
            pax(record("GNU.sparse.size", "9" * 30), record("GNU.sparse.map", "0,1," * 9999)), member("x", b"y")
        ),
    )


def names() -> Iterator[Case]:
    poison = b"Package: evil\nStatus: install ok installed\nVersion: 1\n\n"
    for name in (
        "../var/lib/dpkg/status",
        "var/lib/../lib/dpkg/status",
        "../../../../var/lib/dpkg/status",
        "var/lib/dpkg/status/../status",
        "..",
        "../",
        "./..",
        "/../etc/passwd",
        "var\\lib\\dpkg\\status",
        "C:/var/lib/dpkg/status",
        "VAR/LIB/DPKG/STATUS",
        "var/lib/dpkg/status\n",
        "var/lib/dpkg/status ",
        "var/lib/dpkg/\u200bstatus",
        "\uff56ar/lib/dpkg/status",
        "x/var/lib/dpkg/status",
        "",
        ".",
        "/",
        "//",
        "./././",
    ):
        yield Case(name=f"name {name!r}", make=partial(tar, member(name, poison)))
    yield Case(name="an absolute name", make=lambda: BEFORE + member(f"/{DATABASE}", STATUS) + END)
    yield Case(name="a name with slashes and dots", make=lambda: BEFORE + member(f".//./{DATABASE}", STATUS) + END)
    yield Case(
        name="names that are no text",
        make=lambda: tar(*(raw(bytes((n, 0x2F, n)), content=b"") for n in range(128, 256))),
    )
    yield Case(name="names of one byte", make=lambda: tar(*(raw(bytes((n,))) for n in range(1, 256))))
    yield Case(
        name="a name of control characters",
        make=lambda: tar(member("\x1b[2J\r\n\t/package.json", b"[")),
        damage="JSON|read",
    )


def marks() -> Iterator[Case]:
    for name in (
        ".wh.",
        ".wh..",
        ".wh...",
        "a/.wh..",
        "a/.wh...",
        ".wh..wh.x",
        "a/../.wh.var",
        "../.wh.var",
        ".wh..wh..opq/x",
    ):
        yield Case(name=f"whiteout {name!r}", make=partial(tar, member(name)))
    yield Case(
        name="20,000 whiteouts", make=lambda: gzip.compress(tar(*(member(f".wh.{n}") for n in range(20_000))), 1)
    )
    yield Case(
        name="too many whiteouts",
        make=lambda: tar(*(member(f".wh.{n}") for n in range(1000))),
        limits=Limits(whiteouts=100_000),
        refused="removed paths",
    )
    yield Case(name="a whiteout of itself", make=lambda: tar(member("var/lib/dpkg/.wh.status")))
    yield Case(name="a whiteout with content", make=lambda: tar(member("a/.wh.b", STATUS)))
    yield Case(name="a whiteout that is a directory", make=lambda: tar(directory("a/.wh.b")))
    yield Case(name="a whiteout that is a link", make=lambda: tar(link("a/.wh.b", "/etc")))
    yield Case(name="a deep whiteout", make=lambda: tar(member("a/" * 2000 + ".wh.x")))
    yield Case(name="everything hidden", make=lambda: tar(member(".wh..wh..opq")))


def links() -> Iterator[Case]:
    hard = tarfile.LNKTYPE
    place = "var/lib/rpm/rpmdb.sqlite"
    yield Case(name="a link to itself", make=lambda: tar(link("lib", "lib"), link("var/lib/rpm", "rpm")))
    yield Case(name="a circle of links", make=lambda: tar(link("lib", "usr/lib"), link("usr/lib", "../lib")))
    yield Case(name="a link into itself", make=lambda: tar(link("lib", "lib/lib/lib")))
    yield Case(
        name="a chain of links",
        make=lambda: tar(link("var/lib/rpm", "/0"), *(link(str(n), str(n + 1)) for n in range(5000))),
    )
    yield Case(name="a link to the root", make=lambda: tar(link("lib", "/"), link("usr/lib", "../..")))
    yield Case(
        name="links out of the image",
        make=lambda: tar(link("lib", "../../../../../../etc"), link("var/lib/rpm", "/../../x")),
    )
    yield Case(name="a link to nothing", make=lambda: tar(link("lib", ""), link("usr/lib", ".")))
    yield Case(name="a link of 100 KB", make=lambda: tar(gnu(b"K", b"a/" * 50_000), link("lib", "y")))
    yield Case(
        name="links that grow",
        make=lambda: tar(link("lib", "lib32/" * 16 + "x"), link("lib32", "lib64/" * 16), link("lib64", "lib/" * 24)),
    )
    yield Case(
        name="a link that is no text",
        make=lambda: tar(raw(b"lib", kind=b"2")[:157] + b"\xff" + raw(b"lib", kind=b"2")[158:]),
        refused="checksum",
    )
    yield Case(
        name="a database that a link leads away from",
        make=lambda: tar(link("var/lib/rpm", "/opt"), member("opt/rpmdb.sqlite", b"x")),
        damage="a link leads to opt/rpmdb.sqlite",
    )
    yield Case(
        name="links in the place of the database",
        make=partial(ended, link(DATABASE, "status")),
        packages=(),
    )
    yield Case(name="a hard link to itself", make=lambda: tar(link(place, place, hard)))
    yield Case(
        name="a circle of hard links",
        make=lambda: tar(
            link(place, "usr/share/rpm/rpmdb.sqlite", hard), link("usr/share/rpm/rpmdb.sqlite", place, hard)
        ),
    )
    yield Case(
        name="a hard link to a directory",
        make=lambda: tar(link(place, "var/lib", hard)),
        damage="a hard link to var/lib",
    )
    yield Case(
        name="a hard link out of the image",
        make=lambda: tar(link(place, "../../etc/shadow", hard)),
        damage="a hard link to ../../etc/shadow",
    )
    yield Case(
        name="a hard link to what comes later",
        make=lambda: tar(link(place, "later", hard), member("later", b"x")),
        damage="rpmdb.sqlite|SQLite|a hard link",
    )
    yield Case(
        name="2,000 hard links to one archive",
        make=lambda: tar(member("a.jar", b"no archive"), *(link(f"{n}.jar", "a.jar", hard) for n in range(2000))),
        damage="1901 more files could not be read",
    )
    yield Case(
        name="too many links",
        make=lambda: tar(*(link(f"{n}/package.json", "other/package.json", hard) for n in range(1000))),
        limits=Limits(links=999),
        refused="links in the place of files",
    )
    yield Case(
        name="a hard link and its target exchanged",
        make=lambda: tar(member("a.jar", b"x"), link("b.jar", "a.jar", hard), link("a.jar", "b.jar", hard)),
        damage="no zip archive",
    )
