"""Join use cases and adapters: on AWS from the environment, or in memory. The sole reader of `os.environ`.

Use cases and adapters are imported where they are first used, so that a function pays at its cold start only for what
it needs.
"""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from eclair.adapters.memory import (
    MemoryAdvisories,
    MemoryEnrichments,
    MemoryFeeds,
    MemoryImages,
    MemoryLayers,
    MemoryNotices,
    MemoryQueues,
    MemoryRules,
    MemorySets,
    MemoryTopic,
)
from eclair.health import SHRINK
from eclair.image.filesystem import read_layer
from eclair.image.interest import Readers
from eclair.model import Layer, LayerReference
from eclair.ports import (
    Advisories,
    Clock,
    Documents,
    Enrichments,
    Feeds,
    Images,
    Layers,
    Notices,
    Queues,
    Registry,
    Rules,
    Sets,
    Topic,
)

if TYPE_CHECKING:
    from eclair.adapters.dynamodb import Table
    from eclair.index import Index
    from eclair.judge import Judge
    from eclair.match import Match
    from eclair.notify import Notify
    from eclair.push import Push
    from eclair.quiet import Quiet
    from eclair.refresh import Refresh
    from eclair.report import Report

WRITERS = 16
"""How many packages refresh writes side by side: DynamoDB answers each write in a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided, from the environment of a function."""

    index_table: str = ""
    advisories_table: str = ""
    images_queue: str = ""
    reindex_queue: str = ""
    matches_queue: str = ""
    sets_queue: str = ""
    repositories_queue: str = ""
    feeds_queue: str = ""
    topic: str = ""
    feeds: tuple[str, ...] = ()
    feed_mirror: str = ""
    largest_loss: float = SHRINK
    history: float = 0.0
    registries: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    webhook_secret: str = ""
    api_url: str = ""
    stack: str = "eclair"
    region: str = ""
    endpoint: str | None = None

    @staticmethod
    def of(environment: Mapping[str, str]) -> "Settings":
        """Read the settings of a deployed function; a variable that is not there leaves its setting empty."""

        def listed(name: str) -> tuple[str, ...]:
            return tuple(word.strip() for word in environment.get(name, "").split(",") if word.strip())

        return Settings(
            index_table=environment.get("ECLAIR_INDEX_TABLE", ""),
            advisories_table=environment.get("ECLAIR_ADVISORIES_TABLE", ""),
            images_queue=environment.get("ECLAIR_IMAGES_QUEUE", ""),
            reindex_queue=environment.get("ECLAIR_REINDEX_QUEUE", ""),
            matches_queue=environment.get("ECLAIR_MATCHES_QUEUE", ""),
            sets_queue=environment.get("ECLAIR_SETS_QUEUE", ""),
            repositories_queue=environment.get("ECLAIR_REPOSITORIES_QUEUE", ""),
            feeds_queue=environment.get("ECLAIR_FEEDS_QUEUE", ""),
            topic=environment.get("ECLAIR_TOPIC", ""),
            feeds=listed("ECLAIR_FEEDS"),
            feed_mirror=environment.get("ECLAIR_FEED_MIRROR", ""),
            largest_loss=float(environment.get("ECLAIR_LARGEST_LOSS_PERCENT") or SHRINK * 100) / 100,
            history=float(environment.get("ECLAIR_HISTORY_DAYS") or 0) * 86400,
            registries=listed("ECLAIR_REGISTRIES"),
            insecure_registries=listed("ECLAIR_INSECURE_REGISTRIES"),
            webhook_secret=environment.get("ECLAIR_WEBHOOK_SECRET", ""),
            api_url=environment.get("ECLAIR_API_URL", ""),
            stack=environment.get("ECLAIR_STACK") or "eclair",
            region=environment.get("AWS_REGION", ""),
            endpoint=environment.get("AWS_ENDPOINT_URL") or None,
        )


