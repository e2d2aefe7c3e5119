"""A notice fits into a message of SNS whatever images and feeds say, and says what it leaves out."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eclair.adapters.sns import LONGEST, SnsTopic
from eclair.model import (
    Cause,
    Change,
    ChangeKind,
    Digest,
    FeatureId,
    Notice,
    Package,
    Repository,
    Severity,
    State,
    Verdict,
)
from eclair.notice import PLACES_LIMIT, TAGS_LIMIT, News, Place, compose
from tests.work import steps

SHOP = Repository("registry.example.com/shop/cart")


class Sns:
    """Takes what SNS takes."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def publish(self, **message: Any) -> None:
        assert len(message["Message"].encode()) < LONGEST
        self.published.append(message)


def news(
    number: int,
    image: int = 0,
    *,
    name: str = "zlib1g",
    version: str = "1:1.2.13.dfsg-1",
    created_by: str = "COPY . /",
    tags: Sequence[str] = ("1.0",),
    severity: Severity = Severity.HIGH,
    advisories: Sequence[str] = ("DSA-1",),
) -> News:
    verdict = Verdict(
        feature=FeatureId(f"deb#debian:12#source#{name}"),
        vulnerability=f"CVE-2026-{number:05}",
        state=State.FIXED,
        severity=severity,
        severity_source="debian",
        fixed_version=version + "+deb12u1",
        fix_channel=None,
        advisories=tuple(advisories),
        aliases=(),
        feed="debian",
    )
    return News(
        change=Change(kind=ChangeKind.NEWLY_AFFECTED, old=None, new=verdict),
        package=Package(type="deb", name=name, version=version, arch="amd64", path="var/lib/dpkg/status"),
        namespace="debian:12",
        place=Place(
            digest=Digest(f"sha256:{image:064}"),
            tags=tuple(tags),
            layer=Digest(f"sha256:{image:064}"),
            created_by=created_by,
        ),
    )


def composed(some: Sequence[News], causes: Sequence[Cause] = (Cause.ADVISORY,)) -> Notice:
    return compose(some, repository=SHOP, sequence=1, waiting=(), causes=causes, time=1_750_000_000.0)


def published(notice: Notice) -> dict[str, Any]:
    """Return the message's parts, having held them against the limits of SNS and against each other."""
    sns = Sns()
    SnsTopic(sns, "arn:aws:sns:eu-west-1:123456789012:notices").publish(notice)  # type: ignore[arg-type]
    (message,) = sns.published
    parts = json.loads(message["Message"])
    body = json.loads(parts["default"])
    assert len(body["changes"]) + body["omitted"] == body["counts"]["changes"]
    return {"body": body, "text": parts["email"]}


def test_fifty_changes_in_many_images_fit() -> None:
    many = [
        news(number, image, created_by="RUN /bin/sh -c " + "x" * 200, tags=[f"build-{tag}" for tag in range(9)])
        for number in range(50)
        for image in range(40)
    ]
    parts = published(composed(many))
    assert parts["body"]["counts"]["images"] == 40
    assert parts["body"]["changes"][0]["images_omitted"] == 40 - PLACES_LIMIT
    assert "more: ask the API" in parts["text"]


HOSTILE = ["\x01", "\\", '"', "\u2028", "\U0001f4a9", "\x1b[2J", "é"]


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_words_that_swell_when_they_are_written_as_json_fit(words: str) -> None:
    many = [
        news(
            number, image, created_by=words * 200, tags=["x" * 126 + f"{tag:02}" for tag in range(30)], name=words * 90
        )
        for number in range(60)
        for image in range(30)
    ]
    parts = published(composed(many))
    assert parts["body"]["changes"]
    assert all(line.isprintable() for line in parts["text"].split("\n"))


def test_of_many_tags_some_are_named_and_the_others_counted() -> None:
    parts = published(composed([news(1, tags=[f"v{number:04}" for number in range(3000)])]))
    (image,) = parts["body"]["changes"][0]["images"]
    assert (len(image["tags"]), image["tags_omitted"]) == (TAGS_LIMIT, 3000 - TAGS_LIMIT)
    assert f"and {3000 - TAGS_LIMIT} more" in " ".join(parts["text"].split())


@pytest.mark.parametrize("what", ["version", "name", "advisories"])
def test_a_change_that_is_too_long_is_left_out_and_the_others_are_told(what: str) -> None:
    long: Any = ["DSA-" + "1" * 1_000_000] if what == "advisories" else "1" * 1_000_000
    changes = [news(1, severity=Severity.CRITICAL, **{what: long}), news(2)]
    parts = published(composed(changes))
    assert steps(lambda: composed(changes)) < 2 * steps(lambda: composed([news(1), news(2)])), "it is cut, then wrapped"
    assert [change["vulnerability"] for change in parts["body"]["changes"]] == ["CVE-2026-00002"]
    assert parts["body"]["omitted"] == 1
    assert parts["body"]["counts"]["by_severity"]["critical"] == 1
    assert "CVE-2026-00002" in parts["text"]


def test_a_thousand_changes_are_counted_and_the_worst_of_them_told() -> None:
    severities = [Severity.LOW, Severity.CRITICAL, Severity.HIGH]
    parts = published(composed([news(number, severity=severities[number % 3]) for number in range(1000)]))
    body = parts["body"]
    assert body["counts"]["changes"] == 1000
    assert body["omitted"] > 0
    told = [Severity(change["severity"]).rank for change in body["changes"]]
    assert told == sorted(told)
    assert told[0] == Severity.CRITICAL.rank


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(texts, texts, texts, st.lists(texts, max_size=30)), min_size=1, max_size=5), st.integers(1, 60)
)
def test_whatever_images_say_of_themselves_a_notice_fits(
    some: list[tuple[str, str, str, list[str]]], times: int
) -> None:
    many = [
        news(number, number % 7, name=name, version=version, created_by=created_by, tags=tags)
        for number, (name, version, created_by, tags) in enumerate(some * times)
    ]
    notice = composed(many)
    published(notice)
    assert orjson.loads(notice.body)["id"] == notice.id
