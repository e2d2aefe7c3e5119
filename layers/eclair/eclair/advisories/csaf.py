"""Which component of which product does a CSAF document mean, and what does it say of it?

Reads the Common Security Advisory Framework 2.0 (https://docs.oasis-open.org/csaf/csaf/v2.0/csaf-v2.0.html): a product
tree of branches names products (by CPE) and components (by package URL); relationships join a component with its
product, or with a module that is itself a component of the product. A document may be about tens of thousands of joined
products of which few matter, so what does not is passed over early.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from packageurl import PackageURL

from eclair.advisories.records import mapping, sequence, text
from eclair.errors import BadFeed

P = TypeVar("P")

SOURCE: Final = "src"
"""The architecture of a source package."""

_MOST_BRANCHES: Final = 2_000_000
_MOST_MODULES: Final = 4
_MODULAR: Final = re.compile(r"(?P<module>[^:/\s]+:[^:/\s]+)/(?P<name>[^:/\s]+)")
_PLAIN: Final = re.compile(r"[^:/\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """An rpm package; without a version it is every one. `module` is written `NAME:STREAM`.

    `identified` says that a package URL tells what it is; else its name may be that of a source or of a binary package.
    """

    name: str
    version: str = ""
    arch: str = ""
    module: str = ""
    identified: bool = True


class Product(NamedTuple, Generic[P]):
    """A component of a platform."""

    platform: P
    component: Component


class Products(Generic[P]):
    """The products of a document that are components of a platform that matters; `platform` knows it by its CPE."""

    def __init__(self, document: Mapping[str, object], platform: Callable[[str], P | None]) -> None:
        tree = mapping(document.get("product_tree"), "the product tree")
        self._platforms: dict[str, P] = {}
        self._purls: dict[str, str] = {}
        try:
            for id_, helper in named(tree):
                cpe, purl = helper.get("cpe"), helper.get("purl")
                if isinstance(cpe, str) and (found := platform(cpe)) is not None:
                    self._platforms[id_] = found
                elif isinstance(purl, str):
                    self._purls[id_] = purl
            self._joined = dict(joined(tree))
        except (AttributeError, KeyError, TypeError) as error:
            raise BadFeed(f"a product tree that cannot be read ({error!r})") from error

    def get(self, id_: str) -> Product[P] | None:
        """Return what a product id means; None where its platform does not matter or it is no rpm package."""
        pair = self._joined.get(id_)
        if pair is None:
            return None
        component, parent = pair
        module = ""
        for _ in range(_MOST_MODULES):
            platform = self._platforms.get(parent)
            if platform is not None:
                found = _component(component, self._purls.get(component), module)
                return None if found is None else Product(platform, found)
            if parent not in self._joined:
                return None
            between, parent = self._joined[parent]
            module = _module(self._purls.get(between, "")) or module
        return None


def by_product(entries: object, what: str) -> Iterator[tuple[Mapping[str, object], Sequence[str]]]:
    """Yield the entries of a list (remediations, threats, scores) with the product ids that they are about."""
    for entry in sequence(entries or [], what):
        said = mapping(entry, what)
        ids = sequence(said.get("product_ids") or said.get("products") or [], "product ids")
        yield said, [id_ for id_ in ids if isinstance(id_, str)]


def statuses(vulnerability: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the status (`known_affected`, `fixed`, …) of each product id."""
    for status, ids in mapping(vulnerability.get("product_status") or {}, "product_status").items():
        for id_ in sequence(ids, "product ids"):
            if isinstance(id_, str):
                yield status, id_


def named(tree: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the products that the branches name, each with what identifies it."""
    waiting: list[object] = [tree.get("branches") or []]
    for _ in range(_MOST_BRANCHES):
        if not waiting:
            return
        for branch in sequence(waiting.pop(), "branches"):
            node = mapping(branch, "a branch")
            if "branches" in node:
                waiting.append(node["branches"])
            if "product" in node:
                product = mapping(node["product"], "a product")
                helper = mapping(product.get("product_identification_helper") or {}, "an identification")
                yield str(product["product_id"]), helper
    raise BadFeed(f"a product tree with more than {_MOST_BRANCHES} lists of branches")


def joined(tree: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the products that are a component of another: their id, and those of the two."""
    # By far the longest list of a document: what is malformed is told by what it raises.
    relationships = cast("Sequence[Mapping[str, Any]]", sequence(tree.get("relationships") or [], "relationships"))
    for relationship in relationships:
        id_ = relationship["full_product_name"]["product_id"]
        component, platform = relationship["product_reference"], relationship["relates_to_product_reference"]
        if not (isinstance(id_, str) and isinstance(component, str) and isinstance(platform, str)):
            raise BadFeed("a relationship of what is no product")
        yield id_, (component, platform)


@lru_cache(maxsize=4096)
def _component(id_: str, purl: str | None, module: str) -> Component | None:
    if purl is not None:
        return _identified(purl, module)
    if modular := _MODULAR.fullmatch(id_):
        return Component(name=modular["name"], module=modular["module"], identified=False)
    return Component(name=id_, module=module, identified=False) if _PLAIN.fullmatch(id_) else None


def _identified(purl: str, module: str) -> Component | None:
    """Return what a package URL means, None for what is no rpm package. Raises `BadFeed`."""
    if not purl.startswith("pkg:rpm/"):
        return None
    try:
        parsed = PackageURL.from_string(purl)
    except ValueError as error:
        raise BadFeed(f"{purl!r:.100} is no package URL") from error
    qualifiers = parsed.qualifiers if isinstance(parsed.qualifiers, dict) else {}
    epoch = qualifiers.get("epoch", "0")
    version = parsed.version or ""
    return Component(
        name=text(parsed.name, "a package's name"),
        version=f"{epoch}:{version}" if version and epoch != "0" else version,
        arch=qualifiers.get("arch", ""),
        module=_stream(qualifiers.get("rpmmod", "")) or module,
    )


@lru_cache(maxsize=1024)
def _module(purl: str) -> str:
    """Return `nodejs:18` of `pkg:rpmmod/redhat/nodejs@18:8090020231018:a75119d5`, "" where it is no module."""
    if not purl.startswith("pkg:rpmmod/"):
        return ""
    try:
        parsed = PackageURL.from_string(purl)
    except ValueError:
        return ""
    return _stream(f"{parsed.name}:{parsed.version or ''}")


def _stream(label: str) -> str:
    """Return name and stream of `NAME:STREAM[:VERSION[:CONTEXT]]`."""
    parts = label.split(":")
    return f"{parts[0]}:{parts[1]}" if len(parts) > 1 and parts[0] and parts[1] and not label.count(" ") else ""
