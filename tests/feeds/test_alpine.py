"""Alpine's security database: recorded documents become the expected statements, ids are read by their pattern."""

import io
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds import Part
from eclair.feeds.alpine import FEED
from eclair.model import Effect, Kind, PackageKey, PackageStatements, Range, Severity, State, Statement, Unread

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds"
PARTS = {part.name: part for part in FEED.parts}
NOW = datetime(2025, 1, 5, tzinfo=UTC).timestamp()


def contents(part: Part, mirror: Path) -> list[bytes]:
    """Return the documents of the part that a mirror has."""
    places = (mirror / document.url.removeprefix("https://") for document in part.documents)
    return [place.read_bytes() for place in places if place.exists()]


def parse(*documents: bytes, part: str = "v3.20", revision: str = "r1") -> list[PackageStatements]:
    said = FEED.parse(PARTS[part], [io.BytesIO(document) for document in documents], revision)
    return [some for some in said if isinstance(some, PackageStatements)]


def sample(mirror: str = "mirror-1", part: str = "v3.20") -> list[PackageStatements]:
    return parse(*contents(PARTS[part], SAMPLES / mirror), part=part)


def secdb(secfixes: object, name: object = "foo") -> bytes:
    return json.dumps({"packages": [{"pkg": {"name": name, "secfixes": secfixes}}]}).encode()


def statements(*documents: bytes) -> dict[str, Statement]:
    return {statement.id: statement for package in parse(*documents) for statement in package.statements}


def outline(packages: list[PackageStatements]) -> list[str]:
    """Return one line per statement, for a human to read."""
    lines = []
    for package in packages:
        for statement in package.statements:
            ranges = ",".join(f"<{interval.fixed}" for interval in statement.ranges)
            names = "+".join(statement.vulnerabilities) + "".join(f" ({alias})" for alias in statement.aliases)
            lines.append(f"{package.package.namespace} {package.package.name} {names}: {statement.state} {ranges}")
    return lines


def digests(packages: list[PackageStatements]) -> dict[PackageKey, str]:
    return {package.package: package.digest for package in packages}


# --- recorded documents ----------------------------------------------------------------------------------------------


def test_the_recorded_packages_become_these_statements() -> None:
    wanted = ("apk-tools", "zlib", "tailscale", "py3-treq")
    assert [line for line in outline(sample()) if line.split()[1] in wanted] == [
        "alpine:3.20 apk-tools CVE-2021-30139: fixed <2.12.5-r0",
        "alpine:3.20 apk-tools CVE-2021-36159: fixed <2.12.6-r0",
        "alpine:3.20 zlib CVE-2018-25032: fixed <1.2.11-r4",
        "alpine:3.20 zlib CVE-2022-37434: fixed <1.2.12-r2",
        "alpine:3.20 zlib CVE-2023-45853: not-affected ",
        "alpine:3.20 zlib CVE-2023-6992: not-affected ",
        "alpine:3.20 py3-treq GHSA-fhpf-pp6p-55qc: fixed <22.1.0-r0",
        "alpine:3.20 tailscale CVE-2022-41924 (TS-2022-004): fixed <1.32.3-r0",
        "alpine:3.20 tailscale CVE-2022-41925 (TS-2022-005): not-affected ",
        "alpine:3.20 tailscale TS-2024-005: fixed <1.66.1-r0",
    ]


def test_a_statement_names_its_feed_package_and_revision() -> None:
    [package] = parse(secdb({"4.13.0-r3": ["CVE-2020-11740 CVE-2020-11741 XSA-313"]}, "xen"), revision="etag-7")
    assert package.package == PackageKey(scheme="apk", namespace="alpine:3.20", kind=Kind.SOURCE, name="xen")
    assert package.statements == (
        Statement(
            feed="alpine",
            id="CVE-2020-11740",
            package=package.package,
            vulnerabilities=("CVE-2020-11740", "CVE-2020-11741"),
            effect=Effect.AFFECTED,
            ranges=(Range(fixed="4.13.0-r3"),),
            state=State.FIXED,
            severity=Severity.UNKNOWN,
            severity_source="",
            raw_state="4.13.0-r3: CVE-2020-11740 CVE-2020-11741 XSA-313",
            aliases=("XSA-313",),
            revision="etag-7",
        ),
    )


