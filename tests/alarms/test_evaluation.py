"""The evaluation of alarms in these tests, against the examples of CloudWatch's documentation.

The tables are from the CloudWatch User Guide, *How alarm state is evaluated when data is missing*; the limits for few
samples from *Percentile-based alarms and low data samples*; the comparisons from *Using metric math*.
"""

import pytest

from tests.alarms.evaluation import ALARM, OK, MetricAlarm, Source, combined, evaluated
from tests.alarms.metric_math import calculated, statistic

KEY = ("AWS/Lambda", "Duration", frozenset({("FunctionName", "f")}))


@pytest.mark.parametrize(
    ("of", "data_points", "breaching", "not_breaching"),
    [
        (3, "0 - X - X", OK, OK),
        (3, "0 - - - -", OK, OK),
        (3, "- - - - -", ALARM, OK),
        (3, "0 X X - X", ALARM, ALARM),
        (3, "- - - - X", ALARM, OK),
        (2, "0 - X - X", ALARM, ALARM),
        (2, "0 0 X 0 X", ALARM, ALARM),
        (2, "0 - X - -", ALARM, OK),
        (2, "- - - - 0", ALARM, OK),
        (2, "- - - - X", ALARM, OK),
    ],
)
def test_missing_data_are_treated_as_documented(of: int, data_points: str, breaching: str, not_breaching: str) -> None:
    points = [{"0": False, "X": True, "-": None}[each] for each in data_points.split()]

    found = [
        evaluated(points, data_points_to_alarm=of, evaluation_periods=3, missing=missing)
        for missing in ("breaching", "notBreaching")
    ]

    assert found == [breaching, not_breaching]


@pytest.mark.parametrize(("samples", "state"), [(999, OK), (1_000, ALARM)])
def test_a_percentile_of_too_few_samples_keeps_the_state(samples: int, state: str) -> None:
    alarm = MetricAlarm(
        sources={"metric": Source(key=KEY, stat="p99", minutes=1)},
        expression="metric",
        comparison="GreaterThanThreshold",
        threshold=200,
        data_points_to_alarm=1,
        evaluation_periods=1,
        missing="notBreaching",
        ignores_few_samples=True,
    )

    assert alarm.state({KEY: {0: {500.0: samples}}}, 1, OK) == state


@pytest.mark.parametrize(
    ("name", "value"),
    [("PR(:300)", 75), ("PR(100:300)", 50), ("PR(300:)", 25), ("p50", 200), ("p75", 300), ("p99", 400),
     ("SampleCount", 4), ("Sum", 1_000), ("Average", 250), ("Maximum", 400), ("Minimum", 100)],
)  # fmt: skip
def test_statistics_are_those_of_cloudwatch(name: str, value: float) -> None:
    assert statistic({100.0: 1, 200.0: 1, 300.0: 1, 400.0: 1}, name) == value


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("a < b", [0, 0, 1, 0]),
        ("a >= 30", [1, 0, 0, 0]),
        ("a - b", [10, 20, -20, 0]),
        ("b - a", [-10, -20, 20, 0]),
        ("a / b", [1.5, None, 0, None]),
        ("2 * b", [40, None, 40, None]),
        ("FILL(b, 7)", [20, 7, 20, 7]),
        ("IF(a > 15, b, 1)", [20, None, 1, 1]),
        ("IF(b >= 0, a, 1)", [30, None, 0, None]),
        ("MAX([a, b])", [30, 20, 20, 0]),
    ],
)
def test_metric_math_treats_missing_values_as_documented(expression: str, values: list[float | None]) -> None:
    first, second = [30.0, 20.0, 0.0, 0.0], [20.0, None, 20.0, None]

    assert [calculated(expression, {"a": a, "b": b}) for a, b in zip(first, second, strict=True)] == values


@pytest.mark.parametrize(("first", "second", "state"), [(ALARM, OK, ALARM), (ALARM, ALARM, OK), (OK, OK, OK)])
def test_a_composite_alarm_follows_its_rule(first: str, second: str, state: str) -> None:
    assert combined('ALARM("${A}") AND NOT ALARM("${B}")', {"A": first, "B": second}) == state
