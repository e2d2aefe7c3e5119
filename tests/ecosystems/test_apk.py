"""apk: what is installed, and the order of Alpine's versions."""

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.apk import ECOSYSTEM
from eclair.errors import BadVersion
from eclair.model import UNREADABLE, Distribution, Inventory, Kind, Package, Source
from tests.work import guarded

SAMPLE = Path(__file__).parent.parent / "samples" / "apk" / "installed"
PATH = "lib/apk/db/installed"

ALPINE = Distribution(id="alpine", version="3.10.2", name="Alpine Linux v3.10", namespace="alpine:3.10")


def read(content: bytes) -> Inventory:
    inventory = ECOSYSTEM.read(PATH, io.BytesIO(content))
    assert inventory is not None
    return inventory


# --- what is installed -----------------------------------------------------------------------------------------------


def test_the_packages_are_those_of_the_database() -> None:
    content = SAMPLE.read_bytes()
    inventory = read(content)
    expected = re.findall(r"^P:(.*)\nV:(.*)\nA:(.*)\n", content.decode(), re.MULTILINE)
    assert len(expected) == 14
    assert [(package.name, package.version, package.arch) for package in inventory.packages] == expected
    assert inventory.problem is None
    assert (inventory.path, inventory.analyser) == (PATH, "apk")


def test_files_belong_to_the_directory_above_them() -> None:
    content = SAMPLE.read_bytes()
    inventory = read(content)
    expected = []
    for line in content.decode().splitlines():
        if line.startswith("P:"):
            name, folder = line[2:], ""
        elif line.startswith("F:"):
            folder = line[2:]
        elif line.startswith("R:"):
            expected.append((f"{folder}/{line[2:]}", name))
    assert len(expected) == 78
    assert list(inventory.owned) == expected


def test_a_file_without_a_directory_stands_at_the_root() -> None:
    assert read(b"P:a\nV:1\nR:x\nF:\nR:y\nF:b\nR:z\n").owned == (("x", "a"), ("y", "a"), ("b/z", "a"))


def test_more_files_than_can_be_kept_are_named() -> None:
    inventory = read(b"P:a\nV:1\nF:" + b"x" * 4000 + b"\n" + b"R:y\n" * 600_000 + b"\nP:b\nV:1\n")
    assert [package.name for package in inventory.packages] == ["a", "b"]
    assert len(inventory.owned) < 20_000
    assert inventory.problem is not None
    assert "files of a: too many" in inventory.problem


def test_the_source_is_the_origin_at_the_version_of_the_package() -> None:
    packages = {package.name: package for package in read(SAMPLE.read_bytes()).packages}
    assert packages["libssl1.1"].source == Source(name="openssl", version="1.1.1c-r0")
    assert packages["musl"].source == Source(name="musl", version=packages["musl"].version)


def test_a_package_without_origin_is_its_own_source() -> None:
    (package,) = read(b"P:a\nV:1-r0\n").packages
    assert package.source == Source(name="a", version="1-r0")


def test_field_names_are_told_apart_by_case() -> None:
    (package,) = read(b"P:a\nV:1-r0\nA:x86_64\no:b\np:provided\na:0:0:755\nv:2\nO:c\n").packages
    assert (package.name, package.version, package.arch) == ("a", "1-r0", "x86_64")


def test_a_database_that_is_cut_within_a_line_says_so() -> None:
    inventory = read(b"P:a\nV:1\n\nP:b\nV:1.2")
    assert [package.name for package in inventory.packages] == ["a", "b"]
    assert inventory.problem == "could not be read in 1 place: line 5: the file ends within a line"


def test_broken_paragraphs_are_named_and_the_others_kept() -> None:
    content = b"P:a\nV:1\n\nV:2\n\nP:c\n\ngarbage\n\nP:\xff\nV:1\n\nP:e\nV:5\n"
    inventory = read(content)
    assert [package.name for package in inventory.packages] == ["a", "e"]
    assert inventory.problem is not None
    assert "4 places" in inventory.problem
    for line in (4, 6, 8, 10):
        assert f"line {line}:" in inventory.problem


@pytest.mark.parametrize("content", [b"\x00" * 100, b"<html>\n", b"  indented\n", b"\x1f\x8b\x08binary: \xff\xfe\n"])
def test_what_is_no_database_is_a_problem_without_packages(content: bytes) -> None:
    inventory = read(content)
    assert inventory.packages == ()
    assert inventory.problem


def test_an_empty_database_is_no_problem() -> None:
    assert read(b"") == Inventory(path=PATH, analyser="apk")


@pytest.mark.parametrize("content", [b"P:" + b"x" * 20_000_000, b"F:x\n" * 2_000_000, b"P:a\n\n" * 500_000])
def test_hostile_content_is_read_in_linear_time(content: bytes) -> None:
    with guarded():
        inventory = read(content)
    assert inventory.packages == ()
    assert inventory.problem is not None
    assert len(inventory.problem) < 1000


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(content: bytes) -> None:
    read(content)


# --- what it is matched by -------------------------------------------------------------------------------------------


def package(version: str = "1.1.1c-r0", context: str = "") -> Package:
    return Package(
        type="apk",
        name="libssl1.1",
        version=version,
        arch="x86_64",
        source=Source(name="openssl", version=version),
        path=PATH,
        context=context,
    )


def test_the_feature_is_the_origin() -> None:
    (feature,) = ECOSYSTEM.features(package(context="c"), "alpine:3.10")
    assert str(feature.package) == "apk#alpine:3.10#source#openssl"
    assert feature.package.kind is Kind.SOURCE
    assert (feature.version, feature.arch, feature.context) == ("1.1.1c-r0", "", "c")
    assert feature.key == ECOSYSTEM.key("1.1.1c-r0")


