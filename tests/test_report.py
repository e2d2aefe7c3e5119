"""A report says what is known, in the words of its image; what it could not tell it says in `coverage`."""

from dataclasses import asdict, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair import ecosystems, report
from eclair.errors import BadRequest, NotFound
from eclair.model import (
    CoverageState,
    Digest,
    Distribution,
    FeedPart,
    Image,
    ImageState,
    LayerReference,
    Lease,
    Membership,
    Package,
    PackageSet,
    Platform,
    Repository,
    SetId,
    SetReference,
    Severity,
    Source,
    State,
    Verdict,
)
from eclair.report import Coverage, FeedParts, ImageReport, image_report
from tests.fleet import ALPINE, DEBIAN, DPKG, NOW, SHOP, Fleet, layer, packed
from tests.registry_in_memory import sha256

BLOB = Digest("sha256:" + "a" * 64)
DIGEST = Digest("sha256:" + "d" * 64)
SET = SetId("set")
DEBIAN_12 = Distribution(id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)", namespace="debian:12")
OPENSSL = Package(
    type="deb",
    name="libssl3",
    version="3.0.15-1~deb12u1",
    arch="amd64",
    source=Source(name="openssl", version="3.0.15-1~deb12u1"),
    path="var/lib/dpkg/status",
)
LOADED = FeedPart(
    feed="debian",
    name="tracker",
    supported=(("debian:12", True), ("debian:10", False)),
    revision="r1",
    closed=True,
    rows=300,
    last_success=NOW - 3600,
    last_attempt=NOW - 3600,
)


def image(*packages: Package, distribution: Distribution | None = DEBIAN_12, **changes: object) -> Image:
    namespace = (distribution.namespace if distribution else None) or ""
    reference = SetReference(set=SET, type="deb", namespace=namespace, origins=tuple(0 for _ in packages))
    known = Image(
        digest=DIGEST,
        state=ImageState.INDEXED,
        platform=Platform(os="linux", architecture="arm64", variant="v8"),
        layers=(LayerReference(digest=BLOB, diff_id=BLOB, media_type="", size=1, created_by="ADD rootfs.tar /"),),
        package_counts=(len(packages),),
        distribution=distribution,
        sets=(reference,) if packages else (),
    )
    return replace(known, **changes)  # type: ignore[arg-type]  # the names are those of the fields


def package_set(*packages: Package, namespace: str = "debian:12") -> PackageSet:
    return PackageSet(id=SET, type="deb", namespace=namespace, packages=packages)


def verdict(
    package: Package = OPENSSL,
    vulnerability: str = "CVE-2024-13176",
    state: State = State.AFFECTED,
    severity: Severity = Severity.MEDIUM,
    fixed: str | None = None,
) -> Verdict:
    (feature,) = ecosystems.load()["deb"].features(package, "debian:12")
    return Verdict(
        feature=feature.id,
        vulnerability=vulnerability,
        state=state,
        severity=severity,
        severity_source="debian",
        fixed_version=fixed,
        fix_channel=None,
        advisories=(vulnerability,),
        aliases=(),
        feed="debian",
    )


def built(
    *packages: Package,
    verdicts: tuple[Verdict, ...] | None = (),
    part: FeedPart | None = LOADED,
    distribution: Distribution | None = DEBIAN_12,
    all_states: bool = False,
    **changes: object,
) -> ImageReport:
    known = image(*packages, distribution=distribution, **changes)
    namespace = (distribution.namespace if distribution else None) or ""
    parts: FeedParts = {(part.feed, part.name): part} if part else {}
    return image_report(
        known,
        [Membership(digest=DIGEST, repository=SHOP, tags=("1.0", "latest"))],
        [package_set(*packages, namespace=namespace)] if packages else [],
        {} if verdicts is None else {SET: verdicts},
        parts,
        NOW,
        all_states=all_states,
    )


def only(found: ImageReport) -> Coverage:
    (coverage,) = found.coverage
    return coverage


# --- the shape


