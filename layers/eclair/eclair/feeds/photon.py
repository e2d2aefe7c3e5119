"""What does VMware say of the packages of Photon OS?

Two publications, one of which is read for each release: the CVE metadata
(https://packages.broadcom.com/photon/photon_cve_metadata/), a list of {cve_id, pkg, cve_score, aff_ver, res_ver,
status} that also knows what is not affected and not fixed; and, for Photon 3, the OVAL definitions of its errata. Both
name binary packages. Versions in the metadata have no epoch: no package of Photon has one.

The number of a definition's title (PHSA-2020:00001) is that of the document's run, and an erratum (PHSA:00001:3.0:0036)
fixes several things; so statements are kept by CVE, with the erratum as a further name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import BinaryIO, Final

from eclair.advisories import oval
from eclair.advisories.errata import Claim, Errata, Erratum, cves, severity
from eclair.advisories.json_stream import elements
from eclair.advisories.rating import band
from eclair.advisories.records import Skipped, mapping, text, words
from eclair.advisories.support import in_support
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import Kind, PackageKey, Range, Said, Severity, State

METADATA: Final = "https://packages.broadcom.com/photon/photon_cve_metadata/cve_data_photon{release}.json"
OVAL: Final = "https://packages.vmware.com/photon/photon_oval_definitions/com.vmware.phsa-photon{number}.xml"

NOT_AFFECTED: Final = "Not Affected"
NO_VERSION: Final = frozenset({"", "NA", "N/A", "None"})

_EARLIER: Final = re.compile(r"(\S+) is earlier than (\S+)")
_ID: Final = re.compile(r"[A-Z][A-Z0-9]*-[A-Za-z0-9-]+")


class Photon:
    """VMware's own publications: the authority for every release of Photon OS."""

    name = "photon"
    parts = (
        Part(name="1.0", documents=(Document(url=METADATA.format(release="1.0")),)),
        Part(name="2.0", documents=(Document(url=METADATA.format(release="2.0")),)),
        Part(name="3.0", documents=(Document(url=OVAL.format(number="3")),)),
        Part(name="4.0", documents=(Document(url=METADATA.format(release="4.0")),)),
        Part(name="5.0", documents=(Document(url=METADATA.format(release="5.0")),)),
        Part(name="6.0", documents=(Document(url=METADATA.format(release="6.0")),), probe=True),
    )

    def speaks_for(self, namespace: str) -> str | None:
        distribution, _, release = namespace.partition(":")
        return next((part.name for part in self.parts if distribution == "photon" and part.name == release), None)

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        errata = Errata(Skipped(f"photon {part.name}"))
        if part.documents[0].url.endswith(".xml"):
            _read_oval(documents[0], part.name, errata)
        else:
            _read_metadata(documents[0], part.name, errata)
        yield from errata.statements(self.name, revision)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None and in_support(namespace, now)


@lru_cache(maxsize=4096)
def _package(name: str, release: str) -> PackageKey:
    name = text(name, "a package's name")
    return PackageKey(scheme="rpm", namespace=f"photon:{release}", kind=Kind.BINARY, name=name)


# --- CVE metadata ----------------------------------------------------------------------------------------------------


def _read_metadata(document: BinaryIO, release: str, errata: Errata) -> None:
    for position, record in enumerate(elements(document)):
        ids: tuple[str, ...] = ()
        try:
            row = mapping(record, "a row")
            ids = (text(row.get("cve_id"), "an id"),)
            package = _package(text(row.get("pkg"), "a package's name"), release)
            errata.add(_erratum(row, *ids), [(package, _claim(row))])
        except BadFeed as error:
            errata.unread(f"row {position} {' '.join(ids)}", error, ids)


def _erratum(row: Mapping[str, object], id_: str) -> Erratum:
    """Return what a row says of its CVE; the list has ids of others too (`BDSA-2025-13833`), and torn ones (`Re`)."""
    if not _ID.fullmatch(id_):
        raise BadFeed(f"{id_!r} is no id of a vulnerability")
    return Erratum(id=id_, vulnerabilities=(id_,), severity=_rated(row.get("cve_score")))


def _rated(score: object) -> Severity:
    """Return the rating of a CVSS score; 0 stands for one that is not known."""
    return band(float(score)) if isinstance(score, int | float) and score else Severity.UNKNOWN


def _claim(row: Mapping[str, object]) -> Claim:
    status, fixed = words(row.get("status")), row.get("res_ver")
    if status == NOT_AFFECTED:
        return Claim(state=State.NOT_AFFECTED, raw_state=status)
    if not (fixed is None or (isinstance(fixed, str) and fixed in NO_VERSION)):
        return Claim(ranges=(Range(fixed=text(fixed, "a fixed version")),), state=State.FIXED, raw_state=status)
    return Claim(ranges=(Range(),), state=State.AFFECTED, raw_state=status)


# --- OVAL ------------------------------------------------------------------------------------------------------------


def _read_oval(document: BinaryIO, release: str, errata: Errata) -> None:
    for record, definition in oval.definitions(document):
        if isinstance(definition, BadFeed):
            errata.unread(record, definition)
            continue
        vulnerabilities = cves(*definition.ids("CVE"))
        try:
            claims = tuple(_fixes(definition, release))
        except BadFeed as error:
            errata.unread(record, error, vulnerabilities)
            continue
        for cve in vulnerabilities:
            errata.add(_of_definition(definition, cve), claims)


def _of_definition(definition: oval.Definition, cve: str) -> Erratum:
    return Erratum(
        id=cve,
        vulnerabilities=(cve,),
        severity=severity(definition.facts.get("severity", "")),
        aliases=_errata_ids(definition),
    )


def _fixes(definition: oval.Definition, release: str) -> Iterator[tuple[PackageKey, Claim]]:
    """Yield what each `sqlite is earlier than 0:3.27.2-5.ph3` comes to; the other tests are about the system."""
    earlier = [
        found
        for tests in oval.alternatives(definition.criteria)
        for test in tests
        if (found := _EARLIER.fullmatch(test.comment))
    ]
    if not earlier:
        raise BadFeed("a definition without a package")
    for found in earlier:
        fixed = text(found[2], "a fixed version")
        yield _package(found[1], release), Claim(ranges=(Range(fixed=fixed),), state=State.FIXED)


def _errata_ids(definition: oval.Definition) -> tuple[str, ...]:
    """Return the names of the erratum: `PHSA:00001:3.0:0036` of the year 2019 is PHSA-2019-3.0-0036."""
    year = definition.facts.get("issued", "")[:4]
    parts = (reference.split(":") for reference in definition.ids("PHSA"))
    return tuple(sorted(f"PHSA-{year}-{part[2]}-{part[3]:0>4}" for part in parts if len(part) == 4 and year))


FEED: Final[Feed] = Photon()
