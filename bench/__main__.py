"""``python -m bench`` runs the benchmarks, ``python -m bench report`` puts their results into docs/performance.md."""

import argparse
import sys
import time
from pathlib import Path

from bench.catalogue import BENCHMARKS
from bench.machine import describe
from bench.report import report
from bench.results import RESULTS, draw_all, keep, shown
from local.isolation import LocalCloudError

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
                report(options.results)
            else:
                _run(name, quick=options.quick, folder=options.results)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(name: str, *, quick: bool, folder: Path) -> None:
    benchmark, machine, started = BENCHMARKS[name], describe(), time.monotonic()
    figures = benchmark.measure(quick)
    keep(benchmark, figures, machine=machine, quick=quick, folder=folder)
    print(f"\n## {benchmark.title} ({time.monotonic() - started:.0f} s)\n\n{shown(benchmark, figures)}", flush=True)
    if not quick:
        draw_all(benchmark, figures, folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
