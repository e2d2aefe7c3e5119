"""What does an OVAL document say: its definitions, and the package that each of their tests looks for?

Reads the Open Vulnerability and Assessment Language, version 5
(https://oval.mitre.org/language/version5.11/ovaldefinition/documentation/oval-definitions-schema.html). A document
lists definitions, then tests, then the objects and the states that tests are made of; a definition combines tests by
criteria. Some vendors say the same in a criterion's comment ("vim is earlier than 2:8.0.1-1"), some need the tests.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import BinaryIO, Final
from xml.etree.ElementTree import Element

from eclair.advisories.records import text
from eclair.advisories.xml_stream import elements, text_of
from eclair.errors import BadFeed
from eclair.model import Range

ALTERNATIVES_LIMIT: Final = 50_000
"""A definition whose criteria come to more alternatives is refused; the largest known has some thousand."""

ROOT: Final = "oval_definitions"

NONE_SATISFY: Final = "none satisfy"

NO_NUMBER: Final = -1
_DIGITS: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One test of a definition, and the comment that says it in words."""

    test: int
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Criteria and tests of which all (AND) or one (OR) have to hold."""

    every: bool
    children: "tuple[Criteria | Criterion, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One definition; `facts` are the texts (or dates) of the elements in its metadata and its advisory, by name.

    `references` are (source, id), for instance ("CVE", "CVE-2021-3449"); sources are in upper case.
    """

    kind: str
    title: str
    references: tuple[tuple[str, str], ...]
    facts: Mapping[str, str]
    criteria: Criteria

    def ids(self, source: str) -> tuple[str, ...]:
        """Return what a source calls it."""
        return tuple(id_ for said_by, id_ in self.references if said_by == source)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How an installed package has to be: its epoch, version and release stand in this relation (`less than`) to `evr`.

    `relation` is "" where the state says nothing of that. `version` is what the version alone has to equal, if it says
    that.
    """

    relation: str
    evr: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a test looks for: a package of this name in this state; or that there is `none`."""

    name: str
    state: State
    none: bool = False


def definitions(stream: BinaryIO) -> Iterator[tuple[str, Definition | BadFeed]]:
    """Yield the id of each definition, with the definition or what is wrong with it.

    Raises `BadFeed` where the document is none that can be read.
    """
    for element in elements(stream, ROOT, {"definition"}):
        try:
            yield element.get("id", ""), _definition(element)
        except BadFeed as error:
            yield element.get("id", ""), error


def checks(stream: BinaryIO) -> Mapping[int, Check]:
    """Return what each test looks for; one that the document does not explain is missing.

    Raises `BadFeed` where the document is none that can be read.
    """
    tests: dict[int, tuple[int, int, bool]] = {}
    names: dict[int, str] = {}
    states: dict[int, State] = {}
    alike: dict[State, State] = {}
    for element in elements(stream, ROOT, {"rpminfo_test", "rpminfo_object", "rpminfo_state"}):
        number = _number(element.get("id", ""))
        match element.tag:
            case "rpminfo_test":
                none = element.get("check") == NONE_SATISFY
                tests[number] = _referred(element, "object"), _referred(element, "state"), none
            case "rpminfo_object":
                names[number] = text_of(element, "name")
            case _:
                state = _state(element)
                states[number] = alike.setdefault(state, state)
    return {
        number: Check(name=names[named], state=states[required], none=none)
        for number, (named, required, none) in tests.items()
        if number != NO_NUMBER and names.get(named) and required in states
    }


def versions(states: Iterable[State]) -> Range:
    """Return the versions that are in all of the states. Raises `BadFeed` for a relation that makes no range.

    OVAL has an open lower bound too ("greater than"); the vendors name a version there that no package has.
    """
    introduced = fixed = last_affected = None
    for state in states:
        evr = text(state.evr, "a version")
        match state.relation:
            case "less than":
                fixed = evr
            case "less than or equal":
                last_affected = evr
            case "greater than" | "greater than or equal":
                introduced = evr
            case "equals":
                introduced = last_affected = evr
            case relation:
                raise BadFeed(f"a version that is {relation!r} another makes no range")
    return Range(introduced=introduced, fixed=fixed, last_affected=last_affected)


def alternatives(criteria: Criteria) -> Iterator[tuple[Criterion, ...]]:
    """Yield the sets of tests of which one has to hold as a whole. Raises `BadFeed` where they are too many."""
    if _count(criteria) > ALTERNATIVES_LIMIT:
        raise BadFeed(f"criteria with more than {ALTERNATIVES_LIMIT} alternatives")
    yield from _alternatives(criteria)


def _alternatives(node: Criteria | Criterion) -> Iterator[tuple[Criterion, ...]]:
    if isinstance(node, Criterion):
        yield (node,)
    elif node.every:
        for choice in product(*map(_alternatives, node.children)):
            yield tuple(criterion for chosen in choice for criterion in chosen)
    else:
        for child in node.children:
            yield from _alternatives(child)


def _count(node: Criteria | Criterion) -> int:
    if isinstance(node, Criterion):
        return 1
    counts = list(map(_count, node.children))
    if not node.every:
        return sum(counts)
    total = 1
    for count in counts:
        total = min(total * count, ALTERNATIVES_LIMIT + 1)  # no number of a million digits
    return total


def _definition(element: Element) -> Definition:
    metadata = element.find("metadata")
    criteria = element.find("criteria")
    if metadata is None or criteria is None:
        raise BadFeed("a definition without metadata or criteria")
    advisory = metadata.find("advisory")
    facts = {
        child.tag: text_of(child) or child.get("date", "")
        for part in (advisory, metadata)
        if part is not None
        for child in part
    }
    return Definition(
        kind=element.get("class", ""),
        title=text_of(metadata, "title"),
        references=tuple(
            (reference.get("source", "").upper(), reference.get("ref_id", ""))
            for reference in metadata.findall("reference")
        ),
        facts=facts,
        criteria=_criteria(criteria),
    )


def _criteria(element: Element) -> Criteria:
    operator = element.get("operator", "AND")
    if operator not in ("AND", "OR") or element.get("negate", "false") != "false":
        raise BadFeed(f"criteria joined by {operator!r}, or negated, which no package advisory needs")
    return Criteria(every=operator == "AND", children=tuple(map(_child, element)))


def _child(element: Element) -> Criteria | Criterion:
    match element.tag:
        case "criteria":
            return _criteria(element)
        case "criterion" if element.get("negate", "false") == "false":
            return Criterion(test=_number(element.get("test_ref", "")), comment=element.get("comment", ""))
        case _:
            raise BadFeed(f"criteria with a {element.tag!r}, or one that is negated")


def _referred(test: Element, what: str) -> int:
    reference = test.find(what)
    return NO_NUMBER if reference is None else _number(reference.get(f"{what}_ref", ""))


def _state(element: Element) -> State:
    evr = element.find("evr")
    return State(
        relation="" if evr is None else evr.get("operation", "equals"),
        evr=text_of(element, "evr"),
        version=text_of(element, "version"),
    )


def _number(id_: str) -> int:
    """Return the number that ends an id such as `oval:com.oracle.elsa:tst:20219151001`, -1 where there is none."""
    digits = id_.rpartition(":")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else NO_NUMBER
