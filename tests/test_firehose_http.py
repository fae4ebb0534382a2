"""The HTTPS door through the Lambda entry point: real settings, moto's secrets, the fake partner."""

import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import boto3
import pytest

from mparticle_firehose.firehose import Firehose
from tests.conftest import EVENTS, Deployment, Json, load_event, serializer
from tests.endpoint.http_events import SHAPES, SOURCE_IP, Shape, function_url_event
from tests.sample.partner.integration import INTEGRATION

REQUESTS = sorted(path.stem for path in EVENTS.glob("*.json"))
TOKEN, NEXT_TOKEN = "canary-token-current", "canary-token-next"
HEADERS = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Token {TOKEN}"}
ANEW = frozenset({"id", "timestamp_ms"})
"""What every answer has of its own."""

type Configure = Callable[..., None]


@dataclass
class Door:
    """A deployment with a secret, reached over HTTP."""

    deployment: Deployment
    secret: str
    configure: Configure

    def send(
        self,
        path: str,
        body: bytes | Json = b"",
        headers: Mapping[str, str] = HEADERS,
        *,
        method: str = "POST",
        shape: Shape = function_url_event,
    ) -> Json:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.deployment.invoke(shape(method, path, data, headers))

    def put_secret(self, text: str) -> None:
        boto3.client("secretsmanager").put_secret_value(SecretId=self.secret, SecretString=text)


