"""What does it cost to read a whole feed? Prints one JSON line per measurement.

Run: python tests/benchmarks/bench_feeds.py [NAME...] (needs the folder that ECLAIR_SHARED_DATA names; see
tests/conftest.py). Seconds are of processor time, the best of some rounds. Each measurement has a process of its own,
so that the peak memory is its own. `times_json` compares with the plain way through the same bytes: zipfile or tarfile,
and orjson.

`osv/npm-malware` is made here: as many records of malware as the real archive of npm has, more than 200,000.
"""

import json
import os
import resource
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import gettempdir

import orjson

from eclair import feeds
from eclair.advisories.json_stream import members
from eclair.feeds import Following, Incremental, Part
from eclair.model import Unread

ROOT = Path(__file__).parent.parent.parent
MIRROR = Path(os.environ.get("ECLAIR_SHARED_DATA", ROOT.parent / "shared" / "data")) / "mirror"
TRACKER = MIRROR / "security-tracker.debian.org" / "tracker" / "data" / "json"
ROUNDS = 3

MALWARE = Path(gettempdir()) / "eclair-bench-npm-malware.zip"
MALWARE_RECORDS = 220_000

Counts = dict[str, int]


# --- the plain way ---------------------------------------------------------------------------------------------------


def read_tracker() -> Counts:
    return {"entries": len(orjson.loads(TRACKER.read_bytes()))}


def stream_tracker() -> Counts:
    with TRACKER.open("rb") as stream:
        return {"entries": sum(1 for _ in members(stream))}


def read_archive(place: Path) -> Counts:
    return {"entries": sum(1 for content in _documents(place) if orjson.loads(content))}


def _documents(place: Path) -> Iterator[bytes]:
    if place.suffix == ".zip":
        with zipfile.ZipFile(place) as archive:
            yield from map(archive.read, archive.infolist())
        return
    with tarfile.open(place, "r|*") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                yield content.read()


# --- ours ------------------------------------------------------------------------------------------------------------


def parse(name: str, places: dict[str, list[Path]]) -> Counts:
    """Read the parts of a feed, each from its documents."""
    feed = feeds.load()[name]
    units = statements = 0
    for part in feed.parts:
        with ExitStack() as stack:
            streams = [stack.enter_context(place.open("rb")) for place in places.get(part.name, ())]
            for said in feed.parse(part, streams, "benchmark") if streams else ():
                if not isinstance(said, Unread):
                    units += 1
                    statements += len(said.statements)
    return {"units": units, "statements": statements}


def _places(part: Part) -> list[Path]:
    """Return the documents of a part that the mirror has."""
    places = (MIRROR / document.url.removeprefix("https://").replace("%20", " ") for document in part.documents)
    return [place for place in places if place.is_file()]


def make_malware() -> None:
    """Write the archive of malware."""
    with zipfile.ZipFile(MALWARE, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(MALWARE_RECORDS):
            archive.writestr(f"MAL-2024-{number}.json", json.dumps(_malware(number)))


def _malware(number: int) -> dict[str, object]:
    """Return a record as the OpenSSF's are, but for its names and versions."""
    name = f"@scope-{number % 977}/package-{number * 7919 % 1_000_003}"
    versions = [f"{number % 9}.{number % 7}.{patch}" for patch in range(1 + number % 4)]
    origin = {
        "source": "ossf-package-analysis",
        "sha256": f"{number:064x}",
        "import_time": "2024-06-30T03:52:51.056208943Z",
        "versions": versions,
    }
    return {
        "schema_version": "1.6.0",
        "id": f"MAL-2024-{number}",
        "summary": f"Malicious code in {name} (npm)",
        "details": "The OpenSSF Package Analysis project identified this package as malicious." * 4,
        "modified": "2024-04-28T04:08:00Z",
        "published": "2024-04-28T04:08:00Z",
        "affected": [{"package": {"ecosystem": "npm", "name": name, "purl": f"pkg:npm/{name}"}, "versions": versions}],
        "database_specific": {"malicious-packages-origins": [origin]},
    }


def measurements() -> dict[str, tuple[Callable[[], Counts], Callable[[], Counts] | None]]:
    """Return what is measured, each with the plain way through the same bytes where there is one."""
    found: dict[str, tuple[Callable[[], Counts], Callable[[], Counts] | None]] = {
        "stream debian/tracker": (stream_tracker, read_tracker)
    }
    for feed in feeds.load().values():
        for part in () if isinstance(feed, Incremental | Following) else feed.parts:
            places = _places(part)
            if places:
                plain = read_tracker if places == [TRACKER] else _plain(places)
                found[f"{feed.name}/{part.name}"] = partial(parse, feed.name, {part.name: places}), plain
    malware = partial(parse, "osv", {"npm": [MALWARE]})
    found["osv/npm-malware"] = malware, partial(read_archive, MALWARE)
    return found


def _plain(places: list[Path]) -> Callable[[], Counts] | None:
    return partial(read_archive, places[0]) if places[0].suffix in (".zip", ".xz") else None


def measure(name: str, way: int) -> dict[str, object]:
    """Return the best time of some rounds, and the peak memory of this process."""
    function = measurements()[name][way]
    assert function is not None, "only what there is is asked for"
    seconds = []
    for _ in range(1 if name == "osv/npm-malware" else ROUNDS):
        start = time.process_time()
        counts = function()
        seconds.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"benchmark": name, "seconds": round(min(seconds), 3), "peak_rss_mb": round(peak), **counts}


def _apart(name: str, way: int) -> dict[str, float]:
    run = subprocess.run([sys.executable, __file__, "--one", name, str(way)], check=True, capture_output=True)
    result: dict[str, float] = json.loads(run.stdout)
    return result


def main(names: list[str]) -> None:
    if not MALWARE.exists():
        # Not in this process: its peak memory would be taken for that of its children.
        subprocess.run([sys.executable, __file__, "--make"], check=True)
    every = measurements()
    for name in names or sorted(every):
        result = _apart(name, 0)
        if every[name][1] is not None:
            result["times_json"] = round(result["seconds"] / _apart(name, 1)["seconds"], 1)
        print(json.dumps(result), flush=True)  # noqa: T201 - the output is what this is for


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make_malware()
    elif sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))  # noqa: T201
    else:
        main(sys.argv[1:])
