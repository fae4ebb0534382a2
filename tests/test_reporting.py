"""What is written for CloudWatch, whose embedded metric format takes 100 metrics a document and 100 values a metric."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from mparticle_firehose.errors import (
    ConfigurationError,
    DeliveryError,
    FirehoseError,
    MalformedRequestError,
    PartnerUnavailableError,
    RefusedError,
    SettingError,
    UnexpectedError,
)
from mparticle_firehose.reporting import PowertoolsTelemetry, reported, telemetry
from tests.conftest import Context, Deployment, Json, load_event
from tests.endpoint.http_events import Shape, function_url_event, http_api_event

NUMBERS = [1, 99, 100, 101, 400, 1_000]

pytestmark = pytest.mark.usefixtures("log_to_this_test")

type Output = Callable[[], list[Json]]


@pytest.fixture
def documents(capsys: pytest.CaptureFixture[str]) -> Output:
    """Return what reads the metric documents that have been written since the last time."""

    def read() -> list[Json]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line for line in lines if "_aws" in line]

    return read


def values(documents: Sequence[Json]) -> dict[str, list[float]]:
    """Return each metric's values, of documents that keep CloudWatch's limits."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for document in documents:
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert 1 <= len(document[metric["Name"]]) <= 100
            found[metric["Name"]] += document[metric["Name"]]
    return found


def dimensions(documents: Sequence[Json]) -> list[dict[str, str]]:
    """Return the dimensions of each document."""
    named = [document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] for document in documents]
    return [{name: document[name] for name in names} for document, (names,) in zip(documents, named, strict=True)]


@pytest.mark.parametrize("number", NUMBERS)
def test_however_often_something_is_counted_its_sum_is_one_value(number: int, documents: Output) -> None:
    with reported("done") as report:
        for _ in range(number):
            telemetry.count("DeadLettered", 2)
        report.facts["message_type"] = "queue"

    (document,) = documents()
    assert document["message_type"] == "queue"
    assert values([document])["DeadLettered"] == [2 * number]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_time_is_written_with_the_dimension(number: int, documents: Output) -> None:
    with reported("done") as report:
        for milliseconds in range(number):
            telemetry.measure("QueueAge", milliseconds)
        report.facts["message_type"] = "queue"

    written = documents()
    assert values(written)["QueueAge"] == list(range(number))
    assert {each["message_type"] for each in dimensions(written)} == {"queue"}
    assert values(written)["Received"] == [1]
    assert len(values(written)["Duration"]) == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_every_metric_is_written_with_the_dimension(number: int, documents: Output) -> None:
    with reported("done") as report:
        for metric in range(number):
            telemetry.count(f"Metric{metric}", metric + 1)
        report.facts["message_type"] = "queue"

    written = documents()
    assert {name: found for name, found in values(written).items() if name.startswith("Metric")} == {
        f"Metric{metric}": [metric + 1] for metric in range(number)
    }
    assert {each["message_type"] for each in dimensions(written)} == {"queue"}


