"""What does an event say happened in a registry? Events and webhook bodies in, hints out; the registry decides.

Formats: Amazon ECR events (Amazon ECR User Guide, "Amazon ECR events and EventBridge"), CNCF Distribution ("Work with
notifications"), Red Hat Quay ("Repository notifications") and Harbor ("Configure webhook notifications"). Whoever
knows the webhook's secret may send anything: sizes are bounded and names checked, and nothing in a body chooses a host
that the operator did not allow.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

import orjson

from eclair.errors import BadReference, BadRequest, Forbidden, NotFound
from eclair.image.reference import ArchiveReference, is_digest, parse, parse_digest, parse_repository
from eclair.model import Digest, Hint, HintKind, Repository

MAX_BODY = 1_000_000
"""Bytes of a webhook body that we read."""
MAX_HINTS = 1_000
"""Events, tags or resources of one body that we follow."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,12}){1,4}")

_ECR_ACTIONS: Final = MappingProxyType({"PUSH": HintKind.PUSHED, "DELETE": HintKind.DELETED})
_DISTRIBUTION_ACTIONS: Final = MappingProxyType({"push": HintKind.PUSHED, "delete": HintKind.DELETED})
_HARBOR_EVENTS: Final = MappingProxyType(
    {
        "PUSH_ARTIFACT": HintKind.PUSHED,
        "DELETE_ARTIFACT": HintKind.DELETED,
        # the same as CloudEvents
        "harbor.artifact.pushed": HintKind.PUSHED,
        "harbor.artifact.deleted": HintKind.DELETED,
    }
)

Record = Mapping[str, object]


def ecr(event: Record) -> tuple[Hint, ...]:
    """Return what an *ECR Image Action* event says; nothing for other events and for actions that failed."""
    if event.get("source") != "aws.ecr" or event.get("detail-type") != "ECR Image Action":
        return ()
    detail = _record(event, "detail")
    kind = _ECR_ACTIONS.get(_optional(detail, "action-type"))
    if kind is None or detail.get("result") != "SUCCESS":
        return ()
    repository = _repository(_ecr_host(event), _text(detail, "repository-name"))
    tag, digest = _optional(detail, "image-tag"), _optional(detail, "image-digest")
    return (_hint(kind, repository, _time(event, "time"), tag, digest),)


def webhook(kind: str, body: bytes, *, allowed: Sequence[str], now: float) -> tuple[Hint, ...]:
    """Return what a webhook body of a kind of registry says; nothing for events that we do not know.

    Raises `BadRequest` for a body that cannot be read, `Forbidden` for a host that no pattern of `allowed` matches,
    `NotFound` for a kind there is not.
    """
    read = _WEBHOOKS.get(kind)
    if read is None:
        raise NotFound(f"no webhook kind {kind[:40]!r}: use one of {', '.join(_WEBHOOKS)}")
    hints = tuple(read(_body(body), now))
    if len(hints) > MAX_HINTS:
        raise BadRequest(f"{len(hints)} events in one {kind} webhook, over the limit of {MAX_HINTS}: send fewer")
    for hint in hints:
        _allow(hint.repository, allowed)
    return hints


def requested(body: bytes, *, allowed: Sequence[str], now: float) -> Hint:
    """Return the hint that a posted `{"reference": "registry/name:tag"}` (or `@digest`) is."""
    hint = referred(_text(_body(body), "reference"), now=now)
    _allow(hint.repository, allowed)
    return hint


def referred(text: str, *, now: float) -> Hint:
    """Read `[registry/]name[:tag][@digest]` as a hint that it was pushed. Raises `BadReference`."""
    named = parse(text)
    if isinstance(named, ArchiveReference):
        raise BadReference(
            f"{text[:300]!r} names an archive: write registry/name:tag, or use `eclair scan` for archives"
        )
    if is_digest(named.reference):
        return Hint(kind=HintKind.PUSHED, repository=named.repository, time=now, digest=parse_digest(named.reference))
    return Hint(kind=HintKind.PUSHED, repository=named.repository, time=now, tag=named.reference)


def host_of(repository: Repository) -> str:
    """Return the registry of a repository."""
    return repository.partition("/")[0]