@pytest.fixture
def door(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Door:
    def configure(**environ: str | None) -> None:
        for name, value in environ.items():
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
        deployment.restart()

    secret = boto3.client("secretsmanager").create_secret(Name="mparticle-token", SecretString=TOKEN)["ARN"]
    configure(HTTP_TOKEN_SOURCE=secret, HTTP_DEADLINE_MS="1000")
    return Door(deployment, secret, configure)


def content(answer: Json) -> Json:
    read: Json = json.loads(answer["body"])
    return read


def without_own(message: Json) -> Json:
    return {name: value for name, value in message.items() if name not in ANEW}


ODD_VALUES = {
    **{literal: literal for literal in ("1e999", "12345678901234567890.12", "1e5", "1E5", "1.10", "-0", "-0.0")},
    "integer-of-5000-digits": "9" * 5_000,
    "lone-surrogate": '"\\ud800"',
    "noncharacter": '"\\uffff"',
    "cjk": '"値 😀"',
}


def erasure_with(value: str) -> str:
    return json.dumps(load_event("dsr_processing_request"), separators=(",", ":"))[:-1] + f',"x_new_field":{value}}}'


@pytest.mark.parametrize("value", ODD_VALUES.values(), ids=ODD_VALUES)
def test_an_erasure_is_queued_as_it_came(door: Door, value: str) -> None:
    assert door.send("/", erasure_with(value).encode())["statusCode"] == 200

    queues = door.deployment.queues
    assert [message["Body"] for message in queues.messages(queues.erasure)] == [erasure_with(value)]


@pytest.mark.parametrize("value", ODD_VALUES.values(), ids=ODD_VALUES)
def test_an_erasure_is_delivered_whatever_a_new_field_holds(door: Door, value: str) -> None:
    door.send("/", erasure_with(value).encode())

    door.deployment.work(door.deployment.queues.erasure)

    assert len(door.deployment.partner.erasures) == 1


@pytest.mark.parametrize("mode", ["forward", "queue"])
@pytest.mark.parametrize("name", REQUESTS)
def test_each_of_our_events_gets_the_answer_that_a_direct_invocation_gets(door: Door, name: str, mode: str) -> None:
    door.configure(EVENT_MODE=mode)
    direct = door.deployment.invoke(load_event(name))

    answers = [door.send("/", (EVENTS / f"{name}.json").read_bytes(), shape=shape) for shape in SHAPES.values()]

    assert [answer["statusCode"] for answer in answers] == [200] * len(SHAPES)
    for answer in answers:
        assert answer["headers"] == {"Content-Type": "application/json;charset=utf-8", "Cache-Control": "no-store"}
        assert without_own(content(answer)) == without_own(direct)
        assert set(content(answer)) == set(direct)
        assert serializer.parse_response(answer["body"])
    assert json.loads(json.dumps(answers)) == answers
    assert door.deployment.partner.violations == ()
    assert "canary" not in json.dumps(door.deployment.output())


@pytest.mark.parametrize("over_https", [True, False], ids=["https", "direct"])
def test_in_queue_mode_the_worker_delivers_what_either_door_took(door: Door, over_https: bool) -> None:
    door.configure(EVENT_MODE="queue")
    request = load_event("event_processing_request")

    door.send("/events", request) if over_https else door.deployment.invoke(request)

    assert door.deployment.partner.events == []
    (*_, line) = door.deployment.output()
    assert line["EventsQueued"] == len(request["events"]) + len(request["system_notifications"])
    door.deployment.work(door.deployment.queues.event)
    assert len(door.deployment.partner.events) == 1


@pytest.mark.parametrize("mode", ["forward", "queue"])
def test_a_partner_that_hangs_costs_no_more_than_the_deadline(door: Door, mode: str) -> None:
    door.configure(EVENT_MODE=mode, HTTP_DEADLINE_MS="60")
    door.send("/events", load_event("event_processing_keep_alive"))
    door.deployment.partner.script("/track", ["hang"])
    started = time.perf_counter()

    answer = door.send("/events", load_event("event_processing_request"))

    assert answer["statusCode"] == 200
    assert time.perf_counter() - started < 0.06 + 1.0  # a machine that is busy with other things
    assert len(door.deployment.queues.messages(door.deployment.queues.event)) == 1


def test_each_door_has_a_deadline_of_its_own(door: Door) -> None:
    door.configure(HANDLER_DEADLINE_MS="3000", HTTP_DEADLINE_MS="20")
    door.send("/events", load_event("event_processing_keep_alive"))
    door.deployment.partner.script("/track", [{"delay": 0.5}, {"delay": 0.5}])

    door.send("/events", load_event("event_processing_request"))
    assert len(door.deployment.queues.messages(door.deployment.queues.event)) == 1
    door.deployment.invoke(load_event("event_processing_request"))

    assert door.deployment.queues.messages(door.deployment.queues.event) == []


class TestTokens:
    @pytest.mark.parametrize("kind", ["secret", "parameter"])
    def test_they_come_from_where_the_deployment_says(self, door: Door, kind: str) -> None:
        if kind == "parameter":
            boto3.client("ssm").put_parameter(Name="/firehose/token", Value=TOKEN, Type="SecureString")
            door.configure(HTTP_TOKEN_SOURCE="/firehose/token")

        statuses = [
            door.send("/events", load_event("event_processing_keep_alive"), headers)["statusCode"]
            for headers in (HEADERS, {"Authorization": "Token wrong"}, {})
        ]

        assert statuses == [200, 403, 401]

    def test_a_rotation_loses_nothing(self, door: Door) -> None:
        def status(token: str) -> int:
            headers = {"Authorization": f"Token {token}"}
            return int(door.send("/events", load_event("event_processing_keep_alive"), headers)["statusCode"])

        before = [status(TOKEN), status(NEXT_TOKEN)]
        door.deployment.restart()  # the pause after an unknown token is over
        door.put_secret(json.dumps({"current": TOKEN, "next": NEXT_TOKEN}))
        during = [status(TOKEN), status(NEXT_TOKEN)]
        door.put_secret(NEXT_TOKEN)
        door.deployment.firehose.renew()
        after = [status(TOKEN), status(NEXT_TOKEN)]

        assert (before, during, after) == ([200, 403], [200, 200], [403, 200])

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            (None, "HTTP_TOKEN_SOURCE is not set"),
            ("", "HTTP_TOKEN_SOURCE is not set"),
            ("/missing", "the source answers ParameterNotFound"),
            (
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:missing",
                "the source answers ResourceNotFoundException",
            ),
        ],
        ids=["unset", "blank", "parameter", "secret"],
    )
    def test_a_missing_source_closes_the_door_and_not_to_the_registration(
        self, door: Door, source: str | None, reason: str
    ) -> None:
        door.configure(HTTP_TOKEN_SOURCE=source)

        answer = door.send("/events", load_event("event_processing_request"))
        (line,) = door.deployment.output()
        registration = door.send("/registration", load_event("module_registration_request"), {})

        assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "10")
        assert (line["level"], line["error"]) == ("ERROR", f"TokensUnavailableError: {reason}")
        assert (line["message_type"], line["TokensUnavailable"], line["Failed"]) == ("http", 1, 1)
        assert registration["statusCode"] == 200
        assert door.deployment.partner.requests == ()

    def test_a_secret_that_holds_something_else_beside_the_token_lets_nobody_in(self, door: Door) -> None:
        door.put_secret(json.dumps({"HTTP_TOKEN": TOKEN, "environment": "production"}))

        answers = [
            door.send("/events", load_event("event_processing_request"), {"Authorization": f"Token {token}"})
            for token in ("production", TOKEN)
        ]

        (line, *_) = door.deployment.output()
        assert [answer["statusCode"] for answer in answers] == [503, 503]
        assert line["error"] == (
            "TokensUnavailableError: the source's JSON object has another name than 'current' and 'next'"
        )
        assert door.deployment.partner.requests == ()

    def test_only_the_word_off_opens_it(self, door: Door) -> None:
        door.configure(HTTP_TOKEN_SOURCE="off")

        assert door.send("/events", load_event("event_processing_request"), {})["statusCode"] == 200

    def test_any_other_word_is_a_mistake_that_mparticle_sees_the_end_of(self, door: Door) -> None:
        door.configure(HTTP_TOKEN_SOURCE="none")

        answer = door.send("/events", load_event("event_processing_request"), {})

        assert (answer["statusCode"], content(answer)) == (503, {"error": {"code": "misconfigured"}})

    def test_none_survives_a_restore(self, door: Door) -> None:
        door.deployment.firehose.prepare()
        door.send("/events", load_event("event_processing_keep_alive"))
        door.put_secret(NEXT_TOKEN)
        door.deployment.firehose.renew()

        assert door.send("/events", load_event("event_processing_keep_alive"))["statusCode"] == 403


