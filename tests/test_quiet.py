"""The rule book changes as a whole, and whoever a change concerns is woken, wherever the waking was cut off."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from eclair.adapters.memory import MemoryRules
from eclair.errors import BadRules, NotFound, Unavailable
from eclair.model import Digest, IgnoreRule, QuietHours, Repository, RuleBook
from eclair.quiet import ATTEMPTS, MOST_VERSIONS, PAGE, Quiet
from eclair.rule_file import MOST_RULES
from tests.fleet import Fleet

RULE = b'{"vulnerability": "CVE-2026-1", "reason": "r", "by": "b"}'
DIGEST = Digest("sha256:" + "a" * 64)
EVENING = 1_750_010_400.0
"""18:00 UTC, a Sunday."""


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet with one image in more repositories than are woken at once."""
    fleet = Fleet()
    for number in range(2 * PAGE + 1):
        fleet.ports.images.add_membership(DIGEST, Repository(f"registry.example.com/team/{number:03}"), "1")
    return fleet


def woken(fleet: Fleet) -> list[Repository]:
    return [wanted.repository for wanted in fleet.ports.queues.notified]


def test_waking_goes_on_where_it_was_cut_off_and_ends(fleet: Fleet) -> None:
    quiet = fleet.application.quiet
    quiet.put("one", RULE)
    for _ in range(2):  # time for one page each
        times: Iterator[float] = iter((60.0, 0.0))
        assert quiet.wake(remaining=lambda: next(times)) == PAGE  # noqa: B023
    assert quiet.wake() == 1
    assert len(set(woken(fleet))) == len(woken(fleet)) == 2 * PAGE + 1
    assert quiet.wake() == 0


def test_a_change_during_the_waking_wakes_again(fleet: Fleet) -> None:
    quiet = fleet.application.quiet
    quiet.put("one", RULE)
    times = iter((60.0, 0.0))
    quiet.wake(remaining=lambda: next(times))
    quiet.delete("one")
    assert (quiet.wake(), quiet.wake(), quiet.wake()) == (PAGE + 1, 2 * PAGE + 1, 0)


def test_a_rule_that_came_and_went_between_two_wakings_wakes_whom_it_was_for(fleet: Fleet) -> None:
    quiet = fleet.application.quiet
    quiet.put("one", RULE)
    quiet.wake()
    fleet.ports.queues.notified.clear()
    quiet.put("two", RULE[:-1] + b', "repository": "*/team/001"}')
    quiet.delete("two")
    assert quiet.wake() == 1
    assert woken(fleet) == ["registry.example.com/team/001"]


def test_after_more_changes_than_are_looked_through_all_are_woken(fleet: Fleet) -> None:
    quiet = fleet.application.quiet
    for _ in range(MOST_VERSIONS + 1):
        quiet.put("one", RULE[:-1] + b', "repository": "nobody"}')
    assert quiet.wake() == 2 * PAGE + 1


def test_a_rule_wakes_the_repositories_of_its_pattern_only(fleet: Fleet) -> None:
    fleet.application.quiet.put("one", RULE[:-1] + b', "repository": "*/team/00*"}')
    assert fleet.application.quiet.wake() == 10


@pytest.mark.parametrize(("hours", "ended"), [(1, False), (13, False), (14, True), (24 * 10 + 15, True)])
def test_quiet_hours_that_ended_since_wake(fleet: Fleet, hours: float, ended: bool) -> None:  # noqa: FBT001 - pytest passes it
    fleet.now = EVENING - 3600
    quiet = fleet.application.quiet
    quiet.put("nights", b'{"from": "18:00", "to": "08:00", "reason": "r", "by": "b", "repository": "*/team/001"}')
    assert quiet.wake() == 1
    assert quiet.wake() == 0
    fleet.now = EVENING + hours * 3600
    assert quiet.wake() == ended
    assert quiet.wake() == 0


class Overtaken(MemoryRules):
    """A rule book that others change first, so many times."""

    times = 0

    def save(self, book: RuleBook) -> bool:
        if self.times:
            self.times -= 1
            other = IgnoreRule(id=f"other{self.times}", reason="r", by="b", vulnerability="CVE-2026-2")
            super().save(replace(self.book(), version=book.version, rules=(*self.book().rules, other)))
        return super().save(book)


@pytest.mark.parametrize("times", [1, ATTEMPTS - 1])
def test_who_changes_the_rules_at_once_overwrites_nobody(times: int) -> None:
    fleet, rules = Fleet(), Overtaken()
    rules.times = times
    fleet.with_ports(rules=rules).quiet.put("one", RULE)
    assert len(rules.book().rules) == times + 1
    rules.times = ATTEMPTS
    with pytest.raises(Unavailable, match="by others"):
        fleet.with_ports(rules=rules).quiet.delete("one")


def test_an_id_is_of_one_rule_hours_or_document() -> None:
    quiet: Quiet = Fleet().application.quiet
    quiet.put("one", RULE)
    quiet.put("one", b'{"from": "18:00", "to": "08:00", "reason": "r", "by": "b"}')
    assert isinstance(quiet.one("one"), QuietHours)
    assert not quiet.rules.book().rules
    with pytest.raises(NotFound, match="two"):
        quiet.one("two")


def test_there_are_only_so_many_rules() -> None:
    fleet = Fleet()
    rules = tuple(IgnoreRule(id=f"{n}", reason="r", by="b", vulnerability="CVE-2026-1") for n in range(MOST_RULES))
    assert fleet.ports.rules.save(RuleBook(version=1, rules=rules))
    with pytest.raises(BadRules, match="delete some"):
        fleet.application.quiet.put("one", RULE)
    fleet.application.quiet.put("7", RULE)  # in the place of another
    assert len(fleet.ports.rules.book().rules) == MOST_RULES
