"""Rocky's errata: recorded ones become the expected statements."""

import io
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.rocky import FEED
from eclair.model import Said
from tests.feeds.said import outline, statements
from tests.packed import BAD_ARCHIVES, entry, record, until, zipped

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "rocky"


def parse(archive: bytes) -> list[Said]:
    return list(FEED.parse(FEED.parts[0], [io.BytesIO(archive)], "r1"))


def test_the_recorded_archive() -> None:
    assert outline(parse((SAMPLES / "osv-all.zip").read_bytes())) == [
        (
            "rocky:8 source kernel RXSA-2023:0101 CVE-2022-2964+CVE-2022-4139 : fixed <0:4.18.0-425.10.1.el8_7.cloud"
            " high [mark:cloud minor:el8_7]"
        ),
        "rocky:9 source bcel RLSA-2023:0005 CVE-2022-42920 : fixed <0:6.4.1-9.el9_1 high [minor:el9_1]",
    ]


def test_several_fixes_in_one_stream_are_one_statement_of_several_ranges() -> None:
    [line] = outline(parse(zipped([json.loads((SAMPLES / "RLSA-2021_3891.json").read_text())])))
    assert "fixed <1:11.0.13.0.8-1.el8_4 high [minor:el8_4]" in line


def test_fixes_of_a_module_and_of_the_distribution_are_two_statements() -> None:
    title = "Moderate: python27:2.7 security update"
    affected = [entry("Rocky Linux:8", "foo", *until(fix)) for fix in ("1-1.el8", "1-1.module+el8.5.0+706+735ec4b3")]
    content = zipped([record("RLSA-1", *affected, summary=title, related=["CVE-2019-1001"])])
    assert outline(parse(content)) == [
        "rocky:8 source foo RLSA-1 CVE-2019-1001 : fixed <1-1.el8 medium",
        (
            "rocky:8 source foo RLSA-1 CVE-2019-1001 : fixed <1-1.module+el8.5.0+706+735ec4b3 medium"
            " [module:python27:2.7]"
        ),
    ]


def test_the_whole_archive_is_read(shared_data: Path) -> None:
    place = shared_data / "mirror" / "osv-vulnerabilities.storage.googleapis.com" / "Rocky Linux" / "all.zip"
    said = parse(place.read_bytes())
    found = statements(said)
    assert len(said) == 1491
    assert sum(len(statement.ranges) for statement in found) == 5474
    assert all(id_.startswith("CVE-") for statement in found for id_ in statement.vulnerabilities)
    in_modules = [statement.stream for statement in found if ".module" in str(statement.ranges)]
    assert Counter(stream.partition(":")[0] for stream in in_modules) == {"module": len(in_modules)}
    assert sum(stream == "module" for stream in in_modules) / len(in_modules) < 0.4


def test_the_feed_speaks_for_every_release() -> None:
    assert FEED.speaks_for("rocky:9") == "osv"
    assert FEED.speaks_for("rhel:9") is None


@pytest.mark.parametrize(("release", "supported"), [("8", True), ("9", True), ("10", True), ("11", True)])
def test_all_releases_are_supported_in_2026(release: str, *, supported: bool) -> None:
    assert FEED.supported(f"rocky:{release}", {}, datetime(2026, 1, 1, tzinfo=UTC).timestamp()) is supported


def test_a_release_ends() -> None:
    assert not FEED.supported("rocky:8", {}, datetime(2029, 6, 1, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("name", sorted(BAD_ARCHIVES))
def test_what_is_no_archive_of_records_is_refused(name: str) -> None:
    with pytest.raises(BadFeed):
        parse(BAD_ARCHIVES[name])
