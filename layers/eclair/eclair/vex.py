"""What does a VEX document say of images and of packages in them?

Reads OpenVEX (https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md) and the VEX profile of the Common Security
Advisory Framework 2.0 (https://docs.oasis-open.org/csaf/csaf/v2.0/csaf-v2.0.html, profile 5). Both say for a
vulnerability and a product that it is not affected (and have to say why), fixed, affected, or looked into.

A product has to be one that we can find: an image by digest or by repository, a package by its purl, or a package
within such an image. What else it may be (a CPE, a tag, a file's hash, a package within a package) is counted as
unplaced and clears nothing: to take only the half of it that we understand would clear more than was said.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import orjson
from packageurl import PackageURL

from eclair.advisories import csaf
from eclair.advisories.records import mapping, sequence, words
from eclair.errors import BadFeed, BadRules
from eclair.model import VexDocument, VexProduct, VexStatement, VexStatus

LARGEST: Final = 5_000_000
"""Bytes of a document."""
MOST_PRODUCTS: Final = 50_000
"""In all statements of a document."""
MOST_NAMES: Final = 50
"""Of one vulnerability."""
OPENVEX: Final = "openvex"
CSAF: Final = "csaf"

_CONTEXT: Final = "https://openvex.dev/ns"
_IMAGES: Final = frozenset({"oci", "docker"})
"""The purl types of container images."""
_JUSTIFICATIONS: Final = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)
"""Why a product is not affected; the same words in both formats."""
_STATUSES: Final[Mapping[str, VexStatus]] = {
    "known_not_affected": VexStatus.NOT_AFFECTED,
    "fixed": VexStatus.FIXED,
    "first_fixed": VexStatus.FIXED,
    "known_affected": VexStatus.AFFECTED,
    "first_affected": VexStatus.AFFECTED,
    "last_affected": VexStatus.AFFECTED,
    "under_investigation": VexStatus.UNDER_INVESTIGATION,
}
"""CSAF's; `recommended` says nothing of what is installed."""


def is_vex(content: object) -> bool:
    """Say whether a JSON object means to be a VEX document."""
    return isinstance(content, dict) and ("document" in content or "@context" in content)


def read_vex(content: bytes, id_: str) -> VexDocument:
    """Return what a document says, under the id by which we keep it. Raises `BadRules`."""
    if len(content) > LARGEST:
        raise BadRules(f"the VEX document has {len(content)} bytes; up to {LARGEST} are read: split it")
    try:
        document = mapping(orjson.loads(content), "the VEX document")
        read = _csaf if "document" in document else _openvex
        return read(document, id_)
    except orjson.JSONDecodeError as error:
        raise BadRules(f"the VEX document is no JSON: {error}") from error
    except BadFeed as error:
        raise BadRules(f"the VEX document cannot be read: {error}") from error


class _Products:
    """Products as they are placed; those that cannot be are counted."""

    def __init__(self) -> None:
        self.count = 0
        self.unplaced = 0

    def placed(self, products: Iterable[VexProduct | None]) -> tuple[VexProduct, ...]:
        found: dict[VexProduct, None] = {}
        for product in products:
            self.count += 1
            if self.count > MOST_PRODUCTS:
                raise BadRules(f"the VEX document names more than {MOST_PRODUCTS} products: split it")
            if product is None:
                self.unplaced += 1
            else:
                found[product] = None
        return tuple(found)


def _document(
    id_: str, format_: str, named: tuple[object, object, float], said: Iterable[VexStatement], products: _Products
) -> VexDocument:
    statements = tuple(statement for statement in said if statement.products)
    if not statements:
        raise BadRules(
            "the VEX document says nothing of a product that can be found: name images by digest or repository"
            " (pkg:oci/...), packages by purl"
        )
    document, author, time = named
    if not words(author):
        raise BadRules("the VEX document does not name its author")
    return VexDocument(
        id=id_,
        document=words(document),
        format=format_,
        author=words(author),
        time=time,
        statements=statements,
        unplaced=products.unplaced,
    )


def _place(purl: str, digest: str = "") -> VexProduct | None:
    """Return what a purl means, None where that cannot be found."""
    try:
        parsed = PackageURL.from_string(purl)
    except ValueError as error:
        raise BadRules(f"{purl!r:.120} is no package URL") from error
    if parsed.type not in _IMAGES:
        return None if digest else VexProduct(purl=purl)  # by the hash of a file we know no package
    version = parsed.version or ""
    if version.startswith("sha256:"):
        return VexProduct(digest=version)
    if digest:
        return VexProduct(digest=digest)
    qualifiers = parsed.qualifiers if isinstance(parsed.qualifiers, dict) else {}
    if version or qualifiers.keys() - {"repository_url"}:
        return None  # a tag or a platform of a repository
    url = qualifiers.get("repository_url", "").removeprefix("https://").strip("/")
    if parsed.type == "docker":
        path = "/".join(filter(None, (parsed.namespace or "library", parsed.name)))
        return VexProduct(repository=f"{url or 'docker.io'}/{path}")
    if not url:
        return None
    return VexProduct(repository=url if url.endswith(f"/{parsed.name}") else f"{url}/{parsed.name}")


