"""Environments are breakers with one store; time and chance are the test's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from bench.outage import MemoryStore
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.partner_api.shared_circuit_breaker import (
    FAILURES_TO_WATCH,
    FEW,
    FEW_SPREAD_SECONDS,
    MAX_SPREAD_SECONDS,
    PROBE_SECONDS,
    WATCH_SECONDS,
    SharedCircuitBreaker,
)
from mparticle_firehose.services import Outage
from tests.conftest import Clock, TelemetryDouble

EU, US = "eu", "us"
NOW = 1_760_000_000.0


class Store(MemoryStore):
    """Counts what it is asked, fails if it is to, and lets a test act just before a read or a write."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.writes = 0
        self.fails_reads = self.fails_writes = False
        self.before_read: Callable[[], object] = lambda: None
        self.before_write: Callable[[], object] = lambda: None

    def read(self, site: str) -> Outage | None:
        self.reads += 1
        self.before_read()
        if self.fails_reads:
            raise DeliveryError("the table is not there")
        return super().read(site)

    def replace(self, site: str, seen: Outage | None, new: Outage) -> bool:
        self._write()
        return super().replace(site, seen, new)

    def report(self, site: str, seen: Outage, *, slice_number: int, failed_percent: int) -> Outage | None:
        self._write()
        return super().report(site, seen, slice_number=slice_number, failed_percent=failed_percent)

    def _write(self) -> None:
        self.writes += 1
        before, self.before_write = self.before_write, lambda: None
        before()
        if self.fails_writes:
            raise DeliveryError("the table is not there")


@dataclass
class Environments:
    """Makes environments, and what they share."""

    store: Store = field(default_factory=Store)
    clock: Clock = field(default_factory=lambda: Clock(NOW))
    telemetry: TelemetryDouble = field(default_factory=TelemetryDouble)
    draw: float = 0.5

    def start(self) -> SharedCircuitBreaker:
        return SharedCircuitBreaker(
            store=self.store, telemetry=self.telemetry, clock=self.clock, random=lambda: self.draw
        )

    def call(self, breaker: SharedCircuitBreaker, *, failed: bool, site: str = EU) -> bool:
        """Make a call if it is admitted, and return whether it was."""
        admitted = breaker.admits(site)
        if admitted:
            breaker.note(site, failed=failed)
        return admitted

    def suspect(self, breaker: SharedCircuitBreaker, site: str = EU) -> None:
        """Let so many calls fail that the circuit is watched."""
        for _ in range(FAILURES_TO_WATCH):
            assert self.call(breaker, failed=True, site=site)

    def work(self, breakers: dict[SharedCircuitBreaker, bool], seconds: float, site: str = EU) -> None:
        """Make four calls a second in each environment, which all fail or all succeed."""
        for _ in range(int(seconds * 4)):
            self.clock.now += 0.25
            for breaker, failed in breakers.items():
                self.call(breaker, failed=failed, site=site)

    def opened(self, site: str = EU) -> SharedCircuitBreaker:
        """Return an environment that has just opened a circuit."""
        breaker = self.start()
        self.suspect(breaker, site)
        while breaker.admits(site):
            breaker.note(site, failed=True)
            self.clock.now += 0.25
        return breaker

    def ramping(self) -> SharedCircuitBreaker:
        """Return an environment whose probe has just succeeded."""
        breaker = self.opened()
        self.clock.now += PROBE_SECONDS
        assert self.call(breaker, failed=False)
        return breaker


@pytest.fixture
def environments() -> Environments:
    return Environments()


def admitted(breaker: SharedCircuitBreaker, times: int = 5, site: str = EU) -> list[bool]:
    return [breaker.admits(site) for _ in range(times)]


