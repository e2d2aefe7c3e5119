"""Paths are kept in few bytes, and read as they were added."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.image.path_list import PathList, has_any, is_target, links, unpacked


def packed(paths: list[bytes]) -> bytes:
    some = PathList()
    for path in paths:
        some.add(path)
    return some.packed()


@given(st.lists(st.binary(min_size=1, max_size=30).filter(lambda path: 0 not in path)))
def test_paths_are_read_as_they_were_added(paths: list[bytes]) -> None:
    assert [path for some in unpacked(packed(paths)) for path in some] == paths


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 50_000])
def test_any_number_of_paths_is_read_some_at_a_time(count: int) -> None:
    paths = [b"usr/share/doc/package-%d/changelog" % number for number in range(count)]
    blocks = list(unpacked(packed(paths)))
    assert [path for some in blocks for path in some] == paths
    assert max((len(some) for some in blocks), default=0) < 40_000


def test_paths_that_stand_near_one_another_take_few_bytes() -> None:
    paths = [b"usr/lib/python3/site-packages/package%d/module%d.py" % (n // 20, n % 20) for n in range(20_000)]
    assert len(packed(paths)) < 5 * len(paths)


def test_a_layer_of_before_has_none() -> None:
    assert list(unpacked(b"")) == []


def test_links_are_told_with_their_targets() -> None:
    some = PathList()
    for path, target in ((b"lib", b"/usr/lib"), (b"a/b", b"..//x"), (b"c", b"")):
        some.add(path)
        some.add_target(path, target)
    some.add(b"d/")
    (paths,) = unpacked(some.packed())
    assert list(links(paths)) == [(b"lib", b"/usr/lib"), (b"a/b", b"..//x"), (b"c", b"")]
    assert [path for path in paths if not is_target(path)] == [b"lib", b"a/b", b"c", b"d/"]


def test_a_path_is_on_the_list_with_all_that_is_below_it_but_not_for_where_a_link_leads() -> None:
    some = PathList()
    some.add(b"opt/dpkg/status")
    some.add(b"lib")
    some.add_target(b"lib", b"opt/other")
    listed = some.packed()
    assert has_any(listed, ["x", "opt/dpkg/status"])
    assert has_any(listed, ["opt/dpkg"])
    assert not has_any(listed, ["opt/dpk", "opt/dpkg/status/x", "opt/other", "lib/"])
