"""make run says what a request has that mParticle would not send, as far as the calls need it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from local.run.declared import PERMITTED, undeclared
from mparticle_firehose.integration import (
    Endpoint,
    Integration,
    Item,
    Json,
    JsonObject,
    JsonValue,
    PartnerCall,
    Target,
    changes,
)
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    EventProcessingRequest,
    ModuleRegistrationResponse,
    Permissions,
    Serializer,
    TextSetting,
    UserIdentityPermission,
    UserIdentityType,
)
from tests.sample.partner.integration import INTEGRATION, registration

ACCOUNT = {"account_id": 7, "account_settings": {"token": "canary-key", "region": "eu"}}
ADDRESS = {"type": "email", "encoding": "raw", "value": "canary@example.com"}
CUSTOMER = {"type": "customer", "encoding": "raw", "value": "canary-customer"}
USER = {"user_identities": [ADDRESS, CUSTOMER], "mpid": "canary-31"}
EVENTS: dict[str, Any] = {
    "type": "event_processing_request",
    "account": ACCOUNT,
    "events": [{"type": "custom_event", "location": {"latitude": 1.5, "longitude": 2.5}}],
    "user_attributes": {"colour": "canary-blue"},
    "user_attribute_lists": {"teas": ["canary-oolong"]},
    "partner_identities": [{"type": "Other_UserId", "encoding": "raw", "value": "canary-other"}],
    "runtime_environment": {
        "type": "ios",
        "identities": [{"type": "ios_vendor_id", "encoding": "raw", "value": "canary-vendor"}],
        "client_ip_address": "192.0.2.7",
        "http_header_user_agent": "canary-agent",
        "model": "canary-phone",
    },
    "device_application_stamp": "canary-stamp",
    "consent_state": {"gdpr_consent_state": {"canary-purpose": {"consented": True}}},
    "platform_fields": {"workspace_id": 17},
    **USER,
}
CHANGED = {"key": "colour", "value": "canary-blue", "action": "upsert"}
AUDIENCE = {"audience_id": 9, "action": "add", "user_attributes": [CHANGED]}
MEMBERSHIP = {
    "type": "audience_membership_change_request",
    "account": ACCOUNT,
    "user_profiles": [
        {
            **USER,
            "device_identities": EVENTS["runtime_environment"]["identities"],
            "partner_identities": EVENTS["partner_identities"],
            "audiences": [AUDIENCE],
        }
    ],
}
ASKED: Mapping[str, Any] = {
    "user_identities": (UserIdentityPermission(type=UserIdentityType.EMAIL),),
    "allow_user_attributes": True,
    "allow_audience_user_attributes": True,
    "allow_access_mpid": True,
}


def show(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/shown", body=Json(list(bodies)))


SHOW = Endpoint(name="show", call=show)


def reading(part: Callable[[Any], Any], **permissions: object) -> Integration:
    """Return an integration whose body is what it reads of a request, or of an audience's change."""

    def asking() -> ModuleRegistrationResponse:
        return registration().model_copy(update={"permissions": Permissions(**{**ASKED, **permissions})})

    def events(request: EventProcessingRequest) -> Iterator[Item]:
        yield Item(endpoint=SHOW, target=Target(), body={"read": part(request)})

    def memberships(request: AudienceMembershipChangeRequest) -> Iterator[Item]:
        for change in changes(request):
            yield Item(endpoint=SHOW, target=Target(), body={"read": part(change)}, covers=(change.origin,))

    return replace(INTEGRATION, registration=asking, events=events, memberships=memberships)


def saying(*names: str) -> list[str]:
    return [f"the calls need {name}, and mParticle sends none: the registration does not ask for it" for name in names]


@pytest.mark.parametrize(
    ("read", "permissions", "names"),
    [
        pytest.param(
            lambda request: request.account.string_setting("region", required=True), {}, ["the setting 'region'"],
            id="setting-that-must-be-there",
        ),
        pytest.param(
            lambda request: request.account.string_setting("region"), {}, ["the setting 'region'"], id="setting"
        ),
        pytest.param(
            lambda request: len(request.user_identities), {}, ["the user identity 'customer'"], id="identity"
        ),
        pytest.param(
            lambda request: len(request.user_attributes) + len(request.user_attribute_lists),
            {"allow_user_attributes": False}, ["user attributes"],
            id="attributes",
        ),
        pytest.param(lambda request: request.mpid, {"allow_access_mpid": False}, ["the mpid"], id="mpid"),
        pytest.param(
            lambda request: len(request.partner_identities), {}, ["the partner identity 'Other_UserId'"],
            id="partner-identity",
        ),
        pytest.param(
            lambda request: len(request.runtime_environment.identities), {}, ["the device identity 'ios_vendor_id'"],
            id="device-identity",
        ),
        pytest.param(
            lambda request: request.events[0].location is None, {}, ["the location of events"], id="location"
        ),
        pytest.param(lambda request: request.runtime_environment.client_ip_address, {}, ["the IP address"], id="ip"),
        pytest.param(
            lambda request: request.runtime_environment.http_header_user_agent, {}, ["the user agent"], id="user-agent"
        ),
        pytest.param(
            lambda request: request.runtime_environment.model, {}, ["what is known of the device"], id="device"
        ),
        pytest.param(
            lambda request: request.device_application_stamp, {}, ["the device application stamp"], id="stamp"
        ),
        pytest.param(lambda request: request.consent_state is None, {}, ["the consent state"], id="consent"),
        pytest.param(lambda request: request.platform_fields is None, {}, ["the platform fields"], id="platform"),
    ],
)  # fmt: skip
def test_what_the_calls_for_events_need_must_be_asked_for(
    read: Callable[[Any], JsonValue], permissions: dict[str, object], names: list[str]
) -> None:
    assert undeclared(reading(read, **permissions), EVENTS) == saying(*names)


