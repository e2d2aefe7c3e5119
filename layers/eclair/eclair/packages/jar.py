"""What does a Java archive say of itself, and of what was built into it?

Three places tell, in this order: `META-INF/maven/GROUP/ARTIFACT/pom.properties`, written by Maven, of which an archive
has several where others were built into it; `META-INF/MANIFEST.MF` (Java's *JAR File Specification*); and the name of
the file, `ARTIFACT-VERSION.jar`. All tell an artifact, the first a group, too. The second tells one only where two of
its fields agree: that of Apache's commons-collections says `Implementation-Vendor-Id: org.apache`, which is not it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

POM_PROPERTIES: Final = re.compile(r"(?:.*/)?META-INF/maven/(?P<group>[^/]++)/(?P<artifact>[^/]++)/pom\.properties")
MANIFEST: Final = "META-INF/MANIFEST.MF"

_PROPERTY: Final = re.compile(r"\s*+(?P<name>groupId|artifactId|version)\s*+[=:](?P<value>.*)")
_UNRESOLVED: Final = "${"

_GROUP_FIELD: Final = "implementation-vendor-id"
_NAME_FIELDS: Final = ("bundle-symbolicname", "automatic-module-name")
_TITLE_FIELD: Final = "implementation-title"
_VERSION_FIELDS: Final = ("implementation-version", "bundle-version", "specification-version")
_ARTIFACT: Final = re.compile(r"[a-z0-9][a-z0-9_-]*+", re.ASCII)

_QUALIFIERS: Final = frozenset(
    ("alpha", "beta", "build", "cr", "ea", "milestone", "pre", "rc", "rev", "snapshot", "sp")
)
"""Words of versions; another word between two numbers belongs to the artifact (`log4j-1.2-api-2.17.1`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """How Maven names an artifact; a group or version that is not known is ""."""

    group: str = ""
    artifact: str
    version: str = ""


def read_properties(content: bytes, *, group: str, artifact: str) -> Coordinates:
    """Read a pom.properties; the folders it lies in tell what it does not say."""
    matches = filter(None, map(_PROPERTY.fullmatch, _text(content).splitlines()))
    found = {match["name"]: match["value"].strip() for match in matches if _UNRESOLVED not in match["value"]}
    return Coordinates(
        group=found.get("groupId") or group,
        artifact=found.get("artifactId") or artifact,
        version=found.get("version", ""),
    )


def read_manifest(content: bytes) -> Mapping[str, str]:
    """Return the fields of the main section, their names in lower case."""
    text = _text(content).replace("\r\n", "\n").replace("\r", "\n")
    main = text.lstrip("\n").partition("\n\n")[0].replace("\n ", "")
    fields = (line.partition(":") for line in main.split("\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in fields if colon and _UNRESOLVED not in value}


def own_coordinates(name: str, manifest: Mapping[str, str], built_in: Sequence[Coordinates]) -> Coordinates | None:
    """Return what the archive is by its file name (without the ending) and manifest, None where `built_in` has it."""
    own = _coordinates(name, manifest)
    if any(other.artifact in (own.artifact, name) for other in built_in):
        return None
    if built_in and (not own.version or [own.version] == [other.version for other in built_in]):
        return None
    return own


def _coordinates(name: str, manifest: Mapping[str, str]) -> Coordinates:
    stated = _stated_version(manifest)
    if stated and name.endswith(f"-{stated}"):
        artifact, version = name.removesuffix(f"-{stated}"), stated
    else:
        artifact, version = _split(name)
    if not version:
        title = manifest.get(_TITLE_FIELD, "")
        artifact, version = title if _ARTIFACT.fullmatch(title) else name, stated
    return Coordinates(group=_group(manifest, artifact), artifact=artifact, version=version)


def _stated_version(manifest: Mapping[str, str]) -> str:
    stated = (manifest.get(field, "").partition(" ")[0] for field in _VERSION_FIELDS)
    return next((version for version in stated if version[:1].isdecimal()), "")


def _group(manifest: Mapping[str, str], artifact: str) -> str:
    """Return the stated group if another field has the name that Maven makes of it and the artifact."""
    group = manifest.get(_GROUP_FIELD, "")
    names = {manifest.get(field, "").partition(";")[0] for field in _NAME_FIELDS}
    return group if group and not names.isdisjoint((group, f"{group}.{artifact}")) else ""


def _split(name: str) -> tuple[str, str]:
    """Return artifact and version of a file name; no version where nothing in it begins with a digit."""
    words = name.split("-")
    start = next((place for place in range(len(words) - 1, 0, -1) if words[place][:1].isdecimal()), None)
    if start is None:
        return name, ""
    while start > 1:
        before = 2 if words[start - 1].lower() in _QUALIFIERS and start > 2 else 1
        if not words[start - before][:1].isdecimal():
            break
        start -= before
    return "-".join(words[:start]), "-".join(words[start:])


def _text(content: bytes) -> str:
    return content.decode(errors="backslashreplace")
