"""How is a list of packages written as a software bill of materials: CycloneDX 1.6 or SPDX 2.3, both as JSON?

Formats: https://cyclonedx.org/docs/1.6/json/ and https://spdx.github.io/spdx-spec/v2.3/, written by the formats' own
libraries. The serial number and the namespace follow from the image's digest and the tool's version, so the same image
gives the same document but for the time.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from io import StringIO
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from spdx_tools.spdx.model.actor import Actor, ActorType
from spdx_tools.spdx.model.document import CreationInfo, Document
from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package, PackagePurpose
from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

from eclair.image.reference import Transport
from eclair.report import ImagePackage, ImageReport

TOOL = "eclair"


def cyclonedx(report: ImageReport, now: float) -> str:
    """Return the CycloneDX document of an image; `now` is in seconds since 1970."""
    subject = Component(
        type=ComponentType.CONTAINER,
        name=_subject(report),
        version=report.image.digest,
        bom_ref=report.image.digest,
        purl=PackageURL.from_string(_image_purl(report)),
    )
    components = [_component(number, package) for number, package in enumerate(report.packages)]
    bom = Bom(components=components, serial_number=_serial(report))
    bom.metadata.timestamp = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
    bom.metadata.component = subject
    bom.metadata.tools.components.add(Component(type=ComponentType.APPLICATION, name=TOOL, version=version(TOOL)))
    system = _system(report)
    if system is not None:
        bom.components.add(system)
    bom.register_dependency(subject, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(number: int, package: ImagePackage) -> Component:
    """Return one installed package: the same one at two places is two components."""
    found = {
        "path": package.path,
        "layer": package.introduced_in,
        "source": f"{package.source.name} {package.source.version}" if package.source else "",
        "owned-by": package.owned_by or "",
    }
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        bom_ref=f"{number}:{package.purl}",
        purl=PackageURL.from_string(package.purl),
        properties=[Property(name=f"{TOOL}:{name}", value=value) for name, value in found.items() if value],
    )


def _system(report: ImageReport) -> Component | None:
    if report.distribution is None:
        return None
    distribution = report.distribution
    return Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=distribution.id,
        version=distribution.version or None,
        description=distribution.name,
        bom_ref=f"os:{distribution.id}@{distribution.version}",
    )


def spdx(report: ImageReport, now: float) -> str:
    """Return the SPDX document of an image; `now` is in seconds since 1970."""
    image = Package(
        spdx_id="SPDXRef-Image",
        name=_subject(report),
        version=report.image.digest,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        primary_package_purpose=PackagePurpose.CONTAINER,
        external_references=[_purl_reference(_image_purl(report))],
    )
    packages = [_spdx_package(number, package) for number, package in enumerate(report.packages)]
    document = Document(
        creation_info=CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id="SPDXRef-DOCUMENT",
            name=_subject(report),
            document_namespace=f"https://eclair.invalid/spdx/{_serial(report)}",
            creators=[Actor(ActorType.TOOL, f"{TOOL}-{version(TOOL)}")],
            created=datetime.fromtimestamp(now, UTC).replace(microsecond=0, tzinfo=None),
        ),
        packages=[image, *packages],
        relationships=list(_relationships(image, packages)),
    )
    written = StringIO()
    write_document_to_stream(document, written, validate=True)
    return written.getvalue()


def _spdx_package(number: int, package: ImagePackage) -> Package:
    return Package(
        spdx_id=f"SPDXRef-Package-{number}",
        name=package.name,
        version=package.version,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        source_info=f"{package.path}, layer {package.introduced_in}",
        external_references=[_purl_reference(package.purl)],
    )


def _relationships(image: Package, packages: Iterable[Package]) -> Iterator[Relationship]:
    yield Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, image.spdx_id)
    for package in packages:
        yield Relationship(image.spdx_id, RelationshipType.CONTAINS, package.spdx_id)


def _purl_reference(purl: str) -> ExternalPackageRef:
    return ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl)


def _subject(report: ImageReport) -> str:
    return report.image.repository or report.image.digest


def _image_purl(report: ImageReport) -> str:
    """Return the purl of type oci: the last part of the repository at the digest, and where it is."""
    repository = report.image.repository
    qualifiers = {"arch": report.image.platform.partition("/")[2].partition("/")[0]}
    if not any(repository.startswith(f"{transport}:") for transport in Transport):
        qualifiers["repository_url"] = repository
    return PackageURL(
        type="oci",
        name=repository.rpartition("/")[2] or "image",
        version=report.image.digest,
        qualifiers={name: value for name, value in qualifiers.items() if value},
    ).to_string()


def _serial(report: ImageReport) -> UUID:
    return uuid5(NAMESPACE_URL, f"{TOOL}:{version(TOOL)}:{report.image.repository}@{report.image.digest}")
