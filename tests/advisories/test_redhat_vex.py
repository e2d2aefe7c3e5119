"""Red Hat's VEX documents: recorded ones become the expected statements; products, statuses and streams one by one."""

import gzip
import json
from pathlib import Path

import pytest

from eclair.advisories import errata
from eclair.advisories.records import advisory_statements
from eclair.advisories.redhat_vex import platform, rows
from eclair.errors import BadFeed
from eclair.packages.release_marks import of_repository
from tests.feeds.said import NO_XML, outline

SAMPLES = Path(__file__).parent.parent / "samples" / "feeds" / "redhat"


def sample(cve: str) -> bytes:
    return gzip.decompress((SAMPLES / f"{cve}.json.gz").read_bytes())


def statements_of(content: bytes, cve: str) -> list[str]:
    said = errata.statements("redhat", rows(cve.upper(), content), "r1")
    return [line.replace(f" {cve.upper()}", "") for line in outline([advisory_statements(cve.upper(), said)])]


# --- recorded documents ----------------------------------------------------------------------------------------------


def test_a_component_without_a_package_url_is_source_and_binary() -> None:
    """https://access.redhat.com/security/cve/CVE-2023-0049 lists vim of all releases as "Will not fix"."""
    kinds = ("binary", "source")
    assert statements_of(sample("cve-2023-0049"), "cve-2023-0049") == [
        *(f"rhel:6 {kind} vim : end-of-life * low" for kind in kinds),
        *(f"rhel:{release} {kind} vim : will-not-fix * low" for release in (7, 8, 9) for kind in kinds),
    ]


def test_sources_speak_for_what_is_built_from_them() -> None:
    """The document has 135 products of Enterprise Linux."""
    assert statements_of(sample("cve-2024-0727"), "cve-2024-0727") == [
        "rhel:6 source openssl : end-of-life * low",
        "rhel:7 source openssl : end-of-life * low",
        "rhel:8 source compat-openssl10 : deferred * low",
        "rhel:8 source edk2 : will-not-fix * low",
        "rhel:8 source openssl : deferred * low",
        "rhel:8 source shim : not-affected low",
        "rhel:9 source compat-openssl11 : deferred * low",
        "rhel:9 source edk2 (RHSA-2024:9088) : fixed <20240524-6.el9_5 low",
        "rhel:9 source openssl (RHSA-2024:2447) : fixed <1:3.0.7-27.el9 low",
        "rhel:9 source openssl-fips-provider : not-affected low",
        "rhel:9 source shim : not-affected low",
    ]


def test_streams_are_told_apart() -> None:
    assert statements_of(sample("cve-2025-40907"), "cve-2025-40907") == [
        "rhel:10 source perl-FCGI (RHSA-2025:8636) : fixed <1:0.82-13.1.el10_0 high",
        "rhel:10 source perl-FCGI (RHSA-2025:8636) : fixed <1:0.82-13.1.el10_0 high [dist:el10_0]",
        "rhel:7 source perl-FCGI (RHSA-2025:8625) : fixed <1:0.74-8.el7_9.1 high via els",
        *(
            f"rhel:8 source perl-FCGI ({erratum}) : fixed <1:0.78-{fix} high [{stream}module:perl-FCGI:0.78]"
            for erratum, fix, stream in (
                ("RHSA-2025:8696", "12.module+el8.10.0+23147", ""),
                ("RHSA-2025:8698", "11.module+el8.8.0+23188", "dist:el8_8 "),
                ("RHSA-2025:8703", "11.module+el8.4.0+23209", "dist:el8_4 "),
                ("RHSA-2025:8829", "11.module+el8.2.0+23234", "dist:el8_2 "),
                ("RHSA-2025:8890", "11.module+el8.6.0+23193", "dist:el8_6 "),
            )
        ),
        "rhel:9 source perl-FCGI (RHSA-2025:8635) : fixed <1:0.79-8.1.el9_6 high",
        "rhel:9 source perl-FCGI (RHSA-2025:8677) : fixed <1:0.79-8.el9_4.1 high [dist:el9_4]",
        "rhel:9 source perl-FCGI (RHSA-2025:8678) : fixed <1:0.79-8.el9_0.1 high [dist:el9_0]",
        "rhel:9 source perl-FCGI (RHSA-2025:8697) : fixed <1:0.79-8.el9_2.1 high [dist:el9_2]",
    ]


def test_what_is_not_fixed_yet_affects_every_version() -> None:
    lines = statements_of(sample("cve-2026-0968"), "cve-2026-0968")
    assert lines == [
        "rhel:10 source libssh : affected * low",
        "rhel:6 source libssh2 : not-affected low",
        "rhel:7 source libssh2 : not-affected low",
        "rhel:8 source libssh : deferred * low",
        "rhel:9 source libssh : affected * low",
    ]


