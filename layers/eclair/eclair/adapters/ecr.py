"""Which credentials open an Amazon ECR registry?

Amazon ECR User Guide, *Private registry authentication*: GetAuthorizationToken gives a password for twelve hours, for
every registry of the region that the caller may read.
"""

import re
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from eclair.adapters.registry_client import Credentials
from eclair.errors import Forbidden, Unavailable
from eclair.ports import Clock

_HOST: Final = re.compile(r"[0-9]{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]{1,40})\.amazonaws\.com(?:\.cn)?")
_MARGIN: Final = 300.0
"""Seconds before a password ends from which on a new one is asked for."""

_REFUSALS: Final = frozenset(("AccessDeniedException", "AccessDenied", "UnrecognizedClientException"))


class EcrClient(Protocol):
    """The one call of boto3's ECR client that is made."""

    def get_authorization_token(self) -> Mapping[str, object]: ...


def _client(region: str) -> EcrClient:
    return cast("EcrClient", boto3.client("ecr", region_name=region))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Password:
    credentials: Credentials
    expires: float


class EcrCredentials:
    """The credentials of ECR hosts, kept until they expire; None for other hosts."""

    def __init__(self, *, client: Callable[[str], EcrClient] = _client, clock: Clock = time.time) -> None:
        self._client = client
        self._clock = clock
        self._passwords: dict[str, _Password] = {}

    def __call__(self, host: str) -> Credentials | None:
        match = _HOST.fullmatch(host)
        if match is None:
            return None
        region = match[1]
        known = self._passwords.get(region)
        if known is None or known.expires - _MARGIN < self._clock():
            known = self._passwords[region] = self._ask(region)
        return known.credentials

    def _ask(self, region: str) -> _Password:
        try:
            answer = self._client(region).get_authorization_token()
        except ClientError as error:
            text = f"ECR in {region} gives no authorization token ({error})"
            if error.response.get("Error", {}).get("Code") in _REFUSALS:
                raise Forbidden(f"{text}; allow ecr:GetAuthorizationToken") from error
            raise Unavailable(f"{text}; try again later") from error
        except BotoCoreError as error:
            raise Unavailable(f"ECR in {region} cannot be asked ({error}); check the region and credentials") from error
        return _read(answer, region)


def _read(answer: Mapping[str, object], region: str) -> _Password:
    match answer.get("authorizationData"):
        case [{"authorizationToken": str(token), "expiresAt": datetime() as expires}, *_]:
            username, _, password = b64decode(token).decode().partition(":")
            credentials = Credentials(username=username, password=password)
            return _Password(credentials=credentials, expires=expires.timestamp())
        case _:
            raise Unavailable(f"ECR in {region} answered without an authorization token; try again later")