def test_the_second_sample_differs_by_one_advisory() -> None:
    old, new = sample("mirror-1"), sample("mirror-2")
    assert set(outline(new)) ^ set(outline(old)) == {"alpine:3.20 openssl CVE-2024-9143: fixed <3.3.2-r1"}
    assert {key.name for key, digest in digests(new).items() if digests(old)[key] != digest} == {"openssl"}
    assert sample("mirror-1", "v3.10") == sample("mirror-2", "v3.10")


def test_the_whole_database_is_read(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    packages = []
    for part in FEED.parts:
        if documents := contents(part, shared_data / "mirror"):
            packages += parse(*documents, part=part.name)
    found = [statement for package in packages for statement in package.statements]
    assert len(found) == 84_981
    assert sum(len(statement.ranges) > 1 for statement in found) == 238
    assert sum(statement.effect is Effect.NOT_AFFECTED for statement in found) == 553
    assert len(digests(packages)) == len(packages)
    assert caplog.text == ""


# --- ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "vulnerabilities", "aliases"),
    [
        ("CVE-2019-14697", ("CVE-2019-14697",), ()),
        ("CVE-2018-10472 XSA-258", ("CVE-2018-10472",), ("XSA-258",)),
        ("CVE-2018-10472   XSA-258", ("CVE-2018-10472",), ("XSA-258",)),
        ("GNUTLS-SA-2020-06-03 CVE-2020-13777", ("CVE-2020-13777",), ("GNUTLS-SA-2020-06-03",)),
        (
            "CVE-2017-5753 CVE-2017-5715 CVE-2017-5754 XSA-254 XPTI",
            ("CVE-2017-5715", "CVE-2017-5753", "CVE-2017-5754"),
            ("XSA-254",),
        ),
        ("CVE_2019-2426", ("CVE-2019-2426",), ()),
        ("CVE-2017-17434-1", ("CVE-2017-17434",), ()),
        ("CVE-2018-1000156.patch", ("CVE-2018-1000156",), ()),
        ("CVE-2017-13001 (SMB - partially fixed, but SMB printing disabled)", ("CVE-2017-13001",), ()),
        ("CVE-2017-13010 (2.0)", ("CVE-2017-13010",), ()),
        ("XSA-248", ("XSA-248",), ()),
        ("GHSA-77vh-xpmg-72qh", ("GHSA-77vh-xpmg-72qh",), ()),
        ("DW202402-001", ("DW202402-001",), ()),
        ("CVE-????-????? TS-2024-005", ("TS-2024-005",), ()),
        ("CVE N/A ZBX-11023", ("ZBX-11023",), ()),
        ("CVE-46838", ("CVE-46838",), ()),
    ],
)
def test_ids_are_read_by_their_pattern(line: str, vulnerabilities: tuple[str, ...], aliases: tuple[str, ...]) -> None:
    [statement] = statements(secdb({"1-r0": [line]})).values()
    assert (statement.vulnerabilities, statement.aliases) == (vulnerabilities, aliases)


@pytest.mark.parametrize(
    "line", ["CVE-2019-1 (not actually applicable)", "CVE-2019-1 (Not affected, requires --with-systemd)"]
)
def test_what_does_not_apply_is_no_statement(line: str) -> None:
    assert statements(secdb({"1-r0": [line, "CVE-2019-2"]})).keys() == {"CVE-2019-2"}


# --- several records of one package ----------------------------------------------------------------------------------


