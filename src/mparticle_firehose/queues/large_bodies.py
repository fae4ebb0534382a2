"""Keeps bodies that are larger than SQS takes in S3. The queue holds a reference (the claim-check pattern)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError, MalformedRequestError

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_s3 import S3Client

_POINTER = "software.amazon.payloadoffloading.PayloadS3Pointer"
_OPENING = f'["{_POINTER}",'
_ERRORS = (BotoCoreError, ClientError)


@dataclass(frozen=True, slots=True)
class LargeBody:
    """A body in S3.

    Attributes:
        size: its bytes.
        read: returns it. Raises DeliveryError if S3 does not send all of it.
        close: ends the connection without reading it.
    """

    size: int
    read: Callable[[], str]
    close: Callable[[], None]


class LargeBodies:
    """The bucket of bodies that are larger than SQS takes.

    A reference is what the Amazon SQS Extended Client Library puts in the place of a body, so that tools know it.
    mParticle's requests are objects and a reference is a list, so that neither is taken for the other.

    A body stays when its message has been delivered: SQS may deliver a message twice. The bucket's lifecycle deletes it
    after 60 days, later than any message that refers to it.
    """

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Take the client and the bucket's name."""
        self._s3 = s3
        self._bucket = bucket

    def store(self, body: str) -> str:
        """Store a body and return the reference to it. Its key says nothing about it.

        Raises:
            DeliveryError: S3 did not take it.
        """
        key = str(uuid4())
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body.encode(), ContentType="application/json")
        except _ERRORS as error:
            raise _failure(error) from error
        return self._reference(key)

    def copy(self, reference: str) -> str:
        """Store a body that a reference stands for once more, and return the reference to the copy.

        Raises:
            MalformedRequestError: it no longer exists, or is not in this bucket.
            DeliveryError: S3 did not copy it.
        """
        source, key = self._key(reference), str(uuid4())
        try:
            self._s3.copy_object(Bucket=self._bucket, Key=key, CopySource={"Bucket": self._bucket, "Key": source})
        except _ERRORS as error:
            raise _failure(error) from error
        return self._reference(key)

    def open(self, reference: str) -> LargeBody:
        """Return the body that a reference stands for, not read yet.

        Raises:
            MalformedRequestError: it no longer exists, or is not in this bucket.
            DeliveryError: S3 does not answer.
        """
        key = self._key(reference)
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=key)
        except _ERRORS as error:
            raise _failure(error) from error
        stream = found["Body"]
        return LargeBody(found["ContentLength"], lambda: self._read(stream), stream.close)

    def delete(self, reference: str) -> None:
        """Delete the body that a reference stands for. Afterwards nothing can deliver it.

        Raises:
            MalformedRequestError: it is not in this bucket.
            DeliveryError: S3 did not delete it.
        """
        key = self._key(reference)
        try:
            self._s3.delete_object(Bucket=self._bucket, Key=key)
        except _ERRORS as error:
            raise _failure(error) from error

    def _read(self, stream: Any) -> str:
        try:
            content: bytes = stream.read()
        except BotoCoreError as error:
            raise _failure(error) from error
        return content.decode()

    def _reference(self, key: str) -> str:
        return f"{_OPENING}{json.dumps({'s3BucketName': self._bucket, 's3Key': key}, separators=(',', ':'))}]"

    def _key(self, reference: str) -> str:
        try:
            _, place = json.loads(reference)
            bucket, key = place["s3BucketName"], place["s3Key"]
        except (ValueError, TypeError, KeyError):
            raise MalformedRequestError(("", "must be a reference to S3")) from None
        if bucket != self._bucket or not isinstance(key, str):
            raise MalformedRequestError(("", "is stored in a bucket of another deployment"))
        return key


def _failure(error: BotoCoreError | ClientError) -> DeliveryError | MalformedRequestError:
    if isinstance(error, ClientError) and error.response["Error"].get("Code") == "NoSuchKey":
        return MalformedRequestError(("", "is stored in S3 and no longer exists there"))
    return DeliveryError(f"the bucket cannot be used: {type(error).__name__}")


def is_reference(body: str) -> bool:
    """Return whether a message's body stands for one in S3."""
    return body.startswith(_OPENING)
