"""What each answer of HubSpot means for the items of a call."""

from typing import Any

import pytest

from local.rooms import Room
from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Item,
    JsonObject,
    OAuth2,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Target,
)
from mparticle_firehose.protocol import Serializer

INTEGRATION = Room.of("examples/hubspot").integration()
SETTINGS = {"refreshToken": "canary-refresh", "hubId": "4242", "contactProperties": "tier"}
ACCOUNT = {"account_id": 1, "account_settings": SETTINGS}
EMAIL = {"type": "email", "encoding": "raw", "value": "canary-a@x.io"}

LIST = Target(parameters={"list": "7"})


def items(message: dict[str, Any]) -> list[Item]:
    request: Any = Serializer().parse({"account": ACCOUNT, **message})
    mapping: Any = {
        "event_processing_request": INTEGRATION.events,
        "audience_membership_change_request": INTEGRATION.memberships,
        "dsr_processing_request": INTEGRATION.erasures,
    }[request.type]
    return list(mapping(request))


def endpoint_of_change(action: str) -> Endpoint:
    audience = {"audience_id": 1, "action": action, "audience_subscription_settings": {"listId": "7"}}
    profile = {"user_identities": [EMAIL], "audiences": [audience]}
    return items({"type": "audience_membership_change_request", "user_profiles": [profile]})[0].endpoint


UPSERT, EVENTS = (
    item.endpoint
    for item in items({
        "type": "event_processing_request", "user_identities": [EMAIL], "user_attributes": {"tier": "gold"},
        "events": [{"type": "custom_event", "name": "x"}],
    })
)  # fmt: skip
JOIN, LEAVE = endpoint_of_change("add"), endpoint_of_change("delete")
FORGET = items({
    "type": "dsr_processing_request", "subject_identities": {"email": {"encoding": "raw", "value": "canary-a@x.io"}},
})[0].endpoint  # fmt: skip

INPUTS: list[JsonObject] = [{"id": f"{name}@x.io", "properties": {"email": f"{name}@x.io"}} for name in "abc"]
A, B, C = INPUTS
UNNAMED = Alone("no_result")
NOT_WRITTEN = Rejected("not_written")
NOTHING = Rejected("nothing_written")
REFUSAL = {"status": "error", "category": "VALIDATION_ERROR", "message": "x"}


def result(number: int, email: str | None = None, trace: str | None = None) -> dict[str, object]:
    named = {"properties": {"email": email}} if email else {}
    return {"id": str(number), **named, **({"objectWriteTraceId": trace} if trace else {})}


def error(*traces: object) -> dict[str, object]:
    return {**REFUSAL, "context": {"objectWriteTraceId": list(traces)}}


def written(*results: object, errors: tuple[object, ...] = ()) -> dict[str, object]:
    return {"status": "COMPLETE", "results": list(results), "numErrors": len(errors), "errors": list(errors)}


H1 = written(result(11, "a@x.io"), result(12, "b@x.io"), errors=(error("2"),))


@pytest.mark.parametrize(
    ("sent", "status", "body", "outcome"),
    [
        pytest.param([A, B, C], 207, H1, Delivered({2: NOT_WRITTEN}), id="H1"),
        pytest.param([A, B], 200, written(), Delivered({0: NOTHING, 1: NOTHING}), id="H2"),
        pytest.param([A, B], 200, None, Delivered({0: NOTHING, 1: NOTHING}), id="H2-empty"),
        pytest.param([A, B], 400, REFUSAL, None, id="H3-by-the-table"),
        pytest.param([A, B], 401, {"category": "INVALID_AUTHENTICATION"}, None, id="H4-by-the-table"),
        pytest.param([A, B], 200, written(result(2, "B@x.io"), result(1, "a@x.io")), Delivered(), id="any-order"),
        pytest.param([A, B], 200, written(result(2, trace="1"), result(1, trace="0")), Delivered(), id="by-trace-id"),
        pytest.param([A, B], 200, written(result(1), result(2)), Delivered({0: UNNAMED, 1: UNNAMED}), id="unnamed"),
        pytest.param([A], 200, written(result(1, "primary@x.io")), Delivered(), id="the-only-one"),
        pytest.param([A, B], 207, written(result(1, "a@x.io"), errors=(REFUSAL,)), Delivered({1: UNNAMED}),
                     id="an-error-of-nobody"),
        pytest.param([A], 207, written(result(1, "a@x.io"), errors=(error("7", 0, True, None),)), Delivered(),
                     id="traces-that-are-none"),
        pytest.param([A, B], 200, {"status": "PENDING"},
                     Delivered({0: Retry("not_complete"), 1: Retry("not_complete")}), id="not-complete"),
    ],
)  # fmt: skip
def test_an_answer_to_an_upsert_has_an_outcome_for_each_contact(
    sent: list[JsonObject], status: int, body: object, outcome: Outcome | None
) -> None:
    assert UPSERT.judge(sent, Answer(status=status, body=body)) == outcome


