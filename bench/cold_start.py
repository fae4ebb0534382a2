"""Cold start: from the first call, which makes the emulator start the function's process, to its answer.

The emulator's own start is over by then; what it takes to start a process and to pass the call on is in every figure,
those of the baselines too. Files are in the page cache, as they are not on the first start of a new host.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bench.benchmark import Benchmark, Table, Verdict
from bench.charts import Bars
from bench.environments import BARE, BARE_SQS, HANDLER, Artefact, artefact
from bench.harness import Figures, Spread, differences, interleaved, ratios, wall_seconds
from bench.inputs import encoded, message
from bench.loopback import Loopback
from local.isolation import LocalCloudError
from local.runtime import is_error

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
    with Loopback() as loopback, artefact() as compiled, artefact(compiled=False) as plain:
        return {
            "with .pyc": _starts(compiled, loopback, answered, rounds=1 if quick else 21),
            "without .pyc": _starts(plain, loopback, answered, rounds=1 if quick else 15),
        }


def _starts(built: Artefact, loopback: Loopback, answered: Mapping[str, str], *, rounds: int) -> Figures:
    subjects = {
        NOTHING: (BARE, b"{}"),
        BASELINE: (BARE_SQS, b"{}"),
        **{title: (HANDLER, encoded(message(name))) for title, name in answered.items()},
    }
    samples = interleaved(
        {
            title: partial(_first_answer, built, handler, payload, loopback.variables)
            for title, (handler, payload) in subjects.items()
        },
        rounds,
    )
    return {title: _compared(values, samples) for title, values in samples.items()}


def _first_answer(built: Artefact, handler: str, payload: bytes, variables: Mapping[str, str]) -> float:
    answers: list[bytes] = []
    with built.runtime(handler, variables) as environment:
        seconds = wall_seconds(lambda: answers.append(environment.invoke(payload)))
    if is_error(answers[0]):
        raise LocalCloudError(f"{handler} failed")
    return seconds


def _compared(values: list[float], samples: Mapping[str, list[float]]) -> Figures:
    return {
        "ms": Spread.of(values).scaled(1e3).figures(),
        "times_baseline": ratios(values, samples[BASELINE]).figures(),
        "ms_above_nothing": differences(values, samples[NOTHING]).scaled(1e3).figures(),
    }


def tables(figures: Mapping[str, Any]) -> list[Table]:
    header = ["first answer", *(f"{column}, {bytecode}" for bytecode in figures for column in ("ms", "× boto3"))]
    titles = next(iter(figures.values()))
    rows = [[title, *(cell for starts in figures.values() for cell in _cells(starts[title]))] for title in titles]
    above = ", ".join(
        f"{title} {found['ms_above_nothing']['median']:.0f} ms" for title, found in figures["with .pyc"].items()
    )
    return [Table(f"Cold start: median and quartiles (with .pyc above the bare handler: {above})", header, rows)]


def _cells(found: Mapping[str, Any]) -> list[str]:
    ms, times = found["ms"], found["times_baseline"]
    return [
        f"{ms['median']:.0f} ({ms['lower']:.0f}-{ms['upper']:.0f})",
        f"{times['median']:.2f} ({times['lower']:.2f}-{times['upper']:.2f})",
    ]


def charts(figures: Mapping[str, Any]) -> list[Bars]:
    values = {
        title: (found["ms"]["median"], found["ms"]["lower"], found["ms"]["upper"])
        for title, found in figures["with .pyc"].items()
    }
    limit = MOST_TIMES_BASELINE * values[BASELINE][0]
    return [Bars(name="cold_start", title="Cold start, with .pyc", unit="ms", values=values, limit=limit)]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """Judge by the registration, which is answered without a call to anyone, as the baselines' answers are."""
    return [
        Verdict(f"Cold start {bytecode}: ≤ {MOST_TIMES_BASELINE} × {BASELINE}", f"{ratio:.2f} ×", met)
        for bytecode, starts in figures.items()
        for ratio in [starts["registration"]["times_baseline"]["median"]]
        for met in [ratio <= MOST_TIMES_BASELINE]
    ]


BENCHMARK = Benchmark(
    name="cold_start", title="Cold start", measure=measure, tables=tables, charts=charts, verdicts=verdicts
)
