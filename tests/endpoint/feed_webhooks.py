"""Webhooks as a partner's platform sends them, and what takes them."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.endpoint.errors import NoTokensError, TokensUnavailableError
from mparticle_firehose.endpoint.feed_webhook import FeedWebhook, feed_secrets
from mparticle_firehose.endpoint.http_event import HttpRequest, HttpResponse
from mparticle_firehose.endpoint.responses import error_response
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.repeating import Repeating
from tests.conftest import Clock, TelemetryDouble

SECRET = "canary-secret-of-the-partner-0001"
NEXT_SECRET = "canary-secret-of-the-partner-0002"
WRONG_SECRET = "canary-secret-of-a-stranger-00001"
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/feed"
NOW = 1_800_000_000.0
REFRESH_SECONDS = 300.0
EVENTS = [{"id": "open-1", "name": "open", "user": "canary-user", "amount": 1.5}]
BODY = json.dumps({"account_id": 42, "events": EVENTS}).encode()


def digest(body: bytes, secret: str = SECRET, at: str = str(int(NOW))) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def signature(body: bytes, *secrets: str, at: str = str(int(NOW))) -> str:
    """Return the header's value, with a signature for each secret; the known one if none is given."""
    return ",".join([f"t={at}", *(f"v1={digest(body, secret, at)}" for secret in secrets or [SECRET])])


class SqsDouble:
    """Keeps entries, or fails."""

    def __init__(self) -> None:
        self.error: BotoCoreError | ClientError | None = None
        self.sent: list[tuple[str, Any]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803  boto3's names
        if self.error:
            raise self.error
        self.sent += [(QueueUrl, entry) for entry in Entries]
        return {}


@dataclass
class Source:
    """A secret's text, and how often it was read."""

    text: str = SECRET
    fails: bool = False
    is_deleted: bool = False
    asked: int = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.fails:
            raise TokensUnavailableError("the source answers ThrottlingException")
        if self.is_deleted:
            raise NoTokensError("the source answers ResourceNotFoundException")
        return self.text


@dataclass
class Bench:
    """What takes webhooks, with a queue, a source of secrets and clocks that a test moves."""

    source: Source = field(default_factory=Source)
    sqs: SqsDouble = field(default_factory=SqsDouble)
    telemetry: TelemetryDouble = field(default_factory=TelemetryDouble)
    clock: Clock = field(default_factory=Clock)
    wall_clock: Clock = field(default_factory=lambda: Clock(NOW))

    def __post_init__(self) -> None:
        never_used: Any = None  # no message is large
        sender = QueueSender(self.sqs, never_used, Repeating(sleep=lambda _: None))  # type: ignore[arg-type]  # as used
        self.webhook = FeedWebhook(
            secrets=feed_secrets(self.source, REFRESH_SECONDS, self.telemetry, self.clock),
            sender=sender,
            queue_url=QUEUE_URL,
            telemetry=self.telemetry,
            now=self.wall_clock,
        )

    def send(self, body: bytes = BODY, header: str | None = None) -> HttpResponse:
        """Send a body, signed with the known secret unless there is a header."""
        headers = {"x-feed-signature": signature(body) if header is None else header}
        request = HttpRequest(method="POST", path="/feed", headers=headers, body=body)
        try:
            return self.webhook.accept(request, Deadline.after(0, self.clock))
        except FirehoseError as error:
            return error_response(error)

    def status(self, body: bytes = BODY, header: str | None = None) -> int:
        return self.send(body, header).status
