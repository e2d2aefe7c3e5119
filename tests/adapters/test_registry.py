"""The registry adapter against a real server, with everything that may go wrong between them."""

import gzip
import io
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.adapters.guarded import retry_after
from eclair.adapters.registry import OciRegistry
from eclair.adapters.registry_client import Credentials, RegistryPolicy
from eclair.errors import (
    BadImage,
    BadReference,
    DigestMismatch,
    Forbidden,
    LimitExceeded,
    NotFound,
    Unavailable,
    UnsupportedMediaType,
)
from eclair.image.filesystem import read_layer
from eclair.image.interest import Readers
from eclair.model import Artifact, Digest, Index, LayerReference, Manifest, Repository
from tests.adapters import registry_server
from tests.adapters.registry_server import Faults, Login, Registry

NAME = "team/app"


def _tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        member = tarfile.TarInfo("some/file")
        member.size = 300_000
        archive.addfile(member, io.BytesIO(random.Random(0).randbytes(member.size)))
    return content.getvalue()


TAR = _tar()
BLOB = gzip.compress(TAR, mtime=0)


def ann(host: str) -> Credentials:
    return Credentials(username=registry_server.USERNAME, password=registry_server.PASSWORD)


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[Registry]:
    with registry_server.serving() as registry:
        registry.put_image(NAME, "1.0", "latest", layers={TAR: BLOB})
        yield registry


@pytest.fixture
def other() -> Iterator[Registry]:
    """Another server, to which blobs are redirected."""
    with registry_server.serving() as registry:
        registry.put_blob(BLOB)
        yield registry


@pytest.fixture
def time() -> Time:
    return Time()


def client(time: Time, *servers: Registry, credentials: bool = False) -> OciRegistry:
    policy = RegistryPolicy(allowed=("127.0.0.1:*",), insecure=tuple(server.host for server in servers))
    if credentials:
        return OciRegistry(policy, credentials=ann, sleep=time.sleep, clock=time.clock)
    return OciRegistry(policy, sleep=time.sleep, clock=time.clock)


def repository(server: Registry) -> Repository:
    return Repository(f"{server.host}/{NAME}")


def image(registry: OciRegistry, server: Registry, reference: str = "1.0") -> Manifest:
    manifest = registry.manifest(repository(server), registry.resolve(repository(server), reference).digest)
    assert isinstance(manifest, Manifest)
    return manifest


def download(registry: OciRegistry, server: Registry, layer: LayerReference) -> bytes:
    with registry.blob(repository(server), layer) as blob:
        return blob.read()


def layer_of(server: Registry) -> LayerReference:
    digest = next(digest for digest, content in server.blobs.items() if content == BLOB)
    return LayerReference(digest=Digest(digest), diff_id=Digest(digest), media_type="", size=len(BLOB))


# --- what is there ----------------------------------------------------------------------------------------------------


def test_a_tag_leads_to_a_manifest_and_its_layers(server: Registry, time: Time) -> None:
    registry = client(time, server)
    found = image(registry, server)
    assert str(found.platform) == "linux/amd64"
    assert [layer.created_by for layer in found.layers] == ["step 0"]
    with registry.blob(repository(server), found.layers[0]) as blob:
        layer = read_layer(blob, found.layers[0], Readers(()))
    assert layer.digest == found.layers[0].digest
    assert time.slept == []


def test_a_digest_resolves_to_itself(server: Registry, time: Time) -> None:
    registry = client(time, server)
    digest = registry.resolve(repository(server), "1.0").digest
    assert registry.resolve(repository(server), digest).digest == digest


def test_a_registry_that_names_no_digest_is_asked_for_the_manifest(server: Registry, time: Time) -> None:
    registry = client(time, server)
    expected = registry.resolve(repository(server), "1.0")
    for said in ("", "sha256:short", "<script>"):
        server.faults.digest_header = said
        assert registry.resolve(repository(server), "1.0") == expected


