"""The fake mParticle takes valid batches once, drops invalid ones silently in bulk, and throttles each key."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from local.mparticle.events_api import FakeEvents
from local.mparticle.platform_api import FakePlatform, Resource
from local.mparticle.server import FakeMParticle
from local.partner.faults import Step
from tests.conftest import Clock

KEY, SECRET = "canary-key", "canary:secret"
OTHER_KEY = "canary-other-key"
NOW = 1_800_000_000.0
NOW_MS = int(NOW * 1000)
DAY_MS = 24 * 3_600_000
UUID = "6f1c2a52-9c1f-4b58-9a0e-0d2b5f3f9c11"

type Json = dict[str, Any]


def custom(**changes: Any) -> Json:
    usual = {"event_name": "emailOpen", "custom_event_type": "other", "timestamp_unixtime_ms": NOW_MS}
    return {"event_type": "custom_event", "data": {**usual, **changes}}


def event(event_type: str, **data: Any) -> Json:
    return {"event_type": event_type, "data": data}


def batch(number: int = 1, **changes: Any) -> Json:
    usual = {
        "environment": "development",
        "source_request_id": f"r-{number}",
        "user_identities": {"customer_id": "canary-person"},
        "events": [custom()],
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not ...}


class Caller:
    """Sends bodies as a feed would."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=5)

    def close(self) -> None:
        self._pool.clear()

    def send(self, path: str, body: object, *, key: str = KEY, **options: Any) -> urllib3.BaseHTTPResponse:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**urllib3.make_headers(basic_auth=f"{key}:{SECRET}"), "Content-Type": "application/json"}
        method = options.pop("method", "POST")
        arguments = {"headers": headers, **options}
        return self._pool.request(method, self.url + path, body=content, **arguments)

    def single(self, body: object, **options: Any) -> urllib3.BaseHTTPResponse:
        return self.send("/v2/events", body, **options)

    def bulk(self, body: object, **options: Any) -> urllib3.BaseHTTPResponse:
        return self.send("/v2/bulkevents", body, **options)

    def historical(self, body: object) -> urllib3.BaseHTTPResponse:
        return self.send("/v2/bulkevents/historical", body)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def mparticle(clock: Clock) -> Iterator[FakeMParticle]:
    with FakeMParticle(FakeEvents({KEY: SECRET, OTHER_KEY: SECRET}, clock=clock)) as running:
        yield running


@pytest.fixture
def caller(mparticle: FakeMParticle) -> Iterator[Caller]:
    calling = Caller(mparticle.url)
    yield calling
    calling.close()