def test_the_json_of_a_report_has_the_agreed_shape() -> None:
    found = built(OPENSSL, verdicts=(verdict(fixed="3.0.16-1~deb12u1", state=State.FIXED),))
    source = {"name": "openssl", "version": "3.0.15-1~deb12u1"}
    purl = "pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12&upstream=openssl"
    assert orjson.loads(orjson.dumps(found)) == {
        "image": {
            "digest": DIGEST,
            "platform": "linux/arm64/v8",
            "repository": SHOP,
            "tags": ["1.0", "latest"],
        },
        "distribution": {"id": "debian", "version": "12", "name": "Debian GNU/Linux 12 (bookworm)"},
        "layers": [{"digest": BLOB, "created_by": "ADD rootfs.tar /", "packages": 1}],
        "packages": [
            {
                "name": "libssl3",
                "version": "3.0.15-1~deb12u1",
                "arch": "amd64",
                "type": "deb",
                "namespace": "debian:12",
                "source": source,
                "path": "var/lib/dpkg/status",
                "introduced_in": BLOB,
                "purl": purl,
                "owned_by": None,
            }
        ],
        "findings": [
            {
                "vulnerability": "CVE-2024-13176",
                "advisories": ["CVE-2024-13176"],
                "aliases": [],
                "package": "libssl3",
                "version": "3.0.15-1~deb12u1",
                "arch": "amd64",
                "type": "deb",
                "source": source,
                "purl": purl,
                "namespace": "debian:12",
                "fixed_version": "3.0.16-1~deb12u1",
                "fix_channel": None,
                "state": "fixed",
                "severity": "medium",
                "severity_source": "debian",
                "path": "var/lib/dpkg/status",
                "introduced_in": BLOB,
                "feed": "debian",
                "confidence": "high",
                "marks": [],
                "cvss": None,
                "exploited": None,
                "epss": None,
                "suppressed": None,
            }
        ],
        "coverage": [{"namespace": "debian:12", "feed": "debian", "revision": "r1", "state": "ok", "detail": ""}],
        "hidden": {},
        "suppressed": 0,
    }


def test_an_image_without_distribution_and_membership_has_null_and_empty_names() -> None:
    found = image_report(image(distribution=None, platform=None), [], [], {}, {}, NOW)
    assert found.distribution is None
    assert (found.image.platform, found.image.repository, found.image.tags) == ("", "", ())


def test_every_binary_of_a_vulnerable_source_is_a_finding() -> None:
    binary = replace(OPENSSL, name="openssl")
    found = built(OPENSSL, binary, verdicts=(verdict(),))
    assert [finding.package for finding in found.findings] == ["libssl3", "openssl"]


def test_hidden_states_are_counted_and_shown_when_all_are_asked_for() -> None:
    verdicts = (
        verdict(vulnerability="CVE-1", state=State.UNDER_INVESTIGATION),
        verdict(vulnerability="CVE-2", state=State.NOT_AFFECTED),
        verdict(vulnerability="CVE-3", severity=Severity.NEGLIGIBLE),
        verdict(vulnerability="CVE-4", state=State.WILL_NOT_FIX, severity=Severity.LOW),
        verdict(vulnerability="CVE-5", state=State.END_OF_LIFE, severity=Severity.CRITICAL),
        verdict(vulnerability="CVE-6", state=State.DEFERRED, severity=Severity.UNKNOWN),
    )
    found = built(OPENSSL, verdicts=verdicts)
    assert [finding.vulnerability for finding in found.findings] == ["CVE-5", "CVE-4", "CVE-6"]
    assert found.hidden == {"under-investigation": 1, "not-affected": 1, "negligible": 1}
    everything = built(OPENSSL, verdicts=verdicts, all_states=True)
    assert len(everything.findings) == 6
    assert everything.hidden == {}


# --- coverage

