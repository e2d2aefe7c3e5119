"""Which image is meant by what somebody typed?

Names in registries follow the grammar of github.com/distribution/reference and Docker's short forms; digests that of
the OCI image specification (*descriptor.md*, Digests). Archives are named as containers-transports(5) does.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from eclair.errors import BadReference
from eclair.model import Digest, Repository

_DEFAULT_HOST: Final = "docker.io"
_DEFAULT_TAG: Final = "latest"
_DOCKER_HOSTS: Final = frozenset(("docker.io", "index.docker.io", "registry-1.docker.io"))
_NAME_LIMIT: Final = 255
_SHOWN: Final = 300

_HOST: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_COMPONENT: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX: Final = frozenset("0123456789abcdef")


class Transport(StrEnum):
    """Where an image lies that is in no registry."""

    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    DIRECTORY = "dir"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryReference:
    """An image in a registry; `reference` is a tag or a digest."""

    repository: Repository
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReference:
    """An image in a file or folder; an empty `tag` means the only one there."""

    transport: Transport
    path: str
    tag: str = ""


def parse(text: str) -> RegistryReference | ArchiveReference:
    """Read `[registry/]name[:tag][@digest]` or `transport:path[:tag]`. Raises `BadReference`."""
    transport, colon, rest = text.partition(":")
    if colon and transport in set(Transport):
        return _archive(Transport(transport), rest, text)
    return _registry(text)


def parse_repository(text: str) -> Repository:
    """Read `[registry/]name`, and return it with its registry. Raises `BadReference`."""
    if len(text) > _NAME_LIMIT:
        raise BadReference(f"image name {_shown(text)} is longer than {_NAME_LIMIT} characters")
    first, slash, rest = text.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    host, path = (first, rest) if named else (_DEFAULT_HOST, text)
    if host in _DOCKER_HOSTS:
        host = _DEFAULT_HOST
        path = path if "/" in path else f"library/{path}"
    if not _HOST.fullmatch(host):
        raise BadReference(f"image name {_shown(text)}: {_shown(host)} is no registry host; write HOST[:PORT]/NAME")
    if not all(map(_COMPONENT.fullmatch, path.split("/"))):
        raise BadReference(
            f"image name {_shown(text)} is not valid; it is made of lower-case letters, digits and single . _ - between"
        )
    return Repository(f"{host}/{path}")


def parse_digest(text: str) -> Digest:
    """Read `algorithm:hex`. Raises `BadReference` where it is no digest that can be verified."""
    algorithm, _, encoded = text.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if length is None:
        raise BadReference(f"digest {_shown(text)}: write ALGORITHM:HEX with one of {', '.join(_DIGEST_LENGTHS)}")
    if len(encoded) != length or not _HEX.issuperset(encoded):
        raise BadReference(f"digest {_shown(text)} does not have {length} lower-case hexadecimal digits")
    return Digest(text)


def is_digest(reference: str) -> bool:
    """Say whether a reference is a digest rather than a tag."""
    return ":" in reference


def _registry(text: str) -> RegistryReference:
    name, at, digest = text.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, ""
    if tag and not _TAG.fullmatch(tag):
        raise BadReference(f"image reference {_shown(text)}: {_shown(tag)} is no tag")
    if colon and not tag and head != name:
        raise BadReference(f"image reference {_shown(text)} ends in a colon; write a tag after it, or leave it out")
    repository = parse_repository(head)
    reference = parse_digest(digest) if at else tag or _DEFAULT_TAG
    return RegistryReference(repository=repository, reference=reference)


def _archive(transport: Transport, rest: str, text: str) -> ArchiveReference:
    path, colon, tag = rest.rpartition(":")
    if transport is Transport.DIRECTORY or not colon or "/" in tag:
        path, tag = rest, ""
    if not path or "\0" in path:
        raise BadReference(f"image reference {_shown(text)} names no path; write {transport}:PATH")
    return ArchiveReference(transport=transport, path=path, tag=tag)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
