"""What does a source of documents give? `Fetched`, as a value."""

from dataclasses import dataclass
from typing import BinaryIO

from eclair.model import Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that was fetched because it changed."""

    fingerprint: Fingerprint
    stream: BinaryIO
