"""What does a cold start cost each function? Prints one JSON line per function.

Run: python tests/benchmarks/bench_import.py [--rounds N]

A new interpreter imports `boto3`, which every function needs, and then the handler; the figures are medians. Compiled
files are there, as after a first use.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent.parent
FUNCTIONS = sorted(path.parent for path in (ROOT / "functions").glob("*/app.py"))


def milliseconds(folder: Path) -> tuple[float, float]:
    """Return what importing boto3 took, and what the handler took beyond it."""
    code = """
import json, time
start = time.perf_counter()
import boto3
between = time.perf_counter()
import app
print(json.dumps([between - start, time.perf_counter() - between]))
"""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder, env=kept)
    boto3, handler = json.loads(done.stdout)
    return boto3 * 1000, handler * 1000


def main() -> None:
    arguments = argparse.ArgumentParser(description="Time the import of each handler beside that of boto3.")
    arguments.add_argument("--rounds", type=int, default=7)
    rounds = arguments.parse_args().rounds
    for folder in FUNCTIONS:
        milliseconds(folder)
        boto3, handler = (median(times) for times in zip(*(milliseconds(folder) for _ in range(rounds)), strict=True))
        figures = {"boto3_ms": round(boto3), "above_ms": round(handler)}
        sys.stdout.write(json.dumps({"measured": f"cold import of {folder.name}", **figures}) + "\n")


if __name__ == "__main__":
    main()
