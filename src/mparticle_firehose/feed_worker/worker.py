"""Delivers the partner's events to mParticle: each exactly once in effect, or to the dead-letter queue."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError, FeedError, FirehoseError, MalformedRequestError, described
from mparticle_firehose.feed.batch import Batch
from mparticle_firehose.feed.erasures import identities_in
from mparticle_firehose.feed.mapping import Feed, FeedEvent
from mparticle_firehose.feed.rules import MAX_CLOCK_SKEW_MS, Route, route_of
from mparticle_firehose.feed_worker.batch import FINGERPRINT, Message, Pending
from mparticle_firehose.feed_worker.key_pairs import KeyPair, KeyPairs
from mparticle_firehose.feed_worker.sending import (
    KEY_PAIR_CHANGED,
    MAX_GROUP_SECONDS,
    PACED,
    RATE_LIMITED,
    SUSPENDED_SECONDS,
    Sending,
)
from mparticle_firehose.integration import Delivered, Rejected, Retry
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.dead_letters import FEED, Cause, DeadLetters, Letter, reason_text
from mparticle_firehose.queues.delays import NOT_DUE, Delays, Waiting, wait_left
from mparticle_firehose.queues.event_queue import tenant
from mparticle_firehose.queues.feed_messages import feed_body, feed_message
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.resending import Known
from mparticle_firehose.queues.time_limits import (
    DELAY_SECONDS,
    LETTER_SECONDS,
    NOTE_SECONDS,
    REMEMBER_SECONDS,
    VISIBILITY_SECONDS,
    is_too_old,
)
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.services import CIRCUIT_OPEN, OUT_OF_TIME, Telemetry
from mparticle_firehose.tables.erased_people import ErasedPeople, Identity
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.tables.progress import Progress

NO_KEY_PAIR = "no key pair of the account can be read"
"""Why events wait: the customer has not entered one yet, or the partner has not stored it."""

_NO_ATTEMPT = frozenset({CIRCUIT_OPEN, KEY_PAIR_CHANGED, OUT_OF_TIME, PACED, RATE_LIMITED, "http_429"})
_MIN_READING_SECONDS = 20.0  # with less time left no key pair is read: a slow source must not cost the invocation
_MAX_SECONDS = 60.0  # of an invocation: what becomes too old for the normal route meanwhile goes the historical one
_MESSAGE_TYPE = "feed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedWorker:
    """Delivers batches of queued messages.

    Attributes:
        feed: what becomes of the partner's events.
        feed_name: of the partner's feed, as `Integration` has it.
        max_attempts: how often the delivery of one message is tried before it is dead-lettered.
        clock: seconds since the epoch.
    """

    feed: Feed
    feed_name: str
    key_pairs: KeyPairs
    erased_people: ErasedPeople
    sending: Sending
    dead_letters: DeadLetters
    ledger: Ledger
    visibility: VisibilityTimeouts
    delays: Delays
    backoff: Backoff
    max_attempts: int
    telemetry: Telemetry
    clock: Callable[[], float] = time.time

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[str]:
        """Deliver a batch and return the ids of the messages that must be delivered again.

        An event that mParticle or a rule of its API refuses is dead-lettered alone, with its reason. An event that
        fails comes again with the others of its message that are not settled. It is then the same bytes, which
        mParticle drops if it has taken them.

        Args:
            records: the batch.
            deadline: when to stop; what is not delivered by then is delivered again at once.
        """
        return _Delivery(self, [Message(record) for record in records], deadline).run()


class _Delivery:
    """One batch on its way."""

    def __init__(self, worker: FeedWorker, messages: Sequence[Message], deadline: Deadline) -> None:
        self._worker = worker
        self._messages = messages
        self._deadline = deadline
        self._now_ms = int(worker.clock() * 1000)
        self._pairs: dict[tuple[int, str], KeyPair | Retry] = {}
        self._begun: Counter[int] = Counter()

    def run(self) -> list[str]:
        self._recall()
        for message in self._messages:
            if message.retry_reason is None:
                self._read(message)
        events = [event for message in self._messages for event in message.events]
        for event in events:
            self._prepare(event)
        self._leave_erased_people_out()
        self._worker.sending.send([event for event in events if event.outcome is None], self._deadline)
        self._settle()
        return self._schedule()

    def _recall(self) -> None:
        """Take what is remembered of each message, and whether it waits still."""
        for message in self._messages:
            record = message.record
            message.progress = Progress.from_text(record.settled, attempts=record.history.attempts)
            left = wait_left(record, self._worker.clock())
            if left and not self._is_too_old(message):
                message.fail(NOT_DUE, left)
        again = {message.id: message for message in self._messages if message.record.receive_count > 1}
        if not again:
            return
        try:
            known, _ = self._worker.ledger.recall(again, (), self._deadline)
        except DeliveryError as error:
            for message in again.values():
                message.knows_progress = False
                message.fail(str(error))
            return
        for id_, progress in known.items():
            again[id_].progress = progress.also(again[id_].progress)

    def _read(self, message: Message) -> None:
        try:
            held = feed_message(message.record.body)
        except MalformedRequestError as error:
            message.problem = str(error)
            return
        message.account_id = held.account_id
        settled = message.progress.of_plan(FINGERPRINT).settled
        message.events = [
            Pending(position, source, held.account_id, message.record.sent_at_ms)
            for position, source in enumerate(held.events)
            if position not in settled
        ]

    def _prepare(self, event: Pending) -> None:
        """Map an event and put its batch together, unless it is left out, refused or cannot be sent now.

        More events of an account than its pace allows are not even mapped: they would hold up the others.
        """
        if self._begun[event.account_id] >= self._worker.sending.max_events():
            event.outcome = Retry(PACED, MAX_GROUP_SECONDS)
            return
        try:
            event.mapped = self._worker.feed.event_of(deepcopy(event.source))  # a mapping may change what it gets
            if event.mapped is None:
                event.outcome = Delivered()
                return
            self._begun[event.account_id] += 1
            pair = self._pair(event.account_id, event.mapped.platform)
            if isinstance(pair, Retry):
                event.outcome = pair
                return
            event.pair = pair
            event.batch = self._batch(event, event.mapped, pair)
            event.route = route_of(event.batch, now_ms=self._now_ms + int(_MAX_SECONDS * 1000))
        except FeedError as error:
            event.outcome = Rejected(str(error))
        except Exception as error:  # noqa: BLE001  the partner's function may raise anything
            event.outcome = Rejected(described(error))

    def _pair(self, account_id: int, platform: str) -> KeyPair | Retry:
        """Return the key pair of an account, the same for all its events in the batch; or why there is none."""
        asked = account_id, platform
        if asked not in self._pairs:
            self._pairs[asked] = self._read_pair(account_id, platform)
        return self._pairs[asked]

    def _read_pair(self, account_id: int, platform: str) -> KeyPair | Retry:
        if self._deadline.remaining() < _MIN_READING_SECONDS:
            return Retry(OUT_OF_TIME, 0)
        error = NO_KEY_PAIR
        try:
            if pair := self._worker.key_pairs.pair(account_id, platform):
                return pair
        except FirehoseError as unusable:
            error = str(unusable)
        self._worker.telemetry.count("FeedCredentialsMissing")
        self._worker.telemetry.warn("no key pair", {"account_id": str(account_id), "error": error})
        return Retry(NO_KEY_PAIR, SUSPENDED_SECONDS)

    def _batch(self, event: Pending, mapped: FeedEvent, pair: KeyPair) -> Batch:
        """Return the batch of an event. A time slightly ahead becomes the time at which the event was queued.

        That never changes, as the current time would: a repetition must be the same bytes.
        """
        ahead = mapped.event.timestamp_unixtime_ms - event.sent_at_ms
        if ahead > MAX_CLOCK_SKEW_MS:
            raise FeedError(("timestamp_unixtime_ms", "must not be more than 5 minutes after the event was queued"))
        if ahead > 0:
            same = mapped.event.model_copy(update={"timestamp_unixtime_ms": event.sent_at_ms})
            mapped = replace(mapped, event=same)
        return mapped.batch(self._worker.feed_name, event.account_id, pair.environment)

    def _leave_erased_people_out(self) -> None:
        """Leave events out that are about people who have asked to be erased."""
        people: dict[Pending, tuple[int, Sequence[Identity]]] = {
            event: (event.account_id, identities_in(event.batch))
            for message in self._messages
            for event in message.events
            if event.outcome is None and event.batch
        }
        if not people:
            return
        try:
            erased = self._worker.erased_people.among(people, self._deadline)
        except DeliveryError as error:
            for event in people:
                event.outcome = Retry(str(error))
            return
        for event in erased:
            event.outcome = Delivered()
        self._worker.telemetry.count("FeedErased", len(erased))

    def _settle(self) -> None:
        """Decide what becomes of the messages, and dead-letter what is refused or given up."""
        letters: dict[str, tuple[Message, Letter, Sequence[Pending]]] = {}
        for message in self._messages:
            try:
                self._conclude(message)
                letters |= {letter.id: (message, letter, events) for letter, events in self._letters(message)}
            except Exception as error:  # noqa: BLE001  a mistake of ours costs this message alone
                message.fail(described(error))
        missing, known = self._put([(message, letter) for message, letter, _ in letters.values()])
        for id_, (message, letter, events) in letters.items():
            if id_ in missing:
                message.fail(missing[id_], 0.0 if missing[id_] == OUT_OF_TIME else None)
                continue
            message.settle(event.position for event in events)
            self._worker.telemetry.count("DeadLettered", len(events) or 1)
            if id_ not in known:
                facts = {**_facts(message, reason_text(letter.cause.reason)), "queue": FEED}
                self._worker.telemetry.warn("dead-lettered", facts)

    def _put(self, letters: Sequence[tuple[Message, Letter]]) -> tuple[dict[str, str], set[str]]:
        """Store letters, unless they were stored when their message came before.

        Returns:
            The ids of those that are not stored, with the reasons; and of those that were stored before.
        """
        until = self._deadline.later(LETTER_SECONDS)
        again = [letter.id for message, letter in letters if message.record.receive_count > 1]
        try:
            stored = self._worker.ledger.dead_lettered(again, until) if again else set[str]()
        except DeliveryError as error:
            return {letter.id: str(error) for _, letter in letters}, set()
        missing = self._worker.dead_letters.put([letter for _, letter in letters if letter.id not in stored], until)
        new = [letter.id for _, letter in letters if letter.id not in stored and letter.id not in missing]
        if new:  # if it is not noted, the letter may come twice, which is harmless
            self._worker.ledger.note_dead_lettered(new, self._deadline.later(NOTE_SECONDS))
        return missing, stored

    def _conclude(self, message: Message) -> None:
        """Note what is delivered of a message, and when the rest comes again; or give that up."""
        self._note_delivered(message)
        left = {event: event.outcome for event in message.events if isinstance(event.outcome, Retry)}
        failed = [event for event, outcome in left.items() if event.was_tried and not _waits(outcome)]
        attempts = message.progress.attempts + bool(failed)
        given_up = failed if attempts >= self._worker.max_attempts else []
        if self._is_too_old(message):
            given_up = list(left)
        for event in given_up:
            event.outcome = Rejected(left.pop(event).reason)
        # What was only held back begins anew.
        message.progress = replace(message.progress, attempts=0 if given_up and left else attempts)
        if left:
            outcomes = list(left.values())
            message.fail(outcomes[0].reason, self._asked_wait(message, outcomes))

    def _note_delivered(self, message: Message) -> None:
        delivered = [event for event in message.events if isinstance(event.outcome, Delivered)]
        message.settle(event.position for event in delivered)
        sent = [event for event in delivered if event.was_tried]
        telemetry = self._worker.telemetry
        telemetry.count("Delivered", len(sent))
        telemetry.count("FeedHistorical", sum(event.route is Route.HISTORICAL for event in sent))
        telemetry.count("FeedFieldsDropped", sum(len(event.batch.dropped) for event in sent if event.batch))
        if sent:
            telemetry.measure("QueueAge", max(0, self._now_ms - message.record.sent_at_ms))

    def _asked_wait(self, message: Message, left: Sequence[Retry]) -> float | None:
        """Return the seconds that a message is asked to wait; None leaves it to the backoff.

        mParticle may ask for a short wait again and again. So that requests become rarer, a wait after a request is not
        shorter than the backoff.
        """
        waits = [outcome.after for outcome in left if outcome.after is not None]
        if len(waits) < len(left):
            return None
        was_tried = any(event.was_tried and isinstance(event.outcome, Retry) for event in message.events)
        is_new = all(outcome.reason == KEY_PAIR_CHANGED for outcome in left)
        floor = self._worker.backoff.seconds(message.record.receives) if was_tried and not is_new else 0.0
        return max(min(waits), floor)

    def _is_too_old(self, message: Message) -> bool:
        return is_too_old(message.record.sent_at_ms, self._worker.clock())

    def _letters(self, message: Message) -> list[tuple[Letter, Sequence[Pending]]]:
        """Return the letters of a message with their events: one for each reason, or one of what cannot be read."""
        if message.problem:
            return [(self._letter(message, message.record.body, message.problem), ())]
        reasons: dict[str, list[Pending]] = {}
        for event in message.events:
            if isinstance(event.outcome, Rejected):
                reasons.setdefault(event.outcome.reason, []).append(event)
        return [
            (self._letter(message, feed_body(message.account_id, [each.source for each in events]), reason), events)
            for reason, events in reasons.items()
        ]

    def _letter(self, message: Message, body: str, reason: str) -> Letter:
        return Letter(
            record=replace(message.record, correlation=_correlation(message)),
            body=body,
            cause=Cause(reason=reason, attempts=message.progress.attempts),
        )

    def _schedule(self) -> list[str]:
        """Have what is left delivered again, and return the ids of the messages that Lambda must not delete."""
        left = [message for message in self._messages if message.retry_reason is not None]
        known = [message for message in left if message.knows_progress]
        delayed = self._worker.delays.delay(map(self._waiting, known), self._deadline.later(DELAY_SECONDS))
        again = [message for message in left if message.id not in delayed]
        progress = {message.id: message.progress for message in again if message.knows_progress}
        if progress:
            self._worker.ledger.remember(progress, self._deadline.later(REMEMBER_SECONDS))
        waits = {message.record: math.ceil(self._wait(message)) for message in again}
        self._worker.visibility.set(waits, self._deadline.later(VISIBILITY_SECONDS))
        self._worker.telemetry.count("Retried", len(left))
        if left:
            oldest = min(message.record.sent_at_ms for message in left)
            self._worker.telemetry.measure("WaitingAge", max(0, self._now_ms - oldest))
        for message in left:
            self._log("retried later", message, message.retry_reason or "")
        return [message.id for message in again]

    def _waiting(self, message: Message) -> Waiting:
        return Waiting(
            record=replace(message.record, correlation=_correlation(message)),
            seconds=self._wait(message),
            tenant=tenant(message.account_id),
            known=Known(
                attempts=message.progress.attempts,
                settled=message.progress.settled_text() if message.progress.settled else "",
            ),
        )

    def _wait(self, message: Message) -> float:
        """Return the seconds that a message waits, the same each time."""
        if message.wait is None:
            message.wait = self._worker.backoff.seconds(message.record.receives)
        return message.wait

    def _log(self, event: str, message: Message, reason: str) -> None:
        self._worker.telemetry.note(event, _facts(message, reason))


def _facts(message: Message, reason: str) -> dict[str, str | int]:
    return {
        **_correlation(message),
        "message_id": message.id,
        "receive_count": message.record.receive_count,
        "reason": reason,
    }


def _waits(outcome: Retry) -> bool:
    """Return whether an event waits for something else than mParticle's answer to it: that is no attempt."""
    return outcome.reason in _NO_ATTEMPT or outcome.after == SUSPENDED_SECONDS


def _correlation(message: Message) -> dict[str, str]:
    account = {"account_id": str(message.account_id)} if message.account_id else {}
    return {"message_type": _MESSAGE_TYPE, **account}
