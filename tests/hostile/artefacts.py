"""Layers with one file in them that somebody damaged, or made to hurt: a database, an archive, a program, a text.

The file stands between two good ones, before a package database that has to be found all the same; where the file can
be read in part, or not at all, that is named.
"""

import json
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import zstandard

from tests.archives import test_zip_archive as zips
from tests.ecosystems import test_conda, test_dotnet, test_go, test_java, test_node, test_php, test_python, test_ruby
from tests.ecosystems import test_rust as rust
from tests.hostile.layers import AFTER, BEFORE, Case
from tests.packed import zip_of
from tests.rpm_databases import berkeley, ndb, package, sqlite
from tests.tars import END, member

SAMPLES: Final = Path(__file__).parent.parent / "samples"
MEGABYTE: Final = b"1" * 1_000_000
ANY: Final = "."

Make = Callable[[], bytes]


def holding(path: str, content: Make) -> bytes:
    return BEFORE + member(path, content(), mode=0o755) + AFTER + END


def _case(name: str, path: str, content: Make, damage: str = ANY, *, unnoticed: bool = False) -> Case:
    return Case(name=name, make=partial(holding, path, content), damage=damage, unnoticed=unnoticed)


def _sample(name: str) -> bytes:
    content = (SAMPLES / name).read_bytes()
    return zstandard.decompress(content) if name.endswith(".zst") else content


# --- databases of distributions --------------------------------------------------------------------------------------

_DATABASES: Final[Mapping[str, tuple[str, str]]] = {
    "dpkg": ("opt/lib/opkg/status", "dpkg/status"),
    "apk": ("lib/apk/db/installed", "apk/installed"),
    "pacman": ("var/lib/pacman/local/a-1-1/desc", "pacman/openssl-libs/desc"),
    "Berkeley DB": ("var/lib/rpm/Packages", "rpm/Packages-little-endian.zst"),
    "big-endian Berkeley DB": ("usr/lib/sysimage/rpm/Packages", "rpm/Packages-big-endian.zst"),
    "ndb": ("usr/lib/sysimage/rpm/Packages.db", "rpm/Packages.db.zst"),
    "SQLite": ("usr/share/rpm/rpmdb.sqlite", "rpm/rpmdb.sqlite.zst"),
}
_TEXTS: Final = frozenset(("dpkg", "apk", "pacman"))
"""What has neither sizes nor digests: that it lacks something may be told by nothing."""


def databases() -> Iterator[Case]:
    """Yield databases that are cut, that have other bits, other pages or none, and those that were made up."""
    for kind, (path, sample) in _DATABASES.items():
        is_text = kind in _TEXTS
        for share in (0.0, 0.003, 0.1, 0.5, 0.99):
            yield _case(f"{kind} cut at {share}", path, partial(_cut, sample, share), unnoticed=is_text and not share)
        for bits in (1, 30, 3000):
            yield _case(f"{kind} with {bits} bits flipped", path, partial(_flipped, sample, bits), unnoticed=True)
        for what, piece in (("zeros", bytes(5000)), ("ones", b"\xff" * 5000)):
            yield _case(f"{kind} with {what}", path, partial(_over, sample, piece), unnoticed=is_text)
        yield _case(f"{kind} that is no text", path, partial(_without_utf8, sample), unnoticed=True)
    for kind, write in (("Berkeley DB", berkeley), ("ndb", ndb), ("SQLite", sqlite)):
        path = _DATABASES[kind][0]
        for name, headers in (
            ("headers that are none", [bytes(100)] * 200),
            ("a header of zeros", [bytes(3_000_000)]),
            ("a version of a megabyte", [package("a", VERSION=MEGABYTE.decode())]),
        ):
            yield _case(f"{kind} of {name}", path, partial(_written, write, headers))
    noise = random.Random(0).randbytes(1 << 20)
    yield _case("Berkeley DB of pages of noise", "var/lib/rpm/Packages", lambda: berkeley([])[:4096] + noise)
    yield _case("ndb of slots of noise", "var/lib/rpm/Packages.db", lambda: ndb([])[:32] + noise)
    yield _case("SQLite of trees of noise", "var/lib/rpm/rpmdb.sqlite", lambda: sqlite([])[:4096] + noise)
    yield _case("a log of SQLite", "var/lib/rpm/rpmdb.sqlite-wal", lambda: b"\x37\x7f\x06\x82" + bytes(60))
    yield _case("status.d with a version of a megabyte", _STATUS_D, lambda: b"Package: a\nVersion: " + MEGABYTE)
    yield _case("apk with a version of a megabyte", "lib/apk/db/installed", lambda: b"P:a\nV:" + MEGABYTE + b"\n")
    yield _case("a status of one line", _STATUS_D, lambda: b"Package: " + b"x" * 8_000_000)
    yield _case("a status of one field", _STATUS_D, lambda: b"Version: 1\n" * 300_000)
    yield _case("a release file of megabytes", "etc/os-release", lambda: b"ID=" + MEGABYTE)
    yield _case("a release file that is no text", "etc/os-release", lambda: b"ID=\xff\xfe\n")
    yield _case("a history that is none", "var/lib/dnf/history.sqlite", lambda: b"SQLite format 3\0" + bytes(100))
    yield _case("content sets of depth", "usr/share/buildinfo/content-sets.json", lambda: b"[" * 500_000)


