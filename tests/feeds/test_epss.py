"""The scores of EPSS in each of their forms."""

import gzip
import io
import logging
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.epss import FEED, Epss
from eclair.model import Enrichment, ExploitProbability

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "enriching"


def enrich(content: bytes) -> dict[str, Enrichment]:
    return dict(Epss().enrich(FEED.parts[0], [io.BytesIO(content)]))


def likely(score: float, percentile: float | None) -> Enrichment:
    return Enrichment(probability=ExploitProbability(score=score, percentile=percentile))


def test_the_first_form_has_scores_only() -> None:
    assert enrich((SAMPLES / "epss_scores-2021-04-14.csv.gz").read_bytes()) == {
        "CVE-2020-5902": likely(0.65117, None),
        "CVE-2018-19571": likely(0.04773, None),
    }


def test_the_present_form_has_percentiles_too() -> None:
    assert enrich((SAMPLES / "epss_scores-2023-03-07.csv.gz").read_bytes()) == {
        "CVE-2020-5902": likely(0.97567, 0.99995),
        "CVE-2018-19571": likely(0.00113, 0.43131),
    }


def test_all_scores_are_read(shared_data: Path) -> None:
    url = FEED.parts[0].documents[0].url
    assert len(enrich((shared_data / "mirror" / url.removeprefix("https://")).read_bytes())) == 72_272


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"cve;epss",
        b"#model_version:v1",
        b"cve,epss\n\xff\xfe",
        b"cve,epss\n" + b"x" * 1000,
        gzip.compress(b"cve,epss\nCVE-2026-1,0.5\n")[:-9],
    ],
)
def test_what_are_no_scores_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        enrich(content)


def test_a_malformed_line_is_skipped_and_named(caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        "cve,epss,percentile",
        "CVE-2026-1,0.5,0.9",
        "CVE-2026-2,2,0.9",
        "CVE-2026-3,nan,1",
        "CVE-2026-4",
        ",1,1",
        "",
    ]
    with caplog.at_level(logging.WARNING):
        assert enrich("\r\n".join(lines).encode()) == {"CVE-2026-1": likely(0.5, 0.9)}
    assert "count=4" in caplog.text
