"""Events as their senders document them become hints; what cannot be read is refused, what is not allowed forbidden."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair import events
from eclair.errors import BadReference, BadRequest, Forbidden, NotFound
from eclair.model import Hint, HintKind

NOW = 1_700_000_000.0
ECR_DIGEST = "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd12340000"
ECR_REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repository-name"
ECR_TIME = 1573869274.0


def recorded(name: str) -> dict[str, object]:
    read: object = json.loads(sample(name))
    assert isinstance(read, dict)
    return read


def sample(name: str) -> bytes:
    return (Path(__file__).parent / "events" / f"{name}.json").read_bytes()


def webhook(kind: str, body: bytes, *allowed: str) -> tuple[Hint, ...]:
    return events.webhook(kind, body, allowed=allowed or ("*",), now=NOW)


@pytest.mark.parametrize(
    ("name", "kind", "tag"),
    [
        ("ecr_push_tag", HintKind.PUSHED, "latest"),
        ("ecr_push_digest", HintKind.PUSHED, ""),
        ("ecr_delete_tag", HintKind.DELETED, "latest"),
        ("ecr_delete_digest", HintKind.DELETED, ""),
    ],
)
def test_an_ecr_image_action_is_a_hint(name: str, kind: HintKind, tag: str) -> None:
    (hint,) = events.ecr(recorded(name))
    assert (hint.kind, hint.repository, hint.tag, hint.digest) == (kind, ECR_REPOSITORY, tag, ECR_DIGEST)
    assert hint.time == ECR_TIME


def test_other_ecr_events_and_failed_actions_say_nothing() -> None:
    failed = recorded("ecr_push_tag")
    failed["detail"] = {"result": "FAILURE", "action-type": "PUSH"}
    assert events.ecr(recorded("ecr_scan")) == ()
    assert events.ecr(failed) == ()


def test_the_registry_of_an_ecr_event_is_built_from_account_and_region() -> None:
    event = recorded("ecr_push_tag") | {"region": "cn-north-1"}
    (hint,) = events.ecr(event)
    assert events.host_of(hint.repository) == "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    "wrong",
    [{"account": "evil.example.com/"}, {"region": "us-west-2.evil.example.com#"}, {"time": "yesterday"}, {"detail": 1}],
)
def test_an_ecr_event_that_cannot_be_read_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        events.ecr(recorded("ecr_push_tag") | wrong)


def test_distribution_reports_manifests_and_layers_and_only_manifests_count() -> None:
    (hint,) = webhook("docker", sample("distribution_push"))
    assert hint.repository == "registrycluster.local/library/test"
    assert (hint.kind, hint.tag, hint.time) == (HintKind.PUSHED, "latest", 1136214245.0)


def test_distribution_deletes_digests_and_tags() -> None:
    digest, tag = webhook("docker", sample("distribution_delete"))
    assert (digest.kind, digest.tag, tag.tag, tag.digest) == (HintKind.DELETED, "", "old", None)
    assert str(digest.digest).startswith("sha256:d89e1bee")


@pytest.mark.parametrize(
    ("name", "repository"), [("quay_push", "quay.io/dgangaia/test"), ("quay_push_tag_ids", "quay.io/devtable/ubuntu")]
)
def test_quay_lists_the_updated_tags_in_two_forms_and_no_time(name: str, repository: str) -> None:
    (hint,) = webhook("quay", sample(name))
    assert (hint.repository, hint.tag, hint.digest, hint.time) == (repository, "latest", None, NOW)


def test_harbor_pushes_and_deletes() -> None:
    (pushed,) = webhook("harbor", sample("harbor_push"))
    (deleted,) = webhook("harbor", sample("harbor_delete"))
    assert (pushed.repository, pushed.tag, pushed.time) == ("hub.harbor.com/test-webhook/debian", "latest", 1586922308)
    assert (deleted.kind, deleted.repository, deleted.tag) == (HintKind.DELETED, "localhost/harbor/alpine", "3.8")


def test_harbor_repeats_the_digest_where_there_is_no_tag() -> None:
    (hint,) = webhook("harbor", sample("harbor_push_untagged_cloudevent"))
    assert hint.tag == ""
    assert str(hint.digest).startswith("sha256:954b378c")
    assert hint.time == 1680502372.0


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("quay", sample("quay_build_queued")),
        ("harbor", b'{"type": "SCANNING_COMPLETED"}'),
        ("docker", b'{"events": []}'),
    ],
)
def test_events_that_we_do_not_know_say_nothing(kind: str, body: bytes) -> None:
    assert webhook(kind, body) == ()


def test_a_host_that_the_operator_did_not_allow_is_forbidden() -> None:
    assert webhook("quay", sample("quay_push"), "*.example.com", "quay.io")
    with pytest.raises(Forbidden, match=r"quay\.io"):
        webhook("quay", sample("quay_push"), "*.example.com", "notquay.io")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"[" * 100_000,
        b'{"events": {}}',
        b'{"events": [1]}',
        b'{"events": [{"action": "push", "target": {"tag": "x", "repository": "a"}}]}',
        b" " * (events.MAX_BODY + 1),
    ],
)
def test_a_webhook_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        webhook("docker", body)


def test_a_webhook_with_too_many_tags_is_refused() -> None:
    body = {"docker_url": "quay.io/a/b", "updated_tags": [f"t{number}" for number in range(events.MAX_HINTS + 1)]}
    with pytest.raises(BadRequest, match="limit"):
        webhook("quay", json.dumps(body).encode())


@pytest.mark.parametrize(
    "url", ["quay.io/a/../b", "quay.io//b", "quay.io/", "quay.io/A", "user@quay.io/a", "/a", "q/a b"]
)
def test_a_repository_that_is_no_repository_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        webhook("quay", json.dumps({"docker_url": url, "updated_tags": ["latest"]}).encode())


def test_a_kind_of_webhook_that_there_is_not_is_not_found() -> None:
    with pytest.raises(NotFound, match="docker, quay, harbor"):
        webhook("docker-hub", b"{}")


def test_a_reference_is_posted_by_tag_or_digest() -> None:
    body = json.dumps({"reference": "localhost:5000/shop/cart:1.2"}).encode()
    hint = events.requested(body, allowed=("localhost:*",), now=NOW)
    assert hint == Hint(kind=HintKind.PUSHED, repository=hint.repository, time=NOW, tag="1.2")
    assert hint.repository == "localhost:5000/shop/cart"
    assert events.referred(f"quay.io/shop/cart:1@{ECR_DIGEST}", now=NOW).digest == ECR_DIGEST


def test_a_posted_reference_of_a_host_that_is_not_allowed_is_forbidden() -> None:
    with pytest.raises(Forbidden):
        events.requested(b'{"reference": "169.254.169.254/latest/meta-data:x"}', allowed=("quay.io",), now=NOW)


@pytest.mark.parametrize("reference", ["", "quay.io/cart:", "quay.io/cart@sha256:12", "a/b:c d", "oci:folder"])
def test_a_reference_that_cannot_be_read_is_refused(reference: str) -> None:
    with pytest.raises(BadReference):
        events.referred(reference, now=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["events", "target", "action", "tag", "request", "host", "repository", "updated_tags", "docker_url", "type",
             "event_data", "resources", "resource_url", "digest", "timestamp", "repo_full_name", "occur_at", "time"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


@given(kind=st.sampled_from(events.WEBHOOKS), body=JSON)
def test_any_json_is_read_or_refused(kind: str, body: object) -> None:
    try:
        webhook(kind, json.dumps(body).encode())
    except BadRequest:
        return
