"""VMware's publications on Photon OS: recorded documents become the expected statements."""

import gzip
import io
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.photon import FEED
from eclair.model import Said, Unread
from tests.feeds.said import NO_XML, outline, statements, xml_attacks

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "photon"
PARTS = {part.name: part for part in FEED.parts}
OVAL = gzip.decompress((SAMPLES / "com.vmware.phsa-photon5.xml.gz").read_bytes())


def parse(content: bytes, part: str = "4.0") -> list[Said]:
    return list(FEED.parse(PARTS[part], [io.BytesIO(content)], "r1"))


def row(**fields: object) -> bytes:
    usual = {"cve_id": "CVE-2020-1", "pkg": "vim", "cve_score": 5.0, "res_ver": "1-1.ph4", "status": "Fixed"}
    return json.dumps([usual | fields]).encode()


def test_the_recorded_metadata_become_these_statements(caplog: pytest.LogCaptureFixture) -> None:
    said = parse((SAMPLES / "cve_data_photon4.0.json").read_bytes())
    assert outline(said) == [
        "photon:4.0 binary curl CVE-2025-9086 : fixed <8.16.0-1.ph4 high",
        "photon:4.0 binary curl UNK-1 : not-affected medium",
        "photon:4.0 binary curl-devel CVE-2025-9086 : fixed <8.16.0-1.ph4 high",
        "photon:4.0 binary curl-devel UNK-1 : not-affected medium",
        "photon:4.0 binary curl-libs CVE-2025-9086 : fixed <8.16.0-1.ph4 high",
        "photon:4.0 binary curl-libs UNK-1 : not-affected medium",
    ]
    assert Unread(id="Re") in said
    assert "'row 6 Re'" in caplog.text


def test_the_recorded_definitions_become_these_statements() -> None:
    assert outline(parse(OVAL, "3.0")) == [
        "photon:3.0 binary ansible CVE-2023-5115 (PHSA-2024-5.0-0184) : fixed <0:2.14.12-1.ph5 high",
        "photon:3.0 binary ansible CVE-2023-5764 (PHSA-2024-5.0-0184) : fixed <0:2.14.12-1.ph5 high",
        "photon:3.0 binary ansible-devel CVE-2023-5115 (PHSA-2024-5.0-0184) : fixed <0:2.14.12-1.ph5 high",
        "photon:3.0 binary ansible-devel CVE-2023-5764 (PHSA-2024-5.0-0184) : fixed <0:2.14.12-1.ph5 high",
    ]


def test_the_whole_document_of_photon_3_is_read(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = shared_data / "mirror" / PARTS["3.0"].documents[0].url.removeprefix("https://")
    said = parse(place.read_bytes(), "3.0")
    found = statements(said)
    assert (len(said), len(found)) == (497, 2467)
    assert len({statement.key for statement in found}) == len(found)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "Not Affected", "res_ver": "NA"}, "not-affected medium"),
        ({"status": "Fixed", "res_ver": "NA"}, "affected * medium"),
        ({"status": "In Progress", "res_ver": None}, "affected * medium"),
        ({"cve_score": 0}, "fixed <1-1.ph4 unknown"),
        ({"cve_score": None}, "fixed <1-1.ph4 unknown"),
        ({"cve_score": 9.8}, "fixed <1-1.ph4 critical"),
    ],
)
def test_a_status_becomes_a_state(fields: dict[str, object], expected: str) -> None:
    assert outline(parse(row(**fields))) == [f"photon:4.0 binary vim CVE-2020-1 : {expected}"]


def test_the_same_cve_in_two_packages_is_one_advisory() -> None:
    rows = json.loads(row()) + json.loads(row(pkg="gvim", res_ver="2-1.ph4"))
    [said] = parse(json.dumps(rows).encode())
    assert [statement.package.name for statement in statements([said])] == ["gvim", "vim"]


@pytest.mark.parametrize(
    "fields", [{"cve_id": None}, {"cve_id": "Re"}, {"pkg": ""}, {"pkg": "a#b"}, {"res_ver": 5}, {"res_ver": "1" * 300}]
)
def test_a_broken_row_is_unread_and_logged(fields: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    rows = json.loads(row(**fields)) + json.loads(row(cve_id="CVE-2020-2"))
    said = parse(json.dumps(rows).encode())
    assert [statement.id for statement in statements(said)] == ["CVE-2020-2"]
    assert [type(unit) for unit in said].count(Unread) == 1
    assert "row 0" in caplog.text


@pytest.mark.parametrize("content", [b"", b"<html/>", b"{}", b"[]", b"[1]", row()[:-3], b"[" * 100_000])
def test_broken_metadata_are_refused(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with pytest.raises(BadFeed):
        parse(content)


@pytest.mark.parametrize(
    "content",
    [*NO_XML.values(), *xml_attacks("oval_definitions").values(), OVAL[:2000], b"<oval_definitions/>"],
)
def test_a_broken_oval_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse(content, "3.0")


def test_a_definition_without_a_package_is_unread() -> None:
    said = parse(OVAL.replace(b"</definitions>", OVAL_WITHOUT_PACKAGE + b"</definitions>"), "3.0")
    assert Unread(id="CVE-2024-9999") in said
    assert len(statements(said)) == 4


OVAL_WITHOUT_PACKAGE = b"""<definition id="oval:x:def:9">
<metadata><reference source="CVE" ref_id="CVE-2024-9999"/></metadata>
<criteria><criterion comment="Photon OS 5 is installed" test_ref="oval:x:tst:1"/></criteria></definition>"""


def test_it_speaks_for_photon_only() -> None:
    assert [FEED.speaks_for(f"photon:{release}") for release in ("3.0", "5.0", "9.0")] == ["3.0", "5.0", None]
    assert FEED.speaks_for("azurelinux:3.0") is None


def test_support_ends() -> None:
    def supported(namespace: str, year: int) -> bool:
        return FEED.supported(namespace, {}, datetime(year, 1, 1, tzinfo=UTC).timestamp())

    assert supported("photon:3.0", 2024)
    assert not supported("photon:3.0", 2025)
    assert supported("photon:5.0", 2026)
    assert not supported("alpine:3.20", 2024)
