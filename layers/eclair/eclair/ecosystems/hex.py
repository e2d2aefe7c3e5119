"""Which of two versions of a package of Hex (Erlang, Elixir) is newer?

Version order: Semantic Versioning (https://hexdocs.pm/elixir/Version.html). What is installed is not looked for: a
release of Erlang does not say which of its applications come from Hex.
"""

from dataclasses import dataclass
from typing import BinaryIO, Final

from eclair.ecosystems import Ecosystem
from eclair.model import Distribution, Feature, Interest, Inventory, Package
from eclair.packages.language_package import language_features, language_purl
from eclair.versions import semver

_INTEREST: Final = Interest()


@dataclass(frozen=True, slots=True)
class Hex:
    """Packages of Hex."""

    name: str = "hex"
    scheme: str = "hex"
    version: int = 1
    interest: Interest = _INTEREST

    def read(self, path: str, content: BinaryIO) -> Inventory | None:
        """Return nothing: no file is asked for."""
        return None

    def key(self, version: str) -> bytes:
        """Return the byte key of a version."""
        return semver.key(version)

    def namespace(self, distribution: Distribution | None) -> str:
        """Return the namespace, which is the same in every distribution."""
        return self.scheme

    def features(self, package: Package, namespace: str) -> tuple[Feature, ...]:
        """Return the package."""
        return language_features(self, package, namespace, package.name)

    def purl(self, package: Package, distribution: Distribution | None) -> str:
        """Return the package URL."""
        return language_purl(package)


ECOSYSTEM: Final[Ecosystem] = Hex()
