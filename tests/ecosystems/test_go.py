"""Go: of which modules programs are built, and the order of their versions."""

import io
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.go import ECOSYSTEM
from eclair.errors import BadVersion
from eclair.model import UNREADABLE, Inventory, Package
from eclair.vercmp import compare_lines
from tests.programs import elf, mach_o, pe, universal
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "go"
PATH = "usr/bin/program"
GREET = [
    ("example.com/sample/greet", "(devel)"),
    ("example.com/dep/local", "(devel)"),
    ("example.com/dep/one", "v1.5.2"),
    ("example.com/fork/three", "v2.1.0+incompatible"),
    ("example.com/dep/two/v3", "v3.2.1-0.20200102030405-abcdef123456"),
    ("stdlib", "go1.19.8"),
]
MAGIC = b"\xff Go buildinf:"
MARK = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
DEPENDENCY = "mod\texample.com/a\tv1.0.0\t\ndep\texample.com/b\tv2.0.0\th1:x\n"


def sample(name: str) -> bytes:
    return zstandard.decompress((SAMPLES / f"{name}.zst").read_bytes())


def read(content: bytes) -> Inventory | None:
    return ECOSYSTEM.read(PATH, io.BytesIO(content))


def found(content: bytes) -> list[tuple[str, str]]:
    inventory = read(content)
    assert inventory is not None
    assert inventory.problem is None
    assert (inventory.path, inventory.analyser) == (PATH, "go")
    assert {(package.type, package.path) for package in inventory.packages} == {("golang", PATH)}
    return [(package.name, package.version) for package in inventory.packages]


def problem(content: bytes) -> str:
    inventory = read(content)
    assert inventory is not None
    assert inventory.packages == ()
    assert inventory.problem is not None
    return inventory.problem


def length(size: int) -> bytes:
    """Write a length as Go does: seven bits a byte, the lowest first."""
    rest = b""
    while size >= 0x80:
        rest += bytes((size & 0x7F | 0x80,))
        size >>= 7
    return rest + bytes((size,))


def inline(version: str = "go1.20.1", modules: str = DEPENDENCY) -> bytes:
    """Return build information in the layout since Go 1.18."""
    marked = MARK + modules.encode() + MARK
    return MAGIC + b"\x08\x02" + bytes(16) + length(len(version)) + version.encode() + length(len(marked)) + marked


def pointed(address: int, *, bits: int = 64, order: str = "<", version: str = "go1.17", modules: str = "") -> bytes:
    """Return build information in the layout before Go 1.18, for the address that it is loaded at."""
    word = "Q" if bits == 64 else "I"
    size = bits // 8
    marked = MARK + modules.encode() + MARK if modules else b""
    headers, texts = address + 32, address + 32 + 4 * size
    return (
        (MAGIC + bytes((size, order == ">")) + struct.pack(f"{order}2{word}", headers, headers + 2 * size)).ljust(
            32, b"\0"
        )
        + struct.pack(f"{order}4{word}", texts, len(version), texts + len(version), len(marked))
        + version.encode()
        + marked
    )


# --- what is installed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "greet-linux-amd64",
        "greet-linux-386",
        "greet-linux-mips",
        "greet-linux-s390x",
        "greet-windows-amd64",
        "greet-windows-386",
        "greet-darwin-amd64",
        "greet-darwin-arm64",
    ],
)
def test_the_modules_are_those_of_the_build(name: str) -> None:
    assert found(sample(name)) == GREET


def test_the_modules_that_are_pointed_at_are_those_of_the_build() -> None:
    assert found(sample("esbuild-0.12.0-linux-amd64")) == [
        ("github.com/evanw/esbuild", "(devel)"),
        ("golang.org/x/sys", "v0.0.0-20200501145240-bc7a7d42d5c3"),
        ("stdlib", "go1.16.3"),
    ]


def test_outside_of_a_module_only_the_program_and_the_standard_library_are_known() -> None:
    assert found(sample("gosu-1.14-linux-amd64")) == [("github.com/tianon/gosu", "(devel)"), ("stdlib", "go1.19.8")]
    assert found(sample("gosu-1.12-linux-386")) == [("stdlib", "go1.15.9")]


def test_the_commands_of_go_are_the_standard_library() -> None:
    assert found(elf({".go.buildinfo": inline(modules="path\tcmd/go\n")})) == [("stdlib", "go1.20.1")]


