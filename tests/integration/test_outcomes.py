"""Outcomes: how long a Retry may wait."""

import pytest

from mparticle_firehose.integration import Retry
from mparticle_firehose.integration.outcomes import MAX_WAIT_SECONDS


@pytest.mark.parametrize("after", [None, 0, 0.5, 43_000])
def test_a_wait_that_the_queue_can_keep_stays(after: float | None) -> None:
    assert Retry("busy", after).after == after


@pytest.mark.parametrize("after", [43_000.5, 1e300, float("inf")])
def test_a_longer_wait_is_the_longest(after: float) -> None:
    assert Retry("busy", after) == Retry("busy", MAX_WAIT_SECONDS)


@pytest.mark.parametrize("after", [-0.5, float("-inf"), float("nan")])
def test_what_is_no_wait_is_left_to_the_backoff(after: float) -> None:
    assert Retry("busy", after) == Retry("busy")
