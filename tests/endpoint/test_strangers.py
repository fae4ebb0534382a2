"""What a request without a valid token costs: its body is not read, and a larger one makes no more work."""

import gc
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import FrameType

import pytest

from mparticle_firehose.endpoint.entry import respond
from mparticle_firehose.endpoint.router import COOKIE_SYNC_PATH, FEED_PATH, MAX_REGISTRATION_BYTES, ROUTES, Router
from mparticle_firehose.endpoint.tokens import Tokens
from mparticle_firehose.protocol import AnyRequest, ModuleRegistrationRequest, Serializer
from mparticle_firehose.services import Services
from tests.conftest import Context, Json, TelemetryDouble, load_event
from tests.endpoint.feed_webhooks import NOW, WRONG_SECRET, signature
from tests.endpoint.feed_webhooks import Bench as WebhookBench
from tests.endpoint.http_events import encoded, function_url_event
from tests.endpoint.routers import Application

TOKEN = "canary-token-known"
MESSAGE_PATHS = [path for path, route in ROUTES.items() if route.messages]
STRANGERS: dict[str, Json] = {
    "no-token": {"content-type": "application/json"},
    "unknown-token": {"content-type": "application/json", "authorization": "Token canary-token-other"},
    "other-scheme": {"content-type": "application/json", "authorization": "Bearer canary-token-other"},
}
REGISTRATION = load_event("module_registration_request")


class RecordingSerializer(Serializer):
    """Notes what is parsed."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def parse(self, data: object) -> AnyRequest:
        self.read.append("parse")
        return super().parse(data)

    def parse_registration(self, data: bytes) -> ModuleRegistrationRequest | None:
        self.read.append("parse_registration")
        return super().parse_registration(data)


class Door:
    """An endpoint with one token."""

    def __init__(self, services: Services) -> None:
        self.serializer = RecordingSerializer()
        tokens = Tokens(lambda: TOKEN, 300, TelemetryDouble())
        router = Router(serializer=self.serializer, services=services, authorize=tokens.verify)
        self.application = Application(router)

    def status(self, event: Json) -> int:
        return int(respond(event, Context(), self.application)["statusCode"])


@pytest.fixture
def door(services: Services) -> Door:
    return Door(services)


def nested(size: int) -> bytes:
    head = b'{"note":"module_registration_request","type":"dsr_processing_request","submitted_time":"'
    return head + b"[" * size + b'"}'


def brackets(size: int) -> bytes:
    return b'{"type":"module_registration_request","x":' + b"[" * size


def lists(size: int) -> bytes:
    return b'{"type":"module_registration_request","x":[' + b"[]," * (size // 3) + b"[]]}"


def registration(size: int) -> bytes:
    return json.dumps(REGISTRATION | {"note": "x" * size}).encode()


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "nested-time": nested,
    "brackets": brackets,
    "lists": lists,
    "padded-registration": registration,
}


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("path", ROUTES)
def test_no_body_of_a_stranger_is_parsed(door: Door, path: str, body: Callable[[int], bytes], headers: Json) -> None:
    door.status(function_url_event(ROUTES[path].method, path, body(64 * 1024), headers))

    assert door.serializer.read == []


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("path", MESSAGE_PATHS)
@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind != "padded-registration"])
def test_of_a_small_one_nothing_but_the_registration_is_read(door: Door, path: str, kind: str, headers: Json) -> None:
    body = HOSTILE[kind](MAX_REGISTRATION_BYTES // 2)

    status = door.status(function_url_event("POST", path, body, headers))

    assert "parse" not in door.serializer.read
    assert status in ({200} if kind == "lists" and path in {"/", "/registration"} else {401, 403})


def test_with_the_token_all_of_it_is_read(door: Door) -> None:
    """The control: what the others do not see happen does happen."""
    event = function_url_event("POST", "/dsr", nested(64 * 1024), {"authorization": f"Token {TOKEN}"})

    door.status(event)

    assert door.serializer.read == ["parse"]


@pytest.mark.parametrize("size", [0, 3_000])
def test_a_registration_of_a_few_kilobytes_needs_no_token(door: Door, size: int) -> None:
    assert door.status(function_url_event("POST", "/registration", registration(size), {})) == 200


def test_a_registration_that_is_larger_needs_one(door: Door) -> None:
    body = registration(MAX_REGISTRATION_BYTES)

    statuses = [
        door.status(function_url_event("POST", "/registration", body, headers))
        for headers in ({}, {"authorization": f"Token {TOKEN}"})
    ]

    assert statuses == [401, 200]


def steps(act: Callable[[], object]) -> int:
    """Return how many functions are called, those written in C included."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    gc.disable()  # Hypothesis has a callback that every collection calls
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


@pytest.mark.parametrize("shape", [function_url_event, encoded(function_url_event)], ids=["text", "base64"])
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("path", [*(path for path in ROUTES if path != COOKIE_SYNC_PATH), COOKIE_SYNC_PATH, "/other"])
def test_a_body_of_twice_the_size_makes_no_more_work(
    door: Door, path: str, body: Callable[[int], bytes], shape: Callable[..., Json]
) -> None:
    events = [shape("POST", path, body(size), {}) for size in (8_192, 8_192, 16_384, 1_000_000)]
    door.status(events[0])  # what is built with the first request

    _, *counts = [steps(partial(door.status, event)) for event in events]

    assert len({*counts}) == 1


SIGNATURES: dict[str, Callable[[bytes], str]] = {
    "none": lambda body: "",
    "malformed": lambda body: f"t={int(NOW)},v1={'z' * 64}",
    "too-old": lambda body: signature(body, at=str(int(NOW) - 1_000)),
    "wrong": lambda body: signature(body, WRONG_SECRET),
    "five-wrong": lambda body: signature(body, *[f"{WRONG_SECRET}{number}" for number in range(5)]),
}


class FeedDoor(Door):
    """The same with webhooks."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.webhooks = WebhookBench()
        router = replace(self.application.router, feed=self.webhooks.webhook.accept)
        self.application = Application(router)


@pytest.mark.parametrize("shape", [function_url_event, encoded(function_url_event)], ids=["text", "base64"])
@pytest.mark.parametrize("sign", SIGNATURES.values(), ids=SIGNATURES)
def test_a_webhook_of_a_stranger_makes_no_more_work_with_twice_the_body(
    services: Services, sign: Callable[[bytes], str], shape: Callable[..., Json]
) -> None:
    door = FeedDoor(services)
    bodies = [brackets(size) for size in (8_192, 8_192, 16_384, 900_000)]
    events = [shape("POST", FEED_PATH, body, {"x-feed-signature": sign(body)}) for body in bodies]
    assert [door.status(event) for event in events] == [401] * 4

    _, *counts = [steps(partial(door.status, event)) for event in events]

    assert len({*counts}) == 1
    assert door.webhooks.source.asked <= 2


def test_with_the_secret_the_body_is_read(services: Services) -> None:
    """The control: the same body, with the right signature, is looked at."""
    body = brackets(16_384)

    answer = FeedDoor(services).status(
        function_url_event("POST", FEED_PATH, body, {"x-feed-signature": signature(body)})
    )

    assert answer == 400


@pytest.mark.parametrize("sign", ["none", "malformed", "too-old"])
def test_a_webhook_without_a_current_signature_is_not_even_hashed(services: Services, sign: str) -> None:
    door = FeedDoor(services)
    body = brackets(900_000)

    status = door.status(function_url_event("POST", FEED_PATH, body, {"x-feed-signature": SIGNATURES[sign](body)}))

    assert (status, door.webhooks.source.asked) == (401, 0)
