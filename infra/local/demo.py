"""Show the main job on the local stack: a push is indexed, an advisory arrives, the subscriber gets the notice.

The feeds are two revisions of small genuine excerpts; the second has one further advisory for openssl in Debian.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.local import deployment
from infra.local.build import ROOT
from infra.local.processes import wait_for
from infra.local.pusher import push_image
from infra.local.stack import FOLDER, port_of, say, step, table, up

SAMPLES = ROOT / "tests" / "samples"
IMAGE = SAMPLES / "oci" / "debian-bullseye"
REPOSITORY, TAG = "demo/debian", "bullseye"
PATIENCE = 60.0
"""Seconds to wait for each step of the flow, which takes a few at the most."""


def demo(*, port: int | None = None) -> None:
    """Bring the stack up, push an image, publish an advisory, and print the report and the notice."""
    mirror = FOLDER / "demo-mirror"
    publish("mirror-1", mirror)
    outputs = up(mirror=mirror, port=port)
    api = Api(outputs["ApiUrl"])
    with step("the feed's first revision"):
        before = api.loaded("debian")
        refresh(outputs, "debian")
        wait_for(lambda: api.loaded("debian") > before, "the feed to be loaded", PATIENCE)
    repository = f"{outputs['Registry']}/{REPOSITORY}"
    with step(f"the push of {repository}:{TAG}"):
        digest = push_image(IMAGE, f"http://{outputs['Registry']}", REPOSITORY, TAG)
        wait_for(lambda: api.is_indexed(digest), "the image to be indexed", PATIENCE)
    say("")
    print_report(api.image(digest))
    told = notices(outputs)
    publish("mirror-2", mirror)
    began = time.monotonic()
    with step("a further advisory, from its publication to the notice"):
        refresh(outputs, "debian")
        wait_for(lambda: any(map(names_advisory, notices(outputs)[len(told) :])), "the notice", PATIENCE)
    seconds = time.monotonic() - began
    say("")
    print_notice(next(filter(names_advisory, reversed(notices(outputs)))), seconds)


class Api:
    """The stack's REST API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> Any:
        """Return the answer, None where there is no such thing (yet)."""
        request = AWSRequest("GET", f"{self._url}{path}")
        SigV4Auth(Credentials("test", "test"), "execute-api", "us-east-1").add_auth(request)  # the API is closed
        answer = requests.get(f"{self._url}{path}", headers=dict(request.headers), timeout=30)
        return answer.json() if answer.ok else None

    def image(self, digest: str) -> Any:
        """Return the report of an image."""
        return self.get(f"/images/{digest}")

    def is_indexed(self, digest: str) -> bool:
        """Say whether the report of the image stands."""
        report = self.image(digest)
        return report is not None and report["state"] == "indexed"

    def loaded(self, feed: str) -> float:
        """Return when the feed was last loaded."""
        found = (self.get("/feeds") or {}).get("feeds", [])
        return max((one["last_success"] or 0 for one in found if one["feed"] == feed), default=0)


def publish(revision: str, mirror: Path) -> None:
    """Put a revision of the feeds where the functions read them."""
    shutil.copytree(SAMPLES / "feeds" / revision, mirror, dirs_exist_ok=True)


def refresh(outputs: dict[str, str], feed: str) -> None:
    """Ask for a refresh, as the schedule does."""
    sqs = deployment.client("sqs", port_of(FOLDER))
    sqs.send_message(QueueUrl=outputs["FeedsQueueUrl"], MessageBody=json.dumps({"feed": feed}))


def notices(outputs: dict[str, str]) -> list[Any]:
    """Return what the subscriber was told so far."""
    file = Path(outputs["Notices"])
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def names_advisory(notice: Any) -> bool:
    """Say whether a notice was caused by an advisory."""
    return "advisory" in json.loads(notice["Message"])["causes"]


def print_report(report: Any) -> None:
    """Print the findings as a table."""
    columns = ("severity", "vulnerability", "package", "version", "fixed_version")
    rows = [tuple(str(one[name] or one["state"]) for name in columns) for one in report["findings"]]
    say(table(columns, rows))
    for one in report["coverage"]:
        say(f"coverage of {one['namespace']}: {one['state']} {one['detail']}".rstrip())
    say("")


def print_notice(notice: Any, seconds: float) -> None:
    """Print what the subscriber got."""
    say(notice["Subject"])
    say(json.dumps(json.loads(notice["Message"]), indent=2))
    say(f"\n{seconds:.1f} seconds from publication to notice")
