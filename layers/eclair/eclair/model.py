"""The words of Eclair as frozen values; nothing here does I/O.

Digests are written `algorithm:hex` as in the OCI image specification, versions as their databases write them,
times as seconds since 1970 (UTC). A `Repository` is `registry/name`, for instance
`123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/cart`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NewType, TypeVar

Digest = NewType("Digest", str)
Repository = NewType("Repository", str)
SetId = NewType("SetId", str)
FeatureId = NewType("FeatureId", str)

T_co = TypeVar("T_co", covariant=True)


class Severity(StrEnum):
    """How bad, from the vendor's word or a CVSS rating; members stand from worst to unknown."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NEGLIGIBLE = "negligible"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """Return 0 for the worst; `unknown` ranks last."""
        return _SEVERITY_RANKS[self]


_SEVERITY_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Effect(StrEnum):
    """What a statement says: inside its ranges the package is affected, or it is not affected at all."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not-affected"


class State(StrEnum):
    """What the vendor does about it; `fixed` means a fix exists and the installed version lacks it."""

    AFFECTED = "affected"
    FIXED = "fixed"
    WILL_NOT_FIX = "will-not-fix"
    DEFERRED = "deferred"
    END_OF_LIFE = "end-of-life"
    UNDER_INVESTIGATION = "under-investigation"
    NOT_AFFECTED = "not-affected"


class Mark(StrEnum):
    """What else is to be known of a finding.

    malware: the package was made to do harm. disputed, rejected: whether it is a vulnerability at all. low-confidence:
    the package is known by half of its name. no-kernel: it is built from the kernel's source, but is no kernel.
    """

    MALWARE = "malware"
    DISPUTED = "disputed"
    REJECTED = "rejected"
    LOW_CONFIDENCE = "low-confidence"
    NO_KERNEL = "no-kernel"


class CoverageState(StrEnum):
    """How far an empty report may be believed, for one namespace and feed.

    ok: the release is supported by the feed and the feed is loaded. loading: the first load has not closed.
    stale: loaded, but the last success is too long ago. approximate: something could not be compared or mapped.
    unsupported: no feed of ours speaks for this release (now). missing: a feed would, but none was loaded.
    failed: the feed never loaded. damaged: a package database of the image could not be read in full.
    """

    OK = "ok"
    LOADING = "loading"
    STALE = "stale"
    APPROXIMATE = "approximate"
    UNSUPPORTED = "unsupported"
    MISSING = "missing"
    FAILED = "failed"
    DAMAGED = "damaged"


class Kind(StrEnum):
    """Whether a package name in an advisory is that of the source or of the binary package."""

    SOURCE = "source"
    BINARY = "binary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T_co]):
    """Some items and, where there are more, the opaque token that asks for the next page."""

    items: tuple[T_co, ...]
    next: str | None = None


# --- what is installed -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source package that a binary package was built from."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One installed package, as one database or artefact of an image names it.

    `type` is the purl type; `version` is written as the database writes it; `path` is the database or file, without
    a leading slash. `third_party` marks a package that the distribution did not build; it is listed, not matched.
    `context` are the words, sorted and parted by blanks, that decide which statements apply: `module:NAME:STREAM`,
    `repository:ID`, `pro`.
    """

    type: str
    name: str
    version: str
    arch: str = ""
    source: Source | None = None
    path: str
    owned_by: str | None = None
    third_party: bool = False
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """The distribution of an image; `id`, `version` and `name` are ID, VERSION_ID and PRETTY_NAME of os-release.

    `namespace` is None where no feed of ours could speak for this release; then `detail` says why. With a namespace,
    `detail` says how far its advisories fit. `end_of_life` is the day (YYYY-MM-DD) on which the vendor's support ends,
    where that is known.
    """

    id: str
    version: str
    name: str
    namespace: str | None = None
    detail: str = ""
    end_of_life: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """Which files of a layer a reader asks for; all paths without leading slash.

    `paths` are exact. Of `directories` (ending in `/`) every file directly within is read. `names` are base names and
    `suffixes` the ends of paths, anywhere in the file system (`package.json`, `.jar`, `.dist-info/METADATA`); one
    without a slash has a dot and fits in any letter case, and one of the form `conda-meta/*.json` asks for all files
    so named directly within such a directory. `magics` are the first bytes of regular files, anywhere (`\\x7fELF`). Of
    ELF files told by their magic only those are read that have a section with one of the names in `sections`, if any
    are given, or that do not say what their sections are.
    """

    paths: frozenset[str] = frozenset()
    directories: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    magics: tuple[bytes, ...] = ()
    sections: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What one file of a layer contributes: packages, or facts about the distribution.

    `analyser` names the ecosystem module (`dpkg`, `apk`, …) or `distribution`. `facts` are the key-value pairs of a
    distribution file (os-release variables, the release in /etc/apk/repositories). `owned` are the (path, package
    name) of files that the package manager installed, of a database or one of its file lists; the result of a layer
    keeps those that another reader may care for. `problem` says what could not be read; it is set beside the packages
    that could.
    """

    path: str
    analyser: str
    packages: tuple[Package, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    owned: tuple[tuple[str, str], ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A symbolic or a `hard` link in the place of a file or directory of interest; `target` is as it is written."""

    path: str
    target: str
    hard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The result of reading one layer blob once; all paths without leading slash.

    `removed` are the paths that the layer takes away from the layers below, `opaque` are directories whose lower
    content is hidden as a whole ("" is the root). `links` are those that may lead to files of interest. `written` are
    the paths of all that the layer holds, packed by `path_list`: each replaces what the layers below have there.
    `asked` names the analysers that looked into a file of it, whatever they found, and `analysers` all that would have,
    each with its version: together they tell whether the layer has to be read again for better ones.
    """

    digest: Digest
    diff_id: Digest
    inventories: tuple[Inventory, ...] = ()
    removed: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    written: bytes = b""
    asked: tuple[str, ...] = ()
    analysers: tuple[tuple[str, str], ...] = ()


LAYER_VERSION = 2
"""The version of how layers are read: raise it when the same one would give another result, whoever reads its files."""


# --- images ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """An OCI platform; written `os/architecture[/variant]`."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """An OCI content descriptor: what is behind a digest, and how many bytes (-1: not said)."""

    digest: Digest
    media_type: str
    size: int = -1
    platform: Platform | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    artifact_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReference:
    """A layer in its image: the blob, its digest when inflated, and the history line that made it.

    `digest` is the diff_id where the archive names no blob (docker save). `annotations` are those that pin a table of
    contents.
    """

    digest: Digest
    diff_id: Digest
    media_type: str
    size: int
    created_by: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image manifest with its configuration: the layers in order, lowest first."""

    digest: Digest
    platform: Platform
    layers: tuple[LayerReference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An OCI index (or docker manifest list): one descriptor per platform or attestation."""

    digest: Digest
    manifests: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A manifest that is no container image (Helm chart, signature, attestation, SBOM), with the reason."""

    digest: Digest
    reason: str


class ImageState(StrEnum):
    """queued: known, not read yet. indexed: its sets and verdicts stand. failed, skipped: see the reason."""

    QUEUED = "queued"
    INDEXED = "indexed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReference:
    """A package set of an image; `origins[i]` is the index into the image's layers that brought package i."""

    set: SetId
    type: str
    namespace: str
    origins: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One manifest digest of one platform, and what is known of it; repositories and tags point at it.

    `problems` are the (path, text) of databases that could not be read in full. `analysers` is a digest of the versions
    of those that read it. `replaced` are sets that an earlier reading gave and that the image still has to leave. `rev`
    counts what was stored, so that nobody replaces what he has not seen.
    """

    digest: Digest
    state: ImageState
    platform: Platform | None = None
    layers: tuple[LayerReference, ...] = ()
    package_counts: tuple[int, ...] = ()
    distribution: Distribution | None = None
    sets: tuple[SetReference, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    changed: float = 0.0
    analysers: str = ""
    replaced: tuple[SetReference, ...] = ()
    rev: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """An image in a repository, with the tags that lead to it there (also through an index).

    `joined` is when it came: an image that left and came back is in another stay, in which it is told everything anew.
    """

    digest: Digest
    repository: Repository
    tags: tuple[str, ...] = ()
    joined: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """Where a tag points: the digest the registry gave, the images behind it, and when that was said.

    `stale` are images that an earlier pointing left with the tag and that still have to lose it.
    """

    repository: Repository
    name: str
    digest: Digest
    images: tuple[Digest, ...]
    time: float
    stale: tuple[Digest, ...] = ()


# --- package sets ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PackageKey:
    """What an advisory and a feature meet on: scheme (purl type), namespace, kind and name."""

    scheme: str
    namespace: str
    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}#{self.namespace}#{self.kind}#{self.name}"

    @staticmethod
    def read(text: str) -> "PackageKey":
        """Return the key that is written so. Raises `ValueError`."""
        scheme, namespace, kind, name = text.split("#", 3)
        return PackageKey(scheme=scheme, namespace=namespace, kind=Kind(kind), name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One distinct thing that can be vulnerable; stored once, however many images have it.

    `key` is the order-preserving key of `version` in the scheme; for a version that the scheme cannot read it is
    `UNREADABLE` and the feature is compared with every range.
    """

    package: PackageKey
    version: str
    key: bytes
    arch: str = ""
    context: str = ""

    @property
    def id(self) -> FeatureId:
        """Return the identity: every part but the key, which follows from the version."""
        return FeatureId("|".join((str(self.package), self.version, self.arch, self.context)))


UNREADABLE = b"\x00"
"""The key of a version that its scheme cannot read: before every real key, so unbounded ranges include it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """The packages of an image for one ecosystem after whiteouts, sorted; identical lists have one id."""

    id: SetId
    type: str
    namespace: str
    packages: tuple[Package, ...]


class SetState(StrEnum):
    """building: no verdicts yet. complete: verdicts from version 1 on. retired: no image has it any more."""

    BUILDING = "building"
    COMPLETE = "complete"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHead:
    """The part of a set that changes: `rev` is raised by every claim and every write, `version` by new verdicts."""

    state: SetState
    rev: int
    version: int


# --- advisories ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Versions from `introduced` (None: from the first) up to `fixed` (excluded) or `last_affected` (included)."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one feed says of one package under one advisory id: the unit of change, numbered by `seq`.

    `vulnerabilities` are what a finding is about: the CVEs the record names, else the record's own id. `raw_state`
    is the vendor's own word; `severity_source` is who said how severe it is, followed by the version of CVSS
    (`ghsa cvss 3.1`) where that was computed. `first_load` marks a statement written before the feed's first complete
    load closed. A `withdrawn` statement is a tombstone: it counts no more, its number lives on. `first_seen` is when
    the first one under its key was written, `changed` when this one was.
    """

    feed: str
    id: str
    package: PackageKey
    vulnerabilities: tuple[str, ...]
    effect: Effect
    ranges: tuple[Range, ...]
    state: State
    severity: Severity = Severity.UNKNOWN
    severity_source: str = ""
    raw_state: str = ""
    aliases: tuple[str, ...] = ()
    fix_channel: str | None = None
    stream: str = ""
    marks: tuple[Mark, ...] = ()
    revision: str = ""
    seq: int = 0
    first_load: bool = False
    withdrawn: bool = False
    first_seen: float = 0.0
    changed: float = 0.0

    @property
    def key(self) -> "StatementKey":
        """Return where the statement is stored."""
        return StatementKey(feed=self.feed, id=self.id, package=self.package, stream=self.stream)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StatementKey:
    """Where a statement is stored: one row per feed, advisory id, package and stream."""

    feed: str
    id: str
    package: PackageKey
    stream: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """A range of rows that begin with a version key, both ends included, as DynamoDB's BETWEEN takes them.

    A row is the key, 00 and a suffix; so `lower` = key(v) begins at v, key(v)‖FF after v; `upper` = key(v) ends before
    v, key(v)‖FF with v.
    """

    lower: bytes
    upper: bytes

    def __contains__(self, key: bytes) -> bool:
        """Say whether the rows of a version with this key lie in the range."""
        return self.lower <= key + b"\x00" <= self.upper


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageStatements:
    """Everything one feed says of one package in one namespace.

    `digest` is a digest of what was said, so that an unchanged package costs nothing.
    """

    package: PackageKey
    statements: tuple[Statement, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoryStatements:
    """Everything one part of a feed says under one advisory id, whichever packages it is about."""

    id: str
    statements: tuple[Statement, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A record that could not be read: what is stored under its id, of its package, stands (both: under that id of
    that package; neither is known: everything stands).
    """

    id: str = ""
    package: PackageKey | None = None


Said = PackageStatements | AdvisoryStatements | Unread
"""What a feed yields, in bounded memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A statement about to be stored in the place of `old`, with the range rows it needs and those it needs no more."""

    new: Statement
    ranges: tuple[KeyRange, ...]
    old: Statement | None = None
    stale: tuple[KeyRange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of one feature for one vulnerability, from all statements about it: affected or not, fixed where, how bad."""

    feature: FeatureId
    vulnerability: str
    state: State
    severity: Severity
    severity_source: str
    fixed_version: str | None
    fix_channel: str | None
    advisories: tuple[str, ...]
    aliases: tuple[str, ...]
    feed: str
    marks: tuple[Mark, ...] = ()


class ChangeKind(StrEnum):
    """How a finding differs between two versions of a set's verdicts."""

    NEWLY_AFFECTED = "newly-affected"
    FIX_AVAILABLE = "fix-available"
    FIX_CHANGED = "fix-changed"
    SEVERITY_CHANGED = "severity-changed"
    STATE_CHANGED = "state-changed"
    WITHDRAWN = "withdrawn"
    UNSUPPRESSED = "unsuppressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One typed difference; `old` is None for a newly affected feature, `new` for one no longer affected.

    `unsuppressed` is what was kept quiet by a rule that has ended; its `old` is None, too.
    """

    kind: ChangeKind
    old: Verdict | None
    new: Verdict | None

    @property
    def verdict(self) -> Verdict:
        """Return the newer verdict, or the old one where it is gone."""
        verdict = self.new or self.old
        assert verdict is not None, "a change has at least one side"
        return verdict


class Cause(StrEnum):
    """Why subscribers are told: an image was pushed, or read again by better analysers; an advisory changed, or a feed
    was loaded for the first time; a rule that kept something quiet ended.
    """

    PUSHED = "pushed"
    RESCANNED = "rescanned"
    ADVISORY = "advisory"
    FIRST_LOAD = "first-load"
    RULE_ENDED = "rule-ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The difference from version `number` - 1 to `number` of a set's verdicts; open until passed on."""

    set: SetId
    number: int
    cause: Cause
    feeds: tuple[str, ...]
    changes: tuple[Change, ...]
    open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An image of a repository that has a set.

    `joined` names the stay of the image that it is a member for. `since` is the verdict version told at push, 0 while
    pending; `settled` says that every delta between that telling and its being seen by judge has been put, so that a
    repeated push has nothing more to tell.
    """

    digest: Digest
    repository: Repository
    joined: float = 0.0
    since: int = 0
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class MemberKey:
    """Where a member is stored."""

    set: SetId
    digest: Digest
    repository: Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A delta that a repository's subscribers have not been told yet (or have: `sent`), for one image.

    It is news of the stay that began when the image `joined`, and none once that has ended. `changes` are carried for a
    push only (the findings it began with); a later delta is read from its set.
    """

    repository: Repository
    set: SetId
    number: int
    digest: Digest
    cause: Cause
    put: float
    joined: float = 0.0
    feeds: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    sent: bool = False

    @property
    def key(self) -> str:
        """Return the one key that the same news has each time."""
        return f"{self.set}#{self.number:010d}#{self.digest}#{self.joined:.6f}"

    @property
    def member(self) -> MemberKey:
        """Return whom it is news of."""
        return MemberKey(set=self.set, digest=self.digest, repository=self.repository)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What subscribers of a repository get: `body` is the JSON text; `waiting` the keys it settles.

    `standing` is how the repository stands once the notice is stored.
    """

    id: str
    repository: Repository
    sequence: int
    subject: str
    body: str
    text: str
    attributes: tuple[tuple[str, str | int | tuple[str, ...]], ...]
    waiting: tuple[str, ...]
    published: bool = False
    standing: "Standing | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CvssScore:
    """A CVSS base score with its vector, and who gave it."""

    score: float
    vector: str
    version: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploitation:
    """That a vulnerability is known to be exploited: since when, until when to act, and whether by ransomware."""

    added: str
    due: str = ""
    ransomware: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploitProbability:
    """How likely exploitation is in the next 30 days, and which share of all vulnerabilities is less so."""

    score: float
    percentile: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrichment:
    """What is known of a vulnerability whatever package it is in; it changes no verdict."""

    cvss: CvssScore | None = None
    exploited: Exploitation | None = None
    probability: ExploitProbability | None = None

    def with_(self, other: "Enrichment") -> "Enrichment":
        """Return what both say; where both say something, the first counts."""
        return Enrichment(
            cvss=self.cvss or other.cvss,
            exploited=self.exploited or other.exploited,
            probability=self.probability or other.probability,
        )


# --- what is kept quiet ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRule:
    """Findings that need not be told, until a time (None: for good), why, and who says so.

    All conditions that are given have to hold. `vulnerability` is an id; `package` (a name, also the source's), `path`
    and `repository` are patterns in which `*` stands for any text. `below` takes findings that are less severe than
    that, but for those of unknown severity; `unfixed` takes those without a fix.
    """

    id: str
    reason: str
    by: str
    until: float | None = None
    vulnerability: str = ""
    package: str = ""
    path: str = ""
    repository: str = ""
    below: Severity | None = None
    unfixed: bool = False


class VexStatus(StrEnum):
    """What a VEX statement says of a vulnerability and a product."""

    NOT_AFFECTED = "not_affected"
    FIXED = "fixed"
    AFFECTED = "affected"
    UNDER_INVESTIGATION = "under_investigation"


@dataclass(frozen=True, slots=True, kw_only=True)
class VexProduct:
    """What a VEX statement is about: an image, a package, or a package within an image; what is empty is any.

    An image goes by its digest or by its repository, a package by its purl.
    """

    digest: str = ""
    repository: str = ""
    purl: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VexStatement:
    """What a VEX document says of some products under the names of one vulnerability; of two the later counts."""

    vulnerabilities: tuple[str, ...]
    status: VexStatus
    products: tuple[VexProduct, ...]
    time: float
    justification: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VexDocument:
    """A VEX document as it was read: `id` is under which we keep it, `document` how it names itself.

    `unplaced` counts the products that name neither a digest, a repository nor a package, and are passed over.
    """

    id: str
    document: str
    format: str
    author: str
    time: float
    statements: tuple[VexStatement, ...]
    unplaced: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When a repository (a pattern) is told nothing: what waits is told in one notice when they end.

    `start` and `end` are minutes of the day in the time zone; with the end before the start they span midnight, and
    belong to the day on which they start. `days` are 0 (Monday) to 6. News as severe as `urgent` is told at once.
    """

    id: str
    reason: str
    by: str
    start: int
    end: int
    timezone: str = "UTC"
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    repository: str = ""
    urgent: Severity | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All rules as they were at one version; 0 is the empty one before the first."""

    version: int = 0
    rules: tuple[IgnoreRule, ...] = ()
    documents: tuple[VexDocument, ...] = ()
    hours: tuple[QuietHours, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Why a finding is kept quiet: by which rule or VEX document, who says so, why, and until when."""

    rule: str
    by: str
    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesAt:
    """The rules in effect at a moment: a version of the rule book, which never changes, and the time."""

    version: int = 0
    moment: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Under which rules the subscribers of a repository were told what they were told.

    `rev` counts the changes. While the standing turns to other rules, image by image, `turning` is these and `page`
    where to go on.
    """

    repository: Repository
    rev: int = 0
    rules: RulesAt = RulesAt()
    turning: RulesAt | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waking:
    """Up to which rules repositories were woken; `to` and `page` while that is under way."""

    rules: RulesAt = RulesAt()
    to: RulesAt | None = None
    page: str | None = None


# --- feeds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a server said of a document when it was last fetched, sent back to ask "has it changed?"; and its SHA-256,
    which answers where the server cannot.
    """

    url: str
    etag: str = ""
    last_modified: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPart:
    """A part of a feed that is fetched and loaded together, and how it stands.

    `supported` maps each namespace the part speaks for to True, or to False where the release is out of support.
    `closed` says that a first complete load has ended. `revision` names the content `loaded` then, `published` is the
    latest date that the vendor gives it. `cursor` is where an incremental load goes on. `unread` counts the records
    that could not be read. `held` says that `failure` is a withdrawal of so much that it is not believed until it is
    accepted; `absent`, that it is a document that is not there, at the vendor's or in a mirror.
    """

    feed: str
    name: str
    supported: tuple[tuple[str, bool], ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    revision: str = ""
    closed: bool = False
    rows: int = 0
    last_success: float = 0.0
    last_attempt: float = 0.0
    failure: str = ""
    loaded: float = 0.0
    published: float = 0.0
    cursor: str = ""
    unread: int = 0
    held: bool = False
    absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a run is about to write: packages or advisories by their names, the packages that this concerns, and how
    many statements of the part stand under other names.
    """

    names: tuple[str, ...]
    packages: tuple[PackageKey, ...]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write a feed part until `expires`; a later holder has a higher `fence`."""

    feed: str
    part: str
    fence: int
    expires: float


# --- messages between functions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRequest:
    """Read this image and put it into this repository."""

    repository: Repository
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementChange:
    """A statement before and after; either may be missing."""

    old: Statement | None
    new: Statement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """Judge a set anew for these packages."""

    set: SetId
    packages: tuple[PackageKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyRequest:
    """Something waits for this repository's subscribers; `reason` makes repeats of one cause recognisable."""

    repository: Repository
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRequest:
    """Refresh one part of a feed; an empty part asks for all of them.

    `accept` believes a part that withdraws much of what it said.
    """

    feed: str
    part: str = ""
    accept: bool = False


class HintKind(StrEnum):
    """What an event claims to have happened; the registry decides what is true."""

    PUSHED = "pushed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """An event's claim about a tag or a digest of a repository, at `time`."""

    kind: HintKind
    repository: Repository
    time: float
    tag: str = ""
    digest: Digest | None = field(default=None)
