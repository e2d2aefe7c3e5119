"""What every adapter of a port is asked: the same tests over memory, over moto and over DynamoDB Local.

A test takes `stores`, which are empty, and uses ports only.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import cast

import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from eclair.adapters.dynamodb import Table
from eclair.adapters.dynamodb_advisories import DynamoAdvisories
from eclair.adapters.dynamodb_enrichments import DynamoEnrichments
from eclair.adapters.dynamodb_feeds import DynamoFeeds
from eclair.adapters.dynamodb_images import DynamoImages, DynamoLayers
from eclair.adapters.dynamodb_notices import DynamoNotices
from eclair.adapters.dynamodb_rules import DynamoRules
from eclair.adapters.dynamodb_sets import DynamoSets
from eclair.adapters.memory import (
    MemoryAdvisories,
    MemoryEnrichments,
    MemoryFeeds,
    MemoryImages,
    MemoryLayers,
    MemoryNotices,
    MemoryRules,
    MemorySets,
)
from eclair.ports import Advisories, Enrichments, Feeds, Images, Layers, Notices, Rules, Sets
from tests.adapters.dynamodb_local import absence, endpoint

REGION = "eu-west-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores behind the ports."""

    images: Images
    layers: Layers
    sets: Sets
    notices: Notices
    rules: Rules
    advisories: Advisories
    enrichments: Enrichments
    feeds: Feeds


def in_memory() -> Stores:
    return Stores(
        images=MemoryImages(),
        layers=MemoryLayers(),
        sets=MemorySets(),
        notices=MemoryNotices(),
        rules=MemoryRules(),
        advisories=MemoryAdvisories(),
        enrichments=MemoryEnrichments(),
        feeds=MemoryFeeds(),
    )


def in_dynamodb(index: Table, advisories: Table) -> Stores:
    return Stores(
        images=DynamoImages(index),
        layers=DynamoLayers(index),
        sets=DynamoSets(index),
        notices=DynamoNotices(index),
        rules=DynamoRules(index),
        advisories=DynamoAdvisories(advisories),
        enrichments=DynamoEnrichments(advisories),
        feeds=DynamoFeeds(advisories),
    )


def new_table(host: str | None, *, sleep: Callable[[float], None] = time.sleep) -> Table:
    """Make a table of the shape that the template gives both."""
    table = Table(f"eclair-{uuid.uuid4()}", region=REGION, host=host, sleep=sleep)
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
    reason = absence()
    if reason:
        pytest.skip(reason)
    scratch: Path = tmp_path_factory.mktemp("dynamodb-local")
    with endpoint(scratch) as address:
        yield address


ENGINES = ("memory", "moto", *(() if absence() else ("dynamodb-local", "dynamodb-local-sent-twice")))
"""What the contract is asked of; where DynamoDB Local is missing, test_dynamodb_local says why, once.

`sent-twice` sends every request again, as if its first answer were lost: only DynamoDB Local knows a repeated
transaction by its token, moto does not.
"""


@pytest.fixture(params=ENGINES, scope="module")
def tables(request: pytest.FixtureRequest) -> Iterator[tuple[Table, ...]]:
    """Yield the two tables of an engine, none for memory; made once for a module, as each needs a client of its own."""
    if request.param == "memory":
        yield ()
        return
    with ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        if request.param == "moto":
            stack.enter_context(mock_aws())
            environment.setattr(BotocoreStubber, "__call__", one_at_a_time(BotocoreStubber.__call__))
        host = None if request.param == "moto" else request.getfixturevalue("dynamodb_local")
        both = new_table(host), new_table(host)
        if request.param == "dynamodb-local-sent-twice":
            for table in both:
                send_twice(table)
        yield both


def one_at_a_time(answer: Callable[..., object]) -> Callable[..., object]:
    """Let moto answer one request at a time: it does not guard its tables against threads, as DynamoDB does."""
    lock = Lock()

    def guarded(*args: object, **kwargs: object) -> object:
        with lock:
            return answer(*args, **kwargs)

    return guarded


def send_twice(table: Table) -> None:
    """Let the client take every first answer for one that asks to try again at once."""

    def again(attempts: int, **_: object) -> int | None:
        return 0 if attempts == 1 else None

    events = table.row.connection().connection.client.meta.events
    events.register_first("needs-retry.dynamodb", cast("Callable[..., None]", again))


@pytest.fixture
def stores(tables: tuple[Table, ...]) -> Iterator[Stores]:
    if not tables:
        yield in_memory()
        return
    yield in_dynamodb(*tables)
    for table in tables:
        empty(table)


def empty(table: Table) -> None:
    table.write(deletes=[row.key for row in table.row.scan(attributes_to_get=["pk", "sk"])])
