"""What do OSV records say of packages?

The format is https://ossf.github.io/osv-schema/, version 1.7; which versions are affected follows the algorithm of its
section "Evaluation": a version that a range includes, or that is listed. Ranges of commits say nothing of packages.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cmp_to_key, lru_cache, partial
from itertools import chain
from pathlib import PurePosixPath
from typing import BinaryIO, Final, NamedTuple, cast

import orjson

from eclair import ecosystems
from eclair.advisories import rating
from eclair.advisories.bundle import members
from eclair.advisories.records import TEXT_LIMIT, Skipped, advisory_statements, mapping, marks, sequence, text, words
from eclair.errors import BadFeed, BadVersion
from eclair.model import Effect, Mark, PackageKey, Range, Said, Severity, State, Statement, Unread

RANGES_LIMIT: Final = 500
"""Where a record lists more versions of a package than that, all of its versions count as affected."""
IDS_LIMIT: Final = 10_000
"""A record that names more ids is refused."""

INTRODUCED: Final = "introduced"
FIXED: Final = "fixed"
LAST_AFFECTED: Final = "last_affected"
LIMIT: Final = "limit"

NO_LIMIT: Final = "*"

_COMMITS: Final = "GIT"
_EVERY_VERSION: Final = (Range(),)
_CVE: Final = re.compile(r"CVE[-_]([0-9]{4})[-_]([0-9]{4,19})", re.ASCII)

# Which event comes first where several name one version: the limit ends what the version would begin, while the last
# affected version is affected.
_RANKS: Final[Mapping[str, int]] = {LIMIT: 0, FIXED: 1, INTRODUCED: 1, LAST_AFFECTED: 2}


class Event(NamedTuple):
    """One turn of a range: from or up to which version something holds."""

    kind: str
    version: str


BEGINNING: Final = Event(INTRODUCED, "0")
"""Before all versions, whatever the ecosystem."""


class Affected(NamedTuple):
    """What a record says of one package; `versions` are listed, beside those of the ranges."""

    ecosystem: str
    name: str
    ranges: tuple[tuple[Event, ...], ...]
    versions: Sequence[object]


class Record(NamedTuple):
    """What we use of an OSV record.

    `severity` is the database's or the vendor's own word, `vectors` are of any version of CVSS, `note` is RustSec's
    word for what is no vulnerability, for instance `unmaintained`.
    """

    id: str
    withdrawn: bool
    aliases: tuple[str, ...]
    upstream: tuple[str, ...]
    related: tuple[str, ...]
    summary: str
    severity: str
    vectors: tuple[str, ...]
    marks: tuple[Mark, ...]
    note: str
    affected: tuple[Affected, ...]


class Place(NamedTuple):
    """The package that an entry is about, the stream that its versions are of, and what else is to be known of it."""

    package: PackageKey
    stream: str = ""
    fix_channel: str | None = None
    mark: Mark | None = None


class Rating(NamedTuple):
    """How bad a record says it is, and who says so by which method."""

    severity: Severity = Severity.UNKNOWN
    source: str = ""


Placed = tuple[Place, Affected]


class Dialect(NamedTuple):
    """What the records of one database mean where the schema leaves it to them.

    `places` gives those entries of a record that the feed speaks for. `ids` are the record's names for what it is
    about: the CVEs among them are its vulnerabilities; where there are none, the record is about itself.
    """

    feed: str
    places: Callable[[Record], Iterator[Placed]]
    ids: Callable[[Record], Sequence[str]]
    rating: Callable[[Record], Rating]


def everything(_: PackageKey) -> bool:
    """Say of every package that it is wanted."""
    return True


def said(
    archive: BinaryIO, name: str, dialect: Dialect, revision: str, wanted: Callable[[PackageKey], bool] = everything
) -> Iterator[Said]:
    """Yield what an archive of records says, record by record; `name` says in messages what is read.

    A record about packages of which none is wanted is left out, but for the first one of a namespace. Raises `BadFeed`
    for what is no archive, or has nothing that the dialect places.
    """
    skipped = Skipped(name)
    ids: set[str] = set()
    namespaces: set[str] = set()
    for member in members(archive, name):
        try:
            record = read(member.content)
            if record.id in ids:
                skipped.add(member.name, f"another record has the id {record.id}")
                continue
            ids.add(record.id)
            placed = () if record.withdrawn else tuple(dialect.places(record))
            told = namespaces.issuperset(place.package.namespace for place, _ in placed)
            if told and not any(wanted(place.package) for place, _ in placed):
                continue
            found = tuple(statements(record, placed, dialect, revision))
        except BadFeed as error:
            skipped.add(member.name, error)
            yield Unread(id=PurePosixPath(member.name).stem)
            continue
        if found:
            namespaces.update(statement.package.namespace for statement in found)
            yield advisory_statements(record.id, found)
    skipped.summarise()
    if not namespaces:
        raise BadFeed(f"{name}: of {len(ids)} records that could be read none is about a package of this feed")


def packages(archive: BinaryIO, name: str, places: Callable[[Record], Iterator[Placed]]) -> Iterator[PackageKey]:
    """Yield the packages that an archive's records are about, each as often as it is; for a look before `said`."""
    for member in members(archive, name):
        try:
            record = read(member.content)
        except BadFeed:
            continue  # it is told when it is said
        if not record.withdrawn:
            yield from (place.package for place, _ in places(record))


