"""What does Red Hat say of the packages of Red Hat Enterprise Linux?

Reads its VEX documents, one per CVE, in the Common Security Advisory Framework (`advisories.csaf`):
https://security.access.redhat.com/data/csaf/v2/vex/, described at
https://redhatproductsecurity.github.io/security-data-guidelines/csaf-vex/. `archive_latest.txt` names an archive of all
documents; `changes.csv` and `deletions.csv` say when each was changed or deleted, so that after a first load only those
that changed are fetched.

What a document says is read by `redhat_vex`. Red Hat's table of repositories and CPEs (`repository-to-cpe.json`)
is not needed: the ids of the repositories of a minor release name it, and the main ones count for every image.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, Final, NamedTuple

from eclair.advisories import bundle, errata
from eclair.advisories.records import Skipped, advisory_statements, words
from eclair.advisories.redhat_vex import DISTRIBUTION, rows
from eclair.advisories.support import in_support
from eclair.errors import BadFeed, NotFound
from eclair.feeds import Document, Feed, Open, Part, Step
from eclair.model import AdvisoryStatements, Said, Unread

FOLDER: Final = "https://security.access.redhat.com/data/csaf/v2/vex"

READING: Final = "1"
"""How the documents are read: raise it when the same ones would give other statements, to load all of them again."""

OVERLAP: Final = timedelta(days=1)
"""An archive may lack what was changed in the hours before its date."""

MOST_SINGLE: Final = 3000
"""With more changed documents than this, a newer archive is read first."""

DOCUMENT_LIMIT: Final = 64 << 20
LIST_LIMIT: Final = 128 << 20

_ARCHIVE: Final = re.compile(r"csaf_vex_([0-9]{4}-[0-9]{2}-[0-9]{2})\.tar\.zst")
_PATH: Final = re.compile(r"(?:\./)?(?:[0-9]{4}/)?(cve-[0-9]{4}-[0-9]{4,19})\.json", re.ASCII)


class RedHat:
    """Red Hat's VEX documents: the authority for every release of Red Hat Enterprise Linux."""

    name = "redhat"
    parts = (
        Part(
            name="vex",
            documents=tuple(
                Document(url=f"{FOLDER}/{name}") for name in ("archive_latest.txt", "changes.csv", "deletions.csv")
            ),
        ),
    )

    def speaks_for(self, namespace: str) -> str | None:
        distribution, _, release = namespace.partition(":")
        return self.parts[0].name if distribution == DISTRIBUTION and release else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        """Yield nothing: the documents are read one by one, by `changes`."""
        return iter(())

    def changes(
        self, part: Part, documents: Sequence[BinaryIO], cursor: str, open_: Open, revision: str
    ) -> Iterator[Step]:
        latest, changed, deleted = documents
        history = _History(changed, deleted)
        reading = _Reading(open_, history, revision)
        archive = _archive(latest)
        since = _Since.of(cursor)
        if since is None or (archive.date > since.moment and history.count(since, MOST_SINGLE) > MOST_SINGLE):
            since = _Since((archive.date - OVERLAP).isoformat(), "")
            yield from reading.archive(archive, since, behind=_path(cursor, archive))
        yield from reading.singles(since)
        reading.skipped.summarise()

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None and in_support(namespace, now)


# --- which documents -------------------------------------------------------------------------------------------------


class _Archive(NamedTuple):
    name: str
    date: datetime


class _Since(NamedTuple):
    """Up to where the changes are loaded: the moment (ISO 8601, UTC) and path of the last one."""

    time: str
    path: str

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.time)

    @property
    def cursor(self) -> str:
        return f"{READING} since {self.time} {self.path}".rstrip()

    @classmethod
    def of(cls, cursor: str) -> "_Since | None":
        match cursor.split():
            case [reading, "since", moment, *path] if reading == READING:
                return cls(moment, "".join(path))
            case _:
                return None


def _archive(latest: BinaryIO) -> _Archive:
    """Return the archive that `archive_latest.txt` names."""
    name = latest.read(256).decode(errors="replace").strip()
    match = _ARCHIVE.fullmatch(name)
    if match is None:
        raise BadFeed(f"{words(name)!r} is no name of an archive of VEX documents")
    try:
        return _Archive(name, datetime.fromisoformat(match[1]).replace(tzinfo=UTC))
    except ValueError as error:
        raise BadFeed(f"{name} is of no date") from error


def _path(cursor: str, archive: _Archive) -> str:
    """Return the document up to which the archive is loaded, "" at its beginning or where it is another one."""
    match cursor.split():
        case [reading, "archive", name, path] if (reading, name) == (READING, archive.name):
            return path
        case _:
            return ""


