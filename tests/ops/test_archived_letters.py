"""The commands on the archive: the same filters, masking, order and redrive as on the queues."""

import json
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.letter_archive.archive import LetterArchive
from mparticle_firehose.letter_archive.archiving import Archiving, Counts
from mparticle_firehose.letter_archive.retention import ARCHIVE_DAYS
from ops.__main__ import main
from ops.archived_letters import ArchivedLetters
from ops.commands import list_letters, purge, redrive, show
from ops.dead_letters import QueueName, Selection
from ops.letter_source import Limits
from tests.conftest import BUCKET
from tests.ops.environment import CANARIES, NOW, Environment

EVERYTHING = Selection()
DAY = 86_400


class Archived:
    """Letters that were put aside, archived and are looked at with the commands."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.s3 = env.queues.s3
        self.context = env.context(archived=True)

    def archive(self, queue: QueueName = "event", max_letters: int = 1_000) -> None:
        """Move all letters of a queue."""
        Archiving(
            sqs=self.env.queues.sqs,
            archive=LetterArchive(self.s3, BUCKET),
            min_age_seconds=0,
            clock=lambda: NOW / 1000,
            max_kept=0,
            max_letters=max_letters,
            wait_seconds=0,
        ).run(queue, self.env.url(queue), Deadline.after(60), Counts())

    def letters(self, queue: QueueName = "event", **changes: Any) -> ArchivedLetters:
        settings: dict[str, Any] = {"s3": self.s3, "bucket": BUCKET, "queue": queue, "now": NOW / 1000}
        return ArchivedLetters(**{**settings, **changes})

    def ids(self, queue: QueueName = "event") -> set[str]:
        return {letter.message_id for letter in self.letters(queue).receive()}

    @property
    def keys(self) -> list[str]:
        return [stored.key for stored in LetterArchive(self.s3, BUCKET).objects()]


@pytest.fixture
def archived(env: Environment, bucket: None) -> Archived:
    return Archived(env)


def test_list_counts_them_as_it_counts_those_of_the_queues(archived: Archived) -> None:
    archived.env.put("event")
    archived.env.put("event", reason="read_timeout", account_id=77)
    archived.env.put("membership")
    list_letters(archived.env.context(), EVERYTHING)
    before = archived.env.text
    archived.env.printed.truncate(0)
    archived.archive("event")
    archived.archive("membership")

    assert list_letters(archived.context, EVERYTHING) == 0

    assert archived.env.text.strip("\0") == before.replace("3 dead letters", "3 archived letters")


def test_filters_choose_among_them(archived: Archived) -> None:
    chosen = archived.env.put("event", account_id=77)
    archived.env.put("event", account_id=78)
    archived.archive()

    list_letters(archived.context, Selection(account="77"), each=True)

    assert chosen in archived.env.text
    assert archived.env.text.endswith("1 archived letter of this kind.\n")


def test_show_masks_what_is_personal(archived: Archived) -> None:
    message_id = archived.env.put("event")
    archived.archive()

    assert show(archived.context, message_id) == 0

    assert "event_processing_request" in archived.env.text
    assert not any(canary in archived.env.text for canary in CANARIES)


def test_redrive_sends_exactly_what_was_put_aside_and_takes_it_out_of_the_archive(archived: Archived) -> None:
    body = json.dumps({"type": "event_processing_request", "name": "Zoë \u2028"}, ensure_ascii=False)
    archived.env.put("event", body, settled="f1:AQ==")
    kept = archived.env.put("event", account_id=77)
    archived.archive()

    assert redrive(archived.context, Selection(account="4242")) == 0

    (sent,) = archived.env.taken(archived.env.source_url("event"))
    texts = {name: value["StringValue"] for name, value in sent["MessageAttributes"].items()}
    assert sent["Body"] == body
    assert (texts["settled"], texts["reason"], texts["redriven_at"]) == ("f1:AQ==", "http_422", str(NOW))
    assert archived.ids() == {kept}
    assert "event: 1 letter sent back." in archived.env.text


def test_a_users_letters_are_sent_in_order_whatever_object_they_are_in(archived: Archived) -> None:
    for number in (5, 2, 4, 1, 3):
        archived.env.put("membership", f'"{number}"', group_id="4242.1", first_at=NOW - 1000 + number)
        archived.archive("membership")

    redrive(archived.context, EVERYTHING)

    assert [it["Body"] for it in archived.env.taken(archived.env.source_url("membership"))] == [
        f'"{number}"' for number in range(1, 6)
    ]
    assert archived.keys == []


def test_more_letters_than_fit_into_memory_are_sent_in_rounds(archived: Archived) -> None:
    for _ in range(25):
        archived.env.put("event")
    archived.archive(max_letters=5)
    archived.context = archived.env.context(archived=True, limits=Limits(letters=7, body_bytes=10**9))

    assert redrive(archived.context, EVERYTHING) == 0

    assert "event: 25 letters sent back." in archived.env.text
    assert archived.keys == []


def test_a_dry_run_changes_nothing(archived: Archived) -> None:
    message_id = archived.env.put("event")
    archived.archive()

    redrive(archived.context, EVERYTHING, dry_run=True)

    assert archived.ids() == {message_id}
    assert archived.env.taken(archived.env.source_url("event")) == []


def test_purge_deletes_the_data_for_good(archived: Archived) -> None:
    reference = archived.env.queues.large_bodies.store('{"large": "canary"}')
    archived.env.put("event", reference)
    kept = archived.env.put("event", account_id=77)
    archived.archive()

    assert purge(archived.context, Selection(account="4242"), confirmed=1) == 0

    objects = archived.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [entry["Key"] for entry in objects] == archived.keys
    assert archived.ids() == {kept}


def test_letters_of_a_removed_feed_are_listed_and_purged_though_they_cannot_be_sent(archived: Archived) -> None:
    archived.env.put("feed")
    archived.archive("feed")
    urls = {name: url for name, url in archived.context.urls.items() if not name.startswith("Feed")}
    context = archived.env.context(archived=True, urls=urls)

    assert redrive(context, EVERYTHING) == 1
    assert purge(context, Selection(queue="feed"), confirmed=1) == 0
    assert archived.keys == []


def test_letters_that_are_too_old_are_not_found_although_nobody_has_deleted_them(archived: Archived) -> None:
    message_id = archived.env.put("event")
    archived.archive()
    kept = ARCHIVE_DAYS * DAY

    just_before = [it.message_id for it in archived.letters(now=NOW / 1000 + kept - 10).receive()]
    afterwards = list(archived.letters(now=NOW / 1000 + kept).receive())

    assert just_before == [message_id]
    assert afterwards == []


def test_two_who_take_letters_out_of_one_object_bring_nothing_back(archived: Archived) -> None:
    first, second, third = (archived.env.put("event") for _ in range(3))
    archived.archive()

    with archived.letters() as mine:
        own = {letter.message_id: letter for letter in mine.receive()}
        mine.delete([own[first]])
        with archived.letters() as others:
            theirs = {letter.message_id: letter for letter in others.receive()}
            others.delete([theirs[second]])

    assert archived.ids() == {third}


class ChangedInBetween:
    """A bucket in which somebody else changes an object between the read and the write."""

    def __init__(self, s3: Any, change: Any) -> None:
        self.s3 = s3
        self.change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.s3, name)

    def put_object(self, **arguments: Any) -> Any:
        change, self.change = self.change, lambda: None
        change()
        return self.s3.put_object(**arguments)


def test_an_object_that_changes_between_read_and_write_is_read_again(archived: Archived) -> None:
    first, second, third = (archived.env.put("event") for _ in range(3))
    archived.archive()

    def delete(message_id: str, letters: ArchivedLetters) -> None:
        with letters:
            letters.delete([letter for letter in letters.receive() if letter.message_id == message_id])

    delete(first, archived.letters(s3=ChangedInBetween(archived.s3, lambda: delete(second, archived.letters()))))

    assert archived.ids() == {third}


def test_an_object_of_something_else_is_reported_without_its_content(archived: Archived) -> None:
    archived.env.put("event")
    archived.archive()
    archived.s3.put_object(Bucket=BUCKET, Key=archived.keys[0], Body=b"canary")

    with pytest.raises(DeliveryError, match="an object of the archive cannot be read"):
        list(archived.letters().receive())


def test_the_command_line_needs_the_bucket_and_no_queue(archived: Archived, capsys: pytest.CaptureFixture[str]) -> None:
    archived.env.put("event", last_at=NOW)
    archived.archive()
    where = ["--archived", "--queue", "event", "--large-body-bucket", BUCKET]

    assert main(["list", *where]) == 0
    assert main(["purge", *where, "--yes-delete", "1"]) == 0

    printed = capsys.readouterr().out
    assert "1 archived letter of this kind." in printed
    assert "1 letter deleted." in printed
