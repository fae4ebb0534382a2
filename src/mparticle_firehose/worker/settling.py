"""Settles a message after its items have been sent: letters, what is remembered, and when it comes again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.gates import RATE_LIMITED, SUSPENDED
from mparticle_firehose.delivery.plan import Pending, Plan, Planner
from mparticle_firehose.delivery.remainder import Parse, rejections, remainder
from mparticle_firehose.delivery.sending import BEHIND_ANOTHER
from mparticle_firehose.integration import Delivered, Rejected, Retry, Suspend
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.time_limits import LETTER_SECONDS
from mparticle_firehose.services import CIRCUIT_OPEN, OUT_OF_TIME, Remainder
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.tables.progress import Progress
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.dead_lettering import DeadLettering
from mparticle_firehose.worker.last_write_wins import (
    QueuePosition,
    state_keys,
    tracked_keys,
    versions_of,
)
from mparticle_firehose.worker.order_tracking import OrderTracking, Scope

_HELD_BACK = frozenset({RATE_LIMITED, CIRCUIT_OPEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Settles the messages of one batch.

    Attributes:
        max_attempts: how often the delivery of one message is tried. At the limit, what has failed in the invocation is
            given up; what was only held back begins anew.
    """

    batch: Batch
    planner: Planner
    parse: Parse
    dead_lettering: DeadLettering
    tracking: OrderTracking
    ledger: Ledger
    backoff: Backoff
    max_attempts: int

    def settle(self, message: Message, plan: Plan) -> None:
        """Decide what becomes of a message: what is refused or given up is to be dead-lettered."""
        if plan.unsettled:
            _put_suspended_aside(plan)
        failed = [pending for pending in plan.unsettled if pending.was_tried]
        message.attempts = message.progress.attempts + bool(failed)
        if self._is_given_up(message, failed):
            message.is_given_up = True
            for pending in failed or plan.unsettled:
                pending.outcome = Rejected(_reason(pending))
        for reason, positions in rejections(plan).items():
            rest = remainder(plan, positions, self.planner, self.parse)
            self.dead_lettering.put(message, rest, reason, positions=positions, scope=_scope(plan, rest, positions))

    def count_attempt(self, message: Message) -> None:
        """Count an attempt that failed before its items could be settled. One that failed too often is given up."""
        attempts = message.progress.attempts + 1
        if attempts >= self.max_attempts and not self.batch.is_too_old(message):
            self.dead_lettering.put_whole(message, message.retry_reason or "")
        message.progress = replace(message.progress, attempts=attempts)

    def give_up_old(self, message: Message) -> None:
        """Give up a message that is too old to come again, for whatever reason it would."""
        if message.retry_reason is not None and self.batch.is_too_old(message):
            self.dead_lettering.put_whole(message, message.retry_reason)

    def store(self, sent: Sequence[Message], deadline: Deadline) -> None:
        """Store what the messages have come to, in few calls, and have those delivered again of which anything is left.

        Each step is taken for the whole batch, and costs only the messages of which something is not stored. Versions
        are stored before letters leave, also of messages whose letters cannot: what is refused now may leave later.

        Args:
            sent: messages whose items have been sent.
            deadline: of the delivery.
        """
        deadline = deadline.later(LETTER_SECONDS)
        self.dead_lettering.track(deadline)
        unwritten = self._store_versions(sent, deadline)
        self.dead_lettering.send(deadline)
        for message in sent:
            if message.plan:
                self.batch.guard([message], partial(self._report_delivered, message, message.plan))
                self._conclude(message, message.plan, unwritten=message in unwritten)
        for message in self.dead_lettering.gone:
            message.retry_reason = None
        for message, failure in self.dead_lettering.failures.items():
            message.fail(failure, counts=False, wait=0.0 if failure == OUT_OF_TIME else None)

    def _conclude(self, message: Message, plan: Plan, *, unwritten: bool) -> None:
        """Note how far a message has come that comes again.

        What is refused is settled once it is in a letter, and not asked again.
        """
        left = plan.unsettled
        is_stored = message.retry_reason is None and message not in self.dead_lettering.failures
        if is_stored and not left:
            return  # it is done
        delivered = plan.delivered()
        attempts = 0 if message.is_given_up and is_stored else max(message.attempts, message.progress.attempts)
        settled = delivered | self.dead_lettering.stored.get(message, set())
        later = delivered - plan.progress.settled | plan.progress.unwritten if unwritten else frozenset[int]()
        message.progress = _progress(plan, attempts, settled=settled, unwritten=later)
        if left and is_stored:
            message.fail(_reason(left[0]), counts=False, wait=self._wait(left, attempts))

    def _is_given_up(self, message: Message, failed: list[Pending]) -> bool:
        return (bool(failed) and message.attempts >= self.max_attempts) or self.batch.is_too_old(message)

    def _store_versions(self, sent: Sequence[Message], deadline: Deadline) -> set[Message]:
        """Store what delivered items have written of what is tracked. Return the messages of which it is not stored."""
        versions = {message: self._versions(message, message.plan) for message in sent if message.plan}
        newest: dict[str, str] = {}
        for written in versions.values():
            newest |= {key: max(version, newest.get(key, "")) for key, version in written.items()}
        missing = self.ledger.note_delivered(newest, deadline) if newest else {}
        unwritten = {message for message, written in versions.items() if not missing.keys().isdisjoint(written)}
        for message in unwritten:
            failure = next(missing[key] for key in versions[message] if key in missing)
            self.dead_lettering.failures.setdefault(message, failure)
        return unwritten

    def _versions(self, message: Message, plan: Plan) -> dict[str, str]:
        """Return what the delivered items of a message have written of what is tracked."""
        group = message.record.group_id
        if not self.tracking.is_any_tracked(group):
            return {}
        delivered = [pending for pending in plan.pending if isinstance(pending.outcome, Delivered)]
        versions = versions_of(delivered, plan.request, QueuePosition.of(message.record))
        return {key: version for key, version in versions.items() if self.tracking.is_tracked(group, key)}

    def _report_delivered(self, message: Message, plan: Plan) -> None:
        delivered = sum(pending.was_tried and isinstance(pending.outcome, Delivered) for pending in plan.pending)
        if not delivered:
            return
        telemetry = self.batch.telemetry
        telemetry.count("Delivered", delivered)
        telemetry.measure("QueueAge", max(0, int(self.batch.clock() * 1000) - message.record.sent_at_ms))
        request = plan.request
        if request.id:
            telemetry.list_delivered(str(request.type), str(request.id))

    def _wait(self, left: list[Pending], attempts: int) -> float:
        """Return the seconds that a message waits: what it is asked to wait for its items, else a growing time."""
        waits = [_asked_wait(pending) for pending in left if pending.was_tried or _reason(pending) in _HELD_BACK]
        if any(pending.was_tried and not _asked_wait(pending) for pending in left):
            waits.append(self.backoff.seconds(attempts))
        return max(waits, default=0.0)


