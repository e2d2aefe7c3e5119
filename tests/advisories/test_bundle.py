"""Archives of advisories give their documents one after the other; what is damaged or too large is refused."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from eclair.advisories import bundle
from eclair.advisories.bundle import members
from eclair.errors import BadFeed
from tests.packed import BAD_ARCHIVES, tar_of, zip_of

DOCUMENTS = {"a/1.json": b"{}", "a/2.json": b"[1]", "README.md": b"no advisory", "b.json/": b""}


def read(content: bytes) -> dict[str, bytes]:
    return {member.name: member.content for member in members(io.BytesIO(content), "all.zip")}


@pytest.mark.parametrize("pack", [zip_of, tar_of, lambda documents: tar_of(documents, "w:gz")])
def test_the_documents_of_an_archive_come_with_their_names(pack: Callable[[dict[str, bytes]], bytes]) -> None:
    assert read(pack(DOCUMENTS)) == {"a/1.json": b"{}", "a/2.json": b"[1]"}


def test_an_archive_is_read_again_from_its_beginning() -> None:
    archive = io.BytesIO(zip_of(DOCUMENTS))
    assert list(members(archive, "x")) == list(members(archive, "x"))


def test_names_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    escape = "../" * 9 + "tmp/escaped.json"
    assert set(read(zip_of({escape: b"{}", "/etc/escaped.json": b"{}"}))) == {escape, "/etc/escaped.json"}
    assert set(read(tar_of({escape: b"{}"}))) == {escape}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", sorted(BAD_ARCHIVES.keys() - {"no records", "another zip", "no records in a tar", "empty"})
)
def test_what_is_no_whole_archive_is_refused(name: str) -> None:
    with pytest.raises(BadFeed, match=r"all\.zip"):
        read(BAD_ARCHIVES[name])


def test_damage_within_a_document_is_found() -> None:
    content = bytearray(zip_of({"1.json": bytes(range(256)) * 50}))
    content[60] ^= 0xFF
    with pytest.raises(BadFeed, match="damaged"):
        read(bytes(content))


def test_an_encrypted_document_is_refused() -> None:
    content = bytearray(zip_of({"1.json": b"{}"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BadFeed, match="encrypted"):
        read(bytes(content))


def test_an_unknown_compression_is_refused() -> None:
    content = bytearray(zip_of({"1.json": b"{}"}))
    content[8] = content[content.index(b"PK\x01\x02") + 10] = 99
    with pytest.raises(BadFeed, match="damaged"):
        read(bytes(content))


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_a_bomb_is_refused_before_it_goes_off(
    pack: Callable[[dict[str, bytes]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "LARGEST", 1000)
    with pytest.raises(BadFeed, match=r"'1\.json' is larger"):
        read(pack({"1.json": b" " * 100_000}))


def test_it_does_not_matter_how_large_a_document_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(zip_of({"1.json": b" " * 100_000}))
    for place in (22, content.index(b"PK\x01\x02") + 24):
        content[place : place + 4] = (10).to_bytes(4, "little")
    monkeypatch.setattr(bundle, "LARGEST", 1000)
    with pytest.raises(BadFeed, match="larger"):
        read(bytes(content))


def test_a_quarter_of_a_million_documents_are_nothing_unusual() -> None:
    content = io.BytesIO(zip_of({f"{number}.json": b"{}" for number in range(25_000)}))
    assert sum(1 for _ in members(content, "all.zip")) == 25_000
    assert bundle.MOST > 250_000


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_many_documents_are_refused(pack: Callable[[dict[str, bytes]], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MOST", 10)
    assert len(read(pack({f"{number}.json": b"{}" for number in range(10)}))) == 10
    with pytest.raises(BadFeed, match=r"too many|more than 10 members"):
        read(pack({f"{number}.json": b"{}" for number in range(11)}))


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_many_bytes_are_refused(pack: Callable[[dict[str, bytes]], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "TOTAL", 100)
    with pytest.raises(BadFeed, match=r"too many|more than 100 bytes"):
        read(pack({f"{number}.json": b" " * 60 for number in range(2)}))


def test_documents_that_overlap_are_refused_or_read_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quine of zip entries that share their bytes (https://www.bamsoftware.com/hacks/zipbomb/)."""
    monkeypatch.setattr(bundle, "TOTAL", 1 << 20)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.json", b" " * 100_000)
        first = archive.infolist()[0]
        for number in range(1, 100):
            again = zipfile.ZipInfo(f"{number}.json")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(again, name, getattr(first, name))
            archive.filelist.append(again)
    with pytest.raises(BadFeed):
        read(target.getvalue())