def test_a_version_that_the_build_gave_to_a_variable_is_that_of_the_program() -> None:
    assert found(sample("greet-linux-arm64-flags"))[0] == ("example.com/sample/greet", "v1.2.3")


@pytest.mark.parametrize(
    ("flags", "version"),
    [
        ("-X main.version=1.2.3", "1.2.3"),
        (r"\"-X=main.Version=v1.2.3-rc.1+dirty\"", "v1.2.3-rc.1+dirty"),
        ("-w -X 'example.com/a/build.gitVersion=v9.8.7' -X main.commit=1.1.1", "v9.8.7"),
        ("-X main.version=1.2.3 -X example.com/a/x.version=4.5.6", "1.2.3"),
        ("-X example.com/a.version=1.2.3 -X example.com/a/x.version=4.5.6", "(devel)"),
        ("-X example.com/ab.version=1.2.3", "(devel)"),
        ("-X main.goversion=1.2.3 -X main.version=", "(devel)"),
        ("-X main.version=master", "(devel)"),
        ("-X main.version", "(devel)"),
    ],
)
def test_only_a_full_version_of_the_main_package_or_else_of_the_module_counts(flags: str, version: str) -> None:
    modules = f'mod\texample.com/a\t(devel)\nbuild\t-ldflags="{flags}"\n'
    assert found(elf({".go.buildinfo": inline(modules=modules)}))[0] == ("example.com/a", version)


def test_a_stamped_version_outranks_the_flags() -> None:
    modules = "mod\texample.com/a\tv1.0.1+dirty\nbuild\t-ldflags=-X main.version=9.9.9\n"
    assert found(elf({".go.buildinfo": inline(modules=modules)}))[0] == ("example.com/a", "v1.0.1+dirty")


@pytest.mark.parametrize("folder", ["./b", "../b", "/src/b"])
def test_a_module_that_a_folder_stands_in_for_has_a_version_that_nobody_can_tell(folder: str) -> None:
    modules = f"dep\texample.com/b\tv2.0.0\n=>\t{folder}\t(devel)\t\n"
    assert found(elf({".go.buildinfo": inline(modules=modules)}))[0] == ("example.com/b", "(devel)")


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_layouts_are_read_in_all_kinds_of_elf(bits: int, order: str) -> None:
    expected = [("example.com/a", "v1.0.0"), ("example.com/b", "v2.0.0")]
    assert found(elf({".text": b"x", ".go.buildinfo": inline()}, bits=bits, order=order))[:2] == expected
    content = elf({".go.buildinfo": b"\0" * 300}, bits=bits, order=order)
    place = content.index(b"\0" * 300)
    place += -place % 16
    old = pointed(0x400000 + place, bits=bits, order=order, modules=DEPENDENCY)
    assert found(content[:place] + old + content[place + len(old) :])[:2] == expected


@pytest.mark.parametrize("bits", [32, 64])
def test_a_program_for_windows_has_it_anywhere_in_its_data(bits: int) -> None:
    assert len(found(pe({".text": b"x" * 40, ".data": bytes(16 * 70_000) + inline()}, bits=bits))) == 3


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_program_for_macos_has_a_section_for_it(bits: int, order: str) -> None:
    assert len(found(mach_o({"__data": b"x", "__go_buildinfo": inline()}, bits=bits, order=order))) == 3


def test_the_programs_of_a_universal_file_are_read_all() -> None:
    first = mach_o({"__go_buildinfo": inline()})
    second = mach_o({"__go_buildinfo": inline(modules=DEPENDENCY.replace("v2.0.0", "v2.0.1"))})
    assert found(universal(first, first)) == found(first)
    assert [version for name, version in found(universal(first, second)) if name == "example.com/b"] == [
        "v2.0.0",
        "v2.0.1",
    ]


def test_a_program_without_section_headers_is_searched() -> None:
    content = bytearray(elf({".go.buildinfo": inline()}))
    content[40:48] = bytes(8)
    content[58:64] = bytes(6)
    assert len(found(bytes(content))) == 3


def test_an_unaligned_magic_is_none() -> None:
    content = pe({".data": b"x" + inline() + bytes(15 - len(inline()) % 16) + inline("go1.5")})
    assert found(content)[-1] == ("stdlib", "go1.5")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fEL",
        b"MZ",
        b"MZ only for DOS".ljust(200, b"\0"),
        b"#!/bin/sh\n",
        b"\xca\xfe\xba\xbe\x00\x00\x00\x34class",
        elf({".text": MAGIC.ljust(64, b"\0")}),
        pe({".data": b"x" * 100}),
        mach_o({"__data": MAGIC.ljust(64, b"\0")}),
        elf({}),
    ],
)
def test_what_go_did_not_build_is_nothing(content: bytes) -> None:
    assert read(content) is None


