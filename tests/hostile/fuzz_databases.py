"""Databases of packages that distributions keep, the files beside them, and the files that name the distribution."""

import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import zstandard

from eclair import distribution, ecosystems
from eclair.ecosystems import Ecosystem
from eclair.model import Inventory
from tests.hostile.fuzzing import Target
from tests.packages import test_repositories as histories
from tests.rpm_databases import berkeley, header, ndb, package, signed, sqlite

SAMPLES: Final = Path(__file__).parent.parent / "samples"
LONGEST_PROBLEM: Final = 3000


def read(path: str, ecosystem: Ecosystem, content: bytes) -> Inventory | None:
    """Read a file as a layer has it; whatever packages come of it have features and a package URL."""
    inventory = ecosystem.read(path, io.BytesIO(content))
    if inventory is None:
        return None
    assert inventory.path == path
    assert inventory.problem is None or 0 < len(inventory.problem) < LONGEST_PROBLEM
    for found in inventory.packages[:100]:
        assert found.name
        ecosystem.features(found, ecosystem.namespace(None) or "debian:12")
        ecosystem.purl(found, None)
    return inventory


def target(name: str, path: str, seeds: Callable[[], Iterator[bytes]], *words: bytes) -> Target:
    """Return the reader of the ecosystem that a name begins with, for files at a path."""
    scheme = next(some.scheme for some in ecosystems.load().values() if some.name == name.partition("-")[0])
    return Target(name=name, seeds=seeds, read=partial(read, path, ecosystems.load()[scheme]), words=words)


def sample(*paths: str) -> Callable[[], Iterator[bytes]]:
    return lambda: ((SAMPLES / path).read_bytes() for path in paths)


def _rpm(write: Callable[..., bytes], genuine: str) -> Iterator[bytes]:
    whole = signed({1000: "b", 1001: "2", 1002: "3", 1003: 1, 1022: "x86_64", 1117: ["f"], 1116: [0], 1118: ["/d/"]})
    yield write([package("a"), package("c", MODULARITY_LABEL="m:1:2:3"), whole])
    yield write([package("large", VENDOR="Red Hat " + "x" * 9000), whole])
    yield write([])
    yield zstandard.decompress((SAMPLES / "rpm" / f"{genuine}.zst").read_bytes())


def _headers() -> Iterator[bytes]:
    yield package("a", VENDOR="SUSE", EPOCH=1)
    yield signed({1000: "b", 1001: "2", 1002: "3", 1117: ["f", "g"], 1116: [0, 1], 1118: ["/d/", "/e/"]})
    yield header({1000: "gpg-pubkey", 1001: "2", 1027: ["/old/file"]})


def _one_header(ecosystem: Ecosystem, content: bytes) -> Inventory | None:
    """Read a header as the only one of a database that is whole."""
    return read("var/lib/rpm/rpmdb.sqlite", ecosystem, sqlite([content]))


def _databases() -> Iterator[bytes]:
    """Yield SQLite databases of several shapes: trees of some levels, long rows, odd columns."""
    for rows, size in ((3, 10), (300, 40), (5, 3000), (60, 700)):
        with sqlite3.connect(":memory:") as connection:
            connection.execute("PRAGMA page_size = 512")
            connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
            connection.execute("CREATE TABLE Other (a, b TEXT, c REAL)")
            connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(bytes(size),)] * rows)
            connection.executemany("INSERT INTO Other VALUES (?, ?, ?)", [(None, "x", 1.5), (-1, "", 2)])
        yield connection.serialize()
        connection.close()
    yield sqlite([package("a")])


def _history_4() -> Iterator[bytes]:
    yield histories.history(histories.SCHEMA_4, [(1, 1, 1, 1), (2, 1, 2, 6), (3, 2, 1, 2)])


def _history_5() -> Iterator[bytes]:
    yield histories.history(histories.SCHEMA_5)


def _status_of_pro() -> Iterator[bytes]:
    yield json.dumps({"services": [{"name": "esm-infra", "status": "enabled"}, {"name": "x"}]}).encode()


def _content_sets() -> Iterator[bytes]:
    yield json.dumps({"metadata": {"icm_version": 1}, "content_sets": ["rhel-8-for-x86_64-baseos-rpms", "a"]}).encode()


def _release_files() -> Iterator[bytes]:
    for file in sorted((SAMPLES / "distribution").rglob("*")):
        if file.is_file() and file.suffix != ".md":
            yield file.read_bytes()
    yield b"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME='jammy'\n"
    yield b"CentOS Linux release 7.9.2009 (Core)\n"
    yield b"SUSE Linux Enterprise Server 12 (x86_64)\nVERSION = 12\nPATCHLEVEL = 5\n"


