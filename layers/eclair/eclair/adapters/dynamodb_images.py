"""`Images` and `Layers` in DynamoDB's index table.

| row | pk | sk | columns |
|---|---|---|---|
| image | `I#<digest>` | `M` | the image, rev |
| membership | `I#<digest>` | `R#<repository>` | digest, repository, tags, joined |
| the same | `R#<repository>` | `I#<digest>` | digest, repository, tags, joined |
| tag | `R#<repository>` | `T#<name>` | the tag, time |
| repository | `R#<00 to 15>` | repository | |
| layer | `L#<digest>` | `M` | the layer, as the last analysers read it |

A membership stands twice, written in one transaction, so that each direction is one query and neither is ever ahead;
tags are a set that is added to and deleted from, so that concurrent events merge.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from eclair.adapters.dynamodb import Row, Table
from eclair.adapters.dynamodb_keys import named, partition, utf8
from eclair.errors import BadRequest
from eclair.model import Digest, Image, Layer, Membership, Page, Repository, Tag

RESULT = b"M"

SHARDS = 16
"""Partitions over which the list of repositories is spread; a repository's name holds a `/`, a shard's does not."""


class DynamoImages:
    """`Images` in the index table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def image(self, digest: Digest) -> Image | None:
        row = self._table.get(partition("I", digest), b"M")
        image = self._table.held(Image, row)
        return replace(image, rev=int(row.rev or 0)) if image and row else None

    def save_image(self, image: Image) -> bool:
        row = self._table.holding(partition("I", image.digest), b"M", image, rev=image.rev + 1)
        seen = self._table.row.rev == image.rev if image.rev else self._table.row.pk.does_not_exist()
        return self._table.put_over(row, seen)

    def memberships(self, digest: Digest) -> tuple[Membership, ...]:
        rows = self._table.query(partition("I", digest), self._table.row.beginning(b"R#"))
        return tuple(_membership(row) for row in rows)

    def members_of(self, repository: Repository, *, page: str | None = None, limit: int = 100) -> Page[Membership]:
        condition = self._table.row.beginning(b"I#")
        rows, following = self._table.page(partition("R", repository), condition, page=page, limit=limit)
        return Page(items=tuple(_membership(row) for row in rows), next=following)

    def repositories(self, *, page: str | None = None, limit: int = 100) -> Page[Repository]:
        shard, after = _position(page)
        found: list[Repository] = []
        while shard < SHARDS:
            rows, more = self._table.page(_shard(shard), page=after, limit=limit - len(found), lagging=True)
            found += [Repository(row.repository or "") for row in rows]
            if more is not None:
                return Page(items=tuple(found), next=f"{shard}.{more}")
            shard, after = shard + 1, None
            if len(found) == limit:
                break
        return Page(items=tuple(found), next=f"{shard}." if shard < SHARDS else None)

    def memberships_in(self, repository: Repository, digests: Iterable[Digest]) -> Mapping[Digest, Membership]:
        rows = self._table.get_all((partition("I", digest), named("R", repository)) for digest in digests)
        found = map(_membership, rows.values())
        return {member.digest: member for member in found}

    def add_membership(
        self, digest: Digest, repository: Repository, tag: str | None = None, *, now: float = 0.0
    ) -> None:
        self._list(repository)
        row = self._table.row
        actions: list[Action] = [
            row.digest.set(digest),
            row.repository.set(repository),
            row.joined.set(row.joined | now),
        ]
        if tag is not None:
            actions.append(row.tags.add({tag}))

        def write(transaction: TransactWrite) -> None:
            for half in self._halves(digest, repository):
                transaction.update(half, actions)

        self._table.transact(write)

    def remove_tag(self, digest: Digest, repository: Repository, tag: str) -> None:
        row = self._table.row

        def write(transaction: TransactWrite) -> None:
            for half in self._halves(digest, repository):
                transaction.update(half, [row.tags.delete({tag})], condition=row.pk.exists())

        self._table.transact(write)

    def remove_membership(self, digest: Digest, repository: Repository) -> None:
        def write(transaction: TransactWrite) -> None:
            for half in self._halves(digest, repository):
                transaction.delete(half)

        self._table.transact(write)

    def _halves(self, digest: Digest, repository: Repository) -> tuple[Row, Row]:
        row = self._table.row
        return (
            row(partition("I", digest), named("R", repository)),
            row(partition("R", repository), named("I", digest)),
        )

    def _list(self, repository: Repository) -> None:
        """Put the repository on the list; it is read first, because it is there but for the first time."""
        shard, name = _shard(hashlib.sha256(utf8(repository)).digest()[0] % SHARDS), named(repository)
        if self._table.get(shard, name, lagging=True) is None:
            self._table.put(self._table.row(shard, name, repository=repository))

    def tag(self, repository: Repository, name: str) -> Tag | None:
        return self._table.value(Tag, partition("R", repository), named("T", name))

    def tags(self, repository: Repository) -> tuple[Tag, ...]:
        rows = self._table.query(partition("R", repository), self._table.row.beginning(b"T#"))
        return tuple(tag for row in rows if (tag := self._table.held(Tag, row)) is not None)

    def put_tag(self, tag: Tag) -> bool:
        row = self._table.holding(partition("R", tag.repository), named("T", tag.name), tag, time=tag.time)
        return self._table.put(row, self._not_later_than(tag.time))

    def delete_tag(self, repository: Repository, name: str, time: float) -> bool:
        return self._table.delete(partition("R", repository), named("T", name), self._not_later_than(time))

    def _not_later_than(self, time: float) -> Condition:
        row = self._table.row
        stands: Condition = row.pk.does_not_exist() | (row.time <= time)
        return stands


class DynamoLayers:
    """`Layers` in the index table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def layer(self, digest: Digest) -> Layer | None:
        return self._table.value(Layer, partition("L", digest), RESULT)

    def save_layer(self, layer: Layer) -> None:
        self._table.put(self._table.holding(partition("L", layer.digest), RESULT, layer))


def _membership(row: Row) -> Membership:
    return Membership(
        digest=Digest(row.digest or ""),
        repository=Repository(row.repository or ""),
        tags=tuple(sorted(row.tags or ())),
        joined=float(row.joined or 0),
    )


def _shard(number: int) -> str:
    return partition("R", f"{number:02}")


def _position(page: str | None) -> tuple[int, str | None]:
    """Return the shard, and the page within it, at which a page of repositories begins. Raises `BadRequest`."""
    if page is None:
        return 0, None
    shard, _, after = page.partition(".")
    if not (shard.isascii() and shard.isdecimal() and len(shard) <= 2):
        raise BadRequest(f"page {page[:40]!r}: not a token of ours; send `next` of the page before as it was")
    return int(shard), after or None
