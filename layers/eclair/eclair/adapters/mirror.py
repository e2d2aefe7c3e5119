"""How is a mirror folder written? https://HOST/PATH becomes FOLDER/HOST/PATH, with the vendor's date as its own.

`.copied.json` in the folder keeps what the servers said of the documents, part by part, so that the next time they are
only asked whether these changed.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO
from urllib.parse import unquote

from eclair.adapters.document import Document
from eclair.adapters.documents import mirrored, replace_file
from eclair.errors import NotFound, Unavailable
from eclair.model import Fingerprint
from eclair.ports import Documents, Fetched

_COPIED = ".copied.json"
_BUFFER = 1 << 18


class MirrorFolder:
    """A `Mirror` in a folder, copied from other documents."""

    def __init__(self, folder: Path, source: Documents) -> None:
        self._folder = folder
        self._source = source
        self._copied = dict(self._read())

    @contextmanager
    def copying(self, name: str) -> Iterator[Documents]:
        """Give the documents of a part; those that were asked for are in the folder once all went well."""
        copy = _Copy(self._folder, self._source, self._copied.get(name, {}))
        try:
            yield copy
            copy.keep()
        finally:
            copy.discard()
        gone = self._copied.get(name, {}).keys() - copy.marks.keys()
        self._copied[name] = copy.marks
        self._save()
        self._delete(gone)

    def _delete(self, urls: "set[str]") -> None:
        """Delete what no part has any more."""
        for url in urls - {url for marks in self._copied.values() for url in marks}:
            _place(self._folder, url).unlink(missing_ok=True)

    def _read(self) -> Iterator[tuple[str, dict[str, Fingerprint]]]:
        """Yield what is noted of earlier copies; a note that is damaged is none: everything is copied again."""
        try:
            noted = json.loads((self._folder / _COPIED).read_bytes())
            for name, marks in noted.items():
                yield name, {mark["url"]: Fingerprint(**mark) for mark in marks}
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return

    def _save(self) -> None:
        noted = {name: [asdict(mark) for mark in marks.values()] for name, marks in sorted(self._copied.items())}
        replace_file(self._folder / _COPIED, lambda file: file.write(json.dumps(noted, indent=1).encode()))


class _Copy:
    """The documents of one part while they are copied: each in a file beside its place until all are there."""

    def __init__(self, folder: Path, source: Documents, known: Mapping[str, Fingerprint]) -> None:
        self._folder = folder
        self._source = source
        self._known = known
        self._new: dict[Path, Path] = {}
        self.marks: dict[str, Fingerprint] = {}

    @contextmanager
    def fetch(self, url: str, known: Fingerprint | None) -> Iterator[Fetched | None]:
        place = _place(self._folder, url)
        if url not in self.marks:
            mark = self._known.get(url) if place.is_file() else None
            with self._source.fetch(url, mark) as fetched:
                if fetched is not None:
                    mark = fetched.fingerprint
                    self._new[place] = _beside(place, fetched.stream, mark)
            if mark is None:
                raise NotFound(f"{url}: answered 'unchanged' to a request that named no earlier copy")
            self.marks[url] = mark
        with self._new.get(place, place).open("rb") as stream:
            yield Document(fingerprint=self.marks[url], stream=stream)

    def keep(self) -> None:
        """Put the new files in their places: what was found by an index before the index."""
        for place, file in reversed(self._new.items()):
            file.replace(place)
        self._new.clear()

    def discard(self) -> None:
        """Delete new files that were not put in their places."""
        for file in self._new.values():
            file.unlink(missing_ok=True)


def _place(folder: Path, url: str) -> Path:
    return folder / unquote(mirrored(url, "")).removeprefix("/")


def _beside(place: Path, stream: BinaryIO, mark: Fingerprint) -> Path:
    """Copy the document to a file beside its place, with the date of the vendor."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=place.parent, prefix=f".{place.name[:100]}", delete=False) as file:
            copy = Path(file.name)
            try:
                shutil.copyfileobj(stream, file, _BUFFER)
                file.flush()
                _date(file, mark)
            except BaseException:
                copy.unlink()
                raise
    except OSError as error:
        raise Unavailable(f"{mark.url}: {place} cannot be written: {error.strerror}") from error
    copy.chmod(0o644)
    return copy


def _date(file: IO[bytes], mark: Fingerprint) -> None:
    try:
        seconds = parsedate_to_datetime(mark.last_modified).timestamp()
    except ValueError:
        return
    os.utime(file.name, (seconds, seconds))
