"""The fuzzers, for a moment each: `tests/hostile/run` looks on for as long as it is told to."""

import os
import time
from itertools import count

import pytest

from tests.hostile.fuzzing import look, made, seeds, targets

SECONDS = 0.3
"""Of the processor for each target, the seeds beside: how long is looked, not how long it may take."""
BEGIN = 0 if os.environ.get("CI") else time.time_ns() // 10**6 * 1000
"""Where changes are gated each run tries the same inputs; everywhere else new ones."""


@pytest.mark.parametrize("name", targets())
def test_inputs_are_read_or_refused(name: str) -> None:
    target = targets()[name]
    for found in look(target, range(len(seeds(target)))):
        assert found is None, f"a seed: {found}"
    end = time.process_time() + SECONDS
    for found in look(target, count(BEGIN)):
        assert found is None, f"{found}; see it again by tests/hostile/run --seconds 0 --begin {found.number} {name}"
        if time.process_time() > end:
            break


@pytest.mark.parametrize("name", targets())
def test_inputs_are_made_again_from_their_numbers_and_differ(name: str) -> None:
    target = targets()[name]
    some = [made(target, number) for number in range(1000, 1020)]
    assert some == [made(target, number) for number in range(1000, 1020)]
    assert len(set(some)) > 10
