"""What does Arch Linux say of its packages?

Reads all groups (AVG) of the security tracker, https://security.archlinux.org/issues/all.json
(https://wiki.archlinux.org/title/Arch_Security_Team): each is about some CVEs in packages that are built together.
`affected` is the version that was current when the group was opened, so it bounds nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from eclair.advisories.errata import Claim, Errata, Erratum, cves, severity
from eclair.advisories.json_stream import elements
from eclair.advisories.records import Skipped, mapping, sequence, text, words
from eclair.errors import BadFeed
from eclair.feeds import Document, Feed, Part
from eclair.model import Kind, PackageKey, Range, Said, State

NAMESPACE: Final = "arch"

FIX_IN_TESTING: Final = "Testing"
STATES: Final[Mapping[str, State]] = {
    "Fixed": State.FIXED,
    FIX_IN_TESTING: State.FIXED,
    "Vulnerable": State.AFFECTED,
    "Not affected": State.NOT_AFFECTED,
    "Unknown": State.UNDER_INVESTIGATION,
}


class Arch:
    """The security tracker of Arch Linux: the authority for it."""

    name = "arch"
    parts = (Part(name="tracker", documents=(Document(url="https://security.archlinux.org/issues/all.json"),)),)

    def speaks_for(self, namespace: str) -> str | None:
        return self.parts[0].name if namespace == NAMESPACE else None

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        errata = Errata(Skipped(part.documents[0].url))
        for position, record in enumerate(elements(documents[0])):
            ids: tuple[str, ...] = ()
            try:
                group = mapping(record, "a group")
                ids = (text(group.get("name"), "a group's name"),)
                errata.add(_erratum(group, *ids), [(package, _claim(group)) for package in _packages(group)])
            except BadFeed as error:
                errata.unread(f"group {position} {' '.join(ids)}", error, ids)
        yield from errata.statements(self.name, revision)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        """Say yes: Arch has no releases."""
        return namespace == NAMESPACE


def _erratum(group: Mapping[str, object], name: str) -> Erratum:
    issues = (text(issue, "an issue") for issue in sequence(group.get("issues"), "the list of issues"))
    advisories = (text(id_, "an advisory") for id_ in sequence(group.get("advisories") or [], "the list of advisories"))
    return Erratum(
        id=name,
        vulnerabilities=cves(*issues),
        severity=severity(words(group.get("severity"))),
        aliases=tuple(sorted(advisories)),
    )


def _packages(group: Mapping[str, object]) -> Iterator[PackageKey]:
    for name in sequence(group.get("packages"), "the list of packages"):
        yield PackageKey(scheme="alpm", namespace=NAMESPACE, kind=Kind.BINARY, name=text(name, "a package's name"))


def _claim(group: Mapping[str, object]) -> Claim:
    status = words(group.get("status"))
    # A word that we do not know must not read as "not affected".
    state = STATES.get(status, State.UNDER_INVESTIGATION)
    if state is State.NOT_AFFECTED:
        return Claim(state=state, raw_state=status)
    if state is not State.FIXED:
        return Claim(ranges=(Range(),), state=state, raw_state=status)
    return Claim(
        ranges=(Range(fixed=text(group.get("fixed"), "a fixed version")),),
        state=state,
        raw_state=status,
        fix_channel="testing" if status == FIX_IN_TESTING else None,
    )


FEED: Final[Feed] = Arch()
