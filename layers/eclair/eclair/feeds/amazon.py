"""What does Amazon say of the packages of Amazon Linux?

Reads `updateinfo.xml` (see `advisories.updateinfo`) of the repositories: the core of each release, the extras of Amazon
Linux 2 (https://cdn.amazonlinux.com/2/extras-catalog.json lists their topics) and live patches of the kernel. A
repository is found by its mirror list, that by `repomd.xml`. The repositories of x86_64 list the packages of all
architectures; binary packages, only what is fixed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from eclair.advisories import updateinfo
from eclair.advisories.errata import Claim, Errata, Erratum, cves, severity
from eclair.advisories.records import Skipped, mapping, sequence, text, words
from eclair.advisories.support import in_support
from eclair.archives.compression import inflated
from eclair.errors import BadFeed
from eclair.feeds import NOT_FIXED, Document, Feed, Index, Part
from eclair.model import Kind, PackageKey, Range, Said, State

CDN: Final = "https://cdn.amazonlinux.com"
MIRROR_LIST: Final = "mirror.list"
REPOMD: Final = "repodata/repomd.xml"
CATALOG: Final = "extras-catalog.json"

HOSTS: Final = (".amazonaws.com", ".amazonlinux.com")
"""A mirror list may lead to these only."""

FOLDERS: Final[Mapping[str, str]] = {
    "extras": "amzn2extra-{name}",
    "kernel-livepatch": "kernel-livepatch",
}
"""The ids of repositories that are not enabled on every system, by the folder of the CDN that they are in."""

SECURITY: Final = "security"


class Amazon:
    """The repositories of Amazon Linux: the authority for 1, 2 and 2023."""

    name = "amazon"
    omits = NOT_FIXED
    parts = (
        Part(
            name="1",
            documents=(Index(url="https://repo.us-west-2.amazonaws.com/2018.03/updates/x86_64/mirror.list"),),
        ),
        Part(
            name="2",
            documents=(
                Index(url=f"{CDN}/2/core/latest/x86_64/mirror.list"),
                Index(url=f"{CDN}/2/extras-catalog.json", optional=True),
            ),
        ),
        Part(
            name="2023",
            documents=(
                Index(url=f"{CDN}/al2023/core/mirrors/latest/x86_64/mirror.list"),
                Index(url=f"{CDN}/al2023/kernel-livepatch/mirrors/latest/x86_64/mirror.list", optional=True),
            ),
        ),
    )

    def speaks_for(self, namespace: str) -> str | None:
        return next((part.name for part in self.parts if namespace == f"amzn:{part.name}"), None)

    def follow(self, index: Index, content: bytes) -> tuple[Document, ...]:
        """Return the repository's `repomd.xml`, that one's `updateinfo.xml.gz`, or the mirror lists of all extras."""
        if index.url.endswith(MIRROR_LIST):
            return (Index(url=f"{_mirror(content)}/{REPOMD}", optional=index.optional),)
        if index.url.endswith(CATALOG):
            return tuple(
                Index(url=f"{CDN}/2/extras/{topic}/latest/x86_64/mirror.list", optional=True)
                for topic in _topics(content)
            )
        place = updateinfo.location(content, "updateinfo")
        if place is not None:
            return (Document(url=index.url.removesuffix(REPOMD) + place, optional=index.optional),)
        if index.optional:  # a topic without updates yet
            return ()
        raise BadFeed(f"{index.url} names no updateinfo")

    def parse(self, part: Part, documents: Sequence[BinaryIO], revision: str) -> Iterator[Said]:
        errata = Errata(Skipped(f"amazon {part.name}"))
        for document, content in zip(part.documents, documents, strict=True):
            for id_, update in updateinfo.updates(inflated(content, document.url)):
                _read(id_, update, part.name, _stream(document.url), errata)
        yield from errata.statements(self.name, revision)

    def supported(self, namespace: str, packages: Mapping[str, int], now: float) -> bool:
        return self.speaks_for(namespace) is not None and in_support(namespace, now)


# --- from index to index ---------------------------------------------------------------------------------------------


def _mirror(content: bytes) -> str:
    """Return the first mirror of a list, over TLS, without its last slash."""
    line = next(iter(content.decode(errors="replace").split()), "")
    parts = urlsplit(line)
    if parts.scheme not in ("http", "https") or not f".{parts.netloc}".endswith(HOSTS) or parts.query:
        raise BadFeed(f"a mirror list that begins with {words(line)!r}, which is no repository of Amazon's")
    return f"https://{parts.netloc}{parts.path.rstrip('/')}"


def _topics(content: bytes) -> Iterator[str]:
    try:
        catalog = mapping(json.loads(content), "a catalog of extras")
    except ValueError as error:
        raise BadFeed("the catalog of extras is no JSON") from error
    for topic in sequence(catalog.get("topics"), "the list of topics"):
        name = text(mapping(topic, "a topic").get("n"), "a topic's name")
        if "/" in name:
            raise BadFeed(f"{name!r} is no name of a topic")
        yield name


def _stream(url: str) -> str:
    """Return the stream of a repository's packages: "" for the core, else the repository that has to be hinted."""
    folders = urlsplit(url).path.split("/")
    for folder, id_ in FOLDERS.items():
        if folder in folders:
            return f"repository:{id_.format(name=folders[folders.index(folder) + 1])}"
    return ""


# --- updates ---------------------------------------------------------------------------------------------------------


def _read(id_: str, update: updateinfo.Update | BadFeed, release: str, stream: str, errata: Errata) -> None:
    if isinstance(update, BadFeed):
        errata.unread(id_, update, {id_} - {""})
        return
    if update.kind != SECURITY:
        return
    erratum = Erratum(
        id=update.id,
        vulnerabilities=cves(*(reference for kind, reference in update.references if kind == "cve")),
        severity=severity(update.severity),
    )
    raw_state = words(update.severity)
    # A package is listed once for each architecture, nearly always at the same version.
    claims = {
        (build.name, build.evr): Claim(
            ranges=(Range(fixed=build.evr),), state=State.FIXED, stream=stream, raw_state=raw_state
        )
        for build in update.builds
    }
    errata.add(erratum, ((_package(name, release), claim) for (name, _), claim in claims.items()))


@lru_cache(maxsize=4096)
def _package(name: str, release: str) -> PackageKey:
    return PackageKey(scheme="rpm", namespace=f"amzn:{release}", kind=Kind.BINARY, name=name)


FEED: Final[Feed] = Amazon()
