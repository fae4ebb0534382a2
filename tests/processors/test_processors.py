from dataclasses import replace
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError, FirehoseError, MalformedRequestError, RefusedError
from mparticle_firehose.integration import Delivered, NetworkFault, Outcome, Rejected, Retry, Suspend
from mparticle_firehose.processors import PROCESSORS, process
from mparticle_firehose.protocol.messages import REQUEST_MODELS, RESPONSE_MODELS, Response
from tests.conftest import (
    TRANSIENT,
    Json,
    PartnerDouble,
    ServicesDouble,
    StoreDouble,
    judged,
    load_event,
    serializer,
)


def processed(message: Json, services: ServicesDouble, deadline: Deadline) -> Response:
    return process(serializer.parse(message), services, deadline)


def stored(store: StoreDouble) -> list[Any]:
    return store.stored


def test_every_request_has_a_processor() -> None:
    assert set(PROCESSORS) == set(REQUEST_MODELS.values())


def test_every_request_is_answered_by_its_own_response(services: ServicesDouble, deadline: Deadline) -> None:
    names = {
        "module_registration_request": "module_registration_response",
        "event_processing_request": "event_processing_response",
        "audience_subscription_remove": "audience_subscription_response",
        "audience_membership_change_request": "audience_membership_change_response",
        "dsr_processing_request": "dsr_processing_response",
    }

    answers = {name: processed(load_event(name), services, deadline).type.value for name in names}

    assert answers == names
    assert set(names.values()) == {kind.value for kind in RESPONSE_MODELS}


def test_each_registration_is_a_message_of_its_own(services: ServicesDouble, deadline: Deadline) -> None:
    first, second = (processed(load_event("module_registration_request"), services, deadline) for _ in range(2))

    assert first.id != second.id


