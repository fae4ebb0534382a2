"""The fake API refuses as Iterable does: by code, by value, and never by index."""

from typing import Any

import pytest
import schemathesis

from examples.iterable.fake_api import FakeApi
from examples.iterable.partner.endpoints import (
    CHANGE_EMAIL,
    FORGET,
    SUBSCRIBE,
    TRACK,
    UNSUBSCRIBE,
    UPDATE_USER,
)
from local.partner.answering import answer_to
from local.partner.contract import ContractError
from local.partner.server import PartnerServer
from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Header,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Target,
)

NAMED = Rejected("named_as_failed")
TEA = Target(site="us", auth=Header("Api-Key", "canary-key"), parameters={"list": "5001"})


def asked(api: FakeApi, endpoint: Endpoint, *bodies: JsonObject, target: Target = TEA) -> tuple[Answer, Outcome | None]:
    call = endpoint.call(target, bodies)
    assert isinstance(call, PartnerCall)
    answer = answer_to(api, call, target=target)
    return answer, endpoint.judge(bodies, answer)


def user(name: str, **more: Any) -> JsonObject:
    return {"email": f"canary-{name}@example.com", **more}


def test_who_joins_is_a_member_and_who_leaves_is_none_and_strangers_are_named() -> None:
    api = FakeApi()

    assert asked(api, SUBSCRIBE, user("a", dataFields={"tier": "gold"}), user("b"), {"email": "canary-invalid"})[1] == (
        Delivered({2: NAMED})
    )
    assert api.members[5001] == {"canary-a@example.com", "canary-b@example.com"}

    answer, outcome = asked(api, UNSUBSCRIBE, user("A"), user("c"))
    assert answer.body == {
        "successCount": 1,
        "failCount": 1,
        "failedUpdates": {
            "notFoundEmails": ["canary-c@example.com"],
            "notFoundUserIds": [],
            "forgottenEmails": [],
            "forgottenUserIds": [],
            "invalidEmails": [],
            "invalidUserIds": [],
        },
    }
    assert outcome == Delivered()
    assert api.members[5001] == {"canary-b@example.com"}


def test_a_list_that_is_gone_refuses_all() -> None:
    gone = Target(site="us", auth=TEA.auth, parameters={"list": "9"})

    answer, outcome = asked(FakeApi(), SUBSCRIBE, user("a"), user("b"), target=gone)

    assert (answer.status, outcome) == (400, Rejected("no_such_list"))


def test_who_is_forgotten_stays_so() -> None:
    api = FakeApi()
    asked(api, UPDATE_USER, user("a", dataFields={"tier": "gold"}))

    assert asked(api, FORGET, user("a"))[0].status == 200
    assert (api.users, api.forgotten) == ({}, {"canary-a@example.com"})
    answer, outcome = asked(api, FORGET, user("nobody"))
    assert (answer.status, answer.at("code"), outcome) == (400, "UnknownEmailError", Delivered())
    assert asked(api, UPDATE_USER, user("a"))[0].at("code") == "ForgottenUserError"
    event = user("a", eventName="n")
    assert asked(api, TRACK, event, user("b", eventName="n"))[1] == Delivered({0: NAMED})
    assert asked(api, TRACK, event, event)[1] == Delivered({0: NAMED, 1: NAMED})


def test_an_event_whose_name_is_switched_off_is_named_and_a_repeat_changes_nothing() -> None:
    api = FakeApi()
    api.disallowed.add("off")
    events = [
        user("a", eventName="on", id="e1"),
        user("b", eventName="off", id="e2"),
        user("a", eventName="on", id="e1"),
    ]

    answer, outcome = asked(api, TRACK, *events)

    assert (answer.at("failCount"), answer.at("disallowedEventNames")) == (1, ["off"])
    assert outcome == Delivered({1: NAMED})
    assert list(api.events) == ["e1"]


def test_an_address_changes_once_and_only_to_one_that_is_free() -> None:
    api = FakeApi()
    asked(api, UPDATE_USER, user("old", dataFields={"tier": "gold", "gone": None}))
    asked(api, UPDATE_USER, user("taken"))
    change = {"currentEmail": "canary-old@example.com", "newEmail": "canary-new@example.com"}

    assert asked(api, CHANGE_EMAIL, {**change, "newEmail": "canary-taken@example.com"})[1] == Rejected("refused")
    assert asked(api, CHANGE_EMAIL, change)[1] is None
    assert asked(api, CHANGE_EMAIL, change)[1] == Delivered()
    assert api.users["canary-new@example.com"] == {"tier": "gold"}


@pytest.mark.parametrize(
    ("endpoint", "bodies", "rule"),
    [
        (UPDATE_USER, [{"dataFields": {}}], "body: must fit one of"),
        (UPDATE_USER, [{"email": "a@x.io", "userId": "u"}], "body: must fit"),
        (
            TRACK,
            [{"email": "a@x.io", "eventName": "n", "createdAt": 1759999900000}],
            "events[0].createdAt: must be at most",
        ),
        (TRACK, [{"email": "a@x.io", "eventName": "n"}] * 1001, "events: must have at most 1000 items"),
        (SUBSCRIBE, [{"email": "a@x.io"}, {"email": "A@x.io"}], "subscribe: the same user twice in one call"),
        (SUBSCRIBE, [{"userId": " u"}], "subscribers[0].userId: must match"),
    ],
    ids=["nobody", "two-identities", "milliseconds", "too-many", "twice", "blank"],
)
def test_a_broken_call_is_refused_with_its_rule(endpoint: Endpoint, bodies: list[JsonObject], rule: str) -> None:
    with pytest.raises(ContractError) as caught:
        asked(FakeApi(), endpoint, *bodies)

    assert caught.value.rule.startswith(rule)


def test_leaving_without_the_word_about_the_channel_is_refused() -> None:
    body = Json({"listId": 5001, "subscribers": [user("a")]})

    with pytest.raises(ContractError, match=r"^channelUnsubscribe: is required$"):
        answer_to(FakeApi(), PartnerCall(path="/api/lists/unsubscribe", body=body), target=TEA)


def test_another_host_and_another_header_are_refused() -> None:
    call = PartnerCall(method="GET", path="/api/lists")

    with pytest.raises(ContractError, match=r"^host: "):
        answer_to(FakeApi(), call, target=TEA, host="api.iterable.example")
    with pytest.raises(ContractError, match=r"^Api-Key: must be present$"):
        answer_to(FakeApi(), call, target=Target(auth=Header("Authorization", "canary-key")))


def test_it_can_be_served_and_its_document_is_valid() -> None:
    with PartnerServer(FakeApi()) as server:
        assert server.summary()["5001"] == {"name": "Tea lovers", "members": 0}
    document: Any = schemathesis.openapi.from_dict(dict(FakeApi.document))
    document.validate()


def test_ambiguous_failures_go_alone() -> None:
    api = FakeApi()
    api.forgotten.add("canary-a@example.com")
    events = [user("a", eventName="n"), user("b", eventName="n")]
    answer, _ = asked(api, TRACK, *events)

    assert TRACK.judge([events[0], *events], answer) == Delivered({0: Alone("ambiguous"), 1: Alone("ambiguous")})
