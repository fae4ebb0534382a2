"""Sends events to mParticle in few requests: at the pace of each key pair, and without what mParticle would refuse."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import batched, groupby
from random import SystemRandom
from typing import Protocol

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import described
from mparticle_firehose.feed.batch import Batch
from mparticle_firehose.feed.encoding import MAX_BATCHES
from mparticle_firehose.feed.events_api import Upload
from mparticle_firehose.feed.rules import Route
from mparticle_firehose.feed_worker.batch import Pending
from mparticle_firehose.feed_worker.key_pairs import KeyPair, KeyPairs
from mparticle_firehose.feed_worker.pace import Paces
from mparticle_firehose.integration import Retry, Suspend
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.services import CIRCUIT_OPEN, OUT_OF_TIME, Breaker, RateLimits, Telemetry

RATE_LIMITED = "rate_limited"
"""The reason of a Retry for an event that was not sent, because mParticle has asked this key pair to wait."""

PACED = "paced"
"""The reason of a Retry for an event that was not sent, because too many of this key pair were."""

SUSPENDED_SECONDS = 900.0
"""How long the events of a key pair wait that mParticle refuses."""

KEY_PAIR_CHANGED = "key_pair_changed"
"""The reason of a Retry for an event whose key pair was refused, while the customer has a new one."""

MAX_GROUP_SECONDS = 8.0
"""How long an invocation sends with one key pair. What is left comes again, behind other customers' events."""

MIN_CALL_SECONDS = 1.0
"""With less time left no request is made."""

_JITTER = 0.1  # of a wait that mParticle asks for, on top of it: not all environments are to come back at once
_TOO_MANY = 429
_SERVER_ERROR = 500

_random = SystemRandom()  # drawn from the operating system: two restores of one snapshot must not draw the same


