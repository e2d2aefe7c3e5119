"""rpm: what is installed, and the order of its versions."""

import ctypes
import ctypes.util
import io
import json
import random
import shutil
import string
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from eclair.ecosystems import Hinted, load
from eclair.ecosystems.rpm import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import UNREADABLE, Distribution, Inventory, Kind, Package, Source
from tests.rpm_databases import ndb
from tests.rpm_databases import package as package_header

SAMPLES = Path(__file__).parent.parent / "samples" / "rpm"
PATH = "var/lib/rpm/Packages"
BACKENDS = ("Packages-big-endian", "Packages-little-endian", "Packages.db", "rpmdb.sqlite")

CENTOS = Distribution(id="centos", version="8", name="CentOS Linux 8 (Core)", namespace="rhel:8")

needs_rpm = pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed here")


def sample(name: str) -> bytes:
    return zstandard.decompress((SAMPLES / f"{name}.zst").read_bytes())


def read(content: bytes, path: str = PATH) -> Inventory:
    inventory = ECOSYSTEM.read(path, io.BytesIO(content))
    assert inventory is not None
    return inventory


# --- what is installed -----------------------------------------------------------------------------------------------

PERL = Source(name="perl", version="4:5.26.3-416.el8")
INSTALLED = {
    ("basesystem", "11-5.el8", "noarch", Source(name="basesystem", version="11-5.el8"), ""),
    (
        "centos-release",
        "8.2-2.2004.0.1.el8",
        "x86_64",
        Source(name="centos-release", version="8.2-2.2004.0.1.el8"),
        "",
    ),
    (
        "conmon",
        "2:2.0.6-1.module_el8.2.0+305+5e198a41",
        "x86_64",
        Source(name="conmon", version="2:2.0.6-1.module_el8.2.0+305+5e198a41"),
        "module:container-tools:rhel8",
    ),
    (
        "nodejs-full-i18n",
        "1:10.21.0-3.module_el8.2.0+391+8da3adc6",
        "x86_64",
        Source(name="nodejs", version="1:10.21.0-3.module_el8.2.0+391+8da3adc6"),
        "module:nodejs:10",
    ),
    ("perl-Errno", "1.28-416.el8", "x86_64", PERL, ""),
    ("perl-macros", "4:5.26.3-416.el8", "x86_64", PERL, ""),
    (
        "python36",
        "3.6.8-2.module_el8.1.0+245+c39af44f",
        "x86_64",
        Source(name="python36", version="3.6.8-2.module_el8.1.0+245+c39af44f"),
        "module:python36:3.6",
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_holds_the_same_packages(backend: str) -> None:
    inventory = read(sample(backend))
    rows = {(some.name, some.version, some.arch, some.source, some.context) for some in inventory.packages}
    assert rows == INSTALLED
    assert len(inventory.packages) == len(INSTALLED)
    assert inventory.problem is None
    assert (inventory.path, inventory.analyser) == (PATH, "rpm")
    assert not any(package.third_party for package in inventory.packages)
    assert ("usr/bin/conmon", "conmon") in inventory.owned
    assert len(inventory.owned) == 47


QUERY = "%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{MODULARITYLABEL}\n"


def rpm_says(folder: Path, backend: str, form: str) -> list[list[str]]:
    """Return the rows that rpm answers about a database, without those of public keys."""
    command = ["rpm", "-qa", "--dbpath", str(folder), "--define", f"_db_backend {backend}", "--qf", form]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [row for row in (line.split("\t") for line in done.stdout.splitlines()) if row[0] != "gpg-pubkey"]


def agrees_with_rpm(content: bytes, name: str, backend: str, folder: Path) -> bool:
    """Say whether rpm lists the same packages and files."""
    folder.mkdir()
    (folder / name).write_bytes(content)
    inventory = read(content)
    said = [[some, version.removeprefix("0:"), arch] for some, version, arch, *_ in rpm_says(folder, backend, QUERY)]
    files = [(path.lstrip("/"), some) for some, path in rpm_says(folder, backend, "[%{=NAME}\t%{FILENAMES}\n]")]
    mine = [[package.name, package.version, package.arch] for package in inventory.packages]
    return bool(said) and sorted(mine) == sorted(said) and sorted(inventory.owned) == sorted(files)


@needs_rpm
@pytest.mark.parametrize(
    ("sample_name", "name", "backend"),
    [
        ("Packages-little-endian", "Packages", "bdb_ro"),
        ("Packages-big-endian", "Packages", "bdb_ro"),
        ("rpmdb.sqlite", "rpmdb.sqlite", "sqlite"),
    ],
)
def test_rpm_reads_the_same_in_the_samples(sample_name: str, name: str, backend: str, tmp_path: Path) -> None:
    assert agrees_with_rpm(sample(sample_name), name, backend, tmp_path / "db")


SPEC = """
Name: perl
Epoch: 4
Version: 5.32
Release: 2.el9
Summary: A package
License: MIT
Vendor: Rocky Enterprise Software Foundation
ModularityLabel: perl:5.32:20230101:abc
BuildArch: noarch

%description
A package.

%package Errno
Epoch: 0
Version: 1.30
Summary: Another package

%description Errno
Of another version, without an epoch.

%package -n perl-nested
Epoch: 7
Version: 5.32
Summary: A third

%description -n perl-nested
Of the same version and a higher epoch.

%install
mkdir -p %{buildroot}/usr/share/perl
cd %{buildroot}/usr/share/perl
touch a b "zwölf x"

%files
/usr/share/perl/a
/usr/share/perl/zw*

%files Errno
%dir /usr/share/perl
/usr/share/perl/b

%files -n perl-nested
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database after rpm built three packages from one source and installed them."""
    if shutil.which("rpmbuild") is None:
        pytest.skip("rpmbuild is not installed here")
    top = tmp_path_factory.mktemp("rpmbuild")
    (top / "perl.spec").write_text(SPEC)
    build = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", str(top / "perl.spec")]
    subprocess.run(build, check=True, capture_output=True)
    packages = [str(path) for path in top.rglob("*.rpm")]
    install = ["rpm", "-i", "--justdb", "--nodeps", "--ignorearch", "--dbpath", str(top / "db"), *packages]
    subprocess.run(install, check=True, capture_output=True)
    return top / "db" / "rpmdb.sqlite"


@needs_rpm
def test_what_rpm_built_and_installed_is_what_rpm_lists(built: Path, tmp_path: Path) -> None:
    content = built.read_bytes()
    source = Source(name="perl", version="4:5.32-2.el9")
    packages = sorted(read(content).packages, key=lambda package: package.name)
    assert [(package.name, package.version, package.source) for package in packages] == [
        ("perl", "4:5.32-2.el9", source),
        ("perl-Errno", "1.30-2.el9", source),
        ("perl-nested", "7:5.32-2.el9", source),
    ]
    assert {package.context for package in packages} == {"module:perl:5.32"}
    assert ("usr/share/perl/zwölf x", "perl") in read(content).owned
    assert agrees_with_rpm(content, "rpmdb.sqlite", "sqlite", tmp_path / "db")


IMAGES = {
    "centos8-bdb": ("var/lib/rpm/Packages", "bdb_ro"),
    "mariner2-sqlite": ("var/lib/rpm/rpmdb.sqlite", "sqlite"),
    "sle15-ndb": ("usr/lib/sysimage/rpm/Packages.db", None),
}


def database(archive: Path, path: str) -> bytes:
    """Return a file of the only layer of an archived image."""
    with tarfile.open(archive) as outer:
        for member in outer:
            blob = outer.extractfile(member)
            if blob is None or not member.name.startswith("blobs/"):
                continue
            try:
                with tarfile.open(fileobj=io.BytesIO(blob.read())) as layer:
                    content = layer.extractfile(path)
                    assert content is not None
                    return content.read()
            except tarfile.ReadError:
                continue  # a manifest or a configuration
    raise AssertionError(f"no {path} in {archive}")


@pytest.mark.parametrize("image", IMAGES)
def test_real_images_hold_what_independent_tools_list(shared_data: Path, image: str) -> None:
    """EXPECTED.json writes an epoch that a header states as 0; a version is the same without."""
    path, _ = IMAGES[image]
    inventory = read(database(shared_data / "images" / f"{image}.tar", path), path)
    expected = json.loads((shared_data / "images" / "EXPECTED.json").read_text())[image]["os_packages"]
    rows = [[package.name, package.version, package.arch] for package in inventory.packages]
    assert sorted(rows) == sorted([name, version.removeprefix("0:"), arch] for name, version, arch in expected)
    assert inventory.problem is None


@needs_rpm
@pytest.mark.parametrize("image", [image for image, (_, backend) in IMAGES.items() if backend])
def test_real_images_hold_what_rpm_lists(shared_data: Path, image: str, tmp_path: Path) -> None:
    path, backend = IMAGES[image]
    content = database(shared_data / "images" / f"{image}.tar", path)
    assert agrees_with_rpm(content, path.rpartition("/")[2], str(backend), tmp_path / "db")


# --- lists in the place of a database --------------------------------------------------------------------------------

LIST = "var/lib/rpmmanifest/container-manifest-2"
LINE = "{name}\t{build}\t1653816591\t1653628955\t{vendor}\t(none)\t10\t{arch}\t{epoch}\t{source}\n"


def line(**fields: str) -> str:
    usual = {"name": "a", "build": "1-2.cm2", "vendor": "Microsoft Corporation", "arch": "x86_64"}
    return LINE.format(**(usual | {"epoch": "0", "source": "a-1-2.cm2.src.rpm"} | fields))


def test_a_distroless_image_has_a_list() -> None:
    content = (
        "mariner-release\t2.0-12.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\t580\tnoarch\t0\t"
        "mariner-release-2.0-12.cm2.src.rpm\n"
        "openssl-libs\t1.1.1k-17.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\t4365048\tx86_64\t0\t"
        "openssl-1.1.1k-17.cm2.src.rpm\n"
    )
    inventory = read(content.encode(), LIST)
    assert [(package.name, package.version, package.arch) for package in inventory.packages] == [
        ("mariner-release", "2.0-12.cm2", "noarch"),
        ("openssl-libs", "1.1.1k-17.cm2", "x86_64"),
    ]
    assert inventory.packages[1].source == Source(name="openssl", version="1.1.1k-17.cm2")
    assert inventory.problem is None


def test_of_a_broken_list_the_other_lines_are_kept() -> None:
    content = f"{line()}a\tb\n\n{line(name='gpg-pubkey')}{line(build='1')}{line(name='z', epoch='x')}"
    inventory = read(content.encode() + b"\xff\t" * 10 + b"\n", LIST)
    assert [package.name for package in inventory.packages] == ["a", "z"]
    assert inventory.problem is not None
    assert "3 places: line 2: 2 fields" in inventory.problem


@pytest.mark.parametrize("name", [" ", "/", "a ", "/a"])
def test_a_name_that_no_package_url_can_hold_is_refused(name: str) -> None:
    inventory = read(ndb([package_header(name), package_header("b")]))
    assert [package.name for package in inventory.packages] == ["b"]
    assert inventory.problem is not None
    assert "blank or a slash" in inventory.problem


# --- sources, vendors, modules ---------------------------------------------------------------------------------------


def listed(*lines: str) -> tuple[Package, ...]:
    return read("".join(lines).encode(), LIST).packages


@pytest.mark.parametrize(
    ("lines", "source"),
    [
        pytest.param([line(epoch="3")], "3:1-2.cm2", id="its own"),
        pytest.param([line(build="5-2.cm2"), line(name="b", epoch="4")], "4:1-2.cm2", id="a sibling's"),
        pytest.param([line(build="5-2.cm2"), line(name="b", epoch="4", build="6-2.cm2")], "1-2.cm2", id="nobody's"),
        pytest.param([line(epoch="5"), line(name="b", epoch="4")], "4:1-2.cm2", id="the lowest"),
        pytest.param(
            [line(build="5-2.cm2"), line(name="b", epoch="4", source="b-1-2.src.rpm")], "1-2.cm2", id="no sibling"
        ),
    ],
)
def test_the_epoch_of_the_source_is_that_of_what_was_built_under_its_version(lines: list[str], source: str) -> None:
    assert listed(*lines)[0].source == Source(name="a", version=source)


@pytest.mark.parametrize(
    ("source_rpm", "source"),
    [
        ("a-1-2.src.rpm", Source(name="a", version="1-2")),
        ("a-b-1-2.nosrc.rpm", Source(name="a-b", version="1-2")),
        ("(none)", None),
        ("a-1.src.rpm", None),
        ("", None),
    ],
)
def test_the_source_is_read_from_its_file_name(source_rpm: str, source: Source | None) -> None:
    assert listed(line(source=source_rpm))[0].source == source


@pytest.mark.parametrize(
    ("release_package", "vendor", "third_party"),
    [
        ("centos-release", "CentOS", False),
        ("centos-release", "Docker", True),
        ("centos-release", "Fedora Project", True),
        ("centos-release", "", False),
        ("centos-release", "(none)", False),
        ("fedora-release-common", "Fedora Project", False),
        ("redhat-release", "Red Hat, Inc.", False),
        ("redhat-release", "Microsoft Corporation", True),
        ("mariner-release", "Microsoft Corporation", False),
        ("sles-release", "SUSE LLC <https://www.suse.com/>", False),
        ("sles-release", "openSUSE", True),
        ("openSUSE-release", "SUSE LLC <https://www.suse.com/>", False),
        ("system-release", "Amazon Linux", False),
        ("anything", "Rocky Enterprise Software Foundation", False),
        ("anything", "NGINX Packaging <nginx-packaging@f5.com>", True),
    ],
)
def test_what_others_than_the_distribution_built_is_third_party(
    release_package: str,
    vendor: str,
    third_party: bool,  # noqa: FBT001
) -> None:
    _, package = listed(line(name=release_package, vendor=""), line(vendor=vendor))
    assert package.third_party is third_party
    assert bool(ECOSYSTEM.features(package, "rhel:8")) is not third_party


@pytest.mark.parametrize("build", ["14.1-1PGDG.rhel8", "18.0-1nodesource", "8.1.2-1.el8.remi"])
def test_a_mark_in_the_release_also_tells_who_built_it(build: str) -> None:
    (package,) = listed(line(vendor="", build=build))
    assert package.third_party


# --- where packages came from ----------------------------------------------------------------------------------------


def test_hints_become_words_of_the_context() -> None:
    ecosystem = load()["rpm"]
    assert isinstance(ecosystem, Hinted)
    packages = read(sample("Packages.db")).packages
    facts = [
        ("", "ubi-8-baseos-rpms"),
        ("conmon-2.0.6-1.module_el8.2.0+305+5e198a41.x86_64", "ubi-8-appstream-rpms"),
        ("gone-1-1.noarch", "epel"),
    ]
    contexts = {package.name: package.context for package in ecosystem.hinted(packages, facts)}
    assert contexts["conmon"] == (
        "module:container-tools:rhel8 repository:ubi-8-appstream-rpms repository:ubi-8-baseos-rpms"
    )
    assert contexts["basesystem"] == "repository:ubi-8-baseos-rpms"
    assert ecosystem.hinted(packages, []) == packages


# --- other files -----------------------------------------------------------------------------------------------------


def log(frames: bytes) -> bytes:
    return b"\x37\x7f\x06\x82" + bytes(12) + b"saltsalt" + bytes(8) + frames


def test_a_log_with_changes_is_named() -> None:
    path = "var/lib/rpm/rpmdb.sqlite-wal"
    frame = bytes(8) + b"saltsalt" + bytes(8)
    inventory = read(log(frame), path)
    assert inventory.problem is not None
    assert "changes" in inventory.problem
    for content in (b"", log(b""), log(bytes(24)), b"nonsense" * 10):
        assert ECOSYSTEM.read(path, io.BytesIO(content)) is None


@pytest.mark.parametrize("path", ["etc/from_repo", "root/buildinfo/content_manifests/README"])
def test_other_files_are_not_read(path: str) -> None:
    assert ECOSYSTEM.read(path, io.BytesIO(b"x")) is None


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3", b"RpmP", bytes(4096), b"\x1f\x8b\x08"])
def test_what_is_no_database_is_refused(content: bytes) -> None:
    with pytest.raises(BadDatabase):
        read(content)


# --- what it is matched by -------------------------------------------------------------------------------------------


def package(version: str = "1.28-416.el8", source: Source | None = PERL) -> Package:
    return Package(type="rpm", name="perl-Errno", version=version, arch="x86_64", source=source, path=PATH, context="c")


def test_the_features_are_the_source_and_the_package_itself() -> None:
    source, binary = ECOSYSTEM.features(package(), "rhel:8")
    assert str(source.package) == "rpm#rhel:8#source#perl"
    assert (source.version, source.arch, source.context) == ("4:5.26.3-416.el8", "", "c")
    assert source.key == ECOSYSTEM.key("4:5.26.3-416.el8")
    assert (binary.package.kind, binary.package.name) == (Kind.BINARY, "perl-Errno")
    assert (binary.version, binary.arch, binary.context) == ("1.28-416.el8", "x86_64", "c")
    assert binary.key == ECOSYSTEM.key("1.28-416.el8")


def test_without_a_namespace_there_is_no_feature() -> None:
    assert ECOSYSTEM.features(package(), "") == ()


@pytest.mark.parametrize(
    ("namespace", "taken"), [("rhel:8", True), ("fedora:41", True), ("opensuse-tumbleweed", True), ("debian:12", False)]
)
def test_only_a_namespace_of_rpm_is_taken(namespace: str, taken: bool) -> None:  # noqa: FBT001
    distribution = Distribution(id="x", version="1", name="", namespace=namespace)
    assert ECOSYSTEM.namespace(distribution) == (namespace if taken else "")
    assert ECOSYSTEM.namespace(None) == ""


def test_the_purl_has_the_epoch_as_a_qualifier_and_the_source_as_a_file() -> None:
    purl = PackageURL.from_string(ECOSYSTEM.purl(package("8:1.02-3.el8"), CENTOS))
    assert (purl.type, purl.namespace, purl.name, purl.version) == ("rpm", "centos", "perl-Errno", "1.02-3.el8")
    assert purl.qualifiers == {
        "arch": "x86_64",
        "distro": "centos-8",
        "epoch": "8",
        "upstream": "perl-5.26.3-416.el8.src.rpm",
    }


def test_the_purl_names_the_vendor_and_only_what_is_known() -> None:
    rhel = Distribution(id="rhel", version="9.4", name="", namespace="rhel:9")
    purl = PackageURL.from_string(ECOSYSTEM.purl(package("1-2", None), rhel))
    assert (purl.namespace, purl.version) == ("redhat", "1-2")
    assert purl.qualifiers == {"arch": "x86_64", "distro": "rhel-9.4"}
    assert ECOSYSTEM.purl(package("1-2", None), None) == "pkg:rpm/perl-Errno@1-2?arch=x86_64"


# --- the order -------------------------------------------------------------------------------------------------------


def test_every_row_of_the_table_is_agreed_with(shared_data: Path) -> None:
    table = (shared_data / "versions" / "redhat-versions.txt").read_text().splitlines()
    rows = [row.split() for row in table if row and not row.startswith("#")]
    assert len(rows) > 80
    for first, order, second in rows:
        keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
        assert order == ("<" if keys[0] < keys[1] else ">" if keys[0] > keys[1] else "="), (first, second)


ASCENDING = [
    "1.0~~-1",
    "1.0~rc1-1",
    "1.0~rc1^git-1",
    "1.0",
    "1.0-0",
    "1.0-1.el8",
    "1.0-1.el9",
    "1.0-1.1",
    "1.0-2",
    "1.0^20240101-1",
    "1.0a-1",
    "1.0.a-2",
    "1.0.1-1",
    "1.0.1.a-1",
    "1.0.9-1",
    "1.0.10-1",
    "1:0-1",
    "2:0-1",
    "10:0-1",
]


def test_the_order_of_real_world_versions() -> None:
    keys = [ECOSYSTEM.key(version) for version in ASCENDING]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    ("first", "second"), [("1.0-1", "1_0-01"), ("0:1-1", "1-1"), (":1-1", "1-1"), ("1.-1", "1-1."), ("é-1", "+-1")]
)
def test_what_only_divides_does_not_count(first: str, second: str) -> None:
    assert ECOSYSTEM.key(first) == ECOSYSTEM.key(second)


@pytest.mark.parametrize("version", ["", " ", "1 2-1", "1-1\n", "1" * 1025])
def test_what_is_no_version_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion, match="is no rpm version"):
        ECOSYSTEM.key(version)