def cves(ids: Iterable[str]) -> tuple[str, ...]:
    """Return the CVEs among ids, each once, sorted; `UBUNTU-CVE-2024-1234` names one, too."""
    return tuple(sorted({f"CVE-{year}-{number}" for id_ in ids for year, number in _CVE.findall(id_)}))


def by_vectors(record: Record, database: str) -> Rating:
    """Return the rating of a record's CVSS vectors, said by a database: its source is, say, `ghsa cvss 3.1`."""
    found = rating.of_vectors(record.vectors)
    return Rating(found.severity, f"{database} {found.method}") if found else Rating()


def statements(record: Record, placed: Iterable[Placed], dialect: Dialect, revision: str) -> Iterator[Statement]:
    """Yield what a record says of each package, and stream of it, at its places."""
    found: dict[Place, list[tuple[Range, ...]]] = {}
    before: Affected | None = None
    ranges: tuple[Range, ...] = ()
    for place, affected in placed:
        if affected is not before:  # it may be in several places
            before, ranges = affected, versions(affected, place.package.scheme)
        found.setdefault(place, []).append(ranges)
    ids = dialect.ids(record)
    vulnerabilities = cves(ids) or (record.id,)
    aliases = tuple(sorted(set(ids).difference(vulnerabilities, (record.id,))))
    rated = dialect.rating(record)
    for place, together in found.items():
        ranges = _together(together)
        if not ranges:
            continue  # versions are told by commits only
        yield Statement(
            feed=dialect.feed,
            id=record.id,
            package=place.package,
            vulnerabilities=vulnerabilities,
            effect=Effect.AFFECTED,
            ranges=ranges,
            state=State.AFFECTED if None in [versions.fixed for versions in ranges] else State.FIXED,
            severity=rated.severity,
            severity_source=rated.source,
            raw_state=record.note,
            aliases=aliases,
            fix_channel=place.fix_channel,
            stream=place.stream,
            marks=record.marks if place.mark is None else (*record.marks, place.mark),
            revision=revision,
        )


def _together(ranges: Sequence[tuple[Range, ...]]) -> tuple[Range, ...]:
    """Return the ranges of several entries about one package."""
    if len(ranges) == 1 and len(ranges[0]) < 2:
        return ranges[0]
    found = sorted(set(chain.from_iterable(ranges)), key=_order)
    return tuple(found) if len(found) <= RANGES_LIMIT else _EVERY_VERSION


def _order(versions: Range) -> tuple[str, ...]:
    return versions.introduced or "", versions.fixed or "", versions.last_affected or ""


# --- reading ---------------------------------------------------------------------------------------------------------