# --- hostile programs ------------------------------------------------------------------------------------------------


def patched(content: bytes, place: int, layout: str, *values: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, place, *values)
    return bytes(changed)


ELF = elf({".go.buildinfo": inline()})
MACH_O = mach_o({"__go_buildinfo": inline()})
PE = pe({".data": inline()})
INFO = ELF.index(MAGIC)

HOSTILE = {
    "neither 32 nor 64 bits": patched(ELF, 4, "B", 7),
    "no byte order": patched(ELF, 5, "B", 0),
    "only a magic": ELF[:4],
    "a header that is cut": ELF[:30],
    "program headers outside the file": patched(ELF, 32, "<Q", 1 << 63),
    "program headers of another size": patched(ELF, 54, "<H", 1),
    "65535 program headers": patched(ELF, 56, "<H", 0xFFFF),
    "info cut in its header": ELF[: INFO + 20],
    "info cut in a length": elf({".go.buildinfo": MAGIC + b"\x08\x02" + bytes(16) + b"\xff" * 10}),
    "a length of 2**60": elf({".go.buildinfo": MAGIC + b"\x08\x02" + bytes(16) + b"\xff" * 8 + b"\x0f"}),
    "a length beyond the file": elf({".go.buildinfo": MAGIC + b"\x08\x02" + bytes(16) + length(900_000)}),
    "no version": elf({".go.buildinfo": inline(version="")}),
    "a named section that holds something else": elf({".go.buildinfo": b"x" * 40}),
    "a named section that is empty": elf({".go.buildinfo": b""}),
    "addresses of no size": elf({".go.buildinfo": (MAGIC + b"\x00\x00").ljust(32, b"\x01")}),
    "an address outside of all": elf({".go.buildinfo": (MAGIC + b"\x08\x00").ljust(32, b"\x7f")}),
    "a string in the zeros after the file": elf(
        {".go.buildinfo": pointed(0x400080)[:32] + struct.pack("<4Q", 0x480000, 9, 0, 0)}, zeros=1 << 20
    ),
    "odd beginnings without end": pe({".data": (b"x" + MAGIC + b"y") * 100_000}),
    "PE without an optional header": patched(PE, 0x80 + 20, "<H", 0),
    "PE with sections outside the file": patched(PE, 0x80 + 6, "<H", 0xFFFF),
    "Mach-O with commands outside the file": patched(MACH_O, 20, "<I", 1 << 20),
    "Mach-O with absurd commands": patched(MACH_O, 20, "<I", 0xFFFFFFFF),
    "Mach-O with more commands than there are": patched(MACH_O, 16, "<I", 0xFFFFFFFF),
    "Mach-O with a command of no size": patched(MACH_O, 36, "<I", 0),
    "Mach-O with more sections than there are": patched(MACH_O, 32 + 64, "<I", 0xFFFFFFFF),
    "Mach-O with a short segment command": patched(MACH_O, 36, "<I", 16),
    "a universal file of nothing": universal(b"\0" * 100, b"\0" * 100),
    "a universal file of itself": patched(universal(b""), 16, "<I", 0),
    "a universal file that is cut": universal(MACH_O)[:20],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_damage_is_named(case: str) -> None:
    with guarded():
        assert len(problem(HOSTILE[case])) < 1000


STILL_READ = {
    "section headers outside the file": patched(ELF, 40, "<Q", (1 << 64) - 8),
    "section headers of another size": patched(ELF, 58, "<H", 63),
    "names in no section": patched(ELF, 62, "<H", 9),
    "more sections than a header can count": patched(ELF, 62, "<H", 0xFFFF),
    "bytes behind the end": ELF + b"\xff" * 100,
    "the file without its section headers": ELF[: INFO + len(inline())],
    "a second program that is none": universal(MACH_O, MACH_O),
}


@pytest.mark.parametrize("case", STILL_READ)
def test_what_can_still_be_read_is_kept(case: str) -> None:
    assert ("example.com/b", "v2.0.0") in found(STILL_READ[case])


def test_the_other_program_of_a_universal_file_is_kept_beside_the_problem() -> None:
    inventory = read(universal(b"\0" * 100, MACH_O))
    assert inventory is not None
    assert len(inventory.packages) == 3
    assert inventory.problem is not None
    assert "executable 1" in inventory.problem


def test_modules_that_are_not_fit_to_be_names_are_named_and_the_others_kept() -> None:
    modules = "dep\ta\x01b\tv1\ndep\t\tv1\ndep\t" + "c" * 5000 + "\tv1\nnonsense\n=>\ndep\tone\n\t\t\t\ndep\tok\tv1\n"
    inventory = read(elf({".go.buildinfo": inline(modules=modules)}))
    assert inventory is not None
    assert [package.name for package in inventory.packages] == ["ok", "stdlib"]
    assert inventory.problem is not None
    assert "3 places" in inventory.problem


@pytest.mark.parametrize(
    "content",
    [
        pe(dict.fromkeys((f"s{number}" for number in range(2000)), b"")).replace(
            b"\x00\x00\x00\xc0", b"\xff\xff\xff\xc0"
        ),
        elf({".go.buildinfo": MAGIC + b"\x08\x02" + bytes(16) + length(1 << 21) + bytes(1 << 21)}),
        elf({".go.buildinfo": inline(modules="dep\t\t\n" * 100_000)}),
        elf({".go.buildinfo": inline(modules="mod\ta.b/c\t(devel)\nbuild\t-ldflags=" + "-X a=" * 100_000)}),
    ],
)
def test_hostile_content_is_read_in_linear_time(content: bytes) -> None:
    with guarded():
        read(content)


def test_many_writable_sections_are_not_searched_again_and_again() -> None:
    content = bytearray(pe(dict.fromkeys((f"s{number}" for number in range(5000)), b"")) + bytes(20 << 20))
    for number in range(5000):
        struct.pack_into("<II", content, 0x80 + 24 + 240 + 40 * number + 16, len(content), 0)
    with guarded():
        assert read(bytes(content)) is None


@given(st.data())
def test_any_change_of_a_program_can_be_read(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([ELF, MACH_O, PE, universal(MACH_O)])))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(content) - 1, 0x1400)))
        content[place] = data.draw(st.integers(0, 255))
    read(bytes(content[: data.draw(st.integers(0, len(content)))]))