FEED_SECRET = "canary-secret-of-the-partner-0001"
FEED_BODY = b'{ "account_id":42, "events":[{"id":"canary-id","note":"Z\xc3\xb6e","amount":1.50}] }'


@dataclass
class FeedDoor:
    """A deployment that takes webhooks."""

    door: Door
    queue: str
    secret: str

    def send(self, body: bytes = FEED_BODY, secret: str = FEED_SECRET, shape: Shape = function_url_event) -> Json:
        at = int(time.time())
        digest = hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
        headers = {"Content-Type": "text/plain", "X-Feed-Signature": f"t={at},v1={digest}"}
        return self.door.send("/feed", body, headers, shape=shape)

    def queued(self) -> list[Json]:
        return self.door.deployment.queues.messages(self.queue)


@pytest.fixture
def feed(door: Door) -> FeedDoor:
    queue = door.deployment.queues.sqs.create_queue(QueueName="feed")["QueueUrl"]
    secret = boto3.client("secretsmanager").create_secret(Name="webhook", SecretString=FEED_SECRET)["ARN"]
    door.configure(FEED_QUEUE_URL=queue, FEED_WEBHOOK_SECRET_SOURCE=secret)
    return FeedDoor(door, queue, secret)


class TestWebhooks:
    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    def test_what_is_accepted_is_on_the_queue_as_it_came(self, feed: FeedDoor, shape: Shape) -> None:
        answer = feed.send(shape=shape)

        assert (answer["statusCode"], content(answer)) == (202, {"accepted": 1})
        (message,) = feed.queued()
        assert message["Body"].encode() == FEED_BODY
        assert message["Attributes"]["MessageGroupId"] == "42"
        assert {name: told["StringValue"] for name, told in message["MessageAttributes"].items()} == {
            "message_type": "feed",
            "account_id": "42",
        }
        assert feed.door.deployment.partner.requests == ()

    def test_the_answer_is_reported_without_anything_of_the_body(self, feed: FeedDoor) -> None:
        feed.send()

        (line,) = feed.door.deployment.output()
        names = ("message", "message_type", "method", "route", "status")
        assert [line[name] for name in names] == ["answered", "feed_webhook", "POST", "/feed", 202]
        assert (line["message_type"], line["FeedEventsQueued"]) == ("feed_webhook", 1)
        assert "Failed" not in line

    def test_a_wrong_signature_is_no_failure_of_ours(self, feed: FeedDoor) -> None:
        answer = feed.send(secret="canary-secret-of-a-stranger-00001")

        (line,) = feed.door.deployment.output()
        assert (answer["statusCode"], content(answer)) == (401, {"error": {"code": "signature_refused"}})
        assert (line.get("level"), line["message"], line["reason"]) == (None, "refused", "signature_refused")
        assert (line["message_type"], line["FeedSignatureRefused"]) == ("http", 1)
        assert {"Failed", "Refused", "TokenRefused"} & set(line) == set()
        assert feed.queued() == []

    def test_mparticles_token_opens_nothing_here(self, feed: FeedDoor) -> None:
        assert feed.door.send("/feed", FEED_BODY, HEADERS)["statusCode"] == 401

    def test_a_body_that_is_refused_is_named_by_field_and_rule(self, feed: FeedDoor) -> None:
        answer = feed.send(b'{"account_id":42,"events":["canary-event"]}')

        (line,) = feed.door.deployment.output()
        problem = {"field": "events.0", "problem": "must be an object"}
        assert (answer["statusCode"], content(answer)["error"]["problems"]) == (400, [problem])
        assert line["error"] == "MalformedRequestError: events.0: must be an object"
        assert (line["message_type"], line["Failed"]) == ("feed_webhook", 1)

    def test_a_queue_that_does_not_take_it_makes_the_sender_come_again(self, feed: FeedDoor) -> None:
        feed.door.deployment.queues.sqs.delete_queue(QueueUrl=feed.queue)

        answer = feed.send()

        (line, *_) = feed.door.deployment.output()
        assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "5")
        assert line["error"].startswith("RefusedMessagesError: the queue cannot be used")

    def test_a_secret_that_cannot_be_read_makes_the_sender_come_again(self, feed: FeedDoor) -> None:
        feed.door.configure(FEED_WEBHOOK_SECRET_SOURCE="/missing")

        answer = feed.send()
        (line,) = feed.door.deployment.output()
        mparticles = feed.door.send("/events", load_event("event_processing_keep_alive"))

        assert (answer["statusCode"], content(answer)) == (503, {"error": {"code": "feed_secret_unavailable"}})
        assert line["error"] == "FeedSecretUnavailableError: the source answers ParameterNotFound"
        assert (line["message_type"], line["FeedSecretUnavailable"]) == ("http", 1)
        assert mparticles["statusCode"] == 200

    def test_a_parameter_may_hold_the_secret(self, feed: FeedDoor) -> None:
        boto3.client("ssm").put_parameter(
            Name="/feed/webhook", Value=json.dumps(["x" * 32, FEED_SECRET]), Type="SecureString"
        )
        feed.door.configure(FEED_WEBHOOK_SECRET_SOURCE="/feed/webhook")

        assert feed.send()["statusCode"] == 202

    def test_a_secret_that_was_taken_back_does_not_survive_a_restore(self, feed: FeedDoor) -> None:
        feed.door.deployment.firehose.prepare()
        before = feed.send()["statusCode"]
        boto3.client("secretsmanager").put_secret_value(SecretId=feed.secret, SecretString="x" * 32)
        feed.door.deployment.firehose.renew()

        assert (before, feed.send()["statusCode"]) == (202, 401)

    @pytest.mark.parametrize("missing", ["FEED_QUEUE_URL", "FEED_WEBHOOK_SECRET_SOURCE"])
    def test_without_a_queue_and_a_secret_the_path_is_unknown(self, feed: FeedDoor, missing: str) -> None:
        feed.door.configure(**{missing: None})

        answer = feed.send()

        assert (answer["statusCode"], content(answer)) == (404, {"error": {"code": "unknown_path"}})

    def test_a_queue_that_is_wrong_costs_mparticle_nothing(self, feed: FeedDoor) -> None:
        feed.door.configure(FEED_QUEUE_URL="FeedQueue")

        assert feed.send()["statusCode"] == 503
        assert feed.door.send("/events", load_event("event_processing_keep_alive"))["statusCode"] == 200


