"""What did dpkg install, and which of two Debian versions is newer?

Formats: dpkg's status database (deb-control(5), deb822(5), dpkg-query(1)), `var/lib/dpkg/status` and, in distroless
images, one file per package in `var/lib/dpkg/status.d/`; the lists of installed files beside them, `info/NAME.list` and
`status.d/NAME.md5sums`; opkg's status, which is of the same shape. Version order: deb-version(7).

The database is read by our own line scanner: deb822 of python-debian, which keeps every field, takes four times as
long, and it passes over broken lines without a word, while we have to name them. The order is a byte key of our own
because DynamoDB has to sort by it. python-debian and dpkg itself are the oracles that the tests compare both with.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.errors import BadInput, BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package, Source
from eclair.packages import kernel, ubuntu_pro
from eclair.packages.faults import Faults
from eclair.packages.os_package import FileList, lines, namespace_among, os_purl, source_feature, text
from eclair.packages.paragraphs import LARGEST, Paragraph, read_paragraphs
from eclair.versions.version_key import LONGEST, number, quoted

_STATUS: Final = "var/lib/dpkg/status"
_STATUS_D: Final = "var/lib/dpkg/status.d/"
_OPKG: Final = frozenset(f"{folder}opkg/status" for folder in ("", "lib/", "opt/lib/", "usr/lib/", "var/lib/"))
_DATABASES: Final = _OPKG | {_STATUS}
_LIST: Final = ".list"
_INFO: Final = "var/lib/dpkg/info/"
_SUMS: Final = ".md5sums"
_INTEREST: Final = Interest(paths=_DATABASES | ubuntu_pro.PATHS, directories=(_STATUS_D,), suffixes=(_LIST,))

_PRO: Final = (("ubuntu-pro", "attached"),)

_FAMILIES: Final = frozenset(("debian", "ubuntu"))

_FIELDS: Final = frozenset((b"package", b"status", b"version", b"architecture", b"source", b"maintainer"))

_SELECTED_FOR_REMOVAL: Final = frozenset((b"deinstall", b"purge"))
_NOT_INSTALLED: Final = frozenset((b"not-installed", b"config-files"))
_INSTALLED: Final = frozenset(
    (b"installed", b"half-installed", b"unpacked", b"half-configured", b"triggers-awaited", b"triggers-pending")
)

# Who builds packages of their own for Debian and Ubuntu: the mail domains and addresses of the maintainers, and marks
# in versions. No package of Debian 12 main has one of them.
_THIRD_PARTY_MAINTAINERS: Final = frozenset(
    (
        b"amazon.com",
        b"cloudflare.com",
        b"confluent.io",
        b"cudatools@nvidia.com",
        b"datadoghq.com",
        b"docker.com",
        b"elastic.co",
        b"elasticsearch.com",
        b"f5.com",
        b"gitlab.com",
        b"grafana.com",
        b"hashicorp.com",
        b"influxdata.com",
        b"influxdb.com",
        b"kubernetes.io",
        b"mariadb.com",
        b"mariadb.org",
        b"microsoft.com",
        b"mongodb.com",
        b"newrelic.com",
        b"nginx.com",
        b"nodesource.com",
        b"oss.oracle.com",
        b"percona.com",
        b"rabbitmq.com",
        b"redis.com",
        b"redis.io",
        b"tailscale.com",
        b"zabbix.com",
    )
)
_THIRD_PARTY_VERSIONS: Final = ("pgdg", "nodesource", "+maria~", "~debian.", "~ubuntu.", "~1.gbp")

_RUN: Final = re.compile(rb"([^0-9]*+)0*+([0-9]*+)")
_EPOCH: Final = re.compile(r"[+-]?+[0-9]++", re.ASCII)
_HIGHEST_EPOCH: Final = 2**31 - 1

# How the characters between numbers order: `~` before the end of a run, letters, then the rest.
_END_OF_RUN: Final = 0x02
_ORDER: Final = bytes(
    0x01 if character == ord("~") else character if chr(character).isalpha() else 0x80 | character
    for character in range(0x80)
) + bytes(range(0x80, 0x100))


@dataclass(frozen=True, slots=True)
class Dpkg:
    """Packages of Debian, Ubuntu and distroless images."""

    name: str = "dpkg"
    scheme: str = "deb"
    version: int = 3
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the installed packages, the files of one of them, or whether Ubuntu Pro is attached."""
        if path.endswith((_LIST, _SUMS)) and path.startswith((_INFO, _STATUS_D)):
            return self._owned(path, content)
        if path in ubuntu_pro.PATHS:
            attached = ubuntu_pro.is_attached(path, content)
            return Inventory(path=path, analyser=self.name, facts=_PRO) if attached else None
        if path in _DATABASES or path.startswith(_STATUS_D):
            return self._status(path, content)
        return None

    def _owned(self, path: str, content: BinaryIO) -> Inventory:
        """Return the files that a list names; it is called after its package, or `NAME:ARCHITECTURE`."""
        file = path.rpartition("/")[2]
        name = file.removesuffix(_LIST).removesuffix(_SUMS).partition(":")[0]
        faults = Faults()
        paths: Iterable[bytes] = lines(content, LARGEST, faults)
        if file.endswith(_SUMS):
            paths = (line.partition(b"  ")[2] for line in paths)
        owned = FileList(faults)
        owned.add(name, paths)
        return Inventory(path=path, analyser=self.name, owned=owned.pairs(), problem=faults.problem)

    def _status(self, path: str, content: BinaryIO) -> Inventory:
        """Return the installed packages; of several paragraphs about one package the last decides."""
        faults = Faults()
        packages: dict[tuple[bytes, bytes], Package] = {}
        for paragraph in read_paragraphs(content, _FIELDS, faults, canonical=bytes.lower):
            fields = paragraph.fields
            key = (fields.get(b"package", b""), fields.get(b"architecture", b""))
            packages.pop(key, None)
            if not _installed(paragraph, faults):
                continue
            try:
                packages[key] = _package(paragraph, path)
            except BadInput as error:
                faults.add(f"line {paragraph.line}", str(error))
        return Inventory(path=path, analyser=self.name, packages=tuple(packages.values()), problem=faults.problem)

    def key(self, version: str) -> bytes:
        """Return the byte key of a version; refuse what `dpkg --compare-versions` refuses.

        dpkg only warns of characters that policy forbids, and of a version that begins with a letter: these have a
        key. What is not ASCII has none, although dpkg takes it: its place depends on whether `char` has a sign on
        the machine.
        """
        stripped = version.strip(" \t")
        if not stripped or len(stripped) > LONGEST:
            raise BadVersion(f"{quoted(version)} is no Debian version: it has 1 to {LONGEST} characters")
        if not stripped.isascii() or len(stripped.split()) > 1:
            raise BadVersion(f"{quoted(version)} is no Debian version: it is ASCII without blanks")
        epoch, colon, rest = stripped.partition(":")
        if not colon:
            epoch, rest = "0", stripped
        upstream, hyphen, revision = rest.rpartition("-")
        if not hyphen:
            upstream, revision = rest, "0"
        if not upstream or not revision:
            raise BadVersion(f"{quoted(version)} is no Debian version: nothing after the colon or beside the hyphen")
        return number(_epoch(epoch, version), zero=_END_OF_RUN) + _part(upstream) + _part(revision)

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the distribution's namespace, if it is one that uses dpkg."""
        return namespace_among(_FAMILIES, distribution)

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the source package at its source version."""
        return source_feature(self, kernel.unsigned(package), namespace)

    def hinted(self, packages: Sequence[Package], facts: Sequence[tuple[str, str]]) -> tuple[Package, ...]:
        """Return the packages with the word for Ubuntu Pro, where a file of the image tells of it."""
        if _PRO[0] not in facts:
            return tuple(packages)
        return tuple(replace(package, context=ubuntu_pro.WORD) for package in packages)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL."""
        return os_purl(package, distribution)


