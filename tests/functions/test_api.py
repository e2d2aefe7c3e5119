"""The API description is valid, says what API Gateway takes, and has every route of the functions and no other."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from openapi_spec_validator import validate

from eclair import events, quiet, report
from functions.push.app import app as push
from functions.quiet.app import app as rules
from functions.report.app import app as reports
from tests.functions.invocation import API, ROOT, check

METHODS = [(path, method, operation) for path, methods in API["paths"].items() for method, operation in methods.items()]


def test_the_description_is_openapi() -> None:
    validate(API)


def routes(app: APIGatewayRestResolver, function: str) -> set[tuple[str, str, str]]:
    found = [*app._static_routes, *app._dynamic_routes]
    return {(re.sub(r"<(\w+)>", r"{\1}", route.path), route.method.lower(), function) for route in found}


def test_every_route_of_the_functions_is_described_and_no_other() -> None:
    described = set()
    for path, method, operation in METHODS:
        uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        function = re.search(r"\$\{(\w+)\.Arn\}/invocations$", uri)
        assert function
        described.add((path, method, function[1]))
    described_by_code = (
        routes(push, "PushFunction"),
        routes(rules, "QuietFunction"),
        routes(reports, "ReportFunction"),
    )
    assert described == set().union(*described_by_code)


@pytest.mark.parametrize(("path", "method", "operation"), METHODS)
def test_only_signed_requests_get_in_but_for_webhooks(path: str, method: str, operation: dict[str, Any]) -> None:
    if path == "/webhooks/{kind}":
        assert operation["x-amazon-apigateway-auth"] == {"type": {"Fn::If": ["WebhooksOpen", "NONE", "AWS_IAM"]}}
    else:
        assert operation["security"] == [{"sigv4": []}]
    assert method != "x-amazon-apigateway-any-method"


def test_the_kinds_of_webhooks_are_those_that_are_read() -> None:
    (kind, _) = API["paths"]["/webhooks/{kind}"]["post"]["parameters"]
    assert tuple(kind["schema"]["enum"]) == events.WEBHOOKS


def schemas(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from schemas(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from schemas(inner)


def test_schemas_have_no_keyword_that_api_gateway_refuses() -> None:
    """API Gateway Developer Guide, *Amazon API Gateway important notes*, REST APIs: OpenAPI."""
    refused = {
        "example",
        "additionalProperties",
        "anyOf",
        "oneOf",
        "discriminator",
        "readOnly",
        "exclusiveMinimum",
        "xml",
    }
    for name, schema in API["components"]["schemas"].items():
        assert name.isalnum()
        for part in schemas(schema):
            assert refused.isdisjoint(part), name


def test_every_field_of_an_answer_is_described() -> None:
    described = API["components"]["schemas"]
    answers = {**vars(report), **vars(quiet)}
    for name in described.keys() & answers.keys():
        value = answers[name]
        if "properties" in described[name]:
            names = [field.name for field in fields(value)]
            assert list(described[name]["properties"]) == names == described[name]["required"]


def examples() -> Iterator[tuple[str, Any, Any]]:
    for path, method, operation in METHODS:
        bodies = [operation.get("requestBody"), *operation["responses"].values()]
        for body in bodies:
            content = body["content"]["application/json"] if body else {}
            if "example" in content:
                yield f"{method} {path}", content["example"], content["schema"]


@pytest.mark.parametrize(("name", "example", "schema"), [*examples()])
def test_examples_are_as_described(name: str, example: object, schema: dict[str, Any]) -> None:
    check(example, schema)
    assert name


@pytest.mark.parametrize("function", ["push", "index", "refresh", "match", "judge", "notify", "quiet", "report"])
def test_importing_a_function_needs_no_environment_and_makes_no_connection(function: str) -> None:
    code = f"import sys; import functions.{function}.app; print('boto3' in sys.modules)"
    path = f"{ROOT}:{ROOT / 'layers' / 'eclair'}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
