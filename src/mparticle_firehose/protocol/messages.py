"""The ten messages: five requests from mParticle and the responses to them."""

import time
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4

from pydantic import Field, ValidationInfo, field_validator

from mparticle_firehose.protocol.account import SentAccount, no_account
from mparticle_firehose.protocol.audiences import UserProfile
from mparticle_firehose.protocol.consent import ConsentState, SystemNotifications
from mparticle_firehose.protocol.dsr import DsrExtensions, DsrIdentities, check_one_of_each_name
from mparticle_firehose.protocol.enums import AudienceSubscriptionAction, DsrType, MessageType, Regulation
from mparticle_firehose.protocol.events import Events
from mparticle_firehose.protocol.identities import PartnerIdentities, UserIdentities
from mparticle_firehose.protocol.registration import (
    AnySetting,
    AudienceProcessingRegistration,
    DsrProcessingRegistration,
    EventProcessingRegistration,
    Permissions,
)
from mparticle_firehose.protocol.runtime_environments import ReceivedRuntimeEnvironment
from mparticle_firehose.protocol.wire.fields import (
    Bool,
    EnumOrText,
    Flag,
    Int,
    JsonTextMap,
    ListOf,
    OptionalId,
    OptionalInt,
    OptionalOpenEnum,
    OptionalText,
    TextListMap,
    TextMap,
)
from mparticle_firehose.protocol.wire.instants import OptionalInstant
from mparticle_firehose.protocol.wire.model import Model, ReceivedModel

PROTOCOL_VERSION = "3.2.0"
"""The release of mParticle's Java SDK that defines the protocol. A registration asks for this version."""


class Request(ReceivedModel):
    """The fields of every request.

    ``id`` is None if it is missing or not a GUID, and ``timestamp_ms`` is 0 if it is missing, so that the same message
    always reads as the same request. The Java SDK makes up new values for both.
    """

    type: MessageType
    id: OptionalId = None
    timestamp_ms: Int = 0
    firehose_version: OptionalText = None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Response(Model):
    """The fields of every response."""

    type: MessageType
    id: UUID = Field(default_factory=uuid4)
    timestamp_ms: Int = Field(default_factory=_now_ms)
    firehose_version: OptionalText = PROTOCOL_VERSION

    def renewed(self) -> Self:
        """The same response with a new id and the current time."""
        return self.model_copy(update={"id": uuid4(), "timestamp_ms": _now_ms()})


class ModuleRegistrationRequest(Request):
    """mParticle asks for the registration, when the integration is introduced or changed."""

    type: Literal[MessageType.MODULE_REGISTRATION_REQUEST] = MessageType.MODULE_REGISTRATION_REQUEST


class ModuleRegistrationResponse(Response):
    """The registration. The integration processes events, audiences and erasures if it has a registration for them."""

    type: Literal[MessageType.MODULE_REGISTRATION_RESPONSE] = MessageType.MODULE_REGISTRATION_RESPONSE
    sdk_version: OptionalText = PROTOCOL_VERSION
    name: OptionalText = None
    description: OptionalText = None
    version: OptionalText = None
    permissions: Permissions | None = None
    event_processing_registration: EventProcessingRegistration | None = None
    audience_processing_registration: AudienceProcessingRegistration | None = None
    dsr_processing_registration: DsrProcessingRegistration | None = None

    def settings(self) -> tuple[AnySetting, ...]:
        """All settings that it declares; one that several parts declare is there several times."""
        events, audiences, dsr = (
            self.event_processing_registration,
            self.audience_processing_registration,
            self.dsr_processing_registration,
        )
        return (
            *((*events.account_settings, *events.event_connection_settings) if events else ()),
            *((*audiences.account_settings, *audiences.audience_subscription_settings) if audiences else ()),
            *(dsr.account_settings if dsr else ()),
        )

    def setting_ids(self) -> frozenset[str]:
        """The ids of all settings that it declares: the partner chose them, so that they may be shown."""
        return frozenset(setting.id for setting in self.settings() if setting.id)


