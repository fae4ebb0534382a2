"""Shows the findings: a table for the terminal, and a report for mParticle."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.verify.findings import Finding, Result

WIDTH = 80
_CHECK_WIDTH, _RESULT_WIDTH = 24, 11
_STYLES = {Result.OK: "green", Result.WARNING: "yellow", Result.FAILED: "red", Result.NOT_CHECKED: "cyan"}
_HEADS = ("Check", "Result", "Seen")


@dataclass(frozen=True)
class About:
    """What was tried, for the head of the report.

    Attributes:
        integration: its name and version, as registered.
        target: how it was called, without an account.
        moment: when.
    """

    integration: str
    target: str
    moment: datetime


def print_findings(out: Console, findings: Sequence[Finding]) -> None:
    """Print a row for each finding, readable at 80 columns, and how many of each result there are."""
    table = Table(box=SIMPLE_HEAD, width=min(out.width, WIDTH), pad_edge=False)
    table.add_column("Check", width=_CHECK_WIDTH)
    table.add_column("Result", width=_RESULT_WIDTH)
    table.add_column("Seen", overflow="fold")
    for each in findings:
        seen = f"{each.seen}\n({each.private})" if each.private else each.seen
        table.add_row(Text(each.check), Text(each.result, style=_STYLES[each.result]), Text(seen))
    out.print(table)
    out.print(Text(summary(findings)))


def summary(findings: Sequence[Finding]) -> str:
    """Return how many findings of each result there are."""
    counted = Counter(each.result for each in findings)
    return ", ".join(f"{counted[result]} {result}" for result in Result if counted[result]) + "."


def report(about: About, findings: Sequence[Finding]) -> str:
    """Return the findings as Markdown, without what is for the terminal only."""
    rows = [f"| {' | '.join(map(_cell, (each.check, each.result, each.seen)))} |" for each in findings]
    lines = [
        f"# Verification of {_cell(about.integration)}",
        "",
        f"Called {about.target}, on {about.moment:%Y-%m-%d at %H:%M} UTC. {summary(findings)}",
        "",
        f"| {' | '.join(_HEADS)} |",
        "|---|---|---|",
        *rows,
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
