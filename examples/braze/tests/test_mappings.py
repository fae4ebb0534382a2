"""What Braze gets for mParticle's requests."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from local.partner.answering import answer_to
from local.rooms import Room
from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import Answer, Bearer, Item, PartnerCall, Target, Undeliverable
from mparticle_firehose.protocol import Serializer

ROOM = Room.of("examples/braze")
INTEGRATION = ROOM.integration()
SETTINGS = {"restApiKey": "canary-braze-rest-key", "instance": "EU-01"}

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


def objects(planned: Planned) -> list[Any]:
    """Return what is sent, as JSON."""
    items = (each for each in planned if isinstance(each, Item))
    return [json.loads(json.dumps(each.body.get("object", each.body))) for each in items]


def events_of(*events: Json, **overrides: object) -> Planned:
    fields: Json = {"user_attributes": {}, "user_attribute_lists": {}, "user_identities": [], "mpid": "42"}
    return mapped(request("event_processing_request", **{**fields, "events": list(events), **overrides}))


def event(kind: str, **fields: object) -> Json:
    return {"type": kind, "timestamp_ms": 1760000000000, **fields}


def raw(kind: str, value: str, encoding: str = "raw") -> Json:
    return {"type": kind, "encoding": encoding, "value": value}


def changes_of(*audiences: Json, **profile: object) -> Planned:
    profiles = [{"user_identities": [raw("customer", "canary-c")], "audiences": list(audiences), **profile}]
    return mapped(request("audience_membership_change_request", user_profiles=profiles))


def call_of(items: Iterable[Item | Undeliverable]) -> tuple[PartnerCall, Target]:
    """Return the call that carries items of one endpoint and target."""
    sent = [each for each in items if isinstance(each, Item)]
    call = sent[0].endpoint.call(sent[0].target, [each.body for each in sent])
    assert isinstance(call, PartnerCall)
    return call, sent[0].target


@pytest.mark.parametrize("file", sorted(ROOM.events.glob("*.json")), ids=lambda path: path.stem)
def test_every_request_keeps_the_contract_of_the_instances_host(file: Any) -> None:
    message = json.loads(file.read_text())
    if message["type"] == "audience_subscription_request":
        assert INTEGRATION.subscription is None
        return
    api = ROOM.fake_api()

    answers: list[Answer] = []
    for item in mapped(message):
        call, target = call_of([item])
        answers.append(answer_to(api, call, target=target, host="rest.fra-01.braze.eu"))

    assert [(answer.text("message"), answer.at("errors")) for answer in answers] == [("success", None)] * len(answers)


class TestEvents:
    def test_the_users_state_comes_first_and_its_key_is_the_users(self) -> None:
        planned = mapped(request("event_processing_request"))

        state, *others = (each for each in planned if isinstance(each, Item))
        assert state.covers == ()
        assert state.key.startswith("attr:")
        assert objects([state]) == [
            {
                "external_id": "canary-customer-31",
                "email": "canary-jane@example.com",
                "phone": "canary-+15035550131",
                "first_name": "canary-Jane",
                "last_name": "canary-Doe",
                "home_city": "canary-Portland",
                "loyalty_tier": "gold",
                "newsletter": True,
                "favourite_teas": ["sencha", "oolong"],
            }
        ]
        assert [each.covers for each in others] == [(("events", place),) for place in (1, 2, 3, 4, 4, 5, 6)]
        assert {each.key for each in others} == {""}

    def test_a_keep_alive_needs_no_settings(self) -> None:
        assert mapped(request("event_processing_keep_alive", account=None)) == []

    @pytest.mark.parametrize(
        ("identities", "mpid", "who"),
        [
            ([raw("email", "canary-e"), raw("customer", "canary-c")], "42", {"external_id": "canary-c"}),
            ([raw("mobile_number", "canary-m"), raw("email", "canary-e")], "42", {"email": "canary-e"}),
            ([raw("mobile_number", "canary-m")], "42", {"phone": "canary-m"}),
            (
                [raw("customer", "canary-hash", "sha256"), raw("email", "canary-hash", "md5")], "42",
                {
                    "user_alias": {"alias_name": "42", "alias_label": "mparticle_mpid"},
                    "_update_existing_only": False,
                },
            ),
        ],
        ids=["customer", "email", "phone", "hashes-are-no-identities"],
    )  # fmt: skip
    def test_the_best_identity_names_the_user(self, identities: list[Json], mpid: str, who: Json) -> None:
        planned = events_of(event("custom_event", name="Viewed"), user_identities=identities, mpid=mpid)

        (sent,) = [each for each in objects(planned) if "name" in each]
        assert sent == {"name": "Viewed", "app_id": "7e9b1c52-example-app", "time": "2025-10-09T08:53:20.000Z", **who}

    def test_an_event_of_nobody_is_undeliverable_and_costs_no_setting(self) -> None:
        planned = events_of(event("custom_event", name="x"), event("session_start"), mpid=None, account=None)

        assert planned == [Undeliverable((("events", 0),), "the user has no identity")]

    def test_an_attribute_that_would_name_another_user_is_left_out(self) -> None:
        names = ("braze_id", "external_id", "email", "phone", "user_alias", "_merge_objects", "$Zip", "")
        attributes = {**dict.fromkeys(names, "canary-other"), "tier": "gold"}

        (state,) = objects(events_of(user_attributes=attributes, user_identities=[raw("customer", "canary-c")]))

        assert state == {"external_id": "canary-c", "tier": "gold"}

    @pytest.mark.parametrize(
        ("fields", "name", "properties"),
        [
            (event("custom_event", name="Read", attributes={"a": "1", "b": None}), "Read", {"a": "1"}),
            (event("screen_view", screen_name="Home"), "screen_view", {"screen_name": "Home"}),
            (
                event("product_action", action="refund", products=[{"id": "T", "price": 2}], total_amount=2), "refund",
                {"products": [{"id": "T", "price": 2}], "total": 2},
            ),
            (event("product_action", action="purchase", total_amount=9), "purchase", {"products": [], "total": 9}),
            (
                event("promotion_action", action="click", promotions=[{"id": "P"}]), "promotion_click",
                {"promotions": [{"id": "P"}]},
            ),
            (event("push_message_open", payload='{"n": 1.5}'), "push_message_open", {"payload": {"n": 1.5}}),
        ],
        ids=["custom", "screen", "refund", "purchase-of-nothing", "promotion", "push-open"],
    )  # fmt: skip
    def test_an_event_has_a_name_and_properties(self, fields: Json, name: str, properties: Json) -> None:
        (sent,) = objects(events_of(fields))

        assert (sent["name"], sent["properties"]) == (name, properties)

    @pytest.mark.parametrize(
        ("product", "expected"),
        [
            ({"price": 39.9, "quantity": 2, "total_amount": 79.8}, (39.9, 2, {})),
            ({"price": 39.9}, (39.9, 1, {})),
            ({"price": 186.6, "quantity": 0.25, "total_amount": 46.65}, (46.65, 1, {"quantity": 0.25})),
            ({"price": 1, "quantity": 101, "total_amount": 101}, (101, 1, {"quantity": 101})),
            ({"price": 1, "quantity": 100, "total_amount": 100}, (1, 100, {})),
        ],
        ids=["whole", "none", "fraction", "too-many", "most"],
    )
    def test_a_quantity_that_braze_does_not_take_becomes_a_total(self, product: Json, expected: object) -> None:
        purchase = event("product_action", action="purchase", currency_code="EUR", products=[{"id": "T", **product}])

        (sent,) = objects(events_of(purchase))

        assert (sent["price"], sent["quantity"], sent["properties"]) == expected

    @pytest.mark.parametrize(
        "fields",
        [
            event("custom_event"),
            event("product_action", action="purchase", products=[{"id": "T", "price": 1}]),
            event("product_action", action="purchase", currency_code="EUR", products=[{"price": 1}]),
            event("product_action", action="purchase", currency_code="EUR", products=[{"id": "T"}]),
            event("product_action", action="purchase", currency_code="EUR",
                  products=[{"id": "T", "price": 1}, {"id": "U", "price": 1, "quantity": 0.5}]),
            event("product_action", products=[{"id": "T"}]),
        ],
        ids=["name", "currency", "product", "price", "total-of-one-of-two", "action"],
    )  # fmt: skip
    def test_an_event_without_what_braze_requires_is_undeliverable_as_a_whole(self, fields: Json) -> None:
        reason = "an event's name, or a purchase's currency, product id or price is missing"

        assert events_of(fields) == [Undeliverable((("events", 0),), reason)]


class TestAudiences:
    def test_a_user_gets_one_object_with_the_last_value_of_each_attribute(self) -> None:
        planned = mapped(request("audience_membership_change_request"))

        assert objects(planned) == [
            {
                "external_id": "canary-customer-31", "audience_1001": True, "is_lapsed": False,
                "loyalty_tier": "gold", "favourite_teas": ["sencha"],
            },
            {"email": "canary-kim@example.com", "loyalty_tier": None, "vip": True},
            {
                "user_alias": {"alias_name": "7700700000000000033", "alias_label": "mparticle_mpid"},
                "_update_existing_only": False, "audience_1001": True,
            },
        ]  # fmt: skip
        assert [each.covers for each in planned] == [
            (("user_profiles", 0, 0), ("user_profiles", 0, 1), ("user_profiles", 0, 2)),
            (("user_profiles", 1, 0),),
            (("user_profiles", 2, 0),),
        ]

    @pytest.mark.parametrize(
        ("audience", "profile", "reason"),
        [
            ({"action": "add"}, {"user_identities": []}, "the user has no identity"),
            ({"action": "canary-new"}, {}, "the audience's action or attribute is not usable"),
            (
                {"action": "add", "audience_subscription_settings": {"attributeName": "email"}}, {},
                "the audience's action or attribute is not usable",
            ),
        ],
        ids=["nobody", "action", "name"],
    )  # fmt: skip
    def test_a_change_that_braze_cannot_be_told_is_undeliverable(
        self, audience: Json, profile: Json, reason: str
    ) -> None:
        good: Json = {"audience_id": 2, "action": "add"}
        planned = changes_of({"audience_id": 1, **audience}, good, **profile)

        assert planned[0] == Undeliverable((("user_profiles", 0, 0),), reason)
        assert objects(planned) == ([] if "user_identities" in profile else [
            {"external_id": "canary-c", "audience_2": True}
        ])  # fmt: skip


class TestErasures:
    def test_every_identity_is_forgotten_in_the_list_of_its_kind(self) -> None:
        identities = {"mpid": {"value": "42"}, "other": {"value": "canary-o"}}
        extension = {"opendsr.mparticle.com": {"subject_identities": identities}}

        planned = mapped(request("dsr_processing_request", extensions=extension))

        sent = [(dict(each.target.parameters), each.body["user"]) for each in planned if isinstance(each, Item)]
        assert sent == [
            ({"list": "user_aliases"}, {"alias_name": "42", "alias_label": "mparticle_mpid"}),
            ({"list": "email_addresses"}, "canary-jane@example.com"),
            ({"list": "external_ids"}, "canary-customer-31"),
        ]

    def test_a_hash_is_never_taken_for_the_value(self) -> None:
        hashed = {"email": {"encoding": "sha256", "value": "canary-hash"}}
        extension = {"opendsr.mparticle.com": {"subject_identities": {"email": {"value": "canary-jane@example.com"}}}}

        both = mapped(request("dsr_processing_request", subject_identities=hashed, extensions=extension))
        alone = mapped(request("dsr_processing_request", subject_identities=hashed, extensions=None))

        assert [each.body["user"] for each in both if isinstance(each, Item)] == ["canary-jane@example.com"]
        assert alone == []  # which the framework refuses, because of the hash

    def test_a_person_who_is_not_there_is_forgotten(self) -> None:
        call, _ = call_of(mapped(request("dsr_processing_request"))[:1])

        assert call.accept == {404}


class TestSettings:
    def test_the_instance_selects_the_site_and_the_key_is_the_credential(self) -> None:
        (item,) = events_of(event("custom_event", name="x"))

        assert isinstance(item, Item)
        assert (item.target.site, item.target.auth) == ("EU-01", Bearer("canary-braze-rest-key"))
        assert INTEGRATION.sites["EU-01"] == "https://rest.fra-01.braze.eu"

    def test_the_document_knows_exactly_the_sites(self) -> None:
        assert {server["url"] for server in ROOM.fake_api().document["servers"]} == set(INTEGRATION.sites.values())

    @pytest.mark.parametrize("name", ["event_processing_request", "audience_membership_change_request",
                                      "dsr_processing_request"])  # fmt: skip
    @pytest.mark.parametrize(
        ("wrong", "setting"),
        [
            ({"restApiKey": None}, "restApiKey"),
            ({"restApiKey": "two words"}, "restApiKey"),
            ({"instance": "canary-01"}, "instance"),
            ({"instance": None}, "instance"),
        ],
        ids=["no-key", "key", "unknown-instance", "no-instance"],
    )
    def test_an_unusable_setting_is_an_error_that_names_it(self, name: str, wrong: Json, setting: str) -> None:
        account = {"account_id": 1, "account_settings": {**SETTINGS, **wrong}}

        with pytest.raises(SettingError, match=setting) as caught:
            mapped(request(name, account=account))

        assert "canary" not in str(caught.value)


def test_the_batch_header_is_for_more_than_one_object() -> None:
    one = events_of(event("custom_event", name="x"))

    assert call_of(one)[0].headers == {}
    assert call_of(one * 2)[0].headers == {"X-Braze-Batch": "true"}
