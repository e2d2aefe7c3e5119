"""How does template.yaml get onto the emulator? Through S3 and CloudFormation, as it gets onto AWS.

The template is deployed as it is; only the paths of code and of the API's definition are replaced by where they were
uploaded, which is what `sam package` does.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.build import ROOT
from infra.local.processes import LOOPBACK, StackError, wait_for

STACK = "eclair"
BUCKET = "eclair-artifacts"
REGION = "us-east-1"
DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
LOCAL_PATH = re.compile(r"^(?P<name> +(?:CodeUri|ContentUri|Location): )(?P<path>(?:functions|layers|infra)/\S+)", re.M)


def client(service: str, port: int) -> Any:
    """Return a client of the emulator."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service, by name
        endpoint_url=f"http://{LOOPBACK}:{port}",
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 (the emulator checks none)
        config=Config(proxies={}, retries={"total_max_attempts": 2}),
    )


def deploy(port: int, archives: Mapping[str, Path], parameters: Mapping[str, str], deployed: Path) -> None:
    """Bring the stack to what the checkout says; `deployed` keeps what was deployed last.

    Nothing is asked of the emulator where that is the same: an update ends the functions that are warm.
    """
    located = upload(port, {**archives, "infra/openapi.yaml": ROOT / "infra" / "openapi.yaml"})
    request = {
        "StackName": STACK,
        "TemplateBody": located_template(located),
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    asked = json.dumps(request, sort_keys=True)
    cloudformation = client("cloudformation", port)
    state = stack_state(port)
    if state in DONE and deployed.exists() and deployed.read_text() == asked:
        return
    if state is not None and state.endswith("ROLLBACK_COMPLETE") and not state.startswith("UPDATE"):
        raise StackError("the stack's creation failed before: take it away with `eclair local down --purge` first")
    try:
        if state is None:
            cloudformation.create_stack(**request)
        else:
            cloudformation.update_stack(**request)
    except ClientError as error:
        raise StackError(f"the emulator refused the template: {error}") from error
    wait_for(lambda: not str(stack_state(port)).endswith("_IN_PROGRESS"), "the stack to be deployed", 120)
    if stack_state(port) not in DONE:
        raise StackError(f"the stack ended as {stack_state(port)}: {failures(port)}")
    deployed.touch(mode=0o600)  # it holds the secret of the webhooks
    deployed.write_text(asked)


def upload(port: int, files: Mapping[str, Path]) -> dict[str, str]:
    """Put the files into the bucket, each under the digest of its content; return where they are."""
    s3 = client("s3", port)
    s3.create_bucket(Bucket=BUCKET)
    there = {found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())}
    located: dict[str, str] = {}
    for source, path in files.items():
        content = path.read_bytes()
        key = hashlib.sha256(content).hexdigest() + path.suffix
        if key not in there:
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        located[source] = f"s3://{BUCKET}/{key}"
    return located


def located_template(located: Mapping[str, str]) -> str:
    """Return the template with each local path replaced by where it was uploaded."""
    template = (ROOT / "template.yaml").read_text()
    missing = {match["path"] for match in LOCAL_PATH.finditer(template)} - located.keys()
    if missing:
        raise StackError(f"template.yaml names {', '.join(sorted(missing))}, which the checkout does not have")
    return LOCAL_PATH.sub(lambda match: match["name"] + located[match["path"]], template)


def stack_state(port: int) -> str | None:
    """Return the state of the stack in CloudFormation's words, None where there is none."""
    try:
        stacks = client("cloudformation", port).describe_stacks(StackName=STACK)["Stacks"]
    except ClientError:
        return None
    return str(stacks[0]["StackStatus"])


def failures(port: int) -> str:
    """Return what the stack's events say of what failed."""
    events = client("cloudformation", port).describe_stack_events(StackName=STACK)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return "; ".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '?')}" for event in failed)


def outputs(port: int) -> dict[str, str]:
    """Return the stack's outputs, with the addresses under which this machine reaches the API."""
    stack = client("cloudformation", port).describe_stacks(StackName=STACK)["Stacks"][0]
    named = {output["OutputKey"]: str(output["OutputValue"]) for output in stack.get("Outputs", ())}
    api = f"http://{LOOPBACK}:{port}/_aws/execute-api/{named['ApiId']}/v1"
    return named | {"ApiUrl": api, "WebhookUrl": f"{api}/webhooks/docker"}
