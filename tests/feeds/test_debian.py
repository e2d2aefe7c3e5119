"""Debian's tracker: recorded documents become the expected statements, each state as the vendor means it."""

import io
import json
import logging
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds import Selective
from eclair.feeds.debian import FEED, RELEASES
from eclair.model import Effect, Kind, Mark, PackageKey, PackageStatements, Range, Severity, State, Statement, Unread

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds"
TRACKER = SAMPLES / "mirror-1" / "security-tracker.debian.org" / "tracker" / "data" / "json"
NEWER_TRACKER = SAMPLES / "mirror-2" / TRACKER.relative_to(SAMPLES / "mirror-1")


def parse(content: bytes, revision: str = "r1") -> list[PackageStatements]:
    said = FEED.parse(FEED.parts[0], [io.BytesIO(content)], revision)
    return [some for some in said if isinstance(some, PackageStatements)]


def parse_one(**status: object) -> Statement:
    """Return the statement that a row for bookworm comes to."""
    [package] = parse(json.dumps({"foo": {"CVE-2024-1": {"releases": {"bookworm": status}}}}).encode())
    [statement] = package.statements
    return statement


def outline(packages: list[PackageStatements]) -> list[str]:
    """Return one line per statement, for a human to read."""
    lines = []
    for package in packages:
        for statement in package.statements:
            ranges = ",".join(f"<{interval.fixed}" if interval.fixed else "all" for interval in statement.ranges)
            lines.append(
                f"{package.package.namespace} {package.package.name} {statement.id}: {statement.effect} {ranges or '-'}"
                f" {statement.state} {statement.severity} | {statement.raw_state}"
            )
    return lines


def digests(packages: list[PackageStatements]) -> dict[PackageKey, str]:
    return {package.package: package.digest for package in packages}


# --- recorded documents ----------------------------------------------------------------------------------------------


def test_the_trackers_shapes_become_these_statements() -> None:
    content = (SAMPLES / "debian-tracker" / "advisory.json").read_bytes()
    assert outline(parse(content)) == [
        "debian:11 389-ds-base CVE-2012-0833: not-affected - not-affected negligible | resolved; urgency=unimportant",
        "debian:11 389-ds-base CVE-2016-5405: affected <1.3.5.15-1 fixed unknown | resolved; urgency=not yet assigned",
        (
            "debian:11 389-ds-base CVE-2016-5416: affected all will-not-fix unknown"
            " | open; no-dsa: Minor issue; ignored; urgency=not yet assigned"
        ),
        "debian:sid 389-ds-base CVE-2012-0833: not-affected - not-affected negligible | resolved; urgency=unimportant",
        "debian:sid 389-ds-base CVE-2016-5405: affected <1.3.5.15-1 fixed unknown | resolved; urgency=not yet assigned",
        "debian:sid 389-ds-base CVE-2016-5416: affected all affected unknown | open; urgency=not yet assigned",
        (
            "debian:11 wordpress TEMP-0000000-0CA7E3: not-affected - not-affected negligible"
            " | resolved; urgency=unimportant"
        ),
        (
            "debian:sid wordpress TEMP-0000000-0CA7E3: not-affected - not-affected negligible"
            " | resolved; urgency=unimportant"
        ),
    ]


def test_the_trackers_urgencies_become_these_severities() -> None:
    content = (SAMPLES / "debian-tracker" / "debian.json").read_bytes()
    assert [line for line in outline(parse(content)) if line.startswith("debian:10")] == [
        "debian:10 prototypejs CVE-2007-2383: not-affected - not-affected negligible | resolved; urgency=unimportant",
        "debian:10 prototypejs CVE-2008-7220: affected <1.6.0.2-1 fixed high | resolved; urgency=high**",
        "debian:10 txt2man CVE-2013-1444: affected <1.5.5-4.1 fixed low | resolved; urgency=low**",
        "debian:10 backupninja CVE-2005-3111: affected <0.8-2 fixed medium | resolved; urgency=medium",
        "debian:10 chromium CVE-2022-0456: affected all end-of-life unknown | open; urgency=end-of-life",
    ]


def test_a_statement_names_its_feed_package_and_revision() -> None:
    package = next(package for package in parse(TRACKER.read_bytes(), "etag-7") if package.package.name == "zlib")
    assert package.package == PackageKey(scheme="deb", namespace="debian:11", kind=Kind.SOURCE, name="zlib")
    assert package.statements == (
        Statement(
            feed="debian",
            id="CVE-2023-45853",
            package=package.package,
            vulnerabilities=("CVE-2023-45853",),
            effect=Effect.AFFECTED,
            ranges=(Range(),),
            state=State.AFFECTED,
            severity_source="debian",
            raw_state="open; urgency=not yet assigned",
            revision="etag-7",
        ),
    )


def test_the_second_sample_differs_by_one_advisory() -> None:
    old, new = parse(TRACKER.read_bytes()), parse(NEWER_TRACKER.read_bytes())
    assert sorted(set(outline(new)) ^ set(outline(old))) == [
        f"debian:{release} openssl CVE-2024-13176: affected all affected unknown | open; urgency=not yet assigned"
        for release in (11, 12, 13)
    ]
    changed = {key.namespace for key, digest in digests(new).items() if digests(old)[key] != digest}
    assert changed == {"debian:11", "debian:12", "debian:13"}


