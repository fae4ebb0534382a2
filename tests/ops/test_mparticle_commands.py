"""`mparticle verify` prints what mParticle has of the module, and a line for each difference from the registration."""

import io
import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from local.mparticle.platform_api import Resource
from mparticle_firehose.protocol import ModuleRegistrationResponse
from ops.__main__ import main
from ops.mparticle.commands import verify
from ops.mparticle.verification import Scope
from tests.ops.mparticle_account import CLIENT_ID, CLIENT_SECRET, REGISTRATION, Account

CANARIES = ("canary", "fake-access-token", "********")
CONNECTIONS = "/apps/9/platforms/iOS/services"
FEEDS = "/workspace/77/partnerfeeds"

type Change = Callable[[dict[str, Resource]], None]


def printed_by(account: Account, *, registration: dict[str, Any] = REGISTRATION, **scope: str) -> tuple[int, str]:
    """Run the command, and return its exit status and what it printed."""
    text = io.StringIO()
    out = Console(file=text, width=200, highlight=False)
    model = ModuleRegistrationResponse.model_validate(registration)
    status = verify(account.api(), model, Scope(**{"workspace": "77", **scope}), out)
    return status, text.getvalue()


def lines_of_differences(text: str) -> list[str]:
    """Return what follows the facts and the table of audiences."""
    return text.rstrip("\n").split("\n\n")[-1].splitlines()


def test_a_module_as_registered_is_shown_without_names_and_values(account: Account) -> None:
    status, text = printed_by(account, app="9", os="iOS")

    assert status == 0
    assert [line.rstrip() for line in text.splitlines()] == [
        "module          Sample Module",
        "workspace       77",
        "visible         yes",
        "settings        3 settings at mParticle, 2 registered for customers",
        "configurations  4302",
        "audiences       1",
        "connection      active",
        "feed            501, unbound, development data, created 2014-11-14 22:46",
        "",
        "  Audience   Users   Added in 24 h   Dropped in 24 h   Status   Created (UTC)",
        " ────────────────────────────────────────────────────────────────────────────────",
        "  1001        1520              12                 3   Ready    2014-11-14 22:46",
        "",
        "",
        "No differences.",
    ]
    assert not any(canary in text for canary in CANARIES)


def settings_of_module(resources: dict[str, Resource]) -> list[dict[str, object]]:
    _, module = cast("list[dict[str, Any]]", resources["/services"].data)
    return cast("list[dict[str, object]]", module["settings"])


def setting(name: str, /, **changes: object) -> Change:
    """Change a setting of the module at mParticle; without changes it is removed."""

    def change(resources: dict[str, Resource]) -> None:
        settings = settings_of_module(resources)
        for listed in [each for each in settings if each["name"] == name]:
            listed.update(changes) if changes else settings.remove(listed)

    return change


def added_setting(resources: dict[str, Resource]) -> None:
    settings_of_module(resources).append({"name": "Old key", "type": "text", "is_required": False})


def replaced(path: str, *entities: dict[str, object]) -> Change:
    def change(resources: dict[str, Resource]) -> None:
        resources[path] = Resource(list(entities))

    return change


def removed(path: str) -> Change:
    def change(resources: dict[str, Resource]) -> None:
        del resources[path]

    return change


