"""A benchmark as a value: it measures, and it shows what it has measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.bars import Bars
from bench.harness import Figures


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title. Each row maps column names to cells; without rows, the title is a sentence."""

    title: str
    rows: Sequence[Mapping[str, str]] = ()

    def markdown(self) -> str:
        if not self.rows:
            return self.title
        lines = [[*self.rows[0]], *([*row.values()] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        header, *rows = (
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
        )
        rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
        return "\n".join([f"**{self.title}**", "", header, rule, *rows])


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
        tables: shows them.
        targets: compares them with the targets.
        chart: draws them, if there is anything to draw.
    """

    title: str
    measure: Callable[[bool], Figures]
    tables: Callable[[Figures], Sequence[Table]]
    targets: Callable[[Figures], Sequence[Target]] = lambda _: ()
    chart: Callable[[Figures], Bars | None] = lambda _: None


def markdown(tables: Sequence[Table], targets: Sequence[Target]) -> str:
    """Return tables, and after them the targets as a table, which marks those that are missed."""
    rows = [
        {"target": target.text, "measured": target.measured, "met": "yes" if target.met else "**no**"}
        for target in targets
    ]
    return "\n\n".join(table.markdown() for table in (*tables, *([Table("Targets", rows)] if rows else [])))