class TestWhatIsReported:
    def test_an_answer_says_route_and_status(self, door: Door) -> None:
        request = load_event("event_processing_request")

        door.send("/events", request)

        (line,) = door.deployment.output()
        names = ("message", "message_type", "request_id", "account_id", "method", "route", "status")
        assert [line[name] for name in names] == [
            "answered", "event_processing_request", request["id"], "4242", "POST", "/events", 200,
        ]  # fmt: skip
        assert "duration_ms" in line
        assert "Failed" not in line

    @pytest.mark.parametrize(
        ("changes", "status", "reason"),
        [
            ({"path": "/canary-path"}, 404, "unknown_path"),
            ({"method": "DELETE"}, 405, "method_not_allowed"),
            ({"headers": {"content-type": "canary/type"}}, 415, "unsupported_media_type"),
            ({"headers": {}}, 401, "token_required"),
            ({"headers": {"Authorization": "Token canary-x"}}, 403, "unknown_token"),
        ],
        ids=["404", "405", "415", "401", "403"],
    )
    def test_a_stranger_is_no_failure_of_ours(self, door: Door, changes: Json, status: int, reason: str) -> None:
        answer = door.send(**{"path": "/events", "body": b"canary-body", **changes})

        (line,) = door.deployment.output()
        level, metric = ("WARNING", "TokenRefused") if status == 403 else (None, "Refused")
        assert (answer["statusCode"], content(answer)) == (status, {"error": {"code": reason}})
        assert (line.get("level"), line["message"], line["reason"], line["status"]) == (
            level,
            "refused",
            reason,
            status,
        )
        assert "error" not in line
        assert (line["message_type"], line[metric]) == ("http", 1)
        assert {"Failed", "Refused", "TokenRefused"} & set(line) == {metric}
        assert "canary" not in json.dumps([line, answer])

    def test_a_stranger_who_tries_on_is_none_either(self, door: Door) -> None:
        """While the source is left alone nobody knows better; mParticle, with a new token, comes again."""
        wrong = {"Authorization": "Token canary-x"}
        door.send("/events", load_event("event_processing_keep_alive"))
        first = door.send("/events", b"canary-body", wrong)
        door.deployment.output()

        answer = door.send("/events", b"canary-body", wrong)

        (line,) = door.deployment.output()
        assert [first["statusCode"], answer["statusCode"]] == [403, 429]
        assert content(answer) == {"error": {"code": "token_not_known_yet"}}
        assert answer["headers"]["Retry-After"] == "10"
        assert (line.get("level"), line["message"], line["reason"]) == (None, "refused", "token_not_known_yet")
        assert {"Failed", "Refused", "TokenRefused", "TokensUnavailable"} & set(line) == {"Refused"}

    def test_a_malformed_message_is_a_failure_as_ever(self, door: Door) -> None:
        answer = door.send("/events", b"canary-body")

        (line,) = door.deployment.output()
        assert answer["statusCode"] == 400
        assert (line["level"], line["error"]) == ("ERROR", "MalformedRequestError: must be JSON")
        assert (line["route"], line["status"]) == ("/events", 400)
        assert (line["message_type"], line["Failed"]) == ("unreadable", 1)

    def test_health_is_answered_and_nobody_is_asked(self, door: Door) -> None:
        answer = door.send("/health", headers={}, method="GET")

        (line,) = door.deployment.output()
        assert (answer["statusCode"], answer["body"]) == (200, '{"status":"ok"}')
        assert (line["message"], line["route"], line["message_type"]) == ("answered", "/health", "http")

    def test_an_error_that_nobody_thought_of_is_a_500_without_a_word(self, door: Door) -> None:
        def broken(_: object) -> NoReturn:
            raise KeyError("canary")

        door.deployment.firehose = Firehose(replace(INTEGRATION, subscription=broken))

        answer = door.send("/audiences", load_event("audience_subscription_add"))

        (*_, line) = door.deployment.output()
        assert (answer["statusCode"], content(answer)) == (500, {"error": {"code": "unexpected"}})
        assert line["error"].startswith("KeyError in ")
        assert line["Failed"] == 1
        assert "canary" not in json.dumps([line, answer])

    def test_a_field_of_another_type_is_a_400_that_names_it(self, door: Door) -> None:
        event = {**function_url_event("POST", "/events"), "headers": ["canary-header"]}

        answer = door.deployment.invoke(event)

        (line,) = door.deployment.output()
        problem = {"field": "headers", "problem": "must be an object of texts"}
        assert (answer["statusCode"], content(answer)["error"]["problems"]) == (400, [problem])
        assert line["error"] == "MalformedRequestError: headers: must be an object of texts"
        assert "canary" not in json.dumps([line, answer])

    @pytest.mark.parametrize("name", REQUESTS)
    def test_nothing_that_was_sent_and_no_address_is_in_logs_or_metrics(self, door: Door, name: str) -> None:
        for shape in SHAPES.values():
            door.send("/", load_event(name), shape=shape)
            door.send("/canary-path", load_event(name), shape=shape)
            door.send("/", load_event(name), {**HEADERS, "Authorization": "Token canary-x"}, shape=shape)
            door.send("/", b'{"type":"canary"', shape=shape)

        output = json.dumps(door.deployment.output())
        assert "canary" not in output
        assert SOURCE_IP not in output


