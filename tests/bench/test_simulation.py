"""The simulations against what queueing theory knows."""

from math import factorial
from random import Random

import pytest

from bench.simulation import Burst, Consumers, Scaling, drained, handled

LONG = 4_000.0


def erlang_b(offered: float, servers: int) -> float:
    """Return the share of requests that find all servers busy, and are lost."""
    terms = [offered**number / factorial(number) for number in range(servers + 1)]
    return terms[-1] / sum(terms)


def erlang_c(offered: float, servers: int) -> float:
    """Return the share of requests that find all servers busy, and wait."""
    blocked = erlang_b(offered, servers)
    return blocked / (1 - offered / servers * (1 - blocked))


def test_a_burst_is_a_burst() -> None:
    burst = Burst(steady=2, peak=10, begins=30, lasts=60)

    assert [burst(second) for second in (0, 29.9, 30, 89.9, 90)] == [2, 2, 10, 10, 2]


def test_requests_that_find_no_environment_are_as_many_as_erlang_says() -> None:
    random = Random(1)  # noqa: S311 - a simulation is to be repeatable
    scaling = Scaling(limit=10)

    done = handled(lambda _: 8.0, lambda: random.expovariate(1), scaling, until=LONG, warm=10, random=random)

    assert done.throttled / done.requests == pytest.approx(erlang_b(8, 10), rel=0.1)


def test_concurrency_is_littles_law() -> None:
    done = handled(lambda _: 100.0, lambda: 0.25, Scaling(limit=1_000), until=60)

    assert done.max_concurrent in {24, 25, 26}
    assert done.environments == done.max_concurrent
    assert done.throttled == 0


def test_environments_grow_by_the_allowance_and_no_faster() -> None:
    scaling = Scaling(limit=10_000, at_once=10, per_second=1)

    done = handled(lambda _: 100.0, lambda: 1_000.0, scaling, until=20.5)

    assert done.environments == pytest.approx(30, abs=1)
    assert done.requests == done.environments + done.throttled


def test_environments_stop_growing_at_the_accounts_limit() -> None:
    done = handled(lambda _: 100.0, lambda: 1_000.0, Scaling(limit=7), until=10)

    assert (done.environments, done.max_concurrent) == (7, 7)


@pytest.mark.parametrize(("rate", "servers"), [(0.7, 1), (2.5, 3)])
def test_messages_wait_as_long_as_erlang_says(rate: float, servers: int) -> None:
    random = Random(7)  # noqa: S311 - as above
    consumers = Consumers(maximum=servers, batch=1)

    done = drained(lambda _: rate, lambda _: random.expovariate(1), consumers, until=10_000, random=random)

    assert done.mean_wait == pytest.approx(erlang_c(rate, servers) / (servers - rate), rel=0.15)


def test_waiting_messages_are_littles_law() -> None:
    random = Random(3)  # noqa: S311 - as above

    done = drained(
        lambda _: 0.8, lambda _: random.expovariate(1), Consumers(maximum=1, batch=1), until=LONG, random=random
    )

    assert sum(done.backlog) / LONG == pytest.approx(done.delivered / LONG * done.mean_wait, rel=0.02)


def test_a_queue_that_is_filled_twice_as_fast_as_it_is_emptied_grows_and_ages_evenly() -> None:
    done = drained(lambda _: 20.0, lambda messages: messages / 10, Consumers(maximum=1), until=60.5)

    assert done.backlog[-1] == pytest.approx(60 * 10, rel=0.05)
    assert done.age[-1] == pytest.approx(30, rel=0.05)


def test_a_group_is_emptied_by_one_consumer_however_many_there_are() -> None:
    one = drained(lambda _: 100.0, lambda _: 1.0, Consumers(maximum=50), until=60.5, groups=1)
    many = drained(lambda _: 100.0, lambda _: 1.0, Consumers(maximum=50), until=60.5, groups=50)

    assert one.delivered == pytest.approx(60 * 10, rel=0.05)
    assert many.delivered == pytest.approx(60 * 100, rel=0.05)


def test_consumers_that_grow_empty_more_and_more() -> None:
    growing = Consumers(maximum=50, at_first=1, per_second=1)

    assert [growing.allowed(second) for second in (0, 10, 100)] == [1, 11, 50]


def test_nothing_more_comes_once_the_rate_is_zero() -> None:
    done = drained(lambda now: 10.0 if now < 5 else 0.0, lambda _: 0.1, Consumers(maximum=5), until=30)

    assert done.delivered == pytest.approx(50, abs=1)
    assert done.backlog[-1] == 0


def test_lambda_takes_ten_requests_a_second_for_each_unit_of_concurrency() -> None:
    done = handled(lambda _: 300.0, lambda: 0.01, Scaling(limit=20), until=60)

    assert done.max_concurrent <= 4  # of twenty
    assert done.requests - done.throttled == pytest.approx(20 * 10 * 60, rel=0.02)


def test_requests_within_ten_for_each_unit_are_all_taken() -> None:
    assert handled(lambda _: 200.0, lambda: 0.01, Scaling(limit=20), until=60).throttled == 0
