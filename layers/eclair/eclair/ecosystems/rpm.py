"""What did rpm install, and which of two rpm versions is newer?

Formats: the database of rpm with its three backends (`packages.rpmdb`), at the places where distributions keep it, and
the lists that stand in for it in distroless images of Mariner and Azure Linux (`container-manifest-2`). Version order:
`rpmvercmp` as rpm has it since 4.15 (https://rpm-software-management.github.io/rpm/manual/dependencies.html#versioning),
of epoch, version and release in turn.

`container-manifest-1` is not read: it repeats the names of the other one, without sources and epochs.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import BinaryIO, Final

from packageurl import PackageURL

from eclair.ecosystems import Ecosystem
from eclair.errors import BadInput, BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package, Source
from eclair.packages import repositories, rpmdb, sqlite
from eclair.packages.faults import Faults
from eclair.packages.os_package import (
    FileList,
    lines,
    namespace_among,
    qualifiers,
    release,
    source_and_binary_features,
    text,
)
from eclair.packages.rpmdb import header as tags
from eclair.packages.rpmdb.header import Header
from eclair.versions.version_key import LONGEST, number, quoted

_FOLDERS: Final = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
_DATABASES: Final = frozenset(
    f"{folder}/{name}" for folder in _FOLDERS for name in ("Packages", "Packages.db", "rpmdb.sqlite")
)
_LOGS: Final = frozenset(f"{folder}/rpmdb.sqlite-wal" for folder in _FOLDERS)
_LIST: Final = "var/lib/rpmmanifest/container-manifest-2"
_HINTS: Final = repositories.INTEREST
_INTEREST: Final = replace(_HINTS, paths=_HINTS.paths | _DATABASES | _LOGS | {_LIST})

_FAMILIES: Final = frozenset(
    (
        *("almalinux", "amzn", "azurelinux", "centos-stream", "fedora", "mariner", "ol", "opensuse-leap"),
        *("opensuse-tumbleweed", "photon", "rhel", "rocky", "sles"),
    )
)

# The vendors of the purl type `rpm`, where they are not the ID of os-release.
_PURL_NAMESPACES: Final = {"rhel": "redhat", "opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse"}

_PUBLIC_KEY: Final = b"gpg-pubkey"
_UNKNOWN: Final = ("", "(none)")

# Who builds a distribution, by the package that names its release; what its VENDOR begins with. Without such a package
# all of them count as the distribution.
_VENDORS: Final[Mapping[str, tuple[str, ...]]] = {
    "almalinux-release": ("AlmaLinux", "CloudLinux"),
    "azurelinux-release": ("Microsoft Corporation",),
    "centos-linux-release": ("CentOS",),
    "centos-release": ("CentOS",),
    "centos-stream-release": ("CentOS",),
    "fedora-release": ("Fedora Project",),
    "mariner-release": ("Microsoft Corporation",),
    "openSUSE-release": ("openSUSE", "SUSE"),
    "oraclelinux-release": ("Oracle America",),
    "photon-release": ("VMware", "Broadcom"),
    "redhat-release": ("Red Hat",),
    "rocky-release": ("Rocky",),
    "sles-release": ("SUSE",),
    "system-release": ("Amazon",),
}
_ANY_VENDOR: Final = tuple({vendor for vendors in _VENDORS.values() for vendor in vendors})
_THIRD_PARTY_RELEASES: Final = ("PGDG", "nodesource", ".elrepo", ".ius", ".remi")
"""Marks in the release of packages whose builders leave VENDOR empty."""

_MANIFEST_FIELDS: Final = 10
_LARGEST_LIST: Final = 16 << 20

# The tags of a version key, in the order of what may stand at one place; between them are letters.
_BEFORE_END: Final = b"\x01"
_END: Final = b"\x02"
_AFTER_END: Final = b"\x03"
_END_OF_LETTERS: Final = b"\x00"
_ZERO: Final = 0x80
_NO_RELEASE: Final = b"\x00"
_RELEASE: Final = b"\x01"

_TOKEN: Final = re.compile(r"[0-9]++|[a-zA-Z]++|[~^]")
_EPOCH: Final = re.compile(r"([0-9]*+):")


@dataclass(frozen=True, slots=True)
class Rpm:
    """Packages of the distributions that use rpm."""

    name: str = "rpm"
    scheme: str = "rpm"
    version: int = 2
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the packages of a database, or what other files tell of their repositories."""
        faults = Faults()
        if path in _DATABASES:
            owned = FileList(faults)
            entries = tuple(_database_entries(content, owned, faults))
            return self._inventory(path, faults, packages=_packages(entries, path), owned=owned.pairs())
        if path == _LIST:
            return self._inventory(path, faults, packages=_packages(tuple(_listed(content, faults)), path))
        if path in _LOGS:
            return self._log(path, content)
        facts = repositories.read(path, content, faults)
        return None if facts is None else self._inventory(path, faults, facts=facts)

    def key(self, version: str) -> bytes:
        """Return the byte key of `EPOCH:VERSION-RELEASE`; without a release it is before all releases.

        rpm has no version that it refuses: what is neither a letter nor a digit, `~` nor `^` only divides.
        """
        if not version or len(version) > LONGEST or any(map(str.isspace, version)):
            raise BadVersion(f"{quoted(version)} is no rpm version: it has 1 to {LONGEST} characters and no blanks")
        epoch = _EPOCH.match(version)
        rest = version[epoch.end() :] if epoch else version
        upstream, hyphen, build = rest.rpartition("-")
        if not hyphen:
            return _number(epoch[1] if epoch else "") + _part(rest) + _NO_RELEASE
        return _number(epoch[1] if epoch else "") + _part(upstream) + _RELEASE + _part(build)

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the distribution's namespace, if it is one that uses rpm."""
        return namespace_among(_FAMILIES, distribution)

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the source package and the package itself: feeds name the one or the other."""
        return source_and_binary_features(self, package, namespace)

    def hinted(self, packages: Sequence[Package], facts: Sequence[tuple[str, str]]) -> tuple[Package, ...]:
        """Return the packages with the repositories that they came, or may have come, from."""
        words = repositories.words(facts)
        of_all = words.get(repositories.EVERY_PACKAGE, frozenset())
        return tuple(_hinted(package, of_all | words.get(_unique_name(package), frozenset())) for package in packages)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL, with the epoch as a qualifier and the file of the source package as `upstream`."""
        epoch, version = _without_epoch(package.version)
        source = package.source
        return PackageURL(
            type=package.type,
            namespace=_purl_namespace(distribution),
            name=package.name,
            version=version,
            qualifiers=qualifiers(
                arch=package.arch,
                distro=release(distribution),
                epoch=epoch,
                upstream=f"{source.name}-{_without_epoch(source.version)[1]}.src.rpm" if source else "",
            ),
        ).to_string()

    def _inventory(
        self,
        path: str,
        faults: Faults,
        *,
        packages: tuple[Package, ...] = (),
        facts: tuple[tuple[str, str], ...] = (),
        owned: tuple[tuple[str, str], ...] = (),
    ) -> Inventory:
        return Inventory(
            path=path, analyser=self.name, packages=packages, facts=facts, owned=owned, problem=faults.problem
        )

    def _log(self, path: str, content: BinaryIO) -> Inventory | None:
        """Name a log of changes: SQLite merges it into the database when the last program closes it."""
        if not sqlite.is_pending_log(content):
            return None
        problem = "holds changes that the database beside it may not have; a log is not read"
        return Inventory(path=path, analyser=self.name, problem=problem)


