"""How is an answer, or an error of ours, said in the HTTP API? One table, for every function behind API Gateway."""

import logging
from http import HTTPStatus
from typing import Final

import orjson
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from eclair.errors import BadInput, EclairError, Forbidden, NotFound, Unavailable

STATUSES: Final[tuple[tuple[type[EclairError], HTTPStatus], ...]] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (BadInput, HTTPStatus.BAD_REQUEST),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""Our errors as HTTP statuses; whatever is not among them is 500, and no concern of the caller's."""
RETRY_AFTER = 5
"""Seconds that a caller is asked to wait where the other side did not say."""

_log = logging.getLogger(__name__)


def resolver() -> APIGatewayRestResolver:
    """Return a resolver without routes that answers every error in JSON."""
    app = APIGatewayRestResolver()
    app.exception_handler(Exception)(failure)
    app.not_found(lambda _: no_route(app))
    return app


def answer(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response[str]:
    """Answer with a value as JSON."""
    return Response(status, content_type=content_types.APPLICATION_JSON, body=orjson.dumps(value).decode())


def failure(error: Exception) -> Response[str]:
    """Answer an error: with what is wrong where the caller can do something about it."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), None)
    if status is None:
        _log.error("request failed", exc_info=error)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Failed", "the fault is ours, and logged: try again later")
    wait = (error.retry_after or RETRY_AFTER) if isinstance(error, Unavailable) else None
    return problem(status, type(error).__name__, str(error), retry_after=wait)


def no_route(app: APIGatewayRestResolver) -> Response[str]:
    """Answer a request for what the API does not have."""
    request = app.current_event
    return problem(HTTPStatus.NOT_FOUND, NotFoundError.__name__, f"there is no {request.http_method} {request.path}")


def problem(status: HTTPStatus, code: str, message: str, *, retry_after: float | None = None) -> Response[str]:
    """Answer with an error."""
    answered = answer({"error": {"code": code, "message": message}}, status)
    if retry_after is not None:
        answered.headers["Retry-After"] = str(round(retry_after))
    return answered
