"""What HubSpot gets for mParticle's requests."""

import json
from dataclasses import replace
from typing import Any

import pytest

from local.partner.answering import answer_to, conclude
from local.rooms import Room
from mparticle_firehose.errors import DeliveryError, RefusedError, SettingError
from mparticle_firehose.integration import (
    Answer,
    Delivered,
    DeploymentSecret,
    Form,
    Item,
    OAuth2,
    PartnerCall,
    Undeliverable,
)
from mparticle_firehose.protocol import Serializer

ROOM = Room.of("examples/hubspot")
INTEGRATION = ROOM.integration()
HOST = "api.hubapi.com"
SETTINGS = {"refreshToken": "canary-hubspot-refresh-token", "hubId": "4242"}
JANE = {"type": "email", "encoding": "raw", "value": "canary-jane@example.com"}

type Json = dict[str, Any]
type Planned = list[Item | Undeliverable]


def request(name: str, **overrides: object) -> Json:
    return {**json.loads((ROOM.events / f"{name}.json").read_text()), **overrides}


def mapped(message: Json) -> Planned:
    parsed: Any = Serializer().parse(message)
    mapping: Any = {
        "event_processing_request": INTEGRATION.events,
        "audience_membership_change_request": INTEGRATION.memberships,
        "dsr_processing_request": INTEGRATION.erasures,
    }[parsed.type]
    return list(mapping(parsed))


def bodies(planned: Planned) -> list[Any]:
    """Return what is sent, as JSON."""
    return [json.loads(json.dumps(each.body)) for each in planned if isinstance(each, Item)]


def events_of(*events: Json, **overrides: object) -> Planned:
    fields: Json = {"user_attributes": {}, "user_attribute_lists": {}, "user_identities": [JANE]}
    return mapped(request("event_processing_request", **{**fields, "events": list(events), **overrides}))


def event(kind: str, **fields: object) -> Json:
    return {"type": kind, "timestamp_ms": 1760000000000, **fields}


def change_of(settings: Json | None = None, **audience: object) -> Planned:
    own = {"audience_id": 1, "audience_subscription_settings": settings or {"listId": "7"}, **audience}
    profile = {"user_identities": [JANE], "mpid": "42", "audiences": [own]}
    return mapped(request("audience_membership_change_request", user_profiles=[profile]))


@pytest.mark.parametrize("name", ["event_processing_request", "event_processing_request_web",
                                  "event_processing_keep_alive", "audience_membership_change_request",
                                  "dsr_processing_request"])  # fmt: skip
def test_every_request_keeps_the_contract_and_is_taken(name: str) -> None:
    api = ROOM.fake_api()

    for item in mapped(request(name)):
        assert isinstance(item, Item)
        call = item.endpoint.call(item.target, [item.body])
        if isinstance(call, PartnerCall):
            answer = answer_to(api, call, target=item.target, host=HOST)
            assert item.endpoint.judge([item.body], answer) in (None, Delivered())
            assert answer.succeeded
        else:
            assert conclude(api, call, target=item.target) == Delivered()


class TestEvents:
    def test_the_contacts_properties_come_first_as_texts_and_only_those_that_exist(self) -> None:
        contact, *events = mapped(request("event_processing_request"))

        assert isinstance(contact, Item)
        assert (contact.endpoint.name, contact.covers, contact.key) == ("upsert", (), "canary-jane@example.com")
        assert bodies([contact]) == [
            {
                "id": "canary-jane@example.com",
                "properties": {
                    "email": "canary-jane@example.com", "firstname": "canary-Jane", "lastname": "canary-Doe",
                    "city": "canary-Portland", "zip": "canary-97201", "loyalty_tier": "gold",
                    "favourite_teas": "sencha;oolong",
                },
            }
        ]  # fmt: skip
        assert [each.covers for each in events] == [(("events", place),) for place in (1, 2, 3, 4)]

    def test_a_tag_is_true_and_an_address_among_the_listed_attributes_changes_nobodys(self) -> None:
        account = {"account_id": 1, "account_settings": {**SETTINGS, "contactProperties": "vip,email,"}}
        attributes = {"vip": None, "email": "canary-other@example.com", "": "x"}

        (contact,) = bodies(events_of(user_attributes=attributes, account=account))

        assert contact["properties"] == {"vip": "true", "email": "canary-jane@example.com"}

    @pytest.mark.parametrize(
        ("fields", "name", "properties"),
        [
            (event("custom_event", name="Review Written!", attributes={"Star Rating": "5", "x": None, "*": "y"}),
             "review_written", {"star_rating": "5"}),
            (event("screen_view", screen_name="Home"), "screen_view", {"screen_name": "Home"}),
            (
                event("product_action", action="purchase", total_amount=126.45, currency_code="EUR",
                      transaction_id="O-1", products=[{"id": "T"}, {"id": "U"}, {}]),
                "purchase",
                {"total_amount": "126.45", "currency": "EUR", "transaction_id": "O-1", "products": "T;U"},
            ),
        ],
        ids=["custom", "screen", "purchase"],
    )  # fmt: skip
    def test_an_event_has_an_internal_name_and_texts(self, fields: Json, name: str, properties: Json) -> None:
        (sent,) = bodies(events_of(fields))

        assert sent == {
            "eventName": f"pe4242_{name}",
            "email": "canary-jane@example.com",
            "occurredAt": "2025-10-09T08:53:20.000Z",
            "properties": properties,
        }

    def test_mparticles_id_lets_hubspot_refuse_a_repeated_event(self) -> None:
        (sent,) = bodies(events_of(event("custom_event", name="x", id="c8b3f002-0000-4000-8000-000000000905")))

        assert sent["uuid"] == "c8b3f002-0000-4000-8000-000000000905"

    def test_an_event_has_at_most_fifty_properties(self) -> None:
        (sent,) = bodies(events_of(event("custom_event", name="x", attributes={f"a{n}": "1" for n in range(60)})))

        assert len(sent["properties"]) == 50

    def test_without_an_address_there_is_no_contact_and_a_hash_is_none(self) -> None:
        hashed = [{**JANE, "encoding": "sha256"}]

        planned = events_of(event("custom_event", name="x"), event("session_end"), user_identities=hashed, account=None)

        assert planned == [Undeliverable((("events", 0),), "the user has no address")]

    def test_an_event_without_a_name_costs_only_itself(self) -> None:
        planned = events_of(event("custom_event", name="!"), event("custom_event", name="x"))

        assert planned[0] == Undeliverable((("events", 0),), "the event has no name")
        assert [sent["eventName"] for sent in bodies(planned)] == ["pe4242_x"]


