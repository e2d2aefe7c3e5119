"""Java: which archives are installed, what is in them, and the order of their versions."""

import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from eclair import ecosystems
from eclair.cli import run
from eclair.ecosystems.java import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import (
    UNREADABLE,
    Effect,
    Inventory,
    Kind,
    Package,
    PackageKey,
    Range,
    State,
    Statement,
)
from eclair.vercmp import compare_lines
from eclair.verdict import verdicts
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "java"
PATH = "app/lib/a.jar"


def read(content: bytes, path: str = PATH) -> Inventory | None:
    return ECOSYSTEM.read(path, io.BytesIO(content))


def packages(content: bytes, path: str = PATH) -> list[tuple[str, str, str]]:
    inventory = read(content, path)
    assert inventory is not None
    assert (inventory.path, inventory.analyser, inventory.problem) == (path, "java", None)
    assert {package.type for package in inventory.packages} <= {"maven"}
    return [(package.name, package.version, package.path) for package in inventory.packages]


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def properties(group: str, artifact: str, version: str) -> dict[str, bytes]:
    text = f"groupId={group}\nartifactId={artifact}\nversion={version}\n"
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": text.encode()}


LIBRARY = zipped(properties("org.x", "lib", "1.0"))


# --- what is installed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("slf4j-nop-1.7.32.jar", [("org.slf4j:slf4j-nop", "1.7.32")]),
        (
            "wagon-http-shaded-3.5.3.jar",
            [
                ("commons-codec:commons-codec", "1.15"),
                ("org.apache.httpcomponents:httpclient", "4.5.14"),
                ("org.apache.httpcomponents:httpcore", "4.4.16"),
                ("org.apache.maven.wagon:wagon-http-shared", "3.5.3"),
                ("org.apache.maven.wagon:wagon-http", "3.5.3"),
                ("wagon-http-shaded", "3.5.3"),
            ],
        ),
        ("guice.jar", [("cglib:cglib", "3.2.12"), ("guice", "4.2.3")]),
        ("log4j-1.2.17.jar", [("log4j", "1.2.17")]),
    ],
)
def test_the_packages_are_those_of_the_archive(sample: str, expected: list[tuple[str, str]]) -> None:
    path = f"usr/share/java/{sample}"
    found = packages((SAMPLES / sample).read_bytes(), path)
    assert found == [(name, version, path) for name, version in expected]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_within_archives_are_listed_under_both_names(method: int) -> None:
    war = zipped({"WEB-INF/lib/lib-1.0.jar": LIBRARY, "WEB-INF/lib/b-2.JAR": zipped({})}, method)
    assert packages(zipped({"app.war": war}, method), "opt/app.ear") == [
        ("org.x:lib", "1.0", "opt/app.ear:app.war:WEB-INF/lib/lib-1.0.jar"),
        ("b", "2", "opt/app.ear:app.war:WEB-INF/lib/b-2.JAR"),
    ]


def test_an_executable_archive_with_a_script_before_it_is_read() -> None:
    content = b"#!/bin/sh\nexec java -jar $0\n" + zipped({"BOOT-INF/lib/lib-1.0.jar": LIBRARY}, zipfile.ZIP_STORED)
    assert packages(content, "app.jar") == [("org.x:lib", "1.0", "app.jar:BOOT-INF/lib/lib-1.0.jar")]


def test_an_archive_that_tells_no_version_is_not_passed_over() -> None:
    assert packages(zipped({"a.class": b""}), "opt/tools.jar") == [("tools", "", "opt/tools.jar")]


@pytest.mark.parametrize("ending", ["jar", "war", "ear", "par", "sar", "nar", "jpi", "hpi", "kar", "far", "lpkg"])
def test_all_kinds_of_archives_are_read_and_looked_for(ending: str) -> None:
    assert f".{ending}" in ECOSYSTEM.interest.suffixes
    assert packages(LIBRARY, f"a.{ending}") == [("org.x:lib", "1.0", f"a.{ending}")]
    nested = f"a.war:b.{ending}"
    assert packages(zipped({f"b.{ending}": LIBRARY}), "a.war") == [("org.x:lib", "1.0", nested)]


def test_the_manifest_of_a_signed_archive_may_be_large() -> None:
    manifest = b"Implementation-Version: 1.5\r\n\r\n" + b"Name: a\r\nSHA-256-Digest: x\r\n\r\n" * 100_000
    assert packages(zipped({"META-INF/MANIFEST.MF": manifest}), "a.jar") == [("a", "1.5", "a.jar")]


def test_the_same_package_twice_is_one() -> None:
    twice = {f"{folder}/META-INF/maven/g/a/pom.properties": b"version=1\n" for folder in ("x", "y")}
    assert packages(zipped(twice)) == [("g:a", "1", PATH)]


@pytest.mark.parametrize(("content", "path"), [(b"", "a.jar"), (b"PAR of another kind", "a.par"), (b"\x89", "a.far")])
def test_what_is_no_java_archive_is_nothing(content: bytes, path: str) -> None:
    assert read(content, path) is None


