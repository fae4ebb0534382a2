"""Puts the results that were kept last, and their charts, into docs/performance.md, between two marks."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.catalogue import BENCHMARKS
from bench.results import draw_all, judged, kept
from local.isolation import ROOT, LocalCloudError

PAGE = ROOT / "docs" / "performance.md"

_SHARED = " Others used the machine meanwhile: times by the clock are upper bounds, and their tails say little."
_BETWEEN = re.compile(r"(?s)(<!-- figures -->\n).*(<!-- end of figures -->)")


def report(results: Path, page: Path = PAGE) -> None:
    """Replace what is between the marks of the page, and the charts in the folder beside it.

    Raises:
        LocalCloudError: a benchmark has no result, or only one that means nothing.
    """
    found = kept(results)
    if missing := [name for name in BENCHMARKS if name not in found or found[name]["quick"]]:
        raise LocalCloudError(f"not measured yet: {', '.join(missing)}")
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for chart in folder.glob("*.svg"):
        chart.unlink()
    text = f"{_header(found)}\n\n{_targets(found)}\n\n{_sections(found, folder)}"
    page.write_text(_BETWEEN.sub(lambda marks: f"{marks[1]}{text}\n{marks[2]}", page.read_text()))


def _header(found: Mapping[str, Any]) -> str:
    first, machines = next(iter(found.values())), [result["machine"] for result in found.values()]
    machine = first["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    loads = [one["load_before"] for one in machines]
    commits = ", ".join(sorted({one["commit"] for one in machines}))
    return (
        f"Measured {first['measured_at'][:10]} by `make bench` on {machine['processor']}, {machine['cores']} cores,"
        f" {machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}, {packages}; commit {commits};"
        f" load before each benchmark {min(loads)} to {max(loads)}.{_SHARED if max(loads) > 1 else ''}"
    )


def _targets(found: Mapping[str, Any]) -> str:
    measured = {benchmark: found[name]["figures"] for name, benchmark in BENCHMARKS.items()}
    return "\n\n".join(table.markdown() for table in judged(measured))


def _sections(found: Mapping[str, Any], folder: Path) -> str:
    tables, charts = [], []
    for name, benchmark in BENCHMARKS.items():
        figures = found[name]["figures"]
        tables += [table.markdown() for table in benchmark.tables(figures)]
        charts += draw_all(benchmark, figures, folder)
    return "\n\n".join([*tables, " ".join(f"![{path.stem}]({folder.name}/{path.name})" for path in charts)])
