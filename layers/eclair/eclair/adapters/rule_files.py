"""What do files say that need not be told: rule files (JSON, or YAML where PyYAML is installed) and VEX documents?"""

from collections.abc import Iterable
from pathlib import Path

import orjson

from eclair.errors import BadRules, NotFound
from eclair.model import RuleBook, VexDocument
from eclair.rule_file import read_file
from eclair.vex import LARGEST, is_vex, read_vex


def rule_book(ignore: Iterable[Path], vex: Iterable[Path], *, by: str) -> RuleBook:
    """Return all that some files say. Raises `NotFound`, `BadRules`."""
    books = [rules(path, by=by) for path in ignore]
    return RuleBook(
        version=1,
        rules=tuple(rule for book in books for rule in book.rules),
        documents=tuple(document(path) for path in vex),
        hours=tuple(hours for book in books for hours in book.hours),
    )


def rules(path: Path, *, by: str) -> RuleBook:
    """Return the rules and quiet hours of a file; those that name nobody are by `by`."""
    try:
        return read_file(_parsed(path), by=by)
    except BadRules as error:
        raise BadRules(f"{path}: {error}") from error


def document(path: Path) -> VexDocument:
    """Return what a VEX document says, under the name of its file."""
    try:
        return read_vex(content(path), path.name)
    except BadRules as error:
        raise BadRules(f"{path}: {error}") from error


def is_document(path: Path) -> bool:
    """Say whether a file means to be a VEX document."""
    try:
        return is_vex(orjson.loads(content(path)))
    except orjson.JSONDecodeError:
        return False


def content(path: Path) -> bytes:
    """Return the bytes of a file; of more than is ever read, one more than that."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}") from error


def _parsed(path: Path) -> object:
    found = content(path)
    if len(found) > LARGEST:
        raise BadRules(f"it has more than {LARGEST} bytes")
    try:
        return orjson.loads(found)
    except orjson.JSONDecodeError as error:
        return _yaml(found, error)


def _yaml(found: bytes, no_json: orjson.JSONDecodeError) -> object:
    try:
        import yaml
    except ModuleNotFoundError:
        raise BadRules(f"it is no JSON ({no_json}); for YAML `pip install eclair[yaml]`") from no_json
    try:
        return yaml.safe_load(found)
    except yaml.YAMLError as error:
        raise BadRules(f"it is neither JSON ({no_json}) nor YAML: {error}") from error
