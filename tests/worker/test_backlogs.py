"""When an account gets into which phase, and what a batch is told meanwhile."""

from dataclasses import dataclass, field

import pytest

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.counts import Counts
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.forwarding import ForwardedAccounts, Phase
from mparticle_firehose.worker.backlogs import (
    CHECK_SECONDS,
    CLOSING_SECONDS,
    DEPTH_SECONDS,
    HOLD_SECONDS,
    MIN_BACKLOG_SECONDS,
    MIN_BULK_QUEUE_AGE_SECONDS,
    MIN_EMPTY_CHECKS,
    MIN_FULL_BATCHES,
    OBSERVED_MESSAGES,
    OBSERVED_SECONDS,
    REFRESH_SECONDS,
    Backlogs,
    account_of,
)
from tests.conftest import Clock, TelemetryDouble
from tests.worker.forwarding_world import MemoryPhases

NOW = 1_760_000_000.0
THRESHOLD = 100


@dataclass
class Environments:
    """What environments share, and how much they ask for it."""

    clock: Clock = field(default_factory=lambda: Clock(NOW))
    phases: MemoryPhases = field(default_factory=MemoryPhases)
    telemetry: TelemetryDouble = field(default_factory=TelemetryDouble)
    membership: Counts = field(default_factory=lambda: Counts(visible=THRESHOLD))
    bulk: Counts = field(default_factory=lambda: Counts(created_at=NOW - MIN_BULK_QUEUE_AGE_SECONDS))
    threshold: int = THRESHOLD
    is_readable: bool = True
    is_countable: bool = True
    reads: int = 0
    counted: list[str] = field(default_factory=list)

    def read(self) -> ForwardedAccounts:
        self.reads += 1
        if not self.is_readable:
            raise DeliveryError("not known")
        return self.phases.read()

    def replace(self, seen: ForwardedAccounts, new: ForwardedAccounts) -> bool:
        return self.phases.replace(seen, new)

    def _count(self, name: str) -> Counts:
        self.counted.append(name)
        if not self.is_countable:
            raise DeliveryError("not counted")
        return self.bulk if name == "bulk" else self.membership

    def new(self) -> Backlogs:
        return Backlogs(
            store=self,
            membership_queue=lambda: self._count("membership"),
            bulk_queue=lambda: self._count("bulk"),
            threshold=self.threshold,
            telemetry=self.telemetry,
            clock=self.clock,
        )

    def set(self, phase: Phase, *accounts: str) -> None:
        seen = self.phases.present
        self.phases.replace(seen, seen.changed({**seen.phases, **dict.fromkeys(accounts, phase)}))

    @property
    def present(self) -> dict[str, Phase]:
        return dict(self.phases.present.phases)


@pytest.fixture
def shared() -> Environments:
    return Environments()


def batch(shared: Environments, *, account: str = "7", size: int = 10, waited: float = 60.0) -> list[Record]:
    sent_at_ms = int((shared.clock() - waited) * 1000)
    return [
        Record(message_id=f"m{number}", body="", group_id=f"{account}.0", sent_at_ms=sent_at_ms)
        for number in range(size)
    ]


def receive_full(shared: Environments, environment: Backlogs, count: int = MIN_FULL_BATCHES) -> None:
    for _ in range(count):
        environment.phases(batch(shared))


# --- opening --------------------------------------------------------------------------------------------------------


def test_an_account_that_fills_enough_batches_of_a_deep_queue_is_opened(shared: Environments) -> None:
    environment = shared.new()

    receive_full(shared, environment, MIN_FULL_BATCHES - 1)
    before = shared.present
    told = environment.phases(batch(shared))

    assert (before, shared.present, told) == ({}, {"7": Phase.OPENING}, {"7": Phase.OPENING})
    assert shared.telemetry.notes == [{"event": "forwarding opened", "account_id": "7"}]


@pytest.mark.parametrize(("size", "waited"), [(9, 60.0), (10, MIN_BACKLOG_SECONDS - 1)], ids=["not-full", "not-old"])
def test_batches_that_are_not_full_or_not_old_are_no_backlog(size: int, waited: float, shared: Environments) -> None:
    environment = shared.new()
    for _ in range(3 * MIN_FULL_BATCHES):
        environment.phases(batch(shared, size=size, waited=waited))

    assert (shared.present, shared.counted) == ({}, [])


def test_a_batch_of_two_accounts_is_full_of_neither(shared: Environments) -> None:
    environment = shared.new()
    for _ in range(3 * MIN_FULL_BATCHES):
        environment.phases([*batch(shared, size=5), *batch(shared, account="8", size=5)])

    assert shared.present == {}


