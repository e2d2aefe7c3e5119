"""The report function: a request in, JSON as the API description says out, and errors that help the caller."""

from typing import Any
from urllib.parse import quote

import pytest

from eclair.errors import Unavailable
from eclair.model import Digest, Image
from eclair.report import Report
from functions.report.app import respond
from tests.fleet import DEBIAN, DPKG, SHOP, Fleet, layer
from tests.functions.invocation import Context, content, request
from tests.registry_in_memory import sha256

DPKG_LAYER = sha256(layer(DPKG))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    fleet = Fleet()
    fleet.load("debian")
    for number in range(3):
        fleet.registry.add_image(SHOP, f"1.{number}", [layer(DEBIAN), layer(DPKG)], salt=str(number))
        fleet.push(SHOP, f"1.{number}")
    return fleet


def get(fleet: Fleet, path: str, **query: str) -> dict[str, Any]:
    return respond(request("GET", path, query=query or None), Context(), fleet.application.report)


def test_a_layer(fleet: Fleet) -> None:
    found = content(get(fleet, f"/layers/{DPKG_LAYER}", limit="5"), "/layers/{digest}")
    assert (found["digest"], len(found["packages"])) == (DPKG_LAYER, 5)
    assert content(get(fleet, f"/layers/{DPKG_LAYER}", page=found["next"]), "/layers/{digest}")["next"] is None


def test_the_images_of_a_repository_page_by_page(fleet: Fleet) -> None:
    first = content(get(fleet, "/images", repository=SHOP, limit="2"), "/images")
    rest = content(get(fleet, "/images", repository=SHOP, limit="2", page=first["next"]), "/images")
    tags = [image["tags"] for found in (first, rest) for image in found["images"]]
    assert sorted(tags) == [["1.0"], ["1.1"], ["1.2"]]
    assert rest["next"] is None


@pytest.mark.parametrize("encoded", [False, True])
def test_an_image_by_its_digest_plain_or_encoded(fleet: Fleet, encoded: bool) -> None:  # noqa: FBT001 - pytest passes it
    digest = fleet.registry.tag_digests[SHOP]["1.0"]
    found = content(get(fleet, f"/images/{quote(digest, safe='') if encoded else digest}"), "/images/{digest}")
    assert found["image"] == {"digest": digest, "platform": "linux/amd64", "repository": SHOP, "tags": ["1.0"]}
    assert found["findings"]
    assert found["hidden"]


def test_all_states_are_shown_when_asked_for(fleet: Fleet) -> None:
    digest = fleet.registry.tag_digests[SHOP]["1.0"]
    shown = content(get(fleet, f"/images/{digest}"), "/images/{digest}")
    every = content(get(fleet, f"/images/{digest}", all="true"), "/images/{digest}")
    assert len(every["findings"]) == len(shown["findings"]) + sum(shown["hidden"].values())


def test_a_vulnerability_and_its_images(fleet: Fleet) -> None:
    said = content(get(fleet, "/vulnerabilities/CVE-2013-0337"), "/vulnerabilities/{name}")
    assert said["statements"][0]["package"] == "nginx"
    found = content(get(fleet, "/vulnerabilities/CVE-2013-0337/images"), "/vulnerabilities/{name}/images")
    assert len(found["images"]) == 3


def test_the_feeds(fleet: Fleet) -> None:
    found = content(get(fleet, "/feeds"), "/feeds")
    assert "ok" in {feed["state"] for feed in found["feeds"]}


@pytest.mark.parametrize(
    ("path", "query", "route", "status", "code"),
    [
        ("/layers/sha256:12", {}, "/layers/{digest}", 400, "BadReference"),
        (f"/layers/sha256:{'0' * 64}", {}, "/layers/{digest}", 404, "NotFound"),
        (f"/layers/{DPKG_LAYER}", {"page": "made-up"}, "/layers/{digest}", 400, "BadRequest"),
        (f"/images/sha256:{'0' * 64}", {}, "/images/{digest}", 404, "NotFound"),
        ("/images", {"limit": "many"}, "/images", 400, "BadRequest"),
        ("/images", {"limit": "1001"}, "/images", 400, "BadRequest"),
        ("/vulnerabilities/CVE-1", {}, "/vulnerabilities/{name}", 404, "NotFound"),
        (f"/vulnerabilities/{'x' * 201}/images", {}, "/vulnerabilities/{name}/images", 400, "BadRequest"),
    ],
)
def test_an_error_is_said_in_json(
    fleet: Fleet, path: str, query: dict[str, str], route: str, status: int, code: str
) -> None:
    answered = get(fleet, path, **query)
    assert (answered["statusCode"], content(answered, route)["error"]["code"]) == (status, code)


def test_a_path_that_there_is_not_is_not_found(fleet: Fleet) -> None:
    answered = get(fleet, "/secrets")
    assert answered["statusCode"] == 404
    assert "there is no GET /secrets" in answered["body"]


class Failing:
    """Stands in for the images of a store that does not answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def image(self, digest: Digest) -> Image | None:
        raise self.error


def failing(fleet: Fleet, error: Exception) -> dict[str, Any]:
    ports = fleet.ports
    report = Report(
        images=Failing(error),  # type: ignore[arg-type]  # nothing else is asked of it
        layers=ports.layers,
        sets=ports.sets,
        advisories=ports.advisories,
        rules=ports.rules,
        feeds=ports.feeds,
        enrichments=ports.enrichments,
        clock=lambda: fleet.now,
    )
    return respond(request("GET", f"/images/sha256:{'0' * 64}"), Context(), report)


def test_who_asks_while_a_store_does_not_answer_is_told_when_to_ask_again(fleet: Fleet) -> None:
    answered = failing(fleet, Unavailable("the table is throttled: try again", retry_after=17.2))
    assert answered["multiValueHeaders"]["Retry-After"] == ["17"]
    assert content(answered, "/images/{digest}")["error"]["code"] == "Unavailable"
    assert failing(fleet, Unavailable("down"))["multiValueHeaders"]["Retry-After"] == ["5"]


def test_a_fault_of_ours_shows_no_internals(fleet: Fleet) -> None:
    answered = failing(fleet, RuntimeError("password of the table"))
    assert answered["statusCode"] == 500
    assert content(answered, "/images/{digest}")["error"]["code"] == "Failed"
    assert "password" not in answered["body"]
