"""Which letters a run moves, on moto's queues and bucket."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.letter_archive.archive import LetterArchive
from mparticle_firehose.letter_archive.archiving import FINISH_SECONDS, Archiving, Counts, run_all
from mparticle_firehose.letter_archive.objects import decode
from mparticle_firehose.letter_archive.retention import ARCHIVE_DAYS
from tests.conftest import BUCKET, Queues

DAY = 86_400
LONG = 600.0


class Setup:
    """A run that sees all letters as many days older than they are."""

    def __init__(self, queues: Queues) -> None:
        self.queues = queues
        self.archive = LetterArchive(queues.s3, BUCKET)
        self.start = int(self._sent_at(self.put("first"))) // 1000
        queues.sqs.purge_queue(QueueUrl=queues.event_dlq)

    def put(self, body: str, url: str = "", **more: Any) -> str:
        url = url or self.queues.event_dlq
        return self.queues.sqs.send_message(QueueUrl=url, MessageBody=body, **more)["MessageId"]

    def run(self, days: float, *, seconds: float = LONG, **changes: Any) -> Counts:
        counts = Counts()
        self.archiving(days, **changes).run("event", self.queues.event_dlq, Deadline.after(seconds), counts)
        return counts

    def archiving(self, days: float, **changes: Any) -> Archiving:
        settings: dict[str, Any] = {
            "sqs": self.queues.sqs, "archive": self.archive, "min_age_seconds": 7 * DAY,
            "clock": lambda: self.start + days * DAY + 5, "wait_seconds": 0,
        }  # fmt: skip
        return Archiving(**{**settings, **changes})

    def archived(self, queue: str = "") -> list[Any]:
        objects = [self.queues.s3.get_object(Bucket=BUCKET, Key=it.key) for it in self.archive.objects(queue)]
        return [message for found in objects for message in decode(found["Body"].read())]

    def _sent_at(self, _: str) -> str:
        (message,) = self.queues.sqs.receive_message(
            QueueUrl=self.queues.event_dlq, MessageSystemAttributeNames=["SentTimestamp"], VisibilityTimeout=0
        )["Messages"]
        return message["Attributes"]["SentTimestamp"]


@pytest.fixture
def setup(queues: Queues, bucket: None) -> Setup:
    return Setup(queues)


def test_an_old_letter_is_moved_with_everything_that_it_needs_to_be_sent_again(setup: Setup) -> None:
    text = {"DataType": "String", "StringValue": "http_422"}
    binary = {"DataType": "Binary", "BinaryValue": b"\x00\xff"}
    body = json.dumps({"name": "Zoë\u2028\x85"}, ensure_ascii=False) + "\n\t"
    message_id = setup.put(body, MessageAttributes={"reason": text, "foreign": binary})

    counts = setup.run(days=8)

    (message,) = setup.archived()
    assert (counts.archived, counts.kept, counts.is_complete) == (1, 0, True)
    assert (message["MessageId"], message["Body"]) == (message_id, body)
    assert message["MessageAttributes"] == {"reason": text, "foreign": binary}
    assert abs(int(message["Attributes"]["SentTimestamp"]) / 1000 - setup.start) < 60
    assert setup.queues.messages(setup.queues.event_dlq) == []


def test_of_a_fifo_queue_the_group_and_the_position_are_kept(setup: Setup) -> None:
    url = setup.queues.membership_dlq
    setup.put("a", url, MessageGroupId="4242.1", MessageDeduplicationId="a")

    setup.archiving(days=8).run("membership", url, Deadline.after(LONG), Counts())

    (message,) = setup.archived("membership")
    assert message["Attributes"]["MessageGroupId"] == "4242.1"
    assert int(message["Attributes"]["SequenceNumber"]) > 0


def test_a_young_letter_stays_and_can_be_received_at_once(setup: Setup) -> None:
    setup.put("young")

    counts = setup.run(days=6)

    assert (counts.archived, counts.kept) == (0, 1)
    assert [message["Body"] for message in setup.queues.messages(setup.queues.event_dlq)] == ["young"]
    assert setup.archived() == []


def test_young_letters_beyond_what_a_queue_may_hold_are_moved_too(setup: Setup) -> None:
    bodies = {str(number) for number in range(25)}
    for body in bodies:
        setup.put(body)

    counts = setup.run(days=1, max_kept=10)

    kept = {message["Body"] for message in setup.queues.messages(setup.queues.event_dlq)}
    assert (counts.archived, counts.kept, len(kept)) == (15, 10, 10)
    assert kept | {message["Body"] for message in setup.archived()} == bodies


def test_an_object_has_no_more_than_its_number_of_letters(setup: Setup) -> None:
    for number in range(25):
        setup.put(str(number))

    setup.run(days=8, max_letters=10)

    assert len(list(setup.archive.objects("event"))) == 3


def test_keys_name_the_queue_and_the_time_and_nothing_of_a_letter(setup: Setup) -> None:
    setup.put("canary", MessageAttributes={"account_id": {"DataType": "String", "StringValue": "4242"}})

    setup.run(days=8)

    (stored,) = setup.archive.objects()
    assert stored.key.startswith("dead-letters/event/20")
    assert stored.key.endswith(".ndjson.gz")
    assert "4242" not in stored.key.removesuffix(".ndjson.gz").rpartition("/")[0]


def test_a_run_without_time_moves_nothing_and_says_that_it_is_not_complete(setup: Setup) -> None:
    setup.put("old")

    counts = setup.run(days=8, seconds=FINISH_SECONDS - 1)

    assert (counts.archived, counts.is_complete) == (0, False)
    assert len(setup.queues.messages(setup.queues.event_dlq)) == 1


class FailingS3:
    """A bucket that takes nothing."""

    def put_object(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "canary"}}, "PutObject")


def test_what_the_bucket_does_not_take_stays_in_the_queue_and_other_queues_are_done(setup: Setup) -> None:
    setup.put("old")
    broken: Any = FailingS3()
    archiving = setup.archiving(days=8, archive=LetterArchive(broken, BUCKET))

    counts, failures = run_all(
        archiving, {"event": setup.queues.event_dlq, "erasure": setup.queues.erasure_dlq}, Deadline.after(LONG)
    )

    assert failures == ["event: the archive of dead letters cannot be used: AccessDenied"]
    assert counts["erasure"].is_complete
    attributes = setup.queues.sqs.get_queue_attributes(
        QueueUrl=setup.queues.event_dlq,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    assert sum(map(int, attributes.values())) == 1


class UndeletableLetters:
    """A queue that deletes nothing."""

    def __init__(self, sqs: Any) -> None:
        self.sqs = sqs

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sqs, name)

    def delete_message_batch(self, *, Entries: list[Any], **_: Any) -> Any:  # noqa: N803  boto3's name
        return {"Failed": [{"Id": entry["Id"]} for entry in Entries]}


def test_letters_that_sqs_does_not_delete_are_counted(setup: Setup) -> None:
    setup.put("old")

    counts = setup.run(days=8, sqs=UndeletableLetters(setup.queues.sqs))

    assert (counts.archived, counts.undeleted) == (1, 1)


@pytest.fixture
def archived_at(setup: Setup) -> float:
    setup.put("old")
    setup.run(days=8)
    return setup.start + 8 * DAY + 5


def test_letters_are_deleted_when_they_have_been_archived_for_so_many_days(setup: Setup, archived_at: float) -> None:
    kept = ARCHIVE_DAYS * DAY

    assert setup.archive.delete_expired(archived_at + kept - 10) == 0
    assert len(setup.archived()) == 1
    assert setup.archive.delete_expired(archived_at + kept) == 1
    assert setup.archived() == []


def test_bodies_of_messages_are_never_deleted_by_age(setup: Setup, archived_at: float) -> None:
    reference = setup.queues.large_bodies.store("body")

    setup.archive.delete_expired(archived_at + 1_000 * DAY)

    assert setup.queues.large_bodies.open(reference).read() == "body"
