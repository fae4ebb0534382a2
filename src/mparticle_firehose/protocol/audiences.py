"""Audience membership: profiles, the audiences they joined or left, and the attributes shared with them."""

from typing import Annotated

from pydantic import Field

from mparticle_firehose.protocol.enums import AudienceAction, Known, UserAttributeAction
from mparticle_firehose.protocol.identities import DeviceIdentities, PartnerIdentities, UserIdentities
from mparticle_firehose.protocol.wire.fields import Int, OptionalText, OptionalTextList, TextMap
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import NullIs, SkipNull


class UserAttributeAudienceEvent(Model):
    """A change of one user attribute that is shared with an audience.

    ``list_value`` wins over ``value``; an upsert with neither is a tag; a delete ignores both. mParticle also sends
    entries that are entirely empty, see `is_usable`.
    """

    key: OptionalText = None
    value: OptionalText = None
    list_value: OptionalTextList = None
    action: Annotated[
        UserAttributeAction | str | None, Known(UserAttributeAction, {"remove": UserAttributeAction.DELETE})
    ] = None

    @property
    def is_usable(self) -> bool:
        """Whether it says which attribute changed and how, in words that this version knows."""
        return bool(self.key) and isinstance(self.action, UserAttributeAction)


class Audience(Model):
    """What happened to a user in one audience.

    ``action`` is None where mParticle sent none: such an audience says nothing and is to be skipped.
    ``audience_subscription_settings`` holds what the customer entered and what the integration returned when the
    audience was connected.
    """

    audience_id: Int = 0
    audience_name: OptionalText = None
    audience_subscription_settings: TextMap = Field(default_factory=dict)
    action: Annotated[AudienceAction | str | None, Known(AudienceAction, {"remove": AudienceAction.DELETE})] = None
    user_attributes: Annotated[tuple[Annotated[UserAttributeAudienceEvent, SkipNull()], ...], NullIs(())] = ()

    @property
    def attribute_changes(self) -> tuple[UserAttributeAudienceEvent, ...]:
        """The usable entries of ``user_attributes``."""
        return tuple(change for change in self.user_attributes if change.is_usable)


class UserProfile(Model):
    """A user and what happened to them in one or more audiences. Any part may be missing."""

    user_identities: UserIdentities = ()
    device_identities: DeviceIdentities = ()
    partner_identities: PartnerIdentities = ()
    audiences: Annotated[tuple[Annotated[Audience, SkipNull()], ...], NullIs(())] = ()
    mpid: OptionalText = None


UserProfiles = Annotated[tuple[Annotated[UserProfile, SkipNull()], ...], NullIs(())]
