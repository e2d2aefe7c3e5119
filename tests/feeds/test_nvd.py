"""NVD's yearly files: of the scores of a vulnerability, which counts."""

import gzip
import io
import json
import logging
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.nvd import FEED, Nvd
from eclair.model import CvssScore, Enrichment

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "enriching"
PARTS = {part.name: part for part in FEED.parts}


def enrich(content: bytes) -> dict[str, CvssScore]:
    found = dict(Nvd().enrich(PARTS["2024"], [io.BytesIO(content)]))
    assert all(said == Enrichment(cvss=said.cvss) for said in found.values())
    return {name: said.cvss for name, said in found.items() if said.cvss}


def outline(scores: dict[str, CvssScore]) -> list[str]:
    return [f"{name}: {said.score} {said.version} {said.source}" for name, said in scores.items()]


def entry(id_: object = "CVE-2024-1", **cve: object) -> dict[str, object]:
    return {"cve": {"id": id_, "vulnStatus": "Analyzed", **cve}}


def rating(source: str, version: str, score: object) -> dict[str, object]:
    return {
        "source": source,
        "type": "Primary",
        "cvssData": {"version": version, "vectorString": "AV", "baseScore": score},
    }


def file(*entries: object) -> bytes:
    return gzip.compress(json.dumps({"format": "NVD_CVE", "vulnerabilities": entries}).encode())


def test_the_recorded_files_have_these_scores() -> None:
    recorded = [(SAMPLES / f"nvdcve-2.0-{year}.json.gz").read_bytes() for year in (2002, 2021)]
    assert [line for content in recorded for line in outline(enrich(content))] == [
        "CVE-1999-0095: 10.0 2.0 nvd",
        "CVE-2000-0388: 7.5 2.0 nvd",
        "CVE-2001-0679: 10.0 2.0 nvd",
        "CVE-2002-1594: 7.2 2.0 nvd",
        "CVE-2021-3002: 6.1 3.1 nvd",
        "CVE-2021-23814: 8.8 3.1 nvd",
        "CVE-2021-44228: 10.0 3.1 nvd",
    ]
    found = enrich((SAMPLES / "nvd-deferred.json").read_bytes())["CVE-2016-2781"]
    assert (found.score, found.vector) == (6.5, "CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:C/C:N/I:H/A:N")


def test_the_newest_version_counts_of_nvds_own_and_before_that_of_others() -> None:
    both = {
        "cvssMetricV40": [rating("cna@example.org", "4.0", 9.9)],
        "cvssMetricV31": [rating("cna@example.org", "3.1", 9.1), rating("nvd@nist.gov", "3.1", 5.1)],
        "cvssMetricV2": [rating("nvd@nist.gov", "2.0", 4.0)],
    }
    others = {
        "cvssMetricV31": [rating("one@example.org", "3.1", 7)],
        "cvssMetricV30": [rating("two@example.org", "3.0", 8)],
    }
    content = file(entry("CVE-2024-1", metrics=both), entry("CVE-2024-2", metrics=others), entry("CVE-2024-3"))
    assert outline(enrich(content)) == ["CVE-2024-1: 5.1 3.1 nvd", "CVE-2024-2: 7.0 3.1 one@example.org"]


def test_what_was_rejected_has_no_score() -> None:
    metrics = {"cvssMetricV31": [rating("nvd@nist.gov", "3.1", 9.8)]}
    assert enrich(file(entry(vulnStatus="Rejected", metrics=metrics))) == {}


def test_a_whole_year_is_read(shared_data: Path) -> None:
    place = shared_data / "mirror" / PARTS["2024"].documents[0].url.removeprefix("https://")
    assert len(enrich(place.read_bytes())) == 11_000


@pytest.mark.parametrize("content", [b"", b"<html>", b"{}", file(), file(7, {}), file(entry())[:-20]])
def test_what_is_no_file_of_nvd_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        enrich(content)


@pytest.mark.parametrize("score", ["9.8", None, -1, 11, True])
def test_a_malformed_entry_is_skipped_and_named(caplog: pytest.LogCaptureFixture, score: object) -> None:
    good = {"cvssMetricV31": [rating("nvd@nist.gov", "3.1", 9.8)]}
    bad = {"cvssMetricV31": [rating("nvd@nist.gov", "3.1", score)]}
    with caplog.at_level(logging.WARNING):
        found = enrich(file(entry(metrics=good), entry("CVE-2024-2", metrics=bad), entry(7), None))
    assert found.keys() == {"CVE-2024-1"}
    assert "count=3" in caplog.text


def test_future_years_are_probes() -> None:
    assert not PARTS["2026"].probe
    assert PARTS["2027"].probe
