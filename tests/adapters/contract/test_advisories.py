"""The contract of `Advisories`."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eclair.model import (
    UNREADABLE,
    Amendment,
    Effect,
    KeyRange,
    Kind,
    PackageKey,
    Range,
    Severity,
    State,
    Statement,
)
from eclair.ports import Advisories
from tests.adapters.contract.conftest import Stores
from tests.adapters.contract.test_sets import FIRST, LAST, LONG, NUMBERS, RANGES, key

OPENSSL = PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name="openssl")
CURL = replace(OPENSSL, name="curl")
ALL = (KeyRange(lower=FIRST, upper=LAST),)


@pytest.fixture
def advisories(stores: Stores) -> Advisories:
    return stores.advisories


def said(number: int = 1, package: PackageKey = OPENSSL, *, seq: int = 1, feed: str = "debian") -> Statement:
    return Statement(
        feed=feed,
        id=f"CVE-2026-{number}",
        package=package,
        vulnerabilities=(f"CVE-2026-{number}",),
        effect=Effect.AFFECTED,
        ranges=(Range(fixed="3.0.1-1"), Range(introduced="3.1", last_affected="3.2")),
        state=State.FIXED,
        severity=Severity.HIGH,
        raw_state="resolved",
        revision="2026-11-24",
        seq=seq,
    )


def before(number: int) -> KeyRange:
    return KeyRange(lower=FIRST, upper=key(number))


def storing(statement: Statement, ranges: Sequence[KeyRange] = ALL, old: Statement | None = None) -> Amendment:
    return Amendment(new=statement, ranges=tuple(ranges), old=old)


def put(advisories: Advisories, *statements: Statement, ranges: Sequence[KeyRange] = ALL) -> None:
    """Store first statements with their range rows."""
    amendments = [storing(statement, ranges) for statement in statements]
    advisories.put_ranges(amendments)
    assert advisories.put_statements(amendments) == ()


def stands(advisories: Advisories, statement: Statement) -> bool:
    """Say whether a statement is taken."""
    wanted = storing(statement)
    refused = advisories.put_statements([wanted])
    assert refused in ((), (wanted,))
    return not refused


# --- statements ---


def test_a_statement_is_read_as_it_was_put(advisories: Advisories) -> None:
    assert stands(advisories, said())
    assert advisories.statements([said().key]) == {said().key: said()}


def test_statements_that_are_not_there_are_left_out(advisories: Advisories) -> None:
    put(advisories, said(1))
    keys = [said(2).key, said(1).key, said(1, CURL).key, said(1, feed="ubuntu").key, said(1).key]
    assert advisories.statements(iter(keys)) == {said(1).key: said(1)}
    assert advisories.statements([]) == {}


def test_more_statements_than_a_batch_are_read(advisories: Advisories) -> None:
    many = [said(number) for number in range(130)]
    assert advisories.put_statements([storing(statement) for statement in many]) == ()
    assert advisories.statements(statement.key for statement in many) == {some.key: some for some in many}


@pytest.mark.parametrize("seq", [0, 2, 3])
def test_the_first_statement_has_number_one(advisories: Advisories, seq: int) -> None:
    assert not stands(advisories, said(seq=seq))
    assert advisories.statements([said().key]) == {}


def test_a_statement_stands_if_it_is_the_next(advisories: Advisories) -> None:
    assert stands(advisories, said(seq=1))
    assert not stands(advisories, said(seq=3))
    changed = replace(said(seq=2), state=State.WILL_NOT_FIX)
    assert stands(advisories, changed)
    assert not stands(advisories, said(seq=2))
    assert not stands(advisories, said(seq=1))
    assert advisories.statements([said().key]) == {said().key: changed}


def test_the_same_statement_put_again_stands(advisories: Advisories) -> None:
    for seq in (1, 2):
        for _ in range(2):
            assert stands(advisories, said(seq=seq))


def test_of_two_statements_with_one_number_one_stands(advisories: Advisories) -> None:
    claims = [replace(said(), raw_state=str(number)) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        stand = list(pool.map(lambda claim: stands(advisories, claim), claims))
    assert stand.count(True) == 1
    assert advisories.statements([said().key])[said().key] == claims[stand.index(True)]


@pytest.mark.parametrize("number", [30, 130])
def test_of_many_statements_those_that_are_not_the_next_are_refused(advisories: Advisories, number: int) -> None:
    """More than are put one by one, and more than a transaction may have."""
    many = [said(index) for index in range(number)]
    old, ahead = many[7], replace(many[11], seq=3)
    put(advisories, old)
    wanted = [storing(some) for some in (*many[:7], replace(old, raw_state="changed"), *many[8:11], ahead, *many[12:])]
    assert advisories.put_statements(wanted) == (wanted[7], wanted[11])
    assert advisories.put_statements(wanted) == (wanted[7], wanted[11])
    expected = {some.key: some for some in many if some != many[11]}
    assert advisories.statements(some.key for some in many) == expected


def test_statements_larger_than_a_transaction_are_stored(advisories: Advisories) -> None:
    noise = Random(7)
    words = ["".join(noise.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300_000)) for _ in range(3)]
    many = [replace(said(number), raw_state=words[number % 3]) for number in range(24)]
    assert advisories.put_statements([storing(some) for some in many]) == ()
    assert advisories.statements(some.key for some in many) == {some.key: some for some in many}


def test_each_stream_has_a_statement_of_its_own(advisories: Advisories) -> None:
    streams = [replace(said(), stream=stream) for stream in ("", "module:nodejs:18", "module:nodejs:18 dist:el9_2")]
    put(advisories, *streams)
    assert advisories.statements(some.key for some in streams) == {some.key: some for some in streams}
    assert set(advisories.candidates(OPENSSL, key(1))) == {some.key for some in streams}
    assert set(advisories.of_packages("debian", [OPENSSL])) == set(streams)
    assert set(advisories.about("CVE-2026-1").items) == set(streams)


def test_a_tombstone_is_a_statement(advisories: Advisories) -> None:
    put(advisories, said())
    tombstone = replace(said(seq=2), withdrawn=True, ranges=())
    assert stands(advisories, tombstone)
    assert advisories.statements([said().key]) == {said().key: tombstone}


# --- candidates ---


def test_a_package_nobody_speaks_of_has_no_candidates(advisories: Advisories) -> None:
    assert advisories.candidates(OPENSSL, key(1)) == ()
    assert advisories.candidates(OPENSSL, UNREADABLE) == ()
    assert advisories.of_packages("debian", [OPENSSL]) == ()
    assert advisories.of_advisories("debian", ["CVE-2026-1"]) == ()


@pytest.mark.parametrize(
    ("lower", "upper", "inside"),
    [
        pytest.param(FIRST, LAST, {1, 2, 3}, id="no bounds"),
        pytest.param(FIRST, key(2), {1}, id="before"),
        pytest.param(FIRST, key(2) + b"\xff", {1, 2}, id="up to"),
        pytest.param(key(2), LAST, {2, 3}, id="from"),
        pytest.param(key(2) + b"\xff", LAST, {3}, id="after"),
        pytest.param(key(2), key(2) + b"\xff", {2}, id="exactly"),
        pytest.param(key(2), key(2), set(), id="from a version to before it"),
    ],
)
def test_a_version_has_the_candidates_whose_range_holds_it(
    advisories: Advisories, lower: bytes, upper: bytes, inside: set[int]
) -> None:
    put(advisories, said(), ranges=[KeyRange(lower=lower, upper=upper)])
    put(advisories, said(2, CURL))
    for number in (1, 2, 3):
        expected = (said().key,) if number in inside else ()
        assert advisories.candidates(OPENSSL, key(number)) == expected


def test_a_candidate_with_several_ranges_is_named_once(advisories: Advisories) -> None:
    ranges = [before(5), before(7), KeyRange(lower=key(1), upper=key(7)), KeyRange(lower=key(2), upper=LAST)]
    put(advisories, said(1), ranges=ranges)
    put(advisories, said(1, feed="ubuntu"), ranges=ranges)
    expected = {said(1).key, said(1, feed="ubuntu").key}
    found = advisories.candidates(OPENSSL, key(3))
    assert len(found) == 2
    assert set(found) == expected
    assert set(advisories.candidates(OPENSSL, key(9))) == expected


def test_a_version_that_cannot_be_read_has_all_candidates(advisories: Advisories) -> None:
    put(advisories, said(1), ranges=[before(2)])
    put(advisories, said(2), ranges=[KeyRange(lower=key(8), upper=LAST)])
    assert set(advisories.candidates(OPENSSL, UNREADABLE)) == {said(1).key, said(2).key}


def test_keys_longer_than_a_sort_key_are_compared_in_full(advisories: Advisories) -> None:
    ranges = {
        1: KeyRange(lower=FIRST, upper=LONG + key(2)),
        2: KeyRange(lower=FIRST, upper=LONG + key(2) + b"\xff"),
        3: KeyRange(lower=LONG + key(2), upper=LAST),
        4: KeyRange(lower=LONG + key(2) + b"\xff", upper=LONG + key(9)),
    }
    for number, some in ranges.items():
        put(advisories, said(number), ranges=[some])
    for number in (1, 2, 3):
        expected = {said(of).key for of, some in ranges.items() if LONG + key(number) in some}
        assert set(advisories.candidates(OPENSSL, LONG + key(number))) == expected
    assert set(advisories.candidates(OPENSSL, key(1))) == {said(1).key, said(2).key}


def test_an_absurd_name_is_a_name(advisories: Advisories) -> None:
    package = replace(OPENSSL, name="ä" * 2000)
    statement = replace(said(1, package), id="GHSA-" + "x" * 2500, vulnerabilities=("CVE-" + "1" * 3000,))
    put(advisories, statement, ranges=[before(3)])
    assert advisories.candidates(package, key(2)) == (statement.key,)
    assert advisories.of_packages("debian", [package]) == (statement,)
    assert advisories.of_advisories("debian", [statement.id]) == (statement,)
    assert advisories.about(statement.vulnerabilities[0]).items == (statement,)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ranges=st.lists(st.lists(RANGES, min_size=1, max_size=3), min_size=1, max_size=5), numbers=NUMBERS)
def test_a_version_has_the_candidates_that_comparing_each_range_finds(
    advisories: Advisories, ranges: list[list[KeyRange]], numbers: list[int]
) -> None:
    """Over keys that hold 00 and FF; each example has a package of its own."""
    package = replace(OPENSSL, name=f"p{hash((str(numbers), str(ranges)))}")
    version = key(*numbers)
    advisories.put_ranges([storing(said(number, package), some) for number, some in enumerate(ranges)])
    expected = [
        said(number, package).key for number, some in enumerate(ranges) if any(version in keys for keys in some)
    ]
    assert list(advisories.candidates(package, version)) == expected


# --- range rows ---


def add(advisories: Advisories, *ranges: KeyRange) -> None:
    advisories.put_ranges([storing(said(), ranges)])


def test_ranges_are_put_beside_those_that_are_there(advisories: Advisories) -> None:
    add(advisories, before(3))
    add(advisories, KeyRange(lower=key(5), upper=key(9)), before(3))
    assert advisories.candidates(OPENSSL, key(2)) == (said().key,)
    assert advisories.candidates(OPENSSL, key(7)) == (said().key,)
    assert advisories.candidates(OPENSSL, key(4)) == ()


def test_ranges_that_differ_in_their_lower_end_only_are_two(advisories: Advisories) -> None:
    narrow, wide = KeyRange(lower=key(5), upper=key(9)), KeyRange(lower=key(2), upper=key(9))
    add(advisories, wide)
    add(advisories, narrow)
    assert advisories.candidates(OPENSSL, key(3)) == (said().key,)
    advisories.delete_ranges({said().key: [wide]})
    assert advisories.candidates(OPENSSL, key(3)) == ()
    assert advisories.candidates(OPENSSL, key(6)) == (said().key,)


def test_stale_ranges_go_and_those_of_other_statements_stay(advisories: Advisories) -> None:
    later = KeyRange(lower=key(20), upper=key(30))
    streamed = replace(said(1), stream="module:openssl:3")
    put(advisories, said(1), ranges=[before(4), before(9), later])
    put(advisories, said(2), streamed, said(1, CURL), ranges=[before(9)])
    for _ in range(2):
        advisories.delete_ranges({said(1).key: [before(9), later]})
        assert advisories.candidates(OPENSSL, key(5)) == (streamed.key, said(2).key)
        assert advisories.candidates(OPENSSL, key(25)) == ()
        assert advisories.candidates(OPENSSL, key(3)) == (said(1).key, streamed.key, said(2).key)
    assert advisories.candidates(CURL, key(5)) == (said(1, CURL).key,)


def test_a_range_that_was_deleted_can_be_put_again(advisories: Advisories) -> None:
    put(advisories, said(), ranges=[before(3)])
    advisories.delete_ranges({said().key: [before(3)]})
    assert advisories.candidates(OPENSSL, key(2)) == ()
    add(advisories, before(3))
    assert advisories.candidates(OPENSSL, key(2)) == (said().key,)


def test_a_statement_with_many_ranges_has_a_row_for_each(advisories: Advisories) -> None:
    ranges = [KeyRange(lower=key(number), upper=key(number) + b"\xff") for number in range(1, 300)]
    put(advisories, said(), ranges=ranges)
    assert advisories.candidates(OPENSSL, key(299)) == (said().key,)
    advisories.delete_ranges({said().key: ranges[10:]})
    assert advisories.candidates(OPENSSL, key(299)) == ()
    assert advisories.candidates(OPENSSL, key(10)) == (said().key,)


def test_what_a_feed_says_of_a_package_is_what_has_a_range(advisories: Advisories) -> None:
    put(advisories, said(1), ranges=[before(1), before(2)])
    put(advisories, said(2), said(3, feed="ubuntu"), said(4, CURL))
    advisories.put_ranges([storing(said(5))])  # and no statement: a crash between the two
    put(advisories, said(6), ranges=())
    assert set(advisories.of_packages("debian", [OPENSSL])) == {said(1), said(2)}
    assert set(advisories.of_packages("debian", [CURL, OPENSSL])) == {said(1), said(2), said(4, CURL)}


def test_what_a_feed_says_under_an_id_is_found_whatever_its_ranges(advisories: Advisories) -> None:
    elsewhere, streamed = said(1, CURL), replace(said(1), stream="pro")
    put(advisories, said(1), elsewhere, said(1, feed="ubuntu"), said(2), said(3))
    put(advisories, streamed, ranges=())
    assert set(advisories.of_advisories("debian", ["CVE-2026-1"])) == {said(1), elsewhere, streamed}
    found = advisories.of_advisories("debian", ["CVE-2026-1", "CVE-2026-2", "CVE-2026-4"])
    assert set(found) == {said(1), elsewhere, streamed, said(2)}


def test_the_ranges_of_packages_are_found_with_or_without_a_statement(advisories: Advisories) -> None:
    streamed = replace(said(1), stream="pro")
    put(advisories, said(1), ranges=[before(1), before(2)])
    put(advisories, streamed, said(1, feed="ubuntu"))
    advisories.put_ranges([storing(said(5, CURL))])
    found = advisories.ranges("debian", [OPENSSL, CURL])
    assert {key: set(ranges) for key, ranges in found.items()} == {
        said(1).key: {before(1), before(2)},
        streamed.key: set(ALL),
        said(5, CURL).key: set(ALL),
    }
    advisories.delete_ranges(found)
    assert advisories.ranges("debian", [OPENSSL, CURL]) == {}


def test_a_tombstone_is_found_by_its_package_until_its_ranges_go(advisories: Advisories) -> None:
    put(advisories, said())
    tombstone = replace(said(seq=2), withdrawn=True, ranges=())
    assert stands(advisories, tombstone)
    assert advisories.of_packages("debian", [OPENSSL]) == (tombstone,)
    advisories.delete_ranges({said().key: ALL})
    assert advisories.of_packages("debian", [OPENSSL]) == ()
    assert advisories.of_advisories("debian", ["CVE-2026-1"]) == (tombstone,)


# --- vulnerabilities ---


def test_a_vulnerability_leads_to_the_statements_about_it(advisories: Advisories) -> None:
    both = replace(said(1), vulnerabilities=("CVE-2026-1", "CVE-2026-2"))
    put(advisories, both, said(2), said(2, CURL, feed="ubuntu"))
    assert advisories.about("CVE-2026-1").items == (both,)
    assert set(advisories.about("CVE-2026-2").items) == {both, said(2), said(2, CURL, feed="ubuntu")}
    assert advisories.about("CVE-2026-3").items == ()


def test_a_withdrawn_statement_is_about_nothing(advisories: Advisories) -> None:
    put(advisories, said())
    assert stands(advisories, replace(said(seq=2), withdrawn=True))
    assert advisories.about("CVE-2026-1").items == ()


def test_a_statement_that_turns_to_another_vulnerability_leaves_the_first(advisories: Advisories) -> None:
    elsewhere = said(1, CURL)
    put(advisories, said(), elsewhere)
    turned = replace(said(seq=2), vulnerabilities=("CVE-2026-99",))
    advisories.put_ranges([storing(turned, (), said())])
    assert stands(advisories, turned)
    assert advisories.about("CVE-2026-99").items == (turned,)
    assert advisories.about("CVE-2026-1").items == (elsewhere,)


def test_statements_about_a_vulnerability_come_in_pages(advisories: Advisories) -> None:
    packages = [replace(OPENSSL, name=f"p{number}") for number in range(5)]
    expected = [
        replace(said(1, package, feed=feed), id=id_, stream=stream)
        for feed, id_ in (("debian", "CVE-2026-1"), ("osv", "GHSA-1"), ("osv", "GHSA-2"))
        for package in packages
        for stream in ("", "pro")
    ]
    put(advisories, *reversed(expected))
    for limit in (1, 3, 10, 29, 30, 31):
        page = advisories.about("CVE-2026-1", limit=limit)
        found = [page.items]
        while page.next:
            page = advisories.about("CVE-2026-1", page=page.next, limit=limit)
            found.append(page.items)
        assert [statement for items in found for statement in items] == expected
        assert all(len(items) == limit for items in found[:-1])
        assert 0 < len(found[-1]) <= limit


# --- history ---


def change(advisories: Advisories, old: Statement, new: Statement) -> None:
    advisories.put_ranges([storing(new, (), old)])
    assert stands(advisories, new)


def test_what_a_statement_said_before_is_kept(advisories: Advisories) -> None:
    said_once = [replace(said(seq=seq), raw_state=f"{seq}", changed=float(seq)) for seq in range(1, 13)]
    put(advisories, said_once[0], said(2))
    for old, new in pairwise(said_once):
        change(advisories, old, new)
    assert advisories.before(said_once[-1]) == tuple(said_once[:-1])
    assert advisories.before(said_once[5]) == tuple(said_once[:5])
    assert advisories.before(said(2)) == advisories.before(said(3)) == ()


def test_a_change_that_did_not_come_about_is_no_history(advisories: Advisories) -> None:
    """A crash between the history row and the statement: the row says what the statement still says."""
    put(advisories, said())
    advisories.put_ranges([storing(said(seq=2), (), said())])
    assert advisories.before(said()) == ()


def test_what_was_ever_said_about_a_vulnerability_is_found(advisories: Advisories) -> None:
    streamed = replace(said(1), stream="pro")
    put(advisories, said(1), streamed, said(1, CURL), said(1, feed="ubuntu"), said(2))
    tombstone = replace(said(1, seq=2), withdrawn=True)
    change(advisories, said(1), tombstone)
    turned = replace(streamed, seq=2, vulnerabilities=("CVE-2026-99",))
    change(advisories, streamed, turned)
    found = advisories.ever_about("CVE-2026-1", [OPENSSL])
    assert set(found) == {tombstone, turned, said(1, feed="ubuntu")}
    assert set(advisories.ever_about("CVE-2026-99", [OPENSSL, CURL])) >= {turned}
    assert advisories.ever_about("CVE-2026-1", []) == ()
    assert advisories.ever_about("CVE-2026-3", [OPENSSL]) == ()
