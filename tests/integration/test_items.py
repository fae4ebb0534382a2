"""Items, endpoints and targets: what is refused when a module is loaded, what is equal, and what is not shown."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration import (
    Bearer,
    Endpoint,
    InBody,
    Item,
    Json,
    JsonObject,
    PartnerCall,
    Target,
    Undeliverable,
)


def call(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/", body=Json([*bodies]))


@pytest.mark.parametrize("rule", ["max_items", "max_bytes", "max_item_bytes"])
@pytest.mark.parametrize("limit", [0, -1])
def test_an_endpoint_must_leave_room_for_one_item(rule: str, limit: int) -> None:
    limits: dict[str, Any] = {rule: limit}

    with pytest.raises(IntegrationError, match=rf"^{rule}: of the endpoint 'events' must leave room") as caught:
        Endpoint(name="events", call=call, **limits)

    assert caught.value.rule == rule


def test_a_target_has_texts_only() -> None:
    odd: Any = {"list": ["canary-1"]}

    with pytest.raises(IntegrationError, match=r"^target: must have texts for parameters and for secrets$"):
        Target(parameters=odd)


def test_an_endpoint_must_have_a_name() -> None:
    with pytest.raises(IntegrationError, match=r"^endpoint_name: "):
        Endpoint(name="", call=call)


@pytest.mark.parametrize(("lane", "order"), [("", "events"), ("user", "user")])
def test_an_endpoint_without_a_lane_is_one_of_its_own(lane: str, order: str) -> None:
    assert Endpoint(name="events", call=call, lane=lane).order == order


@pytest.mark.parametrize(("limits", "limited"), [({}, False), ({"max_bytes": 9}, True), ({"max_item_bytes": 9}, True)])
def test_an_endpoint_says_whether_sizes_matter(limits: dict[str, int], *, limited: bool) -> None:
    bounds: dict[str, Any] = {**limits}

    assert Endpoint(name="events", call=call, **bounds).limits_bytes is limited


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3)))
def test_targets_that_are_equal_share_a_call_whatever_the_order_of_their_parameters(parameters: dict[str, str]) -> None:
    there, back = Target(parameters=parameters), Target(parameters=dict(reversed(parameters.items())))

    assert there == back
    assert len({there, back}) == 1


def test_targets_that_differ_in_anything_do_not() -> None:
    targets = {
        Target(),
        Target(site="eu"),
        Target(auth=Bearer("canary-1")),
        Target(auth=Bearer("canary-2")),
        Target(parameters={"list": "1"}),
        Target(parameters={"segment": "1"}),
    }

    assert len(targets) == 6


def test_a_target_gives_its_parameters_by_name() -> None:
    assert Target(parameters={"list": "7"})["list"] == "7"


def test_a_credential_in_the_body_is_handed_to_the_call_that_needs_it() -> None:
    assert Target(auth=InBody("canary-key", "canary-secret")).in_body == InBody("canary-key", "canary-secret")


@pytest.mark.parametrize("target", [Target(), Target(auth=Bearer("canary-token"))], ids=["none", "another kind"])
def test_a_target_without_such_a_credential_is_refused_by_its_rule(target: Target) -> None:
    with pytest.raises(IntegrationError, match=r"^in_body: ") as caught:
        _ = target.in_body

    assert "canary" not in str(caught.value)


def test_nothing_secret_or_personal_of_an_item_is_shown() -> None:
    item = Item(
        endpoint=Endpoint(name="events", call=call),
        target=Target(site="eu", auth=Bearer("canary-token"), parameters={"canary-name": "canary-value"}),
        body={"canary-name": "canary-value"},
        covers=(("events", 3),),
        key="canary-user",
        user="canary-user",
    )

    assert "canary" not in f"{item!r} {item.target!r}"
    assert "('events', 3)" in repr(item)


def test_what_cannot_be_delivered_says_why() -> None:
    assert (
        repr(Undeliverable((("events", 0),), "no_email")) == "Undeliverable(covers=(('events', 0),), reason='no_email')"
    )
