"""What an engineer types, sees and gets."""

import io
import re
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from ops.commands import Desk, list_letters, purge, redrive, show
from ops.letterbox import Limits
from ops.letters import Selection
from tests.conftest import Queues, load_event
from tests.ops.dead_letter_stand import CANARIES, NOW, Bench

EVERYTHING = Selection()


@pytest.fixture
def bench(queues: Queues) -> Bench:
    return Bench(queues)


@pytest.fixture
def full(bench: Bench) -> Bench:
    """Letters of several kinds in both queues, and something personal in each."""
    bench.put("membership", attempts=1)
    bench.put("membership", attempts=3)
    bench.put("membership", reason="attempts_exhausted", status=503, attempts=8, account_id=77)
    bench.move("membership")
    bench.put("event", reason="events.0.attributes: must be an object", status=None)
    bench.put("event", load_event("dsr_processing_request"), message_type="dsr_processing_request", account_id=77)
    bench.put("event", "canary-no-json", message_type=None, account_id=None, canary="canary-attribute")
    return bench


def table(text: str) -> list[str]:
    """Return the lines of a table with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and "─" not in line]


def test_list_counts_by_queue_reason_account_and_type(full: Bench) -> None:
    assert list_letters(full.desk(), EVERYTHING) == 0

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


def test_list_with_a_filter_counts_only_those(full: Bench) -> None:
    assert list_letters(full.desk(), Selection(account="77")) == 0

    assert table(full.text)[-1] == "2 dead letters of this kind."


def test_list_can_name_each_letter(bench: Bench) -> None:
    second = bench.put("event", first_at=NOW - 5)
    first = bench.put("event", first_at=NOW - 9)

    assert list_letters(bench.desk(), EVERYTHING, each=True) == 0

    assert [line.split()[0] for line in table(bench.text)[1:3]] == [first, second]


def test_list_of_nothing_is_done_and_says_so(bench: Bench) -> None:
    assert list_letters(bench.desk(), EVERYTHING) == 0
    assert bench.text == "0 dead letters.\n"


def test_list_leaves_everything_where_it_was(full: Bench) -> None:
    list_letters(full.desk(), EVERYTHING)

    assert (len(full.visible("membership")), len(full.visible("event"))) == (4, 3)


def test_what_somebody_else_holds_and_what_is_beyond_the_limit_is_said(bench: Bench) -> None:
    for _ in range(25):
        bench.put("event")
    bench.queues.sqs.receive_message(QueueUrl=bench.queues.event_dlq, MaxNumberOfMessages=2)
    bench.limits = Limits(letters=10)

    list_letters(bench.desk(), EVERYTHING)

    assert "event: about 2 letters in use by someone else" in bench.text
    assert "event: about 13 letters more could not be looked at." in bench.text
    assert bench.text.endswith("10 dead letters.\n")


def test_show_prints_what_is_written_on_a_letter_and_how_its_request_is_built(bench: Bench) -> None:
    bench.put("membership")
    wanted = bench.put("membership", request_id="r-1", first_at=1_760_000_000_000, last_at=1_760_000_060_000)

    assert show(bench.desk(), wanted) == 0

    facts, _, body = bench.text.partition("\n\n")
    assert [line.rstrip() for line in facts.splitlines()][:-1] == [
        f"message id    {wanted}",
        "queue         membership",
        "message_type  audience_membership_change_request",
        "account_id    4242",
        "request_id    r-1",
        "reason        http_422",
        "status        422",
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
    assert bench.visible("membership") >= {wanted}


def test_show_says_when_there_is_no_such_letter(full: Bench) -> None:
    assert show(full.desk(), "no-such-id") == 1
    assert full.text == "None of the 7 dead letters that could be looked at has this message id.\n"


def test_redrive_sends_back_what_matches_and_sums_it_up(full: Bench) -> None:
    assert redrive(full.desk(), Selection(account="77")) == 0

    assert "membership: 1 letter sent back.\nevent: 1 letter sent back.\n" in full.text
    assert (len(full.visible("membership")), len(full.visible("event"))) == (3, 2)
    assert len(full.taken(full.queues.membership)) == 1


def test_on_a_terminal_progress_is_shown(bench: Bench) -> None:
    for _ in range(12):
        bench.put("event")
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)

    assert redrive(bench.desk(side=terminal), Selection(queue="event")) == 0

    assert isinstance(terminal.file, io.StringIO)
    assert "Redriving event" in terminal.file.getvalue()
    assert "12/12" in terminal.file.getvalue()


def test_redrive_of_nothing_says_so(full: Bench) -> None:
    assert redrive(full.desk(), Selection(reason="no such")) == 1
    assert full.text.endswith("Nothing matches.\n")


def test_a_dry_run_shows_what_would_go_and_changes_nothing(full: Bench) -> None:
    assert redrive(full.desk(), Selection(queue="membership", reason="http_422"), dry_run=True) == 0

    assert table(full.text)[1].startswith("membership 2 http_422")
    assert full.text.endswith("2 letters would be sent back. Nothing was changed.\n")
    assert (len(full.visible("membership")), len(full.visible("event"))) == (4, 3)
    assert full.taken(full.queues.membership) == []


def test_a_dry_run_of_nothing_says_so(bench: Bench) -> None:
    assert redrive(bench.desk(), EVERYTHING, dry_run=True) == 1


def test_ctrl_c_during_redrive_puts_back_the_rest_and_sums_up(bench: Bench) -> None:
    for _ in range(25):
        bench.put("event")

    def pressed(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        redrive(bench.desk(sleep=pressed), EVERYTHING, rate=10)

    assert "event: 10 letters sent back." in bench.text
    assert len(bench.visible("event")) == 15
    assert len(bench.taken(bench.queues.event)) == 10


def test_letters_that_could_not_be_deleted_are_reported(bench: Bench) -> None:
    bench.put("event")
    bench.sqs.script = {
        "delete_message_batch": {1: ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteMessageBatch")}
    }

    with pytest.raises(ClientError):
        redrive(bench.desk(), EVERYTHING)

    assert "event: 1 of them could not be deleted: they are dead letters still" in bench.text


def test_purge_deletes_when_the_number_is_typed(full: Bench) -> None:
    full.answers = [" 2\n"]

    assert purge(full.desk(), Selection(queue="membership", reason="http_422")) == 0

    assert full.questions == ["They cannot be brought back. Type 2 to delete 2 letters for good: "]
    assert full.text.endswith("2 letters deleted.\n")
    assert (len(full.visible("membership")), len(full.visible("event"))) == (2, 3)
    assert full.taken(full.queues.membership) == []


@pytest.mark.parametrize("answers", [["3"], ["y"], [""], []], ids=["another-number", "yes", "enter", "end-of-input"])
def test_purge_is_refused_by_any_other_answer(full: Bench, answers: list[str]) -> None:
    full.answers = answers

    assert purge(full.desk(), Selection(queue="membership", reason="http_422")) == 1

    assert full.text.endswith("Refused: that is not the number. Nothing was deleted.\n")
    assert len(full.visible("membership")) == 4


@pytest.mark.parametrize(("confirmed", "status", "left"), [(2, 0, 1), (3, 1, 3)], ids=["right", "wrong"])
def test_purge_without_a_question_needs_the_right_number(full: Bench, confirmed: int, status: int, left: int) -> None:
    assert purge(full.desk(), Selection(queue="event", reason="http_422"), confirmed=confirmed) == status

    assert full.questions == []
    assert len(full.visible("event")) == left


def test_purge_without_a_filter_is_refused(full: Bench) -> None:
    assert purge(full.desk(), EVERYTHING, confirmed=7) == 1

    assert full.text == "Refused: purge needs a filter, or --all for every dead letter there is.\n"
    assert len(full.visible("membership")) == 4


def test_purge_of_everything_is_possible_on_request(full: Bench) -> None:
    assert purge(full.desk(), EVERYTHING, everything=True, confirmed=7) == 0

    assert (full.visible("membership"), full.visible("event")) == (set(), set())


def test_purge_of_nothing_says_so(full: Bench) -> None:
    assert purge(full.desk(), Selection(reason="no such")) == 1
    assert full.text == "Nothing matches.\n"


def test_purge_deletes_only_what_was_counted(bench: Bench) -> None:
    bench.put("event")
    late: list[str] = []

    def ask(_: str) -> str:
        late.append(bench.put("event"))
        return "1"

    assert purge(bench.desk(ask=ask), EVERYTHING, everything=True) == 0
    assert bench.visible("event") == set(late)


def test_purge_tells_when_letters_have_gone_meanwhile(bench: Bench) -> None:
    bench.put("event")

    def ask(_: str) -> str:
        assert len(bench.visible("event")) == 1  # somebody else takes it
        return "1"

    assert purge(bench.desk(ask=ask), EVERYTHING, everything=True) == 2
    assert bench.text.endswith("0 letters deleted.\n1 letter could not be found again or not be deleted: repeat it.\n")


@pytest.mark.parametrize(
    "command",
    [
        lambda desk, _: list_letters(desk, EVERYTHING),
        lambda desk, _: list_letters(desk, EVERYTHING, each=True),
        lambda desk, ids: max(show(desk, message_id) for message_id in ids),
        lambda desk, _: redrive(desk, EVERYTHING, dry_run=True),
        lambda desk, _: redrive(desk, EVERYTHING),
        lambda desk, _: purge(desk, EVERYTHING, everything=True, confirmed=7),
    ],
    ids=["list", "list-each", "show", "dry-run", "redrive", "purge"],
)
def test_no_command_prints_anything_personal(full: Bench, command: Callable[[Desk, list[str]], int]) -> None:
    assert command(full.desk(), full.ids) == 0

    assert full.text
    assert [canary for canary in CANARIES if canary in full.text] == []


def test_the_search_for_personal_values_would_find_them_in_the_letters(full: Bench) -> None:
    redrive(full.desk(), EVERYTHING)

    bodies = [message["Body"] for url in (full.queues.membership, full.queues.event) for message in full.taken(url)]
    assert len(bodies) == 7
    assert all("canary" in body for body in bodies)


def test_an_attribute_that_nobody_knows_is_masked(full: Bench) -> None:
    show(full.desk(), full.ids[-1])

    assert "(other attribute)  <text, 16>" in full.text
