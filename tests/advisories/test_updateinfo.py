"""Updates of a repository, and where its metadata lies."""

import gzip
import io
from pathlib import Path

import pytest

from eclair.advisories.updateinfo import Build, Update, location, updates
from eclair.errors import BadFeed
from tests.feeds.said import NO_XML, xml_attacks

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "amazon"


def read(content: bytes) -> list[Update | BadFeed]:
    return [update for _, update in updates(io.BytesIO(content))]


def test_a_recorded_update_is_read() -> None:
    [update] = read(gzip.decompress((SAMPLES / "updateinfo_1.xml.gz").read_bytes()))
    assert update == Update(
        id="ALAS-2011-1",
        kind="security",
        severity="medium",
        references=(("cve", "CVE-2011-3192"), ("redhat", "RHSA-2011:1245")),
        builds=(Build(name="httpd-devel", evr="2.2.21-1.18.amzn1", arch="i686"),),
    )


def test_an_epoch_is_written_before_the_version() -> None:
    package = b'<package name="vim" epoch="2" version="8.2" release="1.amzn" arch="noarch"/>'
    [update] = read(
        b"<updates><update><id>A-1</id><pkglist><collection>" + package + b"</collection></pkglist></update></updates>"
    )
    assert isinstance(update, Update)
    assert update.builds == (Build(name="vim", evr="2:8.2-1.amzn", arch="noarch"),)


@pytest.mark.parametrize(
    "update",
    [
        b"<update/>",
        b"<update><id>#</id></update>",
        b"<update><id>A-1</id><pkglist><collection><package name='a'/></collection></pkglist></update>",
    ],
    ids=["no id", "unprintable id", "no version"],
)
def test_a_broken_update_is_told(update: bytes) -> None:
    [broken] = read(b"<updates>" + update + b"</updates>")
    assert isinstance(broken, BadFeed)


@pytest.mark.parametrize("content", [*NO_XML.values(), *xml_attacks("updates").values()])
def test_what_is_no_updateinfo_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        read(content)


def test_metadata_is_found_by_its_kind() -> None:
    repomd = (SAMPLES / "repomd_valid.xml").read_bytes()
    assert location(repomd, "updateinfo") == "repodata/updateinfo.xml.gz"
    assert location(repomd, "modules") is None
    with pytest.raises(BadFeed):
        location(b"<html/>", "updateinfo")