def test_an_account_with_few_of_the_messages_waits_for_others_and_is_not_opened(shared: Environments) -> None:
    """The other one is: it is the cause."""
    environment = shared.new()
    for _ in range(MIN_FULL_BATCHES):
        environment.phases(batch(shared, account="small"))
        for _ in range(OBSERVED_MESSAGES // 10):
            environment.phases(batch(shared, account="large"))
        shared.clock.now += DEPTH_SECONDS

    assert set(shared.present) == {"large"}


def test_full_batches_of_long_ago_do_not_count(shared: Environments) -> None:
    environment = shared.new()
    receive_full(shared, environment, MIN_FULL_BATCHES - 1)
    shared.clock.now += OBSERVED_SECONDS + 1
    environment.phases(batch(shared))

    assert shared.present == {}


def test_a_shallow_queue_has_no_backlog_and_is_counted_now_and_then(shared: Environments) -> None:
    environment = shared.new()
    shared.membership = Counts(visible=THRESHOLD - 1)

    receive_full(shared, environment, 3 * MIN_FULL_BATCHES)
    first = len(shared.counted)
    shared.clock.now += DEPTH_SECONDS
    environment.phases(batch(shared))

    assert (shared.present, first, len(shared.counted)) == ({}, 2, 4)


def test_without_a_threshold_nothing_is_opened(shared: Environments) -> None:
    shared.threshold = 0

    receive_full(shared, shared.new(), 3 * MIN_FULL_BATCHES)

    assert (shared.present, shared.counted) == ({}, [])


def test_nothing_is_opened_while_the_release_before_may_still_deliver(shared: Environments) -> None:
    shared.bulk = Counts(created_at=NOW - MIN_BULK_QUEUE_AGE_SECONDS + 60)
    environment = shared.new()
    receive_full(shared, environment)
    before = shared.present
    shared.clock.now += 60
    receive_full(shared, environment)

    assert (before, shared.present) == ({}, {"7": Phase.OPENING})


def test_an_opening_account_becomes_open_when_one_environment_has_seen_it_for_long_enough(
    shared: Environments,
) -> None:
    shared.set(Phase.OPENING, "7")
    first, second = shared.new(), shared.new()
    told = []
    for environment, seconds in ((first, HOLD_SECONDS - 1), (second, 1), (first, 0), (second, REFRESH_SECONDS)):
        told.append(environment.phases(batch(shared))["7"])
        shared.clock.now += seconds
    told.append(second.phases(batch(shared))["7"])

    assert told == [Phase.OPENING, Phase.OPENING, Phase.OPEN, Phase.OPENING, Phase.OPEN]


def test_an_account_that_is_opening_once_more_has_not_been_seen_for_long(shared: Environments) -> None:
    shared.set(Phase.OPENING, "7")
    environment = shared.new()
    environment.phases(batch(shared))
    for phase in (Phase.OPEN, Phase.CLOSING, Phase.OPENING):
        shared.set(phase, "7")
    shared.clock.now += HOLD_SECONDS

    assert environment.phases(batch(shared)) == {"7": Phase.OPENING}


# --- reading --------------------------------------------------------------------------------------------------------


def test_phases_are_read_once_in_so_many_seconds(shared: Environments) -> None:
    environment = shared.new()
    reads = []
    for seconds in (REFRESH_SECONDS - 1, 1, 0):
        environment.phases(batch(shared, size=1))
        reads.append(shared.reads)
        shared.clock.now += seconds

    assert reads == [1, 1, 2]


def test_if_they_cannot_be_read_only_what_is_not_old_is_used(shared: Environments) -> None:
    environment = shared.new()
    environment.phases(batch(shared))
    shared.is_readable = False

    assert environment.phases(batch(shared)) == {}
    shared.clock.now += REFRESH_SECONDS
    for _ in range(2):
        with pytest.raises(DeliveryError):
            environment.phases(batch(shared))


def test_phases_that_took_too_long_to_read_are_not_used(shared: Environments, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> ForwardedAccounts:
        shared.clock.now += REFRESH_SECONDS
        return ForwardedAccounts()

    monkeypatch.setattr(shared, "read", read)

    with pytest.raises(DeliveryError, match="in time"):
        shared.new().phases(batch(shared))


def test_a_clock_that_is_set_back_makes_nothing_younger(shared: Environments) -> None:
    environment = shared.new()
    environment.phases(batch(shared))
    shared.clock.now -= 3_600
    environment.phases(batch(shared))

    assert shared.reads == 2


def test_a_restored_snapshot_knows_nothing(shared: Environments) -> None:
    environment = shared.new()
    receive_full(shared, environment, MIN_FULL_BATCHES - 1)
    environment.forget()
    environment.phases(batch(shared))

    assert (shared.reads, shared.present) == (2, {})


def test_an_environment_that_loses_a_change_goes_on_with_what_is_stored(shared: Environments) -> None:
    first, second = shared.new(), shared.new()
    receive_full(shared, first, MIN_FULL_BATCHES - 1)
    second.phases(batch(shared))
    shared.set(Phase.OPENING, "8")
    first.phases(batch(shared))
    shared.clock.now += REFRESH_SECONDS

    assert first.phases(batch(shared)) == {"8": Phase.OPENING}


# --- closing --------------------------------------------------------------------------------------------------------


def look(shared: Environments, environment: Backlogs, count: int = 1) -> None:
    for _ in range(count):
        environment.phases(batch(shared, size=1))
        shared.clock.now += CHECK_SECONDS


def test_open_accounts_are_closed_together_when_the_bulk_queue_is_empty_for_some_time(shared: Environments) -> None:
    shared.set(Phase.OPEN, "7", "8")
    environment = shared.new()

    look(shared, environment, MIN_EMPTY_CHECKS - 1)
    before = shared.present
    look(shared, environment)

    assert set(before.values()) == {Phase.OPEN}
    assert shared.present == {"7": Phase.CLOSING, "8": Phase.CLOSING}


def test_one_message_in_the_bulk_queue_begins_that_time_anew(shared: Environments) -> None:
    shared.set(Phase.OPEN, "7")
    environment = shared.new()
    look(shared, environment, MIN_EMPTY_CHECKS - 1)
    shared.bulk = Counts(in_flight=1)
    look(shared, environment)
    shared.bulk = Counts()
    look(shared, environment, MIN_EMPTY_CHECKS - 1)

    assert shared.present == {"7": Phase.OPEN}


def test_so_does_an_account_that_is_opened_again(shared: Environments) -> None:
    """Otherwise a backlog that has just begun to be forwarded would be held back for minutes."""
    shared.set(Phase.OPEN, "7")
    environment = shared.new()
    look(shared, environment, MIN_EMPTY_CHECKS - 1)
    shared.set(Phase.OPEN, "8")
    look(shared, environment)

    assert set(shared.present.values()) == {Phase.OPEN}


def test_a_closing_account_has_no_phase_any_more_if_the_bulk_queue_is_still_empty(shared: Environments) -> None:
    shared.set(Phase.CLOSING, "7")
    environment = shared.new()
    environment.phases(batch(shared))
    shared.clock.now += CLOSING_SECONDS - 1
    before = environment.phases(batch(shared))
    shared.clock.now += REFRESH_SECONDS

    assert (before, environment.phases(batch(shared)), shared.present) == ({"7": Phase.CLOSING}, {}, {})
    assert shared.telemetry.notes == [{"event": "forwarding closed", "account_id": "7"}]


@pytest.mark.parametrize("why", ["messages", "another-account"])
def test_it_is_open_again_if_messages_are_in_the_bulk_queue_or_may_come(why: str, shared: Environments) -> None:
    shared.set(Phase.CLOSING, "7")
    environment = shared.new()
    environment.phases(batch(shared))
    if why == "messages":
        shared.bulk = Counts(visible=1)
    else:
        shared.set(Phase.OPEN, "8")
    shared.clock.now += CLOSING_SECONDS

    assert environment.phases(batch(shared))["7"] == Phase.OPEN


def test_accounts_that_are_closing_wait_for_the_last_of_them(shared: Environments) -> None:
    """It may have been forwarded a moment ago, and SQS's counts may not have its messages."""
    shared.set(Phase.CLOSING, "7")
    environment = shared.new()
    environment.phases(batch(shared))
    shared.clock.now += CLOSING_SECONDS - 10
    shared.set(Phase.CLOSING, "8")
    environment.phases(batch(shared))
    shared.clock.now += 10

    assert environment.phases(batch(shared)) == {"7": Phase.CLOSING, "8": Phase.CLOSING}


def test_without_counts_an_account_stays_as_it_is(shared: Environments) -> None:
    shared.set(Phase.CLOSING, "7")
    environment = shared.new()
    environment.phases(batch(shared))
    shared.is_countable = False
    shared.clock.now += CLOSING_SECONDS

    assert environment.phases(batch(shared)) == {"7": Phase.CLOSING}
    assert {note["event"] for note in shared.telemetry.notes} == {"queue not counted"}


def test_any_account_s_messages_close_one_that_sends_no_more(shared: Environments) -> None:
    shared.set(Phase.OPEN, "7")
    environment = shared.new()
    for _ in range(100):
        environment.phases(batch(shared, account="8", size=1))
        shared.clock.now += REFRESH_SECONDS

    assert shared.present == {}


def test_while_nothing_is_forwarded_no_queue_is_counted(shared: Environments) -> None:
    environment = shared.new()
    look(shared, environment, 10)

    assert shared.counted == []


@pytest.mark.parametrize(("group", "account"), [("4242.0", "4242"), ("4242.17", "4242"), ("x", ""), ("1.2.3", "1.2")])
def test_an_account_is_what_its_groups_begin_with(group: str, account: str) -> None:
    assert account_of(group) == account
