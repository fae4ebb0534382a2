"""docs/integrating.md: every snippet runs, and does what the page says."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from local.isolation import ROOT
from local.partner.answering import answer_to
from local.run.expected import broken_rules, calls_for, is_offered
from mparticle_firehose import integration as seam
from mparticle_firehose.delivery.merging import merged
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.errors import IntegrationError, SettingError
from mparticle_firehose.feed import Feed
from mparticle_firehose.integration import (
    Answer,
    Bearer,
    Delivered,
    DeploymentSecret,
    Endpoint,
    Header,
    Integration,
    Item,
    Json,
    OAuth2,
    PartnerCall,
    Rejected,
    Target,
    Undeliverable,
)
from mparticle_firehose.partner_api.encoding import encode
from mparticle_firehose.protocol import (
    AudienceProcessingRegistration,
    AudienceSubscriptionRequest,
    DsrProcessingRegistration,
    EventProcessingRegistration,
    EventProcessingRequest,
    Permissions,
    Serializer,
)
from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.protocol.registration import SETTING_MODELS, Setting
from tests.conftest import parsed

PAGE = ROOT / "docs" / "integrating.md"
SNIPPET = re.compile(r"(?ms)^```python\n(.*?)^```$")
ACCOUNT = {"account_id": 1, "account_settings": {"apiKey": "canary-key", "region": "eu"}}
CUSTOMER = {"type": "customer", "encoding": "raw", "value": "canary-customer"}

type Message = dict[str, Any]
type Namespace = dict[str, Any]


def snippets(text: str) -> Iterator[str]:
    """Yield each snippet, with as many empty lines before it that an error names the page's line."""
    for match in SNIPPET.finditer(text):
        yield "\n" * text.count("\n", 0, match.start(1)) + match[1]


def run(text: str) -> tuple[Namespace, list[Integration]]:
    """Run the snippets in one namespace; return it, and each value that INTEGRATION has had."""
    namespace: Namespace = {"__name__": "integrating"}
    complete: list[Integration] = []
    for snippet in snippets(text):
        exec(compile(snippet, str(PAGE), "exec"), namespace)  # noqa: S102  our own page
        found = namespace.get("INTEGRATION")
        if isinstance(found, Integration) and found not in complete:
            complete.append(found)
    return namespace, complete


NAMES, (EVENTS_ONLY, AUDIENCES_ONLY) = run(PAGE.read_text())


def event_request(*events: Message, **fields: Any) -> Message:
    return {
        "type": "event_processing_request",
        "id": "5a3c1e70-0000-4000-8000-000000000002",
        "account": ACCOUNT,
        "mpid": "7",
        "user_identities": [CUSTOMER],
        "events": list(events),
        **fields,
    }


def played(name: str = "Played") -> Message:
    return {"type": "custom_event", "name": name, "timestamp_ms": 1_800_000_000_000}


def profile(mpid: str, customer: str, *actions: str) -> Message:
    audience = {"audience_id": 9, "audience_subscription_settings": {"listId": "31"}}
    return {
        "mpid": mpid,
        "user_identities": [{**CUSTOMER, "value": customer}],
        "audiences": [{**audience, "action": action} for action in actions],
    }


def membership_request(*profiles: Message) -> Message:
    return {"type": "audience_membership_change_request", "account": ACCOUNT, "user_profiles": list(profiles)}


def integration(**parts: Any) -> Integration:
    return Integration(registration=NAMES["registration"], **parts)


def told(calls: list[PartnerCall]) -> list[tuple[str, object]]:
    return [(call.path, call.body.value if isinstance(call.body, Json) else None) for call in calls]


def encoded(call: PartnerCall) -> Any:
    return encode(call, lambda secret: secret if isinstance(secret, str) else f"<{secret.name}>")


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_has_a_snippet_for_every_ability() -> None:
    assert len(list(snippets(PAGE.read_text()))) > 20


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('== Retry("daily_quota", after=60)', '== Retry("daily_quota", after=61)'),
        ("max_bytes=1_000_000", "max_bytes=0"),
        ("import choice_setting", "import choice_settings"),
        ('emails = [str(body["email"]) for body in bodies]', 'emails = [str(body["mail"]) for body in bodies]'),
        ('path="/array"', 'path="array"'),
    ],
)
def test_a_broken_snippet_fails(right: str, wrong: str) -> None:
    text = PAGE.read_text()
    assert text.count(right) == 1

    with pytest.raises((AssertionError, ImportError, IntegrationError, KeyError)):
        run(text.replace(right, wrong))


