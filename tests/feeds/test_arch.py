"""Arch Linux's security tracker: recorded groups become the expected statements."""

import io
import json
import logging
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.arch import FEED
from eclair.model import Said, Unread
from tests.feeds.said import outline, statements

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "arch"
[PART] = FEED.parts


def parse(content: bytes) -> list[Said]:
    return list(FEED.parse(PART, [io.BytesIO(content)], "r1"))


def groups(*changes: dict[str, object]) -> bytes:
    usual = {
        "name": "AVG-1",
        "packages": ["vim"],
        "status": "Fixed",
        "severity": "High",
        "affected": "1-1",
        "fixed": "2-1",
        "issues": ["CVE-2020-0001"],
        "advisories": [],
    }
    return json.dumps([usual | change for change in changes]).encode()


def test_the_recorded_groups_become_these_statements() -> None:
    assert outline(parse((SAMPLES / "all.json").read_bytes())) == [
        "arch binary curl AVG-1234 CVE-2024-1234 (ASA-202401-01) : fixed <8.5.0-1 high",
        "arch binary glibc AVG-1324 CVE-2023-4911 (ASA-202310-01) : fixed <2.38-2 high",
        "arch binary lib32-glibc AVG-1324 CVE-2023-4911 (ASA-202310-01) : fixed <2.38-2 high",
        "arch binary openssl AVG-5678 CVE-2024-5678+CVE-2024-5679 (ASA-202401-02) : fixed <3.2.0-1 critical",
        "arch binary pam AVG-9999 CVE-2025-6020 : affected * medium",
        "arch binary test-pkg AVG-2222 : fixed <1.0.0-1 low",
    ]
    assert outline(parse((SAMPLES / "advisory.json").read_bytes())) == [
        "arch binary lib32-gdk-pixbuf2 AVG-1 CVE-2016-6352 (ASA-201611-12) : fixed <2.36.0+2+ga7c869a-1 critical",
        "arch binary libtiff AVG-5 CVE-2015-7554+CVE-2016-10095 (ASA-201707-17) : fixed <4.0.8-2 critical",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "Vulnerable", "fixed": None}, "affected * high"),
        ({"status": "Not affected", "fixed": None}, "not-affected high"),
        ({"status": "Unknown", "fixed": None}, "under-investigation * high"),
        ({"status": "Testing"}, "fixed <2-1 high via testing"),
        ({"status": "a word of tomorrow"}, "under-investigation * high"),
        ({"severity": "Unknown"}, "fixed <2-1 unknown"),
    ],
)
def test_a_status_becomes_a_state(fields: dict[str, object], expected: str) -> None:
    assert outline(parse(groups(fields))) == [f"arch binary vim AVG-1 CVE-2020-0001 : {expected}"]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": None},
        {"packages": "vim"},
        {"packages": [1]},
        {"fixed": None},
        {"issues": None},
        {"issues": [7]},
        {"advisories": "ASA-1"},
    ],
)
def test_a_broken_group_is_unread_and_logged(fields: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    said = parse(groups(fields, {"name": "AVG-2"}))
    assert [statement.id for statement in statements(said)] == ["AVG-2"]
    assert Unread(id="" if fields.get("name", "") is None else "AVG-1") in said
    assert "group 0" in caplog.text


@pytest.mark.parametrize("content", [b"", b"<html/>", b"{}", b"[]", b"[1]", groups({})[:-3], b"\xff"])
def test_a_broken_document_is_refused(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with pytest.raises(BadFeed):
        parse(content)


def test_it_speaks_for_arch_only() -> None:
    assert (FEED.speaks_for("arch"), FEED.speaks_for("archarm")) == ("tracker", None)
    assert FEED.supported("arch", {}, 0)