def errors(answer: urllib3.BaseHTTPResponse) -> list[str]:
    return [error["message"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("base", ["/s2s/v2", "/v2"])
def test_both_hosts_paths_take_batches_singly_and_in_bulk(mparticle: FakeMParticle, caller: Caller, base: str) -> None:
    old = batch(3, events=[custom(timestamp_unixtime_ms=NOW_MS - 40 * DAY_MS)])
    answers = [
        caller.send(f"{base}/events", batch(1)),
        caller.send(f"{base}/bulkevents", [batch(2)]),
        caller.send(f"{base}/bulkevents/historical", [old]),
    ]

    assert [(answer.status, answer.data) for answer in answers] == [(202, b"")] * 3
    assert mparticle.taken(KEY) == (batch(1), batch(2), old)
    assert (mparticle.taken(OTHER_KEY), mparticle.dropped, mparticle.violations) == ((), (), ())


# What the valid and the invalid batch have instead of the usual fields, and the rule; ... leaves a field out.
RULES: list[tuple[str, Json, Json, str]] = [
    ("environment-required", {}, {"environment": ...}, "environment: is required"),
    (
        "environment",
        {"environment": "production"},
        {"environment": "unknown"},
        "environment: must be one of production, development",
    ),
    ("request-id", {"source_request_id": ...}, {"source_request_id": 1}, "source_request_id: must be string"),
    ("schema-version", {}, {"schema_version": 2}, "schema_version: is not part of the API"),
    ("unknown-field", {"job_id": "j"}, {"api_key": "k"}, "api_key: is not part of the API"),
    (
        "identity-name",
        {"user_identities": {"other_id_10": "1"}},
        {"user_identities": {"customerid": "1"}},
        "user_identities.customerid: is not part of the API",
    ),
    (
        "identity-type",
        {"user_identities": {"email": "a@example.com", "facebook": 7, "google": None}},
        {"user_identities": {"email": ["a@example.com"]}},
        "user_identities.email: must be null or boolean or number or string",
    ),
    (
        "identity-required",
        {"user_identities": ..., "device_info": {"ios_idfv": UUID}},
        {"user_identities": {"email": " "}},
        "user_identities: an identity, in any field that may hold one, is required",
    ),
    ("mpid", {"mpid": -(2**63)}, {"mpid": "-1"}, "mpid: must be integer"),
    ("mpid-size", {"mpid": 2**63 - 1}, {"mpid": 2**63}, "mpid: must be at most 9223372036854775807"),
    (
        "partner-identity",
        {"partner_identities": {"Sample_Id": "7"}},
        {"partner_identities": {"Sample_Id": 7}},
        "partner_identities.Sample_Id: must be string",
    ),
    (
        "device-field",
        {"device_info": {"brand": "b"}},
        {"device_info": {"imei": "1"}},
        "device_info.imei: is not part of the API",
    ),
    (
        "platform",
        {"device_info": {"platform": "fire_tv"}},
        {"device_info": {"platform": "FireTV"}},
        "device_info.platform: must be one of iOS, Android, web, tvOS, roku, out_of_band, alexa, smart_tv, fire_tv, "
        "xbox",
    ),
    (
        "uuid",
        {"device_info": {"ios_advertising_id": "00000000-0000-0000-0000-000000000000", "ios_idfv": None}},
        {"device_info": {"ios_advertising_id": ""}},
        "device_info.ios_advertising_id: must match "
        "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    ),
    (
        "att",
        {"device_info": {"att_authorization_status": "denied", "att_timestamp_unixtime_ms": NOW_MS}},
        {"device_info": {"att_authorization_status": "yes"}},
        "device_info.att_authorization_status: must be one of authorized, denied, not_determined, restricted",
    ),
    (
        "ip",
        {"ip": "2001:db8::1"},
        {"ip": ""},
        "ip: must fit one of: ip: must have the format ipv4 | ip: must have the format ipv6",
    ),
    ("ip-null", {"ip": "192.0.2.1"}, {"ip": None}, "ip: must be string"),
    (
        "user-attribute-object",
        {"user_attributes": {"a": ["x", 1, True, None]}},
        {"user_attributes": {"a": {"b": 1}}},
        "user_attributes.a: must be null or boolean or number or string or array",
    ),
    (
        "user-attributes",
        {"user_attributes": {f"a{number}": 1 for number in range(100)}},
        {"user_attributes": {f"a{number}": 1 for number in range(101)}},
        "user_attributes: must have at most 100 members",
    ),
    (
        "user-attribute-list",
        {"user_attributes": {"a": ["x"] * 1000}},
        {"user_attributes": {"a": ["x"] * 1001}},
        "user_attributes.a: must have at most 1000 items",
    ),
    (
        "user-attribute-entry",
        {"user_attributes": {"a": ["x" * 512]}},
        {"user_attributes": {"a": ["x" * 513]}},
        "user_attributes.a[0]: must have at most 512 characters",
    ),
    (
        "deleted-attributes",
        {"deleted_user_attributes": ["a"]},
        {"deleted_user_attributes": "a"},
        "deleted_user_attributes: must be array",
    ),
    (
        "data-plan",
        {"context": {"data_plan": {"plan_id": "p", "plan_version": 2}}},
        {"context": {"data_plan": {"plan_version": 2}}},
        "context.data_plan.plan_id: is required",
    ),
    (
        "consent",
        {"consent_state": {"gdpr": {"ads": {"consented": True, "timestamp_unixtime_ms": NOW_MS}}}},
        {"consent_state": {"gdpr": {"ads": {"consented": True}}}},
        "consent_state.gdpr.ads.timestamp_unixtime_ms: is required",
    ),
    (
        "consent-purpose",
        {"consent_state": {"ccpa": {"data_sale_opt_out": {"consented": True, "timestamp_unixtime_ms": 1}}}},
        {"consent_state": {"ccpa": {"ads": {"consented": True, "timestamp_unixtime_ms": 1}}}},
        "consent_state.ccpa.ads: is not part of the API",
    ),
    ("events", {"events": None}, {"events": {}}, "events: must be null or array"),
    (
        "event-frame",
        {"events": [custom()]},
        {"events": [{"event_type": "custom_event"}]},
        "events[0].data: is required",
    ),
    (
        "event-type",
        {"events": [event("uninstall")]},
        {"events": [event("push_reaction")]},
        "events[0].event_type: must be one of custom_event, screen_view, commerce_event, session_start, session_end, "
        "opt_out, push_message, push_registration, application_state_transition, uninstall, first_run, crash_report, "
        "network_performance, breadcrumb, profile, user_attribute_change, user_identity_change",
    ),
    (
        "event-name",
        {"events": [custom(event_name="n" * 256)]},
        {"events": [custom(event_name="n" * 257)]},
        "events[0].data.event_name: must have at most 256 characters",
    ),
    (
        "custom-event-type",
        {"events": [custom(custom_event_type="media")]},
        {"events": [custom(custom_event_type="attribution")]},
        "events[0].data.custom_event_type: must be one of navigation, location, search, transaction, user_content, "
        "user_preference, social, other, media",
    ),
    (
        "timestamp",
        {"events": [custom(timestamp_unixtime_ms=NOW_MS)]},
        {"events": [custom(timestamp_unixtime_ms="1")]},
        "events[0].data.timestamp_unixtime_ms: must be integer",
    ),
    (
        "session-uuid",
        {"events": [custom(session_uuid=UUID)]},
        {"events": [custom(session_uuid=7)]},
        "events[0].data.session_uuid: must be null or string",
    ),
    (
        "event-field",
        {"events": [custom(source_message_id="m")]},
        {"events": [custom(message_id="m")]},
        "events[0].data.message_id: is not part of the API",
    ),
    (
        "attribute-list",
        {"events": [custom(custom_attributes={"a": None, "b": 0, "c": False})]},
        {"events": [custom(custom_attributes={"a": ["x"]})]},
        "events[0].data.custom_attributes.a: must be null or boolean or number or string",
    ),
    (
        "attribute-value",
        {"events": [custom(custom_attributes={"a": "x" * 4096})]},
        {"events": [custom(custom_attributes={"a": "x" * 4097})]},
        "events[0].data.custom_attributes.a: must have at most 4096 characters",
    ),
    (
        "attribute-name",
        {"events": [custom(custom_attributes={"n" * 256: 1})]},
        {"events": [custom(custom_attributes={"n" * 257: 1})]},
        "events[0].data.custom_attributes: must fit the schema's propertyNames",
    ),
    (
        "attributes",
        {"events": [custom(custom_attributes={f"a{number}": 1 for number in range(100)})]},
        {"events": [custom(custom_attributes={f"a{number}": 1 for number in range(101)})]},
        "events[0].data.custom_attributes: must have at most 100 members",
    ),
    (
        "location",
        {"events": [custom(location={"latitude": 1.5, "longitude": 2, "location_source": "ip_lookup"})]},
        {"events": [custom(location={"latitude": 1.5})]},
        "events[0].data.location.longitude: is required",
    ),
    (
        "screen",
        {"events": [event("screen_view", screen_name="s")]},
        {"events": [event("screen_view")]},
        "events[0].data.screen_name: is required",
    ),
    (
        "commerce-shapes",
        {"events": [event("commerce_event", product_action={"action": "purchase", "total_amount": 7.5})]},
        {"events": [event("commerce_event", product_action={"action": "click"}, product_impressions=[])]},
        "events[0].data: must have exactly one of product_action, promotion_action, product_impressions",
    ),
    (
        "commerce-amount",
        {"events": [event("commerce_event", promotion_action={"action": "view", "promotions": [{"id": "p"}]})]},
        {"events": [event("commerce_event", product_action={"action": "purchase", "total_amount": "7.50"})]},
        "events[0].data.product_action.total_amount: must be number",
    ),
    (
        "commerce-action",
        {"events": [event("commerce_event", product_action={"action": "remove_from_wish_list"})]},
        {"events": [event("commerce_event", product_action={"action": "remove_from_wishlist"})]},
        "events[0].data.product_action.action: must be one of add_to_cart, remove_from_cart, checkout, "
        "checkout_option, click, view_detail, purchase, refund, add_to_wishlist, remove_from_wish_list",
    ),
    (
        "session-end",
        {"events": [event("session_start"), event("session_end", session_duration_ms=5)]},
        {"events": [event("session_end")]},
        "events[0].data.session_duration_ms: is required",
    ),
    (
        "opt-out",
        {"events": [event("opt_out", is_opted_out=False)]},
        {"events": [event("opt_out")]},
        "events[0].data.is_opted_out: is required",
    ),
    (
        "push-message",
        {
            "events": [
                event("push_message", push_message_token="t", push_message_type="sent", push_notification_payload="{}")
            ]
        },
        {"events": [event("push_message", push_message_token="t", push_message_type="sent")]},
        "events[0].data.push_notification_payload: is required",
    ),
    (
        "push-registration",
        {"events": [event("push_registration", register=True, registration_token="t")]},
        {"events": [event("push_registration", register=True)]},
        "events[0].data.registration_token: is required",
    ),
    (
        "identity-change",
        {
            "events": [
                event(
                    "user_identity_change",
                    new={"identity_type": "email", "identity": "b", "timestamp_unixtime_ms": 2},
                    old={"identity_type": "email", "identity": "a", "timestamp_unixtime_ms": 1},
                )
            ]
        },
        {"events": [event("user_identity_change", new={"identity_type": "email"}, old={})]},
        "events[0].data.new.identity: is required",
    ),
    (
        "batch-size",
        {"user_attributes": {f"a{number}": "x" * 4000 for number in range(31)}},
        {"user_attributes": {f"a{number}": "x" * 4000 for number in range(32)}},
        "body: a batch must have at most 128000 bytes",
    ),
]


@pytest.mark.parametrize(("valid", "invalid", "rule"), [pytest.param(*row, id=name) for name, *row in RULES])
def test_a_batch_is_refused_singly_and_silently_dropped_in_bulk_if_it_breaks_a_rule(
    mparticle: FakeMParticle, caller: Caller, valid: Json, invalid: Json, rule: str
) -> None:
    kept, broken = batch(1, **valid), batch(2, **invalid)

    assert caller.single(kept).status == 202
    refused = caller.single(broken)
    in_bulk = caller.bulk([broken])

    assert (refused.status, errors(refused)) == (400, [rule])
    assert (in_bulk.status, in_bulk.data) == (202, b"")
    assert mparticle.taken(KEY) == (kept,)
    assert [(dropped.key, dropped.rule, dropped.batch) for dropped in mparticle.dropped] == [(KEY, rule, broken)]
    assert mparticle.violations == (f"POST /v2/events: {rule}",)


def test_one_invalid_batch_of_a_bulk_request_does_not_cost_the_others(mparticle: FakeMParticle, caller: Caller) -> None:
    assert caller.bulk([batch(1), {}, 7, batch(2)]).status == 202

    assert mparticle.taken(KEY) == (batch(1), batch(2))
    assert [dropped.rule for dropped in mparticle.dropped] == ["environment: is required", "body: must be object"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        pytest.param(
            {"consent_state": {"gdpr": {}}}, "consent_state: is not supported for partner feeds", id="consent"
        ),
        pytest.param(
            {"partner_identities": {"Other_Id": "7"}},
            "partner_identities: must hold the partner's registered type only",
            id="identity-of-another-partner",
        ),
    ],
)
def test_a_partner_feed_has_rules_of_its_own(mparticle: FakeMParticle, caller: Caller, change: Json, rule: str) -> None:
    mparticle.events.partner_identity = "Sample_Id"

    refused = caller.send("/s2s/v2/events", batch(1, **change))
    own = caller.send("/s2s/v2/events", batch(2, partner_identities={"Sample_Id": "7"}))

    assert (refused.status, errors(refused), own.status) == (400, [rule], 202)


@pytest.mark.parametrize(
    ("body", "status", "rule"),
    [
        pytest.param(b"", 400, "body: must be JSON", id="empty"),
        pytest.param(b"[", 400, "body: must be JSON", id="cut-off"),
        pytest.param(b"[NaN]", 400, "body: must be JSON", id="nan"),
        pytest.param('["\u00e4"]'.encode("latin-1"), 400, "body: must be JSON", id="latin-1"),
        pytest.param(b"{}", 400, "body: must be a list of batches", id="object"),
        pytest.param(b"[]", 400, "body: must be a list of batches", id="no-batches"),
        pytest.param(
            [batch(number) for number in range(101)], 400, "body: must have at most 100 batches", id="batches"
        ),
        pytest.param(b"[]".ljust(256_001), 413, "body: must have at most 256000 bytes", id="bytes"),
    ],
)
def test_a_bulk_request_that_is_too_large_or_unreadable_is_refused_whole(
    mparticle: FakeMParticle, caller: Caller, body: object, status: int, rule: str
) -> None:
    answer = caller.bulk(body)

    assert (answer.status, errors(answer)) == (status, [rule])
    assert (mparticle.taken(KEY), mparticle.violations) == ((), (f"POST /v2/bulkevents: {rule}",))


def test_a_hundred_batches_in_256000_bytes_are_taken(mparticle: FakeMParticle, caller: Caller) -> None:
    content = json.dumps([batch(number) for number in range(100)]).encode()

    assert caller.bulk(content.ljust(256_000)).status == 202

    assert (len(mparticle.taken(KEY)), mparticle.dropped, mparticle.violations) == (100, (), ())


def test_more_than_a_hundred_events_in_a_bulk_request_are_taken_and_noted(
    mparticle: FakeMParticle, caller: Caller
) -> None:
    many = batch(events=[custom()] * 101)

    assert (caller.single(many).status, mparticle.violations) == (202, ())
    assert caller.bulk([many]).status == 202
    assert mparticle.violations == ("POST /v2/bulkevents: body: a bulk request should have at most 100 events",)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="missing"),
        pytest.param({"Authorization": "Bearer x"}, 401, id="another-scheme"),
        pytest.param(urllib3.make_headers(basic_auth=f"{KEY}:wrong"), 403, id="wrong-secret"),
        pytest.param(urllib3.make_headers(basic_auth=f"unknown:{SECRET}"), 403, id="unknown-key"),
    ],
)
def test_a_credential_that_is_missing_or_invalid_is_refused_without_a_body(
    mparticle: FakeMParticle, caller: Caller, headers: dict[str, str], status: int
) -> None:
    answer = caller.single(batch(), headers={"Content-Type": "application/json", **headers})

    assert (answer.status, answer.data, mparticle.taken(KEY)) == (status, b"", ())


