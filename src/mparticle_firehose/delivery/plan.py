"""What one message becomes: its items, each with its position, its user, and what is known of it already."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration import (
    Delivered,
    Integration,
    Item,
    Outcome,
    Rejected,
    Undeliverable,
)
from mparticle_firehose.integration.calls import encoded_json
from mparticle_firehose.integration.mapping import has_hashed_subject
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    QueuedRequest,
    work_id,
)
from mparticle_firehose.queues.membership_queue import request_user, user_key
from mparticle_firehose.services import BODY_NOT_JSON
from mparticle_firehose.tables.progress import Progress

ITEM_TOO_LARGE = "item_too_large"
HASHED_SUBJECT = "the person to forget is named by hashed identities, of which the integration uses none"

_SETTLED = (Delivered, Rejected)
_NO_PROGRESS = Progress()

type Planned = Item | Undeliverable


@dataclass(slots=True, eq=False)
class Envelope:
    """The message that items belong to.

    It does not refer to its items. In a cycle of references, each request's memory would be freed by the garbage
    collector only.

    Attributes:
        request: what the message holds.
        source: the message's identity.
        attempt: the identity of this receive of it.
        work: the id of mParticle's request.
    """

    request: QueuedRequest
    source: str
    attempt: str
    work: str


@dataclass(slots=True, eq=False)
class Pending:
    """One item of one message on its way.

    Attributes:
        item: the item.
        envelope: the message that it belongs to.
        position: its index in the plan of the message.
        user: whose it is, with the account. Personal data: never shown.
        limit: how many items its call may have.
        size: bytes of its encoded body, if the endpoint limits bytes.
        outcome: what has become of it; None while it waits.
        was_tried: whether it was asked in this invocation.
        riders: items that are equal and share its place in the call.
    """

    item: Item
    envelope: Envelope
    position: int
    user: str = field(repr=False)
    limit: int
    size: int = 0
    outcome: Outcome | None = None
    was_tried: bool = False
    riders: "list[Pending]" = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether it is delivered, or refused for good."""
        return isinstance(self.outcome, _SETTLED)

    @property
    def user_in_lane(self) -> tuple[str, str]:
        """What keeps its order: the lane, and the user."""
        return self.item.endpoint.order, self.user

    @property
    def identity(self) -> str:
        """The item in this attempt: the message, how often it was received, and the position."""
        return f"{self.envelope.attempt}#{self.position}"


@dataclass(slots=True, eq=False)
class Refused:
    """Elements that can never become an item.

    Attributes:
        position: its index in the plan.
        reason: the rule that they break.
    """

    position: int
    reason: str


@dataclass(slots=True, eq=False)
class Plan:
    """One message as items.

    Attributes:
        envelope: the message.
        planned: everything that the mapping has made of the request.
        pending: items that are not settled yet, and delivered ones whose versions are still to be stored.
        refused: elements that can never become an item and are not dead-lettered yet.
        progress: what was settled before.
    """

    envelope: Envelope
    planned: tuple[Planned, ...] = ()
    pending: list[Pending] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    progress: Progress = _NO_PROGRESS
    _fingerprint: str = ""

    @property
    def request(self) -> QueuedRequest:
        """What the message holds."""
        return self.envelope.request

    @property
    def fingerprint(self) -> str:
        """The hash of the plan's shape, made when it is first read: few requests need it."""
        self._fingerprint = self._fingerprint or fingerprint(self.planned)
        return self._fingerprint

    @property
    def waiting(self) -> Iterator[Pending]:
        """The items that have no outcome yet."""
        return (each for each in self.pending if each.outcome is None)

    @property
    def unsettled(self) -> list[Pending]:
        """The items that are neither delivered nor refused for good."""
        return [each for each in self.pending if not each.is_settled]

    def delivered(self) -> frozenset[int]:
        """Return the positions that are delivered by now, or were settled before."""
        now = {each.position for each in self.pending if isinstance(each.outcome, Delivered)}
        return self.progress.settled | now

    def settled(self) -> frozenset[int]:
        """Return the positions that are settled by now, those of before included."""
        now = {each.position for each in self.pending if each.is_settled} | {each.position for each in self.refused}
        return self.progress.settled | now

    def leave_out(self, positions: Collection[int]) -> None:
        """Treat these items as settled before: they are not asked, and count as neither delivered nor refused."""
        settled = self.progress.settled.union(positions)
        self.progress = replace(self.progress, fingerprint=self.fingerprint, settled=settled)
        self.pending = [each for each in self.pending if each.position not in positions]
        self.refused = [each for each in self.refused if each.position not in positions]


