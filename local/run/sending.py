"""Sends requests through the deployed product one after the other, and checks what becomes of each."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from local.cloud.cloud import Answer
from local.partner.faults import SUCCESSES
from local.partner.server import PartnerServer, ReceivedRequest
from local.progress import Progress, Silent
from local.run.declared import undeclared
from local.run.expected import below_host, broken_seam, expected_calls, is_offered
from local.run.messages import Message
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.integration import Integration, PartnerCall
from mparticle_firehose.protocol import Serializer

_SERIALIZER = Serializer()


@dataclass(frozen=True)
class Result:
    """What became of one message.

    Attributes:
        message: what was sent.
        answer: what the handler returned; None if the integration does not offer such messages: it was not sent then.
        calls: what the partner received for it.
        queued: how many messages it put through each queue, by the queue's name.
        problems: why it did not arrive as it should; empty when all is well.
    """

    message: Message
    answer: Answer | None = None
    calls: tuple[ReceivedRequest, ...] = ()
    queued: Counter[str] = field(default_factory=Counter)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """What became of all messages.

    Attributes:
        results: one for each message.
        summary: what the partner knew before the last subscription ended, in counts and ids.
        dead_letters: messages in each dead-letter queue, by the queue's name.
        problems: everything that went wrong, named; empty when all arrived.
    """

    results: tuple[Result, ...]
    summary: Mapping[str, Mapping[str, object]]
    dead_letters: Counter[str]
    problems: tuple[str, ...]


class Deployment(Protocol):
    """What a run needs of the product, wherever it is deployed; see `local.cloud.cloud.LocalCloud`."""

    def invoke(self, payload: bytes) -> Answer:
        """Invoke the handler as mParticle does."""

    def settle(self) -> bool:
        """Wait for the queues to drain; tell whether they did."""

    def backlog(self) -> Counter[str]:
        """Count the messages that wait in each queue."""

    def dead_letter_reasons(self) -> Sequence[str]:
        """Return the reason of each of them."""

    def dead_letters(self) -> Counter[str]:
        """Count the messages in each dead-letter queue."""

    def processed_messages(self) -> Counter[str]:
        """Count the messages taken from each queue so far."""


def send_all(
    cloud: Deployment,
    partner: PartnerServer,
    messages: Sequence[Message],
    integration: Integration,
    progress: Progress | None = None,
) -> Run:
    """Send each message, wait until it has been processed, and check the outcome."""
    progress = progress or Silent()
    results: list[Result] = []
    summary: Mapping[str, Mapping[str, object]] = {}
    for number, message in enumerate(messages, 1):
        progress.doing(f"Sending {message.name} ({number} of {len(messages)})")
        if is_offered(integration, message.kind):
            expected = [below_host(integration, call) for call in expected_calls(integration, message.content)]
            results.append(_send(cloud, partner, message, expected))
        else:
            results.append(Result(message))
        if not message.removes_audience:
            summary = partner.summary()
    dead_letters = cloud.dead_letters()
    problems = (
        *(f"{result.message.name}: {problem}" for result in results for problem in result.problems),
        *(
            f"{message.name}: {problem}"
            for message in messages
            if is_offered(integration, message.kind)
            for problem in (broken_seam(integration, message.content) or undeclared(integration, message.content))
        ),
        *(f"the partner's contract was broken by {violation}" for violation in partner.violations),
        *(f"the queue {name} holds {count}" for name, count in dead_letters.items() if count),
        *(
            f"a dead letter's reason: {reason}"
            for reason in (cloud.dead_letter_reasons() if dead_letters.total() else ())
        ),
    )
    return Run(tuple(results), summary, dead_letters, problems)


def _send(cloud: Deployment, partner: PartnerServer, message: Message, expected: Sequence[PartnerCall]) -> Result:
    calls_before, processed_before = len(partner.requests), cloud.processed_messages()
    answer = cloud.invoke(message.payload)
    settled = cloud.settle()
    calls = partner.requests[calls_before:]
    queued = cloud.processed_messages() - processed_before
    problems = [*_answer_problems(message, answer), *_delivery_problems(expected, calls, partner)]
    if not settled:
        left = ", ".join(f"{count} in {name}" for name, count in cloud.backlog().items() if count)
        problems.append(f"the queues did not drain in time ({left})")
    return Result(message, answer, calls, queued, tuple(problems))


def _answer_problems(message: Message, answer: Answer) -> list[str]:
    """Check the answer against the protocol; an error's text is the product's own, which quotes no values."""
    if answer.failed:
        return [f"the handler failed: {error_text(answer)}"]
    try:
        response = _SERIALIZER.parse_response(answer.payload)
    except FirehoseError as error:
        return [f"the answer is not valid: {error}"]
    expected = message.kind.replace("_request", "_response")
    return [] if response.type == expected else [f"the answer is a {response.type}, not a {expected}"]


def error_text(answer: Answer) -> str:
    """Return the message of a failed invocation."""
    try:
        content = json.loads(answer.payload)
    except ValueError:
        return "without a message"
    return str(content.get("errorMessage") or content.get("errorType") or "without a message")


def _delivery_problems(
    expected: Sequence[PartnerCall], received: Sequence[ReceivedRequest], partner: PartnerServer
) -> list[str]:
    """Name the expected calls that the partner did not accept, without the ids in their paths."""
    missing = (call for call in expected if not any(_is_done(request, call) for request in received))
    routes = (f"{call.method} {partner.contract.route(call.path)}" for call in missing)
    return [f"the partner accepted no {route}" for route in dict.fromkeys(routes)]


def _is_done(request: ReceivedRequest, call: PartnerCall) -> bool:
    path, _, _ = request.path.partition("?")
    if request.status is None or (request.method, path) != (call.method, call.path):
        return False
    return request.status in SUCCESSES or request.status in call.accept
