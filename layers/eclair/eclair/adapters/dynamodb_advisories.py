"""`Advisories` in DynamoDB's advisories table.

| row | pk | sk | columns |
|---|---|---|---|
| statement | `V#<feed>#<id>` | package key`[‖00‖stream]` | the statement, seq |
| history | `H#<feed>#<id>#<package key>#<stream>` | seq | what the statement said before; expires |
| range | `A#<package key>` | `upper‖00‖feed#id#<digest of lower and stream>` | feed, advisory, stream, lower, upper |
| vulnerability | `C#<vulnerability>` | `<feed>#<id>` | feed, advisory |

Ranges are keyed by their end, so that one query from an installed version's key on finds all that end after it. Rows of
ranges and vulnerabilities are hints: the statements they lead to decide. A vulnerability leads to an advisory, not to
each of its statements: a CVE in five releases of a package is one row. Such rows stay when the last statement is
withdrawn, so that its history is found.
"""

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from eclair.adapters.codec import pack
from eclair.adapters.dynamodb import PIECE, Key, Row, Table
from eclair.adapters.dynamodb_keys import LONGEST_SORT_KEY, framed, lower_argument, named, partition
from eclair.errors import BadRequest, LimitExceeded
from eclair.model import UNREADABLE, Amendment, KeyRange, PackageKey, Page, Statement, StatementKey

SINGLY = 20
"""Up to so many statements are put one by one, more in transactions: these cost twice the write units."""
TRANSACTION = 100
TRANSACTION_BYTES = 3_500_000
"""Of the packed statements of a transaction, which may have 4 MB in all."""
MOST_LEADS = 50_000
"""So many vulnerability rows, which are never deleted, are remembered and not put again."""

_LEAD = ("feed", "advisory", "stream")
_ENDS = ("lower", "upper")


