"""What subscribers get: one notice per burst, and never the same news under another id."""

import json
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from eclair import ecosystems
from eclair.adapters.documents import FolderDocuments
from eclair.application import MemoryPorts, in_memory
from eclair.model import (
    Cause,
    Change,
    Delta,
    Digest,
    FeatureId,
    Image,
    ImageState,
    LayerReference,
    NotifyRequest,
    Package,
    PackageSet,
    SetId,
    SetReference,
    Severity,
    Source,
    State,
    Verdict,
    Waiting,
)
from eclair.verdict import changes
from tests.fleet import DEBIAN, DPKG, NOW, SAMPLES, SETTINGS, SHOP, Fleet, layer
from tests.registry_in_memory import MemoryRegistry


def pushed(mirror: Path) -> Fleet:
    """Return a fleet with one image of Debian 12, pushed after the feed's first revision was loaded."""
    fleet = Fleet()
    fleet.ports = MemoryPorts(registry=fleet.registry, documents=FolderDocuments(mirror))
    fleet.application = in_memory(fleet.ports, SETTINGS, clock=lambda: NOW)
    shutil.copytree(SAMPLES / "feeds" / "mirror-1", mirror)
    fleet.load("debian")
    fleet.registry.add_image(SHOP, "1", [layer({**DEBIAN, **DPKG})])
    fleet.push(SHOP, "1")
    return fleet


def test_a_push_is_told_once(tmp_path: Path) -> None:
    fleet = pushed(tmp_path / "mirror")
    request = NotifyRequest(repository=SHOP, reason="pushed")
    assert fleet.application.notify(request) == 1
    assert fleet.application.notify(request) == 0
    body = json.loads(fleet.ports.topic.published[0].body)
    assert body["causes"] == ["pushed"]
    assert body["counts"]["changes"] == len(body["changes"])
    assert body["changes"][0]["images"][0]["tags"] == ["1"]


def test_a_notice_that_was_stored_but_not_published_is_published_under_its_id(tmp_path: Path) -> None:
    fleet = pushed(tmp_path / "mirror")
    request = NotifyRequest(repository=SHOP, reason="pushed")
    fleet.application.notify(request)
    (key, stored), *_ = fleet.ports.notices.notices.items()
    fleet.ports.notices.notices[key] = type(stored)(
        **{name: getattr(stored, name) for name in stored.__slots__ if name != "published"}
    )
    fleet.application.notify(request)
    assert {notice.id for notice in fleet.ports.topic.published} == {stored.id}
    assert len(fleet.ports.topic.published) == 2


# --- a package that is matched by more than one thing ----------------------------------------------------------------

DIGEST = Digest("sha256:" + "d" * 64)
SET = SetId("set")
BASH = Package(
    type="rpm",
    name="bash-libs",
    version="5.1-1.el9",
    arch="x86_64",
    source=Source(name="bash", version="5.1-1.el9"),
    path="var/lib/rpm/rpmdb.sqlite",
)
BY_SOURCE, BY_NAME = (feature.id for feature in ecosystems.load()["rpm"].features(BASH, "rocky:9"))


def verdict(feature: FeatureId, severity: Severity = Severity.MEDIUM) -> Verdict:
    return Verdict(
        feature=feature,
        vulnerability="CVE-2024-1",
        state=State.AFFECTED,
        severity=severity,
        severity_source="rocky",
        fixed_version=None,
        fix_channel=None,
        advisories=("RLSA-1",),
        aliases=(),
        feed="rocky",
    )


def stored(history: Sequence[Sequence[Verdict]]) -> MemoryPorts:
    """Return ports that hold an image with one set, whose verdicts went through these versions."""
    ports = MemoryPorts(registry=MemoryRegistry(), documents=FolderDocuments(SAMPLES))
    layer_ = LayerReference(digest=DIGEST, diff_id=DIGEST, media_type="", size=1)
    reference = SetReference(set=SET, type="rpm", namespace="rocky:9", origins=(0,))
    ports.images.save_image(Image(digest=DIGEST, state=ImageState.INDEXED, layers=(layer_,), sets=(reference,)))
    ports.images.add_membership(DIGEST, SHOP, "1")
    ports.sets.bodies[SET] = PackageSet(id=SET, type="rpm", namespace="rocky:9", packages=(BASH,))
    ports.sets.judged[SET] = (len(history), tuple(history[-1]))
    for number, (before, after) in enumerate(pairwise(history), 2):
        delta = Delta(set=SET, number=number, cause=Cause.ADVISORY, feeds=(), changes=changes(before, after))
        ports.sets.deltas[SET, number] = delta
    return ports


def told(ports: MemoryPorts, *waiting: Waiting) -> list[tuple[str, str]]:
    """Return the changes and severities of the notices of what waits."""
    for item in waiting:
        ports.notices.put_waiting(item)
    in_memory(ports, SETTINGS, clock=lambda: NOW).notify(NotifyRequest(repository=SHOP, reason="advisory"))
    bodies = [json.loads(notice.body) for notice in ports.topic.published]
    return [(one["change"], one["severity"]) for body in bodies for one in body["changes"]]


def waiting(number: int, cause: Cause = Cause.ADVISORY, found: tuple[Change, ...] = ()) -> Waiting:
    return Waiting(repository=SHOP, set=SET, number=number, digest=DIGEST, cause=cause, put=NOW, changes=found)


SOURCE, NAME = verdict(BY_SOURCE), verdict(BY_NAME)
WORSE = verdict(BY_NAME, Severity.HIGH)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([(), (SOURCE, NAME)], [("newly-affected", "medium")], id="by both at once"),
        pytest.param([(), (SOURCE,)], [("newly-affected", "medium")], id="by one"),
        pytest.param([(SOURCE,), (SOURCE, NAME)], [], id="by the other, too"),
        pytest.param([(SOURCE, NAME), (SOURCE,)], [], id="still by one"),
        pytest.param([(SOURCE, NAME), ()], [("withdrawn", "medium")], id="by none any more"),
        pytest.param([(SOURCE,), (NAME,)], [], id="by the other instead"),
        pytest.param([(SOURCE,), (SOURCE, WORSE)], [("severity-changed", "high")], id="worse by the other"),
        pytest.param([(), (SOURCE,), (SOURCE, NAME), (NAME,)], [("newly-affected", "medium")], id="in several steps"),
        pytest.param([(), (SOURCE, NAME), (NAME,), ()], [], id="and back"),
    ],
)
def test_what_a_package_is_matched_by_twice_is_told_once(
    history: list[tuple[Verdict, ...]], expected: list[tuple[str, str]]
) -> None:
    assert told(stored(history), *(waiting(number) for number in range(2, len(history) + 1))) == expected


def test_a_push_tells_a_finding_once_however_the_package_is_matched() -> None:
    pushed_with = waiting(1, Cause.PUSHED, changes((), (SOURCE, NAME)))
    assert told(stored([(SOURCE, NAME)]), pushed_with) == [("newly-affected", "medium")]


def test_what_one_notice_told_the_next_does_not_repeat() -> None:
    ports = stored([(), (SOURCE,), (SOURCE, NAME)])
    assert told(ports, waiting(2)) == [("newly-affected", "medium")]
    assert told(ports, waiting(3)) == [("newly-affected", "medium")], "there is still only the first"
