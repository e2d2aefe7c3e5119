"""The rows of SQLite's tables, read as SQLite itself reads them."""

import io
import sqlite3
import struct
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eclair.errors import BadDatabase
from eclair.packages.faults import Faults
from eclair.packages.sqlite import Database, Row, is_pending_log
from tests.work import CountedFile, guarded

Value = int | float | str | bytes | None


def written(statements: Iterable[str], rows: Iterable[Sequence[Value]] = ()) -> bytes:
    """Return the database that these statements and rows of the table `t` make."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    for row in rows:
        marks = ", ".join("?" for _ in row)
        connection.execute(f"INSERT INTO t VALUES ({marks})", row)
    content = connection.serialize()
    connection.close()
    return content


def said(content: bytes, table: str = "t") -> list[tuple[Value, ...]]:
    """Return the rows that SQLite itself reads, with their ids."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(content)
    rows = connection.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid").fetchall()
    connection.close()
    return rows


def read(content: bytes, table: str = "t", faults: Faults | None = None) -> list[Row]:
    return list(Database(io.BytesIO(content), Faults() if faults is None else faults).rows(table))


def agrees(content: bytes) -> bool:
    faults = Faults()
    rows = [(row.id, *row.values) for row in read(content, faults=faults)]
    return rows == said(content) and faults.problem is None


# --- what SQLite reads -----------------------------------------------------------------------------------------------

values = st.one_of(
    st.none(),
    st.sampled_from([0, 1, -1, 127, 128, -129, 2**23, -(2**31), 2**31, 2**47, 2**63 - 1, -(2**63)]),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.builds(lambda size: b"\xab" * size, st.integers(0, 20_000)),
    st.builds(lambda size: "ä" * size, st.integers(0, 9_000)),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.tuples(values, values), max_size=25),
    page_size=st.sampled_from([512, 1024, 4096, 65536]),
    encoding=st.sampled_from(["UTF-8", "UTF-16le", "UTF-16be"]),
)
def test_any_rows_are_read_as_sqlite_reads_them(rows: list[tuple[Value, Value]], page_size: int, encoding: str) -> None:
    statements = [f"PRAGMA page_size = {page_size}", f"PRAGMA encoding = '{encoding}'", "CREATE TABLE t (a, b)"]
    assert agrees(written(statements, rows))


def test_a_tree_of_many_pages_with_gaps_is_read_in_the_order_of_its_rows() -> None:
    statements = ["PRAGMA page_size = 512", "CREATE TABLE t (a, b)"]
    content = written(statements, ((number, "x" * (number % 300)) for number in range(3000)))
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(content)
    connection.execute("DELETE FROM t WHERE a % 7 = 0")
    connection.execute("UPDATE t SET b = 'short' WHERE a % 5 = 0")
    connection.execute("INSERT INTO t SELECT a, b || b FROM t WHERE a % 11 = 0")
    content = connection.serialize()
    connection.close()
    assert agrees(content)


def test_an_integer_primary_key_is_the_id_of_its_row() -> None:
    content = written(["CREATE TABLE t (id INTEGER PRIMARY KEY, a)"], [(-5, "x"), (2**40, "y")])
    assert read(content) == [Row(id=-5, values=(None, "x")), Row(id=2**40, values=(None, "y"))]


def test_rows_from_before_a_column_was_added_have_fewer_values() -> None:
    content = written(["CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "ALTER TABLE t ADD COLUMN b DEFAULT 7"])
    assert read(content) == [Row(id=1, values=(1,))]


SCHEMAS = {
    "CREATE TABLE t (a, b)": ("a", "b"),
    'CREATE TABLE "t" ("id" INTEGER PRIMARY KEY, `b` TEXT DEFAULT \'x,y)\', [c d] INT CHECK (1 IN (1, 2)))': (
        "id",
        "b",
        "c d",
    ),
    "CREATE TABLE t (a INTEGER /* the, (first */, -- b,\n c DECIMAL(10, 5), CONSTRAINT x UNIQUE (a, c))": ("a", "c"),
    "CREATE TABLE t (a TEXT, PRIMARY KEY (a))": ("a",),
    "CREATE TABLE t AS SELECT 1 AS a, 2 AS b": ("a", "b"),
}


@pytest.mark.parametrize(("schema", "columns"), SCHEMAS.items())
def test_the_columns_are_those_of_the_statement(schema: str, columns: tuple[str, ...]) -> None:
    assert Database(io.BytesIO(written([schema])), Faults()).columns("t") == columns


# --- what is broken or hostile ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SQLite format 3\x00",
        b"x" * 4096,
        b"SQLite format 3\x00" + b"\x00\x03" + bytes(200),
        b"SQLite format 3\x00" + b"\x02\x00" + b"\x01\x01\xff" + bytes(200),
    ],
)
def test_what_is_no_database_is_refused(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read(content)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE u (a)"],
        ["CREATE VIEW t AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"],
        ["CREATE TABLE u (a)", "CREATE INDEX t ON u (a)"],
    ],
)
def test_what_is_no_table_is_not_read(statements: list[str]) -> None:
    with pytest.raises(BadDatabase, match="no table t"):
        read(written(statements))


