"""Processor time of a warm handler for each message: from its bytes to the answer's, without network.

Four steps, each of which contains the one before: *parse* reads the message; *answer* also does what its type asks for,
up to the interfaces of delivery, and writes the answer; *encode* also makes what would be sent, SQS messages and the
partner's body; *log* is the real entry point, with its log line and its metrics written to nowhere.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.benchmark import Benchmark, Table, Verdict
from bench.charts import Bars
from bench.functions import CONTEXT, deployed
from bench.harness import Figures, Measure, Spread, calls_lasting, cpu_seconds, interleaved, ratios
from bench.inputs import encoded, events_of, memberships_of, message
from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.event_queue import EventQueue
from mparticle_firehose.delivery.interfaces import Services
from mparticle_firehose.delivery.membership_queue import MembershipQueue
from mparticle_firehose.delivery.outcome import Delivered, Outcome
from mparticle_firehose.delivery.partner_call import PartnerCall
from mparticle_firehose.delivery.queue_sender import QueueSender
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import Serializer

BASELINE = "json"
MESSAGES = (
    "module_registration_request",
    "event_processing_keep_alive",
    "event_processing_request",
    "event_processing_request_web",
    "audience_subscription_add",
    "audience_membership_change_request",
    "dsr_processing_request",
)
STEPS = ("parse", "answer", "encode", "log")
EVENTS_6_KB = "events, 6 KB"
MEMBERSHIPS_100 = "memberships, 100 profiles"
MOST_TIMES_JSON = 1.5
MOST_LOGGED_MS = 0.5

_VARIABLES = {
    **{name: f"http://127.0.0.1/000000000000/{name}" for name in ("MEMBERSHIP_QUEUE_URL", "EVENT_QUEUE_URL")},
    **{name: f"http://127.0.0.1/000000000000/{name}" for name in ("MEMBERSHIP_DLQ_URL", "EVENT_DLQ_URL")},
    "PARTNER_API_URL": "http://127.0.0.1",
    "SUSPENSION_TABLE": "suspension",
    "LEDGER_TABLE": "ledger",
    "POWERTOOLS_SERVICE_NAME": "bench",
}
_SHARDS = 10


@dataclass(frozen=True)
class Nowhere:
    """Stands in for everything that delivers: takes it, and does nothing with it."""

    encodes: bool = False

    def send(self, call: PartnerCall, _deadline: Deadline) -> Outcome:
        if self.encodes:
            call.idempotency_key(call.encoded_body())
        return Delivered({"id": "aud-4242-1001"})

    def send_message_batch(self, **_batch: object) -> Mapping[str, object]:
        return {}

    def enqueue(self, *_: object) -> int:
        return 1

    def put_events(self, *_: object) -> None:
        return None

    def is_suspended(self, _account: object) -> bool:
        return False

    def suspend(self, _account: object, _reason: str) -> None:
        return None

    def lift(self, _account: object) -> None:
        return None

    def count(self, _name: str, _value: int = 1) -> None:
        return None

    def measure(self, _name: str, _milliseconds: float) -> None:
        return None

    def note(self, _event: str, _facts: object) -> None:
        return None


def services(*, encodes: bool, telemetry: Any = None) -> Services:
    """Return what the processors work with: it ends at the interfaces of delivery, or just before the network."""
    nowhere: Any = Nowhere(encodes)
    sender = QueueSender(nowhere)
    return Services(
        partner=nowhere,
        memberships=MembershipQueue(sender, "membership", shards=_SHARDS) if encodes else nowhere,
        events=EventQueue(sender, "event") if encodes else nowhere,
        dead_letters=nowhere,
        suspensions=nowhere,
        telemetry=telemetry or nowhere,
    )


def measure(quick: bool) -> Figures:
    seconds, rounds = (0.001, 2) if quick else (0.03, 31)
    inputs = {name: encoded(message(name)) for name in MESSAGES}
    inputs |= {EVENTS_6_KB: encoded(events_of(6_000)), MEMBERSHIPS_100: encoded(memberships_of(100))}
    with deployed(_VARIABLES) as app:
        app.application().services = services(encodes=True, telemetry=app.telemetry)
        return {name: _of_message(payload, app.handler, seconds, rounds) for name, payload in inputs.items()}


def _of_message(payload: bytes, handler: Callable[..., object], seconds: float, rounds: int) -> Figures:
    subjects = _subjects(payload, handler)
    timed: dict[str, Measure] = {
        name: partial(cpu_seconds, act, calls=calls_lasting(act, seconds)) for name, act in subjects.items()
    }
    samples = interleaved(timed, rounds)
    return {
        "bytes": len(payload),
        "ms": {name: Spread.of(values).scaled(1e3).figures() for name, values in samples.items()},
        "times_json": {step: ratios(samples[step], samples[BASELINE]).figures() for step in STEPS},
    }


def _subjects(payload: bytes, handler: Callable[..., object]) -> dict[str, Callable[[], object]]:
    serializer = Serializer()
    plain, encoding = services(encodes=False), services(encodes=True)

    def answer(with_services: Services) -> str:
        request = serializer.parse(json.loads(payload))
        return json.dumps(serializer.dump(process(request, with_services, Deadline.after(5))))

    return {
        BASELINE: lambda: json.dumps(json.loads(payload)),
        "parse": lambda: serializer.parse(json.loads(payload)),
        "answer": lambda: answer(plain),
        "encode": lambda: answer(encoding),
        "log": lambda: json.dumps(handler(json.loads(payload), CONTEXT)),
    }


def tables(figures: Mapping[str, Any]) -> list[Table]:
    rows = [
        [name, str(found["bytes"]), f"{found['ms'][BASELINE]['median'] * 1e3:.0f}"]
        + [_with_quartiles(found["times_json"][step]) for step in STEPS]
        + [f"{found['ms']['log']['median']:.3f}"]
        for name, found in figures.items()
    ]
    header = ["message", "bytes", "json µs", *(f"{step} ×" for step in STEPS), "log ms"]
    return [
        Table("Warm handler: processor time as a multiple of json.loads + json.dumps of the same bytes", header, rows)
    ]


def _with_quartiles(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['lower']:.2f}-{ratio['upper']:.2f})"


def charts(figures: Mapping[str, Any]) -> list[Bars]:
    values = {
        f"{name}: {step}": (ratio["median"], ratio["lower"], ratio["upper"])
        for name in (EVENTS_6_KB, MEMBERSHIPS_100)
        for step, ratio in figures[name]["times_json"].items()
    }
    title = "Processor time of a warm handler"
    return [Bars(name="warm_cpu", title=title, unit="× json.loads + json.dumps", values=values, limit=MOST_TIMES_JSON)]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    found = []
    for name in (EVENTS_6_KB, MEMBERSHIPS_100):
        ratio, logged = figures[name]["times_json"]["answer"]["median"], figures[name]["ms"]["log"]["median"]
        target = f"Warm CPU, {name}: parse, dispatch, answer ≤ {MOST_TIMES_JSON} × json"
        found.append(Verdict(target, f"{ratio:.2f} ×", ratio <= MOST_TIMES_JSON))
        target = f"Warm CPU, {name}: with encoding, logs and metrics ≤ {MOST_LOGGED_MS} ms"
        found.append(Verdict(target, f"{logged:.2f} ms", logged <= MOST_LOGGED_MS))
    return found


BENCHMARK = Benchmark(
    name="warm_cpu", title="Warm handler CPU", measure=measure, tables=tables, charts=charts, verdicts=verdicts
)
