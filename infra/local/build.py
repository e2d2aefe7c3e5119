"""What does the local stack deploy? The emulator's environment, the layers, and the functions as archives.

The emulator runs functions on its own interpreter whatever the template says, so the dependencies are installed for
that one (compiled packages of another version would not import). The same input gives the same archive, so nothing
is built, uploaded or updated twice.
"""

import compileall
import hashlib
import importlib.util
import os
import platform
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from infra.local.processes import StackError

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = ROOT / "infra" / "tools" / "emulator.lock"
DEPENDENCIES = ROOT / "layers" / "dependencies" / "requirements.txt"
LAYER = ROOT / "layers" / "eclair"
FUNCTIONS = ROOT / "functions"

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every archive member: the oldest that a zip can say."""


def runtime() -> str:
    """Return the Lambda runtime that this interpreter stands for."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def architecture() -> str:
    """Return this machine's processor in Lambda's words."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


def emulator(cache: Path) -> Path:
    """Return the interpreter of the emulator's environment, made where it is missing."""
    home = cache / f"ministack-{fingerprint(EMULATOR)}"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        make_environment(home)
        install(["--require-hashes", "--requirement", str(EMULATOR)], python)
        (home / "complete").touch()
    return python


def dependencies(cache: Path, python: Path) -> Path:
    """Return the archive of the dependencies layer, built where it is missing."""
    archive = cache / f"dependencies-{fingerprint(DEPENDENCIES)}.zip"
    if not archive.exists():
        folder = cache / "dependencies"
        shutil.rmtree(folder, ignore_errors=True)
        install(["--requirement", str(DEPENDENCIES), "--target", str(folder / "python")], python)
        compile_for_good(folder)
        write_archive(archive, files_of(folder))
        shutil.rmtree(folder)
    return archive


def code(cache: Path) -> dict[str, Path]:
    """Return the archives of our own code by the path that the template gives it."""
    sources = {"layers/eclair": [(f"python/{name}", path) for name, path in files_of(LAYER) if not hidden(name)]}
    for function in sorted(FUNCTIONS.glob("*/app.py")):
        sources[f"functions/{function.parent.name}"] = [("app.py", function)]
    archives: dict[str, Path] = {}
    for source, members in sources.items():
        archives[source] = cache / f"{source.replace('/', '-')}.zip"
        write_archive(archives[source], members)
    return archives


def hidden(name: str) -> bool:
    """Say whether a file beside our code is none of it: what an editable installation and Python leave there."""
    return ".egg-info/" in name or "__pycache__/" in name


def fingerprint(*requirements: Path) -> str:
    """Return a short name for what these requirement files give on this interpreter and machine."""
    content = b"\0".join([sys.version.encode(), platform.machine().encode(), *map(Path.read_bytes, requirements)])
    return hashlib.sha256(content).hexdigest()[:12]


def make_environment(home: Path) -> None:
    """Make a virtual environment of the interpreter that runs us."""
    maker = [*uv(), "venv", "--quiet", "--python", sys.executable] if uv() else [sys.executable, "-m", "venv"]
    run([*maker, str(home)])


def install(arguments: Sequence[str], python: Path) -> None:
    """Install packages for an interpreter, by uv where there is one (several times faster), else by its pip."""
    if uv():
        run([*uv(), "pip", "install", "--quiet", "--link-mode", "copy", "--python", str(python), *arguments])
    else:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        run([*pip, *arguments])


def uv() -> list[str]:
    """Return the command that starts uv; nothing where there is none."""
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    return [found] if found else []


def run(command: Sequence[str]) -> None:
    """Run a command of the set-up; its output appears only if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)  # noqa: S603 (ours)
    if done.returncode:
        raise StackError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")


def compile_for_good(folder: Path) -> None:
    """Compile all modules in a way that holds although unpacking changes the times of the sources."""
    compileall.compile_dir(folder, quiet=2, workers=0, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder with their names relative to it, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def write_archive(archive: Path, members: Iterable[tuple[str, Path]]) -> None:
    """Write a zip whose bytes depend on its content alone; not compressed, each new worker unpacks it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w") as file:
        for name, path in members:
            member = zipfile.ZipInfo(name, EPOCH)
            member.external_attr = 0o644 << 16
            file.writestr(member, path.read_bytes())
    partial.replace(archive)