def test_a_rotated_secret_is_valid_at_once(mparticle: FakeMParticle, caller: Caller) -> None:
    mparticle.events.keys[KEY] = "older"
    before = caller.single(batch()).status
    mparticle.events.keys[KEY] = SECRET

    assert (before, caller.single(batch()).status) == (403, 202)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("GET", "/v2/events", {}, 405, id="method"),
        pytest.param("POST", "/v2/bulkevent", {}, 404, id="path"),
        pytest.param("POST", "/v2/events/", {}, 404, id="slash"),
        pytest.param("POST", "/v2/events?a=1", {}, 404, id="query"),
        pytest.param("POST", "/v2/events", {"Content-Type": "text/plain"}, 400, id="content-type"),
    ],
)
def test_what_is_not_part_of_the_api_is_refused(
    mparticle: FakeMParticle, caller: Caller, *, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    usual = {**urllib3.make_headers(basic_auth=f"{KEY}:{SECRET}"), "Content-Type": "application/json"}

    answer = caller.send(path, batch(), method=method, headers={**usual, **headers})

    assert (answer.status, len(mparticle.violations)) == (status, 1)


def test_a_repeated_batch_is_dropped_for_its_key_and_not_for_another(mparticle: FakeMParticle, caller: Caller) -> None:
    for _ in range(2):
        assert caller.bulk([batch(1), batch(2)]).status == 202
    caller.single(batch(1), key=OTHER_KEY)

    assert mparticle.taken(KEY) == (batch(1), batch(2))
    assert mparticle.taken(OTHER_KEY) == (batch(1),)
    assert (mparticle.events.repeats, mparticle.dropped, mparticle.violations) == (2, (), ())


def test_another_batch_with_the_same_id_is_dropped_and_noted(mparticle: FakeMParticle, caller: Caller) -> None:
    changed = batch(1, ip="192.0.2.1")
    assert [caller.single(each).status for each in (batch(1), changed)] == [202, 202]

    rule = "source_request_id: belongs to a batch with other content"
    assert mparticle.taken(KEY) == (batch(1),)
    assert [(dropped.rule, dropped.batch) for dropped in mparticle.dropped] == [(rule, changed)]
    assert mparticle.violations == (f"POST /v2/events: {rule}",)


def test_batches_without_an_id_are_never_repeats(mparticle: FakeMParticle, caller: Caller) -> None:
    anonymous = batch(source_request_id=...)
    caller.bulk([anonymous, anonymous])

    assert (len(mparticle.taken(KEY)), mparticle.events.repeats) == (2, 0)


def test_a_batch_that_was_dropped_is_taken_once_it_is_mended(mparticle: FakeMParticle, caller: Caller) -> None:
    caller.bulk([batch(1, environment="unknown")])
    caller.bulk([batch(1)])

    assert (mparticle.taken(KEY), mparticle.violations) == ((batch(1),), ())


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        pytest.param([], "events: historical data must have events", id="none"),
        pytest.param(
            [custom(timestamp_unixtime_ms=NOW_MS - 4 * DAY_MS), event("uninstall")],
            "timestamp_unixtime_ms: each historical event must have one",
            id="no-timestamp",
        ),
        pytest.param(
            [custom(timestamp_unixtime_ms=NOW_MS - 3 * DAY_MS + 1)],
            "timestamp_unixtime_ms: historical events must be at least 72 hours old",
            id="young",
        ),
    ],
)
def test_historical_data_that_is_none_is_ignored(
    mparticle: FakeMParticle, caller: Caller, events: list[Json], rule: str
) -> None:
    old = batch(2, events=[custom(timestamp_unixtime_ms=NOW_MS - 3 * DAY_MS)])

    assert caller.historical([batch(1, events=events), old]).status == 202

    assert mparticle.taken(KEY) == (old,)
    assert [dropped.rule for dropped in mparticle.dropped] == [rule]


