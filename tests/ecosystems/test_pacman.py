"""pacman: what is installed, and the order of Arch Linux's versions."""

import contextlib
import ctypes
import ctypes.util
import io
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from eclair.ecosystems.pacman import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import UNREADABLE, Distribution, Inventory, Kind, Package, Source

SAMPLES = Path(__file__).parent.parent / "samples" / "pacman"
FOLDER = "var/lib/pacman/local"
SIX = f"{FOLDER}/python-six-1:1.16.0-9"
LIBS = f"{FOLDER}/openssl-libs-3.2.1-1"

ARCH = Distribution(id="arch", version="", name="Arch Linux", namespace="arch")

needs_pacman = pytest.mark.skipif(shutil.which("pacman") is None, reason="pacman is not installed here")


def read(path: str, content: bytes) -> Inventory:
    inventory = ECOSYSTEM.read(path, io.BytesIO(content))
    assert inventory is not None
    return inventory


def desc(name: str, path: str) -> Package:
    (package,) = read(f"{path}/desc", (SAMPLES / name / "desc").read_bytes()).packages
    return package


# --- what is installed -----------------------------------------------------------------------------------------------


def test_a_desc_is_a_package() -> None:
    assert desc("python-six", SIX) == Package(
        type="alpm",
        name="python-six",
        version="1:1.16.0-9",
        arch="any",
        source=Source(name="python-six", version="1:1.16.0-9"),
        path=f"{SIX}/desc",
    )


def test_what_was_installed_from_a_file_without_signature_is_third_party() -> None:
    package = desc("openssl-libs", LIBS)
    assert package.third_party
    assert package.source == Source(name="openssl", version="3.2.1-1")
    assert ECOSYSTEM.features(package, "arch") == ()


@needs_pacman
def test_pacman_lists_the_same(tmp_path: Path) -> None:
    local = tmp_path / "local"
    for name, path in (("python-six", SIX), ("openssl-libs", LIBS)):
        shutil.copytree(SAMPLES / name, local / path.rpartition("/")[2])
    (local / "ALPM_DB_VERSION").write_text("9\n")
    command = ["pacman", "--root", str(tmp_path), "--dbpath", str(tmp_path), "-Q"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    mine = [desc("openssl-libs", LIBS), desc("python-six", SIX)]
    assert said.splitlines() == [f"{package.name} {package.version}" for package in mine]


def test_files_are_what_the_package_owns() -> None:
    inventory = read(f"{SIX}/files", (SAMPLES / "python-six" / "files").read_bytes())
    assert inventory.owned == (
        ("usr/lib/python3.12/site-packages/python-six-1.dist-info/METADATA", "python-six"),
        ("usr/share/licenses/python-six/LICENSE", "python-six"),
    )
    assert inventory.packages == ()


def test_only_the_files_of_the_section_are_owned() -> None:
    content = b"%OTHER%\nx\n\n%FILES%\netc/\netc/a\n\n%BACKUP%\netc/a\t0123\n"
    assert read(f"{LIBS}/files", content).owned == (("etc/a", "openssl-libs"),)
    assert read(f"{LIBS}/files", b"etc/a\n").owned == ()


@pytest.mark.parametrize("path", ["desc", "home/desc", f"{FOLDER}/desc", f"{FOLDER}/a-1/desc", f"{FOLDER}/a-1-1/mtree"])
def test_other_files_of_that_name_are_not_read(path: str) -> None:
    assert ECOSYSTEM.read(path, io.BytesIO(b"%NAME%\na\n\n%VERSION%\n1-1\n")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%NAME%\na\n",
        b"%NAME%\n\n%VERSION%\n1-1\n",
        b"%NAME%\n\xff\n\n%VERSION%\n1-1\n",
        b"%NAME%\na\x1b\n\n%VERSION%\n1-1\n",
        b"%NAME%\n" + b"a" * 1_000_000 + b"\n\n%VERSION%\n1-1\n",
        b"\n" * 1_000_000,
        bytes(1000),
    ],
)
def test_what_names_no_package_is_refused(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read(f"{SIX}/desc", content)


def test_more_than_is_read_is_named() -> None:
    inventory = read(f"{SIX}/files", b"%FILES%\na\n" + b"b" * (17 << 20))
    assert inventory.problem is not None
    assert "the file is larger" in inventory.problem
    assert "a path of" in inventory.problem
    assert inventory.owned == (("a", "python-six"),)


# --- what it is matched by -------------------------------------------------------------------------------------------


def test_the_features_are_the_base_and_the_package_itself() -> None:
    package = Package(
        type="alpm", name="a", version="1:2-3", arch="any", source=Source(name="b", version="1:2-3"), path="p"
    )
    source, binary = ECOSYSTEM.features(package, "arch")
    assert (source.package.kind, source.package.name, source.version) == (Kind.SOURCE, "b", "1:2-3")
    assert (binary.package.kind, binary.package.name, binary.arch) == (Kind.BINARY, "a", "any")
    assert ECOSYSTEM.namespace(ARCH) == "arch"
    assert ECOSYSTEM.namespace(None) == ""


def test_the_purl_keeps_the_epoch_in_the_version() -> None:
    purl = PackageURL.from_string(ECOSYSTEM.purl(desc("python-six", SIX), ARCH))
    assert (purl.type, purl.namespace, purl.name, purl.version) == ("alpm", "arch", "python-six", "1:1.16.0-9")
    assert purl.qualifiers == {"arch": "any", "distro": "arch"}


# --- the order -------------------------------------------------------------------------------------------------------

MANUAL = ["1.0a", "1.0b", "1.0beta", "1.0p", "1.0pre", "1.0rc", "1.0", "1.0.a", "1.0.1"]
"""vercmp(8): "Alphanumeric"."""
NUMBERS = ["1", "1.0", "1.1", "1.1.1", "1.2", "2.0", "3.0.0"]
"""vercmp(8): "Numeric"."""


@pytest.mark.parametrize("ascending", [MANUAL, NUMBERS, ["9-1", "9-2", "10-1", "1:1-1", "2:0-1"]])
def test_the_examples_of_the_manual(ascending: list[str]) -> None:
    keys = [ECOSYSTEM.key(version) for version in ascending]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("version", ["", "1.-1", "1-1.", "-1", "1-", "1:", "é-1", "1" * 1025, "1.é-1"])
def test_what_has_no_place_in_the_order_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion):
        ECOSYSTEM.key(version)


