"""From which repositories did the rpm packages of an image come?

Formats, as their programs keep them:

- content manifests of Red Hat's images (JSON, `content_sets`): the repositories that a build could use;
- the history of dnf 4 and dnf 5 (SQLite): which package a transaction took from which repository;
- the yumdb of yum 3: a file `from_repo` in one directory a package.

Each reader gives facts: (`EVERY_PACKAGE`, repository), or (`name-version-release.arch`, repository), without the epoch,
which yumdb leaves out.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import BinaryIO, Final

import orjson

from eclair.errors import BadDatabase
from eclair.model import Interest
from eclair.packages import release_marks
from eclair.packages.faults import Faults
from eclair.packages.sqlite import Database, Value

EVERY_PACKAGE: Final = ""

Fact = tuple[str, str]

_CONTENT_SETS: Final = "usr/share/buildinfo/content-sets.json"
_MANIFESTS: Final = ("root/buildinfo/content_manifests/", "usr/share/buildinfo/content_manifests/")
_DNF_4: Final = "var/lib/dnf/history.sqlite"
_DNF_5: Final = "usr/lib/sysimage/libdnf5/transaction_history.sqlite"
_FROM_REPO: Final = "from_repo"

INTEREST: Final = Interest(
    paths=frozenset((_CONTENT_SETS, _DNF_4, _DNF_5)), directories=_MANIFESTS, names=frozenset((_FROM_REPO,))
)

_LARGEST: Final = 4 << 20
_MOST_ROWS: Final = 200_000
"""Of a table; a history of ten years has some ten thousand."""

_REPOSITORY: Final = re.compile(r"[!-~]{1,200}", re.ASCII)
"""A word of a context: dnf allows letters, digits and `-_.:`, Red Hat's content sets have no others."""

_YUMDB: Final = re.compile(r"var/lib/yum/yumdb/[^/]+/[0-9a-f]+-(?P<name>[^/]+)-(?P<arch>[^/-]+)/from_repo")

# What a transaction did to an item (libdnf/transaction/Types.hpp, transaction_item_action.hpp of libdnf5), where that
# means that it is installed from the repository: install, downgrade, obsolete, upgrade, reinstall.
_INSTALLING_4: Final = frozenset((1, 2, 4, 6, 9))
_INSTALLING_5: Final = frozenset((1, 2, 3, 4))


def read(path: str, content: BinaryIO, faults: Faults) -> tuple[Fact, ...] | None:
    """Return the facts of a file, None where it is none of these. Raises `BadDatabase`."""
    if path == _DNF_4:
        return tuple(_history(Database(content, faults), _names_4, "action", _INSTALLING_4))
    if path == _DNF_5:
        return tuple(_history(Database(content, faults), _names_5, "action_id", _INSTALLING_5))
    if path == _CONTENT_SETS or (path.startswith(_MANIFESTS) and path.endswith(".json")):
        return tuple(_content_sets(content))
    match = _YUMDB.fullmatch(path)
    if match is None:
        return None
    repository = content.read(_LARGEST).decode(errors="replace").strip()
    return tuple(_facts([(f"{match['name']}.{match['arch']}", repository)]))


def words(facts: Sequence[Fact]) -> Mapping[str, frozenset[str]]:
    """Return the words that a context gets from the facts of an image, by package (`EVERY_PACKAGE`: by all).

    These are the repositories and, where an id names a minor release, the word of that (`packages.release_marks`).
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for package, repository in facts:
        found[package].update((f"repository:{repository}", *release_marks.of_repository(repository)))
    return {package: frozenset(some) for package, some in found.items()}


def _facts(pairs: Iterable[Fact]) -> Iterator[Fact]:
    """Yield the pairs whose repository can be a word of a context, each once."""
    for package, repository in dict.fromkeys(pairs):
        if _REPOSITORY.fullmatch(repository):
            yield package, repository


def _content_sets(content: BinaryIO) -> Iterator[Fact]:
    try:
        manifest = orjson.loads(content.read(_LARGEST))
    except orjson.JSONDecodeError as error:
        raise BadDatabase(f"no JSON: {error}") from error
    names = manifest.get("content_sets", ()) if isinstance(manifest, dict) else None
    if not isinstance(names, list | tuple):
        raise BadDatabase("no content manifest: it has no list of content sets")
    yield from _facts((EVERY_PACKAGE, name) for name in names if isinstance(name, str))


# --- histories -------------------------------------------------------------------------------------------------------

_Record = Mapping[str, Value]


def _history(
    database: Database, names: Callable[[Database], Mapping[Value, str]], action: str, installing: frozenset[int]
) -> Iterator[Fact]:
    """Yield the repository that the last transaction took each item from."""
    repositories = {record.get("id"): str(record.get("repoid")) for record in _records(database, "repo")}
    last = {
        record.get("item_id"): record.get("repo_id")
        for record in sorted(_records(database, "trans_item"), key=_id)
        if record.get(action) in installing
    }
    named = names(database)
    yield from _facts(
        (named[item], repositories[repository])
        for item, repository in last.items()
        if item in named and repository in repositories
    )


def _names_4(database: Database) -> Mapping[Value, str]:
    """Return `name-version-release.arch` by item."""
    return {record.get("item_id"): _name(record, record.get("name"), record.get("arch")) for record in _rpms(database)}


def _names_5(database: Database) -> Mapping[Value, str]:
    """Return the same; names and architectures have tables of their own."""
    names, architectures = (
        {record.get("id"): record.get("name") for record in _records(database, table)} for table in ("pkg_name", "arch")
    )
    return {
        record.get("item_id"): _name(record, names.get(record.get("name_id")), architectures.get(record.get("arch_id")))
        for record in _rpms(database)
    }


def _rpms(database: Database) -> Iterator[_Record]:
    return _records(database, "rpm")


def _name(record: _Record, name: Value, architecture: Value) -> str:
    return "{}-{}-{}.{}".format(*map(str, (name, record.get("version"), record.get("release"), architecture)))


def _id(record: _Record) -> int:
    number = record["id"]
    return number if isinstance(number, int) else 0


def _records(database: Database, name: str) -> Iterator[_Record]:
    """Yield the rows of a table by the names of its columns; the `id` of all these tables is that of the row."""
    columns = database.columns(name)
    for row in islice(database.rows(name), _MOST_ROWS):
        yield dict(zip(columns, row.values, strict=False)) | {"id": row.id}