# --- what is installed -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What a database says of one package."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    vendor: str
    source_rpm: str
    module: str = ""

    @property
    def build(self) -> str:
        return f"{self.version}-{self.release}"


def _database_entries(content: BinaryIO, owned: FileList, faults: Faults) -> Iterator[_Entry]:
    for blob in rpmdb.blobs(content, faults):
        try:
            header = Header(blob.content)
            if header.string(tags.NAME) == _PUBLIC_KEY:
                continue
            entry = _entry(header)
            if not header.is_intact:
                faults.add(blob.place, f"the header of {entry.name} is not the one that its digest was made of")
        except BadInput as error:
            faults.add(blob.place, str(error))
            continue
        yield entry
        try:
            owned.add(entry.name, _files(header))
        except BadInput as error:
            faults.add(blob.place, f"files of {entry.name}: {error}")


def _entry(header: Header) -> _Entry:
    name = text(header.string(tags.NAME), "package name")
    version = text(header.string(tags.VERSION), "version")
    if not name or not version:
        raise BadInput("a header without a name or a version")
    return _Entry(
        name=name,
        epoch=next(iter(header.integers(tags.EPOCH)), 0),
        version=version,
        release=text(header.string(tags.RELEASE), "release"),
        arch=text(header.string(tags.ARCH), "architecture"),
        vendor=header.string(tags.VENDOR).decode(errors="replace"),
        source_rpm=text(header.string(tags.SOURCE_RPM), "source package"),
        module=text(header.string(tags.MODULARITY_LABEL), "module"),
    )


def _files(header: Header) -> Iterator[bytes]:
    """Yield the paths of a package's files; packages of the last century have whole paths."""
    directories = header.strings(tags.DIRECTORY_NAMES)
    try:
        for index, name in zip(header.integers(tags.DIRECTORY_INDEXES), header.strings(tags.BASE_NAMES), strict=True):
            yield directories[index] + name
    except (IndexError, ValueError) as error:
        raise BadInput("names and directories that do not fit") from error
    yield from header.strings(tags.OLD_FILENAMES)


def _listed(content: BinaryIO, faults: Faults) -> Iterator[_Entry]:
    """Read lines of name, version-release, two times, vendor, `(none)`, size, architecture, epoch, source package."""
    for position, line in enumerate(lines(content, _LARGEST_LIST, faults), 1):
        if faults.hopeless:
            return
        fields = line.split(b"\t", _MANIFEST_FIELDS)
        if not line or fields[0] == _PUBLIC_KEY:
            continue
        try:
            yield _list_entry(fields)
        except (BadInput, ValueError) as error:
            faults.add(f"line {position}", str(error))


