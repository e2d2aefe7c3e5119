"""What did Composer install, and which of two versions is newer?

Format: `vendor/composer/installed.json`, which Composer 1 writes as a list and Composer 2 as an object with `packages`.

Version order: `VersionParser::normalize` of composer/semver (https://getcomposer.org/doc/articles/versions.md), then
PHP's `version_compare`, with two differences: numbers are of any size, where PHP holds all beyond 2^63 for equal; and
the first number may have more than five digits. Branches (`dev-main`) have no place in the order; those of a release
line (`2.x-dev`) are newer than all of it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.errors import BadDatabase, BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.faults import Faults
from eclair.packages.json_document import read_json
from eclair.packages.language_package import language_features, language_purl, word
from eclair.versions.version_key import LONGEST, number, quoted

_FILE: Final = "installed.json"
_FOLDER: Final = "composer"
_INTEREST: Final = Interest(names=frozenset((_FILE,)))

_LARGEST: Final = 8 << 20
"""Bytes of the list; that of a large shop has some two million."""

_METADATA: Final = r"(?:\+[!-~]++)?+"
_MODIFIERS: Final = (
    r"[._-]?+(?:(?P<stability>stable|beta|b|rc|alpha|a|patch|pl|p)(?P<count>(?:[.-]?+[0-9]++)*+))?+"
    rf"(?P<dev>[.-]?+dev)?+{_METADATA}"
)
_FEW: Final = rf"v?+(?P<numbers>[0-9]{{1,5}}+(?:\.[0-9]++){{0,3}}+){_MODIFIERS}"
_DATE: Final = rf"v?+(?P<numbers>[0-9]{{4}}(?:[.:-]?[0-9]{{2}}){{1,6}}(?:[.:-]?[0-9]{{1,3}})?){_MODIFIERS}"
_MANY: Final = rf"v?+(?P<numbers>[0-9]++(?:\.[0-9]++){{0,3}}+){_MODIFIERS}"
_BRANCH: Final = rf"v?+(?P<numbers>[0-9]++(?:\.(?:[0-9]++|[x*])){{0,3}}+)(?P<dev>[.-]?+dev){_METADATA}"

_FORMS: Final = tuple(
    (re.compile(pattern, re.ASCII | re.IGNORECASE), missing)
    for pattern, missing in ((_FEW, ("0",) * 4), (_DATE, ()), (_MANY, ("0",) * 4), (_BRANCH, ("x",) * 4))
)
"""The forms of a version, the first that fits decides, and what stands for numbers that are missing."""

_NUMBER: Final = re.compile(r"[0-9]++|[xX*]")
_ANY: Final = 9999999
"""The number that Composer puts in the place of an `x`."""

# The tags of a key, in the order of what may stand at one place.
_DEV: Final = b"\x02"
_STABLE: Final = "stable"
_STABILITIES: Final = {
    "a": b"\x03",
    "alpha": b"\x03",
    "b": b"\x04",
    "beta": b"\x04",
    "rc": b"\x05",
    "p": b"\x80",
    "patch": b"\x80",
    "pl": b"\x80",
}
_END: Final = b"\x10"
_ZERO: Final = 0x20


@dataclass(frozen=True, slots=True)
class Php:
    """Packages of Packagist."""

    name: str = "php"
    scheme: str = "composer"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the packages of the list."""
        if path.split("/")[-2:] != [_FOLDER, _FILE]:
            return None
        faults = Faults()
        packages = tuple(_packages(_entries(read_json(content, _LARGEST)), path, faults))
        return Inventory(path=path, analyser=self.name, packages=packages, problem=faults.problem)

    def key(self, version: str) -> bytes:
        """Return the byte key of a version that has numbers."""
        stripped = version.strip() if len(version) <= LONGEST else ""
        for pattern, missing in _FORMS:
            if match := pattern.fullmatch(stripped):
                numbers = _NUMBER.findall(match["numbers"])
                return b"".join(map(_number, (*numbers, *missing[len(numbers) :]))) + _modifiers(match) + _END
        raise BadVersion(f"{quoted(version)} is no version of Composer that has a place in an order")

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the namespace, which is the same in every distribution."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the package; its name is not told apart by case."""
        return language_features(self, package, namespace, package.name.lower())

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL; the vendor is its namespace."""
        vendor, _, name = package.name.rpartition("/")
        return language_purl(package, namespace=vendor, name=name)


def _entries(document: object) -> Sequence[object]:
    entries = document.get("packages") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise BadDatabase("no list of packages")
    return entries


def _packages(entries: Iterable[object], path: str, faults: Faults) -> Iterator[Package]:
    for position, entry in enumerate(entries, 1):
        try:
            yield _package(entry, path)
        except BadDatabase as error:
            faults.add(f"package {position}", str(error))
        if faults.hopeless:
            return


def _package(entry: object, path: str) -> Package:
    if not isinstance(entry, dict):
        raise BadDatabase("no JSON object")
    name, version = word(entry.get("name"), "name"), word(entry.get("version"), "version")
    return Package(type="composer", name=name, version=version, path=path)


def _number(digits: str) -> bytes:
    return number(int(digits) if digits.isdigit() else _ANY, zero=_ZERO)


def _modifiers(match: re.Match[str]) -> bytes:
    """Encode the stability with its numbers, and that it is a development version of it."""
    groups = match.groupdict(default="")
    stability = groups.get("stability", "").lower()
    if stability == _STABLE:
        return b""
    numbers = _NUMBER.findall(groups["count"]) if stability else []
    return _STABILITIES.get(stability, b"") + b"".join(map(_number, numbers)) + (_DEV if groups["dev"] else b"")


ECOSYSTEM: Final[Ecosystem] = Php()
