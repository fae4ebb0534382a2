"""How many partner calls a thousand queued messages become, each of another user, by the size of the worker's batches.

The worker is the real one, with the integrations of the rooms. AWS and the partner are doubles in this process, which
take everything. With batches of one message nothing can share a call: that is the baseline. A call for an access token
is not counted; one token serves thousands of calls.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any, cast

from bench.benchmark import Benchmark, Figures, Target
from bench.inputs import BATCH, SHARDS, Json
from local.isolation import LocalCloudError
from local.rooms import Room
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.integration import Answer, Integration, Item, PartnerCall
from mparticle_firehose.partner_api.circuit_breaker import CircuitBreaker
from mparticle_firehose.partner_api.rate_limits import RateLimits
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.protocol import QueuedRequest, Serializer
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.dead_letters import DeadLetters, Letter
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.worker import Worker

OWN = ""
"""The folder of the user's own room, as `Room.of` takes it."""

EXAMPLES = ("braze", "customerio", "hubspot", "iterable")
ROOMS = (OWN, *(f"examples/{name}" for name in EXAMPLES))
EVENT_BATCHES = (1, BATCH, 100)
MEMBERSHIP_BATCHES = (1, BATCH)  # a FIFO queue hands over ten messages at most
MESSAGES = 1_000
SENT_AT_MS = 1_760_000_000_000

EVENTS = "Partner calls per 1,000 queued requests of one event"
STATES = "Partner calls per 1,000 queued requests of one event with the user's state as an item"
MEMBERSHIPS = "Partner calls per 1,000 messages of one change in an audience"
MAX_BRAZE_CALLS = 20
MAX_MEMBERSHIP_CALLS = 100
_BRAZE = "Braze"
_STATE = ("user_attributes", "user_attribute_lists")

type Say = Callable[[PartnerCall], Answer]


def measure(quick: bool) -> Figures:
    messages = 100 if quick else MESSAGES
    found: Figures = {EVENTS: {}, STATES: {}, MEMBERSHIPS: {}}
    for folder in ROOMS:
        room = Room.of(folder)
        integration = room.integration()
        name = name_of(integration)
        tables = {
            EVENTS: (one_event(room, integration), EVENT_BATCHES),
            STATES: (one_event(room, integration, with_state=True), EVENT_BATCHES),
            MEMBERSHIPS: (one_change(room, integration), MEMBERSHIP_BATCHES),
        }
        for title, (request, sizes) in tables.items():
            if request:
                found[title][name] = {
                    of(size): calls(integration, request, messages, size) * MESSAGES / messages for size in sizes
                }
    return {title: rows for title, rows in found.items() if rows}


def of(size: int) -> str:
    """Return the column of the batches of a size."""
    return "one call per message" if size == 1 else f"batches of {size}"


def targets(figures: Figures) -> list[Target]:
    own = name_of(Room.of(OWN).integration())
    compared = [
        (f"Events queued for {_BRAZE}", EVENTS, _BRAZE, EVENT_BATCHES[-1], MAX_BRAZE_CALLS),
        (f"Memberships queued for {own}", MEMBERSHIPS, own, BATCH, MAX_MEMBERSHIP_CALLS),
    ]
    return [
        _compared(subject, figures[title][name], size, maximum)
        for subject, title, name, size, maximum in compared
        if name in figures.get(title, {})
    ]


def name_of(integration: Integration) -> str:
    """Return the name of an integration's partner."""
    return str(integration.registration().name)


def _compared(subject: str, row: Mapping[str, float], size: int, maximum: int) -> Target:
    text = f"{subject}, batches of {size}: ≤ {maximum} partner calls per 1,000"
    return Target(text, f"{row[of(size)]:,.0f} (alone {row[of(1)]:,.0f})", row[of(size)] <= maximum)


# --- what is queued --------------------------------------------------------------------------------------------------


def one_event(room: Room, integration: Integration, *, with_state: bool = False) -> Json | None:
    """Return a request of a room, cut to one event, that becomes one item, or two with the user's state; None if none.

    The other cases are left out: what a partner gets of the state with each event is no item of its own.
    """
    for request in _stored(room, "event_processing_request") if integration.events else ():
        for event in request.get("events", ()):
            cut = {**request, "system_notifications": [], "events": [event]}
            if not with_state:
                cut = {name: content for name, content in cut.items() if name not in _STATE}
            if _items(integration, cut) == 1 + with_state:
                return cut
    return None


def one_change(room: Room, integration: Integration) -> Json | None:
    """Return a membership request of a room, cut to the first user who joins an audience, and to that change."""
    for request in _stored(room, "audience_membership_change_request") if integration.memberships else ():
        for profile in request.get("user_profiles", ()):
            for audience in profile.get("audiences", ()):
                if audience.get("action") == "add":
                    return {**request, "user_profiles": [{**profile, "audiences": [audience]}]}
    return None


def _stored(room: Room, kind: str) -> list[Json]:
    requests: list[Json] = [json.loads(path.read_text()) for path in sorted(room.events.glob("*.json"))]
    return [request for request in requests if request["type"] == kind]


def _items(integration: Integration, request: Json) -> int:
    planned = Planner(integration).planned(cast("QueuedRequest", Serializer().parse(request)))
    return len(planned) if all(isinstance(each, Item) for each in planned) else 0


