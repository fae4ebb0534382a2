"""What Iterable's answers mean. The names of the cases with a number are those of the vectors that were collected."""

from typing import Any

import pytest

from examples.iterable.partner.endpoints import (
    CHANGE_EMAIL,
    FORGET,
    PURCHASE,
    REGISTER_DEVICE,
    SUBSCRIBE,
    TRACK,
    UNSUBSCRIBE,
    UPDATE_USER,
    UPDATE_USERS,
)
from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Outcome,
    Rejected,
    Retry,
    Split,
    Suspend,
)

NAMED = Rejected("named_as_failed")
A, B, U3 = {"email": "a@x.io"}, {"email": "b@x.io"}, {"userId": "u3"}
THREE_EVENTS = [{"email": "A@x.io", "eventName": "a"}, {**B, "eventName": "b"}, {**U3, "eventName": "c"}]


def outcome(endpoint: Endpoint, bodies: list[Any], status: int, answer: object) -> Outcome | None:
    return endpoint.judge(bodies, Answer(status=status, body=answer))


def failed(count: int, **lists: list[str]) -> dict[str, object]:
    return {"successCount": 1, "failCount": count, "failedUpdates": lists}


def code(name: str, message: str = "x") -> dict[str, str]:
    return {"code": name, "msg": message}


@pytest.mark.parametrize(
    ("endpoint", "bodies", "status", "answer", "expected"),
    [
        pytest.param(
            TRACK,
            THREE_EVENTS,
            200,
            {
                **failed(2, invalidEmails=[], forgottenEmails=["a@x.io"], notFoundUserIds=[]),
                "disallowedEventNames": ["b"],
            },
            Delivered({0: NAMED, 1: NAMED}),
            id="I1",
        ),
        pytest.param(
            TRACK,
            [{**A, "eventName": "a"}, {**A, "eventName": "b"}, {**B, "eventName": "c"}],
            200,
            failed(1, invalidEmails=["a@x.io"]),
            Delivered({0: Alone("ambiguous"), 1: Alone("ambiguous")}),
            id="I2",
        ),
        pytest.param(UNSUBSCRIBE, [A, B], 200, failed(1, notFoundEmails=["b@x.io"]), Delivered(), id="I3-left"),
        pytest.param(
            SUBSCRIBE, [A, B], 200, failed(1, notFoundEmails=["b@x.io"]), Delivered({1: NAMED}), id="I3-joined"
        ),
        pytest.param(CHANGE_EMAIL, [{}], 400, code("UnknownEmailError"), Delivered(), id="I4-unknown"),
        pytest.param(CHANGE_EMAIL, [{}], 400, code("EmailAlreadyExists"), Rejected("refused"), id="I4-exists"),
        pytest.param(CHANGE_EMAIL, [{}], 401, code("BadApiKey"), Suspend("key_refused"), id="I4-key"),
        pytest.param(UPDATE_USER, [A], 200, code("BadParams"), Rejected("refused"), id="I5"),
        pytest.param(TRACK, THREE_EVENTS, 429, code("RateLimitExceeded"), Retry("not_now"), id="I6"),
    ],
)
def test_the_vectors(endpoint: Endpoint, bodies: list[Any], status: int, answer: object, expected: Outcome) -> None:
    assert outcome(endpoint, bodies, status, answer) == expected


@pytest.mark.parametrize(
    ("endpoint", "bodies", "status", "answer", "expected"),
    [
        pytest.param(PURCHASE, [{}], 200, code("Success"), None, id="success"),
        pytest.param(PURCHASE, [{}], 200, None, None, id="no-body"),
        pytest.param(PURCHASE, [{}], 500, code("GenericError"), None, id="server-error"),
        pytest.param(PURCHASE, [{}], 500, code("DatabaseError"), Retry("not_now"), id="database"),
        pytest.param(PURCHASE, [{}], 401, None, None, id="credential-by-status"),
        pytest.param(PURCHASE, [{}], 400, code("InvalidJwtPayload"), Suspend("key_refused"), id="key-of-another-kind"),
        pytest.param(PURCHASE, [{}], 409, code("ForgottenUserError"), Rejected("refused"), id="forgotten-user"),
        pytest.param(
            REGISTER_DEVICE, [{}], 400, code("BadParams", "devices"), Rejected("refused"), id="too-many-devices"
        ),
        pytest.param(FORGET, [A], 404, None, Delivered(), id="nobody-to-forget-by-status"),
        pytest.param(FORGET, [A], 400, code("BadParams", "User does not exist"), Delivered(), id="nobody-by-message"),
        pytest.param(FORGET, [U3], 400, code("UnknownUserIdError"), Delivered(), id="nobody-by-code"),
        pytest.param(FORGET, [A], 401, code("BadApiKey", "key does not exist"), Suspend("key_refused"), id="dead-key"),
        pytest.param(UPDATE_USER, [A], 400, code("UnknownEmailError"), Rejected("refused"), id="nobody-to-update"),
    ],
)
def test_a_single_call_is_judged_by_its_code_and_else_by_its_status(
    endpoint: Endpoint, bodies: list[Any], status: int, answer: object, expected: Outcome | None
) -> None:
    assert outcome(endpoint, bodies, status, answer) == expected


