"""Oracle's errata: recorded definitions become the expected statements."""

import bz2
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.oracle import FEED
from eclair.model import Said, Unread
from tests.feeds.said import NO_XML, outline, statements, xml_attacks

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "oracle"
[PART] = FEED.parts
ALL = (SAMPLES / "com.oracle.elsa-all.xml.bz2").read_bytes()


def parse(content: bytes) -> list[Said]:
    return list(FEED.parse(PART, [io.BytesIO(content)], "r1"))


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.xml.gz").read_bytes()  # read as any compression is


def test_the_recorded_definitions_become_these_statements() -> None:
    bind = "ELSA-2007-0057 CVE-2007-0493+CVE-2007-0494 : fixed <30:9.3.3-8.el5 medium"
    names = ("bind", "bind-chroot", "bind-devel", "bind-libbind-devel", "bind-libs", "bind-sdb", "bind-utils")
    hivex = "ELSA-2023-12342 CVE-2022-4144+CVE-2023-0664 : fixed <0:1.3.18-21.module+el8.7.0+21037+8ee66348 high"
    assert outline(parse(ALL)) == [
        *(f"ol:5 binary {name} {bind}" for name in (*names, "caching-nameserver")),
        f"ol:8 binary hivex {hivex} [module:virt:kvm_utils]",
    ]


def test_a_fix_of_a_ksplice_build_is_for_ksplice_builds() -> None:
    found = statements(parse(sample("ksplice")))
    assert {statement.stream for statement in found} == {"mark:ksplice1"}
    assert {interval.fixed for statement in found for interval in statement.ranges} == {"2:1.1.1g-15.ksplice1.el8_3"}


def test_an_architecture_that_was_built_at_another_version_has_its_own_stream() -> None:
    """rsyslog was built again for aarch64; firefox is the same everywhere; most of osbuild was built twice, for all."""
    lines = outline(parse(sample("per-arch")))
    said = "ol:7 binary rsyslog ELSA-2022-4803 CVE-2022-24903 : fixed"
    x86_64, aarch64 = "0:8.24.0-57.0.1.el7_9.3", "0:8.24.0-57.0.4.el7_9.3"
    assert [line for line in lines if " rsyslog ELSA" in line] == [
        f"{said} <{x86_64} high [arch:x86_64]",
        f"{said} <{x86_64},<{aarch64} high",
        f"{said} <{aarch64} high [arch:aarch64]",
    ]
    assert [line for line in lines if " osbuild ELSA" in line] == [
        "ol:8 binary osbuild ELSA-2024-2961 CVE-2024-2307 : fixed <0:110-1.0.1.el8,<0:110-1.el8 medium"
    ]
    assert [line.rpartition(" : ")[2] for line in lines if " firefox " in line] == [
        "fixed <0:128.12.0-1.0.1.el10_0 high"
    ]


def test_a_definition_of_two_releases_speaks_of_both() -> None:
    content = bz2.decompress(ALL).replace(
        b'<criterion test_ref="oval:com.oracle.elsa:tst:20070057001" comment="Oracle Linux 5 is installed"/>',
        b'<criteria operator="OR"><criterion test_ref="oval:x:tst:1" comment="Oracle Linux 5 is installed"/>'
        b'<criterion test_ref="oval:x:tst:2" comment="Oracle Linux 6 is installed"/></criteria>',
    )
    lines = outline(parse(content))
    assert [line for line in lines if " bind ELSA" in line] == [
        "ol:5 binary bind ELSA-2007-0057 CVE-2007-0493+CVE-2007-0494 : fixed <30:9.3.3-8.el5 medium",
        "ol:6 binary bind ELSA-2007-0057 CVE-2007-0493+CVE-2007-0494 : fixed <30:9.3.3-8.el5 medium",
    ]


@pytest.mark.parametrize(
    ("old", "new", "unread"),
    [
        (b"bind is earlier than 30:9.3.3-8.el5", b"bi#nd is earlier than 30:9.3.3-8.el5", "ELSA-2007-0057"),
        (b"is earlier than 30:9.3.3-8.el5", b"is older than 30:9.3.3-8.el5", "ELSA-2007-0057"),
        (b"Oracle Linux 5 is installed", b"Solaris is installed", "ELSA-2007-0057"),
        (b'source="elsa" ref_id="ELSA-2007-0057"', b'source="other" ref_id="ELSA-2007-0057"', ""),
    ],
    ids=["unprintable name", "other words", "other system", "no erratum"],
)
def test_a_definition_that_cannot_be_read_is_unread(
    old: bytes, new: bytes, unread: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = bz2.decompress(ALL)
    assert old in content
    said = parse(content.replace(old, new))
    assert Unread(id=unread) in said
    assert [statement.id for statement in statements(said)] == ["ELSA-2023-12342"]
    assert "record skipped" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        *NO_XML.values(),
        *xml_attacks("oval_definitions").values(),
        ALL[:-100],
        bz2.compress(bz2.decompress(ALL)[:-100]),
        b"<oval_definitions/>",
    ],
)
def test_a_broken_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse(content)


def test_it_speaks_for_its_releases_until_their_ends() -> None:
    assert FEED.speaks_for("ol:9") == "elsa"
    assert FEED.speaks_for("rhel:9") is None
    now = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    assert [FEED.supported(f"ol:{release}", {}, now) for release in ("7", "8", "11")] == [False, True, True]
