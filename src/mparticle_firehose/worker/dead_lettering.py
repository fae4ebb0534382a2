"""Dead-letters what can never be delivered: all of a batch in few calls, in steps of which each may be the last.

Before something leaves the queue, what it may still write is tracked, see `order_tracking`. Then the letters are sent,
and then they are noted, so that a message that is received again does not repeat them. Whatever a step does not store
makes its own messages come again.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.protocol import QueuedRequest
from mparticle_firehose.queues.dead_letters import Cause, DeadLetters, Letter, reason_text
from mparticle_firehose.queues.splitting import Json, PartEncoder, encode
from mparticle_firehose.queues.time_limits import LETTER_SECONDS, NOTE_SECONDS
from mparticle_firehose.services import Remainder
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.last_write_wins import QueuePosition, tracked_keys
from mparticle_firehose.worker.order_tracking import EVERYTHING, OrderTracking, Scope

NEARLY_MOVED = 900
"""Receives after which SQS will soon dead-letter a message by itself: maxReceiveCount is 1,000, its maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    """Which part of a message is in a letter.

    Attributes:
        positions: of the items in the message's plan; None is all that is left of the message.
        scope: what it may still write when it is redriven.
        unreadable: how many elements there are in it that cannot be read.
    """

    positions: frozenset[int] | None
    scope: Scope = EVERYTHING
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of a message that is to be dead-lettered."""

    message: Message
    letter: Letter
    extent: _Extent

    @property
    def id(self) -> str:
        return self.letter.id


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettering:
    """Dead-letters messages of one batch, or parts of them.

    Attributes:
        batch: the messages.
        dead_letters: the dead-letter queues.
        ledger: remembers letters.
        tracking: what is written down of later deliveries.
        failures: why a message must come again, because something of it is not stored.
        stored: the positions of each message's plan that are in letters.
        gone: messages that are in a letter as a whole.
    """

    batch: Batch
    dead_letters: DeadLetters
    ledger: Ledger
    tracking: OrderTracking
    failures: dict[Message, str] = field(default_factory=dict)
    stored: dict[Message, set[int]] = field(default_factory=dict)
    gone: set[Message] = field(default_factory=set)
    _parts: list[_Part] = field(default_factory=list)
    _encoder: PartEncoder = field(default_factory=PartEncoder)

    def track_those_nearly_moved(self, deadline: Deadline) -> None:
        """Count messages that SQS will soon move by itself, and track the order of what is in them."""
        nearly_moved = [it for it in self.batch.messages if it.record.receive_count >= NEARLY_MOVED]
        if nearly_moved:
            self.batch.telemetry.count("NearlyMoved", len(nearly_moved))
        for message in nearly_moved:
            if message.record.group_id:
                self.batch.guard([message], partial(self._track_now, message, deadline))

    def put_whole(self, message: Message, reason: str) -> None:
        """Have a whole message dead-lettered that cannot be read or mapped, without what `put_unreadable` was given."""
        progress = message.progress
        settled = progress.settled_text() if progress.settled or progress.settles_state else ""
        body = message.body if message.readable is None else message.readable()
        self._put(message, body, settled, reason, _Extent(positions=None, scope=_scope_of(message)))

    def put_unreadable(self, message: Message, request: QueuedRequest, settled: str, *, has_rest: bool) -> None:
        """Have the elements of a message dead-lettered that cannot be read. Whose they are is not known.

        Args:
            message: as it was received.
            request: what it holds.
            settled: what needs nothing more of a letter when it is redriven.
            has_rest: whether something of the message can be read.
        """
        positions = frozenset[int]() if has_rest else None
        write = self._encoder.encode if len(request.unreadable) > 1 else encode
        for unreadable in request.unreadable:
            extent = _Extent(positions=positions, unreadable=unreadable.count)
            self._put(message, unreadable.source, settled, unreadable.reason, extent, write)
        message.readable = partial(encode, request.source)

    def put(
        self,
        message: Message,
        rest: Remainder,
        reason: str,
        *,
        positions: Collection[int] = (),
        scope: Scope = EVERYTHING,
    ) -> None:
        """Have a part of a message dead-lettered.

        Args:
            message: the message.
            rest: the part.
            reason: why.
            positions: of its items in the message's plan.
            scope: what it may still write when it is redriven.
        """
        extent = _Extent(positions=frozenset(positions), scope=scope)
        self._put(message, rest.source, rest.settled, reason, extent)

    def track(self, deadline: Deadline) -> None:
        """Track what the letters may still write. Those that are on the dead-letter queue already are left out."""
        known = self._known(deadline)
        for part in self._parts:
            if part.id in known:
                self._settle(part)
            elif part.message.record.group_id:
                self.tracking.lose(part.message.record.group_id, part.extent.scope)
        self._parts[:] = [part for part in self._parts if part.id not in known]
        self.tracking.store(deadline)
        for part in self._parts:
            group = part.message.record.group_id
            if failure := group and self.tracking.failure(group, part.extent.scope):
                self.failures.setdefault(part.message, failure)

    def send(self, deadline: Deadline) -> None:
        """Send the letters, save those of messages that come again because something of them is not stored."""
        parts = [part for part in self._parts if part.message not in self.failures]
        missing = self.dead_letters.put([part.letter for part in parts], deadline) if parts else {}
        sent = [part for part in parts if part.id not in missing]
        for part in parts:
            if part.id in missing:
                self.failures.setdefault(part.message, missing[part.id])
        self._note(sent, deadline)

    def _note(self, sent: Sequence[_Part], deadline: Deadline) -> None:
        if not sent:
            return
        self.ledger.note_dead_lettered([part.id for part in sent], deadline.later(NOTE_SECONDS - LETTER_SECONDS))
        for part in sent:
            self._settle(part)
            cause = part.letter.cause
            self.batch.telemetry.count("DeadLettered")
            if part.extent.unreadable:
                self.batch.telemetry.count("Unreadable", part.extent.unreadable)
            self.batch.warn(
                "dead-lettered",
                part.message,
                cause.request,
                queue=part.letter.queue,
                reason=reason_text(cause.reason),
            )

    def _settle(self, part: _Part) -> None:
        if part.extent.positions is None:
            self.gone.add(part.message)
        else:
            self.stored.setdefault(part.message, set()).update(part.extent.positions)

    def _known(self, deadline: Deadline) -> set[str]:
        """Return which letters are on the dead-letter queue already.

        Messages of which that is unknown come again, unless SQS would delete them soon: better two letters than none.
        """
        again = [part for part in self._parts if part.message.record.receive_count > 1]
        if not again:
            return set()
        try:
            return self.ledger.dead_lettered([part.id for part in again], deadline)
        except DeliveryError as error:
            young = [part.message for part in again if not self.batch.is_too_old(part.message)]
            self.failures.update((message, str(error)) for message in young)
            return set()

    def _track_now(self, message: Message, deadline: Deadline) -> None:
        group, scope = message.record.group_id or "", _scope_of(message)
        self.tracking.lose(group, scope)
        self.tracking.store(deadline)
        if failure := self.tracking.failure(group, scope):
            raise DeliveryError(failure)

    def _put(
        self,
        message: Message,
        body: str | Json,
        settled: str,
        reason: str,
        extent: _Extent,
        write: Callable[[Json], str] = encode,
    ) -> None:
        cause = Cause(
            reason=reason,
            attempts=message.attempts or message.progress.attempts + 1,
            request=message.request,
            queue_position=str(QueuePosition.of(message.record)),
            settled=settled,
        )
        letter = Letter(record=message.record, body=body, cause=cause, encode=write)
        self._parts.append(_Part(message=message, letter=letter, extent=extent))


def _scope_of(message: Message) -> Scope:
    """Return what a message may write of which there is no plan."""
    if message.request is None:
        return EVERYTHING
    return Scope(keys=frozenset(tracked_keys(message.request)), states=True)
