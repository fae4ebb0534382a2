"""Finds the queues of a deployment, on AWS or in a local cloud, and says in words why it cannot."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

from local.isolation import client_config, isolated_session
from ops.letters import QueueName

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_URL = re.compile(r"https?://[^\s/?#@\[\]]+/?|https?://\[[0-9a-f:]+\](:\d+)?/?")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

DEAD_LETTERS: Mapping[QueueName, str] = {
    "membership": "MembershipDeadLetterQueueUrl",
    "event": "EventDeadLetterQueueUrl",
}
"""For each queue, the stack's output with the URL of its dead-letter queue."""

ORIGINS: Mapping[QueueName, str] = {"membership": "MembershipQueueUrl", "event": "EventQueueUrl"}
"""For each queue, the stack's output with its own URL."""


class UnreachableError(Exception):
    """The command cannot do its work; the message says what to change."""


class Stacks(Protocol):
    """What is used of a CloudFormation client."""

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803  boto3's name; this client has no stubs here
        """Return the stack of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the deployment is. What is None is left to AWS's own variables and files.

    Attributes:
        region: the AWS region.
        profile: a profile of the AWS configuration files.
        endpoint_url: of a local cloud.
    """

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None


def connect(place: Place) -> tuple["SQSClient", Stacks]:
    """Return clients of SQS and CloudFormation.

    A cloud on this machine gets dummy credentials, never somebody's own.

    Raises:
        UnreachableError: what is given as the URL of a local cloud is none.
        BotoCoreError: the region or the profile is missing or unknown.
    """
    endpoint = place.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    region = place.region or os.environ.get("AWS_REGION")
    if endpoint and not _URL.fullmatch(endpoint):
        raise UnreachableError("the endpoint is no URL: it should look like http://127.0.0.1:4566")
    if endpoint and urlsplit(endpoint).hostname in _LOOPBACK:
        session, config = isolated_session(), client_config()
    else:
        session = boto3.Session(profile_name=place.profile)
        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
    make: Any = session.client  # only the clients that this project uses elsewhere are typed
    cloudformation: Stacks = make("cloudformation", region_name=region, endpoint_url=endpoint, config=config)
    sqs = session.client("sqs", region_name=region, endpoint_url=endpoint, config=config)
    return sqs, cloudformation


def queue_urls(needed: list[str], given: Mapping[str, str], stacks: Stacks, stack: str) -> dict[str, str]:
    """Return the URL of each queue, by the name of the stack's output.

    Args:
        needed: outputs that are asked for.
        given: URLs that are known already; if that is all, the stack is not asked.
        stacks: the client to ask.
        stack: the stack's name.

    Raises:
        UnreachableError: there is no such stack, or it has no such output.
    """
    missing = [name for name in needed if name not in given]
    outputs = {**(_outputs(stacks, stack) if missing else {}), **given}
    if unknown := [name for name in needed if name not in outputs]:
        raise UnreachableError(
            f"the stack {stack!r} has no output {', '.join(unknown)}: is it a stack of this product?"
        )
    return {name: outputs[name] for name in needed}


def _outputs(stacks: Stacks, stack: str) -> dict[str, str]:
    try:
        (described,) = stacks.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"].get("Code") == "ValidationError":
            raise UnreachableError(
                f"there is no stack {stack!r} in this account and region: --stack and --region name others"
            ) from None
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


_ADVICE: Mapping[type[BotoCoreError], str] = {
    NoCredentialsError: "there are no AWS credentials: sign in, or name a profile with --profile",
    NoRegionError: "there is no AWS region: name it with --region or AWS_REGION",
    ProfileNotFound: "there is no such profile in the AWS configuration",
    EndpointConnectionError: "nothing answers there: check the network, the region and --endpoint-url",
}


def explained(error: BotoCoreError | ClientError) -> str:
    """Say what AWS or the way to it objects to, without quoting: messages may hold names and values."""
    if isinstance(error, ClientError):
        return f"AWS refuses {error.operation_name}: {error.response['Error'].get('Code', 'no code')}"
    known = (advice for kind, advice in _ADVICE.items() if isinstance(error, kind))
    return next(known, f"AWS cannot be used: {type(error).__name__}")
