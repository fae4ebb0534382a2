"""The arithmetic of how far it goes, against the simulations."""

from dataclasses import replace

import pytest

from bench import scale
from bench.quotas import IN_FLIGHT, QUEUE_CONCURRENCY, QUOTAS, REQUESTS_PER_UNIT
from bench.scale import (
    APIS,
    BULK,
    GROUPS,
    RECOVERIES,
    SINGLE,
    Recovery,
    caught_up_hours,
    deployments,
    holding_back_usd,
    keeping_up,
)
from bench.simulation import Consumers, drained
from bench.starvation import BATCH, CALL_SECONDS, HOUR, MAX_IN_FLIGHT, OVERHEAD_SECONDS, Scenario, simulate
from mparticle_firehose.delivery.side_by_side import CALLS_AT_A_TIME
from ops.capacity.planning import MAX_CONCURRENCY, Load, Mode, Plan
from ops.verify import capacity


def test_short_requests_need_a_tenth_of_their_rate_and_long_ones_more() -> None:
    found = scale.rule_of_ten()

    queued, slow = (found[f"2,000 a second, {kind}"] for kind in ("events, queued", "events, forwarded, API slow"))
    assert (queued["busy"], queued["needed"], queued["a second with 1,000"]) == (24, 200, 10_000)
    assert (slow["busy"], slow["needed"], slow["a second with 1,000"]) == (400, 400, 5_000)


@pytest.mark.parametrize("in_order", [False, True], ids=["none", "user"])
@pytest.mark.parametrize("api", [SINGLE, BULK])
def test_what_keeps_up_does_so_in_a_simulation_and_fewer_batches_do_not(api: str, *, in_order: bool) -> None:
    rate, groups = 400, 200 if in_order else 0
    found = keeping_up(rate, APIS[api], in_order=in_order)
    number, seconds = found["batches at a time"], found["s a batch"]
    size = round(found["in flight"] / number)

    def waiting(at_a_time: int) -> int:
        consumers = Consumers(maximum=at_a_time, batch=size)
        return drained(lambda _: rate, lambda _: seconds, consumers, until=60, groups=groups).backlog[-1]

    assert waiting(number) < rate
    assert waiting(number - 1) > 2 * rate


def test_an_outage_is_caught_up_by_what_is_delivered_beyond_what_comes() -> None:
    assert caught_up_hours(36_000_000, 4_000, 2_000) == 5
    assert caught_up_hours(36_000_000, 2_000, 2_000) is None


def test_it_is_caught_up_as_in_the_simulation_with_the_real_circuit_breaker() -> None:
    batch_seconds = OVERHEAD_SECONDS + BATCH * CALL_SECONDS / CALLS_AT_A_TIME
    outage = Scenario(failing=2_000, customers=20, is_site_down=True, fails_for=HOUR, until=2 * HOUR, others=0)

    simulated = simulate(outage).drained_at
    calculated = caught_up_hours(2_000 * HOUR, outage.event_concurrency * BATCH / batch_seconds, 0)

    assert simulated is not None
    assert calculated is not None
    assert simulated / HOUR == pytest.approx(calculated, abs=0.25)  # what was held back comes within 15 minutes


@pytest.mark.parametrize(("mode", "arriving", "load"), [(Mode.FORWARD, 0, 2.0), (Mode.QUEUE, 2_000, 1.0)])
def test_forwarded_events_are_no_part_of_what_is_caught_up_and_load_the_api_besides(
    mode: Mode, arriving: int, load: float
) -> None:
    found = Recovery(Load(requests=2_000, call_ms=40, mode=mode), 44).row()

    assert (found["delivered a second"], found["new ones a second"]) == (2_000, arriving)
    assert found["load on the API, × normal"] == pytest.approx(load)
    assert found["hours"] == (pytest.approx(6) if mode is Mode.FORWARD else None)


def test_a_fifo_queue_is_caught_up_by_no_more_batches_than_it_has_groups() -> None:
    load = Load(requests=2_000, call_ms=40, mode=Mode.IN_ORDER)

    assert Recovery(load, GROUPS - 1).delivered < Recovery(load, GROUPS).delivered
    assert Recovery(load, GROUPS).delivered == Recovery(load, 1_000).delivered


def test_the_planned_batches_are_those_that_are_calculated_for_the_outage() -> None:
    numbers = {(api, mode): numbers for api, mode, numbers in RECOVERIES}

    def planned(api: str, mode: Mode) -> int:
        plan = Plan(replace(APIS[api], requests=2_000, mode=mode))
        return plan.memberships_at_a_time if mode is Mode.IN_ORDER else plan.events_at_a_time

    assert [key for key in numbers if planned(*key) not in numbers[key]] == []


def test_a_canarys_second_step_starts_more_environments_than_lambda_allows_and_a_linear_one_does_not() -> None:
    found = deployments(seconds=2)

    linear, canary = (
        found[f"2,000 a second, {name}"] for name in ("Linear10PercentEvery1Minute", "Canary10Percent5Minutes")
    )
    assert (linear["environments that start"], linear["throttled"]) == (129, 0)  # 200 a second, each for 0.643 s
    assert canary["environments that start"] > 1_000
    assert canary["throttled"] > 0


def test_holding_back_is_charged_by_the_batch() -> None:
    found = holding_back_usd(10_000_000)  # a million batches, of 84 KB

    assert found == pytest.approx(
        {"Lambda": 0.20 + 0.035 * 13.3334, "SQS": (2 + 2 + 1) * 0.40, "logs": (446 + 10 * 321) / 1000 * 0.50}, rel=1e-3
    )


def test_the_quotas_have_pages_and_are_those_that_the_code_goes_by() -> None:
    assert all(quota.source.startswith("https://docs.aws.amazon.com/") for quota in QUOTAS)
    assert len({quota.what for quota in QUOTAS}) == len(QUOTAS)
    assert REQUESTS_PER_UNIT.value == capacity.REQUESTS_PER_UNIT
    assert QUEUE_CONCURRENCY.value == MAX_CONCURRENCY
    assert IN_FLIGHT.value == MAX_IN_FLIGHT
