"""The contract of `Queues`: over memory, and over SQS as moto has it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import boto3
import pytest
from moto import mock_aws

from eclair.adapters.memory import MemoryQueues
from eclair.adapters.sqs import (
    QueueUrls,
    SqsQueues,
    decode_index,
    decode_judge,
    decode_notify,
    decode_refresh,
)
from eclair.model import (
    Digest,
    IndexRequest,
    JudgeRequest,
    Kind,
    NotifyRequest,
    PackageKey,
    RefreshRequest,
    Repository,
    SetId,
)
from eclair.ports import Queues
from tests.adapters.contract.conftest import REGION


def set_aside(body: str) -> object:
    """Return the record and the reason in a message of the queue of those that are matched again."""
    message = json.loads(body)
    return json.dumps(message["record"]), message["reason"]


DECODERS: dict[str, Callable[[str], object]] = {
    "index": decode_index,
    "match": set_aside,
    "judge": decode_judge,
    "notify": decode_notify,
    "refresh": decode_refresh,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Queues, and what a receiver gets from one of them."""

    queues: Queues
    received: Callable[[str], Sequence[object]]


def in_memory() -> Delivery:
    queues = MemoryQueues()
    lists: dict[str, Sequence[object]] = {
        "index": queues.indexed,
        "match": queues.aside,
        "judge": queues.judged,
        "notify": queues.notified,
        "refresh": queues.refreshed,
    }
    return Delivery(queues=queues, received=lambda name: tuple(lists[name]))


def over_sqs() -> Delivery:
    client = boto3.client("sqs", region_name=REGION)
    urls = {name: client.create_queue(QueueName=name)["QueueUrl"] for name in ("index", "match", "judge", "refresh")}
    urls["notify"] = client.create_queue(QueueName="notify.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]

    def received(name: str) -> Sequence[object]:
        found: list[object] = []
        while messages := client.receive_message(QueueUrl=urls[name], MaxNumberOfMessages=10).get("Messages"):
            found += [DECODERS[name](message["Body"]) for message in messages]
            for message in messages:
                client.delete_message(QueueUrl=urls[name], ReceiptHandle=message["ReceiptHandle"])
        return found

    return Delivery(queues=SqsQueues(client, QueueUrls(**urls)), received=received)


@pytest.fixture(params=["memory", "sqs"])
def delivery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivery]:
    if request.param == "memory":
        yield in_memory()
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield over_sqs()


def repository(number: int) -> Repository:
    return Repository(f"registry.test/team/{number}")


def package(name: str) -> PackageKey:
    return PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name=name)


def test_each_request_is_delivered_to_its_queue(delivery: Delivery) -> None:
    queues = delivery.queues
    index = IndexRequest(repository=repository(1), digest=Digest("sha256:" + "a" * 64))
    judge = JudgeRequest(set=SetId("5e7"), packages=(package("curl"), package("\ufffe\uffff\x00 ä")))
    notify = NotifyRequest(repository=repository(1), reason="5e7#2")
    refresh = RefreshRequest(feed="debian", part="tracker")
    queues.index([index])
    queues.judge([judge])
    queues.notify([notify])
    queues.refresh([refresh])
    assert list(delivery.received("index")) == [index]
    assert list(delivery.received("judge")) == [judge]
    assert list(delivery.received("notify")) == [notify]
    assert list(delivery.received("refresh")) == [refresh]


def test_a_record_that_failed_is_left_to_be_matched_again(delivery: Delivery) -> None:
    records = [json.dumps({"eventID": str(number), "dynamodb": {"Keys": {}}}) for number in range(3)]
    for record in records:
        delivery.queues.set_aside(record, "BadRequest('…')")
    assert list(delivery.received("match")) == [(record, "BadRequest('…')") for record in records]


def test_no_requests_are_no_messages(delivery: Delivery) -> None:
    delivery.queues.index([])
    delivery.queues.notify([])
    assert list(delivery.received("index")) == []
    assert list(delivery.received("notify")) == []


@pytest.mark.parametrize("count", [1, 10, 11, 45])
def test_any_number_of_requests_is_delivered(delivery: Delivery, count: int) -> None:
    requests = [RefreshRequest(feed=f"feed{number}") for number in range(count)]
    delivery.queues.refresh(requests)
    received = delivery.received("refresh")
    assert Counter(map(str, received)) == Counter(map(str, requests))


def test_requests_that_are_large_together_are_all_delivered(delivery: Delivery) -> None:
    large = [
        JudgeRequest(set=SetId(f"set{number}"), packages=tuple(package("x" * 900 + str(of)) for of in range(60)))
        for number in range(9)
    ]
    delivery.queues.judge(large)
    assert {str(request) for request in delivery.received("judge")} == {str(request) for request in large}


def test_every_repository_is_notified(delivery: Delivery) -> None:
    requests = [NotifyRequest(repository=repository(number), reason="5e7#2") for number in range(23)]
    delivery.queues.notify(requests)
    assert {str(request) for request in delivery.received("notify")} == {str(request) for request in requests}
