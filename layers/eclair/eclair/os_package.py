"""What do the packages of all distributions have in common: their namespace, their feature, their purl.

The package URLs follow the purl specification with the qualifiers that syft writes: `arch`, `distro` and `upstream`.
"""

from collections.abc import Collection

from packageurl import PackageURL

from eclair.ecosystems import Ecosystem, key_or_unreadable
from eclair.model import Distribution, Feature, Kind, Package, PackageKey, Source


def namespace_among(families: Collection[str], distribution: Distribution | None) -> str:
    """Return the distribution's namespace if it belongs to one of the families (`debian` of `debian:12`), else ""."""
    namespace = (distribution and distribution.namespace) or ""
    return namespace if namespace.partition(":")[0] in families else ""


def source_feature(ecosystem: Ecosystem, package: Package, namespace: str) -> tuple[Feature, ...]:
    """Return the source package at its source version; nothing for a third party's, or where no namespace fits.

    A package that names no source is its own. The feature has no architecture: one source is built for all of them.
    """
    if package.third_party or not namespace:
        return ()
    source = package.source or Source(name=package.name, version=package.version)
    return (
        Feature(
            package=PackageKey(scheme=ecosystem.scheme, namespace=namespace, kind=Kind.SOURCE, name=source.name),
            version=source.version,
            key=key_or_unreadable(ecosystem, source.version),
            context=package.context,
        ),
    )


def os_purl(package: Package, distribution: Distribution | None) -> str:
    """Return the package URL of a distribution's package, with the source as `upstream` where it is another."""
    qualifiers = {"arch": package.arch, "distro": _release(distribution), "upstream": _upstream(package)}
    return PackageURL(
        type=package.type,
        namespace=distribution.id if distribution else None,
        name=package.name,
        version=package.version,
        qualifiers={name: value for name, value in qualifiers.items() if value},
    ).to_string()


def _release(distribution: Distribution | None) -> str:
    return "-".join(filter(None, (distribution.id, distribution.version))) if distribution else ""


def _upstream(package: Package) -> str:
    source = package.source
    if source is None or (source.name, source.version) == (package.name, package.version):
        return ""
    return source.name if source.version == package.version else f"{source.name}@{source.version}"