CENTOS = Distribution(id="centos", version="8", name="CentOS Linux 8", namespace=None, detail="no feed for centos 8")
SOLARIS = replace(CENTOS, namespace="solaris:11")
SID = replace(DEBIAN_12, version="99", namespace="debian:99")
OLD = replace(DEBIAN_12, version="10", namespace="debian:10")
ENDED = replace(DEBIAN_12, end_of_life="2024-12-31")
ENDED_ELSEWHERE = replace(SOLARIS, end_of_life="2024-12-31")
ENDING = replace(DEBIAN_12, end_of_life="2099-12-31")
DERIVED = replace(DEBIAN_12, detail="compared with the advisories of its parent")
LOADING = replace(LOADED, closed=False, last_success=0.0, rows=10)
FAILED = replace(LOADING, failure="HTML instead of JSON")
OTHERS = replace(OPENSSL, name="mongodb-org", third_party=True)
UNREADABLE = replace(OPENSSL, version="not:a:version", source=Source(name="odd", version="not:a:version"))


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        (built(OPENSSL), CoverageState.OK, ""),
        (built(OPENSSL, part=None), CoverageState.MISSING, "not loaded"),
        (built(OPENSSL, part=LOADING), CoverageState.LOADING, "first load"),
        (built(OPENSSL, part=FAILED), CoverageState.FAILED, "never loaded: HTML instead of JSON"),
        (built(OPENSSL, part=replace(LOADED, failure="500")), CoverageState.OK, "last attempt failed: 500"),
        (built(OPENSSL, part=replace(LOADED, last_success=NOW - 8 * 86400)), CoverageState.STALE, "8 days ago"),
        (built(OPENSSL, part=replace(LOADED, last_success=NOW - 6.9 * 86400)), CoverageState.OK, ""),
        (built(OPENSSL, distribution=OLD), CoverageState.UNSUPPORTED, "no longer supports debian:10"),
        (built(OPENSSL, distribution=SID), CoverageState.UNSUPPORTED, "says nothing of debian:99"),
        (built(OPENSSL, distribution=CENTOS), CoverageState.UNSUPPORTED, "no feed for centos 8"),
        (built(OPENSSL, distribution=None), CoverageState.UNSUPPORTED, "names its distribution"),
        (built(OPENSSL, distribution=SOLARIS), CoverageState.UNSUPPORTED, "no feed speaks"),
        (built(OPENSSL, distribution=ENDED), CoverageState.APPROXIMATE, "(bookworm) ended on 2024-12-31"),
        (built(OPENSSL, distribution=ENDING), CoverageState.OK, ""),
        (built(OPENSSL, distribution=ENDED, part=FAILED), CoverageState.FAILED, "ended on 2024-12-31"),
        (built(OPENSSL, distribution=ENDED_ELSEWHERE), CoverageState.UNSUPPORTED, "ended on"),
        (built(OPENSSL, distribution=DERIVED), CoverageState.APPROXIMATE, "advisories of its parent"),
        (built(OPENSSL, verdicts=None), CoverageState.LOADING, "being computed"),
        (built(OPENSSL, UNREADABLE), CoverageState.APPROXIMATE, "libssl3 not:a:version"),
        (built(OPENSSL, OTHERS), CoverageState.OK, "1 of 2 packages are not the distribution's"),
        (built(OTHERS), CoverageState.APPROXIMATE, "1 of 1 packages are not the distribution's"),
        (built(), CoverageState.UNSUPPORTED, "no package database was found"),
        (built(distribution=None), CoverageState.UNSUPPORTED, "no package database was found"),
    ],
)  # fmt: skip
def test_coverage_says_how_far_a_report_may_be_believed(found: ImageReport, state: CoverageState, said: str) -> None:
    assert only(found).state is state
    assert said in only(found).detail
    assert found.findings == ()


def test_coverage_says_that_a_feed_does_not_tell_what_is_not_fixed() -> None:
    rocky = Distribution(id="rocky", version="9", name="Rocky Linux 9", namespace="rocky:9")
    part = replace(LOADED, feed="rocky", name="osv", supported=(("rocky:9", True),))
    covered = only(built(OPENSSL, distribution=rocky, part=part))
    assert (covered.state, covered.detail) == (CoverageState.OK, "feed rocky does not tell what is not fixed yet")


@pytest.mark.parametrize(
    ("state", "covered"),
    [
        (ImageState.QUEUED, CoverageState.LOADING),
        (ImageState.FAILED, CoverageState.FAILED),
        (ImageState.SKIPPED, CoverageState.UNSUPPORTED),
    ],
)
def test_an_image_that_was_not_read_is_not_clean(state: ImageState, covered: CoverageState) -> None:
    found = built(distribution=None, state=state, reason="layer 3 is truncated")
    assert only(found).state is covered
    assert "layer 3 is truncated" in only(found).detail


def test_a_damaged_database_is_named_beside_the_namespace() -> None:
    problems = tuple((f"var/lib/dpkg/status.d/p{number}", "line 3: no version") for number in range(12))
    _, damaged = built(OPENSSL, problems=problems).coverage
    assert damaged.state is CoverageState.DAMAGED
    assert damaged.detail.startswith("var/lib/dpkg/status.d/p0: line 3: no version; ")
    assert damaged.detail.endswith("and 2 more")