def test_neither_triggers_nor_generated_columns_run() -> None:
    content = written(
        [
            "CREATE TABLE t (a, b AS (zeroblob(1000000000)))",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT zeroblob(1000000000); END",
        ]
    )
    assert read(content) == []


def test_a_table_without_row_ids_is_named() -> None:
    faults = Faults()
    content = written(["CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID"], [("x",)])
    assert read(content, faults=faults) == []
    assert "page 2: a page of kind 10" in str(faults)


LARGE = written(["PRAGMA page_size = 512", "CREATE TABLE t (a, b)"], ((n, "x" * (n % 900)) for n in range(300)))


def changed(place: int, content: bytes) -> bytes:
    return LARGE[:place] + content + LARGE[place + len(content) :]


def pages() -> range:
    return range(1, len(LARGE) // 512 + 1)


def root() -> int:
    """Return where the root of the table begins: page 2."""
    return 512


DAMAGED = {
    "cut in a page": LARGE[:-700],
    "cut after the second page": LARGE[:1024],
    "the root leads to itself": changed(root() + 8, (2).to_bytes(4, "big")),
    "the root leads to page 0": changed(root() + 8, bytes(4)),
    "the root leads out of the file": changed(root() + 8, b"\xff\xff\xff\xff"),
    "more cells than there is room": changed(root() + 3, b"\xff\xff"),
    "fewer cells than there are": changed(root() + 3, b"\x00\x01"),
    "a gap that leads back": changed(root() + 1, b"\x00\x01"),
    "no page of a tree": changed(root(), b"\x02"),
    "nothing but zeros": LARGE[:512] + bytes(len(LARGE) - 512),
    "nothing but ones": LARGE[:512] + b"\xff" * (len(LARGE) - 512),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_named_and_the_other_pages_are_read(content: bytes) -> None:
    faults = Faults()
    rows = read(content, faults=faults)
    assert faults.problem
    assert len(faults.problem) < 2000
    genuine = {(row.id, row.values) for row in read(LARGE)}
    assert {(row.id, row.values) for row in rows} <= genuine


def leaf() -> int:
    """Return where the first leaf of the table begins."""
    return next(number * 512 for number in pages() if LARGE[number * 512] == 13)


def varint(value: int) -> bytes:
    """Write a number of up to 21 bits in three bytes."""
    return bytes((0x80 | value >> 14, 0x80 | value >> 7 & 0x7F, value & 0x7F))


def test_rows_that_lie_over_each_other_are_not_read_again_and_again() -> None:
    """A page full of pointers to one large row would be copied thousands of times."""
    page = bytearray(65536)
    row = varint(4 + 60_000) + b"\x01" + b"\x04" + varint(13 + 2 * 60_000) + b"x" * 60_000
    page[-len(row) :] = row
    page[0] = 13
    struct.pack_into(">HH", page, 3, 2000, 65536 - len(row))
    struct.pack_into(">2000H", page, 8, *([65536 - len(row)] * 2000))
    content = bytearray(written(["PRAGMA page_size = 65536", "CREATE TABLE t (a)"]))
    content[65536:] = page
    faults = Faults()
    with guarded():
        assert len(read(bytes(content), faults=faults)) < 3
    assert "do not add up" in str(faults)


def test_pages_that_lead_to_each_other_end() -> None:
    """Every page of the file is an interior page full of pointers to all the others."""
    count = 2000
    content = bytearray(written(["PRAGMA page_size = 512", "CREATE TABLE t (a)"]))
    content[512:] = bytes(512 * count)
    for number in range(count):
        page = bytearray(512)
        page[0] = 5
        struct.pack_into(">HHBI", page, 3, 80, 172, 0, number % count + 2)
        for cell in range(80):
            struct.pack_into(">H", page, 12 + 2 * cell, 172 + 4 * cell)
            struct.pack_into(">I", page, 172 + 4 * cell, (number * 7 + cell) % count + 2)
        content[512 * (number + 1) : 512 * (number + 2)] = page
    faults, file = Faults(), CountedFile(bytes(content))
    assert list(Database(file, faults).rows("t")) == []
    assert file.reads < 2 * count
    assert faults.problem


@settings(deadline=None)
@given(place=st.integers(0, len(LARGE) - 1), byte=st.integers(0, 255))
def test_any_byte_may_be_wrong(place: int, byte: int) -> None:
    faults = Faults()
    try:
        rows = read(changed(place, bytes((byte,))), faults=faults)
    except BadDatabase:
        return
    assert len(rows) <= 300 or faults.problem


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_read(content: bytes) -> None:
    faults = Faults()
    for whole in (LARGE[:100] + content, LARGE[:512] + content):
        try:
            read(whole, faults=faults)
        except BadDatabase:
            continue


# --- logs ------------------------------------------------------------------------------------------------------------


def test_the_log_of_a_database_that_was_not_closed_is_pending(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    assert is_pending_log(io.BytesIO(path.with_name("db-wal").read_bytes()))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not is_pending_log(io.BytesIO(path.with_name("db-wal").read_bytes()))
    connection.close()
