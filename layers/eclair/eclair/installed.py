"""What is installed in a package set, and by which features is each package matched? For who composes news."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from eclair import ecosystems
from eclair.model import FeatureId, Image, Package, SetId, SetReference, Verdict
from eclair.ports import Sets
from eclair.suppress import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A package of a set, with what it is matched by."""

    package: Package
    features: tuple[FeatureId, ...]


class PackageSets:
    """The packages of sets, each set looked up once."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self.of = cache(self._of)
        self.positions = cache(self._by_feature)

    def _of(self, set_id: SetId) -> tuple[Installed, ...]:
        package_set = self._sets.packages(set_id)
        if package_set is None:
            return ()
        return tuple(
            Installed(
                package=package,
                features=tuple(feature.id for feature in ecosystems.features(package, package_set.namespace)),
            )
            for package in package_set.packages
        )

    def _by_feature(self, set_id: SetId) -> Mapping[FeatureId, Sequence[int]]:
        """Return the positions of the packages of a set by the features that they are matched by."""
        found: defaultdict[FeatureId, list[int]] = defaultdict(list)
        for number, installed in enumerate(self.of(set_id)):
            for feature in installed.features:
                found[feature].append(number)
        return found


def subject(image: Image, reference: SetReference, package: Package, verdict: Verdict) -> Subject:
    """Return a verdict on a package of an image as rules look at it."""
    purl = ecosystems.load()[reference.type].purl(package, image.distribution)
    return Subject(verdict=verdict, package=package, purl=purl, digest=image.digest)
