"""How items share calls to Braze."""

import json
from typing import Any

from local.rooms import Room
from mparticle_firehose.delivery.merging import Call, merged
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.protocol import Serializer

ROOM = Room.of("examples/braze")
PLANNER = Planner(ROOM.integration())

type Json = dict[str, Any]


def calls_of(*messages: Json) -> list[Call]:
    """Return the calls of messages that are delivered together."""
    parse: Any = Serializer().parse
    plans = [PLANNER.plan(parse(message), source=str(number)) for number, message in enumerate(messages)]
    return merged(pending for plan in plans for pending in plan.pending)


def request(name: str, **overrides: object) -> Json:
    return {**json.loads((ROOM.events / f"{name}.json").read_text()), **overrides}


def events_request(events: list[Json], **attributes: str) -> Json:
    return request("event_processing_request_alias", events=events, user_attributes=attributes)


def membership(action: str, customer: str = "canary-c", audience: int = 1) -> Json:
    profile = {
        "user_identities": [{"type": "customer", "encoding": "raw", "value": customer}],
        "audiences": [{"audience_id": audience, "action": action}],
        "mpid": customer,
    }
    return request("audience_membership_change_request", user_profiles=[profile])


EVENT: Json = {"type": "custom_event", "name": "x"}


def test_b6_attributes_and_200_events_are_calls_of_75_75_and_51_objects() -> None:
    calls = calls_of(events_request([EVENT] * 200, tier="gold"))

    assert [len(call.items) for call in calls] == [75, 75, 51]
    assert [body["kind"] for body in calls[0].bodies()[:2]] == ["attributes", "events"]


def test_b6_the_products_of_a_purchase_are_split_like_any_other_objects() -> None:
    products = [{"id": f"T{number}", "price": 1} for number in range(80)]
    purchase = {"type": "product_action", "action": "purchase", "currency_code": "EUR", "products": products}

    calls = calls_of(events_request([purchase]))

    assert [len(call.items) for call in calls] == [75, 5]
    assert {pending.item.covers for call in calls for pending in call.items} == {(("events", 0),)}


def test_b7_of_leave_and_join_in_one_request_the_last_is_sent() -> None:
    leave, join = membership("delete"), membership("add")
    profiles = [*leave["user_profiles"], *join["user_profiles"]]

    (call,) = calls_of({**leave, "user_profiles": profiles})

    assert call.bodies() == [{"kind": "attributes", "object": {"audience_1": True, "external_id": "canary-c"}}]


def test_b7_leave_and_join_in_two_requests_are_two_calls_one_after_the_other() -> None:
    calls = calls_of(membership("delete"), membership("add"))

    assert [[body["object"] for body in call.bodies()] for call in calls] == [
        [{"audience_1": False, "external_id": "canary-c"}],
        [{"audience_1": True, "external_id": "canary-c"}],
    ]
    assert [call.after for call in calls] == [set(), {0}]


def test_joins_and_leaves_of_different_users_and_audiences_share_a_call() -> None:
    users = [membership("add" if n % 2 else "delete", customer=f"canary-{n}", audience=n % 5) for n in range(75)]

    assert [len(call.items) for call in calls_of(*users)] == [75]


def test_the_same_change_again_shares_the_place() -> None:
    (call,) = calls_of(membership("add"), membership("add"))

    assert len(call.items) == 1
    assert len(call.items[0].riders) == 1


def test_erasures_of_one_kind_share_a_call_of_50() -> None:
    requests = [
        request("dsr_processing_request", extensions=None,
                subject_identities={"email": {"encoding": "raw", "value": f"canary-{number}@example.com"}})
        for number in range(60)
    ]  # fmt: skip

    assert [len(call.items) for call in calls_of(*requests)] == [50, 10]
    assert len(calls_of(request("dsr_processing_request"))) == 3
