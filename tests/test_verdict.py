"""The rules of the verdict, one by one: from statements about a package to what is found of an installed version."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair import ecosystems
from eclair.model import (
    UNREADABLE,
    Effect,
    Feature,
    Kind,
    Mark,
    PackageKey,
    Range,
    Severity,
    State,
    Statement,
    Verdict,
)
from eclair.verdict import FIRST, LAST, key_ranges, shown, verdicts, worst

RPM = PackageKey(scheme="rpm", namespace="rocky:9", kind=Kind.SOURCE, name="foo")
DEB = PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name="foo")
CVE = "CVE-2024-1001"


def feature(version: str, context: str = "", package: PackageKey = RPM) -> Feature:
    key = ecosystems.key_or_unreadable(ecosystems.load()[package.scheme], version)
    return Feature(package=package, version=version, key=key, context=context)


def fixed(version: str, stream: str = "", **fields: Any) -> Statement:
    return says(Range(fixed=version), stream=stream, state=State.FIXED, **fields)


def affected(stream: str = "", **fields: Any) -> Statement:
    return says(Range(), stream=stream, state=State.AFFECTED, **fields)


def denied(stream: str = "", **fields: Any) -> Statement:
    return says(stream=stream, effect=Effect.NOT_AFFECTED, state=State.NOT_AFFECTED, **fields)


def says(*ranges: Range, **fields: Any) -> Statement:
    usual: dict[str, Any] = {
        "feed": "tests",
        "id": f"A-{ranges}-{fields.get('stream')}",
        "package": RPM,
        "vulnerabilities": (CVE,),
        "effect": Effect.AFFECTED,
        "ranges": ranges,
        "state": State.AFFECTED,
    }
    return Statement(**(usual | fields))


def judge(installed: Feature, *statements: Statement) -> str:
    """Return `affected`, `fixed 1.2-3` and the like; "" where there is no verdict."""
    found = verdicts(installed, statements)
    assert found == verdicts(installed, statements[::-1]), "the order of statements says nothing"
    return ", ".join(" ".join(filter(None, (verdict.state, verdict.fixed_version))) for verdict in found)


def verdict(installed: Feature, *statements: Statement) -> Verdict:
    [found] = verdicts(installed, statements)
    return found


# --- rule 1: from all statements -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], ""),
        ([fixed("2-1.el9")], "fixed 2-1.el9"),
        ([fixed("1-1.el9")], ""),
        ([affected()], "affected"),
        ([denied()], "not-affected"),
        ([denied(), fixed("2-1.el9")], "fixed 2-1.el9"),
        ([denied(), fixed("1-1.el9")], "not-affected"),
        ([affected(), fixed("2-1.el9")], "fixed 2-1.el9"),
        ([affected(), fixed("1-1.el9")], "affected"),
        ([says(Range(), state=State.DEFERRED), says(Range(), state=State.WILL_NOT_FIX)], "will-not-fix"),
    ],
)
def test_any_statement_that_says_affected_counts(statements: list[Statement], expected: str) -> None:
    assert judge(feature("1-5.el9"), *statements) == expected


def test_several_fixes_in_one_stream_are_the_highest() -> None:
    assert judge(feature("1-5.el9"), fixed("1-9.el9"), fixed("1-10.el9"), fixed("1-2.el9")) == "fixed 1-10.el9"


def test_a_fix_of_another_branch_is_not_the_fix() -> None:
    branches = says(Range(introduced="1", fixed="1.4"), Range(introduced="2", fixed="2.2"))
    assert judge(feature("1.3"), branches) == "fixed 1.4"
    assert judge(feature("1.5"), branches) == ""
    assert judge(feature("2.1"), branches) == "fixed 2.2"


def test_what_is_withdrawn_or_about_another_package_says_nothing() -> None:
    other = replace(RPM, kind=Kind.BINARY)
    assert judge(feature("1-1"), affected(withdrawn=True), affected(package=other)) == ""


def test_an_erratum_of_several_vulnerabilities_gives_as_many_verdicts() -> None:
    erratum = fixed("2-1", vulnerabilities=("CVE-2024-1002", CVE))
    assert [found.vulnerability for found in verdicts(feature("1-1"), [erratum])] == [CVE, "CVE-2024-1002"]


def test_one_verdict_names_all_records_that_say_so() -> None:
    found = verdict(feature("1-1"), fixed("2-1", id="B", aliases=("GHSA-1", CVE)), affected(id="A", aliases=("X-1",)))
    assert found.advisories == ("A", "B")
    assert found.aliases == ("GHSA-1", "X-1")


# --- rule 1: streams -------------------------------------------------------------------------------------------------

MINOR = "dist:el9_4"
"""A stream of extended support."""


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1-5.el9_4", ""),  # fixed in its own stream, although not in the main one
        ("1-3.el9_4", "fixed 1-4.el9_4"),
        ("1-5.el9", "fixed 1-9.el9"),
        ("1-5.el9_2", "fixed 1-9.el9"),
        ("1-5.el9_40", "fixed 1-9.el9"),
    ],
)
def test_extended_support_decides_for_builds_of_its_minor_release_only(version: str, expected: str) -> None:
    assert judge(feature(version), fixed("1-9.el9"), fixed("1-4.el9_4", MINOR)) == expected


def test_what_extended_support_does_not_fix_is_nothing_to_others() -> None:
    assert judge(feature("1-9.el9"), fixed("1-9.el9"), affected(MINOR)) == ""
    assert judge(feature("1-9.el9_4"), fixed("1-9.el9"), affected(MINOR)) == "affected"
    assert judge(feature("1-9.el9"), affected(MINOR)) == ""


def test_a_repository_of_a_minor_release_says_so_too() -> None:
    assert judge(feature("1-5.el9", MINOR), fixed("1-9.el9"), fixed("1-4.el9_4", MINOR)) == ""


def test_the_id_of_a_repository_names_its_minor_release() -> None:
    statements = (fixed("0:5-1.el9_2", "dist:el9_2"), fixed("0:7-1.el9_4"))
    assert judge(feature("5-1.el9", "repository:rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2"), *statements) == (
        "fixed 0:5-1.el9_2"
    )
    assert judge(feature("5-1.el9", "repository:rhel-9-for-x86_64-baseos-rpms"), *statements) == "fixed 0:7-1.el9_4"


@pytest.mark.parametrize(("arch", "expected"), [("x86_64", ""), ("aarch64", "fixed 5-4"), ("noarch", "fixed 5-4")])
def test_a_fix_may_differ_by_architecture(arch: str, expected: str) -> None:
    """As in https://linux.oracle.com/errata/ELSA-2022-4803.html; noarch packages are compared with the highest."""
    statements = (fixed("5-4"), fixed("5-1", "arch:x86_64"), fixed("5-4", "arch:aarch64"))
    assert judge(replace(feature("5-2"), arch=arch), *statements) == expected


