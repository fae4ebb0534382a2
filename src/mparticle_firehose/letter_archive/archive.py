"""The archive in the deployment's private bucket, beside the bodies that are larger than SQS takes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.letter_archive.objects import PREFIX, Message, archived_at, encode, new_key
from mparticle_firehose.letter_archive.retention import ARCHIVE_DAYS

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_s3 import S3Client

_KEPT_SECONDS = ARCHIVE_DAYS * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object of the archive.

    Attributes:
        key: its key.
        size: its bytes.
        archived_at: when its letters were archived, in seconds since the epoch.
    """

    key: str
    size: int
    archived_at: float

    def is_expired(self, now: float) -> bool:
        """Return whether its letters have been archived for so long that they must be deleted."""
        return now - self.archived_at >= _KEPT_SECONDS


class LetterArchive:
    """Writes objects with letters, lists them, and deletes those that are too old."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Take the client and the bucket's name."""
        self._s3 = s3
        self._bucket = bucket

    def store(self, queue: str, messages: Iterable[Message], now: float) -> None:
        """Store letters of a queue as one object. The bucket encrypts it.

        Raises:
            DeliveryError: S3 did not take it.
        """
        content = encode(messages)
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=new_key(queue, now), Body=content, ContentType="application/gzip"
            )
        except (BotoCoreError, ClientError) as error:
            raise failure(error) from error

    def objects(self, queue: str = "") -> Iterator[StoredObject]:
        """Yield the objects of a queue, or of all queues, in the order in which they were archived.

        Raises:
            DeliveryError: S3 does not answer.
        """
        place = {"Bucket": self._bucket, "Prefix": f"{PREFIX}{queue}/" if queue else PREFIX}
        token: dict[str, str] = {}
        while True:
            try:
                page = self._s3.list_objects_v2(**place, **token)  # type: ignore[arg-type]  # texts, all of them
            except (BotoCoreError, ClientError) as error:
                raise failure(error) from error
            for entry in page.get("Contents", []):
                if (moment := archived_at(entry["Key"])) is not None:
                    yield StoredObject(key=entry["Key"], size=entry["Size"], archived_at=moment)
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def delete_expired(self, now: float) -> int:
        """Delete the objects whose letters have been kept long enough, and return how many there were.

        The time in the key counts: S3 itself would count from when `ops` has last taken letters out of an object.

        Raises:
            DeliveryError: S3 did not delete them all.
        """
        expired = [stored.key for stored in self.objects() if stored.is_expired(now)]
        for key in expired:
            try:
                self._s3.delete_object(Bucket=self._bucket, Key=key)
            except (BotoCoreError, ClientError) as error:
                raise failure(error) from error
        return len(expired)


def failure(error: BotoCoreError | ClientError) -> DeliveryError:
    """Return what is wrong with the archive, without names and values."""
    code = error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""
    return DeliveryError(f"the archive of dead letters cannot be used: {code or type(error).__name__}")
