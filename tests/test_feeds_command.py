"""`eclair feeds` lists how the feeds of a deployed Eclair stand, and copies feeds."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from moto import mock_aws

from eclair import application
from eclair.cli import FAILED, MET, OK, run
from eclair.model import FeedPart
from tests.adapters.contract.conftest import REGION, new_table
from tests.fleet import NOW, SAMPLES, Fleet

MIRROR = str(SAMPLES / "feeds" / "mirror-1")


class Api:
    """An HTTP server that answers as the report function does."""

    def __init__(self) -> None:
        self.body, self.status = b"", 200
        self.asked: list[tuple[str, str]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked.append((self.path, self.headers.get("Authorization", "")))
                self.send_response(api.status)
                self.send_header("Content-Length", str(len(api.body)))
                self.end_headers()
                self.wfile.write(api.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    api = Api()
    thread = Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield api
    api.server.shutdown()
    api.server.server_close()
    thread.join()


def answer(**changes: object) -> bytes:
    part = {
        "feed": "debian",
        "part": "tracker",
        "state": "ok",
        "rows": 344,
        "age_seconds": 7_260.0,
        "lag_seconds": 300_000.0,
        "unread": 2,
        "detail": "",
    }
    return json.dumps({"feeds": [{**part, **changes}]}).encode()


def test_the_api_of_a_stack_is_asked_with_a_signature(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.body = answer()
    assert run(["feeds", "--api", api.url]) == OK
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [[cell.strip() for cell in line if cell.strip()] for line in lines] == [
        ["FEED", "PART", "STATE", "ROWS", "AGE", "LAG", "UNREAD", "DETAIL"],
        ["debian", "tracker", "ok", "344", "2h 01m", "3d 11h", "2"],
    ]
    [(path, signature)] = api.asked
    assert path == "/v1/feeds"
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=testing/")


@pytest.mark.parametrize("state", ["stale", "failed", "loading", "missing"])
def test_a_feed_that_is_not_ok_shows_in_the_exit_code(api: Api, state: str) -> None:
    api.body = answer(state=state, age_seconds=None, lag_seconds=None, detail="it is held back")
    assert run(["feeds", "--api", api.url]) == MET


def test_json_is_what_the_api_says(api: Api, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    api.body = answer()
    assert run(["feeds", "--json", "--api", api.url]) == OK
    assert json.loads(capsysbinary.readouterr().out) == json.loads(api.body)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, b'{"message": "Forbidden"}', "use credentials that may invoke the API"),
        (404, b"{}", "/v1/feeds"),
        (500, b"{}", "HTTP 500"),
        (200, b"<html>", "answers no JSON"),
    ],
)
def test_an_api_that_does_not_answer_is_an_error(
    api: Api, capsys: pytest.CaptureFixture[str], status: int, body: bytes, said: str
) -> None:
    api.status, api.body = status, body
    assert run(["feeds", "--api", api.url]) == FAILED
    assert said in capsys.readouterr().err


def test_without_an_api_or_a_table_nothing_is_guessed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ECLAIR_ADVISORIES_TABLE", raising=False)
    application.on_aws.cache_clear()
    assert run(["feeds"]) == FAILED
    assert "--api URL" in capsys.readouterr().err
    assert run(["feeds", "--api", "nonsense"]) == FAILED


def test_the_tables_are_read_where_the_environment_names_them(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        table = new_table(None)
        variables = {"ECLAIR_ADVISORIES_TABLE": table.name, "ECLAIR_FEEDS": "debian", "AWS_REGION": REGION}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        application.on_aws.cache_clear()
        try:
            feeds = application.on_aws().ports.feeds
            lease = feeds.lease("debian", "tracker", now=NOW, seconds=60)
            assert lease
            feeds.save_part(FeedPart(feed="debian", name="tracker", closed=True, rows=7, last_success=NOW), lease)
            assert run(["feeds", "--json"]) == MET
        finally:
            application.on_aws.cache_clear()
    (part,) = json.loads(capsysbinary.readouterr().out)["feeds"]
    assert (part["feed"], part["rows"], part["state"]) == ("debian", 7, "stale")


def test_feeds_are_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["feeds", "export", str(tmp_path), "--feeds", "debian", "--feed-mirror", MIRROR]) == OK
    copy: Any = json.loads((tmp_path / "security-tracker.debian.org/tracker/data/json").read_bytes())
    assert "openssl" in copy
    assert run(["feeds", "export", str(tmp_path), "--feeds", "alpine", "--feed-mirror", MIRROR]) == FAILED
    assert "alpine/v3.2: " in capsys.readouterr().err
    assert run(["feeds", "export", str(tmp_path), "--feeds", "debain"]) == FAILED
    assert "no feed debain" in capsys.readouterr().err


def test_the_list_is_what_the_report_says() -> None:
    fleet = Fleet()
    fleet.load("debian")
    listed = fleet.application.report.list_feeds().feeds
    assert [part.rows for part in listed if part.feed == "debian"] == [344]


def test_a_scan_with_a_feed_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", "dir:.", "--feeds", "debian,debain"]) == FAILED
    assert "no feed debain; the feeds are alma, " in capsys.readouterr().err