class Api(Protocol):
    """The Events API with the credentials of one feed."""

    def upload_events(self, batch: Batch, deadline: Deadline | None = None) -> Upload:
        """Send one batch."""

    def bulk_upload_events(self, batches: Sequence[Batch], deadline: Deadline | None = None) -> Upload:
        """Send batches."""

    def bulk_upload_historical_events(self, batches: Sequence[Batch], deadline: Deadline | None = None) -> Upload:
        """Send batches with old events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Sends events. What becomes of each is its ``outcome``; nothing is raised for what mParticle or the network do.

    Key pairs are independent: what one is refused or must wait for stops no other.

    Attributes:
        api: the client with a key pair.
        key_pairs: read again if mParticle refuses one.
        paces: how fast each key pair may go.
        pauses: key pairs that must wait.
        breaker: holds requests back from a host that is down.
        backoff: the wait after a refusal that says none.
        executor: sends with several key pairs side by side; None sends with one after another.
        sleep: waits for seconds.
        jitter: draws a number between zero and the given one.
    """

    api: Callable[[KeyPair], Api]
    key_pairs: KeyPairs
    paces: Paces
    pauses: RateLimits
    breaker: Breaker
    backoff: Backoff
    telemetry: Telemetry
    executor: Executor | None = None
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float], float] = lambda maximum: _random.uniform(0, maximum)

    def send(self, events: Sequence[Pending], deadline: Deadline) -> None:
        """Send events that have a key pair and a batch.

        Args:
            events: in any order.
            deadline: no byte is written after it; what is not sent then comes again at once.
        """
        groups: dict[tuple[int, str], tuple[KeyPair, list[Pending]]] = {}
        for event in events:
            if pair := event.pair:
                groups.setdefault((event.account_id, pair.id), (pair, []))[1].append(event)
        run = self.executor.map if self.executor else map
        for _ in run(lambda group: self._send_group(group[0], group[1], deadline), groups.values()):
            pass

    def max_events(self) -> int:
        """How many events one key pair can send in an invocation."""
        return int(self.paces.batches_per_second * MAX_GROUP_SECONDS) + MAX_BATCHES

    def _send_group(self, pair: KeyPair, events: Sequence[Pending], deadline: Deadline) -> None:
        """Send the events of one key pair, as many as there is time for. A mistake of ours costs these alone."""
        limit = deadline.within(MAX_GROUP_SECONDS)
        try:
            for chunk in _chunks(events):
                if held := self._held_back(pair, len(chunk), limit):
                    _set_outcome(chunk, held)
                else:
                    self._send_chunk(pair, chunk, deadline)
        except Exception as error:  # noqa: BLE001
            _set_outcome([event for event in events if event.outcome is None], Retry(described(error)))

    def _send_chunk(self, pair: KeyPair, events: Sequence[Pending], deadline: Deadline) -> None:
        """Send the events of one request."""
        upload = _upload(self.api(pair), events, deadline)
        self._learn(pair, upload)
        refused = []
        for event, outcome in zip(events, upload.outcomes, strict=True):
            event.was_tried = bool(upload.statuses)
            if isinstance(outcome, Suspend):
                refused.append(event)
                event.outcome = Retry(outcome.reason, SUSPENDED_SECONDS)
            else:
                event.outcome = outcome
        if refused:
            self._refused(pair, refused)

    def _held_back(self, pair: KeyPair, count: int, limit: Deadline) -> Retry | None:
        """Wait until so many events may be sent. Return why they must not be, if that takes too long."""
        if wait := self.pauses.wait(pair.id):
            return Retry(RATE_LIMITED, wait)
        if limit.remaining() < MIN_CALL_SECONDS:
            return Retry(OUT_OF_TIME, 0)
        wait = self.paces.wait(pair.id, count)
        if wait > limit.remaining() - MIN_CALL_SECONDS:
            return Retry(PACED, wait)
        if wait:
            self.sleep(wait)
        if not self.breaker.admits(pair.base_url):
            return Retry(CIRCUIT_OPEN, max(1.0, self.breaker.wait(pair.base_url)))
        self.paces.take(pair.id, count)
        return None

    def _learn(self, pair: KeyPair, upload: Upload) -> None:
        """Take what an answer says of the pace, and of the host."""
        self.paces.note(pair.id, upload.rate_limit)
        if upload.statuses:
            last = upload.statuses[-1]
            self.breaker.note(pair.base_url, failed=last is None or last >= _SERVER_ERROR)
            if last == _TOO_MANY:
                self._throttled(pair, upload)

    def _throttled(self, pair: KeyPair, upload: Upload) -> None:
        self.telemetry.count("FeedThrottled")
        asked = next((each.after for each in upload.outcomes if isinstance(each, Retry)), None)
        wait = self.backoff.seconds(1) if asked is None else asked + self.jitter(asked * _JITTER)
        self.pauses.pause(pair.id, wait)

    def _refused(self, pair: KeyPair, events: Sequence[Pending]) -> None:
        """Have the events come again at once if the customer has a new key pair; otherwise the refused one waits.

        They come again, because another key pair may be for another environment, and other platforms.
        """
        if self.key_pairs.reread(events[0].account_id, events[0].platform, pair):
            _set_outcome(events, Retry(KEY_PAIR_CHANGED, 0))
            return
        self.telemetry.count("FeedCredentialsRefused")
        self.pauses.pause(pair.id, SUSPENDED_SECONDS)


def _upload(api: Api, events: Sequence[Pending], deadline: Deadline) -> Upload:
    batches = [event.batch for event in events if event.batch]
    if events[0].route is Route.HISTORICAL:
        return api.bulk_upload_historical_events(batches, deadline)
    if events[0].is_certain:
        return api.upload_events(batches[0], deadline)
    return api.bulk_upload_events(batches, deadline)


def _chunks(events: Sequence[Pending]) -> Iterator[Sequence[Pending]]:
    """Return what goes in one request: certain events singly, first; then the others, by their route."""
    for size, its in groupby(sorted(events, key=_order), key=_order):
        yield from batched(its, 1 if size == 0 else MAX_BATCHES, strict=False)


def _order(event: Pending) -> int:
    if event.route is Route.HISTORICAL:
        return 2
    return 0 if event.is_certain else 1


def _set_outcome(events: Sequence[Pending], outcome: Retry) -> None:
    for event in events:
        event.outcome = outcome
