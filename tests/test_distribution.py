"""Which distribution an image is, and whose advisories apply to it."""

import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair import distribution, ecosystems
from eclair.end_of_life import _ENDS
from eclair.model import Distribution, Inventory

SAMPLES = Path(__file__).parent / "samples" / "distribution"

OS_RELEASE = "etc/os-release"
REPOSITORIES = "etc/apk/repositories"

ALPINE = "ID=alpine\nVERSION_ID=3.20.3\n"


def identify(files: dict[str, str]) -> Distribution | None:
    """Identify an image by the text of its files, whose paths are given in any order."""
    return distribution.identify(
        [distribution.read(path, io.BytesIO(content.encode())) for path, content in files.items()]
    )


def namespace(files: dict[str, str]) -> str | None:
    found = identify(files)
    assert found is not None
    return found.namespace


# --- genuine images --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("alpine-3.10.2", ("alpine", "3.10.2", "Alpine Linux v3.10", "alpine:3.10")),
        ("alpine-3.20.3", ("alpine", "3.20.3", "Alpine Linux v3.20", "alpine:3.20")),
        ("debian-11", ("debian", "11", "Debian GNU/Linux 11 (bullseye)", "debian:11")),
        ("debian-12", ("debian", "12", "Debian GNU/Linux 12 (bookworm)", "debian:12")),
        ("centos-8", ("centos", "8", "CentOS Linux 8 (Core)", "rhel:8")),
        ("sles-15.3", ("sles", "15.3", "SUSE Linux Enterprise Server 15 SP3", "sles:15.3")),
        ("mariner-2.0", ("mariner", "2.0", "CBL-Mariner/Linux", "mariner:2.0")),
    ],
)
def test_genuine_images_are_known(image: str, expected: tuple[str, str, str, str]) -> None:
    root = SAMPLES / image
    files = {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}
    assert set(files) <= distribution.PATHS
    found = identify(files)
    assert found is not None
    assert (found.id, found.version, found.name, found.namespace) == expected


# --- namespaces ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ("ID=debian\nVERSION_ID=12", "debian:12"),
        ("ID=debian\nVERSION_CODENAME=trixie", "debian:13"),
        ("ID=debian\nVERSION_CODENAME=notyet", "debian:sid"),
        ("ID=debian", "debian:sid"),
        ("ID=ubuntu\nVERSION_ID='22.04'", "ubuntu:22.04"),
        ("ID=alpine\nVERSION_ID=3.9.6", "alpine:3.9"),
        ("ID=alpine\nVERSION_ID=3.20.0_rc1", "alpine:3.20"),
        ("ID=alpine\nVERSION_ID=3.22_alpha20250108", "alpine:edge"),
        ("ID=rhel\nVERSION_ID=9.4", "rhel:9"),
        ("ID=centos\nVERSION_ID=7\nNAME='CentOS Linux'", "rhel:7"),
        ("ID=centos\nVERSION_ID=9\nNAME='CentOS Stream'\nPRETTY_NAME='CentOS Stream 9'", "centos-stream:9"),
        ("ID=rocky\nVERSION_ID=9.3", "rocky:9"),
        ("ID=almalinux\nVERSION_ID=8.9", "almalinux:8"),
        ("ID=ol\nVERSION_ID=9.3", "ol:9"),
        ("ID=amzn\nVERSION_ID=2", "amzn:2"),
        ("ID=amzn\nVERSION_ID=2023", "amzn:2023"),
        ("ID=amzn\nVERSION_ID=2018.03", "amzn:1"),
        ("ID=sles\nVERSION_ID=15.5", "sles:15.5"),
        ("ID=sles\nVERSION_ID=15", "sles:15.0"),
        ("ID=opensuse-leap\nVERSION_ID=15.6", "opensuse-leap:15.6"),
        ("ID=photon\nVERSION_ID=5.0", "photon:5.0"),
        ("ID=azurelinux\nVERSION_ID=3.0", "azurelinux:3.0"),
        ("ID=wolfi\nVERSION_ID=20230201", "wolfi"),
        ("ID=chainguard\nVERSION_ID=20230214", "chainguard"),
        ("ID=arch\nBUILD_ID=rolling", "arch"),
        ("ID=debian\nVERSION_ID=12\nPRETTY_NAME=Distroless", "debian:12"),
        ("ID=fedora\nVERSION_ID=41\nVARIANT_ID=container", "fedora:41"),
        ("ID=sles\nVERSION_ID=12.5", "sles:12.5"),
        ("ID=opensuse\nVERSION_ID=42.3\nPRETTY_NAME='openSUSE Leap 42.3'", "opensuse-leap:42.3"),
        ("ID=opensuse\nVERSION_ID=20180101\nPRETTY_NAME='openSUSE Tumbleweed'", "opensuse-tumbleweed"),
        ("ID=opensuse-tumbleweed\nVERSION_ID=20240229", "opensuse-tumbleweed"),
        ("ID=mariner\nVERSION_ID=2.0.20220226", "mariner:2.0"),
    ],
)
def test_the_namespace_follows_from_id_and_release(os_release: str, expected: str) -> None:
    assert namespace({OS_RELEASE: os_release}) == expected


