import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from local.partner.answering import conclude
from local.rooms import Room
from local.run.expected import broken_rules
from mparticle_firehose.errors import DeliveryError, MalformedRequestError, SettingError
from mparticle_firehose.integration import (
    Answer,
    Bearer,
    Delivered,
    Endpoint,
    Exchange,
    Item,
    JsonObject,
    PartnerCall,
    Rejected,
    Retry,
    Undeliverable,
)
from mparticle_firehose.protocol import (
    Account,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    EventType,
    SystemNotificationType,
)
from partner.account import target
from partner.audiences import MEMBERS, membership_items, subscription
from partner.erasures import ERASURES, erasure_items
from partner.events import EVENT_MAPPINGS, EVENTS, NOTIFICATION_MAPPINGS, event_items
from tests.conftest import Json, load_from, parsed
from tests.growth import MAX_GROWTH, growth
from tests.partner.fake_api import FakeApi

KEY = "canary-secret-live-4242"
EMAIL = {"type": "email", "encoding": "raw", "value": "canary-pii@example.com"}

NO_IDS = [
    "..",
    ".",
    " ",
    "%2e%2e",
    "a/b",
    "../../v1/erasures?x=#",
    "a\\..",
    "a?canary=1",
    "a#b",
    "a\r\nb",
    "\0",
    "\ud800",
]
HASHED = {"type": "email", "encoding": "sha256", "value": "canary-hash"}


load_event = partial(load_from, Room.of().events)


def call_of(endpoint: Endpoint, *items: Item | Undeliverable) -> PartnerCall:
    """Return the call that carries these items, with the target's credential, as the framework sends it."""
    found = [item for item in items if isinstance(item, Item)]
    assert [item.endpoint for item in found] == [endpoint] * len(items)
    assert {item.target for item in found} == {found[0].target}
    call = endpoint.call(found[0].target, [item.body for item in found])
    assert isinstance(call, PartnerCall)
    return replace(call, auth=call.auth or found[0].target.auth)


def body_of(call: PartnerCall) -> Json:
    assert call.body
    return json.loads(call.body.encoded())  # type: ignore[no-any-return]


def items_of(message: Json) -> list[Item | Undeliverable]:
    return [*event_items(parsed(EventProcessingRequest, message))]


def events_of(message: Json) -> list[Json]:
    return body_of(call_of(EVENTS, *items_of(message)))["events"]  # type: ignore[no-any-return]


def exchange(name: str) -> Exchange[Mapping[str, str]]:
    return subscription(parsed(AudienceSubscriptionRequest, load_event(name)))


def first_call(message: Json) -> PartnerCall | None:
    """Return the first call of a subscription, or None if there is nothing to call."""
    return next(subscription(parsed(AudienceSubscriptionRequest, message)), None)


def with_events(*events: Json, **overrides: object) -> Json:
    return load_event("event_processing_request", events=list(events), **overrides)


def changes_of(*audiences: Json, **user: object) -> list[Item | Undeliverable]:
    profile = {"mpid": "77007001", "audiences": list(audiences), **user}
    message = load_event("audience_membership_change_request", user_profiles=[profile])
    return [*membership_items(parsed(AudienceMembershipChangeRequest, message))]


def audience(action: str | None = "add", **fields: object) -> Json:
    return {
        "audience_id": 1,
        "action": action,
        "audience_subscription_settings": {"partnerAudienceId": "aud-1"},
        **fields,
    }


def body(change: Item | Undeliverable) -> JsonObject:
    assert isinstance(change, Item)
    return change.body


