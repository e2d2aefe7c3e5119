"""Registries that speak the OCI Distribution API, behind our port.

The OCI distribution specification (*spec.md*: pulling, listing tags) and the catalogue of distribution.github.io. One
adapter for all registries: what differs between them is who knows their credentials.
"""

import io
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, Final
from urllib.parse import urljoin

import orjson

from eclair.adapters.registry_client import (
    TRANSPORT_ERRORS,
    CredentialProvider,
    RegistryClient,
    RegistryPolicy,
    Response,
    anonymous,
)
from eclair.errors import BadImage, BadReference, LimitExceeded, NotFound, Unavailable
from eclair.image import oci
from eclair.image.reference import is_digest, parse_digest, parse_repository
from eclair.model import Artifact, Descriptor, Digest, Index, LayerReference, Manifest, Repository
from eclair.ports import Clock

_ACCEPT: Final = ", ".join(oci.MEDIA_TYPES)
_PAGE: Final = 1000
_PAGES: Final = 10_000
_PAGE_LIMIT: Final = 4 * 1024 * 1024
_UNSIZED_LIMIT: Final = 20 * 1024**3
"""The largest blob in bytes whose manifest does not say its size."""

_RESUMES: Final = 8
_BUFFER: Final = 64 * 1024
_NEXT: Final = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-")


