""".NET: what packages a program is made of, and NuGet's order."""

import io
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.dotnet import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import Inventory, Package
from tests.version_pairs import MAKERS, pairs
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "dotnet"
PATH = "app/TestLibrary.deps.json"


def read(content: bytes, path: str = PATH) -> Inventory:
    inventory = ECOSYSTEM.read(path, io.BytesIO(content))
    assert inventory is not None
    return inventory


def sample(name: str) -> list[tuple[str, str]]:
    inventory = read((SAMPLES / name).read_bytes(), f"app/{name}")
    assert inventory.problem is None
    return [(package.name, package.version) for package in inventory.packages]


def test_libraries_that_bring_files_are_packages() -> None:
    """Two libraries of the sample bring none: .NET 6 has them itself, in a later version."""
    assert sample("TestLibrary.deps.json") == [
        ("Microsoft.Extensions.DependencyInjection", "6.0.0"),
        ("Newtonsoft.Json", "13.0.1"),
        ("Serilog", "2.10.0"),
    ]


def test_the_runtime_of_a_self_contained_program_is_the_package_it_came_in() -> None:
    assert sample("self-contained.deps.json") == [
        ("Microsoft.NETCore.App.Runtime.osx-arm64", "9.0.1"),
        ("YamlDotNet", "16.3.0"),
    ]


def test_a_lock_names_what_was_resolved_for_each_framework() -> None:
    assert sample("packages.lock.json") == [
        ("log4net", "2.0.5"),
        ("Microsoft.Extensions.Options", "6.0.0"),
        ("log4net", "1.2.15"),
    ]


def test_a_package_names_its_file() -> None:
    lock = {"dependencies": {"net8.0": {"A": {"type": "Direct", "resolved": "1"}, "B": {"type": "Project"}}}}
    assert read(json.dumps(lock).encode(), "src/packages.lock.json") == Inventory(
        path="src/packages.lock.json",
        analyser="dotnet",
        packages=(Package(type="nuget", name="A", version="1", path="src/packages.lock.json"),),
    )


def dependencies(
    target: object, library: str = "A/1.0.0", kind: object = "package", runtime: object = None
) -> list[str]:
    document = {
        "runtimeTarget": {"name": "net"} if runtime is None else runtime,
        "targets": {"net": target},
        "libraries": {library: {"type": kind}},
    }
    return [package.name for package in read(json.dumps(document).encode()).packages]


@pytest.mark.parametrize(
    "assets",
    [
        {"runtime": {"lib/net6.0/A.dll": {}}},
        {"native": {"a.so": {}}},
        {"runtimeTargets": {"runtimes/linux-x64/native/a.so": {"rid": "linux-x64"}}},
        {"resources": {"lib/de/A.resources.dll": {"locale": "de"}}},
        {"runtime": {"lib/net6.0/_._": {}, "lib/net6.0/A.dll": {}}},
    ],
)
def test_a_library_with_files_of_any_kind_counts(assets: object) -> None:
    assert dependencies({"A/1.0.0": assets}) == ["A"]


@pytest.mark.parametrize(
    "assets",
    [
        {},
        {"dependencies": {"B": "1"}},
        {"compile": {"lib/A.dll": {}}},
        {"runtime": {"lib/net6.0/_._": {}}},
        {"runtime": {}},
    ],
)
def test_a_library_without_files_of_its_own_does_not(assets: object) -> None:
    assert dependencies({"A/1.0.0": assets}) == []


@pytest.mark.parametrize(
    ("target", "runtime"),
    [({}, None), ({"A/1.0.0": {}}, {"name": "other"}), ({"A/1.0.0": {}}, {}), ({"A/1.0.0": {}}, "other"), ([], None)],
)
def test_a_library_of_which_the_target_does_not_tell_counts(target: object, runtime: object) -> None:
    assert dependencies(target, runtime=runtime) == ["A"]


@pytest.mark.parametrize("kind", ["project", "reference", None, 1, ["package"], {}])
def test_only_packages_count(kind: object) -> None:
    assert dependencies({}, kind=kind) == []


@pytest.mark.parametrize("path", ["app/deps.json", "app/packages.lock.json.bak", "app/A.runtimeconfig.json"])
def test_other_files_are_nobody_s(path: str) -> None:
    assert ECOSYSTEM.read(path, io.BytesIO(b"{")) is None


def test_a_file_of_another_program_with_that_ending_is_none() -> None:
    assert ECOSYSTEM.read("app/x.deps.json", io.BytesIO(b'{"dependencies": []}')) is None


@pytest.mark.parametrize("library", ["A", "/1.0.0", "A/", "A/" + "1" * 5000, "A\n/1"])
def test_a_broken_name_is_named_and_the_others_kept(library: str) -> None:
    document = {"libraries": {library: {"type": "package"}, "B/1": {"type": "package"}}}
    inventory = read(json.dumps(document).encode())
    assert [package.name for package in inventory.packages] == ["B"]
    assert "package 1" in str(inventory.problem)


