"""How tables behave where AWS does not do at once what it was asked, and what rows cost."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from moto import mock_aws
from pynamodb.exceptions import PynamoDBException

from eclair.adapters.dynamodb import ATTEMPTS, PIECE, Table, page_token, sort_key_of
from eclair.adapters.dynamodb_advisories import DynamoAdvisories
from eclair.adapters.dynamodb_feeds import DynamoFeeds
from eclair.adapters.dynamodb_images import DynamoImages
from eclair.adapters.dynamodb_notices import MEMORY, DynamoNotices
from eclair.adapters.dynamodb_sets import DynamoSets
from eclair.errors import BadRequest, Forbidden, LimitExceeded, NotFound, Unavailable
from eclair.model import Amendment, Range, Severity
from tests.adapters.contract.conftest import REGION, new_table
from tests.adapters.contract.test_advisories import OPENSSL, before, put, said
from tests.adapters.contract.test_images import BANK, SHOP, digest
from tests.adapters.contract.test_notices import pushed, waiting
from tests.adapters.contract.test_sets import SET, a_delta, a_set, feature, key, some_verdicts
from tests.adapters.scripted_aws import Answer, Scripted, refused, scripted


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def table() -> Iterator[Table]:
    with mock_aws():
        yield new_table(None)


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[Table, Scripted, list[float]]]:
    """Yield a table with these answers, what it was asked, and the pauses that were made."""
    pauses: list[float] = []
    with scripted(answers) as service:
        yield Table("index", region=REGION, host=service.address, retries=0, sleep=pauses.append), service, pauses


def rows_in(table: Table) -> list[tuple[str, bytes]]:
    return sorted(row.key for row in table.row.scan())


# --- errors ---


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused("AccessDeniedException"), Forbidden),
        (refused("UnrecognizedClientException"), Forbidden),
        (refused("ResourceNotFoundException"), NotFound),
        (refused("ProvisionedThroughputExceededException"), Unavailable),
        (refused("ThrottlingException"), Unavailable),
        (refused("InternalServerError", 500), Unavailable),
        (refused("ServiceUnavailable", 503), Unavailable),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda table: table.get("pk", b"sk"),
        lambda table: list(table.query("pk")),
        lambda table: table.put(table.row("pk", b"sk")),
        lambda table: table.update("pk", b"sk", [table.row.rev.add(1)]),
        lambda table: table.delete("pk", b"sk"),
        lambda table: table.get_all([("pk", b"sk")]),
        lambda table: table.write([table.row("pk", b"sk")]),
        lambda table: table.transact(lambda transaction: transaction.save(table.row("pk", b"sk"))),
    ],
)
def test_errors_of_the_service_are_ours_and_name_the_table(
    call: Callable[[Table], object], answer: Answer, error: type[Exception]
) -> None:
    with answering(answer) as (table, _, _), pytest.raises(error, match="table index"):
        call(table)


def test_a_request_that_dynamodb_cannot_read_is_a_defect_and_shown_as_it_is() -> None:
    with answering(refused("ValidationException")) as (table, _, _), pytest.raises(PynamoDBException):
        table.get("pk", b"sk")


def test_a_service_that_cannot_be_reached_is_unavailable() -> None:
    with scripted([]) as service:
        address = service.address
    table = Table("index", region=REGION, host=address, retries=0)
    with pytest.raises(Unavailable, match="table index"):
        table.get("pk", b"sk")


def test_without_credentials_we_are_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with answering((200, {})) as (table, _, _), pytest.raises(Forbidden, match="credentials"):
        table.get("pk", b"sk")


# --- conflicts ---


CONFLICT: Answer = (
    400,
    {
        "__type": "com.amazonaws.dynamodb#TransactionCanceledException",
        "message": "cancelled",
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict", "Message": "another is on its way"}],
    },
)


def test_a_transaction_that_met_another_is_tried_again_as_the_same_one() -> None:
    with answering(CONFLICT, CONFLICT, (200, {})) as (table, service, pauses):
        assert table.transact(lambda transaction: transaction.save(table.row("pk", b"sk")))
    assert len(service.requests) == 3
    assert len({request["ClientRequestToken"] for request in service.requests}) == 1
    assert len(pauses) == 2


def test_an_update_that_met_a_transaction_is_tried_again() -> None:
    answers = (refused("TransactionConflictException"), (200, {"Attributes": {"pk": {"S": "pk"}, "rev": {"N": "1"}}}))
    with answering(*answers) as (table, _, pauses):
        row = table.update("pk", b"sk", [table.row.rev.add(1)])
    assert row is not None
    assert row.rev == 1
    assert len(pauses) == 1


def test_conflicts_without_end_are_given_up() -> None:
    with answering(CONFLICT) as (table, service, pauses), pytest.raises(Unavailable, match="index"):
        table.transact(lambda transaction: transaction.save(table.row("pk", b"sk")))
    assert len(service.requests) == ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1
    assert all(2**number * 0.025 <= pause <= 2**number * 0.05 for number, pause in enumerate(pauses))


# --- batches ---


def item(number: int) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"pk{number}"}, "sk": {"B": "c2s="}}


def read(*numbers: int, left: Sequence[int] = ()) -> Answer:
    keys = {"index": {"Keys": [item(number) for number in left]}} if left else {}
    return 200, {"Responses": {"index": [item(number) for number in numbers]}, "UnprocessedKeys": keys}


def test_keys_that_were_left_are_read_after_a_pause() -> None:
    with answering(read(1, left=[2, 3]), read(2, left=[3]), read(3)) as (table, service, pauses):
        rows = table.get_all((f"pk{number}", b"sk") for number in (1, 2, 3))
    assert {row.pk for row in rows.values()} == {"pk1", "pk2", "pk3"}
    asked = [[key["pk"]["S"] for key in request["RequestItems"]["index"]["Keys"]] for request in service.requests]
    assert asked == [["pk1", "pk2", "pk3"], ["pk2", "pk3"], ["pk3"]]
    assert all(request["RequestItems"]["index"]["ConsistentRead"] for request in service.requests[:1])
    assert len(pauses) == 2


def test_every_read_of_a_batch_is_strong() -> None:
    with answering(read(1, left=[2]), read(2)) as (table, service, _):
        table.get_all((f"pk{number}", b"sk") for number in (1, 2))
    assert [request["RequestItems"]["index"]["ConsistentRead"] for request in service.requests] == [True, True]


def test_keys_that_are_left_again_and_again_are_given_up() -> None:
    with answering(read(left=[1])) as (table, _, _), pytest.raises(Unavailable, match="not everything could be read"):
        table.get_all([("pk1", b"sk")])


def test_rows_that_were_left_are_written_after_a_pause() -> None:
    left = [{"PutRequest": {"Item": item(2)}}, {"DeleteRequest": {"Key": item(3)}}]
    with answering((200, {"UnprocessedItems": {"index": left}}), (200, {})) as (table, service, pauses):
        table.write([table.row("pk1", b"sk"), table.row("pk2", b"sk")], [("pk3", b"sk")])
    again = service.requests[1]["RequestItems"]["index"]
    assert sorted(again, key=str) == sorted(left, key=str)
    assert len(pauses) == 1


def test_rows_that_are_left_again_and_again_are_given_up() -> None:
    answer = (200, {"UnprocessedItems": {"index": [{"PutRequest": {"Item": item(1)}}]}})
    with answering(answer) as (table, _, _), pytest.raises(Unavailable, match="not everything could be written"):
        table.write([table.row("pk1", b"sk")])


def test_nothing_is_asked_where_nothing_is_wanted() -> None:
    with answering((500, {})) as (table, service, _):
        assert table.get_all([]) == {}
        table.write()
    assert service.requests == []


# --- values in pieces ---


def test_a_value_in_pieces_that_was_replaced_while_it_was_read_is_read_again(table: Table) -> None:
    def value(text: str) -> tuple[str, ...]:
        return tuple(f"{text}{number**9:x}" for number in range(60_000))

    table.put(table.holding("pk", b"sk", value("old")))
    read_before = table.get("pk", b"sk")
    table.put(table.holding("pk", b"sk", value("new")))
    assert table.held(tuple[str, ...], read_before) == value("new")


def test_a_value_in_pieces_that_was_deleted_while_it_was_read_is_none(table: Table) -> None:
    table.put(table.holding("pk", b"sk", tuple(f"{number**9:x}" for number in range(60_000))))
    read_before = table.get("pk", b"sk")
    assert table.delete("pk", b"sk")
    assert table.held(tuple[str, ...], read_before) is None


def test_no_pieces_are_left_behind_by_what_was_replaced_refused_sent_or_deleted(table: Table) -> None:
    many = some_verdicts(25_000)
    sets, notices = DynamoSets(table), DynamoNotices(table)
    rev = sets.begin(a_set()).rev
    assert sets.complete(SET, many, rev=rev)
    assert any(pk.startswith("P#") for pk, _ in rows_in(table))
    assert not sets.complete(SET, many, rev=rev)
    assert not sets.advance(a_delta(2, many), many, rev=rev)
    assert sets.advance(a_delta(2), (), rev=rev + 1)
    assert notices.put_waiting(pushed(30_000))
    assert not notices.put_waiting(pushed(30_000))
    notices.mark_sent(pushed(1).repository, [pushed(1).key])
    assert [pk for pk, _ in rows_in(table) if pk.startswith("P#")] == []


def test_a_row_of_a_value_in_pieces_is_smaller_than_an_item_may_be(table: Table) -> None:
    table.put(table.holding("pk", b"sk", tuple(f"{number**9:x}" for number in range(100_000))))
    sizes = [len(row.content or b"") for row in table.row.scan()]
    assert len(sizes) > 2
    assert max(sizes) == PIECE


# --- what rows cost ---


def test_a_claim_does_not_rewrite_the_body(table: Table) -> None:
    sets = DynamoSets(table)
    sets.begin(a_set(2000))
    sets.claim(SET)
    head = table.get(f"S#{SET}", b"M")
    assert head is not None
    assert head.content is None


def test_features_that_are_there_are_not_written_again(table: Table) -> None:
    sets = DynamoSets(table)
    features = [feature(str(number), key(number)) for number in range(30)]
    sets.link(SET, features)
    assert requests_of(table, lambda: sets.link(SET, features)) == ["BatchGetItem", "BatchGetItem"]


def test_what_was_sent_is_not_read_to_find_what_waits(table: Table) -> None:
    notices = DynamoNotices(table)
    for number in range(5):
        notices.put_waiting(waiting(number))
    notices.mark_sent(waiting(0).repository, [waiting(number).key for number in range(4)])
    assert len(list(table.query(f"O#{waiting(0).repository}"))) == 1


def test_what_was_put_is_remembered_for_35_days(table: Table) -> None:
    notices = DynamoNotices(table)
    notices.put_waiting(waiting(1))
    memory = next(table.query(f"W#{waiting(1).repository}"))
    assert memory.expires == int(waiting(1).put) + MEMORY == int(waiting(1).put) + 35 * 86_400


def test_a_statement_that_only_changed_its_severity_writes_no_range(table: Table) -> None:
    advisories = DynamoAdvisories(table)
    put(advisories, said(seq=1), ranges=[before(3)])
    worse = Amendment(new=replace(said(seq=2), severity=Severity.CRITICAL), ranges=(), old=said(seq=1))

    def write() -> None:
        advisories.put_ranges([worse])
        advisories.put_statements([worse])

    assert requests_of(table, write) == ["BatchWriteItem", "PutItem"]
    assert [pk[:2] for pk, _ in sorted(rows_in(table))] == ["A#", "C#", "H#", "V#"]


def test_a_first_load_asks_little(table: Table) -> None:
    many = [Amendment(new=said(number, seq=1), ranges=(before(3),)) for number in range(100)]

    def write() -> None:
        advisories = DynamoAdvisories(table)
        advisories.put_ranges(many)
        assert advisories.put_statements(many) == ()

    assert requests_of(table, write) == ["BatchWriteItem"] * 8 + ["TransactWriteItems"]


def test_a_vulnerability_of_many_packages_is_one_row(table: Table) -> None:
    packages = [replace(OPENSSL, name=f"p{number}") for number in range(30)]
    DynamoAdvisories(table).put_ranges([Amendment(new=said(1, package), ranges=()) for package in packages])
    assert rows_in(table) == [("C#CVE-2026-1", b"debian#CVE-2026-1")]


def test_history_is_kept_for_as_long_as_was_asked(table: Table) -> None:
    old, new = replace(said(seq=1), changed=5.5), replace(said(seq=2), changed=100.5)
    for keep, expires in ((0.0, None), (60.0, 160)):
        DynamoAdvisories(table, keep=keep).put_ranges([Amendment(new=new, ranges=(), old=old)])
        (row,) = [row for row in table.row.scan() if row.pk.startswith("H#")]
        assert row.expires == expires


def test_digests_of_thousands_of_packages_are_a_few_reads(table: Table) -> None:
    feeds = DynamoFeeds(table)
    many = {f"deb#debian:12#source#package-{number:05}": f"{number:032}" for number in range(2500)}
    feeds.end("debian", "tracker", many)
    assert requests_of(table, lambda: feeds.digests("debian", "tracker")) == ["Query"]


def test_a_repository_is_listed_by_one_write(table: Table) -> None:
    images = DynamoImages(table)
    images.add_membership(digest(1), SHOP)
    assert requests_of(table, lambda: images.add_membership(digest(2), SHOP)) == ["GetItem", "TransactWriteItems"]
    assert requests_of(table, lambda: images.add_membership(digest(2), BANK)) == [
        "GetItem",
        "PutItem",
        "TransactWriteItems",
    ]


def requests_of(table: Table, call: Callable[[], object]) -> list[str]:
    """Return the names of the requests that the call makes."""
    made: list[str] = []

    def note(model: object, **_: object) -> None:
        made.append(str(getattr(model, "name", model)))

    events = table.row.connection().connection.client.meta.events
    events.register("before-call.dynamodb", note)
    try:
        call()
    finally:
        events.unregister("before-call.dynamodb", note)
    return made


def test_a_statement_that_cannot_be_streamed_is_refused(table: Table) -> None:
    ranges = tuple(Range(introduced=f"{number**9:x}", fixed=f"{number**8:x}") for number in range(30_000))
    statement = replace(said(), ranges=ranges)
    with pytest.raises(LimitExceeded, match="CVE-2026-1 on deb#debian:12#source#openssl"):
        DynamoAdvisories(table).put_statements([Amendment(new=statement, ranges=())])
    assert DynamoAdvisories(table).candidates(OPENSSL, b"\x01") == ()


# --- pages ---


@pytest.mark.parametrize("page", ["!", "x", "\x00", "ä", "", "QQ", "QUFB" * 500])
def test_a_page_token_that_is_not_ours_is_refused(table: Table, page: str) -> None:
    with pytest.raises(BadRequest, match="not a token of ours"):
        DynamoImages(table).members_of(SHOP, page=page)


@pytest.mark.parametrize("page", ["!", "x", "ä", "", "QQ==", "AAA=", "AAFB", "AABBQg=="])
def test_a_page_token_of_statements_that_is_not_ours_is_refused(table: Table, page: str) -> None:
    with pytest.raises(BadRequest, match="not a token of ours"):
        DynamoAdvisories(table).about("CVE-2026-1", page=page)


@pytest.mark.parametrize("page", ["!", "x.", "-1.", "123.", "1.!", "٣."])
def test_a_page_token_of_repositories_that_is_not_ours_is_refused(table: Table, page: str) -> None:
    with pytest.raises(BadRequest, match="not a token of ours"):
        DynamoImages(table).repositories(page=page)


def test_a_page_token_reaches_no_other_partition(table: Table) -> None:
    images = DynamoImages(table)
    images.add_membership(digest(1), BANK)
    images.add_membership(digest(2), SHOP)
    everything = page_token(b"\x00")
    assert sort_key_of(everything) == b"\x00"
    assert [member.repository for member in images.members_of(SHOP, page=everything).items] == [SHOP]
