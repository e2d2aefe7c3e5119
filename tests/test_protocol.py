"""Nothing falls between index, refresh, match and judge, whoever comes first, crashes or comes twice."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from eclair.adapters.memory import MemorySets
from eclair.model import Delta, SetHead, SetId, SetState, Verdict
from tests.world import MOST_REVS, Explorer, World, fault, tracker

APPEARS = (tracker("CVE-2026-0001"),)
APPEARS_AND_LEAVES = (tracker("CVE-2026-0001"), tracker())


def test_every_interleaving_of_a_push_with_an_advisory_and_one_crash() -> None:
    explorer = Explorer(APPEARS)
    worlds, faults = explorer.walk(explorer.first(images=1, crashes=1))
    assert not faults
    assert worlds > 1000, "the walk did not branch"


def test_every_interleaving_of_an_advisory_that_comes_and_goes_with_one_crash() -> None:
    explorer = Explorer(APPEARS_AND_LEAVES)
    worlds, faults = explorer.walk(explorer.after_push(crashes=1))
    assert not faults
    assert worlds > 1000, "the walk did not branch"


def test_every_interleaving_of_an_advisory_with_a_crash_and_a_repeated_delivery() -> None:
    explorer = Explorer(APPEARS)
    worlds, faults = explorer.walk(explorer.after_push(crashes=1, repeats=1))
    assert not faults
    assert worlds > 1000, "the walk did not branch"


@pytest.mark.parametrize("seed", range(100))
def test_two_images_crashes_and_repeats_at_random(seed: int) -> None:
    explorer = Explorer(APPEARS_AND_LEAVES)
    world = explorer.first(images=2, crashes=2, repeats=2)
    assert fault(_wander(explorer, world, Random(seed)).stores) is None


def _wander(explorer: Explorer, world: World, random: Random) -> World:
    """Take random steps until nothing is under way."""
    while not all(handler.done for handler in world.handlers):
        calm = all(head.rev < MOST_REVS for head in world.stores.sets.heads.values())
        ways = list(explorer.following(world if calm else replace(world, crashes=0, repeats=0)))
        world = random.choice(ways)
    return world


class WithoutClaim(MemorySets):
    """Judge does not raise the rev before it reads; it writes if nobody else wrote."""

    def claim(self, set_id: SetId) -> SetHead | None:
        head = self.heads.get(set_id)
        return head if head is not None and head.state is SetState.COMPLETE else super().claim(set_id)

    def advance(self, delta: Delta, verdicts: Sequence[Verdict], *, rev: int) -> bool:
        return super().advance(delta, verdicts, rev=self.heads[delta.set].rev)


class WithoutBuilding(MemorySets):
    """Judge leaves a building set as it is, instead of raising its rev."""

    def claim(self, set_id: SetId) -> SetHead | None:
        head = self.heads.get(set_id)
        return head if head is not None and head.state is SetState.BUILDING else super().claim(set_id)


class WithoutCatchingUp(MemorySets):
    """Index does not see the deltas that appeared between its being told a version and its being seen by judge."""

    def deltas_after(self, set_id: SetId, number: int) -> tuple[Delta, ...]:
        return ()

    def open_deltas(self, set_id: SetId) -> tuple[Delta, ...]:
        return tuple(delta for delta in MemorySets.deltas_after(self, set_id, 0) if delta.open)


def test_the_claim_is_necessary() -> None:
    explorer = Explorer(APPEARS_AND_LEAVES, sets=WithoutClaim)
    _, faults = explorer.walk(explorer.after_push())
    assert "the stored verdicts are stale" in faults


def test_the_rev_of_a_building_set_is_necessary() -> None:
    explorer = Explorer(APPEARS, sets=WithoutBuilding)
    _, faults = explorer.walk(explorer.first(images=1))
    assert "the stored verdicts are stale" in faults


def test_catching_up_is_necessary() -> None:
    explorer = Explorer(APPEARS, sets=WithoutCatchingUp)
    _, faults = explorer.walk(explorer.first(images=1))
    assert any("told" in found for found in faults)
