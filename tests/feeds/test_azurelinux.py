"""Microsoft's OVAL: recorded documents become the expected statements."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.azurelinux import FEED
from eclair.model import Said, Unread
from tests.feeds.said import NO_XML, outline, statements, xml_attacks

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "azurelinux"
PARTS = {part.name: part for part in FEED.parts}
MARINER = (SAMPLES / "mariner-truncated-2.0-oval.xml").read_bytes()


def parse(content: bytes, part: str = "cbl-mariner-2.0") -> list[Said]:
    return list(FEED.parse(PARTS[part], [io.BytesIO(content)], "r1"))


@pytest.mark.parametrize(
    ("document", "part", "expected"),
    [
        (
            "mariner-truncated-2.0-oval.xml",
            "cbl-mariner-2.0",
            [
                "mariner:2.0 source bind CVE-2022-3736 : affected <=0:9.16.33-1.cm2 high",
                "mariner:2.0 source glibc CVE-2023-0687 : not-affected critical",
                "mariner:2.0 source golang CVE-2023-29404 : fixed >=0:1.19.0.cm2<0:1.20.7-1.cm2 critical",
                "mariner:2.0 source mysql CVE-2023-21977 : fixed <0:8.0.33-1.cm2 medium",
                "mariner:2.0 source mysql CVE-2023-21980 : fixed <0:8.0.33-1.cm2 high",
            ],
        ),
        (
            "cbl-mariner-2.0-preview-oval.xml",
            "cbl-mariner-2.0",
            [
                "mariner:2.0 source edk2 CVE-2023-5678 : fixed <0:20230301gitf80f052277c8-38.cm2 medium",
                "mariner:2.0 source mysql CVE-2022-21309 : affected <=0:8.0.24-1.cm1 medium",
                "mariner:2.0 source openssl CVE-2023-5678 : fixed <0:1.1.1k-28.cm2 medium",
                "mariner:2.0 source unzip CVE-2014-8139 : affected <=0:6.0-19.cm1 high",
                "mariner:2.0 source wireshark CVE-2021-39924 : affected <=0:3.4.4-2.cm1 high",
            ],
        ),
        (
            "azurelinux-3.0-oval.xml",
            "azurelinux-3.0",
            [
                "azurelinux:3.0 source golang CVE-2023-29409 : fixed >=0:0.0.0.azl3<0:1.20.7-1.azl3 medium",
                "azurelinux:3.0 source rubygem-rexml CVE-2024-35176 : fixed <0:3.2.8-1.azl3 medium",
            ],
        ),
    ],
)
def test_the_recorded_definitions_become_these_statements(document: str, part: str, expected: list[str]) -> None:
    assert outline(parse((SAMPLES / document).read_bytes(), part)) == expected


def test_two_packages_of_one_cve_are_one_advisory() -> None:
    said = parse((SAMPLES / "cbl-mariner-2.0-preview-oval.xml").read_bytes())
    assert len(said) == 4
    assert [statement.raw_state for statement in statements(said)].count("patchable: false") == 3


def test_the_whole_document_of_azure_linux_3_is_read(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = shared_data / "mirror" / PARTS["azurelinux-3.0"].documents[0].url.removeprefix("https://")
    found = statements(parse(place.read_bytes(), "azurelinux-3.0"))
    assert len(found) == 1221
    assert [statement.id for statement in found if not statement.ranges] == ["CVE-2023-45853"]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'operation="less than or equal"', b'operation="bitwise and"'),
        (b"<linux-def:name>bind</linux-def:name>", b""),
        (b"<linux-def:name>bind</linux-def:name>", b"<linux-def:name>a#b</linux-def:name>"),
        (b">0:9.16.33-1.cm2<", b"><"),
    ],
    ids=["unknown relation", "no name", "unprintable name", "no version"],
)
def test_a_definition_that_cannot_be_read_is_unread(old: bytes, new: bytes, caplog: pytest.LogCaptureFixture) -> None:
    said = parse(MARINER.replace(old, new))
    assert Unread(id="CVE-2022-3736") in said
    assert len(statements(said)) == 4
    assert "record skipped" in caplog.text


@pytest.mark.parametrize(
    "content", [*NO_XML.values(), *xml_attacks("oval_definitions").values(), MARINER[:-200], b"<oval_definitions/>"]
)
def test_a_broken_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse(content)


def test_it_speaks_for_its_releases_until_their_ends() -> None:
    def supported(namespace: str, year: int) -> bool:
        return FEED.supported(namespace, {}, datetime(year, 1, 1, tzinfo=UTC).timestamp())

    assert FEED.speaks_for("mariner:2.0") == "cbl-mariner-2.0"
    assert FEED.speaks_for("azurelinux:3.0") == "azurelinux-3.0"
    assert FEED.speaks_for("mariner:3.0") is None
    assert (supported("mariner:2.0", 2025), supported("mariner:2.0", 2026)) == (True, False)
    assert supported("azurelinux:3.0", 2027)