def _put_suspended_aside(plan: Plan) -> None:
    """Reject items with a refused credential, and those that wait behind them: they would hold back others for days."""
    lanes = {pending.user_in_lane for pending in plan.unsettled if isinstance(pending.outcome, Suspend)}
    for pending in plan.unsettled:
        if isinstance(pending.outcome, Suspend):
            pending.outcome = Rejected(pending.outcome.reason)
        elif _reason(pending) == BEHIND_ANOTHER and pending.user_in_lane in lanes:
            pending.outcome = Rejected(SUSPENDED)


def _scope(plan: Plan, rest: Remainder, positions: Collection[int]) -> Scope:
    """Return what a letter may still write: all that its elements say, whatever needs nothing more by this mapping."""
    is_whole = rest.source is plan.request.source
    origins = {origin for position in positions for origin in plan.planned[position].covers}
    keys = tracked_keys(plan.request, None if is_whole else origins)
    return Scope(keys=frozenset(keys) | state_keys(plan))


def _progress(plan: Plan, attempts: int, *, settled: frozenset[int], unwritten: frozenset[int]) -> Progress:
    limits = {
        pending.position: pending.limit for pending in plan.unsettled if pending.limit < pending.item.endpoint.max_items
    }
    refused: dict[str, frozenset[int]] = {}
    for pending in plan.pending:
        if isinstance(pending.outcome, Rejected) and pending.position not in settled:
            reason = pending.outcome.reason
            refused[reason] = refused.get(reason, frozenset()) | {pending.position}
    return Progress(
        fingerprint=plan.fingerprint,
        settled=settled,
        limits=limits,
        attempts=attempts,
        unwritten=unwritten,
        refused=refused,
    )


def _reason(pending: Pending) -> str:
    outcome = pending.outcome
    return outcome.reason if isinstance(outcome, Retry | Rejected | Suspend) else ""


def _asked_wait(pending: Pending) -> float:
    """Return the seconds that the partner asks to wait; 0, if it asks for none, leaves it to the backoff."""
    return (isinstance(pending.outcome, Retry) and pending.outcome.after) or 0.0
