from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from mparticle_firehose.partner_api.rate_limits import RateLimits
from tests.conftest import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> RateLimits:
    return RateLimits(clock)


def test_a_credential_rests_for_the_time_that_was_asked(limits: RateLimits, clock: Clock) -> None:
    limits.pause("a", 30)

    assert limits.wait("a") == 30
    clock.now += 29
    assert limits.wait("a") == 1
    clock.now += 1
    assert limits.wait("a") == 0


def test_other_credentials_go_on(limits: RateLimits) -> None:
    limits.pause("a", 30)

    assert limits.wait("b") == 0


@pytest.mark.parametrize("pauses", [(30, 5), (5, 30)])
def test_the_longest_wait_wins(limits: RateLimits, pauses: tuple[float, ...]) -> None:
    for seconds in pauses:
        limits.pause("a", seconds)

    assert limits.wait("a") == 30


def test_a_pause_that_is_over_does_not_lengthen_a_new_one(limits: RateLimits, clock: Clock) -> None:
    limits.pause("a", 30)
    clock.now += 60
    limits.pause("a", 5)

    assert limits.wait("a") == 5


def test_all_pauses_can_be_forgotten(limits: RateLimits) -> None:
    limits.pause("a", 30)
    limits.forget()

    assert limits.wait("a") == 0


def kept(limits: RateLimits, names: Iterator[str]) -> list[str]:
    return [name for name in names if limits.wait(name)]


def test_when_there_are_too_many_what_is_over_goes_first(clock: Clock) -> None:
    limits = RateLimits(clock, max_credentials=3)
    limits.pause("short", 1)
    limits.pause("a", 30)
    limits.pause("b", 20)
    clock.now += 1
    limits.pause("c", 10)

    assert kept(limits, iter("abc")) == ["a", "b", "c"]


def test_then_go_those_that_end_first_so_that_the_number_stays_bounded(clock: Clock) -> None:
    limits = RateLimits(clock, max_credentials=10)
    for number in range(25):
        limits.pause(str(number), 100 + number)

    left = kept(limits, map(str, range(25)))
    assert len(left) <= 10
    assert left == [str(number) for number in range(25)][-len(left) :]


def test_threads_may_share_it(clock: Clock) -> None:
    limits = RateLimits(clock, max_credentials=50)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(limits.pause, map(str, range(2_000)), repeat(30)))
        waits = list(threads.map(limits.wait, map(str, range(2_000))))

    assert set(waits) <= {0, 30}
    assert 0 < waits.count(30) <= 50