TOKENS = ["0", "1", "2", "9", "10", "00", "01", "a", "b", "z", "A", "Z", "~", "^", ".", "_", "el8", "4294967296", "é"]
parts = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=5).map("".join)
versions = st.builds(
    lambda epoch, version, release: epoch + version + release,
    st.sampled_from(["", "", "0:", "1:", "01:", "10:", ":"]),
    parts,
    st.one_of(st.just(""), parts.map(lambda part: f"-{part}")),
)


DIVIDERS = "".join({*"._+é", *string.punctuation} - {*"~^"})


def rpmvercmp(one: str, two: str) -> int:  # noqa: C901 (a transcription)
    """Compare as rpm's manual says: segment by segment, `~` sorts before the end and `^` after it."""
    while one or two:
        one, two = one.lstrip(DIVIDERS), two.lstrip(DIVIDERS)
        if one.startswith("~") or two.startswith("~"):
            if not one.startswith("~"):
                return 1
            if not two.startswith("~"):
                return -1
            one, two = one[1:], two[1:]
            continue
        if one.startswith("^") or two.startswith("^"):
            if not one or not two:
                return -1 if not one else 1
            if not one.startswith("^"):
                return 1
            if not two.startswith("^"):
                return -1
            one, two = one[1:], two[1:]
            continue
        if not one or not two:
            break
        kind = string.digits if one[0] in string.digits else string.ascii_letters
        first, second = one[: len(one) - len(one.lstrip(kind))], two[: len(two) - len(two.lstrip(kind))]
        if not second:
            return 1 if kind is string.digits else -1
        one, two = one.lstrip(kind), two.lstrip(kind)
        if kind is string.digits:
            first, second = first.lstrip("0"), second.lstrip("0")
            if len(first) != len(second):
                return 1 if len(first) > len(second) else -1
        if first != second:
            return 1 if first > second else -1
    return bool(one) - bool(two)


