"""What could not be read in a file, said in a bounded number of words?"""

from dataclasses import dataclass, field
from typing import Final

_NAMED: Final = 5
"""Faults that are named one by one; the rest is counted."""

_HOPELESS: Final = 10_000
"""So many faults make reading on a waste: no accident leaves as many, and each costs time."""

CUT: Final = "the file ends within a line"
"""What no program leaves that writes lines: some of the file is lost."""

_LONGEST: Final = 300
"""Characters of one fault; what a file says of itself may be quoted in it."""


@dataclass(slots=True)
class Faults:
    """What could not be read, place by place."""

    named: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, place: str, reason: str) -> None:
        """Record that something at a place (`line 3`, `page 7`) could not be read."""
        self.count += 1
        if self.count <= _NAMED:
            self.named.append(f"{place}: {reason}"[:_LONGEST])

    def __str__(self) -> str:
        places = "1 place" if self.count == 1 else f"{self.count} places"
        more = f"; and {self.count - _NAMED} more" if self.count > _NAMED else ""
        rest = "; the rest was not read" if self.hopeless else ""
        return f"could not be read in {places}: {'; '.join(self.named)}{more}{rest}"

    @property
    def hopeless(self) -> bool:
        """Say whether to stop reading, so that a file made of damage costs no more than others."""
        return self.count >= _HOPELESS

    @property
    def problem(self) -> str | None:
        """Return all of it as the problem of an inventory, None where there was none."""
        return str(self) if self.count else None
