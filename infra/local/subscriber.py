"""A subscriber on this machine: confirms its SNS subscription and keeps each notice as a line of JSON.

SNS posts a SubscriptionConfirmation first, whose SubscribeURL has to be read, and then a Notification for each message
(https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html). The signature is not checked: the emulator's
is none, and only this machine reaches the port.

Run as `python -m infra.local.subscriber --port PORT --notices FILE`.
"""

import argparse
import json
import logging
import threading
import time
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from infra.local.processes import LOOPBACK

LIMIT: Final = 1 << 20
"""More than SNS ever sends (256 KB)."""

log = logging.getLogger("subscriber")


class Handler(BaseHTTPRequestHandler):
    """One delivery; `notices` and `writing` are set on the class that `server` makes."""

    notices: Path
    writing: threading.Lock

    def do_POST(self) -> None:
        """Confirm a subscription or keep a notice."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LIMIT))
        try:
            message = json.loads(body)
            kind = message["Type"]
        except (ValueError, KeyError, TypeError):
            self.send_error(HTTPStatus.BAD_REQUEST, "not a message of SNS")
            return
        if kind == "SubscriptionConfirmation":
            confirm(message["SubscribeURL"])
        elif kind == "Notification":
            self.keep(message)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def keep(self, message: dict[str, Any]) -> None:
        """Append a notice with the time of its arrival."""
        line = json.dumps({"received": time.time(), **message})
        with self.writing, self.notices.open("a") as file:
            file.write(f"{line}\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name in the base class)
        """Log requests as everything else."""
        log.info(format, *args)


def confirm(url: str) -> None:
    """Read the address that confirms a subscription, if it is one of this machine."""
    if urlsplit(url).hostname not in {LOOPBACK, "localhost"}:
        log.warning("not confirmed, because it is not of this machine: %s", url)
        return
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (checked above)
        log.info("subscription confirmed: %s", answer.status)


def server(port: int, notices: Path) -> ThreadingHTTPServer:
    """Return a subscriber that listens on this machine alone; port 0 takes a free one."""
    notices.parent.mkdir(parents=True, exist_ok=True)
    handler = type("BoundHandler", (Handler,), {"notices": notices, "writing": threading.Lock()})
    return ThreadingHTTPServer((LOOPBACK, port), handler)


def main() -> None:
    """Run the subscriber until it is ended."""
    arguments = argparse.ArgumentParser(description="A subscriber to notices on this machine, for the local stack.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--notices", type=Path, required=True)
    chosen = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    server(chosen.port, chosen.notices).serve_forever()


if __name__ == "__main__":
    main()
