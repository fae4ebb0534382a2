"""Whenever the process ends, a letter is in the queue, in the archive, or sent back; at worst it is twice."""

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any, override

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.letter_archive.archive import LetterArchive
from mparticle_firehose.letter_archive.archiving import Archiving, Counts
from mparticle_firehose.letter_archive.objects import decode
from mparticle_firehose.queues.large_bodies import LargeBodies
from mparticle_firehose.queues.sender import QueueSender
from ops.archived_letters import ArchivedLetters
from ops.redrive import RateLimit, Redrive
from tests.letter_archive.cloud_in_memory import CloudInMemory, Killed

NOW = 1_800_000_000
DAY = 86_400
LETTERS = 37
GROUPS = 3
YOUNG = 5
BUCKET = "bucket"


class DeletesFirst(Archiving):
    """What a mistake would be: letters are deleted before they are written."""

    @override
    def _archive(self, queue: str, url: str, chunk: Any, counts: Counts) -> None:
        if chunk.messages:
            handles: Any = [{"Id": "0", "ReceiptHandle": message["ReceiptHandle"]} for message in chunk.messages]
            self.sqs.delete_message_batch(QueueUrl=url, Entries=handles)
            self.archive.store(queue, chunk.messages, self.clock())


def filled() -> CloudInMemory:
    """Return a queue with old letters of a few users in no order, and some young ones."""
    cloud = CloudInMemory()
    numbers = list(range(LETTERS))
    random.Random(7).shuffle(numbers)  # noqa: S311  a repeatable shuffle, nothing secret
    for number in numbers:
        group = f"4242.{number % GROUPS}"
        cloud.put(f"{number:032x}", (NOW - 8 * DAY) * 1000, group_id=group, first_at=1000 + number, reason="http_422")
    for number in range(YOUNG):
        cloud.put(f"{LETTERS + number:032x}", (NOW - DAY) * 1000, first_at=9000 + number, reason="http_422")
    return cloud


def archive(cloud: Any, kind: type[Archiving] = Archiving) -> None:
    run = kind(
        sqs=cloud,
        archive=LetterArchive(cloud, BUCKET),
        min_age_seconds=7 * DAY,
        clock=lambda: NOW,
        max_letters=10,
        wait_seconds=0,
    )
    run.run("membership", "dlq", Deadline.after(60), Counts())


def redrive(cloud: Any) -> None:
    bodies = LargeBodies(cloud, BUCKET)
    job = Redrive(
        sender=QueueSender(cloud, bodies),
        large_bodies=bodies,
        source_url="queue",
        rate_limit=RateLimit(),
        now=lambda: NOW * 1000,
    )
    with ArchivedLetters(s3=cloud, bucket=BUCKET, queue="membership", now=NOW, max_unwritten=8) as letters:
        job.run(letters, lambda _: True)


def survives(act: Any, cloud: CloudInMemory, kill_at: int, *, after: bool) -> bool:
    """Run it until it is killed at a step, and return whether it was over before."""
    cloud.restart(kill_at, after=after)
    try:
        act(cloud)
    except Killed:
        return False
    return True


def each_step(act: Any, prepare: Any) -> Iterator[CloudInMemory]:
    """Yield what is left when a run was killed before and after each of its calls."""
    for kill_at in count():
        for after in (False, True):
            cloud = prepare()
            if survives(act, cloud, kill_at, after=after):
                assert kill_at > 5
                return
            cloud.restart()
            yield cloud


def archived(cloud: CloudInMemory) -> list[str]:
    return [str(message["MessageId"]) for content in cloud.objects.values() for message in decode(content)]


def in_the_archive() -> CloudInMemory:
    cloud = filled()
    archive(cloud)
    return cloud


ALL = {f"{number:032x}" for number in range(LETTERS + YOUNG)}
OLD = {f"{number:032x}" for number in range(LETTERS)}


def test_a_run_that_is_killed_at_any_step_loses_nothing_and_the_next_one_completes_it() -> None:
    for cloud in each_step(archive, filled):
        assert set(cloud.letters) | set(archived(cloud)) == ALL

        archive(cloud)

        assert set(cloud.letters) == ALL - OLD
        assert set(archived(cloud)) == OLD
        assert len(archived(cloud)) <= 2 * LETTERS


def test_what_was_archived_twice_is_read_once() -> None:
    twice = 0
    for cloud in each_step(archive, filled):
        archive(cloud)
        with ArchivedLetters(s3=cloud, bucket=BUCKET, queue="membership", now=NOW) as letters:  # type: ignore[arg-type]
            found = [letter.message_id for letter in letters.receive()]
        assert sorted(found) == sorted(OLD)
        twice += len(archived(cloud)) > LETTERS

        redrive(cloud)

        assert set(cloud.deliveries.values()) == {1}
        assert cloud.objects == {}
    assert twice


def test_deleting_before_writing_would_lose_letters() -> None:
    lost = [
        cloud
        for cloud in each_step(lambda cloud: archive(cloud, DeletesFirst), filled)
        if set(cloud.letters) | set(archived(cloud)) != ALL
    ]

    assert lost


def test_a_redrive_that_is_killed_at_any_step_loses_nothing_and_the_next_one_completes_it() -> None:
    for cloud in each_step(redrive, in_the_archive):
        redrive(cloud)

        assert len(cloud.deliveries) == LETTERS
        assert max(cloud.deliveries.values()) <= 2
        assert cloud.objects == {}


def test_letters_of_a_user_are_sent_in_the_order_in_which_they_were_first_queued() -> None:
    cloud = in_the_archive()

    redrive(cloud)

    groups: dict[str, list[int]] = defaultdict(list)
    for entry in cloud.sent:
        first_at = entry["MessageAttributes"]["first_at"]["StringValue"]
        groups[entry["MessageAttributes"]["group_id"]["StringValue"]].append(int(first_at))
    assert len(groups) == GROUPS
    assert all(moments == sorted(moments) for moments in groups.values())


@pytest.mark.parametrize("seed", range(30))
def test_repeated_crashes_lose_nothing(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  repeatable, nothing secret
    cloud, crashes = filled(), 0
    for _ in range(6):
        act = rng.choice((archive, redrive))
        crashes += not survives(act, cloud, rng.randrange(25), after=rng.random() < 0.5)
        sent = {entry["MessageBody"] for entry in cloud.sent}
        assert set(cloud.letters) | set(archived(cloud)) | {body[11:-2] for body in sent} == ALL

    cloud.restart()
    archive(cloud)
    redrive(cloud)

    assert len(cloud.deliveries) == LETTERS
    assert max(cloud.deliveries.values()) <= 1 + crashes
    assert set(cloud.letters) == ALL - OLD