def test_an_id_under_several_versions_is_one_statement_with_a_range_each() -> None:
    fixes = {"9-r0": ["CVE-2019-1"], "8-r0": ["CVE-2019-1"], "10-r0": ["CVE-2019-1 XSA-1"]}
    [statement] = statements(secdb(fixes)).values()
    assert statement.ranges == (Range(fixed="10-r0"), Range(fixed="8-r0"), Range(fixed="9-r0"))
    assert statement.raw_state == "10-r0: CVE-2019-1 XSA-1; 8-r0: CVE-2019-1; 9-r0: CVE-2019-1"
    assert statement.aliases == ("XSA-1",)


def test_a_fix_outweighs_never_affected() -> None:
    [statement] = statements(secdb({"0": ["CVE-2019-1"], "1-r0": ["CVE-2019-1"]})).values()
    assert (statement.effect, statement.ranges) == (Effect.AFFECTED, (Range(fixed="1-r0"),))


def test_a_package_of_both_repositories_has_the_statements_of_both() -> None:
    main, community = secdb({"1-r0": ["CVE-2019-1", "CVE-2019-2"]}), secdb({"2-r0": ["CVE-2019-2", "CVE-2019-3"]})
    [package] = parse(main, community)
    assert {statement.id: {interval.fixed for interval in statement.ranges} for statement in package.statements} == {
        "CVE-2019-1": {"1-r0"},
        "CVE-2019-2": {"1-r0", "2-r0"},
        "CVE-2019-3": {"2-r0"},
    }


def test_order_and_revision_are_no_change() -> None:
    documents = contents(PARTS["v3.20"], SAMPLES / "mirror-1")
    reordered = []
    for document in documents:
        content = json.loads(document, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
        for package in content["packages"]:
            for lines in package["pkg"]["secfixes"].values():
                lines.reverse()
        content["packages"].reverse()
        content["urlprefix"] = "https://elsewhere.example"
        reordered.append(json.dumps(content).encode())
    assert digests(parse(*reversed(reordered), revision="r2")) == digests(parse(*documents, revision="r1"))


@pytest.mark.parametrize(
    "secfixes",
    [
        {"2-r0": ["CVE-2019-1"]},
        {"0": ["CVE-2019-1"]},
        {"1-r0": ["CVE-2019-2"]},
        {"1-r0": ["CVE-2019-1 XSA-1"]},
        {"1-r0": ["CVE-2019-1", "CVE-2019-2"]},
    ],
)
def test_what_is_said_anew_is_a_change(secfixes: dict[str, list[str]]) -> None:
    assert digests(parse(secdb(secfixes))) != digests(parse(secdb({"1-r0": ["CVE-2019-1"]})))


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>503</html>",
        contents(PARTS["v3.20"], SAMPLES / "mirror-1")[0][:-100],
        b"[]",
        b"{}",
        b'{"packages": null}',
        b'{"packages": [1, 2]}',
    ],
    ids=["empty", "html", "truncated", "array", "no packages", "null packages", "only malformed records"],
)
def test_a_broken_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse(content)


@pytest.mark.parametrize("secfixes", [None, [], {}, {"1-r0": None}, {"1-r0": []}])
def test_a_package_without_fixes_is_no_fault(secfixes: object, caplog: pytest.LogCaptureFixture) -> None:
    assert parse(secdb(secfixes)) == []
    assert caplog.text == ""


def test_a_malformed_record_is_skipped_and_named(caplog: pytest.LogCaptureFixture) -> None:
    records: list[object] = [
        {"pkg": {"name": "good", "secfixes": {"1-r0": ["CVE-2019-1", 7, "remark only", "x" * 300]}}},
        {"pkg": {"name": "bad-lines", "secfixes": {"1-r0": "CVE-2019-1", "\n": ["CVE-2019-2"]}}},
        {"pkg": {"name": "bad-fixes", "secfixes": "none"}},
        {"pkg": {"secfixes": {}}},
        {"name": "no-pkg"},
        None,
    ]
    with caplog.at_level(logging.WARNING):
        assert outline(parse(json.dumps({"packages": records}).encode())) == [
            "alpine:3.20 good CVE-2019-1: fixed <1-r0"
        ]
    for name in ("good 1-r0 7", "remark only", "bad-lines 1-r0", "packages[2]", "packages[3]", "packages[5]"):
        assert name in caplog.text
    assert "count=9" in caplog.text


