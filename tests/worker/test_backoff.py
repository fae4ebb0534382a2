import pytest

from mparticle_firehose.queues.visibility import MAX_VISIBILITY_SECONDS
from mparticle_firehose.worker.backoff import Backoff


@pytest.mark.parametrize(
    ("receive_count", "seconds"), [(0, 2), (1, 2), (2, 4), (5, 32), (9, 512), (10, 900), (1000, 900)]
)
def test_the_bound_doubles_with_each_attempt_up_to_the_cap(receive_count: int, seconds: int) -> None:
    assert Backoff(base=2, cap=900, jitter=lambda most: most).seconds(receive_count) == seconds


def test_jitter_draws_from_the_whole_range() -> None:
    draws = {Backoff(base=100, cap=900).seconds(1) for _ in range(500)}

    assert min(draws) < 20
    assert max(draws) > 80
    assert all(0 <= draw <= 100 for draw in draws)


@pytest.mark.parametrize(("asked", "seconds"), [(0.0, 0), (2.2, 3), (86_400.0, 900), (float("inf"), 900)])
def test_what_the_partner_asks_for_counts_within_bounds(asked: float, seconds: int) -> None:
    assert Backoff(base=2, cap=900).seconds(50, asked) == seconds


def test_no_wait_is_longer_than_sqs_allows() -> None:
    assert Backoff(base=10**6, cap=10**9, jitter=lambda most: most).seconds(20) == MAX_VISIBILITY_SECONDS
