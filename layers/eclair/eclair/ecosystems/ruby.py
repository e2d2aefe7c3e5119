"""What gems are installed, and which of two versions is newer?

Format: the specification that RubyGems writes of each gem, `specifications/NAME-VERSION.gemspec` or, of those that come
with Ruby, `specifications/default/…` (https://guides.rubygems.org/specification-reference/). It is a program; nothing
of it is run: RubyGems writes its attributes one to a line, `s.name = "rack".freeze`.

Version order: `Gem::Version`, of RubyGems 3.3. Segments are numbers and texts, those that are missing are zero, and
texts are older than numbers. Beyond it the first segment may end in letters, as in `1beta`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.errors import BadDatabase, BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.language_package import language_features, language_purl, word
from eclair.versions.version_key import LONGEST, number, quoted

_SUFFIX: Final = ".gemspec"
_FOLDER: Final = "specifications"
_INTEREST: Final = Interest(suffixes=(_SUFFIX,))

_LARGEST: Final = 1 << 20
"""Bytes of a specification that are read; the attributes stand at its beginning."""

_ATTRIBUTE: Final = re.compile(
    rb"^[ \t]*+\w++\.(?P<name>name|version|platform)[ \t]*+=[ \t]*+(?:Gem::Version\.new\()?+"
    rb"""["'](?P<value>[^"'\r\n]++)["']""",
    re.MULTILINE,
)

_ANY_PLATFORM: Final = "ruby"

_VERSION: Final = re.compile(
    r"\s*+[0-9][0-9a-zA-Z]*+(?:\.[0-9a-zA-Z]++)*+(?:-[0-9A-Za-z-]++(?:\.[0-9A-Za-z-]++)*+)?+\s*+", re.ASCII
)
_SEGMENT: Final = re.compile(r"[0-9]++|[a-zA-Z]++")

# The tags of a key, in the order of what may stand at one place. A run of zeros is told by what follows it: before a
# text, which is older than zero, fewer zeros are older; before a number fewer are newer; those at the end are nothing.
_TEXT: Final = b"\x10"
_ZEROS_AND_TEXT: Final = b"\x11"
_END_OF_TEXT: Final = b"\x00"
_END: Final = b"\x20"
_ZEROS_AND_NUMBER: Final = b"\x30"
_ZERO: Final = 0x40
_MOST_ZEROS: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Ruby:
    """Gems."""

    name: str = "ruby"
    scheme: str = "gem"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the gem that a specification describes; its architecture is the platform, where it is for one."""
        *folders, file = path.split("/")
        if not file.endswith(_SUFFIX) or _FOLDER not in folders:
            return None
        attributes: dict[bytes, bytes] = {}
        for match in _ATTRIBUTE.finditer(content.read(_LARGEST)):
            attributes.setdefault(match["name"], match["value"])
        if not attributes.keys() >= {b"name", b"version"}:
            raise BadDatabase("no name and version in the specification of the gem")
        name, version, platform = (
            word(attributes.get(attribute, default).decode(errors="backslashreplace"), attribute.decode())
            for attribute, default in ((b"name", b""), (b"version", b""), (b"platform", _ANY_PLATFORM.encode()))
        )
        package = Package(
            type=self.scheme,
            name=name,
            version=version,
            arch="" if platform == _ANY_PLATFORM else platform,
            path=path,
        )
        return Inventory(path=path, analyser=self.name, packages=(package,))

    def key(self, version: str) -> bytes:
        """Return the byte key of a version."""
        if len(version) > LONGEST or not _VERSION.fullmatch(version):
            raise BadVersion(f"{quoted(version)} is no version of a gem: it has numbers and words parted by dots")
        segments = _SEGMENT.findall(version.replace("-", ".pre."))
        return b"".join(_tokens(segments)) + _END

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the namespace, which is the same in every distribution."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the gem."""
        return language_features(self, package, namespace, package.name)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL, with the platform."""
        return language_purl(package, qualifiers={"platform": package.arch} if package.arch else None)


def _tokens(segments: Sequence[str]) -> Iterator[bytes]:
    """Encode the segments. Zeros before the first text say nothing, as those at the end."""
    zeros = 0
    was_text = False
    for segment in segments:
        if not segment.isdigit():
            yield _before_text(zeros if was_text else 0) + segment.encode() + _END_OF_TEXT
            zeros, was_text = 0, True
        elif value := int(segment):
            yield _before_number(zeros) + number(value, zero=_ZERO)
            zeros = 0
        else:
            zeros += 1


def _before_text(zeros: int) -> bytes:
    return _ZEROS_AND_TEXT + zeros.to_bytes(2, "big") if zeros else _TEXT


def _before_number(zeros: int) -> bytes:
    return _ZEROS_AND_NUMBER + (_MOST_ZEROS - zeros).to_bytes(2, "big") if zeros else b""


ECOSYSTEM: Final[Ecosystem] = Ruby()
