"""The batch: events and attributes of one user."""

from collections.abc import Iterator
from typing import Annotated, override

from pydantic import Field, InstanceOf

from mparticle_firehose.feed.enums import Environment
from mparticle_firehose.feed.events import Event, SessionEndEvent, SessionStartEvent
from mparticle_firehose.feed.fields import (
    AttributeName,
    Count,
    ListOf,
    Mpid,
    NonBlank,
    PublicIp,
    TextMap,
    UserAttributeMap,
    Word,
)
from mparticle_firehose.feed.model import FeedModel
from mparticle_firehose.feed.user import (
    ApplicationInformation,
    ConsentState,
    DeviceInformation,
    GeoLocation,
    UserIdentities,
)

MAX_EVENTS = 100
"""Of a request, so also of a batch. mParticle's page says "events" in one place and batches in another."""


class DataPlanContext(FeedModel):
    """The customer's data plan. Without a version it is the latest active one."""

    plan_id: NonBlank
    plan_version: Count | None = None


class BatchContext(FeedModel):
    """What all events of a batch have in common."""

    data_plan: DataPlanContext | None = None
    location: GeoLocation | None = None


class Batch(FeedModel):
    """Events and attributes of one user, sent and taken as a whole.

    Attributes:
        environment: there is no default, because mParticle's is ``production``.
        source_request_id: by which mParticle drops repetitions, for 30 to 60 days. The same id must always come with
            the same content: of two batches with one id the second is lost. See `feed_event_id`.
        user_identities: at least one identity is needed, here or in one of the next three.
        device_info: of the user's device.
        partner_identities: of the partner's own registered type, by type.
        mpid: mParticle's id of the user, a signed 64-bit number. 0 is dropped.
        ip: of the user, never of a server. It is dropped if it is not public.
        user_attributes: at most 100. Lists have at most 1,000 values. None is left out.
        deleted_user_attributes: names of attributes to delete.
        consent_state: not with the keys of a partner's feed.
    """

    environment: Word[Environment]
    source_request_id: NonBlank
    user_identities: UserIdentities | None = None
    device_info: DeviceInformation | None = None
    partner_identities: TextMap = Field(default_factory=dict)
    mpid: Mpid = None
    events: Annotated[ListOf[InstanceOf[Event]], Field(max_length=MAX_EVENTS)] = ()
    user_attributes: UserAttributeMap = Field(default_factory=dict)
    deleted_user_attributes: ListOf[AttributeName] = ()
    application_info: ApplicationInformation | None = None
    ip: PublicIp = None
    context: BatchContext | None = None
    consent_state: ConsentState | None = None

    @override
    def _broken_rules(self) -> Iterator[tuple[str, str]]:
        if self._is_nobodys:
            yield "user_identities", "at least one identity of a user, a device or the partner, or an mpid, is required"
        if any(not value.strip() for value in self.partner_identities.values()):
            yield "partner_identities", "every value must not be blank"
        if self.user_attributes.keys() & set(self.deleted_user_attributes):
            yield "deleted_user_attributes", "no name may also be in user_attributes"
        starts = sorted(each.session_uuid for each in self.events if isinstance(each, SessionStartEvent))
        ends = sorted(each.session_uuid for each in self.events if isinstance(each, SessionEndEvent))
        if starts != ends or len(set(starts)) != len(starts):
            yield "events", "every session must have its start and its end in the batch, once"

    @property
    def _is_nobodys(self) -> bool:
        return (
            self.mpid is None
            and not self.partner_identities
            and (self.user_identities is None or self.user_identities.is_empty)
            and (self.device_info is None or self.device_info.is_anonymous)
        )