def _within(image: VexProduct | None, component: VexProduct | None) -> VexProduct | None:
    """Return a package within an image."""
    if image is None or component is None or image.purl or not component.purl:
        return None
    return VexProduct(digest=image.digest, repository=image.repository, purl=component.purl)


def _time(value: object, what: str) -> float:
    if not isinstance(value, str):
        raise BadRules(f"{what} is no time of RFC 3339")
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadRules(f"{what} is {value!r:.60}, no time of RFC 3339") from error


def _names(found: Iterable[object], what: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for name in found if isinstance(name, str) and 0 < len(name) <= 200))
    if not names or len(names) > MOST_NAMES:
        raise BadRules(f"{what} names no vulnerability, or more than {MOST_NAMES}")
    return names


# --- OpenVEX ---------------------------------------------------------------------------------------------------------


def _openvex(document: Mapping[str, object], id_: str) -> VexDocument:
    context = document.get("@context")
    if not (isinstance(context, str) and context.startswith(_CONTEXT)):
        raise BadRules(f"the document is neither OpenVEX (@context {_CONTEXT}/...) nor CSAF")
    issued = document.get("last_updated") or document.get("timestamp")
    time = _time(issued, "the timestamp of the VEX document")
    products = _Products()
    said = [
        _openvex_statement(mapping(statement, f"statement {number}"), f"statement {number}", time, products)
        for number, statement in enumerate(sequence(document.get("statements"), "`statements`"), 1)
    ]
    return _document(id_, OPENVEX, (document.get("@id"), document.get("author"), time), said, products)


def _openvex_statement(said: Mapping[str, object], what: str, time: float, products: _Products) -> VexStatement:
    status = said.get("status")
    if status not in list(VexStatus):
        raise BadRules(f"{what} has status {status!r:.60}, none of {', '.join(VexStatus)}")
    justification, impact = said.get("justification"), said.get("impact_statement")
    if justification is not None and justification not in _JUSTIFICATIONS:
        raise BadRules(f"{what} has justification {justification!r:.80}, none of {', '.join(_JUSTIFICATIONS)}")
    if status == VexStatus.NOT_AFFECTED and not (justification or words(impact)):
        raise BadRules(f"{what} says not_affected and not why: give a justification or an impact_statement")
    given = said.get("last_updated") or said.get("timestamp")
    return VexStatement(
        vulnerabilities=_names(_openvex_names(said.get("vulnerability")), what),
        status=VexStatus(str(status)),
        products=products.placed(_openvex_products(said, what)),
        time=time if given is None else _time(given, f"the timestamp of {what}"),
        justification=str(justification or ""),
        detail=words(impact or said.get("status_notes") or said.get("action_statement")),
    )


def _openvex_names(vulnerability: object) -> Iterator[object]:
    """Yield the names: up to version 0.0.1 it is one word, later an object with aliases."""
    if not isinstance(vulnerability, dict):
        yield vulnerability
        return
    yield vulnerability.get("name")
    aliases = vulnerability.get("aliases") or []
    yield from aliases if isinstance(aliases, list) else ()


def _openvex_products(said: Mapping[str, object], what: str) -> Iterator[VexProduct | None]:
    shared = said.get("subcomponents")  # of the statement, up to version 0.0.1
    for product in sequence(said.get("products") or [], f"the products of {what}"):
        place = _openvex_product(product, what)
        own = product.get("subcomponents") if isinstance(product, dict) else None
        components = sequence(own or shared or [], f"the subcomponents of {what}")
        if not components:
            yield place
        for component in components:
            yield _within(place, _openvex_product(component, what))


def _openvex_product(product: object, what: str) -> VexProduct | None:
    named = {"@id": product} if isinstance(product, str) else mapping(product, f"a product of {what}")
    identifiers = mapping(named.get("identifiers") or {}, f"the identifiers of a product of {what}")
    hashes = mapping(named.get("hashes") or {}, f"the hashes of a product of {what}")
    digest = f"sha256:{hashes['sha-256']}" if isinstance(hashes.get("sha-256"), str) else ""
    id_ = named.get("@id")
    purl = identifiers.get("purl") or (id_ if isinstance(id_, str) and id_.startswith("pkg:") else None)
    if isinstance(purl, str):
        return _place(purl, digest)
    if digest:
        return VexProduct(digest=digest)
    if identifiers or hashes or not isinstance(id_, str):
        return None
    return _by_reference(id_)


