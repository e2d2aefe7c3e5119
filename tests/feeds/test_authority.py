"""One feed speaks for a namespace: every distribution's and every language's has one authority, and no two."""

import pytest

from eclair import distribution, ecosystems, feeds
from eclair.model import Distribution

RELEASES = (
    "",
    "2",
    "3",
    "7",
    "8",
    "9",
    "10",
    "11",
    "12",
    "13",
    "1.0",
    "2.0",
    "3.0",
    "4.0",
    "5.0",
    "15.0",
    "15.5",
    "15.6",
)
MORE_RELEASES = (
    "16.0",
    "14.04",
    "16.04",
    "18.04",
    "20.04",
    "22.04",
    "24.04",
    "24.10",
    "25.04",
    "3.10",
    "3.20",
    "edge",
    "sid",
)
UNCOVERED = {"centos-stream", "fedora", "opensuse-tumbleweed", "conda"}
"""No public feed speaks for these: a report says so."""


def of_distributions() -> set[str]:
    families = {family.namespace for family in distribution._FAMILIES.values()}
    return families | {
        f"{family}:{release}" for family in families for release in (*RELEASES, *MORE_RELEASES) if release
    }


def of_languages() -> set[str]:
    none: Distribution | None = None
    return {namespace for ecosystem in ecosystems.load().values() if (namespace := ecosystem.namespace(none))}


def authorities(namespace: str) -> list[str]:
    spoken = ((feed.name, feed.speaks_for(namespace)) for feed in feeds.load().values())
    return [f"{name}/{part}" for name, part in spoken if part is not None]


def test_no_two_feeds_speak_for_a_namespace() -> None:
    for namespace in of_distributions() | of_languages():
        assert len(authorities(namespace)) <= 1, namespace


def test_a_feed_speaks_for_every_family_and_language() -> None:
    covered = {
        namespace.partition(":")[0] for namespace in of_distributions() | of_languages() if authorities(namespace)
    }
    everything = {namespace.partition(":")[0] for namespace in of_distributions() | of_languages()}
    assert everything - covered <= UNCOVERED


def test_a_feed_has_the_part_that_it_says_speaks() -> None:
    for namespace in of_distributions() | of_languages():
        found = feeds.authority(namespace)
        if found is not None:
            feed, part = found
            assert part in {some.name for some in feed.parts}, namespace


@pytest.mark.parametrize("namespace", ["", "debian", "windows:11", "pip", "ubuntu", "npm:1"])
def test_nobody_speaks_for_what_is_no_namespace(namespace: str) -> None:
    assert authorities(namespace) == []
