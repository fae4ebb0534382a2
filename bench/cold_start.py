"""Cold start: from the first call, which makes the emulator start the function's process, to its response.

The emulator itself runs already; starting a process and passing the call on is in every figure, those of the baselines
too. Files are in the page cache, as they are not on the first start of a new host. Beside the time by the clock stands
the process's own processor time, which does not grow while others use the machine.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bench.benchmark import Benchmark, Table, Target
from bench.environments import BARE, BARE_SQS, HANDLER, Artefact, artefact, invoke, processor_seconds
from bench.harness import Figures, differences, interleaved, ratios, seconds_per_call, spread, with_quartiles
from bench.inputs import encoded, requests
from bench.loopback import Loopback
from local.cloud.runtime import LambdaRuntime

_BARE, _BASELINE = "bare handler", "bare handler with boto3 and an SQS client"
MAX_TIMES_BASELINE = 1.4


def measure(quick: bool) -> Figures:
    titles = ["registration"] if quick else list(requests())
    forms = {"with .pyc": True} if quick else {"with .pyc": True, "without .pyc": False}
    found: Figures = {}
    with Loopback() as loopback:
        for form, compiled in forms.items():
            with artefact(compiled=compiled) as built:
                found[form] = _starts(built, loopback, titles, rounds=1 if quick else 15)
    return found


def _starts(built: Artefact, loopback: Loopback, titles: list[str], *, rounds: int) -> Figures:
    subjects = {_BARE: (BARE, b"{}"), _BASELINE: (BARE_SQS, b"{}")}
    subjects |= {title: (HANDLER, encoded(requests()[title])) for title in titles}
    cpu: dict[str, list[float]] = {title: [] for title in subjects}
    samples = interleaved(
        {
            title: partial(_first_response, built.runtime(handler, loopback.variables), payload, cpu[title])
            for title, (handler, payload) in subjects.items()
        },
        rounds,
    )
    return {title: {**_compared(samples, title), "cpu": _compared(cpu, title)} for title in subjects}


def _first_response(environment: LambdaRuntime, payload: bytes, cpu: list[float]) -> float:
    with environment:
        seconds = seconds_per_call(partial(invoke, environment, payload))
        cpu.append(processor_seconds(environment))
    return seconds


def _compared(samples: Mapping[str, list[float]], title: str) -> Figures:
    return {
        "ms": spread(samples[title], 1e3),
        "times_baseline": ratios(samples[title], samples[_BASELINE]),
        "ms_above_bare": spread(differences(samples[title], samples[_BARE]), 1e3),
    }


def tables(figures: Figures) -> list[Table]:
    title = "Cold start: median and quartiles in ms, × the bare handler with boto3, and ms above the bare handler"
    return [Table(f"{title}, {form}", [_row(*start) for start in starts.items()]) for form, starts in figures.items()]


def _row(title: str, found: Mapping[str, Any]) -> dict[str, str]:
    cpu = found["cpu"]
    return {
        "first response": title,
        "ms": with_quartiles(found["ms"], digits=0),
        "×": with_quartiles(found["times_baseline"]),
        "above bare": f"{found['ms_above_bare']['median']:.0f}",
        "CPU ms": f"{cpu['ms']['median']:.0f}",
        "CPU ×": f"{cpu['times_baseline']['median']:.2f}",
    }


def targets(figures: Figures) -> list[Target]:
    """Compare every first response of the deployed form. The baseline makes no call, as only some responses do."""
    return [_target(title, found) for title, found in figures["with .pyc"].items() if title not in (_BARE, _BASELINE)]


def _target(title: str, found: Mapping[str, Any]) -> Target:
    ratio, cpu = (compared["times_baseline"]["median"] for compared in (found, found["cpu"]))
    text = f"Cold start, first response ≤ {MAX_TIMES_BASELINE} × {_BASELINE}: {title}"
    return Target(text, f"{ratio:.2f} × (CPU {cpu:.2f} ×)", ratio <= MAX_TIMES_BASELINE)


BENCHMARK = Benchmark(title="Cold start", measure=measure, tables=tables, targets=targets)
