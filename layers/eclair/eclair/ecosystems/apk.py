"""What did apk install, and which of two Alpine versions is newer?

Formats: apk's installed database (apk-v2(5)): paragraphs of `P:name`, `V:version`, `A:architecture`, `o:origin` and
more, with the files as `R:name` below `F:directory`. Version order: apk-package(5), and what apk-tools 3 does beyond
it, with three differences on strings that apk-tools 3 takes for no versions:

- a letter may be followed by digits, as apk-tools 2 reads it: `6.6.2p1-r0` is a real version in Alpine's advisories,
  and apk-tools 3 holds every `6.6.2p…` for equal, by which a missing fix would pass for an installed one;
- a component may be empty (`10.2.24.r0` is a real version, too): it sorts below the end and reading goes on, where
  apk-tools 3 holds everything behind it for equal;
- a revision of zero with something unreadable behind it is itself unreadable.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.errors import BadInput, BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package, Source
from eclair.packages.faults import Faults
from eclair.packages.os_package import FileList, namespace_among, os_purl, source_feature, text
from eclair.packages.paragraphs import Paragraph, read_paragraphs
from eclair.versions.version_key import LONGEST, number, quoted

_INTEREST: Final = Interest(
    paths=frozenset(("lib/apk/db/installed", "usr/lib/apk/db/installed", "var/lib/apk/db/installed"))
)

_FAMILIES: Final = frozenset(("alpine", "wolfi", "chainguard"))

_FIELDS: Final = frozenset((b"P", b"V", b"A", b"o"))
_DIRECTORY: Final = b"F"
_LISTS: Final = frozenset((_DIRECTORY, b"R"))

# The tags of a key, in the order of what may stand at one place of a version.
_PRE_SUFFIXES: Final = {"alpha": b"\x01", "beta": b"\x02", "pre": b"\x03", "rc": b"\x04"}
_EMPTY: Final = b"\x07"
_UNREADABLE: Final = b"\x08"
_END: Final = b"\x09"
_REVISION: Final = b"\x0a"
_HASH: Final = b"\x0b"
_SUFFIX_NUMBER: Final = b"\x0c"
_POST_SUFFIXES: Final = {"cvs": b"\x10", "svn": b"\x11", "git": b"\x12", "hg": b"\x13", "p": b"\x14"}
_LETTERS: Final = {letter: bytes((0x21 + place,)) for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
_LEADING_ZERO: Final = b"\x40"
_ZERO: Final = 0x42

_SUFFIXES: Final = _PRE_SUFFIXES | _POST_SUFFIXES
_END_OF_TEXT: Final = b"\x00"

_FIRST: Final = re.compile(r"[0-9]*+")
_NEXT: Final = re.compile(
    r"(?P<digits>[0-9]++)"
    r"|\.(?P<component>[0-9]*+)"
    r"|(?P<letter>[a-z])"
    r"|_(?P<suffix>alpha|beta|pre|rc|cvs|svn|git|hg|p)(?![a-z])"
    r"|~(?P<hash>[0-9a-f]++)"
    r"|-r(?P<revision>[0-9]++)"
)

_REVISION_ZERO: Final = _REVISION + number(0, zero=_ZERO)


@dataclass(frozen=True, slots=True)
class Apk:
    """Packages of Alpine, Wolfi and Chainguard images."""

    name: str = "apk"
    scheme: str = "apk"
    version: int = 3
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the installed packages; of several paragraphs about one package the last decides."""
        faults = Faults()
        owned = FileList(faults)
        packages: dict[str, Package] = {}
        for paragraph in read_paragraphs(content, _FIELDS, faults, canonical=bytes, repeated=_LISTS):
            try:
                package = _package(paragraph, path)
            except BadInput as error:
                faults.add(f"line {paragraph.line}", str(error))
            else:
                packages[package.name] = package
                owned.add(package.name, _files(paragraph))
        return Inventory(
            path=path,
            analyser=self.name,
            packages=tuple(packages.values()),
            owned=owned.pairs(),
            problem=faults.problem,
        )

    def key(self, version: str) -> bytes:
        """Return the byte key of a version: every string has one that is not empty and not absurdly long."""
        if not version or len(version) > LONGEST:
            raise BadVersion(f"{quoted(version)} is no Alpine version: it has 1 to {LONGEST} characters")
        return _key(version)

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the distribution's namespace, if it is one that uses apk."""
        return namespace_among(_FAMILIES, distribution)

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the origin, whose version all packages built from it have."""
        return source_feature(self, package, namespace)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL."""
        return os_purl(package, distribution)


