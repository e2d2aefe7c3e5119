"""What `docker login` keeps is understood, and nothing else is run or guessed."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from eclair.adapters.docker_config import DockerConfig
from eclair.adapters.registry_client import Credentials
from eclair.errors import BadInput

ANN = Credentials(username="ann", password="pass:word")
AUTH = {"auth": b64encode(b"ann:pass:word").decode()}


def config(folder: Path, content: object) -> DockerConfig:
    path = folder / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return DockerConfig(path)


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("registry.example:5000", "registry.example:5000"),
        ("https://registry.example", "registry.example"),
        ("https://registry.example/", "registry.example"),
        ("https://index.docker.io/v1/", "docker.io"),
    ],
)
def test_credentials_are_found_by_their_host(tmp_path: Path, key: str, host: str) -> None:
    known = config(tmp_path, {"auths": {key: AUTH, "other.example": {}}})
    assert known(host) == ANN
    assert known("other.example") is None
    assert known("unknown.example") is None


def test_user_name_and_password_may_stand_by_themselves(tmp_path: Path) -> None:
    known = config(tmp_path, {"auths": {"a.example": {"username": "ann", "password": "pass:word"}}})
    assert known("a.example") == ANN


@pytest.mark.parametrize("entry", [{}, None, [], "x", {"auth": ""}, {"auth": "?"}, {"auth": "YW5u"}, {"auth": "/w=="}])
def test_an_entry_without_credentials_has_none(tmp_path: Path, entry: object) -> None:
    assert config(tmp_path, {"auths": {"a.example": entry}})("a.example") is None


@pytest.mark.parametrize("content", [{}, [], {"auths": None}, {"credsStore": "desktop"}])
def test_a_file_without_logins_has_none(tmp_path: Path, content: object) -> None:
    assert config(tmp_path, content)("a.example") is None


def test_a_missing_file_has_none_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    assert DockerConfig(tmp_path / "none")("a.example") is None
    with pytest.raises(BadInput, match="no JSON"):
        config(tmp_path, "{")
