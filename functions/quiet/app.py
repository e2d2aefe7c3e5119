"""Keep what need not be told, and have the repositories told that a change of it concerns.

Started by API Gateway with a rule, quiet hours or a VEX document, and by Scheduler with `{"wake": true}`: rules and
quiet hours end by themselves.
"""

from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair.adapters.api import answer, resolver
from eclair.application import on_aws
from eclair.errors import BadRequest, Unavailable
from eclair.quiet import DEFAULT_LIMIT, MAX_LIMIT, Quiet, rule_list

logger = Logger()
app = resolver()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do what an event asks for."""
    return respond(event, context, on_aws().quiet)


def respond(event: dict[str, Any], context: LambdaContext, quiet: Quiet) -> dict[str, Any]:
    """Answer a request, or go on waking repositories: the shape of the event tells who sent it."""
    if "httpMethod" in event:
        app.context.update(quiet=quiet, context=context)
        return app.resolve(event, context)
    woken = quiet.wake(remaining=lambda: context.get_remaining_time_in_millis() / 1000)
    return {"woken": woken}


@app.get("/rules")
def rules() -> Response[str]:
    """List what is kept quiet."""
    return answer(asked().listed(page=parameter("page"), limit=limit()))


@app.get("/rules/<name>")
def rule(name: str) -> Response[str]:
    """Return what is under the id."""
    return answer(rule_list([asked().one(unquote(name))]))


@app.put("/rules/<name>")
def put(name: str) -> Response[str]:
    """Store a rule, quiet hours or a VEX document."""
    entry = asked().put(unquote(name), (app.current_event.decoded_body or "").encode(), by=caller())
    wake()
    return answer(rule_list([entry]))


@app.delete("/rules/<name>")
def delete(name: str) -> Response[str]:
    """Delete what is under the id."""
    entry = asked().delete(unquote(name), by=caller())
    wake()
    return answer(rule_list([entry]))


def wake() -> None:
    """Begin to wake those that the change concerns; the schedule goes on with it."""
    context: LambdaContext = app.context["context"]
    try:
        asked().wake(remaining=lambda: context.get_remaining_time_in_millis() / 1000)
    except Unavailable as error:
        # The change is stored; an error now would only have the caller make it again.
        logger.warning("waking is left to the schedule", extra={"error": str(error)})


def asked() -> Quiet:
    """Return the use case that answers this request."""
    found: Quiet = app.context["quiet"]
    return found


def caller() -> str:
    """Return who asks, by the signature of the request."""
    return app.current_event.request_context.identity.user_arn or ""


def parameter(name: str) -> str | None:
    """Return a query parameter; an empty one was not given."""
    return app.current_event.query_string_parameters.get(name) or None


def limit() -> int:
    """Return how many items are asked for."""
    text = parameter("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"limit {text[:40]!r} is no number from 1 to {MAX_LIMIT}")
    return int(text)
