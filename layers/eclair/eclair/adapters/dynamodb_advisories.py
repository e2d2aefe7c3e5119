"""`Advisories` in DynamoDB's advisories table.

| row | pk | sk | columns |
|---|---|---|---|
| statement | `V#<feed>#<id>` | package key | the statement, seq |
| range | `A#<package key>` | `upper‖00‖feed#id#<digest of lower>` | feed, advisory, lower, upper |
| vulnerability | `C#<vulnerability>` | `<feed>#<id>#<package key>` | feed, advisory, package |
| inventory | `O#<feed>#<id>` | package key | the ranges and vulnerabilities that have rows |

Ranges are keyed by their end, so that one query from an installed version's key on finds all that end after it. The
inventory is written before the rows it lists: the stale rows of a statement are found at the cost of that statement,
not of all that is said of the package (several thousand ranges for a Linux kernel).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eclair.adapters.codec import pack
from eclair.adapters.dynamodb import PIECE, Key, Row, Table
from eclair.adapters.dynamodb_keys import framed, lower_argument, named, package_key, partition
from eclair.errors import LimitExceeded
from eclair.model import UNREADABLE, KeyRange, PackageKey, Page, Statement, StatementKey

_LEAD = ("feed", "advisory")
_ENDS = ("lower", "upper")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inventory:
    """What there are rows of for one statement; some may not be written yet."""

    ranges: tuple[KeyRange, ...] = ()
    vulnerabilities: tuple[str, ...] = ()

    def with_(self, other: "_Inventory") -> "_Inventory":
        return _Inventory(
            ranges=tuple(dict.fromkeys((*self.ranges, *other.ranges))),
            vulnerabilities=tuple(dict.fromkeys((*self.vulnerabilities, *other.vulnerabilities))),
        )


class DynamoAdvisories:
    """`Advisories` in the advisories table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # --- reading -----------------------------------------------------------------------------------------------------

    def candidates(self, package: PackageKey, key: bytes) -> tuple[StatementKey, ...]:
        pk = partition("A", str(package))
        if key == UNREADABLE:
            return _keys(package, self._table.query(pk, columns=_LEAD))
        after = self._table.row.sk >= lower_argument(key + b"\x00")
        rows = self._table.query(pk, after, columns=(*_LEAD, *_ENDS))
        return _keys(package, (row for row in rows if key in _range(row)))

    def statements(self, keys: Iterable[StatementKey]) -> Mapping[StatementKey, Statement]:
        asked = {_of_statement(key): key for key in keys}
        rows = self._table.get_all(asked)
        found = ((asked[key], self._table.held(Statement, row)) for key, row in rows.items())
        return {key: statement for key, statement in found if statement is not None}

    def stated(self, feed: str, package: PackageKey) -> tuple[Statement, ...]:
        rows = self._table.query(partition("A", str(package)), columns=_LEAD)
        keys = _keys(package, (row for row in rows if row.feed == feed))
        said = self.statements(keys)
        return tuple(said[key] for key in keys if key in said)

    def about(self, vulnerability: str, *, page: str | None = None, limit: int = 100) -> Page[Statement]:
        rows, following = self._table.page(partition("C", vulnerability), page=page, limit=limit)
        keys = [StatementKey(feed=row.feed or "", id=row.advisory or "", package=_package(row)) for row in rows]
        said = self.statements(keys)
        found = (said[key] for key in keys if key in said and not said[key].withdrawn)
        return Page(items=tuple(found), next=following)

    # --- writing -----------------------------------------------------------------------------------------------------

    def put_ranges(self, statement: Statement, ranges: Sequence[KeyRange]) -> None:
        stored = self._inventory(statement.key)
        wanted = _Inventory(ranges=tuple(ranges), vulnerabilities=statement.vulnerabilities)
        listed = stored.with_(wanted)
        if listed != stored:
            self._save_inventory(statement.key, listed)
        rows = {row.key: row for row in self._rows(statement.key, wanted)}
        if stored == _Inventory():
            self._table.write(rows.values())
            return
        there = self._table.get_all(rows, columns=("pk", "sk"))
        self._table.write(row for key, row in rows.items() if key not in there)

    def put_statement(self, statement: Statement) -> bool:
        content = pack(statement)
        if len(content) > PIECE:
            raise LimitExceeded(
                f"statement {statement.feed} {statement.id} on {statement.package}: {len(content)} bytes packed,"
                f" at most {PIECE} can be streamed; split it in the feed"
            )
        model = self._table.row
        row = model(*_of_statement(statement.key), content=content, seq=statement.seq)
        first = statement.seq == 1
        if self._table.put(row, model.seq.does_not_exist() if first else model.seq == statement.seq - 1):
            return True
        return self._table.value(Statement, *row.key) == statement

    def delete_stale_ranges(self, statement: Statement, ranges: Sequence[KeyRange]) -> None:
        stored = self._inventory(statement.key)
        vulnerabilities = () if statement.withdrawn else statement.vulnerabilities
        wanted = _Inventory(ranges=tuple(dict.fromkeys(ranges)), vulnerabilities=vulnerabilities)
        kept = {row.key for row in self._rows(statement.key, wanted)}
        stale = [row.key for row in self._rows(statement.key, stored) if row.key not in kept]
        if stale:
            self._table.write(deletes=stale)
            self._save_inventory(statement.key, wanted)

    def _inventory(self, key: StatementKey) -> _Inventory:
        return self._table.value(_Inventory, *_of_inventory(key)) or _Inventory()

    def _save_inventory(self, key: StatementKey, inventory: _Inventory) -> None:
        self._table.put(self._table.holding(*_of_inventory(key), inventory))

    def _rows(self, key: StatementKey, inventory: _Inventory) -> Iterator[Row]:
        """Yield the rows that lead to a statement, by version and by vulnerability."""
        row = self._table.row
        pk = partition("A", str(key.package))
        for keys in inventory.ranges:
            lower = hashlib.sha256(keys.lower).hexdigest()[:16]
            sk = framed(keys.upper, f"{key.feed}#{key.id}#{lower}")
            yield row(pk, sk, feed=key.feed, advisory=key.id, lower=keys.lower, upper=keys.upper)
        sk = named(key.feed, key.id, str(key.package))
        for vulnerability in inventory.vulnerabilities:
            pk = partition("C", vulnerability)
            yield row(pk, sk, feed=key.feed, advisory=key.id, package=str(key.package))


def _of_statement(key: StatementKey) -> Key:
    return partition("V", f"{key.feed}#{key.id}"), named(str(key.package))


def _of_inventory(key: StatementKey) -> Key:
    return partition("O", f"{key.feed}#{key.id}"), named(str(key.package))


def _range(row: Row) -> KeyRange:
    return KeyRange(lower=row.lower or b"", upper=row.upper or b"")


def _package(row: Row) -> PackageKey:
    return package_key(row.package or "")


def _keys(package: PackageKey, rows: Iterable[Row]) -> tuple[StatementKey, ...]:
    """Return the statements that range rows lead to, each once."""
    found = {StatementKey(feed=row.feed or "", id=row.advisory or "", package=package) for row in rows}
    return tuple(sorted(found))
