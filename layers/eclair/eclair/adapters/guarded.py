"""Where may a connection lead? Requests that leave only for addresses that a rule allows.

What counts is the address that was really connected to, so a name that changes its address between two look-ups, or a
redirect, gains nothing.
"""

import socket
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MayConnect = Callable[[str, int | None, str], bool]
"""Says whether the host, at the port, may have the address."""

_NAT64: Final = IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """A connection was made to an address that is not allowed; no OSError, which urllib3 would wrap."""


def is_public(address: str) -> bool:
    """Say whether an address is of the internet; one that embeds an IPv4 address is judged by that."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or (ip_address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip)
    return ip.is_global and not ip.is_multicast


class GuardedAdapter(HTTPAdapter):
    """Connects only to addresses that are allowed, and closes another connection before a byte is sent."""

    def __init__(self, may_connect: MayConnect) -> None:
        self._may_connect = may_connect
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: object) -> None:  # noqa: FBT001, FBT002
        super().init_poolmanager(connections, maxsize, block, **options)
        may_connect = self._may_connect

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _guarded(super()._new_conn(), may_connect, self.host, self.port)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _guarded(super()._new_conn(), may_connect, self.host, self.port)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _guarded(connection: socket.socket, may_connect: MayConnect, host: str, port: int | None) -> socket.socket:
    address = connection.getpeername()[0]
    if not may_connect(host, port, address):
        connection.close()
        raise AddressRefused(address)
    return connection


def retry_after(text: str, now: float) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds or a date."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
