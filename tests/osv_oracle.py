"""The evaluation algorithm of the OSV schema, written down as it stands there, slow and without any key.

https://ossf.github.io/osv-schema/#evaluation. The order of versions is given: it is not what is tried here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cmp_to_key
from typing import Any

Compare = Callable[[str, str], int]


def is_vulnerable(affected: Sequence[Mapping[str, Any]], version: str, compare: Compare) -> bool:
    """Say whether entries about one package include a version."""
    return any(_in_versions(version, entry, compare) or _in_ranges(version, entry, compare) for entry in affected)


def _in_versions(version: str, entry: Mapping[str, Any], compare: Compare) -> bool:
    return any(version == listed or _equal(version, listed, compare) for listed in entry.get("versions") or ())


def _equal(one: str, other: str, compare: Compare) -> bool:
    try:
        return compare(one, other) == 0
    except ValueError:
        return False


def _in_ranges(version: str, entry: Mapping[str, Any], compare: Compare) -> bool:
    ranges = [some for some in entry.get("ranges") or () if some["type"] != "GIT"]
    return any(_before_limits(version, some, compare) and _in_range(version, some, compare) for some in ranges)


def _before_limits(version: str, some: Mapping[str, Any], compare: Compare) -> bool:
    limits = [event["limit"] for event in some["events"] if "limit" in event]
    return not limits or any(limit == "*" or compare(version, limit) < 0 for limit in limits)


def _in_range(version: str, some: Mapping[str, Any], compare: Compare) -> bool:
    vulnerable = False
    for event in _sorted(some["events"], compare):
        (kind, bound), *_ = event.items()
        if kind == "introduced" and (bound == "0" or compare(version, bound) >= 0):
            vulnerable = True
        elif (kind == "fixed" and compare(version, bound) >= 0) or (
            kind == "last_affected" and compare(version, bound) > 0
        ):
            vulnerable = False
    return vulnerable


def _sorted(events: Sequence[Mapping[str, str]], compare: Compare) -> Sequence[Mapping[str, str]]:
    """Sort events by version; what the specification leaves open, events of one version, goes by what they mean."""

    def order(one: Mapping[str, str], other: Mapping[str, str]) -> int:
        beginning = {"introduced": "0"}
        if beginning in (one, other):
            return (one != beginning) - (other != beginning)
        [(kind, version)], [(other_kind, other_version)] = one.items(), other.items()
        return compare(version, other_version) or (kind == "last_affected") - (other_kind == "last_affected")

    return sorted((event for event in events if "limit" not in event), key=cmp_to_key(order))


def bounds(affected: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield every version that the entries name."""
    for entry in affected:
        yield from entry.get("versions") or ()
        for some in entry.get("ranges") or ():
            if some["type"] != "GIT":
                yield from (version for event in some["events"] for version in event.values() if version != "*")
