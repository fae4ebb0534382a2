"""Settles a message after its items have been sent: letters, what is remembered, and when it comes again."""

from dataclasses import dataclass

from mparticle_firehose.delivery.gates import RATE_LIMITED, SUSPENDED
from mparticle_firehose.delivery.plan import Pending, Plan, Planner
from mparticle_firehose.delivery.remainder import Parse, rejections, remainder
from mparticle_firehose.delivery.sending import BEHIND_ANOTHER
from mparticle_firehose.integration import Delivered, Rejected, Retry, Suspend
from mparticle_firehose.services import CIRCUIT_OPEN
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.tables.progress import Progress
from mparticle_firehose.worker.backoff import Backoff
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.dead_lettering import DeadLettering
from mparticle_firehose.worker.last_write_wins import QueuePosition, state_key, versions_written

MAX_AGE_SECONDS = 10 * 86_400
"""The maximum age of a message, whatever it waits for: SQS deletes it silently after fourteen days."""

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
    ledger: Ledger
    backoff: Backoff
    max_attempts: int

    def settle(self, message: Message, plan: Plan) -> None:
        """Dead-letter what is refused or given up, and have the message delivered again if anything is left.

        Raises:
            DeliveryError: a letter or a version could not be stored.
        """
        if plan.unsettled:
            _put_suspended_aside(plan)
        failed = [pending for pending in plan.unsettled if pending.was_tried]
        attempts = message.attempts = message.progress.attempts + bool(failed)
        if self._is_given_up(message, failed, attempts):
            for pending in failed or plan.unsettled:
                pending.outcome = Rejected(_reason(pending))
            attempts = 0
        try:
            self._store(message, plan)
        except Exception:
            message.progress = _progress(plan, attempts, plan.delivered())
            raise
        self._report_delivered(message, plan)
        left = plan.unsettled
        if left:
            message.progress = _progress(plan, attempts, plan.settled())
            message.fail(_reason(left[0]), counts=False, wait=self._wait(left, attempts))

    def give_up_unplanned(self, message: Message) -> bool:
        """Dead-letter a message without a plan that has failed too often or is too old; return whether it has.

        Raises:
            DeliveryError: it is not stored.
        """
        attempts = message.progress.attempts + 1
        if not (attempts >= self.max_attempts or self._is_too_old(message)):
            return False
        self.dead_lettering.put_whole(message, message.retry_reason or "")
        return True

    def _is_given_up(self, message: Message, failed: list[Pending], attempts: int) -> bool:
        return (bool(failed) and attempts >= self.max_attempts) or self._is_too_old(message)

    def _is_too_old(self, message: Message) -> bool:
        return self.batch.clock() - message.record.sent_at_ms / 1000 > MAX_AGE_SECONDS

    def _store(self, message: Message, plan: Plan) -> None:
        """Store what delivered items have written, and the letters of those that are refused."""
        refused = rejections(plan)
        if refused:
            self.dead_lettering.track_order(message.record.group_id)
        self._store_versions(message, plan)
        for reason, positions in refused.items():
            rest = remainder(plan, positions, self.planner, self.parse)
            self.dead_lettering.put(message, rest, reason)

    def _store_versions(self, message: Message, plan: Plan) -> None:
        """Store what delivered items have written, in groups of which an older change may be redriven."""
        if message.record.group_id not in self.dead_lettering.order_tracked:
            return
        delivered = [pending for pending in plan.pending if isinstance(pending.outcome, Delivered)]
        position = QueuePosition.of(message.record)
        covered = {origin for pending in delivered for origin in pending.item.covers}
        states = [state_key(pending) for pending in delivered if not pending.item.covers]
        versions = versions_written(plan.request, position, covered)
        versions |= dict.fromkeys(states, position.version(plan.request.timestamp_ms))
        if versions:
            self.ledger.note_delivered(versions)

    def _report_delivered(self, message: Message, plan: Plan) -> None:
        delivered = sum(isinstance(pending.outcome, Delivered) for pending in plan.pending)
        if not delivered:
            return
        telemetry = self.batch.telemetry
        telemetry.count("Delivered", delivered)
        telemetry.measure("QueueAge", max(0, int(self.batch.clock() * 1000) - message.record.sent_at_ms))
        self.batch.log("delivered", message, items=delivered)

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


def _progress(plan: Plan, attempts: int, settled: frozenset[int]) -> Progress:
    limits = {
        pending.position: pending.limit for pending in plan.unsettled if pending.limit < pending.item.endpoint.max_items
    }
    return Progress(fingerprint=plan.fingerprint, settled=settled, limits=limits, attempts=attempts)


def _reason(pending: Pending) -> str:
    outcome = pending.outcome
    return outcome.reason if isinstance(outcome, Retry | Rejected | Suspend) else ""


def _asked_wait(pending: Pending) -> float:
    """Return the seconds that the partner asks to wait; 0, if it asks for none, leaves it to the backoff."""
    return (isinstance(pending.outcome, Retry) and pending.outcome.after) or 0.0
