"""`eclair rules` lists, stores and deletes through the API what a deployed Eclair keeps quiet."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from eclair.cli import FAILED, OK, run
from eclair.quiet import Quiet
from functions.quiet.app import respond
from tests.fleet import Fleet
from tests.functions.invocation import Context, request

VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.com/vex/1",
    "author": "security team",
    "timestamp": "2026-01-01T00:00:00Z",
    "statements": [
        {
            "vulnerability": {"name": "CVE-2026-1"},
            "products": [{"@id": "pkg:deb/debian/apt"}],
            "status": "fixed",
        }
    ],
}
RULES = """
schema: eclair.rules/1
rules:
  - {id: apt-key, vulnerability: CVE-2011-3374, reason: nobody calls it, until: 2999-01-31, by: shop team}
  - {below: medium, reason: noise}
hours:
  - {id: nights, from: "18:00", to: "08:00", reason: at home, by: shop team}
"""


class Api:
    """The API of a stack, of which the quiet function answers."""

    def __init__(self, quiet: Quiet) -> None:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path, query = parts.path.removeprefix("/v1"), dict(parse_qsl(parts.query))
                answered = respond(request(self.command, path, query=query or None, body=body), Context(), quiet)
                self.send_response(int(answered["statusCode"]))
                self.end_headers()
                self.wfile.write(answered["body"].encode())

            do_GET = do_PUT = do_DELETE = answer  # noqa: N815 - the names are the base class's

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.options = ("--api", f"http://127.0.0.1:{self.server.server_port}/v1")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    api = Api(Fleet().application.quiet)
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield api
    api.server.shutdown()
    thread.join()
    api.server.server_close()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Return a rule file and a VEX document."""
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "cart.vex.json").write_text(json.dumps(VEX))
    return [str(tmp_path / "rules.yaml"), str(tmp_path / "cart.vex.json")]


def test_files_are_stored_listed_and_deleted(api: Api, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "put", *files, *api.options]) == OK
    ids = capsys.readouterr().out.split()
    assert (ids[0], ids[2:]) == ("apt-key", ["nights", "cart.vex.json"])
    assert run(["rules", "list", *api.options]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["KIND", "ID", "UNTIL", "BY", "WHAT", "REASON"]
    assert any("2999-02-01T00:00:00+00:00" in line and "vulnerability=CVE-2011-3374" in line for line in lines)
    assert any("security team" in line and "statements=1 unplaced=0" in line for line in lines)
    assert run(["rules", "delete", *ids, *api.options]) == OK
    assert run(["rules", "list", *api.options]) == OK
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_is_listed_may_be_stored_again(
    api: Api, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["rules", "put", *files, *api.options])
    capsys.readouterr()
    run(["rules", "list", "--json", *api.options])
    listed = capsys.readouterr().out
    (tmp_path / "again.json").write_text(listed)
    assert run(["rules", "put", str(tmp_path / "again.json"), *api.options]) == OK
    capsys.readouterr()
    run(["rules", "list", "--json", *api.options])
    assert capsys.readouterr().out == listed


def test_of_files_of_which_one_cannot_be_read_nothing_is_stored(
    api: Api, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.json").write_text('{"rules": [{"reason": "r"}]}')
    assert run(["rules", "put", *files, str(tmp_path / "wrong.json"), *api.options]) == FAILED
    assert "wrong.json: rules, number 1: the rule hides everything" in capsys.readouterr().err
    run(["rules", "list", "--json", *api.options])
    assert json.loads(capsys.readouterr().out) == {"rules": [], "hours": []}


def test_what_there_is_not_cannot_be_deleted(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "delete", "nights", *api.options]) == FAILED
    assert "there is no rule 'nights'" in capsys.readouterr().err
