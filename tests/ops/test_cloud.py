"""Redriving in a cloud that keeps FIFO order, as moto does not."""

import random
from collections import defaultdict
from typing import Any

import pytest

from local.cloud.ministack import MiniStack
from ops.__main__ import main
from ops.commands import redrive
from ops.context import Context
from ops.dead_letters import TOO_MANY_RECEIVES, Selection
from ops.display import console
from ops.stack import DEAD_LETTER_QUEUES, SOURCE_QUEUES

pytestmark = pytest.mark.cloud

USERS = 4
CHANGES = 8
MOVED = 25


def put(aws: MiniStack, url: str, body: str, group: str, **attributes: object) -> None:
    aws.sqs.send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": str(value)} for name, value in attributes.items()
        },
    )


def taken(aws: MiniStack, url: str) -> dict[str, list[str]]:
    """Take everything out of a FIFO queue and return the bodies of each group in the order in which they came."""
    groups: dict[str, list[str]] = defaultdict(list)
    while messages := aws.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    ).get("Messages"):
        for message in messages:
            groups[message["Attributes"]["MessageGroupId"]].append(message["Body"])
            aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return groups


def context_at(aws: MiniStack, dead: str, queue: str) -> Context:
    urls = {DEAD_LETTER_QUEUES["membership"]: dead, SOURCE_QUEUES["membership"]: queue}
    bodies: Any = None  # these letters are small
    return Context(
        sqs=aws.sqs,
        s3=bodies,
        urls=urls,
        large_bodies=bodies,
        out=console(),
        progress=console(stderr=True),
        wait_seconds=0,
    )


def test_letters_of_several_users_go_back_in_the_order_of_each(
    emulator: MiniStack, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, dead = (
        emulator.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
        for name in ("redrive.fifo", "redrive-dead.fifo")
    )
    plan = [(user, change) for user in range(USERS) for change in range(CHANGES)]
    random.Random(7).shuffle(plan)  # noqa: S311  a repeatable shuffle, nothing secret
    for user, change in plan:
        body = f"canary-{user}-{change}"
        put(emulator, dead, body, f"own-{body}", group_id=f"7.{user}", first_at=1000 + change, reason="http_422")
    for number in range(MOVED):  # by SQS: in one group, of which it returns ten at a time
        put(emulator, dead, f"canary-moved-{number}", "7.moved")
    put(emulator, dead, "canary-kept", "own-kept", group_id="7.0", reason="other", account_id="8")

    queues = ["--membership-dlq-url", dead, "--membership-queue-url", queue]
    where = ["--endpoint-url", emulator.endpoint, *queues, "--large-body-bucket", "never-used"]
    assert main(["redrive", "--queue", "membership", "--account", "8", "--dry-run", *where]) == 0
    context = context_at(emulator, dead, queue)
    assert redrive(context, Selection(queue="membership", reason="http_422")) == 0
    assert redrive(context, Selection(queue="membership", reason=TOO_MANY_RECEIVES)) == 0

    printed = capsys.readouterr()
    assert f"membership: {USERS * CHANGES} letters sent back." in printed.out
    assert f"membership: {MOVED} letters sent back." in printed.out
    assert "canary" not in printed.out + printed.err
    assert taken(emulator, queue) == {
        **{f"7.{user}": [f"canary-{user}-{change}" for change in range(CHANGES)] for user in range(USERS)},
        "7.moved": [f"canary-moved-{number}" for number in range(MOVED)],
    }
    assert taken(emulator, dead) == {"own-kept": ["canary-kept"]}
