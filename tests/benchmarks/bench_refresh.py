"""What does it cost to load feeds into DynamoDB? Prints one JSON line per load.

Run: python tests/benchmarks/bench_refresh.py [FEED/PART ...] (debian/tracker). Needs DynamoDB Local
(ECLAIR_DYNAMODB_LOCAL_JAR, see tests/adapters/dynamodb_local.py) and the folder that ECLAIR_SHARED_DATA names. A load
is made a first time, again from the same documents, and (Debian) after one advisory changed. Write units are counted
as DynamoDB does: by the kilobyte, twice in transactions. Each part has a process of its own for its peak memory.
"""

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from eclair.adapters.documents import FolderDocuments
from eclair.adapters.dynamodb import Table
from eclair.adapters.dynamodb_advisories import DynamoAdvisories
from eclair.adapters.dynamodb_enrichments import DynamoEnrichments
from eclair.adapters.dynamodb_feeds import DynamoFeeds
from eclair.adapters.memory import MemoryImages, MemoryQueues
from eclair.application import WRITERS
from eclair.model import RefreshRequest
from eclair.refresh import Refresh
from tests.adapters.contract.conftest import new_table
from tests.adapters.dynamodb_local import absence, endpoint

ROOT = Path(__file__).parent.parent.parent
MIRROR = Path(os.environ.get("ECLAIR_SHARED_DATA", ROOT.parent / "shared" / "data")) / "mirror"
TRACKER = "security-tracker.debian.org/tracker/data/json"
KILOBYTE = 1024


class Meter:
    """Counts requests, and the write units of what they write."""

    def __init__(self, table: Table) -> None:
        self.requests: Counter[str] = Counter()
        self.write_units = 0
        self._lock = Lock()
        events = table.row.connection().connection.client.meta.events
        events.register("provide-client-params.dynamodb.*", self._count)

    def _count(self, params: Mapping[str, Any], model: Any, **_: object) -> None:
        with self._lock:
            self.requests[model.name] += 1
            self.write_units += _write_units(model.name, params)

    def reset(self) -> None:
        self.requests.clear()
        self.write_units = 0


def _write_units(operation: str, params: Mapping[str, Any]) -> int:
    match operation:
        case "BatchWriteItem":
            requests = (request for some in params["RequestItems"].values() for request in some)
            return sum(_units(request.get("PutRequest", {}).get("Item", {})) for request in requests)
        case "TransactWriteItems":
            return 2 * sum(_units(action["Put"]["Item"]) for action in params["TransactItems"])
        case "PutItem":
            return _units(params["Item"])
        case "UpdateItem" | "DeleteItem":
            return 1
    return 0


def _units(item: Mapping[str, Mapping[str, Any]]) -> int:
    size = sum(len(name) + sum(_size(value) for value in typed.values()) for name, typed in item.items())
    return max(1, math.ceil(size / KILOBYTE))


def _size(value: object) -> int:
    return len(value) if isinstance(value, bytes | str) else 8


def load(name: str, host: str) -> None:
    feed, _, part = name.partition("/")
    table = new_table(host)
    meter = Meter(table)
    refresh = Refresh(
        advisories=DynamoAdvisories(table),
        feeds=DynamoFeeds(table),
        enrichments=DynamoEnrichments(table),
        documents=FolderDocuments(MIRROR),
        images=MemoryImages(),
        queues=MemoryQueues(),
        clock=time.time,
        each=ThreadPoolExecutor(WRITERS).map,
    )
    request = RefreshRequest(feed=feed, part=part)
    _measure(name, "first load", refresh, request, meter)
    _measure(name, "unchanged", refresh, request, meter)
    if feed == "debian":
        with tempfile.TemporaryDirectory() as folder:
            _change_one(Path(folder))
            _measure(
                name, "one advisory changed", replace(refresh, documents=FolderDocuments(Path(folder))), request, meter
            )


def _change_one(folder: Path) -> None:
    """Copy the tracker with one advisory of one release changed."""
    tracker = json.loads((MIRROR / TRACKER).read_bytes())
    tracker["openssl"]["CVE-2024-13176"]["releases"]["bookworm"]["urgency"] = "high"
    place = folder / TRACKER
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(tracker))


def _measure(name: str, what: str, refresh: Refresh, request: RefreshRequest, meter: Meter) -> None:
    meter.reset()
    start, cpu = time.perf_counter(), time.process_time()
    done = refresh(request)
    assert done is not None
    result = {
        "benchmark": "refresh",
        "part": name,
        "load": what,
        "names": done.names,
        "statements_written": done.written,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "requests": sum(meter.requests.values()),
        "write_units": meter.write_units,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTE,
        "by_operation": dict(meter.requests),
    }
    print(json.dumps(result), flush=True)  # noqa: T201 - the output is what this is for


def main() -> None:
    missing = absence()
    if missing:
        print(missing, file=sys.stderr)  # noqa: T201
        return
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "testing")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testing")
    with tempfile.TemporaryDirectory() as scratch, endpoint(Path(scratch)) as host:
        for name in sys.argv[1:] or ["debian/tracker"]:
            subprocess.run([sys.executable, __file__, "--load", name, host], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        load(*sys.argv[2:])
    else:
        main()