class DynamoAdvisories:
    """`Advisories` in the advisories table; history is kept for so many seconds (0: for ever)."""

    def __init__(self, table: Table, *, keep: float = 0.0) -> None:
        self._table = table
        self._keep = keep
        self._put_leads: set[Key] = set()

    # --- reading -----------------------------------------------------------------------------------------------------

    def candidates(self, package: PackageKey, key: bytes) -> tuple[StatementKey, ...]:
        pk = partition("A", str(package))
        if key == UNREADABLE:
            rows = self._table.query(pk, columns=_LEAD)
            return _each_once(_statement_key(package, row) for row in rows)
        after = self._table.row.sk >= lower_argument(key + b"\x00")
        rows = self._table.query(pk, after, columns=(*_LEAD, *_ENDS))
        return _each_once(_statement_key(package, row) for row in rows if key in _range(row))

    def statements(self, keys: Iterable[StatementKey]) -> Mapping[StatementKey, Statement]:
        asked = {_of_statement(key): key for key in keys}
        rows = self._table.get_all(asked)
        found = ((asked[key], self._table.held(Statement, row)) for key, row in rows.items())
        return {key: statement for key, statement in found if statement is not None}

    def of_packages(self, feed: str, packages: Iterable[PackageKey]) -> tuple[Statement, ...]:
        keys = _each_once(
            _statement_key(package, row)
            for package in packages
            for row in self._table.query(partition("A", str(package)), columns=_LEAD)
            if row.feed == feed
        )
        said = self.statements(keys)
        return tuple(said[key] for key in keys if key in said)

    def of_advisories(self, feed: str, ids: Iterable[str]) -> tuple[Statement, ...]:
        return tuple(statement for id_ in ids for _, statement in self._under(feed, id_))

    def _under(self, feed: str, id_: str, after: bytes | None = None) -> Iterator[tuple[bytes, Statement]]:
        """Yield the statements under an advisory id with their sort keys."""
        for row in self._table.query(partition("V", f"{feed}#{id_}"), after=after):
            statement = self._table.held(Statement, row)
            if statement is not None:
                yield row.sk, statement

    def ranges(self, feed: str, packages: Iterable[PackageKey]) -> Mapping[StatementKey, tuple[KeyRange, ...]]:
        found: dict[StatementKey, list[KeyRange]] = {}
        for package in packages:
            for row in self._table.query(partition("A", str(package)), columns=(*_LEAD, *_ENDS)):
                if row.feed == feed:
                    found.setdefault(_statement_key(package, row), []).append(_range(row))
        return {key: tuple(ranges) for key, ranges in found.items()}

    def about(self, vulnerability: str, *, page: str | None = None, limit: int = 100) -> Page[Statement]:
        place = _Place.read(page)
        found = list(islice(self._about(vulnerability, place), limit + 1))
        here = tuple(statement for _, statement in found[:limit])
        return Page(items=here, next=found[limit - 1][0].token if len(found) > limit else None)

    def _about(self, vulnerability: str, place: "_Place") -> Iterator[tuple["_Place", Statement]]:
        """Yield the statements after a place: advisory by advisory, each with its own place."""
        pk = partition("C", vulnerability)
        onwards = self._table.row.sk >= place.advisory if place.advisory else None
        for lead in self._table.query(pk, onwards):
            after = place.statement if lead.sk == place.advisory else None
            for sk, statement in self._under(lead.feed or "", lead.advisory or "", after):
                if not statement.withdrawn and vulnerability in statement.vulnerabilities:
                    yield _Place(lead.sk, sk), statement

    def ever_about(self, vulnerability: str, packages: Collection[PackageKey]) -> tuple[Statement, ...]:
        leads = self._table.query(partition("C", vulnerability))
        under = ((lead.feed or "", lead.advisory or "") for lead in leads)
        said = (statement for feed, id_ in under for _, statement in self._under(feed, id_))
        return tuple(statement for statement in said if statement.package in packages)

    def before(self, statement: Statement) -> tuple[Statement, ...]:
        pk, sk = _of_history(statement)
        rows = self._table.query(pk, self._table.row.sk < sk)
        return tuple(said for row in rows if (said := self._table.held(Statement, row)) is not None)

    # --- writing -----------------------------------------------------------------------------------------------------

    def put_ranges(self, amendments: Sequence[Amendment]) -> None:
        leads = dict(lead for wanted in amendments for lead in self._leads(wanted) if lead[0] not in self._put_leads)
        others = (row for wanted in amendments for row in self._other_rows(wanted))
        self._table.write((*leads.values(), *others))
        if len(self._put_leads) > MOST_LEADS:
            self._put_leads.clear()
        self._put_leads.update(leads)

    def _leads(self, wanted: Amendment) -> Iterator[tuple[Key, Row]]:
        """Yield the rows that lead from vulnerabilities to the advisory."""
        known = () if wanted.old is None or wanted.old.withdrawn else wanted.old.vulnerabilities
        for vulnerability in () if wanted.new.withdrawn else wanted.new.vulnerabilities:
            if vulnerability not in known:
                key = partition("C", vulnerability), named(wanted.new.feed, wanted.new.id)
                yield key, self._table.row(*key, feed=wanted.new.feed, advisory=wanted.new.id)

    def _other_rows(self, wanted: Amendment) -> Iterator[Row]:
        """Yield the other rows that have to be there before a statement is."""
        yield from self._range_rows(wanted.new.key, wanted.ranges)
        if wanted.old is not None:
            expires = int(wanted.new.changed + self._keep) if self._keep else None
            yield self._table.row(*_of_history(wanted.old), content=pack(wanted.old), expires=expires)

    def put_statements(self, amendments: Sequence[Amendment]) -> tuple[Amendment, ...]:
        refused: list[Amendment] = []
        for group in _transactions([(wanted, self._statement_row(wanted.new)) for wanted in amendments]):
            if len(group) <= SINGLY or not self._put_together([row for _, row in group]):
                refused.extend(wanted for wanted, row in group if not self._put(wanted.new, row))
        return tuple(refused)

    def _statement_row(self, statement: Statement) -> Row:
        content = pack(statement)
        if len(content) > PIECE:
            raise LimitExceeded(
                f"statement {statement.feed} {statement.id} on {statement.package}: {len(content)} bytes packed,"
                f" at most {PIECE} can be streamed; split it in the feed"
            )
        return self._table.row(*_of_statement(statement.key), content=content, seq=statement.seq)

    def _put_together(self, rows: Sequence[Row]) -> bool:
        def compose(transaction: TransactWrite) -> None:
            for row in rows:
                transaction.save(row, condition=self._follows(row))

        return self._table.transact(compose)

    def _put(self, statement: Statement, row: Row) -> bool:
        return self._table.put(row, self._follows(row)) or self._table.value(Statement, *row.key) == statement

    def _follows(self, row: Row) -> Condition:
        seq = self._table.row.seq
        return seq.does_not_exist() if row.seq == 1 else seq == (row.seq or 0) - 1

    def delete_ranges(self, stale: Mapping[StatementKey, Sequence[KeyRange]]) -> None:
        rows = (row for key, ranges in stale.items() for row in self._range_rows(key, ranges))
        self._table.write(deletes=[row.key for row in rows])

    def _range_rows(self, key: StatementKey, ranges: Iterable[KeyRange]) -> Iterator[Row]:
        pk = partition("A", str(key.package))
        for keys in ranges:
            apart = hashlib.sha256(keys.lower + b"\x00" + key.stream.encode()).hexdigest()[:16]
            yield self._table.row(
                pk,
                framed(keys.upper, f"{key.feed}#{key.id}#{apart}"),
                feed=key.feed,
                advisory=key.id,
                stream=key.stream or None,
                lower=keys.lower,
                upper=keys.upper,
            )


