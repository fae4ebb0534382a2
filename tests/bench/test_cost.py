import pytest

from bench.cost_model import EVENT_BATCHES, MEMBERSHIP_BATCHES, concurrent, kinds, usage
from bench.inputs import BATCH, SHARDS
from bench.prices import MEMORY_GB, PRICES, Usage, itemised
from tests.deployment.template_reading import load

MEASURED = {"handler_ms": 50.0, "worker_batch_ms": 400.0}


def test_the_items_are_the_prices_times_what_is_used() -> None:
    used = Usage(lambda_requests=1.1, lambda_gb_seconds=0.06, sqs_fifo=1.2, dynamodb_reads=2, log_bytes=1_000)

    assert itemised(used) == pytest.approx(
        {
            "lambda_requests": 0.22,
            "lambda_gb_seconds": 0.800004,
            "sqs_standard": 0.0,
            "sqs_fifo": 0.6,
            "dynamodb_reads": 0.25,
            "dynamodb_writes": 0.0,
            "logs": 0.5,
        }
    )


def test_the_sum_of_the_items_is_the_price() -> None:
    prices = {"per_million": dict.fromkeys(PRICES["per_million"], 1.0), "other": {"logs_gb": 1.0}}
    used = Usage(
        lambda_requests=1, lambda_gb_seconds=2, sqs_standard=3, sqs_fifo=4, dynamodb_reads=5, dynamodb_writes=6,
        log_bytes=7_000,
    )  # fmt: skip

    assert sum(itemised(used, prices).values()) == pytest.approx(1 + 2 + 3 + 4 + 5 + 6 + 7)


def test_environments_are_littles_law_rounded_up() -> None:
    assert [concurrent(rate, 0.0433) for rate in (2_000, 10_000)] == [87, 433]


def test_what_is_queued_shares_the_workers_batches() -> None:
    used = {kind.name: usage(kind, MEASURED) for kind in kinds()}

    assert used["events, forwarded"].lambda_gb_seconds == pytest.approx(0.05)
    assert used["events, queued"].lambda_gb_seconds == pytest.approx(0.05 + 0.04)
    assert used["events, queued"].sqs_standard == pytest.approx(1 + 0.2 + 0.1)  # sent, received in 84 KB, deleted


def test_memberships_pay_for_each_started_64_kilobytes() -> None:
    used = {kind.name: usage(kind, MEASURED) for kind in kinds()}

    assert used["memberships, 100 profiles"].sqs_fifo > used["memberships, 5 profiles"].sqs_fifo > 1
    assert used["memberships, 100 profiles"].sqs_standard == 0


def test_what_is_calculated_with_is_what_is_deployed() -> None:
    template = load()
    memberships, events = (
        template["Resources"][name]["Properties"] for name in ("MembershipDelivery", "EventDelivery")
    )

    assert {memberships["BatchSize"], events["BatchSize"]} == {BATCH}
    assert memberships["ScalingConfig"]["MaximumConcurrency"] == MEMBERSHIP_BATCHES
    assert events["ScalingConfig"]["MaximumConcurrency"] == {"Fn::If": ["QueuesEveryEvent", EVENT_BATCHES, 50]}
    assert template["Parameters"]["MembershipShards"]["Default"] == SHARDS
    assert template["Globals"]["Function"]["MemorySize"] == MEMORY_GB * 1024
