"""Python: what is installed, and the order of PEP 440."""

import io
import zipfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from eclair.ecosystems.python import ECOSYSTEM
from eclair.errors import BadDatabase
from eclair.model import Inventory, Package
from tests.version_pairs import MAKERS, pairs
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "python"
FOLDER = "usr/lib/python3/dist-packages"


def read(path: str, content: bytes) -> Inventory | None:
    return ECOSYSTEM.read(path, io.BytesIO(content))


def packages(path: str, content: bytes) -> list[tuple[str, str]]:
    inventory = read(path, content)
    assert inventory is not None
    assert inventory.problem is None
    return [(package.name, package.version) for package in inventory.packages]


@pytest.mark.parametrize(
    ("path", "sample", "expected"),
    [
        ("Django-3.2.dist-info/METADATA", "METADATA", ("django", "3.2")),
        ("python_apt-2.6.0.egg-info/PKG-INFO", "PKG-INFO", ("python-apt", "2.6.0")),
        ("python_apt-2.6.0.egg-info/METADATA", "PKG-INFO", ("python-apt", "2.6.0")),
        ("python_apt-2.6.0-py3.11.egg/EGG-INFO/PKG-INFO", "PKG-INFO", ("python-apt", "2.6.0")),
        ("wsgiref.egg-info", "wsgiref.egg-info", ("wsgiref", "0.1.2")),
        ("example-21.12-py3.6.egg", "example-21.12-py3.6.egg", ("example", "21.12")),
        ("EXAMPLE.EGG", "example-21.12-py3.6.egg", ("example", "21.12")),
    ],
)
def test_each_form_of_an_installed_package_is_found(path: str, sample: str, expected: tuple[str, str]) -> None:
    content = (SAMPLES / sample).read_bytes()
    assert packages(f"{FOLDER}/{path}", content) == [expected]
    assert packages(path, content) == [expected]


def test_the_package_names_its_file() -> None:
    path = f"{FOLDER}/Django-3.2.dist-info/METADATA"
    assert read(path, (SAMPLES / "METADATA").read_bytes()) == Inventory(
        path=path,
        analyser="python",
        packages=(Package(type="pypi", name="django", version="3.2", path=path),),
    )


@pytest.mark.parametrize(
    "path",
    [
        f"{FOLDER}/a-1.dist-info/RECORD",
        f"{FOLDER}/METADATA",
        f"{FOLDER}/PKG-INFO",
        f"{FOLDER}/a-1.egg-info/requires.txt",
        f"{FOLDER}/xEGG-INFO/PKG-INFO",
        "usr/share/art/breakfast.egg",
        "usr/lib/python3.11/test/test_importlib/data/example-21.12-py3.6.egg",
    ],
)
def test_other_files_are_nobody_s(path: str) -> None:
    content = (SAMPLES / "PKG-INFO").read_bytes()
    assert read(path, content if "test" not in path else (SAMPLES / "example-21.12-py3.6.egg").read_bytes()) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Name: A_b.c\r\nVersion: 1.0\r\n\r\nName: other\r\n", ("a-b-c", "1.0")),
        (b"Name: a\rVersion: 1\r", ("a", "1")),
        (b"\xef\xbb\xbfName: a\nVersion: 1\n", ("a", "1")),
        (b"\n\nName: a\nVersion: 1\n", ("a", "1")),
        (b"NAME : a\nversion:1", ("a", "1")),
        (b"Name: a\nName: b\nVersion: 1\nVersion: 2\n", ("a", "1")),
        (b"Summary: x\n Name: folded\nName: a\nVersion: 1\n", ("a", "1")),
        (b"From somebody Mon Nov 25\nno field\n: nothing\nVersion: 1\nName: a\n", ("a", "1")),
        (b"Name: UNKNOWN\nVersion: 0.0.0\n", ("unknown", "0.0.0")),
        (b"Name:\nName: a\nVersion: not a version\n", ("a", "not a version")),
        (b"License: " + b"x" * 500_000 + b"\nName: a\nVersion: 1\n", ("a", "1")),
    ],
)
def test_headers_as_they_occur(header: bytes, expected: tuple[str, str]) -> None:
    assert packages("a-1.dist-info/METADATA", header) == [expected]


