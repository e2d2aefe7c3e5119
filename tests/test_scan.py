"""A scan in one process, from the command line, on real images and feeds."""

import json
from pathlib import Path
from typing import Any

import pytest

from eclair.cli import run

SAMPLES = Path(__file__).parent / "samples"
MIRROR = str(SAMPLES / "feeds" / "mirror-1")
DPKG_AND_APK = (
    "alpine-3.10.2",
    "alpine-3.20.3",
    "alpine-3.10.4.docker-archive",
    "index",
    "debian-bullseye",
    "debian-app",
)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run(arguments)
    return code, json.loads(capsys.readouterr().out)


def reference(file: str, images: Path) -> str:
    transport = "docker-archive" if "docker-archive" in file else "oci-archive"
    return f"{transport}:{images / file}"


@pytest.mark.parametrize("image", DPKG_AND_APK)
def test_package_lists_are_those_of_independent_tools(
    image: str, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = shared_data / "images"
    expected = json.loads((images / "EXPECTED.json").read_text())[image]
    code, report = printed(capsys, "packages", "--json", reference(expected["file"], images))
    assert code == 0
    found = [some for some in report["packages"] if some["type"] in ("apk", "deb")]
    assert sorted([some["name"], some["version"], some["arch"]] for some in found) == sorted(expected["os_packages"])


def test_every_finding_of_a_published_scan_of_alpine_is_found(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = json.loads((shared_data / "truth" / "01-alpine-3.10.2.json").read_text())
    image = reference("alpine-3.10.2.tar", shared_data / "images")
    _, report = printed(capsys, "scan", "--json", image, "--feed-mirror", str(shared_data / "mirror"))
    found = {(some["package"], some["version"], some["vulnerability"]) for some in report["findings"]}
    assert {tuple(triple[:3]) for triple in truth["triples"] if triple[3]} <= found


def test_every_fix_named_in_a_changelog_that_the_feed_carries_is_found(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = shared_data / "mirror"
    truth = json.loads((shared_data / "truth" / "08-debian-bullseye.json").read_text())
    tracker = json.loads((mirror / "security-tracker.debian.org/tracker/data/json").read_bytes())
    image = reference("debian-bullseye.tar", shared_data / "images")
    _, report = printed(capsys, "scan", "--json", "--all", image, "--feed-mirror", str(mirror))
    found = {(some["source"]["name"], some["vulnerability"]) for some in report["findings"]}
    expected = {(name, cve) for name, _, cve, is_affected in truth["triples"] if is_affected}
    carried = {(name, cve) for name, cve in expected if "bullseye" in _releases(tracker, name, cve)}
    assert carried
    assert carried <= found


def _releases(tracker: Any, name: str, cve: str) -> Any:
    return tracker.get(name, {}).get(cve, {}).get("releases", {})


def test_an_advisory_of_the_second_revision_is_found_only_then(capsys: pytest.CaptureFixture[str]) -> None:
    image = f"oci:{SAMPLES / 'oci' / 'debian-bullseye'}"
    seen = []
    for revision in ("mirror-1", "mirror-2"):
        _, report = printed(capsys, "scan", "--json", image, "--feed-mirror", str(SAMPLES / "feeds" / revision))
        seen.append({some["vulnerability"] for some in report["findings"]})
    assert seen[1] - seen[0] == {"CVE-2024-13176"}


def test_fail_on_is_met_by_that_severity_or_worse_and_never_by_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    image = f"oci:{SAMPLES / 'oci' / 'alpine-3.10.2'}"
    code, report = printed(capsys, "scan", "--json", image, "--feed-mirror", MIRROR, "--fail-on", "negligible")
    assert {some["severity"] for some in report["findings"]} == {"unknown"}
    assert code == 0


VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "author": "security team",
    "timestamp": "2026-01-01T00:00:00Z",
    "statements": [
        {
            "vulnerability": {"name": "CVE-2021-28831"},
            "products": [{"@id": "pkg:apk/alpine/busybox"}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
    ],
}
RULES = "rules: [{id: musl, package: musl*, reason: built with another, until: 2999-01-31, by: me}]"


def test_what_a_file_says_is_suppressed_stays_in_the_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "vex.json").write_text(json.dumps(VEX))
    files = ("--ignore", str(tmp_path / "rules.yaml"), "--vex", str(tmp_path / "vex.json"))
    image = ("scan", f"oci:{SAMPLES / 'oci' / 'alpine-3.10.2'}", "--feed-mirror", MIRROR, *files)
    _, report = printed(capsys, *image, "--json")
    by = {some["vulnerability"]: some["suppressed"]["rule"] for some in report["findings"] if some["suppressed"]}
    assert by == {"CVE-2020-28928": "musl", "CVE-2021-28831": "vex.json"}
    assert report["suppressed"] == sum(some["suppressed"] is not None for some in report["findings"])
    run(image)
    table = capsys.readouterr().out
    assert "suppressed by musl: built with another" in table
    assert f"{report['suppressed']} of them suppressed" in table


def test_what_is_suppressed_does_not_meet_fail_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"rules": [{"package": "coreutils", "reason": "r", "by": "b"}]}))
    image = ("scan", f"oci:{SAMPLES / 'oci' / 'debian-bullseye'}", "--feed-mirror", MIRROR, "--fail-on", "low")
    assert run(image) == 1
    assert run((*image, "--ignore", str(rules))) == 0
    assert "suppressed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--ignore", "rules: [{id: x, reason: r}]", "hides everything"),
        ("--ignore", "{]", "neither JSON"),
        ("--vex", "{", "no JSON"),
        ("--vex", None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_with_its_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, text: str | None, said: str
) -> None:
    file = tmp_path / "wrong"
    if text is not None:
        file.write_text(text)
    assert run(["scan", f"oci:{SAMPLES / 'oci' / 'alpine-3.10.2'}", option, str(file)]) == 2
    error = capsys.readouterr().err
    assert f"{file}: " in error
    assert said in error


def test_a_scan_that_no_feed_covers_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    image = f"oci:{SAMPLES / 'oci' / 'alpine-3.10.2'}"
    code, report = printed(capsys, "scan", "--json", image, "--feed-mirror", str(tmp_path))
    assert code == 2
    assert {some["state"] for some in report["coverage"]} <= {"failed", "missing"}


def test_a_reference_that_is_not_there_is_an_error_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", "oci:nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
