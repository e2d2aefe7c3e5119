"""What SQS takes, what is sent again, and what a function reads."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from eclair.adapters.sqs import (
    ATTEMPTS,
    BATCH,
    LONGEST,
    QueueUrls,
    SqsQueues,
    decode_index,
    decode_judge,
    decode_notify,
    decode_refresh,
    message_group,
)
from eclair.errors import BadRequest, EclairError, Forbidden, LimitExceeded, NotFound, Unavailable
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
from tests.adapters.contract.conftest import REGION
from tests.adapters.scripted_aws import Answer, Scripted, refused, scripted

SHOP = Repository("registry.test/shop/cart")
Sent = tuple[SqsQueues, Scripted, list[float]]


@contextmanager
def answering(*answers: Answer) -> Iterator[Sent]:
    """Yield queues with these answers, what they were asked, and the pauses that were made."""
    pauses: list[float] = []
    with scripted(answers) as service:
        client = boto3.client(
            "sqs",
            region_name=REGION,
            endpoint_url=service.address,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"total_max_attempts": 1}),
        )
        urls = QueueUrls(
            **dict.fromkeys(("index", "match", "judge", "notify", "refresh"), f"{service.address}/1/queue")
        )
        yield SqsQueues(client, urls, sleep=pauses.append), service, pauses


def taken(*ids: int, failed: Sequence[int] = (), fault: bool = False) -> Answer:
    return 200, {
        "Successful": [{"Id": str(number), "MessageId": "m", "MD5OfMessageBody": "x"} for number in ids],
        "Failed": [{"Id": str(number), "SenderFault": fault, "Code": "Why", "Message": "because"} for number in failed],
    }


def requests(count: int) -> list[RefreshRequest]:
    return [RefreshRequest(feed=f"feed{number}") for number in range(count)]


def feeds_of(request: dict[str, list[dict[str, str]]]) -> list[str]:
    return [json.loads(entry["MessageBody"])["feed"] for entry in request["Entries"]]


def test_messages_that_were_not_taken_are_sent_again_after_a_pause() -> None:
    with answering(taken(0, failed=[1, 2]), taken(2, failed=[1]), taken(1)) as (queues, service, pauses):
        queues.refresh(requests(3))
    assert [feeds_of(request) for request in service.requests] == [
        ["feed0", "feed1", "feed2"],
        ["feed1", "feed2"],
        ["feed1"],
    ]
    assert len(pauses) == 2


def test_messages_that_are_not_taken_again_and_again_are_given_up() -> None:
    with (
        answering(taken(failed=[0])) as (queues, service, pauses),
        pytest.raises(Unavailable, match="queue refresh: 1 messages not taken"),
    ):
        queues.refresh(requests(1))
    assert len(service.requests) == ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1


def test_a_message_that_sqs_refuses_is_not_sent_again() -> None:
    with (
        answering(taken(failed=[0], fault=True)) as (queues, service, _),
        pytest.raises(BadRequest, match="queue refresh: message refused: Why because"),
    ):
        queues.refresh(requests(1))
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused("AccessDeniedException"), Forbidden),
        (refused("QueueDoesNotExist"), NotFound),
        (refused("RequestThrottled"), Unavailable),
        (refused("InternalError", 500), Unavailable),
    ],
)
def test_errors_of_the_service_are_ours_and_name_the_queue(answer: Answer, error: type[EclairError]) -> None:
    with answering(answer) as (queues, _, _), pytest.raises(error, match="queue refresh"):
        queues.refresh(requests(1))


def test_a_queue_whose_address_was_not_given_is_named() -> None:
    with scripted([(200, {})]) as service:
        client = boto3.client("sqs", region_name=REGION, endpoint_url=service.address)
        with pytest.raises(NotFound, match="queue judge: this function was given no address"):
            SqsQueues(client, QueueUrls()).judge([JudgeRequest(set=SetId("5e7"), packages=())])
    assert service.requests == []


def test_a_batch_has_ten_messages_at_most() -> None:
    with answering(taken()) as (queues, service, _):
        queues.refresh(requests(23))
    assert [len(request["Entries"]) for request in service.requests] == [BATCH, BATCH, 3]
    for request in service.requests:
        assert len({entry["Id"] for entry in request["Entries"]}) == len(request["Entries"])


@given(st.lists(st.integers(1, LONGEST - 100), max_size=8))
def test_a_batch_is_no_larger_than_a_message_may_be(sizes: list[int]) -> None:
    with answering(taken()) as (queues, service, _):
        queues.refresh([RefreshRequest(feed="x" * size) for size in sizes])
    batches = [[len(entry["MessageBody"]) for entry in request["Entries"]] for request in service.requests]
    assert all(sum(batch) <= LONGEST for batch in batches)
    assert sum(map(len, batches)) == len(sizes)


def test_a_message_that_is_too_large_is_refused_by_name() -> None:
    packages = tuple(
        PackageKey(scheme="deb", namespace="n", kind=Kind.SOURCE, name="x" * 1000) for _ in range(LONGEST // 1000)
    )
    with (
        answering(taken()) as (queues, service, _),
        pytest.raises(LimitExceeded, match=r"message JudgeRequest JudgeRequest\(set='5e7'.*: \d+ bytes"),
    ):
        queues.judge([JudgeRequest(set=SetId("5e7"), packages=packages)])
    assert service.requests == []


def test_a_message_holds_only_characters_that_sqs_takes() -> None:
    package = PackageKey(scheme="deb", namespace="n", kind=Kind.SOURCE, name="a\x00\x0b\ufffe\uffff\ud7ff\U0001f600")
    request = JudgeRequest(set=SetId("5e7"), packages=(package,))
    with answering(taken()) as (queues, service, _):
        queues.judge([request])
    body = service.requests[0]["Entries"][0]["MessageBody"]
    assert re.fullmatch("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", body)
    assert decode_judge(body) == request


# --- FIFO ---


def entry_of(request: NotifyRequest) -> dict[str, str]:
    with answering(taken()) as (queues, service, _):
        queues.notify([request])
    entry: dict[str, str] = service.requests[0]["Entries"][0]
    return entry


def test_a_repository_is_a_message_group_and_a_cause_is_told_once() -> None:
    one = entry_of(NotifyRequest(repository=SHOP, reason="5e7#2"))
    same = entry_of(NotifyRequest(repository=SHOP, reason="5e7#2"))
    later = entry_of(NotifyRequest(repository=SHOP, reason="5e7#3"))
    other = entry_of(NotifyRequest(repository=Repository("registry.test/bank"), reason="5e7#2"))
    assert one["MessageGroupId"] == SHOP
    assert one["MessageDeduplicationId"] == same["MessageDeduplicationId"]
    ids = {entry["MessageDeduplicationId"] for entry in (one, later, other)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", deduplication) for deduplication in ids)


def test_other_messages_have_no_group() -> None:
    with answering(taken()) as (queues, service, _):
        queues.refresh(requests(1))
    assert "MessageGroupId" not in service.requests[0]["Entries"][0]


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_any_repository_has_a_message_group_of_its_own(one: str, other: str) -> None:
    group = message_group(Repository(one.encode("utf-8", "replace").decode()))
    assert re.fullmatch(r"[\x21-\x7e]{1,128}", group)
    if one.encode("utf-8", "replace") != other.encode("utf-8", "replace"):
        assert group != message_group(Repository(other.encode("utf-8", "replace").decode()))


# --- set aside ---


def test_a_record_is_set_aside_as_it_came_with_the_reason() -> None:
    record = '{"eventID": "1", "n": 1.50}'
    with answering(taken()) as (queues, service, _):
        queues.set_aside(record, "BadRequest(…)" + "x" * 5000)
    body = service.requests[0]["Entries"][0]["MessageBody"]
    assert record in body
    assert json.loads(body)["record"] == {"eventID": "1", "n": 1.5}
    assert json.loads(body)["reason"].startswith("BadRequest(…)")
    assert len(body) < 2000


# --- reading ---


@pytest.mark.parametrize(
    ("decode", "name"),
    [
        (decode_index, "IndexRequest"),
        (decode_judge, "JudgeRequest"),
        (decode_notify, "NotifyRequest"),
        (decode_refresh, "RefreshRequest"),
    ],
)
@pytest.mark.parametrize("body", ["", "{", "[]", "null", "<html>", "{}", '{"repository":1,"feed":1,"set":1,"old":1}'])
def test_a_body_that_is_no_such_request_is_refused(decode: Callable[[str], object], name: str, body: str) -> None:
    with pytest.raises(BadRequest, match=f"not a {name}"):
        decode(body)


def test_a_body_of_a_newer_version_is_read() -> None:
    body = json.dumps({"repository": SHOP, "digest": "sha256:a", "priority": 1})
    assert decode_index(body) == IndexRequest(repository=SHOP, digest=Digest("sha256:a"))
