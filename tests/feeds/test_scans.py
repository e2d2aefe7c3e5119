"""Root file systems of rpm distributions, made here, are scanned with the vendors' feeds of the mirror."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from eclair.cli import run


class Installed(NamedTuple):
    """A package: name, EPOCH:VERSION-RELEASE, and the name and version of its source where they differ."""

    name: str
    version: str
    source: str = ""


def rootfs(folder: Path, id_: str, release: str, vendor: str, packages: Iterable[Installed]) -> str:
    """Write os-release and the list of packages that distroless images have in the place of a database."""
    (folder / "etc").mkdir()
    (folder / "etc/os-release").write_text(f'ID={id_}\nVERSION_ID="{release}"\nPRETTY_NAME="{id_} {release}"\n')
    lists = folder / "var/lib/rpmmanifest"
    lists.mkdir(parents=True)
    lines = []
    for package in packages:
        epoch, _, build = package.version.rpartition(":")
        source = f"{package.source or package.name}-{build}.src.rpm"
        fields = (package.name, build, "1", "1", vendor, "(none)", "1", "x86_64", epoch or "0", source)
        lines.append("\t".join(fields))
    (lists / "container-manifest-2").write_text("\n".join(lines) + "\n")
    return f"dir:{folder}"


def scan(
    capsys: pytest.CaptureFixture[str], shared_data: Path, reference: str, feed: str
) -> tuple[list[str], dict[str, str]]:
    """Return one line per finding, and the state of each namespace."""
    mirror = str(shared_data / "mirror")
    run(("scan", "--json", "--feeds", feed, "--feed-mirror", mirror, reference))
    report = json.loads(capsys.readouterr().out)
    findings = [
        f"{some['package']} {some['vulnerability']} {some['state']} {some['fixed_version']} {some['severity']}"
        for some in report["findings"]
    ]
    return sorted(findings), {some["namespace"]: some["state"] for some in report["coverage"]}


def test_red_hat(tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Checked by hand against https://access.redhat.com/security/cve/CVE-… of each."""
    reference = rootfs(
        tmp_path,
        "rhel",
        "9.3",
        "Red Hat, Inc.",
        (
            Installed("openssl-libs", "1:3.0.7-24.el9", "openssl"),
            Installed("openssl", "1:3.0.7-27.el9"),
            Installed("libcurl", "7.76.1-23.el9", "curl"),
            Installed("curl", "7.76.1-26.el9_3.2"),
            Installed("libssh", "0.10.4-8.el9"),
            Installed("vim-minimal", "2:8.2.2637-20.el9_1", "vim"),
        ),
    )
    findings, coverage = scan(capsys, shared_data, reference, "redhat")
    assert findings == [
        "libcurl CVE-2023-38545 fixed 7.76.1-26.el9_3.2 high",
        "libssh CVE-2026-0968 affected None low",
        "openssl CVE-2026-2673 deferred None low",
        "openssl-libs CVE-2023-6237 fixed 1:3.0.7-27.el9 low",
        "openssl-libs CVE-2024-0727 fixed 1:3.0.7-27.el9 low",
        "openssl-libs CVE-2026-2673 deferred None low",
        "vim-minimal CVE-2023-0049 will-not-fix None low",
        "vim-minimal CVE-2023-0051 will-not-fix None low",
    ]
    assert coverage["rhel:9"] == "ok"


