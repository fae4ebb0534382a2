"""The client of mParticle's Platform API: tokens, statuses, and answers that are spelt differently."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.mparticle.platform_api import BASE, Resource
from local.partner.faults import Step
from ops.mparticle.errors import NotFoundError, PlatformError
from ops.mparticle.http_client import HttpClient, checked_url
from ops.mparticle.platform_api import PlatformApi
from ops.mparticle.resources import AppPlatformService, Audience, Feed, Service, ServiceConfiguration, Workspace
from ops.mparticle.tokens import Credential
from tests.ops.mparticle_account import CLIENT_ID, CLIENT_SECRET, Account

TOKEN_PATH = "/oauth/token"
AUDIENCES = f"{BASE}/audiences"
HOURS = 3600


def test_each_resource_is_read_into_typed_values(account: Account) -> None:
    api = account.api()

    assert api.workspaces() == (Workspace(id="77", name="canary-workspace"),)
    assert [service.name for service in api.services()] == ["Another Module", "Sample Module"]
    (name_of_key, *_) = api.service("Sample Module").settings
    assert (name_of_key.name, name_of_key.type, name_of_key.is_required) == ("API key", "text", True)
    assert api.service_configurations("77", "Sample Module") == (
        ServiceConfiguration(id="4302", name="canary-configuration"),
    )
    (connection,) = api.app_platform_services("9", "iOS")
    assert (connection.name, connection.is_active, connection.is_visible) == ("Sample Module", True, True)
    assert [(audience.id, audience.size) for audience in api.audiences("77")] == [("1001", 1520), ("1002", 7)]
    assert api.audiences() == api.audiences("77")
    (feed,) = api.feeds("77")
    assert (feed.id, feed.os, feed.is_debug, feed.module_name) == ("501", "Unknown", True, "Sample Module")
    assert api.feed("501") == feed


def test_every_call_names_the_account_and_sends_the_token(account: Account) -> None:
    account.api().services()
    token, call = account.mparticle.requests

    assert (call.path, call.headers["Authorization"]) == ("/v1/services?accountId=4242", "Bearer fake-access-token-1")
    assert (token.method, token.body) == (
        "POST",
        {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "audience": "https://api.mparticle.com",
            "grant_type": "client_credentials",
        },
    )
    assert account.mparticle.violations == ()


def test_nothing_is_created_changed_or_deleted(account: Account) -> None:
    api = account.api()
    for ask in (api.workspaces, api.services, api.audiences):
        ask()
    api.service("Sample Module")
    api.service_configurations("77", "Sample Module")
    api.app_platform_services("9", "iOS")
    api.feed(api.feeds("77")[0].id)

    token, *calls = account.mparticle.requests
    assert (token.path, len(calls)) == (TOKEN_PATH, 8)
    assert {call.method for call in calls} == {"GET"}
    asked = {name for name, each in vars(PlatformApi).items() if not name.startswith("_") and callable(each)}
    assert len(asked) == len(calls)


def test_names_are_escaped_in_a_path_and_dots_do_not_change_it(account: Account) -> None:
    account.mparticle.platform.resources["/services/a/b?c#d"] = Resource({"name": "a/b?c#d"}, envelope="")
    api = account.api()

    assert api.service("a/b?c#d").name == "a/b?c#d"
    for name in ("", ".", ".."):
        with pytest.raises(NotFoundError):
            api.service(name)


# Tokens


def test_one_token_serves_all_calls_until_five_minutes_before_its_end(account: Account) -> None:
    tokens = account.tokens()

    found = [tokens.token()]
    for seconds in (8 * HOURS - 301, 1, 1):
        account.clock.now += seconds
        found.append(tokens.token())

    first, second = "fake-access-token-1", "fake-access-token-2"
    assert found == [first, first, second, second]
    assert account.sleeps == []


@pytest.mark.parametrize(
    "expires_in",
    [
        pytest.param({}, id="missing"),
        pytest.param({"expires_in": "28800"}, id="text"),
        pytest.param({"expires_in": None}, id="null"),
        pytest.param({"expires_in": 0}, id="zero"),
        pytest.param({"expires_in": -5}, id="negative"),
        pytest.param({"expires_in": True}, id="boolean"),
        pytest.param({"expires_in": float("nan")}, id="nan"),
    ],
)
def test_a_token_without_a_usable_lifetime_lasts_five_minutes(account: Account, expires_in: dict[str, object]) -> None:
    account.answer(TOKEN_PATH, {"access_token": "t-1", **expires_in})
    tokens = account.tokens()

    found = [tokens.token()]
    for seconds in (269, 1):
        account.clock.now += seconds
        found.append(tokens.token())

    assert found == ["t-1", "t-1", "fake-access-token-2"]


@pytest.mark.parametrize("lifetime", [10**400, float("inf"), 10**9], ids=["huge", "infinite", "years"])
def test_a_token_is_not_kept_longer_than_mparticles_tokens_last(account: Account, lifetime: float) -> None:
    account.answer(TOKEN_PATH, {"access_token": "t-1", "expires_in": lifetime})
    tokens = account.tokens()
    tokens.token()

    account.clock.now += 8 * HOURS
    assert tokens.token() == "fake-access-token-2"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(500, id="500"),
        pytest.param(503, id="503"),
        pytest.param(504, id="504"),
        pytest.param(429, id="429"),
        pytest.param("reset", id="reset"),
    ],
)
def test_fetching_a_token_is_tried_three_times_with_pauses(account: Account, step: Step) -> None:
    account.mparticle.script(TOKEN_PATH, [step, step])
    assert account.tokens().token() == "fake-access-token-1"
    assert account.sleeps == [1.0, 2.0]

    account.mparticle.script(TOKEN_PATH, [step] * 3)
    with pytest.raises(PlatformError, match="there is no access token after 3 tries"):
        account.tokens().token()
    assert account.asked(TOKEN_PATH) == 6


def test_a_slow_token_endpoint_is_given_up(account: Account) -> None:
    account.http.close()
    account.http = HttpClient(read_seconds=0.05)
    account.mparticle.script(TOKEN_PATH, [{"delay": 0.5}] * 3)

    with pytest.raises(PlatformError, match="after 3 tries: mParticle has not answered in time"):
        account.tokens().token()


def test_a_failed_renewal_uses_the_token_to_its_end_and_not_beyond(account: Account) -> None:
    tokens = account.tokens()
    tokens.token()
    account.mparticle.script(TOKEN_PATH, [503] * 6)

    account.clock.now += 8 * HOURS - 60
    assert tokens.token() == "fake-access-token-1"

    account.clock.now += 60
    with pytest.raises(PlatformError):
        tokens.token()


def test_a_refused_credential_is_not_tried_again(account: Account) -> None:
    with pytest.raises(PlatformError) as caught:
        account.tokens(client_id="other").token()

    assert str(caught.value) == (
        "mParticle refuses the credential (403): check MPARTICLE_CLIENT_ID and MPARTICLE_CLIENT_SECRET"
    )
    assert account.asked(TOKEN_PATH) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="missing"),
        pytest.param({"access_token": ""}, id="empty"),
        pytest.param({"access_token": 7}, id="number"),
        pytest.param({"access_token": "canary\r\nHost: x"}, id="line-break"),
        pytest.param(b"<html>canary", id="no-json"),
    ],
)
def test_an_answer_without_a_usable_token_is_an_error_that_quotes_nothing(account: Account, body: object) -> None:
    account.answer(TOKEN_PATH, body)

    with pytest.raises(PlatformError) as caught:
        account.tokens().token()

    assert str(caught.value) == "mParticle's answer holds no usable access token"


def test_threads_share_one_request_for_a_token(account: Account) -> None:
    account.mparticle.script(TOKEN_PATH, [{"delay": 0.1}])
    tokens = account.tokens()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(tokens.token())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (found, account.asked(TOKEN_PATH)) == (["fake-access-token-1"] * 4, 1)


def test_a_token_that_another_thread_has_renewed_already_is_not_renewed_again(account: Account) -> None:
    tokens = account.tokens()
    first = tokens.token()

    assert [tokens.renew(first), tokens.renew(first)] == ["fake-access-token-2"] * 2


# Statuses


def test_a_refused_token_is_renewed_once(account: Account) -> None:
    api = account.api()
    api.services()
    account.mparticle.platform.expire_tokens()

    assert len(api.services()) == 2
    assert (account.asked("/v1/services"), account.asked(TOKEN_PATH)) == (3, 2)


@pytest.mark.parametrize("account_id", ["", "4242"], ids=["no-account", "no-access"])
def test_a_401_for_a_new_token_ends_with_what_to_check(account: Account, account_id: str) -> None:
    account.mparticle.script("/v1", [401, 401])

    with pytest.raises(PlatformError) as caught:
        account.api(account_id).services()

    assert str(caught.value) == (
        "services: mParticle answers 401: MPARTICLE_ACCOUNT_ID is missing or wrong, or the credential has no access to "
        "this account"
    )
    assert (account.asked("/v1/services"), account.asked(TOKEN_PATH), account.sleeps) == (2, 2, [])


@pytest.mark.parametrize("step", [502, 503, 504, "reset"], ids=str)
def test_an_unavailable_api_is_asked_again_three_times(account: Account, step: Step) -> None:
    account.mparticle.script("/v1", [step] * 3)
    assert len(account.api().services()) == 2
    assert account.sleeps == [1.0, 2.0, 4.0]

    account.mparticle.script("/v1", [step] * 4)
    with pytest.raises(PlatformError, match=r"unavailable \(50\d\)|cannot be reached"):
        account.api().services()
    assert account.asked("/v1/services") == 8


@pytest.mark.parametrize(
    ("step", "text"),
    [
        pytest.param(500, "audiences: mParticle answers 500: contact mParticle if it stays so", id="500"),
        pytest.param(
            {"status": 403, "body": None},
            "audiences: mParticle answers 403: the credential needs the Platform API of this account in its scope, "
            "with the permission Admin or User",
            id="403",
        ),
        pytest.param(
            400,
            "audiences: mParticle answers 400: this command asks for something that the API does not know",
            id="400",
        ),
        pytest.param(
            405,
            "audiences: mParticle answers 405: this command asks for something that the API does not know",
            id="405",
        ),
        pytest.param(418, "audiences: mParticle answers 418", id="unknown"),
        pytest.param(
            {"status": 302, "headers": {"Location": "http://canary.example/"}},
            "mParticle answers with a redirect (302), which is not followed",
            id="redirect",
        ),
        pytest.param({"status": 200, "body": b"<html>"}, "mParticle's answer is no list of entities", id="no-json"),
        pytest.param({"status": 200, "body": None}, "mParticle's answer is no list of entities", id="empty"),
    ],
)
def test_any_other_status_is_final_and_explained(account: Account, step: Step, text: str) -> None:
    account.mparticle.script("/v1", [step])

    with pytest.raises(PlatformError) as caught:
        account.api().audiences()

    assert (str(caught.value), account.asked(AUDIENCES), account.sleeps) == (text, 1, [])


def test_a_missing_entity_is_not_found_or_not_ones_own(account: Account) -> None:
    with pytest.raises(NotFoundError, match=r"^feed: not found, or not in this account$"):
        account.api().feed("502")


def test_a_422_shows_every_error_and_masks_their_values(account: Account) -> None:
    stated = [
        {"code": "INVALID_SETTING", "message": "The setting canary is not valid."},
        {"code": "canary code", "message": None},
        {"code": "NAME_TAKEN", "message": "A feed with name 'jane@canary.example' already exists"},
    ]
    account.mparticle.script("/v1", [{"status": 422, "body": {"data": None, "errors": stated}}])

    with pytest.raises(PlatformError) as caught:
        account.api().feeds("77")

    assert str(caught.value) == (
        "feeds: mParticle answers 422: the request breaks a rule: "
        "INVALID_SETTING: The setting <string, 6> is not valid.; <string, 11>; "
        "NAME_TAKEN: A feed with name <string, 21> already exists"
    )


def test_a_success_that_states_errors_is_none(account: Account) -> None:
    account.answer("/v1", {"data": [], "dataType": "Service", "errors": [{"code": "NO_ACCESS", "message": "canary"}]})

    with pytest.raises(PlatformError) as caught:
        account.api().services()

    assert str(caught.value) == "mParticle states errors: NO_ACCESS: <string, 6>"


@pytest.mark.parametrize(
    ("headers", "slept"),
    [
        pytest.param({"Retry-After": "7"}, 7.0, id="seconds"),
        pytest.param({"Retry-After": "0"}, 1.0, id="zero"),
        pytest.param({}, 1.0, id="none"),
        pytest.param({"Retry-After": "soon"}, 1.0, id="unreadable"),
        pytest.param({"Retry-After": "60"}, 60.0, id="longest"),
    ],
)
def test_a_429_waits_as_long_as_it_says(account: Account, headers: dict[str, str], slept: float) -> None:
    account.mparticle.script("/v1", [{"status": 429, "headers": headers}])

    assert len(account.api().services()) == 2
    assert account.sleeps == [slept]


def test_a_429_that_asks_for_too_long_a_wait_ends_the_command(account: Account) -> None:
    account.mparticle.script("/v1", [{"status": 429, "retry_after": 61}])

    with pytest.raises(PlatformError, match=r"^services: mParticle asks to wait 61 seconds \(429\)"):
        account.api().services()
    assert account.sleeps == []


@pytest.mark.parametrize(
    ("limits", "body", "text"),
    [
        pytest.param({"max_answer_bytes": 1000}, b" " * 1001, "has more than 1000 bytes", id="large"),
        pytest.param({"call_seconds": 0.1}, b" " * 100, "has not answered in time", id="dripping"),
    ],
)
def test_an_answer_is_bounded_in_size_and_time(
    account: Account, limits: dict[str, Any], body: bytes, text: str
) -> None:
    http = HttpClient(**limits)
    account.mparticle.script("/v1", [{"status": 200, "body": body, "drip": 0.02 if len(body) == 100 else 0}] * 4)

    with pytest.raises(PlatformError, match=text):
        account.api(http=http).services()
    http.close()


def test_without_trusted_tls_nothing_is_sent_and_nothing_repeated(account: Account) -> None:
    url = account.mparticle.url.replace("http://", "https://")
    api = PlatformApi(account.tokens(), "4242", http=account.http, base_url=url, sleep=account.sleep)

    with pytest.raises(PlatformError, match="no trusted TLS connection"):
        api.services()
    assert (account.asked("/v1/services"), account.sleeps) == (0, [])


# Spellings

SERVICE = {"name": "m", "settings": []}
FEED = {"id": 501, "name": "f"}


@pytest.mark.parametrize(
    ("ask", "bodies", "expected"),
    [
        pytest.param(
            PlatformApi.audiences,
            [
                [{"id": 7}],
                {"data": [{"id": "7"}], "dataType": "Audience", "errors": None},
                {"data": [{"id": 7, "connected_outputs": None}], "data_type": "audience", "errors": []},
                {"data": [{"id": 7}]},
            ],
            (Audience(id="7"),),
            id="list-or-envelope",
        ),
        pytest.param(
            lambda api: api.feed("501"),
            [FEED, [FEED], {"data": FEED, "data_type": "partner_feed"}, {"data": [FEED], "dataType": "Partner Feed"}],
            Feed(id="501", name="f"),
            id="one-entity",
        ),
        pytest.param(
            PlatformApi.services,
            [[], {"data": [], "errors": None}, {"data": None, "dataType": "Service", "errors": None}],
            (),
            id="nothing",
        ),
        pytest.param(
            lambda api: api.app_platform_services("9", "iOS"),
            [[{"name": "m", "isActive": True, "settings": None}], [{"name": "m", "is_active": True, "new": 1}]],
            (AppPlatformService.model_validate({"name": "m", "isActive": True}),),
            id="camel-or-snake-case",
        ),
    ],
)
def test_all_spellings_of_an_answer_are_read(
    account: Account, ask: Callable[[PlatformApi], object], bodies: list[object], expected: object
) -> None:
    account.mparticle.platform.resources["/audiences"] = Resource([])
    account.answer("/v1", *bodies)
    api = account.api()

    assert [ask(api) for _ in bodies] == [expected] * len(bodies)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("2014-11-14T22:46:38.673", datetime(2014, 11, 14, 22, 46, 38, 673_000, UTC), id="no-zone"),
        pytest.param("2014-11-14T22:46:38Z", datetime(2014, 11, 14, 22, 46, 38, tzinfo=UTC), id="z"),
        pytest.param("2014-11-14T22:46:38+02:00", datetime(2014, 11, 14, 20, 46, 38, tzinfo=UTC), id="offset"),
        pytest.param("2014-11-14T22:46:38.6734567", datetime(2014, 11, 14, 22, 46, 38, 673_456, UTC), id="ticks"),
        pytest.param("yesterday", None, id="unreadable"),
        pytest.param(None, None, id="null"),
        pytest.param(7, None, id="number"),
    ],
)
def test_a_time_without_a_zone_is_utc(account: Account, written: object, read: datetime | None) -> None:
    account.answer(AUDIENCES, [{"id": 7, "created_on": written}])

    (audience,) = account.api().audiences()

    assert audience.created_on == read
    assert read is None or (audience.created_on is not None and audience.created_on.utcoffset() == timedelta(0))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({"name": "canary"}, "is no list of entities", id="object"),
        pytest.param([{"name": "canary"}], r"cannot be read: \[0\].id: Field required", id="no-id"),
        pytest.param([{"id": True}], r"cannot be read: \[0\].id: Input should be a valid string", id="boolean-id"),
        pytest.param([{"id": ""}], r"cannot be read: \[0\].id: String should have at least 1 character", id="empty-id"),
        pytest.param(
            [{"id": 7, "size": "canary"}], r"cannot be read: \[0\].size: Input should be a valid integer", id="size"
        ),
        pytest.param(["canary"], r"cannot be read: \[0\]: Input should be a valid dictionary", id="text"),
    ],
)
def test_an_answer_of_another_form_is_an_error_that_quotes_nothing(account: Account, body: object, text: str) -> None:
    account.answer("/v1", body)

    with pytest.raises(PlatformError, match=text) as caught:
        account.api().audiences()

    assert "canary" not in str(caught.value)


def test_an_empty_list_for_one_entity_is_not_found(account: Account) -> None:
    account.answer("/v1", {"data": [], "errors": None})

    with pytest.raises(NotFoundError):
        account.api().service("m")


# Secrets


@pytest.mark.parametrize(
    ("url", "text"),
    [
        pytest.param("http://api.mparticle.com/v1", "must start with https", id="plain"),
        pytest.param("ftp://127.0.0.1", "must start with https", id="scheme"),
        pytest.param("https://", "must start with https", id="no-host"),
        pytest.param("api.mparticle.com", "must start with https", id="no-scheme"),
        pytest.param("https://[::1", "cannot be read", id="unreadable"),
        pytest.param("https://canary:x@api.mparticle.com", "neither a query nor a credential", id="user"),
        pytest.param("https://api.mparticle.com/v1?canary=1", "neither a query nor a credential", id="query"),
    ],
)
def test_secrets_leave_this_machine_over_tls_only(account: Account, url: str, text: str) -> None:
    with pytest.raises(PlatformError, match=text) as caught:
        PlatformApi(account.tokens(), "4242", http=account.http, base_url=url)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://api.mparticle.com/v1/", "http://127.0.0.1:8080", "http://[::1]:80"])
def test_tls_and_this_machine_may_be_called(url: str) -> None:
    assert checked_url(url) == url.rstrip("/")


def test_the_credential_comes_from_the_environment_and_each_missing_variable_is_named() -> None:
    environ = {"MPARTICLE_CLIENT_ID": "i\n", "MPARTICLE_CLIENT_SECRET": "s", "MPARTICLE_ACCOUNT_ID": "7"}

    assert Credential.from_env(environ) == Credential("i", "s", "7")
    with pytest.raises(PlatformError) as caught:
        Credential.from_env({**environ, "MPARTICLE_CLIENT_SECRET": " ", "MPARTICLE_ACCOUNT_ID": ""})
    assert str(caught.value) == "set MPARTICLE_CLIENT_SECRET, MPARTICLE_ACCOUNT_ID in the environment"


def test_neither_secrets_nor_names_show_when_something_is_printed(account: Account) -> None:
    api = account.api()
    credential = Credential(CLIENT_ID, CLIENT_SECRET, "4242")
    read = [api.workspaces(), api.services(), api.audiences(), api.feeds("77"), api.app_platform_services("9", "iOS")]

    shown = repr([credential, vars(account.tokens()), vars(api), *read])

    assert "canary" not in shown
    assert "fake-access-token" not in shown
    assert "1520" in shown  # sizes and ids do


def test_a_service_without_settings_has_none(account: Account) -> None:
    account.answer("/v1", [{"name": "m", "settings": None}])

    assert account.api().services() == (Service(name="m"),)
