"""The contract of `Layers`."""

import random
from dataclasses import replace

from eclair.model import Digest, Inventory, Layer, Link, Package, Source
from tests.adapters.contract.conftest import Stores

DIGEST = Digest("sha256:" + "ab" * 32)


def a_layer(packages: int) -> Layer:
    found = tuple(
        Package(
            type="deb",
            name=f"lib{number * 2_654_435_761 % 2**32:x}-{number}",
            version=f"1:{number**5:x}-1",
            arch="amd64",
            source=Source(name=f"{number**7:x}", version=f"{number**3:x}"),
            path="var/lib/dpkg/status",
        )
        for number in range(packages)
    )
    return Layer(
        digest=DIGEST,
        diff_id=Digest("sha256:" + "cd" * 32),
        inventories=(
            Inventory(path="var/lib/dpkg/status", analyser="dpkg", packages=found, problem="line 7: no colon"),
            Inventory(path="etc/os-release", analyser="distribution", facts=(("ID", "debian"), ("NAME", "Děbian\x00"))),
            Inventory(path="var/lib/dpkg/info/apt.list", analyser="dpkg", owned=(("usr/x.jar", "apt"), ("x", "apt"))),
        ),
        removed=("lib/apk/db/installed",),
        opaque=("", "var/lib"),
        links=(Link(path="lib", target="usr/lib"), Link(path="a/x.jar", target="b/x.jar", hard=True)),
        written=random.Random(0).randbytes(packages * 50),
    )


def test_a_layer_never_read_is_none(stores: Stores) -> None:
    assert stores.layers.layer(DIGEST) is None


def test_a_layer_is_read_as_it_was_saved(stores: Stores) -> None:
    for _ in range(2):
        stores.layers.save_layer(a_layer(3))
        assert stores.layers.layer(DIGEST) == a_layer(3)


def test_a_layer_larger_than_a_row_is_read_as_it_was_saved(stores: Stores) -> None:
    layer = a_layer(20_000)
    stores.layers.save_layer(layer)
    assert stores.layers.layer(DIGEST) == layer


def test_a_layer_that_was_read_again_is_the_later_result(stores: Stores) -> None:
    stores.layers.save_layer(a_layer(20_000))
    later = replace(a_layer(1), analysers=(("apk", "1"), ("dpkg", "4")), asked=("dpkg",))
    stores.layers.save_layer(later)
    assert stores.layers.layer(DIGEST) == later
