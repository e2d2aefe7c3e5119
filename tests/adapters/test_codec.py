"""What is written down is read back: every value of the model, by older and newer code, and nothing else."""

import dataclasses
import inspect
from enum import Enum
from types import UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eclair import model
from eclair.adapters.codec import decode, encode, pack, unpack
from eclair.errors import BadInput
from eclair.model import (
    Feature,
    Kind,
    Notice,
    Package,
    PackageKey,
    PackageSet,
    Repository,
    SetId,
    Source,
    StatementChange,
    Tag,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS: dict[object, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=12),
    type(None): st.none(),
}
STORED = [
    kind
    for _, kind in inspect.getmembers(model, dataclasses.is_dataclass)
    if isinstance(kind, type) and kind not in (model.Page, model.Interest)
]


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return any value of a type of the model."""
    if isinstance(kind, NewType):
        return values(kind.__supertype__)
    if get_origin(kind) in (Union, UnionType):
        return st.one_of(*map(values, get_args(kind)))
    if get_origin(kind) is tuple:
        items = get_args(kind)
        if items[-1] is Ellipsis:
            return st.lists(values(items[0]), max_size=2).map(tuple)
        return st.tuples(*map(values, items))
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        assert isinstance(kind, type)
        return st.builds(kind, **{field.name: values(hints[field.name]) for field in dataclasses.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    return SCALARS[kind]


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.data())
def test_every_value_of_the_model_is_read_as_it_was_written(kind: type, content: st.DataObject) -> None:
    value = content.draw(values(kind))
    assert decode(kind, encode(value)) == value
    assert unpack(kind, pack(value)) == value


def test_what_is_read_has_the_types_of_the_model() -> None:
    notice = Notice(
        id="1",
        repository=Repository("registry.test/shop"),
        sequence=1,
        subject="",
        body="",
        text="",
        attributes=(("severity", "high"), ("findings", 2), ("tags", ("v1", "v2"))),
        waiting=("key",),
    )
    read = decode(Notice, encode(notice))
    assert isinstance(read.attributes, tuple)
    assert [type(value) for _, value in read.attributes] == [str, int, tuple]
    feature = Feature(
        package=PackageKey(scheme="deb", namespace="n", kind=Kind.SOURCE, name="x"), version="1", key=b"\xff\x00"
    )
    again = decode(Feature, encode(feature))
    assert type(again.package.kind) is Kind
    assert hash(again) == hash(feature)


def test_a_time_that_is_a_whole_number_is_read_as_a_time() -> None:
    tag = {"repository": "r/x", "name": "v1", "digest": "sha256:a", "images": [], "time": 5}
    assert type(decode(Tag, orjson.dumps(tag)).time) is float


def test_a_field_that_is_not_known_is_passed_over() -> None:
    assert decode(Source, b'{"name":"openssl","version":"3","epoch":1,"more":{"a":[]}}') == Source(
        name="openssl", version="3"
    )


def test_a_field_that_is_missing_takes_its_default() -> None:
    package = decode(Package, b'{"type":"deb","name":"curl","version":"8","path":"status"}')
    assert package == Package(type="deb", name="curl", version="8", path="status")


def test_a_missing_field_without_a_default_is_named() -> None:
    with pytest.raises(BadInput, match=r"a Source lacks version$"):
        decode(Source, b'{"name":"openssl"}')


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Source, b""),
        (Source, b"{"),
        (Source, b"<html>"),
        (Source, b"\xff"),
        (Source, b"[]"),
        (Source, b"null"),
        (Source, b'{"name":1,"version":"2"}'),
        (Source, b'{"name":null,"version":"2"}'),
        (PackageKey, b'{"scheme":"deb","namespace":"n","kind":"other","name":"x"}'),
        (PackageKey, b'{"scheme":"deb","namespace":"n","kind":[],"name":"x"}'),
        (Package, b'{"type":"deb","name":"x","version":"1","path":"p","third_party":"yes"}'),
        (Package, b'{"type":"deb","name":"x","version":"1","path":"p","source":"x"}'),
        (Tag, b'{"repository":"r","name":"v","digest":"d","images":"abc","time":1}'),
        (Tag, b'{"repository":"r","name":"v","digest":"d","images":[],"time":true}'),
        (Tag, b'{"repository":"r","name":"v","digest":"d","images":[],"time":"1"}'),
        (StatementChange, b'{"old":[],"new":null}'),
        (tuple[str, int], b'["a"]'),
        (tuple[str, int], b'["a",1,2]'),
        (bytes, b'"not base64!"'),
        (bytes, b"7"),
    ],
)
def test_what_is_no_such_value_is_refused(kind: type, content: bytes) -> None:
    with pytest.raises(BadInput):
        decode(kind, content)


def test_bytes_that_were_not_packed_are_refused() -> None:
    for content in (b"", b"{}", pack(Source(name="x", version="1"))[:-3]):
        with pytest.raises(BadInput, match="not a packed Source"):
            unpack(Source, content)


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(BadInput, match="a Source cannot be written as JSON"):
        encode(Source(name="\udcff", version="1"))


def test_ten_thousand_packages_are_packed_and_unpacked() -> None:
    packages = tuple(
        Package(
            type="deb",
            name=f"libpackage{number}-dev",
            version=f"1:2.{number % 97}.{number}-3+deb12u{number % 7}",
            arch="amd64",
            source=Source(name=f"package{number // 3}", version=f"2.{number % 97}.{number}-3"),
            path="var/lib/dpkg/status",
        )
        for number in range(10_000)
    )
    package_set = PackageSet(id=SetId("5e7" * 20), type="deb", namespace="debian:12", packages=packages)
    assert unpack(PackageSet, pack(package_set)) == package_set