def test_a_digest_that_the_registry_answers_with_another_is_refused(server: Registry, time: Time) -> None:
    registry = client(time, server)
    digest = registry.resolve(repository(server), "1.0").digest
    server.faults.digest_header = f"sha256:{'0' * 64}"
    with pytest.raises(BadImage, match="says its digest is"):
        registry.resolve(repository(server), digest)


def test_an_index_and_an_artifact_are_told_from_an_image(server: Registry, time: Time) -> None:
    registry = client(time, server)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    chart = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.cncf.helm.config.v1+json",
            "digest": f"sha256:{'0' * 64}",
            "size": 2,
        },
        "layers": [],
    }
    assert isinstance(registry.manifest(repository(server), Digest(server.put_manifest(NAME, index))), Index)
    artifact = registry.manifest(repository(server), Digest(server.put_manifest(NAME, chart)))
    assert isinstance(artifact, Artifact)
    assert "helm" in artifact.reason


def test_tags_and_repositories_are_read_page_by_page(server: Registry, time: Time) -> None:
    for number in range(7):
        server.put_image(NAME, f"2.{number}", layers={TAR: BLOB})
        server.put_image(f"team/app{number}", "1", layers={TAR: BLOB})
    registry = client(time, server)
    assert sorted(registry.tags(repository(server))) == sorted([*(f"2.{n}" for n in range(7)), "1.0", "latest"])
    names = sorted(registry.repositories(server.host))
    assert names == sorted(f"{server.host}/{name}" for name in ["team/app", *(f"team/app{n}" for n in range(7))])


def test_a_listing_that_leads_to_another_host_is_not_followed(server: Registry, other: Registry, time: Time) -> None:
    server.put_image(NAME, "3", layers={TAR: BLOB})
    server.faults.link_host = other.address
    with pytest.raises(BadImage, match="another host"):
        list(client(time, server, other).tags(repository(server)))
    assert other.asked == []


def test_a_listing_that_names_a_page_twice_is_refused(server: Registry, time: Time) -> None:
    server.faults.endless = True
    with pytest.raises(BadImage, match="without end"):
        list(client(time, server).tags(repository(server)))


@pytest.mark.parametrize("reference", ["2.0", f"sha256:{'0' * 64}"])
def test_what_is_not_there_is_not_found(server: Registry, time: Time, reference: str) -> None:
    registry = client(time, server)
    with pytest.raises(NotFound):
        registry.resolve(repository(server), reference)
    with pytest.raises(NotFound):
        registry.manifest(repository(server), Digest(f"sha256:{'0' * 64}"))
    with pytest.raises(NotFound):
        list(registry.tags(Repository(f"{server.host}/other")))
    missing = replace(layer_of(server), digest=Digest(f"sha256:{'0' * 64}"))
    with pytest.raises(NotFound):
        download(registry, server, missing)


# --- what it says is checked ------------------------------------------------------------------------------------------


def test_a_manifest_other_than_its_digest_is_refused(server: Registry, time: Time) -> None:
    registry = client(time, server)
    digest = registry.resolve(repository(server), "1.0").digest
    server.faults.damaged = True
    with pytest.raises(DigestMismatch):
        registry.manifest(repository(server), digest)


def test_a_configuration_other_than_its_digest_is_refused(server: Registry, time: Time) -> None:
    for digest, content in server.blobs.items():
        server.blobs[digest] = content.replace(b"amd64", b"arm64")
    with pytest.raises(DigestMismatch):
        image(client(time, server), server)


def test_a_layer_other_than_its_digest_is_refused(server: Registry, time: Time) -> None:
    registry = client(time, server)
    layer = image(registry, server).layers[0]
    server.blobs[layer.digest] = gzip.compress(TAR, 1, mtime=0)[: layer.size].ljust(layer.size, b"\0")
    with registry.blob(repository(server), layer) as blob, pytest.raises(BadImage):
        read_layer(blob, layer, Readers(()))