def _transactions(pairs: Sequence[tuple[Amendment, Row]]) -> Iterator[list[tuple[Amendment, Row]]]:
    """Yield as many rows at a time as one transaction may have."""
    group: list[tuple[Amendment, Row]] = []
    size = 0
    for wanted, row in pairs:
        length = len(row.content or b"")
        if group and (len(group) == TRANSACTION or size + length > TRANSACTION_BYTES):
            yield group
            group, size = [], 0
        group.append((wanted, row))
        size += length
    if group:
        yield group


class _Place:
    """A place among the statements about a vulnerability: the sort keys of a vulnerability row and of a statement."""

    def __init__(self, advisory: bytes = b"", statement: bytes = b"") -> None:
        self.advisory = advisory
        self.statement = statement

    @property
    def token(self) -> str:
        packed = len(self.advisory).to_bytes(2, "big") + self.advisory + self.statement
        return base64.urlsafe_b64encode(packed).decode("ascii")

    @staticmethod
    def read(token: str | None) -> "_Place":
        if token is None:
            return _Place()
        refused = BadRequest(f"page {token[:100]!r}: not a token of ours; send `next` of the page before as it was")
        try:
            packed = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise refused from error
        length = int.from_bytes(packed[:2], "big")
        advisory, statement = packed[2 : 2 + length], packed[2 + length :]
        if not (0 < len(advisory) <= LONGEST_SORT_KEY and 0 < len(statement) <= LONGEST_SORT_KEY):
            raise refused
        return _Place(advisory, statement)


def _of_statement(key: StatementKey) -> Key:
    package = f"{key.package}\x00{key.stream}" if key.stream else str(key.package)
    return partition("V", f"{key.feed}#{key.id}"), named(package)


def _of_history(statement: Statement) -> Key:
    name = f"{statement.feed}#{statement.id}#{statement.package}#{statement.stream}"
    return partition("H", name), statement.seq.to_bytes(8, "big")


def _range(row: Row) -> KeyRange:
    return KeyRange(lower=row.lower or b"", upper=row.upper or b"")


def _statement_key(package: PackageKey, row: Row) -> StatementKey:
    return StatementKey(feed=row.feed or "", id=row.advisory or "", package=package, stream=row.stream or "")


def _each_once(keys: Iterable[StatementKey]) -> tuple[StatementKey, ...]:
    return tuple(sorted(frozenset(keys)))
