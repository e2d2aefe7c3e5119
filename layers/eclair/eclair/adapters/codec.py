"""How is a value of the model written down, in a row or in a message?

As JSON (RFC 8259), each dataclass an object by the names of its fields, tuples as arrays, bytes in base64; packed with
Zstandard (RFC 8878) where it is stored. What is read follows from the type hints: a field that is not known is passed
over and one that is missing takes its default, so that older and newer code read each other's rows.
"""

import base64
import binascii
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson
import zstandard

from eclair.errors import BadInput

T = TypeVar("T")
_Decoder = Callable[[Any], Any]

_LEVEL = 3
"""Zstandard's own default: a package list shrinks 12-fold at about 200 MB/s."""


def encode(value: object) -> bytes:
    """Return the value as JSON. Raises `BadInput` for text that is not Unicode."""
    try:
        return orjson.dumps(value, default=_plain)
    except orjson.JSONEncodeError as error:
        raise BadInput(f"a {type(value).__name__} cannot be written as JSON: {error}") from error


def decode(kind: type[T], content: bytes | str) -> T:
    """Return the value of that type. Raises `BadInput` where the JSON does not hold one."""
    try:
        return cast("T", _decoder(cast("Hashable", kind))(orjson.loads(content)))
    except orjson.JSONDecodeError as error:
        raise BadInput(f"not the JSON of a {_name(kind)}: {error}") from error


def pack(value: object) -> bytes:
    """Return the value as compressed JSON."""
    return zstandard.compress(encode(value), _LEVEL)


def unpack(kind: type[T], content: bytes) -> T:
    """Return the value that was packed. Raises `BadInput` where the bytes do not hold one."""
    try:
        plain = zstandard.decompress(content)
    except zstandard.ZstdError as error:
        raise BadInput(f"not a packed {_name(kind)}: {error}") from error
    return decode(kind, plain)


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no place in a row")


def _name(kind: object) -> str:
    return str(getattr(kind, "__name__", kind)) if not get_args(kind) else str(kind)


@cache
def _decoder(kind: Any) -> _Decoder:
    """Return the function that turns parsed JSON into a value of the type."""
    if isinstance(kind, NewType):
        return _decoder(kind.__supertype__)
    if get_origin(kind) in (Union, UnionType):
        return _union(kind)
    if get_origin(kind) is tuple:
        return _tuple(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    if kind in _SCALARS:
        return _SCALARS[kind]
    raise TypeError(f"{kind!r} has no place in a row")


def _wrong(kind: object, found: object) -> BadInput:
    return BadInput(f"expected {_name(kind)}, found {type(found).__name__}")


def _exactly(kind: type) -> _Decoder:
    def of(found: Any) -> Any:
        if type(found) is not kind:
            raise _wrong(kind, found)
        return found

    return of


def _float(found: Any) -> float:
    if type(found) not in (float, int):
        raise _wrong(float, found)
    return float(found)


def _bytes(found: Any) -> bytes:
    if type(found) is not str:
        raise _wrong(bytes, found)
    try:
        return base64.b64decode(found, validate=True)
    except binascii.Error as error:
        raise BadInput(f"expected bytes in base64: {error}") from error


_SCALARS: Mapping[type, _Decoder] = {
    str: _exactly(str),
    int: _exactly(int),
    bool: _exactly(bool),
    NoneType: _exactly(NoneType),
    float: _float,
    bytes: _bytes,
}


def _enum(kind: type[Enum]) -> _Decoder:
    members: dict[object, Enum] = {member.value: member for member in kind}

    def of(found: Any) -> Enum:
        member = members.get(found) if isinstance(found, str) else None
        if member is None:
            raise BadInput(f"{found!r} is no {kind.__name__}")
        return member

    return of


def _tuple(kind: Any) -> _Decoder:
    items = get_args(kind)
    if items[-1] is Ellipsis:
        item = _decoder(items[0])
        return lambda found: tuple(map(item, _list(kind, found)))
    decoders = tuple(_decoder(item) for item in items)

    def of(found: Any) -> tuple[Any, ...]:
        if len(_list(kind, found)) != len(decoders):
            raise BadInput(f"expected {_name(kind)}, found {len(found)} items")
        return tuple(decoder(item) for decoder, item in zip(decoders, found, strict=True))

    return of


def _list(kind: object, found: Any) -> list[Any]:
    if type(found) is not list:
        raise _wrong(kind, found)
    return found


def _union(kind: Any) -> _Decoder:
    """Choose the alternative by the type that JSON gives it; no union of the model has two of one JSON type."""
    by_type = {_json_type(alternative): _decoder(alternative) for alternative in get_args(kind)}

    def of(found: Any) -> Any:
        decoder = by_type.get(type(found))
        if decoder is None:
            raise _wrong(kind, found)
        return decoder(found)

    return of


def _json_type(kind: Any) -> type:
    if isinstance(kind, NewType):
        return _json_type(kind.__supertype__)
    if get_origin(kind) is tuple:
        return list
    if is_dataclass(kind):
        return dict
    if kind is bytes or issubclass(kind, Enum):
        return str
    return cast("type", kind)


def _dataclass(kind: type) -> _Decoder:
    hints = get_type_hints(kind)
    decoders = {field.name: _decoder(hints[field.name]) for field in fields(kind)}
    required = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}

    def of(found: Any) -> Any:
        if type(found) is not dict:
            raise _wrong(kind, found)
        known = {name: decoders[name](value) for name, value in found.items() if name in decoders}
        try:
            return kind(**known)
        except TypeError as error:
            missing = ", ".join(sorted(required - known.keys()))
            raise BadInput(f"a {kind.__name__} lacks {missing}") from error

    return of
