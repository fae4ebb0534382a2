"""Each room's fake API can have one item of a call refused, in the way that the room's integration understands."""

from collections.abc import Iterator
from email.message import Message

import pytest

from local.partner.contract import Contract
from local.partner.fake_api import RefusesItems
from local.partner.listener import parsed_body
from local.partner.server import PartnerServer
from local.rooms import Room
from local.run.messages import messages_in
from mparticle_firehose.delivery.merging import Call, merged
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.integration import Answer, Delivered, Outcome, PartnerCall, Rejected
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, EventProcessingRequest, Serializer
from tests.local.whole_api import whole_api
from tests.sample.fake_api import FakeApi as SampleApi

ROOMS = ["tests/sample", "examples/braze", "examples/customerio", "examples/hubspot", "examples/iterable"]


def _headers() -> Message:
    headers = Message()
    for name, value in {"X-Sample-Token": "key", "Idempotency-Key": "1", "Content-Type": "application/json"}.items():
        headers[name] = value
    return headers


def calls(room: Room) -> Iterator[tuple[Call, PartnerCall]]:
    for message in messages_in(room.events):
        request = Serializer().parse(message.content)
        has_items = message.content.get("events") or message.content.get("user_profiles")
        if has_items and isinstance(request, EventProcessingRequest | AudienceMembershipChangeRequest):
            for call in merged(Planner(room.integration()).plan(request, source="").waiting):
                made = call.endpoint.call(call.target, call.bodies())
                if isinstance(made, PartnerCall):  # an exchange judges its answers itself
                    yield call, made


def outcomes(room: Room) -> Iterator[Outcome | None]:
    """Yield what the integration makes of each answer that refuses the first item of a call."""
    for call, made in calls(room):
        api = room.fake_api()
        assert isinstance(api, RefusesItems)
        operation, located = Contract(api.document).find(made.method, made.path)
        parameters = {name: value for (_, name), value in located.items()}
        body = parsed_body(made.body.encoded(), made.body.content_type.partition(";")[0]) if made.body else None
        if (refused := api.partial_failure(operation.id, parameters, body)) is not None:
            yield call.endpoint.judge(call.bodies(), Answer(status=refused[0], body=refused[1]))


@pytest.mark.parametrize("folder", ROOMS)
def test_one_item_of_a_call_is_refused_for_good_and_the_others_count_as_delivered(folder: str) -> None:
    found = list(outcomes(Room.of(folder)))

    assert found
    for outcome in found:
        assert isinstance(outcome, Delivered)
        assert [type(failure) for failure in outcome.failures.values()] == [Rejected]


def test_a_server_refuses_an_item_if_the_script_says_so_and_the_api_knows_how() -> None:
    body = {"account": 7, "request": "r-1", "user": {}, "events": [{"kind": "first"}, {"kind": "second"}]}
    with PartnerServer(SampleApi()) as partner:
        partner.script("/track", [{"partial": True}])
        request = partner.received("POST", "/track", _headers())
        request.body = body

        reply = partner.respond(request)

        assert reply is not None
        assert (reply.status, reply.body) == (202, {"taken": True, "not_taken": [[0, 422]]})
        assert [event["kind"] for event in partner.state("events")[0]["events"]] == ["second"]


def test_a_fake_api_without_that_method_takes_the_whole_call() -> None:
    with PartnerServer(whole_api()) as partner:
        partner.script("/track", [{"partial": True}])
        request = partner.received("POST", "/track", _headers())
        request.body = {"account": 7, "request": "r-1", "user": {}, "events": [{"kind": "first"}]}

        reply = partner.respond(request)

    assert reply is not None
    assert reply.body == {"taken": True}


@pytest.mark.parametrize(("route", "left"), [("", 1), ("/forget", 0)], ids=["all-routes", "its-own-route"])
def test_a_call_without_an_item_to_refuse_leaves_a_fault_of_all_routes_to_a_later_call(route: str, left: int) -> None:
    with PartnerServer(SampleApi()) as partner:
        partner.script_route(route, [{"partial": True, "name": "partial"}])
        request = partner.received("POST", "/forget", _headers())
        request.body = {"identities": {"email": "a@example.com"}}

        reply = partner.respond(request)

        assert reply is not None
        assert reply.status == 202
        assert partner.steps_left(route) == left
        assert ("name" in request.behaviour) is not bool(left)
