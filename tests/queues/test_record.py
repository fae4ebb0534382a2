from typing import Any

import pytest

from mparticle_firehose.queues.record import Record


def entry(source: str = "", **attributes: str) -> dict[str, Any]:
    arn = {"eventSourceARN": f"arn:aws:sqs:us-east-1:1:{source}"} if source else {}
    return {"messageId": "m", "body": "{}", "receiptHandle": "r", "attributes": attributes, **arn}


@pytest.mark.parametrize(
    ("told", "group", "tenant", "queue"),
    [
        pytest.param(entry("m.fifo", MessageGroupId="g", SequenceNumber="7"), "g", None, "m.fifo", id="fifo"),
        pytest.param(entry("m.fifo", MessageGroupId="g"), "g", None, "m.fifo", id="fifo-by-its-name"),
        pytest.param(entry(MessageGroupId="g", SequenceNumber="7"), "g", None, "", id="fifo-by-its-number"),
        pytest.param(entry("e", MessageGroupId="t"), None, "t", "e", id="standard"),
        pytest.param(entry("e"), None, None, "e", id="standard-of-an-earlier-release"),
    ],
)
def test_a_group_is_an_order_on_a_fifo_queue_and_a_tenant_on_a_standard_queue(
    told: dict[str, Any], group: str | None, tenant: str | None, queue: str
) -> None:
    record = Record.from_event(told)

    assert (record.group_id, record.tenant, record.queue) == (group, tenant, queue)


def test_of_the_attributes_only_those_that_this_product_writes_are_kept() -> None:
    told = {
        "account_id": {"stringValue": "4242", "dataType": "String"},
        "else": {"stringValue": "canary-pii", "dataType": "String"},
        "settled": {"binaryValue": "AA==", "dataType": "Binary"},
    }

    record = Record.from_event({**entry("e"), "messageAttributes": told})

    assert (record.correlation, record.settled) == ({"account_id": "4242"}, "")
    assert "canary" not in repr(record)
