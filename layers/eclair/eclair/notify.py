"""Tell the subscribers of a repository what waits for them: one notice per burst.

One notice at a time per repository. An unfinished notice is finished first; then the body is stored with a stable id,
published, and only then is its news marked as sent. So a crash publishes the same notice again, never another one.

News waits on while a first load is under way, and while its image has not settled: what the push began with is then
still being put down, and would be told after what came later. In quiet hours all waits, but for what is urgent.

Subscribers are told what the report shows: each side of a change counts as the rules have it that the repository stands
under. A rule more changes nothing that was told; where one ended, the standing turns to the new rules before anything
else is told, and what comes back is news (`come_back`). Whatever is told, or found to be nothing, moves the standing by
one `rev`: of two who notify at once, one starts again.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from eclair.come_back import ComeBack
from eclair.installed import Installed, PackageSets, subject
from eclair.judge import pages, verdicts_at
from eclair.model import (
    Cause,
    Change,
    Digest,
    FeatureId,
    Image,
    Membership,
    Notice,
    NotifyRequest,
    Package,
    QuietHours,
    Repository,
    RuleBook,
    RulesAt,
    SetId,
    SetReference,
    Standing,
    Verdict,
    Waiting,
)
from eclair.notice import News, Place, compose
from eclair.ports import Clock, Feeds, Images, Notices, Queues, Rules, Sets, Topic
from eclair.suppress import InEffect, quiet_now
from eclair.verdict import change, identity, shown, worst

BURST = 20_000
"""So much news (images it is about, and findings of pushes) goes into one notice; what is beyond goes into the next."""

PAGE = 500
"""Images that are looked at at once for what comes back."""
MOST_PAGES = 10
"""So many pages are looked at for one notice; the rest goes to a fresh invocation."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """The use case over its ports; `feeds_in_use` are the names of the feeds that the operator turned on."""

    images: Images
    sets: Sets
    notices: Notices
    rules: Rules
    feeds: Feeds
    queues: Queues
    topic: Topic
    clock: Clock
    feeds_in_use: frozenset[str]
    api_url: str = ""

    def __call__(self, request: NotifyRequest) -> int:
        """Publish what waits for the repository; return how many notices that took."""
        repository = request.repository
        published = 0
        while True:
            standing = self.notices.standing(repository)
            last = self.notices.last_notice(repository)
            if last is not None and not last.published:
                self._publish(last)
                published += 1
                continue
            step = self._next(standing, last.sequence + 1 if last else 1)
            if step is None:
                return published
            published += self._do(step)
            if step.standing.turning is not None:
                reason = f"turning at rev {step.standing.rev}"
                self.queues.notify([NotifyRequest(repository=repository, reason=reason)])
                return published

    def _do(self, step: "_Step") -> int:
        """Do what is next, unless somebody else did something meanwhile; return how many notices that took."""
        if step.notice is None:
            if self.notices.save_standing(step.standing):
                self.notices.mark_sent(step.standing.repository, step.waiting)
            return 0
        notice = replace(step.notice, standing=step.standing)
        if not self.notices.put_notice(notice):
            return 0
        self._publish(notice)
        return 1

    def _publish(self, notice: Notice) -> None:
        self.topic.publish(notice)
        self.notices.mark_sent(notice.repository, notice.waiting)
        self.notices.mark_published(notice.repository, notice.sequence)
        _log.info("notice published", extra={"notice": notice.id, "repository": notice.repository})

    def _next(self, standing: Standing, sequence: int) -> "_Step | None":
        """Return what is to be told next, None where there is nothing (now)."""
        repository, now = standing.repository, self.clock()
        book = self.rules.book()
        turned = self._turned(standing, book, now)
        if turned is not None:
            step = self._turn(turned, sequence)
        elif waiting := self._due(repository):
            step = self._told(standing, waiting, sequence)
        else:
            return None
        hours = quiet_now(book.hours, repository, now)
        if hours is not None and step.notice is not None and not _is_urgent(step.news, hours):
            return None
        return step

    def _turned(self, standing: Standing, book: RuleBook, now: float) -> Standing | None:
        """Return the standing as it turns to the present rules, None where it stands under them already."""
        if standing.turning is not None:
            return standing
        present = RulesAt(version=book.version, moment=now)
        old, new = self._in_effect(standing.repository, standing.rules), InEffect(book, standing.repository, now)
        if old.ended_in(new):
            return replace(standing, turning=present)
        return None if standing.rules.version == book.version else replace(standing, rules=present)

    def _turn(self, standing: Standing, sequence: int) -> "_Step":
        """Look at some pages of the images for what comes back, if anything does."""
        later = replace(standing, rev=standing.rev + 1)
        if standing.turning is None:
            return _Step(standing=later)
        repository = standing.repository
        come_back = ComeBack(
            images=self.images,
            sets=self.sets,
            notices=self.notices,
            repository=repository,
            old=self._in_effect(repository, standing.rules),
            new=self._in_effect(repository, standing.turning),
        )
        news: list[News] = []
        for _ in range(MOST_PAGES):
            page = self.images.members_of(repository, page=later.page, limit=PAGE)
            news.extend(come_back.news(page.items))
            later = replace(later, page=page.next)
            if page.next is None:
                later = replace(later, rules=standing.turning, turning=None)
            if page.next is None or len(news) >= BURST:
                break
        if not news:
            return _Step(standing=later)
        notice = self._composed(news, repository, sequence, causes=(Cause.RULE_ENDED,))
        return _Step(standing=later, notice=notice, news=news)

    def _told(self, standing: Standing, waiting: Sequence[Waiting], sequence: int) -> "_Step":
        """Tell what waits; it may come to nothing (withdrawn again, image deleted, kept quiet)."""
        repository = standing.repository
        quiet = self._in_effect(repository, standing.rules)
        keys = tuple(item.key for item in waiting)
        news = _Gathering(images=self.images, sets=self.sets, repository=repository, quiet=quiet).news(waiting)
        later = replace(standing, rev=standing.rev + 1)
        if not news:
            return _Step(standing=later, waiting=keys)
        causes = tuple(sorted({item.cause for item in waiting}))
        notice = self._composed(news, repository, sequence, causes=causes, waiting=keys)
        return _Step(standing=later, notice=notice, news=news, waiting=keys)

    def _in_effect(self, repository: Repository, at: RulesAt) -> InEffect:
        book = self.rules.at(at.version)
        if book is None:
            _log.warning("rules are not kept any more", extra={"repository": repository, "version": at.version})
        return InEffect(book or RuleBook(), repository, at.moment)

    def _due(self, repository: Repository) -> list[Waiting]:
        """Return what waits and may be told; what was news of an image that has left is taken away."""
        loading = cache(self._loading)
        due: list[Waiting] = []
        weight = 0
        for items in pages(self.notices, repository):
            stays = self.images.memberships_in(repository, dict.fromkeys(item.digest for item in items))
            members = self.sets.present(item.member for item in items)
            gone = []
            for item in items:
                stay, member = stays.get(item.digest), members.get(item.member)
                if stay is None or member is None or not stay.joined == member.joined == item.joined:
                    gone.append(item.key)
                elif member.settled and not any(map(loading, item.feeds)):
                    due.append(item)
                    weight += 1 + len(item.changes)
            if gone:
                self.notices.mark_sent(repository, gone)
            if weight >= BURST:
                break
        return due

    def _loading(self, feed_and_part: str) -> bool:
        feed, part = feed_and_part.split("/", 1)
        if feed not in self.feeds_in_use:
            return False
        return not any(stored.name == part and stored.closed for stored in self.feeds.parts(feed))

    def _composed(
        self,
        news: Sequence[News],
        repository: Repository,
        sequence: int,
        *,
        causes: tuple[Cause, ...],
        waiting: tuple[str, ...] = (),
    ) -> Notice:
        return compose(
            news,
            repository=repository,
            sequence=sequence,
            waiting=waiting,
            causes=causes,
            time=self.clock(),
            api_url=self.api_url,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What is told next, perhaps nothing, the standing that it leads to, and the keys of what then waits no more."""

    standing: Standing
    notice: Notice | None = None
    news: Sequence[News] = ()
    waiting: tuple[str, ...] = ()


