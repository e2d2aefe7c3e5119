"""What pip, npm and RubyGems really install is found where syft finds it.

Runs where syft, npm and Ruby are installed and packages can be fetched.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from eclair.cli import run

NEEDED = ("syft", "npm", "ruby", "gem")
TYPES = {"python": "pypi", "npm": "npm", "gem": "gem"}

PYTHON = ("six", "PyYAML", "zope.interface", "jaraco.text")
NODE = ("resolve@1.22.8", "fs-minipass", "@isaacs/string-locale-compare")

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
    """Return the root of a file system with packages of three languages."""
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
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps")
        execute(*pip, "--target", root / "usr/lib/python3/dist-packages", *PYTHON, cwd=folder)
        execute("npm", "install", "--silent", "--no-audit", "--no-fund", *NODE, cwd=app)
        execute("gem", "build", "demo.gemspec", cwd=folder)
        execute("gem", "install", "--local", "--install-dir", gems, "demo-1.0.0.beta2.gem", cwd=folder)
        default = execute("ruby", "-e", "puts Gem.default_specifications_dir", cwd=folder).strip()
    except subprocess.SubprocessError as error:
        pytest.skip(f"packages could not be fetched or built: {error}")
    shutil.copytree(default, gems / "specifications" / "default", dirs_exist_ok=True)
    return root


def by_syft(root: Path) -> Iterator[Found]:
    environment = os.environ | {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
    command = ("syft", "scan", f"dir:{root}", "--override-default-catalogers", "image", "--quiet", "--output", "json")
    done = subprocess.run(command, check=True, capture_output=True, env=environment, timeout=600)
    for artifact in json.loads(done.stdout)["artifacts"]:
        for location in artifact["locations"]:
            if artifact["type"] in TYPES and location.get("annotations", {}).get("evidence") == "primary":
                yield _found(TYPES[artifact["type"]], artifact["name"], artifact["version"], location["path"])


def by_us(root: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Found]:
    assert run(("packages", f"dir:{root}", "--format", "json")) == 0
    for package in json.loads(capsys.readouterr().out)["packages"]:
        yield _found(package["type"], package["name"], package["version"], package["path"])


def _found(type_: str, name: str, version: str, path: str) -> Found:
    return type_, canonicalize_name(name) if type_ == "pypi" else name, version, path.lstrip("/")


def _is_no_package(found: Found) -> bool:
    """Say whether it is a `package.json` without a version, or one that is only a part of an installed package."""
    _, _, version, path = found
    folders = path.split("/")[:-1]
    inner = folders[folders.index("node_modules") :] if "node_modules" in folders else []
    return version == "UNKNOWN" or "test" in inner or "dist" in inner


def test_the_same_packages_are_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = set(by_us(root, capsys)), set(by_syft(root))
    assert {type_ for type_, *_ in ours} == set(TYPES.values())
    assert len(ours) > 20
    assert ours == {found for found in theirs if not _is_no_package(found)}
