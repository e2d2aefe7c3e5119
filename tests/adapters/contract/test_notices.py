"""The contract of `Notices`."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from eclair.model import (
    Cause,
    Change,
    ChangeKind,
    Digest,
    FeatureId,
    Notice,
    Repository,
    RulesAt,
    SetId,
    Severity,
    Standing,
    State,
    Verdict,
    Waiting,
)
from eclair.ports import Notices
from tests.adapters.contract.conftest import Stores

SHOP = Repository("registry.test/shop")
BANK = Repository("registry.test/bank")
DIGEST = Digest("sha256:" + "d1" * 32)


@pytest.fixture
def notices(stores: Stores) -> Notices:
    return stores.notices


def waiting(number: int, repository: Repository = SHOP) -> Waiting:
    return Waiting(
        repository=repository,
        set=SetId("5e7" * 20),
        number=number,
        digest=DIGEST,
        cause=Cause.ADVISORY,
        put=1_790_000_000.25,
        feeds=("debian/tracker",),
    )


def pushed(findings: int) -> Waiting:
    return replace(waiting(0), cause=Cause.PUSHED, changes=tuple(_finding(number) for number in range(findings)))


def _finding(number: int) -> Change:
    verdict = Verdict(
        feature=FeatureId(f"deb#debian:12#source#p{number}|{number**5:x}||"),
        vulnerability=f"CVE-2026-{number}",
        state=State.AFFECTED,
        severity=Severity.LOW,
        severity_source="",
        fixed_version=None,
        fix_channel=None,
        advisories=(f"DSA-{number**7:x}",),
        aliases=(),
        feed="debian",
    )
    return Change(kind=ChangeKind.NEWLY_AFFECTED, old=None, new=verdict)


def notice(sequence: int, repository: Repository = SHOP, *, keys: Iterable[str] = ()) -> Notice:
    return Notice(
        id=f"{repository}#{sequence}",
        repository=repository,
        sequence=sequence,
        subject="2 new findings",
        body='{"notice":"…"}',
        text="2 new findings\n",
        attributes=(("severity", "high"), ("findings", 2), ("tags", ("v1", "latest"))),
        waiting=tuple(keys),
    )


def test_nothing_waits_at_first(notices: Notices) -> None:
    assert notices.waiting(SHOP) == ()
    assert notices.last_notice(SHOP) is None


def test_what_was_put_waits_in_the_order_of_the_keys(notices: Notices) -> None:
    for number in (10, 2, 9, 1):
        assert notices.put_waiting(waiting(number))
    assert notices.put_waiting(waiting(3, BANK))
    assert notices.waiting(SHOP) == tuple(waiting(number) for number in (1, 2, 9, 10))
    assert notices.waiting(SHOP, limit=2) == (waiting(1), waiting(2))
    assert notices.waiting(SHOP, after=waiting(2).key, limit=1) == (waiting(9),)
    assert notices.waiting(SHOP, after=waiting(10).key) == ()


def test_news_of_another_stay_of_an_image_is_other_news(notices: Notices) -> None:
    assert notices.put_waiting(waiting(1))
    assert notices.put_waiting(replace(waiting(1), joined=1_790_000_000.5))
    assert not notices.put_waiting(replace(waiting(1), joined=1_790_000_000.5))
    assert len(notices.waiting(SHOP)) == 2


def test_a_repeat_is_not_new_and_changes_nothing(notices: Notices) -> None:
    notices.put_waiting(waiting(1))
    assert not notices.put_waiting(replace(waiting(1), put=1_790_000_999.0, cause=Cause.FIRST_LOAD))
    assert notices.waiting(SHOP) == (waiting(1),)


def test_what_was_sent_waits_no_more_and_a_repeat_of_it_is_not_new(notices: Notices) -> None:
    for number in (1, 2, 3):
        notices.put_waiting(waiting(number))
    for _ in range(2):
        notices.mark_sent(SHOP, [waiting(1).key, waiting(3).key])
        assert notices.waiting(SHOP) == (waiting(2),)
    assert not notices.put_waiting(waiting(1))
    assert notices.waiting(SHOP) == (waiting(2),)


def test_more_than_a_batch_is_sent_at_once(notices: Notices) -> None:
    for number in range(120):
        notices.put_waiting(waiting(number))
    notices.mark_sent(SHOP, [waiting(number).key for number in range(119)])
    assert notices.waiting(SHOP) == (waiting(119),)
    notices.mark_sent(SHOP, [])
    assert notices.waiting(SHOP) == (waiting(119),)


def test_the_same_news_for_another_repository_is_new(notices: Notices) -> None:
    notices.put_waiting(waiting(1))
    notices.mark_sent(SHOP, [waiting(1).key])
    assert notices.put_waiting(waiting(1, BANK))
    assert notices.waiting(BANK) == (waiting(1, BANK),)


def test_of_the_same_news_put_at_the_same_time_one_is_new(notices: Notices) -> None:
    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(notices.put_waiting, [waiting(1)] * 8))
    assert new.count(True) == 1


def test_a_push_with_more_findings_than_a_row_holds_waits_whole(notices: Notices) -> None:
    news = pushed(30_000)
    assert notices.put_waiting(news)
    assert not notices.put_waiting(news)
    notices.put_waiting(waiting(1))
    assert notices.waiting(SHOP) == (news, waiting(1))
    notices.mark_sent(SHOP, [news.key])
    assert notices.waiting(SHOP) == (waiting(1),)


def test_the_last_notice_is_the_one_with_the_highest_number(notices: Notices) -> None:
    for sequence in (1, 2, 9, 10, 256):
        assert notices.put_notice(notice(sequence, keys=[waiting(sequence).key]))
    assert notices.put_notice(notice(300, BANK))
    assert notices.last_notice(SHOP) == notice(256, keys=[waiting(256).key])


def test_a_number_is_given_to_one_notice(notices: Notices) -> None:
    assert notices.put_notice(notice(1))
    assert not notices.put_notice(replace(notice(1), id="another"))
    assert not notices.put_notice(notice(1))
    assert notices.last_notice(SHOP) == notice(1)


def test_of_notices_put_at_the_same_time_one_is_new(notices: Notices) -> None:
    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(lambda number: notices.put_notice(replace(notice(1), id=str(number))), range(8)))
    assert new.count(True) == 1
    last = notices.last_notice(SHOP)
    assert last is not None
    assert last.id == str(new.index(True))


def test_a_published_notice_stays_published(notices: Notices) -> None:
    notices.put_notice(notice(1))
    for _ in range(2):
        notices.mark_published(SHOP, 1)
        assert notices.last_notice(SHOP) == replace(notice(1), published=True)
    notices.put_notice(notice(2))
    assert notices.last_notice(SHOP) == notice(2)


def test_a_notice_larger_than_a_row_is_read_whole(notices: Notices) -> None:
    keys = [f"{number**11:x}#{number**9:x}" for number in range(60_000)]
    notices.put_notice(notice(1, keys=keys))
    assert notices.last_notice(SHOP) == notice(1, keys=keys)
    notices.mark_published(SHOP, 1)
    assert notices.last_notice(SHOP) == replace(notice(1, keys=keys), published=True)


# --- how a repository stands -----------------------------------------------------------------------------------------


def standing(rev: int, repository: Repository = SHOP, version: int = 0) -> Standing:
    return Standing(repository=repository, rev=rev, rules=RulesAt(version=version, moment=1.5))


def test_a_repository_stands_under_no_rules_at_first(notices: Notices) -> None:
    assert notices.standing(SHOP) == Standing(repository=SHOP)


def test_a_standing_follows_the_one_before(notices: Notices) -> None:
    assert not notices.save_standing(standing(2))
    assert notices.save_standing(standing(1))
    assert not notices.save_standing(standing(1, version=7))
    second = replace(standing(2), turning=RulesAt(version=3, moment=2.25), page="page")
    assert notices.save_standing(second)
    assert notices.standing(SHOP) == second
    assert notices.standing(BANK) == Standing(repository=BANK)


def test_a_notice_and_the_standing_it_leads_to_are_stored_together_or_not_at_all(notices: Notices) -> None:
    assert notices.put_notice(replace(notice(1), standing=standing(1)))
    assert notices.standing(SHOP) == standing(1)
    assert not notices.put_notice(replace(notice(1), standing=standing(2))), "the number is taken"
    assert notices.standing(SHOP) == standing(1)
    assert not notices.put_notice(replace(notice(2), standing=standing(1))), "somebody else moved it"
    last = notices.last_notice(SHOP)
    assert last
    assert last.sequence == 1
    assert notices.put_notice(replace(notice(2), standing=standing(2)))


def test_of_many_who_move_a_standing_one_does(notices: Notices) -> None:
    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(lambda number: notices.save_standing(standing(1, version=number)), range(8)))
    assert moved.count(True) == 1
