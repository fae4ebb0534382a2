import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_dynamodb import DynamoDBClient
from pydantic import BaseModel

from local.isolation import ROOT
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.protocol.wire.model import map_names
from tests.conftest import EVENTS, Deployment, Json, load_event, serializer
from tests.endpoint.http_events import function_url_event
from tests.planted import READABLE, leaks, planted

PLANTED = """
import pytest

def test_a_leak():
    print("canary-pii-planted")

@pytest.mark.shows_canaries
def test_a_leak_on_purpose():
    print("canary-pii-planted")
"""

REQUESTS = sorted(path.stem for path in EVENTS.glob("*.json"))


def maps_in(value: Any, of: str = "") -> Iterator[str]:
    """Yield the names of the fields of a request that are maps."""
    if isinstance(value, list):
        for each in value:
            yield from maps_in(each)
    elif isinstance(value, dict):
        if of in READABLE:
            yield of
        for name, each in value.items():
            yield from maps_in(each, name)


CASES = [(name, odd) for name in REQUESTS for odd in ["", *sorted(set(maps_in(load_event(name))))]]
OUTCOMES = [(name, odd, status) for name, odd in CASES for status in ([422] if odd else [200, 401, 422, 503])]
"""Requests, and what the partner answers to them."""


def parts(value: Any) -> Iterator[BaseModel]:
    """Yield every model in a model."""
    if isinstance(value, BaseModel):
        yield value
        value = [getattr(value, name) for name in type(value).model_fields]
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from parts(each)


class Traces:
    """Everything that a deployment writes for others to read about one request."""

    def __init__(self, deployment: Deployment, dynamodb: DynamoDBClient) -> None:
        self._deployment = deployment
        self._dynamodb = dynamodb
        self.texts: list[str] = []

    def invoke(self, event: object) -> None:
        """Invoke the handler and keep its error."""
        try:
            self._deployment.invoke(event)
        except FirehoseError as error:
            self.texts += [str(error), repr(error)]

    def invoke_over_http(self, message: Json) -> None:
        response = self._deployment.invoke(function_url_event("POST", "/", json.dumps(message).encode()))
        if response["statusCode"] != 200:
            self.texts.append(str(response))

    def work(self) -> None:
        """Let the worker empty the queues, and look at the dead letters. Reading a queue checks what is not body."""
        queues = self._deployment.queues
        for url in (queues.membership, queues.event):
            self._deployment.work(url)
        for url in (queues.membership_dlq, queues.event_dlq):
            queues.messages(url)

    def all(self) -> str:
        tables = [self._dynamodb.scan(TableName=table)["Items"] for table in ("ledger", "suspensions")]
        return "\n".join([*self.texts, str(tables), json.dumps(self._deployment.output())])


def test_every_request_of_ours_is_marked() -> None:
    with_people = [path for path in EVENTS.glob("*.json") if "user_identities" in path.read_text()]

    assert len(with_people) >= 3
    assert [path.name for path in with_people if not leaks(path.read_text())] == []


def test_names_are_planted_in_every_map_of_the_protocol() -> None:
    assert set(READABLE) == map_names()
    assert {odd for _, odd in CASES} == {"", *map_names()}


@pytest.mark.parametrize(("name", "odd", "status"), OUTCOMES)
def test_no_name_and_no_value_of_a_customer_is_told(
    deployment: Deployment,
    dynamodb: DynamoDBClient,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    odd: str,
    status: int,
) -> None:
    monkeypatch.setenv("HTTP_TOKEN_SOURCE", "off")
    traces = Traces(deployment, dynamodb)
    message = planted(load_event(name), odd)
    deployment.partner.script("", [] if status == 200 else [status] * 20)

    traces.invoke(message)
    traces.invoke_over_http(message)
    traces.work()
    deployment.partner.script("", [])
    traces.invoke({**message, "id": "9a4b7a7e-1111-4111-8111-000000000000"})
    traces.work()

    assert not leaks(traces.all())


@pytest.mark.parametrize(("name", "odd"), CASES)
def test_no_repr_shows_a_name_or_a_value_of_a_customer(name: str, odd: str) -> None:
    try:
        request = serializer.parse(planted(load_event(name), odd))
    except FirehoseError:
        return

    shown = [repr(each) for each in parts(request)]
    assert not leaks("\n".join([*shown, str(request), repr(request.unreadable)]))


@pytest.mark.parametrize("name", REQUESTS)
def test_a_name_is_planted_in_every_request(name: str) -> None:
    """The control."""
    assert json.dumps(planted(load_event(name))).count("canary-name-extra") >= 1


@pytest.mark.shows_canaries
@pytest.mark.parametrize("processes", ["0", "1"], ids=["in-this-process", "in-another-process"])
def test_the_search_that_every_test_runs_under_finds_a_planted_leak(processes: str, tmp_path: Path) -> None:
    planted = tmp_path / "planted_leak.py"
    planted.write_text(PLANTED)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.canaries", "-p", "no:cacheprovider"]

    run = subprocess.run(  # noqa: S603  this very interpreter, on a file written above
        [*command, "--numprocesses", processes, str(planted)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "1 failed, 1 passed" in run.stdout
    assert "a secret or personal value shows in: Captured stdout call" in run.stdout