def test_what_cannot_be_read_is_said_first() -> None:
    records: list[object] = [
        {"pkg": {"name": "good", "secfixes": {"1-r0": ["CVE-2019-1"]}}},
        {"pkg": {"name": "bad-lines", "secfixes": {"1-r0": ["CVE-2019-1", 7, "remark only"]}}},
        {"pkg": {"name": "bad-fixes", "secfixes": "none"}},
        {"pkg": {"secfixes": {}}},
        None,
    ]
    said = list(FEED.parse(PARTS["v3.20"], [io.BytesIO(json.dumps({"packages": records}).encode())], "r1"))
    lines, fixes = (
        PackageKey(scheme="apk", namespace="alpine:3.20", kind=Kind.SOURCE, name=name)
        for name in ("bad-lines", "bad-fixes")
    )
    assert said[:3] == [Unread(package=lines), Unread(package=fixes), Unread()]
    assert [some.package.name for some in said[3:] if isinstance(some, PackageStatements)] == ["good", "bad-lines"]


def test_a_flood_of_malformed_records_is_counted_not_listed(caplog: pytest.LogCaptureFixture) -> None:
    records = [*[None] * 5000, {"pkg": {"name": "good", "secfixes": {"1-r0": ["CVE-2019-1"]}}}]
    with caplog.at_level(logging.WARNING):
        parse(json.dumps({"packages": records}).encode())
    assert "count=5000" in caplog.text
    assert len(caplog.records) < 50


# --- parts, authority and support ------------------------------------------------------------------------------------


def test_each_release_is_a_part_with_main_and_perhaps_community() -> None:
    part = PARTS["v3.20"]
    assert [(document.url, document.optional) for document in part.documents] == [
        ("https://secdb.alpinelinux.org/v3.20/main.json", False),
        ("https://secdb.alpinelinux.org/v3.20/community.json", True),
    ]
    assert not part.probe
    assert next(iter(PARTS)) == "v3.2"


def test_a_release_to_come_is_looked_for() -> None:
    assert PARTS["v3.26"].probe
    assert FEED.speaks_for("alpine:3.26") == "v3.26"


@pytest.mark.parametrize(
    ("namespace", "part"),
    [
        ("alpine:3.20", "v3.20"),
        ("alpine:3.2", "v3.2"),
        ("alpine:edge", "edge"),
        ("alpine:3.1", None),
        ("alpine:v3.20", None),
        ("alpine:3.20.3", None),
        ("wolfi", None),
    ],
)
def test_the_database_speaks_for_its_releases_only(namespace: str, part: str | None) -> None:
    assert FEED.speaks_for(namespace) == part


@pytest.mark.parametrize(
    ("namespace", "day", "supported"),
    [
        ("alpine:3.20", "2026-04-01T23:59:59+00:00", True),
        ("alpine:3.20", "2026-04-02T00:00:00+00:00", False),
        ("alpine:3.10", "2025-01-05T00:00:00+00:00", False),
    ],
)
def test_a_release_is_supported_until_the_end_of_its_last_day(namespace: str, day: str, *, supported: bool) -> None:
    assert FEED.supported(namespace, {namespace: 500}, datetime.fromisoformat(day).timestamp()) is supported


def test_edge_and_releases_newer_than_the_table_are_supported() -> None:
    assert FEED.supported("alpine:edge", {}, NOW)
    assert FEED.supported("alpine:3.26", {}, NOW)
    assert not FEED.supported("alpine:3.1", {}, NOW)
