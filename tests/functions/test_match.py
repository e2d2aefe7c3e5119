"""The match function: records of the stream, which must never hold up their shard, and those set aside before."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from eclair.adapters.memory import MemoryQueues
from eclair.errors import LimitExceeded, Unavailable
from eclair.model import JudgeRequest, Kind, PackageKey
from functions.match.app import respond
from tests.fleet import DEBIAN, DPKG, SHOP, Fleet, layer
from tests.functions.invocation import Context, failed, messages, recorded

CURL = PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name="curl")


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet with one image that has curl 7.88.1-10+deb12u15."""
    fleet = Fleet()
    fleet.registry.add_image(SHOP, "1", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1")
    return fleet


def records(*names: str) -> list[dict[str, Any]]:
    """Return the recorded records of a statement's row with these event names."""
    found = recorded("stream_records")["Records"]
    of_statement = {r["eventName"]: r for r in found if r["dynamodb"]["Keys"]["pk"]["S"].startswith("V#")}
    of_statement["REMOVE"] = removed(of_statement["MODIFY"])
    return [of_statement[name] for name in names]


def removed(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the row's deletion."""
    change = {name: part for name, part in record["dynamodb"].items() if name != "NewImage"}
    return record | {"eventName": "REMOVE", "dynamodb": change | {"OldImage": record["dynamodb"]["NewImage"]}}


def invoke(fleet: Fleet, some: Sequence[dict[str, Any]]) -> list[str]:
    return failed(respond({"Records": list(some)}, Context(), fleet.application))


def asked(fleet: Fleet) -> list[JudgeRequest]:
    (set_id,) = fleet.ports.sets.heads
    request = JudgeRequest(set=set_id, packages=(CURL,))
    assert all(some == request for some in fleet.ports.queues.judged)
    return fleet.ports.queues.judged


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
def test_the_set_that_a_change_concerns_is_queued(fleet: Fleet, name: str) -> None:
    assert invoke(fleet, records(name)) == []
    assert len(asked(fleet)) == 1


def test_of_all_rows_that_a_change_writes_only_the_statement_s_matter(fleet: Fleet) -> None:
    """Should the mapping's filter let the others through: ranges, history, and what time to live removed of it."""
    every = recorded("stream_records")["Records"]
    assert any("userIdentity" in record for record in every)
    assert invoke(fleet, every) == []
    assert len(asked(fleet)) == 2
    assert not fleet.ports.queues.aside


def unreadable(record: dict[str, Any], content: object) -> dict[str, Any]:
    broken: dict[str, Any] = json.loads(json.dumps(record))
    broken["dynamodb"]["NewImage"]["content"] = content
    return broken | {"eventID": "poison"}


@pytest.mark.parametrize("content", [{"B": "bm90IGEgc3RhdGVtZW50"}, {"S": "text"}, None])
def test_a_record_that_cannot_be_read_is_set_aside_and_the_rest_go_on(fleet: Fleet, content: object) -> None:
    (insert,) = records("INSERT")
    poison = unreadable(insert, content)
    assert invoke(fleet, [poison, insert, poison, {}, insert]) == []
    assert len(asked(fleet)) == 2
    aside = fleet.ports.queues.aside
    assert [json.loads(record) for record, _ in aside] == [poison, poison, {}]
    assert "poison" in aside[0][1]


class Refusing(MemoryQueues):
    """The sets queue does not answer; the matches queue does, or raises what is given."""

    error: Exception | None = None

    def judge(self, requests: Sequence[JudgeRequest]) -> None:
        raise Unavailable("the sets queue does not answer; try again later")

    def set_aside(self, record: str, reason: str) -> None:
        if self.error:
            raise self.error
        super().set_aside(record, reason)


def test_a_record_that_finds_a_queue_down_is_set_aside_and_matched_again(fleet: Fleet) -> None:
    queues = Refusing()
    answered = respond({"Records": records("INSERT", "MODIFY")}, Context(), fleet.with_ports(queues=queues))
    assert failed(answered) == []
    assert len(queues.aside) == 2
    bodies = [json.dumps({"reason": reason, "record": json.loads(record)}) for record, reason in queues.aside]
    assert failed(respond(messages(*bodies), Context(), fleet.application)) == []
    assert len(asked(fleet)) == 2


@pytest.mark.parametrize("error", [Unavailable("down"), LimitExceeded("message: 300000 bytes")])
def test_a_record_that_cannot_even_be_set_aside_fails_the_invocation(fleet: Fleet, error: Exception) -> None:
    """Lambda halves the batch, tries again, and in the end sets the record aside itself."""
    queues = Refusing()
    queues.error = error
    with pytest.raises(type(error)):
        respond({"Records": records("INSERT")}, Context(), fleet.with_ports(queues=queues))


def test_of_records_set_aside_only_those_that_fail_again_are_delivered_again(fleet: Fleet) -> None:
    (insert,) = records("INSERT")
    good = json.dumps({"reason": "throttled", "record": insert})
    poison = json.dumps({"reason": "unreadable", "record": unreadable(insert, {"B": ""})})
    answered = respond(messages(good, poison, "{", "{}", "[]", good), Context(), fleet.application)
    assert failed(answered) == ["2", "3", "4", "5"]
    assert len(asked(fleet)) == 2
    assert not fleet.ports.queues.aside, "what was set aside is not set aside again: its queue dead-letters it"


def test_an_event_without_records_is_nothing_to_do(fleet: Fleet) -> None:
    assert invoke(fleet, []) == []
