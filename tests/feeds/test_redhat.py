"""Red Hat's VEX documents: recorded ones become the expected statements, and only what changed is read."""

import gzip
import io
import json
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
from eclair.release_marks import of_repository
from tests.feeds.said import NO_XML, outline

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "redhat"
RED_HAT = RedHat()
[PART] = FEED.parts
ARCHIVE = "csaf_vex_2026-03-12.tar.zst"


def sample(cve: str) -> bytes:
    return gzip.decompress((SAMPLES / f"{cve}.json.gz").read_bytes())


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


def statements_of(content: bytes, cve: str) -> list[str]:
    path = f"{cve[4:8]}/{cve}.json"
    [step] = Vendor(archived={path: content}).steps()
    assert isinstance(step.said, AdvisoryStatements), step.said
    assert step.said.id == cve.upper()
    return [line.replace(f" {cve.upper()}", "") for line in outline([step.said])]


# --- recorded documents ----------------------------------------------------------------------------------------------


def test_a_component_without_a_package_url_is_source_and_binary() -> None:
    """https://access.redhat.com/security/cve/CVE-2023-0049 lists vim of all releases as "Will not fix"."""
    kinds = ("binary", "source")
    assert statements_of(sample("cve-2023-0049"), "cve-2023-0049") == [
        *(f"rhel:6 {kind} vim : end-of-life * low" for kind in kinds),
        *(f"rhel:{release} {kind} vim : will-not-fix * low" for release in (7, 8, 9) for kind in kinds),
    ]


def test_sources_speak_for_what_is_built_from_them() -> None:
    """The document has 135 products of Enterprise Linux."""
    assert statements_of(sample("cve-2024-0727"), "cve-2024-0727") == [
        "rhel:6 source openssl : end-of-life * low",
        "rhel:7 source openssl : end-of-life * low",
        "rhel:8 source compat-openssl10 : deferred * low",
        "rhel:8 source edk2 : will-not-fix * low",
        "rhel:8 source openssl : deferred * low",
        "rhel:8 source shim : not-affected low",
        "rhel:9 source compat-openssl11 : deferred * low",
        "rhel:9 source edk2 (RHSA-2024:9088) : fixed <20240524-6.el9_5 low",
        "rhel:9 source openssl (RHSA-2024:2447) : fixed <1:3.0.7-27.el9 low",
        "rhel:9 source openssl-fips-provider : not-affected low",
        "rhel:9 source shim : not-affected low",
    ]


def test_streams_are_told_apart() -> None:
    assert statements_of(sample("cve-2025-40907"), "cve-2025-40907") == [
        "rhel:10 source perl-FCGI (RHSA-2025:8636) : fixed <1:0.82-13.1.el10_0 high",
        "rhel:10 source perl-FCGI (RHSA-2025:8636) : fixed <1:0.82-13.1.el10_0 high [dist:el10_0]",
        "rhel:7 source perl-FCGI (RHSA-2025:8625) : fixed <1:0.74-8.el7_9.1 high via els",
        *(
            f"rhel:8 source perl-FCGI ({erratum}) : fixed <1:0.78-{fix} high [{stream}module:perl-FCGI:0.78]"
            for erratum, fix, stream in (
                ("RHSA-2025:8696", "12.module+el8.10.0+23147", ""),
                ("RHSA-2025:8698", "11.module+el8.8.0+23188", "dist:el8_8 "),
                ("RHSA-2025:8703", "11.module+el8.4.0+23209", "dist:el8_4 "),
                ("RHSA-2025:8829", "11.module+el8.2.0+23234", "dist:el8_2 "),
                ("RHSA-2025:8890", "11.module+el8.6.0+23193", "dist:el8_6 "),
            )
        ),
        "rhel:9 source perl-FCGI (RHSA-2025:8635) : fixed <1:0.79-8.1.el9_6 high",
        "rhel:9 source perl-FCGI (RHSA-2025:8677) : fixed <1:0.79-8.el9_4.1 high [dist:el9_4]",
        "rhel:9 source perl-FCGI (RHSA-2025:8678) : fixed <1:0.79-8.el9_0.1 high [dist:el9_0]",
        "rhel:9 source perl-FCGI (RHSA-2025:8697) : fixed <1:0.79-8.el9_2.1 high [dist:el9_2]",
    ]


def test_what_is_not_fixed_yet_affects_every_version() -> None:
    lines = statements_of(sample("cve-2026-0968"), "cve-2026-0968")
    assert lines == [
        "rhel:10 source libssh : affected * low",
        "rhel:6 source libssh2 : not-affected low",
        "rhel:7 source libssh2 : not-affected low",
        "rhel:8 source libssh : deferred * low",
        "rhel:9 source libssh : affected * low",
    ]


