"""What is remembered of deliveries beyond one invocation: attempts, and the versions of the newest changes.

SQS counts how often a message was received, also when it only waited behind a failing one; how often its own delivery
was tried, and which of its items are settled, must be remembered here. And a FIFO queue keeps order only for messages
that stay in it. Once a change has gone to the dead-letter queue, the *order of its user and audience is tracked*: the
version of the newest change that is delivered from then on is stored, so that an old change that is redriven does not
undo a newer one.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.letter_archive.retention import ARCHIVE_DAYS
from mparticle_firehose.repeating import Repeating
from mparticle_firehose.tables.entries import REPEATING, Entries
from mparticle_firehose.tables.progress import Progress

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from mparticle_firehose.tables.entries import Entry

COMES_BACK_SECONDS = (14 + ARCHIVE_DAYS + 14) * 86_400
"""How long a change that leaves the queue may come back.

That is the retention of the dead-letter queue, then that of the archive of letters, then that of its own queue.
"""

KEPT_SECONDS = 40 * 86_400
"""How long progress and letters are remembered: longer than their messages can come back."""

VERSION_KEPT_SECONDS = 400 * 86_400
"""How long a version is kept: a letter that fails whenever it is redriven can come back for as long.

Each time it prolongs the tracking. It cannot prolong the versions, whose keys are not known of what cannot be read.
"""


@dataclass(frozen=True, slots=True)
class TrackedGroup:
    """Until when which deliveries of a message group are written down, in whole seconds since the epoch.

    Attributes:
        keys: those of tracked keys, which have entries of their own.
        states: those of every user's state.
        everything: all.
    """

    keys: int = 0
    states: int = 0
    everything: int = 0


class Ledger:
    """The DynamoDB table of attempts and versions, shared by all execution environments.

    Every method takes a deadline, after which it begins no call. Those that read raise DeliveryError when the
    table cannot be used; the messages concerned must then be retried. The others return what is not stored, each with
    the reason.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        clock: Callable[[], float] = time.time,
        repeating: Repeating = REPEATING,
    ) -> None:
        """Take the table's name, a clock of seconds since the epoch, and the pauses before a call is repeated."""
        self._entries = Entries(dynamodb, table, repeating)
        self._clock = clock

    def recall(
        self, message_ids: Iterable[str], group_ids: Iterable[str], deadline: Deadline
    ) -> tuple[dict[str, Progress], dict[str, TrackedGroup]]:
        """Return what is remembered of these messages, and what is tracked of these groups."""
        messages, groups = set(message_ids), set(group_ids)
        found = self._entries.read([*map(_message, messages), *map(_group, groups)], deadline)
        known = {name: _progress(found[_message(name)]) for name in messages if _message(name) in found}
        return known, {name: _tracked_group(found[_group(name)]) for name in groups if _group(name) in found}

    def remember(self, messages: Mapping[str, Progress], deadline: Deadline) -> dict[str, str]:
        """Store how far the delivery of each of these messages has come, by message id."""
        entries: list[Entry] = [
            {
                **_key(_message(name)),
                "attempts": {"N": str(progress.attempts)},
                "settled": {"S": progress.settled_text()},
                "unwritten": {"S": progress.unwritten_text()},
                "refused": {"S": progress.refused_text()},
                "limits": {"S": progress.limits_text()},
                "expires_at": self._expiry(),
            }
            for name, progress in messages.items()
        ]
        missing = self._entries.write(entries, deadline)
        return {name: missing[_message(name)] for name in messages if _message(name) in missing}

    def tracked(self, keys: Iterable[str], deadline: Deadline) -> dict[str, int]:
        """Return until when each of these keys is tracked, for those that are."""
        found = self._entries.read(map(_tracked, keys), deadline)
        return {key.removeprefix(_tracked("")): _whole(entry, "expires_at") for key, entry in found.items()}

    def track(
        self, groups: Mapping[str, TrackedGroup], keys: Mapping[str, int], deadline: Deadline
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Track the order of these groups and keys. Call it before a change of them leaves the queue.

        Args:
            groups: by group id.
            keys: until when, by key.
            deadline: see the class.

        Returns:
            The groups and the keys that are not stored, each with the reason.
        """
        entries: list[Entry] = [
            *(_group_entry(name, tracked) for name, tracked in groups.items()),
            *({**_key(_tracked(key)), "expires_at": _number(until)} for key, until in keys.items()),
        ]
        missing = self._entries.write(entries, deadline)
        return (
            {name: missing[_group(name)] for name in groups if _group(name) in missing},
            {key: missing[_tracked(key)] for key in keys if _tracked(key) in missing},
        )

    def dead_lettered(self, letters: Iterable[str], deadline: Deadline) -> set[str]:
        """Return which of these parts of messages are on the dead-letter queue already."""
        return {key.removeprefix(_letter("")) for key in self._entries.read(map(_letter, letters), deadline)}

    def note_dead_lettered(self, letters: Iterable[str], deadline: Deadline) -> dict[str, str]:
        """Remember that these parts of messages are dead-lettered, so that a retry of a message does not repeat it."""
        entries: list[Entry] = [{**_key(_letter(letter)), "expires_at": self._expiry()} for letter in letters]
        missing = self._entries.write(entries, deadline)
        return {key.removeprefix(_letter("")): failure for key, failure in missing.items()}

    def newest(self, keys: Iterable[str], deadline: Deadline) -> dict[str, str]:
        """Return the version of the newest delivered change of each key, for keys that are known."""
        return {key: entry["made_at"]["S"] for key, entry in self._entries.read(keys, deadline).items()}

    def note_delivered(self, versions: Mapping[str, str], deadline: Deadline) -> dict[str, str]:
        """Store the version of the delivered change of each key, unless a newer one is stored.

        What is stored is read first. Nothing is written in between: a key belongs to one message group, and one
        environment at a time works on a group.
        """
        try:
            stored = self.newest(versions, deadline)
        except DeliveryError as error:
            return dict.fromkeys(versions, str(error))
        expiry = self._expiry(VERSION_KEPT_SECONDS)
        entries: list[Entry] = [
            {**_key(key), "made_at": {"S": version}, "expires_at": expiry}
            for key, version in versions.items()
            if version >= stored.get(key, "")
        ]
        return self._entries.write(entries, deadline)

    def _expiry(self, kept: int = KEPT_SECONDS) -> "AttributeValueTypeDef":
        return _number(int(self._clock()) + kept)


def _message(message_id: str) -> str:
    return f"attempts#{message_id}"  # the name that entries of earlier releases have


def _progress(entry: "Entry") -> Progress:
    """Read an entry; one of an earlier release has attempts only."""
    texts = {name: entry.get(name, {}).get("S", "") for name in ("settled", "limits", "unwritten", "refused")}
    return Progress.from_text(**texts, attempts=_whole(entry, "attempts"))


def _group(group_id: str) -> str:
    return f"contested#{group_id}"  # the name that entries of earlier releases have


def _group_entry(group_id: str, tracked: TrackedGroup) -> "Entry":
    """Return an entry that an environment of an earlier release takes for one of the whole group."""
    return {
        **_key(_group(group_id)),
        "keys": _number(tracked.keys),
        "states": _number(tracked.states),
        "everything": _number(tracked.everything),
        "expires_at": _number(max(tracked.keys, tracked.states, tracked.everything)),
    }


def _tracked_group(entry: "Entry") -> TrackedGroup:
    """Read an entry; one of an earlier release is about the whole group."""
    if "keys" not in entry:
        return TrackedGroup(everything=_whole(entry, "expires_at"))
    return TrackedGroup(*(_whole(entry, name) for name in ("keys", "states", "everything")))


def _tracked(key: str) -> str:
    return f"tracked#{key}"


def _letter(letter: str) -> str:
    return f"letter#{letter}"


def _key(key: str) -> "dict[str, AttributeValueTypeDef]":
    return {"key": {"S": key}}


def _number(value: int) -> "AttributeValueTypeDef":
    return {"N": str(value)}


def _whole(entry: "Entry", name: str) -> int:
    return int(entry[name]["N"])
