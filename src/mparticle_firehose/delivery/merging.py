"""Merges items into the fewest calls that keep each user's order and the limits of their endpoints."""

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from mparticle_firehose.delivery.plan import Pending
from mparticle_firehose.integration import Endpoint, JsonObject, PartnerCall, Target

MAX_TRACKED = 2_000
"""Calls that may be put in another order than that in which they were made."""

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
    can come after the last call of its user in its lane. An item whose key and body equal those of an earlier one
    shares its place. Items of different requests share a call only if the endpoint allows it. What was refused together
    with others stays apart from what was not.
    """
    merging = _Merging()
    for each in pending:
        merging.add(each)
    return merging.calls()


class _Order:
    """Which call must come before which. It has no cycle.

    A call may be put before one that was made earlier, so that it can still take an item. Calls from MAX_TRACKED on
    keep the order in which they were made: the sets of those that come before would take too much memory.
    """

    def __init__(self) -> None:
        self._before: list[int] = []  # for each call a bit for every call that comes before it
        self._leads: set[int] = set()
        self._count = 0
        self._is_as_made = True

    def add(self) -> int:
        """Return the number of a new call."""
        if self._count < MAX_TRACKED:
            self._before.append(0)
        self._count += 1
        return self._count - 1

    def allows(self, before: int | None, number: int) -> bool:
        """Return whether a call may come after another one, or is the same."""
        if before is None or before == number:
            return True
        if number >= MAX_TRACKED:
            return before < number
        return before < MAX_TRACKED and not self._before[before] >> number & 1

    def put(self, before: int, number: int) -> None:
        """Have a call come after another one, which it may."""
        if number >= MAX_TRACKED:
            return
        self._is_as_made = self._is_as_made and before < number
        bits = self._before[before] | 1 << before
        self._leads.add(before)
        self._before[number] |= bits
        if number in self._leads:
            for other, known in enumerate(self._before):
                if known >> number & 1:
                    self._before[other] |= bits

    def sorted(self) -> list[int]:
        """Return the numbers so that each call is after those that must come before it."""
        if self._is_as_made:
            return list(range(self._count))
        tracked = sorted(range(len(self._before)), key=lambda number: (self._before[number].bit_count(), number))
        return [*tracked, *range(len(self._before), self._count)]


class _Merging:
    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._order = _Order()
        self._open: dict[Hashable, list[int]] = {}
        self._kinds: list[Hashable] = []
        self._last_of_user: dict[Hashable, int] = {}
        self._last_of_key: dict[Hashable, tuple[Pending, int]] = {}
        self._overheads: dict[Hashable, int] = {}
        self._targets: dict[Target, int] = {}
        self._latest: Call | None = None

    def calls(self) -> list[Call]:
        """Return the calls, each with the indexes of those that must have ended before."""
        numbers = self._order.sorted()
        places = {number: place for place, number in enumerate(numbers)}
        for number in numbers:
            self._calls[number].after = {places[before] for before in self._calls[number].after}
        return [self._calls[number] for number in numbers]

    def add(self, pending: Pending) -> None:
        """Put an item into a call, or let it share the place of an equal one."""
        item = pending.item
        if self._latest and not item.key and _continues(self._latest, pending):
            self._latest.add(pending)
            return
        user = pending.user_in_lane
        last = self._last_of_user.get(user)
        target = self._targets.setdefault(item.target, len(self._targets))  # a number is compared faster than a target
        key = (item.endpoint.order, target, item.key) if item.key else None
        holder, keyed = self._last_of_key.get(key, (None, None)) if key else (None, None)
        if holder and keyed is not None and _may_share_place(holder, pending) and self._order.allows(last, keyed):
            holder.riders.append(pending)
            self._put_after(keyed, last)
            self._last_of_user[user] = keyed
            self._latest = None
            return
        number = self._call_for(pending, target, last, keyed)
        self._latest = self._calls[number]
        self._latest.add(pending)
        self._put_after(number, last)
        self._put_after(number, keyed)
        self._last_of_user[user] = number
        if key:
            self._last_of_key[key] = (pending, number)

    def _put_after(self, number: int, before: int | None) -> None:
        if before is not None and before != number:
            self._order.put(before, number)
            self._calls[number].after.add(before)

    def _call_for(self, pending: Pending, target: int, last: int | None, keyed: int | None) -> int:
        """Return the number of the earliest call that takes an item after these two calls, or of a new one."""
        endpoint = pending.item.endpoint
        message = None if endpoint.across_requests else pending.envelope.source
        kind = (endpoint.name, target, pending.limit, message)
        calls = self._open.setdefault(kind, [])
        for place in range(self._first_place(calls, kind, last, keyed), len(calls)):
            number = calls[place]
            is_free = number != keyed and self._order.allows(last, number) and self._order.allows(keyed, number)
            if is_free and self._calls[number].has_room(pending):
                if len(self._calls[number].items) + 1 >= pending.limit:
                    del calls[place]
                return number
        self._calls.append(Call(endpoint, pending.item.target, pending.limit, self._overhead(pending, target)))
        self._kinds.append(kind)
        number = self._order.add()
        if pending.limit > 1:
            calls.append(number)
        return number

    def _first_place(self, calls: list[int], kind: Hashable, last: int | None, keyed: int | None) -> int:
        """Return where to begin to look: what is before the last call of the user or key of this kind is no use."""
        if keyed is not None and self._kinds[keyed] == kind:
            return bisect_left(calls, keyed + 1)
        return bisect_left(calls, last) if last is not None and self._kinds[last] == kind else 0

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