def _is_urgent(news: Iterable[News], hours: QuietHours) -> bool:
    """Say whether some of the news may be told in quiet hours."""
    urgent = hours.urgent
    return urgent is not None and any(
        item.change.new is not None and item.change.new.severity.rank <= urgent.rank for item in news
    )


@dataclass(slots=True)
class _Net:
    """What the news of one set comes to for one image: per feature and vulnerability, and the last version it tells."""

    changes: dict[tuple[FeatureId, str], Change | None] = field(default_factory=dict)
    version: int = 0

    def add(self, difference: Change, version: int) -> None:
        """Of several changes of one verdict, put the oldest beside the newest."""
        key = identity(difference.verdict)
        before = self.changes.get(key)
        self.changes[key] = change(before.old if before else difference.old, difference.new)
        self.version = max(version, self.version)


class _Gathering:
    """Look up what the news is about, each set, delta and image once."""

    def __init__(self, *, images: Images, sets: Sets, repository: Repository, quiet: InEffect) -> None:
        self._repository = repository
        self._quiet = quiet
        self._images = images
        self._image = cache(images.image)
        self._sets = sets
        self._packages = PackageSets(sets)
        self._shown = cache(self._shown_at)
        self._delta = cache(sets.delta)

    def news(self, waiting: Iterable[Waiting]) -> tuple[News, ...]:
        """Return the net changes, once for each package and vulnerability of an image."""
        waiting = sorted(waiting, key=lambda item: (item.set, item.number))
        stays = self._images.memberships_in(self._repository, dict.fromkeys(item.digest for item in waiting))
        nets: defaultdict[tuple[Digest, SetId], _Net] = defaultdict(_Net)
        for item in waiting:
            stay = stays.get(item.digest)
            if stay is None or stay.joined != item.joined:
                continue  # it left meanwhile: nobody has to be told
            for difference in self._changes(item):
                nets[item.digest, item.set].add(difference, item.number)
        return tuple(news for (digest, set_id), net in nets.items() for news in self._told(stays[digest], set_id, net))

    def _changes(self, item: Waiting) -> tuple[Change, ...]:
        if item.changes:
            return item.changes
        delta = self._delta(item.set, item.number)
        return delta.changes if delta else ()

    def _told(self, stay: Membership, set_id: SetId, net: _Net) -> Iterator[News]:
        image = self._image(stay.digest)
        reference = next((found for found in image.sets if found.set == set_id), None) if image else None
        if image is None or reference is None:
            return  # read anew meanwhile: the difference is told of the sets that it has now
        positions = self._packages.positions(set_id)
        for number, vulnerability in dict.fromkeys(
            (number, vulnerability) for feature, vulnerability in net.changes for number in positions.get(feature, ())
        ):
            installed = self._packages.of(set_id)[number]
            told = self._of_package(set_id, installed, vulnerability, net)
            told = self._as_shown(told, image, reference, installed.package) if told else None
            if told is None:
                continue
            layer = image.layers[reference.origins[number]]
            yield News(
                change=told,
                package=installed.package,
                namespace=reference.namespace,
                place=Place(digest=stay.digest, tags=stay.tags, layer=layer.digest, created_by=layer.created_by),
            )

    def _of_package(self, set_id: SetId, installed: Installed, vulnerability: str, net: _Net) -> Change | None:
        """Join the changes of all that a package is matched by, as the report joins the verdicts.

        What of it did not change counts before and after: a package that was affected by its source already is not
        newly affected by itself, and one that still is was not withdrawn.
        """
        keys = [(feature, vulnerability) for feature in installed.features]
        told = [net.changes.get(key) for key in keys]
        if len(keys) == 1:
            return told[0]
        unchanged = [
            self._shown(set_id, net.version).get(key) for key, changed in zip(keys, told, strict=True) if not changed
        ]
        old = [*unchanged, *(changed.old for changed in told if changed)]
        new = [*unchanged, *(changed.new for changed in told if changed)]
        return change(worst(filter(None, old)), worst(filter(None, new)))

    def _as_shown(self, told: Change, image: Image, reference: SetReference, package: Package) -> Change | None:
        """Return the change of what is shown: what is kept quiet counts as not there.

        A finding that is kept quiet because it changed (fixed, less severe) is told of once more, as it changed.
        """
        if not self._quiet:
            return told
        old, new = (
            None if verdict is None or self._quiet.suppression(subject(image, reference, package, verdict)) else verdict
            for verdict in (told.old, told.new)
        )
        if old is None or (told.new is not None and new is not None):
            return change(old, new)
        return told

    def _shown_at(self, set_id: SetId, version: int) -> Mapping[tuple[FeatureId, str], Verdict]:
        """Return the verdicts of a version of a set that are shown."""
        package_set = self._sets.packages(set_id)
        found = verdicts_at(self._sets, package_set, version) if package_set else ()
        return {identity(verdict): verdict for verdict in found if shown(verdict)}
