"""ECR hosts are told by their name, and their passwords asked for once until they expire."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from moto import mock_aws

from eclair.adapters.ecr import EcrClient, EcrCredentials
from eclair.errors import Forbidden, Unavailable

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@dataclass
class Ecr:
    """Gives passwords for twelve hours, or fails."""

    now: float = 1_000_000.0
    asked: list[str] = field(default_factory=list)
    failure: Exception | None = None
    answer: Mapping[str, object] | None = None

    def clock(self) -> float:
        return self.now

    def client(self, region: str) -> EcrClient:
        self.asked.append(region)
        return self

    def get_authorization_token(self) -> Mapping[str, object]:
        if self.failure is not None:
            raise self.failure
        if self.answer is not None:
            return self.answer
        token = b64encode(f"AWS:password-{len(self.asked)}".encode()).decode()
        expires = datetime.fromtimestamp(self.now + 12 * 3600, UTC)
        return {"authorizationData": [{"authorizationToken": token, "expiresAt": expires}]}

    def credentials(self) -> EcrCredentials:
        return EcrCredentials(client=self.client, clock=self.clock)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (HOST, "eu-west-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_the_region_is_that_of_the_host(host: str, region: str) -> None:
    ecr = Ecr()
    known = ecr.credentials()(host)
    assert known is not None
    assert (known.username, known.password) == ("AWS", "password-1")
    assert ecr.asked == [region]


@pytest.mark.parametrize(
    "host",
    [
        "docker.io",
        "public.ecr.aws",
        f"{HOST}.evil.example",
        f"evil.example.{HOST}",
        f"{HOST}:443",
        "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonawsxcom",
        f"{HOST}\n",
    ],
)
def test_no_other_host_gets_a_password(host: str) -> None:
    ecr = Ecr()
    assert ecr.credentials()(host) is None
    assert ecr.asked == []


def test_a_password_serves_every_registry_of_its_region_until_it_ends() -> None:
    ecr = Ecr()
    credentials = ecr.credentials()
    first = credentials(HOST)
    ecr.now += 11 * 3600
    assert credentials(HOST.replace("123456789012", "210987654321")) == first
    assert ecr.asked == ["eu-west-1"]
    ecr.now += 3600 - 299
    assert credentials(HOST) != first
    assert ecr.asked == ["eu-west-1", "eu-west-1"]


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetAuthorizationToken")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (error("AccessDeniedException"), Forbidden),
        (error("ServerException"), Unavailable),
        (error("ThrottlingException"), Unavailable),
        (NoCredentialsError(), Unavailable),
    ],
)
def test_failures_are_of_our_tree(failure: Exception, expected: type[Exception]) -> None:
    ecr = Ecr(failure=failure)
    with pytest.raises(expected, match="eu-west-1"):
        ecr.credentials()(HOST)


@pytest.mark.parametrize(
    "answer", [{}, {"authorizationData": []}, {"authorizationData": [{"authorizationToken": "x"}]}]
)
def test_an_answer_without_a_password_is_unavailable(answer: Mapping[str, object]) -> None:
    with pytest.raises(Unavailable):
        Ecr(answer=answer).credentials()(HOST)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield
    boto3.setup_default_session()


@pytest.mark.usefixtures("aws")
def test_the_answer_of_boto3_is_understood() -> None:
    known = EcrCredentials()(HOST)
    assert known is not None
    assert known.username == "AWS"
    assert known.password
