"""CISA's catalogue: recorded entries become what is known to be exploited."""

import io
import json
import logging
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.kev import FEED, Kev
from eclair.model import Enrichment, Exploitation

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "enriching"
CATALOGUE = SAMPLES / "known_exploited_vulnerabilities.json"


def enrich(content: bytes) -> dict[str, Enrichment]:
    return dict(Kev().enrich(FEED.parts[0], [io.BytesIO(content)]))


def test_the_recorded_entries_are_known_to_be_exploited() -> None:
    assert enrich(CATALOGUE.read_bytes()) == {
        "CVE-2023-44487": Enrichment(exploited=Exploitation(added="2023-10-10", due="2023-10-31", ransomware=False)),
        "CVE-2014-0160": Enrichment(exploited=Exploitation(added="2022-05-04", due="2022-05-25", ransomware=False)),
        "CVE-2021-44228": Enrichment(exploited=Exploitation(added="2021-12-10", due="2021-12-24", ransomware=True)),
    }


def test_the_whole_catalogue_is_read(shared_data: Path) -> None:
    content = (shared_data / "mirror" / FEED.parts[0].documents[0].url.removeprefix("https://")).read_bytes()
    assert len(enrich(content)) == json.loads(content)["count"] == 1662


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b'{"vulnerabilities": [{"cveID": "CVE-1"', b"[]", b"{}", b'{"vulnerabilities": [7, {}]}'],
)
def test_what_is_no_catalogue_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        enrich(content)


def test_a_malformed_entry_is_skipped_and_named(caplog: pytest.LogCaptureFixture) -> None:
    good = {"cveID": "CVE-2026-1", "dateAdded": "2026-01-01"}
    entries = [good, {**good, "cveID": 7}, {**good, "dateAdded": "soon"}, None]
    with caplog.at_level(logging.WARNING):
        found = enrich(json.dumps({"vulnerabilities": entries}).encode())
    assert found == {"CVE-2026-1": Enrichment(exploited=Exploitation(added="2026-01-01"))}
    assert "count=3" in caplog.text


def test_it_speaks_of_no_packages() -> None:
    assert list(FEED.parse(FEED.parts[0], [io.BytesIO()], "r1")) == []
    assert FEED.speaks_for("debian:12") is None
    assert not FEED.supported("debian:12", {}, 0.0)
