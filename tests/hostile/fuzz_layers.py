"""Does any layer do more than be read or be refused? Looks for one until it is stopped.

Run: python tests/hostile/fuzz_layers.py [FOLDER] [-max_total_time=SECONDS ...] (needs `atheris`, which is no dependency
of ours). FOLDER collects what reached new code; it begins with the hostile cases. What is found becomes one of those
cases, and a short run of mutations like these, without atheris, is among the tests.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LARGEST = 64 * 1024


def main() -> None:
    import atheris  # type: ignore[import-untyped]

    sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "eclair")]
    with atheris.instrument_imports(include=["eclair"]):
        from tests.hostile.layers import cases
        from tests.hostile.mutations import blob_of, survive
    folder = Path(next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "fuzz-layers"))
    folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(cases()):
        blob = case.make()
        if len(blob) <= LARGEST:
            (folder / f"case-{number:03}").write_bytes(bytes((blob[257:262] == b"ustar",)) + blob)
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    atheris.Setup(
        [sys.argv[0], str(folder), f"-max_len={LARGEST}", "-timeout=20", "-rss_limit_mb=1024", *options],
        lambda content: survive(blob_of(content)),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
