"""Where do notices go? `Topic` over SNS.

One message in one structure for all protocols (`MessageStructure` json): the notice's JSON by default, its text for
e-mail. Its attributes become message attributes, which filter policies choose by.
"""

import unicodedata
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from eclair.adapters.codec import encode
from eclair.errors import BadRequest, Forbidden, LimitExceeded, NotFound, Unavailable
from eclair.model import Notice

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef as Attribute

LONGEST = 256 * 1024
"""The most bytes of a message with its attributes."""
LONGEST_SUBJECT = 100

_FORBIDDEN = {"AuthorizationError", "AccessDenied", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"}
_REFUSED = {"InvalidParameter", "InvalidParameterValue", "ValidationError"}


class SnsTopic:
    """`Topic` over SNS."""

    def __init__(self, client: "SNSClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def publish(self, notice: Notice) -> None:
        message = encode({"default": notice.body, "email": notice.text}).decode()
        attributes = {name: _attribute(value) for name, value in notice.attributes if value != ""}  # SNS takes no ""
        size = len(message.encode()) + sum(_size(name, attribute) for name, attribute in attributes.items())
        if size > LONGEST:
            raise LimitExceeded(f"notice {notice.id}: {size} bytes, at most {LONGEST} can be published; shorten it")
        try:
            self._client.publish(
                TopicArn=self._arn,
                Subject=subject(notice.subject),
                Message=message,
                MessageStructure="json",
                MessageAttributes=attributes,
            )
        except (ClientError, BotoCoreError) as error:
            raise self._ours(error, notice) from error

    def _ours(self, error: Exception, notice: Notice) -> Exception:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in _FORBIDDEN or isinstance(error, NoCredentialsError):
            return Forbidden(f"topic {self._arn}: {error}; allow it in the function's policy, or give credentials")
        if code == "NotFound":
            return NotFound(f"topic {self._arn}: there is no such topic; deploy the stack, or name its topic")
        if code in _REFUSED:
            return BadRequest(f"topic {self._arn} refused notice {notice.id}: {error}")
        return Unavailable(f"topic {self._arn}: {error}; try again later")


def subject(text: str) -> str:
    """Return the text as SNS takes it: up to 100 printable ASCII characters that begin with a letter, digit or mark."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode("ascii")
    printable = "".join(character if character.isprintable() else " " for character in plain).strip()
    if len(printable) > LONGEST_SUBJECT:
        printable = printable[: LONGEST_SUBJECT - 3].rstrip() + "..."
    return printable or "Eclair"


def _attribute(value: str | int | tuple[str, ...]) -> "Attribute":
    if isinstance(value, tuple):
        return {"DataType": "String.Array", "StringValue": encode(value).decode()}
    if isinstance(value, int):
        return {"DataType": "Number", "StringValue": str(value)}
    return {"DataType": "String", "StringValue": value}


def _size(name: str, attribute: "Attribute") -> int:
    return len(name.encode()) + len(attribute["DataType"]) + len(attribute.get("StringValue", "").encode())