@pytest.mark.parametrize("endpoint", [UPSERT, JOIN, LEAVE, EVENTS, FORGET], ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize(
    ("status", "body", "headers", "outcome"),
    [
        pytest.param(429, {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}, {},
                     Retry("http_429", 10), id="H6"),
        pytest.param(429, {"policyName": "SECONDLY"}, {}, Retry("http_429", 1), id="H6-second"),
        pytest.param(429, {"policyName": "DAILY"}, {}, Retry("http_429", 43_200), id="H6-day"),
        pytest.param(429, {"category": "RATE-LIMIT_REACHED"}, {}, None, id="H6-by-the-table"),
        pytest.param(423, None, {}, Retry("http_423", 2), id="H6b-locked"),
        pytest.param(477, None, {"retry-after": "3600"}, Retry("http_477", 3600), id="H6b-moved"),
        pytest.param(477, None, {}, Retry("http_477"), id="H6b-moved-without-a-wait"),
        pytest.param(503, None, {}, None, id="503-by-the-table"),
        pytest.param(404, None, {}, None, id="404-by-the-table"),
    ],
)  # fmt: skip
def test_a_wait_is_read_as_hubspot_names_it(
    endpoint: Endpoint, status: int, body: object, headers: dict[str, str], outcome: Outcome | None
) -> None:
    assert endpoint.judge([A, B], Answer(status=status, body=body, headers=headers)) == outcome


def joined(*answers: object, sent: tuple[JsonObject, ...] = (A, B, C)) -> tuple[list[PartnerCall], Outcome | None]:
    """Return the calls of a join that gets these successful answers, and its outcome; None if it wants more."""
    exchange: Any = JOIN.call(LIST, list(sent))
    calls = [next(exchange)]
    for body in answers:
        try:
            calls += [exchange.send(Answer(status=200, body=body))]
        except StopIteration as end:
            return calls, end.value
    return calls, None


def body_of(call: PartnerCall) -> object:
    return getattr(call.body, "value", None)


def test_h1_a_join_goes_on_with_the_contacts_that_were_written() -> None:
    (_, add), outcome = joined(H1, {"recordsIdsAdded": ["11", "12"], "recordIdsMissing": []})

    assert (add.method, add.path, body_of(add)) == ("PUT", "/crm/lists/2026-03/7/memberships/add", ["11", "12"])
    assert add.known == {2: NOT_WRITTEN}
    assert outcome == Delivered({2: NOT_WRITTEN})


def test_h2_a_join_of_which_nothing_was_written_ends() -> None:
    calls, outcome = joined(written(), sent=(A, B))

    assert (len(calls), outcome) == (1, Delivered({0: NOTHING, 1: NOTHING}))


@pytest.mark.parametrize("added", ["recordsIdsAdded", "recordIdsAdded"])
def test_h7_a_contact_that_is_missing_when_it_is_added_goes_through_the_chain_alone(added: str) -> None:
    answer = {added: ["11"], "recordIdsRemoved": [], "recordIdsMissing": ["12"]}

    _, outcome = joined(written(result(11, "a@x.io"), result(12, "b@x.io")), answer, sent=(A, B))

    assert outcome == Delivered({1: Alone("no_contact")})


def test_two_addresses_of_one_contact_are_added_once() -> None:
    (_, add), outcome = joined(written(result(11, trace="0"), result(11, trace="1")), {}, sent=(A, B))

    assert (body_of(add), outcome) == (["11"], Delivered())


def test_h7_a_contact_that_is_missing_when_it_is_removed_has_left() -> None:
    exchange: Any = LEAVE.call(LIST, [{"id": "a@x.io"}, {"id": "b@x.io"}, {"id": "c@x.io"}])
    next(exchange)

    found = written(result(12, "b@x.io"), result(11, "a@x.io"), errors=(REFUSAL,))
    remove = exchange.send(Answer(status=207, body=found))
    with pytest.raises(StopIteration) as end:
        exchange.send(Answer(status=200, body={"recordIdsMissing": ["12"]}))

    assert (remove.path, body_of(remove)) == ("/crm/lists/2026-03/7/memberships/remove", ["12", "11"])
    assert end.value.value == Delivered()


def test_addresses_without_a_contact_need_no_second_call_to_leave() -> None:
    exchange: Any = LEAVE.call(LIST, [{"id": "a@x.io"}])
    next(exchange)

    with pytest.raises(StopIteration) as end:
        exchange.send(Answer(status=207, body=written(errors=(REFUSAL,))))

    assert end.value.value == Delivered()


def test_h5_only_a_dead_refresh_token_is_the_customers_fault() -> None:
    (item,) = items({"type": "dsr_processing_request", "subject_identities": {"email": {"value": "canary-a@x.io"}}})

    assert isinstance(item.target.auth, OAuth2)
    assert item.target.auth.customers_fault == {"invalid_grant"}


@pytest.mark.parametrize(
    ("sent", "status", "message", "outcome"),
    [
        (["u-1"], 400, "an event with the uuid u-1 exists", Delivered()),
        (["u-1"], 400, "no such event type", None),
        (["u-1", "u-2"], 400, "an event with the uuid u-1 exists", None),
        ([None], 400, "None of the events", None),
        (["u-1"], 204, "", None),
    ],
    ids=["repeated", "unknown-type", "repeated-among-others", "without-uuid", "success"],
)
def test_of_a_single_event_hubspot_may_say_that_it_has_it(
    sent: list[str | None], status: int, message: str, outcome: Outcome | None
) -> None:
    bodies: list[JsonObject] = [{"uuid": uuid} if uuid else {} for uuid in sent]

    assert EVENTS.judge(bodies, Answer(status=status, body={**REFUSAL, "message": message})) == outcome
