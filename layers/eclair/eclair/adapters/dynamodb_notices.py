"""`Notices` in DynamoDB's index table.

| row | pk | sk | columns |
|---|---|---|---|
| waiting delta | `O#<repository>` | key | what waits; deleted when it is sent |
| its memory | `W#<repository>` | key | expires 35 days after it was put |
| notice | `N#<repository>` | sequence number | the notice, published |
| standing | `Q#<repository>` | `S` | under which rules it was told, rev |

Row and memory are put in one transaction, if the memory is not there. So what waits is found without reading what was
sent, and a repeat finds that it was there, sent or not. A notice and the standing that it leads to are put in one, too.
"""

from collections.abc import Sequence
from dataclasses import replace

from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from eclair.adapters.dynamodb import Row, Table
from eclair.adapters.dynamodb_keys import named, numbered, partition
from eclair.model import Notice, Repository, Standing, Waiting

STANDING = b"S"

MEMORY = 35 * 86_400
"""Seconds for which a repeat is recognised: longer than any queue keeps a message."""


class DynamoNotices:
    """`Notices` in the index table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put_waiting(self, waiting: Waiting) -> bool:
        key = named(waiting.key)
        new = self._table.holding(partition("O", waiting.repository), key, waiting)
        memory = self._table.row(partition("W", waiting.repository), key, expires=int(waiting.put) + MEMORY)

        def write(transaction: TransactWrite) -> None:
            transaction.save(memory, condition=self._table.row.pk.does_not_exist())
            transaction.save(new)

        stands = self._table.transact(write)
        if not stands:
            self._table.discard(new)
        return stands

    def waiting(self, repository: Repository, *, after: str = "", limit: int = 1000) -> tuple[Waiting, ...]:
        rows = self._table.query(partition("O", repository), limit=limit, after=named(after) if after else None)
        return tuple(waiting for row in rows if (waiting := self._table.held(Waiting, row)) is not None)

    def mark_sent(self, repository: Repository, keys: Sequence[str]) -> None:
        pk = partition("O", repository)
        rows = self._table.get_all(((pk, named(key)) for key in keys), columns=("pk", "sk", "rest"))
        self._table.write(deletes=rows)
        for row in rows.values():
            self._table.discard(row)

    def last_notice(self, repository: Repository) -> Notice | None:
        row = next(self._table.query(partition("N", repository), newest_first=True, limit=1), None)
        notice = self._table.held(Notice, row)
        return replace(notice, published=bool(row.published)) if notice and row else None

    def put_notice(self, notice: Notice) -> bool:
        standing = notice.standing
        new = self._row(notice)
        if standing is None:
            return self._table.put_new(new)

        def write(transaction: TransactWrite) -> None:
            transaction.save(new, condition=self._table.row.pk.does_not_exist())
            transaction.save(self._standing(standing), condition=self._stood(standing.rev - 1))

        stands = self._table.transact(write)
        if not stands:
            self._table.discard(new)
        return stands

    def standing(self, repository: Repository) -> Standing:
        found = self._table.value(Standing, partition("Q", repository), STANDING)
        return found or Standing(repository=repository)

    def save_standing(self, standing: Standing) -> bool:
        return self._table.put_over(self._standing(standing), self._stood(standing.rev - 1))

    def _standing(self, standing: Standing) -> Row:
        return self._table.holding(partition("Q", standing.repository), STANDING, standing, rev=standing.rev)

    def _stood(self, rev: int) -> Condition:
        row = self._table.row
        stood: Condition = row.rev == rev if rev else row.pk.does_not_exist()
        return stood

    def _row(self, notice: Notice) -> Row:
        pk, sk = partition("N", notice.repository), numbered(b"N", notice.sequence)
        return self._table.holding(pk, sk, notice, published=notice.published)

    def mark_published(self, repository: Repository, sequence: int) -> None:
        row = self._table.row
        pk, sk = partition("N", repository), numbered(b"N", sequence)
        self._table.update(pk, sk, [row.published.set(True)], row.pk.exists())