def test_modules_that_are_not_fixed_are_told_by_their_streams() -> None:
    lines = statements_of(sample("cve-2026-2297"), "cve-2026-2297")
    assert "rhel:8 source python36 : deferred * low [module:python36:3.6]" in lines
    assert "rhel:8 source python3 : deferred * low" in lines
    assert not [line for line in lines if " binary " in line]


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


def test_ids_of_repositories_say_what_the_table_of_cpes_does(shared_data: Path) -> None:
    """So the table, which is 2.7 MB and changes every day, need not be kept: three of its 10,106 entries differ."""
    place = shared_data / "mirror/security.access.redhat.com/data/metrics/repository-to-cpe.json"
    differ = []
    for repository, entry in json.loads(place.read_bytes())["data"].items():
        platforms = [platform for cpe in entry["cpes"] if (platform := redhat._platform(cpe))]
        streams = {stream for platform in platforms for stream in platform.streams}
        named = of_repository(repository)
        if named and streams and streams != named:
            differ.append(repository)
    assert len(differ) == 3


# --- made documents --------------------------------------------------------------------------------------------------


def vex(
    *products: tuple[str, str, str, str],
    cve: str = "CVE-2024-0001",
    remedies: list[dict[str, object]] | None = None,
    **vulnerability: object,
) -> bytes:
    """Return a document that says of (status, id, CPE, package URL) products."""
    branches, relationships = [], []
    said: dict[str, list[str]] = {}
    for status, id_, cpe, purl in products:
        branches.append({"product": {"product_id": cpe, "product_identification_helper": {"cpe": cpe}}})
        branches.append({"product": {"product_id": purl, "product_identification_helper": {"purl": purl}}})
        relationships.append(
            {
                "full_product_name": {"product_id": id_},
                "product_reference": purl,
                "relates_to_product_reference": cpe,
            }
        )
        said.setdefault(status, []).append(id_)
    return json.dumps(
        {
            "document": {"aggregate_severity": {"text": "Moderate"}, "tracking": {"id": cve, "status": "final"}},
            "product_tree": {"branches": branches, "relationships": relationships},
            "vulnerabilities": [{"product_status": said, "remediations": remedies or [], **vulnerability}],
        }
    ).encode()


MAIN = "cpe:/o:redhat:enterprise_linux:9::baseos"
SOURCE = "pkg:rpm/redhat/vim@8-1.el9?arch=src"


def made(*products: tuple[str, str, str, str], **more: object) -> list[str]:
    return statements_of(vex(*products, **more), "cve-2024-0001")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cpe", "expected"),
    [
        ("cpe:/o:redhat:enterprise_linux:9", ["rhel:9 []"]),
        ("cpe:/a:redhat:enterprise_linux:8::appstream", ["rhel:8 []"]),
        ("cpe:/o:redhat:enterprise_linux:7::server", ["rhel:7 []"]),
        ("cpe:/a:redhat:rhel_eus:9.2::appstream", ["rhel:9 [dist:el9_2]"]),
        ("cpe:/o:redhat:rhel_aus:8.4::baseos", ["rhel:8 [dist:el8_4]"]),
        ("cpe:/o:redhat:rhel_e4s:9.0::baseos", ["rhel:9 [dist:el9_0]"]),
        ("cpe:/a:redhat:rhel_tus:8.8::appstream", ["rhel:8 [dist:el8_8]"]),
        ("cpe:/o:redhat:rhel_eus_long_life:8.4::baseos", ["rhel:8 [dist:el8_4]"]),
        ("cpe:/o:redhat:enterprise_linux:10.1", ["rhel:10 []", "rhel:10 [dist:el10_1]"]),
        ("cpe:/o:redhat:enterprise_linux_eus:10.0", ["rhel:10 [dist:el10_0]"]),
        ("cpe:/o:redhat:rhel_els:7", ["rhel:7 [] via els"]),
        ("cpe:/a:redhat:openshift:4.12::el8", []),
        ("cpe:/a:redhat:rhel_software_collections:3::el7", []),
        ("cpe:/a:redhat:enterprise_linux_ai:3", []),
        ("cpe:/a:redhat:rhel_satellite_client:6::el9", []),
        ("cpe:/a:redhat:enterprise_linux", []),
        ("cpe:/a:other:enterprise_linux:9", []),
    ],
)
def test_only_enterprise_linux_itself_counts(cpe: str, expected: list[str]) -> None:
    [step] = Vendor(archived={"2024/cve-2024-0001.json": vex(("fixed", "p", cpe, SOURCE))}).steps()
    assert isinstance(step.said, AdvisoryStatements)
    assert [
        f"{statement.package.namespace} [{statement.stream}]"
        + (f" via {statement.fix_channel}" if statement.fix_channel else "")
        for statement in step.said.statements
    ] == expected