class TestEvents:
    def test_every_type_of_event_and_notification_has_a_mapping(self) -> None:
        assert set(EVENT_MAPPINGS) == set(EventType)
        assert set(NOTIFICATION_MAPPINGS) == set(SystemNotificationType)

    @pytest.mark.parametrize("name", ["event_processing_request", "event_processing_request_web"])
    def test_our_events_keep_the_partners_contract(self, name: str) -> None:
        call = call_of(EVENTS, *items_of(load_event(name)))

        assert (call.method, call.path, call.auth) == ("POST", "/v1/events", Bearer(KEY))
        assert broken_rules(FakeApi(), call) == []

    @pytest.mark.parametrize("kind", EventType)
    def test_an_event_with_nothing_but_its_type_is_mapped(self, kind: EventType) -> None:
        assert broken_rules(FakeApi(), call_of(EVENTS, *items_of(with_events({"type": kind.value})))) == []

    def test_notifications_come_before_events(self) -> None:
        message = load_event("event_processing_request")

        kinds = [event["type"] for event in events_of(message)]

        assert kinds == [entry["type"] for entry in (*message["system_notifications"], *message["events"])]

    def test_an_event_of_an_unknown_type_costs_nothing_but_itself(self) -> None:
        message = with_events({"type": "hologram"}, {"type": "session_start"}, system_notifications=[{"type": "new"}])

        assert [event["type"] for event in events_of(message)] == ["session_start"]

    def test_what_nobody_knows_is_no_reason_to_call(self) -> None:
        message = load_event("event_processing_keep_alive", events=[{"type": "hologram"}])

        assert items_of(message) == []

    def test_a_keep_alive_is_no_reason_to_call_and_needs_no_key(self) -> None:
        assert items_of(load_event("event_processing_keep_alive", account=None)) == []

    def test_each_item_of_the_call_knows_where_it_came_from(self) -> None:
        message = with_events(
            {"type": "session_start"},
            None,  # type: ignore[arg-type]  # mParticle's lists may hold nulls
            {"type": "hologram"},
            {"type": "session_end"},
            system_notifications=[{"type": "gdpr_consent_state", "purpose": "p"}],
        )

        covers = [item.covers for item in items_of(message) if isinstance(item, Item)]
        assert covers == [(("system_notifications", 0),), (("events", 0),), (("events", 2),)]

    @pytest.mark.parametrize("content", ["user_attributes", "user_attribute_lists"])
    def test_attributes_without_an_event_are_one_item_of_no_event(self, content: str) -> None:
        rich = load_event("event_processing_request")
        message = load_event("event_processing_keep_alive", account=rich["account"], **{content: rich[content]})

        (item,) = items_of(message)

        assert isinstance(item, Item)
        assert item.covers == ()
        assert broken_rules(FakeApi(), call_of(EVENTS, item)) == []
        assert events_of(message) == []

    def test_attributes_come_with_the_events_if_there_are_any(self) -> None:
        message = with_events({"type": "session_start"}, system_notifications=[])

        assert len(items_of(message)) == 1

    def test_a_whole_request_of_a_thousand_events_is_one_call(self) -> None:
        items = items_of(with_events(*[{"type": "session_start"}] * 1_000, system_notifications=[]))

        assert EVENTS.max_items == 1_000
        assert broken_rules(FakeApi(), call_of(EVENTS, *items)) == []

    def test_the_call_says_when_the_request_was_made(self) -> None:
        message = load_event("event_processing_request", timestamp_ms=1_760_000_000_123)

        assert body_of(call_of(EVENTS, *items_of(message)))["timestamp_ms"] == 1_760_000_000_123

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
        assert body_of(call_of(EVENTS, *items_of(message)))["user"]["attributes"] == {
            "$Age": "18",
            "vip": None,
            "teas": ["a"],
        }

    def test_the_customers_key_is_required(self) -> None:
        with pytest.raises(SettingError, match="'apiKey' is required"):
            items_of(load_event("event_processing_request", account=None))


def identities_of(items: list[Item | Undeliverable]) -> object:
    (item, *_) = items
    assert isinstance(item, Item)
    return json.loads(json.dumps(item.body["user"]))["identities"]


