"""OSV records are read as their schema says; which versions are affected agrees with its algorithm, word by word."""

import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eclair import ecosystems
from eclair.advisories import osv
from eclair.errors import BadFeed
from eclair.model import (
    AdvisoryStatements,
    Effect,
    Feature,
    Kind,
    PackageKey,
    Range,
    Said,
    Severity,
    State,
    Statement,
    Unread,
)
from eclair.verdict import verdicts
from tests.feeds.said import outline, statements
from tests.osv_oracle import is_vulnerable
from tests.packed import BAD_ARCHIVES, Record, entry, record, tarred, until, zip_of, zipped

ECOSYSTEM = "Debian"
DEB = ecosystems.load()["deb"]


def places(record: osv.Record) -> Iterator[osv.Placed]:
    for affected in record.affected:
        if affected.ecosystem == ECOSYSTEM:
            yield osv.Place(package(affected.name)), affected


def package(name: str) -> PackageKey:
    return PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name=name)


DIALECT = osv.Dialect(
    feed="tests",
    places=places,
    ids=lambda record: (*record.aliases, *record.upstream),
    rating=partial(osv.by_vectors, database="tests"),
)


def say(archive: bytes) -> list[Said]:
    return list(osv.said(io.BytesIO(archive), "all.zip", DIALECT, "r1"))


def read(*records: Record) -> list[Said]:
    return say(zipped(records))


def ranges_of(*affected: Record) -> tuple[Range, ...]:
    [statement] = statements(read(record("A-1", *affected)))
    return statement.ranges


def debian(*turns: Record, versions: Sequence[str] = (), **fields: object) -> Record:
    return entry(ECOSYSTEM, "foo", *turns, versions=versions, **fields)


def turns(*events: str) -> list[Record]:
    """Read `introduced 1`."""
    return [dict([event.split()]) for event in events]


# --- statements ------------------------------------------------------------------------------------------------------


def test_a_record_becomes_a_statement_for_each_package() -> None:
    fields: dict[str, Any] = {
        "aliases": ["CVE-2024-1001", "GHSA-x"],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    }
    [said] = read(record("A-1", debian(*until("1.2")), entry(ECOSYSTEM, "bar", *until("2")), **fields))
    assert isinstance(said, AdvisoryStatements)
    assert said.id == "A-1"
    assert [statement.package.name for statement in said.statements] == ["bar", "foo"]
    assert said.statements[1] == Statement(
        feed="tests",
        id="A-1",
        package=package("foo"),
        vulnerabilities=("CVE-2024-1001",),
        effect=Effect.AFFECTED,
        ranges=(Range(fixed="1.2"),),
        state=State.FIXED,
        severity=Severity.CRITICAL,
        severity_source="tests cvss 3.1",
        aliases=("GHSA-x",),
        revision="r1",
    )


def test_entries_about_one_package_are_one_statement() -> None:
    affected = (debian(*until("2", "1")), debian(*until("4", "3")), debian(*until("2", "1")))
    assert ranges_of(*affected) == (Range(introduced="1", fixed="2"), Range(introduced="3", fixed="4"))


def test_the_order_of_entries_says_nothing() -> None:
    affected = (debian(*until("2", "1")), debian(*until("4", "3")), entry(ECOSYSTEM, "bar", *until("1")))
    [one], [other] = read(record("A-1", *affected)), read(record("A-1", *affected[::-1]))
    assert one == other


@pytest.mark.parametrize(
    ("affected", "state"),
    [
        ([debian(*until("2"))], State.FIXED),
        ([debian(*turns("introduced 0"))], State.AFFECTED),
        ([debian(*turns("introduced 1", "last_affected 2"))], State.AFFECTED),
        ([debian(*until("2")), debian(*turns("introduced 3"))], State.AFFECTED),
    ],
)
def test_only_what_is_fixed_in_every_range_is_fixed(affected: list[Record], state: State) -> None:
    [statement] = statements(read(record("A-1", *affected)))
    assert statement.state is state


@pytest.mark.parametrize(
    ("fields", "vulnerabilities"),
    [
        ({}, ("A-1",)),
        ({"aliases": None, "upstream": []}, ("A-1",)),
        ({"aliases": ["GHSA-x"]}, ("A-1",)),
        ({"aliases": ["CVE-2024-1002", "CVE-2024-1001"]}, ("CVE-2024-1001", "CVE-2024-1002")),
        ({"aliases": ["CVE-2024-1001"], "upstream": ["CVE-2024-1001"]}, ("CVE-2024-1001",)),
        ({"upstream": ["UBUNTU-CVE-2024-1001"]}, ("CVE-2024-1001",)),
        ({"related": ["CVE-2024-1001"]}, ("A-1",)),  # not in this dialect
    ],
)
def test_the_vulnerabilities_are_the_cves_else_the_record(fields: Any, vulnerabilities: tuple[str, ...]) -> None:
    [statement] = statements(read(record("A-1", debian(*until("2")), **fields)))
    assert statement.vulnerabilities == vulnerabilities


