"""Sends messages through the deployed product one after the other, and watches what becomes of each."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from local.cloud.cloud import Answer
from local.partner.server import FakePartner, ReceivedRequest
from local.run.messages import Message
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.protocol import Serializer
from tests.partner.contract import Json

_SERIALIZER = Serializer()
_DONE = frozenset({200, 201, 202, 204})


@dataclass(frozen=True)
class Passage:
    """What became of one message.

    Attributes:
        message: what was sent.
        answer: what the handler returned.
        calls: what the partner received for it.
        queued: how many messages it put through each queue, by the queue's name.
        problems: why it did not arrive as it should; empty when all is well.
    """

    message: Message
    answer: Answer
    calls: tuple[ReceivedRequest, ...]
    queued: Counter[str]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Journey:
    """What became of all messages.

    Attributes:
        passages: one for each message.
        memberships: the partner's audiences and members before the last subscription ended.
        dead_letters: messages in each dead-letter queue, by the queue's name.
        problems: everything that went wrong, named; empty when all arrived.
    """

    passages: tuple[Passage, ...]
    memberships: dict[str, dict[str, Json]]
    dead_letters: Counter[str]
    problems: tuple[str, ...]


class Deployment(Protocol):
    """What a journey needs of the product, wherever it is deployed; see `local.cloud.cloud.LocalCloud`."""

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


def travel(cloud: Deployment, partner: FakePartner, messages: Sequence[Message]) -> Journey:
    """Send each message, wait until its traces have settled, and judge the outcome."""
    passages: list[Passage] = []
    memberships: dict[str, dict[str, Json]] = {}
    for message in messages:
        passages.append(_pass(cloud, partner, message))
        if not message.removes_audience:
            memberships = partner.memberships
    dead_letters = cloud.dead_letters()
    problems = (
        *(f"{passage.message.name}: {problem}" for passage in passages for problem in passage.problems),
        *(f"the partner's contract was broken by {violation}" for violation in partner.violations),
        *(f"the queue {name} holds {count}" for name, count in dead_letters.items() if count),
        *(
            f"a dead letter's reason: {reason}"
            for reason in (cloud.dead_letter_reasons() if dead_letters.total() else ())
        ),
    )
    return Journey(tuple(passages), memberships, dead_letters, problems)


def _pass(cloud: Deployment, partner: FakePartner, message: Message) -> Passage:
    calls_before, processed_before = len(partner.requests), cloud.processed_messages()
    answer = cloud.invoke(message.payload)
    settled = cloud.settle()
    calls = partner.requests[calls_before:]
    queued = cloud.processed_messages() - processed_before
    problems = [*_answer_problems(message, answer), *_delivery_problems(message, calls)]
    if not settled:
        left = ", ".join(f"{count} in {name}" for name, count in cloud.backlog().items() if count)
        problems.append(f"the queues did not drain in time ({left})")
    return Passage(message, answer, calls, queued, tuple(problems))


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


def _delivery_problems(message: Message, calls: Sequence[ReceivedRequest]) -> list[str]:
    expected = message.partner_call()
    if expected is None:
        return []
    method, path = expected
    arrived = any(call.method == method and call.path.startswith(path) and call.status in _DONE for call in calls)
    return [] if arrived else [f"the partner accepted no {method} {path}"]