TOKENS = ["0", "1", "2", "9", "10", "00", "01", "a", "b", "z", "A", ".", "_", "+", "..", "._", "git", "4294967296"]
parts = st.builds(
    lambda tokens, last: "".join(tokens) + last,
    st.lists(st.sampled_from(TOKENS), max_size=4),
    st.sampled_from(["0", "1", "01", "10", "a", "rc"]),
)
versions = st.builds(
    lambda epoch, version, release: f"{epoch}{version}-{release}",
    st.sampled_from(["", "0:", "1:", "01:"]),
    parts,
    parts,
)


def test_keys_order_as_pacman_compares() -> None:
    library = ctypes.util.find_library("alpm")
    if library is None:
        pytest.skip("the library of pacman is not installed here")
    compare = ctypes.CDLL(library).alpm_pkg_vercmp
    chance = random.Random(20240229)

    def part() -> str:
        return "".join(chance.choices(TOKENS, k=chance.randint(0, 3))) + chance.choice(["0", "1", "01", "a", "rc"])

    for _ in range(20_000):
        first, second = (chance.choice(["", "", "0:", "1:", "01:"]) + f"{part()}-{part()}" for _ in range(2))
        keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
        assert (keys[0] > keys[1]) - (keys[0] < keys[1]) == compare(first.encode(), second.encode()), (first, second)


@given(versions, versions)
def test_no_key_is_the_beginning_of_another(first: str, second: str) -> None:
    keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
    assert keys[0] == keys[1] or not keys[0].startswith(keys[1])


@given(versions)
def test_every_key_lies_after_the_unreadable_one_and_before_the_upper_end(version: str) -> None:
    assert UNREADABLE < ECOSYSTEM.key(version) < b"\xff"


@given(st.text(max_size=40))
def test_any_text_has_a_key_or_is_refused(version: str) -> None:
    with contextlib.suppress(BadVersion):
        assert ECOSYSTEM.key(version)
