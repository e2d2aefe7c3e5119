"""How is a registry spoken to: which hosts, with whose credentials, how often again?

Authentication is that of the OCI distribution specification and of distribution.github.io ("Token Authentication
Specification"). The rules of trust: only hosts that the operator named are asked; private addresses only where the
operator said so, judged by the address that was really connected to, redirects and token realms included; credentials
go to the host they are for (and its token realm), never along a redirect to another.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Final, Protocol
from urllib.parse import urlencode, urljoin, urlsplit

import orjson
import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from eclair.adapters.guarded import AddressRefused, GuardedAdapter, is_public, retry_after
from eclair.errors import BadImage, Forbidden, LimitExceeded, NotFound, Unavailable
from eclair.ports import Clock

DOCKER_HUB: Final = "docker.io"
_API_HOSTS: Final = {DOCKER_HUB: "registry-1.docker.io"}
"""Registries whose API is served by another host than the one that names use."""

_TIMEOUT: Final = (10.0, 60.0)
"""Seconds to connect, and between two bytes."""

_ATTEMPTS: Final = 4
_LONGEST_WAIT: Final = 20.0
"""Seconds; who is told to wait longer leaves it to the queue."""

_REDIRECTS: Final = 5
_TOKEN_LIMIT: Final = 256 * 1024
_TOKEN_SECONDS: Final = 60
"""How long a token holds that does not say so (Token Authentication Specification, `expires_in`)."""

_TOKEN_MARGIN: Final = 10
_AGAIN: Final = frozenset((408, 429, 500, 502, 503, 504))
_MOVED: Final = frozenset((301, 302, 303, 307, 308))
_BEARER: Final = re.compile(r"(?:^|,)\s*Bearer\s+", re.IGNORECASE)
_PARAMETER: Final = re.compile(r'([A-Za-z_]+)="([^"]*)"')
_CHUNK: Final = 64 * 1024

TRANSPORT_ERRORS: Final = (requests.RequestException, HTTPError, OSError)
"""What reading from a connection may raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user name and password (or access token) for one registry."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"


class CredentialProvider(Protocol):
    """Who knows the credentials of a registry host; None asks anonymously."""

    def __call__(self, host: str) -> Credentials | None: ...


def anonymous(host: str) -> Credentials | None:
    """Know no credentials."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryPolicy:
    """Which hosts the operator allows, as patterns of `host[:port]` with `*`.

    `insecure` hosts are spoken to without TLS and may have private addresses, `private` ones with TLS.
    """

    allowed: tuple[str, ...]
    insecure: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    def check_registry(self, host: str) -> None:
        """Raise `Forbidden` unless the operator named the registry."""
        if not _matches(host, self.allowed):
            raise Forbidden(
                f"registry {host} is not among those allowed ({', '.join(self.allowed) or 'none'}); "
                "add it to the allowed registries"
            )

    def base(self, host: str) -> str:
        """Return the address of a registry's API."""
        return f"http://{host}" if _matches(host, self.insecure) else f"https://{_API_HOSTS.get(host, host)}"

    def check_url(self, url: str) -> None:
        """Raise `Forbidden` unless it is an HTTPS address, or an HTTP one of an insecure host."""
        parts = urlsplit(url)
        secure = parts.scheme == "https" or (parts.scheme == "http" and _matches(parts.netloc, self.insecure))
        if not secure or not parts.hostname or "@" in parts.netloc:
            raise Forbidden(f"{_shown(url)} is not fetched: only https, or http of a host listed as insecure")

    def may_connect(self, host: str, port: int | None, address: str) -> bool:
        """Say whether the host may have this address."""
        names = (host, f"{host}:{port}")
        return is_public(address) or any(_matches(name, self.insecure + self.private) for name in names)


def _matches(host: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, pattern) for pattern in patterns)


