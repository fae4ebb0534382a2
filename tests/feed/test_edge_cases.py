"""Edge cases of the Events API, one row each, and what becomes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from mparticle_firehose.errors import FeedError
from mparticle_firehose.feed import (
    Batch,
    CommerceEvent,
    ConsentState,
    CustomEvent,
    DeviceInformation,
    GdprConsent,
    ProductAction,
    PromotionAction,
    Route,
    SessionEndEvent,
    SessionStartEvent,
    UserIdentities,
    checked,
    encode,
    feed_event_id,
    milliseconds,
    pack,
    route_of,
)
from mparticle_firehose.feed.answers import RateLimit
from mparticle_firehose.feed.events_api import EventsApi, FeedCredentials
from mparticle_firehose.integration import Delivered, Outcome, Rejected, Retry, Suspend
from tests.feed.samples import (
    CREDENTIALS,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOW_MS,
    aged,
    api,
    batch,
    event,
    numbered,
    sent,
    sent_event,
)
from tests.partner_api.doubles import Partner, Reply

SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"
AD_ID = "7d9f4a3c-0d5e-4f53-8d2a-1f1f0d7a9b11"
ZERO_ID = "00000000-0000-0000-0000-000000000000"
CONSENT = ConsentState(gdpr={"canary-purpose": GdprConsent(consented=False, timestamp_unixtime_ms=NOW_MS)})
MEMBERS = ("environment", "source_request_id", "user_identities", "events")


def ready(of: Batch, *, route: Route = Route.NORMAL, partner_feed: bool = True) -> Batch:
    return checked(of, now_ms=NOW_MS, route=route, partner_feed=partner_feed, partner_identity="ours")


REFUSED: list[tuple[str, Callable[[], object], str]] = [
    (
        "no environment",
        lambda: Batch(source_request_id="r", mpid=1),  # type: ignore[call-arg]
        "Batch.environment: is required",
    ),
    (
        "unknown environment",
        lambda: batch(environment="unknown"),
        "Batch.environment: must be one of 'production' or 'development'",
    ),
    (
        "no id of the batch",
        lambda: batch(source_request_id=" "),
        "Batch.source_request_id: must not be blank",
    ),
    (
        "an event of 130 KB",
        lambda: encode(batch(events=(event(custom_attributes={f"a{n}": "x" * 4000 for n in range(33)}),))),
        "Batch: must have at most 128,000 bytes",
    ),
    (
        "101 events",
        lambda: batch(events=(event(),) * 101),
        "Batch.events: must have at most 100 entries",
    ),
    (
        "historical without events",
        lambda: ready(batch(events=()), route=Route.HISTORICAL),
        "Batch.events: must not be empty in a historical batch, which mParticle would ignore",
    ),
    (
        "historical of yesterday",
        lambda: ready(aged(DAY_MS), route=Route.HISTORICAL),
        "Batch.events.0.timestamp_unixtime_ms: must be at least 72 hours old in a historical batch, which mParticle"
        " would ignore",
    ),
    (
        "31 days old, sent as new",
        lambda: ready(aged(31 * DAY_MS)),
        "Batch.events.0.timestamp_unixtime_ms: must be at most 30 days old, unless the batch is sent as historical",
    ),
    (
        "old and new events in one batch",
        lambda: route_of(batch(events=(event(timestamp_unixtime_ms=NOW_MS - 40 * DAY_MS), event())), now_ms=NOW_MS),
        "Batch.events: must not have events older than 30 days beside events younger than 72 hours",
    ),
    (
        "time in seconds",
        lambda: event(timestamp_unixtime_ms=NOW_MS // 1000),
        "CustomEvent.timestamp_unixtime_ms: must be milliseconds since 1970, from the year 2010 on",
    ),
    (
        "time as float",
        lambda: event(timestamp_unixtime_ms=float(NOW_MS)),
        "CustomEvent.timestamp_unixtime_ms: must be a whole number",
    ),
    (
        "time as text",
        lambda: event(timestamp_unixtime_ms=str(NOW_MS)),
        "CustomEvent.timestamp_unixtime_ms: must be a whole number",
    ),
    (
        "time as datetime",
        lambda: event(timestamp_unixtime_ms=datetime.now(UTC)),
        "CustomEvent.timestamp_unixtime_ms: must be a whole number",
    ),
    (
        "a day in the future",
        lambda: ready(aged(-DAY_MS)),
        "Batch.events.0.timestamp_unixtime_ms: must not be more than 5 minutes ahead",
    ),
    (
        "no time",
        lambda: CustomEvent(event_name="x", custom_event_type="other"),  # type: ignore[call-arg,arg-type]
        "CustomEvent.timestamp_unixtime_ms: is required",
    ),
    (
        "consent in a partner's feed",
        lambda: ready(batch(consent_state=CONSENT)),
        "Batch.consent_state: must not be sent with a partner's feed; an unsubscribe is a custom event",
    ),
    (
        "another vendor's identity",
        lambda: ready(batch(partner_identities={"ours": "canary-1", "canary-theirs": "canary-2"})),
        "Batch.partner_identities: must have the partner's own registered type only",
    ),
    (
        "only the hash of an address",
        lambda: batch(user_identities=UserIdentities(email="5f" * 32)),
        "Batch.user_identities: at least one identity of a user, a device or the partner, or an mpid, is required",
    ),
    (
        "only blank identities",
        lambda: batch(user_identities=UserIdentities(email=" ", customer_id=None)),
        "Batch.user_identities: at least one identity of a user, a device or the partner, or an mpid, is required",
    ),
    (
        "only an mpid of 0",
        lambda: batch(user_identities=None, mpid=0),
        "Batch.user_identities: at least one identity of a user, a device or the partner, or an mpid, is required",
    ),
    ("mpid as text", lambda: batch(mpid="-7340000000000000001"), "Batch.mpid: must be a whole number"),
    ("mpid of 65 bits", lambda: batch(mpid=2**63), "Batch.mpid: must fit 64 bits"),
    (
        "customerid",
        lambda: UserIdentities(customerid="canary"),  # type: ignore[call-arg]
        "UserIdentities.customerid: is called customer_id",
    ),
    (
        "schema_version",
        lambda: batch(schema_version=2),
        "Batch.schema_version: must not be sent: mParticle sets it",
    ),
    (
        "attribute that is a list",
        lambda: event(custom_attributes={"canary-name": ["canary"]}),
        "CustomEvent.custom_attributes: every value must be text, a number or a boolean, and no list or object",
    ),
    (
        "user attribute that is an object",
        lambda: batch(user_attributes={"canary-name": {"a": 1}}),
        "Batch.user_attributes: every value must be text, a number or a boolean, and no list or object",
    ),
    (
        "value of 5,000 characters",
        lambda: event(custom_attributes={"canary-name": "x" * 5000}),
        "CustomEvent.custom_attributes: every text must have at most 4096 characters, and no lone surrogates",
    ),
    (
        "attribute's name of 300 characters",
        lambda: event(custom_attributes={"x" * 300: 1}),
        "CustomEvent.custom_attributes: every name must be text of 1 to 256 characters",
    ),
    (
        "event's name of 300 characters",
        lambda: event(event_name="x" * 300),
        "CustomEvent.event_name: must have at most 256 characters",
    ),
    (
        "NaN",
        lambda: event(custom_attributes={"canary-name": float("nan")}),
        "CustomEvent.custom_attributes: every number must be finite, and fit 64 bits",
    ),
    (
        "infinite amount",
        lambda: ProductAction(action="purchase", total_amount=Decimal("Infinity")),  # type: ignore[arg-type]
        "ProductAction.total_amount: must be finite, and fit 64 bits",
    ),
    (
        "attribute that is a datetime",
        lambda: event(custom_attributes={"canary-name": datetime.now(UTC)}),
        "CustomEvent.custom_attributes: every value must be text, a number or a boolean, and no list or object",
    ),
    (
        "attribute that is set and deleted",
        lambda: batch(user_attributes={"canary-name": 1}, deleted_user_attributes=("canary-name",)),
        "Batch.deleted_user_attributes: no name may also be in user_attributes",
    ),
    (
        "mParticle's own attribute",
        lambda: event(custom_attributes={"mParticle Source Feed": "x"}),
        "CustomEvent.custom_attributes: no name may be mParticle Source Feed, which mParticle writes itself",
    ),
    (
        "lone surrogate",
        lambda: event(custom_attributes={"canary-name": "\ud800"}),
        "CustomEvent.custom_attributes: every text must have at most 4096 characters, and no lone surrogates",
    ),
    (
        "key with a colon",
        lambda: FeedCredentials("canary:key", "secret"),
        "feed key: must have no colon, which ends the key in Basic authentication",
    ),
    (
        "base URL with a query",
        lambda: EventsApi("https://s2s.mparticle.com/v2?x=1", CREDENTIALS),
        "base_url: must have no query, fragment or credentials",
    ),
    (
        "base URL without TLS",
        lambda: EventsApi("http://inbound.mparticle.com/s2s/v2", CREDENTIALS),
        "base_url: must start with https:// (http:// only for this machine itself)",
    ),
    (
        "session that only ends",
        lambda: batch(
            events=(SessionEndEvent(timestamp_unixtime_ms=NOW_MS, session_uuid=SESSION, session_duration_ms=1),)
        ),
        "Batch.events: every session must have its start and its end in the batch, once",
    ),
    (
        "session that only starts",
        lambda: batch(events=(SessionStartEvent(timestamp_unixtime_ms=NOW_MS, session_uuid=SESSION),)),
        "Batch.events: every session must have its start and its end in the batch, once",
    ),
    (
        "two shapes of commerce",
        lambda: CommerceEvent(
            timestamp_unixtime_ms=NOW_MS,
            product_action=ProductAction(action="click"),  # type: ignore[arg-type]
            promotion_action=PromotionAction(action="click"),  # type: ignore[arg-type]
        ),
        "CommerceEvent.product_action: exactly one of product_action, promotion_action and product_impressions must be"
        " set",
    ),
    (
        "no shape of commerce",
        lambda: CommerceEvent(timestamp_unixtime_ms=NOW_MS),
        "CommerceEvent.product_action: exactly one of product_action, promotion_action and product_impressions must be"
        " set",
    ),
    (
        "remove_from_wishlist",
        lambda: ProductAction(action="remove_from_wishlist"),  # type: ignore[arg-type]
        "ProductAction.action: must be one of 'add_to_wishlist', 'remove_from_wish_list', 'add_to_cart',"
        " 'remove_from_cart', 'checkout', 'purchase', 'refund', 'checkout_option', 'click' or 'view_detail'",
    ),
    (
        "attribution as a type of custom event",
        lambda: event(custom_event_type="attribution"),
        "CustomEvent.custom_event_type: must be one of 'unknown', 'navigation', 'location', 'search', 'transaction',"
        " 'user_content', 'user_preference', 'social', 'other' or 'media'",
    ),
    (
        "unknown type of custom event",
        lambda: event(custom_event_type="unknown"),
        "CustomEvent.custom_event_type: must not be unknown",
    ),
]


@pytest.mark.parametrize(("make", "error"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_it_is_refused_before_anything_is_sent(make: Callable[[], object], error: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  FeedError or ConfigurationError
        make()

    assert str(caught.value) == error
    assert type(caught.value).__name__ in {"FeedError", "ConfigurationError"}
    assert "canary" not in str(caught.value)


ACCEPTED: list[tuple[str, Callable[[], Any], object]] = [
    (
        "three minutes in the future",
        lambda: sent(ready(aged(-3 * MINUTE_MS)))["events"][0]["data"]["timestamp_unixtime_ms"],
        NOW_MS,
    ),
    ("31 days old", lambda: route_of(aged(31 * DAY_MS), now_ms=NOW_MS), Route.HISTORICAL),
    ("50 hours old", lambda: route_of(aged(50 * HOUR_MS), now_ms=NOW_MS), Route.NORMAL),
    ("attributes only", lambda: sent(ready(batch(events=(), user_attributes={"a": 1})))["user_attributes"], {"a": 1}),
    (
        "unsubscribe",
        lambda: sent(ready(batch(events=(event(event_name="Unsubscribed"),))))["events"][0]["event_type"],
        "custom_event",
    ),
    (
        "consent in a custom feed",
        lambda: sent(ready(batch(consent_state=CONSENT), partner_feed=False))["consent_state"],
        {"gdpr": {"canary-purpose": {"consented": False, "timestamp_unixtime_ms": NOW_MS}}},
    ),
    (
        "our own identity",
        lambda: sent(ready(batch(partner_identities={"ours": "p-1"})))["partner_identities"],
        {"ours": "p-1"},
    ),
    ("negative mpid", lambda: sent(batch(mpid=-7340000000000000001))["mpid"], -7340000000000000001),
    ("mpid 0 beside an identity", lambda: sorted(sent(batch(mpid=0))), sorted(MEMBERS)),
    (
        "blank identity beside another",
        lambda: sent(batch(user_identities=UserIdentities(email=" ", other=" x ")))["user_identities"],
        {"other": " x "},
    ),
    (
        "hash of an address beside another",
        lambda: batch(user_identities=UserIdentities(email="5f" * 32, other="x")).dropped,
        ("user_identities.email",),
    ),
    (
        "hash as a customer's own id",
        lambda: sent(batch(user_identities=UserIdentities(customer_id="5f" * 32)))["user_identities"],
        {"customer_id": "5f" * 32},
    ),
    (
        "user attribute that is a list",
        lambda: sent(batch(user_attributes={"a": ["x", 1, False]}))["user_attributes"],
        {"a": ["x", 1, False]},
    ),
    (
        "Decimal",
        lambda: sent_event(custom_attributes={"a": Decimal("12.50"), "b": Decimal(3)})["custom_attributes"],
        {"a": 12.5, "b": 3},
    ),
    ("moment with a zone", lambda: milliseconds(datetime(2027, 1, 15, 8, tzinfo=UTC)), NOW_MS),
    (
        "attribute that is null",
        lambda: sent_event(custom_attributes={"a": None, "b": 1})["custom_attributes"],
        {"b": 1},
    ),
    (
        "false and 0",
        lambda: sent_event(custom_attributes={"a": False, "b": 0, "c": ""})["custom_attributes"],
        {"a": False, "b": 0, "c": ""},
    ),
    (
        "all-zero advertising id",
        lambda: batch(device_info=DeviceInformation(ios_advertising_id=ZERO_ID, ios_idfv=AD_ID)).dropped,
        ("device_info.ios_advertising_id",),
    ),
    (
        "empty advertising id",
        lambda: sorted(sent(batch(device_info=DeviceInformation(android_advertising_id="")))),
        sorted([*MEMBERS, "device_info"]),
    ),
    *(
        (f"ip {ip!r}", lambda ip=ip: sorted(sent(batch(ip=ip))), sorted(MEMBERS))
        for ip in ("10.1.2.3", "", None, "127.0.0.1", "nonsense", "fe80::1", "224.0.0.1")
    ),
    ("public ip", lambda: sent(batch(ip="8.8.8.8"))["ip"], "8.8.8.8"),
    (
        "both ends of a session",
        lambda: [
            each["event_type"]
            for each in sent(
                batch(
                    events=(
                        SessionStartEvent(timestamp_unixtime_ms=NOW_MS, session_uuid=SESSION),
                        SessionEndEvent(timestamp_unixtime_ms=NOW_MS, session_uuid=SESSION, session_duration_ms=0),
                    )
                )
            )["events"]
        ],
        ["session_start", "session_end"],
    ),
    (
        "100 batches of 3 KB",
        lambda: [
            len(part) for part in pack([encode(batch(events=(event(custom_attributes={"a": "x" * 2800}),)))] * 100)
        ],
        [83, 17],
    ),
    (
        "150 events of one message",
        lambda: [len(part) for part in pack([encode(each) for each in numbered(150)])],
        [100, 50],
    ),
    ("one event twice", lambda: feed_event_id("f", 1, "e", "u") == feed_event_id("f", "1", "e", "u"), True),
    ("equal ids of different users", lambda: feed_event_id("f", 1, "e", "u") == feed_event_id("f", 1, "e", "v"), False),
]


@pytest.mark.parametrize(("make", "expected"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_it_becomes(make: Callable[[], object], expected: object) -> None:
    assert make() == expected


@dataclass(frozen=True)
class Told:
    """An answer of mParticle, and what it becomes."""

    reply: Reply
    outcome: Outcome
    rate_limit: RateLimit = RateLimit()  # noqa: RUF009


def too_many(**headers: str) -> Reply:
    return Reply(429, headers={name.replace("_", "-"): value for name, value in headers.items()})


def accepted(used: str) -> Reply:
    return Reply(202, b"", {"X-mp-rate-limit-percentage-used": used})


ERRORS = b'{"errors": [{"code": "BAD_REQUEST", "message": "canary@example.com is wrong"}]}'
CREDENTIALS_FAULT = "check key, secret and pod"

ANSWERS: dict[str, Told] = {
    "202": Told(Reply(202, b""), Delivered()),
    "200": Told(Reply(200), Delivered()),
    "299": Told(Reply(299), Delivered()),
    "400 with errors": Told(Reply(400, ERRORS), Rejected("http_400")),
    "400 without a body": Told(Reply(400, b""), Rejected("http_400")),
    "400 that is not JSON": Told(Reply(400, b"<html>"), Rejected("http_400")),
    "400 with null errors": Told(Reply(400, b'{"errors": null}'), Rejected("http_400")),
    "400 with an unknown code": Told(Reply(400, b'{"errors": [{"code": "NEW"}]}'), Rejected("http_400")),
    "401": Told(Reply(401), Suspend(f"http_401: {CREDENTIALS_FAULT}")),
    "403, perhaps of another pod": Told(Reply(403), Suspend(f"http_403: {CREDENTIALS_FAULT}")),
    "404": Told(Reply(404), Retry("http_404: check the base URL")),
    "405": Told(Reply(405), Retry("http_405: check the base URL")),
    "408": Told(Reply(408), Retry("http_408")),
    "409, which is not documented": Told(Reply(409), Retry("http_409")),
    "413": Told(Reply(413), Rejected("http_413")),
    "425": Told(Reply(425), Retry("http_425")),
    "500": Told(Reply(500), Retry("http_500")),
    "503 with a wait": Told(Reply(503, headers={"Retry-After": "7"}), Retry("http_503", 7)),
    "429 at once": Told(too_many(Retry_After="0"), Retry("http_429", 0)),
    "429 without a wait": Told(too_many(), Retry("http_429")),
    "429 with a date": Told(too_many(Retry_After="Fri, 15 Jan 2027 08:00:30 GMT"), Retry("http_429", 30)),
    "429 with a date that has passed": Told(
        too_many(Retry_After="Fri, 15 Jan 2027 07:00:00 GMT"), Retry("http_429", 0)
    ),
    "429 for a day": Told(too_many(Retry_After="86400"), Retry("http_429", 900)),
    "429 for ever": Told(too_many(Retry_After="9" * 5000), Retry("http_429", 900)),
    **{
        f"429 with {text!r}": Told(too_many(Retry_After=text), Retry("http_429"))
        for text in ("soon", "-5", "1e3", "nan", "")
    },
    "429 of the feed, in quotes": Told(
        too_many(X_mp_rate_limit_exceeded='"Feed"'), Retry("http_429"), RateLimit(None, "feed")
    ),
    "429 of the system": Told(
        too_many(X_mp_rate_limit_exceeded="system"), Retry("http_429"), RateLimit(None, "system")
    ),
    "429 of a rate that grows too fast": Told(
        too_many(X_mp_rate_limit_exceeded="acceleration"), Retry("http_429"), RateLimit(None, "acceleration")
    ),
    "429 of a limit that is new": Told(
        too_many(X_mp_rate_limit_exceeded="quota"), Retry("http_429"), RateLimit(None, "quota")
    ),
    "429 of a limit with a long name": Told(too_many(X_mp_rate_limit_exceeded="x" * 21), Retry("http_429")),
    "429 of something unreadable": Told(too_many(X_mp_rate_limit_exceeded="canary-" * 9), Retry("http_429")),
    "92.5 percent used": Told(accepted("92.5"), Delivered(), RateLimit(92.5)),
    "101 percent used": Told(accepted("101"), Delivered(), RateLimit(101.0)),
    **{f"{text!r} percent used": Told(accepted(text), Delivered()) for text in ("", "much", "nan", "-1", "1_0")},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_becomes(name: str) -> None:
    told = ANSWERS[name]
    with Partner(lambda _: told.reply) as mparticle:
        upload = api(mparticle.url).upload_events(batch())

    assert (upload.outcome, upload.rate_limit, upload.statuses) == (told.outcome, told.rate_limit, (told.reply.status,))


def test_no_batches_are_no_request() -> None:
    with Partner() as mparticle:
        upload = api(mparticle.url).bulk_upload_events([])

    assert (upload.outcomes, upload.statuses, mparticle.received) == ((), (), [])


def test_one_customer_that_is_throttled_does_not_stop_another() -> None:
    with Partner(lambda _: too_many(Retry_After="60")) as throttled, Partner(lambda _: Reply(202, b"")) as other:
        outcomes = [api(url).upload_events(batch()).outcome for url in (throttled.url, other.url)]

    assert outcomes == [Retry("http_429", 60), Delivered()]


def test_a_repetition_sends_the_same_bytes() -> None:
    with Partner(lambda _: Reply(503)) as mparticle:
        for _ in range(2):
            api(mparticle.url).bulk_upload_events(numbered(3))
    first, second = mparticle.received

    assert first.body == second.body != b""


def test_old_and_new_batches_of_one_message_go_two_ways() -> None:
    batches = [aged(50 * HOUR_MS), aged(40 * DAY_MS)]
    with Partner(lambda _: Reply(202, b"")) as mparticle:
        client = api(mparticle.url)
        client.bulk_upload_events([each for each in batches if route_of(each, now_ms=NOW_MS) is Route.NORMAL])
        client.bulk_upload_historical_events(
            [each for each in batches if route_of(each, now_ms=NOW_MS) is Route.HISTORICAL]
        )

    assert [each.target for each in mparticle.received] == ["/v2/bulkevents", "/v2/bulkevents/historical"]


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_a_slash_at_the_end_of_the_base_url_does_not_matter(ending: str) -> None:
    with Partner(lambda _: Reply(202, b"")) as mparticle:
        EventsApi(f"{mparticle.url}/s2s/v2{ending}", CREDENTIALS, clock=lambda: NOW_MS / 1000).upload_events(batch())

    assert [each.target for each in mparticle.received] == ["/s2s/v2/events"]


def test_a_secret_in_any_script_is_sent_as_utf_8() -> None:
    with Partner(lambda _: Reply(202, b"")) as mparticle:
        EventsApi(mparticle.url, FeedCredentials("kéy", "sécret:x"), clock=lambda: NOW_MS / 1000).upload_events(batch())

    assert mparticle.received[0].headers["Authorization"] == "Basic a8OpeTpzw6ljcmV0Ong="


def test_an_error_of_a_feed_lists_what_is_wrong() -> None:
    with pytest.raises(FeedError) as caught:
        CustomEvent(event_name="")  # type: ignore[call-arg]

    assert caught.value.problems == (
        ("CustomEvent.timestamp_unixtime_ms", "is required"),
        ("CustomEvent.event_name", "must not be blank"),
        ("CustomEvent.custom_event_type", "is required"),
    )
