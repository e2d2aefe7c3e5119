"""OVAL documents: definitions one by one, tests explained, criteria as alternatives."""

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.advisories import oval
from eclair.advisories.oval import Check, Criteria, Criterion, Definition, State
from eclair.errors import BadFeed
from eclair.model import Range
from tests.feeds.said import NO_XML, xml_attacks

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds"


def definitions(content: bytes) -> list[Definition | BadFeed]:
    return [definition for _, definition in oval.definitions(io.BytesIO(content))]


def all_of(*children: Criteria | Criterion) -> Criteria:
    return Criteria(every=True, children=children)


def one_of(*children: Criteria | Criterion) -> Criteria:
    return Criteria(every=False, children=children)


def leaf(number: int) -> Criterion:
    return Criterion(test=number, comment="")


def numbers(criteria: Criteria) -> list[list[int]]:
    return [[criterion.test for criterion in tests] for tests in oval.alternatives(criteria)]


def test_a_recorded_definition_is_read() -> None:
    content = gzip.decompress((SAMPLES / "photon" / "com.vmware.phsa-photon5.xml.gz").read_bytes())
    [definition] = definitions(content)
    assert isinstance(definition, Definition)
    assert definition.kind == "patch"
    assert definition.title == "PHSA-2024:00001 ansible Security Update. (Important)"
    assert definition.ids("PHSA") == ("PHSA:00001:5.0:184",)
    assert definition.ids("CVE") == ("CVE:00001:CVE-2023-5115", "CVE:00001:CVE-2023-5764")
    assert (definition.facts["severity"], definition.facts["issued"]) == ("Important", "2024-01-04")
    comments = [[test.comment for test in tests] for tests in oval.alternatives(definition.criteria)]
    installed = "Photon OS 5 is installed"
    assert comments == [
        [installed, "ansible is earlier than 0:2.14.12-1.ph5", "ansible is signed with VMware key"],
        [installed, "ansible-devel is earlier than 0:2.14.12-1.ph5", "ansible-devel is signed with VMware key"],
    ]


def test_tests_are_explained_by_their_objects_and_states() -> None:
    content = gzip.decompress((SAMPLES / "suse" / "opensuse.leap.15.2.xml.gz").read_bytes())
    assert oval.checks(io.BytesIO(content)) == {
        2009290409: Check(name="openSUSE-release", state=State(relation="", evr="", version="15.2")),
        2009629523: Check(name="fastjar", state=State(relation="less than", evr="0:0.98-lp152.4.3.1", version="")),
        2009627142: Check(name="fastjar", state=State(relation="", evr="", version="")),
    }


def test_what_a_test_does_not_explain_is_missing() -> None:
    content = b"""<oval_definitions><tests>
        <rpminfo_test id="x:tst:1"><object object_ref="x:obj:1"/><state state_ref="x:ste:1"/></rpminfo_test>
        <rpminfo_test id="x:tst:2"><object object_ref="x:obj:9"/><state state_ref="x:ste:1"/></rpminfo_test>
        <rpminfo_test id="x:tst:3"><object object_ref="x:obj:1"/></rpminfo_test>
        <rpminfo_test id="none"><object object_ref="x:obj:1"/><state state_ref="x:ste:1"/></rpminfo_test>
        <rpminfo_object id="x:obj:1"><name>a</name></rpminfo_object>
        <rpminfo_state id="x:ste:1"><evr operation="less than">1-1</evr></rpminfo_state>
    </tests></oval_definitions>"""
    assert list(oval.checks(io.BytesIO(content))) == [1]


def test_criteria_become_alternatives() -> None:
    assert numbers(all_of(leaf(1), one_of(leaf(2), all_of(leaf(3), leaf(4))))) == [[1, 2], [1, 3, 4]]
    assert numbers(all_of(one_of(leaf(1), leaf(2)), one_of(leaf(3), leaf(4)))) == [[1, 3], [1, 4], [2, 3], [2, 4]]
    assert numbers(one_of()) == []
    assert numbers(all_of()) == [[]]


def test_criteria_of_too_many_alternatives_are_refused() -> None:
    one_of_ten = one_of(*map(leaf, range(10)))
    with pytest.raises(BadFeed, match="alternatives"):
        list(oval.alternatives(all_of(*[one_of_ten] * 1000)))


trees = st.recursive(
    st.integers(0, 5).map(leaf),
    lambda children: st.builds(Criteria, every=st.booleans(), children=st.lists(children, max_size=3).map(tuple)),
    max_leaves=8,
)


@given(trees.filter(lambda tree: isinstance(tree, Criteria)), st.sets(st.integers(0, 5)))
def test_alternatives_hold_exactly_where_the_criteria_do(tree: Criteria, true: set[int]) -> None:
    def holds(node: Criteria | Criterion) -> bool:
        if isinstance(node, Criterion):
            return node.test in true
        return (all if node.every else any)(map(holds, node.children))

    assert any(true.issuperset(tests) for tests in numbers(tree)) == holds(tree)


@pytest.mark.parametrize(
    ("relations", "expected"),
    [
        ({"less than": "2-1"}, Range(fixed="2-1")),
        ({"less than or equal": "2-1"}, Range(last_affected="2-1")),
        ({"greater than": "1", "less than": "2-1"}, Range(introduced="1", fixed="2-1")),
        ({"equals": "2-1"}, Range(introduced="2-1", last_affected="2-1")),
    ],
)
def test_states_become_a_range(relations: dict[str, str], expected: Range) -> None:
    states = [State(relation=relation, evr=evr, version="") for relation, evr in relations.items()]
    assert oval.versions(states) == expected


@pytest.mark.parametrize("state", [("pattern match", "1-1"), ("", ""), ("less than", "")])
def test_other_states_are_no_range(state: tuple[str, str]) -> None:
    with pytest.raises(BadFeed):
        oval.versions([State(relation=state[0], evr=state[1], version="")])


@pytest.mark.parametrize(
    "definition",
    [
        b"<definition/>",
        b"<definition><metadata/></definition>",
        b"<definition><metadata/><criteria operator='XOR'/></definition>",
        b"<definition><metadata/><criteria negate='true'/></definition>",
        b"<definition><metadata/><criteria><extend_definition/></criteria></definition>",
        b"<definition><metadata/><criteria><criterion negate='true'/></criteria></definition>",
    ],
)
def test_a_broken_definition_is_told(definition: bytes) -> None:
    [broken] = definitions(b"<oval_definitions>" + definition + b"</oval_definitions>")
    assert isinstance(broken, BadFeed)


@pytest.mark.parametrize("content", [*NO_XML.values(), *xml_attacks("oval_definitions").values()])
def test_what_is_no_oval_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        definitions(content)
    with pytest.raises(BadFeed):
        oval.checks(io.BytesIO(content))
