import json
from decimal import Decimal
from functools import partial

import pytest

from local.rooms import Room
from local.run.expected import broken_rules
from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import Bearer, JsonObject, MembershipChange, PartnerCall, UndeliverableChange
from mparticle_firehose.protocol import (
    Account,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    EventType,
    SystemNotificationType,
)
from partner.account import auth
from partner.audiences import members_call, membership_changes, subscription_call
from partner.erasures import erasure_call
from partner.events import EVENT_MAPPINGS, NOTIFICATION_MAPPINGS, events_call
from partner.partial_success import failures_in
from tests.conftest import Json, load_from, parsed
from tests.partner.fake_api import FakeApi

KEY = "canary-secret-live-4242"


load_event = partial(load_from, Room.of().events)


def call_of(message: Json) -> PartnerCall:
    call = events_call(parsed(EventProcessingRequest, message))
    assert call
    return call


def events_of(message: Json) -> list[Json]:
    body = call_of(message).body
    assert body is not None
    return json.loads(json.dumps(body["events"]))  # type: ignore[no-any-return]


def with_events(*events: Json, **overrides: object) -> Json:
    return load_event("event_processing_request", events=list(events), **overrides)


def changes_of(*audiences: Json, **user: object) -> list[MembershipChange | UndeliverableChange]:
    profile = {"mpid": "77007001", "audiences": list(audiences), **user}
    message = load_event("audience_membership_change_request", user_profiles=[profile])
    return membership_changes(parsed(AudienceMembershipChangeRequest, message))


def audience(action: str | None = "add", **fields: object) -> Json:
    return {
        "audience_id": 1,
        "action": action,
        "audience_subscription_settings": {"partnerAudienceId": "aud-1"},
        **fields,
    }


def item(change: MembershipChange | UndeliverableChange) -> JsonObject:
    assert isinstance(change, MembershipChange)
    return change.item


class TestEvents:
    def test_every_type_of_event_and_notification_has_a_mapping(self) -> None:
        assert set(EVENT_MAPPINGS) == set(EventType)
        assert set(NOTIFICATION_MAPPINGS) == set(SystemNotificationType)

    @pytest.mark.parametrize("name", ["event_processing_request", "event_processing_request_web"])
    def test_our_events_keep_the_partners_contract(self, name: str) -> None:
        call = call_of(load_event(name))

        assert (call.method, call.path, call.auth) == ("POST", "/v1/events", Bearer(KEY))
        assert broken_rules(FakeApi(), call) == []

    @pytest.mark.parametrize("kind", EventType)
    def test_an_event_with_nothing_but_its_type_is_mapped(self, kind: EventType) -> None:
        assert broken_rules(FakeApi(), call_of(with_events({"type": kind.value}))) == []

    def test_notifications_come_before_events(self) -> None:
        message = load_event("event_processing_request")

        kinds = [event["type"] for event in events_of(message)]

        assert kinds == [entry["type"] for entry in (*message["system_notifications"], *message["events"])]

    def test_an_event_of_an_unknown_type_costs_nothing_but_itself(self) -> None:
        message = with_events({"type": "hologram"}, {"type": "session_start"}, system_notifications=[{"type": "new"}])

        assert [event["type"] for event in events_of(message)] == ["session_start"]

    def test_what_nobody_knows_is_no_reason_to_call(self) -> None:
        message = load_event("event_processing_keep_alive", events=[{"type": "hologram"}])

        assert events_call(parsed(EventProcessingRequest, message)) is None

    def test_each_item_of_the_call_knows_where_it_came_from(self) -> None:
        message = with_events(
            {"type": "session_start"},
            None,  # type: ignore[arg-type]  # mParticle's lists may hold nulls
            {"type": "hologram"},
            {"type": "session_end"},
            system_notifications=[{"type": "gdpr_consent_state", "purpose": "p"}],
        )

        assert call_of(message).items == (("system_notifications", 0), ("events", 0), ("events", 2))

    def test_without_an_id_the_source_id_identifies_an_event(self) -> None:
        (event,) = events_of(with_events({"type": "session_start", "source_id": "s"}, system_notifications=[]))

        assert event == {"type": "session_start", "id": "s", "timestamp_ms": 0}

    @pytest.mark.parametrize(
        ("amount", "expected"),
        [("12.50", 12.5), (11, 11), ("1E+3", 1000), ("0", 0), ("1E+5000", None), (Decimal("0.1"), 0.1)],
        ids=str,
    )
    def test_amounts_are_json_numbers(self, amount: object, expected: float | None) -> None:
        (event,) = events_of(
            with_events(
                {"type": "product_action", "action": "purchase", "total_amount": amount}, system_notifications=[]
            )
        )

        assert event.get("total") == expected

    def test_a_place_that_is_none_is_left_out(self) -> None:
        (event,) = events_of(
            with_events({"type": "session_start", "location": {"latitude": "NaN"}}, system_notifications=[])
        )

        assert "location" not in event

    def test_lists_are_attributes_like_any_other(self) -> None:
        message = load_event(
            "event_processing_request",
            user_attributes={"$Age": "18", "vip": None},
            user_attribute_lists={"teas": ["a"]},
        )
        body = call_of(message).body

        assert json.loads(json.dumps(body))["user"]["attributes"] == {"$Age": "18", "vip": None, "teas": ["a"]}

    def test_the_customers_key_is_required(self) -> None:
        with pytest.raises(SettingError, match="'apiKey' is required"):
            events_call(parsed(EventProcessingRequest, load_event("event_processing_request", account=None)))


