"""Scans against OSV-shaped feeds: root file systems of Ubuntu, Rocky and Wolfi, and an image with language packages."""

import json
from pathlib import Path
from typing import Any

import pytest

from eclair import cli
from tests.packed import Record, entry, record, tarred, until, zipped

OSV = "osv-vulnerabilities.storage.googleapis.com"
UBUNTU = "security-metadata.canonical.com/osv/osv-all.tar.xz"
UNFIXED = ({"introduced": "0"},)


def write(root: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())


def findings(capsys: pytest.CaptureFixture[str], root: Path, mirror: Path, *options: str) -> tuple[list[str], Any]:
    """Return the findings of a scan, one line each, and the whole report."""
    assert cli.run(["scan", f"dir:{root}", "--feed-mirror", str(mirror), "--json", *options]) in (0, 2)
    report = json.loads(capsys.readouterr().out)
    return [_line(found) for found in report["findings"]], report


def _line(found: Any) -> str:
    said = (found["vulnerability"], found["package"], found["version"], found["state"], found["fixed_version"])
    return " ".join(str(word) for word in (*said, found["fix_channel"] or "") if word)


def deb(name: str, version: str, source: str = "") -> str:
    return (
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
        f"Maintainer: Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>\n"
        + (f"Source: {source}\n" if source else "")
    ) + "\n"


def cve(number: int, *affected: Record, **fields: object) -> Record:
    return record(f"UBUNTU-CVE-2024-{number}", *affected, upstream=[f"CVE-2024-{number}"], **fields)


@pytest.fixture
def ubuntu(tmp_path: Path) -> Path:
    """Return a mirror of Canonical's archive with a record for each rule."""
    records = [
        cve(1001, entry("Ubuntu:22.04:LTS", "openssl", *until("3.0.2-0ubuntu1.9"))),
        cve(1002, entry("Ubuntu:22.04:LTS", "openssl", *UNFIXED), entry("Ubuntu:20.04:LTS", "openssl", *until("9"))),
        cve(1003, entry("Ubuntu:Pro:22.04:LTS", "nginx", *until("1.18.0-6ubuntu14.4+esm1"))),
        cve(
            1004,
            entry("Ubuntu:22.04:LTS", "nginx", *until("1.18.0-6ubuntu14.1")),
            entry("Ubuntu:Pro:22.04:LTS", "nginx", *until("1.18.0-6ubuntu14.9+esm1")),
        ),
        cve(1005, entry("Ubuntu:Pro:FIPS:22.04:LTS", "openssl", *UNFIXED)),
        cve(1006, entry("Ubuntu:22.04:LTS", "linux", *UNFIXED)),
        cve(1007, entry("Ubuntu:22.04:LTS", "openssl", *UNFIXED), withdrawn="2024-06-01T00:00:00Z"),
        cve(1008, entry("Ubuntu:22.04:LTS", "openssl", *UNFIXED), details="** DISPUTED ** It is a feature."),
    ]
    mirror = tmp_path / "mirror"
    write(mirror, **{UBUNTU: tarred(records)})
    return mirror


@pytest.fixture
def jammy(tmp_path: Path) -> Path:
    root = tmp_path / "jammy"
    packages = (
        deb("libssl3", "3.0.2-0ubuntu1.8", "openssl"),
        deb("nginx-core", "1.18.0-6ubuntu14.4", "nginx"),
        deb("linux-libc-dev", "5.15.0-91.101", "linux"),
    )
    write(
        root,
        **{
            "etc/os-release": 'ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04.3 LTS"\n',
            "var/lib/dpkg/status": "".join(packages),
        },
    )
    return root


def test_ubuntu(capsys: pytest.CaptureFixture[str], ubuntu: Path, jammy: Path) -> None:
    found, report = findings(capsys, jammy, ubuntu)
    assert sorted(found) == [
        "CVE-2024-1001 libssl3 3.0.2-0ubuntu1.8 fixed 3.0.2-0ubuntu1.9",
        "CVE-2024-1002 libssl3 3.0.2-0ubuntu1.8 affected",
        "CVE-2024-1003 nginx-core 1.18.0-6ubuntu14.4 fixed 1.18.0-6ubuntu14.4+esm1 pro",
    ]
    assert report["hidden"] == {"disputed": 1, "no-kernel": 1}
    assert [(coverage["namespace"], coverage["feed"], coverage["state"]) for coverage in report["coverage"]] == [
        ("ubuntu:22.04", "ubuntu", "ok")
    ]
    everything, _ = findings(capsys, jammy, ubuntu, "--all")
    assert {line.split()[1] for line in everything} == {"libssl3", "nginx-core", "linux-libc-dev"}


