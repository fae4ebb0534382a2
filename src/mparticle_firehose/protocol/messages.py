"""The ten messages: five requests from mParticle and the responses to them."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4

from pydantic import Field, PrivateAttr

from mparticle_firehose.protocol.account import SentAccount, no_account
from mparticle_firehose.protocol.audiences import UserProfiles
from mparticle_firehose.protocol.consent import ConsentState, SystemNotifications
from mparticle_firehose.protocol.dsr import DsrExtensions, DsrIdentities
from mparticle_firehose.protocol.enums import AudienceSubscriptionAction, DsrType, Known, MessageType, Regulation
from mparticle_firehose.protocol.events import Events
from mparticle_firehose.protocol.identities import PartnerIdentities, UserIdentities
from mparticle_firehose.protocol.registration import (
    AudienceProcessingRegistration,
    DsrProcessingRegistration,
    EventProcessingRegistration,
    Permissions,
)
from mparticle_firehose.protocol.runtime_environments import ReceivedRuntimeEnvironment
from mparticle_firehose.protocol.wire.fields import (
    Bool,
    Flag,
    Int,
    JsonTextMap,
    OptionalId,
    OptionalInt,
    OptionalText,
    TextListMap,
    TextMap,
)
from mparticle_firehose.protocol.wire.instants import OptionalInstant
from mparticle_firehose.protocol.wire.model import Model

PROTOCOL_VERSION = "3.2.0"
"""The release of mParticle's Java SDK whose dialect this package speaks, and asks for when registering."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a request came from. Two requests are equal whatever their origin."""

    source: Mapping[str, object] = field(default_factory=dict, compare=False)
    unrecognized: Counter[str] = field(default_factory=Counter, compare=False)


class Request(Model):
    """What all requests share.

    ``id`` is None where it is missing, blank or no GUID, and ``timestamp_ms`` is 0 where it is missing, so that reading
    the same message twice gives the same request (the Java SDK invents both).
    """

    type: MessageType
    id: OptionalId = None
    timestamp_ms: Int = 0
    firehose_version: OptionalText = None

    _origin: _Origin = PrivateAttr(default_factory=_Origin)

    @classmethod
    def from_source(cls, source: Mapping[str, object]) -> Self:
        """Reads a request from its JSON object and remembers where it came from.

        Raises:
            ValidationError: a known field has a shape that cannot be read.
        """
        unrecognized: Counter[str] = Counter()
        request = cls.model_validate(source, context=unrecognized)
        request._origin = _Origin(source, unrecognized)  # noqa: SLF001 - its own class
        return request

    @property
    def source(self) -> Mapping[str, object]:
        """The JSON object that the request was parsed from; empty for one made otherwise."""
        return self._origin.source

    @property
    def unrecognized(self) -> Counter[str]:
        """How many values of which kind this version could not make sense of; never the values.

        A kind is the name of an enumeration in snake case, such as ``event_type`` or ``user_identity_type``, or one of
        ``incomplete_identity``, ``malformed_id`` and ``malformed_time``.
        """
        return self._origin.unrecognized


class Response(Model):
    """What all responses share: an id and a time of their own, and the version of the protocol."""

    type: MessageType
    id: UUID = Field(default_factory=uuid4)
    timestamp_ms: Int = Field(default_factory=_now_ms)
    firehose_version: OptionalText = PROTOCOL_VERSION

    def renewed(self) -> Self:
        """The same response with an id of its own and the time of now."""
        return self.model_copy(update={"id": uuid4(), "timestamp_ms": _now_ms()})


class ModuleRegistrationRequest(Request):
    """mParticle asks what the integration is; sent once, when it is onboarded or changed."""

    type: Literal[MessageType.MODULE_REGISTRATION_REQUEST] = MessageType.MODULE_REGISTRATION_REQUEST


class ModuleRegistrationResponse(Response):
    """What the integration is. The presence of each registration declares what it processes."""

    type: Literal[MessageType.MODULE_REGISTRATION_RESPONSE] = MessageType.MODULE_REGISTRATION_RESPONSE
    sdk_version: OptionalText = PROTOCOL_VERSION
    name: OptionalText = None
    description: OptionalText = None
    version: OptionalText = None
    permissions: Permissions | None = None
    event_processing_registration: EventProcessingRegistration | None = None
    audience_processing_registration: AudienceProcessingRegistration | None = None
    dsr_processing_registration: DsrProcessingRegistration | None = None


class PlatformFields(Model):
    """Where in the customer's mParticle organisation the events come from."""

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
    """Events of one user, in the order in which they were collected, which need not be their order in time.

    A batch without events is mParticle's keep-alive, but may carry notifications and attributes. ``mpid`` is a signed
    64-bit number in decimal. A null user attribute is a tag; reserved keys begin with ``$`` in unreliable case.
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
        """The value of a reserved user attribute such as ``$FirstName``, however mParticle wrote its name."""
        matches = (value for key, value in self.user_attributes.items() if key.lower() == name.lower())
        return next(matches, None)


class EventProcessingResponse(Response):
    """The events were taken. mParticle documents ``suspend_subscription`` for audiences only."""

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
        AudienceSubscriptionAction | str | None,
        Known(AudienceSubscriptionAction, {"delete": AudienceSubscriptionAction.REMOVE}),
    ] = None


class AudienceSubscriptionResponse(Response):
    """Settings to keep with the audience; they come back in every membership change.

    They must be declared in the registration. Numbers and booleans become text; empty ones are not sent.
    """

    type: Literal[MessageType.AUDIENCE_SUBSCRIPTION_RESPONSE] = MessageType.AUDIENCE_SUBSCRIPTION_RESPONSE
    audience_subscription_settings: TextMap = Field(default_factory=dict)


class AudienceMembershipChangeRequest(Request):
    """Users joined or left audiences. Without profiles it is mParticle's keep-alive."""

    type: Literal[MessageType.AUDIENCE_MEMBERSHIP_CHANGE_REQUEST] = MessageType.AUDIENCE_MEMBERSHIP_CHANGE_REQUEST
    account: SentAccount = Field(default_factory=no_account)
    user_profiles: UserProfiles = ()


class AudienceMembershipChangeResponse(Response):
    """The changes were taken; suspending stops all further ones until the customer presses Resume."""

    type: Literal[MessageType.AUDIENCE_MEMBERSHIP_CHANGE_RESPONSE] = MessageType.AUDIENCE_MEMBERSHIP_CHANGE_RESPONSE
    suspend_subscription: Bool = False


class DsrProcessingRequest(Request):
    """A data subject wants their data erased.

    ``submitted_time`` is when they asked, to the microsecond. ``subject_request_id`` is usually a GUID, but that is not
    promised. mParticle's own samples carry no account.
    """

    type: Literal[MessageType.DSR_PROCESSING_REQUEST] = MessageType.DSR_PROCESSING_REQUEST
    account: SentAccount = Field(default_factory=no_account)
    subject_request_id: OptionalText = None
    subject_request_type: Annotated[DsrType | str | None, Known(DsrType)] = None
    submitted_time: OptionalInstant = None
    subject_identities: DsrIdentities = Field(default_factory=dict)
    api_version: OptionalText = None
    regulation: Annotated[Regulation | str | None, Known(Regulation)] = None
    extensions: DsrExtensions | None = None


class DsrProcessingResponse(Response):
    """The request is taken down durably: this is the only acknowledgement there is."""

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
