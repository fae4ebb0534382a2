"""Cold start: from the first call, which makes the emulator start the function's process, to its response.

The emulator itself runs already; starting a process and passing the call on is in every figure, those of the baselines
too. Files are in the page cache, as they are not on the first start of a new host. Beside the time by the clock stands
the process's own processor time, which does not grow while others use the machine.

A partner that takes connections and never responds shows how long a new environment needs to queue its first events,
after the deadline of their call.
"""

import socket
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.benchmark import Benchmark, Figures, Target
from bench.environments import BARE, BARE_SQS, HANDLER, Artefact, artefact, invoke, processor_seconds
from bench.harness import differences, interleaved, ratios, seconds_per_call, spread
from bench.inputs import encoded, requests
from bench.loopback import Loopback
from local.cloud.runtime import LambdaRuntime

_BARE, _BASELINE = "bare handler", "bare handler with boto3 and an SQS client"
DEPLOYED = f"Cold start, first response with .pyc: time by the clock, processor time, each also as × {_BASELINE}"
_UNCOMPILED = "The same without .pyc"
DEADLINE_MS = 150  # the default
QUEUED = f"Events whose partner never responds, in a new environment: ms over the deadline of {DEADLINE_MS} ms"
FIRST = "first request"
MAX_TIMES_BASELINE = 1.25
MAX_OVER_DEADLINE_MS = 120


def measure(quick: bool) -> Figures:
    titles = ["registration"] if quick else list(requests())
    forms = {DEPLOYED: True} if quick else {DEPLOYED: True, _UNCOMPILED: False}
    found: Figures = {}
    with Loopback() as loopback:
        for title, compiled in forms.items():
            with artefact(compiled=compiled) as built:
                found[title] = _starts(built, loopback, titles, rounds=1 if quick else 15)
                if compiled and "events" in titles:
                    found[QUEUED] = _over_deadline(built, loopback, rounds=15)
    return found


def _over_deadline(built: Artefact, loopback: Loopback, *, rounds: int) -> dict[str, dict[str, Any]]:
    """Return how long after the deadline the first requests of an environment are answered, measured inside."""
    payload, found = encoded(requests()["events"]), []
    with socket.create_server(("127.0.0.1", 0), backlog=2 * rounds) as silent, TemporaryDirectory() as place:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        variables = {**loopback.variables, "PARTNER_API_URL": url, "HANDLER_DEADLINE_MS": str(DEADLINE_MS)}
        for number in range(rounds):
            record = Path(place, str(number))
            with built.timed(HANDLER, variables, record) as environment:
                for _ in range(2):
                    invoke(environment, payload)
            found.append([int(line.split()[0]) / 1e6 - DEADLINE_MS for line in record.read_text().splitlines()])
    return {
        name: {"ms": spread(values)} for name, values in zip((FIRST, "next"), zip(*found, strict=True), strict=True)
    }


def _starts(built: Artefact, loopback: Loopback, titles: list[str], *, rounds: int) -> dict[str, dict[str, Any]]:
    subjects = {_BARE: (BARE, b"{}"), _BASELINE: (BARE_SQS, b"{}")}
    subjects |= {title: (HANDLER, encoded(requests()[title])) for title in titles}
    cpu: dict[str, list[float]] = {title: [] for title in subjects}
    clock = interleaved(
        {
            title: partial(_first_response, built.runtime(handler, loopback.variables), payload, cpu[title])
            for title, (handler, payload) in subjects.items()
        },
        rounds,
    )
    return {
        title: {
            "ms": spread(clock[title], 1e3),
            "ms above bare": spread(differences(clock[title], clock[_BARE]), 1e3),
            "×": ratios(clock[title], clock[_BASELINE]),
            "CPU ms": spread(cpu[title], 1e3),
            "CPU ×": ratios(cpu[title], cpu[_BASELINE]),
        }
        for title in subjects
    }


def _first_response(environment: LambdaRuntime, payload: bytes, cpu: list[float]) -> float:
    with environment:
        seconds = seconds_per_call(partial(invoke, environment, payload))
        cpu.append(processor_seconds(environment))
    return seconds


def targets(figures: Figures) -> list[Target]:
    """Compare every first response of the deployed form. The baseline makes no call, as only some responses do."""
    late = [figures[QUEUED][FIRST]["ms"]["median"]] if QUEUED in figures else []
    return [
        Target(
            f"Cold start, first response ≤ {MAX_TIMES_BASELINE} × {_BASELINE}: {title}",
            f"{found['×']['median']:.2f} × (CPU {found['CPU ×']['median']:.2f} ×)",
            found["×"]["median"] <= MAX_TIMES_BASELINE,
        )
        for title, found in figures[DEPLOYED].items()
        if title not in (_BARE, _BASELINE)
    ] + [
        Target(
            f"First events that must be queued, in a new environment: ≤ {MAX_OVER_DEADLINE_MS} ms over the deadline",
            f"{milliseconds:.0f} ms",
            milliseconds <= MAX_OVER_DEADLINE_MS,
        )
        for milliseconds in late
    ]


BENCHMARK = Benchmark(title="Cold start", measure=measure, targets=targets)
