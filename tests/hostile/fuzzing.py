"""Does a parser do more than read its input or refuse it? Looks for an input that makes it, from seeds, by chance.

What the targets are, the files `fuzz_*.py` beside this one say, one a kind of format; `run` looks for long, a test
among the others for a second each. Every input has a number from which it is made again.
"""

import copy
import importlib
import json
import resource
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from eclair.adapters import codec
from eclair.errors import BadDatabase
from tests.work import Hang, guarded

LARGEST: Final = 128 << 10
"""Bytes of an input: what is small can be mutated often. How bounded large ones are, the hostile cases hold."""
MEGABYTES: Final = 200
"""What the process may grow by while one input is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A parser: `read` gives what can be stored, or raises one of `refused`."""

    name: str
    seeds: Callable[[], Iterable[bytes]]
    read: Callable[[bytes], object]
    refused: tuple[type[Exception], ...] = (BadDatabase,)
    words: tuple[bytes, ...] = ()
    """What means something in the format, put in at any place."""


@cache
def targets() -> Mapping[str, Target]:
    """Return the targets of all files by name."""
    files = sorted(Path(__file__).parent.glob("fuzz_*.py"))
    modules = [importlib.import_module(f"tests.hostile.{file.stem}") for file in files]
    found: list[Target] = [target for module in modules for target in module.TARGETS]
    named = {target.name: target for target in found}
    assert len(named) == len(found), "each target has a name of its own"
    return named


@cache
def seeds(target: Target) -> Sequence[bytes]:
    """Return the seeds, of which the larger ones are cut."""
    return tuple(seed[:LARGEST] for seed in target.seeds())


def made(target: Target, number: int) -> bytes:
    """Return the input of that number; the first ones are the seeds themselves."""
    known = seeds(target)
    if number < len(known):
        return known[number]
    chance = Random(f"{target.name} {number}")
    seed = chance.choice(known)
    if chance.random() < 0.4 and (changed := _other_values(seed, chance)) is not None:
        return changed[:LARGEST]
    content = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        _CHANGES[chance.randrange(len(_CHANGES))](content, chance, target)
    return bytes(content[:LARGEST])


def check(target: Target, content: bytes) -> None:
    """Have the target read the input; anything but that it is read or refused is raised."""
    before = megabytes()
    with guarded():
        read(target, content)
    grown = megabytes() - before
    assert grown < MEGABYTES, f"{len(content)} bytes took {grown} MB"


def read(target: Target, content: bytes) -> None:
    """Read the input; what came of it can be stored, unless it was refused."""
    try:
        found = target.read(content)
    except target.refused:
        return
    codec.encode(found)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- how inputs differ from the seeds --------------------------------------------------------------------------------

_NUMBERS: Final = (0, 1, 2, 7, 8, 15, 16, 63, 64, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 1 << 20, 1 << 24)
_ENDS: Final = tuple(1 << bits for bits in (15, 16, 31, 32, 40, 62, 63, 64))
_WORDS: Final = (
    *(b"\0", b"\xff", b"\x80", b"\n", b"\r", b"\t", b" ", b"/", b"..", b"\0" * 16, b"\xff" * 8, b"\xef\xbb\xbf"),
    *(b"-1", b"0", b"9" * 20, b"1e999", b"NaN", b"null", b"[]", b"{}", b'"', b"\\", b"\\u0000", b"\\ud800", b"<", b">"),
    *("\u2028".encode(), "ß".encode(), "İ".encode(), b"\xed\xa0\x80", b"\xc3", b"%00", b"&#0;", b"<![CDATA["),
)


def _flip(content: bytearray, chance: Random, target: Target) -> None:
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _noise(content: bytearray, chance: Random, target: Target) -> None:
    place = chance.randrange(len(content) + 1)
    content[place : place + chance.choice((0, 1, 4))] = chance.randbytes(chance.choice((1, 1, 2, 4, 16)))


def _number(content: bytearray, chance: Random, target: Target) -> None:
    """Overwrite a number of one to eight bytes: an end of its range, what is near the length, a little more."""
    width = chance.choice((1, 2, 4, 4, 8))
    order = chance.choice(("little", "big"))
    place = chance.randrange(len(content) + 1)
    if chance.random() < 0.7:
        place -= place % width
    old = int.from_bytes(content[place : place + width], order)  # type: ignore[arg-type]  # one of the two orders
    new = chance.choice(
        (chance.choice(_NUMBERS), chance.choice(_ENDS) - 1, -1, len(content) + chance.randint(-2, 2), old + 1, old - 1)
    )
    content[place : place + width] = (new % (1 << 8 * width)).to_bytes(width, order)  # type: ignore[arg-type]