def test_a_manifest_over_the_size_limit_is_refused(server: Registry, time: Time) -> None:
    large = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "x": "x" * 5 * 1024 * 1024}
    digest = server.put_manifest(NAME, large, "large")
    with pytest.raises(LimitExceeded):
        client(time, server).manifest(repository(server), Digest(digest))


def test_a_manifest_of_docker_schema_1_is_unsupported(server: Registry, time: Time) -> None:
    old = {"schemaVersion": 1, "mediaType": "application/vnd.docker.distribution.manifest.v1+json", "fsLayers": []}
    digest = server.put_manifest(NAME, old)
    with pytest.raises(UnsupportedMediaType):
        client(time, server).manifest(repository(server), Digest(digest))


def test_a_blob_longer_than_its_manifest_says_is_refused(server: Registry, time: Time) -> None:
    with pytest.raises(LimitExceeded):
        download(client(time, server), server, replace(layer_of(server), size=len(BLOB) - 1))


@pytest.mark.parametrize("name", ["../secrets", "team/app/../../x", "team/app?x=1", "team/app#", "Team/app"])
def test_a_name_that_is_none_is_asked_for_nowhere(server: Registry, time: Time, name: str) -> None:
    with pytest.raises(BadReference):
        client(time, server).resolve(Repository(f"{server.host}/{name}"), "1.0")
    assert server.asked == []


# --- credentials ------------------------------------------------------------------------------------------------------


def test_basic_credentials_are_given_once_asked_for(server: Registry, time: Time) -> None:
    server.faults.login = Login.BASIC
    registry = client(time, server, credentials=True)
    image(registry, server)
    without = [one for one in server.asked if "Authorization" not in one.headers]
    assert len(without) == 1


@pytest.mark.parametrize("login", [Login.BEARER, Login.BEARER_ANONYMOUS])
def test_a_token_is_asked_for_once_per_scope(server: Registry, time: Time, login: Login) -> None:
    server.faults.login = login
    registry = client(time, server, credentials=login is Login.BEARER)
    layer = image(registry, server).layers[0]
    assert download(registry, server, layer) == BLOB
    assert server.tokens == 1
    asked = [path for path in server.paths() if path.startswith("/token")]
    assert asked == ["/token?service=registry&scope=repository%3Ateam%2Fapp%3Apull"]


def test_a_token_is_renewed_when_it_expires(server: Registry, time: Time) -> None:
    server.faults.login = Login.BEARER_ANONYMOUS
    registry = client(time, server)
    image(registry, server)
    time.now += server.faults.tokens_last
    image(registry, server)
    assert server.tokens == 2


def test_a_token_that_no_longer_holds_is_renewed(server: Registry, time: Time) -> None:
    server.faults.login = Login.BEARER_ANONYMOUS
    registry = client(time, server)
    image(registry, server)
    server.tokens += 1
    assert isinstance(image(registry, server), Manifest)


@pytest.mark.parametrize("login", [Login.BASIC, Login.BEARER])
def test_missing_credentials_are_forbidden(server: Registry, time: Time, login: Login) -> None:
    server.faults.login = login
    with pytest.raises(Forbidden, match="credentials"):
        image(client(time, server), server)
    assert time.slept == []


@pytest.mark.parametrize("login", [Login.BASIC, Login.BEARER])
def test_wrong_credentials_are_forbidden(server: Registry, time: Time, login: Login) -> None:
    server.faults.login = login
    policy = RegistryPolicy(allowed=("*",), insecure=(server.host,))

    def wrong(host: str) -> Credentials:
        return Credentials(username=registry_server.USERNAME, password="wrong")

    registry = OciRegistry(policy, credentials=wrong, sleep=time.sleep, clock=time.clock)
    with pytest.raises(Forbidden):
        image(registry, server)


def test_credentials_show_no_password() -> None:
    assert registry_server.PASSWORD not in repr(ann("registry"))


