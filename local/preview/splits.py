"""Why the items of a request are in several calls."""

from collections.abc import Sequence

from mparticle_firehose.delivery.merging import Call
from mparticle_firehose.delivery.plan import Pending
from mparticle_firehose.integration import Target


def reason_apart(calls: Sequence[Call], call: Call) -> str:
    """Return why a call's first item is not in the call before it; empty for the first call of its endpoint.

    The merging puts one item after the other, in the order of their positions. So what the call before held at that
    moment are its items with lower positions.
    """
    item = call.items[0]
    of_endpoint = [other for other in calls if _is_earlier(other, call)]
    before = [other for other in of_endpoint if other.target == call.target]
    if not of_endpoint:
        return ""
    other = max(before or of_endpoint, key=lambda each: each.items[0].position)
    number, endpoint = calls.index(other) + 1, call.endpoint
    if not before:
        return f"its target is another one than that of call {number}: {_difference(other.target, call.target)}"
    held = [each for each in other.items if each.position < item.position]
    if len(held) >= other.limit:
        return f"call {number} is full: max_items={other.limit}"
    if _size(other, held) + item.size + 1 > endpoint.max_bytes:
        return f"call {number} has no room for its first item: max_bytes={endpoint.max_bytes:,}"
    if item.item.key and any(each.item.key == item.item.key for each in held):
        return f"call {number} holds the key of its first item"
    return f"its first item keeps its user's order in the lane {endpoint.order!r}"


def _is_earlier(other: Call, call: Call) -> bool:
    return other.endpoint is call.endpoint and other.items[0].position < call.items[0].position


def _difference(first: Target, second: Target) -> str:
    """Say in what two targets differ, without values."""
    names = {*first.parameters, *second.parameters}
    different = sorted(name for name in names if first.parameters.get(name) != second.parameters.get(name))
    parts = (
        "site" if first.site != second.site else "",
        "credential" if first.auth != second.auth else "",
        f"parameter {', '.join(different)}" if different else "",
    )
    return " and ".join(filter(None, parts))


def _size(call: Call, held: Sequence[Pending]) -> int:
    """Return the bytes that a call had with these of its items."""
    without_items = call.size - sum(each.size + 1 for each in call.items)
    return without_items + sum(each.size + 1 for each in held)
