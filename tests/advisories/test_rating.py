"""CVSS vectors are rated by the newest version; the examples are those of FIRST."""

import pytest

from eclair.advisories.rating import Rating, band, of_vectors
from eclair.model import Severity
from tests.work import steps

V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
V3 = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:L/A:N"
V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"
V4 = "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.mark.parametrize(
    ("vectors", "rating"),
    [
        ([V2], Rating(Severity.HIGH, "cvss 2.0")),  # 7.5
        ([V3], Rating(Severity.MEDIUM, "cvss 3.0")),  # 5.3
        ([V31], Rating(Severity.CRITICAL, "cvss 3.1")),  # 10.0
        ([V4], Rating(Severity.HIGH, "cvss 4.0")),  # 7.3
        ([V2, V31, V4, V3], Rating(Severity.HIGH, "cvss 4.0")),
        ([V3, V31], Rating(Severity.CRITICAL, "cvss 3.1")),
        (["CVSS:3.1/AV:N", V2], Rating(Severity.HIGH, "cvss 2.0")),
        (["CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N"], Rating(Severity.UNKNOWN, "cvss 3.1")),
    ],
)
def test_a_rating_is_that_of_the_newest_version(vectors: list[str], rating: Rating) -> None:
    assert of_vectors(vectors) == rating


def test_of_one_version_the_worst_counts() -> None:
    harmless = "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L"
    assert of_vectors([harmless, V31]) == of_vectors([V31, harmless]) == of_vectors([V31])


@pytest.mark.parametrize(
    "text", ["", "high", "CVSS:5.0/AV:N", "CVSS:3.1/" + "AV:N/" * 60, "CVSS:3.1/\0", "7.5", "é" * 80]
)
def test_what_is_no_vector_has_no_rating(text: str) -> None:
    assert of_vectors([text]) is None


def test_a_huge_text_is_not_even_looked_at() -> None:
    small, huge = ["CVSS:3.1/" + "AV:N/" * 60], ["CVSS:3.1/" + "AV:N/" * 1_000_000]
    assert steps(lambda: of_vectors(huge)) <= steps(lambda: of_vectors(small))


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        (10.0, Severity.CRITICAL),
        (9.0, Severity.CRITICAL),
        (8.9, Severity.HIGH),
        (7.0, Severity.HIGH),
        (6.9, Severity.MEDIUM),
        (4.0, Severity.MEDIUM),
        (3.9, Severity.LOW),
        (0.1, Severity.LOW),
        (0.0, Severity.UNKNOWN),
    ],
)
def test_the_bands_are_those_of_the_specification(score: float, severity: Severity) -> None:
    assert band(score) is severity
