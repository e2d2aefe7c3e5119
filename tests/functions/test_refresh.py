"""The refresh function: parts of feeds by message; what failed is recorded and delivered again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eclair.adapters.codec import encode
from eclair.adapters.documents import FolderDocuments
from eclair.model import RefreshRequest
from functions.refresh.app import respond
from tests.fleet import Fleet
from tests.functions.invocation import Context, failed, messages

TRACKER = "security-tracker.debian.org/tracker/data/json"


def message(feed: str, part: str = "") -> str:
    return encode(RefreshRequest(feed=feed, part=part)).decode()


def mirror(folder: Path, content: bytes) -> FolderDocuments:
    """Return a mirror that has this document in the place of the Debian tracker's."""
    document = folder / TRACKER
    document.parent.mkdir(parents=True)
    document.write_bytes(content)
    return FolderDocuments(folder)


def test_a_schedule_s_message_asks_for_every_part() -> None:
    fleet = Fleet()
    # As EventBridge Scheduler sends it: the template's input, word for word.
    assert failed(respond(messages('{"feed": "debian"}'), Context(), fleet.application)) == []
    assert fleet.ports.queues.refreshed == [RefreshRequest(feed="debian", part="tracker")]


@pytest.mark.parametrize("poison", ["", "[]", '{"feed": "nobody\'s"}', '{"feed": "debian", "part": "nothing"}'])
def test_a_message_that_asks_for_nothing_of_ours_holds_up_no_other(poison: str) -> None:
    fleet = Fleet()
    assert failed(respond(messages(poison, message("debian", "tracker")), Context(900), fleet.application)) == ["1"]
    part = fleet.ports.feeds.part("debian", "tracker")
    assert part
    assert part.closed


@pytest.mark.parametrize("content", [b"<html><body>Bad gateway</body></html>", b'{"curl": {"CVE-2025-0725": {"rele'])
def test_a_document_that_cannot_be_read_is_asked_for_again_and_the_failure_recorded(
    tmp_path: Path, content: bytes
) -> None:
    fleet = Fleet()
    application = fleet.with_ports(documents=mirror(tmp_path, content))
    assert failed(respond(messages(message("debian", "tracker")), Context(900), application)) == ["1"]
    part = fleet.ports.feeds.part("debian", "tracker")
    assert part
    assert not part.closed
    assert part.failure


@pytest.fixture
def measured(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """Return what reads the metrics written so far, in CloudWatch's embedded metric format."""

    def read() -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
        return [line for line in lines if "_aws" in line]

    return read


def test_the_age_of_a_feed_is_measured_whether_the_refresh_works_or_not(
    tmp_path: Path, measured: Callable[[], list[dict[str, Any]]]
) -> None:
    fleet = Fleet()
    respond(messages(message("debian", "tracker")), Context(900), fleet.application)
    fleet.now += 7200
    respond(
        messages(message("debian", "tracker")), Context(900), fleet.with_ports(documents=mirror(tmp_path, b"<html>"))
    )
    found = measured()
    assert [(metric["Feed"], metric["FeedAgeHours"], metric["part"]) for metric in found] == [
        ("debian", [0.0], "tracker"),
        ("debian", [2.0], "tracker"),
    ]
    (described,) = found[0]["_aws"]["CloudWatchMetrics"]
    assert (described["Namespace"], described["Dimensions"]) == ("eclair", [["Feed"]])


def test_what_was_never_loaded_has_no_age(tmp_path: Path, measured: Callable[[], list[dict[str, Any]]]) -> None:
    fleet = Fleet()
    asked = messages(message("debian"), message("debian", "tracker"), '{"feed": "nobody"}')
    respond(asked, Context(900), fleet.with_ports(documents=mirror(tmp_path, b"<html>")))
    assert measured() == []


def test_near_the_time_limit_the_rest_is_handed_on(tmp_path: Path) -> None:
    open_ = {"releases": {"bookworm": {"status": "open", "urgency": "low"}}}
    packages = {f"package{number:04}": {f"CVE-2026-{number:05}": open_} for number in range(1000)}
    fleet = Fleet()
    application = fleet.with_ports(documents=mirror(tmp_path, json.dumps(packages).encode()))
    asked = [message("debian", "tracker")]
    invocations = 0
    while asked:
        assert failed(respond(messages(*asked), Context(30), application)) == []
        asked = [encode(request).decode() for request in fleet.ports.queues.refreshed]
        fleet.ports.queues.refreshed.clear()
        invocations += 1
    assert invocations > 1
    assert len(fleet.ports.advisories.said) == 1000
    part = fleet.ports.feeds.part("debian", "tracker")
    assert part
    assert part.closed
