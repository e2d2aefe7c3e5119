"""What holds for the ecosystems of all programming languages: namespaces, features, version keys, tables, an image."""

import contextlib
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair import ecosystems
from eclair.cli import run
from eclair.errors import BadVersion
from eclair.model import UNREADABLE, Distribution, Package
from tests.version_pairs import MAKERS, disagreements, rows
from tests.work import guarded, steps

ECOSYSTEMS = ecosystems.load()
DEBIAN = Distribution(id="debian", version="12", name="Debian", namespace="debian:12")

schemes = pytest.mark.parametrize("scheme", sorted(MAKERS))


def made(scheme: str, seed: int) -> str:
    return MAKERS[scheme](Random(seed))


def key_or_none(scheme: str, version: str) -> bytes | None:
    try:
        return ECOSYSTEMS[scheme].key(version)
    except BadVersion:
        return None


@schemes
@given(st.integers(), st.integers())
def test_no_key_is_the_beginning_of_another(scheme: str, one: int, other: int) -> None:
    first, second = key_or_none(scheme, made(scheme, one)), key_or_none(scheme, made(scheme, other))
    if first is not None and second is not None:
        assert first == second or not first.startswith(second)


@schemes
@given(st.integers())
def test_every_key_lies_after_the_unreadable_one_and_before_the_upper_end(scheme: str, seed: int) -> None:
    key = key_or_none(scheme, made(scheme, seed))
    assert key is None or UNREADABLE < key < b"\xff"


@schemes
def test_most_of_what_is_compared_has_a_key(scheme: str) -> None:
    keyed = [seed for seed in range(1000) if key_or_none(scheme, made(scheme, seed)) is not None]
    assert len(keyed) > 900


@schemes
@given(st.one_of(st.text(max_size=20), st.text(alphabet="019.-+~!v: abdevxr*_\u0661", max_size=12)))
def test_any_string_has_a_key_or_is_refused(scheme: str, version: str) -> None:
    with contextlib.suppress(BadVersion):
        assert ECOSYSTEMS[scheme].key(version)


@schemes
@pytest.mark.parametrize(
    "part", ["1", "1.", ".", "-", "1-", "a", "a1", "1.0-", "+", "!", " ", "dev", "x.", "0", "v", "é", "-beta"]
)
def test_a_string_of_a_megabyte_is_refused_at_once(scheme: str, part: str) -> None:
    with guarded(), pytest.raises(BadVersion) as refusal:
        ECOSYSTEMS[scheme].key(f"1.0{part * (1_000_000 // len(part))}")
    assert len(str(refusal.value)) < 300
    assert steps(lambda: key_or_none(scheme, f"1.0{part * (1_000_000 // len(part))}")) < 100


@schemes
@pytest.mark.parametrize(
    "part", ["1", "1.", ".", "-", "1-", "a", "a1", "1.0-", "+", "!", " ", "dev", "x.", "0", "v", "-beta"]
)
def test_the_longest_string_that_is_read_costs_little(scheme: str, part: str) -> None:
    with guarded():
        key = key_or_none(scheme, f"1.0{part * (1021 // len(part))}")
    assert key is None or len(key) < 8192


@pytest.mark.parametrize("scheme", [*sorted(MAKERS), "conda"])
def test_the_namespace_is_the_same_in_every_distribution(scheme: str) -> None:
    ecosystem = ECOSYSTEMS[scheme]
    assert ecosystem.namespace(None) == ecosystem.namespace(DEBIAN) == scheme == ecosystem.scheme


@pytest.mark.parametrize(
    ("scheme", "name", "feature", "purl"),
    [
        ("composer", "Symfony/Http-Kernel", "symfony/http-kernel", "pkg:composer/symfony/http-kernel@1.0.0"),
        ("gem", "RedCloth", "RedCloth", "pkg:gem/RedCloth@1.0.0"),
        ("hex", "phoenix", "phoenix", "pkg:hex/phoenix@1.0.0"),
        ("npm", "@babel/core", "@babel/core", "pkg:npm/%40babel/core@1.0.0"),
        ("npm", "lodash", "lodash", "pkg:npm/lodash@1.0.0"),
        ("nuget", "Newtonsoft.Json", "newtonsoft.json", "pkg:nuget/Newtonsoft.Json@1.0.0"),
        ("pypi", "zope-interface", "zope-interface", "pkg:pypi/zope-interface@1.0.0"),
    ],
)
def test_a_package_is_matched_under_its_name_in_advisories(scheme: str, name: str, feature: str, purl: str) -> None:
    ecosystem = ECOSYSTEMS[scheme]
    package = Package(type=scheme, name=name, version="1.0.0", path="p")
    (found,) = ecosystem.features(package, scheme)
    assert str(found.package) == f"{scheme}#{scheme}#binary#{feature}"
    assert found.key == ecosystem.key("1.0.0")
    assert ecosystem.purl(package, DEBIAN) == purl