HOSTILE: dict[str, tuple[int, Json]] = {
    "nothing": (400, {"body": b""}),
    "seven megabytes": (413, {"body": b'{"type":"event_processing_request","x":"' + b"x" * 7_000_000 + b'"}'}),
    "invalid utf-8": (400, {"body": b'{"type":"event_processing_request","x":"\xff\xfe\xfd"}'}),
    "byte order mark": (200, {"body": b'\xef\xbb\xbf{"type":"event_processing_request"}'}),
    "duplicate keys": (200, {"body": b'{"type":"event_processing_request","mpid":"1","mpid":"2"}'}),
    "duplicate types": (200, {"body": b'{"type":"event_processing_request","type":"x"}'}),
    "duplicate types, the first unknown": (400, {"body": b'{"type":"x","type":"event_processing_request"}'}),
    "nesting": (400, {"body": b'{"type":"event_processing_request","x":' + b"[" * 500_000}),
    "closed nesting": (
        400,
        {"body": b'{"type":"dsr_processing_request","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"},
    ),
    "form": (415, {"headers": {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}, "body": b"a=b"}),
    "gzip": (415, {"headers": {**HEADERS, "Content-Encoding": "gzip"}, "body": b"\x1f\x8b\x08\x00\x00"}),
    "gzip unsaid": (400, {"body": b"\x1f\x8b\x08\x00\x00\x00"}),
    "header flood": (200, {"headers": {**HEADERS, **{f"x-{number}": "y" * 1_000 for number in range(1_000)}}}),
    "long header": (403, {"headers": {**HEADERS, "Authorization": "Token " + "x" * 1_000_000}}),
    "odd header": (403, {"headers": {**HEADERS, "Authorization": "Token \udcff\x00é"}}),
    "blank header": (401, {"headers": {**HEADERS, "Authorization": "Token" + " " * 1_000_000}}),
    "path up": (404, {"path": "/events/../health"}),
    "encoded path": (404, {"path": "/%65vents"}),
    "doubled slash": (404, {"path": "//events"}),
    "nul in path": (404, {"path": "/events\x00"}),
    "long path": (404, {"path": "/" + "x" * 1_000_000}),
    "unknown method": (405, {"method": "BREW"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_has_its_exact_status_in_good_time(door: Door, name: str) -> None:
    status, request = HOSTILE[name]
    keep_alive = json.dumps(load_event("event_processing_keep_alive")).encode()
    options: dict[str, Any] = {"path": "/events", "body": keep_alive, **request}
    started = time.perf_counter()

    answer = door.send(**options)

    assert answer["statusCode"] == status
    assert time.perf_counter() - started < 5.0
    assert "Traceback" not in json.dumps([answer, door.deployment.output()])


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_no_depth_is_a_fault_of_ours(door: Door, opening: str, closing: str) -> None:
    """What can be read can be stored as well; what cannot be read is malformed. Python's limit is near 10,000."""
    whole = json.dumps(load_event("event_processing_request"))[:-1]
    depths = [1_000, 9_000, *range(9_850, 10_150, 10), 11_000, 20_000]
    bodies = [f'{whole},"x":{opening * depth}0{closing * depth}}}'.encode() for depth in depths]
    door.configure(EVENT_MODE="queue")

    statuses = [door.send("/events", body)["statusCode"] for body in bodies]

    assert set(statuses) == {200, 400}
    assert statuses == sorted(statuses)


def test_a_cookie_sync_that_the_integration_does_not_have_is_a_mistake_of_the_deployment(door: Door) -> None:
    door.configure(COOKIE_SYNC="on")
    door.deployment.firehose = Firehose(replace(INTEGRATION, cookie_sync=None))

    answer = door.send("/health", method="GET")

    assert (answer["statusCode"], content(answer)) == (503, {"error": {"code": "misconfigured"}})
