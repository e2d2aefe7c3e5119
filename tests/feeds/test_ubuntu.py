"""Canonical's records: recorded ones become the expected statements; Pro, certified builds, notices count once."""

import io
import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.ubuntu import FEED, MAINTENANCE_ENDS
from eclair.model import Said, Unread
from tests.feeds.said import outline, statements
from tests.packed import BAD_ARCHIVES, Record, entry, record, tarred, until

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "ubuntu"
UNFIXED = ({"introduced": "0"},)


def parse(archive: bytes) -> list[Said]:
    return list(FEED.parse(FEED.parts[0], [io.BytesIO(archive)], "r1"))


def recorded(*ids: str) -> list[str]:
    return outline(parse(tarred([json.loads((SAMPLES / f"{id_}.json").read_text()) for id_ in ids])))


def said(*affected: Record, id_: str = "UBUNTU-CVE-2024-1001", **fields: object) -> list[str]:
    """Return what a record says, beside one that is always there."""
    beside = record("UBUNTU-CVE-2000-1001", entry("Ubuntu:22.04:LTS", "beside", *until("1")))
    lines = outline(parse(tarred([record(id_, *affected, **fields), beside])))
    return [line.removeprefix("ubuntu:") for line in lines if "beside" not in line]


# --- recorded documents ----------------------------------------------------------------------------------------------


def test_released_and_needed_become_fixed_and_affected() -> None:
    assert recorded("UBUNTU-CVE-2022-24823") == [
        "ubuntu:14.04 source netty UBUNTU-CVE-2022-24823 CVE-2022-24823 : affected * low via pro",
        "ubuntu:16.04 source netty UBUNTU-CVE-2022-24823 CVE-2022-24823 : fixed <1:4.0.34-1ubuntu0.1~esm2 low via pro",
        "ubuntu:18.04 source netty UBUNTU-CVE-2022-24823 CVE-2022-24823 : fixed <1:4.1.7-4ubuntu0.1+esm3 low via pro",
        "ubuntu:20.04 source netty UBUNTU-CVE-2022-24823 CVE-2022-24823 : fixed <1:4.1.45-1ubuntu0.1~esm2 low via pro",
        (
            "ubuntu:22.04 source netty UBUNTU-CVE-2022-24823 CVE-2022-24823 : fixed <1:4.1.48-4+deb11u2ubuntu0.1~esm1"
            " low via pro"
        ),
        "ubuntu:24.04 source netty UBUNTU-CVE-2022-24823 CVE-2022-24823 : fixed <1:4.1.48-9ubuntu0.1~esm1 low via pro",
        "ubuntu:25.10 source netty UBUNTU-CVE-2022-24823 CVE-2022-24823 : affected * low",
        "ubuntu:26.04 source netty UBUNTU-CVE-2022-24823 CVE-2022-24823 : affected * low via pro",
    ]


def test_a_record_of_many_releases() -> None:
    lines = recorded("UBUNTU-CVE-2016-20013")
    assert len(lines) == 30
    assert all(line.endswith((": affected * negligible", ": affected * negligible via pro")) for line in lines)


def test_a_withdrawn_record_and_a_notice_beside_the_record_of_its_cve_say_nothing() -> None:
    alone = recorded("UBUNTU-CVE-2021-3782")
    assert alone[0].startswith(
        "ubuntu:16.04 source wayland UBUNTU-CVE-2021-3782 CVE-2021-3782 : fixed <1.12.0-1~ubuntu"
    )
    assert recorded("UBUNTU-CVE-2021-3782", "USN-5614-1", "UBUNTU-CVE-2013-2208", "UBUNTU-CVE-2014-2901") == alone


def test_the_recorded_archive_with_notices_and_live_patches() -> None:
    assert outline(parse((SAMPLES / "osv-all.tar.xz").read_bytes())) == [
        f"ubuntu:{release} source rabbitmq-server UBUNTU-CVE-2024-51988 CVE-2024-51988 : fixed <{fixed} medium"
        for release, fixed in (
            ("20.04", "3.8.3-0ubuntu0.1"),
            ("22.04", "3.9.27-0ubuntu0.1"),
            ("24.04", "3.12.1-1ubuntu1"),
            ("24.10", "3.12.1-1ubuntu2"),
        )
    ]


def test_the_beginning_of_the_archive_is_read(shared_data: Path) -> None:
    place = FEED.parts[0].documents[0].url.removeprefix("https://")
    with (shared_data / "mirror" / place).open("rb") as stream:
        found = list(islice(FEED.parse(FEED.parts[0], [stream], "r1"), 2000))
    assert not [unit for unit in found if isinstance(unit, Unread)]
    assert len({statement.id for statement in statements(found)}) == 2000
    assert len({statement.package.namespace for statement in statements(found)}) > 20


# --- streams ---------------------------------------------------------------------------------------------------------


def test_without_a_fix_for_everybody_that_of_subscribers_is_about_everybody() -> None:
    assert said(entry("Ubuntu:Pro:22.04:LTS", "foo", *until("2+esm1"))) == [
        "22.04 source foo UBUNTU-CVE-2024-1001 CVE-2024-1001 : fixed <2+esm1 unknown via pro"
    ]