_STATUS_D: Final = "var/lib/dpkg/status.d/a"


def _written(write: Callable[[Sequence[bytes]], bytes], headers: Sequence[bytes]) -> bytes:
    return write(headers)


def _cut(sample: str, share: float) -> bytes:
    content = _sample(sample)
    return content[: int(len(content) * share)]


def _flipped(sample: str, bits: int) -> bytes:
    chance = random.Random(bits)
    changed = bytearray(_sample(sample))
    for _ in range(bits):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _over(sample: str, piece: bytes) -> bytes:
    content = _sample(sample)
    place = len(content) // 3
    return content[:place] + piece + content[place + len(piece) :]


def _without_utf8(sample: str) -> bytes:
    return _sample(sample).replace(b"e", b"\xe9")


# --- archives --------------------------------------------------------------------------------------------------------


def archives() -> Iterator[Case]:
    """Yield jars that inflate, hold themselves, hold too many others, or lie of their directory."""
    for name, make in test_java.HOSTILE.items():
        unnoticed = name.startswith("a manifest")
        yield _case(f"jar: {name}", "app/a.jar", make, unnoticed=unnoticed)
    for name, content in test_java.BAD_WITHIN.items():
        yield _case(f"jar within: {name}", "app/a.war", partial(_within, content), "a-1.jar")
    for name, content in {**zips.NO_ARCHIVES, **zips.BAD_DIRECTORIES}.items():
        if content:  # an empty file is none, whatever its name
            yield _case(f"zip: {name}", "app/a.jar", partial(bytes, content))
    for depth in (8, 50):
        yield _case(f"jar: {depth} archives within each other", "a.jar", partial(test_java.within, depth), "within 8")
    entry, end = zips.ZIP64.index(b"PK\x06\x06"), zips.ZIP64.index(b"PK\x06\x07")
    for name, place, value in (
        ("entries without end", entry + 24, (1 << 64) - 1),
        ("a directory of nothing", entry + 40, 0),
        ("a directory behind the file", entry + 48, 1 << 40),
        ("its end at itself", end + 8, end),
        ("its end at 2**63", end + 8, 1 << 63),
    ):
        lie = zips.patched(zips.ZIP64, place, "<Q", value)
        yield _case(f"zip64: {name}", "app/a.jar", partial(bytes, lie), unnoticed=True)
    bomb = zip_of({"EGG-INFO/PKG-INFO": b"Name: a\nSummary: " + bytes(50_000_000)})
    yield _case("egg: a header that inflates", "lib/a.egg", partial(bytes, bomb))
    yield _case("egg: cut", "lib/a.egg", partial(bytes, bomb[:-30]))


def _within(content: bytes) -> bytes:
    return test_java.zipped({"a-1.jar": content, "lib/c.jar": test_java.LIBRARY})


# --- programs --------------------------------------------------------------------------------------------------------


def programs() -> Iterator[Case]:
    """Yield executables whose tables, build information or lists lie."""
    for name, content in test_go.HOSTILE.items():
        yield _case(f"program: {name}", "usr/bin/program", partial(bytes, content))
    for name, content in rust.HOSTILE.items():
        yield _case(f"crates: {name}", "usr/bin/program", partial(rust.program, content), r"\.dep-v0")
    yield _case(
        "crates: too many that are none",
        "usr/bin/program",
        lambda: rust.program(rust.section({"packages": [{}] * 200_000})),
        "the rest was not read",
    )


# --- texts -----------------------------------------------------------------------------------------------------------

_LANGUAGES: Final[Mapping[str, tuple[str, Mapping[str, bytes]]]] = {
    "METADATA": ("lib/a-1.dist-info/METADATA", test_python.HOSTILE),
    "gemspec": ("gems/specifications/a.gemspec", test_ruby.HOSTILE),
    "package.json": ("app/node_modules/n/package.json", test_node.HOSTILE),
    "installed.json": ("app/vendor/composer/installed.json", test_php.HOSTILE),
    "deps.json": ("app/a.deps.json", test_dotnet.HOSTILE),
    "conda-meta": ("opt/conda-meta/a.json", test_conda.HOSTILE),
}


def texts() -> Iterator[Case]:
    """Yield what package managers of languages write: of megabytes, of great depth, of no text, of no sense."""
    for kind, (path, contents) in _LANGUAGES.items():
        for name, content in contents.items():
            yield _case(f"{kind}: {name}", path, partial(bytes, content), path)
        for name, content in _NO_TEXTS.items():
            yield _case(f"{kind}: {name}", path, partial(bytes, content), path)


_NO_TEXTS: Final = {
    "zeros of a megabyte": bytes(1_000_000),
    "ones of a megabyte": b"\xff" * 1_000_000,
    "UTF-16": json.dumps({"name": "a", "version": "1"}).encode("utf-16"),
    "numbers": struct.pack("<1000I", *range(1000)),
}
