"""How long the import of the handler takes, module by module, as the interpreter itself counts it."""

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

from bench.benchmark import Benchmark, Figures
from bench.environments import HANDLER, artefact
from bench.harness import spread
from local.isolation import REGION, tool

_HANDLER = HANDLER.partition(".")[0]
_SUBJECTS = (_HANDLER, "boto3")
_SHOWN = 6


def measure(quick: bool) -> Figures:
    with artefact() as built:
        runs = {
            module: [self_times(_report(built.folder, module)) for _ in range(1 if quick else 9)]
            for module in _SUBJECTS
        }
    modules = {name: median(run.get(name, 0.0) for run in runs[_HANDLER]) for name in runs[_HANDLER][0]}
    packages: defaultdict[str, float] = defaultdict(float)
    for name, seconds in modules.items():
        packages[name.partition(".")[0]] += seconds
    return {
        "Import of the handler, and of boto3 with its dependencies, under -X importtime": {
            module: {"ms": spread([sum(run.values()) for run in some], 1e3)} for module, some in runs.items()
        },
        "The slowest packages, without what they import": _slowest(packages),
        "The slowest modules, without what they import": _slowest(modules),
    }


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


def _slowest(seconds: Mapping[str, float]) -> dict[str, dict[str, float]]:
    ordered = sorted(seconds.items(), key=lambda entry: -entry[1])
    return {name: {"ms": own * 1e3} for name, own in ordered[:_SHOWN]}


BENCHMARK = Benchmark(title="Import time", measure=measure)
