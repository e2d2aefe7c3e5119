"""What has a repository to be told because rules ended that kept it quiet?

While the standing of a repository turns from some rules to others, its images are looked at page by page: of what the
subscribers were told of an image (and no more: what still waits is told by itself, under the new rules), that is news
which the former rules kept quiet and the new ones do not. Nobody else tells it: to the deltas nothing happened.

What was told is known by what waits, so a set is read before what waits is: a delta that had been passed on by then
either waits or was told, and one that was still open counts as not told.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from eclair.installed import PackageSets, subject
from eclair.judge import pages, verdicts_at
from eclair.model import (
    Cause,
    Change,
    ChangeKind,
    Image,
    Member,
    MemberKey,
    Membership,
    Repository,
    SetReference,
    Verdict,
    Waiting,
)
from eclair.notice import News, Place
from eclair.ports import Images, Notices, Sets
from eclair.suppress import InEffect
from eclair.verdict import undo, worst

_WHOLE = frozenset({Cause.PUSHED, Cause.RESCANNED})
"""The causes of news that carries its changes itself: what an image began with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A set of an image as it was before what waits was read."""

    image: Image
    reference: SetReference
    member: Member
    version: int
    open: tuple[int, ...]

    @property
    def key(self) -> MemberKey:
        return MemberKey(set=self.reference.set, digest=self.member.digest, repository=self.member.repository)


class ComeBack:
    """The news of a repository whose rules turn from some to others."""

    def __init__(
        self, *, images: Images, sets: Sets, notices: Notices, repository: Repository, old: InEffect, new: InEffect
    ) -> None:
        self._images, self._sets, self._notices, self._repository = images, sets, notices, repository
        self._old, self._new = old, new
        self._packages = PackageSets(sets)

    def news(self, stays: Sequence[Membership]) -> tuple[News, ...]:
        """Return what comes back in some images of the repository."""
        seen = [some for stay in stays for some in self._seen(stay)]
        waiting: defaultdict[MemberKey, list[Waiting]] = defaultdict(list)
        for item in chain.from_iterable(pages(self._notices, self._repository)):
            waiting[item.member].append(item)
        here = self._images.memberships_in(self._repository, dict.fromkeys(some.member.digest for some in seen))
        return tuple(
            news
            for some in seen
            if (stay := here.get(some.member.digest)) is not None and stay.joined == some.member.joined
            for news in self._of(some, stay, waiting.get(some.key, ()))
        )

    def _seen(self, stay: Membership) -> Iterator[_Seen]:
        """Yield the sets by which the image is known to the subscribers; while it is read anew, those before."""
        image = self._images.image(stay.digest)
        if image is None:
            return
        types: set[str] = set()
        for reference, member in self._members(image, stay):
            if reference.type not in types:
                types.add(reference.type)
                version, _ = self._sets.verdicts(reference.set)
                open_ = tuple(delta.number for delta in self._sets.open_deltas(reference.set))
                yield _Seen(image=image, reference=reference, member=member, version=version, open=open_)

    def _members(self, image: Image, stay: Membership) -> Iterator[tuple[SetReference, Member]]:
        references = (*image.sets, *image.replaced)
        keys = {some: MemberKey(set=some.set, digest=stay.digest, repository=stay.repository) for some in references}
        members = self._sets.present(keys.values())
        for reference, key in keys.items():
            member = members.get(key)
            if member is not None and member.joined == stay.joined and member.settled:
                yield reference, member

    def _of(self, seen: _Seen, stay: Membership, waiting: Iterable[Waiting]) -> Iterator[News]:
        told = self._told(seen, [item for item in waiting if item.joined == stay.joined])
        of_feature: defaultdict[str, list[Verdict]] = defaultdict(list)
        for verdict in told:
            of_feature[verdict.feature].append(verdict)
        for number, installed in enumerate(self._packages.of(seen.reference.set)):
            found: defaultdict[str, list[Verdict]] = defaultdict(list)
            for feature in installed.features:
                for verdict in of_feature.get(feature, ()):
                    found[verdict.vulnerability].append(verdict)
            for some in found.values():
                counting = worst(some)
                assert counting is not None, "there is at least one"
                about = subject(seen.image, seen.reference, installed.package, counting)
                if self._old.suppression(about) is None or self._new.suppression(about) is not None:
                    continue
                layer = seen.image.layers[seen.reference.origins[number]]
                yield News(
                    change=Change(kind=ChangeKind.UNSUPPRESSED, old=None, new=counting),
                    package=installed.package,
                    namespace=seen.reference.namespace,
                    place=Place(digest=stay.digest, tags=stay.tags, layer=layer.digest, created_by=layer.created_by),
                )

    def _told(self, seen: _Seen, waiting: Sequence[Waiting]) -> tuple[Verdict, ...]:
        """Return the verdicts that the subscribers were told, be it that rules kept them quiet."""
        package_set = self._sets.packages(seen.reference.set)
        if package_set is None:
            return ()
        begun = next((item for item in waiting if item.cause in _WHOLE), None)
        if begun is not None:
            return undo(verdicts_at(self._sets, package_set, begun.number), begun.changes)
        untold = (*(item.number for item in waiting), *(number for number in seen.open if number > seen.member.since))
        return verdicts_at(self._sets, package_set, min(untold, default=seen.version + 1) - 1)
