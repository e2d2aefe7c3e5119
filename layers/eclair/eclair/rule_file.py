"""What do ignore rules and quiet hours say that people wrote down, in the API's JSON or in a file (JSON or YAML)?

A file holds `rules` and `hours`, each a list; the API takes them one by one, under their ids. A field that is not known
is refused: a misspelt condition would make a rule wider.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from eclair.errors import BadRules
from eclair.model import IgnoreRule, QuietHours, RuleBook, Severity

T = TypeVar("T")

SCHEMA: Final = "eclair.rules/1"
MOST_RULES: Final = 5000
"""In one file or rule book."""
LARGEST_BOOK: Final = 100_000
"""Products that all VEX documents of a rule book name."""
LONGEST: Final = 500
"""Characters of one text."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CONDITIONS: Final = ("vulnerability", "package", "path", "below", "unfixed")
"""One of these a rule has to have: with a repository alone it would hide everything."""
_RULE: Final = frozenset({"id", "reason", "by", "until", "repository", *_CONDITIONS})
_HOURS: Final = frozenset({"id", "reason", "by", "until", "repository", "from", "to", "timezone", "days", "urgent"})
_TIME: Final = re.compile(r"(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])")
_SEVERITIES: Final = tuple(severity.value for severity in Severity if severity is not Severity.UNKNOWN)


def read_file(content: object, *, by: str) -> RuleBook:
    """Return the rules of a file; those that do not say by whom they are, are by `by`. Raises `BadRules`."""
    found = _fields(content, frozenset({"schema", "rules", "hours"}), "the file")
    if found.get("schema", SCHEMA) != SCHEMA:
        raise BadRules(f"the file has schema {_short(found['schema'])}; this Eclair reads {SCHEMA}")
    rules = tuple(_each(found, "rules", lambda said: read_rule(said, by=by)))
    hours = tuple(_each(found, "hours", lambda said: read_hours(said, by=by)))
    counted = Counter((*(rule.id for rule in rules), *(some.id for some in hours)))
    if twice := [id_ for id_, count in counted.items() if count > 1]:
        raise BadRules(f"the file has several rules with the id {twice[0]!r}: give each its own")
    return RuleBook(rules=rules, hours=hours)


def _each(found: Mapping[str, object], name: str, read: Callable[[object], T]) -> Iterable[T]:
    listed = found.get(name) or []
    if not isinstance(listed, list) or len(listed) > MOST_RULES:
        raise BadRules(f"`{name}` is no list of at most {MOST_RULES}")
    for number, said in enumerate(listed, 1):
        try:
            yield read(said)
        except BadRules as error:
            raise BadRules(f"{name}, number {number}: {error}") from error


def read_rule(content: object, *, id_: str = "", by: str = "") -> IgnoreRule:
    """Return an ignore rule. Raises `BadRules`."""
    said = _fields(content, _RULE, "the rule")
    if not any(said.get(name) for name in _CONDITIONS):
        raise BadRules(f"the rule hides everything: give it one of {', '.join(_CONDITIONS)}")
    unfixed = said.get("unfixed", False)
    if not isinstance(unfixed, bool):
        raise BadRules("`unfixed` is neither true nor false")
    return IgnoreRule(
        id=_id(said, id_),
        reason=_text(said, "reason", required=True),
        by=_text(said, "by") or _by(by),
        until=_until(said),
        vulnerability=_text(said, "vulnerability"),
        package=_text(said, "package"),
        path=_text(said, "path").removeprefix("/"),
        repository=_text(said, "repository"),
        below=_severity(said, "below"),
        unfixed=unfixed,
    )


def read_hours(content: object, *, id_: str = "", by: str = "") -> QuietHours:
    """Return quiet hours. Raises `BadRules`."""
    said = _fields(content, _HOURS, "the quiet hours")
    start, end = _minute(said, "from"), _minute(said, "to")
    if start == end:
        raise BadRules("`from` and `to` are the same: quiet hours have to end")
    return QuietHours(
        id=_id(said, id_),
        reason=_text(said, "reason", required=True),
        by=_text(said, "by") or _by(by),
        until=_until(said),
        start=start,
        end=end,
        timezone=_timezone(said),
        days=_days(said),
        repository=_text(said, "repository"),
        urgent=_severity(said, "urgent"),
    )


