from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError, MalformedRequestError
from mparticle_firehose.processors import PROCESSORS, process
from mparticle_firehose.protocol.messages import REQUEST_MODELS, RESPONSE_MODELS, Response
from tests.conftest import Json, PartnerDouble, ServicesDouble, StoreDouble, load_event, serializer


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

    @pytest.mark.parametrize("profiles", [["canary-pii"], "canary-pii"], ids=["profile", "profiles"])
    def test_what_cannot_be_read_is_stored_for_the_worker_as_it_came(
        self, services: ServicesDouble, deadline: Deadline, profiles: object
    ) -> None:
        message = load_event("audience_membership_change_request", user_profiles=profiles)

        processed(message, services, deadline)

        assert [request.received for request in stored(services.memberships)] == [message]
        assert stored(services.dead_letters) == []


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

    def test_an_erasure_that_cannot_be_read_is_dead_lettered_whole_and_acknowledged(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        message = load_event("dsr_processing_request", subject_identities={"canary-name": "canary-pii"})

        response = processed(message, services, deadline)

        assert serializer.dump(response)["type"] == "dsr_processing_response"
        assert [rest.source for rest in services.dead_letters.rests if rest] == [message]
        assert services.dead_letters.reasons == ["subject_identities.*: must be an object"]
        assert stored(services.events) == []
        assert services.telemetry.counts == {"Unreadable": 1}

    def test_what_asks_for_something_else_is_refused_also_if_it_cannot_be_read(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        message = load_event("dsr_processing_request", subject_request_type="access", subject_identities=[])

        with pytest.raises(MalformedRequestError, match=r"^subject_request_type: must be erasure"):
            processed({**message, "extensions": ["canary-pii"]}, services, deadline)

        assert stored(services.dead_letters) == []

    def test_an_unreadable_erasure_that_is_not_stored_is_not_acknowledged(
        self, services: ServicesDouble, deadline: Deadline
    ) -> None:
        services.dead_letters.fails = True

        with pytest.raises(DeliveryError):
            processed(load_event("dsr_processing_request", extensions=["canary-pii"]), services, deadline)
