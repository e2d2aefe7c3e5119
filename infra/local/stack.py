"""How is Eclair brought up on this machine, ended and looked at? `eclair local up | down | status | logs`.

The same template.yaml, functions and layers as on AWS run on a local emulator (ministack), beside a registry to push
to and a subscriber that keeps the notices. All of it listens on 127.0.0.1 alone and is kept in one folder (`.local` in
the checkout): what `up` built, the emulator's state, the registry's blobs, logs, `outputs.json` and `notices.jsonl`.
"""

import json
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local import build, deployment
from infra.local.build import ROOT
from infra.local.processes import LOOPBACK, Process, StackError, wait_for

FOLDER = ROOT / ".local"
PORT = 4566
TOLD = ("ApiUrl", "Registry", "WebhookUrl", "TopicArn", "Notices")
"""The outputs that `up` prints."""
VERBS = ("push", "index", "refresh", "match", "judge", "notify", "quiet", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A local stack: `folder` holds what it keeps, `port` is the emulator's; the two ports after it are taken too."""

    folder: Path = FOLDER
    port: int = PORT

    @property
    def emulator(self) -> Process:
        """Return the process that stands in for AWS."""
        return self.process("emulator", 0)

    @property
    def registry(self) -> Process:
        """Return the process that images are pushed to."""
        return self.process("registry", 1)

    @property
    def subscriber(self) -> Process:
        """Return the process that receives the notices."""
        return self.process("subscriber", 2)

    @property
    def processes(self) -> tuple[Process, ...]:
        """Return all of them, in the order in which they are ended."""
        return (self.subscriber, self.registry, self.emulator)

    @property
    def outputs(self) -> Path:
        """Return the file that names what was deployed."""
        return self.folder / "outputs.json"

    @property
    def notices(self) -> Path:
        """Return the file with a line of JSON for each notice."""
        return self.folder / "notices.jsonl"

    def process(self, name: str, offset: int) -> Process:
        """Return one of the processes."""
        lock, log = self.folder / "run" / name, self.folder / "log" / f"{name}.log"
        return Process(name=name, port=self.port + offset, lock=lock, log=log)


def up(
    *,
    mirror: str | Path | None = None,
    parameters: Mapping[str, str] | None = None,
    folder: Path = FOLDER,
    port: int | None = None,
) -> dict[str, str]:
    """Bring the stack to what the checkout says, from nothing or from a former state; return its outputs.

    `mirror` is the folder or address that feeds are read from (None: the vendors); `parameters` are further parameters
    of the template. `outputs.json` says the same, and is read by whoever needs it.
    """
    stack = Stack(folder=folder, port=port or port_of(folder))
    require_same_port(stack)
    with step("the emulator's environment"):
        python = build.emulator(FOLDER)
    with step("the layers and functions"):
        archives = {"layers/dependencies": build.dependencies(FOLDER / "build", python), **build.code(folder / "build")}
    with step(f"the emulator at {stack.emulator.address}"):
        start_emulator(stack, python)
    with step("the template"):
        wanted = chosen_parameters(stack, mirror, parameters or {})
        deployment.deploy(stack.port, archives, wanted, folder / "deployed.json")
    outputs = write_outputs(stack)
    with step(f"the registry at {stack.registry.address}, the subscriber at {stack.subscriber.address}"):
        start_registry(stack)
        start_subscriber(stack, outputs["TopicArn"])
    say("")
    say(table(("output", "value"), [(name, outputs[name]) for name in TOLD]))
    say(f"(all outputs: {stack.outputs})\n")
    return outputs


def down(*, purge: bool = False, folder: Path = FOLDER) -> None:
    """End the stack; what it keeps stays for the next `up` unless it is purged."""
    stack = Stack(folder=folder, port=port_of(folder))
    for process in stack.processes:
        say(f"{process.name}: {'ended' if process.stop() else 'did not run'}")
    if purge:
        for name in ("emulator", "registry", "tmp", "run", "log"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for file in (
            stack.outputs,
            stack.notices,
            folder / "port",
            folder / "webhook-secret",
            folder / "deployed.json",
        ):
            file.unlink(missing_ok=True)
        say(f"what it kept in {folder} is gone")


def status(*, as_json: bool = False, folder: Path = FOLDER) -> bool:
    """Print what runs and what waits in the queues; return whether all of it runs and nothing was given up."""
    stack = Stack(folder=folder, port=port_of(folder))
    running = {process.name: process.pid for process in reversed(stack.processes)}
    state = deployment.stack_state(stack.port) if running["emulator"] else None
    depths = queue_depths(stack) if state else {}
    given_up = {name: depth for name, depth in depths.items() if name.endswith("DeadLetter") and any(depth.values())}
    if as_json:
        say(json.dumps({"processes": running, "stack": state, "queues": depths}, indent=2))
    else:
        addresses = {process.name: process.address for process in stack.processes}
        rows = [(name, str(pid or "-"), addresses[name] if pid else "does not run") for name, pid in running.items()]
        say(table(("process", "pid", "listens at"), rows))
        say(f"\nstack: {state or 'not deployed'}\n")
        columns = ("queue", "visible", "in flight", "delayed")
        say(table(columns, [(name, *map(str, depth.values())) for name, depth in depths.items()]) if depths else "")
    return all(running.values()) and state is not None and state.endswith("COMPLETE") and not given_up


def logs(function: str, *, follow: bool = False, folder: Path = FOLDER) -> None:
    """Print the log of a function, and go on as it grows if asked to follow."""
    if function not in VERBS:
        raise StackError(f"there is no function {function}: it is one of {', '.join(VERBS)}")
    stack = Stack(folder=folder, port=port_of(folder))
    require_running(stack)
    for message in log_messages(stack, function, follow=follow):
        say(message)


# --- steps of up -----------------------------------------------------------------------------------------------------


def require_same_port(stack: Stack) -> None:
    """Raise `StackError` if the stack runs at another port; else remember the port."""
    if stack.emulator.pid and port_of(stack.folder) != stack.port:
        raise StackError(f"the stack runs at port {port_of(stack.folder)}: `eclair local down` ends it")
    stack.folder.mkdir(parents=True, exist_ok=True)
    (stack.folder / "port").write_text(str(stack.port))


def port_of(folder: Path) -> int:
    """Return the port that the folder's stack was last brought up at."""
    file = folder / "port"
    return int(file.read_text()) if file.exists() else PORT


def start_emulator(stack: Stack, python: Path) -> None:
    """Start the emulator unless it runs."""
    if stack.emulator.pid:
        return
    kept, temporary = stack.folder / "emulator", stack.folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # the unpacked functions of a run that was killed
    temporary.mkdir(parents=True)
    environment = {
        "BIND_HOST": LOOPBACK,
        "IOT_MTLS_ENABLED": "0",  # it would listen on all interfaces
        "GATEWAY_PORT": str(stack.port),
        "LOG_LEVEL": "WARNING",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(kept / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(kept / "s3"),
        "TMPDIR": str(temporary),
    }
    # -P: the launcher's folder must not be where functions look for modules.
    stack.emulator.start([str(python), "-P", str(ROOT / "infra" / "local" / "launcher.py")], environment)


def chosen_parameters(stack: Stack, mirror: str | Path | None, more: Mapping[str, str]) -> dict[str, str]:
    """Return the template's parameters for this machine."""
    return {
        "PythonRuntime": build.runtime(),
        "Architecture": build.architecture(),
        "QuietWindowSeconds": "1",
        "FeedMirror": location(mirror),
        "Registries": stack.registry.address,
        "InsecureRegistries": stack.registry.address,
        "WebhookSecret": webhook_secret(stack),
        **more,
    }


def location(mirror: str | Path | None) -> str:
    """Return where a mirror is, for functions that run in another folder."""
    if mirror is None:
        return ""
    return str(mirror) if "://" in str(mirror) else str(Path(mirror).resolve())


def webhook_secret(stack: Stack) -> str:
    """Return this stack's secret, made at the first time."""
    file = stack.folder / "webhook-secret"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()


def write_outputs(stack: Stack) -> dict[str, str]:
    """Keep and return the outputs of the deployment, with the addresses of what the template does not know."""
    outputs = deployment.outputs(stack.port) | {
        "Endpoint": f"http://{stack.emulator.address}",
        "Registry": stack.registry.address,
        "Notices": str(stack.notices),
        "WebhookSecret": webhook_secret(stack),
    }
    stack.outputs.touch(mode=0o600)
    partial = stack.outputs.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(outputs, indent=2))
    partial.replace(stack.outputs)
    return outputs


def start_registry(stack: Stack) -> None:
    """Start the registry unless it runs."""
    if not stack.registry.pid:
        places = ["--folder", str(stack.folder / "registry"), "--outputs", str(stack.outputs)]
        stack.registry.start(module("registry", stack.registry.port, places), {"PYTHONPATH": str(ROOT)})


def start_subscriber(stack: Stack, topic: str) -> None:
    """Start the subscriber unless it runs, and see it subscribed."""
    if not stack.subscriber.pid:
        command = module("subscriber", stack.subscriber.port, ["--notices", str(stack.notices)])
        stack.subscriber.start(command, {"PYTHONPATH": str(ROOT)})
    sns = deployment.client("sns", stack.port)
    endpoint = f"http://{stack.subscriber.address}/"

    def subscribed() -> bool:
        found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return any(one["Endpoint"] == endpoint and one["SubscriptionArn"].startswith("arn:") for one in found)

    if not subscribed():
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint)
        wait_for(subscribed, "the subscription to be confirmed", 10)


def module(name: str, port: int, arguments: list[str]) -> list[str]:
    """Return the command that runs a module beside this one."""
    return [sys.executable, "-m", f"infra.local.{name}", "--port", str(port), *arguments]


# --- looking at it ---------------------------------------------------------------------------------------------------


def require_running(stack: Stack) -> None:
    """Raise `StackError` unless the emulator runs."""
    if not stack.emulator.pid:
        raise StackError("the local stack does not run: `eclair local up` starts it")


def queue_depths(stack: Stack) -> dict[str, dict[str, int]]:
    """Return for each queue how many messages are visible, in flight and delayed."""
    sqs = deployment.client("sqs", stack.port)
    names = {
        "visible": "ApproximateNumberOfMessages",
        "in_flight": "ApproximateNumberOfMessagesNotVisible",
        "delayed": "ApproximateNumberOfMessagesDelayed",
    }
    depths: dict[str, dict[str, int]] = {}
    for output, value in deployment.outputs(stack.port).items():
        if output.endswith("QueueUrl"):
            found = sqs.get_queue_attributes(QueueUrl=value, AttributeNames=list(names.values()))["Attributes"]
            depths[output.removesuffix("QueueUrl")] = {word: int(found[name]) for word, name in names.items()}
    return depths


def log_messages(stack: Stack, function: str, *, follow: bool) -> Iterator[str]:
    """Yield what a function logged, oldest first, and what it goes on to log."""
    cloudformation = deployment.client("cloudformation", stack.port)
    resource = cloudformation.describe_stack_resource(
        StackName=deployment.STACK, LogicalResourceId=f"{function.title()}LogGroup"
    )
    group = resource["StackResourceDetail"]["PhysicalResourceId"]
    pages = deployment.client("logs", stack.port).get_paginator("filter_log_events")
    seen: set[tuple[int, str, str]] = set()
    since = 0
    while True:
        found = [event for page in pages.paginate(logGroupName=group, startTime=since) for event in page["events"]]
        for event in sorted(found, key=lambda event: int(event["timestamp"])):
            since = int(event["timestamp"])
            line = (since, str(event["logStreamName"]), str(event["message"]).rstrip())
            if line not in seen:
                seen.add(line)
                yield line[-1]
        seen = {line for line in seen if line[0] == since}
        if not follow or not stack.emulator.pid:
            return
        time.sleep(0.5)


# --- printing --------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what was done and how long it took."""
    began = time.monotonic()
    yield
    say(f"{time.monotonic() - began:6.1f} s  {what}")


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows under columns, each as wide as its widest cell."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    lines = [columns, tuple("-" * width for width in widths), *rows]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)
