"""Which messages does one function leave for another? `Queues` over SQS, and how the functions read them.

A message is the JSON of the request (`codec`). The queue of the repositories is a FIFO queue: its message group is the
repository, so that one notify runs at a time for each, and its deduplication id is what makes repeats of one cause
recognisable for five minutes.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING, TypeVar

import orjson
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from eclair.adapters.codec import decode, encode
from eclair.errors import BadInput, BadRequest, Forbidden, LimitExceeded, NotFound, Unavailable
from eclair.model import IndexRequest, JudgeRequest, NotifyRequest, RefreshRequest, Repository

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef as Entry

T = TypeVar("T")

BATCH = 10
LONGEST = 256 * 1024
"""The most bytes of a message, and of all messages of a batch."""
ATTEMPTS = 6
FIRST_PAUSE = 0.05
"""Seconds before the second attempt; each further pause is twice as long, and cut by chance."""
LONGEST_GROUP = 128
LONGEST_REASON = 1000

_GROUP = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]+")
_NOT_IN_A_MESSAGE = str.maketrans({"\ufffe": "\\ufffe", "\uffff": "\\uffff"})
"""SQS takes the characters of XML 1.0; these two stand in JSON only within strings, where they may be escaped."""
_FORBIDDEN = {"AccessDenied", "AccessDeniedException", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"}
_MISSING = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}

_random = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUrls:
    """Where the queues are; a function is given those it may send to, the others stay empty."""

    index: str = ""
    reindex: str = ""
    match: str = ""
    judge: str = ""
    notify: str = ""
    refresh: str = ""


class SqsQueues:
    """`Queues` over SQS."""

    def __init__(self, client: "SQSClient", urls: QueueUrls, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._urls = urls
        self._sleep = sleep

    def index(self, requests: Sequence[IndexRequest]) -> None:
        self._send("index", self._urls.index, map(_message, requests))

    def reindex(self, requests: Sequence[IndexRequest]) -> None:
        self._send("reindex", self._urls.reindex, map(_message, requests))

    def judge(self, requests: Sequence[JudgeRequest]) -> None:
        self._send("judge", self._urls.judge, map(_message, requests))

    def refresh(self, requests: Sequence[RefreshRequest]) -> None:
        self._send("refresh", self._urls.refresh, map(_message, requests))

    def notify(self, requests: Sequence[NotifyRequest]) -> None:
        self._send("notify", self._urls.notify, map(_fifo_message, requests))

    def set_aside(self, record: str, reason: str) -> None:
        """Leave a record that failed, JSON as it came, to the queue of those that are matched again."""
        body = orjson.dumps({"reason": reason[:LONGEST_REASON], "record": orjson.Fragment(record)})
        self._send("match", self._urls.match, [_entry(body, f"set aside for {reason[:LONGEST_REASON]}")])

    def _send(self, queue: str, url: str, entries: Iterable["Entry"]) -> None:
        for batch in _batches(entries):
            self._send_batch(queue, url, batch)

    def _send_batch(self, queue: str, url: str, batch: "Sequence[Entry]") -> None:
        """Send the messages; those that SQS did not take are sent again."""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(FIRST_PAUSE * 2 ** (attempt - 1) * _random.uniform(0.5, 1.0))
            batch = self._untaken(queue, url, batch)
            if not batch:
                return
        raise Unavailable(f"queue {queue}: {len(batch)} messages not taken in {ATTEMPTS} attempts; try again later")

    def _untaken(self, queue: str, url: str, batch: "Sequence[Entry]") -> "Sequence[Entry]":
        if not url:
            raise NotFound(f"queue {queue}: this function was given no address of it; set it in the template")
        try:
            answer = self._client.send_message_batch(QueueUrl=url, Entries=batch)
        except (ClientError, BotoCoreError) as error:
            raise _ours(queue, error) from error
        failed = {failure["Id"]: failure for failure in answer.get("Failed", ())}
        for failure in failed.values():
            if failure["SenderFault"]:
                raise BadRequest(f"queue {queue}: message refused: {failure['Code']} {failure.get('Message', '')}")
        return [entry for entry in batch if entry["Id"] in failed]


def _ours(queue: str, error: Exception) -> Exception:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code in _FORBIDDEN or isinstance(error, NoCredentialsError):
        return Forbidden(f"queue {queue}: {error}; allow it in the function's policy, or give credentials")
    if code in _MISSING:
        return NotFound(f"queue {queue}: there is no such queue; deploy the stack, or name its queue")
    return Unavailable(f"queue {queue}: {error}; try again later")


def _message(request: object) -> "Entry":
    return _entry(encode(request), f"{type(request).__name__} {request!r:.200}")


def _entry(content: bytes, name: str) -> "Entry":
    body = content.decode().translate(_NOT_IN_A_MESSAGE)
    size = len(body.encode())
    if size > LONGEST:
        raise LimitExceeded(f"message {name}: {size} bytes, at most {LONGEST}; ask for less at once")
    return {"Id": "", "MessageBody": body}


def _fifo_message(request: NotifyRequest) -> "Entry":
    cause = hashlib.sha256(f"{request.repository}\x00{request.reason}".encode()).hexdigest()
    return {
        **_message(request),
        "MessageGroupId": message_group(request.repository),
        "MessageDeduplicationId": cause,
    }


def message_group(repository: Repository) -> str:
    """Return the repository's name as SQS takes it for a message group."""
    if len(repository) <= LONGEST_GROUP and _GROUP.fullmatch(repository):
        return repository
    return "sha256:" + hashlib.sha256(repository.encode()).hexdigest()


def _batches(entries: Iterable["Entry"]) -> "Iterator[list[Entry]]":
    """Yield as many messages at a time as one request may have."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        length = len(entry["MessageBody"].encode())
        if len(batch) == BATCH or size + length > LONGEST:
            yield batch
            batch, size = [], 0
        batch.append({**entry, "Id": str(len(batch))})
        size += length
    if batch:
        yield batch


# --- how the functions read them -------------------------------------------------------------------------------------


def _decoded(kind: type[T], body: str) -> T:
    try:
        return decode(kind, body)
    except BadInput as error:
        raise BadRequest(f"message {body[:200]!r}: not a {kind.__name__}: {error}") from error


def decode_index(body: str) -> IndexRequest:
    """Return the request in a message of the images queue. Raises `BadRequest`."""
    return _decoded(IndexRequest, body)


def decode_judge(body: str) -> JudgeRequest:
    """Return the request in a message of the sets queue. Raises `BadRequest`."""
    return _decoded(JudgeRequest, body)


def decode_notify(body: str) -> NotifyRequest:
    """Return the request in a message of the repositories queue. Raises `BadRequest`."""
    return _decoded(NotifyRequest, body)


def decode_refresh(body: str) -> RefreshRequest:
    """Return the request in a message of the feeds queue. Raises `BadRequest`."""
    return _decoded(RefreshRequest, body)
