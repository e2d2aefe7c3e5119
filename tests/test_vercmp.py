"""Versions are compared line by line, and agree with the tables that other projects test with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eclair.errors import BadRequest
from eclair.vercmp import compare_lines

EXCERPTS = Path(__file__).parent / "samples" / "versions"


def rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """Yield `A`, `<`, `B` of each row of a table."""
    for line in table.read_text().splitlines():
        if line and not line.startswith("#"):
            first, order, second = line.split()
            yield first, order, second


def disagreements(scheme: str, table: Path) -> list[str]:
    expected = list(rows(table))
    assert expected, f"no rows in {table}"
    answers = compare_lines(scheme, (f"{first} {second}" for first, _, second in expected))
    return [
        f"{first} {answer} {second}, not {order}"
        for (first, order, second), answer in zip(expected, answers, strict=True)
        if answer != order
    ]


@pytest.mark.parametrize(("scheme", "table"), [("deb", "debian-versions.txt"), ("apk", "alpine-versions.txt")])
def test_every_row_of_the_excerpts_is_agreed_with(scheme: str, table: str) -> None:
    assert disagreements(scheme, EXCERPTS / table) == []


@pytest.mark.parametrize(
    ("scheme", "table"),
    [
        ("deb", "debian-versions.txt"),
        ("deb", "debian-versions-generated.txt"),
        ("apk", "alpine-versions.txt"),
        ("apk", "alpine-versions-generated.txt"),
    ],
)
def test_every_row_of_the_tables_is_agreed_with(shared_data: Path, scheme: str, table: str) -> None:
    assert disagreements(scheme, shared_data / "versions" / table) == []


def test_each_line_gets_one_answer_and_what_cannot_be_compared_its_reason() -> None:
    lines = ["1 2\n", "2 1", "1.0 1.00", "", "1", "1 2 3", "1 2:"]
    answers = list(compare_lines("deb", lines))
    assert answers[:3] == ["<", ">", "="]
    assert [answer[:2] for answer in answers[3:]] == ["! "] * 4
    assert "has 3" in answers[5]
    assert "'2:'" in answers[6]


def test_an_unknown_scheme_is_refused_at_once_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"'rpmm'.*apk.*deb"):
        compare_lines("rpmm", [])


def test_a_reason_does_not_repeat_a_hostile_line() -> None:
    (answer,) = compare_lines("apk", ["1 " + "9" * 1_000_000])
    assert answer.startswith("! ")
    assert len(answer) < 200
