"""How the product names a request in everything that belongs to it."""

from collections.abc import Mapping
from uuid import UUID


def work_of(content: Mapping[str, object]) -> str:
    """Return a request's id as the product writes it, or its time if it has no usable one."""
    try:
        return str(UUID(str(content.get("id"))))
    except ValueError:
        return str(content.get("timestamp_ms") or 0)
