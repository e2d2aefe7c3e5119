"""dpkg: what is installed, and the order of Debian's versions."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from debian.deb822 import Deb822
from debian.debian_support import NativeVersion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from eclair.ecosystems import Hinted, load
from eclair.ecosystems.dpkg import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import UNREADABLE, Distribution, Inventory, Kind, Package, Source
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "dpkg"
PATH = "var/lib/dpkg/status"

BOOKWORM = Distribution(id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)", namespace="debian:12")

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="dpkg is not installed here")


def read(content: bytes, path: str = PATH) -> Inventory:
    inventory = ECOSYSTEM.read(path, io.BytesIO(content))
    assert inventory is not None
    return inventory


# --- what is installed -----------------------------------------------------------------------------------------------


@needs_dpkg
def test_the_packages_are_those_that_dpkg_query_lists_as_installed(tmp_path: Path) -> None:
    """But for what is selected to be removed, which the rules count as gone."""
    for folder in ("info", "updates", "triggers"):
        (tmp_path / folder).mkdir()
    shutil.copy(SAMPLES / "status", tmp_path / "status")
    fields = "Package Version Architecture source:Package source:Version db:Status-Want db:Status-Status"
    form = " ".join(f"${{{field}}}" for field in fields.split()) + "\n"
    command = ["dpkg-query", f"--admindir={tmp_path}", "--show", f"--showformat={form}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [line.split() for line in lines]
    expected = sorted(
        tuple(row[:5])
        for row in rows
        if row[5] not in ("deinstall", "purge") and row[6] not in ("not-installed", "config-files")
    )
    assert len(rows) == 35
    assert len(expected) == 33
    assert sorted(_row(package) for package in read((SAMPLES / "status").read_bytes()).packages) == expected


def _row(package: Package) -> tuple[str, ...]:
    assert package.source is not None
    return package.name, package.version, package.arch, package.source.name, package.source.version


def test_the_packages_are_those_that_python_debian_reads() -> None:
    content = (SAMPLES / "status").read_bytes()
    paragraphs = Deb822.iter_paragraphs(io.BytesIO(content), use_apt_pkg=False)
    expected = [
        (paragraph["Package"], paragraph["Version"], paragraph["Architecture"])
        for paragraph in paragraphs
        if "deinstall" not in paragraph["Status"]
    ]
    inventory = read(content)
    assert [(package.name, package.version, package.arch) for package in inventory.packages] == expected
    assert inventory.problem is None
    assert (inventory.path, inventory.analyser) == (PATH, "dpkg")
    assert not any(package.third_party for package in inventory.packages)


def test_a_file_of_status_d_is_one_installed_package_without_a_status() -> None:
    for file in sorted((SAMPLES / "status.d").iterdir()):
        path = f"var/lib/dpkg/status.d/{file.name}"
        (package,) = read(file.read_bytes(), path).packages
        assert (package.name, package.path) == (file.name, path)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("var/lib/dpkg/info/libssl3.list", b"/.\n/usr\n/usr/lib/lib  ssl.so\n"),
        ("var/lib/dpkg/info/libssl3:amd64.list", b"/.\n/usr\n/usr/lib/lib  ssl.so\n"),
        ("var/lib/dpkg/status.d/libssl3.md5sums", b"0a1b  .\n0a1b  usr\n0a1b  usr/lib/lib  ssl.so\n"),
    ],
)
def test_lists_of_files_tell_what_their_package_owns(path: str, content: bytes) -> None:
    inventory = read(content, path)
    assert inventory.owned == ((".", "libssl3"), ("usr", "libssl3"), ("usr/lib/lib  ssl.so", "libssl3"))
    assert inventory.packages == ()
    assert inventory.problem is None


@pytest.mark.parametrize(
    "path", ["etc/apt/sources.list", "var/lib/dpkg/info/libssl3.md5sums.old", "etc/apt/sources.list.d/docker.list"]
)
def test_other_lists_are_not_read(path: str) -> None:
    assert ECOSYSTEM.read(path, io.BytesIO(b"deb https://m stable main\n")) is None


@needs_dpkg
def test_dpkg_query_lists_the_same_files(tmp_path: Path) -> None:
    content = b"/.\n/usr\n/usr/share\n/usr/share/doc\n"
    (tmp_path / "info").mkdir()
    (tmp_path / "info" / "a.list").write_bytes(content)
    (tmp_path / "status").write_text(STANZA)
    command = ["dpkg-query", f"--admindir={tmp_path}", "--listfiles", "a"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    owned = read(content, "var/lib/dpkg/info/a.list").owned
    assert [f"/{path}" for path, _ in owned] == said.splitlines()


STANZA = """Package: a
Status: install ok installed
Maintainer: A <a@debian.org>
Architecture: all
Version: 1
Description: a
"""


def test_opkg_keeps_a_status_of_the_same_shape() -> None:
    content = b"""Package: busybox
