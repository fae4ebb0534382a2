"""What the reference partner declares."""

import json
from pathlib import Path

import pytest

from local.registration.changes import consequence, differences
from mparticle_firehose.protocol import DsrType, ModuleRegistrationResponse, RuntimeEnvironmentType, Serializer, declare
from partner.audiences import PARTNER_AUDIENCE_ID
from partner.events import EVENT_MAPPINGS, NOTIFICATION_MAPPINGS
from partner.integration import INTEGRATION
from partner.registration import partner_identities, registration

serializer = Serializer()
SNAPSHOT = Path(__file__).parent / "snapshots" / "registration.json"
REGISTRATION = registration()


def with_cookie_sync_id(*, on: bool) -> ModuleRegistrationResponse:
    permissions = REGISTRATION.permissions
    assert permissions
    identities = {"partner_identities": partner_identities(cookie_sync_id=on)}
    return REGISTRATION.model_copy(update={"permissions": permissions.model_copy(update=identities)})


def test_the_declaration_survives_the_wire() -> None:
    response = registration()

    assert serializer.parse_response(serializer.dumps(response)) == response


def test_each_answer_is_a_message_of_its_own_with_the_same_declaration() -> None:
    first, second = INTEGRATION.declaration(), INTEGRATION.declaration()

    assert first.id != second.id
    assert first.model_dump(exclude={"id", "timestamp_ms"}) == REGISTRATION.model_dump(exclude={"id", "timestamp_ms"})


def test_exactly_the_mapped_events_and_notifications_are_declared() -> None:
    events = REGISTRATION.event_processing_registration

    assert events is not None
    assert events.supported_event_types == tuple(EVENT_MAPPINGS)
    assert events.supported_system_notification_types == tuple(NOTIFICATION_MAPPINGS)
    assert events.supported_runtime_environments == tuple(RuntimeEnvironmentType)


def test_the_key_is_asked_for_wherever_a_call_needs_it_and_masked() -> None:
    declared = serializer.dump(REGISTRATION)
    key = {
        "type": "text",
        "id": "apiKey",
        "name": "API key",
        "description": "The secret key from the settings page of your Acme Engage project.",
        "visible": True,
        "required": True,
        "confidential": True,
    }

    for kind in ("event", "audience", "dsr"):
        section = declared[f"{kind}_processing_registration"]
        assert isinstance(section, dict)
        assert section["account_settings"] == [key]


def test_the_setting_that_subscriptions_return_is_declared_and_hidden_from_customers() -> None:
    audiences = REGISTRATION.audience_processing_registration

    assert audiences is not None
    assert [(s.id, s.visible) for s in audiences.audience_subscription_settings] == [(PARTNER_AUDIENCE_ID, False)]


def test_erasures_are_declared_with_a_domain() -> None:
    dsr = REGISTRATION.dsr_processing_registration

    assert dsr is not None
    assert (dsr.supported_dsr_types, dsr.domain) == ((DsrType.ERASURE,), "acme-engage.example")


@pytest.mark.parametrize(
    ("on", "types"), [(False, ["AcmeEngage_UserId"]), (True, ["AcmeEngage_UserId", "$cookie_sync_id"])], ids=str
)
def test_the_id_of_the_cookie_sync_is_asked_for_beside_the_partners_own_if_it_is_wanted(
    on: bool, types: list[str]
) -> None:
    declared = serializer.dump(
        declare(with_cookie_sync_id(on=on), handled_events=EVENT_MAPPINGS, handled_notifications=NOTIFICATION_MAPPINGS)
    )

    permissions = declared["permissions"]
    assert isinstance(permissions, dict)
    assert permissions["partner_identities"] == [{"type": name, "encoding": "raw", "required": False} for name in types]


def test_asking_for_the_id_of_the_cookie_sync_leaves_live_customers_as_they_are() -> None:
    found = differences(json.loads(SNAPSHOT.read_text()), serializer.dump(with_cookie_sync_id(on=True)))

    assert [(each.path, consequence(each)) for each in found] == [
        ("permissions.partner_identities[$cookie_sync_id]", None)
    ]
