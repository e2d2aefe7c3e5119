"""`Sets` in DynamoDB's index table.

| row | pk | sk | columns |
|---|---|---|---|
| set | `S#<set>` | `B` | the set as it was begun |
| head | `S#<set>` | `M` | state, rev, version; open: the numbers of the open deltas; rest: that of the verdicts |
| verdicts | `S#<set>` | `V` | the version and the verdicts |
| delta | `S#<set>` | `D#<n>` | the delta |
| feature | `F#<package key>` | `key‖00‖version‖00‖arch‖00‖context` | the feature |
| feature → set | `X#<sha256 of the feature id>` | set | |
| set → image | `Y#<set>` | `<digest>#<repository>` | digest, repository, joined, since, settled |

Head and body are apart so that a claim costs one write unit and not the size of the body. Which deltas are open is said
by the head alone: finding them costs one small read, however many deltas a set has had.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from eclair.adapters.dynamodb import Key, Row, Table
from eclair.adapters.dynamodb_keys import UNREADABLE_ROWS, disjoint, framed, named, numbered, partition, utf8
from eclair.model import (
    UNREADABLE,
    Delta,
    Digest,
    Feature,
    FeatureId,
    KeyRange,
    Member,
    MemberKey,
    Membership,
    PackageKey,
    PackageSet,
    Page,
    Repository,
    SetHead,
    SetId,
    SetState,
    Verdict,
)

_BODY = b"B"
_HEAD = b"M"
_VERDICTS = b"V"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Verdicts with the version they are of, stored as one."""

    version: int
    verdicts: tuple[Verdict, ...]


