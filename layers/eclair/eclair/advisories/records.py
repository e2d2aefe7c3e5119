"""How are the records of an advisory document read? Typed, bounded, and counted where they are broken."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import orjson

from eclair.errors import BadFeed
from eclair.model import AdvisoryStatements, Mark, PackageKey, PackageStatements, Statement

TEXT_LIMIT = 256
"""Longer names, versions and ids are refused: together they have to fit into the keys they are stored under."""

_LOGGED = 20
"""So many broken records of one document are logged one by one; the others are counted."""

_BEGINNING = 64
_MARKS: Mapping[Mark, tuple[str, ...]] = {
    Mark.DISPUTED: ("** DISPUTED **", "DISPUTED:"),
    Mark.REJECTED: ("** REJECT **", "REJECTED REASON:"),
}

_log = logging.getLogger(__name__)


def mapping(value: object, what: str) -> Mapping[str, object]:
    """Return the JSON object that `what` names. Raises `BadFeed`."""
    if not isinstance(value, dict):
        raise BadFeed(f"{what} is no JSON object")
    return value


def sequence(value: object, what: str) -> Sequence[object]:
    """Return the JSON array that `what` names. Raises `BadFeed`."""
    if not isinstance(value, list):
        raise BadFeed(f"{what} is no JSON array")
    return value


def text(value: object, what: str) -> str:
    """Return the name, version or id that `what` names: short, printable, without the # that parts keys.

    Raises `BadFeed`.
    """
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LIMIT or not value.isprintable() or "#" in value:
        raise BadFeed(f"{what} is no printable text of 1 to {TEXT_LIMIT} characters without '#'")
    return value


def words(value: object) -> str:
    """Return the vendor's free words on one printable line, cut to a length; nothing for what is no text."""
    if not isinstance(value, str):
        return ""
    line = value if value.isprintable() else " ".join(value.split())
    return line[:TEXT_LIMIT] if line.isprintable() else repr(line[:TEXT_LIMIT])


def marks(description: object) -> tuple[Mark, ...]:
    """Return what the beginning of a CVE's description marks: https://www.cve.org/ResourcesSupport/AllResources/CNARules."""
    if not isinstance(description, str):
        return ()
    beginning = description[:_BEGINNING].lstrip().upper()
    return tuple(mark for mark, words in _MARKS.items() if beginning.startswith(words))


class Skipped:
    """The broken records of one document: the first ones are logged with their id, all are counted."""

    def __init__(self, document: str) -> None:
        self._document = document
        self.count = 0

    def add(self, record: str, reason: object) -> None:
        self.count += 1
        if self.count <= _LOGGED:
            _log.warning("record skipped: document=%s record=%r reason=%s", self._document, record[:TEXT_LIMIT], reason)

    def summarise(self) -> None:
        """Log how many records were skipped, if any."""
        if self.count:
            _log.warning("records skipped: document=%s count=%d", self._document, self.count)


def package_statements(package: PackageKey, statements: Iterable[Statement]) -> PackageStatements:
    """Return the statements about a package sorted by their ids, with the digest of what they say."""
    ordered = tuple(sorted(statements, key=_id_and_stream))
    return PackageStatements(package=package, statements=ordered, digest=_digest(map(_meaning, ordered)))


def advisory_statements(advisory: str, statements: Iterable[Statement]) -> AdvisoryStatements:
    """Return the statements under an advisory id sorted by their packages, with the digest of what they say."""
    ordered = tuple(sorted(statements, key=_package_and_stream))
    said = ((str(statement.package), _meaning(statement)) for statement in ordered)
    return AdvisoryStatements(id=advisory, statements=ordered, digest=_digest(said))


def _id_and_stream(statement: Statement) -> tuple[str, str]:
    return statement.id, statement.stream


def _package_and_stream(statement: Statement) -> tuple[str, str]:
    return str(statement.package), statement.stream


def _digest(said: Iterable[object]) -> str:
    return blake2b(orjson.dumps(list(said)), digest_size=16).hexdigest()


def _meaning(statement: Statement) -> tuple[object, ...]:
    """Return what a statement says; not when it was said (revision, seq, first load)."""
    return (
        statement.id,
        statement.vulnerabilities,
        statement.effect,
        [(interval.introduced, interval.fixed, interval.last_affected) for interval in statement.ranges],
        statement.state,
        statement.severity,
        statement.severity_source,
        statement.raw_state,
        statement.aliases,
        statement.fix_channel,
        statement.stream,
        statement.marks,
        statement.withdrawn,
    )
