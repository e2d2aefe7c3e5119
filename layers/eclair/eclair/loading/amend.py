"""Store what changed of a feed's statements, in the order that readers rely on.

Per statement: the range rows it needs and what it replaces, then the statement (only if the one stored has the number
before), then its stale range rows go. Whoever reads a range row confirms it by the statement. So at every moment, and
after a crash between any two of these steps, what is found is what one of the two statements says.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Protocol, TypeVar

from eclair.errors import Unavailable
from eclair.model import Amendment, PackageKey, Statement
from eclair.ports import Advisories
from eclair.verdict import key_ranges

SLICE = 100
"""How many statements are stored by one writer before it takes the next ones: as many as one transaction may have."""
ATTEMPTS = 5
"""How often a statement is numbered anew because the one stored has another number than was read."""

A = TypeVar("A")
B = TypeVar("B")


class Each(Protocol):
    """Apply a function to each item, in turn (`map`) or side by side (a thread pool's map)."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]: ...


def amendment(old: Statement | None, new: Statement, now: float) -> Amendment:
    """Return how the old statement is replaced by the new one, which is numbered and dated."""
    had, needs = key_ranges(old) if old else (), key_ranges(new)
    numbered = replace(new, seq=old.seq + 1 if old else 1, first_seen=old.first_seen if old else now, changed=now)
    return Amendment(
        new=numbered,
        ranges=tuple(keys for keys in needs if keys not in had),
        old=old,
        stale=tuple(keys for keys in had if keys not in needs),
    )


def withdrawal(old: Statement, now: float) -> Amendment:
    """Return how a statement is withdrawn."""
    return amendment(old, replace(old, withdrawn=True, first_load=False), now)


def _advisory(wanted: Amendment) -> str:
    return wanted.new.id


def same(old: Statement, new: Statement) -> bool:
    """Say whether two statements mean the same, whatever their number, revision and age."""
    return _undated(old) == _undated(new)


def _undated(statement: Statement) -> Statement:
    return replace(statement, seq=0, revision="", first_load=False, first_seen=0.0, changed=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """The writer over its port."""

    advisories: Advisories
    each: Each = map

    def __call__(self, amendments: Sequence[Amendment]) -> None:
        """Store them all; they may be stored side by side, as no two are of one statement.

        Raises `Unavailable` where another writer keeps changing one of them.
        """
        # Those of one advisory side by side: the row that leads to it from its vulnerability is then put once.
        amendments = sorted(amendments, key=_advisory)
        for _ in range(ATTEMPTS):
            refused = tuple(chain.from_iterable(self.each(self._write, batched(amendments, SLICE))))
            if not refused:
                return
            # A statement that was withdrawn has no range row by which it would have been found.
            amendments = list(self._anew(refused))
        keys = ", ".join(f"{wanted.new.feed} {wanted.new.id}" for wanted in amendments[:3])
        raise Unavailable(f"{keys}: another writer changed what is stored {ATTEMPTS} times; deliver again later")

    def tidy(self, feed: str, packages: Iterable[PackageKey]) -> None:
        """Delete the range rows that a writer who crashed left behind."""
        found = self.advisories.ranges(feed, packages)
        said = self.advisories.statements(found)
        needed = {key: key_ranges(statement) for key, statement in said.items()}
        stale = {
            key: tuple(keys for keys in ranges if keys not in needed.get(key, ())) for key, ranges in found.items()
        }
        self.advisories.delete_ranges({key: ranges for key, ranges in stale.items() if ranges})

    def _write(self, amendments: Sequence[Amendment]) -> tuple[Amendment, ...]:
        """Store some of them, and return those whose statement was refused."""
        self.advisories.put_ranges(amendments)
        refused = self.advisories.put_statements(amendments)
        left = frozenset(wanted.new.key for wanted in refused)
        stale = {done.new.key: done.stale for done in amendments if done.stale and done.new.key not in left}
        if stale:
            self.advisories.delete_ranges(stale)
        return refused

    def _anew(self, refused: Sequence[Amendment]) -> Iterator[Amendment]:
        stored = self.advisories.statements(wanted.new.key for wanted in refused)
        for wanted in refused:
            old = stored.get(wanted.new.key)
            if old is None or not same(old, wanted.new):
                yield amendment(old, wanted.new, wanted.new.changed)


def batched(items: Iterable[A], size: int) -> Iterator[tuple[A, ...]]:
    """Yield the items, so many at a time."""
    rest = iter(items)
    while batch := tuple(islice(rest, size)):
        yield batch
