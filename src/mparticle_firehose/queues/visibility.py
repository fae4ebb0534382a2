"""Delays failed messages by their visibility timeout: SQS waits, and no function sleeps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.queues.record import Record
from mparticle_firehose.services import Telemetry

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef


class VisibilityTimeouts:
    """Sets the visibility timeout of each failed message of a batch."""

    def __init__(self, sqs: "SQSClient", telemetry: Telemetry, *, membership_url: str, event_url: str) -> None:
        """Take the client and the URLs of both queues."""
        self._sqs = sqs
        self._telemetry = telemetry
        self._membership_url = membership_url
        self._event_url = event_url

    def set(self, waits: Mapping[Record, int]) -> None:
        """Set each message's visibility to its seconds.

        A timeout that SQS does not take is logged and counted, and harmless: the message is delivered again when the
        queue's own visibility timeout ends.

        Args:
            waits: failed messages, all of one queue, to the seconds that they wait.
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
