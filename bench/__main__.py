"""``python -m bench`` runs the benchmarks, ``python -m bench report`` puts their results into docs/performance.md."""

import argparse
import sys
import time
from pathlib import Path

from bench import (
    backfill,
    calls,
    cold_start,
    cost_model,
    end_to_end,
    feed,
    import_time,
    membership,
    memory,
    outage,
    queued_events,
    refusals,
    scale,
    starvation,
    warm_cpu,
)
from bench.benchmark import Benchmark
from bench.report import RESULTS, run, write_page
from local.isolation import LocalCloudError

BENCHMARKS: dict[str, Benchmark] = {
    "cold_start": cold_start.BENCHMARK,
    "import_time": import_time.BENCHMARK,
    "warm_cpu": warm_cpu.BENCHMARK,
    "end_to_end": end_to_end.BENCHMARK,
    "membership": membership.BENCHMARK,
    "queued_events": queued_events.BENCHMARK,
    "calls": calls.BENCHMARK,
    "memory": memory.BENCHMARK,
    "cost_model": cost_model.BENCHMARK,
    "outage": outage.BENCHMARK,
    "refusals": refusals.BENCHMARK,
    "starvation": starvation.BENCHMARK,
    "backfill": backfill.BENCHMARK,
    "feed": feed.BENCHMARK,
    "scale": scale.BENCHMARK,
}
_REPORT = "report"
_NAMES = f"of {', '.join(BENCHMARKS)}; all if none is given; {_REPORT} to put what was kept into docs/performance.md"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, print, and keep what was measured.")
    parser.add_argument("names", nargs="*", metavar="name", help=_NAMES)
    parser.add_argument("--quick", action="store_true", help="prove in seconds that it works; the figures mean nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - {*BENCHMARKS, _REPORT}:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    try:
        for name in options.names or BENCHMARKS:
            if name == _REPORT:
                write_page(BENCHMARKS, options.results)
            else:
                _show(name, quick=options.quick, folder=options.results)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _show(name: str, *, quick: bool, folder: Path) -> None:
    benchmark, started = BENCHMARKS[name], time.monotonic()
    text = run(name, benchmark, quick=quick, folder=folder)
    print(f"\n## {benchmark.title} ({time.monotonic() - started:.0f} s)\n\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
