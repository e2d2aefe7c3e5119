"""Show the main job on the local stack: a push is indexed, an advisory arrives, the subscriber gets the notice.

The feeds are two revisions of small genuine excerpts; the second has one further advisory for openssl in Debian.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from infra.local.build import ROOT
from infra.local.flow import Flow
from infra.local.stack import FOLDER, say, step, table, up

SAMPLES = ROOT / "tests" / "samples"
IMAGE = SAMPLES / "oci" / "debian-bullseye"
REPOSITORY, TAG = "demo/debian", "bullseye"
FEEDS = "debian,alpine"
"""Those that the samples have excerpts of."""
ADVISORY = "CVE-2024-13176"
"""What the second revision says and the first does not."""
ROWS = 25
"""How many findings the table shows."""

NEXT = """
The stack goes on running: `eclair local status` looks at it, `eclair local down --purge` ends it and forgets all.
  your own image   docker push {registry}/NAME:TAG, or eclair local push OCI_LAYOUT NAME:TAG
  its report       eclair local report NAME:TAG
  the live feeds   eclair local up, then eclair local refresh debian
  without a stack  eclair scan REGISTRY/NAME:TAG
(all of them as .venv/bin/eclair)"""


def demo(*, folder: Path = FOLDER, port: int | None = None) -> float:
    """Bring the stack up, push an image, publish an advisory, print the report and the notice.

    Return the seconds from the advisory's publication to the notice's arrival.
    """
    mirror = folder / "demo-mirror"
    publish("mirror-1", mirror)
    flow = Flow(outputs=up(mirror=mirror, parameters={"Feeds": FEEDS}, folder=folder, port=port))
    load_first_revision(flow)
    name = f"{flow.outputs['Registry']}/{REPOSITORY}:{TAG}"
    with step(f"the push of {name} until its report is there"):
        digest = flow.push(IMAGE, REPOSITORY, TAG)
    say(f"\nThe report of {name}\n")
    print_report(flow.get(f"/images/{digest}"))
    notice, seconds = publish_advisory(flow, mirror)
    say(f"\nThe notice, {seconds:.1f} seconds after the publication of {ADVISORY}\n")
    print_notice(notice)
    say(NEXT.format(registry=flow.outputs["Registry"]))
    return seconds


def load_first_revision(flow: Flow) -> None:
    """Load the feed without the advisory; an earlier demonstration's is withdrawn by that, which is told too."""
    told = len(flow.notices())
    published = flow.get(f"/vulnerabilities/{ADVISORY}/images") or {}
    with step("the feed's first revision"):
        flow.refresh("debian")
    if published.get("images"):
        with step("the notice that the advisory of the demonstration before was withdrawn"):
            flow.told(told, lambda body: names(body, "withdrawn"))


def publish_advisory(flow: Flow, mirror: Path) -> tuple[Any, float]:
    """Put the second revision where the feeds are read and ask for a refresh; return the notice and the seconds."""
    told = len(flow.notices())
    began = time.monotonic()
    with step(f"{ADVISORY}, from its publication to the notice"):
        publish("mirror-2", mirror)
        flow.refresh("debian")
        notice = flow.told(told, lambda body: names(body, "newly-affected"))
    return notice, time.monotonic() - began


def publish(revision: str, mirror: Path) -> None:
    """Put a revision of the feeds where the functions read them."""
    shutil.copytree(SAMPLES / "feeds" / revision, mirror, dirs_exist_ok=True)


def names(body: Any, change: str) -> bool:
    """Say whether a notice was caused by an advisory and tells that change of the demonstration's one."""
    told = {(one["vulnerability"], one["change"]) for one in body["changes"]}
    return "advisory" in body["causes"] and (ADVISORY, change) in told


def print_report(report: Any) -> None:
    """Print the findings as a table, the worst first."""
    columns = ("severity", "vulnerability", "package", "version", "state", "fixed_version")
    findings = report["findings"]
    say(table(columns, [tuple(str(one[name] or "-") for name in columns) for one in findings[:ROWS]]))
    if len(findings) > ROWS:
        say(f"... and {len(findings) - ROWS} more")
    say("")
    for one in report["coverage"]:
        say(f"coverage of {one['namespace']}: {one['state']} {one['detail']}".rstrip())
    say("")


def print_notice(notice: Any) -> None:
    """Print what the subscriber got."""
    say(notice["Subject"])
    say(json.dumps(json.loads(notice["Message"]), indent=2))