class TestMemberships:
    @pytest.mark.parametrize(
        ("action", "endpoint", "parameters", "body"),
        [
            ("add", "join", {"list": "7"}, {"email": "canary-jane@example.com", "loyalty_tier": ""}),
            ("delete", "leave", {"list": "7"}, None),
            ("attribute_update", "upsert", {}, {"email": "canary-jane@example.com", "loyalty_tier": ""}),
        ],
    )
    def test_a_change_is_a_join_a_leave_or_an_upsert(
        self, action: str, endpoint: str, parameters: Json, body: Json | None
    ) -> None:
        (item,) = change_of(action=action, user_attributes=[{"key": "loyalty_tier", "action": "delete"}])

        assert isinstance(item, Item)
        assert (item.endpoint.name, dict(item.target.parameters)) == (endpoint, parameters)
        assert bodies([item]) == [{"id": "canary-jane@example.com", **({"properties": body} if body else {})}]
        assert (item.endpoint.lane, item.key) == ("contact", "canary-jane@example.com")

    @pytest.mark.parametrize(
        ("settings", "action"), [({"other": "7"}, "add"), ({"listId": "7"}, "canary-new")], ids=["list", "action"]
    )
    def test_a_change_without_what_it_needs_is_undeliverable(self, settings: Json, action: str) -> None:
        reason = "the user's address, the list's id or a known action is missing"

        assert change_of(settings, action=action) == [Undeliverable((("user_profiles", 0, 0),), reason)]

    def test_joins_leaves_and_erasures_reach_the_lists(self) -> None:
        api: Any = ROOM.fake_api()
        joins = [change_of(action="add"), change_of(action="delete"), change_of(action="add")]

        members = []
        for (item,) in joins:
            assert isinstance(item, Item)
            exchange: Any = item.endpoint.call(item.target, [item.body])
            assert conclude(api, exchange, target=item.target) == Delivered()
            members.append(set(api.members["7"]))

        assert members == [{"101"}, set(), {"101"}]
        assert [contact["email"] for contact in api.contacts.values()] == ["canary-jane@example.com"]


def subscribed(api: Any, **overrides: object) -> dict[str, str]:
    parsed: Any = Serializer().parse(request("audience_subscription_add", **overrides))
    subscription: Any = INTEGRATION.subscription
    return dict(conclude(api, subscription(parsed)))


