"""What is known of a layer, an image, a vulnerability, the fleet and the feeds?

`image_report` builds the answer of `eclair scan --json` and of the API alike, from values alone; `Report` reads the
values from the stores, page by page. A report names in `coverage` whatever it could not tell, so that an empty list of
findings is never mistaken for a clean image.
"""

import base64
import binascii
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from math import inf
from typing import Final, TypeVar

import orjson

from eclair import ecosystems, feeds
from eclair.enrich import known_of
from eclair.errors import BadRequest, NotFound
from eclair.explain import (
    Bearing,
    Comparison,
    Consideration,
    Period,
    Revisions,
    as_of,
    considerations,
    periods,
    verdict_on,
)
from eclair.health import FeedList, FeedReport, feed_list, feed_report, standing
from eclair.model import (
    CoverageState,
    CvssScore,
    Digest,
    Distribution,
    Effect,
    Enrichment,
    Exploitation,
    ExploitProbability,
    Feature,
    FeatureId,
    FeedPart,
    Image,
    ImageState,
    Kind,
    Layer,
    Mark,
    Member,
    Membership,
    Package,
    PackageSet,
    Page,
    Range,
    Repository,
    RuleBook,
    SetId,
    SetReference,
    Severity,
    Source,
    State,
    Statement,
    Suppression,
    Verdict,
)
from eclair.ports import Advisories, Clock, Enrichments, Feeds, Images, Layers, Rules, Sets
from eclair.suppress import InEffect, Subject
from eclair.verdict import HIDING, SHOWN, key_ranges, shown, worst

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_BYTES = 4_500_000
"""Of one answer; Lambda returns 6 MB at the most."""
BATCH = 50
"""Items read at once; the size of an answer is looked at between two batches."""
MAX_BATCH_BYTES = 500_000
"""What a batch, and what stands around the items, may add to an answer after that look."""
MAX_NAME = 200
"""Characters of the name of a vulnerability."""
MAX_TAGS = 20
"""Tags of an image that a list names."""
NAMED = 10
"""Problems or packages that the detail of a coverage entry names."""

NEGLIGIBLE: Final = "negligible"
"""Why a finding in a state that is shown is hidden all the same."""

T = TypeVar("T")


