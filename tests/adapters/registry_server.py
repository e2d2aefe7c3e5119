"""A small real registry over HTTP on 127.0.0.1, whose faults can be switched on.

It serves what the OCI distribution specification asks of one that is pulled from, and writes down what it was asked.
"""

import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

USERNAME = "ann"
PASSWORD = "correct horse"


class Login(Enum):
    """How a client has to say who it is."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"
    BEARER_ANONYMOUS = "bearer without credentials"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(kw_only=True)
class Faults:
    """What goes wrong; lists are used up from the front, one entry for each request."""

    login: Login = Login.NONE
    realm: str = ""
    """Where tokens are given, instead of here."""
    tokens_last: int = 300
    answers: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)
    """Answers before the real one."""
    breaks: list[int] = field(default_factory=list)
    """After how many bytes of a blob the connection breaks."""
    ranges: bool = True
    range_from: int | None = None
    """Where the part of a blob begins that is sent, whatever was asked for."""
    redirect: str = ""
    """The start of the address that blobs are redirected to."""
    digest_header: str | None = None
    damaged: bool = False
    """Blobs and manifests have their last byte changed."""
    endless: bool = False
    """Every page names the same page as the next one."""
    link_host: str = ""
    page: int = 2


@dataclass(kw_only=True)
class Registry:
    """What it holds and what it was asked."""

    address: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    """By repository, then by tag and digest: media type and content."""
    faults: Faults = field(default_factory=Faults)
    asked: list[Asked] = field(default_factory=list)
    tokens: int = 0

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    def put_blob(self, content: bytes) -> str:
        """Store a blob and return its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return digest

    def put_manifest(self, repository: str, manifest: Mapping[str, object], *tags: str) -> str:
        """Store a manifest under its digest and tags, and return the digest."""
        content = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        for name in (digest, *tags):
            self.manifests.setdefault(repository, {})[name] = (str(manifest["mediaType"]), content)
        return digest

    def put_image(self, repository: str, *tags: str, layers: Mapping[bytes, bytes]) -> str:
        """Store an image of layers (blob by its tar) and return its digest."""
        diff_ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in layers]
        configuration = {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": f"step {number}"} for number in range(len(diff_ids))],
        }
        content = json.dumps(configuration).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.put_blob(content),
                "size": len(content),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": self.put_blob(blob),
                    "size": len(blob),
                }
                for blob in layers.values()
            ],
        }
        return self.put_manifest(repository, manifest, *tags)

    def paths(self, method: str = "") -> list[str]:
        """Return the paths that were asked for."""
        return [one.path for one in self.asked if not method or one.method == method]


