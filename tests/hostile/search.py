"""Look long for an input that makes a parser do more than read or refuse it.

Run: tests/hostile/run [--seconds 180] [--begin NUMBER] [--guided] [--list] [NAME...]; without names all in turn.
What is found is written to `.local/fuzz` and becomes one of the hostile cases. `--guided` needs `atheris`, which is no
dependency of ours, and looks for inputs that reach new code.
"""

import argparse
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOUND = ROOT / ".local" / "fuzz"


def main() -> int:
    arguments = _arguments()
    if arguments.guided and len(arguments.names) == 1:
        return _guided(arguments.names[0], arguments.seconds)
    from tests.hostile.fuzzing import targets

    if arguments.list:
        _say("\n".join(targets()))
        return 0
    wanted = arguments.names or list(targets())
    if arguments.guided:  # a process each, as it does not return
        runs = [sys.executable, "-m", "tests.hostile.search", "--guided", f"--seconds={arguments.seconds}"]
        return max(subprocess.run([*runs, name], check=False, cwd=ROOT).returncode for name in wanted)
    return max(_search(name, arguments.seconds, arguments.begin) for name in wanted)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/hostile/run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seconds", type=float, default=180, help="for each target")
    parser.add_argument("--begin", type=int, help="the number of the first input; by default any")
    parser.add_argument("--guided", action="store_true")
    parser.add_argument("--list", action="store_true", help="name the targets")
    return parser.parse_args()


def _search(name: str, seconds: float, begin: int | None) -> int:
    from tests.hostile.fuzzing import look, targets

    first = time.time_ns() // 1_000_000 * 1000 if begin is None else begin
    end = time.monotonic() + seconds
    inputs = 0
    seen: set[str] = set()
    for found in look(targets()[name], count(first)):
        inputs += 1
        if found is not None and (kind := f"{type(found.what).__name__} {found.where}") not in seen:
            seen.add(kind)
            FOUND.mkdir(parents=True, exist_ok=True)
            place = FOUND / f"{name}-{found.number}"
            place.write_bytes(found.content)
            _say(f"FOUND {found}\n  {place}")
        if time.monotonic() > end:
            break
    _say(f"{name}: {inputs} inputs from {first} on in {seconds:.0f} s, {len(seen)} faults")
    return bool(seen)


def _guided(name: str, seconds: float) -> int:
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with atheris.instrument_imports(include=["eclair"]):
        from tests.hostile.fuzzing import LARGEST, read, seeds, targets

        target = targets()[name]
    folder = FOUND / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (folder / f"seed-{number:03}").write_bytes(seed)
    options = [f"-max_len={LARGEST}", "-timeout=60", "-rss_limit_mb=1024", f"-max_total_time={seconds:.0f}"]
    options += [f"-artifact_prefix={FOUND}/{name}-", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], str(folder), *options], lambda content: read(target, content))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
