"""When a failed message comes again: SQS waits, so that nothing here sleeps."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.queues.record import Record
from mparticle_firehose.services import Telemetry

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

LONGEST_VISIBILITY_SECONDS = 43_200
"""SQS's own limit, counted from when the message was received."""

_MAX_DOUBLINGS = 30

_random = SystemRandom()  # drawn from the operating system: a snapshot that is restored twice must not draw alike


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full-jitter exponential backoff.

    Attributes:
        base: seconds that the first wait has at most.
        cap: seconds that any wait has at most.
        jitter: draws a wait between nothing and the seconds given.
    """

    base: float
    cap: float
    jitter: Callable[[float], float] = lambda most: _random.uniform(0, most)

    def seconds(self, receive_count: int, asked: float | None = None) -> int:
        """Return the whole seconds to wait: what the partner asked for, else a draw that grows with the attempts."""
        most = min(self.cap, self.base * 2 ** min(max(receive_count - 1, 0), _MAX_DOUBLINGS))
        wait = self.jitter(most) if asked is None else min(asked, self.cap)
        return min(math.ceil(wait), LONGEST_VISIBILITY_SECONDS)


class Redelivery:
    """Tells SQS when each failed message of a batch is to come again."""

    def __init__(self, sqs: "SQSClient", telemetry: Telemetry, *, membership_url: str, event_url: str) -> None:
        """Take the client and the URLs of both queues."""
        self._sqs = sqs
        self._telemetry = telemetry
        self._membership_url = membership_url
        self._event_url = event_url

    def schedule(self, waits: Mapping[Record, int]) -> None:
        """Set each message's visibility to its seconds.

        A change that SQS does not take is logged, counted and harmless: the message comes again when the queue's own
        visibility timeout ends.

        Args:
            waits: failed messages, all of one queue, with the seconds they wait.
        """
        if not waits:
            return
        queue_url = self._event_url if next(iter(waits)).group_id is None else self._membership_url
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": record.receipt_handle, "VisibilityTimeout": seconds}
            for number, (record, seconds) in enumerate(waits.items())
        ]
        for start in range(0, len(entries), 10):
            self._change(queue_url, entries[start : start + 10])

    def _change(self, queue_url: str, entries: "list[ChangeMessageVisibilityBatchRequestEntryTypeDef]") -> None:
        try:
            failed = self._sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries).get("Failed", [])
            codes = [failure["Code"] for failure in failed]
        except (BotoCoreError, ClientError) as error:
            codes = [type(error).__name__] * len(entries)
        if codes:
            self._telemetry.count("VisibilityUnchanged", len(codes))
            self._telemetry.note("visibility unchanged", {"reason": ", ".join(sorted(set(codes)))})
