"""OSV's archives of programming languages: recorded records become the expected statements, and verdicts on versions of
the whole archives are those of the specification's algorithm."""

import io
import json
import random
from collections import defaultdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from eclair import ecosystems
from eclair.advisories import bundle
from eclair.errors import BadFeed, BadVersion
from eclair.feeds.osv import FEED, LANGUAGES
from eclair.model import UNREADABLE, AdvisoryStatements, Feature, Mark, Said, Severity, Statement
from eclair.verdict import verdicts
from tests.feeds.said import outline, statements
from tests.osv_oracle import bounds, is_vulnerable
from tests.packed import BAD_ARCHIVES, Record, entry, record, until, zipped

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "osv"
PARTS = {part.name: part for part in FEED.parts}


def parse(content: bytes, part: str) -> list[Said]:
    return list(FEED.parse(PARTS[part], [io.BytesIO(content)], "r1"))


def said(part: str, *records: Record) -> list[str]:
    return [line.removeprefix(f"{part} binary ") for line in outline(parse(zipped(records), part))]


def recorded(part: str, archive: str) -> list[str]:
    return [line.removeprefix(f"{part} binary ") for line in outline(parse((SAMPLES / archive).read_bytes(), part))]


# --- recorded documents ----------------------------------------------------------------------------------------------


def test_the_recorded_records_of_npm() -> None:
    assert recorded("npm", "npm-all.zip") == [
        "@hyperion-util/cookies MAL-2023-1 : affected >=77.77.79<=77.77.79 critical",
        "jsrsasign GHSA-xxxq-chmp-67g4 CVE-2020-14967 : fixed <8.0.18 critical",
    ]


def test_the_recorded_records_of_pypi() -> None:
    plone = "GHSA-2c8c-84w2-j38j CVE-2020-28736 (PYSEC-2020-248)"
    assert recorded("pypi", "pip-all.zip") == [
        "adyen PYSEC-2023-1 : fixed >=2.2.0<7.1.0 unknown",
        "kangpy MAL-2023-8 : affected >=1.0<=1.0 critical",
        "pillow OSV-2022-1074 : affected >=9.1.0<=9.1.0,>=9.1.1<=9.1.1,>=9.2.0<=9.2.0 unknown",
        f"plone {plone} : fixed <5.2.3 high",
        f"plone-app-dexterity {plone} : fixed <2.6.8 high",
        f"plone-app-event {plone} : fixed <3.2.10 high",
        f"plone-app-theming {plone} : fixed <4.1.6 high",
        f"plone-supermodel {plone} : fixed <1.6.3 high",
    ]


def test_the_recorded_records_of_cargo_with_what_rustsec_thinks_is_no_vulnerability() -> None:
    assert recorded("cargo", "cargo-all.zip") == [
        "comrak GHSA-xxmq-4vph-956w : fixed <0.17.0 medium",
        "littest MAL-2023-8429 : affected >=0.3.1<=0.3.1 critical",
        "openssl RUSTSEC-2023-0072 : fixed >=0.0.0-0<0.10.60 unknown",
    ]
    unsound = [said for said in statements(parse((SAMPLES / "cargo-all.zip").read_bytes(), "cargo")) if said.raw_state]
    assert [(said.id, said.raw_state) for said in unsound] == [("RUSTSEC-2023-0072", "unsound")]