def test_every_name_of_the_seam_is_explained_or_used() -> None:
    text = PAGE.read_text()

    assert [name for name in seam.__all__ if not re.search(rf"\b{name}\b", text)] == []


# --- complete integrations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("complete", [EVENTS_ONLY, AUDIENCES_ONLY], ids=["events", "audiences"])
def test_the_complete_integrations_can_be_declared(complete: Integration) -> None:
    assert complete.declaration().name == "Beacon"


@pytest.mark.parametrize(
    ("complete", "part", "requests"),
    [
        (EVENTS_ONLY, "event_processing_registration", {"event_processing_request"}),
        (
            AUDIENCES_ONLY,
            "audience_processing_registration",
            {"audience_subscription_request", "audience_membership_change_request"},
        ),
    ],
    ids=["events", "audiences"],
)
def test_a_complete_integration_declares_and_takes_nothing_else(
    complete: Integration, part: str, requests: set[str]
) -> None:
    declared = Serializer().dump(complete.declaration())
    others = {kind.value for kind in MessageType if kind.value.endswith("_request")} - {"module_registration_request"}

    assert [name for name in declared if name.endswith("_registration")] == [part]
    assert {kind for kind in others if is_offered(complete, kind)} == requests


def test_the_onboarding_page_shows_the_same_two_values() -> None:
    shown = re.findall(r"(?m)^INTEGRATION = .*$", (ROOT / "docs" / "onboarding.md").read_text())

    assert shown == re.findall(r"(?m)^INTEGRATION = .*$", PAGE.read_text())
    assert len(shown) == 2


def test_the_smallest_integration_sends_the_events_of_a_request_in_one_call() -> None:
    (call,) = calls_for(EVENTS_ONLY, event_request(played("One"), {"type": "session_start"}, played("Two")))

    body: Any = {"user": "canary-customer", "at": "2027-01-15T08:00:00.000Z"}
    assert told([call]) == [("/v2/events", {"events": [{**body, "name": "One"}, {**body, "name": "Two"}]})]
    assert call.auth == Bearer("canary-key")


def test_its_keep_alive_becomes_no_call_and_a_user_without_an_id_an_undeliverable() -> None:
    items = NAMES["event_items"]
    anonymous = parsed(EventProcessingRequest, event_request(played(), user_identities=[]))

    assert calls_for(EVENTS_ONLY, event_request()) == []
    assert [*items(anonymous)] == [Undeliverable((("events", 0),), "the user has no customer id")]


def test_the_audience_integration_keeps_leave_and_join_of_a_user_in_order_and_merges_users() -> None:
    request = membership_request(profile("1", "canary-a", "delete", "add"), profile("2", "canary-b", "delete"))

    assert told(calls_for(AUDIENCES_ONLY, request)) == [
        ("/v2/lists/31/remove", {"users": ["canary-a", "canary-b"]}),
        ("/v2/lists/31/add", {"users": ["canary-a"]}),
    ]


def test_the_audience_integration_makes_a_list_once() -> None:
    def subscribe(**fields: Any) -> Any:
        request = {"type": "audience_subscription_request", "account": ACCOUNT, "audience_name": "Tea", **fields}
        return NAMES["subscription"](parsed(AudienceSubscriptionRequest, request))

    first = subscribe(action="add")
    assert told([next(first)]) == [("/v2/lists", {"name": "Tea"})]
    with pytest.raises(StopIteration) as end:
        first.send(Answer(status=201, body={"id": "31"}))
    assert end.value.value == {"listId": "31"}

    with pytest.raises(StopIteration) as end:
        next(subscribe(action="update", audience_subscription_settings={"listId": "31"}))
    assert end.value.value == {"listId": "31"}


