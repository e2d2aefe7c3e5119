"""The quiet function: rules, quiet hours and VEX documents come and go, and whom that concerns is woken."""

import json
from typing import Any

import pytest

from eclair.adapters.memory import MemoryQueues
from eclair.application import in_memory
from eclair.errors import Unavailable
from eclair.model import NotifyRequest, Repository
from functions.quiet.app import respond
from tests.fleet import DEBIAN, NOW, SETTINGS, SHOP, Fleet, layer
from tests.functions.invocation import Context, content, request

BANK = Repository("registry.example.com/bank/ledger")
RULE = {"vulnerability": "CVE-2011-3374", "package": "apt", "reason": "nobody calls apt-key", "until": "2027-01-31"}
HOURS = {"from": "18:00", "to": "8:00", "timezone": "Europe/Berlin", "days": ["mon"], "reason": "at home", "by": "me"}
VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.com/vex/1",
    "author": "security team",
    "timestamp": "2026-01-01T00:00:00Z",
    "statements": [
        {
            "vulnerability": {"name": "CVE-2011-3374"},
            "products": [{"@id": "pkg:deb/debian/apt"}, {"@id": "cpe:2.3:a:debian:apt"}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
    ],
}
ALICE = "arn:aws:iam::123456789012:user/alice"


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet with an image in each of two repositories."""
    fleet = Fleet()
    for repository in (SHOP, BANK):
        fleet.registry.add_image(repository, "1", [layer(DEBIAN)])
        fleet.push(repository, "1")
    fleet.ports.queues.notified.clear()
    return fleet


def ask(fleet: Fleet, method: str, path: str, body: object = None, *, user: str | None = ALICE, **query: str) -> Any:
    """Return the status and the content of an answer."""
    event = request(method, path, query=query or None, body=None if body is None else json.dumps(body).encode())
    event["requestContext"]["identity"]["userArn"] = user
    answered = respond(event, Context(), fleet.application.quiet)
    route = "/rules" if path == "/rules" else "/rules/{name}"
    return int(answered["statusCode"]), content(answered, route, method.lower())


def woken(fleet: Fleet) -> list[Repository]:
    found = sorted({wanted.repository for wanted in fleet.ports.queues.notified})
    fleet.ports.queues.notified.clear()
    return found


def test_a_rule_is_stored_as_of_who_signed_the_request_and_deleted_again(fleet: Fleet) -> None:
    status, stored = ask(fleet, "PUT", "/rules/apt-key", {**RULE, "repository": SHOP})
    kept = {**RULE, "id": "apt-key", "by": ALICE, "repository": SHOP, "until": "2027-02-01T00:00:00+00:00"}
    assert (status, stored["rules"]) == (200, [kept])
    assert woken(fleet) == [SHOP]
    assert ask(fleet, "GET", "/rules/apt-key") == (200, stored)
    assert ask(fleet, "DELETE", "/rules/apt-key") == (200, stored)
    assert woken(fleet) == [SHOP]
    assert [ask(fleet, method, "/rules/apt-key")[0] for method in ("GET", "DELETE")] == [404, 404]


def test_what_is_shown_may_be_put_again(fleet: Fleet) -> None:
    for id_, said in (("rule", {**RULE, "below": "high", "unfixed": True}), ("hours", {**HOURS, "urgent": "high"})):
        _, stored = ask(fleet, "PUT", f"/rules/{id_}", said)
        (shown,) = stored["rules"] + stored["hours"]
        assert ask(fleet, "PUT", f"/rules/{id_}", shown) == (200, stored)


def test_a_vex_document_concerns_everybody_and_is_shown_in_short(fleet: Fleet) -> None:
    _, stored = ask(fleet, "PUT", "/rules/apt-vex", VEX)
    (document,) = stored["documents"]
    assert (document["author"], document["statements"], document["unplaced"]) == ("security team", 1, 1)
    assert woken(fleet) == [BANK, SHOP]


def test_rules_are_listed_page_by_page_in_the_order_of_their_ids(fleet: Fleet) -> None:
    for id_, said in (("c", RULE), ("a", HOURS), ("b", VEX), ("d", RULE)):
        ask(fleet, "PUT", f"/rules/{id_}", said)
    _, first = ask(fleet, "GET", "/rules", limit="2")
    _, rest = ask(fleet, "GET", "/rules", limit="2", page=first["next"])
    assert [first["hours"][0]["id"], first["documents"][0]["id"]] == ["a", "b"]
    assert ([rule["id"] for rule in rest["rules"]], rest["next"]) == (["c", "d"], None)
    assert ask(fleet, "GET", "/rules", limit="0")[0] == 400


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"reason": "r"}, "hides everything"),
        ({**RULE, "vulnerabilty": "CVE-2011-3374"}, "vulnerabilty"),
        ({**RULE, "until": "soon"}, "until"),
        ({**HOURS, "to": "18:00"}, "have to end"),
        ({**VEX, "statements": []}, "says nothing"),
        ([], "no JSON object"),
    ],
)
def test_what_cannot_be_read_is_refused_and_changes_nothing(fleet: Fleet, body: object, named: str) -> None:
    status, answered = ask(fleet, "PUT", "/rules/x", body)
    assert (status, answered["error"]["code"]) == (400, "BadRules")
    assert named in answered["error"]["message"]
    assert (fleet.ports.rules.book().version, woken(fleet)) == (0, [])


def test_somebody_has_to_say_it(fleet: Fleet) -> None:
    status, answered = ask(fleet, "PUT", "/rules/x", RULE, user=None)
    assert (status, "`by` is missing" in answered["error"]["message"]) == (400, True)


def test_the_schedule_wakes_whom_a_rule_concerns_that_ended(fleet: Fleet) -> None:
    ask(fleet, "PUT", "/rules/apt-key", {**RULE, "repository": "*/bank/*"})
    woken(fleet)
    wake = {"wake": True}
    assert respond(wake, Context(), fleet.application.quiet) == {"woken": 0}
    fleet.now = NOW + 2 * 366 * 86_400
    assert respond(wake, Context(), fleet.application.quiet) == {"woken": 1}
    assert woken(fleet) == [BANK]
    assert respond(wake, Context(), fleet.application.quiet) == {"woken": 0}


class Full(MemoryQueues):
    """Queues that take nothing."""

    def notify(self, requests: object) -> None:
        raise Unavailable("the queue does not answer")


def test_a_rule_is_stored_although_nobody_can_be_woken_and_the_schedule_goes_on(fleet: Fleet) -> None:
    quiet = fleet.with_ports(queues=Full()).quiet
    event = request("PUT", "/rules/apt-key", body=json.dumps({**RULE, "by": "b"}).encode())
    assert respond(event, Context(), quiet)["statusCode"] == 200
    assert fleet.ports.rules.book().version == 1
    assert respond({"wake": True}, Context(), fleet.application.quiet) == {"woken": 2}
    assert fleet.ports.queues.notified[0] == NotifyRequest(repository=BANK, reason=f"rules 1 at {NOW}")


def test_without_time_left_nobody_is_woken_yet(fleet: Fleet) -> None:
    event = request("PUT", "/rules/apt-key", body=json.dumps({**RULE, "by": "b"}).encode())
    assert respond(event, Context(remaining=5), fleet.application.quiet)["statusCode"] == 200
    assert woken(fleet) == []
    assert in_memory(fleet.ports, SETTINGS, clock=lambda: fleet.now).quiet.wake() == 2
