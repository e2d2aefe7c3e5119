"""DynamoDB Local takes part in the contract suite, and nobody but this machine can reach it."""

import socket
from urllib.parse import urlsplit

import pytest


def test_dynamodb_local_listens_on_the_loopback_only(dynamodb_local: str) -> None:
    address = urlsplit(dynamodb_local)
    assert address.hostname == "127.0.0.1"
    with socket.create_connection(("127.0.0.1", address.port or 80), timeout=5):
        pass
    with pytest.raises(ConnectionRefusedError):
        # All of 127.0.0.0/8 is this machine: who listens on every interface answers at this address too.
        socket.create_connection(("127.0.0.2", address.port or 80), timeout=5).close()
