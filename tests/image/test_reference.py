"""References are read as Docker reads them, and what is none is refused with a message that says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadReference
from eclair.image.reference import ArchiveReference, RegistryReference, Transport, parse, parse_digest, parse_repository
from eclair.model import Repository

SHA256 = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "repository", "reference"),
    [
        ("alpine", "docker.io/library/alpine", "latest"),
        ("alpine:3.20", "docker.io/library/alpine", "3.20"),
        ("docker.io/alpine", "docker.io/library/alpine", "latest"),
        ("index.docker.io/library/alpine", "docker.io/library/alpine", "latest"),
        ("registry-1.docker.io/library/alpine:1", "docker.io/library/alpine", "1"),
        ("team/app", "docker.io/team/app", "latest"),
        ("quay.io/team/app:1.0", "quay.io/team/app", "1.0"),
        ("localhost/app", "localhost/app", "latest"),
        ("localhost:5000/app", "localhost:5000/app", "latest"),
        ("127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c", "x"),
        ("[::1]:5000/app:1", "[::1]:5000/app", "1"),
        (f"alpine@{SHA256}", "docker.io/library/alpine", SHA256),
        (f"quay.io:443/team/app:1.0@{SHA256}", "quay.io:443/team/app", SHA256),
        ("oci", "docker.io/library/oci", "latest"),
        ("a__b/c.d/e--f", "docker.io/a__b/c.d/e--f", "latest"),
    ],
)
def test_names_in_registries(text: str, repository: str, reference: str) -> None:
    assert parse(text) == RegistryReference(repository=Repository(repository), reference=reference)


@pytest.mark.parametrize(
    ("text", "transport", "path", "tag"),
    [
        ("oci:/some/folder", Transport.OCI, "/some/folder", ""),
        ("oci:folder:1.0", Transport.OCI, "folder", "1.0"),
        ("oci:/some:thing/folder", Transport.OCI, "/some:thing/folder", ""),
        ("oci-archive:image.tar:team/app", Transport.OCI_ARCHIVE, "image.tar:team/app", ""),
        ("oci-archive:image.tar:latest", Transport.OCI_ARCHIVE, "image.tar", "latest"),
        ("docker-archive:image.tar.gz", Transport.DOCKER_ARCHIVE, "image.tar.gz", ""),
        ("dir:/", Transport.DIRECTORY, "/", ""),
        ("dir:a:b", Transport.DIRECTORY, "a:b", ""),
    ],
)
def test_names_of_archives(text: str, transport: Transport, path: str, tag: str) -> None:
    assert parse(text) == ArchiveReference(transport=transport, path=path, tag=tag)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "@",
        "alpine:",
        "alpine@",
        "alpine@sha256:abc",
        f"alpine@md5:{'0' * 32}",
        f"alpine@{SHA256.upper()}",
        "alpine:-x",
        f"alpine:{'x' * 129}",
        "Alpine",
        "alpine/",
        "/alpine",
        "team//app",
        "../app",
        "team/..",
        "-host.example/app",
        "host.example:port/app",
        "host.example:123456/app",
        "user@host.example/app",
        "https://host.example/app",
        "host.example/app?x",
        "host.example/app#x",
        "host.example/app\n",
        "host.example/a b",
        "a" * 300,
        "a__",
        "a___b",
        "oci:",
        "dir:",
        "oci::tag",
        "dir:a\0b",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(BadReference):
        parse(text)


def test_messages_do_not_grow_with_the_input() -> None:
    with pytest.raises(BadReference) as caught:
        parse("x" * 1_000_000)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", [SHA256, f"sha512:{'f' * 128}", f"sha384:{'1' * 96}"])
def test_digests(text: str) -> None:
    assert parse_digest(text) == text


@pytest.mark.parametrize(
    "text", ["", "sha256", "sha256:", f"{SHA256}0", SHA256[:-1], SHA256.replace("a", "g"), f"{SHA256}\n", "../" * 21]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(BadReference):
        parse_digest(text)


@given(st.text(alphabet="ab0._-:/@[]", max_size=40))
def test_a_repository_that_was_read_is_read_the_same_again(text: str) -> None:
    try:
        repository = parse_repository(text)
    except BadReference:
        return
    assert parse_repository(repository) == repository
