"""Where are the feeds' documents fetched from? The vendors over HTTP, or a mirror (folder or HTTP); maybe a cache.

Conditional requests follow RFC 9110 section 13. In a mirror, https://HOST/PATH is MIRROR/HOST/PATH.
"""

import io
import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from eclair.errors import BadFeed, BadReference, Forbidden, NotFound, Unavailable
from eclair.model import Fingerprint
from eclair.ports import Clock, Documents, Fetched

SIZE_LIMIT = 4 << 30
"""A document that inflates to more bytes is refused; the largest known feed has about 600 MB."""

_BUFFER = 1 << 18
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that was fetched because it changed."""

    fingerprint: Fingerprint
    stream: BinaryIO


def documents(mirror: str = "") -> Documents:
    """Return what fetches from the vendors, or from a mirror: a folder, or the beginning of an http(s) URL."""
    if not mirror or mirror.startswith(("https://", "http://")):
        return HttpDocuments(mirror=mirror)
    return FolderDocuments(Path(mirror))


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
    """A mirror in a folder; the ETag is a digest of the content, so it holds whoever copied the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def fetch(self, url: str, known: Fingerprint | None) -> Iterator[Fetched | None]:
        with self._open(url) as stream:
            etag = f'"{file_digest(stream, "sha256").hexdigest()}"'
            stream.seek(0)
            unchanged = known is not None and known.etag == etag
            yield None if unchanged else Document(fingerprint=Fingerprint(url=url, etag=etag), stream=stream)

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


# --- HTTP ------------------------------------------------------------------------------------------------------------


class HttpDocuments:
    """The vendors, or a mirror of them, over HTTP."""

    def __init__(
        self,
        *,
        mirror: str = "",
        timeout: tuple[float, float] = (10, 60),
        attempts: int = 3,
        longest_wait: float = 20,
        size_limit: int = SIZE_LIMIT,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = time.time,
    ) -> None:
        self._mirror = mirror
        self._timeout = timeout
        self._attempts = attempts
        self._longest_wait = longest_wait
        self._size_limit = size_limit
        self._sleep = sleep
        self._clock = clock
        self._session = requests.Session()
        self._session.max_redirects = 5
        self._session.headers["User-Agent"] = "eclair"

    @contextmanager
    def fetch(self, url: str, known: Fingerprint | None) -> Iterator[Fetched | None]:
        with self._answer(url, known) as response:
            if response.status_code == requests.codes.not_modified or _same(response, known):
                yield None
                return
            yield Document(fingerprint=_fingerprint(url, response), stream=_stream(url, response, self._size_limit))

    def _answer(self, url: str, known: Fingerprint | None) -> requests.Response:
        """Ask until there is an answer, at most so many times."""
        place = mirrored(url, self._mirror) if self._mirror else url
        for attempt in range(1, self._attempts):
            try:
                return self._ask(place, known)
            except Unavailable as error:
                wait = 2.0**attempt if error.retry_after is None else error.retry_after
                if wait > self._longest_wait:
                    raise
                self._sleep(wait)
        return self._ask(place, known)

    def _ask(self, place: str, known: Fingerprint | None) -> requests.Response:
        try:
            response = self._session.get(place, headers=_conditions(known), timeout=self._timeout, stream=True)
        except requests.RequestException as error:
            raise Unavailable(f"{place}: no answer ({error.__class__.__name__}); is the host reachable?") from error
        try:
            self._check(place, response, known)
        except BaseException:
            response.close()
            raise
        return response

    def _check(self, place: str, response: requests.Response, known: Fingerprint | None) -> None:
        """Raise what an answer without a document means."""
        status = response.status_code
        if place.startswith("https:") and not response.url.startswith("https:"):
            raise Forbidden(f"{place}: the answer comes from {response.url}, without TLS")
        if status == requests.codes.ok or (status == requests.codes.not_modified and known is not None):
            return
        if status in (requests.codes.not_found, requests.codes.gone):
            raise NotFound(f"{place}: there is no such document (HTTP {status})")
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            raise Forbidden(f"{place}: we are not let in (HTTP {status})")
        raise Unavailable(f"{place}: HTTP {status}", retry_after=self._retry_after(response))

    def _retry_after(self, response: requests.Response) -> float | None:
        """Return the seconds to wait: RFC 9110 section 10.2.3 has seconds or a date."""
        value = response.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - self._clock())


def _conditions(known: Fingerprint | None) -> Mapping[str, str]:
    if known is None:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in conditions.items() if value}


def _fingerprint(url: str, response: requests.Response) -> Fingerprint:
    headers = response.headers
    return Fingerprint(url=url, etag=headers.get("ETag", ""), last_modified=headers.get("Last-Modified", ""))


def _same(response: requests.Response, known: Fingerprint | None) -> bool:
    """Say whether a server that does not know conditional requests has sent what we have."""
    return known is not None and bool(known.etag) and known.etag == response.headers.get("ETag")


def _stream(url: str, response: requests.Response, limit: int) -> BinaryIO:
    return io.BufferedReader(_Body(url, response.raw, limit), _BUFFER)


class _Body(io.RawIOBase):
    """The body of an answer with its Content-Encoding taken off; what goes wrong meanwhile is an error of ours."""

    def __init__(self, url: str, response: urllib3.HTTPResponse, limit: int) -> None:
        super().__init__()
        self._url = url
        self._response = response
        self._limit = limit
        self._seen = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed has no name for Buffer yet
        chunk = self._read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._seen += len(chunk)
        if self._seen > self._limit:
            raise BadFeed(f"{self._url}: the document is larger than {self._limit} bytes")
        return len(chunk)

    def _read(self, size: int) -> bytes:
        try:
            return self._response.read(size, decode_content=True)
        except urllib3.exceptions.DecodeError as error:
            raise BadFeed(f"{self._url}: the body is not what its Content-Encoding says") from error
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"{self._url}: the connection broke after {self._seen} bytes") from error


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
            _replace(self._body(url), lambda file: shutil.copyfileobj(stream, file, _BUFFER))
        else:
            assert copy is not None, "a document is unchanged since a fingerprint only"
            fingerprint = copy.fingerprint
        new = _Copy(fingerprint=fingerprint, asked=self._clock())
        _replace(self._description(url), lambda file: file.write(json.dumps(asdict(new)).encode()))
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


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
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
