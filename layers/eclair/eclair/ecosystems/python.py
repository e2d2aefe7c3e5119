"""What did Python's installers install, and which of two versions is newer?

Formats: the core metadata (https://packaging.python.org/specifications/core-metadata/), in `NAME-VERSION.dist-info/`,
`NAME-VERSION.egg-info/` or a file of that name, and `EGG-INFO/` of an egg, be it a folder or a zip archive. Only the
header is read, as far as to the name and the version, which stand at its beginning.

Version order: PEP 440, read by `packaging`. Names are normalised as PEP 503 has it.
"""

import io
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from eclair.archives.random_access import Bytes
from eclair.archives.zip_archive import MAGIC, Archive, Budget
from eclair.ecosystems import Ecosystem
from eclair.errors import BadDatabase, BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.language_package import language_features, language_purl, word
from eclair.versions.version_key import LONGEST, number, quoted

_METADATA: Final = (
    ".dist-info/METADATA",
    ".DIST-INFO/METADATA",
    ".egg-info/PKG-INFO",
    ".egg-info/METADATA",
    ".egg-info",
)
_METADATA_IN_EGG: Final = "EGG-INFO/PKG-INFO"
_EGG: Final = ".egg"
_INTEREST: Final = Interest(suffixes=(*_METADATA, _METADATA_IN_EGG, _EGG))

_TESTS_OF_PYTHON: Final = re.compile(r"(?:^|/)(?:python|pypy)[0-9.]*+/test/")
"""Where Python keeps its own tests, which have packages that are not installed."""

_LARGEST_HEADER: Final = 1 << 20
"""Bytes in which the name and the version have to be found; they are the first fields that all tools write."""

_FIELDS: Final = frozenset((b"name", b"version"))

# The tags of a key, in the order of what may stand at one place.
_END: Final = b"\x01"
_ZERO: Final = 0x10
_NO_DEV: Final = b"\x80"
_DEV_ONLY: Final = b"\x00"
_PRE: Final = {"a": b"\x01", "b": b"\x02", "rc": b"\x03"}
_NO_PRE: Final = b"\x04"
_NO_POST: Final = b"\x00"
_NO_LOCAL: Final = b"\x00"
_TEXT: Final = b"\x02"
_END_OF_TEXT: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class Python:
    """Distributions, as Python calls its packages, of PyPI."""

    name: str = "python"
    scheme: str = "pypi"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the package that a header or an egg describes."""
        if _TESTS_OF_PYTHON.search(path):
            return None
        if path.endswith(_METADATA) or f"/{path}".endswith(f"/{_METADATA_IN_EGG}"):
            package = _package(content, path)
        elif path.lower().endswith(_EGG) and content.read(len(MAGIC)) == MAGIC:
            package = _package(_metadata_of_egg(content), path)
        else:
            return None
        return Inventory(path=path, analyser=self.name, packages=(package,))

    def key(self, version: str) -> bytes:
        """Return the byte key of a version as PEP 440 defines it, with its local part."""
        if len(version) > LONGEST or not version.isascii():
            raise BadVersion(f"{quoted(version)} is no version of PEP 440: it has 1 to {LONGEST} characters of ASCII")
        try:
            parsed = Version(version)
        except InvalidVersion as error:
            raise BadVersion(f"{quoted(version)} is no version of PEP 440") from error
        return b"".join(
            (_number(parsed.epoch), _release(parsed.release), _pre(parsed), _post(parsed), _dev(parsed), _local(parsed))
        )

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the namespace, which is the same in every distribution."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the package."""
        return language_features(self, package, namespace, package.name)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL."""
        return language_purl(package)


def _package(content: BinaryIO, path: str) -> Package:
    fields = _fields(content)
    if not fields.keys() >= _FIELDS:
        raise BadDatabase("no Name and Version in the header")
    name, version = (_text(fields[field], field) for field in (b"name", b"version"))
    return Package(type="pypi", name=canonicalize_name(name), version=version, path=path)


def _fields(content: BinaryIO) -> Mapping[bytes, bytes]:
    """Return name and version; the header ends at an empty line, and of fields that stand twice the first counts."""
    fields: dict[bytes, bytes] = {}
    header = content.read(_LARGEST_HEADER).removeprefix(BOM_UTF8).lstrip()
    for line in header.splitlines():
        field, _, value = line.partition(b":")
        field = field.rstrip().lower()
        if field in _FIELDS and value.strip():
            fields.setdefault(field, value.strip())
        if not line or len(fields) == len(_FIELDS):
            break
    return fields


def _text(value: bytes, field: bytes) -> str:
    return word(value.decode(errors="backslashreplace"), field.decode())


def _metadata_of_egg(content: BinaryIO) -> BinaryIO:
    """Return the header within a zipped egg."""
    archive = Archive(Bytes(content), Budget())
    for entry in archive.entries((_METADATA_IN_EGG.lower().encode(),)):
        if entry.name == _METADATA_IN_EGG:
            return io.BytesIO(archive.head(entry, _LARGEST_HEADER))
    raise BadDatabase(f"an egg without {_METADATA_IN_EGG}")


def _number(value: int) -> bytes:
    return number(value, zero=_ZERO)


def _release(numbers: tuple[int, ...]) -> bytes:
    """Encode the release; zeros at its end say nothing."""
    length = len(numbers)
    while length and not numbers[length - 1]:
        length -= 1
    return b"".join(map(_number, numbers[:length])) + _END


def _pre(version: Version) -> bytes:
    """Encode the pre-release: none is newer than any, but a development release of the release is older than all."""
    if version.pre is not None:
        letter, count = version.pre
        return _PRE[letter] + _number(count)
    return _DEV_ONLY if version.post is None and version.dev is not None else _NO_PRE


def _post(version: Version) -> bytes:
    return _NO_POST if version.post is None else _number(version.post)


def _dev(version: Version) -> bytes:
    return _NO_DEV if version.dev is None else _number(version.dev)


def _local(version: Version) -> bytes:
    """Encode the local part: more parts are newer than fewer, numbers than texts."""
    if version.local is None:
        return _NO_LOCAL
    parts = version.local.split(".")
    return (
        b"".join([_number(int(part)) if part.isdigit() else _TEXT + part.encode() + _END_OF_TEXT for part in parts])
        + _END
    )


ECOSYSTEM: Final[Ecosystem] = Python()
