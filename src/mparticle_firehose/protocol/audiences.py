"""Audience memberships: user profiles, the audiences that they joined or left, and the attributes shared with these."""

from typing import Annotated

from pydantic import Field

from mparticle_firehose.protocol.enums import AudienceAction, UserAttributeAction
from mparticle_firehose.protocol.identities import DeviceIdentities, PartnerIdentities, UserIdentities
from mparticle_firehose.protocol.wire.fields import EnumOrText, Int, ListOf, OptionalText, OptionalTextList, TextMap
from mparticle_firehose.protocol.wire.model import Model


class UserAttributeAudienceEvent(Model):
    """A change of one user attribute that is shared with an audience.

    If both ``list_value`` and ``value`` are set, ``list_value`` counts. An upsert with neither sets a tag; a delete
    ignores both. mParticle also sends entries without any field, see `is_usable`.
    """

    key: OptionalText = None
    value: OptionalText = None
    list_value: OptionalTextList = None
    action: Annotated[UserAttributeAction | str | None, EnumOrText({"remove": UserAttributeAction.DELETE})] = None

    @property
    def is_usable(self) -> bool:
        """Whether it names the attribute and an action that this version knows."""
        return bool(self.key) and isinstance(self.action, UserAttributeAction)


class Audience(Model):
    """A change of a user's membership in one audience, or of the attributes that are shared with it.

    ``action`` is None if mParticle sent none; then there is nothing to do. ``audience_subscription_settings`` holds
    what the customer entered and what the integration returned when the audience was connected.
    """

    audience_id: Int = 0
    audience_name: OptionalText = None
    audience_subscription_settings: TextMap = Field(default_factory=dict)
    action: Annotated[AudienceAction | str | None, EnumOrText({"remove": AudienceAction.DELETE})] = None
    user_attributes: ListOf[UserAttributeAudienceEvent] = ()

    @property
    def attribute_changes(self) -> tuple[UserAttributeAudienceEvent, ...]:
        """The usable entries of ``user_attributes``."""
        return tuple(change for change in self.user_attributes if change.is_usable)


class UserProfile(Model):
    """A user, and the changes of their memberships. Any field may be missing."""

    user_identities: UserIdentities = ()
    device_identities: DeviceIdentities = ()
    partner_identities: PartnerIdentities = ()
    audiences: ListOf[Audience] = ()
    mpid: OptionalText = None
