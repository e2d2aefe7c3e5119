"""The order of Maven versions: keys for regular ones, comparisons for all."""

import random
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadVersion
from eclair.model import UNREADABLE
from eclair.versions.maven_version import compare, key
from tests.work import guarded

JAR = Path("/usr/share/java/maven3-artifact.jar")
"""Where Debian's libmaven3-core-java puts Maven's own order."""

# fmt: off
PIECES = [
    "0", "1", "2", "9", "10", "00", "01", "2147483648", "9999999999", "1234567890123456789", "99999999999999999999",
    "a", "b", "m", "x", "alpha", "beta", "milestone", "rc", "cr", "snapshot", "ga", "final", "release", "sp", "jre8",
    "jre", "RC", "Final", "M", "v", "pre", "dev", "_", "+", "redhat", "zz", "~", "é",
]
# fmt: on
SEPARATORS = (".", ".", ".", "-", "-", "", "", "_", "..", "--", ".-", "-.", "+")

versions = st.lists(st.sampled_from(PIECES + list(SEPARATORS)), min_size=1, max_size=8).map("".join).filter(bool)


def key_or_none(version: str) -> bytes | None:
    try:
        return key(version)
    except BadVersion:
        return None


@given(versions, versions)
def test_the_order_of_two_versions_is_the_reverse_of_the_other_way_round(one: str, other: str) -> None:
    assert compare(one, other) == -compare(other, one)


@given(versions)
def test_a_version_is_the_same_as_itself_in_capitals(version: str) -> None:
    assert compare(version, version.upper()) == 0


@given(versions, versions)
def test_keys_order_as_the_versions_do(one: str, other: str) -> None:
    keys = key_or_none(one), key_or_none(other)
    if keys[0] is not None and keys[1] is not None:
        assert (keys[0] > keys[1]) - (keys[0] < keys[1]) == compare(one, other)


@given(versions, versions)
def test_no_key_is_the_beginning_of_another(one: str, other: str) -> None:
    keys = key_or_none(one), key_or_none(other)
    if keys[0] is not None and keys[1] is not None:
        assert keys[0] == keys[1] or not keys[0].startswith(keys[1])


@given(versions)
def test_every_key_lies_after_the_unreadable_one_and_before_the_upper_end(version: str) -> None:
    found = key_or_none(version)
    assert found is None or UNREADABLE < found < b"\xff"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0-alpha-1", "1.0-alpha-2"),
        ("1.0-SNAPSHOT", "1.0"),
        ("1.0", "1.0-sp"),
        ("1.0-sp", "1.0-x"),
        ("1.0-x", "1.0-1"),
        ("1.0-1", "1.0.1"),
        ("2.0.1-xyz", "2.0.1-123"),
        ("1.rc5", "1rc6"),
        ("1.0.0.X1", "1.0.0-X2"),
        ("32.1.2-android", "32.1.2-jre"),
        ("5.6.0.RC1", "5.6.0.Final"),
        ("0.9", "0.10"),
        ("2.13.4.1", "2.13.4.2"),
        ("1.2.17", "99999999999999999999"),
    ],
)
def test_known_orders_are_those_of_the_keys(older: str, newer: str) -> None:
    assert compare(older, newer) == -1
    assert key(older) < key(newer)


@pytest.mark.parametrize(
    "same", ["1 1.0 1-0 1.0.0 1.ga 1-final 1.RELEASE", "1.0a 1-a 1.a", "1cr 1rc 1-RC", "1b2 1-beta-2 1.beta2", "0 ga"]
)
def test_the_same_version_can_be_written_in_several_ways(same: str) -> None:
    first, *others = same.split()
    for other in others:
        assert compare(first, other) == 0


def test_the_order_is_not_transitive_so_that_only_regular_versions_have_keys() -> None:
    cycle = ["1-1", "1.0.alpha.2", "1", "1-1"]
    assert [compare(older, newer) for older, newer in pairwise(cycle)] == [-1, -1, -1]
    assert [key_or_none(version) is None for version in cycle] == [False, True, False, False]