class TestHashedIdentities:
    """A hash is never taken for the value."""

    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ([EMAIL, HASHED], {"email": EMAIL["value"], "email_sha256": "canary-hash"}),
            ([HASHED, EMAIL], {"email": EMAIL["value"], "email_sha256": "canary-hash"}),
            ([HASHED], {"email_sha256": "canary-hash"}),
            ([EMAIL, {**EMAIL, "value": "canary-second"}], {"email": EMAIL["value"]}),
        ],
        ids=["raw-first", "hash-first", "hash-only", "two-raw"],
    )
    def test_each_has_a_name_of_its_own(self, sent: list[Json], expected: Json) -> None:
        member = changes_of(audience(), mpid=None, user_identities=sent)
        call = call_of(EVENTS, *items_of(with_events({"type": "session_start"}, user_identities=sent)))
        user = body_of(call)["user"]

        assert identities_of(member) == expected
        assert {name: value for name, value in user["identities"].items() if "email" in name} == expected
        assert broken_rules(FakeApi(), call_of(MEMBERS, *member)) == []
        assert broken_rules(FakeApi(), call) == []

    def test_an_erasure_names_the_hash_as_one(self) -> None:
        hashed = {"email": {"encoding": "sha256", "value": "canary-hash"}}
        request = parsed(
            DsrProcessingRequest, load_event("dsr_processing_request", subject_identities=hashed, extensions=None)
        )

        call = call_of(ERASURES, *erasure_items(request))

        assert body_of(call)["identities"] == {"email_sha256": "canary-hash"}
        assert broken_rules(FakeApi(), call) == []


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
        call = first_call(load_event(name))

        assert call
        assert (call.method, call.path, call.auth) == (method, path, Bearer(KEY))
        assert broken_rules(FakeApi(), call) == []

    def test_the_partners_id_is_kept_with_the_subscription(self) -> None:
        api = FakeApi()

        added = conclude(api, exchange("audience_subscription_add"))
        updated = conclude(api, exchange("audience_subscription_update"))
        removed = conclude(api, exchange("audience_subscription_remove"))

        assert (added, updated, removed) == (
            {"partnerAudienceId": "aud-4242-1001"},
            {"partnerAudienceId": "aud-4242-1001"},
            {},
        )
        assert api.audiences == {}

    def test_removing_what_is_gone_already_is_done(self) -> None:
        api = FakeApi()

        assert [conclude(api, exchange("audience_subscription_remove")) for _ in range(2)] == [{}, {}]

    def test_renaming_what_is_gone_is_not(self) -> None:
        api = FakeApi()
        conclude(api, exchange("audience_subscription_remove"))

        with pytest.raises(AssertionError, match="PATCH is answered 404"):
            conclude(api, exchange("audience_subscription_update"))

    def test_an_audience_that_the_partner_never_had_is_removed_without_a_call(self) -> None:
        assert first_call(load_event("audience_subscription_remove", audience_subscription_settings=None)) is None

    @pytest.mark.parametrize("body", [None, {}, {"id": ""}, {"id": True}, {"id": 7.5}, {"id": [7]}], ids=str)
    def test_a_created_audience_without_an_id_must_be_created_again(self, body: object) -> None:
        subscribing = exchange("audience_subscription_add")
        next(subscribing)

        with pytest.raises(DeliveryError, match=r"^the partner's answer lacks the audience's id$"):
            subscribing.send(Answer(status=201, body=body))

    @pytest.mark.parametrize("action", ["pause", None], ids=str)
    def test_an_action_that_nobody_knows_is_refused(self, action: str | None) -> None:
        with pytest.raises(MalformedRequestError, match=r"^action: must be add, update or remove$"):
            first_call(load_event("audience_subscription_add", action=action))

    def test_an_update_without_the_partners_id_creates_the_audience(self) -> None:
        message = load_event("audience_subscription_update", audience_subscription_settings={})

        call = first_call(message)

        assert call
        assert (call.method, call.path) == ("POST", "/v1/audiences")

    @pytest.mark.parametrize("name", ["audience_subscription_remove", "audience_subscription_update"])
    @pytest.mark.parametrize("partner_id", NO_IDS, ids=ascii)
    def test_an_id_that_could_lead_to_another_resource_makes_no_call(self, name: str, partner_id: str) -> None:
        message = load_event(name, audience_subscription_settings={"partnerAudienceId": partner_id})

        with pytest.raises(SettingError, match=r"^setting 'partnerAudienceId' must be an id: ") as caught:
            first_call(message)

        assert "canary" not in str(caught.value)

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [(4711, "4711"), (10**30, "1" + "0" * 30), (0, "0"), (4711.0, "4711"), ("aud-9", "aud-9")],
        ids=str,
    )
    def test_the_partners_id_may_be_a_number(self, sent: object, kept: str) -> None:
        subscribing = exchange("audience_subscription_add")
        next(subscribing)

        with pytest.raises(StopIteration) as ended:
            subscribing.send(Answer(status=201, body=json.loads(json.dumps({"id": sent}))))

        assert ended.value.value == {"partnerAudienceId": kept}


