"""Load what a feed says into the store: the whole of its documents, or step by step what changed.

A part is written name by name (a package, or an advisory): noted as begun, its statements amended, its digest saved. So
after a crash it is known which names are half written, and these are looked at again whatever their digest. What a feed
says no more is withdrawn; but not what stands in a record that could not be read, and nothing at all where that is more
than can be believed.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

from eclair.feeds import Feed, Part, Step
from eclair.loading.amend import Amend, Each, amendment, batched, same, withdrawal
from eclair.model import (
    AdvisoryStatements,
    Amendment,
    Begun,
    PackageKey,
    PackageStatements,
    Said,
    Statement,
    StatementKey,
    Unread,
)
from eclair.ports import Advisories, Clock, Feeds

BATCH_STATEMENTS = 1600
BATCH_NAMES = 400
"""How much is written at once: enough for every writer, little enough for the time to be looked at often."""
READ_SLICE = 25
"""How many names one reader asks for before it takes the next ones."""


_log = logging.getLogger(__name__)

T = TypeVar("T")


class TooMuchGone(Exception):
    """More is to be withdrawn than can be believed."""


@dataclass(slots=True)
class Tally:
    """What has been seen and done so far; `rows` are the statements that stand."""

    namespaces: Counter[str] = field(default_factory=Counter)
    names: int = 0
    rows: int = 0
    differed: int = 0
    written: int = 0
    withdrawn: int = 0
    unread: int = 0

    def count(self, said: PackageStatements | AdvisoryStatements) -> None:
        self.names += 1
        if isinstance(said, PackageStatements):
            self.namespaces[said.package.namespace] += 1
        else:
            self.namespaces.update(statement.package.namespace for statement in said.statements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """One load of one part of a feed.

    `wanted` limits it to some packages; then nothing is withdrawn. `limit` is how many statements may be withdrawn.
    `pause` is called before each batch; it may raise, to end the run.
    """

    advisories: Advisories
    feeds: Feeds
    clock: Clock
    each: Each
    feed: Feed
    part: Part
    first_load: bool
    limit: float
    wanted: Callable[[PackageKey], bool] | None
    pause: Callable[[], None]
    tally: Tally


# --- the whole -------------------------------------------------------------------------------------------------------


def load_whole(loading: Loading, said: Iterable[Said]) -> None:
    """Load everything that the documents say; what they say no more is withdrawn at the end.

    Raises `TooMuchGone`, when all the rest is written, and what `loading.pause` raises.
    """
    whole = _Whole(loading)
    whole.load(said)
    if loading.wanted is None:
        whole.withdraw()


class _Whole:
    """A load of whole documents, and what it leaves for its end."""

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._store = _Store(loading)
        self._seen: set[str] = set()
        self._gone: dict[str, tuple[StatementKey, ...]] = {}
        self._last_digests: dict[str, str | None] = {}

    def load(self, said: Iterable[Said]) -> None:
        """Write everything that is new or differs."""
        for units in _batches(self._differing(said), _weight_of_unit, _name_of_unit):
            self._loading.pause()
            # What was never begun was never stored.
            stored = self._store.read(unit.name for unit in units if unit.name in self._store.digests)
            differences = self._store.differences(units, stored)
            amendments = [wanted for some in differences for wanted in some.amendments]
            self._store.write([unit.name for unit in units], amendments, chain.from_iterable(stored.values()))
            self._store.end({some.unit.name: self._digest(some) for some in differences})

    def _differing(self, said: Iterable[Said]) -> Iterator["_Unit"]:
        tally = self._loading.tally
        for some in said:
            if isinstance(some, Unread):
                self._store.skip(some)
                continue
            unit = _unit(some, self._loading.wanted)
            if unit.name in self._seen:
                self._store.skip(_again(some))
                continue
            self._seen.add(unit.name)
            tally.count(some)
            tally.rows += len(some.statements)
            if self._store.digests.get(unit.name) != unit.digest and (unit.statements or self._loading.wanted is None):
                tally.differed += 1
                yield unit

    def _digest(self, difference: "_Difference") -> str:
        """Return the digest to save: none while something of the unit waits for its withdrawal or cannot be read."""
        unit = difference.unit
        if difference.gone:
            self._gone[unit.name] = tuple(statement.key for statement in difference.gone)
            self._last_digests[unit.name] = "" if difference.kept else unit.digest
        return "" if difference.gone or difference.kept else unit.digest

    def withdraw(self) -> None:
        """Withdraw what is said no more."""
        self._look_for_the_vanished()
        advisories, clock = self._loading.advisories, self._loading.clock
        for names in batched(self._gone, BATCH_NAMES):
            self._loading.pause()
            stored = advisories.statements(key for name in names for key in self._gone[name])
            withdrawals = [withdrawal(statement, clock()) for statement in stored.values() if not statement.withdrawn]
            self._store.write(names, withdrawals, stored.values())
            self._store.end({name: self._last_digests[name] for name in names})
            self._loading.tally.withdrawn += len(withdrawals)

    def _look_for_the_vanished(self) -> None:
        """Add the names that are no longer there to what is gone, until that is too much."""
        vanished = (name for name in self._store.digests if name not in self._seen)
        count = sum(map(len, self._gone.values()))
        for names in batched(vanished, BATCH_NAMES):
            if count > self._loading.limit:
                break
            stored = self._store.read(names)
            for difference in self._store.differences([_Unit(name=name) for name in names], stored):
                self._gone[difference.unit.name] = tuple(statement.key for statement in difference.gone)
                self._last_digests[difference.unit.name] = "" if difference.kept else None
                count += len(difference.gone)
        if count > self._loading.limit:
            raise TooMuchGone


# --- step by step ----------------------------------------------------------------------------------------------------


def load_steps(loading: Loading, steps: Iterable[Step], passed: Callable[[str], None]) -> None:
    """Load advisory by advisory; `passed` is told each cursor up to which everything stands.

    Raises `TooMuchGone` before the batch that would withdraw too much, and what `loading.pause` raises.
    """
    store = _Store(loading)
    tally = loading.tally
    if store.begun is not None:
        tally.rows = store.begun.rows + _standing(chain.from_iterable(store.read(store.begun.names).values()))
    for batch in _batches(steps, _weight_of_step, _id_of_step):
        loading.pause()
        units = tuple(_units(loading, store, batch))
        stored = store.read(unit.name for unit in units)
        differences = store.differences(units, stored)
        gone = [statement for some in differences for statement in some.gone]
        if tally.withdrawn + len(gone) > loading.limit:
            raise TooMuchGone
        amendments = [wanted for some in differences for wanted in some.amendments]
        amendments.extend(withdrawal(statement, loading.clock()) for statement in gone)
        store.write([unit.name for unit in units], amendments, chain.from_iterable(stored.values()))
        tally.withdrawn += len(gone)
        tally.rows += sum(map(_growth, amendments))
        passed(batch[-1].cursor)
        store.end({})
    if store.begun is not None:
        store.end({})  # the run that crashed had passed all steps


def _units(loading: Loading, store: "_Store", steps: Iterable[Step]) -> Iterator["_Unit"]:
    for step in steps:
        if isinstance(step.said, Unread):
            store.skip(step.said)
            continue
        loading.tally.count(step.said)
        loading.tally.differed += 1
        yield _unit(step.said, loading.wanted)


def _growth(wanted: Amendment) -> int:
    stood = wanted.old is not None and not wanted.old.withdrawn
    return (not wanted.new.withdrawn) - stood


# --- what both do ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """What is said under one name."""

    name: str
    statements: tuple[Statement, ...] = ()
    digest: str = ""


def _is_package(name: str) -> bool:
    """Say whether the name is a package's: an advisory's has no #."""
    return "#" in name


