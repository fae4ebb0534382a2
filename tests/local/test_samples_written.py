"""make samples writes requests that fit a registration, and leaves files alone that are there."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from local.isolation import ROOT
from local.preview.__main__ import main as preview
from local.samples.__main__ import main
from mparticle_firehose.protocol import Serializer

ONE_TYPE = """
from mparticle_firehose.integration import Integration
from mparticle_firehose.protocol import (
    EventProcessingRegistration, EventType, ModuleRegistrationResponse, RuntimeEnvironmentType, declare
)


def registration():
    events = EventProcessingRegistration(
        supported_event_types=(EventType.SCREEN_VIEW,), supported_runtime_environments=tuple(RuntimeEnvironmentType)
    )
    return declare(
        ModuleRegistrationResponse(name="{name}", version="1", event_processing_registration=events),
        handled_events=(EventType.SCREEN_VIEW,),
    )


INTEGRATION = Integration(registration=registration, events=lambda _: ())
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Return a room like the sample integration's, without requests."""
    for name in ("partner", "fake_api"):
        shutil.copytree(ROOT / "tests" / "sample" / name, tmp_path / name)
    return tmp_path


def written(room: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(room / "events")): json.loads(path.read_text()) for path in room.glob("events/**/*.json")
    }


def test_every_kind_of_request_is_written_with_single_events_apart(room: Path) -> None:
    assert main(["--partner", str(room)]) == 0

    found = written(room)
    assert len([name for name in found if name.startswith("types/")]) == 16
    assert {
        "module_registration_request.json",
        "event_processing_request_all_events.json",
        "event_processing_request_keep_alive.json",
        "audience_subscription_request_add.json",
        "audience_membership_change_request_delete.json",
        "dsr_processing_request_erasure.json",
        "types/product_action.json",
    } <= set(found)
    assert [Serializer().parse(content).type for content in found.values()] == [
        content["type"] for content in found.values()
    ]


def test_make_preview_takes_what_is_written(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--partner", str(room)])
    capsys.readouterr()

    assert preview(["--partner", str(room)]) == 0
    assert "no rule is broken" in capsys.readouterr().out


def test_files_that_are_there_stay_and_their_settings_are_those_of_the_new_ones(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"type": "event_processing_request", "account": {"account_settings": {"token": "canary-token-of-ours"}}}
    (room / "events").mkdir()
    (room / "events" / "event_processing_request_all_events.json").write_text(json.dumps(own))

    assert main(["--partner", str(room)]) == 0

    found = written(room)
    assert found["event_processing_request_all_events.json"] == own
    assert found["types/custom_event.json"]["account"]["account_settings"]["token"] == "canary-token-of-ours"
    assert "; 1 file was there already, and stays." in capsys.readouterr().out


def test_the_only_type_of_event_is_a_request_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "partner").mkdir()
    (tmp_path / "partner" / "__init__.py").touch()
    (tmp_path / "partner" / "integration.py").write_text(ONE_TYPE.replace("{name}", "One"))

    assert main(["--partner", str(tmp_path)]) == 0

    assert set(written(tmp_path)) == {
        "module_registration_request.json",
        "event_processing_request_keep_alive.json",
        "event_processing_request_screen_view.json",
    }


def test_a_registration_that_breaks_a_rule_is_named_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "partner").mkdir()
    (tmp_path / "partner" / "__init__.py").touch()
    (tmp_path / "partner" / "integration.py").write_text(ONE_TYPE.replace("{name}", ""))

    assert main(["--partner", str(tmp_path)]) == 2

    problem = capsys.readouterr().err
    assert problem.startswith("your code cannot be loaded: ")
    assert "integration.py, line" in problem
    assert "name must not be blank" in problem