@pytest.mark.parametrize(
    ("informational", "severity"),
    [("unmaintained", "negligible"), ("notice", "negligible"), ("unsound", "unknown")],
)
def test_what_rustsec_says_is_no_vulnerability_is_not_shown_as_one(informational: str, severity: str) -> None:
    notice = {
        "package": {"ecosystem": "crates.io", "name": "yaml"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0.0.0-0"}]}],
        "database_specific": {"informational": informational},
    }
    [said] = statements(parse(zipped([{"id": "RUSTSEC-2024-0320", "affected": [notice]}]), "cargo"))
    assert (said.severity, said.raw_state) == (severity, informational)


def test_the_recorded_records_of_rubygems_and_go() -> None:
    assert recorded("gem", "rubygems-all.zip") == [
        "ffi GHSA-2gw2-8q9w-cw8p CVE-2018-1000201 : fixed <1.9.24 high",
        "microsoft_kiota_http MAL-2023-11 : affected >=6.0.1<=6.0.1 critical",
    ]
    records = [json.loads(path.read_text()) for path in SAMPLES.glob("GO-*.json")]
    assert said("golang", *records) == [
        "golang.org/x/image GO-2023-1989 CVE-2023-29408 (GHSA-x92r-3vfx-4cv3) : fixed <0.10.0 unknown",
        "google.golang.org/protobuf GO-2024-2611 CVE-2024-24786 (GHSA-8r3f-844c-mc37) : fixed <1.33.0 unknown",
    ]


def test_the_recorded_records_of_packagist_and_nuget() -> None:
    records = [json.loads(path.read_text()) for path in SAMPLES.glob("GHSA-*.json")]
    assert said("composer", *records) == [
        "pagekit/pagekit GHSA-mrwr-2945-fr22 CVE-2021-32245 : affected <=1.0.18 medium",
        "pimcore/pimcore GHSA-h7f9-cvh5-qw7f CVE-2021-23340 : fixed <6.8.8 high",
        "typo3/cms GHSA-43gj-mj2w-wh46 CVE-2020-11064 : fixed >=10.0.0<10.4.2,>=9.0.0<9.5.17 medium",
        "typo3/cms-core GHSA-43gj-mj2w-wh46 CVE-2020-11064 : fixed >=10.0.0<10.4.2,>=9.0.0<9.5.17 medium",
    ]
    assert said("nuget", *records) == [
        "microsoft.chakracore GHSA-8gvg-8vhf-h26g CVE-2019-0937 : fixed <1.11.9 high",
        "microsoft.chakracore GHSA-8h76-7vc3-mj3v CVE-2017-11792 : fixed <1.7.3 high",
        "singoocms.utility GHSA-29rv-fqx2-4c9f CVE-2022-0749 : affected <=1.6.2 critical",
    ]


def test_the_recorded_record_of_maven_is_found_by_half_of_its_name_too() -> None:
    about = "GHSA-2c3p-9j5f-33g3 CVE-2017-7685 : fixed >=1.0.0<3.3.0 medium"
    assert recorded("maven", "maven-all.zip") == [
        f"?:openmeetings-parent {about}",
        f"org.apache.openmeetings:openmeetings-parent {about}",
    ]


# --- names, identity, severity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "ecosystem", "name", "expected"),
    [
        ("pypi", "PyPI", "Foo.Bar__baz", "foo-bar-baz"),
        ("npm", "npm", "@Scope/Foo_bar", "@Scope/Foo_bar"),
        ("composer", "Packagist", "Vendor/Name", "vendor/name"),
        ("composer", "Packagist:https://packages.drupal.org/8", "drupal/foo", "drupal/foo"),
        ("nuget", "NuGet", "Newtonsoft.Json", "newtonsoft.json"),
        ("golang", "Go", "github.com/Azure/go", "github.com/Azure/go"),
        ("gem", "RubyGems", "active_model", "active_model"),
        ("cargo", "crates.io", "Inflector", "Inflector"),
        ("hex", "Hex", "phoenix_html", "phoenix_html"),
    ],
)
def test_names_are_written_as_packages_are(part: str, ecosystem: str, name: str, expected: str) -> None:
    [line] = said(part, record("A-1", entry(ecosystem, name, *until("1"))))
    assert line.split()[0] == expected


def test_an_archive_speaks_for_its_own_ecosystem() -> None:
    both = record("GHSA-1", entry("npm", "foo", *until("1.0.0")), entry("PyPI", "foo", *until("2")))
    assert said("npm", both) == ["foo GHSA-1 : fixed <1.0.0 unknown"]
    assert said("pypi", both) == ["foo GHSA-1 : fixed <2 unknown"]


