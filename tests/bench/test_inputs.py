"""What the benchmarks send, made of the requests of events/, whatever they hold."""

import json
from dataclasses import replace

import pytest

from app import firehose
from bench.in_process import sqs_batches
from bench.inputs import (
    KEEP_ALIVE,
    REGISTRATION,
    encoded,
    events_of,
    largest,
    memberships_of,
    over_https,
    requests,
    sqs_event,
    with_other_users,
)
from bench.loopback import TOKEN
from bench.membership import worker_batches
from mparticle_firehose.endpoint import is_http_event
from mparticle_firehose.endpoint.http_event import HttpRequest
from mparticle_firehose.integration import Integration
from mparticle_firehose.queues.record import Record

takes_events = pytest.mark.skipif("events" not in requests(), reason="the integration takes no events")
takes_memberships = pytest.mark.skipif("memberships" not in requests(), reason="the integration takes no memberships")


def test_only_what_the_integration_takes_is_sent() -> None:
    nothing = Integration(registration=firehose.integration.registration)

    assert requests(nothing) == {"registration": REGISTRATION}
    assert requests(replace(nothing, events=lambda _: ()))["keep-alive"] == KEEP_ALIVE


@takes_events
def test_events_have_the_size_that_was_asked_for() -> None:
    one = len(encoded(max(requests()["events"]["events"], key=lambda event: len(encoded(event)))))

    assert 20_000 <= len(encoded(events_of(20_000))) <= 20_000 + one


@takes_memberships
def test_the_largest_request_has_the_size_that_was_asked_for() -> None:
    assert 95_000 < len(encoded(largest(100_000))) <= 100_000


@takes_memberships
def test_the_users_of_a_request_differ_and_share_one_audience() -> None:
    profiles = memberships_of(30, first=5)["user_profiles"]

    assert len({profile["mpid"] for profile in profiles}) == 30
    assert len({json.dumps(profile["user_identities"]) for profile in profiles}) == 30
    assert {json.dumps(profile["audiences"]) for profile in profiles} == {json.dumps(profiles[0]["audiences"])}


@takes_memberships
def test_requests_of_other_users_differ_in_nothing_else() -> None:
    request = requests()["memberships"]
    one, other = (with_other_users(request, number) for number in (0, 1))

    users = [{profile["mpid"] for profile in found["user_profiles"]} for found in (one, other)]
    assert len(users[0] | users[1]) == 2 * len(request["user_profiles"])
    assert [profile["audiences"] for profile in one["user_profiles"]] == [
        profile["audiences"] for profile in other["user_profiles"]
    ]
    assert {**one, "user_profiles": []} == {**request, "user_profiles": []}


@takes_memberships
def test_the_worker_gets_every_user_once_in_batches_of_ten() -> None:
    batches = worker_batches(profiles=100, count=3)

    bodies = [json.loads(record["body"]) for batch in batches for record in batch["Records"]]
    assert [len(batch["Records"]) for batch in batches] == [10, 10, 10]
    assert len({profile["mpid"] for body in bodies for profile in body["user_profiles"]}) == 300


@takes_memberships
def test_messages_of_a_fifo_queue_have_a_group_and_those_of_a_standard_queue_only_a_tenant() -> None:
    def received(name: str) -> Record:
        [batch] = sqs_batches(encoded(requests()[name]), EVENT_MODE="queue")
        return Record.from_event(sqs_event(batch["Entries"])["Records"][0])

    change = received("memberships")
    assert (change.group_id is not None, change.tenant) == (True, None)
    assert change.correlation["message_type"] == "audience_membership_change_request"
    if "events" in requests():
        event = received("events")
        assert (event.group_id, event.tenant is not None) == (None, True)


@takes_memberships
def test_boto3_alone_is_given_what_the_handler_would_send() -> None:
    [call] = sqs_batches(encoded(memberships_of(100)))

    profiles = [profile for entry in call["Entries"] for profile in json.loads(entry["MessageBody"])["user_profiles"]]
    assert set(call) == {"QueueUrl", "Entries"}
    assert len(profiles) == 100


@pytest.mark.parametrize("name", sorted({"events", "registration", "keep-alive"} & {*requests()}))
def test_boto3_alone_has_no_part_in_what_does_not_go_to_sqs(name: str) -> None:
    assert sqs_batches(encoded(requests()[name])) == []


@takes_events
def test_events_go_to_sqs_in_a_deployment_that_queues_all_events() -> None:
    assert len(sqs_batches(encoded(requests()["events"]), EVENT_MODE="queue")) == 1


def test_a_request_over_https_carries_the_body_and_the_token() -> None:
    body = encoded(requests()["registration"])
    event = over_https("/events", body, TOKEN)

    request = HttpRequest.from_event(event)

    assert is_http_event(event)
    assert (request.method, request.path, request.body) == ("POST", "/events", body)
    assert request.headers["authorization"] == f"Token {TOKEN}"