HOSTILE = {
    "empty": b"",
    "no version": b"Metadata-Version: 2.1\nName: a\n\nVersion: 1\n",
    "no name": b"Version: 1\n",
    "version without a value": b"Name: a\nVersion:\n",
    "name in the description": b"Metadata-Version: 1.0\n\nName: a\nVersion: 1\n",
    "not utf-8 but in control": b"Name: a\nVersion: 1\x001\n",
    "version of a megabyte": b"Name: a\nVersion: " + b"1" * 1_000_000 + b"\n",
    "name of a megabyte": b"Name: " + b"a" * 1_000_000 + b"\nVersion: 1\n",
    "line of many megabytes": b"x" * 50_000_000,
    "fields behind a megabyte": b"Summary: " + b"x" * 1_100_000 + b"\nName: a\nVersion: 1\n",
    "nothing but lines": b"a:\n" * 5_000_000,
    "nothing but colons": b":" * 5_000_000,
    "nothing but returns": b"\r" * 5_000_000,
    "zeros": b"\0" * 5_000_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_header_that_names_nothing_is_damage(content: bytes) -> None:
    with guarded(), pytest.raises(BadDatabase, match=r"Name|name|version"):
        read("a-1.dist-info/METADATA", content)


def egg(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def test_an_egg_of_any_size_is_read_as_far_as_its_header() -> None:
    bomb = egg("EGG-INFO/PKG-INFO", b"Name: a\nVersion: 1\n\n" + b"0" * 100_000_000)
    with guarded():
        assert packages("a.egg", bomb) == [("a", "1")]


@pytest.mark.parametrize(
    "content",
    [
        egg("PKG-INFO", b"Name: a\nVersion: 1\n"),
        egg("a/EGG-INFO/PKG-INFO", b"Name: a\nVersion: 1\n"),
        egg("EGG-INFO/PKG-INFO", b"Name: a\n"),
        egg("EGG-INFO/PKG-INFO", b"Name: a\nVersion: 1\n")[:-30],
        b"PK\x03\x04",
    ],
)
def test_an_egg_that_names_nothing_is_damage(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read("a.egg", content)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for path in ("a-1.dist-info/METADATA", "a.egg"):
        try:
            read(path, b"PK\x03\x04" + content if path == "a.egg" else content)
        except BadDatabase as refusal:
            assert str(refusal)  # noqa: PT017


# --- the order -------------------------------------------------------------------------------------------------------

ASCENDING = [
    "1.dev0",
    "1.0.dev456",
    "1.0a1",
    "1.0a2.dev456",
    "1.0a12.dev456",
    "1.0a12",
    "1.0b1.dev456",
    "1.0b2",
    "1.0b2.post345.dev456",
    "1.0b2.post345",
    "1.0rc1.dev456",
    "1.0rc1",
    "1.0",
    "1.0+abc.5",
    "1.0+abc.7",
    "1.0+5",
    "1.0.post456.dev34",
    "1.0.post456",
    "1.0.15",
    "1.1.dev1",
    "1!0.1",
]
"""PEP 440, "Summary of permitted suffixes and relative ordering" and "Local version identifiers"."""


def test_the_examples_of_the_specification() -> None:
    keys = [ECOSYSTEM.key(version) for version in ASCENDING]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0", "v1"),
        ("1.0-1", "1.post1"),
        ("1.0-RC_2", "1rc2"),
        ("1+A-b_1", "1+a.b.1"),
        ("1.0c", "1.0rc0"),
        ("0!1", "1"),
    ],
)
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert ECOSYSTEM.key(one) == ECOSYSTEM.key(other)


def test_keys_order_as_packaging_compares() -> None:
    chance = Random(20240229)
    compared = 0
    for one, other in pairs(MAKERS["pypi"], chance, 10_000):
        try:
            first, second = Version(one), Version(other)
        except ValueError:
            continue
        compared += 1
        keys = ECOSYSTEM.key(one), ECOSYSTEM.key(other)
        assert (keys[0] < keys[1], keys[0] > keys[1]) == (first < second, first > second), (one, other)
    assert compared > 5_000
