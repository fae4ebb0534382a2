"""What is left of a request."""

from collections.abc import Callable

from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.delivery.remainder import remainder
from tests.conftest import serializer
from tests.delivery.laboratory import INTEGRATION, planned
from tests.growth import MAX_GROWTH, growth


def half_of(items: int) -> Callable[[], object]:
    plan = planned(" ".join(f"one:{number}" for number in range(items)))
    wanted = list(range(0, items, 2))
    return lambda: remainder(plan, wanted, Planner(INTEGRATION), serializer.parse)


def test_the_remainder_takes_time_in_proportion_to_the_items() -> None:
    assert growth(half_of(2_000), half_of(8_000)) < MAX_GROWTH
