"""Manifests, indexes and configurations of every kind are read, and hostile ones refused."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadImage, BadReference, DigestMismatch, LimitExceeded, UnsupportedMediaType
from eclair.image import oci
from eclair.model import Artifact, Descriptor, Digest, Index, LayerReference, Manifest, Platform

CONFIGURATION = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def sha(character: str) -> Digest:
    return Digest(f"sha256:{character * 64}")


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def manifest(**changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": oci.OCI_MANIFEST,
        "config": {"mediaType": CONFIGURATION, "digest": oci.digest_of(encoded(configuration())), "size": 1},
        "layers": [{"mediaType": LAYER, "digest": sha("1"), "size": 10}],
    }
    return {key: value for key, value in {**document, **changes}.items() if value is not None}


def configuration(**changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "os": "linux",
        "architecture": "arm64",
        "variant": "v8",
        "rootfs": {"type": "layers", "diff_ids": [sha("2")]},
        "history": [{"created_by": "ENV x", "empty_layer": True}, {"created_by": "COPY y"}],
    }
    return {**document, **changes}


def read(document: object, media_type: str = "") -> oci.Unconfigured | Index | Artifact:
    content = encoded(document)
    return oci.read_manifest(content, oci.digest_of(content), media_type)


def configure(document: Mapping[str, object], layers: int = 1) -> Manifest | Artifact:
    content = encoded(document)
    descriptor = {"mediaType": CONFIGURATION, "digest": oci.digest_of(content), "size": len(content)}
    layer = {"mediaType": LAYER, "digest": sha("1"), "size": 10}
    unconfigured = read(manifest(config=descriptor, layers=[layer] * layers))
    assert isinstance(unconfigured, oci.Unconfigured)
    return oci.configured(unconfigured, content)


def test_an_image_has_its_layers_with_the_history_that_made_them() -> None:
    found = configure(configuration())
    assert isinstance(found, Manifest)
    assert found.platform == Platform(os="linux", architecture="arm64", variant="v8")
    assert found.layers == (
        LayerReference(digest=sha("1"), diff_id=sha("2"), media_type=LAYER, size=10, created_by="COPY y"),
    )


@pytest.mark.parametrize("history", [None, [], [{"created_by": "a"}, {"created_by": "b"}], [{"empty_layer": True}]])
def test_a_history_that_does_not_fit_says_nothing(history: object) -> None:
    found = configure(configuration(history=history))
    assert isinstance(found, Manifest)
    assert [layer.created_by for layer in found.layers] == [""]


def test_a_configuration_of_other_layers_is_refused() -> None:
    with pytest.raises(BadImage, match="names 1 layers, the manifest 2"):
        configure(configuration(), layers=2)


def test_an_index_has_its_descriptors() -> None:
    entry = {
        "mediaType": oci.OCI_MANIFEST,
        "digest": sha("3"),
        "size": 5,
        "platform": {"os": "linux", "architecture": "arm", "variant": "v7", "os.features": ["x"]},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        "artifactType": "application/x",
    }
    found = read({"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": [entry]})
    assert isinstance(found, Index)
    assert found.manifests == (
        Descriptor(
            digest=sha("3"),
            media_type=oci.OCI_MANIFEST,
            size=5,
            platform=Platform(os="linux", architecture="arm", variant="v7"),
            annotations=(("vnd.docker.reference.type", "attestation-manifest"),),
            artifact_type="application/x",
        ),
    )


@pytest.mark.parametrize("media_type", [oci.OCI_MANIFEST, oci.DOCKER_MANIFEST])
def test_a_manifest_of_either_kind_is_an_image(media_type: str) -> None:
    docker = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": sha("4"), "size": 1}
    layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": sha("1"), "size": 10}
    assert isinstance(read(manifest(mediaType=media_type, config=docker, layers=[layer])), oci.Unconfigured)


@pytest.mark.parametrize("media_type", ["", oci.OCI_MANIFEST, f"{oci.OCI_MANIFEST}; charset=utf-8", "text/plain"])
def test_a_document_without_media_type_is_known_by_the_header_or_its_keys(media_type: str) -> None:
    assert isinstance(read(manifest(mediaType=None), media_type), oci.Unconfigured)
    if media_type in ("", "text/plain"):
        assert isinstance(read({"schemaVersion": 2, "manifests": []}, media_type), Index)


def test_a_document_that_is_index_and_manifest_at_once_is_refused() -> None:
    with pytest.raises(BadImage, match="at once"):
        read(manifest(manifests=[]))


@pytest.mark.parametrize(
    "document",
    [
        {"schemaVersion": 1, "fsLayers": [], "history": []},
        {"schemaVersion": 1, "mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"},
        {"mediaType": "application/vnd.oci.artifact.manifest.v1+json"},
        {},
    ],
)
def test_other_documents_are_unsupported(document: object) -> None:
    with pytest.raises(UnsupportedMediaType):
        read(document)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": sha("4"), "size": 1}}, "helm"),
        (
            {
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha("4"), "size": 2},
                "artifactType": "application/spdx+json",
            },
            "application/spdx+json",
        ),
        ({"layers": [{"mediaType": "application/vnd.in-toto+json", "digest": sha("4"), "size": 1}]}, "in-toto"),
        (
            {
                "layers": [
                    {
                        "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                        "digest": sha("4"),
                        "size": 1,
                    }
                ]
            },
            "cosign",
        ),
    ],
)
def test_what_is_no_image_is_an_artifact_with_its_reason(changes: dict[str, object], reason: str) -> None:
    found = read(manifest(**changes))
    assert isinstance(found, Artifact)
    assert reason in found.reason


def test_a_configuration_of_platform_unknown_is_an_attestation() -> None:
    found = configure(configuration(os="unknown", architecture="unknown", variant=""))
    assert isinstance(found, Artifact)
    assert "attestation" in found.reason


def test_an_image_without_layers_is_an_image() -> None:
    found = configure(configuration(rootfs={"type": "layers", "diff_ids": []}, history=[]), layers=0)
    assert isinstance(found, Manifest)
    assert found.layers == ()


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        "text",
        manifest(config=None),
        manifest(config=[]),
        manifest(config={"mediaType": CONFIGURATION}),
        manifest(config={"mediaType": CONFIGURATION, "digest": "sha256:../../etc/passwd", "size": 1}),
        manifest(config={"mediaType": 5, "digest": sha("1")}),
        manifest(layers={}),
        manifest(layers=[None]),
        manifest(layers=[{"mediaType": LAYER, "digest": sha("1"), "size": -5}]),
        manifest(layers=[{"mediaType": LAYER, "digest": sha("1"), "size": "5"}]),
        manifest(layers=[{"mediaType": LAYER, "digest": sha("1"), "annotations": []}]),
        manifest(layers=[{"mediaType": LAYER, "digest": sha("1"), "platform": "linux"}]),
        manifest(mediaType=7),
    ],
)
def test_a_manifest_of_the_wrong_shape_is_refused(document: object) -> None:
    with pytest.raises(BadImage):
        read(document)


@pytest.mark.parametrize(
    "changes",
    [
        {"rootfs": None},
        {"rootfs": {"diff_ids": "x"}},
        {"rootfs": {"diff_ids": ["x"]}},
        {"rootfs": {"diff_ids": [5]}},
        {"os": []},
        {"history": {}},
        {"history": [{"created_by": 5}]},
    ],
)
def test_a_configuration_of_the_wrong_shape_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BadImage):
        configure(configuration(**changes))


def test_documents_other_than_their_digest_are_refused() -> None:
    with pytest.raises(DigestMismatch):
        oci.read_manifest(encoded(manifest()), sha("5"))
    unconfigured = read(manifest())
    assert isinstance(unconfigured, oci.Unconfigured)
    with pytest.raises(DigestMismatch):
        oci.configured(unconfigured, encoded(configuration(os="windows")))


def test_digests_of_every_algorithm_are_verified() -> None:
    for algorithm in ("sha256", "sha384", "sha512"):
        digest = oci.digest_of(b"x", algorithm)
        oci.verify(digest, b"x")
        with pytest.raises(DigestMismatch):
            oci.verify(digest, b"y")
    with pytest.raises(BadReference):
        oci.verify(Digest("md5:9dd4e461268c8034f5c8564e155c67a6"), b"x")


def test_documents_over_the_limit_are_refused() -> None:
    with pytest.raises(LimitExceeded):
        read(manifest(annotations={"x": "x" * oci.MANIFEST_LIMIT}))
    with pytest.raises(LimitExceeded):
        configure(configuration(x="x" * oci.CONFIGURATION_LIMIT))


@pytest.mark.parametrize("content", [b"", b"{", b"<html>", b'{"a":' * 5000, b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(BadImage):
        oci.read_manifest(content, oci.digest_of(content))


def test_docker_save_names_its_images() -> None:
    content = encoded([{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}])
    (saved,) = oci.read_docker_save(content, "manifest.json")
    assert saved == oci.SavedImage(configuration="c.json", layers=("a/layer.tar", "b/layer.tar"), names=())


@pytest.mark.parametrize("content", [b"{}", b"[1]", b'[{"Config":1}]', b'[{"Layers":{}}]', b"null", b"[]x", b""])
def test_a_broken_docker_save_is_refused(content: bytes) -> None:
    with pytest.raises(BadImage, match=r"manifest\.json"):
        oci.read_docker_save(content, "manifest.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(key=st.sampled_from(["config", "layers", "mediaType", "manifests", "annotations"]), value=JSON)
def test_whatever_a_manifest_holds_it_is_read_or_refused(key: str, value: object) -> None:
    try:
        read({**manifest(), key: value})
    except BadImage as error:
        assert oci.digest_of(encoded({**manifest(), key: value})) in str(error)  # noqa: PT017 (either is right)