def test_a_package_that_names_no_source_is_matched_as_its_own() -> None:
    alone = Package(type="apk", name="a", version="1", path=PATH)
    (feature,) = ECOSYSTEM.features(alone, "alpine:3.10")
    assert (feature.package.name, feature.version) == ("a", "1")


def test_an_unreadable_version_keeps_its_feature() -> None:
    (feature,) = ECOSYSTEM.features(package("9" * 2000), "alpine:3.10")
    assert feature.key == UNREADABLE


def test_without_a_namespace_there_is_no_feature() -> None:
    assert ECOSYSTEM.features(package(), "") == ()


def test_only_a_namespace_of_apk_is_taken() -> None:
    debian = Distribution(id="debian", version="12", name="", namespace="debian:12")
    assert ECOSYSTEM.namespace(ALPINE) == "alpine:3.10"
    assert ECOSYSTEM.namespace(debian) == ""
    assert ECOSYSTEM.namespace(None) == ""


def test_the_purl_names_distribution_and_origin() -> None:
    expected = "pkg:apk/alpine/libssl1.1@1.1.1c-r0?arch=x86_64&distro=alpine-3.10.2&upstream=openssl"
    assert ECOSYSTEM.purl(package(), ALPINE) == expected
    assert ECOSYSTEM.purl(package(), None) == "pkg:apk/libssl1.1@1.1.1c-r0?arch=x86_64&upstream=openssl"


# --- the order -------------------------------------------------------------------------------------------------------

SUFFIXES = ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p")
GRAMMAR = re.compile(r"([0-9]+)((?:\.[0-9]+)*)([a-z]?)((?:_[a-z]+[0-9]*)*)(~[0-9a-f]+)?(-r[0-9]+)?")
SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")

numbers = st.one_of(st.integers(0, 12).map(str), st.sampled_from(["0", "00", "01", "010", "9", "99", "20200101"]))
valid_versions = st.builds(
    lambda first, rest, letter, suffixes, commit, revision: (
        first + "".join(rest) + letter + "".join(suffixes) + commit + revision
    ),
    numbers,
    st.lists(numbers.map(lambda number: f".{number}"), max_size=3),
    st.sampled_from(["", "", "a", "b", "z"]),
    st.lists(
        st.builds(
            lambda suffix, number: f"_{suffix}{number}",
            st.sampled_from([suffix for suffix in SUFFIXES if suffix]),
            st.one_of(st.just(""), numbers),
        ),
        max_size=2,
    ),
    st.sampled_from(["", "", "", "~0", "~0a", "~ab"]),
    st.one_of(st.just(""), numbers.map(lambda number: f"-r{number}")),
)
any_strings = st.text(alphabet="019.ab_~-rpé ", min_size=1, max_size=9)


Places = list[tuple[int, int, str, int]]


def places(version: str) -> Places:
    """Return what stands at each place by apk-package(5): the rank of its kind, then its value.

    Written apart from the encoder, by the grammar instead of by tokens.
    """
    match = GRAMMAR.fullmatch(version)
    assert match is not None
    first, rest, letter, suffixes, commit, revision = match.groups(default="")
    found: Places = [(9, int(first), "", 0)]
    for component in rest.split(".")[1:]:
        found.append((9, 0, component, 0) if component.startswith("0") else (9, 1, "", int(component)))
    if letter:
        found.append((8, 0, letter, 0))
    for name, count in SUFFIX.findall(suffixes):
        rank = SUFFIXES.index(name)
        found.append((0 if rank < SUFFIXES.index("") else 7, rank, "", 0))
        if count:
            found.append((6, int(count), "", 0))
    if commit:
        found.append((5, 0, commit, 0))
    if revision:
        found.append((4, int(revision.removeprefix("-r")), "", 0))
    return [*found, (3, 0, "", 0)]


@given(valid_versions, valid_versions)
def test_the_keys_of_versions_order_as_the_specification_says(first: str, second: str) -> None:
    keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
    assert (keys[0] < keys[1]) == (places(first) < places(second))
    assert (keys[0] == keys[1]) == (places(first) == places(second))


@given(st.one_of(valid_versions, any_strings), st.one_of(valid_versions, any_strings))
def test_no_key_is_the_beginning_of_another(first: str, second: str) -> None:
    keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
    assert keys[0] == keys[1] or not keys[0].startswith(keys[1])


@given(st.one_of(valid_versions, any_strings))
def test_every_key_lies_after_the_unreadable_one_and_before_the_upper_end(version: str) -> None:
    assert UNREADABLE < ECOSYSTEM.key(version) < b"\xff"


@given(valid_versions, any_strings)
def test_what_cannot_be_read_sorts_below_the_version_it_follows(version: str, rest: str) -> None:
    assert ECOSYSTEM.key(f"{version}!{rest}") < ECOSYSTEM.key(version)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0_rc1", "1.0"),
        ("1.0", "1.0-r0"),
        ("1.0", "1.0_p"),
        ("1.0_p", "1.0_p0"),
        ("1.010", "1.09"),
        ("6.6.2p1-r0", "6.6.2p1-r1"),
        ("1.9.5p1-r1", "1.9.5p2-r0"),
        ("1.9.5p2-r0", "1.9.5p10-r0"),
        ("10.2.24.r0", "10.2.24-r0"),
        ("10.2.22.r0", "10.2.24.r0"),
        ("18446744073709551616", "1"),
    ],
)
def test_known_orders(older: str, newer: str) -> None:
    assert ECOSYSTEM.key(older) < ECOSYSTEM.key(newer)


@pytest.mark.parametrize("version", ["", "1" * 1025])
def test_only_what_is_empty_or_absurdly_long_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion, match="1 to 1024 characters"):
        ECOSYSTEM.key(version)
