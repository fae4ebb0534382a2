"""The requests: each kind that mParticle sends to an integration with this registration."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid4, uuid5

from local.samples.consent import CONSENT_STATE, NOTIFICATIONS
from local.samples.environment import PLATFORM_FIELDS, environment
from local.samples.events import Asked, event_of
from local.samples.people import (
    ATTRIBUTE_CHANGES,
    ATTRIBUTE_LISTS,
    ATTRIBUTES,
    Person,
)
from local.samples.settings import setting_values
from mparticle_firehose.integration import JsonObject
from mparticle_firehose.protocol import (
    Account,
    Audience,
    AudienceAction,
    AudienceMembershipChangeRequest,
    AudienceProcessingRegistration,
    AudienceSubscriptionAction,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    DsrType,
    EventProcessingRegistration,
    EventProcessingRequest,
    EventType,
    ModuleRegistrationRequest,
    ModuleRegistrationResponse,
    Permissions,
    Regulation,
    Request,
    Serializer,
    SystemNotificationType,
    UserProfile,
)
from mparticle_firehose.protocol.dsr import DsrExtensions, OpenDsrExtension
from mparticle_firehose.protocol.messages import PROTOCOL_VERSION
from mparticle_firehose.protocol.registration import AnySetting

ACCOUNT_ID = 4242
_FIRST_AUDIENCE = 970
AUDIENCE_NAME = "Sample audience"
_RENAMED = "Sample audience, renamed"
_MOMENT_MS = 1_760_000_000_000
_NAMESPACE = UUID("5a3c1e70-0000-4000-8000-000000000000")
_SERIALIZER = Serializer()

_EVENTS, _MEMBERSHIP = "event_processing_request", "audience_membership_change_request"
_SUBSCRIPTION, _DSR = "audience_subscription_request", "dsr_processing_request"


@dataclass(frozen=True)
class Sample:
    """One request.

    Attributes:
        name: the type of the request, and after a slash what kind of it: ``event_processing_request/custom_event``.
        group: which samples it belongs to, for a list of them.
        title: what it is, in a few words.
        content: the JSON object that mParticle sends.
    """

    name: str
    group: str
    title: str
    content: JsonObject


def samples(
    declaration: ModuleRegistrationResponse,
    *,
    settings: Mapping[str, str] | None = None,
    fresh: bool = False,
    person: int = 31,
) -> list[Sample]:
    """Return the requests that mParticle sends to an integration, in an order in which it could send them.

    Args:
        declaration: what the integration has registered. What it does not ask for is in no request.
        settings: values of settings by their ids, instead of plausible ones. Of a confidential setting the plausible
            one begins with `FAKE_SECRET`: no partner accepts it.
        fresh: whether ids are new and times are now, as of requests that were never sent. Otherwise the same
            registration has the same samples.
        person: the number of the invented user; another one is another user, in another audience.
    """
    known = Person(declaration.permissions or Permissions(), person)
    return list(_Samples(declaration, settings or {}, known, fresh=fresh).all())


class _Samples:
    def __init__(
        self, declaration: ModuleRegistrationResponse, settings: Mapping[str, str], person: Person, *, fresh: bool
    ) -> None:
        self._declaration = declaration
        self._permissions = person.permissions
        self._person = person
        self._settings = settings
        self._fresh = fresh
        self._now_ms = time.time_ns() // 1_000_000 if fresh else _MOMENT_MS

    def all(self) -> Iterator[Sample]:
        envelope = self._envelope("module_registration_request")
        yield _sample("Registration", "", "Registration", ModuleRegistrationRequest.model_validate(envelope))
        if events := self._declaration.event_processing_registration:
            yield from self._of_events(events)
        if audiences := self._declaration.audience_processing_registration:
            yield from self._of_audiences(audiences)
        if erasures := self._declaration.dsr_processing_registration:
            yield from (self._erasure(erasures.account_settings) for kind in erasures.supported_dsr_types if kind)

    def _of_events(self, declared: EventProcessingRegistration) -> Iterator[Sample]:
        account = self._account((*declared.account_settings, *declared.event_connection_settings))
        keep_alive = {**self._envelope(f"{_EVENTS}/keep_alive"), "account": account}
        message = EventProcessingRequest.model_validate(keep_alive)
        sample = _sample("Keep-alives", "keep_alive", "Keep-alive of events", message)
        yield replace(sample, content={**sample.content, "events": []})  # mParticle writes the empty list
        common = self._of_user(account, declared)
        kinds = [each for each in declared.supported_event_types if isinstance(each, EventType)]
        asked = Asked(self._person, declared.push_messaging_provider_id or "provider")
        events = {
            kind: event_of(kind, asked, event_id=self._id(kind), timestamp_ms=self._now_ms - 1_000 * (len(kinds) - at))
            for at, kind in enumerate(kinds)
        }
        for name, event in events.items():
            yield self._events(name, _title(name), {**common, "events": [event]})
        if len(events) > 1:
            yield self._events("all_events", "All types of events in one", {**common, "events": [*events.values()]})
        for kind in declared.supported_system_notification_types:
            if isinstance(kind, SystemNotificationType):
                yield self._events(kind, _title(kind), {**common, "system_notifications": [NOTIFICATIONS[kind]]})
        if self._permissions.allow_eventless_batches:
            yield self._events("no_events", "User attributes without events", common)

    def _events(self, name: str, title: str, fields: Mapping[str, object]) -> Sample:
        envelope = self._envelope(f"{_EVENTS}/{name}")
        return _sample("Events", name, title, EventProcessingRequest.model_validate({**envelope, **fields}))

    def _of_user(self, account: Account, declared: EventProcessingRegistration) -> dict[str, object]:
        """Return what all requests with events have in common: the user, their device and their consent."""
        allowed = self._permissions
        return {
            "account": account,
            "source_id": str(self._id("source")),
            "source_channel": "native",
            "runtime_environment": environment(declared.supported_runtime_environments, self._person),
            "user_identities": self._person.user_identities(),
            "partner_identities": self._person.partner_identities(),
            **_if(allowed.allow_access_mpid, mpid=self._person.mpid),
            **_if(allowed.allow_access_device_application_stamp, device_application_stamp=str(self._id("stamp"))),
            **_if(allowed.allow_user_attributes, user_attributes=ATTRIBUTES, user_attribute_lists=ATTRIBUTE_LISTS),
            **_if(allowed.allow_consent_state, consent_state=CONSENT_STATE),
            **_if(allowed.allow_platform_fields, platform_fields=PLATFORM_FIELDS),
        }

    def _of_audiences(self, declared: AudienceProcessingRegistration) -> Iterator[Sample]:
        account = self._account(declared.account_settings)
        keep_alive = {**self._envelope(f"{_MEMBERSHIP}/keep_alive"), "account": account}
        message = AudienceMembershipChangeRequest.model_validate(keep_alive)
        yield _sample("Keep-alives", "keep_alive", "Keep-alive of audiences", message)
        kept = setting_values(declared.audience_subscription_settings, self._settings)
        entered = [each for each in declared.audience_subscription_settings if each.visible]
        yield self._subscription(account, AudienceSubscriptionAction.ADD, setting_values(entered, self._settings))
        yield self._subscription(account, AudienceSubscriptionAction.UPDATE, kept, audience_name=_RENAMED,
                                 previous_audience_subscription_settings=kept)  # fmt: skip
        for action in AudienceAction:
            if action != AudienceAction.ATTRIBUTE_UPDATE or self._permissions.allow_audience_user_attributes:
                yield self._membership(account, action, kept)
        yield self._subscription(account, AudienceSubscriptionAction.REMOVE, kept)

    def _subscription(
        self,
        account: Account,
        action: AudienceSubscriptionAction,
        settings: Mapping[str, str | None],
        **changed: object,
    ) -> Sample:
        fields: dict[str, object] = {
            "account": account,
            "audience_id": _FIRST_AUDIENCE + self._person.number,
            "audience_name": AUDIENCE_NAME,
            "audience_description": "Invented, to try the integration",
            "audience_subscription_settings": settings,
            "action": action,
        }
        envelope = self._envelope(f"{_SUBSCRIPTION}/{action}")
        message = AudienceSubscriptionRequest.model_validate({**envelope, **fields, **changed})
        return _sample("Audiences", action, f"Audience: {action}", message)

    def _membership(self, account: Account, action: AudienceAction, settings: Mapping[str, str | None]) -> Sample:
        allowed = self._permissions
        audience = Audience(
            audience_id=_FIRST_AUDIENCE + self._person.number,
            audience_name=AUDIENCE_NAME,
            audience_subscription_settings=dict(settings),
            action=action,
            user_attributes=ATTRIBUTE_CHANGES if allowed.allow_audience_user_attributes else (),
        )
        profile = UserProfile(
            user_identities=self._person.user_identities(),
            device_identities=self._person.device_identities(),
            partner_identities=self._person.partner_identities(),
            audiences=(audience,),
            mpid=self._person.mpid if allowed.allow_access_mpid else None,
        )
        envelope = self._envelope(f"{_MEMBERSHIP}/{action}")
        message = AudienceMembershipChangeRequest.model_validate(
            {**envelope, "account": account, "user_profiles": (profile,)}
        )
        return _sample("Audiences", action, f"Membership: {action.replace('_', ' ')}", message)

    def _erasure(self, declared: tuple[AnySetting, ...]) -> Sample:
        own, further = self._person.subject_identities()
        extension = OpenDsrExtension(skip_waiting_period=False, subject_identities=further)
        fields = {
            "account": self._account(declared),
            "subject_request_id": str(self._id("subject")),
            "subject_request_type": DsrType.ERASURE,
            "submitted_time": datetime.fromtimestamp(self._now_ms / 1_000 - 3_600, UTC),
            "subject_identities": own,
            "api_version": "3.0",
            "regulation": Regulation.GDPR,
            "extensions": DsrExtensions.model_validate({"opendsr.mparticle.com": extension}),
        }
        message = DsrProcessingRequest.model_validate({**self._envelope(f"{_DSR}/erasure"), **fields})
        return _sample("Erasures", "erasure", "Erasure", message)

    def _account(self, settings: tuple[AnySetting, ...]) -> Account:
        return Account(account_id=ACCOUNT_ID, account_settings=setting_values(settings, self._settings))

    def _envelope(self, name: str) -> dict[str, object]:
        return {"id": self._id(name), "timestamp_ms": self._now_ms, "firehose_version": PROTOCOL_VERSION}

    def _id(self, name: str) -> UUID:
        return uuid4() if self._fresh else uuid5(_NAMESPACE, name)


def _sample(group: str, name: str, title: str, message: Request) -> Sample:
    content = cast("JsonObject", _SERIALIZER.dump(message))
    return Sample(f"{message.type}/{name}".removesuffix("/"), group, title, content)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("Gdpr", "GDPR").replace("Ccpa", "CCPA")


def _if(allowed: bool, **fields: object) -> dict[str, object]:
    return fields if allowed else {}
