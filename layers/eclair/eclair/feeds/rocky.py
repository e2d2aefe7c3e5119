"""What does Rocky Linux say of its source packages?

Reads the OSV records of its errata (RLSA) in the archive of osv.dev, https://osv.dev/list?ecosystem=Rocky+Linux; they
know only what is fixed. Errata of special interest groups (RXSA) are about builds with marks of their own.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import BinaryIO, Final

from eclair.advisories import osv, rebuild
from eclair.advisories.support import in_support
from eclair.feeds import NOT_FIXED, Document, Feed, Part
from eclair.model import Kind, PackageKey, Said

URL: Final = "https://osv-vulnerabilities.storage.googleapis.com/Rocky%20Linux/all.zip"

_ECOSYSTEM: Final = re.compile(r"Rocky Linux:([0-9]+)", re.ASCII)


class Rocky:
    """Rocky's errata: the authority for every release of Rocky Linux."""

    name = "rocky"
    omits = NOT_FIXED
    parts = (Part(name="osv", documents=(Document(url=URL),)),)

    def speaks_for(self, namespace: str) -> str | None:
        return self.parts[0].name if namespace.startswith("rocky:") else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        return self.select(part, documents, revision, osv.everything)

    def select(
        self, part: Part, documents: Sequence[BinaryIO], revision: str, wanted: Callable[[PackageKey], bool]
    ) -> Iterator[Said]:
        dialect = osv.Dialect(feed=self.name, places=_places, ids=rebuild.ids, rating=_rating)
        return osv.said(documents[0], part.documents[0].url, dialect, revision, wanted)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None and in_support(namespace, now)


def _places(record: osv.Record) -> Iterator[osv.Placed]:
    for affected in record.affected:
        release = _ECOSYSTEM.fullmatch(affected.ecosystem)
        if release:
            yield osv.Place(_package(release[1], affected.name), rebuild.stream(record, affected)), affected


@lru_cache(maxsize=1 << 13)
def _package(release: str, name: str) -> PackageKey:
    return PackageKey(scheme="rpm", namespace=f"rocky:{release}", kind=Kind.SOURCE, name=name)


def _rating(record: osv.Record) -> osv.Rating:
    return rebuild.rating(record, Rocky.name)


FEED: Final[Feed] = Rocky()
