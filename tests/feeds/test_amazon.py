"""Amazon's repositories: found through indexes, recorded updates become the expected statements."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eclair.errors import BadFeed
from eclair.feeds import Document, Index, Part
from eclair.feeds.amazon import FEED, Amazon
from eclair.model import Said, Unread
from tests.feeds.said import NO_XML, outline, statements, xml_attacks

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "amazon"
PARTS = {part.name: part for part in FEED.parts}
AMAZON = Amazon()
REPOMD = "repodata/repomd.xml"
CDN = "https://cdn.amazonlinux.com"
CORE = f"{CDN}/2/core/2.0/x86_64/0/repodata/updateinfo.xml.gz"

UPDATE = b"""<update type="security"><id>%b</id><severity>low</severity>
<references><reference type="cve" id="CVE-2020-0001"/></references>
<pkglist><collection><package name="vim" version="%b" release="1" arch="x86_64"/></collection></pkglist></update>"""


def parse(documents: Mapping[str, bytes], part: str = "2") -> list[Said]:
    resolved = replace(PARTS[part], documents=tuple(Document(url=url) for url in documents))
    return list(FEED.parse(resolved, list(map(io.BytesIO, documents.values())), "r1"))


def sample(name: str) -> bytes:
    return (SAMPLES / f"updateinfo_{name}.xml.gz").read_bytes()


def updates(*contents: bytes) -> bytes:
    return b"<updates>" + b"".join(contents) + b"</updates>"


# --- from index to index ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "repomd"),
    [
        (
            "mirrors_linux1.txt",
            "https://packages.us-west-2.amazonaws.com/2018.03/updates/c539f2128d87/x86_64/repodata/repomd.xml",
        ),
        (
            "mirrors_linux2.txt",
            f"{CDN}/2/core/2.0/x86_64/221a4af09d96ac4e34202cc7bdfa252410419542548cc685dc86ed1c17ca4204/{REPOMD}",
        ),
        (
            "mirrors_linux2023.txt",
            f"{CDN}/al2023/core/guids/46ff4933b89b948580f3b223b826fee3c1830b85885db3f7f90502c0ac99698c/x86_64/{REPOMD}",
        ),
    ],
)
def test_a_mirror_list_leads_to_the_repository(sample: str, repomd: str) -> None:
    index = Index(url="https://example/mirror.list", optional=True)
    assert AMAZON.follow(index, (SAMPLES / sample).read_bytes()) == (Index(url=repomd, optional=True),)


def test_a_repository_leads_to_its_updates() -> None:
    repomd = Index(url=f"{CDN}/2/core/2.0/x86_64/221a/repodata/repomd.xml")
    [document] = AMAZON.follow(repomd, (SAMPLES / "repomd_valid.xml").read_bytes())
    assert document == Document(url=f"{CDN}/2/core/2.0/x86_64/221a/repodata/updateinfo.xml.gz")


def test_the_catalog_leads_to_the_extras() -> None:
    catalog = json.dumps({"topics": [{"n": "nginx1"}, {"n": "docker"}]}).encode()
    assert AMAZON.follow(Index(url=f"{CDN}/2/extras-catalog.json", optional=True), catalog) == (
        Index(url=f"{CDN}/2/extras/nginx1/latest/x86_64/mirror.list", optional=True),
        Index(url=f"{CDN}/2/extras/docker/latest/x86_64/mirror.list", optional=True),
    )


def test_only_a_topic_may_have_no_updates() -> None:
    repomd, content = Index(url=f"{CDN}/2/extras/x/repodata/repomd.xml", optional=True), b"<repomd/>"
    assert AMAZON.follow(repomd, content) == ()
    with pytest.raises(BadFeed):
        AMAZON.follow(replace(repomd, optional=False), content)


@pytest.mark.parametrize(
    ("url", "content"),
    [
        ("mirror.list", b""),
        ("mirror.list", b"<html>"),
        ("mirror.list", b"https://cdn.amazonlinux.com.evil.example/2"),
        ("mirror.list", b"https://evilamazonlinux.com/2"),
        ("mirror.list", b"ftp://cdn.amazonlinux.com/2"),
        ("mirror.list", b"https://cdn.amazonlinux.com/2?x"),
        ("mirror.list", b"https://169.254.169.254/latest"),
        ("extras-catalog.json", b"<html>"),
        ("extras-catalog.json", b"[]"),
        ("extras-catalog.json", b'{"topics": [{"n": "../../core"}]}'),
        ("repodata/repomd.xml", b"not found"),
    ],
)
def test_a_broken_index_is_refused(url: str, content: bytes) -> None:
    with pytest.raises(BadFeed):
        AMAZON.follow(Index(url=f"{CDN}/{url}"), content)


# --- updates ---------------------------------------------------------------------------------------------------------


def test_the_recorded_updates_become_these_statements() -> None:
    assert outline(parse({CORE: sample("1")}, "1")) == [
        "amzn:1 binary httpd-devel ALAS-2011-1 CVE-2011-3192 : fixed <2.2.21-1.18.amzn1 medium"
    ]
    assert outline(parse({CORE: sample("2")})) == [
        "amzn:2 binary kernel ALAS2-2018-939 CVE-2017-5715+CVE-2017-5754 : fixed <4.9.76-38.79.amzn2 critical"
    ]
    rsyslog = [line for line in outline(parse({CORE: sample("2023")}, "2023")) if "binary rsyslog ALAS" in line]
    assert rsyslog == [
        "amzn:2023 binary rsyslog ALAS2023-2023-001 CVE-2014-3634+CVE-2022-24903 : fixed <8.2204.0-3.amzn2023.0.2 high"
    ]


def test_architectures_that_agree_are_one_statement() -> None:
    found = statements(parse({CORE: sample("2023")}, "2023"))
    names = [statement.package.name for statement in found]
    assert len(names) == len(set(names)) == 21


def test_extras_and_live_patches_are_for_those_who_use_them() -> None:
    extras = f"{CDN}/2/extras/kernel-5.15/2.0/x86_64/0/repodata/updateinfo.xml.gz"
    assert {statement.stream for statement in statements(parse({extras: sample("2_kernel-5.15")}))} == {
        "repository:amzn2extra-kernel-5.15"
    }
    live = f"{CDN}/al2023/kernel-livepatch/guids/0/x86_64/repodata/updateinfo.xml.gz"
    assert {statement.stream for statement in statements(parse({live: sample("2023_kernel-livepatch")}, "2023"))} == {
        "repository:kernel-livepatch"
    }


def test_an_erratum_in_core_and_extras_is_one_advisory() -> None:
    extras = f"{CDN}/2/extras/vim/2.0/x86_64/0/repodata/updateinfo.xml.gz"
    [said] = parse({CORE: updates(UPDATE % (b"A-1", b"1")), extras: updates(UPDATE % (b"A-1", b"2"))})
    assert outline([said]) == [
        "amzn:2 binary vim A-1 CVE-2020-0001 : fixed <1-1 low",
        "amzn:2 binary vim A-1 CVE-2020-0001 : fixed <2-1 low [repository:amzn2extra-vim]",
    ]


def test_an_erratum_listed_twice_has_both_fixes() -> None:
    said = parse({CORE: updates(UPDATE % (b"A-1", b"1"), UPDATE % (b"A-1", b"2"))})
    assert outline(said) == ["amzn:2 binary vim A-1 CVE-2020-0001 : fixed <1-1,<2-1 low"]


def test_what_is_no_security_update_is_passed_over() -> None:
    other = (UPDATE % (b"A-2", b"1")).replace(b'"security"', b'"bugfix"')
    assert [line.split()[3] for line in outline(parse({CORE: updates(UPDATE % (b"A-1", b"1"), other)}))] == ["A-1"]


def test_an_erratum_without_a_cve_is_about_itself() -> None:
    update = (UPDATE % (b"A-1", b"1")).replace(b'type="cve"', b'type="bugzilla"')
    [statement] = statements(parse({CORE: updates(update)}))
    assert statement.vulnerabilities == ("A-1",)


@pytest.mark.parametrize(("release", "advisories", "rows"), [("2", 1618, 15_816), ("2023", 816, 9518)])
def test_all_updates_are_read(
    release: str, advisories: int, rows: int, shared_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = shared_data / "mirror"

    def resolved(document: Document) -> list[Document]:
        place = mirror / document.url.removeprefix("https://")
        if not place.exists():
            assert document.optional
            return []
        if not isinstance(document, Index):
            return [document]
        return [leaf for named in AMAZON.follow(document, place.read_bytes()) for leaf in resolved(named)]

    documents = [leaf for document in PARTS[release].documents for leaf in resolved(document)]
    contents = {leaf.url: (mirror / leaf.url.removeprefix("https://")).read_bytes() for leaf in documents}
    said = parse(contents, release)
    found = statements(said)
    assert (len(said), len(found)) == (advisories, rows)
    assert len({statement.key for statement in found}) == rows
    assert caplog.text == ""


# --- bad input -------------------------------------------------------------------------------------------------------


def test_a_broken_update_is_unread_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    said = parse({CORE: updates(UPDATE % (b"A-1", b""), UPDATE % (b"", b"1"), UPDATE % (b"A-2", b"1"))})
    assert [statement.id for statement in statements(said)] == ["A-2"]
    assert {unit for unit in said if isinstance(unit, Unread)} == {Unread(id="A-1"), Unread()}
    assert "record='A-1'" in caplog.text


@pytest.mark.parametrize(
    "content", [*NO_XML.values(), *xml_attacks("updates").values(), sample("2")[:-20], b"<updates/>", b"<repomd/>"]
)
def test_a_broken_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse({CORE: content})


def test_it_speaks_for_its_releases_until_their_ends() -> None:
    assert [FEED.speaks_for(f"amzn:{release}") for release in ("1", "2", "2022", "2023")] == ["1", "2", None, "2023"]
    now = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    assert [FEED.supported(f"amzn:{release}", {}, now) for release in ("1", "2", "2023")] == [False, False, True]


def test_parts_name_what_exists() -> None:
    part: Part = PARTS["2"]
    assert [(document.url.rpartition("/")[2], document.optional) for document in part.documents] == [
        ("mirror.list", False),
        ("extras-catalog.json", True),
    ]