@pytest.mark.parametrize("version", ["0.0.0.M2", "1.0.alpha.2", "1--2", "1-ga-1", "0.x"])
def test_an_irregular_version_has_no_key_but_can_be_compared(version: str) -> None:
    with pytest.raises(BadVersion, match="compared"):
        key(version)
    assert compare(version, version) == 0
    assert compare(version, "2") == -1


@pytest.mark.parametrize("version", ["", "1" * 1025, "1\x00"])
def test_what_is_empty_or_absurd_is_no_version(version: str) -> None:
    with pytest.raises(BadVersion):
        key(version)
    with pytest.raises(BadVersion):
        compare(version, "1")


@pytest.mark.parametrize("piece", ["1-", "-", ".", "a1", "0.", "9", "a", "1.a-", "ß"])
def test_the_longest_versions_are_compared_at_once(piece: str) -> None:
    with guarded():
        longest = (piece * 1024)[:1024]
        assert compare(longest, longest[:-1] + "z") in (-1, 0, 1)
        assert key_or_none(piece * 1_000_000) is None


# --- other judges ----------------------------------------------------------------------------------------------------

DRIVER = """
import java.io.*;
import org.apache.maven.artifact.versioning.ComparableVersion;

public class Driver {
    public static void main(String[] arguments) throws Exception {
        var input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line; (line = input.readLine()) != null; ) {
            var pair = line.split("\\t", -1);
            int order = new ComparableVersion(pair[0]).compareTo(new ComparableVersion(pair[1]));
            System.out.println(Integer.signum(order));
        }
    }
}
"""


def pairs(count: int) -> list[tuple[str, str]]:
    """Return pairs, most of which are neighbours."""
    chance = random.Random(7)
    found = []
    for _ in range(count):
        one = [chance.choice(PIECES if place % 2 else SEPARATORS) for place in range(chance.randint(1, 9))] + ["1"]
        other = list(one)
        for _ in range(chance.randint(1, 3)):
            other[chance.randrange(len(other))] = chance.choice([*PIECES, *SEPARATORS])
        found.append(("".join(one), "".join(other) or "0"))
    return found


@pytest.mark.skipif(not (shutil.which("java") and JAR.exists()), reason="no Java, or no libmaven3-core-java")
def test_maven_itself_agrees(tmp_path: Path) -> None:
    (tmp_path / "Driver.java").write_text(DRIVER)
    asked = pairs(20_000)
    command = ["java", "-Dfile.encoding=UTF-8", "-cp", f"{JAR}:/usr/share/java/*", str(tmp_path / "Driver.java")]
    lines = "".join(f"{one}\t{other}\n" for one, other in asked)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8", check=True)
    answers = [int(answer) for answer in done.stdout.split()]
    differing = [
        (one, other, answer)
        for (one, other), answer in zip(asked, answers, strict=True)
        if compare(one, other) != answer
    ]
    assert differing == []


OLDER_MAVEN = {
    ("1.0.0-RC16", "1.0.0.RC8-beta"),
    ("6.1.12.rc5", "6.1.12rc1"),
    ("1.1.31.sec10", "1.1.31_noneautotype"),
    ("1.2.31.sec10", "1.2.31_noneautotype"),
    ("1.2.67.sec10", "1.2.67_noneautotype"),
    ("1.0.0rc0", "1.0.beta8"),
}
"""Rows of the tables that Maven before 3.8.7 wrote, for which `.rc5` was older than any `rc`."""


@pytest.mark.parametrize("table", ["maven-versions.txt", "maven-versions-generated.txt"])
def test_every_row_of_the_tables_is_agreed_with(shared_data: Path, table: str) -> None:
    rows = [line.split() for line in (shared_data / "versions" / table).read_text().splitlines()]
    orders = [(one, order, other) for one, order, other in (row for row in rows if len(row) == 3 and row[0] != "//")]
    assert orders
    differing = {(one, other) for one, order, other in orders if "<=>"[compare(one, other) + 1] != order}
    assert differing <= OLDER_MAVEN