class _History:
    """When each document was last changed and when it was deleted; both lists are read once for each question."""

    def __init__(self, changed: BinaryIO, deleted: BinaryIO) -> None:
        self._changed = changed
        self._deletions = dict(_dates(deleted, "deletions.csv"))
        changes = {path: when for path, when in _dates(changed, "changes.csv") if path in self._deletions}
        self.gone = frozenset(path for path, when in self._deletions.items() if when >= changes.get(path, ""))

    def before(self, since: _Since) -> set[str]:
        """Return the paths of all documents that have not changed since."""
        self._changed.seek(0)
        return {path for path, when in _dates(self._changed, "changes.csv") if (when, path) <= since} - self.gone

    def count(self, since: _Since, limit: int) -> int:
        """Count what was changed after `since`, no further than just above the limit."""
        found = 0
        for _ in self._after(since):
            found += 1
            if found > limit:
                break
        return found

    def after(self, since: _Since) -> Sequence[_Since]:
        """Return what was changed or deleted after `since`, in the order of time."""
        return sorted(self._after(since))

    def _after(self, since: _Since) -> Iterator[_Since]:
        self._changed.seek(0)
        for path, when in _dates(self._changed, "changes.csv"):
            if (when, path) > since and path not in self.gone:
                yield _Since(when, path)
        for path in self.gone:
            if (self._deletions[path], path) > since:
                yield _Since(self._deletions[path], path)


def _dates(document: BinaryIO, name: str) -> Iterator[tuple[str, str]]:
    """Yield path and time (ISO 8601, UTC) of each line: `"2023/cve-2023-0030.json","2024-07-10T15:40:28+00:00"`."""
    raw = document.read(LIST_LIMIT + 1)
    if len(raw) > LIST_LIMIT:
        raise BadFeed(f"{name} is larger than {LIST_LIMIT} bytes")
    skipped, read = Skipped(name), 0
    for line, text in enumerate(raw.decode(errors="replace").splitlines(), 1):
        try:
            [fields] = csv.reader((text,))
            yield _date(*fields)
            read += 1
        except (TypeError, ValueError, csv.Error) as error:
            skipped.add(f"line {line}", error)
    skipped.summarise()
    if skipped.count and not read:
        raise BadFeed(f"{name} has no line that can be read")


def _date(path: str, moment: str) -> tuple[str, str]:
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r:.100} is no path of a document")
    return path, datetime.fromisoformat(moment).astimezone(UTC).isoformat()


class _Reading:
    """One run over documents that changed."""

    def __init__(self, open_: Open, history: _History, revision: str) -> None:
        self.skipped = Skipped(FOLDER)
        self._open = open_
        self._history = history
        self._revision = revision

    def archive(self, archive: _Archive, since: _Since, behind: str) -> Iterator[Step]:
        """Yield what all documents say that have not changed since, from behind the one at the path `behind` on."""
        passing = bool(behind)
        for path, content in self._all(archive, since):
            if passing:
                passing = path != behind
                continue
            said = self._single(path) if content is None else self._said(path, content)
            yield Step(said=said, cursor=f"{READING} archive {archive.name} {path}")
        if passing:
            raise BadFeed(f"{archive.name} has lost {behind}, up to which it was read")

    def _all(self, archive: _Archive, since: _Since) -> Iterator[tuple[str, bytes | None]]:
        """Yield path and content of the archive's documents, then the paths of those that are listed beside them."""
        beside = self._history.before(since)
        with self._open(Document(url=f"{FOLDER}/{archive.name}")) as stream:
            for member in bundle.members(stream, archive.name):
                if _PATH.fullmatch(member.name):
                    beside.discard(member.name)
                    yield member.name, member.content
        yield from ((path, None) for path in sorted(beside))

    def singles(self, since: _Since) -> Iterator[Step]:
        """Yield what the documents say that changed since."""
        for change in self._history.after(since):
            yield Step(said=self._single(change.path), cursor=change.cursor)

    def _single(self, path: str) -> AdvisoryStatements | Unread:
        if path in self._history.gone:
            return advisory_statements(_cve(path), ())
        try:
            with self._open(Document(url=f"{FOLDER}/{path}")) as stream:
                return self._said(path, stream.read(DOCUMENT_LIMIT))
        except NotFound as error:  # what is deleted is listed as that
            self.skipped.add(path, error)
            return Unread(id=_cve(path))

    def _said(self, path: str, content: bytes) -> AdvisoryStatements | Unread:
        cve = _cve(path)
        if path in self._history.gone:
            return advisory_statements(cve, ())
        try:
            return advisory_statements(cve, errata.statements(RedHat.name, rows(cve, content), self._revision))
        except BadFeed as error:
            self.skipped.add(path, error)
            return Unread(id=cve)


def _cve(path: str) -> str:
    match = _PATH.fullmatch(path)
    assert match is not None, "paths that are no documents are passed over before"
    return match[1].upper()


FEED: Final[Feed] = RedHat()