@pytest.mark.parametrize(
    ("endpoint", "bodies", "status", "answer", "expected"),
    [
        pytest.param(TRACK, THREE_EVENTS, 200, failed(0, invalidEmails=["a@x.io"]), None, id="nothing-failed"),
        pytest.param(TRACK, THREE_EVENTS, 400, code("BadJsonBody"), Alone(), id="refused-whole"),
        pytest.param(TRACK, THREE_EVENTS[:1], 400, code("BadJsonBody"), Rejected("refused"), id="refused-alone"),
        pytest.param(TRACK, THREE_EVENTS, 400, None, None, id="refused-without-a-code"),
        pytest.param(TRACK, THREE_EVENTS, 400, code("BatchTooLarge"), Split(), id="too-large"),
        pytest.param(TRACK, THREE_EVENTS, 503, None, None, id="not-available"),
        pytest.param(TRACK, THREE_EVENTS, 200, failed(2), Alone("failures_not_named"), id="nobody-named"),
        pytest.param(
            TRACK, THREE_EVENTS, 200, failed(1, invalidEmails=["z@x.io"]), Alone("failures_not_named"), id="a-stranger"
        ),
        pytest.param(
            TRACK,
            THREE_EVENTS,
            200,
            {"failedUpdates": {"invalidUserIds": ["u3"]}},
            Delivered({2: NAMED}),
            id="uncounted",
        ),
        pytest.param(TRACK, THREE_EVENTS, 200, {"failedUpdates": ["b@x.io"]}, Delivered(), id="unreadable"),
        pytest.param(
            TRACK,
            [{**A, "eventName": "a"}] * 2,
            200,
            failed(2, invalidEmails=["a@x.io", "A@x.io"]),
            Delivered({0: NAMED, 1: NAMED}),
            id="as-often-as-sent",
        ),
        pytest.param(
            UPDATE_USERS, [A, U3], 200, failed(1, conflictUserIds=["u3"]), Delivered({1: NAMED}), id="conflict"
        ),
        pytest.param(
            UPDATE_USERS,
            [{"userId": "U3"}, U3],
            200,
            failed(1, invalidUserIds=["u3"]),
            Delivered({1: NAMED}),
            id="user-ids-keep-their-case",
        ),
        pytest.param(
            UNSUBSCRIBE,
            [A, B],
            200,
            failed(2, notFoundEmails=["b@x.io"], invalidEmails=["a@x.io"]),
            Delivered({0: NAMED}),
            id="absent-and-invalid",
        ),
        pytest.param(
            SUBSCRIBE,
            [A, B],
            400,
            code("BadParams", "error.lists.invalidListId"),
            Rejected("no_such_list"),
            id="list-gone",
        ),
        pytest.param(SUBSCRIBE, [A, B], 400, code("BadParams", "invalid email in list"), Alone(), id="not-the-list"),
    ],
)
def test_a_bulk_call_is_judged_by_the_values_that_it_names(
    endpoint: Endpoint, bodies: list[Any], status: int, answer: object, expected: Outcome | None
) -> None:
    assert outcome(endpoint, bodies, status, answer) == expected


def test_a_wait_is_kept_to_although_none_is_documented() -> None:
    answer = Answer(status=429, headers={"retry-after": "7"}, body=code("RateLimitExceeded"))

    assert TRACK.judge(THREE_EVENTS, answer) == Retry("not_now", 7.0)
