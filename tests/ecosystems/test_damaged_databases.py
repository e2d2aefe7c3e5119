"""Databases of packages that were cut, changed or made up: each is read in bounded time, and what is wrong is named.

The cases are made from the genuine samples: cut at many places, with bits flipped at random places (always the same
ones), with pieces overwritten, doubled or taken out.
"""

import io
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from eclair.ecosystems import Ecosystem, apk, dpkg, pacman, rpm
from eclair.errors import BadDatabase
from eclair.model import Inventory, Package
from tests.rpm_databases import berkeley, header, ndb, package, sqlite
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples"

PEAK = 100 << 20


def _rpm(name: str) -> bytes:
    return zstandard.decompress((SAMPLES / "rpm" / f"{name}.zst").read_bytes())


DATABASES: dict[str, tuple[Ecosystem, str, bytes]] = {
    "dpkg": (dpkg.ECOSYSTEM, "var/lib/dpkg/status", (SAMPLES / "dpkg" / "status").read_bytes()),
    "apk": (apk.ECOSYSTEM, "lib/apk/db/installed", (SAMPLES / "apk" / "installed").read_bytes()),
    "pacman": (pacman.ECOSYSTEM, "var/lib/pacman/local/a-1-1/desc", (SAMPLES / "pacman/python-six/desc").read_bytes()),
    "Berkeley DB": (rpm.ECOSYSTEM, "var/lib/rpm/Packages", _rpm("Packages-little-endian")),
    "Berkeley DB, big-endian": (rpm.ECOSYSTEM, "var/lib/rpm/Packages", _rpm("Packages-big-endian")),
    "ndb": (rpm.ECOSYSTEM, "usr/lib/sysimage/rpm/Packages.db", _rpm("Packages.db")),
    "SQLite": (rpm.ECOSYSTEM, "usr/lib/sysimage/rpm/rpmdb.sqlite", _rpm("rpmdb.sqlite")),
}
RPM = [name for name, (ecosystem, _, _) in DATABASES.items() if ecosystem.name == "rpm"]


def read(name: str, content: bytes) -> Inventory | None:
    """Return what the reader of a database says of other content; None where it is refused as a whole."""
    ecosystem, path, _ = DATABASES[name]
    with guarded():
        try:
            inventory = ecosystem.read(path, io.BytesIO(content))
        except BadDatabase:
            return None
    assert inventory is not None
    assert inventory.problem is None or len(inventory.problem) < 3000
    return inventory


def genuine(name: str) -> frozenset[Package]:
    inventory = read(name, DATABASES[name][2])
    assert inventory is not None
    assert inventory.problem is None
    return frozenset(inventory.packages)


@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_database_that_is_cut_gives_what_is_left_of_it(name: str, share: float) -> None:
    content = DATABASES[name][2]
    inventory = read(name, content[: int(len(content) * share)])
    if inventory is not None and name in RPM:
        assert inventory.problem
        assert frozenset(inventory.packages) <= genuine(name) | foster(inventory, name)


def foster(inventory: Inventory, name: str) -> frozenset[Package]:
    """Return the packages whose source lost the sibling that tells its epoch; all else is as it was."""
    known = {(package.name, package.version, package.arch) for package in genuine(name)}
    return frozenset(some for some in inventory.packages if (some.name, some.version, some.arch) in known)


def flipped(content: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 3, 30, 300])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("name", DATABASES)
def test_whatever_bits_are_flipped_no_package_is_changed_unnamed(name: str) -> None:
    """Texts have no checksums, so of them only that they are read."""
    for seed in range(25):
        inventory = read(name, flipped(DATABASES[name][2], seed))
        if inventory is not None and name in RPM:
            assert frozenset(inventory.packages) == genuine(name) or inventory.problem, seed


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "zeros": lambda content, chance: _over(content, chance, bytes(5000)),
    "ones": lambda content, chance: _over(content, chance, b"\xff" * 5000),
    "noise": lambda content, chance: _over(content, chance, chance.randbytes(5000)),
    "a piece of itself": lambda content, chance: _over(content, chance, _piece(content, chance)),
    "a piece twice": lambda content, chance: _at(content, chance, _piece(content, chance)),
    "a piece missing": lambda content, chance: content.replace(_piece(content, chance), b"", 1),
    "lines of a megabyte": lambda content, chance: _at(content, chance, b"x" * 1_000_000),
    "no UTF-8": lambda content, chance: content.replace(b"e", b"\xe9"),
}


