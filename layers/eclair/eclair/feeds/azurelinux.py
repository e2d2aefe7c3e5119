"""What does Microsoft say of the source packages of Azure Linux and of its predecessor, CBL-Mariner?

Reads the OVAL documents of https://github.com/microsoft/AzureLinuxVulnerabilityData: one definition per CVE and
package, whose tests bound the affected versions. `patchable` is `true` where a fixed version exists, `false` where none
does, and `Not Applicable` where the package turned out not to be affected.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from eclair.advisories import oval
from eclair.advisories.errata import Claim, Errata, Erratum, cves, severity
from eclair.advisories.records import Skipped, text, words
from eclair.advisories.support import in_support
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import Kind, PackageKey, Said, State

NAMESPACES: Final[Mapping[str, str]] = {
    "azurelinux:3.0": "azurelinux-3.0",
    "mariner:2.0": "cbl-mariner-2.0",
}
"""The document that speaks for each release."""

URL: Final = "https://raw.githubusercontent.com/microsoft/AzureLinuxVulnerabilityData/main/{name}-oval.xml"
NOT_AFFECTED: Final = "not applicable"


class AzureLinux:
    """Microsoft's vulnerability data: the authority for Azure Linux and CBL-Mariner."""

    name = "azurelinux"
    parts = tuple(Part(name=name, documents=(Document(url=URL.format(name=name)),)) for name in NAMESPACES.values())

    def speaks_for(self, namespace: str) -> str | None:
        return NAMESPACES.get(namespace)

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        [document] = documents
        reading = _Reading(part.name, oval.checks(document))
        document.seek(0)
        for record, definition in oval.definitions(document):
            reading.definition(record, definition)
        yield from reading.errata.statements(self.name, revision)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return namespace in NAMESPACES and in_support(namespace, now)


class _Reading:
    """One reading of a document, with what its tests look for."""

    def __init__(self, name: str, checks: Mapping[int, oval.Check]) -> None:
        self.errata = Errata(Skipped(f"azurelinux {name}"))
        self._namespace = next(namespace for namespace, document in NAMESPACES.items() if document == name)
        self._checks = checks

    def definition(self, record: str, definition: oval.Definition | BadFeed) -> None:
        if isinstance(definition, BadFeed):
            self.errata.unread(record, definition)
            return
        ids = cves(*definition.ids("CVE")) or definition.ids("CVE")[:1]
        try:
            claims = tuple(self._claims(definition))
            for id_ in ids:
                self.errata.add(_erratum(definition, text(id_, "an id")), claims)
        except BadFeed as error:
            self.errata.unread(record, error, ids)

    def _claims(self, definition: oval.Definition) -> Iterator[tuple[PackageKey, Claim]]:
        for tests in oval.alternatives(definition.criteria):
            checks = [self._check(test) for test in tests]
            names = {check.name for check in checks}
            if len(names) != 1:
                raise BadFeed(f"a definition that asks for {len(names)} packages at once")
            yield self._package(*names), _claim(definition, [check.state for check in checks])

    def _check(self, test: oval.Criterion) -> oval.Check:
        check = self._checks.get(test.test)
        if check is None:
            raise BadFeed(f"test {test.test} is not explained")
        return check

    def _package(self, name: str) -> PackageKey:
        return PackageKey(
            scheme="rpm", namespace=self._namespace, kind=Kind.SOURCE, name=text(name, "a package's name")
        )


def _erratum(definition: oval.Definition, id_: str) -> Erratum:
    return Erratum(id=id_, vulnerabilities=(id_,), severity=severity(definition.facts.get("severity", "")))


def _claim(definition: oval.Definition, states: Sequence[oval.State]) -> Claim:
    patchable = words(definition.facts.get("patchable"))
    raw_state = f"patchable: {patchable}"
    if patchable.lower() == NOT_AFFECTED:
        return Claim(state=State.NOT_AFFECTED, raw_state=raw_state)
    versions = oval.versions(states)
    return Claim(ranges=(versions,), state=State.FIXED if versions.fixed else State.AFFECTED, raw_state=raw_state)


FEED: Final[Feed] = AzureLinux()
