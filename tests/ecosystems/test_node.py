"""Node: which packages are installed, and npm's order."""

import io
import json
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.node import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import Inventory, Package
from tests.version_pairs import MAKERS, answers, disagreements, pairs
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "node"

PROGRAM = """
const semver = require(process.argv[1] + "/npm/node_modules/semver");
const order = (one, other) => { try { return "<=>"[1 + semver.compare(one, other)]; } catch { return "!"; } };
const lines = require("fs").readFileSync(0, "utf8").trimEnd().split("\\n");
console.log(lines.map((line) => order(...line.split("\\t"))).join("\\n"));
"""


def read(path: str, content: bytes) -> Inventory | None:
    return ECOSYSTEM.read(path, io.BytesIO(content))


def document(**members: object) -> bytes:
    return json.dumps({"name": "n", "version": "1.0.0"} | members).encode()


@pytest.mark.parametrize(
    ("folder", "sample", "expected"),
    [
        ("app/node_modules/depd", "depd", ("depd", "1.1.2")),
        ("app/node_modules/raw-body/node_modules/depd", "depd", ("depd", "1.1.2")),
        ("usr/lib/node_modules/npm/node_modules/@isaacs/string-locale-compare", "@isaacs/string-locale-compare", None),
        ("app/node_modules/.pnpm/escape-html@1.0.3/node_modules/escape-html", "escape-html", ("escape-html", "1.0.3")),
        ("app/node_modules/.store/escape-html-npm-1.0.3-376c22ee74/package", "escape-html", ("escape-html", "1.0.3")),
        ("app/node_modules/alias", "escape-html", ("escape-html", "1.0.3")),
        ("app/node_modules/pnpm/dist/node_modules/depd", "depd", ("depd", "1.1.2")),
        ("app/node_modules/test/node_modules/depd", "depd", ("depd", "1.1.2")),
        ("test/node_modules/depd", "depd", ("depd", "1.1.2")),
        ("usr/share/nodejs/depd", "depd", ("depd", "1.1.2")),
        ("app", "application", ("demo-app", "1.0.0")),
        ("", "application", ("demo-app", "1.0.0")),
    ],
)
def test_installed_packages_and_applications_are_found(
    folder: str, sample: str, expected: tuple[str, str] | None
) -> None:
    path = f"{folder}/package.json".lstrip("/")
    name, version = expected or ("@isaacs/string-locale-compare", "1.1.0")
    assert read(path, (SAMPLES / sample / "package.json").read_bytes()) == Inventory(
        path=path,
        analyser="node",
        packages=(Package(type="npm", name=name, version=version, path=path),),
    )


@pytest.mark.parametrize(
    "folder",
    [
        "node_modules",
        "node_modules/@scope",
        "node_modules/.cache",
        "node_modules/.cache/tool",
        "node_modules/.store/escape-html-npm-1.0.3-376c22ee74/other",
        "node_modules/.pnpm/node_modules/.bin",
        "node_modules/fs-minipass/dist/esm",
        "node_modules/@isaacs/fs-minipass/dist/esm",
        "node_modules/firebase/firestore",
        "node_modules/resolve/test/resolver/multirepo",
        "node_modules/resolve/test/resolver/malformed_package_json",
        "node_modules/resolve/test/node_modules/x",
        "node_modules/@a/b/__fixtures__/app/node_modules/x",
        "node_modules/a/node_modules/b/tests/node_modules/c/node_modules/d",
    ],
)
def test_what_is_only_a_part_of_a_package_is_not_installed(folder: str) -> None:
    assert read(f"app/{folder}/package.json", document()) is None
    assert read(f"app/{folder}/package.json", b"{ malformed") is None


@pytest.mark.parametrize("path", ["app/package-lock.json", "app/node_modules/.package-lock.json", "app/xpackage.json"])
def test_other_files_are_nobody_s(path: str) -> None:
    assert read(path, document()) is None


@pytest.mark.parametrize(
    "content",
    [
        (SAMPLES / "module-mark" / "package.json").read_bytes(),
        document(version=None),
        document(version=""),
        document(name=""),
        document(name=["n"]),
        document(name="{{ name }}"),
        document(name="../../etc/passwd"),
        document(name="@scope/../x"),
        document(name="@scope"),
        document(name="a\nb"),
    ],
)
def test_a_document_that_names_no_package_is_none(content: bytes) -> None:
    assert read("node_modules/a/package.json", content) is None
    assert read("app/package.json", content) is None


def test_documents_are_read_as_node_reads_them() -> None:
    content = b'\xef\xbb\xbf{"name": "x", "author": "Jos\xe9", "name": "n", "version": "1.0.0"}'
    inventory = read("node_modules/n/package.json", content)
    assert inventory is not None
    assert [(package.name, package.version) for package in inventory.packages] == [("n", "1.0.0")]


HOSTILE = {
    "empty": b"",
    "cut off": document()[:-3],
    "no object": b"[]",
    "depth": b'{"a":' * 200_000,
    "arrays": b'{"a":[' + b"[]," * 2_000_000 + b"[]]}",
    "too large": document(readme="x" * 9_000_000),
    "version of a megabyte": document(version="1" * 1_000_000),
    "version with control characters": document(version="1.0.0\n"),
    "version that is a number": document(version=1),
    "name of a megabyte": document(name="n" * 1_000_000),
    "lone surrogate": b'{"name": "n\\ud800", "version": "1.0.0"}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_damage_is_named(content: bytes) -> None:
    with guarded(), pytest.raises(BadDatabase):
        read("node_modules/n/package.json", content)


@pytest.mark.parametrize("part", ["node_modules/", "node_modules/a/", "@", "test/", "/"])
def test_a_path_of_many_folders_is_read_in_linear_time(part: str) -> None:
    with guarded():
        read(f"{part * 100_000}package.json", document())


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for text in (content, b'{"name":"n","version":' + content + b"}"):
        try:
            read("node_modules/n/package.json", text)
        except BadDatabase as refusal:
            assert str(refusal)  # noqa: PT017


# --- the order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("=v1.2.3", "1.2.3"),
        ("1.2.3beta", "1.2.3-beta"),
        (" 1.2.3 ", "1.2.3"),
        ("1.2", "1.2.0"),
        ("1.2.3-0a", "1.2.30a"),
    ],
)
def test_loose_versions_are_read(one: str, other: str) -> None:
    same = ECOSYSTEM.key(one) == ECOSYSTEM.key(other)
    assert same == (other != "1.2.30a")


@pytest.mark.parametrize("version", ["", "latest", "1.x", "1.2.3.4", "1.2.3-", "1.2.3-a..b", "^1.2.3", "git+ssh://x"])
def test_what_is_no_version_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion):
        ECOSYSTEM.key(version)


def test_keys_order_as_npm_s_semver_compares() -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed here")
    root = subprocess.run([npm, "root", "--global"], capture_output=True, text=True, check=True).stdout.strip()
    if not (Path(root) / "npm" / "node_modules" / "semver").is_dir():
        pytest.skip("npm has no semver of its own here")
    compared = list(pairs(MAKERS["npm"], Random(20240229), 10_000))
    said = answers(["node", "--eval", PROGRAM, "--", root], compared)
    assert said.count("!") < 5_000
    assert disagreements(ECOSYSTEM.key, compared, said) == []
