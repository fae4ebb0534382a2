import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse
from snapshot_restore_py import get_after_restore, get_before_snapshot

from mparticle_firehose import reporting
from mparticle_firehose.aws_client import STANDARD_TIMEOUTS, AwsClient
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import (
    ConfigurationError,
    MalformedRequestError,
    UnexpectedError,
    UnsupportedMessageError,
)
from mparticle_firehose.firehose import Firehose
from mparticle_firehose.integration import Item
from mparticle_firehose.protocol import EventProcessingRequest, Serializer
from mparticle_firehose.queues.sender import QueueMessage, QueueSender
from mparticle_firehose.tables.forwarding import ForwardedAccounts, ForwardingTable, Phase
from tests.conftest import EVENTS, Context, Deployment, load_event
from tests.endpoint.http_events import function_url_event
from tests.sample.partner.integration import INTEGRATION, event_items

REQUESTS = sorted(path.stem for path in EVENTS.glob("*.json"))


pytestmark = pytest.mark.usefixtures("log_to_this_test")


@pytest.mark.parametrize("name", REQUESTS)
def test_each_of_our_events_gets_a_valid_answer_in_json_primitives(deployment: Deployment, name: str) -> None:
    request = load_event(name)

    answer = deployment.invoke(request)

    assert json.loads(json.dumps(answer)) == answer
    assert Serializer().parse_response(answer).type.value == request["type"].replace("_request", "_response")
    assert deployment.partner.violations == ()


def test_a_request_may_come_as_bytes(deployment: Deployment) -> None:
    answer = deployment.invoke((EVENTS / "event_processing_request.json").read_bytes())

    assert answer["type"] == "event_processing_response"
    assert len(deployment.partner.events) == 1


def test_memberships_travel_through_the_queue_to_the_partner(deployment: Deployment) -> None:
    deployment.invoke(load_event("audience_membership_change_request"))
    assert deployment.partner.requests == ()

    answer = deployment.work(deployment.queues.membership)

    assert answer == {"batchItemFailures": []}
    assert "7700700000000000031" in deployment.partner.memberships["seg-4242-1001"]
    assert deployment.partner.violations == ()


def test_events_that_the_partner_could_not_take_arrive_later(deployment: Deployment) -> None:
    deployment.partner.script("/track", [503])
    deployment.invoke(load_event("event_processing_request"))
    assert deployment.partner.events == []

    deployment.work(deployment.queues.event)

    assert len(deployment.partner.events) == 1


def test_of_a_call_that_was_taken_only_the_rest_arrives_later(deployment: Deployment) -> None:
    request = load_event("event_processing_request")
    deployment.partner.script("/track", [{"status": 200, "body": {"not_taken": [[0, 503], [3, 422]]}}])
    deployment.invoke(request)

    deployment.work(deployment.queues.event)

    assert [len(body["events"]) for body in deployment.partner.events] == [16, 1]
    assert deployment.partner.events[1]["events"] == deployment.partner.events[0]["events"][:1]
    (letter,) = deployment.queues.bodies(deployment.queues.event_dlq)
    assert (letter["events"], letter["system_notifications"]) == (request["events"][1:2], [])


def test_sister_items_that_the_partner_has_taken_are_not_sent_again(deployment: Deployment) -> None:
    """The queued request has the whole event again; what is settled of it travels with the message."""

    def twice(request: EventProcessingRequest) -> Iterator[Item]:
        for item in event_items(request):
            yield from (item, item)

    deployment.firehose = Firehose(replace(INTEGRATION, events=twice))
    deployment.partner.script("/track", [{"status": 200, "body": {"not_taken": [[1, 503]]}}])
    deployment.invoke(load_event("event_processing_request"))

    deployment.work(deployment.queues.event)

    assert [len(body["events"]) for body in deployment.partner.events] == [32, 1]


