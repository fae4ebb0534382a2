"""What each command prints, changes and returns."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client
from rich.console import Console

from mparticle_firehose.tables.progress import STATE_SETTLED, Progress
from ops.commands import list_letters, purge, redrive, show
from ops.context import Context
from ops.dead_letters import QueueName, Selection
from ops.letter_source import Limits
from tests.conftest import BUCKET, Json, load_event
from tests.ops.environment import CANARIES, NOW, TYPES, Environment

EVERYTHING = Selection()


@pytest.fixture
def full(env: Environment) -> Environment:
    """Return queues with letters of several kinds, and something personal in each."""
    env.put("membership", attempts=1)
    env.put("membership", attempts=3)
    env.put("membership", reason="attempts_exhausted", attempts=8, account_id=77)
    env.move("membership")
    env.put("event", reason="events.0.attributes: must be an object", status=None)
    env.put("event", load_event("dsr_processing_request"), message_type="dsr_processing_request", account_id=77)
    env.put("event", "canary-no-json", message_type=None, account_id=None, canary="canary-attribute")
    return env


def table(text: str) -> list[str]:
    """Return the lines of a table with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and "─" not in line]


def test_list_counts_by_queue_reason_account_and_type(full: Environment) -> None:
    assert list_letters(full.context(), EVERYTHING) == 0

    lines = table(full.text)
    assert lines[0] == "Queue Letters Reason Account Message type Oldest (UTC) Newest (UTC) Attempts"
    put_aside = "2027-01-15 07:30 2027-01-15 07:30"
    assert f"membership 2 http_422 4242 audience_membership_change_request {put_aside} 1-3" in lines
    assert f"membership 1 attempts_exhausted 77 audience_membership_change_request {put_aside} 8" in lines
    assert re.search(
        r"membership 1 too many receives 4242 audience_membership_change_request \S+ \S+ \S+ \S+ -", "\n".join(lines)
    )
    reason = "events.0.attributes: must be an object"
    assert f"event 1 {reason} 4242 event_processing_request {put_aside} 1" in lines
    assert f"event 1 http_422 77 dsr_processing_request {put_aside} 1" in lines
    assert f"event 1 http_422 - - {put_aside} 1" in lines
    assert lines[-1] == "7 dead letters."
    assert len(lines) == 8


def test_list_with_a_filter_counts_only_those(full: Environment) -> None:
    assert list_letters(full.context(), Selection(account="77")) == 0

    assert table(full.text)[-1] == "2 dead letters of this kind."


def test_list_can_print_each_letter(env: Environment) -> None:
    second = env.put("event", first_at=NOW - 5)
    first = env.put("event", first_at=NOW - 9)

    assert list_letters(env.context(), EVERYTHING, each=True) == 0

    assert [line.split()[0] for line in table(env.text)[1:3]] == [first, second]


def test_list_of_nothing_succeeds(env: Environment) -> None:
    assert list_letters(env.context(), EVERYTHING) == 0
    assert env.text == "0 dead letters.\n"


def test_list_leaves_everything_where_it_was(full: Environment) -> None:
    list_letters(full.context(), EVERYTHING)

    assert (len(full.visible("membership")), len(full.visible("event"))) == (4, 3)


def test_letters_in_flight_elsewhere_and_letters_beyond_the_limit_are_reported(env: Environment) -> None:
    for _ in range(25):
        env.put("event")
    env.queues.sqs.receive_message(QueueUrl=env.queues.event_dlq, MaxNumberOfMessages=2)
    env.limits = Limits(letters=10)

    list_letters(env.context(), EVERYTHING)

    assert "event: about 2 letters in flight, received by somebody else" in env.text
    assert "event: about 13 letters more could not be received." in env.text
    assert env.text.endswith("10 dead letters.\n")


