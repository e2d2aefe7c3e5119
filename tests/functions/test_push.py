"""The push function: events, schedule, references and webhooks, told apart by their shape; secrets compared."""

import json
from dataclasses import replace
from typing import Any

import pytest

from eclair.application import Settings, in_memory
from eclair.errors import BadRequest
from eclair.model import Repository
from functions.push.app import respond
from tests.fleet import DEBIAN, DPKG, SETTINGS, SHOP, Fleet, layer
from tests.functions.invocation import EVENTS, Context, content, recorded, request

ECR = Repository("123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repository-name")
SECRET = SETTINGS.webhook_secret


def invoke(fleet: Fleet, event: dict[str, Any], remaining: float = 100.0) -> dict[str, Any]:
    return respond(event, Context(remaining), fleet.application)


def quay(**headers: str) -> dict[str, Any]:
    body = json.dumps({"docker_url": SHOP, "updated_tags": ["1.0"]}).encode()
    return request("POST", "/webhooks/quay", headers=headers, body=body)


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet()
    fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    return fleet


def test_an_ecr_event_is_followed(fleet: Fleet) -> None:
    digest = fleet.registry.add_image(ECR, "latest", [layer(DEBIAN)])
    assert invoke(fleet, recorded("ecr_push_tag")) == {"hints": 1}
    assert [member.tags for member in fleet.ports.images.memberships(digest)] == [("latest",)]
    fleet.registry.delete_manifest(ECR, digest)
    fleet.now += 1
    assert invoke(fleet, recorded("ecr_delete_tag")) == {"hints": 1}
    assert fleet.ports.images.memberships(digest) == ()


def test_an_event_that_cannot_be_read_goes_to_the_dead_letters(fleet: Fleet) -> None:
    with pytest.raises(BadRequest):
        invoke(fleet, recorded("ecr_push_tag") | {"account": "somebody"})
    assert invoke(fleet, recorded("ecr_scan")) == {"hints": 0}


def test_the_schedule_reconciles(fleet: Fleet) -> None:
    assert invoke(fleet, {"reconcile": True})["changed"] == 1
    assert fleet.ports.queues.indexed


def test_the_schedule_may_reconcile_in_shares_over_the_hours(fleet: Fleet) -> None:
    changed = 0
    for _ in range(24):
        changed += invoke(fleet, {"reconcile": True, "shares": 24})["changed"]
        fleet.now += 3600
    assert changed == 1


def test_reconciling_says_what_it_left(fleet: Fleet) -> None:
    assert invoke(fleet, {"reconcile": True}, remaining=10.0)["left"] == 1


def test_a_posted_reference_is_followed(fleet: Fleet) -> None:
    body = json.dumps({"reference": f"{SHOP}:1.0"}).encode()
    answered = invoke(fleet, request("POST", "/images", body=body))
    assert answered["statusCode"] == 202
    assert content(answered, "/images", "post")["tag"] == "1.0"
    assert len(fleet.ports.queues.indexed) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b'{"reference": 1}', 400),
        (b'{"reference": "registry.example.com/shop/cart@sha256:1"}', 400),
        (b'{"reference": "elsewhere.example.com/shop/cart:1.0"}', 403),
    ],
)
def test_a_reference_that_cannot_be_followed_is_refused(fleet: Fleet, body: bytes, status: int) -> None:
    answered = invoke(fleet, request("POST", "/images", body=body))
    assert answered["statusCode"] == status
    assert content(answered, "/images", "post")["error"]["message"]


@pytest.mark.parametrize(
    "event",
    [
        quay(Authorization=f"Bearer {SECRET}"),
        quay(authorization=SECRET),
        quay(**{"X-Eclair-Secret": SECRET}),
        quay() | {"queryStringParameters": {"secret": SECRET}},
    ],
)
def test_a_webhook_with_the_secret_is_followed(fleet: Fleet, event: dict[str, Any]) -> None:
    answered = invoke(fleet, event)
    assert answered["statusCode"] == 202
    assert content(answered, "/webhooks/{kind}", "post")["hints"][0]["repository"] == SHOP
    assert len(fleet.ports.queues.indexed) == 1


@pytest.mark.parametrize(
    "event",
    [
        quay(),
        quay(Authorization="Bearer "),
        quay(Authorization="Bearer wrong"),
        quay(Authorization=f"Basic {SECRET}"),
        quay() | {"queryStringParameters": {"secret": "é"}},
    ],
)
def test_a_webhook_without_the_secret_is_forbidden(fleet: Fleet, event: dict[str, Any]) -> None:
    answered = invoke(fleet, event)
    assert answered["statusCode"] == 403
    assert SECRET not in answered["body"]
    assert not fleet.ports.queues.indexed


def test_webhooks_are_off_without_a_secret(fleet: Fleet) -> None:
    closed = in_memory(fleet.ports, Settings(registries=("*",)))
    answered = respond(quay(Authorization="Bearer "), Context(), closed)
    assert answered["statusCode"] == 404
    assert "webhooks are off" in content(answered, "/webhooks/{kind}", "post")["error"]["message"]


def test_a_webhook_of_a_registry_that_is_not_allowed_is_forbidden(fleet: Fleet) -> None:
    body = (EVENTS / "harbor_push.json").read_bytes()
    answered = invoke(fleet, request("POST", "/webhooks/harbor", headers={"Authorization": SECRET}, body=body))
    assert answered["statusCode"] == 403
    assert "hub.harbor.com" in answered["body"]


def test_a_webhook_of_an_unknown_kind_is_not_found(fleet: Fleet) -> None:
    answered = invoke(fleet, request("POST", "/webhooks/hub", headers={"Authorization": SECRET}, body=b"{}"))
    assert answered["statusCode"] == 404


def test_a_webhook_is_sent_again_when_the_registry_does_not_answer(fleet: Fleet) -> None:
    fleet.registry.down.add(SHOP)
    answered = invoke(fleet, quay(Authorization=SECRET))
    assert (answered["statusCode"], answered["multiValueHeaders"]["Retry-After"]) == (503, ["5"])


def test_an_operator_has_images_read_again_by_better_analysers(fleet: Fleet) -> None:
    fleet.push(SHOP, "1.0")
    assert invoke(fleet, {"reindex": {}}) == {"images": 1, "queued": 0, "next": None}
    (member,) = fleet.ports.images.members_of(SHOP).items
    image = fleet.ports.images.image(member.digest)
    assert image is not None
    fleet.ports.images.save_image(replace(image, analysers="of yesterday"))
    assert invoke(fleet, {"reindex": None, "limit": 5}) == {"images": 1, "queued": 1, "next": None}
    assert [request.digest for request in fleet.ports.queues.reindexed] == [member.digest]
