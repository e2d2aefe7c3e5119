"""How does somebody outside use the local stack? Push an image, ask the API, ask for a refresh, read the notices."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.local import deployment
from infra.local.processes import wait_for
from infra.local.pusher import push_image

PATIENCE = 60.0
"""Seconds to wait for each step of the flow, which takes a few at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The stack as its users see it: `outputs` are what `up` returned."""

    outputs: dict[str, str]

    def push(self, layout: Path, repository: str, tag: str) -> str:
        """Push an image to the stack's registry; return its digest once its report can be read."""
        digest = push_image(layout, f"http://{self.outputs['Registry']}", repository, tag)
        name = f"{self.outputs['Registry']}/{repository}"
        wait_for(lambda: self._is_settled(digest, name), f"{name}:{tag} to be indexed", PATIENCE)
        return digest

    def _is_settled(self, digest: str, repository: str) -> bool:
        found = self.get(f"/images/{digest}", repository=repository)
        return found is not None and found["state"] != "queued"

    def get(self, path: str, **query: str) -> Any:
        """Return what the API answers, None where there is no such thing (yet). The request is signed, as on AWS."""
        url = f"{self.outputs['ApiUrl']}{path}" + (f"?{urlencode(query)}" if query else "")
        request = AWSRequest("GET", url)
        SigV4Auth(Credentials("local", "local"), "execute-api", deployment.REGION).add_auth(request)
        answer = requests.get(url, headers=dict(request.headers), timeout=30)
        return answer.json() if answer.ok else None

    def refresh(self, feed: str) -> None:
        """Ask for a refresh of the feed, as the schedule does; return once all its parts were asked for changes."""
        before = self._attempts(feed)
        self.send("FeedsQueueUrl", {"feed": feed})
        wait_for(
            lambda: bool(now := self._attempts(feed)) and all(time > before.get(part, 0) for part, time in now.items()),
            f"feed {feed} to be refreshed",
            PATIENCE,
        )

    def _attempts(self, feed: str) -> dict[str, float]:
        found = (self.get("/feeds") or {}).get("feeds", [])
        return {one["part"]: one["last_attempt"] or 0.0 for one in found if one["feed"] == feed}

    def send(self, queue: str, message: object) -> None:
        """Put a message into one of the stack's queues, which the output of that name tells."""
        sqs = deployment.client("sqs", self._port)
        sqs.send_message(QueueUrl=self.outputs[queue], MessageBody=json.dumps(message))

    @property
    def _port(self) -> int:
        return int(self.outputs["Endpoint"].rpartition(":")[2])

    def notices(self) -> list[Any]:
        """Return what the subscriber was told so far: the messages of SNS."""
        file = Path(self.outputs["Notices"])
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def told(self, count: int, wanted: Callable[[Any], bool]) -> Any:
        """Return the first notice after the first `count` whose body is wanted, as soon as it is there."""
        found: list[Any] = []

        def arrived() -> bool:
            found[:] = [notice for notice in self.notices()[count:] if wanted(json.loads(notice["Message"]))]
            return bool(found)

        wait_for(arrived, "the notice", PATIENCE)
        return found[0]
