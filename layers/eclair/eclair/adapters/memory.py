"""All ports in memory: for `eclair scan`, and for tests that walk every interleaving.

Rows are frozen values in dictionaries, so that a copy of the dictionaries is a copy of the world.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from eclair.model import (
    UNREADABLE,
    Amendment,
    Begun,
    Delta,
    Digest,
    Enrichment,
    Feature,
    FeatureId,
    FeedPart,
    Image,
    IndexRequest,
    JudgeRequest,
    KeyRange,
    Layer,
    Lease,
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
    SetState,
    Standing,
    Statement,
    StatementChange,
    StatementKey,
    Tag,
    Verdict,
    Waiting,
    Waking,
)

T = TypeVar("T")


def _page(items: Iterable[T], name: Callable[[T], str], page: str | None, limit: int) -> Page[T]:
    """Return the items whose name comes after `page`, in the order of their names."""
    rest = sorted((item for item in items if page is None or name(item) > page), key=name)
    here = tuple(rest[:limit])
    return Page(items=here, next=name(here[-1]) if len(rest) > limit else None)


@dataclass(slots=True)
class MemoryImages:
    """`Images` in memory."""

    images: dict[Digest, Image] = field(default_factory=dict)
    members: dict[tuple[Digest, Repository], Membership] = field(default_factory=dict)
    listed: dict[Repository, None] = field(default_factory=dict)
    pointers: dict[tuple[Repository, str], Tag] = field(default_factory=dict)

    def image(self, digest: Digest) -> Image | None:
        return self.images.get(digest)

    def save_image(self, image: Image) -> bool:
        stored = self.images.get(image.digest)
        if (stored.rev if stored else 0) != image.rev:
            return False
        self.images[image.digest] = replace(image, rev=image.rev + 1)
        return True

    def memberships(self, digest: Digest) -> tuple[Membership, ...]:
        return tuple(self.members[key] for key in sorted(self.members) if key[0] == digest)

    def members_of(self, repository: Repository, *, page: str | None = None, limit: int = 100) -> Page[Membership]:
        found = (member for member in self.members.values() if member.repository == repository)
        return _page(found, lambda member: member.digest, page, limit)

    def repositories(self, *, page: str | None = None, limit: int = 100) -> Page[Repository]:
        return _page(self.listed, str, page, limit)

    def memberships_in(self, repository: Repository, digests: Iterable[Digest]) -> Mapping[Digest, Membership]:
        rows = ((digest, self.members.get((digest, repository))) for digest in digests)
        return {digest: member for digest, member in rows if member is not None}

    def add_membership(
        self, digest: Digest, repository: Repository, tag: str | None = None, *, now: float = 0.0
    ) -> None:
        key = (digest, repository)
        member = self.members.get(key) or Membership(digest=digest, repository=repository, joined=now)
        tags = {*member.tags, tag} if tag is not None else set(member.tags)
        self.members[key] = replace(member, tags=tuple(sorted(tags)))
        self.listed[repository] = None

    def remove_tag(self, digest: Digest, repository: Repository, tag: str) -> None:
        member = self.members.get((digest, repository))
        if member is not None:
            left = tuple(name for name in member.tags if name != tag)
            self.members[digest, repository] = replace(member, tags=left)

    def remove_membership(self, digest: Digest, repository: Repository) -> None:
        self.members.pop((digest, repository), None)

    def tag(self, repository: Repository, name: str) -> Tag | None:
        return self.pointers.get((repository, name))

    def tags(self, repository: Repository) -> tuple[Tag, ...]:
        return tuple(self.pointers[key] for key in sorted(self.pointers) if key[0] == repository)

    def put_tag(self, tag: Tag) -> bool:
        stored = self.pointers.get((tag.repository, tag.name))
        if stored is not None and stored.time > tag.time:
            return False
        self.pointers[tag.repository, tag.name] = tag
        return True

    def delete_tag(self, repository: Repository, name: str, time: float) -> bool:
        stored = self.pointers.get((repository, name))
        if stored is not None and stored.time > time:
            return False
        self.pointers.pop((repository, name), None)
        return True


@dataclass(slots=True)
class MemoryLayers:
    """`Layers` in memory."""

    layers: dict[Digest, Layer] = field(default_factory=dict)

    def layer(self, digest: Digest) -> Layer | None:
        return self.layers.get(digest)

    def save_layer(self, layer: Layer) -> None:
        self.layers[layer.digest] = layer


@dataclass(slots=True)
class MemorySets:
    """`Sets` in memory."""

    bodies: dict[SetId, PackageSet] = field(default_factory=dict)
    heads: dict[SetId, SetHead] = field(default_factory=dict)
    judged: dict[SetId, tuple[int, tuple[Verdict, ...]]] = field(default_factory=dict)
    deltas: dict[tuple[SetId, int], Delta] = field(default_factory=dict)
    features: dict[PackageKey, dict[FeatureId, Feature]] = field(default_factory=dict)
    edges: dict[FeatureId, frozenset[SetId]] = field(default_factory=dict)
    joined: dict[tuple[SetId, Digest, Repository], Member] = field(default_factory=dict)

    def begin(self, package_set: PackageSet) -> SetHead:
        self.bodies.setdefault(package_set.id, package_set)
        return self.heads.setdefault(package_set.id, SetHead(state=SetState.BUILDING, rev=0, version=0))

    def link(self, set_id: SetId, features: Sequence[Feature]) -> None:
        for feature in features:
            self.features.setdefault(feature.package, {})[feature.id] = feature
            self.edges[feature.id] = self.edges.get(feature.id, frozenset()) | {set_id}

    def head(self, set_id: SetId) -> SetHead | None:
        return self.heads.get(set_id)

    def packages(self, set_id: SetId) -> PackageSet | None:
        return self.bodies.get(set_id)

    def verdicts(self, set_id: SetId) -> tuple[int, tuple[Verdict, ...]]:
        return self.judged.get(set_id, (0, ()))

    def complete(self, set_id: SetId, verdicts: Sequence[Verdict], *, rev: int) -> bool:
        if self.heads[set_id] != SetHead(state=SetState.BUILDING, rev=rev, version=0):
            return False
        self.heads[set_id] = SetHead(state=SetState.COMPLETE, rev=rev + 1, version=1)
        self.judged[set_id] = (1, tuple(verdicts))
        return True

    def claim(self, set_id: SetId) -> SetHead | None:
        head = self.heads.get(set_id)
        if head is None:
            return None
        self.heads[set_id] = replace(head, rev=head.rev + 1)
        return self.heads[set_id]

    def advance(self, delta: Delta, verdicts: Sequence[Verdict], *, rev: int) -> bool:
        head = self.heads[delta.set]
        if head != SetHead(state=SetState.COMPLETE, rev=rev, version=delta.number - 1):
            return False
        self.heads[delta.set] = replace(head, rev=rev + 1, version=delta.number)
        self.judged[delta.set] = (delta.number, tuple(verdicts))
        self.deltas[delta.set, delta.number] = delta
        return True

    def open_deltas(self, set_id: SetId) -> tuple[Delta, ...]:
        return tuple(delta for delta in self.deltas_after(set_id, 0) if delta.open)

    def deltas_after(self, set_id: SetId, number: int) -> tuple[Delta, ...]:
        return tuple(self.deltas[key] for key in sorted(self.deltas) if key[0] == set_id and key[1] > number)

    def delta(self, set_id: SetId, number: int) -> Delta | None:
        return self.deltas.get((set_id, number))

    def close_delta(self, set_id: SetId, number: int) -> None:
        self.deltas[set_id, number] = replace(self.deltas[set_id, number], open=False)

    def join(self, set_id: SetId, stay: Membership) -> Member:
        row = (set_id, stay.digest, stay.repository)
        stored = self.joined.get(row)
        if stored is None or stored.joined < stay.joined:
            stored = Member(digest=stay.digest, repository=stay.repository, joined=stay.joined)
            self.joined[row] = stored
        return stored

    def present(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Member]:
        rows = ((key, self.joined.get((key.set, key.digest, key.repository))) for key in keys)
        return {key: member for key, member in rows if member is not None}

    def tell(self, set_id: SetId, member: Member, version: int) -> None:
        row = (set_id, member.digest, member.repository)
        stored = self.joined.get(row)
        if stored is not None and stored.joined == member.joined and stored.since == 0:
            self.joined[row] = replace(stored, since=version)

    def settle(self, set_id: SetId, member: Member) -> None:
        row = (set_id, member.digest, member.repository)
        stored = self.joined.get(row)
        if stored is not None and stored.joined == member.joined:
            self.joined[row] = replace(stored, settled=True)

    def leave(self, set_id: SetId, digest: Digest, repository: Repository, *, joined: float) -> None:
        stored = self.joined.get((set_id, digest, repository))
        if stored is not None and stored.joined <= joined:
            del self.joined[set_id, digest, repository]

    def members(self, set_id: SetId, *, page: str | None = None, limit: int = 1000) -> Page[Member]:
        found = (member for key, member in self.joined.items() if key[0] == set_id)
        return _page(found, lambda member: f"{member.digest}#{member.repository}", page, limit)

    def features_in(self, package: PackageKey, ranges: Sequence[KeyRange]) -> Iterator[Feature]:
        stored = sorted(self.features.get(package, {}).values(), key=lambda feature: (feature.key, feature.id))
        for feature in stored:
            if feature.key == UNREADABLE or any(feature.key in keys for keys in ranges):
                yield feature

    def sets_with(self, feature: FeatureId, *, page: str | None = None, limit: int = 1000) -> Page[SetId]:
        return _page(self.edges.get(feature, frozenset()), str, page, limit)


@dataclass(slots=True)
class MemoryNotices:
    """`Notices` in memory."""

    rows: dict[tuple[Repository, str], Waiting] = field(default_factory=dict)
    notices: dict[tuple[Repository, int], Notice] = field(default_factory=dict)
    standings: dict[Repository, Standing] = field(default_factory=dict)

    def put_waiting(self, waiting: Waiting) -> bool:
        key = (waiting.repository, waiting.key)
        if key in self.rows:
            return False
        self.rows[key] = waiting
        return True

    def waiting(self, repository: Repository, *, after: str = "", limit: int = 1000) -> tuple[Waiting, ...]:
        found = (self.rows[key] for key in sorted(self.rows) if key[0] == repository and key[1] > after)
        return tuple(row for row in found if not row.sent)[:limit]

    def mark_sent(self, repository: Repository, keys: Sequence[str]) -> None:
        for key in keys:
            self.rows[repository, key] = replace(self.rows[repository, key], sent=True)

    def last_notice(self, repository: Repository) -> Notice | None:
        found = [notice for key, notice in self.notices.items() if key[0] == repository]
        return max(found, key=lambda notice: notice.sequence, default=None)

    def put_notice(self, notice: Notice) -> bool:
        key = (notice.repository, notice.sequence)
        if key in self.notices or (notice.standing is not None and not self._follows(notice.standing)):
            return False
        if notice.standing is not None:
            self.standings[notice.repository] = notice.standing
        self.notices[key] = notice
        return True

    def standing(self, repository: Repository) -> Standing:
        return self.standings.get(repository, Standing(repository=repository))

    def save_standing(self, standing: Standing) -> bool:
        if not self._follows(standing):
            return False
        self.standings[standing.repository] = standing
        return True

    def _follows(self, standing: Standing) -> bool:
        stood = self.standings.get(standing.repository)
        return (stood.rev if stood else 0) == standing.rev - 1

    def mark_published(self, repository: Repository, sequence: int) -> None:
        self.notices[repository, sequence] = replace(self.notices[repository, sequence], published=True)


@dataclass(slots=True)
class MemoryRules:
    """`Rules` in memory."""

    books: dict[int, RuleBook] = field(default_factory=dict)
    woken: Waking = field(default_factory=Waking)

    def book(self) -> RuleBook:
        return self.books[max(self.books)] if self.books else RuleBook()

    def at(self, version: int) -> RuleBook | None:
        return self.books.get(version) if version else RuleBook()

    def save(self, book: RuleBook) -> bool:
        if self.book().version != book.version - 1:
            return False
        self.books[book.version] = book
        return True

    def waking(self) -> Waking:
        return self.woken

    def save_waking(self, waking: Waking) -> None:
        self.woken = waking


@dataclass(slots=True)
class MemoryAdvisories:
    """`Advisories` in memory; `listen` is called with every change, as the stream of the table is."""

    said: dict[StatementKey, Statement] = field(default_factory=dict)
    under: dict[tuple[str, str], dict[StatementKey, Statement]] = field(default_factory=dict)
    rows: dict[PackageKey, dict[StatementKey, tuple[KeyRange, ...]]] = field(default_factory=dict)
    by_vulnerability: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)
    history: dict[StatementKey, dict[int, Statement]] = field(default_factory=dict)
    listen: Callable[[StatementChange], None] | None = None

    def candidates(self, package: PackageKey, key: bytes) -> tuple[StatementKey, ...]:
        rows = self.rows.get(package, {})
        hit = (
            row for row, ranges in rows.items() if ranges and (key == UNREADABLE or any(key in keys for keys in ranges))
        )
        return tuple(sorted(hit))

    def statements(self, keys: Iterable[StatementKey]) -> Mapping[StatementKey, Statement]:
        return {key: self.said[key] for key in keys if key in self.said}

    def of_packages(self, feed: str, packages: Iterable[PackageKey]) -> tuple[Statement, ...]:
        return tuple(self.said[key] for key in self.ranges(feed, packages) if key in self.said)

    def of_advisories(self, feed: str, ids: Iterable[str]) -> tuple[Statement, ...]:
        return tuple(said for id_ in ids for said in self.under.get((feed, id_), {}).values())

    def ranges(self, feed: str, packages: Iterable[PackageKey]) -> Mapping[StatementKey, tuple[KeyRange, ...]]:
        rows = (row for package in packages for row in sorted(self.rows.get(package, {}).items()))
        return {key: ranges for key, ranges in rows if key.feed == feed and ranges}

    def put_ranges(self, amendments: Sequence[Amendment]) -> None:
        for wanted in amendments:
            new, old = wanted.new, wanted.old
            rows = self.rows.setdefault(new.package, {})
            rows[new.key] = tuple(dict.fromkeys((*rows.get(new.key, ()), *wanted.ranges)))
            for vulnerability in new.vulnerabilities:
                self.by_vulnerability.setdefault(vulnerability, {})[new.feed, new.id] = None
            if old is not None:
                self.history.setdefault(old.key, {})[old.seq] = old

    def put_statements(self, amendments: Sequence[Amendment]) -> tuple[Amendment, ...]:
        return tuple(wanted for wanted in amendments if not self._put(wanted.new))

    def _put(self, statement: Statement) -> bool:
        key = statement.key
        stored = self.said.get(key)
        if stored == statement:
            return True
        if (stored.seq if stored else 0) != statement.seq - 1:
            return False
        self.said[key] = statement
        self.under.setdefault((key.feed, key.id), {})[key] = statement
        if self.listen is not None:
            self.listen(StatementChange(old=stored, new=statement))
        return True

    def delete_ranges(self, stale: Mapping[StatementKey, Sequence[KeyRange]]) -> None:
        for key, ranges in stale.items():
            rows = self.rows.get(key.package, {})
            rows[key] = tuple(keys for keys in rows.get(key, ()) if keys not in ranges)

    def about(self, vulnerability: str, *, page: str | None = None, limit: int = 100) -> Page[Statement]:
        under = (self.of_advisories(feed, [id_]) for feed, id_ in self.by_vulnerability.get(vulnerability, {}))
        found = (
            said for some in under for said in some if not said.withdrawn and vulnerability in said.vulnerabilities
        )
        return _page(found, lambda said: f"{said.feed}#{said.id}#{said.package}#{said.stream}", page, limit)

    def ever_about(self, vulnerability: str, packages: Collection[PackageKey]) -> tuple[Statement, ...]:
        under = (self.of_advisories(feed, [id_]) for feed, id_ in sorted(self.by_vulnerability.get(vulnerability, {})))
        return tuple(said for some in under for said in some if said.package in packages)

    def before(self, statement: Statement) -> tuple[Statement, ...]:
        rows = self.history.get(statement.key, {})
        return tuple(rows[seq] for seq in sorted(rows) if seq < statement.seq)


@dataclass(slots=True)
class MemoryEnrichments:
    """`Enrichments` in memory."""

    blocks: dict[tuple[str, str], Mapping[str, Enrichment]] = field(default_factory=dict)

    def of(self, feeds: Collection[str], blocks: Mapping[str, Collection[str]]) -> Mapping[str, Enrichment]:
        found: dict[str, Enrichment] = {}
        for feed in sorted(feeds):
            for block, wanted in blocks.items():
                said = self.blocks.get((feed, block), {})
                found |= {name: found.get(name, Enrichment()).with_(said[name]) for name in wanted if name in said}
        return found

    def save(self, feed: str, blocks: Mapping[str, Mapping[str, Enrichment]]) -> None:
        for block, said in blocks.items():
            self.blocks[feed, block] = said


@dataclass(slots=True)
class MemoryFeeds:
    """`Feeds` in memory."""

    stored: dict[tuple[str, str], FeedPart] = field(default_factory=dict)
    leases: dict[tuple[str, str], Lease] = field(default_factory=dict)
    loaded: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    writing: dict[tuple[str, str], Begun] = field(default_factory=dict)

    def lease(self, feed: str, part: str, *, now: float, seconds: float) -> Lease | None:
        held = self.leases.get((feed, part))
        if held is not None and held.expires > now:
            return None
        fence = held.fence + 1 if held else 1
        self.leases[feed, part] = Lease(feed=feed, part=part, fence=fence, expires=now + seconds)
        return self.leases[feed, part]

    def release(self, lease: Lease) -> None:
        key = (lease.feed, lease.part)
        if self.leases.get(key) == lease:
            self.leases[key] = replace(lease, expires=0.0)

    def parts(self, feed: str) -> tuple[FeedPart, ...]:
        return tuple(self.stored[key] for key in sorted(self.stored) if key[0] == feed)

    def part(self, feed: str, part: str) -> FeedPart | None:
        return self.stored.get((feed, part))

    def save_part(self, part: FeedPart, lease: Lease) -> bool:
        held = self.leases.get((part.feed, part.name))
        if held is None or held.fence != lease.fence:
            return False
        self.stored[part.feed, part.name] = part
        return True

    def digests(self, feed: str, part: str) -> Mapping[str, str]:
        return dict(self.loaded.get((feed, part), {}))

    def begin(self, feed: str, part: str, begun: Begun) -> None:
        self.writing[feed, part] = begun

    def begun(self, feed: str, part: str) -> Begun | None:
        return self.writing.get((feed, part))

    def end(self, feed: str, part: str, digests: Mapping[str, str | None]) -> None:
        stored = self.loaded.setdefault((feed, part), {})
        stored.update((name, digest) for name, digest in digests.items() if digest is not None)
        for name, digest in digests.items():
            if digest is None:
                stored.pop(name, None)
        self.writing.pop((feed, part), None)


@dataclass(slots=True)
class MemoryQueues:
    """`Queues` in memory: lists that a test or a command works off."""

    indexed: list[IndexRequest] = field(default_factory=list)
    reindexed: list[IndexRequest] = field(default_factory=list)
    aside: list[tuple[str, str]] = field(default_factory=list)
    judged: list[JudgeRequest] = field(default_factory=list)
    notified: list[NotifyRequest] = field(default_factory=list)
    refreshed: list[RefreshRequest] = field(default_factory=list)

    def index(self, requests: Sequence[IndexRequest]) -> None:
        self.indexed.extend(requests)

    def reindex(self, requests: Sequence[IndexRequest]) -> None:
        self.reindexed.extend(requests)

    def set_aside(self, record: str, reason: str) -> None:
        self.aside.append((record, reason))

    def judge(self, requests: Sequence[JudgeRequest]) -> None:
        self.judged.extend(requests)

    def notify(self, requests: Sequence[NotifyRequest]) -> None:
        self.notified.extend(requests)

    def refresh(self, requests: Sequence[RefreshRequest]) -> None:
        self.refreshed.extend(requests)


@dataclass(slots=True)
class MemoryTopic:
    """`Topic` in memory: every publication, repeats included."""

    published: list[Notice] = field(default_factory=list)

    def publish(self, notice: Notice) -> None:
        self.published.append(notice)