def test_modules_that_are_not_fixed_are_told_by_their_streams() -> None:
    lines = statements_of(sample("cve-2026-2297"), "cve-2026-2297")
    assert "rhel:8 source python36 : deferred * low [module:python36:3.6]" in lines
    assert "rhel:8 source python3 : deferred * low" in lines
    assert not [line for line in lines if " binary " in line]


def test_ids_of_repositories_say_what_the_table_of_cpes_does(shared_data: Path) -> None:
    """So the table, which is 2.7 MB and changes every day, need not be kept: three of its 10,106 entries differ."""
    place = shared_data / "mirror/security.access.redhat.com/data/metrics/repository-to-cpe.json"
    differ = []
    for repository, entry in json.loads(place.read_bytes())["data"].items():
        platforms = filter(None, map(platform, entry["cpes"]))
        streams = {stream for known in platforms for stream in known.streams}
        named = of_repository(repository)
        if named and streams and streams != named:
            differ.append(repository)
    assert len(differ) == 3


# --- made documents --------------------------------------------------------------------------------------------------


def vex(
    *products: tuple[str, str, str, str],
    cve: str = "CVE-2024-0001",
    remedies: list[dict[str, object]] | None = None,
    **vulnerability: object,
) -> bytes:
    """Return a document that says of (status, id, CPE, package URL) products."""
    branches, relationships = [], []
    said: dict[str, list[str]] = {}
    for status, id_, cpe, purl in products:
        branches.append({"product": {"product_id": cpe, "product_identification_helper": {"cpe": cpe}}})
        branches.append({"product": {"product_id": purl, "product_identification_helper": {"purl": purl}}})
        relationships.append(
            {
                "full_product_name": {"product_id": id_},
                "product_reference": purl,
                "relates_to_product_reference": cpe,
            }
        )
        said.setdefault(status, []).append(id_)
    return json.dumps(
        {
            "document": {"aggregate_severity": {"text": "Moderate"}, "tracking": {"id": cve, "status": "final"}},
            "product_tree": {"branches": branches, "relationships": relationships},
            "vulnerabilities": [{"product_status": said, "remediations": remedies or [], **vulnerability}],
        }
    ).encode()


MAIN = "cpe:/o:redhat:enterprise_linux:9::baseos"
SOURCE = "pkg:rpm/redhat/vim@8-1.el9?arch=src"


def made(*products: tuple[str, str, str, str], **more: object) -> list[str]:
    return statements_of(vex(*products, **more), "cve-2024-0001")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cpe", "expected"),
    [
        ("cpe:/o:redhat:enterprise_linux:9", ["rhel:9 []"]),
        ("cpe:/a:redhat:enterprise_linux:8::appstream", ["rhel:8 []"]),
        ("cpe:/o:redhat:enterprise_linux:7::server", ["rhel:7 []"]),
        ("cpe:/a:redhat:rhel_eus:9.2::appstream", ["rhel:9 [dist:el9_2]"]),
        ("cpe:/o:redhat:rhel_aus:8.4::baseos", ["rhel:8 [dist:el8_4]"]),
        ("cpe:/o:redhat:rhel_e4s:9.0::baseos", ["rhel:9 [dist:el9_0]"]),
        ("cpe:/a:redhat:rhel_tus:8.8::appstream", ["rhel:8 [dist:el8_8]"]),
        ("cpe:/o:redhat:rhel_eus_long_life:8.4::baseos", ["rhel:8 [dist:el8_4]"]),
        ("cpe:/o:redhat:enterprise_linux:10.1", ["rhel:10 []", "rhel:10 [dist:el10_1]"]),
        ("cpe:/o:redhat:enterprise_linux_eus:10.0", ["rhel:10 [dist:el10_0]"]),
        ("cpe:/o:redhat:rhel_els:7", ["rhel:7 [] via els"]),
        ("cpe:/a:redhat:openshift:4.12::el8", []),
        ("cpe:/a:redhat:rhel_software_collections:3::el7", []),
        ("cpe:/a:redhat:enterprise_linux_ai:3", []),
        ("cpe:/a:redhat:rhel_satellite_client:6::el9", []),
        ("cpe:/a:redhat:enterprise_linux", []),
        ("cpe:/a:other:enterprise_linux:9", []),
    ],
)
def test_only_enterprise_linux_itself_counts(cpe: str, expected: list[str]) -> None:
    assert [
        f"{row.package.namespace} [{row.claim.stream}]"
        + (f" via {row.claim.fix_channel}" if row.claim.fix_channel else "")
        for row in rows("CVE-2024-0001", vex(("fixed", "p", cpe, SOURCE)))
    ] == expected


