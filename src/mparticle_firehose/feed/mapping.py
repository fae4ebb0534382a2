"""The partner's side of a feed: how its own events become mParticle's, as a table of pure functions."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mparticle_firehose.errors import FeedError, IntegrationError
from mparticle_firehose.feed.batch import Batch
from mparticle_firehose.feed.enums import Environment
from mparticle_firehose.feed.events import CustomEvent, Event, ScreenViewEvent
from mparticle_firehose.feed.fields import MAX_NAME
from mparticle_firehose.feed.identities import feed_event_id
from mparticle_firehose.feed.user import DeviceInformation, UserIdentities

MAX_EVENT_NAMES = 1_000
"""Names of events and screens that a workspace takes; mParticle drops events with further ones."""

type PartnerEvent = Mapping[str, Any]
"""An event as the partner's own system writes it, from JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One event of one user, for mParticle.

    The same event of the partner must always become the same: mParticle drops a repetition by its id, whatever it says.

    Attributes:
        event_id: the partner's own id of the event. Never shown.
        user: the partner's own id of the user, who is part of the event's id. Never shown.
        event: what happened. Its ``source_message_id`` is set when it is sent.
        user_identities: of the user; identities that mParticle does not know make a new profile.
        device_info: of the user's device.
        partner_identities: of the partner's own registered type, by type.
        mpid: mParticle's id of the user.
        platform: whose key pair sends it, if the customer has one for each platform, such as ``ios``.
        certain: whether it goes in a request of its own, the only way on which mParticle says that it refuses an event.
            For what must not be lost, such as an unsubscribe. It takes a request for each, so not for the many.
    """

    event_id: str | int = field(repr=False)
    user: str | int = field(repr=False)
    event: Event
    user_identities: UserIdentities | None = None
    device_info: DeviceInformation | None = None
    partner_identities: Mapping[str, str] = field(default_factory=dict, repr=False)
    mpid: int | None = field(default=None, repr=False)
    platform: str = ""
    certain: bool = False

    def batch(self, feed_name: str, account_id: int, environment: Environment) -> Batch:
        """Return the batch that is sent: the same bytes whenever it is sent again.

        Args:
            feed_name: `Integration.feed_name`.
            account_id: whose feed it is.
            environment: of the customer's data.

        Raises:
            FeedError: a rule is broken.
        """
        id_ = str(feed_event_id(feed_name, account_id, self.event_id, self.user))
        return Batch(
            environment=environment,
            source_request_id=id_,
            user_identities=self.user_identities,
            device_info=self.device_info,
            partner_identities=dict(self.partner_identities),
            mpid=self.mpid,
            events=(self.event.model_copy(update={"source_message_id": id_}),),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What becomes of the partner's events.

    Attributes:
        name_of: returns an event's own name, by which its mapping is found.
        mappings: a pure function for each name. None, in the table or returned, leaves an event out.
        event_names: the names of all custom events and screens that the mappings make. mParticle takes few, so none may
            hold an id.
        partner_identity: the type of the partner's identity, as it is registered.
    """

    name_of: Callable[[PartnerEvent], str]
    mappings: Mapping[str, Callable[[PartnerEvent], FeedEvent | None] | None]
    event_names: Collection[str]
    partner_identity: str | None = None

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            IntegrationError: there are too many, or one is blank or too long.
        """
        if len(set(self.event_names)) > MAX_EVENT_NAMES:
            raise IntegrationError("event_names", f"a workspace takes {MAX_EVENT_NAMES} at most")
        if any(not name.strip() or len(name) > MAX_NAME for name in self.event_names):
            raise IntegrationError("event_names", f"each has 1 to {MAX_NAME} characters and is not blank")

    def event_of(self, source: PartnerEvent) -> FeedEvent | None:
        """Return what an event of the partner becomes; None if it is left out.

        Raises:
            FeedError: it has no mapping, or becomes what mParticle does not take.
        """
        name = self.name_of(source)
        if name not in self.mappings:
            raise FeedError(("event", "must have a name that Feed.mappings has"))
        mapping = self.mappings[name]
        mapped = mapping(source) if mapping else None
        if mapped and (made := _name(mapped.event)) is not None and made not in self.event_names:
            raise FeedError(("event_name", "must be one of Feed.event_names"))
        return mapped


def _name(event: Event) -> str | None:
    match event:
        case CustomEvent():
            return event.event_name
        case ScreenViewEvent():
            return event.screen_name
        case _:
            return None
