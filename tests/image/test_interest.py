"""A file goes to the readers that want it by its place, its name, its ending or its first bytes, and to no others."""

import io
from dataclasses import dataclass
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.image.interest import Readers
from eclair.model import Interest, Inventory


@dataclass(frozen=True, slots=True)
class Reader:
    name: str
    interest: Interest

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        return None


READERS = Readers(
    (
        Reader("exact", Interest(paths=frozenset(("var/lib/db/status", "etc/release")))),
        Reader("within", Interest(directories=("var/lib/db/status.d/", "opt/"))),
        Reader("name", Interest(names=frozenset(("package.json", "METADATA")))),
        Reader("ending", Interest(suffixes=(".dist-info/METADATA", ".jar", ".deps.json", "-info/x.y"))),
        Reader("magic", Interest(magics=(b"\x7fELF", b"MZ"))),
        Reader("other", Interest(magics=(b"\x7fE",), suffixes=(".Jar",))),
    )
)


def names(path: str) -> list[str]:
    return [reader.name for reader in READERS.by_path(path.encode())]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("var/lib/db/status", ["exact"]),
        ("x/var/lib/db/status", []),
        ("var/lib/db/status.d/base", ["within"]),
        ("var/lib/db/status.d/more/base", []),
        ("opt/package.json", ["within", "name"]),
        ("package.json", ["name"]),
        ("a/b/package.json", ["name"]),
        ("a/b/Package.json", []),
        ("a/b/xpackage.json", []),
        ("a/x.dist-info/METADATA", ["name", "ending"]),
        ("a/x.dist-info/metadata", []),
        ("a/x.DIST-INFO/METADATA", ["name"]),
        ("a/METADATA", ["name"]),
        ("x-info/x.y", ["ending"]),
        ("x-info/x.Y", []),
        ("a/b.jar", ["ending", "other"]),
        ("a/b.JAR", ["ending", "other"]),
        ("a/b.Jar", ["ending", "other"]),
        (".jar", ["ending", "other"]),
        ("a/bjar", []),
        ("a/jar", []),
        ("a/b.jar.txt", []),
        ("a.jar/b", []),
        ("a/b.deps.json", ["ending"]),
        ("a/b.json", []),
        ("a/deps.json", []),
        ("", []),
    ],
)
def test_a_path_is_told_by_place_name_and_ending(path: str, wanted: list[str]) -> None:
    assert names(path) == wanted
    anywhere = [reader.name for reader in READERS.anywhere(path.encode())]
    assert anywhere == [name for name in wanted if name not in ("exact", "within")]
    assert READERS.is_looked_for(path) is bool(anywhere)


@given(st.binary(max_size=6))
def test_first_bytes_are_told_by_all_magics(head: bytes) -> None:
    wanted = [reader.name for reader in READERS.by_magic(head)]
    assert wanted == [
        name
        for name, magics in (("magic", (b"\x7fELF", b"MZ")), ("other", (b"\x7fE",)))
        if any(head[: len(magic)] == magic for magic in magics)
    ]


def test_links_matter_at_the_top_and_on_the_way_to_fixed_places() -> None:
    for path in (b"lib", b"var", b"var/lib", b"var/lib/db", b"var/lib/db/status", b"var/lib/db/status.d/base"):
        assert READERS.may_link(path)
    for path in (b"usr/bin", b"var/lib/other", b"a/b.jar", b"var/lib/db/status/x"):
        assert not READERS.may_link(path)


def test_nobody_wants_anything() -> None:
    nobody = Readers(())
    assert not nobody.by_path(b"var/lib/db/status")
    assert not nobody.by_magic(b"\x7fELF")
    assert nobody.longest_magic == 0


def test_where_links_lead_to_is_read_as_what_lies_at_the_place() -> None:
    @dataclass(frozen=True, slots=True)
    class Naming(Reader):
        def read(self, path: str, content: BinaryIO) -> Inventory | None:
            return Inventory(path=path, analyser=self.name, facts=(("read as", path),))

    place, folder = "var/lib/db/status", "var/lib/db/status.d"
    readers = Readers((Naming("db", Interest(paths=frozenset((place,)), directories=(f"{folder}/",))),))
    following = readers.following({"opt/db": place, "opt/parts": folder})
    for path, read_as in (("opt/db", place), ("opt/parts/a", f"{folder}/a"), (place, place)):
        [reader] = following.by_path(path.encode())
        assert (reader.name, reader.interest) == ("db", readers.all[0].interest)
        inventory = reader.read(path, io.BytesIO())
        assert inventory == Inventory(path=path, analyser="db", facts=(("read as", read_as),))
    assert following.as_at_its_place(Inventory(path="opt/db", analyser="db")).path == place
    assert readers.by_path(b"opt/db") == following.by_path(b"opt/parts/a/b") == ()
