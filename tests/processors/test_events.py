"""Events are forwarded in one call or queued, and each item goes its own way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.errors import DeliveryError, UnsupportedMessageError
from mparticle_firehose.integration import (
    Answer,
    Bearer,
    Delivered,
    Endpoint,
    Exchange,
    Failure,
    Item,
    Json,
    JsonObject,
    NetworkFault,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Suspend,
    Target,
    Undeliverable,
)
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import EventProcessingRequest, EventType, Response
from mparticle_firehose.services import CIRCUIT_OPEN, EventMode, Remainder
from mparticle_firehose.tables.progress import Progress
from tests import conftest
from tests.conftest import (
    TRANSIENT,
    PartnerDouble,
    Reply,
    ServicesDouble,
    StoreDouble,
    load_event,
    reply_to,
    serializer,
)

type Items = Callable[[EventProcessingRequest], Iterator[Item | Undeliverable]]

TARGET = Target(auth=Bearer("canary-token"))


def processed(message: conftest.Json, services: ServicesDouble, deadline: Deadline) -> Response:
    return process(serializer.parse(message), services, deadline)


def call(name: str, _target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path=f"/{name}", body=Json(list(bodies)))


def exchange(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    yield PartnerCall(method="GET", path="/found")
    yield PartnerCall(path="/found", body=Json(list(bodies)))
    return Delivered()


def endpoint(name: str, failures: Mapping[int, Failure] | None = None, *, max_items: int = 100) -> Endpoint:
    """Return an endpoint whose successful answers mean that the items at these indexes failed."""

    def judge(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
        return Delivered(failures or {}) if answer.succeeded else None

    return Endpoint(name=name, call=partial(call, name), judge=judge, max_items=max_items)


def items_of(*endpoints: Endpoint, with_state: bool = False) -> Items:
    """Return a mapping that makes one item for each event and endpoint, and refuses screen views."""

    def items(request: EventProcessingRequest) -> Iterator[Item | Undeliverable]:
        if with_state:
            yield Item(endpoint=endpoints[0], target=TARGET, body=dict(request.user_attributes))
        for number, event in enumerate(request.events):
            covers = (("events", number),)
            if event.type == EventType.SCREEN_VIEW:
                yield Undeliverable(covers, "screen views are not taken")
                continue
            for each in endpoints:
                yield Item(endpoint=each, target=TARGET, body={"source": event.source_id}, covers=covers)

    return items


def mapped(services: ServicesDouble, items: Items) -> ServicesDouble:
    return replace(services, integration=replace(services.integration, events=items))


def message(*kinds: str, **overrides: object) -> conftest.Json:
    """Return a request of events of these types, each with its number as its source id."""
    events = [{"type": kind, "source_id": str(number)} for number, kind in enumerate(kinds)]
    return load_event("event_processing_request", events=events, system_notifications=[], **overrides)


def sources(store: StoreDouble) -> list[list[str]]:
    """Return the source ids of the events in each request that is stored, as it is cut."""
    return [[event["source_id"] for event in rest.source["events"]] for rest in rests(store)]


def rests(store: StoreDouble) -> list[Remainder]:
    return [rest for rest in store.rests if rest is not None]


def settled(store: StoreDouble) -> list[list[int]]:
    """Return the positions that are settled in each request that is stored."""
    return [sorted(Progress.from_text(rest.settled).settled) for rest in rests(store)]


class TestForwarding:
    def test_a_whole_request_is_one_call(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        processed(load_event("event_processing_request"), services, deadline)

        assert [(call.method, call.path) for call in partner.calls] == [("POST", "/track")]
        assert [round(at.remaining(), 1) for at in partner.deadlines] == [round(deadline.remaining(), 1)]
        assert services.telemetry.counts == {"EventsForwarded": 16}
        assert (services.events.stored, services.dead_letters.stored) == ([], [])

    @pytest.mark.parametrize(
        "message",
        [
            load_event("event_processing_keep_alive"),
            load_event("event_processing_keep_alive", events=None),
            {key: value for key, value in load_event("event_processing_keep_alive").items() if key != "events"},
            load_event("event_processing_keep_alive", account=None),
        ],
        ids=["empty-events", "null-events", "no-events", "no-account"],
    )
    def test_a_keep_alive_is_answered_without_a_call(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, message: conftest.Json
    ) -> None:
        response = processed(message, services, deadline)

        assert serializer.dump(response)["type"] == "event_processing_response"
        assert partner.calls == []
        assert (services.events.stored, services.dead_letters.stored) == ([], [])

    @pytest.mark.parametrize("content", ["system_notifications", "user_attributes", "user_attribute_lists"])
    def test_a_batch_without_events_that_says_something_is_delivered(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, content: str
    ) -> None:
        rich = load_event("event_processing_request")
        message = load_event("event_processing_keep_alive", account=rich["account"], **{content: rich[content]})

        processed(message, services, deadline)

        assert len(partner.calls) == 1

    @pytest.mark.parametrize("content", ["events", "system_notifications", "user_attributes", "user_attribute_lists"])
    def test_what_says_something_is_dead_lettered_if_the_customer_has_no_key(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, content: str
    ) -> None:
        rich = load_event("event_processing_request")
        message = load_event("event_processing_keep_alive", account={"account_id": 1}, **{content: rich[content]})

        processed(message, services, deadline)

        assert services.dead_letters.reasons == ["account setting 'token' is required"]
        assert [request.source for request in services.dead_letters.stored] == [message]
        assert [rest and rest.source for rest in services.dead_letters.rests] == [message]
        rejected = len(message["events"]) + len(message.get("system_notifications", []))
        assert services.telemetry.counts == {"EventsRejected": rejected}
        assert partner.calls == []

    def test_events_that_the_integration_does_not_take_are_refused(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        without = replace(services, integration=replace(services.integration, events=None))

        with pytest.raises(UnsupportedMessageError, match=r"^type: is not offered by this integration$"):
            processed(load_event("event_processing_request"), without, deadline)

    def test_a_request_that_mparticle_repeats_is_the_same_call(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        for overrides in ({}, {}, {"id": "5a3c1e70-0000-4000-8000-00000000ffff"}):
            processed(load_event("event_processing_request", **overrides), services, deadline)

        first, second, other = partner.identities
        assert first == second != other


class TestInOrder:
    """With EventOrder=user all goes through the FIFO queue, so that a letter leaves the order of its user's events."""

    @pytest.mark.parametrize(
        "odd",
        [
            {},
            {"events": [{"type": "session_start"}, 7]},
            {"user_attributes": 7},
            {"account": {"account_id": 4242}},
        ],
        ids=["readable", "odd-event", "unreadable", "without-a-key"],
    )
    def test_a_request_is_queued_as_it_was_received(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, odd: conftest.Json
    ) -> None:
        services.event_mode = "in_order"
        message = load_event("event_processing_request", **odd)

        processed(message, services, deadline)

        assert [rest and rest.source for rest in services.events.rests] == [message]
        assert (services.dead_letters.stored, partner.calls) == ([], [])

    def test_a_keep_alive_is_not_queued(self, services: ServicesDouble, deadline: Deadline) -> None:
        services.event_mode = "in_order"

        processed(load_event("event_processing_keep_alive"), services, deadline)

        assert services.events.stored == []