def test_old_events_on_the_usual_route_are_taken_and_noted(mparticle: FakeMParticle, caller: Caller) -> None:
    caller.single(batch(1, events=[custom(timestamp_unixtime_ms=NOW_MS - 30 * DAY_MS)]))
    caller.single(batch(2, events=[custom(timestamp_unixtime_ms=NOW_MS - 30 * DAY_MS - 1)]))

    assert len(mparticle.taken(KEY)) == 2
    assert mparticle.violations == (
        "POST /v2/events: timestamp_unixtime_ms: events older than 30 days belong to bulkevents/historical",
    )


def test_each_key_has_a_rate_limit_of_batches_per_second(
    mparticle: FakeMParticle, caller: Caller, clock: Clock
) -> None:
    full = [caller.bulk([batch(hundred * 100 + number) for number in range(90)]) for hundred in range(3)]
    assert [answer.headers["X-mp-rate-limit-percentage-used"] for answer in full] == ["34", "67", "100"]

    refused = caller.bulk([batch(301)])
    other = caller.bulk([batch(301)], key=OTHER_KEY)
    clock.now += 1
    later = caller.bulk([batch(301)])

    assert (refused.status, refused.data) == (429, b"")
    assert (refused.headers["X-mp-rate-limit-exceeded"], refused.headers["Retry-After"]) == ("feed", "1")
    assert (other.status, later.status, mparticle.events.throttled) == (202, 202, 1)
    assert (len(mparticle.taken(KEY)), mparticle.violations) == (271, ())