# --- access ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", NAMES["SENT_AS"])
def test_credentials_are_sent_as_the_page_says(sent: str) -> None:
    plain, request = (encoded(PartnerCall(path="/", auth=auth)) for auth in (None, NAMES["SENT_AS"][sent]))

    added = [f"{name}: {value}" for name, value in request.headers.items() if name not in plain.headers]
    assert [*added, request.target.removeprefix("/")] == ([sent, ""] if ":" in sent else [sent])


def test_a_key_in_the_body_is_read_from_the_target() -> None:
    call = NAMES["call_with_key_in_body"](Target(auth=seam.InBody("canary-key")), [{"a": 1}])

    assert told([call]) == [("/2/events", {"api_key": "canary-key", "events": [{"a": 1}]})]


def test_a_setting_selects_the_site_and_another_text_is_refused() -> None:
    account = parsed(EventProcessingRequest, event_request()).account
    elsewhere = account.model_copy(update={"account_settings": {"region": "evil.example", "apiKey": "canary-key"}})

    assert NAMES["regional_target"](account).site == "eu"
    assert NAMES["REGIONAL"].sites["eu"] == "https://api.eu.beacon.example"
    with pytest.raises(SettingError):
        NAMES["regional_target"](elsewhere)


def test_oauth_names_secrets_of_the_deployment_and_whose_fault_a_refusal_is() -> None:
    settings = {"refreshToken": "canary-token", "clientId": "canary-id", "clientSecret": "canary-secret"}
    account = parsed(
        EventProcessingRequest, event_request(account={"account_id": 1, "account_settings": settings})
    ).account

    granted, client = NAMES["granted_target"](account).auth, NAMES["client_target"](account).auth

    assert dict(granted.form)["client_secret"] == DeploymentSecret("client_secret")
    assert isinstance(client, OAuth2)
    assert granted.customers_fault == {"invalid_grant"}
    assert client.customers_fault == {"invalid_grant", "invalid_client"}
    assert dict(client.form)["scope"] == "events.write"


# --- calls -----------------------------------------------------------------------------------------------------------


def test_an_item_over_its_limit_is_rejected_without_a_call() -> None:
    def items(request: Any) -> Iterator[Item]:
        for place, length in enumerate([10, 40_000]):
            body = {"text": "x" * length}
            yield Item(endpoint=NAMES["LIMITED"], target=Target(), body=body, covers=(("events", place),))

    plan = Planner(integration(events=items)).plan(parsed(EventProcessingRequest, event_request()), source="m")

    assert [pending.outcome for pending in plan.pending] == [None, Rejected("item_too_large")]


def test_a_purchase_becomes_an_item_for_each_product() -> None:
    products = [{"id": "a", "price": "1.50"}, {"id": "b", "price": "2"}]
    purchase = {"type": "product_action", "action": "purchase", "transaction_id": "t", "products": products}

    (call,) = calls_for(integration(events=NAMES["purchase_items"]), event_request(purchase))

    sold = [{"order": "t", "sku": "a", "price": 1.5}, {"order": "t", "sku": "b", "price": 2}]
    assert told([call]) == [("/v2/purchases", {"purchases": sold})]


def test_a_profile_is_sent_before_the_events_of_its_lane() -> None:
    request = event_request(played(), user_attributes={"tier": "gold"})

    calls = calls_for(integration(events=NAMES["profile_then_events"]), request)

    assert [(call.method, call.path) for call in calls] == [("PUT", "/v2/profiles"), ("POST", "/v2/events")]
    assert told(calls)[0][1] == {"user": "canary-customer", "attributes": {"tier": "gold"}}


def profiles_of(*tiers: str, users: str) -> list[tuple[str, object]]:
    planner = Planner(integration(events=NAMES["profile_items"]))
    plans = [
        planner.plan(
            parsed(
                EventProcessingRequest,
                event_request(user_identities=[{**CUSTOMER, "value": user}], mpid=user, user_attributes={"tier": tier}),
            ),
            source=f"m{number}",
        )
        for number, (tier, user) in enumerate(zip(tiers, users, strict=True))
    ]
    calls = merged(pending for plan in plans for pending in plan.waiting)
    return told([cast("PartnerCall", call.endpoint.call(call.target, call.bodies())) for call in calls])