class OciRegistry:
    """All registries that the policy allows."""

    def __init__(
        self,
        policy: RegistryPolicy,
        *,
        credentials: CredentialProvider = anonymous,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = time.time,
    ) -> None:
        self._client = RegistryClient(policy, credentials=credentials, sleep=sleep, clock=clock)

    def resolve(self, repository: Repository, reference: str) -> Descriptor:
        """Return what the tag or digest points at now.

        Where a tag points is the registry's word (`Docker-Content-Digest`); that the manifest is the one of that
        digest is checked when it is read. A registry that does not say is asked for the manifest itself.
        """
        path = f"manifests/{reference}"
        with self._open(repository, path, method="HEAD", accept=_ACCEPT) as response:
            said = response.header("Docker-Content-Digest")
            media_type = _media_type(response)
            size = response.header("Content-Length")
        if is_digest(reference):
            if said and said != reference:
                raise BadImage(f"{repository}@{reference}: the registry says its digest is {said[:200]!r}")
            return Descriptor(digest=parse_digest(reference), media_type=media_type, size=_size(size))
        try:
            return Descriptor(digest=parse_digest(said), media_type=media_type, size=_size(size))
        except BadReference:
            with self._open(repository, path, accept=_ACCEPT) as response:
                content = response.read(oci.MANIFEST_LIMIT)
                media_type = _media_type(response)
            return Descriptor(digest=oci.digest_of(content), media_type=media_type, size=len(content))

    def manifest(self, repository: Repository, digest: Digest) -> Manifest | Index | Artifact:
        with self._open(repository, f"manifests/{parse_digest(digest)}", accept=_ACCEPT) as response:
            content = response.read(oci.MANIFEST_LIMIT)
            media_type = _media_type(response)
        manifest = oci.read_manifest(content, digest, media_type)
        if not isinstance(manifest, oci.Unconfigured):
            return manifest
        with self._open(repository, f"blobs/{manifest.configuration.digest}") as response:
            return oci.configured(manifest, response.read(oci.CONFIGURATION_LIMIT))

    @contextmanager
    def blob(self, repository: Repository, layer: LayerReference) -> Iterator[BinaryIO]:
        def open_from(position: int, etag: str) -> Response:
            headers = {"Range": f"bytes={position}-"} if position else {}
            if position and etag:
                headers["If-Range"] = etag
            host, name = _split(repository)
            path = f"{name}/blobs/{parse_digest(layer.digest)}"
            return self._client.open(host, path, scope=f"repository:{name}:pull", headers=headers)

        body = _Blob(f"{repository}@{layer.digest}", layer.size, open_from, self._client.pause)
        with body:
            yield io.BufferedReader(body, _BUFFER)

    def part(self, repository: Repository, layer: LayerReference, start: int, size: int) -> bytes:
        headers = {"Range": f"bytes={start}-{start + size - 1}"}
        with self._open(repository, f"blobs/{parse_digest(layer.digest)}", headers=headers) as response:
            found = _CONTENT_RANGE.match(response.header("Content-Range"))
            if response.status != 206 or found is None or int(found[1]) != start:
                raise NotFound(f"{repository}@{layer.digest}: the registry sends no parts of it")
            return response.read(size)

    def tags(self, repository: Repository) -> Iterator[str]:
        host, name = _split(repository)
        yield from self._pages(host, f"{name}/tags/list?n={_PAGE}", f"repository:{name}:pull", "tags")

    def repositories(self, host: str) -> Iterator[Repository]:
        names = self._pages(host, f"_catalog?n={_PAGE}", "registry:catalog:*", "repositories")
        return (parse_repository(f"{host}/{name}") for name in names)

    def _open(
        self,
        repository: Repository,
        path: str,
        *,
        method: str = "GET",
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        host, name = _split(repository)
        scope = f"repository:{name}:pull"
        sent = {"Accept": accept, **(headers or {})}
        return self._client.open(host, f"{name}/{path}", scope=scope, method=method, headers=sent)

    def _pages(self, host: str, path: str, scope: str, key: str) -> Iterator[str]:
        """Yield the texts under `key` of each page; a page names the next one in its Link header (RFC 8288)."""
        seen: set[str] = set()
        while path not in seen and len(seen) < _PAGES:
            seen.add(path)
            with self._client.open(host, path, scope=scope) as response:
                link = _NEXT.search(response.header("Link")[:4096])
                yield from _texts(response.read(_PAGE_LIMIT), key, f"{host}/v2/{path}")
            if link is None:
                return
            path = urljoin(path, link[1])
        raise BadImage(f"registry {host} lists {key} without end; report it to its operator")


def _split(repository: Repository) -> tuple[str, str]:
    host, _, name = parse_repository(repository).partition("/")
    return host, name


def _media_type(response: Response) -> str:
    return response.header("Content-Type").partition(";")[0].strip()


def _size(text: str) -> int:
    return int(text[:18]) if text.isascii() and text.isdigit() else -1


def _texts(content: bytes, key: str, name: str) -> list[str]:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadImage(f"{name} is no JSON ({error}); report it to the registry's operator") from error
    texts = answer.get(key) if isinstance(answer, dict) else None
    # A repository whose last tag was deleted has `null` here.
    if not isinstance(texts, list | None) or not all(isinstance(text, str) for text in texts or ()):
        raise BadImage(f"{name} has no list of {key}; report it to the registry's operator")
    return texts or []


class _Blob(io.RawIOBase):
    """The bytes of a blob, from further connections where one breaks.

    `_position` is how far the reader is, `_behind` how many bytes a connection has to repeat until it is there.
    """

    def __init__(
        self,
        name: str,
        size: int,
        open_from: Callable[[int, str], Response],
        pause: Callable[[int, Unavailable], None],
    ) -> None:
        self._name = name
        self._size = size
        self._open_from = open_from
        self._pause = pause
        self._position = 0
        self._behind = 0
        self._resumes = 0
        self._response = open_from(0, "")
        self._etag = _strong(self._response.header("ETag"))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed has no name for Buffer yet
        content = self._some(len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        limit = self._size if self._size >= 0 else _UNSIZED_LIMIT
        if self._position > limit:
            raise LimitExceeded(f"{self._name} is longer than the {limit} bytes it should have; push the image again")
        return len(content)

    def close(self) -> None:
        self._response.close()
        super().close()

    def _some(self, size: int) -> bytes:
        """Return the next bytes, none at the end."""
        while True:
            try:
                content = self._response.some(min(size, self._behind or size))
            except TRANSPORT_ERRORS as cause:
                error = Unavailable(f"{self._name} breaks off at byte {self._position} ({cause}); try again later")
                self._resume(error)
                continue
            if content and self._behind:
                self._behind -= len(content)
            elif content or (self._position >= self._size and not self._behind):
                return content
            else:
                text = f"{self._name} ends after {self._position} of {self._size} bytes; try again later"
                self._resume(Unavailable(text))

    def _resume(self, error: Unavailable) -> None:
        """Open the blob again where it broke; from its beginning, where the registry does not send parts."""
        self._response.close()
        if self._resumes == _RESUMES:
            raise error
        self._pause(self._resumes, error)
        self._resumes += 1
        self._response = self._open_from(self._position, self._etag)
        self._behind = 0
        if self._response.status != 206:
            self._behind = self._position
            return
        start = _CONTENT_RANGE.match(self._response.header("Content-Range"))
        if start is None or int(start[1]) != self._position:
            raise BadImage(f"{self._name}: the registry answers for another range than {self._position}-; try again")


def _strong(etag: str) -> str:
    """Return an entity tag that If-Range may carry: a weak one may not (RFC 9110, 13.1.5)."""
    return "" if etag.startswith("W/") else etag