class TestOpening:
    def test_a_site_that_works_is_called_and_nothing_is_written(self, environments: Environments) -> None:
        environments.work({environments.start(): False}, 60)

        assert environments.store.writes == 0

    def test_a_site_that_is_down_is_no_longer_called_by_anybody(self, environments: Environments) -> None:
        here, there = environments.start(), environments.start()
        environments.work({here: True, there: True}, 10)

        assert admitted(here) == admitted(there) == [False] * 5
        assert admitted(environments.start()) == [False] * 5
        assert environments.telemetry.counts == {"CircuitOpened": 1}
        assert environments.telemetry.warnings == [{"event": "circuit opened", "site": EU}]

    def test_a_fault_of_one_environment_opens_nothing(self, environments: Environments) -> None:
        broken, *others = (environments.start() for _ in range(3))
        environments.suspect(broken)
        environments.work({broken: True, **dict.fromkeys(others, False)}, 60)

        assert admitted(broken) == [True] * 5
        assert environments.store.writes > 0
        assert environments.telemetry.counts == {}

    def test_an_environment_counts_as_much_as_another_however_fast_it_fails(self, environments: Environments) -> None:
        broken, other = environments.start(), environments.start()
        environments.suspect(broken)
        for _ in range(40):
            environments.clock.now += 0.25
            for _ in range(100):
                environments.call(broken, failed=True)
            environments.call(other, failed=False)

        assert admitted(broken) == [True] * 5

    def test_most_calls_that_succeed_keep_a_watched_circuit_closed(self, environments: Environments) -> None:
        breaker = environments.start()
        environments.suspect(breaker)
        for number in range(400):
            environments.clock.now += 0.1
            assert environments.call(breaker, failed=number % 4 == 0)

        assert environments.telemetry.counts == {}

    def test_failures_that_are_not_in_a_row_are_not_even_watched(self, environments: Environments) -> None:
        breaker = environments.start()
        for _ in range(5):
            for _ in range(FAILURES_TO_WATCH - 1):
                environments.call(breaker, failed=True)
            environments.call(breaker, failed=False)

        assert environments.store.writes == 0

    def test_a_watch_ends(self, environments: Environments) -> None:
        breaker = environments.start()
        environments.suspect(breaker)
        environments.work({breaker: False}, WATCH_SECONDS)
        written = environments.store.writes

        environments.work({breaker: False}, 30)

        assert environments.store.writes == written

    def test_a_site_can_go_down_again_after_a_watch(self, environments: Environments) -> None:
        breaker = environments.start()
        environments.suspect(breaker)
        environments.work({breaker: False}, WATCH_SECONDS)

        environments.work({breaker: True}, 10)

        assert admitted(breaker) == [False] * 5

    def test_one_site_does_not_touch_another(self, environments: Environments) -> None:
        breaker = environments.opened(EU)

        assert [admitted(breaker, site=EU), admitted(breaker, site=US)] == [[False] * 5, [True] * 5]

    def test_a_call_that_was_admitted_before_the_opening_changes_nothing(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.draw = 0.0
        written = environments.store.writes
        environments.clock.now += 2
        breaker.note(EU, failed=False)
        breaker.note(EU, failed=True)

        assert admitted(breaker) == [False] * 5
        assert environments.store.writes == written


class TestProbing:
    def test_one_probe_is_made_at_a_time(self, environments: Environments) -> None:
        here, there = environments.opened(), environments.start()
        environments.clock.now += PROBE_SECONDS

        assert [admitted(here, 3), admitted(there, 3)] == [[True, False, False], [False] * 3]
        assert environments.telemetry.counts["CircuitProbe"] == 1

    def test_of_two_environments_that_race_for_the_probe_one_wins(self, environments: Environments) -> None:
        here, there = environments.opened(), environments.start()
        environments.clock.now += PROBE_SECONDS
        won_there: list[bool] = []
        environments.store.before_write = lambda: won_there.append(there.admits(EU))

        assert (here.admits(EU), won_there) == (False, [True])
        assert admitted(here) == [False] * 5

    def test_of_the_threads_of_an_environment_one_makes_the_probe(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.clock.now += PROBE_SECONDS

        with ThreadPoolExecutor(4) as threads:
            results = list(threads.map(lambda _: breaker.admits(EU), range(100)))

        assert results.count(True) == 1

    def test_after_a_probe_that_failed_the_next_is_made_as_long_after_it(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.clock.now += PROBE_SECONDS
        assert environments.call(breaker, failed=True)

        environments.clock.now += PROBE_SECONDS - 1
        assert admitted(breaker) == [False] * 5
        environments.clock.now += 1
        assert admitted(breaker, 2) == [True, False]

    def test_a_probe_of_which_nothing_is_heard_is_followed_by_another(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.clock.now += PROBE_SECONDS
        assert breaker.admits(EU)
        environments.clock.now += PROBE_SECONDS

        assert environments.start().admits(EU)

    def test_a_probe_that_succeeds_begins_a_ramp_for_all(self, environments: Environments) -> None:
        environments.ramping()
        environments.draw = 0.04

        assert environments.start().admits(EU)
        assert {"event": "circuit closing", "site": EU} in environments.telemetry.notes

    def test_a_success_that_comes_after_another_outage_began_changes_nothing(self, environments: Environments) -> None:
        late = environments.opened()
        environments.clock.now += PROBE_SECONDS
        assert late.admits(EU)
        environments.clock.now += PROBE_SECONDS
        other = environments.start()
        assert environments.call(other, failed=True)

        late.note(EU, failed=False)

        assert admitted(other) == [False] * 5

    def test_one_call_a_minute_recovers_with_the_first_call_that_succeeds(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.clock.now += 60
        assert environments.call(breaker, failed=True)
        environments.clock.now += 60
        assert environments.call(breaker, failed=False)
        environments.clock.now += 60

        assert admitted(breaker) == [True] * 5

    def test_an_outage_may_last_for_days(self, environments: Environments) -> None:
        breaker = environments.opened()
        for _ in range(3):
            environments.clock.now += 86_400
            assert environments.call(breaker, failed=True)
            assert not breaker.admits(EU)

        assert breaker.wait(EU) > 0


class TestRamping:
    @pytest.mark.parametrize(("after", "share"), [(0, 0.05), (5, 0.1), (10, 0.2), (15, 0.4), (20, 0.8)], ids=str)
    def test_the_share_of_admitted_calls_doubles_every_five_seconds(
        self, environments: Environments, after: float, share: float
    ) -> None:
        breaker = environments.ramping()
        environments.clock.now += after

        environments.draw = share + 0.001
        assert not breaker.admits(EU)
        environments.draw = share - 0.001
        assert breaker.admits(EU)

    def test_an_environment_makes_few_calls_however_many_wait(self, environments: Environments) -> None:
        breaker = environments.ramping()
        environments.draw = 0.0

        made = 0
        for _ in range(500):
            environments.clock.now += 0.01
            made += sum(admitted(breaker, 10))

        assert 2 <= made <= 5

    def test_after_the_ramp_all_calls_are_admitted_and_nothing_more_is_written(
        self, environments: Environments
    ) -> None:
        breaker = environments.ramping()
        environments.clock.now += WATCH_SECONDS
        environments.draw = 0.999
        written = environments.store.writes

        assert all(environments.call(breaker, failed=False) for _ in range(100))
        assert environments.store.writes == written

    def test_a_site_that_fails_in_the_ramp_is_left_alone_again(self, environments: Environments) -> None:
        breakers = [environments.ramping(), *(environments.start() for _ in range(9))]
        environments.draw = 0.0

        environments.work(dict.fromkeys(breakers, True), 8)

        assert [breaker.admits(EU) for breaker in breakers] == [False] * 10
        assert environments.telemetry.counts["CircuitOpened"] == 2

    def test_a_part_that_fails_does_not_end_the_ramp(self, environments: Environments) -> None:
        breakers = [environments.ramping(), *(environments.start() for _ in range(9))]
        environments.draw = 0.0

        failing = {breaker: number < 5 for number, breaker in enumerate(breakers)}
        environments.work(failing, WATCH_SECONDS)

        assert [breaker.admits(EU) for breaker in breakers] == [True] * 10
        assert environments.telemetry.counts["CircuitOpened"] == 1


class TestWaiting:
    def hold_back(self, breaker: SharedCircuitBreaker, times: int) -> None:
        assert admitted(breaker, times) == [False] * times

    def test_nothing_waits_while_the_circuit_is_closed_or_watched(self, environments: Environments) -> None:
        breaker = environments.start()
        assert breaker.wait(EU) == 0
        environments.suspect(breaker)

        assert breaker.wait(EU) == 0

    def test_a_few_come_again_when_the_next_probe_is_due(self, environments: Environments) -> None:
        breaker = environments.opened()
        outage = environments.store.read(EU)
        assert outage is not None
        environments.clock.now = outage.probe_at - 4

        environments.draw = 0.0
        assert breaker.wait(EU) == 4
        environments.draw = 1.0
        assert breaker.wait(EU) == 4 + FEW_SPREAD_SECONDS

    def test_the_others_come_again_over_twice_the_age_of_the_outage(self, environments: Environments) -> None:
        breaker = environments.opened()
        outage = environments.store.read(EU)
        assert outage is not None
        environments.clock.now = outage.began + 60
        assert environments.call(breaker, failed=True)
        self.hold_back(breaker, FEW + 1)
        environments.draw = 1.0

        assert breaker.wait(EU) == pytest.approx(PROBE_SECONDS + 2 * 60)

    def test_but_over_no_more_than_a_quarter_of_an_hour(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.clock.now += 86_400
        assert environments.call(breaker, failed=True)
        self.hold_back(breaker, FEW + 1)
        environments.draw = 1.0

        assert breaker.wait(EU) == pytest.approx(PROBE_SECONDS + MAX_SPREAD_SECONDS)

    def test_an_outage_that_goes_on_after_a_ramp_is_as_old_as_before(self, environments: Environments) -> None:
        breakers = [environments.ramping(), *(environments.start() for _ in range(9))]
        environments.draw = 0.0
        environments.work(dict.fromkeys(breakers, True), 8)
        outage = environments.store.read(EU)

        assert outage is not None
        assert (outage.share, outage.since - outage.began > PROBE_SECONDS) == (0.0, True)

    def test_what_the_ramp_holds_back_comes_again_during_or_after_it(self, environments: Environments) -> None:
        breaker = environments.ramping()
        environments.draw = 0.999
        assert not breaker.admits(EU)

        assert 0 < breaker.wait(EU) < WATCH_SECONDS + FEW_SPREAD_SECONDS


class TestTheStore:
    def test_it_is_read_once_a_second_however_many_calls_there_are(self, environments: Environments) -> None:
        breaker = environments.start()
        environments.work({breaker: False}, 10)

        assert 10 <= environments.store.reads <= 11

    def test_while_one_thread_reads_the_others_go_by_what_is_known(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.clock.now += 1
        meanwhile: list[bool] = []
        environments.store.before_read = lambda: meanwhile.append(breaker.admits(EU))
        reads = environments.store.reads

        breaker.admits(EU)

        assert (meanwhile, environments.store.reads) == ([False], reads + 1)

    def test_it_is_read_when_the_clock_was_set_back(self, environments: Environments) -> None:
        breaker = environments.start()
        breaker.admits(EU)
        environments.clock.now -= 3_600
        breaker.admits(EU)

        assert environments.store.reads == 2

    def test_it_is_not_read_without_a_call(self, environments: Environments) -> None:
        environments.start()
        environments.clock.now += 60

        assert environments.store.reads == 0

    def test_a_report_is_written_once_a_second_by_each_environment(self, environments: Environments) -> None:
        breaker = environments.start()
        environments.suspect(breaker)
        environments.work({breaker: False}, 10)

        assert environments.store.writes == pytest.approx(11, abs=1)

    @pytest.mark.parametrize("is_open", [False, True])
    def test_if_it_cannot_be_read_the_circuit_counts_as_closed(
        self, environments: Environments, *, is_open: bool
    ) -> None:
        breaker = environments.opened() if is_open else environments.start()
        environments.store.fails_reads = True
        environments.clock.now += 1

        assert admitted(breaker) == [True] * 5
        assert breaker.wait(EU) == 0

    def test_if_it_can_be_read_again_so_is_the_circuit(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.store.fails_reads = True
        environments.clock.now += 1
        assert breaker.admits(EU)
        environments.store.fails_reads = False
        environments.clock.now += 1

        assert not breaker.admits(EU)

    def test_if_it_cannot_be_written_failures_stop_nobody(self, environments: Environments) -> None:
        environments.store.fails_writes = True
        breaker = environments.start()
        environments.work({breaker: True}, 60)

        assert admitted(breaker) == [True] * 5

    def test_if_no_probe_can_be_written_the_circuit_counts_as_closed(self, environments: Environments) -> None:
        breaker = environments.opened()
        environments.store.fails_writes = True
        environments.clock.now += PROBE_SECONDS

        assert admitted(breaker) == [True] * 5

    def test_a_report_that_cannot_be_written_does_not_end_the_ramp(self, environments: Environments) -> None:
        breaker = environments.ramping()
        environments.store.fails_writes = True
        breaker.note(EU, failed=False)
        environments.draw = 0.9

        assert admitted(breaker) == [False] * 5


def test_what_is_forgotten_is_read_again(environments: Environments) -> None:
    here, there = environments.opened(), environments.start()
    for _ in range(FAILURES_TO_WATCH - 1):
        there.note(US, failed=True)
    reads = environments.store.reads

    here.forget()
    there.forget()
    there.note(US, failed=True)

    assert not here.admits(EU)
    assert environments.store.reads == reads + 1
    assert environments.store.read(US) is None


def test_threads_may_share_it(environments: Environments) -> None:
    breaker = environments.start()

    def call(number: int) -> None:
        if breaker.admits(EU):
            breaker.note(EU, failed=number % 2 == 0)
        environments.clock.now += 0.001

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(call, range(5_000)))

    assert environments.telemetry.counts == {}
