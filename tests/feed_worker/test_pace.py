"""How fast batches may go with one key pair: never above the limit, slowly at first, and as mParticle's answers say."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.feed.answers import RateLimit
from mparticle_firehose.feed.encoding import MAX_BATCHES
from mparticle_firehose.feed_worker.pace import Paces
from tests.conftest import Clock

LIMIT = 120.0
ACCELERATION = RateLimit(exceeded="acceleration")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def paces(clock: Clock) -> Paces:
    return Paces(LIMIT, clock)


def send(paces: Paces, clock: Clock, batches: int = MAX_BATCHES) -> float:
    """Send a request as soon as it may go, and return how long it waited."""
    waited = paces.wait("a", batches)
    clock.now += waited
    assert paces.wait("a", batches) == 0
    paces.take("a", batches)
    return waited


def use(paces: Paces, clock: Clock, seconds: float, answer: RateLimit | None = None) -> int:
    """Send full requests one after the other for so long, and return how many batches were sent."""
    end, sent = clock.now + seconds, 0
    while clock.now + paces.wait("a", MAX_BATCHES) <= end:
        send(paces, clock)
        sent += MAX_BATCHES
        paces.note("a", answer or RateLimit())
    clock.now = end
    return sent


def rate(paces: Paces, clock: Clock) -> float:
    """Return batches a second, by how long a full request waits for the one before."""
    send(paces, clock)
    return MAX_BATCHES / paces.wait("a", MAX_BATCHES)


@pytest.fixture
def at_full_rate(paces: Paces, clock: Clock) -> Paces:
    use(paces, clock, 60)
    assert rate(paces, clock) == pytest.approx(LIMIT)
    return paces


# --- the bucket ------------------------------------------------------------------------------------------------------


def test_the_first_request_goes_at_once_and_a_part_of_it_leaves_room_for_the_rest(paces: Paces) -> None:
    assert paces.wait("a", MAX_BATCHES) == 0
    paces.take("a", 60)

    assert paces.wait("a", 40) == 0
    assert paces.wait("a", 41) == pytest.approx(1 / 12)


def test_asking_takes_nothing(paces: Paces) -> None:
    paces.take("a", 60)

    assert [paces.wait("a", 100) for _ in range(3)] == pytest.approx([60 / 12] * 3)


def test_a_full_request_is_possible_below_a_hundred_batches_a_second_and_the_next_waits_longer(clock: Clock) -> None:
    slow = Paces(2.0, clock)

    assert [send(slow, clock) for _ in range(2)] == pytest.approx([0, 100 / 0.2])


def test_what_was_taken_in_advance_is_waited_for(paces: Paces) -> None:
    paces.take("a", 150)

    assert paces.wait("a", 1) == pytest.approx(51 / 12)


def test_more_than_a_request_goes_when_the_bucket_is_full(paces: Paces, clock: Clock) -> None:
    paces.take("a", 0)
    assert paces.wait("a", 250) == 0
    paces.take("a", 250)

    assert paces.wait("a", 250) == pytest.approx(250 / 12)


def test_who_waits_as_long_as_was_said_may_go_whatever_the_clock_rounds(paces: Paces, clock: Clock) -> None:
    clock.now = 12_345_678.9
    paces.take("a", 77)
    clock.now += paces.wait("a", 100)

    assert paces.wait("a", 100) == 0


def test_pairs_have_paces_of_their_own(paces: Paces) -> None:
    paces.take("a", 100)

    assert (paces.wait("a", 100) > 0, paces.wait("b", 100)) == (True, 0)


def test_a_clock_that_goes_back_gives_nothing(paces: Paces, clock: Clock) -> None:
    paces.take("a", 100)
    before = paces.wait("a", 100)
    clock.now -= 500
    paces.take("a", 0)
    assert paces.wait("a", 100) == before
    clock.now += 500

    assert paces.wait("a", 100) == before


# --- slow start ------------------------------------------------------------------------------------------------------


def test_the_rate_is_a_tenth_at_first(paces: Paces, clock: Clock) -> None:
    assert rate(paces, clock) == pytest.approx(LIMIT / 10)


def test_it_doubles_in_ten_seconds_of_use(paces: Paces, clock: Clock) -> None:
    send(paces, clock)
    begun, rates = clock.now, []
    for _ in range(20):
        send(paces, clock)
        rates.append((clock.now - begun, MAX_BATCHES / paces.wait("a", MAX_BATCHES)))

    assert [found for _, found in rates] == pytest.approx(
        [min(LIMIT, LIMIT / 10 * 2 ** (passed / 10)) for passed, _ in rates]
    )
    assert rates[-1][1] == pytest.approx(LIMIT)


def test_at_most_it_doubles_from_one_request_to_the_next_however_long_that_waits(clock: Clock) -> None:
    slow = Paces(1.0, clock)

    assert [send(slow, clock) for _ in range(6)] == pytest.approx([0, 1_000, 500, 250, 125, 100])


def test_full_use_for_a_minute_and_on_keeps_the_limit(at_full_rate: Paces, clock: Clock) -> None:
    assert use(at_full_rate, clock, 100) == pytest.approx(100 * LIMIT, abs=MAX_BATCHES)


def test_after_a_minute_without_use_it_is_a_tenth_again(at_full_rate: Paces, clock: Clock) -> None:
    clock.now += 61  # the bucket is full after less than a second

    assert rate(at_full_rate, clock) == pytest.approx(LIMIT / 10)


def test_after_less_it_is_more(at_full_rate: Paces, clock: Clock) -> None:
    clock.now += at_full_rate.wait("a", MAX_BATCHES) + 30

    assert rate(at_full_rate, clock) == pytest.approx(LIMIT * 0.1**0.5)


def test_a_trickle_does_not_keep_the_rate_of_a_burst(at_full_rate: Paces, clock: Clock) -> None:
    """As while an outage is probed, or one event comes now and then."""
    for _ in range(20):
        clock.now += 10
        at_full_rate.take("a", 1)

    assert rate(at_full_rate, clock) < 1.1 * LIMIT / 10


@pytest.mark.parametrize("per_second", [50, 90])
def test_a_steady_load_below_the_limit_does_not_wait(at_full_rate: Paces, clock: Clock, per_second: int) -> None:
    waits = []
    for _ in range(300):
        clock.now += 1
        waits.append(at_full_rate.wait("a", per_second))
        at_full_rate.take("a", per_second)

    assert set(waits) == {0}


def test_all_can_be_forgotten(at_full_rate: Paces, clock: Clock) -> None:
    at_full_rate.forget()

    assert at_full_rate.wait("a", MAX_BATCHES) == 0
    assert rate(at_full_rate, clock) == pytest.approx(LIMIT / 10)


# --- what mParticle says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [RateLimit(90.1), RateLimit(exceeded="feed"), RateLimit(exceeded="unheard_of")])
def test_above_ninety_percent_and_when_a_limit_was_exceeded_the_rate_is_halved(
    at_full_rate: Paces, clock: Clock, told: RateLimit
) -> None:
    at_full_rate.note("a", told)

    assert rate(at_full_rate, clock) == pytest.approx(LIMIT / 2)


@pytest.mark.parametrize(("later", "halvings"), [(0, 1), (4.9, 1), (5, 2)])
def test_it_is_halved_once_for_what_was_sent_before_and_again_later(
    at_full_rate: Paces, clock: Clock, later: float, halvings: int
) -> None:
    at_full_rate.note("a", RateLimit(95))
    at_full_rate.take("a", 1_000)
    clock.now += later
    for _ in range(20):
        at_full_rate.note("a", RateLimit(95))
    before = at_full_rate.wait("a", 0)
    at_full_rate.take("a", 100)

    assert 100 / (at_full_rate.wait("a", 0) - before) == pytest.approx(LIMIT / 2**halvings)


def test_it_is_never_less_than_a_hundredth(at_full_rate: Paces, clock: Clock) -> None:
    for _ in range(50):
        at_full_rate.note("a", RateLimit(100))
        clock.now += 5

    assert rate(at_full_rate, clock) == pytest.approx(LIMIT / 100)


@pytest.mark.parametrize("used", [70, 90, None])
def test_a_halved_rate_stays_while_no_answer_says_less_than_seventy(
    at_full_rate: Paces, clock: Clock, used: float | None
) -> None:
    at_full_rate.note("a", RateLimit(95))
    use(at_full_rate, clock, 200, RateLimit(used))

    assert rate(at_full_rate, clock) == pytest.approx(LIMIT / 2)


def test_below_seventy_it_grows_by_a_tenth_with_each_answer(at_full_rate: Paces, clock: Clock) -> None:
    at_full_rate.note("a", RateLimit(95))
    use(at_full_rate, clock, 20, RateLimit(80))
    for _ in range(3):
        at_full_rate.note("a", RateLimit(69.9))

    assert rate(at_full_rate, clock) == pytest.approx(LIMIT / 2 * 1.1**3)


def test_it_grows_to_the_limit_and_no_further(at_full_rate: Paces, clock: Clock) -> None:
    at_full_rate.note("a", RateLimit(95))
    use(at_full_rate, clock, 100, RateLimit(10))

    assert rate(at_full_rate, clock) == pytest.approx(LIMIT)


def test_many_answers_do_not_make_it_double_sooner_than_in_ten_seconds(at_full_rate: Paces, clock: Clock) -> None:
    at_full_rate.note("a", RateLimit(95))
    for _ in range(100):
        at_full_rate.note("a", RateLimit(10))

    assert rate(at_full_rate, clock) < 0.6 * LIMIT


def test_after_acceleration_the_rate_stays_for_a_minute_and_then_grows(paces: Paces, clock: Clock) -> None:
    use(paces, clock, 15)
    paces.note("a", ACCELERATION)
    kept = rate(paces, clock)
    assert kept < LIMIT / 2
    use(paces, clock, 55, RateLimit(10))
    assert rate(paces, clock) == pytest.approx(kept)
    use(paces, clock, 60)

    assert rate(paces, clock) == pytest.approx(LIMIT)


def test_without_acceleration_it_would_have_grown(paces: Paces, clock: Clock) -> None:
    use(paces, clock, 15)
    paces.note("a", RateLimit())
    use(paces, clock, 55, RateLimit(10))

    assert rate(paces, clock) == pytest.approx(LIMIT)


def test_after_acceleration_answers_do_not_bring_the_former_rate_back_at_once(
    at_full_rate: Paces, clock: Clock
) -> None:
    at_full_rate.note("a", RateLimit(95))
    use(at_full_rate, clock, 100, RateLimit(80))
    at_full_rate.note("a", ACCELERATION)
    use(at_full_rate, clock, 59, RateLimit(80))
    for _ in range(50):
        at_full_rate.note("a", RateLimit(10))

    assert rate(at_full_rate, clock) < 0.6 * LIMIT


def test_a_quiet_time_does_not_raise_the_least_rate(at_full_rate: Paces, clock: Clock) -> None:
    for _ in range(50):
        at_full_rate.note("a", RateLimit(100))
        clock.now += 5
    clock.now += 300
    for _ in range(50):
        at_full_rate.note("a", RateLimit(10))

    assert rate(at_full_rate, clock) < 0.03 * LIMIT


def test_acceleration_keeps_a_halved_rate_too(at_full_rate: Paces, clock: Clock) -> None:
    at_full_rate.note("a", RateLimit(95))
    at_full_rate.note("a", ACCELERATION)
    use(at_full_rate, clock, 50, RateLimit(10))

    assert rate(at_full_rate, clock) == pytest.approx(LIMIT / 2)


@pytest.mark.parametrize("exceeded", ["feed", "org", "system", "acceleration"])
def test_what_an_answer_says_is_of_its_pair_alone(paces: Paces, clock: Clock, exceeded: str) -> None:
    paces.take("b", 0)
    use(paces, clock, 60)
    paces.note("b", RateLimit(100, exceeded))

    assert rate(paces, clock) == pytest.approx(LIMIT)


def test_an_answer_for_a_pair_that_was_forgotten_is_no_use(paces: Paces, clock: Clock) -> None:
    paces.note("a", RateLimit(100, "acceleration"))

    assert rate(paces, clock) == pytest.approx(LIMIT / 10)


# --- memory and threads ----------------------------------------------------------------------------------------------


def test_the_pair_that_was_not_used_for_longest_is_dropped(clock: Clock) -> None:
    paces = Paces(LIMIT, clock, max_pairs=3)
    for pair in "abcad":
        paces.take(pair, 50)

    assert [pair for pair in "abcd" if paces.wait(pair, 100)] == ["a", "c", "d"]


def test_asking_for_and_noting_unknown_pairs_keeps_nothing(clock: Clock) -> None:
    paces = Paces(LIMIT, clock, max_pairs=1)
    paces.take("a", 100)
    paces.wait("b", 100)
    paces.note("b", RateLimit(95))

    assert paces.wait("a", 100) > 0


def test_threads_may_share_it(paces: Paces) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: paces.take("a", 1), range(2_000)))

    assert paces.wait("a", 1) == pytest.approx((2_000 - 100 + 1) / 12)


def test_nothing_of_it_is_shown(paces: Paces) -> None:
    paces.take("canary-pair", 1)

    assert "canary" not in repr(paces)


# --- over any schedule -----------------------------------------------------------------------------------------------

answers = st.builds(
    RateLimit,
    st.none() | st.floats(0, 200),
    st.none() | st.sampled_from(["acceleration", "feed", "org"]),
)
steps = st.lists(
    st.tuples(
        st.just(0.0) | st.floats(0, 3) | st.floats(0, 200),  # seconds until the next request is there
        st.integers(1, MAX_BATCHES),
        st.booleans(),  # whether it waits for its turn, or is not sent if it must wait
        st.none() | answers,
    ),
    max_size=60,
)
type Steps = list[tuple[float, int, bool, RateLimit | None]]
type Sent = list[tuple[float, int]]


def takes(paces: Paces, clock: Clock, of: Steps) -> Sent:
    """Return when so many batches were taken, as `wait` allowed it."""
    sent = []
    for gap, batches, waits, answer in of:
        clock.now += gap
        if waits:
            clock.now += paces.wait("a", batches)
        if not paces.wait("a", batches):
            paces.take("a", batches)
            sent.append((clock.now, batches))
        if answer:
            paces.note("a", answer)
    return sent


def over(sent: Sent, limit: float) -> Iterator[float]:
    """Yield by how much each window has more than the limit in its time and one request."""
    for first, (begin, _) in enumerate(sent):
        for (end, _), total in zip(sent[first:], accumulate(batches for _, batches in sent[first:]), strict=True):
            yield total - limit * (end - begin) - MAX_BATCHES


def most_over(sent: Sent, limit: float) -> float:
    return max(over(sent, limit), default=0.0)


@given(limit=st.floats(0.5, 5_000), of=steps)
def test_no_window_has_more_than_the_limit_and_one_request(limit: float, of: Steps) -> None:
    clock = Clock()

    assert most_over(takes(Paces(limit, clock), clock, of), limit) <= 0.01


def test_a_schedule_that_does_not_ask_has_more() -> None:
    sent = [(1_000.0 + second / 10, MAX_BATCHES) for second in range(20)]

    assert most_over(sent, LIMIT) > 1_000


def test_a_schedule_can_reach_the_limit(paces: Paces, clock: Clock) -> None:
    sent = takes(paces, clock, [(0.0, MAX_BATCHES, True, None)] * 200)

    assert sum(batches for moment, batches in sent if moment > 1_060) == pytest.approx(
        LIMIT * (clock.now - 1_060), abs=MAX_BATCHES
    )


@given(of=steps)
def test_the_wait_of_a_request_is_never_longer_than_a_hundredth_of_the_limit_needs(of: Steps) -> None:
    clock = Clock()
    paces = Paces(LIMIT, clock)
    takes(paces, clock, of)

    assert paces.wait("a", MAX_BATCHES) <= MAX_BATCHES / (LIMIT / 100) + 0.01


@given(of=steps)
def test_the_rate_never_more_than_doubles_in_ten_seconds(of: Steps) -> None:
    clock = Clock()
    paces = Paces(LIMIT, clock)
    paces.take("a", MAX_BATCHES)
    moment, before = clock.now, LIMIT / 10
    for step in of:
        takes(paces, clock, [step])
        clock.now += paces.wait("a", MAX_BATCHES)
        now = rate(paces, clock)
        assert now <= before * 2 ** ((clock.now - moment) / 10) * 1.001
        moment, before = clock.now, now
