"""Who waits for whom, in simulated time, at a hundredth of the rates and quotas."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from bench.starvation import (
    ERASURES,
    HOUR,
    IN_FLIGHT,
    MAX_IN_FLIGHT,
    NOT_DELIVERED,
    OTHERS,
    Scenario,
    simulate,
    waits,
)

DEAD_KEY = Scenario(failing=133, scale=0.01, fails_for=HOUR, until=HOUR)
OUTAGE = Scenario(failing=2_000, customers=20, is_site_down=True, fails_for=3 * HOUR, until=5 * HOUR, scale=0.01)
QUOTA = MAX_IN_FLIGHT * DEAD_KEY.scale


@cache
def found(scenario: Scenario) -> dict[str, Any]:
    return waits(simulate(scenario))


@pytest.mark.parametrize("scenario", [DEAD_KEY, OUTAGE], ids=["dead-key", "outage"])
def test_nobody_else_waits(scenario: Scenario) -> None:
    course = found(scenario)

    assert (course[OTHERS] <= 2, course[ERASURES] <= 2, course[NOT_DELIVERED]) == (True, True, 0)
    assert course[IN_FLIGHT] < QUOTA / 4


@pytest.mark.parametrize("scenario", [DEAD_KEY, OUTAGE], ids=["dead-key", "outage"])
def test_waiting_in_flight_and_in_one_queue_everybody_waited(scenario: Scenario) -> None:
    """The control: the same run as it was before."""
    course = found(replace(scenario, is_changed=False))

    assert min(course[OTHERS], course[ERASURES]) > 300
    assert course[IN_FLIGHT] == pytest.approx(QUOTA)


def test_without_a_tenant_for_the_site_many_customers_delay_the_others_together() -> None:
    """The control: none of twenty customers is busy enough for SQS to put it behind the others."""
    course = found(replace(OUTAGE, is_site_tenant=False))

    assert course[OTHERS] > 600
    assert course[ERASURES] <= 2


def test_few_messages_keep_nobody_waiting_in_either_way() -> None:
    few = replace(DEAD_KEY, failing=1)

    assert [found(replace(few, is_changed=changed))[OTHERS] <= 2 for changed in (True, False)] == [True, True]


def test_all_that_waited_is_delivered_soon_after_the_outage() -> None:
    assert found(OUTAGE)["all delivered after s"] <= 2 * HOUR


def test_a_simulation_is_the_same_each_time() -> None:
    short = replace(DEAD_KEY, until=600)

    assert simulate(short) == simulate(short)
