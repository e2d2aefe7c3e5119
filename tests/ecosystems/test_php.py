"""PHP: what Composer installed, and its order."""

import io
import json
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.php import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import Inventory, Package
from tests.version_pairs import MAKERS, answers, disagreements, pairs
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "php"
PATH = "srv/www/vendor/composer/installed.json"

AUTOLOAD = "Composer/Semver/autoload.php"
PROGRAM = f"""
require '{AUTOLOAD}';
$parser = new Composer\\Semver\\VersionParser();
while (($line = fgets(STDIN)) !== false) {{
    try {{
        [$one, $other] = array_map([$parser, 'normalize'], explode("\\t", rtrim($line, "\\n")));
        echo '<=>'[1 + version_compare($one, $other)], "\\n";
    }} catch (UnexpectedValueException $refused) {{
        echo "!\\n";
    }}
}}
"""


def read(content: bytes) -> Inventory:
    inventory = ECOSYSTEM.read(PATH, io.BytesIO(content))
    assert inventory is not None
    return inventory


@pytest.mark.parametrize("form", ["composer-1", "composer-2"])
def test_the_lists_of_both_composers_are_read(form: str) -> None:
    assert read((SAMPLES / form / "installed.json").read_bytes()) == Inventory(
        path=PATH,
        analyser="php",
        packages=(
            Package(type="composer", name="asm89/stack-cors", version="1.3.0", path=PATH),
            Package(type="composer", name="behat/mink", version="v1.8.1", path=PATH),
        ),
    )


@pytest.mark.parametrize("path", ["srv/installed.json", "composer/lock.json", "xcomposer/installed.json"])
def test_other_files_are_nobody_s(path: str) -> None:
    assert ECOSYSTEM.read(path, io.BytesIO(b"[")) is None


def test_an_empty_list_is_no_problem() -> None:
    assert read(b'{"packages": [], "dev": false, "dev-package-names": []}') == Inventory(path=PATH, analyser="php")


def test_a_branch_is_a_package_whose_version_cannot_be_read() -> None:
    (package,) = read(b'[{"name": "a/b", "version": "dev-main"}]').packages
    assert package.version == "dev-main"
    with pytest.raises(BadVersion):
        ECOSYSTEM.key(package.version)


def test_broken_entries_are_named_and_the_others_kept() -> None:
    entries = [
        {"name": "a/a", "version": "1"},
        "text",
        {"name": "b/b"},
        {"version": "1"},
        {"name": ["c/c"], "version": "1"},
        {"name": "d/d", "version": 1.0},
        {"name": "e/e", "version": "1" * 1_000_000},
        {"name": "f/f", "version": "1"},
    ]
    inventory = read(json.dumps(entries).encode())
    assert [package.name for package in inventory.packages] == ["a/a", "f/f"]
    assert inventory.problem is not None
    assert "6 places" in inventory.problem
    assert "package 2" in inventory.problem
    assert len(inventory.problem) < 2000


HOSTILE = {
    "empty": b"",
    "no list": b"{}",
    "packages are no list": b'{"packages": {"a/b": {"name": "a/b", "version": "1"}}}',
    "a text": b'"packages"',
    "cut off": b'[{"name": "a/b", "version": "1"}, {',
    "depth": b"[" * 500_000,
    "many entries": b"[" + b"{}," * 2_000_000 + b"{}]",
    "too large": b"[" + b" " * 34_000_000 + b"]",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_damage_is_named(content: bytes) -> None:
    with guarded(), pytest.raises(BadDatabase):
        read(content)


def test_entries_that_are_nothing_but_damage_are_given_up() -> None:
    with guarded():
        inventory = read(b"[" + b"0," * 400_000 + b"0]")
    assert inventory.packages == ()
    assert "the rest was not read" in str(inventory.problem)


@given(
    st.recursive(
        st.none() | st.text() | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["packages", "name", "version"]), inner),
        max_leaves=10,
    )
)
def test_any_document_is_read_or_refused(document: object) -> None:
    try:
        read(json.dumps(document).encode())
    except BadDatabase as refusal:
        assert str(refusal)  # noqa: PT017


# --- the order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ascending",
    [
        ["1.0-dev", "1.0-alpha", "1.0-alpha.1", "1.0-a2", "1.0-b1", "1.0-RC1", "1.0", "1.0-p1", "1.0.1"],
        ["1.0-beta1-dev", "1.0-beta1", "1.0-beta1.1", "1.0-beta2"],
        ["1.9.9", "1.x-dev", "2.0-dev", "2.0.99", "2.0.x-dev", "2.1", "2.x-dev", "3"],
        ["2010-01-02", "2010-01-02.5", "20100102"],
        ["1.0.0.18446744073709551616", "1.0.0.18446744073709551617"],
    ],
)
def test_known_orders(ascending: list[str]) -> None:
    keys = [ECOSYSTEM.key(version) for version in ascending]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v1.0", "1.0.0.0"),
        ("V1", "1.0"),
        ("1.0-stable", "1"),
        ("1.0-BETA1", "1.0b1"),
        ("1.0+build", "1.0"),
        ("1.0pl1", "1.0-patch1"),
    ],
)
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert ECOSYSTEM.key(one) == ECOSYSTEM.key(other)


@pytest.mark.parametrize(
    "version", ["", "dev-main", "master", "main", "1.0.0.0.0", "1.0-preview", "x-dev", "^1.0", "1.2.x"]
)
def test_what_has_no_place_in_the_order_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion):
        ECOSYSTEM.key(version)


def test_keys_order_as_composer_compares() -> None:
    php = shutil.which("php")
    if (
        php is None
        or subprocess.run([php, "-r", f"exit(stream_resolve_include_path('{AUTOLOAD}') ? 0 : 1);"]).returncode
    ):
        pytest.skip("PHP with composer/semver is not installed here")
    compared = list(pairs(MAKERS["composer"], Random(20240229), 10_000))
    said = answers([php, "-r", PROGRAM], compared)
    assert said.count("!") < 5_000
    asked = [(pair, answer) for pair, answer in zip(compared, said, strict=True) if not _by_letter_case(*pair)]
    assert disagreements(ECOSYSTEM.key, [pair for pair, _ in asked], [answer for _, answer in asked]) == []


def _by_letter_case(*versions: str) -> bool:
    """Say whether one is `Stable`, known in small letters only, or a branch, which PHP compares as text."""
    return any(("stable" in text.lower() and "stable" not in text) or "dev-" in text.lower() for text in versions)
