"""What does Chainguard say of the packages of its distributions, Wolfi and Chainguard?

Reads the OSV records of its advisories (CGA) in the archives of osv.dev
(https://github.com/chainguard-dev/vulnerability-scanner-support); they know only what is fixed. Each archive also holds
the other one's entries. An entry names the origin as well as each package that is built from it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import BinaryIO, Final

from eclair.advisories import osv
from eclair.feeds import NOT_FIXED, Document, Feed, Part
from eclair.model import Kind, PackageKey, Said

URL: Final = "https://osv-vulnerabilities.storage.googleapis.com/{ecosystem}/all.zip"

ECOSYSTEMS: Final[Mapping[str, str]] = {"wolfi": "Wolfi", "chainguard": "Chainguard"}
"""By the namespace, which is the part."""


class Chainguard:
    """Chainguard's advisories: the authority for Wolfi and Chainguard, which have no releases."""

    name = "chainguard"
    omits = NOT_FIXED
    parts = tuple(
        Part(name=namespace, documents=(Document(url=URL.format(ecosystem=ecosystem)),))
        for namespace, ecosystem in ECOSYSTEMS.items()
    )

    def speaks_for(self, namespace: str) -> str | None:
        return namespace if namespace in ECOSYSTEMS else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        return self.select(part, documents, revision, osv.everything)

    def select(
        self, part: Part, documents: Sequence[BinaryIO], revision: str, wanted: Callable[[PackageKey], bool]
    ) -> Iterator[Said]:
        dialect = osv.Dialect(feed=self.name, places=partial(_places, part.name), ids=_ids, rating=_rating)
        return osv.said(documents[0], part.documents[0].url, dialect, revision, wanted)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None


def _places(namespace: str, record: osv.Record) -> Iterator[osv.Placed]:
    for affected in record.affected:
        if affected.ecosystem == ECOSYSTEMS[namespace]:
            yield osv.Place(_package(namespace, affected.name)), affected


@lru_cache(maxsize=1 << 13)
def _package(namespace: str, name: str) -> PackageKey:
    return PackageKey(scheme="apk", namespace=namespace, kind=Kind.SOURCE, name=name)


def _ids(record: osv.Record) -> tuple[str, ...]:
    """Return the ids: the CVE, and what others call it, are `related`."""
    return (*record.aliases, *record.upstream, *record.related)


def _rating(record: osv.Record) -> osv.Rating:
    return osv.by_vectors(record, "chainguard")


FEED: Final[Feed] = Chainguard()
