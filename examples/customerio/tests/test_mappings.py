"""What mParticle's requests become at Customer.io. Every call is shown to the fake API, which checks it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from examples.customerio.fake_api import FakeApi
from examples.customerio.partner.account import SITES
from examples.customerio.partner.audiences import ADD, REMOVE, memberships, subscription
from examples.customerio.partner.batch import BATCH, NO_PERSON
from examples.customerio.partner.erasures import erasures
from examples.customerio.partner.events import EVENT_MAPPINGS, events
from examples.customerio.partner.integration import INTEGRATION
from local.partner.answering import answer_to, conclude
from local.rooms import Room
from mparticle_firehose.errors import DeliveryError, SettingError
from mparticle_firehose.integration import Answer, Basic, Bearer, Delivered, Item, PartnerCall, Target, Undeliverable
from mparticle_firehose.protocol import Serializer

type Json = dict[str, Any]

ROOM = Room.of("examples/customerio")
JANE = {"type": "person", "identifiers": {"id": "canary-pii-customer-31"}}
KIM = {"type": "person", "identifiers": {"email": "canary-pii-kim@example.com"}}
SECONDS = 1759999900


def message(name: str, **overrides: object) -> Json:
    return {**json.loads((ROOM.events / f"{name}.json").read_text()), **overrides}


def read(content: Json) -> Any:
    return Serializer().parse(content)


def items(mapping: Callable[[Any], Any], content: Json) -> list[Item]:
    found = list(mapping(read(content)))
    assert all(isinstance(each, Item) for each in found)
    return found


def sent(mapping: Callable[[Any], Any], content: Json) -> list[tuple[Any, tuple[Any, ...]]]:
    return [(each.body, each.covers) for each in items(mapping, content)]


def with_settings(name: str, **settings: str | None) -> Json:
    content = message(name)
    known = {**content["account"]["account_settings"], **settings}
    kept = {key: value for key, value in known.items() if value is not None}
    return {**content, "account": {**content["account"], "account_settings": kept}}


def one_event(environment: str = "ios", **event: object) -> Json:
    return message(
        "event_processing_request_web",
        runtime_environment={"type": environment},
        events=[{"timestamp_ms": 1000, **event}],
    )


def test_the_person_comes_first_and_covers_a_changed_address_then_the_events_in_their_order() -> None:
    assert sent(events, message("event_processing_request")) == [
        (
            {
                **JANE,
                "action": "identify",
                "timestamp": 1760000000,
                "attributes": {
                    "first_name": "canary-pii-Jane",
                    "City": "canary-pii-Portland",
                    "loyalty_tier": "gold",
                    "newsletter": True,
                    "favourite_teas": ["sencha", "oolong"],
                    "email": "canary-pii-jane@example.com",
                },
            },
            (("events", 4),),
        ),
        (
            {
                **JANE,
                "action": "event",
                "timestamp": SECONDS,
                "name": "Review Written",
                "attributes": {"rating": "5", "author": "canary-pii-Jane"},
                "id": "610QG0W0008008000000000081",
            },
            (("events", 0),),
        ),
        (
            {
                **JANE,
                "action": "screen",
                "timestamp": SECONDS,
                "name": "Teapots",
                "attributes": {"sort": "price"},
                "id": "610QG0W0008008000000000082",
            },
            (("events", 1),),
        ),
        (
            {
                **JANE,
                "action": "event",
                "timestamp": SECONDS,
                "name": "purchase",
                "id": "610QG0W0008008000000000083",
                "attributes": {
                    "payment": "card",
                    "transaction_id": "ORDER-5150",
                    "currency": "EUR",
                    "coupon": "AUTUMN10",
                    "total": 126.45,
                    "tax": 20.19,
                    "shipping": 0,
                    "products": [
                        {
                            "id": "TEA-01",
                            "name": "Stoneware teapot",
                            "brand": "Acme",
                            "category": "Kitchen/Teapots",
                            "variant": "blue",
                            "price": 39.9,
                            "quantity": 2,
                            "total": 79.8,
                            "attributes": {"engraving": "canary-pii-For Jane"},
                        },
                        {"id": "SEN-07", "name": "Sencha, loose", "price": 186.6, "quantity": 0.25, "total": 46.65},
                    ],
                },
            },
            (("events", 2),),
        ),
        (
            {
                **JANE,
                "action": "event",
                "timestamp": SECONDS,
                "name": "promotion_view",
                "id": "610QG0W0008008000000000084",
                "attributes": {
                    "placement": "banner",
                    "promotions": [{"id": "AUTUMN", "name": "Autumn sale", "creative": "leaves", "position": "top"}],
                },
            },
            (("events", 3),),
        ),
        (
            {
                **JANE,
                "action": "add_device",
                "device": {"id": "canary-pii-token-31", "platform": "ios", "last_used": SECONDS},
            },
            (("events", 5),),
        ),
        (
            {
                "type": "delivery",
                "action": "event",
                "identifiers": {"id": "canary-pii-delivery-31"},
                "name": "opened",
                "attributes": {"device_token": "canary-pii-token-31"},
            },
            (("events", 6),),
        ),
    ]


def test_a_browser_shows_pages_and_has_no_push_tokens() -> None:
    found = sent(events, message("event_processing_request_web"))

    assert [(body["action"], body["name"], body["identifiers"], covers) for body, covers in found] == [
        ("page", "Basket", KIM["identifiers"], (("events", 0),)),
        ("event", "add_to_cart", KIM["identifiers"], (("events", 1),)),
    ]


def test_events_and_people_go_to_the_customers_region_with_the_customers_credential_in_one_lane() -> None:
    found = items(events, message("event_processing_request"))

    assert {each.target.site for each in found} == {"eu"}
    assert {each.target.auth for each in found} == {Basic("canary-site-4242", "canary-secret-track-4242")}
    assert {each.endpoint for each in found} == {BATCH}
    assert {endpoint.order for endpoint in (BATCH, ADD, REMOVE)} == {"person"}


def test_a_batch_has_one_update_of_a_person_and_one_entity_of_a_device_but_any_number_of_events() -> None:
    tokens = [
        {"type": "push_subscription", "action": action, "token": "canary-token", "timestamp_ms": 1}
        for action in ("subscribe", "unsubscribe")
    ]
    content = message("event_processing_request")

    keys = [each.key for each in items(events, {**content, "events": [*content["events"], *tokens]})]

    assert [bool(key) for key in keys] == [True, False, False, False, False, True, False, True, True]
    assert keys[7] == keys[8] != keys[5]


@pytest.mark.parametrize(
    ("environment", "event", "expected"),
    [
        pytest.param(
            "android",
            {"type": "push_subscription", "action": "subscribe", "token": "canary-t"},
            {**KIM, "action": "add_device", "device": {"id": "canary-t", "platform": "android", "last_used": 1}},
            id="android",
        ),
        pytest.param(
            "ios",
            {"type": "push_subscription", "action": "unsubscribe", "token": "canary-t"},
            {**KIM, "action": "delete_device", "device": {"id": "canary-t"}},
            id="token-off",
        ),
        pytest.param("ios", {"type": "push_subscription", "action": "subscribe"}, None, id="no-token"),
        pytest.param(
            "ios", {"type": "push_message_open", "payload": '{"itbl": {}}'}, None, id="push-of-another-vendor"
        ),
        pytest.param(
            "ios",
            {"type": "custom_event", "name": "N"},
            {**KIM, "action": "event", "timestamp": 1, "name": "N"},
            id="event-without-id",
        ),
        pytest.param(
            "ios",
            {"type": "custom_event", "name": "N", "timestamp_ms": 0},
            {**KIM, "action": "event", "name": "N"},
            id="event-without-time",
        ),
        pytest.param("ios", {"type": "session_start"}, None, id="not-mapped"),
    ],
)
def test_single_events(environment: str, event: Json, expected: Json | None) -> None:
    assert [body for body, _ in sent(events, one_event(environment, **event))] == ([expected] if expected else [])


def test_who_is_known_by_an_address_alone_has_it_as_identifier_and_not_as_attribute() -> None:
    content = message("event_processing_request_web", events=[], user_attributes={"tier": "gold"})

    assert sent(events, content) == [
        ({**KIM, "action": "identify", "timestamp": 1760000000, "attributes": {"tier": "gold"}}, ())
    ]


def test_events_of_somebody_without_identity_are_undeliverable_a_hash_included() -> None:
    hashed = [{"type": "customer", "encoding": "sha256", "value": "canary-pii-hash"}]
    content = message("event_processing_request", user_identities=hashed)

    assert list(events(read(content))) == [Undeliverable((("events", place),), NO_PERSON) for place in range(7)]


def test_a_keep_alive_needs_no_settings_and_becomes_nothing() -> None:
    assert sent(events, message("event_processing_request_web", account={}, events=[])) == []


@pytest.mark.parametrize("setting", ["siteId", "trackApiKey", "region"])
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


def test_a_site_id_with_a_colon_would_be_another_credential() -> None:
    with pytest.raises(SettingError, match=r"^account setting 'siteId' must not hold a colon$"):
        items(events, with_settings("event_processing_request", siteId="canary-a:b"))


def test_who_joins_is_made_first_and_who_leaves_is_not() -> None:
    found = items(memberships, message("audience_membership_change_request"))

    assert [
        (each.endpoint.name, dict(each.target.parameters), each.body, each.covers[0][1:], bool(each.key))
        for each in found
    ] == [
        (
            "batch",
            {},
            {
                **JANE,
                "action": "identify",
                "timestamp": 1760000000,
                "attributes": {
                    "loyalty_tier": "gold",
                    "favourite_teas": ["sencha", "oolong"],
                    "email": "canary-pii-jane@example.com",
                },
            },
            (0, 0),
            True,
        ),
        ("add_customers", {"segment": "7", "id_type": "id"}, {"id": "canary-pii-customer-31"}, (0, 0), True),
        ("remove_customers", {"segment": "8", "id_type": "id"}, {"id": "canary-pii-customer-31"}, (0, 1), True),
        (
            "batch",
            {},
            {
                "type": "person",
                "identifiers": {"email": "canary-pii-lee@example.com"},
                "action": "identify",
                "timestamp": 1760000000,
                "attributes": {},
            },
            (1, 0),
            True,
        ),
        ("add_customers", {"segment": "7", "id_type": "email"}, {"id": "canary-pii-lee@example.com"}, (1, 0), True),
        (
            "batch",
            {},
            {
                "type": "person",
                "identifiers": {"id": "canary-pii-customer-34"},
                "action": "identify",
                "timestamp": 1760000000,
                "attributes": {"visits": "19", "newsletter": True, "birthday": None},
            },
            (2, 0),
            True,
        ),
        (
            "batch",
            {},
            {
                "type": "person",
                "identifiers": {"id": "canary-pii-customer-34"},
                "action": "identify",
                "timestamp": 1760000000,
                "attributes": {},
            },
            (2, 1),
            True,
        ),
        ("add_customers", {"segment": "7", "id_type": "id"}, {"id": "canary-pii-customer-34"}, (2, 1), True),
    ]


def test_the_kind_of_identifier_is_in_the_query_and_the_verb_in_the_path() -> None:
    lee = items(memberships, message("audience_membership_change_request"))[4]

    call = lee.endpoint.call(lee.target, [lee.body, {"id": "canary-other@example.com"}])

    assert isinstance(call, PartnerCall)
    assert (call.path, dict(call.query)) == ("/api/v1/segments/7/add_customers", {"id_type": "email"})
    assert call.body is not None
    assert json.loads(call.body.encoded()) == {"ids": ["canary-pii-lee@example.com", "canary-other@example.com"]}


@pytest.mark.parametrize(
    ("audience", "reason"),
    [
        (
            {"action": "add"},
            "its action is unknown, or its audience setting 'segmentId' is missing",
        ),
        (
            {"action": "suspend", "audience_subscription_settings": {"segmentId": "7"}},
            "its action is unknown, or its audience setting 'segmentId' is missing",
        ),
    ],
    ids=["no-segment", "unknown-action"],
)
def test_a_change_that_cannot_be_sent_says_why(audience: Json, reason: str) -> None:
    identities = [{"type": "email", "encoding": "raw", "value": "canary-a@example.com"}]
    profiles = [{"user_identities": identities, "audiences": [audience]}, {"audiences": [audience]}]

    found = list(memberships(read(message("audience_membership_change_request", user_profiles=profiles))))

    assert found == [
        Undeliverable((("user_profiles", 0, 0),), reason),
        Undeliverable((("user_profiles", 1, 0),), NO_PERSON),
    ]


@pytest.mark.parametrize("segment", ["..", "7/../8", "%2e%2e", " "])
def test_a_segment_of_another_path_is_not_called(segment: str) -> None:
    with pytest.raises(SettingError, match=r"^setting 'segmentId' must be an id: "):
        ADD.call(Target(parameters={"segment": segment, "id_type": "id"}), [{"id": "1"}])


def test_an_erasure_suppresses_each_identifier() -> None:
    assert sent(erasures, message("dsr_processing_request")) == [
        ({**JANE, "action": "suppress"}, (("subject_identities", 0),)),
        (
            {"type": "person", "identifiers": {"email": "canary-pii-jane@example.com"}, "action": "suppress"},
            (("subject_identities", 1),),
        ),
    ]


@pytest.mark.parametrize(
    "people", [{}, {"email": {"encoding": "sha256", "value": "canary-pii-hash"}}], ids=["none", "hash"]
)
def test_an_erasure_of_somebody_without_identity_is_undeliverable(people: Json) -> None:
    request = read(message("dsr_processing_request", subject_identities=people, extensions=None))

    assert list(erasures(request)) == [Undeliverable((("subject_identities", 0),), NO_PERSON)]


def test_a_manual_segment_with_the_audiences_name_is_found_on_the_other_host_with_the_other_key() -> None:
    exchange = subscription(read(message("audience_subscription_add")))

    call = next(exchange)

    assert (call.method, call.path, call.site) == ("GET", "/v1/segments", "app-eu")
    assert call.auth == Bearer("canary-secret-app-4242")
    assert conclude(FakeApi(), subscription(read(message("audience_subscription_add")))) == {"segmentId": "7"}


def test_a_missing_segment_is_made_once_however_often_the_request_comes_and_not_mistaken_for_a_dynamic_one() -> None:
    api, request = FakeApi(), read(message("audience_subscription_add_new"))

    settings = [conclude(api, subscription(request)) for _ in range(2)]

    assert settings == [{"segmentId": "10"}] * 2
    assert [each["type"] for each in api.segments.values() if each["name"] == "New customers"] == ["dynamic", "manual"]


@pytest.mark.parametrize(
    ("action", "kept", "expected"),
    [
        ("update", {"segmentId": "7"}, {"segmentId": "7"}),
        ("remove", {"segmentId": "7"}, {"segmentId": "7"}),
        ("remove", {}, {}),
    ],
)
def test_a_segment_that_is_known_needs_no_call(action: str, kept: Json, expected: Json) -> None:
    content = message("audience_subscription_add", action=action, audience_subscription_settings=kept)

    with pytest.raises(StopIteration) as end:
        next(subscription(read(content)))

    assert end.value.value == expected


def test_an_answer_without_the_segments_id_is_no_success() -> None:
    exchange = subscription(read(message("audience_subscription_add")))
    next(exchange)
    exchange.send(Answer(status=200, body={"segments": []}))

    with pytest.raises(DeliveryError):
        exchange.send(Answer(status=200, body={}))


def test_a_missing_app_key_is_a_settings_error() -> None:
    with pytest.raises(SettingError, match=r"^account setting 'appApiKey' "):
        next(subscription(read(with_settings("audience_subscription_add", appApiKey=None))))


@pytest.mark.parametrize("name", sorted(path.stem for path in ROOM.events.glob("*.json")))
def test_the_api_takes_every_call_of_every_request(name: str) -> None:
    api, request = FakeApi(), read(message(name))
    mappings = {"event": events, "audience_membership": memberships, "dsr": erasures}
    mapping: Any = next((each for kind, each in mappings.items() if name.startswith(f"{kind}_")), None)

    for item in mapping(request) if mapping else ():
        call = item.endpoint.call(item.target, [item.body])
        assert isinstance(call, PartnerCall)
        answer = answer_to(api, call, target=item.target, host=SITES[item.target.site].removeprefix("https://"))
        assert (answer.status, item.endpoint.judge([item.body], answer)) in {(200, None), (200, Delivered)}


def test_the_people_of_the_sample_are_members_at_the_end() -> None:
    api = FakeApi()

    for item in items(memberships, message("audience_membership_change_request")):
        call = item.endpoint.call(item.target, [item.body])
        assert isinstance(call, PartnerCall)
        answer_to(api, call, target=item.target)

    assert api.members[7] == {"canary-pii-customer-31", "canary-pii-lee@example.com", "canary-pii-customer-34"}


def test_the_types_of_events_that_are_mapped_are_declared() -> None:
    declared = INTEGRATION.declaration().event_processing_registration

    assert declared is not None
    assert declared.supported_event_types == tuple(EVENT_MAPPINGS)
