"""Which distribution is the image, and whose advisories and version order apply: its namespace?

Formats: os-release(5), lsb-release of the Linux Standard Base, the release files that came before them
(`debian_version`, `alpine-release`, `redhat-release`, `SuSE-release`, …) and apk-repositories(5).

A namespace follows from the distribution's own id alone: what a derivative names as ID_LIKE is built and fixed by
somebody else, so it never decides.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from eclair.end_of_life import end_of_life
from eclair.model import Distribution, Inventory

VERSION: Final = 2
"""The version of this analyser: raise it when the same file would give another inventory."""

_ANALYSER: Final = "distribution"

_LARGEST: Final = 64 * 1024
_LONGEST_VALUE: Final = 256

Facts = Mapping[str, str]
Pairs = Iterator[tuple[str, str]]


# --- what a file says ------------------------------------------------------------------------------------------------

_KEPT: Final = frozenset(
    (
        *(
            "ID",
            "ID_LIKE",
            "NAME",
            "PRETTY_NAME",
            "VERSION",
            "VERSION_ID",
            "VERSION_CODENAME",
            "VARIANT_ID",
            "BUILD_ID",
        ),
        *("DISTRIB_ID", "DISTRIB_RELEASE", "DISTRIB_CODENAME", "DISTRIB_DESCRIPTION"),
    )
)

_SERVICE_PACK: Final = "PATCHLEVEL"

_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPE_IN_DOUBLE_QUOTES: Final = re.compile(r'\\([\\"$`])')


def _assignments(content: str) -> Pairs:
    """Read shell assignments as os-release(5) allows them: one a line, without expansion or concatenation."""
    for line in content.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name in _KEPT:
            yield name, _unquoted(value)


def _unquoted(value: str) -> str:
    match value[:1]:
        case "'":
            return value.strip("'")
        case '"':
            return _ESCAPE_IN_DOUBLE_QUOTES.sub(r"\1", value[1:].removesuffix('"'))
        case _:
            return _ESCAPE.sub(r"\1", value)


def _release_line(content: str) -> Pairs:
    """Read the first line of a release file, and the service pack that SUSE writes below it."""
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if lines:
        yield "release", lines[0]
    for line in lines[1:]:
        name, equals, value = line.partition("=")
        if equals and name.strip() == _SERVICE_PACK:
            yield _SERVICE_PACK, value.strip()


def _presence(_: str) -> Pairs:
    """Read a file that tells by being there; it may be empty."""
    yield "present", "yes"


def _repositories(content: str) -> Pairs:
    """Read the Alpine releases of apk's repositories, such as `v3.20` of `https://…/alpine/v3.20/main`.

    A repository with a tag (`@edge https://…`) only serves the packages that ask for the tag by name.
    """
    for line in content.splitlines():
        parts = line.strip().rstrip("/").split("/")
        if len(parts) > 1 and not parts[0].startswith(("@", "#")) and _alpine_release(parts[-2]):
            yield "release", parts[-2]


# The release files of distributions that use rpm, those of a derivative before the ones it inherits.
_RELEASE_FILES: Final = tuple(
    f"{folder}/{name}-release"
    for name in (
        *("oracle", "rocky", "almalinux", "centos", "fedora", "azurelinux", "mariner", "photon", "SuSE"),
        *("redhat", "system"),
    )
    for folder in ("etc", "usr/lib")
)

_READERS: Final[Mapping[str, Callable[[str], Pairs]]] = {
    "etc/os-release": _assignments,
    "usr/lib/os-release": _assignments,
    "etc/lsb-release": _assignments,
    "etc/alpine-release": _release_line,
    "etc/apk/repositories": _repositories,
    **dict.fromkeys(_RELEASE_FILES, _release_line),
    "etc/debian_version": _release_line,
    "etc/arch-release": _presence,
}

PATHS: Final = frozenset(_READERS)
"""The files that are read, without leading slash."""


def read(path: str, content: BinaryIO) -> Inventory:
    """Return what one of the `PATHS` says, as facts."""
    raw = content.read(_LARGEST)
    problem = f"larger than {_LARGEST} bytes, the rest was not read" if content.read(1) else None
    try:
        words = raw.decode()
    except UnicodeDecodeError as error:
        words = raw.decode(errors="replace")
        problem = problem or f"byte {error.start} is not UTF-8"
    facts = dict.fromkeys((name, _printable(value)) for name, value in _READERS[path](words))
    return Inventory(path=path, analyser=_ANALYSER, facts=tuple(facts), problem=problem)


def _printable(value: str) -> str:
    return "".join(filter(str.isprintable, value[:_LONGEST_VALUE]))


# --- who it is -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """What a distribution says of itself; the codename and the repositories help where the version is silent."""

    id: str
    version: str = ""
    name: str = ""
    codename: str = ""
    repositories: tuple[str, ...] = ()


def _of_os_release(facts: Facts) -> _Identity:
    return _Identity(
        id=facts.get("ID", "").lower(),
        version=facts.get("VERSION_ID", ""),
        name=facts.get("PRETTY_NAME", "") or facts.get("NAME", ""),
        codename=facts.get("VERSION_CODENAME", ""),
    )


def _of_lsb_release(facts: Facts) -> _Identity:
    return _Identity(
        id=facts.get("DISTRIB_ID", "").lower(),
        version=facts.get("DISTRIB_RELEASE", ""),
        name=facts.get("DISTRIB_DESCRIPTION", ""),
        codename=facts.get("DISTRIB_CODENAME", ""),
    )


def _of_alpine_release(facts: Facts) -> _Identity:
    return _Identity(id="alpine", version=facts.get("release", ""))


def _of_apk_repositories(_: Facts) -> _Identity:
    return _Identity(id="alpine")


def _of_debian_version(facts: Facts) -> _Identity:
    """Read `12.5`, or `trixie/sid` of a release in the making."""
    release = facts.get("release", "")
    if release[:1].isdigit():
        return _Identity(id="debian", version=release)
    return _Identity(id="debian", codename=release.partition("/")[0])


def _of_arch_release(_: Facts) -> _Identity:
    return _Identity(id="arch", name="Arch Linux")


# How the first lines of release files begin, and what the ID of os-release would be.
_RELEASE_LINES: Final = (
    ("Red Hat Enterprise Linux", "rhel"),
    ("CentOS", "centos"),
    ("Rocky Linux", "rocky"),
    ("AlmaLinux", "almalinux"),
    ("Oracle Linux", "ol"),
    ("Amazon Linux", "amzn"),
    ("Fedora", "fedora"),
    ("SUSE Linux Enterprise Server", "sles"),
    ("openSUSE", "opensuse"),
    ("VMware Photon", "photon"),
    ("CBL-Mariner", "mariner"),
    ("Microsoft Azure Linux", "azurelinux"),
    ("AZURE LINUX", "azurelinux"),
)

_NUMBER: Final = re.compile(r"[0-9][0-9.]*+")


def _of_release_line(facts: Facts) -> _Identity:
    """Read `CentOS Linux release 7.9.2009 (Core)`, `VMware Photon OS 4.0` and their like: the first number counts."""
    line = facts.get("release", "")
    id_ = next((id_ for beginning, id_ in _RELEASE_LINES if line.startswith(beginning)), "")
    numbers = _NUMBER.search(line)
    version = numbers[0].rstrip(".") if numbers else ""
    if _SERVICE_PACK in facts:
        version = f"{version}.{facts[_SERVICE_PACK]}"
    return _Identity(id=id_, version=version, name=line)


# The first that names an id decides. etc/os-release goes before usr/lib/os-release (os-release(5)), and both before
# the files they replaced, which a derivative often inherits from its parent: Ubuntu has a debian_version, Oracle Linux
# a redhat-release.
_SOURCES: Final[tuple[tuple[str, Callable[[Facts], _Identity]], ...]] = (
    ("etc/os-release", _of_os_release),
    ("usr/lib/os-release", _of_os_release),
    ("etc/lsb-release", _of_lsb_release),
    *((path, _of_release_line) for path in _RELEASE_FILES),
    ("etc/alpine-release", _of_alpine_release),
    ("etc/apk/repositories", _of_apk_repositories),
    ("etc/arch-release", _of_arch_release),
    ("etc/debian_version", _of_debian_version),
)


# --- its namespace ---------------------------------------------------------------------------------------------------

_DEBIAN_CODENAMES: Final = {
    "squeeze": "6",
    "wheezy": "7",
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
}

_EDGE: Final = "edge"


def _major(identity: _Identity) -> str:
    return identity.version.partition(".")[0]


def _minor(identity: _Identity) -> str:
    """Return two components: what is released as `15` is `15.0`."""
    return ".".join((*identity.version.split("."), "0")[:2]) if identity.version else ""


def _amazon(identity: _Identity) -> str:
    """Return `1` for Amazon Linux AMI, whose versions are months from 2011.09 to 2018.03."""
    major = _major(identity)
    return "1" if "2011" <= major <= "2018" else major


def _debian(identity: _Identity) -> str:
    """Return the number; a release in the making has only a codename, and what has no codename either is sid."""
    return _major(identity) or _DEBIAN_CODENAMES.get(identity.codename, "sid")


def _alpine(identity: _Identity) -> str:
    """Return the highest release of the repositories, else the image's own.

    apk installs the newest version that any untagged repository offers, so an image that mixes releases has the
    packages of the highest one. An image upgraded by editing the repositories keeps its old os-release.
    """
    releases = [release for release in map(_alpine_release, identity.repositories) if release]
    return max(releases, key=_alpine_order) if releases else _alpine_release(identity.version)


def _alpine_release(word: str) -> str:
    """Return `3.20` of `v3.20`, `3.20` or `3.20.3`, `edge` of itself and of pre-releases, "" of anything else."""
    if word == _EDGE or "_alpha" in word:
        return _EDGE
    numbers = word.removeprefix("v").split(".")[:2]
    return ".".join(numbers) if len(numbers) == 2 and all(map(_is_number, numbers)) else ""


def _alpine_order(release: str) -> tuple[bool, tuple[int, ...]]:
    return release == _EDGE, () if release == _EDGE else tuple(map(int, release.split(".")))


def _is_number(word: str) -> bool:
    return 0 < len(word) <= 8 and word.isascii() and word.isdigit()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """A namespace, and how the release in it follows from an identity (None: it has no releases).

    `life` is whose end of life counts, where that is not the namespace's.
    """

    namespace: str
    release: Callable[[_Identity], str] | None = None
    remark: str = ""
    life: str = ""


_FAMILIES: Final = {
    "almalinux": _Family(namespace="almalinux", release=_major),
    "alpine": _Family(namespace="alpine", release=_alpine),
    "amzn": _Family(namespace="amzn", release=_amazon),
    "arch": _Family(namespace="arch"),
    "azurelinux": _Family(namespace="azurelinux", release=_minor),
    "centos": _Family(
        namespace="rhel",
        release=_major,
        life="centos",
        remark="CentOS publishes no advisories: compared with those of Red Hat, whose builds it repeats",
    ),
    "centos-stream": _Family(namespace="centos-stream", release=_major),
    "chainguard": _Family(namespace="chainguard"),
    "debian": _Family(namespace="debian", release=_debian),
    "fedora": _Family(namespace="fedora", release=_major),
    "mariner": _Family(namespace="mariner", release=_minor),
    "ol": _Family(namespace="ol", release=_major),
    "opensuse": _Family(namespace="opensuse-leap", release=_minor),
    "opensuse-leap": _Family(namespace="opensuse-leap", release=_minor),
    "opensuse-tumbleweed": _Family(namespace="opensuse-tumbleweed"),
    "photon": _Family(namespace="photon", release=_minor),
    "rhel": _Family(namespace="rhel", release=_major),
    "rocky": _Family(namespace="rocky", release=_major),
    "sles": _Family(namespace="sles", release=_minor),
    "ubuntu": _Family(namespace="ubuntu", release=_minor),
    "wolfi": _Family(namespace="wolfi"),
}

# CentOS Linux and CentOS Stream share an ID, and only the name tells them apart; so did openSUSE until Leap 42.
_SHARED_IDS: Final = (
    ("centos", "CentOS Stream", "centos-stream"),
    ("opensuse", "openSUSE Tumbleweed", "opensuse-tumbleweed"),
)

_NAMED_RELEASES: Final = frozenset((_EDGE, "sid"))


def identify(inventories: Iterable[Inventory]) -> Distribution | None:
    """Return the distribution that the files of an image tell of, None where none of them does."""
    files = {inventory.path: inventory for inventory in inventories if inventory.analyser == _ANALYSER}
    identity = _identity(files)
    if identity is None:
        return None
    family = _FAMILIES.get(_family_id(identity))
    release = family.release(identity) if family and family.release else ""
    namespace, detail = _namespace(identity, family, release)
    return Distribution(
        id=identity.id,
        version=identity.version,
        name=identity.name,
        namespace=namespace,
        detail=detail,
        end_of_life=end_of_life(family.life or family.namespace, release) if family else "",
    )


def _identity(files: Mapping[str, Inventory]) -> _Identity | None:
    said = (source(dict(files[path].facts)) for path, source in _SOURCES if path in files and files[path].facts)
    identity = next((identity for identity in said if identity.id), None)
    repositories = files.get("etc/apk/repositories")
    if identity is None or repositories is None:
        return identity
    return replace(identity, repositories=tuple(release for _, release in repositories.facts))


def _namespace(identity: _Identity, family: _Family | None, release: str) -> tuple[str | None, str]:
    """Return the namespace, or None; and what there is to say about it."""
    if family is None:
        return None, f"no feed speaks for the distribution {identity.id!r}"
    if family.release is None:
        return family.namespace, family.remark
    if release not in _NAMED_RELEASES and not all(map(_is_number, release.split("."))):
        return None, f"{identity.id} without a release that can be read: VERSION_ID is {identity.version!r}"
    return f"{family.namespace}:{release}", family.remark


def _family_id(identity: _Identity) -> str:
    told = (family for id_, name, family in _SHARED_IDS if identity.id == id_ and identity.name.startswith(name))
    return next(told, identity.id)