def test_a_denial_in_its_own_stream_decides() -> None:
    assert judge(feature("1-1.el9_4"), affected(), denied(MINOR)) == "not-affected"


LINE = (fixed("1-4.el9_6", "minor:el9_6"), fixed("1-9.el9_8", "minor:el9_8"), fixed("1-2.el9"))
"""The fixes of a rebuild: one line, in which a fix may have been built for a minor release."""


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1-3.el9_6", "fixed 1-4.el9_6"),
        ("1-5.el9_6", ""),
        ("1-5.el9_8", "fixed 1-9.el9_8"),
        ("1-5.el9_7", "fixed 1-9.el9_8"),
        ("1-5.el9", "fixed 1-9.el9_8"),
        ("1-1.el9", "fixed 1-9.el9_8"),
        ("1-9.el9_8.rocky.1", ""),
    ],
)
def test_in_one_line_of_fixes_that_for_the_own_minor_release_decides(version: str, expected: str) -> None:
    assert judge(feature(version), *LINE) == expected


NODE_18 = "module:nodejs:18"
MODULES = (
    fixed("18.5-1.module+el9.6.0+1+a", NODE_18),
    fixed("20.7-1.module+el9.6.0+2+b", "module:nodejs:20"),
    fixed("16.3-1.el9_6", "minor:el9_6"),
)


@pytest.mark.parametrize(
    ("version", "context", "expected"),
    [
        ("18.4-1.module+el9.4.0+1+a", NODE_18, "fixed 18.5-1.module+el9.6.0+1+a"),
        ("18.5-1.module+el9.6.0+1+a", NODE_18, ""),
        ("18.5-1.module+el9.6.0+1+a", "module:nodejs:20", "fixed 20.7-1.module+el9.6.0+2+b"),
        ("16.2-1.el9", "", "fixed 16.3-1.el9_6"),
        ("16.3-2.el9", "", ""),
        # Of a module, which does not say of which: all of them.
        ("18.5-1.module+el9.6.0+1+a", "", "fixed 20.7-1.module+el9.6.0+2+b"),
        # A module that nothing is said about, other than of the package outside of modules.
        ("14.1-1.module+el9.4.0+1+a", "module:nodejs:14", "fixed 16.3-1.el9_6"),
    ],
)
def test_the_stream_of_a_module_decides(version: str, context: str, expected: str) -> None:
    assert judge(feature(version, context), *MODULES) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1-1.module+el8.4.0+1+a", "fixed 1-2.module+el8.4.0+1+a"), ("1-1.el8", ""), ("1-2.module+el8.4.0+1+a", "")],
)
def test_without_a_name_the_fix_of_a_module_is_for_packages_of_modules(version: str, expected: str) -> None:
    assert judge(feature(version), fixed("1-2.module+el8.4.0+1+a", "module")) == expected


