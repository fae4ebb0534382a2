"""CloudWatch's statistics and metric math, as far as the alarms of the template use them.

After the CloudWatch User Guide, *CloudWatch statistics definitions* and *Using metric math*.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil

type Samples = Mapping[float, int]
"""Values, and how often each was sent."""


@dataclass(frozen=True, slots=True)
class Point:
    """One data point of a time series, which may be missing. A number in an expression is none."""

    value: float | None


def statistic(samples: Samples, name: str) -> float | None:
    """Return a statistic of all samples of a period; None if there are none."""
    if not samples:
        return None
    if name in _SIMPLE:
        return _SIMPLE[name](samples)
    if limits := re.fullmatch(r"PR\((\d*):(\d*)\)", name):
        return _percentile_rank(samples, *limits.groups())
    if percentile := re.fullmatch(r"p(\d+(?:\.\d+)?)", name):
        return _percentile(samples, float(percentile[1]))
    raise AssertionError(f"unknown statistic {name}")


def _count(samples: Samples) -> float:
    return float(sum(samples.values()))


def _sum(samples: Samples) -> float:
    return sum(value * number for value, number in samples.items())


_SIMPLE: Mapping[str, Callable[[Samples], float]] = {
    "SampleCount": _count,
    "Sum": _sum,
    "Average": lambda samples: _sum(samples) / _count(samples),
    "Maximum": max,
    "Minimum": min,
}


def _percentile_rank(samples: Samples, low: str, high: str) -> float:
    """Return the percent of the values within limits, of which the lower one is excluded and the upper one included."""
    above, up_to = float(low or "-inf"), float(high or "inf")
    within = sum(number for value, number in samples.items() if above < value <= up_to)
    return 100 * within / _count(samples)


def _percentile(samples: Samples, percent: float) -> float:
    left = ceil(_count(samples) * percent / 100)
    for value in sorted(samples):
        left -= samples[value]
        if left <= 0:
            return value
    raise AssertionError("more values than there are")


def calculated(expression: str, points: Mapping[str, float | None]) -> float | None:
    """Return an expression's value at one time; None if there is no data point.

    Args:
        expression: metric math, whose part that is used here has Python's syntax.
        points: the metric's values, by the ids that the expression uses.
    """
    result = _value(_parsed(expression), points)
    assert isinstance(result, Point), "an alarm watches a time series"
    return result.value


@cache
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _value(node: ast.expr, points: Mapping[str, float | None]) -> Point | float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return Point(points[name])
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(_OPERATORS[type(op)], _value(left, points), _value(right, points))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _combined(_OPERATORS[type(op)], _value(left, points), _value(right, points))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](arguments, points)
    raise AssertionError(f"unknown metric math: {ast.unparse(node)}")


def _combined(apply: Callable[[float, float], float], left: Point | float, right: Point | float) -> Point | float:
    """A missing value counts as 0 beside a value of another series. Where all are missing there is no data point."""
    if not isinstance(left, Point) and not isinstance(right, Point):
        return float(apply(left, right))
    series = [side.value for side in (left, right) if isinstance(side, Point)]
    if all(value is None for value in series):
        return Point(None)
    try:
        return Point(float(apply(_number(left), _number(right))))
    except ZeroDivisionError:
        return Point(None)  # the data point is dropped


def _number(side: Point | float) -> float:
    return side.value or 0.0 if isinstance(side, Point) else side


def _fill(arguments: list[ast.expr], points: Mapping[str, float | None]) -> Point:
    series, default = (_value(argument, points) for argument in arguments)
    assert isinstance(series, Point)
    return Point(_number(default) if series.value is None else series.value)


def _if(arguments: list[ast.expr], points: Mapping[str, float | None]) -> Point:
    condition, *branches = (_value(argument, points) for argument in arguments)
    assert isinstance(condition, Point)
    if condition.value is None:
        return Point(None)
    chosen = branches[0] if condition.value else branches[1]
    return chosen if isinstance(chosen, Point) else Point(chosen)


def _max(arguments: list[ast.expr], points: Mapping[str, float | None]) -> Point:
    (series,) = arguments
    assert isinstance(series, ast.List)
    found = [_value(element, points) for element in series.elts]
    values = [point.value for point in found if isinstance(point, Point) and point.value is not None]
    return Point(max(values, default=None))


_FUNCTIONS: Mapping[str, Callable[[list[ast.expr], Mapping[str, float | None]], Point]] = {
    "FILL": _fill,
    "IF": _if,
    "MAX": _max,
}

_OPERATORS: Mapping[type[ast.operator | ast.cmpop], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.GtE: operator.ge,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
}
