"""A small world in which the real use cases meet at every port call, and all their interleavings are walked.

A handler is its message and the results of the port calls it has made so far; to take its next step it is run again
with those results played back, makes one more call, and is stopped at the one after. So the code under test is the
code that is deployed, without threads, and a state of the world can be recognised when it is reached another way.
"""

import io
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from typing import Any, BinaryIO

from eclair import ecosystems
from eclair.adapters.memory import (
    MemoryAdvisories,
    MemoryFeeds,
    MemoryImages,
    MemoryLayers,
    MemoryNotices,
    MemoryQueues,
    MemorySets,
)
from eclair.errors import Unavailable
from eclair.index import Index
from eclair.judge import Judge, features, judgement, ordered, verdicts_at
from eclair.match import Match
from eclair.model import (
    Artifact,
    Cause,
    Descriptor,
    Digest,
    FeedPart,
    Fingerprint,
    IndexRequest,
    Inventory,
    JudgeRequest,
    Layer,
    LayerReference,
    Manifest,
    Package,
    Platform,
    RefreshRequest,
    Repository,
    SetId,
    SetState,
    Source,
    StatementChange,
)
from eclair.model import Index as ImageIndex
from eclair.refresh import Refresh
from eclair.verdict import changes

REPOSITORY = Repository("registry.example/shop")
IMAGES = (Digest("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64))
LAYER = LayerReference(digest=Digest("sha256:" + "a" * 64), diff_id=Digest("sha256:" + "b" * 64), media_type="", size=0)
MOST_REVS = 6
"""Two judges can outbid each other for ever (real ones back off); worlds beyond this many claims are not walked on."""

Message = IndexRequest | RefreshRequest | StatementChange | JudgeRequest


@dataclass(frozen=True)
class Handler:
    """A delivery: what it was given, the numbers of the results it has seen, and whether it has returned."""

    message: Message
    seen: tuple[int, ...] = ()
    done: bool = False


@dataclass
class Stores:
    """The rows that handlers share."""

    sets: MemorySets = field(default_factory=MemorySets)
    notices: MemoryNotices = field(default_factory=MemoryNotices)
    advisories: MemoryAdvisories = field(default_factory=MemoryAdvisories)

    def copy(self) -> "Stores":
        return Stores(sets=_copy(self.sets), notices=_copy(self.notices), advisories=_copy(self.advisories))

    def frozen(self) -> object:
        """Return a hashable value that is equal for equal rows."""
        ports = (self.sets, self.notices, self.advisories)
        return tuple(_freeze(getattr(port, part.name)) for port in ports for part in fields(port))


def _copy(port: Any) -> Any:
    parts = {part.name: getattr(port, part.name) for part in fields(port)}
    return type(port)(**{name: _copy_rows(rows) for name, rows in parts.items()})


def _copy_rows(rows: Any) -> Any:
    if not isinstance(rows, dict):
        return rows
    return {key: dict(row) if isinstance(row, dict) else row for key, row in rows.items()}


def _freeze(rows: Any) -> object:
    return frozenset((key, _freeze(row)) for key, row in rows.items()) if isinstance(rows, dict) else rows


@dataclass(frozen=True)
class World:
    """One state: the rows, the deliveries under way, and how many crashes and repeats may still come."""

    stores: Stores
    handlers: tuple[Handler, ...]
    crashes: int
    repeats: int

    def key(self) -> object:
        return self.stores.frozen(), self.handlers, self.crashes, self.repeats


class _Paused(BaseException):  # a use case must not be able to catch it
    pass


class _Steps:
    """Plays back the results seen, lets one more call through, and stops at the next."""

    def __init__(self, seen: Sequence[int], results: "Results") -> None:
        self._back = deque(seen)
        self._results = results
        self.taken: int | None = None

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._back:
            return self._results.value(self._back.popleft())
        if self.taken is not None:
            raise _Paused
        self.taken = self._results.number(method(*args, **kwargs))
        return self._results.value(self.taken)


class Results:
    """Gives equal results of port calls one number, so that handlers can be compared."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._values: list[Any] = []

    def number(self, value: Any) -> int:
        kept = tuple(value) if isinstance(value, Iterator) else value
        key = (type(kept).__name__, _freeze(kept))
        if key not in self._numbers:
            self._numbers[key] = len(self._values)
            self._values.append(kept)
        return self._numbers[key]

    def value(self, number: int) -> Any:
        return self._values[number]


class _Stepped:
    """A port of which every call is a step, but for those that read what never changes."""

    def __init__(self, port: Any, steps: _Steps, *, constant: frozenset[str] = frozenset()) -> None:
        self._port, self._steps, self._constant = port, steps, constant

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name in self._constant:
            return method
        return lambda *args, **kwargs: self._steps.call(method, *args, **kwargs)


class _OneLayer:
    """A registry in which every image has the same layer."""

    def manifest(self, repository: Repository, digest: Digest) -> Manifest | ImageIndex | Artifact:
        return Manifest(digest=digest, platform=Platform(os="linux", architecture="amd64"), layers=(LAYER,))

    def resolve(self, repository: Repository, reference: str) -> Descriptor:
        raise NotImplementedError

    def blob(self, repository: Repository, layer: LayerReference) -> AbstractContextManager[BinaryIO]:
        raise NotImplementedError

    def tags(self, repository: Repository) -> Iterator[str]:
        raise NotImplementedError

    def repositories(self, host: str) -> Iterator[Repository]:
        raise NotImplementedError


@dataclass(frozen=True)
class _Document:
    fingerprint: Fingerprint
    stream: BinaryIO


@dataclass
class _Tracker:
    """The Debian tracker with one CVE of openssl, revision by revision."""

    revisions: Sequence[bytes]
    fetched: int = 0

    def fetch(self, url: str, known: Fingerprint | None) -> AbstractContextManager[_Document]:
        body = self.revisions[self.fetched]
        self.fetched += 1
        return nullcontext(_Document(Fingerprint(url=url, etag=str(self.fetched)), io.BytesIO(body)))


def tracker(*cves: str) -> bytes:
    """Return the tracker's JSON in which openssl has these CVEs, unfixed in Debian 12."""
    open_ = {"releases": {"bookworm": {"status": "open", "urgency": "high"}}}
    return json.dumps({"openssl": dict.fromkeys(cves, open_), "zlib": {}}).encode()


def package_layer() -> Layer:
    """Return a layer of Debian 12 with one package."""
    package = Package(
        type="deb",
        name="libssl3",
        version="3.0.11-1",
        arch="amd64",
        source=Source(name="openssl", version="3.0.11-1"),
        path="var/lib/dpkg/status",
    )
    facts = (("ID", "debian"), ("VERSION_ID", "12"))
    return Layer(
        digest=LAYER.digest,
        diff_id=LAYER.diff_id,
        inventories=(
            Inventory(path="etc/os-release", analyser="distribution", facts=facts),
            Inventory(path=package.path, analyser="dpkg", packages=(package,)),
        ),
        asked=("distribution", "dpkg"),
        analysers=tuple(sorted(ecosystems.analysers().items())),
    )


class Explorer:
    """Walks the worlds; `sets` may be a store that breaks a rule of the protocol, to show why the rule is there."""

    def __init__(self, revisions: Sequence[bytes], *, sets: type[MemorySets] = MemorySets) -> None:
        self.revisions = tuple(revisions)
        self.results = Results()
        self._sets = sets

    def first(self, *, images: int, crashes: int = 0, repeats: int = 0) -> World:
        """Return the world in which the images were just pushed and the feed is about to be refreshed."""
        pushes = [Handler(IndexRequest(repository=REPOSITORY, digest=digest)) for digest in IMAGES[:images]]
        refresh = Handler(RefreshRequest(feed="debian", part="tracker"))
        return World(Stores(sets=self._sets()), (*pushes, refresh), crashes, repeats)

    def after_push(self, *, crashes: int = 0, repeats: int = 0) -> World:
        """Return the world in which an image has been indexed and the feed is about to be refreshed."""
        first = self.first(images=1)
        while not first.handlers[0].done:
            first = self._step(first, 0)
        return replace(first, handlers=first.handlers[1:], crashes=crashes, repeats=repeats)

    def following(self, world: World) -> Iterator[World]:
        """Yield every world that one step, one crash or one repeated delivery leads to."""
        for place, handler in enumerate(world.handlers):
            if handler.done:
                if world.repeats and not isinstance(handler.message, RefreshRequest):
                    again = _put(world.handlers, place, replace(handler, seen=(), done=False))
                    yield replace(world, handlers=again, repeats=world.repeats - 1)
                continue
            yield self._step(world, place)
            if world.crashes and handler.seen and not isinstance(handler.message, RefreshRequest):
                again = _put(world.handlers, place, replace(handler, seen=()))
                yield replace(world, handlers=again, crashes=world.crashes - 1)

    def _step(self, world: World, place: int) -> World:
        stores = world.stores.copy()
        handler = world.handlers[place]
        spawned: list[Message] = []
        stores.advisories.listen = spawned.append
        steps = _Steps(handler.seen, self.results)
        done = False
        try:
            self._run(handler.message, stores, steps, spawned)
            done = True
        except _Paused:
            pass
        except Unavailable:
            return replace(world, handlers=_put(world.handlers, place, replace(handler, seen=())))
        stores.advisories.listen = None
        seen = handler.seen if steps.taken is None else (*handler.seen, steps.taken)
        moved = _put(world.handlers, place, replace(handler, seen=() if done else seen, done=done))
        return replace(world, stores=stores, handlers=(*moved, *(Handler(message) for message in spawned)))

    def _run(self, message: Message, stores: Stores, steps: _Steps, spawned: list[Message]) -> None:
        sets: Any = _Stepped(stores.sets, steps, constant=frozenset({"packages"}))
        notices: Any = _Stepped(stores.notices, steps)
        advisories: Any = _Stepped(stores.advisories, steps)
        queues = MemoryQueues()
        images, layers = MemoryImages(), MemoryLayers()
        match message:
            case IndexRequest():
                images.add_membership(message.digest, REPOSITORY)
                layers.save_layer(package_layer())
                Index(
                    images=images,
                    layers=layers,
                    sets=sets,
                    advisories=advisories,
                    notices=notices,
                    queues=queues,
                    registry=_OneLayer(),
                    read_layer=_unread,
                    clock=_noon,
                )(message)
            case RefreshRequest():
                self._refresh(message, advisories)
            case StatementChange():
                asked: Any = _Stepped(_Deliver(spawned), steps)
                Match(sets=sets, queues=asked)([message])
            case JudgeRequest():
                Judge(sets=sets, advisories=advisories, notices=notices, queues=queues, clock=_noon)(message)

    def _refresh(self, message: RefreshRequest, advisories: MemoryAdvisories) -> None:
        feeds = MemoryFeeds()
        feeds.stored["debian", "tracker"] = FeedPart(feed="debian", name="tracker", closed=True)
        refresh = Refresh(
            advisories=advisories,
            feeds=feeds,
            documents=_Tracker(self.revisions),
            images=MemoryImages(),
            queues=MemoryQueues(),
            clock=_noon,
        )
        for _ in self.revisions:
            refresh(message)

    def walk(self, first: World, *, most: int | None = None) -> tuple[int, list[str]]:
        """Walk every world from the first; return how many there are and the faults of those that ended."""
        seen = {first.key()}
        queue = deque([first])
        faults: list[str] = []
        while queue:
            world = queue.popleft()
            if all(handler.done for handler in world.handlers) and (found := fault(world.stores)):
                faults.append(found)
            for new in self.following(world):
                key = new.key()
                if key not in seen and all(head.rev <= MOST_REVS for head in new.stores.sets.heads.values()):
                    seen.add(key)
                    queue.append(new)
            if most is not None and len(seen) > most:
                raise AssertionError(f"more than {most} worlds: make the first one smaller")
        return len(seen), faults


@dataclass
class _Deliver(MemoryQueues):
    """A sets queue that delivers at once: each request becomes a handler of the world."""

    def __init__(self, spawned: list[Message]) -> None:
        self._spawned = spawned

    def judge(self, requests: Sequence[JudgeRequest]) -> None:
        self._spawned.extend(requests)


def _unread(stream: BinaryIO, reference: LayerReference, readers: object, again: object) -> Layer:
    raise AssertionError("the layer is stored; nobody has to read it")


def _noon() -> float:
    return 43200.0


def _put(handlers: tuple[Handler, ...], place: int, handler: Handler) -> tuple[Handler, ...]:
    return (*handlers[:place], handler, *handlers[place + 1 :])


def fault(stores: Stores) -> str | None:
    """Say what is wrong in a world where nothing is under way: stored = computed afresh = what was told."""
    for set_id, head in stores.sets.heads.items():
        if head.state is not SetState.COMPLETE:
            return f"set is {head.state}"
        if stores.sets.open_deltas(set_id):
            return "a delta stayed open"
        package_set = stores.sets.bodies[set_id]
        _, stored = stores.sets.verdicts(set_id)
        if stored != ordered(judgement(stores.advisories, features(package_set)).verdicts):
            return "the stored verdicts are stale"
        if found := _untold(stores, set_id):
            return found
    return None


def _untold(stores: Stores, set_id: SetId) -> str | None:
    package_set = stores.sets.bodies[set_id]
    for member in (member for key, member in stores.sets.joined.items() if key[0] == set_id):
        if member.since < 1 or not member.settled:
            return f"image {member.digest[7]} was never told a version"
        told = [row for row in stores.notices.rows.values() if (row.set, row.digest) == (set_id, member.digest)]
        numbers = sorted(row.number for row in told if row.cause is not Cause.PUSHED)
        later = MemorySets.deltas_after(stores.sets, set_id, member.since)  # whatever rule the store breaks
        due = [delta.number for delta in later if delta.changes]
        if numbers != due:
            return f"image {member.digest[7]}: told deltas {numbers}, due {due}"
        pushed = [row.changes for row in told if row.cause is Cause.PUSHED]
        began_with = changes((), verdicts_at(stores.sets, package_set, member.since))
        if pushed != ([began_with] if began_with else []):
            return f"image {member.digest[7]}: told {pushed} at its push, due {began_with}"
    return None
