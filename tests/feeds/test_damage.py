"""Documents of vendors, damaged anywhere: read as far as they can be, or refused, and nothing else."""

import bz2
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eclair import feeds
from eclair.errors import BadFeed
from eclair.feeds import Document, Part
from eclair.feeds import redhat as red_hat
from eclair.model import AdvisoryStatements, Said, Unread

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds"

Read = Callable[[bytes], Iterator[Said]]


def reader(feed: str, part: str, url: str = "") -> Read:
    loaded = feeds.load()[feed]
    [known] = [some for some in loaded.parts if some.name == part]
    chosen = Part(name=part, documents=(Document(url=url or known.documents[0].url),))
    return lambda content: loaded.parse(chosen, [io.BytesIO(content)], "r1")


def vex(content: bytes) -> Iterator[Said]:
    yield red_hat._Reading(_unopened, red_hat._History(io.BytesIO(), io.BytesIO()), "r1")._said(
        "2024/cve-2024-0727.json", content
    )


def _unopened(document: Document) -> Any:
    raise AssertionError(document)


def inflated(name: str) -> bytes:
    content = (SAMPLES / name).read_bytes()
    return {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(Path(name).suffix, bytes)(content)


DOCUMENTS: Mapping[str, tuple[Read, bytes]] = {
    "amazon": (
        reader("amazon", "2", "https://cdn.amazonlinux.com/2/core/x/updateinfo.xml.gz"),
        inflated("amazon/updateinfo_2_kernel-5.15.xml.gz"),
    ),
    "arch": (reader("arch", "tracker"), inflated("arch/advisory.json")),
    "azurelinux": (
        reader("azurelinux", "cbl-mariner-2.0"),
        inflated("azurelinux/mariner-truncated-2.0-oval.xml"),
    ),
    "oracle": (reader("oracle", "elsa"), inflated("oracle/com.oracle.elsa-all.xml.bz2")),
    "photon": (reader("photon", "4.0"), inflated("photon/cve_data_photon4.0.json")),
    "photon oval": (reader("photon", "3.0"), inflated("photon/com.vmware.phsa-photon5.xml.gz")),
    "redhat": (vex, inflated("redhat/cve-2024-0727.json.gz")),
    "suse": (reader("suse", "sles:15.1"), inflated("suse/suse.linux.enterprise.server.15.xml.gz")),
}
each_document = pytest.mark.parametrize("name", DOCUMENTS)
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(name: str, content: bytes) -> None:
    """Read the document; every statement that comes has to be one that can be stored."""
    parse = DOCUMENTS[name][0]
    try:
        for said in parse(content):
            assert isinstance(said, AdvisoryStatements | Unread)
            for statement in said.statements if isinstance(said, AdvisoryStatements) else ():
                assert statement.id == said.id
                assert statement.vulnerabilities
                assert "#" not in statement.package.name
    except BadFeed:
        pass


@each_document
@few
@given(data=st.data())
def test_changed_bytes_do_no_harm(name: str, data: st.DataObject) -> None:
    content = bytearray(DOCUMENTS[name][1])
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
    read(name, bytes(content))


@each_document
@few
@given(data=st.data())
def test_moved_pieces_do_no_harm(name: str, data: st.DataObject) -> None:
    content = DOCUMENTS[name][1]
    start, end, to = sorted(data.draw(st.lists(st.integers(0, len(content)), min_size=3, max_size=3)))
    read(name, content[:start] + content[end:to] + content[start:end] + content[to:])


@pytest.mark.parametrize("name", ["arch", "photon", "redhat"])
@few
@given(data=st.data())
def test_other_values_do_no_harm(name: str, data: st.DataObject) -> None:
    """A value anywhere in a JSON document is replaced by another one."""
    document = json.loads(DOCUMENTS[name][1])
    place: Any = document
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.integers(0, 3)) == 0 or not isinstance(place[key], dict | list):
            values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
            place[key] = data.draw(values | st.lists(values, max_size=2) | st.dictionaries(st.text(max_size=2), values))
            break
        place = place[key]
    read(name, json.dumps(document).encode())
