"""AlmaLinux's errata: recorded ones become the expected statements."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.alma import FEED
from eclair.model import Said
from tests.feeds.said import outline, statements
from tests.packed import BAD_ARCHIVES, entry, record, until, zipped

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "alma"


def parse(archive: bytes) -> list[Said]:
    return list(FEED.parse(FEED.parts[0], [io.BytesIO(archive)], "r1"))


def test_the_recorded_archive_without_bug_fixes_and_enhancements() -> None:
    lines = outline(parse((SAMPLES / "osv-all.zip").read_bytes()))
    assert {line.split()[3] for line in lines} == {"ALSA-2023:7465", "ALSA-2023:7549"}
    assert lines[-1] == (
        "almalinux:9 binary squid ALSA-2023:7465 CVE-2023-5824 : fixed <7:5.5-6.el9_3.2 high [minor:el9_3]"
    )


def test_a_bug_fix_that_names_a_cve_counts() -> None:
    affected = entry("AlmaLinux:9", "foo", *until("1-2.el9"))
    bug_fix = record("ALBA-1", affected, summary="foo bug fix update", related=["CVE-2024-1001"])
    assert outline(parse(zipped([bug_fix, record("ALBA-2", affected)]))) == [
        "almalinux:9 binary foo ALBA-1 CVE-2024-1001 : fixed <1-2.el9 unknown"
    ]


def test_modules_are_streams() -> None:
    affected = entry("AlmaLinux:8", "nodejs", *until("1:22.22.0-1.module_el8.10.0+4112+db1af44b"))
    content = zipped([record("ALSA-1", affected, summary="Important: nodejs:22 security update")])
    assert outline(parse(content)) == [
        ("almalinux:8 binary nodejs ALSA-1 : fixed <1:22.22.0-1.module_el8.10.0+4112+db1af44b high [module:nodejs:22]")
    ]


def test_the_whole_archive_is_read(shared_data: Path) -> None:
    place = shared_data / "mirror" / "osv-vulnerabilities.storage.googleapis.com" / "AlmaLinux" / "all.zip"
    said = parse(place.read_bytes())
    found = statements(said)
    assert len(said) == 3071
    assert sum(len(statement.ranges) for statement in found) == 43_482
    assert {statement.severity_source for statement in found} == {"alma"}
    assert {statement.package.namespace for statement in found} == {"almalinux:8", "almalinux:9", "almalinux:10"}


def test_the_feed_speaks_for_every_release() -> None:
    assert FEED.speaks_for("almalinux:9") == "osv"
    assert FEED.speaks_for("rocky:9") is None


def test_a_release_ends() -> None:
    assert FEED.supported("almalinux:8", {}, datetime(2029, 3, 1, 23, tzinfo=UTC).timestamp())
    assert not FEED.supported("almalinux:8", {}, datetime(2029, 3, 2, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("name", sorted(BAD_ARCHIVES))
def test_what_is_no_archive_of_records_is_refused(name: str) -> None:
    with pytest.raises(BadFeed):
        parse(BAD_ARCHIVES[name])
