"""Zip archives, genuine and hostile."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.archives.random_access import Bytes
from eclair.archives.zip_archive import Archive, Budget, Entry, Exhausted
from eclair.errors import BadDatabase
from tests.work import CountedFile, guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "java"
EVERYTHING = (b"",)
LARGE = 1 << 30

FILES = {"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "a/b.txt": b"word " * 1000, "empty": b"", "ä.jar": b"x"}


def zipped(method: int = zipfile.ZIP_DEFLATED, *, comment: bytes = b"", zip64: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in FILES.items():
            with archive.open(name, "w", force_zip64=zip64) as file:
                file.write(data)
        archive.comment = comment
    return out.getvalue()


def opened(content: bytes, budget: Budget | None = None) -> Archive:
    return Archive(Bytes(io.BytesIO(content)), budget or Budget())


def contents(content: bytes) -> dict[str, bytes]:
    archive = opened(content)
    return {entry.name: archive.head(entry, LARGE) for entry in archive.entries(EVERYTHING)}


def only(content: bytes, budget: Budget | None = None) -> tuple[Archive, Entry]:
    archive = opened(content, budget)
    return archive, next(archive.entries(EVERYTHING))


def patched(content: bytes, place: int, layout: str, *values: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, place, *values)
    return bytes(changed)


# --- genuine archives ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.jar")), ids=lambda path: path.name)
def test_the_files_are_those_that_python_s_zipfile_reads(sample: Path) -> None:
    with zipfile.ZipFile(sample) as archive:
        assert contents(sample.read_bytes()) == {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("comment", [b"", b"words", b"PK\x05\x06" * 20])
@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\nexec java -jar $0\n"])
@pytest.mark.parametrize("zip64", [False, True])
def test_archives_are_read_however_they_are_written(method: int, comment: bytes, before: bytes, *, zip64: bool) -> None:
    assert contents(before + zipped(method, comment=comment, zip64=zip64)) == FILES


def test_bytes_behind_the_archive_are_passed_over() -> None:
    assert contents(zipped() + b"signature") == FILES


def test_only_names_that_end_so_are_yielded_whatever_their_case() -> None:
    names = [entry.name for entry in opened(zipped()).entries((b"manifest.mf", b".jar"))]
    assert names == ["META-INF/MANIFEST.MF", "ä.jar"]


def test_a_head_has_as_many_bytes_as_asked_for() -> None:
    archive = opened(zipped())
    (entry,) = archive.entries((b".txt",))
    assert archive.head(entry, 12) == b"word word wo"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_can_be_read_at_any_offset(method: int) -> None:
    archive = opened(zipped(method))
    (entry,) = archive.entries((b".txt",))
    with archive.opened(entry) as file:
        assert file.size == 5000
        assert file.at(4995, 5) == b"word "
        with pytest.raises(BadDatabase):
            file.at(4996, 5)


def zip64_with_everything_in_the_extra_field() -> bytes:
    """Return an archive whose sizes, counts and offsets are all said by the records of zip64."""
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 45, 0, 0, 0, 0, zlib.crc32(b"data"), 4, 4, 1, 0) + b"a" + b"data"
    extra = struct.pack("<HHHHQQQ", 9, 0, 1, 24, 4, 4, 0)
    entry = (
        struct.pack(
            "<4s6H3I5H2I",
            b"PK\x01\x02",
            45,
            45,
            0,
            0,
            0,
            0,
            zlib.crc32(b"data"),
            2**32 - 1,
            2**32 - 1,
            1,
            len(extra),
            0,
            0,
            0,
            0,
            2**32 - 1,
        )
        + b"a"
        + extra
    )
    end = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(entry), len(local))
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(local) + len(entry), 1)
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    return local + entry + end + locator + last


def test_what_has_no_room_is_read_from_the_records_of_zip64() -> None:
    content = zip64_with_everything_in_the_extra_field()
    assert zipfile.ZipFile(io.BytesIO(content)).read("a") == b"data"
    assert contents(content) == {"a": b"data"}
    assert contents(b"before" + content) == {"a": b"data"}


# --- hostile archives ------------------------------------------------------------------------------------------------

WHOLE = zipped()
END = WHOLE.rindex(b"PK\x05\x06")
DIRECTORY = WHOLE.index(b"PK\x01\x02")
ZIP64 = zip64_with_everything_in_the_extra_field()

NO_ARCHIVES = {
    "nothing": b"",
    "no zip": b"word " * 1000,
    "cut before its end": WHOLE[:END],
    "cut within its end": WHOLE[: END + 21],
    "a directory larger than the file": patched(WHOLE, END + 12, "<I", 1 << 31),
    "a directory beyond the file": patched(WHOLE, END + 16, "<I", 1 << 31),
    "a zip64 directory of 2**63 bytes": patched(ZIP64, ZIP64.index(b"PK\x06\x06") + 40, "<Q", 1 << 63),
    "a zip64 directory at 2**64 - 1": patched(ZIP64, ZIP64.index(b"PK\x06\x06") + 48, "<Q", (1 << 64) - 1),
}

BAD_DIRECTORIES = {
    "no entry": patched(WHOLE, DIRECTORY, "<I", 0),
    "a name longer than the directory": patched(WHOLE, DIRECTORY + 28, "<H", 0xFFFF),
    "an extra field longer than the directory": patched(WHOLE, DIRECTORY + 30, "<H", 0xFFFF),
    "a comment longer than the directory": patched(WHOLE, DIRECTORY + 32, "<H", 0xFFFF),
    "half an entry at its end": patched(
        WHOLE[:END] + b"PK\x01\x02half" + WHOLE[END:], END + 8 + 12, "<I", END + 8 - DIRECTORY
    ),
}

BAD_FILES = {
    "encrypted": patched(WHOLE, DIRECTORY + 8, "<H", 1),
    "an unknown method": patched(WHOLE, DIRECTORY + 10, "<H", 99),
    "a wrong checksum": patched(WHOLE, DIRECTORY + 16, "<I", 1),
    "larger than the archive": patched(WHOLE, DIRECTORY + 20, "<I", 1 << 31),
    "larger than is said": patched(WHOLE, DIRECTORY + 20, "<I", 3),
    "elsewhere": patched(WHOLE, DIRECTORY + 42, "<I", 7),
    "beyond the archive": patched(WHOLE, DIRECTORY + 42, "<I", (1 << 32) - 2),
    "at an offset of zip64 that is not there": patched(WHOLE, DIRECTORY + 42, "<I", (1 << 32) - 1),
    "no deflated bytes": patched(WHOLE, 30 + 20 + 4, "<I", 0xFFFFFFFF),
    "a local header beyond the archive": patched(WHOLE, 26, "<H", 0xFFFF),
}


@pytest.mark.parametrize("case", NO_ARCHIVES)
def test_what_is_no_archive_is_refused(case: str) -> None:
    with pytest.raises(BadDatabase):
        opened(NO_ARCHIVES[case])


@pytest.mark.parametrize("case", BAD_DIRECTORIES)
def test_a_damaged_directory_is_refused(case: str) -> None:
    archive = opened(BAD_DIRECTORIES[case])
    with pytest.raises(BadDatabase, match="directory"):
        list(archive.entries(EVERYTHING))


def test_what_stands_before_the_damage_is_yielded() -> None:
    entries = opened(BAD_DIRECTORIES["half an entry at its end"]).entries(EVERYTHING)
    assert [next(entries).name for _ in FILES] == list(FILES)


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_damaged_file_is_refused_and_the_others_can_be_read(case: str) -> None:
    archive = opened(BAD_FILES[case])
    first, second, *_ = archive.entries(EVERYTHING)
    with pytest.raises(BadDatabase):
        archive.head(first, LARGE)
    assert archive.head(second, LARGE) == FILES["a/b.txt"]


def test_of_two_files_of_one_name_both_are_yielded() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as written:
        written.writestr("a", b"1")
        written.writestr("b", b"2")
    archive = opened(out.getvalue().replace(b"b", b"a"))
    assert [archive.head(entry, LARGE) for entry in archive.entries(EVERYTHING)] == [b"1", b"2"]


def with_directory(entries: int, layout: Callable[[int], bytes]) -> bytes:
    directory = b"".join(map(layout, range(entries)))
    return directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, len(directory), 0, 0)


def nameless(_: int) -> bytes:
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *[0] * 16)


def test_a_hundred_thousand_entries_are_read_in_linear_time() -> None:
    content = with_directory(100_000, nameless)
    file = CountedFile(content)
    with guarded():
        assert sum(1 for _ in Archive(Bytes(file), Budget()).entries((b"x",))) == 0
    assert file.bytes < 2 * len(content)


def test_entries_without_end_spend_the_budget() -> None:
    archive = opened(with_directory(2000, nameless), Budget(entries=1000))
    with pytest.raises(Exhausted):
        list(archive.entries((b"x",)))


def test_archives_without_end_spend_the_budget() -> None:
    budget = Budget(archives=10)
    for _ in range(10):
        opened(WHOLE, budget)
    with pytest.raises(Exhausted):
        opened(WHOLE, budget)


def bomb(size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(size))
    return out.getvalue()


def test_a_bomb_spends_the_budget_and_little_else() -> None:
    archive, entry = only(bomb(64 << 20), Budget(inflated=1 << 20))
    with pytest.raises(Exhausted), archive.opened(entry):
        pass


def test_entries_that_overlap_spend_the_budget() -> None:
    """The trick of a bomb without nesting: each entry inflates the same bytes."""
    content = bomb(1 << 20)
    directory = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entry = content[directory:end]
    whole = (
        content[:directory]
        + entry * 1000
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1000, 1000, len(entry) * 1000, directory, 0)
    )
    archive = opened(whole, Budget(inflated=10 << 20))
    read = (archive.head(found, LARGE) for found in archive.entries(EVERYTHING))
    assert [len(content) for content in islice(read, 10)] == [1 << 20] * 10
    with pytest.raises(Exhausted):
        next(read)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        contents(content + b"!")


@given(st.integers(0, 2**32))
def test_any_damage_is_a_bad_database(seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(chance.choice([WHOLE, ZIP64, zipped(zipfile.ZIP_STORED), bomb(300)]))
    for _ in range(chance.randint(1, 5)):
        content[chance.randrange(len(content))] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
    try:
        contents(bytes(content))
    except BadDatabase as error:
        assert len(str(error)) < 300  # noqa: PT017 - most damage is none
