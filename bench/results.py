"""Where results are kept: one JSON file and the charts of each benchmark, in a folder that git ignores."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.benchmark import Benchmark, Table
from bench.charts import draw
from bench.harness import Figures
from local.isolation import ROOT

RESULTS = ROOT / "bench" / "results"


def keep(benchmark: Benchmark, figures: Figures, *, machine: Mapping[str, object], quick: bool, folder: Path) -> None:
    """Write what was measured, with what it was measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    result = {
        "name": benchmark.name,
        "measured_at": measured_at,
        "quick": quick,
        "machine": machine,
        "figures": figures,
    }
    (folder / f"{benchmark.name}.json").write_text(json.dumps(result, indent=1) + "\n")


def kept(folder: Path) -> dict[str, Any]:
    """Return the results in a folder by the names of their benchmarks."""
    found = (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
    return {result["name"]: result for result in found}


def draw_all(benchmark: Benchmark, figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw the charts of a benchmark."""
    return [draw(chart, folder) for chart in benchmark.charts(figures)]


def shown(benchmark: Benchmark, figures: Mapping[str, Any]) -> str:
    """Return the tables of a benchmark, and how it stands with the targets."""
    return "\n\n".join(table.markdown() for table in [*benchmark.tables(figures), *judged({benchmark: figures})])


def judged(measured: Mapping[Benchmark, Any]) -> list[Table]:
    """Return the targets with what was measured of them, as one table, if there are any."""
    rows = [
        [verdict.target, verdict.measured, "yes" if verdict.met else "**no**"]
        for benchmark, figures in measured.items()
        for verdict in benchmark.verdicts(figures)
    ]
    return [Table("Targets", ["target", "measured", "met"], rows)] if rows else []
