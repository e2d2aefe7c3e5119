"""Answer the API's questions: one route, one method of the report use case."""

from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair.adapters.api import answer, resolver
from eclair.application import on_aws
from eclair.errors import BadRequest
from eclair.image.reference import parse_digest
from eclair.model import Digest, Repository
from eclair.report import DEFAULT_LIMIT, MAX_LIMIT, Report

logger = Logger()
app = resolver()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of the API."""
    return respond(event, context, on_aws().report)


def respond(event: dict[str, Any], context: LambdaContext, report: Report) -> dict[str, Any]:
    """Answer a request from a report."""
    app.context.update(report=report)
    return app.resolve(event, context)


@app.get("/layers/<digest>")
def layer(digest: str) -> Response[str]:
    """Report what a layer holds."""
    return answer(report().layer(read(digest), page=asked("page"), limit=limit(MAX_LIMIT)))


@app.get("/images")
def images() -> Response[str]:
    """List images."""
    found = report().list_images(
        repository=repository(), tag=asked("tag"), page=asked("page"), limit=limit(DEFAULT_LIMIT)
    )
    return answer(found)


@app.get("/images/<digest>")
def image(digest: str) -> Response[str]:
    """Report an image."""
    return answer(report().image(read(digest), repository=repository(), all_states=every(), page=asked("page")))


@app.get("/images/<digest>/vulnerabilities/<name>/explain")
def explanation(digest: str, name: str) -> Response[str]:
    """Explain why an image is, or was, affected by a vulnerability or not."""
    return answer(report().explain(read(digest), unquote(name), at=moment()))


@app.get("/vulnerabilities/<name>")
def vulnerability(name: str) -> Response[str]:
    """Report what feeds say of a vulnerability."""
    return answer(report().vulnerability(unquote(name), page=asked("page"), limit=limit(DEFAULT_LIMIT)))


@app.get("/vulnerabilities/<name>/images")
def images_with(name: str) -> Response[str]:
    """List the images that a vulnerability affects."""
    found = report().images_with(unquote(name), all_states=every(), page=asked("page"), limit=limit(DEFAULT_LIMIT))
    return answer(found)


@app.get("/feeds")
def feeds() -> Response[str]:
    """Report how the feeds stand."""
    return answer(report().list_feeds())


def report() -> Report:
    """Return the use case that this request is answered from."""
    found: Report = app.context["report"]
    return found


def read(digest: str) -> Digest:
    """Read a digest of the path."""
    return parse_digest(unquote(digest))


def asked(name: str) -> str | None:
    """Return a query parameter; an empty one was not given."""
    return app.current_event.query_string_parameters.get(name) or None


def repository() -> Repository | None:
    """Return the repository asked for."""
    name = asked("repository")
    return Repository(name) if name else None


def every() -> bool:
    """Say whether the states that are hidden otherwise are asked for."""
    return asked("all") == "true"


def moment() -> float | None:
    """Return the moment asked for; a day stands for its end."""
    text = asked("at")
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time.max, UTC).timestamp()
    except ValueError:
        pass  # no day
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"at {text[:40]!r} is no date or time of ISO 8601, for instance 2026-11-24") from error


def limit(default: int) -> int:
    """Return how many items are asked for."""
    text = asked("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"limit {text[:40]!r} is no number from 1 to {MAX_LIMIT}")
    return int(text)
