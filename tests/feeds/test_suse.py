"""SUSE's OVAL: recorded definitions become the expected statements."""

import gzip
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds.suse import FEED
from eclair.model import Said, Unread
from tests.feeds.said import NO_XML, outline, statements, xml_attacks

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "suse"
PARTS = {part.name: part for part in FEED.parts}


def sample(name: str) -> bytes:
    return gzip.decompress((SAMPLES / f"{name}.xml.gz").read_bytes())


LEAP = sample("opensuse.leap.15.2").replace(b"15.2", b"15.6")
"""A genuine document of a release that is none of ours any more."""


def parse(content: bytes, part: str = "opensuse-leap:15.6") -> list[Said]:
    return list(FEED.parse(PARTS[part], [io.BytesIO(content)], "r1"))


def document(criteria: str) -> bytes:
    """Return a document of one CVE, with tests as SUSE writes them."""
    states = {
        "fixed": '<evr operation="less than">0:2-1</evr>',
        "open": '<evr operation="greater than">0:0-0</evr>',
        "never": '<version operation="equals">0</version>',
        "signed": "<signature_keyid>1</signature_keyid>",
        "equal": '<evr operation="equals">0:1-1</evr>',
        "release": '<version operation="equals">15.6</version>',
        "patched": '<evr operation="greater than or equal">0:14-2</evr>',
    }
    numbers = {state: number for number, state in enumerate(states, 1)}
    tests = "".join(
        f'<rpminfo_test id="x:tst:{number}" check="{"none satisfy" if state == "patched" else "at least one"}">'
        f'<object object_ref="x:obj:{2 if state == "release" else 1}"/><state state_ref="x:ste:{number}"/>'
        "</rpminfo_test>"
        f'<rpminfo_state id="x:ste:{number}">{states[state]}</rpminfo_state>'
        for state, number in numbers.items()
    )
    for state, number in numbers.items():
        criteria = criteria.replace(f"<{state} ", f'<criterion test_ref="x:tst:{number}" comment=')
    return f"""<oval_definitions><definitions><definition id="x:def:1" class="vulnerability">
        <metadata><title>CVE-2020-0001</title><advisory><severity>Low</severity></advisory></metadata>
        {criteria}</definition></definitions>{tests}
        <rpminfo_object id="x:obj:1"><name>vim</name></rpminfo_object>
        <rpminfo_object id="x:obj:2"><name>sles-release</name></rpminfo_object></oval_definitions>""".encode()


def sles(criteria: str) -> list[str]:
    lines = outline(parse(document(criteria), "sles:15.6"))
    return [line.removeprefix("sles:15.6 binary vim CVE-2020-0001 : ") for line in lines]


SERVER = '<release "SUSE Linux Enterprise Server 15 SP6 is installed"/>'
MODULE = '<release "SUSE Linux Enterprise Module for Basesystem 15 SP6 is installed"/>'
LONG_TERM = '<release "SUSE Linux Enterprise Server 15 SP6-LTSS is installed"/>'
OTHER = '<release "SUSE Linux Enterprise Server 15 SP5 is installed"/>'
FIXED = '<fixed "vim-2-1 is installed"/>'
OPEN = '<open "vim is affected"/>'
NEVER = '<never "vim is not affected"/>'


def every(*children: str) -> str:
    return f'<criteria operator="AND">{"".join(children)}</criteria>'


def one(*children: str) -> str:
    return f'<criteria operator="OR">{"".join(children)}</criteria>'


