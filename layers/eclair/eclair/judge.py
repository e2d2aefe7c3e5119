"""Judge a package set anew: the only writer of verdicts, and so the only source of news.

The protocol, in which nothing is lost whoever crashes or comes twice: claim the set (raise its rev), only then read the
statements; write the new version and its open delta together, only if the rev is still the one claimed; put the delta
down for every image that was told an earlier version; then close it. Whoever meets an open delta finishes it.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from eclair import ecosystems, feeds
from eclair.errors import Unavailable
from eclair.model import (
    Cause,
    Change,
    Delta,
    Feature,
    JudgeRequest,
    Member,
    NotifyRequest,
    PackageKey,
    PackageSet,
    Page,
    Repository,
    SetId,
    SetState,
    Statement,
    Verdict,
    Waiting,
)
from eclair.ports import Advisories, Clock, Notices, Queues, Sets
from eclair.verdict import changes, identity, undo, verdicts

ATTEMPTS = 10
"""How often a judge starts again when others outbid its claim, before it leaves the set to a later delivery."""

PAGE = 1000
"""How much of what waits is read at once."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What features are now found to be, and from which statements."""

    verdicts: tuple[Verdict, ...]
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """The use case over its ports."""

    sets: Sets
    advisories: Advisories
    notices: Notices
    queues: Queues
    clock: Clock

    def __call__(self, request: JudgeRequest) -> None:
        """Bring the verdicts of a set up to date for some packages and pass on what changed.

        Raises `Unavailable` where other judges kept outbidding this one; a later delivery succeeds.
        """
        package_set = self.sets.packages(request.set)
        if package_set is None:
            return
        of_set = features(package_set)
        for _ in range(ATTEMPTS):
            head = self.sets.claim(request.set)
            if head is None or head.state is not SetState.COMPLETE:
                return  # index reads the statements after this claim and finds what changed
            if self._write(package_set, of_set, frozenset(request.packages), head.rev):
                self.pass_on(request.set)
                return
        raise Unavailable(f"set {request.set}: outbid {ATTEMPTS} times by other judges; deliver again later")

    def _write(
        self, package_set: PackageSet, of_set: Sequence[Feature], packages: Collection[PackageKey], rev: int
    ) -> bool:
        version, stored = self.sets.verdicts(package_set.id)
        judged = [feature for feature in of_set if feature.package in packages]
        ids = {feature.id for feature in judged}
        new = judgement(self.advisories, judged)
        kept = tuple(verdict for verdict in stored if verdict.feature not in ids)
        after = ordered((*kept, *new.verdicts))
        if after == ordered(stored):
            return True
        difference = changes(stored, after)
        delta = Delta(
            set=package_set.id,
            number=version + 1,
            cause=_cause(difference, new),
            feeds=authorities(package_set.namespace),
            changes=difference,
        )
        return self.sets.advance(delta, after, rev=rev)

    def pass_on(self, set_id: SetId) -> None:
        """Finish every open delta of the set: put it down for the images that were told less, then close it."""
        for delta in self.sets.open_deltas(set_id):
            if delta.changes:
                self._put(delta)
            self.sets.close_delta(set_id, delta.number)

    def _put(self, delta: Delta) -> None:
        for page in _pages(self.sets, delta.set):
            told_less = [member for member in page.items if 1 <= member.since < delta.number]
            put_down(self.notices, self.queues, (waiting(delta, member, self.clock()) for member in told_less))


def _pages(sets: Sets, set_id: SetId) -> Iterator[Page[Member]]:
    page = sets.members(set_id)
    yield page
    while page.next:
        page = sets.members(set_id, page=page.next)
        yield page


def features(package_set: PackageSet) -> tuple[Feature, ...]:
    """Return the distinct features of a set, in the order of its packages."""
    found = (
        feature for package in package_set.packages for feature in ecosystems.features(package, package_set.namespace)
    )
    return tuple(dict.fromkeys(found))


def judgement(advisories: Advisories, judged: Sequence[Feature]) -> Judgement:
    """Compute the verdicts on features from the statements as they are now."""
    keys = {feature: advisories.candidates(feature.package, feature.key) for feature in judged}
    said = advisories.statements(dict.fromkeys(key for some in keys.values() for key in some))
    found = tuple(
        verdict
        for feature, some in keys.items()
        for verdict in verdicts(feature, (said[key] for key in some if key in said))
    )
    return Judgement(verdicts=ordered(found), statements=tuple(said.values()))


def ordered(found: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return verdicts in the order in which a set keeps them."""
    return tuple(sorted(found, key=identity))


def verdicts_at(sets: Sets, package_set: PackageSet, number: int) -> tuple[Verdict, ...]:
    """Return the shown verdicts of an earlier version: the present ones with the later deltas undone."""
    version, found = sets.verdicts(package_set.id)
    later = [delta for delta in sets.deltas_after(package_set.id, number) if delta.number <= version]
    undone: list[Change] = [change for delta in reversed(later) for change in delta.changes]
    return undo(found, undone)


def authorities(namespace: str) -> tuple[str, ...]:
    """Name the `feed/part` whose first load has to close before anything about the namespace is told."""
    authority = feeds.authority(namespace)
    return (f"{authority[0].name}/{authority[1]}",) if authority else ()


def _cause(difference: Iterable[Change], new: Judgement) -> Cause:
    """Blame the first load of a feed only where every change comes from statements of a first load."""
    first = {(said.feed, said.id) for said in new.statements if said.first_load and not said.withdrawn}
    for changed in difference:
        verdict = changed.new
        if verdict is None or not all((verdict.feed, advisory) in first for advisory in verdict.advisories):
            return Cause.ADVISORY
    return Cause.FIRST_LOAD


def waiting(delta: Delta, member: Member, now: float) -> Waiting:
    """Return the delta as it waits for one image of a repository."""
    return Waiting(
        repository=member.repository,
        set=delta.set,
        number=delta.number,
        digest=member.digest,
        cause=delta.cause,
        joined=member.joined,
        feeds=delta.feeds,
        put=now,
    )


def put_down(notices: Notices, queues: Queues, news: Iterable[Waiting]) -> None:
    """Put news down for repositories and wake notify; repeating it changes nothing."""
    requests = []
    for item in news:
        notices.put_waiting(item)
        requests.append(NotifyRequest(repository=item.repository, reason=item.key))
    if requests:
        queues.notify(requests)


def pages(notices: Notices, repository: Repository) -> Iterator[tuple[Waiting, ...]]:
    """Yield everything that waits for a repository, some at a time."""
    after = ""
    while page := notices.waiting(repository, after=after, limit=PAGE):
        yield page
        if len(page) < PAGE:
            return
        after = page[-1].key