class TestWhatFails:
    @pytest.mark.parametrize("reply", [503, Retry("read_timeout"), 401], ids=str)
    def test_what_the_partner_cannot_take_now_is_stored_as_it_came_and_acknowledged(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, reply: Reply
    ) -> None:
        partner.replies = [reply]
        message = load_event("event_processing_request")

        processed(message, services, deadline)

        assert [request.source for request in services.events.stored] == [message]
        assert services.events.rests == [Remainder(message)]
        assert services.telemetry.counts["EventsSpilled"] == 16
        assert len(partner.calls) == 1

    @pytest.mark.parametrize("cause", TRANSIENT, ids=str)
    def test_nothing_transient_ever_suspends(
        self,
        services: ServicesDouble,
        partner: PartnerDouble,
        deadline: Deadline,
        cause: int | NetworkFault,
    ) -> None:
        partner.replies = [reply_to(cause)]

        processed(load_event("event_processing_request"), services, deadline)

        assert services.suspensions.reasons == {}
        assert len(services.events.stored) == 1

    @pytest.mark.parametrize("status", [401, 403])
    def test_refused_credentials_suspend_the_account_and_what_came_is_queued(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, status: int
    ) -> None:
        partner.replies = [status]
        message = load_event("event_processing_request")

        processed(message, services, deadline)

        assert services.suspensions.reasons == {4242: f"http_{status}"}
        assert services.events.rests == [Remainder(message)]
        assert services.dead_letters.stored == []

    def test_what_the_partner_will_never_take_is_dead_lettered_with_the_reason(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        partner.replies = [404]
        message = load_event("event_processing_request")

        processed(message, services, deadline)

        assert services.dead_letters.reasons == ["http_404"]
        assert services.dead_letters.rests == [Remainder(message)]
        assert services.events.stored == []
        assert services.telemetry.counts["EventsRejected"] == 16

    @pytest.mark.parametrize("status", [400, 409, 413, 422])
    def test_a_call_that_is_refused_without_saying_for_which_item_is_left_to_the_worker(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, status: int
    ) -> None:
        partner.replies = [status]
        message = load_event("event_processing_request")

        processed(message, services, deadline)

        assert services.events.rests == [Remainder(message)]
        assert services.dead_letters.stored == []
        assert len(partner.calls) == 1

    @pytest.mark.parametrize("status", [400, 409, 413, 422])
    def test_one_item_that_is_refused_alone_is_dead_lettered(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, status: int
    ) -> None:
        partner.replies = [status]

        processed(message("session_start"), services, deadline)

        assert services.dead_letters.reasons == [f"http_{status}"]
        assert services.events.stored == []

    @pytest.mark.parametrize(
        ("reply", "store"), [(503, "events"), (404, "dead_letters")], ids=["to-be-queued", "to-be-dead-lettered"]
    )
    def test_without_a_store_the_request_is_not_acknowledged(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, reply: Reply, store: str
    ) -> None:
        partner.replies = [reply]
        getattr(services, store).fails = True

        with pytest.raises(DeliveryError):
            processed(load_event("event_processing_request"), services, deadline)

    def test_a_site_that_is_known_to_be_down_is_not_called(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        services.breaker.down.add("")

        processed(load_event("event_processing_request"), services, deadline)

        assert partner.calls == []
        assert len(services.events.stored) == 1
        assert [note["reason"] for note in services.telemetry.notes] == [CIRCUIT_OPEN]

    def test_a_credential_that_was_told_to_wait_makes_no_further_call(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        partner.replies = [Answer(status=429, headers={"retry-after": "30"})]

        for _ in range(2):
            processed(load_event("event_processing_request"), services, deadline)

        assert len(partner.calls) == 1
        assert len(services.events.stored) == 2


class TestPlans:
    """mParticle asks for a single call to the partner for each request."""

    @pytest.mark.parametrize(
        ("items", "calls"),
        [
            (items_of(endpoint("one")), 1),
            (items_of(endpoint("one"), endpoint("two")), 0),
            (items_of(endpoint("one", max_items=1)), 0),
            (items_of(Endpoint(name="chain", call=exchange, max_items=100)), 0),
        ],
        ids=["one-call", "two-endpoints", "two-calls", "exchange"],
    )
    def test_a_plan_of_one_call_is_forwarded_and_a_longer_one_is_queued_without_a_call(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, items: Items, calls: int
    ) -> None:
        sent = message("session_start", "session_end")

        processed(sent, mapped(services, items), deadline)

        queued = {"EventsQueued": 2} if not calls else {"EventsForwarded": 2}
        assert len(partner.calls) == calls
        assert services.events.rests == ([] if calls else [Remainder(sent)])
        assert {name: count for name, count in services.telemetry.counts.items() if count} == queued

    def test_an_event_that_becomes_three_items_is_stored_once(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        sent = message("session_start")
        three = items_of(endpoint("event"), endpoint("purchase"), endpoint("user"))

        processed(sent, mapped(services, three), deadline)

        assert services.events.rests == [Remainder(sent)]
        assert services.telemetry.counts == {"EventsQueued": 1}
        assert partner.calls == []

    def test_one_event_is_one_call_even_if_a_call_takes_no_more(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        processed(message("session_start"), mapped(services, items_of(endpoint("one", max_items=1))), deadline)

        assert len(partner.calls) == 1


class TestRefusedElements:
    """What can never become an item is dead-lettered at once; it costs the others nothing."""

    SENT = message("session_start", "screen_view", "session_end", "screen_view")

    def test_the_others_are_forwarded(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        processed(self.SENT, mapped(services, items_of(endpoint("one"))), deadline)

        assert partner.bodies == [[{"source": "0"}, {"source": "2"}]]
        assert services.dead_letters.reasons == ["screen views are not taken"]
        assert sources(services.dead_letters) == [["1", "3"]]
        assert services.events.stored == []
        assert services.telemetry.counts == {"EventsForwarded": 2, "EventsRejected": 2}

    def test_of_a_plan_that_is_queued_only_the_others_are_queued(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        processed(self.SENT, mapped(services, items_of(endpoint("one"), endpoint("two"))), deadline)

        assert (sources(services.dead_letters), sources(services.events)) == ([["1", "3"]], [["0", "2"]])
        assert partner.calls == []

    def test_in_queue_mode_they_are_dead_lettered_at_once_as_well(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        services = replace(mapped(services, items_of(endpoint("one"))), event_mode="queue")

        processed(self.SENT, services, deadline)

        assert (sources(services.dead_letters), sources(services.events)) == ([["1", "3"]], [["0", "2"]])
        assert partner.calls == []

    def test_a_request_of_nothing_else_is_not_queued(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        processed(message("screen_view"), mapped(services, items_of(endpoint("one"))), deadline)

        assert sources(services.dead_letters) == [["0"]]
        assert (services.events.stored, partner.calls) == ([], [])

    def test_an_item_that_no_call_has_room_for_is_one_of_them(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        small = replace(endpoint("one"), max_item_bytes=len('{"source":"0"}'))
        sent = message(*["session_start"] * 11)

        processed(sent, mapped(services, items_of(small)), deadline)

        assert services.dead_letters.reasons == ["item_too_large"]
        assert sources(services.dead_letters) == [["10"]]
        assert partner.bodies == [[{"source": str(number)} for number in range(10)]]

    def test_what_is_not_stored_is_not_acknowledged(self, services: ServicesDouble, deadline: Deadline) -> None:
        services = mapped(services, items_of(endpoint("one")))
        services.dead_letters.fails = True

        with pytest.raises(DeliveryError):
            processed(self.SENT, services, deadline)


class TestOfACallThatWasTaken:
    """The partner has taken the call, but not all of its items."""

    def test_each_item_goes_its_own_way_and_there_is_no_second_call(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        sent = load_event(
            "event_processing_request",
            events=[{"type": "session_start"}, {"type": "hologram"}, {"type": "session_end"}],
            system_notifications=[{"type": "gdpr_consent_state"}],
        )
        partner.replies = [Answer(status=200, body={"not_taken": [[0, 503], [2, 422]]})]

        processed(sent, services, deadline)

        assert services.events.rests == [Remainder({**sent, "events": []})]
        refused = {**sent, "events": [{"type": "session_end"}], "system_notifications": []}
        assert services.dead_letters.rests == [Remainder(refused)]
        assert services.dead_letters.reasons == ["http_422"]
        assert len(partner.calls) == 1
        assert services.telemetry.counts == {"EventsForwarded": 1, "EventsRejected": 1, "EventsSpilled": 1}

    def test_each_reason_is_one_letter(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        failing = endpoint("one", {0: Rejected("first"), 2: Rejected("second"), 3: Rejected("first")})

        processed(message(*["session_start"] * 5), mapped(services, items_of(failing)), deadline)

        assert services.dead_letters.reasons == ["first", "second"]
        assert sources(services.dead_letters) == [["0", "3"], ["2"]]
        assert services.events.stored == []

    @pytest.mark.parametrize("failure", [Suspend("http_403"), Rejected("http_403")], ids=str)
    def test_an_item_that_is_forbidden_does_not_suspend(
        self, services: ServicesDouble, deadline: Deadline, failure: Failure
    ) -> None:
        """The call was taken, so that the credential works."""
        services = mapped(services, items_of(endpoint("one", {1: failure})))

        processed(message("session_start", "session_end"), services, deadline)

        assert services.suspensions.reasons == {}
        assert services.dead_letters.reasons == ["http_403"]
        assert sources(services.dead_letters) == [["1"]]
        assert services.events.stored == []

    @pytest.mark.parametrize("after", [None, 0, 30.0], ids=str)
    def test_an_item_to_be_sent_again_is_queued_however_soon(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, after: float | None
    ) -> None:
        failing = endpoint("one", {0: Rejected("bad"), 1: Retry("later", after)})

        processed(message("session_start", "session_end"), mapped(services, items_of(failing)), deadline)

        assert sources(services.events) == [["1"]]
        assert len(partner.calls) == 1

    def test_sister_items_of_one_event_are_not_asked_again(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        """Both items of the second event are in its request again, so that the delivered one is marked as settled."""
        failing = endpoint("one", {3: Retry("later")})
        sister = items_of(failing, failing)
        sent = message("session_start", "session_end")

        processed(sent, mapped(services, sister), deadline)

        assert sources(services.events) == [["1"]]
        assert settled(services.events) == [[0]]
        assert left(services.events, mapped(services, sister)) == [[{"source": "1"}]]

    def test_a_letter_says_which_sister_items_need_nothing(self, services: ServicesDouble, deadline: Deadline) -> None:
        failing = endpoint("one", {0: Rejected("bad")})

        processed(message("session_start"), mapped(services, items_of(failing, failing)), deadline)

        assert settled(services.dead_letters) == [[1]]

    def test_the_users_state_is_not_asked_again(self, services: ServicesDouble, deadline: Deadline) -> None:
        """It comes with every part of the request."""
        services = mapped(services, items_of(endpoint("one", {2: Retry("later")}), with_state=True))

        processed(message("session_start", "session_end"), services, deadline)

        assert sources(services.events) == [["1"]]
        assert settled(services.events) == [[0]]
        assert left(services.events, services) == [[{"source": "1"}]]

    def test_the_users_state_alone_may_be_left(self, services: ServicesDouble, deadline: Deadline) -> None:
        services = mapped(services, items_of(endpoint("one", {0: Retry("later")}), with_state=True))

        processed(message("session_start", user_attributes={"tier": "gold"}), services, deadline)

        assert sources(services.events) == [[]]
        assert left(services.events, services) == [[{"tier": "gold"}]]

    def test_a_mapping_that_takes_no_part_of_a_request_gets_the_whole_again(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        def items(request: EventProcessingRequest) -> Iterator[Item | Undeliverable]:
            first = request.events[0].source_id  # raises if the events are cut off
            yield Item(endpoint=refuses_the_first, target=TARGET, body={"state of": first})
            for number, event in enumerate(request.events):
                body = {"source": event.source_id, "first": first}
                yield Item(endpoint=refuses_the_first, target=TARGET, body=body, covers=(("events", number),))

        refuses_the_first = endpoint("bulk", {0: Rejected("bad")})
        services = mapped(services, items)

        processed(message("custom_event", "custom_event"), services, deadline)

        assert services.dead_letters.reasons == ["bad"]
        assert (sources(services.dead_letters), settled(services.dead_letters)) == ([["0", "1"]], [[1, 2]])


def left(store: StoreDouble, services: ServicesDouble) -> list[list[JsonObject]]:
    """Return the bodies that the worker asks for each stored request."""
    planner = Planner(services.integration)
    plans = [
        planner.plan(
            conftest.parsed(EventProcessingRequest, rest.source),
            source="message",
            progress=Progress.from_text(rest.settled),
        )
        for rest in rests(store)
    ]
    return [[pending.item.body for pending in plan.pending] for plan in plans]


CONSENT: conftest.Json = {"gdpr_consent_state": {"ads": {"consented": False, "timestamp_unixtime_ms": 1}}}
SAYS_SOMETHING: Mapping[str, conftest.Json] = {
    "consent": {"consent_state": CONSENT},
    "identities": {"user_identities": [{"type": "email", "encoding": "raw", "value": "canary-pii"}]},
    "integration-attributes": {"integration_attributes": {"id": "canary-pii"}},
}
SAYS_NOTHING: Mapping[str, conftest.Json] = {
    "keep-alive": {},
    "no-decision": {"consent_state": {"gdpr_consent_state": {}, "ccpa_consent_state": None}},
    "incomplete-identity": {"user_identities": [{"type": "email"}]},
}


def state_of_the_user(request: EventProcessingRequest) -> Iterator[Item]:
    """Yield the state of whoever a request is about, whatever it says."""
    request.account.string_setting("token", required=True)
    yield Item(endpoint=endpoint("state"), target=TARGET, body={"consent": bool(request.consent_state)}, covers=())


class TestARequestWithoutEvents:
    @pytest.mark.parametrize("fields", SAYS_SOMETHING.values(), ids=SAYS_SOMETHING)
    @pytest.mark.parametrize("mode", ["queue", "in_order"])
    def test_is_queued_if_it_says_something(
        self, services: ServicesDouble, deadline: Deadline, mode: EventMode, fields: conftest.Json
    ) -> None:
        services = replace(mapped(services, state_of_the_user), event_mode=mode)
        message = load_event(
            "event_processing_keep_alive", account={"account_id": 1, "account_settings": {"token": "x"}}, **fields
        )

        processed(message, services, deadline)

        assert [request.source for request in services.events.stored] == [message]

    def test_is_queued_in_order_if_the_integration_makes_anything_of_it(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        services = replace(mapped(services, state_of_the_user), event_mode="in_order")
        account = {"account_id": 1, "account_settings": {"token": "x"}}

        processed(load_event("event_processing_keep_alive", account=account, mpid="5"), services, deadline)

        assert len(services.events.stored) == 1

    @pytest.mark.parametrize("fields", SAYS_SOMETHING.values(), ids=SAYS_SOMETHING)
    def test_is_dead_lettered_if_the_customer_has_no_key(
        self, services: ServicesDouble, deadline: Deadline, fields: conftest.Json
    ) -> None:
        message = load_event("event_processing_keep_alive", account={"account_id": 1}, **fields)

        processed(message, mapped(services, state_of_the_user), deadline)

        assert [request.source for request in services.dead_letters.stored] == [message]

    @pytest.mark.parametrize("fields", SAYS_NOTHING.values(), ids=SAYS_NOTHING)
    @pytest.mark.parametrize("mode", ["forward", "queue", "in_order"])
    def test_is_answered_if_it_says_nothing_and_the_customer_has_no_key(
        self, services: ServicesDouble, deadline: Deadline, mode: EventMode, fields: conftest.Json
    ) -> None:
        services = replace(mapped(services, state_of_the_user), event_mode=mode)

        processed(load_event("event_processing_keep_alive", account={"account_id": 1}, **fields), services, deadline)

        assert (services.events.stored, services.dead_letters.stored) == ([], [])


class TestQueueMode:
    """The deployment leaves the partner to the worker."""

    @pytest.fixture
    def services(self, services: ServicesDouble) -> ServicesDouble:
        return replace(services, event_mode="queue")

    def test_events_are_stored_as_they_came_and_the_partner_is_left_alone(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        message = load_event("event_processing_request")

        processed(message, services, deadline)

        assert [request.source for request in services.events.stored] == [message]
        assert services.events.rests == [Remainder(message)]
        assert partner.calls == []
        assert services.telemetry.counts == {"EventsQueued": 16}

    def test_a_keep_alive_is_answered_and_not_stored(self, services: ServicesDouble, deadline: Deadline) -> None:
        processed(load_event("event_processing_keep_alive"), services, deadline)

        assert services.events.stored == []

    def test_events_of_a_customer_without_a_key_are_dead_lettered_all_the_same(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        processed(load_event("event_processing_request", account={"account_id": 1}), services, deadline)

        assert services.dead_letters.reasons == ["account setting 'token' is required"]
        assert services.events.stored == []

    def test_events_that_are_not_stored_are_not_acknowledged(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        services.events.fails = True

        with pytest.raises(DeliveryError):
            processed(load_event("event_processing_request"), services, deadline)


ODD = {"type": "custom_event", "source_id": "odd", "attributes": {"canary-name": ["canary-pii"]}}
ODD_REASON = "events.*.attributes.*: must be text"


class TestWhatCannotBeRead:
    def odd_message(self, **overrides: object) -> conftest.Json:
        readable = message("custom_event", "custom_event", **overrides)
        return {**readable, "events": [readable["events"][0], ODD, readable["events"][1]]}

    @pytest.mark.parametrize("mode", ["forward", "queue"])
    def test_an_odd_event_is_dead_lettered_alone_and_the_others_are_delivered(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, mode: EventMode
    ) -> None:
        services = replace(mapped(services, items_of(endpoint("a"))), event_mode=mode)

        response = processed(self.odd_message(), services, deadline)

        assert serializer.dump(response)["type"] == "event_processing_response"
        assert partner.bodies == ([[{"source": "0"}, {"source": "1"}]] if mode == "forward" else [])
        assert sources(services.events) == ([["0", "1"]] if mode == "queue" else [])
        assert sources(services.dead_letters) == [["odd"]]
        assert services.dead_letters.reasons == [ODD_REASON]

    def test_it_is_counted_and_logged_by_field_and_rule(self, services: ServicesDouble, deadline: Deadline) -> None:
        services = mapped(services, items_of(endpoint("a")))

        processed(self.odd_message(), services, deadline)

        assert services.telemetry.counts == {"Unreadable": 1, "EventsForwarded": 2}
        assert [(note["event"], note["reason"], note["elements"]) for note in services.telemetry.warnings] == [
            ("dead-lettered", ODD_REASON, 1)
        ]

    def test_what_the_dead_letter_queue_does_not_take_is_not_acknowledged_and_nothing_is_delivered(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        services.dead_letters.fails = True

        with pytest.raises(DeliveryError):
            processed(self.odd_message(), services, deadline)

        assert partner.calls == []

    def test_what_the_partner_does_not_take_of_the_rest_is_queued_without_it(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        partner.replies = [503]

        processed(self.odd_message(), mapped(services, items_of(endpoint("a"))), deadline)

        assert (sources(services.events), sources(services.dead_letters)) == ([["0", "1"]], [["odd"]])

    def test_a_request_that_is_odd_itself_is_dead_lettered_whole(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        odd = self.odd_message(user_attributes=["canary-pii"])

        processed(odd, mapped(services, items_of(endpoint("a"), with_state=True)), deadline)

        assert [rest.source for rest in rests(services.dead_letters)] == [odd]
        assert services.dead_letters.reasons == [f"user_attributes: must be an object; {ODD_REASON}"]
        assert (partner.calls, services.events.stored) == ([], [])

    def test_of_odd_events_alone_nothing_is_left_to_deliver(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        odd = load_event("event_processing_keep_alive", events=[ODD])

        processed(odd, mapped(services, items_of(endpoint("a"), with_state=True)), deadline)

        assert (partner.calls, sources(services.dead_letters)) == ([], [["odd"]])

    def test_an_integration_without_events_refuses_them_as_before(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        services = replace(services, integration=replace(services.integration, events=None))

        with pytest.raises(UnsupportedMessageError):
            processed(self.odd_message(), services, deadline)

        assert services.dead_letters.stored == []

    @pytest.mark.parametrize(("attributes", "settled"), [({"a": "b"}, "state:"), ({}, "")], ids=["state", "no-state"])
    def test_a_letter_says_whether_the_users_state_was_sent_already(
        self, services: ServicesDouble, deadline: Deadline, attributes: dict[str, str], settled: str
    ) -> None:
        odd = load_event("event_processing_keep_alive", events=[ODD], user_attributes=attributes)

        processed(odd, mapped(services, items_of(endpoint("a"), with_state=True)), deadline)

        assert [rest.settled for rest in rests(services.dead_letters)] == [settled]