CONFIG = "app/packages.config"


def test_a_project_of_before_lists_its_packages_in_its_configuration() -> None:
    content = b"""\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>
<packages>
  <package id="jQuery" version="3.1.1" targetFramework="net46" />
  <package version='1.2.3.4' id='Newtonsoft.Json' allowedVersions="[1,2)"></package>
  <package id="StyleCop" version="1.0" developmentDependency="true" />
  <!-- <package id="Removed" version="1.0" /> -->
  <package id="NoVersion" />
</packages>"""
    inventory = read(content, CONFIG)
    assert [(one.name, one.version) for one in inventory.packages] == [
        ("jQuery", "3.1.1"),
        ("Newtonsoft.Json", "1.2.3.4"),
    ]
    assert "package 3: version is no text" in str(inventory.problem)


@pytest.mark.parametrize("content", [b"", b"{}", b"<configuration/>", b"<packages>" + b" " * 9_000_000])
def test_a_configuration_that_is_none_is_damage(content: bytes) -> None:
    with pytest.raises(BadDatabase, match="no list of packages"):
        read(content, CONFIG)


HOSTILE = {
    "empty": b"",
    "an array": b"[]",
    "libraries are a list": b'{"libraries": ["A/1"]}',
    "cut off": b'{"libraries": {"A/1": {"type": "package"}',
    "depth": b'{"libraries":' * 300_000,
    "many arrays": b'{"libraries": [' + b"[]," * 3_000_000 + b"[]]}",
    "too large": b'{"libraries": {}' + b" " * 34_000_000 + b"}",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("path", [PATH, "app/packages.lock.json"])
def test_damage_is_named(content: bytes, path: str) -> None:
    with guarded(), pytest.raises(BadDatabase):
        read(content, path)


@given(
    st.recursive(
        st.none() | st.text() | st.floats(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "libraries",
                        "targets",
                        "runtimeTarget",
                        "name",
                        "A/1",
                        "type",
                        "runtime",
                        "dependencies",
                        "resolved",
                    ]
                ),
                inner,
            )
        ),
        max_leaves=20,
    )
)
def test_any_document_is_read_or_refused(document: object) -> None:
    for path in (PATH, "app/packages.lock.json"):
        try:
            ECOSYSTEM.read(path, io.BytesIO(json.dumps(document).encode()))
        except BadDatabase as refusal:
            assert str(refusal)  # noqa: PT017


# --- the order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ascending",
    [
        [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1",
        ],
        ["1.0.0--2147483648", "1.0.0--5", "1.0.0-0", "1.0.0-2147483647", "1.0.0--", "1.0.0-2147483648", "1.0.0-A"],
        ["1.0.0", "1.0.0.1-a", "1.0.0.1", "1.0.1"],
        ["1.0.0-99999999998", "1.0.0-99999999999"],
        ["1.0.99999999998", "1.0.99999999999"],
    ],
)
def test_known_orders(ascending: list[str]) -> None:
    keys = [ECOSYSTEM.key(version) for version in ascending]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.0.0.0"), ("1.0-RC", "1.0-rc"), ("1.0+a", "1.0+b"), ("01.1", "1.1"), (" 1.0 ", "1.0"), ("1--0", "1-0")],
)
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert ECOSYSTEM.key(one) == ECOSYSTEM.key(other)


@pytest.mark.parametrize(
    "version", ["", "v1", "1.", "1.0.0.0.0", "1.0-", "1.0-a..b", "1.0+", "1.0-a_b", "[1.0]", "1.*", "-1"]
)
def test_what_is_no_version_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion):
        ECOSYSTEM.key(version)


Place = tuple[int, int, str]


def places(version: str) -> tuple[list[int], bool, list[Place]]:
    """Return what NuGet compares, as a tuple; written apart from the encoder, after NuGet's `VersionComparer`."""
    release, _, labels = version.partition("+")[0].partition("-")
    numbers = [int(number) for number in release.split(".")]
    found: list[Place] = []
    for label in labels.split(".") if labels else []:
        try:
            value = int(label)
        except ValueError:
            value = 2**31
        found.append((0, value, "") if -(2**31) <= value < 2**31 else (1, 0, label.upper()))
    return numbers + [0] * (4 - len(numbers)), not labels, found


def test_keys_order_as_nuget_compares() -> None:
    compared = 0
    for one, other in pairs(MAKERS["nuget"], Random(20240229), 10_000):
        try:
            keys = ECOSYSTEM.key(one), ECOSYSTEM.key(other)
        except BadVersion:
            continue
        compared += 1
        first, second = places(one), places(other)
        assert (keys[0] < keys[1], keys[0] > keys[1]) == (first < second, first > second), (one, other)
    assert compared > 5_000
