"""What a redriven message asks for: its own items, without those that newer ones have replaced."""

import json
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Integration, Item, PartnerCall, Target, Undeliverable, changes
from mparticle_firehose.protocol import AudienceMembershipChangeRequest
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.ledger import COMES_BACK_SECONDS, TrackedGroup
from tests.conftest import Json, Queues, Reply
from tests.delivery.laboratory import ENDPOINTS, INTEGRATION, request, uids
from tests.worker.bench import NOW, SENT_AT_MS, Bench, build, change, membership, redriven

GROUP = "1.0"


def memberships(message: AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
    """Yield two items for each change, of which the second one is a note."""
    for each in changes(message):
        for endpoint, name in (("shared", "member"), ("steps", "note")):
            body = {"uid": f"{name} {each.profile.mpid} {each.audience.action}"}
            yield Item(endpoint=ENDPOINTS[endpoint], target=Target(), body=body, covers=(each.origin,))


@pytest.fixture
def bench(queues: Queues, dynamodb: DynamoDBClient) -> Bench:
    integration: Integration = replace(INTEGRATION, memberships=memberships)
    return build(queues, dynamodb, integration=integration)


def state(number: int) -> Record:
    """Return a message with the state of a user; later ones have higher numbers."""
    body = json.dumps(dict(request(number=number, state=True).source))
    return Record(message_id=f"m{number}", body=body, group_id=GROUP, sequence_number=number, sent_at_ms=SENT_AT_MS)


def sent_states(bench: Bench) -> list[int]:
    """Return the numbers of the states that the partner got."""
    return [UUID(identity.split("\n")[1]).int for identity in bench.partner.identities]


def back(record: Record) -> Record:
    return redriven(
        replace(record, message_id=f"{record.message_id} again", queue_position=f"{record.sequence_number}")
    )


def track_all(bench: Bench) -> None:
    """Have every delivery of the group written down."""
    whole = {GROUP: TrackedGroup(everything=int(NOW) + COMES_BACK_SECONDS)}
    assert bench.worker.ledger.track(whole, {}, Deadline.after(60)) == ({}, {})


def test_an_old_state_that_comes_back_does_not_replace_a_newer_one_of_its_batch(bench: Bench) -> None:
    bench.deliver(state(2), back(state(1)))

    assert sent_states(bench) == [2]


def test_a_newer_state_that_comes_back_is_sent(bench: Bench) -> None:
    """The control."""
    bench.deliver(state(1), back(state(2)))

    assert sent_states(bench) == [1, 2]


def test_an_old_state_that_is_left_out_does_not_make_way_for_the_next_one(bench: Bench) -> None:
    track_all(bench)
    bench.deliver(state(3))

    bench.deliver(back(state(1)))
    bench.deliver(back(state(2)))

    assert sent_states(bench) == [3]


def test_what_is_left_out_lifts_no_suspension(bench: Bench) -> None:
    """Only an accepted call says that the credential works."""
    track_all(bench)
    bench.deliver(state(2))
    bench.suspensions.reasons[1] = "http_401"

    bench.deliver(back(state(1)))

    assert bench.suspensions.reasons == {1: "http_401"}


def test_a_letter_asks_for_its_own_items_also_if_some_of_them_are_replaced(bench: Bench) -> None:
    def refuse_notes(call: PartnerCall) -> Reply:
        return 400 if any(uid.startswith("note") for uid in uids(call)) else 200

    bench.partner.judge = refuse_notes
    bench.deliver(membership("m1", change("1"), change("2"), timestamp_ms=1_000))
    ((body, why),) = bench.dead_letters()
    bench.partner.judge = None
    bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=2_000))
    bench.partner.calls.clear()

    bench.deliver(redriven(letter(body, why)))

    assert {uid for call in bench.partner.calls for uid in uids(call)} == {"note 2 add"}


@pytest.mark.parametrize(("settled", "sent"), [("state:", []), ("", [1])], ids=["settled", "control"])
def test_a_state_that_was_sent_before_is_not_sent_with_a_letter(bench: Bench, settled: str, sent: list[int]) -> None:
    bench.deliver(replace(redriven(state(1)), group_id=None, settled=settled))

    assert sent_states(bench) == sent


def letter(body: Json, why: dict[str, str]) -> Record:
    return Record(
        message_id="letter",
        body=json.dumps(body),
        group_id=why["group_id"],
        queue_position=why["place"],
        settled=why["settled"],
        sent_at_ms=SENT_AT_MS,
    )
