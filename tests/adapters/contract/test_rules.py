"""The contract of `Rules`."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from eclair.model import (
    IgnoreRule,
    QuietHours,
    RuleBook,
    RulesAt,
    Severity,
    VexDocument,
    VexProduct,
    VexStatement,
    VexStatus,
    Waking,
)
from eclair.ports import Rules
from tests.adapters.contract.conftest import Stores

RULE = IgnoreRule(id="one", reason="no shell: 🐚", by="alice", until=1_790_000_000.25, below=Severity.HIGH)
HOURS = QuietHours(id="night", reason="sleep", by="alice", start=1080, end=480, days=(0, 4), urgent=Severity.CRITICAL)
SAID = VexStatement(
    vulnerabilities=("CVE-2026-1",),
    status=VexStatus.NOT_AFFECTED,
    products=(VexProduct(digest="sha256:1"), VexProduct(purl="pkg:npm/left")),
    time=1.5,
    justification="component_not_present",
)
VEX = VexDocument(id="vex", document="x", format="csaf", author="bob", time=1.5, statements=(SAID,), unplaced=3)


@pytest.fixture
def rules(stores: Stores) -> Rules:
    return stores.rules


def test_the_book_is_empty_at_first(rules: Rules) -> None:
    assert rules.book() == RuleBook()
    assert rules.at(0) == RuleBook()
    assert rules.at(1) is None


def test_every_version_stays_as_it_was(rules: Rules) -> None:
    first = RuleBook(version=1, rules=(RULE,), documents=(VEX,), hours=(HOURS,))
    second = RuleBook(version=2, hours=(HOURS,))
    assert rules.save(first)
    assert rules.book() == first
    assert rules.save(second)
    assert (rules.book(), rules.at(1), rules.at(2)) == (second, first, second)


def test_a_version_follows_the_one_before(rules: Rules) -> None:
    assert not rules.save(RuleBook(version=2))
    assert rules.save(RuleBook(version=1, rules=(RULE,)))
    assert not rules.save(RuleBook(version=1))
    assert not rules.save(RuleBook(version=3))
    assert rules.book() == RuleBook(version=1, rules=(RULE,))


def test_of_many_who_write_a_version_one_does(rules: Rules) -> None:
    rules.save(RuleBook(version=1))

    def save(number: int) -> bool:
        return rules.save(RuleBook(version=2, rules=(IgnoreRule(id=str(number), reason="r", by="b"),)))

    with ThreadPoolExecutor(4) as pool:
        saved = list(pool.map(save, range(8)))
    assert saved.count(True) == 1
    assert rules.book().rules[0].id == str(saved.index(True))


def test_a_book_may_be_large(rules: Rules) -> None:
    chance = Random(1)
    many = tuple(IgnoreRule(id=str(n), reason=chance.randbytes(100).hex(), by="b", package="x") for n in range(6000))
    assert rules.save(RuleBook(version=1, rules=many))
    assert rules.book().rules == many
    assert not rules.save(RuleBook(version=1, rules=many[1:]))
    assert rules.book().rules == many


def test_how_far_repositories_were_woken_is_kept(rules: Rules) -> None:
    assert rules.waking() == Waking()
    for waking in (
        Waking(rules=RulesAt(version=1, moment=2.5), to=RulesAt(version=2, moment=3.5), page="p"),
        Waking(rules=RulesAt(version=2, moment=3.5)),
    ):
        rules.save_waking(waking)
        assert rules.waking() == waking
