"""Invoke functions as API Gateway, SQS and DynamoDB's stream do, and read what they answer.

What API Gateway is answered is held against the API description.
"""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext
from openapi_schema_validator import OAS30Validator

ROOT = Path(__file__).parent.parent.parent
EVENTS = Path(__file__).parent.parent / "events"
API: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "openapi.yaml").read_text())
_REQUEST: dict[str, Any] = json.loads((EVENTS / "api_request.json").read_text())


class Context(LambdaContext):
    """What Lambda tells of an invocation; `remaining` are the seconds left."""

    def __init__(self, remaining: float = 100.0) -> None:
        self._function_name = "test"
        self._memory_limit_in_mb = 512
        self._invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:test"
        self._aws_request_id = "8f507cfc-example"
        self._remaining = remaining

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]  # static there, for no reason
        return int(self._remaining * 1000)


def recorded(name: str) -> dict[str, Any]:
    """Return a recorded event."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def messages(*bodies: str) -> dict[str, Any]:
    """Return the event of messages of a queue; they are numbered from 1."""
    template = recorded("sqs_messages")["Records"][0]
    return {"Records": [template | {"messageId": str(n), "body": body} for n, body in enumerate(bodies, start=1)]}


def grouped(*bodies: tuple[str, str]) -> dict[str, Any]:
    """Return the event of messages of a FIFO queue, each with its group; they are numbered from 1."""
    template = recorded("sqs_fifo_messages")["Records"][0]
    return {
        "Records": [
            template
            | {"messageId": str(n), "body": body, "attributes": template["attributes"] | {"MessageGroupId": group}}
            for n, (group, body) in enumerate(bodies, start=1)
        ]
    }


def failed(answered: PartialItemFailureResponse) -> list[str]:
    """Return the ids of what has to be delivered again."""
    return [str(failure["itemIdentifier"]) for failure in answered["batchItemFailures"]]


def request(
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> dict[str, Any]:
    """Return the event of a request."""
    event = deepcopy(_REQUEST)
    event |= {"httpMethod": method, "path": path, "queryStringParameters": query}
    event["multiValueQueryStringParameters"] = {name: [value] for name, value in query.items()} if query else None
    event["headers"] |= headers or {}
    event["multiValueHeaders"] |= {name: [value] for name, value in (headers or {}).items()}
    event["body"] = None if body is None else body.decode()
    return event


def content(answered: dict[str, Any], route: str, method: str = "get") -> Any:
    """Return the JSON of an answer, after holding it against the API description."""
    described = API["paths"][route][method]["responses"][str(int(answered["statusCode"]))]
    assert answered["multiValueHeaders"]["Content-Type"] == ["application/json"]
    found = json.loads(answered["body"])
    check(found, described["content"]["application/json"]["schema"])
    return found


def check(found: object, schema: dict[str, Any]) -> None:
    """Raise unless the value is as the schema of the API description says."""
    OAS30Validator({"allOf": [schema], "components": API["components"]}).validate(found)
