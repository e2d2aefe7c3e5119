"""The contract of `Sets`."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eclair.model import (
    UNREADABLE,
    Cause,
    Change,
    ChangeKind,
    Delta,
    Digest,
    Feature,
    FeatureId,
    KeyRange,
    Kind,
    Member,
    MemberKey,
    Membership,
    Package,
    PackageKey,
    PackageSet,
    Repository,
    SetHead,
    SetId,
    SetState,
    Severity,
    State,
    Verdict,
)
from eclair.ports import Sets
from tests.adapters.contract.conftest import Stores

SET = SetId("5e7" * 20)
NOW = 1_790_000_000.25
SHOP = Repository("registry.test/shop")
BANK = Repository("registry.test/bank")
FIRST, LAST = b"\x00", b"\xff" * 8
OPENSSL = PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name="openssl")


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def key(*numbers: int) -> bytes:
    """Return a prefix-free key of numbers, as the ecosystems make them: a length, the bytes; 01 ends it."""
    parts = (number.to_bytes((number.bit_length() + 7) // 8, "big") for number in numbers)
    return b"".join(bytes((0x10 + len(part),)) + part for part in parts) + b"\x01"


def feature(version: str, version_key: bytes, *, arch: str = "", context: str = "") -> Feature:
    return Feature(package=OPENSSL, version=version, key=version_key, arch=arch, context=context)


def a_set(packages: int = 2) -> PackageSet:
    found = (
        Package(type="deb", name=f"{number * 2_654_435_761 % 2**32:x}", version=f"{number**7:x}", path="status")
        for number in range(packages)
    )
    return PackageSet(id=SET, type="deb", namespace="debian:12", packages=tuple(found))


def a_verdict(number: int, **differing: str) -> Verdict:
    verdict = Verdict(
        feature=FeatureId(f"deb#debian:12#source#p{number}|{number**5:x}||"),
        vulnerability=f"CVE-2026-{number}",
        state=State.FIXED,
        severity=Severity.HIGH,
        severity_source="debian",
        fixed_version=f"{number**6:x}",
        fix_channel=None,
        advisories=(f"CVE-2026-{number}",),
        aliases=(),
        feed="debian",
    )
    return replace(verdict, feed=differing["feed"]) if differing else verdict


def some_verdicts(count: int, **differing: str) -> tuple[Verdict, ...]:
    return tuple(a_verdict(number, **differing) for number in range(count))


def a_delta(number: int, changed: Iterable[Verdict] = ()) -> Delta:
    changes = tuple(Change(kind=ChangeKind.NEWLY_AFFECTED, old=None, new=verdict) for verdict in changed)
    return Delta(set=SET, number=number, cause=Cause.ADVISORY, feeds=("debian/tracker",), changes=changes)


@pytest.fixture
def sets(stores: Stores) -> Sets:
    return stores.sets


def begun(sets: Sets) -> int:
    return sets.begin(a_set()).rev


def completed(sets: Sets, verdicts: Sequence[Verdict] = ()) -> int:
    """Return the rev of a set that is complete with version 1."""
    assert sets.complete(SET, verdicts, rev=begun(sets))
    head = sets.head(SET)
    assert head is not None
    return head.rev


def advanced(sets: Sets, last: int) -> int:
    """Return the rev of a set that is complete with version `last`."""
    rev = completed(sets)
    for number in range(2, last + 1):
        assert sets.advance(a_delta(number, [a_verdict(number)]), [a_verdict(number)], rev=rev)
        rev += 1
    return rev


# --- begin ---


def test_a_set_never_begun_is_nothing(sets: Sets) -> None:
    assert sets.head(SET) is None
    assert sets.packages(SET) is None
    assert sets.verdicts(SET) == (0, ())
    assert sets.claim(SET) is None
    assert sets.open_deltas(SET) == ()
    assert sets.deltas_after(SET, 0) == ()
    assert sets.delta(SET, 1) is None


def test_a_set_begins_as_building_without_verdicts(sets: Sets) -> None:
    head = sets.begin(a_set())
    assert (head.state, head.version) == (SetState.BUILDING, 0)
    assert sets.head(SET) == head
    assert sets.packages(SET) == a_set()
    assert sets.verdicts(SET) == (0, ())


def test_beginning_a_set_that_is_there_leaves_it_as_it_is(sets: Sets) -> None:
    rev = advanced(sets, 2)
    assert sets.begin(a_set()) == SetHead(state=SetState.COMPLETE, rev=rev, version=2)
    assert sets.verdicts(SET) == (2, (a_verdict(2),))


def test_a_set_larger_than_a_row_is_read_as_it_was_begun(sets: Sets) -> None:
    large = a_set(40_000)
    sets.begin(large)
    assert sets.packages(SET) == large


# --- complete, claim, advance ---


def test_a_claim_raises_the_rev_and_nothing_else(sets: Sets) -> None:
    rev = advanced(sets, 2)
    for _ in range(2):
        claimed = sets.claim(SET)
        assert claimed is not None
        assert claimed.rev > rev
        assert claimed == SetHead(state=SetState.COMPLETE, rev=claimed.rev, version=2)
        assert sets.head(SET) == claimed
        rev = claimed.rev
    assert sets.verdicts(SET) == (2, (a_verdict(2),))


def test_a_building_set_is_completed_with_version_one(sets: Sets) -> None:
    rev = begun(sets)
    assert sets.complete(SET, some_verdicts(2), rev=rev)
    assert sets.verdicts(SET) == (1, some_verdicts(2))
    head = sets.head(SET)
    assert head is not None
    assert (head.state, head.version) == (SetState.COMPLETE, 1)
    assert head.rev > rev


def test_a_set_is_not_completed_when_its_rev_was_raised(sets: Sets) -> None:
    rev = begun(sets)
    claimed = sets.claim(SET)
    assert not sets.complete(SET, some_verdicts(2), rev=rev)
    assert sets.head(SET) == claimed
    assert sets.verdicts(SET) == (0, ())


def test_a_complete_set_is_not_completed_again(sets: Sets) -> None:
    rev = completed(sets)
    assert not sets.complete(SET, some_verdicts(1), rev=rev)
    assert sets.verdicts(SET) == (1, ())


def test_new_verdicts_and_their_open_delta_come_together(sets: Sets) -> None:
    rev = completed(sets, some_verdicts(2))
    delta = a_delta(2, [a_verdict(2)])
    assert sets.advance(delta, some_verdicts(3), rev=rev)
    assert sets.verdicts(SET) == (2, some_verdicts(3))
    assert sets.delta(SET, 2) == delta
    assert sets.open_deltas(SET) == (delta,)
    head = sets.head(SET)
    assert head is not None
    assert head.version == 2
    assert head.rev > rev


def test_verdicts_do_not_advance_when_the_rev_was_raised(sets: Sets) -> None:
    rev = completed(sets, some_verdicts(2))
    claimed = sets.claim(SET)
    assert not sets.advance(a_delta(2), some_verdicts(3), rev=rev)
    assert sets.head(SET) == claimed
    assert sets.verdicts(SET) == (1, some_verdicts(2))
    assert sets.delta(SET, 2) is None
    assert sets.open_deltas(SET) == ()


def test_a_building_set_does_not_advance(sets: Sets) -> None:
    rev = begun(sets)
    assert not sets.advance(a_delta(1), some_verdicts(1), rev=rev)
    assert sets.verdicts(SET) == (0, ())


def test_of_two_that_saw_one_rev_one_advances(sets: Sets) -> None:
    rev = completed(sets)
    with ThreadPoolExecutor(4) as pool:
        stands = list(pool.map(lambda number: sets.advance(a_delta(2), [a_verdict(number)], rev=rev), range(6)))
    assert stands.count(True) == 1
    assert sets.verdicts(SET) == (2, (a_verdict(stands.index(True)),))


def test_three_thousand_verdicts_are_read_as_they_were_written(sets: Sets) -> None:
    many = some_verdicts(3000)
    completed(sets, many)
    assert sets.verdicts(SET) == (1, many)


def test_verdicts_larger_than_a_row_follow_each_other(sets: Sets) -> None:
    """What is refused, and what is replaced, leaves the verdicts that stand whole."""
    many, more, fewer = some_verdicts(25_000), some_verdicts(26_000, feed="ubuntu"), some_verdicts(1)
    rev = completed(sets, many)
    assert sets.verdicts(SET) == (1, many)
    assert not sets.advance(a_delta(2, more), more, rev=rev - 1)
    assert sets.verdicts(SET) == (1, many)
    assert sets.advance(a_delta(2, more), more, rev=rev)
    assert sets.verdicts(SET) == (2, more)
    assert sets.delta(SET, 2) == a_delta(2, more)
    assert sets.advance(a_delta(3), fewer, rev=rev + 1)
    assert sets.verdicts(SET) == (3, fewer)
    assert sets.delta(SET, 2) == a_delta(2, more)


def test_verdicts_read_while_they_are_replaced_are_of_one_version(sets: Sets) -> None:
    by_version = {version: some_verdicts(12_000, feed=f"feed{version}") for version in range(1, 6)}
    rev = completed(sets, by_version[1])
    with ThreadPoolExecutor(1) as pool:
        reads = pool.submit(lambda: [sets.verdicts(SET) for _ in range(8)])
        for version in range(2, 6):
            assert sets.advance(a_delta(version), by_version[version], rev=rev)
            rev += 1
        seen = reads.result()
    assert all(verdicts == by_version[version] for version, verdicts in seen)


# --- deltas ---


def test_open_deltas_are_listed_oldest_first(sets: Sets) -> None:
    advanced(sets, 12)
    sets.close_delta(SET, 5)
    assert [delta.number for delta in sets.open_deltas(SET)] == [2, 3, 4, 6, 7, 8, 9, 10, 11, 12]


def test_a_closed_delta_stays_closed_and_can_be_read(sets: Sets) -> None:
    advanced(sets, 3)
    for _ in range(2):
        sets.close_delta(SET, 2)
        assert sets.delta(SET, 2) == replace(a_delta(2, [a_verdict(2)]), open=False)
        assert sets.open_deltas(SET) == (a_delta(3, [a_verdict(3)]),)


def test_deltas_after_a_number_are_listed_open_or_closed_oldest_first(sets: Sets) -> None:
    advanced(sets, 12)
    sets.close_delta(SET, 11)
    after = sets.deltas_after(SET, 8)
    assert [delta.number for delta in after] == [9, 10, 11, 12]
    assert [delta.number for delta in after if not delta.open] == [11]
    assert sets.deltas_after(SET, 12) == ()


def test_deltas_of_other_sets_are_not_mixed_in(sets: Sets) -> None:
    advanced(sets, 2)
    other = replace(a_set(), id=SetId("0123"))
    sets.complete(other.id, (), rev=sets.begin(other).rev)
    assert sets.deltas_after(other.id, 0) == ()
    assert sets.open_deltas(other.id) == ()


# --- members ---


def stay(number: int = 1, repository: Repository = SHOP, joined: float = NOW) -> Membership:
    return Membership(digest=digest(number), repository=repository, joined=joined)


def test_a_member_joins_as_pending(sets: Sets) -> None:
    pending = Member(digest=digest(1), repository=SHOP, joined=NOW, since=0)
    for _ in range(2):
        assert sets.join(SET, stay()) == pending
    assert sets.members(SET).items == (pending,)
    key = MemberKey(set=SET, digest=digest(1), repository=SHOP)
    assert sets.present([key, replace(key, digest=digest(2))]) == {key: pending}


def test_joining_again_returns_the_member_as_it_is_stored(sets: Sets) -> None:
    member = sets.join(SET, stay())
    sets.tell(SET, member, 7)
    sets.settle(SET, member)
    stored = replace(member, since=7, settled=True)
    assert sets.join(SET, stay()) == stored
    assert sets.join(SET, stay(joined=NOW - 1)) == stored
    assert sets.members(SET).items == (stored,)


def test_only_a_pending_member_is_told(sets: Sets) -> None:
    member = sets.join(SET, stay())
    sets.tell(SET, member, 3)
    sets.tell(SET, member, 5)
    assert sets.join(SET, stay()).since == 3


def test_a_member_that_is_gone_stays_gone(sets: Sets) -> None:
    member = sets.join(SET, stay())
    for _ in range(2):
        sets.leave(SET, digest(1), SHOP, joined=NOW)
    sets.tell(SET, member, 3)
    sets.settle(SET, member)
    assert sets.members(SET).items == ()
    assert sets.present([MemberKey(set=SET, digest=digest(1), repository=SHOP)]) == {}


LATER = NOW + 0.000125


@pytest.mark.parametrize("left", [True, False])
def test_a_later_stay_is_another_member(sets: Sets, left: bool) -> None:  # noqa: FBT001 - pytest passes it
    member = sets.join(SET, stay())
    sets.tell(SET, member, 3)
    sets.settle(SET, member)
    if left:
        sets.leave(SET, digest(1), SHOP, joined=NOW)
    back = sets.join(SET, stay(joined=LATER))
    assert back == replace(member, joined=LATER, since=0)
    sets.tell(SET, member, 4)
    sets.settle(SET, member)
    sets.leave(SET, digest(1), SHOP, joined=NOW)
    assert sets.join(SET, stay()) == back
    assert sets.members(SET).items == (back,)
    sets.leave(SET, digest(1), SHOP, joined=LATER + 1)
    assert sets.members(SET).items == ()


def test_an_image_is_a_member_once_for_each_repository(sets: Sets) -> None:
    in_shop, in_bank = sets.join(SET, stay()), sets.join(SET, stay(repository=BANK))
    sets.join(SetId("other"), stay(2, BANK))
    sets.tell(SET, in_bank, 2)
    assert sets.members(SET).items == (replace(in_bank, since=2), in_shop)


def test_members_come_in_pages_each_once(sets: Sets) -> None:
    for number in range(25):
        sets.join(SET, stay(number))
    page = sets.members(SET, limit=10)
    found = [page.items]
    while page.next:
        page = sets.members(SET, page=page.next, limit=10)
        found.append(page.items)
    assert [len(items) for items in found] == [10, 10, 5]
    assert [member.digest for items in found for member in items] == [digest(number) for number in range(25)]


# --- features ---


def test_a_feature_leads_to_the_sets_it_is_in(sets: Sets) -> None:
    old, new = feature("1", key(1)), feature("2", key(2))
    for _ in range(2):
        sets.link(SET, [old, new])
        sets.link(SetId("other"), [new, new])
    assert sets.sets_with(old.id).items == (SET,)
    assert set(sets.sets_with(new.id).items) == {SET, SetId("other")}
    assert sets.sets_with(feature("3", key(3)).id).items == ()


def test_linking_no_features_does_nothing(sets: Sets) -> None:
    sets.link(SET, [])
    assert list(sets.features_in(OPENSSL, [KeyRange(lower=FIRST, upper=LAST)])) == []


def test_more_features_than_one_batch_are_linked(sets: Sets) -> None:
    many = [feature(str(number), key(number)) for number in range(230)]
    sets.link(SET, many[:50])
    sets.link(SET, many)
    assert list(sets.features_in(OPENSSL, [KeyRange(lower=FIRST, upper=LAST)])) == many
    assert all(sets.sets_with(some.id).items == (SET,) for some in (many[0], many[-1]))


def test_the_sets_with_a_feature_come_in_pages_each_once(sets: Sets) -> None:
    some = feature("1", key(1))
    expected = [SetId(f"set{number:02}") for number in range(7)]
    for set_id in expected:
        sets.link(set_id, [some])
    page = sets.sets_with(some.id, limit=3)
    found = list(page.items)
    while page.next:
        page = sets.sets_with(some.id, page=page.next, limit=3)
        found += page.items
    assert found == expected


def test_features_of_other_packages_are_not_found(sets: Sets) -> None:
    other = replace(OPENSSL, name="openssl-legacy")
    sets.link(SET, [feature("1", key(1)), Feature(package=other, version="1", key=key(1))])
    assert list(sets.features_in(OPENSSL, [KeyRange(lower=FIRST, upper=LAST)])) == [feature("1", key(1))]


@pytest.mark.parametrize(
    ("lower", "upper", "inside"),
    [
        pytest.param(FIRST, LAST, [1, 2, 3], id="no bounds"),
        pytest.param(FIRST, key(2), [1], id="before"),
        pytest.param(FIRST, key(2) + b"\xff", [1, 2], id="up to"),
        pytest.param(key(2), LAST, [2, 3], id="from"),
        pytest.param(key(2) + b"\xff", LAST, [3], id="after"),
        pytest.param(key(2), key(2) + b"\xff", [2], id="exactly"),
        pytest.param(key(2), key(2), [], id="from a version to before it"),
        pytest.param(key(3), key(1), [], id="upside down"),
    ],
)
def test_a_range_finds_the_features_whose_key_lies_in_it(
    sets: Sets, lower: bytes, upper: bytes, inside: list[int]
) -> None:
    stored = {number: feature(str(number), key(number)) for number in (1, 2, 3)}
    sets.link(SET, list(stored.values()))
    found = list(sets.features_in(OPENSSL, [KeyRange(lower=lower, upper=upper)]))
    assert found == [stored[number] for number in inside]


def test_a_feature_in_several_ranges_is_found_once(sets: Sets) -> None:
    stored = [feature(str(number), key(number)) for number in range(1, 10)]
    sets.link(SET, stored)
    ranges = [
        KeyRange(lower=key(5), upper=key(8)),
        KeyRange(lower=FIRST, upper=key(3)),
        KeyRange(lower=key(2), upper=key(6) + b"\xff"),
        KeyRange(lower=key(2), upper=key(6) + b"\xff"),
    ]
    assert list(sets.features_in(OPENSSL, ranges)) == stored[:7]


def test_versions_that_are_equal_in_order_are_features_of_their_own(sets: Sets) -> None:
    same = [feature("1.0", key(1)), feature("1.0-0", key(1)), feature("1.0", key(1), arch="arm64")]
    same.append(feature("1.0", key(1), context="stream"))
    sets.link(SET, same)
    found = list(sets.features_in(OPENSSL, [KeyRange(lower=key(1), upper=key(1) + b"\xff")]))
    assert len(found) == 4
    assert set(found) == set(same)


def test_a_version_that_cannot_be_read_is_in_every_range(sets: Sets) -> None:
    unreadable = [feature("v?", UNREADABLE), feature("", UNREADABLE)]
    sets.link(SET, [*unreadable, feature("1", key(1)), feature("9", key(9))])
    for ranges, readable in (
        ([KeyRange(lower=key(8), upper=LAST)], ["9"]),
        ([KeyRange(lower=FIRST, upper=key(2))], ["1"]),
        ([KeyRange(lower=key(2), upper=key(3)), KeyRange(lower=FIRST, upper=LAST)], ["1", "9"]),
    ):
        versions = [found.version for found in sets.features_in(OPENSSL, ranges)]
        assert sorted(versions) == sorted(["v?", "", *readable])


LONG = key(*range(1, 400)) + key(*range(1, 400))
"""Longer than a sort key may be."""


def test_keys_longer_than_a_sort_key_are_compared_in_full(sets: Sets) -> None:
    stored = [feature(f"{number}", LONG + key(number)) for number in (1, 2, 3)]
    assert len(LONG) > 1024
    sets.link(SET, [*stored, feature("short", key(1))])
    for lower, upper, inside in (
        (FIRST, LONG + key(2), [0]),
        (FIRST, LONG + key(2) + b"\xff", [0, 1]),
        (LONG + key(2), LAST, [1, 2]),
        (LONG + key(2) + b"\xff", LAST, [2]),
        (LONG + key(2), LONG + key(2) + b"\xff", [1]),
    ):
        found = list(sets.features_in(OPENSSL, [KeyRange(lower=lower, upper=upper)]))
        assert {some.version for some in found} - {"short"} == {stored[number].version for number in inside}


def test_texts_longer_than_a_sort_key_name_features_of_their_own(sets: Sets) -> None:
    stored = [
        feature("1" * 1100, key(1)),
        feature("1" * 1101, key(1)),
        feature("1", key(1), context="ä" * 900),
        feature("1", LONG, arch="x" * 3000),
    ]
    sets.link(SET, stored)
    sets.link(SET, stored)
    assert set(sets.features_in(OPENSSL, [KeyRange(lower=FIRST, upper=LAST)])) == set(stored)
    assert set(sets.features_in(OPENSSL, [KeyRange(lower=key(1), upper=key(1) + b"\xff")])) == set(stored[:3])


def test_a_package_with_an_absurd_name_is_a_package(sets: Sets) -> None:
    packages = [replace(OPENSSL, name=letter * 3000) for letter in "ab"]
    for package in packages:
        sets.link(SET, [Feature(package=package, version="1", key=key(1))])
    for package in packages:
        found = list(sets.features_in(package, [KeyRange(lower=FIRST, upper=LAST)]))
        assert [some.package for some in found] == [package]
        assert sets.sets_with(found[0].id).items == (SET,)


NUMBERS = st.lists(st.integers(0, 2**17) | st.sampled_from([0, 255, 256, 65280, 65535]), min_size=1, max_size=3)
KEYS = NUMBERS.map(lambda numbers: key(*numbers))
ENDS = st.tuples(KEYS, st.sampled_from([b"", b"\xff"])).map(b"".join)
RANGES = st.builds(KeyRange, lower=ENDS | st.just(FIRST), upper=ENDS | st.just(LAST))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=12), ranges=st.lists(RANGES, min_size=1, max_size=4))
def test_ranges_find_what_comparing_each_key_finds(
    sets: Sets, numbers: list[list[int]], ranges: list[KeyRange]
) -> None:
    """Over keys that hold 00 and FF; each example has a package of its own."""
    package = replace(OPENSSL, name=f"p{hash((str(numbers), str(ranges)))}")
    stored = {Feature(package=package, version=".".join(map(str, some)), key=key(*some)) for some in numbers}
    sets.link(SET, list(stored))
    found = list(sets.features_in(package, ranges))
    assert len(found) == len(set(found))
    assert set(found) == {some for some in stored if any(some.key in keys for keys in ranges)}
