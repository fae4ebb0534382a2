"""The feed's pace against mParticle's limits, in simulated time, and what feed events cost."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from bench import feed
from bench.feed import ACCELERATED, REFUSED, SCENARIOS, STEADY, Acceleration, Course, Scenario, simulate
from bench.feed_cost import COSTS, LOADS, Load, bodies, cost, costs, events, invocation_ms, sqs_requests, usage
from mparticle_firehose.config import FeedSettings
from mparticle_firehose.feed_worker.pace import Paces
from tests.conftest import Clock


@cache
def found(name: str) -> dict[str, Any]:
    return feed.row(SCENARIOS[name])


def refused(course: Course) -> int:
    return sum(course.refused.values())


# --- the pace --------------------------------------------------------------------------------------------------------


def test_two_paced_environments_send_what_they_may_without_a_refusal() -> None:
    course = found(feed.TWO_PACED)

    assert course[STEADY] == pytest.approx(240, abs=2)
    assert (course[REFUSED], course[ACCELERATED]) == (0, 0)


@pytest.mark.parametrize(("name", "least"), [(feed.TWO_UNPACED, 2_000), (feed.FIFTY_UNPACED, 50_000)])
def test_unpaced_ones_are_refused_nearly_always(name: str, least: int) -> None:
    """The control: the limit is one that can be exceeded."""
    assert found(name)[REFUSED] > least


def test_without_a_slow_start_the_rate_grows_faster_than_is_assumed_to_be_allowed() -> None:
    """The control: so does the limit of acceleration."""
    course = found(feed.NO_SLOW_START)

    assert (course[REFUSED], course[ACCELERATED] > 5) == (0, True)


def test_a_limit_that_falls_is_exceeded_a_few_times_only() -> None:
    course = simulate(SCENARIOS[feed.FALLING])

    assert 0 < refused(course) < 20
    assert course.rate(90, 120) > 50


def test_unsteered_it_would_be_exceeded_again_and_again() -> None:
    """The control: the same without what mParticle's answers say."""

    class Unsteered(Paces):
        def note(self, pair: str, rate_limit: object) -> None:
            pass

    assert refused(simulate(replace(SCENARIOS[feed.FALLING], pace_of=Unsteered))) > 40


@pytest.mark.parametrize("apart", [0.05, 0.3, 1, 3, 7, 10])
def test_whenever_the_second_environment_begins_nothing_is_refused(apart: float) -> None:
    course = simulate(Scenario(environments=2, apart=apart))

    assert refused(course) == 0
    assert course.rate(60, 120) == pytest.approx(240, abs=5)


def test_the_assumed_acceleration_doubles_from_slice_to_slice() -> None:
    clock = Clock(0.0)
    limit = Acceleration(clock)

    def taken() -> Iterator[int]:
        for clock.now in (0, 5, 10, 15):
            yield sum(limit.take(100) for _ in range(100)) * 100

    assert [*taken()] == [400, 800, 1_600, 3_200]


def test_what_is_simulated_is_the_default_of_a_deployment() -> None:
    fields = FeedSettings.model_fields

    assert (fields["batches_per_second"].default, fields["concurrency"].default) == (feed.PACED, 2)


def test_a_simulation_is_the_same_each_time() -> None:
    short = Scenario(environments=3, until=30)

    assert simulate(short) == simulate(short)


def test_the_targets_are_met() -> None:
    assert [target.met for target in feed.targets(feed.measure(quick=True))] == [True, True, True]


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_sqs_charges_for_sending_receiving_and_deleting_ten_messages_at_a_time() -> None:
    assert [sqs_requests(Load(messages)) for messages in (1, 10, 11, 100)] == [3, 3, 6, 30]


def test_sqs_charges_for_each_started_64_kilobytes() -> None:
    assert [sqs_requests(Load(10, each)) for each in (13, 14)] == [3, 5]  # of 500 bytes


def test_an_invocation_makes_a_request_for_each_hundred_events_and_reads_two_identities_of_each() -> None:
    assert [invocation_ms(Load(messages), 0.0) for messages in (1, 100, 101)] == [104, 108, 212]
    assert invocation_ms(Load(100), 1.0) == pytest.approx(108 + 173)


def test_waiting_for_the_pace_is_paid_for() -> None:
    assert invocation_ms(Load(100, waits=True), 0.0) == pytest.approx(100 / 120 * 1e3)


def test_an_event_pays_its_part_of_an_invocation() -> None:
    used = usage(Load(100), 150.0)

    assert (used.lambda_requests, used.lambda_gb_seconds) == pytest.approx((0.01, 0.0015))
    assert (used.sqs_standard, used.dynamodb_reads) == pytest.approx((0.3, 1.0))


def test_an_invocation_logs_the_age_of_each_message_in_one_line() -> None:
    one, hundred = (usage(Load(messages), 150.0).log_bytes * messages for messages in (1, 100))

    assert 300 < one < 600
    assert one + 99 * len(",1000") <= hundred <= one + 99 * len(",1000") + 10


def test_the_price_is_the_sum_of_what_is_shown() -> None:
    for load in LOADS.values():
        row = cost(load, 0.1)
        assert row["US$"] == pytest.approx(sum(price for item, price in row.items() if item.startswith("US$ ")))


def test_the_fuller_an_invocation_is_the_less_an_event_costs() -> None:
    prices = [cost(Load(*load), 0.1)["US$"] for load in ((1, 1), (10, 1), (100, 1), (100, 10))]

    assert prices == sorted(prices, reverse=True)


def test_a_hundred_events_are_one_request_whose_making_takes_time() -> None:
    assert [len(bodies(events(count))) for count in (1, 100, 101)] == [1, 1, 2]
    assert all(row["CPU ms"] > 0 for row in costs(quick=True)[COSTS].values())
