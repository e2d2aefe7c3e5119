"""Which of two versions is newer, line by line?"""

from collections.abc import Iterable, Iterator

from eclair import ecosystems
from eclair.ecosystems import Ecosystem
from eclair.errors import BadRequest, BadVersion


def compare_lines(scheme: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield `<`, `=` or `>` for each line `A B`, and `! reason` for one that cannot be compared.

    Raises `BadRequest` for an unknown scheme.
    """
    known = ecosystems.load()
    if scheme not in known:
        raise BadRequest(f"no version scheme {scheme!r}: choose one of {', '.join(sorted(known))}")
    return (_compared(known[scheme], line.split()) for line in lines)


def _compared(ecosystem: Ecosystem, words: list[str]) -> str:
    if len(words) != 2:
        return f"! a line has two versions, this one has {len(words)}"
    try:
        order = ecosystems.compare(ecosystem, *words)
    except BadVersion as error:
        return f"! {error}"
    return "<" if order < 0 else ">" if order else "="