def _digits(content: bytearray, chance: Random, target: Target) -> None:
    """Make a number that is written in digits another one."""
    place = chance.randrange(len(content) + 1)
    while place < len(content) and not 48 <= content[place] <= 57:
        place += 1
    end = place
    while end < len(content) and 48 <= content[end] <= 57:
        end += 1
    content[place:end] = b"%d" % chance.choice((*_NUMBERS, *_ENDS, -1))


def _cut(content: bytearray, chance: Random, target: Target) -> None:
    del content[chance.randrange(len(content) + 1) :]


def _missing(content: bytearray, chance: Random, target: Target) -> None:
    place = chance.randrange(len(content) + 1)
    del content[place : place + chance.choice((1, 2, 4, 16, 64, 512, 4096))]


def _word(content: bytearray, chance: Random, target: Target) -> None:
    place = chance.randrange(len(content) + 1)
    word = chance.choice((*target.words, *_WORDS) if chance.random() < 0.5 else target.words or _WORDS)
    content[place : place + chance.choice((0, len(word)))] = word


def _again(content: bytearray, chance: Random, target: Target) -> None:
    """Put a piece of the input in at another place, maybe many times."""
    place = chance.randrange(len(content) + 1)
    piece = content[place : place + chance.choice((1, 2, 8, 26, 64, 512, 4096))]
    times = chance.choice((1, 1, 1, 2, 50, 1000))
    to = chance.randrange(len(content) + 1)
    content[to : to + chance.choice((0, len(piece)))] = (piece * times)[: LARGEST // 2]


def _lines(content: bytearray, chance: Random, target: Target) -> None:
    """Exchange, double or drop a line."""
    lines = content.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(3):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(one, lines[other])
        case _:
            del lines[one]
    content[:] = b"\n".join(lines)


def _splice(content: bytearray, chance: Random, target: Target) -> None:
    """Go on with what another seed has from the same place on, or from any."""
    other = chance.choice(seeds(target))
    place = chance.randrange(len(content) + 1)
    content[place:] = other[place if chance.random() < 0.5 else chance.randrange(len(other) + 1) :]


_CHANGES: Final = (
    _flip,
    _flip,
    _noise,
    _number,
    _number,
    _digits,
    _cut,
    _missing,
    _word,
    _word,
    _again,
    _lines,
    _splice,
)

_VALUES: Final = (
    *("null", "true", "0", "-1", "1.5", "1e308", "2147483648", "9223372036854775808", "1" * 40, '""', '" "', '"x"'),
    *('"a/b"', '"a#b"', '"../.."', '"0"', '"1.0"', '"ß"', '"\\u0000"', '"\\ud800"', '"\\u202e"', f'"{"x" * 5000}"'),
    *(f'"{"1." * 3000}"', "[]", "{}", "[null]", '["x"]', "[[]]", '{"": ""}', '{"name": null}', '{"a": 1}'),
)
"""Values of JSON, as JSON."""


def _other_values(seed: bytes, chance: Random) -> bytes | None:
    """Return a JSON document with other values at some places, None where it is none."""
    if seed.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        document: Any = json.loads(seed)
    except ValueError:
        return None
    for _ in range(chance.choice((1, 1, 2, 4))):
        inner: Any = document
        while isinstance(inner, dict | list) and inner:
            key = chance.choice(list(inner)) if isinstance(inner, dict) else chance.randrange(len(inner))
            if chance.random() < 0.25 or not isinstance(inner[key], dict | list):
                _replace(inner, key, chance)
                break
            inner = inner[key]
    return json.dumps(document, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")


def _replace(inner: Any, key: Any, chance: Random) -> None:
    match chance.randrange(6):
        case 0:
            del inner[key]
        case 1 if isinstance(inner, list):
            inner.append(copy.deepcopy(inner[key]))
        case 2 if isinstance(inner, dict):
            other = chance.choice(list(inner))
            inner[other] = inner.pop(key)
        case 3 if isinstance(inner[key], str):
            inner[key] = inner[key][: chance.randrange(len(inner[key]) + 1)] + chance.choice(("", "\n", "/", "0", "é"))
        case _:
            inner[key] = json.loads(chance.choice(_VALUES))


# --- for long --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An input that did more than be read or refused."""

    target: str
    number: int
    content: bytes
    what: BaseException

    @property
    def where(self) -> str:
        """Return the last line of the code, as a fault of its own."""
        frames = traceback.extract_tb(self.what.__traceback__)
        return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""

    def __str__(self) -> str:
        return (
            f"{self.target}, input {self.number} ({len(self.content)} bytes): {type(self.what).__name__}: {self.what}"
        )


def look(target: Target, numbers: Iterable[int]) -> Iterator[Found | None]:
    """Yield, input by input, None or what was found."""
    for number in numbers:
        content = made(target, number)
        try:
            check(target, content)
        except (Exception, Hang) as error:  # noqa: BLE001  # whatever it is, it is what is looked for
            yield Found(target=target.name, number=number, content=content, what=error)
        else:
            yield None
