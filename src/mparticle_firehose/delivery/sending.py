"""Sends calls and settles each of their items by its own outcome."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from mparticle_firehose.delivery.asking import NEEDS_SEVERAL_CALLS, OUTCOMES, Asking
from mparticle_firehose.delivery.merging import Call
from mparticle_firehose.delivery.plan import Pending
from mparticle_firehose.delivery.side_by_side import SideBySide
from mparticle_firehose.integration import Alone, Delivered, Outcome, Rejected, Retry, Split, Suspend, Target, index_in
from mparticle_firehose.integration.auth import belongs_to_deployment
from mparticle_firehose.services import CIRCUIT_OPEN, OUT_OF_TIME, SECRET_REFUSED

MAX_CALLS_A_TREE = 64
"""Calls in one invocation to find the items for which a call is refused. The rest is asked in the next one."""

BEHIND_ANOTHER = "behind_another"
"""The reason of a Retry for an item whose user has an earlier one that waits."""

REFUSED_WITH_OTHERS = "refused_with_others"
"""The reason of a Retry for an item of a refused call, when the calls of this invocation are used up."""

_NOT_BEGUN = frozenset({OUT_OF_TIME, CIRCUIT_OPEN, NEEDS_SEVERAL_CALLS})


@dataclass(slots=True)
class Delivery:
    """The calls of one invocation.

    Attributes:
        asking: asks the partner.
        in_order: whether a user's order holds between messages, as on a FIFO queue, or only within each.
    """

    asking: Asking
    in_order: bool = False
    _held: set[tuple[str, str, str]] = field(default_factory=set, init=False)

    def deliver(self, calls: Sequence[Call], executor: Executor | None = None) -> None:
        """Send the calls: with an executor side by side, as far as their order allows, else one after another."""
        if executor is None or len(calls) == 1:
            for call in calls:
                self._deliver(call)
            return
        SideBySide(calls, self._deliver, executor).run()

    def _deliver(self, call: Call) -> None:
        """Send a call. What is refused without saying for which item is halved, left half first."""
        stack, calls = [call.items], 0
        max_calls = 1 if self.asking.makes_one_call else MAX_CALLS_A_TREE
        while stack:
            items = self._due(stack.pop())
            if not items:
                continue
            if calls >= max_calls:
                self._settle_all(items, Retry(REFUSED_WITH_OTHERS))
                continue
            calls += 1
            try:
                known, rest = self.asking.ask(call.endpoint, call.target, items)
            except Exception as error:  # noqa: BLE001  an integration may raise anything
                known, rest = {}, self.asking.failed(call.endpoint, error)
            stack += self._settle(call, items, known, rest)

    def _due(self, items: Sequence[Pending]) -> list[Pending]:
        """Return the items that may be asked now, and give the others their outcome."""
        gate = self.asking.gates.hold(items[0].item.target)
        if gate is None and not self._held:
            return list(items)
        due = []
        for pending in items:
            held = self._hold(pending, gate)
            if held is None:
                due.append(self._without_held_riders(pending))
            else:
                self._note(pending, held, was_tried=False)
        return due

    def _hold(self, pending: Pending, gate: Retry | Suspend | None) -> Retry | Suspend | None:
        is_behind = self._order_of(pending) in self._held and not isinstance(gate, Suspend)
        return Retry(BEHIND_ANOTHER) if is_behind else gate

    def _without_held_riders(self, pending: Pending) -> Pending:
        """Take off the riders of users who have an earlier item that waits."""
        for rider in list(pending.riders):
            if self._hold(rider, None):
                pending.riders.remove(rider)
                self._note(rider, Retry(BEHIND_ANOTHER), was_tried=False)
        return pending

    def _settle(
        self, call: Call, items: Sequence[Pending], known: Mapping[int, Outcome], rest: Outcome
    ) -> list[list[Pending]]:
        """Give the items their outcomes, and return what is to be sent again at once, the last first."""
        if not known and isinstance(rest, Delivered):
            self._settle_all(items, rest)
            return []
        usable = {index: outcome for index, outcome in known.items() if index_in(index, len(items)) is not None}
        if len(usable) < len(known):
            unusable = len(known) - len(usable)
            self.asking.telemetry.warn("unusable failure index", {"endpoint": call.endpoint.name, "indexes": unusable})
        others = [pending for index, pending in enumerate(items) if index not in usable]
        named = [(items[index], self._meaning(call, items, outcome)) for index, outcome in sorted(usable.items())]
        return [*self._settle_rest(call, items, others, rest), *reversed(self._settle_named(named))]

    def _meaning(self, call: Call, items: Sequence[Pending], outcome: Outcome) -> Outcome:
        """Return the outcome of an item for which an answer names this one."""
        match outcome:
            case Alone(reason) | Split(reason) if len(items) == 1:
                return Rejected(reason)
            case Suspend(reason):  # the call succeeded, so that the credential works
                return Rejected(reason)
            case _ if isinstance(outcome, OUTCOMES):
                return outcome
            case _:
                return self.asking.failed(call.endpoint, "a failure is no outcome")

    def _settle_named(self, named: Sequence[tuple[Pending, Outcome]]) -> list[list[Pending]]:
        """Settle the items that an answer names. Return those that are to be sent again at once, in their order."""
        settles = any(isinstance(outcome, Delivered | Rejected) for _, outcome in named)
        again: list[list[Pending]] = []
        has_room = False  # whether the last call of these takes a further item
        for pending, outcome in named:
            match outcome:
                case Alone() | Split():
                    pending.limit = 1
                    again.append([pending])
                    has_room = False
                case Retry(after=0) if settles:
                    again += [] if has_room else [[]]
                    again[-1].append(pending)
                    has_room = True
                case _:
                    self._note(pending, outcome)
        return again

    def _settle_rest(
        self, call: Call, items: Sequence[Pending], others: Sequence[Pending], rest: Outcome
    ) -> list[list[Pending]]:
        match rest:
            case Alone() | Split() if len(others) > 1:
                half = (len(others) + 1) // 2
                for pending in others:
                    pending.limit = min(pending.limit, half)
                return [list(others[half:]), list(others[:half])]
            case Alone(reason) | Split(reason) if len(items) == 1:
                self._settle_all(others, Rejected(reason))
            case Alone() | Split():
                for pending in others:
                    pending.limit = 1
                return [[pending] for pending in others]
            case Suspend() if belongs_to_deployment(call.target.auth):  # no customer can mend it
                self._settle_all(others, Retry(SECRET_REFUSED))
            case Suspend(reason):
                self._suspend(call.target, others, reason)
            case _:
                self._settle_all(others, rest)
        return []

    def _suspend(self, target: Target, items: Sequence[Pending], reason: str) -> None:
        self.asking.telemetry.count("Suspended")
        of_all = (each.envelope for pending in items for each in (pending, *pending.riders))
        self.asking.gates.refuse(target, dict.fromkeys(of_all), reason)
        self._settle_all(items, Suspend(reason))

    def _settle_all(self, items: Sequence[Pending], outcome: Outcome) -> None:
        was_tried = not (isinstance(outcome, Retry) and outcome.reason in _NOT_BEGUN)
        for pending in items:
            self._note(pending, outcome, was_tried=was_tried)

    def _note(self, pending: Pending, outcome: Outcome, *, was_tried: bool = True) -> None:
        pending.outcome, pending.was_tried = outcome, was_tried
        for rider in pending.riders:
            rider.limit = pending.limit
            self._note(rider, outcome, was_tried=was_tried)
        if not pending.is_settled:
            self._held.add(self._order_of(pending))

    def _order_of(self, pending: Pending) -> tuple[str, str, str]:
        return (*pending.user_in_lane, "" if self.in_order else pending.envelope.source)
