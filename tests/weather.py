"""What may befall a request to AWS, between our adapters and the service.

A fault stands for what is left after botocore's own attempts: the caller sees it. Reads that are not strong may answer
what the same read answered before.
"""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from enum import StrEnum
from random import Random
from threading import RLock
from typing import Any, Final

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

Request = dict[str, Any]
Perform = Callable[[Request], Any]


class Fault(StrEnum):
    """What happens to a request."""

    THROTTLED = "throttled"
    TIMED_OUT_BEFORE = "timed out before it took effect"
    TIMED_OUT_AFTER = "timed out after it took effect"
    FAILED_BEFORE = "failed before it took effect"
    FAILED_AFTER = "failed after it took effect"
    CUT_AFTER = "connection cut after it took effect"
    CONFLICT = "transaction conflict"
    SENT_TWICE = "sent twice, first answer lost"
    PARTIAL = "partial batch or page"
    STALE = "stale read"


ALWAYS: Final = (
    Fault.THROTTLED,
    Fault.TIMED_OUT_BEFORE,
    Fault.TIMED_OUT_AFTER,
    Fault.FAILED_BEFORE,
    Fault.FAILED_AFTER,
    Fault.CUT_AFTER,
)
TWICE: Final = {"PutItem", "UpdateItem", "DeleteItem", "SendMessageBatch", "Publish", "BatchWriteItem"}
"""Transactions are not among them: moto, unlike DynamoDB, does not know a repeated one by its token."""
BATCHES: Final = {"BatchGetItem", "BatchWriteItem", "SendMessageBatch", "Query"}


class Weather:
    """Lets faults happen, at the rate that stands when a request is sent, and counts them."""

    def __init__(self, chance: Random, rate: Callable[[], float]) -> None:
        self._chance, self._rate = chance, rate
        self._before: dict[str, Any] = {}
        self._lock = RLock()
        self.requests = 0  # that could meet a fault
        self.injected: Counter[Fault] = Counter()

    def call(self, operation: str, request: Request, perform: Perform) -> Any:
        """Let the service perform the request, unless something else happens; one at a time, as moto needs it."""
        with self._lock:
            self.requests += self._rate() > 0
            fault = self._fault(operation, request)
            if fault is None:
                return self._remembered(operation, request, perform(request))
            self.injected[fault] += 1
            return self._befall(fault, operation, request, perform)

    def _fault(self, operation: str, request: Request) -> Fault | None:
        if operation == "Scan" or self._chance.random() >= self._rate():  # only the test itself scans
            return None
        possible = list(ALWAYS)
        if operation == "TransactWriteItems":
            possible += [Fault.CONFLICT] * 4
        if operation in TWICE:
            possible += [Fault.SENT_TWICE] * 2
        if operation in BATCHES:
            possible += [Fault.PARTIAL] * 4
        if _name(operation, request) in self._before:
            possible += [Fault.STALE] * 6
        return self._chance.choice(possible)

    def _remembered(self, operation: str, request: Request, answer: Any) -> Any:
        """Return the answer, which a later weak read may get again."""
        if operation in ("GetItem", "Query") and not request.get("ConsistentRead"):
            self._before.setdefault(_name(operation, request), deepcopy(answer))
        return answer

    def _befall(self, fault: Fault, operation: str, request: Request, perform: Perform) -> Any:
        match fault:
            case Fault.PARTIAL:
                return _in_part(operation, request, perform)
            case Fault.STALE:
                return self._before.pop(_name(operation, request))
            case Fault.SENT_TWICE:
                perform(deepcopy(request))
                return perform(request)
            case Fault.TIMED_OUT_AFTER | Fault.FAILED_AFTER | Fault.CUT_AFTER:
                perform(request)
        raise _error(fault, operation)


def _name(operation: str, request: Request) -> str:
    return f"{operation} {sorted(request.items())!r}"


def _error(fault: Fault, operation: str) -> Exception:
    match fault:
        case Fault.THROTTLED:
            return _refusal("ThrottlingException", operation)
        case Fault.CONFLICT:
            return _refusal("TransactionCanceledException", operation, CancellationReasons=[{"Code": TRANSACTION}])
        case Fault.TIMED_OUT_BEFORE | Fault.TIMED_OUT_AFTER:
            return ReadTimeoutError(endpoint_url="https://aws.example.com")
        case Fault.CUT_AFTER:
            return ConnectionClosedError(endpoint_url="https://aws.example.com")
    return _refusal("InternalServerError", operation)


TRANSACTION: Final = "TransactionConflict"


def _refusal(code: str, operation: str, **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "because"}, **more}
    return ClientError(answer, operation)


def _in_part(operation: str, request: Request, perform: Perform) -> Any:
    """Perform half of what was asked for, and answer what was left."""
    if operation == "Query":
        return perform({**request, "Limit": 1})
    if operation == "SendMessageBatch":
        entries = request["Entries"]
        half = len(entries) // 2
        if half:
            perform({**request, "Entries": entries[:half]})
        return {"Failed": [{"Id": entry["Id"], "Code": "Busy", "SenderFault": False} for entry in entries[half:]]}
    if operation == "BatchWriteItem":
        ((table, items),) = request["RequestItems"].items()
        half = len(items) // 2
        if half:
            perform({**request, "RequestItems": {table: items[:half]}})
        return {"UnprocessedItems": {table: items[half:]}}
    ((table, asked),) = request["RequestItems"].items()
    half = len(asked["Keys"]) // 2
    answer = perform({**request, "RequestItems": {table: {**asked, "Keys": asked["Keys"][:half]}}}) if half else {}
    rest = {**asked, "Keys": asked["Keys"][half:]}
    return {"Responses": answer.get("Responses", {}), "UnprocessedKeys": {table: rest}}
