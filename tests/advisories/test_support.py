"""A release is supported until the last day that the table of ends has."""

from datetime import UTC, date, datetime

import pytest

from eclair.advisories.support import in_support, supported


@pytest.mark.parametrize(
    ("namespace", "moment", "expected"),
    [
        ("amzn:2", datetime(2026, 6, 30, 23, 59, tzinfo=UTC), True),
        ("amzn:2", datetime(2026, 7, 1, tzinfo=UTC), False),
        ("sles:15.6", datetime(2026, 1, 1, tzinfo=UTC), False),
        ("rhel:99", datetime(2099, 1, 1, tzinfo=UTC), True),
        ("arch", datetime(2099, 1, 1, tzinfo=UTC), True),
    ],
)
def test_support_lasts_until_the_end_of_the_last_day(namespace: str, moment: datetime, *, expected: bool) -> None:
    assert in_support(namespace, moment.timestamp()) is expected


def test_a_table_of_its_own_counts_where_it_knows_the_release() -> None:
    ends = {"1": date(2020, 1, 31)}
    assert supported(ends, "1", datetime(2020, 1, 31, 12, tzinfo=UTC).timestamp())
    assert not supported(ends, "1", datetime(2020, 2, 1, tzinfo=UTC).timestamp())
    assert supported(ends, "2", datetime(2099, 1, 1, tzinfo=UTC).timestamp())
