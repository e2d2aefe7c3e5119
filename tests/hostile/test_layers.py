"""No layer hurts: time and memory stay bounded, the rest of the image is found, and what could not be read is named."""

import io
import re
import resource
from collections import Counter

import pytest

from eclair import ecosystems
from eclair.coalesce import coalesce
from eclair.errors import BadImage
from eclair.image.filesystem import read_layer
from eclair.model import Layer
from tests.hostile.corpus import FAMILIES
from tests.hostile.layers import DATABASE, GOOD, Case
from tests.tars import reference
from tests.work import guarded

CASES = [(family, case) for family, cases in FAMILIES.items() for case in cases()]
MEGABYTES = 100
"""What the process may grow by while a layer is read."""


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_there_are_cases_of_every_family_each_with_a_name_of_its_own() -> None:
    count = Counter(family for family, _ in CASES)
    assert len({case.name for _, case in CASES}) == count.total() >= 400
    assert min(count.values()) >= 9, count


@pytest.fixture(scope="module")
def base() -> Layer:
    blob = GOOD.replace(b"sentinel", b"basement")
    return read_layer(io.BytesIO(blob), reference(blob), ecosystems.readers())


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=lambda case: case.name)
def test_a_hostile_layer_is_refused_or_read_with_what_is_damaged_named(case: Case, base: Layer) -> None:
    blob = case.make()
    before = megabytes()
    if case.refused:
        with guarded(), pytest.raises(BadImage, match=case.refused) as refused:
            read(blob, case)
        assert reference(blob).digest in str(refused.value)
    else:
        with guarded():
            contents = coalesce([base, read(blob, case)])
        names = tuple(one.package.name for one in contents.installed if one.package.path == DATABASE)
        assert names == case.packages
        problems = "\n".join(map(": ".join, contents.problems))
        if not case.unnoticed:
            assert re.search(case.damage, problems) if case.damage else not problems
    assert megabytes() - before < MEGABYTES


def read(blob: bytes, case: Case) -> Layer:
    return read_layer(io.BytesIO(blob), reference(blob), ecosystems.readers(), case.limits, lambda: io.BytesIO(blob))
