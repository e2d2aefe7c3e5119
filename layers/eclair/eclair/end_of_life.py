"""Until when does a vendor fix a release of a distribution?

The dates are the last days of the security updates that everybody gets: for Debian the end of long-term support, for
Ubuntu of standard support, for the others of maintenance or general support. What is sold beyond that (Ubuntu Pro, Red
Hat ELS, SUSE LTSS, Oracle Extended Support) does not count. As of November 2025; sources with each table.
"""

from collections.abc import Mapping
from typing import Final

# https://wiki.almalinux.org/release-notes/
_ALMALINUX: Final = {"8": "2029-03-01", "9": "2032-05-31", "10": "2035-05-31"}

# https://alpinelinux.org/releases/
_ALPINE: Final = {
    "3.0": "2016-05-01",
    "3.1": "2016-11-01",
    "3.2": "2017-05-01",
    "3.3": "2017-11-01",
    "3.4": "2018-05-01",
    "3.5": "2018-11-01",
    "3.6": "2019-05-01",
    "3.7": "2019-11-01",
    "3.8": "2020-05-01",
    "3.9": "2020-11-01",
    "3.10": "2021-05-01",
    "3.11": "2021-11-01",
    "3.12": "2022-05-01",
    "3.13": "2022-11-01",
    "3.14": "2023-05-01",
    "3.15": "2023-11-01",
    "3.16": "2024-05-23",
    "3.17": "2024-11-22",
    "3.18": "2025-05-09",
    "3.19": "2025-11-01",
    "3.20": "2026-04-01",
    "3.21": "2026-11-01",
    "3.22": "2027-05-01",
    "3.23": "2027-11-01",
}

# https://aws.amazon.com/amazon-linux-2/faqs/, https://docs.aws.amazon.com/linux/al2023/ug/release-cadence.html
_AMAZON: Final = {"1": "2023-12-31", "2": "2026-06-30", "2023": "2029-06-30"}

# https://learn.microsoft.com/azure/azure-linux/release-cadence-lifecycle
_AZURE: Final = {"3.0": "2027-08-31"}
_MARINER: Final = {"1.0": "2023-08-31", "2.0": "2025-07-31"}

# https://www.centos.org/centos-linux-eol/, https://www.centos.org/cl-vs-cs/#end-of-life
_CENTOS: Final = {"5": "2017-03-31", "6": "2020-11-30", "7": "2024-06-30", "8": "2021-12-31"}
_CENTOS_STREAM: Final = {"8": "2024-05-31", "9": "2027-05-31", "10": "2030-01-01"}

# /usr/share/distro-info/debian.csv and ubuntu.csv of the package distro-info-data 0.58+deb12u7 (eol-lts, eol)
_DEBIAN: Final = {
    "6": "2016-02-29",
    "7": "2018-05-31",
    "8": "2020-06-30",
    "9": "2022-06-30",
    "10": "2024-06-30",
    "11": "2026-08-31",
    "12": "2028-06-30",
    "13": "2030-06-30",
}
_UBUNTU: Final = {
    "12.04": "2017-04-28",
    "12.10": "2014-05-16",
    "13.04": "2014-01-27",
    "13.10": "2014-07-17",
    "14.04": "2019-04-25",
    "14.10": "2015-07-23",
    "15.04": "2016-02-04",
    "15.10": "2016-07-28",
    "16.04": "2021-04-30",
    "16.10": "2017-07-20",
    "17.04": "2018-01-13",
    "17.10": "2018-07-19",
    "18.04": "2023-05-31",
    "18.10": "2019-07-18",
    "19.04": "2020-01-23",
    "19.10": "2020-07-17",
    "20.04": "2025-05-29",
    "20.10": "2021-07-22",
    "21.04": "2022-01-20",
    "21.10": "2022-07-14",
    "22.04": "2027-06-01",
    "22.10": "2023-07-20",
    "23.04": "2024-01-25",
    "23.10": "2024-07-11",
    "24.04": "2029-05-31",
    "24.10": "2025-07-10",
    "25.04": "2026-01-15",
    "25.10": "2026-07-09",
    "26.04": "2031-05-29",
    "26.10": "2027-07-15",
}

