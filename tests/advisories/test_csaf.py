"""Products of a CSAF document: components of platforms, through modules, named by package URLs."""

import pytest

from eclair.advisories.csaf import Component, Product, Products, by_product, statuses
from eclair.errors import BadFeed

RHEL = {"product_identification_helper": {"cpe": "cpe:/o:redhat:enterprise_linux:9"}}


def named(id_: str, **helper: str) -> dict[str, object]:
    return {"category": "product_version", "product": {"product_id": id_, "product_identification_helper": helper}}


def joined(id_: object, component: object, platform: object) -> dict[str, object]:
    return {
        "category": "default_component_of",
        "full_product_name": {"product_id": id_},
        "product_reference": component,
        "relates_to_product_reference": platform,
    }


def products(branches: object, relationships: object) -> Products[str]:
    tree = {"branches": branches, "relationships": relationships}
    return Products({"product_tree": tree}, lambda cpe: "rhel" if "enterprise_linux" in cpe else None)


PLATFORMS = [
    named("rhel-9", cpe="cpe:/o:redhat:enterprise_linux:9"),
    {"category": "vendor", "branches": [named("jboss", cpe="cpe:/a:redhat:jboss")]},
]


@pytest.mark.parametrize(
    ("purl", "component"),
    [
        (
            "pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=src&epoch=1",
            Component(name="openssl", version="1:3.0.7-27.el9", arch="src"),
        ),
        ("pkg:rpm/redhat/curl@7.1-1.el9?arch=x86_64", Component(name="curl", version="7.1-1.el9", arch="x86_64")),
        ("pkg:rpm/redhat/openssl-libs", Component(name="openssl-libs")),
        ("pkg:rpm/redhat/openssl?arch=src", Component(name="openssl", arch="src")),
        ("pkg:rpm/redhat/gcc-c%2B%2B", Component(name="gcc-c++")),
        (
            "pkg:rpm/redhat/perl-FCGI@0.78-11.module%2Bel8.6.0%2B1%2Baa?arch=src&epoch=1&rpmmod=perl-FCGI:0.78:806:8a",
            Component(name="perl-FCGI", version="1:0.78-11.module+el8.6.0+1+aa", arch="src", module="perl-FCGI:0.78"),
        ),
        ("pkg:oci/ubi9@sha256%3A00?arch=amd64", None),
        ("pkg:generic/redhat/rhcos", None),
        ("pkg:maven/org/a@1", None),
    ],
)
def test_components_are_read_from_package_urls(purl: str, component: Component | None) -> None:
    found = products([*PLATFORMS, named("c", purl=purl)], [joined("rhel-9:c", "c", "rhel-9")]).get("rhel-9:c")
    assert found == (component and Product("rhel", component))


@pytest.mark.parametrize(
    ("id_", "component"),
    [
        ("vim", Component(name="vim", identified=False)),
        ("nodejs:16/nodejs", Component(name="nodejs", module="nodejs:16", identified=False)),
        ("openshift4/ose-cli", None),
        ("registry.redhat.io/a/b@sha256:0", None),
    ],
)
def test_components_without_a_package_url_are_read_from_their_ids(id_: str, component: Component | None) -> None:
    found = products([*PLATFORMS, named(id_)], [joined("p", id_, "rhel-9")]).get("p")
    assert found == (component and Product("rhel", component))


def test_a_module_stands_between_component_and_platform() -> None:
    tree = [
        *PLATFORMS,
        named("nodejs:18:809:aa", purl="pkg:rpmmod/redhat/nodejs@18:8090020231018:a75119d5"),
        named("nodejs.src", purl="pkg:rpm/redhat/nodejs@18-1?arch=src"),
    ]
    found = products(
        tree,
        [
            joined("rhel-9:nodejs:18:809:aa", "nodejs:18:809:aa", "rhel-9"),
            joined("rhel-9:nodejs:18:809:aa:nodejs.src", "nodejs.src", "rhel-9:nodejs:18:809:aa"),
        ],
    ).get("rhel-9:nodejs:18:809:aa:nodejs.src")
    assert found == Product("rhel", Component(name="nodejs", version="18-1", arch="src", module="nodejs:18"))


def test_other_platforms_and_unknown_ids_are_passed_over() -> None:
    found = products(
        [*PLATFORMS, named("vim")],
        [joined("jboss:vim", "vim", "jboss"), joined("loop", "vim", "loop"), joined("lost", "vim", "nowhere")],
    )
    assert [found.get(id_) for id_ in ("jboss:vim", "loop", "lost", "rhel-9", "unknown")] == [None] * 5


@pytest.mark.parametrize(
    ("branches", "relationships"),
    [
        ("x", []),
        ([1], []),
        ([{"branches": {}}], []),
        ([{"product": []}], []),
        ([{"product": {}}], []),
        ([], {"a": 1}),
        ([], [1]),
        ([], [{}]),
        ([], [{"full_product_name": "x"}]),
        ([], [joined([], "a", "b")]),
        ([], [joined("p", None, "b")]),
        ([], [joined("p", "a", 7)]),
    ],
)
def test_a_broken_tree_is_refused(branches: object, relationships: object) -> None:
    with pytest.raises(BadFeed):
        products(branches, relationships)


def test_a_tree_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eclair.advisories.csaf._MOST_BRANCHES", 100)
    with pytest.raises(BadFeed, match="more than"):
        products([{"branches": []}] * 1000, [])


def test_deep_branches_are_read_without_recursion() -> None:
    tree: list[object] = list(PLATFORMS)
    for _ in range(5000):
        tree = [{"branches": tree}]
    assert products(tree, [joined("p", "vim", "rhel-9")]).get("p") is not None


@pytest.mark.parametrize("purl", ["pkg:rpm/", "pkg:rpm/redhat/" + "a" * 300])
def test_a_broken_package_url_is_refused_when_it_matters(purl: str) -> None:
    found = products([*PLATFORMS, named("c", purl=purl)], [joined("p", "c", "rhel-9"), joined("q", "c", "jboss")])
    assert found.get("q") is None
    with pytest.raises(BadFeed):
        found.get("p")


def test_entries_name_their_products() -> None:
    entries = [{"category": "impact", "product_ids": ["a", 1]}, {"products": ["b"]}, {}]
    assert [ids for _, ids in by_product(entries, "threats")] == [["a"], ["b"], []]
    assert list(by_product(None, "threats")) == []
    with pytest.raises(BadFeed):
        list(by_product({"a": 1}, "threats"))


def test_statuses_are_told_by_product() -> None:
    said = {"product_status": {"fixed": ["a"], "known_affected": ["b", 1]}}
    assert list(statuses(said)) == [("fixed", "a"), ("known_affected", "b")]
    assert list(statuses({})) == []
    with pytest.raises(BadFeed):
        list(statuses({"product_status": {"fixed": "a"}}))
