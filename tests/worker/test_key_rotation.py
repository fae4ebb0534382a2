"""A customer's key is rotated while changes, events and erasures under the old one are queued."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from mparticle_firehose.integration import Header
from mparticle_firehose.queues.record import Record
from tests.conftest import Json
from tests.worker.bench import SENT_AT_MS, Bench, again, body_of, change, event_record, membership, redriven

OLD, NEW = "canary-dead", "canary-new"
GROUP = "4242.0"

type Make = Callable[[str, str], Record]
"""Makes a record with this message id, whose account has this key."""


def account(key: str) -> Json:
    return {"account_id": 4242, "account_settings": {"token": key}}


def joining(message_id: str, key: str) -> Record:
    return membership(message_id, change("1"), account=account(key))


def in_order(record: Record) -> Record:
    return replace(record, group_id=GROUP)


MAKE: dict[str, Make] = {
    "memberships": joining,
    "events": lambda name, key: in_order(event_record(name, account=account(key))),
    "erasures": lambda name, key: in_order(event_record(name, "dsr_processing_request", account=account(key))),
}


@pytest.fixture
def revoked(bench: Bench) -> Bench:
    """Return a bench whose partner refuses the old key."""
    bench.partner.judge = lambda call: 401 if call.auth == Header("X-Sample-Token", OLD) else 200
    return bench


def keys(bench: Bench) -> list[str]:
    """Return the key of each call."""
    return [str(getattr(call.auth, "value", "")) for call in bench.partner.calls]


def letter(body: Json, why: dict[str, str]) -> Record:
    """Return a dead letter as the operator's command sends it back."""
    return redriven(
        Record(
            message_id="letter",
            body=json.dumps(body),
            group_id=why.get("group_id", GROUP),
            queue_position=why["place"],
            first_at=why.get("first_at"),
            settled=why.get("settled", ""),
            sent_at_ms=SENT_AT_MS,
        )
    )


@pytest.mark.parametrize("kind", MAKE)
def test_in_one_batch_what_has_the_old_key_is_put_aside_and_what_has_the_new_one_is_sent(
    revoked: Bench, kind: str
) -> None:
    make = MAKE[kind]

    failed = revoked.deliver(make("m1", OLD), make("m2", NEW))
    waits = revoked.visibility.waits
    failed_again = revoked.deliver(*(again(make(name, NEW)) for name in failed))

    ((body, why),) = revoked.dead_letters()
    assert (set(failed) <= {"m2"}, failed_again) == (True, [])
    assert set(waits.values()) <= {0}
    assert (body, why["reason"]) == (json.loads(make("m1", OLD).body), "http_401")
    assert keys(revoked) == [OLD, NEW]


@pytest.mark.parametrize("kind", MAKE)
def test_across_batches_nothing_waits_for_the_old_key(revoked: Bench, kind: str) -> None:
    make = MAKE[kind]

    failed = [revoked.deliver(make("m1", OLD)), revoked.deliver(make("m2", NEW)), revoked.deliver(make("m3", NEW))]

    assert failed == [[], [], []]
    assert [why["reason"] for _, why in revoked.dead_letters()] == ["http_401"]
    assert keys(revoked) == [OLD, NEW, NEW]


def test_all_kinds_in_one_group_need_no_more_than_two_batches(revoked: Bench) -> None:
    batch = [make(f"{kind} {key}", key) for key in (OLD, NEW) for kind, make in MAKE.items()]

    failed = revoked.deliver(*batch)
    rest = revoked.deliver(*(again(record) for record in batch if record.message_id in failed))

    assert rest == []
    assert {name.split()[1] for name in failed} <= {NEW}
    assert {why["reason"] for _, why in revoked.dead_letters()} == {"http_401", "suspended"}
    assert sorted(keys(revoked)) == sorted([OLD, *[NEW] * 3])


@pytest.mark.parametrize("kind", MAKE)
def test_a_letter_whose_key_stays_refused_comes_back_at_once_and_holds_nobody_back(revoked: Bench, kind: str) -> None:
    make = MAKE[kind]
    revoked.deliver(make("m1", OLD))
    ((body, why),) = revoked.dead_letters()

    failed = revoked.deliver(letter(body, why), make("m2", NEW))
    failed_again = revoked.deliver(*(again(make(name, NEW)) for name in failed))

    ((second, its),) = revoked.dead_letters()
    assert (set(failed) <= {"m2"}, failed_again) == (True, [])
    assert (second, its["reason"], its["place"]) == (body, "http_401", why["place"])
    assert keys(revoked) == [OLD, OLD, NEW]


def test_a_letter_whose_key_is_valid_again_is_delivered(revoked: Bench) -> None:
    revoked.deliver(joining("m1", OLD))
    ((body, why),) = revoked.dead_letters()
    revoked.partner.judge = None

    failed = revoked.deliver(letter(body, why))

    assert (failed, revoked.dead_letters(), keys(revoked)) == ([], [], [OLD, OLD])


def test_a_letter_does_not_undo_what_was_sent_under_the_new_key_meanwhile(revoked: Bench) -> None:
    revoked.deliver(membership("m1", change("1"), change("2"), account=account(OLD), timestamp_ms=1_000))
    ((body, why),) = revoked.dead_letters()
    revoked.deliver(membership("m2", change("1", action="delete"), account=account(NEW), timestamp_ms=2_000))
    revoked.partner.judge = None
    revoked.partner.calls.clear()

    failed = revoked.deliver(letter(body, why))

    sent = [
        (item["action"], item["user"]["mpid"]) for call in revoked.partner.calls for item in body_of(call)["changes"]
    ]
    assert (failed, sent) == ([], [("add", "2")])
