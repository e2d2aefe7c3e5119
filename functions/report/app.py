"""Answer the API's questions: one route, one method of the report use case."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import orjson
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair.application import on_aws
from eclair.errors import BadInput, BadRequest, EclairError, Forbidden, NotFound, Unavailable
from eclair.model import Repository
from eclair.reference import parse_digest
from eclair.report import DEFAULT_LIMIT, MAX_LIMIT

logger = Logger()
app = APIGatewayRestResolver()

RETRY_AFTER = 5
"""Seconds that a caller is asked to wait where the other side did not say."""

STATUSES: tuple[tuple[type[EclairError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (BadInput, HTTPStatus.BAD_REQUEST),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""Our errors as HTTP statuses; all others are 500."""


@app.get("/layers/<digest>")
def layer(digest: str) -> Response[bytes]:
    """Report what a layer holds."""
    return answer(on_aws().report.layer(parse_digest(unquote(digest)), page=asked("page"), limit=limit(MAX_LIMIT)))


@app.get("/images")
def images() -> Response[bytes]:
    """List images."""
    return answer(
        on_aws().report.list_images(
            repository=repository(), tag=asked("tag"), page=asked("page"), limit=limit(DEFAULT_LIMIT)
        )
    )


@app.get("/images/<digest>")
def image(digest: str) -> Response[bytes]:
    """Report an image."""
    return answer(
        on_aws().report.image(
            parse_digest(unquote(digest)), repository=repository(), all_states=every(), page=asked("page")
        )
    )


@app.get("/vulnerabilities/<name>")
def vulnerability(name: str) -> Response[bytes]:
    """Report what feeds say of a vulnerability."""
    return answer(on_aws().report.vulnerability(unquote(name), page=asked("page"), limit=limit(DEFAULT_LIMIT)))


@app.get("/vulnerabilities/<name>/images")
def images_with(name: str) -> Response[bytes]:
    """List the images that a vulnerability affects."""
    return answer(
        on_aws().report.images_with(
            unquote(name), all_states=every(), page=asked("page"), limit=limit(DEFAULT_LIMIT)
        )
    )


@app.get("/feeds")
def feeds() -> Response[bytes]:
    """Report how the feeds stand."""
    return answer(on_aws().report.list_feeds())


def asked(name: str) -> str | None:
    """Return a query parameter; an empty one was not given."""
    return app.current_event.get_query_string_value(name) or None


def repository() -> Repository | None:
    """Return the repository asked for."""
    name = asked("repository")
    return Repository(name) if name else None


def every() -> bool:
    """Say whether the states that are hidden otherwise are asked for."""
    return asked("all") == "true"


def limit(default: int) -> int:
    """Return how many items are asked for."""
    text = asked("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"limit {text[:40]!r} is no number from 1 to {MAX_LIMIT}")
    return int(text)


def answer(value: object, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str | list[str]] | None = None) -> Response[bytes]:
    """Write a value as JSON."""
    body = orjson.dumps(value)
    return Response(status, content_type=content_types.APPLICATION_JSON, body=body, headers=headers)
