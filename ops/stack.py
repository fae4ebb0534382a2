"""Connects to AWS or to a local cloud, and finds the queues of a deployed stack."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
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
from ops.dead_letters import QueueName

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_URL = re.compile(r"https?://[^\s/?#@\[\]]+/?|https?://\[[0-9a-f:]+\](:\d+)?/?")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

DEAD_LETTER_QUEUES: Mapping[QueueName, str] = {
    "membership": "MembershipDeadLetterQueueUrl",
    "event": "EventDeadLetterQueueUrl",
    "erasure": "ErasureDeadLetterQueueUrl",
    "feed": "FeedDeadLetterQueueUrl",
}
"""The stack output with the URL of each queue's dead-letter queue."""

SOURCE_QUEUES: Mapping[QueueName, str] = {
    "membership": "MembershipQueueUrl",
    "event": "EventQueueUrl",
    "erasure": "ErasureQueueUrl",
    "feed": "FeedQueueUrl",
}
"""The stack output with the URL of each queue itself."""


class StackError(Exception):
    """The queues cannot be found; the message says what to change."""


LARGE_BODY_BUCKET = "LargeBodyBucketName"
"""The stack output with the name of the bucket of bodies that are larger than SQS takes, and of archived letters."""

FUNCTIONS = ("HandlerFunctionName", "WorkerFunctionName")
"""The stack outputs with the names of the functions that dead-letter."""

FEED_FUNCTION = "FeedFunctionName"
"""The stack output with the name of the feed's function, which also does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Clients of AWS's services. Those that are Any have no type stubs here."""

    sqs: "SQSClient"
    s3: "S3Client"
    cloudformation: Any
    logs: Any
    cloudwatch: Any


def connect(*, region: str | None = None, profile: str | None = None, endpoint_url: str | None = None) -> Clients:
    """Return the clients.

    What is None is taken from AWS's own environment variables and files. An endpoint on this machine gets dummy
    credentials, never the user's.

    Raises:
        StackError: the endpoint is not a URL.
        BotoCoreError: the region or the profile is missing or unknown.
    """
    endpoint = endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and not _URL.fullmatch(endpoint):
        raise StackError("the endpoint is not a URL such as http://127.0.0.1:4566")
    if endpoint and urlsplit(endpoint).hostname in _LOOPBACK:
        session, config = isolated_session(), client_config()
    else:
        session = boto3.Session(profile_name=profile)
        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
    options: Any = {
        "region_name": region or os.environ.get("AWS_REGION"),
        "endpoint_url": endpoint,
        "config": config,
    }
    make: Any = session.client
    services = ("sqs", "s3", "cloudformation", "logs", "cloudwatch")
    return Clients(**{service: make(service, **options) for service in services})


def outputs(
    names: Iterable[str], given: Mapping[str, str], cloudformation: Any, stack: str, *, optional: Iterable[str] = ()
) -> dict[str, str]:
    """Return queue URLs and the bucket's name by the names of their stack outputs.

    Args:
        names: the outputs to return.
        given: what is known already. If these are all, the stack is not described.
        cloudformation: the client to describe the stack with.
        stack: the stack's name.
        optional: further outputs to return, all of them or none: those of what not every stack has.

    Raises:
        StackError: there is no such stack, or it lacks an output.
    """
    wanted = list(names)
    known = dict(given) if set(wanted) <= set(given) else {**_outputs(cloudformation, stack), **given}
    if missing := [name for name in wanted if name not in known]:
        raise StackError(f"the stack {stack!r} has no output {', '.join(missing)}: is it a stack of this product?")
    further = list(optional)
    return {name: known[name] for name in [*wanted, *(further if set(further) <= set(known) else ())]}


def _outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    try:
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if _code(error) == "ValidationError":
            raise StackError(
                f"there is no stack {stack!r} in this account and region: set --stack or --region"
            ) from None
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


_ADVICE: Mapping[type[BotoCoreError], str] = {
    NoCredentialsError: "there are no AWS credentials: sign in, or name a profile with --profile",
    NoRegionError: "there is no AWS region: set --region or AWS_REGION",
    ProfileNotFound: "there is no such profile in the AWS configuration",
    EndpointConnectionError: "there is no response: check the network, the region and --endpoint-url",
}


def explained(error: BotoCoreError | ClientError) -> str:
    """Explain an error without its text, which may hold names and values."""
    if isinstance(error, ClientError):
        return f"AWS refused {error.operation_name}: {_code(error)}"
    advice = (text for kind, text in _ADVICE.items() if isinstance(error, kind))
    return next(advice, f"AWS cannot be used: {type(error).__name__}")


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "no code")
