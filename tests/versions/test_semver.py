"""The order of semantic versions, by the eleventh paragraph of the specification."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadVersion
from eclair.model import UNREADABLE
from eclair.versions.semver import key
from tests.work import guarded

GRAMMAR = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([^+]+))?(?:\+.*)?")

numbers = st.one_of(st.integers(0, 12).map(str), st.sampled_from(["00", "01", "255", "256", "65536", "9" * 30]))
identifiers = st.one_of(numbers, st.sampled_from(["alpha", "beta", "rc1", "-", "a-b", "A", "0a", "--1", "z"]))
texts = st.lists(identifiers, min_size=1, max_size=3).map(".".join)
releases = st.lists(numbers, min_size=1, max_size=3).map(".".join)
versions = st.builds(
    lambda prefix, release, prerelease, build: prefix + release + prerelease + build,
    st.sampled_from(["", "", "v"]),
    releases,
    st.one_of(st.just(""), texts.map(lambda text: f"-{text}")),
    st.one_of(st.just(""), texts.map(lambda text: f"+{text}")),
)
any_strings = st.text(alphabet="019.av+-é ", max_size=9)

Precedence = tuple[int, int, int, bool, list[tuple[bool, int, str]]]


def precedence(version: str) -> Precedence:
    """Return what the specification compares, as a tuple; written apart from the encoder."""
    match = GRAMMAR.fullmatch(version)
    assert match is not None
    major, minor, patch = (int(digits or 0) for digits in match.groups()[:3])
    if match[4] is None:
        return major, minor, patch, True, []
    parts = [(False, int(part), "") if part.isdigit() else (True, 0, part) for part in match[4].split(".")]
    return major, minor, patch, False, parts


@given(versions, versions)
def test_the_keys_of_versions_order_as_the_specification_says(first: str, second: str) -> None:
    assert (key(first) < key(second)) == (precedence(first) < precedence(second))
    assert (key(first) == key(second)) == (precedence(first) == precedence(second))


@given(versions, versions)
def test_no_key_is_the_beginning_of_another(first: str, second: str) -> None:
    assert key(first) == key(second) or not key(first).startswith(key(second))


@given(versions)
def test_every_key_lies_after_the_unreadable_one_and_before_the_upper_end(version: str) -> None:
    assert UNREADABLE < key(version) < b"\xff"


@given(any_strings)
def test_any_string_has_a_key_or_is_refused(version: str) -> None:
    try:
        key(version)
    except BadVersion as refusal:
        assert "is no semantic version" in str(refusal)  # noqa: PT017


@pytest.mark.parametrize(
    "ascending",
    [
        ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"],
        ["1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1"],
        [
            "v0.0.0-20170915032832-14c0d48ead0c",
            "v0.0.0-20191109021931-daa7c04131f5",
            "v0.0.0",
            "v0.0.1-0.2020",
            "v0.0.1",
        ],
        ["1.2.3-5-Foo", "1.2.3-5-foo", "1.2.3-r100", "1.2.3-r2", "1.2.3"],
    ],
)
def test_known_orders(ascending: list[str]) -> None:
    keys = [key(version) for version in ascending]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    ("one", "other"),
    [("v1", "1.0.0"), ("1.2", "1.2.0"), ("1.0.0+a", "1.0.0+b"), ("01.2.3", "1.2.3"), ("1.0.0-a+b", "1.0.0-a")],
)
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    "version",
    [
        "",
        "v",
        "1.",
        "1..2",
        "1.2.3.4",
        "1.2.3-",
        "1.2.3-a..b",
        "1.2.3+",
        "1.2.3+a+b",
        "1.2.3 ",
        "1.2.3-é",
        "\u0661.2.3",
        "1.2.3a",
        "-1",
    ],
)
def test_what_is_no_semantic_version_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion):
        key(version)


@pytest.mark.parametrize("part", ["1", "1.", "-", "1.2.3-", "a.", "+", "é"])
def test_a_hostile_string_is_refused_at_once(part: str) -> None:
    with guarded(), pytest.raises(BadVersion, match="no semantic version"):
        key(part * (1_000_000 // len(part)))
