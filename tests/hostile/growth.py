"""Inputs of any size, made to be as much work as they can: twice as much of them should be twice as much work.

A test counts the lines of Python that are run, `benchmarks/bench_growth.py` takes the time, which also C spends.
"""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from eclair import ecosystems
from eclair.archives import tar
from eclair.archives.bytestream import ByteStream
from eclair.coalesce import coalesce
from eclair.errors import BadInput
from eclair.image.filesystem import read_layer
from eclair.packages import jar
from tests import packed
from tests.ecosystems import test_go as go
from tests.ecosystems import test_rust as rust
from tests.ecosystems.test_java import LIBRARY
from tests.hostile.fuzz_databases import read
from tests.programs import elf, pe
from tests.rpm_databases import Value, berkeley, header, ndb, package, sqlite
from tests.tars import END, directory, link, member, pax, record, reference

Write = Callable[[Sequence[bytes]], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """What is made for a count, and who reads it."""

    name: str
    make: Callable[[int], bytes]
    read: Callable[[bytes], object]
    most: int = 64_000
    """The largest count that is measured by time."""


def _file(type_: str, path: str) -> Callable[[bytes], object]:
    """Return what reads a file of an ecosystem, or finds that it cannot."""

    def reading(content: bytes) -> object:
        try:
            return read(path, ecosystems.load()[type_], content)
        except BadInput:
            return None

    return reading


def _database(name: str, type_: str, path: str, make: Callable[[int], bytes], most: int = 64_000) -> Growing:
    return Growing(name=name, make=make, read=_file(type_, path), most=most)


def _layer(content: bytes) -> object:
    layer = read_layer(io.BytesIO(content), reference(content), ecosystems.readers())
    return coalesce([layer, layer])


def _members(content: bytes) -> int:
    pieces = (content[start : start + 65536] for start in range(0, len(content), 65536))
    return sum(1 for _ in tar.members(ByteStream(pieces, "x")))


def _key(type_: str) -> Callable[[bytes], object]:
    ecosystem = ecosystems.load()[type_]
    return lambda content: ecosystems.key_or_unreadable(ecosystem, content.decode())


def _name(content: bytes) -> object:
    return jar.own_coordinates(content.decode(), {}, [])


def _joined(make: Callable[[int], bytes], count: int) -> bytes:
    return b"".join(map(make, range(count))) + END


def _headers(write: Write, count: int) -> bytes:
    return write([package("a")] * min(count, 250))


def _rpm_files(write: Write, count: int) -> bytes:
    words: dict[int, Value] = {1000: "a", 1001: "1", 1117: ["f"] * count, 1116: [0] * count, 1118: ["/usr/lib/"]}
    return write([header(words)])


def _version(piece: bytes, count: int) -> bytes:
    return b"1.0" + piece * (count // len(piece)) + b"1"


def _layers() -> Iterator[Growing]:
    yield Growing(name="members of a tar", make=lambda count: member("x") * count + END, read=_members)
    yield Growing(
        name="records of pax", make=lambda count: pax(*[record("a", "b")] * count) + member("x") + END, read=_members
    )
    for name, make in (
        ("files of interest", lambda number: member(f"a{number}/package.json", b"{}")),
        ("whiteouts", lambda number: member(f"a/{number}/.wh.b")),
        ("opaque directories", lambda number: member(f"a/{number}/.wh..wh..opq")),
        ("links", lambda number: link(f"{number}/package.json", "x/package.json", b"1")),
        ("directories", lambda number: directory(f"var/lib/dpkg/{number}")),
        ("the same file", lambda number: member("var/lib/dpkg/status", b"Package: a\nVersion: 1\n")),
    ):
        yield Growing(name=f"{name} of a layer", make=partial(_joined, make), read=_layer, most=8000)


_STATUS: Final = "var/lib/dpkg/status"
_APK: Final = "lib/apk/db/installed"
_RPM: Final = "var/lib/rpm/"


def growing() -> Iterator[Growing]:
    """Yield all of them."""
    yield _database("paragraphs", "deb", _STATUS, lambda n: b"Package: a\nVersion: 1\n\n" * n)
    yield _database("paragraphs of nothing", "deb", _STATUS, lambda n: b"Version:\n\n" * n)
    yield _database("lines of no field", "deb", _STATUS, lambda n: b"x\n" * n)
    yield _database("continued lines", "deb", _STATUS, lambda n: b"Version: 1\n" + b" x\n" * n)
    yield _database("files of a list", "deb", "var/lib/dpkg/info/a.list", lambda n: b"/usr/lib/python3/a.py\n" * n)
    yield _database("packages of apk", "apk", _APK, lambda n: b"".join(b"P:a%d\nV:1\n\n" % i for i in range(n)))
    yield _database("files of apk", "apk", _APK, lambda n: b"P:a\nV:1\nF:usr/lib\n" + b"R:f.py\n" * n)
    yield _database("lines of pacman", "alpm", "var/lib/pacman/local/a-1-1/desc", lambda n: b"%NAME%\n" * n)
    for write, name in ((berkeley, "Packages"), (ndb, "Packages.db"), (sqlite, "rpmdb.sqlite")):
        place = _RPM + name
        yield _database(f"headers in {name}", "rpm", place, partial(_headers, write), 250)
        yield _database(f"files in {name}", "rpm", place, partial(_rpm_files, write), 16_000)
    yield _database("packages of PHP", "composer", "composer/installed.json", lambda n: b"[" + b"{}," * n + b"{}]")
    yield _database(
        "libraries of .NET",
        "nuget",
        "a.deps.json",
        lambda n: json.dumps({"libraries": {f"A{i}/1": {"type": "package"} for i in range(n)}}).encode(),
        16_000,
    )
    yield _database("comments of a configuration", "nuget", "packages.config", lambda n: b"<packages>" + b"<!--" * n)
    yield _database("elements of a configuration", "nuget", "packages.config", lambda n: b"<packages><package " * n)
    yield _database("attributes of a gem", "gem", "specifications/a.gemspec", lambda n: b's.name = ""\n' * n)
    yield _database("beginnings of a gem", "gem", "specifications/a.gemspec", lambda n: b"s.name = \n" * n)
    yield _database("blanks of a gem", "gem", "specifications/a.gemspec", lambda n: b"s.name" + b" " * n + b"=")
    yield _database("lines of METADATA", "pypi", "a.dist-info/METADATA", lambda n: b"a:\n" * n)
    yield _database("crates", "cargo", "bin/a", lambda n: rust.program(rust.section({"packages": [{}] * n})))
    yield _database(
        "modules", "golang", "bin/a", lambda n: elf({".go.buildinfo": go.inline(modules="dep\ta\tv1\n" * n)})
    )
    yield _database("odd beginnings", "golang", "bin/a", lambda n: pe({".data": (b"x" + go.MAGIC + b"y") * n}), 900)
    yield _database(
        "sections", "golang", "bin/a", lambda n: pe(dict.fromkeys((f"s{i}" for i in range(n)), b"")), 16_000
    )
    yield _database(
        "entries of a jar", "maven", "a.jar", lambda n: packed.zip_of({f"{i}.txt": b"" for i in range(n)}), 8000
    )
    yield _database(
        "archives in a jar",
        "maven",
        "a.jar",
        lambda n: packed.zip_of({f"{i}.jar": LIBRARY for i in range(n)}),
        2000,
    )
    yield Growing(name="hyphens of an archive's name", make=lambda n: b"1-" * n, read=_name)
    yield Growing(name="words of an archive's name", make=lambda n: b"a-alpha-" * n, read=_name)
    yield Growing(name="folders of a path", make=lambda n: b"node_modules/a/" * n + b"package.json", read=_folders)
    for type_ in ecosystems.load():
        for piece in (b"1.", b"a1", b"-", b"0", b"1.0-"):
            yield Growing(
                name=f"{type_} version of {piece.decode()}",
                make=partial(_version, piece),
                read=_key(type_),
                most=1000,
            )
    yield from _layers()


def _folders(content: bytes) -> object:
    return ecosystems.load()["npm"].read(content.decode(), io.BytesIO(b'{"name": "a", "version": "1"}'))
