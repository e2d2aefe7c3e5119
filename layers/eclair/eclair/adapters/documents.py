"""Where are the feeds' documents fetched from? The vendors over HTTP, or a mirror (folder or HTTP); maybe a cache.

In a mirror, https://HOST/PATH is MIRROR/HOST/PATH.
"""

import io
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from urllib.parse import unquote, urlsplit

from eclair.adapters.document import Document
from eclair.errors import BadReference, Forbidden, NotFound, Unavailable
from eclair.model import Fingerprint
from eclair.ports import Clock, Documents, Fetched

_BUFFER = 1 << 18
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?")

_log = logging.getLogger(__name__)


def documents(mirror: str = "") -> Documents:
    """Return what fetches from the vendors, or from a mirror: a folder, or the beginning of an http(s) URL."""
    if mirror and not mirror.startswith(("https://", "http://")):
        return FolderDocuments(Path(mirror))
    # Imported here: who reads a folder needs no HTTP client, which takes a tenth of a second.
    from eclair.adapters.http_documents import HttpDocuments

    if not mirror:
        return HttpDocuments()
    # The operator named the mirror: it may be in the operator's own network.
    host = frozenset({urlsplit(mirror).hostname or ""})
    return HttpDocuments(place=lambda url: mirrored(url, mirror), private=host)


def mirrored(url: str, mirror: str) -> str:
    """Return where a mirror has the document: https://HOST/PATH is MIRROR/HOST/PATH."""
    host, path = _host_and_path(url)
    return f"{mirror.rstrip('/')}/{host}/{path}"


def _host_and_path(url: str) -> tuple[str, str]:
    """Split a document's URL, and refuse what could lead out of a mirror. Raises `BadReference`."""
    parts = urlsplit(url)
    path = parts.path.removeprefix("/")
    names = unquote(path).split("/")
    plain = parts.scheme == "https" and _HOST.fullmatch(parts.netloc) and not parts.query
    if not plain or not all(map(_is_name, names)):
        raise BadReference(f"{url}: only https://HOST/PATH without query, . and .. has a place in a mirror")
    return parts.netloc, path


def _is_name(segment: str) -> bool:
    return segment not in ("", ".", "..") and segment.isprintable() and "\\" not in segment


# --- a folder --------------------------------------------------------------------------------------------------------


class FolderDocuments:
    """A mirror in a folder; the digest of the content says whether it changed, whoever copied the files.

    The date of a file is taken for the vendor's, as copying tools can keep it; it is for display only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def fetch(self, url: str, known: Fingerprint | None) -> Iterator[Fetched | None]:
        with self._open(url) as stream:
            digest = file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            if known is not None and known.digest == digest:
                yield None
                return
            modified = datetime.fromtimestamp(os.fstat(stream.fileno()).st_mtime, UTC)
            fingerprint = Fingerprint(url=url, last_modified=format_datetime(modified, usegmt=True), digest=digest)
            yield Document(fingerprint=fingerprint, stream=stream)

    def _open(self, url: str) -> io.BufferedReader:
        host, path = _host_and_path(url)
        root = self._folder.resolve()
        place = (root / host / unquote(path)).resolve()
        if not place.is_relative_to(root):
            raise Forbidden(f"{url}: {place} is a link out of the feed mirror {root}")
        try:
            return place.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound(f"{url}: the feed mirror has no {place}") from error
        except OSError as error:
            raise Unavailable(f"{url}: {place} of the feed mirror cannot be read: {error.strerror}") from error


# --- a cache ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """What the cache has of a document, and when the vendor was last asked about it."""

    fingerprint: Fingerprint
    asked: float


class CachedDocuments:
    """Copies in a folder, for the command line: always gives a stream, whether the vendor's document changed or not.

    The vendor is asked once the copy is older than `max_age` seconds; while it does not answer the copy serves.
    """

    def __init__(self, inner: Documents, folder: Path, *, clock: Clock = time.time, max_age: float = 3600) -> None:
        self._inner = inner
        self._folder = folder
        self._clock = clock
        self._max_age = max_age

    @contextmanager
    def fetch(self, url: str, known: Fingerprint | None) -> Iterator[Fetched | None]:
        copy = self._copy(url)
        if copy is None or not 0 <= self._clock() - copy.asked < self._max_age:
            copy = self._asked_again(url, copy)
        with self._body(url).open("rb") as stream:
            yield Document(fingerprint=copy.fingerprint, stream=stream)

    def _asked_again(self, url: str, copy: _Copy | None) -> _Copy:
        try:
            with self._inner.fetch(url, None if copy is None else copy.fingerprint) as fetched:
                return self._stored(url, fetched, copy)
        except Unavailable as error:
            if copy is None:
                raise
            _log.warning("cached copy used: age=%.0fs reason=%s", self._clock() - copy.asked, error)
            return copy

    def _stored(self, url: str, fetched: Fetched | None, copy: _Copy | None) -> _Copy:
        """Store the body before what describes it: after a crash in between the vendor is asked with the old words."""
        if fetched is not None:
            stream, fingerprint = fetched.stream, fetched.fingerprint
            replace_file(self._body(url), lambda file: shutil.copyfileobj(stream, file, _BUFFER))
        else:
            assert copy is not None, "a document is unchanged since a fingerprint only"
            fingerprint = copy.fingerprint
        new = _Copy(fingerprint=fingerprint, asked=self._clock())
        replace_file(self._description(url), lambda file: file.write(json.dumps(asdict(new)).encode()))
        return new

    def _copy(self, url: str) -> _Copy | None:
        """Return what the cache has; None also where it was damaged."""
        try:
            stored = json.loads(self._description(url).read_bytes())
            copy = _Copy(fingerprint=Fingerprint(**stored["fingerprint"]), asked=float(stored["asked"]))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            _log.warning("cached copy ignored: url=%s reason=%r", url, error)
            return None
        return copy if copy.fingerprint.url == url and self._body(url).exists() else None

    def _body(self, url: str) -> Path:
        return self._folder / f"{sha256(url.encode()).hexdigest()}.body"

    def _description(self, url: str) -> Path:
        return self._body(url).with_suffix(".json")


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that it is there in full or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=path.stem, delete=False) as file:
        temporary = Path(file.name)
        try:
            write(file)
            file.flush()
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
