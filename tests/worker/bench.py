"""A worker with doubles around it and moto's queues and tables beneath, and messages for it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.integration import Answer, Header, Integration, PartnerCall
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.delays import Delays
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueMessage, RefusedMessagesError
from mparticle_firehose.queues.source_queues import SourceQueues
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.worker import Worker
from tests.conftest import (
    BreakerDouble,
    Json,
    PartnerDouble,
    Queues,
    RateLimitsDouble,
    Reply,
    SuspensionsDouble,
    TelemetryDouble,
    load_event,
    serializer,
)
from tests.sample.partner.integration import INTEGRATION

NOW = 1_760_000_100.0
DEAD = Header("X-Sample-Token", "canary-dead")
SENT_AT_MS = 1_760_000_000_000


@dataclass
class VisibilityDouble:
    """Keeps what was scheduled."""

    waits: dict[str, int] = field(default_factory=dict)

    def set(self, waits: Mapping[Record, int], _deadline: Deadline) -> None:
        self.waits = {record.message_id: seconds for record, seconds in waits.items()}


@dataclass
class SenderDouble:
    """Takes messages, unless it fails, and hands them out as Lambda does."""

    sent: list[QueueMessage] = field(default_factory=list)
    urls: set[str] = field(default_factory=set)
    fails: bool = False

    def send(self, queue_url: str, messages: Sequence[QueueMessage], _deadline: Deadline) -> None:
        if self.fails:
            raise RefusedMessagesError("the queue cannot be used: ReadTimeoutError", messages)
        self.urls.add(queue_url)
        self.sent += messages

    def received(self) -> list[Record]:
        """Take what was sent, each as a new message."""
        taken = [_received(message, f"again-{number}") for number, message in enumerate(self.sent)]
        self.sent = []
        return taken


def _received(message: QueueMessage, message_id: str) -> Record:
    assert len(message.attributes) <= 10
    told = {name: {"stringValue": value, "dataType": "String"} for name, value in message.attributes.items()}
    attributes = {"SentTimestamp": str(SENT_AT_MS + 90_000_000), "ApproximateReceiveCount": "1"}
    tenant = {"MessageGroupId": message.tenant} if message.tenant else {}
    return Record.from_event(
        {
            "messageId": message_id,
            "receiptHandle": "r",
            "body": message.body,
            "attributes": {**attributes, **tenant},
            "messageAttributes": told,
        }
    )


class NoForwarding:
    """Leaves all messages where they are."""

    def forward(self, batch: Batch, _deadline: Deadline) -> Sequence[Message]:
        return batch.messages


@dataclass
class Bench:
    """A worker with doubles around it and moto's queues and tables beneath."""

    worker: Worker
    partner: PartnerDouble
    queues: Queues
    breaker: BreakerDouble
    suspensions: SuspensionsDouble
    visibility: VisibilityDouble
    sender: SenderDouble
    telemetry: TelemetryDouble

    def deliver(self, *records: Record, deadline: Deadline | None = None) -> list[str]:
        return self.worker.deliver(records, deadline or Deadline.after(60))

    def sent(self) -> list[tuple[str, list[str]]]:
        """Return the audience and the users of each call."""
        return [(call.path.split("/")[2], [user(change) for change in changes(call)]) for call in self.partner.calls]

    def dead_letters(self) -> list[tuple[Json, dict[str, str]]]:
        """Take the body and the attributes of every dead letter."""
        dead = (self.queues.membership_dlq, self.queues.event_dlq, self.queues.erasure_dlq)
        messages = [m for url in dead for m in self.queues.messages(url)]
        return [
            (json.loads(m["Body"]), {name: entry["StringValue"] for name, entry in m["MessageAttributes"].items()})
            for m in messages
        ]


def changes(call: PartnerCall) -> list[Any]:
    listed: list[Any] = body_of(call)["changes"]
    return listed


def body_of(call: PartnerCall) -> Any:
    return getattr(call.body, "value", None)


def in_part(failures: Mapping[int, int]) -> Answer:
    return Answer(status=207, body={"not_taken": [list(pair) for pair in failures.items()]})


def user(change: Json) -> str:
    return str(change["user"]["mpid"])


def build(
    queues: Queues, dynamodb: DynamoDBClient, *, max_attempts: int = 100, integration: Integration = INTEGRATION
) -> Bench:
    partner, suspensions, telemetry = PartnerDouble(), SuspensionsDouble(), TelemetryDouble()
    breaker, visibility, sender = BreakerDouble(), VisibilityDouble(), SenderDouble()
    source_queues = SourceQueues(
        membership_url=queues.membership, bulk_url=queues.bulk, event_url=queues.event, erasure_url=queues.erasure
    )
    dead_letters = DeadLetters(
        queues.sender,
        membership_url=queues.membership_dlq,
        event_url=queues.event_dlq,
        erasure_url=queues.erasure_dlq,
        clock=lambda: NOW,
    )
    worker = Worker(
        serializer=serializer,
        planner=Planner(integration),
        partner=partner,
        verdicts=RetryPolicy(),
        breaker=breaker,
        rate_limits=RateLimitsDouble(),
        dead_letters=dead_letters,
        large_bodies=queues.large_bodies,
        suspensions=suspensions,
        ledger=Ledger(dynamodb, "ledger", lambda: NOW),
        visibility=visibility,  # type: ignore[arg-type]  # the one method that is used
        delays=Delays(sender, telemetry, source_queues, lambda: NOW),  # type: ignore[arg-type]  # as above
        forwarding=NoForwarding(),  # type: ignore[arg-type]  # as above
        backoff=Backoff(base=2, cap=900, jitter=lambda most: most),
        max_attempts=max_attempts,
        telemetry=telemetry,
        clock=lambda: NOW,
    )
    return Bench(worker, partner, queues, breaker, suspensions, visibility, sender, telemetry)


def again(record: Record, receive_count: int = 2) -> Record:
    return replace(record, receive_count=receive_count)


def change(mpid: str, audience: str = "a", action: str = "add", **fields: object) -> Json:
    settings = {"segmentId": audience}
    return {
        "mpid": mpid,
        "audiences": [
            {"audience_id": ord(audience[-1]), "action": action, "audience_subscription_settings": settings, **fields}
        ],
    }


def attribute(key: str, value: str) -> Json:
    return {"key": key, "value": value, "action": "upsert"}


def membership(message_id: str, *profiles: Json, group: str = "4242.0", **overrides: object) -> Record:
    message = load_event("audience_membership_change_request", user_profiles=list(profiles), **overrides)
    return Record(message_id=message_id, body=json.dumps(message), group_id=group, sent_at_ms=SENT_AT_MS)


def event_record(message_id: str, name: str = "event_processing_request", **overrides: object) -> Record:
    return Record(message_id=message_id, body=json.dumps(load_event(name, **overrides)), sent_at_ms=SENT_AT_MS)


def redriven(record: Record) -> Record:
    return replace(record, redriven_at="1760000050000")


def refuse(*mpids: str) -> Callable[[PartnerCall], Reply]:
    """Refuse every call that holds one of these users, as an API that validates a whole body does."""
    return lambda call: 422 if {user(item) for item in changes(call)} & set(mpids) else 200
