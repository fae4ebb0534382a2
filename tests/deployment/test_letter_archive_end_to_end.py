"""Dead letters on the local cloud: into the archive, out of it, and to the partner."""

import json
import time
from typing import Any

import pytest

from local.cloud.cloud import LocalCloud
from local.partner.faults import SUCCESSES
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.letter_archive.archive import LetterArchive
from mparticle_firehose.letter_archive.archiving import Archiving, Counts
from ops.__main__ import main
from tests.conftest import load_event
from tests.sample.server import SamplePartner

pytestmark = pytest.mark.cloud

ACCOUNT = 9107
SEGMENT = f"seg-{ACCOUNT}-1"
ACTIONS = ("add", "delete", "add")
EIGHT_DAYS = 8 * 86_400


def put_letters(cloud: LocalCloud) -> None:
    """Dead-letter changes of one user, the newest first, each in a group of its own as the worker does."""
    for number in reversed(range(len(ACTIONS))):
        change = {
            "audience_id": 1,
            "audience_name": "An audience",
            "audience_subscription_settings": {"segmentId": SEGMENT},
            "action": ACTIONS[number],
        }
        account = {"account_id": ACCOUNT, "account_settings": {"token": "canary-secret"}}
        profiles = [{"mpid": "77", "audiences": [change]}]
        request = load_event(
            "audience_membership_change_request", account=account, user_profiles=profiles, timestamp_ms=1000 + number
        )
        attributes = {
            "account_id": str(ACCOUNT), "reason": "http_422", "attempts": "1", "first_at": str(1000 + number),
            "last_at": "2000", "group_id": f"{ACCOUNT}.1",
        }  # fmt: skip
        cloud.aws.sqs.send_message(
            QueueUrl=cloud.outputs["MembershipDeadLetterQueueUrl"],
            MessageBody=json.dumps(request),
            MessageGroupId=f"letter-{number}",
            MessageDeduplicationId=f"letter-{ACCOUNT}-{number}",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )


def archived_by_its_function(cloud: LocalCloud) -> dict[str, Any]:
    """Invoke the function as its schedule does, and return what it has logged."""
    answer = cloud.aws.functions.invoke(FunctionName=cloud.outputs["LetterArchiveFunctionName"], Payload=b"{}")
    assert "FunctionError" not in answer
    lines = [json.loads(line) for line in cloud.function_logs("archive") if line.startswith("{")]
    (*_, line) = [line for line in lines if line.get("message") == "letters archived"]
    assert isinstance(line, dict)
    return line


def test_letters_go_into_the_archive_and_come_back_in_order(
    cloud: LocalCloud, fake_partner: SamplePartner, capsys: pytest.CaptureFixture[str]
) -> None:
    put_letters(cloud)
    where = ["--endpoint-url", cloud.aws.endpoint, "--account", str(ACCOUNT)]

    young = archived_by_its_function(cloud)
    assert (young["membership"], young["feed"]) == (
        {"archived": 0, "kept": len(ACTIONS), "complete": True},
        {"archived": 0, "kept": 0, "complete": True},
    )
    assert main(["list", *where]) == 0
    assert "3 dead letters of this kind." in capsys.readouterr().out

    # The same a week later. The emulator's clock cannot be set, so the function's part runs here.
    archive = LetterArchive(cloud.aws.s3, cloud.outputs["LargeBodyBucketName"])
    Archiving(
        sqs=cloud.aws.sqs, archive=archive, min_age_seconds=7 * 86_400, clock=lambda: time.time() + EIGHT_DAYS
    ).run("membership", cloud.outputs["MembershipDeadLetterQueueUrl"], Deadline.after(120), Counts())
    assert cloud.dead_letters()["membership-dead-letter.fifo"] == 0

    assert main(["redrive", "--archived", *where]) == 0
    assert cloud.settle(60)

    assert "membership: 3 letters sent back." in capsys.readouterr().out
    calls = [call for call in fake_partner.requests if call.path.startswith(f"/segments/{SEGMENT}")]
    assert {call.status for call in calls} <= set(SUCCESSES)
    bodies: list[Any] = [call.body for call in calls]
    assert [change["action"] for body in bodies for change in body["changes"]] == ["add", "remove", "add"]
    assert list(archive.objects("membership")) == []
    assert cloud.dead_letters()["membership-dead-letter.fifo"] == 0
