"""Rules that every judge keeps to, whatever an answer holds."""

from datetime import UTC, datetime
from email.utils import format_datetime
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mparticle_firehose.integration import Answer, Delivered, Endpoint, Integration, JsonObject, Retry, by_table
from mparticle_firehose.integration.outcomes import MAX_WAIT_SECONDS
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
from tests.rooms.judging import NOW, answered, judged, kinds

ROOMS = (
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
JUDGES = [
    pytest.param(room.ROOM, endpoint, id=f"{room.__name__.rpartition('.')[2]} {endpoint.name}")
    for room in ROOMS
    for endpoint in room.ENDPOINTS
    if endpoint.judge is not by_table
]
STRANGE_TRACE = {"context": {"objectWriteTraceId": ["5"]}}
BODY: JsonObject = {"email": "a@x.io", "kind": "events", "id": "u", "operation": "ADD", "key": "u", "made_at": 1}
PLACES = ("batch_index", "index", "input_array", "objectWriteTraceId", "source", "pointer", "fieldName", "location")
LISTS = ("errors", "details", "failed_records", "fieldPathElements", "memberships_result", "skipped_ids", "results")
OBJECTS = ("context", "failedUpdates", "error", "partialFailureError", "events_with_invalid_fields")
VALUES = ("code", "error_subcode", "failCount", "invalidEmails", "message", "operation", "policyName", "status")
NAMES = (*PLACES, *LISTS, *OBJECTS, *VALUES)
TEXTS = ("events", "success", "operations", "ADD", "u", "a@x.io", "COMPLETE", "/data/1/x", "/data/9999999/x", "0", "²")
LEAVES = st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from(TEXTS) | st.just(10**400)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=15,
)
STATUSES = st.sampled_from((200, 201, 202, 204, 207, 400, 401, 404, 409, 413, 423, 429, 477, 500))
WAITS = ("7", "-1", "inf", "1e999", "Mon, 99 Foo", "{}", "[1]", '{"a": [{"estimated_time_to_regain_access": "x"}]}')
HEADERS = st.dictionaries(
    st.sampled_from(("Retry-After", "X-RateLimit-Reset", "X-Rate-Limit-Reset", "X-Business-Use-Case-Usage")),
    st.sampled_from(WAITS),
)
ANSWERS = st.builds(answered, STATUSES, JSON, HEADERS)


@pytest.mark.parametrize(("room", "endpoint"), JUDGES)
@settings(max_examples=50)
@given(answer=ANSWERS, count=st.integers(1, 3))
def test_a_judge_never_raises_and_names_only_items_of_the_call(
    room: Integration, endpoint: Endpoint, answer: Answer, count: int
) -> None:
    outcome = judged(room, endpoint, [BODY] * count, answer)

    failures = outcome.failures if isinstance(outcome, Delivered) else {}
    assert [index for index in failures if type(index) is not int or not 0 <= index < count] == []


@pytest.mark.parametrize(
    ("room", "endpoint", "body"),
    [
        (braze, braze.TRACK, {}),
        (hubspot, hubspot.UPSERT, {}),
        (tiktok, tiktok.EVENTS, {}),
        (tiktok, tiktok.EVENTS, None),
    ],
    ids=["braze", "hubspot", "tiktok", "tiktok without a body"],
)
def test_a_success_whose_body_does_not_say_so_is_no_delivery(
    room: ModuleType, endpoint: Endpoint, body: object
) -> None:
    outcome = judged(room.ROOM, endpoint, [BODY] * 2, answered(200, body))

    assert "ok" not in kinds(outcome, 2)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        (format_datetime(datetime.fromtimestamp(NOW + 30, UTC), usegmt=True), 30.0),
        (f"{NOW + 42:.0f}", 42.0),
        (f"{(NOW + 42) * 1000:.0f}", 42.0),
        (f"{NOW - 42:.0f}", 0.0),
        ("86400", MAX_WAIT_SECONDS),
        ("-3", 0.0),
        ("soon", None),
        ("", None),
        ("NaN", None),
        ("Infinity", None),
    ],
)
def test_a_wait_is_read_in_every_unit_that_partners_use(value: str, seconds: float | None) -> None:
    answer = answered(429, None, {"Retry-After": value})

    assert judged(segment.ROOM, segment.BATCH, [BODY], answer) == Retry("http_429", seconds)


@pytest.mark.parametrize(
    ("room", "endpoint", "body", "unplaced"),
    [
        (braze, braze.TRACK, {"message": "success", "errors": ["x", {"type": "y"}]}, 2),
        (customerio, customerio.BATCH, {"errors": [{"batch_index": 7}, {"batch_index": True}, {}]}, 3),
        (
            hubspot,
            hubspot.UPSERT,
            {"results": [{}], "errors": [{}, STRANGE_TRACE]},
            2,
        ),
        (facebook, facebook.ADD, {"num_received": 1, "num_invalid_entries": 1}, 1),
        (customerio, customerio.BATCH, {"errors": [{"batch_index": 0}]}, 0),
    ],
    ids=["braze", "customer.io", "hubspot", "facebook", "a failure that has its place"],
)
def test_failures_that_fit_no_item_are_counted(
    room: ModuleType, endpoint: Endpoint, body: object, unplaced: int
) -> None:
    outcome = judged(room.ROOM, endpoint, [BODY], answered(207, body))

    assert isinstance(outcome, Delivered)
    assert outcome.unplaced == unplaced