@pytest.mark.parametrize(
    ("status", "remedy", "expected"),
    [
        ("fixed", ("vendor_fix", "update"), "(RHSA-2024:1) : fixed <8-1.el9"),
        ("known_affected", ("none_available", "Affected"), ": affected *"),
        ("known_affected", ("none_available", "Fix deferred"), ": deferred *"),
        ("known_affected", ("no_fix_planned", "Will not fix"), ": will-not-fix *"),
        ("known_affected", ("no_fix_planned", "Out of support scope"), ": end-of-life *"),
        ("known_affected", ("no_fix_planned", "a word of tomorrow"), ": affected *"),
        ("known_affected", ("workaround", "do not use it"), ": affected *"),
        ("under_investigation", ("none_available", "Under investigation"), ": under-investigation *"),
        ("known_not_affected", ("none_available", "x"), ": not-affected"),
    ],
)
def test_statuses_and_remediations_become_states(status: str, remedy: tuple[str, str], expected: str) -> None:
    category, details = remedy
    url = "https://access.redhat.com/errata/RHSA-2024:1"
    remedies = [{"category": category, "details": details, "url": url, "product_ids": ["p"]}]
    assert made((status, "p", MAIN, SOURCE), remedies=remedies) == [f"rhel:9 source vim {expected} medium"]


def test_a_binary_counts_where_no_source_is_on_the_same_ground() -> None:
    binary = "pkg:rpm/redhat/vim-common@8-1.el9?arch=x86_64"
    other = "pkg:rpm/redhat/gvim@8-2.el9?arch=x86_64"
    fixes = [
        {"category": "vendor_fix", "url": "https://access.redhat.com/errata/RHSA-2024:1", "product_ids": ["s", "b"]},
        {"category": "vendor_fix", "url": "https://access.redhat.com/errata/RHSA-2024:2", "product_ids": ["o"]},
    ]
    assert made(
        ("fixed", "s", MAIN, SOURCE),
        ("fixed", "b", MAIN, binary),
        ("fixed", "o", MAIN, other),
        ("known_not_affected", "n", MAIN, "pkg:rpm/redhat/vim-data"),
        remedies=fixes,
    ) == [
        "rhel:9 binary gvim (RHSA-2024:2) : fixed <8-2.el9 medium",
        "rhel:9 binary vim-data : not-affected medium",
        "rhel:9 source vim (RHSA-2024:1) : fixed <8-1.el9 medium",
    ]


def test_a_fix_outweighs_what_other_variants_lack() -> None:
    assert made(
        ("fixed", "p", MAIN, SOURCE),
        ("known_affected", "q", "cpe:/o:redhat:enterprise_linux:9", "pkg:rpm/redhat/vim?arch=src"),
    ) == ["rhel:9 source vim : fixed <8-1.el9 medium"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"threats": [{"category": "impact", "details": "Important", "product_ids": ["p"]}]}, "high"),
        ({"threats": [{"category": "impact", "details": "Low", "product_ids": ["q"]}]}, "medium"),
        ({"scores": [{"cvss_v3": {"baseScore": 9.8}, "products": ["p"]}]}, "critical"),
        (
            {
                "scores": [{"cvss_v3": {"baseScore": 9.8}, "products": ["p"]}],
                "threats": [{"category": "impact", "details": "Low", "product_ids": ["p"]}],
            },
            "low",
        ),
    ],
)
def test_severity_is_red_hats_word_else_the_score(said: dict[str, object], expected: str) -> None:
    [line] = made(("fixed", "p", MAIN, SOURCE), **said)
    assert line.endswith(f" {expected}")


def test_a_document_that_is_deleted_says_nothing() -> None:
    content = json.dumps({"document": {"tracking": {"id": "CVE-2023-0030", "status": "deleted"}}}).encode()
    assert statements_of(content, "cve-2023-0030") == []


@pytest.mark.parametrize(
    "content",
    [
        *NO_XML.values(),
        b"[]",
        b"{}",
        vex()[:-9],
        vex(cve="CVE-2024-0002"),
        vex(("fixed", "p", MAIN, "pkg:rpm/redhat/a%23b@1-1?arch=src")),
        vex(("fixed", "p", MAIN, "pkg:rpm/")),
        vex().replace(b'"vulnerabilities": [', b'"vulnerabilities": [7, '),
        vex(threats={"a": 1}),
        vex(remedies=[7]),  # type: ignore[list-item]
        b"[" * 200_000,
        vex().replace(b'"branches": []', b'"branches": [[]]'),
    ],
)
def test_a_broken_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        rows("CVE-2024-0001", content)


def test_a_remediation_of_no_category_is_passed_over() -> None:
    remedies: list[dict[str, object]] = [{"category": {}, "details": 7, "product_ids": ["p"]}]
    assert made(("known_affected", "p", MAIN, SOURCE), remedies=remedies) == ["rhel:9 source vim : affected * medium"]
