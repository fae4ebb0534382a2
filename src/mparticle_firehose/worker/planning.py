"""Makes the plans of a batch. What a newer change has written already is left out of redriven messages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import Pending, Plan, Planner
from mparticle_firehose.delivery.sending import BEHIND_ANOTHER
from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import Origin, Rejected
from mparticle_firehose.protocol import QueuedRequest, Serializer
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.dead_lettering import DeadLettering
from mparticle_firehose.worker.last_write_wins import (
    QueuePosition,
    Stale,
    keys_read,
    stale_parts,
    state_key,
    state_keys,
    tracked_keys,
    versions_of,
    without,
)
from mparticle_firehose.worker.order_tracking import OrderTracking, Scope
from mparticle_firehose.worker.reading import queued


@dataclass(frozen=True, kw_only=True)
class Planning:
    """Makes the plans of one batch.

    Attributes:
        deadline: when to stop asking the ledger.
        newest: the newest delivered version of what redriven messages may write, by key.
        planned: the newest version that messages of this batch are about to write, by key.
    """

    batch: Batch
    planner: Planner
    serializer: Serializer
    ledger: Ledger
    tracking: OrderTracking
    dead_lettering: DeadLettering
    deadline: Deadline
    newest: dict[str, str] = field(default_factory=dict)
    planned: dict[str, str] = field(default_factory=dict)

    def plan(self) -> None:
        """Set the plan of each message that has been read, and look up what of the plans must be written down."""
        self.batch.guard(self._redriven, self._look_up_newest)
        self._plan_all()
        self._look_up_tracked()

    def _plan_all(self) -> None:
        failed_groups: set[str] = set()
        for message in self.batch.messages:
            group = message.record.group_id
            if group in failed_groups:
                message.fail(BEHIND_ANOTHER, counts=False, wait=0)
            elif message.retry_reason is None and message.request:
                self.batch.guard([message], partial(self._plan, message, message.request))
            if message.retry_reason and group and not message.plan:
                failed_groups.add(group)  # whose users it is about is not known

    @cached_property
    def _redriven(self) -> list[Message]:
        return [message for message in self.batch.messages if message.record.redriven_at and message.record.group_id]

    def _look_up_newest(self) -> None:
        requests = [message.request for message in self._redriven if message.request]
        keys = [key for request in requests for key in keys_read(request)]
        self.newest.update(self.ledger.newest(keys, self.deadline))

    def _look_up_tracked(self) -> None:
        """Read which deliveries must be written down, in groups of which only some must be."""
        planned = [message for message in self.batch.messages if message.plan and message.retry_reason is None]
        some = [message for message in planned if self.tracking.of_keys(message.record.group_id)]
        keys = [key for message in some if message.plan for key in _may_be_tracked(message.plan)]
        if keys:
            self.batch.guard(some, partial(self.tracking.look_up, keys, self.deadline))

    def _plan(self, message: Message, request: QueuedRequest) -> None:
        is_redriven = message in self._redriven
        position = QueuePosition.of(message.record)
        stale = stale_parts(request, position, self.newest) if is_redriven else {}
        try:
            plan = message.plan = self._planned(message, request, stale)
        except SettingError as error:
            self.dead_lettering.put_whole(message, str(error))
            return
        if not self._redriven:
            return
        old = self._leave_old_state_out(plan, position) if is_redriven else []
        if is_redriven and self._is_behind_newer(plan, position):
            scope = Scope(keys=frozenset(_may_be_tracked(plan)))
            self.tracking.lose(message.record.group_id or "", scope)  # it may have been moved without being tracked
            message.fail(BEHIND_ANOTHER, counts=False, wait=0)
            return
        for key, version in versions_of(_to_be_written(plan), plan.request, position).items():
            self.planned[key] = max(version, self.planned.get(key, ""))
        if stale or old:
            self.batch.log("superseded", message)
            self.batch.telemetry.count("Superseded")

    def _is_behind_newer(self, plan: Plan, position: QueuePosition) -> bool:
        """Return whether a newer change of what a redriven message writes is ahead of it in the batch.

        Whether that one will be delivered is not known yet. If it is, the ledger has its version at the next receive.
        """
        written = _to_be_written(plan)
        covered = {origin for pending in written for origin in pending.item.covers}
        if not covered.isdisjoint(stale_parts(plan.request, position, self.planned)):
            return True
        version = position.version(plan.request.timestamp_ms)
        return any(self.planned.get(state_key(each), "") > version for each in written if not each.item.covers)

    def _planned(self, message: Message, request: QueuedRequest, stale: Stale) -> Plan:
        """Return a message's plan without what is stale.

        Items of stale changes are left out of the plan of the whole, so that its positions stay what they are. Changes
        are cut off before the mapping only if one item covers them and others.
        """
        if not stale:
            return self._plan_of(message, request)
        gone = _gone(stale)
        plan = self._plan_of(message, self._cut(request, {each: stale[each] for each in stale.keys() - gone}))
        over = [position for position, each in enumerate(plan.planned) if gone.intersection(each.covers)]
        if not gone.issuperset(origin for position in over for origin in plan.planned[position].covers):
            return self._plan_of(message, self._cut(request, stale))
        if over:
            plan.leave_out(over)
        return plan

    def _plan_of(self, message: Message, request: QueuedRequest) -> Plan:
        record = message.record
        message.request = request
        attempt = f"{record.message_id}#{record.receive_count}"
        return self.planner.plan(request, source=record.message_id, attempt=attempt, progress=message.progress)

    def _cut(self, request: QueuedRequest, stale: Stale) -> QueuedRequest:
        return queued(self.serializer.parse(without(request.source, stale))) if stale else request

    def _leave_old_state_out(self, plan: Plan, position: QueuePosition) -> list[int]:
        """Leave out a redriven state if a newer one was delivered. Return its position."""
        states = {state_key(pending): pending.position for pending in plan.pending if not pending.item.covers}
        version = position.version(plan.request.timestamp_ms)
        newest = self.ledger.newest(states, self.deadline) if states else {}
        old = [place for key, place in states.items() if newest.get(key, "") > version]
        if old:
            plan.leave_out(old)
        return old


def _to_be_written(plan: Plan) -> list[Pending]:
    """Return what this batch may deliver of a plan, and what was delivered before without its version being stored."""
    return [pending for pending in plan.pending if not isinstance(pending.outcome, Rejected)]


def _gone(stale: Stale) -> frozenset[Origin]:
    return frozenset(origin for origin, attributes in stale.items() if attributes is None)


def _may_be_tracked(plan: Plan) -> Iterator[str]:
    yield from tracked_keys(plan.request)
    yield from state_keys(plan)