def of_users(request: Json, count: int) -> Iterator[Json]:
    """Yield the request for so many users, each time with other ids of itself and of its event."""
    for number in range(count):
        body = _of_user(copy.deepcopy(request), number)
        for identified in (body, *body.get("events", ())):
            identified["id"] = f"5a3c1e70-0000-4000-8000-{number:012}"
        yield body


def records(request: Json, messages: int) -> Iterator[Record]:
    """Yield messages of different users."""
    for number, body in enumerate(of_users(request, messages)):
        group = f"4242.{number % SHARDS}" if "user_profiles" in body else None
        yield Record(
            message_id=str(number),
            body=json.dumps(body),
            group_id=group,
            sent_at_ms=SENT_AT_MS,
            sequence_number=number,
        )


def _of_user(request: Json, number: int) -> Json:
    for user in request.get("user_profiles", [request]):
        user["mpid"] = str(7_700_700_000_000_000_000 + number)
        for kind in ("user_identities", "device_identities", "partner_identities"):
            for identity in user.get(kind, ()):
                identity["value"] = f"{number}{identity['value']}"
    return request


# --- the worker ------------------------------------------------------------------------------------------------------


def calls(integration: Integration, request: Json, messages: int, batch: int, say: Say | None = None) -> int:
    """Return how many calls a worker makes for so many messages.

    Args:
        integration: of the partner.
        request: what each message holds, but for the user.
        messages: how many.
        batch: messages of one invocation.
        say: the partner; None is one that takes everything.

    Raises:
        LocalCloudError: something was not delivered.
    """
    partner = Partner(say or taken)
    deliver = worker(integration, partner)
    for some in batched(records(request, messages), batch, strict=False):
        if deliver.deliver(some, Deadline.after(60)):
            raise LocalCloudError(f"the worker did not deliver everything to {name_of(integration)}")
    return partner.calls


def taken(call: PartnerCall) -> Answer:
    """Return the answer of a partner that takes everything, as far as the integrations here look at it."""
    value: Any = getattr(call.body, "value", None)
    inputs: Sequence[Mapping[str, Any]] = value.get("inputs", ()) if isinstance(value, dict) else ()
    body: Json = {"message": "success"}
    if inputs:
        results = [{"id": each.get("id"), "properties": {"email": each.get("id")}} for each in inputs]
        body |= {"status": "COMPLETE", "results": results}
    return Answer(status=200, body=body)


@dataclass
class Partner:
    """Counts calls.

    Attributes:
        say: answers a call.
        calls: how many there were.
    """

    say: Say
    calls: int = 0

    def ask(
        self,
        call: PartnerCall,
        deadline: Deadline,  # noqa: ARG002
        *,
        identity: str,  # noqa: ARG002
        correlation_id: str,  # noqa: ARG002
    ) -> Answer:
        self.calls += 1
        return self.say(call)


class _Nothing:
    """Stands in for a service: takes every call and does nothing."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class _EmptyLedger(_Nothing):
    """Remembers nothing."""

    @staticmethod
    def recall(_messages: object, _groups: object, _deadline: object) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {}

    @staticmethod
    def remember(_messages: object, _deadline: object) -> dict[str, str]:
        return {}

    @staticmethod
    def track(_groups: object, _keys: object, _deadline: object) -> tuple[dict[str, str], dict[str, str]]:
        return {}, {}


class _NoLetters:
    """What would be dead-lettered fails instead."""

    @staticmethod
    def put(letters: Sequence[Letter], _deadline: object) -> dict[str, str]:
        return {letter.id: "nothing may be dead-lettered" for letter in letters}


class _NoDelays(_Nothing):
    """Sends nothing again."""

    @staticmethod
    def delay(_messages: object, _deadline: object) -> set[str]:
        return set()


class _NoForwarding:
    """Leaves all messages where they are."""

    @staticmethod
    def forward(batch: Batch, _deadline: object) -> Sequence[Message]:
        return batch.messages


def worker(
    integration: Integration, partner: Partner, ledger: Ledger | None = None, letters: DeadLetters | None = None
) -> Worker:
    """Return a worker that calls this partner, and nothing else than what it is given."""
    nothing: Any = _Nothing()
    no_letters: Any = _NoLetters()
    no_large_bodies: Any = None
    no_delays: Any = _NoDelays()
    no_forwarding: Any = _NoForwarding()
    empty: Any = _EmptyLedger()
    return Worker(
        serializer=Serializer(),
        planner=Planner(integration),
        partner=partner,
        verdicts=RetryPolicy(integration.retry_policy, integration.wait_headers),
        breaker=CircuitBreaker(telemetry=nothing),
        rate_limits=RateLimits(),
        dead_letters=letters or no_letters,
        large_bodies=no_large_bodies,
        suspensions=nothing,
        ledger=ledger or empty,
        visibility=nothing,
        delays=no_delays,
        forwarding=no_forwarding,
        backoff=Backoff(base=2, cap=900),
        max_attempts=100,
        telemetry=nothing,
        clock=lambda: SENT_AT_MS / 1000,
    )


BENCHMARK = Benchmark(title="Partner calls", measure=measure, targets=targets)
