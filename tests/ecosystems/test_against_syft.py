"""What pip, npm, RubyGems and dpkg really install is found where syft finds it, and belongs to whom dpkg says.

Runs where syft, npm, Ruby and apt are installed and packages can be fetched.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from eclair.cli import run

NEEDED = ("syft", "npm", "ruby", "gem", "apt-get", "dpkg", "dpkg-query")
TYPES = {"python": "pypi", "npm": "npm", "gem": "gem", "java-archive": "maven", "go-module": "golang"}

PYTHON = ("six", "PyYAML", "zope.interface", "jaraco.text")
NODE = ("resolve@1.22.8", "fs-minipass", "@isaacs/string-locale-compare")
DEBIAN = ("libcommons-lang3-java", "libguava-java", "liblog4j2-java", "gosu", "fzf", "age", "python3-six", "node-ms")

GEMSPEC = """
Gem::Specification.new do |s|
  s.name, s.version, s.summary, s.authors, s.files = "demo", "1.0.0.beta2", "A demonstration", ["Nobody"], []
end
"""

Found = tuple[str, str, str, str]
"""The purl type, name, version and path of a package."""


def execute(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=600).stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a file system with packages of five languages, some of them by dpkg."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("image")
    root = folder / "root"
    app = root / "app"
    app.mkdir(parents=True)
    (app / "package.json").write_text('{"name": "shop", "version": "0.1.0", "private": true}')
    (folder / "demo.gemspec").write_text(GEMSPEC)
    gems = root / "usr/lib/ruby/gems/3.1.0"
    try:
        by_dpkg(folder, root)
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps")
        execute(*pip, "--target", root / "usr/local/lib/python3.11/dist-packages", *PYTHON, cwd=folder)
        execute("npm", "install", "--silent", "--no-audit", "--no-fund", *NODE, cwd=app)
        execute("gem", "build", "demo.gemspec", cwd=folder)
        execute("gem", "install", "--local", "--install-dir", gems, "demo-1.0.0.beta2.gem", cwd=folder)
        default = execute("ruby", "-e", "puts Gem.default_specifications_dir", cwd=folder).strip()
    except subprocess.SubprocessError as error:
        pytest.skip(f"packages could not be fetched or built: {error}")
    shutil.copytree(default, gems / "specifications" / "default", dirs_exist_ok=True)
    return root


def by_dpkg(folder: Path, root: Path) -> None:
    """Unpack Debian's packages of Java, Go, Python and Node as an image has them, with the database."""
    database = root / "var/lib/dpkg"
    for name in ("info", "updates"):
        (database / name).mkdir(parents=True)
    for name in ("status", "available"):
        (database / name).touch()
    (root / "etc").mkdir()
    shutil.copy("/etc/os-release", root / "etc/os-release")
    execute("apt-get", "download", "--quiet", *DEBIAN, cwd=folder)
    execute("dpkg", f"--root={root}", "--force-all", "--unpack", *sorted(folder.glob("*.deb")), cwd=folder)


@pytest.fixture(scope="module")
def ours(root: Path) -> list[dict[str, Any]]:
    written = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(written, write_through=True)):
        assert run(("packages", f"dir:{root}", "--format", "json")) == 0
        packages: list[dict[str, Any]] = json.loads(written.getvalue())["packages"]
    return packages


def by_syft(root: Path) -> Iterator[Found]:
    environment = os.environ | {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
    command = ("syft", "scan", f"dir:{root}", "--override-default-catalogers", "image", "--quiet", "--output", "json")
    done = subprocess.run(command, check=True, capture_output=True, env=environment, timeout=600)
    for artifact in json.loads(done.stdout)["artifacts"]:
        for location in artifact["locations"]:
            if artifact["type"] in TYPES and location.get("annotations", {}).get("evidence") == "primary":
                yield _found(TYPES[artifact["type"]], artifact["name"], artifact["version"], location["path"])


def by_us(ours: list[dict[str, Any]]) -> Iterator[Found]:
    for package in ours:
        if package["type"] in TYPES.values():
            yield _found(package["type"], package["name"], package["version"], package["path"])


def _found(type_: str, name: str, version: str, path: str) -> Found:
    """Return a package as both name it: syft names an archive by the artifact alone."""
    match type_:
        case "pypi":
            name = canonicalize_name(name)
        case "maven":
            name = name.rpartition(":")[2]
        case "golang" if _is_program(name, path):
            version = ""
    return type_, name, version, path.lstrip("/")


def _is_program(name: str, path: str) -> bool:
    """Say whether it is the program itself: where its build information has no version, syft looks for one in its
    bytes, and takes the first that looks like one (v1.1.1 of age)."""
    return re.sub(r".*/", "", name) == re.sub(r".*/", "", path)


def _is_no_package(found: Found) -> bool:
    """Say whether it is a `package.json` without a version, or one that is only a part of an installed package."""
    _, _, version, path = found
    folders = path.split("/")[:-1]
    inner = folders[folders.index("node_modules") :] if "node_modules" in folders else []
    return version == "UNKNOWN" or "test" in inner or "dist" in inner


def test_the_same_packages_are_found(root: Path, ours: list[dict[str, Any]]) -> None:
    found, theirs = set(by_us(ours)), set(by_syft(root))
    assert {type_ for type_, *_ in found} == set(TYPES.values())
    assert len(found) > 40
    assert found == {found for found in theirs if not _is_no_package(found)}


def test_the_packages_of_the_distribution_are_those_that_dpkg_lists(root: Path, ours: list[dict[str, Any]]) -> None:
    listed = execute(
        *("dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show"),
        *("--showformat", "${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n"),
        cwd=root,
    )
    found = [
        " ".join((one["name"], one["version"], one["arch"], one["source"]["name"], one["source"]["version"]))
        for one in ours
        if one["type"] == "deb"
    ]
    assert sorted(found) == sorted(listed.splitlines())
    assert len(found) == len(DEBIAN)


def test_what_dpkg_owns_is_a_part_of_its_package(root: Path, ours: list[dict[str, Any]]) -> None:
    languages = [one for one in ours if one["type"] != "deb"]
    searched = execute(
        *("dpkg-query", f"--admindir={root}/var/lib/dpkg", "--search"),
        *(f"/{one['path']}" for one in languages if one["owned_by"]),
        cwd=root,
    )
    owners = {path.strip(): name for name, _, path in (line.partition(": ") for line in searched.splitlines())}
    assert {f"/{one['path']}": one["owned_by"] for one in languages if one["owned_by"]} == owners
    assert {one["type"] for one in languages if one["owned_by"]} >= {"maven", "golang", "pypi", "npm"}
    assert not any(one["owned_by"] for one in languages if one["path"].startswith(("app/", "usr/local/")))
