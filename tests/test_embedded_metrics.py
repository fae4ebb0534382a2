"""The embedded metric format: its limits, and what the log's readers find in a document."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mparticle_firehose.embedded_metrics import MAX_METRICS, MAX_VALUES, documents
from tests.conftest import Json

DIMENSIONS = {"message_type": "queue", "service": "the-stack"}


def written(values: Mapping[str, Sequence[float]], units: Mapping[str, str] = {}, **fields: Any) -> list[Json]:
    made = documents(
        values, units=units, namespace="Ours", dimensions=DIMENSIONS, fields=fields, timestamp_ms=1_795_777_029_866
    )
    return [json.loads(document) for document in made]


def test_one_document_has_everything_of_an_invocation() -> None:
    (document,) = written(
        {"Retried": [3], "QueueAge": [1.5, 2]}, {"QueueAge": "Milliseconds"}, message="delivered", request_id="r1"
    )

    assert document == {
        "message": "delivered",
        "request_id": "r1",
        "message_type": "queue",
        "service": "the-stack",
        "Retried": 3,
        "QueueAge": [1.5, 2],
        "_aws": {
            "Timestamp": 1_795_777_029_866,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Ours",
                    "Dimensions": [["message_type", "service"]],
                    "Metrics": [{"Name": "Retried"}, {"Name": "QueueAge", "Unit": "Milliseconds"}],
                }
            ],
        },
    }


@pytest.mark.parametrize("number", [1, 99, 100, 101, 400, 1_000])
def test_a_metric_has_a_hundred_values_in_a_document_at_most(number: int) -> None:
    made = written({"Retried": [1], "QueueAge": [*range(number)]})

    several = [each if isinstance(each, list) else [each] for each in (document["QueueAge"] for document in made)]
    assert [value for values in several for value in values] == [*range(number)]
    assert max(map(len, several)) <= MAX_VALUES
    assert [document.get("Retried") for document in made] == [1, *[None] * (len(made) - 1)]


@pytest.mark.parametrize("number", [1, 100, 101, 250])
def test_a_document_has_a_hundred_metrics_at_most(number: int) -> None:
    made = written({f"Metric{each}": [each] for each in range(number)})

    defined = [document["_aws"]["CloudWatchMetrics"][0]["Metrics"] for document in made]
    assert [metric["Name"] for metrics in defined for metric in metrics] == [f"Metric{each}" for each in range(number)]
    assert max(map(len, defined)) <= MAX_METRICS
    for document, metrics in zip(made, defined, strict=True):
        assert {metric["Name"] for metric in metrics} == {name for name in document if name.startswith("Metric")}


def test_further_documents_repeat_the_dimensions_and_no_field() -> None:
    first, *others = written({"QueueAge": [*range(250)]}, message="delivered", request_id="r1")

    assert (first["message"], first["request_id"]) == ("delivered", "r1")
    assert [set(document) for document in others] == [{*DIMENSIONS, "QueueAge", "_aws"}] * 2
    assert all(DIMENSIONS.items() <= document.items() for document in others)


def test_a_document_is_one_line_without_blanks() -> None:
    (document,) = documents(
        {"Retried": [1]}, units={}, namespace="Ours", dimensions={}, fields={"error": "a\nb"}, timestamp_ms=0
    )

    assert "\n" not in document
    assert " " not in document
