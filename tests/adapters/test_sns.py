"""What SNS is given of a notice, and what it cannot take."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from eclair.adapters.sns import LONGEST, LONGEST_SUBJECT, SnsTopic, subject
from eclair.errors import Forbidden, LimitExceeded, NotFound, Unavailable
from eclair.model import Notice, Repository
from tests.adapters.contract.conftest import REGION

NOTICE = Notice(
    id="shop#1",
    repository=Repository("registry.test/shop"),
    sequence=1,
    subject="2 new findings in shop",
    body='{"id":"shop#1"}',
    text="2 new findings\n",
    attributes=(("severity", "high"), ("findings", 2), ("namespaces", ("debian:12", "pypi")), ("part", "")),
    waiting=("key",),
)
ARN = f"arn:aws:sns:{REGION}:123456789012:notices"


@pytest.fixture
def requests() -> Iterator[list[dict[str, Any]]]:
    """Yield what SNS is asked, with a topic that takes it."""
    made: list[dict[str, Any]] = []
    with mock_aws():
        client = boto3.client("sns", region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
        arn = client.create_topic(Name="notices")["TopicArn"]
        client.meta.events.register("provide-client-params.sns.Publish", lambda params, **_: made.append(params))
        SnsTopic(client, arn).publish(NOTICE)
        yield made


def test_every_protocol_gets_json_but_email_gets_text(requests: list[dict[str, Any]]) -> None:
    assert requests[0]["MessageStructure"] == "json"
    assert json.loads(requests[0]["Message"]) == {"default": NOTICE.body, "email": NOTICE.text}


def test_attributes_keep_their_kind_and_empty_ones_are_left_out(requests: list[dict[str, Any]]) -> None:
    assert requests[0]["MessageAttributes"] == {
        "severity": {"DataType": "String", "StringValue": "high"},
        "findings": {"DataType": "Number", "StringValue": "2"},
        "namespaces": {"DataType": "String.Array", "StringValue": '["debian:12","pypi"]'},
    }


def test_the_subject_is_that_of_the_notice(requests: list[dict[str, Any]]) -> None:
    assert requests[0]["Subject"] == NOTICE.subject


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("2 findings", "2 findings"),
        ("über\nzwei\tZeilen ", "u?ber zwei Zeilen"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 97 + "..."),
        ("", "Eclair"),
        (" \n", "Eclair"),
    ],
)
def test_a_subject_is_a_line_of_ascii(text: str, taken: str) -> None:
    assert subject(text) == taken


@given(st.text(max_size=300))
def test_any_text_makes_a_subject_that_sns_takes(text: str) -> None:
    line = subject(text.encode("utf-8", "replace").decode())
    assert 0 < len(line) <= LONGEST_SUBJECT
    assert line.isascii()
    assert line.isprintable()
    assert not line[0].isspace()


def test_a_notice_that_is_too_large_is_refused_by_name() -> None:
    client = boto3.client("sns", region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
    with pytest.raises(LimitExceeded, match=r"notice shop#1: \d+ bytes"):
        SnsTopic(client, ARN).publish(replace(NOTICE, body="x" * LONGEST))


def test_a_topic_that_is_not_there_is_named() -> None:
    with mock_aws():
        client = boto3.client("sns", region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
        with pytest.raises(NotFound, match=ARN):
            SnsTopic(client, ARN).publish(NOTICE)


def test_a_service_that_cannot_be_reached_is_unavailable() -> None:
    client = boto3.client(
        "sns",
        region_name=REGION,
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(Unavailable, match=ARN):
        SnsTopic(client, ARN).publish(NOTICE)


def test_without_credentials_we_are_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(Forbidden, match="credentials"):
        SnsTopic(boto3.client("sns", region_name=REGION), ARN).publish(NOTICE)
