"""The HTTPS endpoint in the local cloud, over a socket: API Gateway is the emulator's, everything behind it is real."""

import json
import os
import re
import shutil
import subprocess
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import pytest

from local.cloud.cloud import LocalCloud
from local.cloud.http_endpoint import TOKEN, HttpResponse, ask
from local.isolation import ROOT
from mparticle_firehose.protocol import Serializer
from tests.conftest import EVENTS, Json, load_event
from tests.planted import leaks
from tests.sample.server import SamplePartner

pytestmark = pytest.mark.cloud

AUTHORIZED = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
JSON = {"Content-Type": "application/json"}
KEEP_ALIVE = (EVENTS / "event_processing_keep_alive.json").read_bytes()
REDIRECT = "https://cookiesync.mparticle.com/v1/sync?moduleid=1"

PATHS = [
    ("/registration", "module_registration_request"),
    ("/events", "event_processing_request"),
    ("/events", "event_processing_keep_alive"),
    ("/audiences", "audience_subscription_add"),
    ("/audiences", "audience_membership_change_request"),
    ("/audiences", "audience_membership_keep_alive"),
    ("/dsr", "dsr_processing_request"),
    ("/", "dsr_processing_request"),
    ("/", "event_processing_request_web"),
]


@pytest.fixture
def url(cloud: LocalCloud) -> str:
    return cloud.http_endpoint


def unheard(event: str) -> Json:
    """Return a sample request under an id of its own: the queue drops what other tests of this cloud send as well."""
    return load_event(event, id=str(uuid4()))


def response_in(answer: HttpResponse) -> str:
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
    return str(Serializer().parse_response(answer.body).type)


def code_in(answer: HttpResponse) -> str:
    error: Json = json.loads(answer.body)["error"]
    return str(error["code"])


@pytest.mark.parametrize(("path", "event"), PATHS)
def test_each_kind_of_request_is_answered_and_delivered_as_by_a_direct_invocation(
    cloud: LocalCloud, fake_partner: SamplePartner, url: str, path: str, event: str
) -> None:
    message = unheard(event)
    before = len(fake_partner.requests)

    answer = ask("POST", f"{url}{path}", json.dumps(message).encode(), AUTHORIZED)

    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert response_in(answer) == message["type"].replace("_request", "_response")
    assert cloud.settle()
    assert all(request.status in {200, 201, 202} for request in fake_partner.requests[before:])
    assert (cloud.dead_letters().total(), fake_partner.violations) == (0, ())


def test_a_registration_needs_no_token(url: str) -> None:
    answer = ask("POST", f"{url}/registration", (EVENTS / "module_registration_request.json").read_bytes(), JSON)

    assert (answer.status, response_in(answer)) == (200, "module_registration_response")


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        pytest.param(None, 401, id="none"),
        pytest.param(f"Bearer {TOKEN}", 401, id="another-scheme"),
        pytest.param("Token canary-guess", 403, id="unknown"),
        pytest.param(f"token  {TOKEN} ", 200, id="in-another-spelling"),
    ],
)
def test_only_who_has_the_token_is_let_in(
    cloud: LocalCloud, fake_partner: SamplePartner, url: str, authorization: str | None, status: int
) -> None:
    before = len(fake_partner.requests)
    headers = {**JSON, "Authorization": authorization} if authorization else JSON

    answer = ask("POST", f"{url}/events", (EVENTS / "event_processing_request.json").read_bytes(), headers)

    assert answer.status == status
    assert answer.headers.get("WWW-Authenticate") == ("Token" if status == 401 else None)
    assert cloud.settle()
    assert (len(fake_partner.requests) > before) == (status == 200)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("POST", "/nothing", 404, id="unknown-path"),
        pytest.param("GET", "/events", 405, id="get"),
        pytest.param("POST", "/health", 405, id="post"),
        pytest.param("DELETE", "/", 405, id="delete"),
        pytest.param("GET", "/health", 200, id="health"),
    ],
)
def test_paths_and_methods_are_told_apart(url: str, method: str, path: str, status: int) -> None:
    answer = ask(method, f"{url}{path}", KEEP_ALIVE if method == "POST" else b"", AUTHORIZED)

    assert answer.status == status
    assert (answer.headers.get("Allow") is not None) == (status == 405)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(KEEP_ALIVE, {}, 200, id="without-a-content-type-comes-as-base64"),
        pytest.param(b"\x00\xff\xfe", {}, 400, id="binary"),
        pytest.param(b'{"type": "canary-type"}', JSON, 400, id="unknown-message"),
        pytest.param(KEEP_ALIVE, {"Content-Type": "application/json; charset=UTF-8"}, 200, id="charset"),
        pytest.param(KEEP_ALIVE, {"Content-Type": "application/x-www-form-urlencoded"}, 415, id="form"),
        pytest.param(KEEP_ALIVE, {**JSON, "Content-Encoding": "gzip"}, 415, id="compressed"),
        pytest.param(b" " * (6 * 1024 * 1024 + 1), JSON, 413, id="too-large"),
    ],
)
def test_bodies_are_read_as_they_were_sent(url: str, body: bytes, headers: dict[str, str], status: int) -> None:
    token = {"Authorization": AUTHORIZED["Authorization"]}

    answer = ask("POST", f"{url}/events", body, {**token, **headers})

    assert answer.status == status
    assert not leaks(answer.body.decode())


