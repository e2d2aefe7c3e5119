"""Which of two semantic versions is newer?

Specification: https://semver.org/spec/v2.0.0.html. Beyond it, what npm, Go and the advisories have is read: a leading
`v`, a missing minor or patch number (which is zero), and leading zeros (which say nothing).
"""

import re
from collections.abc import Iterable
from typing import Final

from eclair.errors import BadVersion
from eclair.versions.version_key import LONGEST, number, quoted

IDENTIFIERS: Final = r"[0-9A-Za-z-]++(?:\.[0-9A-Za-z-]++)*+"
"""The pattern of identifiers parted by dots: a pre-release, or build metadata."""

_VERSION: Final = re.compile(
    rf"v?(?P<major>[0-9]++)(?:\.(?P<minor>[0-9]++)(?:\.(?P<patch>[0-9]++))?+)?+"
    rf"(?:-(?P<prerelease>{IDENTIFIERS}))?+(?:\+{IDENTIFIERS})?+"
)

# The tags of a key, in the order of what may stand at one place: more identifiers are newer than fewer, numbers are
# older than texts, and every pre-release is older than the release.
_END: Final = b"\x01"
_ZERO: Final = 0x10
_TEXT: Final = b"\x80"
_END_OF_TEXT: Final = b"\x00"
_RELEASE: Final = b"\x90"


def key(version: str) -> bytes:
    """Return a byte string that orders as the version does; build metadata has no place in the order.

    Raises `BadVersion`.
    """
    match = _VERSION.fullmatch(version) if len(version) <= LONGEST else None
    if match is None:
        raise BadVersion(f"{quoted(version)} is no semantic version (MAJOR.MINOR.PATCH-PRERELEASE+BUILD)")
    return encoded(match.group("major", "minor", "patch"), match["prerelease"])


def encoded(numbers: Iterable[str | None], prerelease: str | None) -> bytes:
    """Return the key of a version from its parts: three numbers, and identifiers parted by dots."""
    release = b"".join([number(int(digits or 0), zero=_ZERO) for digits in numbers])
    if not prerelease:
        return release + _RELEASE
    return release + b"".join(map(_identifier, prerelease.split("."))) + _END


def _identifier(identifier: str) -> bytes:
    if identifier.isdecimal():
        return number(int(identifier), zero=_ZERO)
    return _TEXT + identifier.encode() + _END_OF_TEXT
