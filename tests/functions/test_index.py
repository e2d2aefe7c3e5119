"""The index function: images by message; only what can succeed later is delivered again."""

import pytest
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from eclair.adapters.codec import encode
from eclair.model import Digest, ImageState, IndexRequest, Repository
from functions.index.app import respond
from tests.fleet import DEBIAN, DPKG, SHOP, Fleet, layer
from tests.functions.invocation import Context, failed, messages, recorded
from tests.registry_in_memory import sha256

BANK = Repository("registry.example.com/bank/ledger")


def message(repository: Repository, digest: Digest) -> str:
    return encode(IndexRequest(repository=repository, digest=digest)).decode()


def invoke(fleet: Fleet, *bodies: str, remaining: float = 900.0) -> PartialItemFailureResponse:
    return respond(messages(*bodies), Context(remaining), fleet.application)


def state(fleet: Fleet, digest: Digest) -> ImageState:
    image = fleet.ports.images.image(digest)
    assert image
    return image.state


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def pushed(fleet: Fleet, repository: Repository, *layers: bytes, salt: str = "") -> Digest:
    digest = fleet.registry.add_image(repository, None, layers, salt=salt)
    fleet.ports.images.add_membership(digest, repository)
    return digest


def test_the_images_of_several_messages_are_indexed(fleet: Fleet) -> None:
    digests = [pushed(fleet, SHOP, layer(DEBIAN), layer(DPKG), salt=salt) for salt in "ab"]
    assert failed(invoke(fleet, *(message(SHOP, digest) for digest in digests))) == []
    assert [state(fleet, digest) for digest in digests] == [ImageState.INDEXED] * 2


@pytest.mark.parametrize("poison", ["", "{", '{"repository": "registry.example.com/shop/cart"}', "Test message."])
def test_a_message_that_cannot_be_read_holds_up_no_other(fleet: Fleet, poison: str) -> None:
    digest = pushed(fleet, SHOP, layer(DEBIAN))
    assert failed(invoke(fleet, poison, message(SHOP, digest))) == ["1"]
    assert state(fleet, digest) is ImageState.INDEXED


def test_a_message_as_documented_is_none_of_ours(fleet: Fleet) -> None:
    """All of a batch failed: each is answered, and dead-lettered in the end; the invocation is no error."""
    event = recorded("sqs_messages")
    ids = [record["messageId"] for record in event["Records"]]
    assert failed(respond(event, Context(), fleet.application)) == ids


def test_an_image_whose_registry_does_not_answer_is_delivered_again(fleet: Fleet) -> None:
    shop, bank = pushed(fleet, SHOP, layer(DEBIAN)), pushed(fleet, BANK, layer(DPKG))
    fleet.registry.down.add(SHOP)
    bodies = [message(SHOP, shop), message(BANK, bank)]
    assert failed(invoke(fleet, *bodies)) == ["1"]
    assert state(fleet, bank) is ImageState.INDEXED
    fleet.registry.down.clear()
    assert failed(invoke(fleet, bodies[0])) == []
    assert state(fleet, shop) is ImageState.INDEXED


def test_an_image_that_can_never_be_read_is_not_delivered_again(fleet: Fleet) -> None:
    blob = layer(DEBIAN)
    digest = pushed(fleet, SHOP, blob)
    fleet.registry.blobs[sha256(blob)] = blob[:-20]
    assert failed(invoke(fleet, message(SHOP, digest))) == []
    assert state(fleet, digest) is ImageState.FAILED


def test_near_the_time_limit_the_rest_is_handed_on(fleet: Fleet) -> None:
    digest = pushed(fleet, SHOP, layer(DEBIAN), layer(DPKG))
    assert failed(invoke(fleet, message(SHOP, digest), remaining=60.0)) == []
    assert len(fleet.ports.layers.layers) == 1
    assert fleet.ports.queues.indexed == [IndexRequest(repository=SHOP, digest=digest)]
    assert failed(invoke(fleet, message(SHOP, digest), remaining=60.0)) == []
    assert state(fleet, digest) is ImageState.INDEXED