def test_a_module_goes_before_extended_support_of_what_is_no_module() -> None:
    installed = feature("18.4-1.module+el9.4.0+1+a", NODE_18)
    assert judge(installed, affected(MINOR), fixed("18.3-1.module+el9.4.0+1+a", NODE_18)) == ""
    both = fixed("18.4-2.module+el9.4.0+1+a", f"{MINOR} {NODE_18}")
    assert judge(installed, fixed("18.9-1", NODE_18), both) == "fixed 18.4-2.module+el9.4.0+1+a"


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1-1.el8_7.cloud", "fixed 1-1.1.el8_7.cloud"), ("1-1.1.el8_7.cloud", ""), ("1-1.el8_7", "")],
)
def test_builds_with_a_mark_are_compared_with_fixes_with_that_mark(version: str, expected: str) -> None:
    plain, cloud = fixed("1-1.el8_7", "minor:el8_7"), fixed("1-1.1.el8_7.cloud", "mark:cloud minor:el8_7")
    assert judge(feature(version), plain, cloud) == expected


def test_subscribers_are_compared_with_their_fix() -> None:
    plain = fixed("2-1", package=DEB)
    pro = fixed("2-1+esm1", "pro", package=DEB, fix_channel="pro")
    everybody, subscriber = feature("1-1", package=DEB), feature("1-1", "pro", package=DEB)
    assert verdict(everybody, plain, pro).fix_channel is None
    assert verdict(everybody, plain, pro).fixed_version == "2-1"
    assert verdict(subscriber, plain, pro).fix_channel == "pro"
    assert verdict(subscriber, plain, pro).fixed_version == "2-1+esm1"
    assert judge(feature("2-1", package=DEB), plain, pro) == ""
    assert judge(feature("2-1", "pro", package=DEB), plain, pro) == "fixed 2-1+esm1"
    assert judge(subscriber, plain) == "fixed 2-1"


def test_a_repository_is_needed() -> None:
    extra = fixed("2-1", "repository:extra")
    assert judge(feature("1-1"), extra) == ""
    assert judge(feature("1-1", "repository:extra repository:main"), extra) == "fixed 2-1"


def test_what_is_of_a_stream_or_denied_is_found_whatever_the_version() -> None:
    """Where it is silent about a version, it keeps others from being heard: so it has to be read."""
    everything = [(FIRST, LAST)]
    for statement in (fixed("1-1", "pro"), denied(), fixed("1-1", "minor:el9_1")):
        assert [(keys.lower, keys.upper) for keys in key_ranges(statement)] == everything
    assert [(keys.lower, keys.upper) for keys in key_ranges(fixed("1-1"))] != everything
    assert key_ranges(fixed("1-1", "pro", withdrawn=True)) == ()


STREAMS = st.sampled_from(["", MINOR, "minor:el9_4", "minor:el9_6", "module", NODE_18, "pro", f"{MINOR} {NODE_18}"])
RELEASES = st.sampled_from(["1.el9", "2.el9_4", "3.el9_6", "4.module+el9.4.0+1+a"])
STATEMENTS = st.one_of(
    st.builds(lambda release, stream: fixed(f"1-{release}", stream), RELEASES, STREAMS),
    st.builds(affected, STREAMS),
    st.builds(denied, STREAMS),
)


@given(
    st.lists(STATEMENTS, max_size=6, unique_by=lambda statement: statement.key),
    RELEASES,
    st.sampled_from(["", "pro", NODE_18]),
)
def test_what_is_not_found_by_its_range_changes_no_verdict(
    statements: list[Statement], release: str, context: str
) -> None:
    """A verdict is computed from the statements with a range row that includes the version: no other may matter."""
    installed = feature(f"1-{release}", context)
    found = [said for said in statements if any(installed.key in keys for keys in key_ranges(said))]
    assert verdicts(installed, found) == verdicts(installed, statements)


# --- rule 17: irregular versions -------------------------------------------------------------------------------------

IRREGULAR = "no version"