def test_no_advisory_is_about_packages_of_conda() -> None:
    conda = ECOSYSTEMS["conda"]
    package = Package(type="conda", name="openssl", version="1.1.1", arch="linux-64", path="p")
    assert conda.features(package, "conda") == ()
    assert conda.purl(package, None) == "pkg:conda/openssl@1.1.1?subdir=linux-64"
    with pytest.raises(BadVersion):
        conda.key("1.1.1")


ORDERED_BY_PHP = {
    "1.0.0 = 1.0, not >",
    "5.1.0-stable > 5.1.0-beta2, not <",
    "v1.9.0-ALPHA.1 < v1.9.0-BETA.1, not =",
    "v1.9.0-ALPHA.2 < v1.9.0-BETA.2, not =",
    "v6.5 > v6.5.0-beta-0, not <",
    "v6.6 > v6.6.0-beta, not <",
}
"""Where the tables have the order of PHP's `version_compare` alone: Composer normalises versions before."""


@pytest.mark.parametrize(
    ("scheme", "table", "rows_of_table", "invalid_rows"),
    [
        ("composer", "packagist-versions-generated.txt", 5315, 10),
        ("composer", "packagist-versions.txt", 45, 4),
        ("gem", "rubygems-versions-generated.txt", 2049, 0),
        ("gem", "rubygems-versions.txt", 13, 0),
        ("hex", "semver-versions.txt", 41, 0),
        ("npm", "semver-versions.txt", 41, 0),
        ("nuget", "nuget-versions.txt", 19, 0),
        ("pypi", "pypi-versions-generated.txt", 6188, 33),
        ("pypi", "pypi-versions.txt", 18, 5),
    ],
)
def test_every_row_of_the_tables_that_is_valid_is_agreed_with(
    shared_data: Path, scheme: str, table: str, rows_of_table: int, invalid_rows: int
) -> None:
    expected = list(rows(shared_data / "versions" / table))
    assert len(expected) == rows_of_table
    compared = [(one, other) for one, _, other in expected]
    found = disagreements(ECOSYSTEMS[scheme].key, compared, [order for _, order, _ in expected])
    invalid = {line for line in found if " ! " in line}
    assert len(invalid) == invalid_rows
    assert set(found) - invalid <= ORDERED_BY_PHP


TYPES = {"python": "pypi", "npm": "npm", "gem": "gem"}
"""What the expected list calls the types that are read here."""


def test_the_packages_of_an_image_are_those_that_syft_finds(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = shared_data / "images"
    listed = json.loads((images / "EXPECTED.json").read_text())["debian-app"]["language_packages"]
    expected = {(TYPES[type_], name, version, path[1:]) for type_, name, version, path in listed if type_ in TYPES}
    assert len(expected) == 62
    assert run(("packages", f"oci-archive:{images}/debian-app.tar", "--format", "json")) == 0
    packages = json.loads(capsys.readouterr().out)["packages"]
    found = [tuple(package[part] for part in ("type", "name", "version", "path")) for package in packages]
    assert sorted(some for some in found if some[0] in TYPES.values()) == sorted(expected)


HOSTILE = {
    "app/node_modules/bomb/package.json": b'{"a":' * 100_000,
    "opt/conda/conda-meta/bomb.json": b"[" * 400_000,
    "srv/vendor/composer/installed.json": b'[{"name": "a/b", "version": "1"}, {"name": 1}]',
    "srv/x.deps.json": b'{"libraries": []}',
    "usr/lib/gems/specifications/bomb.gemspec": b"s" * 2_000_000,
    "usr/lib/python3/dist-packages/bomb.egg": b"PK\x03\x04" + b"\xff" * 1000,
    "usr/lib/python3/dist-packages/bomb-1.dist-info/METADATA": b"Name: " + b"a" * 1_000_000,
}
SOUND = {
    "app/node_modules/sound/package.json": b'{"name": "sound", "version": "1.0.0"}',
    "usr/lib/gems/specifications/sound.gemspec": b's.name = "sound"\ns.version = "1"\n',
    "usr/lib/python3/dist-packages/sound-1.dist-info/METADATA": b"Name: sound\nVersion: 1\n",
}


def test_damage_in_one_file_is_named_and_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, content in (HOSTILE | SOUND).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert run(("packages", f"dir:{tmp_path}", "--format", "json")) == 0
    report = json.loads(capsys.readouterr().out)
    assert {package["path"] for package in report["packages"]} == {*SOUND, "srv/vendor/composer/installed.json"}
    (damaged,) = [entry["detail"] for entry in report["coverage"] if entry["state"] == "damaged"]
    named = [path for path in HOSTILE if path in damaged]
    assert named == list(HOSTILE) or f"{len(HOSTILE) - len(named)} more" in damaged
