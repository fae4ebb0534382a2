"""The product in a local cloud: its template, deployed by `sam deploy` into an emulator."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, override

from local.build.build import machine_architecture, packed_build
from local.cloud.deployment import Deployment
from local.cloud.http_endpoint import TOKEN, local_url
from local.cloud.ministack import MiniStack
from local.isolation import LocalCloudError, Startable
from local.rooms import Room

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

STACK = "mparticle-firehose"  # as samconfig.toml has it
_BUCKET = "local-artifacts"  # as samconfig.toml has it
_QUEUE_OUTPUTS = ("MembershipQueueUrl", "EventQueueUrl", "ErasureQueueUrl", "FeedQueueUrl")
_DEAD_LETTER_OUTPUTS = (
    "MembershipDeadLetterQueueUrl", "EventDeadLetterQueueUrl", "ErasureDeadLetterQueueUrl", "FeedDeadLetterQueueUrl",
)  # fmt: skip
_RELEASED = {"handler": "HandlerFunctionName", "worker": "WorkerFunctionName", "feed": "FeedFunctionName"}
"""The stack output with the name of each function that has versions. That of the feed is there with Feed=on only."""

FUNCTION_OUTPUTS = {**_RELEASED, "letter-archive": "LetterArchiveFunctionName"}
"""The stack output with the name of each function."""

_FEED_CREDENTIALS = "/mparticle-firehose/feed"  # the template's default
_SETTLE_INTERVAL_SECONDS = 0.02

type Report = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """The handler's response to one invocation.

    Attributes:
        payload: the JSON it returned, or Lambda's description of its error. Not to be shown: an error may quote data.
        failed: whether the invocation ended in an error.
        milliseconds: measured by the caller, including a few milliseconds of the emulator.
    """

    payload: bytes
    failed: bool
    milliseconds: float


def log_lines(logs: Any, function: str) -> list[tuple[int, str]]:
    """Return what a function has logged, each with its time in epoch milliseconds, oldest first.

    Args:
        logs: a client of CloudWatch Logs.
        function: the function's name.
    """
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
    events = [(event["timestamp"], event["message"]) for page in pages for event in page["events"]]
    return sorted(events, key=lambda event: event[0])


class LocalCloud(Startable):
    """An emulator with the stack deployed, for the time of a ``with`` block.

    Args:
        partner_api_url: base URL of the partner's API; plain http is allowed on this machine.
        parameters: other parameters of the template. They replace the room's own.
        port: of the emulator; 0 picks a free one.
        room: whose integration is deployed; None for the user's own.
        report: called with a description of each finished step of the start.

    Raises:
        LocalCloudError: the room's files for the local cloud cannot be used.
    """

    def __init__(
        self,
        partner_api_url: str,
        *,
        parameters: Mapping[str, str] = MappingProxyType({}),
        room: Room | None = None,
        port: int = 0,
        report: Report = lambda _: None,
    ) -> None:
        self.aws = MiniStack(port)
        self.outputs: dict[str, str] = {}
        self._architecture = machine_architecture()
        self._room = room or Room.of()
        self._parameters = {
            **({} if self._room.integration().cookie_sync else {"CookieSync": "off"}),
            **self._room.parameters,
            **parameters,
            "Architecture": self._architecture,
            "PartnerApiUrl": partner_api_url,
        }
        self._deployment_secret = dict(self._room.deployment_secret)
        if self._deployment_secret and self._parameters.get("DeploymentSecretSource") != "secret":
            raise LocalCloudError("deployment_secret.json needs DeploymentSecretSource=secret in parameters.json")
        self._report = report

    @override
    def stop(self) -> None:
        self.aws.stop()

    @property
    def http_endpoint(self) -> str:
        """The base URL of the HTTPS endpoint, which is plain http here."""
        return local_url(self.outputs["HttpEndpointUrl"], self.aws.endpoint)

    def invoke(self, payload: bytes) -> Answer:
        """Invoke the released alias synchronously, as mParticle does."""
        started = time.perf_counter()
        response = self.aws.functions.invoke(FunctionName=self.outputs["HandlerAliasArn"], Payload=payload)
        content = response["Payload"].read()
        return Answer(content, "FunctionError" in response, (time.perf_counter() - started) * 1000)

    def put_into_feed(self, body: str) -> None:
        """Put a message on the feed's queue, as the partner's own system does."""
        self.aws.sqs.send_message(QueueUrl=self.outputs["FeedQueueUrl"], MessageBody=body)

    def store_key_pair(self, account_id: int, key: str, secret: str) -> None:
        """Store the key pair of a customer's feed, as the partner does."""
        stored = {"key": key, "secret": secret, "environment": "development"}
        name = f"{_FEED_CREDENTIALS}/{account_id}"
        self.aws.client("ssm").put_parameter(Name=name, Value=json.dumps(stored), Type="SecureString", Overwrite=True)

    def settle(self, seconds: float = 30) -> bool:
        """Wait until all queues are empty, with nothing in flight; return whether that was so in time."""
        give_up = time.monotonic() + seconds
        found_empty = 0
        while found_empty < 2:  # noqa: PLR2004 - a message may move to the other queue between two requests
            found_empty = 0 if any(map(self._message_count, self._present(_QUEUE_OUTPUTS))) else found_empty + 1
            if time.monotonic() > give_up:
                return False
            time.sleep(_SETTLE_INTERVAL_SECONDS)
        return True

    def backlog(self) -> Counter[str]:
        """Count the messages in all queues, including those in flight or delayed, by the queue's name."""
        return Counter({self._queue_name(name): self._message_count(name) for name in self._present(_QUEUE_OUTPUTS)})

    def dead_letters(self) -> Counter[str]:
        """Count the messages in all dead-letter queues by the queue's name."""
        return Counter(
            {self._queue_name(name): self._message_count(name) for name in self._present(_DEAD_LETTER_OUTPUTS)}
        )

    def dead_letter_reasons(self) -> list[str]:
        """Return the reason of each dead letter, which holds no values; the letters are invisible for a minute."""
        reasons: list[str] = []
        for output in self._present(_DEAD_LETTER_OUTPUTS):
            while letters := self._letters(output):
                attributes = [letter.get("MessageAttributes", {}) for letter in letters]
                reasons += [
                    each["reason"]["StringValue"] if "reason" in each else "too many receives" for each in attributes
                ]
        return reasons

    def processed_messages(self) -> Counter[str]:
        """Count the messages that the worker has taken from each queue, by the queue's name."""
        processed = self.aws.processed_messages()
        return Counter({queue.removeprefix(f"{STACK}-"): count for queue, count in processed.items()})

    def function_logs(self, function: str) -> list[str]:
        """Return what a function has logged, oldest first."""
        return [line for _, line in log_lines(self.aws.client("logs"), self.outputs[FUNCTION_OUTPUTS[function]])]

    @override
    def start(self) -> None:
        started = time.monotonic()
        self.aws.launch()
        template, is_new = packed_build(self._architecture, self._room)
        took = f"{time.monotonic() - started:.1f} s" if is_new else "unchanged"
        self._report(f"Built both functions for {self._architecture} with sam build ({took})")
        self.aws.wait()
        self._report(f"Started an emulator of AWS on {self.aws.endpoint}")
        started = time.monotonic()
        self.aws.client("s3").create_bucket(Bucket=_BUCKET)
        self._deploy(template)
        self._report(f"Deployed template.yaml into it with sam deploy ({time.monotonic() - started:.1f} s)")

    def _deploy(self, template: Path) -> None:
        deployment = Deployment(self.aws, "local")
        try:
            deployment.deploy(template, **self._parameters)
        except LocalCloudError as error:
            raise LocalCloudError(f"{error}\n\nThe emulator's last lines:\n{self.aws.log_tail()}") from None
        self.outputs = deployment.outputs
        self._wait_for_snapshots()
        self._store_token()
        self._store_deployment_secret()

    def _store_token(self) -> None:
        """Store the token for the HTTPS endpoint, as an operator stores mParticle's."""
        secrets = self.aws.client("secretsmanager")
        secrets.put_secret_value(SecretId=self.outputs["HttpTokenSecretArn"], SecretString=TOKEN)

    def _store_deployment_secret(self) -> None:
        """Store what the partner gave to this deployment, as an operator does."""
        if self._deployment_secret:
            self.aws.client("secretsmanager").put_secret_value(
                SecretId=self.outputs["DeploymentSecretArn"], SecretString=json.dumps(self._deployment_secret)
            )

    def _wait_for_snapshots(self) -> None:
        """Wait until the released versions accept calls, as CloudFormation does."""
        waiter = self.aws.functions.get_waiter("published_version_active")
        for function in self._present(_RELEASED.values()):
            waiter.wait(FunctionName=self.outputs[function], Qualifier="production", WaiterConfig={"Delay": 1})

    def _present(self, outputs: Iterable[str]) -> list[str]:
        """Return those of these outputs that the stack has: the feed's are there with Feed=on only."""
        return [name for name in outputs if name in self.outputs]

    def _message_count(self, output: str) -> int:
        attributes = self.aws.sqs.get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=["All"])
        counts = attributes["Attributes"]
        return sum(int(count) for name, count in counts.items() if name.startswith("ApproximateNumberOfMessages"))

    def _letters(self, output: str) -> "Sequence[MessageTypeDef]":
        response = self.aws.sqs.receive_message(
            QueueUrl=self.outputs[output],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["reason"],
            VisibilityTimeout=60,
        )
        return response.get("Messages", [])

    def _queue_name(self, output: str) -> str:
        return self.outputs[output].rpartition("/")[2].removeprefix(f"{STACK}-")