class TestMemberships:
    def test_our_memberships_keep_the_partners_contract(self) -> None:
        message = load_event("audience_membership_change_request")
        changes = [*membership_items(parsed(AudienceMembershipChangeRequest, message))]

        calls = [call_of(MEMBERS, change) for change in changes]

        assert len(calls) > 3
        assert [rule for call in calls for rule in broken_rules(FakeApi(), call)] == []
        assert {call.auth for call in calls} == {Bearer(KEY)}

    def test_a_users_changes_take_time_in_proportion_to_their_number_however_many_identities_there_are(self) -> None:
        def of_one_user(size: int) -> Callable[[], object]:
            identities = [{"type": f"partner_{each}", "encoding": "raw", "value": "v"} for each in range(size)]
            profile = {"partner_identities": identities, "audiences": [audience()] * size}
            message = load_event("audience_membership_change_request", user_profiles=[profile])
            request = parsed(AudienceMembershipChangeRequest, message)
            return lambda: [*membership_items(request)]

        assert growth(of_one_user(250), of_one_user(1_000)) < MAX_GROWTH

    def test_each_change_of_a_user_names_the_same_person_and_those_of_another_user_another(self) -> None:
        identities = [{"type": "email", "encoding": "raw", "value": "canary-pii"}]
        users: list[Json] = [{"mpid": "1"}, {"mpid": None, "user_identities": identities}]
        profiles = [{**user, "audiences": [audience(), audience("delete")]} for user in users]
        message = load_event("audience_membership_change_request", user_profiles=profiles)

        items = [*membership_items(parsed(AudienceMembershipChangeRequest, message))]

        everyone = [each.body["user"] for each in items if isinstance(each, Item)]
        assert everyone == [
            *[{"mpid": "1", "identities": {}}] * 2,
            *[{"mpid": None, "identities": {"email": "canary-pii"}}] * 2,
        ]

    def test_users_of_one_audience_share_a_call_of_as_many_as_the_partner_takes(self) -> None:
        profiles = [{"mpid": str(number), "audiences": [audience()]} for number in range(500)]
        message = load_event("audience_membership_change_request", user_profiles=profiles)
        changes = [*membership_items(parsed(AudienceMembershipChangeRequest, message))]

        call = call_of(MEMBERS, *changes)

        assert (MEMBERS.max_items, MEMBERS.across_requests) == (500, True)
        assert len({change.key for change in changes if isinstance(change, Item)}) == 500
        assert [change["user"]["mpid"] for change in body_of(call)["changes"]] == [str(each) for each in range(500)]
        assert broken_rules(FakeApi(), call) == []

    @pytest.mark.parametrize(
        "user",
        [
            {"mpid": "1"},
            {"mpid": None, "user_identities": [{"type": "email", "encoding": "raw", "value": "canary-pii"}]},
        ],
        ids=["mpid", "identity"],
    )
    def test_what_changes_one_user_twice_cannot_be_in_one_call(self, user: Json) -> None:
        """The partner refuses a call with a user who is in it twice."""
        one, two = changes_of(audience("add"), audience("delete"), **user)

        assert isinstance(one, Item)
        assert isinstance(two, Item)
        assert one.key == two.key != ""
        assert broken_rules(FakeApi(), call_of(MEMBERS, one, two)) == ["changes: the same user twice in one call"]

    def test_another_audience_is_another_call(self) -> None:
        other = audience(audience_subscription_settings={"partnerAudienceId": "aud-2"})

        targets = {change.target for change in changes_of(audience(), other) if isinstance(change, Item)}

        assert {whose["audience"] for whose in targets} == {"aud-1", "aud-2"}

    @pytest.mark.parametrize(
        ("action", "expected"),
        [("add", "add"), ("delete", "remove"), ("remove", "remove"), ("attribute_update", "update")],
    )
    def test_actions_are_in_the_partners_words(self, action: str, expected: str) -> None:
        (change,) = changes_of(audience(action))

        assert body(change)["action"] == expected

    def test_attributes_are_set_listed_tagged_or_removed(self) -> None:
        attributes = [
            {"key": "tier", "value": "gold", "action": "upsert"},
            {"key": "teas", "value": "ignored", "list_value": ["a", "b"], "action": "upsert"},
            {"key": "vip", "action": "upsert"},
            {"key": "gone", "value": "ignored", "action": "delete"},
            {},
        ]

        (change,) = changes_of(audience("attribute_update", user_attributes=attributes))

        assert json.loads(json.dumps(body(change)["attributes"])) == {
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

        assert isinstance(change, Undeliverable)
        assert reason in change.reason
        assert "canary" not in change.reason

    def test_the_id_of_the_cookie_sync_reaches_the_partner_beside_its_own(self) -> None:
        identities = [
            {"type": "AcmeEngage_UserId", "encoding": "raw", "value": "canary-acme"},
            {"type": "$cookie_sync_id", "encoding": "raw", "value": "canary-cookie"},
        ]

        (change,) = changes_of(audience("add"), partner_identities=identities)

        assert body(change)["user"] == {
            "mpid": "77007001",
            "identities": {"AcmeEngage_UserId": "canary-acme", "$cookie_sync_id": "canary-cookie"},
        }
        assert broken_rules(FakeApi(), call_of(MEMBERS, change)) == []

    def test_each_change_knows_its_place_in_the_request(self) -> None:
        changes = changes_of(audience(None), audience("add"), audience("delete"))

        assert [change.covers for change in changes] == [(("user_profiles", 0, 1),), (("user_profiles", 0, 2),)]


def test_an_erasure_names_everyone_that_mparticle_names() -> None:
    extension = {"opendsr.mparticle.com": {"subject_identities": {"other2": {"encoding": "raw", "value": "o"}}}}
    message = load_event(
        "dsr_processing_request",
        subject_identities={"email": {"encoding": "raw", "value": "canary-pii"}, "other6": {"value": "x"}},
        extensions=extension,
    )

    call = call_of(ERASURES, *erasure_items(parsed(DsrProcessingRequest, message)))

    assert broken_rules(FakeApi(), call) == []
    assert body_of(call)["identities"] == {"email": "canary-pii", "other6": "x", "other2": "o"}
    assert call.auth == Bearer(KEY)


class TestAnswers:
    """The partner may say which items it did not take."""

    @pytest.mark.parametrize("endpoint", [EVENTS, MEMBERS], ids=lambda endpoint: endpoint.name)
    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            (None, Delivered()),
            ({}, Delivered()),
            ({"accepted": True}, Delivered()),
            ({"failures": []}, Delivered()),
            (
                {"failures": [{"index": 0, "status": 422}, {"index": 7, "status": 503}]},
                Delivered({0: Rejected("http_422"), 7: Retry("http_503")}),
            ),
            ({"failures": [{"index": 1}]}, Delivered({1: Retry("failure_without_status")})),
        ],
        ids=["no-body", "empty", "nothing-said", "none", "some", "without-status"],
    )
    def test_what_it_names_was_not_taken(self, endpoint: Endpoint, answer: object, outcome: Delivered) -> None:
        assert endpoint.judge([], Answer(status=202, body=answer)) == outcome

    @pytest.mark.parametrize(
        ("failures", "unplaced"),
        [(None, 0), ({}, 0), (1, 0), (["x"], 1), ([{}], 1), ([{"index": "0", "status": 422}, {"index": True}], 2)],
        ids=str,
    )
    def test_a_failure_without_a_place_is_counted(self, failures: object, unplaced: int) -> None:
        answer = Answer(status=200, body={"failures": failures})

        assert EVENTS.judge([], answer) == Delivered(unplaced=unplaced)

    @pytest.mark.parametrize("status", [400, 401, 404, 422, 503])
    def test_of_a_refusal_the_status_alone_counts(self, status: int) -> None:
        answer = Answer(status=status, body={"failures": [{"index": 0, "status": 422}]})

        assert EVENTS.judge([], answer) is None
        assert ERASURES.judge([], answer) is None


