"""The seam between the framework and a partner: one value, and the types of what it hands over.

The framework knows mParticle, AWS and delivery. An integration knows one partner's API, as data and pure functions,
and needs neither AWS nor HTTP.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mparticle_firehose.cookie_sync import CookieSync
from mparticle_firehose.errors import RegistrationError
from mparticle_firehose.integration.auth import Auth, Basic, Bearer, Header
from mparticle_firehose.integration.calls import JsonObject, JsonValue, PartnerCall
from mparticle_firehose.integration.memberships import (
    Effect,
    MembershipChange,
    MembershipTarget,
    UndeliverableChange,
)
from mparticle_firehose.integration.outcomes import (
    Delivered,
    Failure,
    NetworkFault,
    Outcome,
    Rejected,
    Retry,
    Suspend,
    Verdict,
)
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    ModuleRegistrationResponse,
)

__all__ = [
    "Audiences",
    "Auth",
    "Basic",
    "Bearer",
    "Delivered",
    "Effect",
    "Failure",
    "Header",
    "Integration",
    "JsonObject",
    "JsonValue",
    "MembershipChange",
    "MembershipTarget",
    "NetworkFault",
    "Outcome",
    "PartnerCall",
    "Rejected",
    "Retry",
    "Suspend",
    "UndeliverableChange",
    "Verdict",
]


def _no_failures(_answer: Mapping[str, object]) -> Mapping[int, int]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Audiences:
    """How audiences and their members become calls.

    Attributes:
        subscription_call: the call that creates, updates or deletes an audience; None if there is nothing to call.
        subscription_settings: the settings that mParticle keeps with the subscription and sends with every membership
            change, made from the request and the JSON object of the partner's answer.
        membership_changes: the changes of a membership request, in its order.
        members_call: the call that carries changes of one target, by their items.
        without_attributes: the item of a change without these user attributes.
        max_changes_per_call: how many changes one call may carry.
    """

    subscription_call: Callable[[AudienceSubscriptionRequest], PartnerCall | None]
    subscription_settings: Callable[[AudienceSubscriptionRequest, Mapping[str, object]], dict[str, str]]
    membership_changes: Callable[[AudienceMembershipChangeRequest], Sequence[MembershipChange | UndeliverableChange]]
    members_call: Callable[[MembershipTarget, Sequence[JsonObject]], PartnerCall]
    without_attributes: Callable[[JsonObject, Collection[str]], JsonObject]
    max_changes_per_call: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """Everything that the framework needs to know of one partner.

    Leave out what the partner does not offer. The registration must declare exactly what is here.

    Attributes:
        registration: returns what mParticle gets to know of the integration. Called when it is first needed: checking
            it would slow down every cold start.
        events: the call that carries an event request; None if it holds nothing for the partner.
        audiences: audience subscriptions and membership changes.
        erasures: the call that asks the partner to forget a person.
        failures: reads which items the partner did not take from the JSON object of a successful answer: index in the
            body to the HTTP status that the item would have had alone. Raises ValueError if the answer cannot be read.
        retry_policy: what a status or a fault means, where it differs from the default in `partner_api.retry_policy`.
        cookie_sync: returns the partner's side of mParticle's cookie sync.
    """

    registration: Callable[[], ModuleRegistrationResponse]
    events: Callable[[EventProcessingRequest], PartnerCall | None] | None = None
    audiences: Audiences | None = None
    erasures: Callable[[DsrProcessingRequest], PartnerCall] | None = None
    failures: Callable[[Mapping[str, object]], Mapping[int, int]] = _no_failures
    retry_policy: Mapping[int | NetworkFault, Verdict] = field(default_factory=dict)
    cookie_sync: Callable[[], CookieSync] | None = None

    def declaration(self) -> ModuleRegistrationResponse:
        """Return the registration as a message with a new id and the time of now.

        Raises:
            RegistrationError: it breaks a rule of mParticle's, or declares something else than the integration offers.
        """
        registration = self.registration()
        if problems := [*self._disagreements(registration)]:
            raise RegistrationError("; ".join(problems))
        return registration.renewed()

    def _disagreements(self, registration: ModuleRegistrationResponse) -> Iterator[str]:
        for name, offered, declared in (
            ("events", self.events, registration.event_processing_registration),
            ("audiences", self.audiences, registration.audience_processing_registration),
            ("erasures", self.erasures, registration.dsr_processing_registration),
        ):
            if offered and not declared:
                yield f"{name}: the integration offers them, but the registration does not declare them"
            if declared and not offered:
                yield f"{name}: the registration declares them, but the integration does not offer them"
