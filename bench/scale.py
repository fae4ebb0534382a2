"""How far it goes: what a load uses, beside what AWS documents as its quotas. Nothing is measured.

Most of it is the arithmetic of `ops.capacity`. Starts of environments and an outage of hours are simulated. How far the
feed goes is a benchmark of its own, `bench.feed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from bench.benchmark import Benchmark, Figures
from bench.cost_model import ASSUMED, RATES
from bench.inputs import SHARDS
from bench.prices import PRICES, SQS_CHUNK_BYTES, Usage, itemised
from bench.quotas import (
    CONCURRENCY,
    ENTRY_READS,
    ENTRY_WRITES,
    FIFO_CALLS,
    FIFO_IN_FLIGHT,
    IN_FLIGHT,
    LOOK_AHEAD,
    NEW_ENVIRONMENTS,
    QUOTAS,
    REQUESTS_PER_UNIT,
    TABLE_READS,
    TABLE_WRITES,
)
from bench.simulation import Scaling, handled
from bench.starvation import HOUR, OVERHEAD_SECONDS, Scenario, simulate
from local.build.deployment_settings import DEFAULTS
from mparticle_firehose.partner_api.shared_circuit_breaker import PROBE_SECONDS
from ops.capacity.planning import (
    BATCH,
    MIN_CONCURRENCY,
    Load,
    Mode,
    batches_at_a_time,
    busy,
    concurrency,
)

HANDLER_SECONDS: Mapping[str, float] = {
    "events, queued": 0.012,
    "events, forwarded, API 40 ms": 0.043,
    "events, forwarded, API slow": 0.2,
}
"""Of a request. The first two as `bench.cost_model` calculates them, the last when HandlerDeadlineMs ends the call."""

MESSAGE_BYTES = 8_400
"""Of a queued request: the sample of events/."""

LINE_BYTES, NOTE_BYTES = 420, 295
"""Of an invocation's line in the log, and of a note `retried later`. Each message that is held back has one."""

GROUPS = ASSUMED.accounts * SHARDS
"""Message groups, with the default of MembershipShards."""

OUTAGE_HOURS, OUTAGE_RATE = 6, 2_000
DEPLOYMENT_STEPS: Mapping[str, float] = {
    "Linear10PercentEvery1Minute": 0.1,
    "Canary10Percent5Minutes": 0.9,
    "AllAtOnce": 1.0,
}
"""The largest part of the traffic that a step moves."""

APIS: Mapping[str, Load] = {
    "a call a request, 40 ms": Load(requests=1, call_ms=40),
    "a call a request, 200 ms": Load(requests=1, call_ms=200),
    "100 requests a call, 200 ms": Load(requests=1, call_ms=200, requests_per_call=100),
}
SINGLE, SLOW, BULK = APIS

RECOVERIES: Sequence[tuple[str, Mode, Sequence[int]]] = (
    (SINGLE, Mode.FORWARD, (44, 100, 200)),
    (SINGLE, Mode.QUEUE, (44, 88, 100, 200)),
    (BULK, Mode.QUEUE, (20, 100)),
    (SINGLE, Mode.IN_ORDER, (50, 88, 200)),
    (BULK, Mode.IN_ORDER, (50, 120)),
)
"""Batches at a time: what `ops capacity` calculates for the rate of the outage, the defaults, and others."""

REFUSED_READS, REFUSED_WRITES = 2.6, 0.58
"""Of a membership change if 1 % are refused, as `bench.refusals` counts them."""

_MILLION, _GIGABYTE = 1e6, 1e9

TEN = "Ten requests a second for each concurrent execution"
STEPS = f"Simulated: the largest step of a deployment, environments start in {ASSUMED.starting_ms / 1000} s"
QUEUED = "Queued events in both orders: what it takes to keep up"
WAITING = f"Simulated: {OUTAGE_RATE:,} queued events a second wait for a site that is down for {OUTAGE_HOURS} hours"
RECOVERY = "Until these are caught up"
TABLES = "DynamoDB: reads and writes a second"
SOURCES = "Quotas that AWS documents, by default, in us-east-1"


def measure(quick: bool) -> Figures:
    return {
        TEN: rule_of_ten(),
        STEPS: deployments(seconds=1.0 if quick else 10.0),
        QUEUED: queued(),
        WAITING: waiting(scale=0.01 if quick else 1.0, hours=1 if quick else OUTAGE_HOURS),
        RECOVERY: recovery(),
        TABLES: tables(),
        SOURCES: {quota.what: {"quota": quota.value, "source": quota.source} for quota in QUOTAS},
    }