@pytest.mark.parametrize(
    ("read", "permissions", "names"),
    [
        pytest.param(
            lambda change: [each.value for each in change.profile.user_identities], {},
            ["the user identity 'customer'"],
            id="identity",
        ),
        pytest.param(
            lambda change: len(change.audience.attribute_changes), {"allow_audience_user_attributes": False},
            ["attributes of audiences"],
            id="attributes",
        ),
        pytest.param(
            lambda change: len(change.profile.device_identities), {}, ["the device identity 'ios_vendor_id'"],
            id="device-identity",
        ),
        pytest.param(
            lambda change: len(change.profile.partner_identities), {}, ["the partner identity 'Other_UserId'"],
            id="partner-identity",
        ),
        pytest.param(lambda change: change.profile.mpid, {"allow_access_mpid": False}, ["the mpid"], id="mpid"),
    ],
)  # fmt: skip
def test_what_the_calls_for_memberships_need_must_be_asked_for(
    read: Callable[[Any], JsonValue], permissions: dict[str, object], names: list[str]
) -> None:
    assert undeclared(reading(read, **permissions), MEMBERSHIP) == saying(*names)


def with_settings(integration: Integration, *, of_events: str = "", of_audiences: str = "") -> Integration:
    """Return the integration with one setting more for connections of inputs, or for audiences."""
    declared = integration.registration()
    events, audiences = declared.event_processing_registration, declared.audience_processing_registration
    assert events
    assert audiences
    connection = {"event_connection_settings": (TextSetting(id=of_events, name="more"),)} if of_events else {}
    subscription = (
        {"audience_subscription_settings": (TextSetting(id=of_audiences, name="more"),)} if of_audiences else {}
    )
    update = {
        "event_processing_registration": events.model_copy(update=connection),
        "audience_processing_registration": audiences.model_copy(update=subscription),
    }
    return replace(integration, registration=lambda: declared.model_copy(update=update))


def test_a_setting_of_a_connection_is_a_setting_of_the_account_in_events_only() -> None:
    def read(request: EventProcessingRequest | AudienceMembershipChangeRequest) -> Iterator[Item]:
        yield Item(endpoint=SHOW, target=Target(), body={"read": request.account.string_setting("region")})

    both = with_settings(replace(reading(len), events=read, memberships=read), of_events="region")

    assert undeclared(both, EVENTS) == []
    assert undeclared(both, MEMBERSHIP) == saying("the setting 'region'")


def test_what_the_calls_need_of_an_audiences_settings_must_be_declared() -> None:
    read = reading(lambda change: change.audience.audience_subscription_settings.get("list"))
    audience = {**AUDIENCE, "audience_subscription_settings": {"list": "canary-list"}}
    message = {**MEMBERSHIP, "user_profiles": [{**USER, "audiences": [audience]}]}

    assert undeclared(read, message) == saying("the audience's setting 'list'")
    assert undeclared(with_settings(read, of_audiences="list"), message) == []


def test_each_permission_is_tried_but_the_one_for_whole_requests() -> None:
    flags = {name for name in Permissions.model_fields if name.startswith("allow_")}

    assert set(PERMITTED) == flags - {"allow_eventless_batches"}


def test_what_a_permission_covers_may_be_read_with_it() -> None:
    everything = reading(Serializer().dump, **dict.fromkeys(PERMITTED, True))
    message = {**EVENTS, "user_identities": [ADDRESS], "partner_identities": []}

    assert undeclared(everything, message) == saying("the setting 'region'", "the device identity 'ios_vendor_id'")


@pytest.mark.parametrize("message", [EVENTS, MEMBERSHIP], ids=["events", "memberships"])
def test_what_no_call_needs_may_stay_in_a_request(message: Mapping[str, object]) -> None:
    nothing = {name: False for name in ASKED if name.startswith("allow")}

    assert undeclared(reading(lambda _: "the same", **nothing, user_identities=()), message) == []


def test_what_is_asked_for_may_be_read_and_the_request_stays_as_it_is() -> None:
    read = reading(lambda request: [request.mpid, request.account.string_setting("token")])
    before = repr(EVENTS)

    assert undeclared(read, EVENTS) == []
    assert repr(EVENTS) == before


def test_a_registration_that_is_not_valid_is_reported_elsewhere() -> None:
    without = replace(reading(lambda request: request.mpid, allow_access_mpid=False), erasures=None)

    assert undeclared(without, EVENTS) == []


@pytest.mark.parametrize(
    "odd",
    [
        {**EVENTS, "user_identities": [None, ADDRESS], "user_profiles": None},
        {**EVENTS, "user_identities": "canary", "account": "canary"},
        {**EVENTS, "account": {"account_settings": []}},
        {**MEMBERSHIP, "user_profiles": [None, {"user_identities": None, "audiences": [None]}]},
        {},
    ],
    ids=["nulls", "texts", "list", "null-profiles", "empty"],
)
def test_a_request_of_an_odd_shape_does_not_stop_the_run(odd: Mapping[str, object]) -> None:
    assert undeclared(INTEGRATION, odd) == []
