"""The registration as a form, in words, and compared with the accepted one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.cloud.running import Running
from local.cloud.sources import Sources
from local.inspector import registration as module
from local.inspector.app import Call
from local.inspector.overview import Overview
from local.inspector.registration import Registration
from local.registration.__main__ import declared
from local.rooms import Room
from mparticle_firehose.protocol import (
    EventType,
    IdentityEncoding,
    Permissions,
    SystemNotificationType,
    UserIdentityPermission,
    UserIdentityType,
)
from tests.conftest import SAMPLE


def shown(room: Room = SAMPLE) -> dict[str, Any]:
    return dict(Registration(room).show(Call()))


def accepted(folder: Path, content: object) -> Room:
    place = folder / "registration.json"
    place.write_text(content if isinstance(content, str) else json.dumps(content))
    return replace(SAMPLE, registration=place)


def test_settings_are_shown_where_customers_enter_them() -> None:
    settings = [(each["part"], each["scope"], each["id"], each["is_secret"]) for each in shown()["settings"]]

    assert settings == [
        ("Events", "account", "token", True),
        ("Audiences", "account", "token", True),
        ("Audiences", "subscription", "segmentId", False),
        ("Erasures", "account", "token", True),
    ]
    assert shown()["settings"][0] == {
        "part": "Events",
        "scope": "account",
        "id": "token",
        "name": "Token",
        "type": "text",
        "is_secret": True,
        "is_visible": True,
        "default": None,
        "help": None,
        "required": True,
        "min": None,
        "max": None,
    }


def test_permissions_and_types_are_in_words() -> None:
    found = shown()

    assert found["permissions"] == [
        "User identity email.",
        "User identity customer.",
        "Device identity ios_advertising_id.",
        "Device identity google_advertising_id.",
        "Partner identity Sample_UserId.",
        "mParticle's id of the user.",
        "User attributes, with events.",
        "The user attributes that customers choose, with changes of audiences.",
    ]
    assert len(found["event_types"]) == 18
    assert found["module"]["name"] == "Sample"
    assert found["json"]["type"] == "module_registration_response"


def test_a_required_and_hashed_identity_is_in_words() -> None:
    email = UserIdentityPermission(type=UserIdentityType.EMAIL, encoding=IdentityEncoding.SHA256, required=True)

    assert list(module._permissions(Permissions(user_identities=(email,)))) == [  # noqa: SLF001  a room of its own is much
        "User identity email, hashed with sha256. "
        "Required: of users who have none of the required identities, nothing is sent."
    ]


def test_there_are_words_for_every_permission_and_every_type() -> None:
    permissions = {name for name in Permissions.model_fields if name.startswith("allow_")}

    assert set(module._ALLOWED) == permissions  # noqa: SLF001  the table is what is tested
    assert set(module._EVENT_TYPES) == {*map(str, EventType), *map(str, SystemNotificationType)}  # noqa: SLF001


@pytest.mark.parametrize("content", [{}, "", "{", "[]"])
def test_without_an_accepted_registration_nothing_has_changed(tmp_path: Path, content: object) -> None:
    found = shown(accepted(tmp_path, content))

    assert (found["has_accepted"], found["changes"]) == (False, [])


def test_changes_say_whether_they_break_live_customers(tmp_path: Path) -> None:
    before = declared(SAMPLE) | {"name": "Former", "description": "of old"}
    found = shown(accepted(tmp_path, before))

    assert found["has_accepted"] is True
    assert found["changes"] == [
        {
            "level": "breaking",
            "sentence": "name: Former became Sample; customers know the integration by its name",
        },
        {"level": "compatible", "sentence": "description: removed"},
    ]


@pytest.mark.parametrize("folder", ["examples/braze", "examples/customerio", "examples/hubspot", "examples/iterable"])
def test_every_room_can_be_shown(folder: str) -> None:
    json.dumps(found := shown(Room.of(folder)))

    assert found["permissions"]
    assert found["settings"]


def test_the_overview_says_that_the_code_has_changed_since() -> None:
    deployed = [Sources.of(SAMPLE)]
    overview = Overview(
        room=SAMPLE, running=lambda: running(deployed[0]), endpoint="e", https="h", alias="a", partner_url="p"
    )
    fresh = overview.show(Call())
    deployed[0] = Sources(stack="another", fake_api=deployed[0].fake_api)

    assert (fresh["partner"], fresh["is_stale"], fresh["alias"]) == ("Sample", False, "a")
    assert fresh["deployed_at"] == "2025-10-09T08:53:20.000+00:00"
    assert overview.show(Call())["is_stale"] is True


def running(sources: Sources) -> Running:
    return Running(
        process=1,
        endpoint="e",
        http_endpoint="h",
        partner="p",
        inspector="i",
        outputs={},
        room="",
        home="",
        sources=sources,
        deployed_at=1_760_000_000.0,
    )
