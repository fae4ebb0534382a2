"""The fake API refuses and reports as Braze does."""

from typing import Any

import pytest

from local.partner.answering import answer_to
from local.partner.contract import ContractError
from local.rooms import Room
from mparticle_firehose.integration import Answer, Bearer, Delivered, Item, Json, PartnerCall, Rejected
from mparticle_firehose.protocol import Serializer

ROOM = Room.of("examples/braze")
WHO = {"external_id": "canary-c"}
TIME = {"time": "2025-10-09T08:53:20.000Z"}
GOOD_EVENT = {**WHO, **TIME, "name": "x"}
GOOD_PURCHASE = {**WHO, **TIME, "product_id": "T", "currency": "EUR", "price": 1.5}


def track(api: Any, host: str = "rest.iad-01.braze.com", **arrays: Any) -> Answer:
    return answer_to(api, PartnerCall(path="/users/track", auth=Bearer("canary-key"), body=Json(arrays)), host=host)


def delete(api: Any, **lists: Any) -> Answer:
    return answer_to(api, PartnerCall(path="/users/delete", auth=Bearer("canary-key"), body=Json(lists)))


def test_objects_that_are_not_valid_are_listed_by_array_and_index_and_the_others_are_taken() -> None:
    api: Any = ROOM.fake_api()

    answer = track(
        api,
        attributes=[{**WHO, "tier": "gold"}],
        events=[GOOD_EVENT, {**GOOD_EVENT, "name": ""}],
        purchases=[{**GOOD_PURCHASE, "quantity": 101, "currency": "EURO"}, GOOD_PURCHASE],
    )

    assert answer == Answer(
        status=201,
        body={
            "message": "success",
            "attributes_processed": 1,
            "events_processed": 1,
            "purchases_processed": 1,
            "errors": [
                {"type": "'name' is required", "input_array": "events", "index": 1},
                {"type": "'currency' is not valid", "input_array": "purchases", "index": 0},
                {"type": "'quantity' is not valid", "input_array": "purchases", "index": 0},
            ],
        },
    )
    assert (len(api.events), len(api.purchases)) == (1, 1)
    assert api.summary() == {"workspace": {"users": 1, "events": 1, "purchases": 1}}


def test_a_call_without_a_valid_object_is_refused_with_the_same_list() -> None:
    answer = track(ROOM.fake_api(), events=[{"name": "x", **TIME}])

    assert (answer.status, answer.at("errors", 0, "index")) == (400, 0)
    assert answer.text("message").startswith("Valid data must be provided")


def test_the_integration_reads_the_partial_failure_that_its_own_objects_cause() -> None:
    products = [{"id": "T", "price": 1}]
    purchase = {"type": "product_action", "action": "purchase", "currency_code": "EURO", "products": products}
    message = {
        "type": "event_processing_request",
        "account": {"account_id": 1, "account_settings": {"restApiKey": "canary-key", "instance": "US-01"}},
        "mpid": "42",
        "events": [{"type": "custom_event", "name": "x"}, purchase],
    }
    parsed: Any = Serializer().parse(message)
    mapping: Any = ROOM.integration().events
    items: list[Item] = list(mapping(parsed))
    bodies = [item.body for item in items]
    call: Any = items[0].endpoint.call(items[0].target, bodies)

    answer = answer_to(ROOM.fake_api(), call, target=items[0].target)

    assert items[0].endpoint.judge(bodies, answer) == Delivered({1: Rejected("invalid_object")})


def test_null_deletes_an_attribute_and_audiences_are_counted() -> None:
    api: Any = ROOM.fake_api()
    track(api, attributes=[{**WHO, "tier": "gold", "audience_1": True}, {"email": "canary-e", "audience_1": False}])
    track(api, attributes=[{**WHO, "tier": None}])

    assert list(api.users.values()) == [{**WHO, "audience_1": True}, {"email": "canary-e", "audience_1": False}]
    assert api.summary()["audience_1"] == {"members": 1}


def test_deleting_counts_whom_it_found() -> None:
    api: Any = ROOM.fake_api()
    track(api, attributes=[WHO])

    assert delete(api, external_ids=["canary-c", "canary-d"]).body == {"message": "success", "deleted": 1}
    assert api.users == {}


@pytest.mark.parametrize(
    ("arrays", "rule"),
    [
        ({}, "body: must not be empty"),
        ({"attributes": [WHO, {**WHO, "tier": "gold"}]}, "attributes: the same user twice in one call"),
        ({"attributes": [{**WHO, "$Zip": "canary"}]}, "attributes: must not have a name of Braze's own"),
        ({"attributes": [WHO], "events": [GOOD_EVENT] * 75}, "body: must have at most 75 objects"),
        ({"attribute": [WHO]}, "attribute: is not part of the API"),
    ],
    ids=["empty", "same-user", "name", "76-objects", "unknown-array"],
)
def test_what_the_integration_must_never_send_breaks_the_contract(arrays: Any, rule: str) -> None:
    with pytest.raises(ContractError) as caught:
        track(ROOM.fake_api(), **arrays)

    assert str(caught.value) == rule


def test_75_objects_are_taken() -> None:
    assert track(ROOM.fake_api(), attributes=[WHO], events=[GOOD_EVENT] * 74).status == 201


def test_a_delete_is_of_one_kind_and_at_most_50() -> None:
    with pytest.raises(ContractError, match="at most 1 member"):
        delete(ROOM.fake_api(), external_ids=["a"], phone_numbers=["b"])
    with pytest.raises(ContractError, match="at most 50"):
        delete(ROOM.fake_api(), external_ids=["a"] * 51)


def test_a_host_that_is_no_instance_does_not_answer() -> None:
    with pytest.raises(ContractError, match="host: does not offer this path"):
        track(ROOM.fake_api(), host="rest.iad-99.braze.com", attributes=[WHO])
