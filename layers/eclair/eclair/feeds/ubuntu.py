"""What does Canonical say of the source packages of Ubuntu?

Reads the archive of OSV records that Canonical makes of its CVE tracker
(https://documentation.ubuntu.com/security/security-updates/osv/): one record per CVE, `UBUNTU-CVE-…`, with an entry per
release and source package that is or was affected. Released is fixed; needed, deferred and pending are not; `ignored`
counts where support ended before the package was fixed, and is left out otherwise, as are packages that are not
affected. The records of notices (USN) repeat what those of the CVEs say, and are of use where there is no CVE.

What is only fixed for subscribers of Ubuntu Pro is in entries of their own. Without one of everybody's the entry is
about everybody, and says by which channel the fix comes; beside one it is about subscribers. Certified builds (FIPS and
others) are streams of their own.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import BinaryIO, Final, NamedTuple

from eclair.advisories import osv
from eclair.advisories.errata import severity
from eclair.advisories.support import in_support, supported
from eclair.feeds import Document, Feed, Part
from eclair.model import Kind, PackageKey, Said, Severity

URL: Final = "https://security-metadata.canonical.com/osv/osv-all.tar.xz"

MAINTENANCE_ENDS: Final[Mapping[str, date]] = {
    "14.04": date(2024, 4, 25),
    "16.04": date(2026, 4, 23),
    "18.04": date(2028, 4, 26),
    "20.04": date(2030, 4, 23),
    "22.04": date(2032, 4, 21),
    "24.04": date(2034, 4, 25),
    "26.04": date(2036, 4, 23),
}
"""The end of Expanded Security Maintenance, `eol-esm` of distro-info's ubuntu.csv: until then the archive lists what is
not fixed in a release with long-term support, for whoever does not subscribe, too.
"""

FIRST_RELEASE: Final = "14.04"
"""The archive has no earlier one."""

PRO: Final = "pro"

_ECOSYSTEM: Final = re.compile(r"Ubuntu(:Pro)?(?::([A-Za-z][A-Za-z0-9-]*))?:([0-9]{2}\.[0-9]{2})(?::LTS)?", re.ASCII)
_NAMESPACE: Final = re.compile(r"ubuntu:([0-9]{2}\.[0-9]{2})", re.ASCII)
_LIVE_PATCHES: Final = "LSN-"
_NOTICES: Final = "USN-"


class _Stream(NamedTuple):
    """The release of an ecosystem, whether it is subscribers', and the certified builds that it is about, if any."""

    release: str
    pro: bool
    builds: str


class Ubuntu:
    """Canonical's records: the authority for every release of Ubuntu."""

    name = "ubuntu"
    parts = (Part(name="osv", documents=(Document(url=URL),)),)

    def speaks_for(self, namespace: str) -> str | None:
        release = _NAMESPACE.fullmatch(namespace)
        return self.parts[0].name if release and release[1] >= FIRST_RELEASE else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        return self.select(part, documents, revision, osv.everything)

    def select(
        self, part: Part, documents: Sequence[BinaryIO], revision: str, wanted: Callable[[PackageKey], bool]
    ) -> Iterator[Said]:
        dialect = osv.Dialect(feed=self.name, places=_places, ids=_ids, rating=_rating)
        return osv.said(documents[0], part.documents[0].url, dialect, revision, wanted)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        """Say whether the release is maintained, be it for subscribers only."""
        if self.speaks_for(namespace) is None:
            return False
        release = namespace.partition(":")[2]
        return supported(MAINTENANCE_ENDS, release, now) if release in MAINTENANCE_ENDS else in_support(namespace, now)


def _places(record: osv.Record) -> Iterator[osv.Placed]:
    if record.id.startswith(_LIVE_PATCHES) or (record.id.startswith(_NOTICES) and _names_cves(record)):
        return
    entries = [(stream, entry) for entry in record.affected if (stream := _stream(entry.ecosystem)) is not None]
    of_everybody = {(stream.release, entry.name) for stream, entry in entries if not (stream.pro or stream.builds)}
    for stream, entry in entries:
        package = _package(stream.release, entry.name)
        if stream.builds:
            yield osv.Place(package, stream=stream.builds), entry
        elif not stream.pro:
            yield osv.Place(package), entry
        elif (stream.release, entry.name) in of_everybody:
            yield osv.Place(package, stream=PRO, fix_channel=PRO), entry
        else:
            yield osv.Place(package, fix_channel=PRO), entry


def _names_cves(record: osv.Record) -> bool:
    return bool(osv.cves((*record.upstream, *record.related)))


@lru_cache(maxsize=256)
def _stream(ecosystem: str) -> _Stream | None:
    """Read `Ubuntu:24.10`, `Ubuntu:22.04:LTS`, `Ubuntu:Pro:16.04:LTS`, `Ubuntu:Pro:FIPS-updates:20.04:LTS`."""
    parts = _ECOSYSTEM.fullmatch(ecosystem)
    return _Stream(parts[3], bool(parts[1]), (parts[2] or "").lower()) if parts else None


@lru_cache(maxsize=1 << 13)
def _package(release: str, name: str) -> PackageKey:
    return PackageKey(scheme="deb", namespace=f"ubuntu:{release}", kind=Kind.SOURCE, name=name)


def _ids(record: osv.Record) -> tuple[str, ...]:
    """Return the ids; that of the record has the CVE's, which older records do not name otherwise."""
    return (*record.aliases, *record.upstream, record.id)


def _rating(record: osv.Record) -> osv.Rating:
    """Return Canonical's priority, else the rating of the CVSS vectors that the record has from NVD."""
    priority = severity(record.severity)
    return osv.by_vectors(record, "ubuntu") if priority is Severity.UNKNOWN else osv.Rating(priority, "ubuntu")


FEED: Final[Feed] = Ubuntu()
