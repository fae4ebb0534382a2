"""What a benchmark is: it measures, and it can show what it has measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.charts import Chart
from bench.harness import Figures


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a heading; without columns it is a sentence."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()

    def markdown(self) -> str:
        if not self.header:
            return self.title
        widths = [max(len(row[column]) for row in (self.header, *self.rows)) for column in range(len(self.header))]
        lines = [self._line(self.header, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
        return "\n".join([f"**{self.title}**", "", *lines, *(self._line(row, widths) for row in self.rows)])

    @staticmethod
    def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was measured of it.

    Attributes:
        target: what is aimed at, in words.
        measured: in words.
        met: whether it is reached.
    """

    target: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: on the command line, and of its result.
        title: for people.
        measure: takes the measurements; given True, as few as prove that it works.
        tables: shows them.
        charts: draws them.
        verdicts: compares them with the targets.
    """

    name: str
    title: str
    measure: Callable[[bool], Figures]
    tables: Callable[[Any], Sequence[Table]]
    charts: Callable[[Any], Sequence[Chart]] = lambda _: ()
    verdicts: Callable[[Any], Sequence[Verdict]] = lambda _: ()