class Ports(Protocol):
    """One adapter for each port."""

    @property
    def images(self) -> Images: ...
    @property
    def layers(self) -> Layers: ...
    @property
    def sets(self) -> Sets: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def rules(self) -> Rules: ...
    @property
    def advisories(self) -> Advisories: ...
    @property
    def feeds(self) -> Feeds: ...
    @property
    def enrichments(self) -> Enrichments: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def topic(self) -> Topic: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def documents(self) -> Documents: ...


@dataclass(frozen=True, kw_only=True)
class MemoryPorts:
    """Everything in memory, but for what is given."""

    registry: Registry
    documents: Documents
    images: MemoryImages = field(default_factory=MemoryImages)
    layers: MemoryLayers = field(default_factory=MemoryLayers)
    sets: MemorySets = field(default_factory=MemorySets)
    notices: MemoryNotices = field(default_factory=MemoryNotices)
    rules: MemoryRules = field(default_factory=MemoryRules)
    advisories: MemoryAdvisories = field(default_factory=MemoryAdvisories)
    feeds: MemoryFeeds = field(default_factory=MemoryFeeds)
    enrichments: MemoryEnrichments = field(default_factory=MemoryEnrichments)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    topic: MemoryTopic = field(default_factory=MemoryTopic)


class AwsPorts:
    """DynamoDB, SQS, SNS and the registries, each connected to when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def images(self) -> Images:
        from eclair.adapters.dynamodb_images import DynamoImages

        return DynamoImages(self._index_table)

    @cached_property
    def layers(self) -> Layers:
        from eclair.adapters.dynamodb_images import DynamoLayers

        return DynamoLayers(self._index_table)

    @cached_property
    def sets(self) -> Sets:
        from eclair.adapters.dynamodb_sets import DynamoSets

        return DynamoSets(self._index_table)

    @cached_property
    def notices(self) -> Notices:
        from eclair.adapters.dynamodb_notices import DynamoNotices

        return DynamoNotices(self._index_table)

    @cached_property
    def rules(self) -> Rules:
        from eclair.adapters.dynamodb_rules import DynamoRules

        return DynamoRules(self._index_table)

    @cached_property
    def advisories(self) -> Advisories:
        from eclair.adapters.dynamodb_advisories import DynamoAdvisories

        return DynamoAdvisories(self._advisories_table, keep=self._settings.history)

    @cached_property
    def feeds(self) -> Feeds:
        from eclair.adapters.dynamodb_feeds import DynamoFeeds

        return DynamoFeeds(self._advisories_table)

    @cached_property
    def enrichments(self) -> Enrichments:
        from eclair.adapters.dynamodb_enrichments import DynamoEnrichments

        return DynamoEnrichments(self._advisories_table)

    @cached_property
    def queues(self) -> Queues:
        import boto3

        from eclair.adapters.sqs import QueueUrls, SqsQueues

        settings = self._settings
        urls = QueueUrls(
            index=settings.images_queue,
            reindex=settings.reindex_queue,
            match=settings.matches_queue,
            judge=settings.sets_queue,
            notify=settings.repositories_queue,
            refresh=settings.feeds_queue,
        )
        return SqsQueues(boto3.client("sqs"), urls)

    @cached_property
    def topic(self) -> Topic:
        import boto3

        from eclair.adapters.sns import SnsTopic

        return SnsTopic(boto3.client("sns"), self._settings.topic)

    @cached_property
    def registry(self) -> Registry:
        from eclair.adapters.ecr import EcrCredentials
        from eclair.adapters.registry import OciRegistry
        from eclair.adapters.registry_client import RegistryPolicy

        settings = self._settings
        policy = RegistryPolicy(
            allowed=(*settings.registries, *settings.insecure_registries), insecure=settings.insecure_registries
        )
        return OciRegistry(policy, credentials=EcrCredentials())

    @cached_property
    def documents(self) -> Documents:
        from eclair.adapters.documents import documents

        return documents(self._settings.feed_mirror)

    @cached_property
    def _index_table(self) -> "Table":
        return self._table(self._settings.index_table)

    @cached_property
    def _advisories_table(self) -> "Table":
        return self._table(self._settings.advisories_table)

    def _table(self, name: str) -> "Table":
        from eclair.adapters.dynamodb import Table

        return Table(name, region=self._settings.region, host=self._settings.endpoint)


class Application:
    """The use cases over one set of ports."""

    def __init__(self, ports: Ports, settings: Settings, clock: Clock = time.time, *, writers: int = 1) -> None:
        self.ports = ports
        self.settings = settings
        self.clock = clock
        self._pool = ThreadPoolExecutor(writers) if writers > 1 else None

    @property
    def queues(self) -> Queues:
        return self.ports.queues

    @property
    def push(self) -> "Push":
        from eclair.push import Push

        ports = self.ports
        return Push(
            images=ports.images, sets=ports.sets, queues=ports.queues, registry=ports.registry, clock=self.clock
        )

    @property
    def index(self) -> "Index":
        from eclair.index import Index

        ports = self.ports
        return Index(
            images=ports.images,
            layers=ports.layers,
            sets=ports.sets,
            advisories=ports.advisories,
            notices=ports.notices,
            queues=ports.queues,
            registry=ports.registry,
            read_layer=_read_layer,
            read_by_parts=_read_by_parts,
            clock=self.clock,
        )

    @property
    def refresh(self) -> "Refresh":
        from eclair.refresh import Refresh

        ports = self.ports
        return Refresh(
            advisories=ports.advisories,
            feeds=ports.feeds,
            documents=ports.documents,
            images=ports.images,
            queues=ports.queues,
            clock=self.clock,
            each=self._pool.map if self._pool else map,
            shrink=self.settings.largest_loss,
            enrichments=ports.enrichments,
        )

    @property
    def match(self) -> "Match":
        from eclair.match import Match

        return Match(sets=self.ports.sets, queues=self.ports.queues)

    @property
    def judge(self) -> "Judge":
        from eclair.judge import Judge

        ports = self.ports
        return Judge(
            sets=ports.sets,
            advisories=ports.advisories,
            notices=ports.notices,
            queues=ports.queues,
            clock=self.clock,
        )

    @property
    def notify(self) -> "Notify":
        from eclair.notify import Notify

        ports = self.ports
        return Notify(
            images=ports.images,
            sets=ports.sets,
            notices=ports.notices,
            rules=ports.rules,
            feeds=ports.feeds,
            queues=ports.queues,
            topic=ports.topic,
            clock=self.clock,
            feeds_in_use=frozenset(self.settings.feeds),
            api_url=self.settings.api_url,
        )

    @property
    def quiet(self) -> "Quiet":
        from eclair.quiet import Quiet

        ports = self.ports
        return Quiet(images=ports.images, rules=ports.rules, queues=ports.queues, clock=self.clock)

    @property
    def report(self) -> "Report":
        from eclair.report import Report

        ports = self.ports
        return Report(
            images=ports.images,
            layers=ports.layers,
            sets=ports.sets,
            advisories=ports.advisories,
            rules=ports.rules,
            feeds=ports.feeds,
            enrichments=ports.enrichments,
            clock=self.clock,
            feeds_in_use=frozenset(self.settings.feeds),
        )


def _read_layer(
    blob: BinaryIO,
    reference: LayerReference,
    readers: Readers,
    again: Callable[[], AbstractContextManager[BinaryIO]],
) -> Layer:
    return read_layer(blob, reference, readers, again=again)


def _read_by_parts(part: Callable[[int, int], bytes], reference: LayerReference, readers: Readers) -> Layer | None:
    from eclair.image.partial import read_by_parts

    return read_by_parts(part, reference, readers)


@cache
def on_aws() -> Application:
    """Return the application of a deployed function, made once from its environment."""
    settings = Settings.of(os.environ)
    return Application(AwsPorts(settings), settings, writers=WRITERS)


def cache_folder() -> Path:
    """Return where the command keeps what it fetched between two runs (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eclair"


def in_memory(ports: MemoryPorts, settings: Settings | None = None, clock: Clock = time.time) -> Application:
    """Return the application in one process, for `eclair scan` and for tests."""
    return Application(ports, settings or Settings(), clock)
