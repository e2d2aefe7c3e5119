"""`Feeds` in DynamoDB's advisories table.

| row | pk | sk | columns |
|---|---|---|---|
| part | `feed#<feed>` | part | how it stands; the lease: fence, until, holder |
| digest | `feed#<feed>#<part>` | name of a package or an advisory | digest; the name where the key is too long for it |
| begun | `feed#<feed>#<part>` | 00 | what is being written |

A part and its lease are one row, so that one conditional update is the fence. The digests of a part are one partition
of short rows, read in pages of 1 MB: some 10,000 of them at a time.
"""

import secrets
from collections.abc import Mapping

from eclair.adapters.codec import pack
from eclair.adapters.dynamodb import PIECE, Key, Row, Table
from eclair.adapters.dynamodb_keys import named, partition, utf8
from eclair.errors import LimitExceeded
from eclair.model import Begun, FeedPart, Lease

_BEGUN = b"\x00"
"""Before every name."""


class DynamoFeeds:
    """`Feeds` in the advisories table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def lease(self, feed: str, part: str, *, now: float, seconds: float) -> Lease | None:
        row = self._table.row
        # The holder lets a request whose answer was lost, and that was sent again, take its own lease once more.
        holder, until = secrets.token_urlsafe(9), now + seconds
        free = row.until.does_not_exist() | (row.until <= now) | (row.holder == holder)
        actions = [row.fence.add(1), row.until.set(until), row.holder.set(holder)]
        held = self._table.update(*_of_part(feed, part), actions, free)
        return None if held is None else Lease(feed=feed, part=part, fence=int(held.fence or 0), expires=until)

    def release(self, lease: Lease) -> None:
        row = self._table.row
        self._table.update(*_of_part(lease.feed, lease.part), [row.until.set(0)], row.fence == lease.fence)

    def parts(self, feed: str) -> tuple[FeedPart, ...]:
        rows = self._table.query(partition("feed", feed))
        return tuple(part for row in rows if (part := self._table.held(FeedPart, row)) is not None)

    def part(self, feed: str, part: str) -> FeedPart | None:
        return self._table.value(FeedPart, *_of_part(feed, part))

    def save_part(self, part: FeedPart, lease: Lease) -> bool:
        content = pack(part)
        if len(content) > PIECE:
            raise LimitExceeded(f"feed {part.feed}, part {part.name}: {len(content)} bytes packed, at most {PIECE}")
        row = self._table.row
        pk, sk = _of_part(part.feed, part.name)
        return self._table.update(pk, sk, [row.content.set(content)], row.fence == lease.fence) is not None

    def digests(self, feed: str, part: str) -> Mapping[str, str]:
        pk, columns = _of_digests(feed, part), ("sk", "package", "digest")
        rows = self._table.query(pk, self._table.row.sk > _BEGUN, columns=columns)
        return {row.package or row.sk.decode(): row.digest or "" for row in rows}

    def begin(self, feed: str, part: str, begun: Begun) -> None:
        self._table.put(self._table.holding(_of_digests(feed, part), _BEGUN, begun))

    def begun(self, feed: str, part: str) -> Begun | None:
        return self._table.value(Begun, _of_digests(feed, part), _BEGUN)

    def end(self, feed: str, part: str, digests: Mapping[str, str | None]) -> None:
        pk = _of_digests(feed, part)
        kept = (self._digest_row(pk, name, digest) for name, digest in digests.items() if digest is not None)
        gone = ((pk, named(name)) for name, digest in digests.items() if digest is None)
        self._table.write(kept, gone)
        self._table.delete(pk, _BEGUN)

    def _digest_row(self, pk: str, name: str, digest: str) -> Row:
        sk = named(name)
        return self._table.row(pk, sk, digest=digest, package=None if sk == utf8(name) else name)


def _of_digests(feed: str, part: str) -> str:
    return partition("feed", f"{feed}#{part}")


def _of_part(feed: str, part: str) -> Key:
    return partition("feed", feed), named(part)
