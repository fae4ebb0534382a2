"""The HTTPS endpoint: the same requests and processors as a direct invocation, and the cookie sync.

Its modules are loaded with the first HTTP request: a direct invocation does not need them.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard


def is_http_event(event: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether the Lambda event is an HTTP request, and not one of mParticle's messages."""
    if not isinstance(event, Mapping) or event.get("version") != "2.0":
        return False
    context = event.get("requestContext")
    return isinstance(context, Mapping) and isinstance(context.get("http"), Mapping)
