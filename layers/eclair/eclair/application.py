"""Join use cases and adapters: on AWS from the environment, or in memory. The sole reader of `os.environ`.

Adapters are imported where they are first used, so that a function pays at its cold start only for what it needs.
"""

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import BinaryIO

from eclair import ecosystems, feeds
from eclair.adapters.memory import (
    MemoryAdvisories,
    MemoryFeeds,
    MemoryImages,
    MemoryLayers,
    MemoryNotices,
    MemoryQueues,
    MemorySets,
    MemoryTopic,
)
from eclair.index import Index
from eclair.judge import Judge
from eclair.match import Match
from eclair.model import Layer, LayerReference
from eclair.notify import Notify
from eclair.ports import (
    Advisories,
    Clock,
    Documents,
    Feeds,
    Images,
    Layers,
    Notices,
    Queues,
    Registry,
    Sets,
    Topic,
)
from eclair.refresh import Each, Refresh

WRITERS = 16
"""How many packages refresh writes side by side: DynamoDB answers each write in a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided, from the environment of a function."""

    index_table: str = ""
    advisories_table: str = ""
    queues: Mapping[str, str] = field(default_factory=dict)
    topic: str = ""
    feeds: tuple[str, ...] = ()
    feed_mirror: str = ""
    registries: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    webhook_secret: str = ""
    api_url: str = ""
    region: str = ""
    endpoint: str | None = None

    @staticmethod
    def of(environment: Mapping[str, str]) -> "Settings":
        """Read the settings of a deployed function; a variable that is not there leaves its setting empty."""

        def listed(name: str) -> tuple[str, ...]:
            return tuple(word.strip() for word in environment.get(name, "").split(",") if word.strip())

        queues = {name: environment.get(f"ECLAIR_{name.upper()}_QUEUE", "") for name in QUEUES}
        return Settings(
            index_table=environment.get("ECLAIR_INDEX_TABLE", ""),
            advisories_table=environment.get("ECLAIR_ADVISORIES_TABLE", ""),
            queues=queues,
            topic=environment.get("ECLAIR_TOPIC", ""),
            feeds=listed("ECLAIR_FEEDS"),
            feed_mirror=environment.get("ECLAIR_FEED_MIRROR", ""),
            registries=listed("ECLAIR_REGISTRIES"),
            insecure_registries=listed("ECLAIR_INSECURE_REGISTRIES"),
            webhook_secret=environment.get("ECLAIR_WEBHOOK_SECRET", ""),
            api_url=environment.get("ECLAIR_API_URL", ""),
            region=environment.get("AWS_REGION", ""),
            endpoint=environment.get("AWS_ENDPOINT_URL") or None,
        )


QUEUES = ("images", "matches", "sets", "repositories", "feeds")
