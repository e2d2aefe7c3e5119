"""What does a notice say? JSON for machines, text for people, attributes for SNS filter policies.

The JSON is `eclair.notice/1`; its changes stand most severe first, those that no longer fit are counted in `omitted`.
"""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import orjson

from eclair.model import Cause, Change, ChangeKind, Digest, Notice, Package, Repository, Severity, Verdict

SCHEMA = "eclair.notice/1"
BODY_LIMIT = 150_000
TEXT_LIMIT = 80_000
"""Bytes of the JSON and of the text as they stand in a message, which is JSON itself and escapes both. SNS takes
262,144 for the two and their attributes.
"""
TEXT_CHANGES = 50
"""How many changes the text lists; the JSON has more, the API all."""
SUMMARY_LIMIT = 20
"""How many changes a notice of a first load lists."""
PLACES_LIMIT = 25
"""How many images are named per change."""
TAGS_LIMIT = 20
"""How many tags are named per image."""
WIDTH = 78
LONGEST = 1000
"""How much of a paragraph of the text is written: names and versions are the image's own."""
SUBJECT_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An image of the repository, and the layer of it that brought the package."""

    digest: Digest
    tags: tuple[str, ...]
    layer: Digest
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One change to one package of one image."""

    change: Change
    package: Package
    namespace: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One change to one package, wherever it is installed."""

    change: Change
    package: Package
    namespace: str
    places: tuple[Place, ...]

    @property
    def rank(self) -> tuple[bool, int, str, str]:
        """Order entries: what got better last, then most severe first."""
        verdict = self.change.verdict
        better = self.change.kind is ChangeKind.WITHDRAWN
        return better, verdict.severity.rank, verdict.vulnerability, self.package.name


def compose(
    news: Iterable[News],
    *,
    repository: Repository,
    sequence: int,
    waiting: tuple[str, ...],
    causes: Sequence[Cause],
    time: float,
    api_url: str = "",
) -> Notice:
    """Return the notice of the news of one burst; the same repository and sequence always give the same id."""
    entries = _entries(news)
    notice_id = str(uuid5(NAMESPACE_URL, f"eclair:{repository}#{sequence}"))
    head = {
        "schema": SCHEMA,
        "id": notice_id,
        "repository": repository,
        "sequence": sequence,
        "time": datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds"),
        "causes": list(causes),
        "counts": _counts(entries),
    }
    if api_url:
        head["link"] = f"{api_url}/images?repository={repository}"
    first_load = Cause.FIRST_LOAD in causes
    listed = entries[:SUMMARY_LIMIT] if first_load else entries
    return Notice(
        id=notice_id,
        repository=repository,
        sequence=sequence,
        subject=_subject(repository, entries),
        body=_body(head, listed, len(entries)),
        text=_text(repository, entries, listed[:TEXT_CHANGES], notice_id, first_load=first_load),
        attributes=_attributes(repository, entries, causes),
        waiting=waiting,
    )


def _entries(news: Iterable[News]) -> list[_Entry]:
    places: defaultdict[tuple[Change, Package, str], dict[Place, None]] = defaultdict(dict)
    for item in news:
        places[item.change, item.package, item.namespace][item.place] = None
    found = (
        _Entry(change=change, package=package, namespace=namespace, places=tuple(some))
        for (change, package, namespace), some in places.items()
    )
    return sorted(found, key=lambda entry: entry.rank)


# --- JSON ------------------------------------------------------------------------------------------------------------


def _counts(entries: Sequence[_Entry]) -> Mapping[str, object]:
    severities = Counter(entry.change.verdict.severity for entry in entries)
    kinds = Counter(entry.change.kind for entry in entries)
    return {
        "changes": len(entries),
        "images": len({place.digest for entry in entries for place in entry.places}),
        "by_severity": {str(severity): severities[severity] for severity in Severity if severities[severity]},
        "by_change": {str(kind): kinds[kind] for kind in ChangeKind if kinds[kind]},
    }


def _body(head: Mapping[str, object], listed: Sequence[_Entry], total: int) -> str:
    """Return the JSON with as many changes as fit; one that is too long leaves its place to others."""
    room = BODY_LIMIT - _escaped(orjson.dumps(head))
    changes: list[orjson.Fragment] = []
    for entry in listed:
        written = orjson.dumps(_change(entry))
        length = _escaped(written) + 1
        if length <= room:
            room -= length
            changes.append(orjson.Fragment(written))
    return orjson.dumps({**head, "changes": changes, "omitted": total - len(changes)}).decode()


def _escaped(text: bytes) -> int:
    """Return how many bytes the text takes within a JSON string."""
    return len(orjson.dumps(text.decode()))


def _change(entry: _Entry) -> Mapping[str, object]:
    verdict, package, old = entry.change.verdict, entry.package, entry.change.old
    return {
        "change": entry.change.kind,
        "vulnerability": verdict.vulnerability,
        "advisories": verdict.advisories,
        "aliases": verdict.aliases,
        "severity": verdict.severity,
        "severity_source": verdict.severity_source,
        "state": verdict.state,
        "fixed_version": verdict.fixed_version,
        "fix_channel": verdict.fix_channel,
        "namespace": entry.namespace,
        "feed": verdict.feed,
        "package": {
            "type": package.type,
            "name": package.name,
            "version": package.version,
            "arch": package.arch,
            "path": package.path,
            "source": {"name": package.source.name, "version": package.source.version} if package.source else None,
        },
        "old": _old(old) if old else None,
        "images": [_place(place) for place in entry.places[:PLACES_LIMIT]],
        "images_omitted": max(0, len(entry.places) - PLACES_LIMIT),
    }


def _old(verdict: Verdict) -> Mapping[str, object]:
    return {"severity": verdict.severity, "state": verdict.state, "fixed_version": verdict.fixed_version}


def _place(place: Place) -> Mapping[str, object]:
    return {
        "digest": place.digest,
        "tags": place.tags[:TAGS_LIMIT],
        "tags_omitted": max(0, len(place.tags) - TAGS_LIMIT),
        "introduced_in": place.layer,
        "created_by": place.created_by[:200],
    }


# --- attributes ------------------------------------------------------------------------------------------------------


def _attributes(
    repository: Repository, entries: Sequence[_Entry], causes: Sequence[Cause]
) -> tuple[tuple[str, str | int | tuple[str, ...]], ...]:
    """Return what SNS filter policies may look at; `severity` is the worst of all changes but withdrawals."""
    severities = {entry.change.verdict.severity for entry in entries}
    worse = [entry.change.verdict.severity for entry in entries if entry.change.kind is not ChangeKind.WITHDRAWN]
    fixable = any(entry.change.new and entry.change.new.fixed_version for entry in entries)
    return (
        ("repository", repository),
        ("severity", str(min(worse or severities, key=lambda severity: severity.rank))),
        ("severities", tuple(str(severity) for severity in Severity if severity in severities)),
        ("changes", tuple(sorted({str(entry.change.kind) for entry in entries}))),
        ("causes", tuple(str(cause) for cause in causes)),
        ("namespaces", tuple(sorted({entry.namespace for entry in entries}))),
        ("fix_available", "true" if fixable else "false"),
        ("scope", "repository"),
    )


# --- text ------------------------------------------------------------------------------------------------------------


def _severity_words(entries: Sequence[_Entry]) -> str:
    counted = Counter(entry.change.verdict.severity for entry in entries)
    return ", ".join(f"{counted[severity]} {severity}" for severity in Severity if counted[severity])


def _subject(repository: Repository, entries: Sequence[_Entry]) -> str:
    """Return one line of printable ASCII, as SNS demands of a subject."""
    name = repository.split("/", 1)[-1]
    line = f"[eclair] {name}: {_severity_words(entries)}"
    ascii_line = "".join(letter if " " <= letter <= "~" else "?" for letter in line)
    return ascii_line if len(ascii_line) <= SUBJECT_LIMIT else ascii_line[: SUBJECT_LIMIT - 3] + "..."


def _text(
    repository: Repository, entries: Sequence[_Entry], listed: Sequence[_Entry], notice_id: str, *, first_load: bool
) -> str:
    images = len({place.digest for entry in entries for place in entry.places})
    lines = [repository, f"{len(entries)} changes in {images} image(s): {_severity_words(entries)}"]
    if first_load:
        lines.append("This is the summary of a first load of advisories: what was there before anyone looked.")
    room, told = TEXT_LIMIT, 0
    for entry in listed:
        written = "\n".join(["", *map(_printable, _entry_lines(entry))])
        length = _escaped(written.encode()) + len("\\n")
        if length <= room:
            room -= length
            told += 1
            lines.append(written)
    if told < len(entries):
        lines += ["", f"... and {len(entries) - told} more: ask the API for the images of this repository."]
    lines += ["", f"notice {notice_id}"]
    return "\n".join(lines) + "\n"


def _printable(line: str) -> str:
    """Return the line without what could act on a terminal: histories and versions are the image's own words."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _entry_lines(entry: _Entry) -> Iterator[str]:
    verdict, package = entry.change.verdict, entry.package
    yield f"{verdict.severity.upper():<10} {verdict.vulnerability}  {_words(entry.change)}"
    source = f" (source {package.source.name} {package.source.version})" if package.source else ""
    yield from _wrapped(f"{package.name} {package.version}{source}, {_fix(verdict)}")
    for place in entry.places[:PLACES_LIMIT]:
        more = f" and {len(place.tags) - TAGS_LIMIT} more" if len(place.tags) > TAGS_LIMIT else ""
        yield from _wrapped(f"image {', '.join(place.tags[:TAGS_LIMIT]) or 'without a tag'}{more}")
        yield f"    {place.digest}"
        yield from _wrapped(f"brought by layer {place.created_by[:120] or 'of unknown command'}", 4)
        yield f"    {place.layer}"
    if len(entry.places) > PLACES_LIMIT:
        yield f"  and {len(entry.places) - PLACES_LIMIT} more images"


def _words(change: Change) -> str:
    if change.kind is ChangeKind.SEVERITY_CHANGED and change.old and change.new:
        return f"severity changed from {change.old.severity} to {change.new.severity}"
    if change.kind is ChangeKind.STATE_CHANGED and change.old and change.new:
        return f"state changed from {change.old.state} to {change.new.state}"
    if change.kind is ChangeKind.UNSUPPRESSED:
        return "is no longer kept quiet"
    return change.kind.replace("-", " ")


def _fix(verdict: Verdict) -> str:
    if verdict.fixed_version:
        return f"fixed in {verdict.fixed_version}"
    return f"no fixed version ({verdict.state})"


def _wrapped(text: str, indent: int = 2) -> list[str]:
    return textwrap.wrap(text[:LONGEST], WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
