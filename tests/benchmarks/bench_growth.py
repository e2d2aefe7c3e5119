"""Does the time grow as the input does? A line of JSON for each kind of input that is made to be much work.

Run: python tests/benchmarks/bench_growth.py [NAME...]

Each is read twice: as large as it is measured, and a quarter as large. The ratio of the two times is 4 where work grows
as the input does; from 8 on, where the larger one takes a tenth of a second at least, the program fails.
"""

import json
import sys
import time

from tests.hostile.growth import Growing, growing

WORST = 8.0
COUNTS = 0.1


def seconds(case: Growing, count: int) -> float:
    """Return the least of three times, since everything else only adds to it."""
    content = case.make(count)
    times = []
    for _ in range(3):
        start = time.process_time()
        case.read(content)
        times.append(time.process_time() - start)
    return min(times)


def main() -> int:
    failed = 0
    for case in growing():
        if sys.argv[1:] and not any(name in case.name for name in sys.argv[1:]):
            continue
        small, large = seconds(case, case.most // 4), seconds(case, case.most)
        ratio = large / max(small, 1e-6)
        failed += ratio > WORST and large > COUNTS
        result = {"growth": case.name, "count": case.most, "seconds": round(large, 4), "ratio": round(ratio, 1)}
        print(json.dumps(result))  # noqa: T201 - the output is what this is for
    return failed


if __name__ == "__main__":
    sys.exit(main())
