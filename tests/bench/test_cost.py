from typing import Any

import pytest

from bench.cost_model import (
    ASSUMED,
    EVENT_BATCHES,
    MEMBERSHIP_BATCHES,
    MEMORY_MB,
    Kind,
    by_memory,
    kinds,
    log_bytes,
    simulated,
    usage,
    waited_ms,
    with_memory,
)
from bench.inputs import BATCH, SHARDS
from bench.loopback import PARTNER
from bench.prices import MEMORY_GB, PRICES, Usage, itemised
from tests.deployment.template_reading import load

MEASURED = {"handler ms": 50.0, "batch ms": 400.0, "log bytes": 420.0}


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


def test_each_line_of_the_log_is_charged_with_what_cloudwatch_adds() -> None:
    assert log_bytes([b"x" * 400, b"x" * 100]) == 400 + 26 + 100 + 26


def message(size: int, **group: str) -> dict[str, Any]:
    return {"MessageBody": "x" * size, **group}


def test_what_is_queued_shares_the_workers_batches() -> None:
    forwarded, queued = usage(Kind({}), MEASURED), usage(Kind({}, [message(8_400)]), MEASURED)

    assert forwarded.lambda_gb_seconds == pytest.approx(0.05)
    assert queued.lambda_gb_seconds == pytest.approx(0.05 + 0.04)
    assert queued.sqs_standard == pytest.approx(1 + 0.2 + 0.1)  # sent, received in 84 KB, deleted


def test_a_tenant_of_a_standard_queue_makes_no_fifo_queue_of_it() -> None:
    of_a_tenant = Kind({}, [message(8_400, MessageGroupId="a hash")])

    assert usage(of_a_tenant, MEASURED).sqs_fifo == 0
    assert usage(of_a_tenant, MEASURED).sqs_standard > 0


@pytest.mark.parametrize(("calls", "milliseconds"), [(1, 40), (4, 40), (5, 80), (10, 120)])
def test_the_partners_calls_are_made_four_at_a_time(calls: int, milliseconds: float) -> None:
    assert waited_ms(PARTNER, calls) == milliseconds
    assert waited_ms("AmazonSQS.SendMessageBatch", calls) == calls * 8


def test_half_the_memory_doubles_processor_time_and_halves_what_waiting_costs() -> None:
    measured = {
        "CPU ms": 10.0,
        "handler ms": 10.0 * ASSUMED.slower + 40.0,
        "batch CPU ms": 0.0,
        "batch ms": 0.0,
        "log bytes": 0.0,
    }

    half, same = with_memory(measured, 512), with_memory(measured, 1_024)

    assert half["handler ms"] == pytest.approx(20.0 * ASSUMED.slower + 40.0)
    assert same["handler ms"] == measured["handler ms"]
    sizes = ((half, 0.5), (same, 1.0))
    gigabyte_seconds = [usage(Kind({}), each, size).lambda_gb_seconds for each, size in sizes]
    assert gigabyte_seconds[1] - gigabyte_seconds[0] == pytest.approx(0.5 * 0.04)


def test_the_sizes_of_memory_that_are_compared_have_the_default_among_them() -> None:
    assert MEMORY_GB * 1_024 in MEMORY_MB
    found = by_memory(
        Kind({}), {"CPU ms": 1.0, "handler ms": 50.0, "batch CPU ms": 1.0, "batch ms": 400.0, "log bytes": 0.0}
    )
    assert found["1,024 MB ms"] == 50.0
    assert found["512 MB US$"] < found["1,024 MB US$"] < found["1,769 MB US$"]


def test_memberships_pay_for_each_started_64_kilobytes() -> None:
    group = {"MessageGroupId": "4242.1", "MessageDeduplicationId": "id"}
    few, many = (Kind({}, [message(size, **group)] * 10) for size in (500, 7_000))

    assert usage(few, MEASURED).sqs_fifo == pytest.approx(1 + 1 + 1)
    assert usage(many, MEASURED).sqs_fifo == pytest.approx(2 + 2 + 1)
    assert usage(many, MEASURED).sqs_standard == 0


def test_only_queued_events_are_measured_in_a_deployment_that_queues_all_events() -> None:
    found = kinds()

    queueing = [name for name, kind in found.items() if kind.event_mode == "queue"]
    assert queueing == (["events, queued"] if "events, forwarded" in found else [])


def test_the_worker_is_measured_with_full_batches() -> None:
    assert {len(kind.batch) for kind in kinds().values()} <= {0, BATCH}


def test_only_what_was_measured_is_simulated() -> None:
    forwarded = {"events, forwarded": {"handler ms": 45.0}}

    assert [*simulated({}, minute=1).values()] == [{}, {}]
    assert [[*rows] for rows in simulated(forwarded, minute=1).values()] == [
        ["handler, account limit 1,000", "handler, account limit 2,000"], [],
    ]  # fmt: skip


def test_what_is_calculated_with_is_what_is_deployed() -> None:
    template = load()
    memberships, events = (
        template["Resources"][name]["Properties"] for name in ("MembershipDelivery", "EventDelivery")
    )

    parameters = template["Parameters"]
    assert (memberships["BatchSize"], events["BatchSize"]) == (BATCH, {"Fn::If": ["CollectsEvents", 100, BATCH]})
    assert memberships["ScalingConfig"]["MaximumConcurrency"] == {"Ref": "MembershipConcurrency"}
    by_default: object = {"MaximumConcurrency": {"Ref": "EventConcurrency"}}
    assert events["ScalingConfig"] == {"Fn::If": ["HasEventPollers", {"Ref": "AWS::NoValue"}, by_default]}
    assert parameters["EventMinimumPollers"]["Default"] == 0
    assert parameters["MembershipConcurrency"]["Default"] == MEMBERSHIP_BATCHES
    assert parameters["EventConcurrency"]["Default"] <= EVENT_BATCHES <= parameters["EventConcurrency"]["MaxValue"]
    assert template["Parameters"]["MembershipShards"]["Default"] == SHARDS
    assert template["Globals"]["Function"]["MemorySize"] == {"Ref": "MemorySize"}
    assert parameters["MemorySize"]["Default"] == MEMORY_GB * 1024
