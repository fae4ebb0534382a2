"""A benchmark as a value: it measures, and compares what it has measured with targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.bars import Bars

type Figures = dict[str, dict[str, dict[str, Any]]]
"""Tables by their titles, rows by their names, and values by their columns, as JSON has them.

A value is a number, a text, several numbers, a spread or percentiles of `bench.harness`, or None.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A target, the measured value, and whether it is met."""

    text: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One benchmark.

    Attributes:
        title: for people.
        measure: takes the measurements; given True, as few as prove that it works.
        targets: compares them with the targets.
        chart: draws some of them.
    """

    title: str
    measure: Callable[[bool], Figures]
    targets: Callable[[Figures], Sequence[Target]] = lambda _: ()
    chart: Callable[[Figures], Bars | None] = lambda _: None


def markdown(figures: Figures, targets: Sequence[Target]) -> str:
    """Return the targets, of which those that are missed are marked, and the figures as tables."""
    compared = {
        target.text: {"measured": target.measured, "met": "yes" if target.met else "**no**"} for target in targets
    }
    tables = {**({"Targets": compared} if compared else {}), **figures}
    return "\n\n".join(f"**{title}**\n\n{_table(rows)}" for title, rows in tables.items() if rows)


def _table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    header = ["", *next(iter(rows.values()))]
    lines = [header, *([name, *map(shown, row.values())] for name, row in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    cells = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def shown(value: Any) -> str:
    """Return a value of a table as text: a spread with its quartiles, numbers with about three digits."""
    match value:
        case None:
            return "-"
        case {"median": median, "lower": lower, "upper": upper}:
            return f"{shown(median)} ({shown(lower)}-{shown(upper)})"
        case dict() | list():
            return " / ".join(map(shown, value.values() if isinstance(value, dict) else value))
        case float():
            return f"{value:,.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"  # noqa: PLR2004
        case int():
            return f"{value:,}"
    return str(value)
