"""A bill of materials is valid by its format's own schema and names every package once where it is installed."""

import json
from collections import Counter
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from eclair import sbom
from eclair.model import Digest, Source
from eclair.report import DistributionName, ImageName, ImagePackage, ImageReport

NOW = 1_760_000_000.0
LAYER = Digest(f"sha256:{'1' * 64}")


def package(name: str, purl: str, *, path: str = "var/lib/dpkg/status", owned_by: str | None = None) -> ImagePackage:
    return ImagePackage(
        name=name,
        version="1.0-1",
        arch="amd64",
        type=PackageURL.from_string(purl).type,
        namespace="debian:12",
        source=Source(name="source", version="1:1.0-1"),
        path=path,
        introduced_in=LAYER,
        purl=purl,
        owned_by=owned_by,
    )


REPORT = ImageReport(
    image=ImageName(
        digest=Digest(f"sha256:{'a' * 64}"),
        platform="linux/arm64/v8",
        repository="registry.example.com/shop/cart",
        tags=("1.0",),
    ),
    distribution=DistributionName(id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)"),
    layers=(),
    packages=(
        package("libc6", "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=debian-12&upstream=glibc"),
        package("six", "pkg:pypi/six@1.16.0", path="usr/lib/python3/dist-packages/six", owned_by="python3-six"),
        package("six", "pkg:pypi/six@1.16.0", path="opt/venv/lib/python3.11/site-packages/six"),
        package("@scope/näme \u2028", "pkg:npm/%40scope/n%C3%A4me@1.0"),
    ),
    findings=(),
    coverage=(),
)


def test_cyclonedx_is_valid_and_complete() -> None:
    written = sbom.cyclonedx(REPORT, NOW)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    document = json.loads(written)
    libraries = [one for one in document["components"] if one["type"] == "library"]
    purls = (PackageURL.from_string(one["purl"]) for one in libraries)
    assert Counter(purls) == Counter(PackageURL.from_string(one.purl) for one in REPORT.packages)
    (system,) = (one for one in document["components"] if one["type"] == "operating-system")
    assert (system["name"], system["version"]) == ("debian", "12")
    subject = document["metadata"]["component"]
    assert subject["version"] == REPORT.image.digest
    assert subject["purl"].startswith("pkg:oci/cart@sha256:")
    assert "repository_url=registry.example.com/shop/cart" in subject["purl"]
    owned = {one["value"] for each in libraries for one in each["properties"] if one["name"] == "eclair:owned-by"}
    assert owned == {"python3-six"}


def test_spdx_is_valid_and_complete(tmp_path: Path) -> None:
    file = tmp_path / "image.spdx.json"
    file.write_text(sbom.spdx(REPORT, NOW))
    document = parse_file(str(file))
    assert validate_full_spdx_document(document) == []
    purls = [reference.locator for each in document.packages for reference in each.external_references]
    assert Counter(purls[1:]) == Counter(one.purl for one in REPORT.packages)
    contained = [one for one in document.relationships if one.relationship_type.name == "CONTAINS"]
    assert len(contained) == len(REPORT.packages)


@pytest.mark.parametrize("write", [sbom.cyclonedx, sbom.spdx])
def test_the_same_image_gives_the_same_document(write: object) -> None:
    assert callable(write)
    assert write(REPORT, NOW) == write(REPORT, NOW)
