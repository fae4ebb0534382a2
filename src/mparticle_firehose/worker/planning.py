"""Makes the plans of a batch. Of redriven messages only what no newer change has written is left in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import Plan, Planner
from mparticle_firehose.delivery.sending import BEHIND_ANOTHER
from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import Origin
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
    versions_written,
    without,
)
from mparticle_firehose.worker.order_tracking import OrderTracking
from mparticle_firehose.worker.reading import queued


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """Makes the plans of one batch.

    Attributes:
        deadline: when to stop asking the ledger.
        newest: the newest version of what redriven messages may write, as far as it is delivered, by key.
        planned: the same of what earlier messages of the batch write if they are delivered.
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
            if message.retry_reason and group:
                failed_groups.add(group)  # whose users it is about is not known

    @property
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

    def _stale(self, message: Message, request: QueuedRequest) -> Stale | None:
        """Return what newer changes have written of a redriven message; None if that is not known yet.

        What a newer change of the same batch writes may be refused. So the redriven message is delivered again, when it
        is known what has become of that.
        """
        if not self._redriven:
            return {}
        position = QueuePosition.of(message.record)
        stale: Stale = {}
        if message.record.redriven_at:
            stale = stale_parts(request, position, self.newest)
            if stale_parts(request, position, _newer(self.newest, self.planned)) != stale:
                return None
        self._note_planned(versions_written(request, position, left_out=_gone(stale)))
        return stale

    def _note_planned(self, versions: Mapping[str, str]) -> None:
        self.planned.update(_newer(self.planned, versions))

    def _plan(self, message: Message, request: QueuedRequest) -> None:
        stale = self._stale(message, request)
        if stale is None:
            message.fail(BEHIND_ANOTHER, counts=False, wait=0)
            return
        try:
            message.plan = self._planned(message, request, stale)
        except SettingError as error:
            self.dead_lettering.put_whole(message, str(error))
            return
        if stale:
            self.batch.log("superseded", message)
            self.batch.telemetry.count("Superseded")
        if self._redriven and message.record.group_id:
            self._leave_old_state_out(message, message.plan)

    def _planned(self, message: Message, request: QueuedRequest, stale: Stale) -> Plan:
        """Return a message's plan without what is stale.

        Items of stale changes are left out of the plan of the whole, so that its positions stay what they are. Changes
        are cut off before the mapping only if one item covers them and others.
        """
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

    def _leave_old_state_out(self, message: Message, plan: Plan) -> None:
        """Leave out a redriven state that a newer one has replaced. One of the batch may be refused, see `_stale`."""
        states = {state_key(pending): pending.position for pending in plan.pending if not pending.item.covers}
        version = QueuePosition.of(message.record).version(plan.request.timestamp_ms)
        if states and message.record.redriven_at:
            delivered = self.ledger.newest(states, self.deadline)
            old = [position for key, position in states.items() if delivered.get(key, "") > version]
            if not old and any(self.planned.get(key, "") > version for key in states):
                message.plan = None
                message.fail(BEHIND_ANOTHER, counts=False, wait=0)
                return
            if old:
                plan.leave_out(old)
                self.batch.telemetry.count("Superseded")
        self._note_planned(dict.fromkeys(states, version))


def _newer(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Return the newer version of each key."""
    return {key: max(one.get(key, ""), other.get(key, "")) for key in one.keys() | other.keys()}


def _gone(stale: Stale) -> frozenset[Origin]:
    return frozenset(origin for origin, attributes in stale.items() if attributes is None)


def _may_be_tracked(plan: Plan) -> Iterator[str]:
    yield from tracked_keys(plan.request)
    yield from state_keys(plan)