class PlatformFields(Model):
    """The place in the customer's mParticle organisation that the events come from."""

    mp_account_id: Int = 0
    mp_account_name: OptionalText = None
    workspace_id: Int = 0
    workspace_name: OptionalText = None
    input_name: OptionalText = None
    app_name: OptionalText = None
    app_version: OptionalText = None
    dataplan_id: OptionalText = None
    dataplan_name: OptionalText = None
    dataplan_version: OptionalInt = None


class EventProcessingRequest(Request):
    """Events of one user, in the order in which they were collected; their times may be in another order.

    mParticle's keep-alive has no events, but a request without events may also carry notifications and attributes.
    ``mpid`` is a signed 64-bit number in decimal. A null user attribute is a tag. The names of reserved attributes
    start with ``$`` and come in upper or lower case.
    """

    type: Literal[MessageType.EVENT_PROCESSING_REQUEST] = MessageType.EVENT_PROCESSING_REQUEST
    source_id: OptionalText = None
    account: SentAccount = Field(default_factory=no_account)
    partner_identities: PartnerIdentities = ()
    user_identities: UserIdentities = ()
    user_attributes: JsonTextMap = Field(default_factory=dict)
    user_attribute_lists: TextListMap = Field(default_factory=dict)
    runtime_environment: ReceivedRuntimeEnvironment | None = None
    integration_attributes: JsonTextMap = Field(default_factory=dict)
    events: Events = ()
    source_channel: OptionalText = None
    device_application_stamp: OptionalText = None
    consent_state: ConsentState | None = None
    system_notifications: SystemNotifications = ()
    mpid: OptionalText = None
    platform_fields: PlatformFields | None = None

    def reserved_attribute(self, name: str) -> str | None:
        """The value of a reserved user attribute such as ``$FirstName``, in upper or lower case."""
        matches = (value for key, value in self.user_attributes.items() if key.lower() == name.lower())
        return next(matches, None)


class EventProcessingResponse(Response):
    """The events were accepted. mParticle documents ``suspend_subscription`` for audiences only."""

    type: Literal[MessageType.EVENT_PROCESSING_RESPONSE] = MessageType.EVENT_PROCESSING_RESPONSE
    suspend_subscription: Flag = False


class AudienceSubscriptionRequest(Request):
    """A customer connected, changed or disconnected an audience."""

    type: Literal[MessageType.AUDIENCE_SUBSCRIPTION_REQUEST] = MessageType.AUDIENCE_SUBSCRIPTION_REQUEST
    account: SentAccount = Field(default_factory=no_account)
    audience_id: Int = 0
    audience_name: OptionalText = None
    audience_description: OptionalText = None
    audience_subscription_settings: TextMap = Field(default_factory=dict)
    previous_audience_subscription_settings: TextMap = Field(default_factory=dict)
    action: Annotated[
        AudienceSubscriptionAction | str | None, EnumOrText({"delete": AudienceSubscriptionAction.REMOVE})
    ] = None


class AudienceSubscriptionResponse(Response):
    """Settings that mParticle keeps with the audience and sends in every membership change.

    They must be declared in the registration. Numbers and booleans become text. Empty settings are not sent.
    """

    type: Literal[MessageType.AUDIENCE_SUBSCRIPTION_RESPONSE] = MessageType.AUDIENCE_SUBSCRIPTION_RESPONSE
    audience_subscription_settings: TextMap = Field(default_factory=dict)


class AudienceMembershipChangeRequest(Request):
    """Users joined or left audiences. mParticle's keep-alive has no profiles."""

    type: Literal[MessageType.AUDIENCE_MEMBERSHIP_CHANGE_REQUEST] = MessageType.AUDIENCE_MEMBERSHIP_CHANGE_REQUEST
    account: SentAccount = Field(default_factory=no_account)
    user_profiles: ListOf[UserProfile] = ()