class TestEvents:
    def test_a_whole_request_is_one_call(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        processed(load_event("event_processing_request"), services, deadline)

        assert [(call.method, call.path) for call in partner.calls] == [("POST", "/track")]
        assert partner.deadlines == [deadline]

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
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, message: Json
    ) -> None:
        response = processed(message, services, deadline)

        assert serializer.dump(response)["type"] == "event_processing_response"
        assert partner.calls == []

    @pytest.mark.parametrize("content", ["system_notifications", "user_attributes", "user_attribute_lists"])
    def test_a_batch_without_events_that_says_something_is_delivered(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, content: str
    ) -> None:
        rich = load_event("event_processing_request")
        message = load_event("event_processing_keep_alive", account=rich["account"], **{content: rich[content]})

        processed(message, services, deadline)

        assert len(partner.calls) == 1

    @pytest.mark.parametrize("outcome", [Retry("http_503"), Retry("read_timeout"), Suspend("http_401")], ids=str)
    def test_what_the_partner_cannot_take_now_is_stored_and_acknowledged(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, outcome: Outcome
    ) -> None:
        partner.outcomes = [outcome]
        message = load_event("event_processing_request")

        processed(message, services, deadline)

        assert [request.source for request in stored(services.events)] == [message]

    @pytest.mark.parametrize("cause", TRANSIENT, ids=str)
    def test_nothing_transient_ever_suspends(
        self,
        services: ServicesDouble,
        partner: PartnerDouble,
        deadline: Deadline,
        cause: int | NetworkFault,
    ) -> None:
        partner.outcomes = [judged(cause)]

        processed(load_event("event_processing_request"), services, deadline)

        assert services.suspensions.reasons == {}
        assert len(stored(services.events)) == 1

    def test_of_a_call_that_was_taken_the_items_that_were_not_go_their_own_way(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        message = load_event(
            "event_processing_request",
            events=[{"type": "session_start"}, {"type": "hologram"}, {"type": "session_end"}],
            system_notifications=[{"type": "gdpr_consent_state"}],
        )
        partner.outcomes = [Delivered({}, {0: Retry("http_503"), 2: Rejected("http_422")})]

        processed(message, services, deadline)

        assert services.events.items == [[("system_notifications", 0)]]
        assert services.dead_letters.items == [[("events", 2)]]
        assert services.dead_letters.reasons == ["http_422"]

    def test_refused_credentials_suspend_the_account(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        partner.outcomes = [Suspend("http_403")]

        processed(load_event("event_processing_request"), services, deadline)

        assert services.suspensions.reasons == {4242: "http_403"}

    def test_what_the_partner_will_never_take_is_dead_lettered_with_the_reason(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        partner.outcomes = [Rejected("http_422")]

        processed(load_event("event_processing_request"), services, deadline)

        assert services.dead_letters.reasons == ["http_422"]
        assert stored(services.events) == []

    def test_events_of_a_customer_without_a_key_are_put_aside(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        processed(load_event("event_processing_request", account={"account_id": 1}), services, deadline)

        assert services.dead_letters.reasons == ["account setting 'token' is required"]
        assert partner.calls == []

    @pytest.mark.parametrize(("outcome", "store"), [(Retry("reset"), "events"), (Rejected("http_400"), "dead_letters")])
    def test_without_a_store_the_request_is_not_acknowledged(
        self,
        services: ServicesDouble,
        partner: PartnerDouble,
        deadline: Deadline,
        outcome: Outcome,
        store: str,
    ) -> None:
        partner.outcomes = [outcome]
        getattr(services, store).fails = True

        with pytest.raises(DeliveryError):
            processed(load_event("event_processing_request"), services, deadline)


class TestEventsInQueueMode:
    """The deployment leaves the partner to the worker."""

    @pytest.fixture
    def services(self, services: ServicesDouble) -> ServicesDouble:
        return replace(services, event_mode="queue")

    def test_events_are_stored_as_they_came_and_the_partner_is_left_alone(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        message = load_event("event_processing_request")

        processed(message, services, deadline)

        assert [request.source for request in stored(services.events)] == [message]
        assert partner.calls == []
        assert services.telemetry.counts == {"EventsQueued": len(message["events"])}

    def test_a_keep_alive_is_answered_and_not_stored(self, services: ServicesDouble, deadline: Deadline) -> None:
        processed(load_event("event_processing_keep_alive"), services, deadline)

        assert stored(services.events) == []

    def test_events_of_a_customer_without_a_key_are_put_aside_as_ever(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        processed(load_event("event_processing_request", account={"account_id": 1}), services, deadline)

        assert services.dead_letters.reasons == ["account setting 'token' is required"]
        assert stored(services.events) == []

    def test_events_that_are_not_stored_are_not_acknowledged(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        services.events.fails = True

        with pytest.raises(DeliveryError):
            processed(load_event("event_processing_request"), services, deadline)

    def test_an_audience_is_created_in_the_call_all_the_same(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        partner.outcomes = [Delivered({"segment": "seg-7"})]

        response = processed(load_event("audience_subscription_add"), services, deadline)

        assert serializer.dump(response)["audience_subscription_settings"] == {"segmentId": "seg-7"}


class TestAudienceSubscription:
    def test_a_connected_audience_is_created_and_its_id_returned(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        partner.outcomes = [Delivered({"segment": "seg-7"})]

        response = processed(load_event("audience_subscription_add"), services, deadline)

        assert serializer.dump(response)["audience_subscription_settings"] == {"segmentId": "seg-7"}

    def test_a_changed_audience_keeps_its_id(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        response = processed(load_event("audience_subscription_update"), services, deadline)

        assert partner.calls[0].method == "PUT"
        assert serializer.dump(response)["audience_subscription_settings"] == {"segmentId": "seg-4242-1001"}

    def test_an_audience_that_the_partner_never_had_is_removed_without_a_call(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        message = load_event("audience_subscription_remove", audience_subscription_settings=None)

        processed(message, services, deadline)

        assert partner.calls == []

    @pytest.mark.parametrize(
        ("outcome", "error"),
        [
            (Retry("http_500"), DeliveryError),
            (Delivered({}), DeliveryError),
            (Rejected("http_409"), RefusedError),
            (Suspend("http_401"), RefusedError),
        ],
        ids=str,
    )
    def test_an_audience_that_was_not_created_is_not_acknowledged(
        self,
        services: ServicesDouble,
        partner: PartnerDouble,
        deadline: Deadline,
        outcome: Outcome,
        error: type[FirehoseError],
    ) -> None:
        partner.outcomes = [outcome]

        with pytest.raises(error):
            processed(load_event("audience_subscription_add"), services, deadline)

    def test_refused_credentials_suspend_the_account(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        partner.outcomes = [Suspend("http_401")]

        with pytest.raises(RefusedError, match="credentials"):
            processed(load_event("audience_subscription_add"), services, deadline)

        assert services.suspensions.reasons == {4242: "http_401"}

    @pytest.mark.parametrize("action", ["pause", None], ids=str)
    def test_an_action_that_nobody_knows_is_refused(
        self, services: ServicesDouble, deadline: Deadline, action: str | None
    ) -> None:
        with pytest.raises(MalformedRequestError, match=r"^action: must be add, update or remove$"):
            processed(load_event("audience_subscription_add", action=action), services, deadline)


class TestAudienceMembership:
    def test_changes_are_stored_as_they_came_and_the_partner_is_left_alone(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        message = load_event("audience_membership_change_request")

        response = processed(message, services, deadline)

        assert serializer.dump(response)["suspend_subscription"] is False
        assert [request.source for request in stored(services.memberships)] == [message]
        assert partner.calls == []

    @pytest.mark.parametrize(
        "overrides", [{}, {"user_profiles": None}, {"user_profiles": []}, {"account": None}], ids=str
    )
    def test_a_keep_alive_is_answered_at_once(
        self, services: ServicesDouble, deadline: Deadline, overrides: Json
    ) -> None:
        response = processed(load_event("audience_membership_keep_alive", **overrides), services, deadline)

        assert serializer.dump(response)["suspend_subscription"] is False
        assert stored(services.memberships) == []

    def test_a_suspended_account_is_told_to_stop_and_nothing_is_stored(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        services.suspensions.reasons[4242] = "http_401"

        response = processed(load_event("audience_membership_change_request"), services, deadline)

        assert serializer.dump(response)["suspend_subscription"] is True
        assert stored(services.memberships) == []

    def test_what_is_not_stored_is_not_acknowledged(self, services: ServicesDouble, deadline: Deadline) -> None:
        services.memberships.fails = True

        with pytest.raises(DeliveryError):
            processed(load_event("audience_membership_change_request"), services, deadline)


class TestDsr:
    def test_an_erasure_is_stored_before_it_is_acknowledged(self, services: ServicesDouble, deadline: Deadline) -> None:
        message = load_event("dsr_processing_request")

        processed(message, services, deadline)

        assert [request.source for request in stored(services.events)] == [message]

    @pytest.mark.parametrize("kind", ["access", "portability", None], ids=str)
    def test_nothing_but_an_erasure_is_taken_for_one(
        self, services: ServicesDouble, deadline: Deadline, kind: str | None
    ) -> None:
        with pytest.raises(MalformedRequestError, match=r"^subject_request_type: must be erasure"):
            processed(load_event("dsr_processing_request", subject_request_type=kind), services, deadline)

        assert stored(services.events) == []

    def test_an_erasure_that_is_not_stored_is_not_acknowledged(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        services.events.fails = True

        with pytest.raises(DeliveryError):
            processed(load_event("dsr_processing_request"), services, deadline)
