"""A deployment in one process, in which anything may happen to a handler at any call of a port.

The real use cases run over memory. Every call of a port passes `Deployment.call`, where chance may let the handler be
killed (before the call, after it, or in the middle of what it writes), let the other side fail, or let others be
handled meanwhile, from beginning to end; perhaps after something new happened outside. What was not handled to its end
is delivered again, as SQS, EventBridge and the stream do.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, BinaryIO, Final

from eclair.application import Application, MemoryPorts, Settings, in_memory
from eclair.errors import BadInput, EclairError, NotFound, Unavailable
from eclair.model import (
    Digest,
    Fingerprint,
    Hint,
    IndexRequest,
    JudgeRequest,
    NotifyRequest,
    RefreshRequest,
    Repository,
    StatementChange,
)
from tests.registry_in_memory import MemoryRegistry

REGISTRY: Final = "registry.example.com"
FEEDS: Final = ("debian", "alpine")
SETTINGS: Final = Settings(feeds=FEEDS, registries=(REGISTRY,))

TICK = 0.01
"""Seconds that a call of a port takes."""
DAY = 86400.0
DEDUPLICATED = 300.0
"""Seconds for which SQS knows the deduplication id of a message."""
DEEPEST = 3
"""How many handlers may be interrupted by others at once."""
RESTLESS = 5000
"""After so many deliveries without a disturbance something is handed round for ever."""

BATCHES: Final = frozenset({"put_ranges", "put_statements", "link", "mark_sent", "index", "judge", "refresh", "notify"})
"""The methods that may have done a part of what they were asked for when the process ends."""


@dataclass(frozen=True)
class Reconcile:
    """What the daily schedule asks for."""


@dataclass(frozen=True)
class Wake:
    """What the schedule of the rules asks for."""


Message = Wake | Hint | IndexRequest | RefreshRequest | StatementChange | JudgeRequest | NotifyRequest | Reconcile


class Happening(StrEnum):
    """What happens to a handler at a call of a port."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    KILLED_HALFWAY = "killed halfway"
    FAILS = "fails"
    OVERTAKEN = "overtaken"
    SURPRISED = "surprised"


CROWD: Final = (Happening.OVERTAKEN, Happening.SURPRISED)
"""What happens where nothing fails, and everybody is at work at once."""


AT_ONCE: Final = 60
"""So much a crowd handles: also what came of what it handled."""


class Killed(BaseException):
    """The process ended; no use case can catch that."""


@dataclass
class Handling:
    """One delivery under way; the dead touch nothing any more. `gathered` is when it last read what waits."""

    dead: bool = False
    gathered: int = 0


@dataclass(frozen=True)
class _Fetched:
    fingerprint: Fingerprint
    stream: BinaryIO


@dataclass
class Publications:
    """The vendors' documents by address; while `garbled` they are cut off in the middle."""

    documents: dict[str, bytes] = field(default_factory=dict)
    garbled: bool = False

    @contextmanager
    def fetch(self, url: str, known: Fingerprint | None) -> Iterator[_Fetched | None]:
        if url not in self.documents:
            raise NotFound(f"{url} is not there")
        body = self.documents[url][: -2 if self.garbled else None]
        etag = hashlib.sha256(body).hexdigest()
        same = known is not None and known.etag == etag
        yield None if same else _Fetched(Fingerprint(url=url, etag=etag), io.BytesIO(body))


class Queued:
    """All queues; what is sent is pending at once."""

    def __init__(self, deployment: "Deployment") -> None:
        self._deployment = deployment
        self._known: dict[NotifyRequest, float] = {}

    def index(self, requests: Sequence[IndexRequest]) -> None:
        self._deployment.pending.extend(requests)

    def judge(self, requests: Sequence[JudgeRequest]) -> None:
        self._deployment.pending.extend(requests)

    def refresh(self, requests: Sequence[RefreshRequest]) -> None:
        self._deployment.pending.extend(requests)

    def notify(self, requests: Sequence[NotifyRequest]) -> None:
        now = self._deployment.now
        for request in requests:
            if self._known.get(request, -DAY) + DEDUPLICATED <= now:
                self._known[request] = now
                self._deployment.pending.append(request)

    def set_aside(self, record: str, reason: str) -> None:
        raise AssertionError("the stream's handler sets aside, and is none of these")


class _Port:
    """A port of which every call may be disturbed."""

    def __init__(self, port: object, deployment: "Deployment", handling: Handling) -> None:
        self._port, self._deployment, self._handling = port, deployment, handling

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._deployment.call(self._handling, method, args, kwargs)


class _Ports:
    """The ports as one handler sees them."""

    def __init__(self, ports: Mapping[str, object], deployment: "Deployment", handling: Handling) -> None:
        self._ports, self._deployment, self._handling = ports, deployment, handling

    def __getattr__(self, name: str) -> Any:
        return _Port(self._ports[name], self._deployment, self._handling)


