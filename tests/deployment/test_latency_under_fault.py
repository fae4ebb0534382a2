"""However the partner fails, the handler answers in time and every event is at the partner or in the queue.

What is asserted is what the design promises on any machine; what was measured is printed (``pytest -s``).
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from uuid import UUID

import pytest

from local.cloud.ministack import MiniStack
from local.partner.faults import Step
from mparticle_firehose.firehose import Firehose
from tests.conftest import BreakerDouble, Json, StoreDouble, load_event
from tests.sample.server import SamplePartner
from tests.worker.event_source_mapping import Deployment, Doom, aws_of

pytestmark = pytest.mark.cloud

CALLS = 500
CALLS_WITHOUT_BREAKER = 20
DEADLINE_SECONDS = 0.15
LONGEST_SECONDS = DEADLINE_SECONDS + 5.0
"""What one call may take on a machine that is busy with other things."""

FAULTS: dict[str, Step] = {"hangs": "hang", "resets": "reset", "answers after 10 s": {"delay": 10.0}}
REFUSES = "refuses"


@dataclass
class Traffic:
    """Event requests that have been answered, with the time each took."""

    sent: dict[str, Json] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def flow(self, deployment: Deployment, calls: int) -> None:
        for _ in range(calls):
            number = len(self.sent)
            request = load_event("event_processing_request", id=str(UUID(int=number)), timestamp_ms=number)
            started = time.perf_counter()
            answer = deployment.ask(request, DEADLINE_SECONDS)
            self.seconds.append(time.perf_counter() - started)
            assert answer["type"] == "event_processing_response"
            self.sent[request["id"]] = request

    def report(self, title: str) -> str:
        """Return the figures in milliseconds."""
        steps = quantiles(self.seconds, n=100, method="inclusive")
        p50, p99, most = (round(value * 1000, 1) for value in (steps[49], steps[98], max(self.seconds)))
        return f"{title}: {len(self.seconds)} calls, p50 {p50} ms, p99 {p99} ms, max {most} ms"


@pytest.fixture
def aws(emulator: MiniStack) -> Iterator[None]:
    with aws_of(emulator, Doom()):
        yield


@contextmanager
def failing_partner(fault: str, calls: int) -> Iterator[tuple[str, SamplePartner | None]]:
    """Yield the URL of a partner that fails every call, and the partner, if there is one."""
    if fault == REFUSES:
        with socket.socket() as closed:  # bound, but nobody listens
            closed.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{closed.getsockname()[1]}", None
        return
    with SamplePartner() as partner:
        partner.script("/track", [FAULTS[fault]] * calls)
        yield partner.url, partner


def without_breaker(firehose: Firehose) -> Firehose:
    replaced: dict[str, object] = {"breaker": BreakerDouble()}
    vars(firehose).update(replaced)
    return firehose


def found(deployment: Deployment, partner: SamplePartner | None) -> tuple[dict[str, Json], set[str]]:
    """Return the requests that the queue holds, as they are there, and the ids of those that the partner has."""
    queued = [json.loads(message["Body"]) for message in deployment.take(deployment.event)]
    taken = [str(body["request"]) for body in partner.events] if partner else []
    return {request["id"]: request for request in queued}, set(taken)


def lost(sent: dict[str, Json], queued: dict[str, Json], taken: set[str]) -> list[str]:
    return [number for number, request in sent.items() if number not in taken and queued.get(number) != request]


def check(traffic: Traffic, deployment: Deployment, partner: SamplePartner | None) -> None:
    queued, taken = found(deployment, partner)
    assert lost(traffic.sent, queued, taken) == []
    assert set(queued) <= set(traffic.sent)
    assert max(traffic.seconds) < LONGEST_SECONDS


@pytest.mark.parametrize("fault", [*FAULTS, REFUSES])
def test_a_partner_that_fails_costs_a_few_calls_their_deadline_and_no_events(
    fault: str, emulator: MiniStack, aws: None
) -> None:
    traffic = Traffic()
    with failing_partner(fault, CALLS) as (url, partner):
        deployment = Deployment(emulator, url)
        traffic.flow(deployment, CALLS)

        check(traffic, deployment, partner)
    print(traffic.report(f"the partner {fault}"))  # noqa: T201  the figures are for people
    assert partner is None or len(partner.requests) < CALLS / 10


@pytest.mark.parametrize("fault", [*FAULTS, REFUSES])
def test_without_the_breaker_every_call_costs_its_deadline_and_still_no_events(
    fault: str, emulator: MiniStack, aws: None
) -> None:
    traffic = Traffic()
    with failing_partner(fault, CALLS_WITHOUT_BREAKER) as (url, partner):
        deployment = Deployment(emulator, url)
        deployment.services = without_breaker(deployment.services)
        traffic.flow(deployment, CALLS_WITHOUT_BREAKER)

        check(traffic, deployment, partner)
    print(traffic.report(f"the partner {fault}, without the breaker"))  # noqa: T201  as above


def test_an_event_that_is_acknowledged_but_not_stored_is_found(emulator: MiniStack, aws: None) -> None:
    """The control: a queue that forgets what it takes."""
    traffic = Traffic()
    with failing_partner(REFUSES, 1) as (url, partner):
        deployment = Deployment(emulator, url)
        vars(deployment.services)["events"] = StoreDouble()
        traffic.flow(deployment, 1)

        assert lost(traffic.sent, *found(deployment, partner)) == [str(UUID(int=0))]
