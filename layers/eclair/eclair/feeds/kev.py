"""Which vulnerabilities are known to be exploited?

Reads CISA's catalogue, https://www.cisa.gov/known-exploited-vulnerabilities-catalog (its JSON schema is linked there).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import BinaryIO, Final

from eclair.advisories.json_stream import elements
from eclair.advisories.records import Skipped, mapping, text, words
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import Enrichment, Exploitation, Said

URL: Final = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
BY_RANSOMWARE: Final = "Known"


class Kev:
    """CISA's catalogue of known exploited vulnerabilities; it speaks of no packages."""

    name = "kev"
    parts = (Part(name="catalogue", documents=(Document(url=URL),)),)

    def speaks_for(self, namespace: str) -> str | None:
        return None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        return iter(())

    def enrich(self, part: Part, documents: Sequence[BinaryIO]) -> Iterator[tuple[str, Enrichment]]:
        skipped, count = Skipped(URL), 0
        for position, record in enumerate(elements(documents[0], "vulnerabilities")):
            try:
                yield _entry(mapping(record, "an entry"))
                count += 1
            except BadFeed as error:
                skipped.add(f"vulnerabilities[{position}]", error)
        skipped.summarise()
        if not count:
            raise BadFeed("not CISA's catalogue: it has no entry that can be read")

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return False


def _entry(record: Mapping[str, object]) -> tuple[str, Enrichment]:
    exploited = Exploitation(
        added=_day(record.get("dateAdded")),
        due=words(record.get("dueDate")),
        ransomware=record.get("knownRansomwareCampaignUse") == BY_RANSOMWARE,
    )
    return text(record.get("cveID"), "an id"), Enrichment(exploited=exploited)


def _day(value: object) -> str:
    day = text(value, "a date")
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError as error:
        raise BadFeed(f"{day!r} is no date") from error


FEED: Final[Feed] = Kev()
