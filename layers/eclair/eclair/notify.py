"""Tell the subscribers of a repository what waits for them: one notice per burst.

One notice at a time per repository. An unfinished notice is finished first; then the body is stored with a stable id,
published, and only then is its news marked as sent. So a crash publishes the same notice again, never another one.

News waits on while a first load is under way, and while its image has not settled: what the push began with is then
still being put down, and would be told after what came later.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from eclair import ecosystems
from eclair.judge import pages, verdicts_at
from eclair.model import (
    Cause,
    Change,
    Digest,
    FeatureId,
    Membership,
    Notice,
    NotifyRequest,
    Package,
    Repository,
    SetId,
    Verdict,
    Waiting,
)
from eclair.notice import News, Place, compose
from eclair.ports import Clock, Feeds, Images, Notices, Sets, Topic
from eclair.verdict import change, identity, shown, worst

BURST = 20_000
"""So much news (images it is about, and findings of pushes) goes into one notice; what is beyond goes into the next."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """The use case over its ports; `feeds_in_use` are the names of the feeds that the operator turned on."""

    images: Images
    sets: Sets
    notices: Notices
    feeds: Feeds
    topic: Topic
    clock: Clock
    feeds_in_use: frozenset[str]
    api_url: str = ""

    def __call__(self, request: NotifyRequest) -> int:
        """Publish what waits for the repository; return how many notices that took."""
        repository = request.repository
        published = 0
        last = self.notices.last_notice(repository)
        if last is not None and not last.published:
            self._publish(last)
            published += 1
        while waiting := self._due(repository):
            notice = self._notice(repository, waiting, last.sequence + 1 if last else 1)
            if notice is None:
                self.notices.mark_sent(repository, [item.key for item in waiting])
                continue
            if not self.notices.put_notice(notice):
                return published + self(request)  # somebody else stored that number: finish theirs first
            self._publish(notice)
            published += 1
            last = notice
        return published

    def _publish(self, notice: Notice) -> None:
        self.topic.publish(notice)
        self.notices.mark_sent(notice.repository, notice.waiting)
        self.notices.mark_published(notice.repository, notice.sequence)
        _log.info("notice published", extra={"notice": notice.id, "repository": notice.repository})

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

    def _notice(self, repository: Repository, waiting: Sequence[Waiting], sequence: int) -> Notice | None:
        """Compose the notice of all this news; None where it comes to nothing (withdrawn again, image deleted)."""
        news = _Gathering(images=self.images, sets=self.sets, repository=repository).news(waiting)
        if not news:
            return None
        return compose(
            news,
            repository=repository,
            sequence=sequence,
            waiting=tuple(item.key for item in waiting),
            causes=tuple(sorted({item.cause for item in waiting})),
            time=self.clock(),
            api_url=self.api_url,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installed:
    """A package of a set, with what it is matched by."""

    package: Package
    features: tuple[FeatureId, ...]


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

    def __init__(self, *, images: Images, sets: Sets, repository: Repository) -> None:
        self._repository = repository
        self._images = images
        self._image = cache(images.image)
        self._sets = sets
        self._installed = cache(self._of_set)
        self._positions = cache(self._by_feature)
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
        if item.cause is Cause.PUSHED:
            return item.changes
        delta = self._delta(item.set, item.number)
        return delta.changes if delta else ()

    def _told(self, stay: Membership, set_id: SetId, net: _Net) -> Iterator[News]:
        image = self._image(stay.digest)
        reference = next((found for found in image.sets if found.set == set_id), None) if image else None
        if image is None or reference is None:
            return  # read anew meanwhile: the difference is told of the sets that it has now
        positions = self._positions(set_id)
        for number, vulnerability in dict.fromkeys(
            (number, vulnerability) for feature, vulnerability in net.changes for number in positions.get(feature, ())
        ):
            installed = self._installed(set_id)[number]
            told = self._of_package(set_id, installed, vulnerability, net)
            if told is None:
                continue
            layer = image.layers[reference.origins[number]]
            yield News(
                change=told,
                package=installed.package,
                namespace=reference.namespace,
                place=Place(digest=stay.digest, tags=stay.tags, layer=layer.digest, created_by=layer.created_by),
            )

    def _of_package(self, set_id: SetId, installed: _Installed, vulnerability: str, net: _Net) -> Change | None:
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

    def _of_set(self, set_id: SetId) -> tuple[_Installed, ...]:
        package_set = self._sets.packages(set_id)
        if package_set is None:
            return ()
        return tuple(
            _Installed(
                package=package,
                features=tuple(feature.id for feature in ecosystems.features(package, package_set.namespace)),
            )
            for package in package_set.packages
        )

    def _by_feature(self, set_id: SetId) -> Mapping[FeatureId, Sequence[int]]:
        """Return the positions of the packages of a set by the features that they are matched by."""
        found: defaultdict[FeatureId, list[int]] = defaultdict(list)
        for number, installed in enumerate(self._installed(set_id)):
            for feature in installed.features:
                found[feature].append(number)
        return found

    def _shown_at(self, set_id: SetId, version: int) -> Mapping[tuple[FeatureId, str], Verdict]:
        """Return the verdicts of a version of a set that are shown."""
        package_set = self._sets.packages(set_id)
        found = verdicts_at(self._sets, package_set, version) if package_set else ()
        return {identity(verdict): verdict for verdict in found if shown(verdict)}