@pytest.mark.parametrize(
    ("status", "remedy", "expected"),
    [
        ("fixed", ("vendor_fix", "update"), "(RHSA-2024:1) : fixed <8-1.el9"),
        ("known_affected", ("none_available", "Affected"), ": affected *"),
        ("known_affected", ("none_available", "Fix deferred"), ": deferred *"),
        ("known_affected", ("no_fix_planned", "Will not fix"), ": will-not-fix *"),
        ("known_affected", ("no_fix_planned", "Out of support scope"), ": end-of-life *"),
        ("known_affected", ("no_fix_planned", "a word of tomorrow"), ": affected *"),
        ("known_affected", ("workaround", "do not use it"), ": affected *"),
        ("under_investigation", ("none_available", "Under investigation"), ": under-investigation *"),
        ("known_not_affected", ("none_available", "x"), ": not-affected"),
    ],
)
def test_statuses_and_remediations_become_states(status: str, remedy: tuple[str, str], expected: str) -> None:
    category, details = remedy
    url = "https://access.redhat.com/errata/RHSA-2024:1"
    remedies = [{"category": category, "details": details, "url": url, "product_ids": ["p"]}]
    assert made((status, "p", MAIN, SOURCE), remedies=remedies) == [f"rhel:9 source vim {expected} medium"]


def test_a_binary_counts_where_no_source_is_on_the_same_ground() -> None:
    binary = "pkg:rpm/redhat/vim-common@8-1.el9?arch=x86_64"
    other = "pkg:rpm/redhat/gvim@8-2.el9?arch=x86_64"
    fixes = [
        {"category": "vendor_fix", "url": "https://access.redhat.com/errata/RHSA-2024:1", "product_ids": ["s", "b"]},
        {"category": "vendor_fix", "url": "https://access.redhat.com/errata/RHSA-2024:2", "product_ids": ["o"]},
    ]
    assert made(
        ("fixed", "s", MAIN, SOURCE),
        ("fixed", "b", MAIN, binary),
        ("fixed", "o", MAIN, other),
        ("known_not_affected", "n", MAIN, "pkg:rpm/redhat/vim-data"),
        remedies=fixes,
    ) == [
        "rhel:9 binary gvim (RHSA-2024:2) : fixed <8-2.el9 medium",
        "rhel:9 binary vim-data : not-affected medium",
        "rhel:9 source vim (RHSA-2024:1) : fixed <8-1.el9 medium",
    ]


def test_a_fix_outweighs_what_other_variants_lack() -> None:
    assert made(
        ("fixed", "p", MAIN, SOURCE),
        ("known_affected", "q", "cpe:/o:redhat:enterprise_linux:9", "pkg:rpm/redhat/vim?arch=src"),
    ) == ["rhel:9 source vim : fixed <8-1.el9 medium"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"threats": [{"category": "impact", "details": "Important", "product_ids": ["p"]}]}, "high"),
        ({"threats": [{"category": "impact", "details": "Low", "product_ids": ["q"]}]}, "medium"),
        ({"scores": [{"cvss_v3": {"baseScore": 9.8}, "products": ["p"]}]}, "critical"),
        (
            {
                "scores": [{"cvss_v3": {"baseScore": 9.8}, "products": ["p"]}],
                "threats": [{"category": "impact", "details": "Low", "product_ids": ["p"]}],
            },
            "low",
        ),
    ],
)
def test_severity_is_red_hats_word_else_the_score(said: dict[str, object], expected: str) -> None:
    [line] = made(("fixed", "p", MAIN, SOURCE), **said)
    assert line.endswith(f" {expected}")


def test_a_document_that_is_deleted_says_nothing() -> None:
    content = json.dumps({"document": {"tracking": {"id": "CVE-2023-0030", "status": "deleted"}}}).encode()
    assert statements_of(content, "cve-2023-0030") == []


@pytest.mark.parametrize(
    "content",
    [
        *NO_XML.values(),
        b"[]",
        b"{}",
        vex()[:-9],
        vex(cve="CVE-2024-0002"),
        vex(("fixed", "p", MAIN, "pkg:rpm/redhat/a%23b@1-1?arch=src")),
        vex(("fixed", "p", MAIN, "pkg:rpm/")),
        vex().replace(b'"vulnerabilities": [', b'"vulnerabilities": [7, '),
        vex(threats={"a": 1}),
        vex(remedies=[7]),  # type: ignore[list-item]
        b"[" * 200_000,
        vex().replace(b'"branches": []', b'"branches": [[]]'),
    ],
)
def test_a_broken_document_is_unread_and_logged(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    good = vex(("fixed", "p", MAIN, SOURCE), cve="CVE-2024-0009")
    vendor = Vendor(archived={"2024/cve-2024-0001.json": content, "2024/cve-2024-0009.json": good})
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
    broken = '"../x.json","2026-04-01T00:00:00+00:00"\n"2026/cve-2026-0002.json","tomorrow"\n"only a field"\n'
    assert vendor(changes=broken + line(NEW, "2026-04-01T00:00:00+00:00")).said(cursor) == [NEW]
    assert "count=3" in caplog.text


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
