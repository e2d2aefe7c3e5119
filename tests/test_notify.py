"""What subscribers get: one notice per burst, and never the same news under another id."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import pytest

from eclair import ecosystems
from eclair.adapters.documents import FolderDocuments
from eclair.adapters.memory import MemoryNotices
from eclair.application import MemoryPorts, Settings, in_memory
from eclair.model import (
    Cause,
    Change,
    Delta,
    Digest,
    FeatureId,
    FeedPart,
    Image,
    ImageState,
    LayerReference,
    Member,
    Membership,
    Notice,
    NotifyRequest,
    Package,
    PackageSet,
    Repository,
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
    ports.sets.joined[SET, DIGEST, SHOP] = Member(digest=DIGEST, repository=SHOP, since=1, settled=True)
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


# --- one notice, whatever happens on the way -------------------------------------------------------------------------

NEWS = [(), (SOURCE,)]
ASKED = NotifyRequest(repository=SHOP, reason="advisory")


class Killed(BaseException):
    """The process ended."""


class Dying(MemoryNotices):
    """The process ends after a step."""

    step = ""

    def _after(self, step: str) -> None:
        if step == self.step:
            self.step = ""
            raise Killed

    def put_notice(self, notice: Notice) -> bool:
        new = super().put_notice(notice)
        self._after("stored")
        return new

    def mark_sent(self, repository: Repository, keys: Sequence[str]) -> None:
        self._after("published")
        super().mark_sent(repository, keys)
        self._after("marked as sent")

    def mark_published(self, repository: Repository, sequence: int) -> None:
        super().mark_published(repository, sequence)
        self._after("marked as published")


@pytest.mark.parametrize("step", ["stored", "published", "marked as sent", "marked as published"])
def test_a_notice_has_one_id_and_one_body_wherever_the_process_ended(step: str) -> None:
    notices = Dying()
    ports = replace(stored(NEWS), notices=notices)
    notices.put_waiting(waiting(2))
    times = count(NOW, 60.0)
    notify = in_memory(ports, SETTINGS, clock=lambda: next(times)).notify
    notices.step = step
    with pytest.raises(Killed):
        notify(ASKED)
    for _ in range(2):
        notify(ASKED)
    assert len(set(ports.topic.published)) == 1
    assert 1 <= len(ports.topic.published) <= 2
    assert not notices.waiting(SHOP)
    (notice,) = notices.notices.values()
    assert notice.published


def test_an_unfinished_notice_comes_before_what_waits() -> None:
    notices = Dying()
    ports = replace(stored([(), (SOURCE,), (SOURCE, WORSE)]), notices=notices)
    notify = in_memory(ports, SETTINGS, clock=lambda: NOW).notify
    notices.put_waiting(waiting(2))
    notices.step = "stored"
    with pytest.raises(Killed):
        notify(ASKED)
    notices.put_waiting(waiting(3))
    assert notify(ASKED) == 2
    assert [(notice.sequence, notice.waiting) for notice in ports.topic.published] == [
        (1, (waiting(2).key,)),
        (2, (waiting(3).key,)),
    ]


class Contested(MemoryNotices):
    """Another notify stores its notice of the same news just before."""

    def put_notice(self, notice: Notice) -> bool:
        super().put_notice(notice)
        return super().put_notice(replace(notice, id="ours"))


def test_who_loses_a_number_finishes_the_notice_that_has_it() -> None:
    ports = replace(stored(NEWS), notices=Contested())
    assert told(ports, waiting(2)) == [("newly-affected", "medium")]
    (notice,) = ports.topic.published
    assert notice.id != "ours"
    assert not ports.notices.waiting(SHOP)


# --- what is no news (yet) -------------------------------------------------------------------------------------------


def test_what_was_withdrawn_before_it_was_told_is_no_notice() -> None:
    ports = stored([(), (SOURCE,), ()])
    assert told(ports, waiting(2), waiting(3)) == []
    assert not ports.notices.waiting(SHOP)


@pytest.mark.parametrize(
    "what", ["image", "member of the repository", "member of the set", "another stay", "another member"]
)
def test_an_image_that_is_gone_is_no_notice(what: str) -> None:
    ports = stored(NEWS)
    match what:
        case "image":
            ports.images.images.clear()
        case "member of the repository":
            ports.images.remove_membership(DIGEST, SHOP)
        case "member of the set":
            ports.sets.leave(SET, DIGEST, SHOP, joined=NOW)
        case "another stay":
            ports.images.remove_membership(DIGEST, SHOP)
            ports.images.add_membership(DIGEST, SHOP, now=NOW)
        case "another member":
            ports.sets.join(SET, Membership(digest=DIGEST, repository=SHOP, joined=NOW))
    assert told(ports, waiting(2)) == []
    assert not ports.notices.waiting(SHOP)


ROCKY = ("rocky/9",)
LOADING = Settings(feeds=("rocky", "debian"))


def images(ports: MemoryPorts, count: int) -> list[Waiting]:
    """Let there be many more images with the set; return the news of version 2 for each of them."""
    image = ports.images.images[DIGEST]
    news = []
    for number in range(count):
        digest = Digest(f"sha256:{number:064x}")
        ports.images.save_image(replace(image, digest=digest, rev=0))
        ports.images.add_membership(digest, SHOP)
        ports.sets.joined[SET, digest, SHOP] = Member(digest=digest, repository=SHOP, since=1, settled=True)
        news.append(replace(waiting(2), digest=digest))
    return news


def test_a_first_load_is_told_in_one_summary_when_it_has_closed() -> None:
    ports = stored(NEWS)
    for item in images(ports, 2500):
        ports.notices.put_waiting(replace(item, cause=Cause.FIRST_LOAD, feeds=ROCKY))
    notify = in_memory(ports, LOADING, clock=lambda: NOW).notify
    assert notify(ASKED) == 0
    ports.feeds.stored["rocky", "9"] = FeedPart(feed="rocky", name="9")
    assert notify(ASKED) == 0, "it was begun, and has not closed"
    ports.feeds.stored["rocky", "9"] = FeedPart(feed="rocky", name="9", closed=True)
    assert notify(ASKED) == 1
    body = json.loads(ports.topic.published[0].body)
    assert body["causes"] == ["first-load"]
    assert body["counts"]["images"] == 2500
    assert not ports.notices.waiting(SHOP)


def test_what_a_first_load_holds_back_hides_no_other_news() -> None:
    ports = stored(NEWS)
    held = images(ports, 1500)
    for item in held:
        ports.notices.put_waiting(replace(item, feeds=ROCKY))
    last = replace(waiting(2), number=2)  # its digest stands behind all of the others
    ports.notices.put_waiting(last)
    assert in_memory(ports, LOADING, clock=lambda: NOW).notify(ASKED) == 1
    (notice,) = ports.topic.published
    assert notice.waiting == (last.key,)
    assert len(ports.notices.waiting(SHOP, limit=2000)) == 1500


def test_a_feed_that_is_turned_off_holds_nothing_back() -> None:
    ports = stored(NEWS)
    ports.notices.put_waiting(replace(waiting(2), feeds=ROCKY))
    assert in_memory(ports, Settings(feeds=("debian",)), clock=lambda: NOW).notify(ASKED) == 1


def test_news_without_end_goes_into_several_notices_each_piece_into_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eclair.judge.PAGE", 10)
    monkeypatch.setattr("eclair.notify.BURST", 25)
    ports = stored(NEWS)
    news = images(ports, 70)
    for item in news:
        ports.notices.put_waiting(item)
    assert in_memory(ports, SETTINGS, clock=lambda: NOW).notify(ASKED) == 3
    assert [len(notice.waiting) for notice in ports.topic.published] == [30, 30, 10]
    assert [key for notice in ports.topic.published for key in notice.waiting] == [item.key for item in news]