# --- what it is matched by -------------------------------------------------------------------------------------------


def package(name: str = "github.com/BurntSushi/toml", version: str = "v1.2.3") -> Package:
    return Package(type="golang", name=name, version=version, path=PATH)


def test_the_feature_is_the_module() -> None:
    (feature,) = ECOSYSTEM.features(package(), ECOSYSTEM.namespace(None))
    assert str(feature.package) == "golang#golang#binary#github.com/BurntSushi/toml"
    assert (feature.version, feature.key) == ("v1.2.3", ECOSYSTEM.key("1.2.3"))


@pytest.mark.parametrize("version", ["(devel)", "devel go1.22-a1b2c3 Tue", "go1.20.4b7", "go" + "1" * 5000])
def test_what_nobody_can_order_keeps_its_feature(version: str) -> None:
    (feature,) = ECOSYSTEM.features(package(version=version), "golang")
    assert feature.key == UNREADABLE


@pytest.mark.parametrize(
    ("name", "version", "purl"),
    [
        ("github.com/BurntSushi/toml", "v1.2.3", "pkg:golang/github.com/BurntSushi/toml@v1.2.3"),
        ("gopkg.in/yaml.v3", "v3.0.1", "pkg:golang/gopkg.in/yaml.v3@v3.0.1"),
        ("example.com/a/v2", "v2.0.0+incompatible", "pkg:golang/example.com/a/v2@v2.0.0%2Bincompatible"),
        ("stdlib", "go1.19.8", "pkg:golang/stdlib@1.19.8"),
        ("stdlib", "go1.22rc1 X:boringcrypto", "pkg:golang/stdlib@1.22rc1"),
    ],
)
def test_the_purl_has_the_path_and_the_version(name: str, version: str, purl: str) -> None:
    assert ECOSYSTEM.purl(package(name, version), None) == purl