@pytest.mark.parametrize("login", [Login.BASIC, Login.BEARER])
def test_credentials_do_not_follow_a_redirect_to_another_host(
    server: Registry, other: Registry, time: Time, login: Login
) -> None:
    server.faults.login = login
    registry = client(time, server, other, credentials=True)
    layer = layer_of(server)
    image(registry, server)
    server.faults.redirect = other.address
    assert download(registry, server, layer) == BLOB
    assert [one.path.partition("?")[0] for one in other.asked] == [f"/cdn/{layer.digest}"]
    assert "Authorization" not in other.asked[0].headers


def test_no_cookie_is_kept(server: Registry, time: Time) -> None:
    server.faults.answers = [(503, {"Set-Cookie": "session=1; Path=/", "Retry-After": "0"})]
    image(client(time, server), server)
    assert not any("Cookie" in one.headers for one in server.asked)


def test_credentials_stay_with_a_redirect_on_the_same_host(server: Registry, time: Time) -> None:
    server.faults.login = Login.BASIC
    server.faults.redirect = server.address
    registry = client(time, server, credentials=True)
    assert download(registry, server, layer_of(server)) == BLOB


# --- where requests may go --------------------------------------------------------------------------------------------


def test_a_registry_that_the_operator_did_not_name_is_not_asked(server: Registry, time: Time) -> None:
    policy = RegistryPolicy(allowed=("*.example",), insecure=(server.host,))
    registry = OciRegistry(policy, sleep=time.sleep, clock=time.clock)
    with pytest.raises(Forbidden, match="not among those allowed"):
        registry.resolve(repository(server), "1.0")
    assert server.asked == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://registry.example", "ftp://127.0.0.1", "file:///etc"])
def test_a_redirect_to_what_is_not_https_is_refused(server: Registry, time: Time, address: str) -> None:
    server.faults.redirect = address
    with pytest.raises(Forbidden, match="only https"):
        download(client(time, server), server, layer_of(server))


def test_a_redirect_to_a_private_address_is_refused(server: Registry, other: Registry, time: Time) -> None:
    server.faults.redirect = other.address.replace("http:", "https:")
    with pytest.raises(Forbidden, match="not public"):
        download(client(time, server), server, layer_of(server))
    assert other.asked == []


def test_a_name_that_leads_to_a_private_address_is_refused(server: Registry, time: Time) -> None:
    port = server.host.partition(":")[2]
    registry = OciRegistry(RegistryPolicy(allowed=("*",)), sleep=time.sleep, clock=time.clock)
    with pytest.raises(Forbidden, match="not public"):
        registry.resolve(Repository(f"localhost:{port}/{NAME}"), "1.0")
    assert server.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_credentials_do_not_go_to_a_token_service_at_a_private_address(
    server: Registry, other: Registry, time: Time, scheme: str
) -> None:
    server.faults.login = Login.BEARER
    server.faults.realm = f"{scheme}://{other.host}/token"
    with pytest.raises(Forbidden):
        image(client(time, server, credentials=True), server)
    assert other.asked == []


def test_endless_redirects_are_refused(server: Registry, time: Time) -> None:
    server.faults.answers = [(307, {"Location": f"/v2/{NAME}/manifests/1.0"})] * 10
    with pytest.raises(BadImage, match="redirects"):
        client(time, server).resolve(repository(server), "1.0")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("::ffff:8.8.8.8", True),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, *, allowed: bool) -> None:
    assert RegistryPolicy(allowed=("*",)).may_connect("registry.example", 443, address) is allowed
    assert RegistryPolicy(allowed=("*",), private=("registry.example",)).may_connect("registry.example", 443, address)


# --- when it fails ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_the_registry_asks_for_is_kept(server: Registry, time: Time, status: int) -> None:
    server.faults.answers = [(status, {"Retry-After": "7"})]
    assert isinstance(image(client(time, server), server), Manifest)
    assert time.slept == [7.0]


def test_a_long_wait_is_left_to_the_queue(server: Registry, time: Time) -> None:
    server.faults.answers = [(429, {"Retry-After": "3600"})]
    with pytest.raises(Unavailable) as caught:
        client(time, server).resolve(repository(server), "1.0")
    assert caught.value.retry_after == 3600.0
    assert time.slept == []


