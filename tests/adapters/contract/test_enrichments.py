"""The contract of `Enrichments`."""

import pytest

from eclair.model import CvssScore, Enrichment, Exploitation, ExploitProbability
from eclair.ports import Enrichments
from tests.adapters.contract.conftest import Stores

CVSS = Enrichment(cvss=CvssScore(score=9.8, vector="CVSS:3.1/AV:N", version="3.1", source="nvd"))
EXPLOITED = Enrichment(exploited=Exploitation(added="2026-01-01", due="2026-02-01", ransomware=True))
LIKELY = Enrichment(probability=ExploitProbability(score=0.97, percentile=None))


@pytest.fixture
def enrichments(stores: Stores) -> Enrichments:
    return stores.enrichments


def test_what_is_saved_is_known(enrichments: Enrichments) -> None:
    enrichments.save(
        "nvd", {"2026-0": {"CVE-2026-0001": CVSS, "CVE-2026-0002": LIKELY}, "2026-1": {"CVE-2026-0100": CVSS}}
    )
    asked = {"2026-0": ["CVE-2026-0001", "CVE-2026-0003"], "2026-1": ["CVE-2026-0100"], "2026-7": ["CVE-2026-0700"]}
    assert enrichments.of(["nvd"], asked) == {"CVE-2026-0001": CVSS, "CVE-2026-0100": CVSS}
    assert enrichments.of([], asked) == enrichments.of(["nvd"], {}) == enrichments.of(["kev"], asked) == {}


def test_what_feeds_say_is_joined(enrichments: Enrichments) -> None:
    for feed, said in (("kev", EXPLOITED), ("nvd", CVSS), ("epss", LIKELY)):
        enrichments.save(feed, {"2026-0": {"CVE-2026-0001": said}})
    asked = {"2026-0": ["CVE-2026-0001"]}
    assert enrichments.of(["nvd", "epss"], asked) == {"CVE-2026-0001": CVSS.with_(LIKELY)}
    assert enrichments.of(["nvd", "kev", "epss"], asked) == {
        "CVE-2026-0001": Enrichment(cvss=CVSS.cvss, exploited=EXPLOITED.exploited, probability=LIKELY.probability)
    }


def test_a_block_is_replaced_as_one_and_an_empty_one_is_gone(enrichments: Enrichments) -> None:
    enrichments.save("nvd", {"2026-0": {"CVE-2026-0001": CVSS, "CVE-2026-0002": CVSS}})
    asked = {"2026-0": ["CVE-2026-0001", "CVE-2026-0002"]}
    for _ in range(2):
        enrichments.save("nvd", {"2026-0": {"CVE-2026-0002": LIKELY}})
        assert enrichments.of(["nvd"], asked) == {"CVE-2026-0002": LIKELY}
    for _ in range(2):
        enrichments.save("nvd", {"2026-0": {}})
        assert enrichments.of(["nvd"], asked) == {}


def test_more_blocks_than_a_batch_are_read(enrichments: Enrichments) -> None:
    blocks = {f"2026-{number}": {f"CVE-2026-{number}00": CVSS} for number in range(130)}
    enrichments.save("nvd", blocks)
    assert len(enrichments.of(["nvd"], {name: list(said) for name, said in blocks.items()})) == 130
