"""What does a small JSON document of an image say, read as a whole within bounds?

The format is RFC 8259. As the programs do whose files these are, a byte order mark is passed over, what is not UTF-8
is replaced, and of members with the same name the last counts.
"""

import json
from typing import BinaryIO, Final

from eclair.errors import BadDatabase

_MOST_VALUES: Final = 500_000
"""Values of a document, each of which takes up to eighty bytes when read; the largest real ones have some 200,000."""


def read_json(content: BinaryIO, largest: int) -> object:
    """Return the document of so many bytes at most. Raises `BadDatabase` where there is none that can be read."""
    document = content.read(largest + 1)
    if len(document) > largest:
        raise BadDatabase(f"a JSON document of more than {largest} bytes is not read")
    if sum(map(document.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise BadDatabase(f"a JSON document of more than {_MOST_VALUES} values is not read")
    try:
        value: object = json.loads(document.decode("utf-8-sig", errors="replace"))
    except RecursionError as error:
        raise BadDatabase("no JSON document that can be read: nested too deeply") from error
    except ValueError as error:
        raise BadDatabase(f"no JSON document: {error}") from error
    return value


def read_json_object(content: BinaryIO, largest: int) -> dict[str, object]:
    """Return the document, which has to be an object. Raises `BadDatabase`."""
    value = read_json(content, largest)
    if not isinstance(value, dict):
        raise BadDatabase("the JSON document is no object")
    return value