def _installed(paragraph: Paragraph, faults: Faults) -> bool:
    """Say whether the package's files are there; where its status does not tell, they are.

    A status is three words: what is wanted, an error flag, and the state. status.d has none.
    """
    words = paragraph.fields.get(b"status", b"install ok installed").split()
    if not _SELECTED_FOR_REMOVAL.isdisjoint(words) or not _NOT_INSTALLED.isdisjoint(words):
        return False
    if _INSTALLED.isdisjoint(words):
        faults.add(f"line {paragraph.line}", "a status that dpkg does not have; taken as installed")
    return True


def _package(paragraph: Paragraph, path: str) -> Package:
    fields = paragraph.fields
    name = text(fields.get(b"package", b""), "package name")
    if not name:
        raise BadInput("paragraph without Package")
    version = text(fields.get(b"version", b""), "version")
    if not version:
        raise BadInput(f"package {name} without Version")
    return Package(
        type="deb",
        name=name,
        version=version,
        arch=text(fields.get(b"architecture", b""), "architecture"),
        source=_source(text(fields.get(b"source", b""), "source"), name, version),
        path=path,
        third_party=_third_party(version, fields.get(b"maintainer", b"")),
        context=ubuntu_pro.WORD if ubuntu_pro.is_of_pro(version) else "",
    )


def _source(field: str, name: str, version: str) -> Source:
    """Read `name (version)`; what the field does not say is as in the binary package."""
    source, _, stated = field.partition("(")
    return Source(name=source.strip() or name, version=stated.rstrip(" )").strip() or version)


def _third_party(version: str, maintainer: bytes) -> bool:
    """Say whether somebody else than the distribution built it, by `Name <address>` or by a mark in the version."""
    address = maintainer.rpartition(b"<")[2].rstrip(b"> ").lower()
    domain = address.rpartition(b"@")[2]
    return not _THIRD_PARTY_MAINTAINERS.isdisjoint((address, domain)) or any(
        mark in version for mark in _THIRD_PARTY_VERSIONS
    )


def _epoch(epoch: str, version: str) -> int:
    """Read an epoch as strtol(3) does, which takes a sign."""
    value = int(epoch) if _EPOCH.fullmatch(epoch) else -1
    if not 0 <= value <= _HIGHEST_EPOCH:
        raise BadVersion(f"{quoted(version)} is no Debian version: the epoch is a number up to {_HIGHEST_EPOCH}")
    return value


def _part(part: str) -> bytes:
    """Encode an upstream version or a revision: runs of other characters and of digits in turn.

    The tag of a number also ends the run before it. The last match is empty, a run of nothing and zero, and that is
    the end token: dpkg, too, takes a part that has ended for one that goes on with nothing and zero.
    """
    return b"".join(map(_tokens, _RUN.findall(part.encode("ascii"))))


@lru_cache(maxsize=4096)
def _tokens(run_and_digits: tuple[bytes, bytes]) -> bytes:
    run, digits = run_and_digits
    return run.translate(_ORDER) + number(int(digits or b"0"), zero=_END_OF_RUN)


ECOSYSTEM: Final[Ecosystem] = Dpkg()