class AudienceMembershipChangeResponse(Response):
    """The changes were accepted. ``suspend_subscription`` stops all further ones until the customer presses Resume."""

    type: Literal[MessageType.AUDIENCE_MEMBERSHIP_CHANGE_RESPONSE] = MessageType.AUDIENCE_MEMBERSHIP_CHANGE_RESPONSE
    suspend_subscription: Bool = False


class DsrProcessingRequest(Request):
    """A data subject asks for the erasure of their data.

    ``submitted_time`` is the time of their request, to the microsecond. ``subject_request_id`` is usually a GUID, which
    mParticle does not guarantee. mParticle's own samples have no account.
    """

    type: Literal[MessageType.DSR_PROCESSING_REQUEST] = MessageType.DSR_PROCESSING_REQUEST
    account: SentAccount = Field(default_factory=no_account)
    subject_request_id: OptionalText = None
    subject_request_type: OptionalOpenEnum[DsrType] = None
    submitted_time: OptionalInstant = None
    subject_identities: DsrIdentities = Field(default_factory=dict)
    api_version: OptionalText = None
    regulation: OptionalOpenEnum[Regulation] = None
    extensions: DsrExtensions | None = None

    @field_validator("extensions")
    @classmethod
    def _check_identities(cls, extensions: DsrExtensions | None, info: ValidationInfo) -> DsrExtensions | None:
        """Check that the identities of the extension and the request's own do not differ."""
        if extensions and extensions.mparticle:
            check_one_of_each_name(extensions.mparticle.subject_identities, info.data.get("subject_identities", {}))
        return extensions


class DsrProcessingResponse(Response):
    """The request was stored durably. mParticle gets no other acknowledgement of an erasure."""

    type: Literal[MessageType.DSR_PROCESSING_RESPONSE] = MessageType.DSR_PROCESSING_RESPONSE


AnyRequest = (
    ModuleRegistrationRequest
    | EventProcessingRequest
    | AudienceSubscriptionRequest
    | AudienceMembershipChangeRequest
    | DsrProcessingRequest
)
AnyResponse = (
    ModuleRegistrationResponse
    | EventProcessingResponse
    | AudienceSubscriptionResponse
    | AudienceMembershipChangeResponse
    | DsrProcessingResponse
)

type QueuedRequest = EventProcessingRequest | AudienceMembershipChangeRequest | DsrProcessingRequest
"""A request that may wait in a queue."""

REQUEST_MODELS: dict[MessageType, type[AnyRequest]] = {
    MessageType.MODULE_REGISTRATION_REQUEST: ModuleRegistrationRequest,
    MessageType.EVENT_PROCESSING_REQUEST: EventProcessingRequest,
    MessageType.AUDIENCE_SUBSCRIPTION_REQUEST: AudienceSubscriptionRequest,
    MessageType.AUDIENCE_MEMBERSHIP_CHANGE_REQUEST: AudienceMembershipChangeRequest,
    MessageType.DSR_PROCESSING_REQUEST: DsrProcessingRequest,
}
RESPONSE_MODELS: dict[MessageType, type[AnyResponse]] = {
    MessageType.MODULE_REGISTRATION_RESPONSE: ModuleRegistrationResponse,
    MessageType.EVENT_PROCESSING_RESPONSE: EventProcessingResponse,
    MessageType.AUDIENCE_SUBSCRIPTION_RESPONSE: AudienceSubscriptionResponse,
    MessageType.AUDIENCE_MEMBERSHIP_CHANGE_RESPONSE: AudienceMembershipChangeResponse,
    MessageType.DSR_PROCESSING_RESPONSE: DsrProcessingResponse,
}


def work_id(request: Request) -> str:
    """Return the id of a request, or its time if mParticle sent no usable id. Keys against repetitions contain it."""
    return str(request.id or request.timestamp_ms)


def correlation(request: AnyRequest) -> dict[str, str]:
    """Return the fields of a request that log lines and queue attributes may contain: its type, account and id."""
    facts = {"message_type": str(request.type)}
    if not isinstance(request, ModuleRegistrationRequest):
        facts["account_id"] = str(request.account.account_id)
    if request.id:
        facts["request_id"] = str(request.id)
    return facts
