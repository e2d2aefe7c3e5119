"""`Feeds` in DynamoDB's advisories table.

| row | pk | sk | columns |
|---|---|---|---|
| part | `feed#<feed>` | part | how it stands; the lease: fence, until, holder |
| digest | `feed#<feed>#<part>` | package key | package, digest |

A part and its lease are one row, so that one conditional update is the fence.
"""

import secrets
from collections.abc import Mapping

from eclair.adapters.codec import pack
from eclair.adapters.dynamodb import PIECE, Key, Table
from eclair.adapters.dynamodb_keys import named, package_key, partition
from eclair.errors import LimitExceeded
from eclair.model import FeedPart, Lease, PackageKey


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

    def save_part(self, part: FeedPart, lease: Lease) -> bool:
        content = pack(part)
        if len(content) > PIECE:
            raise LimitExceeded(f"feed {part.feed}, part {part.name}: {len(content)} bytes packed, at most {PIECE}")
        row = self._table.row
        pk, sk = _of_part(part.feed, part.name)
        return self._table.update(pk, sk, [row.content.set(content)], row.fence == lease.fence) is not None

    def digests(self, feed: str, part: str) -> Mapping[PackageKey, str]:
        rows = self._table.query(partition("feed", f"{feed}#{part}"))
        return {package_key(row.package or ""): row.digest or "" for row in rows}

    def save_digest(self, feed: str, part: str, package: PackageKey, digest: str | None) -> None:
        pk, sk = partition("feed", f"{feed}#{part}"), named(str(package))
        if digest is None:
            self._table.delete(pk, sk)
            return
        self._table.put(self._table.row(pk, sk, package=str(package), digest=digest))


def _of_part(feed: str, part: str) -> Key:
    return partition("feed", feed), named(part)
