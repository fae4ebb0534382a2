"""Processor time of a warm handler for each request: from its bytes to the response's, without network.

*parse* reads the request; *answer* also does what its type asks for, up to the interfaces of delivery, and writes the
response. Two steps contain *answer*: *log* is the entry point, with its log line and its metrics, which are discarded;
*encode* also makes the SQS messages or the partner's body, but writes no log. *map* is the integration's part of an
answer to events: the time to parse and map less the time to parse, since mapping the same request repeatedly would find
everything in the processor's cache, in half the time. *read* is *parse* less ``json.loads``: Lambda hands over a dict.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app import firehose
from bench.benchmark import Benchmark, Figures, Target
from bench.harness import Measure, calls_lasting, cpu_seconds, differences, interleaved, ratios, spread
from bench.in_process import CONTEXT, RecordingSqs, answer, deployed, offline
from bench.inputs import encoded, events_of, memberships_of, requests
from mparticle_firehose.protocol import EventProcessingRequest

TABLE = "Warm handler: processor time as × json.loads + json.dumps of the same bytes"
_JSON, _LOADS, _PARSE, _ANSWER, _LOG, _ENCODE = "json", "json.loads", "parse", "answer", "log", "encode"
_MAP, _PARSE_AND_MAP, _UNMAPPED = "map", "parse and map", "answer without map"
_READ, _READ_TIMES, _MAP_TIMES = "read", "read × json.loads", "map × read"
EVENTS_6_KB = "events, 6 KB"
MEMBERSHIPS_100 = "memberships, 100 profiles"
MAX_TIMES_JSON = 1.5
MAX_READ_TIMES_LOADS = 0.7
MAX_MAP_TIMES_READ = 0.5
MAX_LOGGED_MS = 0.5


def measure(quick: bool) -> Figures:
    seconds, rounds = (0.001, 2) if quick else (0.01, 93)  # short, so that all of a round see the same machine
    offered = requests()
    if "events" in offered:
        offered[EVENTS_6_KB] = events_of(6_000)
    if "memberships" in offered:
        offered[MEMBERSHIPS_100] = memberships_of(100)
    with deployed({}):
        return {TABLE: {title: _of_request(encoded(request), seconds, rounds) for title, request in offered.items()}}


def _of_request(payload: bytes, seconds: float, rounds: int) -> dict[str, Any]:
    timed: dict[str, Measure] = {
        name: partial(cpu_seconds, act, calls=calls_lasting(act, seconds)) for name, act in _subjects(payload).items()
    }
    samples = interleaved(timed, rounds)
    samples[_READ] = differences(samples[_PARSE], samples[_LOADS])
    if _PARSE_AND_MAP in samples:
        samples[_MAP] = differences(samples[_PARSE_AND_MAP], samples[_PARSE])
        samples[_UNMAPPED] = differences(samples[_ANSWER], samples[_MAP])
    return {
        "bytes": len(payload),
        **{f"{name} µs": spread(samples[name], 1e6) for name in (_JSON, _LOADS)},
        **{
            f"{name} ×": ratios(samples[name], samples[_JSON]) if name in samples else None
            for name in (_PARSE, _MAP, _UNMAPPED, _ANSWER, _LOG, _ENCODE)
        },
        _READ_TIMES: ratios(samples[_READ], samples[_LOADS]),
        _MAP_TIMES: ratios(samples[_MAP], samples[_READ]) if _MAP in samples else None,
        "log ms": spread(samples[_LOG], 1e3),
    }


def _subjects(payload: bytes) -> dict[str, Callable[[], object]]:
    plain, logging, encoding = offline(), offline(), offline(sqs=RecordingSqs())
    logging.telemetry = firehose.telemetry
    parse: Callable[[object], Any] = plain.serializer.parse
    events = firehose.integration.events
    subjects: dict[str, Callable[[], object]] = {
        _JSON: lambda: json.dumps(json.loads(payload)),
        _LOADS: lambda: json.loads(payload),
        _PARSE: lambda: parse(json.loads(payload)),
        _ANSWER: lambda: answer(payload, plain),
        _LOG: lambda: json.dumps(logging.handler(json.loads(payload), CONTEXT)),
        _ENCODE: lambda: answer(payload, encoding),
    }
    if events and isinstance(parse(json.loads(payload)), EventProcessingRequest):
        subjects[_PARSE_AND_MAP] = lambda: [*events(parse(json.loads(payload)))]
    return subjects


def targets(figures: Figures) -> list[Target]:
    rows, found = figures[TABLE], []
    if events := rows.get(EVENTS_6_KB):
        unmapped, mapped = "without the integration's mapping", "with it"
        found += [
            _read(EVENTS_6_KB, events),
            _mapped(EVENTS_6_KB, events),
            _answered(f"{EVENTS_6_KB}, {unmapped}", events[f"{_UNMAPPED} ×"]),
            _answered(f"{EVENTS_6_KB}, {mapped}", events[f"{_ANSWER} ×"]),
            _logged(EVENTS_6_KB, events),
        ]
    if memberships := rows.get(MEMBERSHIPS_100):
        found += [
            _read(MEMBERSHIPS_100, memberships),
            _answered(MEMBERSHIPS_100, memberships[f"{_ANSWER} ×"]),
            _logged(MEMBERSHIPS_100, memberships),
        ]
    return found


def _read(name: str, row: Mapping[str, Any]) -> Target:
    times = row[_READ_TIMES]["median"]
    text = f"Warm CPU: read from a dict ≤ {MAX_READ_TIMES_LOADS} × json.loads: {name}"
    return Target(text, f"{times:.2f} ×", times <= MAX_READ_TIMES_LOADS)


def _mapped(name: str, row: Mapping[str, Any]) -> Target:
    times = row[_MAP_TIMES]["median"]
    text = f"Warm CPU: the integration's mapping ≤ {MAX_MAP_TIMES_READ} × read: {name}"
    return Target(text, f"{times:.2f} ×", times <= MAX_MAP_TIMES_READ)


def _answered(name: str, times: Mapping[str, float]) -> Target:
    median = times["median"]
    return Target(
        f"Warm CPU: parse, dispatch, answer ≤ {MAX_TIMES_JSON} × json: {name}",
        f"{median:.2f} ×",
        median <= MAX_TIMES_JSON,
    )


def _logged(name: str, row: Mapping[str, Any]) -> Target:
    logged, loads = row["log ms"]["median"], row[f"{_LOADS} µs"]["median"] / 1e3
    return Target(
        f"Warm CPU: the same with log line and metrics ≤ {MAX_LOGGED_MS} ms: {name}",
        f"{logged:.2f} ms (json.loads alone {loads:.2f})",
        logged <= MAX_LOGGED_MS,
    )


BENCHMARK = Benchmark(title="Warm handler CPU", measure=measure, targets=targets)