@contextmanager
def serving(registry: Registry | None = None) -> Iterator[Registry]:
    """Serve a registry for as long as the context lasts."""
    held = registry or Registry()

    class Bound(_Handler):
        registry = held

    server = _Server(("127.0.0.1", 0), Bound)
    held.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Let clients go away in the middle, as tests make them."""


class _Handler(BaseHTTPRequestHandler):
    registry: Registry
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the standard library)
        """Write nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.registry.asked.append(Asked(method=self.command, path=self.path, headers=dict(self.headers)))
        path = urlsplit(self.path).path
        if path == "/token":
            self._token()
        elif self.registry.faults.answers:
            status, headers = self.registry.faults.answers.pop(0)
            self._answer(status, headers=headers)
        elif not self._is_known():
            self._challenge()
        elif path == "/v2/_catalog":
            self._page("repositories", sorted(self.registry.manifests), {})
        elif match := re.fullmatch(r"/v2/(.+)/(tags/list|manifests/(.+)|blobs/(.+))", path):
            self._repository(match[1], match[2], match[3], match[4])
        elif match := re.fullmatch(r"/cdn/(.+)", path):
            self._blob(match[1])
        else:
            self._answer(404)

    def _repository(self, name: str, rest: str, manifest: str | None, blob: str | None) -> None:
        held = self.registry.manifests.get(name)
        if held is None:
            self._answer(404)
        elif manifest:
            self._manifest(held.get(manifest))
        elif blob and self.registry.faults.redirect:
            self._answer(307, headers={"Location": f"{self.registry.faults.redirect}/cdn/{blob}?signature=secret"})
        elif blob:
            self._blob(blob)
        else:
            self._page("tags", sorted(tag for tag in held if ":" not in tag), {"name": name})

    def _manifest(self, found: tuple[str, bytes] | None) -> None:
        if found is None:
            self._answer(404)
            return
        media_type, content = found
        digest = self.registry.faults.digest_header
        if digest is None:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        headers = {"Content-Type": media_type, **({"Docker-Content-Digest": digest} if digest else {})}
        self._answer(200, self._perhaps_damaged(content), headers)

    def _blob(self, digest: str) -> None:
        faults = self.registry.faults
        if digest not in self.registry.blobs:
            self._answer(404)
            return
        content = self._perhaps_damaged(self.registry.blobs[digest])
        headers = {"ETag": f'"{digest}"'}
        start = re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", self.headers.get("Range", ""))
        status = 200
        if start and faults.ranges and self.headers.get("If-Range", headers["ETag"]) == headers["ETag"]:
            position = int(start[1]) if faults.range_from is None else faults.range_from
            end = min(int(start[2]) + 1, len(content)) if start[2] else len(content)
            headers["Content-Range"] = f"bytes {position}-{end - 1}/{len(content)}"
            content, status = content[position:end], 206
        self._answer(status, content, headers, broken_at=faults.breaks.pop(0) if faults.breaks else None)

    def _page(self, key: str, names: list[str], rest: Mapping[str, str]) -> None:
        faults = self.registry.faults
        url = urlsplit(self.path)
        last = parse_qs(url.query).get("last", [""])[0]
        names = names if faults.endless else [name for name in names if name > last]
        page, more = names[: faults.page], len(names) > faults.page or faults.endless
        headers = {}
        if more:
            mark = "again" if faults.endless else page[-1]
            headers["Link"] = f'<{faults.link_host}{url.path}?n={faults.page}&last={mark}>; rel="next"'
        self._answer(200, json.dumps({**rest, key: page}).encode(), headers)

    def _perhaps_damaged(self, content: bytes) -> bytes:
        return content[:-1] + bytes([content[-1] ^ 1]) if self.registry.faults.damaged else content

    # --- who asks

    def _is_known(self) -> bool:
        header = self.headers.get("Authorization", "")
        match self.registry.faults.login:
            case Login.NONE:
                return True
            case Login.BASIC:
                return self._has_password(header)
            case _:
                return bool(self.registry.tokens) and header == f"Bearer token-{self.registry.tokens}"

    def _has_password(self, header: str) -> bool:
        kind, _, encoded = header.partition(" ")
        return kind == "Basic" and b64decode(encoded).decode() == f"{USERNAME}:{PASSWORD}"

    def _challenge(self) -> None:
        if self.registry.faults.login is Login.BASIC:
            self._answer(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
            return
        realm = self.registry.faults.realm or f"{self.registry.address}/token"
        challenge = f'Bearer realm="{realm}",service="registry",scope="repository:team/app:pull"'
        self._answer(401, headers={"WWW-Authenticate": challenge})

    def _token(self) -> None:
        login = self.registry.faults.login
        if login is Login.BEARER and not self._has_password(self.headers.get("Authorization", "")):
            self._answer(401)
            return
        self.registry.tokens += 1
        token = {"token": f"token-{self.registry.tokens}", "expires_in": self.registry.faults.tokens_last}
        self._answer(200, json.dumps(token).encode())

    def _answer(
        self,
        status: int,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        broken_at: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(content[:broken_at])
        if broken_at is not None:
            self.wfile.flush()
            self.close_connection = True
