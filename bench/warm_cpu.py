"""Processor time of a warm handler for each request: from its bytes to the response's, without network.

*parse* reads the request; *answer* also does what its type asks for, up to the interfaces of delivery, and writes the
response. Two steps contain *answer*: *log* is the entry point, with its log line and its metrics, which are discarded;
*encode* also makes the SQS messages or the partner's body, but writes no log. *map* is the integration's part of an
answer to events: the time to parse and map less the time to parse, since mapping the same request repeatedly would find
everything in the processor's cache, in half the time.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app import firehose
from bench.benchmark import Benchmark, Table, Target
from bench.harness import (
    Figures,
    Measure,
    calls_lasting,
    cpu_seconds,
    differences,
    interleaved,
    ratios,
    spread,
    with_quartiles,
)
from bench.in_process import CONTEXT, RecordingSqs, answer, deployed, offline
from bench.inputs import encoded, events_of, memberships_of, requests
from mparticle_firehose.protocol import EventProcessingRequest

BASELINE, LOADS = "json", "json.loads"
STEPS = ("parse", "map", "answer", "log", "encode")
MAPPED, UNMAPPED = "parse and map", "answer without map"
EVENTS_6_KB = "events, 6 KB"
MEMBERSHIPS_100 = "memberships, 100 profiles"
MAX_TIMES_JSON = 1.5
MAX_LOGGED_MS = 0.5


def measure(quick: bool) -> Figures:
    seconds, rounds = (0.001, 2) if quick else (0.01, 93)  # short, so that all of a round see the same machine
    offered = requests()
    if "events" in offered:
        offered[EVENTS_6_KB] = events_of(6_000)
    if "memberships" in offered:
        offered[MEMBERSHIPS_100] = memberships_of(100)
    with deployed({}):
        return {title: _of_request(encoded(request), seconds, rounds) for title, request in offered.items()}


def _of_request(payload: bytes, seconds: float, rounds: int) -> Figures:
    timed: dict[str, Measure] = {
        name: partial(cpu_seconds, act, calls=calls_lasting(act, seconds)) for name, act in _subjects(payload).items()
    }
    samples = interleaved(timed, rounds)
    if MAPPED in samples:
        samples["map"] = differences(samples[MAPPED], samples["parse"])
        samples[UNMAPPED] = differences(samples["answer"], samples["map"])
    return {
        "bytes": len(payload),
        "ms": {name: spread(values, 1e3) for name, values in samples.items()},
        "times_json": {name: ratios(values, samples[BASELINE]) for name, values in samples.items()},
    }


def _subjects(payload: bytes) -> dict[str, Callable[[], object]]:
    plain, logging, encoding = offline(), offline(), offline(sqs=RecordingSqs())
    logging.telemetry = firehose.telemetry
    parse: Callable[[object], Any] = plain.serializer.parse
    events = firehose.integration.events
    subjects: dict[str, Callable[[], object]] = {
        BASELINE: lambda: json.dumps(json.loads(payload)),
        LOADS: lambda: json.loads(payload),
        "parse": lambda: parse(json.loads(payload)),
        "answer": lambda: answer(payload, plain),
        "log": lambda: json.dumps(logging.handler(json.loads(payload), CONTEXT)),
        "encode": lambda: answer(payload, encoding),
    }
    if events and isinstance(parse(json.loads(payload)), EventProcessingRequest):
        subjects[MAPPED] = lambda: events(parse(json.loads(payload)))
    return subjects


def tables(figures: Figures) -> list[Table]:
    title = "Warm handler: processor time as a multiple of json.loads + json.dumps of the same bytes"
    return [Table(title, [_row(name, found) for name, found in figures.items()])]


def _row(name: str, found: Mapping[str, Any]) -> dict[str, str]:
    ms, times = found["ms"], found["times_json"]
    return {
        "request": name,
        "bytes": str(found["bytes"]),
        "json µs": f"{ms[BASELINE]['median'] * 1e3:.0f}",
        "loads µs": f"{ms[LOADS]['median'] * 1e3:.0f}",
        **{f"{step} ×": with_quartiles(times[step]) if step in times else "-" for step in STEPS},
        "log ms": f"{ms['log']['median']:.3f}",
    }


def targets(figures: Figures) -> list[Target]:
    found = []
    if EVENTS_6_KB in figures:
        found += [
            _answered(figures, EVENTS_6_KB, UNMAPPED, ", without the integration's mapping"),
            _answered(figures, EVENTS_6_KB, "answer", ", with it"),
            _logged(figures, EVENTS_6_KB),
        ]
    if MEMBERSHIPS_100 in figures:
        found += [_answered(figures, MEMBERSHIPS_100, "answer"), _logged(figures, MEMBERSHIPS_100)]
    return found


def _answered(figures: Figures, name: str, step: str, which: str = "") -> Target:
    times = figures[name]["times_json"][step]["median"]
    text = f"Warm CPU, {name}: parse, dispatch, answer ≤ {MAX_TIMES_JSON} × json{which}"
    return Target(text, f"{times:.2f} ×", times <= MAX_TIMES_JSON)


def _logged(figures: Figures, name: str) -> Target:
    logged, loads = (figures[name]["ms"][part]["median"] for part in ("log", LOADS))
    text = f"Warm CPU, {name}: the same with log line and metrics ≤ {MAX_LOGGED_MS} ms"
    return Target(text, f"{logged:.2f} ms (json.loads alone {loads:.2f})", logged <= MAX_LOGGED_MS)


BENCHMARK = Benchmark(title="Warm handler CPU", measure=measure, tables=tables, targets=targets)
