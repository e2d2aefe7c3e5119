"""Versions that are hard to order, made by chance, and what other programs say of two of them.

A maker puts a version of its scheme together from pieces; mostly a valid one, so that the programs do not refuse it.
"""

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from eclair.errors import BadVersion

Maker = Callable[[Random], str]
Pair = tuple[str, str]

NUMBERS = ("0", "0", "1", "1", "2", "9", "10", "11", "99", "100", "255", "256", "65536", "2147483647", "20200101")
LARGE = ("2147483648", "9007199254740991", "4294967296")
LETTERS = ("a", "b", "z", "A", "Z", "alpha", "beta", "rc", "x", "aa", "ab")


def _joined(chance: Random, pieces: Sequence[str], fewest: int, most: int, by: str = ".") -> str:
    return by.join(chance.choices(pieces, k=chance.randint(fewest, most)))


def _maybe(chance: Random, text: str, share: float = 0.5) -> str:
    return text if chance.random() < share else ""


def pypi(chance: Random) -> str:
    separator = ("", "", ".", "-", "_")
    count = (*NUMBERS, "00", "01", "")

    def marked(words: Sequence[str]) -> str:
        return chance.choice(separator) + chance.choice(words) + chance.choice(separator[:3]) + chance.choice(count)

    return "".join(
        (
            _maybe(chance, "v", 0.1),
            _maybe(chance, chance.choice(("0!", "1!", "01!", "256!")), 0.2),
            _joined(chance, (*NUMBERS, *LARGE, "00", "01"), 1, 4),
            _maybe(chance, marked(("a", "b", "rc", "c", "alpha", "beta", "pre", "preview", "A", "RC")), 0.4),
            _maybe(chance, chance.choice((marked(("post", "rev", "r")), f"-{chance.choice(NUMBERS)}")), 0.3),
            _maybe(chance, marked(("dev", "DEV")), 0.3),
            _maybe(chance, "+" + _joined(chance, (*NUMBERS, *LETTERS, "01", "a1"), 1, 3, chance.choice(".-_")), 0.3),
        )
    ).rstrip("_-.")


def semver(chance: Random) -> str:
    numbers = (*NUMBERS, *LARGE[:2])
    identifiers = (*numbers, *LETTERS, "-", "--", "0a", "1-2", "a-b", "-1")
    return (
        _joined(chance, numbers, 3, 3)
        + _maybe(chance, "-" + _joined(chance, identifiers, 1, 4), 0.6)
        + _maybe(chance, "+" + _joined(chance, (*identifiers, "01"), 1, 2), 0.1)
    )


def gem(chance: Random) -> str:
    pieces = ("0", "0", *NUMBERS, *LARGE, "00", "01", *LETTERS, "a1", "b0", "rc1", "0a", "pre")
    return (
        chance.choice((*NUMBERS, "00", "01"))
        + _maybe(chance, "." + _joined(chance, pieces, 1, 5), 0.9)
        + _maybe(chance, "-" + _joined(chance, (*pieces, "a-b", "-", "1-"), 1, 2), 0.15)
    )


def nuget(chance: Random) -> str:
    labels = (*NUMBERS, "2147483648", "99999999999", *LETTERS, "-", "-1", "-5", "-0", "--1", "-2147483648", "a-b", "0a")
    return (
        _joined(chance, (*NUMBERS, "00", "01"), 1, 4)
        + _maybe(chance, "-" + _joined(chance, labels, 1, 4), 0.6)
        + _maybe(chance, "+" + _joined(chance, labels, 1, 2), 0.1)
    )


def composer(chance: Random) -> str:
    count = ("", *NUMBERS[:10], "00", "01", "1.2", ".3", "-4", "2.0", "1-2.3")
    words = ("a", "alpha", "b", "beta", "RC", "rc", "p", "pl", "patch", "BETA", "stable")
    separators = ("", "-", ".", "_")
    numbers = (*NUMBERS[:12], "00", "01")
    dates = ("20100102", "2010-01-02", "2010.01.02", "201001021530", "2010-01", "2010:01:02.5", "20100102203040")
    return (
        _maybe(chance, chance.choice("vV"), 0.15)
        + chance.choice((*(_joined(chance, numbers, 1, 4) for _ in range(6)), chance.choice(dates)))
        + _maybe(chance, chance.choice((".x", ".X", ".*")), 0.04)
        + _maybe(chance, chance.choice(separators) + chance.choice(words) + chance.choice(count), 0.5)
        + _maybe(chance, chance.choice(("-dev", ".dev", "dev")), 0.2)
        + _maybe(chance, "+build.1", 0.05)
    )


MAKERS: Mapping[str, Maker] = {
    "composer": composer,
    "gem": gem,
    "hex": semver,
    "npm": semver,
    "nuget": nuget,
    "pypi": pypi,
}


def pairs(make: Maker, chance: Random, count: int) -> Iterator[Pair]:
    """Yield pairs, of which every other one differs in a few characters only."""
    for number in range(count):
        one = make(chance)
        yield one, _altered(one, make(chance), chance) if number % 2 else make(chance)


def _altered(version: str, other: str, chance: Random) -> str:
    """Return a version with some characters taken out, put in from another one, or both."""
    place = chance.randint(0, len(version))
    piece = other[chance.randint(0, len(other)) :][: chance.randint(0, 4)]
    return version[:place] + piece + version[place + chance.randint(0, 3) :] or version


def answers(program: Sequence[str], compared: Iterable[Pair]) -> list[str]:
    """Return `<`, `=`, `>` or `!` for each pair, as a program says that reads lines of two versions and a tab."""
    lines = "".join(f"{one}\t{other}\n" for one, other in compared)
    done = subprocess.run(program, input=lines, capture_output=True, text=True, check=True, timeout=3600)
    return done.stdout.split()


def disagreements(key: Callable[[str], bytes], compared: Sequence[Pair], said: Sequence[str]) -> list[str]:
    """Return where the keys order otherwise; what the program refuses (`!`) it says nothing of."""
    found = []
    for (one, other), answer in zip(compared, said, strict=True):
        if answer != "!" and (order := _order(key, one, other)) != answer:
            found.append(f"{one} {order} {other}, not {answer}")
    return found


def _order(key: Callable[[str], bytes], one: str, other: str) -> str:
    try:
        first, second = key(one), key(other)
    except BadVersion:
        return "!"
    return "<" if first < second else ">" if first > second else "="


def rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """Yield `A`, `<`, `B` of each row of a table of another project's tests."""
    for line in table.read_text().splitlines():
        if line and not line.startswith(("#", "//")):
            one, order, other = line.split()
            yield one, order, other
