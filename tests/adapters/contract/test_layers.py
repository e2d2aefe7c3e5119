"""The contract of `Layers`."""

from eclair.model import Digest, Inventory, Layer, Package, Source
from tests.adapters.contract.conftest import Stores

DIGEST = Digest("sha256:" + "ab" * 32)
ANALYSERS = "apk:1,dpkg:3"


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
        ),
        removed=("lib/apk/db/installed",),
        opaque=("", "var/lib"),
    )


def test_a_layer_never_read_is_none(stores: Stores) -> None:
    assert stores.layers.layer(DIGEST, ANALYSERS) is None


def test_a_layer_is_read_as_it_was_saved(stores: Stores) -> None:
    for _ in range(2):
        stores.layers.save_layer(a_layer(3), ANALYSERS)
        assert stores.layers.layer(DIGEST, ANALYSERS) == a_layer(3)


def test_a_layer_larger_than_a_row_is_read_as_it_was_saved(stores: Stores) -> None:
    layer = a_layer(20_000)
    stores.layers.save_layer(layer, ANALYSERS)
    assert stores.layers.layer(DIGEST, ANALYSERS) == layer


def test_what_other_analysers_read_is_another_result(stores: Stores) -> None:
    stores.layers.save_layer(a_layer(1), ANALYSERS)
    assert stores.layers.layer(DIGEST, "apk:1,dpkg:4") is None
    stores.layers.save_layer(a_layer(2), "apk:1,dpkg:4")
    assert stores.layers.layer(DIGEST, ANALYSERS) == a_layer(1)
    assert stores.layers.layer(DIGEST, "apk:1,dpkg:4") == a_layer(2)


def test_any_number_of_analysers_names_a_result(stores: Stores) -> None:
    many = ",".join(f"ecosystem{number}:1" for number in range(200))
    stores.layers.save_layer(a_layer(1), many)
    assert stores.layers.layer(DIGEST, many) == a_layer(1)
