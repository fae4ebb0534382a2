"""How items share calls to HubSpot."""

import json
from typing import Any

from local.rooms import Room
from mparticle_firehose.delivery.merging import Call, merged
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.protocol import Serializer

ROOM = Room.of("examples/hubspot")
PLANNER = Planner(ROOM.integration())

type Json = dict[str, Any]


def calls_of(*messages: Json) -> list[Call]:
    """Return the calls of messages that are delivered together."""
    parse: Any = Serializer().parse
    plans = [PLANNER.plan(parse(message), source=str(number)) for number, message in enumerate(messages)]
    return merged(pending for plan in plans for pending in plan.pending)


def request(name: str, **overrides: object) -> Json:
    return {**json.loads((ROOM.events / f"{name}.json").read_text()), **overrides}


def identified(address: str) -> list[Json]:
    return [{"type": "email", "encoding": "raw", "value": address}]


def profile(address: str, action: str = "add", list_id: str = "7") -> Json:
    audience = {"audience_id": 1, "action": action, "audience_subscription_settings": {"listId": list_id}}
    return {"user_identities": identified(address), "mpid": address, "audiences": [audience]}


def memberships(*profiles: Json) -> Json:
    return request("audience_membership_change_request", user_profiles=list(profiles))


ADDRESSES = [f"canary-{number}@example.com" for number in range(249)]


def test_h8_250_users_of_249_addresses_are_upserts_of_100_100_and_49() -> None:
    users = [
        request("event_processing_request_web", user_identities=identified(address), events=[], mpid=str(number))
        for number, address in enumerate([*ADDRESSES, ADDRESSES[0].upper()])
    ]

    calls = calls_of(*users)

    assert {call.endpoint.name for call in calls} == {"upsert"}
    assert [len(call.items) for call in calls] == [100, 100, 49]
    assert [rider.envelope.source for rider in calls[0].items[0].riders] == ["249"]


def test_h8_both_users_of_an_address_are_origins_of_its_one_input() -> None:
    calls = calls_of(memberships(*map(profile, [*ADDRESSES, ADDRESSES[0]])))

    assert [(call.endpoint.name, len(call.items)) for call in calls] == [("join", 100), ("join", 100), ("join", 49)]
    first = calls[0].items[0]
    assert [each.item.covers for each in (first, *first.riders)] == [
        (("user_profiles", 0, 0),),
        (("user_profiles", 249, 0),),
    ]


def test_different_properties_of_one_address_never_share_a_call() -> None:
    users = [
        request("event_processing_request_web", user_identities=identified("canary-a@example.com"), events=[],
                user_attributes={"$City": city})
        for city in ("canary-Oslo", "canary-Rome")
    ]  # fmt: skip

    calls = calls_of(*users)

    assert [call.bodies()[0]["properties"] for call in calls] == [
        {"city": "canary-Oslo", "email": "canary-a@example.com"},
        {"city": "canary-Rome", "email": "canary-a@example.com"},
    ]
    assert [call.after for call in calls] == [set(), {0}]


def test_a_user_leaves_after_joining_and_joins_after_leaving() -> None:
    actions = ["add", "delete", "add"]

    calls = calls_of(*(memberships(profile("canary-a@example.com", action)) for action in actions))

    assert [call.endpoint.name for call in calls] == ["join", "leave", "join"]
    assert [max(call.after, default=None) for call in calls] == [None, 0, 1]


def test_a_contacts_properties_are_written_before_its_events_are_sent() -> None:
    calls = calls_of(request("event_processing_request"))

    assert [(call.endpoint.name, call.after) for call in calls] == [("upsert", set()), ("events", {0})]


def test_lists_have_calls_of_their_own() -> None:
    assert len(calls_of(memberships(profile("canary-a@x.io", list_id="7"), profile("canary-b@x.io", list_id="8")))) == 2


def test_events_of_many_requests_share_calls_of_100() -> None:
    event = {"type": "custom_event", "name": "x"}
    users = [request("event_processing_request_web", events=[event] * 50, user_attributes={}) for _ in range(3)]

    assert [(call.endpoint.name, len(call.items)) for call in calls_of(*users)] == [("events", 100), ("events", 50)]
