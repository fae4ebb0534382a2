"""What a change of the registration would do to customers who are live is known before it is deployed."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from local.registration.__main__ import accept, check, declared
from local.registration.changes import consequence, differences
from local.rooms import Room
from tests.conftest import Json

type Change = Callable[[Json], object]

SAMPLE = Room.of("tests/sample")
EVENTS = "event_processing_registration"
API_KEY = f"{EVENTS}.account_settings[token]"


def before() -> Json:
    """Return a registration in which everything that can change is set."""
    return {
        "type": "module_registration_response",
        "id": "1",
        "timestamp_ms": 1,
        "name": "Sample",
        "description": "Old",
        "version": "1.0",
        "permissions": {
            "user_identities": [{"type": "email", "encoding": "raw", "required": False}],
            "device_identities": [{"type": "ios_advertising_id", "encoding": "raw", "required": True}],
            "partner_identities": [{"type": "Sample_Id", "encoding": "raw", "required": False}],
            "allow_access_mpid": True,
        },
        EVENTS: {
            "account_settings": [setting("token", required=False, confidential=True), number("limit")],
            "supported_event_types": ["custom_event", "screen_view"],
            "supported_runtime_environments": ["ios", "android"],
            "supported_system_notification_types": ["gdpr_consent_state"],
            "max_data_age_hours": 24,
            "push_messaging_provider_id": "sample",
        },
        "audience_processing_registration": {
            "account_settings": [setting("token", required=False, confidential=True)],
            "audience_subscription_settings": [{**setting("audience"), "visible": False}],
        },
        "dsr_processing_registration": {"supported_dsr_types": ["erasure"], "domain": "sample.example"},
    }


def setting(name: str, *, required: bool = False, confidential: bool = False) -> Json:
    common = {"type": "text", "id": name, "name": "Label", "visible": True}
    return {**common, "required": required, "confidential": confidential}


def number(name: str) -> Json:
    common = {"type": "integer", "id": name, "name": "Label", "visible": True}
    return {**common, "required": True, "min_value": 1, "max_value": 9}


def put(value: object, *path: str | int) -> Change:
    """Return a change that puts a value where a path leads."""

    def change(registration: Json) -> None:
        node = registration
        for key in path[:-1]:
            node = node[key]  # type: ignore[index]  # lists have numbers, objects have names
        node[path[-1]] = value  # type: ignore[index]  # as above

    return change


def drop(*path: str | int) -> Change:
    """Return a change that removes what a path leads to."""

    def change(registration: Json) -> None:
        node = registration
        for key in path[:-1]:
            node = node[key]  # type: ignore[index]  # as in put
        del node[path[-1]]  # type: ignore[arg-type]  # as in put

    return change


def add(value: object, *path: str | int) -> Change:
    """Return a change that adds to the list a path leads to."""

    def change(registration: Json) -> None:
        node = registration
        for key in path:
            node = node[key]  # type: ignore[index]  # as in put
        node.append(value)  # type: ignore[attr-defined]  # it is a list

    return change


BREAKING: list[tuple[str, Change, str]] = [
    ("required-setting-added", add(setting("region", required=True), EVENTS, "account_settings"),
     f"{EVENTS}.account_settings[region]"),
    ("setting-removed", drop(EVENTS, "account_settings", 0), API_KEY),
    ("last-setting-removed", drop("audience_processing_registration", "account_settings"),
     "audience_processing_registration.account_settings[token]"),
    ("setting-renamed", put("key", EVENTS, "account_settings", 0, "id"), API_KEY),
    ("setting-becomes-required", put(True, EVENTS, "account_settings", 0, "required"), f"{API_KEY}.required"),
    ("setting-of-another-type", put("integer", EVENTS, "account_settings", 0, "type"), f"{API_KEY}.type"),
    ("setting-hidden", put(False, EVENTS, "account_settings", 0, "visible"), f"{API_KEY}.visible"),
    ("secret-shown", put(False, EVENTS, "account_settings", 0, "confidential"), f"{API_KEY}.confidential"),
    ("least-value-raised", put(2, EVENTS, "account_settings", 1, "min_value"),
     f"{EVENTS}.account_settings[limit].min_value"),
    ("most-value-lowered", put(8, EVENTS, "account_settings", 1, "max_value"),
     f"{EVENTS}.account_settings[limit].max_value"),
    ("bound-added", put(1, EVENTS, "account_settings", 0, "max_value"), f"{API_KEY}.max_value"),
    ("partner-identity-removed", put([], "permissions", "partner_identities"),
     "permissions.partner_identities[Sample_Id]"),
    ("partner-identity-renamed", put("Sample_User", "permissions", "partner_identities", 0, "type"),
     "permissions.partner_identities[Sample_Id]"),
    ("user-identity-removed", drop("permissions", "user_identities"), "permissions.user_identities[email]"),
    ("identity-encoded-otherwise", put("sha256", "permissions", "user_identities", 0, "encoding"),
     "permissions.user_identities[email].encoding"),
    ("identity-becomes-required", put(True, "permissions", "user_identities", 0, "required"),
     "permissions.user_identities.required"),
    ("required-identity-added",
     add({"type": "customer", "encoding": "raw", "required": True}, "permissions", "user_identities"),
     "permissions.user_identities.required"),
    ("permission-withdrawn", drop("permissions", "allow_access_mpid"), "permissions.allow_access_mpid"),
    ("event-type-removed", drop(EVENTS, "supported_event_types", 0), f"{EVENTS}.supported_event_types[custom_event]"),
    ("environment-removed", drop(EVENTS, "supported_runtime_environments", 1),
     f"{EVENTS}.supported_runtime_environments[android]"),
    ("notification-removed", drop(EVENTS, "supported_system_notification_types"),
     f"{EVENTS}.supported_system_notification_types[gdpr_consent_state]"),
    ("erasures-removed", drop("dsr_processing_registration", "supported_dsr_types", 0),
     "dsr_processing_registration.supported_dsr_types[erasure]"),
    ("younger-events-only", put(12, EVENTS, "max_data_age_hours"), f"{EVENTS}.max_data_age_hours"),
    ("push-provider-renamed", put("other", EVENTS, "push_messaging_provider_id"),
     f"{EVENTS}.push_messaging_provider_id"),
    ("events-given-up", drop(EVENTS), EVENTS),
    ("consent-flow-added", put({"type": "oauth2"}, EVENTS, "authentication"), f"{EVENTS}.authentication"),
    ("renamed", put("Sample Two", "name"), "name"),
    ("something-new", put("x", "unheard_of"), "unheard_of"),
]  # fmt: skip

HARMLESS: list[tuple[str, Change]] = [
    ("nothing", lambda registration: None),
    ("always-new", put("2", "id")),
    ("described-otherwise", put("New", "description")),
    ("new-version", put("1.1", "version")),
    ("optional-setting-added", add(setting("region"), EVENTS, "account_settings")),
    ("first-connection-setting", put([setting("stream")], EVENTS, "event_connection_settings")),
    ("setting-labelled-otherwise", put("Key", EVENTS, "account_settings", 0, "name")),
    ("setting-explained", put("Where to find it", EVENTS, "account_settings", 0, "description")),
    ("default-added", put("x", EVENTS, "account_settings", 0, "default_value")),
    ("setting-no-longer-required", put(False, EVENTS, "account_settings", 1, "required")),
    ("setting-shown", put(True, "audience_processing_registration", "audience_subscription_settings", 0, "visible")),
    ("setting-becomes-secret", put(True, "audience_processing_registration", "audience_subscription_settings", 0,
                                   "confidential")),
    ("bounds-widened", put(0, EVENTS, "account_settings", 1, "min_value")),
    ("bound-removed", drop(EVENTS, "account_settings", 1, "max_value")),
    ("settings-in-another-order", lambda registration: registration[EVENTS]["account_settings"].reverse()),
    ("events-in-another-order", lambda registration: registration[EVENTS]["supported_event_types"].reverse()),
    ("identity-added", add({"type": "customer", "encoding": "raw"}, "permissions", "user_identities")),
    ("identity-no-longer-required", put(False, "permissions", "device_identities", 0, "required")),
    ("permission-added", put(True, "permissions", "allow_consent_state")),
    ("event-type-added", add("error", EVENTS, "supported_event_types")),
    ("environment-added", add("roku", EVENTS, "supported_runtime_environments")),
    ("older-events-too", put(48, EVENTS, "max_data_age_hours")),
    ("events-of-any-age", put(-1, EVENTS, "max_data_age_hours")),
]  # fmt: skip


def changed(change: Change) -> Json:
    registration = copy.deepcopy(before())
    change(registration)
    return registration


def breaking(old: Json, new: Json) -> list[str]:
    return [difference.path for difference in differences(old, new) if consequence(difference) is not None]


@pytest.mark.parametrize(("change", "path"), [pytest.param(c, path, id=name) for name, c, path in BREAKING])
def test_a_change_that_breaks_live_customers_is_named(change: Change, path: str) -> None:
    assert breaking(before(), changed(change)) == [path]


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in HARMLESS])
def test_a_change_that_leaves_live_customers_as_they_are_is_tolerated(change: Change) -> None:
    assert breaking(before(), changed(change)) == []


def test_taking_up_something_new_is_harmless_even_with_required_settings() -> None:
    old = changed(drop("dsr_processing_registration"))
    new = changed(put([setting("key", required=True)], "dsr_processing_registration", "account_settings"))
    assert breaking(old, new) == []
    assert breaking(new, old) == ["dsr_processing_registration"]


@pytest.mark.parametrize(
    ("old", "new"),
    [pytest.param(-1, 100, id="limited"), pytest.param(24, 0, id="none"), pytest.param(24, "48", id="no-number")],
)
def test_an_age_that_leaves_events_out_is_breaking(old: object, new: object) -> None:
    path = (EVENTS, "max_data_age_hours")
    assert breaking(changed(put(old, *path)), changed(put(new, *path))) == [".".join(path)]


def test_the_sample_declares_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accepted = tmp_path / "registration.json"
    accept(accepted, declared(SAMPLE))

    assert check(accepted, declared(SAMPLE)) == 0
    assert "is that of registration.json" in capsys.readouterr().out


def test_before_one_is_accepted_there_is_nothing_to_compare_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted = tmp_path / "registration.json"
    accepted.write_text("{}")

    assert check(accepted, changed(drop(EVENTS))) == 0
    assert "No registration is accepted yet" in capsys.readouterr().out


def test_a_breaking_change_fails_with_what_why_and_how_to_accept_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    committed = tmp_path / "registration.json"
    committed.write_text(json.dumps(before()))

    status = check(committed, changed(put(True, EVENTS, "account_settings", 0, "required")))

    told = capsys.readouterr()
    assert status == 1
    assert f"  - {API_KEY}.required: false became true; live connections may have no value for it" in told.out
    assert "make registration-accept" in told.err


def test_an_accepted_change_passes_from_then_on_and_leaves_out_what_is_always_new(tmp_path: Path) -> None:
    committed = tmp_path / "registration.json"
    committed.write_text(json.dumps(before()))
    new = changed(drop(EVENTS))
    assert check(committed, new) == 1

    accept(committed, new)

    assert check(committed, new) == 0
    assert json.loads(committed.read_text()) == {name: new[name] for name in new if name not in {"id", "timestamp_ms"}}


def test_a_harmless_change_passes_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    committed = tmp_path / "registration.json"
    committed.write_text(json.dumps(before()))
    assert check(committed, changed(add("error", EVENTS, "supported_event_types"))) == 0
    assert f"  - {EVENTS}.supported_event_types[error]: added\n" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "", "[]", "{"], ids=["missing", "empty", "list", "cut-off"])
def test_a_committed_registration_that_is_none_fails(tmp_path: Path, content: str | None) -> None:
    committed = tmp_path / "registration.json"
    if content is not None:
        committed.write_text(content)
    assert check(committed, before()) == 1
