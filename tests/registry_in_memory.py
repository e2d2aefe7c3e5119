"""A registry in memory: images, indexes and artefacts that tests add, retag and delete."""

import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from eclair.errors import Forbidden, NotFound, Unavailable
from eclair.model import (
    Artifact,
    Descriptor,
    Digest,
    Index,
    LayerReference,
    Manifest,
    Platform,
    Repository,
)

GZIP_MAGIC = b"\x1f\x8b"
AMD64 = Platform(os="linux", architecture="amd64")
UNKNOWN = Platform(os="unknown", architecture="unknown")
ATTESTATION = (("vnd.docker.reference.type", "attestation-manifest"),)

Content = Manifest | Index | Artifact


def sha256(content: bytes) -> Digest:
    """Return the digest of the content, written as OCI does."""
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def digest_of(*parts: str) -> Digest:
    """Return the digest that the same parts have each time."""
    return sha256(json.dumps(parts).encode())


def media_type(content: Content) -> str:
    """Return the media type a registry gives with the content."""
    if isinstance(content, Index):
        return "application/vnd.oci.image.index.v1+json"
    return "application/vnd.oci.image.manifest.v1+json"


class MemoryRegistry:
    """Implements `ports.Registry`. Hosts in `closed` list no repositories; repositories in `down` do not answer."""

    def __init__(self) -> None:
        self.contents: dict[Repository, dict[Digest, Content]] = {}
        self.tag_digests: dict[Repository, dict[str, Digest]] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.closed: set[str] = set()
        self.down: set[Repository] = set()

    # --- what tests do to it

    def add_image(
        self,
        repository: str,
        tag: str | None,
        layers: Sequence[bytes],
        *,
        platform: Platform = AMD64,
        salt: str = "",
    ) -> Digest:
        """Push an image of these layers (tar or tar.gz), and return its digest; `salt` makes it another image."""
        references = tuple(self._add_blob(content) for content in layers)
        digest = digest_of("manifest", str(platform), salt, *(reference.digest for reference in references))
        return self._add(repository, tag, Manifest(digest=digest, platform=platform, layers=references))

    def add_index(self, repository: str, tag: str | None, manifests: Sequence[Digest | Descriptor]) -> Digest:
        """Push an index of manifests that the repository has (or of any descriptors), and return its digest."""
        descriptors = tuple(
            entry if isinstance(entry, Descriptor) else self._descriptor(Repository(repository), entry)
            for entry in manifests
        )
        digest = digest_of("index", *(descriptor.digest for descriptor in descriptors))
        return self._add(repository, tag, Index(digest=digest, manifests=descriptors))

    def add_artifact(self, repository: str, tag: str | None, reason: str) -> Digest:
        """Push something that is no container image, and return its digest."""
        digest = digest_of("artifact", reason)
        return self._add(repository, tag, Artifact(digest=digest, reason=reason))

    def add_attestation(self, repository: str, reason: str = "an attestation") -> Descriptor:
        """Push an attestation, and return the descriptor that BuildKit puts into an index."""
        digest = self.add_artifact(repository, None, reason)
        return Descriptor(
            digest=digest,
            media_type="application/vnd.oci.image.manifest.v1+json",
            platform=UNKNOWN,
            annotations=ATTESTATION,
        )

    def put_tag(self, repository: str, tag: str, digest: Digest) -> None:
        """Point the tag at a manifest that is there."""
        assert digest in self.contents[Repository(repository)]
        self.tag_digests[Repository(repository)][tag] = digest

    def delete_tag(self, repository: str, tag: str) -> None:
        """Delete the tag; the manifest stays."""
        self.tag_digests.get(Repository(repository), {}).pop(tag, None)

    def delete_manifest(self, repository: str, digest: Digest) -> None:
        """Delete the manifest with all tags that lead to it."""
        self.contents.get(Repository(repository), {}).pop(digest, None)
        tags = self.tag_digests.get(Repository(repository), {})
        for tag in [tag for tag, target in tags.items() if target == digest]:
            del tags[tag]

    # --- ports.Registry

    def resolve(self, repository: Repository, reference: str) -> Descriptor:
        self._answer(repository)
        tags = self.tag_digests.get(repository, {})
        return self._descriptor(repository, tags.get(reference, Digest(reference)))

    def manifest(self, repository: Repository, digest: Digest) -> Content:
        self._answer(repository)
        content = self.contents.get(repository, {}).get(digest)
        if content is None:
            raise NotFound(f"{repository}@{digest} is not in the registry")
        return content

    @contextmanager
    def blob(self, repository: Repository, layer: LayerReference) -> Iterator[BinaryIO]:
        self._answer(repository)
        if layer.digest not in self.blobs:
            raise NotFound(f"{repository} has no blob {layer.digest}")
        with io.BytesIO(self.blobs[layer.digest]) as stream:
            yield stream

    def tags(self, repository: Repository) -> Iterator[str]:
        self._answer(repository)
        if repository not in self.contents:
            raise NotFound(f"{repository} is not in the registry")
        yield from sorted(self.tag_digests[repository])

    def repositories(self, host: str) -> Iterator[Repository]:
        if host in self.closed:
            raise Forbidden(f"{host} lists no repositories for us")
        yield from sorted(name for name in self.contents if name.startswith(f"{host}/"))

    # ---

    def _answer(self, repository: Repository) -> None:
        if repository in self.down:
            raise Unavailable(f"{repository} does not answer: try again later")

    def _add(self, repository: str, tag: str | None, content: Content) -> Digest:
        self.contents.setdefault(Repository(repository), {})[content.digest] = content
        tags = self.tag_digests.setdefault(Repository(repository), {})
        if tag is not None:
            tags[tag] = content.digest
        return content.digest

    def _add_blob(self, content: bytes) -> LayerReference:
        compressed = content.startswith(GZIP_MAGIC)
        digest = sha256(content)
        self.blobs[digest] = content
        return LayerReference(
            digest=digest,
            diff_id=sha256(gzip.decompress(content)) if compressed else digest,
            media_type=f"application/vnd.oci.image.layer.v1.tar{'+gzip' if compressed else ''}",
            size=len(content),
            created_by=f"COPY {digest[7:19]} /",
        )

    def _descriptor(self, repository: Repository, digest: Digest) -> Descriptor:
        content = self.contents.get(repository, {}).get(digest)
        if content is None:
            raise NotFound(f"{repository} has no {digest}")
        platform = content.platform if isinstance(content, Manifest) else None
        return Descriptor(digest=digest, media_type=media_type(content), platform=platform)
