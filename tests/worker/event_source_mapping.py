"""A deployment in process: handler, worker, and between them Lambda's part, which a test can interrupt anywhere.

The queues and the tables are the emulator's, whose FIFO queues keep order as SQS does; the partner answers over HTTP.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, override

import boto3
import pytest

from local.cloud.ministack import MiniStack
from local.isolation import CREDENTIALS, REGION
from local.partner.fake_api import FakeApi
from local.partner.faults import Step
from local.partner.server import PartnerServer, ReceivedRequest
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.firehose import Firehose
from mparticle_firehose.integration import Answer, Integration, Outcome, PartnerCall
from mparticle_firehose.processors import process
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.record import Record
from mparticle_firehose.services import PartnerApi
from mparticle_firehose.worker.worker import Worker
from tests.conftest import BreakerDouble, Json, TelemetryDouble, serializer
from tests.sample.partner.integration import INTEGRATION

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

HIDDEN_SECONDS = 120
"""How long a batch stays invisible; longer than any test works on one."""

PATIENCE_SECONDS = 0.15
"""What a hanging partner costs, instead of the worker's ten seconds."""

FIFO: "dict[QueueAttributeNameType, str]" = {
    "FifoQueue": "true",
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
}

_names = count(1)


class KilledError(BaseException):
    """The worker's environment is gone: nothing in it can catch this, and nothing of it goes on."""


@dataclass
class Doom:
    """When the running environment dies: each call to AWS or to the partner is two steps, before and after."""

    steps_left: int | None = None

    def step(self, **_: object) -> None:
        """Take a step; the last one is fatal."""
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise KilledError

    @contextmanager
    def after(self, steps: int | None) -> Iterator[None]:
        """Let the environment die after so many steps, if it takes as many."""
        self.steps_left = steps
        try:
            yield
        finally:
            self.steps_left = None


@dataclass
class MortalGateway:
    """The partner as seen by an environment that may die around each call, and that waits less long than usual."""

    partner: PartnerApi
    doom: Doom

    def ask(self, call: PartnerCall, deadline: Deadline, *, identity: str, correlation_id: str) -> Answer | Outcome:
        self.doom.step()
        patience = deadline.within(PATIENCE_SECONDS)
        answer = self.partner.ask(call, patience, identity=identity, correlation_id=correlation_id)
        self.doom.step()
        return answer


class SelectivePartner(PartnerServer):
    """A partner that can also take a call but not each of its items, and then does not know those it did not take."""

    def __init__(self, api: FakeApi) -> None:
        super().__init__(api)
        self._refusals: dict[str, deque[int]] = {}
        self.scripted: set[str] = set()

    @override
    def script(self, path: str, steps: Iterable[Step]) -> None:
        self.scripted.add(path)
        super().script(path, steps)

    def refuse_first_items(self, path: str, statuses: Iterable[int]) -> None:
        """Let each of the next calls to a path, or below it, be taken without its first item."""
        self._refusals[path] = deque(statuses)

    def behave(self) -> None:
        """Forget every script."""
        self._refusals.clear()
        for path in self.scripted:
            self.script(path, [])

    @override
    def respond(self, request: ReceivedRequest) -> Any:
        refusals = next((some for path, some in self._refusals.items() if request.path.startswith(path) and some), None)
        if refusals is None or not isinstance(request.body, dict):
            return super().respond(request)
        status = refusals.popleft()
        items = next((name for name in ("changes", "events") if name in request.body), "")
        if len(request.body.get(items, [])) < 2:
            super().script(request.path, [status])
            return super().respond(request)
        # What is taken is another call than the one that was made: its repetition must not count as one of this.
        headers = {**request.headers, "Idempotency-Key": f"{request.headers['Idempotency-Key']} in part"}
        reply: Any = super().respond(
            replace(request, headers=headers, body={**request.body, items: request.body[items][1:]})
        )
        taken = reply is not None and reply.status in range(200, 300)
        return replace(reply, status=207, body={"not_taken": [[0, status]]}) if taken else reply


@dataclass(frozen=True)
class Letter:
    """A dead letter that somebody has taken out of the queue, to look at it or to send it back."""

    queue: str
    body: str = field(repr=False)
    attributes: Mapping[str, str]
    group: str | None

    @property
    def content(self) -> Json:
        """The message in it; empty if nobody can read it."""
        content: Json = {}
        with suppress(ValueError):
            content = json.loads(self.body)
        return content