class TestSubscriptions:
    def test_a_connected_audience_becomes_a_static_list_whose_id_is_kept(self) -> None:
        api: Any = ROOM.fake_api()

        assert subscribed(api) == {"listId": "101"}
        assert api.lists == {
            "101": {"name": "Tea lovers (mParticle 1001)", "objectTypeId": "0-1", "processingType": "MANUAL"}
        }

    def test_a_list_whose_answer_was_lost_is_found_by_its_name(self) -> None:
        api: Any = ROOM.fake_api()

        assert subscribed(api, audience_name="Tea / lövers") == subscribed(api, audience_name="Tea / lövers")
        assert len(api.lists) == 1

    def test_a_list_that_is_known_is_kept_and_one_that_is_disconnected_stays(self) -> None:
        api: Any = ROOM.fake_api()
        settings = {"listId": "7"}

        assert subscribed(api, action="update", audience_subscription_settings=settings) == settings
        assert subscribed(api, action="remove", audience_subscription_settings=settings) == {}
        assert api.lists == {}

    def test_a_list_that_takes_no_members_from_outside_is_refused(self) -> None:
        api: Any = ROOM.fake_api()
        api.lists["9"] = {"name": "Tea lovers (mParticle 1001)", "processingType": "DYNAMIC"}

        with pytest.raises(RefusedError, match="not a static one"):
            subscribed(api)

    @pytest.mark.parametrize(
        ("answer", "error"),
        [((400, {"category": "VALIDATION_ERROR"}), RefusedError), ((200, {"list": {}}), DeliveryError)],
        ids=["refused", "without-an-id"],
    )
    def test_an_answer_without_a_list_is_no_success(self, answer: object, error: type[Exception]) -> None:
        api: Any = ROOM.fake_api()
        api.apply = lambda *_: answer

        with pytest.raises(error):
            subscribed(api)


@pytest.mark.parametrize("list_id", ["..", "7/../8", "%2e%2e", " "])
def test_a_list_of_another_path_is_not_called(list_id: str) -> None:
    (item,) = change_of(action="delete")
    assert isinstance(item, Item)
    exchange: Any = item.endpoint.call(replace(item.target, parameters={"list": list_id}), [item.body])
    next(exchange)

    with pytest.raises(SettingError, match=r"^setting 'listId' must be an id: "):
        exchange.send(Answer(status=200, body={"results": [{"id": "1"}]}))


class TestErasures:
    def test_a_person_is_forgotten_by_address_and_may_be_unknown(self) -> None:
        (item,) = mapped(request("dsr_processing_request"))

        assert isinstance(item, Item)
        call: Any = item.endpoint.call(item.target, [item.body])
        assert call.body.value == {"objectId": "canary-lee@example.com", "idProperty": "email"}
        assert (call.accept, item.endpoint.max_items) == ({404}, 1)

    def test_a_hash_is_never_taken_for_the_address(self) -> None:
        hashed = {"email": {"encoding": "sha256", "value": "canary-hash"}}
        extension = {"opendsr.mparticle.com": {"subject_identities": {"email": {"value": "canary-lee@example.com"}}}}

        both = mapped(request("dsr_processing_request", subject_identities=hashed, extensions=extension))
        alone = mapped(request("dsr_processing_request", subject_identities=hashed, extensions=None))

        assert bodies(both) == [{"id": "canary-lee@example.com"}]
        assert alone == []  # which the framework refuses, because of the hash

    def test_without_an_address_nobody_is_asked_for(self) -> None:
        other = {"controller_customer_id": {"encoding": "raw", "value": "canary-c"}}

        assert mapped(request("dsr_processing_request", subject_identities=other)) == []


class TestSettings:
    def test_the_token_request_has_the_deployments_client_and_the_customers_refresh_token(self) -> None:
        (item,) = change_of(action="add")

        assert isinstance(item, Item)
        auth = item.target.auth
        assert isinstance(auth, OAuth2)
        assert (item.target.site, auth.site, auth.path) == ("hubspot", "hubspot", "/oauth/2026-03/token")
        assert dict(auth.form) == {
            "grant_type": "refresh_token",
            "refresh_token": "canary-hubspot-refresh-token",
            "client_id": DeploymentSecret("client_id"),
            "client_secret": DeploymentSecret("client_secret"),
        }

    def test_the_token_request_keeps_the_contract_and_needs_the_deployments_secret(self) -> None:
        (item,) = change_of(action="add")
        assert isinstance(item, Item)
        auth: Any = item.target.auth

        answers = [
            answer_to(ROOM.fake_api(), PartnerCall(path=auth.path, body=Form({**dict(auth.form), **secret})), host=HOST)
            for secret in ({}, dict(ROOM.deployment_secret))
        ]

        assert [(answer.status, answer.text("error")) for answer in answers] == [(400, "invalid_client"), (200, "")]

    @pytest.mark.parametrize("name", ["event_processing_request", "audience_membership_change_request",
                                      "dsr_processing_request"])  # fmt: skip
    @pytest.mark.parametrize("token", [None, "two words", ""], ids=["none", "blank-inside", "empty"])
    def test_an_unusable_refresh_token_is_an_error_that_names_the_setting(self, name: str, token: str | None) -> None:
        account = {"account_id": 1, "account_settings": {**SETTINGS, "refreshToken": token}}

        with pytest.raises(SettingError, match="refreshToken"):
            mapped(request(name, account=account))

    @pytest.mark.parametrize("hub", [None, "canary-hub"], ids=["none", "no-number"])
    def test_events_need_the_hub_id(self, hub: str | None) -> None:
        account = {"account_id": 1, "account_settings": {**SETTINGS, "hubId": hub}}

        with pytest.raises(SettingError, match="hubId") as caught:
            events_of(event("custom_event", name="x"), account=account)

        assert "canary" not in str(caught.value)
