"""What each answer of Braze means for the objects of a call."""

from typing import Any

import pytest

from local.rooms import Room
from mparticle_firehose.integration import (
    Answer,
    Delivered,
    Endpoint,
    Item,
    JsonObject,
    Outcome,
    Rejected,
    Retry,
    Split,
)
from mparticle_firehose.protocol import Serializer

ROOM = Room.of("examples/braze")
INTEGRATION = ROOM.integration()
INVALID = Rejected("invalid_object")
NOW = 1_760_000_000.0


def endpoint_for(message: dict[str, Any]) -> Endpoint:
    request: Any = Serializer().parse(message)
    mapping: Any = INTEGRATION.events if "events" in message else INTEGRATION.erasures
    item = next(iter(mapping(request)))
    assert isinstance(item, Item)
    return item.endpoint


ACCOUNT = {"account_id": 1, "account_settings": {"restApiKey": "canary-key", "instance": "US-01"}}
EVENT = {"type": "custom_event", "name": "x"}
TRACK = endpoint_for({"type": "event_processing_request", "account": ACCOUNT, "mpid": "1", "events": [EVENT]})
DELETE = endpoint_for(
    {
        "type": "dsr_processing_request",
        "account": ACCOUNT,
        "subject_identities": {"email": {"encoding": "raw", "value": "canary-jane"}},
    }
)


def bodies(*kinds: str) -> list[JsonObject]:
    return [{"kind": kind, "object": {}} for kind in kinds]


def listed(kind: str, *indexes: object) -> list[dict[str, object]]:
    return [{"type": "x", "input_array": kind, "index": index} for index in indexes]


def success(*errors: object) -> dict[str, object]:
    return {"message": "success", "errors": list(errors)}


MIXED = bodies("attributes", "events", "events", "purchases", "purchases")
ATTRIBUTES = bodies("attributes", "attributes")
REFUSED = {"message": "Valid data must be provided", "errors": listed("attributes", 0, 1)}
AGAIN = Retry("unplaced_error")


@pytest.mark.parametrize(
    ("sent", "status", "body", "outcome"),
    [
        pytest.param(
            MIXED,
            201,
            {
                "message": "success", "attributes_processed": 1, "events_processed": 1, "purchases_processed": 1,
                "errors": [
                    {"type": "'name' is required", "input_array": "events", "index": 1},
                    {"type": "'quantity' is not valid", "input_array": "purchases", "index": 0},
                ],
            },
            Delivered({2: INVALID, 3: INVALID}),
            id="B1",
        ),
        pytest.param(bodies("events", "events"), 201, {"message": "maintenance"}, Retry("no_success"), id="B2"),
        pytest.param(bodies("events", "events"), 201, None, Retry("no_success"), id="B2-empty"),
        pytest.param(ATTRIBUTES, 429, {"message": "Rate limited"}, None, id="B3-by-the-table"),
        pytest.param(ATTRIBUTES, 400, REFUSED, INVALID, id="B4"),
        pytest.param(ATTRIBUTES, 401, {"message": "Invalid API Key"}, None, id="B5-by-the-table"),
        pytest.param(ATTRIBUTES, 200, {"message": "success"}, Delivered(), id="nothing-listed"),
        pytest.param(ATTRIBUTES, 201, success(*listed("attributes", 1, 1)), Delivered({1: INVALID}), id="listed-twice"),
        pytest.param(
            ATTRIBUTES, 201, success(*listed("attributes", 2)), Delivered({0: AGAIN, 1: AGAIN}), id="outside-the-array"
        ),
        pytest.param(
            ATTRIBUTES, 201, success(*listed("attributes", True, "0", None)), Delivered({0: AGAIN, 1: AGAIN}),
            id="no-whole-number",
        ),
        pytest.param(MIXED, 201, success("something is wrong"), Delivered({0: AGAIN}), id="bare-text"),
        pytest.param(
            MIXED, 201, success("something is wrong", *listed("attributes", 0)), Delivered({0: INVALID}),
            id="bare-text-beside-a-place",
        ),
        pytest.param(MIXED, 201, success(*listed("events", None)), Delivered(), id="an-event-without-a-place"),
        pytest.param(ATTRIBUTES, 400, {**REFUSED, "errors": listed("attributes", 0)}, None, id="400-names-one"),
        pytest.param(ATTRIBUTES, 400, None, None, id="400-empty"),
        pytest.param(ATTRIBUTES, 400, {"message": "Max Input Length Exceeded"}, Split(), id="too-many"),
        pytest.param(ATTRIBUTES, 413, None, None, id="413-by-the-table"),
        pytest.param(ATTRIBUTES, 503, {"message": "success"}, None, id="503-by-the-table"),
    ],
)  # fmt: skip
def test_an_answer_to_track_has_an_outcome_for_each_object(
    sent: list[JsonObject], status: int, body: object, outcome: Outcome | None
) -> None:
    assert TRACK.judge(sent, Answer(status=status, body=body)) == outcome


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x-ratelimit-retry-after": "7"}, 7),
        ({"x-ratelimit-reset": str(NOW + 42)}, 42),
        ({"x-ratelimit-reset": "42"}, 42),
        ({"x-ratelimit-reset": "42", "x-ratelimit-retry-after": "7"}, 7),
        ({"x-ratelimit-retry-after": "7", "retry-after": "3"}, 3),
        ({"x-ratelimit-limit": "3000", "x-ratelimit-remaining": "0"}, None),
    ],
    ids=["B3", "B3-epoch", "B3-seconds", "the-documented-first", "the-standard-first", "B3-none"],
)
def test_a_wait_is_read_from_the_first_header_that_names_one(headers: dict[str, str], wait: float | None) -> None:
    answer = Answer(status=429, headers=headers, received_at=NOW)

    assert answer.wait(*INTEGRATION.wait_headers) == wait


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"message": "success", "deleted": 1}, None),
        (200, {"message": "maintenance"}, Retry("no_success")),
        (202, None, Retry("no_success")),
        (401, {"message": "Invalid API Key"}, None),
    ],
)
def test_only_a_success_that_says_so_has_deleted(status: int, body: object, outcome: Outcome | None) -> None:
    assert DELETE.judge([{"user": "canary-jane"}], Answer(status=status, body=body)) == outcome
