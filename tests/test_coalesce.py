"""Layers are stacked as container engines stack them: what is installed at the end, and which layer brought it."""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eclair import coalesce as coalescing
from eclair import ecosystems
from eclair.coalesce import Contents, coalesce, package_sets
from eclair.errors import LimitExceeded
from eclair.image.filesystem import read_layer
from eclair.image.interest import Readers
from eclair.model import Digest, Interest, Inventory, Layer, Package
from tests.tars import END, directory, link, member, reference
from tests.work import steps

STATUS = "var/lib/dpkg/status"
INFO = "var/lib/dpkg/info/"
APK = frozenset(("lib/apk/db/installed", "usr/lib/apk/db/installed"))
TYPES = {"dpkg": "deb", "apk": "apk", "rpm": "rpm", "java": "maven", "go": "golang"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads lines: `name version` is a package, `!third name version` a third party's, `/path name` an owned file,
    `=fact value` a fact, `?text` a problem.
    """

    name: str
    interest: Interest

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        lines = content.read().decode().splitlines()
        words = [line.split() for line in lines]
        packages = [line for line in words if line[0][0] not in "/=?!"]
        third = [line[1:] for line in words if line[0] == "!third"]
        return Inventory(
            path=path,
            analyser=self.name,
            packages=tuple(
                Package(type=TYPES[self.name], name=name, version=version, path=path, third_party=some is third)
                for some in (packages, third)
                for name, version, *_ in some
            ),
            owned=tuple((line[0][1:], line[1]) for line in words if line[0].startswith("/")),
            facts=tuple((line[0][1:], line[1]) for line in words if line[0].startswith("=")),
            problem=next((line[1:] for line in lines if line.startswith("?")), None),
        )


READERS = Readers(
    (
        Reader(name="dpkg", interest=Interest(paths=frozenset((STATUS,)), directories=(INFO,))),
        Reader(name="apk", interest=Interest(paths=APK)),
        Reader(name="rpm", interest=Interest(paths=frozenset(("var/lib/rpm/db", "usr/lib/sysimage/rpm/db")))),
        Reader(name="java", interest=Interest(suffixes=(".jar",))),
        Reader(name="go", interest=Interest(magics=(b"go ",))),
    )
)


def file(path: str, *lines: str) -> bytes:
    return member(path, "\n".join(lines).encode())


def layer(*members: bytes) -> Layer:
    blob = b"".join(members) + END
    return read_layer(io.BytesIO(blob), reference(blob), READERS)


def stacked(*layers: Sequence[bytes]) -> Contents:
    return coalesce([layer(*members) for members in layers], READERS)


def found(*layers: Sequence[bytes]) -> dict[str, int]:
    """Return the layer of each package, written `path: name version`."""
    return {
        f"{one.package.path}: {one.package.name} {one.package.version}": one.origin
        for one in stacked(*layers).installed
    }


def gone(path: str) -> bytes:
    folder, _, name = path.rpartition("/")
    return member(f"{folder}/.wh.{name}" if folder else f".wh.{name}")


# --- what replaces what -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["a/b/x.jar", "a/b/tool"])
@pytest.mark.parametrize(
    "above",
    [
        [gone("a/b/x.jar"), gone("a/b/tool")],
        [gone("a/b")],
        [gone("a")],
        [member("a/b/.wh..wh..opq")],
        [member("a/.wh..wh..opq")],
        [member(".wh..wh..opq")],
        [member("a/b/x.jar", b""), member("a/b/tool", b"#!/bin/sh")],
        [link("a/b/x.jar", "y.jar"), link("a/b/tool", "other")],
        [directory("a/b/x.jar"), directory("a/b/tool")],
        [link("a/b", "../c")],
        [member("a/b", b"a file")],
        [member("a", b"a file")],
        [member("a", kind=tarfile.FIFOTYPE)],
        [member("./a//b/tool", b"text"), member("/a/b/./x.jar", b"")],
        [member("a/b/x.jar", kind=tarfile.CHRTYPE), member("a/b/tool", kind=tarfile.CHRTYPE)],
        [directory("a/b", pax_headers={"SCHILY.xattr.trusted.overlay.opaque": "y"})],
        [directory("a", pax_headers={"SCHILY.xattr.user.overlay.opaque": "y"})],
        [directory(".", pax_headers={"SCHILY.xattr.user.overlay.opaque": "y"})],
        [directory("a"), member("a/b", kind=tarfile.CHRTYPE)],
    ],
)
def test_what_a_later_layer_removes_hides_or_replaces_is_gone(path: str, above: Sequence[bytes]) -> None:
    below = [file("a/b/x.jar", "go 1"), file("a/b/tool", "go 1"), file("a/c.jar", "kept 1")]
    assert f"{path}: go 1" in found(below)
    assert f"{path}: go 1" not in found(below, above)


@pytest.mark.parametrize(
    "above",
    [
        [],
        [directory("a"), directory("a/b")],
        [gone("b"), gone("a/b/x"), gone("a/b/x.ja"), gone("a/b/x.jar.txt"), gone("x.jar")],
        [member("a/b/y/.wh..wh..opq"), member("b/.wh..wh..opq")],
        [member("a/b/x", b"text"), member("a/b/x.jars", b"text")],
        [link("b", "a/b")],
        [member("a/b/.wh..wh.plnk")],
        [member("a/b/../.wh..wh..opq")],
        [member("a/b/.wh.")],
    ],
)
def test_what_a_later_layer_does_not_touch_stays(above: Sequence[bytes]) -> None:
    assert found([file("a/b/x.jar", "x 1")], above) == {"a/b/x.jar: x 1": 0}


@pytest.mark.parametrize("mark", ["a/.wh.x.jar", "a/.wh..wh..opq", ".wh.a", ".wh..wh..opq"])
def test_a_whiteout_never_acts_on_its_own_layer_or_upwards(mark: str) -> None:
    assert found([member(mark), file("a/x.jar", "x 1")]) == {"a/x.jar: x 1": 0}
    assert found([file("a/x.jar", "x 1"), member(mark)]) == {"a/x.jar: x 1": 0}
    assert found([member(mark)], [file("a/x.jar", "x 1")]) == {"a/x.jar: x 1": 1}


def test_of_two_members_with_one_path_the_last_counts() -> None:
    assert found([file("x.jar", "x 1"), file("x.jar", "x 2")]) == {"x.jar: x 2": 0}
    assert found([file("x", "go 1"), member("x", b"text")]) == {}
    assert found([file("a/x.jar", "x 1"), member("a", b"text"), directory("a"), file("a/y.jar", "y 1")]) == {
        "a/y.jar: y 1": 0
    }


def test_several_readers_of_one_file_are_all_heard() -> None:
    assert sorted(found([file("x.jar", "go 1")])) == ["x.jar: go 1"]
    assert {one.package.type for one in stacked([file("x.jar", "go 1")]).installed} == {"golang", "maven"}


def test_a_program_whose_folder_is_removed_without_its_metadata_keeps_the_metadata() -> None:
    assert found([file("site/foo.jar", "foo 1"), member("site/foo/x.py", b"")], [gone("site/foo")]) == {
        "site/foo.jar: foo 1": 0
    }


# --- which layer brought it -------------------------------------------------------------------------------------------


def test_a_package_keeps_its_layer_while_the_database_is_rewritten() -> None:
    assert found([file(STATUS, "a 1", "b 1")], [file(STATUS, "a 1", "b 2", "c 1")], [file(STATUS, "a 1", "c 1")]) == {
        f"{STATUS}: a 1": 0,
        f"{STATUS}: c 1": 1,
    }


def test_an_upgraded_package_is_of_the_layer_that_upgraded_it() -> None:
    layers = [[file(STATUS, f"a {version}")] for version in ("1", "2", "2", "1")]
    assert [found(*layers[: count + 1]) for count in range(4)] == [
        {f"{STATUS}: a 1": 0},
        {f"{STATUS}: a 2": 1},
        {f"{STATUS}: a 2": 1},
        {f"{STATUS}: a 1": 3},
    ]


def test_a_package_removed_and_installed_again_is_of_the_later_layer() -> None:
    assert found([file(STATUS, "a 1", "b 1")], [file(STATUS, "b 1")], [file(STATUS, "a 1", "b 1")]) == {
        f"{STATUS}: a 1": 2,
        f"{STATUS}: b 1": 0,
    }
    assert found([file(STATUS, "a 1")], [gone(STATUS)], [file(STATUS, "a 1")]) == {f"{STATUS}: a 1": 2}
    assert found([file("x.jar", "x 1")], [gone("x.jar")], [file("x.jar", "x 1")]) == {"x.jar: x 1": 2}


def test_a_database_that_is_hidden_and_written_again_in_one_layer_is_the_same() -> None:
    for mark in (gone("var/lib/dpkg"), gone(STATUS), member("var/lib/dpkg/.wh..wh..opq")):
        assert found([file(STATUS, "a 1")], [mark, file(STATUS, "a 1", "b 1")]) == {
            f"{STATUS}: a 1": 0,
            f"{STATUS}: b 1": 1,
        }


def test_a_database_that_moves_keeps_the_layers_of_its_packages() -> None:
    moved = [gone("lib/apk"), file("usr/lib/apk/db/installed", "a 1", "b 1")]
    assert found([file("lib/apk/db/installed", "a 1")], moved) == {
        "usr/lib/apk/db/installed: a 1": 0,
        "usr/lib/apk/db/installed: b 1": 1,
    }


def test_a_file_that_moves_is_another_one() -> None:
    assert found([file("x.jar", "x 1")], [gone("x.jar"), file("y.jar", "x 1")]) == {"y.jar: x 1": 1}
    assert found([file("x.jar", "x 1")], [file("y.jar", "x 1")]) == {"x.jar: x 1": 0, "y.jar: x 1": 1}


def test_a_file_that_is_only_rewritten_stays_the_same() -> None:
    assert found([file("x.jar", "x 1")], [file("x.jar", "x 1", "y 1")]) == {"x.jar: x 1": 0, "x.jar: y 1": 1}


def test_layers_that_hold_nothing_count() -> None:
    assert found([], [], [file("x.jar", "x 1")], []) == {"x.jar: x 1": 2}


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    "links",
    [
        [link("lib", "usr/lib")],
        [link("lib", "/usr/lib")],
        [link("lib", "./usr/../usr/lib/")],
        [link("lib/apk", "../usr/lib/apk")],
        [link("lib/apk/db/installed", "/usr/lib/apk/db/installed")],
        [link("lib", "opt/one"), link("opt/one", "../opt/two"), link("opt/two", "../usr/lib")],
    ],
)
def test_a_database_behind_a_link_is_found_once(links: list[bytes], order: tuple[int, int]) -> None:
    parts = [links, [file("usr/lib/apk/db/installed", "a 1")]]
    both = [parts[number] for number in order]
    assert list(found(*both)) == ["usr/lib/apk/db/installed: a 1"]
    assert list(found([*both[0], *both[1]])) == ["usr/lib/apk/db/installed: a 1"]
    assert stacked(*both).problems == ()


@pytest.mark.parametrize("target", ["opt/dpkg", "/opt/dpkg", "../../../../opt/dpkg", "../../opt/./dpkg"])
def test_a_database_that_a_link_leads_to_where_nobody_reads_it_is_a_problem(target: str) -> None:
    links = [link("var/lib/dpkg", target.replace("opt", "../../opt") if target[0] == "o" else target)]
    database = [file("opt/dpkg/status", "a 1")]
    for layers in ([links, database], [database, links], [[*database, *links]], [[*links, *database]]):
        contents = stacked(*layers)
        assert contents.installed == ()
        assert (STATUS, "a link leads to opt/dpkg/status, where it is not read") in contents.problems


def test_a_database_behind_links_that_only_lead_on_is_a_problem_where_they_end() -> None:
    links = [link("var/lib/dpkg", "/etc/alternatives/dpkg"), link("etc/alternatives/dpkg", "../../opt/dpkg")]
    database = [file("opt/dpkg/status", "a 1")]
    assert stacked(links, database).problems == ((STATUS, "a link leads to opt/dpkg/status, where it is not read"),)
    assert stacked(links[:1], links[1:], database, [gone("etc/alternatives")]).problems == ()


@pytest.mark.parametrize(
    "layers",
    [
        [[link("var/lib/dpkg", "/opt/dpkg")]],
        [[link("var/lib/dpkg", "/opt/dpkg"), file("opt/dpkg/status", "a 1")], [gone("opt/dpkg")]],
        [[link("var/lib/dpkg", "/opt/dpkg"), file("opt/dpkg/status", "a 1")], [gone("var/lib/dpkg")]],
        [[link("var/lib/dpkg", "/opt/dpkg"), file("opt/dpkg/status", "a 1")], [member("opt", b"file")]],
        [[link("var/lib/dpkg", "/opt/dpkg"), file("opt/dpkg/status", "a 1")], [directory("var/lib/dpkg")]],
        [[link("var/lib/dpkg", "dpkg")]],
        [[link("var/lib/dpkg", "a"), link("var/lib/a", "b"), link("var/lib/b", "a")]],
        [[link("var", "var/var")], [file("opt/x", "a 1")]],
        [[link("usr/share/x", "/opt/dpkg"), file("opt/dpkg/status", "a 1")]],
    ],
)
def test_a_link_that_leads_nowhere_or_is_gone_is_no_problem(layers: list[list[bytes]]) -> None:
    contents = stacked(*layers)
    assert (contents.installed, contents.problems) == ((), ())


def test_what_is_written_through_a_link_of_a_lower_layer_lies_where_that_leads_to() -> None:
    base = [link("lib", "usr/lib"), file("usr/lib/apk/db/installed", "a 1"), file("usr/lib/x.jar", "x 1")]
    assert found(base, [file("lib/apk/db/installed", "a 1", "b 1")]) == {
        "usr/lib/apk/db/installed: a 1": 0,
        "usr/lib/apk/db/installed: b 1": 1,
        "usr/lib/x.jar: x 1": 0,
    }
    assert found(base, [gone("lib/apk"), member("lib/.wh.x.jar")]) == {}
    assert found(base, [member("lib/.wh..wh..opq")]) == {}
    assert found(base, [member("lib/x.jar", b"")]) == {"usr/lib/apk/db/installed: a 1": 0}
    assert found(base, [directory("lib/x.jar")]) == {"usr/lib/apk/db/installed: a 1": 0}
    assert found(base, [directory("lib"), file("lib/y.jar", "y 1")]) == {
        "lib/y.jar: y 1": 1,
        "usr/lib/apk/db/installed: a 1": 0,
        "usr/lib/x.jar: x 1": 0,
    }


def test_a_hard_link_stands_for_the_file_whatever_becomes_of_the_other_name() -> None:
    both = [file("a.jar", "x 1"), link("b.jar", "a.jar", tarfile.LNKTYPE)]
    assert found(both) == {"a.jar: x 1": 0, "b.jar: x 1": 0}
    assert found(both, [gone("a.jar")]) == {"b.jar: x 1": 0}
    assert found([both[0]], [both[1]]) == {"a.jar: x 1": 0, "b.jar: x 1": 0}
    assert found([both[0]], [both[1]], [gone("a.jar")]) == {"b.jar: x 1": 0}
    assert found([file("tool", "go 1"), link("other", "tool", tarfile.LNKTYPE)]) == {"other: go 1": 0, "tool: go 1": 0}
    assert found([link("b.jar", "a.jar", tarfile.LNKTYPE)]) == {}


def test_a_database_with_two_names_is_reported_once() -> None:
    one = file("usr/lib/sysimage/rpm/db", "a 1")
    other = link("var/lib/rpm/db", "usr/lib/sysimage/rpm/db", tarfile.LNKTYPE)
    assert list(found([one, other])) == ["usr/lib/sysimage/rpm/db: a 1"]
    assert list(found([one, other], [gone("usr/lib/sysimage")])) == ["var/lib/rpm/db: a 1"]
    assert list(found([one, file("var/lib/rpm/db", "a 1")])) == ["usr/lib/sysimage/rpm/db: a 1"]
    assert sorted(found([one, file("var/lib/rpm/db", "a 1", "b 1")])) == [
        "usr/lib/sysimage/rpm/db: a 1",
        "var/lib/rpm/db: a 1",
        "var/lib/rpm/db: b 1",
    ]


# --- who owns what ----------------------------------------------------------------------------------------------------


def owners(*layers: Sequence[bytes]) -> dict[str, str | None]:
    return {one.package.path: one.package.owned_by for one in stacked(*layers).installed if one.package.type != "deb"}


PROGRAM = [file("usr/bin/tool", "go 1"), file("usr/share/java/x.jar", "x 1")]
DATABASE = [file(STATUS, "p 1", "!third q 1")]
OF_P = file(f"{INFO}p.list", "/usr/bin/tool p", "/usr/share/java/x.jar p", "/etc/passwd p")


def test_what_a_package_of_the_distribution_owns_says_so() -> None:
    assert owners([*DATABASE, OF_P, *PROGRAM]) == {"usr/bin/tool": "p", "usr/share/java/x.jar": "p"}
    assert owners([*PROGRAM, OF_P, *DATABASE]) == {"usr/bin/tool": "p", "usr/share/java/x.jar": "p"}
    assert owners(DATABASE, [OF_P, *PROGRAM]) == {"usr/bin/tool": "p", "usr/share/java/x.jar": "p"}


def test_a_database_of_a_later_layer_owns_what_is_told_by_its_name() -> None:
    assert owners(PROGRAM, [*DATABASE, OF_P])["usr/share/java/x.jar"] == "p"


@pytest.mark.parametrize(
    "layers",
    [
        [[*DATABASE, file(f"{INFO}q.list", "/usr/share/java/x.jar q"), PROGRAM[1]]],
        [[OF_P, PROGRAM[1]]],
        [[*DATABASE, OF_P, PROGRAM[1]], [gone("var/lib/dpkg")]],
        [[*DATABASE, OF_P, PROGRAM[1]], [gone(STATUS)]],
        [[*DATABASE, OF_P, PROGRAM[1]], [file(STATUS, "other 1")]],
        [[*DATABASE, OF_P, PROGRAM[1]], [gone(f"{INFO}p.list")]],
        [[*DATABASE, OF_P, PROGRAM[1]], [member(f"{INFO}p.list", b"/etc/passwd p")]],
        [[*DATABASE, file(f"{INFO}p.list", "/usr/share/java p", "/usr/share/java/y.jar p"), PROGRAM[1]]],
    ],
)
def test_a_third_party_or_what_is_not_installed_owns_nothing(layers: list[list[bytes]]) -> None:
    assert owners(*layers) == {"usr/share/java/x.jar": None}


def test_files_are_owned_through_the_links_of_a_merged_distribution() -> None:
    listed = file(f"{INFO}p.list", "/bin/tool p", "/lib/java/x.jar p")
    merged = [link("bin", "usr/bin"), link("lib", "usr/lib")]
    program = [file("usr/bin/tool", "go 1"), file("usr/lib/java/x.jar", "x 1")]
    for layers in ([[*DATABASE, *merged, listed, *program]], [merged, [*DATABASE, listed, *program]]):
        assert owners(*layers) == {"usr/bin/tool": "p", "usr/lib/java/x.jar": "p"}
    assert owners([*DATABASE, listed, *program]) == {"usr/bin/tool": None, "usr/lib/java/x.jar": None}


def test_what_is_owned_is_kept_and_not_matched() -> None:
    (installed,) = (one for one in stacked([*DATABASE, OF_P, PROGRAM[1]]).installed if one.package.type == "maven")
    assert ecosystems.features(replace(installed.package, name="g:x"), "maven") == ()
    assert ecosystems.features(replace(installed.package, name="g:x", owned_by=None), "maven") != ()


def test_what_a_later_layer_puts_in_the_place_of_an_owned_file_is_not_that_package_s() -> None:
    jar, newer = "usr/share/java/x.jar", file("usr/share/java/x.jar", "x 2")
    base = [*DATABASE, OF_P, *PROGRAM]
    rewritten = file(STATUS, "p 1", "q 1")
    assert owners(base, [newer])[jar] is None
    assert owners(base, [newer], [rewritten])[jar] is None, (
        "the package was there before, whoever rewrites the database"
    )
    assert owners(base, [newer, file(STATUS, "p 2")])[jar] == "p", "it came with its package"
    assert owners(base, [file(jar, "x 1")])[jar] == "p", "it is the same again"
    assert owners(DATABASE, [OF_P, newer])[jar] == "p", "it came in no other's place"
    assert owners(base, [newer], [file(STATUS, "p 2"), file(jar, "x 3")])[jar] == "p"


def test_of_owned_files_a_layer_keeps_those_that_matter() -> None:
    many = [f"/usr/share/doc/{number} p" for number in range(10_000)]
    read = layer(file(f"{INFO}p.list", *many, "/x.jar p", "/bin/tool p"), file(f"{INFO}r.list", "/etc/r r"), PROGRAM[0])
    assert [(one.path, one.owned) for one in read.inventories] == [
        (f"{INFO}p.list", (("x.jar", "p"), ("bin/tool", "p"))),
        ("usr/bin/tool", ()),
    ]


def test_a_list_without_what_matters_still_replaces_the_one_below() -> None:
    empty = file(f"{INFO}p.list", "/etc/passwd p")
    assert owners([*DATABASE, OF_P, PROGRAM[1]], [empty]) == {"usr/share/java/x.jar": None}


# --- facts, problems, sets --------------------------------------------------------------------------------------------


def test_facts_of_an_ecosystem_reach_its_packages_whichever_layer_has_them() -> None:
    layers = [
        Layer(
            digest=Digest("sha256:a"),
            diff_id=Digest("sha256:a"),
            inventories=(
                Inventory(
                    path="var/lib/rpm/db",
                    analyser="rpm",
                    packages=(Package(type="rpm", name="bash", version="5-1", arch="x86_64", path="var/lib/rpm/db"),),
                ),
            ),
        ),
        Layer(
            digest=Digest("sha256:b"),
            diff_id=Digest("sha256:b"),
            inventories=(
                Inventory(path="root/buildinfo/x.json", analyser="rpm", facts=(("", "rhel-8-baseos"),)),
                Inventory(path="etc/x", analyser="dpkg", facts=(("", "other"),)),
            ),
        ),
    ]
    (installed,) = coalesce(layers).installed
    assert (installed.package.context, installed.origin) == ("repository:rhel-8-baseos", 0)
    ((package_set, _),) = package_sets(coalesce(layers))
    assert package_set.packages[0].context == "repository:rhel-8-baseos"


def test_problems_are_named_with_their_files_and_go_with_them() -> None:
    broken = [file("x.jar", "?broken"), file(STATUS, "a 1", "?line 7")]
    assert stacked(broken).problems == ((STATUS, "line 7"), ("x.jar", "broken"))
    assert stacked(broken, [gone("x.jar"), file(STATUS, "a 1")]).problems == ()


def test_of_very_many_problems_the_rest_is_counted() -> None:
    problems = stacked([file(f"{number:03}.jar", "?broken") for number in range(250)]).problems
    assert len(problems) == 101
    assert problems[-1] == ("", "150 more files could not be read in full")


# --- against the plain truth ------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c.jar", "d.jar"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CHANGES = st.tuples(st.sampled_from(["file", "text", "directory", "gone", "opaque"]), PATHS)


@settings(deadline=None)
@given(st.lists(st.lists(CHANGES, max_size=5), max_size=5))
def test_the_files_at_the_end_are_those_of_a_plain_file_system(layers: list[list[tuple[str, str]]]) -> None:
    """A plain file system maps paths to the number of the layer, None for directories."""
    plain: dict[str, int | None] = {}
    stack = []
    for number, changes in enumerate(layers):
        members = []
        for kind, path in sorted(changes, key=lambda change: change[0] not in ("gone", "opaque")):
            removes = {"opaque": path + "/", "gone": path}.get(kind)
            if removes:
                members.append(gone(path) if kind == "gone" else member(f"{path}/.wh..wh..opq"))
                keep = number
                _remove(plain, removes, keep)
                continue
            _remove(plain, path, None, files_only=kind == "directory")
            for end in [at for at, letter in enumerate(path) if letter == "/"]:
                members.append(directory(path[:end]))
                if plain.get(path[:end]) is not None:
                    del plain[path[:end]]
                plain.setdefault(path[:end], None)
            if kind == "directory":
                members.append(directory(path))
                plain.setdefault(path, None)
            else:
                members.append(member(path, f"x {number}".encode() if kind == "file" else b""))
                plain[path] = number if kind == "file" and path.endswith(".jar") else -1
        stack.append(members)
    expected = {f"{path}: x {number}" for path, number in plain.items() if number is not None and number >= 0}
    assert set(found(*stack)) == expected


def _remove(plain: dict[str, int | None], path: str, layer: int | None, *, files_only: bool = False) -> None:
    """Remove a path with all below it (`x/`: only what is below), but nothing of the layer itself."""
    for other in list(plain):
        if files_only and plain[other] is None:
            continue
        hit = other == path or (not files_only and other.startswith(path.rstrip("/") + "/"))
        if hit and (layer is None or plain[other] != layer):
            del plain[other]


# --- what is too much -------------------------------------------------------------------------------------------------


def test_hard_links_do_not_multiply_packages_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescing, "_MOST_PACKAGES", 5000)
    many = [file("a.jar", *(f"p{number} 1" for number in range(100)))]
    links = [link(f"{number}.jar", "a.jar", tarfile.LNKTYPE) for number in range(51)]
    with pytest.raises(LimitExceeded, match="hard links make more than 5000 packages"):
        stacked(many, links)
    with pytest.raises(LimitExceeded, match="more than 5000 packages in one image"):
        stacked([*many, *links])


def test_directories_are_bounded_over_all_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescing, "_HEAVIEST", 10_000_000)

    def deep(number: int) -> list[bytes]:
        return [file("/".join([f"{number}-{one}", *"a" * 1900, "x.jar"]), "x 1") for one in range(2)]

    assert stacked(deep(0))
    with pytest.raises(LimitExceeded, match="too deep directories"):
        stacked(*(deep(number) for number in range(3)))


# --- cost -------------------------------------------------------------------------------------------------------------


def test_an_image_of_127_layers_takes_time_as_its_layers_do() -> None:
    def layers(count: int) -> list[Layer]:
        base = layer(*(file(f"opt/app{number}/x.jar", "x 1") for number in range(1000)), file(STATUS, *PACKAGES))
        return [base] + [
            layer(file(STATUS, *PACKAGES, f"more {number}"), *(member(f"srv/{number}/{n}") for n in range(50)))
            for number in range(count - 1)
        ]

    few, many = layers(16), layers(127)
    assert len(coalesce(many).installed) == 1301
    assert steps(lambda: coalesce(many)) < 8 * steps(lambda: coalesce(few))


PACKAGES = [f"package{number} 1" for number in range(300)]
