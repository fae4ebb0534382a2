"""The line of an invocation: its fields, and its metrics in CloudWatch's embedded metric format."""

import json
import logging
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from mparticle_firehose import reporting
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
from mparticle_firehose.execution_environment import ExecutionEnvironment
from mparticle_firehose.reporting import InvocationTelemetry, reported, telemetry
from tests.conftest import Context, Deployment, Json, load_event
from tests.endpoint.http_events import Shape, function_url_event, http_api_event

NUMBERS = [1, 99, 100, 101, 400, 1_000]

pytestmark = pytest.mark.usefixtures("log_to_this_test")

type Output = Callable[[], list[Json]]


@pytest.fixture
def documents(capsys: pytest.CaptureFixture[str]) -> Output:
    """Return what reads the lines with metrics that have been written since the last time."""
    return lambda: [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]


def values(documents: Sequence[Json]) -> dict[str, list[float]]:
    """Return each metric's values, of documents that keep CloudWatch's limits."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for document in documents:
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            written = document[metric["Name"]]
            several = written if isinstance(written, list) else [written]
            assert 1 <= len(several) <= 100
            found[metric["Name"]] += several
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
    assert len(values(written)["duration_ms"]) == 1


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
        ("queue", 400),
        ("http", None),
        ("dsr_processing_request", 1),
    ]


def test_a_line_that_follows_another_has_none_of_its_metrics(documents: Output) -> None:
    counting = InvocationTelemetry()
    counting.count("Retried", 3)
    counting.measure("QueueAge", 1)
    counting.write(2, message_type="queue", fields={"message": "delivered"})
    documents()

    counting.write(4, message_type="http", fields={})

    (second,) = documents()
    assert values([second]) == {"duration_ms": [4]}
    assert dimensions([second]) == [{"message_type": "http", "service": reporting.SERVICE}]


def test_the_line_names_each_request_once_by_type_of_which_something_was_delivered(documents: Output) -> None:
    with reported("delivered"):
        for request_id in ("r2", "r1", "r2"):
            telemetry.list_delivered("audience_membership_change_request", request_id)
        telemetry.list_delivered("dsr_processing_request", "r3")

    (line,) = documents()
    assert line["delivered"] == {
        "audience_membership_change_request": ["r2", "r1"],
        "dsr_processing_request": ["r3"],
    }


def test_an_invocation_that_delivers_nothing_names_no_request_of_the_one_before(documents: Output) -> None:
    with reported("delivered"):
        telemetry.list_delivered("dsr_processing_request", "r1")
    with reported("delivered"):
        telemetry.count("Retried")

    first, second = documents()
    assert ("delivered" in first, "delivered" in second) == (True, False)


def test_an_invocation_that_fails_names_what_it_has_delivered(documents: Output) -> None:
    def fail() -> None:
        with reported("delivered"):
            telemetry.list_delivered("dsr_processing_request", "r1")
            raise KeyError

    with pytest.raises(UnexpectedError):
        fail()

    (line,) = documents()
    assert (line["message"], line["delivered"]) == ("failed", {"dsr_processing_request": ["r1"]})


def test_the_requests_of_a_full_batch_are_in_the_first_document_alone_which_stays_small(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with reported("delivered"):
        for number in range(101):
            telemetry.measure("QueueAge", number)
        for number in range(100):
            telemetry.list_delivered("event_processing_request", str(UUID(int=number)))

    first, second = capsys.readouterr().out.splitlines()
    assert len(json.loads(first)["delivered"]["event_processing_request"]) == 100
    assert len(first.encode()) < 6_000
    assert "delivered" not in json.loads(second)


def test_threads_lose_no_count(documents: Output) -> None:
    counting = InvocationTelemetry()
    with ThreadPoolExecutor(4) as threads:
        for _ in range(2_000):
            threads.submit(counting.count, "IntegrationFailed")

    counting.write(1, message_type="queue", fields={})

    assert values(documents())["IntegrationFailed"] == [2_000]


def lines(capsys: pytest.CaptureFixture[str]) -> list[Json]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_that_cannot_be_written_fails_no_invocation(capsys: pytest.CaptureFixture[str]) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise KeyError("canary-pii")

    with reported("answered") as report:
        report.facts["odd"] = Hostile()

    (line,) = lines(capsys)
    assert (line["level"], line["message"]) == ("ERROR", "line not written")
    assert line["error"].startswith("KeyError in ")


@pytest.mark.parametrize(
    ("initialization", "cold_starts"), [("snap-start", 1), ("on-demand", 1), ("provisioned-concurrency", None)]
)
def test_the_first_line_says_how_the_environment_was_started_and_counts_it_if_a_request_waited(
    initialization: str, cold_starts: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": initialization, "AWS_LAMBDA_FUNCTION_VERSION": "12"}
    monkeypatch.setattr(reporting, "environment", ExecutionEnvironment(variables, lambda: 80))

    for _ in range(2):
        with reported("answered"):
            pass

    first, second = lines(capsys)
    assert (first["initialization"], first["function_version"], first["max_memory_mb"]) == (initialization, "12", 80)
    assert first.get("ColdStarts") == cold_starts
    assert {"initialization", "function_version", "max_memory_mb", "ColdStarts"} & set(second) == set()


def test_after_a_line_that_could_not_be_written_the_next_one_is(capsys: pytest.CaptureFixture[str]) -> None:
    with reported("answered") as report:
        report.facts["message_type"] = None
        report.facts[None] = ()  # type: ignore[index]  # JSON has no such keys
    with reported("answered"):
        telemetry.count("Retried")

    assert [line.get("Retried") for line in lines(capsys)] == [None, 1]


@pytest.fixture
def only_warnings() -> Iterator[None]:
    """Log from WARNING on, as with the parameter LogLevel=WARNING."""
    log = logging.getLogger(reporting.logger.name)
    before = log.level
    log.setLevel(logging.WARNING)
    yield
    log.setLevel(before)


@pytest.mark.usefixtures("only_warnings")
def test_an_invocation_on_a_level_that_is_not_logged_has_metrics_only(capsys: pytest.CaptureFixture[str]) -> None:
    with reported("answered") as report:
        report.facts.update(message_type="queue", request_id="r1")
        telemetry.note("queued", {"request_id": "r1"})
        telemetry.list_delivered("dsr_processing_request", "r1")
        telemetry.count("Retried")

    (line,) = lines(capsys)
    assert set(line) == {"_aws", "message_type", "service", "Retried", "duration_ms"}


@pytest.mark.usefixtures("only_warnings")
def test_a_failure_is_logged_with_its_metrics_on_that_level(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with reported("answered"):
            raise DeliveryError("SQS did not take it")

    with pytest.raises(DeliveryError):
        fail()

    (line,) = lines(capsys)
    told = {"level": "ERROR", "message": "failed", "error": "DeliveryError: SQS did not take it", "Failed": 1}
    assert told.items() <= line.items()


ONE_OF_EACH = """
import logging
from mparticle_firehose.reporting import reported, telemetry
logging.getLogger("botocore.credentials").info("canary of a library")
with reported("answered"):
    telemetry.note("queued", {})
    telemetry.warn("circuit opened", {})
