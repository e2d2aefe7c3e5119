"""What the packages of all languages have in common."""

import pytest

from eclair import ecosystems
from eclair.ecosystems import dpkg
from eclair.errors import BadDatabase
from eclair.model import UNREADABLE, Kind, Package
from eclair.packages.language_package import language_features, language_purl, word

ECOSYSTEM: ecosystems.Ecosystem = dpkg.ECOSYSTEM


def package(version: str = "1.0", *, third_party: bool = False) -> Package:
    return Package(
        type="npm",
        name="@Scope/Name",
        version=version,
        path="p",
        arch="x86",
        third_party=third_party,
        context="c",
    )


def test_the_feature_is_the_package_under_its_name_in_advisories() -> None:
    (feature,) = language_features(ECOSYSTEM, package(), "npm", "@scope/name")
    assert str(feature.package) == "deb#npm#binary#@scope/name"
    assert feature.package.kind is Kind.BINARY
    assert (feature.version, feature.key, feature.context) == ("1.0", ECOSYSTEM.key("1.0"), "c")
    assert feature.arch == ""


def test_an_unreadable_version_keeps_its_feature() -> None:
    (feature,) = language_features(ECOSYSTEM, package(version=":"), "npm", "n")
    assert feature.key == UNREADABLE


def test_what_a_third_party_built_is_not_matched() -> None:
    assert language_features(ECOSYSTEM, package(third_party=True), "npm", "n") == ()


def test_without_a_namespace_there_is_no_feature() -> None:
    assert language_features(ECOSYSTEM, package(), "", "n") == ()


def test_the_purl_names_the_package_or_what_is_given_instead() -> None:
    assert language_purl(package(), namespace="@scope", name="name") == "pkg:npm/%40scope/name@1.0"
    assert language_purl(package(version="")) == "pkg:npm/%40scope/name"
    with_qualifiers = language_purl(package(), name="n", version="2", qualifiers={"platform": "java"})
    assert with_qualifiers == "pkg:npm/n@2?platform=java"


@pytest.mark.parametrize("value", [None, 1, b"bytes", "", " ", " / ", "/a", "a/ ", "x" * 4097, "a\nb", "\ud800"])
def test_what_is_not_fit_to_be_a_name_is_refused(value: object) -> None:
    with pytest.raises(BadDatabase, match="name"):
        word(value, "name")


def test_a_name_is_returned_without_blanks_around_it() -> None:
    assert word(" ünicode name ", "name") == "ünicode name"