def _unit(said: PackageStatements | AdvisoryStatements, wanted: Callable[[PackageKey], bool] | None) -> _Unit:
    name = str(said.package) if isinstance(said, PackageStatements) else said.id
    statements = (said for said in said.statements if wanted is None or wanted(said.package))
    by_key: dict[StatementKey, Statement] = {}
    for statement in statements:
        if by_key.setdefault(statement.key, statement) != statement:
            _log.warning("contradiction left out", extra={"feed": statement.feed, "id": statement.id})
    return _Unit(name=name, statements=tuple(by_key.values()), digest=said.digest)


def _again(said: PackageStatements | AdvisoryStatements) -> Unread:
    """Return what is said a second time in one reading: the first counts, and nothing of it is withdrawn."""
    if isinstance(said, PackageStatements):
        return Unread(package=said.package)
    return Unread(id=said.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """How a unit differs from what is stored: what to write, what it says no more, and what stays as it was unread."""

    unit: _Unit
    amendments: tuple[Amendment, ...]
    gone: tuple[Statement, ...]
    kept: tuple[Statement, ...]


class _Unreads:
    """The records that could not be read, and which stored statements may be theirs."""

    def __init__(self) -> None:
        self._records: set[tuple[str, PackageKey | None]] = set()

    def add(self, record: Unread) -> None:
        self._records.add((record.id, record.package))

    def cover(self, statement: Statement) -> bool:
        """Say whether the statement stands although nothing was read that says it."""
        if not self._records:
            return False
        records = ((id_, package) for id_ in (statement.id, "") for package in (statement.package, None))
        return not self._records.isdisjoint(records)


class _Store:
    """What is stored of one part.

    `digests` are as they were when the load began; empty where it is not known what is stored.
    """

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._amend = Amend(advisories=loading.advisories, each=loading.each)
        self._unreads = _Unreads()
        self.digests = dict(loading.feeds.digests(loading.feed.name, loading.part.name))
        self.begun = loading.feeds.begun(loading.feed.name, loading.part.name)
        if self.begun is not None:
            # The statements of a run that crashed stand as far as they were written, and are compared like all others.
            self._amend.tidy(loading.feed.name, self.begun.packages)
            self.digests |= dict.fromkeys(self.begun.names, "")

    def skip(self, record: Unread) -> None:
        """Leave alone what is stored of a record that could not be read."""
        self._loading.tally.unread += 1
        self._unreads.add(record)

    # --- reading

    def read(self, names: Iterable[str]) -> Mapping[str, Sequence[Statement]]:
        """Return the statements of the part under the names, tombstones included."""
        found: dict[str, list[Statement]] = {}
        for name, statement in chain.from_iterable(self._loading.each(self._slice, batched(names, READ_SLICE))):
            found.setdefault(name, []).append(statement)
        return found

    def _slice(self, names: Sequence[str]) -> Sequence[tuple[str, Statement]]:
        advisories, feed = self._loading.advisories, self._loading.feed
        packages = [PackageKey.read(name) for name in names if _is_package(name)]
        ids = [name for name in names if not _is_package(name)]
        of_packages = ((str(said.package), said) for said in advisories.of_packages(feed.name, packages))
        of_ids = ((said.id, said) for said in advisories.of_advisories(feed.name, ids) if self._is_ours(said))
        return (*of_packages, *of_ids)

    def _is_ours(self, statement: Statement) -> bool:
        """Say whether the statement is of this part: another part may have some under the same id."""
        return self._loading.feed.speaks_for(statement.package.namespace) == self._loading.part.name

    def differences(self, units: Iterable[_Unit], stored: Mapping[str, Sequence[Statement]]) -> list[_Difference]:
        """Compare what is said with what is stored."""
        return [self._difference(unit, stored.get(unit.name, ())) for unit in units]

    def _difference(self, unit: _Unit, stored: Iterable[Statement]) -> _Difference:
        old = {statement.key: statement for statement in stored}
        amendments = []
        for new in unit.statements:
            before = old.pop(new.key, None)
            if before is None or not same(before, new):
                new_here = replace(new, first_load=self._loading.first_load)
                amendments.append(amendment(before, new_here, self._loading.clock()))
        unsaid = [statement for statement in old.values() if not statement.withdrawn]
        gone = tuple(statement for statement in unsaid if not self._stays(statement))
        kept = tuple(statement for statement in unsaid if self._stays(statement))
        return _Difference(unit=unit, amendments=tuple(amendments), gone=gone, kept=kept)

    def _stays(self, statement: Statement) -> bool:
        return self._loading.wanted is not None or self._unreads.cover(statement)

    # --- writing

    def write(self, names: Sequence[str], amendments: Sequence[Amendment], stored: Iterable[Statement]) -> None:
        """Write amendments under names that have these statements; what is stored then is known at the `end`."""
        packages = dict.fromkeys(wanted.new.package for wanted in amendments)
        elsewhere = self._loading.tally.rows - _standing(stored)
        begun = Begun(names=tuple(names), packages=tuple(packages), rows=elsewhere)
        self._loading.feeds.begin(self._loading.feed.name, self._loading.part.name, begun)
        self._amend(amendments)
        self._loading.tally.written += len(amendments)

    def end(self, digests: Mapping[str, str | None]) -> None:
        """Note that what was written stands."""
        self._loading.feeds.end(self._loading.feed.name, self._loading.part.name, digests)


def _standing(statements: Iterable[Statement]) -> int:
    return sum(not statement.withdrawn for statement in statements)


def _weight_of_unit(unit: _Unit) -> int:
    return len(unit.statements)


def _weight_of_step(step: Step) -> int:
    return 1 if isinstance(step.said, Unread) else len(step.said.statements)


def _id_of_step(step: Step) -> str:
    return step.said.id


def _name_of_unit(unit: _Unit) -> str:
    return unit.name


def _batches(items: Iterable[T], weight: Callable[[T], int], name: Callable[[T], str]) -> Iterator[list[T]]:
    """Yield items until they are so many, or have so many statements, or one comes a second time."""
    batch: list[T] = []
    names: set[str] = set()
    total = 0
    for item in items:
        if name(item) in names:
            yield batch
            batch, names, total = [], set(), 0
        batch.append(item)
        names.add(name(item))
        total += weight(item)
        if len(batch) == BATCH_NAMES or total >= BATCH_STATEMENTS:
            yield batch
            batch, names, total = [], set(), 0
    if batch:
        yield batch
