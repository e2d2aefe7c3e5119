"""How much is done, said in a way that no busy machine changes; and a guard against what does not end."""

import io
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

MINUTE: Final = 60.0


class Hang(BaseException):
    """Something does not end; it is no `Exception`, so that no parser takes it for damage."""


@contextmanager
def guarded(seconds: float = MINUTE) -> Iterator[None]:
    """Raise `Hang` where what is done within takes a minute of the processor.

    What is done under this guard takes a second or less; only what is quadratic, or backtracks, comes near a minute.
    """

    def stop(signal_: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds} seconds of the processor")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of Python are run in this thread; what is written in C is not counted."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


class CountedFile(io.BytesIO):
    """A file that counts what is read of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.reads = 0
        self.bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.reads += 1
        self.bytes += len(content)
        return content
