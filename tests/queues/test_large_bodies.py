"""A body that is larger than SQS takes is kept whole in S3, under a key that says nothing about it."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from mypy_boto3_s3 import S3Client

from mparticle_firehose.errors import DeliveryError, MalformedRequestError
from mparticle_firehose.queues.large_bodies import LargeBodies, is_reference
from tests.conftest import BUCKET, Queues

BODY = '{"name":"Zoë canary-pii"}'


def reference_to(bucket: str = BUCKET, key: object = "k") -> str:
    pointer = {"s3BucketName": bucket, "s3Key": key}
    return json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer], separators=(",", ":"))


def test_a_body_is_read_as_it_was_stored(queues: Queues, bucket: object) -> None:
    bodies = queues.large_bodies

    body = bodies.open(bodies.store(BODY))

    assert (body.size, body.read()) == (len(BODY.encode()), BODY)


def test_a_reference_names_the_object_as_the_extended_client_library_does(queues: Queues, bucket: S3Client) -> None:
    reference = queues.large_bodies.store(BODY)

    (stored,) = bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert reference == reference_to(BUCKET, stored["Key"])
    assert "canary" not in reference


def test_equal_bodies_are_stored_apart(queues: Queues, bucket: object) -> None:
    """Purging one letter must not take another one's body."""
    assert queues.large_bodies.store(BODY) != queues.large_bodies.store(BODY)


def test_a_copy_outlives_the_body_that_it_was_made_of(queues: Queues, bucket: object) -> None:
    reference = queues.large_bodies.store(BODY)

    copied = queues.large_bodies.copy(reference)
    queues.large_bodies.delete(reference)

    assert queues.large_bodies.open(copied).read() == BODY


@pytest.mark.parametrize(
    ("body", "is_one"), [(reference_to(), True), ("{}", False), ('{"type":"x"}', False), ("[]", False), ("", False)]
)
def test_a_request_is_never_taken_for_a_reference(body: str, *, is_one: bool) -> None:
    assert is_reference(body) == is_one


def test_a_body_that_was_deleted_is_gone_for_good(queues: Queues, bucket: object) -> None:
    reference = queues.large_bodies.store(BODY)
    queues.large_bodies.delete(reference)
    queues.large_bodies.delete(reference)

    for use in (queues.large_bodies.open, queues.large_bodies.copy):
        with pytest.raises(MalformedRequestError, match=r"^is stored in S3 and no longer exists there$"):
            use(reference)


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (reference_to("another"), "of another deployment"),
        (reference_to(key=7), "of another deployment"),
        ('["software.amazon.payloadoffloading.PayloadS3Pointer",', "must be a reference"),
        ('["software.amazon.payloadoffloading.PayloadS3Pointer",7]', "must be a reference"),
        ('["software.amazon.payloadoffloading.PayloadS3Pointer",{}]', "must be a reference"),
    ],
)
def test_only_objects_of_this_bucket_are_read_copied_and_deleted(queues: Queues, reference: str, problem: str) -> None:
    for use in (queues.large_bodies.open, queues.large_bodies.copy, queues.large_bodies.delete):
        with pytest.raises(MalformedRequestError, match=problem):
            use(reference)


class S3Double:
    """Fails every call, or the reading of what it found."""

    def __init__(self, fault: Exception, *, while_reading: bool = False) -> None:
        self.fault = fault
        self.while_reading = while_reading

    def put_object(self, **_: object) -> None:
        raise self.fault

    delete_object = copy_object = put_object

    def get_object(self, **_: object) -> Any:
        if self.while_reading:
            return {"ContentLength": 7, "Body": self}
        raise self.fault

    def read(self) -> bytes:
        raise self.fault

    def close(self) -> None:
        """Nothing is open."""


FAULTS = [
    EndpointConnectionError(endpoint_url="https://s3.invalid/canary"),
    ClientError({"Error": {"Code": "AccessDenied", "Message": "canary"}}, "GetObject"),
    ClientError({"Error": {"Code": "SlowDown", "Message": "canary"}}, "GetObject"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=["unreachable", "denied", "slow-down"])
def test_a_bucket_that_cannot_be_used_is_a_delivery_error(fault: Exception) -> None:
    bodies = LargeBodies(S3Double(fault), BUCKET)  # type: ignore[arg-type]  # the methods that are used

    uses = (bodies.open, bodies.copy, bodies.delete)
    for use, argument in ((bodies.store, BODY), *((use, reference_to()) for use in uses)):
        with pytest.raises(DeliveryError, match=r"^the bucket cannot be used: ") as caught:
            use(argument)
        assert "canary" not in str(caught.value)


def test_a_body_that_does_not_arrive_is_a_delivery_error() -> None:
    fault = ReadTimeoutError(endpoint_url="https://s3.invalid/canary")
    bodies = LargeBodies(S3Double(fault, while_reading=True), BUCKET)  # type: ignore[arg-type]  # as above

    with pytest.raises(DeliveryError, match=r"^the bucket cannot be used: ReadTimeoutError$"):
        bodies.open(reference_to()).read()
