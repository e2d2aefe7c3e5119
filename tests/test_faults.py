"""Whatever AWS does to requests of the real adapters, nothing is lost and nothing invented.

The state machine of `test_invariants` over the DynamoDB, SQS and SNS adapters, in the `weather` that requests may meet;
handlers are also killed, overtaken and delivered twice meanwhile. `ECLAIR_FAULTS_EXAMPLES` says through how many worlds
it lives; run with `-s` to see what was injected.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final

import pytest
from botocore.client import BaseClient
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from moto import mock_aws

from eclair.adapters.dynamodb import Table
from eclair.adapters.dynamodb_advisories import DynamoAdvisories
from eclair.adapters.dynamodb_enrichments import DynamoEnrichments
from eclair.adapters.dynamodb_feeds import DynamoFeeds
from eclair.adapters.dynamodb_images import DynamoImages, DynamoLayers
from eclair.adapters.dynamodb_notices import DynamoNotices
from eclair.adapters.dynamodb_rules import DynamoRules
from eclair.adapters.dynamodb_sets import DynamoSets
from eclair.adapters.sns import SnsTopic
from eclair.adapters.sqs import (
    QueueUrls,
    SqsQueues,
    decode_index,
    decode_judge,
    decode_notify,
    decode_refresh,
)
from eclair.model import Amendment, Notice, SetId, Statement, StatementChange, StatementKey
from tests.adapters.contract.conftest import new_table
from tests.deployment import Deployment, Queued
from tests.test_invariants import Fleet
from tests.weather import Weather

EXAMPLES: Final = int(os.environ.get("ECLAIR_FAULTS_EXAMPLES", "4"))
FAULTS: Final = 0.02
"""So many of the requests meet a fault, until the world comes to rest."""

MAKE: Final = "_make_api_call"
"""The method of botocore's clients that all requests go through."""

seen: Counter[str] = Counter()


class Streamed(DynamoAdvisories):
    """The advisories with the stream of their table: whatever was stored is told, however the request ended."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.listen: Any = None
        self._shown: dict[StatementKey, Statement] = {}

    @property
    def said(self) -> dict[StatementKey, Statement]:
        rows = (self._table.held(Statement, row) for row in self._table.row.scan() if row.pk.startswith("V#"))
        stored = [statement for statement in rows if statement is not None]
        newest: dict[StatementKey, Statement] = {}
        for statement in sorted(stored, key=lambda statement: statement.seq):
            newest[statement.key] = statement
        return newest

    def put_statements(self, amendments: Sequence[Amendment]) -> tuple[Amendment, ...]:
        try:
            return super().put_statements(amendments)
        finally:
            self.catch_up()

    def catch_up(self) -> None:
        stored = self.said
        for key, new in stored.items():
            if new != self._shown.get(key):
                self.listen(StatementChange(old=self._shown.get(key), new=new))
        self._shown = stored


class _Sqs:
    """What the adapter of the queues calls; messages that are taken are pending."""

    def __init__(self, weather: Weather, queued: Queued) -> None:
        self._weather, self._queued = weather, queued

    def send_message_batch(self, **request: Any) -> Any:
        return self._weather.call("SendMessageBatch", request, self._take)

    def _take(self, request: dict[str, Any]) -> dict[str, Any]:
        bodies = [entry["MessageBody"] for entry in request["Entries"]]
        match request["QueueUrl"]:
            case "index":
                self._queued.index([decode_index(body) for body in bodies])
            case "judge":
                self._queued.judge([decode_judge(body) for body in bodies])
            case "refresh":
                self._queued.refresh([decode_refresh(body) for body in bodies])
            case "notify":
                self._queued.notify([decode_notify(body) for body in bodies])
        return {}


class Topic:
    """The topic's adapter, and what reached a subscriber."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self.published: list[Notice] = []

    def publish(self, notice: Notice) -> None:
        client: Any = _Sns(self._weather, self, notice)
        SnsTopic(client, "topic").publish(notice)


class _Sns:
    """What the adapter of the topic calls."""

    def __init__(self, weather: Weather, topic: "Topic", notice: Notice) -> None:
        self._weather, self._topic, self._notice = weather, topic, notice

    def publish(self, **request: Any) -> Any:
        return self._weather.call("Publish", request, self._take)

    def _take(self, request: dict[str, Any]) -> dict[str, Any]:
        assert json.loads(request["Message"])["default"] == self._notice.body
        self._topic.published.append(self._notice)
        return {}


class Clouded(Fleet):
    """The machine over the adapters of AWS."""

    def deployed(self) -> Deployment:
        tables = [new_table(None, sleep=lambda _: None) for _ in range(2)]
        index, advisories = tables
        chance = Random(7)
        self.weather = Weather(chance, lambda: FAULTS if world and world.busy else 0.0)
        world: Any = None
        world = Deployment(
            images=DynamoImages(index),
            layers=DynamoLayers(index),
            sets=DynamoSets(index),
            notices=DynamoNotices(index),
            rules=DynamoRules(index),
            advisories=Streamed(advisories),
            enrichments=DynamoEnrichments(advisories),
            feeds=DynamoFeeds(advisories),
            topic=Topic(self.weather),
        )
        client: Any = _Sqs(self.weather, world.queues)
        names = ("index", "reindex", "match", "judge", "notify", "refresh")
        world.queues = SqsQueues(client, QueueUrls(**{name: name for name in names}), sleep=lambda _: None)
        weather = self.weather
        for table in tables:
            _befall(table, weather)
        return world  # type: ignore[no-any-return]

    def sets(self) -> Iterable[SetId]:
        images = map(self.world.ports.images.image, {stay.digest for stay in self._stays()})
        return {reference.set for image in images if image for reference in image.sets}

    def _rest(self) -> None:
        """Let what is pending be handled in bad weather, then what a day later is asked for in a good one."""
        self.world.bad = 150
        self.world.rest()
        self.world.bad = 0
        super()._rest()

    def teardown(self) -> None:
        super().teardown()
        published = self.world.ports.topic.published
        seen["requests"] += self.weather.requests
        seen["published"] += len(published)
        seen["published again under the same id"] += len(published) - len({notice.id for notice in published})
        for fault, times in self.weather.injected.items():
            seen[str(fault)] += times


def _befall(table: Table, weather: Weather) -> None:
    client: BaseClient = table.row.connection().connection.client
    perform = getattr(client, MAKE)

    def call(operation: str, request: dict[str, Any]) -> Any:
        return weather.call(operation, request, lambda asked: perform(operation, asked))

    setattr(client, MAKE, call)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


def test_no_fault_of_aws_loses_or_invents_anything() -> None:
    living = settings(
        max_examples=EXAMPLES,
        stateful_step_count=30,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Clouded, settings=living)
    sys.stdout.write("".join(f"{times:8} {what}\n" for what, times in seen.most_common()))
    assert seen["requests"] > 100 * EXAMPLES
    assert sum(seen.values()) > seen["requests"] + seen["published"]