class TestSubscriptions:
    @pytest.mark.parametrize(
        ("name", "method", "path"),
        [
            ("audience_subscription_add", "POST", "/v1/audiences"),
            ("audience_subscription_update", "PATCH", "/v1/audiences/aud-4242-1001"),
            ("audience_subscription_remove", "DELETE", "/v1/audiences/aud-4242-1001"),
        ],
    )
    def test_each_action_is_one_call_within_the_contract(self, name: str, method: str, path: str) -> None:
        call = subscription_call(parsed(AudienceSubscriptionRequest, load_event(name)))

        assert call
        assert (call.method, call.path, call.auth) == (method, path, Bearer(KEY))
        assert broken_rules(FakeApi(), call) == []

    def test_an_update_without_the_partners_id_creates_the_audience(self) -> None:
        message = load_event("audience_subscription_update", audience_subscription_settings={})

        call = subscription_call(parsed(AudienceSubscriptionRequest, message))

        assert call
        assert (call.method, call.path) == ("POST", "/v1/audiences")

    def test_an_id_cannot_lead_to_another_resource(self) -> None:
        settings = {"partnerAudienceId": "../../v1/erasures?x=#"}
        message = load_event("audience_subscription_remove", audience_subscription_settings=settings)

        call = subscription_call(parsed(AudienceSubscriptionRequest, message))

        assert call
        assert call.path == "/v1/audiences/..%2F..%2Fv1%2Ferasures%3Fx%3D%23"


class TestMemberships:
    def test_our_memberships_keep_the_partners_contract(self) -> None:
        changes = membership_changes(
            parsed(AudienceMembershipChangeRequest, load_event("audience_membership_change_request"))
        )

        calls = [
            members_call(change.target, [change.item]) for change in changes if isinstance(change, MembershipChange)
        ]

        assert len(calls) == len(changes) > 3
        assert [rule for call in calls for rule in broken_rules(FakeApi(), call)] == []

    @pytest.mark.parametrize(
        ("action", "expected"),
        [("add", "add"), ("delete", "remove"), ("remove", "remove"), ("attribute_update", "update")],
    )
    def test_actions_are_in_the_partners_words(self, action: str, expected: str) -> None:
        (change,) = changes_of(audience(action))

        assert item(change)["action"] == expected

    def test_attributes_are_set_listed_tagged_or_removed(self) -> None:
        attributes = [
            {"key": "tier", "value": "gold", "action": "upsert"},
            {"key": "teas", "value": "ignored", "list_value": ["a", "b"], "action": "upsert"},
            {"key": "vip", "action": "upsert"},
            {"key": "gone", "value": "ignored", "action": "delete"},
            {},
        ]

        (change,) = changes_of(audience("attribute_update", user_attributes=attributes))

        assert json.loads(json.dumps(item(change)["attributes"])) == {
            "tier": "gold",
            "teas": ["a", "b"],
            "vip": True,
            "gone": None,
        }

    def test_an_audience_without_an_action_says_nothing(self) -> None:
        assert changes_of(audience(None)) == []

    @pytest.mark.parametrize(
        ("fields", "user", "reason"),
        [
            ({"audience_subscription_settings": None}, {}, "partnerAudienceId"),
            ({"action": "canary-pii"}, {}, "action"),
            ({}, {"mpid": None}, "neither an mpid nor an identity"),
        ],
        ids=["no-partner-id", "unknown-action", "nobody"],
    )
    def test_what_cannot_be_delivered_says_why_by_rule(self, fields: Json, user: Json, reason: str) -> None:
        (change,) = changes_of(audience(**fields), **user)

        assert isinstance(change, UndeliverableChange)
        assert reason in change.reason
        assert "canary" not in change.reason

    def test_the_id_of_the_cookie_sync_reaches_the_partner_beside_its_own(self) -> None:
        identities = [
            {"type": "AcmeEngage_UserId", "encoding": "raw", "value": "canary-acme"},
            {"type": "$cookie_sync_id", "encoding": "raw", "value": "canary-cookie"},
        ]

        (change,) = changes_of(audience("add"), partner_identities=identities)

        assert isinstance(change, MembershipChange)
        assert item(change)["user"] == {
            "mpid": "77007001",
            "identities": {"AcmeEngage_UserId": "canary-acme", "$cookie_sync_id": "canary-cookie"},
        }
        assert broken_rules(FakeApi(), members_call(change.target, [change.item])) == []

    def test_each_change_knows_its_place_in_the_request(self) -> None:
        changes = changes_of(audience(None), audience("add"), audience("delete"))

        assert [(change.profile, change.audience) for change in changes] == [(0, 1), (0, 2)]


