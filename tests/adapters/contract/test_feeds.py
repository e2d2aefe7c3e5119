"""The contract of `Feeds`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from eclair.model import Begun, FeedPart, Fingerprint, Lease, PackageKey
from eclair.ports import Feeds
from tests.adapters.contract.conftest import Stores

OPENSSL = "deb#debian:12#source#openssl"
CURL = "deb#debian:12#source#curl"
NOW = 1_790_000_000.5


@pytest.fixture
def feeds(stores: Stores) -> Feeds:
    return stores.feeds


def a_part(name: str = "tracker") -> FeedPart:
    return FeedPart(
        feed="debian",
        name=name,
        supported=(("debian:12", True), ("debian:9", False)),
        fingerprints=(Fingerprint(url="https://feeds.test/json", etag='"1"', last_modified="yesterday"),),
        revision="r1",
        closed=True,
        rows=7,
        last_success=NOW,
        last_attempt=NOW + 0.25,
    )


def leased(feeds: Feeds, part: str = "tracker", *, now: float = NOW) -> Lease:
    lease = feeds.lease("debian", part, now=now, seconds=60)
    assert lease is not None
    return lease


def test_a_lease_lasts_for_its_seconds(feeds: Feeds) -> None:
    lease = leased(feeds)
    assert (lease.feed, lease.part, lease.expires) == ("debian", "tracker", NOW + 60)
    assert feeds.lease("debian", "tracker", now=NOW + 59.5, seconds=60) is None
    later = leased(feeds, now=NOW + 60)
    assert later.fence > lease.fence
    assert later.expires == NOW + 120


def test_each_part_of_each_feed_has_a_lease_of_its_own(feeds: Feeds) -> None:
    leased(feeds)
    leased(feeds, "other")
    assert feeds.lease("alpine", "tracker", now=NOW, seconds=60) is not None


def test_of_those_that_ask_at_the_same_time_one_has_the_lease(feeds: Feeds) -> None:
    with ThreadPoolExecutor(4) as pool:
        leases = list(pool.map(lambda _: feeds.lease("debian", "tracker", now=NOW, seconds=60), range(8)))
    assert len([lease for lease in leases if lease]) == 1


def test_a_released_lease_can_be_taken_with_a_higher_fence(feeds: Feeds) -> None:
    lease = leased(feeds)
    for _ in range(2):
        feeds.release(lease)
    assert leased(feeds).fence > lease.fence


def test_a_former_holder_releases_nothing(feeds: Feeds) -> None:
    former = leased(feeds)
    holder = leased(feeds, now=NOW + 60)
    feeds.release(former)
    assert feeds.lease("debian", "tracker", now=NOW + 61, seconds=60) is None
    assert feeds.save_part(a_part(), holder)


def test_releasing_what_was_never_held_makes_no_part(feeds: Feeds) -> None:
    feeds.release(Lease(feed="debian", part="tracker", fence=3, expires=NOW))
    assert feeds.parts("debian") == ()


def test_a_part_is_listed_once_it_is_saved(feeds: Feeds) -> None:
    lease = leased(feeds)
    assert feeds.parts("debian") == ()
    for _ in range(2):
        assert feeds.save_part(a_part(), lease)
        assert feeds.parts("debian") == (a_part(),)
    assert feeds.parts("alpine") == ()


def test_parts_are_listed_by_name(feeds: Feeds) -> None:
    for name in ("v3.20", "edge", "v3.9"):
        assert feeds.save_part(a_part(name), leased(feeds, name))
    assert [part.name for part in feeds.parts("debian")] == ["edge", "v3.20", "v3.9"]


def test_a_part_stays_when_its_lease_is_released_and_taken(feeds: Feeds) -> None:
    lease = leased(feeds)
    feeds.save_part(a_part(), lease)
    feeds.release(lease)
    assert feeds.parts("debian") == (a_part(),)
    leased(feeds)
    assert feeds.parts("debian") == (a_part(),)


def test_a_part_is_saved_by_the_newest_holder_only(feeds: Feeds) -> None:
    former = leased(feeds)
    assert feeds.save_part(a_part(), former)
    newest = leased(feeds, now=NOW + 60)
    assert not feeds.save_part(replace(a_part(), revision="old"), former)
    assert feeds.parts("debian") == (a_part(),)
    assert feeds.save_part(replace(a_part(), revision="new"), newest)
    assert feeds.parts("debian") == (replace(a_part(), revision="new"),)


def test_the_newest_holder_saves_after_its_lease_expired(feeds: Feeds) -> None:
    """Nobody else took it: what was loaded is not thrown away."""
    assert feeds.save_part(a_part(), leased(feeds, now=NOW - 3600))


def test_a_part_is_not_saved_without_a_lease(feeds: Feeds) -> None:
    assert not feeds.save_part(a_part(), Lease(feed="debian", part="tracker", fence=1, expires=NOW))
    assert feeds.parts("debian") == ()


def test_digests_are_read_as_they_were_saved(feeds: Feeds) -> None:
    odd, absurd = "npm#npm#binary#@scope/a#b ä", OPENSSL + "x" * 3000
    assert feeds.digests("debian", "tracker") == {}
    feeds.end("debian", "tracker", {OPENSSL: "1", odd: "2", absurd: "3", "CVE-2026-1": ""})
    feeds.end("debian", "tracker", {OPENSSL: "4"})
    feeds.end("debian", "other", {OPENSSL: "5"})
    assert feeds.digests("debian", "tracker") == {OPENSSL: "4", odd: "2", absurd: "3", "CVE-2026-1": ""}


def test_the_digest_of_a_package_that_is_gone_is_gone(feeds: Feeds) -> None:
    feeds.end("debian", "tracker", {OPENSSL: "1", CURL: "2"})
    for _ in range(2):
        feeds.end("debian", "tracker", {OPENSSL: None})
        assert feeds.digests("debian", "tracker") == {CURL: "2"}


def test_many_digests_are_read(feeds: Feeds) -> None:
    many = {f"CVE-2026-{number}": f"{number:032}" for number in range(300)}
    feeds.end("debian", "tracker", many)
    assert feeds.digests("debian", "tracker") == many


def test_digests_are_no_parts(feeds: Feeds) -> None:
    feeds.end("debian", "tracker", {OPENSSL: "1"})
    feeds.begin("debian", "tracker", begun(CURL))
    assert feeds.parts("debian") == ()


def begun(*names: str) -> Begun:
    return Begun(names=names, packages=tuple(map(PackageKey.read, names)), rows=7)


def test_what_is_begun_is_known_until_it_ends(feeds: Feeds) -> None:
    assert feeds.begun("debian", "tracker") is None
    feeds.end("debian", "tracker", {OPENSSL: "1"})
    for _ in range(2):
        feeds.begin("debian", "tracker", begun(OPENSSL, CURL))
        assert feeds.begun("debian", "tracker") == begun(OPENSSL, CURL)
        assert feeds.begun("debian", "other") is None
        assert feeds.digests("debian", "tracker") == {OPENSSL: "1"}
    feeds.end("debian", "tracker", {CURL: "2"})
    assert feeds.begun("debian", "tracker") is None
    assert feeds.digests("debian", "tracker") == {OPENSSL: "1", CURL: "2"}


def test_what_is_begun_next_is_all_that_is_begun(feeds: Feeds) -> None:
    feeds.begin("debian", "tracker", begun(OPENSSL))
    feeds.begin("debian", "tracker", begun(CURL))
    assert feeds.begun("debian", "tracker") == begun(CURL)
    feeds.end("debian", "tracker", {})
    assert feeds.begun("debian", "tracker") is None


def test_a_part_is_read_alone(feeds: Feeds) -> None:
    assert feeds.part("debian", "tracker") is None
    lease = leased(feeds)
    assert feeds.part("debian", "tracker") is None
    feeds.save_part(a_part(), lease)
    assert feeds.part("debian", "tracker") == a_part()
    assert feeds.part("debian", "track") is None
