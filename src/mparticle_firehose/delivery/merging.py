"""Merges items into the fewest calls that keep each user's order and the limits of their endpoints."""

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from mparticle_firehose.delivery.plan import Pending
from mparticle_firehose.integration import Endpoint, JsonObject, PartnerCall, Target

_COMMA = 1


@dataclass(slots=True, eq=False)
class Call:
    """One call, or one exchange, that carries items.

    Attributes:
        endpoint: of all its items.
        target: of all its items.
        limit: how many items it may have.
        size: bytes of its body, if the endpoint limits bytes.
        items: in their order.
        after: indexes of the calls that must have ended before: they hold earlier items of the same users or keys.
    """

    endpoint: Endpoint
    target: Target
    limit: int
    size: int
    items: list[Pending] = field(default_factory=list)
    after: set[int] = field(default_factory=set)

    def has_room(self, pending: Pending) -> bool:
        """Return whether an item fits by count and by bytes."""
        return len(self.items) < self.limit and self.size + pending.size + _COMMA <= self.endpoint.max_bytes

    def add(self, pending: Pending) -> None:
        """Put an item into it."""
        self.items.append(pending)
        self.size += pending.size + _COMMA

    def bodies(self) -> list[JsonObject]:
        """Return the bodies of its items."""
        return [pending.item.body for pending in self.items]


def merged(pending: Iterable[Pending]) -> list[Call]:
    """Return the calls for these items, in an order that may be kept by one call at a time.

    An item goes into the earliest call of its endpoint and target that has room for it, holds no item with its key, and
    is not before the last call of its user in its lane. An item whose key and body equal those of an earlier one shares
    its place. Items of different requests share a call only if the endpoint allows it. What was refused together with
    others stays apart from what was not.
    """
    merging = _Merging()
    for each in pending:
        merging.add(each)
    return merging.calls


class _Merging:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._open: dict[Hashable, list[int]] = {}
        self._last_of_user: dict[Hashable, int] = {}
        self._last_of_key: dict[Hashable, tuple[Pending, int]] = {}
        self._overheads: dict[Hashable, int] = {}
        self._targets: dict[Target, int] = {}
        self._latest: Call | None = None

    def add(self, pending: Pending) -> None:
        """Put an item into a call, or let it share the place of an equal one."""
        item = pending.item
        if self._latest and not item.key and _continues(self._latest, pending):
            self._latest.add(pending)
            return
        user = pending.user_in_lane
        earliest = self._last_of_user.get(user, -1)
        target = self._targets.setdefault(item.target, len(self._targets))  # a number is compared faster than a target
        key = (item.endpoint.order, target, item.key) if item.key else None
        holder, keyed = self._last_of_key.get(key, (None, -1)) if key else (None, -1)
        if holder is not None and keyed >= earliest and _may_share_place(holder, pending):
            holder.riders.append(pending)
            self.calls[keyed].after |= {earliest} - {-1, keyed}
            self._last_of_user[user] = keyed
            self._latest = None
            return
        index = self._call_for(pending, target, max(earliest, keyed + 1))
        self._latest = call = self.calls[index]
        call.add(pending)
        call.after |= {before for before in (earliest, keyed) if before not in {-1, index}}
        self._last_of_user[user] = index
        if key:
            self._last_of_key[key] = (pending, index)

    def _call_for(self, pending: Pending, target: int, earliest: int) -> int:
        endpoint = pending.item.endpoint
        message = None if endpoint.across_requests else pending.envelope.source
        calls = self._open.setdefault((endpoint.name, target, pending.limit, message), [])
        for place in range(bisect_left(calls, earliest), len(calls)):
            if self.calls[calls[place]].has_room(pending):
                index = calls[place]
                if len(self.calls[index].items) + 1 >= pending.limit:
                    del calls[place]
                return index
        overhead = self._overhead(pending, target)
        self.calls.append(Call(endpoint, pending.item.target, pending.limit, overhead))
        index = len(self.calls) - 1
        if pending.limit > 1:
            calls.append(index)
        return index

    def _overhead(self, pending: Pending, target: int) -> int:
        """Return the bytes of a call without its items."""
        item = pending.item
        if not item.endpoint.limits_bytes:
            return 0
        key = (item.endpoint.name, target)
        if key not in self._overheads:
            first = _size_of_first_call(item.endpoint, item.target, item.body)
            self._overheads[key] = max(_COMMA, first - pending.size)
        return self._overheads[key] - _COMMA


def _continues(call: Call, pending: Pending) -> bool:
    """Return whether an item goes into the call of the item just before it, since nothing tells the two apart.

    The search would find the same call, which is the last one of the user in the lane. The item that fills a call is
    left to the search, which then no longer looks at it.
    """
    before = call.items[-1]
    return (
        before.item.endpoint is pending.item.endpoint
        and before.item.target is pending.item.target
        and before.envelope is pending.envelope
        and before.user == pending.user
        and before.limit == pending.limit
        and len(call.items) + 1 < call.limit
        and call.size + pending.size + _COMMA <= call.endpoint.max_bytes
    )


def _may_share_place(holder: Pending, pending: Pending) -> bool:
    first, second = holder.item, pending.item
    together = first.endpoint.across_requests or holder.envelope is pending.envelope
    return (
        together and first.endpoint is second.endpoint and holder.limit == pending.limit and first.body == second.body
    )


def _size_of_first_call(endpoint: Endpoint, target: Target, body: JsonObject) -> int:
    """Return the bytes of a call with one item; 0 if it cannot be made, which shows when it is to be sent."""
    try:
        call = endpoint.call(target, [body])
        if isinstance(call, PartnerCall):
            return call.size()
        first = next(call)
        call.close()
        return first.size()
    except Exception:  # noqa: BLE001  an integration may raise anything
        return 0