def test_an_invocation_that_fails_writes_what_it_has_counted(documents: Output) -> None:
    def fail() -> None:
        with reported("done") as report:
            for milliseconds in range(150):
                telemetry.count("DeadLettered")
                telemetry.measure("QueueAge", milliseconds)
            report.facts["message_type"] = "queue"
            raise KeyError("canary-pii")

    with pytest.raises(UnexpectedError):
        fail()

    written = documents()
    assert (values(written)["DeadLettered"], values(written)["Failed"]) == ([150], [1])
    assert {each["message_type"] for each in dimensions(written)} == {"queue"}


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (SettingError("apiKey", "is required"), {"CustomerErrors"}),
        (RefusedError("the partner refuses the audience"), {"CustomerErrors"}),
        (PartnerUnavailableError("the partner could not be reached in time"), {"PartnerErrors"}),
        (DeliveryError("SQS did not take it"), set()),
        (MalformedRequestError(("type", "is required")), set()),
        (ConfigurationError("PARTNER_API_URL is missing"), set()),
        (KeyError("canary-pii"), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_that_a_customer_or_the_partner_must_mend_is_counted_as_theirs(
    error: Exception, counted: set[str], documents: Output
) -> None:
    def fail() -> None:
        with reported("done"):
            raise error

    with pytest.raises(FirehoseError):
        fail()

    written = values(documents())
    assert written["Failed"] == [1]
    assert {name for name in written if name.endswith("Errors")} == counted


def test_an_invocation_writes_nothing_of_the_one_before(documents: Output) -> None:
    for kind, number in {"queue": 400, "http": 0, "dsr_processing_request": 1}.items():
        with reported("done") as report:
            telemetry.count("Retried", number)
            report.facts["message_type"] = kind

    assert [(each["message_type"], each.get("Retried")) for each in documents()] == [
        ("queue", [400]),
        ("http", None),
        ("dsr_processing_request", [1]),
    ]


def test_each_document_has_all_dimensions(documents: Output) -> None:
    counting = PowertoolsTelemetry()
    for milliseconds in range(250):
        counting.measure("QueueAge", milliseconds)

    counting.flush({"message_type": "queue", "site": "eu"})

    told = [{name: each[name] for name in ("message_type", "site")} for each in dimensions(documents())]
    assert told == [{"message_type": "queue", "site": "eu"}] * 3


@pytest.mark.parametrize("number", [100, 200])
def test_what_fills_whole_documents_leaves_nothing_behind(number: int, documents: Output) -> None:
    counting = PowertoolsTelemetry()
    for milliseconds in range(number):
        counting.measure("QueueAge", milliseconds)
    counting.flush({"message_type": "queue", "site": "eu"})
    first = documents()

    counting.count("Retried")
    counting.flush({"message_type": "http"})

    (second,) = documents()
    assert len(first) == number // 100
    assert "site" not in second
    assert second["message_type"] == "http"


def test_where_nothing_was_counted_nothing_is_written(documents: Output, recwarn: pytest.WarningsRecorder) -> None:
    counting = PowertoolsTelemetry()
    counting.count("Retried", 0)

    counting.flush({"message_type": "queue"})

    assert (documents(), list(recwarn)) == ([], [])


def test_threads_lose_no_count(documents: Output) -> None:
    counting = PowertoolsTelemetry()
    with ThreadPoolExecutor(4) as threads:
        for _ in range(2_000):
            threads.submit(counting.count, "IntegrationFailed")

    counting.flush({"message_type": "queue"})

    assert values(documents()) == {"IntegrationFailed": [2_000]}


def test_a_batch_that_fails_altogether_is_counted_as_one_of_the_queue(deployment: Deployment) -> None:
    with pytest.raises(UnexpectedError):
        deployment.firehose.worker({"Records": [{}]}, Context())  # type: ignore[arg-type]  # all that it reads

    written = [line for line in deployment.output() if "_aws" in line]
    assert [(each["message_type"], each["Failed"]) for each in written] == [("queue", [1])]


def test_undeliverable_messages_of_a_batch_are_counted_with_the_dimension(deployment: Deployment) -> None:
    account = {"account_id": 4242, "account_settings": {}}
    body = json.dumps(load_event("audience_membership_change_request", account=account))
    entries = [
        {"messageId": f"m{number}", "body": body, "receiptHandle": "r", "attributes": {"MessageGroupId": "4242.0"}}
        for number in range(101)
    ]

    deployment.firehose.worker({"Records": entries}, Context(60_000))  # type: ignore[arg-type]  # all that it reads

    written = [line for line in deployment.output() if "_aws" in line]
    assert values(written)["DeadLettered"] == [101]
    assert {each["message_type"] for each in dimensions(written)} == {"queue"}


@pytest.mark.parametrize("shape", [function_url_event, http_api_event])
def test_an_http_request_is_counted_with_the_dimension(
    shape: Shape, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_TOKEN_SOURCE", "off")
    deployment.restart()
    message = load_event("audience_membership_change_request")
    body = json.dumps(message).encode()

    deployment.invoke(shape("POST", "/", body, {"Content-Type": "application/json"}))

    written = [line for line in deployment.output() if "_aws" in line]
    assert values(written)["ProfilesQueued"] == [len(message["user_profiles"])]
    assert {each["message_type"] for each in dimensions(written)} == {"audience_membership_change_request"}
