"""Records are read typed and bounded; a digest says whether anything was said anew."""

from dataclasses import fields, replace
from typing import Any

import pytest

from eclair.advisories.records import (
    TEXT_LIMIT,
    advisory_statements,
    mapping,
    marks,
    package_statements,
    sequence,
    text,
    words,
)
from eclair.errors import BadFeed
from eclair.model import Effect, Kind, Mark, PackageKey, Range, Severity, State, Statement

PACKAGE = PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name="foo")
STATEMENT = Statement(
    feed="debian",
    id="CVE-2024-1",
    package=PACKAGE,
    vulnerabilities=("CVE-2024-1",),
    effect=Effect.AFFECTED,
    ranges=(Range(fixed="1"),),
    state=State.FIXED,
)
OTHER = replace(STATEMENT, id="CVE-2024-2")

SAID_ANEW: dict[str, Any] = {
    "id": "CVE-2024-3",
    "vulnerabilities": ("CVE-2024-1", "CVE-2024-3"),
    "effect": Effect.NOT_AFFECTED,
    "ranges": (Range(last_affected="1"),),
    "state": State.AFFECTED,
    "severity": Severity.HIGH,
    "severity_source": "debian",
    "raw_state": "open",
    "aliases": ("DSA-1",),
    "fix_channel": "pro",
    "stream": "nodejs:18",
    "marks": (Mark.MALWARE,),
    "withdrawn": True,
}
WHEN_SAID: dict[str, Any] = {"revision": "r2", "seq": 7, "first_load": True, "first_seen": 1.0, "changed": 2.0}
WHERE_SAID = {"feed", "package"}


def digest(*statements: Statement) -> str:
    return package_statements(PACKAGE, statements).digest


def test_every_field_of_a_statement_is_what_when_or_where_it_was_said() -> None:
    assert {field.name for field in fields(Statement)} == {*SAID_ANEW, *WHEN_SAID, *WHERE_SAID}


@pytest.mark.parametrize("name", SAID_ANEW)
def test_the_digest_follows_what_is_said(name: str) -> None:
    assert digest(replace(STATEMENT, **{name: SAID_ANEW[name]})) != digest(STATEMENT)


@pytest.mark.parametrize("name", WHEN_SAID)
def test_the_digest_does_not_follow_when_it_was_said(name: str) -> None:
    assert digest(replace(STATEMENT, **{name: WHEN_SAID[name]})) == digest(STATEMENT)


def test_statements_are_sorted_so_that_their_order_says_nothing() -> None:
    assert package_statements(PACKAGE, [OTHER, STATEMENT]) == package_statements(PACKAGE, [STATEMENT, OTHER])
    assert digest(STATEMENT, OTHER) != digest(STATEMENT)


def test_of_an_advisory_the_packages_are_said_too() -> None:
    elsewhere = replace(STATEMENT, package=replace(PACKAGE, name="bar"))
    streamed = replace(STATEMENT, stream="module:foo:1")
    both = advisory_statements("CVE-2024-1", [streamed, STATEMENT, elsewhere])
    assert both == advisory_statements("CVE-2024-1", [elsewhere, STATEMENT, streamed])
    assert both.statements == (elsewhere, STATEMENT, streamed)
    assert (
        advisory_statements("CVE-2024-1", [elsewhere]).digest != advisory_statements("CVE-2024-1", [STATEMENT]).digest
    )


@pytest.mark.parametrize("value", [None, 1, b"a", [], "", "a\nb", "\x00", "\ud800", "a#b", "a" * (TEXT_LIMIT + 1)])
def test_what_could_not_be_a_name_is_refused(value: object) -> None:
    with pytest.raises(BadFeed, match="a name is no printable text"):
        text(value, "a name")


def test_a_name_is_returned_as_it_is() -> None:
    assert text("libstdc++6é", "a name") == "libstdc++6é"


def test_other_types_are_refused() -> None:
    with pytest.raises(BadFeed, match="a row is no JSON object"):
        mapping([], "a row")
    with pytest.raises(BadFeed, match="a list is no JSON array"):
        sequence({}, "a list")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("Minor issue", "Minor issue"),
        (" Minor\n  issue\t", "Minor issue"),
        ("\ud800", "'\\ud800'"),
        ("x" * 1000, "x" * TEXT_LIMIT),
        (None, ""),
        (["open"], ""),
    ],
)
def test_free_words_become_one_short_line(value: object, line: str) -> None:
    assert words(value) == line


@pytest.mark.parametrize(
    ("description", "found"),
    [
        ("** DISPUTED ** An issue was discovered in Jansson through 2.13.1.", (Mark.DISPUTED,)),
        ("** REJECT **  DO NOT USE THIS CANDIDATE NUMBER.", (Mark.REJECTED,)),
        ("Rejected reason: This CVE ID has been rejected", (Mark.REJECTED,)),
        ("The vendor's dispute of this ** DISPUTED ** is in the text only", ()),
        ("A use after free", ()),
        ("", ()),
        (None, ()),
        (["** DISPUTED **"], ()),
    ],
)
def test_a_description_may_begin_with_a_mark(description: object, found: tuple[Mark, ...]) -> None:
    assert marks(description) == found