def test_events_in_order_travel_through_the_queue_of_the_memberships(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENT_ORDER", "user")
    deployment.restart()
    for _ in range(2):
        deployment.invoke(load_event("event_processing_request"))
    assert deployment.partner.requests == ()

    answer = deployment.work(deployment.queues.membership)

    assert answer == {"batchItemFailures": []}
    assert len(deployment.partner.events) == 1
    assert deployment.queues.messages(deployment.queues.event) == []


def test_an_erasure_arrives(deployment: Deployment) -> None:
    deployment.invoke(load_event("dsr_processing_request"))

    deployment.work(deployment.queues.erasure)

    assert len(deployment.partner.erasures) == 1


def test_an_erasure_that_an_earlier_release_has_queued_with_the_events_arrives(deployment: Deployment) -> None:
    queues = deployment.queues
    queues.sqs.send_message(QueueUrl=queues.event, MessageBody=json.dumps(load_event("dsr_processing_request")))

    assert deployment.work(queues.event) == {"batchItemFailures": []}
    assert len(deployment.partner.erasures) == 1


@pytest.mark.parametrize("queue", ["event", "erasure"])
def test_an_erasure_that_is_refused_is_a_dead_letter_of_its_own_kind(deployment: Deployment, queue: str) -> None:
    queues = deployment.queues
    url = {"event": queues.event, "erasure": queues.erasure}[queue]
    queues.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(load_event("dsr_processing_request")))
    deployment.partner.script("/forget", [422])

    deployment.work(url)

    assert queues.bodies(queues.erasure_dlq) == [load_event("dsr_processing_request")]
    assert queues.messages(queues.event_dlq) == []


def test_the_worker_names_what_must_come_again(deployment: Deployment) -> None:
    deployment.invoke(load_event("dsr_processing_request"))
    deployment.partner.script("/forget", [500])

    (failure,) = deployment.work(deployment.queues.erasure)["batchItemFailures"]

    assert set(failure) == {"itemIdentifier"}


def test_refused_credentials_close_the_loop(deployment: Deployment) -> None:
    deployment.partner.revoke("canary-secret-live-4242")
    request = load_event("audience_membership_change_request")
    first = deployment.invoke(request)
    deployment.work(deployment.queues.membership)

    second = deployment.invoke(request)
    mended = deployment.invoke({**request, "account": {"account_id": 4242, "account_settings": {"token": "new"}}})

    answers = [answer["suspend_subscription"] for answer in (first, second, mended)]
    assert answers == [False, True, False]


def test_an_invocation_that_is_nearly_over_does_not_wait_for_the_partner(deployment: Deployment) -> None:
    deployment.partner.script("/track", ["hang"])

    answer = deployment.invoke(load_event("event_processing_request"), milliseconds=100)

    assert answer["type"] == "event_processing_response"
    assert len(deployment.queues.messages(deployment.queues.event)) == 1