def test_ubuntu_with_a_subscription(capsys: pytest.CaptureFixture[str], ubuntu: Path, jammy: Path) -> None:
    status = {"attached": True, "services": [{"name": "esm-infra", "status": "enabled"}]}
    write(jammy, **{"var/lib/ubuntu-advantage/status.json": json.dumps(status)})
    found, _ = findings(capsys, jammy, ubuntu)
    assert "CVE-2024-1004 nginx-core 1.18.0-6ubuntu14.4 fixed 1.18.0-6ubuntu14.9+esm1 pro" in found


def test_a_release_that_is_no_longer_maintained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root, mirror = tmp_path / "trusty", tmp_path / "mirror"
    write(root, **{"etc/os-release": 'ID=ubuntu\nVERSION_ID="14.04"\n', "var/lib/dpkg/status": deb("bash", "4.3-6")})
    write(mirror, **{UBUNTU: tarred([cve(1001, entry("Ubuntu:Pro:14.04:LTS", "bash", *UNFIXED))])})
    found, report = findings(capsys, root, mirror)
    assert found == ["CVE-2024-1001 bash 4.3-6 affected"]
    assert [coverage["state"] for coverage in report["coverage"]] == ["unsupported"]


def test_wolfi(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root, mirror = tmp_path / "wolfi", tmp_path / "mirror"
    installed = "P:kubectl-1.30-default\nV:1.30.1-r0\nA:x86_64\no:kubernetes-1.30\n\n"
    write(root, **{"etc/os-release": "ID=wolfi\nVERSION_ID=20230201\n", "lib/apk/db/installed": installed})
    advisory = record(
        "CGA-1",
        entry("Wolfi", "kubernetes-1.30", *until("1.30.2-r0")),
        entry("Chainguard", "kubernetes-1.30", *until("1.30.9-r0")),
        related=["CVE-2024-1001", "GHSA-aaaa-bbbb-cccc"],
    )
    write(mirror, **{f"{OSV}/Wolfi/all.zip": zipped([advisory])})
    found, report = findings(capsys, root, mirror)
    assert found == ["CVE-2024-1001 kubectl-1.30-default 1.30.1-r0 fixed 1.30.2-r0"]
    assert report["findings"][0]["aliases"] == ["GHSA-aaaa-bbbb-cccc"]


def test_malware_and_languages(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root, mirror = tmp_path / "app", tmp_path / "mirror"
    write(
        root,
        **{
            "app/node_modules/evil/package.json": json.dumps({"name": "evil", "version": "6.6.6"}),
            "app/node_modules/good/package.json": json.dumps({"name": "good", "version": "1.0.0"}),
            "usr/lib/python3/site-packages/Foo_Bar-1.5.dist-info/METADATA": "Name: Foo_Bar\nVersion: 1.5\n",
        },
    )
    malware = record("MAL-2024-1", entry("npm", "evil", versions=["6.6.6"]))
    two = (
        record("GHSA-1", entry("PyPI", "foo-bar", *until("1.6")), aliases=["CVE-2024-1001", "PYSEC-2024-1"]),
        record("PYSEC-2024-1", entry("PyPI", "foo-bar", *until("1.7")), aliases=["CVE-2024-1001", "GHSA-1"]),
    )
    write(mirror, **{f"{OSV}/npm/all.zip": zipped([malware]), f"{OSV}/PyPI/all.zip": zipped(two)})
    found, report = findings(capsys, root, mirror)
    assert sorted(found) == ["CVE-2024-1001 foo-bar 1.5 fixed 1.7", "MAL-2024-1 evil 6.6.6 affected"]
    of = {finding["package"]: finding for finding in report["findings"]}
    assert (of["evil"]["severity"], of["evil"]["marks"]) == ("critical", ["malware"])
    assert of["foo-bar"]["advisories"] == ["GHSA-1", "PYSEC-2024-1"]


def test_the_languages_of_a_real_image(capsys: pytest.CaptureFixture[str], shared_data: Path) -> None:
    image, mirror = shared_data / "images" / "debian-app.tar", shared_data / "mirror"
    assert cli.run(["scan", f"oci-archive:{image}", "--feed-mirror", str(mirror), "--json", "--feeds", "osv"]) == 0
    report = json.loads(capsys.readouterr().out)
    found = {(finding["package"], finding["vulnerability"]): finding for finding in report["findings"]}
    expected = {
        ("pyyaml", "CVE-2020-14343"): "5.4",
        ("jinja2", "CVE-2020-28493"): "2.11.3",
        ("minimist", "CVE-2021-44906"): "1.2.6",
        ("lodash", "CVE-2021-23337"): "4.17.21",
        ("stdlib", "CVE-2023-24540"): "1.19.9",
    }
    assert {key: found[key]["fixed_version"] for key in expected} == expected
    assert found["log4j", "CVE-2022-23305"]["confidence"] == "low"
    # Removed by a later layer.
    assert not [key for key in found if key[0] in ("urllib3", "qs")]
