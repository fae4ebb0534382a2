import json
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from mparticle_firehose.tables.progress import Progress
from ops.dead_letters import TOO_MANY_RECEIVES, DeadLetter, Selection, duration, grouped, interleaved

NOW = 1_800_000_000_000
MINUTE = 60_000


def letter(message_id: str = "m", **changes: Any) -> DeadLetter:
    attributes = {"account_id": "7", "message_type": "event_processing_request", "reason": "http_422"}
    written = {**attributes, **{name: str(value) for name, value in changes.pop("attributes", {}).items()}}
    values: dict[str, Any] = {"queue": "event", "message_id": message_id, "attributes": written, "sent_at": NOW}
    return DeadLetter(**{**values, **changes})


def membership(message_id: str, *, group: str, first: int, last: int = 0, number: int = 0) -> DeadLetter:
    return letter(
        message_id,
        queue="membership",
        own_group=f"own-{message_id}",
        sequence_number=number,
        attributes={"group_id": group, "first_at": first, "last_at": last or first},
    )


def test_a_letter_has_the_facts_that_the_worker_wrote() -> None:
    written = letter(attributes={"attempts": 5, "last_at": 12})

    assert (written.reason, written.account, written.attempts, written.dead_lettered_at) == ("http_422", "7", 5, 12)


def test_a_letter_that_sqs_moved_has_a_reason_too() -> None:
    moved = DeadLetter(queue="membership", message_id="m", attributes={}, sent_at=9, own_group="7.3", sequence_number=4)

    assert moved.reason == TOO_MANY_RECEIVES
    assert (moved.account, moved.attempts, moved.dead_lettered_at, moved.position) == ("-", None, 9, (9, 9, 4))
    assert (moved.source_group, moved.shares_group) == ("7.3", True)


def received(body: str, **attributes: str) -> DeadLetter:
    """Return the letter of a message that was received from the FIFO queue."""
    message: Any = {
        "MessageId": "m",
        "Body": body,
        "Attributes": {"SentTimestamp": "9", "MessageGroupId": "7.3", "SequenceNumber": "4"},
        "MessageAttributes": {name: {"StringValue": text, "DataType": "String"} for name, text in attributes.items()},
    }
    return DeadLetter.from_message("membership", message)


@pytest.mark.parametrize("kind", ["audience_membership_change_request", "event_processing_request"])
def test_the_body_says_the_type_that_no_attribute_says(kind: str) -> None:
    assert received(json.dumps({"events": [{"type": "canary"}], "type": kind})).message_type == kind


@pytest.mark.parametrize(
    "body",
    ["", "canary", "[" * 100_000, "[]", "{}", '{"type": "canary"}', '{"type": {}}', '{"type": null}'],
    ids=["empty", "text", "too-deep", "list", "none", "unknown", "object", "null"],
)
def test_a_body_that_names_no_type_of_mparticles_is_of_no_type(body: str) -> None:
    assert received(body).message_type == "-"


def test_the_attribute_that_says_the_type_is_believed() -> None:
    written = received('{"type": "event_processing_request"}', message_type="dsr_processing_request")

    assert (written.message_type, written.type_in_body) == ("dsr_processing_request", "-")


def test_a_letter_says_how_many_items_need_nothing_more() -> None:
    text = Progress(fingerprint="f1", settled=frozenset({0, 9})).settled_text()

    assert letter(attributes={"settled": text}).settled == 2
    assert letter().settled == letter(attributes={"settled": "f1:canary!"}).settled == 0


def test_a_letter_of_the_worker_belongs_to_the_group_in_its_attributes() -> None:
    written = membership("m", group="7.3", first=1)

    assert (written.own_group, written.source_group, written.shares_group) == ("own-m", "7.3", False)


def test_letters_of_the_standard_queue_have_no_group() -> None:
    assert letter(attributes={"group_id": "7.3"}).source_group is None


def test_attributes_that_should_be_numbers_and_are_not_are_ignored() -> None:
    assert letter(attributes={"attempts": "canary-many", "last_at": "²"}).attempts is None
    assert letter(attributes={"last_at": "²"}).dead_lettered_at == NOW


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ["a", "b", "c"]),
        (Selection(queue="membership"), ["c"]),
        (Selection(reason="read_timeout"), ["b"]),
        (Selection(reason="http"), []),
        (Selection(account="8"), ["b"]),
        (Selection(older_than=timedelta(minutes=5)), ["b", "c"]),
        (Selection(newer_than=timedelta(minutes=5)), ["a"]),
        (Selection(older_than=timedelta(minutes=5), newer_than=timedelta(minutes=15)), ["b"]),
        (Selection(queue="event", reason="http_422", account="7"), ["a"]),
    ],
    ids=str,
)
def test_a_letter_must_match_the_whole_selection(selection: Selection, expected: list[str]) -> None:
    letters = [
        letter("a", attributes={"last_at": NOW - MINUTE}),
        letter("b", attributes={"last_at": NOW - 10 * MINUTE, "reason": "read_timeout", "account_id": 8}),
        letter("c", queue="membership", attributes={"last_at": NOW - 20 * MINUTE}),
    ]

    assert [one.message_id for one in letters if selection.matches(one, NOW)] == expected


def test_only_a_selection_without_any_filter_is_everything() -> None:
    assert Selection().is_everything
    assert not Selection(queue="event").is_everything


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("2d", timedelta(days=2)),
    ],
)
def test_durations_are_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "12", "h", "1.5h", "-2d", "2w", "2 d", "٣h", "9999999d"])
def test_other_texts_are_refused_with_an_example_of_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30m, 12h or 2d"):
        duration(text)


def test_letters_are_grouped_by_queue_reason_account_and_type_and_the_largest_group_comes_first() -> None:
    letters = [
        letter("a"),
        letter("b", attributes={"reason": "read_timeout"}),
        letter("c", attributes={"reason": "read_timeout"}),
        letter("d", attributes={"account_id": 8}),
        letter("e", attributes={"message_type": "dsr_processing_request"}),
        letter("f", queue="membership"),
    ]

    assert [(group.first.message_id, group.letters) for group in grouped(letters)] == [
        ("f", 1),
        ("b", 2),
        ("e", 1),
        ("a", 1),
        ("d", 1),
    ]


def test_letters_of_a_group_keep_their_original_order_and_groups_alternate() -> None:
    letters = [
        membership("a1", group="A", first=10, last=900),  # dead-lettered for the second time, after the next one
        membership("a2", group="A", first=20, last=300),
        membership("a3", group="A", first=30, last=310, number=5),
        membership("a4", group="A", first=30, last=310, number=6),
        membership("b1", group="B", first=5),
    ]

    for shuffled in permutations(letters):
        assert [one.message_id for one in interleaved(shuffled)] == ["a1", "b1", "a2", "a3", "a4"]


def test_letters_without_a_group_are_sent_oldest_first() -> None:
    letters = [letter(str(first), attributes={"first_at": first, "last_at": 99}) for first in (3, 1, 2)]

    assert [one.message_id for one in interleaved(letters)] == ["1", "2", "3"]