def _distribution(content: bytes) -> object:
    """Read a file as each of those that name a distribution, alone and all together."""
    read = [distribution.read(path, io.BytesIO(content)) for path in sorted(distribution.PATHS)]
    return [distribution.identify([one]) for one in read], distribution.identify(read)


def _text(content: str) -> Callable[[], Iterator[bytes]]:
    return lambda: iter((content.encode(),))


_APT: Final = "deb https://esm.ubuntu.com/infra/ubuntu jammy-infra-security main\n# deb x\n"
_MANIFEST: Final = "bash\t5.1-4.cm2\t1\t2\tMicrosoft Corporation\t(none)\t3\tx86_64\t0\tbash-5.1-4.cm2.src.rpm\n" * 3
_INFO: Final = "var/lib/dpkg/info/zlib1g:amd64"

TARGETS: Final = (
    target(
        "dpkg",
        "var/lib/dpkg/status",
        sample("dpkg/status", "dpkg/status.d/libssl3"),
        *(
            b"\n\n",
            b"\nPackage: a",
            b"\nVersion: ",
            b"\nStatus: deinstall ok config-files",
            b"\n ",
            b": ",
            b"Source: (",
        ),
    ),
    target("dpkg-status.d", "var/lib/dpkg/status.d/base", sample("dpkg/status.d/base-files", "dpkg/status.d/tzdata")),
    target("dpkg-opkg", "usr/lib/opkg/status", _text("Package: a\nVersion: 1\nStatus: install user installed\n\n" * 3)),
    target("dpkg-list", f"{_INFO}.list", _text("/.\n/usr\n/usr/lib/python3/dist-packages/a.py\n")),
    target("dpkg-md5sums", f"{_INFO}.md5sums", _text("d41d8cd98f00b204e9800998ecf8427e  usr/lib/a\n" * 3)),
    target("dpkg-pro", "var/lib/ubuntu-advantage/status.json", _status_of_pro),
    target("dpkg-sources", "etc/apt/sources.list.d/ubuntu-esm-infra.list", _text(_APT)),
    target(
        "apk", "lib/apk/db/installed", sample("apk/installed"), b"\nP:", b"\nV:", b"\nF:", b"\nR:", b"\no:", b"\n\n"
    ),
    target(
        "pacman",
        "var/lib/pacman/local/a-1-1/desc",
        sample("pacman/openssl-libs/desc", "pacman/python-six/desc"),
        *(b"%NAME%\n", b"%VERSION%\n", b"%BASE%\n", b"\n\n"),
    ),
    target("pacman-files", "var/lib/pacman/local/a-1-1/files", sample("pacman/python-six/files")),
    target("rpm-berkeley", "var/lib/rpm/Packages", lambda: _rpm(berkeley, "Packages-little-endian")),
    target(
        "rpm-berkeley-big",
        "var/lib/rpm/Packages",
        lambda: _rpm(partial(berkeley, order=">"), "Packages-big-endian"),
    ),
    target("rpm-ndb", "var/lib/rpm/Packages.db", lambda: _rpm(ndb, "Packages.db"), b"Slot", b"BlbS", b"BlbE", b"RpmP"),
    target("rpm-sqlite", "var/lib/rpm/rpmdb.sqlite", lambda: _rpm(sqlite, "rpmdb.sqlite"), b"CREATE TABLE Packages"),
    Target(name="rpm-header", seeds=_headers, read=partial(_one_header, ecosystems.load()["rpm"])),
    target("rpm-manifest", "var/lib/rpmmanifest/container-manifest-2", _text(_MANIFEST), b"\t", b"(none)"),
    target("rpm-log", "var/lib/rpm/rpmdb.sqlite-wal", _databases),
    target("rpm-content-sets", "usr/share/buildinfo/content-sets.json", _content_sets),
    target("rpm-dnf-4", histories.DNF_4, _history_4),
    target("rpm-dnf-5", histories.DNF_5, _history_5),
    target(
        "rpm-tables", "var/lib/rpm/rpmdb.sqlite", _databases, b"CREATE TABLE Packages(", b"PRIMARY KEY", b"Packages"
    ),
    Target(
        name="distribution", seeds=_release_files, read=_distribution, words=(b"\nID=", b"\nVERSION_ID=", b"'", b"$(")
    ),
)
