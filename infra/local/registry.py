"""A registry to push to on this machine: the OCI Distribution API, blobs in a folder, events to a webhook.

Speaks what docker, podman, skopeo, crane and Eclair need of the OCI Distribution Specification 1.1 (push in one or
many parts, pull with Range, tags, catalog, deletion). After each push and deletion it posts the event that the
registry of the Distribution project would post (https://distribution.github.io/distribution/about/notifications/),
which stands in for the event that ECR sends and the emulator does not.

Run as `python -m infra.local.registry --port PORT --folder FOLDER --outputs FILE`; FILE is JSON that names
WebhookUrl and WebhookSecret, read for each event because a deployment may change them.
"""

import argparse
import hashlib
import json
import logging
import queue
import re
import secrets
import shutil
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from infra.local.processes import LOOPBACK

NAME: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
CHUNK: Final = 1 << 20
MANIFEST_LIMIT: Final = 4 << 20
EVENTS_TYPE: Final = "application/vnd.docker.distribution.events.v2+json"
ATTEMPTS: Final = 8

log = logging.getLogger("registry")


class Refused(Exception):
    """A request is answered with an error of the specification."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Store:
    """Blobs, manifests and tags as files: what is named by a digest is written once and never changed."""

    folder: Path

    def blob(self, digest: str) -> Path:
        """Return where a blob is. Raises `Refused` for what is no digest."""
        if not DIGEST.fullmatch(digest):
            raise Refused(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", f"{digest} is no sha256 digest")
        return self.folder / "blobs" / digest.removeprefix("sha256:")

    def known_blob(self, digest: str) -> Path:
        """Return where a blob is. Raises `Refused` where there is none."""
        path = self.blob(digest)
        if not path.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", f"there is no blob {digest}")
        return path

    def upload(self, name: str) -> Path:
        """Return where the parts of an upload are gathered."""
        return self.folder / "uploads" / name

    def finish(self, upload: Path, digest: str) -> None:
        """Make a blob of an upload. Raises `Refused` if the bytes are not those that the digest names."""
        with upload.open("rb") as file:
            actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if actual != digest:
            upload.unlink()
            raise Refused(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", f"the upload is {actual}, not {digest}")
        upload.replace(self.blob(digest))

    def put_manifest(self, repository: str, reference: str, media_type: str, content: bytes) -> str:
        """Store a manifest, point the tag at it if the reference is one, and return the digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if not TAG.fullmatch(reference) and reference != digest:
            raise Refused(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", f"the manifest is {digest}, not {reference}")
        self.blob(digest).write_bytes(content)
        write(self.entry(repository, "manifests", digest), media_type)
        if TAG.fullmatch(reference):
            write(self.entry(repository, "tags", reference), digest)
        return digest

    def manifest(self, repository: str, reference: str) -> tuple[str, str, bytes]:
        """Return the digest, media type and bytes of a manifest. Raises `Refused` where there is none."""
        tag = self.entry(repository, "tags", reference)
        digest = tag.read_text() if tag.is_file() else reference
        entry = self.entry(repository, "manifests", digest)
        if not entry.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", f"{repository} has no manifest {reference}")
        return digest, entry.read_text(), self.blob(digest).read_bytes()

    def delete_manifest(self, repository: str, reference: str) -> str:
        """Delete a tag, or a manifest with the tags that lead to it; return the digest."""
        digest = self.manifest(repository, reference)[0]
        if reference == digest:
            self.entry(repository, "manifests", digest).unlink()
        for tag in self.tags(repository):
            entry = self.entry(repository, "tags", tag)
            if tag == reference or (reference == digest and entry.read_text() == digest):
                entry.unlink()
        return digest

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository in order."""
        folder = self.entry(repository, "tags", "")
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def repositories(self) -> list[str]:
        """Return the repositories in order."""
        root = self.folder / "repositories"
        return sorted(path.parent.relative_to(root).as_posix() for path in root.rglob("_manifests"))

    def entry(self, repository: str, kind: str, name: str) -> Path:
        """Return the small file of a manifest (its media type) or tag (its digest)."""
        return self.folder / "repositories" / repository / f"_{kind}" / name


@dataclass(frozen=True, slots=True)
class Events:
    """Events on their way to the webhook: in order, and again until it takes them or too often refused."""

    outputs: Path
    waiting: "queue.Queue[dict[str, Any]]"

    def deliver_for_ever(self) -> None:
        """Post what waits; run by a thread of its own."""
        while True:
            event = self.waiting.get()
            if not any(self.deliver(event, attempt) for attempt in range(ATTEMPTS)):
                log.error("given up: %s", event)

    def deliver(self, event: dict[str, Any], attempt: int) -> bool:
        """Post an event and say whether it was taken; each attempt waits longer than the one before."""
        threading.Event().wait(0.2 * attempt * attempt)
        try:
            outputs = json.loads(self.outputs.read_text())
            request = urllib.request.Request(  # noqa: S310 (the address is that of our deployment)
                outputs["WebhookUrl"],
                data=json.dumps({"events": [event]}).encode(),
                headers={"Authorization": f"Bearer {outputs['WebhookSecret']}", "Content-Type": EVENTS_TYPE},
            )
            with urllib.request.urlopen(request, timeout=30):  # noqa: S310
                return True
        except (OSError, ValueError, KeyError) as problem:
            log.warning("attempt %d to tell the webhook failed: %s", attempt + 1, problem)
            return False


class Handler(BaseHTTPRequestHandler):
    """One connection; `store` and `events` are set on the class that `serve` makes."""

    protocol_version = "HTTP/1.1"
    store: Store
    events: Events

    ROUTES: Final = (
        ("GET HEAD", re.compile(r"/v2/?"), "ping"),
        ("GET", re.compile(r"/v2/_catalog"), "catalog"),
        ("GET", re.compile(rf"/v2/({NAME})/tags/list"), "list_tags"),
        ("POST", re.compile(rf"/v2/({NAME})/blobs/uploads/?"), "begin_upload"),
        ("PATCH", re.compile(rf"/v2/({NAME})/blobs/uploads/([0-9a-f]{{32}})"), "go_on_with_upload"),
        ("PUT", re.compile(rf"/v2/({NAME})/blobs/uploads/([0-9a-f]{{32}})"), "finish_upload"),
        ("GET", re.compile(rf"/v2/({NAME})/blobs/uploads/([0-9a-f]{{32}})"), "state_of_upload"),
        ("GET HEAD", re.compile(rf"/v2/({NAME})/blobs/([^/]+)"), "get_blob"),
        ("PUT", re.compile(rf"/v2/({NAME})/manifests/([^/]+)"), "put_manifest"),
        ("GET HEAD", re.compile(rf"/v2/({NAME})/manifests/([^/]+)"), "get_manifest"),
        ("DELETE", re.compile(rf"/v2/({NAME})/manifests/([^/]+)"), "delete_manifest"),
    )

    def handle_request(self) -> None:
        """Answer by the first route that fits."""
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        try:
            action, arguments = self.route(url.path)
            answer: Callable[..., None] = getattr(self, action)
            answer(*arguments)
        except Refused as refused:
            self.close_connection = True  # what was sent with the request may not have been read
            errors = {"errors": [{"code": refused.code, "message": str(refused)}]}
            headers = {"Content-Type": "application/json", "Connection": "close"}
            self.answer(refused.status, json.dumps(errors).encode(), headers)

    def route(self, path: str) -> tuple[str, tuple[str, ...]]:
        """Return the name of what answers a path, with the parts of the path. Raises `Refused` where nothing does."""
        for methods, pattern, action in self.ROUTES:
            found = pattern.fullmatch(path)
            if found and self.command in methods.split():
                return action, found.groups()
        raise Refused(HTTPStatus.NOT_FOUND, "UNSUPPORTED", f"{self.command} {path} is not known here")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request  # noqa: N815

    # --- what there is -----------------------------------------------------------------------------------------------

    def ping(self) -> None:
        """Say that this is a registry."""
        self.answer_json({})

    def catalog(self) -> None:
        """List the repositories, in pages if asked."""
        self.answer_page("repositories", self.store.repositories(), {})

    def list_tags(self, repository: str) -> None:
        """List the tags of a repository, in pages if asked."""
        if repository not in self.store.repositories():
            raise Refused(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", f"there is no repository {repository}")
        self.answer_page("tags", self.store.tags(repository), {"name": repository})

    # --- blobs -------------------------------------------------------------------------------------------------------

    def begin_upload(self, repository: str) -> None:
        """Take a blob that is here already or sent along, or open an upload for it."""
        digest = self.query.get("mount") or self.query.get("digest") or ""
        if "mount" in self.query and DIGEST.fullmatch(digest) and self.store.blob(digest).is_file():
            self.created(repository, digest)
            return
        name = secrets.token_hex(16)
        self.store.upload(name).touch()
        if "digest" in self.query:
            self.finish_upload(repository, name)
            return
        self.answer(HTTPStatus.ACCEPTED, b"", self.upload_headers(repository, name))

    def go_on_with_upload(self, repository: str, name: str) -> None:
        """Add a part to an upload."""
        self.receive(name)
        self.answer(HTTPStatus.ACCEPTED, b"", self.upload_headers(repository, name))

    def finish_upload(self, repository: str, name: str) -> None:
        """Add the last part, if any, and make a blob of the upload."""
        self.receive(name)
        self.store.finish(self.store.upload(name), self.query.get("digest", ""))
        self.created(repository, self.query["digest"])

    def state_of_upload(self, repository: str, name: str) -> None:
        """Say how much of an upload is here."""
        self.known_upload(name)
        self.answer(HTTPStatus.NO_CONTENT, b"", self.upload_headers(repository, name))

    def get_blob(self, _repository: str, digest: str) -> None:
        """Send a blob, or the part of it that Range asks for."""
        path = self.store.known_blob(digest)
        size = path.stat().st_size
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2]), size - 1) if wanted and wanted[2] else size - 1
        if first > last and size:
            raise Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "SIZE_INVALID", f"{digest} has {size} bytes")
        self.send_response(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Docker-Content-Digest", digest)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if self.command == "GET":
            with path.open("rb") as file:
                file.seek(first)
                remaining = last - first + 1
                while remaining:
                    part = file.read(min(CHUNK, remaining))
                    remaining -= len(part)
                    self.wfile.write(part)

    # --- manifests ---------------------------------------------------------------------------------------------------

    def put_manifest(self, repository: str, reference: str) -> None:
        """Store a manifest and tell the webhook."""
        media_type = self.headers.get("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        content = b"".join(self.sent(MANIFEST_LIMIT))
        digest = self.store.put_manifest(repository, reference, media_type, content)
        self.tell("push", repository, reference, digest, media_type=media_type, size=len(content))
        location = f"/v2/{repository}/manifests/{digest}"
        self.answer(HTTPStatus.CREATED, b"", {"Location": location, "Docker-Content-Digest": digest})

    def get_manifest(self, repository: str, reference: str) -> None:
        """Send a manifest."""
        digest, media_type, content = self.store.manifest(repository, reference)
        self.answer(HTTPStatus.OK, content, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Delete a manifest or a tag and tell the webhook."""
        digest = self.store.delete_manifest(repository, reference)
        self.tell("delete", repository, reference, digest)
        self.answer(HTTPStatus.ACCEPTED, b"", {})

    def tell(
        self, action: str, repository: str, reference: str, digest: str, *, media_type: str = "", size: int = 0
    ) -> None:
        """Leave an event for the webhook."""
        host = self.headers.get("Host", "")
        target: dict[str, str | int] = {
            "digest": digest,
            "repository": repository,
            "url": f"http://{host}/v2/{repository}/manifests/{digest}",
        }
        if media_type:
            target |= {"mediaType": media_type, "size": size, "length": size}
        if reference != digest:
            target["tag"] = reference
        self.events.waiting.put(
            {
                "id": secrets.token_hex(16),
                "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                "action": action,
                "target": target,
                "request": {"host": host, "method": self.command, "useragent": self.headers.get("User-Agent", "")},
                "actor": {},
                "source": {"addr": host},
            }
        )

    # --- reading and answering ---------------------------------------------------------------------------------------

    def known_upload(self, name: str) -> Path:
        """Return an upload's file. Raises `Refused` where there is none."""
        path = self.store.upload(name)
        if not path.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", f"there is no upload {name}")
        return path

    def receive(self, name: str) -> None:
        """Append what was sent to an upload."""
        with self.known_upload(name).open("ab") as file:
            file.writelines(self.sent(sys.maxsize))

    def sent(self, limit: int) -> Iterator[bytes]:
        """Yield the body of the request. Raises `Refused` where it is longer than the limit."""
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        for length in self.chunk_lengths() if chunked else [int(self.headers.get("Content-Length", 0))]:
            limit -= length
            if limit < 0:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "SIZE_INVALID", "the body is too long")
            while length:
                part = self.rfile.read(min(CHUNK, length))
                if not part:
                    raise Refused(HTTPStatus.BAD_REQUEST, "SIZE_INVALID", "the body ended early")
                length -= len(part)
                yield part

    def chunk_lengths(self) -> Iterator[int]:
        """Yield the length of each chunk (RFC 9112, 7.1); the reader takes the chunk in between."""
        while length := int(self.rfile.readline(32).split(b";")[0], 16):
            yield length
            self.rfile.readline(3)
        self.rfile.readline(3)

    def upload_headers(self, repository: str, name: str) -> dict[str, str]:
        """Return where an upload goes on, and how much of it is here."""
        size = self.store.upload(name).stat().st_size
        return {"Location": f"/v2/{repository}/blobs/uploads/{name}", "Range": f"0-{max(size - 1, 0)}"}

    def created(self, repository: str, digest: str) -> None:
        """Answer that a blob is here now."""
        location = f"/v2/{repository}/blobs/{digest}"
        self.answer(HTTPStatus.CREATED, b"", {"Location": location, "Docker-Content-Digest": digest})

    def answer_page(self, kind: str, names: list[str], beside: dict[str, Any]) -> None:
        """Answer with the names after `last`, `n` at most, and a link to the page behind."""
        rest = [name for name in names if name > self.query.get("last", "")]
        count = int(self.query["n"]) if self.query.get("n", "").isdecimal() else len(rest)
        page = rest[:count]
        headers: dict[str, str] = {}
        if page and len(page) < len(rest):
            path = urlsplit(self.path).path
            headers["Link"] = f'<{path}?n={count}&last={quote(page[-1], safe="")}>; rel="next"'
        self.answer_json(beside | {kind: page}, headers)

    def answer_json(self, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        self.answer(
            HTTPStatus.OK, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})}
        )

    def answer(self, status: HTTPStatus, content: bytes, headers: dict[str, str]) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in {"Docker-Distribution-Api-Version": "registry/2.0", **headers}.items():
            self.send_header(name, value)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name in the base class)
        """Log requests as everything else."""
        log.info(format, *args)


def write(path: Path, text: str) -> None:
    """Write a small file as a whole, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent.parent / f".{secrets.token_hex(8)}"
    partial.write_text(text)
    partial.replace(path)


def server(port: int, folder: Path, outputs: Path) -> ThreadingHTTPServer:
    """Return a registry that listens on this machine alone; port 0 takes a free one."""
    shutil.rmtree(folder / "uploads", ignore_errors=True)
    for name in ("uploads", "blobs", "repositories"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    events = Events(outputs, queue.Queue())
    threading.Thread(target=events.deliver_for_ever, daemon=True).start()
    handler = type("BoundHandler", (Handler,), {"store": Store(folder), "events": events})
    return ThreadingHTTPServer((LOOPBACK, port), handler)


def main() -> None:
    """Run the registry until it is ended."""
    arguments = argparse.ArgumentParser(description="A registry on this machine, for the local stack.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--outputs", type=Path, required=True)
    chosen = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    server(chosen.port, chosen.folder, chosen.outputs).serve_forever()


if __name__ == "__main__":
    main()
