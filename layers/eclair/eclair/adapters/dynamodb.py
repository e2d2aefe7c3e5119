"""How is a DynamoDB table read and written? What all `dynamodb_*` adapters share.

Both tables have a partition key `pk` (string), a sort key `sk` (binary) and the time-to-live attribute `expires`. The
layout of the rows is told where they are written: `dynamodb_images`, `dynamodb_sets`, `dynamodb_notices` for the index
table, `dynamodb_advisories`, `dynamodb_feeds` for the advisories table.

A value of the model is packed (`codec`) into the attribute `content`. Where it is longer than `PIECE` (an item is at
most 400 kB), the row holds the first piece and names, in `rest`, a partition `P#<random>` that holds the others. They
are written before the row and never change, so a row and its pieces are always of one version, a transaction stays
small however long the value is, and queries over a partition meet no pieces. A crash may leave pieces unnamed.

PynamoDB's models do reads, conditions, updates and transactions. Three things they cannot express are asked of the
connection beneath them: a put that returns what it replaced (to delete its pieces), and batches that wait before they
repeat what was left unprocessed.
"""

import base64
import binascii
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from random import SystemRandom
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    NumberAttribute,
    NumberSetAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import DoesNotExist, PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from eclair.adapters.codec import pack, unpack
from eclair.errors import BadRequest, EclairError, Forbidden, NotFound, Unavailable

T = TypeVar("T")
Key = tuple[str, bytes]
_Call = Callable[..., Mapping[str, Any]]

PIECE = 350_000
"""The most bytes of a packed value in one row; an item may have 400 kB with its keys and attribute names."""
ATTEMPTS = 8
"""How often a conflict, or a batch with something left unprocessed, is tried before we give up."""
FIRST_PAUSE = 0.05
"""Seconds before the second attempt; each further pause is twice as long, and cut by chance."""
RETRIES = 3
"""How often botocore sends a request again after a throttle, a broken connection or a fault of the server."""
READ_BATCH = 100
WRITE_BATCH = 25
CONNECT_TIMEOUT = 3
READ_TIMEOUT = 10
CONNECTIONS = 32

_FORBIDDEN = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}
_OURS = {"ValidationException", "SerializationException"}
"""A request that DynamoDB cannot read is a defect of ours; it is shown as it is."""
_CONFLICTS = {"TransactionConflictException", "TransactionConflict"}
_PASSING = {*_CONFLICTS, "ThrottlingError", "ProvisionedThroughputExceeded"}

_log = logging.getLogger(__name__)
_random = SystemRandom()


class Row(Model):
    """A row of either table; each kind of row uses a few of the columns."""

    pk = UnicodeAttribute(hash_key=True)
    sk = BinaryAttribute(range_key=True, legacy_encoding=False)
    # the value, its further pieces, when it expires, and who put it
    content = BinaryAttribute(null=True, legacy_encoding=False)
    rest = UnicodeAttribute(null=True)
    pieces = NumberAttribute(null=True)
    expires = NumberAttribute(null=True)
    writer = UnicodeAttribute(null=True)
    # images
    digest = UnicodeAttribute(null=True)
    repository = UnicodeAttribute(null=True)
    tags = UnicodeSetAttribute(null=True)
    time = NumberAttribute(null=True)
    # sets
    state = UnicodeAttribute(null=True)
    rev = NumberAttribute(null=True)
    version = NumberAttribute(null=True)
    open = NumberSetAttribute(null=True)
    joined = NumberAttribute(null=True)
    since = NumberAttribute(null=True)
    settled = BooleanAttribute(null=True)
    # notices
    published = BooleanAttribute(null=True)
    # advisories
    feed = UnicodeAttribute(null=True)
    advisory = UnicodeAttribute(null=True)
    package = UnicodeAttribute(null=True)
    seq = NumberAttribute(null=True)
    stream = UnicodeAttribute(null=True)
    lower = BinaryAttribute(null=True, legacy_encoding=False)
    upper = BinaryAttribute(null=True, legacy_encoding=False)
    # feeds
    fence = NumberAttribute(null=True)
    until = NumberAttribute(null=True)
    holder = UnicodeAttribute(null=True)

    @classmethod
    def connection(cls) -> TableConnection:
        """Return the connection that the model's own calls go through."""
        return cls._get_connection()

    @classmethod
    def beginning(cls, prefix: bytes) -> Condition:
        """Return the condition that a sort key made of a name begins so (no name holds FF)."""
        return cls.sk.between(prefix, prefix + b"\xff")

    @property
    def key(self) -> Key:
        """Return where the row stands."""
        return self.pk, self.sk

    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:  # noqa: FBT001, FBT002 - as inherited
        """Return the columns that have a value; PynamoDB's own looks at all, of which a row uses a few."""
        attributes = self.get_attributes()
        values = ((attributes[name], value) for name, value in self.attribute_values.items() if value is not None)
        return {attribute.attr_name: {attribute.attr_type: attribute.serialize(value)} for attribute, value in values}


