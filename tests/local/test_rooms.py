"""A room is found by its folder, loaded under a private name, and says what it lacks."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.isolation import ROOT, LocalCloudError
from local.rooms import Room

INTEGRATION = """
from mparticle_firehose.integration import Integration
from .account import NAME
def registration():
    raise NotImplementedError(NAME)
INTEGRATION = Integration(registration=registration)
"""
FAKE_API = """
from .state import State
class FakeApi:
    document = {}
    def __init__(self):
        self.state = State()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a complete room."""
    files = {
        "partner/__init__.py": "",
        "partner/account.py": f"NAME = {str(tmp_path)!r}\n",
        "partner/integration.py": INTEGRATION,
        "fake_api/__init__.py": FAKE_API,
        "fake_api/state.py": "class State: ...\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_without_a_folder_it_is_the_users_own() -> None:
    own = Room.of()

    assert own.is_own
    assert own == Room(
        partner=ROOT / "src" / "partner",
        fake_api_folder=ROOT / "tests" / "partner" / "fake_api",
        events=ROOT / "events",
        registration=ROOT / "registration.json",
    )


def test_a_folder_holds_everything_of_an_example(folder: Path) -> None:
    example = Room.of(str(folder))

    assert not example.is_own
    assert example == Room(
        partner=folder / "partner",
        fake_api_folder=folder / "fake_api",
        events=folder / "events",
        registration=folder / "registration.json",
    )


def test_rooms_are_loaded_side_by_side_and_their_modules_import_each_other(folder: Path) -> None:
    other, own = Room.of(str(folder)), Room.of()

    with pytest.raises(NotImplementedError, match=folder.name):
        other.integration().registration()
    assert own.integration().registration().name != ""
    assert other.integration() is other.integration()
    assert not any(name == "integration" for name in sys.modules)


def test_each_fake_api_is_a_new_one(folder: Path) -> None:
    room = Room.of(str(folder))

    first, second = room.fake_api(), room.fake_api()

    assert type(first) is type(second)
    assert first is not second


@pytest.mark.parametrize(
    ("spoil", "load", "complaint"),
    [
        pytest.param("partner/integration.py", Room.integration, r"partner/integration\.py is missing$", id="module"),
        pytest.param(
            "partner/__init__.py", Room.integration, r"partner is not a package: __init__\.py is missing", id="package"
        ),
        pytest.param(
            "fake_api/__init__.py",
            Room.fake_api,
            r"no fake API: .*fake_api/__init__\.py must define",
            id="fake-api",
        ),
    ],
)
def test_a_file_that_is_missing_is_named(
    folder: Path, spoil: str, load: Callable[[Room], object], complaint: str
) -> None:
    (folder / spoil).unlink()

    with pytest.raises(LocalCloudError, match=complaint):
        load(Room.of(str(folder)))


@pytest.mark.parametrize(
    ("file", "content", "load", "complaint"),
    [
        pytest.param("partner/integration.py", "", Room.integration, "does not define INTEGRATION", id="no-value"),
        pytest.param(
            "partner/integration.py",
            "INTEGRATION = 1",
            Room.integration,
            "does not define INTEGRATION",
            id="other-value",
        ),
        pytest.param("fake_api/__init__.py", "", Room.fake_api, "does not define FakeApi", id="no-class"),
    ],
)
def test_a_value_that_is_missing_is_named(
    folder: Path, file: str, content: str, load: Callable[[Room], object], complaint: str
) -> None:
    (folder / file).write_text(content)

    with pytest.raises(LocalCloudError, match=complaint):
        load(Room.of(str(folder)))


def test_a_folder_without_an_integration_is_no_room() -> None:
    with pytest.raises(LocalCloudError, match=r"^docs holds no integration: docs/partner/integration\.py is missing$"):
        Room.of("docs")


def test_without_files_for_the_local_cloud_there_are_no_parameters_and_no_secrets(folder: Path) -> None:
    room = Room.of(str(folder))

    assert (room.parameters, room.deployment_secret) == ({}, {})


def test_parameters_and_secrets_of_the_local_cloud_are_beside_the_fake_api(folder: Path) -> None:
    (folder / "parameters.json").write_text('{"EventBatchWindowSeconds": "1"}')
    (folder / "deployment_secret.json").write_text('{"client_secret": "canary-client-secret"}')

    room = Room.of(str(folder))

    assert room.parameters == {"EventBatchWindowSeconds": "1"}
    assert room.deployment_secret == {"client_secret": "canary-client-secret"}
    assert "canary" not in repr(room)


@pytest.mark.parametrize("content", ["", "[]", '{"EventBatchWindowSeconds": 1}', '{"a": {"b": "c"}}'])
def test_what_is_no_object_of_texts_is_refused_by_the_name_of_the_file(folder: Path, content: str) -> None:
    (folder / "parameters.json").write_text(content)

    with pytest.raises(LocalCloudError, match=r"/parameters\.json must be a JSON object of texts$"):
        _ = Room.of(str(folder)).parameters


def test_a_room_that_cannot_be_imported_is_tried_again(folder: Path) -> None:
    (folder / "fake_api" / "__init__.py").write_text("raise ValueError('not now')")
    with pytest.raises(ValueError, match="not now"):
        Room.of(str(folder)).fake_api()

    (folder / "fake_api" / "__init__.py").write_text(FAKE_API)

    assert Room.of(str(folder)).fake_api().document == {}


def test_an_edited_fake_api_is_read_anew_and_knows_nothing(folder: Path) -> None:
    room = Room.of(str(folder))
    earlier = room.fake_api()
    (folder / "fake_api" / "state.py").write_text("class State:\n    edited = True\n")

    same, new = room.fake_api(), room.reloaded_fake_api()

    assert [hasattr(api.state, "edited") for api in (earlier, same, new)] == [False, False, True]  # type: ignore[attr-defined]  # its own
    assert hasattr(room.fake_api().state, "edited")  # type: ignore[attr-defined]  # its own


def test_a_fake_api_that_cannot_be_read_anew_stays(folder: Path) -> None:
    room = Room.of(str(folder))
    room.fake_api()
    (folder / "fake_api" / "state.py").write_text("class State:\n    this is no Python\n")

    with pytest.raises(SyntaxError):
        room.reloaded_fake_api()

    assert room.fake_api() is not None
