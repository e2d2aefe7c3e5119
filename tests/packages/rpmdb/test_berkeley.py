"""The values of a Berkeley DB hash."""

import io
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eclair.errors import BadDatabase
from eclair.packages.faults import Faults
from eclair.packages.rpmdb.berkeley import blobs
from tests.rpm_databases import berkeley, page

HEADERS = [b"small", b"x" * 100_000, b"", b"y" * 4071, b"z" * 4070]


def read(content: bytes, faults: Faults | None = None) -> list[bytes]:
    return [blob.content for blob in blobs(io.BytesIO(content), Faults() if faults is None else faults)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("page_size", [512, 4096, 32768])
def test_values_are_read_in_both_byte_orders_from_pages_of_any_size(order: str, page_size: int) -> None:
    faults = Faults()
    assert read(berkeley(HEADERS, order=order, page_size=page_size), faults) == HEADERS
    assert faults.problem is None


def test_an_empty_hash_has_no_values() -> None:
    assert read(berkeley([])) == []


@pytest.mark.skipif(shutil.which("db5.3_load") is None and shutil.which("db_load") is None, reason="no Berkeley DB")
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.lists(st.integers(0, 60_000), max_size=60),
    page_size=st.sampled_from([512, 4096, 65536]),
    order=st.sampled_from(["1234", "4321"]),
)
def test_what_berkeley_db_wrote_is_read(tmp_path: Path, sizes: list[int], page_size: int, order: str) -> None:
    path = tmp_path / "Packages"
    path.unlink(missing_ok=True)
    values = [bytes((number % 251,)) * size for number, size in enumerate(sizes)]
    lines = ["VERSION=3", "format=bytevalue", "type=hash", f"db_lorder={order}", f"db_pagesize={page_size}"]
    lines.append("HEADER=END")
    for number, value in enumerate(values, 1):
        lines += [f" {number.to_bytes(4, 'little').hex()}", f" {value.hex()}"]
    lines.append("DATA=END\n")
    program = shutil.which("db_load") or "db5.3_load"
    subprocess.run([program, str(path)], check=True, input="\n".join(lines).encode())
    faults = Faults()
    assert sorted(read(path.read_bytes(), faults)) == sorted(values)
    assert faults.problem is None


# --- what is broken or hostile ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        berkeley(HEADERS)[:95],
        berkeley(HEADERS, version=7),
        berkeley(HEADERS, version=11),
        berkeley(HEADERS, encryption=1),
        berkeley(HEADERS, flags=1),
        berkeley(HEADERS)[:20] + (4095).to_bytes(4, "little") + bytes(4096),
        berkeley(HEADERS)[:20] + bytes(4) + bytes(4096),
        berkeley(HEADERS)[:20] + (1 << 31).to_bytes(4, "little") + bytes(4096),
    ],
)
def test_what_the_first_page_does_not_describe_is_refused(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read(content)


def overwritten(content: bytes, place: int, *numbers: int) -> bytes:
    """Return the database with numbers of 32 bits in another place."""
    written = bytearray(content)
    struct.pack_into(f"<{len(numbers)}I", written, place, *numbers)
    return bytes(written)


WHOLE = berkeley(HEADERS)
OVERFLOW = 2 * 4096
"""Where the first overflow page begins: page 0 is the description, page 1 the hash."""

REFERENCE = struct.pack("<B3xII", 3, 2, 100_000)

DAMAGED = {
    "a file that ends early": (WHOLE[:-4096], {b"small", HEADERS[1], b"", HEADERS[3]}),
    "a file that ends in a page": (WHOLE[:-1], {b"small", HEADERS[1], b"", HEADERS[3]}),
    "a last page that is not there": (berkeley(HEADERS, last_page=10_000), set(HEADERS)),
    "more entries than there are": (berkeley(HEADERS, elements=100), set(HEADERS)),
    "a chain that leads to itself": (overwritten(WHOLE, OVERFLOW + 16, 2), {b"small", b"", HEADERS[3], HEADERS[4]}),
    "a chain that leads back to the hash": (overwritten(WHOLE, OVERFLOW + 16, 1), set(HEADERS) - {HEADERS[1]}),
    "a chain that leads out of the file": (overwritten(WHOLE, OVERFLOW + 16, 99), set(HEADERS) - {HEADERS[1]}),
    "a chain that ends early": (overwritten(WHOLE, OVERFLOW + 16, 0), set(HEADERS) - {HEADERS[1]}),
    "a page that calls itself another": (overwritten(WHOLE, OVERFLOW + 8, 3), set(HEADERS) - {HEADERS[1]}),
    "a value longer than its chain": (berkeley(HEADERS, size=5_000_000), {b"small", b""}),
    "a value of four gigabytes": (berkeley(HEADERS, size=2**32 - 1), {b"small", b""}),
    "a value of no bytes": (berkeley(HEADERS, size=0), {b"small", b""}),
    "an item index that reaches beyond the page": (overwritten(WHOLE, 4096 + 20, 0xFFFFFFFF), set()),
    "items that begin before the page": (overwritten(WHOLE, 4096 + 26, 0), set()),
    "a value of an unused type": (WHOLE.replace(REFERENCE, b"\x04" + bytes(11)), set(HEADERS) - {HEADERS[1]}),
}


@pytest.mark.parametrize(("content", "kept"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_named_and_the_other_values_are_kept(content: bytes, kept: set[bytes]) -> None:
    faults = Faults()
    assert set(read(content, faults)) - {b""} == kept - {b""}
    assert faults.problem
    assert len(faults.problem) < 2000


def test_a_chain_that_many_entries_share_is_read_once() -> None:
    """Else a file of some megabytes would be read thousands of times."""
    count, length = 130, 1500
    item = struct.pack("<B3xII", 3, 2, length * 4070)
    begins = [4096 - 12 * (place + 1) for place in range(2 * count)]
    index = struct.pack(f"<{2 * count}H", *begins)
    bucket = (page("<", 4096, 1, 13, 0, 2 * count, begins[-1]) + index).ljust(begins[-1], b"\0") + item * 2 * count
    chain = b"".join(
        page("<", 4096, 2 + place, 7, (3 + place) % (2 + length), 1, 4070) + bytes(4070) for place in range(length)
    )
    faults = Faults()
    content = berkeley([], last_page=1 + length, elements=count)[:4096] + bucket + chain
    assert len(read(content, faults)) == 1
    assert "is referred to twice" in str(faults)


@settings(deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_any_byte_may_be_wrong(place: int, byte: int) -> None:
    try:
        found = read(WHOLE[:place] + bytes((byte,)) + WHOLE[place + 1 :])
    except BadDatabase:
        return
    assert len(found) <= len(HEADERS) + 1


@given(st.binary(max_size=3000))
def test_any_bytes_can_be_read(content: bytes) -> None:
    read(WHOLE[:4096] + content)
