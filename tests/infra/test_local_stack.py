"""The whole flow runs on the local stack: the template as it is, the functions as they are, real requests.

Needs the packages of the emulator, which `eclair local up` installs; skips where they cannot be had.
"""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from infra.local import build, demo, deployment
from infra.local.flow import PATIENCE, Flow
from infra.local.processes import LOOPBACK, StackError, wait_for
from infra.local.stack import FOLDER, Stack, down, status, up

# The processes of the stack outlive whoever starts them, as they should.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

REPOSITORY, TAG = demo.REPOSITORY, demo.TAG


def free_ports() -> int:
    """Return the first of three ports of this machine that nobody listens at."""
    for port in range(14566, 15566, 10):
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            try:
                for number, listener in enumerate((one, two, three)):
                    listener.bind((LOOPBACK, port + number))
            except OSError:
                continue
            return port
    raise AssertionError("no three free ports in a row")


def brought_up(folder: Path, port: int | None = None) -> dict[str, str]:
    return up(mirror=folder / "mirror", parameters={"Feeds": demo.FEEDS}, folder=folder, port=port)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Flow]:
    """A stack of its own, with the feeds' first revision loaded and the sample image pushed."""
    try:
        build.emulator(FOLDER)
    except StackError as error:
        pytest.skip(f"the emulator cannot be installed here: {error}")
    demo.publish("mirror-1", folder / "mirror")
    try:
        flow = Flow(outputs=brought_up(folder, free_ports()))
        flow.refresh("debian")
        flow.push(demo.IMAGE, REPOSITORY, TAG)
        yield flow
    finally:
        down(folder=folder)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def digest(stack: Flow) -> str:
    found = stack.get("/images", repository=f"{stack.outputs['Registry']}/{REPOSITORY}", tag=TAG)
    (image,) = found["images"]
    return str(image["digest"])


def test_a_push_becomes_a_report(stack: Flow, digest: str) -> None:
    report = stack.get(f"/images/{digest}")
    assert report["distribution"]["id"] == "debian"
    assert {"deb"} == {package["type"] for package in report["packages"]}
    assert ("CVE-2020-16156", "perl-base", "5.32.1-4+deb11u4") in {
        (finding["vulnerability"], finding["package"], finding["fixed_version"]) for finding in report["findings"]
    }
    # Loaded; whether the release is still supported depends on the day.
    assert [one["namespace"] for one in report["coverage"]] == ["debian:11"]
    assert report["coverage"][0]["state"] in {"ok", "approximate"}


def test_the_push_was_told_once_with_all_its_findings(stack: Flow, digest: str) -> None:
    notice = stack.told(0, lambda body: body["causes"] == ["pushed"])
    body = json.loads(notice["Message"])
    findings = stack.get(f"/images/{digest}")["findings"]
    assert body["counts"]["changes"] == len(findings)
    assert {image["digest"] for change in body["changes"] for image in change["images"]} == {digest}


def test_an_advisory_reaches_the_subscriber_past_a_poison_record(stack: Flow, folder: Path, digest: str) -> None:
    told = len(stack.notices())
    table = stack.outputs["AdvisoriesTableName"]
    key = {"pk": {"S": "V#debian#poison"}, "sk": {"B": b"deb#debian:11#source#openssl"}}
    deployment.client("dynamodb", stack_of(stack, folder).port).put_item(
        TableName=table, Item={**key, "value": {"B": b"no statement"}}
    )
    demo.publish("mirror-2", folder / "mirror")
    stack.refresh("debian")
    notice = stack.told(told, lambda body: demo.names(body, "newly-affected"))
    (change,) = json.loads(notice["Message"])["changes"]
    (image,) = change["images"]
    assert change["package"]["name"] == "libssl1.1"
    assert change["package"]["source"]["name"] == "openssl"
    assert (image["digest"], image["tags"]) == (digest, [TAG])
    assert image["created_by"].startswith("ADD rootfs")
    assert notice["MessageAttributes"]["repository"]["Value"].endswith(REPOSITORY)
    wait_for(lambda: set_aside(stack, folder) == 1, "the poison record to be set aside", PATIENCE)
    shown = stack.get(f"/vulnerabilities/{demo.ADVISORY}/images")
    assert [one["digest"] for one in shown["images"]] == [digest]


def set_aside(stack: Flow, folder: Path) -> int:
    """Return how many records wait to be matched again, or were given up."""
    sqs = deployment.client("sqs", stack_of(stack, folder).port)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = [
        sqs.get_queue_attributes(QueueUrl=stack.outputs[queue], AttributeNames=names)["Attributes"]
        for queue in ("MatchesQueueUrl", "MatchesDeadLetterQueueUrl")
    ]
    return sum(int(count[name]) for count in counts for name in names)


def stack_of(stack: Flow, folder: Path) -> Stack:
    return Stack(folder=folder, port=int(stack.outputs["Endpoint"].rpartition(":")[2]))


def test_webhooks_without_the_secret_are_refused(stack: Flow) -> None:
    answer = requests.post(stack.outputs["WebhookUrl"], json={"events": []}, timeout=30)
    assert answer.status_code == 403
    assert "secret" in answer.json()["error"]["message"]


def test_all_of_it_listens_on_this_machine_alone(stack: Flow, folder: Path) -> None:
    for process in stack_of(stack, folder).processes:
        assert process.pid is not None
        inodes = {link.readlink().name for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()}
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
        listening = [line.split() for line in lines if line.split()[3] == "0A"]
        ours = [fields[1] for fields in listening if f"socket:[{fields[9]}]" in inodes]
        assert ours, process.name
        assert {address.partition(":")[0] for address in ours} == {"0100007F"}, process.name


def test_a_restart_forgets_nothing_and_a_deleted_image_leaves(stack: Flow, folder: Path, digest: str) -> None:
    before = stack.get(f"/images/{digest}")
    down(folder=folder)
    with pytest.raises(requests.ConnectionError):
        stack.get("/feeds")
    brought_up(folder)
    assert stack.get(f"/images/{digest}") == before
    assert status(as_json=True, folder=folder)
    registry = f"http://{stack.outputs['Registry']}/v2/{REPOSITORY}/manifests"
    requests.delete(f"{registry}/{digest}", timeout=30).raise_for_status()
    wait_for(
        lambda: not stack.get(f"/vulnerabilities/{demo.ADVISORY}/images")["images"], "the image to leave", PATIENCE
    )