def test_a_refusal_for_its_rate_may_leave_the_wait_open(mparticle: FakeMParticle, caller: Caller) -> None:
    mparticle.events.batches_per_second, mparticle.events.with_retry_after = 1, False
    statuses = [caller.single(batch(number)).status for number in range(2)]

    assert statuses == [202, 429]
    assert "Retry-After" not in caller.single(batch(3)).headers


@pytest.mark.parametrize(
    ("step", "status", "taken"),
    [
        pytest.param(503, 503, 0, id="unavailable"),
        pytest.param({"status": 429, "headers": {"X-mp-rate-limit-exceeded": '"system"'}}, 429, 0, id="throttled"),
        pytest.param({"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}}, 302, 0, id="redirect"),
        pytest.param({"status": 400, "body": None}, 400, 0, id="no-body"),
        pytest.param({"status": 400, "body": b"<html>"}, 400, 0, id="no-json"),
        pytest.param({"status": 200, "body": {}}, 200, 1, id="another-success"),
    ],
)
def test_a_scripted_answer_is_given_once(
    mparticle: FakeMParticle, caller: Caller, step: Step, status: int, taken: int
) -> None:
    mparticle.script("/v2/events", [step])

    first, bulk = caller.single(batch(1), redirect=False), caller.bulk([batch(2)])

    assert (first.status, bulk.status, len(mparticle.taken(KEY))) == (status, 202, 1 + taken)
    assert caller.single(batch(3)).status == 202


def test_a_script_hides_no_broken_rule(mparticle: FakeMParticle, caller: Caller) -> None:
    mparticle.script("/", [503])

    assert caller.bulk([batch(number) for number in range(101)]).status == 503

    assert mparticle.violations == ("POST /v2/bulkevents: body: must have at most 100 batches",)


@pytest.mark.parametrize(
    ("step", "taken"), [pytest.param("reset", 0, id="before"), pytest.param("apply_then_reset", 1, id="after")]
)
def test_a_lost_connection_may_hide_a_success(mparticle: FakeMParticle, caller: Caller, step: Step, taken: int) -> None:
    mparticle.script("/v2/bulkevents", [step])
    with pytest.raises(urllib3.exceptions.ProtocolError):
        caller.bulk([batch(1)])
    assert len(mparticle.taken(KEY)) == taken

    assert caller.bulk([batch(1)]).status == 202
    assert (mparticle.taken(KEY), mparticle.events.repeats) == ((batch(1),), taken)
    first, second = mparticle.requests
    assert first.content == second.content


def test_a_body_may_drip(mparticle: FakeMParticle, caller: Caller) -> None:
    mparticle.script("/v2/events", [{"status": 202, "body": b"abcd", "drip": 0.05}])
    started = time.monotonic()

    assert caller.single(batch()).data == b"abcd"

    assert time.monotonic() - started >= 0.15


def test_closing_ends_an_answer_that_drips() -> None:
    with FakeMParticle(FakeEvents({KEY: SECRET})) as mparticle:
        mparticle.script("/", [{"status": 400, "body": b"x" * 1000, "drip": 0.05}])
        caller = Caller(mparticle.url)
        answer = caller.single(batch(), preload_content=False)
        started = time.monotonic()
    answer.close()
    caller.close()
    assert time.monotonic() - started < 2


def test_a_poisoned_batch_spoils_every_request_that_holds_it(mparticle: FakeMParticle, caller: Caller) -> None:
    mparticle.events.poison("r-2")

    statuses = [caller.bulk(each).status for each in ([batch(1), batch(2)], [batch(2)], [batch(1)])]

    assert statuses == [400, 400, 202]
    assert caller.single(batch(2)).status == 400
    assert mparticle.taken(KEY) == (batch(1),)


def test_neither_secret_nor_person_shows_when_something_is_printed(mparticle: FakeMParticle, caller: Caller) -> None:
    caller.bulk([batch(1), batch(2, environment="unknown")])

    shown = repr((mparticle.requests, mparticle.dropped, mparticle.events, mparticle.platform))
    assert "canary" not in shown.replace(KEY, "")


TOKEN_REQUEST = {
    "client_id": "fake-client-id",
    "client_secret": "fake-client-secret",
    "audience": "https://api.mparticle.com",
    "grant_type": "client_credentials",
}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({}, 200, id="valid"),
        pytest.param({"client_secret": "wrong"}, 403, id="secret"),
        pytest.param({"audience": "https://example.com"}, 400, id="audience"),
        pytest.param({"scope": "all"}, 400, id="more"),
    ],
)
def test_a_token_is_issued_for_the_credential_only(
    mparticle: FakeMParticle, caller: Caller, change: Json, status: int
) -> None:
    assert caller.send("/oauth/token", {**TOKEN_REQUEST, **change}).status == status
    assert mparticle.platform.tokens == (status == 200)


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        pytest.param("/v1/things?accountId=4242", "fake-access-token-1", 200, id="valid"),
        pytest.param("/v1/things?accountId=4242", "fake-access-token-2", 401, id="token"),
        pytest.param("/v1/things", "fake-access-token-1", 401, id="no-account"),
        pytest.param("/v1/things?accountId=1", "fake-access-token-1", 404, id="foreign-account"),
        pytest.param("/v1/others?accountId=4242", "fake-access-token-1", 404, id="unknown"),
    ],
)
def test_a_resource_needs_a_token_and_the_account(caller: Caller, path: str, token: str, status: int) -> None:
    with FakeMParticle(platform=FakePlatform(resources={"/things": Resource([1], "Thing")})) as mparticle:
        caller.url = mparticle.url
        caller.send("/oauth/token", TOKEN_REQUEST)

        answer = caller.send(path, b"", method="GET", headers={"Authorization": f"Bearer {token}"})

    assert answer.status == status
    assert status != 200 or answer.json() == {"data": [1], "dataType": "Thing", "errors": None}


def test_a_token_expires_after_eight_hours(clock: Clock, caller: Caller) -> None:
    platform = FakePlatform(resources={"/things": Resource([], envelope="")}, clock=clock)
    with FakeMParticle(platform=platform) as mparticle:
        caller.url = mparticle.url
        caller.send("/oauth/token", TOKEN_REQUEST)
        headers = {"Authorization": "Bearer fake-access-token-1"}
        statuses = []
        for seconds in (28_799, 1):
            clock.now += seconds
            statuses.append(caller.send("/v1/things?accountId=4242", b"", method="GET", headers=headers).status)

    assert statuses == [200, 401]