class RegistryClient:
    """Sends requests to registries, authenticated as each of them asks, and again where that may help."""

    def __init__(
        self,
        policy: RegistryPolicy,
        *,
        credentials: CredentialProvider = anonymous,
        sleep: Callable[[float], None],
        clock: Clock,
    ) -> None:
        self._policy = policy
        self._credentials = credentials
        self._sleep = sleep
        self._clock = clock
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, GuardedAdapter(policy.may_connect))
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._basic: set[str] = set()

    def open(
        self, host: str, path: str, *, scope: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> "Response":
        """Return the answer of a registry to a request for `/v2/PATH`, once it is a success.

        `scope` is the access to ask a token for. Raises `NotFound`, `Forbidden`, `Unavailable`, `BadImage`.
        """
        self._policy.check_registry(host)
        url = urljoin(f"{self._policy.base(host)}/v2/", path)
        if urlsplit(url).netloc != urlsplit(self._policy.base(host)).netloc:
            raise BadImage(f"registry {host} leads to another host for {_shown(path)}; report it to its operator")
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._ask(host, url, scope, method, headers or {})
            except Unavailable as error:
                self.pause(attempt, error)
        return self._ask(host, url, scope, method, headers or {})

    def pause(self, attempt: int, error: Unavailable) -> None:
        """Wait before trying again, as long as the error says; raise it where that is too long."""
        seconds = 2.0**attempt / 2 if error.retry_after is None else error.retry_after
        if seconds > _LONGEST_WAIT:
            raise error
        self._sleep(seconds)

    def _ask(self, host: str, url: str, scope: str, method: str, headers: Mapping[str, str]) -> "Response":
        response = self._follow(host, url, scope, method, headers)
        if response.status == 401:
            self._authenticate(host, scope, response)
            response = self._follow(host, url, scope, method, headers)
        return self._success(response)

    def _follow(self, host: str, url: str, scope: str, method: str, headers: Mapping[str, str]) -> "Response":
        """Return the answer after redirects; the authorisation stays with the registry's own host."""
        home = urlsplit(url)
        for _ in range(_REDIRECTS + 1):
            here = urlsplit(url)
            own = (here.scheme, here.netloc) == (home.scheme, home.netloc)
            response = self._send(method, url, headers, self._authorization(host, scope) if own else "")
            target = response.header("Location")
            if response.status not in _MOVED or not target:
                return response
            response.close()
            url = urljoin(url, target)
        raise BadImage(f"registry {host} redirects more than {_REDIRECTS} times; report it to its operator")

    def _send(self, method: str, url: str, headers: Mapping[str, str], authorization: str) -> "Response":
        self._policy.check_url(url)
        try:
            response = self._session.request(
                method,
                url,
                headers={"Accept-Encoding": "identity", "User-Agent": "eclair", **headers},
                auth=_Authorization(authorization),
                allow_redirects=False,
                stream=True,
                timeout=_TIMEOUT,
            )
        except AddressRefused as error:
            raise Forbidden(
                f"{_shown(url)} has the address {error}, which is not public; list the host as private to allow it"
            ) from error
        except TRANSPORT_ERRORS as error:
            raise Unavailable(f"{_shown(url)} gives no answer ({error}); try again later") from error
        return Response(response)

    def _success(self, response: "Response") -> "Response":
        """Return a response of success; raise for another what it means."""
        if 200 <= response.status < 300:
            return response
        response.close()
        if response.status in _AGAIN:
            raise self._unavailable(response)
        if response.status in (401, 403):
            raise Forbidden(f"{response.described}; give credentials that may read it")
        if response.status in (404, 410):
            raise NotFound(response.described)
        raise BadImage(f"{response.described}, which no registry should; check the reference")

    def _unavailable(self, response: "Response") -> Unavailable:
        seconds = retry_after(response.header("Retry-After"), self._clock())
        return Unavailable(f"{response.described}; try again later", retry_after=seconds)

    # --- authentication

    def _authorization(self, host: str, scope: str) -> str:
        if host in self._basic:
            return self._basic_authorization(host)
        token = self._tokens.get((host, scope))
        if token is None or token.expires < self._clock():
            return ""
        return f"Bearer {token.text}"

    def _basic_authorization(self, host: str) -> str:
        known = self._credentials(host)
        if known is None:
            return ""
        return "Basic " + b64encode(f"{known.username}:{known.password}".encode()).decode()

    def _authenticate(self, host: str, scope: str, response: "Response") -> None:
        """Prepare what a 401 asks for: a token for the scope, or the credentials themselves."""
        challenge = response.header("WWW-Authenticate")
        response.close()
        bearer = _BEARER.search(challenge)
        if bearer:
            asked = dict(_PARAMETER.findall(challenge[bearer.end() :]))
            self._tokens[host, scope] = self._token(host, asked, scope)
            return
        if not challenge.lower().startswith("basic") or self._credentials(host) is None:
            raise Forbidden(f"{response.described}; give credentials for registry {host}")
        self._basic.add(host)

    def _token(self, host: str, asked: Mapping[str, str], scope: str) -> "_Token":
        query = {"service": asked.get("service", ""), "scope": asked.get("scope") or scope}
        realm = asked.get("realm", "")
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode({k: v for k, v in query.items() if v})}"
        with self._send("GET", url, {}, self._basic_authorization(host)) as response:
            if response.status in (400, 401, 403):
                raise Forbidden(f"{response.described}; give credentials for registry {host} that may read it")
            if response.status != 200:
                raise self._unavailable(response)
            return _read_token(response.read(_TOKEN_LIMIT), host, self._clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    text: str
    expires: float


def _read_token(content: bytes, host: str, now: float) -> _Token:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unavailable(f"registry {host}: the token service answers no JSON; try again later") from error
    text = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    if not isinstance(text, str) or not text.isprintable():
        raise Forbidden(f"registry {host}: the token service gives no token; check the credentials")
    seconds = answer.get("expires_in")
    lasting = seconds if isinstance(seconds, int) and seconds > 0 else _TOKEN_SECONDS
    return _Token(text=text, expires=now + lasting - min(_TOKEN_MARGIN, lasting / 2))


class Response(AbstractContextManager["Response"]):
    """An answer whose body is read in pieces."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def described(self) -> str:
        """Return what was asked and answered, for messages; without the query, which may hold a signature."""
        return f"{_shown(self._response.url)} answered {self.status}"

    def header(self, name: str) -> str:
        return self._response.headers.get(name, "")

    def some(self, size: int) -> bytes:
        """Return some bytes of the body as they were sent, none at its end."""
        content: bytes = self._response.raw.read(size, decode_content=False)
        return content

    def read(self, limit: int) -> bytes:
        """Return the whole body. Raises `LimitExceeded`, `Unavailable`."""
        pieces = []
        try:
            while piece := self.some(_CHUNK):
                pieces.append(piece)
                limit -= len(piece)
                if limit < 0:
                    raise LimitExceeded(f"{self.described} with too large a body")
        except TRANSPORT_ERRORS as error:
            raise Unavailable(f"{self.described} and broke off ({error}); try again later") from error
        return b"".join(pieces)

    def close(self) -> None:
        self._response.close()


class _Authorization(AuthBase):
    """Sets this header or none; its presence keeps requests from sending what a netrc file holds."""

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header:
            request.headers["Authorization"] = self._header
        return request


def _shown(url: str) -> str:
    return repr(url.partition("?")[0][:300])