class TestCredential:
    def test_blanks_that_come_with_a_pasted_key_are_left_out(self) -> None:
        assert target(account_with(f" {KEY}\r\n")).auth == Bearer(KEY)

    @pytest.mark.parametrize(
        "key", ["", "  ", "two\nlines", "two words", "canary\u2019key", "key\ud800", "key\x00", "sch\u00f6n"], ids=ascii
    )
    def test_a_key_that_no_header_can_carry_is_the_customers_to_mend(self, key: str) -> None:
        with pytest.raises(SettingError, match="apiKey") as caught:
            target(account_with(key))

        assert "canary" not in str(caught.value)

    @pytest.mark.parametrize("partner_id", NO_IDS, ids=ascii)
    def test_no_change_is_sent_to_an_audience_of_another_path(self, partner_id: str) -> None:
        (change,) = changes_of(audience(audience_subscription_settings={"partnerAudienceId": partner_id}))

        with pytest.raises(SettingError, match=r"^setting 'partnerAudienceId' must be an id: "):
            call_of(MEMBERS, change)

    def test_an_audience_id_of_other_characters_makes_a_path(self) -> None:
        (change,) = changes_of(audience(audience_subscription_settings={"partnerAudienceId": "a b:ü..."}))

        assert call_of(MEMBERS, change).path == "/v1/audiences/a%20b%3A%C3%BC.../members"


def account_with(key: str) -> Account:
    return Account(account_id=4242, account_settings={"apiKey": key})
