"""What does Alpine Linux say of its source packages (aports)?

Reads the security database, https://secdb.alpinelinux.org/ (format: https://secdb.alpinelinux.org/license.txt and
https://wiki.alpinelinux.org/wiki/APKBUILD_Reference#secfixes): per release and repository a list of packages, each with
`secfixes`: fixed version -> ids. It knows only what is fixed; the version 0 stands for "never affected".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from eclair.advisories.json_stream import elements
from eclair.advisories.records import Skipped, mapping, package_statements, sequence, text
from eclair.advisories.support import in_support
from eclair.errors import BadFeed
from eclair.feeds import NOT_FIXED, Document, Feed, Part
from eclair.model import Effect, Kind, PackageKey, PackageStatements, Range, State, Statement, Unread

FIRST_RELEASE = 2
LAST_CERTAIN_RELEASE = 21
"""Every copy of the database worth reading has the releases 3.2 to 3.21; a mirror may be older than a later one."""
LAST_LIKELY_RELEASE = 28
"""Two releases a year: new ones are found without an edit for some years."""

NEVER_AFFECTED = "0"

RAW_STATE_LIMIT = 1000

_CVE = re.compile(r"CVE[-_]([0-9]{4})[-_]([0-9]+)")
_REMARK = re.compile(r"\([^()]*\)")
_DOES_NOT_APPLY = ("not actually applicable", "not affected")


class Alpine:
    """Alpine's security database: the authority for every release of Alpine Linux."""

    name = "alpine"
    omits = NOT_FIXED

    def __init__(self) -> None:
        numbered = (_part(f"v3.{number}", probe=number > LAST_CERTAIN_RELEASE) for number in _release_numbers())
        self.parts = (*numbered, _part("edge"))

    def speaks_for(self, namespace: str) -> str | None:
        return next((part.name for part in self.parts if _namespace(part) == namespace), None)

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[PackageStatements | Unread]:
        reading = _Reading(part)
        for document in documents:
            for position, record in enumerate(elements(document, "packages")):
                reading.package(position, record)
        yield from reading.statements(revision)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        """Say whether the release's end is still to come; one that is newer than the table is supported."""
        return self.speaks_for(namespace) is not None and in_support(namespace, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ids:
    """The ids in one line of `secfixes`, in their order."""

    cves: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def primary(self) -> str:
        return (*self.cves, *self.others)[0]


@dataclass(slots=True, kw_only=True)
class _Advisory:
    """What the lines with one primary id say of one package together."""

    vulnerabilities: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)
    fixed_versions: set[str] = field(default_factory=set)
    lines: set[str] = field(default_factory=set)

    def add(self, fixed: str, ids: _Ids, line: str) -> None:
        self.vulnerabilities.update(ids.cves or (ids.primary,))
        self.aliases.update(other for other in ids.others if other != ids.primary)
        self.fixed_versions.add(fixed)
        self.lines.add(f"{fixed}: {line}")


