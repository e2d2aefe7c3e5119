"""VEX documents of both formats say what is cleared; what they leave unclear clears nothing."""

import gzip
import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadRules
from eclair.model import VexProduct, VexStatus
from eclair.vex import is_vex, read_vex
from tests.fleet import SAMPLES

HEX = "a" * 64
BASH = "pkg:deb/debian/bash@5.2.15-2"
OPENVEX: dict[str, Any] = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.com/vex/1",
    "author": "security@example.com",
    "timestamp": "2026-01-08T18:02:03.647787998-06:00",
    "version": 1,
    "statements": [
        {
            "vulnerability": {"name": "CVE-2026-1", "aliases": ["GHSA-1"]},
            "products": [{"@id": BASH}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
    ],
}
CSAF: dict[str, Any] = {
    "document": {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "publisher": {"category": "vendor", "name": "Example", "namespace": "https://example.com"},
        "title": "Example",
        "tracking": {"id": "EX-1", "current_release_date": "2026-01-08T18:02:03Z", "status": "final", "version": "1"},
    },
    "product_tree": {
        "branches": [
            {
                "category": "vendor",
                "name": "Example",
                "branches": [
                    {"product": {"product_id": "bash", "product_identification_helper": {"purl": BASH}}},
                    {
                        "product": {
                            "product_id": "cart",
                            "product_identification_helper": {"purl": f"pkg:oci/cart@sha256%3A{HEX}"},
                        }
                    },
                    {
                        "product": {
                            "product_id": "rhel",
                            "product_identification_helper": {"cpe": "cpe:/o:redhat:enterprise_linux:9"},
                        }
                    },
                ],
            }
        ],
        "full_product_names": [
            {
                "product_id": "hashed",
                "product_identification_helper": {
                    "hashes": [{"filename": "x", "file_hashes": [{"algorithm": "sha256", "value": HEX}]}]
                },
            }
        ],
        "relationships": [
            {
                "category": "default_component_of",
                "product_reference": "bash",
                "relates_to_product_reference": whole,
                "full_product_name": {"product_id": f"{whole}:bash", "name": "x"},
            }
            for whole in ("cart", "rhel")
        ],
    },
    "vulnerabilities": [
        {
            "cve": "CVE-2026-1",
            "product_status": {
                "known_not_affected": ["cart:bash"],
                "known_affected": ["hashed"],
                "fixed": ["rhel:bash"],
            },
            "flags": [{"label": "component_not_present", "product_ids": ["cart:bash"]}],
        }
    ],
}


def written(document: object) -> bytes:
    return json.dumps(document).encode()


def changed(document: dict[str, Any], *path: str | int, to: object) -> bytes:
    """Return the document with one value replaced, or (None) left out."""
    copy = deepcopy(document)
    here: Any = copy
    for step in path[:-1]:
        here = here[step]
    if to is None:
        del here[path[-1]]
    else:
        here[path[-1]] = to
    return written(copy)


def placed(product: object) -> list[VexProduct]:
    """Return where the product of a statement is placed, beside one that can be."""
    read = read_vex(changed(OPENVEX, "statements", 0, "products", to=[product, {"@id": BASH}]), "v")
    found = [some for some in read.statements[0].products if some != VexProduct(purl=BASH)]
    assert len(found) + read.unplaced == 1 or product == BASH
    return found


def test_openvex_is_read() -> None:
    read = read_vex(written(OPENVEX), "v")
    assert (read.id, read.document, read.format) == ("v", "https://example.com/vex/1", "openvex")
    assert (read.author, read.unplaced) == ("security@example.com", 0)
    (said,) = read.statements
    assert said.vulnerabilities == ("CVE-2026-1", "GHSA-1")
    assert said.status is VexStatus.NOT_AFFECTED
    assert said.products == (VexProduct(purl=BASH),)
    assert said.justification == "vulnerable_code_not_in_execute_path"
    assert said.time == read.time == pytest.approx(1_767_916_923.647787)


def test_the_first_openvex_is_read() -> None:
    first = {"vulnerability": "CVE-2026-1", "products": [BASH], "status": "fixed"}
    document = OPENVEX | {"@context": "https://openvex.dev/ns", "statements": [first]}
    (said,) = read_vex(written(document), "v").statements
    assert (said.vulnerabilities, said.status, said.products) == (
        ("CVE-2026-1",),
        VexStatus.FIXED,
        (VexProduct(purl=BASH),),
    )


def test_a_statement_has_a_time_of_its_own() -> None:
    document = changed(OPENVEX, "statements", 0, "timestamp", to="2026-02-01T00:00:00Z")
    assert read_vex(document, "v").statements[0].time == 1_769_904_000.0


@pytest.mark.parametrize(
    ("product", "place"),
    [
        ({"@id": f"pkg:oci/cart@sha256%3A{HEX}?arch=amd64&tag=1"}, VexProduct(digest=f"sha256:{HEX}")),
        ({"@id": "pkg:oci/cart?repository_url=r.example/shop/cart"}, VexProduct(repository="r.example/shop/cart")),
        ({"@id": "pkg:oci/cart?repository_url=r.example/shop"}, VexProduct(repository="r.example/shop/cart")),
        ({"@id": "pkg:docker/cassandra"}, VexProduct(repository="docker.io/library/cassandra")),
        ({"@id": "pkg:docker/shop/cart?repository_url=r.example"}, VexProduct(repository="r.example/shop/cart")),
        ({"@id": f"sha256:{HEX}"}, VexProduct(digest=f"sha256:{HEX}")),
        ({"@id": "r.example/shop/cart"}, VexProduct(repository="r.example/shop/cart")),
        (f"r.example/cart@sha256:{HEX}", VexProduct(repository="r.example/cart", digest=f"sha256:{HEX}")),
        ({"@id": "https://example.com/cart", "hashes": {"sha-256": HEX}}, VexProduct(digest=f"sha256:{HEX}")),
        ({"@id": "https://example.com/cart", "identifiers": {"purl": "pkg:npm/left"}}, VexProduct(purl="pkg:npm/left")),
        (
            {"@id": f"sha256:{HEX}", "subcomponents": [{"@id": "pkg:npm/left"}]},
            VexProduct(digest=f"sha256:{HEX}", purl="pkg:npm/left"),
        ),
    ],
)
def test_a_product_is_placed(product: object, place: VexProduct) -> None:
    assert placed(product) == [place]


@pytest.mark.parametrize(
    "product",
    [
        {"@id": "pkg:oci/debian"},
        {"@id": "pkg:oci/cart?repository_url=r.example/cart&tag=1"},
        {"@id": "pkg:oci/cart?repository_url=r.example/cart&arch=arm64"},
        {"@id": "pkg:docker/cassandra@latest"},
        {"@id": "https://example.com/cart"},
        {"@id": "r.example/cart:1"},
        {"@id": "cart"},
        {"@id": "pkg:npm/left", "hashes": {"sha-256": HEX}},
        {"@id": "pkg:npm/left", "subcomponents": [{"@id": "pkg:npm/right"}]},
        {"@id": f"sha256:{HEX}", "subcomponents": [{"@id": "https://example.com/right"}]},
        {"@id": "x", "identifiers": {"cpe23": "cpe:2.3:a:example:cart:1:*:*:*:*:*:*:*"}},
        {},
    ],
)
def test_a_product_that_cannot_be_found_is_counted_and_clears_nothing(product: object) -> None:
    assert placed(product) == []


def test_csaf_is_read() -> None:
    read = read_vex(written(CSAF), "v")
    assert (read.document, read.format, read.author, read.unplaced) == ("EX-1", "csaf", "Example", 1)
    assert {(said.status, said.products, said.justification) for said in read.statements} == {
        (
            VexStatus.NOT_AFFECTED,
            (VexProduct(digest=f"sha256:{HEX}", purl=BASH),),
            "component_not_present",
        ),
        (VexStatus.AFFECTED, (VexProduct(digest=f"sha256:{HEX}"),), ""),
    }


def test_what_is_about_a_whole_distribution_by_its_cpe_is_refused() -> None:
    """Red Hat's own documents are a feed; as a VEX document they would clear packages of any image."""
    for name in ("cve-2023-6237", "cve-2024-0727"):
        content = gzip.decompress((SAMPLES / "feeds" / "redhat" / f"{name}.json.gz").read_bytes())
        with pytest.raises(BadRules, match="nothing of a product"):
            read_vex(_without_components(content), "v")


def _without_components(content: bytes) -> bytes:
    """Return the document with those products only that are components of others."""
    document = json.loads(content)
    joined = {some["full_product_name"]["product_id"] for some in document["product_tree"]["relationships"]}
    for said in document["vulnerabilities"]:
        statuses = said["product_status"]
        said["product_status"] = {name: [id_ for id_ in ids if id_ in joined] for name, ids in statuses.items()}
    return written(document)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b" " * 5_000_001, "split it"),
        (changed(OPENVEX, "@context", to="https://cyclonedx.org"), "neither OpenVEX"),
        (changed(OPENVEX, "timestamp", to=None), "timestamp"),
        (changed(OPENVEX, "timestamp", to="yesterday"), "yesterday"),
        (changed(OPENVEX, "author", to=None), "author"),
        (changed(OPENVEX, "statements", to={}), "statements"),
        (changed(OPENVEX, "statements", to=[]), "nothing of a product"),
        (changed(OPENVEX, "statements", 0, "status", to="fine"), "statement 1 has status 'fine'"),
        (changed(OPENVEX, "statements", 0, "justification", to="because"), "because"),
        (changed(OPENVEX, "statements", 0, "justification", to=None), "not why"),
        (changed(OPENVEX, "statements", 0, "vulnerability", to={}), "no vulnerability"),
        (changed(OPENVEX, "statements", 0, "products", to=None), "nothing of a product"),
        (changed(OPENVEX, "statements", 0, "products", to=[{"@id": "pkg:"}]), "no package URL"),
        (changed(CSAF, "document", "category", to="csaf_security_advisory"), "csaf_vex"),
        (changed(CSAF, "document", "tracking", to=None), "tracking"),
        (changed(CSAF, "product_tree", "relationships", to=[{}]), "product tree"),
        (changed(CSAF, "vulnerabilities", 0, "flags", to=None), "not why"),
        (changed(CSAF, "vulnerabilities", 0, "cve", to=None), "no vulnerability"),
    ],
)
def test_what_is_wrong_with_a_document_is_named(content: bytes, named: str) -> None:
    with pytest.raises(BadRules, match=named):
        read_vex(content, "v")


def test_a_document_is_told_from_a_rule() -> None:
    assert is_vex(OPENVEX)
    assert is_vex(CSAF)
    assert not is_vex({"vulnerability": "CVE-2026-1"})
    assert not is_vex([])


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: list[Any] = list(value.items()) if isinstance(value, dict) else []
    inner = list(enumerate(value)) if isinstance(value, list) else inner
    found = [path for step, some in inner for path in paths(some, (*here, step))]
    return [here, *found] if here else found


@given(st.data(), st.sampled_from([OPENVEX, CSAF]), st.sampled_from([None, 7, "x", [], {}, [7], [{}], {"x": 7}, True]))
def test_nothing_breaks_the_reading(data: st.DataObject, document: dict[str, Any], to: object) -> None:
    path = data.draw(st.sampled_from(paths(document)))
    with suppress(BadRules):
        read_vex(changed(document, *path, to=to), "v")
