"""Sends messages to SQS: all of them, or it raises an error."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.splitting import utf8_length
from mparticle_firehose.repeating import Repeating, is_temporary, may_pass
from mparticle_firehose.services import OUT_OF_TIME

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_MESSAGE_BYTES = 1_048_576
"""SQS's limit for a message with its attributes, and for a whole SendMessageBatch."""

MAX_BATCH_ENTRIES = 10

_NOT_TAKEN = "the queue did not take the message"

_STRING_TYPE_BYTES = len("String")
_REPEATING = Repeating()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """One message to put on a queue.

    Attributes:
        body: JSON text that SQS takes, see `splitting.encode`. Never shown.
        attributes: few, never empty, and never personal.
        group_id: on a FIFO queue, the group within which messages are delivered in order.
        deduplication_id: on a FIFO queue, a second message with this id within five minutes is dropped.
        tenant: on a standard queue, whose it is: SQS hands out messages of quiet tenants before those of busy ones.
        delay_seconds: on a standard queue, how long SQS keeps it back; at most 900. It is not in flight meanwhile.
    """

    body: str = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict)
    group_id: str | None = None
    deduplication_id: str | None = None
    tenant: str | None = None
    delay_seconds: int = 0

    @property
    def size(self) -> int:
        """Bytes that count against the limits of SQS: the body and each attribute's name, type and value."""
        attributes = sum(
            utf8_length(name) + _STRING_TYPE_BYTES + utf8_length(value) for name, value in self.attributes.items()
        )
        return utf8_length(self.body) + attributes


type _Batch = list[tuple[QueueMessage, QueueMessage]]
"""Messages as they were given, and as SQS takes them."""


class RefusedMessagesError(DeliveryError):
    """SQS has not taken messages, for good or in time.

    Attributes:
        refused: the messages that are not stored; the others are.
    """

    def __init__(self, text: str, refused: Sequence[QueueMessage]) -> None:
        self.refused = refused
        super().__init__(text)


class BodyStore(Protocol):
    """Keeps bodies that are larger than SQS takes."""

    def store(self, body: str) -> str:
        """Store a body and return what stands for it in the queue; a DeliveryError means it is not stored."""