def test_server_errors_are_tried_again_with_growing_waits(server: Registry, time: Time) -> None:
    server.faults.answers = [(500, {}), (502, {}), (504, {})]
    assert isinstance(image(client(time, server), server), Manifest)
    assert time.slept == [0.5, 1.0, 2.0]


def test_a_registry_that_keeps_failing_is_unavailable(server: Registry, time: Time) -> None:
    server.faults.answers = [(500, {})] * 100
    with pytest.raises(Unavailable):
        client(time, server).resolve(repository(server), "1.0")
    assert len(server.asked) == 4


def test_a_host_that_does_not_answer_is_unavailable(server: Registry, time: Time) -> None:
    policy = RegistryPolicy(allowed=("*",), insecure=("127.0.0.1:1",))
    registry = OciRegistry(policy, sleep=time.sleep, clock=time.clock)
    with pytest.raises(Unavailable, match="no answer"):
        registry.resolve(Repository("127.0.0.1:1/team/app"), "1.0")


def test_a_token_service_that_fails_is_unavailable(server: Registry, other: Registry, time: Time) -> None:
    server.faults.login = Login.BEARER
    server.faults.realm = f"{other.address}/nothing"
    other.faults.answers = [(503, {})] * 100
    with pytest.raises(Unavailable):
        client(time, server, other).resolve(repository(server), "1.0")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(server: Registry, time: Time, *, ranges: bool) -> None:
    server.faults.ranges = ranges
    server.faults.breaks = [100_000, 1, 0]
    assert download(client(time, server), server, layer_of(server)) == BLOB
    assert len(server.asked) == 4
    assert server.asked[1].headers["Range"] == "bytes=100000-"
    assert "If-Range" in server.asked[1].headers


def test_a_part_of_another_blob_is_not_taken(server: Registry, time: Time) -> None:
    server.faults.breaks = [100_000]
    server.faults.range_from = 5
    with pytest.raises(BadImage, match="another range"):
        download(client(time, server), server, layer_of(server))


def test_a_download_that_always_breaks_is_unavailable(server: Registry, time: Time) -> None:
    server.faults.breaks = [10] * 100
    with pytest.raises(Unavailable, match="breaks off"):
        download(client(time, server), server, layer_of(server))


def test_a_blob_shorter_than_its_manifest_says_is_unavailable(server: Registry, time: Time) -> None:
    with pytest.raises(Unavailable, match="ends after"):
        download(client(time, server), server, replace(layer_of(server), size=len(BLOB) + 1))


@given(breaks=st.lists(st.integers(0, len(BLOB)), max_size=6), ranges=st.booleans())
def test_wherever_a_download_breaks_the_bytes_are_the_same(*, breaks: list[int], ranges: bool) -> None:
    time = Time()
    faults = Faults(breaks=list(breaks), ranges=ranges)
    with registry_server.serving(Registry(faults=faults)) as server:
        server.put_image(NAME, "1.0", layers={TAR: BLOB})
        registry = client(time, server)
        assert download(registry, server, layer_of(server)) == BLOB


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after(text, 10.0) == seconds


def test_parts_of_a_blob_are_fetched_by_range(server: Registry, time: Time) -> None:
    part = client(time, server).part(repository(server), layer_of(server), 300, 50)
    assert part == BLOB[300:350]
    assert server.asked[-1].headers["Range"] == "bytes=300-349"


def test_a_registry_that_sends_no_parts_says_so(server: Registry, time: Time) -> None:
    layer = layer_of(server)
    server.faults.ranges = False
    with pytest.raises(NotFound, match="sends no parts"):
        client(time, server).part(repository(server), layer, 300, 50)
    server.faults = Faults(range_from=0)
    with pytest.raises(NotFound, match="sends no parts"):
        client(time, server).part(repository(server), layer, 300, 50)