# https://docs.fedoraproject.org/en-US/releases/eol/
_FEDORA: Final = {
    "28": "2019-05-28",
    "29": "2019-11-26",
    "30": "2020-05-26",
    "31": "2020-11-24",
    "32": "2021-05-25",
    "33": "2021-11-30",
    "34": "2022-06-07",
    "35": "2022-12-13",
    "36": "2023-05-16",
    "37": "2023-12-05",
    "38": "2024-05-21",
    "39": "2024-11-26",
    "40": "2025-05-13",
    "41": "2025-12-15",
    "42": "2026-05-13",
    "43": "2026-12-09",
}

# https://www.oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf
_ORACLE: Final = {
    "5": "2017-06-30",
    "6": "2021-03-31",
    "7": "2024-12-31",
    "8": "2029-07-31",
    "9": "2032-06-30",
    "10": "2035-06-30",
}

# https://en.opensuse.org/Lifetime
_OPENSUSE_LEAP: Final = {
    "42.1": "2017-05-17",
    "42.2": "2018-01-26",
    "42.3": "2019-07-01",
    "15.0": "2019-12-03",
    "15.1": "2021-02-02",
    "15.2": "2022-01-04",
    "15.3": "2022-12-31",
    "15.4": "2023-12-07",
    "15.5": "2024-12-31",
    "15.6": "2026-04-30",
    "16.0": "2027-10-31",
}

# https://blogs.vmware.com/vsphere/2022/01/photon-1-x-end-of-support-announcement.html; Photon 5 has no date yet
_PHOTON: Final = {"1.0": "2022-02-28", "2.0": "2022-12-31", "3.0": "2024-06-30", "4.0": "2025-12-31"}

# https://access.redhat.com/support/policy/updates/errata
_RHEL: Final = {
    "5": "2017-03-31",
    "6": "2020-11-30",
    "7": "2024-06-30",
    "8": "2029-05-31",
    "9": "2032-05-31",
    "10": "2035-05-31",
}

# https://wiki.rockylinux.org/rocky/version/
_ROCKY: Final = {"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"}

# https://www.suse.com/lifecycle
_SLES: Final = {
    "11.4": "2019-03-31",
    "12.0": "2016-06-30",
    "12.1": "2017-05-31",
    "12.2": "2018-03-31",
    "12.3": "2019-06-30",
    "12.4": "2020-06-30",
    "12.5": "2024-10-31",
    "15.0": "2019-12-31",
    "15.1": "2021-01-31",
    "15.2": "2021-12-31",
    "15.3": "2022-12-31",
    "15.4": "2023-12-31",
    "15.5": "2024-12-31",
    "15.6": "2025-12-31",
    "15.7": "2031-07-31",
    "16.0": "2027-11-30",
}

_ENDS: Final[Mapping[str, Mapping[str, str]]] = {
    "almalinux": _ALMALINUX,
    "alpine": _ALPINE,
    "amzn": _AMAZON,
    "azurelinux": _AZURE,
    "centos": _CENTOS,
    "centos-stream": _CENTOS_STREAM,
    "debian": _DEBIAN,
    "fedora": _FEDORA,
    "mariner": _MARINER,
    "ol": _ORACLE,
    "opensuse-leap": _OPENSUSE_LEAP,
    "photon": _PHOTON,
    "rhel": _RHEL,
    "rocky": _ROCKY,
    "sles": _SLES,
    "ubuntu": _UBUNTU,
}


def end_of_life(distribution: str, release: str) -> str:
    """Return the date as YYYY-MM-DD, "" where there is none or it is not known."""
    return _ENDS.get(distribution, {}).get(release, "")
