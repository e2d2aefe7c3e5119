"""Keep what need not be told: ignore rules, VEX documents and quiet hours, each under its id in one rule book.

Whatever changes there, and every rule or quiet hour that ends, concerns the repositories that it is for: they are
woken, and notify finds what differs from the rules under which they were told (see `notify`). Waking goes on where it
was cut off: how far it came is stored page by page, and a schedule calls for it every few minutes.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import TypeVar

import orjson

from eclair.errors import BadRules, NotFound, Unavailable
from eclair.model import IgnoreRule, NotifyRequest, QuietHours, RuleBook, RulesAt, VexDocument, VexStatement, Waking
from eclair.ports import Clock, Images, Queues, Rules
from eclair.rule_file import LARGEST_BOOK, MOST_RULES, check_id, is_hours, read_hours, read_rule, written
from eclair.suppress import covers, is_quiet, lasts
from eclair.vex import is_vex, read_vex

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
ATTEMPTS = 10
"""How often a change is made again because others changed the book meanwhile."""
PAGE = 100
"""Repositories that are woken at once."""
MOST_VERSIONS = 100
"""So many versions of the rule book are looked through for whom they concern; with more of them, all are woken."""
RESERVE = 10.0
"""Seconds that the waking of a page may take."""
STEP = 900.0
LONGEST_LOOK_BACK = 7 * 86_400.0
"""Quiet hours that ended are looked for in steps of a quarter of an hour, at most so far back."""

Entry = IgnoreRule | VexDocument | QuietHours
E = TypeVar("E", IgnoreRule, VexDocument, QuietHours, Entry)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class VexSummary:
    """A VEX document: under which id we keep it, how it names itself, and how much of it counts."""

    id: str
    format: str
    document: str
    author: str
    time: float
    statements: int
    unplaced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleList:
    """Rules and quiet hours as they are written down, and the VEX documents."""

    rules: tuple[Mapping[str, object], ...]
    hours: tuple[Mapping[str, object], ...]
    documents: tuple[VexSummary, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """The use case over its ports."""

    images: Images
    rules: Rules
    queues: Queues
    clock: Clock

    def listed(self, *, page: str | None = None, limit: int = DEFAULT_LIMIT) -> RuleList:
        """List what is kept, also what ended, in the order of the ids; a page begins after the id that names it."""
        found = [entry for entry in _sorted(entries(self.rules.book())) if page is None or entry.id > page]
        following = found[limit - 1].id if len(found) > limit else None
        return replace(rule_list(found[:limit]), next=following)

    def one(self, id_: str) -> Entry:
        """Return what is under the id. Raises `NotFound`."""
        return _found(self.rules.book(), id_)

    def put(self, id_: str, content: bytes, *, by: str = "") -> Entry:
        """Store what is said under the id, in the place of what was there. Raises `BadRules`, `Unavailable`."""
        entry = read_entry(id_, content, by=by)
        self._change(lambda book: _with(_without(book, id_), entry))
        _log.info("rule put", extra={"rule": id_, "by": by})
        return entry

    def delete(self, id_: str, *, by: str = "") -> Entry:
        """Delete what is under the id, and return it. Raises `NotFound`, `Unavailable`."""
        before = self._change(lambda book: _without(book, _found(book, id_).id))
        _log.info("rule deleted", extra={"rule": id_, "by": by})
        return _found(before, id_)

    def _change(self, change: Callable[[RuleBook], RuleBook]) -> RuleBook:
        """Make the next version of the book; return the one before."""
        for _ in range(ATTEMPTS):
            book = self.rules.book()
            if self.rules.save(replace(change(book), version=book.version + 1)):
                return book
        raise Unavailable(f"the rules were changed {ATTEMPTS} times by others meanwhile; try again")

    def wake(self, *, remaining: Callable[[], float] = lambda: inf) -> int:
        """Have the repositories told that a change of the rules concerns; return how many, for now."""
        waking = self.rules.waking()
        to = waking.to or RulesAt(version=self.rules.book().version, moment=self.clock())
        patterns = frozenset(self._concerned(waking.rules, to))
        woken, page = 0, waking.page
        while patterns:
            if remaining() < RESERVE:
                return woken  # the next call goes on
            found = self.images.repositories(page=page, limit=PAGE)
            requests = [
                NotifyRequest(repository=name, reason=f"rules {to.version} at {to.moment}")
                for name in found.items
                if any(covers(pattern, name) for pattern in patterns)
            ]
            if requests:
                self.queues.notify(requests)
            woken, page = woken + len(requests), found.next
            if page is None:
                break
            self.rules.save_waking(replace(waking, to=to, page=page))
        if to.version:
            self.rules.save_waking(Waking(rules=to))
        return woken

    def _concerned(self, since: RulesAt, to: RulesAt) -> Iterator[str]:
        """Yield patterns of the repositories that any of the changes concerns, or an end of rules or quiet hours.

        Also a rule counts that came and went meanwhile: who was told under it stands under it.
        """
        first = max(since.version, to.version - MOST_VERSIONS)
        if first > since.version:
            yield ""
        for old, new in pairwise(map(self.rules.at, range(first, to.version + 1))):
            if old is None or new is None or old.documents != new.documents:
                yield ""
            else:
                yield from (rule.repository for rule in set(old.rules) ^ set(new.rules) if lasts(rule, since.moment))
                yield from (some.repository for some in set(old.hours) ^ set(new.hours))
        present = self.rules.at(to.version) or RuleBook()
        yield from (
            rule.repository for rule in present.rules if lasts(rule, since.moment) and not lasts(rule, to.moment)
        )
        yield from (some.repository for some in present.hours if _ended(some, since.moment, to.moment))


def read_entry(id_: str, content: bytes, *, by: str) -> Entry:
    """Return the rule, quiet hours or VEX document that JSON holds. Raises `BadRules`."""
    check_id(id_)
    try:
        said: object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRules(f"the rule is no JSON: {error}") from error
    if is_vex(said):
        return read_vex(content, id_)
    return read_hours(said, id_=id_, by=by) if is_hours(said) else read_rule(said, id_=id_, by=by)


def entries(book: RuleBook) -> Iterator[Entry]:
    """Yield all that a book holds."""
    yield from book.rules
    yield from book.documents
    yield from book.hours


def rule_list(found: Iterable[Entry]) -> RuleList:
    """Return entries as people read them."""
    found = tuple(found)
    return RuleList(
        rules=tuple(written(entry) for entry in found if isinstance(entry, IgnoreRule)),
        hours=tuple(written(entry) for entry in found if isinstance(entry, QuietHours)),
        documents=tuple(_summary(entry) for entry in found if isinstance(entry, VexDocument)),
    )


def _summary(document: VexDocument) -> VexSummary:
    return VexSummary(
        id=document.id,
        format=document.format,
        document=document.document,
        author=document.author,
        time=document.time,
        statements=len(document.statements),
        unplaced=document.unplaced,
    )


def _found(book: RuleBook, id_: str) -> Entry:
    for entry in entries(book):
        if entry.id == id_:
            return entry
    raise NotFound(f"there is no rule {id_[:200]!r}: see GET /rules for those there are")


def _with(book: RuleBook, entry: Entry) -> RuleBook:
    if sum(1 for _ in entries(book)) >= MOST_RULES:
        raise BadRules(f"there are {MOST_RULES} rules already: delete some that ended")
    products = sum(len(said.products) for document in (*book.documents, entry) for said in _statements(document))
    if products > LARGEST_BOOK:
        raise BadRules(f"the VEX documents would name more than {LARGEST_BOOK} products in all: delete some")
    match entry:
        case IgnoreRule():
            return replace(book, rules=_sorted((*book.rules, entry)))
        case VexDocument():
            return replace(book, documents=_sorted((*book.documents, entry)))
        case QuietHours():
            return replace(book, hours=_sorted((*book.hours, entry)))


def _statements(entry: Entry) -> Iterable[VexStatement]:
    return entry.statements if isinstance(entry, VexDocument) else ()


def _sorted(found: Iterable[E]) -> tuple[E, ...]:
    return tuple(sorted(found, key=lambda entry: entry.id))


def _without(book: RuleBook, id_: str) -> RuleBook:
    return replace(
        book,
        rules=tuple(rule for rule in book.rules if rule.id != id_),
        documents=tuple(document for document in book.documents if document.id != id_),
        hours=tuple(some for some in book.hours if some.id != id_),
    )


def _ended(hours: QuietHours, since: float, now: float) -> bool:
    """Say whether the hours were on at some time and are not any more."""
    if is_quiet(hours, now):
        return False
    steps = int(min(now - since, LONGEST_LOOK_BACK) // STEP) + 1
    return any(is_quiet(hours, now - number * STEP) for number in range(1, steps)) or is_quiet(hours, since)
