"""How the partner's API says that it took a call but not all of its items."""

from collections.abc import Mapping


def failures_in(answer: Mapping[str, object]) -> dict[int, int]:
    """Return the items that were not taken: index in the body to the HTTP status that each would have had alone.

    The partner lists them as ``{"failures": [{"index": 3, "status": 422}]}`` in the answer to a successful call.

    Raises:
        ValueError: there is such a list, but it does not say which items.
    """
    listed = answer.get("failures", [])
    return dict(map(_failure, listed if isinstance(listed, list) else [listed]))


def _failure(entry: object) -> tuple[int, int]:
    index, status = (entry.get("index"), entry.get("status")) if isinstance(entry, dict) else (None, None)
    if not isinstance(index, int) or not isinstance(status, int) or index < 0:
        raise ValueError("a failure needs an index and a status")
    return index, status
