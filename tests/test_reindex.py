"""Better analysers: only layers that they would read otherwise are read again, and only what differs is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO

import pytest

from eclair import ecosystems
from eclair.model import Cause, Digest, Image, IndexRequest, Layer, LayerReference, NotifyRequest, Repository
from tests.fleet import DEBIAN, DPKG, SHOP, Fleet, layer
from tests.registry_in_memory import MemoryRegistry

OTHER = Repository("registry.example.com/shop/other")


class CountingRegistry(MemoryRegistry):
    """A registry that keeps which blobs were fetched."""

    fetched: list[Digest]

    @contextmanager
    def blob(self, repository: Repository, layer: LayerReference) -> Iterator[BinaryIO]:
        self.fetched.append(layer.digest)
        with super().blob(repository, layer) as blob:
            yield blob


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet()
    fleet.registry.__class__ = CountingRegistry
    fleet.registry.fetched = []  # type: ignore[attr-defined]  # see the class above
    fleet.load("debian")
    return fleet


def fetched(fleet: Fleet) -> list[Digest]:
    assert isinstance(fleet.registry, CountingRegistry)
    taken, fleet.registry.fetched = fleet.registry.fetched, []
    return taken


def image_of(fleet: Fleet, digest: Digest) -> Image:
    image = fleet.ports.images.image(digest)
    assert image is not None
    return image


def stored(fleet: Fleet, digest: Digest) -> Layer:
    found = fleet.ports.layers.layer(digest)
    assert found is not None
    return found


def older(read: Layer, **versions: str) -> Layer:
    """Return the layer as if analysers of other versions had read it."""
    return replace(read, analysers=tuple(sorted({**dict(read.analysers), **versions}.items())))


def of_yesterday(name: str) -> str:
    return "0/" + ecosystems.analysers()[name].partition("/")[2]


def test_a_layer_knows_who_looked_into_it(fleet: Fleet) -> None:
    fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1.0")
    first, second = (stored(fleet, digest) for digest in fetched(fleet))
    assert (first.asked, second.asked) == (("distribution",), ("dpkg",))
    assert ecosystems.is_current(first)
    assert not ecosystems.is_current(older(first, distribution=of_yesterday("distribution")))
    assert ecosystems.is_current(older(first, dpkg=of_yesterday("dpkg")))
    assert not ecosystems.is_current(older(first, dpkg="1/another-interest"))
    assert not ecosystems.is_current(older(first, layer="0"))
    assert not ecosystems.is_current(older(first, fortran="1/x"))
    assert not ecosystems.is_current(replace(first, analysers=first.analysers[1:]))


def test_only_layers_are_read_again_that_better_analysers_would_read_otherwise(fleet: Fleet) -> None:
    digest = fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1.0")
    base, packages = fetched(fleet)
    for each in (base, packages):
        fleet.ports.layers.save_layer(older(stored(fleet, each), dpkg=of_yesterday("dpkg")))
    fleet.application.index(IndexRequest(repository=SHOP, digest=digest))
    assert fetched(fleet) == [packages]
    assert ecosystems.is_current(stored(fleet, packages))


def test_a_second_image_that_shares_all_layers_but_one_is_work_for_that_one(fleet: Fleet) -> None:
    fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1.0")
    fetched(fleet)
    fleet.registry.add_image(SHOP, "2.0", [layer(DEBIAN), layer(DPKG), layer({"etc/motd": "dpkg/status"})])
    fleet.push(SHOP, "2.0")
    assert len(fetched(fleet)) == 1


def test_an_image_read_anew_leaves_its_old_sets_and_only_the_difference_is_told(fleet: Fleet) -> None:
    digest = fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    fleet.registry.add_image(OTHER, "1.0", [layer(DEBIAN), layer(DPKG)])
    for repository in (SHOP, OTHER):
        fleet.push(repository, "1.0")
        fleet.application.notify(NotifyRequest(repository=repository, reason="pushed"))
    told = len(fleet.ports.topic.published)
    image = image_of(fleet, digest)
    (reference,) = image.sets
    _forget_a_package(fleet, image)
    fleet.application.index(IndexRequest(repository=SHOP, digest=digest))
    after = image_of(fleet, digest)
    assert after.replaced == ()
    assert [new.set for new in after.sets] != [reference.set]
    assert fleet.ports.sets.members(reference.set).items == ()
    members = {member.repository for member in fleet.ports.sets.members(after.sets[0].set).items}
    assert members == {SHOP, OTHER}
    for repository in (SHOP, OTHER):
        waiting = fleet.ports.notices.waiting(repository)
        assert {item.cause for item in waiting} == {Cause.RESCANNED}
        changed = [change for item in waiting for change in item.changes]
        assert changed
        assert all(change.new is None for change in changed)  # what the lost package had, and nothing else
    assert len(fleet.ports.topic.published) == told


def test_what_was_not_told_yet_is_not_taken_for_told(fleet: Fleet) -> None:
    """The image is read anew before its push was told: then all its findings are news."""
    digest = fleet.registry.add_image(SHOP, "1.0", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1.0")
    _forget_a_package(fleet, image_of(fleet, digest))
    fleet.application.index(IndexRequest(repository=SHOP, digest=digest))
    (reference,) = image_of(fleet, digest).sets
    (waiting,) = (item for item in fleet.ports.notices.waiting(SHOP) if item.set == reference.set)
    _, verdicts = fleet.ports.sets.verdicts(reference.set)
    assert all(change.old is None for change in waiting.changes)
    assert 0 < len(waiting.changes) <= len(verdicts)


def _forget_a_package(fleet: Fleet, image: Image) -> None:
    """Let the stored layer lack a package that has findings, as if a better analyser had found it not to be there."""
    _, verdicts = fleet.ports.sets.verdicts(image.sets[0].set)
    source = verdicts[0].feature.split("#")[3].partition("|")[0]
    for reference in image.layers:
        found = stored(fleet, reference.digest)
        inventories = tuple(
            replace(one, packages=tuple(some for some in one.packages if some.source and some.source.name != source))
            for one in found.inventories
        )
        fleet.ports.layers.save_layer(replace(found, inventories=inventories))
