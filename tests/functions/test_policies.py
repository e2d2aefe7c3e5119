"""Each function is given what it needs: the flow runs over moto, every function with the variables that the template
gives to it, and what it asks AWS for is held against the policy that the template gives to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
import yaml
from botocore.client import BaseClient
from moto import mock_aws

from eclair.adapters.documents import FolderDocuments
from eclair.adapters.sqs import decode_index, decode_judge, decode_notify, decode_refresh
from eclair.application import Application, AwsPorts, Settings
from eclair.model import Hint, HintKind, IndexRequest, RefreshRequest, StatementChange
from eclair.ports import Documents
from tests.adapters.contract.conftest import REGION, new_table
from tests.fleet import DEBIAN, DPKG, NOW, SAMPLES, SHOP, Fleet, layer
from tests.functions.invocation import ROOT
from tests.registry_in_memory import MemoryRegistry

TABLES = ("IndexTable", "AdvisoriesTable")
QUEUES = ("ImagesQueue", "FeedsQueue", "MatchesQueue", "SetsQueue", "RepositoriesQueue")
TOPIC = "NoticesTopic"
VERBS = ("push", "index", "refresh", "match", "judge", "notify", "quiet", "report")
ACTIONS = {
    "dynamodb": {
        "Put": "PutItem",
        "Update": "UpdateItem",
        "Delete": "DeleteItem",
        "ConditionCheck": "ConditionCheckItem",
    },
    "sqs": {"SendMessageBatch": "SendMessage"},
}
"""Where the action of a policy has another name than the operation, or than the part of a transaction."""

Asked = tuple[str, str]
"""An action and the logical name of the resource it was asked of."""


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as mappings: `!Ref Topic` is {Ref: Topic}."""


def intrinsic(loader: Loader, name: str, node: yaml.Node) -> Mapping[str, object]:
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", intrinsic)
TEMPLATE: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), Loader)


def properties(verb: str) -> dict[str, Any]:
    found: dict[str, Any] = TEMPLATE["Resources"][f"{verb.capitalize()}Function"]["Properties"]
    return found