def test_a_withdrawn_record_says_nothing() -> None:
    kept, withdrawn = (
        record("A-1", debian(*until("2"))),
        record("A-2", debian(*until("2")), withdrawn="2025-01-01T00:00:00Z"),
    )
    assert outline(read(kept, withdrawn)) == outline(read(kept))


def test_entries_of_other_ecosystems_are_left_out() -> None:
    said = read(record("A-1", debian(*until("2")), entry("npm", "foo", *until("3"))))
    assert outline(said) == ["debian:12 source foo A-1 : fixed <2 unknown"]


def test_an_entry_without_a_package_is_about_source_code() -> None:
    commits = {"ranges": [{"type": "GIT", "repo": "https://example.org", "events": turns("introduced 0", "fixed abc")}]}
    assert outline(read(record("A-1", commits, debian(*until("2"))))) == ["debian:12 source foo A-1 : fixed <2 unknown"]


def test_ranges_of_commits_say_nothing_of_versions() -> None:
    commits = {"type": "GIT", "repo": "https://example.org", "events": turns("introduced 0", "fixed abc")}
    assert ranges_of(debian(ranges=[commits], versions=["1.5"])) == (Range(introduced="1.5", last_affected="1.5"),)
    told = record("A-2", debian(*until("2")))
    assert outline(read(record("A-1", debian(ranges=[commits])), told)) == outline(read(told))


def test_an_entry_may_have_vectors_of_its_own() -> None:
    vector = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
    [statement] = statements(read(record("A-1", debian(*until("2"), severity=[vector]))))
    assert (statement.severity, statement.severity_source) == (Severity.CRITICAL, "tests cvss 3.1")


def test_what_nobody_asked_about_is_left_out_but_something_is_said() -> None:
    records = [record(f"A-{name}", entry(ECOSYSTEM, name, *until("2"))) for name in ("foo", "bar", "baz")]
    found = osv.said(io.BytesIO(zipped(records)), "all.zip", DIALECT, "r1", {package("baz")}.__contains__)
    assert list(found) == [read(*records)[0], read(*records)[2]]


def test_a_tar_is_read_as_a_zip_is() -> None:
    records = [record("A-1", debian(*until("2"))), record("A-2", debian(*turns("introduced 0")))]
    assert say(tarred(records)) == say(zipped(records))


# --- which versions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "ranges"),
    [
        (["introduced 0"], [Range()]),
        (["introduced 0", "fixed 2"], [Range(fixed="2")]),
        (["introduced 1", "last_affected 2"], [Range(introduced="1", last_affected="2")]),
        (["introduced 1", "last_affected 1"], [Range(introduced="1", last_affected="1")]),
        (
            ["introduced 0", "fixed 2", "introduced 3", "fixed 4", "introduced 5"],
            [Range(fixed="2"), Range(introduced="3", fixed="4"), Range(introduced="5")],
        ),
        # Out of order.
        (["fixed 4", "introduced 3", "fixed 2", "introduced 0"], [Range(fixed="2"), Range(introduced="3", fixed="4")]),
        (["last_affected 1", "introduced 1"], [Range(introduced="1", last_affected="1")]),
        # Said twice.
        (["introduced 0", "introduced 1", "fixed 2", "fixed 3"], [Range(fixed="2")]),
        # Contradictory: fixed before it was introduced.
        (["introduced 2", "fixed 1"], [Range(introduced="2")]),
        # The highest limit counts.
        (["introduced 0", "limit 3", "limit 2"], [Range(fixed="3")]),
        (["introduced 0", "fixed 2", "introduced 3", "limit 2.5"], [Range(fixed="2")]),
        (["introduced 0", "limit 3", "limit *"], [Range()]),
    ],
)
def test_events_become_intervals(events: list[str], ranges: list[Range]) -> None:
    assert list(ranges_of(debian(*turns(*events)))) == ranges


def test_events_of_versions_that_cannot_be_ordered_stay_in_their_order() -> None:
    assert ranges_of(debian(*turns("introduced a:1", "fixed b:2"))) == (Range(introduced="a:1", fixed="b:2"),)


def test_a_fix_only_or_no_event_says_nothing() -> None:
    told = record("A-2", debian(*until("2")))
    untold = [
        record("A-1", debian(*turns("fixed 2"))),
        record("A-3", debian(ranges=[{"type": "ECOSYSTEM", "events": []}])),
    ]
    assert outline(read(told, *untold)) == outline(read(told))


def test_listed_versions_outside_of_the_ranges_become_points() -> None:
    assert ranges_of(debian(*until("2", "1"), versions=["1", "1.5", "2", "2-0", "3~rc1", "not:a:version"])) == (
        Range(introduced="1", fixed="2"),
        Range(introduced="2", last_affected="2"),
        Range(introduced="2-0", last_affected="2-0"),
        Range(introduced="3~rc1", last_affected="3~rc1"),
        Range(introduced="not:a:version", last_affected="not:a:version"),
    )


def test_too_many_listed_versions_are_all_versions() -> None:
    listed = [f"1.{number}" for number in range(osv.RANGES_LIMIT + 1)]
    assert ranges_of(debian(versions=listed)) == (Range(),)
    assert len(ranges_of(debian(versions=listed[1:]))) == osv.RANGES_LIMIT


