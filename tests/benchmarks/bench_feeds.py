"""What does it cost to read a whole feed? Prints one JSON line per measurement.

Run: python tests/benchmarks/bench_feeds.py (needs the folder that ECLAIR_SHARED_DATA names; see tests/conftest.py).
Each measurement has a process of its own, so that the peak memory is its own.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import orjson

from eclair import feeds
from eclair.json_stream import members
from eclair.model import Unread

ROOT = Path(__file__).parent.parent.parent
MIRROR = Path(os.environ.get("ECLAIR_SHARED_DATA", ROOT.parent / "shared" / "data")) / "mirror"
TRACKER = MIRROR / "security-tracker.debian.org" / "tracker" / "data" / "json"
ROUNDS = 3


def read_with_orjson() -> dict[str, int]:
    return {"entries": len(orjson.loads(TRACKER.read_bytes()))}


def stream_entries() -> dict[str, int]:
    with TRACKER.open("rb") as stream:
        return {"entries": sum(1 for _ in members(stream))}


def parse_debian() -> dict[str, int]:
    return _parse("debian")


def parse_alpine() -> dict[str, int]:
    return _parse("alpine")


def _parse(name: str) -> dict[str, int]:
    """Read every part of the feed that the mirror has."""
    feed = feeds.load()[name]
    packages = statements = 0
    for part in feed.parts:
        places = [MIRROR / document.url.removeprefix("https://") for document in part.documents]
        with ExitStack() as stack:
            streams = [stack.enter_context(place.open("rb")) for place in places if place.exists()]
            for said in feed.parse(part, streams, "benchmark") if streams else ():
                if not isinstance(said, Unread):
                    packages += 1
                    statements += len(said.statements)
    return {"packages": packages, "statements": statements}


MEASUREMENTS: Mapping[str, Callable[[], dict[str, int]]] = {
    function.__name__: function for function in (read_with_orjson, stream_entries, parse_debian, parse_alpine)
}


def measure(name: str) -> dict[str, object]:
    """Return the best time of some rounds, and the peak memory of this process."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        counts = MEASUREMENTS[name]()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"benchmark": name, "seconds": round(min(seconds), 3), "peak_rss_mb": round(peak), **counts}


def main() -> None:
    baseline = 0.0
    for name in MEASUREMENTS:
        run = subprocess.run([sys.executable, __file__, name], check=True, capture_output=True)
        result = json.loads(run.stdout)
        baseline = baseline or result["seconds"]
        if name != "parse_alpine":
            result["times_orjson"] = round(result["seconds"] / baseline, 1)
        print(json.dumps(result))  # noqa: T201 - the output is what this is for


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(sys.argv[1])))  # noqa: T201
    else:
        main()
