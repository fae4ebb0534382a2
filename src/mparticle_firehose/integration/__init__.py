"""The seam between the framework and a partner: one value, and the types of what it hands over.

The framework knows mParticle, AWS and delivery. An integration knows one partner's API, as data and pure functions,
and needs neither AWS nor HTTP: a request becomes items, items become calls, and the framework does the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mparticle_firehose.cookie_sync import CookieSync
from mparticle_firehose.errors import IntegrationError, RegistrationError
from mparticle_firehose.integration.answers import Answer, by_table, index_in
from mparticle_firehose.integration.auth import (
    Auth,
    Basic,
    Bearer,
    DeploymentSecret,
    Header,
    InBody,
    OAuth2,
    Query,
    Secret,
    check_header_names,
)
from mparticle_firehose.integration.calls import (
    Body,
    Exchange,
    Form,
    Json,
    JsonObject,
    JsonValue,
    NdJson,
    PartnerCall,
)
from mparticle_firehose.integration.items import Endpoint, Item, Origin, Target, Undeliverable
from mparticle_firehose.integration.mapping import (
    Change,
    attribute_changes,
    changes,
    changes_by_user,
    choice_setting,
    header_setting,
    identity,
    iso_time,
    known,
    named_identities,
    number,
    path_segment,
    plain,
    subject_identities,
    user_attributes,
)
from mparticle_firehose.integration.outcomes import (
    Alone,
    Delivered,
    Failure,
    NetworkFault,
    Outcome,
    Rejected,
    Retry,
    Split,
    Suspend,
    Verdict,
    failure_of,
)
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    ModuleRegistrationResponse,
)

if TYPE_CHECKING:  # its models take a while to load, and only the feed's function needs them
    from mparticle_firehose.feed.mapping import Feed

__all__ = [
    "Alone",
    "Answer",
    "Auth",
    "Basic",
    "Bearer",
    "Body",
    "Change",
    "Delivered",
    "DeploymentSecret",
    "Endpoint",
    "Exchange",
    "Failure",
    "Form",
    "Header",
    "InBody",
    "Integration",
    "Item",
    "Json",
    "JsonObject",
    "JsonValue",
    "NdJson",
    "NetworkFault",
    "OAuth2",
    "Origin",
    "Outcome",
    "PartnerCall",
    "Query",
    "Rejected",
    "Retry",
    "Secret",
    "Split",
    "Suspend",
    "Target",
    "Undeliverable",
    "Verdict",
    "attribute_changes",
    "by_table",
    "changes",
    "changes_by_user",
    "choice_setting",
    "failure_of",
    "header_setting",
    "identity",
    "index_in",
    "iso_time",
    "known",
    "named_identities",
    "number",
    "path_segment",
    "plain",
    "subject_identities",
    "user_attributes",
]

type Items = Iterable[Item | Undeliverable]


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """Everything that the framework needs to know of one partner.

    Leave out what the partner does not offer. The registration must declare exactly what is here. The mappings are
    pure: the same request becomes the same items, in the same order, without a clock and without randomness.

    Attributes:
        registration: returns what mParticle gets to know of the integration. Called when it is first needed: checking
            it would slow down every cold start.
        events: the items of an event request, in the order in which the partner must get them.
        memberships: the items of a request that changes audience memberships.
        erasures: the items of a request to forget a person.
        subscription: the calls that connect, change or disconnect an audience, as an exchange that returns the settings
            which mParticle keeps and sends with every membership change. Left out if there is nothing to call.
        sites: base URLs by name, https only and without a trailing slash. A customer's setting selects one. ``""`` is
            the deployment's own, PARTNER_API_URL. No other host is ever called.
        headers: of every call, such as the version of your API. A call's own replace them. Never shown.
        retry_policy: what a status or a fault means, where it differs from the default in `partner_api.retry_policy`.
        wait_headers: headers that may say how long to wait before a retry; the first readable one counts.
        cookie_sync: returns the partner's side of mParticle's cookie sync.
        feed_name: the name of the partner's feed at mParticle. It is part of every event's id, so it must never change:
            mParticle would take the same events for new ones.
        feed: returns what becomes of the partner's own events. Only the feed's function loads it.
    """

    registration: Callable[[], ModuleRegistrationResponse]
    events: Callable[[EventProcessingRequest], Items] | None = None
    memberships: Callable[[AudienceMembershipChangeRequest], Items] | None = None
    erasures: Callable[[DsrProcessingRequest], Items] | None = None
    subscription: Callable[[AudienceSubscriptionRequest], Exchange[Mapping[str, str]]] | None = None
    sites: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    retry_policy: Mapping[int | NetworkFault, Verdict] = field(default_factory=dict)
    wait_headers: tuple[str, ...] = ("Retry-After",)
    cookie_sync: Callable[[], CookieSync] | None = None
    feed_name: str = ""
    feed: "Callable[[], Feed] | None" = None

    def __post_init__(self) -> None:
        """Check what can be checked without a request.

        Raises:
            IntegrationError: the message names the rule.
        """
        for name, url in self.sites.items():
            parts = urlsplit(url)
            if not name or parts.scheme != "https" or not parts.hostname or url.endswith("/") or parts.query:
                raise IntegrationError("site", f"{name!r} must be an https URL without a slash or a query at its end")
        check_header_names(self.headers)
        if wrong := [cause for cause, verdict in self.retry_policy.items() if verdict not in set(Verdict)]:
            raise IntegrationError("retry_policy", f"{', '.join(map(str, wrong))} must map to a Verdict")
        if self.subscription and not self.memberships:
            raise IntegrationError("subscription", "needs memberships")
        if bool(self.feed) != bool(self.feed_name.strip()):
            raise IntegrationError("feed", "needs feed_name, which says nothing without a feed")

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
            ("memberships", self.memberships, registration.audience_processing_registration),
            ("erasures", self.erasures, registration.dsr_processing_registration),
        ):
            if offered and not declared:
                yield f"{name}: the integration offers them, but the registration does not declare them"
            if declared and not offered:
                yield f"{name}: the registration declares them, but the integration does not offer them"
