"""What is known of vulnerabilities is stored in blocks, of which only those that differ are written."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pytest

from eclair.adapters.memory import MemoryEnrichments
from eclair.enrich import block_of, known_of
from eclair.errors import BadInput
from eclair.feeds import Document, Part
from eclair.model import CvssScore, Enrichment, Exploitation, ExploitProbability, RefreshRequest
from eclair.refresh import Refreshed
from tests.fleet import DEBIAN, DPKG, SHOP, Fleet, layer
from tests.test_refresh import ALL, REQUEST, ByPackage, World, _Crash


class Scores(ByPackage):
    """A feed of lines `id,score`."""

    parts = (Part(name="main", documents=(Document(url=ALL),)),)

    def speaks_for(self, namespace: str) -> str | None:
        return None

    def enrich(self, part: Part, documents: Sequence[BinaryIO]) -> Iterator[tuple[str, Enrichment]]:
        for id_, score in csv.reader(io.TextIOWrapper(documents[0])):
            yield id_, likely(float(score))


def likely(score: float) -> Enrichment:
    return Enrichment(probability=ExploitProbability(score=score, percentile=None))


class Scored(World):
    """The world of a feed that enriches."""

    def __init__(self) -> None:
        super().__init__(Scores())
        self.enrichments = MemoryEnrichments()

    def publish_scores(self, scores: Mapping[str, float]) -> None:
        self.site.documents[ALL] = "".join(f"{id_},{score}\n" for id_, score in scores.items()).encode()

    def refresh(self, *args: Any, **kwargs: Any) -> Refreshed:
        return super().refresh(*args, **{"enrichments": self.enrichments, **kwargs})

    def known(self) -> dict[str, Enrichment]:
        return {name: said for block in self.enrichments.blocks.values() for name, said in block.items()}


@pytest.fixture
def world() -> Scored:
    return Scored()


MANY = {f"CVE-2024-{number:04}": 0.5 for number in range(1000)}


def known(scores: Mapping[str, float]) -> dict[str, Enrichment]:
    return {name: likely(score) for name, score in scores.items()}


@pytest.mark.parametrize(
    ("vulnerability", "block"),
    [
        ("CVE-2024-0001", "2024-0"),
        ("CVE-2024-0100", "2024-1"),
        ("CVE-2024-123456", "2024-1234"),
        ("GHSA-77vh-xpmg-72qh", None),
        ("CVE-2024-x", None),
        ("CVE-2024-" + "9" * 5000, None),
    ],
)
def test_neighbours_share_a_block(vulnerability: str, block: str | None) -> None:
    assert block_of(vulnerability) == block


def test_a_first_load_writes_all_blocks(world: Scored) -> None:
    world.publish_scores({**MANY, "TEMP-1": 0.1})
    assert world.refresh() == Refreshed(changed=True, names=1000, differed=10, written=1000)
    assert world.known() == known(MANY)
    assert (world.part.rows, world.part.closed, world.part.supported) == (1000, True, ())


def test_only_blocks_that_differ_are_written(world: Scored) -> None:
    world.publish_scores(MANY)
    world.refresh()
    assert world.refresh() == Refreshed(changed=False)
    changed = {**MANY, "CVE-2024-0123": 0.9, "CVE-2025-0001": 0.1}
    del changed["CVE-2024-0500"]
    world.publish_scores(changed)
    assert world.refresh().differed == 3
    assert world.known() == known(changed)


def test_a_block_that_is_gone_is_deleted(world: Scored) -> None:
    world.publish_scores({"CVE-2024-0001": 0.1, "CVE-2025-0001": 0.2})
    world.refresh()
    world.publish_scores({"CVE-2025-0001": 0.2})
    world.refresh(RefreshRequest(feed="toy", part="main", accept=True))
    assert world.known() == known({"CVE-2025-0001": 0.2})


def test_a_feed_that_loses_many_blocks_is_not_believed(world: Scored) -> None:
    world.publish_scores(MANY)
    world.refresh()
    world.publish_scores({"CVE-2024-0001": 0.1})
    assert world.refresh().held
    assert world.known() == known(MANY)


@pytest.mark.parametrize("then", [MANY, {"CVE-2024-0001": 0.9}], ids=["reverted", "another"])
def test_after_a_crash_at_any_call_the_next_run_completes(then: Mapping[str, float]) -> None:
    number = 1
    while True:
        world = Scored()
        world.publish_scores(MANY)
        world.refresh()
        world.publish_scores(dict.fromkeys(MANY, 0.7))
        world.crash = number
        try:
            world.refresh()
        except _Crash:
            world.crash = 0
            world.now += 1000
            world.publish_scores(then)
            world.refresh(RefreshRequest(feed="toy", part="main", accept=True))
            assert {name: said for name, said in world.known().items() if name in then} == known(then)
            assert not world.feeds.writing
            number += 1
        else:
            assert number > 5
            return


def test_without_a_store_it_is_not_loaded(world: Scored) -> None:
    world.publish_scores(MANY)
    with pytest.raises(BadInput, match="there is no store"):
        world.refresh(REQUEST, enrichments=None)


def test_what_several_feeds_know_is_one_answer() -> None:
    store = MemoryEnrichments()
    cvss = CvssScore(score=10.0, vector="AV", version="3.1", source="nvd")
    store.save("nvd", {"2021-442": {"CVE-2021-44228": Enrichment(cvss=cvss)}})
    store.save("kev", {"2021-442": {"CVE-2021-44228": Enrichment(exploited=Exploitation(added="2021-12-10"))}})
    asked = ["CVE-2021-44228", "CVE-2021-44229", "GHSA-x"]
    assert known_of(store, ["kev", "nvd", "epss"], asked) == {
        "CVE-2021-44228": Enrichment(cvss=cvss, exploited=Exploitation(added="2021-12-10"))
    }
    assert known_of(store, [], asked) == known_of(store, ["kev"], []) == {}


def test_reports_show_what_is_known_beside_the_verdict() -> None:
    fleet = Fleet()
    fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1.0")
    fleet.load("debian")
    (image,) = fleet.ports.images.images.values()
    before = fleet.application.report.image(image.digest).findings
    finding = next(found for found in before if block_of(found.vulnerability))
    said = Enrichment(
        cvss=CvssScore(score=7.5, vector="AV", version="3.1", source="nvd"),
        exploited=Exploitation(added="2026-01-01"),
        probability=ExploitProbability(score=0.25, percentile=0.9),
    )
    fleet.ports.enrichments.save("kev", {block_of(finding.vulnerability) or "": {finding.vulnerability: said}})
    after = fleet.application.report.image(image.digest).findings
    assert [(found.vulnerability, found.severity, found.state) for found in after] == [
        (found.vulnerability, found.severity, found.state) for found in before
    ]
    for found in after:
        expected = (7.5, "2026-01-01", 0.25) if found.vulnerability == finding.vulnerability else (None, None, None)
        assert (found.cvss, found.exploited, found.epss) == expected
    vulnerability = fleet.application.report.vulnerability(finding.vulnerability)
    assert (vulnerability.cvss, vulnerability.exploited, vulnerability.probability) == (
        said.cvss,
        said.exploited,
        said.probability,
    )