class Planner:
    """Makes plans with an integration's mappings."""

    def __init__(self, integration: Integration) -> None:
        """Take the integration."""
        self._sites = frozenset(("", *integration.sites))
        self._mappings: Mapping[type, Callable[..., Iterable[Planned]] | None] = {
            EventProcessingRequest: integration.events,
            AudienceMembershipChangeRequest: integration.memberships,
            DsrProcessingRequest: integration.erasures,
        }

    def offers(self, request: QueuedRequest) -> bool:
        """Return whether the integration takes requests of this type."""
        return self._mappings[type(request)] is not None

    def planned(self, request: QueuedRequest) -> tuple[Planned, ...]:
        """Return what the mapping makes of a request; nothing if the integration does not take it.

        An erasure of which the mapping makes nothing is not done if it has hashed identities: somebody may be known by
        one. So it is undeliverable, and an operator sees it.

        Raises:
            SettingError: a customer's setting is missing or unusable.
            IntegrationError: the mapping breaks a rule of the seam.
        """
        mapping = self._mappings[type(request)]
        planned = tuple(mapping(request)) if mapping else ()
        if mapping and not planned and isinstance(request, DsrProcessingRequest) and has_hashed_subject(request):
            planned = (Undeliverable((("subject_identities", 0),), HASHED_SUBJECT),)
        self._check(planned)
        return planned

    def plan(self, request: QueuedRequest, *, source: str, attempt: str = "", progress: Progress | None = None) -> Plan:
        """Return a request's plan. Raises as `planned` does.

        Args:
            request: what the message holds.
            source: the message's identity.
            attempt: the identity of this receive of it.
            progress: what is remembered of the message.
        """
        plan = Plan(Envelope(request, source, attempt or source, work_id(request)), self.planned(request))
        if progress:
            plan.progress = progress.of_plan(plan.fingerprint if progress.fingerprint else "")
            if progress.settles_state:
                plan.leave_out([position for position, each in enumerate(plan.planned) if not each.covers])
        _add_pending(plan)
        return plan

    def _check(self, planned: Iterable[Planned]) -> None:
        items = [each for each in planned if isinstance(each, Item)]
        if unknown := {item.target.site for item in items} - self._sites:
            endpoint = next(item.endpoint.name for item in items if item.target.site in unknown)
            raise IntegrationError("site", f"of an item for {endpoint!r} is not one of Integration.sites")
        if sum(not item.covers for item in items) > 1:
            raise IntegrationError("covers", "at most one item of a request may cover nothing")


def fingerprint(planned: Iterable[Planned]) -> str:
    """Return a hash of a plan's shape: of the endpoints and of what each item covers."""
    shape = [
        ("", each.covers) if isinstance(each, Undeliverable) else (each.endpoint.name, each.covers) for each in planned
    ]
    return hashlib.sha256(repr(shape).encode()).hexdigest()[:16]


def _add_pending(plan: Plan) -> None:
    """Add what is left of a plan. What was refused before keeps its reason until it is in a letter."""
    progress, users = plan.progress, _Users(plan.request)
    refused = {position: reason for reason, some in progress.refused.items() for position in some}
    for position, each in enumerate(plan.planned):
        is_settled = position in progress.settled
        if is_settled and not (position in progress.unwritten and isinstance(each, Item)):
            continue
        match each:
            case Item() if is_settled:
                plan.pending.append(_delivered_before(plan, position, each, users.of(each)))
            case Item():
                plan.pending.append(_pending(plan, position, each, users.of(each)))
                if position in refused:
                    plan.pending[-1].outcome = Rejected(refused[position])
            case Undeliverable():
                plan.refused.append(Refused(position, each.reason))
            case _:
                raise IntegrationError("item", "a mapping must yield Item and Undeliverable")


def _pending(plan: Plan, position: int, item: Item, user: str) -> Pending:
    limit, limits = item.endpoint.max_items, plan.progress.limits
    if limits:
        limit = min(limit, limits.get(position, limit))
    pending = Pending(item, plan.envelope, position, user, limit)
    if item.endpoint.limits_bytes:
        _measure(pending)
    return pending


def _delivered_before(plan: Plan, position: int, item: Item, user: str) -> Pending:
    return Pending(item, plan.envelope, position, user, item.endpoint.max_items, outcome=Delivered())


def _measure(pending: Pending) -> None:
    """Set the item's size, and its outcome if it is too large or has none."""
    endpoint = pending.item.endpoint
    try:
        pending.size = len(encoded_json(pending.item.body))
    except (TypeError, ValueError, RecursionError):
        pending.outcome = Rejected(BODY_NOT_JSON)
        return
    if pending.size > min(endpoint.max_item_bytes, endpoint.max_bytes):
        pending.outcome = Rejected(ITEM_TOO_LARGE)


class _Users:
    """Names the user of each item of a request."""

    def __init__(self, request: QueuedRequest) -> None:
        self._account = str(request.account.account_id)
        self._profiles = request.user_profiles if isinstance(request, AudienceMembershipChangeRequest) else ()
        self._of_request = self._named(request_user(request) if isinstance(request, EventProcessingRequest) else "")

    def of(self, item: Item) -> str:
        """Return the item's user, with the account."""
        if item.user is not None:
            return self._named(item.user)
        if self._profiles and item.covers:
            return self._named(user_key(self._profiles[item.covers[0][1]]))
        return self._of_request

    def _named(self, user: str) -> str:
        return f"{self._account}\n{user}"
