"""The contract of `Topic`: over memory, and over SNS as moto has it with a queue subscribed."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import boto3
import pytest
from moto import mock_aws

from eclair.adapters.memory import MemoryTopic
from eclair.adapters.sns import SnsTopic
from eclair.model import Notice, Repository
from eclair.ports import Topic
from tests.adapters.contract.conftest import REGION


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A topic, and the bodies that its subscriber gets."""

    topic: Topic
    received: Callable[[], Sequence[str]]


def in_memory() -> Delivery:
    topic = MemoryTopic()
    return Delivery(topic=topic, received=lambda: [notice.body for notice in topic.published])


def over_sns() -> Delivery:
    sns, sqs = boto3.client("sns", region_name=REGION), boto3.client("sqs", region_name=REGION)
    arn = sns.create_topic(Name="notices")["TopicArn"]
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)

    def received() -> Sequence[str]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["Message"] for message in messages]

    return Delivery(topic=SnsTopic(sns, arn), received=received)


@pytest.fixture(params=["memory", "sns"])
def delivery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivery]:
    if request.param == "memory":
        yield in_memory()
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield over_sns()


def notice(sequence: int) -> Notice:
    return Notice(
        id=f"shop#{sequence}",
        repository=Repository("registry.test/shop"),
        sequence=sequence,
        subject="2 findings in shop: fix available\n",
        body=json.dumps({"id": f"shop#{sequence}", "text": "ä\ufffe"}),
        text="2 findings\n",
        attributes=(("severity", "high"), ("findings", 2), ("namespaces", ("debian:12",)), ("part", "")),
        waiting=("key",),
    )


def test_a_published_notice_reaches_the_subscriber(delivery: Delivery) -> None:
    delivery.topic.publish(notice(1))
    assert list(delivery.received()) == [notice(1).body]


def test_a_notice_published_again_is_delivered_again_the_same(delivery: Delivery) -> None:
    for sequence in (1, 1, 2):
        delivery.topic.publish(notice(sequence))
    assert sorted(delivery.received()) == [notice(1).body, notice(1).body, notice(2).body]