def test_the_recorded_definitions_become_these_statements() -> None:
    assert outline(parse(LEAP)) == ["opensuse-leap:15.6 binary fastjar CVE-2010-2322 : fixed <0:0.98-lp152.4.3.1 low"]
    assert outline(parse(sample("suse.linux.enterprise.server.15"), "sles:15.1")) == [
        "sles:15.1 binary kernel-default CVE-2021-29154 : fixed <0:4.12.14-197.89.2 high via ltss"
    ]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (every(SERVER, FIXED), ["fixed <0:2-1 low"]),
        (every(SERVER, OPEN), ["affected * low"]),
        (every(SERVER, NEVER), ["not-affected low"]),
        (every(SERVER, every(FIXED, '<signed "vim is signed with openSUSE key"/>')), ["fixed <0:2-1 low"]),
        (every(one(OTHER, MODULE), one(FIXED)), ["fixed <0:2-1 low"]),
        (every(one(FIXED), one(OTHER, SERVER)), ["fixed <0:2-1 low"]),
        (every(LONG_TERM, FIXED), ["fixed <0:2-1 low via ltss"]),
        (every(one(LONG_TERM, SERVER), FIXED), ["fixed <0:2-1 low"]),
        (one(every(SERVER, OPEN), every(MODULE, FIXED)), ["fixed <0:2-1 low"]),
        (one(every(SERVER, NEVER), every(MODULE, FIXED)), ["fixed <0:2-1 low"]),
        (
            every(SERVER, one(FIXED, every('<equal "vim 1-1 is installed"/>', '<patched "no live patch"/>'))),
            ["fixed <0:2-1 low"],
        ),
    ],
)
def test_criteria_become_states(criteria: str, expected: list[str]) -> None:
    assert sles(criteria) == expected


@pytest.mark.parametrize("criteria", [every(OTHER, FIXED), one(FIXED), every(FIXED)])
def test_what_is_said_of_another_release_is_passed_over(criteria: str) -> None:
    content = document(one(every(SERVER, NEVER), criteria))
    assert [line.split(": ")[1] for line in outline(parse(content, "sles:15.6"))] == ["not-affected low"]


def test_a_release_since_16_is_named_by_its_minor_release() -> None:
    content = document(every(SERVER.replace("15 SP6", "16.0"), FIXED))
    assert outline(parse(content, "sles:16.0")) == ["sles:16.0 binary vim CVE-2020-0001 : fixed <0:2-1 low"]
    assert PARTS["sles:16.0"].documents[0].url.endswith("/suse.linux.enterprise.16.0-affected.xml.gz")
    assert PARTS["sles:15.6"].documents[0].url.endswith("/suse.linux.enterprise.15-sp6-affected.xml.gz")


def test_a_definition_with_a_test_that_is_not_explained_is_unread(caplog: pytest.LogCaptureFixture) -> None:
    """The recorded excerpts lack the tests of some packages that their definitions ask for."""
    whole = document(every(SERVER.replace("15 SP6", "16.0"), FIXED)).decode()
    excerpt = sample("suse.linux.enterprise.16-affected").decode()
    added = excerpt.partition("<definitions>")[2].partition("</definitions>")[0]
    said = parse(whole.replace("</definitions>", f"{added}</definitions>").encode(), "sles:16.0")
    assert {unit for unit in said if isinstance(unit, Unread)} == {
        Unread(id="CVE-2001-1267"),
        Unread(id="CVE-2002-0399"),
    }
    assert len(statements(said)) == 1
    assert "'tar-1.35-160000.2.2 is installed', is not explained" in caplog.text


def test_what_is_explained_of_a_definition_with_others_is_not_enough(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BadFeed):
        parse(sample("suse.linux.enterprise.16-affected"), "sles:16.0")
    assert "'tar-doc-1.35-160000.2.2 is installed', is not explained" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        *NO_XML.values(),
        *xml_attacks("oval_definitions").values(),
        LEAP[:-100],
        gzip.compress(LEAP, mtime=0)[:-9],
        b"<oval_definitions/>",
    ],
)
def test_a_broken_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse(content)


def test_a_compressed_document_is_read_twice() -> None:
    assert outline(parse(gzip.compress(LEAP))) == outline(parse(LEAP))


def test_it_speaks_for_its_releases_until_their_ends() -> None:
    assert FEED.speaks_for("sles:15.6") == "sles:15.6"
    assert (FEED.speaks_for("sles:15.0"), FEED.speaks_for("opensuse-tumbleweed")) == (None, None)
    now = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert [FEED.supported(f"sles:15.{service_pack}", {}, now) for service_pack in (6, 7)] == [False, True]
