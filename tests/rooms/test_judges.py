"""What the answers of Iterable, Braze, Customer.io and HubSpot mean: the outcome of each item of a call."""

import pytest

from mparticle_firehose.integration import JsonObject
from tests.rooms import braze, customerio, hubspot, iterable
from tests.rooms.judging import NOW, answered, judged, kinds
from tests.rooms.vectors import Vector

A, B, C = ({"email": f"{name}@x.io"} for name in "abc")
TRACKED: list[JsonObject] = [
    {"email": "A@x.io", "eventName": "a"},
    {"email": "b@x.io", "eventName": "b"},
    {"userId": "u3", "eventName": "c"},
]
TWO_OF_ONE: list[JsonObject] = [{**A, "eventName": "a"}, {**B, "eventName": "a"}, {**A, "eventName": "a"}]

ITERABLE = [
    Vector(
        "I1 failures are named by value",
        iterable.ROOM,
        iterable.TRACK,
        TRACKED,
        answered(
            200,
            {
                "successCount": 1,
                "failCount": 2,
                "failedUpdates": {"invalidEmails": [], "forgottenEmails": ["a@x.io"], "notFoundUserIds": []},
                "disallowedEventNames": ["b"],
            },
        ),
        ["reject", "reject", "ok"],
    ),
    Vector(
        "I2 a value that stands for two items",
        iterable.ROOM,
        iterable.TRACK,
        TWO_OF_ONE,
        answered(200, {"successCount": 2, "failCount": 1, "failedUpdates": {"invalidEmails": ["a@x.io"]}}),
        ["alone", "ok", "alone"],
    ),
    Vector(
        "I2 a value that is named as often as it was sent",
        iterable.ROOM,
        iterable.TRACK,
        TWO_OF_ONE,
        answered(200, {"successCount": 1, "failCount": 2, "failedUpdates": {"invalidEmails": ["a@x.io", "a@x.io"]}}),
        ["reject", "ok", "reject"],
    ),
    *(
        Vector(
            f"I3 {endpoint.name} of somebody unknown",
            iterable.ROOM,
            endpoint,
            [A, B],
            answered(200, {"successCount": 1, "failCount": 1, "failedUpdates": {"notFoundEmails": ["b@x.io"]}}),
            outcome,
        )
        for endpoint, outcome in ((iterable.LEAVE, ["ok", "ok"]), (iterable.JOIN, ["ok", "reject"]))
    ),
    *(
        Vector(f"I4 {code}", iterable.ROOM, iterable.RENAME, 1, answered(status, {"code": code, "msg": "x"}), [outcome])
        for status, code, outcome in (
            (400, "UnknownEmailError", "ok"),
            (400, "EmailAlreadyExists", "reject"),
            (401, "BadApiKey", "suspend"),
            (409, "ForgottenUserError", "reject"),
            (500, "GenericError", "retry"),
        )
    ),
    Vector(
        "I5 a success with another code",
        iterable.ROOM,
        iterable.UPDATE,
        1,
        answered(200, {"code": "BadParams", "msg": "x"}),
        ["reject"],
    ),
    Vector(
        "I6 no wait is named",
        iterable.ROOM,
        iterable.TRACK,
        TRACKED,
        answered(429, {"code": "RateLimitExceeded", "msg": "x"}),
        ["retry"] * 3,
    ),
    Vector(
        "a bulk call is refused whole",
        iterable.ROOM,
        iterable.TRACK,
        TRACKED,
        answered(400, {"code": "BadParams", "msg": "x"}),
        ["alone"] * 3,
    ),
    Vector(
        "the list is invalid",
        iterable.ROOM,
        iterable.JOIN,
        [A, B],
        answered(400, {"code": "BadParams", "msg": "List is invalid"}),
        ["reject"] * 2,
    ),
    Vector(
        "a bulk call is too large",
        iterable.ROOM,
        iterable.TRACK,
        TRACKED,
        answered(400, {"code": "BatchTooLarge", "msg": "x"}),
        ["split"] * 3,
    ),
]

