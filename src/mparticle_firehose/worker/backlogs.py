"""Which accounts have a backlog, so that their messages are forwarded to the bulk queue, and how that keeps the order.

SQS looks for deliverable messages among the first 120,000 of a FIFO queue only. If one account has more than these in
the membership queue, all other accounts wait. So the messages of an account with a backlog are forwarded to a second
FIFO queue, the bulk queue, which the same worker empties. Each account has one of four phases, in this order:

- *none*: messages in the membership queue are delivered.
- *opening*: they are held back.
- *open*: they are forwarded. Those in the bulk queue are delivered, in this phase and in all others.
- *closing*: they are held back. Then the account has no phase again, or is open again if the bulk queue has messages.

**Why the order of a message group holds.** It would not if a message was delivered from the membership queue while an
earlier one of its group is in the bulk queue, or if it was forwarded while an earlier one is delivered. Three facts
exclude both:

1. What an environment does with a batch it decides by phases that it has read at most REFRESH_SECONDS before.
2. SQS hands out no message of a group while it has handed out an earlier one and that is neither deleted nor visible
   again. So what is done with a batch has ended before anything is done with the next one of its group. An invocation
   ends at the latest with the worker's timeout, which is a sixth of the visibility timeout. Only one that begins over
   five minutes after Lambda has received its batch could outlast that; no FIFO queue keeps the order then.
3. Phases are changed by conditional writes: one is stored only if no phase was changed since the environment read them.

*Opening.* A batch that is delivered was decided on by a read before the account was opening, so it begins at most
REFRESH_SECONDS after that write. The account becomes open only if one environment has seen it opening for
HOLD_SECONDS, which is longer. So when the first batch is forwarded, no other one begins to be delivered any more, and
by the second fact those of its group that have begun are over.

*Closing.* A batch that is forwarded was decided on by a read before the account was closing, and ends within
REFRESH_SECONDS and the worker's timeout. Since then nothing has come into the bulk queue. What SQS counts a minute
later has all that is in it. If that is nothing, and no other account has been open meanwhile, everything is delivered,
and the account may have no phase again.

This needs no common clock: an environment compares times of its own only. It needs clocks that measure some seconds and
minutes correctly, to within MARGIN_SECONDS.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.counts import Counted, Counts
from mparticle_firehose.queues.record import Record
from mparticle_firehose.services import Telemetry
from mparticle_firehose.tables.forwarding import ForwardedAccounts, Forwarding, Phase

REFRESH_SECONDS = 5.0
"""How long phases are used that were read. They are read with the first batch after that."""

MARGIN_SECONDS = 5.0
"""By how much two spans of time may differ that are the same, measured by two environments."""

HOLD_SECONDS = REFRESH_SECONDS + MARGIN_SECONDS
"""How long an account is at least opening."""

WORKER_TIMEOUT_SECONDS = 60.0
"""The timeout of the worker's function: no batch takes longer."""

COUNTING_SECONDS = 60.0
"""After so long SQS's counts have all that was sent."""

CLOSING_SECONDS = REFRESH_SECONDS + WORKER_TIMEOUT_SECONDS + COUNTING_SECONDS + MARGIN_SECONDS
"""How long an account is at least closing."""

CHECK_SECONDS = 10.0
"""How long an environment waits between two looks at the bulk queue while an account is open."""

MIN_EMPTY_CHECKS = 4
"""So many looks in a row must find the bulk queue empty. While the messages of a closing account are held back, they
wait, so that must not begin while many come: then a look finds some of them in the bulk queue."""

DEPTH_SECONDS = 5.0
"""How long an environment waits between two looks at the membership queue."""

FULL_BATCH = 10
"""The messages of a batch of a FIFO queue, at most. SQS fills it with messages of one group as far as there are any."""

MIN_BACKLOG_SECONDS = 20.0
"""A batch whose oldest message was queued more recently is no sign of a backlog: it is delivered in less time than its
account would be held back. Ten groups deliver 13,000 messages in this time."""

MIN_FULL_BATCHES = 5
OBSERVED_MESSAGES = 1_000
OBSERVED_SECONDS = 60.0
"""An account has a backlog if so many of an environment's batches were full of its old messages, among so many messages
and in so much time. An account that has fewer may wait for others: it is not the cause."""