def read(content: bytes) -> Record:
    """Read one record. Raises `BadFeed`."""
    try:
        fields = mapping(orjson.loads(content), "a record")
    except orjson.JSONDecodeError as error:
        raise BadFeed(f"a record that is no JSON: {error}") from error
    entries = [mapping(entry, "an entry") for entry in _optional(fields, "affected")]
    return Record(
        id=text(fields.get("id"), "the id of a record"),
        withdrawn=bool(fields.get("withdrawn")),
        aliases=_ids(fields, "aliases"),
        upstream=_ids(fields, "upstream"),
        related=_ids(fields, "related"),
        summary=words(fields.get("summary")),
        severity=_severity(fields),
        vectors=_vectors([fields, *entries]),
        marks=marks(fields.get("details")),
        note=_note(entries[0]) if entries else "",
        affected=tuple([_affected(entry) for entry in entries if entry.get("package") is not None]),
    )


def _text(value: object, what: str) -> str:
    """Return a text that records repeat: it is looked at once."""
    return _looked_at(value, what) if isinstance(value, str) else text(value, what)


_looked_at = lru_cache(maxsize=1 << 12)(text)


def _optional(fields: Mapping[str, object], name: str) -> Sequence[object]:
    """Return a list that may be absent, or null."""
    value = fields.get(name)
    return () if value is None else sequence(value, name)


