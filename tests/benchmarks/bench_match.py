"""What does it cost to match an image of 500 packages? Prints JSON lines.

Run: python tests/benchmarks/bench_match.py (needs the folder that ECLAIR_SHARED_DATA names; requests are counted where
DynamoDB Local is there, see tests/adapters/dynamodb_local.py). The packages are 500 source packages of bookworm, taken
evenly from all that the Debian tracker speaks of, each at the version that the tracker has for it, and once more
older than every fix. `core` is the
processor time of the verdicts once statements are read, the best of some rounds, cold (no version has been keyed yet)
and warm. In DynamoDB only what is said of these packages is loaded: a query stays within the partition of its package,
so what else there is makes no difference to the number of requests.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from eclair import verdict
from eclair.adapters.documents import FolderDocuments
from eclair.adapters.dynamodb_advisories import DynamoAdvisories
from eclair.adapters.dynamodb_feeds import DynamoFeeds
from eclair.adapters.memory import MemoryAdvisories, MemoryFeeds, MemoryImages, MemoryQueues
from eclair.judge import features, judgement
from eclair.model import Feature, Package, PackageKey, PackageSet, RefreshRequest, SetId, Statement
from eclair.ports import Advisories, Feeds
from eclair.refresh import Refresh
from tests.adapters.contract.conftest import new_table
from tests.adapters.dynamodb_local import absence, endpoint
from tests.benchmarks.bench_refresh import MIRROR, TRACKER, Meter

PACKAGES = 500
ROUNDS = 5
NAMESPACE = "debian:12"
OLDER = "0~"


def installed() -> Iterator[Package]:
    """Yield packages of bookworm at the versions that the tracker knows."""
    tracker = json.loads((MIRROR / TRACKER).read_bytes())
    versions = {
        source: version
        for source, rows in tracker.items()
        for row in rows.values()
        for version in row["releases"].get("bookworm", {}).get("repositories", {}).values()
        if version != "0"
    }
    step = len(versions) / PACKAGES
    for source in (sorted(versions)[int(number * step)] for number in range(PACKAGES)):
        yield Package(type="deb", name=source, version=versions[source], path="var/lib/dpkg/status")


def load(advisories: Advisories, feeds: Feeds, wanted: Callable[[PackageKey], bool] | None = None) -> None:
    refresh = Refresh(
        advisories=advisories,
        feeds=feeds,
        documents=FolderDocuments(MIRROR),
        images=MemoryImages(),
        queues=MemoryQueues(),
        clock=time.time,
        wanted=wanted,
    )
    refresh(RefreshRequest(feed="debian", part="tracker"))


def core(versions: str, judged: Sequence[Feature], advisories: Advisories) -> None:
    """Measure the verdicts, and judging as a whole over a store in memory."""
    said = {feature: _candidates(advisories, feature) for feature in judged}
    verdict._key.cache_clear()  # what loading has keyed is not there in another process
    rounds = [
        _seconds(lambda: [verdict.verdicts(feature, some) for feature, some in said.items()]) for _ in range(ROUNDS)
    ]
    whole = min(_seconds(lambda: judgement(advisories, judged)) for _ in range(ROUNDS))
    _tell(
        what="core",
        versions=versions,
        features=len(judged),
        statements=sum(map(len, said.values())),
        verdicts=len(judgement(advisories, judged).verdicts),
        cold_ms=round(rounds[0] * 1000, 1),
        warm_ms=round(min(rounds) * 1000, 1),
        judgement_in_memory_ms=round(whole * 1000, 1),
    )


def _candidates(advisories: Advisories, feature: Feature) -> Sequence[Statement]:
    return tuple(advisories.statements(advisories.candidates(feature.package, feature.key)).values())


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def requests(versions: str, judged: Sequence[Feature], advisories: Advisories, meter: Meter) -> None:
    """Count what judging asks of DynamoDB."""
    meter.reset()
    start = time.perf_counter()
    found = judgement(advisories, judged)
    _tell(
        what="requests",
        versions=versions,
        features=len(judged),
        statements=len(found.statements),
        requests=sum(meter.requests.values()),
        by_operation=dict(meter.requests),
        seconds=round(time.perf_counter() - start, 2),
    )


def _tell(**result: object) -> None:
    print(json.dumps({"benchmark": "match", **result}), flush=True)  # noqa: T201 - the output is what this is for


def main() -> None:
    package_set = PackageSet(id=SetId("benchmark"), type="deb", namespace=NAMESPACE, packages=tuple(installed()))
    old = replace(package_set, packages=tuple(replace(some, version=OLDER) for some in package_set.packages))
    sets = {"current": features(package_set), "older than every fix": features(old)}
    advisories = MemoryAdvisories()
    load(advisories, MemoryFeeds())
    for versions, judged in sets.items():
        core(versions, judged, advisories)
    if missing := absence():
        print(missing, file=sys.stderr)  # noqa: T201
        return
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "testing")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testing")
    with tempfile.TemporaryDirectory() as scratch, endpoint(Path(scratch)) as host:
        table = new_table(host)
        stored = DynamoAdvisories(table)
        load(stored, DynamoFeeds(table), {feature.package for feature in sets["current"]}.__contains__)
        meter = Meter(table)
        for versions, judged in sets.items():
            requests(versions, judged, stored, meter)


if __name__ == "__main__":
    main()
