"""Under which keys do rows stand, and which keys does a query ask for?

DynamoDB takes partition keys of up to 2,048 bytes and sort keys of up to 1,024, which it orders as unsigned bytes.
A row that begins with a version key is `key‖00‖suffix`. Version keys are prefix-free and no suffix holds FF, so the
two ends of a `KeyRange` serve as the arguments of BETWEEN as they are. What is longer than the limit is cut and ends
in a digest instead; a query then asks for the cut, which finds every row it should and perhaps more: whoever reads
the rows compares the full keys.
"""

import hashlib
from collections.abc import Iterable

from eclair.errors import BadInput
from eclair.model import UNREADABLE, KeyRange, Kind, PackageKey

LONGEST_PARTITION_KEY = 2048
LONGEST_SORT_KEY = 1024
CUT = LONGEST_SORT_KEY - 33
"""How much of a key that is too long is kept, before 00 and 32 hexadecimal digits (no suffix holds FF) of a digest."""

UNREADABLE_ROWS = KeyRange(lower=UNREADABLE + b"\x00", upper=UNREADABLE + b"\x00\xff")
"""Where the features stand whose version has no key."""


def partition(kind: str, name: str) -> str:
    """Return the partition key of what has that name."""
    key = f"{kind}#{name}"
    if len(utf8(key)) <= LONGEST_PARTITION_KEY:
        return key
    return f"{kind}#sha256:{hashlib.sha256(utf8(key)).hexdigest()}"


def named(*parts: str) -> bytes:
    """Return the sort key of what has that name; it orders as the name does."""
    key = utf8("#".join(parts))
    return key if len(key) <= LONGEST_SORT_KEY else _cut(key, key)


def numbered(kind: bytes, number: int) -> bytes:
    """Return the sort key of what has that number; it orders as the number does."""
    return kind + b"#" + number.to_bytes(8, "big")


def framed(key: bytes, *suffix: str) -> bytes:
    """Return the sort key of a row that begins with a version key."""
    tail = utf8("\x00".join(suffix))
    whole = key + b"\x00" + tail
    if len(whole) <= LONGEST_SORT_KEY:
        return whole
    return _cut(key, whole)


def _cut(key: bytes, whole: bytes) -> bytes:
    return key[:CUT] + b"\x00" + hashlib.sha256(whole).hexdigest()[:32].encode()


def lower_argument(lower: bytes) -> bytes:
    """Return where a query has to begin to find all rows from `lower` on."""
    return lower[:CUT]


def upper_argument(upper: bytes) -> bytes:
    """Return where a query has to end to find all rows up to `upper`."""
    return upper if len(upper) <= CUT else upper[:CUT] + b"\xff"


def disjoint(ranges: Iterable[KeyRange]) -> tuple[KeyRange, ...]:
    """Return query arguments that cover the ranges, overlapping ones joined, so that no row is found twice."""
    joined: list[KeyRange] = []
    asked = (KeyRange(lower=lower_argument(keys.lower), upper=upper_argument(keys.upper)) for keys in ranges)
    for keys in sorted(asked, key=lambda keys: keys.lower):
        if joined and keys.lower <= joined[-1].upper:
            joined[-1] = KeyRange(lower=joined[-1].lower, upper=max(joined[-1].upper, keys.upper))
        elif keys.lower <= keys.upper:
            joined.append(keys)
    return tuple(joined)


def package_key(name: str) -> PackageKey:
    """Return the package key that was written as a string."""
    scheme, namespace, kind, package = name.split("#", 3)
    return PackageKey(scheme=scheme, namespace=namespace, kind=Kind(kind), name=package)


def utf8(text: str) -> bytes:
    """Return the text in UTF-8. Raises `BadInput` for a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{text!a} is no Unicode text: it cannot name a row") from error
