"""Scan one image in one process: the deployed use cases over ports in memory, in the order of the flow.

The image is indexed first; then only what the feeds say of its packages is loaded, matched and judged.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from eclair import feeds
from eclair.adapters.memory import MemoryRules
from eclair.application import Application, MemoryPorts, in_memory
from eclair.errors import EclairError, NotFound
from eclair.judge import features
from eclair.model import (
    Descriptor,
    Digest,
    Image,
    ImageState,
    Index,
    IndexRequest,
    PackageKey,
    Platform,
    RefreshRequest,
    Repository,
    RuleBook,
    StatementChange,
)
from eclair.ports import Documents, Registry
from eclair.report import Explanation, ImageReport

DEPTH = 4
"""How deep indexes may lie in indexes."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What one scan asks for; `rules` say what is suppressed, `say` is told what is going on."""

    registry: Registry
    documents: Documents
    platform: Platform
    feeds: frozenset[str]
    rules: RuleBook = field(default_factory=RuleBook)
    say: Callable[[str], None] = lambda text: None
    failures: list[str] = field(default_factory=list)

    def __call__(self, repository: Repository, reference: str, *, all_states: bool = False) -> ImageReport:
        """Return the report of an image. Raises what reading it raises; a feed that fails is named in `failures`."""
        application, digest = self._scanned(repository, reference)
        return application.report.image(digest, repository=repository, all_states=all_states)

    def explain(self, repository: Repository, reference: str, vulnerability: str) -> Explanation:
        """Explain why an image is affected by a vulnerability or not. Raises `NotFound` where nothing is said of it."""
        application, digest = self._scanned(repository, reference)
        return application.report.explain(digest, vulnerability)

    def _scanned(self, repository: Repository, reference: str) -> tuple[Application, Digest]:
        rules = MemoryRules(books={self.rules.version: self.rules})
        ports = MemoryPorts(registry=self.registry, documents=self.documents, rules=rules)
        application = in_memory(ports)
        tag = reference if ":" not in reference else None
        digest = self._image(repository, self.registry.resolve(repository, reference))
        self.say(f"reading {digest}")
        ports.images.add_membership(digest, repository, tag or None)
        application.index(IndexRequest(repository=repository, digest=digest))
        image = ports.images.image(digest)
        if image is None or image.state is not ImageState.INDEXED:
            raise NotFound(f"{repository}: {image.reason if image else 'not found'}")
        changes: list[StatementChange] = []
        ports.advisories.listen = changes.append
        self._load(application, ports, image)
        application.match(changes)
        for request in ports.queues.judged:
            application.judge(request)
        return application, digest

    def _image(self, repository: Repository, descriptor: Descriptor) -> Digest:
        """Return the image of the wanted platform behind a manifest or an index."""
        digest = descriptor.digest
        for _ in range(DEPTH):
            manifest = self.registry.manifest(repository, digest)
            if not isinstance(manifest, Index):
                return digest
            digest = _choose(manifest.manifests, self.platform, repository)
        raise NotFound(f"{repository}: indexes lie more than {DEPTH} deep")

    def _load(self, application: Application, ports: MemoryPorts, image: Image) -> None:
        wanted = _packages(ports, image)
        for namespace in sorted({reference.namespace for reference in image.sets}):
            authority = feeds.authority(namespace)
            if authority is None or authority[0].name not in self.feeds:
                continue
            feed, part = authority
            self.say(f"loading {feed.name}/{part}")
            refresh = replace(application.refresh, wanted=wanted.__contains__)
            try:
                refresh(RefreshRequest(feed=feed.name, part=part))
            except EclairError as error:
                self.failures.append(f"{feed.name}/{part}: {error}")


def _packages(ports: MemoryPorts, image: Image) -> frozenset[PackageKey]:
    found = (ports.sets.packages(reference.set) for reference in image.sets)
    return frozenset(feature.package for some in found if some is not None for feature in features(some))


def _choose(manifests: Iterable[Descriptor], platform: Platform, repository: Repository) -> Digest:
    offered = [descriptor for descriptor in manifests if descriptor.platform is not None]
    for descriptor in offered:
        if descriptor.platform and _fits(descriptor.platform, platform):
            return descriptor.digest
    names = ", ".join(sorted(str(descriptor.platform) for descriptor in offered)) or "none"
    raise NotFound(f"{repository} has no image for {platform}; it has {names}: choose one with --platform")


def _fits(offered: Platform, wanted: Platform) -> bool:
    same = (offered.os, offered.architecture) == (wanted.os, wanted.architecture)
    return same and wanted.variant in ("", offered.variant)