def rule_of_ten() -> dict[str, dict[str, Any]]:
    """Return busy environments, and the concurrency that is needed because of the rule."""
    return {
        f"{rate:,} a second, {kind}": {
            "handler ms": 1000 * seconds,
            "busy": busy(rate, seconds),
            "needed": (needed := concurrency(rate, seconds)),
            f"% of {CONCURRENCY.value:,}": CONCURRENCY.percent(needed),
            f"a second with {CONCURRENCY.value:,}": int(
                min(CONCURRENCY.value * REQUESTS_PER_UNIT.value, CONCURRENCY.value / seconds)
            ),
        }
        for rate in RATES
        for kind, seconds in HANDLER_SECONDS.items()
    }


def deployments(seconds: float) -> dict[str, dict[str, Any]]:
    """Simulate what begins when a step of a deployment moves requests to a version that has no environments yet.

    Args:
        seconds: of time to simulate.
    """
    return {
        f"{rate:,} a second, {name}": _moved(rate * part, seconds)
        for rate in RATES
        for name, part in DEPLOYMENT_STEPS.items()
    }


def _moved(rate: float, seconds: float) -> dict[str, Any]:
    duration = HANDLER_SECONDS["events, forwarded, API 40 ms"]
    scaling = Scaling(
        limit=100_000, starting=ASSUMED.starting_ms / 1000
    )  # so that the account's limit counts for nothing
    done = handled(lambda _: rate, lambda: duration, scaling, until=seconds)
    return {
        "moved a second": int(rate),
        "environments that start": done.environments,
        f"% of {NEW_ENVIRONMENTS.value:,} in 10 s": NEW_ENVIRONMENTS.percent(done.environments),
        "throttled": done.throttled,
    }


def queued() -> dict[str, dict[str, Any]]:
    """Return what keeps up with a rate of queued events."""
    return {
        f"{rate:,} a second, EventOrder={order}, {name}": keeping_up(rate, api, in_order=order == "user")
        for order in ("none", "user")
        for name, api in APIS.items()
        for rate in RATES
    }


def keeping_up(rate: int, api: Load, *, in_order: bool) -> dict[str, Any]:
    """Return what delivers events as fast as they come, without anything to spare."""
    load = _load(rate, api, Mode.IN_ORDER if in_order else Mode.QUEUE)
    messages = load.event_batch
    seconds = load.batch_seconds(messages)
    at_a_time = max(MIN_CONCURRENCY, batches_at_a_time(rate, seconds, messages))
    in_flight = FIFO_IN_FLIGHT if in_order else IN_FLIGHT
    return {
        "batches at a time": at_a_time,
        "s a batch": seconds,
        "messages a second, at most": round(at_a_time * messages / seconds),
        "SQS calls a second: send, receive, delete": [rate, ceil(rate / BATCH), ceil(rate / BATCH)],
        f"% of {FIFO_CALLS.value:,}": FIFO_CALLS.percent(rate) if in_order else None,
        "in flight": (number := at_a_time * messages),
        f"% of {in_flight.value:,}": in_flight.percent(number),
    }


def _load(rate: int, api: Load, mode: Mode) -> Load:
    return Load(requests=rate, call_ms=api.call_ms, requests_per_call=api.requests_per_call, mode=mode)


def waiting(*, scale: float, hours: int) -> dict[str, dict[str, Any]]:
    """Simulate an outage with the real circuit breaker, for several numbers of batches at a time.

    Args:
        scale: of rates, concurrency and quotas.
        hours: of the outage.
    """
    found = {}
    for number in (44, DEFAULTS["EventConcurrency"], 200, 400):
        course = simulate(
            Scenario(
                failing=OUTAGE_RATE,
                customers=ASSUMED.accounts,
                is_site_down=True,
                fails_for=hours * HOUR,
                until=hours * HOUR,
                event_concurrency=number,
                scale=scale,
            )
        )
        messages = OUTAGE_RATE * hours * HOUR * scale
        found[f"EventConcurrency={number}"] = {
            "million messages": messages / _MILLION,
            "GB": messages * MESSAGE_BYTES / _GIGABYTE,
            "each is received": course.received / messages,
            "in flight at most": round(course.max_in_flight / scale),
            f"% of {IN_FLIGHT.value:,}": IN_FLIGHT.percent(course.max_in_flight / scale),
            "probes, a DynamoDB write each": round(hours * HOUR / PROBE_SECONDS),
            **{f"US$ {name}": usd for name, usd in holding_back_usd(course.received).items()},
        }
    return found


