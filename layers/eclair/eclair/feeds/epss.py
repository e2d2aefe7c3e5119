"""How likely is it that a vulnerability is exploited in the next 30 days?

Reads the scores of the Exploit Prediction Scoring System, https://www.first.org/epss/data_stats: CSV, compressed, where
a first line may name the model and the day.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from eclair.advisories.records import Skipped, text
from eclair.archives.compression import inflated
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import Enrichment, ExploitProbability, Said

URL: Final = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"

_LONGEST_LINE: Final = 1000


class Epss:
    """The scores of EPSS; it speaks of no packages."""

    name = "epss"
    parts = (Part(name="scores", documents=(Document(url=URL),)),)

    def speaks_for(self, namespace: str) -> str | None:
        return None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        return iter(())

    def enrich(self, part: Part, documents: Sequence[BinaryIO]) -> Iterator[tuple[str, Enrichment]]:
        lines = _lines(inflated(documents[0], URL))
        first = next(lines, "")
        names = next(lines, "") if first.startswith("#") else first
        if names.split(",")[:2] != ["cve", "epss"]:
            raise BadFeed(f"not the scores of EPSS: the columns are {names[:100]!r}")
        skipped = Skipped(URL)
        for row in csv.reader(lines):
            try:
                yield _score(row)
            except BadFeed as error:
                skipped.add(",".join(row), error)
        skipped.summarise()

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return False


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Yield the lines. Raises `BadFeed` for what is no text of short lines."""
    reader = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        while line := reader.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise BadFeed(f"not the scores of EPSS: a line has more than {_LONGEST_LINE} characters")
            yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadFeed("not the scores of EPSS: no text in UTF-8") from error


def _score(row: Sequence[str]) -> tuple[str, Enrichment]:
    if len(row) < 2:
        raise BadFeed("a line has no score")
    percentile = _share(row[2]) if len(row) > 2 else None
    probability = ExploitProbability(score=_share(row[1]), percentile=percentile)
    return text(row[0], "an id"), Enrichment(probability=probability)


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError as error:
        raise BadFeed(f"{value[:40]!r} is no number") from error
    if not 0 <= share <= 1:
        raise BadFeed(f"{share} is no share")
    return share


FEED: Final[Feed] = Epss()