def test_a_message_that_breaks_a_rule_is_told_so_by_field(url: str) -> None:
    broken = load_event("event_processing_request", account={"account_settings": {"token": ["canary-pii"]}})

    answer = ask("POST", f"{url}/events", json.dumps(broken).encode(), AUTHORIZED)

    assert answer.status == 400
    assert json.loads(answer.body)["error"]["problems"] == [
        {"field": "account.account_settings.token", "problem": "must be text"}
    ]


def test_a_browser_is_sent_back_with_the_id_that_its_cookie_holds(url: str) -> None:
    asked = f"{url}/cookie-sync?redirect={quote(REDIRECT, safe='')}"
    first = ask("GET", asked)
    cookie = first.headers["Set-Cookie"]
    (name, held), = ((name, morsel.value) for name, morsel in SimpleCookie(cookie).items())  # fmt: skip

    second = ask("GET", asked, headers={"Cookie": f"{name}={held}"})

    assert [first.status, second.status] == [302, 302]
    assert urlsplit(first.headers["Location"]).hostname == "cookiesync.mparticle.com"
    assert {"Secure", "HttpOnly", "SameSite=None"} <= {part.strip() for part in cookie.split(";")}
    assert [held] in parse_qs(urlsplit(first.headers["Location"]).query).values()
    assert second.headers["Location"] == first.headers["Location"]


def test_a_browser_is_sent_nowhere_else(url: str) -> None:
    answer = ask("GET", f"{url}/cookie-sync?redirect={quote('https://canary-evil.example/', safe='')}")

    assert (answer.status, code_in(answer), answer.headers.get("Location")) == (400, "redirect_not_allowed", None)


def test_the_metrics_and_the_log_tell_who_was_turned_away_and_nothing_private(cloud: LocalCloud, url: str) -> None:
    ask("POST", f"{url}/canary-path?canary-query=1", KEEP_ALIVE, {**AUTHORIZED, "User-Agent": "canary-agent"})
    ask("POST", f"{url}/events", KEEP_ALIVE, {**JSON, "Authorization": "Token canary-guess"})

    logged = cloud.function_logs("handler")

    counted = {
        (name, metrics["message_type"])
        for line in logged if '"_aws"' in line for metrics in [json.loads(line)]
        for name in ("Refused", "TokenRefused") if name in metrics
    }  # fmt: skip
    assert counted >= {("Refused", "http"), ("TokenRefused", "http")}
    assert [line for line in logged if leaks(line) or TOKEN in line] == []


def curls() -> list[str]:
    """Return the README's requests, each on a line of its own."""
    return re.findall(r"(?m)^curl .+$", (ROOT / "README.md").read_text())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with samples that the cloud has not heard yet."""
    folder = tmp_path / "events"
    folder.mkdir()
    for path in EVENTS.glob("*.json"):
        (folder / path.name).write_text(json.dumps(unheard(path.stem)))
    return tmp_path


@pytest.mark.parametrize("line", curls())
def test_the_readmes_requests_work_as_they_stand(cloud: LocalCloud, url: str, place: Path, line: str) -> None:
    curl = shutil.which("curl")
    if not curl or b"--json" not in subprocess.run([curl, "--help", "all"], capture_output=True, check=True).stdout:  # noqa: S603  as found on the PATH
        pytest.skip("there is no curl that knows --json")
    environment = {**os.environ, "HTTP_ENDPOINT_URL": url, "HTTP_TOKEN": TOKEN, "no_proxy": "127.0.0.1"}
    script = f'auth="Authorization: Token $HTTP_TOKEN"; {line} --silent --write-out "\\n%{{http_code}}"'

    done = subprocess.run(  # noqa: S602  the README's own words, in a shell as its readers have
        script, shell=True, cwd=place, env=environment, text=True, capture_output=True, check=True, timeout=60
    )

    assert done.stdout.splitlines()[-1] == ("302" if "cookie-sync" in line else "200")
    assert cloud.settle()


def test_the_readme_shows_a_request_of_each_kind() -> None:
    assert [path for path in ("/health", "/cookie-sync") if not any(path in line for line in curls())] == []
    kinds = {load_event(name)["type"] for name in re.findall(r"@events/(\w+)\.json", "\n".join(curls()))}
    assert kinds == {load_event(name)["type"] for _, name in PATHS}
