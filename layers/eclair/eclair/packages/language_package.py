"""What do the packages of all programming languages have in common: names, one namespace each, features, purls?

They are the same in every distribution, so the namespace is the purl type. The package URLs follow the purl
specification and its types (https://github.com/package-url/purl-spec).
"""

from typing import Final

from packageurl import PackageURL

from eclair.ecosystems import Ecosystem, key_or_unreadable
from eclair.errors import BadDatabase
from eclair.model import Feature, Kind, Package, PackageKey

LONGEST_WORD: Final = 4096
"""Characters of a name or version; the longest real one has some hundred."""


def word(value: object, what: str) -> str:
    """Return a name or version that a file tells, without blanks around it.

    Raises `BadDatabase` where it is not fit to be one; no package URL can hold a slash at an end.
    """
    if not isinstance(value, str) or not value.strip(" /"):
        raise BadDatabase(f"{what} is no text")
    if len(value) > LONGEST_WORD:
        raise BadDatabase(f"{what} of {len(value)} characters")
    if not value.isprintable():
        raise BadDatabase(f"{what} {value[:60]!a} has control characters")
    if value.strip().strip("/") != value.strip():
        raise BadDatabase(f"{what} {value[:60]!r} begins or ends with a slash")
    return value.strip()


def language_features(ecosystem: Ecosystem, package: Package, namespace: str, name: str) -> tuple[Feature, ...]:
    """Return the package under the name that advisories have for it.

    Nothing is returned for a third party's package, nor where no namespace fits. The feature has no architecture: no
    advisory tells them apart.
    """
    if package.third_party or not namespace:
        return ()
    return (
        Feature(
            package=PackageKey(scheme=ecosystem.scheme, namespace=namespace, kind=Kind.BINARY, name=name),
            version=package.version,
            key=key_or_unreadable(ecosystem, package.version),
            context=package.context,
        ),
    )


def language_purl(
    package: Package,
    *,
    namespace: str = "",
    name: str = "",
    version: str = "",
    qualifiers: dict[str, str] | None = None,
) -> str:
    """Return the package URL; name and version are the package's where they are not given."""
    return PackageURL(
        type=package.type,
        namespace=namespace or None,
        name=name or package.name,
        version=version or package.version or None,
        qualifiers=qualifiers or None,
    ).to_string()