def test_beside_an_entry_for_everybody_that_of_subscribers_is_about_them() -> None:
    plain, pro = entry("Ubuntu:22.04:LTS", "foo", *until("2")), entry("Ubuntu:Pro:22.04:LTS", "foo", *until("2+esm1"))
    assert said(plain, pro) == [
        "22.04 source foo UBUNTU-CVE-2024-1001 CVE-2024-1001 : fixed <2 unknown",
        "22.04 source foo UBUNTU-CVE-2024-1001 CVE-2024-1001 : fixed <2+esm1 unknown [pro] via pro",
    ]
    # Entries of another release or package are no such entry.
    others = (entry("Ubuntu:20.04:LTS", "foo", *until("2")), entry("Ubuntu:22.04:LTS", "bar", *until("2")))
    assert "22.04 source foo UBUNTU-CVE-2024-1001 CVE-2024-1001 : fixed <2+esm1 unknown via pro" in said(*others, pro)


def test_certified_builds_are_streams_of_their_own() -> None:
    affected = [
        entry(f"Ubuntu:Pro:{builds}:22.04:LTS", "foo", *until("2+Fips1"))
        for builds in ("FIPS", "FIPS-updates", "FIPS-preview", "Realtime")
    ]
    assert said(*affected) == [
        f"22.04 source foo UBUNTU-CVE-2024-1001 CVE-2024-1001 : fixed <2+Fips1 unknown [{stream}]"
        for stream in ("fips-preview", "fips-updates", "fips", "realtime")
    ]


@pytest.mark.parametrize(
    "ecosystem", ["Ubuntu", "Ubuntu:22", "Ubuntu:22.04:LTS:x", "Ubuntu:Pro", "Debian:12", "ubuntu:22.04"]
)
def test_an_ecosystem_without_a_release_is_left_out(ecosystem: str) -> None:
    assert said(entry(ecosystem, "foo", *until("2"))) == []


# --- identity and severity -------------------------------------------------------------------------------------------


def test_older_records_name_their_cve_in_their_id_only() -> None:
    assert said(entry("Ubuntu:24.10", "foo", *UNFIXED)) == [
        "24.10 source foo UBUNTU-CVE-2024-1001 CVE-2024-1001 : affected * unknown"
    ]


def test_a_notice_without_a_cve_counts() -> None:
    notice = said(entry("Ubuntu:22.04:LTS", "foo", *until("2")), id_="USN-1-1", upstream=[], related=["LP: 1234"])
    assert notice == ["22.04 source foo USN-1-1 : fixed <2 unknown"]


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        ([{"type": "Ubuntu", "score": "high"}], ("high", "ubuntu")),
        ([{"type": "Ubuntu", "score": "negligible"}], ("negligible", "ubuntu")),
        (
            [
                {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
                {"type": "Ubuntu", "score": "low"},
            ],
            ("low", "ubuntu"),
        ),
        (
            [
                {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
                {"type": "Ubuntu", "score": "untriaged"},
            ],
            ("critical", "ubuntu cvss 3.1"),
        ),
        ([], ("unknown", "")),
    ],
)
def test_the_priority_goes_before_the_vectors(severity: list[Record], expected: tuple[str, str]) -> None:
    content = tarred([record("UBUNTU-CVE-2024-1001", entry("Ubuntu:24.10", "foo", *UNFIXED), severity=severity)])
    [statement] = statements(parse(content))
    assert (statement.severity, statement.severity_source) == expected


# --- the feed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("namespace", "part"),
    [
        ("ubuntu:22.04", "osv"),
        ("ubuntu:24.10", "osv"),
        ("ubuntu:14.04", "osv"),
        ("ubuntu:12.04", None),
        ("ubuntu:", None),
        ("debian:12", None),
    ],
)
def test_the_feed_speaks_for_the_releases_that_it_has(namespace: str, part: str | None) -> None:
    assert FEED.speaks_for(namespace) == part


@pytest.mark.parametrize(
    ("namespace", "day", "supported"),
    [
        ("ubuntu:22.04", datetime(2032, 4, 21, 23, tzinfo=UTC), True),
        ("ubuntu:22.04", datetime(2032, 4, 22, tzinfo=UTC), False),
        ("ubuntu:24.10", datetime(2025, 7, 11, tzinfo=UTC), False),
        ("ubuntu:14.04", datetime(2024, 11, 1, tzinfo=UTC), False),
        ("ubuntu:30.04", datetime(2030, 11, 1, tzinfo=UTC), True),
        ("debian:12", datetime(2025, 1, 1, tzinfo=UTC), False),
    ],
)
def test_a_release_is_supported_until_its_last_day(namespace: str, day: datetime, *, supported: bool) -> None:
    assert FEED.supported(namespace, {}, day.timestamp()) is supported


def test_long_term_support_is_ten_years() -> None:
    for release, end in MAINTENANCE_ENDS.items():
        assert end.year == 2000 + int(release[:2]) + 10


@pytest.mark.parametrize("name", sorted(BAD_ARCHIVES))
def test_what_is_no_archive_of_records_is_refused(name: str) -> None:
    with pytest.raises(BadFeed):
        parse(BAD_ARCHIVES[name])
