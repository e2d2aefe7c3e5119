"""What does the registry hold now? Hints say where to look; what it answers is stored, and its images queued.

Events come late, twice, out of order and not at all, so none is believed: a handler asks the registry, writes, and asks
again, until what is stored is what the registry says. The time of an event only decides who may write: a newer one
wins. A tag is stored before the images that carry it, together with those that have to lose it, so that whoever comes
after a crash can finish.
"""

import logging
import math
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from eclair.errors import BadInput, EclairError, Forbidden, LimitExceeded, NotFound, Unavailable
from eclair.events import host_of
from eclair.model import (
    Artifact,
    Descriptor,
    Digest,
    Hint,
    HintKind,
    Image,
    ImageState,
    Index,
    IndexRequest,
    Manifest,
    MemberKey,
    Membership,
    Repository,
    Tag,
)
from eclair.ports import Clock, Images, Queues, Registry, Sets

ATTEMPTS = 5
"""How often a tag is read again because it moved meanwhile, before it is left to a later delivery."""
MAX_DEPTH = 4
"""How deep indexes may lie in indexes."""
MAX_MANIFESTS = 500
"""How many manifests one digest may lead to."""
RESERVE = 30.0
"""Seconds that reconciling one more repository may need."""

NOWHERE = Digest("")
"""Where a tag points that the registry does not have, while its images lose it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a reconciliation did: `changed` tags, images `gone`; repositories that `failed` or were `left` to do.

    `unlisted` are the registries that list no repositories for us: there only known repositories are reconciled.
    """

    repositories: int = 0
    changed: int = 0
    gone: int = 0
    failed: int = 0
    left: int = 0
    unlisted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a walk over all images stands: at a page of the repositories, and in there at a page of the images."""

    repositories: str | None = None
    images: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindexing:
    """How many images were looked at and `queued`, and where to go on, if there are more."""

    images: int = 0
    queued: int = 0
    next: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """The use case over its ports."""

    images: Images
    sets: Sets
    queues: Queues
    registry: Registry
    clock: Clock

    def __call__(self, hint: Hint) -> None:
        """Store what the registry says now about the tag and the digest of a hint; repeating it changes nothing.

        Raises `Unavailable` and `Forbidden`, after which a later delivery starts again.
        """
        # A time to come would lock the tag until then. Whole seconds, as some registries tell no more: events of one
        # second are equals, and the last one to ask the registry is right.
        time = math.floor(min(hint.time, self.clock()))
        pointed = self._level_tag(hint.repository, hint.tag, time) if hint.tag else None
        if hint.digest is not None and hint.digest != pointed:
            self._level_digest(hint.repository, hint.digest, hint.kind)

    def follow(self, hints: Iterable[Hint]) -> None:
        """Store what the registry says about every hint; raise what the first that failed raised, after the last."""
        failures = []
        for hint in hints:
            try:
                self(hint)
            except (Unavailable, Forbidden) as error:
                failures.append(error)
        if failures:
            raise failures[0]

    # --- tags

    def _level_tag(self, repository: Repository, name: str, time: float) -> Digest | None:
        """Make the stored tag what the registry says, unless a newer event was there; return where it points."""
        for attempt in range(ATTEMPTS):
            digest = self._resolve(repository, name)
            found = self._find(repository, digest) if digest else ()
            before = self.images.tag(repository, name)
            if before is not None and before.time > time:
                if attempt == 0:
                    return None
                time = before.time  # what the registry just said is younger than what was stored meanwhile
            self._point(repository, name, digest, found, before, time)
            after = self.images.tag(repository, name)
            if (after.digest if after else None) == self._resolve(repository, name):
                return digest
        raise Unavailable(f"{repository}:{name} moved {ATTEMPTS} times while it was read; deliver again later")

    def _point(
        self,
        repository: Repository,
        name: str,
        digest: Digest | None,
        found: Sequence[Image],
        before: Tag | None,
        time: float,
    ) -> None:
        if digest is None and before is None:
            return
        carrying = tuple(image.digest for image in found)
        losing = tuple(sorted({*before.images, *before.stale}.difference(carrying))) if before else ()
        tag = Tag(repository=repository, name=name, digest=digest or NOWHERE, images=carrying, time=time, stale=losing)
        if not self.images.put_tag(tag):
            return
        self._admit(repository, found)
        self._spread(repository, name, (*carrying, *losing))
        if digest is None:
            self._expel_gone(repository, losing)
            self.images.delete_tag(repository, name, time)
        elif losing:
            self.images.put_tag(replace(tag, stale=()))

    def _spread(self, repository: Repository, name: str, touched: Sequence[Digest]) -> None:
        """Let each of the images carry the tag if, and only if, the stored tag says so."""
        tag = self.images.tag(repository, name)
        for _ in range(ATTEMPTS):
            for digest in touched:
                if tag is not None and digest in tag.images:
                    self.images.add_membership(digest, repository, name, now=self.clock())
                else:
                    self.images.remove_tag(digest, repository, name)
            then, tag = tag, self.images.tag(repository, name)
            if tag == then:
                return
        raise Unavailable(f"{repository}:{name} moved {ATTEMPTS} times while it was stored; deliver again later")

    # --- images

    def _level_digest(self, repository: Repository, digest: Digest, kind: HintKind) -> None:
        """Admit a pushed digest that is there; expel one that is not, and what tags led to through it."""
        if self._resolve(repository, digest) is not None:
            if kind is HintKind.PUSHED:
                self._admit(repository, self._find(repository, digest))
            return
        self._expel_gone(repository, (digest,))
        for tag in self.images.tags(repository):
            unfinished = tag.digest == NOWHERE or tag.stale  # by a delivery that crashed, perhaps of this very event
            if unfinished or digest in (tag.digest, *tag.images):
                self._level_tag(repository, tag.name, math.floor(self.clock()))

    def _admit(self, repository: Repository, found: Iterable[Image]) -> None:
        """Store new images, put all into the repository, and have them indexed.

        An image that was indexed before is queued too: indexing it again is cheap, and joins it to this repository.
        """
        requests = []
        for image in found:
            if self.images.image(image.digest) is None:
                self.images.save_image(image)
            self.images.add_membership(image.digest, repository, now=self.clock())
            if image.state is ImageState.QUEUED:
                requests.append(IndexRequest(repository=repository, digest=image.digest))
        if requests:
            self.queues.index(requests)

    def _expel_gone(self, repository: Repository, digests: Iterable[Digest]) -> int:
        """Take the images that the registry no longer has out of the repository; return how many."""
        gone = 0
        for digest in digests:
            if self._resolve(repository, digest) is None:
                self._expel(repository, digest)
                gone += 1
                if self._resolve(repository, digest) is not None:  # pushed again meanwhile
                    self._admit(repository, self._find(repository, digest))
        return gone

    def _expel(self, repository: Repository, digest: Digest) -> None:
        """End the stay of an image in the repository, and what was joined to its sets for that or an earlier stay.

        The membership goes first: where it is gone, what is left of its stay is news to nobody.
        """
        image = self.images.image(digest)
        sets = [reference.set for reference in (*image.sets, *image.replaced)] if image else []
        ending = self.sets.present(MemberKey(set=set_id, digest=digest, repository=repository) for set_id in sets)
        self.images.remove_membership(digest, repository)
        for key, member in ending.items():
            self.sets.leave(key.set, digest, repository, joined=member.joined)

    # --- asking the registry

    def _resolve(self, repository: Repository, reference: str) -> Digest | None:
        try:
            return self.registry.resolve(repository, reference).digest
        except NotFound:
            return None

    def _find(self, repository: Repository, digest: Digest) -> tuple[Image, ...]:
        """Return what is behind a digest as images to be stored where they are new: an index is all its platforms."""
        try:
            return tuple(self._walk(repository, digest))
        except BadInput as error:
            return (self._image(digest, ImageState.FAILED, reason=str(error)),)

    def _walk(self, repository: Repository, digest: Digest) -> Iterator[Image]:
        ahead = deque([(Descriptor(digest=digest, media_type=""), 0)])
        seen: set[Digest] = set()
        while ahead:
            descriptor, depth = ahead.popleft()
            if descriptor.digest in seen:
                continue
            seen.add(descriptor.digest)
            if len(seen) > MAX_MANIFESTS or depth > MAX_DEPTH:
                raise LimitExceeded(
                    f"{repository}@{digest} leads to more than {MAX_MANIFESTS} manifests or over {MAX_DEPTH} levels"
                )
            match self._content(repository, descriptor):
                case Index(manifests=manifests):
                    ahead.extend((inner, depth + 1) for inner in manifests)
                case Image() as image:
                    yield image

    def _content(self, repository: Repository, descriptor: Descriptor) -> Index | Image | None:
        """Return what a descriptor leads to; None where the registry lacks it, as in an index copied in part."""
        attested = dict(descriptor.annotations).get("vnd.docker.reference.type")
        if attested:
            return self._image(descriptor.digest, ImageState.SKIPPED, reason=f"{attested}, not an image")
        try:
            content = self.registry.manifest(repository, descriptor.digest)
        except NotFound:
            return None
        except BadInput as error:
            return self._image(descriptor.digest, ImageState.FAILED, reason=str(error))
        match content:
            case Index():
                return content
            case Artifact(reason=reason):
                return self._image(descriptor.digest, ImageState.SKIPPED, reason=reason)
            case Manifest():
                return self._image(descriptor.digest, ImageState.QUEUED, manifest=content)

    def _image(self, digest: Digest, state: ImageState, *, reason: str = "", manifest: Manifest | None = None) -> Image:
        return Image(
            digest=digest,
            state=state,
            platform=manifest.platform if manifest else None,
            layers=manifest.layers if manifest else (),
            reason=reason,
            changed=self.clock(),
        )

    # --- what events missed

    def reconcile(
        self,
        hosts: Iterable[str] = (),
        *,
        share: int = 0,
        shares: int = 1,
        remaining: Callable[[], float] = lambda: float("inf"),
    ) -> Reconciled:
        """Bring every repository up to date that is known, or that one of the registries lists.

        Only the repositories of a share are done (one of `shares`, by name), so that a large fleet needs no single
        long run; what time did not allow is `left`. A repository that fails harms no other.
        """
        listed, unlisted = self._listed(hosts)
        names = sorted(name for name in {*self._known(), *listed} if _share(name, shares) == share % shares)
        done = Reconciled(unlisted=unlisted)
        for number, repository in enumerate(names):
            if remaining() < RESERVE:
                _log.warning("repositories left unreconciled", extra={"left": len(names) - number, "shares": shares})
                return replace(done, left=len(names) - number)
            done = self._reconcile(repository, replace(done, repositories=done.repositories + 1))
        return done

    def _known(self) -> Iterator[Repository]:
        page = self.images.repositories(limit=1000)
        yield from page.items
        while page.next:
            page = self.images.repositories(page=page.next, limit=1000)
            yield from page.items

    def _listed(self, hosts: Iterable[str]) -> tuple[set[Repository], tuple[str, ...]]:
        listed: set[Repository] = set()
        unlisted = []
        for host in dict.fromkeys(hosts):
            try:
                listed.update(self.registry.repositories(host))
            except (Forbidden, NotFound, Unavailable) as error:
                _log.info("registry lists no repositories", extra={"registry": host, "reason": str(error)})
                unlisted.append(host)
        return listed, tuple(unlisted)

    def _reconcile(self, repository: Repository, done: Reconciled) -> Reconciled:
        try:
            changed = self._reconcile_tags(repository)
            gone = self._reconcile_images(repository)
        except EclairError as error:
            _log.warning(
                "repository not reconciled",
                extra={"repository": repository, "registry": host_of(repository), "reason": str(error)},
            )
            return replace(done, failed=done.failed + 1)
        return replace(done, changed=done.changed + changed, gone=done.gone + gone)

    def _reconcile_tags(self, repository: Repository) -> int:
        """Level the tags that point elsewhere than is stored; return how many did."""
        stored = {tag.name: tag for tag in self.images.tags(repository)}
        changed = 0
        for name in sorted({*self._tags(repository), *stored}):
            tag = stored.get(name)
            time = math.floor(self.clock())
            if tag is None or tag.stale or tag.digest != self._resolve(repository, name):
                self._level_tag(repository, name, time)
                changed += 1
        return changed

    def _tags(self, repository: Repository) -> tuple[str, ...]:
        try:
            return tuple(self.registry.tags(repository))
        except NotFound:
            return ()  # deleted as a whole

    def _reconcile_images(self, repository: Repository) -> int:
        """Expel the images that are gone; have the others carry the tags that lead to them, and no others."""
        tags = {tag.name: tag for tag in self.images.tags(repository)}
        carried: dict[Digest, tuple[str, ...]] = {}
        gone = 0
        for member in self._members(repository):
            gone += self._expel_gone(repository, (member.digest,))
            carried[member.digest] = member.tags
            wrong = [name for name in member.tags if name not in tags or member.digest not in tags[name].images]
            for name in wrong:
                self._spread(repository, name, (member.digest,))
        for tag in tags.values():
            # None: the manifest was away when the tag was stored, and came back under the same digest.
            if not tag.images or any(tag.name not in carried.get(digest, ()) for digest in tag.images):
                self._level_tag(repository, tag.name, math.floor(self.clock()))
        return gone

    def _members(self, repository: Repository) -> Iterator[Membership]:
        page = self.images.members_of(repository)
        yield from page.items
        while page.next:
            page = self.images.members_of(repository, page=page.next)
            yield from page.items

    # --- what better analysers would read otherwise

    def reindex(
        self, generation: str, start: Place, *, limit: int, remaining: Callable[[], float] = lambda: float("inf")
    ) -> Reindexing:
        """Queue images that analysers of another generation read, until `limit` are queued or time runs out.

        An image is queued once for all its repositories, in the first one that the walk comes to.
        """
        done = Reindexing(next=start)
        while done.next is not None and done.queued < limit and remaining() > RESERVE:
            done = self._reindex_page(generation, done, done.next)
        return done

    def _reindex_page(self, generation: str, done: Reindexing, at: Place) -> Reindexing:
        repositories = self.images.repositories(page=at.repositories, limit=1)
        following = Place(repositories=repositories.next) if repositories.next else None
        images, requests = 0, []
        for repository in repositories.items:
            page = self.images.members_of(repository, page=at.images)
            stale = (member for member in page.items if self._is_stale(member, generation))
            requests = [IndexRequest(repository=repository, digest=member.digest) for member in stale]
            images = len(page.items)
            if page.next:
                following = replace(at, images=page.next)
        self.queues.reindex(requests)
        return Reindexing(images=done.images + images, queued=done.queued + len(requests), next=following)

    def _is_stale(self, member: Membership, generation: str) -> bool:
        """Say whether the image was read by others, and this is the repository it is asked for in."""
        image = self.images.image(member.digest)
        if image is None or image.state is not ImageState.INDEXED or image.analysers == generation:
            return False
        return self.images.memberships(member.digest)[:1] == (member,)


def _share(repository: Repository, shares: int) -> int:
    """Return the share that a repository is in: always the same, whatever others there are."""
    return zlib.crc32(repository.encode()) % shares
