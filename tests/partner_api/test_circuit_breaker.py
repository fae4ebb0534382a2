import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Bearer, Delivered, Outcome, PartnerCall, Rejected, Retry, Suspend
from mparticle_firehose.partner_api.circuit_breaker import CIRCUIT_OPEN, CircuitBreaker
from tests.conftest import Clock, PartnerDouble

CALL = PartnerCall(method="POST", path="/track", auth=Bearer("key"))
DOWN = Retry("read_timeout")
OPEN = Retry(CIRCUIT_OPEN)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(partner: PartnerDouble, clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(partner, failures_to_open=3, open_seconds=10, clock=clock)


def send(breaker: CircuitBreaker, times: int, deadline: Deadline) -> list[Outcome]:
    return [breaker.send(CALL, deadline) for _ in range(times)]


def test_after_a_row_of_failures_the_partner_is_left_alone(
    breaker: CircuitBreaker, partner: PartnerDouble, deadline: Deadline
) -> None:
    partner.judge = lambda _: DOWN

    assert send(breaker, 5, deadline) == [DOWN, DOWN, DOWN, OPEN, OPEN]
    assert len(partner.calls) == 3


@pytest.mark.parametrize(
    "between",
    [Delivered(), Rejected("http_422"), Suspend("http_401"), Retry("http_429"), Retry("http_425")],
    ids=str,
)
def test_any_sign_of_health_ends_the_row(
    breaker: CircuitBreaker, partner: PartnerDouble, deadline: Deadline, between: Outcome
) -> None:
    partner.outcomes = [DOWN, DOWN, between, DOWN, DOWN]

    assert send(breaker, 5, deadline) == [DOWN, DOWN, between, DOWN, DOWN]


def test_when_the_while_is_over_one_success_closes_the_circuit(
    breaker: CircuitBreaker, partner: PartnerDouble, clock: Clock, deadline: Deadline
) -> None:
    partner.outcomes = [DOWN] * 3
    send(breaker, 3, deadline)
    clock.now += 10

    assert send(breaker, 2, deadline) == [Delivered(), Delivered()]


def test_when_the_while_is_over_one_failure_opens_it_again(
    breaker: CircuitBreaker, partner: PartnerDouble, clock: Clock, deadline: Deadline
) -> None:
    partner.outcomes = [DOWN] * 4
    send(breaker, 3, deadline)
    clock.now += 10

    assert send(breaker, 2, deadline) == [DOWN, OPEN]
    assert len(partner.calls) == 4


def test_a_call_that_came_too_late_to_be_made_says_nothing_of_the_partner(
    breaker: CircuitBreaker, partner: PartnerDouble, deadline: Deadline, clock: Clock
) -> None:
    partner.judge = lambda _: Retry("connect_timeout")
    late = Deadline(clock(), clock)

    assert send(breaker, 5, late) == [Retry("connect_timeout")] * 5
    assert send(breaker, 2, deadline) == [Retry("connect_timeout")] * 2
    assert OPEN not in send(breaker, 1, deadline)
    assert send(breaker, 1, deadline) == [OPEN]
