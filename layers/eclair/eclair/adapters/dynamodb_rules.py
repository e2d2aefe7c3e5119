"""`Rules` in DynamoDB's index table.

| row | pk | sk | columns |
|---|---|---|---|
| newest version | `B#rules` | `H` | version |
| version of the book | `B#rules` | `B#<number>` | the book; expires 400 days after it was replaced |
| waking | `B#rules` | `W` | up to which rules repositories were woken |

A version and the number of the newest are put in one transaction. A version never changes, so that who has read it
once (a function that stays warm) only asks for the number.
"""

import time

from pynamodb.transactions import TransactWrite

from eclair.adapters.dynamodb import Table
from eclair.adapters.dynamodb_keys import numbered, partition
from eclair.model import RuleBook, Waking
from eclair.ports import Clock

KEPT = 400 * 86_400
"""Seconds for which it is kept what the rules were."""
NEWEST = b"H"
WAKING = b"W"


class DynamoRules:
    """`Rules` in the index table."""

    def __init__(self, table: Table, clock: Clock = time.time) -> None:
        self._table = table
        self._clock = clock
        self._pk = partition("B", "rules")
        self._read: dict[int, RuleBook] = {}

    def book(self) -> RuleBook:
        row = self._table.get(self._pk, NEWEST)
        version = int(row.version or 0) if row else 0
        return self.at(version) or RuleBook()

    def at(self, version: int) -> RuleBook | None:
        if not version:
            return RuleBook()
        if version not in self._read:
            found = self._table.value(RuleBook, self._pk, numbered(b"B", version))
            if found is None:
                return None
            self._read = {known: book for known, book in self._read.items() if known >= version - 1} | {version: found}
        return self._read[version]

    def save(self, book: RuleBook) -> bool:
        row = self._table.row
        new = self._table.holding(self._pk, numbered(b"B", book.version), book)
        before = book.version - 1

        def write(transaction: TransactWrite) -> None:
            transaction.save(new, condition=row.pk.does_not_exist())
            transaction.update(
                row(self._pk, NEWEST),
                [row.version.set(book.version)],
                condition=row.version == before if before else row.pk.does_not_exist(),
            )

        if not self._table.transact(write):
            self._table.discard(new)
            return False
        if before:
            expires = int(self._clock()) + KEPT
            self._table.update(self._pk, numbered(b"B", before), [row.expires.set(expires)], row.pk.exists())
        return True

    def waking(self) -> Waking:
        return self._table.value(Waking, self._pk, WAKING) or Waking()

    def save_waking(self, waking: Waking) -> None:
        self._table.put(self._table.holding(self._pk, WAKING, waking))