class DynamoSets:
    """`Sets` in the index table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # --- the set -----------------------------------------------------------------------------------------------------

    def begin(self, package_set: PackageSet) -> SetHead:
        head = self.head(package_set.id)
        if head is not None:
            return head
        pk = _pk(package_set.id)
        self._table.put(self._table.holding(pk, _BODY, package_set))
        new = SetHead(state=SetState.BUILDING, rev=0, version=0)
        if self._table.put_new(self._table.row(pk, _HEAD, state=new.state.value, rev=new.rev, version=new.version)):
            return new
        return self.head(package_set.id) or new

    def link(self, set_id: SetId, features: Sequence[Feature]) -> None:
        row = self._table.row
        rows = {_of_feature(feature): feature for feature in features}
        edges = [(_edges(feature.id), named(set_id)) for feature in features]
        self._table.write(self._table.holding(*key, rows[key]) for key in self._missing(rows))
        self._table.write(row(*key) for key in self._missing(edges))

    def _missing(self, keys: Iterable[Key]) -> list[Key]:
        """Return the keys without a row: most rows are there, and a read costs a fifth of a write."""
        wanted = list(dict.fromkeys(keys))
        there = self._table.get_all(wanted, columns=("pk", "sk"))
        return [key for key in wanted if key not in there]

    def head(self, set_id: SetId) -> SetHead | None:
        row = self._head(set_id)
        return None if row is None else _head(row)

    def _head(self, set_id: SetId) -> Row | None:
        return self._table.get(_pk(set_id), _HEAD)

    def packages(self, set_id: SetId) -> PackageSet | None:
        return self._table.value(PackageSet, _pk(set_id), _BODY)

    # --- verdicts ----------------------------------------------------------------------------------------------------

    def verdicts(self, set_id: SetId) -> tuple[int, tuple[Verdict, ...]]:
        judged = self._table.value(_Judged, _pk(set_id), _VERDICTS)
        return (judged.version, judged.verdicts) if judged else (0, ())

    def complete(self, set_id: SetId, verdicts: Sequence[Verdict], *, rev: int) -> bool:
        row = self._table.row
        condition = (row.state == SetState.BUILDING.value) & (row.rev == rev)
        return self._write(set_id, _Judged(version=1, verdicts=tuple(verdicts)), rev, condition)

    def claim(self, set_id: SetId) -> SetHead | None:
        row = self._table.row
        claimed = self._table.update(_pk(set_id), _HEAD, [row.rev.add(1)], row.pk.exists())
        return None if claimed is None else _head(claimed)

    def advance(self, delta: Delta, verdicts: Sequence[Verdict], *, rev: int) -> bool:
        row = self._table.row
        condition = (row.state == SetState.COMPLETE.value) & (row.rev == rev) & (row.version == delta.number - 1)
        judged = _Judged(version=delta.number, verdicts=tuple(verdicts))
        return self._write(delta.set, judged, rev, condition, delta)

    def _write(
        self, set_id: SetId, judged: _Judged, rev: int, condition: Condition, delta: Delta | None = None
    ) -> bool:
        """Write verdicts, and the delta that led to them, if the head meets the condition."""
        head = self._head(set_id)
        if head is None or head.rev != rev:
            return False
        row, pk = self._table.row, _pk(set_id)
        rows = [self._table.holding(pk, _VERDICTS, judged)]
        actions: list[Action] = [
            row.state.set(SetState.COMPLETE.value),
            row.rev.set(rev + 1),
            row.version.set(judged.version),
            row.rest.set(rows[0].rest) if rows[0].rest else row.rest.remove(),
        ]
        if delta is not None:
            rows.append(self._table.holding(pk, numbered(b"D", delta.number), delta))
            if delta.open:
                actions.append(row.open.add({delta.number}))

        def write(transaction: TransactWrite) -> None:
            transaction.update(row(pk, _HEAD), actions, condition=condition)
            for written in rows:
                transaction.save(written)

        if not self._table.transact(write):
            for written in rows:
                self._table.discard(written)
            return False
        self._table.discard(head)
        return True

    # --- deltas ------------------------------------------------------------------------------------------------------

    def open_deltas(self, set_id: SetId) -> tuple[Delta, ...]:
        numbers = self._open(set_id)
        rows = self._table.get_all((_pk(set_id), numbered(b"D", number)) for number in numbers)
        return self._deltas((rows[key] for key in sorted(rows)), numbers)

    def deltas_after(self, set_id: SetId, number: int) -> tuple[Delta, ...]:
        numbers = self._open(set_id)
        after = self._table.row.sk.between(numbered(b"D", number + 1), numbered(b"D", 2**64 - 1))
        return self._deltas(self._table.query(_pk(set_id), after), numbers)

    def delta(self, set_id: SetId, number: int) -> Delta | None:
        numbers = self._open(set_id)
        row = self._table.get(_pk(set_id), numbered(b"D", number))
        return next(iter(self._deltas([row] if row else [], numbers)), None)

    def _open(self, set_id: SetId) -> frozenset[int]:
        head = self._head(set_id)
        return frozenset(int(number) for number in (head.open or ())) if head else frozenset()

    def _deltas(self, rows: Iterable[Row], numbers: frozenset[int]) -> tuple[Delta, ...]:
        deltas = (self._table.held(Delta, row) for row in rows)
        return tuple(replace(delta, open=delta.number in numbers) for delta in deltas if delta)

    def close_delta(self, set_id: SetId, number: int) -> None:
        row = self._table.row
        self._table.update(_pk(set_id), _HEAD, [row.open.delete({number})], row.pk.exists())

    # --- members -----------------------------------------------------------------------------------------------------

    def join(self, set_id: SetId, stay: Membership) -> Member:
        row, (pk, sk) = self._table.row, _of_member(set_id, stay)
        stored = self._table.get(pk, sk)
        if stored is not None and float(stored.joined or 0) >= stay.joined:
            return _member(stored)
        new = row(pk, sk, digest=stay.digest, repository=stay.repository, joined=stay.joined, since=0)
        if self._table.put(new, row.pk.does_not_exist() | (row.joined < stay.joined)):
            return _member(new)
        return _member(self._table.get(pk, sk) or new)

    def present(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Member]:
        asked = {_of_member(key.set, key): key for key in keys}
        return {asked[key]: _member(row) for key, row in self._table.get_all(asked).items()}

    def tell(self, set_id: SetId, member: Member, version: int) -> None:
        row = self._table.row
        pending = (row.joined == member.joined) & (row.since == 0)
        self._table.update(*_of_member(set_id, member), [row.since.set(version)], pending)

    def settle(self, set_id: SetId, member: Member) -> None:
        row = self._table.row
        self._table.update(*_of_member(set_id, member), [row.settled.set(True)], row.joined == member.joined)

    def leave(self, set_id: SetId, digest: Digest, repository: Repository, *, joined: float) -> None:
        self._table.delete(_members(set_id), named(digest, repository), self._table.row.joined <= joined)

    def members(self, set_id: SetId, *, page: str | None = None, limit: int = 1000) -> Page[Member]:
        rows, following = self._table.page(_members(set_id), page=page, limit=limit)
        return Page(items=tuple(_member(row) for row in rows), next=following)

    # --- features ----------------------------------------------------------------------------------------------------

    def features_in(self, package: PackageKey, ranges: Sequence[KeyRange]) -> Iterator[Feature]:
        for keys in disjoint((*ranges, UNREADABLE_ROWS)):
            within = self._table.row.sk.between(keys.lower, keys.upper)
            for row in self._table.query(partition("F", str(package)), within):
                feature = self._table.held(Feature, row)
                if feature is not None and _asked_for(feature, ranges):
                    yield feature

    def sets_with(self, feature: FeatureId, *, page: str | None = None, limit: int = 1000) -> Page[SetId]:
        rows, following = self._table.page(_edges(feature), page=page, limit=limit)
        return Page(items=tuple(SetId(row.sk.decode()) for row in rows), next=following)


def _pk(set_id: SetId) -> str:
    return partition("S", set_id)


def _members(set_id: SetId) -> str:
    return partition("Y", set_id)


def _of_member(set_id: SetId, member: Member | MemberKey | Membership) -> Key:
    return _members(set_id), named(member.digest, member.repository)


def _edges(feature: FeatureId) -> str:
    return partition("X", hashlib.sha256(utf8(feature)).hexdigest())


def _of_feature(feature: Feature) -> Key:
    suffix = (feature.version, feature.arch, feature.context)
    return partition("F", str(feature.package)), framed(feature.key, *suffix)


def _asked_for(feature: Feature, ranges: Iterable[KeyRange]) -> bool:
    return feature.key == UNREADABLE or any(feature.key in keys for keys in ranges)


def _head(row: Row) -> SetHead:
    return SetHead(state=SetState(row.state), rev=int(row.rev or 0), version=int(row.version or 0))


def _member(row: Row) -> Member:
    return Member(
        digest=Digest(row.digest or ""),
        repository=Repository(row.repository or ""),
        joined=float(row.joined or 0),
        since=int(row.since or 0),
        settled=bool(row.settled),
    )
