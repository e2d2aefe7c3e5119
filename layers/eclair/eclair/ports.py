"""What the use cases ask of the outside, in our words; `adapters/` answers.

Unless a method says otherwise it sees every write that finished before it (a strong read), may be repeated without a
second effect, and raises `Unavailable` where the other side failed and trying again may help.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol, runtime_checkable

from eclair.model import (
    Amendment,
    Artifact,
    Begun,
    Delta,
    Descriptor,
    Digest,
    Enrichment,
    Feature,
    FeatureId,
    FeedPart,
    Fingerprint,
    Image,
    Index,
    IndexRequest,
    JudgeRequest,
    KeyRange,
    Layer,
    LayerReference,
    Lease,
    Manifest,
    Member,
    MemberKey,
    Membership,
    Notice,
    NotifyRequest,
    PackageKey,
    PackageSet,
    Page,
    RefreshRequest,
    Repository,
    RuleBook,
    SetHead,
    SetId,
    Standing,
    Statement,
    StatementKey,
    Tag,
    Verdict,
    Waiting,
    Waking,
)

Clock = Callable[[], float]
"""Seconds since 1970."""


class Images(Protocol):
    """Images, the repositories they are in, and the tags that lead to them."""

    def image(self, digest: Digest) -> Image | None: ...

    def save_image(self, image: Image) -> bool:
        """Store the image if what is stored still has its `rev` (0: there is none), which is raised; return whether."""

    def memberships(self, digest: Digest) -> tuple[Membership, ...]: ...

    def members_of(self, repository: Repository, *, page: str | None = None, limit: int = 100) -> Page[Membership]:
        """Return the images of one repository in the order of their digests."""

    def repositories(self, *, page: str | None = None, limit: int = 100) -> Page[Repository]:
        """Return the repositories that ever had an image, each once (may lag)."""

    def memberships_in(self, repository: Repository, digests: Iterable[Digest]) -> Mapping[Digest, Membership]:
        """Return the memberships of images in one repository that are there."""

    def add_membership(
        self, digest: Digest, repository: Repository, tag: str | None = None, *, now: float = 0.0
    ) -> None:
        """Put the image into the repository, unless it is there, and add the tag to it where one is given."""

    def remove_tag(self, digest: Digest, repository: Repository, tag: str) -> None:
        """Take the tag from the membership; a membership that is not there stays away."""

    def remove_membership(self, digest: Digest, repository: Repository) -> None: ...

    def tag(self, repository: Repository, name: str) -> Tag | None: ...

    def tags(self, repository: Repository) -> tuple[Tag, ...]: ...

    def put_tag(self, tag: Tag) -> bool:
        """Store the tag unless one with a later time is stored; return whether it stands."""

    def delete_tag(self, repository: Repository, name: str, time: float) -> bool:
        """Delete the tag unless it has a later time than `time`; return whether it is gone."""


class Layers(Protocol):
    """What was last read from layer blobs."""

    def layer(self, digest: Digest) -> Layer | None: ...

    def save_layer(self, layer: Layer) -> None: ...


class Sets(Protocol):
    """Package sets with their verdicts, and the edges feature -> set -> image."""

    def begin(self, package_set: PackageSet) -> SetHead:
        """Store the set as building (version 0) unless it is there, and return its head."""

    def link(self, set_id: SetId, features: Sequence[Feature]) -> None:
        """Store the features and the edges from each of them to the set."""

    def head(self, set_id: SetId) -> SetHead | None: ...

    def packages(self, set_id: SetId) -> PackageSet | None:
        """Return the set as it was begun; it never changes."""

    def verdicts(self, set_id: SetId) -> tuple[int, tuple[Verdict, ...]]:
        """Return the version and the verdicts of that version, read as one; (0, ()) while there are none."""

    def complete(self, set_id: SetId, verdicts: Sequence[Verdict], *, rev: int) -> bool:
        """Turn a building set complete with version 1, if its rev is still `rev`; return whether that happened.

        All of it happens or nothing; the rev is raised.
        """

    def claim(self, set_id: SetId) -> SetHead | None:
        """Raise the rev and return the head as it is then; None where there is no such set."""

    def advance(self, delta: Delta, verdicts: Sequence[Verdict], *, rev: int) -> bool:
        """Write verdicts of version `delta.number` and the open delta together, if the rev is still `rev`.

        Return whether that happened. All of it happens or nothing; the rev is raised.
        """

    def open_deltas(self, set_id: SetId) -> tuple[Delta, ...]:
        """Return the deltas that are not passed on yet, oldest first."""

    def deltas_after(self, set_id: SetId, number: int) -> tuple[Delta, ...]:
        """Return the deltas with a number above `number`, open or closed, oldest first."""

    def delta(self, set_id: SetId, number: int) -> Delta | None: ...

    def close_delta(self, set_id: SetId, number: int) -> None: ...

    def join(self, set_id: SetId, stay: Membership) -> Member:
        """Add a pending member (since 0) for the stay, also in the place of one for an earlier stay; return what is
        stored.
        """

    def present(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Member]:
        """Return the members that are there."""

    def tell(self, set_id: SetId, member: Member, version: int) -> None:
        """Set the since of a pending member; one that is not pending, or has left (since), stays as it is."""

    def settle(self, set_id: SetId, member: Member) -> None:
        """Mark the member as settled; one that has left stays gone, one for a later stay as it is."""

    def leave(self, set_id: SetId, digest: Digest, repository: Repository, *, joined: float) -> None:
        """Delete the member, unless it is for a later stay than the one that began then."""

    def members(self, set_id: SetId, *, page: str | None = None, limit: int = 1000) -> Page[Member]: ...

    def features_in(self, package: PackageKey, ranges: Sequence[KeyRange]) -> Iterator[Feature]:
        """Yield the stored features of the package whose key lies in a range, each once."""

    def sets_with(self, feature: FeatureId, *, page: str | None = None, limit: int = 1000) -> Page[SetId]: ...


class Notices(Protocol):
    """What waits for the subscribers of a repository, and what they were told."""

    def put_waiting(self, waiting: Waiting) -> bool:
        """Store it unless its key is there (sent or not); return whether it is new."""

    def waiting(self, repository: Repository, *, after: str = "", limit: int = 1000) -> tuple[Waiting, ...]:
        """Return what is not sent yet, in the order of the keys, after a key."""

    def mark_sent(self, repository: Repository, keys: Sequence[str]) -> None: ...

    def last_notice(self, repository: Repository) -> Notice | None:
        """Return the notice with the highest sequence number."""

    def put_notice(self, notice: Notice) -> bool:
        """Store it, and how the repository stands then; return whether that happened.

        Nothing is stored where the repository has a notice of that sequence number, or stands otherwise than one `rev`
        before.
        """

    def standing(self, repository: Repository) -> Standing:
        """Return under which rules its subscribers were told what they were told; at first, under none."""

    def save_standing(self, standing: Standing) -> bool:
        """Store how a repository stands if it stood one `rev` before; return whether that happened."""

    def mark_published(self, repository: Repository, sequence: int) -> None: ...


class Rules(Protocol):
    """What need not be told: every version of the rule book, which as such never changes."""

    def book(self) -> RuleBook:
        """Return the newest version; the empty one, 0, before there is any."""

    def at(self, version: int) -> RuleBook | None:
        """Return a version of the book; those that were replaced more than a year ago may be gone."""

    def save(self, book: RuleBook) -> bool:
        """Store the version if the newest is the one before; return whether that happened."""

    def waking(self) -> Waking: ...

    def save_waking(self, waking: Waking) -> None: ...


class Advisories(Protocol):
    """Statements, the index of their ranges, and what they said before."""

    def candidates(self, package: PackageKey, key: bytes) -> tuple[StatementKey, ...]:
        """Return the statements with a range row that holds the version key (`UNREADABLE`: all), each once.

        Range rows are hints: read the statements before believing one.
        """

    def statements(self, keys: Iterable[StatementKey]) -> Mapping[StatementKey, Statement]:
        """Return the statements that are there, tombstones included."""

    def of_packages(self, feed: str, packages: Iterable[PackageKey]) -> tuple[Statement, ...]:
        """Return the feed's statements about the packages that have a range row, tombstones included."""

    def of_advisories(self, feed: str, ids: Iterable[str]) -> tuple[Statement, ...]:
        """Return the feed's statements under the advisory ids, tombstones included."""

    def ranges(self, feed: str, packages: Iterable[PackageKey]) -> Mapping[StatementKey, tuple[KeyRange, ...]]:
        """Return the range rows that lead to statements of the feed about the packages, be these there or not."""

    def put_ranges(self, amendments: Sequence[Amendment]) -> None:
        """Store, beside what is there, the range rows that statements are going to need, a row that leads to each from
        its vulnerabilities, and what they replace as history.

        A `KeyRange` holds the versions the range includes; an upper end of `FF`s has no bound.
        """

    def put_statements(self, amendments: Sequence[Amendment]) -> tuple[Amendment, ...]:
        """Store each statement if the one stored has the number before (0: none); return those that were refused.

        The same statement with the same number, stored already, stands.
        """

    def delete_ranges(self, stale: Mapping[StatementKey, Sequence[KeyRange]]) -> None:
        """Delete range rows of statements."""

    def about(self, vulnerability: str, *, page: str | None = None, limit: int = 100) -> Page[Statement]:
        """Return the statements about a vulnerability, tombstones left out."""

    def ever_about(self, vulnerability: str, packages: Collection[PackageKey]) -> tuple[Statement, ...]:
        """Return the statements on these packages that are, or were, about a vulnerability, tombstones included."""

    def before(self, statement: Statement) -> tuple[Statement, ...]:
        """Return what it said under earlier numbers, as far back as that is kept, oldest first."""