def _section(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return an object that may be absent, or null."""
    value = fields.get(name)
    return {} if value is None else mapping(value, name)


def _ids(fields: Mapping[str, object], name: str) -> tuple[str, ...]:
    ids = _optional(fields, name)
    if len(ids) > IDS_LIMIT:
        raise BadFeed(f"{name} are more than {IDS_LIMIT}")
    return tuple(text(id_, f"one of {name}") for id_ in ids)


def _severity(fields: Mapping[str, object]) -> str:
    """Return the word of the database, or of a vendor whose word stands among the vectors (type `Ubuntu`)."""
    word = words(_section(fields, "database_specific").get("severity"))
    return word or next((score for kind, score in _scores(fields) if not kind.startswith("CVSS_")), "")


def _vectors(rated: Iterable[Mapping[str, object]]) -> tuple[str, ...]:
    """Return the CVSS vectors of a record, or of its entries where these have their own."""
    scores = (score for fields in rated if "severity" in fields for score in _scores(fields))
    return tuple(dict.fromkeys(score for kind, score in scores if kind.startswith("CVSS_")))


def _scores(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for entry in _optional(fields, "severity"):
        score = mapping(entry, "a severity")
        yield words(score.get("type")), words(score.get("score"))


def _affected(entry: Mapping[str, object]) -> Affected:
    """Read what an entry says of a package; one without a package is about a repository of source code."""
    package = mapping(entry["package"], "a package")
    ranges = [mapping(versions, "a range") for versions in _optional(entry, "ranges")]
    return Affected(
        ecosystem=_text(package.get("ecosystem"), "an ecosystem"),
        name=text(package.get("name"), "the name of a package"),
        ranges=tuple([_events(versions.get("events")) for versions in ranges if versions.get("type") != _COMMITS]),
        versions=_optional(entry, "versions"),
    )


def _note(entry: Mapping[str, object]) -> str:
    return words(_section(entry, "database_specific").get("informational"))


def _events(turns: object) -> tuple[Event, ...]:
    found = []
    for turn in sequence(turns, "the events of a range"):
        for kind, version in mapping(turn, "an event").items():
            if kind not in _RANKS:
                raise BadFeed(f"an event {kind[:TEXT_LIMIT]!r}, which we do not know")
            found.append(Event(kind, _text(version, "the version of an event")))
    return tuple(found)


# --- which versions --------------------------------------------------------------------------------------------------


def versions(affected: Affected, scheme: str) -> tuple[Range, ...]:
    """Return the affected versions: intervals, and each listed version that lies in none of them."""
    intervals = tuple(chain.from_iterable([_intervals(events, scheme) for events in affected.ranges]))
    if not affected.versions or Range() in intervals:
        return intervals
    return (*intervals, *_points(affected.versions, intervals, scheme))


@lru_cache(maxsize=1 << 12)
def _intervals(events: tuple[Event, ...], scheme: str) -> tuple[Range, ...]:
    """Walk through the events in the order of their versions; a limit ends the range as if it were fixed there."""
    found = []
    since: str | None = None
    inside = False
    for event in _ordered(_limited(events, scheme), scheme):
        if event.kind == INTRODUCED:
            if not inside:
                since, inside = (None if event == BEGINNING else event.version), True
        elif inside:
            last = event.version if event.kind == LAST_AFFECTED else None
            found.append(Range(introduced=since, fixed=None if last else event.version, last_affected=last))
            inside = False
        if event.kind == LIMIT:
            return tuple(found)
    if inside:
        found.append(Range(introduced=since))
    return tuple(found)


def _limited(events: Sequence[Event], scheme: str) -> Sequence[Event]:
    """Drop all limits but the highest: a version has to be before one of them."""
    limits = [event for event in events if event.kind == LIMIT]
    if not limits:
        return events
    others = [event for event in events if event.kind != LIMIT]
    if any(limit.version == NO_LIMIT for limit in limits):
        return others
    return [*others, _ordered(limits, scheme)[-1]]


def _ordered(events: Sequence[Event], scheme: str) -> Sequence[Event]:
    """Return the events in the order of their versions, else, where that cannot be told, as they are written."""
    if len(events) < 2 or (len(events) == 2 and events[0] == BEGINNING):
        return events
    try:
        return sorted(events, key=cmp_to_key(partial(_compare, scheme)))
    except BadVersion:
        return events


def _compare(scheme: str, one: Event, other: Event) -> int:
    if BEGINNING in (one, other):
        return (one != BEGINNING) - (other != BEGINNING)
    return _compared(one.version, other.version, scheme) or _RANKS[one.kind] - _RANKS[other.kind]


def _compared(one: str, other: str, scheme: str) -> int:
    first, second = _key(one, scheme), _key(other, scheme)
    if first is None or second is None:
        return ecosystems.compare(ecosystems.load()[scheme], one, other)
    return (first > second) - (first < second)


def _points(listed: Sequence[object], intervals: Iterable[Range], scheme: str) -> Iterator[Range]:
    """Yield the listed versions that lie in no interval; as a rule all of them lie in one."""
    if {*map(type, listed)} != {str}:
        raise BadFeed("a listed version is no text")
    outside = cast("Sequence[str]", listed)
    for interval in intervals:
        outside = _outside(outside, interval, scheme)
    for version in outside:
        point = text(version, "a listed version")
        yield Range(introduced=point, last_affected=point)


def _outside(listed: Iterable[str], interval: Range, scheme: str) -> list[str]:
    """Return the versions that are not in the interval: by their keys, as far as there are any."""
    keys = _keys(interval, scheme)
    if keys is None:
        return [version for version in listed if not _includes(interval, version, scheme)]
    lower, upper = keys
    return [
        version
        for version in listed
        if not (lower <= key < upper if (key := _key(version, scheme)) else _includes(interval, version, scheme))
    ]


def _includes(interval: Range, version: str, scheme: str) -> bool:
    """Compare a version with each bound: it, or a bound, has no key."""
    try:
        return (
            (interval.introduced is None or _compared(interval.introduced, version, scheme) <= 0)
            and (interval.fixed is None or _compared(version, interval.fixed, scheme) < 0)
            and (interval.last_affected is None or _compared(version, interval.last_affected, scheme) <= 0)
        )
    except BadVersion:
        return False


def _keys(interval: Range, scheme: str) -> tuple[bytes, bytes] | None:
    """Return the key that is the first in an interval and one that comes after its last, None where there is none.

    No key is the beginning of another, so what follows it in the order is itself with FF behind it.
    """
    lower = b"" if interval.introduced is None else _key(interval.introduced, scheme)
    bound = interval.fixed or interval.last_affected
    upper = b"\xff" * 8 if bound is None else _key(bound, scheme)
    if lower is None or upper is None:
        return None
    return lower, upper if interval.last_affected is None else upper + b"\xff"


@lru_cache(maxsize=1 << 16)
def _key(version: str, scheme: str) -> bytes | None:
    try:
        return ecosystems.load()[scheme].key(version)
    except BadVersion:
        return None
