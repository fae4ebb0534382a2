"""The fake API refuses single entities by index, forgets what is about suppressed people, and ignores strangers."""

from typing import Any

import pytest
import schemathesis

from examples.customerio.fake_api import FakeApi
from examples.customerio.partner.audiences import ADD, REMOVE
from examples.customerio.partner.batch import BATCH
from local.partner.answering import answer_to
from local.partner.contract import ContractError
from local.partner.server import PartnerServer
from mparticle_firehose.integration import (
    Answer,
    Basic,
    Bearer,
    Delivered,
    Endpoint,
    JsonObject,
    PartnerCall,
    Rejected,
    Target,
)

TRACK = Target(site="eu", auth=Basic("canary-site", "canary-key"), parameters={"segment": "7", "id_type": "id"})
APP = Target(site="app-eu", auth=Bearer("canary-app-key"))


def entity(who: str, action: str = "identify", **more: Any) -> JsonObject:
    return {"type": "person", "identifiers": {"id": who}, "action": action, **more}


def asked(api: FakeApi, endpoint: Endpoint, *bodies: JsonObject, target: Target = TRACK) -> Answer:
    call = endpoint.call(target, bodies)
    assert isinstance(call, PartnerCall)
    return answer_to(api, call, target=target)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (entity("b", "event"), "name"),
        (entity("b", attributes={"plan": "x" * 1001}), "attributes.plan"),
        (entity("b", "event", name="x" * 101), "name"),
        (entity("b", "event", name="n", id="00000000-0000-0000-0000-000000000001"), "id"),
        (entity("b", "event", name="n", timestamp=1759999900000), "timestamp"),
        (entity("b", "add_device", device={"id": "canary-token", "platform": "web"}), "device.platform"),
        ({**entity("b"), "identifiers": {"id": "b", "email": "canary-b@example.com"}}, "identifiers"),
        (entity("b", attributes={f"a{place}": "x" * 1000 for place in range(33)}), "size"),
    ],
    ids=["no-name", "long-value", "long-name", "no-ulid", "milliseconds", "platform", "two-identifiers", "33-kB"],
)
def test_a_wrong_entity_is_refused_by_its_index_and_the_others_are_taken(wrong: JsonObject, field: str) -> None:
    api = FakeApi()
    batch = [entity("a", attributes={"tier": "gold"}), wrong, entity("c", attributes={})]

    answer = asked(api, BATCH, *batch)

    assert (answer.status, [(each.at("batch_index"), each.text("field")) for each in answer.each("errors")]) == (
        207,
        [(1, field)],
    )
    assert BATCH.judge(batch, answer) == Delivered({1: Rejected("entity_refused")})
    assert set(api.people) == {"a", "c"}


def test_a_repeated_event_is_known_by_its_ulid_and_the_later_update_counts_whatever_the_order() -> None:
    api = FakeApi()
    event = entity("a", "event", name="n", id="1Z4M2E0KW9879SM3030QM2RCR1")
    later, earlier = (entity("a", timestamp=time, attributes={"tier": str(time)}) for time in (2, 1))

    assert asked(api, BATCH, event, later, earlier, event).status == 200

    assert (len(api.events), api.people["a"]["tier"]) == (1, "2")


def test_devices_come_and_go_and_an_open_is_counted_once() -> None:
    api = FakeApi()
    opened: JsonObject = {
        "type": "delivery",
        "action": "event",
        "identifiers": {"id": "d"},
        "name": "opened",
        "attributes": {"device_token": "t"},
    }
    asked(api, BATCH, entity("a", "add_device", device={"id": "t", "platform": "ios"}), opened, opened)
    assert (api.devices, api.opened) == ({"t": "a"}, {"d"})

    asked(api, BATCH, entity("a", "delete_device", device={"id": "t"}))
    assert api.devices == {}


def test_strangers_are_ignored_by_segments_without_an_error_and_members_leave() -> None:
    api = FakeApi()
    asked(api, BATCH, entity("a", attributes={}))

    assert asked(api, ADD, {"id": "a"}, {"id": "stranger"}).status == 200
    assert api.members[7] == {"a"}
    assert asked(api, REMOVE, {"id": "a"}).status == 200
    assert api.members[7] == set()


@pytest.mark.parametrize("segment", ["9", "99"], ids=["not-manual", "unknown"])
@pytest.mark.parametrize("endpoint", [ADD, REMOVE], ids=["add", "remove"])
def test_a_segment_that_is_not_manual_takes_nobody(endpoint: Endpoint, segment: str) -> None:
    target = Target(site="eu", auth=TRACK.auth, parameters={"segment": segment, "id_type": "id"})

    assert asked(FakeApi(), endpoint, {"id": "a"}, target=target).status == 404


def test_who_is_suppressed_is_gone_and_stays_so_without_an_error() -> None:
    api = FakeApi()
    asked(api, BATCH, entity("a", attributes={}), entity("a", "suppress"))

    answer = asked(api, BATCH, entity("a", attributes={"tier": "gold"}), entity("a", "event", name="n"))

    assert (answer.status, api.people, api.events, api.suppressed) == (200, {}, {}, {"a"})


@pytest.mark.parametrize(
    ("call", "target", "host", "rule"),
    [
        (PartnerCall(method="GET", path="/v1/segments"), APP, "track-eu.customer.io", "host: does not offer this path"),
        (PartnerCall(method="GET", path="/v1/segments"), TRACK, "", "Authorization: must be a Bearer credential"),
        (BATCH.call(TRACK, [entity("a")]), APP, "", "Authorization: must be a Basic credential"),
        (BATCH.call(TRACK, []), TRACK, "", "batch: must not be empty"),
        (BATCH.call(TRACK, [entity("a", x="x" * 20_000)] * 25), TRACK, "", "body: must be smaller than 500,000 bytes"),
        (ADD.call(TRACK, [{"id": str(n)} for n in range(1001)]), TRACK, "", "ids: must have at most 1000 items"),
    ],
    ids=["host", "credential-of-the-other", "other-credential", "empty", "too-large", "too-many"],
)
def test_a_broken_call_is_refused_with_its_rule(call: PartnerCall, target: Target, host: str, rule: str) -> None:
    with pytest.raises(ContractError) as caught:
        answer_to(FakeApi(), call, target=target, host=host)

    assert caught.value.rule == rule


def test_it_can_be_served_and_its_document_is_valid() -> None:
    with PartnerServer(FakeApi()) as server:
        assert server.summary()["7"] == {"name": "Tea lovers", "members": 0}
    document: Any = schemathesis.openapi.from_dict(dict(FakeApi.document))
    document.validate()