ATTRIBUTE, EVENT, PURCHASE = (braze.tracked(kind) for kind in braze.KINDS)
REFUSED_OBJECTS = [
    {"type": "'name' is required", "input_array": "events", "index": 1},
    {"type": "'quantity' is not valid", "input_array": "purchases", "index": 0},
]
BRAZE = [
    Vector(
        "B1 an index counts inside its array",
        braze.ROOM,
        braze.TRACK,
        [ATTRIBUTE, EVENT, EVENT, PURCHASE, PURCHASE],
        answered(201, {"message": "success", "errors": REFUSED_OBJECTS}),
        ["ok", "ok", "reject", "reject", "ok"],
    ),
    Vector(
        "B1 in another order",
        braze.ROOM,
        braze.TRACK,
        [PURCHASE, EVENT, ATTRIBUTE, PURCHASE, EVENT],
        answered(201, {"message": "success", "errors": REFUSED_OBJECTS}),
        ["reject", "ok", "ok", "ok", "reject"],
    ),
    *(
        Vector(f"B2 {name}", braze.ROOM, braze.TRACK, [EVENT, EVENT], answered(201, body), ["retry"] * 2)
        for name, body in (("no success", {"message": "maintenance"}), ("an empty body", None))
    ),
    *(
        Vector(f"B3 {headers}", braze.ROOM, braze.TRACK, [EVENT], answered(429, {}, headers), [outcome])
        for headers, outcome in (
            ({"x-ratelimit-retry-after": "7"}, "retry(7)"),
            ({"X-RateLimit-Reset": f"{NOW + 42:.0f}"}, "retry(42)"),
            ({"X-RateLimit-Reset": "42"}, "retry(42)"),
            ({"X-RateLimit-Reset": "42", "X-RateLimit-Retry-After": "7"}, "retry(7)"),
            ({}, "retry"),
        )
    ),
    Vector(
        "B4 every object is refused",
        braze.ROOM,
        braze.TRACK,
        [ATTRIBUTE, ATTRIBUTE],
        answered(
            400,
            {
                "message": "Valid data must be provided",
                "errors": [{"type": "x", "input_array": "attributes", "index": index} for index in (0, 1)],
            },
        ),
        ["reject"] * 2,
    ),
    Vector("B5", braze.ROOM, braze.TRACK, [EVENT], answered(401, {"message": "Invalid API Key"}), ["suspend"]),
    Vector(
        "too many objects",
        braze.ROOM,
        braze.TRACK,
        [EVENT, EVENT],
        answered(400, {"message": "Max Input Length Exceeded"}),
        ["split"] * 2,
    ),
    Vector("a wrong URL", braze.ROOM, braze.TRACK, [EVENT], answered(404, {"message": "Invalid URL"}), ["reject"]),
]

CUSTOMERIO = [
    Vector(
        "C1",
        customerio.ROOM,
        customerio.BATCH,
        3,
        answered(
            207,
            {"errors": [{"batch_index": 1, "reason": "invalid", "field": "attributes.plan", "message": "too long"}]},
        ),
        ["ok", "reject", "ok"],
    ),
    *(
        Vector(
            f"C2 of {len(outcome)}",
            customerio.ROOM,
            customerio.BATCH,
            len(outcome),
            answered(400, {"errors": [{"reason": "invalid", "message": "malformed"}]}),
            outcome,
        )
        for outcome in (["alone"] * 3, ["reject"])
    ),
    Vector(
        "C3 no index is usable",
        customerio.ROOM,
        customerio.BATCH,
        3,
        answered(207, {"errors": [{"batch_index": 7}, {"batch_index": True}, {}]}),
        ["ok"] * 3,
    ),
    Vector("C4 401", customerio.ROOM, customerio.ADD, 2, answered(401), ["suspend"] * 2),
    Vector("C4 400", customerio.ROOM, customerio.ADD, 2, answered(400, {"meta": {"errors": ["x"]}}), ["alone"] * 2),
]

HUBSPOT = [
    Vector(
        "H1",
        hubspot.ROOM,
        hubspot.UPSERT,
        [A, B, C],
        answered(
            207,
            {
                "status": "COMPLETE",
                "results": [{"id": "11", "properties": A}, {"id": "12", "properties": B}],
                "numErrors": 1,
                "errors": [{"category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": ["2"]}}],
            },
        ),
        ["ok", "ok", "reject"],
    ),
    Vector(
        "H2 nothing was written",
        hubspot.ROOM,
        hubspot.UPSERT,
        [A, B],
        answered(200, {"status": "COMPLETE", "results": [], "errors": []}),
        ["reject"] * 2,
    ),
    *(
        Vector(
            f"H3 of {len(outcome)}",
            hubspot.ROOM,
            hubspot.UPSERT,
            [A, B][: len(outcome)],
            answered(400, {"status": "error", "category": "VALIDATION_ERROR", "message": "x"}),
            outcome,
        )
        for outcome in (["alone"] * 2, ["reject"])
    ),
    *(
        Vector(f"H6 {endpoint.name} {policy}", hubspot.ROOM, endpoint, [A, B], answered(429, body), [outcome] * 2)
        for endpoint in (hubspot.UPSERT, hubspot.JOIN)
        for policy, outcome in (("TEN_SECONDLY_ROLLING", "retry(10)"), ("SECONDLY", "retry(1)"), ("OTHER", "retry"))
        for body in [{"errorType": "RATE_LIMIT", "policyName": policy}]
    ),
    Vector("H6b locked", hubspot.ROOM, hubspot.LEAVE, [A], answered(423), ["retry(2)"]),
    Vector(
        "H6b moved", hubspot.ROOM, hubspot.UPSERT, [A], answered(477, None, {"Retry-After": "3600"}), ["retry(3600)"]
    ),
]

VECTORS = [*ITERABLE, *BRAZE, *CUSTOMERIO, *HUBSPOT]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_each_answer_gives_each_item_its_outcome(vector: Vector) -> None:
    outcome = judged(vector.room, vector.endpoint, vector.sent, vector.answer)

    assert kinds(outcome, len(vector.sent)) == vector.outcome