class Deployment:
    """The world: registry, vendors, tables, queues, and the subscribers' topic.

    Adapters of AWS may meet faults while it is `busy`: at work, and for the first `bad` deliveries on the way to rest.
    `gathered` tells when the news of a notice was read, `left` when an image last left a repository, both as numbers of
    calls.
    """

    def __init__(self, **ports: Any) -> None:
        self.now = 1_750_000_000.0
        self.calls = 0
        self.registry = MemoryRegistry()
        self.publications = Publications()
        self.ports = MemoryPorts(registry=self.registry, documents=self.publications, **ports)
        self.pending: list[Message] = []
        self.delivered: list[Message] = []
        self.gathered: dict[tuple[Repository, int], int] = {}
        self.left: dict[tuple[Repository, Digest], int] = {}
        self.happened: Counter[str] = Counter()
        self.outside: Callable[[], None] = lambda: None
        self.bad = 0
        self.ports.advisories.listen = self.pending.append
        self.queues: Any = Queued(self)
        self._chance = Random(0)
        self.rate, self.busy = 0.0, False
        self._possible: Sequence[Happening] = tuple(Happening)
        self._depth = 0

    @property
    def undisturbed(self) -> Application:
        """Return the application for who looks at the world without being part of it."""
        return in_memory(self.ports, SETTINGS, lambda: self.now)

    # --- what arrives

    def deliver(self, message: Message, *, remaining: float = 900.0) -> None:
        """Let a message be handled; where that fails it is pending again."""
        handling = Handling()
        ports: Any = _Ports({**vars(self.ports), "queues": self.queues}, self, handling)
        self._depth += 1
        self.delivered.append(message)
        self.happened[type(message).__name__] += 1
        try:
            _handle(Application(ports, SETTINGS, lambda: self.now), message, lambda: remaining)
        except BadInput:
            pass  # dead-lettered in the end; the schedule asks again
        except (Killed, EclairError):
            self.pending.append(message)
        finally:
            handling.dead = True
            self._depth -= 1

    def work(self, chance: Random, rate: float, possible: Sequence[Happening] = tuple(Happening)) -> None:
        """Let what is pending be handled in any order, while at so many of the calls something happens."""
        self._chance, self.rate, self.busy, self._possible = chance, rate, True, possible
        for _ in range(len(self.pending) if possible != CROWD else AT_ONCE):
            if self.pending:
                newest = chance.random() < 0.5
                message = self.pending.pop(-1 if newest else chance.randrange(len(self.pending)))
                self.deliver(message, remaining=chance.choice((0.0, 900.0)))
        self.rate, self.busy = 0.0, False

    def rest(self) -> None:
        """Let everything that is pending be handled, without a disturbance but what the adapters meet at first."""
        for delivery in range(RESTLESS):
            self.busy = bool(self.pending) and delivery < self.bad
            if not self.pending:
                return
            self.now += 1
            self.deliver(self.pending.pop(0))
        raise AssertionError(f"does not come to rest: {self.pending[:3]}")

    # --- what happens on the way

    def call(self, handling: Handling, method: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """Call a method of a port, unless something else happens."""
        if handling.dead:
            raise Killed
        self.calls += 1
        self.now += TICK
        match self._happens():
            case Happening.KILLED_BEFORE:
                self._kill(handling)
            case Happening.KILLED_HALFWAY:
                if method.__name__ in BATCHES:
                    method(*_half(args), **kwargs)
                self._kill(handling)
            case Happening.KILLED_AFTER:
                self._done(handling, method, args, kwargs)
                self._kill(handling)
            case Happening.FAILS:
                raise Unavailable("the other side failed; try again later")
            case Happening.OVERTAKEN:
                self._let_others(4)
            case Happening.SURPRISED:
                self.outside()
                self._let_others(12)
        return self._done(handling, method, args, kwargs)

    def _happens(self) -> Happening | None:
        if not self.rate or self._chance.random() >= self.rate:
            return None
        what = self._chance.choice(self._possible)
        self.happened[what] += 1
        return what

    def _kill(self, handling: Handling) -> None:
        handling.dead = True
        raise Killed

    def _let_others(self, most: int) -> None:
        """Let some of what is pending be handled, the newest first: that is what came of the one before."""
        for _ in range(self._chance.randint(1, most) if self._depth < DEEPEST else 0):
            if self.pending:
                self.deliver(self.pending.pop())

    def _done(self, handling: Handling, method: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """Call the method, and note what tells later which notice was about which stay of an image."""
        result = method(*args, **kwargs)
        match method.__name__:
            case "waiting":
                handling.gathered = self.calls
            case "put_notice" if result:
                self.gathered[args[0].repository, args[0].sequence] = handling.gathered
            case "remove_membership":
                digest, repository = args
                self.left[repository, digest] = self.calls
        return iter(tuple(result)) if isinstance(result, Iterator) else result


def _handle(application: Application, message: Message, remaining: Callable[[], float]) -> None:
    match message:
        case Hint():
            application.push(message)
        case IndexRequest():
            application.index(message, remaining=remaining)
        case RefreshRequest():
            application.refresh(message, remaining=remaining)
        case StatementChange():
            application.match([message])
        case JudgeRequest():
            application.judge(message)
        case NotifyRequest():
            application.notify(message)
        case Wake():
            application.quiet.wake()
        case Reconcile():
            application.push.reconcile([REGISTRY])


def _half(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments with the first half of what is to be written."""
    return tuple(arg[: len(arg) // 2] if isinstance(arg, list | tuple) else arg for arg in args)
