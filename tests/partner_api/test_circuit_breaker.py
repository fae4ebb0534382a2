import pytest

from mparticle_firehose.partner_api.circuit_breaker import CircuitBreaker
from mparticle_firehose.services import Breaker
from tests.conftest import Clock, TelemetryDouble

EU, US = "eu", "us"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def telemetry() -> TelemetryDouble:
    return TelemetryDouble()


@pytest.fixture
def breaker(clock: Clock, telemetry: TelemetryDouble) -> CircuitBreaker:
    return CircuitBreaker(telemetry=telemetry, failures_to_open=3, open_seconds=10, clock=clock)


def fail(breaker: Breaker, times: int, site: str = EU) -> None:
    for _ in range(times):
        breaker.note(site, failed=True)


def test_after_a_row_of_failures_no_call_is_admitted(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    assert breaker.admits(EU)
    fail(breaker, 1)

    assert not breaker.admits(EU)


def test_a_success_ends_the_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    breaker.note(EU, failed=False)
    fail(breaker, 2)

    assert breaker.admits(EU)


def test_after_the_open_seconds_one_probe_is_admitted_at_a_time(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10

    assert [breaker.admits(EU) for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_the_circuit(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    breaker.admits(EU)
    breaker.note(EU, failed=False)

    assert [breaker.admits(EU) for _ in range(3)] == [True, True, True]
    fail(breaker, 2)
    assert breaker.admits(EU)


def test_a_probe_that_fails_or_is_never_heard_of_leaves_the_next_to_the_same_time_later(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker, 3)
    clock.now += 10
    breaker.admits(EU)
    fail(breaker, 1)

    clock.now += 9
    assert not breaker.admits(EU)
    clock.now += 1
    assert breaker.admits(EU)
    clock.now += 10
    assert breaker.admits(EU)


def test_the_wait_is_until_the_next_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    assert breaker.wait(EU) == 0
    fail(breaker, 3)
    clock.now += 4
    assert breaker.wait(EU) == 6
    clock.now += 60
    assert breaker.wait(EU) == 0


def test_the_outage_of_a_site_does_not_touch_another(breaker: CircuitBreaker) -> None:
    fail(breaker, 3, EU)
    fail(breaker, 2, US)

    assert [breaker.admits(EU), breaker.admits(US)] == [False, True]


def test_what_is_forgotten_is_closed_and_counts_from_the_beginning(breaker: CircuitBreaker) -> None:
    fail(breaker, 3)
    breaker.forget()
    fail(breaker, 2)

    assert breaker.admits(EU)


def test_an_operator_sees_openings_and_probes(
    breaker: CircuitBreaker, clock: Clock, telemetry: TelemetryDouble
) -> None:
    fail(breaker, 4)
    clock.now += 10
    breaker.admits(EU)
    fail(breaker, 1)

    assert telemetry.counts == {"CircuitOpened": 1, "CircuitProbe": 1}
    assert telemetry.warnings == [{"event": "circuit opened", "site": EU}]
