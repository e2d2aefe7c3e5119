"""How is a feed's document fetched over HTTP? Only if it changed, complete, and from nowhere else than is allowed.

Conditional requests follow RFC 9110 section 13. A document is read into a temporary file before anybody sees a byte of
it: so none is taken for complete that broke off, the vendor's server does not wait for our store, and a server that
knows no conditional requests costs one download and a comparison of digests.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http.cookiejar import DefaultCookiePolicy
from tempfile import TemporaryFile
from typing import IO, Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from eclair.adapters.document import Document
from eclair.adapters.guarded import AddressRefused, GuardedAdapter, is_public, retry_after
from eclair.errors import BadFeed, Forbidden, NotFound, Unavailable
from eclair.model import Fingerprint
from eclair.ports import Clock, Fetched

SIZE_LIMIT: Final = 4 << 30
"""A document that inflates to more bytes is refused; the largest known feed has about 600 MB."""
LONGEST_DOWNLOAD: Final = 600.0
"""Seconds; a server that is slower would hold up the run for nothing."""
SKEW: Final = 300.0
"""Seconds by which a server's clock may be ahead of ours for its dates to be believed."""

_REDIRECTS: Final = 5
_MOVED: Final = frozenset((301, 302, 303, 307, 308))
_BUFFER: Final = 1 << 18