class QueueSender:
    """Sends messages in as few batches as their order and the limits of SQS allow, whatever their size."""

    def __init__(self, sqs: "SQSClient", large_bodies: BodyStore, repeating: Repeating = _REPEATING) -> None:
        """Take the client, where bodies are kept that are too large for it, and the pauses before a repetition."""
        self._sqs = sqs
        self._large_bodies = large_bodies
        self._repeating = repeating

    def send(self, queue_url: str, messages: Sequence[QueueMessage], deadline: Deadline) -> None:
        """Send every message, those of a group in the order given.

        Entries and calls that SQS throttles or fails to take, or that get no answer, are sent again until the
        deadline, after pauses that grow. Each batch is sent at least once, so that a slow start loses no work.

        Raises:
            RefusedMessagesError: SQS did not take all of them; it names those that are not stored. Who cannot repeat
                these alone must repeat all with the same deduplication ids.
        """
        tried = 0
        for batch in batches(messages):
            tried += len(batch)
            left, failure = self._send_batch(queue_url, batch, deadline)
            if left:
                raise RefusedMessagesError(failure, [*left, *messages[tried:]])

    def send_in_order(
        self, queue_url: str, messages: Sequence[QueueMessage], deadline: Deadline
    ) -> tuple[Sequence[QueueMessage], str]:
        """Send messages, several of a group in one call, each once. Return those that count as not stored, and why.

        SQS stores the entries of a call in their order, but may refuse one and store a later one of its group. So from
        the first of a group that is refused, all later ones of the group count as not stored. Who sends all of these
        again, in their order, may have some of them in the queue twice. The last copies are then in order.

        The client must repeat no call by itself, and a message needs another deduplication id each time. A repeated
        call whose entries SQS knows in part would store only the others, behind the later ones of their group.

        Args:
            queue_url: of a FIFO queue.
            messages: with their groups.
            deadline: after it no call is begun.
        """
        failures: dict[str | None, str] = {}
        unsent: list[QueueMessage] = []
        for batch in batches(messages, several_of_a_group=True):
            refused = self._refused(queue_url, [it for it in batch if it.group_id not in failures], deadline)
            for message in batch:
                if id(message) in refused:
                    failures.setdefault(message.group_id, refused[id(message)])
                if message.group_id in failures:
                    unsent.append(message)
        return unsent, ", ".join(sorted(set(failures.values())))

    def _refused(self, queue_url: str, batch: Sequence[QueueMessage], deadline: Deadline) -> dict[int, str]:
        """Send one batch once. Return why a message is not stored, by its `id`."""
        if not batch or deadline.remaining() <= 0:
            return dict.fromkeys(map(id, batch), OUT_OF_TIME)
        try:
            fitting = [(message, self._fitting(message)) for message in batch]
        except DeliveryError as error:
            return dict.fromkeys(map(id, batch), str(error))
        left, failure, _ = self._send_once(queue_url, fitting)
        return {id(message): failure or _NOT_TAKEN for message, _ in left}

    def _send_batch(
        self, queue_url: str, batch: Sequence[QueueMessage], deadline: Deadline
    ) -> tuple[Sequence[QueueMessage], str]:
        """Send one batch. Return what is not stored, and why."""
        failure = ""
        try:
            left = [(message, self._fitting(message)) for message in batch]
        except DeliveryError as error:
            return batch, str(error)
        for _ in self._repeating.tries(deadline):
            left, failure, is_final = self._send_once(queue_url, left)
            if is_final or not left:
                break
        return [message for message, _ in left], failure or f"the queue did not take {len(left)} messages in time"

    def _fitting(self, message: QueueMessage) -> QueueMessage:
        """Return the message, with a reference in the place of its body if it is too large."""
        if message.size <= MAX_MESSAGE_BYTES:
            return message
        return replace(message, body=self._large_bodies.store(message.body))

    def _send_once(self, queue_url: str, batch: _Batch) -> tuple[_Batch, str, bool]:
        """Send one batch once. Return what is not stored, why if that is known, and whether that is final."""
        entries = [_entry(number, fitting) for number, (_, fitting) in enumerate(batch)]
        try:
            failures = self._sqs.send_message_batch(QueueUrl=queue_url, Entries=entries).get("Failed", [])
        except (BotoCoreError, ClientError) as error:
            failure = "" if is_temporary(error) else f"the queue cannot be used: {type(error).__name__}"
            return batch, failure, not may_pass(error)
        faults = sorted({failure["Code"] for failure in failures if failure["SenderFault"]})
        left = [batch[int(failure["Id"])] for failure in failures]
        return left, f"the queue refuses the message: {', '.join(faults)}" if faults else "", bool(faults)


def batches(messages: Iterable[QueueMessage], *, several_of_a_group: bool = False) -> Iterator[list[QueueMessage]]:
    """Pack messages into batches within the limits of SQS.

    Messages are taken one by one, each when the batches before it are full: those of an iterator need not be in memory
    together.

    Args:
        messages: in their order.
        several_of_a_group: whether a batch may hold two messages of one group. SQS may take the second and refuse the
            first, and sending the first again would reverse their order: see `QueueSender.send_in_order`.
    """
    batch: list[QueueMessage] = []
    groups: set[str] = set()
    size = 0
    for message in messages:
        is_full = len(batch) == MAX_BATCH_ENTRIES or size + message.size > MAX_MESSAGE_BYTES
        if batch and (is_full or (message.group_id in groups and not several_of_a_group)):
            yield batch
            batch, groups, size = [], set(), 0
        batch.append(message)
        size += message.size
        groups |= {message.group_id} if message.group_id else set()
    if batch:
        yield batch


def _entry(number: int, message: QueueMessage) -> "SendMessageBatchRequestEntryTypeDef":
    entry: SendMessageBatchRequestEntryTypeDef = {"Id": str(number), "MessageBody": message.body}
    if message.attributes:
        entry["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
        }
    if group := message.group_id or message.tenant:
        entry["MessageGroupId"] = group
    if message.delay_seconds:
        entry["DelaySeconds"] = message.delay_seconds
    if message.deduplication_id is not None:
        entry["MessageDeduplicationId"] = message.deduplication_id
    return entry
