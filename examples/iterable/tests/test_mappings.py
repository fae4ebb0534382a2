"""What mParticle's requests become at Iterable. Every call is shown to the fake API, which checks it."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from examples.iterable.fake_api import FakeApi
from examples.iterable.partner.account import NO_PERSON, SITES
from examples.iterable.partner.audiences import memberships, subscription
from examples.iterable.partner.endpoints import SUBSCRIBE, TRACK
from examples.iterable.partner.erasures import erasures
from examples.iterable.partner.events import EVENT_MAPPINGS, events
from examples.iterable.partner.integration import INTEGRATION
from local.partner.answering import answer_to, conclude
from local.rooms import Room
from mparticle_firehose.errors import DeliveryError, SettingError
from mparticle_firehose.integration import Answer, Delivered, Header, Item, PartnerCall, Undeliverable
from mparticle_firehose.protocol import Serializer

type Json = dict[str, Any]

ROOM = Room.of("examples/iterable")
JANE = {"email": "canary-pii-jane@new.example.com"}
KIM = {"userId": "canary-pii-customer-32"}


def message(name: str, **overrides: object) -> Json:
    return {**json.loads((ROOM.events / f"{name}.json").read_text()), **overrides}


def read(content: Json) -> Any:
    return Serializer().parse(content)


def items(mapping: Callable[[Any], Any], content: Json) -> list[Item]:
    found = list(mapping(read(content)))
    assert all(isinstance(each, Item) for each in found)
    return found


def sent(mapping: Callable[[Any], Any], content: Json) -> list[tuple[str, Any, tuple[Any, ...]]]:
    return [(each.endpoint.name, each.body, each.covers) for each in items(mapping, content)]


def with_settings(name: str, **settings: str | None) -> Json:
    content = message(name)
    known = {**content["account"]["account_settings"], **settings}
    kept = {key: value for key, value in known.items() if value is not None}
    return {**content, "account": {**content["account"], "account_settings": kept}}


def one_event(**event: object) -> Json:
    return message(
        "event_processing_request",
        events=[{"timestamp_ms": 1000, **event}],
        user_attributes={},
        user_attribute_lists={},
    )


def test_a_changed_address_comes_first_then_the_user_then_each_kind_of_event() -> None:
    assert sent(events, message("event_processing_request")) == [
        (
            "users/updateEmail",
            {"currentEmail": "canary-pii-jane@example.com", "newEmail": "canary-pii-jane@new.example.com"},
            (("events", 4),),
        ),
        (
            "users/update",
            {
                **JANE,
                "dataFields": {
                    "firstName": "canary-pii-Jane",
                    "phoneNumber": "+491705550131",
                    "loyalty_tier": "gold",
                    "newsletter": True,
                    "favourite_teas": ["sencha", "oolong"],
                },
            },
            (("events", 4),),
        ),
        (
            "commerce/trackPurchase",
            {
                "user": JANE,
                "id": "17e4ab1e-0000-4000-8000-000000000104",
                "createdAt": 1759999900,
                "total": 126.45,
                "items": [
                    {
                        "id": "TEA-01",
                        "name": "Stoneware teapot",
                        "price": 39.9,
                        "quantity": 2,
                        "categories": ["Kitchen/Teapots"],
                        "dataFields": {"engraving": "canary-pii-For Jane", "brand": "Acme", "variant": "blue"},
                    },
                    {"id": "SEN-07", "name": "Sencha, loose", "price": 46.65, "quantity": 1, "categories": ["Tea"]},
                ],
                "dataFields": {
                    "payment": "card",
                    "transactionId": "ORDER-5150",
                    "currency": "EUR",
                    "coupon": "AUTUMN10",
                    "tax": 20.19,
                    "shipping": 0,
                },
            },
            (("events", 3),),
        ),
        (
            "events/trackBulk",
            {
                **JANE,
                "eventName": "Review Written",
                "id": "17e4ab1e-0000-4000-8000-000000000101",
                "createdAt": 1759999900,
                "dataFields": {"rating": "5", "author": "canary-pii-Jane"},
            },
            (("events", 0),),
        ),
        (
            "events/trackBulk",
            {
                **JANE,
                "eventName": "Screen View",
                "id": "17e4ab1e-0000-4000-8000-000000000102",
                "createdAt": 1759999900,
                "dataFields": {"sort": "price", "screenName": "Teapots"},
            },
            (("events", 1),),
        ),
        (
            "events/trackBulk",
            {
                **JANE,
                "eventName": "product_add_to_cart",
                "id": "17e4ab1e-0000-4000-8000-000000000103",
                "createdAt": 1759999900,
                "dataFields": {
                    "currency": "EUR",
                    "products": [{"id": "TEA-01", "name": "Stoneware teapot", "price": 39.9, "quantity": 1}],
                },
            },
            (("events", 2),),
        ),
        (
            "users/registerDeviceToken",
            {
                **JANE,
                "device": {
                    "token": "canary-pii-token-31",
                    "platform": "APNS_SANDBOX",
                    "applicationName": "com.example.teashop.dev",
                },
            },
            (("events", 5),),
        ),
        (
            "events/trackPushOpen",
            {
                **JANE,
                "campaignId": 77,
                "messageId": "canary-pii-message-31",
                "templateId": 78,
                "createdAt": 1759999900,
            },
            (("events", 6),),
        ),
    ]


def test_a_user_who_is_known_by_a_user_id_has_the_address_as_a_field() -> None:
    assert sent(events, message("event_processing_request_user_id")) == [
        (
            "users/update",
            {
                **KIM,
                "preferUserId": True,
                "dataFields": {"firstName": "canary-pii-Kim", "email": "canary-pii-kim@example.com"},
            },
            (("events", 0),),
        ),
        (
            "events/trackBulk",
            {**KIM, "eventName": "Signed Up", "id": "17e4ab1e-0000-4000-8000-000000000203", "createdAt": 1759999900},
            (("events", 2),),
        ),
        ("users/disableDevice", {**KIM, "token": "canary-pii-token-32"}, (("events", 1),)),
    ]


def test_all_go_to_the_customers_data_center_with_the_customers_key_in_one_lane() -> None:
    found = items(events, message("event_processing_request_user_id"))

    assert {each.target.site for each in found} == {"eu"}
    assert {each.target.auth for each in found} == {Header("Api-Key", "canary-secret-iterable-4243")}
    assert {each.endpoint.order for each in found} == {"user"}
    assert INTEGRATION.sites == SITES


@pytest.mark.parametrize(
    ("project", "user"),
    [
        ("email", {"email": "canary-pii-lee@example.com"}),
        ("userId", {"userId": "canary-pii-customer-9"}),
        ("hybrid", {"userId": "canary-pii-customer-9"}),
    ],
)
def test_the_type_of_the_project_decides_what_identifies_a_user(project: str, user: Json) -> None:
    identities = [
        {"type": "email", "encoding": "sha256", "value": "canary-pii-hash"},
        {"type": "email", "encoding": "raw", "value": " canary-pii-lee@example.com "},
        {"type": "customer", "encoding": "raw", "value": "canary-pii-customer-9"},
    ]
    content = {**with_settings("event_processing_request", projectType=project), "user_identities": identities}
    content["events"] = content["events"][:1]

    assert [body.items() >= user.items() for _, body, _ in sent(events, content)] == [True, True]


def test_in_a_hybrid_project_a_user_without_customer_id_is_known_by_the_address() -> None:
    content = with_settings("event_processing_request", projectType="hybrid")
    content["user_identities"] = content["user_identities"][:1]

    assert [body for name, body, _ in sent(events, content) if name == "users/updateEmail"] == [
        {"currentEmail": "canary-pii-jane@example.com", "newEmail": "canary-pii-jane@new.example.com"}
    ]


def test_events_of_a_user_whom_the_project_cannot_know_are_undeliverable_a_hash_included() -> None:
    hashed = [{"type": "email", "encoding": "sha256", "value": "canary-pii-hash"}]
    content = message("event_processing_request", user_identities=hashed)

    found = list(events(read(content)))

    assert found == [Undeliverable((("events", place),), NO_PERSON) for place in range(7)]


def test_a_keep_alive_needs_no_settings_and_becomes_nothing() -> None:
    assert (
        sent(
            events,
            message("event_processing_request", account={}, events=[], user_attributes={}, user_attribute_lists={}),
        )
        == []
    )


def test_attributes_alone_are_an_update() -> None:
    found = sent(events, message("event_processing_request", events=[]))

    assert [(name, covers) for name, _, covers in found] == [("users/update", ())]


@pytest.mark.parametrize(
    "setting",
    ["apiKey", "dataCenter", "projectType"],
)
@pytest.mark.parametrize("value", [None, "", "canary-\u00e9", "canary-two words"])
def test_an_unusable_setting_is_named_and_its_value_is_not(setting: str, value: str | None) -> None:
    for mapping, name in (
        (events, "event_processing_request"),
        (memberships, "audience_membership_change_request"),
        (erasures, "dsr_processing_request"),
    ):
        with pytest.raises(SettingError, match=f"^account setting '{setting}' ") as caught:
            items(mapping, with_settings(name, **{setting: value}))
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            {
                "type": "product_action",
                "action": "purchase",
                "products": [{"name": "Tea", "quantity": 3, "price": 2.5}],
            },
            {
                "user": JANE,
                "items": [{"id": "Tea", "name": "Tea", "price": 2.5, "quantity": 3}],
                "total": 7.5,
                "createdAt": 1,
                "dataFields": {},
            },
            id="purchase-without-total",
        ),
        pytest.param(
            {"type": "product_action", "action": "purchase", "total_amount": 0, "products": [{"id": "T", "price": 2}]},
            {
                "user": JANE,
                "items": [{"id": "T", "name": "T", "price": 2, "quantity": 1}],
                "total": 0,
                "createdAt": 1,
                "dataFields": {},
            },
            id="purchase-for-nothing",
        ),
        pytest.param(
            {"type": "custom_event", "name": "N", "source_id": "s-1"},
            {**JANE, "eventName": "N", "id": "s-1", "createdAt": 1},
            id="id-of-the-source",
        ),
        pytest.param({"type": "custom_event", "name": "N"}, {**JANE, "eventName": "N", "createdAt": 1}, id="no-id"),
        pytest.param(
            {"type": "user_identity_change", "added": [{"type": "email", "encoding": "raw", "value": "x"}]},
            None,
            id="first-address",
        ),
        pytest.param({"type": "push_message_open", "payload": "{}"}, None, id="push-of-another-vendor"),
        pytest.param(
            {"type": "push_message_open", "payload": '{"itbl": {"campaignId": 7}}'}, None, id="push-without-message"
        ),
        pytest.param(
            {"type": "push_message_open", "payload": '{"itbl": "{\\"campaignId\\": 7, \\"messageId\\": \\"m\\"}"}'},
            {**JANE, "campaignId": 7, "messageId": "m", "createdAt": 1},
            id="push-as-android-nests-it",
        ),
        pytest.param({"type": "push_subscription", "action": "subscribe"}, None, id="no-token"),
    ],
)
def test_single_events(event: Json, expected: Json | None) -> None:
    assert [body for _, body, _ in sent(events, one_event(**event))] == ([expected] if expected else [])


def test_apps_with_iterables_own_sdk_report_pushes_and_tokens_themselves() -> None:
    content = message("event_processing_request", integration_attributes={"Iterable.sdkVersion": "6.5.0"})

    names = {name for name, _, _ in sent(events, content)}

    assert names == {"users/updateEmail", "users/update", "commerce/trackPurchase", "events/trackBulk"}


def test_without_the_name_of_a_push_app_tokens_are_not_sent() -> None:
    content = with_settings("event_processing_request", iosSandboxPushApp=None)

    assert "users/registerDeviceToken" not in {name for name, _, _ in sent(events, content)}


def test_memberships_become_subscriptions_and_updates_in_their_order() -> None:
    jane, lee, max_ = ({"email": f"canary-pii-{name}@example.com"} for name in ("jane", "lee", "max"))
    found = items(memberships, message("audience_membership_change_request"))

    assert [(each.endpoint.name, dict(each.target.parameters), each.body, each.covers) for each in found] == [
        (
            "lists/subscribe",
            {"list": "5001"},
            {**jane, "dataFields": {"loyalty_tier": "gold", "favourite_teas": ["sencha", "oolong"]}},
            (("user_profiles", 0, 0),),
        ),
        ("lists/unsubscribe", {"list": "5002"}, jane, (("user_profiles", 0, 1),)),
        (
            "users/bulkUpdate",
            {},
            {**lee, "dataFields": {"visits": "19", "newsletter": True, "birthday": None}},
            (("user_profiles", 1, 0),),
        ),
        ("lists/subscribe", {"list": "5003"}, lee, (("user_profiles", 1, 1),)),
        ("lists/subscribe", {"list": "5001"}, max_, (("user_profiles", 2, 0),)),
    ]
    assert {each.endpoint.order for each in found} == {"user"}
    assert [each.key for each in found] == [
        f"email canary-pii-{n}@example.com" for n in ("jane", "jane", "lee", "lee", "max")
    ]


@pytest.mark.parametrize(
    ("audience", "identities", "reason"),
    [
        ({"action": "add", "audience_subscription_settings": {"listId": "5001"}}, [], NO_PERSON),
        (
            {"action": "add", "audience_subscription_settings": {"listId": "canary-x"}},
            [{"type": "email", "encoding": "raw", "value": "a@b"}],
            "its action is unknown, or its audience setting 'listId' is not the number of a list",
        ),
        (
            {"action": "suspend", "audience_subscription_settings": {"listId": "1"}},
            [{"type": "email", "encoding": "raw", "value": "a@b"}],
            "its action is unknown, or its audience setting 'listId' is not the number of a list",
        ),
    ],
    ids=["nobody", "no-list", "unknown-action"],
)
def test_a_change_that_cannot_be_sent_says_why(audience: Json, identities: list[Json], reason: str) -> None:
    profiles = [{"user_identities": identities, "audiences": [audience]}]
    request = read(message("audience_membership_change_request", user_profiles=profiles))

    found = list(memberships(request))

    assert found == [Undeliverable((("user_profiles", 0, 0),), reason)]


@pytest.mark.parametrize(
    ("project", "bodies"),
    [
        ("email", [JANE]),
        ("userId", [{"userId": "canary-pii-customer-31"}]),
        ("hybrid", [{"userId": "canary-pii-customer-31"}, JANE]),
    ],
)
def test_an_erasure_is_a_call_for_each_identity_of_the_project(project: str, bodies: list[Json]) -> None:
    found = items(erasures, with_settings("dsr_processing_request", projectType=project))

    assert [each.body for each in found] == bodies
    assert len({each.covers for each in found}) == len(bodies)
    assert {(each.endpoint.name, bool(each.covers)) for each in found} == {("users/forget", True)}


@pytest.mark.parametrize(
    "people", [{}, {"email": {"encoding": "sha256", "value": "canary-pii-hash"}}], ids=["none", "hash"]
)
def test_an_erasure_of_a_person_whom_the_project_cannot_know_is_undeliverable(people: Json) -> None:
    request = read(message("dsr_processing_request", subject_identities=people, extensions=None))

    found = list(erasures(request))

    assert found == [Undeliverable((("subject_identities", 0),), NO_PERSON)]


def test_a_list_with_the_audiences_name_is_found_and_none_is_made() -> None:
    api = FakeApi()

    settings = conclude(api, subscription(read(message("audience_subscription_add"))))

    assert (settings, len(api.lists)) == ({"listId": "5001"}, 3)


def test_a_missing_list_is_made_once_however_often_the_request_comes() -> None:
    api, request = FakeApi(), read(message("audience_subscription_add_new"))

    settings = [conclude(api, subscription(request)) for _ in range(2)]

    assert settings == [{"listId": "5004"}] * 2
    assert api.lists[5004] == "New customers"


def test_lists_that_take_no_subscribers_are_not_taken_for_the_audiences() -> None:
    exchange = subscription(read(message("audience_subscription_add")))
    next(exchange)
    dynamic = {"id": 9, "name": "Tea lovers", "listType": "Dynamic"}

    call = exchange.send(Answer(status=200, body={"lists": [dynamic]}))

    assert (call.method, call.path, call.site) == ("POST", "/api/lists", "us")


@pytest.mark.parametrize(
    ("action", "kept", "expected"),
    [
        ("update", {"listId": "5001"}, {"listId": "5001"}),
        ("remove", {"listId": "5001"}, {"listId": "5001"}),
        ("remove", {}, {}),
    ],
)
def test_a_list_that_is_known_needs_no_call(action: str, kept: Json, expected: Json) -> None:
    content = message("audience_subscription_add", action=action, audience_subscription_settings=kept)

    with pytest.raises(StopIteration) as end:
        next(subscription(read(content)))

    assert end.value.value == expected


def test_an_answer_without_the_lists_id_is_no_success() -> None:
    exchange = subscription(read(message("audience_subscription_add")))
    next(exchange)
    exchange.send(Answer(status=200, body={"lists": []}))

    with pytest.raises(DeliveryError):
        exchange.send(Answer(status=200, body={}))


@pytest.mark.parametrize("name", sorted(path.stem for path in ROOM.events.glob("*.json")))
def test_the_api_takes_every_call_of_every_request(name: str) -> None:
    api, request = FakeApi(), read(message(name))
    mappings = {"event": events, "audience_membership": memberships, "dsr": erasures}
    mapping: Any = next((each for kind, each in mappings.items() if name.startswith(f"{kind}_")), None)

    for item in mapping(request) if mapping and name != "module_registration_request" else ():
        call = item.endpoint.call(item.target, [item.body])
        assert isinstance(call, PartnerCall)
        host = SITES[item.target.site].removeprefix("https://")
        answer = answer_to(api, call, target=item.target, host=host)
        assert item.endpoint.judge([item.body], answer) in (None, Delivered())


def test_a_call_holds_as_many_events_as_the_limits_allow() -> None:
    def size(count: int, event_bytes: int) -> int:
        event = {"email": "a@x.io", "eventName": "n", "dataFields": {"x": ""}}
        padded: Json = {
            **event,
            "dataFields": {"x": "x" * (event_bytes - len(json.dumps(event, separators=(",", ":"))))},
        }
        call = TRACK.call(items(events, message("event_processing_request"))[0].target, [padded] * count)
        assert isinstance(call, PartnerCall)
        return call.size()

    assert (TRACK.max_items, size(1000, 300) <= TRACK.max_bytes) == (1000, True)
    assert size(799, 5000) <= TRACK.max_bytes < size(800, 5000)


def test_lists_of_different_audiences_or_verbs_never_share_a_call_but_requests_do() -> None:
    found = items(memberships, message("audience_membership_change_request"))

    assert Counter((each.endpoint.name, each.target) for each in found).most_common(1)[0][1] == 2
    assert SUBSCRIBE.across_requests


def test_the_types_of_events_that_are_mapped_are_declared() -> None:
    declared = INTEGRATION.declaration().event_processing_registration

    assert declared is not None
    assert declared.supported_event_types == tuple(EVENT_MAPPINGS)
