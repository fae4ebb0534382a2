from typing import Any

import pytest
from botocore.exceptions import ClientError

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.counts import Counts, counter
from tests.conftest import Queues


def test_visible_messages_and_those_in_flight_are_counted(queues: Queues) -> None:
    count = counter(queues.sqs, queues.event)
    is_empty = [count().is_empty]
    for number in range(3):
        queues.sqs.send_message(QueueUrl=queues.event, MessageBody=str(number))
    queues.sqs.receive_message(QueueUrl=queues.event, MaxNumberOfMessages=1)

    found = count()

    assert (found.visible, found.in_flight, found.delayed) == (2, 1, 0)
    assert found.created_at > 0
    assert [*is_empty, found.is_empty] == [True, False]


@pytest.mark.parametrize("kind", ["visible", "in_flight", "delayed"])
def test_a_queue_is_empty_only_without_any_message(kind: str) -> None:
    counted: dict[str, Any] = {kind: 1}

    assert Counts().is_empty
    assert not Counts(**counted).is_empty


class Sqs:
    """Refuses to count, or leaves a count out."""

    def __init__(self, *, is_refused: bool) -> None:
        self.is_refused = is_refused

    def get_queue_attributes(self, **_: object) -> Any:
        if self.is_refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "canary-secret"}}, "GetQueueAttributes")
        return {"Attributes": {"ApproximateNumberOfMessages": "1"}}


@pytest.mark.parametrize(("is_refused", "name"), [(True, "ClientError"), (False, "KeyError")])
def test_what_sqs_does_not_say_is_an_error_without_its_text(is_refused: bool, name: str) -> None:
    sqs: Any = Sqs(is_refused=is_refused)

    with pytest.raises(DeliveryError, match=f"^the queue cannot be counted: {name}$"):
        counter(sqs, "q")()
