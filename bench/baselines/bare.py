"""The least that a Lambda function can do."""

from typing import Any


def handler(_event: object, _context: object) -> dict[str, Any]:
    return {"type": "nothing"}
