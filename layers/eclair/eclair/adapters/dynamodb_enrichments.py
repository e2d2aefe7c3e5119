"""`Enrichments` in DynamoDB's advisories table.

| row | pk | sk | columns |
|---|---|---|---|
| block | `E#<feed>` | block | JSON by vulnerability, packed |
"""

from collections.abc import Collection, Iterator, Mapping

import orjson
import zstandard

from eclair.adapters.codec import decode, pack
from eclair.adapters.dynamodb import PIECE, Row, Table
from eclair.adapters.dynamodb_keys import named, partition
from eclair.errors import LimitExceeded
from eclair.model import Enrichment


class DynamoEnrichments:
    """`Enrichments` in the advisories table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, feeds: Collection[str], blocks: Mapping[str, Collection[str]]) -> Mapping[str, Enrichment]:
        asked = {(partition("E", feed), named(block)): wanted for feed in feeds for block, wanted in blocks.items()}
        rows = self._table.get_all(asked)
        found: dict[str, Enrichment] = {}
        for key in sorted(rows):
            for name, said in _said(rows[key], asked[key]):
                found[name] = found.get(name, Enrichment()).with_(said)
        return found

    def save(self, feed: str, blocks: Mapping[str, Mapping[str, Enrichment]]) -> None:
        pk = partition("E", feed)
        puts = [self._row(pk, name, said) for name, said in blocks.items() if said]
        self._table.write(puts, [(pk, named(name)) for name, said in blocks.items() if not said])

    def _row(self, pk: str, name: str, said: Mapping[str, Enrichment]) -> Row:
        content = pack(dict(said))
        if len(content) > PIECE:
            raise LimitExceeded(f"block {name} of {pk}: {len(content)} bytes packed, at most {PIECE}")
        return self._table.row(pk, named(name), content=content)


def _said(row: Row, wanted: Collection[str]) -> Iterator[tuple[str, Enrichment]]:
    """Yield what a block says of those that are wanted; the others are not made values of."""
    for name, said in orjson.loads(zstandard.decompress(row.content or b"")).items():
        if name in wanted:
            yield name, decode(Enrichment, orjson.dumps(said))
