"""The least that a Lambda function can do which has a queue to write to."""

from typing import Any

import boto3

sqs = boto3.client("sqs")


def handler(_event: object, _context: object) -> dict[str, Any]:
    return {"type": "nothing"}
