"""The notify function: one repository at a time; a repository that fails holds up its own messages only."""

import pytest

from eclair.adapters.codec import encode
from eclair.adapters.memory import MemoryTopic
from eclair.errors import Unavailable
from eclair.model import Notice, NotifyRequest, Repository
from functions.notify.app import respond
from tests.fleet import DEBIAN, DPKG, SHOP, Fleet, layer
from tests.functions.invocation import Context, failed, grouped, recorded

BANK = Repository("registry.example.com/bank/ledger")


class Deaf(MemoryTopic):
    """A topic that takes no notices of one repository."""

    refused: Repository | None = SHOP

    def publish(self, notice: Notice) -> None:
        if notice.repository == self.refused:
            raise Unavailable("the topic does not answer; try again later")
        super().publish(notice)


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet with news for two repositories."""
    fleet = Fleet()
    fleet.load("debian")
    for repository in (SHOP, BANK):
        fleet.registry.add_image(repository, "1", [layer(DEBIAN), layer(DPKG)])
        fleet.push(repository, "1")
    return fleet


def message(repository: Repository, reason: str = "pushed") -> tuple[str, str]:
    return repository, encode(NotifyRequest(repository=repository, reason=reason)).decode()


def test_every_repository_gets_its_notice_once(fleet: Fleet) -> None:
    event = grouped(message(SHOP, "a"), message(SHOP, "b"), message(BANK))
    assert failed(respond(event, Context(), fleet.application)) == []
    assert [notice.repository for notice in fleet.ports.topic.published] == [SHOP, BANK]


def test_a_repository_that_fails_holds_up_its_own_messages_only(fleet: Fleet) -> None:
    topic = Deaf()
    deaf = fleet.with_ports(topic=topic)
    event = grouped(message(SHOP, "a"), message(BANK, "b"), message(SHOP, "c"))
    assert failed(respond(event, Context(), deaf)) == ["1", "3"]
    assert [notice.repository for notice in topic.published] == [BANK]
    topic.refused = None
    assert failed(respond(grouped(message(SHOP, "a"), message(SHOP, "c")), Context(), deaf)) == []
    assert [notice.repository for notice in topic.published] == [BANK, SHOP]


def test_a_message_that_cannot_be_read_holds_up_no_other_repository(fleet: Fleet) -> None:
    event = grouped(("registry.example.com/other", "{"), message(BANK))
    assert failed(respond(event, Context(), fleet.application)) == ["1"]
    assert len(fleet.ports.topic.published) == 1


def test_a_message_as_documented_is_none_of_ours(fleet: Fleet) -> None:
    event = recorded("sqs_fifo_messages")
    assert failed(respond(event, Context(), fleet.application)) == [event["Records"][0]["messageId"]]