class Enrichments(Protocol):
    """What is known of vulnerabilities, feed by feed, in blocks of them that are written as one."""

    def of(self, feeds: Collection[str], blocks: Mapping[str, Collection[str]]) -> Mapping[str, Enrichment]:
        """Return what these feeds say of the vulnerabilities, which are named block by block."""

    def save(self, feed: str, blocks: Mapping[str, Mapping[str, Enrichment]]) -> None:
        """Store what the feed says of the vulnerabilities in the blocks; an empty block is deleted."""


class Feeds(Protocol):
    """How the feeds stand, and what was last loaded of each package."""

    def lease(self, feed: str, part: str, *, now: float, seconds: float) -> Lease | None:
        """Take the right to write the part; None while another holder's lease has not expired."""

    def release(self, lease: Lease) -> None: ...

    def parts(self, feed: str) -> tuple[FeedPart, ...]: ...

    def part(self, feed: str, part: str) -> FeedPart | None: ...

    def save_part(self, part: FeedPart, lease: Lease) -> bool:
        """Store how the part stands, if the lease is still the newest; return whether that happened."""

    def digests(self, feed: str, part: str) -> Mapping[str, str]:
        """Return the digest of what was last loaded of each package or advisory of the part, by its name."""

    def begin(self, feed: str, part: str, begun: Begun) -> None:
        """Note what is about to be written, in the place of what was noted before."""

    def begun(self, feed: str, part: str) -> Begun | None:
        """Return what was begun and has not ended: it may be half written."""

    def end(self, feed: str, part: str, digests: Mapping[str, str | None]) -> None:
        """Store the digests of what now stands (None: it is gone), and note that what was begun has ended."""


