"""What did Conda install?

Format: `conda-meta/NAME-VERSION-BUILD.json`, one for each package of an environment
(https://docs.conda.io/projects/conda/en/stable/dev-guide/specs/). Nobody publishes advisories about the packages of
Conda: they are listed and not matched, so their versions have no order here. Those that are Python's are also found as
such.
"""

from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.errors import BadVersion
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.json_document import read_json_object
from eclair.packages.language_package import language_purl, word
from eclair.versions.version_key import quoted

_FOLDER: Final = "conda-meta"
_SUFFIX: Final = ".json"
_INTEREST: Final = Interest(suffixes=(f"{_FOLDER}/*{_SUFFIX}",))

_LARGEST: Final = 16 << 20
"""Bytes of a document, which lists the package's files; the largest have some ten million."""


@dataclass(frozen=True, slots=True)
class Conda:
    """Packages of Conda's channels."""

    name: str = "conda"
    scheme: str = "conda"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return the package that a document describes; its architecture is what Conda calls the subdirectory."""
        *folders, file = path.split("/")
        if folders[-1:] != [_FOLDER] or not file.endswith(_SUFFIX):
            return None
        document = read_json_object(content, _LARGEST)
        subdirectory = document.get("subdir") or ""
        package = Package(
            type=self.scheme,
            name=word(document.get("name"), "name"),
            version=word(document.get("version"), "version"),
            arch=word(subdirectory, "subdir") if subdirectory else "",
            path=path,
        )
        return Inventory(path=path, analyser=self.name, packages=(package,))

    def key(self, version: str) -> bytes:
        """Refuse every version."""
        raise BadVersion(f"{quoted(version)} has no place in an order: versions of Conda are not compared")

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the namespace, which is the same in every distribution."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return nothing."""
        return ()

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL."""
        return language_purl(package, qualifiers={"subdir": package.arch} if package.arch else None)


ECOSYSTEM: Final[Ecosystem] = Conda()
