"""An integration for the tests of the engine: items of any endpoint, as a request's custom attributes say.

A request is written as a list of events. Each names its items as ``endpoint:uid`` words; a word's uid tells it apart at
the partner. The partner is a function from calls to answers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.asking import Asking
from mparticle_firehose.delivery.gates import Gates
from mparticle_firehose.delivery.merging import merged
from mparticle_firehose.delivery.plan import Pending, Plan, Planner
from mparticle_firehose.delivery.sending import Delivery
from mparticle_firehose.integration import (
    Answer,
    Bearer,
    Delivered,
    Endpoint,
    Exchange,
    Integration,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Target,
    Undeliverable,
    failure_of,
)
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.protocol import EventProcessingRequest
from mparticle_firehose.tables.progress import Progress
from tests.conftest import BreakerDouble, PartnerDouble, RateLimitsDouble, TelemetryDouble, load_event, serializer

WORDS = "words"
TOKEN = "canary-token"


def body_of(call: PartnerCall) -> Any:
    return cast("Json", call.body).value


def uids(call: PartnerCall) -> list[str]:
    return [item["uid"] for item in body_of(call)["items"]]


def call_to(path: str) -> Callable[[Target, Sequence[JsonObject]], PartnerCall]:
    return lambda _target, bodies: PartnerCall(path=path, body=Json({"items": list(bodies)}))


def judge(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """Read ``{"failures": {index: status or outcome}}`` from a 207."""
    if answer.status != 207:
        return None
    failures = cast("Mapping[Any, Any]", answer.at("failures"))
    return Delivered({index: failure_of(what) if isinstance(what, int) else what for index, what in failures.items()})


def two_steps(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    """First look everybody up, then add those that were found."""
    answer = yield PartnerCall(path="/lookup", body=Json({"items": list(bodies)}), accept=frozenset({404}))
    if answer.status == 404:
        return Delivered()
    unknown = {index: Rejected("unknown") for index in cast("Sequence[int]", answer.at("unknown") or ())}
    found = [body for index, body in enumerate(bodies) if index not in unknown]
    if not found:
        return Delivered(unknown)
    yield PartnerCall(path="/add", body=Json({"items": found}), known=unknown)
    return Delivered()


ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint(name="one", call=call_to("/one"), judge=judge, lane="lane"),
        Endpoint(name="bulk", call=call_to("/bulk"), judge=judge, max_items=4, lane="lane"),
        Endpoint(name="many", call=call_to("/many"), judge=judge, max_items=1_000),
        Endpoint(name="shared", call=call_to("/shared"), judge=judge, max_items=10, across_requests=True),
        Endpoint(name="tight", call=call_to("/tight"), judge=judge, max_items=1_000, max_bytes=120, max_item_bytes=60),
        Endpoint(name="steps", call=two_steps, judge=judge, max_items=5),
    )
}


def items(request: EventProcessingRequest) -> Iterator[Item | Undeliverable]:
    """Yield the items that the words of each event name: ``endpoint:uid:key:user``, or ``odd``."""
    target = Target(auth=Bearer(str(request.account.account_settings.get("token"))))
    for number, event in enumerate(request.events):
        for word in str(getattr(event, "attributes", {}).get(WORDS)).split():
            if word == "odd":
                yield Undeliverable((("events", number),), "odd")
                continue
            name, uid, key, user = [*word.split(":"), "", ""][:4]
            yield Item(
                endpoint=ENDPOINTS[name],
                target=target,
                body={"uid": uid},
                covers=(("events", number),),
                key=key,
                user=user or None,
            )
    if request.user_attributes:
        yield Item(endpoint=ENDPOINTS["one"], target=target, body={"uid": "state"})


INTEGRATION = Integration(registration=lambda: None, events=items)  # type: ignore[arg-type,return-value]  # not asked for


def request(*events: str, number: int = 1, token: str = TOKEN, state: bool = False) -> EventProcessingRequest:
    message = load_event(
        "event_processing_request",
        id=str(UUID(int=number)),
        timestamp_ms=number,
        account={"account_id": 1, "account_settings": {"token": token}},
        events=[{"type": "custom_event", "name": "x", "attributes": {WORDS: words}} for words in events],
        system_notifications=[],
        user_attributes={"a": "b"} if state else {},
        user_attribute_lists={},
    )
    return cast("EventProcessingRequest", serializer.parse(message))


def planned(*events: str, number: int = 1, progress: Progress | None = None, **how: Any) -> Plan:
    return Planner(INTEGRATION).plan(
        request(*events, number=number, **how), source=f"m{number}", attempt=f"m{number}#1", progress=progress
    )


class Laboratory:
    """A delivery whose surroundings are doubles."""

    def __init__(self, partner: PartnerDouble, deadline: Deadline, *, in_order: bool = False, **how: Any) -> None:
        self.partner = partner
        self.telemetry = TelemetryDouble()
        self.breaker = BreakerDouble()
        self.rate_limits = RateLimitsDouble()
        self.suspended: list[str] = []
        gates = Gates(
            breaker=self.breaker,
            rate_limits=self.rate_limits,
            suspend=lambda envelope, _reason: self.suspended.append(envelope.source),
        )
        asking = Asking(
            partner=partner,
            verdicts=RetryPolicy(),
            gates=gates,
            telemetry=self.telemetry,
            deadline=deadline,
            **how,
        )
        self.delivery = Delivery(asking, in_order=in_order)

    def deliver(self, *plans: Plan, **how: Any) -> None:
        self.delivery.deliver(merged(pending for plan in plans for pending in plan.waiting), **how)


def outcomes(plan: Plan) -> dict[str, str]:
    """Return what has become of each item, by its uid."""
    return {str(pending.item.body["uid"]): _named(pending) for pending in plan.pending}


def _named(pending: Pending) -> str:
    match pending.outcome:
        case None:
            return "waiting"
        case Delivered():
            return "delivered"
        case Retry(reason):
            return f"retry {reason}"
        case other:
            return f"{type(other).__name__.lower()} {other.reason}"
