"""What did pacman install, and which of two Arch Linux versions is newer?

Formats: pacman's local database, `var/lib/pacman/local/NAME-VERSION-RELEASE/` with the files `desc` and `files`, each
of sections of `%FIELD%` and lines up to an empty one (`lib/libalpm/be_local.c` of pacman). Version order: vercmp(8),
with two differences:

- a version or release that ends with something else than a letter or digit has no key: vercmp holds `1.` for older than
  `1.0`, `1..a` for older than `1.` and `1.0` for older than `1..a`, so there is no order;
- a missing release is older than every other, while vercmp holds `1` for equal to `1-1` and `1-2`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile, islice, takewhile
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.errors import BadDatabase, BadInput, BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package, Source
from eclair.packages.faults import Faults
from eclair.packages.os_package import FileList, lines, namespace_among, os_purl, source_and_binary_features, text
from eclair.versions.version_key import LONGEST, number, quoted

_FOLDER: Final = "var/lib/pacman/local/"
_INTEREST: Final = Interest(names=frozenset(("desc", "files")))
_PATH: Final = re.compile(rf"{_FOLDER}(?P<name>[^/]+)-[^/-]+-[^/-]+/(?P<file>desc|files)")

_FAMILIES: Final = frozenset(("arch",))

_LARGEST: Final = 16 << 20
"""Bytes of a file; the list of files of the largest package has some five million."""

_UNSIGNED: Final = b"none"
"""How a package was validated that came from a file and not from a repository."""

# The tags of a version key, in the order of what may stand at one place; before them are letters. What comes after a
# gap (characters that are neither letters nor digits) is newer than what comes without, or after a shorter one.
_END_OF_LETTERS: Final = b"\x00"
_END: Final = b"\x80"
_ZERO: Final = 0x81
_GAP: Final = b"\xc0"
_NO_RELEASE: Final = b"\x00"
_RELEASE: Final = b"\x01"

_EPOCH: Final = re.compile(r"([0-9]*+):")
_SEGMENT: Final = re.compile(r"([^0-9a-zA-Z]*+)([0-9]++|[a-zA-Z]++)")


@dataclass(frozen=True, slots=True)
class Pacman:
    """Packages of Arch Linux images."""

    name: str = "pacman"
    scheme: str = "alpm"
    version: int = 2
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the package of a `desc`, or what a package's `files` lists."""
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        faults = Faults()
        read = lines(content, _LARGEST, faults)
        described = match["file"] == "desc"
        return Inventory(
            path=path,
            analyser=self.name,
            packages=(_package(_fields(read), path),) if described else (),
            owned=() if described else _owned(match["name"], read, faults),
            problem=faults.problem,
        )

    def key(self, version: str) -> bytes:
        """Return the byte key of `EPOCH:VERSION-RELEASE`."""
        if not version or len(version) > LONGEST or not version.isascii():
            raise BadVersion(f"{quoted(version)} is no Arch Linux version: it has 1 to {LONGEST} characters of ASCII")
        epoch = _EPOCH.match(version)
        rest = version[epoch.end() :] if epoch else version
        upstream, hyphen, release = rest.rpartition("-")
        if not hyphen:
            return _number(epoch[1] if epoch else "") + _part(rest, version) + _NO_RELEASE
        return _number(epoch[1] if epoch else "") + _part(upstream, version) + _RELEASE + _part(release, version)

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the distribution's namespace, if it is one that uses pacman."""
        return namespace_among(_FAMILIES, distribution)

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return what it was built from and the package itself."""
        return source_and_binary_features(self, package, namespace)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL."""
        return os_purl(package, distribution)


def _fields(read: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """Return the first line of each section."""
    fields: dict[bytes, bytes] = {}
    name = b""
    for line in read:
        if name and line:
            fields.setdefault(name, line)
        name = line if line.startswith(b"%") and line.endswith(b"%") else b""
    return fields


def _package(fields: Mapping[bytes, bytes], path: str) -> Package:
    try:
        name, version, base, arch = (
            text(fields.get(field, b""), field.decode()) for field in (b"%NAME%", b"%VERSION%", b"%BASE%", b"%ARCH%")
        )
    except BadInput as error:
        raise BadDatabase(str(error)) from error
    if not name or not version:
        raise BadDatabase("a package without %NAME% or %VERSION%")
    return Package(
        type="alpm",
        name=name,
        version=version,
        arch=arch,
        source=Source(name=base or name, version=version),
        path=path,
        third_party=fields.get(b"%VALIDATION%") == _UNSIGNED,
    )


def _owned(package: str, read: Iterable[bytes], faults: Faults) -> tuple[tuple[str, str], ...]:
    """Return the files, without the directories, which end in a slash."""
    below = dropwhile(lambda line: line != b"%FILES%", read)
    listed = islice(takewhile(bool, below), 1, None)
    owned = FileList(faults)
    owned.add(package, (line for line in listed if not line.endswith(b"/")))
    return owned.pairs()


def _part(part: str, version: str) -> bytes:
    tokens = []
    place = 0
    while place < len(part):
        match = _SEGMENT.match(part, place)
        if match is None:
            break
        tokens.append(_gap(match[1]) + _segment(match[2]))
        place = match.end()
    if not tokens or place < len(part):
        raise BadVersion(f"{quoted(version)} has no place in the order: a part of it ends with no letter or digit")
    return b"".join(tokens) + _END


def _gap(characters: str) -> bytes:
    return _GAP + len(characters).to_bytes(2, "big") if characters else b""


@lru_cache(maxsize=4096)
def _segment(segment: str) -> bytes:
    return _number(segment) if segment[0].isdigit() else segment.encode() + _END_OF_LETTERS


def _number(digits: str) -> bytes:
    return number(int(digits or "0"), zero=_ZERO)


ECOSYSTEM: Final[Ecosystem] = Pacman()