def holding_back_usd(received: float) -> dict[str, float]:
    """Return what it costs to receive messages and to send them again with a delay, in batches of ten."""
    size = ceil(BATCH * MESSAGE_BYTES / SQS_CHUNK_BYTES)
    used = Usage(  # of a batch
        lambda_requests=1,
        lambda_gb_seconds=OVERHEAD_SECONDS,
        sqs_standard=size + size + 1,  # to receive, to send again and to delete
        log_bytes=LINE_BYTES + BATCH * NOTE_BYTES + (1 + BATCH) * ASSUMED.line_bytes,
    )
    millions = received / BATCH / _MILLION
    items = {name: usd * millions for name, usd in itemised(used, PRICES).items()}
    return {
        "Lambda": items["lambda_requests"] + items["lambda_gb_seconds"],
        "SQS": items["sqs_standard"],
        "logs": items["logs"],
    }


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a backlog is delivered when the site is back.

    Attributes:
        load: what comes, and how.
        at_a_time: batches, as EventConcurrency or MembershipConcurrency says.
    """

    load: Load
    at_a_time: int

    @property
    def delivered(self) -> float:
        """Messages a second that the worker delivers. In a FIFO queue each group is one batch at a time."""
        load = self.load
        number = min(self.at_a_time, GROUPS) if load.mode is Mode.IN_ORDER else self.at_a_time
        return number * load.event_batch / load.batch_seconds(load.event_batch)

    @property
    def arriving(self) -> int:
        """Messages a second that still come to the queue: none while the handler forwards them."""
        return 0 if self.load.mode is Mode.FORWARD else self.load.requests

    def row(self) -> dict[str, Any]:
        """Return how long it takes after an outage, and what comes and goes meanwhile."""
        forwarded = self.load.requests - self.arriving
        is_fifo = self.load.mode is Mode.IN_ORDER
        backlog = self.load.requests * OUTAGE_HOURS * HOUR
        return {
            "delivered a second": round(self.delivered),
            "new ones a second": self.arriving,
            "hours": caught_up_hours(backlog, self.delivered, self.arriving),
            "load on the API, × normal": (self.delivered + forwarded) / self.load.requests,
            f"look-ahead of {LOOK_AHEAD.value:,} full after s": LOOK_AHEAD.value / self.load.requests
            if is_fifo
            else None,
        }


def caught_up_hours(backlog: float, delivered: float, arriving: float) -> float | None:
    """Return how long a backlog lasts, by the messages a second that are delivered and that come; None if for ever."""
    return backlog / (delivered - arriving) / HOUR if delivered > arriving else None


def recovery() -> dict[str, dict[str, Any]]:
    """Return how long it takes until nothing waits any more, and what the API gets meanwhile."""
    found: dict[str, dict[str, Any]] = {}
    for api, mode, numbers in RECOVERIES:
        load = _load(OUTAGE_RATE, APIS[api], mode)
        name = "MembershipConcurrency" if mode is Mode.IN_ORDER else "EventConcurrency"
        setting = "EventOrder=user" if mode is Mode.IN_ORDER else f"EventMode={mode}"
        for number in numbers:
            found[f"{api}, {setting}, {name}={number}"] = Recovery(load, number).row()
    return found


def tables() -> dict[str, dict[str, Any]]:
    """Return the load on the tables, at most: as if each message of a batch were of another account and group."""
    peak, changes = max(RATES), 1_000
    refused = _on_a_table(changes * REFUSED_READS, changes * REFUSED_WRITES)
    return {
        f"suspensions: {peak:,} events a second of as many accounts": _on_a_table(peak, 0),
        f"suspensions: {peak:,} events a second of one account": _on_an_entry(peak / BATCH, 0),
        f"ledger: {peak:,} events a second, EventOrder=user": _on_a_table(peak, 0),
        f"ledger: {changes:,} membership changes a second, 1 % refused": refused,
        f"ledger: {10 * changes:,} membership changes a second, 1 % refused": _on_a_table(
            10 * changes * REFUSED_READS, 10 * changes * REFUSED_WRITES
        ),
        **{
            f"ledger: the entry of a site that begins to fail, {number:,} batches at a time": _on_an_entry(
                number, number
            )
            for number in (165, 1_465)
        },
    }


def _on_a_table(reads: float, writes: float) -> dict[str, Any]:
    return _used(reads, TABLE_READS.percent(reads), writes, TABLE_WRITES.percent(writes))


def _on_an_entry(reads: float, writes: float) -> dict[str, Any]:
    return _used(reads, ENTRY_READS.percent(reads), writes, ENTRY_WRITES.percent(writes))


def _used(reads: float, reads_percent: float, writes: float, writes_percent: float) -> dict[str, Any]:
    return {"reads": round(reads), "reads, % of the quota": reads_percent,
            "writes": round(writes), "writes, % of the quota": writes_percent}  # fmt: skip


BENCHMARK = Benchmark(title="How far it goes, beside AWS's quotas", measure=measure)