def _list_entry(fields: Sequence[bytes]) -> _Entry:
    if len(fields) != _MANIFEST_FIELDS:
        raise BadInput(f"{len(fields)} fields instead of {_MANIFEST_FIELDS}")
    name, build, _, _, vendor, _, _, arch, epoch, source_rpm = (text(field, "field") for field in fields)
    version, hyphen, release_ = build.rpartition("-")
    if not name or not version or not hyphen:
        raise BadInput("a package without a name, a version or a release")
    return _Entry(
        name=name,
        epoch=int(epoch) if epoch.isdecimal() else 0,
        version=version,
        release=release_,
        arch=_known(arch),
        vendor=vendor,
        source_rpm=_known(source_rpm),
    )


def _known(word: str) -> str:
    return "" if word in _UNKNOWN else word


def _packages(entries: Collection[_Entry], path: str) -> tuple[Package, ...]:
    epochs = _source_epochs(entries)
    vendors = _distribution_vendors(entries)
    return tuple(dict.fromkeys(_package(entry, path, epochs, vendors) for entry in entries))


def _package(entry: _Entry, path: str, epochs: Mapping[str, int], vendors: tuple[str, ...]) -> Package:
    return Package(
        type="rpm",
        name=entry.name,
        version=_written(entry.epoch, entry.build),
        arch=entry.arch,
        source=_source(entry, epochs.get(entry.source_rpm, entry.epoch)),
        path=path,
        third_party=_third_party(entry, vendors),
        context=_module(entry.module),
    )


def _written(epoch: int, build: str) -> str:
    return f"{epoch}:{build}" if epoch else build


def _source_epochs(entries: Iterable[_Entry]) -> Mapping[str, int]:
    """Return the epochs of the source packages, whose file names have none.

    It is that of a package built from it under the same version and release. A package may raise an epoch of its own,
    never lower it, so of several the lowest is the source's.
    """
    epochs: dict[str, int] = {}
    for entry in entries:
        if entry.source_rpm and _source_build(entry.source_rpm)[1] == entry.build:
            epochs[entry.source_rpm] = min(entry.epoch, epochs.get(entry.source_rpm, entry.epoch))
    return epochs


def _source(entry: _Entry, epoch: int) -> Source | None:
    name, build = _source_build(entry.source_rpm)
    return Source(name=name, version=_written(epoch, build)) if name else None


@lru_cache(maxsize=4096)
def _source_build(source_rpm: str) -> tuple[str, str]:
    """Split `perl-5.26.3-416.el8.src.rpm` into the name and `version-release`; both are "" where it is no such name."""
    parts = source_rpm.removesuffix(".rpm").rpartition(".")[0].rsplit("-", 2)
    return (parts[0], f"{parts[1]}-{parts[2]}") if len(parts) == 3 and all(parts) else ("", "")


def _distribution_vendors(entries: Iterable[_Entry]) -> tuple[str, ...]:
    found = (vendors for entry in entries for name, vendors in _VENDORS.items() if entry.name.startswith(name))
    return next(found, _ANY_VENDOR)


def _third_party(entry: _Entry, vendors: tuple[str, ...]) -> bool:
    if any(mark in entry.release for mark in _THIRD_PARTY_RELEASES):
        return True
    return entry.vendor not in _UNKNOWN and not entry.vendor.startswith(vendors)


def _module(label: str) -> str:
    """Return the word of a context for `NAME:STREAM:VERSION:CONTEXT`."""
    name, _, rest = label.partition(":")
    stream = rest.partition(":")[0]
    return f"module:{name}:{stream}" if name and stream and len(label.split()) == 1 else ""


def _hinted(package: Package, words: frozenset[str]) -> Package:
    return replace(package, context=" ".join(sorted(words.union(package.context.split())))) if words else package


def _unique_name(package: Package) -> str:
    return f"{package.name}-{_without_epoch(package.version)[1]}.{package.arch}"


def _without_epoch(version: str) -> tuple[str, str]:
    epoch, colon, rest = version.partition(":")
    return (epoch, rest) if colon else ("", version)


def _purl_namespace(distribution: Distribution | None) -> str | None:
    """Return the vendor as the purl type `rpm` wants it."""
    return _PURL_NAMESPACES.get(distribution.id, distribution.id) if distribution else None


# --- the order -------------------------------------------------------------------------------------------------------


def _part(part: str) -> bytes:
    return b"".join(map(_token, _TOKEN.findall(part))) + _END


@lru_cache(maxsize=4096)
def _token(token: str) -> bytes:
    match token[0]:
        case "~":
            return _BEFORE_END
        case "^":
            return _AFTER_END
        case character if character.isdigit():
            return _number(token)
        case _:
            return token.encode() + _END_OF_LETTERS


def _number(digits: str) -> bytes:
    return number(int(digits or "0"), zero=_ZERO)


ECOSYSTEM: Final[Ecosystem] = Rpm()