def _bound(table: str, region: str, host: str | None, retries: int) -> type[Row]:
    """Return the model of a row in one table: PynamoDB knows a table only through the class of its model."""
    meta = type(
        "Meta",
        (),
        {
            "table_name": table,
            "region": region,
            "host": host,
            "connect_timeout_seconds": CONNECT_TIMEOUT,
            "read_timeout_seconds": READ_TIMEOUT,
            "max_retry_attempts": retries,
            "max_pool_connections": CONNECTIONS,
        },
    )
    return type("BoundRow", (Row,), {"Meta": meta, "__module__": __name__})


class Table:
    """One table; reads are strong unless `lagging` is asked for. Safe to use from several threads."""

    def __init__(
        self,
        name: str,
        *,
        region: str,
        host: str | None = None,
        retries: int = RETRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.row = _bound(name, region, host, retries)
        self._sleep = sleep

    # --- rows --------------------------------------------------------------------------------------------------------

    def get(self, pk: str, sk: bytes, *, lagging: bool = False) -> Row | None:
        """Return the row, None where there is none."""
        try:
            return self._run(lambda: self.row.get(pk, sk, consistent_read=not lagging))
        except DoesNotExist:
            return None

    def put(self, row: Row, condition: Condition | None = None) -> bool:
        """Put the row where the condition holds, return whether it did; pieces of a value that lost are deleted."""
        put: _Call = self.row.connection().put_item
        answer = self._unless_refused(
            lambda: put(row.pk, row.sk, attributes=row.serialize(), condition=condition, return_values="ALL_OLD")
        )
        if answer is None:
            self.discard(row)
            return False
        self._discard_replaced(answer, row)
        return True

    def put_over(self, row: Row, seen: Condition) -> bool:
        """Put the row over what was seen there, return whether that still stood.

        The row names this very call as its writer, so that a request whose answer was lost, and which was therefore
        sent again, does not take its own row for somebody else's.
        """
        row.writer = secrets.token_urlsafe(9)
        return self.put(row, seen | (self.row.writer == row.writer))

    def put_new(self, row: Row) -> bool:
        """Put the row unless there is one, return whether it is new."""
        return self.put_over(row, self.row.pk.does_not_exist())

    def update(self, pk: str, sk: bytes, actions: Sequence[Action], condition: Condition | None = None) -> Row | None:
        """Update the row (or make it) where the condition holds; return it as it is then, None where it did not."""
        row = self.row(pk, sk)
        answer = self._unless_refused(lambda: row.update(list(actions), condition=condition))
        return None if answer is None else row

    def delete(self, pk: str, sk: bytes, condition: Condition | None = None) -> bool:
        """Delete the row and the pieces of its value where the condition holds; return whether it did."""
        delete: _Call = self.row.connection().delete_item
        answer = self._unless_refused(lambda: delete(pk, sk, condition=condition, return_values="ALL_OLD"))
        if answer is None:
            return False
        self._discard_replaced(answer, None)
        return True

    def query(
        self,
        pk: str,
        keys: Condition | None = None,
        *,
        lagging: bool = False,
        newest_first: bool = False,
        limit: int | None = None,
        after: bytes | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[Row]:
        """Yield the rows of a partition in the order of their sort keys, all or only some columns of them."""
        rows = self.row.query(
            pk,
            keys,
            consistent_read=not lagging,
            scan_index_forward=not newest_first,
            limit=limit,
            last_evaluated_key=None if after is None else {"pk": {"S": pk}, "sk": {"B": after}},
            attributes_to_get=columns and list(columns),
        )
        while (row := self._run(lambda: next(rows, None))) is not None:
            yield row

    def page(
        self, pk: str, keys: Condition | None = None, *, page: str | None, limit: int, lagging: bool = False
    ) -> tuple[tuple[Row, ...], str | None]:
        """Return some rows of a partition and the token of the next page. Raises `BadRequest` for a bad token."""
        after = None if page is None else sort_key_of(page)
        rows = tuple(self.query(pk, keys, lagging=lagging, limit=limit + 1, after=after))
        here = rows[:limit]
        return here, page_token(here[-1].sk) if len(rows) > limit else None

    def get_all(self, keys: Iterable[Key], *, columns: Sequence[str] | None = None) -> Mapping[Key, Row]:
        """Return the rows that are there, all or only some columns of them (`pk` and `sk` among these)."""
        wanted = iter(dict.fromkeys(keys))
        found: dict[Key, Row] = {}
        while batch := list(islice(wanted, READ_BATCH)):
            for row in self._get_batch([{"pk": pk, "sk": sk} for pk, sk in batch], columns):
                found[row.key] = row
        return found

    def _get_batch(self, keys: list[Any], columns: Sequence[str] | None) -> Iterator[Row]:
        read = self.row.connection().batch_get_item
        for _ in self._attempts("read"):
            answer = self._run(lambda: read(keys, consistent_read=True, attributes_to_get=columns and list(columns)))  # noqa: B023
            yield from map(self.row.from_raw_data, answer["Responses"].get(self.name, ()))
            keys = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if not keys:
                return

    def write(self, puts: Iterable[Row] = (), deletes: Iterable[Key] = ()) -> None:
        """Put and delete rows, many at a time and in no order."""
        requests: dict[Key, Any] = {row.key: {"PutRequest": {"Item": row.serialize()}} for row in puts}
        requests.update({key: {"DeleteRequest": {"Key": {"pk": key[0], "sk": key[1]}}} for key in deletes})
        waiting = iter(requests.values())
        while batch := list(islice(waiting, WRITE_BATCH)):
            self._write_batch(batch)

    def _write_batch(self, requests: list[Any]) -> None:
        write = self.row.connection().batch_write_item
        for _ in self._attempts("written"):
            puts = [request["PutRequest"]["Item"] for request in requests if "PutRequest" in request]
            deletes = [request["DeleteRequest"]["Key"] for request in requests if "DeleteRequest" in request]
            answer = self._run(lambda: write(put_items=puts, delete_items=deletes))  # noqa: B023
            requests = answer.get("UnprocessedItems", {}).get(self.name, [])
            if not requests:
                return

    def transact(self, compose: Callable[[TransactWrite], None]) -> bool:
        """Write all that `compose` asks for where all conditions hold, else nothing; return whether they did.

        The token makes a request that is sent again, because its answer was lost, the same transaction.
        """
        token = secrets.token_urlsafe(24)

        def write() -> bool:
            with TransactWrite(connection=self.row.connection().connection, client_request_token=token) as transaction:
                compose(transaction)
            return True

        return self._unless_refused(write) is not None

    # --- values ------------------------------------------------------------------------------------------------------

    def holding(self, pk: str, sk: bytes, value: object, **columns: Any) -> Row:
        """Return a row, not written yet, that holds the value; its further pieces are written."""
        content = pack(value)
        row = self.row(pk, sk, content=content[:PIECE], **columns)
        if len(content) > PIECE:
            row.rest = secrets.token_urlsafe(18)
            pieces = [content[start : start + PIECE] for start in range(PIECE, len(content), PIECE)]
            row.pieces = len(pieces)
            self.write(self.row(*_piece(row.rest, number), content=piece) for number, piece in enumerate(pieces))
        return row

    def held(self, kind: type[T], row: Row | None) -> T | None:
        """Return the value that a row holds.

        Where the row was replaced since it was read, its pieces may be gone: then what stands there now is returned.
        """
        for _ in self._attempts("read as one"):
            if row is None or row.content is None:
                return None
            pieces = self._pieces(row)
            if pieces is not None:
                return unpack(kind, row.content + pieces)
            row = self.get(row.pk, row.sk)
        return None

    def value(self, kind: type[T], pk: str, sk: bytes) -> T | None:
        """Return the value of the row, None where there is none."""
        return self.held(kind, self.get(pk, sk))

    def _pieces(self, row: Row) -> bytes | None:
        if row.rest is None:
            return b""
        pieces = [piece.content or b"" for piece in self.query(_piece(row.rest, 0)[0])]
        return b"".join(pieces) if len(pieces) == row.pieces else None

    def discard(self, row: Row) -> None:
        """Delete the further pieces of a row's value."""
        if row.rest is not None:
            self.discard_pieces(row.rest)

    def discard_pieces(self, rest: str) -> None:
        """Delete the pieces that a row named."""
        self.write(deletes=[piece.key for piece in self.query(_piece(rest, 0)[0])])

    def _discard_replaced(self, answer: Mapping[str, Any], row: Row | None) -> None:
        old = self.row.from_raw_data(answer["Attributes"]) if answer.get("Attributes") else None
        if old is not None and (row is None or old.rest != row.rest):
            self.discard(old)

    # --- attempts and errors -----------------------------------------------------------------------------------------

    def _attempts(self, done: str) -> Iterator[int]:
        """Yield the numbers of the attempts, with a pause between them. Raises `Unavailable` after the last."""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(FIRST_PAUSE * 2 ** (attempt - 1) * _random.uniform(0.5, 1.0))
            yield attempt
        raise Unavailable(f"table {self.name}: not everything could be {done} in {ATTEMPTS} attempts; try again later")

    def _run(self, call: Callable[[], T]) -> T:
        """Call DynamoDB; what stands in each other's way for a moment is tried again."""
        for _ in self._attempts("done"):
            try:
                return call()
            except DoesNotExist:
                raise
            except PynamoDBException as error:
                if _refused(error) or not _passing(error):
                    raise self._ours(error) from error
                _log.info("conflict in table", extra={"table": self.name, "reason": str(error)})
        raise AssertionError("the last attempt raises")

    def _unless_refused(self, call: Callable[[], T]) -> T | None:
        try:
            return self._run(call)
        except _Refused:
            return None

    def _ours(self, error: PynamoDBException) -> Exception:
        """Return our error for one of PynamoDB's."""
        code = _code(error)
        if _refused(error):
            return _Refused(str(error))
        if code in _FORBIDDEN or isinstance(error.cause, NoCredentialsError):
            return Forbidden(f"table {self.name}: {error}; allow it in the function's policy, or give credentials")
        if code == "ResourceNotFoundException":
            return NotFound(f"table {self.name}: there is no such table; deploy the stack, or name its table")
        if code in _OURS or not (code or isinstance(error.cause, BotoCoreError)):
            return error
        return Unavailable(f"table {self.name}: {error}; try again later")


class _Refused(EclairError):
    """A condition did not hold; does not leave this module."""


def _reasons(error: PynamoDBException) -> set[str]:
    """Return why a transaction was cancelled, else the one code of the error."""
    if isinstance(error, TransactWriteError) and error.cancellation_reasons:
        return {reason.code for reason in error.cancellation_reasons if reason}
    return {_code(error)}


def _code(error: PynamoDBException) -> str:
    """Return DynamoDB's code for the error; PynamoDB's own look fails where there was no answer, as after a timeout."""
    return (error.cause_response_code or "") if isinstance(error.cause, ClientError) else ""


def _refused(error: PynamoDBException) -> bool:
    return not _reasons(error).isdisjoint({"ConditionalCheckFailed", "ConditionalCheckFailedException"})


def _passing(error: PynamoDBException) -> bool:
    reasons = _reasons(error)
    return bool(reasons) and reasons <= _PASSING


def _piece(rest: str, number: int) -> Key:
    return f"P#{rest}", number.to_bytes(4, "big")


def page_token(sort_key: bytes) -> str:
    """Return the token of the page that begins after a row."""
    return base64.urlsafe_b64encode(sort_key).decode("ascii")


def sort_key_of(page: str) -> bytes:
    """Return the sort key after which a page begins. Raises `BadRequest`."""
    try:
        key = base64.b64decode(page, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"page {page!r}: not a token of ours; send `next` of the page before as it was") from error
    if not 0 < len(key) <= 1024:
        raise BadRequest(f"page {page[:40]!r}: not a token of ours; send `next` of the page before as it was")
    return key
