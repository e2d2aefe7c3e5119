"""An AWS endpoint on the loopback that gives the answers of a script: what moto and DynamoDB Local never do."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """Where the endpoint is, and what it was asked."""

    address: str
    requests: list[dict[str, Any]] = field(default_factory=list)


def refused(code: str, status: int = 400) -> Answer:
    """Return the answer that names an error of the service."""
    return status, {"__type": f"com.amazonaws#{code}", "message": "because"}


@contextmanager
def scripted(answers: Sequence[Answer]) -> Iterator[Scripted]:
    """Give the answers one after the other, the last one again and again."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, answer = answers[min(len(asked), len(answers)) - 1]
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Scripted(address=f"http://127.0.0.1:{server.server_port}", requests=asked)
        finally:
            server.shutdown()
            thread.join()
