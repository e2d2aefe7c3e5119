"""Rules are read as they were meant, or refused by name."""

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.errors import BadRules
from eclair.model import IgnoreRule, QuietHours, Severity
from eclair.rule_file import is_hours, read_file, read_hours, read_rule

RULE: dict[object, object] = {"vulnerability": "CVE-2026-1", "reason": "no shell", "by": "alice"}
HOURS: dict[object, object] = {"from": "18:00", "to": "8:30", "reason": "sleep", "by": "alice"}


def test_a_rule_is_read() -> None:
    said = RULE | {
        "id": "a",
        "package": "lib*",
        "path": "/opt/*",
        "repository": "*/shop",
        "below": "high",
        "unfixed": True,
    }
    assert read_rule(said) == IgnoreRule(
        id="a",
        reason="no shell",
        by="alice",
        vulnerability="CVE-2026-1",
        package="lib*",
        path="opt/*",
        repository="*/shop",
        below=Severity.HIGH,
        unfixed=True,
    )


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
        (date(2027, 1, 31), datetime(2027, 2, 1, tzinfo=UTC)),
        ("2027-01-31T12:00:00+01:00", datetime(2027, 1, 31, 11, tzinfo=UTC)),
        ("2027-01-31T12:00", datetime(2027, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_day_stands_for_its_end(until: object, expected: datetime) -> None:
    assert read_rule(RULE | {"until": until}).until == expected.timestamp()


def test_a_rule_without_an_id_has_the_same_one_each_time() -> None:
    assert read_rule(RULE).id == read_rule(dict(reversed(RULE.items()))).id
    assert read_rule(RULE).id != read_rule(RULE | {"package": "zlib"}).id


def test_hours_are_read() -> None:
    said = HOURS | {"id": "n", "timezone": "Europe/Berlin", "days": ["sun", "mon"], "urgent": "critical"}
    assert read_hours(said) == QuietHours(
        id="n",
        reason="sleep",
        by="alice",
        start=1080,
        end=510,
        timezone="Europe/Berlin",
        days=(0, 6),
        urgent=Severity.CRITICAL,
    )
    assert read_hours(HOURS | {"from": 1080}).start == 1080, "as YAML 1.1 reads 18:00"
    assert is_hours(HOURS)
    assert not is_hours(RULE)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": None}, "reason"),
        ({"by": None}, "by"),
        ({"vulnerability": None}, "hides everything"),
        ({"vulnerability": None, "repository": "*"}, "hides everything"),
        ({"vulnerability": None, "unfixed": False}, "hides everything"),
        ({"vulnerabilty": "x"}, "vulnerabilty"),
        ({"until": "soon"}, "until"),
        ({"until": "9999-12-31"}, "until"),
        ({"below": "dreadful"}, "below"),
        ({"below": "unknown"}, "below"),
        ({"unfixed": "yes"}, "unfixed"),
        ({"package": 7}, "package"),
        ({"package": "x" * 501}, "package"),
        ({"id": "a/b"}, "id"),
        ({1: 2}, "1"),
    ],
)
def test_what_is_wrong_with_a_rule_is_named(wrong: dict[object, object], named: str) -> None:
    with pytest.raises(BadRules, match=named):
        read_rule(RULE | wrong)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"from": "24:00"}, "from"),
        ({"to": "8"}, "to"),
        ({"to": True}, "to"),
        ({"from": "8:30"}, "same"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"days": []}, "days"),
        ({"days": ["monday"]}, "days"),
        ({"days": [["mon"]]}, "days"),
        ({"package": "x"}, "package"),
    ],
)
def test_what_is_wrong_with_hours_is_named(wrong: dict[object, object], named: str) -> None:
    with pytest.raises(BadRules, match=named):
        read_hours(HOURS | wrong)


def test_an_id_of_the_path_is_that_of_the_rule() -> None:
    assert read_rule(RULE, id_="mine").id == "mine"
    with pytest.raises(BadRules, match="stored under"):
        read_rule(RULE | {"id": "other"}, id_="mine")


def test_a_file_is_read() -> None:
    bare = {name: value for name, value in RULE.items() if name != "by"}
    found = read_file(
        {"schema": "eclair.rules/1", "rules": [RULE, bare | {"package": "zlib"}], "hours": [HOURS]}, by="me"
    )
    assert [rule.by for rule in found.rules] == ["alice", "me"]
    assert len(found.hours) == 1


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([], "the file"),
        ({"schema": "eclair.rules/2"}, "eclair.rules/1"),
        ({"ignore": []}, "ignore"),
        ({"rules": {"a": RULE}}, "rules"),
        ({"rules": [RULE, {}]}, "number 2"),
        ({"rules": [RULE, RULE]}, "several rules"),
        ({"rules": [RULE] * 5001}, "5000"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(content: object, named: str) -> None:
    with pytest.raises(BadRules, match=named):
        read_file(content, by="me")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("id", "reason", "by", "until", "package", "below", "unfixed", "from", "to", "timezone", "days", "urgent")


@given(st.dictionaries(st.sampled_from(FIELDS), anything), st.booleans())
def test_nothing_breaks_the_reading(said: dict[object, object], hours: bool) -> None:  # noqa: FBT001 - from hypothesis
    with suppress(BadRules):
        (read_hours if hours else read_rule)((HOURS if hours else RULE) | dict(said))