def test_a_distribution_without_its_packages_is_not_covered_by_those_of_others() -> None:
    known = image(OPENSSL, distribution=DEBIAN_12)
    known = replace(known, sets=(replace(known.sets[0], namespace=""),))
    found = image_report(known, [], [package_set(OPENSSL, namespace="")], {SET: ()}, {}, NOW)
    assert [coverage.state for coverage in found.coverage] == [CoverageState.UNSUPPORTED, CoverageState.UNSUPPORTED]


@given(
    part=st.none()
    | st.builds(
        FeedPart,
        feed=st.just("debian"),
        name=st.just("tracker"),
        supported=st.sampled_from([(), (("debian:12", True),), (("debian:12", False),)]),
        closed=st.booleans(),
        last_success=st.sampled_from([0.0, NOW - 1, NOW - 30 * 86400]),
        last_attempt=st.sampled_from([0.0, NOW]),
        failure=st.sampled_from(["", "500"]),
    ),
    packages=st.lists(st.sampled_from([OPENSSL, OTHERS, UNREADABLE]), max_size=3),
    problems=st.sampled_from([(), (("var/lib/dpkg/status", "line 1"),)]),
    judged=st.booleans(),
    distribution=st.sampled_from([DEBIAN_12, CENTOS, None]),
)
def test_an_empty_report_is_covered_only_if_everything_was_compared(
    part: FeedPart | None,
    packages: list[Package],
    problems: tuple[tuple[str, str], ...],
    *,
    judged: bool,
    distribution: Distribution | None,
) -> None:
    found = built(
        *packages,
        part=part,
        problems=problems,
        verdicts=() if judged else None,
        distribution=distribution,
    )
    clean = all(coverage.state is CoverageState.OK for coverage in found.coverage)
    compared = (
        OPENSSL in packages
        and distribution is DEBIAN_12
        and judged
        and not problems
        and UNREADABLE not in packages
        and part is not None
        and part.closed
        and part.last_success == NOW - 1
        and part.supported == (("debian:12", True),)
    )
    assert found.coverage
    assert clean == compared


# --- from the stores


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    fleet = Fleet()
    fleet.load("debian")
    fleet.load("alpine", "v3.20")
    for repository in (SHOP, Repository("registry.example.com/shop/stock")):
        fleet.registry.add_image(repository, "1.0", [layer(DEBIAN), layer(DPKG)])
        fleet.push(repository, "1.0")
    for number in range(3):
        extra = packed({"etc/motd": b"%d" % number})
        fleet.registry.add_image(SHOP, f"1.{number + 1}", [layer(DEBIAN), layer(DPKG), extra])
        fleet.push(SHOP, f"1.{number + 1}")
    fleet.registry.add_image(SHOP, "alpine", [layer(ALPINE)])
    fleet.push(SHOP, "alpine")
    return fleet


def test_an_image_is_reported_with_its_findings_and_places(fleet: Fleet) -> None:
    digest = fleet.registry.tag_digests[SHOP]["1.0"]
    found = fleet.application.report.image(digest)
    assert found.state is ImageState.INDEXED
    assert [member.repository for member in found.memberships] == sorted(fleet.registry.contents)
    nginx = [finding for finding in found.findings if finding.package == "nginx"]
    assert nginx
    assert {finding.introduced_in for finding in nginx} == {sha256(layer(DPKG))}
    assert [coverage.state for coverage in found.coverage] == [CoverageState.OK]


def test_an_image_goes_by_its_name_in_the_repository_asked_for(fleet: Fleet) -> None:
    digest = fleet.registry.tag_digests[SHOP]["1.0"]
    stock = Repository("registry.example.com/shop/stock")
    assert fleet.application.report.image(digest, repository=stock).image.repository == stock
    with pytest.raises(NotFound, match="nowhere"):
        fleet.application.report.image(digest, repository=Repository("registry.example.com/nowhere"))


def test_an_image_that_is_not_known_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match="push it first"):
        fleet.application.report.image(DIGEST)


def test_a_layer_is_reported_by_itself(fleet: Fleet) -> None:
    found = fleet.application.report.layer(sha256(layer(DPKG)))
    assert [(base.path, base.analyser) for base in found.databases] == [("var/lib/dpkg/status", "dpkg")]
    assert found.databases[0].packages == len(found.packages)
    with pytest.raises(NotFound):
        fleet.application.report.layer(BLOB)


