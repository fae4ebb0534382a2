"""Charts as values, and their drawing: SVG with real text, the same bytes for the same figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SIZE_INCHES = (7.2, 3.4)
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Horizontal bars, one for each label, with quartiles as whiskers.

    Attributes:
        values: for each label the median and the quartiles below and above it.
        limit: a target to draw as a line.
    """

    name: str
    title: str
    unit: str
    values: Mapping[str, tuple[float, float, float]]
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines over a common axis."""

    name: str
    title: str
    across: str
    up: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    logarithmic: bool = False


type Chart = Bars | Lines


def draw(chart: Chart, folder: Path) -> Path:
    """Draw a chart into a folder and return the file."""
    from matplotlib import rc_context  # noqa: PLC0415  only whoever draws needs it
    from matplotlib.figure import Figure  # noqa: PLC0415

    target = folder / f"{chart.name}.svg"
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes: Any = figure.subplots()
        _bars(axes, chart) if isinstance(chart, Bars) else _lines(axes, chart)
        axes.set_title(chart.title)
        figure.savefig(target, format="svg", metadata={"Date": None})
    return target


def _bars(axes: Any, chart: Bars) -> None:
    medians = [median for median, _, _ in chart.values.values()]
    whiskers = [[m - low for m, low, _ in chart.values.values()], [high - m for m, _, high in chart.values.values()]]
    axes.barh(list(chart.values), medians, xerr=whiskers, color=_COLOURS[0], error_kw={"capsize": 3})
    axes.invert_yaxis()
    axes.set_xlabel(chart.unit)
    if chart.limit is not None:
        axes.axvline(chart.limit, color=_COLOURS[1], linestyle="--")


def _lines(axes: Any, chart: Lines) -> None:
    for (label, points), colour in zip(chart.series.items(), _COLOURS * 3, strict=False):
        axes.plot([x for x, _ in points], [y for _, y in points], label=label, color=colour, linewidth=1.5)
    if chart.logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xlabel(chart.across)
    axes.set_ylabel(chart.up)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
