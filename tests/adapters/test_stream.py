"""A record of the advisories table's stream is read as Lambda delivers it."""

import base64
import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from eclair.adapters.dynamodb import Table
from eclair.adapters.dynamodb_advisories import DynamoAdvisories
from eclair.adapters.stream import NOTHING, statement_change
from eclair.errors import BadRequest
from eclair.loading.amend import Amend
from eclair.model import Amendment, StatementChange
from tests.adapters.contract.conftest import new_table
from tests.adapters.contract.test_advisories import ALL, said


@pytest.fixture(scope="module")
def records() -> Iterator[list[dict[str, Any]]]:
    """Yield the records of a statement that is put, changed and withdrawn, as Lambda delivers them.

    moto has no stream to read: a record is made of what a row was before a write and what it is after it.
    """
    with mock_aws(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        table = new_table(None)
        advisories = DynamoAdvisories(table)
        made: list[dict[str, Any]] = []
        steps = (
            Amendment(new=said(seq=1), ranges=ALL),
            Amendment(new=CHANGED, ranges=(), old=said(seq=1)),
            Amendment(new=WITHDRAWN, ranges=(), old=CHANGED, stale=ALL),
        )
        for wanted in steps:
            before = _images(table)
            Amend(advisories=advisories)([wanted])
            made += _differences(before, _images(table))
        yield [as_lambda_delivers(record) for record in made]


CHANGED = replace(said(seq=2), raw_state="undetermined")
WITHDRAWN = replace(CHANGED, seq=3, withdrawn=True)


def _images(table: Table) -> dict[str, dict[str, Any]]:
    items = table.row.connection().scan()["Items"]
    return {str((item["pk"], item["sk"])): item for item in items}


def _differences(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old != new:
            image = new or old or {}
            change: dict[str, Any] = {"Keys": {"pk": image["pk"], "sk": image["sk"]}}
            change |= {name: value for name, value in (("OldImage", old), ("NewImage", new)) if value}
            yield {"eventID": key, "dynamodb": change}


def as_lambda_delivers(value: Any) -> Any:
    """Return the record with its bytes in base64, as they are in the event's JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: as_lambda_delivers(item) for name, item in value.items()}
    return value


def test_statements_are_read_before_and_after(records: list[dict[str, Any]]) -> None:
    changes = [change for change in map(statement_change, records) if change != NOTHING]
    assert changes == [
        StatementChange(old=None, new=said(seq=1)),
        StatementChange(old=said(seq=1), new=CHANGED),
        StatementChange(old=CHANGED, new=WITHDRAWN),
    ]


def test_records_of_other_rows_say_nothing(records: list[dict[str, Any]]) -> None:
    others = [record for record in records if not record["dynamodb"]["Keys"]["pk"]["S"].startswith("V#")]
    assert len(others) > len(ALL)
    assert all(statement_change(record) == NOTHING for record in others)


@pytest.fixture
def record(records: list[dict[str, Any]]) -> dict[str, Any]:
    return copy.deepcopy(next(some for some in records if some["dynamodb"]["Keys"]["pk"]["S"].startswith("V#")))


def test_a_record_that_changes_nothing_says_nothing(record: dict[str, Any]) -> None:
    record["dynamodb"]["OldImage"] = record["dynamodb"]["NewImage"]
    assert statement_change(record) == NOTHING


def test_a_deleted_statement_is_read_as_it_was(record: dict[str, Any]) -> None:
    record["dynamodb"]["OldImage"] = record["dynamodb"].pop("NewImage")
    assert statement_change(record) == StatementChange(old=said(), new=None)


@pytest.mark.parametrize(
    "content", ["", "!", "AAAA", base64.b64encode(b"{}").decode(), 7, None], ids=lambda content: repr(content)
)
def test_a_statement_that_cannot_be_read_is_refused_with_the_record_s_id(
    record: dict[str, Any], content: object
) -> None:
    record["eventID"] = "e1"
    record["dynamodb"]["NewImage"]["content"]["B"] = content
    with pytest.raises(BadRequest, match="stream record e1"):
        statement_change(record)


@pytest.mark.parametrize("broken", [{}, {"dynamodb": {}}, {"dynamodb": {"Keys": []}}, {"dynamodb": None}])
def test_what_is_no_record_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="not a change of a statement"):
        statement_change(broken)


def test_a_statement_without_content_is_refused(record: dict[str, Any]) -> None:
    del record["dynamodb"]["NewImage"]["content"]
    with pytest.raises(BadRequest, match="content"):
        statement_change(record)
