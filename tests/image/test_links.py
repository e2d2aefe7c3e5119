"""Links are followed inside the image as the kernel does with the image as its root, and never without end."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eclair.image.links import placed, resolved

LINKS = {
    b"lib": b"usr/lib",
    b"var/lib/rpm": b"../../usr/lib/sysimage/rpm",
    b"etc/os-release": b"../usr/lib/os-release",
    b"absolute": b"/usr/lib",
    b"above": b"../../../usr",
    b"chain1": b"chain2",
    b"chain2": b"./chain3//x/..",
    b"chain3": b"lib",
    b"circle": b"circle",
    b"a": b"b",
    b"b": b"a/x",
    b"growing": b"growing/growing",
    b"root": b"/",
    b"nothing": b"",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"lib/apk/db/installed", b"usr/lib/apk/db/installed"),
        (b"var/lib/rpm/Packages", b"usr/lib/sysimage/rpm/Packages"),
        (b"etc/os-release", b"usr/lib/os-release"),
        (b"absolute/x", b"usr/lib/x"),
        (b"above/x", b"usr/x"),
        (b"chain1/x", b"usr/lib/x"),
        (b"chain1", b"usr/lib"),
        (b"usr/lib/x", b"usr/lib/x"),
        (b"root/lib/x", b"usr/lib/x"),
        (b"root", b""),
        (b"circle/x", None),
        (b"circle", None),
        (b"a/x", None),
        (b"growing", None),
        (b"nothing", b""),
    ],
)
def test_a_path_leads_where_the_kernel_would_go(path: bytes, expected: bytes | None) -> None:
    assert resolved(path, LINKS.get) == expected


def test_what_is_put_at_a_link_replaces_it_and_what_is_put_below_goes_through() -> None:
    assert placed(b"lib", LINKS.get) == b"lib"
    assert placed(b"lib/x", LINKS.get) == b"usr/lib/x"
    assert placed(b"root/x", LINKS.get) == b"x"
    assert placed(b"circle/x", LINKS.get) == b"circle/x"
    assert placed(b"x", LINKS.get) == b"x"


def test_long_chains_end() -> None:
    chain = {b"%d" % number: b"%d" % (number + 1) for number in range(100)}
    assert resolved(b"60", chain.get) == b"100"
    assert resolved(b"59", chain.get) is None
    bomb = {b"%d" % number: b"/".join([b"%d" % (number + 1)] * 100) for number in range(100)}
    assert resolved(b"0", bomb.get) is None
    assert resolved(b"x/y", {b"x": b"z/" * 3000}.get) is None


NAMES = st.sampled_from(["a", "b", "c"])
TARGETS = st.lists(NAMES | st.sampled_from(["..", "."]), min_size=1, max_size=3).map("/".join)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(NAMES, TARGETS, max_size=3), st.lists(NAMES, min_size=1, max_size=4).map("/".join))
def test_the_kernel_agrees(tmp_path_factory: pytest.TempPathFactory, links: Mapping[str, str], path: str) -> None:
    """Links stand in `top` of a real folder, where all other paths are directories."""
    root = tmp_path_factory.mktemp("root")
    for directory in ("a/a", "a/b", "b/a", "b/b", "c/c"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    top = root / "top"
    top.mkdir()
    for name, target in links.items():
        (top / name).symlink_to(target)
    ours = resolved(os.fsencode(f"top/{path}"), {f"top/{name}".encode(): t.encode() for name, t in links.items()}.get)
    try:
        theirs: Path | None = (top / path).resolve(strict=True)
    except (OSError, RuntimeError):
        return
    if theirs is not None and theirs.is_relative_to(root):
        assert ours is not None
        assert Path(root, os.fsdecode(ours)) == theirs