# --- the order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("go1.21.5", "1.21.5"),
        ("go1.21", "1.21.0"),
        ("go1.22rc1", "1.22.0-rc.1"),
        ("go1.20beta2", "1.20.0-beta.2"),
        ("go1.9.2rc2", "1.9.2-rc.2"),
        ("go1", "1.0.0"),
        ("go1.21.5 X:boringcrypto", "1.21.5"),
        ("go1.22.1-1ubuntu1", "1.22.1"),
        ("go1.20.12 (Red Hat 1.20.12-3.el9_3)", "1.20.12"),
        ("go1.21.13+auto", "1.21.13"),
        ("v1.2.3", "1.2.3"),
        ("v1", "1.0.0"),
        ("v2.0.0+incompatible", "v2.0.0"),
    ],
)
def test_a_version_may_be_written_in_several_ways(written: str, meant: str) -> None:
    assert ECOSYSTEM.key(written) == ECOSYSTEM.key(meant)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("v0.0.0-20200101000000-abcdef123456", "v0.0.0-20200101000001-000000000000"),
        ("v1.2.3", "v1.2.4-0.20200101000000-abcdef123456"),
        ("v1.2.4-0.20200101000000-abcdef123456", "v1.2.4"),
        ("v1.2.3-pre", "v1.2.3-pre.0.20200101000000-abcdef123456"),
        ("go1.22rc1", "go1.22"),
        ("1.20.0-0", "go1.20rc1"),
        ("go1.9", "go1.10"),
        ("go1.22beta1", "go1.22rc1"),
    ],
)
def test_known_orders(older: str, newer: str) -> None:
    assert ECOSYSTEM.key(older) < ECOSYSTEM.key(newer)


@pytest.mark.parametrize("version", ["", "go", "master", "v1.2.x", "1.2.3.4", "go1.2.3" + "0" * 2000])
def test_what_is_no_version_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion):
        ECOSYSTEM.key(version)


@pytest.mark.parametrize("scheme", ["golang", "cargo"])
def test_every_row_of_the_table_is_agreed_with(shared_data: Path, scheme: str) -> None:
    lines = (shared_data / "versions" / "semver-versions.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("//")]
    answers = compare_lines(scheme, (f"{one} {other}" for one, _, other in rows))
    assert list(answers) == [order for _, order, _ in rows]
    assert len(rows) == 41


DRIVER = """
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/semver"
)

func main() {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		pair := strings.Split(input.Text(), " ")
		fmt.Println(semver.Compare(pair[0], pair[1]))
	}
}
"""

GO_SOURCES = Path("/usr/share/gocode")
"""Where Debian's golang-golang-x-mod-dev puts Go's own order."""


def pairs(count: int) -> list[tuple[str, str]]:
    """Return pairs of versions, most of which are neighbours."""
    chance = random.Random(7)
    words = [
        "0",
        "1",
        "9",
        "10",
        "rc",
        "rc1",
        "RC",
        "a",
        "0a",
        "-",
        "x-y",
        "20200101000000-abcdef",
        "beta",
        "99999999999",
    ]

    def parts() -> list[str]:
        numbers = [chance.choice(["0", "1", "2", "10", "184467440737095516161"]) for _ in range(3)]
        return [*numbers, ".".join(chance.choice(words) for _ in range(chance.randint(0, 3)))]

    def written(version: list[str]) -> str:
        build = chance.choice(["", "", "+incompatible", "+a.1"])
        return "v" + ".".join(version[:3]) + (f"-{version[3]}" if version[3] else "") + build

    found = []
    for _ in range(count):
        one = parts()
        other = list(one)
        place = chance.randrange(4)
        other[place] = parts()[place]
        found.append((written(one), written(other)))
    return found


@pytest.mark.skipif(
    not (shutil.which("go") and (GO_SOURCES / "src/golang.org/x/mod").exists()),
    reason="no Go, or no golang-golang-x-mod-dev",
)
def test_go_itself_agrees(tmp_path: Path) -> None:
    (tmp_path / "driver.go").write_text(DRIVER)
    asked = pairs(20_000)
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GO_SOURCES), "GOFLAGS": ""}
    done = subprocess.run(
        ["go", "run", str(tmp_path / "driver.go")],
        input="".join(f"{one} {other}\n" for one, other in asked),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    answers = [int(answer) for answer in done.stdout.split()]
    keys = [(ECOSYSTEM.key(one), ECOSYSTEM.key(other)) for one, other in asked]
    differing = [
        (pair, answer)
        for pair, (one, other), answer in zip(asked, keys, answers, strict=True)
        if (one > other) - (one < other) != answer
    ]
    assert differing == []