def test_show_prints_the_attributes_of_a_letter_and_the_structure_of_its_request(env: Environment) -> None:
    env.put("membership")
    wanted = env.put("membership", request_id="r-1", first_at=1_760_000_000_000, last_at=1_760_000_060_000)

    assert show(env.context(), wanted) == 0

    facts, _, body = env.text.partition("\n\n")
    assert [line.rstrip() for line in facts.splitlines()][:-1] == [
        f"message id    {wanted}",
        "queue         membership",
        "message_type  audience_membership_change_request",
        "account_id    4242",
        "request_id    r-1",
        "reason        http_422",
        "attempts      1",
        "group_id      4242.3",
        "first_at      2025-10-09 08:53:20 UTC",
        "last_at       2025-10-09 08:54:20 UTC",
    ] + [line.rstrip() for line in facts.splitlines() if line.startswith("sent ")]
    times = "\N{MULTIPLICATION SIGN}"
    assert facts.splitlines()[-1].split(maxsplit=1) == [
        "contents",
        f"5{times} user_profiles, 3{times} add, 3{times} delete, 1{times} attribute_update",
    ]
    assert '"type": "audience_membership_change_request",' in body
    assert '"audience_id": 1001,' in body
    assert env.visible("membership") >= {wanted}


def stored(env: Environment, queue: QueueName, body: Json) -> str:
    """Dead-letter a message whose body is in S3, and return its id."""
    return env.put(queue, env.queues.large_bodies.store(json.dumps(body)), message_type=None)


@pytest.mark.parametrize("queue", TYPES)
def test_show_reads_a_body_from_s3(env: Environment, bucket: object, queue: QueueName) -> None:
    wanted = stored(env, queue, load_event(TYPES[queue]))

    assert show(env.context(), wanted) == 0

    assert f'"type": "{TYPES[queue]}",' in env.text
    assert not any(canary in env.text for canary in CANARIES)


def test_show_reports_that_a_body_is_gone(env: Environment, bucket: S3Client) -> None:
    wanted = stored(env, "event", load_event("event_processing_request"))
    for found in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]:
        bucket.delete_object(Bucket=BUCKET, Key=found["Key"])

    assert show(env.context(), wanted) == 0

    assert env.text.endswith("The body is stored in S3 and no longer exists there.\n")


def test_show_counts_what_the_letter_asks_for_and_not_what_is_left_out_or_settled(env: Environment) -> None:
    request = load_event("audience_membership_change_request")
    change = {"audience_id": 1001, "action": "add"}
    request["user_profiles"] = [{}, {}, {"mpid": "canary", "audiences": [{}, change, change]}]
    settled = Progress(fingerprint="f" * 16, settled=frozenset({1})).settled_text()
    cut = env.put("membership", request, settled=settled)

    assert show(env.context(), cut) == 0

    lines = table(env.text)
    assert "settled 1 item, not asked again after a redrive" in lines
    assert "contents 1× user_profiles, 2× add" in lines
    assert lines.count('"<2 left out>"') == lines.count('"<1 left out>"') == 1
    assert settled not in env.text


def test_show_says_that_a_letter_sends_no_state(env: Environment) -> None:
    unreadable = env.put("event", load_event("event_processing_request"), settled=STATE_SETTLED)

    assert show(env.context(), unreadable) == 0

    assert "settled the user's state, not asked again after a redrive" in table(env.text)


def test_events_that_keep_their_order_are_listed_as_events_of_the_fifo_queue(env: Environment) -> None:
    env.put("membership", load_event("event_processing_request"))
    env.put("membership")

    assert list_letters(env.context(), EVERYTHING) == 0

    rows = [line.split()[:5] for line in table(env.text)[1:3]]
    assert rows == [
        ["membership", "1", "http_422", "4242", "audience_membership_change_request"],
        ["membership", "1", "http_422", "4242", "event_processing_request"],
    ]


def test_show_reports_that_there_is_no_such_letter(full: Environment) -> None:
    assert show(full.context(), "no-such-id") == 1
    assert full.text == "There is no such message id among the 7 dead letters that could be received.\n"


