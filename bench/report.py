"""Keeps results in bench/results, which git ignores, and puts those that were kept last into docs/performance.md."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.benchmark import Benchmark, Figures, markdown
from bench.machine import describe
from local.isolation import ROOT, LocalCloudError

RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "performance.md"

_BUSY = " Others used the machine meanwhile: times by the clock are upper bounds, and their tails say little."
_BETWEEN_MARKS = re.compile(r"(?s)(<!-- figures -->\n).*(<!-- end of figures -->)")


def run(name: str, benchmark: Benchmark, *, quick: bool, folder: Path) -> str:
    """Measure, keep what was measured with what it was measured on, and return it as text."""
    machine, figures = describe(), benchmark.measure(quick)
    folder.mkdir(parents=True, exist_ok=True)
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    result = {"measured_at": measured_at, "quick": quick, "machine": machine, "figures": figures}
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    _draw(name, benchmark, figures, folder)
    return markdown(figures, benchmark.targets(figures))


def write_page(benchmarks: Mapping[str, Benchmark], folder: Path, page: Path = PAGE) -> None:
    """Replace what is between the marks of the page, and its charts in the folder beside it.

    Raises:
        LocalCloudError: a benchmark has no result, or only a quick one, which means nothing.
    """
    results = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    if missing := [name for name in benchmarks if results.get(name, {"quick": True})["quick"]]:
        raise LocalCloudError(f"not measured yet: {', '.join(missing)}")
    figures = {name: results[name]["figures"] for name in benchmarks}
    tables = {title: rows for name in benchmarks for title, rows in figures[name].items()}
    targets = [target for name, benchmark in benchmarks.items() for target in benchmark.targets(figures[name])]
    for name, benchmark in benchmarks.items():
        _draw(name, benchmark, figures[name], page.with_suffix(""))
    text = f"{_header([results[name] for name in benchmarks])}\n\n{markdown(tables, targets)}"
    page.write_text(_BETWEEN_MARKS.sub(lambda marks: f"{marks[1]}{text}\n{marks[2]}", page.read_text()))


def _draw(name: str, benchmark: Benchmark, figures: Figures, folder: Path) -> None:
    if chart := benchmark.chart(figures):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.svg").write_text(chart.svg())


def _header(results: list[dict[str, Any]]) -> str:
    machine, day = results[0]["machine"], results[0]["measured_at"][:10]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    loads = [result["machine"]["load_before"] for result in results]
    commits = ", ".join(sorted({result["machine"]["commit"] for result in results}))
    return (
        f"Measured {day} by `make bench` on {machine['processor']}, {machine['cores']} cores,"
        f" {machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}, {packages}; commit {commits};"
        f" load before each benchmark {min(loads)} to {max(loads)}.{_BUSY if max(loads) > 1 else ''}"
    )