def test_the_whole_tracker_is_read(shared_data: Path) -> None:
    with (shared_data / "mirror" / TRACKER.relative_to(SAMPLES / "mirror-1")).open("rb") as stream:
        said = list(FEED.parse(FEED.parts[0], [stream], "r1"))
    packages = [some for some in said if isinstance(some, PackageStatements)]
    assert sum(len(package.statements) for package in packages) == 131_325
    assert len(digests(packages)) == len(packages) == 11_529


def test_what_nobody_asked_about_is_counted_only() -> None:
    assert isinstance(FEED, Selective)
    everything = parse(TRACKER.read_bytes())
    [zlib] = [said for said in everything if (said.package.namespace, said.package.name) == ("debian:12", "zlib")]
    document = io.BytesIO(TRACKER.read_bytes())
    some = list(FEED.select(FEED.parts[0], [document], "r1", {zlib.package}.__contains__))
    assert zlib in some
    said = [package for package in some if isinstance(package, PackageStatements)]
    assert digests(said).keys() == digests(everything).keys()
    assert {package.package.name for package in said if package.statements} == {"zlib"}


def test_a_description_may_mark_a_vulnerability() -> None:
    row = {"description": "** DISPUTED ** A crash", "releases": {"bookworm": {"status": "open"}}}
    [package] = parse(json.dumps({"foo": {"CVE-2024-1": row}}).encode())
    assert package.statements[0].marks == (Mark.DISPUTED,)


# --- each state ------------------------------------------------------------------------------------------------------

UNBOUNDED = (Range(),)
FIXED = (Range(fixed="1.2-3"),)


@pytest.mark.parametrize(
    ("status", "effect", "ranges", "state"),
    [
        ({"status": "resolved", "fixed_version": "1.2-3"}, Effect.AFFECTED, FIXED, State.FIXED),
        ({"status": "resolved", "fixed_version": "0"}, Effect.NOT_AFFECTED, (), State.NOT_AFFECTED),
        ({"status": "open"}, Effect.AFFECTED, UNBOUNDED, State.AFFECTED),
        ({"status": "open", "nodsa": "Minor issue"}, Effect.AFFECTED, UNBOUNDED, State.AFFECTED),
        ({"status": "open", "nodsa": "Minor issue", "nodsa_reason": ""}, Effect.AFFECTED, UNBOUNDED, State.AFFECTED),
        ({"status": "open", "nodsa": "x", "nodsa_reason": "ignored"}, Effect.AFFECTED, UNBOUNDED, State.WILL_NOT_FIX),
        ({"status": "open", "nodsa": "x", "nodsa_reason": "postponed"}, Effect.AFFECTED, UNBOUNDED, State.DEFERRED),
        ({"status": "open", "urgency": "end-of-life"}, Effect.AFFECTED, UNBOUNDED, State.END_OF_LIFE),
        ({"status": "undetermined"}, Effect.AFFECTED, UNBOUNDED, State.UNDER_INVESTIGATION),
        # The fix is known but not in that suite yet; annotations made before it are stale.
        (
            {"status": "open", "fixed_version": "1.2-3", "nodsa": "x", "nodsa_reason": "ignored"},
            Effect.AFFECTED,
            FIXED,
            State.FIXED,
        ),
        # What contradicts itself, or is a word we do not know, must not read as "not affected".
        ({"status": "open", "fixed_version": "0"}, Effect.AFFECTED, UNBOUNDED, State.AFFECTED),
        ({"status": "resolved"}, Effect.AFFECTED, UNBOUNDED, State.UNDER_INVESTIGATION),
        ({"status": "pending", "fixed_version": "0"}, Effect.AFFECTED, UNBOUNDED, State.UNDER_INVESTIGATION),
        ({}, Effect.AFFECTED, UNBOUNDED, State.UNDER_INVESTIGATION),
    ],
)
def test_a_state_is_what_the_vendor_means(
    status: dict[str, object], effect: Effect, ranges: tuple[Range, ...], state: State
) -> None:
    statement = parse_one(**status)
    assert (statement.effect, statement.ranges, statement.state) == (effect, ranges, state)


@pytest.mark.parametrize(
    ("urgency", "severity"),
    [
        ("unimportant", Severity.NEGLIGIBLE),
        ("low", Severity.LOW),
        ("low**", Severity.LOW),
        ("medium*", Severity.MEDIUM),
        ("high**", Severity.HIGH),
        ("not yet assigned", Severity.UNKNOWN),
        ("end-of-life", Severity.UNKNOWN),
        ("dreadful", Severity.UNKNOWN),
        (None, Severity.UNKNOWN),
    ],
)
def test_a_severity_is_the_urgency(urgency: object, severity: Severity) -> None:
    statement = parse_one(status="open", urgency=urgency)
    assert (statement.severity, statement.severity_source) == (severity, "debian")