@given(parts, parts)
def test_keys_order_as_the_documented_algorithm_does(first: str, second: str) -> None:
    keys = ECOSYSTEM.key(f"{first}-1"), ECOSYSTEM.key(f"{second}-1")
    assert (keys[0] > keys[1]) - (keys[0] < keys[1]) == rpmvercmp(first, second)


def librpm() -> Callable[[str, str], int] | None:
    """Return rpm's own comparison of `EPOCH:VERSION-RELEASE`, where its library is installed (4.16 or later)."""
    for name in filter(None, map(ctypes.util.find_library, ("rpmio", "rpm"))):
        library = ctypes.CDLL(name)
        if not hasattr(library, "rpmverParse"):
            continue
        library.rpmverParse.restype = ctypes.c_void_p
        library.rpmverCmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.rpmverFree.argtypes = [ctypes.c_void_p]

        def compare(first: str, second: str, library: ctypes.CDLL = library) -> int:
            parsed = [library.rpmverParse(version.encode()) for version in (first, second)]
            order = library.rpmverCmp(*parsed)
            for version in parsed:
                library.rpmverFree(version)
            return int(order)

        return compare
    return None


def test_keys_order_as_rpm_itself_compares() -> None:
    compare = librpm()
    if compare is None:
        pytest.skip("the library of rpm is not installed here")
    chance = random.Random(20240229)
    for _ in range(20_000):
        first, second = (
            chance.choice(["", "", "0:", "2:", "02:"])
            + "".join(chance.choices(TOKENS, k=chance.randint(1, 4)))
            + chance.choice(["", "-1", "-" + "".join(chance.choices(TOKENS, k=2))])
            for _ in range(2)
        )
        keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
        assert (keys[0] > keys[1]) - (keys[0] < keys[1]) == compare(first, second), (first, second)


@given(versions, versions)
def test_no_key_is_the_beginning_of_another(first: str, second: str) -> None:
    keys = ECOSYSTEM.key(first), ECOSYSTEM.key(second)
    assert keys[0] == keys[1] or not keys[0].startswith(keys[1])


@given(versions)
def test_every_key_lies_after_the_unreadable_one_and_before_the_upper_end(version: str) -> None:
    assert UNREADABLE < ECOSYSTEM.key(version) < b"\xff"
