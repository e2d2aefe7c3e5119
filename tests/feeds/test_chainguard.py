"""Chainguard's advisories: recorded ones become the expected statements, each archive for its own distribution."""

import io
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.chainguard import FEED
from eclair.model import Said
from tests.feeds.said import outline, statements
from tests.packed import BAD_ARCHIVES

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "chainguard"
PARTS = {part.name: part for part in FEED.parts}


def parse(archive: bytes, part: str) -> list[Said]:
    return list(FEED.parse(PARTS[part], [io.BytesIO(archive)], "r1"))


@pytest.mark.parametrize("namespace", ["wolfi", "chainguard"])
def test_the_recorded_archive(namespace: str) -> None:
    said = "CGA-2c2h-8fj5-55vx CVE-2024-34156 (GHSA-crqm-pwhx-j97f) : fixed <2.5.7-r1 unknown"
    assert outline(parse((SAMPLES / "osv-all.zip").read_bytes(), namespace)) == [
        f"{namespace} source nri-memcached {said}",
        f"{namespace} source nri-memcached-compat {said}",
    ]


@pytest.mark.parametrize(
    ("part", "archive", "records", "count"),
    [("wolfi", "Wolfi", 3355, 10_537), ("chainguard", "Chainguard", 2095, 8992)],
)
def test_a_whole_archive_is_read(shared_data: Path, part: str, archive: str, records: int, count: int) -> None:
    place = shared_data / "mirror" / "osv-vulnerabilities.storage.googleapis.com" / archive / "all.zip"
    said = parse(place.read_bytes(), part)
    found = statements(said)
    assert (len(said), len(found)) == (records, count)
    assert {statement.package.namespace for statement in found} == {part}


def test_the_feed_speaks_for_both_without_end() -> None:
    assert [FEED.speaks_for(namespace) for namespace in ("wolfi", "chainguard", "alpine:3.20")] == [
        "wolfi",
        "chainguard",
        None,
    ]
    assert FEED.supported("wolfi", {}, 4e9)
    assert not FEED.supported("alpine:3.20", {}, 0)


@pytest.mark.parametrize("name", sorted(BAD_ARCHIVES))
def test_what_is_no_archive_of_records_is_refused(name: str) -> None:
    with pytest.raises(BadFeed):
        parse(BAD_ARCHIVES[name], "wolfi")