"""


@pytest.mark.parametrize(
    ("level", "messages"),
    [
        ("INFO", ["queued", "circuit opened", "answered"]),
        ("WARNING", ["circuit opened", None]),
        ("ERROR", [None]),
    ],
)
def test_lambda_s_own_level_decides_neither_for_us_nor_for_libraries(level: str, messages: list[str | None]) -> None:
    environ = {"AWS_LAMBDA_LOG_LEVEL": "INFO", "POWERTOOLS_LOG_LEVEL": level, "PYTHONPATH": "src"}
    program = f"import logging\nlogging.basicConfig(level='INFO', force=True)\n{ONE_OF_EACH}"

    ran = subprocess.run(  # noqa: S603  this very interpreter
        [sys.executable, "-c", program], env={**os.environ, **environ}, capture_output=True, check=True, text=True
    )

    assert [json.loads(line).get("message") for line in ran.stdout.splitlines()] == messages
    assert ran.stderr == ""


def test_a_batch_that_fails_altogether_is_counted_as_one_of_the_queue(deployment: Deployment) -> None:
    with pytest.raises(UnexpectedError):
        deployment.firehose.worker({"Records": [{}]}, Context())  # type: ignore[arg-type]  # all that it reads

    written = [line for line in deployment.output() if "_aws" in line]
    assert [(each["message_type"], each["Failed"]) for each in written] == [("queue", 1)]


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
