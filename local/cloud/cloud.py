"""The product in a local cloud: its template, deployed by `sam deploy` into an emulator."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, override

from local.cloud.http_endpoint import local_url
from local.cloud.ministack import MiniStack, Observer
from local.cloud.release import FUNCTION_OUTPUTS, Release, present
from local.isolation import Startable
from local.progress import Progress, Silent
from local.rooms import Room

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

STACK = "mparticle-firehose"  # as samconfig.toml has it
_BUCKET = "local-artifacts"  # as samconfig.toml has it
_QUEUE_OUTPUTS = ("MembershipQueueUrl", "BulkQueueUrl", "EventQueueUrl", "ErasureQueueUrl", "FeedQueueUrl")
_DEAD_LETTER_OUTPUTS = (
    "MembershipDeadLetterQueueUrl", "EventDeadLetterQueueUrl", "ErasureDeadLetterQueueUrl", "FeedDeadLetterQueueUrl",
)  # fmt: skip
_FEED_CREDENTIALS = "/mparticle-firehose/feed"  # the template's default
_SETTLE_INTERVAL_SECONDS = 0.02


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
        progress: is told of each step of the start.
        observer: told of everything that queues and functions do, see `ministack.Observer`.

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
        progress: Progress | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.aws = MiniStack(port, observer)
        self.outputs: dict[str, str] = {}
        self._progress = progress or Silent()
        self._release = Release(room or Room.of(), partner_api_url, parameters, self._progress)

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
        self.aws.launch()
        template = self._release.build()
        self._progress.doing("Starting the emulator of AWS")
        self.aws.wait()
        self._progress.done(f"Started an emulator of AWS on {self.aws.endpoint}")
        self.aws.client("s3").create_bucket(Bucket=_BUCKET)
        self.outputs = self._release.deploy(template, self.aws)

    def _present(self, outputs: Sequence[str]) -> list[str]:
        return present(outputs, self.outputs)

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