VERSIONS = ("0", "0~a", "1~rc1", "1", "1.0", "1-0", "1.1", "2", "1:0", "1:1")
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), st.sampled_from(VERSIONS)),
        st.tuples(st.just("limit"), st.sampled_from([*VERSIONS, "*"])),
    ).map(lambda event: {event[0]: event[1]}),
    max_size=6,
)
ENTRIES = st.builds(
    lambda ranges, versions: {
        "package": {"ecosystem": ECOSYSTEM, "name": "foo"},
        "ranges": [{"type": "ECOSYSTEM", "events": events} for events in ranges],
        "versions": versions,
    },
    st.lists(EVENTS, max_size=3),
    st.lists(st.sampled_from(VERSIONS), max_size=2),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=2), st.sampled_from(VERSIONS))
def test_the_affected_versions_are_those_of_the_specification(affected: list[dict[str, Any]], version: str) -> None:
    content = json.dumps(record("A-1", *affected)).encode()
    read = osv.read(content)
    found = tuple(osv.statements(read, places(read), DIALECT, "r1"))
    feature = Feature(package=package("foo"), version=version, key=DEB.key(version))
    assert bool(verdicts(feature, found)) == is_vulnerable(affected, version, partial(ecosystems.compare, DEB))


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BAD_ARCHIVES))
def test_what_is_no_archive_of_records_is_refused(name: str) -> None:
    with pytest.raises(BadFeed, match=r"all\.zip"):
        say(BAD_ARCHIVES[name])


def test_an_archive_about_something_else_is_refused() -> None:
    with pytest.raises(BadFeed, match="none is about a package of this feed"):
        read(record("A-1", entry("npm", "foo", *until("2"))))


GOOD = record("GOOD-1", debian(*until("2")))
BROKEN: dict[str, bytes] = {
    "no json": b"{",
    "empty": b"",
    "utf-16": json.dumps(GOOD).encode("utf-16"),
    "latin-1": '{"id": "é"}'.encode("latin-1"),
    "no object": b"[]",
    "no id": json.dumps(record("X") | {"id": None}).encode(),
    "empty id": json.dumps(record("")).encode(),
    "long id": json.dumps(record("X" * 300)).encode(),
    "id with the mark that parts keys": json.dumps(record("X#Y", debian(*until("2")))).encode(),
    "id of two lines": json.dumps(record("X\nY", debian(*until("2")))).encode(),
    "affected is no list": json.dumps(record("X") | {"affected": {}}).encode(),
    "an entry is no object": json.dumps(record("X") | {"affected": ["foo"]}).encode(),
    "a package without a name": json.dumps(record("X") | {"affected": [{"package": {"ecosystem": "Debian"}}]}).encode(),
    "a range without events": json.dumps(record("X", debian(ranges=[{"type": "ECOSYSTEM"}]))).encode(),
    "an unknown event": json.dumps(record("X", debian({"introduced": "0"}, {"repaired": "2"}))).encode(),
    "a version that is a number": json.dumps(record("X", debian({"introduced": 0}))).encode(),
    "a long version": json.dumps(record("X", debian({"introduced": "1" * 1_000_000}))).encode(),
    "a listed version that is a number": json.dumps(record("X", debian(versions=[1.5]))).encode(),  # type: ignore[list-item]
    "a long listed version": json.dumps(record("X", debian(versions=["1" * 1_000_000]))).encode(),
    "aliases are no list": json.dumps(record("X", debian(*until("2")), aliases="CVE-2024-1001")).encode(),
    "an alias is no text": json.dumps(record("X", debian(*until("2")), aliases=[1])).encode(),
    "many aliases": json.dumps(record("X", debian(*until("2")), aliases=["a"] * 20_000)).encode(),
    "severity is no list": json.dumps(record("X", debian(*until("2")), severity="high")).encode(),
    "nested deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_record_is_told_and_passed_over(name: str, caplog: pytest.LogCaptureFixture) -> None:
    archive = zip_of({"all/X-1.json": BROKEN[name], "all/GOOD-1.json": json.dumps(GOOD).encode()})
    with caplog.at_level(logging.WARNING):
        said = say(archive)
    assert said == [Unread(id="X-1"), *read(GOOD)]
    assert "all/X-1.json" in caplog.text
    assert "count=1" in caplog.text


def test_of_two_records_with_one_id_the_first_counts(caplog: pytest.LogCaptureFixture) -> None:
    other = record("GOOD-1", debian(*until("9")))
    archive = zip_of({"1.json": json.dumps(GOOD).encode(), "2.json": json.dumps(other).encode()})
    assert say(archive) == read(GOOD)
    assert "2.json" in caplog.text


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_what_comes_before_damage_is_no_reason_to_believe_the_rest(pack: Callable[[list[Record]], bytes]) -> None:
    archive = pack([record(f"A-{number}", debian(*until(str(number)))) for number in range(300)])
    with pytest.raises(BadFeed):
        say(archive[: len(archive) // 2])