@pytest.mark.parametrize(
    "os_release", ["ID=kali\nID_LIKE=debian", "ID=postmarketos\nID_LIKE=alpine", "ID=sled\nID_LIKE=sles"]
)
def test_a_derivative_has_no_namespace_and_is_told_why(os_release: str) -> None:
    found = identify({OS_RELEASE: f"{os_release}\nVERSION_ID=12", REPOSITORIES: "https://m/alpine/v3.20/main"})
    assert found is not None
    assert found.namespace is None
    assert found.id in found.detail


@pytest.mark.parametrize("version", ["", "x", "12#13", "1\u0661", "9" * 100, "../12"])
def test_a_release_that_cannot_be_read_gives_no_namespace(version: str) -> None:
    found = identify({OS_RELEASE: f"ID=rhel\nVERSION_ID={version}"})
    assert found is not None
    assert found.namespace is None
    assert "VERSION_ID" in found.detail


def test_centos_says_that_it_is_compared_with_red_hat() -> None:
    found = identify({OS_RELEASE: "ID=centos\nVERSION_ID=8\n"})
    assert found is not None
    assert "Red Hat" in found.detail


# --- the end of its life ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("os_release", "end"),
    [
        ("ID=debian\nVERSION_ID=11", "2026-08-31"),
        ("ID=ubuntu\nVERSION_ID=18.04", "2023-05-31"),
        ("ID=alpine\nVERSION_ID=3.10.2", "2021-05-01"),
        ("ID=centos\nVERSION_ID=8\nNAME='CentOS Linux'", "2021-12-31"),
        ("ID=centos\nVERSION_ID=8\nNAME='CentOS Stream'", "2024-05-31"),
        ("ID=rhel\nVERSION_ID=8.10", "2029-05-31"),
        ("ID=amzn\nVERSION_ID=2018.03", "2023-12-31"),
        ("ID=sles\nVERSION_ID=15", "2019-12-31"),
        ("ID=debian", ""),
        ("ID=wolfi\nVERSION_ID=20230201", ""),
        ("ID=debian\nVERSION_ID=99", ""),
        ("ID=kali\nVERSION_ID=2024.1", ""),
    ],
)
def test_the_end_of_support_is_that_of_the_release_and_not_of_whose_advisories_apply(os_release: str, end: str) -> None:
    found = identify({OS_RELEASE: os_release})
    assert found is not None
    assert found.end_of_life == end


def test_every_known_end_is_a_date_of_a_known_distribution() -> None:
    for id_, releases in _ENDS.items():
        for release, end in releases.items():
            assert date.fromisoformat(end).isoformat() == end
            name = "CentOS Stream" if id_ == "centos-stream" else ""
            id_or_shared = "centos" if id_ == "centos-stream" else id_
            found = identify({OS_RELEASE: f"ID={id_or_shared}\nVERSION_ID={release}\nNAME='{name}'"})
            assert found is not None
            assert found.end_of_life == end, (id_, release)


