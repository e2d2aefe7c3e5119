"""The blobs of rpm's ndb databases."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eclair.errors import BadDatabase
from eclair.packages.faults import Faults
from eclair.packages.rpmdb.ndb import blobs
from tests.rpm_databases import ndb, ndb_blob

HEADERS = [b"small", b"x" * 100_000, b"", b"y" * 4071]


def read(content: bytes, faults: Faults | None = None) -> list[bytes]:
    return [blob.content for blob in blobs(io.BytesIO(content), Faults() if faults is None else faults)]


@pytest.mark.parametrize("pages", [1, 3])
def test_blobs_are_read(pages: int) -> None:
    faults = Faults()
    assert read(ndb(HEADERS, pages=pages), faults) == HEADERS
    assert faults.problem is None


@pytest.mark.parametrize("content", [b"RpmP", ndb(HEADERS)[:31], ndb(HEADERS, version=1)])
def test_what_has_no_header_is_refused(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read(content)


WHOLE = ndb(HEADERS)


def slot(number: int, *words: int) -> bytes:
    """Return the database with other words in the slot of a package."""
    written = bytearray(WHOLE)
    struct.pack_into(f"<{len(words)}I", written, 32 + 16 * (number - 1) + 4, *words)
    return bytes(written)


DAMAGED = {
    "a file that ends in a blob": (WHOLE[:-1], HEADERS[:3]),
    "a file that ends in its slots": (WHOLE[:4000], []),
    "more pages of slots than there are": (WHOLE[:12] + struct.pack("<I", 2**32 - 1) + WHOLE[16:], HEADERS),
    "a slot that is none": (WHOLE.replace(b"Slot", b"slot", 1), HEADERS[1:]),
    "a slot of another package": (slot(1, 7), HEADERS[1:]),
    "a blob out of the file": (slot(1, 1, 2**32 - 1, 3), HEADERS[1:]),
    "a blob of no blocks": (slot(1, 1, 256, 0), HEADERS[1:]),
    "a blob of too many blocks": (slot(1, 1, 256, 2**32 - 1), HEADERS[1:]),
    "a blob that is none": (WHOLE.replace(b"BlbS", b"blbs", 1), HEADERS[1:]),
    "a blob longer than its blocks": (WHOLE.replace(b"\x05\0\0\0small", b"\xff\0\0\0small"), HEADERS[1:]),
    "a checksum that does not fit": (WHOLE.replace(b"small", b"Small"), [b"Small", *HEADERS[1:]]),
    "an end that is none": (WHOLE.replace(b"BlbE", b"blbe", 1), HEADERS),
}


@pytest.mark.parametrize(("content", "kept"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_named_and_the_other_blobs_are_kept(content: bytes, kept: list[bytes]) -> None:
    faults = Faults()
    found = read(content, faults)
    assert [blob for blob in found if blob in kept] == kept
    assert len(found) == len(kept)
    assert faults.problem
    assert len(faults.problem) < 2000


def test_blobs_that_lie_in_each_other_are_not_copied_again_and_again() -> None:
    """Each of these heads says that its blob reaches to the end of the file."""
    count = 250
    blob = ndb_blob(1, b"x" * 1_000_000)
    heads = b"".join(
        struct.pack("<4sIII", b"BlbS", number, 1, len(blob) + 16 * (count - number) - 28) for number in range(1, count)
    )
    blocks = (len(heads) + len(blob)) // 16
    slots = b"".join(
        struct.pack("<4sIII", b"Slot", number, 256 + number - 1, blocks - number + 1) for number in range(1, count)
    )
    content = WHOLE[:32] + slots + WHOLE[32 + len(slots) : 4096] + heads + blob
    faults = Faults()
    assert sum(map(len, read(content, faults))) <= len(content)
    assert "overlaps" in str(faults)


def test_what_is_no_blob_is_not_read_to_its_end() -> None:
    """Else each of these slots would cost sixty megabytes."""
    slots = struct.pack("<4sIII", b"Slot", 1, 256, (60 << 20) // 16) * 250
    faults = Faults()
    content = _Counted(WHOLE[:32] + slots + WHOLE[32 + len(slots) : 4096] + bytes(60 << 20))
    assert list(blobs(content, faults)) == []
    assert content.taken < 100_000
    assert "250 places" in str(faults)


class _Counted(io.BytesIO):
    """A stream that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.taken += len(content)
        return content


@settings(deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_any_byte_may_be_wrong(place: int, byte: int) -> None:
    faults = Faults()
    try:
        found = read(WHOLE[:place] + bytes((byte,)) + WHOLE[place + 1 :], faults)
    except BadDatabase:
        return
    assert found == HEADERS or faults.problem


@given(st.binary(max_size=3000))
def test_any_bytes_can_be_read(content: bytes) -> None:
    read(WHOLE[:32] + content)