@pytest.mark.parametrize(
    ("event", "error", "message"),
    [
        ({}, UnsupportedMessageError, "type"),
        ({"type": "canary-pii"}, UnsupportedMessageError, "type"),
        (load_event("event_processing_keep_alive", type="event_processing_response"), UnsupportedMessageError, "type"),
        (load_event("event_processing_keep_alive", account="canary-pii"), MalformedRequestError, "account"),
        (
            load_event("event_processing_keep_alive", account={"account_settings": {"apiToken": ["canary-secret"]}}),
            MalformedRequestError,
            r"account\.account_settings\.\*",
        ),
        (b"", MalformedRequestError, ""),
        (b'{"type": canary-pii', MalformedRequestError, ""),
        ([], MalformedRequestError, ""),
        (None, MalformedRequestError, ""),
    ],
    ids=["no-type", "unknown-type", "response", "no-object", "deep-field", "empty", "no-json", "list", "null"],
)
def test_bad_input_is_refused_by_field_and_rule_and_never_quoted(
    deployment: Deployment, event: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{message}") as caught:
        deployment.invoke(event)

    assert "canary" not in str(caught.value)
    assert "canary" not in json.dumps(deployment.output())


def test_an_error_that_nobody_thought_of_does_not_quote_the_request(deployment: Deployment) -> None:
    deployment.queues.sqs.delete_queue(QueueUrl=deployment.queues.event)

    with pytest.raises(UnexpectedError) as caught:
        deployment.firehose.worker({"Records": [{"canary-pii": 1}]}, Context())  # type: ignore[arg-type]  # no event of SQS's

    assert str(caught.value).startswith("KeyError in ")
    assert "canary" not in json.dumps(deployment.output())


def test_a_deployment_without_its_settings_says_which(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENT_QUEUE_URL")

    with pytest.raises(ConfigurationError, match=r"^EVENT_QUEUE_URL: Field required$"):
        deployment.firehose.handler(load_event("module_registration_request"), Context())  # type: ignore[arg-type]  # as above


def test_each_invocation_leaves_one_line_with_its_metrics(deployment: Deployment) -> None:
    request = load_event("event_processing_request")

    deployment.invoke(request)

    (line,) = deployment.output()
    assert {key: line[key] for key in ("message", "message_type", "request_id", "account_id")} == {
        "message": "answered",
        "message_type": "event_processing_request",
        "request_id": request["id"],
        "account_id": "4242",
    }
    assert 0 < line["duration_ms"] < 1000
    assert line["EventsForwarded"] == len(request["events"]) + len(request["system_notifications"])


def test_the_worker_writes_one_line_for_a_batch_that_is_delivered(deployment: Deployment) -> None:
    request = load_event("audience_membership_change_request")
    deployment.invoke(request)
    deployment.output()

    deployment.work(deployment.queues.membership)

    (line,) = deployment.output()
    assert (line["message"], line["failed"]) == ("delivered", 0)
    assert line["messages"] > 1
    assert line["delivered"] == {"audience_membership_change_request": [request["id"]]}


def test_metrics_of_one_invocation_do_not_leak_into_the_next(deployment: Deployment) -> None:
    deployment.invoke(load_event("event_processing_request"))
    deployment.output()

    deployment.invoke(load_event("event_processing_keep_alive"))

    (line,) = deployment.output()
    assert "EventsForwarded" not in line


def test_unrecognized_values_are_counted_by_kind(deployment: Deployment) -> None:
    request = load_event("event_processing_request", events=[{"type": "canary-pii-new"}])

    deployment.invoke(request)

    (line,) = deployment.output()
    assert (line["unrecognized"], line["Unrecognized"]) == ({"event_type": 1}, 1)


@pytest.mark.parametrize("name", REQUESTS)
def test_no_log_line_or_metric_holds_a_secret_or_personal_value(deployment: Deployment, name: str) -> None:
    request: Any = load_event(name)

    deployment.invoke(request)
    deployment.work(deployment.queues.membership)
    deployment.work(deployment.queues.event)

    assert "canary" not in json.dumps(deployment.output())


@pytest.mark.shows_canaries
def test_the_search_for_canaries_would_find_one(deployment: Deployment) -> None:
    reporting.logger.info("canary-pii")

    assert "canary" in json.dumps(deployment.output())


class TestErasuresWithAFeed:
    """A deployment with a feed notes whom an erasure is about; without one it notes nobody."""

    @staticmethod
    def noted() -> list[str]:
        keys = [item["key"]["S"] for item in boto3.client("dynamodb").scan(TableName="ledger")["Items"]]
        return [key for key in keys if key.startswith("erased#")]

    def test_they_are_noted_and_delivered(self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
        secret = boto3.client("secretsmanager").create_secret(Name="erasures", SecretString="canary-secret-" + "x" * 32)
        monkeypatch.setenv("FEED_ERASURE_KEY_SOURCE", secret["ARN"])
        deployment.restart()
        deployment.invoke(load_event("dsr_processing_request"))

        answer = deployment.work(deployment.queues.erasure)

        assert (answer, len(self.noted())) == ({"batchItemFailures": []}, 4)
        assert len(deployment.partner.requests) == 1

    def test_they_wait_without_the_secret(self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FEED_ERASURE_KEY_SOURCE", "/missing")
        deployment.restart()
        deployment.firehose.prepare()
        deployment.invoke(load_event("dsr_processing_request"))

        deployment.work(deployment.queues.erasure)

        assert (self.noted(), deployment.partner.requests) == ([], ())

    def test_without_a_feed_nobody_is_noted(self, deployment: Deployment) -> None:
        deployment.invoke(load_event("dsr_processing_request"))

        deployment.work(deployment.queues.erasure)

        assert (self.noted(), len(deployment.partner.requests)) == ([], 1)


class TestForwarding:
    """A repeated call whose entries SQS knows in part would store the others behind the later ones of their group."""

    MESSAGE = QueueMessage(body="{}", group_id="4242.0", deduplication_id="m1.1")

    @pytest.fixture
    def tries(self, boto3_session: boto3.Session) -> Iterator[list[str]]:
        """Let SQS fail each SendMessageBatch, and return the URLs of the requests."""
        urls: list[str] = []

        def fail(request: Any, **_: object) -> Any:
            urls.append(request.url)
            return AWSResponse(request.url, 500, HTTPHeaders(), MockRawResponse(b"{}"))

        boto3_session.events.register_first("before-send.sqs.SendMessageBatch", fail)
        yield urls
        boto3_session.events.unregister("before-send.sqs.SendMessageBatch", fail)

    def test_a_call_that_forwards_is_made_once(self, tries: list[str], deployment: Deployment) -> None:
        forwarding = deployment.firehose.queue_worker.forwarding

        unsent, _ = forwarding.sender.send_in_order(forwarding.bulk_url, [self.MESSAGE], Deadline.after(5))

        assert (list(unsent), len(tries)) == ([self.MESSAGE], 1)

    def test_other_calls_of_the_worker_are_repeated(self, tries: list[str], aws: None) -> None:
        """The control."""
        sender = QueueSender(AwsClient("sqs", STANDARD_TIMEOUTS), None)  # type: ignore[arg-type]  # nothing is large

        sender.send_in_order("https://sqs.us-east-1.amazonaws.com/1/any", [self.MESSAGE], Deadline.after(5))

        assert len(tries) == 2


class TestSnapStart:
    """Lambda calls the registered hooks; the emulators have no restore, so the tests do."""

    def test_both_hooks_are_registered(self) -> None:
        import app  # noqa: PLC0415  importing it registers them

        assert len(get_before_snapshot()) == 1
        assert [hook[0] for hook in get_after_restore()] == [app.firehose.renew]

    def test_what_is_prepared_before_the_snapshot_serves_after_it(self, deployment: Deployment) -> None:
        deployment.firehose.prepare()
        prepared = deployment.firehose.queue_worker
        deployment.firehose.renew()

        deployment.invoke(load_event("audience_membership_change_request"))
        deployment.invoke(load_event("event_processing_request"))
        deployment.work(deployment.queues.membership)

        assert deployment.firehose.queue_worker is prepared
        assert len(deployment.partner.events) == 1
        assert deployment.partner.memberships["seg-4242-1001"]

    def test_preparing_asks_nobody(self, deployment: Deployment) -> None:
        deployment.firehose.prepare()

        assert deployment.partner.requests == ()

    def test_no_connection_survives_a_restore(self, deployment: Deployment) -> None:
        deployment.invoke(load_event("event_processing_request"))
        connected = deployment.partner.connections
        deployment.firehose.renew()

        deployment.invoke(load_event("event_processing_request_web"))

        assert deployment.partner.connections == connected + 1

    def test_no_open_circuit_survives_a_restore(self, deployment: Deployment) -> None:
        deployment.partner.script("/track", [500] * 5)
        for number in range(6):
            deployment.invoke(load_event("event_processing_request", id=str(UUID(int=number))))
        assert deployment.partner.events == []
        deployment.firehose.renew()

        deployment.invoke(load_event("event_processing_request"))

        assert len(deployment.partner.events) == 1

    def test_no_memory_of_backlogs_survives_a_restore(self, deployment: Deployment, dynamodb: Any) -> None:
        deployment.invoke(load_event("audience_membership_change_request"))
        deployment.work(deployment.queues.membership)
        known = len(deployment.partner.requests)
        none = ForwardedAccounts()
        ForwardingTable(dynamodb, "ledger").replace(none, none.changed({"4242": Phase.OPEN}))
        deployment.firehose.renew()

        deployment.invoke(load_event("audience_membership_change_request", id=str(UUID(int=7))))
        deployment.work(deployment.queues.membership)
        moved = len(deployment.partner.requests)
        deployment.work(deployment.queues.bulk)

        assert moved == known
        assert len(deployment.partner.requests) > known

    def test_no_memory_of_a_suspension_survives_a_restore(self, deployment: Deployment, dynamodb: Any) -> None:
        deployment.partner.revoke("canary-secret-live-4242")
        deployment.invoke(load_event("event_processing_request"))
        (suspended,) = dynamodb.scan(TableName="suspensions")["Items"]
        dynamodb.delete_item(TableName="suspensions", Key={"account": suspended["account"]})
        deployment.firehose.renew()

        answer = deployment.invoke(load_event("audience_membership_change_request"))

        assert answer["suspend_subscription"] is False


class TestWhatCannotBeRead:
    ODD_EVENT: Mapping[str, Any] = {"type": "custom_event", "attributes": {"canary-name": ["canary-pii"]}}

    @pytest.mark.parametrize("over_http", [False, True], ids=["direct", "https"])
    def test_an_odd_event_costs_itself(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, over_http: bool
    ) -> None:
        monkeypatch.setenv("HTTP_TOKEN_SOURCE", "off")
        monkeypatch.setenv("HTTP_DEADLINE_MS", "1000")
        events = [{"type": "session_start"}, self.ODD_EVENT, {"type": "session_end"}]
        message = load_event("event_processing_request", events=events, system_notifications=[])

        answer = deployment.invoke(
            function_url_event("POST", "/events", json.dumps(message).encode()) if over_http else message
        )

        assert answer.get("statusCode") == (200 if over_http else None)
        assert [event["kind"] for event in deployment.partner.events[0]["events"]] == ["session_start", "session_end"]
        (letter,) = deployment.queues.messages(deployment.queues.event_dlq)
        assert json.loads(letter["Body"]) == {**message, "events": [self.ODD_EVENT]}
        assert letter["MessageAttributes"]["reason"]["StringValue"] == "events.*.attributes.*: must be text"

    def test_an_odd_change_costs_itself(self, deployment: Deployment) -> None:
        settings = {"segmentId": "seg-4242-1001"}
        readable, odd = (
            {
                "mpid": mpid,
                "audiences": [{"audience_id": of, "action": "add", "audience_subscription_settings": settings}],
            }
            for mpid, of in (("1", 1001), ("2", "canary-pii"))
        )

        deployment.invoke(load_event("audience_membership_change_request", user_profiles=[odd, readable]))
        deployment.work(deployment.queues.membership)

        (letter,) = deployment.queues.messages(deployment.queues.membership_dlq)
        assert [profile for profile in json.loads(letter["Body"])["user_profiles"] if profile] == [odd]
        assert {"group_id", "place", "reason", "account_id"} < set(letter["MessageAttributes"])
        assert list(deployment.partner.memberships["seg-4242-1001"]) == ["1"]