def _over(content: bytes, chance: random.Random, piece: bytes) -> bytes:
    place = chance.randrange(len(content))
    return (content[:place] + piece + content[place + len(piece) :])[: len(content)]


def _at(content: bytes, chance: random.Random, piece: bytes) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + piece + content[place:]


def _piece(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[place : place + chance.choice([1, 16, 512, 4096, 8192])]


@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_changed_database_is_read(name: str, mutation: str) -> None:
    for seed in range(4):
        inventory = read(name, MUTATIONS[mutation](DATABASES[name][2], random.Random(seed)))
        if inventory is not None and name in RPM:
            assert frozenset(inventory.packages) == genuine(name) or inventory.problem, seed


# --- made to cost much -----------------------------------------------------------------------------------------------


def made_up() -> Iterator[tuple[str, str, bytes]]:
    """Yield names, databases and contents that are small and claim to be large, or are large with nothing in them."""
    strings = [""] * 100_000
    many_files = header({1000: "a", 1001: "1", 1117: strings, 1116: [0] * 100_000, 1118: ["/" + "d" * 4000]})
    everything = header(dict.fromkeys(range(1000, 20000), "x") | {1000: "a", 1001: "1"})
    for name, write in (("Berkeley DB", berkeley), ("ndb", ndb), ("SQLite", sqlite)):
        yield "a package of many long paths", name, write([many_files])
        yield "a header of many tags", name, write([everything] * 3)
        yield "the same package again and again", name, write([package("a")] * 250)
        yield "headers that are none", name, write([bytes(100)] * 250)
        yield "a header of zeros", name, write([bytes(3_000_000)])
        yield "a header of ones", name, write([b"\xff" * 3_000_000])
    yield "pages of the hash without end", "Berkeley DB", berkeley([])[:4096] + berkeley([])[4096:8192] * 2000
    yield "pages of noise", "Berkeley DB", berkeley([])[:4096] + random.Random(1).randbytes(4 << 20)
    yield "slots of noise", "ndb", ndb([])[:32] + random.Random(2).randbytes(4 << 20)
    yield "slots without end", "ndb", ndb([])[:12] + b"\xff\xff\0\0" + ndb([])[16:] + b"Slot" + b"\x01\0\0\0" * 500_000
    yield "trees of noise", "SQLite", sqlite([])[:4096] + random.Random(3).randbytes(4 << 20)
    yield "a schema of noise", "SQLite", sqlite([])[:100] + random.Random(4).randbytes(4 << 20)
    yield "one line", "dpkg", b"Package: " + b"x" * 8_000_000
    yield "one field again and again", "dpkg", b"Version: 1\n" * 500_000
    yield "paragraphs without a name", "dpkg", b"Version: 1\n\n" * 100_000
    yield "no fields at all", "dpkg", b"\xff\n" * 2_000_000
    yield "files without end", "apk", b"P:a\nV:1\n" + b"R:f\n" * 60_000
    yield "a long directory", "apk", b"P:a\nV:1\nF:" + b"d" * 1_000_000 + b"\n" + b"R:f\n" * 20_000
    yield "lines without end", "pacman", b"%NAME%\n" * 200_000


MADE_UP = {f"{name}: {what}": (name, content) for what, name, content in made_up()}


@pytest.mark.parametrize(("name", "content"), MADE_UP.values(), ids=MADE_UP)
def test_what_is_made_up_costs_little(name: str, content: bytes) -> None:
    tracemalloc.start()
    try:
        read(name, content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < PEAK