def test_what_is_related_is_something_else() -> None:
    related = record(
        "GHSA-1", entry("npm", "foo", *until("1.0.0")), aliases=["CVE-2024-1001"], related=["CVE-2020-1001"]
    )
    assert said("npm", related) == ["foo GHSA-1 CVE-2024-1001 : fixed <1.0.0 unknown"]


def test_half_of_a_name_is_enough_where_one_group_has_it() -> None:
    records = [
        record("GHSA-1", entry("Maven", "org.one:shared", *until("1"))),
        record("GHSA-2", entry("Maven", "org.two:shared", *until("1")), entry("Maven", "org.two:own", *until("1"))),
        record("GHSA-3", entry("Maven", "org.two:own", *until("2"))),
    ]
    found = said("maven", *records)
    assert [line for line in found if line.startswith("?")] == [
        "?:own GHSA-2 : fixed <1 unknown",
        "?:own GHSA-3 : fixed <2 unknown",
    ]
    marks = {said.package.name: said.marks for said in statements(parse(zipped(records), "maven"))}
    assert {name for name, some in marks.items() if some == (Mark.LOW_CONFIDENCE,)} == {"?:own"}
    # A withdrawn record tells no group.
    withdrawn = [
        *records[1:],
        record("GHSA-1", entry("Maven", "org.one:shared", *until("1")), withdrawn="2024-01-01T00:00:00Z"),
    ]
    assert "?:shared GHSA-2 : fixed <1 unknown" in said("maven", *withdrawn)


VECTOR = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}


@pytest.mark.parametrize(
    ("id_", "fields", "severity", "source"),
    [
        ("GHSA-1", {"database_specific": {"severity": "MODERATE"}, "severity": [VECTOR]}, Severity.MEDIUM, "ghsa"),
        ("GHSA-1", {"database_specific": {"severity": None}, "severity": [VECTOR]}, Severity.CRITICAL, "ghsa cvss 3.1"),
        ("PYSEC-2024-1", {"severity": [VECTOR]}, Severity.CRITICAL, "pysec cvss 3.1"),
        ("GO-2024-1", {}, Severity.UNKNOWN, ""),
        ("MAL-2024-1", {}, Severity.CRITICAL, "mal"),
    ],
)
def test_the_word_of_a_database_goes_before_its_vectors(
    id_: str, fields: dict[str, Any], severity: Severity, source: str
) -> None:
    [statement] = statements(parse(zipped([record(id_, entry("npm", "foo", *until("1.0.0")), **fields)]), "npm"))
    assert (statement.severity, statement.severity_source) == (severity, source)
    assert statement.marks == ((Mark.MALWARE,) if id_.startswith("MAL") else ())


# --- whole archives --------------------------------------------------------------------------------------------------

COUNTS = {
    "cargo": (895, 953),
    "composer": (1032, 1084),
    "gem": (892, 940),
    "golang": (4274, 6041),
    "npm": (3792, 4008),
    "nuget": (685, 1640),
}
"""Records with statements, and statements. 17 of Go's records are withdrawn; one of npm's names no version."""


@pytest.mark.parametrize("part", sorted(COUNTS))
def test_a_whole_archive_is_read(shared_data: Path, part: str) -> None:
    found = parse(archive(shared_data, part), part)
    assert (len(found), len(statements(found))) == COUNTS[part]


def archive(shared_data: Path, part: str) -> bytes:
    return (shared_data / "mirror" / PARTS[part].documents[0].url.removeprefix("https://")).read_bytes()


RECORDS = 40
"""How many records of an archive are compared; each with up to `VERSIONS` versions of each package."""
VERSIONS = 10