@pytest.mark.parametrize(
    ("version", "versions", "expected"),
    [
        (IRREGULAR, Range(fixed="2"), "under-investigation"),
        (IRREGULAR, Range(), "affected"),
        ("1", Range(fixed=IRREGULAR), "under-investigation"),
        ("1", Range(introduced=IRREGULAR), "under-investigation"),
        ("1", Range(introduced=IRREGULAR, fixed="1"), ""),
        # A listed version is that one only.
        ("1", Range(introduced=IRREGULAR, last_affected=IRREGULAR), ""),
        (IRREGULAR, Range(introduced=IRREGULAR, last_affected=IRREGULAR), "affected"),
        (IRREGULAR, Range(introduced="1", last_affected="1"), ""),
    ],
)
def test_an_irregular_version_is_compared_with_every_range(version: str, versions: Range, expected: str) -> None:
    installed = feature(version)
    assert (installed.key == UNREADABLE) == (version == IRREGULAR)
    assert judge(installed, says(versions)) == expected
    assert not expected or any(installed.key in keys for keys in key_ranges(says(versions)))


# --- rules 3 and 4: severity, what is shown --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rated", "expected"),
    [
        ([(Severity.LOW, "a"), (Severity.HIGH, "b")], (Severity.HIGH, "b")),
        ([(Severity.UNKNOWN, ""), (Severity.LOW, "b")], (Severity.LOW, "b")),
        ([(Severity.HIGH, "ghsa"), (Severity.CRITICAL, "pysec cvss 3.1")], (Severity.HIGH, "ghsa")),
        ([(Severity.UNKNOWN, "ghsa"), (Severity.LOW, "pysec cvss 3.1")], (Severity.LOW, "pysec cvss 3.1")),
        ([(Severity.LOW, "a cvss 4.0"), (Severity.HIGH, "b cvss 3.1")], (Severity.HIGH, "b cvss 3.1")),
    ],
)
def test_the_worst_word_counts_then_the_worst_rating(
    rated: list[tuple[Severity, str]], expected: tuple[Severity, str]
) -> None:
    statements = [
        affected(id=f"A-{number}", severity=severity, severity_source=source)
        for number, (severity, source) in enumerate(rated)
    ]
    found = verdict(feature("1"), *statements)
    assert (found.severity, found.severity_source) == expected


@pytest.mark.parametrize(
    ("fields", "is_shown"),
    [
        ({"state": State.AFFECTED}, True),
        ({"state": State.WILL_NOT_FIX}, True),
        ({"state": State.DEFERRED}, True),
        ({"state": State.END_OF_LIFE}, True),
        ({"state": State.UNDER_INVESTIGATION}, False),
        ({"severity": Severity.NEGLIGIBLE}, False),
        ({"severity": Severity.UNKNOWN}, True),
        ({"marks": (Mark.DISPUTED,)}, False),
        ({"marks": (Mark.REJECTED,)}, False),
        ({"marks": (Mark.MALWARE,)}, True),
        ({"marks": (Mark.LOW_CONFIDENCE,)}, True),
    ],
)
def test_what_is_shown(fields: dict[str, Any], *, is_shown: bool) -> None:
    statement = replace(affected(), **fields)
    assert shown(verdict(feature("1"), statement)) is is_shown


def test_a_verdict_has_the_marks_that_all_statements_have() -> None:
    disputed = affected(id="A", marks=(Mark.DISPUTED,))
    assert verdict(feature("1"), disputed).marks == (Mark.DISPUTED,)
    assert verdict(feature("1"), disputed, affected(id="B")).marks == ()
    assert verdict(feature("1"), disputed, affected(id="B", marks=(Mark.MALWARE, Mark.DISPUTED))).marks == (
        Mark.DISPUTED,
    )


def test_what_is_built_from_the_kernel_s_source_but_is_no_kernel_is_hidden() -> None:
    found = verdict(feature("6.1-1", "no-kernel"), affected())
    assert found.marks == (Mark.NO_KERNEL,)
    assert not shown(found)
    assert shown(verdict(feature("6.1-1"), affected()))


def test_of_a_package_known_by_several_names_the_worst_that_is_shown_counts() -> None:
    def of(verdicts: Iterable[Verdict]) -> Verdict:
        [found] = verdicts
        return found

    hidden = of(verdicts(feature("1"), [affected(severity=Severity.CRITICAL, marks=(Mark.REJECTED,))]))
    low = of(verdicts(feature("1"), [affected(severity=Severity.LOW)]))
    assert worst([hidden, low]) == low
    assert worst([]) is None