def test_the_archives_and_programs_of_an_image_are_those_that_syft_finds(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Syft names an archive by the artifact alone."""
    images = shared_data / "images"
    listed = json.loads((images / "EXPECTED.json").read_text())["debian-app"]["language_packages"]
    types = {"java-archive": "maven", "go-module": "golang"}
    expected = {(types[type_], name, version, path[1:]) for type_, name, version, path in listed if type_ in types}
    assert len(expected) == 3
    assert run(("packages", f"oci-archive:{images}/debian-app.tar", "--json")) == 0
    packages = json.loads(capsys.readouterr().out)["packages"]
    found = {
        (found["type"], found["name"].rpartition(":")[2], found["version"], found["path"])
        for found in packages
        if found["type"] in (*types.values(), "cargo")
    }
    assert found == expected


# --- hostile archives ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"word", LIBRARY[:-30], b"<html>" * 100, b"PK\x03\x04"])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read(content)


def within(depth: int, method: int = zipfile.ZIP_STORED) -> bytes:
    content = LIBRARY
    for _ in range(depth):
        content = zipped({"b.jar": content}, method)
    return content


def test_archives_are_read_to_a_depth_of_eight() -> None:
    assert len(packages(within(7), "a.jar")) == 1
    inventory = read(within(8), "a.jar")
    assert inventory is not None
    assert inventory.packages == ()
    assert inventory.problem is not None
    assert "within 8 archives" in inventory.problem


BAD_WITHIN = {
    "no archive": b"word",
    "cut": LIBRARY[:-30],
    "an archive of damage": LIBRARY.replace(b"PK\x01\x02", b"PK\x01\x00"),
    "damaged properties": LIBRARY.replace(b"PK\x03\x04", b"PK\x03\x00"),
    "zeros": bytes(1000),
    "a directory that is cut": LIBRARY.replace(b"PK\x05\x06", b"PK\x05\x00"),
}


@pytest.mark.parametrize("case", BAD_WITHIN)
def test_damage_within_is_named_with_its_place_and_the_others_are_read(case: str) -> None:
    inventory = read(zipped({"a-1.jar": BAD_WITHIN[case], "lib/c.jar": LIBRARY}), "app.war")
    assert inventory is not None
    assert ("org.x:lib", "app.war:lib/c.jar") in [(found.name, found.path) for found in inventory.packages]
    assert inventory.problem is not None
    assert "app.war:a-1.jar" in inventory.problem


@pytest.mark.parametrize(
    "content",
    [
        zipped({"META-INF/maven/g\x01/a/pom.properties": b"version=1\n"}),
        zipped({"META-INF/maven/g/a/pom.properties": b"version=1\x02\n"}),
        zipped({"META-INF/maven/g/a/pom.properties": b"version=" + b"1" * 5000}),
        zipped({"META-INF/maven/g/a/pom.properties": b"artifactId=\x7fx\n"}),
    ],
)
def test_what_is_not_fit_to_be_a_name_is_named(content: bytes) -> None:
    inventory = read(content)
    assert inventory is not None
    assert inventory.problem is not None
    assert [found.name for found in inventory.packages] in ([], ["a"])


def itself() -> bytes:
    """Return an archive, all of whose archives within are the archive itself."""
    name, count = b"q.jar", 100
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 10, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name
    size = (46 + len(name)) * count + 22
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 10, 10, 0, 0, 0, 0, 0, size, size, len(name), *[0] * 6) + name
    directory = entry * count
    return local + directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, len(directory), len(local), 0)


def bombs() -> bytes:
    bomb = zipped({"META-INF/MANIFEST.MF": bytes(1 << 20), "deeper.jar": bytes(64 << 20)})
    return zipped({f"{number}.jar": bomb for number in range(50)})


def many(name: str) -> bytes:
    return zipped(dict.fromkeys((name.format(number) for number in range(21_000)), b"x"), zipfile.ZIP_STORED)


HOSTILE: Mapping[str, Callable[[], bytes]] = {
    "archives within themselves": itself,
    "bombs within": bombs,
    "archives without end": lambda: many("{}.jar"),
    "properties without end": lambda: many("META-INF/maven/g/{}/pom.properties"),
    "a manifest of one line": lambda: zipped({"META-INF/MANIFEST.MF": b"a" * 50_000_000}),
    "a manifest of folded lines": lambda: zipped({"META-INF/MANIFEST.MF": b"\n a" * 10_000_000}),
}


@pytest.mark.parametrize("case", sorted(HOSTILE.keys() - {"bombs within"}))
def test_hostile_archives_are_read_in_bounded_time(case: str) -> None:
    content = HOSTILE[case]()
    with guarded():
        inventory = read(content, "a.jar")
    assert inventory is not None
    assert len(inventory.problem or "") < 2500


@pytest.mark.parametrize("case", ["archives within themselves", "bombs within", "a manifest of one line"])
def test_hostile_archives_are_read_in_bounded_memory(case: str) -> None:
    content = HOSTILE[case]()
    with guarded():
        tracemalloc.start()
        read(content, "a.jar")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40 << 20


# --- what it is matched by -------------------------------------------------------------------------------------------


def package(name: str, version: str = "1.0") -> Package:
    return Package(type="maven", name=name, version=version, path=PATH)


@pytest.mark.parametrize(("name", "matched"), [("org.x:lib", "org.x:lib"), ("lib", "?:lib")])
def test_the_feature_is_the_artifact_in_its_group_or_the_unknown_one(name: str, matched: str) -> None:
    (feature,) = ECOSYSTEM.features(package(name), ECOSYSTEM.namespace(None))
    assert str(feature.package) == f"maven#maven#binary#{matched}"
    assert (feature.version, feature.key) == ("1.0", ECOSYSTEM.key("1.0"))


@pytest.mark.parametrize("version", ["", "0.0.0.M2", "1" * 2000])
def test_a_version_without_a_key_keeps_its_feature(version: str) -> None:
    (feature,) = ECOSYSTEM.features(package("lib", version), "maven")
    assert feature.key == UNREADABLE


@pytest.mark.parametrize(
    ("name", "version", "purl"),
    [
        ("org.x:lib", "1.0", "pkg:maven/org.x/lib@1.0"),
        ("lib", "1.0", "pkg:maven/lib@1.0"),
        ("lib", "", "pkg:maven/lib"),
    ],
)
def test_the_purl_has_the_group_as_namespace(name: str, version: str, purl: str) -> None:
    assert ECOSYSTEM.purl(package(name, version), None) == purl


# --- the order -------------------------------------------------------------------------------------------------------


def test_versions_without_a_key_are_compared() -> None:
    assert isinstance(ECOSYSTEM, ecosystems.Comparing)
    with pytest.raises(BadVersion):
        ECOSYSTEM.key("1.0.alpha.2")
    assert ECOSYSTEM.compare("1-1", "1.0.alpha.2") < 0
    assert list(compare_lines("maven", ["1-1 1.0.alpha.2", "1 1.0.alpha.2", "0.0.0.M2 0.0.0.M2", f"1 {'1' * 2000}"]))[
        :3
    ] == ["<", ">", "="]


@pytest.mark.parametrize(("version", "is_comparable"), [("1.0", True), ("0.0.0.M2", True), ("", False)])
def test_a_version_without_a_key_has_a_place_among_others_all_the_same(version: str, *, is_comparable: bool) -> None:
    (feature,) = ECOSYSTEM.features(package("lib", version), "maven")
    assert ecosystems.is_comparable(feature) is is_comparable


def statement(**versions: str) -> Statement:
    return Statement(
        feed="osv",
        id="GHSA-1",
        package=PackageKey(scheme="maven", namespace="maven", kind=Kind.BINARY, name="org.x:lib"),
        vulnerabilities=("CVE-1",),
        effect=Effect.AFFECTED,
        ranges=(Range(**versions),),
        state=State.AFFECTED,
    )


def states(version: str, *statements: Statement) -> list[tuple[State, str | None]]:
    (feature,) = ECOSYSTEM.features(package("org.x:lib", version), "maven")
    return [(verdict.state, verdict.fixed_version) for verdict in verdicts(feature, statements)]


@pytest.mark.parametrize(
    ("version", "versions", "is_affected"),
    [
        ("0.0.0.M2", {"fixed": "1.0"}, True),
        ("0.0.0.M2", {"introduced": "0.1"}, False),
        ("0.0.0.M2", {"last_affected": "0.0.0.M2"}, True),
        ("0.0.0.M3", {"last_affected": "0.0.0.M2"}, False),
        ("1.0", {"introduced": "0.0.0.M2"}, True),
        ("1.0", {"fixed": "0.0.0.M2"}, False),
        ("1.0", {"introduced": "2.0", "fixed": "3.0.ga.1"}, False),
        ("1-1", {"introduced": "0.1", "fixed": "1.0.alpha.2"}, True),
    ],
)
def test_a_verdict_compares_what_has_no_key(version: str, versions: dict[str, str], *, is_affected: bool) -> None:
    expected = [(State.FIXED if versions.get("fixed") else State.AFFECTED, versions.get("fixed"))]
    assert states(version, statement(**versions)) == (expected if is_affected else [])


def test_a_version_that_is_none_is_under_investigation() -> None:
    assert states("", statement(fixed="1.0")) == [(State.UNDER_INVESTIGATION, None)]
    assert states("1.0", statement(fixed="1" * 2000)) == [(State.UNDER_INVESTIGATION, None)]


@pytest.mark.parametrize("fixes", [["1.0.alpha.2", "1-1"], ["1-1", "1.0.alpha.2"]])
def test_the_highest_fix_is_found_by_comparing(fixes: list[str]) -> None:
    assert states("0.5", *(statement(fixed=fix) for fix in fixes)) == [(State.FIXED, "1.0.alpha.2")]
