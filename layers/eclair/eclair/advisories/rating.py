"""How bad is a vulnerability by its CVSS vectors (https://www.first.org/cvss/)?"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from cvss import CVSS2, CVSS3, CVSS4, CVSSError

from eclair.model import Severity

LONGEST: Final = 512
"""A longer text is no vector: with all optional metrics one has some 250 characters."""

BANDS: Final = (
    (9.0, Severity.CRITICAL),
    (7.0, Severity.HIGH),
    (4.0, Severity.MEDIUM),
    (0.1, Severity.LOW),
)
"""The qualitative ratings of CVSS 3.1, section 5, and 4.0, section 6; below them is "none"."""


class _Scored(Protocol):
    base_score: float


class _Version(NamedTuple):
    """A version of CVSS: the higher rank is preferred."""

    rank: int
    name: str
    score: Callable[[str], _Scored]


class Rating(NamedTuple):
    """A rating, and by which version of CVSS, for instance `cvss 3.1`."""

    severity: Severity
    method: str


_VERSIONS: Final[Mapping[str, _Version]] = {
    "CVSS:4.0": _Version(4, "cvss 4.0", CVSS4),
    "CVSS:3.1": _Version(3, "cvss 3.1", CVSS3),
    "CVSS:3.0": _Version(2, "cvss 3.0", CVSS3),
}
_SECOND: Final = _Version(1, "cvss 2.0", CVSS2)
"""The vectors of CVSS 2 do not say so: `AV:N/AC:L/Au:N/C:P/I:P/A:P`."""


def band(score: float) -> Severity:
    """Return the qualitative rating of a score."""
    return next((severity for lowest, severity in BANDS if score >= lowest), Severity.UNKNOWN)


def of_vectors(vectors: Iterable[str]) -> Rating | None:
    """Return the rating by the newest version of CVSS; of several vectors of one version the worst.

    None where no vector can be read.
    """
    rated = (_rated(vector) for vector in vectors if len(vector) <= LONGEST)
    found = [some for some in rated if some is not None]
    if not found:
        return None
    _, score, name = max(found)
    return Rating(band(score), name)


@lru_cache(maxsize=1 << 14)
def _rated(vector: str) -> tuple[int, float, str] | None:
    version = _VERSIONS.get(vector.partition("/")[0], _SECOND)
    try:
        return version.rank, float(version.score(vector).base_score), version.name
    except CVSSError:
        return None
