"""The least that a Lambda function can do which writes to a queue: it is given the arguments of boto3's call."""

from typing import Any

import boto3

sqs = boto3.client("sqs")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    sqs.send_message_batch(**event)
    return {"type": "nothing"}