def written(entry: IgnoreRule | QuietHours) -> dict[str, object]:
    """Return a rule or quiet hours as they may be written down, and read again."""
    said: dict[str, object] = {
        "id": entry.id,
        "reason": entry.reason,
        "by": entry.by,
        "until": None if entry.until is None else datetime.fromtimestamp(entry.until, UTC).isoformat(),
        "repository": entry.repository,
    }
    if isinstance(entry, QuietHours):
        said |= {
            "from": _clock(entry.start),
            "to": _clock(entry.end),
            "timezone": entry.timezone,
            "days": [DAYS[day] for day in entry.days],
            "urgent": entry.urgent,
        }
    else:
        said |= {name: getattr(entry, name) for name in _CONDITIONS}
    return {name: value for name, value in said.items() if value}


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def is_hours(content: object) -> bool:
    """Say whether this means to be quiet hours: they have a beginning or an end."""
    return isinstance(content, dict) and bool({"from", "to"} & content.keys())


def check_id(id_: str) -> str:
    """Return the id of a rule. Raises `BadRules`."""
    if not id_ or len(id_) > 200 or not id_.isprintable() or set("/#? ") & set(id_):
        raise BadRules(f"the id {_short(id_)} has not 1 to 200 printable characters without / # ? and blanks")
    return id_


def _fields(content: object, known: Collection[str], what: str) -> Mapping[str, object]:
    if not isinstance(content, dict):
        raise BadRules(f"{what} is no JSON object or YAML mapping")
    if unknown := sorted(str(name) for name in content if name not in known):
        raise BadRules(f"{what} has {_short(unknown[0])}; what is known is {', '.join(sorted(known))}")
    return content


def _id(said: Mapping[str, object], id_: str) -> str:
    """Return the id, which is that of the path, else the rule's own, else one made of what it says."""
    own = _text(said, "id")
    if id_ and own and own != id_:
        raise BadRules(f"the rule has the id {own!r}, but is stored under {id_!r}")
    return check_id(id_ or own or _made(said))


def _made(said: Mapping[str, object]) -> str:
    written = orjson.dumps(said, default=str, option=orjson.OPT_SORT_KEYS)
    return blake2b(written, digest_size=6).hexdigest()


def _by(by: str) -> str:
    if not by:
        raise BadRules("`by` is missing: say who decided this")
    return by[:LONGEST]


def _text(said: Mapping[str, object], name: str, *, required: bool = False) -> str:
    value = said.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or not value.isprintable():
        raise BadRules(f"`{name}` has not 1 to {LONGEST} printable characters")
    return value


def _severity(said: Mapping[str, object], name: str) -> Severity | None:
    value = said.get(name)
    if value is None:
        return None
    if value not in _SEVERITIES:
        raise BadRules(f"`{name}` is {_short(value)}, none of {', '.join(_SEVERITIES)}")
    return Severity(str(value))


def _until(said: Mapping[str, object]) -> float | None:
    """Return the time; a day stands for its end (UTC)."""
    value = said.get("until")
    if value is None:
        return None
    try:
        found = value if isinstance(value, date) else _moment(str(value))
        if not isinstance(found, datetime):
            found = datetime(found.year, found.month, found.day, tzinfo=UTC) + timedelta(days=1)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadRules(f"`until` is {_short(value)}, no date or time of ISO 8601, for instance 2027-01-31") from error


def _moment(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


def _minute(said: Mapping[str, object], name: str) -> int:
    value = said.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return value  # 18:00 without quotes is a number of YAML 1.1, in base 60
    if isinstance(value, str) and (match := _TIME.fullmatch(value)):
        return int(match["hour"]) * 60 + int(match["minute"])
    raise BadRules(f"`{name}` is {_short(value)}, no time of the day, for instance '18:00'")


def _timezone(said: Mapping[str, object]) -> str:
    name = _text(said, "timezone") or "UTC"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadRules(f"`timezone` is {_short(name)}, not one of IANA's, for instance Europe/Berlin") from error
    return name


def _days(said: Mapping[str, object]) -> tuple[int, ...]:
    value = said.get("days", list(DAYS))
    if not isinstance(value, list) or not value or not all(day in DAYS for day in value):
        raise BadRules(f"`days` is {_short(value)}, no list of {', '.join(DAYS)}")
    return tuple(sorted({DAYS.index(day) for day in value}))


def _short(value: object) -> str:
    return f"{value!r:.80}"
