"""A handler that is killed at any line of push, index, judge, match or notify loses nothing: the next delivery ends it.

By default every 41st line is tried; `ECLAIR_KILL_EVERY=1` tries all.
"""

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from eclair import index, judge, match, notify, push
from tests.deployment import Killed
from tests.test_invariants import BANK, SHOP, Content, Fleet

EVERY: Final = int(os.environ.get("ECLAIR_KILL_EVERY", "41"))
FILES: Final = {module.__file__ for module in (push, index, judge, match, notify)}
OLD: Final[Content] = ("debian", (("openssl", "libssl3", "3.0.11-1"), ("openssl", "openssl", "3.0.11-1")))
NEW: Final[Content] = ("debian", (("openssl", "libssl3", "3.0.14-1"), ("zlib", "zlib1g", "1:1.2.13.dfsg-1")))

Trace = Callable[[FrameType, str, Any], Any]


class Killing:
    """Counts the lines of the use cases and ends the process at one of them (0: at none)."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> Trace | None:
        return self._line if frame.f_code.co_filename in FILES else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Trace:
        self.lines += event == "line"
        if event == "line" and self.lines == self.at:
            raise Killed
        return self._line


def _live(at: int) -> tuple[Fleet, int]:
    """Live through a push, an advisory that changes, a deletion, a return and a withdrawal, killed at a line."""
    fleet, killing = Fleet(), Killing(at)
    before = sys.gettrace()
    sys.settrace(killing)
    try:
        fleet.begin(row={"status": "open", "urgency": "high"}, content=OLD, loaded={"debian"})
        fleet.push(NEW, BANK, "1", salt="", seen=True)
        fleet.say("openssl", "CVE-2026-0001", {"status": "resolved", "urgency": "high", "fixed_version": "3.0.12-1"})
        fleet.world.rest()
        fleet.delete(0, seen=True, back=True, soon=True)
        fleet.push(NEW, SHOP, "1", salt="", seen=True)
        fleet.say("zlib", "CVE-2026-0002", {"status": "open", "urgency": "low"})
        fleet.world.rest()
        fleet.delete(0, seen=True, back=False, soon=True)
        fleet.say("openssl", "CVE-2026-0001", None)
        fleet.world.rest()
    finally:
        sys.settrace(before)
    return fleet, killing.lines


def test_nothing_is_lost_whatever_line_a_handler_is_killed_at() -> None:
    fleet, lines = _live(0)
    fleet.settle()
    assert len(fleet.world.ports.topic.published) > 3
    assert lines > 1000
    for at in range(1, lines + 1, EVERY):
        killed, _ = _live(at)
        killed.settle()
