"""How long does the flow take on the local stack? Prints one JSON line per measurement.

Run: python tests/benchmarks/bench_stack.py [--rounds N] (installs the emulator where it is missing)

On a warm stack with the sample image and the samples' feeds: from the first byte of a push of a new image (whose layer
is known: `again`; or not: `new`) to the moment its report can be read, and from the publication of an advisory's new
revision to the arrival of its notice. The quiet window is one second and part of the latter.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from infra.local import demo
from infra.local.flow import Flow
from infra.local.stack import down, up

PORT = 15566


def variant(layout: Path, number: int, *, new_layer: bool) -> Path:
    """Return a copy of the layout whose image has a label of its own and, if asked for, a layer nobody has seen."""
    copy = layout.parent / f"variant-{number}-{new_layer}"
    shutil.copytree(demo.IMAGE, copy)
    descriptor = json.loads((copy / "index.json").read_text())["manifests"][0]
    manifest = json.loads(blob(copy, descriptor["digest"]).read_bytes())
    if new_layer:
        layer = manifest["layers"][0]
        # A gzip stream may be followed by another one: here of nothing.
        content = blob(copy, layer["digest"]).read_bytes() + gzip_of_nothing(number)
        layer |= {"digest": put(copy, content), "size": len(content)}
    config = json.loads(blob(copy, manifest["config"]["digest"]).read_bytes())
    config.setdefault("config", {})["Labels"] = {"number": str(number)}
    content = json.dumps(config).encode()
    manifest["config"] |= {"digest": put(copy, content), "size": len(content)}
    content = json.dumps(manifest).encode()
    descriptor |= {"digest": put(copy, content), "size": len(content)}
    (copy / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    return copy


def gzip_of_nothing(number: int) -> bytes:
    """Return a gzip member that inflates to nothing and differs by its time stamp."""
    return b"\x1f\x8b\x08\0" + number.to_bytes(4, "little") + b"\0\xff\x03\0" + bytes(8)


def blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def put(layout: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(content)
    return f"sha256:{digest}"


def pushes(flow: Flow, scratch: Path, rounds: int, *, new_layer: bool) -> list[float]:
    times = []
    for number in range(rounds + 1):
        layout = variant(scratch / "layout", number + 1, new_layer=new_layer)
        start = time.perf_counter()
        flow.push(layout, "bench/image", f"{new_layer}-{number}".lower())
        times.append(time.perf_counter() - start)
    return times[1:]


def notices(flow: Flow, mirror: Path, rounds: int) -> list[float]:
    times = []
    for number in range(rounds + 1):
        revision, change = (("mirror-2", "newly-affected"), ("mirror-1", "withdrawn"))[number % 2]
        told = len(flow.notices())
        start = time.perf_counter()
        demo.publish(revision, mirror)
        flow.refresh("debian")
        flow.told(told, partial(demo.names, change=change))
        times.append(time.perf_counter() - start)
    return times[1:]


def line(measured: str, times: list[float]) -> str:
    figures = {"median_s": round(median(times), 2), "most_s": round(max(times), 2), "rounds": len(times)}
    return json.dumps({"measured": measured, **figures}) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description="Time the flow on a local stack of its own.")
    arguments.add_argument("--rounds", type=int, default=10)
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        mirror, folder = scratch / "mirror", scratch / "stack"
        demo.publish("mirror-1", mirror)
        flow = Flow(outputs=up(mirror=mirror, folder=folder, port=PORT))
        try:
            flow.refresh("debian")
            sys.stdout.write(line("push to report, new layer", pushes(flow, scratch, rounds, new_layer=True)))
            sys.stdout.write(line("push to report, known layer", pushes(flow, scratch, rounds, new_layer=False)))
            sys.stdout.write(line("advisory to notice", notices(flow, mirror, rounds)))
        finally:
            down(folder=folder)


if __name__ == "__main__":
    main()
