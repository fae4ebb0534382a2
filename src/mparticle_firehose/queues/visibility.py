"""Delays failed messages by their visibility timeout: SQS waits, and no function sleeps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.source_queues import Queues
from mparticle_firehose.repeating import Repeating, is_temporary
from mparticle_firehose.services import OUT_OF_TIME, Telemetry

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

_REPEATING = Repeating()
_REPEAT_SECONDS = 1.0
"""How long timeouts of a batch are set again that SQS has not taken: the batch has ended, and its function waits."""


class VisibilityTimeouts:
    """Sets the visibility timeout of each failed message of a batch."""

    def __init__(
        self,
        sqs: "SQSClient",
        telemetry: Telemetry,
        queues: Queues,
        repeating: Repeating = _REPEATING,
    ) -> None:
        """Take the client, the queues, and the pauses before a timeout is set again."""
        self._sqs = sqs
        self._telemetry = telemetry
        self._queues = queues
        self._repeating = repeating

    def set(self, waits: Mapping[Record, int], deadline: Deadline) -> None:
        """Set each message's visibility to its seconds.

        What SQS fails to take for reasons of its own is set again for up to a second. What it does not take then is
        logged and counted, and harmless: the message is delivered again when the queue's own visibility timeout ends.

        Until then each is invisible, so that the order in which SQS sets them does not matter.

        Args:
            waits: failed messages, all of one queue, to the seconds that they wait.
            deadline: after it none is set.
        """
        if not waits:
            return
        queue_url = self._queues.url_of(next(iter(waits)))
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": record.receipt_handle, "VisibilityTimeout": seconds}
            for number, (record, seconds) in enumerate(waits.items())
        ]
        repeated_until = deadline.within(_REPEAT_SECONDS)
        codes = [
            code
            for start in range(0, len(entries), 10)
            for code in self._change(queue_url, entries[start : start + 10], deadline, repeated_until)
        ]
        if codes:
            self._telemetry.count("VisibilityUnchanged", len(codes))
            self._telemetry.note("visibility unchanged", {"reason": ", ".join(sorted(set(codes)))})

    def _change(
        self,
        queue_url: str,
        entries: "Sequence[ChangeMessageVisibilityBatchRequestEntryTypeDef]",
        deadline: Deadline,
        repeated_until: Deadline,
    ) -> list[str]:
        """Set timeouts, and return SQS's code for each that it has not taken."""
        if deadline.remaining() <= 0:
            return [OUT_OF_TIME] * len(entries)
        refused: list[str] = []
        failures: dict[str, tuple[str, bool]] = {}
        for _ in self._repeating.tries(repeated_until):
            failures = self._failures(queue_url, entries)
            refused += [code for code, is_final in failures.values() if is_final]
            entries = [entry for entry in entries if not failures.get(entry["Id"], ("", True))[1]]
            if not entries:
                break
        return refused + [failures[entry["Id"]][0] for entry in entries]

    def _failures(
        self, queue_url: str, entries: "Sequence[ChangeMessageVisibilityBatchRequestEntryTypeDef]"
    ) -> dict[str, tuple[str, bool]]:
        """Set timeouts once. Return the ids of those that are not taken, with the code and whether that is final."""
        try:
            answer = self._sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            return {entry["Id"]: (type(error).__name__, not is_temporary(error)) for entry in entries}
        return {failure["Id"]: (failure["Code"], failure["SenderFault"]) for failure in answer.get("Failed", [])}
