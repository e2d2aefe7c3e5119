"""One decision says what is kept quiet: by rules, by VEX, until they end."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.model import (
    Digest,
    FeatureId,
    IgnoreRule,
    Package,
    QuietHours,
    Repository,
    RuleBook,
    Severity,
    Source,
    State,
    Verdict,
    VexDocument,
    VexProduct,
    VexStatement,
    VexStatus,
)
from eclair.suppress import InEffect, Subject, is_purl_of, is_quiet, quiet_now

NOW = 1_750_000_000.0
SHOP = Repository("registry.example.com/shop/cart")
DIGEST = Digest("sha256:" + "d" * 64)
PURL = "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12"
PACKAGE = Package(
    type="deb",
    name="libssl3",
    version="3.0.11-1",
    arch="amd64",
    source=Source(name="openssl", version="3.0.11-1"),
    path="var/lib/dpkg/status",
)


def subject(
    severity: Severity = Severity.HIGH,
    fixed: str | None = None,
    *,
    vulnerability: str = "CVE-2026-1",
    digest: Digest = DIGEST,
) -> Subject:
    verdict = Verdict(
        feature=FeatureId("feature"),
        vulnerability=vulnerability,
        state=State.FIXED if fixed else State.AFFECTED,
        severity=severity,
        severity_source="debian",
        fixed_version=fixed,
        fix_channel=None,
        advisories=("DSA-1",),
        aliases=("GHSA-1",),
        feed="debian",
    )
    return Subject(verdict=verdict, package=PACKAGE, purl=PURL, digest=digest)


RULE = IgnoreRule(id="one", reason="no shell", by="alice", vulnerability="CVE-2026-1")


def by(*rules: IgnoreRule, now: float = NOW, repository: Repository = SHOP, what: Subject | None = None) -> str:
    """Return the id of what keeps the subject quiet, "" where nothing does."""
    found = InEffect(RuleBook(version=1, rules=rules), repository, now).suppression(what or subject())
    return found.rule if found else ""


# --- ignore rules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "quiet"),
    [
        ({"vulnerability": "CVE-2026-1"}, True),
        ({"vulnerability": "cve-2026-1"}, True),
        ({"vulnerability": "GHSA-1"}, True),
        ({"vulnerability": "CVE-2026-10"}, False),
        ({"package": "libssl3"}, True),
        ({"package": "openssl"}, True),
        ({"package": "lib*"}, True),
        ({"package": "ssl"}, False),
        ({"path": "var/lib/dpkg/*"}, True),
        ({"path": "opt/*"}, False),
        ({"repository": "registry.example.com/shop/*"}, True),
        ({"repository": "registry.example.com/bank/*"}, False),
        ({"below": Severity.CRITICAL}, True),
        ({"below": Severity.HIGH}, False),
        ({"unfixed": True}, True),
        ({"vulnerability": "CVE-2026-1", "package": "zlib"}, False),
    ],
)
def test_a_rule_keeps_quiet_what_all_its_conditions_fit(rule: dict[str, object], *, quiet: bool) -> None:
    conditions = {"vulnerability": "", **rule}
    assert bool(by(replace(RULE, **conditions))) is quiet  # type: ignore[arg-type]  # of several types


def test_an_unknown_severity_is_not_below_anything() -> None:
    minimum = replace(RULE, vulnerability="", below=Severity.CRITICAL)
    assert not by(minimum, what=subject(Severity.UNKNOWN))
    assert by(minimum, what=subject(Severity.NEGLIGIBLE))


def test_what_has_a_fix_is_told_where_only_that_is_asked_for() -> None:
    assert not by(replace(RULE, vulnerability="", unfixed=True), what=subject(fixed="3.0.12-1"))


def test_a_rule_ends_at_its_time() -> None:
    ending = replace(RULE, until=NOW)
    assert by(ending, now=NOW - 1)
    assert not by(ending, now=NOW)


def test_of_several_rules_the_one_that_lasts_longest_is_named() -> None:
    rules = [
        replace(RULE, id="soon", until=NOW + 1),
        replace(RULE, id="for good"),
        replace(RULE, id="l", until=NOW + 9),
    ]
    assert by(*rules) == "for good"
    assert by(rules[0], rules[2]) == "l"


times = st.none() | st.floats(NOW - 10, NOW + 10)
rules_ = st.builds(
    IgnoreRule,
    id=st.uuids().map(str),
    reason=st.just("r"),
    by=st.just("b"),
    until=times,
    vulnerability=st.sampled_from(["", "CVE-2026-1", "CVE-2026-2"]),
    package=st.sampled_from(["", "libssl3", "open*", "zlib"]),
    repository=st.sampled_from(["", SHOP, "*/shop/*", "*/bank/*"]),
    below=st.none() | st.sampled_from([some for some in Severity if some is not Severity.UNKNOWN]),
    unfixed=st.booleans(),
)
subjects = st.builds(
    subject,
    st.sampled_from(Severity),
    st.none() | st.just("9"),
    vulnerability=st.sampled_from(["CVE-2026-1", "CVE-2026-2", "CVE-2026-3"]),
)
moments = st.floats(NOW - 10, NOW + 10)


def fits(rule: IgnoreRule, found: Subject, now: float) -> bool:
    """Say so by the words of the documentation, condition by condition."""
    verdict = found.verdict
    return (
        (rule.until is None or now < rule.until)
        and rule.vulnerability in ("", verdict.vulnerability)
        and rule.package in ("", "libssl3", "open*")
        and rule.repository in ("", SHOP, "*/shop/*")
        and (
            rule.below is None or (verdict.severity is not Severity.UNKNOWN and verdict.severity.rank > rule.below.rank)
        )
        and not (rule.unfixed and verdict.fixed_version is not None)
    )


@given(rules=st.lists(rules_, max_size=6), found=subjects, now=moments)
def test_a_finding_is_kept_quiet_exactly_while_some_rule_fits_it(
    rules: list[IgnoreRule], found: Subject, now: float
) -> None:
    suppression = InEffect(RuleBook(rules=tuple(rules)), SHOP, now).suppression(found)
    fitting = [rule for rule in rules if fits(rule, found, now)]
    assert (suppression is not None) is bool(fitting)
    if suppression is not None:
        assert suppression.rule in {rule.id for rule in fitting}
        lasting = {rule.until for rule in fitting}
        assert suppression.until == (None if None in lasting else max(filter(None, lasting)))


@given(rules=st.lists(rules_, max_size=6), found=subjects, now=moments, later=st.floats(0, 20))
def test_only_where_rules_ended_is_something_told_that_was_quiet(
    rules: list[IgnoreRule], found: Subject, now: float, later: float
) -> None:
    book = RuleBook(rules=tuple(rules))
    before, after = InEffect(book, SHOP, now), InEffect(book, SHOP, now + later)
    if before.suppression(found) and not after.suppression(found):
        assert before.ended_in(after)


@given(rules=st.lists(rules_, max_size=6), more=rules_, found=subjects, now=moments)
def test_one_more_rule_tells_nothing(rules: list[IgnoreRule], more: IgnoreRule, found: Subject, now: float) -> None:
    before = InEffect(RuleBook(rules=tuple(rules)), SHOP, now)
    after = InEffect(RuleBook(rules=(*rules, more)), SHOP, now)
    assert not before.ended_in(after)
    assert not before.suppression(found) or after.suppression(found)


# --- VEX -------------------------------------------------------------------------------------------------------------


def said(
    status: VexStatus = VexStatus.NOT_AFFECTED, *products: VexProduct, time: float = NOW, names: tuple[str, ...] = ()
) -> VexStatement:
    return VexStatement(
        vulnerabilities=names or ("CVE-2026-1",),
        status=status,
        products=products or (VexProduct(purl="pkg:deb/debian/libssl3"),),
        time=time,
        justification="component_not_present" if status is VexStatus.NOT_AFFECTED else "",
    )


def cleared(*statements: VexStatement, what: Subject | None = None, repository: Repository = SHOP) -> bool:
    documents = tuple(
        VexDocument(id=f"v{number}", document="", format="openvex", author="bob", time=NOW, statements=(statement,))
        for number, statement in enumerate(statements)
    )
    return InEffect(RuleBook(documents=documents), repository, NOW).suppression(what or subject()) is not None


def test_vex_says_who_and_why() -> None:
    document = VexDocument(id="v", document="", format="csaf", author="bob", time=NOW, statements=(said(),))
    found = InEffect(RuleBook(documents=(document,)), SHOP, NOW).suppression(subject())
    assert found is not None
    assert (found.rule, found.by, found.until) == ("v", "bob", None)
    assert found.reason == "not_affected: component_not_present"


@pytest.mark.parametrize("status", VexStatus)
def test_what_is_not_affected_or_fixed_is_quiet_and_nothing_else(status: VexStatus) -> None:
    assert cleared(said(status)) is (status in (VexStatus.NOT_AFFECTED, VexStatus.FIXED))


@pytest.mark.parametrize(
    ("product", "quiet"),
    [
        (VexProduct(digest=DIGEST), True),
        (VexProduct(digest="sha256:" + "e" * 64), False),
        (VexProduct(repository=SHOP), True),
        (VexProduct(repository="registry.example.com/bank"), False),
        (VexProduct(digest=DIGEST, purl="pkg:deb/debian/libssl3"), True),
        (VexProduct(digest=DIGEST, purl="pkg:deb/debian/zlib1g"), False),
        (VexProduct(repository="registry.example.com/bank", purl="pkg:deb/debian/libssl3"), False),
    ],
)
def test_a_product_is_an_image_a_package_or_both(product: VexProduct, *, quiet: bool) -> None:
    assert cleared(said(VexStatus.NOT_AFFECTED, product)) is quiet


@given(st.permutations([(1.0, VexStatus.FIXED), (2.0, VexStatus.AFFECTED), (3.0, VexStatus.NOT_AFFECTED)]))
def test_what_was_said_last_counts_in_whatever_order_it_came(order: list[tuple[float, VexStatus]]) -> None:
    assert cleared(*(said(status, time=time) for time, status in order))
    assert not cleared(*(said(status, time=-time) for time, status in order if status is not VexStatus.FIXED))


def test_of_two_said_at_once_the_one_that_clears_nothing_counts() -> None:
    assert not cleared(said(), said(VexStatus.UNDER_INVESTIGATION))


def test_a_statement_goes_by_any_name_of_the_vulnerability() -> None:
    assert cleared(said(names=("GHSA-1",)))
    assert not cleared(said(names=("CVE-2026-2",)))


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ("pkg:deb/debian/libssl3", True),
        ("pkg:deb/debian/libssl3@3.0.11-1", True),
        ("pkg:deb/debian/libssl3@3.0.11-2", False),
        ("pkg:deb/debian/libssl3?arch=amd64", True),
        ("pkg:deb/debian/libssl3?arch=arm64", False),
        ("pkg:deb/debian/libssl3?distro=debian-12", True),
        ("pkg:deb/debian/libssl3?repository_url=https://elsewhere.example", False),
        ("pkg:deb/ubuntu/libssl3", False),
        ("pkg:rpm/debian/libssl3", False),
        ("pkg:deb/debian/openssl", False),
        ("pkg:deb/debian/openssl?arch=source", True),
        ("pkg:deb/debian/openssl@3.0.11-1?arch=source&distro=debian-12", True),
        ("pkg:deb/debian/openssl@3.0.12-1?arch=source", False),
        ("libssl3", False),
    ],
)
def test_a_purl_leaves_open_what_it_does_not_say(asked: str, *, same: bool) -> None:
    assert is_purl_of(asked, PURL, PACKAGE) is same


# --- quiet hours -----------------------------------------------------------------------------------------------------

NIGHT = QuietHours(id="night", reason="sleep", by="alice", start=18 * 60, end=8 * 60, timezone="Europe/Berlin")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("time", "quiet"),
    [
        ("2026-01-05T16:59", False),
        ("2026-01-05T17:00", True),
        ("2026-01-06T06:59", True),
        ("2026-01-06T07:00", False),
        ("2026-07-06T15:59", False),
        ("2026-07-06T16:00", True),
    ],
)
def test_hours_go_by_the_clocks_of_their_time_zone(time: str, *, quiet: bool) -> None:
    assert is_quiet(NIGHT, at(time)) is quiet


def test_hours_that_span_midnight_belong_to_the_day_on_which_they_start() -> None:
    friday = replace(NIGHT, days=(4,), timezone="UTC")
    assert is_quiet(friday, at("2026-01-09T20:00"))
    assert is_quiet(friday, at("2026-01-10T07:00"))
    assert not is_quiet(friday, at("2026-01-09T07:00"))
    assert not is_quiet(friday, at("2026-01-10T20:00"))


def test_hours_are_for_the_repositories_they_name_and_the_strictest_counts() -> None:
    urgent = replace(NIGHT, id="urgent", urgent=Severity.HIGH)
    critical = replace(NIGHT, id="critical", urgent=Severity.CRITICAL)
    night = at("2026-01-05T20:00")
    assert quiet_now([urgent, critical], SHOP, night) == critical
    assert quiet_now([urgent, NIGHT, critical], SHOP, night) == NIGHT
    assert quiet_now([replace(NIGHT, repository="*/bank")], SHOP, night) is None
    assert quiet_now([replace(NIGHT, until=night)], SHOP, night) is None


@given(st.floats(0, 4e9), st.integers(0, 1439), st.integers(0, 1439))
def test_hours_and_the_hours_beside_them_fill_the_day(now: float, start: int, end: int) -> None:
    if start != end:
        hours = replace(NIGHT, start=start, end=end)
        assert is_quiet(hours, now) is not is_quiet(replace(NIGHT, start=end, end=start), now)