def _by_reference(name: str) -> VexProduct | None:
    """Return the image that a digest or a repository names: `sha256:...`, `registry/name[@sha256:...]`."""
    repository, _, digest = name.rpartition("@") if "@" in name else (name, "", "")
    if name.startswith("sha256:"):
        return VexProduct(digest=name)
    if digest.startswith("sha256:"):
        return VexProduct(digest=digest, repository=repository)
    if digest or "://" in name or "/" not in name or ":" in name.rpartition("/")[2]:
        return None
    return VexProduct(repository=name)


# --- CSAF ------------------------------------------------------------------------------------------------------------


def _csaf(document: Mapping[str, object], id_: str) -> VexDocument:
    head = mapping(document.get("document"), "`document`")
    if head.get("category") != "csaf_vex":
        raise BadRules(f"the CSAF document is of category {words(head.get('category'))!r}, not csaf_vex")
    tracking = mapping(head.get("tracking"), "`document.tracking`")
    publisher = mapping(head.get("publisher"), "`document.publisher`")
    time = _time(tracking.get("current_release_date"), "`document.tracking.current_release_date`")
    place = _csaf_places(mapping(document.get("product_tree"), "`product_tree`"))
    products = _Products()
    said = [
        statement
        for number, vulnerability in enumerate(sequence(document.get("vulnerabilities"), "`vulnerabilities`"), 1)
        for statement in _csaf_statements(
            mapping(vulnerability, f"vulnerability {number}"), f"vulnerability {number}", time, place, products
        )
    ]
    return _document(id_, CSAF, (tracking.get("id"), publisher.get("name"), time), said, products)


def _csaf_places(tree: Mapping[str, object]) -> Callable[[str], VexProduct | None]:
    """Return what finds a product by its id."""
    helpers = dict(_csaf_helpers(tree))
    joined: dict[str, tuple[str, str]] = {}
    try:
        joined.update(csaf.joined(tree))
        helpers.update(csaf.named(tree))
    except (AttributeError, KeyError, TypeError) as error:
        raise BadRules(f"the product tree cannot be read ({error!r:.80})") from error

    def place(id_: str) -> VexProduct | None:
        if id_ in joined:
            component, whole = joined[id_]
            return _within(_identified(helpers.get(whole)), _identified(helpers.get(component)))
        return _identified(helpers.get(id_))

    return place


def _csaf_helpers(tree: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for name in sequence(tree.get("full_product_names") or [], "`full_product_names`"):
        product = mapping(name, "a full product name")
        helper = mapping(product.get("product_identification_helper") or {}, "an identification")
        yield str(product.get("product_id")), helper


def _identified(helper: Mapping[str, object] | None) -> VexProduct | None:
    if helper is None:
        return None
    digest = next(iter(_sha256(helper)), "")
    purl = helper.get("purl")
    if isinstance(purl, str):
        return _place(purl, digest)
    return VexProduct(digest=digest) if digest else None


def _sha256(helper: Mapping[str, object]) -> Iterator[str]:
    for hashes in sequence(helper.get("hashes") or [], "hashes"):
        for hashed in sequence(mapping(hashes, "hashes").get("file_hashes") or [], "file hashes"):
            said = mapping(hashed, "a file hash")
            if str(said.get("algorithm")).lower() in ("sha256", "sha-256"):
                yield f"sha256:{said.get('value')}"


def _csaf_statements(
    said: Mapping[str, object], what: str, time: float, place: Callable[[str], VexProduct | None], products: _Products
) -> Iterator[VexStatement]:
    ids = [mapping(id_, "an id").get("text") for id_ in sequence(said.get("ids") or [], f"the ids of {what}")]
    names = _names((said.get("cve"), *ids), what)
    flags = dict(_by_product(said, "flags", "label"))
    impacts = dict(_by_product({"threats": _impacts(said)}, "threats", "details"))
    grouped: dict[tuple[VexStatus, str, str], list[str]] = {}
    for status, id_ in csaf.statuses(said):
        known = _STATUSES.get(status)
        if known is None:
            continue
        why = (flags.get(id_, ""), impacts.get(id_, "")) if known is VexStatus.NOT_AFFECTED else ("", "")
        if known is VexStatus.NOT_AFFECTED and not any(why):
            raise BadRules(f"{what} says known_not_affected of {id_!r:.80} and not why: give a flag or an impact")
        grouped.setdefault((known, *why), []).append(id_)
    for (known, justification, detail), ids_ in grouped.items():
        yield VexStatement(
            vulnerabilities=names,
            status=known,
            products=products.placed(map(place, ids_)),
            time=time,
            justification=justification,
            detail=detail,
        )


def _impacts(said: Mapping[str, object]) -> Sequence[object]:
    threats = sequence(said.get("threats") or [], "threats")
    return [threat for threat in threats if isinstance(threat, dict) and threat.get("category") == "impact"]


def _by_product(said: Mapping[str, object], name: str, field: str) -> Iterator[tuple[str, str]]:
    """Yield what the entries of a list say of each product id."""
    for entry, ids in csaf.by_product(said.get(name), name):
        yield from ((id_, words(entry.get(field))) for id_ in ids)
