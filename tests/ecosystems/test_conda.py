"""Conda: what is installed."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.conda import ECOSYSTEM
from eclair.errors import BadDatabase
from eclair.image.interest import Readers
from eclair.model import Inventory, Package
from tests.work import guarded

NAME = "_libgcc_mutex-0.1-main.json"
SAMPLE = Path(__file__).parent.parent / "samples" / "conda" / NAME
PATH = f"opt/conda/envs/app/conda-meta/{NAME}"


def read(content: bytes, path: str = PATH) -> Inventory | None:
    return ECOSYSTEM.read(path, io.BytesIO(content))


def test_each_document_is_a_package() -> None:
    assert read(SAMPLE.read_bytes()) == Inventory(
        path=PATH,
        analyser="conda",
        packages=(Package(type="conda", name="_libgcc_mutex", version="0.1", arch="linux-64", path=PATH),),
    )


def test_no_other_documents_are_asked_for() -> None:
    readers = Readers([ECOSYSTEM])
    assert readers.by_path(PATH.encode()) == readers.by_path(f"conda-meta/{NAME}".encode()) == (ECOSYSTEM,)
    for path in (f"opt/conda/{NAME}", f"conda-meta/x/{NAME}", f"xconda-meta/{NAME}", "conda-meta/history"):
        assert readers.by_path(path.encode()) == ()
        assert read(SAMPLE.read_bytes(), path) is None


def test_a_package_of_no_architecture() -> None:
    inventory = read(b'{"name": "six", "version": "1.16.0", "subdir": null}')
    assert inventory is not None
    assert [(package.name, package.arch) for package in inventory.packages] == [("six", "")]


HOSTILE = {
    "empty": b"",
    "no version": b'{"name": "six"}',
    "no name": b'{"version": "1"}',
    "name is a list": b'{"name": ["six"], "version": "1"}',
    "subdirectory is a number": b'{"name": "six", "version": "1", "subdir": 64}',
    "version of a megabyte": json.dumps({"name": "six", "version": "1" * 1_000_000}).encode(),
    "depth": b'{"files":' + b"[" * 1_000_000,
    "many files": b'{"files":[' + b"0," * 3_000_000 + b"0]}",
    "too large": b" " * 40_000_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_damage_is_named(content: bytes) -> None:
    with guarded(), pytest.raises(BadDatabase):
        read(content)


@given(st.dictionaries(st.sampled_from(["name", "version", "subdir"]), st.none() | st.text() | st.integers()))
def test_any_document_is_read_or_refused(document: object) -> None:
    try:
        read(json.dumps(document).encode())
    except BadDatabase as refusal:
        assert str(refusal)  # noqa: PT017