@pytest.mark.parametrize("part", sorted(LANGUAGES.keys() - {"hex"}))  # of which there is no copy
def test_verdicts_are_those_of_the_specification(shared_data: Path, part: str) -> None:
    chance = random.Random(part)
    content = archive(shared_data, part)
    raw = [json.loads(member.content) for member in bundle.members(io.BytesIO(content), part)]
    records = [some for some in chance.sample(raw, min(len(raw), RECORDS)) if not some.get("withdrawn")]
    of_record = {
        unit.id: unit.statements for unit in parse(zipped(records), part) if isinstance(unit, AdvisoryStatements)
    }
    compared = sum(_compare(part, some, of_record.get(some["id"], ()), chance) for some in records)
    assert compared > RECORDS


def _compare(part: str, some: Record, found: tuple[Statement, ...], chance: random.Random) -> int:
    """Compare the verdicts on versions of the packages of a record; return on how many."""
    compared = 0
    for name, affected in _by_name(part, some).items():
        about = [statement for statement in found if statement.package.name == name]
        for version in _versions(affected, chance):
            expected = _expected(part, affected, version)
            if expected is not None:
                assert _found(part, about, version) is expected, (some["id"], name, version)
                compared += 1
    return compared


def _by_name(part: str, some: Record) -> dict[str, list[Record]]:
    by_name = defaultdict(list)
    for affected in some.get("affected", ()):
        package = affected.get("package") or {}
        if package.get("ecosystem") == LANGUAGES[part].ecosystem:
            by_name[LANGUAGES[part].name(package["name"])].append(affected)
    return by_name


def _versions(affected: list[Record], chance: random.Random) -> list[str]:
    """Return versions that the entries name, and neighbours of them."""
    named = list(dict.fromkeys(bounds(affected)))
    near = chain.from_iterable((f"{version}.1", f"{version}-rc1", version.rpartition(".")[0]) for version in named)
    every = [version for version in dict.fromkeys((*named, *near)) if version]
    return chance.sample(every, min(len(every), VERSIONS))


def _expected(part: str, affected: list[Record], version: str) -> bool | None:
    """Return what the specification says; None where it cannot compare."""
    ecosystem = ecosystems.load()[part]
    try:
        ecosystems.compare(ecosystem, version, version)
        return is_vulnerable(affected, version, partial(ecosystems.compare, ecosystem))
    except BadVersion:
        return None


def _found(part: str, about: list[Statement], version: str) -> bool:
    if not about:
        return False
    key = ecosystems.key_or_unreadable(ecosystems.load()[part], version)
    installed = Feature(package=about[0].package, version=version, key=key)
    return bool(verdicts(installed, about))


# --- the feed --------------------------------------------------------------------------------------------------------


def test_the_feed_speaks_for_every_language_whose_order_is_known() -> None:
    assert {namespace for namespace in ecosystems.load() if FEED.speaks_for(namespace)} == set(LANGUAGES)
    assert all(
        FEED.speaks_for(namespace) == namespace and FEED.supported(namespace, {}, 4e9) for namespace in LANGUAGES
    )
    assert FEED.speaks_for("debian:12") is None


def test_every_version_of_the_recorded_records_has_a_key() -> None:
    for part, name in {"npm": "npm", "pypi": "pip", "cargo": "cargo", "gem": "rubygems", "maven": "maven"}.items():
        for statement in statements(parse((SAMPLES / f"{name}-all.zip").read_bytes(), part)):
            for versions in statement.ranges:
                for bound in filter(None, (versions.introduced, versions.fixed, versions.last_affected)):
                    assert ecosystems.key_or_unreadable(ecosystems.load()[part], bound) != UNREADABLE


@pytest.mark.parametrize("part", ["npm", "maven"])
@pytest.mark.parametrize("name", sorted(BAD_ARCHIVES))
def test_what_is_no_archive_of_records_is_refused(name: str, part: str) -> None:
    with pytest.raises(BadFeed):
        parse(BAD_ARCHIVES[name], part)
