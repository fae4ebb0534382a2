"""Web pages cannot reach the emulator; the clients of AWS, containers and people can."""

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest

from local.cloud.ministack_gate import guarded

EVERYTHING = "/"
ENDPOINT = "/_aws/execute-api/0a1b2c3d/cookie-sync"
HERE = {"Host": "127.0.0.1:4566"}

type Json = MutableMapping[str, Any]


async def application(_: Json, __: object, send: Any) -> None:
    await send({"type": "passed"})


def ask(headers: Mapping[str, str], *, method: str = "POST", path: str = EVERYTHING, kind: str = "http") -> list[Json]:
    """Return what is sent in answer to a request."""
    sent: list[Json] = []
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "method": method, "path": path, "headers": pairs}

    async def receive() -> Json:
        return {"type": "websocket.connect"}

    async def send(message: Json) -> None:
        sent.append(message)

    asyncio.run(guarded(application)(scope, receive, send))
    return sent


def passes(headers: Mapping[str, str], *, method: str = "POST", path: str = EVERYTHING) -> bool:
    sent = ask(headers, method=method, path=path)
    assert sent[0] == {"type": "passed"} or sent[0]["status"] == 403
    return sent[0] == {"type": "passed"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:4566",
        "127.0.0.1",
        "LOCALHOST:4566",
        "[::1]:4566",
        "172.17.0.1:4566",
        "host.docker.internal:4566",
        "bucket.s3.localhost:4566",
    ],
)
def test_what_calls_this_machine_by_its_address_or_name_is_served(host: str) -> None:
    assert passes({"Host": host})


@pytest.mark.parametrize(
    "host",
    ["rebound.example:4566", "rebound.example", "notlocalhost", "127.0.0.1.rebound.example:4566", "[rebound]", ""],
)
def test_a_name_that_somebody_else_may_point_here_is_refused(host: str) -> None:
    assert not passes({"Host": host})


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:4566"])
@pytest.mark.parametrize("path", [EVERYTHING, ENDPOINT])
def test_a_script_of_a_page_is_refused(method: str, origin: str, path: str) -> None:
    assert not passes({**HERE, "Origin": origin}, method=method, path=path)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin"])
def test_an_image_or_a_link_of_a_page_reaches_the_https_endpoint_only(site: str) -> None:
    headers = {**HERE, "Sec-Fetch-Site": site}
    assert passes(headers, method="GET", path=ENDPOINT)
    assert not passes(headers, method="POST", path=ENDPOINT)
    assert not passes(headers, method="GET", path="/?Action=PurgeQueue")


def test_an_address_that_somebody_types_is_served() -> None:
    assert passes({**HERE, "Sec-Fetch-Site": "none"}, method="GET")


def test_a_web_socket_of_a_page_is_closed_and_what_is_no_request_is_passed_on() -> None:
    assert ask({**HERE, "Origin": "https://elsewhere.example"}, kind="websocket") == [
        {"type": "websocket.close", "code": 1008}
    ]
    assert ask(HERE, kind="websocket") == [{"type": "passed"}]
    assert ask({}, kind="lifespan") == [{"type": "passed"}]
