"""Read an image: fetch the layers not seen yet, coalesce, store sets, judge them, and join the image to them.

The protocol, in which nothing falls between this and an advisory that arrives meanwhile: a set is stored as building,
linked to its features, and turned complete only if nobody claimed it since its statements were read. The image joins
as pending, is told a version, and then catches up on the deltas that appeared before it was seen.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, product
from typing import BinaryIO

from eclair import ecosystems
from eclair.coalesce import Contents, coalesce, package_sets
from eclair.errors import BadInput, EclairError, NotFound, Unavailable
from eclair.image import path_list
from eclair.image.interest import Readers
from eclair.judge import authorities, features, judgement, pages, verdicts_at, waiting
from eclair.model import (
    Artifact,
    Cause,
    Digest,
    Image,
    ImageState,
    IndexRequest,
    Layer,
    LayerReference,
    Manifest,
    Member,
    MemberKey,
    Membership,
    NotifyRequest,
    PackageSet,
    Repository,
    SetId,
    SetReference,
    SetState,
    Verdict,
    Waiting,
)
from eclair.model import (
    Index as ImageIndex,
)
from eclair.ports import Advisories, Clock, Images, Layers, Notices, PartialRegistry, Queues, Registry, Sets
from eclair.verdict import changes

RESERVE = 120.0
"""Seconds to keep for what comes after the layers; with less left, the rest goes to a fresh invocation."""
ATTEMPTS = 10
"""How often what becomes of an image is stored again because others stored it meanwhile."""
RATE = 20e6
"""Bytes of a compressed layer that are read in a second at the least; decides whether one more layer fits."""

_log = logging.getLogger(__name__)

ReadLayer = Callable[[BinaryIO, LayerReference, Readers, Callable[[], AbstractContextManager[BinaryIO]]], Layer]
"""Reads a layer from its stream, and may open that once more."""
ReadByParts = Callable[[Callable[[int, int], bytes], LayerReference, Readers], Layer | None]
"""Reads a layer by what fetches so many bytes from an offset on; None where it has to be read as a stream."""


def as_a_stream(part: Callable[[int, int], bytes], reference: LayerReference, readers: Readers) -> None:
    """Read no layer by parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The use case over its ports."""

    images: Images
    layers: Layers
    sets: Sets
    advisories: Advisories
    notices: Notices
    queues: Queues
    registry: Registry
    read_layer: ReadLayer
    clock: Clock
    read_by_parts: ReadByParts = as_a_stream

    def __call__(self, request: IndexRequest, *, remaining: Callable[[], float] = lambda: float("inf")) -> bool:
        """Bring the image into its repository; False where the rest was handed to a fresh invocation.

        What cannot be read leaves the image `failed` with the reason. Raises `Unavailable` and `Forbidden`, after
        which a later delivery resumes with the layers not stored yet.
        """
        try:
            return self._index(request, remaining)
        except (BadInput, NotFound) as error:
            self._fail(request.digest, error)
            _log.warning("image failed", extra={"digest": request.digest, "reason": str(error)})
            return True
        except EclairError as error:
            self._fail(request.digest, error)
            raise

    def _index(self, request: IndexRequest, remaining: Callable[[], float]) -> bool:
        manifest = self.registry.manifest(request.repository, request.digest)
        if isinstance(manifest, Artifact | ImageIndex):
            reason = manifest.reason if isinstance(manifest, Artifact) else "an index is not one image"
            skipped = Image(digest=request.digest, state=ImageState.SKIPPED, reason=reason)
            self._change(request.digest, lambda _: skipped)
            return True
        read = self._layers(request, manifest, remaining)
        if read is None:
            self.queues.index([request])
            return False
        read, contents = self._coalesced(request.repository, manifest, read, remaining)
        found = package_sets(contents)
        image = self._store(_image(manifest, read, contents, [reference for _, reference in found]))
        stays = self._stays(image, request.repository)
        for package_set, _ in found:
            self.build(package_set)
            for stay in stays:
                self.join(package_set, stay, instead_of=_of_type(image.replaced, package_set.type))
        self._leave(image.replaced, stays)
        self._close(image)
        self._leave_if_deleted(image, stays)
        self._wake(image, stays)
        return True

    def _layers(
        self, request: IndexRequest, manifest: Manifest, remaining: Callable[[], float]
    ) -> tuple[Layer, ...] | None:
        """Return the layers, lowest first; None where time runs out between two that have to be read.

        A layer is read and stored unless it was by the present analysers, or would give them nothing else.
        """
        found: dict[Digest, Layer] = {}
        fetched = 0
        for reference in manifest.layers:
            if reference.digest in found:
                continue
            stored = self.layers.layer(reference.digest)
            if stored is None or not ecosystems.is_current(stored):
                if fetched and remaining() < RESERVE + reference.size / RATE:
                    return None
                read = self._read_layer(request.repository, reference, ecosystems.readers())
                stored = replace(read, analysers=tuple(sorted(ecosystems.analysers().items())))
                self.layers.save_layer(stored)
                fetched += 1
            found[reference.digest] = stored
        return tuple(found[reference.digest] for reference in manifest.layers)

    def _coalesced(
        self, repository: Repository, manifest: Manifest, read: tuple[Layer, ...], remaining: Callable[[], float]
    ) -> tuple[tuple[Layer, ...], Contents]:
        """Stack the layers; what links lead to, where nobody looks otherwise, is read from the layers that have it.

        That is this image's matter: others have the same layers without the links, so it is not stored with them.
        """
        contents = coalesce(read)
        again = {
            reference.digest: reference
            for reference, layer in zip(manifest.layers, read, strict=True)
            if contents.astray and path_list.has_any(layer.written, contents.astray)
        }
        if not again or remaining() < RESERVE + sum(reference.size for reference in again.values()) / RATE:
            return read, contents
        readers = ecosystems.readers().following(contents.astray)
        found = {digest: self._read_layer(repository, reference, readers) for digest, reference in again.items()}
        followed = tuple(found.get(layer.digest, layer) for layer in read)
        return followed, coalesce(followed, readers)

    def _read_layer(self, repository: Repository, reference: LayerReference, readers: Readers) -> Layer:
        """Read a layer by its table of contents where it has one and the registry sends parts, else as a stream."""
        if reference.annotations and isinstance(self.registry, PartialRegistry):
            try:
                layer = self.read_by_parts(partial(self.registry.part, repository, reference), reference, readers)
            except NotFound:
                layer = None  # no parts are sent; if the blob itself is not there, the stream tells
            if layer is not None:
                return layer
        again = partial(self.registry.blob, repository, reference)
        with again() as stream:
            return self.read_layer(stream, reference, readers, again)

    def _store(self, image: Image) -> Image:
        """Store what the image consists of, before anything refers to it; return it with the sets it has to leave."""
        kept = {reference.set for reference in image.sets}

        def leaving(stored: Image | None) -> Image:
            before = {some.set: some for some in (*stored.replaced, *stored.sets)} if stored else {}
            return replace(image, replaced=tuple(before[set_id] for set_id in before if set_id not in kept))

        def change(stored: Image | None) -> Image | None:
            new = leaving(stored)
            stands = stored is not None and (stored.sets, stored.replaced) == (new.sets, new.replaced)
            return None if stands else new

        return leaving(self._change(image.digest, change))

    def _close(self, image: Image) -> None:
        """Store that the image has joined its sets, unless another reading gave it others meanwhile."""
        indexed = replace(image, state=ImageState.INDEXED, changed=self.clock(), replaced=())
        self._change(image.digest, lambda stored: indexed if stored and stored.sets == image.sets else None)

    def _change(self, digest: Digest, change: Callable[[Image | None], Image | None]) -> Image | None:
        """Store what becomes of the image, whoever else stores something meanwhile; return what was stored before.

        Nothing is stored where None becomes of it.
        """
        for _ in range(ATTEMPTS):
            stored = self.images.image(digest)
            new = change(stored)
            if new is None or self.images.save_image(replace(new, rev=stored.rev if stored else 0)):
                return stored
        raise Unavailable(f"image {digest}: others stored it {ATTEMPTS} times meanwhile; deliver again later")

    def _stays(self, image: Image, asked: Repository) -> tuple[Membership, ...]:
        """Return where the image has to join its sets: where it was asked for or, if it leaves some, wherever it is."""
        found = self.images.memberships(image.digest)
        return tuple(stay for stay in found if image.replaced or stay.repository == asked)

    def build(self, package_set: PackageSet) -> None:
        """Make the set complete, unless it is: with verdicts from statements read after its edges were there."""
        head = self.sets.begin(package_set)
        if head.state is not SetState.BUILDING:
            return
        of_set = features(package_set)
        self.sets.link(package_set.id, of_set)
        while True:
            now = self.sets.head(package_set.id)
            if now is None or now.state is not SetState.BUILDING:
                return
            if self.sets.complete(package_set.id, judgement(self.advisories, of_set).verdicts, rev=now.rev):
                return

    def join(self, package_set: PackageSet, stay: Membership, *, instead_of: SetId | None = None) -> None:
        """Add the image to the set's members, tell it a version, and put down what appeared meanwhile.

        It may join `instead_of` a set that an earlier reading gave; then only the difference is news.
        """
        joined = self.sets.join(package_set.id, stay)
        member = joined if joined.since else self._admitted(package_set.id, joined)
        if member is None or member.joined != stay.joined or member.settled:
            return
        for item in (*self._pushed(package_set, member, instead_of), *self._missed(package_set, member)):
            self.notices.put_waiting(item)
        self.sets.settle(package_set.id, member)

    def _admitted(self, set_id: SetId, pending: Member) -> Member | None:
        """Tell a member the version that stands; return it as it is then, None where it has left meanwhile."""
        version, _ = self.sets.verdicts(set_id)
        self.sets.tell(set_id, pending, version)
        key = MemberKey(set=set_id, digest=pending.digest, repository=pending.repository)
        member = self.sets.present([key]).get(key)
        return member if member is not None and member.joined == pending.joined else None

    def _missed(self, package_set: PackageSet, member: Member) -> Iterator[Waiting]:
        for delta in self.sets.deltas_after(package_set.id, member.since):
            if delta.changes:
                yield waiting(delta, member, self.clock())

    def _pushed(self, package_set: PackageSet, member: Member, instead_of: SetId | None) -> Iterable[Waiting]:
        """Return the news that the image was pushed with findings, as they were in the version it was told."""
        told = self._told(instead_of, member) if instead_of else ()
        found = changes(told, verdicts_at(self.sets, package_set, member.since))
        if found:
            yield Waiting(
                repository=member.repository,
                set=package_set.id,
                number=member.since,
                digest=member.digest,
                cause=Cause.RESCANNED if instead_of else Cause.PUSHED,
                joined=member.joined,
                put=self.clock(),
                feeds=authorities(package_set.namespace),
                changes=found,
            )

    def _told(self, set_id: SetId, member: Member) -> tuple[Verdict, ...]:
        """Return what the repository was told of the image as it had another set; what still waits it was not."""
        package_set = self.sets.packages(set_id)
        key = MemberKey(set=set_id, digest=member.digest, repository=member.repository)
        before = self.sets.present([key]).get(key)
        if package_set is None or before is None or before.joined != member.joined or not before.settled:
            return ()
        waiting_ = chain.from_iterable(pages(self.notices, member.repository))
        unsent = [item for item in waiting_ if item.member == key]
        if any(item.cause in (Cause.PUSHED, Cause.RESCANNED) for item in unsent):
            return ()
        version, _ = self.sets.verdicts(set_id)
        return verdicts_at(self.sets, package_set, min((item.number - 1 for item in unsent), default=version))

    def _leave(self, references: Iterable[SetReference], stays: Iterable[Membership]) -> None:
        for reference, stay in product(references, stays):
            self.sets.leave(reference.set, stay.digest, stay.repository, joined=stay.joined)

    def _leave_if_deleted(self, image: Image, stays: Iterable[Membership]) -> None:
        """Undo the joining for stays that ended while the image was being read."""
        present = {(stay.repository, stay.joined) for stay in self.images.memberships(image.digest)}
        self._leave(image.sets, [stay for stay in stays if (stay.repository, stay.joined) not in present])

    def _wake(self, image: Image, stays: Iterable[Membership]) -> None:
        """Have told what waits: it may be news that could not be told before the image had settled."""
        reason = f"{image.digest} indexed at {self.clock()}"
        waking = [stay.repository for stay in stays if self.notices.waiting(stay.repository, limit=1)]
        if waking:
            self.queues.notify([NotifyRequest(repository=name, reason=reason) for name in waking])

    def _fail(self, digest: Digest, error: EclairError) -> None:
        """Record the reason, without touching the results of an earlier success."""

        def failed(stored: Image | None) -> Image | None:
            if stored is not None and stored.state is ImageState.INDEXED:
                return None
            unread = stored or Image(digest=digest, state=ImageState.FAILED)
            return replace(unread, state=ImageState.FAILED, reason=str(error), changed=self.clock())

        self._change(digest, failed)


def _image(manifest: Manifest, read: Iterable[Layer], contents: Contents, sets: Iterable[SetReference]) -> Image:
    return Image(
        digest=manifest.digest,
        state=ImageState.QUEUED,
        platform=manifest.platform,
        layers=manifest.layers,
        package_counts=tuple(sum(len(inventory.packages) for inventory in layer.inventories) for layer in read),
        distribution=contents.distribution,
        sets=tuple(sets),
        problems=contents.problems,
        analysers=ecosystems.generation(),
    )


def _of_type(replaced: Iterable[SetReference], type_: str) -> SetId | None:
    return next((reference.set for reference in replaced if reference.type == type_), None)
