"""Does an image get the updates of Ubuntu Pro (Expanded Security Maintenance)?

Formats: the client's `var/lib/ubuntu-advantage/status.json` (the JSON of `pro status`), and apt's sources of the
service (sources.list(5), one-line and deb822 style). An image that was attached only while it was built has neither,
but versions that end in `+esm1` or `~esm1`.
"""

import re
from typing import BinaryIO, Final

import orjson

from eclair.errors import BadDatabase

WORD: Final = "pro"
"""The word of a context."""

_STATUS: Final = "var/lib/ubuntu-advantage/status.json"
_SERVICES: Final = frozenset(("esm-infra", "esm-apps"))
_FOLDER: Final = "etc/apt/sources.list.d/"
_SOURCES: Final = (
    "ubuntu-esm-infra.list",
    "ubuntu-esm-infra.sources",
    "ubuntu-esm-apps.list",
    "ubuntu-esm-apps.sources",
)

PATHS: Final = frozenset((_STATUS, *(_FOLDER + name for name in _SOURCES)))

_LARGEST: Final = 1 << 20
_HOST: Final = b"esm.ubuntu.com"
_SERVED: Final = re.compile(rb"^[ \t]*+(?:deb|uris:)[ \t][^\n#]*" + re.escape(_HOST), re.IGNORECASE | re.MULTILINE)
_DISABLED: Final = re.compile(rb"^enabled:[ \t]*+(?:no|false|off|without|disable|0)\b", re.IGNORECASE | re.MULTILINE)

_VERSION: Final = re.compile(r"[+~]esm[0-9]")


def is_attached(path: str, content: BinaryIO) -> bool:
    """Say whether one of the `PATHS` tells of an enabled service. Raises `BadDatabase`."""
    data = content.read(_LARGEST)
    if path != _STATUS:
        return bool(_SERVED.search(data)) and not _DISABLED.search(data)
    try:
        status = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadDatabase(f"no JSON: {error}") from error
    services = status.get("services") if isinstance(status, dict) else None
    return isinstance(services, list) and any(map(_is_enabled, services))


def is_of_pro(version: str) -> bool:
    """Say whether a version is one that only Ubuntu Pro has."""
    return bool(_VERSION.search(version))


def _is_enabled(service: object) -> bool:
    if not isinstance(service, dict) or service.get("status") != "enabled":
        return False
    name = service.get("name")
    return isinstance(name, str) and name in _SERVICES