def is_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Say whether a pattern (`*` stands for anything) matches the registry host."""
    return any(fnmatchcase(host, pattern) for pattern in allowed)


# --- kinds of webhooks -----------------------------------------------------------------------------------------------


def _distribution(body: Record, now: float) -> Iterator[Hint]:
    for event in _records(body, "events"):
        kind = _DISTRIBUTION_ACTIONS.get(_optional(event, "action"))
        target = _record(event, "target")
        if kind is None or (kind is HintKind.PUSHED and not _is_manifest(target)):
            continue
        # The host the client spoke to names the registry; target.url is what the registry thinks of itself, which
        # behind a proxy is an address that only it can reach.
        repository = _repository(_text(_record(event, "request"), "host"), _text(target, "repository"))
        yield _hint(kind, repository, _time(event, "timestamp"), _optional(target, "tag"), _optional(target, "digest"))


def _is_manifest(target: Record) -> bool:
    """Tell a manifest from a layer: distribution reports both as pushed."""
    media_type = _optional(target, "mediaType")
    return bool(target.get("tag")) or ".manifest." in media_type or ".image.index." in media_type


def _quay(body: Record, now: float) -> Iterator[Hint]:
    tags = body.get("updated_tags")
    if tags is None:
        return  # another event than repo_push
    if not isinstance(tags, list | dict):
        raise BadRequest("updated_tags of the webhook is neither a list nor an object")
    host, _, name = _text(body, "docker_url").partition("/")
    for tag in tags:
        yield _hint(HintKind.PUSHED, _repository(host, name), now, _word(tag, "updated_tags"), "")


def _harbor(body: Record, now: float) -> Iterator[Hint]:
    kind = _HARBOR_EVENTS.get(_optional(body, "type"))
    if kind is None:
        return
    content = _record(body, "data" if "specversion" in body else "event_data")
    name = _text(_record(content, "repository"), "repo_full_name")
    time = _time(body, "time") if "specversion" in body else _seconds(body, "occur_at", now)
    for resource in _records(content, "resources"):
        host = _text(resource, "resource_url").partition("/")[0]
        tag = _optional(resource, "tag")
        named = "" if ":" in tag else tag  # without a tag Harbor repeats the digest here
        yield _hint(kind, _repository(host, name), time, named, _optional(resource, "digest"))


_WEBHOOKS: Final[Mapping[str, Callable[[Record, float], Iterator[Hint]]]] = MappingProxyType(
    {"docker": _distribution, "quay": _quay, "harbor": _harbor}
)
WEBHOOKS: Final = tuple(_WEBHOOKS)
"""The kinds of webhooks; `docker` is CNCF Distribution, the registry that the `registry` image of Docker runs."""

# --- reading what strangers wrote ------------------------------------------------------------------------------------


def _body(body: bytes) -> Record:
    if len(body) > MAX_BODY:
        raise BadRequest(f"the body has {len(body)} bytes, over the limit of {MAX_BODY}: send fewer events at once")
    try:
        read: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if not isinstance(read, dict):
        raise BadRequest("the body is no JSON object")
    return read


def _record(record: Record, name: str) -> Record:
    found = record.get(name)
    if not isinstance(found, dict):
        raise BadRequest(f"{name} is missing or no object")
    return found


def _records(record: Record, name: str) -> Iterator[Record]:
    found = record.get(name)
    if not isinstance(found, list):
        raise BadRequest(f"{name} is missing or no list")
    for item in found:
        if not isinstance(item, dict):
            raise BadRequest(f"{name} holds something that is no object")
        yield item


def _word(found: object, name: str) -> str:
    if not isinstance(found, str) or not found:
        raise BadRequest(f"{name} is missing or no text")
    return found


def _text(record: Record, name: str) -> str:
    return _word(record.get(name), name)


def _optional(record: Record, name: str) -> str:
    found = record.get(name)
    return _word(found, name) if found else ""


def _time(record: Record, name: str) -> float:
    text = _text(record, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"{name} {text[:60]!r} is no time as RFC 3339 writes it") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _seconds(record: Record, name: str, now: float) -> float:
    found = record.get(name, now)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise BadRequest(f"{name} is no number of seconds")
    return float(found)


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise BadRequest(f"{what} {text[:300]!r} cannot be read")
    return text


def _ecr_host(event: Record) -> str:
    """Build the registry from the account and region that EventBridge vouches for, never from a URL in the event."""
    account = _matching(_ACCOUNT, _text(event, "account"), "account")
    region = _matching(_REGION, _text(event, "region"), "region")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{suffix}"


def _repository(host: str, name: str) -> Repository:
    try:
        repository = parse_repository(f"{host}/{name}")
    except BadReference as error:
        raise BadRequest(str(error)) from error
    if host_of(repository) != host:
        raise BadRequest(f"registry {host[:300]!r} cannot be told from a name: give the registry a name with a dot")
    return repository


def _hint(kind: HintKind, repository: Repository, time: float, tag: str, digest: str) -> Hint:
    if not tag and not digest:
        raise BadRequest(f"neither a tag nor a digest of {repository} is named")
    return Hint(
        kind=kind,
        repository=repository,
        time=time,
        tag=_matching(_TAG, tag, "tag") if tag else "",
        digest=_digest(digest) if digest else None,
    )


def _digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except BadReference as error:
        raise BadRequest(str(error)) from error


def _allow(repository: Repository, allowed: Sequence[str]) -> None:
    if not is_allowed(host_of(repository), allowed):
        raise Forbidden(f"registry {host_of(repository)} is not among those allowed ({', '.join(allowed) or 'none'})")
