"""The integration as one value: what is refused when it is made, and what its registration must declare."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from mparticle_firehose.errors import IntegrationError, RegistrationError
from mparticle_firehose.integration import Exchange, Integration, Item, NetworkFault, Undeliverable, Verdict
from mparticle_firehose.protocol import (
    AudienceProcessingRegistration,
    AudienceSubscriptionRequest,
    DsrProcessingRegistration,
    DsrType,
    EventProcessingRegistration,
    EventType,
    ModuleRegistrationResponse,
    Permissions,
    RuntimeEnvironmentType,
    UserIdentityPermission,
    UserIdentityType,
    declare,
)

EVENTS = EventProcessingRegistration(
    supported_event_types=(EventType.CUSTOM_EVENT,), supported_runtime_environments=(RuntimeEnvironmentType.IOS,)
)
PARTS = ("events", "memberships", "erasures")


def registration(*parts: str) -> ModuleRegistrationResponse:
    return declare(
        ModuleRegistrationResponse(
            name="Partner",
            version="1",
            permissions=Permissions(user_identities=(UserIdentityPermission(type=UserIdentityType.EMAIL),)),
            event_processing_registration=EVENTS if "events" in parts else None,
            audience_processing_registration=AudienceProcessingRegistration() if "memberships" in parts else None,
            dsr_processing_registration=DsrProcessingRegistration(
                supported_dsr_types=(DsrType.ERASURE,), domain="partner.example"
            )
            if "erasures" in parts
            else None,
        ),
        handled_events=(EventType.CUSTOM_EVENT,) if "events" in parts else (),
    )


def mapping(_request: object) -> Iterator[Item | Undeliverable]:
    yield from ()


def subscription(_request: AudienceSubscriptionRequest) -> Exchange[Mapping[str, str]]:
    yield from ()
    return {}


COMPLETE = Integration(
    registration=lambda: registration(*PARTS),
    events=mapping,
    memberships=mapping,
    erasures=mapping,
    subscription=subscription,
    sites={"us": "https://api.example", "eu": "https://eu.example/v1"},
    retry_policy={404: Verdict.DELIVERED, NetworkFault.DNS: Verdict.RETRY},
)


def without(part: str) -> Integration:
    rest: dict[str, Any] = {part: None, "subscription": None}
    return replace(COMPLETE, **rest)


def test_each_declaration_is_a_message_of_its_own() -> None:
    first, second = COMPLETE.declaration(), COMPLETE.declaration()

    assert first.id != second.id
    assert first.name == second.name == "Partner"


@pytest.mark.parametrize("part", PARTS)
def test_what_the_registration_declares_must_be_offered(part: str) -> None:
    with pytest.raises(RegistrationError, match=rf"^{part}: the registration declares them, but"):
        without(part).declaration()


@pytest.mark.parametrize("part", PARTS)
def test_what_is_offered_must_be_declared(part: str) -> None:
    declared = [each for each in PARTS if each != part]
    integration = replace(COMPLETE, registration=lambda: registration(*declared))

    with pytest.raises(RegistrationError, match=rf"^{part}: the integration offers them, but"):
        integration.declaration()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_may_be_left_out_of_both(part: str) -> None:
    declared = [each for each in PARTS if each != part]

    assert replace(without(part), registration=lambda: registration(*declared)).declaration().name == "Partner"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("us", "http://api.example"),
        ("us", "api.example"),
        ("us", "https://"),
        ("us", "https://api.example/"),
        ("us", "https://api.example?key=1"),
        ("us", ""),
        ("", "https://api.example"),
    ],
)
def test_a_site_is_an_https_url_with_a_name(name: str, url: str) -> None:
    with pytest.raises(IntegrationError, match=r"^site: ") as caught:
        Integration(registration=registration, sites={name: url})

    assert caught.value.rule == "site"


def test_a_policy_maps_to_verdicts() -> None:
    policy: dict[int | NetworkFault, Any] = {404: "ignored", 410: Verdict.REJECTED}

    with pytest.raises(IntegrationError, match=r"^retry_policy: 404 must map to a Verdict$"):
        Integration(registration=registration, retry_policy=policy)


def test_a_subscription_needs_memberships() -> None:
    with pytest.raises(IntegrationError, match=r"^subscription: needs memberships$"):
        Integration(registration=registration, subscription=subscription)


def test_an_integration_may_offer_nothing_yet() -> None:
    assert Integration(registration=registration).wait_headers == ("Retry-After",)


def test_headers_of_every_call_must_be_headers_that_the_framework_does_not_set() -> None:
    with pytest.raises(IntegrationError, match="header_name"):
        Integration(registration=registration, headers={"Host": "elsewhere.example"})