def allowed(verb: str) -> set[Asked]:
    """Return what the function's policy allows, by logical names."""

    def listed(value: object) -> Sequence[Any]:
        return value if isinstance(value, list) else [value]

    return {
        (action, str(next(iter(resource.values()))).removesuffix(".Arn") if isinstance(resource, dict) else resource)
        for policy in properties(verb)["Policies"]
        for statement in policy["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def called(service: str, operation: str, arguments: Mapping[str, Any]) -> Iterator[Asked]:
    """Yield the actions that a call needs, with the name of the table, queue or topic."""
    if operation == "TransactWriteItems":
        for item in arguments["TransactItems"]:
            for part, of in item.items():
                yield f"dynamodb:{ACTIONS['dynamodb'][part]}", of["TableName"]
        return
    action = f"{service}:{ACTIONS.get(service, {}).get(operation, operation)}"
    if "RequestItems" in arguments:
        yield from ((action, table) for table in arguments["RequestItems"])
    else:
        where = arguments.get("TableName") or arguments.get("QueueUrl") or arguments["TopicArn"]
        yield action, where


class Deployed:
    """The functions of the template over moto, and what each of them asked for."""

    def __init__(self, patch: pytest.MonkeyPatch, documents: Documents) -> None:
        self.asked: dict[str, set[Asked]] = {verb: set() for verb in VERBS}
        self.registry = MemoryRegistry()
        self.documents = documents
        self._verb = ""
        self._ports: dict[str, AwsPorts] = {}
        self._sqs = boto3.client("sqs", region_name=REGION)
        self._names = {**self._tables(), **self._queues(), **self._topic()}
        call: Callable[..., Any] = BaseClient._make_api_call  # type: ignore[attr-defined]  # what all services go through

        def recording(client: Any, operation: str, arguments: Any) -> Any:
            if self._verb and operation != "DescribeTable":  # PynamoDB's, answered from memory when deployed
                service = client.meta.service_model.service_name
                self.asked[self._verb].update(
                    (action, self._logical(place)) for action, place in called(service, operation, arguments)
                )
            return call(client, operation, arguments)

        patch.setattr(BaseClient, "_make_api_call", recording)

    def _tables(self) -> dict[str, str]:
        return {name: new_table(None).name for name in TABLES}

    def _queues(self) -> dict[str, str]:
        urls = {}
        for name in QUEUES:
            fifo = "FifoQueue" in TEMPLATE["Resources"][name]["Properties"]
            attributes: Any = {"FifoQueue": "true"} if fifo else {}
            made = self._sqs.create_queue(QueueName=f"{name}.fifo" if fifo else name, Attributes=attributes)
            urls[name] = made["QueueUrl"]
        return urls

    def _topic(self) -> dict[str, str]:
        return {TOPIC: boto3.client("sns", region_name=REGION).create_topic(Name=TOPIC)["TopicArn"]}

    def _logical(self, place: str) -> str:
        return next(name for name, found in self._names.items() if found == place)

    def variables(self, verb: str) -> dict[str, str]:
        """Return the environment that the template gives to the function."""
        own = properties(verb).get("Environment", {}).get("Variables", {})
        named = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"] | own
        return {name: self._resolved(value) for name, value in named.items()} | {"AWS_REGION": REGION}

    def _resolved(self, value: Any) -> str:
        if value == {"Join": [",", {"Ref": "Feeds"}]}:
            return "debian"
        return self._names.get(value["Ref"], "") if isinstance(value, dict) and "Ref" in value else str(value)

    def run(self, verb: str, call: Callable[[Application], object]) -> None:
        """Let the function do something."""
        settings = Settings.of(self.variables(verb))
        ports = self._ports.setdefault(verb, AwsPorts(settings))
        ports.registry, ports.documents = self.registry, self.documents
        self._verb = verb
        call(Application(ports, settings, lambda: NOW))
        self._verb = ""

    def work_off(self, queue: str, verb: str, call: Callable[[Application, str], object]) -> int:
        """Let the function do what its queue asks for; return how many messages there were."""
        done = 0
        while found := self._sqs.receive_message(QueueUrl=self._names[queue]).get("Messages"):
            for message in found:
                body = message["Body"]
                self.run(verb, lambda application: call(application, body))  # noqa: B023
                self._sqs.delete_message(QueueUrl=self._names[queue], ReceiptHandle=message["ReceiptHandle"])
                done += 1
        return done


TRACKER = Path("security-tracker.debian.org", "tracker", "data", "json")


def mirror(folder: Path, curl: object) -> FolderDocuments:
    """Return a mirror whose Debian tracker speaks of curl only: moto is slow with a whole one."""
    document = folder / TRACKER
    document.parent.mkdir(parents=True)
    document.write_bytes(orjson.dumps({"curl": curl}))
    return FolderDocuments(folder)


def follow(deployed: Deployed, second: Documents) -> None:
    """Let images be pushed before and after a first load, a feed say more, and an image go."""
    first, _ = (deployed.registry.add_image(SHOP, tag, [layer({**DEBIAN, **DPKG})], salt=tag) for tag in ("1", "2"))
    said = changes(deployed.documents)

    def pushed(tag: str, kind: HintKind = HintKind.PUSHED) -> None:
        hint = Hint(kind=kind, repository=SHOP, time=NOW, tag=tag)
        deployed.run("push", lambda application: application.push(hint))

    def worked_off() -> None:
        assert deployed.work_off("FeedsQueue", "refresh", lambda on, body: on.refresh(decode_refresh(body)))
        deployed.run("match", lambda application: application.match(said))
        assert deployed.work_off("SetsQueue", "judge", lambda on, body: on.judge(decode_judge(body)))
        assert deployed.work_off("RepositoriesQueue", "notify", lambda on, body: on.notify(decode_notify(body)))

    def indexed() -> None:
        assert deployed.work_off("ImagesQueue", "index", lambda on, body: on.index(decode_index(body)))

    pushed("1")
    indexed()
    deployed.run("refresh", lambda application: application.refresh(RefreshRequest(feed="debian")))
    worked_off()
    pushed("2")
    indexed()
    deployed.documents = second
    deployed.run("refresh", lambda application: application.refresh(RefreshRequest(feed="debian")))
    worked_off()
    deployed.run("index", lambda on: on.index(IndexRequest(repository=SHOP, digest=first), remaining=lambda: 0.0))
    deployed.run("match", lambda application: application.queues.set_aside("{}", "to be tried again"))
    deployed.run("quiet", lambda on: on.quiet.put("apt", b'{"package": "apt", "reason": "r", "by": "b"}'))
    deployed.run("quiet", lambda application: application.quiet.wake())
    deployed.run("quiet", lambda application: application.quiet.delete("apt"))
    assert deployed.work_off("RepositoriesQueue", "notify", lambda on, body: on.notify(decode_notify(body)))
    deployed.run("report", lambda application: application.report.image(first))
    deployed.run("report", lambda application: application.report.list_feeds())
    deployed.registry.delete_manifest(SHOP, first)
    pushed("1", HintKind.DELETED)
    deployed.run("push", lambda application: application.push.reconcile(["registry.example.com"]))


def changes(documents: Documents) -> list[StatementChange]:
    """Return what the stream would bring of a first load of the feed."""
    fleet = Fleet()
    found: list[StatementChange] = []
    fleet.ports.advisories.listen = found.append
    fleet.with_ports(documents=documents).refresh(RefreshRequest(feed="debian", part="tracker"))
    return found


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    first = orjson.loads((SAMPLES / "feeds" / "mirror-1" / TRACKER).read_bytes())["curl"]
    fixed = {"releases": {"bookworm": {"status": "resolved", "fixed_version": "7.88.1-10+deb12u16", "urgency": "low"}}}
    folder = tmp_path_factory.mktemp("mirrors")
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        deployed = Deployed(patch, mirror(folder / "1", first))
        follow(deployed, mirror(folder / "2", first | {"CVE-2024-11053": fixed}))
        yield deployed


@pytest.mark.parametrize("verb", VERBS)
def test_a_function_may_do_what_it_does(deployed: Deployed, verb: str) -> None:
    assert deployed.asked[verb]
    assert deployed.asked[verb] - allowed(verb) == set()


def test_notify_looks_whether_a_first_load_is_under_way(deployed: Deployed) -> None:
    assert ("dynamodb:Query", "AdvisoriesTable") in deployed.asked["notify"]