class Queues(Protocol):
    """The messages that one function leaves for another; each is delivered at least once."""

    def index(self, requests: Sequence[IndexRequest]) -> None: ...

    def reindex(self, requests: Sequence[IndexRequest]) -> None:
        """Have images read again, a few at a time, so that those that were just pushed need not wait for them."""

    def set_aside(self, record: str, reason: str) -> None:
        """Leave a stream record that failed, JSON as it came, to be matched again, then dead-lettered."""

    def judge(self, requests: Sequence[JudgeRequest]) -> None: ...

    def notify(self, requests: Sequence[NotifyRequest]) -> None: ...

    def refresh(self, requests: Sequence[RefreshRequest]) -> None: ...


class Topic(Protocol):
    """Where notices go."""

    def publish(self, notice: Notice) -> None: ...


class Registry(Protocol):
    """One or more registries that speak the OCI Distribution API, or an archive that stands in for one."""

    def resolve(self, repository: Repository, reference: str) -> Descriptor:
        """Return what the tag or digest points at now. Raises `NotFound`, `Forbidden`, `Unavailable`."""

    def manifest(self, repository: Repository, digest: Digest) -> Manifest | Index | Artifact:
        """Return the manifest, verified against its digest, with its configuration read where it is an image."""

    def blob(self, repository: Repository, layer: LayerReference) -> AbstractContextManager[BinaryIO]:
        """Open the layer's blob as stored (compressed), to be read once from its beginning to its end.

        The stream resumes a broken download; the reader verifies the digest.
        """

    def tags(self, repository: Repository) -> Iterator[str]: ...

    def repositories(self, host: str) -> Iterator[Repository]:
        """Yield what the registry lists. Raises `Forbidden` or `NotFound` where it lists nothing for us."""


@runtime_checkable
class PartialRegistry(Protocol):
    """A registry that also sends parts of blobs."""

    def part(self, repository: Repository, layer: LayerReference, start: int, size: int) -> bytes:
        """Return so many bytes of the layer's blob as stored, from `start` on; fewer where it ends before.

        Nothing verifies them yet. Raises `Unavailable`, `Forbidden`, and `NotFound` where no parts are sent.
        """


class Fetched(Protocol):
    """A document that was fetched because it changed."""

    @property
    def fingerprint(self) -> Fingerprint: ...

    @property
    def stream(self) -> BinaryIO: ...


class Mirror(Protocol):
    """A copy of feeds' documents."""

    def copying(self, name: str) -> AbstractContextManager["Documents"]:
        """Give the documents of what has this name: those that are asked for are copied, all or, on an error, none."""


class Documents(Protocol):
    """Where the feeds' documents are fetched from: the vendors, or a mirror."""

    def fetch(self, url: str, known: Fingerprint | None) -> AbstractContextManager[Fetched | None]:
        """Open the document, or give None where it is unchanged since `known`.

        Raises `NotFound` where there is no such document, `Unavailable` where trying again may help, `Forbidden`.
        """
