"""How CloudWatch decides on an alarm's state.

After the CloudWatch User Guide: *Configuring how CloudWatch alarms treat missing data*, *Percentile-based alarms and
low data samples*, *Alarm evaluation window* (a sliding one, which is the default) and *Composite alarms*.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.alarms.metric_math import Samples, calculated, statistic

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

EXTRA_DATA_POINTS = 2
"""CloudWatch gets more data points than it evaluates: five for an alarm on three, in its documentation's example."""

MINUTES_OF_A_DAY = 1_440

type Series = Mapping[int, Samples]
"""The samples of a metric, by the minute."""

type MetricKey = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions of a metric."""

type Recorded = Mapping[MetricKey, Series]

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A metric that an alarm gets, and how it is aggregated."""

    key: MetricKey
    stat: str
    minutes: int

    def data_points(self, recorded: Recorded, now: int, number: int) -> list[float | None]:
        """Return the values of the last periods, the oldest first."""
        if self.key not in recorded:
            return [None] * number
        return [statistic(self.samples(recorded, now - back * self.minutes), self.stat) for back in range(number)][::-1]

    def samples(self, recorded: Recorded, end: int, periods: int = 1) -> dict[float, int]:
        """Return all samples of the periods that end at a minute."""
        series, found = recorded.get(self.key, {}), dict[float, int]()
        for minute in range(end - self.minutes * periods, end):
            for value, number in series.get(minute, {}).items():
                found[value] = found.get(value, 0) + number
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAlarm:
    """An alarm on a metric, or on what is calculated of several."""

    sources: Mapping[str, Source]
    expression: str
    comparison: str
    threshold: float
    data_points_to_alarm: int
    evaluation_periods: int
    missing: str
    ignores_few_samples: bool = False

    @property
    def spans_days(self) -> bool:
        """Whether it is evaluated once an hour only."""
        (minutes,) = {source.minutes for source in self.sources.values()}
        return minutes * self.evaluation_periods > MINUTES_OF_A_DAY

    def has_data(self, recorded: Recorded) -> bool:
        """Return whether there is any; without, the state stays as it is evaluated first."""
        return any(source.key in recorded for source in self.sources.values())

    def state(self, recorded: Recorded, now: int, before: str) -> str:
        """Return the state at a minute, given the one before."""
        if self.ignores_few_samples and self._has_few_samples(recorded, now):
            return before
        number = self.evaluation_periods + EXTRA_DATA_POINTS
        values = {id_: source.data_points(recorded, now, number) for id_, source in self.sources.items()}
        rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        return evaluated(
            [self._breaches(calculated(self.expression, row)) for row in rows],
            data_points_to_alarm=self.data_points_to_alarm,
            evaluation_periods=self.evaluation_periods,
            missing=self.missing,
        )

    def _breaches(self, value: float | None) -> bool | None:
        return None if value is None else _COMPARISONS[self.comparison](value, self.threshold)

    def _has_few_samples(self, recorded: Recorded, now: int) -> bool:
        (source,) = self.sources.values()
        share = float(source.stat.removeprefix("p")) / 100
        return sum(source.samples(recorded, now, self.evaluation_periods).values()) < 10 / (1 - share) - 1e-6


def evaluated(
    breaching: Sequence[bool | None], *, data_points_to_alarm: int, evaluation_periods: int, missing: str
) -> str:
    """Return the state by the data points of the evaluation range, the oldest first; None is a missing one.

    Real data points come first: missing ones are filled in only where there are fewer real ones than are evaluated.
    `missing` and `ignore`, for data points that are missing, are not supported: no alarm of the template says so.
    """
    assert missing in {"breaching", "notBreaching"}
    real = [it for it in breaching if it is not None][-evaluation_periods:]
    filled = [missing == "breaching"] * (evaluation_periods - len(real))
    return ALARM if sum(real) + sum(filled) >= data_points_to_alarm else OK


def combined(rule: str, states: Mapping[str, str]) -> str:
    """Return the state of a composite alarm, by its rule and the states of the alarms in it."""
    python = re.sub(r'ALARM\("\$\{(\w+)\}"\)', r"\1", rule)
    for word in ("AND", "OR", "NOT"):
        python = re.sub(rf"\b{word}\b", word.lower(), python)
    return ALARM if _holds(ast.parse(python, mode="eval").body, states) else OK


def _holds(node: ast.expr, states: Mapping[str, str]) -> bool:
    match node:
        case ast.Name(id=name):
            return states[name] == ALARM
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _holds(operand, states)
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_holds(part, states) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return any(_holds(part, states) for part in parts)
    raise AssertionError(f"unknown rule: {ast.unparse(node)}")


def read_alarm(properties: Mapping[str, Any], numbers: Callable[[Any], float]) -> MetricAlarm:
    """Read an alarm of the template.

    Args:
        properties: its properties, without conditions.
        numbers: returns a property that is a number or a parameter.
    """
    periods = int(numbers(properties["EvaluationPeriods"]))
    sources, expression = _sources(properties)
    return MetricAlarm(
        sources=sources,
        expression=expression,
        comparison=properties["ComparisonOperator"],
        threshold=numbers(properties["Threshold"]),
        data_points_to_alarm=int(properties.get("DatapointsToAlarm", periods)),
        evaluation_periods=periods,
        missing=properties["TreatMissingData"],
        ignores_few_samples=properties.get("EvaluateLowSampleCountPercentile") == "ignore",
    )


def _sources(properties: Mapping[str, Any]) -> tuple[dict[str, Source], str]:
    if "Metrics" not in properties:
        stat = properties.get("ExtendedStatistic") or properties["Statistic"]
        return {"metric": _source(properties, stat, properties["Period"])}, "metric"
    stats = {entry["Id"]: entry["MetricStat"] for entry in properties["Metrics"] if "MetricStat" in entry}
    (expression,) = (entry["Expression"] for entry in properties["Metrics"] if "Expression" in entry)
    return {id_: _source(it["Metric"], it["Stat"], it["Period"]) for id_, it in stats.items()}, expression


def _source(metric: Mapping[str, Any], stat: str, seconds: int) -> Source:
    dimensions = frozenset((each["Name"], _plain(each["Value"])) for each in metric.get("Dimensions", []))
    return Source(key=(metric["Namespace"], metric["MetricName"], dimensions), stat=stat, minutes=seconds // 60)


def _plain(value: object) -> str:
    """Return a dimension's value, with the names of resources in place of what they are called in AWS."""
    match value:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "").replace("}", "")
    return str(value)
