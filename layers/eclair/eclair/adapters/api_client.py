"""How does the command ask a deployed API? With a request signed by the operator's own AWS credentials (SigV4)."""

import re
from typing import Final
from urllib.parse import urlsplit

import orjson
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

from eclair.errors import BadReference, BadRequest, Forbidden, NotFound, Unavailable

_TIMEOUT: Final = (10.0, 35.0)
"""Seconds to connect and between two bytes; the API answers within 29."""
_HOST: Final = re.compile(r"[a-z0-9]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


def get(api: str, path: str) -> object:
    """Return the JSON that the API answers. Raises `Forbidden`, `NotFound`, `Unavailable`, `BadReference`."""
    return ask(api, "GET", path)


def ask(api: str, method: str, path: str, body: bytes = b"") -> object:
    """Return the JSON that the API answers to a request; raises as `get`, and `BadRequest` for what it refuses."""
    url = f"{api.rstrip('/')}{path}"
    if urlsplit(url).scheme not in ("https", "http"):
        raise BadReference(f"{api!r} is no address of an API: give the ApiUrl of the stack's outputs")
    headers = _signed(method, url, body)
    try:
        response = requests.request(method, url, headers=headers, data=body, timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        raise Unavailable(f"{url}: no answer ({error.__class__.__name__})") from error
    if response.status_code == requests.codes.forbidden:
        raise Forbidden(f"{url}: not allowed: use credentials that may invoke the API: {response.text[:200]}")
    if response.status_code == requests.codes.not_found:
        raise NotFound(f"{url}: {response.text[:200]}")
    if response.status_code == requests.codes.bad_request:
        raise BadRequest(f"{url}: {response.text[:1000]}")
    if response.status_code != requests.codes.ok:
        raise Unavailable(f"{url}: HTTP {response.status_code}: {response.text[:200]}")
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError as error:
        raise Unavailable(f"{url}: answers no JSON; is it the ApiUrl of the stack's outputs?") from error


def _signed(method: str, url: str, body: bytes) -> dict[str, str]:
    """Return the headers that sign the request; none where there are no credentials (a local stack asks for none)."""
    session = Session()
    credentials = session.get_credentials()
    if credentials is None:
        return {}
    match = _HOST.fullmatch(urlsplit(url).hostname or "")
    region = match[1] if match else session.get_config_variable("region") or "us-east-1"
    request = AWSRequest(method, url, data=body)
    SigV4Auth(credentials, "execute-api", region).add_auth(request)
    return dict(request.headers.items())
