"""Processor time of a warm handler for each message: from its bytes to the answer's, without network.

*parse* reads the message; *answer* also does what its type asks for, up to the interfaces of delivery, and writes the
answer. Two steps contain *answer*: *log* is the real entry point, with its log line and its metrics written to nowhere;
*encode* also makes what would be sent, SQS messages and the partner's body, but says nothing. *map* is the part of an
answer to events that is the integrator's own code: what it takes to parse and map less what it takes to parse, since
mapping the same request again and again would find everything in the processor's cache, in half the time.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app import firehose
from bench.benchmark import Benchmark, Table, Verdict
from bench.charts import Bars
from bench.functions import CONTEXT, deployed
from bench.harness import (
    Figures,
    Measure,
    Spread,
    calls_lasting,
    cpu_seconds,
    interleaved,
    less,
    ratios,
    with_quartiles,
)
from bench.inputs import encoded, events_of, memberships_of, message
from bench.loopback import variables
from bench.nowhere import services
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import PartnerCall
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import EventProcessingRequest, Serializer
from mparticle_firehose.services import Services

BASELINE = "json"
LOADS = "json.loads"
MESSAGES = (
    "module_registration_request",
    "event_processing_keep_alive",
    "event_processing_request",
    "audience_subscription_add",
    "audience_membership_change_request",
    "dsr_processing_request",
)
STEPS = ("parse", "map", "answer", "log", "encode")
MAPPED, UNMAPPED = "parse and map", "answer without map"
EVENTS_6_KB = "events, 6 KB"
MEMBERSHIPS_100 = "memberships, 100 profiles"
MOST_TIMES_JSON = 1.5
MOST_LOGGED_MS = 0.5


def measure(quick: bool) -> Figures:
    seconds, rounds = (0.001, 2) if quick else (0.01, 93)  # short, so that all of a round see the same machine
    inputs = {name: encoded(message(name)) for name in MESSAGES}
    inputs |= {EVENTS_6_KB: encoded(events_of(6_000)), MEMBERSHIPS_100: encoded(memberships_of(100))}
    with deployed(variables("http://127.0.0.1")) as app:
        vars(app).update(vars(services(encodes=False, telemetry=app.telemetry)))
        return {name: _of_message(payload, app.handler, seconds, rounds) for name, payload in inputs.items()}


def _of_message(payload: bytes, handler: Callable[..., object], seconds: float, rounds: int) -> Figures:
    subjects = _subjects(payload, handler)
    timed: dict[str, Measure] = {
        name: partial(cpu_seconds, act, calls=calls_lasting(act, seconds)) for name, act in subjects.items()
    }
    samples = interleaved(timed, rounds)
    if MAPPED in samples:
        samples["map"] = less(samples[MAPPED], samples["parse"])
        samples[UNMAPPED] = less(samples["answer"], samples["map"])
    return {
        "bytes": len(payload),
        "ms": {name: Spread.of(values).scaled(1e3).figures() for name, values in samples.items()},
        "times_json": {name: ratios(values, samples[BASELINE]).figures() for name, values in samples.items()},
    }


def _subjects(payload: bytes, handler: Callable[..., object]) -> dict[str, Callable[[], object]]:
    serializer = Serializer()
    plain, encoding = services(encodes=False), services(encodes=True)

    def answer(with_services: Services) -> str:
        request = serializer.parse(json.loads(payload))
        return json.dumps(serializer.dump(process(request, with_services, Deadline.after(5))))

    def mapped() -> PartnerCall | None:
        request = serializer.parse(json.loads(payload))
        events = firehose.integration.events
        return events(request) if events and isinstance(request, EventProcessingRequest) else None

    carries_events = isinstance(serializer.parse(json.loads(payload)), EventProcessingRequest)
    return {
        BASELINE: lambda: json.dumps(json.loads(payload)),
        LOADS: lambda: json.loads(payload),
        "parse": lambda: serializer.parse(json.loads(payload)),
        **({MAPPED: mapped} if carries_events else {}),
        "answer": lambda: answer(plain),
        "log": lambda: json.dumps(handler(json.loads(payload), CONTEXT)),
        "encode": lambda: answer(encoding),
    }


def tables(figures: Mapping[str, Any]) -> list[Table]:
    rows = [
        [name, str(found["bytes"]), *(f"{found['ms'][part]['median'] * 1e3:.0f}" for part in (BASELINE, LOADS))]
        + [_times(found, step) for step in STEPS]
        + [f"{found['ms']['log']['median']:.3f}"]
        for name, found in figures.items()
    ]
    header = ["message", "bytes", "json µs", "loads µs", *(f"{step} ×" for step in STEPS), "log ms"]
    return [
        Table("Warm handler: processor time as a multiple of json.loads + json.dumps of the same bytes", header, rows)
    ]


def _times(found: Mapping[str, Any], step: str) -> str:
    return with_quartiles(found["times_json"][step]) if step in found["times_json"] else "-"


def charts(figures: Mapping[str, Any]) -> list[Bars]:
    values = {
        f"{name}: {step}": (ratio["median"], ratio["lower"], ratio["upper"])
        for name in (EVENTS_6_KB, MEMBERSHIPS_100)
        for step, ratio in figures[name]["times_json"].items()
        if step in STEPS
    }
    title = "Processor time of a warm handler"
    return [Bars(name="warm_cpu", title=title, unit="× json.loads + json.dumps", values=values, limit=MOST_TIMES_JSON)]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    return [
        _answered(figures, EVENTS_6_KB, UNMAPPED, ", without the partner's mapping"),
        _answered(figures, EVENTS_6_KB, "answer", ", with it"),
        _answered(figures, MEMBERSHIPS_100, "answer"),
        _logged(figures, EVENTS_6_KB),
        _logged(figures, MEMBERSHIPS_100),
    ]


def _answered(figures: Mapping[str, Any], name: str, step: str, which: str = "") -> Verdict:
    times = figures[name]["times_json"][step]["median"]
    target = f"Warm CPU, {name}: parse, dispatch, answer ≤ {MOST_TIMES_JSON} × json{which}"
    return Verdict(target, f"{times:.2f} ×", times <= MOST_TIMES_JSON)


def _logged(figures: Mapping[str, Any], name: str) -> Verdict:
    logged, loads = (figures[name]["ms"][part]["median"] for part in ("log", LOADS))
    target = f"Warm CPU, {name}: the same with log line and metrics ≤ {MOST_LOGGED_MS} ms"
    return Verdict(target, f"{logged:.2f} ms (json.loads alone {loads:.2f})", logged <= MOST_LOGGED_MS)


BENCHMARK = Benchmark(
    name="warm_cpu", title="Warm handler CPU", measure=measure, tables=tables, charts=charts, verdicts=verdicts
)