@contextmanager
def aws_of(emulator: MiniStack, doom: Doom) -> Iterator[None]:
    """Let every AWS client that is made meanwhile reach the emulator, and die when its time has come."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": emulator.endpoint, "AWS_DEFAULT_REGION": REGION}.items():
            environment.setenv(name, value)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            environment.setenv(name, "/dev/null")
        environment.delenv("AWS_PROFILE", raising=False)
        session = boto3.Session()
        session.events.register("before-call", doom.step)
        session.events.register("after-call", doom.step)
        environment.setattr(boto3, "DEFAULT_SESSION", session)
        yield


class Deployment:
    """Handler and worker with queues and tables of their own; made where `aws_of` holds.

    Attributes:
        services: what the handler works with.
        worker: what empties the queues.
        read: makes a worker's record of one entry of Lambda's event.
        telemetry: what both say.
        receives: how often each message has been received, by its id.
    """

    services: Firehose
    worker: Worker

    def __init__(
        self,
        emulator: MiniStack,
        partner_url: str,
        doom: Doom | None = None,
        integration: Integration = INTEGRATION,
        **settings: str,
    ) -> None:
        self.sqs = emulator.sqs
        self.integration = integration
        self.doom = doom or Doom()
        self.telemetry = TelemetryDouble()
        self.receives: dict[str, int] = {}
        self.read: Callable[[Mapping[str, Any]], Record] = Record.from_event
        name = f"model-{next(_names)}"
        self.membership_dlq, self.membership = self._queues(f"{name}-membership", ".fifo")
        self.bulk = self._bulk_queue(name)
        self.event_dlq, self.event = self._queues(f"{name}-event", "")
        self.erasure_dlq, self.erasure = self._queues(f"{name}-erasure", "")
        self.queues = (self.membership, self.event, self.erasure)
        self.dead_letter_queues = (self.membership_dlq, self.event_dlq, self.erasure_dlq)
        self.environ = {
            "PARTNER_API_URL": partner_url,
            "MEMBERSHIP_QUEUE_URL": self.membership,
            "BULK_QUEUE_URL": self.bulk,
            "EVENT_QUEUE_URL": self.event,
            "MEMBERSHIP_DLQ_URL": self.membership_dlq,
            "EVENT_DLQ_URL": self.event_dlq,
            "ERASURE_QUEUE_URL": self.erasure,
            "ERASURE_DLQ_URL": self.erasure_dlq,
            "SUSPENSION_TABLE": _table(emulator, f"{name}-suspensions", "account"),
            "LEDGER_TABLE": _table(emulator, f"{name}-ledger", "key"),
            "LARGE_BODY_BUCKET": "never-used",
            **settings,
        }
        self.start()

    def start(self) -> None:
        """Replace both functions' environments by new ones, which remember nothing."""
        self.services = self._environment()
        worker = self._environment().queue_worker
        self.worker = replace(
            worker,
            partner=MortalGateway(worker.partner, self.doom),
            breaker=BreakerDouble(),
            backoff=Backoff(0, 0),
            executor=None,
        )

    def _environment(self) -> Firehose:
        firehose = Firehose(self.integration, self.environ)
        firehose.telemetry = self.telemetry
        return firehose

    def ask(self, message: Mapping[str, object], seconds: float = 5.0) -> dict[str, Any]:
        """Answer one request of mParticle's as the handler does."""
        deadline = Deadline.after(seconds)
        return serializer.dump(process(serializer.parse(message), self.services, deadline))

    def poll(
        self,
        queue: str,
        *,
        dies_after: int | None = None,
        acknowledges: bool = True,
        seconds: float = 60.0,
        turned: bool = False,
    ) -> int:
        """Play one turn of Lambda's event source mapping and return the number of messages in the batch.

        Args:
            queue: its URL.
            dies_after: steps after which the worker's environment dies.
            acknowledges: whether what the worker has done is deleted; otherwise Lambda died between the two.
            seconds: what the worker has left of its time.
            turned: whether the groups come in the opposite order, about which SQS promises nothing.
        """
        batch = _turned(self._receive(queue)) if turned else self._receive(queue)
        if not batch:
            return 0
        self.receives |= {m["MessageId"]: int(m["Attributes"]["ApproximateReceiveCount"]) for m in batch}
        records = [self.read(_lambda_entry(queue, message)) for message in batch]
        failed = {message["MessageId"] for message in batch}
        with self.doom.after(dies_after):
            try:
                reported = set(self.worker.deliver(records, Deadline.after(seconds)))
            except KilledError:
                acknowledges = False
        if not acknowledges:  # the visibility timeout ends for all of them
            self._change_visibility(queue, batch)
            return len(batch)
        assert reported <= failed
        if done := [message for message in batch if message["MessageId"] not in reported]:
            self._delete(queue, done)
        return len(batch)

    def drain(self, rounds: int = 200) -> None:
        """Poll until all queues are empty."""
        for _ in range(rounds):
            if not sum(map(self.poll, self.queues)):
                return
        raise AssertionError(f"not empty after {rounds} rounds")

    def letters(self) -> list[Letter]:
        """Take everything from the dead-letter queues."""
        return [
            Letter(queue, message["Body"], _texts(message), message["Attributes"].get("MessageGroupId"))
            for queue, dead in zip(self.queues, self.dead_letter_queues, strict=True)
            for message in self.take(dead)
        ]

    def counted(self, queue: str, *kinds: str) -> tuple[int, ...]:
        """Return how many messages of a queue can be received, and how many are in flight; or those of other kinds."""
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        names: Any = [f"ApproximateNumberOfMessages{kind}" for kind in kinds or ("", "NotVisible")]
        return tuple(int(found[name]) for name in names)

    def take(self, queue: str) -> list[Any]:
        """Take everything that is visible from a queue."""
        taken: list[Any] = []
        while batch := self._receive(queue):
            self._delete(queue, batch)
            taken += batch
        return taken

    def put(self, queue: str, body: str, *, group: str) -> None:
        """Put something on a FIFO queue that the handler would not."""
        number = f"put-{next(_names)}"
        self.sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=number)

    def redrive(self, letter: Letter) -> None:
        """Send a dead letter back to where it came from."""
        number = str(next(_names))
        attributes = {**letter.attributes, "redriven_at": str(1_800_000_000_000 + next(_names))}
        in_order = {
            "MessageGroupId": letter.attributes.get("group_id") or letter.group,
            "MessageDeduplicationId": f"redriven-{number}",
        }
        arguments: dict[str, Any] = in_order if letter.group else {}
        self.sqs.send_message(
            QueueUrl=letter.queue,
            MessageBody=letter.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
            **arguments,
        )

    def _bulk_queue(self, name: str) -> str:
        """Create the queue that the worker forwards to; its letters are those of the membership queue."""
        return self.sqs.create_queue(QueueName=f"{name}-membership-bulk.fifo", Attributes=FIFO)["QueueUrl"]

    def _queues(self, name: str, suffix: str) -> list[str]:
        """Create a dead-letter queue and the queue it belongs to."""
        urls: list[str] = []
        redrive: dict[QueueAttributeNameType, str] = {}
        for full in (f"{name}-dlq{suffix}", f"{name}{suffix}"):
            attributes = {**(FIFO if suffix else {}), **redrive}
            url = self.sqs.create_queue(QueueName=full, Attributes=attributes)["QueueUrl"]
            arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1000})}
            urls.append(url)
        return urls

    def _receive(self, queue: str) -> list[Any]:
        received: Any = self.sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[Any] = received.get("Messages", [])
        return messages

    def _delete(self, queue: str, batch: Iterable[Any]) -> None:
        entries: list[Any] = _entries(batch)
        self.sqs.delete_message_batch(QueueUrl=queue, Entries=entries)

    def _change_visibility(self, queue: str, batch: Iterable[Any]) -> None:
        entries: list[Any] = [{**entry, "VisibilityTimeout": 0} for entry in _entries(batch)]
        self.sqs.change_message_visibility_batch(QueueUrl=queue, Entries=entries)


def _turned(batch: Iterable[Any]) -> list[Any]:
    """Turn the order of the groups round, but not that within any of them."""
    groups: dict[str, list[Any]] = {}
    for message in batch:
        groups.setdefault(message["Attributes"].get("MessageGroupId", message["MessageId"]), []).append(message)
    return [message for group in reversed(groups.values()) for message in group]


def _entries(batch: Iterable[Any]) -> list[dict[str, str]]:
    return [{"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(batch)]


def _texts(message: Any) -> dict[str, str]:
    return {name: entry["StringValue"] for name, entry in message.get("MessageAttributes", {}).items()}


def _lambda_entry(queue: str, message: Any) -> dict[str, Any]:
    """Return a received message as Lambda shows it to the function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "eventSourceARN": f"arn:aws:sqs:{REGION}:000000000000:{queue.rpartition('/')[2]}",
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"} for name, value in _texts(message).items()
        },
    }


def _table(emulator: MiniStack, name: str, key: str) -> str:
    emulator.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name
