"""What every adapter of a port is asked: the same tests over memory, over moto and over DynamoDB Local.

A test takes `stores` and uses ports only. What it writes is its own: each test has fresh stores.
"""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from moto import mock_aws

from eclair.adapters.dynamodb import Table
from eclair.adapters.dynamodb_advisories import DynamoAdvisories
from eclair.adapters.dynamodb_feeds import DynamoFeeds
from eclair.adapters.dynamodb_images import DynamoImages, DynamoLayers
from eclair.adapters.dynamodb_notices import DynamoNotices
from eclair.adapters.dynamodb_sets import DynamoSets
from eclair.adapters.memory import (
    MemoryAdvisories,
    MemoryFeeds,
    MemoryImages,
    MemoryLayers,
    MemoryNotices,
    MemorySets,
)
from eclair.ports import Advisories, Feeds, Images, Layers, Notices, Sets
from tests.adapters.dynamodb_local import endpoint

REGION = "eu-west-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores behind the ports."""

    images: Images
    layers: Layers
    sets: Sets
    notices: Notices
    advisories: Advisories
    feeds: Feeds


def in_memory() -> Stores:
    return Stores(
        images=MemoryImages(),
        layers=MemoryLayers(),
        sets=MemorySets(),
        notices=MemoryNotices(),
        advisories=MemoryAdvisories(),
        feeds=MemoryFeeds(),
    )


def in_dynamodb(host: str | None) -> Stores:
    index, advisories = (new_table(host) for _ in range(2))
    return Stores(
        images=DynamoImages(index),
        layers=DynamoLayers(index),
        sets=DynamoSets(index),
        notices=DynamoNotices(index),
        advisories=DynamoAdvisories(advisories),
        feeds=DynamoFeeds(advisories),
    )


def new_table(host: str | None) -> Table:
    """Make a table of the shape that the template gives both."""
    table = Table(f"eclair-{uuid.uuid4()}", region=REGION, host=host)
    table.row.connection().create_table(
        attribute_definitions=[
            {"attribute_name": "pk", "attribute_type": "S"},
            {"attribute_name": "sk", "attribute_type": "B"},
        ],
        key_schema=[
            {"attribute_name": "pk", "key_type": "HASH"},
            {"attribute_name": "sk", "key_type": "RANGE"},
        ],
        billing_mode="PAY_PER_REQUEST",
    )
    return table


@pytest.fixture(scope="session")
def dynamodb_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    scratch: Path = tmp_path_factory.mktemp("dynamodb-local")
    with endpoint(scratch) as address:
        yield address


@pytest.fixture(params=["memory", "moto", "dynamodb-local"])
def stores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    if request.param == "memory":
        yield in_memory()
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with ExitStack() as stack:
        if request.param == "moto":
            stack.enter_context(mock_aws())
            yield in_dynamodb(None)
        else:
            yield in_dynamodb(request.getfixturevalue("dynamodb_local"))
