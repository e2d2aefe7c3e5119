"""Red Hat's VEX documents: recorded ones become the expected statements, and only what changed is read."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard

from eclair.adapters.documents import documents
from eclair.adapters.memory import MemoryAdvisories, MemoryFeeds, MemoryImages, MemoryQueues
from eclair.errors import BadFeed, NotFound
from eclair.feeds import Document, Step, redhat
from eclair.feeds.redhat import FEED, FOLDER, RedHat
from eclair.model import AdvisoryStatements, RefreshRequest, Unread
from eclair.refresh import Refresh
from tests.advisories.test_redhat_vex import MAIN, vex
from tests.feeds.said import outline

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "redhat"
RED_HAT = RedHat()
[PART] = FEED.parts
ARCHIVE = "csaf_vex_2026-03-12.tar.zst"


@dataclass
class Vendor:
    """What Red Hat serves; `opened` are the documents that were asked for beside the lists."""

    archived: Mapping[str, bytes] = field(default_factory=dict)
    single: Mapping[str, bytes] = field(default_factory=dict)
    changes: str = ""
    deletions: str = ""
    latest: str = ARCHIVE
    opened: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, document: Document) -> Iterator[BinaryIO]:
        name = document.url.removeprefix(f"{FOLDER}/")
        self.opened.append(name)
        if name == self.latest:
            yield io.BytesIO(zstandard.compress(tar(self.archived)))
        elif name in self.single:
            yield io.BytesIO(self.single[name])
        else:
            raise NotFound(document.url)

    def steps(self, cursor: str = "") -> list[Step]:
        lists = [io.BytesIO(text.encode()) for text in (f"{self.latest}\n", self.changes, self.deletions)]
        return list(RED_HAT.changes(PART, lists, cursor, self.open, "r1"))

    def said(self, cursor: str = "") -> list[str]:
        return [step.said.id for step in self.steps(cursor)]


def tar(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


# --- what is said ----------------------------------------------------------------------------------------------------


def test_all_documents_are_read(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = shared_data / "mirror" / FOLDER.removeprefix("https://")

    @contextmanager
    def open_(document: Document) -> Iterator[BinaryIO]:
        with (folder / document.url.removeprefix(f"{FOLDER}/")).open("rb") as stream:
            yield stream

    lists = [io.BytesIO((folder / document.url.rpartition("/")[2]).read_bytes()) for document in PART.documents]
    steps = list(RED_HAT.changes(PART, lists, "", open_, "r1"))
    assert not [step for step in steps if isinstance(step.said, Unread)]
    # 22 are archived; of 4 that are listed beside them 3 have changed since.
    assert [step.said.id for step in steps[22:]] == [
        "CVE-2026-0968",
        "CVE-2026-27142",
        "CVE-2026-2297",
        "CVE-2026-2673",
    ]
    deleted = next(step.said for step in steps if step.said.id == "CVE-2023-0030")
    assert isinstance(deleted, AdvisoryStatements)
    assert deleted.statements == ()
    assert caplog.text == ""


@pytest.mark.parametrize("content", [b"", b"{}", vex()[:-9], vex(cve="CVE-2024-0002")])
def test_a_broken_document_is_unread_and_logged(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    vendor = Vendor(archived={"2024/cve-2024-0001.json": content, **document("CVE-2024-0009")})
    broken, read = vendor.steps()
    assert broken.said == Unread(id="CVE-2024-0001")
    assert len(outline([read.said])) == 1
    assert "2024/cve-2024-0001.json" in caplog.text


# --- what changed ----------------------------------------------------------------------------------------------------


def path(cve: str) -> str:
    return f"{cve[4:8]}/{cve.lower()}.json"


def line(cve: str, time: str) -> str:
    return f'"{path(cve)}","{time}"\n'


def document(cve: str, version: str = "1") -> dict[str, bytes]:
    purl = f"pkg:rpm/redhat/vim@{version}-1.el9?arch=src"
    return {path(cve): vex(("fixed", "p", MAIN, purl), cve=cve)}


OLD, NEW, GONE, BESIDE = "CVE-2024-0001", "CVE-2026-0002", "CVE-2023-0030", "CVE-2025-0003"

FIRST = [OLD, GONE, NEW, BESIDE, NEW]
"""What a first load reads: the archive, what is listed but not archived, what changed since."""

VENDOR = Vendor(
    archived={**document(OLD), **document(GONE), **document(NEW)},
    single={**document(OLD, "2"), **document(NEW, "2"), **document(BESIDE)},
    changes=line(NEW, "2026-03-14T10:00:00+00:00")
    + line(BESIDE, "2025-01-01T00:00:00+00:00")
    + line(OLD, "2024-01-01T00:00:00+00:00"),
    deletions=line(GONE, "2024-07-10T15:40:28+00:00"),
)


def vendor(**changes: object) -> Vendor:
    return Vendor(**{**VENDOR.__dict__, "opened": [], **changes})


def test_a_first_load_reads_the_archive_and_what_changed_since() -> None:
    first = vendor()
    steps = first.steps()
    assert [step.said.id for step in steps] == FIRST
    assert first.opened == [ARCHIVE, path(BESIDE), path(NEW)]
    assert [len(outline([step.said])) for step in steps] == [1, 0, 1, 1, 1], "what is deleted says nothing"


def test_a_later_load_reads_what_changed_since_the_last() -> None:
    cursor = vendor().steps()[-1].cursor
    assert vendor().said(cursor) == []
    changed = vendor(changes=line(OLD, "2026-03-15T00:00:00+00:00") + VENDOR.changes)
    assert changed.said(cursor) == [OLD]
    assert changed.opened == [f"2024/{OLD.lower()}.json"]


def test_changes_are_read_in_the_order_of_time_from_any_zone() -> None:
    cursor = vendor().steps()[-1].cursor
    changes = (
        line("CVE-2026-0005", "2026-03-15T02:00:00+02:00")
        + line("CVE-2026-0004", "2026-03-15T01:00:00+00:00")
        + line("CVE-2026-0003", "2026-03-15T00:00:00+00:00")
    )
    single = {**document("CVE-2026-0003"), **document("CVE-2026-0004"), **document("CVE-2026-0005")}
    assert vendor(changes=changes, single=single).said(cursor) == ["CVE-2026-0003", "CVE-2026-0005", "CVE-2026-0004"]


def test_a_load_goes_on_where_it_stopped() -> None:
    steps = vendor().steps()
    for position, step in enumerate(steps):
        rest = [later.said for later in steps[position + 1 :]]
        assert [later.said for later in vendor().steps(step.cursor)] == rest


def test_a_deletion_takes_everything_back() -> None:
    cursor = vendor().steps()[-1].cursor
    deleted = vendor(deletions=line(OLD, "2026-04-01T00:00:00+00:00"))
    [step] = deleted.steps(cursor)
    assert isinstance(step.said, AdvisoryStatements)
    assert (step.said.id, step.said.statements, deleted.opened) == (OLD, (), [])


def test_what_changed_after_its_deletion_is_back() -> None:
    cursor = vendor().steps()[-1].cursor
    back = vendor(changes=line(OLD, "2026-04-02T00:00:00+00:00"), deletions=line(OLD, "2026-04-01T00:00:00+00:00"))
    [step] = back.steps(cursor)
    assert len(outline([step.said])) == 1


def test_a_document_that_is_not_there_stays_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    cursor = vendor().steps()[-1].cursor
    lost = vendor(changes=line("CVE-2026-0009", "2026-04-02T00:00:00+00:00"))
    assert [step.said for step in lost.steps(cursor)] == [Unread(id="CVE-2026-0009")]
    assert "cve-2026-0009" in caplog.text


def test_with_many_changes_a_newer_archive_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redhat, "MOST_SINGLE", 2)
    cursor = vendor().steps()[-1].cursor
    changes = "".join(line(f"CVE-2026-00{number}", "2026-03-20T00:00:00+00:00") for number in range(10, 13))
    archived = {**document("CVE-2026-0010"), **document("CVE-2026-0011"), **document("CVE-2026-0012")}
    newer = vendor(changes=changes, archived=archived, single={}, latest="csaf_vex_2026-03-25.tar.zst")
    assert newer.said(cursor) == ["CVE-2026-0010", "CVE-2026-0011", "CVE-2026-0012"]
    assert newer.opened == ["csaf_vex_2026-03-25.tar.zst"]
    older = vendor(changes=changes, archived={}, single=archived)
    assert len(older.said(cursor)) == 3
    assert ARCHIVE not in older.opened


def test_an_archive_replaced_meanwhile_is_read_from_its_beginning() -> None:
    cursor = vendor().steps()[0].cursor
    assert vendor(latest="csaf_vex_2026-03-13.tar.zst").said(cursor) == FIRST


@pytest.mark.parametrize("cursor", ["0 since 2026-03-25T00:00:00+00:00 x", "1", "1 since", "nonsense", "1 x y z"])
def test_a_cursor_that_cannot_be_read_starts_anew(cursor: str) -> None:
    assert vendor().said(cursor) == FIRST


def test_members_that_are_no_documents_are_passed_over() -> None:
    odd = {"../../etc/cve-2024-0003.json": b"{}", "/2024/cve-2024-0004.json": b"{}", "2024/index.json": b"{}"}
    assert vendor(archived={**odd, **document(OLD)}).said() == [OLD, BESIDE, NEW]


@pytest.mark.parametrize(
    "changes",
    [
        {"latest": "<html>"},
        {"latest": ""},
        {"latest": "../csaf_vex_2026-03-12.tar.zst"},
        {"latest": "csaf_vex_2026-13-12.tar.zst"},
        {"changes": "<html><body>503</body></html>"},
        {"deletions": "<html><body>503</body></html>"},
        {"archived": {"2024/cve-2024-0001.json": b"x" * (65 << 20)}},
    ],
)
def test_broken_lists_and_archives_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BadFeed):
        vendor(**changes).steps()


def test_a_truncated_archive_is_refused_after_what_it_holds() -> None:
    class Truncated(Vendor):
        @contextmanager
        def open(self, document: Document) -> Iterator[BinaryIO]:
            with super().open(document) as stream:
                yield io.BytesIO(stream.read()[:-20])

    with pytest.raises(BadFeed):
        Truncated(archived=document(OLD)).steps()


def test_a_broken_line_is_passed_over_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    cursor = vendor().steps()[-1].cursor
    broken = '"../x.json","2026-04-01T00:00:00+00:00"\n"2026/cve-2026-0002.json","tomorrow"\n"only a field"\nx\ry,z\n'
    assert vendor(changes=broken + line(NEW, "2026-04-01T00:00:00+00:00")).said(cursor) == [NEW]
    assert "count=5" in caplog.text


def test_a_refresh_writes_what_changed_and_no_more(tmp_path: Path) -> None:
    """The real use case over a mirror: a first load, nothing new, one document changed, one deleted."""
    folder = tmp_path / FOLDER.removeprefix("https://")
    folder.mkdir(parents=True)
    advisories = MemoryAdvisories()
    refresh = Refresh(
        advisories=advisories,
        feeds=MemoryFeeds(),
        documents=documents(str(tmp_path)),
        images=MemoryImages(),
        queues=MemoryQueues(),
        clock=lambda: 1e9,
    )

    def publish(single: Mapping[str, bytes], changes: str, deletions: str) -> None:
        for name, content in single.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / "archive_latest.txt").write_text(ARCHIVE)
        (folder / "changes.csv").write_text(changes)
        (folder / "deletions.csv").write_text(deletions)

    def run() -> tuple[int, int, dict[str, str | None]]:
        refreshed = refresh(RefreshRequest(feed="redhat", part="vex"))
        assert refreshed is not None
        standing = [said for said in advisories.said.values() if not said.withdrawn]
        return refreshed.written, refreshed.withdrawn, {said.id: said.ranges[0].fixed for said in standing}

    archived = zstandard.compress(tar({**document(OLD), **document(GONE), **document(NEW)}))
    folder.joinpath(ARCHIVE).write_bytes(archived)
    publish({}, line(NEW, "2026-03-01T00:00:00+00:00"), "")
    everything = {OLD: "1-1.el9", GONE: "1-1.el9", NEW: "1-1.el9"}
    assert run() == (3, 0, everything)
    assert run() == (0, 0, everything)
    publish(document(NEW, "2"), line(NEW, "2026-04-01T00:00:00+00:00"), line(GONE, "2026-04-02T00:00:00+00:00"))
    assert run() == (2, 1, {OLD: "1-1.el9", NEW: "2-1.el9"})
    assert run() == (0, 0, {OLD: "1-1.el9", NEW: "2-1.el9"})


def test_it_speaks_for_red_hat_only_until_the_end() -> None:
    assert FEED.speaks_for("rhel:9") == "vex"
    assert (FEED.speaks_for("centos-stream:9"), FEED.speaks_for("rocky:9")) == (None, None)
    now = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    assert [FEED.supported(f"rhel:{release}", {}, now) for release in ("7", "8", "10")] == [False, True, True]
