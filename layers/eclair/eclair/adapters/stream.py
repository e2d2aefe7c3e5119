"""What changed in the advisories table? Reads a record of its DynamoDB stream, as Lambda delivers it.

The stream shows new and old images (StreamViewType NEW_AND_OLD_IMAGES); in Lambda's JSON an attribute is
`{"B": <base64>}` or `{"S": …}` and so on (DynamoDB Developer Guide, *DynamoDB Streams and AWS Lambda*).
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from eclair.adapters.codec import unpack
from eclair.errors import BadInput, BadRequest
from eclair.model import Statement, StatementChange

STATEMENTS = "V#"
"""How the partition keys of statements begin: what the event source mapping's filter has to ask for."""

NOTHING = StatementChange(old=None, new=None)


def statement_change(record: Mapping[str, Any]) -> StatementChange:
    """Return the statement before and after; neither, where the record is of another row or says nothing new.

    Raises `BadRequest` where the record, or a statement in it, cannot be read.
    """
    try:
        change = record["dynamodb"]
        if not change["Keys"]["pk"]["S"].startswith(STATEMENTS):
            return NOTHING
        old, new = (_statement(change.get(image)) for image in ("OldImage", "NewImage"))
    except (KeyError, TypeError, AttributeError, binascii.Error, BadInput) as error:
        number = record.get("eventID", "without an id") if isinstance(record, Mapping) else "that is no object"
        raise BadRequest(f"stream record {number}: not a change of a statement: {error!r}") from error
    return NOTHING if old == new else StatementChange(old=old, new=new)


def _statement(image: Mapping[str, Any] | None) -> Statement | None:
    if image is None:
        return None
    return unpack(Statement, base64.b64decode(image["content"]["B"], validate=True))