CONNECTION = {"name": "Sample Module", "isActive": True, "settings": []}
DIFFERENCES: list[tuple[str, Change, str]] = [
    (
        "invisible",
        replaced("/services", {"name": "Another Module"}),
        "module: the account does not see it. Ask mParticle to import the registration, or to enable the module.",
    ),
    (
        "missing-setting",
        setting("API key"),
        "setting apiKey: it is in the registration and not at mParticle. Ask mParticle to import the registration "
        "again.",
    ),
    (
        "type",
        setting("Batch size", type="String"),
        "setting batch: its type is integer in the registration and String at mParticle. Ask mParticle to import the "
        "registration again.",
    ),
    (
        "required",
        setting("Batch size", is_required=True),
        "setting batch: it is optional in the registration and required at mParticle. Ask mParticle to import the "
        "registration again.",
    ),
    (
        "optional",
        setting("API key", is_required=False),
        "setting apiKey: it is required in the registration and optional at mParticle. Ask mParticle to import the "
        "registration again.",
    ),
    (
        "additional-setting",
        added_setting,
        "setting Old key: it is at mParticle and not in the registration. Ask mParticle to import the registration "
        "again. If customers use it, register it.",
    ),
    (
        "no-configuration",
        replaced("/workspace/77/Sample Module/serviceconfigurations"),
        "configuration: the workspace has none of the module. Add the module under Setup > Outputs.",
    ),
    (
        "configurations-not-found",
        removed("/workspace/77/Sample Module/serviceconfigurations"),
        "configuration: the workspace has none of the module. Add the module under Setup > Outputs.",
    ),
    (
        "no-audience",
        replaced("/workspace/77/audiences", {"id": 7, "connected_outputs": [{"provider_name": "Another Module"}]}),
        "audiences: none is connected to the module. Connect an audience to the module under Audiences.",
    ),
    (
        "no-connection",
        replaced(CONNECTIONS, {"name": "Another Module"}),
        "connection of app 9, iOS: there is none to the module. Connect the platform to it under Connections.",
    ),
    (
        "inactive",
        replaced(CONNECTIONS, {**CONNECTION, "isActive": False}),
        "connection of app 9, iOS: it is not active. Set its status to active under Connections.",
    ),
    (
        "no-value",
        replaced(CONNECTIONS, {**CONNECTION, "settings": [{"name": "API key", "value": ""}]}),
        "connection of app 9, iOS: the required setting apiKey has no value. Enter it in the configuration.",
    ),
    (
        "no-feed",
        replaced(FEEDS, {"id": 502, "name": "f", "module_name": "Another Module"}),
        "feed: the workspace has none. Add the feed under Setup > Inputs > Feeds.",
    ),
]


@pytest.mark.parametrize(("change", "line"), [pytest.param(*row, id=name) for name, *row in DIFFERENCES])
def test_each_difference_is_a_line_with_what_to_do(account: Account, change: Change, line: str) -> None:
    change(account.mparticle.platform.resources)

    status, text = printed_by(account, app="9", os="iOS", feed="Sample Module")

    assert (status, lines_of_differences(text)) == (1, [line, "1 difference."])
    assert not any(canary in text for canary in CANARIES)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(setting("API key", name="apiKey"), id="listed-by-id"),
        pytest.param(setting("API key", type="STRING"), id="another-word-for-text"),
        pytest.param(setting("API key", type=None, is_required=None), id="not-told"),
        pytest.param(setting("Debug"), id="connection-setting-not-listed"),
        pytest.param(
            replaced(CONNECTIONS, {**CONNECTION, "settings": [{"name": "API key", "value": "****"}]}), id="starred"
        ),
        pytest.param(replaced(FEEDS), id="no-feed-asked-for"),
    ],
)
def test_what_may_differ_is_no_difference(account: Account, change: Change) -> None:
    change(account.mparticle.platform.resources)

    status, text = printed_by(account, app="9", os="iOS")

    assert (status, lines_of_differences(text)) == (0, ["No differences."])


def test_without_audiences_in_the_registration_none_need_be_connected(account: Account) -> None:
    replaced("/workspace/77/audiences")(account.mparticle.platform.resources)
    events_only = {**REGISTRATION, "audience_processing_registration": None}

    assert printed_by(account, registration=events_only)[0] == 0


def test_a_feed_shows_its_platform_and_what_data_it_takes(account: Account) -> None:
    feed = {"id": 502, "module_name": "Sample Module Feed", "os": "iOS", "is_debug": False}
    replaced(FEEDS, feed)(account.mparticle.platform.resources)

    status, text = printed_by(account, feed="Sample Module Feed")

    assert status == 0
    assert "feed            502, acts as iOS, production data, created -  " in text


def test_a_workspace_is_found_by_its_name_too(account: Account) -> None:
    status, text = printed_by(account, workspace="canary-workspace")

    assert (status, "canary" in text) == (0, False)


@pytest.mark.parametrize(
    ("entities", "workspace", "line"),
    [
        pytest.param(
            [{"id": 77, "name": "canary"}, {"id": "78"}],
            "7",
            "No workspace of the account has this id or name. The account has: 77, 78.",
            id="unknown",
        ),
        pytest.param(
            [{"id": 77, "name": "canary"}, {"id": 78, "name": "canary"}],
            "canary",
            "Several workspaces of the account have this name: use an id. The account has: 77, 78.",
            id="ambiguous",
        ),
        pytest.param(
            [], "77", "No workspace of the account has this id or name. The account has: none.", id="no-workspaces"
        ),
    ],
)
def test_a_workspace_that_is_not_found_ends_the_command_with_the_ids_there_are(
    account: Account, entities: list[dict[str, object]], workspace: str, line: str
) -> None:
    replaced("/workspace", *entities)(account.mparticle.platform.resources)

    assert printed_by(account, workspace=workspace) == (1, f"{line}\n")


