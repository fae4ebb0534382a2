"""Connects to AWS or to a local cloud, and finds the queues of a deployed stack."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
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

from local.aws_session import client_config, isolated_session
from ops.dead_letters import QueueName

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_URL = re.compile(r"https?://[^\s/?#@\[\]]+/?|https?://\[[0-9a-f:]+\](:\d+)?/?")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_ANSWER_SECONDS = 15
_LOCAL_ANSWER_SECONDS = 60  # a local cloud on a busy machine starts a function slowly
_CONNECTIONS = 100

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
    """Return the clients, as `client_maker` does."""
    make = client_maker(region=region, profile=profile, endpoint_url=endpoint_url)
    services = ("sqs", "s3", "cloudformation", "logs", "cloudwatch")
    return Clients(**{service: make(service) for service in services})


def client_maker(
    *, region: str | None = None, profile: str | None = None, endpoint_url: str | None = None
) -> Callable[[str], Any]:
    """Return what makes the client of a service.

    What is None is taken from AWS's own environment variables and files. An endpoint on this machine gets dummy
    credentials, never the user's.

    Raises:
        StackError: the endpoint is not a URL.
        BotoCoreError: the region or the profile is missing or unknown.
    """
    session, endpoint = _session(profile, endpoint_url)
    is_isolated = bool(endpoint) and is_loopback(str(endpoint))
    config = client_config() if is_isolated else Config(retries={"mode": "standard", "total_max_attempts": 5})
    options: Any = {
        "region_name": region or os.environ.get("AWS_REGION"),
        "endpoint_url": endpoint,
        "config": config,
    }
    make: Any = session.client  # not every service has type stubs here
    return lambda service: make(service, **options)


def lambda_client(*, region: str, profile: str | None = None, endpoint_url: str | None = None) -> Any:
    """Return a client of Lambda that repeats nothing and waits no longer than mParticle would care to.

    Args:
        region: of the function.
        profile: as of `connect`.
        endpoint_url: as of `connect`.

    Raises:
        StackError: the endpoint is not a URL.
        BotoCoreError: the profile is unknown.
    """
    session, endpoint = _session(profile, endpoint_url)
    config = Config(
        connect_timeout=5,
        read_timeout=_ANSWER_SECONDS,
        retries={"total_max_attempts": 1},
        max_pool_connections=_CONNECTIONS,
    )
    if endpoint and is_loopback(endpoint):
        config = config.merge(Config(proxies={}, read_timeout=_LOCAL_ANSWER_SECONDS))
    make: Any = session.client
    return make("lambda", region_name=region, endpoint_url=endpoint, config=config)


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def _session(profile: str | None, endpoint_url: str | None) -> tuple[boto3.Session, str | None]:
    """Return the session that an endpoint gets, and the endpoint, which is None for AWS."""
    endpoint = endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and not _URL.fullmatch(endpoint):
        raise StackError("the endpoint is not a URL such as http://127.0.0.1:4566")
    is_isolated = bool(endpoint) and is_loopback(str(endpoint))
    return (isolated_session() if is_isolated else boto3.Session(profile_name=profile)), endpoint


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
