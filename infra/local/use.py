"""Use the running local stack from the command line: `eclair local push | report | refresh | notices`."""

import json
from pathlib import Path

from infra.local.demo import print_notice, print_report
from infra.local.flow import Flow
from infra.local.processes import StackError
from infra.local.stack import FOLDER, Stack, port_of, require_running, say, step


def push(layout: str, name: str) -> None:
    """Push an OCI layout (a folder or a tar archive) as `NAME:TAG` and print its report."""
    flow = running()
    repository, tag = repository_and_tag(name)
    with step(f"the push of {flow.outputs['Registry']}/{repository}:{tag} until its report is there"):
        digest = flow.push(Path(layout), repository, tag)
    say("")
    print_report(flow.get(f"/images/{digest}"))


def report(name: str, *, as_json: bool = False) -> None:
    """Print the report of what `NAME:TAG` points at."""
    flow = running()
    repository, tag = repository_and_tag(name)
    found = flow.get("/images", repository=f"{flow.outputs['Registry']}/{repository}", tag=tag)
    if not found or not found["images"]:
        raise StackError(f"no image {repository}:{tag}: push it to {flow.outputs['Registry']} first")
    for image in found["images"]:
        answer = flow.get(f"/images/{image['digest']}")
        if as_json:
            say(json.dumps(answer))
        else:
            print_report(answer)


def refresh(feeds: list[str]) -> None:
    """Ask for a refresh of the feeds and wait until it is done."""
    flow = running()
    for feed in feeds:
        with step(f"the refresh of {feed}"):
            flow.refresh(feed)


def notices(*, as_json: bool = False) -> None:
    """Print what the subscriber was told so far, oldest first."""
    for notice in running().notices():
        if as_json:
            say(json.dumps(notice))
        else:
            print_notice(notice)


def running() -> Flow:
    """Return the stack as it is used. Raises `StackError` where it does not run."""
    stack = Stack(port=port_of(FOLDER))
    require_running(stack)
    return Flow(outputs=json.loads(stack.outputs.read_text()))


def repository_and_tag(name: str) -> tuple[str, str]:
    """Read `NAME:TAG`; without a tag it is `latest`."""
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon else (tag, "latest")
