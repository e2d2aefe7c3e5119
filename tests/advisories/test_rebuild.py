"""What titles and fixes of the rebuilds of Red Hat's distribution say of modules and severity."""

import pytest

from eclair.advisories import osv, rebuild
from eclair.model import Severity

MODULE_FIX = "0:18.1-1.module+el8.9.0+1536+5f79634e"


def read(summary: str, *fixes: str, vectors: tuple[str, ...] = ()) -> tuple[osv.Record, osv.Affected]:
    affected = osv.Affected(
        ecosystem="Rocky Linux:8",
        name="foo",
        ranges=tuple((osv.BEGINNING, osv.Event(osv.FIXED, fix)) for fix in fixes),
        versions=(),
    )
    record = osv.read(b'{"id": "RLSA-1"}')._replace(summary=summary, vectors=vectors)
    return record, affected


@pytest.mark.parametrize(
    ("title", "fix", "stream"),
    [
        ("Important: nodejs:18 security update", MODULE_FIX, "module:nodejs:18"),
        ("Moderate: 389-ds:1.4 security and bug fix update", MODULE_FIX, "module:389-ds:1.4"),
        ("Important: httpd:2.4/mod_http2 security update", MODULE_FIX, "module:httpd:2.4"),
        (
            "Important: container-tools:rhel8 security update",
            "1.2-3.module_el8.6.0+2766+8bf0",
            "module:container-tools:rhel8",
        ),
        # Of which module a package is cannot be told.
        ("Moderate: virt:rhel and virt-devel:rhel security update", MODULE_FIX, "module"),
        ("Important: varnish security update", MODULE_FIX, "module"),
        ("", MODULE_FIX, "module"),
        # No modules.
        ("Moderate: kernel:4.18.0 security update", "0:4.18.0-553.30.1.el8_10", "minor:el8_10"),
        ("Important: bcel security update", "0:6.4.1-9.el9_1", "minor:el9_1"),
        ("Important: bcel security update", "0:6.4.1-9.el9", ""),
        ("Important: kernel security update", "0:4.18.0-425.10.1.el8_7.cloud", "mark:cloud minor:el8_7"),
    ],
)
def test_the_stream_is_that_of_the_module_in_the_title(title: str, fix: str, stream: str) -> None:
    assert rebuild.stream(*read(title, fix)) == stream


VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


@pytest.mark.parametrize(
    ("title", "rating"),
    [
        ("Critical: foo security update", osv.Rating(Severity.CRITICAL, "rocky")),
        ("Important: foo security update", osv.Rating(Severity.HIGH, "rocky")),
        ("Moderate: foo security update", osv.Rating(Severity.MEDIUM, "rocky")),
        ("Low: foo security update", osv.Rating(Severity.LOW, "rocky")),
        ("foo security update", osv.Rating(Severity.CRITICAL, "rocky cvss 3.1")),
    ],
)
def test_the_severity_is_the_first_word(title: str, rating: osv.Rating) -> None:
    record, _ = read(title, vectors=(VECTOR,))
    assert rebuild.rating(record, "rocky") == rating


def test_hostile_titles_take_no_time() -> None:
    rebuild.stream(*read("a:" * 100_000 + "!", MODULE_FIX))
    rebuild.stream(*read("a" * 200_000, MODULE_FIX))
