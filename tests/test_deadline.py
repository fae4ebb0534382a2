from mparticle_firehose.deadline import Deadline
from tests.conftest import Clock


def test_what_remains_shrinks_with_time_and_never_goes_below_zero() -> None:
    clock = Clock()
    deadline = Deadline.after(2.0, clock)

    remaining = [deadline.remaining()]
    for _ in range(3):
        clock.now += 1.0
        remaining.append(deadline.remaining())

    assert remaining == [2.0, 1.0, 0.0, 0.0]


def test_a_part_of_the_work_gets_no_more_than_the_whole_has_left() -> None:
    clock = Clock()
    deadline = Deadline.after(5.0, clock)

    assert deadline.within(2.0).remaining() == 2.0
    assert deadline.within(60.0).remaining() == 5.0


def test_what_serves_later_work_too_may_take_longer() -> None:
    clock = Clock()
    deadline = Deadline.after(5.0, clock)

    assert deadline.at_least(2.0).remaining() == 5.0
    assert deadline.at_least(60.0).remaining() == 60.0


def test_a_later_moment_counts_from_the_deadline_and_not_from_now() -> None:
    clock = Clock(100)
    deadline = Deadline.after(10, clock).later(3)

    clock.now += 12

    assert deadline.remaining() == 1