class _Reading:
    """One reading of a part: the same package may be in both of its documents, an id under several versions."""

    def __init__(self, part: Part) -> None:
        self._namespace = _namespace(part)
        self._skipped = Skipped(f"secdb {part.name}")
        self._packages: dict[str, dict[str, _Advisory]] = {}
        self._unread: dict[Unread, None] = {}

    def package(self, position: int, record: object) -> None:
        """Add what a record says of its package."""
        try:
            package = mapping(mapping(record, "an entry").get("pkg"), "a package")
            name = text(package.get("name"), "a package's name")
        except BadFeed as error:
            self._skip(f"packages[{position}]", error)
            return
        try:
            fixes = mapping(package.get("secfixes") or {}, "secfixes")
        except BadFeed as error:
            self._skip(f"packages[{position}]", error, name)
            return
        advisories = self._packages.setdefault(name, {})
        for fixed, lines in fixes.items():
            for line in self._lines(name, fixed, lines):
                self._line(name, fixed, line, advisories)

    def statements(self, revision: str) -> Iterator[PackageStatements | Unread]:
        """Yield what could not be read, then what was, package by package."""
        self._skipped.summarise()
        if self._skipped.count and not any(self._packages.values()):
            raise BadFeed("not an Alpine security database: none of its records can be read")
        yield from self._unread
        for name, advisories in self._packages.items():
            package = self._package(name)
            statements = [_statement(package, id_, advisory, revision) for id_, advisory in advisories.items()]
            if statements:
                yield package_statements(package, statements)

    def _package(self, name: str) -> PackageKey:
        return PackageKey(scheme="apk", namespace=self._namespace, kind=Kind.SOURCE, name=name)

    def _skip(self, record: str, error: BadFeed, name: str = "") -> None:
        """Note a record that cannot be read, of a package if that much is known."""
        self._skipped.add(record, error)
        self._unread[Unread(package=self._package(name) if name else None)] = None

    def _lines(self, name: str, fixed: str, lines: object) -> Sequence[object]:
        """Return the lines of ids under a fixed version, of which there may be none."""
        try:
            text(fixed, "a fixed version")
            return sequence(lines or [], "the list of ids")
        except BadFeed as error:
            self._skip(f"{name} {fixed}", error, name)
            return ()

    def _line(self, name: str, fixed: str, line: object, advisories: dict[str, _Advisory]) -> None:
        try:
            said = text(line, "a line of ids")
            ids = _ids(said)
        except BadFeed as error:
            self._skip(f"{name} {fixed} {line!s:.80}", error, name)
            return
        if ids is not None:
            advisories.setdefault(ids.primary, _Advisory()).add(fixed, ids, said)


def _ids(line: str) -> _Ids | None:
    """Read the ids of a line by their pattern: `CVE-2018-10472 XSA-258`, `CVE_2019-2426`, `XSA-248 (remark)`.

    Returns None where a remark says that they do not apply. Raises `BadFeed` where there are none.
    """
    remarks = " ".join(_REMARK.findall(line)).lower()
    if any(remark in remarks for remark in _DOES_NOT_APPLY):
        return None
    cves = tuple(dict.fromkeys(f"CVE-{year}-{number}" for year, number in _CVE.findall(line)))
    rest = _REMARK.sub(" ", line).split()
    others = tuple(dict.fromkeys(word for word in rest if _is_id(word) and not _CVE.search(word)))
    if not cves and not others:
        raise BadFeed("a line of ids has none")
    return _Ids(cves=cves, others=others)


def _is_id(word: str) -> bool:
    """Say whether a word looks like an id: `XSA-248`, `GHSA-77vh-xpmg-72qh`, `VSV00014`, `DW202402-001`."""
    joined = word.replace("-", "").replace("_", "")
    return word[0].isalpha() and joined.isascii() and joined.isalnum() and any(letter.isdigit() for letter in joined)


def _statement(package: PackageKey, id_: str, advisory: _Advisory, revision: str) -> Statement:
    # Where one line says "never affected" and another names a fix, the fix counts.
    ranges = tuple(Range(fixed=fixed) for fixed in sorted(advisory.fixed_versions - {NEVER_AFFECTED}))
    return Statement(
        feed="alpine",
        id=id_,
        package=package,
        vulnerabilities=tuple(sorted(advisory.vulnerabilities)),
        effect=Effect.AFFECTED if ranges else Effect.NOT_AFFECTED,
        ranges=ranges,
        state=State.FIXED if ranges else State.NOT_AFFECTED,
        raw_state="; ".join(sorted(advisory.lines))[:RAW_STATE_LIMIT],
        aliases=tuple(sorted(advisory.aliases)),
        revision=revision,
    )


def _release_numbers() -> range:
    return range(FIRST_RELEASE, LAST_LIKELY_RELEASE + 1)


def _part(name: str, *, probe: bool = False) -> Part:
    main, community = (
        f"https://secdb.alpinelinux.org/{name}/{repository}.json" for repository in ("main", "community")
    )
    return Part(name=name, documents=(Document(url=main), Document(url=community, optional=True)), probe=probe)


def _namespace(part: Part) -> str:
    return f"alpine:{part.name.removeprefix('v')}"


FEED: Final[Feed] = Alpine()
