"""How items become calls: limits of count and bytes, one person once in a call, and each user's order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from mparticle_firehose.delivery.merging import Call, merged
from mparticle_firehose.delivery.plan import Pending, Planner
from mparticle_firehose.integration import Endpoint, Integration, Item, JsonObject, PartnerCall, Rejected, Target
from mparticle_firehose.integration.calls import encoded_json
from mparticle_firehose.protocol import (
    Audience,
    AudienceMembershipChangeRequest,
    EventProcessingRequest,
    UserIdentity,
    UserProfile,
)
from tests.rooms import (
    airship,
    amplitude,
    braze,
    customerio,
    facebook,
    google_ads,
    hubspot,
    iterable,
    klaviyo,
    mixpanel,
    new_relic,
    onesignal,
    sailthru,
    segment,
    split_io,
    tiktok,
)
from tests.rooms.judging import items

NOBODY: JsonObject = {}


def _always(made: Sequence[Item]) -> Callable[[EventProcessingRequest], Sequence[Item]]:
    return lambda _request: made


def pending_of(room: Integration, *requests: Sequence[Item]) -> list[Pending]:
    """Return the items of these requests, each with a plan of its own."""
    plans = [
        Planner(replace(room, events=_always(made))).plan(EventProcessingRequest(), source=f"message {number}")
        for number, made in enumerate(requests)
    ]
    return [each for plan in plans for each in plan.pending]


def calls_of(room: Integration, *requests: Sequence[Item]) -> list[Call]:
    """Return the calls for what these requests hold."""
    return merged(each for each in pending_of(room, *requests) if each.outcome is None)


def sizes(calls: Sequence[Call]) -> list[int]:
    return [len(call.items) for call in calls]


def padded(size: int, body: JsonObject = NOBODY, letter: str = "x") -> JsonObject:
    """Return the body with a text that makes it as many bytes as JSON."""
    missing = size - len(encoded_json({**body, "pad": ""}))
    count, rest = divmod(missing, len(letter.encode()))
    return {**body, "pad": letter * count + "x" * rest}


def many(count: int, make: Callable[[int], JsonObject]) -> list[JsonObject]:
    return [make(number) for number in range(count)]


def by_id(number: int) -> JsonObject:
    return {"id": f"u{number}", "operation": "ADD"}


def by_key(number: int) -> JsonObject:
    return {"key": f"u{number}"}


def by_email(number: int) -> JsonObject:
    return {"email": f"u{number}@x.io"}


def sized(size: int) -> Callable[[int], JsonObject]:
    return lambda _number: padded(size)


@dataclass(frozen=True)
class Batch:
    """Items of one request, and how many of them each call carries."""

    id: str
    room: Integration
    endpoint: Endpoint
    target: Target
    bodies: Sequence[JsonObject]
    sizes: Sequence[int]


ITERABLE = iterable.access("canary-key")
BRAZE = braze.access("canary-key")
CUSTOMERIO = customerio.access("s", "canary-key", segment="4", id_type="id")
KLAVIYO = klaviyo.access("canary-key", list="L")
AMPLITUDE = amplitude.access("canary-key")
COHORT = amplitude.cohort_access("canary-key", "canary-secret", "c")
MIXPANEL = mixpanel.import_access("canary-user", "canary-secret", "9")
SEGMENT = segment.access("canary-key")
FACEBOOK = facebook.access(pixel="5", audience="6")
TIKTOK = tiktok.access("canary-token", pixel="p", action="add", advertiser="1")
GOOGLE = google_ads.access("canary-token", list="l")
NEW_RELIC = new_relic.access("canary-key", "1")
SPLIT = split_io.access("canary-key", environment="e", segment="s")

BATCHES = [
    Batch("1 Iterable", iterable.ROOM, iterable.TRACK, ITERABLE, many(2500, sized(300)), [1000, 1000, 500]),
    Batch("1 Iterable, large", iterable.ROOM, iterable.TRACK, ITERABLE, many(2500, sized(5000)), [799, 799, 799, 103]),
    Batch(
        "2 and B6 Braze",
        braze.ROOM,
        braze.TRACK,
        BRAZE,
        [braze.tracked("attributes"), *many(200, lambda _: braze.tracked("events"))],
        [75, 75, 51],
    ),
    Batch(
        "B6 Braze, 80 products of one event",
        braze.ROOM,
        braze.TRACK,
        BRAZE,
        many(80, lambda _: braze.tracked("purchases")),
        [75, 5],
    ),
    Batch("3 and C5", customerio.ROOM, customerio.BATCH, CUSTOMERIO, many(40, sized(20_000)), [24, 16]),
    Batch("3 Customer.io, ids", customerio.ROOM, customerio.ADD, CUSTOMERIO, many(2300, by_id), [1000, 1000, 300]),
    Batch("5 Klaviyo", klaviyo.ROOM, klaviyo.EVENTS, KLAVIYO, many(2500, by_id), [1000, 1000, 500]),
    Batch("5 Klaviyo, removal", klaviyo.ROOM, klaviyo.LEAVE, KLAVIYO, many(2500, by_id), [1000, 1000, 500]),
    Batch("6 Amplitude", amplitude.ROOM, amplitude.EVENTS, AMPLITUDE, many(4500, sized(200)), [2000, 2000, 500]),
    Batch(
        "6 Amplitude, large", amplitude.ROOM, amplitude.EVENTS, AMPLITUDE, many(4500, sized(1000)), [998] * 4 + [508]
    ),
    Batch("7 Mixpanel", mixpanel.ROOM, mixpanel.IMPORT, MIXPANEL, many(4500, sized(200)), [2000, 2000, 500]),
    Batch("7 Mixpanel, profiles", mixpanel.ROOM, mixpanel.ENGAGE, mixpanel.engage_access("t"), many(10, by_id), [10]),
    Batch("8 Segment", segment.ROOM, segment.BATCH, SEGMENT, many(20, sized(31_000)), [16, 4]),
    Batch("9 Facebook", facebook.ROOM, facebook.CONVERSIONS, FACEBOOK, many(2500, by_id), [1000, 1000, 500]),
    Batch("9 Facebook, members", facebook.ROOM, facebook.ADD, FACEBOOK, many(25_000, by_email), [10_000, 10_000, 5000]),
    Batch("10 TikTok", tiktok.ROOM, tiktok.EVENTS, TIKTOK, many(1500, by_id), [1000, 500]),
    Batch("11 Google Ads", google_ads.ROOM, google_ads.JOIN, GOOGLE, many(25_000, by_email), [10_000, 10_000, 5000]),
    Batch("11 Google Ads, removal", google_ads.ROOM, google_ads.LEAVE, GOOGLE, many(10, by_email), [10]),
    Batch("13 and P2", airship.ROOM, airship.EVENTS, airship.access("t", "a"), many(250, by_id), [100, 100, 50]),
    Batch("14 Sailthru", sailthru.ROOM, sailthru.EVENT, sailthru.access("k", "s"), many(3, by_id), [1, 1, 1]),
    Batch(
        "15a Split.io",
        split_io.ROOM,
        split_io.UPLOAD,
        SPLIT,
        many(2500, by_key),
        [1000, 1000, 500],
    ),
    Batch("15b New Relic", new_relic.ROOM, new_relic.EVENTS, NEW_RELIC, many(2500, sized(200)), [1000, 1000, 500]),
]


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: batch.id)
def test_a_call_carries_as_much_as_the_partner_takes_and_no_more(batch: Batch) -> None:
    calls = calls_of(batch.room, items(batch.endpoint, batch.target, batch.bodies))

    assert sizes(calls) == batch.sizes
    assert [body for call in calls for body in call.bodies()] == [*batch.bodies]
    assert max(_bytes(call) for call in calls) <= batch.endpoint.max_bytes


def _bytes(call: Call) -> int:
    made = call.endpoint.call(call.target, call.bodies())
    return made.size() if isinstance(made, PartnerCall) else next(made).size()


@pytest.mark.parametrize(
    ("size", "outcome"), [(32_000, None), (32_001, Rejected("item_too_large"))], ids=["just fits", "a byte too large"]
)
@pytest.mark.parametrize(
    ("room", "endpoint", "target"),
    [(customerio.ROOM, customerio.BATCH, CUSTOMERIO), (segment.ROOM, segment.BATCH, SEGMENT)],
    ids=["C5 Customer.io", "8 Segment"],
)
def test_an_item_that_is_too_large_is_rejected_before_anything_is_sent(
    room: Integration, endpoint: Endpoint, target: Target, size: int, outcome: Rejected | None
) -> None:
    pending = pending_of(room, items(endpoint, target, [padded(size)]))

    assert [each.outcome for each in pending] == [outcome]


@pytest.mark.parametrize(("spare", "expected"), [(0, [2]), (-1, [1, 1])], ids=["exactly", "a byte too many"])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_byte_limit_may_be_met_exactly_and_counts_utf8(spare: int, expected: list[int], letter: str) -> None:
    endpoint = replace(segment.BATCH, max_bytes=len('{"batch":[,]}') + 1000 + 500 + spare)
    bodies = [padded(1000, letter=letter), padded(500, letter=letter)]

    calls = calls_of(segment.ROOM, items(endpoint, SEGMENT, bodies))

    assert sizes(calls) == expected


def test_b6_the_attribute_is_in_the_first_call() -> None:
    bodies = [braze.tracked("attributes"), *many(200, lambda _: braze.tracked("events"))]

    calls = calls_of(braze.ROOM, items(braze.TRACK, BRAZE, bodies))

    assert [[body["kind"] for body in call.bodies()].count("attributes") for call in calls] == [1, 0, 0]


def test_b7_a_leave_and_a_join_in_one_request_are_one_object_with_the_last_state() -> None:
    profile = UserProfile(
        user_identities=(UserIdentity.model_validate({"type": "customer", "encoding": "raw", "value": "u"}),),
        audiences=tuple(Audience.model_validate({"audience_id": 1, "action": verb}) for verb in ("delete", "add")),
    )
    request = AudienceMembershipChangeRequest(user_profiles=(profile,))

    made = braze.memberships(request, BRAZE)

    assert [(item.body, item.covers) for item in made] == [
        (
            {"kind": "attributes", "object": {"external_id": "u", "audience_1": True}},
            (("user_profiles", 0, 0), ("user_profiles", 0, 1)),
        )
    ]


def test_b7_two_states_of_one_user_in_two_requests_are_never_in_flight_together() -> None:
    leave, join = (braze.tracked("attributes", external_id="u", audience_1=state) for state in (False, True))

    calls = calls_of(
        braze.ROOM, items(braze.TRACK, BRAZE, [leave], keys=["u"]), items(braze.TRACK, BRAZE, [join], keys=["u"])
    )

    assert [(call.bodies(), call.after) for call in calls] == [([leave], set()), ([join], {0})]


def test_c5_ids_and_addresses_are_one_call_a_kind() -> None:
    addresses = customerio.access("s", "canary-key", segment="4", id_type="email")
    mixed = [
        item
        for number in range(3)
        for target in (CUSTOMERIO, addresses)
        for item in items(customerio.ADD, target, [by_id(number)], users=[f"{target['id_type']} {number}"])
    ]

    calls = calls_of(customerio.ROOM, mixed)

    assert [(call.target["id_type"], len(call.items)) for call in calls] == [("id", 3), ("email", 3)]


def test_h8_two_users_with_one_address_are_one_input_that_covers_both() -> None:
    emails = [f"u{number}@x.io" for number in range(249)] + ["u0@x.io"]
    bodies: list[JsonObject] = [{"email": email} for email in emails]
    users = [f"user {number}" for number in range(250)]

    calls = calls_of(
        hubspot.ROOM, items(hubspot.UPSERT, hubspot.access("canary-token"), bodies, keys=emails, users=users)
    )

    assert sizes(calls) == [100, 100, 49]
    assert [rider.item.covers for rider in calls[0].items[0].riders] == [(("events", 249),)]


def test_one_address_with_two_states_is_in_two_calls_and_equal_events_are_both_sent() -> None:
    target = hubspot.access("canary-token")
    states: list[JsonObject] = [{"email": "a@x.io", "plan": plan} for plan in ("free", "paid")]

    upserts = calls_of(hubspot.ROOM, items(hubspot.UPSERT, target, states, keys=["a@x.io"] * 2))
    events = calls_of(iterable.ROOM, items(iterable.TRACK, ITERABLE, [by_email(1)] * 2))

    assert [call.bodies() for call in upserts] == [[states[0]], [states[1]]]
    assert [call.bodies() for call in events] == [[by_email(1)] * 2]


def test_10_joins_and_leaves_are_a_call_each_in_the_order_that_each_user_needs() -> None:
    def change(user: str, action: str) -> Item:
        target = tiktok.access("canary-token", action=action, advertiser="1")
        return items(tiktok.MEMBERS, target, [{"id": user, "audience": "2"}], keys=[user], users=[user])[0]

    apart = [change("a", "add"), change("d", "delete"), change("b", "add"), change("e", "delete"), change("c", "add")]
    again = [change("a", "delete"), change("b", "add"), change("a", "add"), change("b", "delete"), change("c", "add")]

    def shown(changes: list[Item]) -> list[tuple[str, list[object]]]:
        calls = calls_of(tiktok.ROOM, changes)
        return [(call.target["action"], [body["id"] for body in call.bodies()]) for call in calls]

    assert shown(apart) == [("add", ["a", "b", "c"]), ("delete", ["d", "e"])]
    assert shown(again) == [("delete", ["a"]), ("add", ["b", "a", "c"]), ("delete", ["b"])]


def test_two_endpoints_of_one_lane_keep_a_users_order() -> None:
    target = iterable.access("canary-key", list="7")

    def change(endpoint: Endpoint, user: str) -> Item:
        return items(endpoint, target, [{"email": user}], keys=[user], users=[user])[0]

    changes = [change(iterable.LEAVE, "a"), change(iterable.JOIN, "b"), change(iterable.JOIN, "a")]

    calls = calls_of(iterable.ROOM, [*changes, change(iterable.LEAVE, "b")])

    assert [(call.endpoint.name, [body["email"] for body in call.bodies()], call.after) for call in calls] == [
        ("unsubscribe", ["a"], set()),
        ("subscribe", ["b", "a"], {0}),
        ("unsubscribe", ["b"], {1}),
    ]


def test_12_the_tags_of_one_user_share_a_call() -> None:
    made = [
        item
        for user in ("u1", "u2", "u3")
        for item in items(
            onesignal.UPDATE,
            onesignal.access("canary-key", "app", user),
            [{"tag": "one", "value": "1"}, {"tag": "two", "value": ""}],
            keys=["one", "two"],
            users=[user] * 2,
        )
    ]

    calls = calls_of(onesignal.ROOM, made)

    assert [(call.target["user"], [body["tag"] for body in call.bodies()]) for call in calls] == [
        ("u1", ["one", "two"]),
        ("u2", ["one", "two"]),
        ("u3", ["one", "two"]),
    ]


def test_one_cohort_takes_one_call_at_a_time() -> None:
    made = items(amplitude.MEMBERS, COHORT, many(1500, by_id), users=["c"] * 1500)

    calls = calls_of(amplitude.ROOM, made)

    assert [(len(call.items), call.after) for call in calls] == [(1000, set()), (500, {0})]


@pytest.mark.parametrize(
    ("room", "endpoint", "target", "expected"),
    [
        (braze.ROOM, braze.TRACK, BRAZE, [2]),
        (iterable.ROOM, iterable.TRACK, ITERABLE, [1, 1]),
    ],
    ids=["across requests", "not across requests"],
)
def test_items_of_two_requests_share_a_call_only_if_it_may_be_repeated(
    room: Integration, endpoint: Endpoint, target: Target, expected: list[int]
) -> None:
    request = items(endpoint, target, [braze.tracked("events")])

    assert sizes(calls_of(room, request, request)) == expected