def test_redrive_sends_back_what_matches_and_prints_how_many(full: Environment) -> None:
    assert redrive(full.context(), Selection(account="77")) == 0

    assert "membership: 1 letter sent back.\nevent: 1 letter sent back.\n" in full.text
    assert (len(full.visible("membership")), len(full.visible("event"))) == (3, 2)
    assert len(full.taken(full.queues.membership)) == 1


def test_on_a_terminal_progress_is_shown(env: Environment) -> None:
    for _ in range(12):
        env.put("event")
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)

    assert redrive(env.context(progress=terminal), Selection(queue="event")) == 0

    assert isinstance(terminal.file, io.StringIO)
    assert "Redriving event" in terminal.file.getvalue()
    assert "12/12" in terminal.file.getvalue()


def test_redrive_of_nothing_is_reported(full: Environment) -> None:
    assert redrive(full.context(), Selection(reason="no such")) == 1
    assert full.text.endswith("Nothing matches.\n")


def test_a_dry_run_prints_what_would_be_sent_and_changes_nothing(full: Environment) -> None:
    assert redrive(full.context(), Selection(queue="membership", reason="http_422"), dry_run=True) == 0

    assert table(full.text)[1].startswith("membership 2 http_422")
    assert full.text.endswith("2 letters would be sent back. Nothing was changed.\n")
    assert (len(full.visible("membership")), len(full.visible("event"))) == (4, 3)
    assert full.taken(full.queues.membership) == []


def test_a_dry_run_of_nothing_is_reported(env: Environment) -> None:
    assert redrive(env.context(), EVERYTHING, dry_run=True) == 1


