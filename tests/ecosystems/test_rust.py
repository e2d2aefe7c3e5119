"""Rust: of which crates programs are built, and the order of their versions."""

import io
import json
import struct
import zlib
from collections import Counter
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.rust import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import UNREADABLE, Inventory, Package
from tests.programs import elf, mach_o, pe, universal
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "rust"
PATH = "usr/bin/program"
CRATES = [
    {"name": "adler", "version": "1.0.2", "source": "crates.io"},
    {"name": "cc", "version": "1.0.83", "source": "crates.io", "kind": "build"},
    {"name": "forked", "version": "0.1.0", "source": "git"},
    {"name": "inner", "version": "2.0.0", "source": "registry", "kind": "runtime"},
    {"name": "program", "version": "0.3.0", "source": "local", "dependencies": [0], "root": True},
]


def read(content: bytes) -> Inventory | None:
    return ECOSYSTEM.read(PATH, io.BytesIO(content))


def section(document: object) -> bytes:
    return zlib.compress(json.dumps(document).encode())


def program(data: bytes) -> bytes:
    return elf({".text": b"x", ".dep-v0": data})


def packages(content: bytes) -> tuple[Package, ...]:
    inventory = read(content)
    assert inventory is not None
    assert (inventory.path, inventory.analyser, inventory.problem) == (PATH, "rust", None)
    return inventory.packages


# --- what is installed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("uvx-0.13.9-linux-x86-64", 532), ("uvx-0.13.9-macos-arm64", 523)])
def test_the_crates_are_those_of_the_build(name: str, count: int) -> None:
    crates = packages(zstandard.decompress((SAMPLES / f"{name}.zst").read_bytes()))
    assert len(crates) == count
    versions = Counter((crate.name, crate.version) for crate in crates)
    assert versions["uv", "0.13.9"] == 1
    assert versions["aes", "0.8.4"] == 1
    assert {(crate.type, crate.path) for crate in crates} == {("cargo", PATH)}


def test_what_only_helped_to_build_is_left_out() -> None:
    assert [(crate.name, crate.version) for crate in packages(program(section({"packages": CRATES})))] == [
        ("adler", "1.0.2"),
        ("forked", "0.1.0"),
        ("inner", "2.0.0"),
        ("program", "0.3.0"),
    ]


def test_crates_of_repositories_and_other_registries_are_a_third_party_s() -> None:
    crates = packages(program(section({"packages": CRATES})))
    assert [crate.name for crate in crates if crate.third_party] == ["forked", "inner"]


@pytest.mark.parametrize(
    "content",
    [
        elf({".dep-v0": section({"packages": CRATES})}, bits=32, order=">"),
        pe({".dep-v0": section({"packages": CRATES})}),
        mach_o({".dep-v0": section({"packages": CRATES})}),
        universal(*[mach_o({".dep-v0": section({"packages": CRATES})})] * 2),
    ],
)
def test_the_crates_are_found_in_all_kinds_of_executables(content: bytes) -> None:
    assert len(packages(content)) == 4


@pytest.mark.parametrize("content", [b"", b"MZ", b"#!/bin/sh\n", elf({".text": b"x"}), mach_o({"__text": b"x"})])
def test_what_cargo_auditable_did_not_build_is_nothing(content: bytes) -> None:
    assert read(content) is None


# --- hostile programs ------------------------------------------------------------------------------------------------

WHOLE = section({"packages": CRATES})

HOSTILE = {
    "empty": b"",
    "no zlib": b"x" * 100,
    "cut": WHOLE[:-10],
    "flipped": WHOLE[:20] + bytes((WHOLE[20] ^ 0xFF,)) + WHOLE[21:],
    "a bomb": zlib.compress(b" " * (64 << 20)),
    "no JSON": zlib.compress(b"{packages}"),
    "JSON of infinite depth": zlib.compress(b'{"packages":' + b"[" * 1_000_000),
    "no object": section([]),
    "no packages": section({}),
    "packages that are no list": section({"packages": {"a": 1}}),
    "no UTF-8": zlib.compress(b'{"packages":[{"name":"\xff","version":"1"}]}'),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_damage_is_named(case: str) -> None:
    with guarded(), pytest.raises(BadDatabase, match=r"\.dep-v0"):
        read(program(HOSTILE[case]))


@pytest.mark.parametrize(
    "crate",
    [
        None,
        "adler 1.0.2",
        {},
        {"name": "adler"},
        {"name": "", "version": "1"},
        {"name": "a\x01", "version": "1"},
        {"name": "a" * 5000, "version": "1"},
        {"name": 1, "version": "1"},
        {"name": "a", "version": ["1"]},
    ],
)
def test_a_crate_that_cannot_be_read_is_named_and_the_others_kept(crate: object) -> None:
    inventory = read(program(section({"packages": [crate, *CRATES]})))
    assert inventory is not None
    assert len(inventory.packages) == 4
    assert inventory.problem is not None
    assert "crate 0" in inventory.problem


def test_crates_without_end_are_not_read_without_end() -> None:
    with guarded():
        inventory = read(program(section({"packages": [{}] * 1_000_000})))
    assert inventory is not None
    assert inventory.packages == ()
    assert inventory.problem is not None


def test_of_many_lists_one_is_read() -> None:
    large = zlib.compress(json.dumps({"packages": CRATES}).encode().ljust(4 << 20))
    content = bytearray(pe(dict.fromkeys((f"s{number}" for number in range(5000)), b"")))
    for number in range(5000):
        row = 0x80 + 24 + 240 + 40 * number
        struct.pack_into("<8sIIII", content, row, b".dep-v0", 0, 0, len(large), len(content))
    with guarded():
        assert len(packages(bytes(content) + large)) == 4


@given(st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda inner: st.lists(inner, max_size=3)))
def test_any_json_can_be_read(crate: object) -> None:
    read(program(section({"packages": [crate, {"name": crate, "version": crate, "source": crate, "kind": crate}]})))


# --- what it is matched by -------------------------------------------------------------------------------------------


def package(version: str = "1.0.2", *, third_party: bool = False) -> Package:
    return Package(type="cargo", name="adler", version=version, path=PATH, third_party=third_party)


def test_the_feature_is_the_crate() -> None:
    (feature,) = ECOSYSTEM.features(package(), ECOSYSTEM.namespace(None))
    assert str(feature.package) == "cargo#cargo#binary#adler"
    assert (feature.version, feature.key) == ("1.0.2", ECOSYSTEM.key("1.0.2"))


def test_a_third_party_s_crate_is_not_matched() -> None:
    assert ECOSYSTEM.features(package(third_party=True), "cargo") == ()


def test_an_unreadable_version_keeps_its_feature() -> None:
    (feature,) = ECOSYSTEM.features(package("one"), "cargo")
    assert feature.key == UNREADABLE


def test_the_purl_has_name_and_version() -> None:
    assert ECOSYSTEM.purl(package("1.0.2+build.1"), None) == "pkg:cargo/adler@1.0.2%2Bbuild.1"


# --- the order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("older", "newer"),
    [("0.9.9", "0.10.0"), ("1.0.0-alpha.1", "1.0.0-beta"), ("1.0.0-rc.1", "1.0.0"), ("1.0.0", "1.0.1")],
)
def test_known_orders(older: str, newer: str) -> None:
    assert ECOSYSTEM.key(older) < ECOSYSTEM.key(newer)


def test_what_is_no_version_has_no_key() -> None:
    with pytest.raises(BadVersion):
        ECOSYSTEM.key("1.0.x")
