"""Feeds are copied into a mirror folder, part by part as a whole, and only what changed is fetched again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eclair import feeds
from eclair.adapters.documents import FolderDocuments
from eclair.adapters.mirror import MirrorFolder
from eclair.errors import Unavailable
from eclair.export import Export
from eclair.feeds import Document, Part
from eclair.model import Fingerprint, RefreshRequest
from eclair.ports import Fetched
from tests.fleet import SAMPLES
from tests.test_refresh import AFTER, ALL, FIRST, INDEX, MORE, ByIndex, ByPackage, ByStep, Site, World, says


@pytest.fixture
def site() -> Site:
    return Site()


def publish(site: Site, content: object, url: str = ALL) -> None:
    site.documents[url] = json.dumps(content).encode()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".copied.json"
    }


def export(site: Site, folder: Path, feed: ByPackage | None = None) -> tuple[str, ...]:
    site.asked.clear()
    return Export(mirror=MirrorFolder(folder, site))([feed or ByPackage()])


def test_a_mirror_is_read_as_the_vendor_is(site: Site, tmp_path: Path) -> None:
    publish(site, FIRST)
    publish(site, {"bash": {"CVE-9": "9.0"}}, MORE)
    assert export(site, tmp_path) == ()
    assert files(tmp_path) == {
        "toy.example/all.json": site.documents[ALL],
        "toy.example/more.json": site.documents[MORE],
    }
    world = World(ByPackage())
    world.refresh(documents=FolderDocuments(tmp_path))
    assert world.stands() == {**says(FIRST), ("bash", "CVE-9"): "9.0"}
    assert world.part.published == 1_735_984_800.0, "the vendor's date goes with the copy"


def test_what_did_not_change_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    publish(site, FIRST)
    export(site, tmp_path)
    place = tmp_path / "toy.example" / "all.json"
    first = place.stat()
    assert export(site, tmp_path) == ()
    assert site.asked == [(ALL, True), (MORE, False)]
    assert place.stat() == first
    publish(site, AFTER)
    export(site, tmp_path)
    assert place.read_bytes() == site.documents[ALL]


def test_a_copy_that_was_deleted_or_whose_note_is_damaged_is_made_again(site: Site, tmp_path: Path) -> None:
    publish(site, FIRST)
    export(site, tmp_path)
    (tmp_path / "toy.example" / "all.json").unlink()
    assert export(site, tmp_path) == ()
    assert files(tmp_path).keys() == {"toy.example/all.json"}
    for damage in (b"", b"[]", b'{"toy/main": 7}', b'{"toy/main": [{"uri": 1}]}'):
        (tmp_path / ".copied.json").write_bytes(damage)
        assert export(site, tmp_path) == ()
        assert site.asked[0] == (ALL, False)


def test_a_part_that_fails_stays_as_it_was(site: Site, tmp_path: Path) -> None:
    class Failing(Site):
        @contextmanager
        def fetch(self, url: str, known: Fingerprint | None) -> Iterator[Fetched | None]:
            if url == MORE:
                raise Unavailable("HTTP 500")
            with super().fetch(url, known) as fetched:
                yield fetched

    publish(site, FIRST)
    publish(site, {}, MORE)
    export(site, tmp_path)
    before = files(tmp_path)
    failing = Failing()
    publish(failing, AFTER)
    assert export(failing, tmp_path) == ("toy/main: HTTP 500",)
    assert files(tmp_path) == before


def test_indexes_are_copied_and_what_they_name_no_more_goes(site: Site, tmp_path: Path) -> None:
    publish(site, FIRST, "https://toy.example/1/all.json")
    site.documents[INDEX] = b"https://toy.example/1/all.json"
    assert export(site, tmp_path, ByIndex()) == ()
    assert files(tmp_path).keys() == {"toy.example/index", "toy.example/1/all.json"}
    publish(site, AFTER, "https://toy.example/2/all.json")
    site.documents[INDEX] = b"https://toy.example/2/all.json"
    assert export(site, tmp_path, ByIndex()) == ()
    assert files(tmp_path).keys() == {"toy.example/index", "toy.example/2/all.json"}


def test_what_two_parts_share_stays_while_one_has_it(site: Site, tmp_path: Path) -> None:
    class Sharing(ByPackage):
        parts = tuple(
            Part(name=name, documents=(Document(url=ALL), Document(url=MORE, optional=True))) for name in ("a", "b")
        )

    publish(site, FIRST)
    publish(site, {}, MORE)
    export(site, tmp_path, Sharing())
    del site.documents[MORE]
    Export(mirror=MirrorFolder(tmp_path, site))([_only(Sharing(), "a")])
    assert files(tmp_path).keys() == {"toy.example/all.json", "toy.example/more.json"}
    export(site, tmp_path, Sharing())
    assert files(tmp_path).keys() == {"toy.example/all.json"}


def _only(feed: ByPackage, part: str) -> ByPackage:
    class One(ByPackage):
        parts = tuple(each for each in feed.parts if each.name == part)

    return One()


def test_the_documents_of_an_incremental_feed_are_those_of_its_first_load(site: Site, tmp_path: Path) -> None:
    publish(site, [["CVE-1", {"curl": "1"}], ["CVE-2", None]])
    publish(site, {"zlib": "2"}, "https://toy.example/CVE-2")
    assert export(site, tmp_path, ByStep()) == ()
    assert files(tmp_path).keys() == {"toy.example/all.json", "toy.example/CVE-2"}
    world = World(ByStep())
    world.refresh(documents=FolderDocuments(tmp_path))
    assert world.stands() == {("curl", "CVE-1"): "1", ("zlib", "CVE-2"): "2"}


def test_a_probe_that_is_not_there_is_no_failure(site: Site, tmp_path: Path) -> None:
    class Probing(ByPackage):
        parts = (Part(name="main", documents=(Document(url=ALL),), probe=True),)

    assert export(site, tmp_path, Probing()) == ()
    (failure,) = export(site, tmp_path)
    assert failure.startswith("toy/main: https://toy.example/all.json: HTTP 404")


def test_names_that_a_url_quotes_are_files_names(site: Site, tmp_path: Path) -> None:
    class Quoting(ByPackage):
        parts = (Part(name="main", documents=(Document(url="https://toy.example/Rocky%20Linux/all.zip"),)),)

    site.documents["https://toy.example/Rocky%20Linux/all.zip"] = b"{}"
    folder = tmp_path / "50%25 of it"
    assert export(site, folder, Quoting()) == ()
    assert files(folder).keys() == {"toy.example/Rocky Linux/all.zip"}


def test_genuine_feeds_are_copied(tmp_path: Path) -> None:
    source = SAMPLES / "feeds" / "mirror-1"
    export_ = Export(mirror=MirrorFolder(tmp_path, FolderDocuments(source)))
    export_([feeds.load()["debian"], feeds.load()["alpine"]])
    copied = files(tmp_path)
    assert copied == {name: content for name, content in files(source).items() if name in copied}
    assert {name.split("/")[0] for name in copied} == {"security-tracker.debian.org", "secdb.alpinelinux.org"}
    world = World(ByPackage())
    loaded = world.refresh(
        RefreshRequest(feed="debian", part="tracker"), documents=FolderDocuments(tmp_path), catalogue=feeds.load
    )
    assert loaded.written == 344
