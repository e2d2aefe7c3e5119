"""Twice as much input is about twice as much work, counted by the lines of Python that are run."""

import pytest

from tests.hostile.growth import Growing, growing
from tests.work import steps

FEWER, MORE = 60, 480
"""Eight times as much; the larger one is still read without a limit."""
CASES = list(growing())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_work_grows_as_the_input_does(case: Growing) -> None:
    few, many = case.make(FEWER), case.make(MORE)
    case.read(few)
    assert steps(lambda: case.read(many)) < 10 * steps(lambda: case.read(few))
