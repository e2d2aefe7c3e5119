"""Releases say which stream they were built for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.rpm import ECOSYSTEM as RPM
from eclair.packages.release_marks import joined, of_repository, words


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("16.el9_2", {"dist:el9_2"}),
        ("27.el9_2.1", {"dist:el9_2"}),
        ("8.el7_9.1", {"dist:el7_9"}),
        ("13.1.el10_0", {"dist:el10_0"}),
        ("3.el9", set()),
        ("1.module+el8.9.0+20664+97dcb08e", {"dist:el8_9", "module"}),
        ("1.module_el8.6.0+2881+2f24dc92", {"module"}),
        ("15.ksplice1.el8_3", {"mark:ksplice1", "dist:el8_3"}),
        ("4.0.1.el8_fips", {"mark:fips"}),
        ("3.amzn2023.0.2", set()),
        ("150500.20.3.1", set()),
        ("1.fipsy", set()),
        ("", set()),
    ],
)
def test_marks_are_read(release: str, expected: set[str]) -> None:
    assert words(f"1.2.3-{release}") == expected


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2", {"dist:el9_2"}),
        ("rhel-7-server-eus-rpms__7_DOT_6__x86_64", {"dist:el7_6"}),
        ("rhel-9-for-x86_64-baseos-eus-rpms", set()),
        ("rhel-9-for-x86_64-baseos-rpms", set()),
    ],
)
def test_the_id_of_a_repository_may_name_a_minor_release(repository: str, expected: set[str]) -> None:
    assert of_repository(repository) == expected


def test_builds_of_a_module_for_several_contexts_are_one_fix() -> None:
    fixes = [
        "1:0.78-11.module+el8.4.0+23209+5106d2ab.1",
        "1:0.78-11.module+el8.4.0+23209+97efe810.1",
        "1:0.78-11.module+el8.4.0+23229+35c4aba7.1",
    ]
    [bound] = joined(fixes)
    assert bound == "1:0.78-11.module+el8.4.0+23209"
    assert all(RPM.key(bound) < RPM.key(fix) for fix in fixes)
    assert RPM.key("1:0.78-11.module+el8.4.0+21037+ffffffff") < RPM.key(bound)


@pytest.mark.parametrize(
    "fixes",
    [
        ["1-1.el9"],
        ["1-1.module+el8.4.0+23209+5106d2ab"],
        ["1-1.el9_2", "1-2.el9"],
        ["1-1.module+el8.4.0+1+aa", "2-1.module+el8.4.0+1+bb"],
        ["1-1.module+el8.4.0+1+aa", "1-1.el8"],
    ],
)
def test_other_fixes_stay_apart(fixes: list[str]) -> None:
    assert sorted(joined(fixes)) == sorted(fixes)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.text("0123456789abcdef", min_size=1, max_size=8)), min_size=2))
def test_what_builds_are_joined_to_is_older_than_each(builds: list[tuple[int, str]]) -> None:
    fixes = [f"1-2.module+el8.4.0+{number}+{context}" for number, context in builds]
    [bound] = joined(fixes)
    assert all(RPM.key(bound) < RPM.key(fix) for fix in fixes)


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    words(text)
    of_repository(text)


def test_a_long_text_is_read_in_no_time() -> None:
    for part in (".el9_", "+el8.", ".module+el8.4.0+1+a", "__9_DOT_"):
        words(part * 100_000)
        of_repository(part * 100_000)
        joined([part * 20_000, part * 20_000 + "a"])
