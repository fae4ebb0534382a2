"""What all trials of a deployment have in common: the samples, and how a reply to one is judged."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from secrets import randbelow
from typing import Self

from local.samples import Sample, samples
from mparticle_firehose.errors import FirehoseError, UnsupportedMessageError
from mparticle_firehose.integration import JsonObject
from mparticle_firehose.protocol import ModuleRegistrationResponse, Response, Serializer
from ops.verify.findings import Finding, Result, failed, not_checked, ok, warning
from ops.verify.replies import Kind, Reply, Target

_SERIALIZER = Serializer()
_PEOPLE = 10**9
MAX_SILENT = 3
"""Requests in a row that may stay without an answer, each of which waits for longer than mParticle would."""

_REPEAT_SECONDS = 2.0
_WORST_FIRST = (Result.FAILED, Result.NOT_CHECKED, Result.WARNING, Result.OK)

type Sleep = Callable[[float], object]


class SilentError(Exception):
    """The deployment has not answered several requests in a row, so that the rest would only take time."""


class ResponseError(Exception):
    """A response is not what mParticle expects; the message says why, without values."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run against a deployment.

    Attributes:
        target: the deployment.
        declaration: the registration that the samples follow.
        settings: values of settings by id.
        invented: ids of the confidential settings of which no value is known, so that a real partner refuses them.
        lacks_token: whether a token is needed that nobody gave.
        person: the invented user's number. Each trial has another: the partner may never again take what it has erased.
        sleep: waits before a request is repeated.
        silent: replies in a row that did not come in time.
    """

    target: Target
    declaration: ModuleRegistrationResponse
    settings: Mapping[str, str]
    invented: tuple[str, ...] = ()
    lacks_token: bool = False
    person: int = field(default_factory=lambda: randbelow(_PEOPLE))
    sleep: Sleep = time.sleep
    silent: list[Reply] = field(default_factory=list)

    def samples(self) -> dict[str, Sample]:
        """Return requests that were never sent, by name."""
        found = samples(self.declaration, settings=self.settings, fresh=True, person=self.person)
        return {each.name: each for each in found}

    def keep_alive(self) -> Sample | None:
        """Return a request without content; None if the registration declares neither events nor audiences."""
        return next((each for name, each in self.samples().items() if name.endswith("/keep_alive")), None)

    def with_settings(self, returned: Mapping[str, str]) -> Self:
        """Return a trial that also sends what the integration asked to keep with an audience."""
        return replace(self, settings={**self.settings, **returned})

    def send(self, content: JsonObject) -> Reply:
        """Send a request."""
        return self.send_bytes(encoded(content))

    def send_bytes(self, body: bytes) -> Reply:
        """Send a request, or what is none.

        Raises:
            SilentError: it was one too many that was not answered.
        """
        reply = self.target.send(body)
        if reply.kind is not Kind.SILENT:
            self.silent.clear()
            return reply
        self.silent.append(reply)
        if len(self.silent) == MAX_SILENT:
            raise SilentError
        return reply

    def ask(self, content: JsonObject) -> Reply:
        """Send a request that must be answered, and once more if it is refused for now: mParticle repeats it too."""
        reply = self.send(content)
        if reply.kind is not Kind.NOT_NOW:
            return reply
        self.sleep(_REPEAT_SECONDS)
        return replace(self.send(content), before=reply.described)

    def tried(self, check: str, content: JsonObject) -> Finding:
        """Send a request that must be answered, and judge the reply."""
        reply = self.ask(content)
        return self.judged(check, reply, str(content["type"]))

    def judged(self, check: str, reply: Reply, request_type: str) -> Finding:
        """Judge the reply to a request that must be answered.

        What the partner refuses because a secret was invented says nothing about the integration.
        """
        if reply.kind is Kind.ANSWERED:
            return self._answered(check, reply, request_type)
        if reply.kind is Kind.REFUSED and self.invented:
            return not_checked(check, f"refused with invented values of {self._names()}: give them with --setting")
        if reply.kind is Kind.UNAUTHORIZED and self.lacks_token:
            return not_checked(check, "needs mParticle's token: set HTTP_TOKEN")
        return failed(check, reply.described)

    def all_tried(self, check: str, tried: Iterable[Sample], word: str) -> Finding:
        """Try several requests as one check, which names those that failed by their names."""
        found = {each.name.rpartition("/")[2]: self.tried(check, each.content) for each in tried}
        worst = next((result for result in _WORST_FIRST if result in {each.result for each in found.values()}), None)
        if worst is None:
            return not_checked(check, f"the registration declares no {word}")
        well = sum(each.result is Result.OK for each in found.values())
        counted = f"{well} of {len(found)} {word} answered"
        if worst is Result.OK:
            return ok(check, counted)
        others = by_reason({name: each.seen for name, each in found.items() if each.result is worst})
        return Finding(check, worst, f"{counted}; {others}")

    def _answered(self, check: str, reply: Reply, request_type: str) -> Finding:
        try:
            response = parsed(reply, request_type)
        except ResponseError as error:
            return failed(check, str(error))
        if getattr(response, "suspend_subscription", False):
            if self.invented:
                return not_checked(check, f"suspends with invented values of {self._names()}")
            return failed(check, "asks mParticle to stop sending (suspend_subscription)")
        if reply.before:
            return warning(check, f"{reply.before}; answered when it was repeated, as mParticle does")
        return ok(check, f"answered in {reply.milliseconds:.0f} ms")

    def _names(self) -> str:
        return ", ".join(self.invented)


def parsed(reply: Reply, request_type: str) -> Response:
    """Return a response of the type that belongs to a request.

    Raises:
        ResponseError: it is not valid, or of another type.
    """
    expected = request_type.replace("_request", "_response")
    try:
        response = _SERIALIZER.parse_response(reply.payload)
    except UnsupportedMessageError:
        raise ResponseError(f"the response's type is none of mParticle's, and must be {expected}") from None
    except FirehoseError as error:
        raise ResponseError(f"the response is not valid: {error}") from None
    if response.type != expected:
        raise ResponseError(f"the response is of type {response.type}, and mParticle expects {expected}")
    return response


def by_reason(reasons: Mapping[str, str]) -> str:
    """Return names with their reasons, each reason once."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(of_reason)}: {reason}" for reason, of_reason in names.items())


def encoded(content: object) -> bytes:
    """Return JSON."""
    return json.dumps(content).encode()
