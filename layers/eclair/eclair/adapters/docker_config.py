"""Which credentials does `docker login` keep for a registry?

Reads `auths` of Docker's config.json (docker/cli, *docker login*, Credentials store). Credential helpers are programs
of the machine and are not run: log in with a token instead.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson

from eclair.adapters.registry_client import DOCKER_HUB, Credentials
from eclair.errors import BadInput

_HUB_KEY: Final = "https://index.docker.io/v1/"


class DockerConfig:
    """The credentials of one config.json; a file that is not there has none."""

    def __init__(self, path: Path) -> None:
        self._auths = _auths(path)

    def __call__(self, host: str) -> Credentials | None:
        keys = (host, f"https://{host}", f"http://{host}", *((_HUB_KEY,) if host == DOCKER_HUB else ()))
        return next((self._auths[key] for key in keys if key in self._auths), None)


def _auths(path: Path) -> Mapping[str, Credentials]:
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{path} is no JSON ({error}); log in again") from error
    auths = content.get("auths") if isinstance(content, dict) else None
    if not isinstance(auths, dict):
        return {}
    entries = ((host.rstrip("/") if host != _HUB_KEY else host, _credentials(entry)) for host, entry in auths.items())
    return {host: entry for host, entry in entries if entry is not None}


def _credentials(entry: object) -> Credentials | None:
    if not isinstance(entry, dict):
        return None
    username, password = entry.get("username"), entry.get("password")
    if isinstance(username, str) and isinstance(password, str):
        return Credentials(username=username, password=password)
    try:
        username, colon, password = b64decode(str(entry.get("auth") or ""), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Credentials(username=username, password=password) if colon else None