# --- which file decides ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repositories", "expected"),
    [
        ("https://m/alpine/v3.18/main\nhttps://m/alpine/v3.18/community\n", "alpine:3.18"),
        ("https://m/alpine/v3.9/main\nhttps://m/alpine/v3.18/main\n", "alpine:3.18"),
        ("https://m/alpine/v3.18/main\nhttps://m/alpine/edge/main/\n", "alpine:edge"),
        ("https://m/alpine/v3.18/main\n@edge https://m/alpine/edge/testing\n", "alpine:3.18"),
        ("#https://m/alpine/edge/main\nhttps://m/v3.18/main\n", "alpine:3.18"),
        ("https://m/alpine/latest-stable/main\n/mnt/apks\n\nnonsense\n", "alpine:3.20"),
        ("", "alpine:3.20"),
    ],
)
def test_the_highest_release_of_the_repositories_outranks_os_release(repositories: str, expected: str) -> None:
    files = {REPOSITORIES: repositories, OS_RELEASE: ALPINE}
    assert namespace(files) == expected
    found = identify(files)
    assert found is not None
    assert found.version == "3.20.3"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"usr/lib/os-release": "ID=debian\nVERSION_ID=11", OS_RELEASE: "ID=debian\nVERSION_ID=12"}, "debian:12"),
        ({OS_RELEASE: "NAME=unknown\n", "usr/lib/os-release": "ID=debian\nVERSION_ID=11"}, "debian:11"),
        (
            {"etc/debian_version": "bookworm/sid", "etc/lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04"},
            "ubuntu:22.04",
        ),
        ({"etc/debian_version": "11.11\n"}, "debian:11"),
        ({"etc/debian_version": "trixie/sid\n"}, "debian:13"),
        ({"etc/alpine-release": "3.10.2\n"}, "alpine:3.10"),
        ({"etc/apk/repositories": "https://m/alpine/v3.18/main\n"}, "alpine:3.18"),
        ({"etc/alpine-release": "3.10.2\n", REPOSITORIES: "https://m/alpine/v3.11/main\n"}, "alpine:3.11"),
        ({"etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n"}, "rhel:6"),
        ({"etc/redhat-release": "CentOS Linux release 7.9.2009 (Core)\n"}, "rhel:7"),
        ({"etc/redhat-release": "CentOS Stream release 8\n"}, "centos-stream:8"),
        (
            {
                "etc/redhat-release": "Red Hat Enterprise Linux Server release 6.9 (Santiago)\n",
                "etc/oracle-release": "Oracle Linux Server release 6.9\n",
            },
            "ol:6",
        ),
        ({"etc/system-release": "Amazon Linux AMI release 2018.03\n"}, "amzn:1"),
        ({"usr/lib/system-release": "Amazon Linux release 2023 (Amazon Linux)\n"}, "amzn:2023"),
        ({"etc/system-release": "Amazon Linux release 2 (Karoo)\n"}, "amzn:2"),
        ({"etc/redhat-release": "CentOS release 6.10 (Final)\n"}, "rhel:6"),
        ({"usr/lib/fedora-release": "Fedora release 40 (Forty)\n"}, "fedora:40"),
        (
            {"etc/redhat-release": "Fedora release 40 (Forty)\n", "etc/fedora-release": "Fedora release 40 (Forty)\n"},
            "fedora:40",
        ),
        ({"etc/rocky-release": "Rocky Linux release 9.3 (Blue Onyx)\n"}, "rocky:9"),
        ({"etc/almalinux-release": "AlmaLinux release 8.9 (Midnight Oncilla)\n"}, "almalinux:8"),
        ({"etc/photon-release": "VMware Photon OS 4.0\nPHOTON_BUILD_NUMBER=d98e681\n"}, "photon:4.0"),
        ({"etc/mariner-release": "CBL-Mariner 2.0.20220226\nMARINER_BUILD_NUMBER=9996b35\n"}, "mariner:2.0"),
        (
            {"etc/SuSE-release": "SUSE Linux Enterprise Server 12 (x86_64)\nVERSION = 12\nPATCHLEVEL = 5\n"},
            "sles:12.5",
        ),
        ({"etc/SuSE-release": "openSUSE 13.1 (x86_64)\nVERSION = 13.1\nCODENAME = Bottle\n"}, "opensuse-leap:13.1"),
        ({"etc/arch-release": ""}, "arch"),
        ({"etc/arch-release": "", "etc/lsb-release": "DISTRIB_ID=Arch\nDISTRIB_RELEASE=rolling\n"}, "arch"),
    ],
)
def test_the_most_specific_file_decides(files: dict[str, str], expected: str) -> None:
    assert namespace(files) == expected
    assert namespace(dict(reversed(files.items()))) == expected


