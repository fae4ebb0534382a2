"""What a request becomes: items, and how each kind of them travels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration.answers import Answer, by_table
from mparticle_firehose.integration.auth import Auth, InBody
from mparticle_firehose.integration.calls import Exchange, JsonObject, PartnerCall
from mparticle_firehose.integration.outcomes import Outcome

UNLIMITED = 1 << 62

type Origin = tuple[str, int] | tuple[str, int, int]
"""An element of mParticle's request: ``("events", 3)``, ``("system_notifications", 0)``, or the second audience of the
first profile, ``("user_profiles", 0, 1)``. Indexes do not count nulls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A customer's access to the partner's API, and what else a call is about. Items of equal targets may share a call.

    Attributes:
        site: which base URL, by its name in `Integration.sites`.
        auth: the customer's credential. Never shown.
        parameters: what the calls need beside the items, such as the id of a list. Never shown.
    """

    site: str = ""
    auth: Auth | None = field(default=None, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make its hash, by which it is compared with others for each of its items.

        Raises:
            IntegrationError: a value is no text.
        """
        try:
            made = hash((self.site, self.auth, frozenset(self.parameters.items())))
        except TypeError:
            raise IntegrationError("target", "must have texts for parameters and for secrets") from None
        object.__setattr__(self, "_hash", made)

    def __hash__(self) -> int:
        return self._hash

    def __getitem__(self, name: str) -> str:
        return self.parameters[name]

    @property
    def in_body(self) -> InBody:
        """The credential that the endpoint's call puts into the body.

        Raises:
            IntegrationError: the target has none, or one of another kind.
        """
        if not isinstance(self.auth, InBody):
            raise IntegrationError("in_body", "the endpoint needs a target with an InBody auth")
        return self.auth


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How one kind of item travels. Make one value for each kind, when the module is loaded.

    Attributes:
        name: unique in the integration. It is logged.
        call: makes the call that carries these bodies, or the exchange that does. Pure: no clock, no randomness.
        judge: reads the outcome from the answer; None leaves it to the retry policy's table. Of an exchange it reads
            only an answer that ends it; the generator itself returns the outcome.
        max_items: how many items one call may carry.
        max_bytes: of the encoded body of a call, before compression.
        max_item_bytes: of one encoded item; a larger one is rejected without a call.
        across_requests: whether one call may carry items of several requests. Only for calls that may be repeated in
            another combination: sets of members or of attributes, or events with an id of their own.
        lane: endpoints of one lane keep a user's order among each other; empty is a lane of its own.
    """

    name: str
    call: Callable[[Target, Sequence[JsonObject]], PartnerCall | Exchange[Outcome]]
    judge: Callable[[Sequence[JsonObject], Answer], Outcome | None] = by_table
    max_items: int = 1
    max_bytes: int = UNLIMITED
    max_item_bytes: int = UNLIMITED
    across_requests: bool = False
    lane: str = ""

    def __post_init__(self) -> None:
        """Check that a call has room for an item.

        Raises:
            IntegrationError: the message names the endpoint and the rule.
        """
        for rule, limit in (
            ("max_items", self.max_items),
            ("max_bytes", self.max_bytes),
            ("max_item_bytes", self.max_item_bytes),
        ):
            if limit < 1:
                raise IntegrationError(rule, f"of the endpoint {self.name!r} must leave room for one item")
        if not self.name:
            raise IntegrationError("endpoint_name", "must not be empty")

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def order(self) -> str:
        """The lane in which it keeps a user's order."""
        return self.lane or self.name

    @property
    def limits_bytes(self) -> bool:
        """Whether the size of its calls or items is limited."""
        return self.max_bytes < UNLIMITED or self.max_item_bytes < UNLIMITED


@dataclass(slots=True, kw_only=True)  # not frozen, which takes four times as long to make; a request has hundreds
class Item:
    """One thing that the partner gets. Treat it as a value: nothing changes one that exists.

    Attributes:
        endpoint: how it travels.
        target: where it goes.
        body: what the endpoint's `call` and `judge` get of it. Never shown.
        covers: the elements of the request that it carries. Several items may cover one event. At most one item of a
            request covers nothing: the user's state.
        key: what may not occur twice in one call, such as a user, or a user's attribute. An item with the key and the
            body of an earlier one shares its place. Never shown.
        user: whose it is, to keep the user's order; None is mParticle's own user. Give one only to be coarser, such as
            a list's id if the partner takes one call a list at a time. Never shown.
    """

    endpoint: Endpoint
    target: Target = field(repr=False)
    body: JsonObject = field(repr=False)
    covers: tuple[Origin, ...] = ()
    key: str = field(default="", repr=False)
    user: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """Elements that can never become an item. The others of their request are delivered.

    Attributes:
        covers: the elements.
        reason: which rule they break, without values and without customers' names for things. It is logged.
    """

    covers: tuple[Origin, ...]
    reason: str