def test_items_of_several_requests_share_a_call_and_a_key_is_in_it_once() -> None:
    def entry(user: str, tier: str) -> Mapping[str, object]:
        return {"user": user, "attributes": {"tier": tier}}

    path = "/v2/profiles/batch"
    assert profiles_of("gold", "gold", users="ab") == [(path, {"profiles": [entry("a", "gold"), entry("b", "gold")]})]
    assert profiles_of("gold", "tin", users="aa") == [
        (path, {"profiles": [entry("a", "gold")]}),
        (path, {"profiles": [entry("a", "tin")]}),
    ]
    assert profiles_of("gold", "gold", users="aa") == [(path, {"profiles": [entry("a", "gold")]})]


@pytest.mark.parametrize("sent", NAMES["BODIES"])
def test_bodies_are_sent_as_the_page_says(sent: bytes) -> None:
    call: PartnerCall = NAMES["BODIES"][sent]

    assert (call.body.encoded() if call.body else b"") == sent
    assert encoded(call).headers.get("Content-Encoding") == ("gzip" if call.gzip else None)


def test_an_exchange_ends_with_nobody_to_add() -> None:
    exchange = NAMES["join_call"](Target(parameters={"list": "7"}), [{"email": "canary-a@x.example"}])

    next(exchange)
    with pytest.raises(StopIteration) as end:
        exchange.send(Answer(status=404))
    assert end.value.value == Delivered({0: Rejected("no_contact")})


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("judge", ["judge_by_index", "judge_by_value", "judge_quota"])
def test_a_judge_leaves_other_answers_to_the_table(judge: str) -> None:
    assert NAMES[judge]([{"email": "canary-a@x.example"}], Answer(status=500)) is None


def test_a_value_that_stands_for_one_item_is_rejected() -> None:
    bodies = [{"email": "canary-a@x.example"}, {"email": "canary-b@x.example"}]
    answer = Answer(status=200, body={"invalid": ["CANARY-B@x.example"]})

    assert NAMES["judge_by_value"](bodies, answer) == Delivered({1: Rejected("named_invalid")})


# --- audiences, erasures, users --------------------------------------------------------------------------------------


def test_audiences_as_attributes_share_a_call() -> None:
    shared = [{"key": "tier", "value": "gold", "action": "upsert"}, {"key": "old", "action": "delete"}]
    joiner, leaver = profile("1", "canary-a", "add"), profile("2", "canary-b", "delete")
    joiner["audiences"][0]["user_attributes"] = shared

    calls = calls_for(integration(memberships=NAMES["attribute_items"]), membership_request(joiner, leaver))

    joined = {"user": "canary-a", "attributes": {"tier": "gold", "old": None, "audience_9": True}}
    left = {"user": "canary-b", "attributes": {"audience_9": False}}
    assert told(calls) == [("/v2/profiles/batch", {"profiles": [joined, left]})]


def test_an_erasure_is_a_call_for_each_identity() -> None:
    people = {"controller_customer_id": "canary-1", "email": "canary-a@x.example", "ios_advertising_id": "canary-2"}
    request = {
        "type": "dsr_processing_request",
        "account": ACCOUNT,
        "subject_identities": {kind: {"encoding": "raw", "value": value} for kind, value in people.items()},
    }

    calls = calls_for(integration(erasures=NAMES["erasure_items"]), request)

    assert told(calls) == [
        ("/v2/erasures", {"user_id": "canary-1"}),
        ("/v2/erasures", {"email": "canary-a@x.example"}),
    ]


def test_a_user_is_named_by_one_field() -> None:
    def person(*identities: Message) -> Any:
        return NAMES["person"](
            parsed(EventProcessingRequest, event_request(user_identities=list(identities))).user_identities
        )

    email = {"type": "email", "encoding": "raw", "value": "Canary-A@x.example"}
    assert person(email, CUSTOMER) == {"user_id": "canary-customer"}
    assert person(email) == {"email": "canary-a@x.example"}
    assert person({**email, "encoding": "sha256"}) is None


