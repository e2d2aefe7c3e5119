"""What do manifests, indexes and configurations say?

The OCI image specification (*manifest.md*, *image-index.md*, *config.md*) and what came before it: Docker image
manifest v2 schema 2 and its manifest list. Nothing here does I/O; every document is verified against its digest first.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import orjson

from eclair.errors import BadImage, BadReference, DigestMismatch, LimitExceeded, UnsupportedMediaType
from eclair.image.reference import parse_digest
from eclair.model import Artifact, Descriptor, Digest, Index, LayerReference, Manifest, Platform

ESTARGZ_DIGEST: Final = "containerd.io/snapshot/stargz/toc.digest"
CHUNKED_DIGEST: Final = "io.github.containers.zstd-chunked.manifest-checksum"
CHUNKED_POSITION: Final = "io.github.containers.zstd-chunked.manifest-position"
TABLES_OF_CONTENTS: Final = frozenset((ESTARGZ_DIGEST, CHUNKED_DIGEST, CHUNKED_POSITION))
"""The annotations of a layer that pin its table of contents (see `toc`)."""
MANIFEST_LIMIT: Final = 4 * 1024 * 1024
"""The largest manifest in bytes, as in the OCI distribution specification."""

CONFIGURATION_LIMIT: Final = 8 * 1024 * 1024

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
MEDIA_TYPES: Final = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
"""What a registry is asked for."""

_INDEXES: Final = frozenset((OCI_INDEX, DOCKER_LIST))
_MANIFESTS: Final = frozenset((OCI_MANIFEST, DOCKER_MANIFEST))
_CONFIGURATIONS: Final = frozenset(
    ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
)
_FILE_SYSTEMS: Final = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
)
_GUESSES: Final = (("fsLayers", "docker schema 1"), ("manifests", OCI_INDEX), ("layers", OCI_MANIFEST))
"""By which key a document that does not name its media type is known."""

_UNKNOWN: Final = "unknown"
_CREATED_BY_LIMIT: Final = 1000

_Object = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfigured:
    """An image manifest whose configuration has yet to be read."""

    digest: Digest
    configuration: Descriptor
    layers: tuple[Descriptor, ...]


def digest_of(content: bytes, algorithm: str = "sha256") -> Digest:
    """Return the digest of a document."""
    return Digest(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")


def verify(digest: Digest, content: bytes) -> None:
    """Raise `DigestMismatch` unless the bytes are those that the digest names."""
    actual = digest_of(content, parse_digest(digest).partition(":")[0])
    if actual != digest:
        raise DigestMismatch(f"{digest}: the content has digest {actual}; push the image again")


def read_manifest(content: bytes, digest: Digest, media_type: str = "") -> Unconfigured | Index | Artifact:
    """Read a manifest or index; `media_type` is what the registry calls it, for one that does not say itself."""
    _check_size(content, MANIFEST_LIMIT, f"manifest {digest}")
    verify(digest, content)
    document = _document(content, f"manifest {digest}")
    kind = _media_type(document, media_type)
    if kind in _INDEXES:
        return Index(digest=digest, manifests=tuple(document.descriptors("manifests")))
    if kind not in _MANIFESTS:
        raise UnsupportedMediaType(
            f"manifest {digest}: media type {kind!r} cannot be read; push the image again as OCI or Docker schema 2"
        )
    configuration = document.descriptor("config")
    layers = tuple(document.descriptors("layers"))
    reason = _no_image(document, configuration, layers)
    if reason:
        return Artifact(digest=digest, reason=reason)
    return Unconfigured(digest=digest, configuration=configuration, layers=layers)


def read_index(content: bytes, name: str) -> Index:
    """Read the `index.json` of an OCI layout, which goes by its own digest; `name` says in messages which one."""
    _check_size(content, MANIFEST_LIMIT, name)
    document = _document(content, name)
    if not document.has("manifests"):
        document.refuse("is no image index")
    return Index(digest=digest_of(content), manifests=tuple(document.descriptors("manifests")))


def configured(manifest: Unconfigured, content: bytes) -> Manifest | Artifact:
    """Return the manifest with what its configuration says."""
    name = f"configuration {manifest.configuration.digest} of image {manifest.digest}"
    _check_size(content, CONFIGURATION_LIMIT, name)
    verify(manifest.configuration.digest, content)
    configuration = read_configuration(content, name)
    if configuration.platform == Platform(os=_UNKNOWN, architecture=_UNKNOWN):
        return Artifact(digest=manifest.digest, reason="an attestation: its platform is unknown/unknown")
    if len(configuration.diff_ids) != len(manifest.layers):
        raise BadImage(
            f"{name} names {len(configuration.diff_ids)} layers, the manifest {len(manifest.layers)}; "
            "push the image again"
        )
    layers = zip(manifest.layers, configuration.diff_ids, configuration.created_by, strict=True)
    return Manifest(
        digest=manifest.digest,
        platform=configuration.platform,
        layers=tuple(
            LayerReference(
                digest=layer.digest,
                diff_id=diff_id,
                media_type=layer.media_type,
                size=layer.size,
                created_by=created_by,
                annotations=tuple(pair for pair in layer.annotations if pair[0] in TABLES_OF_CONTENTS),
            )
            for layer, diff_id, created_by in layers
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What an image configuration says of its layers: their diff_ids and the history lines that made them."""

    platform: Platform
    diff_ids: tuple[Digest, ...]
    created_by: tuple[str, ...]


