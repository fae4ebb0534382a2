import pytest

from mparticle_firehose.queues.backoff import Backoff


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 2), (1, 2), (2, 4), (5, 32), (9, 512), (10, 900), (1000, 900)])
def test_the_bound_doubles_with_each_attempt_up_to_the_cap(attempts: int, seconds: int) -> None:
    assert Backoff(base=2, cap=900, jitter=lambda most: most).seconds(attempts) == seconds


def test_jitter_draws_from_the_whole_range() -> None:
    draws = {Backoff(base=100, cap=900).seconds(1) for _ in range(500)}

    assert min(draws) < 20
    assert max(draws) > 80
    assert all(0 <= draw <= 100 for draw in draws)
