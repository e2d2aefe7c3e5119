"""How bad are vulnerabilities by their CVSS scores in the National Vulnerability Database?

Reads the yearly files of the API 2.0 (https://nvd.nist.gov/vuln/data-feeds, schema:
https://csrc.nist.gov/schema/nvd/api/2.0/cve_api_json_2.0.schema), which NVD makes anew each night.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from eclair.advisories.json_stream import elements
from eclair.advisories.records import Skipped, mapping, sequence, text
from eclair.archives.compression import inflated
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import CvssScore, Enrichment, Said

FIRST_YEAR: Final = 2002
"""The file of this year has all ids before it, too."""
LAST_CERTAIN_YEAR: Final = 2026
LAST_LIKELY_YEAR: Final = 2035
"""New years are found without an edit for some time."""

METRICS: Final = ("cvssMetricV40", "cvssMetricV31", "cvssMetricV30", "cvssMetricV2")
"""The newest version of CVSS goes first; what NVD itself gave goes before what others did."""
REJECTED: Final = "Rejected"
NVD: Final = "nvd@nist.gov"


class Nvd:
    """The National Vulnerability Database; here it speaks of no packages."""

    name = "nvd"

    def __init__(self) -> None:
        years = range(FIRST_YEAR, LAST_LIKELY_YEAR + 1)
        self.parts = tuple(_part(year, probe=year > LAST_CERTAIN_YEAR) for year in years)

    def speaks_for(self, namespace: str) -> str | None:
        return None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        return iter(())

    def enrich(self, part: Part, documents: Sequence[BinaryIO]) -> Iterator[tuple[str, Enrichment]]:
        url = part.documents[0].url
        skipped, count = Skipped(url), 0
        for position, record in enumerate(elements(inflated(documents[0], url), "vulnerabilities")):
            try:
                found = _rated(mapping(mapping(record, "an entry").get("cve"), "a CVE"))
            except BadFeed as error:
                skipped.add(f"vulnerabilities[{position}]", error)
                continue
            count += 1
            if found is not None:
                yield found
        skipped.summarise()
        if not count:
            raise BadFeed(f"{url}: not a file of NVD: it has no entry that can be read")

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return False


def _part(year: int, *, probe: bool) -> Part:
    url = f"https://nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-{year}.json.gz"
    return Part(name=str(year), documents=(Document(url=url),), probe=probe)


def _rated(cve: Mapping[str, object]) -> tuple[str, Enrichment] | None:
    """Return the CVE with the score that counts; None where it has none, or was rejected."""
    id_ = text(cve.get("id"), "an id")
    if cve.get("vulnStatus") == REJECTED:
        return None
    metrics = mapping(cve.get("metrics") or {}, "the metrics")
    ratings = [mapping(rating, "a rating") for name in METRICS for rating in sequence(metrics.get(name) or [], name)]
    first = next(_by_nvd(ratings), None) or next(iter(ratings), None)
    return None if first is None else (id_, Enrichment(cvss=_score(first)))


def _by_nvd(ratings: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    return (rating for rating in ratings if rating.get("source") == NVD)


def _score(rating: Mapping[str, object]) -> CvssScore:
    given = mapping(rating.get("cvssData"), "CVSS data")
    score = given.get("baseScore")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 10:
        raise BadFeed("a base score is no number from 0 to 10")
    source = text(rating.get("source"), "a source")
    return CvssScore(
        score=float(score),
        vector=text(given.get("vectorString"), "a vector"),
        version=text(given.get("version"), "a version of CVSS"),
        source="nvd" if source == NVD else source,
    )


FEED: Final[Feed] = Nvd()
