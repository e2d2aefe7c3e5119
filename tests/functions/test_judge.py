"""The judge function: sets by message; only a set that others kept claiming, or that fails, is delivered again."""

import pytest

from eclair.adapters.codec import encode
from eclair.adapters.memory import MemorySets
from eclair.judge import ATTEMPTS
from eclair.model import Delta, JudgeRequest, Kind, PackageKey, RefreshRequest, SetHead, SetId, Verdict
from functions.judge.app import respond
from tests.fleet import DEBIAN, DPKG, SHOP, Fleet, layer
from tests.functions.invocation import Context, failed, messages

CURL = PackageKey(scheme="deb", namespace="debian:12", kind=Kind.SOURCE, name="curl")


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet with one image, whose verdicts do not know yet what the feed says."""
    fleet = Fleet()
    fleet.registry.add_image(SHOP, "1", [layer(DEBIAN), layer(DPKG)])
    fleet.push(SHOP, "1")
    fleet.application.refresh(RefreshRequest(feed="debian", part="tracker"))
    return fleet


def message(set_id: SetId, *packages: PackageKey) -> str:
    return encode(JudgeRequest(set=set_id, packages=packages)).decode()


def only_set(fleet: Fleet) -> SetId:
    (set_id,) = fleet.ports.sets.heads
    return set_id


def test_a_set_is_judged_and_a_message_that_cannot_be_read_holds_it_up_not(fleet: Fleet) -> None:
    body = message(only_set(fleet), CURL)
    assert failed(respond(messages("{}", body, body), Context(), fleet.application)) == ["1"]
    version, verdicts = fleet.ports.sets.verdicts(only_set(fleet))
    assert version == 2
    assert {verdict.feature.split("|")[0] for verdict in verdicts} == {str(CURL)}


def test_a_set_that_is_gone_is_nothing_to_judge(fleet: Fleet) -> None:
    assert failed(respond(messages(message(SetId("0"), CURL)), Context(), fleet.application)) == []


class Contested(MemorySets):
    """Somebody else claims the set between each claim and the write that follows it."""

    claims = 0

    def claim(self, set_id: SetId) -> SetHead | None:
        self.claims += 1
        return super().claim(set_id)

    def advance(self, delta: Delta, verdicts: tuple[Verdict, ...], *, rev: int) -> bool:  # type: ignore[override]
        super().claim(delta.set)
        return super().advance(delta, verdicts, rev=rev)


def test_a_set_that_others_keep_claiming_is_delivered_again(fleet: Fleet) -> None:
    contested = Contested(**{name: getattr(fleet.ports.sets, name) for name in MemorySets.__slots__})
    body = message(only_set(fleet), CURL)
    assert failed(respond(messages(body), Context(), fleet.with_ports(sets=contested))) == ["1"]
    assert contested.claims == ATTEMPTS
    assert failed(respond(messages(body), Context(), fleet.application)) == []
