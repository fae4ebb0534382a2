"""Nobody but the inspector's own page gets anything from its server, or makes it do something."""

import http.client
import json
import math
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.inspector.app import Call, build
from local.inspector.errors import InspectorError
from local.inspector.server import InspectorServer
from tests.local.inspector.serving import Client

SECRET = "canary-personal"


class Done:
    """Operations that note what they were asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def note(self, call: Call) -> object:
        self.calls.append(call)
        return {"done": True}

    def infinite(self, _: Call) -> object:
        return {"steps": [{"body": {"a": math.inf, "b": [-math.inf, math.nan, 1.5, 2]}}]}

    def refuse(self, _: Call) -> object:
        raise InspectorError(409, "Not now.")

    def fail(self, _: Call) -> object:
        raise ValueError(SECRET)


@pytest.fixture(scope="module")
def done() -> Done:
    return Done()


@pytest.fixture(scope="module")
def page(done: Done, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("page")
    static = folder / "static"
    static.mkdir()
    (folder / "secret.txt").write_text(SECRET)
    (static / "index.html").write_text("<p>page</p>")
    (static / "app.js").write_text("export {};")
    operations = {
        "GET /api/things": done.note,
        "POST /api/things": done.note,
        "DELETE /api/things": done.note,
        "GET /api/infinite": done.infinite,
        "POST /api/refuse": done.refuse,
        "POST /api/fail": done.fail,
        "GET /api/things/{thing}": done.note,
    }
    with InspectorServer(build(operations, {}, static)) as server:
        client = Client(server.url)
        yield client
        client.close()


def test_the_page_gets_its_files_and_its_answers(page: Client) -> None:
    assert (page.ask("GET", "").data, page.ask("GET", "static/app.js").data) == (b"<p>page</p>", b"export {};")
    assert page.ask("GET", "api/things").json() == {"done": True}
    assert page.ask("POST", "api/things", json={"a": 1}).json() == {"done": True}
    assert page.ask("DELETE", "api/things").json() == {"done": True}


def test_what_the_page_asks_arrives(page: Client, done: Done) -> None:
    page.ask("GET", "api/things/17?since=3")
    page.ask("POST", "api/things", json={"a": [1]})

    got, posted = done.calls[-2:]
    assert (dict(got.path), dict(got.query)) == ({"thing": "17"}, {"since": "3"})
    assert posted.content == {"a": [1]}


def test_an_answer_is_json_that_browsers_read_whatever_a_request_holds(page: Client) -> None:
    text = page.ask("GET", "api/infinite").data.decode()

    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found == {"steps": [{"body": {"a": "Infinity", "b": ["-Infinity", "NaN", 1.5, 2]}}]}


def test_a_number_that_nobody_can_send_is_refused(page: Client, done: Done) -> None:
    before = len(done.calls)
    answer = page.ask("POST", "api/things", body=b'{"content": {"a": 1e999}}')

    assert (answer.status, answer.json()["error"]) == (
        400,
        "A number is larger than 1.8e308, so that it cannot be sent.",
    )
    assert len(done.calls) == before


@pytest.mark.parametrize("token", ["", "x", "static", "api"])
def test_another_token_finds_nothing(page: Client, token: str) -> None:
    answer = page.ask("GET", "", token=token)

    assert (answer.status, answer.data) == (404, b"")


def test_a_token_that_is_longer_or_shorter_finds_nothing(page: Client) -> None:
    found = [page.ask("GET", "", token=token).status for token in (page.token[:-1], f"{page.token}x")]

    assert (found, len(page.token) >= 32) == ([404, 404], True)


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_another_host_is_refused(page: Client, host: str) -> None:
    port = str(urlsplit(page.url).port)

    assert page.ask("GET", "", headers={"Host": host.format(port=port)}).status == 403
    assert page.ask("GET", "", headers={"Host": f"localhost:{port}", "Origin": None}).status == 200  # the control


def test_two_host_headers_are_refused(page: Client) -> None:
    where = urlsplit(page.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    connection.putrequest("GET", where.path, skip_host=True)
    connection.putheader("Host", where.netloc)
    connection.putheader("Host", "rebound.example")
    connection.endheaders()

    assert connection.getresponse().status in {400, 403}
    connection.close()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_another_origin_is_refused(page: Client, done: Done, method: str, origin: str) -> None:
    before = len(done.calls)

    assert page.ask(method, "api/things", headers={"Origin": origin}).status == 403
    assert len(done.calls) == before


def test_a_program_without_an_origin_is_served(page: Client) -> None:
    assert page.ask("POST", "api/things", json={}, headers={"Origin": None}).status == 200


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_a_form_can_send_is_refused(page: Client, done: Done, method: str, kind: str | None) -> None:
    before = len(done.calls)

    assert page.ask(method, "api/things", body=b"{}", headers={"Content-Type": kind}).status == 415
    assert len(done.calls) == before


def test_a_get_changes_nothing(page: Client) -> None:
    answer = page.ask("GET", "api/refuse")

    assert (answer.status, answer.json()) == (405, {"error": "Method Not Allowed."})


def test_a_path_that_is_unknown_below_the_token_is_named_as_such(page: Client) -> None:
    answer = page.ask("GET", "api/nothing")

    assert (answer.status, answer.json()) == (404, {"error": "Not Found."})


@pytest.mark.parametrize(
    "path",
    ["static/../secret.txt", "static/..%2fsecret.txt", "static/%2e%2e/secret.txt", "static//secret.txt", "static/none"],
)
def test_nothing_but_the_pages_files_is_served(page: Client, path: str) -> None:
    where = urlsplit(page.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    connection.request("GET", f"{where.path}{path}")  # as it is: other clients normalize it
    answer = connection.getresponse()

    assert (answer.status, SECRET.encode() in answer.read()) == (404, False)
    connection.close()


@pytest.mark.parametrize("path", ["", "static/app.js", "api/things", "nothing"])
def test_every_answer_says_what_browsers_must_not_do(page: Client, path: str) -> None:
    for answer in (page.ask("GET", path), page.ask("GET", path, token="wrong")):
        headers = answer.headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
        assert "unsafe" not in policy
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"NaN", b'{"a": Infinity}', b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(page: Client, body: bytes) -> None:
    answer = page.ask("POST", "api/things", body=body)

    assert (answer.status, answer.json()["error"].startswith("The body must be ")) == (400, True)


def test_a_body_that_is_too_large_is_refused(page: Client) -> None:
    answer = page.ask("POST", "api/things", body=b" " * 8_500_000)

    assert (answer.status, answer.json()) == (400, {"error": "The body must have at most 8,388,608 bytes."})


def test_a_refusal_is_a_sentence_and_a_failure_quotes_nothing(page: Client) -> None:
    refused, failed = page.ask("POST", "api/refuse"), page.ask("POST", "api/fail")

    assert (refused.status, refused.json()) == (409, {"error": "Not now."})
    assert failed.status == 500
    assert failed.json()["error"].startswith("The inspector failed with an unexpected ValueError in ")
    assert SECRET not in failed.json()["error"]


def test_each_start_has_another_token(page: Client, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("")
    with InspectorServer(build({}, {}, tmp_path)) as other:
        assert Client(other.url).token != page.token


def test_it_listens_on_the_loopback_interface_only(page: Client) -> None:
    port = urlsplit(page.url).port
    listening = Path("/proc/net/tcp")
    if not listening.exists():
        pytest.skip("needs Linux's list of sockets")
    addresses = [line.split()[1] for line in listening.read_text().splitlines()[1:] if line.split()[3] == "0A"]

    assert [each for each in addresses if each.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