def test_images_are_listed_page_by_page_each_once(fleet: Fleet) -> None:
    listed = []
    page = None
    while True:
        found = fleet.application.report.list_images(page=page, limit=2)
        assert len(found.images) <= 2
        listed += [(image.repository, image.digest) for image in found.images]
        page = found.next
        if page is None:
            break
    assert sorted(listed) == sorted((repository, digest) for digest, repository in fleet.ports.images.members)
    assert len(set(listed)) == len(listed) == 6


def test_images_are_listed_by_repository_and_tag(fleet: Fleet) -> None:
    found = fleet.application.report.list_images(repository=SHOP, tag="1.2")
    assert [image.tags for image in found.images] == [("1.2",)]
    assert [image.tags for image in fleet.application.report.list_images(tag="1.2").images] == [("1.2",)]
    assert fleet.application.report.list_images(repository=SHOP, tag="nowhere").images == ()
    assert len(fleet.application.report.list_images(repository=SHOP).images) == 5


def test_a_vulnerability_is_what_the_feeds_say_of_it(fleet: Fleet) -> None:
    found = fleet.application.report.vulnerability("CVE-2013-0337")
    assert {statement.package for statement in found.statements} == {"nginx"}
    assert {statement.feed for statement in found.statements} == {"debian"}
    with pytest.raises(NotFound, match="/feeds"):
        fleet.application.report.vulnerability("CVE-1999-0001")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_images_with_a_vulnerability_come_once_each_however_they_are_paged(fleet: Fleet, limit: int) -> None:
    listed: list[report.AffectedImage] = []
    page = None
    while True:
        found = fleet.application.report.images_with("CVE-2013-0337", page=page, limit=limit)
        listed += found.images
        page = found.next
        if page is None:
            break
    assert len({(image.repository, image.digest) for image in listed}) == len(listed) == 5
    assert {package.name for image in listed for package in image.packages} == {"nginx", "nginx-common", "nginx-light"}


def test_the_images_with_a_vulnerability_are_those_whose_reports_say_so(fleet: Fleet) -> None:
    """One verdict: the way from a vulnerability to its images and the reports of the images agree."""
    application = fleet.application
    reports = {
        (image.repository, image.digest): application.report.image(image.digest)
        for image in application.report.list_images().images
    }
    vulnerabilities = {finding.vulnerability for found in reports.values() for finding in found.findings}
    assert len(vulnerabilities) > 5
    for vulnerability in vulnerabilities:
        walked = {(image.repository, image.digest) for image in application.report.images_with(vulnerability).images}
        told = {
            place
            for place, found in reports.items()
            if any(finding.vulnerability == vulnerability for finding in found.findings)
        }
        assert walked == told


def test_a_deleted_image_leaves_the_queries() -> None:
    fleet = Fleet()
    fleet.load("debian")
    digest = fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1.0")
    fleet.registry.delete_manifest(SHOP, digest)
    fleet.push(SHOP, "1.0")
    assert fleet.application.report.images_with("CVE-2013-0337").images == ()
    assert fleet.application.report.list_images().images == ()


def test_every_feed_part_is_listed_with_how_it_stands(fleet: Fleet) -> None:
    stands = {(feed.feed, feed.part): feed for feed in fleet.application.report.list_feeds().feeds}
    assert stands["debian", "tracker"].state is CoverageState.OK
    assert stands["debian", "tracker"].age_seconds == 0.0
    assert stands["debian", "tracker"].supported["debian:12"]
    assert stands["alpine", "v3.19"].state is CoverageState.MISSING
    assert stands["alpine", "v3.19"].last_success is None


def test_a_feed_that_fails_says_since_when_and_why(fleet: Fleet) -> None:
    fleet = Fleet()
    lease = fleet.ports.feeds.lease("debian", "tracker", now=NOW, seconds=60)
    assert isinstance(lease, Lease)
    fleet.ports.feeds.save_part(replace(LOADED, failure="500", last_success=NOW - 10 * 86400), lease)
    (found,) = [feed for feed in fleet.application.report.list_feeds().feeds if feed.feed == "debian"]
    assert (found.state, found.failure, found.age_seconds) == (CoverageState.STALE, "500", 10 * 86400)
    assert "10 days ago" in found.detail