def test_an_erasure_names_everyone_that_mparticle_names() -> None:
    extension = {"opendsr.mparticle.com": {"subject_identities": {"other2": {"encoding": "raw", "value": "o"}}}}
    message = load_event(
        "dsr_processing_request",
        subject_identities={"email": {"encoding": "raw", "value": "canary-pii"}, "other6": {"value": "x"}},
        extensions=extension,
    )

    call = erasure_call(parsed(DsrProcessingRequest, message))

    assert broken_rules(FakeApi(), call) == []
    assert call.body
    assert call.body["identities"] == {"email": "canary-pii", "other6": "x", "other2": "o"}
    assert call.auth == Bearer(KEY)


@pytest.mark.parametrize(
    ("answer", "failures"),
    [
        ({}, {}),
        ({"accepted": True}, {}),
        ({"failures": []}, {}),
        ({"failures": [{"index": 0, "status": 422}, {"index": 7, "status": 503}]}, {0: 422, 7: 503}),
    ],
    ids=["empty", "nothing-said", "none", "some"],
)
def test_the_partner_may_say_which_items_it_did_not_take(answer: Json, failures: dict[int, int]) -> None:
    assert failures_in(answer) == failures


@pytest.mark.parametrize(
    "failures", [None, {}, 1, ["x"], [{}], [{"index": "0", "status": 422}], [{"index": -1, "status": 422}]], ids=str
)
def test_an_answer_that_does_not_say_which_items_is_not_taken_for_success(failures: object) -> None:
    with pytest.raises(ValueError, match="index and a status"):
        failures_in({"failures": failures})


class TestCredential:
    def test_blanks_that_come_with_a_pasted_key_are_left_out(self) -> None:
        assert auth(account_with(f" {KEY}\r\n")) == Bearer(KEY)

    @pytest.mark.parametrize(
        "key", ["", "  ", "two\nlines", "two words", "canary\u2019key", "key\ud800", "key\x00", "sch\u00f6n"], ids=ascii
    )
    def test_a_key_that_no_header_can_carry_is_the_customers_to_mend(self, key: str) -> None:
        with pytest.raises(SettingError, match="apiKey") as caught:
            auth(account_with(key))

        assert "canary" not in str(caught.value)

    def test_an_audience_id_of_any_characters_makes_a_path(self) -> None:
        settings = {"partnerAudienceId": "a/b \ud800"}
        message = load_event("audience_subscription_remove", audience_subscription_settings=settings)

        call = subscription_call(parsed(AudienceSubscriptionRequest, message))

        assert call
        assert call.path == "/v1/audiences/a%2Fb%20%ED%A0%80"


def account_with(key: str) -> Account:
    return Account(account_id=4242, account_settings={"apiKey": key})
