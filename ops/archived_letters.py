"""Reads the archive of dead letters, and takes letters out of its objects."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.letter_archive.archive import LetterArchive, failure
from mparticle_firehose.letter_archive.objects import decode, encode
from mparticle_firehose.queues.splitting import utf8_length
from ops.dead_letters import DeadLetter, QueueName
from ops.interrupts import Uninterrupted
from ops.letter_source import Counts, Limits

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MAX_TRIES = 5
_GONE = {"NoSuchKey", "404"}
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412"}


@dataclass(kw_only=True)
class ArchivedLetters:
    """The archived letters of one queue, those that were archived first before the others.

    A letter may be in two objects, if the function that archives was stopped between writing and deleting. It is
    returned once, and deleted from both.

    Deleting letters means to write their objects without them, so they are collected and written together.

    Attributes:
        s3: the client.
        bucket: its bucket.
        queue: the queue that the letters were dead-lettered from.
        now: seconds since the epoch. Objects that are too old by then are left out: the function deletes them.
        limits: how much is read before `receive` ends, of letters whose body is kept.
        uninterrupted: wraps writing.
        max_unwritten: how many deleted letters may still be in their objects. If the process is killed, a further run
            finds these again.
        progress: called for each object with the number of letters that have been received.
    """

    s3: "S3Client"
    bucket: str
    queue: QueueName
    now: float
    limits: Limits = field(default_factory=Limits)
    uninterrupted: Uninterrupted = nullcontext
    max_unwritten: int = 1_000
    progress: Callable[[int], None] = lambda _received: None
    received: int = 0
    limit_reached: bool = False
    initial_counts: Counts = field(default_factory=Counts)
    unreleased: int = 0
    _seen: set[bytes] = field(default_factory=set, repr=False)
    _deleted: set[bytes] = field(default_factory=set, repr=False)
    _copies: dict[bytes, list[str]] = field(default_factory=dict, repr=False)
    _unwritten: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set), repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def receive(self, keep_body: Callable[[DeadLetter], bool] = lambda _: False) -> Iterator[DeadLetter]:
        """Yield letters, each once. It ends behind the last object, or when so many bodies are kept.

        Args:
            keep_body: which letters are to have their body.

        Raises:
            DeliveryError: the archive cannot be used.
        """
        letters = body_bytes = 0
        self.limit_reached = False
        for key in self._keys:
            for letter in self._read(key, keep_body):
                letters += bool(letter.body)
                body_bytes += utf8_length(letter.body)
                yield letter
            self.progress(self.received)
            if letters >= self.limits.letters or body_bytes >= self.limits.body_bytes:
                self.limit_reached = True
                return

    def holds(self, letter: DeadLetter) -> bool:
        """Return whether it is a letter of the archive: nobody else can take it out of there unnoticed."""
        return bool(letter.archived_in)

    def renew(self) -> None:
        """Do nothing: the archive hides no letters."""

    def delete(self, letters: Iterable[DeadLetter]) -> int:
        """Delete letters. They are gone at the end of the ``with`` block; all of them, or it raises.

        Raises:
            DeliveryError: the archive cannot be used.
        """
        for letter in letters:
            name = _name(letter.message_id)
            self._deleted.add(name)
            for key in (letter.archived_in, *self._copies.get(name, ())):
                self._unwritten[key].add(name)
        if sum(map(len, self._unwritten.values())) >= self.max_unwritten:
            self._write()
        return 0

    @cached_property
    def _keys(self) -> Iterator[str]:
        """The keys of the objects that are not read yet."""
        stored = LetterArchive(self.s3, self.bucket).objects(self.queue)
        return (it.key for it in stored if not it.is_expired(self.now))

    def _read(self, key: str, keep_body: Callable[[DeadLetter], bool]) -> Iterator[DeadLetter]:
        for message in self._messages(key)[0]:
            name = _name(message["MessageId"])
            if name in self._seen:
                self._note_copy(name, key)
                continue
            self._seen.add(name)
            self.received += 1
            letter = DeadLetter.from_message(self.queue, message, archived_in=key)
            yield replace(letter, body=message["Body"]) if keep_body(letter) else letter

    def _note_copy(self, name: bytes, key: str) -> None:
        if name in self._deleted:
            self._unwritten[key].add(name)
        else:
            self._copies.setdefault(name, []).append(key)

    def _messages(self, key: str) -> tuple[list[Any], str]:
        """Return the letters of an object and its version; none of an object that is gone.

        Raises:
            DeliveryError: the archive cannot be used, or the object is no object of the archive.
        """
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=key)
            return list(decode(found["Body"].read())), found["ETag"]
        except ClientError as error:
            if error.response["Error"].get("Code") in _GONE:
                return [], ""
            raise failure(error) from error
        except BotoCoreError as error:
            raise failure(error) from error
        except (ValueError, KeyError) as error:
            raise DeliveryError("an object of the archive cannot be read: was it written by something else?") from error

    def _write(self) -> None:
        """Write the objects without the letters that are deleted."""
        for key in list(self._unwritten):
            with self.uninterrupted():
                self._take_out(key, self._unwritten[key])
                del self._unwritten[key]

    def _take_out(self, key: str, names: set[bytes]) -> None:
        """Write an object without some letters, whatever somebody else takes out of it at the same time.

        Objects only shrink. A write is for the version that was read, so that none brings back what another one has
        taken out.
        """
        for _ in range(_MAX_TRIES):
            messages, version = self._messages(key)
            left = [message for message in messages if _name(message["MessageId"]) not in names]
            if len(left) == len(messages) or self._replace(key, left, version):
                return
        raise DeliveryError("an object of the archive is changed by somebody else: repeat the command")

    def _replace(self, key: str, left: list[Any], version: str) -> bool:
        """Write the letters that are left, or delete the object. Return whether it was still of this version."""
        try:
            if left:
                self.s3.put_object(
                    Bucket=self.bucket, Key=key, Body=encode(left), ContentType="application/gzip", IfMatch=version
                )
            else:
                self.s3.delete_object(Bucket=self.bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"].get("Code") in _CHANGED | _GONE:
                return False
            raise failure(error) from error
        return True


def _name(message_id: str) -> bytes:
    """Return a message id as few bytes: millions of them are remembered."""
    try:
        return bytes.fromhex(message_id.replace("-", ""))
    except ValueError:
        return message_id.encode()
