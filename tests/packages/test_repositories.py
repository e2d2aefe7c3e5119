"""The repositories that rpm packages came from."""

import io
import json
import sqlite3
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadDatabase
from eclair.packages import repositories
from eclair.packages.faults import Faults
from eclair.packages.repositories import Fact

DNF_4 = "var/lib/dnf/history.sqlite"
DNF_5 = "usr/lib/sysimage/libdnf5/transaction_history.sqlite"
MANIFEST = "root/buildinfo/content_manifests/ubi8-container-8.4-1.json"


def read(path: str, content: bytes) -> tuple[Fact, ...] | None:
    faults = Faults()
    facts = repositories.read(path, io.BytesIO(content), faults)
    assert faults.problem is None
    return facts


# --- content manifests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        MANIFEST,
        "usr/share/buildinfo/content_manifests/a.json",
        "usr/share/buildinfo/content-sets.json",
        "root/buildinfo/content_manifests/content-sets.json",
    ],
)
def test_content_sets_are_those_of_all_packages(path: str) -> None:
    manifest = {
        "metadata": {"icm_version": 1, "image_layer_index": 0},
        "from_dnf_hint": True,
        "content_sets": ["rhel-8-for-x86_64-baseos-rpms", "releases", "rhel-8-for-x86_64-baseos-rpms"],
    }
    assert read(path, json.dumps(manifest).encode()) == (("", "rhel-8-for-x86_64-baseos-rpms"), ("", "releases"))


