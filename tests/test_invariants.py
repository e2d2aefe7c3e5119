"""In every world at rest, stored verdicts are verdicts computed afresh are what subscribers were told.

A machine pushes, retags and deletes images, lets feeds say more, less and other things, sets rules that keep findings
quiet and lets them end, and delivers what that leads to in any order, twice, and with handlers killed, failed and
overtaken at any call of a port (`deployment`). What is kept quiet need not have been told, but nothing else.
`ECLAIR_MACHINE_EXAMPLES` says how many worlds it lives through.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, islice
from random import Random
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from eclair import feeds
from eclair.errors import NotFound
from eclair.judge import features, ordered, pages
from eclair.model import (
    Digest,
    Hint,
    HintKind,
    IgnoreRule,
    ImageState,
    MemberKey,
    Membership,
    Notice,
    PackageStatements,
    QuietHours,
    RefreshRequest,
    Repository,
    SetId,
    SetState,
    Statement,
    VexDocument,
)
from eclair.suppress import lasts
from eclair.verdict import verdicts
from tests.deployment import CROWD, DAY, REGISTRY, Deployment, Reconcile, Wake
from tests.fleet import packed

SHOP, BANK = Repository(f"{REGISTRY}/shop"), Repository(f"{REGISTRY}/bank")
TRACKER = "https://security-tracker.debian.org/tracker/data/json"
SECDB = ("https://secdb.alpinelinux.org/v3.20/main.json", "https://secdb.alpinelinux.org/v3.20/community.json")
PARTS: Final = {"debian": "tracker", "alpine": "v3.20"}
NAMESPACES: Final = {"debian:12": "debian", "alpine:3.20": "alpine"}

OS_RELEASES: Final = {
    "debian": b'ID=debian\nVERSION_ID="12"\n',
    "alpine": b"ID=alpine\nVERSION_ID=3.20.3\n",
}
INSTALLED: Final = {
    "debian": {
        ("openssl", "libssl3"): ("3.0.11-1", "3.0.14-1"),
        ("openssl", "openssl"): ("3.0.11-1",),
        ("zlib", "zlib1g"): ("1:1.2.13.dfsg-1",),
    },
    "alpine": {("busybox", "busybox"): ("1.36.1-r0", "1.36.1-r5"), ("openssl", "libssl3"): ("3.3.0-r0",)},
}
"""Source and binary package -> versions that an image may have."""
CVES: Final = ("CVE-2026-0001", "CVE-2026-0002")

Found = tuple[str, str, str, str]
"""A vulnerability and the name, version and architecture of the package."""
Told = tuple[str, str, str | None]
"""State, severity and fixed version."""


Quiet = tuple[Repository, Digest, Found, IgnoreRule | VexDocument]
"""What is kept quiet, and by what."""

CONDITIONS: Final[Sequence[Mapping[str, object]]] = (
    {"vulnerability": CVES[0]},
    {"package": "openssl"},
    {"vulnerability": CVES[1], "path": "var/*"},
    {"below": "high"},
    {"unfixed": True},
)
PURLS: Final = ("pkg:deb/debian/libssl3", "pkg:apk/alpine/busybox")

usually = st.sampled_from([True, True, True, False])


def database(distribution: str, installed: Iterable[tuple[str, str, str]]) -> tuple[str, bytes]:
    """Return the package database (its path and content) of an image with these sources, binaries and versions."""
    if distribution == "debian":
        entry = "Package: {1}\nStatus: install ok installed\nSource: {0}\nVersion: {2}\nArchitecture: amd64\n"
        entry += "Maintainer: Debian <packages@packages.debian.org>\n"
        path = "var/lib/dpkg/status"
    else:
        entry = "P:{1}\nV:{2}\nA:x86_64\no:{0}\n"
        path = "lib/apk/db/installed"
    return path, "\n".join(entry.format(*package) for package in installed).encode()


Content = tuple[str, tuple[tuple[str, str, str], ...]]
"""The distribution of an image, and the source, name and version of each package."""


@st.composite
def images(draw: st.DrawFn) -> Content:
    """Draw what is in an image."""
    distribution = draw(st.sampled_from(["debian", "debian", "alpine"]))
    return distribution, tuple(
        (source, binary, draw(st.sampled_from(versions)))
        for (source, binary), versions in INSTALLED[distribution].items()
        if draw(usually)
    )


def layers(content: Content) -> list[bytes]:
    """Return the two layers of an image."""
    distribution, installed = content
    path, listed = database(distribution, installed)
    return [packed({"etc/os-release": OS_RELEASES[distribution]}), packed({path: listed})]


Row = Mapping[str, object] | None


ROWS: Final[Sequence[Row]] = (
    {"status": "open", "urgency": "high"},
    {"status": "open", "urgency": "low"},
    {"status": "open", "urgency": "low", "nodsa": "Minor issue", "nodsa_reason": "ignored"},
    {"status": "open", "urgency": "unimportant"},
    {"status": "resolved", "urgency": "high", "fixed_version": "1:1.3-1"},
    {"status": "resolved", "urgency": "high", "fixed_version": "3.0.12-1"},
    {"status": "resolved", "urgency": "high", "fixed_version": "3.0.15-1"},
    {"status": "resolved", "urgency": "high", "fixed_version": "0"},
    {"status": "undetermined", "urgency": "high"},
    None,
)
"""What the Debian tracker may say of a package in Debian 12 under some CVE; None: nothing."""
rows = st.sampled_from(ROWS)


class Fleet(RuleBasedStateMachine):
    """The machine; `stores` replace ports of memory by such as break a rule of the protocol."""

    stores: Mapping[str, type] = {}

    def __init__(self) -> None:
        super().__init__()
        self.world = self.deployed()
        self.tracker: dict[str, dict[str, Any]] = {"adduser": {}}
        self.secdb: dict[str, dict[str, list[str]]] = {}
        self.asked: set[str] = set()
        self.steps = 0
        self.known: Mapping[tuple[Repository, Digest], Mapping[Found, Told]] = {}
        self.lasting: frozenset[IgnoreRule | VexDocument] = frozenset()
        self.touched: set[str] = set()
        self.ever: list[IgnoreRule | VexDocument] = []
        self._publish()

    def deployed(self) -> Deployment:
        return Deployment(**{name: store() for name, store in self.stores.items()})

    def _publish(self) -> None:
        packages = [{"pkg": {"name": name, "secfixes": fixes}} for name, fixes in self.secdb.items()]
        self.world.publications.documents = {
            TRACKER: json.dumps(self.tracker).encode(),
            SECDB[0]: json.dumps({"packages": packages}).encode(),
            SECDB[1]: json.dumps({"packages": []}).encode(),
        }

    def _hint(self, kind: HintKind, repository: Repository, **what: Any) -> None:
        self.world.pending.append(Hint(kind=kind, repository=repository, time=self.world.now, **what))

    # --- what people and vendors do

    @initialize(row=rows, content=images(), loaded=st.sets(st.sampled_from(sorted(PARTS))))
    def begin(self, row: Row, content: Content, loaded: set[str]) -> None:
        """Push an image; the feeds are loaded before, or will be."""
        self.say("openssl", CVES[0], row)
        self.world.pending.clear()
        for feed in sorted(loaded):
            self.refresh(feed)
        self.push(content, SHOP, "1", salt="", seen=True)
        self.world.rest()

    @rule(
        content=images(),
        repository=st.sampled_from([SHOP, BANK]),
        tag=st.sampled_from(["1", "2", None]),
        salt=st.sampled_from(["", "again"]),
        seen=usually,
    )
    def push(self, content: Content, repository: Repository, tag: str | None, *, salt: str, seen: bool) -> None:
        digest = self.world.registry.add_image(repository, tag, layers(content), salt=salt)
        if seen:
            self._hint(HintKind.PUSHED, repository, digest=digest, tag=tag or "")

    @rule(which=st.integers(0, 9), tag=st.sampled_from(["1", "2"]), seen=usually)
    def retag(self, which: int, tag: str, *, seen: bool) -> None:
        if here := self._in_registry():
            repository, digest = here[which % len(here)]
            self.world.registry.put_tag(repository, tag, digest)
            if seen:
                self._hint(HintKind.PUSHED, repository, tag=tag)

    @rule(which=st.integers(0, 9), seen=usually, back=st.booleans(), soon=st.booleans())
    def delete(self, which: int, *, seen: bool, back: bool, soon: bool) -> None:
        """Delete an image, perhaps to push it again, before or after everybody noticed."""
        if here := self._in_registry():
            repository, digest = here[which % len(here)]
            content = self.world.registry.contents[repository][digest]
            self.world.registry.delete_manifest(repository, digest)
            if seen:
                self._hint(HintKind.DELETED, repository, digest=digest)
            if back:
                if not soon and seen:
                    self.world.deliver(self.world.pending.pop())
                self.world.registry.contents[repository][digest] = content
                self.world.registry.put_tag(repository, "2", digest)
                self._hint(HintKind.PUSHED, repository, digest=digest, tag="2")

    @rule(package=st.sampled_from(["openssl", "zlib"]), cve=st.sampled_from(CVES), row=rows)
    def say(self, package: str, cve: str, row: Row) -> None:
        """Let the Debian tracker say something of a package, or (None) nothing any more."""
        self.tracker.setdefault(package, {}).pop(cve, None)
        if row is not None:
            self.tracker[package][cve] = {"releases": {"bookworm": row}}
        self.tracker = {name: said for name, said in self.tracker.items() if said or name == "adduser"}
        self._publish()
        self.refresh("debian")

    @rule(cves=st.sets(st.sampled_from(CVES)), fixed=st.sampled_from(["1.36.1-r3", "1.36.1-r6", "0"]))
    def say_of_alpine(self, cves: set[str], fixed: str) -> None:
        self.secdb = {"busybox": {fixed: sorted(cves)}} if cves else {}
        self._publish()
        self.refresh("alpine")

    @rule(
        id_=st.sampled_from(["one", "two"]),
        conditions=st.sampled_from(CONDITIONS),
        repository=st.sampled_from(["", SHOP, "*/bank"]),
        days=st.sampled_from([None, 0.5, 1.5, 3]),
    )
    def keep_quiet(self, id_: str, conditions: Mapping[str, object], repository: str, days: float | None) -> None:
        """Set a rule, perhaps in the place of another."""
        until = {"until": datetime.fromtimestamp(self.world.now + days * DAY, UTC).isoformat()} if days else {}
        said = {**conditions, **until, "repository": repository or None, "reason": "r", "by": "b"}
        self._put(id_, said)

    def _put(self, id_: str, said: Mapping[str, object]) -> None:
        entry = self.world.undisturbed.quiet.put(id_, json.dumps(said).encode())
        assert not isinstance(entry, QuietHours)
        self.ever.append(entry)
        self.touched.add(id_)
        self.world.pending.append(Wake())

    @rule(status=st.sampled_from(["not_affected", "fixed", "affected"]), purl=st.sampled_from(PURLS))
    def clear(self, status: str, purl: str) -> None:
        """Say in a VEX document what a package is."""
        time = datetime.fromtimestamp(self.world.now, UTC).isoformat()
        said = {
            "vulnerability": {"name": CVES[0]},
            "products": [{"@id": purl}],
            "status": status,
            "justification": "component_not_present",
        }
        document = {"@context": "https://openvex.dev/ns/v0.2.0", "author": "a", "timestamp": time, "statements": [said]}
        self._put("vex", document)

    @rule(id_=st.sampled_from(["one", "two", "vex"]))
    def keep_quiet_no_more(self, id_: str) -> None:
        with suppress(NotFound):
            self.world.undisturbed.quiet.delete(id_)
            self.touched.add(id_)
            self.world.pending.append(Wake())

    # --- what AWS does

    def refresh(self, feed: str) -> None:
        """Ask for a refresh of a feed that was asked for before, or that is turned on now."""
        self.asked.add(feed)
        request = RefreshRequest(feed=feed, part=PARTS[feed])
        if request not in self.world.pending:
            self.world.pending.append(request)

    @rule(seed=st.integers(0, 2**32), rate=st.sampled_from([0.1, 0.03, 0.0]), crowd=st.booleans())
    def work(self, seed: int, rate: float, *, crowd: bool) -> None:
        """Deliver what is pending, while things happen; in a crowd handlers only overtake each other."""
        self.steps += 1
        chance = Random(seed)
        self.world.outside = lambda: self._surprise(chance)
        if crowd:
            self.world.work(chance, 2 * rate, CROWD)
            self.settle()  # at once: what comes later may mend what went wrong
        else:
            self.world.work(chance, rate)

    def _surprise(self, chance: Random) -> None:
        """Let something happen outside while handlers are at work."""
        which, tag = chance.randrange(10), chance.choice(["1", "2"])
        match chance.randrange(10):
            case 0:
                self.delete(which, seen=True, back=chance.random() < 0.5, soon=True)
            case 1:
                self.retag(which, tag, seen=True)
            case 2:
                self.befall("again", which)
            case 3:
                self.keep_quiet("one", chance.choice(CONDITIONS), "", None)
            case 4:
                self.keep_quiet_no_more("one")
            case _:
                self.say(chance.choice(["openssl", "openssl", "zlib"]), CVES[0], chance.choice(ROWS))

    @rule(what=st.sampled_from(["again", "again", "a day passes", "reconcile", "garble"]), which=st.integers(0, 30))
    def befall(self, what: str, which: int) -> None:
        match what:
            case "again":
                self.world.pending.append(self.world.delivered[-1 - which % len(self.world.delivered)])
            case "a day passes":
                self.world.now += DAY
            case "reconcile":
                self.world.pending.append(Reconcile())
            case "garble":
                self.world.publications.garbled = not self.world.publications.garbled

    @precondition(lambda self: self.steps > 5)
    @rule()
    def settle(self) -> None:
        """Come to rest, as after a day without a disturbance, and look at everything."""
        self.steps = 0
        self._rest()
        self._check()
        published, lasting = len(self.world.ports.topic.published), set(self._lasting())
        self.world.pending.extend(islice(dict.fromkeys(reversed(self.world.delivered)), 10))
        self._rest()
        again = self.world.ports.topic.published[published:]
        ended = lasting - set(self._lasting())
        assert not again or (ended and all(json.loads(one.body)["causes"] == ["rule-ended"] for one in again))
        self._check_told()

    def _rest(self) -> None:
        self.world.publications.garbled = False
        self.world.now += DAY
        for feed in sorted(self.asked):
            self.refresh(feed)
        self.world.pending.extend((Reconcile(), Wake()))
        self.world.rest()

    def teardown(self) -> None:
        self.settle()

    # --- what has to be so

    def _in_registry(self) -> list[tuple[Repository, Digest]]:
        contents = self.world.registry.contents
        return sorted((repository, digest) for repository in contents for digest in contents[repository])

    def _check(self) -> None:
        self._check_members()
        self._check_statements()
        self._check_sets()
        self._check_notices()
        self._check_told()

    def _stays(self) -> Iterator[Membership]:
        for repository in (SHOP, BANK):
            yield from self.world.ports.images.members_of(repository, limit=1000).items

    def _check_members(self) -> None:
        stays = tuple(self._stays())
        known = {(stay.repository, stay.digest) for stay in stays}
        assert known <= set(self._in_registry())
        tags = self.world.registry.tag_digests
        tagged = {(repository, digest) for repository in tags for digest in tags[repository].values()}
        assert tagged <= known  # nobody lists images without a tag: who missed their event cannot find them
        for stay in stays:
            image = self.world.ports.images.image(stay.digest)
            assert image is not None
            assert image.state is ImageState.INDEXED, image.reason
            for reference in image.sets:
                key = MemberKey(set=reference.set, digest=stay.digest, repository=stay.repository)
                member = self.world.ports.sets.present([key])[key]
                assert member.joined == stay.joined
                assert member.since >= 1
                assert member.settled

    def _check_statements(self) -> None:
        stored = {_bare(said) for said in self.world.ports.advisories.said.values() if not said.withdrawn}
        said: set[Statement] = set()
        for feed in self.asked:
            found = feeds.load()[feed]
            part = next(part for part in found.parts if part.name == PARTS[feed])
            opened = [self.world.publications.fetch(document.url, None) for document in part.documents]
            streams = []
            for fetching in opened:
                with fetching as fetched:
                    assert fetched
                    streams.append(fetched.stream)
            for some in found.parse(part, streams, ""):
                assert isinstance(some, PackageStatements)
                said.update(map(_bare, some.statements))
        assert stored == said

    def sets(self) -> Iterable[SetId]:
        """Return the sets to be looked at."""
        return tuple(self.world.ports.sets.heads)

    def _check_sets(self) -> None:
        said = [some for some in self.world.ports.advisories.said.values() if not some.withdrawn]
        sets = self.world.ports.sets
        for set_id in self.sets():
            head, package_set = sets.head(set_id), sets.packages(set_id)
            assert head
            assert package_set
            if head.state is SetState.BUILDING:
                assert not sets.members(set_id).items
                continue  # its image went while it was being read; the next one with this set completes it
            assert not sets.open_deltas(set_id)
            afresh = ordered(verdict for feature in features(package_set) for verdict in verdicts(feature, said))
            assert sets.verdicts(set_id) == (head.version, afresh)

    def _check_notices(self) -> None:
        notices = self.world.ports.notices
        stays = {(stay.repository, stay.digest): stay.joined for stay in self._stays()}
        for repository in (SHOP, BANK):
            for row in chain.from_iterable(pages(notices, repository)):
                ended = stays.get((repository, row.digest)) != row.joined  # the next notice lets it drop
                assert ended or not self._closed(row.feeds), f"{row.key} waits although nothing holds it back"
            last = notices.last_notice(repository)
            assert last is None or last.published

    def _closed(self, names: Iterable[str]) -> bool:
        parts = (self.world.ports.feeds.part(*name.split("/")) for name in names)
        return all(part is not None and part.closed for part in parts)

    def _check_told(self) -> None:
        told = self._told()
        lasting = frozenset(self._lasting())
        for stay in ((stay.repository, stay.digest) for stay in self._stays()):
            known, found = dict(told[stay]), {}
            for finding in self.world.undisturbed.report.image(stay[1], repository=stay[0]).findings:
                name = (finding.vulnerability, finding.package, finding.version, finding.arch)
                if NAMESPACES[finding.namespace] not in self.asked:
                    continue
                if finding.suppressed is None:
                    found[name] = (str(finding.state), str(finding.severity), finding.fixed_version)
                    continue
                known.pop(name, None)
                (by,) = (one for one in lasting if one.id == finding.suppressed.rule)
                if self._was_quiet_before(by) and name not in self.known.get(stay, {}):
                    assert name not in told[stay], "told although it was kept quiet all the time"
            assert {name: said for name, said in known.items() if name in found or not self._ever_quiet(name)} == found
        self.known, self.lasting, self.touched = told, lasting, set()

    def _lasting(self) -> Iterator[IgnoreRule | VexDocument]:
        book = self.world.ports.rules.book()
        yield from (rule for rule in book.rules if lasts(rule, self.world.now))
        yield from book.documents

    def _was_quiet_before(self, by: IgnoreRule | VexDocument) -> bool:
        """Say whether what keeps a finding quiet now did so ever since the last look, whatever became of it."""
        conditional = isinstance(by, IgnoreRule) and (by.below or by.unfixed)
        return by in self.lasting and by.id not in self.touched and not conditional

    def _ever_quiet(self, name: Found) -> bool:
        """Say whether the finding may have gone while it was kept quiet: nobody is told of that."""
        return any(isinstance(by, VexDocument) or by.vulnerability in ("", name[0]) for by in self.ever)

    def _told(self) -> Mapping[tuple[Repository, Digest], Mapping[Found, Told]]:
        """Return what a subscriber knows who counts each notice once."""
        notices: dict[str, Notice] = {}
        for notice in self.world.ports.topic.published:
            assert notices.setdefault(notice.id, notice) == notice, "one id, two notices"
        known: defaultdict[tuple[Repository, Digest], dict[Found, Told]] = defaultdict(dict)
        for notice in sorted(notices.values(), key=lambda notice: notice.sequence):
            body = json.loads(notice.body)
            assert not body["omitted"]
            gathered = self.world.gathered[notice.repository, notice.sequence]
            for change in body["changes"]:
                assert NAMESPACES[change["namespace"]] in self.asked, "told before the first load"
                for image in change["images"]:
                    stay = (notice.repository, Digest(image["digest"]))
                    if gathered > self.world.left.get(stay, 0):  # else of an earlier stay
                        _learn(known[stay], change)
        return known


def _learn(known: dict[Found, Told], change: Mapping[str, Any]) -> None:
    package = change["package"]
    found = (change["vulnerability"], package["name"], package["version"], package["arch"])
    if change["change"] == "withdrawn":
        known.pop(found, None)
    else:
        known[found] = (change["state"], change["severity"], change["fixed_version"])


def _bare(statement: Statement) -> Statement:
    """Return what a statement says, whenever it was said."""
    return replace(statement, seq=0, revision="", first_load=False, first_seen=0.0, changed=0.0)


EXAMPLES: Final = int(os.environ.get("ECLAIR_MACHINE_EXAMPLES", "90"))

Fleet.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFleet = Fleet.TestCase
