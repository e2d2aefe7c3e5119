"""What does a repository of rpm packages say of its updates?

Formats, without a specification of their own, as createrepo_c writes them
(https://github.com/rpm-software-management/createrepo_c): `repomd.xml` names the metadata of a repository, one of which
is `updateinfo.xml`, a list of updates, each with its references and the packages that it brought.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree.ElementTree import Element

from eclair.advisories.records import text
from eclair.advisories.xml_stream import elements, text_of
from eclair.errors import BadFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A package that an update brought; `evr` is written `EPOCH:VERSION-RELEASE`, without an epoch of 0."""

    name: str
    evr: str
    arch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One update; `references` are (type, id), for instance ("cve", "CVE-2018-1000156")."""

    id: str
    kind: str
    severity: str
    references: tuple[tuple[str, str], ...]
    builds: tuple[Build, ...]


def updates(stream: BinaryIO) -> Iterator[tuple[str, Update | BadFeed]]:
    """Yield the id of each update, with the update or what is wrong with it.

    Raises `BadFeed` where the document is none that can be read.
    """
    for element in elements(stream, "updates", {"update"}):
        id_ = text_of(element, "id")
        try:
            yield id_, _update(element, text(id_, "an id"))
        except BadFeed as error:
            yield id_, error


def location(repomd: bytes, kind: str) -> str | None:
    """Return where, relative to the repository, its metadata of a kind is; None where it has none. Raises `BadFeed`."""
    for element in elements(io.BytesIO(repomd), "repomd", {"data"}):
        place = element.find("location")
        if element.get("type") == kind and place is not None:
            return place.get("href")
    return None


def _update(element: Element, id_: str) -> Update:
    return Update(
        id=id_,
        kind=element.get("type", ""),
        severity=text_of(element, "severity"),
        references=tuple(
            (reference.get("type", ""), reference.get("id", ""))
            for reference in element.findall("references/reference")
        ),
        builds=tuple(map(_build, element.findall("pkglist/collection/package"))),
    )


def _build(element: Element) -> Build:
    name, version, release = (text(element.get(part), f"a package's {part}") for part in ("name", "version", "release"))
    epoch = element.get("epoch", "")
    evr = f"{version}-{release}" if epoch in ("", "0") else f"{epoch}:{version}-{release}"
    return Build(name=name, evr=text(evr, "a package's version"), arch=element.get("arch", ""))
