"""What does AlmaLinux say of its binary packages?

Reads the OSV records of its errata in the archive of osv.dev (https://github.com/AlmaLinux/osv-database): security
(ALSA), bug fixes (ALBA) and enhancements (ALEA), of which those count that name a CVE. They know only what is fixed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import BinaryIO, Final

from eclair.advisories import osv, rebuild
from eclair.advisories.support import in_support
from eclair.feeds import NOT_FIXED, Document, Feed, Part
from eclair.model import Kind, PackageKey, Said

URL: Final = "https://osv-vulnerabilities.storage.googleapis.com/AlmaLinux/all.zip"

SECURITY: Final = "ALSA-"

_ECOSYSTEM: Final = re.compile(r"AlmaLinux:([0-9]+)", re.ASCII)


class Alma:
    """Alma's errata: the authority for every release of AlmaLinux."""

    name = "alma"
    omits = NOT_FIXED
    parts = (Part(name="osv", documents=(Document(url=URL),)),)

    def speaks_for(self, namespace: str) -> str | None:
        return self.parts[0].name if namespace.startswith("almalinux:") else None

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
    if not record.id.startswith(SECURITY) and not osv.cves(rebuild.ids(record)):
        return
    for affected in record.affected:
        release = _ECOSYSTEM.fullmatch(affected.ecosystem)
        if release:
            yield osv.Place(_package(release[1], affected.name), rebuild.stream(record, affected)), affected


@lru_cache(maxsize=1 << 13)
def _package(release: str, name: str) -> PackageKey:
    return PackageKey(scheme="rpm", namespace=f"almalinux:{release}", kind=Kind.BINARY, name=name)


def _rating(record: osv.Record) -> osv.Rating:
    return rebuild.rating(record, Alma.name)


FEED: Final[Feed] = Alma()