def test_control_characters_do_not_reach_the_terminal(account: Account) -> None:
    replaced("/workspace/77/audiences", {"id": "7\x1b[2J", "connected_outputs": [{"provider_name": "Sample Module"}]})(
        account.mparticle.platform.resources
    )

    _, text = printed_by(account)

    assert "\x1b" not in text
    assert "7?[2J" in text


# The command line


@pytest.fixture
def arguments(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("MPARTICLE_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("MPARTICLE_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("MPARTICLE_ACCOUNT_ID", "4242")
    file = tmp_path / "registration.json"
    file.write_text(json.dumps(REGISTRATION))
    options = ["--registration", str(file), "--endpoint-url", account.mparticle.url]
    return ["mparticle", "verify", "--workspace", "77", *options]


def test_the_command_needs_no_aws(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--app", "9", "--os", "iOS"]) == 0

    printed = capsys.readouterr()
    assert printed.out.endswith("\nNo differences.\n")
    assert not any(canary in printed.out + printed.err for canary in CANARIES)


def test_differences_are_exit_status_1(
    arguments: list[str], account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    setting("API key")(account.mparticle.platform.resources)

    assert main(arguments) == 1
    assert capsys.readouterr().out.endswith("\n1 difference.\n")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        pytest.param(
            "MPARTICLE_CLIENT_SECRET", "", "set MPARTICLE_CLIENT_SECRET in the environment", id="missing-variable"
        ),
        pytest.param(
            "MPARTICLE_CLIENT_SECRET",
            "canary-wrong",
            "mParticle refuses the credential (403): check MPARTICLE_CLIENT_ID and MPARTICLE_CLIENT_SECRET",
            id="wrong-secret",
        ),
        pytest.param(
            "MPARTICLE_ACCOUNT_ID", "canary", "workspaces: not found, or not in this account", id="foreign-account"
        ),
    ],
)
def test_a_failure_is_exit_status_2_and_one_sentence(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    name: str,
    value: str,
    text: str,
) -> None:
    monkeypatch.setenv(name, value)

    assert main(arguments) == 2
    assert capsys.readouterr() == ("", f"Failed: {text}.\n")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("{}", "holds no registration yet: make registration-accept writes it", id="not-accepted"),
        pytest.param("[", "cannot be read: make registration-accept writes it", id="no-json"),
        pytest.param("[]", "cannot be read: make registration-accept writes it", id="no-object"),
        pytest.param(None, "cannot be read: make registration-accept writes it", id="no-file"),
    ],
)
def test_without_an_accepted_registration_there_is_nothing_to_compare(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], *, content: str | None, text: str
) -> None:
    file = tmp_path / "registration.json"
    file.unlink() if content is None else file.write_text(content)

    assert main(arguments) == 2
    assert capsys.readouterr().err == f"Failed: registration.json {text}.\n"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param(["--app", "9"], "--app and --os belong together", id="app"),
        pytest.param(["--os", "iOS"], "--app and --os belong together", id="os"),
        pytest.param(
            ["--endpoint-url", "http://canary.example"],
            "the URL of mParticle must start with https:// (http:// only for this machine itself)",
            id="url",
        ),
    ],
)
def test_wrong_options_are_explained(
    arguments: list[str], capsys: pytest.CaptureFixture[str], options: list[str], text: str
) -> None:
    assert main([*arguments, *options]) == 2
    assert capsys.readouterr().err == f"Failed: {text}.\n"


def test_ctrl_c_ends_a_call_that_hangs(
    arguments: list[str], account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.mparticle.script("/v1", ["hang"])
    main_thread = threading.get_ident()

    def press_once_it_hangs() -> None:
        while not account.asked("/v1/workspace"):
            time.sleep(0.01)
        signal.pthread_kill(main_thread, signal.SIGINT)

    user = threading.Thread(target=press_once_it_hangs)
    user.start()
    status = main(arguments)
    user.join()

    assert (status, capsys.readouterr()) == (130, ("", "Interrupted.\n"))


@pytest.mark.parametrize("secret", ["--client-secret", "--client-id", "--account-id"])
def test_no_option_takes_a_credential(arguments: list[str], capsys: pytest.CaptureFixture[str], secret: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, secret, "x"])

    assert stopped.value.code == 2
    assert f"unrecognized arguments: {secret}" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["mparticle"], ["mparticle", "verify"]], ids=["group", "verify"])
def test_the_commands_have_help_texts(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])

    assert stopped.value.code == 0
    assert "MPARTICLE_CLIENT_SECRET" in capsys.readouterr().out