def test_an_image_may_have_no_content_sets() -> None:
    assert read(MANIFEST, b'{"metadata": {}}') == ()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"content_sets": {}}', b"[" * 100_000, b'{"content_sets": "\xff']
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read(MANIFEST, content)


def test_what_is_no_word_is_passed_over() -> None:
    names = ["", "two words", "a\nb", "é", "x" * 201, 7, None, "ok"]
    assert read(MANIFEST, json.dumps({"content_sets": names}).encode()) == (("", "ok"),)


# --- yumdb -----------------------------------------------------------------------------------------------------------


def test_yum_keeps_the_repository_of_a_package_in_a_file_of_its_own() -> None:
    path = "var/lib/yum/yumdb/b/dfa0ac5b4a4a6e83a5-bash-completion-2.1-6.amzn2-noarch/from_repo"
    assert read(path, b"amzn2-core") == (("bash-completion-2.1-6.amzn2.noarch", "amzn2-core"),)


@pytest.mark.parametrize(
    "path",
    ["home/from_repo", "var/lib/yum/yumdb/b/from_repo", "var/lib/yum/yumdb/b/x-bash-1-1-noarch/reason", "x.json"],
)
def test_other_files_are_not_read(path: str) -> None:
    assert read(path, b"x") is None


# --- histories -------------------------------------------------------------------------------------------------------

SCHEMA_4 = """
CREATE TABLE repo (id INTEGER PRIMARY KEY, repoid TEXT NOT NULL /* repository ID aka 'repoid' */);
CREATE TABLE item (id INTEGER PRIMARY KEY, item_type INTEGER NOT NULL);
CREATE TABLE trans_item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trans_id INTEGER,
    item_id INTEGER REFERENCES item(id),
    repo_id INTEGER REFERENCES repo(id),
    action INTEGER NOT NULL,                                /* (enum) */
    reason INTEGER NOT NULL,
    state INTEGER NOT NULL,
    CONSTRAINT trans_item_unique_trans_item UNIQUE (trans_id, item_id)
);
CREATE TABLE rpm (
    item_id INTEGER UNIQUE NOT NULL,
    name TEXT NOT NULL,
    epoch INTEGER NOT NULL,                     /* empty epoch is stored as 0 */
    version TEXT NOT NULL,
    release TEXT NOT NULL,
    arch TEXT NOT NULL,
    FOREIGN KEY(item_id) REFERENCES item(id)
);
INSERT INTO repo VALUES (1, 'baseos'), (2, 'appstream'), (3, 'no word');
INSERT INTO rpm VALUES (1, 'bash', 0, '5.1', '1.el9', 'x86_64'), (2, 'perl', 4, '5.32', '2.el9', 'x86_64'),
    (3, 'gone', 0, '1', '1', 'noarch'), (4, 'odd', 0, '1', '1', 'noarch');
"""

SCHEMA_5 = """
CREATE TABLE repo (id INTEGER PRIMARY KEY, repoid TEXT NOT NULL);
CREATE TABLE pkg_name ("id" INTEGER, "name" TEXT NOT NULL UNIQUE, PRIMARY KEY("id" AUTOINCREMENT));
CREATE TABLE arch ("id" INTEGER, "name" TEXT NOT NULL UNIQUE, PRIMARY KEY("id" AUTOINCREMENT));
CREATE TABLE trans_item (id INTEGER PRIMARY KEY, trans_id INTEGER, item_id INTEGER, action_id INTEGER, repo_id INTEGER);
CREATE TABLE rpm (item_id INTEGER UNIQUE NOT NULL, name_id INTEGER, epoch INTEGER, version TEXT, release TEXT, arch_id);
INSERT INTO repo VALUES (1, 'baseos'), (2, 'appstream');
INSERT INTO pkg_name VALUES (7, 'bash'), (8, 'perl');
INSERT INTO arch VALUES (5, 'x86_64');
INSERT INTO rpm VALUES (1, 7, 0, '5.1', '1.el9', 5), (2, 8, 4, '5.32', '2.el9', 5);
INSERT INTO trans_item VALUES (1, 1, 1, 1, 2), (2, 1, 2, 1, 1), (3, 2, 1, 2, 1), (4, 2, 2, 5, 2), (5, 2, 9, 1, 1);
"""

INSTALL, UPGRADE, UPGRADED, REMOVE, REASON_CHANGE = 1, 6, 7, 8, 11


STATEMENT = "INSERT INTO trans_item (trans_id, item_id, repo_id, action, reason, state) VALUES (?, ?, ?, ?, 1, 1)"


def history(schema: str, items: Iterable[tuple[int, int, int, int]] = ()) -> bytes:
    """Return a history with these transactions, items, repositories and actions."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema)
    for item in items:
        connection.execute(STATEMENT, item)
    connection.commit()
    content = connection.serialize()
    connection.close()
    return content


def test_the_last_transaction_that_installed_a_package_tells_its_repository() -> None:
    items = [
        (1, 1, 1, INSTALL),
        (1, 2, 1, INSTALL),
        (1, 3, 1, INSTALL),
        (2, 2, 2, UPGRADE),
        (3, 3, 2, REMOVE),
        (4, 1, 2, REASON_CHANGE),
        (4, 2, 1, UPGRADED),
        (5, 4, 3, INSTALL),
        (5, 9, 1, INSTALL),
    ]
    assert read(DNF_4, history(SCHEMA_4, items)) == (
        ("bash-5.1-1.el9.x86_64", "baseos"),
        ("perl-5.32-2.el9.x86_64", "appstream"),
        ("gone-1-1.noarch", "baseos"),
    )


def test_dnf_5_keeps_names_in_tables_of_their_own() -> None:
    assert read(DNF_5, history(SCHEMA_5)) == (
        ("bash-5.1-1.el9.x86_64", "baseos"),
        ("perl-5.32-2.el9.x86_64", "baseos"),
    )


@pytest.mark.parametrize("path", [DNF_4, DNF_5])
@pytest.mark.parametrize("content", [b"", b"x" * 1000, history("CREATE TABLE repo (id)")])
def test_what_is_no_history_is_refused(path: str, content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read(path, content)


HISTORY = history(SCHEMA_4, [(1, 1, 1, INSTALL)])


@given(place=st.integers(0, len(HISTORY) - 1), byte=st.integers(0, 255))
def test_any_byte_may_be_wrong(place: int, byte: int) -> None:
    try:
        facts = repositories.read(DNF_4, io.BytesIO(HISTORY[:place] + bytes((byte,)) + HISTORY[place + 1 :]), Faults())
    except BadDatabase:
        return
    assert facts is not None
    assert len(facts) <= 1


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_repository_of_a_minor_release_names_it() -> None:
    assert repositories.words([("", "rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2")]) == {
        "": frozenset({"repository:rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2", "dist:el9_2"})
    }


def test_words_are_by_package() -> None:
    facts = [("", "a"), ("bash-1-1.noarch", "b"), ("bash-1-1.noarch", "c")]
    assert repositories.words(facts) == {
        "": frozenset({"repository:a"}),
        "bash-1-1.noarch": frozenset({"repository:b", "repository:c"}),
    }
