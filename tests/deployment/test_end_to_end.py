"""The whole path on the local cloud: the released alias, real FIFO queues, the worker, the partner."""

import json
import random
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest

from local.cloud.cloud import LocalCloud
from local.partner.faults import Step
from tests.conftest import Json, load_event
from tests.sample.server import SamplePartner

pytestmark = pytest.mark.cloud

AUDIENCES = 40
USERS = 250
PROFILES = 1000
ACTIONS = {"add": "add", "delete": "remove", "attribute_update": "update"}

type History = dict[tuple[str, str], list[tuple[str, str]]]
"""For each user and partner's audience, the actions in order, each with the number that it set."""


def membership_request(account_id: int, request_id: UUID) -> Json:
    """Make a request in which each user has several profiles, and each profile several audiences."""
    dice = random.Random(account_id)  # noqa: S311  a repeatable shuffle, nothing secret
    profiles = []
    for number in range(PROFILES):
        chosen = dice.sample(range(AUDIENCES), k=dice.randint(1, 4))
        attributes = [{"key": "number", "value": str(number), "action": "upsert"}]
        audiences = [
            {
                "audience_id": audience,
                "audience_name": f"Audience {audience}",
                "audience_subscription_settings": {"segmentId": f"seg-{account_id}-{audience}"},
                "action": dice.choice(list(ACTIONS)),
                "user_attributes": attributes,
            }
            for audience in chosen
        ]
        profiles.append({"mpid": str(7700700000 + dice.randrange(USERS)), "audiences": audiences})
    account = {"account_id": account_id, "account_settings": {"token": "canary-secret-e2e"}}
    return load_event("audience_membership_change_request", id=str(request_id), account=account, user_profiles=profiles)


def asked(request: Json) -> History:
    """Return what mParticle asked for."""
    history: History = defaultdict(list)
    for profile in request["user_profiles"]:
        for audience in profile["audiences"]:
            target = audience["audience_subscription_settings"]["segmentId"]
            number = audience["user_attributes"][0]["value"]
            history[profile["mpid"], target].append((ACTIONS[audience["action"]], number))
    return history


def received(partner: SamplePartner, account_id: int) -> History:
    """Return what the partner was told, in the order of its arrival."""
    history: History = defaultdict(list)
    for request in partner.requests:
        if not request.path.startswith(f"/segments/seg-{account_id}-"):
            continue
        assert isinstance(request.body, dict)
        for change in request.body["changes"]:
            step = (change["action"], change["attributes"]["number"])
            history[change["user"]["mpid"], request.path.split("/")[2]].append(step)
    return history


def members_after(history: History) -> dict[str, set[str]]:
    """Return who is a member of which audience in the end."""
    members: dict[str, set[str]] = defaultdict(set)
    for (user, target), steps in history.items():
        changes = [action for action, _ in steps if action != "update"]
        if changes and changes[-1] == "add":
            members[target].add(user)
    return members


def members_at(partner: SamplePartner, account_id: int) -> dict[str, set[str]]:
    kept = {target: set(users) for target, users in partner.memberships.items() if f"-{account_id}-" in target}
    return {target: users for target, users in kept.items() if users}


def deliver(cloud: LocalCloud, *requests: Json) -> None:
    for request in requests:
        answer = cloud.invoke(json.dumps(request).encode())
        assert not answer.failed, answer.payload
        assert json.loads(answer.payload)["suspend_subscription"] is False
    assert cloud.settle(120)
    assert cloud.dead_letters().total() == 0


def test_a_large_request_delivered_three_times_leaves_the_memberships_of_one(
    cloud: LocalCloud, fake_partner: SamplePartner
) -> None:
    request = membership_request(9001, UUID(int=9001))

    deliver(cloud, request, request, request)

    assert received(fake_partner, 9001) == asked(request)
    assert members_at(fake_partner, 9001) == members_after(asked(request))
    assert fake_partner.violations == ()


def test_the_same_changes_under_another_id_are_delivered_again(cloud: LocalCloud, fake_partner: SamplePartner) -> None:
    """The control: without deduplication the test above would see every change twice."""
    request = membership_request(9002, UUID(int=9002))

    deliver(cloud, request, {**request, "id": str(UUID(int=9003))})

    assert received(fake_partner, 9002) == {key: steps * 2 for key, steps in asked(request).items()}
    assert members_at(fake_partner, 9002) == members_after(asked(request))


def test_order_holds_when_the_partner_fails_in_between(cloud: LocalCloud, fake_partner: SamplePartner) -> None:
    request = membership_request(9004, UUID(int=9004))
    for audience in 3, 14, 25:
        steps: list[Step] = [500, "reset", "apply_then_reset", {"status": 429, "retry_after": 1}]
        fake_partner.script(f"/segments/seg-9004-{audience}", steps)

    deliver(cloud, request)

    assert members_at(fake_partner, 9004) == members_after(asked(request))
    assert fake_partner.violations == ()
    statuses = {call.status for call in fake_partner.requests if "/seg-9004-" in call.path}
    assert {202, 429, 500, None} <= statuses


def test_a_profile_is_delivered_however_large_it_is(cloud: LocalCloud, fake_partner: SamplePartner) -> None:
    request = membership_request(9005, UUID(int=9005))
    request["user_profiles"] = request["user_profiles"][:3]
    for profile, repeats in zip(request["user_profiles"], (0, 400, 1_500), strict=True):
        note = {"key": "note", "list_value": ["\u732b" * 512] * repeats, "action": "upsert"}
        for audience in profile["audiences"]:
            audience["user_attributes"] = [*audience["user_attributes"], note]
    request["user_profiles"][2]["audiences"] = request["user_profiles"][2]["audiences"][:1]

    deliver(cloud, request)

    assert received(fake_partner, 9005) == asked(request)


def test_a_request_larger_than_sqs_takes_is_one_call_also_when_it_had_to_be_queued(
    cloud: LocalCloud, fake_partner: SamplePartner
) -> None:
    events = [
        {"type": "custom_event", "name": "e", "timestamp_ms": number, "attributes": {"note": "x" * 2_000}}
        for number in range(798)
    ]
    account = {"account_id": 9006, "account_settings": {"token": "canary-secret-e2e"}}
    request = load_event("event_processing_request", id=str(UUID(int=9006)), account=account, events=events)
    request["system_notifications"] = []
    fake_partner.script("/track", [503, 503])

    cloud.invoke(json.dumps(request).encode())
    assert cloud.settle(120)

    bodies: list[tuple[Any, Any]] = [(call.body, call) for call in fake_partner.requests if call.path == "/track"]
    calls = [(len(body["events"]), call.status) for body, call in bodies if body["account"] == 9006]
    assert calls == [(798, 503), (798, 503), (798, 202)]
    assert len({call.headers["Idempotency-Key"] for body, call in bodies if body["account"] == 9006}) == 1


def test_bad_input_fails_the_call_by_name_and_the_function_lives_on(cloud: LocalCloud) -> None:
    bad = cloud.invoke(b'{"type": "event_processing_request", "account": ["canary-pii"]}')
    good = cloud.invoke(json.dumps(load_event("event_processing_keep_alive")).encode())

    assert bad.failed
    assert json.loads(bad.payload)["errorMessage"] == "account: must be an object"
    assert not good.failed
