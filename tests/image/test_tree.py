"""A tree of paths behaves as a dictionary of paths does in which everything is looked through."""

from hypothesis import given
from hypothesis import strategies as st

from eclair.image.tree import Tree

PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join).map(str.encode)
STEPS = st.lists(st.tuples(st.sampled_from(["put", "take", "take_below"]), PATHS | st.just(b"")), max_size=30)


@given(STEPS)
def test_it_holds_what_was_put_and_not_taken(steps: list[tuple[str, bytes]]) -> None:
    tree: Tree[int] = Tree()
    plain: dict[bytes, int] = {}
    for number, (step, path) in enumerate(steps):
        if step == "put" and path:
            tree.put(path, number)
            plain[path] = number
        elif step == "take":
            assert tree.take(path) == {key: plain.pop(key) for key in list(plain) if key == path}
        elif step == "take_below":
            below = path + b"/" if path else b""
            assert tree.take_below(path) == {key: plain.pop(key) for key in list(plain) if key.startswith(below)}
        assert dict(tree.items()) == plain
        assert bool(tree) is bool(plain)
        directories = {b"/".join(key.split(b"/")[:depth]) for key in plain for depth in range(key.count(b"/") + 1)}
        assert tree.weight == sum(len(directory) + 300 for directory in directories)
        for one in [b"a", b"a/b", b"a/b/c", b"c/c", path]:
            assert tree.get(one) == plain.get(one)
            there = any(key == one or key.startswith(one + b"/") for key in plain) if one else bool(plain)
            assert (one in tree) is there
            assert bool(tree.present([one])) is there


def test_what_is_put_again_comes_last() -> None:
    tree: Tree[int] = Tree()
    for path in (b"x", b"y", b"x"):
        tree.put(path, 1)
    assert [path for path, _ in tree.items()] == [b"y", b"x"]
