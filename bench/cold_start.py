"""Cold start: from the first call, which makes the emulator start the function's process, to its answer.

The emulator's own start is over by then; what it takes to start a process and to pass the call on is in every figure,
those of the baselines too. Files are in the page cache, as they are not on the first start of a new host. Beside the
clock's time stands the process's own processor time, which does not grow while others use the machine.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bench.benchmark import Benchmark, Table, Verdict
from bench.charts import Bars
from bench.environments import BARE, BARE_SQS, HANDLER, Artefact, artefact, processor_seconds
from bench.harness import Figures, Spread, differences, interleaved, ratios, wall_seconds, with_quartiles
from bench.inputs import encoded, message
from bench.loopback import Loopback
from local.cloud.runtime import LambdaRuntime, is_error
from local.isolation import LocalCloudError

BASELINE = "bare handler with boto3 and an SQS client"
NOTHING = "bare handler"
ANSWERED = {
    "registration": "module_registration_request",
    "keep-alive": "event_processing_keep_alive",
    "events to the partner": "event_processing_request",
    "memberships to SQS": "audience_membership_change_request",
}
MOST_TIMES_BASELINE = 1.4


def measure(quick: bool) -> Figures:
    answered = dict(list(ANSWERED.items())[:1]) if quick else ANSWERED
    forms = {"with .pyc": True} if quick else {"with .pyc": True, "without .pyc": False}
    found: Figures = {}
    with Loopback() as loopback:
        for form, compiled in forms.items():
            with artefact(compiled=compiled) as built:
                found[form] = _starts(built, loopback, answered, rounds=1 if quick else 15)
    return found


def _starts(built: Artefact, loopback: Loopback, answered: Mapping[str, str], *, rounds: int) -> Figures:
    subjects = {
        NOTHING: (BARE, b"{}"),
        BASELINE: (BARE_SQS, b"{}"),
        **{title: (HANDLER, encoded(message(name))) for title, name in answered.items()},
    }
    cpu: dict[str, list[float]] = {title: [] for title in subjects}
    samples = interleaved(
        {
            title: partial(_first_answer, built.runtime(handler, loopback.variables), payload, cpu[title])
            for title, (handler, payload) in subjects.items()
        },
        rounds,
    )
    return {title: {**_compared(samples, title), "cpu": _compared(cpu, title)} for title in subjects}


def _first_answer(environment: LambdaRuntime, payload: bytes, cpu: list[float]) -> float:
    answers: list[bytes] = []
    with environment:
        seconds = wall_seconds(lambda: answers.append(environment.invoke(payload)))
        cpu.append(processor_seconds(environment))
    if is_error(answers[0]):
        raise LocalCloudError("the function failed")
    return seconds


def _compared(samples: Mapping[str, list[float]], title: str) -> Figures:
    return {
        "ms": Spread.of(samples[title]).scaled(1e3).figures(),
        "times_baseline": ratios(samples[title], samples[BASELINE]).figures(),
        "ms_above_nothing": differences(samples[title], samples[NOTHING]).scaled(1e3).figures(),
    }


def tables(figures: Mapping[str, Any]) -> list[Table]:
    columns = ("ms", "×", "CPU ms", "CPU ×")
    header = ["first answer", *(f"{column}, {bytecode}" for bytecode in figures for column in columns)]
    titles = next(iter(figures.values()))
    rows = [[title, *(cell for starts in figures.values() for cell in _cells(starts[title]))] for title in titles]
    above = ", ".join(
        f"{title} {found['ms_above_nothing']['median']:.0f} ms" for title, found in figures["with .pyc"].items()
    )
    return [Table(f"Cold start: median and quartiles (with .pyc above the bare handler: {above})", header, rows)]


def _cells(found: Mapping[str, Any]) -> list[str]:
    ms, times, cpu = found["ms"], found["times_baseline"], found["cpu"]
    return [
        with_quartiles(ms, digits=0),
        with_quartiles(times),
        f"{cpu['ms']['median']:.0f}",
        f"{cpu['times_baseline']['median']:.2f}",
    ]


def charts(figures: Mapping[str, Any]) -> list[Bars]:
    values = {
        title: (found["ms"]["median"], found["ms"]["lower"], found["ms"]["upper"])
        for title, found in figures["with .pyc"].items()
    }
    limit = MOST_TIMES_BASELINE * values[BASELINE][0]
    return [Bars(name="cold_start", title="Cold start, with .pyc", unit="ms", values=values, limit=limit)]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """Judge each first answer of the deployed form; the baseline calls nobody, as only two of them do."""
    starts = figures["with .pyc"]
    return [_verdict(title, starts[title]) for title in ANSWERED if title in starts]


def _verdict(title: str, found: Mapping[str, Any]) -> Verdict:
    ratio, cpu = (compared["times_baseline"]["median"] for compared in (found, found["cpu"]))
    target = f"Cold start, first answer ≤ {MOST_TIMES_BASELINE} × {BASELINE}: {title}"
    return Verdict(target, f"{ratio:.2f} × (CPU {cpu:.2f} ×)", ratio <= MOST_TIMES_BASELINE)


BENCHMARK = Benchmark(
    name="cold_start", title="Cold start", measure=measure, tables=tables, charts=charts, verdicts=verdicts
)
