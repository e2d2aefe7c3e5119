"""Errata are gathered, joined and told apart."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eclair.advisories.errata import Claim, Errata, Erratum, cves, severity
from eclair.advisories.records import Skipped
from eclair.errors import BadFeed
from eclair.model import AdvisoryStatements, Effect, Kind, PackageKey, Range, Severity, State, Unread
from tests.feeds.said import outline, statements

VIM, GVIM = (PackageKey(scheme="rpm", namespace="ol:9", kind=Kind.BINARY, name=name) for name in ("vim", "gvim"))


def fixed(version: str, stream: str = "") -> Claim:
    return Claim(ranges=(Range(fixed=version),), state=State.FIXED, stream=stream)


OPEN = Claim(ranges=(Range(),), state=State.AFFECTED)
NEVER = Claim(state=State.NOT_AFFECTED)


def erratum(*cves: str, id_: str = "E-1", severity: Severity = Severity.LOW, aliases: Sequence[str] = ()) -> Erratum:
    return Erratum(id=id_, vulnerabilities=cves, severity=severity, aliases=tuple(aliases))


def gathered(*records: tuple[Erratum, Sequence[tuple[PackageKey, Claim]]]) -> Errata:
    errata = Errata(Skipped("a document"))
    for record in records:
        errata.add(*record)
    return errata


def said(*records: tuple[Erratum, Sequence[tuple[PackageKey, Claim]]]) -> list[AdvisoryStatements | Unread]:
    return list(gathered(*records).statements("oracle", "r1"))


def test_records_of_one_erratum_are_joined_package_by_package() -> None:
    units = said(
        (erratum("CVE-1", severity=Severity.LOW, aliases=["A"]), [(VIM, fixed("1"))]),
        (erratum("CVE-2", severity=Severity.HIGH, aliases=["B"]), [(VIM, fixed("2"))]),
        (erratum("CVE-3"), [(GVIM, fixed("3"))]),
        (erratum("CVE-1", id_="E-2"), [(VIM, fixed("1"))]),
    )
    assert outline(units) == [
        "ol:9 binary gvim E-1 CVE-3 : fixed <3 low",
        "ol:9 binary vim E-1 CVE-1+CVE-2 (A) (B) : fixed <1,<2 high",
        "ol:9 binary vim E-2 CVE-1 : fixed <1 low",
    ]
    assert [unit.id for unit in units] == ["E-1", "E-2"]


def test_streams_stay_apart() -> None:
    units = said((erratum("CVE-1"), [(VIM, fixed("1")), (VIM, fixed("2", "module:vim:9"))]))
    assert outline(units) == [
        "ol:9 binary vim E-1 CVE-1 : fixed <1 low",
        "ol:9 binary vim E-1 CVE-1 : fixed <2 low [module:vim:9]",
    ]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([OPEN], "affected * low"),
        ([NEVER], "not-affected low"),
        ([OPEN, fixed("1")], "fixed <1 low"),
        ([NEVER, fixed("1")], "fixed <1 low"),
        ([NEVER, OPEN], "affected * low"),
    ],
)
def test_of_several_states_the_most_urgent_counts(claims: list[Claim], expected: str) -> None:
    units = said((erratum("CVE-1"), [(VIM, claim) for claim in claims]))
    assert outline(units) == [f"ol:9 binary vim E-1 CVE-1 : {expected}"]


def test_builds_of_a_module_are_joined_within_an_erratum() -> None:
    builds = [fixed(f"1-1.module+el8.4.0+{build}") for build in ("2+aa", "2+bb", "3+cc")]
    later = fixed("1-1.module+el8.4.0+9+dd")
    units = said(
        (erratum("CVE-1", aliases=["A"]), [(VIM, build) for build in builds]),
        (erratum("CVE-1", aliases=["B"]), [(VIM, later)]),
    )
    assert [interval.fixed for interval in statements(units)[0].ranges] == [
        "1-1.module+el8.4.0+2",
        "1-1.module+el8.4.0+9+dd",
    ]


def test_an_erratum_without_a_cve_is_about_itself() -> None:
    [statement] = statements(said((erratum(), [(VIM, fixed("1"))])))
    assert statement.vulnerabilities == ("E-1",)


def test_the_source_of_an_unknown_severity_is_not_named() -> None:
    [statement] = statements(said((erratum("CVE-1", severity=Severity.UNKNOWN), [(VIM, NEVER)])))
    assert (statement.effect, statement.severity_source) == (Effect.NOT_AFFECTED, "")


def test_an_erratum_with_an_unreadable_record_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    errata = gathered((erratum("CVE-1"), [(VIM, fixed("1"))]), (erratum("CVE-1", id_="E-2"), [(VIM, fixed("1"))]))
    errata.unread("the record of E-1", "why", ["E-1"])
    errata.unread("another record", "why")
    units = list(errata.statements("oracle", "r1"))
    assert [unit.id for unit in units if isinstance(unit, AdvisoryStatements)] == ["E-2"]
    assert {unit for unit in units if isinstance(unit, Unread)} == {Unread(id="E-1"), Unread()}
    assert "another record" in caplog.text


def test_a_document_of_which_nothing_could_be_read_is_refused() -> None:
    with pytest.raises(BadFeed):
        said()
    with pytest.raises(BadFeed):
        said((erratum("CVE-1"), []))


@settings(deadline=None)  # the first example imports
@given(st.permutations([fixed("1"), fixed("2"), NEVER, OPEN]))
def test_the_order_of_records_is_no_change(claims: list[Claim]) -> None:
    [unit] = said(*((erratum("CVE-1"), [(VIM, claim)]) for claim in claims))
    [other] = said((erratum("CVE-1"), [(VIM, claim) for claim in sorted(claims, key=repr)]))
    assert isinstance(unit, AdvisoryStatements)
    assert isinstance(other, AdvisoryStatements)
    assert unit.digest == other.digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CVE-2018-1000156", ("CVE-2018-1000156",)),
        ("CVE:00001:CVE-2019-16168", ("CVE-2019-16168",)),
        ("CVE_2019-2426, CVE-2017-17434-1", ("CVE-2017-17434", "CVE-2019-2426")),
        ("RHSA-2011:1245", ()),
        ("CVE-2018-", ()),
        ("CVE-2020-0001 CVE-2020-0001", ("CVE-2020-0001",)),
    ],
)
def test_cves_are_read_by_their_pattern(text: str, expected: tuple[str, ...]) -> None:
    assert cves(text) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Important", Severity.HIGH),
        ("MODERATE", Severity.MEDIUM),
        (" low\n", Severity.LOW),
        ("critical", Severity.CRITICAL),
        ("N/A", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
    ],
)
def test_words_of_severity(word: str, expected: Severity) -> None:
    assert severity(word) is expected
