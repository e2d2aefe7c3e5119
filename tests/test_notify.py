"""What subscribers get: one notice per burst, and never the same news under another id."""

import json
import shutil
from pathlib import Path

from eclair.adapters.documents import FolderDocuments
from eclair.application import MemoryPorts, in_memory
from eclair.model import NotifyRequest
from tests.fleet import DEBIAN, DPKG, NOW, SAMPLES, SETTINGS, SHOP, Fleet, layer


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