@pytest.mark.parametrize(
    ("version", "finding"),
    [
        ("1:0.79-8.el9", "perl-FCGI CVE-2025-40907 fixed 1:0.79-8.1.el9_6 high"),
        ("1:0.79-8.el9_2", "perl-FCGI CVE-2025-40907 fixed 1:0.79-8.el9_2.1 high"),
        ("1:0.79-8.el9_2.1", ""),
        ("1:0.79-8.el9_4", "perl-FCGI CVE-2025-40907 fixed 1:0.79-8.el9_4.1 high"),
        ("1:0.79-8.1.el9_6", ""),
    ],
    ids=["main", "in support of 9.2", "fixed in 9.2", "in support of 9.4", "fixed in main"],
)
def test_a_minor_release_of_red_hat_has_its_own_fixes(
    version: str, finding: str, tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = rootfs(tmp_path, "rhel", "9.2", "Red Hat, Inc.", [Installed("perl-FCGI", version)])
    assert scan(capsys, shared_data, reference, "redhat")[0] == [finding] * bool(finding)


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ("7.76.1-23.el9_2.2", "7.76.1-23.el9_2.4"),
        ("7.76.1-23.el9_2.4", ""),
        ("7.76.1-23.el9", "7.76.1-26.el9_3.2"),
        ("7.76.1-26.el9_3.1", "7.76.1-26.el9_3.2"),
        ("7.76.1-26.el9_3.2", ""),
        ("7.76.1-29.el9_4", ""),
    ],
)
def test_who_has_the_fix_of_an_earlier_minor_release_is_safe(
    version: str, fixed: str, tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """https://access.redhat.com/errata/RHSA-2023:5763 is for 9.2, RHSA-2023:6745 for 9.3."""
    reference = rootfs(tmp_path, "rhel", "9.2", "Red Hat, Inc.", [Installed("curl", version)])
    expected = [f"curl CVE-2023-38545 fixed {fixed} high"] * bool(fixed)
    assert scan(capsys, shared_data, reference, "redhat")[0] == expected


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ("1:0.78-11.module+el8.6.0+21037+aaaaaaaa", "1:0.78-11.module+el8.6.0+23193"),
        ("1:0.78-11.module+el8.6.0+23193+53aa8c2a.1", ""),
        ("1:0.78-11.module+el8.6.0+23193+c3786137.1", ""),
        ("1:0.78-12.module+el8.10.0+22000+20b7d289", "1:0.78-12.module+el8.10.0+23147"),
        ("1:0.78-12.module+el8.10.0+23147+20b7d289", ""),
    ],
)
def test_each_build_of_a_module_may_be_the_fix(
    version: str, fixed: str, tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = rootfs(tmp_path, "rhel", "8.6", "Red Hat, Inc.", [Installed("perl-FCGI", version)])
    expected = [f"perl-FCGI CVE-2025-40907 fixed {fixed} high"] * bool(fixed)
    assert scan(capsys, shared_data, reference, "redhat")[0] == expected


def test_amazon(tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """https://alas.aws.amazon.com/AL2023/ALAS-2023-001.html."""
    packages = [
        Installed("rsyslog", "8.2204.0-3.amzn2023.0.1"),
        Installed("rsyslog-logrotate", "8.2204.0-3.amzn2023.0.2"),
    ]
    reference = rootfs(tmp_path, "amzn", "2023", "Amazon Linux", packages)
    findings, coverage = scan(capsys, shared_data, reference, "amazon")
    assert findings == [
        "rsyslog CVE-2014-3634 fixed 8.2204.0-3.amzn2023.0.2 high",
        "rsyslog CVE-2022-24903 fixed 8.2204.0-3.amzn2023.0.2 high",
    ]
    assert coverage["amzn:2023"] == "ok"


def test_photon(tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """https://github.com/vmware/photon/wiki/Security-Updates-3.0-0036 and later ones."""
    reference = rootfs(tmp_path, "photon", "3.0", "VMware, Inc.", [Installed("sqlite-libs", "3.27.2-4.ph3", "sqlite")])
    findings, coverage = scan(capsys, shared_data, reference, "photon")
    assert "sqlite-libs CVE-2019-16168 fixed 0:3.27.2-5.ph3 high" in findings
    assert not [finding for finding in findings if "CVE-2019-9937" in finding]
    assert coverage["photon:3.0"] == "unsupported"


def test_azure_linux(tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packages = [
        Installed("freeglut-devel", "3.3.0-1.azl3", "freeglut"),
        Installed("freeglut", "3.4.0-1.azl3"),
        Installed("cloud-hypervisor", "1-1.azl3"),
    ]
    reference = rootfs(tmp_path, "azurelinux", "3.0", "Microsoft Corporation", packages)
    findings, coverage = scan(capsys, shared_data, reference, "azurelinux")
    assert [finding for finding in findings if finding.startswith("freeglut")] == [
        "freeglut-devel CVE-2024-24258 fixed 0:3.4.0-1.azl3 high",
        "freeglut-devel CVE-2024-24259 fixed 0:3.4.0-1.azl3 high",
    ]
    assert not [finding for finding in findings if "CVE-2023-45853" in finding], "patchable: Not Applicable"
    assert coverage["azurelinux:3.0"] == "ok"
