"""How long the import of the handler takes, module by module, as the interpreter itself counts it."""

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

from bench.benchmark import Benchmark, Table
from bench.environments import HANDLER, artefact
from bench.harness import Figures, spread
from local.isolation import REGION, tool

_SUBJECTS = {"handler": HANDLER.partition(".")[0], "boto3 and its dependencies": "boto3"}
_SHOWN = 6


def measure(quick: bool) -> Figures:
    with artefact() as built:
        return {title: _imported(built.folder, module, 1 if quick else 9) for title, module in _SUBJECTS.items()}


def _imported(folder: Path, module: str, rounds: int) -> Figures:
    runs = [self_times(_report(folder, module)) for _ in range(rounds)]
    modules = {name: median(run.get(name, 0.0) for run in runs) for name in runs[0]}
    packages: defaultdict[str, float] = defaultdict(float)
    for name, seconds in modules.items():
        packages[name.partition(".")[0]] += seconds
    totals = [sum(run.values()) for run in runs]
    return {"ms": spread(totals, 1e3), "modules": _slowest(modules), "packages": _slowest(packages)}


def _report(folder: Path, module: str) -> list[str]:
    command = [str(tool("runtime", "python")), "-X", "importtime", "-c", f"import {module}"]
    environment = {"PATH": os.defpath, "AWS_DEFAULT_REGION": REGION, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


def self_times(report: Iterable[str]) -> dict[str, float]:
    """Return the seconds that each module took by itself, without the modules that it imports."""
    times: dict[str, float] = {}
    for line in report:
        own, _, rest = line.removeprefix("import time:").partition("|")
        if line.startswith("import time:") and own.strip().isdigit():
            times[rest.partition("|")[2].strip()] = int(own) / 1e6
    return times


def _slowest(seconds: Mapping[str, float]) -> dict[str, float]:
    ordered = sorted(seconds.items(), key=lambda entry: -entry[1])
    return {name: round(own * 1e3, 2) for name, own in ordered[:_SHOWN]}


def tables(figures: Figures) -> list[Table]:
    found = figures["handler"]
    rows = [
        {"package": package, "package ms": f"{package_ms:.1f}", "module": module, "module ms": f"{module_ms:.1f}"}
        for (package, package_ms), (module, module_ms) in zip(
            found["packages"].items(), found["modules"].items(), strict=False
        )
    ]
    totals = ", ".join(f"{title} {entry['ms']['median']:.0f} ms" for title, entry in figures.items())
    return [Table(f"Import: the slowest, without their own imports ({totals}, under -X importtime)", rows)]


BENCHMARK = Benchmark(title="Import time", measure=measure, tables=tables)
