"""What do the packages of all distributions have in common: names, the files they own, features, purls.

The package URLs follow the purl specification with the qualifiers that syft writes: `arch`, `distro` and `upstream`.
"""

import io
from collections.abc import Collection, Iterable, Iterator
from typing import BinaryIO, Final

from packageurl import PackageURL

from eclair.ecosystems import Ecosystem, key_or_unreadable
from eclair.errors import BadInput
from eclair.model import Distribution, Feature, Kind, Package, PackageKey, Source
from eclair.packages import kernel
from eclair.packages.faults import CUT, Faults

_LONGEST_WORD: Final = 4096
"""Bytes of a name, a version or a path; the longest real name has some hundred, and Linux has no longer path."""

_NO_ENDS: Final = " /"
"""What a package URL leaves out, so that of a name made of these alone nothing would be left."""

_LARGEST_LIST: Final = 64 << 20
"""Bytes of all paths that one database may list, each with `_ENTRY_SIZE`: a full desktop has some forty million."""
_ENTRY_SIZE: Final = 100


def text(value: bytes, what: str) -> str:
    """Return a name or version as text. Raises `BadInput` where it is not fit to be one."""
    if len(value) > _LONGEST_WORD:
        raise BadInput(f"{what} of {len(value)} bytes")
    try:
        decoded = value.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"{what} {value[:60]!r} is not UTF-8") from error
    if not decoded.isprintable():
        raise BadInput(f"{what} {value[:60]!r} has control characters")
    if decoded.strip(_NO_ENDS) != decoded:
        raise BadInput(f"{what} {value[:60]!r} begins or ends with a blank or a slash")
    return decoded


def lines(content: BinaryIO, largest: int, faults: Faults) -> Iterator[bytes]:
    """Yield the lines of a file, one at a time and without their ends; what is beyond the bound is not read."""
    data = content.read(largest)
    if content.read(1):
        faults.add(f"byte {largest}", "the file is larger, the rest was not read")
    elif data and not data.endswith(b"\n"):
        faults.add(f"byte {len(data)}", CUT)
    for line in io.BytesIO(data):
        yield line.rstrip(b"\r\n")


class FileList:
    """The (path, package name) of the files that packages own, without leading slash, up to a bound."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._pairs: list[tuple[str, str]] = []
        self._room = _LARGEST_LIST

    def add(self, package: str, paths: Iterable[bytes]) -> None:
        """Add the files of a package."""
        for path in paths:
            self._room -= len(path) + _ENTRY_SIZE
            if self._room < 0:
                self._faults.add(f"files of {package}", "too many to be kept: language packages may be listed twice")
                return
            if len(path) > _LONGEST_WORD:
                self._faults.add(f"files of {package}", f"a path of {len(path)} bytes")
                continue
            self._pairs.append((path.lstrip(b"/").decode(errors="backslashreplace"), package))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return all that were added."""
        return tuple(self._pairs)


def namespace_among(families: Collection[str], distribution: Distribution | None) -> str:
    """Return the distribution's namespace if it belongs to one of the families (`debian` of `debian:12`), else ""."""
    namespace = (distribution and distribution.namespace) or ""
    return namespace if namespace.partition(":")[0] in families else ""


def source_feature(ecosystem: Ecosystem, package: Package, namespace: str) -> tuple[Feature, ...]:
    """Return the source package at its source version; nothing for a third party's, or where no namespace fits.

    A package that names no source is its own. The feature has no architecture: one source is built for all of them.
    """
    if package.third_party or not namespace:
        return ()
    source = package.source or Source(name=package.name, version=package.version)
    return (
        Feature(
            package=PackageKey(scheme=ecosystem.scheme, namespace=namespace, kind=Kind.SOURCE, name=source.name),
            version=source.version,
            key=key_or_unreadable(ecosystem, source.version),
            context=kernel.context(package),
        ),
    )


def source_and_binary_features(ecosystem: Ecosystem, package: Package, namespace: str) -> tuple[Feature, ...]:
    """Return the source and the package itself: it is for the advisory to say which of the two it names."""
    source = source_feature(ecosystem, package, namespace)
    if not source:
        return ()
    binary = Feature(
        package=PackageKey(scheme=ecosystem.scheme, namespace=namespace, kind=Kind.BINARY, name=package.name),
        version=package.version,
        key=key_or_unreadable(ecosystem, package.version),
        arch=package.arch,
        context=kernel.context(package),
    )
    return (*source, binary)


def os_purl(package: Package, distribution: Distribution | None) -> str:
    """Return the package URL of a distribution's package, with the source as `upstream` where it is another."""
    return PackageURL(
        type=package.type,
        namespace=distribution.id if distribution else None,
        name=package.name,
        version=package.version,
        qualifiers=qualifiers(arch=package.arch, distro=release(distribution), upstream=_upstream(package)),
    ).to_string()


def qualifiers(**words: str) -> dict[str, str]:
    """Return the qualifiers that have a value."""
    return {name: value for name, value in words.items() if value}


def release(distribution: Distribution | None) -> str:
    """Name the release of the distribution, for instance `debian-12`."""
    return "-".join(filter(None, (distribution.id, distribution.version))) if distribution else ""


def _upstream(package: Package) -> str:
    source = package.source
    if source is None or (source.name, source.version) == (package.name, package.version):
        return ""
    return source.name if source.version == package.version else f"{source.name}@{source.version}"
