"""What the breaker does to the load on a partner that is down, in simulated time."""

from dataclasses import replace
from functools import cache

import pytest

from bench.outage import MAX_FIRST, Scenario, outage, simulate

SCENARIO = Scenario(rate=50, environments=10, down_from=20, down_for=300, until=1_200)


@cache
def course(scenario: Scenario) -> dict[str, float]:
    return outage(scenario, simulate(scenario))


def test_a_partner_that_is_down_gets_at_most_a_twentieth_of_its_calls() -> None:
    assert 0 < course(SCENARIO)["load while down ×"] <= 0.05


def test_without_a_breaker_it_gets_a_multiple() -> None:
    found = course(replace(SCENARIO, has_breaker=False, until=360))

    assert found["load while down ×"] > 2
    assert found[MAX_FIRST] > 4


def test_a_partner_that_is_back_gets_its_calls_step_by_step_and_then_all() -> None:
    found = course(SCENARIO)

    assert found["first delivery s"] <= 12
    assert 20 <= found["normal load s"] <= 50
    assert found[MAX_FIRST] <= 2
    assert found["max later ×"] <= 4
    assert found["drained s"] <= 900


def steady(**differences: float) -> tuple[float, int]:
    """Return the share of calls that is admitted, and how often the circuit opened."""
    scenario = replace(SCENARIO, down_for=0, until=300, **differences)  # type: ignore[arg-type]  # numbers of its own
    found = simulate(scenario)
    return found.admitted, found.counts["CircuitOpened"]


@pytest.mark.parametrize("failing", [0.2, 0.5])
def test_a_partner_that_fails_partly_is_called_as_before(failing: float) -> None:
    assert steady(failing=failing) == (1.0, 0)


def test_an_environment_that_fails_alone_stops_nobody() -> None:
    assert steady(broken_environments=1) == (1.0, 0)


def test_a_partner_that_fails_nearly_always_is_not() -> None:
    share, opened = steady(failing=0.98)

    assert (share < 0.1, opened > 0) == (True, True)


@pytest.mark.parametrize("seed", range(5))
def test_a_tiny_deployment_recovers_with_the_next_probe(seed: int) -> None:
    found = course(replace(SCENARIO, rate=1 / 30, environments=1, down_for=600, until=1_500, seed=seed))

    assert found["opened"] == 1
    assert found["first delivery s"] <= 13


def test_a_simulation_can_be_repeated() -> None:
    short = replace(SCENARIO, down_for=60, until=120)

    assert simulate(short) == simulate(short)
    assert simulate(short) != simulate(replace(short, seed=2))
