"""The commands for letters, in the queues or the archive. Each prints what it did and returns its exit status."""

from dataclasses import replace

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.queues.sender import QueueSender
from ops.context import Context
from ops.dead_letters import QUEUES, DeadLetter, QueueName, Selection
from ops.display import counted, print_each, print_letter, print_not_received, print_summary
from ops.redrive import RateLimit, Redrive, Tally
from ops.stack import SOURCE_QUEUES

DONE, NOTHING, INCOMPLETE = 0, 1, 2
"""Exit statuses: done; nothing matched, or refused; only a part could be done."""


def list_letters(context: Context, selection: Selection, *, each: bool = False) -> int:
    """Print how many letters there are of each kind, or each of them with its message id."""
    number = (print_each if each else print_summary)(context.out, context.matching(selection))
    kind = "archived letter" if context.archived else "dead letter"
    context.print(f"{counted(number, kind)}{'' if selection.is_everything else ' of this kind'}.")
    return DONE


def show(context: Context, message_id: str) -> int:
    """Print one letter, masked."""
    received = 0
    for queue in context.present(QUEUES):
        with context.open(queue) as (dead_letters, _):
            for letter in dead_letters.receive(lambda letter: letter.message_id == message_id):
                if letter.message_id == message_id:
                    _print_whole(context, letter)
                    return DONE
                received += 1
    context.print(f"There is no such message id among the {counted(received, 'dead letter')} that could be received.")
    return NOTHING


def redrive(context: Context, selection: Selection, *, rate: int | None = None, dry_run: bool = False) -> int:
    """Send matching letters back to their queues, in the original order of each message group."""
    if dry_run:
        return _rehearse(context, selection)
    tallies = redrive_letters(context, selection, rate)
    if not any(tally.sent for tally in tallies):
        return _nothing_matches(context)
    return INCOMPLETE if any(tally.undeleted for tally in tallies) else DONE


def redrive_letters(context: Context, selection: Selection, rate: int | None = None) -> list[Tally]:
    """Send matching letters back, print how many, and return what was done in each queue."""
    queues = [queue for queue in context.present(selection.queues) if SOURCE_QUEUES[queue] in context.urls]
    return [_redrive_queue(context, queue, selection, rate) for queue in queues]


def purge(context: Context, selection: Selection, *, everything: bool = False, confirmed: int | None = None) -> int:
    """Delete matching letters for good, after the user has confirmed how many.

    They are released while the question is open, and received again: only those that were counted are deleted,
    however long the answer takes and whatever arrives in the meantime.
    """
    if selection.is_everything and not everything:
        context.print("Refused: purge needs a filter, or --all (with make: ALL=1) to delete every dead letter.")
        return NOTHING
    letters = list(context.matching(selection))
    if not letters:
        return _nothing_matches(context)
    print_summary(context.out, letters)
    if not _is_confirmed(context, len(letters), confirmed):
        return NOTHING
    deleted = delete_letters(context, {letter.message_id for letter in letters}, selection)
    context.print(f"{counted(deleted)} deleted.")
    if deleted < len(letters):
        context.print(f"{counted(len(letters) - deleted)} could not be received again or not be deleted: repeat it.")
    return DONE if deleted == len(letters) else INCOMPLETE


def _print_whole(context: Context, letter: DeadLetter) -> None:
    """Print a letter, with its body from S3 if it is kept there."""
    try:
        body = context.large_bodies.open(letter.reference).read() if letter.reference else letter.body
    except MalformedRequestError as error:
        print_letter(context.out, replace(letter, body=""))
        context.print(f"The body {error}.")
    else:
        print_letter(context.out, replace(letter, body=body))


def _nothing_matches(context: Context) -> int:
    context.print("Nothing matches.")
    return NOTHING


def _rehearse(context: Context, selection: Selection) -> int:
    number = print_summary(context.out, context.matching(selection))
    if not number:
        return _nothing_matches(context)
    context.print(f"{counted(number)} would be sent back. Nothing was changed.")
    return DONE


def _redrive_queue(context: Context, queue: QueueName, selection: Selection, rate: int | None) -> Tally:
    """Send back what matches in one queue, and print how many, also after an error or an interrupt."""
    now = context.now()
    job = Redrive(
        sender=QueueSender(context.sqs, context.large_bodies),
        large_bodies=context.large_bodies,
        source_url=context.urls[SOURCE_QUEUES[queue]],
        rate_limit=RateLimit(rate=rate, clock=context.clock, sleep=context.sleep),
        now=context.now,
        uninterrupted=context.uninterrupted,
    )
    try:
        with context.open(queue) as (dead_letters, status):
            job.run(
                dead_letters,
                lambda letter: selection.matches(letter, now),
                lambda sent, found: status.update(f"Redriving {queue}: {sent}/{found}"),
            )
        print_not_received(context.out, dead_letters)
    finally:
        if job.tally.sent:
            context.print(f"{queue}: {counted(job.tally.sent)} sent back.")
        if job.tally.undeleted:
            context.print(
                f"{queue}: {job.tally.undeleted} of them could not be deleted. They are still dead letters, and the "
                "next run sends them once more."
            )
    return job.tally


def _is_confirmed(context: Context, number: int, confirmed: int | None) -> bool:
    if confirmed is not None:
        if confirmed != number:
            context.print(f"Refused: {counted(number)} would be deleted, not {confirmed}. Nothing was deleted.")
        return confirmed == number
    try:
        answer = context.ask(f"Deleted letters cannot be restored. Type {number} to delete {counted(number)}: ")
    except EOFError:
        answer = ""
    if answer.strip() != str(number):
        context.print("Refused: that is not the number. Nothing was deleted.")
    return answer.strip() == str(number)


def delete_letters(context: Context, message_ids: set[str], selection: Selection) -> int:
    """Delete the letters with these ids that can be received again, and return how many."""
    deleted = 0
    for queue in context.present(selection.queues):
        with context.open(queue) as (dead_letters, _):
            letters = [letter for letter in dead_letters.receive() if letter.message_id in message_ids]
            held = [letter for letter in letters if dead_letters.holds(letter)]
            for reference in [letter.reference for letter in held if letter.reference]:
                context.large_bodies.delete(reference)  # first: if it fails, the letter can be purged again
            deleted += len(held) - dead_letters.delete(held)
    return deleted
