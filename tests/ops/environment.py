"""What the tests of `ops` share: dead letters as the worker writes them, and a context that keeps what it prints."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from rich.console import Console

from ops.context import Context
from ops.dead_letter_queue import DeadLetterQueue
from ops.dead_letters import QueueName
from ops.letter_source import Limits
from ops.stack import DEAD_LETTER_QUEUES, LARGE_BODY_BUCKET, SOURCE_QUEUES
from tests.conftest import BUCKET, Clock, Json, Queues, load_event

NOW = 1_800_000_000_000
CANARIES = ("canary", "jane", "sencha", "Teapots", "7700700000000000031", "segmentId", "loyalty_tier", "seg-4242")
"""Parts of what the sample requests hold: identities, names and values of attributes, settings, ids of users."""

TYPES: dict[QueueName, str] = {
    "membership": "audience_membership_change_request",
    "event": "event_processing_request",
    "erasure": "dsr_processing_request",
}

FEED_MESSAGE: Json = {
    "account_id": 4242,
    "events": [
        {"id": "canary-1", "type": "custom_event", "email": "jane@example.com"},
        {"id": "canary-2", "sencha": {"account_id": 7700731}},
    ],
}
"""The partner's own events; field names and words of mParticle's protocol are as personal there as everything else."""


class FaultySqs:
    """An SQS client whose calls fail as scripted: for each method, what is raised at which call, counted from 1."""

    def __init__(self, sqs: Any, script: dict[str, dict[int, BaseException]] | None = None) -> None:
        self.sqs = sqs
        self.script = script or {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self.sqs, name)

        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            if fault := self.script.get(name, {}).get(self.calls.count(name)):
                raise fault
            return method(**arguments)

        return call


@dataclass
class Environment:
    """The queues in moto, letters in them, and a context for commands."""

    queues: Queues
    clock: Clock = field(default_factory=Clock)
    sleeps: list[float] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    printed: io.StringIO = field(default_factory=io.StringIO)
    limits: Limits = field(default_factory=Limits)
    now: int = NOW
    numbers: Any = field(default_factory=lambda: count(1))
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sqs = FaultySqs(self.queues.sqs)
        create = self.queues.sqs.create_queue
        self.feed, self.feed_dlq = (create(QueueName=name)["QueueUrl"] for name in ("feed", "feed-dlq"))

    def url(self, queue: QueueName) -> str:
        return {
            "membership": self.queues.membership_dlq,
            "event": self.queues.event_dlq,
            "erasure": self.queues.erasure_dlq,
            "feed": self.feed_dlq,
        }[queue]

    def source_url(self, queue: QueueName) -> str:
        return {
            "membership": self.queues.membership,
            "event": self.queues.event,
            "erasure": self.queues.erasure,
            "feed": self.feed,
        }[queue]

    def put(self, queue: QueueName, body: Json | str | None = None, **attributes: object) -> str:
        """Dead-letter a message as the worker does and return its id. An attribute that is None is left out."""
        number = next(self.numbers)
        written = {
            "message_type": TYPES.get(queue) if queue != "membership" else None,
            "account_id": 4242,
            "reason": "http_422",
            "status": 422 if queue != "membership" else None,
            "attempts": 1,
            "first_at": NOW - 3_600_000 + number,
            "last_at": NOW - 1_800_000 + number,
            "group_id": f"4242.{number}" if queue == "membership" else None,
            **attributes,
        }
        return self._send(queue, body, written, f"letter-{number}")

    def move(self, queue: QueueName, body: Json | str | None = None, group: str = "4242.1") -> str:
        """Put a message there as SQS does after too many receives: it keeps its attributes and its group."""
        attributes = {"message_type": TYPES[queue], "account_id": 4242} if queue in TYPES else {}
        return self._send(queue, body, attributes, group)

    def context(self, **changes: Any) -> Context:
        console = Console(file=self.printed, width=200, highlight=False)
        urls = {
            **{output: self.url(queue) for queue, output in DEAD_LETTER_QUEUES.items()},
            **{output: self.source_url(queue) for queue, output in SOURCE_QUEUES.items()},
            LARGE_BODY_BUCKET: BUCKET,
        }
        settings: dict[str, Any] = {
            "sqs": self.sqs, "s3": self.queues.s3, "urls": urls, "large_bodies": self.queues.large_bodies,
            "out": console, "progress": console, "ask": self._ask,
            "now": lambda: self.now, "clock": self.clock, "sleep": self._sleep, "wait_seconds": 0,
            "limits": self.limits,
        }  # fmt: skip
        return Context(**{**settings, **changes})

    def dead_letters(self, queue: QueueName = "event", **changes: Any) -> DeadLetterQueue:
        settings: dict[str, Any] = {
            "sqs": self.sqs, "queue": queue, "url": self.url(queue), "clock": self.clock, "wait_seconds": 0,
            "limits": self.limits,
        }  # fmt: skip
        return DeadLetterQueue(**{**settings, **changes})

    @property
    def text(self) -> str:
        return self.printed.getvalue()

    def visible(self, queue: QueueName) -> set[str]:
        """Return the ids of the messages that can be received now, and receive them."""
        return {message["MessageId"] for message in self.taken(self.url(queue))}

    def taken(self, url: str) -> list[Any]:
        """Receive everything from a queue."""
        taken: list[Any] = []
        while batch := self.queues.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            taken += batch
        return taken

    def _send(self, queue: QueueName, body: Json | str | None, attributes: dict[str, Any], group: str) -> str:
        content = body if body is not None else load_event(TYPES[queue]) if queue in TYPES else FEED_MESSAGE
        text = content if isinstance(content, str) else json.dumps(content)
        extra: Any = {}
        if queue == "membership":
            extra = {"MessageGroupId": group, "MessageDeduplicationId": f"{group}-{next(self.numbers)}"}
        sent = self.queues.sqs.send_message(
            QueueUrl=self.url(queue),
            MessageBody=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": str(value)}
                for name, value in attributes.items()
                if value is not None
            },
            **extra,
        )
        self.ids.append(sent["MessageId"])
        return self.ids[-1]

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.clock.now += seconds

    def _ask(self, question: str) -> str:
        self.questions.append(question)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)