# --- what is no change -----------------------------------------------------------------------------------------------


def test_prose_is_no_change() -> None:
    document = json.loads(TRACKER.read_bytes())
    for vulnerabilities in document.values():
        for vulnerability in vulnerabilities.values():
            vulnerability.update(description="told anew", debianbug=1, scope="remote")
            for status in vulnerability["releases"].values():
                status["repositories"] = {"bookworm": "9.9"}
    assert digests(parse(json.dumps(document).encode())) == digests(parse(TRACKER.read_bytes()))


def test_another_order_or_revision_is_no_change() -> None:
    document = json.loads(TRACKER.read_bytes(), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert digests(parse(json.dumps(document).encode(), "r2")) == digests(parse(TRACKER.read_bytes(), "r1"))


@pytest.mark.parametrize(
    "change",
    [{"status": "undetermined"}, {"fixed_version": "2"}, {"urgency": "high"}, {"nodsa": "x"}, {"nodsa_reason": "y"}],
)
def test_what_is_said_anew_is_a_change(change: dict[str, object]) -> None:
    def digest(**status: object) -> str:
        [package] = parse(json.dumps({"foo": {"CVE-2024-1": {"releases": {"bookworm": status}}}}).encode())
        return package.digest

    assert digest(**{"status": "open", **change}) != digest(status="open")


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>503</html>", TRACKER.read_bytes()[:-100], b"[]", b"{}", b'{"error": "maintenance"}', b"null"],
    ids=["empty", "html", "truncated", "array", "no packages", "something else", "null"],
)
def test_a_broken_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse(content)


def test_a_malformed_record_is_skipped_and_named(caplog: pytest.LogCaptureFixture) -> None:
    good = {"releases": {"bookworm": {"status": "open"}}}
    document = {
        "broken": [],
        "new\nline": {"CVE-2024-1": good},
        "foo": {
            "CVE-2024-1": good,
            "CVE-2024-2": {"releases": {"bookworm": "open", "bullseye": {"status": "open"}}},
            "CVE-2024-3": {"releases": "none"},
            "CVE-2024-4": {"releases": {"bookworm": {"status": "resolved", "fixed_version": 7}}},
            "CVE-2024-5": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "\ud800"}}},
            "CVE#2024": good,
            "CVE-2024-6": None,
            "CVE-2024-7": {"releases": []},
        },
    }
    with caplog.at_level(logging.WARNING):
        packages = parse(json.dumps(document).encode())
    assert outline(packages) == [
        "debian:12 foo CVE-2024-1: affected all affected unknown | open; urgency=",
        "debian:11 foo CVE-2024-2: affected all affected unknown | open; urgency=",
    ]
    for name in ("broken", "CVE-2024-2 bookworm", "CVE-2024-3", "CVE-2024-4", "CVE-2024-5", "CVE#2024", "CVE-2024-6"):
        assert name in caplog.text
    assert "count=8" in caplog.text


def test_what_cannot_be_read_is_said_before_its_package() -> None:
    open_ = {"status": "open"}
    document = {
        "broken": [],
        "foo": {
            "CVE-2024-1": {"releases": {"bookworm": open_, "sid": 7}},
            "CVE-2024-2": "?",
        },
    }
    said = list(FEED.parse(FEED.parts[0], [io.BytesIO(json.dumps(document).encode())], "r1"))

    def package(name: str, release: str) -> PackageKey:
        return PackageKey(scheme="deb", namespace=f"debian:{release}", kind=Kind.SOURCE, name=name)

    assert isinstance(said.pop(), PackageStatements)
    releases = RELEASES.values()
    assert said == [
        *(Unread(package=package("broken", release)) for release in releases),
        Unread(id="CVE-2024-1", package=package("foo", "sid")),
        *(Unread(id="CVE-2024-2", package=package("foo", release)) for release in releases),
    ]


def test_an_unknown_release_is_skipped_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    row = {"releases": {"zurg": {"status": "open"}, "bookworm": {"status": "open"}}}
    with caplog.at_level(logging.WARNING):
        [package] = parse(json.dumps({"foo": {"CVE-2024-1": row, "CVE-2024-2": row}}).encode())
    assert package.package.namespace == "debian:12"
    assert caplog.text.count("zurg") == 1


# --- authority and support -------------------------------------------------------------------------------------------


def test_the_tracker_speaks_for_debian_only() -> None:
    assert [FEED.speaks_for(namespace) for namespace in ("debian:12", "debian:sid", "ubuntu:24.04", "debian")] == [
        "tracker",
        "tracker",
        None,
        None,
    ]


def test_a_release_of_which_a_few_rows_are_left_is_not_supported() -> None:
    packages = {"debian:10": 83, "debian:11": 2939, "debian:12": 2985, "debian:14": 597, "debian:15": 596}
    supported = {name: FEED.supported(name, packages, 0.0) for name in [*packages, "debian:9"]}
    assert supported == {
        "debian:10": False,
        "debian:11": True,
        "debian:12": True,
        "debian:14": True,
        "debian:15": False,
        "debian:9": False,
    }
    assert not FEED.supported("debian:12", {}, 0.0)