def test_ctrl_c_during_redrive_releases_the_rest_and_prints_how_many_were_sent(env: Environment) -> None:
    for _ in range(25):
        env.put("event")

    def pressed(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        redrive(env.context(sleep=pressed), EVERYTHING, rate=10)

    assert "event: 10 letters sent back." in env.text
    assert len(env.visible("event")) == 15
    assert len(env.taken(env.queues.event)) == 10


def test_letters_that_could_not_be_deleted_are_reported(env: Environment) -> None:
    env.put("event")
    env.sqs.script = {
        "delete_message_batch": {1: ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteMessageBatch")}
    }

    with pytest.raises(ClientError):
        redrive(env.context(), EVERYTHING)

    assert "event: 1 of them could not be deleted. They are still dead letters" in env.text


def test_purge_deletes_when_the_number_is_typed(full: Environment) -> None:
    full.answers = [" 2\n"]

    assert purge(full.context(), Selection(queue="membership", reason="http_422")) == 0

    assert full.questions == ["Deleted letters cannot be restored. Type 2 to delete 2 letters: "]
    assert full.text.endswith("2 letters deleted.\n")
    assert (len(full.visible("membership")), len(full.visible("event"))) == (2, 3)
    assert full.taken(full.queues.membership) == []


def test_purge_deletes_bodies_in_s3_and_no_others(env: Environment, bucket: S3Client) -> None:
    stored(env, "event", {"type": "event_processing_request"})
    env.put("event", env.queues.large_bodies.store("{}"), reason="read_timeout")

    assert purge(env.context(), Selection(reason="http_422"), confirmed=1) == 0

    (message,) = env.taken(env.url("event"))
    assert env.queues.large_bodies.open(message["Body"]).read() == "{}"
    assert len(bucket.list_objects_v2(Bucket=BUCKET)["Contents"]) == 1


def test_purge_of_a_letter_that_was_sent_back_and_not_deleted_leaves_the_body_of_the_message(
    env: Environment, bucket: object
) -> None:
    env.put("event", env.queues.large_bodies.store("{}"))
    sqs = env.sqs.sqs

    class NotDeleting:
        def __getattr__(self, name: str) -> Any:
            return getattr(sqs, name)

        def delete_message_batch(self, **_: Any) -> Any:
            return {"Failed": [{"Id": "0", "Code": "InternalError"}]}

    env.sqs.sqs = NotDeleting()
    redrive(env.context(), EVERYTHING)
    env.sqs.sqs = sqs

    assert purge(env.context(), EVERYTHING, everything=True, confirmed=1) == 0

    (message,) = env.taken(env.queues.event)
    assert env.queues.large_bodies.open(message["Body"]).read() == "{}"


@pytest.mark.parametrize("answers", [["3"], ["y"], [""], []], ids=["another-number", "yes", "enter", "end-of-input"])
def test_purge_is_refused_by_any_other_answer(full: Environment, answers: list[str]) -> None:
    full.answers = answers

    assert purge(full.context(), Selection(queue="membership", reason="http_422")) == 1

    assert full.text.endswith("Refused: that is not the number. Nothing was deleted.\n")
    assert len(full.visible("membership")) == 4


@pytest.mark.parametrize(("confirmed", "status", "left"), [(2, 0, 1), (3, 1, 3)], ids=["right", "wrong"])
def test_purge_without_a_question_needs_the_right_number(
    full: Environment, confirmed: int, status: int, left: int
) -> None:
    assert purge(full.context(), Selection(queue="event", reason="http_422"), confirmed=confirmed) == status

    assert full.questions == []
    assert len(full.visible("event")) == left


def test_purge_without_a_filter_is_refused(full: Environment) -> None:
    assert purge(full.context(), EVERYTHING, confirmed=7) == 1

    assert full.text == "Refused: purge needs a filter, or --all (with make: ALL=1) to delete every dead letter.\n"
    assert len(full.visible("membership")) == 4


def test_purge_of_everything_is_possible_on_request(full: Environment) -> None:
    assert purge(full.context(), EVERYTHING, everything=True, confirmed=7) == 0

    assert (full.visible("membership"), full.visible("event")) == (set(), set())


def test_purge_of_nothing_is_reported(full: Environment) -> None:
    assert purge(full.context(), Selection(reason="no such")) == 1
    assert full.text == "Nothing matches.\n"


def test_purge_deletes_only_what_was_counted(env: Environment) -> None:
    env.put("event")
    late: list[str] = []

    def ask(_: str) -> str:
        late.append(env.put("event"))
        return "1"

    assert purge(env.context(ask=ask), EVERYTHING, everything=True) == 0
    assert env.visible("event") == set(late)


def test_purge_reports_letters_that_it_could_not_receive_again(env: Environment) -> None:
    env.put("event")

    def ask(_: str) -> str:
        assert len(env.visible("event")) == 1  # somebody else takes it
        return "1"

    assert purge(env.context(ask=ask), EVERYTHING, everything=True) == 2
    assert env.text.endswith("0 letters deleted.\n1 letter could not be received again or not be deleted: repeat it.\n")


@pytest.mark.parametrize(
    "command",
    [
        lambda context, _: list_letters(context, EVERYTHING),
        lambda context, _: list_letters(context, EVERYTHING, each=True),
        lambda context, ids: max(show(context, message_id) for message_id in ids),
        lambda context, _: redrive(context, EVERYTHING, dry_run=True),
        lambda context, _: redrive(context, EVERYTHING),
        lambda context, _: purge(context, EVERYTHING, everything=True, confirmed=7),
    ],
    ids=["list", "list-each", "show", "dry-run", "redrive", "purge"],
)
def test_no_command_prints_anything_personal(full: Environment, command: Callable[[Context, list[str]], int]) -> None:
    assert command(full.context(), full.ids) == 0

    assert full.text
    assert [canary for canary in CANARIES if canary in full.text] == []


def test_the_search_for_personal_values_would_find_them_in_the_letters(full: Environment) -> None:
    redrive(full.context(), EVERYTHING)

    bodies = [message["Body"] for url in (full.queues.membership, full.queues.event) for message in full.taken(url)]
    assert len(bodies) == 7
    assert all("canary" in body for body in bodies)


def test_an_unknown_attribute_is_masked(full: Environment) -> None:
    show(full.context(), full.ids[-1])

    assert "(other attribute)  <string, 16>" in full.text
