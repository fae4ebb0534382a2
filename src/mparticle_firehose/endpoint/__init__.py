"""The HTTPS door: the same requests and the same processors, behind an adapter, and the cookie sync beside them.

A direct invocation needs none of its modules, and they are loaded when the first HTTP request comes.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard


def is_http_event(event: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether Lambda hands over an HTTP request, and not one of mParticle's messages by itself."""
    if not isinstance(event, Mapping) or event.get("version") != "2.0":
        return False
    context = event.get("requestContext")
    return isinstance(context, Mapping) and isinstance(context.get("http"), Mapping)
