"""What was a Go program built from?

Format: the documentation of Go's `debug/buildinfo` and `runtime/debug.BuildInfo`, and what Go's linker writes. A header
of 32 bytes, aligned to 16, begins with a magic. Since Go 1.18 two strings follow it, each after its length: the Go
version, and the modules as lines of fields between tabs. Before, the header points at two string headers in memory.
"""

import struct
from dataclasses import dataclass
from typing import Final

from eclair.archives.random_access import Bytes
from eclair.errors import BadDatabase
from eclair.packages.executable import Executable, Extent

_MAGIC: Final = b"\xff Go buildinf:"
_ALIGNMENT: Final = 16
_HEADER: Final = 32
SECTIONS: Final = (".go.buildinfo", "__go_buildinfo")

_BIG_ENDIAN: Final = 1
_INLINE: Final = 2

_CHUNK: Final = 1 << 20
_MOST_ODD: Final = 1000
"""Places where the magic is not aligned; a program that reads build information has one or two."""
_LARGEST_STRING: Final = 1 << 20
"""Bytes; Kubernetes' list of its modules has some thirty thousand."""
_LONGEST_LENGTH: Final = 10
_FOLDERS: Final = ("./", "../", "/")
"""How the path of a folder begins, which may stand in for a module."""
_MARK: Final = 16
"""Bytes before and after the modules, by which a debugger finds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module as the program has it; `version` is "" or `(devel)` where nobody can tell."""

    path: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInfo:
    """What a program says of itself; `settings` are the flags of the build command, as they are written."""

    go_version: str
    main: Module | None
    dependencies: tuple[Module, ...]
    settings: tuple[tuple[str, str], ...]


def read_build_info(file: Bytes, executable: Executable) -> BuildInfo | None:
    """Return the build information, None where there is none. Raises `BadDatabase` where it cannot be read."""
    place = _place(file, executable)
    if place is None:
        return None
    header = file.at(place, _HEADER)
    if header[15] & _INLINE:
        version, end = _inline_string(file, place + _HEADER)
        modules, _ = _inline_string(file, end)
    else:
        version, modules = _pointed_strings(file, executable, header)
    if not version:
        raise BadDatabase("no version of Go in its build information")
    return _parsed(version.decode(errors="backslashreplace"), _unmarked(modules).decode(errors="backslashreplace"))


def _unmarked(modules: bytes) -> bytes:
    return modules[_MARK:-_MARK] if modules[-_MARK - 1 : -_MARK] == b"\n" else b""


def _place(file: Bytes, executable: Executable) -> int | None:
    """Return where the header is; what may hold it is searched, but no more bytes than the file has."""
    named = [section for section in executable.sections if section.name in SECTIONS]
    budget = file.size
    for extent in named or _nameless(executable):
        size = max(min(extent.size, file.size - extent.offset, budget), 0)
        place = _find(file, extent.offset, size)
        if place is not None:
            return place
        budget -= size
    if named:
        raise BadDatabase(f"section {named[0].name} has no build information of Go, or lies outside the file")
    return None


def _nameless(executable: Executable) -> list[Extent]:
    """Return where else it may be: in what is writable, if there are no sections, or if they are the segments (PE)."""
    if executable.sections not in ((), executable.segments):
        return []
    return [segment for segment in executable.segments if segment.writable]


def _find(file: Bytes, begin: int, size: int) -> int | None:
    """Return the first aligned place of the magic among so many bytes."""
    odd = 0
    for start in range(0, size, _CHUNK):
        chunk = file.at(begin + start, min(_CHUNK + _HEADER, size - start))
        found = chunk.find(_MAGIC)
        while found >= 0:
            if found % _ALIGNMENT == 0:
                return begin + start + found
            odd += 1
            if odd > _MOST_ODD:
                raise BadDatabase(f"the beginning of Go's build information at more than {_MOST_ODD} odd places")
            found = chunk.find(_MAGIC, found + 1)
    return None


def _inline_string(file: Bytes, place: int) -> tuple[bytes, int]:
    """Return the string that stands after its length, and where it ends."""
    encoded = file.at(place, min(_LONGEST_LENGTH, file.size - place))
    size = 0
    for count, byte in enumerate(encoded):
        size |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            begin = place + count + 1
            return _string(file, begin, size), begin + size
    raise BadDatabase(f"no length of a string at byte {place}")


def _pointed_strings(file: Bytes, executable: Executable, header: bytes) -> tuple[bytes, bytes]:
    """Return the strings whose own headers, each an address and a size, the header points at."""
    word = header[14]
    if word not in (4, 8):
        raise BadDatabase(f"addresses of {word} bytes")
    pair = struct.Struct((">" if header[15] & _BIG_ENDIAN else "<") + ("II" if word == 4 else "QQ"))

    def string(where: int) -> bytes:
        place = executable.offset_of(where) if where else None
        address, size = pair.unpack(file.at(place, pair.size)) if place is not None else (0, 0)
        if not size:
            return b""
        place = executable.offset_of(address)
        if place is None:
            raise BadDatabase(f"a string of {size} bytes at address {address:#x}, of which the file has none")
        return _string(file, place, size)

    version, modules = pair.unpack_from(header, _ALIGNMENT)
    return string(version), string(modules)


def _string(file: Bytes, place: int, size: int) -> bytes:
    if size > _LARGEST_STRING:
        raise BadDatabase(f"a string of {size} bytes; at most {_LARGEST_STRING} are read")
    return file.at(place, size)


def _parsed(version: str, lines: str) -> BuildInfo:
    main: Module | None = None
    dependencies: list[Module] = []
    settings: list[tuple[str, str]] = []
    for line in lines.split("\n"):
        match line.split("\t"):
            case ["path", path] if "." in path.partition("/")[0]:
                main = Module(path=path, version="")
            case ["mod", path, module_version, *_]:
                main = Module(path=path, version=module_version)
            case ["dep", path, module_version, *_]:
                dependencies.append(Module(path=path, version=module_version))
            case ["=>", path, module_version, *_] if dependencies and not path.startswith(_FOLDERS):
                dependencies[-1] = Module(path=path, version=module_version)
            case ["=>", *_] if dependencies:
                dependencies[-1] = Module(path=dependencies[-1].path, version="")
            case ["build", setting]:
                name, _, value = setting.partition("=")
                settings.append((name, value))
    return BuildInfo(go_version=version, main=main, dependencies=tuple(dependencies), settings=tuple(settings))