class HttpDocuments:
    """Documents from where `place` says that a URL is read.

    A redirect may lead to another host, but only over TLS and to an address of the internet; addresses that are not
    are for the hosts in `private`.
    """

    def __init__(
        self,
        *,
        place: Callable[[str], str] = lambda url: url,
        private: frozenset[str] = frozenset(),
        timeout: tuple[float, float] = (10, 60),
        attempts: int = 3,
        longest_wait: float = 20,
        longest_download: float = LONGEST_DOWNLOAD,
        size_limit: int = SIZE_LIMIT,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = time.time,
    ) -> None:
        self._place = place
        self._timeout = timeout
        self._attempts = attempts
        self._longest_wait = longest_wait
        self._longest_download = longest_download
        self._size_limit = size_limit
        self._sleep = sleep
        self._clock = clock
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "eclair"
        self._session.auth = _no_credentials
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        guard = GuardedAdapter(lambda host, port, address: is_public(address) or host in private)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, guard)

    @contextmanager
    def fetch(self, url: str, known: Fingerprint | None) -> Iterator[Fetched | None]:
        with TemporaryFile() as file:
            fingerprint = self._fetched(url, known, file)
            if fingerprint is None:
                yield None
                return
            file.seek(0)
            yield Document(fingerprint=fingerprint, stream=file)

    def _fetched(self, url: str, known: Fingerprint | None, file: IO[bytes]) -> Fingerprint | None:
        """Read the document into the file, in at most so many attempts; None where it is unchanged."""
        for attempt in range(1, self._attempts):
            try:
                return self._attempt(url, known, file)
            except Unavailable as error:
                wait = 2.0**attempt if error.retry_after is None else error.retry_after
                if wait > self._longest_wait:
                    raise
                self._sleep(wait)
        return self._attempt(url, known, file)

    def _attempt(self, url: str, known: Fingerprint | None, file: IO[bytes]) -> Fingerprint | None:
        with self._answer(self._place(url), self._conditions(known)) as response:
            told = self._told(url, response)
            if response.status_code == requests.codes.not_modified or _repeats_the_etag(told, known):
                return None
            file.seek(0)
            file.truncate()
            digest = self._copy(url, response, file)
        if known is not None and known == Fingerprint(
            url=url, etag=told.etag, last_modified=told.last_modified, digest=digest
        ):
            return None
        return Fingerprint(url=url, etag=told.etag, last_modified=told.last_modified, digest=digest)

    # --- asking ------------------------------------------------------------------------------------------------------

    def _answer(self, place: str, conditions: Mapping[str, str]) -> requests.Response:
        """Return the answer that has the document, or says that it is unchanged, after redirects."""
        url = place
        for _ in range(_REDIRECTS + 1):
            response = self._send(url, conditions)
            target = response.headers.get("Location")
            if response.status_code not in _MOVED or not target:
                return self._checked(response, conditional=bool(conditions))
            response.close()
            url = _redirected(url, target)
        raise Unavailable(f"{place}: redirects more than {_REDIRECTS} times")

    def _send(self, url: str, conditions: Mapping[str, str]) -> requests.Response:
        try:
            return self._session.get(url, headers=conditions, timeout=self._timeout, stream=True, allow_redirects=False)
        except AddressRefused as error:
            raise Forbidden(f"{url}: has the address {error}, which is not of the internet") from error
        except requests.exceptions.InvalidURL as error:
            raise Forbidden(f"{url}: is no URL that can be fetched") from error
        except requests.RequestException as error:
            raise Unavailable(f"{url}: no answer ({error.__class__.__name__}); is the host reachable?") from error

    def _checked(self, response: requests.Response, *, conditional: bool) -> requests.Response:
        """Return the answer; raise what one without a document means."""
        status, url = response.status_code, response.url
        if status == requests.codes.ok or (status == requests.codes.not_modified and conditional):
            return response
        response.close()
        if status in (requests.codes.not_found, requests.codes.gone):
            raise NotFound(f"{url}: there is no such document (HTTP {status})")
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            raise Forbidden(f"{url}: we are not let in (HTTP {status})")
        wait = retry_after(response.headers.get("Retry-After", ""), self._clock())
        raise Unavailable(f"{url}: HTTP {status}", retry_after=wait)

    def _conditions(self, known: Fingerprint | None) -> Mapping[str, str]:
        if known is None:
            return {}
        conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
        return {name: value for name, value in conditions.items() if value}

    def _told(self, url: str, response: requests.Response) -> Fingerprint:
        """Return what the server says of the document.

        A date in the future comes from a clock that is wrong: once it is put right, everything that follows would count
        as older than what we have.
        """
        modified = response.headers.get("Last-Modified", "")
        try:
            ahead = parsedate_to_datetime(modified).timestamp() - self._clock()
        except ValueError:
            modified, ahead = "", 0.0
        etag = response.headers.get("ETag", "")
        return Fingerprint(url=url, etag=etag, last_modified="" if ahead > SKEW else modified)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _copy(self, url: str, response: requests.Response, file: IO[bytes]) -> str:
        """Copy the body, its Content-Encoding taken off, and return its digest."""
        digest, size, begin = sha256(), 0, self._clock()
        for chunk in _body(url, response.raw):
            size += len(chunk)
            if size > self._size_limit:
                raise BadFeed(f"{url}: the document is larger than {self._size_limit} bytes")
            if self._clock() - begin > self._longest_download:
                raise Unavailable(f"{url}: only {size} bytes came in {self._longest_download:.0f} seconds")
            digest.update(chunk)
            try:
                file.write(chunk)
            except OSError as error:
                raise Unavailable(f"{url}: no room for {size} bytes of it on the disk: {error.strerror}") from error
        return digest.hexdigest()


def _body(url: str, response: urllib3.HTTPResponse) -> Iterator[bytes]:
    size = 0
    try:
        while chunk := response.read(_BUFFER, decode_content=True):
            size += len(chunk)
            yield chunk
    except urllib3.exceptions.DecodeError as error:
        raise BadFeed(f"{url}: the body is not what its Content-Encoding says") from error
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"{url}: the connection broke after {size} bytes") from error


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave a request as it is; without this, requests sends what a netrc file holds."""
    return request


def _redirected(url: str, target: str) -> str:
    """Return where a redirect leads. Raises `Forbidden` where it gives up TLS, or another host has none."""
    there = urljoin(url, target)
    here, to = urlsplit(url), urlsplit(there)
    if to.scheme == "https" or (to.scheme, to.netloc) == (here.scheme, here.netloc):
        return there
    raise Forbidden(f"{url}: redirects to {there[:300]!r}, which is another place without TLS")


def _repeats_the_etag(told: Fingerprint, known: Fingerprint | None) -> bool:
    """Say whether a server that does not know conditional requests has sent what we have."""
    return known is not None and bool(known.etag) and known.etag == told.etag
