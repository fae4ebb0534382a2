"""The samples are what mParticle would send to an integration with this registration, and nothing else."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from local.isolation import ROOT
from local.rooms import Room
from local.run.declared import undeclared
from local.run.expected import broken_rules, calls_for
from local.samples import FAKE_SECRET, Sample, samples, values_in
from mparticle_firehose.protocol import (
    AudienceProcessingRegistration,
    BooleanSetting,
    DeviceIdentityPermission,
    DeviceIdentityType,
    DsrProcessingRegistration,
    DsrType,
    EventProcessingRegistration,
    EventProcessingRequest,
    EventType,
    FloatSetting,
    IdentityEncoding,
    IntegerSetting,
    ModuleRegistrationResponse,
    PartnerIdentityPermission,
    Permissions,
    RuntimeEnvironmentType,
    Serializer,
    SystemNotificationType,
    TextSetting,
    UserIdentityPermission,
    UserIdentityType,
)
from mparticle_firehose.protocol.enums import DsrIdentityType

ROOMS = ["", *sorted(f"examples/{folder.parent.name}" for folder in (ROOT / "examples").glob("*/partner"))]
# What these integrations leave out of what they declare: pushes that another vendor has sent.
IGNORED = {"examples/customerio": {"push_message_open"}, "examples/iterable": {"push_message_open"}}
_ACCESS = (TextSetting(id="key", name="Key", default_value="canary-default", confidential=True),)
_AUDIENCE = (TextSetting(id="kept", name="Kept", visible=False), TextSetting(id="entered", name="Entered"))
EVERYTHING = ModuleRegistrationResponse(
    name="Everything",
    version="1",
    permissions=Permissions(
        user_identities=tuple(UserIdentityPermission(type=kind) for kind in UserIdentityType),
        device_identities=tuple(DeviceIdentityPermission(type=kind) for kind in DeviceIdentityType),
        partner_identities=(PartnerIdentityPermission(type="Everything_Id"),),
        allow_access_location=True,
        allow_access_ip_address=True,
        allow_access_http_user_agent=True,
        allow_access_device_application_stamp=True,
        allow_access_mpid=True,
        allow_device_info=True,
        allow_user_attributes=True,
        allow_audience_user_attributes=True,
        allow_consent_state=True,
        allow_platform_fields=True,
        allow_eventless_batches=True,
    ),
    event_processing_registration=EventProcessingRegistration(
        account_settings=_ACCESS,
        supported_event_types=tuple(EventType),
        supported_runtime_environments=tuple(RuntimeEnvironmentType),
        supported_system_notification_types=tuple(SystemNotificationType),
        push_messaging_provider_id="everything",
    ),
    audience_processing_registration=AudienceProcessingRegistration(
        account_settings=_ACCESS, audience_subscription_settings=_AUDIENCE
    ),
    dsr_processing_registration=DsrProcessingRegistration(
        account_settings=_ACCESS, supported_dsr_types=(DsrType.ERASURE,), domain="everything.example"
    ),
)


def declaring(**changed: object) -> ModuleRegistrationResponse:
    """Return a registration of events only, of custom events on phones without any permission."""
    events = {
        "supported_event_types": (EventType.CUSTOM_EVENT,),
        "supported_runtime_environments": (RuntimeEnvironmentType.IOS,),
    }
    registration = EventProcessingRegistration.model_validate({**events, **changed})
    return ModuleRegistrationResponse(name="Little", version="1", event_processing_registration=registration)


def named(declaration: ModuleRegistrationResponse, name: str, **settings: str) -> Any:
    (found,) = [each for each in samples(declaration, settings=settings) if each.name == name]
    return found.content


def known_settings(room: Room) -> Mapping[str, str]:
    return values_in(json.loads(path.read_text()) for path in sorted(room.events.glob("*.json")))


def test_a_keep_alive_has_an_account_and_nothing_to_process() -> None:
    events = named(EVERYTHING, "event_processing_request/keep_alive")
    audiences = named(EVERYTHING, "audience_membership_change_request/keep_alive")

    envelope = {"type", "id", "timestamp_ms", "firehose_version", "account"}
    assert events.keys() == envelope | {"events"}
    assert events["events"] == []
    assert audiences.keys() == envelope


def test_every_kind_of_request_is_there_under_a_name_of_its_own() -> None:
    names = [each.name for each in samples(EVERYTHING)]

    assert names == [
        "module_registration_request",
        "event_processing_request/keep_alive",
        *(f"event_processing_request/{kind}" for kind in EventType),
        "event_processing_request/all_events",
        *(f"event_processing_request/{kind}" for kind in SystemNotificationType),
        "event_processing_request/no_events",
        "audience_membership_change_request/keep_alive",
        "audience_subscription_request/add",
        "audience_subscription_request/update",
        "audience_membership_change_request/add",
        "audience_membership_change_request/delete",
        "audience_membership_change_request/attribute_update",
        "audience_subscription_request/remove",
        "dsr_processing_request/erasure",
    ]


@pytest.mark.parametrize("sample", samples(EVERYTHING), ids=lambda sample: sample.name)
def test_a_sample_is_read_whole_and_written_as_it_is(sample: Sample) -> None:
    read = Serializer().parse(sample.content)

    assert (read.unreadable, dict(read.unrecognized)) == ((), {})
    assert Serializer().dump(read) == {name: value for name, value in sample.content.items() if value != []}
    assert json.loads(json.dumps(sample.content)) == sample.content


@pytest.mark.parametrize("kind", EventType)
def test_an_event_has_every_field_of_its_type(kind: EventType) -> None:
    read = Serializer().parse(named(EVERYTHING, f"event_processing_request/{kind}"))

    assert isinstance(read, EventProcessingRequest)
    (event,) = read.events
    names = type(event).model_fields.keys() - {"source_package"}  # of Android; the sample is of an iPhone
    assert event.type == kind
    assert [name for name in sorted(names) if getattr(event, name) in (None, "", (), {})] == []


def test_a_request_has_every_field_that_a_permission_allows_and_none_without_it() -> None:
    full = named(EVERYTHING, "event_processing_request/custom_event")
    bare = named(declaring(), "event_processing_request/custom_event")

    of_permissions = {
        "mpid", "user_identities", "partner_identities", "user_attributes", "user_attribute_lists", "consent_state",
        "platform_fields", "device_application_stamp",
    }  # fmt: skip
    assert full.keys() - bare.keys() == of_permissions
    assert "location" in full["events"][0]
    assert "location" not in bare["events"][0]
    allowed = {"identities", "client_ip_address", "http_header_user_agent", "os_version"}
    assert allowed <= full["runtime_environment"].keys()
    assert not allowed & bare["runtime_environment"].keys()


def test_a_hash_is_sent_where_a_hash_is_asked_for() -> None:
    asked = UserIdentityPermission(type=UserIdentityType.EMAIL, encoding=IdentityEncoding.SHA256)
    hashed = declaring().model_copy(update={"permissions": Permissions(user_identities=(asked,))})

    (identity,) = named(hashed, "event_processing_request/custom_event")["user_identities"]

    # printf jane.sample.31@example.com | sha256sum
    value = "3956210cb4c35ebc99a679d10ae1781ac339d871a733c8bef7a7802d4d7b4bc8"
    assert identity == {"type": "email", "encoding": "sha256", "value": value}


@pytest.mark.parametrize("kind", RuntimeEnvironmentType)
def test_a_device_has_the_identities_of_its_environment(kind: RuntimeEnvironmentType) -> None:
    of_kind = declaring(supported_runtime_environments=(kind,)).model_copy(
        update={"permissions": EVERYTHING.permissions}
    )

    device = named(of_kind, "event_processing_request/custom_event")["runtime_environment"]

    assert device["type"] == kind
    kinds = {each["type"] for each in device.get("identities", [])}
    own = {"android": "google_advertising_id", "ios": "ios_vendor_id", "roku": "roku_publisher_id"}
    foreign = {"android": "ios_vendor_id", "ios": "google_advertising_id", "mobileweb": "android_id"}
    assert own.get(kind, "") in {*kinds, ""}
    assert foreign.get(kind) not in kinds


def test_another_person_has_no_value_of_the_first() -> None:
    def values(person: int) -> set[str]:
        (event,) = [each for each in samples(EVERYTHING, person=person) if each.name.endswith("/push_subscription")]
        content: Any = event.content
        identities = [*content["user_identities"], *content["runtime_environment"]["identities"]]
        return {content["mpid"], content["events"][0]["token"], *(each["value"] for each in identities)}

    assert len(values(31)) > 20
    assert values(31) & values(77_777) == set()
    assert values(31) == values(31)


def test_an_erasure_names_the_person_by_every_identity_that_mparticle_forwards() -> None:
    erasure = named(EVERYTHING, "dsr_processing_request/erasure")
    further = erasure["extensions"]["opendsr.mparticle.com"]["subject_identities"]

    assert set(erasure["subject_identities"]) == {str(kind) for kind in DsrIdentityType}
    assert set(further) == {"other", *(f"other{n}" for n in range(2, 11)), "mobile_number", "phone_number_2",
                            "phone_number_3"}  # fmt: skip


def test_settings_are_text_that_fits_their_type_and_a_secret_is_obviously_none() -> None:
    declared = declaring(
        account_settings=(
            TextSetting(id="text"),
            TextSetting(id="choice", default_value="us"),
            TextSetting(id="secret", default_value="canary-secret", confidential=True),
            TextSetting(id="clé d'API", confidential=True),
            TextSetting(id="秘密", confidential=True),
            IntegerSetting(id="whole", min_value=5),
            FloatSetting(id="share", max_value=0.5),
            BooleanSetting(id="ticked", checked=True),
        ),
        event_connection_settings=(TextSetting(id="connection"),),
    )

    account = named(declared, "event_processing_request/custom_event", connection="given", unknown="canary-unknown")

    assert account["account"]["account_settings"] == {
        "text": "sample-text", "choice": "us", "secret": f"{FAKE_SECRET}-secret",
        "clé d'API": f"{FAKE_SECRET}-cl-d-API", "秘密": FAKE_SECRET, "whole": "5", "share": "0.5", "ticked": "True",
        "connection": "given",
    }  # fmt: skip


def test_a_new_audience_lacks_what_the_integration_fills_in_and_a_connected_one_has_it() -> None:
    added = named(EVERYTHING, "audience_subscription_request/add", kept="7")
    updated = named(EVERYTHING, "audience_subscription_request/update", kept="7")
    [profile] = named(EVERYTHING, "audience_membership_change_request/add", kept="7")["user_profiles"]

    assert added["audience_subscription_settings"] == {"entered": "sample-entered"}
    assert updated["audience_subscription_settings"] == {"kept": "7", "entered": "sample-entered"}
    assert profile["audiences"][0]["audience_subscription_settings"] == {"kept": "7", "entered": "sample-entered"}


def test_samples_are_the_same_each_time_unless_fresh_ones_are_asked_for() -> None:
    again = samples(EVERYTHING)
    fresh, fresher = samples(EVERYTHING, fresh=True), samples(EVERYTHING, fresh=True)

    assert again == samples(EVERYTHING)
    ids = [str(each.content["id"]) for each in [*again, *fresh, *fresher]]
    assert len(set(ids)) == len(ids)
    assert [each.name for each in fresh] == [each.name for each in again]


@pytest.mark.parametrize("folder", ROOMS)
def test_an_integration_gets_only_what_it_has_declared(folder: str) -> None:
    room = Room.of(folder)
    integration = room.integration()
    offered = samples(integration.declaration(), settings=known_settings(room))

    assert [(each.name, undeclared(integration, each.content)) for each in offered if each.content.get("events")] == [
        (each.name, []) for each in offered if each.content.get("events")
    ]


@pytest.mark.parametrize("folder", [each for each in ROOMS if Room.of(each).fake_api_folder.exists()])
def test_an_integration_makes_calls_of_each_sample_that_its_fake_api_accepts(folder: str) -> None:
    room, api = Room.of(folder), Room.of(folder).fake_api()
    integration = room.integration()
    offered = samples(integration.declaration(), settings=known_settings(room))

    calls = {each.name: calls_for(integration, each.content) for each in offered}

    assert {name: rules for name, made in calls.items() for call in made if (rules := broken_rules(api, call))} == {}
    without = {name for name, made in calls.items() if not made}
    quiet = {"module_registration_request", "event_processing_request/keep_alive",
             "audience_membership_change_request/keep_alive"}  # fmt: skip
    assert quiet <= without
    # An audience's name and end are nothing to some partners, who know it as an attribute or keep the list.
    assert {name.partition("/")[0] for name in without - quiet} <= {"audience_subscription_request"}


@pytest.mark.parametrize("folder", ROOMS)
def test_each_declared_event_is_in_a_call_unless_the_integration_leaves_it_out_on_purpose(folder: str) -> None:
    room = Room.of(folder)
    integration = room.integration()
    declaration = integration.declaration()
    assert declaration.event_processing_registration
    assert integration.events
    bare = declaration.model_copy(
        update={"permissions": declaration.permissions.model_copy(update={"allow_user_attributes": False})}
    ) if declaration.permissions else declaration  # fmt: skip

    ignored = set()
    for kind in declaration.event_processing_registration.supported_event_types:
        request = Serializer().parse(named(bare, f"event_processing_request/{kind}", **known_settings(room)))
        assert isinstance(request, EventProcessingRequest)
        if ("events", 0) not in {
            origin for item in integration.events(request) for origin in getattr(item, "covers", ())
        }:
            ignored.add(str(kind))

    assert ignored == IGNORED.get(folder, set())


def test_settings_of_an_integrations_own_requests_are_found_and_the_first_value_counts() -> None:
    account = {"account": {"account_settings": {"region": "eu", "unset": None}}}
    audience = {"audience_subscription_settings": {"kept": "7"}}
    profile = {"user_profiles": [None, {"audiences": [{"audience_subscription_settings": {"list": "8"}}]}]}

    found = values_in([account, audience, profile, {"account": {"account_settings": {"region": "us"}}}, {}])

    assert found == {"region": "eu", "kept": "7", "list": "8"}
