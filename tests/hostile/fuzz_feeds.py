"""The documents of the vendors."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from eclair import feeds
from eclair.errors import BadFeed
from eclair.feeds import Document, Enriching, Part
from eclair.feeds import redhat as red_hat
from eclair.model import AdvisoryStatements, PackageStatements, Said, Unread
from tests.hostile.fuzzing import Target
from tests.packed import tar_of, zip_of

SAMPLES: Final = Path(__file__).parent.parent / "samples" / "feeds"
_LARGEST: Final = 64 << 10
"""Bytes of a sample: of larger ones there are others that have the same in less."""


def _inflated(*patterns: str) -> Iterator[bytes]:
    for pattern in patterns:
        for file in sorted(SAMPLES.glob(pattern)):
            content = {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(file.suffix, bytes)(file.read_bytes())
            yield content[:_LARGEST] if file.suffix != ".json" else content


def _records(pattern: str) -> Iterator[bytes]:
    """Yield the records of archives, the smaller ones."""
    for file in sorted(SAMPLES.glob(pattern)):
        records = [file.read_bytes()] if file.suffix == ".json" else list(_members(file))
        yield from sorted(records, key=len)[:20]


def _members(file: Path) -> Iterator[bytes]:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            yield from map(archive.read, archive.namelist())
    else:
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(file.read_bytes()))) as archive:
            yield from (archive.extractfile(member).read() for member in archive if member.isfile())  # type: ignore[union-attr]


# --- what is said ----------------------------------------------------------------------------------------------------


def _outline(said: Iterator[Said]) -> list[object]:
    """Return what is said; every statement has to be one that can be stored."""
    found: list[object] = []
    for one in said:
        assert isinstance(one, AdvisoryStatements | PackageStatements | Unread)
        found.append(one)
        for statement in () if isinstance(one, Unread) else one.statements:
            assert statement.id
            assert isinstance(one, PackageStatements) or statement.id == one.id
            assert statement.vulnerabilities
            assert "#" not in statement.package.name
    return found


def _parse(feed: str, part: str, url: str, pack: Callable[[bytes], bytes], content: bytes) -> object:
    loaded = feeds.load()[feed]
    [known] = [some for some in loaded.parts if some.name == part]
    chosen = Part(name=part, documents=(Document(url=url or known.documents[0].url),))
    return _outline(loaded.parse(chosen, [io.BytesIO(pack(content))], "r1"))


def _enrich(feed: str, content: bytes) -> object:
    loaded = feeds.load()[feed]
    assert isinstance(loaded, Enriching)
    return list(loaded.enrich(loaded.parts[0], [io.BytesIO(content)]))


def _vex(content: bytes) -> object:
    reading = red_hat._Reading(_unopened, red_hat._History(io.BytesIO(), io.BytesIO()), "r1")
    return _outline(iter((reading._said("2024/cve-2024-0727.json", content),)))


def _unopened(document: Document) -> Any:
    raise AssertionError(document)


def _lists(content: bytes) -> object:
    """Read the lists of what changed and was deleted, and the name of the archive, as one text each."""
    with io.BytesIO(content) as changes, io.BytesIO(content) as deletions:
        history = red_hat._History(changes, deletions)
        since = red_hat._Since("2024-01-01T00:00:00+00:00", "")
        return history.count(since, 100), red_hat._archive(io.BytesIO(content)).name


def _list_seeds() -> Iterator[bytes]:
    yield b'"2024/cve-2024-0727.json","2024-05-01T10:00:00+00:00"\n"2023/cve-2023-1.json","2023-01-01T00:00:00Z"\n'
    yield b"csaf_vex_2026-03-12.tar.zst\n"


def _zip(content: bytes) -> bytes:
    return zip_of({"A-1.json": content, "A-2.json": b"{}"})


def _tar(content: bytes) -> bytes:
    return tar_of({"osv/A-1.json": content}, "w")


def _feed(
    feed: str,
    part: str,
    seeds: Callable[[], Iterator[bytes]],
    *,
    url: str = "",
    pack: Callable[[bytes], bytes] = bytes,
    words: tuple[bytes, ...] = (),
) -> Target:
    return Target(
        name=f"feed-{feed}-{part}".replace(":", ""),
        seeds=seeds,
        read=partial(_parse, feed, part, url, pack),
        refused=(BadFeed,),
        words=words,
    )


_MIRROR: Final = "mirror-1/secdb.alpinelinux.org/v3.10/main.json"
_CORE: Final = "https://cdn.amazonlinux.com/2/core/x/updateinfo.xml.gz"
_XML: Final = (b"<", b">", b"/>", b"</", b'="', b"&amp;", b"&#0;", b"<![CDATA[", b"<!--", b"<?x?>", b"less than", b"#")
_OSV: Final = (b'"introduced"', b'"fixed"', b'"last_affected"', b'"limit"', b'"events":', b'"withdrawn"', b'"aliases"')


def _debian() -> Iterator[bytes]:
    yield from _inflated("debian-tracker/*.json")
    tracker = json.loads((SAMPLES / "mirror-1/security-tracker.debian.org/tracker/data/json").read_bytes())
    yield json.dumps(
        {name: tracker[name] for name in sorted(tracker, key=lambda name: len(str(tracker[name])))[:5]}
    ).encode()


TARGETS: Final = (
    _feed("debian", "tracker", _debian),
    _feed("alpine", "v3.10", partial(_inflated, _MIRROR)),
    _feed("ubuntu", "osv", partial(_records, "ubuntu/*.json"), pack=_tar, words=_OSV),
    _feed("alma", "osv", partial(_records, "alma/*"), pack=_zip, words=_OSV),
    _feed("rocky", "osv", partial(_records, "rocky/*"), pack=_zip, words=_OSV),
    _feed("chainguard", "wolfi", partial(_records, "chainguard/*"), pack=_zip, words=_OSV),
    _feed("osv", "npm", partial(_records, "osv/npm*"), pack=_zip, words=_OSV),
    _feed("osv", "pypi", partial(_records, "osv/pip*"), pack=_zip, words=_OSV),
    _feed("osv", "maven", partial(_records, "osv/maven*"), pack=_zip, words=_OSV),
    _feed("amazon", "2", partial(_inflated, "amazon/updateinfo_2_*"), url=_CORE, words=_XML),
    _feed("arch", "tracker", partial(_inflated, "arch/*.json")),
    _feed("azurelinux", "cbl-mariner-2.0", partial(_inflated, "azurelinux/*mariner*.xml"), words=_XML),
    _feed("oracle", "elsa", partial(_inflated, "oracle/*"), words=_XML),
    _feed("photon", "4.0", partial(_inflated, "photon/*.json")),
    _feed("photon", "3.0", partial(_inflated, "photon/*.xml.gz"), words=_XML),
    _feed("suse", "sles:15.1", partial(_inflated, "suse/suse.linux.enterprise.server.15.xml.gz"), words=_XML),
    Target(name="feed-redhat", seeds=partial(_inflated, "redhat/*"), read=_vex, refused=(BadFeed,)),
    Target(name="feed-redhat-lists", seeds=_list_seeds, read=_lists, refused=(BadFeed,)),
    Target(
        name="feed-epss",
        seeds=partial(_inflated, "enriching/epss*"),
        read=lambda content: _enrich("epss", gzip.compress(content, 1)),
        refused=(BadFeed,),
    ),
    Target(
        name="feed-kev", seeds=partial(_inflated, "enriching/known*"), read=partial(_enrich, "kev"), refused=(BadFeed,)
    ),
    Target(
        name="feed-nvd",
        seeds=partial(_inflated, "enriching/nvd*"),
        read=lambda content: _enrich("nvd", gzip.compress(content, 1)),
        refused=(BadFeed,),
    ),
)
