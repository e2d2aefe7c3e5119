"""Follow what registries and people say was pushed or deleted, and reconcile on schedule.

Started by EventBridge with an *ECR Image Action*, by Scheduler with `{"reconcile": true}`, by an operator with
`{"reindex": {}}`, and by API Gateway with a registry's webhook or a posted reference.
"""

import hmac
from dataclasses import asdict
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair import events
from eclair.adapters.api import answer, resolver
from eclair.application import Application, on_aws
from eclair.ecosystems import generation
from eclair.errors import Forbidden, NotFound
from eclair.model import Hint
from eclair.push import Place

logger = Logger()
app = resolver()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do what an event asks for."""
    return respond(event, context, on_aws())


def respond(event: dict[str, Any], context: LambdaContext, application: Application) -> dict[str, Any]:
    """Do what an event asks for: its shape tells who sent it."""
    if "httpMethod" in event:
        app.context.update(application=application)
        return app.resolve(event, context)
    if event.get("reconcile"):
        return reconcile(event, context, application)
    if "reindex" in event:
        return reindex(event, context, application)
    hints = events.ecr(event)
    application.push.follow(hints)
    return {"hints": len(hints)}


def reconcile(event: dict[str, Any], context: LambdaContext, application: Application) -> dict[str, Any]:
    """Reconcile all repositories, or with `shares` (say 24, hourly) those whose turn it is this hour."""
    done = application.push.reconcile(
        [name for name in registries(application) if not set("*?[").intersection(name)],
        share=int(application.clock() // 3600),
        shares=int(event.get("shares", 1)),
        remaining=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    logger.info("reconciled", extra=asdict(done))
    return asdict(done)


def reindex(event: dict[str, Any], context: LambdaContext, application: Application) -> dict[str, Any]:
    """Have images read again by better analysers: `{"reindex": {}}`, then with the `next` of each answer."""
    start = event["reindex"] or {}
    done = application.push.reindex(
        generation(),
        Place(repositories=start.get("repositories"), images=start.get("images")),
        limit=int(event.get("limit", 1000)),
        remaining=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    logger.info("images queued to be read again", extra=asdict(done))
    return asdict(done)


@app.post("/images")
def images() -> Response[str]:
    """Follow a posted reference."""
    application = asked()
    hint = events.requested(body(), allowed=registries(application), now=application.clock())
    application.push(hint)
    return answer(told(hint), HTTPStatus.ACCEPTED)


@app.post("/webhooks/<kind>")
def webhook(kind: str) -> Response[str]:
    """Follow what a registry tells."""
    application = asked()
    admit(application.settings.webhook_secret)
    hints = events.webhook(unquote(kind), body(), allowed=registries(application), now=application.clock())
    application.push.follow(hints)
    return answer({"hints": [told(hint) for hint in hints]}, HTTPStatus.ACCEPTED)


def told(hint: Hint) -> dict[str, object]:
    """Return what was understood of an event."""
    return {"kind": hint.kind, "repository": hint.repository, "tag": hint.tag, "digest": hint.digest}


def admit(secret: str) -> None:
    """Let only those in who know the secret; without one the endpoint is closed."""
    if not secret:
        raise NotFound("webhooks are off: set a webhook secret to open them")
    request = app.current_event
    # Distribution sends any header, Harbor only `Authorization` with the bare secret, Quay none at all: it has but
    # the URL to carry a secret.
    offered = (
        request.headers.get("authorization", "").removeprefix("Bearer "),
        request.headers.get("x-eclair-secret", ""),
        request.query_string_parameters.get("secret", ""),
    )
    if not any(hmac.compare_digest(each.encode(), secret.encode()) for each in offered):
        raise Forbidden("the webhook secret is missing or wrong: send it as Authorization: Bearer SECRET")


def asked() -> Application:
    """Return the application that answers this request."""
    application: Application = app.context["application"]
    return application


def registries(application: Application) -> tuple[str, ...]:
    """Return the registries that the operator allowed."""
    return (*application.settings.registries, *application.settings.insecure_registries)


def body() -> bytes:
    """Return the bytes of the request's body."""
    return (app.current_event.decoded_body or "").encode()