def test_a_changed_address_is_a_rename() -> None:
    old, new = ({"type": "email", "encoding": "raw", "value": f"Canary-{n}@x.example"} for n in (1, 2))
    change = {"type": "user_identity_change", "removed": [old], "added": [new]}

    calls = calls_for(integration(events=NAMES["rename_items"]), event_request(change))

    body = {"from": "canary-1@x.example", "to": "canary-2@x.example"}
    assert told(calls) == [("/v2/profiles/rename", body)]


def test_the_fake_api_takes_what_the_smallest_integration_sends_and_nothing_else() -> None:
    api = NAMES["FakeApi"]()
    (call,) = calls_for(EVENTS_ONLY, event_request(played()))

    assert answer_to(api, call).status == 202
    assert api.summary() == {"events": {"taken": 1}}
    assert broken_rules(api, PartnerCall(path="/v2/events", auth=Bearer("canary-key"), body=Json({}))) != []
    too_many = PartnerCall(path="/v2/events", auth=Bearer("canary-key"), body=Json({"events": [{}] * 101}))
    assert broken_rules(api, too_many) == ["events: more than 100"]


# --- errors ----------------------------------------------------------------------------------------------------------


def _state_twice(_request: object) -> list[Item]:
    return [Item(endpoint=NAMES["EVENTS"], target=Target(), body={})] * 2


MISTAKES: Mapping[str, Callable[[], object]] = {
    "site": lambda: integration(sites={"eu": "https://api.beacon.example/"}),
    "retry_policy": lambda: integration(retry_policy={404: "never"}),
    "subscription": lambda: integration(subscription=NAMES["subscription"]),
    "feed": lambda: integration(feed_name="Beacon"),
    "event_names": lambda: Feed(name_of=str, mappings={}, event_names=[" "]),
    "endpoint_name": lambda: Endpoint(name="", call=NAMES["events_call"]),
    "max_items": lambda: Endpoint(name="x", call=NAMES["events_call"], max_items=0),
    "max_bytes": lambda: Endpoint(name="x", call=NAMES["events_call"], max_bytes=0),
    "max_item_bytes": lambda: Endpoint(name="x", call=NAMES["events_call"], max_item_bytes=0),
    "covers": lambda: calls_for(integration(events=_state_twice), event_request()),
    "item": lambda: calls_for(integration(events=lambda _: [None]), event_request()),
    "target": lambda: Target(parameters=cast("Any", {"list": [7]})),
    "in_body": lambda: Target(auth=Bearer("canary-key")).in_body,
    "method": lambda: PartnerCall(method="HEAD", path="/"),
    "path": lambda: PartnerCall(path="/a b"),
    "path_without_query": lambda: PartnerCall(path="/a?b=c"),
    "header_name": lambda: Header("Idempotency-Key", "canary-key"),
}


@pytest.mark.parametrize("rule", MISTAKES)
def test_a_mistake_names_its_rule(rule: str) -> None:
    with pytest.raises(IntegrationError) as error:
        MISTAKES[rule]()

    assert error.value.rule == rule


def test_every_rule_is_in_the_table() -> None:
    (table,) = re.findall(r"(?s)\| rule \| what is wrong \|\n(.*?)\n\n", PAGE.read_text())
    documented = {rule for row in table.split("\n")[1:] for rule in re.findall(r"`(\w+)`", row.split("|")[1])}
    sources = "\n".join(path.read_text() for path in Path(ROOT, "src").rglob("*.py"))
    raised = set(re.findall(r'IntegrationError\(\s*"(\w+)"', sources))

    assert documented == set(MISTAKES)
    assert raised <= documented


def test_the_page_names_every_field_of_a_registration() -> None:
    section = PAGE.read_text().split("\n## The registration\n")[1].split("\n## ")[0]
    described = {
        *Permissions.model_fields,
        *Setting.model_fields,
        *(name for kind in SETTING_MODELS.values() for name in kind.model_fields),
        *EventProcessingRegistration.model_fields,
        *AudienceProcessingRegistration.model_fields,
        *DsrProcessingRegistration.model_fields,
    }

    assert sorted(described - {"type"} - set(re.findall(r"\b[a-z_]+\b", section))) == []
