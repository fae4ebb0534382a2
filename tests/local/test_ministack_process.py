"""What is corrected in a template before the emulator sees it."""

from typing import Any

import pytest

from local.cloud.ministack_process import corrected, named, with_numbers, with_one_metric

QUEUED: dict[str, Any] = {"Namespace": "Own", "MetricName": "Queued", "Dimensions": [{"Name": "service", "Value": "x"}]}
SENT: dict[str, Any] = {"Namespace": "Own", "MetricName": "Sent", "Dimensions": []}


@pytest.mark.parametrize("number", ["7", 7], ids=["text", "number"])
def test_numbers_of_an_event_source_mapping_are_numbers(number: object) -> None:
    given = {"BatchSize": number, "MaximumBatchingWindowInSeconds": number, "EventSourceArn": "7"}

    found = with_numbers({**given, "ScalingConfig": {"MaximumConcurrency": number}})

    assert found == {
        "BatchSize": 7,
        "MaximumBatchingWindowInSeconds": 7,
        "EventSourceArn": "7",
        "ScalingConfig": {"MaximumConcurrency": 7},
    }


def test_an_alarm_that_calculates_watches_its_first_metric() -> None:
    metrics = [
        {"Id": "rate", "Expression": "queued / sent"},
        {"Id": "queued", "ReturnData": False, "MetricStat": {"Stat": "Sum", "Period": 300, "Metric": QUEUED}},
        {"Id": "sent", "ReturnData": False, "MetricStat": {"Stat": "Sum", "Period": 60, "Metric": SENT}},
    ]

    found = with_one_metric({"AlarmName": "rate", "Threshold": 5, "Metrics": metrics})

    assert found == {"AlarmName": "rate", "Threshold": 5, "Period": 300, "Statistic": "Sum", **QUEUED}


def test_another_alarm_stays_as_it_is() -> None:
    alarm = {"AlarmName": "queued", "Period": 60, "Statistic": "Maximum", **QUEUED}

    assert with_one_metric(alarm) == alarm


def test_what_the_emulator_does_not_have_gets_a_name() -> None:
    handlers = named("AlarmName")

    assert handlers["create"]("Quiet", {"AlarmName": "one"}, "stack") == ("one", {"Arn": "arn:aws:none:::one"})
    assert handlers["update"]("one", {"AlarmName": "one"}, {"AlarmName": "two"}, "stack")[0] == "two"
    assert handlers["delete"]("two", {}) is None


def test_both_a_creation_and_an_update_get_corrected_properties() -> None:
    calls: list[tuple[object, ...]] = []

    def record(*arguments: object, **more: object) -> str:
        calls.append((*arguments, more))
        return "done"

    handlers = corrected({"create": record, "update": record, "delete": record}, with_numbers)

    assert handlers["create"]("Mapping", {"BatchSize": "1"}, "stack") == "done"
    assert handlers["update"]("id", {"BatchSize": "1"}, {"BatchSize": "2"}, "stack", logical_id="Mapping") == "done"
    assert handlers["delete"] is record
    assert calls == [
        ("Mapping", {"BatchSize": 1}, "stack", {}),
        ("id", {"BatchSize": 1}, {"BatchSize": 2}, "stack", {"logical_id": "Mapping"}),
    ]
