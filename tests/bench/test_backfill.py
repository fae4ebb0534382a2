"""A backfill beside other accounts, in simulated time."""

from functools import cache

import pytest

from bench.backfill import (
    BULK_CONCURRENCY,
    LOOK_AHEAD,
    MEMBERSHIP_CONCURRENCY,
    OTHERS,
    THRESHOLD,
    Course,
    Fifo,
    Scenario,
    fastest,
    simulate,
)
from mparticle_firehose.config import Settings
from tests.deployment.template_reading import load

FAST = 2_000.0
USERS = 400_000


@cache
def course(*, threshold: int = THRESHOLD, users: int = USERS) -> Course:
    return simulate(Scenario(rate=FAST, users=users, threshold=threshold))


def test_with_the_bulk_queue_nobody_waits_for_a_backfill() -> None:
    assert course().waited(1.0) <= 1
    assert course().max_depth < LOOK_AHEAD
    assert course().opened_at is not None


def test_in_one_queue_everybody_waits_for_most_of_it() -> None:
    """The control."""
    assert course(threshold=0).waited(0.5) > 30
    assert course(threshold=0).max_depth > LOOK_AHEAD


def test_the_backfill_itself_takes_as_long() -> None:
    durations = [course(threshold=threshold).lasted or 0.0 for threshold in (0, THRESHOLD)]

    assert durations[1] == pytest.approx(durations[0], rel=0.15)


def test_a_small_backfill_is_not_forwarded() -> None:
    assert course(users=10_000).opened_at is None


def test_the_fastest_backfill_is_found_in_steps() -> None:
    assert fastest(10, 0, 600_000) == 500


def test_beyond_what_sqs_looks_through_no_message_is_found() -> None:
    queue = Fifo()
    queue.put(LOOK_AHEAD, 0)
    queue.put(0, 2)

    found = queue.found(OTHERS)
    queue.take("1", 10)

    assert (found, queue.found(OTHERS)) == (0, 2)


def test_a_simulation_is_the_same_each_time() -> None:
    short = Scenario(rate=FAST, users=USERS, until=60)

    assert simulate(short) == simulate(short)


def test_its_settings_are_the_defaults() -> None:
    parameters = load()["Parameters"]

    assert Settings.model_fields["backlog_threshold"].default == THRESHOLD
    assert parameters["MembershipConcurrency"]["Default"] == MEMBERSHIP_CONCURRENCY
    assert parameters["BulkConcurrency"]["Default"] == BULK_CONCURRENCY
