"""What subscribers are told is how the report as shown differs, also where rules begin and end; each thing once."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eclair import ecosystems
from eclair.adapters.documents import FolderDocuments
from eclair.adapters.memory import MemoryNotices
from eclair.application import Application, MemoryPorts, in_memory
from eclair.model import (
    Cause,
    Delta,
    Digest,
    IgnoreRule,
    Image,
    ImageState,
    LayerReference,
    Member,
    Notice,
    NotifyRequest,
    Package,
    PackageSet,
    QuietHours,
    RuleBook,
    SetId,
    SetReference,
    Severity,
    Source,
    State,
    Verdict,
    Waiting,
)
from eclair.verdict import changes
from tests.fleet import NOW, SAMPLES, SETTINGS, SHOP
from tests.registry_in_memory import MemoryRegistry

DIGESTS = [Digest("sha256:" + letter * 64) for letter in "abcdef"]
SET = SetId("set")
PACKAGE = Package(
    type="deb",
    name="libssl3",
    version="3.0.11-1",
    arch="amd64",
    source=Source(name="openssl", version="3.0.11-1"),
    path="var/lib/dpkg/status",
)
FEATURE = ecosystems.load()["deb"].features(PACKAGE, "debian:12")[0].id
ONE, TWO = "CVE-2026-1", "CVE-2026-2"
RULE = IgnoreRule(id="one", reason="r", by="b", vulnerability=ONE)
Verdicts = tuple[Verdict, ...]


def verdict(vulnerability: str = ONE, severity: Severity = Severity.HIGH, fixed: str | None = None) -> Verdict:
    return Verdict(
        feature=FEATURE,
        vulnerability=vulnerability,
        state=State.FIXED if fixed else State.AFFECTED,
        severity=severity,
        severity_source="debian",
        fixed_version=fixed,
        fix_channel=None,
        advisories=(vulnerability,),
        aliases=(),
        feed="debian",
    )


@dataclass
class Shop:
    """A repository with images that share a set, the rules, and the time."""

    count: int = 1
    now: float = NOW
    notices: MemoryNotices = field(default_factory=MemoryNotices)
    version: int = 1
    verdicts: Verdicts = ()

    def __post_init__(self) -> None:
        self.ports = MemoryPorts(registry=MemoryRegistry(), documents=FolderDocuments(SAMPLES), notices=self.notices)
        layer = LayerReference(digest=DIGESTS[0], diff_id=DIGESTS[0], media_type="", size=1)
        reference = SetReference(set=SET, type="deb", namespace="debian:12", origins=(0,))
        self.ports.sets.bodies[SET] = PackageSet(id=SET, type="deb", namespace="debian:12", packages=(PACKAGE,))
        self.ports.sets.judged[SET] = (1, ())
        for digest in DIGESTS[: self.count]:
            image = Image(digest=digest, state=ImageState.INDEXED, layers=(layer,), sets=(reference,))
            self.ports.images.save_image(image)
            self.ports.images.add_membership(digest, SHOP, "1")
            member = Member(digest=digest, repository=SHOP, since=1, settled=True)
            self.ports.sets.joined[SET, digest, SHOP] = member

    def rules(self, *rules: IgnoreRule, hours: Sequence[QuietHours] = ()) -> None:
        book = self.ports.rules.book()
        assert self.ports.rules.save(RuleBook(version=book.version + 1, rules=rules, hours=tuple(hours)))

    def judged(self, *verdicts: Verdict, passed_on: bool = True) -> None:
        """Let the verdicts change, as judge does."""
        before, self.verdicts = self.verdicts, verdicts
        self.version += 1
        self.ports.sets.judged[SET] = (self.version, verdicts)
        difference = changes(before, verdicts)
        delta = Delta(
            set=SET, number=self.version, cause=Cause.ADVISORY, feeds=(), changes=difference, open=not passed_on
        )
        self.ports.sets.deltas[SET, self.version] = delta
        if passed_on and difference:
            self.pass_on()

    def pass_on(self) -> None:
        self.ports.sets.close_delta(SET, self.version)
        for digest in DIGESTS[: self.count]:
            self.notices.put_waiting(
                Waiting(
                    repository=SHOP, set=SET, number=self.version, digest=digest, cause=Cause.ADVISORY, put=self.now
                )
            )

    @property
    def application(self) -> Application:
        return in_memory(self.ports, SETTINGS, clock=lambda: self.now)

    def notify(self) -> list[tuple[str, str]]:
        """Notify; return the changes and vulnerabilities that were told by it."""
        before = len(self.ports.topic.published)
        self.application.notify(NotifyRequest(repository=SHOP, reason="asked"))
        return told(self.ports.topic.published[before:])

    def told(self) -> list[tuple[str, str]]:
        """Return what was told in all, each notice counted once."""
        return told(list({notice.id: notice for notice in self.ports.topic.published}.values()))


def told(notices: Sequence[Notice]) -> list[tuple[str, str]]:
    bodies = [json.loads(notice.body) for notice in notices]
    return [
        (change["change"], change["vulnerability"])
        for body in bodies
        for change in body["changes"]
        for _ in change["images"]
    ]


# --- rules begin and end ---------------------------------------------------------------------------------------------


def test_what_is_kept_quiet_is_not_told_and_comes_back_once_when_the_rule_ends_by_its_date() -> None:
    shop = Shop()
    shop.rules(replace(RULE, until=NOW + 10))
    shop.judged(verdict(ONE), verdict(TWO))
    assert shop.notify() == [("newly-affected", TWO)]
    shop.now = NOW + 9
    assert shop.notify() == []
    shop.now = NOW + 10
    assert shop.notify() == [("unsuppressed", ONE)]
    assert json.loads(shop.ports.topic.published[-1].body)["causes"] == ["rule-ended"]
    assert shop.notify() == []


@pytest.mark.parametrize(
    "later",
    [
        pytest.param((), id="deleted"),
        pytest.param((replace(RULE, package="zlib"),), id="narrowed"),
        pytest.param((replace(RULE, repository="*/bank"),), id="for another repository"),
        pytest.param((replace(RULE, until=NOW),), id="ended by a new date"),
    ],
)
def test_it_comes_back_however_the_rule_ends(later: Sequence[IgnoreRule]) -> None:
    shop = Shop()
    shop.rules(RULE)
    shop.judged(verdict())
    assert shop.notify() == []
    shop.rules(*later)
    assert shop.notify() == [("unsuppressed", ONE)]


def test_a_rule_that_is_added_later_tells_nothing_and_what_it_kept_quiet_comes_back() -> None:
    shop = Shop()
    shop.judged(verdict())
    assert shop.notify() == [("newly-affected", ONE)]
    shop.rules(RULE)
    assert shop.notify() == []
    shop.rules()
    assert shop.notify() == [("unsuppressed", ONE)]


def test_what_another_rule_still_keeps_quiet_does_not_come_back() -> None:
    shop = Shop()
    shop.rules(RULE)
    shop.judged(verdict())
    shop.notify()
    shop.rules(RULE, replace(RULE, id="two", vulnerability="", package="openssl"))
    shop.notify()
    shop.rules(replace(RULE, id="two", vulnerability="", package="openssl"))
    assert shop.notify() == []
    shop.rules()
    assert shop.notify() == [("unsuppressed", ONE)]


def test_what_went_while_it_was_kept_quiet_is_never_told() -> None:
    shop = Shop()
    shop.rules(RULE)
    shop.judged(verdict())
    shop.notify()
    shop.judged()
    assert shop.notify() == []
    shop.rules()
    assert shop.notify() == []


def test_what_becomes_severe_enough_is_newly_affected_and_what_ceases_to_be_is_told_of_once_more() -> None:
    shop = Shop()
    shop.rules(replace(RULE, vulnerability="", below=Severity.HIGH))
    shop.judged(verdict(severity=Severity.LOW))
    assert shop.notify() == []
    shop.judged(verdict(severity=Severity.CRITICAL))
    assert shop.notify() == [("newly-affected", ONE)]
    shop.judged(verdict(severity=Severity.MEDIUM))
    assert shop.notify() == [("severity-changed", ONE)]
    shop.judged(verdict(severity=Severity.LOW))
    assert shop.notify() == []


def test_only_what_can_be_fixed_is_told_where_that_is_asked_for() -> None:
    shop = Shop()
    shop.rules(replace(RULE, vulnerability="", unfixed=True))
    shop.judged(verdict())
    assert shop.notify() == []
    shop.judged(verdict(fixed="3.0.12-1"))
    assert shop.notify() == [("newly-affected", ONE)]


# --- at the same time ------------------------------------------------------------------------------------------------


def test_news_that_waits_when_the_rule_ends_is_told_once() -> None:
    shop = Shop()
    shop.rules(RULE)
    shop.notify()
    shop.judged(verdict())
    shop.rules()
    assert shop.notify() == [("newly-affected", ONE)]
    assert shop.notify() == []


def test_news_that_is_not_passed_on_yet_when_the_rule_ends_is_told_once() -> None:
    shop = Shop()
    shop.rules(RULE)
    shop.notify()
    shop.judged(verdict(), passed_on=False)
    shop.rules()
    assert shop.notify() == []
    shop.pass_on()
    assert shop.notify() == [("newly-affected", ONE)]


def test_an_image_whose_push_was_not_told_yet_begins_under_the_new_rules() -> None:
    shop = Shop()
    shop.rules(RULE)
    shop.notify()
    shop.ports.sets.judged[SET] = (1, (verdict(),))
    found = changes((), (verdict(),))
    pushed = Waiting(repository=SHOP, set=SET, number=1, digest=DIGESTS[0], cause=Cause.PUSHED, put=NOW, changes=found)
    shop.notices.put_waiting(pushed)
    shop.rules()
    assert shop.notify() == [("newly-affected", ONE)]


def test_what_a_better_analyser_found_is_told_and_what_it_leaves_as_it_was_comes_back() -> None:
    shop = Shop()
    shop.rules(RULE, replace(RULE, id="two", vulnerability=TWO, until=NOW + 10))
    shop.notify()
    shop.ports.sets.judged[SET] = (1, (verdict(ONE), verdict(TWO)))
    found = changes((verdict(ONE),), (verdict(ONE), verdict(TWO)))
    read = Waiting(repository=SHOP, set=SET, number=1, digest=DIGESTS[0], cause=Cause.RESCANNED, put=NOW, changes=found)
    shop.notices.put_waiting(read)
    shop.now = NOW + 10
    shop.rules()
    assert sorted(shop.notify()) == [("newly-affected", TWO), ("unsuppressed", ONE)]


@pytest.mark.parametrize("gone", ["image", "membership", "member"])
def test_nothing_comes_back_in_an_image_that_left(gone: str) -> None:
    shop = Shop()
    shop.rules(RULE)
    shop.judged(verdict())
    shop.notify()
    match gone:
        case "image":
            shop.ports.images.images.clear()
        case "membership":
            shop.ports.images.remove_membership(DIGESTS[0], SHOP)
        case "member":
            shop.ports.sets.leave(SET, DIGESTS[0], SHOP, joined=0.0)
    shop.rules()
    assert shop.notify() == []


class Killed(BaseException):
    """The process ended."""


@dataclass(slots=True)
class Watched(MemoryNotices):
    """At one of its calls (numbered from 0) something happens before, or after."""

    at: int = -1
    after: bool = False
    happens: Callable[[], None] = lambda: None
    calls: int = 0

    def _watch(self, call: Callable[..., Any], *args: Any) -> Any:
        number, self.calls = self.calls, self.calls + 1
        if number == self.at and not self.after:
            self.happens()
        result = call(*args)
        if number == self.at and self.after:
            self.happens()
        return result

    def waiting(self, repository: Any, *, after: str = "", limit: int = 1000) -> tuple[Waiting, ...]:
        found: tuple[Waiting, ...] = self._watch(
            lambda: MemoryNotices.waiting(self, repository, after=after, limit=limit)
        )
        return found

    def standing(self, repository: Any) -> Any:
        return self._watch(MemoryNotices.standing, self, repository)

    def last_notice(self, repository: Any) -> Any:
        return self._watch(MemoryNotices.last_notice, self, repository)

    def mark_sent(self, repository: Any, keys: Sequence[str]) -> None:
        self._watch(MemoryNotices.mark_sent, self, repository, keys)

    def put_notice(self, notice: Notice) -> bool:
        return bool(self._watch(MemoryNotices.put_notice, self, notice))

    def save_standing(self, standing: Any) -> bool:
        return bool(self._watch(MemoryNotices.save_standing, self, standing))

    def mark_published(self, repository: Any, sequence: int) -> None:
        self._watch(MemoryNotices.mark_published, self, repository, sequence)


def ending(watched: Watched, **_: object) -> Shop:
    """Return a shop in which one finding was kept quiet, another waits, and the rules are about to end."""
    shop = Shop(count=2, notices=watched)
    shop.rules(RULE, replace(RULE, id="two", vulnerability=TWO))
    shop.judged(verdict(ONE))
    shop.notify()
    shop.judged(verdict(ONE), verdict(TWO))
    return shop


EXPECTED = [("newly-affected", TWO)] * 2 + [("unsuppressed", ONE)] * 2


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(16))
def test_a_process_that_ends_anywhere_loses_nothing_and_tells_nothing_twice(at: int, *, after: bool) -> None:
    def kill() -> None:
        raise Killed

    watched = Watched()
    shop = ending(watched)
    shop.rules()
    watched.at, watched.after, watched.happens = watched.calls + at, after, kill
    try:
        shop.notify()
    except Killed:
        shop.notify()
    assert sorted(shop.told()) == EXPECTED


@pytest.mark.parametrize("ended", ["before", "meanwhile"])
@pytest.mark.parametrize("at", range(16))
def test_two_who_notify_at_once_tell_each_thing_once(at: int, ended: str) -> None:
    watched = Watched()
    shop = ending(watched)

    def another() -> None:
        if ended == "meanwhile":
            shop.rules()
        shop.notify()

    if ended == "before":
        shop.rules()
    watched.at, watched.happens = watched.calls + at, another
    shop.notify()
    if ended == "meanwhile":
        shop.rules()
    shop.notify()
    found = sorted(shop.told())
    by_delta = ("newly-affected", TWO) in found
    assert found == (EXPECTED if by_delta else [("unsuppressed", ONE)] * 2 + [("unsuppressed", TWO)] * 2)


@pytest.mark.parametrize("at", range(14))
def test_who_comes_upon_a_notice_that_another_left_unfinished_takes_nothing_for_told(at: int) -> None:
    for last in range(12):
        watched = Watched()
        shop = Shop(notices=watched)
        shop.rules(RULE)
        shop.judged(verdict(ONE), verdict(TWO))

        def kill() -> None:
            raise Killed

        def another(last: int = last, watched: Watched = watched, shop: Shop = shop) -> None:
            watched.at, watched.after, watched.happens = watched.calls + last, True, kill
            with suppress(Killed):
                shop.notify()
            watched.at = -1
            shop.rules()

        watched.at, watched.happens = watched.calls + at, another
        shop.notify()
        if shop.ports.rules.book().rules:
            shop.rules()
        shop.notify()
        assert sorted(vulnerability for _, vulnerability in shop.told()) == [ONE, TWO]


# --- many images -----------------------------------------------------------------------------------------------------


def test_many_images_are_turned_page_by_page_each_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eclair.notify.PAGE", 1)
    monkeypatch.setattr("eclair.notify.MOST_PAGES", 2)
    shop = Shop(count=5)
    shop.rules(RULE)
    shop.judged(verdict())
    shop.notify()
    shop.rules()
    while True:
        shop.notify()
        standing = shop.notices.standing(SHOP)
        if standing.turning is None:
            break
        assert shop.ports.queues.notified, "somebody has to go on"
        shop.ports.queues.notified.clear()
        shop.rules(RULE if len(shop.ports.topic.published) == 1 else replace(RULE, id="two"))  # they change meanwhile
    bodies = [json.loads(notice.body) for notice in shop.ports.topic.published]
    named = [image["digest"] for body in bodies for change in body["changes"] for image in change["images"]]
    assert sorted(named) == DIGESTS[:5]
    assert [len(body["changes"][0]["images"]) for body in bodies] == [2, 2, 1]


# --- quiet hours -----------------------------------------------------------------------------------------------------

NIGHT = QuietHours(id="night", reason="r", by="b", start=18 * 60, end=8 * 60)
EVENING, MORNING = 1_750_000_000.0 + 5 * 3600, 1_750_000_000.0 + 17 * 3600  # 20:06 and 08:06 UTC


def test_in_quiet_hours_all_waits_for_one_notice() -> None:
    shop = Shop(now=EVENING)
    shop.rules(RULE, hours=[NIGHT])
    shop.judged(verdict(TWO))
    assert shop.notify() == []
    shop.judged(verdict(TWO, fixed="9"), verdict(ONE))
    assert shop.notify() == []
    shop.now = MORNING
    assert shop.notify() == [("newly-affected", TWO)]
    assert len(shop.ports.topic.published) == 1


def test_what_comes_back_in_quiet_hours_waits_too() -> None:
    shop = Shop(now=EVENING - 6 * 3600)
    shop.rules(RULE, hours=[NIGHT])
    shop.judged(verdict())
    assert shop.notify() == []
    shop.now = EVENING
    shop.rules(hours=[NIGHT])
    assert shop.notify() == []
    shop.now = MORNING
    assert shop.notify() == [("unsuppressed", ONE)]


def test_what_is_urgent_is_told_at_once_with_all_that_waits() -> None:
    shop = Shop(now=EVENING)
    shop.rules(hours=[replace(NIGHT, urgent=Severity.CRITICAL)])
    shop.judged(verdict(TWO))
    assert shop.notify() == []
    shop.judged(verdict(TWO), verdict(ONE, Severity.CRITICAL))
    assert sorted(shop.notify()) == [("newly-affected", ONE), ("newly-affected", TWO)]


# --- any history -----------------------------------------------------------------------------------------------------

possible = st.lists(
    st.builds(
        verdict,
        st.sampled_from([ONE, TWO]),
        st.sampled_from([Severity.HIGH, Severity.LOW]),
        st.sampled_from([None, "9"]),
    ),
    unique_by=lambda found: found.vulnerability,
    max_size=2,
).map(lambda found: tuple(sorted(found, key=lambda one: one.vulnerability)))
some_rules = st.lists(
    st.builds(
        IgnoreRule,
        id=st.sampled_from(["a", "b"]),
        reason=st.just("r"),
        by=st.just("b"),
        until=st.none() | st.integers(0, 8).map(lambda later: NOW + later),
        vulnerability=st.sampled_from(["", ONE, TWO]),
        below=st.none() | st.just(Severity.HIGH),
        unfixed=st.booleans(),
    ),
    max_size=2,
).map(tuple)
happenings = st.lists(
    st.tuples(st.just("judged"), possible)
    | st.tuples(st.just("rules"), some_rules)
    | st.tuples(st.just("time"), st.integers(1, 4))
    | st.tuples(st.just("notify"), st.none()),
    max_size=14,
)


def keeps_quiet(rules: Sequence[IgnoreRule], found: Verdict | None, now: float) -> bool:
    return found is not None and any(
        (rule.until is None or now < rule.until)
        and rule.vulnerability in ("", found.vulnerability)
        and (rule.below is None or found.severity is Severity.LOW)
        and not (rule.unfixed and found.fixed_version)
        for rule in rules
    )


def expected(
    before: Mapping[str, Verdict],
    after: Mapping[str, Verdict],
    old: Callable[[Verdict | None], bool],
    new: Callable[[Verdict | None], bool],
) -> list[tuple[str, str]]:
    """Return what has to be told where verdicts and rules went from some to others, the rules first."""
    found = [("unsuppressed", name) for name, one in before.items() if old(one) and not new(one)]
    for name in before.keys() | after.keys():
        was, is_ = before.get(name), after.get(name)
        if new(was):
            was = None
        if (was is None and new(is_)) or was == is_:
            continue
        found.extend((str(one.kind), name) for one in changes([was] if was else [], [is_] if is_ else []))
    return sorted(found)


@settings(max_examples=200, deadline=None)
@given(happenings)
def test_what_is_told_is_the_difference_of_what_is_shown(history: list[tuple[str, Any]]) -> None:
    shop = Shop()
    rules: tuple[IgnoreRule, ...] = ()
    stood: tuple[tuple[IgnoreRule, ...], float] = ((), NOW)
    known: dict[str, Verdict] = {}
    for what, how in [*history, ("notify", None)]:
        match what:
            case "judged":
                shop.judged(*how)
            case "rules":
                rules = how
                shop.rules(*how)
            case "time":
                shop.now += how
            case _:
                after = {one.vulnerability: one for one in shop.verdicts}
                former, moment = stood
                now = shop.now
                found = expected(
                    known,
                    after,
                    lambda one: keeps_quiet(former, one, moment),  # noqa: B023 - used at once
                    lambda one: keeps_quiet(rules, one, now),  # noqa: B023
                )
                assert sorted(shop.notify()) == found
                assert shop.notify() == [], "told twice"
                known, stood = after, (rules, now)
