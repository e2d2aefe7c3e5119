"""How does an image get from an OCI layout into a registry? By the push of the OCI Distribution Specification.

Reads a folder in the OCI Image Layout, or a tar archive of one, and pushes what its index.json names: blobs first, then
manifests from the innermost outwards, last the one that carries the tag.
"""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urljoin

import requests

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


class Layout(Protocol):
    """An OCI image layout: the bytes of each of its files."""

    def read(self, name: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A layout as it is."""

    path: Path

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return (self.path / name).read_bytes()


@dataclass(frozen=True, slots=True)
class Archive:
    """A layout in a tar archive."""

    tar: tarfile.TarFile

    def read(self, name: str) -> bytes:
        """Return the bytes of a member, which may be written with a leading `./`."""
        for spelling in (name, f"./{name}"):
            if spelling in self.tar.getnames():
                member = self.tar.extractfile(spelling)
                if member is not None:
                    return member.read()
        raise FileNotFoundError(f"{self.tar.name!r} has no {name}: is it an OCI layout?")


@contextmanager
def opened(path: Path) -> Iterator[Layout]:
    """Open a layout, whichever form it has."""
    if path.is_dir():
        yield Folder(path)
        return
    with tarfile.open(path) as tar:
        yield Archive(tar)


def push_image(source: Path, registry: str, repository: str, tag: str) -> str:
    """Push the first image (or index) of a layout; return the digest that the tag now points at.

    `registry` is an address such as `http://127.0.0.1:4567`.
    """
    base = f"{registry}/v2/{repository}/"
    with opened(source) as layout, requests.Session() as session:
        session.trust_env = False  # no proxy on the way to this machine
        descriptor = json.loads(layout.read("index.json"))["manifests"][0]
        push_manifest(session, base, layout, descriptor, tag)
        return str(descriptor["digest"])


def push_manifest(
    session: requests.Session, base: str, layout: Layout, descriptor: dict[str, Any], reference: str
) -> None:
    """Push what a manifest or index refers to, then itself under the reference."""
    content = blob(layout, descriptor["digest"])
    document = json.loads(content)
    if descriptor["mediaType"] in INDEXES:
        for child in document["manifests"]:
            push_manifest(session, base, layout, child, child["digest"])
    else:
        for part in (document["config"], *document["layers"]):
            push_blob(session, base, part["digest"], blob(layout, part["digest"]))
    headers = {"Content-Type": descriptor["mediaType"]}
    session.put(f"{base}manifests/{reference}", data=content, headers=headers, timeout=60).raise_for_status()


def push_blob(session: requests.Session, base: str, digest: str, content: bytes) -> None:
    """Push a blob unless the registry has it."""
    if session.head(f"{base}blobs/{digest}", timeout=60).ok:
        return
    begun = session.post(f"{base}blobs/uploads/", timeout=60)
    begun.raise_for_status()
    location = urljoin(base, begun.headers["Location"])
    separator = "&" if "?" in location else "?"
    done = session.put(f"{location}{separator}{urlencode({'digest': digest})}", data=content, timeout=300)
    done.raise_for_status()


def blob(layout: Layout, digest: str) -> bytes:
    """Return a blob of a layout."""
    algorithm, _, encoded = digest.partition(":")
    return layout.read(f"blobs/{algorithm}/{encoded}")
