"""What Customer.io's answers mean. The cases with a number are the vectors that were collected."""

from typing import Any

import pytest

from examples.customerio.partner.account import track
from examples.customerio.partner.audiences import ADD, REMOVE
from examples.customerio.partner.batch import BATCH, ulid
from examples.customerio.partner.integration import INTEGRATION
from mparticle_firehose.integration import (
    Answer,
    Basic,
    Delivered,
    Endpoint,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
)
from mparticle_firehose.integration.auth import basic_credentials
from mparticle_firehose.protocol import Account, Serializer

REFUSED = Rejected("entity_refused")
ACCOUNT = Account(account_settings={"siteId": "s", "trackApiKey": "k", "region": "eu"})


def entity(size: int) -> JsonObject:
    """Return an entity of so many bytes."""
    empty = '{"type":"person","name":""}'
    return {"type": "person", "name": "x" * (size - len(empty))}


@pytest.mark.parametrize(
    ("endpoint", "count", "status", "answer", "expected"),
    [
        pytest.param(
            BATCH,
            3,
            207,
            {"errors": [{"batch_index": 1, "reason": "invalid", "field": "attributes.plan", "message": "too long"}]},
            Delivered({1: REFUSED}),
            id="C1",
        ),
        pytest.param(
            BATCH, 3, 400, {"errors": [{"reason": "invalid", "message": "malformed"}]}, None, id="C2-left-to-the-table"
        ),
        pytest.param(
            BATCH,
            3,
            207,
            {"errors": [{"batch_index": 7}, {"batch_index": True}, {}]},
            Delivered(unplaced=3),
            id="C3",
        ),
        pytest.param(ADD, 2, 401, None, None, id="C4-left-to-the-table"),
        pytest.param(ADD, 2, 400, {"meta": {"errors": ["x"]}}, None, id="C4-refused-whole-left-to-the-table"),
        pytest.param(BATCH, 3, 200, {}, None, id="all-taken"),
        pytest.param(BATCH, 3, 207, {"errors": []}, None, id="none-named"),
        pytest.param(
            BATCH, 3, 207, {"errors": ["x", {"batch_index": 2}]}, Delivered({2: REFUSED}, 1), id="one-readable"
        ),
        pytest.param(BATCH, 3, 207, None, None, id="unreadable"),
        pytest.param(BATCH, 3, 503, {"errors": [{"batch_index": 1}]}, None, id="not-available"),
        pytest.param(REMOVE, 2, 404, None, None, id="segment-gone-left-to-the-table"),
    ],
)
def test_an_answer(endpoint: Endpoint, count: int, status: int, answer: object, expected: Outcome | None) -> None:
    assert endpoint.judge([{}] * count, Answer(status=status, body=answer)) == expected


def test_what_is_left_to_the_table_is_left_to_the_usual_one() -> None:
    assert INTEGRATION.retry_policy == {}


def test_a_batch_of_entities_of_20000_bytes_holds_24_and_one_of_33000_is_too_large() -> None:
    """C5: with brackets and commas, 25 of them would not be below 500,000 bytes."""

    def size(count: int) -> int:
        call = BATCH.call(track(ACCOUNT), [entity(20_000)] * count)
        assert isinstance(call, PartnerCall)
        return call.size()

    assert size(24) <= BATCH.max_bytes < size(25)
    assert size(16) <= BATCH.max_bytes
    assert size(1) < BATCH.max_item_bytes < 33_000


def test_the_largest_body_is_below_500000_bytes() -> None:
    assert BATCH.max_bytes == 499_999


def test_a_segment_takes_a_thousand_people_a_call() -> None:
    assert (ADD.max_items, REMOVE.max_items) == (1000, 1000)


def test_the_credential_is_basic_of_site_and_key() -> None:
    """C6."""
    target = track(ACCOUNT)

    assert target.auth == Basic("s", "k")
    assert f"Basic {basic_credentials('s', 'k')}" == "Basic czpr"
    assert target.site == "eu"


@pytest.mark.parametrize(
    ("event_id", "expected"),
    [
        ("00000000-0000-0000-0000-000000000001", "00000000000000000000000001"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
        ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "1Z4M2E0KW9879SM3030QM2RCR1"),
    ],
)
def test_the_bits_of_an_events_id_are_a_ulid(event_id: str, expected: str) -> None:
    request: Any = Serializer().parse({"type": "event_processing_request", "id": event_id})

    assert ulid(request.id) == expected


def test_an_event_without_an_id_has_no_ulid() -> None:
    assert ulid(None) is None