# --- one image -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageName:
    """Which image a report is about, as it is known in one repository."""

    digest: Digest
    platform: str
    repository: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionName:
    """The distribution as os-release names it."""

    id: str
    version: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayer:
    """A layer of an image and the number of packages that its databases list."""

    digest: Digest
    created_by: str
    packages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePackage:
    """A package of an image; `introduced_in` is the layer that brought it."""

    name: str
    version: str
    arch: str
    type: str
    namespace: str
    source: Source | None
    path: str
    introduced_in: Digest
    purl: str
    owned_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One vulnerability of one package of an image, as its verdict says.

    `suppressed` says why it need not be told, where that is so. Beside the verdict: its CVSS base score by NVD, since
    when it is known to be exploited (CISA KEV), and how likely that is in the next 30 days (EPSS); None where no feed
    that is loaded says it.
    """

    vulnerability: str
    advisories: tuple[str, ...]
    aliases: tuple[str, ...]
    package: str
    version: str
    arch: str
    type: str
    source: Source | None
    purl: str
    namespace: str
    fixed_version: str | None
    fix_channel: str | None
    state: State
    severity: Severity
    severity_source: str
    path: str
    introduced_in: Digest
    feed: str
    confidence: str
    marks: tuple[Mark, ...]
    cvss: float | None = None
    exploited: str | None = None
    epss: float | None = None
    suppressed: Suppression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How far the findings of one namespace may be believed, and why."""

    namespace: str
    feed: str
    revision: str
    state: CoverageState
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReport:
    """Everything known of one image; `hidden` counts the findings left out, by state or "negligible", and `suppressed`
    those among the others that need not be told.
    """

    image: ImageName
    distribution: DistributionName | None
    layers: tuple[ImageLayer, ...]
    packages: tuple[ImagePackage, ...]
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]
    hidden: Mapping[str, int] = field(default_factory=dict)
    suppressed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImageReport(ImageReport):
    """The report of a stored image; findings, then packages, go on at page `next` where they are too many."""

    state: ImageState
    reason: str
    memberships: tuple[Membership, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instance:
    """A package where it is installed, with what it is matched by."""

    package: ImagePackage
    features: tuple[Feature, ...]


FeedParts = Mapping[tuple[str, str], FeedPart]
"""How the parts stand, by feed and name."""


def image_report(
    image: Image,
    memberships: Sequence[Membership],
    sets: Sequence[PackageSet],
    verdicts: Mapping[SetId, Sequence[Verdict]],
    parts: FeedParts,
    now: float,
    *,
    rules: RuleBook | None = None,
    all_states: bool = False,
) -> ImageReport:
    """Build the report of an image from its sets, their verdicts (a set that has none yet is left out), and the feeds.

    The image goes by the first membership, also for the rules.
    """
    by_id = {package_set.id: package_set for package_set in sets}
    found = [(reference, by_id[reference.set]) for reference in image.sets if reference.set in by_id]
    instances = {reference.set: tuple(_instances(image, reference, packages)) for reference, packages in found}
    membership = memberships[0] if memberships else None
    quiet = InEffect(rules or RuleBook(), membership.repository if membership else Repository(""), now)
    findings = [
        finding
        for set_id, some in instances.items()
        for finding in _findings(some, verdicts.get(set_id, ()), image.digest, quiet)
    ]
    hidden = Counter(reason for finding in findings if (reason := _hidden(finding)))
    return ImageReport(
        image=ImageName(
            digest=image.digest,
            platform=str(image.platform or ""),
            repository=membership.repository if membership else "",
            tags=membership.tags if membership else (),
        ),
        distribution=_distribution_name(image.distribution),
        layers=tuple(_layers(image)),
        packages=tuple(sorted((some.package for each in instances.values() for some in each), key=_package_order)),
        findings=tuple(sorted((one for one in findings if all_states or not _hidden(one)), key=_finding_order)),
        coverage=tuple(_coverage(image, instances, frozenset(verdicts), parts, now)),
        hidden={} if all_states else dict(sorted(hidden.items())),
        suppressed=sum(finding.suppressed is not None for finding in findings),
    )


def _distribution_name(distribution: Distribution | None) -> DistributionName | None:
    if distribution is None:
        return None
    return DistributionName(id=distribution.id, version=distribution.version, name=distribution.name)


def _layers(image: Image) -> Iterator[ImageLayer]:
    counts = (*image.package_counts, *(0 for _ in image.layers))
    for layer, count in zip(image.layers, counts, strict=False):
        yield ImageLayer(digest=layer.digest, created_by=layer.created_by, packages=count)


def _instances(image: Image, reference: SetReference, package_set: PackageSet) -> Iterator[_Instance]:
    ecosystem = ecosystems.load()[package_set.type]
    for package, origin in zip(package_set.packages, reference.origins, strict=True):
        listed = ImagePackage(
            name=package.name,
            version=package.version,
            arch=package.arch,
            type=package.type,
            namespace=package_set.namespace,
            source=package.source,
            path=package.path,
            introduced_in=image.layers[origin].digest,
            purl=ecosystem.purl(package, image.distribution),
            owned_by=package.owned_by,
        )
        yield _Instance(package=listed, features=ecosystems.features(package, package_set.namespace))


def _findings(
    instances: Iterable[_Instance], verdicts: Iterable[Verdict], digest: Digest, quiet: InEffect
) -> Iterator[Finding]:
    """Yield one finding per package and vulnerability."""
    of_feature: defaultdict[FeatureId, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        of_feature[verdict.feature].append(verdict)
    for instance in instances:
        said: defaultdict[str, list[Verdict]] = defaultdict(list)
        for feature in instance.features:
            for verdict in of_feature.get(feature.id, ()):
                said[verdict.vulnerability].append(verdict)
        for some in said.values():
            if counting := worst(some):
                about = Subject(verdict=counting, package=instance.package, purl=instance.package.purl, digest=digest)
                suppressed = quiet.suppression(about) if quiet and shown(counting) else None
                yield _finding(instance.package, counting, some, suppressed)


def _finding(
    package: ImagePackage, counting: Verdict, verdicts: Sequence[Verdict], suppressed: Suppression | None
) -> Finding:
    """Join the verdicts on what a package is matched by: one counts, the records of all are named."""
    return Finding(
        vulnerability=counting.vulnerability,
        advisories=tuple(sorted({advisory for verdict in verdicts for advisory in verdict.advisories})),
        aliases=tuple(sorted({alias for verdict in verdicts for alias in verdict.aliases})),
        package=package.name,
        version=package.version,
        arch=package.arch,
        type=package.type,
        source=package.source,
        purl=package.purl,
        namespace=package.namespace,
        fixed_version=counting.fixed_version,
        fix_channel=counting.fix_channel,
        state=counting.state,
        severity=counting.severity,
        severity_source=counting.severity_source,
        path=package.path,
        introduced_in=package.introduced_in,
        feed=counting.feed,
        confidence="low" if Mark.LOW_CONFIDENCE in counting.marks else "high",
        marks=tuple(mark for mark in counting.marks if mark is not Mark.LOW_CONFIDENCE),
        suppressed=suppressed,
    )


def _hidden(finding: Finding) -> str | None:
    """Return why a finding is hidden unless all are asked for; the same rule as `verdict.shown`."""
    if finding.state not in SHOWN:
        return finding.state.value
    for mark in finding.marks:
        if mark in HIDING:
            return mark.value
    return NEGLIGIBLE if finding.severity is Severity.NEGLIGIBLE else None


def _package_order(package: ImagePackage) -> tuple[str, ...]:
    return package.type, package.name, package.version, package.arch, package.path


def _finding_order(finding: Finding) -> tuple[int, str, str, str, str]:
    return finding.severity.rank, finding.vulnerability, finding.package, finding.version, finding.arch + finding.path


# --- coverage --------------------------------------------------------------------------------------------------------

_UNREAD: Final[Mapping[ImageState, CoverageState]] = {
    ImageState.QUEUED: CoverageState.LOADING,
    ImageState.FAILED: CoverageState.FAILED,
    ImageState.SKIPPED: CoverageState.UNSUPPORTED,
}


def _coverage(
    image: Image, instances: Mapping[SetId, Sequence[_Instance]], judged: frozenset[SetId], parts: FeedParts, now: float
) -> Iterator[Coverage]:
    named = image.distribution.namespace if image.distribution else None
    if image.state is not ImageState.INDEXED:
        detail = f"the image is {image.state}{f': {image.reason}' if image.reason else ', not read yet'}"
        yield _uncovered(named or "", _UNREAD[image.state], detail)
    for reference in image.sets:
        if reference.set not in instances:
            yield _uncovered(reference.namespace, CoverageState.LOADING, "the package list is not stored yet")
        elif reference.namespace:
            remarks = _remarks(image.distribution, reference.namespace, now)
            is_judged = reference.set in judged
            yield _of_namespace(reference, instances[reference.set], parts, now, remarks=remarks, judged=is_judged)
        else:
            yield _of_no_namespace(image.distribution, reference.type, len(instances[reference.set]))
    if image.state is ImageState.INDEXED and (not image.sets or (named and not _has(image, named))):
        yield _uncovered(named or "", CoverageState.UNSUPPORTED, _nothing_found(image.distribution))
    if image.problems:
        yield _uncovered(named or "", CoverageState.DAMAGED, _problems(image.problems))


def _has(image: Image, namespace: str) -> bool:
    return any(reference.namespace == namespace for reference in image.sets)


def _uncovered(namespace: str, state: CoverageState, detail: str) -> Coverage:
    return Coverage(namespace=namespace, feed="", revision="", state=state, detail=detail)


def _of_no_namespace(distribution: Distribution | None, type_: str, count: int) -> Coverage:
    """Say why packages of an operating system are listed and compared with nothing."""
    if distribution is None:
        detail = f"{count} packages of type {type_}, but no file of the image names its distribution"
        return _uncovered("", CoverageState.UNSUPPORTED, detail)
    detail = distribution.detail or f"{count} packages of type {type_} are not those of {distribution.name}"
    return _uncovered(f"{distribution.id}:{distribution.version}", CoverageState.UNSUPPORTED, detail)


def _nothing_found(distribution: Distribution | None) -> str:
    named = f"the image names itself {distribution.name or distribution.id}, but " if distribution else ""
    return f"{named}no package database was found in it: nothing could be compared"


def _problems(problems: Sequence[tuple[str, str]]) -> str:
    listed = "; ".join(f"{path}: {text}" for path, text in problems[:NAMED])
    return listed if len(problems) <= NAMED else f"{listed}; and {len(problems) - NAMED} more"


def _remarks(distribution: Distribution | None, namespace: str, now: float) -> tuple[str, ...]:
    """Return why the advisories of its namespace say less of a distribution than they seem to."""
    if distribution is None or distribution.namespace != namespace:
        return ()
    remarks = [distribution.detail] if distribution.detail else []
    end = distribution.end_of_life
    if end and datetime.fromtimestamp(now, UTC).date() > date.fromisoformat(end):
        remarks.append(f"support of {distribution.name or distribution.id} ended on {end}")
    return tuple(remarks)


def _of_namespace(
    reference: SetReference,
    instances: Sequence[_Instance],
    parts: FeedParts,
    now: float,
    *,
    remarks: Sequence[str],
    judged: bool,
) -> Coverage:
    authority = feeds.authority(reference.namespace)
    if authority is None:
        detail = "; ".join((f"no feed speaks for {reference.namespace}", *remarks))
        return _uncovered(reference.namespace, CoverageState.UNSUPPORTED, detail)
    feed, name = authority
    part = parts.get((feed.name, name)) or FeedPart(feed=feed.name, name=name)
    state, said = standing(part, now)
    details = [said] if said else []
    if state in {CoverageState.OK, CoverageState.STALE}:
        state, details = _of_release(part, reference.namespace, state, details)
    if not judged:
        state, details = CoverageState.LOADING, ["the verdicts are being computed", *details]
    if remarks:
        details.extend(remarks)
        state = CoverageState.APPROXIMATE if state is CoverageState.OK else state
    unreadable, third_party = _uncompared(instances)
    if unreadable:
        listed = ", ".join(f"{package.name} {package.version}" for package in unreadable[:NAMED])
        details.append(f"{len(unreadable)} packages with versions that cannot be compared: {listed}")
        state = CoverageState.APPROXIMATE if state is CoverageState.OK else state
    if third_party == len(instances):
        state = CoverageState.APPROXIMATE if state is CoverageState.OK else state
    if third_party:
        details.append(f"{third_party} of {len(instances)} packages are not the distribution's: listed, not compared")
    if isinstance(feed, feeds.Omitting):
        details.append(f"feed {feed.name} does not tell {feed.omits}")
    return Coverage(
        namespace=reference.namespace, feed=feed.name, revision=part.revision, state=state, detail="; ".join(details)
    )


def _of_release(
    part: FeedPart, namespace: str, state: CoverageState, details: list[str]
) -> tuple[CoverageState, list[str]]:
    """Old releases keep a few rows: what counts is whether the vendor supports the release now."""
    supported = dict(part.supported).get(namespace)
    if supported is None:
        return CoverageState.UNSUPPORTED, [f"feed {part.feed} says nothing of {namespace}", *details]
    if not supported:
        return CoverageState.UNSUPPORTED, [f"feed {part.feed} no longer supports {namespace}", *details]
    return state, details


def _uncompared(instances: Iterable[_Instance]) -> tuple[list[ImagePackage], int]:
    """Return the packages whose versions cannot be read, and how many others have nothing to be matched by."""
    unreadable, third_party = [], 0
    for instance in instances:
        if not all(map(ecosystems.is_comparable, instance.features)):
            unreadable.append(instance.package)
        third_party += not instance.features
    return unreadable, third_party


# --- layers, images, vulnerabilities, feeds --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPackage:
    """A package that a database of a layer lists, before other layers are stacked upon it."""

    name: str
    version: str
    arch: str
    type: str
    source: Source | None
    path: str
    owned_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A file of a layer that was read."""

    path: str
    analyser: str
    packages: int
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """What one layer blob holds; `whiteouts` counts the paths and directories it takes away from layers below."""

    digest: Digest
    diff_id: Digest
    databases: tuple[Database, ...]
    whiteouts: int
    packages: tuple[LayerPackage, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSummary:
    """One image in one repository; of its tags the first are named, `tag_count` counts all."""

    digest: Digest
    repository: Repository
    tags: tuple[str, ...]
    tag_count: int
    platform: str
    state: ImageState
    reason: str
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageList:
    """A page of images."""

    images: tuple[ImageSummary, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementReport:
    """What one feed says of one package under one advisory id."""

    feed: str
    advisory: str
    type: str
    namespace: str
    kind: Kind
    package: str
    effect: Effect
    ranges: tuple[Range, ...]
    state: State
    raw_state: str
    severity: Severity
    severity_source: str
    vulnerabilities: tuple[str, ...]
    aliases: tuple[str, ...]
    fix_channel: str | None
    stream: str
    marks: tuple[Mark, ...]
    revision: str
    first_seen: float
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsideredStatement:
    """A statement, what it came to for a package, and how each of its ranges was compared."""

    statement: StatementReport
    bearing: Bearing
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictPeriod:
    """A time (`until`: excluded, None is now) in which a verdict stood; a state of None says that there was none.

    `complete` is false where it is not kept any more what some statement said at that time.
    """

    since: float
    until: float | None
    state: State | None
    severity: Severity | None
    fixed_version: str | None
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedPackage:
    """Why a package is affected or not: what it was compared as, by which statements, and how that changed over time.

    A state of None says that no statement concerns the version.
    """

    name: str
    version: str
    arch: str
    type: str
    namespace: str
    path: str
    introduced_in: Digest
    compared_kind: Kind
    compared_name: str
    compared_version: str
    state: State | None
    severity: Severity | None
    severity_source: str | None
    fixed_version: str | None
    considered: tuple[ConsideredStatement, ...]
    history: tuple[VerdictPeriod, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an image is, or at a moment (`at`) was, affected by a vulnerability or not, and how the feeds stand."""

    image: Digest
    vulnerability: str
    at: float | None
    packages: tuple[ExplainedPackage, ...]
    feeds: tuple[FeedReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityReport:
    """A page of what feeds say of a vulnerability."""

    vulnerability: str
    cvss: CvssScore | None
    exploited: Exploitation | None
    probability: ExploitProbability | None
    statements: tuple[StatementReport, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedPackage:
    """A package of an affected image, and where it is fixed."""

    name: str
    version: str
    arch: str
    type: str
    fixed_version: str | None
    state: State
    severity: Severity
    introduced_in: Digest
    suppressed: Suppression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedImage:
    """An image of a repository that a vulnerability affects."""

    digest: Digest
    repository: Repository
    tags: tuple[str, ...]
    tag_count: int
    platform: str
    packages: tuple[AffectedPackage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedImages:
    """A page of the images that a vulnerability affects."""

    vulnerability: str
    images: tuple[AffectedImage, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The use case over its ports."""

    images: Images
    layers: Layers
    sets: Sets
    advisories: Advisories
    rules: Rules
    feeds: Feeds
    enrichments: Enrichments
    clock: Clock
    feeds_in_use: frozenset[str] = frozenset()

    def layer(self, digest: Digest, *, page: str | None = None, limit: int = MAX_LIMIT) -> LayerReport:
        """Report what was read from a layer. Raises `NotFound`."""
        layer = self.layers.layer(digest)
        if layer is None:
            raise NotFound(f"layer {digest} was not read: push an image that has it")
        found = _fill(_sliced(tuple(_layer_packages(layer))), page, _limited(limit))
        return LayerReport(
            digest=layer.digest,
            diff_id=layer.diff_id,
            databases=tuple(_databases(layer)),
            whiteouts=len(layer.removed) + len(layer.opaque),
            packages=found.items,
            next=found.next,
        )

    def image(
        self, digest: Digest, *, repository: Repository | None = None, all_states: bool = False, page: str | None = None
    ) -> StoredImageReport:
        """Report an image under its name in a repository (the first one, if none is asked for). Raises `NotFound`."""
        image = self.images.image(digest)
        memberships = self.images.memberships(digest)
        if image is None or (repository and all(member.repository != repository for member in memberships)):
            raise NotFound(f"image {digest} is not known{f' in {repository}' if repository else ''}: push it first")
        ordered = sorted(memberships, key=lambda member: (member.repository != repository, member.repository))
        sets = [found for reference in image.sets if (found := self.sets.packages(reference.set))]
        built = image_report(
            image,
            ordered,
            sets,
            dict(self._judged(sets)),
            self._parts_for(image),
            self.clock(),
            rules=self.rules.book(),
            all_states=all_states,
        )
        cut = _cut(built, image, tuple(ordered), page)
        known = self._known(finding.vulnerability for finding in cut.findings)
        return replace(cut, findings=tuple(_enriched(finding, known) for finding in cut.findings))

    def _judged(self, sets: Iterable[PackageSet]) -> Iterator[tuple[SetId, tuple[Verdict, ...]]]:
        for package_set in sets:
            version, verdicts = self.sets.verdicts(package_set.id)
            if version:
                yield package_set.id, verdicts

    def _parts_for(self, image: Image) -> FeedParts:
        authorities = [feeds.authority(reference.namespace) for reference in image.sets if reference.namespace]
        names = {authority[0].name for authority in authorities if authority}
        return {(part.feed, part.name): part for name in names for part in self.feeds.parts(name)}

    def list_images(
        self,
        *,
        repository: Repository | None = None,
        tag: str | None = None,
        page: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> ImageList:
        """List the images of a repository or of all; with a tag, those that carry it."""
        limit = _limited(limit)
        if repository and tag:
            pointer = self.images.tag(repository, tag)
            members = [_membership(self.images, digest, repository) for digest in (pointer.images if pointer else ())]
            return ImageList(images=tuple(self._summary(member) for member in members if member))
        if repository:
            found = _fill(_paged(self._members_of(repository)), page, limit)
        else:
            found = _fill(self._members_of_all, page, limit)
        carrying = (member for member in found.items if not tag or tag in member.tags)
        return ImageList(images=tuple(map(self._summary, carrying)), next=found.next)

    def _members_of(self, repository: Repository) -> Callable[[str | None, int], Page[Membership]]:
        return lambda page, limit: self.images.members_of(repository, page=page, limit=limit)

    def _members_of_all(self, at: "_Place", limit: int) -> tuple[tuple[Membership, ...], "_Place | None"]:
        """Walk repository by repository: the outer place leads to the present one, the inner one into it."""
        repositories = self.images.repositories(page=at.outer, limit=1)
        if not repositories.items:
            return (), None
        members = self.images.members_of(repositories.items[0], page=at.inner, limit=limit)
        if members.next:
            return members.items, _Place(outer=at.outer, inner=members.next)
        return members.items, _Place(outer=repositories.next) if repositories.next else None

    def _summary(self, member: Membership) -> ImageSummary:
        image = self.images.image(member.digest) or Image(digest=member.digest, state=ImageState.QUEUED)
        return ImageSummary(
            digest=member.digest,
            repository=member.repository,
            tags=member.tags[:MAX_TAGS],
            tag_count=len(member.tags),
            platform=str(image.platform or ""),
            state=image.state,
            reason=image.reason,
            changed=image.changed,
        )

    def vulnerability(self, name: str, *, page: str | None = None, limit: int = DEFAULT_LIMIT) -> VulnerabilityReport:
        """Report what the feeds say of a vulnerability. Raises `NotFound` where they say nothing."""
        _check_name(name)
        found = _fill(_paged(lambda at, size: self.advisories.about(name, page=at, limit=size)), page, _limited(limit))
        if not found.items and page is None:
            raise NotFound(f"no feed that is loaded says anything of {name}: see /feeds for what is loaded")
        known = self._known([name]).get(name, Enrichment())
        return VulnerabilityReport(
            vulnerability=name,
            cvss=known.cvss,
            exploited=known.exploited,
            probability=known.probability,
            statements=tuple(map(_statement_report, found.items)),
            next=found.next,
        )

    def _known(self, vulnerabilities: Iterable[str]) -> Mapping[str, Enrichment]:
        return known_of(self.enrichments, feeds.enriching(), vulnerabilities)

    def explain(self, digest: Digest, vulnerability: str, *, at: float | None = None) -> Explanation:
        """Explain why an image is affected by a vulnerability or not, now or as was known at a moment.

        Raises `NotFound` where the image is not known, or nothing was ever said of the vulnerability and its packages.
        """
        _check_name(vulnerability)
        image = self.images.image(digest)
        if image is None:
            raise NotFound(f"image {digest} is not known: push it first")
        instances = [
            instance
            for reference in image.sets
            if (packages := self.sets.packages(reference.set))
            for instance in _instances(image, reference, packages)
        ]
        named = {feature.package for instance in instances for feature in instance.features}
        said = self.advisories.ever_about(vulnerability, named)
        if not said:
            raise NotFound(f"no feed says, or ever said, anything of {vulnerability} and a package of image {digest}")
        revisions = {statement.key: (*self.advisories.before(statement), statement) for statement in said}
        explained = (one for instance in instances for one in _explained(instance, vulnerability, revisions, at))
        return Explanation(
            image=digest,
            vulnerability=vulnerability,
            at=at,
            packages=tuple(explained),
            feeds=tuple(self._feeds_of({statement.package.namespace for statement in said})),
        )

    def _feeds_of(self, namespaces: Iterable[str]) -> Iterator[FeedReport]:
        """Yield how the authorities for some namespaces stand."""
        authorities = {(found[0].name, found[1]) for some in namespaces if (found := feeds.authority(some))}
        for feed, part in sorted(authorities):
            yield self.feed(feed, part)

    def images_with(
        self, vulnerability: str, *, all_states: bool = False, page: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> AffectedImages:
        """List the images that a vulnerability affects by their stored verdicts, each once in each repository."""
        _check_name(vulnerability)
        walk = _Walk(self, vulnerability, all_states=all_states)
        found = _fill(walk.page, page, _limited(limit))
        return AffectedImages(vulnerability=vulnerability, images=found.items, next=found.next)

    def list_feeds(self) -> FeedList:
        """Report how the feeds stand."""
        return feed_list(feeds.load().values(), self.feeds, self.clock, self.feeds_in_use)

    def feed(self, feed: str, part: str) -> FeedReport:
        """Report how one part of a feed stands."""
        stored = self.feeds.part(feed, part) or FeedPart(feed=feed, name=part)
        return feed_report(stored, self.clock())


class _Walk:
    """The way from a vulnerability to the images it affects: statements, features in their ranges, sets, members.

    Sets are walked in the order of their ids, and an image counts with the first of its affected sets, so that it
    comes once however the walk is cut into pages.
    """

    def __init__(self, report: Report, vulnerability: str, *, all_states: bool) -> None:
        self._report = report
        self._vulnerability = vulnerability
        self._all_states = all_states
        self._sets = sorted(self._concerned())
        self._verdicts: dict[SetId, tuple[Verdict, ...]] = {}
        book, now = report.rules.book(), report.clock()
        self._quiet = cache(lambda repository: InEffect(book, repository, now))

    def _concerned(self) -> set[SetId]:
        report = self._report
        packages: defaultdict[object, list[Statement]] = defaultdict(list)
        for statement in _all(lambda at: report.advisories.about(self._vulnerability, page=at, limit=MAX_LIMIT)):
            packages[statement.package].append(statement)
        features = {
            feature.id
            for statements in packages.values()
            for feature in report.sets.features_in(
                statements[0].package, tuple({keys for statement in statements for keys in key_ranges(statement)})
            )
        }
        return {set_id for feature in features for set_id in self._sets_with(feature)}

    def _sets_with(self, feature: FeatureId) -> Iterator[SetId]:
        return _all(lambda at: self._report.sets.sets_with(feature, page=at, limit=MAX_LIMIT))

    def page(self, at: "_Place", limit: int) -> tuple[tuple[AffectedImage, ...], "_Place | None"]:
        """Return some images of one set, and where to go on."""
        ahead = [set_id for set_id in self._sets if at.outer is None or set_id >= at.outer]
        for number, set_id in enumerate(ahead):
            if not self._affecting(set_id):
                continue
            members = self._report.sets.members(set_id, page=at.inner if set_id == at.outer else None, limit=limit)
            found = tuple(image for member in members.items if (image := self._affected(member, set_id)))
            if members.next:
                return found, _Place(outer=set_id, inner=members.next)
            rest = ahead[number + 1 :]
            return found, _Place(outer=rest[0]) if rest else None
        return (), None

    def _affecting(self, set_id: SetId) -> tuple[Verdict, ...]:
        """Return the verdicts of a set on the vulnerability that are shown."""
        if set_id not in self._verdicts:
            _, verdicts = self._report.sets.verdicts(set_id)
            self._verdicts[set_id] = tuple(
                verdict
                for verdict in verdicts
                if verdict.vulnerability == self._vulnerability and (self._all_states or shown(verdict))
            )
        return self._verdicts[set_id]

    def _affected(self, member: Member, set_id: SetId) -> AffectedImage | None:
        """Return the image with all its affected packages; None where it comes with another set, or left."""
        image = self._report.images.image(member.digest)
        membership = _membership(self._report.images, member.digest, member.repository)
        if image is None or membership is None:
            return None
        references = [reference for reference in image.sets if self._affecting(reference.set)]
        if min((reference.set for reference in references), default=None) != set_id:
            return None
        return AffectedImage(
            digest=member.digest,
            repository=member.repository,
            tags=membership.tags[:MAX_TAGS],
            tag_count=len(membership.tags),
            platform=str(image.platform or ""),
            packages=tuple(
                package
                for reference in references
                for package in self._packages(image, reference, self._quiet(member.repository))
            ),
        )

    def _packages(self, image: Image, reference: SetReference, quiet: InEffect) -> Iterator[AffectedPackage]:
        package_set = self._report.sets.packages(reference.set)
        if package_set is None:
            return
        instances = _instances(image, reference, package_set)
        for finding in _findings(instances, self._affecting(reference.set), image.digest, quiet):
            yield AffectedPackage(
                name=finding.package,
                version=finding.version,
                arch=finding.arch,
                type=finding.type,
                fixed_version=finding.fixed_version,
                state=finding.state,
                severity=finding.severity,
                introduced_in=finding.introduced_in,
                suppressed=finding.suppressed,
            )


def _membership(images: Images, digest: Digest, repository: Repository) -> Membership | None:
    found = (member for member in images.memberships(digest) if member.repository == repository)
    return next(found, None)


def _layer_packages(layer: Layer) -> Iterator[LayerPackage]:
    for inventory in layer.inventories:
        for package in inventory.packages:
            yield _layer_package(package)


def _layer_package(package: Package) -> LayerPackage:
    return LayerPackage(
        name=package.name,
        version=package.version,
        arch=package.arch,
        type=package.type,
        source=package.source,
        path=package.path,
        owned_by=package.owned_by,
    )


def _databases(layer: Layer) -> Iterator[Database]:
    for inventory in layer.inventories:
        yield Database(
            path=inventory.path,
            analyser=inventory.analyser,
            packages=len(inventory.packages),
            problem=inventory.problem,
        )


def _statement_report(statement: Statement) -> StatementReport:
    return StatementReport(
        feed=statement.feed,
        advisory=statement.id,
        type=statement.package.scheme,
        namespace=statement.package.namespace,
        kind=statement.package.kind,
        package=statement.package.name,
        effect=statement.effect,
        ranges=statement.ranges,
        state=statement.state,
        raw_state=statement.raw_state,
        severity=statement.severity,
        severity_source=statement.severity_source,
        vulnerabilities=statement.vulnerabilities,
        aliases=statement.aliases,
        fix_channel=statement.fix_channel,
        stream=statement.stream,
        marks=statement.marks,
        revision=statement.revision,
        first_seen=statement.first_seen,
        changed=statement.changed,
    )


def _explained(
    instance: _Instance, vulnerability: str, revisions: Revisions, at: float | None
) -> Iterator[ExplainedPackage]:
    """Yield what is said of each of the features that a package is matched by, where anything ever was."""
    package = instance.package
    moment = inf if at is None else at
    for feature in instance.features:
        about = {key: said for key, said in revisions.items() if key.package == feature.package}
        if not about:
            continue
        statements = as_of(about, moment)
        verdict = verdict_on(feature, vulnerability, statements)
        yield ExplainedPackage(
            name=package.name,
            version=package.version,
            arch=package.arch,
            type=package.type,
            namespace=package.namespace,
            path=package.path,
            introduced_in=package.introduced_in,
            compared_kind=feature.package.kind,
            compared_name=feature.package.name,
            compared_version=feature.version,
            state=verdict.state if verdict else None,
            severity=verdict.severity if verdict else None,
            severity_source=verdict.severity_source if verdict else None,
            fixed_version=verdict.fixed_version if verdict else None,
            considered=tuple(map(_considered, considerations(feature, vulnerability, statements))),
            history=tuple(map(_verdict_period, periods(feature, vulnerability, about))),
        )


def _considered(found: Consideration) -> ConsideredStatement:
    return ConsideredStatement(
        statement=_statement_report(found.statement), bearing=found.bearing, comparisons=found.comparisons
    )


def _verdict_period(period: Period) -> VerdictPeriod:
    return VerdictPeriod(
        since=period.since,
        until=period.until,
        state=period.verdict.state if period.verdict else None,
        severity=period.verdict.severity if period.verdict else None,
        fixed_version=period.verdict.fixed_version if period.verdict else None,
        complete=period.complete,
    )


# --- pages -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a walk through pages within pages goes on."""

    outer: str | None = None
    inner: str | None = None

    @property
    def token(self) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self.outer, self.inner])).decode()

    @staticmethod
    def read(token: str | None) -> "_Place":
        if token is None:
            return _Place()
        try:
            read: object = orjson.loads(base64.urlsafe_b64decode(token.encode()))
        except (binascii.Error, orjson.JSONDecodeError, ValueError) as error:
            raise _bad_page(token) from error
        match read:
            case [str() | None as outer, str() | None as inner]:
                return _Place(outer=outer, inner=inner)
        raise _bad_page(token)


def _bad_page(token: str) -> BadRequest:
    return BadRequest(f"page {token[:100]!r} cannot be read: pass on the `next` of the answer before, unchanged")


def _check_name(vulnerability: str) -> None:
    if not (vulnerability.isprintable() and 1 <= len(vulnerability) <= MAX_NAME):
        raise BadRequest(f"vulnerability {vulnerability[:MAX_NAME]!r} has not 1 to {MAX_NAME} printable characters")


def _limited(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise BadRequest(f"limit {limit} is not from 1 to {MAX_LIMIT}")
    return limit


def _all(fetch: Callable[[str | None], Page[T]]) -> Iterator[T]:
    page = fetch(None)
    yield from page.items
    while page.next:
        page = fetch(page.next)
        yield from page.items


Fetch = Callable[["_Place", int], tuple[tuple[T, ...], "_Place | None"]]
"""Gives some items from a place on, at most so many, and the place after them."""


def _paged(fetch: Callable[[str | None, int], Page[T]]) -> Fetch[T]:
    """Walk the pages of a port."""

    def at(place: _Place, limit: int) -> tuple[tuple[T, ...], _Place | None]:
        page = fetch(place.inner, limit)
        return page.items, _Place(inner=page.next) if page.next else None

    return at


def _sliced(items: Sequence[T]) -> Fetch[T]:
    """Walk a sequence by offsets."""

    def at(place: _Place, limit: int) -> tuple[tuple[T, ...], _Place | None]:
        start = _offset(place)
        end = start + limit
        return tuple(items[start:end]), _Place(inner=str(end)) if end < len(items) else None

    return at


def _offset(place: _Place) -> int:
    if place.inner is None:
        return 0
    if not (place.inner.isascii() and place.inner.isdigit() and len(place.inner) < 10):
        raise _bad_page(place.token)
    return int(place.inner)


def _fill(fetch: Fetch[T], page: str | None, limit: int) -> Page[T]:
    """Fetch batches until the page has enough items, or enough bytes."""
    found: list[T] = []
    size = 0
    place: _Place | None = _Place.read(page)
    while place is not None and len(found) < limit and size < MAX_BYTES - MAX_BATCH_BYTES:
        items, place = fetch(place, min(BATCH, limit - len(found)))
        found.extend(items)
        size += len(orjson.dumps(items))
    return Page(items=tuple(found), next=place.token if place else None)


def _enriched(finding: Finding, known: Mapping[str, Enrichment]) -> Finding:
    """Return the finding with what is known of its vulnerability beside the advisories."""
    said = known.get(finding.vulnerability)
    if said is None:
        return finding
    return replace(
        finding,
        cvss=said.cvss.score if said.cvss else None,
        exploited=said.exploited.added if said.exploited else None,
        epss=said.probability.score if said.probability else None,
    )


def _cut(built: ImageReport, image: Image, memberships: tuple[Membership, ...], page: str | None) -> StoredImageReport:
    """Return the part of the report that fits: findings first, then packages."""
    rest: tuple[Finding | ImagePackage, ...] = (*built.findings, *built.packages)
    part = _fill(_sliced(rest), page, len(rest) or 1)
    return StoredImageReport(
        image=built.image,
        distribution=built.distribution,
        layers=built.layers,
        packages=tuple(item for item in part.items if isinstance(item, ImagePackage)),
        findings=tuple(item for item in part.items if isinstance(item, Finding)),
        coverage=built.coverage,
        hidden=built.hidden,
        suppressed=built.suppressed,
        state=image.state,
        reason=image.reason,
        memberships=memberships,
        next=part.next,
    )
