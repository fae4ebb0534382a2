"""A plan as lines for a reader: each parameter with its value, and the arithmetic behind it."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.build.deployment_settings import DEFAULTS, INVOCATIONS_PER_POLLER
from mparticle_firehose.delivery.side_by_side import CALLS_AT_A_TIME
from ops.capacity.planning import (
    ALARM_PERCENT,
    BATCH,
    CATCH_UP,
    DEFAULT_SHARDS,
    FIRST_POLLERS,
    FORWARD_SECONDS,
    MAX_CONCURRENCY,
    MIN_CONCURRENCY,
    Mode,
    Plan,
)
from ops.verify.capacity import REQUESTS_PER_UNIT, REQUIRED


@dataclass(frozen=True, slots=True)
class Line:
    """A parameter, or a limit, with its value and how it was calculated."""

    name: str
    value: str
    why: str = ""


def lines(plan: Plan) -> Iterator[Line]:
    """Yield each parameter that differs from load to load, the limit of the account, and the load on the API."""
    mode = plan.load.mode
    in_order = mode is Mode.IN_ORDER
    yield Line("EventMode", "queue" if mode is Mode.QUEUE else "forward", "no effect" if in_order else "")
    yield Line("EventOrder", "user" if in_order else "none")
    yield Line("EventBatchWindowSeconds", str(plan.window_seconds), _window(plan))
    yield Line("EventConcurrency", str(min(MAX_CONCURRENCY, plan.events_at_a_time)), _events(plan))
    if plan.max_pollers:
        pollers = f"{plan.events_at_a_time:,} / {INVOCATIONS_PER_POLLER}"
        yield Line("EventMinimumPollers", str(MIN_CONCURRENCY), f"more than {MAX_CONCURRENCY:,} at a time need pollers")
        yield Line("EventMaximumPollers", str(plan.max_pollers), pollers)
    yield Line("MembershipConcurrency", str(plan.memberships_at_a_time), _memberships(plan))
    yield Line("BulkConcurrency", str(DEFAULTS["BulkConcurrency"]), "the default, for customers' backlogs")
    yield Line("MembershipShards", str(plan.shards), _shards(plan))
    yield Line("WorkerReservedConcurrency", f"0, or {plan.worker}", "batches at a time of the four queues")
    yield Line("HandlerReservedConcurrency", f"0, or {plan.handler}", _handler(plan))
    yield Line("limit of the account", f"{plan.account}", f"{plan.handler:,} + {plan.worker:,}; {REQUIRED:,} or more")
    yield Line("ConcurrencyAlarmThreshold", str(plan.alarm_threshold), f"{ALARM_PERCENT} % of the account's limit")
    yield Line("calls to your API at a time", f"{plan.calls}", _calls(plan))


def _window(plan: Plan) -> str:
    load = plan.load
    if not load.collects:
        return ""
    return f"{FIRST_POLLERS} pollers × {load.requests_per_call} / {load.requests:,} a second"


def _events(plan: Plan) -> str:
    load = plan.load
    if load.mode is Mode.IN_ORDER:
        return "no effect: events are in the FIFO queue"
    factor = f"{CATCH_UP} × " if load.mode is Mode.QUEUE else ""
    used = "; no effect beside pollers" if plan.max_pollers else ""
    seconds = load.batch_seconds(load.event_batch)
    return f"{factor}{load.requests:,} a second × {seconds:.2f} s / {load.event_batch}{used}"


def _memberships(plan: Plan) -> str:
    if not plan.fifo_messages:
        return "the default"
    text = f"{CATCH_UP} × {plan.fifo_messages:,} a second × {plan.load.batch_seconds(BATCH):.2f} s / {BATCH}"
    if plan.memberships_at_a_time < MAX_CONCURRENCY:
        return text
    fewer = "; fewer than come" if plan.fifo_capacity < plan.fifo_messages else ""
    return f"{text}; at most {MAX_CONCURRENCY:,}, which deliver {plan.fifo_capacity:,} a second{fewer}"


def _shards(plan: Plan) -> str:
    if not plan.fifo_messages:
        return "the default"
    return f"{plan.load.busiest_percent} % of MembershipConcurrency, and {DEFAULT_SHARDS} or more"


def _handler(plan: Plan) -> str:
    load = plan.load
    is_forwarded = load.mode is Mode.FORWARD
    factor = f"× {FORWARD_SECONDS} s" if is_forwarded else f"/ {REQUESTS_PER_UNIT}"
    memberships = f" + {load.memberships:,} / {REQUESTS_PER_UNIT}" if load.memberships else ""
    return f"{load.requests:,} a second {factor}{memberships}"


def _calls(plan: Plan) -> str:
    worker = f"{CALLS_AT_A_TIME} × {plan.worker:,} of the worker"
    return f"{plan.forwarded_calls:,} forwarded + {worker}" if plan.forwarded_calls else worker
