"""The dead letters of the local cloud, by the operators' own commands: listed, shown masked, sent back, deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from threading import Lock
from typing import TYPE_CHECKING

from rich.console import Console

from local.inspector.app import Call
from local.inspector.errors import InspectorError, unusable
from local.inspector.shown import moment
from mparticle_firehose.queues.large_bodies import LargeBodies
from ops import commands
from ops.context import Context
from ops.dead_letters import QUEUES, DeadLetter, Group, QueueName, Selection, grouped
from ops.display import counted
from ops.stack import DEAD_LETTER_QUEUES, LARGE_BODY_BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

type Json = Mapping[str, object]

MAX_LISTED = 500
_WIDTH = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """The dead-letter queues of one stack. One command runs at a time: each would hide letters from another.

    Attributes:
        sqs: the client.
        s3: the client.
        outputs: of the stack.
    """

    sqs: "SQSClient"
    s3: "S3Client"
    outputs: Mapping[str, str]
    _lock: Lock = field(default_factory=Lock)

    def summary(self, _: Call) -> Json:
        """Answer ``GET api/dead-letters``."""
        with self._lock:
            letters = list(self._context().matching(Selection()))
        newest = sorted(letters, key=lambda letter: -letter.dead_lettered_at)
        return {
            "groups": [_group(group) for group in grouped(letters)],
            "letters": [_letter(letter) for letter in newest[:MAX_LISTED]],
        }

    def show(self, call: Call) -> Json:
        """Answer ``GET api/dead-letters/{queue}/{message_id}``."""
        queue, out = _queue(call.path["queue"]), StringIO()
        with self._lock:
            status = commands.show(self._context(out, queue), call.path["message_id"])
        if status != commands.DONE:
            raise InspectorError(404, "There is no such dead letter any more.")
        return {"lines": _lines(out)}

    def redrive(self, call: Call) -> Json:
        """Answer ``POST api/dead-letters/redrive``."""
        selection, out = _selection(call.content), StringIO()
        is_dry_run = call.content.get("dry_run", False)
        if not isinstance(is_dry_run, bool):
            raise unusable("dry_run: must be true or false.")
        with self._lock:
            matched = sum(1 for _ in self._context().matching(selection))
            context = self._context(out)
            sent = 0
            if is_dry_run:
                commands.redrive(context, selection, dry_run=True)
            else:
                sent = sum(tally.sent for tally in commands.redrive_letters(context, selection))
        return {"matched": matched, "sent": sent, "lines": _lines(out)}

    def purge(self, call: Call) -> Json:
        """Answer ``POST api/dead-letters/purge``."""
        selection, confirmed = _selection(call.content), call.content.get("confirm")
        if isinstance(confirmed, bool) or not isinstance(confirmed, int):
            raise unusable("confirm: must be the number of letters to delete.")
        with self._lock:
            context = self._context()
            letters = list(context.matching(selection))
            if len(letters) != confirmed:
                raise InspectorError(
                    409, f"{counted(len(letters))} would be deleted, not {confirmed}. Nothing was deleted."
                )
            return {"deleted": commands.delete_letters(context, {letter.message_id for letter in letters}, selection)}

    def _context(self, out: StringIO | None = None, queue: QueueName | None = None) -> Context:
        """Return what a command works with, on all queues or one."""
        others = [output for name, output in DEAD_LETTER_QUEUES.items() if queue not in {None, name}]
        return Context(
            sqs=self.sqs,
            s3=self.s3,
            urls={name: value for name, value in self.outputs.items() if name not in others},
            large_bodies=LargeBodies(self.s3, self.outputs.get(LARGE_BODY_BUCKET, "")),
            out=Console(file=out or StringIO(), width=_WIDTH, highlight=False),
            progress=Console(file=StringIO()),
            wait_seconds=0,
        )


def _group(group: Group) -> Json:
    first = group.first
    return {
        "queue": first.queue,
        "reason": first.reason,
        "account": first.account,
        "type": first.message_type,
        "count": group.letters,
        "oldest": moment(group.oldest / 1000),
        "newest": moment(group.newest / 1000),
    }


def _letter(letter: DeadLetter) -> Json:
    return {
        "queue": letter.queue,
        "message_id": letter.message_id,
        "reason": letter.reason,
        "account": letter.account,
        "type": letter.message_type,
        "at": moment(letter.dead_lettered_at / 1000),
        "attempts": letter.attempts,
    }


def _selection(content: Json) -> Selection:
    given: dict[str, str | None] = {}
    for name in ("queue", "reason", "account"):
        value = content.get(name)
        if value is not None and not isinstance(value, str):
            raise unusable(f"{name}: must be text.")
        given[name] = value or None
    queue = given["queue"]
    return Selection(queue=_queue(queue) if queue else None, reason=given["reason"], account=given["account"])


def _queue(name: str) -> QueueName:
    if name not in QUEUES:
        raise unusable(f"queue: must be one of {', '.join(QUEUES)}.")
    return name


def _lines(out: StringIO) -> list[str]:
    return [line.rstrip() for line in out.getvalue().splitlines()]