def test_without_a_telling_file_there_is_no_distribution() -> None:
    assert identify({}) is None
    assert identify({REPOSITORIES: "https://m/os\n", "etc/redhat-release": "Something else\n"}) is None


def test_inventories_of_packages_do_not_tell_the_distribution() -> None:
    assert distribution.identify([Inventory(path=OS_RELEASE, analyser="dpkg", facts=(("ID", "debian"),))]) is None


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("plain", "plain"),
        ('"two words"', "two words"),
        ("'two words'", "two words"),
        (r'"a \"b\" \$c \\ \`d\` \e"', r'a "b" $c \ `d` \e'),
        (r"'a \b'", r"a \b"),
        (r"a\ b", "a b"),
        ('"', ""),
        ('""', ""),
        ('"never closed', "never closed"),
        ("a=b", "a=b"),
    ],
)
def test_values_are_quoted_as_in_a_shell(value: str, name: str) -> None:
    found = identify({OS_RELEASE: f"# a comment\n\n  PRETTY_NAME={value}\nID=debian\n"})
    assert found is not None
    assert found.name == name


def test_the_last_of_two_assignments_counts() -> None:
    assert namespace({OS_RELEASE: "ID=debian\nVERSION_ID=11\nVERSION_ID=12\n"}) == "debian:12"


def test_more_than_64_kb_are_not_read_and_that_is_named() -> None:
    inventory = distribution.read(OS_RELEASE, io.BytesIO(b"ID=debian\n" + b"#" * 70_000 + b"\nVERSION_ID=12\n"))
    assert inventory.facts == (("ID", "debian"),)
    assert inventory.problem is not None
    assert "larger than 65536 bytes" in inventory.problem


def test_what_is_not_utf8_is_named_and_the_rest_read() -> None:
    inventory = distribution.read(OS_RELEASE, io.BytesIO(b"ID=debian\nNAME=\xff\nVERSION_ID=12\n"))
    assert ("VERSION_ID", "12") in inventory.facts
    assert inventory.problem == "byte 15 is not UTF-8"


def test_facts_are_short_and_printable() -> None:
    inventory = distribution.read(OS_RELEASE, io.BytesIO(b"ID=\x1b[31mdebian\nNAME=" + b"x" * 5000))
    assert dict(inventory.facts)["ID"] == "[31mdebian"
    assert len(dict(inventory.facts)["NAME"]) < 300


@given(st.sampled_from(sorted(distribution.PATHS)), st.binary(max_size=200))
def test_any_bytes_can_be_read(path: str, content: bytes) -> None:
    distribution.identify([distribution.read(path, io.BytesIO(content))])


@given(st.dictionaries(st.sampled_from(["ID", "VERSION_ID", "VERSION_CODENAME"]), st.text(max_size=8)))
def test_a_namespace_has_no_separator_of_keys(facts: dict[str, str]) -> None:
    inventory = Inventory(path=OS_RELEASE, analyser="distribution", facts=tuple(({"ID": "debian"} | facts).items()))
    found = distribution.identify([inventory])
    assert found is None or found.namespace is None or not set("#|\x00") & set(found.namespace)


def test_its_version_is_among_those_of_the_analysers() -> None:
    assert ecosystems.analysers()["distribution"].startswith(f"{distribution.VERSION}/")
