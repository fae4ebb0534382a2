"""A dead letter says why, whose and since when, in no more attributes than SQS takes, and holds what is left."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, EventProcessingRequest, json_value
from mparticle_firehose.queues.dead_letters import MAX_REPEATED_BYTES, Cause, DeadLetters, Letter, letter_id
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import MAX_MESSAGE_BYTES, QueueMessage, RefusedMessagesError
from mparticle_firehose.services import Remainder
from tests.conftest import Queues, load_event, parsed
from tests.growth import seconds

NOW = 1_760_000_000.5
MAX_ATTRIBUTES = 10
"""SQS delivers no more with a message."""

EVENTS = parsed(EventProcessingRequest, load_event("event_processing_request"))
MEMBERSHIPS = parsed(AudienceMembershipChangeRequest, load_event("audience_membership_change_request"))
REDRIVEN = {"first_at": "1", "redriven_at": "2", "queue_position": "1.2.3", "settled": "f1:AQ=="}


@pytest.fixture
def dead_letters(queues: Queues) -> DeadLetters:
    return DeadLetters(
        queues.sender,
        membership_url=queues.membership_dlq,
        event_url=queues.event_dlq,
        erasure_url=queues.erasure_dlq,
        clock=lambda: NOW,
    )


def attributes(message: Any) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


def record(**fields: Any) -> Record:
    return Record(message_id="m1", body="{}", sent_at_ms=7, **fields)


class TestOfTheHandler:
    def test_a_refused_request_is_stored_with_the_reason(
        self, dead_letters: DeadLetters, queues: Queues, deadline: Deadline
    ) -> None:
        dead_letters.put_events(EVENTS, {"http_422": Remainder(EVENTS.source)}, deadline)

        (letter,) = queues.messages(queues.event_dlq)
        assert json.loads(letter["Body"]) == EVENTS.source
        assert attributes(letter) == {
            "message_type": "event_processing_request",
            "account_id": "4242",
            "request_id": str(EVENTS.id),
            "reason": "http_422",
            "status": "422",
            "attempts": "1",
            "first_at": "1760000000500",
            "last_at": "1760000000500",
        }

    def test_a_part_of_it_says_which_of_its_items_need_nothing(
        self, dead_letters: DeadLetters, queues: Queues, deadline: Deadline
    ) -> None:
        rest = Remainder({"type": "event_processing_request", "events": [{"type": "session_end"}]}, "f1:AQ==")

        dead_letters.put_events(EVENTS, {"http_422": rest}, deadline)

        (letter,) = queues.messages(queues.event_dlq)
        assert json.loads(letter["Body"]) == rest.source
        assert attributes(letter)["settled"] == "f1:AQ=="


def odd_event(number: int) -> Any:
    """Return an event that cannot be read for one of 31 reasons."""
    names = ("timestamp_ms", "source_id", "products", "attributes", "location")
    return {"type": "product_action", **{name: [7] for bit, name in enumerate(names) if number >> bit & 1}}


def odd_request(numbers: Sequence[int], filler: object = "") -> EventProcessingRequest:
    events = [odd_event(number) for number in numbers]
    message = load_event("event_processing_request", events=events, system_notifications=[7], new_in_4_0=filler)
    return parsed(EventProcessingRequest, message)  # type: ignore[no-any-return]


class TestOfWhatCannotBeRead:
    REASON = "events.*.source_id: must be text"

    def put(
        self, request: EventProcessingRequest, dead_letters: DeadLetters, queues: Queues, deadline: Deadline
    ) -> list[Any]:
        """Return reasons and bodies of the letters."""
        dead_letters.put_unreadable(request, "f1:AQ==", deadline)
        letters = queues.messages(queues.event_dlq)
        assert {attributes(letter)["settled"] for letter in letters} == {"f1:AQ=="}
        return [(attributes(letter)["reason"], json.loads(letter["Body"])) for letter in letters]

    def test_of_a_usual_request_each_reason_has_a_letter(
        self, dead_letters: DeadLetters, queues: Queues, deadline: Deadline
    ) -> None:
        request = odd_request([2, 8, 2], "x" * (MAX_REPEATED_BYTES - 10_000))

        letters = self.put(request, dead_letters, queues, deadline)

        assert [(reason, body["events"], body["system_notifications"]) for reason, body in letters] == [
            (self.REASON, [odd_event(2)] * 2, []),
            ("events.*.attributes: must be an object", [odd_event(8)], []),
            ("system_notifications.*: must be an object", [], [7]),
        ]
        assert all({**body, **lists(request)} == request.received for _, body in letters)

    def test_of_a_request_with_much_around_them_all_are_one_letter_in_their_order(
        self, dead_letters: DeadLetters, queues: Queues, deadline: Deadline
    ) -> None:
        request = odd_request([2, 0, 8, 2, 4], "x" * (MAX_REPEATED_BYTES + 10_000))

        ((reason, body),) = self.put(request, dead_letters, queues, deadline)

        assert [each.count for each in request.unreadable] == [2, 1, 1, 1]
        assert body["events"] == [odd_event(number) for number in (2, 8, 2, 4)]
        assert {**body, **lists(request)} == request.received
        assert [each.count for each in parsed(EventProcessingRequest, body).unreadable] == [2, 1, 1, 1]
        assert reason.startswith(f"{self.REASON}; events.*.attributes: must be an object; ")

    def test_one_reason_is_one_letter_whatever_the_size(
        self, dead_letters: DeadLetters, queues: Queues, deadline: Deadline
    ) -> None:
        request = load_event("event_processing_request", events=[odd_event(2)], new_in_4_0="x" * MAX_REPEATED_BYTES)

        ((reason, body),) = self.put(parsed(EventProcessingRequest, request), dead_letters, queues, deadline)

        assert (reason, body["events"]) == (self.REASON, [odd_event(2)])

    @pytest.mark.parametrize("size", [MAX_REPEATED_BYTES // 4, 2 * MAX_REPEATED_BYTES], ids=["letters", "one-letter"])
    def test_it_takes_little_longer_than_for_two_reasons(self, size: int, deadline: Deadline) -> None:
        filler = json_value(f"[{','.join(['1.50'] * (size // 5))}]")
        sender: Any = Discarding()
        dead_letters = DeadLetters(sender, membership_url="", event_url="", erasure_url="")

        def put(*numbers: int) -> float:
            request = odd_request(numbers, filler)
            return seconds(lambda: dead_letters.put_unreadable(request, "", deadline))

        assert put(*range(1, 9)) < 2.5 * put(2)


def lists(request: EventProcessingRequest) -> Any:
    return {name: request.received[name] for name in ("events", "system_notifications")}


class TestOfTheWorker:
    @pytest.mark.parametrize(
        ("cause", "settled"),
        [
            (Cause(reason="http_422", attempts=3), None),
            (Cause(reason="http_422", attempts=3, settled="f:AQ=="), "f:AQ=="),
        ],
        ids=["whole", "part"],
    )
    def test_it_says_which_of_its_items_need_nothing(
        self, dead_letters: DeadLetters, queues: Queues, deadline: Deadline, cause: Cause, settled: str | None
    ) -> None:
        dead_letters.put(
            [Letter(record=record(settled="of the message, not of the letter"), body="{}", cause=cause)], deadline
        )

        (letter,) = queues.messages(queues.event_dlq)
        assert attributes(letter).get("settled") == settled

    def test_a_letter_of_the_fifo_queue_has_its_group_as_an_attribute_and_one_of_its_own(
        self, dead_letters: DeadLetters, queues: Queues, deadline: Deadline
    ) -> None:
        cause = Cause(reason="http_422", attempts=3, queue_position="1.2.3")
        dead_letters.put([Letter(record=record(group_id="4242.7"), body='{"a": 1}', cause=cause)], deadline)

        (letter,) = queues.messages(queues.membership_dlq)
        assert {name: attributes(letter)[name] for name in ("group_id", "place")} == {
            "group_id": "4242.7",
            "place": "1.2.3",
        }
        assert letter["Attributes"]["MessageGroupId"] == letter_id(record(), '{"a": 1}')

    def test_parts_that_differ_in_what_is_settled_alone_are_two_letters(
        self, dead_letters: DeadLetters, queues: Queues, deadline: Deadline
    ) -> None:
        for settled in ("f1:AQ==", "f1:Ag==", "f1:AQ=="):
            cause = Cause(reason="http_422", attempts=3, settled=settled)
            dead_letters.put([Letter(record=record(group_id="4242.7"), body="{}", cause=cause)], deadline)

        assert len(queues.messages(queues.membership_dlq)) == 2

    @pytest.mark.parametrize(
        ("request_", "group_id", "count"),
        [(EVENTS, None, MAX_ATTRIBUTES), (EVENTS, "4242.7", MAX_ATTRIBUTES), (MEMBERSHIPS, "4242.7", MAX_ATTRIBUTES)],
        ids=["events", "events-in-order", "memberships"],
    )
    def test_a_letter_with_everything_to_say_has_no_more_attributes_than_sqs_takes(
        self,
        dead_letters: DeadLetters,
        queues: Queues,
        deadline: Deadline,
        request_: EventProcessingRequest | AudienceMembershipChangeRequest,
        group_id: str | None,
        count: int,
    ) -> None:
        cause = Cause(reason="http_422", attempts=3, request=request_, queue_position="1.2.3", settled="f1:AQ==")

        dead_letters.put([Letter(record=record(group_id=group_id, **REDRIVEN), body="{}", cause=cause)], deadline)

        (letter,) = [*queues.messages(queues.event_dlq), *queues.messages(queues.membership_dlq)]
        assert len(attributes(letter)) == count
        assert {"reason", "attempts", "first_at", "last_at", "settled", "redriven_at"} < set(attributes(letter))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("http_503", "http_503"),
        ("the field 'größe' is missing", "the field 'gr\\xf6\\xdfe' is missing"),
        ("two\nlines", "two\\nlines"),
        ("x" * 300, "x" * 256),
        ("", "unnamed"),
    ],
    ids=["plain", "not-ascii", "lines", "long", "none"],
)
def test_a_reason_is_said_in_characters_that_sqs_takes(
    dead_letters: DeadLetters, queues: Queues, deadline: Deadline, reason: str, said: str
) -> None:
    dead_letters.put_events(EVENTS, {reason: Remainder(EVENTS.source)}, deadline)

    (letter,) = queues.messages(queues.event_dlq)
    assert attributes(letter)["reason"] == said


def test_the_largest_message_that_was_queued_still_fits_with_its_reason(
    dead_letters: DeadLetters, queues: Queues, deadline: Deadline
) -> None:
    body = "x" * (MAX_MESSAGE_BYTES - 4_096)
    cause = Cause(reason="x" * 300, attempts=3, request=EVENTS, queue_position="1.2.3", settled="f" * 2_000)

    dead_letters.put([Letter(record=record(group_id="4242.7" * 20, **REDRIVEN), body=body, cause=cause)], deadline)

    assert [len(letter["Body"]) for letter in queues.messages(queues.membership_dlq)] == [len(body)]


@pytest.mark.parametrize("kind", ["event", "erasure"])
def test_what_nobody_can_read_is_a_letter_of_the_kind_that_its_attributes_name(
    kind: str, queues: Queues, dead_letters: DeadLetters, deadline: Deadline
) -> None:
    types = {"event": "event_processing_request", "erasure": "dsr_processing_request"}
    told = {"message_type": types[kind], "account_id": "4242"}

    unreadable = Letter(record=record(correlation=told), body="no JSON", cause=Cause(reason="must be JSON", attempts=1))

    dead_letters.put([unreadable], deadline)

    (letter,) = queues.messages({"event": queues.event_dlq, "erasure": queues.erasure_dlq}[kind])
    assert {name: attributes(letter)[name] for name in told} == told


class Discarding:
    """Takes every message and keeps nothing."""

    def send(self, _url: str, _messages: Sequence[QueueMessage], _deadline: Deadline) -> None:
        return


class Sender:
    """Refuses messages by their bodies, or fails for some of its calls."""

    def __init__(self, *, refuses: str = "", failing: Sequence[int] = ()) -> None:
        self.refuses, self.failing = refuses, failing
        self.sent: list[list[str]] = []

    def send(self, _url: str, messages: Sequence[QueueMessage], _deadline: Deadline) -> None:
        self.sent.append([message.body for message in messages])
        if len(self.sent) in self.failing:
            raise RefusedMessagesError("the queue cannot be used", messages)
        if refused := [message for message in messages if message.body == self.refuses]:
            raise RefusedMessagesError("the queue refuses the message", refused)


def letters(count: int) -> list[Letter]:
    return [
        Letter(record=record(), body=str(number), cause=Cause(reason="http_422", attempts=1)) for number in range(count)
    ]


def test_a_call_that_fails_and_a_message_that_is_refused_cost_their_own_letters_only(deadline: Deadline) -> None:
    sender: Any = Sender(refuses="22", failing=[2])
    dead_letters, some = DeadLetters(sender, membership_url="", event_url="", erasure_url=""), letters(25)

    missing = dead_letters.put(some, deadline)

    assert [len(batch) for batch in sender.sent] == [10, 10, 5]
    assert missing == {
        **{letter.id: "the queue cannot be used" for letter in some[10:20]},
        some[22].id: "the queue refuses the message",
    }


def test_with_the_time_up_no_letter_is_sent() -> None:
    sender: Any = Sender()
    some = letters(1)

    missing = DeadLetters(sender, membership_url="", event_url="", erasure_url="").put(some, Deadline.after(0))

    assert missing == {some[0].id: "out_of_time"}
    assert sender.sent == []