MIN_BULK_QUEUE_AGE_SECONDS = 3 * 3_600.0
"""Nothing is forwarded sooner after the bulk queue was created: while the first release that has it is deployed,
environments of the release before deliver too, and these know no phases. The slowest deployment takes 100 minutes."""


class PhaseStore(Protocol):
    """The phases of accounts, shared by all environments. Each method raises DeliveryError if they are not known."""

    def read(self) -> ForwardedAccounts:
        """Return the present version."""

    def replace(self, seen: ForwardedAccounts, new: ForwardedAccounts) -> bool:
        """Store the next version, if the present one is still the seen one. Return whether it was stored."""


@dataclass(frozen=True, slots=True)
class _Observation:
    """A batch that this environment has received.

    Attributes:
        at: when.
        messages: how many it had.
        account: whose messages it was full of, if these were old.
    """

    at: float
    messages: int
    account: str | None


class Backlogs:
    """What one environment knows of the phases, and its part in changing them."""

    def __init__(
        self,
        *,
        store: PhaseStore,
        membership_queue: Counted,
        bulk_queue: Counted,
        threshold: int,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what an environment needs.

        Args:
            store: of the phases.
            membership_queue: counts its messages.
            bulk_queue: counts its messages.
            threshold: no account is opened while the membership queue has fewer visible messages; 0 opens none.
            telemetry: gets a line for each account that is opened, and for each that has no phase any more.
            clock: seconds since the epoch.
        """
        self._store = store
        self._membership_queue = membership_queue
        self._bulk_queue = bulk_queue
        self._threshold = threshold
        self._telemetry = telemetry
        self._clock = clock
        self._observed: deque[_Observation] = deque()
        self.forget()

    def forget(self) -> None:
        """Forget what is known: it is too old."""
        self._known = ForwardedAccounts()
        self._read_at: float | None = None
        self._seen: dict[str, tuple[Forwarding, float]] = {}
        self._empty_checks = 0
        self._checked_at = self._counted_at = float("-inf")
        self._observed.clear()

    def phases(self, records: Sequence[Record]) -> Mapping[str, Phase]:
        """Return the phases of the accounts that have one, for a batch of the membership queue that is now decided on.

        Raises:
            DeliveryError: they are not known. Nothing may then be done with the batch.
        """
        self._observe(records)
        if not self._is_fresh:
            self._refresh()
        if not self._is_fresh:
            raise DeliveryError("the phases of accounts could not be read in time")
        return self._known.phases

    @property
    def _is_fresh(self) -> bool:
        """Whether what is known may be used. The clock may have been set back."""
        return self._read_at is not None and 0 <= self._clock() - self._read_at < REFRESH_SECONDS

    def _refresh(self) -> None:
        """Read the phases, and change those that are due."""
        self._read_at, now = None, self._clock()
        self._take(self._store.read(), now)
        phases = self._known.phases
        if phases and (new := self._next(phases, now)) != phases:
            self._change(new)

    def _take(self, known: ForwardedAccounts, asked_at: float) -> None:
        """Take a version that was read, or stored, since the moment."""
        now = self._clock()
        if known.version != self._known.version:
            self._empty_checks = 0
        self._known, self._read_at = known, asked_at
        self._seen = {
            account: seen if (seen := self._seen.get(account)) and seen[0] == its else (its, now)
            for account, its in known.accounts.items()
        }

    # --- from phase to phase -----------------------------------------------------------------------------------------

    def _next(self, phases: Mapping[str, Phase], now: float) -> Mapping[str, Phase]:
        """Return the phases that may follow now."""
        opened = {
            account: Phase.OPEN if phase == Phase.OPENING and self._is_seen_for(account, HOLD_SECONDS, now) else phase
            for account, phase in phases.items()
        }
        closing = [account for account, phase in phases.items() if phase == Phase.CLOSING]
        if closing and all(self._is_seen_for(account, CLOSING_SECONDS, now) for account in closing):
            return self._closed(opened, closing, may_close=Phase.OPEN not in phases.values())
        if Phase.OPEN in phases.values() and self._is_bulk_queue_idle(now):
            return {account: Phase.CLOSING if phase == Phase.OPEN else phase for account, phase in phases.items()}
        return opened

    def _closed(self, phases: Mapping[str, Phase], closing: Sequence[str], *, may_close: bool) -> Mapping[str, Phase]:
        """Return the phases without the closing accounts if the bulk queue is empty; otherwise these are open again.

        Args:
            phases: that follow for the other accounts.
            closing: the accounts that are closing.
            may_close: whether no other account is open, whose messages come into the bulk queue.
        """
        counts = self._counts(self._bulk_queue)
        if counts is None:
            return phases
        if may_close and counts.is_empty:
            return {account: phase for account, phase in phases.items() if account not in closing}
        return {**phases, **dict.fromkeys(closing, Phase.OPEN)}

    def _is_seen_for(self, account: str, seconds: float, now: float) -> bool:
        _, since = self._seen[account]
        return now - since >= seconds

    def _is_bulk_queue_idle(self, now: float) -> bool:
        """Return whether the last looks have found the bulk queue empty. It takes a look itself if one is due."""
        if now - self._checked_at >= CHECK_SECONDS and (counts := self._counts(self._bulk_queue)):
            self._checked_at = now
            self._empty_checks = self._empty_checks + 1 if counts.is_empty else 0
        return self._empty_checks >= MIN_EMPTY_CHECKS

    def _change(self, phases: Mapping[str, Phase]) -> None:
        """Store these phases, unless another environment has changed them meanwhile."""
        seen, new, now = self._known, self._known.changed(phases), self._clock()
        try:
            if not self._store.replace(seen, new):
                return
        except DeliveryError as error:
            self._telemetry.note("phases not stored", {"reason": str(error)})
            return
        self._take(new, now)
        self._report(seen, new)

    def _report(self, seen: ForwardedAccounts, new: ForwardedAccounts) -> None:
        for account in new.accounts.keys() - seen.accounts.keys():
            self._telemetry.note("forwarding opened", {"account_id": account})
        for account in seen.accounts.keys() - new.accounts.keys():
            self._telemetry.note("forwarding closed", {"account_id": account})

    # --- which account has a backlog ---------------------------------------------------------------------------------

    def _observe(self, records: Sequence[Record]) -> None:
        """Take a batch as a sign of a backlog, or of none, and open its account if it has one."""
        now = self._clock()
        account = _full_of(records) if _is_old(records, now) else None
        self._observed.append(_Observation(now, len(records), account))
        self._forget_observed(now)
        if account and account not in self._known.accounts and self._is_busy(account) and self._is_deep(now):
            self._change({**self._known.phases, account: Phase.OPENING})

    def _forget_observed(self, now: float) -> None:
        while self._observed[0].at < now - OBSERVED_SECONDS:
            self._observed.popleft()

    def _is_busy(self, account: str) -> bool:
        """Return whether enough of the last batches were full of an account's messages."""
        messages = full = 0
        for each in reversed(self._observed):
            messages += each.messages
            if messages > OBSERVED_MESSAGES:
                break
            full += each.account == account
        return full >= MIN_FULL_BATCHES

    def _is_deep(self, now: float) -> bool:
        """Return whether the membership queue has a backlog, and the bulk queue may be used."""
        if not self._threshold or now - self._counted_at < DEPTH_SECONDS:
            return False
        self._counted_at = now
        membership, bulk = self._counts(self._membership_queue), self._counts(self._bulk_queue)
        if membership is None or bulk is None or membership.visible < self._threshold:
            return False
        return now - bulk.created_at >= MIN_BULK_QUEUE_AGE_SECONDS

    def _counts(self, queue: Counted) -> Counts | None:
        """Return the counts of a queue. Without them no phase changes."""
        try:
            return queue()
        except DeliveryError as error:
            self._telemetry.note("queue not counted", {"reason": str(error)})
            return None


def account_of(group_id: str) -> str:
    """Return the account that a message group belongs to: see `queues.membership_queue`.

    It depends on the group alone, so that all messages of a group have one phase, whatever their attributes say.
    """
    return group_id.rpartition(".")[0]


def _full_of(records: Sequence[Record]) -> str | None:
    """Return the account whose messages a batch is full of."""
    accounts = {account_of(record.group_id or "") for record in records}
    return accounts.pop() if len(records) >= FULL_BATCH and len(accounts) == 1 else None


def _is_old(records: Sequence[Record], now: float) -> bool:
    return now - min(record.sent_at_ms for record in records) / 1000 >= MIN_BACKLOG_SECONDS