def _package(paragraph: Paragraph, path: str) -> Package:
    fields = paragraph.fields
    name = text(fields.get(b"P", b""), "package name")
    if not name:
        raise BadInput("paragraph without P (name)")
    version = text(fields.get(b"V", b""), "version")
    if not version:
        raise BadInput(f"package {name} without V (version)")
    return Package(
        type="apk",
        name=name,
        version=version,
        arch=text(fields.get(b"A", b""), "architecture"),
        source=Source(name=text(fields.get(b"o", b""), "origin") or name, version=version),
        path=path,
    )


def _files(paragraph: Paragraph) -> Iterator[bytes]:
    """Yield the paths of the package's files: each `R:name` stands below the `F:directory` it belongs to."""
    directory = b""
    for field, value in paragraph.repeated:
        if field == _DIRECTORY:
            directory = value + b"/"
        else:
            yield directory + value


def _key(version: str) -> bytes:
    first = _FIRST.match(version)
    assert first is not None, "the pattern matches nothing at all, too"
    tokens = [_number(first[0]) if first[0] else _EMPTY]
    before, place = "component", first.end()
    while place < len(version):
        match = _NEXT.match(version, place)
        kind = _FOLLOWERS[before].get(match.lastgroup) if match and match.lastgroup else None
        if match is None or kind is None:
            if tokens[-1] == _REVISION_ZERO:
                tokens.pop()
            return b"".join(tokens) + _UNREADABLE
        tokens.append(_TOKENS[kind](match[match.lastgroup or 0]))
        before, place = kind, match.end()
    return b"".join(tokens) + _END


def _component(digits: str) -> bytes:
    """Encode a component other than the first: with a leading zero it is compared as text, before all numbers."""
    if not digits:
        return _EMPTY
    return _LEADING_ZERO + digits.encode() + _END_OF_TEXT if digits[0] == "0" else _number(digits)


def _number(digits: str) -> bytes:
    """Encode a number modulo 2^64, as apk counts."""
    return number(int(digits) & 0xFFFF_FFFF_FFFF_FFFF, zero=_ZERO)


# What each kind of token becomes.
_TOKENS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "component": _component,
    "letter": _LETTERS.__getitem__,
    "number": _number,
    "suffix": _SUFFIXES.__getitem__,
    "suffix number": lambda digits: _SUFFIX_NUMBER + _number(digits),
    "hash": lambda digits: _HASH + digits.encode() + _END_OF_TEXT,
    "revision": lambda digits: _REVISION + _number(digits),
}

# What may follow each kind of token: what the pattern calls it, and what it is in this place.
_TAIL: Final = {"hash": "hash", "revision": "revision"}
_AFTER_NUMBER: Final = {"component": "component", "letter": "letter", "suffix": "suffix"} | _TAIL
_FOLLOWERS: Final[Mapping[str, Mapping[str, str]]] = {
    "component": _AFTER_NUMBER,
    "number": _AFTER_NUMBER,
    "letter": {"digits": "number", "suffix": "suffix"} | _TAIL,
    "suffix": {"digits": "suffix number", "suffix": "suffix"} | _TAIL,
    "suffix number": {"suffix": "suffix"} | _TAIL,
    "hash": {"revision": "revision"},
    "revision": {},
}


ECOSYSTEM: Final[Ecosystem] = Apk()