# --- pages


@pytest.mark.parametrize("page", ["", "x", "bm90IGpzb24=", "WzEsMl0=", "W251bGwsIi0xIl0=", "é"])
def test_a_page_that_was_not_given_out_is_refused(fleet: Fleet, page: str) -> None:
    with pytest.raises(BadRequest, match="page"):
        fleet.application.report.layer(sha256(layer(DPKG)), page=page)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_bounds_is_refused(fleet: Fleet, limit: int) -> None:
    with pytest.raises(BadRequest, match="limit"):
        fleet.application.report.list_images(limit=limit)


@pytest.mark.parametrize("name", ["", "x" * 201, "CVE\n1"])
def test_a_name_that_no_vulnerability_has_is_refused(fleet: Fleet, name: str) -> None:
    with pytest.raises(BadRequest):
        fleet.application.report.vulnerability(name)


def test_a_layer_of_many_packages_comes_in_pages(fleet: Fleet) -> None:
    digest = sha256(layer(DPKG))
    whole = fleet.application.report.layer(digest).packages
    walked: list[report.LayerPackage] = []
    page = None
    while True:
        found = fleet.application.report.layer(digest, page=page, limit=7)
        walked += found.packages
        page = found.next
        if page is None:
            break
    assert tuple(walked) == whole


def test_a_report_that_is_too_large_for_one_answer_comes_in_pages() -> None:
    """127 layers, 20,000 packages: each answer under Lambda's 6 MB, together everything."""
    status = b"".join(
        b"Package: package-%d\nStatus: install ok installed\nVersion: 1.%d\nArchitecture: amd64\n"
        b"Source: a-source-package-%s (1.0)\n\n" % (number, number, b"x" * 200)
        for number in range(20_000)
    )
    fleet = Fleet()
    layers = [packed({f"opt/{number}": b"x"}) for number in range(125)]
    fleet.registry.add_image(SHOP, "big", [layer(DEBIAN), *layers, packed({"var/lib/dpkg/status": status})])
    fleet.push(SHOP, "big")
    digest = fleet.registry.tag_digests[SHOP]["big"]
    names: list[str] = []
    page = None
    pages = 0
    while True:
        found = fleet.application.report.image(digest, page=page)
        assert len(orjson.dumps(found)) < 5_000_000
        assert found.coverage
        names += [package.name for package in found.packages]
        pages += 1
        page = found.next
        if page is None:
            break
    assert pages > 1
    assert len(set(names)) == len(names) == 20_000


def test_values_are_json_as_they_are(fleet: Fleet) -> None:
    digest = fleet.registry.tag_digests[SHOP]["1.0"]
    found = fleet.application.report.image(digest)
    assert orjson.loads(orjson.dumps(found)) == orjson.loads(orjson.dumps(asdict(found)))


def test_an_image_that_is_affected_through_two_sets_comes_once_with_the_packages_of_both() -> None:
    fleet = Fleet()
    fleet.load("debian")
    known = image(OPENSSL)
    references = []
    vulnerable = replace(OPENSSL, version="3.0.11-1", source=Source(name="openssl", version="3.0.11-1"))
    for number, package in enumerate([vulnerable, replace(vulnerable, name="openssl")]):
        some = replace(package_set(package), id=SetId(f"set-{number}"))
        fleet.ports.sets.begin(some)
        fleet.ports.sets.link(some.id, ecosystems.load()["deb"].features(package, "debian:12"))
        assert fleet.ports.sets.complete(some.id, [verdict(package, "CVE-2024-5535")], rev=0)
        fleet.ports.sets.join(some.id, Membership(digest=DIGEST, repository=SHOP))
        references.append(replace(known.sets[0], set=some.id))
    fleet.ports.images.save_image(replace(known, sets=tuple(references)))
    fleet.ports.images.add_membership(DIGEST, SHOP, "1.0")
    for limit in (1, 100):
        (found,) = fleet.application.report.images_with("CVE-2024-5535", limit=limit).images
        assert [package.name for package in found.packages] == ["libssl3", "openssl"]
    first = fleet.application.report.images_with("CVE-2024-5535", limit=1)
    assert first.next
    assert fleet.application.report.images_with("CVE-2024-5535", limit=1, page=first.next).images == ()