Version: 1.36.1-r1
Depends: libc
Status: install user installed
Architecture: x86_64
Installed-Time: 1699968155

Package: kernel
Version: 5.15
Status: install hold,user installed
Architecture: x86_64

Package: gone
Version: 1
Status: deinstall user not-installed
"""
    inventory = read(content, "usr/lib/opkg/status")
    assert [(package.name, package.version) for package in inventory.packages] == [
        ("busybox", "1.36.1-r1"),
        ("kernel", "5.15"),
    ]
    assert inventory.problem is None


# --- Ubuntu Pro ------------------------------------------------------------------------------------------------------

PRO_STATUS = "var/lib/ubuntu-advantage/status.json"
SOURCES = "etc/apt/sources.list.d/ubuntu-esm-infra"

ATTACHED = {
    (PRO_STATUS, '{"attached": true, "services": [{"name": "esm-infra", "status": "enabled"}]}'): True,
    (
        PRO_STATUS,
        '{"services": [{"name": "livepatch", "status": "enabled"}, {"name": "esm-apps", "status": "n/a"}]}',
    ): False,
    (PRO_STATUS, '{"attached": false, "services": []}'): False,
    (PRO_STATUS, "[]"): False,
    (PRO_STATUS, '{"services": [1, null, "esm-apps"]}'): False,
    (PRO_STATUS, '{"services": [{"name": {}, "status": "enabled"}, {"name": "esm-apps", "status": []}]}'): False,
    (f"{SOURCES}.list", "# comment\ndeb https://esm.ubuntu.com/infra/ubuntu bionic-infra-security main\n"): True,
    (f"{SOURCES}.list", "deb [signed-by=/k] https://esm.ubuntu.com/infra/ubuntu bionic-infra-updates main\n"): True,
    (f"{SOURCES}.list", "# deb https://esm.ubuntu.com/infra/ubuntu bionic-infra-security main\n"): False,
    (f"{SOURCES}.list", "deb https://m/ubuntu bionic main # https://esm.ubuntu.com/\n"): False,
    (
        f"{SOURCES}.sources",
        "Types: deb\nURIs: https://esm.ubuntu.com/infra/ubuntu\nSuites: noble-infra-security\n",
    ): True,
    (f"{SOURCES}.sources", "Enabled: no\nTypes: deb\nURIs: https://esm.ubuntu.com/infra/ubuntu\n"): False,
    (f"{SOURCES}.sources", ""): False,
}


@pytest.mark.parametrize(("file", "attached"), ATTACHED.items())
def test_an_attached_image_is_told_by_its_files(file: tuple[str, str], attached: bool) -> None:  # noqa: FBT001
    path, content = file
    ecosystem = load()["deb"]
    assert isinstance(ecosystem, Hinted)
    inventory = ECOSYSTEM.read(path, io.BytesIO(content.encode()))
    plain = (Package(type="deb", name="a", version="1", path=PATH),)
    assert (inventory is not None) is attached
    facts = inventory.facts if inventory else ()
    assert ecosystem.hinted(plain, facts)[0].context == ("pro" if attached else "")


def test_a_status_that_is_no_json_is_refused() -> None:
    with pytest.raises(BadDatabase):
        read(b"{" * 100_000, PRO_STATUS)


@pytest.mark.parametrize(
    ("version", "context"),
    [
        ("2.23-0ubuntu11.3+esm9", "pro"),
        ("1:4.1.48-4+deb11u2ubuntu0.1~esm1", "pro"),
        ("2.23-0ubuntu11.3", ""),
        ("1.0+esmeralda", ""),
    ],
)
def test_a_version_of_ubuntu_pro_is_one_wherever_it_is_installed(version: str, context: str) -> None:
    (package,) = read(f"Package: a\nVersion: {version}\n".encode()).packages
    assert package.context == context


STATES = {
    "install ok installed": True,
    "hold ok installed": True,
    "install reinstreq half-installed": True,
    "install ok unpacked": True,
    "install ok half-configured": True,
    "install ok triggers-awaited": True,
    "install ok triggers-pending": True,
    "deinstall ok config-files": False,
    "deinstall ok installed": False,
    "purge ok not-installed": False,
    "unknown ok not-installed": False,
    "install ok not-installed": False,
    "install ok config-files": False,
}


@pytest.mark.parametrize(("status", "installed"), STATES.items())
def test_a_package_is_installed_while_its_files_are_there(status: str, installed: bool) -> None:  # noqa: FBT001
    inventory = read(f"Package: a\nStatus: {status}\nVersion: 1\n".encode())
    assert bool(inventory.packages) is installed
    assert inventory.problem is None


def test_a_status_that_dpkg_does_not_have_is_named_and_taken_as_installed() -> None:
    inventory = read(b"Package: a\nStatus: install ok whatever\nVersion: 1\n")
    assert [package.name for package in inventory.packages] == ["a"]
    assert inventory.problem is not None
    assert "line 1" in inventory.problem


def test_a_package_that_is_not_installed_needs_no_version() -> None:
    assert read(b"Package: a\nStatus: purge ok not-installed\n") == Inventory(path=PATH, analyser="dpkg")


@pytest.mark.parametrize(
    ("field", "source"),
    [
        ("", Source(name="a", version="1-2+b1")),
        ("Source: b\n", Source(name="b", version="1-2+b1")),
        ("Source: b (3:4-5)\n", Source(name="b", version="3:4-5")),
        ("Source: a (1-2)\n", Source(name="a", version="1-2")),
        ("source:b(3)\n", Source(name="b", version="3")),
        ("Source: b (\n", Source(name="b", version="1-2+b1")),
    ],
)
def test_what_the_source_field_does_not_say_is_as_in_the_binary_package(field: str, source: Source) -> None:
    (package,) = read(f"Package: a\n{field}Version: 1-2+b1\n".encode()).packages
    assert package.source == source


def test_one_name_in_two_architectures_is_two_packages() -> None:
    content = b"Package: a\nArchitecture: amd64\nVersion: 1\n\nPackage: a\nArchitecture: i386\nVersion: 1\n"
    assert [package.arch for package in read(content).packages] == ["amd64", "i386"]


def test_of_two_paragraphs_about_one_package_the_last_decides() -> None:
    first, second = b"Package: a\nVersion: 1\n\n", b"Package: a\nVersion: 2\n\n"
    gone = b"Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\n"
    assert [package.version for package in read(first + second).packages] == ["2"]
    assert read(first + gone).packages == ()
    assert [package.version for package in read(gone + second).packages] == ["2"]


@pytest.mark.parametrize(
    ("maintainer", "version"),
    [
        ("Docker <support@docker.com>", "5:24.0.7-1"),
        ("NodeSource Support <support@nodesource.com>", "20.20.2-1"),
        ("HashiCorp <support@hashicorp.com>", "1.6.0-1"),
        ("NVIDIA CORPORATION <cudatools@nvidia.com>", "1.17.4-1"),
        ("NGINX Packaging <nginx-packaging@f5.com>", "1.25.3-1~bookworm"),
        ("NGINX packaging <NGINX-Packaging@F5.com>", "1.25.3-1~bookworm"),
        ("Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>", "16.1-1.pgdg120+1"),
        ("Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>", "241-1~pgdg12+1"),
        ("Debian PHP Maintainers <team+pkg-php@tracker.debian.org>", "8.2.7-1+0~20230607.43+debian12~1.gbp9b2a3c"),
        ("MariaDB Developers <maria-developers@lists.launchpad.net>", "1:10.11.6+maria~deb12"),
    ],
)
def test_what_others_built_is_third_party(maintainer: str, version: str) -> None:
    (package,) = read(f"Package: a\nVersion: {version}\nMaintainer: {maintainer}\n".encode()).packages
    assert package.third_party
    assert ECOSYSTEM.features(package, "debian:12") == ()


@pytest.mark.parametrize(
    ("maintainer", "version"),
    [
        ("Debian GCC Maintainers <debian-gcc@lists.debian.org>", "12.2.0-14+deb12u1"),
        ("Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>", "1.18.0-6ubuntu14.4"),
        ("Alex Doyle <adoyle@nvidia.com>", "2017.11.19+deb9u1"),
        ("Debian Go Packaging Team <team+pkg-go@tracker.debian.org>", "0~2.gbp234f0c6-1"),
        ("Ubuntu Developers about docker.com <a@b>", "1~bpo12+1"),
        ("", "1"),
    ],
)
def test_what_the_distribution_built_is_not(maintainer: str, version: str) -> None:
    (package,) = read(f"Package: a\nVersion: {version}\nMaintainer: {maintainer}\n".encode()).packages
    assert not package.third_party


# --- what is broken or hostile ---------------------------------------------------------------------------------------


def test_a_database_that_is_cut_within_a_line_says_so() -> None:
    inventory = read(b"Package: a\nVersion: 1\n\nPackage: b\nVersion: 1.2")
    assert [package.name for package in inventory.packages] == ["a", "b"]
    assert inventory.problem == "could not be read in 1 place: line 5: the file ends within a line"


def test_broken_paragraphs_are_named_and_the_others_kept() -> None:
    content = (
        b"Package: a\nVersion: 1\n\n"  # 1
        b"Version: 2\n\n"  # 4
        b"Package: c\n\n"  # 6
        b"garbage\n\n"  # 8
        b"Package: \xff\nVersion: 1\n\n"  # 10
        b"Package: e\ngarbage\nVersion: 5\n\n"  # 13, 14
        b"Package: f\nVersion: 6\n"  # 17
    )
    inventory = read(content)
    assert [package.name for package in inventory.packages] == ["a", "e", "f"]
    assert inventory.problem is not None
    assert "5 places" in inventory.problem
    for line in (4, 6, 8, 10, 14):
        assert f"line {line}:" in inventory.problem


def test_two_paragraphs_that_ran_together_are_named() -> None:
    inventory = read(b"Package: a\nVersion: 1\nPackage: b\nVersion: 2\n")
    assert inventory.problem is not None
    assert "line 3: field package stands twice" in inventory.problem


def test_a_description_that_is_not_utf8_is_nobodys_problem() -> None:
    inventory = read(b"Package: a\nVersion: 1\nMaintainer: Andr\xe9\nDescription: caf\xe9\n \xe9\n")
    assert [package.name for package in inventory.packages] == ["a"]
    assert inventory.problem is None


@pytest.mark.parametrize(
    "content", [b"\x00" * 100, b"<html>\n", b"  indented\n", b"{}", b"\x1f\x8b\x08binary: \xff\xfe\n"]
)
def test_what_is_no_database_is_a_problem_without_packages(content: bytes) -> None:
    inventory = read(content)
    assert inventory.packages == ()
    assert inventory.problem


def test_an_empty_database_is_no_problem() -> None:
    assert read(b"\n\n") == Inventory(path=PATH, analyser="dpkg")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"x" * 50_000_000, id="one line"),
        pytest.param(b"Package: " + b"x" * 20_000_000, id="one name"),
        pytest.param(b"Source: b" + b"(" * 20_000_000, id="one field"),
        pytest.param(b"Version:\n\n" * 500_000, id="half a million paragraphs"),
        pytest.param(b"x\n" * 1_000_000, id="a million lines"),
    ],
)
def test_hostile_content_is_read_in_linear_time(content: bytes) -> None:
    with guarded():
        inventory = read(content)
    assert inventory.packages == ()
    assert inventory.problem is not None
    assert len(inventory.problem) < 1000


def test_a_million_empty_paragraphs_hide_no_package() -> None:
    inventory = read(b"\n" * 1_000_000 + b"Package: a\nVersion: 1\n")
    assert [package.name for package in inventory.packages] == ["a"]


def test_what_is_beyond_the_limit_is_a_problem() -> None:
    inventory = read(b"Package: a\nVersion: 1\n\n" + b"\n" * (32 << 20))
    assert [package.name for package in inventory.packages] == ["a"]
    assert inventory.problem is not None
    assert "larger than" in inventory.problem


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(content: bytes) -> None:
    read(content)


# --- what it is matched by -------------------------------------------------------------------------------------------


def package(version: str = "1:2.38.1-5", source: Source | None = None) -> Package:
    source = source or Source(name="util-linux", version="2.38.1-5")
    return Package(type="deb", name="bsdutils", version=version, arch="amd64", source=source, path=PATH, context="c")


def test_the_feature_is_the_source_at_the_source_version() -> None:
    (feature,) = ECOSYSTEM.features(package(), "debian:12")
    assert str(feature.package) == "deb#debian:12#source#util-linux"
    assert feature.package.kind is Kind.SOURCE
    assert (feature.version, feature.arch, feature.context) == ("2.38.1-5", "", "c")
    assert feature.key == ECOSYSTEM.key("2.38.1-5")


def test_a_package_that_names_no_source_is_matched_as_its_own() -> None:
    alone = Package(type="deb", name="a", version="1", path=PATH)
    (feature,) = ECOSYSTEM.features(alone, "debian:12")
    assert (feature.package.name, feature.version) == ("a", "1")


def test_an_unreadable_version_keeps_its_feature() -> None:
    (feature,) = ECOSYSTEM.features(package(source=Source(name="a", version="1 2")), "debian:12")
    assert feature.key == UNREADABLE


def test_without_a_namespace_there_is_no_feature() -> None:
    assert ECOSYSTEM.features(package(), "") == ()


def test_only_a_namespace_of_dpkg_is_taken() -> None:
    alpine = Distribution(id="alpine", version="3.20.3", name="", namespace="alpine:3.20")
    assert ECOSYSTEM.namespace(BOOKWORM) == "debian:12"
    assert ECOSYSTEM.namespace(alpine) == ""
    assert ECOSYSTEM.namespace(None) == ""


@pytest.mark.parametrize(
    ("source", "upstream"),
    [
        (Source(name="bsdutils", version="1:2.38.1-5"), None),
        (Source(name="util-linux", version="1:2.38.1-5"), "util-linux"),
        (Source(name="util-linux", version="2.38.1-5"), "util-linux@2.38.1-5"),
    ],
)
def test_the_purl_names_distribution_and_source(source: Source, upstream: str | None) -> None:
    purl = PackageURL.from_string(ECOSYSTEM.purl(package(source=source), BOOKWORM))
    assert (purl.type, purl.namespace, purl.name, purl.version) == ("deb", "debian", "bsdutils", "1:2.38.1-5")
    assert isinstance(purl.qualifiers, dict)
    assert purl.qualifiers.get("arch") == "amd64"
    assert purl.qualifiers.get("distro") == "debian-12"
    assert purl.qualifiers.get("upstream") == upstream


# --- the order -------------------------------------------------------------------------------------------------------

parts = st.text(alphabet="0019azAZ.+~", max_size=8)
numbers = st.one_of(st.integers(0, 300).map(str), st.sampled_from(["00", "007", "4294967296", "9" * 60]))
upstreams = st.builds(lambda first, rest: first + rest, numbers, parts)
versions = st.builds(
    lambda epoch, upstream, revision: epoch + upstream + revision,
    st.sampled_from(["", "", "0:", "1:", "10:"]),
    st.one_of(upstreams, st.builds(lambda first, rest: f"{first}-{rest}", upstreams, upstreams)),
    st.one_of(st.just(""), st.just("-0"), parts.map(lambda part: f"-{part}" if part else "")),
)


@given(versions, versions)
def test_keys_order_as_python_debian_compares(first: str, second: str) -> None:
    keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
    assert (keys[0] < keys[1]) == (NativeVersion(first) < NativeVersion(second))
    assert (keys[0] == keys[1]) == (NativeVersion(first) == NativeVersion(second))


def dpkg_says(first: str, relation: str, second: str) -> int:
    """Return 0 for yes, 1 for no, 2 where dpkg refuses a version; letters and the like it only warns of."""
    command = ["dpkg", "--compare-versions", "--", first, relation, second]
    return subprocess.run(command, check=False, capture_output=True).returncode


@needs_dpkg
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(versions, versions)
def test_keys_order_as_dpkg_compares(first: str, second: str) -> None:
    keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
    relation = "lt" if keys[0] < keys[1] else "gt" if keys[0] > keys[1] else "eq"
    assert dpkg_says(first, relation, second) == 0


WRITTEN = {
    "1": True,
    " 1\t": True,
    "a": True,
    "~": True,
    "1%2": True,
    "1_2": True,
    "1:2:3": True,
    "+1:1": True,
    "2147483647:1": True,
    "1:~-1": True,
    "1-2-3": True,
    "1:": False,
    ":1": False,
    "x:1": False,
    "0x1:1": False,
    "2147483648:1": False,
    "1-": False,
    "1:-1": False,
    "-1": False,
    "-": False,
    "1 2": False,
    "1\t2": False,
    " ": False,
}


@pytest.mark.parametrize(("version", "readable"), WRITTEN.items())
def test_only_what_dpkg_refuses_has_no_key(version: str, readable: bool) -> None:  # noqa: FBT001
    if readable:
        assert ECOSYSTEM.key(version)
    else:
        with pytest.raises(BadVersion, match="is no Debian version"):
            ECOSYSTEM.key(version)


@needs_dpkg
@pytest.mark.parametrize(("version", "readable"), WRITTEN.items())
def test_dpkg_refuses_the_same(version: str, readable: bool) -> None:  # noqa: FBT001
    assert (dpkg_says(version, "eq", version) == 0) is readable


@pytest.mark.parametrize("version", ["", "1" * 1025, "1é", "1\u0660"])
def test_what_dpkg_takes_in_its_own_way_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion):
        ECOSYSTEM.key(version)


def test_a_number_may_have_any_length() -> None:
    lengths = (1, 2, 3, 20, 147, 148, 149, 500, 1024)
    keys = [ECOSYSTEM.key("9" * length) for length in lengths]
    assert keys == sorted(set(keys))


@given(versions, versions)
def test_no_key_is_the_beginning_of_another(first: str, second: str) -> None:
    keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
    assert keys[0] == keys[1] or not keys[0].startswith(keys[1])


@given(versions)
def test_every_key_lies_after_the_unreadable_one_and_before_the_upper_end(version: str) -> None:
    assert UNREADABLE < ECOSYSTEM.key(version) < b"\xff"
