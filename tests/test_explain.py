"""A finding is explained by every statement about it, bound by bound, and by how the verdict came to be."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eclair import ecosystems
from eclair.adapters.documents import FolderDocuments
from eclair.cli import FAILED, OK, run
from eclair.errors import NotFound
from eclair.explain import Bearing, as_of, considerations, is_kept, periods, verdict_on
from eclair.model import Digest, Effect, Feature, Kind, PackageKey, Range, Severity, State, Statement
from eclair.report import Explanation
from eclair.verdict import Position
from functions.report.app import respond
from tests.fleet import DEBIAN, DPKG, NOW, SAMPLES, SHOP, Fleet, layer
from tests.functions.invocation import Context, content, request

CVE = "CVE-2026-1"
OPENSSL = PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name="openssl")


def feature(version: str = "3.0.11-1", context: str = "") -> Feature:
    key = ecosystems.load()["deb"].key(version)
    return Feature(package=OPENSSL, version=version, key=key, arch="", context=context)


def said(*ranges: Range, id_: str = CVE, effect: Effect = Effect.AFFECTED, **changes: object) -> Statement:
    statement = Statement(
        feed="debian",
        id=id_,
        package=OPENSSL,
        vulnerabilities=(CVE,),
        effect=effect,
        ranges=ranges,
        state=State.FIXED if any(versions.fixed for versions in ranges) else State.AFFECTED,
        severity=Severity.HIGH,
        severity_source="debian",
        raw_state="as the vendor writes it",
        revision="r1",
        seq=1,
    )
    return replace(statement, **changes)  # type: ignore[arg-type]  # the names are fields


# --- statements ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "position", "text"),
    [
        (Range(), Position.INSIDE, "every version"),
        (Range(fixed="3.0.15-1"), Position.INSIDE, "3.0.11-1 < 3.0.15-1 (fixed)"),
        (Range(fixed="3.0.11-1"), Position.OUTSIDE, "3.0.11-1 = 3.0.11-1 (fixed)"),
        (
            Range(introduced="3.0~a", last_affected="3.0.9-1"),
            Position.OUTSIDE,
            "3.0.11-1 > 3.0~a (introduced), 3.0.11-1 > 3.0.9-1 (last affected)",
        ),
        (
            Range(introduced="1.0", fixed="not a version!"),
            Position.UNKNOWN,
            "3.0.11-1 > 1.0 (introduced), 3.0.11-1 ? not a version!:",
        ),
    ],
)
def test_each_range_is_compared_in_words(versions: Range, position: Position, text: str) -> None:
    (found,) = considerations(feature(), CVE, [said(versions)])
    (comparison,) = found.comparisons
    assert (comparison.range, comparison.position) == (versions, position)
    assert comparison.text.startswith(text)


@pytest.mark.parametrize(
    ("statement", "bearing"),
    [
        (said(Range(fixed="3.0.15-1")), Bearing.AFFECTED),
        (said(Range(fixed="3.0.1-1"), Range()), Bearing.AFFECTED),
        (said(Range(fixed="3.0.1-1")), Bearing.NOT_AFFECTED),
        (said(effect=Effect.NOT_AFFECTED), Bearing.NOT_AFFECTED),
        (said(Range(fixed="not a version!")), Bearing.CANNOT_TELL),
        (said(Range(), stream="module:openssl:3"), Bearing.OTHER_STREAM),
        (said(Range(), withdrawn=True), Bearing.WITHDRAWN),
        (said(Range(), vulnerabilities=("CVE-2026-2",)), Bearing.TURNED),
    ],
)
def test_a_statement_comes_to_what_it_does_in_the_verdict(statement: Statement, bearing: Bearing) -> None:
    (found,) = considerations(feature(), CVE, [statement])
    assert found.bearing is bearing
    verdict = verdict_on(feature(), CVE, [statement])
    assert (verdict is not None and verdict.state in (State.AFFECTED, State.FIXED)) == (bearing is Bearing.AFFECTED)


def test_what_counts_stands_first_and_other_packages_are_left_out() -> None:
    statements = [
        said(Range(), id_="DSA-1", withdrawn=True),
        said(Range(fixed="3.0.1-1"), id_="DSA-2"),
        said(Range(), id_="DSA-3"),
        said(Range(), id_="DSA-4", package=replace(OPENSSL, name="curl")),
        said(Range(), id_="DSA-5", stream="pro"),
    ]
    found = considerations(feature(), CVE, statements)
    assert [some.statement.id for some in found] == ["DSA-3", "DSA-2", "DSA-5", "DSA-1"]
    found = considerations(feature(context="pro"), CVE, statements)
    assert [(some.statement.id, some.bearing) for some in found[:2]] == [
        ("DSA-5", Bearing.AFFECTED),
        ("DSA-2", Bearing.OTHER_STREAM),
    ]


# --- over time -------------------------------------------------------------------------------------------------------

FIRST = said(Range(), first_seen=100.0, changed=100.0)
THEN = said(Range(fixed="3.0.15-1"), seq=2, first_seen=100.0, changed=200.0)
GONE = replace(THEN, seq=3, changed=300.0, withdrawn=True)
REVISIONS = {FIRST.key: (FIRST, THEN, GONE)}


def test_a_moment_has_what_was_said_then() -> None:
    moments = (99.9, 100.0, 199.9, 200.0, 1e9)
    assert [as_of(REVISIONS, moment) for moment in moments] == [(), (FIRST,), (FIRST,), (THEN,), (GONE,)]


def test_a_verdict_has_its_periods() -> None:
    found = periods(feature(), CVE, REVISIONS)
    assert [(period.since, period.until, period.verdict and period.verdict.state) for period in found] == [
        (100.0, 200.0, State.AFFECTED),
        (200.0, 300.0, State.FIXED),
        (300.0, None, None),
    ]
    assert all(period.complete for period in found)


def test_a_change_that_does_not_concern_the_version_makes_no_period() -> None:
    reworded = replace(THEN, seq=3, changed=300.0, raw_state="in other words")
    later = said(Range(fixed="1.0"), id_="DSA-1", first_seen=400.0, changed=400.0)
    found = periods(feature(), CVE, {FIRST.key: (FIRST, THEN, reworded), later.key: (later,)})
    assert [(period.since, period.until) for period in found] == [(100.0, 200.0), (200.0, None)]


def test_what_is_not_kept_any_more_is_not_guessed() -> None:
    kept = {GONE.key: (THEN, GONE)}
    assert [is_kept(kept, moment) for moment in (99.0, 100.0, 199.0, 200.0)] == [True, False, False, True]
    found = periods(feature(), CVE, kept)
    assert [(period.since, period.verdict and period.verdict.state, period.complete) for period in found] == [
        (100.0, None, False),
        (200.0, State.FIXED, True),
        (300.0, None, True),
    ]


# --- an image --------------------------------------------------------------------------------------------------------


@pytest.fixture
def fleet() -> Fleet:
    """Return an image whose openssl has an advisory that comes with the second revision of the feed, a day later."""
    fleet = Fleet()
    fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1.0")
    fleet.load("debian")
    return fleet


def second_revision(fleet: Fleet) -> None:
    fleet.now += 86_400
    fleet.application = fleet.with_ports(documents=FolderDocuments(SAMPLES / "feeds" / "mirror-2"))
    fleet.load("debian")


def explained(fleet: Fleet, vulnerability: str, at: float | None = None) -> Explanation:
    (image,) = fleet.ports.images.images.values()
    return fleet.application.report.explain(image.digest, vulnerability, at=at)


def test_a_finding_of_an_image_is_explained(fleet: Fleet) -> None:
    second_revision(fleet)
    found = explained(fleet, "CVE-2024-13176")
    assert found.packages
    for package in found.packages:
        assert (package.compared_kind, package.compared_name, package.state) == (Kind.SOURCE, "openssl", State.AFFECTED)
        (considered,) = package.considered
        assert considered.statement.revision == found.feeds[0].revision
        assert considered.statement.raw_state == "open; urgency=not yet assigned"
        assert considered.statement.first_seen == NOW + 86_400
        assert [(period.since, period.state) for period in package.history] == [(NOW + 86_400, State.AFFECTED)]
    assert [(feed.feed, feed.part) for feed in found.feeds] == [("debian", "tracker")]


def test_it_was_not_known_the_day_before(fleet: Fleet) -> None:
    second_revision(fleet)
    found = explained(fleet, "CVE-2024-13176", at=NOW + 3600)
    assert {package.state for package in found.packages} == {None}
    assert all(package.considered == () for package in found.packages)


def test_the_explanation_agrees_with_the_report(fleet: Fleet) -> None:
    (image,) = fleet.ports.images.images.values()
    findings = fleet.application.report.image(image.digest, all_states=True).findings
    assert findings
    for finding in findings:
        states = {
            package.state
            for package in explained(fleet, finding.vulnerability).packages
            if (package.name, package.version) == (finding.package, finding.version)
        }
        assert states == {finding.state}


def test_what_nobody_ever_said_is_not_explained(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match="no feed says, or ever said, anything of CVE-1970-1"):
        explained(fleet, "CVE-1970-1")
    with pytest.raises(NotFound, match="push it first"):
        fleet.application.report.explain(Digest("sha256:" + "0" * 64), "CVE-2024-13176")


@pytest.mark.parametrize(
    ("at", "known"),
    [(None, True), ("2025-06-15", False), ("2025-06-16", True), ("2025-06-16T15:06:39Z", False), ("20250616", True)],
)
def test_the_api_explains_a_day(fleet: Fleet, at: str | None, known: bool) -> None:  # noqa: FBT001
    """The first revision is of 2025-06-15T15:06:40Z, the second of a day later."""
    second_revision(fleet)
    (image,) = fleet.ports.images.images.values()
    path = f"/images/{image.digest}/vulnerabilities/CVE-2024-13176/explain"
    asked = request("GET", path, query={"at": at} if at else None)
    found = content(
        respond(asked, Context(), fleet.application.report), "/images/{digest}/vulnerabilities/{name}/explain"
    )
    assert {package["state"] for package in found["packages"]} == {"affected" if known else None}


def test_a_moment_that_cannot_be_read_is_refused(fleet: Fleet) -> None:
    path = f"/images/sha256:{'0' * 64}/vulnerabilities/CVE-1/explain"
    for at in ("yesterday", "2025-13-01", "2025-11-24T25:00"):
        asked = request("GET", path, query={"at": at})
        assert respond(asked, Context(), fleet.application.report)["statusCode"] == 400


# --- the command -----------------------------------------------------------------------------------------------------

IMAGE = f"oci:{SAMPLES / 'oci' / 'debian-bullseye'}"


def test_the_command_explains_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    mirror = str(SAMPLES / "feeds" / "mirror-1")
    assert run(["explain", IMAGE, "CVE-2024-9143", "--feed-mirror", mirror]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "libssl1.1 1.1.1w-0+deb11u1 (var/lib/dpkg/status): fixed, fixed in 1.1.1w-0+deb11u2 (unknown, debian)",
        "  compared as source openssl 1.1.1w-0+deb11u1",
        "  affected: debian CVE-2024-9143: resolved; urgency=not yet assigned",
        "    inside: 1.1.1w-0+deb11u1 < 1.1.1w-0+deb11u2 (fixed)",
    ]
    assert lines[4].startswith("feed debian (tracker), revision ")
    assert run(["explain", IMAGE, "CVE-1970-1", "--feed-mirror", mirror]) == FAILED


def test_the_command_explains_in_json(capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    mirror = str(SAMPLES / "feeds" / "mirror-1")
    assert run(["explain", IMAGE, "CVE-2024-9143", "--json", "--feed-mirror", mirror]) == OK
    found = json.loads(capsysbinary.readouterr().out)
    assert found["vulnerability"] == "CVE-2024-9143"
    assert found["packages"][0]["considered"][0]["bearing"] == "affected"