def read_configuration(content: bytes, name: str) -> Configuration:
    """Read an image configuration; `name` says in messages which one."""
    document = _document(content, name)
    rootfs = document.inner("rootfs")
    diff_ids = tuple(rootfs.digest(text) for text in rootfs.texts("diff_ids"))
    history = (entry for entry in document.inners("history") if not entry.flag("empty_layer"))
    created_by = tuple(entry.text("created_by")[:_CREATED_BY_LIMIT] for entry in history)
    if len(created_by) != len(diff_ids):
        # History is optional and for people; one that does not fit says nothing about any layer.
        created_by = ("",) * len(diff_ids)
    return Configuration(platform=document.platform(), diff_ids=diff_ids, created_by=created_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """An image in the `manifest.json` of `docker save`: its names, and the members that hold it."""

    configuration: str
    layers: tuple[str, ...]
    names: tuple[str, ...]


def read_docker_save(content: bytes, name: str) -> tuple[SavedImage, ...]:
    """Read the `manifest.json` of `docker save`, a list of images."""
    _check_size(content, MANIFEST_LIMIT, name)
    entries = _parsed(content, name)
    if not isinstance(entries, list):
        raise BadImage(f"{name} is no list of images; save the image again")
    images = (_Document(entry, name) for entry in entries)
    return tuple(
        SavedImage(
            configuration=image.text("Config"),
            layers=tuple(image.texts("Layers")),
            names=tuple(image.texts("RepoTags")),
        )
        for image in images
    )


def _check_size(content: bytes, limit: int, name: str) -> None:
    if len(content) > limit:
        raise LimitExceeded(f"{name}: {len(content)} bytes; {limit} are allowed")


def _media_type(document: "_Document", said: str) -> str:
    """Return what the document calls itself, else what the registry calls it, else what it looks like."""
    if document.has("manifests") and (document.has("layers") or document.has("config")):
        # A document that two readers may take for two images; see the OCI advisory GHSA-77vh-xpmg-72qh.
        document.refuse("is an index and a manifest at once")
    own = document.text("mediaType")
    said = said.partition(";")[0].strip()
    if own or said in _INDEXES or said in _MANIFESTS:
        return own or said
    return next((media_type for key, media_type in _GUESSES if document.has(key)), said)


def _no_image(document: "_Document", configuration: Descriptor, layers: Sequence[Descriptor]) -> str:
    """Return why the manifest is no container image, nothing where it is one."""
    if configuration.media_type not in _CONFIGURATIONS:
        kind = document.text("artifactType") or configuration.media_type
        return f"no container image but an artifact of type {kind}"
    if layers and not any(layer.media_type.startswith(_FILE_SYSTEMS) for layer in layers):
        return f"no container image: its layers are {', '.join(sorted({layer.media_type for layer in layers}))}"
    return ""


def _parsed(content: bytes, name: str) -> object:
    try:
        value: object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadImage(f"{name} is no JSON ({error}); push the image again") from error
    return value


def _document(content: bytes, name: str) -> "_Document":
    return _Document(_parsed(content, name), name)


class _Document:
    """A JSON object, read strictly: a value of the wrong type is a `BadImage` that names its place."""

    def __init__(self, content: object, name: str) -> None:
        self._name = name
        if not isinstance(content, Mapping):
            self.refuse("is no JSON object")
        self._object: _Object = content

    def refuse(self, why: str) -> NoReturn:
        raise BadImage(f"{self._name} {why}; push the image again")

    def has(self, key: str) -> bool:
        return key in self._object

    def text(self, key: str) -> str:
        value = self._object.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(f"has a {key} that is no text")
        return value

    def flag(self, key: str) -> bool:
        return self._object.get(key) is True

    def inner(self, key: str) -> "_Document":
        return _Document(self._mapping(self._object.get(key), key), f"{key} of {self._name}")

    def inners(self, key: str) -> list["_Document"]:
        return [_Document(self._mapping(item, key), f"{key} of {self._name}") for item in self._list(key)]

    def texts(self, key: str) -> list[str]:
        return [self._string(item, key) for item in self._list(key)]

    def digest(self, text: str) -> Digest:
        try:
            return parse_digest(text)
        except BadReference as error:
            raise BadImage(f"{self._name}: {error}") from error

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        values = self._object.get(key)
        if values is None:
            return ()
        return tuple((name, self._string(value, key)) for name, value in self._mapping(values, key).items())

    def descriptor(self, key: str) -> Descriptor:
        return self.inner(key).as_descriptor()

    def descriptors(self, key: str) -> list[Descriptor]:
        return [inner.as_descriptor() for inner in self.inners(key)]

    def platform(self) -> Platform:
        return Platform(os=self.text("os"), architecture=self.text("architecture"), variant=self.text("variant"))

    def as_descriptor(self) -> Descriptor:
        size = self._object.get("size", -1)
        if not isinstance(size, int) or size < -1:
            self.refuse("has a size that is no number of bytes")
        platform = self.inner("platform").platform() if self._object.get("platform") is not None else None
        return Descriptor(
            digest=self.digest(self.text("digest")),
            media_type=self.text("mediaType"),
            size=size,
            platform=platform,
            annotations=self.pairs("annotations"),
            artifact_type=self.text("artifactType"),
        )

    def _mapping(self, value: object, key: str) -> _Object:
        if not isinstance(value, Mapping):
            self.refuse(f"has a {key} that is no object")
        return value

    def _string(self, value: object, key: str) -> str:
        if not isinstance(value, str):
            self.refuse(f"has a {key} that is no text")
        return value

    def _list(self, key: str) -> Sequence[object]:
        value = self._object.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.refuse(f"has a {key} that is no list")
        return value
